//! From a form to the document of an import file, and no further than somebody edited it.
//!
//! A form does not show everything as it is kept: a browser trims, tools stand in our order, a secret is not shown at all. So
//! what comes back as it was shown leaves what is kept as it is, and what was not sent is not touched.

use serde_json::{Map, Value, json};

use super::super::posted::Fields;
use crate::dashboard::{BusinessForm, TurnForm};
use crate::domain::{Business, WebhookSecret};

/// What a form says; `form` is what it was shown with.
pub(super) fn read(fields: &Fields, form: BusinessForm) -> BusinessForm {
    let text = |name: &str, shown: String| fields.sent(name).map_or(shown, str::to_owned);
    let column = |name: &str| fields.all(name).map(str::to_owned).collect::<Vec<_>>();
    let (ids, labels, numbers) =
        (column("destination-id"), column("destination-label"), column("destination-number"));
    let rows = ids.into_iter().zip(labels).zip(numbers).map(|((id, label), number)| [id, label, number]);
    let secret = fields.get("webhook-secret").trim();
    let sent = BusinessForm {
        id: form.id,
        exists: form.exists,
        name: text("name", form.name),
        plan: text("plan", form.plan),
        lines: text("lines", form.lines),
        greeting: text("greeting", form.greeting),
        instructions: text("instructions", form.instructions),
        voice: text("voice", form.voice),
        language: text("language", form.language),
        // A box without a tick is not sent.
        tools: column("tools"),
        destinations: rows.collect(),
        fallback: text("fallback", form.fallback),
        fallback_words: text("fallback-words", form.fallback_words),
        recording: fields.get("recording") == "on",
        announcement: text("announcement", form.announcement),
        turn: TurnForm {
            kind: text("turn", form.turn.kind),
            threshold: text("threshold", form.turn.threshold),
            prefix_padding_ms: text("padding", form.turn.prefix_padding_ms),
            silence_duration_ms: text("silence", form.turn.silence_duration_ms),
            eagerness: text("eagerness", form.turn.eagerness),
        },
        effort: text("effort", form.effort),
        webhook_url: text("webhook-url", form.webhook_url),
        webhook_secret: (!secret.is_empty()).then(|| WebhookSecret::new(secret)),
        has_secret: form.has_secret,
        seen: fields.get("seen").to_owned(),
    };
    as_sent(sent)
}

/// The document that a form means.
pub(super) fn of(filled: &BusinessForm, there: Option<&Business>) -> Value {
    let kept = there.and_then(|business| serde_json::to_value(business).ok());
    let mut document = kept.and_then(|it| it.as_object().cloned()).unwrap_or_default();
    let shown = there.map(|business| said(&as_sent(BusinessForm::of(business, String::new()))));
    for (name, value) in said(filled) {
        let as_shown = shown.as_ref().is_some_and(|shown| shown.get(&name) == Some(&value));
        if as_shown {
            continue;
        }
        if value.is_null() {
            document.remove(&name);
        } else {
            document.insert(name, value);
        }
    }
    if let Some(webhook) = document.get_mut("webhook").and_then(Value::as_object_mut) {
        let kept = there.and_then(|business| business.webhook.as_ref()).map(|webhook| &webhook.secret);
        let secret = filled.webhook_secret.as_ref().or(kept);
        webhook.extend(secret.map(|secret| ("secret".to_owned(), secret.reveal().into())));
    }
    document.insert("id".to_owned(), json!(filled.id));
    Value::Object(document)
}

/// What a form says, field by field of the document; null for what it wants to be absent.
fn said(form: &BusinessForm) -> Map<String, Value> {
    let lines: Vec<&str> = form.lines.lines().collect();
    let destination = |[id, label, number]: &[String; 3]| json!({"id": id, "label": label, "number": number});
    let destinations: Vec<Value> = form.destinations.iter().map(destination).collect();
    let optional = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let fields = [
        ("name", json!(form.name)),
        ("plan", json!(form.plan)),
        ("lines", json!(lines)),
        ("greeting", json!(form.greeting)),
        ("instructions", json!(form.instructions)),
        ("voice", json!(form.voice)),
        ("language", json!(form.language)),
        ("tools", json!(form.tools)),
        ("destinations", json!(destinations)),
        (
            "fallback",
            if form.fallback.is_empty() {
                Value::Null
            } else {
                json!({form.fallback.as_str(): form.fallback_words})
            },
        ),
        ("recording", json!(form.recording)),
        ("recordingAnnouncement", optional(&form.announcement)),
        ("turnDetection", turn(&form.turn)),
        ("reasoningEffort", optional(&form.effort)),
        ("webhook", if form.webhook_url.is_empty() { Value::Null } else { json!({"url": form.webhook_url}) }),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

fn turn(turn: &TurnForm) -> Value {
    let TurnForm { kind, threshold, prefix_padding_ms, silence_duration_ms, eagerness } = turn;
    let parts: &[(&str, Value)] = match kind.as_str() {
        "" => return Value::Null,
        "semantic_vad" => &[("eagerness", json!(eagerness))],
        _ => &[
            ("threshold", number(threshold)),
            ("prefixPaddingMs", number(prefix_padding_ms)),
            ("silenceDurationMs", number(silence_duration_ms)),
        ],
    };
    let mut object = Map::from_iter([("type".to_owned(), json!(kind))]);
    // What is empty is as usual.
    let parts = parts.iter().filter(|(_, value)| value.as_str() != Some(""));
    object.extend(parts.map(|(name, value)| ((*name).to_owned(), value.clone())));
    Value::Object(object)
}

/// A number; what is none is left for the checker to say so.
fn number(text: &str) -> Value {
    let whole = text.parse::<u64>().ok().map(Value::from);
    whole.or_else(|| text.parse::<f64>().ok().map(Value::from)).unwrap_or_else(|| json!(text))
}

/// As a browser sends it when nobody touches it, and without what nobody means.
fn as_sent(form: BusinessForm) -> BusinessForm {
    let row = |text: String| text.replace(['\r', '\n'], "").trim().to_owned();
    let rows = |text: String| text.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned();
    let lines: Vec<_> = form.lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let lines = lines.join("\n");
    let destinations = form.destinations.into_iter().map(|cells| cells.map(row));
    let mut tools = form.tools;
    tools.sort();
    tools.dedup();
    BusinessForm {
        name: row(form.name),
        plan: row(form.plan),
        lines,
        greeting: rows(form.greeting),
        instructions: rows(form.instructions),
        voice: row(form.voice),
        language: row(form.language),
        tools,
        destinations: destinations.filter(|cells| cells.iter().any(|cell| !cell.is_empty())).collect(),
        fallback_words: row(form.fallback_words),
        announcement: row(form.announcement),
        turn: TurnForm {
            threshold: row(form.turn.threshold),
            prefix_padding_ms: row(form.turn.prefix_padding_ms),
            silence_duration_ms: row(form.turn.silence_duration_ms),
            ..form.turn
        },
        webhook_url: row(form.webhook_url),
        ..form
    }
}
