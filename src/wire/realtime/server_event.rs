//! What OpenAI Realtime sends. Read leniently: every field may be missing, null or new, unknown events are carried by
//! name, and both the GA names and the beta's are understood.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Headroom;
use crate::domain::{ModalityTokens, Pii, Usage};
use crate::wire::Text;
use crate::wire::model::{AudioFormat, ItemId, ResponseId, ResponseOutcome, ToolCallId};

/// One event of the service's, as far as we use it.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerEvent {
    /// The session's settings, with the formats of the caller's and the model's audio where they are told.
    SessionUpdated {
        /// What the caller's audio should be.
        input: Option<AudioFormat>,
        /// What the model's audio will be.
        output: Option<AudioFormat>,
    },
    /// An error.
    Error(ErrorBody),
    /// What is left of what the account may ask.
    RateLimits(Headroom),
    /// The caller began to speak.
    SpeechStarted,
    /// The caller stopped.
    SpeechStopped,
    /// What the caller said, transcribed; empty when that failed. And how much speech was transcribed for it, in
    /// milliseconds.
    CallerTranscript(Pii<String>, u64),
    /// An answer begins; the tag is ours, from its metadata.
    ResponseCreated(ResponseId, Option<u32>),
    /// Audio, base64.
    AudioDelta(ResponseId, ItemId, u32, Text),
    /// The end of an item's audio.
    AudioDone(ResponseId, ItemId),
    /// Words of the model's.
    TranscriptDelta(ItemId, Pii<String>),
    /// All words of an item.
    TranscriptDone(ItemId, Pii<String>),
    /// A tool call with all its arguments.
    FunctionCall {
        /// The answer.
        response: ResponseId,
        /// The call.
        call: ToolCallId,
        /// The tool; empty where the event does not say.
        name: String,
        /// Its arguments.
        arguments: Pii<String>,
    },
    /// The end of an answer.
    ResponseDone(ResponseId, ResponseOutcome, Option<Usage>),
    /// Anything else, by name.
    Other(Text),
}

/// The body of an `error` event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ErrorBody {
    /// The kind of error.
    #[serde(rename = "type", deserialize_with = "or_empty")]
    pub kind: String,
    /// What is wrong; null for some.
    #[serde(deserialize_with = "or_empty")]
    pub code: String,
    /// A sentence, which may quote what we sent.
    pub message: Option<Pii<String>>,
    /// Which field of ours it is about.
    pub param: Option<String>,
    /// Which event of ours it answers.
    pub event_id: Option<String>,
}

impl ErrorBody {
    /// The code, or the kind where there is none.
    pub fn name(&self) -> &str {
        if self.code.is_empty() { &self.kind } else { &self.code }
    }

    /// The sentence.
    pub fn sentence(&self) -> &str {
        self.message.as_ref().map_or("", |message| message.reveal().as_str())
    }
}

/// Events of the service that say nothing a call needs: the names of OpenAI's SDK, of the beta protocol and of compatible
/// servers. They are no oddity; what is neither here nor used is.
const NEEDLESS: [&str; 37] = [
    "conversation.created",
    "conversation.item.added",
    "conversation.item.created",
    "conversation.item.deleted",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.failed",
    "conversation.item.input_audio_transcription.segment",
    "conversation.item.input_audio_transcription.updated",
    "conversation.item.retrieved",
    "conversation.item.truncated",
    "input_audio_buffer.cleared",
    "input_audio_buffer.committed",
    "input_audio_buffer.dtmf_event_received",
    "input_audio_buffer.timeout_triggered",
    "mcp_list_tools.completed",
    "mcp_list_tools.failed",
    "mcp_list_tools.in_progress",
    "output_audio_buffer.cleared",
    "output_audio_buffer.started",
    "output_audio_buffer.stopped",
    "ping",
    "response.content_part.added",
    "response.content_part.done",
    "response.function_call_arguments.delta",
    "response.mcp_call.completed",
    "response.mcp_call.failed",
    "response.mcp_call.in_progress",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.text.delta",
    "response.text.done",
    "session.created",
];

/// Whether an event of that name is known, and says nothing a call needs.
pub(super) fn is_needless(name: &str) -> bool {
    NEEDLESS.binary_search(&name).is_ok()
}

impl ServerEvent {
    /// Reads one text frame; what is no event at all is carried as `Other`. Audio shares the frame's memory.
    pub fn parse(frame: &Text) -> Self {
        match serde_json::from_str::<Head<'_>>(frame) {
            Ok(head) => head.read(frame),
            Err(_) => Self::Other(Text::from("unreadable")),
        }
    }
}

/// The keys of all events at once, flat and borrowed; objects are left unread until their event is known.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    delta: Loose<'a>,
    #[serde(borrow, default)]
    response_id: Loose<'a>,
    #[serde(borrow, default)]
    item_id: Loose<'a>,
    content_index: Option<u32>,
    #[serde(borrow)]
    session: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    rate_limits: Option<&'a RawValue>,
    #[serde(borrow, default)]
    transcript: Loose<'a>,
    #[serde(borrow, default)]
    call_id: Loose<'a>,
    #[serde(borrow, default)]
    name: Loose<'a>,
    #[serde(borrow, default)]
    arguments: Loose<'a>,
}

/// A text that may be missing, null or not a text at all; then it is empty. Borrowed where it can be.
#[derive(Default)]
struct Loose<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        // The plain case, which is every piece of audio: a string without escapes is its own slice.
        let plain = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        Ok(Self(match plain {
            Some(text) if !text.contains('\\') => Cow::Borrowed(text),
            Some(_) => Cow::Owned(serde_json::from_str(raw).unwrap_or_default()),
            None => Cow::Borrowed(""),
        }))
    }
}

impl Head<'_> {
    fn read(&self, frame: &Text) -> ServerEvent {
        let response = || ResponseId::from(self.response_id.0.as_ref());
        let item = || ItemId::from(self.item_id.0.as_ref());
        let personal = |text: &Loose<'_>| Pii::new(text.0.as_ref().to_owned());
        match self.kind.as_ref() {
            "response.output_audio.delta" | "response.audio.delta" => {
                let audio = match &self.delta.0 {
                    Cow::Borrowed(part) => frame.share(part),
                    Cow::Owned(part) => Text::from(part.as_str()),
                };
                ServerEvent::AudioDelta(response(), item(), self.content_index.unwrap_or(0), audio)
            }
            "response.output_audio.done" | "response.audio.done" => {
                ServerEvent::AudioDone(response(), item())
            }
            "response.output_audio_transcript.delta" | "response.audio_transcript.delta" => {
                ServerEvent::TranscriptDelta(item(), personal(&self.delta))
            }
            "response.output_audio_transcript.done" | "response.audio_transcript.done" => {
                ServerEvent::TranscriptDone(item(), personal(&self.transcript))
            }
            "input_audio_buffer.speech_started" => ServerEvent::SpeechStarted,
            "input_audio_buffer.speech_stopped" => ServerEvent::SpeechStopped,
            "conversation.item.input_audio_transcription.completed" => {
                let usage: TranscriptionUsage = object(self.usage);
                ServerEvent::CallerTranscript(personal(&self.transcript), usage.length_ms())
            }
            // Words that were not understood: without them, the next ones would be taken for these.
            "conversation.item.input_audio_transcription.failed" => {
                ServerEvent::CallerTranscript(Pii::new(String::new()), 0)
            }
            "response.created" => {
                let body: ResponseBody = object(self.response);
                let tag = body.metadata.and_then(|metadata| metadata.tag).and_then(|tag| tag.parse().ok());
                ServerEvent::ResponseCreated(ResponseId::from(body.id.as_str()), tag)
            }
            "response.done" => {
                let body: ResponseBody = object(self.response);
                let id = ResponseId::from(body.id.as_str());
                ServerEvent::ResponseDone(id, body.outcome(), body.usage.map(UsageBody::read))
            }
            "response.output_item.done" => self.item_done(),
            "response.function_call_arguments.done" => ServerEvent::FunctionCall {
                response: response(),
                call: ToolCallId::from(self.call_id.0.as_ref()),
                name: self.name.0.as_ref().to_owned(),
                arguments: personal(&self.arguments),
            },
            "session.updated" => {
                let body: SessionBody = object(self.session);
                ServerEvent::SessionUpdated { input: body.input(), output: body.output() }
            }
            "rate_limits.updated" => {
                let limits: Vec<RateLimit> = object(self.rate_limits);
                let left = |name: &str| limits.iter().find(|limit| limit.name == name)?.remaining;
                ServerEvent::RateLimits(Headroom { requests: left("requests"), tokens: left("tokens") })
            }
            "error" => ServerEvent::Error(object(self.error)),
            other => ServerEvent::Other(Text::from(other)),
        }
    }

    /// A finished tool call is the only finished item that says something new. One that was cut short has half its
    /// arguments, and must not run.
    fn item_done(&self) -> ServerEvent {
        let item: ItemBody = object(self.item);
        if item.kind != "function_call" || item.status == "incomplete" {
            return ServerEvent::Other(Text::from(self.kind.as_ref()));
        }
        ServerEvent::FunctionCall {
            response: ResponseId::from(self.response_id.0.as_ref()),
            call: ToolCallId::from(item.call_id.as_str()),
            name: item.name,
            arguments: Pii::new(item.arguments),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RateLimit {
    #[serde(deserialize_with = "or_empty")]
    name: String,
    remaining: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ItemBody {
    #[serde(rename = "type", deserialize_with = "or_empty")]
    kind: String,
    #[serde(deserialize_with = "or_empty")]
    status: String,
    #[serde(deserialize_with = "or_empty")]
    call_id: String,
    #[serde(deserialize_with = "or_empty")]
    name: String,
    #[serde(deserialize_with = "or_empty")]
    arguments: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseBody {
    #[serde(deserialize_with = "or_empty")]
    id: String,
    #[serde(deserialize_with = "or_empty")]
    status: String,
    status_details: Option<StatusDetails>,
    metadata: Option<Metadata>,
    usage: Option<UsageBody>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    tag: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatusDetails {
    #[serde(deserialize_with = "or_empty")]
    reason: String,
    error: Option<ErrorBody>,
}

impl ResponseBody {
    fn outcome(&self) -> ResponseOutcome {
        let details = self.status_details.as_ref();
        match self.status.as_str() {
            "failed" => {
                let error = details.and_then(|details| details.error.as_ref());
                ResponseOutcome::Failed(error.map_or("unknown", ErrorBody::name).to_owned())
            }
            "cancelled" => ResponseOutcome::Cancelled,
            "incomplete" => ResponseOutcome::Incomplete(
                details.map_or_else(String::new, |details| details.reason.clone()),
            ),
            _ => ResponseOutcome::Completed,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UsageBody {
    input_token_details: Option<InputTokens>,
    output_token_details: Option<Tokens>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InputTokens {
    #[serde(flatten)]
    all: Tokens,
    cached_tokens_details: Option<Tokens>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Tokens {
    text_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

impl Tokens {
    fn read(self) -> ModalityTokens {
        ModalityTokens {
            text: self.text_tokens.unwrap_or(0),
            audio: self.audio_tokens.unwrap_or(0),
            image: self.image_tokens.unwrap_or(0),
        }
    }
}

impl UsageBody {
    fn read(self) -> Usage {
        let input = self.input_token_details.unwrap_or_default();
        Usage {
            input: input.all.read(),
            cached: input.cached_tokens_details.unwrap_or_default().read(),
            output: self.output_token_details.unwrap_or_default().read(),
            transcribed_ms: 0,
        }
    }
}

/// One token of the caller's audio: what OpenAI says, and what is measured.
const MS_PER_AUDIO_TOKEN: u64 = 100;

/// What a transcription used: seconds of some models, tokens of the others.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TranscriptionUsage {
    seconds: Option<f64>,
    input_token_details: Option<Tokens>,
}

impl TranscriptionUsage {
    fn length_ms(&self) -> u64 {
        let tokens = self.input_token_details.and_then(|tokens| tokens.audio_tokens).unwrap_or(0);
        self.seconds.map_or(tokens.saturating_mul(MS_PER_AUDIO_TOKEN), whole_ms)
    }
}

/// Of a number that is none, or is below zero, nothing is left; of one too large, the largest.
fn whole_ms(seconds: f64) -> u64 {
    (seconds * 1_000.0).round() as u64
}

/// The GA shape of a session and the beta's, of which we need the formats only.
#[derive(Default, Deserialize)]
#[serde(default)]
struct SessionBody {
    audio: Option<AudioBody>,
    input_audio_format: Option<String>,
    output_audio_format: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AudioBody {
    input: Option<DirectionBody>,
    output: Option<DirectionBody>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DirectionBody {
    format: Option<FormatBody>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FormatBody {
    #[serde(rename = "type", deserialize_with = "or_empty")]
    kind: String,
    rate: Option<f64>,
}

impl SessionBody {
    fn input(&self) -> Option<AudioFormat> {
        let direction = self.audio.as_ref().and_then(|audio| audio.input.as_ref());
        direction.and_then(DirectionBody::format).or_else(|| beta_format(self.input_audio_format.as_deref()))
    }

    fn output(&self) -> Option<AudioFormat> {
        let direction = self.audio.as_ref().and_then(|audio| audio.output.as_ref());
        direction.and_then(DirectionBody::format).or_else(|| beta_format(self.output_audio_format.as_deref()))
    }
}

impl DirectionBody {
    fn format(&self) -> Option<AudioFormat> {
        let format = self.format.as_ref()?;
        match (format.kind.as_str(), format.rate) {
            ("audio/pcmu", _) => Some(AudioFormat::Mulaw8k),
            ("audio/pcm", None | Some(24_000.0)) => Some(AudioFormat::Pcm16At24k),
            _ => None,
        }
    }
}

fn beta_format(name: Option<&str>) -> Option<AudioFormat> {
    match name? {
        "g711_ulaw" => Some(AudioFormat::Mulaw8k),
        "pcm16" => Some(AudioFormat::Pcm16At24k),
        _ => None,
    }
}

fn object<'a, T: Deserialize<'a> + Default>(raw: Option<&'a RawValue>) -> T {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// Null is as good as nothing.
fn or_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}
