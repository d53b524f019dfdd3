//! What a call knows when it begins.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{Business, CallSid, Destination, HttpTool, Pii, PlanId, Sentence, Tool, Turn};
use crate::wire::model::{SessionConfig, ToolSpec};

/// What a call knows when it begins: whose it is, who calls, what the plan allows, and what was said before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Brief {
    /// Twilio's name for the call.
    pub call: CallSid,
    /// Counts the streams of this call from 1; above 1 it is resumed.
    pub attempt: u8,
    /// Who answers.
    pub business: Business,
    /// Under which plan.
    pub plan: PlanId,
    /// Who calls, as Twilio says it.
    pub from: Pii<String>,
    /// How long the call may last.
    pub longest: Duration,
    /// Whether it is recorded.
    pub recorded: bool,
    /// When its task began, in milliseconds since 1970: the only date a call knows.
    pub began_ms: i64,
    /// How it opens.
    pub opening: Opening,
    /// What the caller hears while the model is away, if it is kept.
    #[serde(default)]
    pub bridging: Option<Greeting>,
}

/// How a call opens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Opening {
    /// With the greeting, said by the model.
    Greet,
    /// With the greeting as it was said before: µ-law at 8,000 Hz.
    GreetFrom(Greeting),
    /// In the middle: something broke, or a transfer came back.
    Resume {
        /// What was heard so far, in order.
        history: Vec<Turn>,
        /// What the model should know about the break.
        why: Interruption,
    },
}

/// A greeting, or another phrase, as audio: what the model once said for these words in this voice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Greeting {
    /// The words.
    pub words: String,
    /// µ-law at 8,000 Hz.
    #[serde(with = "as_base64")]
    pub audio: Bytes,
}

/// Audio in an event log is text, a third longer than its bytes and not four times as long.
mod as_base64 {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Bytes::from).map_err(serde::de::Error::custom)
    }
}

/// Why a call begins in the middle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Interruption {
    /// The line to the model or to us was lost for a moment.
    LineLost,
    /// The same, and nobody can say what was said before: the ledger does not answer.
    LineLostAndForgotten,
    /// A transfer was not answered; the text is the destination's label.
    TransferFailed(String),
}

impl Brief {
    /// What the model's session is set up with.
    pub fn session(&self) -> SessionConfig {
        let business = &self.business;
        SessionConfig {
            instructions: business.instructions.clone(),
            voice: business.voice.as_str().to_owned(),
            language: business.language.clone(),
            turn_detection: business.turn_detection.clone(),
            reasoning_effort: business.reasoning_effort.clone(),
            tools: specs(business),
        }
    }

    /// What the caller hears while the model is away.
    pub fn bridging_words(&self) -> &'static str {
        Sentence::OneMoment.in_language(&self.business.language).text
    }

    /// The first words of the call.
    pub fn opening_words(&self) -> String {
        self.business.opening_words(self.recorded).into_owned()
    }
}

/// All that the model may call. A tool of the business's own that the service would refuse, and the whole session with
/// it, is left out: a store may hold what no import would take.
fn specs(business: &Business) -> Vec<ToolSpec> {
    let built_in = business.tools.iter().filter_map(|tool| spec(*tool, &business.destinations));
    let mut specs: Vec<ToolSpec> = built_in.collect();
    for tool in business.http_tools.iter().take(HttpTool::MOST) {
        let is_new = !specs.iter().any(|other| other.name == tool.name.as_str());
        if is_new && tool.parameters.get("type").and_then(Value::as_str) == Some("object") {
            specs.push(own_spec(tool));
        }
    }
    specs
}

/// What the model is told of a tool of the business's own: never where it is asked.
fn own_spec(tool: &HttpTool) -> ToolSpec {
    ToolSpec {
        name: tool.name.as_str().to_owned(),
        description: tool.description.clone(),
        parameters: tool.parameters.clone(),
    }
}

/// What the model is told of a tool; nothing when the tool could do nothing for this business.
fn spec(tool: Tool, destinations: &[Destination]) -> Option<ToolSpec> {
    let (name, description, parameters) = match tool {
        Tool::EndCall => (
            "end_call",
            "Ends the phone call. Use it when the caller says goodbye or has nothing more to ask. Say goodbye first.".to_owned(),
            serde_json::json!({"type": "object", "properties": {
                "reason": {"type": "string", "description": "Why the call is over, in a few words."}},
                "required": ["reason"]}),
        ),
        Tool::TransferCall if destinations.is_empty() => return None,
        Tool::TransferCall => {
            let list: Vec<String> =
                destinations.iter().map(|to| format!("{} ({})", to.id, to.label)).collect();
            let ids: Vec<&str> = destinations.iter().map(|to| to.id.as_str()).collect();
            (
                "transfer_call",
                format!(
                    "Connects the caller with a person. Use it when the caller asks for one or needs one. \
                     Tell the caller first. Destinations: {}.",
                    list.join(", ")
                ),
                serde_json::json!({"type": "object", "properties": {
                    "destination": {"type": "string", "enum": ids, "description": "Where to connect the caller."}},
                    "required": ["destination"]}),
            )
        }
        Tool::TakeMessage => (
            "take_message",
            "Keeps a message for the business. Ask for the caller's name and how to reach them first.".to_owned(),
            serde_json::json!({"type": "object", "properties": {
                "name": {"type": "string", "description": "Who left the message."},
                "contact": {"type": "string", "description": "A phone number or address to reply to."},
                "message": {"type": "string", "description": "The message, in the caller's words."}},
                "required": ["message"]}),
        ),
    };
    Some(ToolSpec { name: name.to_owned(), description, parameters })
}
