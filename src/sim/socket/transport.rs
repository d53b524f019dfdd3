//! Frames of actors as messages of a WebSocket, and back.

use futures_util::{Sink, SinkExt};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Bytes, Message, Utf8Bytes};

use crate::sim::Frame;
use crate::wire::Text;

/// Sized for voice: the default of 128 KiB a socket is memory that a thousand calls do not have.
const READ_BUFFER_BYTES: usize = 8 * 1024;

pub(super) fn config() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES)
}

/// What a socket gave, as an actor hears it; nothing for what the protocol answers by itself.
pub(super) fn heard(message: Option<Result<Message, tungstenite::Error>>) -> Option<Frame> {
    let frame = match message {
        Some(Ok(Message::Text(text))) => {
            // Checked by the socket already: what is text is UTF-8.
            Frame::Text(Text::from_utf8(Bytes::from(text)).unwrap_or_default())
        }
        Some(Ok(Message::Binary(bytes))) => Frame::Binary(bytes),
        Some(Ok(Message::Close(frame))) => {
            let (code, reason) = frame.map_or((1005, String::new()), |frame| {
                (u16::from(frame.code), frame.reason.as_str().to_owned())
            });
            Frame::Close { code, reason }
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => return None,
        Some(Err(_)) | None => Frame::Reset,
    };
    Some(frame)
}

/// Says a frame, without waiting for the wire. Whether the socket is still of use.
pub(super) async fn say<S>(socket: &mut S, frame: Frame) -> bool
where
    S: Sink<Message, Error = tungstenite::Error> + Unpin,
{
    let (message, last) = match frame {
        Frame::Text(text) => match Utf8Bytes::try_from(text.into_bytes()) {
            Ok(text) => (Message::Text(text), false),
            Err(_) => return true,
        },
        Frame::Binary(bytes) => (Message::Binary(bytes), false),
        Frame::Close { code, reason } => {
            let frame = CloseFrame { code: code.into(), reason: reason.into() };
            (Message::Close(Some(frame)), true)
        }
        Frame::Reset => return false,
    };
    let sent = socket.feed(message).await.is_ok();
    if last {
        // The peer may be gone already; then there is nobody to say it to.
        let _flushed = socket.flush().await;
    }
    sent && !last
}
