//! Who is taken for an operator, and who is not.

use axum::body::Body;
use axum::http::Request;
use axum::http::request::Builder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::house::{ADMIN_TOKEN, Answer, House};
use super::*;

const LIST: &str = "/api/businesses";

fn list() -> Builder {
    Request::get(LIST)
}

/// A request as this machine makes it of itself.
fn at_home() -> Builder {
    from("127.0.0.1:50000").header("host", "localhost:8080")
}

fn from(peer: &str) -> Builder {
    list().extension(ConnectInfo(peer.parse::<SocketAddr>().unwrap()))
}

async fn ask(house: &House, request: Builder) -> Answer {
    house.ask_raw(request.body(Body::empty()).unwrap()).await
}

/// The status and the name of the problem.
fn outcome(answer: &Answer) -> (u16, String) {
    let name = if answer.status.is_success() { String::new() } else { answer.json()["type"].to_string() };
    (answer.status.as_u16(), name.trim_matches('"').replace("/api#problem-", ""))
}

fn basic(token: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("me:{token}")))
}

#[tokio::test]
async fn whoever_shows_the_token_is_an_operator_and_nobody_else() {
    let house = House::new().await;
    let shows = async |value: &str| ask(&house, list().header("authorization", value)).await;
    for right in [format!("Bearer {ADMIN_TOKEN}"), format!("bearer  {ADMIN_TOKEN}"), basic(ADMIN_TOKEN)] {
        assert_eq!(shows(&right).await.status, 200, "{right}");
    }
    let (short, long) = (&ADMIN_TOKEN[1..], format!("{ADMIN_TOKEN}x"));
    for wrong in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic",
        "Basic ?",
        "Basic eA==",
        ADMIN_TOKEN,
        &format!("Token {ADMIN_TOKEN}"),
        &format!("Bearer {short}"),
        &format!("Bearer {long}"),
        &format!("Bearer {}", ADMIN_TOKEN.to_uppercase()),
        &basic(short),
    ] {
        let answer = shows(wrong).await;
        assert_eq!(outcome(&answer), (401, "unauthorized".to_owned()), "{wrong}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        assert!(!answer.body.contains(ADMIN_TOKEN) && !answer.body.contains("Luna"), "{}", answer.body);
    }
    let twice =
        list().header("authorization", "Bearer x").header("authorization", format!("Bearer {ADMIN_TOKEN}"));
    assert_eq!(ask(&house, twice).await.status, 401);
    assert_eq!(ask(&house, at_home()).await.status, 401, "a proxy of this machine is on this machine too");
}

#[tokio::test]
async fn a_person_with_a_browser_is_asked_for_a_password_that_only_reads() {
    let house = House::new().await;
    let browser = |request: Builder| request.header("accept", "text/html,*/*;q=0.8");
    let asked = ask(&house, browser(Request::get("/api"))).await;
    let ways: Vec<_> =
        asked.headers.get_all("www-authenticate").iter().map(|it| it.to_str().unwrap()).collect();
    assert!(asked.status == 401 && ways.len() == 2 && ways[1].starts_with("Basic realm="), "{ways:?}");
    let shown = ask(&house, browser(Request::get("/api")).header("authorization", basic(ADMIN_TOKEN))).await;
    assert_eq!(shown.status, 200);
    let removes = Request::delete("/api/businesses/business-3").header("authorization", basic(ADMIN_TOKEN));
    assert_eq!(ask(&house, browser(removes)).await.status, 401);
}

#[tokio::test]
async fn nothing_below_api_is_said_without_a_token() {
    let house = House::new().await;
    for (method, path) in [
        ("GET", "/api"),
        ("GET", "/api/"),
        ("GET", "/api/openapi.json"),
        ("GET", "/api/nothing"),
        ("POST", LIST),
        ("PUT", "/api/plans/a%20b"),
        ("DELETE", "/api/plans/premium"),
        ("POST", "/api/import"),
        ("GET", "/api/export"),
        ("GET", "/api/businesses/business-1?strange=1"),
        ("HEAD", LIST),
    ] {
        let request = Request::builder().method(method).uri(path);
        assert_eq!(ask(&house, request).await.status, 401, "{method} {path}");
    }
}

#[tokio::test]
async fn without_a_token_this_machine_is_an_operator_and_nobody_else() {
    let house = House::at_home().await;
    for (peer, host) in [
        ("127.0.0.1:5", "localhost:8080"),
        ("127.0.0.1:5", "LOCALHOST"),
        ("[::1]:5", "[::1]:8080"),
        ("[::1]:5", "[::1]"),
        ("127.8.8.8:5", "127.0.0.1:8080"),
    ] {
        assert_eq!(ask(&house, from(peer).header("host", host)).await.status, 200, "{peer} {host}");
    }
    assert_eq!(ask(&house, at_home().header("origin", "http://localhost:8080")).await.status, 200);
    let refused = [
        (from("192.0.2.7:5").header("host", "localhost"), "came from another one"),
        (from("[2001:db8::7]:5").header("host", "localhost"), "came from another one"),
        (list().header("host", "localhost"), "came from another one"),
        (from("127.0.0.1:5"), "another host than localhost"),
        (from("127.0.0.1:5").header("host", "evil.example.com"), "another host than localhost"),
        (from("127.0.0.1:5").header("host", "localhost.evil.example.com:80"), "another host than localhost"),
        (from("127.0.0.1:5").header("host", "192.168.1.7:8080"), "another host than localhost"),
        (at_home().header("host", "evil.example.com"), "another host than localhost"),
        (at_home().header("origin", "https://evil.example.com"), "a page from elsewhere"),
        (at_home().header("origin", "null"), "a page from elsewhere"),
        (at_home().header("origin", "http://localhost:9999"), "a page from elsewhere"),
    ];
    for (request, why) in refused {
        let answer = ask(&house, request).await;
        assert_eq!(outcome(&answer), (403, "loopback-only".to_owned()), "{why}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(why) && detail.contains("set ADMIN_TOKEN to"), "{detail}");
    }
    for header in FORWARDED {
        let answer = ask(&house, at_home().header(header, "127.0.0.1")).await;
        assert_eq!(outcome(&answer).0, 403, "{header}");
        assert!(answer.body.contains(header), "{}", answer.body);
    }
}

#[tokio::test]
async fn without_a_token_a_server_the_world_can_reach_answers_nobody() {
    let house = House::with_token(None).await;
    let answer = ask(&house, at_home()).await;
    assert_eq!(outcome(&answer), (403, "loopback-only".to_owned()));
    assert!(answer.body.contains("PUBLIC_URL says that others can reach it"), "{}", answer.body);
}

#[tokio::test]
async fn over_a_real_socket_the_peer_is_whoever_connects() {
    let house = House::at_home().await;
    let address = house.listen().await;
    let ask = async |headers: &str| {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {LIST} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let here = format!("host: {address}\r\n");
    let answer = ask(&here).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("Luna Dental"), "{answer}");
    assert!(answer.contains("cache-control: no-store") && answer.contains("x-frontdesk-hop: "), "{answer}");
    for elsewhere in ["host: desk.example.com\r\n", &format!("{here}x-forwarded-for: 127.0.0.1\r\n")] {
        let answer = ask(elsewhere).await;
        assert!(answer.starts_with("HTTP/1.1 403") && !answer.contains("Luna"), "{answer}");
        assert!(answer.contains("content-type: application/problem+json"), "{answer}");
    }
}
