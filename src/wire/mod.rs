//! What the others say, word for word: Twilio's requests and messages, the speech model's events, the pass between our
//! own webhook and our own stream, and what a server tells its doctor. Pure: text in, types out, and back.
//!
//! Unknown words are carried as `Other` and never end a call.

pub mod doctor;
pub mod model;
pub mod realtime;
pub mod stream_token;
mod text;
pub mod twilio;

pub use text::Text;
