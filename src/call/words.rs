//! Who said what: the model's words by item, cut at what was heard, and the caller's as they are transcribed.

use std::collections::VecDeque;

use super::limits::{LETTER_MS, MAX_TEXTS};
use crate::domain::{Moment, Pii, Speaker, Turn};
use crate::wire::model::ItemId;

/// The words of a call that are not yet turns.
#[derive(Debug, Default)]
pub(super) struct Words {
    attempt: u8,
    texts: VecDeque<(ItemId, String)>,
    /// When the caller began what is not yet transcribed.
    caller_began: VecDeque<Moment>,
    turns: u32,
    /// How long each item took to answer, by item, in milliseconds.
    delays: VecDeque<(ItemId, u64)>,
}

impl Words {
    /// No words yet.
    pub(super) fn new(attempt: u8) -> Self {
        Self { attempt, ..Self::default() }
    }

    /// More words of an item.
    pub(super) fn add(&mut self, item: &ItemId, text: &str) {
        self.edit(item, |all| all.push_str(text));
    }

    /// All words of an item.
    pub(super) fn set(&mut self, item: &ItemId, text: &str) {
        self.edit(item, |all| text.clone_into(all));
    }

    /// The words of an item so far.
    pub(super) fn of(&self, item: &ItemId) -> &str {
        self.texts.iter().find(|(id, _)| id == item).map_or("", |(_, text)| text)
    }

    /// How long an item would be at least, in milliseconds, if it had been said to the end of the words that are known.
    pub(super) fn least_ms(&self, item: &ItemId) -> u64 {
        self.of(item).chars().count() as u64 * LETTER_MS
    }

    /// How long the caller waited for this item.
    pub(super) fn answered_after(&mut self, item: &ItemId, ms: u64) {
        bounded_push(&mut self.delays, (item.clone(), ms));
    }

    /// The caller began to speak.
    pub(super) fn on_caller_began(&mut self, now: Moment) {
        bounded_push(&mut self.caller_began, now);
    }

    /// What the caller said, as a turn; nothing when no words were understood. Transcriptions come in the order of
    /// speaking, and late.
    pub(super) fn caller_turn(&mut self, text: &Pii<String>, now: Moment) -> Option<Turn> {
        let began = self.caller_began.pop_front().unwrap_or(now);
        let text = text.reveal().trim();
        (!text.is_empty()).then(|| self.turn(Speaker::Caller, text.to_owned(), began))
    }

    /// What the caller said and is not transcribed will never be.
    pub(super) fn forget_caller(&mut self) {
        self.caller_began.clear();
    }

    /// What was heard of an item, as a turn; nothing when nothing was. Takes the item's words.
    pub(super) fn model_turn(
        &mut self,
        item: &ItemId,
        heard_ms: u64,
        made_ms: u64,
        began: Moment,
    ) -> Option<Turn> {
        let index = self.texts.iter().position(|(id, _)| id == item);
        let text = index.and_then(|index| self.texts.remove(index)).map(|(_, text)| text).unwrap_or_default();
        let delay =
            self.delays.iter().position(|(id, _)| id == item).and_then(|index| self.delays.remove(index));
        if heard_ms == 0 {
            return None;
        }
        let mut turn = self.turn(Speaker::Model, heard_part(&text, heard_ms, made_ms).to_owned(), began);
        turn.heard_ms = heard_ms;
        turn.answer_delay_ms = delay.map(|(_, ms)| ms);
        Some(turn)
    }

    /// A turn of ours that no item of the model's stands for; nothing when no word of it was heard.
    pub(super) fn said_turn(
        &mut self,
        text: &str,
        heard_ms: u64,
        made_ms: u64,
        began: Moment,
    ) -> Option<Turn> {
        let text = heard_part(text, heard_ms, made_ms);
        if text.is_empty() {
            return None;
        }
        let mut turn = self.turn(Speaker::Model, text.to_owned(), began);
        turn.heard_ms = heard_ms;
        Some(turn)
    }

    fn turn(&mut self, speaker: Speaker, text: String, began: Moment) -> Turn {
        let number = self.turns;
        self.turns += 1;
        Turn {
            attempt: self.attempt,
            number,
            speaker,
            text: Pii::new(text),
            began_ms: began.as_millis(),
            heard_ms: 0,
            interrupted: false,
            answer_delay_ms: None,
        }
    }

    fn edit(&mut self, item: &ItemId, change: impl FnOnce(&mut String)) {
        if !self.texts.iter().any(|(id, _)| id == item) {
            bounded_push(&mut self.texts, (item.clone(), String::new()));
        }
        if let Some((_, text)) = self.texts.iter_mut().find(|(id, _)| id == item) {
            change(text);
        }
    }
}

/// The words that fit into what was heard, by proportion and whole words. The wire says nothing better: words come in
/// bursts of their own, ahead of their sound.
fn heard_part(text: &str, heard_ms: u64, made_ms: u64) -> &str {
    if heard_ms >= made_ms {
        return text.trim();
    }
    let limit = usize::try_from(text.len() as u64 * heard_ms / made_ms.max(1)).unwrap_or(text.len());
    let ends = text.char_indices().filter(|(_, letter)| letter.is_whitespace()).map(|(index, _)| index);
    let end = ends.take_while(|end| *end <= limit).last().unwrap_or(0);
    text.get(..end).unwrap_or_default().trim()
}

fn bounded_push<T>(queue: &mut VecDeque<T>, value: T) {
    if queue.len() == MAX_TEXTS {
        queue.pop_front();
    }
    queue.push_back(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_is_whole_words_in_proportion() {
        let text = "We are open from nine to five.";
        assert_eq!(heard_part(text, 3_000, 3_000), text);
        assert_eq!(heard_part(text, 1_500, 3_000), "We are open");
        assert_eq!(heard_part(text, 10, 3_000), "");
        assert_eq!(heard_part("", 10, 3_000), "");
        assert_eq!(heard_part("Übermäßig lange Wörter", 2_000, 3_000), "Übermäßig");
    }

    #[test]
    fn turns_are_numbered_and_transcriptions_find_their_beginning() {
        let mut words = Words::new(1);
        words.on_caller_began(Moment::from_millis(500));
        words.add(&"i".into(), "Good ");
        words.add(&"i".into(), "day.");
        let model = words.model_turn(&"i".into(), 900, 900, Moment::from_millis(1_000)).unwrap();
        assert_eq!(words.caller_turn(&" ".to_owned().into(), Moment::from_millis(1_500)), None);
        words.on_caller_began(Moment::from_millis(1_600));
        let caller = words.caller_turn(&" Hello. ".to_owned().into(), Moment::from_millis(2_000)).unwrap();
        assert_eq!((model.number, model.text.reveal().as_str()), (0, "Good day."));
        assert_eq!((caller.number, caller.began_ms, caller.text.reveal().as_str()), (1, 1_600, "Hello."));
        assert_eq!(words.model_turn(&"unheard".into(), 0, 900, Moment::START), None);
    }
}
