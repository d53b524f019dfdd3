//! What a call in flight shows of itself, for whoever watches: written at what happens in it, read by pages.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::lock;
use crate::domain::{
    BusinessId, CallSid, DestinationId, Ending, InstanceId, Intention, MicroDollars, Pii, Speaker, Turn,
};

/// How many rungs of one call are shown: an hour of quick talk has some two thousand, and nobody reads the first of
/// them while it goes on. The call's event log has all.
const MOST_RUNGS: usize = 400;

/// Digital silence, in decibels below full scale.
const SILENCE_DB: i8 = -96;

/// One call as it is seen from outside. The carrier of the call writes it at turns and the like; how loud both sides are
/// is one atomic store, twice a second.
pub struct Board {
    /// Caller and model in decibels, and whether the model hears the caller speak: a byte each.
    voices: AtomicU32,
    changes: AtomicU64,
    shown: Mutex<Shown>,
}

/// What is shown of a call.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Which call.
    pub call: CallSid,
    /// Which of its streams.
    pub attempt: u8,
    /// Whose it is.
    pub business: BusinessId,
    /// The name of the business.
    pub name: String,
    /// Who calls, as Twilio says it.
    pub from: Pii<String>,
    /// Where an operator may send the caller: id and label.
    pub destinations: Vec<(DestinationId, String)>,
    /// Who carries it, when it is not this process.
    pub elsewhere: Option<InstanceId>,
    /// When this stream's task began, in milliseconds since 1970.
    pub began_ms: i64,
    /// When the caller was there, in milliseconds since 1970.
    pub arrived_ms: Option<i64>,
    /// Where it stands.
    pub state: State,
    /// Who said what, last.
    pub last_words: Option<(Speaker, Pii<String>)>,
    /// How long the caller waited for the last answer, in milliseconds.
    pub answer_delay_ms: Option<u64>,
    /// What it has cost so far, an estimate.
    pub cost: MicroDollars,
    /// How often the caller interrupted.
    pub barge_ins: u32,
    /// What happened, in order.
    pub rungs: VecDeque<Rung>,
}

/// Where a call stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// TwiML was answered; the stream is not there yet.
    Waiting,
    /// Caller and model talk.
    Talking,
    /// It ends after the goodbye.
    Leaving(Intention),
    /// It is over.
    Over(Ending),
}

/// Something that happened in a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Rung {
    /// When, in milliseconds since the stream's task began.
    pub at_ms: u64,
    /// What.
    pub step: Step,
}

/// What can happen in a call that is worth a line.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The model is dialled.
    ModelDialled,
    /// Its session is ready.
    ModelReady,
    /// It is lost, and dialled again.
    ModelAway,
    /// Its session was old, and another follows.
    SessionRenewed,
    /// It refused something, for good or not.
    ModelRefused(String, bool),
    /// The caller's stream is there.
    CallerArrived,
    /// The first sound for the caller, in milliseconds after they came.
    FirstAudio(u64),
    /// The caller waited, and heard a phrase or a chime.
    Bridged(bool),
    /// Somebody said something.
    Said(Box<Turn>),
    /// The caller interrupted: heard and made, in milliseconds.
    BargeIn(u64, u64),
    /// The caller pressed keys.
    Keys(Pii<String>),
    /// The model called a tool.
    ToolCalled(String),
    /// A tool has answered: whether it did it, and after how many milliseconds.
    ToolDone(String, bool, u64),
    /// Somebody was waited for in vain: for whom or what.
    TooLate(String),
    /// It will end after the goodbye.
    Leaving(Intention),
    /// It is over.
    Over(Ending),
}

/// Who is heard, and how loud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voices {
    /// The caller, in decibels below full scale.
    pub caller_db: i8,
    /// What the caller hears.
    pub model_db: i8,
    /// Whether the model hears the caller speak.
    pub caller_speaks: bool,
}

impl Board {
    /// A board on which nothing has happened yet.
    pub fn new(shown: Shown) -> Self {
        let silence = Voices { caller_db: SILENCE_DB, model_db: SILENCE_DB, caller_speaks: false };
        Self { voices: AtomicU32::new(silence.pack()), changes: AtomicU64::new(1), shown: Mutex::new(shown) }
    }

    /// How loud both sides are now.
    pub fn hear(&self, voices: Voices) {
        self.voices.store(voices.pack(), Ordering::Relaxed);
    }

    /// Who is heard now.
    pub fn voices(&self) -> Voices {
        Voices::unpack(self.voices.load(Ordering::Relaxed))
    }

    /// Something happened: it becomes the last rung, and whatever else it means for what is shown.
    pub fn step(&self, rung: Rung, also: impl FnOnce(&mut Shown)) {
        let mut shown = lock(&self.shown);
        also(&mut shown);
        shown.follow(&rung);
        if shown.rungs.len() >= MOST_RUNGS {
            shown.rungs.pop_front();
        }
        shown.rungs.push_back(rung);
        drop(shown);
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Counts what happened: what was read at one number is still true while it is the same.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Everything that is shown.
    pub fn shown(&self) -> Shown {
        lock(&self.shown).clone()
    }

    /// A part of what is shown, without a copy of the rest.
    pub fn look<T>(&self, at: impl FnOnce(&Shown) -> T) -> T {
        at(&lock(&self.shown))
    }
}

impl Shown {
    /// A call that has just begun: its caller is not there yet, and nothing has happened.
    pub fn begun(
        call: CallSid,
        attempt: u8,
        (business, name): (BusinessId, String),
        from: Pii<String>,
        began_ms: i64,
    ) -> Self {
        Self {
            call,
            attempt,
            business,
            name,
            from,
            destinations: Vec::new(),
            elsewhere: None,
            began_ms,
            arrived_ms: None,
            state: State::Waiting,
            last_words: None,
            answer_delay_ms: None,
            cost: MicroDollars::default(),
            barge_ins: 0,
            rungs: VecDeque::new(),
        }
    }

    fn follow(&mut self, rung: &Rung) {
        match &rung.step {
            Step::CallerArrived => {
                let at = i64::try_from(rung.at_ms).unwrap_or(0);
                self.arrived_ms = Some(self.began_ms.saturating_add(at));
                self.state = State::Talking;
            }
            Step::Said(turn) => {
                self.last_words = Some((turn.speaker, turn.text.clone()));
                self.answer_delay_ms = turn.answer_delay_ms.or(self.answer_delay_ms);
            }
            Step::BargeIn(..) => self.barge_ins += 1,
            Step::Leaving(intention) => self.state = State::Leaving(intention.clone()),
            Step::Over(ending) => self.state = State::Over(ending.clone()),
            Step::ModelDialled
            | Step::ModelReady
            | Step::ModelAway
            | Step::SessionRenewed
            | Step::ModelRefused(..)
            | Step::FirstAudio(_)
            | Step::Bridged(_)
            | Step::Keys(_)
            | Step::ToolCalled(_)
            | Step::ToolDone(..)
            | Step::TooLate(_) => {}
        }
    }
}

impl Voices {
    fn pack(self) -> u32 {
        let [caller] = self.caller_db.to_le_bytes();
        let [model] = self.model_db.to_le_bytes();
        u32::from_le_bytes([caller, model, u8::from(self.caller_speaks), 0])
    }

    fn unpack(word: u32) -> Self {
        let [caller, model, speaks, _] = word.to_le_bytes();
        Self {
            caller_db: i8::from_le_bytes([caller]),
            model_db: i8::from_le_bytes([model]),
            caller_speaks: speaks != 0,
        }
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Board({} changes)", self.changes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Board {
        Board::new(Shown::begun(
            CallSid::parse("CA1").unwrap(),
            1,
            (BusinessId::parse("luna").unwrap(), "Luna".to_owned()),
            Pii::new("+14155550123".to_owned()),
            1_000,
        ))
    }

    #[test]
    fn a_board_follows_its_call_and_counts_what_changes() {
        let board = board();
        let before = board.changes();
        board.step(Rung { at_ms: 400, step: Step::CallerArrived }, |_| {});
        board.step(Rung { at_ms: 900, step: Step::BargeIn(100, 300) }, |shown| {
            shown.cost = MicroDollars::new(7);
        });
        let shown = board.shown();
        assert_eq!((shown.state, shown.arrived_ms), (State::Talking, Some(1_400)));
        assert_eq!((shown.barge_ins, shown.cost.micros(), shown.rungs.len()), (1, 7, 2));
        assert_eq!(board.changes(), before + 2);
        board.step(Rung { at_ms: 950, step: Step::Over(Ending::HungUp) }, |_| {});
        assert_eq!(board.look(|shown| shown.state.clone()), State::Over(Ending::HungUp));
    }

    #[test]
    fn loudness_is_no_change_and_comes_back_as_it_was_told() {
        let board = board();
        let before = board.changes();
        let voices = Voices { caller_db: -31, model_db: -96, caller_speaks: true };
        board.hear(voices);
        assert_eq!((board.voices(), board.changes()), (voices, before));
    }

    #[test]
    fn of_a_long_call_the_latest_rungs_are_shown() {
        let board = board();
        for at_ms in 0..1_000 {
            board.step(Rung { at_ms, step: Step::Bridged(false) }, |_| {});
        }
        let rungs = board.shown().rungs;
        assert_eq!((rungs.len(), rungs.front().map(|rung| rung.at_ms)), (MOST_RUNGS, Some(600)));
    }
}
