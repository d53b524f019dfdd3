//! Interruption: the caller speaks while something is unheard. What Twilio holds is cleared, and the model is told
//! how much of each item was heard, so that it remembers what the caller remembers.

use super::machine::Call;
use super::playout::{Played, Source};
use super::{Note, Opening, Output};
use crate::domain::{Moment, Pii, Turn};
use crate::wire::model::ToModel;
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
        if let Some(first) = cuts.first() {
            self.note(Note::BargeIn { heard_ms: first.heard_ms, made_ms: first.made_ms });
        }
        for cut in cuts {
            self.on_cut(cut);
        }
    }

    /// The call ends in the middle of something: whoever goes on must know how much of it was heard.
    pub(super) fn keep_what_was_heard(&mut self) {
        while let Some(played) = self.playout.pop_finished() {
            self.on_played(played);
        }
        let (_, cuts) = self.playout.clear(self.now);
        for cut in cuts {
            let began = cut.began_at.unwrap_or(self.now);
            let turn = match &cut.source {
                Source::Greeting => self.greeting_turn(cut.heard_ms, cut.made_ms, began),
                Source::Model { item, .. } => self.words.model_turn(item, cut.heard_ms, cut.made_ms, began),
            };
            if let Some(mut turn) = turn {
                turn.interrupted = !cut.whole;
                self.keep_turn(turn);
            }
        }
    }

    fn on_cut(&mut self, cut: Played) {
        let began = cut.began_at.unwrap_or(self.now);
        let turn = match cut.source {
            Source::Greeting => self.greeting_turn(cut.heard_ms, cut.made_ms, began),
            Source::Model { item, content_index, .. } => {
                let turn = self.words.model_turn(&item, cut.heard_ms, cut.made_ms, began);
                // A truncation removes the words from the model's memory: what was heard whole keeps them.
                if cut.heard_ms == 0 {
                    self.say_to_model(ToModel::Forget(item));
                } else if !cut.whole {
                    self.say_to_model(ToModel::Truncate { item, content_index, heard_ms: cut.heard_ms });
                }
                turn
            }
        };
        if let Some(mut turn) = turn {
            turn.interrupted = !cut.whole;
            self.keep_turn(turn);
        }
    }

    /// The greeting from a former call was heard, whole or in part: the model has to be told that it was said.
    pub(super) fn greeting_turn(&mut self, heard_ms: u64, made_ms: u64, began: Moment) -> Option<Turn> {
        let Opening::GreetFrom(greeting) = &self.brief.opening else { return None };
        let turn = self.words.said_turn(&greeting.words, heard_ms, made_ms, began)?;
        self.say_or_keep(ToModel::Said { by_model: true, text: Pii::new(turn.text.reveal().clone()) });
        Some(turn)
    }
}
