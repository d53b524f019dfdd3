//! What crosses a WebSocket, as the actors see it.

use bytes::Bytes;

use crate::wire::Text;

/// One thing a socket carries, or its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A text frame.
    Text(Text),
    /// A binary frame; neither wire knows any.
    Binary(Bytes),
    /// A close frame.
    Close {
        /// The close code, 1000 to 4999; 1005 for none.
        code: u16,
        /// The reason.
        reason: String,
    },
    /// The connection is gone without a close frame.
    Reset,
}

impl Frame {
    /// A close frame as it is sent at a normal end.
    pub fn normal_close() -> Self {
        Self::Close { code: 1000, reason: String::new() }
    }
}
