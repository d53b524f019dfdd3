//! OpenAI Realtime, the GA protocol over WebSocket: our events, its events, and the codec between them and the words
//! of [`super::model`]. Beta names are understood for compatible servers.

use std::collections::VecDeque;

use super::Text;
use super::model::{FromModel, SessionConfig, ToModel};

/// One session's translator. It asks for µ-law both ways and reports [`FromModel::Ready`] only when the service has
/// echoed a format that both sides can speak.
#[derive(Debug)]
pub struct Codec {
    frames: VecDeque<Text>,
}

impl Codec {
    /// Begins a session: the first frame is its setup.
    pub fn new(_config: &SessionConfig) -> Self {
        Self { frames: VecDeque::new() }
    }

    /// Translates what the call says into frames.
    pub fn say(&mut self, _words: &ToModel) {}

    /// The next frame to send as text, until none.
    pub fn next_frame(&mut self) -> Option<Text> {
        self.frames.pop_front()
    }

    /// Translates one text frame of the service's. Nothing is returned for what only the codec needs to know.
    pub fn hear(&mut self, _frame: &Text) -> Option<FromModel> {
        None
    }
}
