//! What is kept of a call: who said what, how it ended, what it used.

use serde::{Deserialize, Serialize};

use super::{
    AccountSid, BusinessId, CallSid, DestinationId, InstanceId, MicroDollars, Month, Pii, PlanId,
    RecordingSid,
};

/// A call as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallRecord {
    /// Twilio's name for it.
    pub call: CallSid,
    /// The account it came from.
    pub account: AccountSid,
    /// Whose call it is.
    pub business: BusinessId,
    /// Under which plan it is answered.
    pub plan: PlanId,
    /// Who calls, as Twilio says it: a number, `anonymous`, a SIP address.
    pub from: Pii<String>,
    /// Which line was called.
    pub to: Pii<String>,
    /// When the webhook was answered, in milliseconds since 1970.
    pub started_ms: i64,
    /// When the caller's stream was there, in milliseconds since 1970.
    pub answered_ms: Option<i64>,
    /// When it was over, in milliseconds since 1970.
    pub ended_ms: Option<i64>,
    /// How it ended, when it has.
    pub ending: Option<Ending>,
    /// What was meant to happen next when the stream closes; none means: an accident.
    pub intention: Option<Intention>,
    /// How many streams it has had; the first is attempt 1.
    pub attempts: u8,
    /// Who carried it last.
    pub instance: InstanceId,
    /// What it used: the sum over its streams.
    pub usage: Usage,
    /// What that costs, an estimate: the sum over its streams.
    #[serde(default)]
    pub cost: MicroDollars,
    /// What was recorded of it, by attempt.
    #[serde(default)]
    pub recordings: Vec<Recording>,
    /// Whether its business wants to be told when it is over.
    #[serde(default)]
    pub tells: bool,
}

impl CallRecord {
    /// How long the caller had the model, in milliseconds: from the first stream to the end, with what lay between two
    /// streams. Zero while it goes on, and when no stream came.
    pub fn talked_ms(&self) -> u64 {
        let lasted = self.answered_ms.zip(self.ended_ms).map(|(from, to)| to.saturating_sub(from));
        u64::try_from(lasted.unwrap_or(0)).unwrap_or(0)
    }

    /// Whether it was placed from a page of ours. Twilio has never heard of it.
    pub fn is_test(&self) -> bool {
        self.account == AccountSid::of_test_calls()
    }

    /// Whether another instance has claimed this stream of the call, or a later one was claimed.
    pub fn is_claimed_by_another(&self, attempt: u8, instance: &InstanceId) -> bool {
        self.attempts > attempt || (self.attempts == attempt && self.instance != *instance)
    }
}

/// The audio of one stream, kept in a file of the instance that carried it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recording {
    /// Of which attempt.
    pub attempt: u8,
    /// The file's name in `DATA_DIR/recordings`.
    pub file: String,
    /// Its length, in milliseconds.
    pub length_ms: u64,
    /// On whose disk it is.
    pub instance: InstanceId,
}

/// How one stream of a call ended, told by the instance that carried it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamEnd {
    /// Which stream, from 1.
    pub attempt: u8,
    /// Who tells.
    pub instance: InstanceId,
    /// How it ended.
    pub ending: Ending,
    /// What this stream used.
    pub usage: Usage,
    /// What that costs, an estimate; zero when the model's prices are not known.
    pub cost: MicroDollars,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// What a business used in a month. A call belongs to the month in which it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MonthUsage {
    /// Whose.
    pub business: BusinessId,
    /// When.
    pub month: Month,
    /// Calls that were answered by a model and are over.
    pub calls: u64,
    /// How long they lasted, in milliseconds: the sum of [`CallRecord::talked_ms`].
    pub talked_ms: u64,
    /// What streams that are over used.
    pub usage: Usage,
    /// What that costs, an estimate.
    pub cost: MicroDollars,
}

impl MonthUsage {
    /// Nothing yet.
    pub fn nothing(business: BusinessId, month: Month) -> Self {
        let (usage, cost) = (Usage::default(), MicroDollars::default());
        Self { business, month, calls: 0, talked_ms: 0, usage, cost }
    }
}

/// Who spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Speaker {
    /// The human.
    Caller,
    /// The speech model.
    Model,
}

/// One thing said, as the other side heard it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    /// During which attempt, from 1.
    pub attempt: u8,
    /// Counts the turns of an attempt from 0, in the order in which they became known.
    pub number: u32,
    /// Who spoke.
    pub speaker: Speaker,
    /// What was heard of it.
    pub text: Pii<String>,
    /// When it began, in milliseconds since the attempt's task began.
    pub began_ms: u64,
    /// How much of the model's audio the caller heard, in milliseconds; zero for the caller's own turns.
    pub heard_ms: u64,
    /// Whether the caller cut it short.
    pub interrupted: bool,
    /// From the end of the caller's speech to the first audio of the answer, in milliseconds, where measured.
    pub answer_delay_ms: Option<u64>,
}

/// A message a caller left with the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The call in which it was left.
    pub call: CallSid,
    /// For whom.
    pub business: BusinessId,
    /// The tool call that took it: keeping the same one twice keeps one.
    pub tool_call: String,
    /// Who left it, as said.
    pub name: Pii<String>,
    /// How to reach them, as said.
    pub contact: Pii<String>,
    /// What they said.
    pub text: Pii<String>,
    /// When it was taken, in milliseconds since 1970.
    pub taken_ms: i64,
}

/// What a caller said after a tone, recorded by Twilio and kept there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Voicemail {
    /// Twilio's name for the recording: keeping the same one twice keeps one.
    pub recording: RecordingSid,
    /// The call in which it was left.
    pub call: CallSid,
    /// The account that has the recording.
    pub account: AccountSid,
    /// For whom.
    pub business: BusinessId,
    /// Who left it, as Twilio says it: a number, `anonymous`, a SIP address; empty when nobody could say.
    pub from: Pii<String>,
    /// Which line was called.
    pub to: Pii<String>,
    /// Where Twilio has it. Unless the account asks for credentials there, whoever knows this may listen.
    pub url: Pii<String>,
    /// Its length, in milliseconds.
    pub length_ms: u64,
    /// When we heard of it, in milliseconds since 1970.
    pub left_ms: i64,
}

/// What a call means to do next when its stream closes. Kept before it is carried out, so that whoever is asked
/// afterwards can tell a decision from an accident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Intention {
    /// Hang up.
    HangUp,
    /// Ring a destination.
    Transfer(DestinationId),
    /// Do what the business wants when no model can answer.
    FallBack,
}

/// How a call, or one stream of it, ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    /// The caller hung up.
    CallerHungUp,
    /// We hung up, on purpose.
    HungUp,
    /// The caller was given to a destination.
    Transferred(DestinationId),
    /// No stream came after the webhook.
    NeverConnected,
    /// The stream broke without a word.
    StreamLost,
    /// The stream was not what we can carry; the text says why.
    StreamRefused(String),
    /// The model was lost, or was silent for too long.
    ModelLost,
    /// The model refused in a way that trying again cannot mend.
    ModelRefused,
    /// It was given to another instance.
    HandedOver,
    /// The plan was at its limit, and the caller got the business's fallback.
    PlanLimit,
}

impl Ending {
    /// Whether the caller may still be there and waits for somebody to go on.
    pub fn is_accident(&self) -> bool {
        match self {
            Self::CallerHungUp
            | Self::HungUp
            | Self::Transferred(_)
            | Self::NeverConnected
            | Self::PlanLimit => false,
            Self::StreamLost
            | Self::StreamRefused(_)
            | Self::ModelLost
            | Self::ModelRefused
            | Self::HandedOver => true,
        }
    }
}

/// Tokens of one direction by kind. Cached ones are part of the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ModalityTokens {
    /// Text.
    pub text: u64,
    /// Audio.
    pub audio: u64,
    /// Images.
    pub image: u64,
}

/// What a call used of the model: in tokens, and of what writes down the caller's words, in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// What the model read.
    pub input: ModalityTokens,
    /// What of it was cached, and costs less.
    pub cached: ModalityTokens,
    /// What the model made.
    pub output: ModalityTokens,
    /// How much of the caller's speech was transcribed, in milliseconds.
    pub transcribed_ms: u64,
}

impl Usage {
    /// Adds what one more response used.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.input, other.input),
            (&mut self.cached, other.cached),
            (&mut self.output, other.output),
        ] {
            mine.text = mine.text.saturating_add(theirs.text);
            mine.audio = mine.audio.saturating_add(theirs.audio);
            mine.image = mine.image.saturating_add(theirs.image);
        }
        self.transcribed_ms = self.transcribed_ms.saturating_add(other.transcribed_ms);
    }
}
