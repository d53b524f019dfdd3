//! A business: whose phone it is, and how it wants to be answered.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{
    BusinessId, DestinationId, HttpTool, PhoneNumber, Plan, PlanId, Sentence, Webhook, WebhookSecret,
};

/// Who answers, with which words, voice and tools. The same field names in the import file and in every store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Business {
    /// Its name in our house.
    pub id: BusinessId,
    /// Its name among people.
    pub name: String,
    /// The plan it has paid for.
    pub plan: PlanId,
    /// The numbers it owns; a call to one of them is a call to it.
    #[serde(default)]
    pub lines: Vec<PhoneNumber>,
    /// The first sentence a caller hears, said as written.
    pub greeting: String,
    /// How the model should behave.
    pub instructions: String,
    /// With which voice.
    #[serde(default)]
    pub voice: Voice,
    /// The language callers are expected to speak, as ISO 639-1 (`en`), for the transcription.
    #[serde(default = "english")]
    pub language: String,
    /// When the caller's turn is over.
    #[serde(default)]
    pub turn_detection: TurnDetection,
    /// How hard the model should think (`minimal` to `xhigh`); only models that reason accept it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    /// Where calls may be transferred. A model chooses among these by id; it can never supply a number.
    #[serde(default)]
    pub destinations: Vec<Destination>,
    /// What a caller meets when the model cannot answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// What the model may do.
    #[serde(default)]
    pub tools: Vec<Tool>,
    /// What it may do beside that, each at an address of the business's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http_tools: Vec<HttpTool>,
    /// Whether calls are recorded, where the plan allows it.
    #[serde(default)]
    pub recording: bool,
    /// What is said before the greeting when calls are recorded; a plain sentence when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_announcement: Option<String>,
    /// Where the business wants to be told of calls and messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

/// A place a call can be transferred to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// What the model calls it.
    pub id: DestinationId,
    /// What people call it: "the front office".
    pub label: String,
    /// Where it rings.
    pub number: PhoneNumber,
}

/// What a caller meets when the model cannot answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fallback {
    /// A person at one of the destinations.
    Transfer(DestinationId),
    /// A sentence, then the end.
    Message(String),
    /// A sentence, then a tone, and what the caller says after it is kept for the business.
    Voicemail(String),
}

/// What a model may do for a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// Say goodbye and hang up.
    EndCall,
    /// Connect the caller with one of the destinations.
    TransferCall,
    /// Keep a message for the business.
    TakeMessage,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::EndCall, Self::TransferCall, Self::TakeMessage];

    /// What the model calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::EndCall => "end_call",
            Self::TransferCall => "transfer_call",
            Self::TakeMessage => "take_message",
        }
    }
}

/// The name of a voice of the model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Voice(String);

/// A word of the configuration that we do not know, with what we do know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {found:?} is not one of {known}")]
pub struct UnknownWord {
    /// The field it stands in.
    pub field: &'static str,
    /// What stands there.
    pub found: String,
    /// What could.
    pub known: String,
}

impl Voice {
    /// The voices OpenAI Realtime names; custom ones (`voice_…`) and those of compatible servers exist beside them.
    pub const KNOWN: [&str; 10] =
        ["alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"];

    /// A voice by its name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether OpenAI Realtime would know it. Voices of the text-to-speech service are noise there.
    pub fn check(&self) -> Result<(), UnknownWord> {
        if Self::KNOWN.contains(&self.as_str()) || self.0.starts_with("voice_") {
            return Ok(());
        }
        let known = Self::KNOWN.join(", ");
        Err(UnknownWord { field: "voice", found: self.0.clone(), known })
    }
}

impl Default for Voice {
    /// One of the two that OpenAI recommends for Realtime.
    fn default() -> Self {
        Self::new("marin")
    }
}

/// How the model finds the end of the caller's turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum TurnDetection {
    /// By loudness: predictable, the default for telephones.
    ServerVad {
        /// How loud speech is, 0 to 1.
        #[serde(default = "default_threshold")]
        threshold: f32,
        /// How many milliseconds before the detected beginning belong to the turn.
        #[serde(default = "default_prefix_padding_ms")]
        prefix_padding_ms: u32,
        /// After how many milliseconds of silence the turn is over.
        #[serde(default = "default_silence_duration_ms")]
        silence_duration_ms: u32,
    },
    /// By meaning: waits for an unfinished sentence.
    SemanticVad {
        /// How eagerly it answers: `low`, `medium`, `high` or `auto`.
        #[serde(default = "default_eagerness")]
        eagerness: String,
    },
}

impl TurnDetection {
    /// What `eagerness` may be, as OpenAI Realtime documents it.
    pub const EAGERNESS: [&str; 4] = ["low", "medium", "high", "auto"];
}

impl Default for TurnDetection {
    fn default() -> Self {
        Self::ServerVad {
            threshold: default_threshold(),
            prefix_padding_ms: default_prefix_padding_ms(),
            silence_duration_ms: default_silence_duration_ms(),
        }
    }
}

/// What OpenAI documents as its default.
fn default_threshold() -> f32 {
    0.5
}

/// What OpenAI documents as its default.
fn default_prefix_padding_ms() -> u32 {
    300
}

/// The documented default; the service itself starts with 200, which cuts callers off in mid-sentence, so it is
/// always sent.
fn default_silence_duration_ms() -> u32 {
    500
}

fn default_eagerness() -> String {
    "auto".to_owned()
}

fn english() -> String {
    "en".to_owned()
}

impl Business {
    /// What `reasoning_effort` may be, as OpenAI Realtime documents it.
    pub const EFFORTS: [&str; 5] = ["minimal", "low", "medium", "high", "xhigh"];

    /// The destination of that id, if the business has configured it.
    pub fn destination(&self, id: &DestinationId) -> Option<&Destination> {
        self.destinations.iter().find(|destination| destination.id == *id)
    }

    /// The tool of that name, if the business has configured it.
    pub fn http_tool(&self, name: &str) -> Option<&HttpTool> {
        self.http_tools.iter().find(|tool| tool.name.as_str() == name)
    }

    /// The same without what opens doors: where it is told and asked, and with which secrets. For what is written down of
    /// a call.
    #[must_use]
    pub fn without_secrets(mut self) -> Self {
        self.webhook = None;
        for tool in &mut self.http_tools {
            tool.url.clear();
            tool.secret = WebhookSecret::new("");
        }
        self
    }

    /// The first words of a call: the announcement when it will be recorded, then the greeting.
    pub fn opening_words(&self, recorded: bool) -> Cow<'_, str> {
        if !recorded {
            return Cow::Borrowed(&self.greeting);
        }
        let announcement = self.recording_announcement.as_deref();
        let announcement =
            announcement.unwrap_or_else(|| Sentence::Recorded.in_language(&self.language).text);
        Cow::Owned(format!("{announcement} {}", self.greeting))
    }
}

/// The file that `business import` reads and `business export` writes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BusinessImport {
    /// Plans, before the businesses that have them.
    #[serde(default)]
    pub plans: Vec<Plan>,
    /// Businesses.
    #[serde(default)]
    pub businesses: Vec<Business>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LUNA: &str = r#"{"id":"business-1","name":"Luna Dental","plan":"premium","lines":["+15551234567"],
        "greeting":"Thanks for calling Luna Dental. How can I help?","instructions":"You are the receptionist of Luna Dental.",
        "voice":"marin","language":"en",
        "destinations":[{"id":"front-office","label":"the front office","number":"+15550001111"}],
        "fallback":{"transfer":"front-office"},"tools":["end_call","transfer_call","take_message"]}"#;

    #[test]
    fn the_import_shape_reads_and_prints_back() {
        let luna: Business = serde_json::from_str(LUNA).unwrap();
        assert_eq!(luna.fallback, Some(Fallback::Transfer(DestinationId::parse("front-office").unwrap())));
        assert_eq!(luna.tools, [Tool::EndCall, Tool::TransferCall, Tool::TakeMessage]);
        let again: Business = serde_json::from_str(&serde_json::to_string(&luna).unwrap()).unwrap();
        assert_eq!(again, luna);
    }

    #[test]
    fn a_recorded_call_says_so_first() {
        let luna: Business = serde_json::from_str(LUNA).unwrap();
        assert_eq!(luna.opening_words(false), luna.greeting);
        assert!(luna.opening_words(true).starts_with("This call is recorded. Thanks"));
    }

    #[test]
    fn a_text_to_speech_voice_is_not_a_realtime_voice() {
        assert!(Voice::new("nova").check().unwrap_err().to_string().contains("marin"));
        assert!(Voice::new("voice_1234").check().is_ok());
    }

    #[test]
    fn turn_detection_needs_only_its_type() {
        let vad: TurnDetection =
            serde_json::from_str(r#"{"type":"server_vad","silenceDurationMs":700}"#).unwrap();
        let TurnDetection::ServerVad { threshold, silence_duration_ms, .. } = vad else { panic!() };
        assert_eq!((threshold, silence_duration_ms), (0.5, 700));
    }
}
