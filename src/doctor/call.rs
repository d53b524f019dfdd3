//! A whole call, as Twilio would carry it: on the stream that its TwiML named, with the parameters that stood there.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::facts::{Call, Then};
use super::handshake::{Socket, closed};
use crate::domain::Moment;
use crate::sim::socket::Clock;
use crate::sim::{Caller, Frame, StreamNames, TwilioStream};
use crate::wire::Text;

/// How long the caller listens: a greeting begins within a second or two, and nobody pays for more.
const LISTENS: Duration = Duration::from_secs(4);

/// A model that says nothing for so long says nothing.
const PATIENCE: Duration = Duration::from_secs(8);

/// Twilio's own words for what is no frame.
const BROKEN: &str = "31924";

/// Carries the call until the caller has heard enough, and hangs up.
pub(super) async fn carry(mut socket: Socket, names: StreamNames) -> Call {
    let clock = Clock::start();
    let mut found = Call::default();
    let mut stream = TwilioStream::new(names, Vec::new(), clock.now());
    let mut caller = Caller::silent();
    loop {
        let now = clock.now();
        if enough(&found, now) {
            stream.end(now);
        }
        stream.wake(&mut caller, now);
        while let Some(frame) = stream.next_frame(now) {
            found.started = true;
            if !say(&mut socket, frame).await && !stream.is_over() {
                return lost(found, &stream, Then::Cut, now);
            }
        }
        if stream.is_over() {
            let _gone = socket.flush().await;
            break;
        }
        if socket.flush().await.is_err() {
            return lost(found, &stream, Then::Cut, now);
        }
        tokio::select! {
            message = socket.next() => match heard(message) {
                Heard::Frame(frame) => {
                    stream.hear(&frame, clock.now());
                    if found.first_audio_ms.is_none() && !stream.playout().pieces().is_empty() {
                        found.first_audio_ms = Some(clock.now().as_millis());
                    }
                }
                Heard::Nothing => {}
                Heard::Broken(why) => {
                    found.broken = Some(format!("{BROKEN}: {why}"));
                    return lost(found, &stream, Then::Cut, clock.now());
                }
                Heard::End(then) => return lost(found, &stream, then, clock.now()),
            },
            () = clock.until(stream.wake_at()) => {}
        }
    }
    found.problems = problems(&stream);
    found
}

/// Who has heard something listens for a while, and who hears nothing waits longer.
fn enough(found: &Call, now: Moment) -> bool {
    let longest = if found.first_audio_ms.is_some() { LISTENS } else { PATIENCE };
    now.elapsed() >= longest
}

fn lost(mut found: Call, stream: &TwilioStream, then: Then, now: Moment) -> Call {
    found.ended = Some(then);
    found.ended_after_ms = Some(now.as_millis());
    found.problems = problems(stream);
    found
}

fn problems(stream: &TwilioStream) -> Vec<String> {
    stream.violations().iter().map(|violation| format!("{}: {}", violation.code, violation.why)).collect()
}

enum Heard {
    Frame(Frame),
    Nothing,
    Broken(String),
    End(Then),
}

fn heard(message: Option<Result<Message, Error>>) -> Heard {
    match message {
        // Checked by the socket already: what is text is UTF-8.
        Some(Ok(Message::Text(text))) => {
            Heard::Frame(Frame::Text(Text::from_utf8(text.into()).unwrap_or_default()))
        }
        Some(Ok(Message::Binary(bytes))) => Heard::Frame(Frame::Binary(bytes)),
        Some(Ok(Message::Close(frame))) => Heard::End(closed(frame)),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Heard::Nothing,
        Some(Err(Error::Protocol(error))) if !is_a_cut(&error) => Heard::Broken(error.to_string()),
        Some(Err(Error::Utf8(error))) => Heard::Broken(error),
        Some(Err(Error::Capacity(error))) => Heard::Broken(error.to_string()),
        Some(Err(_)) | None => Heard::End(Then::Cut),
    }
}

fn is_a_cut(error: &tokio_tungstenite::tungstenite::error::ProtocolError) -> bool {
    matches!(
        error,
        tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake
            | tokio_tungstenite::tungstenite::error::ProtocolError::SendAfterClosing
            | tokio_tungstenite::tungstenite::error::ProtocolError::ReceivedAfterClosing
    )
}

/// Whether the socket is still of use.
async fn say(socket: &mut Socket, frame: Frame) -> bool {
    let message = match frame {
        Frame::Text(text) => match Utf8Bytes::try_from(text.into_bytes()) {
            Ok(text) => Message::Text(text),
            Err(_) => return true,
        },
        Frame::Binary(bytes) => Message::Binary(bytes),
        Frame::Close { .. } => Message::Close(None),
        Frame::Reset => return false,
    };
    socket.feed(message).await.is_ok()
}
