//! The few words a call needs from any speech model: the seam behind which OpenAI Realtime, a compatible server, or
//! another protocol altogether can stand. No event name of any of them appears here.

use serde::{Deserialize, Serialize};

use super::Text;
use crate::domain::{Pii, TurnDetection, Usage};

macro_rules! model_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
    };
}

model_id!(
    /// The model's name for one answer of its.
    ResponseId
);
model_id!(
    /// The model's name for one thing in the conversation: a message, a tool call.
    ItemId
);
model_id!(
    /// The model's name for one call of a tool.
    ToolCallId
);

/// How audio is written on the model's wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AudioFormat {
    /// G.711 µ-law, 8,000 Hz, mono: what the telephone speaks.
    Mulaw8k,
    /// Signed 16-bit little-endian, 24,000 Hz, mono: for servers that know no µ-law.
    Pcm16At24k,
}

/// How a session should be set up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionConfig {
    /// How the model should behave.
    pub instructions: String,
    /// With which voice.
    pub voice: String,
    /// The caller's language, ISO 639-1, for the transcription.
    pub language: String,
    /// When the caller's turn is over.
    pub turn_detection: TurnDetection,
    /// How hard to think; only for models that can.
    pub reasoning_effort: Option<String>,
    /// What the model may do.
    pub tools: Vec<ToolSpec>,
}

/// One tool, as the model is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// JSON Schema of its arguments, an object.
    pub parameters: serde_json::Value,
}

/// What a call says to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ToModel {
    /// The caller's audio, base64, in the session's format.
    Audio(Text),
    /// Answer now. At most one answer may be asked for or under way at a time.
    Respond {
        /// What to say; without it the model goes on as it sees fit.
        instructions: Option<String>,
        /// Whether the model may call tools in this answer.
        tools: bool,
        /// Comes back in [`FromModel::ResponseStarted`], to tell this answer from the model's own.
        tag: u32,
    },
    /// The caller heard so much of this item, and no more.
    Truncate {
        /// The item.
        item: ItemId,
        /// Which part of it; audio has always been 0 so far.
        content_index: u32,
        /// How much was heard, in milliseconds from the item's start.
        heard_ms: u64,
    },
    /// The caller heard nothing of this item.
    Forget(ItemId),
    /// A call of a tool that an earlier session made.
    ToolCall {
        /// Which.
        call: ToolCallId,
        /// The tool.
        name: String,
        /// The arguments as they came: JSON, perhaps empty, perhaps broken.
        arguments: Pii<String>,
    },
    /// What a tool gave.
    ToolResult {
        /// Which call of it.
        call: ToolCallId,
        /// The result, as text; JSON for the most part.
        output: String,
    },
    /// Something that was said before this session: by the caller or by the model.
    Said {
        /// Whether the model said it.
        by_model: bool,
        /// The words that were heard.
        text: Pii<String>,
    },
    /// Something the model should know that nobody said.
    Note(Pii<String>),
}

/// What the model tells a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FromModel {
    /// The session is set up as asked, and audio may flow, in this format.
    Ready(AudioFormat),
    /// An answer begins.
    ResponseStarted {
        /// The answer.
        response: ResponseId,
        /// Of the [`ToModel::Respond`] that asked for it; none when the model answers of its own accord.
        tag: Option<u32>,
    },
    /// A piece of an answer's audio, base64 in the session's format, of any size.
    Audio {
        /// The answer.
        response: ResponseId,
        /// The item of it; an answer may have several.
        item: ItemId,
        /// The part of the item.
        content_index: u32,
        /// The audio.
        audio: Text,
    },
    /// No more audio of this item will come.
    AudioDone {
        /// The answer.
        response: ResponseId,
        /// The item.
        item: ItemId,
    },
    /// The next words of what the model is saying.
    Words {
        /// The item.
        item: ItemId,
        /// The words.
        text: Pii<String>,
    },
    /// All the words of what the model said in an item.
    AllWords {
        /// The item.
        item: ItemId,
        /// The words.
        text: Pii<String>,
    },
    /// The model wants a tool to be run.
    ToolCall {
        /// The answer in which it asks.
        response: ResponseId,
        /// This call of it.
        call: ToolCallId,
        /// Which tool.
        name: String,
        /// The arguments: JSON, perhaps empty, perhaps broken.
        arguments: Pii<String>,
    },
    /// An answer is over.
    ResponseDone {
        /// The answer.
        response: ResponseId,
        /// How it went.
        outcome: ResponseOutcome,
        /// What it used, where the model says so.
        usage: Option<Usage>,
    },
    /// The caller began to speak, as the model hears it.
    SpeechStarted,
    /// The caller stopped.
    SpeechStopped,
    /// What the caller said, as the model's transcription understood it; often late.
    CallerSaid {
        /// The words; empty when none were understood.
        text: Pii<String>,
        /// How much speech was transcribed for it, in milliseconds, where the model says so.
        transcribed_ms: u64,
    },
    /// The model refused something, or failed.
    Refused(Refusal),
    /// A word we do not use. Counted.
    Other(Text),
}

/// How an answer went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ResponseOutcome {
    /// To its end.
    Completed,
    /// Cut short, by the caller or by us.
    Cancelled,
    /// Stopped by a limit or filter of the model's; the text says which.
    Incomplete(String),
    /// Failed; the text is the model's code for it.
    Failed(String),
}

/// What a refusal means for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RefusalClass {
    /// It changes nothing.
    Benign,
    /// An answer is under way already: ask again when it is over.
    Busy,
    /// What we sent is not what the model accepts; the session goes on.
    Configuration,
    /// No session can be had, and trying again cannot help: key, quota, model name.
    Fatal,
    /// This session is over; another can be had.
    SessionOver,
}

/// An error of the model's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// What it means for a call.
    pub class: RefusalClass,
    /// The model's code, or type where it gives none.
    pub code: String,
    /// Its sentence, which may quote what we sent.
    pub message: Pii<String>,
    /// The tag of the [`ToModel::Respond`] that it refuses, if it refuses one.
    pub answer: Option<u32>,
}
