//! Twilio's words: the messages of the media socket, the forms of the webhooks, the signature on both, and TwiML.

pub mod form;
pub mod media;
pub mod signature;
pub mod twiml;
