//! An examination as a whole.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::config::Config;
use crate::doctor::row::Row;
use crate::doctor::verdict::Level;

const ANSWERS: Answers = Answers {
    health: "/health",
    echo: "/doctor/echo",
    socket: "/doctor/ws",
    recent: "/doctor/recent",
    media: "/twilio-media",
    voice: "/twilio-voice",
    status: "/twilio-status",
    businesses: "/api/businesses",
};

/// Of a server on this machine, with nothing known but its token.
fn examination(listener: &TcpListener) -> Examination {
    let address = listener.local_addr().unwrap();
    Examination {
        webhook: format!("http://{address}/twilio-voice").parse().unwrap(),
        to: Some(Pii::new("+15551234567".to_owned())),
        account: AccountSid::parse("AC1").unwrap(),
        auth_token: Some("hush".into()),
        admin_token: None,
        rest: None,
        roots: Vec::new(),
        names: Vec::new(),
        call: true,
        hold: None,
        told: Config::doctor(|_| None).told,
        answers: ANSWERS,
        now_ms: 0,
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_examined_in_half_a_minute() {
    // Connections are taken by the system, and nobody reads.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let clock = Clock::start();
    let mut told = Vec::new();
    let examined = examination(&listener).run(&mut |step| told.push(step.clone())).await.unwrap();
    assert!(clock.now().elapsed() <= Duration::from_secs(30), "{:?}", clock.now());
    assert_eq!(examined.verdict.fault.as_ref().map(|fault| fault.row), Some(Row::ConnectionSilent));
    assert!(examined.facts.unseen.contains(&"media socket"), "{:?}", examined.facts.unseen);
    assert_eq!(told, examined.steps, "each step is told as it is done");
    assert!(examined.verdict.odd.iter().any(|odd| odd.contains("no time for")), "{:?}", examined.verdict.odd);
}

#[tokio::test]
async fn a_document_for_programs_has_its_version_and_stable_names() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let examination = examination(&listener);
    // What answers every request so is a page, and no webhook.
    let serve = async {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let _read = tcp.read(&mut [0; 4_096]).await;
            let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";
            let _written = tcp.write_all(page.as_bytes()).await;
        }
    };
    let mut ignore = |_: &Step| {};
    let examined = tokio::select! {
        examined = examination.run(&mut ignore) => examined.unwrap(),
        () = serve => unreachable!(),
    };
    let document = serde_json::to_value(&examined).unwrap();
    assert_eq!(document["format"], 1);
    assert_eq!(document["verdict"]["level"], "fault");
    let fault = &document["verdict"]["fault"];
    assert_eq!(fault["row"], "A5", "{fault}");
    for name in ["cause", "evidence", "twilio", "fix"] {
        assert!(!fault[name].is_null(), "{name}");
    }
    for name in ["proven", "warnings", "odd", "unclear", "explained"] {
        assert!(document["verdict"][name].is_array(), "{name}");
    }
    assert_eq!(document["steps"][0]["atMs"].as_u64().map(|_| ()), Some(()));
    assert!(document["facts"]["handshakes"].is_array());
    assert!(!document.to_string().contains("hush"), "a document can be shown to anybody");
    assert_eq!(examined.verdict.level, Level::Fault);
}

#[test]
fn a_prefix_before_one_path_stands_before_all() {
    assert_eq!(beside("/voice/twilio-media", "/twilio-media", "/doctor/ws"), "/voice/doctor/ws");
    assert_eq!(beside("/twilio-media/", "/twilio-media", "/doctor/ws"), "/doctor/ws");
    assert_eq!(beside("/elsewhere", "/twilio-media", "/doctor/ws"), "/doctor/ws");
}

#[test]
fn this_machine_is_known_by_its_names() {
    for here in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"] {
        assert!(is_loopback(here), "{here}");
    }
    for elsewhere in ["localhost.example.com", "10.0.0.1", "voice.example.com", ""] {
        assert!(!is_loopback(elsewhere), "{elsewhere}");
    }
}
