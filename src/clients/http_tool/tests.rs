//! Tools against small servers that answer, refuse, redirect, babble, break off and say nothing.

use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolving};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::clients::{signature, tls_with_public_roots};

const AT_MS: i64 = 1_790_000_000_000;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ARGUMENTS: &str = r#"{"day":"mon"}"#;

fn client(reach: Reach) -> HttpToolClient {
    HttpToolClient::new(HttpToolSettings::new(reach, tls_with_public_roots().unwrap())).unwrap()
}

fn tool(url: &str, deadline_ms: u32) -> HttpTool {
    let tool = json!({"name": "find_slot", "description": "d", "url": url, "secret": SECRET,
        "deadlineMs": deadline_ms});
    serde_json::from_value(tool).unwrap()
}

async fn ask(client: &HttpToolClient, tool: &HttpTool) -> Result<ToolReply, ToolError> {
    let (business, call) = (BusinessId::parse("luna").unwrap(), CallSid::parse("CA1").unwrap());
    let (from, arguments) = (Pii::new("+14155550123".to_owned()), Pii::new(ARGUMENTS.to_owned()));
    let call = Some((&call, &from));
    let question = ToolRequest {
        business: &business,
        tool,
        call,
        tool_call: "call_1\r\nx-evil: 1",
        arguments: &arguments,
        at_ms: AT_MS,
    };
    client.ask(&question).await
}

async fn server() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/tools?x=1", listener.local_addr().unwrap());
    (listener, url)
}

/// A request, head and body.
async fn request(socket: &mut TcpStream) -> (String, String) {
    let mut bytes = Vec::new();
    loop {
        assert!(socket.read_buf(&mut bytes).await.unwrap() > 0, "it ended too early");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() >= length.parse().unwrap() {
            return (head.to_owned(), body.to_owned());
        }
    }
}

/// What becomes of a question that is answered so, and what was asked.
async fn answered(answer: &[u8]) -> (Result<ToolReply, ToolError>, (String, String)) {
    let (listener, url) = server().await;
    let answer_one = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let request = request(&mut socket).await;
        // Whoever does not read to the end may have left.
        let _left = socket.write_all(answer).await;
        let _left = socket.shutdown().await;
        request
    };
    tokio::join!(async { ask(&client(Reach::Loopback), &tool(&url, 20_000)).await }, answer_one)
}

fn http(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

const JSON: &str = "content-type: application/json; charset=utf-8\r\n";

#[tokio::test]
async fn a_tool_is_asked_by_one_signed_post_that_can_be_told_from_its_repetition() {
    let (reply, (head, body)) = answered(&http(200, JSON, r#"{"free":[9]}"#)).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status, reply.content.reveal().as_str()), (200, r#"{"free":[9]}"#));
    let asked: Value = serde_json::from_str(&body).unwrap();
    let expected = json!({"tool": "find_slot", "arguments": {"day": "mon"}, "businessId": "luna", "callId": "CA1",
        "from": "+14155550123", "toolCallId": "call_1\r\nx-evil: 1"});
    assert_eq!(asked, expected);
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name}: {head}")).to_owned()
    };
    assert!(head.starts_with("POST /tools?x=1 HTTP/1.1"), "{head}");
    let id = header("webhook-id");
    assert!(id.starts_with("tool_") && id == header("idempotency-key"));
    assert_eq!(header("webhook-timestamp"), "1790000000");
    let secret = tool("", 1_000).secret;
    let signature = signature::sign(&secret, &id, 1_790_000_000, &body).unwrap();
    assert_eq!(header("webhook-signature"), signature);
    assert!(!head.contains("x-evil"), "{head}");
    let (_, (again, _)) = answered(&http(204, "", "")).await;
    assert!(again.contains(&id), "the same call of the tool has the same key");
}

#[tokio::test]
async fn text_and_json_are_taken_and_nothing_else() {
    for (headers, body) in [
        (JSON, ""),
        ("content-type: text/plain\r\n", "nine"),
        ("content-type: TEXT/html\r\n", "<b>nine</b>"),
        ("content-type: application/problem+json\r\n", "{}"),
        ("", ""),
        ("content-type: image/png\r\n", ""),
    ] {
        assert_eq!(answered(&http(200, headers, body)).await.0.unwrap().content.reveal(), body);
    }
    let zip = b"HTTP/1.1 200 X\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00";
    let pictures = [http(200, "content-type: image/png\r\n", "PNG"), http(200, "", "nine"), zip.to_vec()];
    for picture in pictures {
        let error = answered(&picture).await.0.unwrap_err();
        assert!(matches!(error, ToolError::NotText), "{error:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_wherever_it_leads() {
    for (status, to) in
        [(302, "http://169.254.169.254/latest/meta-data"), (307, "https://luna.example/"), (308, "/")]
    {
        let answer = http(status, &format!("location: {to}\r\n"), "");
        let error = answered(&answer).await.0.unwrap_err();
        assert!(matches!(error, ToolError::Redirected { status: met } if met == status), "{error:?}");
    }
}

#[tokio::test]
async fn nothing_of_a_refusal_is_in_the_error() {
    for (status, of_the_tool) in
        [(400, false), (404, false), (422, false), (429, true), (500, true), (503, true)]
    {
        let error = answered(&http(status, JSON, "hush")).await.0.unwrap_err();
        assert_eq!((error.status(), error.is_of_the_tool()), (Some(status), of_the_tool));
        assert!(!format!("{error} {error:?} {}", error.for_the_model()).contains("hush"));
    }
}

#[tokio::test]
async fn of_an_endless_answer_only_the_beginning_is_read() {
    let (listener, url) = server().await;
    let babble = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        request(&mut socket).await;
        let head = "HTTP/1.1 200 X\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";
        socket.write_all(head.as_bytes()).await.unwrap();
        // Two bytes at a time, so that the cut goes through a letter somewhere.
        let chunk = format!("1001\r\n{}x\r\n", "é".repeat(2_048));
        while socket.write_all(chunk.as_bytes()).await.is_ok() {}
    };
    let (client, tool) = (client(Reach::Loopback), tool(&url, 20_000));
    let (reply, ()) = tokio::join!(ask(&client, &tool), babble);
    let read = reply.unwrap().content.reveal().len();
    assert!((READ_BYTES - 1..=READ_BYTES).contains(&read), "{read}");
}

#[tokio::test]
async fn a_tool_that_hangs_is_late_wherever_it_does() {
    for begins in [
        &b""[..],
        b"HTTP/1.1 200 X\r\n",
        b"HTTP/1.1 200 X\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nx",
    ] {
        let (listener, url) = server().await;
        let hang = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            request(&mut socket).await;
            socket.write_all(begins).await.unwrap();
            // Held until the other side hangs up.
            let _gone = socket.read_to_end(&mut Vec::new()).await;
        };
        let (client, tool) = (client(Reach::Loopback), tool(&url, 1_000));
        let (reply, ()) = tokio::join!(ask(&client, &tool), hang);
        assert!(matches!(reply, Err(ToolError::Late)), "{reply:?}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_broken_and_nobody_there_is_unreachable() {
    for nonsense in ["", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\nx"] {
        let error = answered(nonsense.as_bytes()).await.0.unwrap_err();
        assert!(matches!(error, ToolError::Broken), "{nonsense}: {error:?}");
    }
    let (listener, url) = server().await;
    drop(listener);
    let error = ask(&client(Reach::Loopback), &tool(&url, 20_000)).await.unwrap_err();
    assert!(matches!(error, ToolError::Unreachable), "{error:?}");
}

/// Names that all lead to one address.
struct All(&'static str);

impl Resolve for All {
    fn resolve(&self, _: Name) -> Resolving {
        let address = std::net::SocketAddr::new(self.0.parse().unwrap(), 0);
        Box::pin(async move { Ok(Box::new(std::iter::once(address)) as Addrs) })
    }
}

#[tokio::test]
async fn nothing_private_is_ever_asked_however_it_is_written_or_named() {
    for url in [
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://10.0.0.1/",
        "https://metadata.google.internal/",
        "https://db.railway.internal/",
        "https://localhost/",
    ] {
        let error = ask(&client(Reach::PublicOnly), &tool(url, 1_000)).await.unwrap_err();
        assert!(matches!(error, ToolError::NotPublic), "{url}: {error:?}");
    }
    for address in
        ["127.0.0.1", "169.254.169.254", "10.0.0.1", "fd00:ec2::254", "::ffff:10.0.0.1", "64:ff9b::7f00:1"]
    {
        let tls = tls_with_public_roots().unwrap();
        let settings = HttpToolSettings { reach: Reach::PublicOnly, tls, names: Arc::new(All(address)) };
        let client = HttpToolClient::new(settings).unwrap();
        let error = ask(&client, &tool("https://luna.example/", 1_000)).await.unwrap_err();
        assert!(matches!(error, ToolError::NotPublic), "{address}: {error:?}");
    }
    for url in ["http://luna.example/", "http://127.0.0.1/"] {
        let error = ask(&client(Reach::PublicOnly), &tool(url, 1_000)).await.unwrap_err();
        assert!(matches!(error, ToolError::NotHttps), "{url}: {error:?}");
    }
    let error = ask(&client(Reach::PublicOnly), &tool("ftp://luna.example/", 1_000)).await.unwrap_err();
    assert!(matches!(error, ToolError::Url), "{error:?}");
}

#[tokio::test]
async fn a_tool_that_fails_again_and_again_is_not_asked_and_one_who_tries_it_mends_that() {
    let (listener, url) = server().await;
    let (client, tool) = (client(Reach::Loopback), tool(&url, 20_000));
    let serve = async {
        for status in [500, 500, 500, 500, 500, 200, 200] {
            let (mut socket, _) = listener.accept().await.unwrap();
            request(&mut socket).await;
            socket.write_all(&http(status, JSON, "{}")).await.unwrap();
        }
    };
    let story = async {
        for _ in 0..5 {
            assert!(matches!(ask(&client, &tool).await, Err(ToolError::Refused { status: 500 })));
        }
        assert!(matches!(ask(&client, &tool).await, Err(ToolError::Resting)));
        let (business, arguments) = (BusinessId::parse("luna").unwrap(), Pii::new(ARGUMENTS.to_owned()));
        let (business, arguments) = (&business, &arguments);
        let trial =
            ToolRequest { business, tool: &tool, call: None, tool_call: "try", arguments, at_ms: AT_MS };
        client.try_out(&trial).await.unwrap();
        ask(&client, &tool).await.unwrap();
    };
    let both = async { tokio::join!(serve, story) };
    tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
}
