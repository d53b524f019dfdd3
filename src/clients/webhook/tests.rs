//! Webhooks against small receivers that take, refuse, redirect, break off and say nothing; and against names that lie.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::clients::{signature, tls_with_public_roots};
use crate::domain::WebhookSecret;

const AT_S: i64 = 1_790_000_000;
const BODY: &str = r#"{"type":"call.ended"}"#;

/// Longer than any receiver of these tests that answers takes; nothing waits for all of it.
const AMPLE: Duration = Duration::from_secs(60);

fn webhook(url: &str) -> Webhook {
    let secret = WebhookSecret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    Webhook { url: url.to_owned(), secret }
}

fn notice() -> NoticeId {
    NoticeId::parse("msg_0123456789abcdef").unwrap()
}

fn settings(reach: Reach) -> WebhookSettings {
    WebhookSettings { patience: AMPLE, ..WebhookSettings::new(reach, tls_with_public_roots().unwrap()) }
}

async fn send(settings: WebhookSettings, url: &str) -> Result<(), WebhookError> {
    WebhookClient::new(settings).unwrap().send(&webhook(url), &notice(), AT_S, BODY).await
}

async fn receiver() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A request with its body.
async fn request(socket: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    loop {
        assert!(socket.read_buf(&mut request).await.unwrap() > 0, "it ended too early");
        let text = String::from_utf8_lossy(&request);
        if text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= BODY.len()) {
            return text.into_owned();
        }
    }
}

/// What becomes of a webhook that is answered so, and what was asked.
async fn answered(answer: &str) -> (Result<(), WebhookError>, String) {
    let (listener, port) = receiver().await;
    let answer_one = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let request = request(&mut socket).await;
        socket.write_all(answer.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        request
    };
    let url = format!("http://127.0.0.1:{port}/calls?x=1");
    tokio::join!(send(settings(Reach::Loopback), &url), answer_one)
}

fn head(status: u16, headers: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: 0\r\n\r\n")
}

/// Whether nobody knocked before we did ourselves.
async fn is_untouched(listener: TcpListener) -> bool {
    let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (_, first) = listener.accept().await.unwrap();
    first == ours.local_addr().unwrap()
}

#[tokio::test]
async fn a_webhook_is_one_signed_post_of_the_body_as_it_is() {
    let (sent, request) = answered(&head(204, "")).await;
    sent.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, BODY);
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next(), Some("POST /calls?x=1 HTTP/1.1"));
    let signature = signature::sign(&webhook("").secret, notice().as_str(), AT_S, BODY).unwrap();
    for header in [
        "content-type: application/json",
        "webhook-id: msg_0123456789abcdef",
        "webhook-timestamp: 1790000000",
        &format!("webhook-signature: {signature}"),
        &format!("user-agent: frontdesk/{}", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(lines.clone().any(|line| line == header), "{header} is missing:\n{head}");
    }
}

#[tokio::test]
async fn only_a_success_has_arrived_and_only_gone_is_final() {
    for status in [200, 201, 202, 299] {
        assert!(answered(&head(status, "")).await.0.is_ok(), "{status}");
    }
    for (status, of_the_receiver) in [
        (300, false),
        (304, false),
        (400, false),
        (401, false),
        (404, false),
        (410, false),
        (429, true),
        (500, false),
        (502, true),
        (503, true),
        (504, true),
    ] {
        let error = answered(&head(status, "")).await.0.unwrap_err();
        assert_eq!(error.is_final(), status == 410, "{status}");
        assert_eq!(error.is_of_the_receiver(), of_the_receiver, "{status}");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_busy_receiver_may_say_when_to_come_again() {
    // Of 1,790,000,000 s, which is Mon, 21 Sep 2026 14:13:20 GMT.
    for (status, value, wait_s) in [
        (429, "120", Some(120)),
        (503, "0", Some(0)),
        (503, "Mon, 21 Sep 2026 14:15:20 GMT", Some(120)),
        (503, "Mon, 21 Sep 2026 14:00:00 GMT", Some(0)),
        (503, "soon", None),
        (503, "-5", None),
        (500, "120", None),
    ] {
        let error = answered(&head(status, &format!("retry-after: {value}\r\n"))).await.0.unwrap_err();
        assert_eq!(error.wait(), wait_s.map(Duration::from_secs), "{status} {value}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_wherever_it_leads() {
    let (elsewhere, port) = receiver().await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: http://127.0.0.1:{port}/latest/meta-data\r\n");
        let error = answered(&head(status, &location)).await.0.unwrap_err();
        assert!(matches!(error, WebhookError::Redirected { status: met } if met == status), "{error:?}");
    }
    assert!(is_untouched(elsewhere).await);
}

#[tokio::test]
async fn nothing_of_the_answer_or_the_url_is_in_the_error() {
    let (error, _) = answered("HTTP/1.1 500 Hush\r\nx-hush: hush\r\ncontent-length: 4\r\n\r\nhush").await;
    let error = error.unwrap_err();
    let all = format!("{error} {error:?}").to_lowercase();
    assert!(!all.contains("hush") && !all.contains("calls") && !all.contains("127.0.0.1"), "{all}");
}

#[tokio::test]
async fn an_answer_without_an_end_is_a_success_by_its_head() {
    let (listener, port) = receiver().await;
    let babble = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        request(&mut socket).await;
        socket.write_all(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        while socket.write_all(format!("400\r\n{}\r\n", "x".repeat(1024)).as_bytes()).await.is_ok() {}
    };
    let url = format!("http://localhost:{port}/");
    let (sent, ()) = tokio::join!(send(settings(Reach::Loopback), &url), babble);
    sent.unwrap();
}

#[tokio::test]
async fn an_answer_that_stops_after_its_head_is_a_success_too() {
    let (listener, port) = receiver().await;
    let stop = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        request(&mut socket).await;
        socket.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\n").await.unwrap();
        // Held until the other side hangs up.
        socket.read_to_end(&mut Vec::new()).await.ok();
    };
    let url = format!("http://localhost:{port}/");
    let (sent, ()) = tokio::join!(send(settings(Reach::Loopback), &url), stop);
    sent.unwrap();
}

#[tokio::test]
async fn a_receiver_that_says_nothing_is_late_and_one_that_breaks_off_is_broken() {
    let (_listener, port) = receiver().await;
    let url = format!("http://127.0.0.1:{port}/");
    let impatient = WebhookSettings { patience: Duration::from_millis(200), ..settings(Reach::Loopback) };
    let error = send(impatient, &url).await.unwrap_err();
    assert!(matches!(error, WebhookError::Late), "{error:?}");

    for nonsense in ["", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 2"] {
        let error = answered(nonsense).await.0.unwrap_err();
        assert!(matches!(error, WebhookError::Broken), "{nonsense}: {error:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let (listener, port) = receiver().await;
    drop(listener);
    let error = send(settings(Reach::Loopback), &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
    assert!(matches!(error, WebhookError::Unreachable), "{error:?}");
    assert!(error.is_of_the_receiver());
}

#[tokio::test]
async fn an_address_that_is_not_public_is_not_connected_to() {
    let (listener, port) = receiver().await;
    for host in ["127.0.0.1", "127.1", "2130706433", "[::ffff:127.0.0.1]", "localhost"] {
        let url = format!("https://{host}:{port}/");
        let error = send(settings(Reach::PublicOnly), &url).await.unwrap_err();
        assert!(matches!(error, WebhookError::NotPublic), "{host}: {error:?}");
    }
    assert!(is_untouched(listener).await);
    for host in ["10.0.0.1", "192.168.1.1", "169.254.169.254", "[fd00:ec2::254]"] {
        let error = send(settings(Reach::Loopback), &format!("https://{host}/")).await.unwrap_err();
        assert!(matches!(error, WebhookError::NotPublic), "{host}: {error:?}");
    }
}

#[tokio::test]
async fn what_is_said_is_never_said_in_the_clear() {
    for (reach, url) in [
        (Reach::PublicOnly, "http://127.0.0.1/"),
        (Reach::PublicOnly, "http://receiver.example/"),
        (Reach::Loopback, "http://receiver.example/"),
    ] {
        let error = send(settings(reach), url).await.unwrap_err();
        assert!(matches!(error, WebhookError::NotHttps), "{url}: {error:?}");
    }
    for url in ["", "calls", "ftp://receiver.example/", "file:///etc/hosts"] {
        let error = send(settings(Reach::PublicOnly), url).await.unwrap_err();
        assert!(matches!(error, WebhookError::Url), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_sent() {
    let (listener, port) = receiver().await;
    let webhook =
        Webhook { url: format!("http://127.0.0.1:{port}/"), secret: WebhookSecret::new("whsec_c2hvcnQ=") };
    let client = WebhookClient::new(settings(Reach::Loopback)).unwrap();
    let error = client.send(&webhook, &notice(), AT_S, BODY).await.unwrap_err();
    assert!(matches!(error, WebhookError::Secret), "{error:?}");
    assert!(is_untouched(listener).await);
}

/// Names the child of the test below, and where it sends to.
const CHILD: &str = "FRONTDESK_TEST_WEBHOOK";

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "this test is also the program it starts")]
async fn a_proxy_that_the_environment_names_is_not_asked() {
    if let Ok(url) = std::env::var(CHILD) {
        return send(settings(Reach::Loopback), &url).await.unwrap();
    }
    let ((listener, port), (proxy, proxy_port)) = (receiver().await, receiver().await);
    let test = "clients::webhook::tests::a_proxy_that_the_environment_names_is_not_asked";
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test]).env(CHILD, format!("http://127.0.0.1:{port}/")).env_remove("NO_PROXY");
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        child.env(name, format!("http://127.0.0.1:{proxy_port}"));
    }
    let mut child = child.env_remove("no_proxy").stdout(std::process::Stdio::null()).spawn().unwrap();
    let (mut socket, _) = tokio::select! {
        direct = listener.accept() => direct.unwrap(),
        _ = proxy.accept() => panic!("it went to the proxy"),
    };
    request(&mut socket).await;
    socket.write_all(head(200, "").as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    assert!(child.wait().unwrap().success());
}

/// Names that lead where a test says: the first look-up to the first addresses, and so on; the last for ever.
struct Told {
    addresses: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Told {
    fn new(addresses: &[&[&str]]) -> Arc<Self> {
        let parse = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self { addresses: addresses.iter().map(parse).collect(), asked: AtomicUsize::new(0) })
    }
}

impl Resolve for Told {
    fn resolve(&self, _: Name) -> Resolving {
        let turn = self.asked.fetch_add(1, Ordering::Relaxed).min(self.addresses.len() - 1);
        let addresses: Vec<SocketAddr> =
            self.addresses[turn].iter().map(|address| SocketAddr::new(*address, 0)).collect();
        Box::pin(async move { Ok(Box::new(addresses.into_iter()) as Addrs) })
    }
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_not_connected_to() {
    let (listener, port) = receiver().await;
    let url = format!("https://receiver.example:{port}/");
    for addresses in [
        &["127.0.0.1"][..],
        &["8.8.8.8", "127.0.0.1"],
        &["127.0.0.1", "8.8.8.8"],
        &["10.0.0.1"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["64:ff9b::7f00:1"],
        &["2606:4700:4700::1111", "fd00::1"],
    ] {
        let names = Told::new(&[addresses]);
        let error = send(WebhookSettings { names, ..settings(Reach::PublicOnly) }, &url).await.unwrap_err();
        assert!(matches!(error, WebhookError::NotPublic), "{addresses:?}: {error:?}");
    }
    assert!(is_untouched(listener).await);
}

#[tokio::test]
async fn a_name_without_an_address_is_said_to_have_none() {
    let names = Told::new(&[&[]]);
    let nameless = WebhookSettings { names, ..settings(Reach::PublicOnly) };
    let error = send(nameless, "https://receiver.example/").await.unwrap_err();
    assert!(matches!(error, WebhookError::Unresolved), "{error:?}");
    // No name of this kind ever exists (RFC 2606), whoever is asked.
    let error = send(settings(Reach::PublicOnly), "https://nobody.invalid/").await.unwrap_err();
    assert!(matches!(error, WebhookError::Unresolved), "{error:?}");
}

fn pair_of_tls(name: &str) -> (TlsAcceptor, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (TlsAcceptor::from(Arc::new(server)), Arc::new(client))
}

#[tokio::test]
async fn the_connection_goes_to_the_address_that_was_judged_and_to_no_later_one() {
    let (listener, port) = receiver().await;
    let (acceptor, tls) = pair_of_tls("receiver.example");
    // Whoever asked twice would be led elsewhere the second time.
    let names = Told::new(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let settings =
        WebhookSettings { tls, names: Arc::clone(&names) as Arc<dyn Resolve>, ..settings(Reach::Loopback) };
    let answer_one = async {
        let (socket, _) = listener.accept().await.unwrap();
        let mut socket = acceptor.accept(socket).await.unwrap();
        let named = socket.get_ref().1.server_name().map(str::to_owned);
        let request = request(&mut socket).await;
        socket.write_all(head(200, "").as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        (named, request)
    };
    let url = format!("https://receiver.example:{port}/");
    let (sent, (named, request)) = tokio::join!(send(settings, &url), answer_one);
    sent.unwrap();
    assert_eq!(names.asked.load(Ordering::Relaxed), 1);
    assert_eq!(named.as_deref(), Some("receiver.example"));
    assert!(request.contains(&format!("host: receiver.example:{port}\r\n")), "{request}");
}

#[tokio::test]
async fn a_host_that_cannot_prove_its_name_is_told_nothing() {
    for (certified, trusted) in [("receiver.example", false), ("somebody-else.example", true)] {
        let (listener, port) = receiver().await;
        let (acceptor, tls) = pair_of_tls(certified);
        let names = Told::new(&[&["127.0.0.1"]]);
        let trusting = settings(Reach::Loopback);
        let tls = if trusted { tls } else { Arc::clone(&trusting.tls) };
        let settings = WebhookSettings { tls, names, ..trusting };
        let refuse = async {
            let (socket, _) = listener.accept().await.unwrap();
            assert!(acceptor.accept(socket).await.is_err(), "the client should have left");
        };
        let url = format!("https://receiver.example:{port}/");
        let (sent, ()) = tokio::join!(send(settings, &url), refuse);
        let error = sent.unwrap_err();
        assert!(matches!(error, WebhookError::Insecure), "{certified}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("somebody-else"), "{error:?}");
    }
}
