//! What we send to OpenAI Realtime. Every event but audio carries an `event_id`, so that an error names its cause.
//!
//! Source: the GA protocol as typed by OpenAI's own SDK; a test holds what we write against it.

use serde_json::{Value, json};

use crate::domain::TurnDetection;
use crate::wire::Text;
use crate::wire::model::{AudioFormat, SessionConfig, ToModel};

/// Transcribes the caller beside the model. The cheap tier: the text is for people and for a resumed call's history,
/// the model itself hears the audio.
const TRANSCRIPTION_MODEL: &str = "gpt-4o-mini-transcribe";

/// The first event of a session. `audio/pcmu` has no `rate`, and the service refuses one.
pub(super) fn session_update(config: &SessionConfig, format: AudioFormat, event_id: &str) -> Text {
    let format = match format {
        AudioFormat::Mulaw8k => json!({"type": "audio/pcmu"}),
        AudioFormat::Pcm16At24k => json!({"type": "audio/pcm", "rate": 24_000}),
    };
    let mut session = json!({
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": config.instructions,
        "audio": {
            "input": {
                "format": format,
                "transcription": {"model": TRANSCRIPTION_MODEL, "language": config.language},
                "turn_detection": turn_detection(&config.turn_detection),
            },
            "output": {"format": format, "voice": config.voice},
        },
    });
    // Keys a server may not know are sent only where they say something: one unknown key refuses the whole update.
    if let Some(session) = session.as_object_mut() {
        if let Some(effort) = &config.reasoning_effort {
            session.insert("reasoning".to_owned(), json!({"effort": effort}));
        }
        if !config.tools.is_empty() {
            let tools = config.tools.iter().map(|tool| {
                json!({"type": "function", "name": tool.name, "description": tool.description,
                    "parameters": tool.parameters})
            });
            session.insert("tools".to_owned(), tools.collect());
            session.insert("tool_choice".to_owned(), json!("auto"));
        }
    }
    event(json!({"type": "session.update", "session": session}), event_id)
}

/// Both kinds answer by themselves and stop when the caller speaks: the service cancels its own answer, and the call
/// clears what Twilio has of it.
fn turn_detection(turn_detection: &TurnDetection) -> Value {
    match turn_detection {
        TurnDetection::ServerVad { threshold, prefix_padding_ms, silence_duration_ms } => json!({
            "type": "server_vad", "threshold": threshold, "prefix_padding_ms": prefix_padding_ms,
            "silence_duration_ms": silence_duration_ms, "create_response": true, "interrupt_response": true,
        }),
        TurnDetection::SemanticVad { eagerness } => json!({
            "type": "semantic_vad", "eagerness": eagerness, "create_response": true, "interrupt_response": true,
        }),
    }
}

/// One word of a call's as an event.
pub(super) fn client_event(words: &ToModel, event_id: &str) -> Text {
    let body = match words {
        ToModel::Audio(audio) => return append(audio),
        ToModel::Respond { instructions, tools, tag } => {
            // The tag travels as metadata, which the service echoes; its values are strings.
            let mut response = json!({"metadata": {"tag": tag.to_string()}});
            if let Some(response) = response.as_object_mut() {
                if let Some(instructions) = instructions {
                    response.insert("instructions".to_owned(), json!(instructions));
                }
                if !tools {
                    response.insert("tool_choice".to_owned(), json!("none"));
                }
            }
            json!({"type": "response.create", "response": response})
        }
        ToModel::Truncate { item, content_index, heard_ms } => json!({"type": "conversation.item.truncate",
            "item_id": item, "content_index": content_index, "audio_end_ms": heard_ms}),
        ToModel::Forget(item) => json!({"type": "conversation.item.delete", "item_id": item}),
        ToModel::ToolCall { call, name, arguments } => {
            item(&json!({"type": "function_call", "call_id": call,
            "name": name, "arguments": arguments.reveal()}))
        }
        ToModel::ToolResult { call, output } => {
            item(&json!({"type": "function_call_output", "call_id": call, "output": output}))
        }
        ToModel::Said { by_model: true, text } => message("assistant", "output_text", text.reveal()),
        ToModel::Said { by_model: false, text } => message("user", "input_text", text.reveal()),
        ToModel::Note(text) => message("system", "input_text", text.reveal()),
    };
    event(body, event_id)
}

fn message(role: &str, kind: &str, text: &str) -> Value {
    item(&json!({"type": "message", "role": role, "content": [{"type": kind, "text": text}]}))
}

fn item(item: &Value) -> Value {
    json!({"type": "conversation.item.create", "item": item})
}

fn event(mut event: Value, event_id: &str) -> Text {
    if let Some(event) = event.as_object_mut() {
        event.insert("event_id".to_owned(), json!(event_id));
    }
    Text::from(event.to_string())
}

/// The event that is sent fifty times a second: spliced, not serialised. The base64 was checked when it was decoded
/// beside the path, so it holds nothing that JSON would escape.
fn append(audio: &Text) -> Text {
    const HEAD: &str = r#"{"type":"input_audio_buffer.append","audio":""#;
    const TAIL: &str = r#""}"#;
    let mut frame = String::with_capacity(HEAD.len() + audio.len() + TAIL.len());
    for piece in [HEAD, audio, TAIL] {
        frame.push_str(piece);
    }
    Text::from(frame)
}
