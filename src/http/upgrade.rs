//! The WebSocket handshake, by hand: so that a refusal says which hop lost which header, and so that nothing is
//! negotiated that Twilio did not ask for.

use std::future::Future;

use axum::body::Body;
use axum::http::header::{
    ALLOW, CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE, USER_AGENT,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use axum::response::Response;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::refusal::Refusal;
use super::signed::SIGNATURE;
use crate::wire::doctor::Seen;

/// A header longer than this is cut in a log line and in what a refusal shows: nothing genuine is longer, and a log is
/// no place for a stranger's essay.
const SHOWN_BYTES: usize = 120;

/// Where a refused `HEAD` says what to do: its answer has no body, and `curl -I` shows nothing but headers.
const HINT: HeaderName = HeaderName::from_static("x-frontdesk-hint");

/// A handshake that is whole. Accepting it makes the 101.
pub(super) struct Upgrade {
    accept: String,
    on_upgrade: OnUpgrade,
}

/// Looks at a handshake without judging it.
pub(super) fn look_at(parts: &Parts) -> Seen {
    let headers = &parts.headers;
    let has = |name: HeaderName| headers.contains_key(name);
    Seen {
        method: shown(parts.method.as_str()),
        version: format!("{:?}", parts.version),
        path: shown(parts.uri.path()),
        query: parts.uri.query().is_some(),
        connection: joined(headers, &CONNECTION),
        upgrade: joined(headers, &UPGRADE),
        sec_websocket_version: joined(headers, &SEC_WEBSOCKET_VERSION),
        sec_websocket_key: has(SEC_WEBSOCKET_KEY),
        offers_extension_or_subprotocol: has(SEC_WEBSOCKET_EXTENSIONS) || has(SEC_WEBSOCKET_PROTOCOL),
        origin: has(ORIGIN),
        signature: headers.contains_key(SIGNATURE),
        host: joined(headers, &HOST),
        user_agent: joined(headers, &USER_AGENT),
    }
}

/// For the body of a refusal.
pub(super) fn in_json(seen: &Seen) -> serde_json::Value {
    // Texts, truths and nothing else: this cannot fail.
    serde_json::to_value(seen).unwrap_or_default()
}

impl Upgrade {
    /// Judges a handshake (RFC 6455 §4.2.1), and takes the connection out of the request when it is whole.
    pub(super) fn of(parts: &mut Parts) -> Result<Self, Refusal> {
        let seen = look_at(parts);
        let refuse = |status, reason, hint: &str| {
            Refusal::new(status, reason).with("hint", hint).with("seen", in_json(&seen))
        };
        if parts.method != Method::GET {
            const ASKED_WRONG: &str = "a WebSocket begins with GET; curl -I sends HEAD, which proves nothing: \
                                       run frontdesk doctor";
            return Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "method", ASKED_WRONG)
                .with_header(ALLOW, "GET")
                .with_header(HINT, ASKED_WRONG));
        }
        if parts.version != Version::HTTP_11 {
            let hint = "a WebSocket needs HTTP/1.1 all the way: tell the proxy (proxy_http_version 1.1), \
                        or curl (--http1.1)";
            return Err(wants_upgrade(refuse(StatusCode::UPGRADE_REQUIRED, "http_version", hint)));
        }
        if !names(&parts.headers, &CONNECTION, "upgrade") {
            // Behind an edge that speaks HTTP/2 to the world, this is what is left of curl's test.
            let hint = "no 'Connection: Upgrade' arrived here: the client sent none, or a proxy took it away. HTTP/2 has \
                        no Upgrade, and curl speaks it to an edge that offers it: use --http1.1, or frontdesk doctor";
            return Err(refuse(StatusCode::BAD_REQUEST, "no_connection_upgrade", hint));
        }
        if !names(&parts.headers, &UPGRADE, "websocket") {
            let hint = "no 'Upgrade: websocket' arrived here: the client sent none, or a proxy took it away";
            return Err(refuse(StatusCode::BAD_REQUEST, "no_upgrade_websocket", hint));
        }
        if parts.headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version.as_bytes() != b"13") {
            let hint = "we speak version 13 of the WebSocket protocol, as everybody does since 2011";
            return Err(wants_upgrade(refuse(StatusCode::UPGRADE_REQUIRED, "websocket_version", hint))
                .with_header(SEC_WEBSOCKET_VERSION, "13"));
        }
        // Its content proves nothing and keeps nobody out, and half of the hand-made ones are too short.
        let Some(key) = parts.headers.get(SEC_WEBSOCKET_KEY).filter(|key| !key.is_empty()) else {
            return Err(refuse(StatusCode::BAD_REQUEST, "no_websocket_key", "Sec-WebSocket-Key is missing"));
        };
        let accept = derive_accept_key(key.as_bytes());
        let Some(on_upgrade) = parts.extensions.remove::<OnUpgrade>() else {
            let hint = "this connection cannot change its protocol";
            return Err(wants_upgrade(refuse(StatusCode::UPGRADE_REQUIRED, "not_upgradable", hint)));
        };
        Ok(Self { accept, on_upgrade })
    }

    /// The 101, and what becomes the socket once it has been sent. Nothing is negotiated: no extension, no subprotocol.
    pub(super) fn accept(
        self,
        config: WebSocketConfig,
    ) -> (
        Response,
        impl Future<Output = Result<WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>, hyper::Error>>,
    ) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, const { HeaderValue::from_static("Upgrade") });
        headers.insert(UPGRADE, const { HeaderValue::from_static("websocket") });
        if let Ok(accept) = HeaderValue::try_from(self.accept) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        let on_upgrade = self.on_upgrade;
        let socket = async move {
            let upgraded = TokioIo::new(on_upgrade.await?);
            Ok(WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config)).await)
        };
        (response, socket)
    }
}

/// A 426 names the protocol it wants (RFC 9110 §15.5.22).
fn wants_upgrade(refusal: Refusal) -> Refusal {
    refusal.with_header(UPGRADE, "websocket").with_header(CONNECTION, "Upgrade")
}

/// Whether one of the comma-separated words of this header is that one.
fn names(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|token| token.trim().eq_ignore_ascii_case(word)))
}

/// All values of a header, joined as HTTP would; none when it is missing.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> =
        headers.get_all(name).iter().map(|it| String::from_utf8_lossy(it.as_bytes())).collect();
    if values.is_empty() { None } else { Some(shown(&values.join(", "))) }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::super::house::{House, TOKEN, sign};

    const WHOLE: [&str; 6] = [
        "host: voice.example.com",
        "user-agent: Twilio.TmeWs/1.0",
        "connection: Upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: luxFfW4ekMivF8y4ajVwzw==",
    ];

    /// Sends the request line and these headers, signed as Twilio signs an upgrade; gives the head of the answer and,
    /// unless it is a 101, its body.
    async fn asked(house: &House, request_line: &str, headers: &[&str]) -> (String, String) {
        let signature = sign(TOKEN, "wss://voice.example.com/twilio-media", &[]);
        let mut socket = TcpStream::connect(house.listen().await).await.unwrap();
        let request =
            format!("{request_line}\r\n{}\r\nx-twilio-signature: {signature}\r\n\r\n", headers.join("\r\n"));
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&answer).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.map_or(0, |length| length.parse().unwrap());
                if request_line.starts_with("HEAD") || body.len() >= length {
                    return (head.to_owned(), body.to_owned());
                }
            }
            assert_ne!(socket.read_buf(&mut answer).await.unwrap(), 0, "closed after {text:?}");
        }
    }

    async fn refused(house: &House, request_line: &str, headers: &[&str]) -> (u16, String) {
        let (head, body) = asked(house, request_line, headers).await;
        assert!(head.contains("x-frontdesk-hop: "), "{head}");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        if body.is_empty() {
            return (status, String::new());
        }
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["hop"], "app");
        assert!(body["seen"]["method"].is_string(), "{body}");
        (status, body["reason"].as_str().unwrap().to_owned())
    }

    fn without(name: &str) -> Vec<&'static str> {
        WHOLE.into_iter().filter(|header| !header.starts_with(name)).collect()
    }

    fn with(header: &'static str) -> Vec<&'static str> {
        let (name, _) = header.split_once(':').unwrap();
        let mut headers = without(name);
        headers.push(header);
        headers
    }

    #[tokio::test]
    async fn a_broken_handshake_says_what_arrived() {
        let house = House::new().await;
        const GET: &str = "GET /twilio-media HTTP/1.1";
        for (request_line, headers, status, reason) in [
            (GET, without("connection"), 400, "no_connection_upgrade"),
            (GET, with("connection: keep-alive"), 400, "no_connection_upgrade"),
            (GET, without("upgrade"), 400, "no_upgrade_websocket"),
            (GET, with("upgrade: h2c"), 400, "no_upgrade_websocket"),
            (GET, without("sec-websocket-version"), 426, "websocket_version"),
            (GET, with("sec-websocket-version: 8"), 426, "websocket_version"),
            (GET, without("sec-websocket-key"), 400, "no_websocket_key"),
            ("GET /twilio-media HTTP/1.0", WHOLE.to_vec(), 426, "http_version"),
            ("POST /twilio-media HTTP/1.1", with("content-length: 0"), 405, "method"),
            ("HEAD /twilio-media HTTP/1.1", WHOLE.to_vec(), 405, ""),
        ] {
            let refused = refused(&house, request_line, &headers).await;
            assert_eq!(refused, (status, reason.to_owned()), "{request_line} {headers:?}");
        }
    }

    #[tokio::test]
    async fn the_tests_people_make_with_curl_are_answered_with_what_they_prove() {
        let house = House::new().await;
        // curl -I, of which only headers are seen.
        let (head, body) = asked(&house, "HEAD /twilio-media HTTP/1.1", &["host: voice.example.com"]).await;
        assert!(head.starts_with("HTTP/1.1 405 ") && body.is_empty(), "{head}");
        assert!(
            head.contains("allow: GET") && head.contains("curl -I sends HEAD, which proves nothing"),
            "{head}"
        );
        // curl -H 'Upgrade: websocket' over HTTP/2, as its edge hands it on; and a plain GET.
        for headers in
            [&["host: voice.example.com", "user-agent: curl/7.88.1"][..], &["host: voice.example.com"]]
        {
            let (head, body) = asked(&house, "GET /twilio-media?callSid=test123 HTTP/1.1", headers).await;
            assert!(head.starts_with("HTTP/1.1 400 ") && head.contains("application/json"), "{head}");
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            let hint = body["hint"].as_str().unwrap();
            assert!(
                hint.contains("HTTP/2 has no Upgrade") && hint.contains("--http1.1, or frontdesk doctor"),
                "{hint}"
            );
            assert_eq!(body["seen"]["query"], true);
        }
    }

    #[tokio::test]
    async fn whatever_is_offered_nothing_is_negotiated() {
        let house = House::new().await;
        for (path, extra) in [
            ("/twilio-media", "accept-encoding: gzip"),
            ("/twilio-media/", "accept-encoding: gzip"),
            ("/twilio-media?businessId=business-1&callSid=test123", "accept-encoding: gzip"),
            ("/twilio-media", "connection: keep-alive, Upgrade"),
            ("/twilio-media", "upgrade: WebSocket"),
            ("/twilio-media", "sec-websocket-protocol: audio.twilio.com"),
            ("/twilio-media", "sec-websocket-extensions: permessage-deflate; client_max_window_bits"),
            ("/twilio-media", "origin: https://evil.example.com"),
        ] {
            let (head, _) = asked(&house, &format!("GET {path} HTTP/1.1"), &with(extra)).await;
            let mut lines: Vec<&str> = head.lines().collect();
            assert_eq!(lines.remove(0), "HTTP/1.1 101 Switching Protocols", "{path} {extra}: {head}");
            lines.retain(|line| !line.starts_with("date: ") && !line.starts_with("x-frontdesk-hop: "));
            lines.sort_unstable();
            assert_eq!(
                lines,
                [
                    "connection: Upgrade",
                    "sec-websocket-accept: Ycn7ZhKne3PGJk/4mKB2s/ZFVP4=",
                    "upgrade: websocket"
                ],
                "{path} {extra}"
            );
        }
    }
}
