//! The machine itself: one place where inputs arrive, and one where everything that follows from them is settled.

use std::collections::VecDeque;

use super::bridging::Waiting;
use super::closing::Phase;
use super::deadlines::Deadlines;
use super::effects::Effects;
use super::history::History;
use super::limits::{CALLER_ARRIVAL, CALLER_SILENCE, LEVEL_EVERY, MAX_AHEAD, MODEL_ANSWERS, SPEECH_ENDS};
use super::listening::Listening;
use super::playout::{Playout, Source};
use super::recording::Recording;
use super::relinking::Link;
use super::responding::{Reason, Responding};
use super::tools::Tools;
use super::words::Words;
use super::{Brief, Deadline, Input, Note, Oddities, Opening, Output, Side};
use crate::domain::{Ending, Moment, Usage};
use crate::wire::model::ToModel;
use crate::wire::twilio::media::ToTwilio;

/// One call. See the module for how it is carried.
#[derive(Debug)]
pub struct Call {
    pub(super) brief: Brief,
    /// The latest moment it was told; time never runs back.
    pub(super) now: Moment,
    pub(super) outputs: VecDeque<Output>,
    pub(super) phase: Phase,
    pub(super) link: Link,
    pub(super) listening: Listening,
    pub(super) playout: Playout,
    pub(super) responding: Responding,
    pub(super) words: Words,
    pub(super) history: History,
    pub(super) tools: Tools,
    pub(super) effects: Effects,
    pub(super) deadlines: Deadlines,
    pub(super) recording: Option<Recording>,
    pub(super) usage: Usage,
    pub(super) oddities: Oddities,
    /// When the caller's stream was there.
    pub(super) arrived_at: Option<Moment>,
    /// The caller is speaking, as the model hears it.
    pub(super) caller_speaks: bool,
    pub(super) waiting: Waiting,
    /// How often a silent caller was asked in a row.
    pub(super) still_there: u32,
    /// How often in a row the model was nudged, or an answer of its failed.
    pub(super) failed_answers: u32,
    /// Another instance should go on with the call as soon as nobody speaks.
    pub(super) hand_over: bool,
    first_audio_told: bool,
    level_told_at: Moment,
}

impl Call {
    /// A call begins: the model is dialled at once, the caller is waited for.
    pub fn new(brief: Brief) -> Self {
        let mut call = Self {
            now: Moment::START,
            outputs: VecDeque::new(),
            phase: Phase::Waiting { doomed: None },
            link: Link::default(),
            listening: Listening::default(),
            playout: Playout::new(brief.recorded),
            responding: Responding::default(),
            words: Words::new(brief.attempt),
            history: match &brief.opening {
                Opening::Resume { history, .. } => History::of(history),
                Opening::Greet | Opening::GreetFrom(_) => History::default(),
            },
            tools: Tools::default(),
            effects: Effects::default(),
            deadlines: Deadlines::default(),
            recording: brief.recorded.then(Recording::default),
            usage: Usage::default(),
            oddities: Oddities::default(),
            arrived_at: None,
            caller_speaks: false,
            waiting: Waiting::default(),
            still_there: 0,
            failed_answers: 0,
            hand_over: false,
            first_audio_told: false,
            level_told_at: Moment::START,
            brief,
        };
        call.deadlines.set(Deadline::CallerArrives, Moment::START + CALLER_ARRIVAL);
        call.dial();
        call
    }

    /// Takes what happened. `now` never runs back: an earlier one is taken as the latest before it.
    pub fn handle(&mut self, input: Input, now: Moment) {
        if self.ending().is_some() {
            return;
        }
        self.now = self.now.max(now);
        match input {
            Input::Caller(words) => self.on_caller(words),
            Input::Model(words) => self.on_model(words),
            Input::Command(command) => self.on_command(command),
            Input::Outcome(id, outcome) => self.on_outcome(id, outcome),
            Input::Answered(id, answer) => self.on_tool_answer(id, &answer),
            Input::Lost(Side::Caller) => self.on_stream_over(Ending::StreamLost),
            Input::Lost(Side::Model) => self.on_model_lost(),
            Input::Garbage => self.oddities.garbage += 1,
            Input::Tick => {}
        }
        self.on_time();
        self.settle();
    }

    /// What to do next, until nothing.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::Tick`] if nothing else happens. Early or late is harmless.
    pub fn wake_at(&self) -> Option<Moment> {
        if self.ending().is_some() {
            return None;
        }
        let alarms = [
            self.deadlines.next(),
            self.playout.wake_at(),
            self.listening.wake_at(),
            self.link.redial_at(),
            self.bridge_at(),
            self.responding.wake_at(|reason| self.may_ask_for(reason)),
        ];
        alarms.into_iter().flatten().min()
    }

    /// What it has used of the model so far.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Why it is over, when it is. Outputs from before are still to be taken.
    pub fn ending(&self) -> Option<&Ending> {
        self.phase.ending()
    }

    pub(super) fn out(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn note(&mut self, note: Note) {
        self.out(Output::Note(note));
    }

    pub(super) fn say_to_model(&mut self, words: ToModel) {
        self.out(Output::Model(words));
    }

    /// Everything that is due by now.
    fn on_time(&mut self) {
        while self.ending().is_none()
            && let Some(deadline) = self.deadlines.pop_due(self.now)
        {
            self.on_deadline(deadline);
        }
        if self.ending().is_some() {
            return;
        }
        self.redial_if_due();
        let padding = self.listening.on_tick(self.now);
        self.forward(padding);
        if let Some(keys) = self.listening.take_keys(self.now) {
            self.on_keys(&keys);
        }
    }

    /// What follows from all that has happened.
    fn settle(&mut self) {
        if self.ending().is_some() {
            return;
        }
        while let Some(played) = self.playout.pop_finished() {
            self.keep_heard(&played);
        }
        self.play();
        self.record();
        self.wish_for_tools();
        self.ask_model();
        self.watch_model();
        self.bridge_silence();
        self.leave_when_said();
        self.watch_silence();
        self.tell_levels();
        self.hand_over_when_quiet();
        self.renew_session_when_quiet();
    }

    /// Sends what the caller should hear next.
    pub(super) fn play(&mut self) {
        while let Some(piece) = self.playout.next_piece(self.now) {
            if let Some((source, heard_at)) = piece.first_of {
                self.on_first_sound(&source, heard_at);
            }
            self.out(Output::Caller(ToTwilio::Media(piece.audio)));
            self.out(Output::Caller(ToTwilio::Mark(piece.mark)));
        }
    }

    /// The first sound of an item: how long the caller waited for it.
    fn on_first_sound(&mut self, source: &Source, heard_at: Moment) {
        if *source == Source::Chime {
            return;
        }
        let after_start_ms =
            self.arrived_at.filter(|_| !self.first_audio_told).map(|at| millis(heard_at, at));
        let mut after_caller_ms = None;
        if let Source::Model { item, .. } = source {
            after_caller_ms = self.listening.take_stopped_at().map(|stopped| millis(heard_at, stopped));
            if let Some(ms) = after_caller_ms {
                self.words.answered_after(item, ms);
            }
        }
        if after_start_ms.is_some() || after_caller_ms.is_some() {
            self.first_audio_told = true;
            self.note(Note::FirstAudio { after_caller_ms, after_start_ms });
        }
    }

    fn record(&mut self) {
        let (Some(recording), Some(arrived)) = (&mut self.recording, self.arrived_at) else { return };
        for heard in self.playout.take_heard_audio() {
            recording.heard(millis(heard.at, arrived), &heard.audio);
        }
        if let Some(piece) = recording.take_settled(millis(self.now, arrived)) {
            self.out(Output::Recording(piece));
        }
    }

    fn ask_model(&mut self) {
        if !self.link.may_open() {
            self.responding.unwish(Reason::Opening);
        }
        let Some(reason) = self.responding.next_wish(|reason| self.may_ask_for(reason)) else { return };
        if let Some(ask) = self.responding.ask(reason, self.now, self.tools.may_be_called()) {
            self.deadlines.set(Deadline::ModelAnswers, self.now + MODEL_ANSWERS);
            self.say_to_model(ask);
        }
    }

    /// Whether there is a model to ask, and somebody to hear the answer.
    fn may_ask(&self) -> bool {
        self.link.is_ready() && !self.phase.is_closing()
    }

    /// Whether to ask for this now. Nothing but the goodbye belongs into a goodbye, and only what cannot wait is said
    /// into the caller's words.
    fn may_ask_for(&self, reason: Reason) -> bool {
        let bound_to_be_said = matches!(reason, Reason::Farewell | Reason::LastMinute);
        self.may_ask()
            && (reason == Reason::Farewell || !self.phase.is_leaving())
            && (bound_to_be_said || !self.caller_speaks)
            && (reason != Reason::GoOn || !self.playout.outlives_session())
            && (reason != Reason::Tools || self.playout.ends_at(self.now).since(self.now) <= MAX_AHEAD)
    }

    /// An answer that was asked for or has begun, and of which nothing comes, is waited for with patience and no longer.
    fn watch_model(&mut self) {
        if self.caller_speaks && self.may_ask() {
            // The model will say when the caller stops, unless it says nothing at all any more.
            return if self.listening.hears_speech() {
                self.deadlines.clear(Deadline::ModelAnswers);
            } else {
                self.deadlines.set_once(Deadline::ModelAnswers, self.now + SPEECH_ENDS);
            };
        }
        let owed = self.responding.active().is_some() || self.responding.is_asked();
        if owed && self.may_ask() && !self.phase.is_leaving() && !self.caller_speaks && self.playout.is_dry()
        {
            self.deadlines.set_once(Deadline::ModelAnswers, self.now + MODEL_ANSWERS);
        }
    }

    /// A caller's silence begins when nobody has anything left to say.
    fn watch_silence(&mut self) {
        let quiet = self.phase.is_talking()
            && self.link.is_ready()
            && !self.caller_speaks
            && self.responding.is_idle()
            && self.tools.is_idle()
            && self.playout.is_silent();
        if quiet {
            self.deadlines.set_once(Deadline::CallerSpeaks, self.now + CALLER_SILENCE);
        } else {
            self.deadlines.clear(Deadline::CallerSpeaks);
        }
    }

    fn tell_levels(&mut self) {
        if self.arrived_at.is_none() || self.now < self.level_told_at + LEVEL_EVERY {
            return;
        }
        self.level_told_at = self.now;
        let level = Note::Level { caller_db: self.listening.level_db(), model_db: self.playout.level_db() };
        self.note(level);
    }
}

/// Whole milliseconds from `earlier` to `later`; zero when it is the other way round.
pub(super) fn millis(later: Moment, earlier: Moment) -> u64 {
    later.as_millis().saturating_sub(earlier.as_millis())
}
