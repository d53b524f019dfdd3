//! One call as a machine: fed with messages and a time, it says what to send and what to do.
//!
//! It has no clock, no socket and no task. Whoever carries it does three things for ever: take every output, wait for
//! the next input or for [`Call::wake_at`], hand it in. Nothing it is told can make it fail; it ends, for a reason.
//!
//! ```text
//! loop {
//!     while let Some(output) = call.next_output() { perform(output) }
//!     if let Some(ending) = call.ending() { return ending }
//!     call.handle(next_input(call.wake_at()), now());
//! }
//! ```

mod barge_in;
mod bridging;
mod brief;
mod closing;
mod conversing;
mod deadlines;
mod effects;
pub mod event_log;
mod history;
mod http_tools;
mod kept;
mod limits;
mod listening;
mod machine;
mod opening;
mod operating;
mod playout;
mod recording;
mod relinking;
mod responding;
pub mod told;
mod tools;
mod words;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::brief::{Brief, Greeting, Interruption, Opening};
pub use self::machine::Call;
pub use self::opening::spoken_alike;
use crate::domain::{DestinationId, Ending, Intention, Message, Pii, ToolAnswer, ToolName, Turn, Usage};
use crate::wire::model::{FromModel, ToModel, ToolCallId};
use crate::wire::twilio::media::{FromTwilio, ToTwilio};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Input {
    /// Twilio said something. The first is [`FromTwilio::Start`], already checked against the pass.
    Caller(FromTwilio),
    /// The model said something.
    Model(FromModel),
    /// Somebody of ours wants something.
    Command(Command),
    /// What became of an effect.
    Outcome(EffectId, Outcome),
    /// What a tool of the business's own answered.
    Answered(EffectId, Box<ToolAnswer>),
    /// A socket is gone, without a goodbye.
    Lost(Side),
    /// A frame of the caller's that was no message: binary, too large, not JSON.
    Garbage,
    /// Nothing but time.
    Tick,
}

/// One of the two sockets of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// Twilio's.
    Caller,
    /// The model's.
    Model,
}

/// What somebody of ours wants of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Command {
    /// Twilio says elsewhere that the call is over.
    CallOver,
    /// This instance stops: let another go on, at the next turn boundary or soon.
    HandOver,
    /// An operator ends the call, with a goodbye.
    HangUp,
    /// An operator gives the caller to one of the business's destinations.
    Transfer(DestinationId),
    /// An operator has something said to the caller, in these words.
    Say(Pii<String>),
}

/// What a note calls a tool that there is not: a model makes up what it likes.
pub const UNKNOWN_TOOL: &str = "unknown";

/// Something to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Output {
    /// Send this to Twilio.
    Caller(ToTwilio),
    /// Send this to the model.
    Model(ToModel),
    /// Do this, and come back with its [`Outcome`].
    Effect(EffectId, Effect),
    /// Somebody may want to know.
    Note(Note),
    /// A piece of the recording.
    Recording(bytes::Bytes),
}

/// Names one effect of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectId(pub u32);

/// What a call wants done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Effect {
    /// Open a session with the model. Success is told by [`FromModel::Ready`], failure by the outcome.
    DialModel,
    /// Keep what is meant to happen when the stream closes.
    Intend(Option<Intention>),
    /// End the phone call through Twilio's REST interface.
    HangUp,
    /// Ring a destination through Twilio's REST interface.
    Transfer(DestinationId),
    /// Keep a message for the business.
    TakeMessage(Box<Message>),
    /// Ask a tool of the business's own, and come back with [`Input::Answered`].
    RunTool {
        /// Which of those it has configured.
        name: ToolName,
        /// The model's call of it: the same tool asked twice for one call is to do its work once.
        call: ToolCallId,
        /// JSON, an object that was checked.
        arguments: Pii<String>,
    },
    /// Keep a turn.
    Checkpoint(Box<Turn>),
    /// Keep the greeting's audio for the next call.
    KeepGreeting(Greeting),
}

/// What became of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It is done.
    Done,
    /// It failed; trying again may help.
    Failed,
    /// It was refused; trying again cannot help.
    Refused,
}

/// Something worth telling people. What people said is in it, as [`Pii`]; a log prints it without.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Note {
    /// The caller's stream is there.
    CallerArrived,
    /// The model's session is set up.
    ModelReady,
    /// The model's session is lost; another is dialled.
    ModelAway,
    /// The session is old: another follows it.
    SessionRenewed,
    /// The caller has waited for too long without hearing anything, and now hears something.
    Bridged {
        /// Whether it is a phrase in the business's voice; else it is a chime.
        phrase: bool,
    },
    /// The first audio of an answer goes to the caller.
    FirstAudio {
        /// From the end of the caller's speech, as heard by us, in milliseconds, when this answers speech.
        after_caller_ms: Option<u64>,
        /// From the caller's arrival, in milliseconds, when this is the first audio of the call.
        after_start_ms: Option<u64>,
    },
    /// The caller began to speak, as the model hears it.
    CallerSpeaks,
    /// The caller stopped, as the model hears it.
    CallerStops,
    /// A turn is complete.
    Said(Box<Turn>),
    /// The caller interrupted.
    BargeIn {
        /// How much of the item under way the caller had heard, in milliseconds.
        heard_ms: u64,
        /// How much of it the model had made, in milliseconds.
        made_ms: u64,
        /// Since the caller's first sound, as heard by us, in milliseconds; none when we hear no speech.
        after_ms: Option<u64>,
    },
    /// The caller pressed keys.
    Keys(Pii<String>),
    /// The model called a tool.
    ToolCalled {
        /// Which, if it is one of ours.
        name: String,
    },
    /// A tool has answered.
    ToolDone {
        /// Which.
        name: String,
        /// Whether it did what was asked.
        done: bool,
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
    /// Silence was put where the caller's audio was missing, in milliseconds.
    Padded(u32),
    /// How loud both sides are, in decibels below full scale.
    Level {
        /// The caller.
        caller_db: i8,
        /// What the caller hears.
        model_db: i8,
    },
    /// The model refused something; the class decides what follows.
    ModelRefused {
        /// Its code.
        code: String,
        /// Whether the call goes on.
        fatal: bool,
    },
    /// A deadline passed.
    TooLate(Deadline),
    /// The call will hang up, or transfer, when the goodbye is over.
    Leaving(Intention),
    /// It is over.
    Over {
        /// Why.
        ending: Ending,
        /// What it used.
        usage: Usage,
        /// What was odd.
        oddities: Oddities,
    },
}

/// The deadlines of a call. Each wakes it at most once for a purpose; waking early or late is harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Deadline {
    /// No stream came after the webhook.
    CallerArrives,
    /// No session with the model.
    ModelReady,
    /// The caller spoke, and the model does not answer.
    ModelAnswers,
    /// The caller says nothing.
    CallerSpeaks,
    /// A tool has not answered.
    ToolAnswers,
    /// The goodbye has not been played.
    FarewellPlayed,
    /// Twilio has not closed the stream after we hung up or transferred.
    StreamCloses,
    /// The model's session is old enough to be followed by another, between turns.
    SessionAges,
    /// It is about to be ended by the service.
    SessionEnds,
    /// One minute is left of what the plan allows.
    LastMinute,
    /// The call has lasted as long as the plan allows.
    TooLong,
    /// Nothing at all came from Twilio.
    StreamSilent,
    /// A hand-over waited for a turn boundary for too long.
    HandOver,
}

/// What was odd in a call, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Oddities {
    /// Frames of the caller's that were no message.
    pub garbage: u32,
    /// Messages of either side with an unknown name.
    pub unknown: u32,
    /// Pieces of audio that were not base64 or not whole samples.
    pub bad_audio: u32,
    /// Pieces of audio dropped because their answer had been cut.
    pub late_audio: u32,
    /// Frames of the caller's dropped because the model was not ready for too long.
    pub dropped: u32,
    /// Marks that were not, or no longer, ours.
    pub stale_marks: u32,
    /// Silence put where the caller's audio was missing, in milliseconds.
    pub padded_ms: u64,
    /// Benign refusals by the model.
    pub refusals: u32,
    /// Sessions of the model's that were lost.
    pub models_lost: u32,
    /// Answers of tools that came after the model had been told that they failed.
    pub late_tools: u32,
    /// Tool calls that were not even answered: the model made too many.
    pub ignored_tools: u32,
}
