//! What a call shows to people: its notes, put on its board in the registry. Loudness is one atomic store; all else happens
//! a few times a turn, and nothing at a frame.

use std::sync::Arc;

use crate::call::{Brief, Deadline, Note};
use crate::domain::{MicroDollars, Moment};
use crate::registry::{Board, Present, Rung, Shown, Step, Voices};

/// The carrier's hand on the board of its call.
#[derive(Debug)]
pub(super) struct Showing {
    board: Arc<Board>,
    caller_speaks: bool,
}

impl Showing {
    /// Begins to show a call that is in flight.
    pub(super) fn of<Command>(brief: &Brief, present: &Present<Command>) -> Self {
        Self { board: present.show(shown(brief)), caller_speaks: false }
    }

    /// For tests: a board nobody looks at.
    #[cfg(test)]
    pub(super) fn unseen(brief: &Brief) -> Self {
        Self { board: Arc::new(Board::new(shown(brief))), caller_speaks: false }
    }

    /// The model is dialled.
    pub(super) fn dialled(&self, at: Moment) {
        self.board.step(Rung { at_ms: at.as_millis(), step: Step::ModelDialled }, |_| {});
    }

    /// Puts a note on the board; `spent` says what the call has cost, and is asked when a turn is over.
    pub(super) fn note(&mut self, at: Moment, note: &Note, spent: impl Fn() -> MicroDollars) {
        if let Note::Level { caller_db, model_db } = note {
            let (caller_db, model_db) = (*caller_db, *model_db);
            self.board.hear(Voices { caller_db, model_db, caller_speaks: self.caller_speaks });
            return;
        }
        if let Note::CallerSpeaks | Note::CallerStops = note {
            self.caller_speaks = *note == Note::CallerSpeaks;
            self.board.hear(Voices { caller_speaks: self.caller_speaks, ..self.board.voices() });
        }
        let Some(step) = step_of(note) else { return };
        let counts = matches!(step, Step::Said(_) | Step::Over(_));
        let cost = counts.then(spent);
        self.board.step(Rung { at_ms: at.as_millis(), step }, |shown| {
            if let Some(cost) = cost {
                shown.cost = cost;
            }
        });
    }
}

fn shown(brief: &Brief) -> Shown {
    let business = &brief.business;
    let destinations = business.destinations.iter().map(|to| (to.id.clone(), to.label.clone())).collect();
    let whose = (business.id.clone(), business.name.clone());
    let begun = Shown::begun(brief.call.clone(), brief.attempt, whose, brief.from.clone(), brief.began_ms);
    Shown { destinations, ..begun }
}

/// What a note is on a ladder; nothing, when it is none.
pub fn step_of(note: &Note) -> Option<Step> {
    Some(match note {
        Note::CallerArrived => Step::CallerArrived,
        Note::ModelReady => Step::ModelReady,
        Note::ModelAway => Step::ModelAway,
        Note::SessionRenewed => Step::SessionRenewed,
        Note::Bridged { phrase } => Step::Bridged(*phrase),
        Note::FirstAudio { after_start_ms, .. } => Step::FirstAudio((*after_start_ms)?),
        Note::Said(turn) => Step::Said(turn.clone()),
        Note::BargeIn { heard_ms, made_ms, .. } => Step::BargeIn(*heard_ms, *made_ms),
        Note::Keys(keys) => Step::Keys(keys.clone()),
        Note::ToolCalled { name } => Step::ToolCalled(name.clone()),
        Note::ToolDone { name, done, took_ms } => Step::ToolDone(name.clone(), *done, *took_ms),
        Note::ModelRefused { code, fatal } => Step::ModelRefused(code.clone(), *fatal),
        Note::TooLate(deadline) => Step::TooLate(missed(*deadline)?.to_owned()),
        Note::Leaving(intention) => Step::Leaving(intention.clone()),
        Note::Over { ending, .. } => Step::Over(ending.clone()),
        Note::CallerSpeaks | Note::CallerStops | Note::Padded(_) | Note::Level { .. } => return None,
    })
}

/// Who or what was waited for in vain; nothing where a deadline is only the time for the next step.
fn missed(deadline: Deadline) -> Option<&'static str> {
    Some(match deadline {
        Deadline::CallerArrives => "no stream came after the webhook",
        Deadline::ModelReady => "no session with the model in time",
        Deadline::ModelAnswers => "the model does not answer",
        Deadline::CallerSpeaks => "the caller says nothing",
        Deadline::ToolAnswers => "a tool has not answered",
        Deadline::StreamSilent => "nothing comes from Twilio",
        Deadline::LastMinute => "one minute is left of what the plan allows",
        Deadline::TooLong => "the call has lasted as long as the plan allows",
        Deadline::StreamCloses => "Twilio has not closed the stream",
        Deadline::FarewellPlayed | Deadline::SessionAges | Deadline::SessionEnds | Deadline::HandOver => {
            return None;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::brief;
    use super::*;
    use crate::domain::{Pii, Speaker, Turn};
    use crate::registry::State;

    #[test]
    fn what_a_call_notes_stands_on_its_board_and_loudness_is_no_change() {
        let mut showing = Showing::unseen(&brief());
        let board = Arc::clone(&showing.board);
        let mut note = |ms, note| {
            showing.note(Moment::from_millis(ms), &note, || MicroDollars::new(40));
        };
        note(300, Note::CallerArrived);
        assert_eq!(board.look(|shown| (shown.state.clone(), shown.cost.micros())), (State::Talking, 0));
        let before = board.changes();
        note(500, Note::CallerSpeaks);
        note(600, Note::Level { caller_db: -20, model_db: -96 });
        let voices = board.voices();
        assert_eq!((voices.caller_db, voices.caller_speaks, board.changes()), (-20, true, before));
        let turn = Turn {
            attempt: 1,
            number: 0,
            speaker: Speaker::Caller,
            text: Pii::new("When are you open?".to_owned()),
            began_ms: 500,
            heard_ms: 0,
            interrupted: false,
            answer_delay_ms: None,
        };
        note(900, Note::Said(Box::new(turn)));
        let shown = board.shown();
        assert_eq!((shown.cost.micros(), shown.rungs.len()), (40, 2));
        assert_eq!(shown.last_words.unwrap().1.reveal(), "When are you open?");
    }
}
