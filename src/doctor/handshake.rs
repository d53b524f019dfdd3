//! A WebSocket handshake exactly as Twilio makes it, and a look at what becomes of the socket.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use uuid::Uuid;

use super::ask::{self, Head, Request};
use super::facts::{Failure, Handshake, Opened, Place, Then};
use super::line::{self, Line, Trust};
use crate::sim::socket::Clock;
use crate::wire::doctor::HOP;

/// Twilio gives up after five seconds or a little more.
const PATIENCE: Duration = Duration::from_secs(7);

/// What is cut by a proxy or a server that cannot upgrade is cut at once.
pub(super) const LOOKED_AT: Duration = Duration::from_millis(700);

/// A refusal's body is a few hundred bytes.
const BODY_PATIENCE: Duration = Duration::from_secs(2);

/// Ours are of a hundred bytes to 16 KB; Twilio takes no larger ones.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// What Twilio calls itself on a media socket.
pub(super) const TWILIO: &str = "Twilio.TmeWs/1.0";

/// A socket that opened.
pub(super) type Socket = WebSocketStream<Line>;

/// The headers of Twilio's handshake, in its order; what it does not send is not sent.
pub(super) fn as_twilio(signature: Option<String>) -> Vec<(&'static str, String)> {
    let key = STANDARD.encode(Uuid::new_v4().as_bytes());
    let mut headers = vec![
        ("User-Agent", TWILIO.to_owned()),
        ("Connection", "Upgrade".to_owned()),
        ("Upgrade", "websocket".to_owned()),
        ("Sec-WebSocket-Version", "13".to_owned()),
        ("Sec-WebSocket-Key", key),
    ];
    headers.extend(signature.map(|signature| ("X-Twilio-Signature", signature)));
    headers
}

/// Makes one, and looks at the socket for `stay`.
pub(super) async fn shake(
    place: &Place,
    trust: &Trust,
    headers: Vec<(&'static str, String)>,
    stay: Duration,
) -> Handshake {
    match open(place, trust, headers).await {
        Ok((opened, socket)) => {
            Handshake::Opened(Opened { then: become_of(socket, stay).await.unwrap_or(Then::Open), ..opened })
        }
        Err(handshake) => handshake,
    }
}

/// Makes one. What does not open is the whole handshake.
pub(super) async fn open(
    place: &Place,
    trust: &Trust,
    headers: Vec<(&'static str, String)>,
) -> Result<(Opened, Socket), Handshake> {
    let clock = Clock::start();
    let key = headers.iter().find(|(name, _)| *name == "Sec-WebSocket-Key").map(|(_, key)| key.clone());
    let request = Request { method: "GET", target: place.path.clone(), headers, body: "" };
    let shaken = async {
        let mut line = line::open(place, trust).await?;
        let head = ask::send(&mut line, place, &request).await?;
        Ok((line, head))
    };
    let (mut line, head) = match timeout(PATIENCE, shaken).await {
        Ok(Ok(shaken)) => shaken,
        Ok(Err(failure)) => return Err(Handshake::Failed(failure)),
        Err(_) => return Err(Handshake::Failed(Failure::Silent)),
    };
    let ms = clock.now().as_millis();
    if head.status != 101 {
        let body = timeout(BODY_PATIENCE, ask::body(&mut line, &head, "GET")).await.unwrap_or_default();
        let body = String::from_utf8_lossy(&body).into_owned();
        return Err(Handshake::Refused(Box::new(ask::answer(&head, &body, ms))));
    }
    let hop = head.header(HOP).map(str::to_owned);
    let faults = faults(&head, key.as_deref().unwrap_or_default());
    let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE_BYTES));
    let socket = WebSocketStream::from_partially_read(line, head.rest, Role::Client, Some(config)).await;
    Ok((Opened { ms, hop, faults, then: Then::Open }, socket))
}

/// What is wrong about a 101.
fn faults(head: &Head, key: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let expected = derive_accept_key(key.as_bytes());
    match head.header("sec-websocket-accept") {
        Some(accept) if accept == expected => {}
        Some(_) => faults.push(
            "its Sec-WebSocket-Accept answers another handshake: a cache, or a wrong server".to_owned(),
        ),
        None => faults.push("it has no Sec-WebSocket-Accept".to_owned()),
    }
    for (header, what) in
        [("sec-websocket-extensions", "an extension"), ("sec-websocket-protocol", "a subprotocol")]
    {
        if let Some(value) = head.header(header) {
            faults.push(format!("it agrees on {what} that was not offered: {value}"));
        }
    }
    if !head.header("upgrade").is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket")) {
        faults.push("it does not upgrade to websocket".to_owned());
    }
    faults
}

/// Looks at a socket for `stay`, and lets it go politely; none when nothing became of it.
pub(super) async fn become_of(mut socket: Socket, stay: Duration) -> Option<Then> {
    let watch = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => return closed(frame),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Then::Cut,
            }
        }
    };
    let then = timeout(stay, watch).await.ok();
    // A polite end, so that no log has a reset of ours in it.
    let _closed = timeout(Duration::from_millis(200), socket.close(None)).await;
    then
}

/// What a close frame says.
pub(super) fn closed(frame: Option<CloseFrame>) -> Then {
    match frame {
        Some(frame) => Then::Closed(frame.code.into(), frame.reason.to_string()),
        // RFC 6455: what a close frame without a code counts as.
        None => Then::Closed(1005, String::new()),
    }
}
