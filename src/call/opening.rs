//! How a call begins: the model is dialled ahead of the caller, the greeting is asked for or taken from a former
//! call, and whoever is there first waits for the other.

use super::effects::Purpose;
use super::limits::{LAST_MINUTE, MAX_GREETING_BYTES, STREAM_SILENCE};
use super::machine::Call;
use super::playout::Source;
use super::responding::Reason;
use super::{Deadline, Effect, Greeting, Interruption, Note, Opening};
use crate::domain::Ending;
use crate::wire::model::ItemId;
use crate::wire::twilio::media::Start;

impl Call {
    /// Asks the model for the first words of the call, unless they are there already.
    pub(super) fn wish_opening(&mut self) {
        let what = match &self.brief.opening {
            Opening::GreetFrom(_) => return,
            // A call that broke before a word was heard begins again.
            Opening::Resume { history, why: Interruption::LineLost } if history.is_empty() => self.greet(),
            Opening::Greet => self.greet(),
            Opening::Resume { why: Interruption::LineLost, .. } => {
                "The line was lost for a moment and is back. \
                Do not greet again. In one short sentence, go on where the conversation stopped."
                    .to_owned()
            }
            Opening::Resume { why: Interruption::LineLostAndForgotten, .. } => {
                "You are in the middle of a call. The line was lost for a moment and is back, and you do not know what was \
                said before. Do not greet again. In one short sentence, say that the line was lost, and ask where you were."
                    .to_owned()
            }
            Opening::Resume { why: Interruption::TransferFailed(label), .. } => format!(
                "Nobody answered at {label}, and the caller is back with you. Do not greet again. \
                 Say so in one short sentence and offer to help otherwise or to take a message."
            ),
        };
        let instructions = self.in_character(&what);
        self.responding.wish(Reason::Opening, Some(instructions));
    }

    fn greet(&self) -> String {
        format!(
            "Greet the caller now. Say exactly these words, and nothing else: \"{}\"",
            self.brief.opening_words()
        )
    }

    /// Instructions of one answer replace those of the session: the model is told again who it is.
    pub(super) fn in_character(&self, instructions: &str) -> String {
        format!("{}\n\n{instructions}", self.brief.business.instructions)
    }

    /// The caller's stream is there.
    pub(super) fn on_arrival(&mut self, start: &Start) {
        if self.arrived_at.is_some() {
            self.oddities.unknown += 1;
            return;
        }
        self.arrived_at = Some(self.now);
        self.deadlines.clear(Deadline::CallerArrives);
        self.note(Note::CallerArrived);
        if !start.media_format.is_mulaw_8k_mono() {
            let format = &start.media_format;
            let what =
                format!("{} at {} Hz, {} channels", format.encoding, format.sample_rate, format.channels);
            return self.end(Ending::StreamRefused(what));
        }
        if let Some(ending) = self.phase.doom() {
            return self.end(ending);
        }
        self.phase.begin_talking();
        self.playout.open();
        self.deadlines.set(Deadline::StreamSilent, self.now + STREAM_SILENCE);
        self.deadlines.set(Deadline::TooLong, self.now + self.brief.longest);
        // Into the greeting of a short call it would be rude. A call that goes on in its last minute may have missed it, and
        // if not, it is still true.
        let resumed = matches!(self.brief.opening, Opening::Resume { .. });
        if resumed || self.brief.longest >= LAST_MINUTE * 2 {
            let left_after = self.brief.longest.saturating_sub(LAST_MINUTE);
            self.deadlines.set(Deadline::LastMinute, self.now + left_after);
        }
        if let Opening::GreetFrom(greeting) = &self.brief.opening {
            self.playout.push(&Source::Greeting, &greeting.audio);
            self.playout.complete_all();
        }
    }

    /// Keeps the greeting as the model says it.
    pub(super) fn take_greeting(&mut self, item: &ItemId, audio: &[u8]) {
        let opens = self.responding.active().is_some_and(|active| active.reason == Some(Reason::Opening));
        if !opens || self.brief.opening != Opening::Greet {
            return;
        }
        if self.link.greeting.len() + audio.len() <= MAX_GREETING_BYTES {
            self.link.greeting.extend_from_slice(audio);
            self.link.greeting_item = Some(item.clone());
        }
    }

    /// A greeting that was said to its end, in the very words that were asked for, serves the next caller at once.
    pub(super) fn keep_greeting(&mut self, completed: bool) {
        let audio = std::mem::take(&mut self.link.greeting);
        let Some(item) = self.link.greeting_item.take() else { return };
        let words = self.brief.opening_words();
        if completed && spoken_alike(self.words.of(&item), &words) {
            self.ask_for(Effect::KeepGreeting(Greeting { words, audio: audio.into() }), Purpose::Keep);
        }
    }
}

/// Whether two sentences sound the same: letters and digits alone decide.
pub fn spoken_alike(one: &str, other: &str) -> bool {
    let letters = |text: &str| -> String {
        text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    letters(one) == letters(other)
}
