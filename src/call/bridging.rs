//! What a caller hears who waits for us: whenever nothing was heard for two seconds, a short phrase in the business's
//! own voice, kept from before, or a soft chime.
//!
//! The phrase is for a wait that will last: there is no model, it does not answer, a tool is under way. An answer that is
//! only slow would come behind the phrase, and later than without: until it is nudged the chime is enough, which is short
//! and says no more than that the line is not dead. A business of which no phrase was ever made has the chime alone.

use std::time::Duration;

use super::limits::{BRIDGE_AFTER, PHRASE_AGAIN_AFTER, TOLD_AT_ONCE};
use super::machine::Call;
use super::playout::{Source, play_time};
use super::{Deadline, Note, Opening};
use crate::audio::chime::chime;
use crate::domain::{Moment, Pii, Turn, TurnDetection};
use crate::wire::model::ToModel;

/// The caller's waiting.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// When it became our turn to be heard; none while it is not.
    since: Option<Moment>,
    /// The phrase is not said again before.
    phrase_not_before: Moment,
}

impl Call {
    /// Whether it is our turn to be heard: nobody is there to listen to the caller, or something is owed to them.
    fn is_waited_for(&self) -> bool {
        let owed = self.deadlines.is_set(Deadline::ModelAnswers)
            || !self.responding.is_idle()
            || !self.tools.is_idle();
        let quiet = !self.caller_speaks || self.done_by_ear_at().is_some();
        let talking = self.phase.is_talking() && quiet && (owed || !self.link.is_ready());
        talking || self.phase.is_leaving()
    }

    /// Since when the caller has stopped by our own ear, which hears it a moment later, and a model that goes by loudness
    /// should have said so, or is about to. One that goes by meaning may wait for them to go on, and nothing must sound into
    /// that.
    fn done_by_ear_at(&self) -> Option<Moment> {
        let TurnDetection::ServerVad { silence_duration_ms, .. } = self.brief.business.turn_detection else {
            return None;
        };
        let patience = Duration::from_millis(silence_duration_ms.into()).saturating_sub(TOLD_AT_ONCE);
        self.listening.stopped_at().map(|stopped| stopped + patience).filter(|done| *done <= self.now)
    }

    /// The model says that the caller has stopped: from here on its answer is waited for.
    pub(super) fn begin_waiting_for_answer(&mut self) {
        self.waiting.since = None;
    }

    /// When the silence will have lasted too long.
    pub(super) fn bridge_at(&self) -> Option<Moment> {
        let since = self.waiting.since.filter(|_| self.is_waited_for())?;
        Some(since.max(self.playout.quiet_from()?) + BRIDGE_AFTER)
    }

    /// Fills a silence that has lasted too long.
    pub(super) fn bridge_silence(&mut self) {
        if !self.is_waited_for() {
            // A session that breaks as soon as it is there has ended no waiting.
            if self.caller_speaks || !self.link.just_came(self.now) {
                self.waiting.since = None;
            }
            return;
        }
        let by_ear = if self.caller_speaks { self.done_by_ear_at() } else { None };
        self.waiting.since.get_or_insert(by_ear.unwrap_or(self.now));
        if self.bridge_at().is_none_or(|at| at > self.now) {
            return;
        }
        let lasts = !self.link.is_ready() || self.failed_answers > 0 || !self.tools.is_idle();
        let may_speak = lasts && self.phase.is_talking() && self.now >= self.waiting.phrase_not_before;
        let phrase = self.brief.bridging.as_ref().filter(|_| may_speak).map(|phrase| phrase.audio.clone());
        self.note(Note::Bridged { phrase: phrase.is_some() });
        match phrase {
            Some(audio) => {
                self.waiting.phrase_not_before = self.now + play_time(audio.len()) + PHRASE_AGAIN_AFTER;
                self.playout.fill_in(&Source::Phrase, &audio);
            }
            None => self.playout.fill_in(&Source::Chime, &chime()),
        }
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
