//! The model's socket against small servers that accept, refuse, redirect and say nothing.

use std::net::Ipv4Addr;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request as Upgrade, Response};

use super::*;
use crate::clients::tls_with_public_roots;

fn settings(url: &str) -> RealtimeSettings {
    RealtimeSettings {
        url: url.to_owned(),
        model: "gpt-realtime".to_owned(),
        auth: Auth::Bearer(SecretString::from("sk-1")),
        tls: tls_with_public_roots().unwrap(),
    }
}

fn client(url: &str) -> RealtimeClient {
    RealtimeClient::new(settings(url)).unwrap()
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A server that answers one request with `response` and a client's opinion of that.
async fn answered_with(response: &str) -> ConnectError {
    let (listener, port) = listener().await;
    let client = client(&format!("ws://127.0.0.1:{port}/v1/realtime"));
    let serve = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut request = [0; 2048];
        assert!(tcp.read(&mut request).await.unwrap() > 0);
        tcp.write_all(response.as_bytes()).await.unwrap();
    };
    let (error, ()) = tokio::join!(client.connect(None, None), serve);
    error.unwrap_err()
}

fn pair_of_tls() -> (TlsAcceptor, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
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

#[test]
fn the_model_is_named_once_and_an_existing_query_is_kept() {
    let asked = |url: &str, model: Option<&str>| client(url).url_for(model).to_string();
    assert_eq!(asked("wss://h.example/v1/realtime", None), "wss://h.example/v1/realtime?model=gpt-realtime");
    assert_eq!(asked("wss://h.example/r?a=1", Some("m 2")), "wss://h.example/r?a=1&model=m+2");
    assert_eq!(asked("wss://h.example/r?model=mine&a=1", None), "wss://h.example/r?a=1&model=mine");
    assert_eq!(asked("wss://h.example/r?model=mine", Some("plans")), "wss://h.example/r?model=plans");
}

#[test]
fn settings_that_cannot_work_are_refused_before_the_first_call() {
    for bad in ["", "example.com", "https://h.example/v1", "wss://user@h.example/", "wss://u:p@h.example/"] {
        assert!(RealtimeClient::new(settings(bad)).unwrap_err().is_refusal(), "{bad:?}");
    }
    let auth = Auth::ApiKey(SecretString::from("sk-1\n"));
    assert!(RealtimeClient::new(RealtimeSettings { auth, ..settings("wss://h.example/") }).is_err());
}

#[test]
fn a_key_is_silent_in_debug() {
    let client = client("wss://h.example/");
    let shown = format!("{client:?} {:?} {:?}", client.credential, settings("wss://h.example/"));
    assert!(!shown.contains("sk-1"), "{shown}");
}

#[tokio::test]
async fn the_upgrade_carries_the_key_and_neither_beta_header_nor_extensions() {
    let (listener, port) = listener().await;
    let (acceptor, tls) = pair_of_tls();
    let url = format!("wss://localhost:{port}/v1/realtime");
    let client = RealtimeClient::new(RealtimeSettings { tls, ..settings(&url) }).unwrap();
    let mut seen = None;
    let serve = async {
        let (tcp, _) = listener.accept().await.unwrap();
        let tls = acceptor.accept(tcp).await.unwrap();
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let look = |request: &Upgrade, response: Response| -> Result<Response, ErrorResponse> {
            seen = Some((request.uri().clone(), request.headers().clone()));
            Ok(response)
        };
        accept_hdr_async(tls, look).await.unwrap()
    };
    let (socket, _server) = tokio::join!(client.connect(None, Some("a1b2")), serve);
    let MaybeTlsStream::Rustls(stream) = socket.unwrap().into_inner() else { panic!("not TLS") };
    assert!(stream.get_ref().0.nodelay().unwrap());
    let (uri, headers) = seen.unwrap();
    assert_eq!(uri, "/v1/realtime?model=gpt-realtime");
    assert_eq!(headers["authorization"], "Bearer sk-1");
    assert_eq!(headers["openai-safety-identifier"], "a1b2");
    assert!(!headers.contains_key("openai-beta") && !headers.contains_key("sec-websocket-extensions"));
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_a_tls_error() {
    let (listener, port) = listener().await;
    let (acceptor, _trusting) = pair_of_tls();
    let client = client(&format!("wss://localhost:{port}/"));
    let serve = async {
        let (tcp, _) = listener.accept().await.unwrap();
        acceptor.accept(tcp).await.map(drop)
    };
    let (error, _) = tokio::join!(client.connect(None, None), serve);
    let error = error.unwrap_err();
    assert!(matches!(error, ConnectError::Tls { .. }) && !error.is_refusal(), "{error:?}");
}

#[tokio::test]
async fn a_wrong_key_is_a_refusal_and_an_overload_is_not() {
    for (line, refusal) in [
        ("401 Unauthorized", true),
        ("403 Forbidden", true),
        ("404 Not Found", true),
        ("400 Bad Request", true),
        ("429 Too Many Requests", false),
        ("503 Service Unavailable", false),
    ] {
        let error = answered_with(&format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n")).await;
        assert!(matches!(error, ConnectError::Http { .. }), "{line}: {error:?}");
        assert_eq!(error.is_refusal(), refusal, "{line}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_key() {
    let response = "HTTP/1.1 302 Found\r\nlocation: ws://elsewhere.example/\r\ncontent-length: 0\r\n\r\n";
    let error = answered_with(response).await;
    assert!(matches!(error, ConnectError::Http { status: 302, .. }) && error.is_refusal(), "{error:?}");
}

#[tokio::test]
async fn a_closed_port_is_refused_and_another_address_is_tried() {
    let (listener, port) = listener().await;
    let open = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (closed, closed_port) = self::listener().await;
    drop(closed);
    let shut = SocketAddr::from((Ipv4Addr::LOCALHOST, closed_port));
    assert_eq!(first_to_answer(&[shut, open]).await.unwrap().peer_addr().unwrap(), open);
    drop(listener);
    let error = client(&format!("ws://127.0.0.1:{closed_port}/")).connect(None, None).await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused { .. }) && !error.is_refusal(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let (listener, port) = listener().await;
    let client = client(&format!("ws://127.0.0.1:{port}/"));
    let error = client.connect(None, None).await.unwrap_err();
    assert!(matches!(error, ConnectError::Timeout { .. }), "{error:?}");
    drop(listener);
}

#[test]
fn address_families_take_turns() {
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    let found = ["[::1]:1", "[::2]:1", "1.1.1.1:1", "[::3]:1"].map(at);
    assert_eq!(families_alternating(found.to_vec()), ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"].map(at));
    assert!(families_alternating(Vec::new()).is_empty());
}
