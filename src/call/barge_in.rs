//! Interruption: the caller speaks while something is unheard. What Twilio holds is cleared, and the model is told
//! how much of each item was heard, so that it remembers what the caller remembers.

use super::machine::{Call, millis};
use super::playout::{Played, Source};
use super::{Note, Output};
use crate::domain::{Moment, Turn};
use crate::wire::model::{ItemId, ToModel};
use crate::wire::twilio::media::ToTwilio;

impl Call {
    /// The caller speaks. Sessions are set up so that the model stops by itself; the rest is ours.
    pub(super) fn barge_in(&mut self) {
        let speaking = self.responding.active().map(|active| active.response.clone());
        if self.playout.is_silent() && speaking.is_none() {
            return;
        }
        if let Some(response) = speaking {
            self.responding.cut(response);
        }
        let (at_twilio, cuts) = self.playout.clear(self.now);
        if at_twilio {
            self.out(Output::Caller(ToTwilio::Clear));
        }
        if let Some(first) = cuts.iter().find(|cut| cut.source != Source::Chime) {
            let since = self.listening.speaks_since();
            let after_ms = since.map(|began| millis(self.now, began));
            self.note(Note::BargeIn { heard_ms: first.heard_ms, made_ms: first.made_ms, after_ms });
        }
        for cut in cuts {
            self.on_cut(cut);
        }
    }

    /// The call ends in the middle of something: whoever goes on must know how much of it was heard.
    pub(super) fn keep_what_was_heard(&mut self) {
        while let Some(played) = self.playout.pop_finished() {
            self.keep_heard(&played);
        }
        let (_, cuts) = self.playout.clear(self.now);
        for cut in cuts {
            self.keep_heard(&cut);
        }
    }

    fn on_cut(&mut self, cut: Played) {
        self.keep_heard(&cut);
        // A truncation removes the words from the model's memory: what was heard whole keeps them.
        if let Source::Model { item, content_index, .. } = cut.source {
            if cut.heard_ms == 0 {
                self.say_to_model(ToModel::Forget(item));
            } else if !cut.whole {
                self.say_to_model(ToModel::Truncate { item, content_index, heard_ms: cut.heard_ms });
            }
        }
    }

    /// An item was heard, whole or in part.
    pub(super) fn keep_heard(&mut self, played: &Played) {
        let Played { heard_ms, made_ms, .. } = *played;
        let began = played.began_at.unwrap_or(self.now);
        let turn = match &played.source {
            Source::Model { item, .. } => {
                let turn = self.words.model_turn(item, heard_ms, made_ms, began);
                let text = turn.as_ref().map(|turn| &turn.text).filter(|text| !text.reveal().is_empty());
                self.history.on_heard(item, text);
                turn
            }
            Source::Past { item, broke_off } => {
                let least_ms = if *broke_off { self.words.least_ms(item) } else { 0 };
                self.past_turn(item, heard_ms, made_ms.max(least_ms), began)
            }
            Source::Greeting => self.greeting_turn(heard_ms, made_ms, began),
            Source::Phrase => self.phrase_turn(heard_ms, made_ms, began),
            Source::Chime => None,
        };
        if let Some(mut turn) = turn {
            turn.interrupted = !played.whole;
            self.keep_turn(turn);
        }
    }

    /// What was heard of a session that is gone: the one there is now knows nothing of it.
    fn past_turn(&mut self, item: &ItemId, heard_ms: u64, made_ms: u64, began: Moment) -> Option<Turn> {
        let turn = self.words.model_turn(item, heard_ms, made_ms, began);
        let text = turn.as_ref().map(|turn| &turn.text).filter(|text| !text.reveal().is_empty());
        self.history.on_heard(item, text);
        if let Some(text) = text.filter(|_| self.link.is_ready()).cloned() {
            self.say_to_model(ToModel::Said { by_model: true, text });
        }
        turn
    }
}
