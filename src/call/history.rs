//! The conversation so far, as another session of the model has to be told it.
//!
//! What people say has its place as soon as it begins, and its words when they are known: a transcription comes after
//! the answer it was the question of, and what was heard of an answer is only known when it was heard.

use std::collections::VecDeque;

use super::limits::{MAX_ARGUMENTS_BYTES, MAX_HISTORY, MAX_HISTORY_BYTES};
use crate::domain::{Pii, Speaker, Turn};
use crate::wire::model::{ItemId, ToModel, ToolCallId};

/// All that was said and done, in the order in which the model has it.
#[derive(Debug, Default)]
pub(super) struct History {
    places: VecDeque<Place>,
}

#[derive(Debug)]
enum Place {
    /// Said, or noted, and known.
    Known(ToModel),
    /// The model says this; what is heard of it is not known yet.
    Speaking(ItemId),
    /// The caller speaks or has spoken, and is not transcribed yet.
    Listening,
    /// A tool was called.
    Tool {
        call: ToolCallId,
        name: String,
        arguments: Pii<String>,
        /// What it gave; none while it is under way.
        output: Option<String>,
    },
}

impl History {
    /// What was said before this stream.
    pub(super) fn of(turns: &[Turn]) -> Self {
        let mut history = Self::default();
        for turn in turns.iter().filter(|turn| !turn.text.reveal().is_empty()) {
            history.add(said(turn.speaker == Speaker::Model, turn.text.clone()));
        }
        history
    }

    /// Something that was said or noted just now.
    pub(super) fn add(&mut self, words: ToModel) {
        self.push(Place::Known(words));
    }

    /// The model begins an item, or goes on with it.
    pub(super) fn on_speaking(&mut self, item: &ItemId) {
        if self.speaking(item).is_none() {
            self.push(Place::Speaking(item.clone()));
        }
    }

    /// What was heard of an item; nothing, when nothing was.
    pub(super) fn on_heard(&mut self, item: &ItemId, text: Option<&Pii<String>>) {
        let index = self.speaking(item);
        self.settle(index, text.map(|text| said(true, text.clone())));
    }

    /// The caller begins to speak.
    pub(super) fn on_listening(&mut self) {
        self.push(Place::Listening);
    }

    /// What the caller said; nothing, when it was not understood. Transcriptions come in the order of speaking.
    pub(super) fn on_transcribed(&mut self, text: Option<&Pii<String>>) {
        let index = self.places.iter().position(|place| matches!(place, Place::Listening));
        self.settle(index, text.map(|text| said(false, text.clone())));
    }

    /// Whether something the caller said is not transcribed yet.
    pub(super) fn awaits_words(&self) -> bool {
        self.places.iter().any(|place| matches!(place, Place::Listening))
    }

    /// The model called a tool. Arguments of absurd length are left out: what came of them is what counts.
    pub(super) fn on_tool_called(&mut self, call: &ToolCallId, name: &str, arguments: &str) {
        let arguments = if arguments.len() > MAX_ARGUMENTS_BYTES { "{}" } else { arguments };
        let (call, name, arguments) = (call.clone(), name.to_owned(), Pii::new(arguments.to_owned()));
        self.push(Place::Tool { call, name, arguments, output: None });
    }

    /// A tool gave this.
    pub(super) fn on_tool_result(&mut self, of: &ToolCallId, result: &str) {
        let place = self.places.iter_mut().rev().find_map(|place| match place {
            Place::Tool { call, output, .. } if call == of => Some(output),
            Place::Tool { .. } | Place::Known(_) | Place::Speaking(_) | Place::Listening => None,
        });
        if let Some(output) = place {
            *output = Some(result.to_owned());
        }
    }

    /// The session that would have transcribed the caller is gone.
    pub(super) fn forget_caller(&mut self) {
        self.places.retain(|place| !matches!(place, Place::Listening));
    }

    /// Nobody was there to hear what the model said.
    pub(super) fn forget_unheard(&mut self) {
        self.places.retain(|place| !matches!(place, Place::Speaking(_)));
    }

    /// Everything that is known, in order; the latest, when it is more than a session should be told at once. What is
    /// still being heard is told when it was.
    pub(super) fn tell(&self) -> Vec<ToModel> {
        let mut bytes = 0;
        let recent = self.places.iter().rev().take_while(|place| {
            bytes += place.bytes();
            bytes <= MAX_HISTORY_BYTES
        });
        let skipped = self.places.len() - recent.count();
        self.places.iter().skip(skipped).flat_map(Place::tell).collect()
    }

    fn speaking(&self, item: &ItemId) -> Option<usize> {
        self.places.iter().rposition(|place| matches!(place, Place::Speaking(id) if id == item))
    }

    /// Gives a place its words, or takes it away; without a place, the words come last.
    fn settle(&mut self, index: Option<usize>, words: Option<ToModel>) {
        match (index, words) {
            (Some(index), Some(words)) => {
                if let Some(place) = self.places.get_mut(index) {
                    *place = Place::Known(words);
                }
            }
            (Some(index), None) => {
                self.places.remove(index);
            }
            (None, Some(words)) => self.add(words),
            (None, None) => {}
        }
    }

    fn push(&mut self, place: Place) {
        if self.places.len() == MAX_HISTORY {
            self.places.pop_front();
        }
        self.places.push_back(place);
    }
}

impl Place {
    fn tell(&self) -> Vec<ToModel> {
        match self {
            Self::Known(words) => vec![words.clone()],
            Self::Speaking(_) | Self::Listening => Vec::new(),
            Self::Tool { call, name, arguments, output } => {
                let (call, name, arguments) = (call.clone(), name.clone(), arguments.clone());
                let result = output.clone().map(|output| ToModel::ToolResult { call: call.clone(), output });
                [Some(ToModel::ToolCall { call, name, arguments }), result].into_iter().flatten().collect()
            }
        }
    }

    /// About as long as what is told of it.
    fn bytes(&self) -> usize {
        match self {
            Self::Known(ToModel::Said { text, .. } | ToModel::Note(text)) => text.reveal().len(),
            Self::Known(
                ToModel::Audio(_)
                | ToModel::Respond { .. }
                | ToModel::Truncate { .. }
                | ToModel::Forget(_)
                | ToModel::ToolCall { .. }
                | ToModel::ToolResult { .. },
            )
            | Self::Speaking(_)
            | Self::Listening => 0,
            Self::Tool { arguments, output, .. } => {
                arguments.reveal().len() + output.as_ref().map_or(0, String::len)
            }
        }
    }
}

fn said(by_model: bool, text: Pii<String>) -> ToModel {
    ToModel::Said { by_model, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Pii<String> {
        text.to_owned().into()
    }

    #[test]
    fn what_is_known_late_is_told_at_its_place() {
        let mut history = History::default();
        history.on_listening();
        history.on_speaking(&"one".into());
        history.on_speaking(&"one".into());
        history.on_tool_called(&"call".into(), "take_message", "{}");
        history.on_heard(&"one".into(), Some(&words("Yes.")));
        history.on_transcribed(Some(&words("Are you open?")));
        history.on_tool_result(&"call".into(), "ok");
        let call = ToModel::ToolCall {
            call: "call".into(),
            name: "take_message".to_owned(),
            arguments: words("{}"),
        };
        let result = ToModel::ToolResult { call: "call".into(), output: "ok".to_owned() };
        let all = [said(false, words("Are you open?")), said(true, words("Yes.")), call, result];
        assert_eq!(history.tell(), all);
    }

    #[test]
    fn what_nobody_heard_or_understood_leaves_no_trace() {
        let mut history = History::default();
        history.on_speaking(&"unheard".into());
        history.on_listening();
        history.on_heard(&"unheard".into(), None);
        history.on_transcribed(None);
        assert_eq!(history.tell(), []);
        assert!(!history.awaits_words());
    }

    #[test]
    fn a_long_history_is_told_from_its_end_and_a_tool_never_without_its_call() {
        let mut history = History::default();
        history.on_tool_called(&"call".into(), "take_message", &"x".repeat(MAX_ARGUMENTS_BYTES + 1));
        history.on_tool_result(&"call".into(), &"y".repeat(MAX_HISTORY_BYTES));
        history.add(said(true, words("last")));
        assert_eq!(history.tell(), [said(true, words("last"))]);
        for _ in 0..MAX_HISTORY {
            history.add(said(true, words("more")));
        }
        assert_eq!(history.tell().len(), MAX_HISTORY);
    }
}
