//! What happened in a world.

use serde_json::Value;

use super::heard::{self, ItemHeard};
use crate::call::{Effect, Note};
use crate::domain::{Ending, Moment, Turn};
use crate::sim::model::{ClientEvent, ModelService, ServiceRefusal};
use crate::sim::{StepDone, TwilioStream, Violation};

/// What happened. The actors are in it, with all they recorded.
#[derive(Debug, Default)]
pub struct Report {
    /// When nothing was left to happen, or the plan's limit was reached.
    pub ended_at: Moment,
    /// When the call was over, if it was.
    pub over_at: Option<Moment>,
    /// How it ended, if it did.
    pub ending: Option<Ending>,
    /// What the call told people.
    pub notes: Vec<(Moment, Note)>,
    /// What the call wanted done.
    pub effects: Vec<(Moment, Effect)>,
    /// When the call told Twilio to forget.
    pub clears: Vec<Moment>,
    /// The recording.
    pub recording: Vec<u8>,
    /// When the caller's steps were carried out.
    pub steps_done: Vec<StepDone>,
    /// Messages for Twilio after the call was over.
    pub said_after_end: u32,
    /// Words for the model while there was no line to it.
    pub unsent_to_model: u32,
    /// The call's event log, if it was to be kept.
    pub log: Vec<u8>,
    /// Whether somebody wanted to be woken again and again at one moment: a bug.
    pub restless: bool,
    /// Twilio's side, if there was a stream: what was played, and what was wrong.
    pub stream: Option<TwilioStream>,
    /// The model's side: one for each connection.
    pub models: Vec<ModelService>,
}

/// What the model was told of what the caller heard, beside the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// When the model was told.
    pub at: Moment,
    /// Of which item.
    pub item: String,
    /// How much was said to be heard, in milliseconds; zero where the item was deleted.
    pub told_ms: u64,
    /// How much was heard, in milliseconds.
    pub heard_ms: f64,
    /// How much the model had sent of it in the end, in milliseconds.
    pub made_ms: f64,
}

impl Told {
    /// How much too much the model was told, in milliseconds; negative when too little.
    pub fn error_ms(&self) -> f64 {
        self.told_ms as f64 - self.heard_ms
    }
}

impl Report {
    /// Everything the caller heard from the opening of the stream on, silence included: µ-law.
    pub fn heard(&self) -> &[u8] {
        self.stream.as_ref().map_or(&[], |stream| stream.playout().heard())
    }

    /// What we did that Twilio warns about.
    pub fn violations(&self) -> &[Violation] {
        self.stream.as_ref().map_or(&[], TwilioStream::violations)
    }

    /// What the model refused.
    pub fn refusals(&self) -> Vec<&ServiceRefusal> {
        self.models.iter().flat_map(ModelService::refusals).collect()
    }

    /// All that we told the model, over all connections.
    pub fn client_events(&self) -> impl Iterator<Item = &ClientEvent> {
        self.models.iter().flat_map(ModelService::heard)
    }

    /// The turns that were kept, in order.
    pub fn turns(&self) -> impl Iterator<Item = &Turn> {
        self.effects.iter().filter_map(|(_, effect)| {
            if let Effect::Checkpoint(turn) = effect { Some(turn.as_ref()) } else { None }
        })
    }

    /// What the caller heard of each item of the model's, and how many samples were of no item.
    pub fn items_heard(&self) -> (Vec<ItemHeard>, usize) {
        let pieces = self.stream.as_ref().map_or(&[][..], |stream| stream.playout().pieces());
        heard::align(&self.models, pieces)
    }

    /// Every truncation and deletion we asked for, beside the truth.
    pub fn told(&self) -> Vec<Told> {
        let (items, _) = self.items_heard();
        let told = self.client_events().filter_map(|event| {
            let text = event.text.as_str();
            if !text.contains("conversation.item.truncate") && !text.contains("conversation.item.delete") {
                return None;
            }
            let words: Value = serde_json::from_str(text).ok()?;
            let id = words.get("item_id")?.as_str()?;
            let item = items.iter().find(|item| item.item == id)?;
            Some(Told {
                at: event.at,
                item: id.to_owned(),
                told_ms: words.get("audio_end_ms").and_then(Value::as_u64).unwrap_or_default(),
                heard_ms: item.heard_ms(),
                made_ms: item.made as f64 / crate::audio::mulaw::BYTES_PER_MS as f64,
            })
        });
        told.collect()
    }
}
