//! What the caller hears while the model is away: after two seconds of silence a short phrase in the business's own
//! voice, kept from before, and after a longer while once more.

use super::limits::{BRIDGE_AFTER, BRIDGE_AGAIN_AFTER, MAX_PHRASES};
use super::machine::Call;
use super::playout::Source;
use super::{Note, Opening};
use crate::domain::{Moment, Pii, Turn};
use crate::wire::model::ToModel;

/// A time in which the caller waits for a model.
#[derive(Debug)]
pub(super) struct Outage {
    since: Moment,
    /// How many phrases were said, or would have been.
    phrases: u8,
}

impl Call {
    /// From now on the caller waits for the model, if they did not before.
    pub(super) fn begin_outage(&mut self) {
        if self.arrived_at.is_some() {
            self.outage.get_or_insert(Outage { since: self.now, phrases: 0 });
        }
    }

    /// The caller hears the model, or the model the caller.
    pub(super) fn end_outage(&mut self) {
        self.outage = None;
    }

    /// The model should have spoken for so long that something is said at once.
    pub(super) fn begin_late_outage(&mut self) {
        let since = self.now.back(BRIDGE_AFTER);
        if self.arrived_at.is_some() {
            self.outage.get_or_insert(Outage { since, phrases: 0 });
        }
    }

    /// When the silence will have lasted too long.
    pub(super) fn bridge_at(&self) -> Option<Moment> {
        let outage = self.outage.as_ref().filter(|outage| outage.phrases < MAX_PHRASES)?;
        if !self.phase.is_talking() || self.caller_speaks {
            return None;
        }
        let patience = if outage.phrases == 0 { BRIDGE_AFTER } else { BRIDGE_AGAIN_AFTER };
        Some(outage.since.max(self.playout.quiet_from()?) + patience)
    }

    /// Says the phrase when it is time; notes that there is none when there is none.
    pub(super) fn bridge_silence(&mut self) {
        if self.bridge_at().is_none_or(|at| at > self.now) {
            return;
        }
        let phrase = self.brief.bridging.clone();
        self.note(Note::Bridged { phrase: phrase.is_some() });
        let Some(outage) = &mut self.outage else { return };
        let Some(phrase) = phrase else {
            outage.phrases = MAX_PHRASES;
            return;
        };
        outage.phrases += 1;
        self.phrases_said += 1;
        self.playout.push(&Source::Phrase(self.phrases_said), &phrase.audio);
        self.playout.complete_all();
        self.play();
    }

    /// The greeting from a former call was heard, whole or in part: the model has to be told that it was said.
    pub(super) fn greeting_turn(&mut self, heard_ms: u64, made_ms: u64, began: Moment) -> Option<Turn> {
        let Opening::GreetFrom(greeting) = &self.brief.opening else { return None };
        let turn = self.words.said_turn(&greeting.words, heard_ms, made_ms, began);
        self.tell_of(turn)
    }

    /// So was the phrase.
    pub(super) fn phrase_turn(&mut self, heard_ms: u64, made_ms: u64, began: Moment) -> Option<Turn> {
        let phrase = self.brief.bridging.as_ref()?;
        let turn = self.words.said_turn(&phrase.words, heard_ms, made_ms, began);
        self.tell_of(turn)
    }

    fn tell_of(&mut self, turn: Option<Turn>) -> Option<Turn> {
        let turn = turn?;
        self.tell_model(ToModel::Said { by_model: true, text: Pii::new(turn.text.reveal().clone()) });
        Some(turn)
    }
}
