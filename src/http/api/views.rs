//! What the API shows of what is kept. Its own shapes, so that what we store may change and what programs read does not:
//! times in RFC 3339, money in dollars, lengths in milliseconds, and nothing marked personal any more, because this is
//! what an operator asks for.

use serde::Serialize;
use utoipa::ToSchema;

use super::asked::Cursor;
use crate::domain::{self, CallRecord, Limit, MicroDollars, Speaker};
use crate::http::problem::Remark;
use crate::store::{Listing, StoreError};

/// Part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// What there is, in order.
    pub(super) items: Vec<T>,
    /// What is stored in this part of the list and does not read. It takes nothing else with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) unreadable: Vec<Unreadable>,
    /// Send it as `after` for the next part; absent when this was the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) next: Option<String>,
}

/// All of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Whole<T> {
    /// What there is, in order.
    pub(super) items: Vec<T>,
}

/// Something stored that does not read.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Unreadable {
    /// Its path in the store.
    #[schema(example = "businesses/luna-dental")]
    document: String,
    /// What is wrong with it, and in which field.
    detail: String,
}

/// What was written, and what is odd about it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Written<T> {
    /// As it is kept now.
    pub(super) item: T,
    /// What is odd, and no mistake.
    pub(super) warnings: Vec<Remark>,
}

/// What an import brought.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Imported {
    /// How many businesses.
    pub(super) businesses: usize,
    /// How many plans.
    pub(super) plans: usize,
    /// What is odd, and no mistake.
    pub(super) warnings: Vec<Remark>,
}

/// A call.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Call {
    /// Twilio's name for it.
    #[schema(example = "CA00000000000000000000000000000001")]
    call_sid: String,
    /// The account it came from.
    #[schema(example = "AC00000000000000000000000000000001")]
    account_sid: String,
    /// Whose call it is.
    #[schema(example = "luna-dental")]
    business: String,
    /// Under which plan it is answered.
    #[schema(example = "premium")]
    plan: String,
    /// Who calls, as Twilio says it: a number, `anonymous`, a SIP address.
    #[schema(example = "+14155550123")]
    from: String,
    /// Which line was called.
    #[schema(example = "+15551234567")]
    to: String,
    /// When its webhook was answered.
    #[schema(format = DateTime, example = "2026-11-21T14:01:05.123Z")]
    started_at: String,
    /// When the caller's stream was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    answered_at: Option<String>,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    ended_at: Option<String>,
    /// How long the caller had the model, in milliseconds; 0 while it goes on.
    talked_ms: u64,
    /// How it ended, when it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ending: Option<Ending>,
    /// How many streams it has had.
    attempts: u8,
    /// Which instance carried it last.
    #[schema(example = "4c1f09ab")]
    instance: String,
    /// What it used of the model.
    usage: Tokens,
    /// What that costs: an estimate in US dollars, from list prices.
    #[schema(example = "0.049349", pattern = r"^-?\d+\.\d{6}$")]
    estimated_cost_usd: String,
    /// What was recorded of it.
    recordings: Vec<Recording>,
}

/// A call with all that was said.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallWithTurns {
    /// The call.
    #[serde(flatten)]
    pub(super) call: Call,
    /// What was said, in order, as the other side heard it.
    pub(super) turns: Vec<Turn>,
    /// What the caller said after a tone, when nobody could answer.
    pub(super) voicemails: Vec<Voicemail>,
}

/// How a call ended.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ending {
    /// How.
    how: How,
    /// To which destination the caller was transferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    destination: Option<String>,
    /// Why the stream was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    why: Option<String>,
}

/// How a call can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum How {
    CallerHungUp,
    HungUp,
    Transferred,
    NeverConnected,
    StreamLost,
    StreamRefused,
    ModelLost,
    ModelRefused,
    HandedOver,
    PlanLimit,
}

/// One thing said.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Turn {
    /// During which stream of the call, from 1.
    attempt: u8,
    /// Counts the turns of a stream from 0, in the order in which they became known.
    number: u32,
    /// Who spoke.
    speaker: Who,
    /// What was heard of it.
    #[schema(example = "Thanks for calling Luna Dental. How can I help?")]
    text: String,
    /// When it began, in milliseconds since the stream's task began.
    began_ms: u64,
    /// How much of the model's audio the caller heard, in milliseconds; 0 for the caller's own turns.
    heard_ms: u64,
    /// Whether the caller cut it short.
    interrupted: bool,
    /// From the end of the caller's speech to the first audio of the answer, in milliseconds, where measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    answer_delay_ms: Option<u64>,
}

/// Who spoke.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Who {
    Caller,
    Model,
}

/// The audio of one stream.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Recording {
    /// Of which stream, from 1.
    attempt: u8,
    /// The file's name in `DATA_DIR/recordings` of that instance.
    file: String,
    /// Its length, in milliseconds.
    length_ms: u64,
    /// On whose disk it is.
    instance: String,
}

/// Tokens of one direction by kind.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Modalities {
    /// Text.
    text: u64,
    /// Audio.
    audio: u64,
    /// Images.
    image: u64,
}

/// What was used of the model, in tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tokens {
    /// What the model read.
    input: Modalities,
    /// What of that was cached, and costs less.
    cached: Modalities,
    /// What the model made.
    output: Modalities,
}

/// A message somebody left.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    /// In which call.
    call_sid: String,
    /// The tool call that took it.
    tool_call: String,
    /// Who left it, as said.
    name: String,
    /// How to reach them, as said.
    contact: String,
    /// What they said.
    text: String,
    /// When.
    #[schema(format = DateTime, example = "2026-11-21T14:01:05.123Z")]
    taken_at: String,
}

/// What a caller said after a tone, when nobody could answer. Twilio keeps the audio.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Voicemail {
    /// Twilio's name for the recording; by it the audio is asked for.
    #[schema(example = "RE00000000000000000000000000000001")]
    recording_sid: String,
    /// In which call.
    call_sid: String,
    /// Who left it, as Twilio says it: a number, `anonymous`, a SIP address.
    #[schema(example = "+14155550123")]
    from: String,
    /// Which line was called.
    #[schema(example = "+15551234567")]
    to: String,
    /// Its length, in milliseconds; Twilio counts seconds.
    length_ms: u64,
    /// When.
    #[schema(format = DateTime, example = "2026-11-21T14:01:05.123Z")]
    left_at: String,
}

/// A WAV file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "its schema is all that is used of it")]
pub(super) struct Wav(Vec<u8>);

/// What a business used.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Usage {
    /// How many calls it has at this moment.
    pub(super) calls_now: u32,
    /// By month, the latest first.
    pub(super) months: Vec<Month>,
}

/// What a business used in a month. A call belongs to the month in which it started, in UTC.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Month {
    /// Which.
    #[schema(example = "2026-11", pattern = r"^\d{4}-\d{2}$")]
    month: String,
    /// Calls that were answered by a model and are over.
    calls: u64,
    /// How long they lasted, in milliseconds.
    talked_ms: u64,
    /// What they used of the model.
    usage: Tokens,
    /// What that costs: an estimate in US dollars, from list prices.
    #[schema(example = "12.500000", pattern = r"^-?\d+\.\d{6}$")]
    estimated_cost_usd: String,
}

/// Something the webhook of a business is to be told, and was not yet.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notice {
    /// Its id: the same at every try, and in the webhook.
    #[schema(example = "msg_1b2c3d4e5f60718293a4b5c6d7e8f901")]
    id: String,
    /// What it is about.
    about: About,
    /// Whether it will be tried again.
    state: NoticeState,
    /// When it came up.
    #[schema(format = DateTime, example = "2026-11-21T14:01:05.123Z")]
    created_at: String,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    due_at: Option<String>,
    /// How often it was tried.
    tries: u32,
    /// What went wrong the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_error: Option<String>,
}

/// Whether a notice will be tried again.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum NoticeState {
    Waiting,
    GivenUp,
}

/// What a notice is about.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "what", rename_all = "camelCase")]
pub(super) enum About {
    /// A call is over.
    #[serde(rename_all = "camelCase")]
    CallEnded {
        /// Which.
        call_sid: String,
    },
    /// Somebody left a message.
    #[serde(rename_all = "camelCase")]
    MessageTaken {
        /// In which call.
        call_sid: String,
        /// By which tool call of it.
        tool_call: String,
    },
    /// Somebody left a voicemail.
    #[serde(rename_all = "camelCase")]
    VoicemailLeft {
        /// In which call.
        call_sid: String,
        /// The recording.
        recording_sid: String,
    },
    /// The plan is at a limit.
    LimitReached {
        /// Which limit.
        limit: WhichLimit,
        /// The day in UTC.
        day: String,
    },
}

/// What a plan limits.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum WhichLimit {
    ConcurrentCalls,
    MinutesPerMonth,
}

impl<T> Page<T> {
    /// A part of a list, each thing of it as it is shown.
    pub(super) fn of<U, K: Cursor>(listing: Listing<U, K>, show: impl Fn(U) -> T) -> Self {
        Self {
            items: listing.items.into_iter().map(show).collect(),
            unreadable: listing.unreadable.iter().map(Unreadable::of).collect(),
            next: listing.next.as_ref().map(Cursor::next),
        }
    }
}

impl Unreadable {
    fn of(error: &StoreError) -> Self {
        // The other errors are about no one document.
        let document =
            if let StoreError::Unreadable { document, .. } = error { document.as_str() } else { "" };
        Self { document: document.to_owned(), detail: error.to_string() }
    }
}

impl From<&CallRecord> for Call {
    fn from(call: &CallRecord) -> Self {
        Self {
            call_sid: call.call.to_string(),
            account_sid: call.account.to_string(),
            business: call.business.to_string(),
            plan: call.plan.to_string(),
            from: call.from.reveal().clone(),
            to: call.to.reveal().clone(),
            started_at: rfc3339(call.started_ms),
            answered_at: call.answered_ms.map(rfc3339),
            ended_at: call.ended_ms.map(rfc3339),
            talked_ms: call.talked_ms(),
            ending: call.ending.as_ref().map(Ending::from),
            attempts: call.attempts,
            instance: call.instance.to_string(),
            usage: Tokens::from(&call.usage),
            estimated_cost_usd: dollars(call.cost),
            recordings: call.recordings.iter().map(Recording::from).collect(),
        }
    }
}

impl From<&domain::Ending> for Ending {
    fn from(ending: &domain::Ending) -> Self {
        let plain = |how| Self { how, destination: None, why: None };
        match ending {
            domain::Ending::CallerHungUp => plain(How::CallerHungUp),
            domain::Ending::HungUp => plain(How::HungUp),
            domain::Ending::Transferred(to) => {
                Self { destination: Some(to.to_string()), ..plain(How::Transferred) }
            }
            domain::Ending::NeverConnected => plain(How::NeverConnected),
            domain::Ending::StreamLost => plain(How::StreamLost),
            domain::Ending::StreamRefused(why) => {
                Self { why: Some(why.clone()), ..plain(How::StreamRefused) }
            }
            domain::Ending::ModelLost => plain(How::ModelLost),
            domain::Ending::ModelRefused => plain(How::ModelRefused),
            domain::Ending::HandedOver => plain(How::HandedOver),
            domain::Ending::PlanLimit => plain(How::PlanLimit),
        }
    }
}

impl From<&domain::Turn> for Turn {
    fn from(turn: &domain::Turn) -> Self {
        Self {
            attempt: turn.attempt,
            number: turn.number,
            speaker: match turn.speaker {
                Speaker::Caller => Who::Caller,
                Speaker::Model => Who::Model,
            },
            text: turn.text.reveal().clone(),
            began_ms: turn.began_ms,
            heard_ms: turn.heard_ms,
            interrupted: turn.interrupted,
            answer_delay_ms: turn.answer_delay_ms,
        }
    }
}

impl From<&domain::Recording> for Recording {
    fn from(recording: &domain::Recording) -> Self {
        Self {
            attempt: recording.attempt,
            file: recording.file.clone(),
            length_ms: recording.length_ms,
            instance: recording.instance.to_string(),
        }
    }
}

impl From<&domain::Usage> for Tokens {
    fn from(usage: &domain::Usage) -> Self {
        let [input, cached, output] = [usage.input, usage.cached, usage.output].map(|of| Modalities {
            text: of.text,
            audio: of.audio,
            image: of.image,
        });
        Self { input, cached, output }
    }
}

impl From<&domain::Message> for Message {
    fn from(message: &domain::Message) -> Self {
        Self {
            call_sid: message.call.to_string(),
            tool_call: message.tool_call.clone(),
            name: message.name.reveal().clone(),
            contact: message.contact.reveal().clone(),
            text: message.text.reveal().clone(),
            taken_at: rfc3339(message.taken_ms),
        }
    }
}

impl From<&domain::Voicemail> for Voicemail {
    fn from(voicemail: &domain::Voicemail) -> Self {
        Self {
            recording_sid: voicemail.recording.to_string(),
            call_sid: voicemail.call.to_string(),
            from: voicemail.from.reveal().clone(),
            to: voicemail.to.reveal().clone(),
            length_ms: voicemail.length_ms,
            left_at: rfc3339(voicemail.left_ms),
        }
    }
}

impl From<&domain::MonthUsage> for Month {
    fn from(month: &domain::MonthUsage) -> Self {
        Self {
            month: month.month.to_string(),
            calls: month.calls,
            talked_ms: month.talked_ms,
            usage: Tokens::from(&month.usage),
            estimated_cost_usd: dollars(month.cost),
        }
    }
}

impl From<&domain::Notice> for Notice {
    fn from(notice: &domain::Notice) -> Self {
        let about = match &notice.about {
            domain::About::CallEnded { call } => About::CallEnded { call_sid: call.to_string() },
            domain::About::MessageTaken { call, tool_call } => {
                About::MessageTaken { call_sid: call.to_string(), tool_call: tool_call.clone() }
            }
            domain::About::VoicemailLeft { call, recording } => {
                About::VoicemailLeft { call_sid: call.to_string(), recording_sid: recording.to_string() }
            }
            domain::About::LimitReached { limit, day } => {
                let limit = match limit {
                    Limit::ConcurrentCalls => WhichLimit::ConcurrentCalls,
                    Limit::MinutesPerMonth => WhichLimit::MinutesPerMonth,
                };
                About::LimitReached { limit, day: day.clone() }
            }
        };
        Self {
            id: notice.id.to_string(),
            about,
            state: if notice.due_ms.is_some() { NoticeState::Waiting } else { NoticeState::GivenUp },
            created_at: rfc3339(notice.created_ms),
            due_at: notice.due_ms.map(rfc3339),
            tries: notice.tries,
            last_error: notice.last_error.clone(),
        }
    }
}

/// A time as programs read it; one nobody can mean is the beginning of 1970.
fn rfc3339(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

/// Dollars with all their digits, as text: a number would lose some on its way through a program.
fn dollars(cost: MicroDollars) -> String {
    let sign = if cost.micros() < 0 { "-" } else { "" };
    let micros = cost.micros().unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_and_time_are_shown_whole() {
        for (micros, shown) in [(0, "0.000000"), (49_349, "0.049349"), (-12_500_000, "-12.500000")] {
            assert_eq!(dollars(MicroDollars::new(micros)), shown);
        }
        assert_eq!(rfc3339(1_790_000_000_007), "2026-09-21T14:13:20.007Z");
    }
}
