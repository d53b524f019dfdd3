//! One of the two sockets of a call: read for ever, written to without waiting, given up when it does not keep up.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};

use crate::wire::Text;

/// A frame of Twilio's is some 400 bytes; small frames read through the default of 128 KiB cost three times the CPU and
/// fourteen times the memory.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// What one step of a call says leaves in one system call when it is flushed, which follows at once.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;

/// What Twilio may leave untaken before it is given up: some 17 s of audio with its marks, when the kernel's own buffer
/// is full already. A caller who hears nothing for so long has gone.
const MAX_WRITE_BUFFER_BYTES: usize = 256 * 1024;

/// Longer than any message of Twilio's (`start` with 500 characters of parameters is the longest). What is longer is
/// garbage, and survived.
pub(super) const MAX_CALLER_TEXT_BYTES: usize = 64 * 1024;

/// What is longer than this is no longer read to its end: the socket is lost.
const MAX_CALLER_MESSAGE_BYTES: usize = 256 * 1024;

/// Between pings of ours: below every proxy's idle limit known to us (60 s), often enough to notice within a minute a
/// model that vanished without a word, and one small frame a thousand of audio.
pub(super) const PING_EVERY: Duration = Duration::from_secs(20);

/// How the socket of a caller is to be set up, whoever does the handshake.
pub fn caller_socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .max_message_size(Some(MAX_CALLER_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_CALLER_MESSAGE_BYTES))
}

/// What a leg needs of a socket. Its `start_send` must put what the peer does not take into a bounded buffer, as
/// tungstenite's does, for nobody asks `poll_ready` first: that would be waiting.
pub(super) trait Socket:
    Stream<Item = Result<Message, WsError>> + Sink<Message, Error = WsError> + Unpin + Send
{
}

impl<S> Socket for S where
    S: Stream<Item = Result<Message, WsError>> + Sink<Message, Error = WsError> + Unpin + Send
{
}

/// One socket of a call.
#[derive(Debug)]
pub(super) struct Leg<S> {
    socket: S,
    max_text_bytes: usize,
    /// Twilio's answer to a ping is not documented, and it may fall silent while a caller is muted; the machine has a
    /// deadline of its own for that. A model's server that answers no ping is gone.
    must_answer_pings: bool,
    unflushed: bool,
    /// Whether anything came since our last ping.
    heard: bool,
    pinged: bool,
    broken: Option<Break>,
}

/// What came on a leg.
#[derive(Debug)]
pub(super) enum Heard {
    /// A text frame.
    Text(Text),
    /// A frame that can be no message: binary, or too long.
    Garbage,
    /// Nothing more will come.
    Lost(Break),
}

/// Why a leg is lost.
#[derive(Debug, thiserror::Error)]
pub(super) enum Break {
    /// The peer said so, with its code and reason.
    #[error("closed by the peer, code {0} {1:?}")]
    Closed(u16, String),
    /// The connection ended without a closing handshake.
    #[error("ended without a closing handshake")]
    Ended,
    /// The peer does not take what we send.
    #[error("the peer does not take what we send")]
    Full,
    /// The peer has not answered a ping.
    #[error("the peer has not answered a ping within {} s", PING_EVERY.as_secs())]
    Silent,
    /// The connection broke, or broke the rules of the protocol.
    #[error("broken: {0}")]
    Broken(WsError),
}

impl<S: Socket> Leg<S> {
    /// Twilio's side.
    pub(super) fn caller(socket: S) -> Self {
        Self::new(socket, MAX_CALLER_TEXT_BYTES, false)
    }

    /// The model's side, whose socket limits the length of its messages itself.
    pub(super) fn model(socket: S) -> Self {
        Self::new(socket, usize::MAX, true)
    }

    fn new(socket: S, max_text_bytes: usize, must_answer_pings: bool) -> Self {
        // The handshake may have left something to flush.
        let (unflushed, heard, pinged, broken) = (true, true, false, None);
        Self { socket, max_text_bytes, must_answer_pings, unflushed, heard, pinged, broken }
    }

    /// The next thing that came.
    pub(super) fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        if let Some(broken) = self.broken.take() {
            return Poll::Ready(Heard::Lost(broken));
        }
        loop {
            let message = match ready!(self.socket.poll_next_unpin(cx)) {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Poll::Ready(Heard::Lost(Break::from(error))),
                None => return Poll::Ready(Heard::Lost(Break::Ended)),
            };
            self.heard = true;
            match message {
                Message::Text(text) => return Poll::Ready(self.text(text)),
                Message::Binary(_) => return Poll::Ready(Heard::Garbage),
                Message::Close(frame) => return Poll::Ready(Heard::Lost(Break::closed(frame))),
                // The library has put its answer into the buffer.
                Message::Ping(_) => self.unflushed = true,
                Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    fn text(&self, text: Utf8Bytes) -> Heard {
        if text.len() > self.max_text_bytes {
            return Heard::Garbage;
        }
        Text::from_utf8(Bytes::from(text)).map_or(Heard::Garbage, Heard::Text)
    }

    /// Sends a text frame, as far as the peer takes it; the rest waits in the buffer, and nobody for it.
    pub(super) fn say(&mut self, text: Bytes) {
        match Utf8Bytes::try_from(text) {
            Ok(text) => self.send(Message::Text(text)),
            Err(error) => tracing::error!(%error, "a message of ours was not text"),
        }
    }

    /// Asks whether the peer is there, and whether it was when last asked.
    pub(super) fn ping(&mut self) {
        if self.must_answer_pings && self.pinged && !self.heard {
            self.broken.get_or_insert(Break::Silent);
            return;
        }
        (self.pinged, self.heard) = (true, false);
        self.send(Message::Ping(Bytes::new()));
    }

    fn send(&mut self, message: Message) {
        if self.broken.is_some() {
            return;
        }
        match self.socket.start_send_unpin(message) {
            Ok(()) => self.unflushed = true,
            Err(error) => self.broken = Some(Break::from(error)),
        }
    }

    /// Pushes what waits in the buffer towards the peer. To be called before every wait, so that the socket wakes us
    /// when it takes more.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) {
        if !self.unflushed || self.broken.is_some() {
            return;
        }
        match self.socket.poll_flush_unpin(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.unflushed = false,
            Poll::Ready(Err(error)) => self.broken = Some(Break::from(error)),
        }
    }

    /// Says goodbye properly, and drops the socket when the peer has answered or `patience` is over. Reading on until
    /// then keeps the kernel from resetting the connection before our last words are read.
    pub(super) async fn close(mut self, patience: Duration) {
        let goodbye = async {
            let frame = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_late)) = self.socket.next().await {}
            }
        };
        // A peer that does not answer loses nothing.
        let _ended = timeout(patience, goodbye).await;
    }
}

impl Break {
    fn closed(frame: Option<CloseFrame>) -> Self {
        frame.map_or(Self::Ended, |frame| Self::Closed(frame.code.into(), frame.reason.as_str().to_owned()))
    }
}

impl From<WsError> for Break {
    fn from(error: WsError) -> Self {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all other errors of the WebSocket library mean the same here"
        )]
        match error {
            WsError::WriteBufferFull(_) => Self::Full,
            WsError::ConnectionClosed | WsError::AlreadyClosed => Self::Ended,
            other => Self::Broken(other),
        }
    }
}

#[cfg(test)]
mod tests;
