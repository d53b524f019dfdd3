//! What the service accepts, as data, and its words for what it does not: every key it does not know is refused.
//!
//! Source: the GA protocol as typed by OpenAI's SDK (closed types), with the codes and sentences the service gives.

use serde_json::Value;

/// Why the service refuses an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The service's code; it has none for some.
    pub code: Option<&'static str>,
    /// Where in the event.
    pub param: Option<String>,
    /// The service's sentence.
    pub message: String,
}

impl Complaint {
    pub(super) fn new(code: &'static str, param: &str, message: String) -> Self {
        let param = (!param.is_empty()).then(|| param.to_owned());
        Self { code: Some(code), param, message }
    }
}

/// What a value may be.
enum Shape {
    Text,
    Integer,
    Number,
    Flag,
    Any,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A text of at most so many bytes.
    Id(usize),
    Object(&'static [Field]),
    /// An object whose `type` says which fields it has.
    Typed(&'static [(&'static str, &'static [Field])]),
    List(&'static Self),
    /// Texts by name.
    Texts,
    /// Any of these.
    Either(&'static [Self]),
    /// That, or null.
    OrNull(&'static Self),
}

/// A key of an object.
struct Field(&'static str, Shape, Need);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}

use Need::{Optional, Required};
use Shape::{Any, Either, Flag, Id, Integer, List, Number, Object, OrNull, Text, Texts, Typed, Word};

/// Ids that a client makes are no longer than this.
const LONGEST_ID: usize = 32;

const EVENTS: &[(&str, &[Field])] = &[
    ("session.update", &[TYPE, EVENT_ID, Field("session", Object(SESSION), Required)]),
    ("input_audio_buffer.append", &[TYPE, EVENT_ID, Field("audio", Text, Required)]),
    ("input_audio_buffer.commit", &[TYPE, EVENT_ID]),
    ("input_audio_buffer.clear", &[TYPE, EVENT_ID]),
    (
        "conversation.item.create",
        &[
            TYPE,
            EVENT_ID,
            Field("item", Typed(ITEMS), Required),
            Field("previous_item_id", OrNull(&Text), Optional),
        ],
    ),
    ("conversation.item.retrieve", &[TYPE, EVENT_ID, Field("item_id", Text, Required)]),
    (
        "conversation.item.truncate",
        &[
            TYPE,
            EVENT_ID,
            Field("item_id", Text, Required),
            Field("content_index", Integer, Required),
            Field("audio_end_ms", Integer, Required),
        ],
    ),
    ("conversation.item.delete", &[TYPE, EVENT_ID, Field("item_id", Text, Required)]),
    ("response.create", &[TYPE, EVENT_ID, Field("response", Object(RESPONSE), Optional)]),
    ("response.cancel", &[TYPE, EVENT_ID, Field("response_id", Text, Optional)]),
];

const EVENT_ID: Field = Field("event_id", Text, Optional);

const SESSION: &[Field] = &[
    Field("type", Word(&["realtime"]), Required),
    Field("model", Text, Optional),
    Field("output_modalities", List(&Word(&["audio", "text"])), Optional),
    Field("instructions", Text, Optional),
    Field("max_output_tokens", Either(&[Integer, Word(&["inf"])]), Optional),
    Field("reasoning", OrNull(&Object(EFFORT)), Optional),
    Field("parallel_tool_calls", Flag, Optional),
    Field("tools", List(&Typed(TOOLS)), Optional),
    Field("tool_choice", TOOL_CHOICE, Optional),
    Field("tracing", OrNull(&Any), Optional),
    Field("truncation", Either(&[Word(&["auto", "disabled"]), Typed(TRUNCATIONS)]), Optional),
    Field("include", OrNull(&List(&Text)), Optional),
    Field(
        "audio",
        Object(&[Field("input", Object(INPUT), Optional), Field("output", Object(OUTPUT), Optional)]),
        Optional,
    ),
];

const EFFORT: &[Field] =
    &[Field("effort", OrNull(&Word(&["minimal", "low", "medium", "high", "xhigh"])), Optional)];

const INPUT: &[Field] = &[
    Field("format", Typed(FORMATS), Optional),
    Field(
        "noise_reduction",
        OrNull(&Object(&[
            Field("type", Word(&["near_field", "far_field"]), Required),
            Field("strength", Number, Optional),
        ])),
        Optional,
    ),
    Field(
        "transcription",
        OrNull(&Object(&[
            Field("model", Text, Optional),
            Field("language", Text, Optional),
            Field("languages", List(&Text), Optional),
            Field("prompt", Text, Optional),
            Field("keywords", List(&Text), Optional),
            Field("delay", Text, Optional),
        ])),
        Optional,
    ),
    Field("turn_detection", OrNull(&Typed(TURN_DETECTIONS)), Optional),
];

const OUTPUT: &[Field] = &[
    Field("format", Typed(FORMATS), Optional),
    Field("voice", VOICE, Optional),
    Field("speed", Number, Optional),
];

const FORMATS: &[(&str, &[Field])] = &[
    ("audio/pcm", &[TYPE, Field("rate", Integer, Optional)]),
    ("audio/pcmu", &[TYPE]),
    ("audio/pcma", &[TYPE]),
];

const VOICE: Shape = Either(&[Text, Object(&[Field("id", Text, Required)])]);

const TURN_DETECTIONS: &[(&str, &[Field])] = &[
    (
        "server_vad",
        &[
            TYPE,
            Field("threshold", Number, Optional),
            Field("prefix_padding_ms", Integer, Optional),
            Field("silence_duration_ms", Integer, Optional),
            Field("idle_timeout_ms", OrNull(&Integer), Optional),
            Field("create_response", Flag, Optional),
            Field("interrupt_response", Flag, Optional),
        ],
    ),
    (
        "semantic_vad",
        &[
            TYPE,
            Field("eagerness", Word(&["low", "medium", "high", "auto"]), Optional),
            Field("create_response", Flag, Optional),
            Field("interrupt_response", Flag, Optional),
        ],
    ),
];

const TOOLS: &[(&str, &[Field])] = &[
    (
        "function",
        &[
            TYPE,
            Field("name", Text, Required),
            Field("description", Text, Optional),
            Field("parameters", Any, Optional),
        ],
    ),
    (
        "mcp",
        &[
            TYPE,
            Field("server_label", Text, Required),
            Field("server_url", Text, Optional),
            Field("server_description", Text, Optional),
            Field("connector_id", Text, Optional),
            Field("tunnel_id", Text, Optional),
            Field("authorization", Text, Optional),
            Field("headers", OrNull(&Texts), Optional),
            Field("allowed_tools", Any, Optional),
            Field("require_approval", Any, Optional),
            Field("defer_loading", Flag, Optional),
        ],
    ),
];

const TOOL_CHOICE: Shape = Either(&[
    Word(&["auto", "none", "required"]),
    Typed(&[
        ("function", &[TYPE, Field("name", Text, Required)]),
        ("mcp", &[TYPE, Field("server_label", Text, Required), Field("name", OrNull(&Text), Optional)]),
    ]),
]);

const TRUNCATIONS: &[(&str, &[Field])] = &[(
    "retention_ratio",
    &[
        TYPE,
        Field("retention_ratio", Number, Required),
        Field("token_limits", Object(&[Field("post_instructions", Integer, Optional)]), Optional),
    ],
)];

const RESPONSE: &[Field] = &[
    Field("conversation", Word(&["auto", "none"]), Optional),
    Field("input", List(&Typed(INPUT_ITEMS)), Optional),
    Field("instructions", Text, Optional),
    Field("max_output_tokens", Either(&[Integer, Word(&["inf"])]), Optional),
    Field("metadata", OrNull(&Texts), Optional),
    Field("output_modalities", List(&Word(&["audio", "text"])), Optional),
    Field("parallel_tool_calls", Flag, Optional),
    Field("reasoning", OrNull(&Object(EFFORT)), Optional),
    Field("tool_choice", TOOL_CHOICE, Optional),
    Field("tools", List(&Typed(TOOLS)), Optional),
    Field(
        "audio",
        Object(&[Field(
            "output",
            Object(&[Field("format", Typed(FORMATS), Optional), Field("voice", VOICE, Optional)]),
            Optional,
        )]),
        Optional,
    ),
];

const MESSAGE: &[Field] = &[
    TYPE,
    ID,
    OBJECT,
    STATUS,
    Field("role", Word(&["user", "assistant", "system"]), Required),
    Field("content", List(&Typed(PARTS)), Required),
];

const FUNCTION_CALL: &[Field] = &[
    TYPE,
    ID,
    OBJECT,
    STATUS,
    Field("name", Text, Required),
    Field("arguments", Text, Required),
    Field("call_id", Id(LONGEST_ID), Optional),
];

const FUNCTION_CALL_OUTPUT: &[Field] =
    &[TYPE, ID, OBJECT, STATUS, Field("call_id", Id(LONGEST_ID), Required), Field("output", Text, Required)];

const ITEMS: &[(&str, &[Field])] = &[
    ("message", MESSAGE),
    ("function_call", FUNCTION_CALL),
    ("function_call_output", FUNCTION_CALL_OUTPUT),
    (
        "mcp_approval_response",
        &[
            TYPE,
            ID,
            Field("approval_request_id", Text, Required),
            Field("approve", Flag, Required),
            Field("reason", OrNull(&Text), Optional),
        ],
    ),
];

const INPUT_ITEMS: &[(&str, &[Field])] = &[
    ("message", MESSAGE),
    ("function_call", FUNCTION_CALL),
    ("function_call_output", FUNCTION_CALL_OUTPUT),
    ("item_reference", &[TYPE, Field("id", Text, Required)]),
];

const PARTS: &[(&str, &[Field])] = &[
    ("input_text", &[TYPE, Field("text", Text, Required)]),
    ("input_audio", &[TYPE, Field("audio", Text, Required), Field("transcript", OrNull(&Text), Optional)]),
    (
        "input_image",
        &[
            TYPE,
            Field("image_url", Text, Required),
            Field("detail", Word(&["auto", "low", "high"]), Optional),
        ],
    ),
    ("output_text", &[TYPE, Field("text", Text, Required)]),
    ("output_audio", &[TYPE, Field("audio", Text, Optional), Field("transcript", OrNull(&Text), Optional)]),
];

const TYPE: Field = Field("type", Text, Required);
const ID: Field = Field("id", Id(LONGEST_ID), Optional);
const OBJECT: Field = Field("object", Word(&["realtime.item"]), Optional);
const STATUS: Field = Field("status", Word(&["completed", "incomplete", "in_progress"]), Optional);

/// Whether the service knows this event, each of its keys, and the kind of each value.
pub(super) fn check(event: &Value) -> Result<(), Complaint> {
    if event.get("type").is_none() {
        return Err(Complaint::new("invalid_event", "", "The 'type' field is missing.".to_owned()));
    }
    fits(event, &Typed(EVENTS), "")
}

fn fits(value: &Value, shape: &Shape, path: &str) -> Result<(), Complaint> {
    let kind = match shape {
        Any => return Ok(()),
        OrNull(shape) => return if value.is_null() { Ok(()) } else { fits(value, shape, path) },
        Typed(kinds) => return typed(value, kinds, path),
        Object(fields) => return object(value, fields, path),
        List(shape) if value.is_array() => {
            let mut items = value.as_array().into_iter().flatten().enumerate();
            return items.try_for_each(|(n, item)| fits(item, shape, &format!("{path}[{n}]")));
        }
        Word(words) if value.is_string() => {
            let word = value.as_str().unwrap_or_default();
            return if words.contains(&word) { Ok(()) } else { Err(wrong_word(word, words, path)) };
        }
        Id(most) if value.is_string() => {
            let length = value.as_str().map_or(0, str::len);
            let message = format!(
                "Invalid '{path}': string too long. Expected a string with maximum length {most}, but got a string with length {length} instead."
            );
            return if length <= *most {
                Ok(())
            } else {
                Err(Complaint::new("string_above_max_length", path, message))
            };
        }
        Either(shapes) => {
            // Of several shapes the complaint of the one that is nearest in kind says most.
            let mut nearest = None;
            for shape in *shapes {
                match fits(value, shape, path) {
                    Ok(()) => return Ok(()),
                    Err(complaint) if complaint.code != Some("invalid_type") => nearest = Some(complaint),
                    Err(complaint) => nearest = nearest.or(Some(complaint)),
                }
            }
            return nearest.map_or(Ok(()), Err);
        }
        Texts => {
            let texts = value.as_object().is_some_and(|map| map.values().all(Value::is_string));
            if texts { return Ok(()) } else { "an object with string values" }
        }
        Text if value.is_string() => return Ok(()),
        Integer if value.is_i64() || value.is_u64() => return Ok(()),
        Number if value.is_number() => return Ok(()),
        Flag if value.is_boolean() => return Ok(()),
        Text | Word(_) | Id(_) => "a string",
        Integer => "an integer",
        Number => "a number",
        Flag => "a boolean",
        List(_) => "an array",
    };
    Err(wrong_kind(path, kind))
}

fn object(value: &Value, fields: &[Field], path: &str) -> Result<(), Complaint> {
    let Some(map) = value.as_object() else { return Err(wrong_kind(path, "an object")) };
    for (key, value) in map {
        let path = within(path, key);
        let Some(Field(_, shape, _)) = fields.iter().find(|Field(name, ..)| name == key) else {
            let message = format!("Unknown parameter: '{path}'.");
            return Err(Complaint::new("unknown_parameter", &path, message));
        };
        fits(value, shape, &path)?;
    }
    for Field(name, _, need) in fields {
        if *need == Required && !map.contains_key(*name) {
            return Err(missing(&within(path, name)));
        }
    }
    Ok(())
}

fn typed(value: &Value, kinds: &[(&'static str, &[Field])], path: &str) -> Result<(), Complaint> {
    if !value.is_object() {
        return Err(wrong_kind(path, "an object"));
    }
    let at = within(path, "type");
    let Some(kind) = value.get("type") else { return Err(missing(&at)) };
    let Some(word) = kind.as_str() else { return Err(wrong_kind(&at, "a string")) };
    match kinds.iter().find(|(name, _)| *name == word) {
        Some((_, fields)) => object(value, fields, path),
        None => {
            let known: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
            Err(wrong_word(word, &known, &at))
        }
    }
}

fn within(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn missing(path: &str) -> Complaint {
    Complaint::new("missing_required_parameter", path, format!("Missing required parameter: '{path}'."))
}

fn wrong_kind(path: &str, kind: &str) -> Complaint {
    Complaint::new("invalid_type", path, format!("Invalid type for '{path}': expected {kind}."))
}

fn wrong_word(word: &str, known: &[&str], path: &str) -> Complaint {
    let known: Vec<String> = known.iter().map(|word| format!("'{word}'")).collect();
    let known = known.join(", ");
    Complaint::new("invalid_value", path, format!("Invalid value: '{word}'. Supported values are: {known}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../../fixtures/contract/good.jsonl");

    #[test]
    fn everything_the_sdk_accepts_is_accepted() {
        for line in GOOD.lines() {
            assert_eq!(check(&serde_json::from_str(line).unwrap()), Ok(()), "{line}");
        }
    }

    #[test]
    fn what_the_service_refuses_is_refused_in_its_words() {
        let cases = [
            (r#"{"event_id":"x"}"#, "invalid_event", None),
            (r#"{"type":"output_audio_buffer.clear"}"#, "invalid_value", Some("type")),
            (r#"{"type":"session.update","session":{}}"#, "missing_required_parameter", Some("session.type")),
            (
                r#"{"type":"session.update","session":{"type":"realtime","temperature":1}}"#,
                "unknown_parameter",
                Some("session.temperature"),
            ),
            (
                r#"{"type":"session.update","session":{"type":"realtime","audio":{"input":{"format":{"type":"audio/pcmu","rate":8000}}}}}"#,
                "unknown_parameter",
                Some("session.audio.input.format.rate"),
            ),
            (
                r#"{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":{"type":"semantic_vad","threshold":0.5}}}}}"#,
                "unknown_parameter",
                Some("session.audio.input.turn_detection.threshold"),
            ),
            (
                r#"{"type":"session.update","session":{"type":"realtime","max_output_tokens":"lots"}}"#,
                "invalid_value",
                Some("session.max_output_tokens"),
            ),
            (
                r#"{"type":"conversation.item.truncate","item_id":"i","content_index":0,"audio_end_ms":1.5}"#,
                "invalid_type",
                Some("audio_end_ms"),
            ),
            (
                r#"{"type":"conversation.item.create","item":{"type":"function_call_output","call_id":"a","output":{}}}"#,
                "invalid_type",
                Some("item.output"),
            ),
            (
                r#"{"type":"conversation.item.create","item":{"type":"function_call_output","call_id":"123456789012345678901234567890123","output":""}}"#,
                "string_above_max_length",
                Some("item.call_id"),
            ),
            (
                r#"{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"text","text":"x"}]}}"#,
                "invalid_value",
                Some("item.content[0].type"),
            ),
            (
                r#"{"type":"response.create","response":{"modalities":["audio"]}}"#,
                "unknown_parameter",
                Some("response.modalities"),
            ),
            (
                r#"{"type":"response.create","response":{"metadata":{"tag":1}}}"#,
                "invalid_type",
                Some("response.metadata"),
            ),
        ];
        for (event, code, param) in cases {
            let complaint = check(&serde_json::from_str(event).unwrap()).unwrap_err();
            assert_eq!((complaint.code, complaint.param.as_deref()), (Some(code), param), "{event}");
        }
    }
}
