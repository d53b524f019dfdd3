//! The line to the model, lost and found again while the caller stays: what becomes of what was under way, and what the
//! next session is told.
//!
//! What the model had made before it was lost is played to its end. It is a good answer, or the beginning of one;
//! clearing it would tear a hole into what the caller hears, and would not be more exact: what was heard is known by its
//! last mark either way, and the next session is told of it then, by the words, as of a greeting from a former call.

use std::time::Duration;

use super::effects::Purpose;
use super::limits::{
    BRIDGE_AFTER, MAX_DIALS, MODEL_ANSWERS, MODEL_READY, REDIAL_PAUSES_MS, SESSION_AGE, SESSION_PROVEN,
    SESSION_SLACK,
};
use super::machine::Call;
use super::responding::{Active, Reason, Responding};
use super::{Deadline, Effect, Note, Outcome};
use crate::audio::resample::Down24kTo8k;
use crate::domain::{Ending, Moment};
use crate::wire::model::{AudioFormat, ItemId, ToModel};

/// The line to the model.
#[derive(Debug, Default)]
pub(super) struct Link {
    state: State,
    /// Dials of this outage that came to nothing, sessions that did not last among them.
    failed_dials: usize,
    redial_at: Option<Moment>,
    /// When the session was set up.
    ready_at: Moment,
    /// Whether some session was asked for the opening.
    opened: bool,
    /// Whether any was heard: then there is no opening to be made any more.
    heard: bool,
    /// Whether the next session has to know that the line was lost.
    broke: bool,
    /// Whether the session is old enough to be followed by another as soon as nobody speaks.
    aged: bool,
    /// Another session was tried because the last one did not answer, and nothing was heard since.
    another_tried: bool,
    /// Turns PCM into what the caller's line carries.
    pub(super) resampler: Option<Down24kTo8k>,
    /// The greeting, as the model says it for the first time.
    pub(super) greeting: Vec<u8>,
    pub(super) greeting_item: Option<ItemId>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A session is being opened.
    #[default]
    Dialling,
    /// There is one, and audio may flow.
    Ready,
    /// The session is given up: nothing that it says counts any more.
    Down,
}

impl Link {
    pub(super) fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Whether the session is so new that nobody can have waited for it to speak.
    pub(super) fn just_came(&self, now: Moment) -> bool {
        self.is_ready() && now.since(self.ready_at) < BRIDGE_AFTER
    }

    /// Whether nothing can come from the model that concerns us.
    pub(super) fn is_down(&self) -> bool {
        self.state == State::Down
    }

    pub(super) fn redial_at(&self) -> Option<Moment> {
        self.redial_at
    }

    /// Whether what opens the call is still to be said.
    pub(super) fn may_open(&self) -> bool {
        !self.heard
    }

    /// The model was heard: it is a good one.
    pub(super) fn on_audible(&mut self) {
        self.another_tried = false;
        self.heard = true;
    }

    /// Lets the session go, and everything that was of it alone.
    fn let_go(&mut self) {
        self.state = State::Down;
        self.resampler = None;
        self.greeting.clear();
        self.greeting_item = None;
        self.aged = false;
    }
}

impl Call {
    /// Opens a session with the model.
    pub(super) fn dial(&mut self) {
        self.link.state = State::Dialling;
        self.link.redial_at = None;
        self.deadlines.set_once(Deadline::ModelReady, self.now + MODEL_READY);
        self.ask_for(Effect::DialModel, Purpose::Dial);
    }

    /// What became of a dial. Success is only told by a session that is ready.
    pub(super) fn on_dialled(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Done => {}
            Outcome::Failed => self.on_model_lost(),
            Outcome::Refused => self.give_up(Ending::ModelRefused),
        }
    }

    pub(super) fn redial_if_due(&mut self) {
        let wanted = self.phase.doom().is_none() && !self.phase.is_closing();
        if self.link.redial_at.take_if(|at| *at <= self.now).is_some() && wanted {
            self.dial();
        }
    }

    /// The session is gone, or was never had. The caller stays, and another is dialled.
    pub(super) fn on_model_lost(&mut self) {
        if self.link.is_down() {
            return;
        }
        if self.phase.is_closing() {
            self.listening.on_model_gone();
            return self.link.let_go();
        }
        let was_ready = self.link.is_ready();
        if was_ready {
            self.oddities.models_lost += 1;
            self.note(Note::ModelAway);
            self.let_session_go();
            self.link.broke = true;
        } else {
            self.link.let_go();
        }
        if self.phase.is_leaving() && !self.phase.awaits_goodbye() {
            return;
        }
        let proven = was_ready && self.now.since(self.link.ready_at) >= SESSION_PROVEN;
        if was_ready {
            self.deadlines.set(Deadline::ModelReady, self.now + MODEL_READY);
        }
        if proven {
            self.link.failed_dials = 0;
            self.dial();
        } else {
            self.redial_later();
        }
    }

    /// The model is there and does not answer. Another session is tried, once; then there is none to be had.
    pub(super) fn try_another_session(&mut self) {
        if std::mem::replace(&mut self.link.another_tried, true) {
            self.give_up(Ending::ModelLost);
        } else {
            self.on_model_lost();
        }
    }

    fn redial_later(&mut self) {
        let pauses = &REDIAL_PAUSES_MS;
        let pause_ms = pauses.get(self.link.failed_dials).or(pauses.last()).copied().unwrap_or_default();
        self.link.failed_dials += 1;
        if self.link.failed_dials >= MAX_DIALS {
            return self.give_up(Ending::ModelLost);
        }
        self.link.redial_at = Some(self.now + Duration::from_millis(pause_ms));
    }

    /// What is under way is sorted: what the caller will still hear, what is to be asked for again, and of whom.
    fn let_session_go(&mut self) {
        let owed = self.deadlines.is_set(Deadline::ModelAnswers);
        self.deadlines.clear(Deadline::ModelAnswers);
        self.deadlines.clear(Deadline::SessionAges);
        self.deadlines.clear(Deadline::SessionEnds);
        self.caller_speaks = false;
        self.words.forget_caller();
        self.history.forget_caller();
        self.listening.on_model_gone();
        self.link.let_go();
        if self.arrived_at.is_none() {
            // Nobody heard anything: the next session begins anew.
            self.link.opened = false;
            self.link.heard = false;
            self.responding = Responding::default();
            self.history.forget_unheard();
            self.playout.clear(self.now);
            return;
        }
        self.playout.outlive_session();
        let active = self.responding.on_session_lost();
        if self.phase.is_leaving() {
            return self.goodbye_was_lost(active.as_ref());
        }
        self.wish_again(active.as_ref(), owed);
    }

    /// What a lost session owed the caller is asked of the next.
    fn wish_again(&mut self, active: Option<&Active>, owed: bool) {
        let unheard = active.filter(|active| !active.audible);
        match unheard.and_then(|active| active.reason) {
            Some(Reason::Opening) => return self.wish_opening(),
            Some(Reason::LastMinute) => return self.wish_last_minute(),
            // What the business wanted said is decided already; anything else is the conversation's own.
            Some(
                Reason::Farewell
                | Reason::Tools
                | Reason::Keys
                | Reason::StillThere
                | Reason::Nudge
                | Reason::GoOn,
            )
            | None => {}
        }
        // Who is heard again is answered without being asked for; a tool that is under way will ask.
        let asked_for =
            !self.responding.is_idle() || self.listening.must_hear_again() || !self.tools.is_idle();
        if (active.is_some() || owed) && !asked_for {
            let instructions = self.in_character(
                "The line was lost for a moment and is back. Do not greet again. Go on where the \
                 conversation stopped: answer the caller if they wait for an answer.",
            );
            self.responding.wish(Reason::GoOn, Some(instructions));
        }
    }

    /// The session is set up: the model learns what was said, hears what the caller has said, and is asked to open or to
    /// go on.
    pub(super) fn on_ready(&mut self, format: AudioFormat) {
        self.link.state = State::Ready;
        self.link.ready_at = self.now;
        self.link.resampler = (format == AudioFormat::Pcm16At24k).then(Down24kTo8k::default);
        self.deadlines.clear(Deadline::ModelReady);
        self.deadlines.set(Deadline::SessionAges, self.now + SESSION_AGE);
        self.deadlines.set(Deadline::SessionEnds, self.now + SESSION_AGE + SESSION_SLACK);
        self.note(Note::ModelReady);
        for words in self.history.tell() {
            self.say_to_model(words);
        }
        if !std::mem::replace(&mut self.link.opened, true) {
            self.wish_opening();
        } else if self.link.broke && !self.responding.is_coming(Reason::Opening) {
            let note = "The line to you was lost for a moment and is back. The caller is still there: do not greet again.";
            self.say_to_model(ToModel::Note(note.to_owned().into()));
        }
        self.link.broke = false;
        let heard_again = self.listening.must_hear_again();
        for audio in self.listening.on_ready(format) {
            self.say_to_model(ToModel::Audio(audio));
        }
        if heard_again {
            self.deadlines.set(Deadline::ModelAnswers, self.now + MODEL_ANSWERS);
        }
    }

    /// Tells the model something, now or when there is one. Whoever comes later is told it too.
    pub(super) fn tell_model(&mut self, words: ToModel) {
        self.history.add(words.clone());
        if self.link.is_ready() {
            self.say_to_model(words);
        }
    }

    /// The session is near the age at which the service ends it.
    pub(super) fn on_session_aged(&mut self) {
        self.link.aged = true;
    }

    /// Between turns, an old session is followed by a new one.
    ///
    /// The old one is given up before the new one is there: a bridge that holds one line to a model is half as large, and
    /// between turns the gap of one connect is no gap. What the caller says in it is kept, and the end of a turn is
    /// waited for longer than a connect takes.
    pub(super) fn renew_session_when_quiet(&mut self) {
        if self.link.aged && self.is_between_turns() {
            self.renew_session();
        }
    }

    /// Opens a new session in place of the one there is.
    pub(super) fn renew_session(&mut self) {
        if !self.link.is_ready() || !self.phase.is_talking() {
            return;
        }
        self.note(Note::SessionRenewed);
        self.let_session_go();
        self.link.failed_dials = 0;
        self.dial();
    }
}
