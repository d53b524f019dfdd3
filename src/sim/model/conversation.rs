//! The items of a conversation, and what a client may do to them.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Complaint, ModelService};
use crate::audio::mulaw::BYTES_PER_MS;

/// One thing in the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// How much of its audio the client says was heard, in milliseconds, if it said so.
    pub truncated_ms: Option<u64>,
    /// Whether the client deleted it.
    pub deleted: bool,
}

/// What an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// What the caller said.
    Caller {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// What the model said.
    Speech {
        /// The answer it is part of.
        response: String,
        /// All the audio that was planned: µ-law.
        audio: Bytes,
        /// How many samples of it were sent.
        sent: usize,
        /// The words that were sent.
        words: String,
    },
    /// A call of a tool.
    ToolCall {
        /// The call.
        call: String,
    },
    /// What a tool gave.
    ToolResult,
    /// Text: of any role.
    Text {
        /// The text.
        text: String,
        /// Whether the model is said to have said it.
        by_model: bool,
    },
}

impl Item {
    pub(super) fn new(id: String, kind: Kind) -> Self {
        Self { id, kind, truncated_ms: None, deleted: false }
    }

    /// How much audio of the model's it has, in milliseconds: what was sent, or what is left of it.
    pub fn audio_ms(&self) -> u64 {
        let Kind::Speech { sent, .. } = &self.kind else { return 0 };
        let sent_ms = (sent / BYTES_PER_MS) as u64;
        self.truncated_ms.map_or(sent_ms, |truncated| truncated.min(sent_ms))
    }

    fn json(&self, status: &str) -> Value {
        let mut item = match &self.kind {
            Kind::Caller { .. } => {
                json!({"type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": null}]})
            }
            Kind::Speech { words, .. } => json!({"type": "message", "role": "assistant",
                "content": [{"type": "output_audio", "transcript": words}]}),
            Kind::ToolCall { call } => json!({"type": "function_call", "call_id": call}),
            Kind::ToolResult => json!({"type": "function_call_output"}),
            Kind::Text { text, by_model: true } => json!({"type": "message", "role": "assistant",
                "content": [{"type": "output_text", "text": text}]}),
            Kind::Text { text, by_model: false } => json!({"type": "message", "role": "user",
                "content": [{"type": "input_text", "text": text}]}),
        };
        if let Some(item) = item.as_object_mut() {
            item.insert("id".to_owned(), json!(self.id));
            item.insert("object".to_owned(), json!("realtime.item"));
            item.insert("status".to_owned(), json!(status));
        }
        item
    }
}

impl ModelService {
    /// Adds a finished item, and says so.
    pub(super) fn add_item(&mut self, item: Item) {
        let shown = item.json("completed");
        self.announce(&shown);
        self.conversation.push(item);
    }

    pub(super) fn create_item(&mut self, event: &Value) -> Result<(), Complaint> {
        let at = |name: &str| event.get("item").and_then(|item| item.get(name));
        let text = |name: &str| at(name).and_then(Value::as_str);
        if let Some(previous) = event.get("previous_item_id").and_then(Value::as_str)
            && previous != "root"
            && self.live_item(previous).is_none()
        {
            let message =
                format!("Error adding item: the previous item with id '{previous}' does not exist.");
            return Err(Complaint::new("invalid_value", "previous_item_id", message));
        }
        if let Some(id) = text("id").filter(|id| self.conversation.iter().any(|item| item.id == **id)) {
            let message =
                format!("Error adding item: an item with ID '{id}' already exists in conversation.");
            return Err(Complaint::new("item_create_duplicate_item_id", "item.id", message));
        }
        let kind = match text("type") {
            Some("function_call") => Kind::ToolCall { call: text("call_id").unwrap_or_default().to_owned() },
            Some("function_call_output") => {
                let call = text("call_id").unwrap_or_default();
                let known =
                    |item: &Item| matches!(&item.kind, Kind::ToolCall { call: known } if known == call);
                if !self.conversation.iter().any(known) {
                    let message = format!("Tool call ID '{call}' not found in conversation.");
                    return Err(Complaint::new("invalid_tool_call_id", "", message));
                }
                Kind::ToolResult
            }
            _ => message_text(text("role").unwrap_or_default(), at("content").unwrap_or(&Value::Null))?,
        };
        let id = text("id").map_or_else(|| self.new_id("item"), str::to_owned);
        let mut shown = event.get("item").cloned().unwrap_or_default();
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("id".to_owned(), json!(id));
            shown.insert("object".to_owned(), json!("realtime.item"));
            shown.insert("status".to_owned(), json!("completed"));
        }
        self.announce(&shown);
        self.conversation.push(Item::new(id, kind));
        Ok(())
    }

    pub(super) fn truncate_item(&mut self, event: &Value) -> Result<(), Complaint> {
        let id = event.get("item_id").and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| event.get(name).and_then(Value::as_i64).unwrap_or_default();
        let (index, end_ms) = (number("content_index"), number("audio_end_ms"));
        let Some(item) = self.conversation.iter_mut().find(|item| item.id == id && !item.deleted) else {
            let message = format!("Error truncating item: item with id '{id}' not found.");
            return Err(Complaint::new("item_truncate_invalid_item_id", "item_id", message));
        };
        let Ok(end) = u64::try_from(end_ms) else {
            let message = format!("Invalid 'audio_end_ms': must be at least 0, but got {end_ms}.");
            return Err(Complaint::new("invalid_value", "audio_end_ms", message));
        };
        let length = item.audio_ms();
        let Kind::Speech { sent: 1.., words, .. } = &mut item.kind else {
            let message = "Only model output audio messages can be truncated".to_owned();
            return Err(Complaint::new("unsupported_content_type", "", message));
        };
        if index != 0 {
            let message = format!("Invalid 'content_index': there is no content {index}.");
            return Err(Complaint::new("invalid_value", "content_index", message));
        }
        if end > length {
            let message = format!("Audio content of {length}ms is already shorter than {end}ms");
            return Err(Complaint { code: None, param: None, message });
        }
        words.clear();
        item.truncated_ms = Some(end);
        let id = id.to_owned();
        self.say(
            "conversation.item.truncated",
            json!({"item_id": id, "content_index": 0, "audio_end_ms": end}),
        );
        Ok(())
    }

    pub(super) fn delete_item(&mut self, id: &str) -> Result<(), Complaint> {
        let Some(item) = self.conversation.iter_mut().find(|item| item.id == id && !item.deleted) else {
            let message = format!("Error deleting item: the item with id '{id}' does not exist.");
            return Err(Complaint::new("item_delete_invalid_item_id", "item_id", message));
        };
        item.deleted = true;
        self.say("conversation.item.deleted", json!({"item_id": id}));
        Ok(())
    }

    pub(super) fn retrieve_item(&mut self, id: &str) -> Result<(), Complaint> {
        let Some(item) = self.live_item(id) else {
            let message = format!("Error retrieving item: the item with id '{id}' does not exist.");
            return Err(Complaint::new("item_retrieve_invalid_item_id", "item_id", message));
        };
        let shown = item.json("completed");
        self.say("conversation.item.retrieved", json!({"item": shown}));
        Ok(())
    }

    /// Tokens of all that is in the conversation: text, and audio (1 per 100 ms of the caller's, 1 per 50 of the model's).
    pub(super) fn context_tokens(&self) -> (u64, u64) {
        let instructions = self.session.get("instructions").and_then(Value::as_str).unwrap_or_default();
        let mut tokens = (instructions.len() as u64 / 4, 0);
        for item in self.conversation.iter().filter(|item| !item.deleted) {
            match &item.kind {
                Kind::Caller { ms } => tokens.1 += ms / 100,
                Kind::Speech { words, .. } => {
                    tokens.0 += words.len() as u64 / 4;
                    tokens.1 += item.audio_ms() / 50;
                }
                Kind::Text { text, .. } => tokens.0 += text.len() as u64 / 4,
                Kind::ToolCall { .. } | Kind::ToolResult => tokens.0 += 10,
            }
        }
        tokens
    }

    fn live_item(&self, id: &str) -> Option<&Item> {
        self.conversation.iter().find(|item| item.id == id && !item.deleted)
    }

    fn announce(&mut self, item: &Value) {
        let previous = self.conversation.last().map(|item| item.id.clone());
        self.say("conversation.item.added", json!({"item": item, "previous_item_id": previous}));
        self.say("conversation.item.done", json!({"item": item, "previous_item_id": previous}));
    }
}

/// The text of a message, if its role may have such content.
fn message_text(role: &str, content: &Value) -> Result<Kind, Complaint> {
    let legal: &[&str] = match role {
        "assistant" => &["output_text"],
        "system" => &["input_text"],
        _ => &["input_text", "input_audio", "input_image"],
    };
    let mut text = String::new();
    for (index, part) in content.as_array().into_iter().flatten().enumerate() {
        let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
        if !legal.contains(&kind) {
            let message =
                format!("Invalid value: '{kind}'. Supported values for role '{role}' are: {legal:?}.");
            return Err(Complaint::new("invalid_value", &format!("item.content[{index}].type"), message));
        }
        text.push_str(part.get("text").and_then(Value::as_str).unwrap_or_default());
    }
    Ok(Kind::Text { text, by_model: role == "assistant" })
}
