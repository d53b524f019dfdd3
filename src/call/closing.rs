//! How a call ends: the decision is written down, the goodbye is heard to its last mark, and only then is the line
//! let go. A call that ends for a reason of its own needs none of that.

use super::effects::Purpose;
use super::limits::{
    FAREWELL_BEGINS, FAREWELL_SLACK, HAND_OVER, INTENTION_KEPT, LONGEST_FAREWELL, MAX_STILL_THERE,
    MODEL_ANSWERS, STREAM_CLOSES,
};
use super::machine::{Call, millis};
use super::responding::{Active, Reason};
use super::{Deadline, Effect, EffectId, Note, Outcome, Output};
use crate::domain::{Ending, Intention, Moment};
use crate::wire::model::{ResponseId, ToolCallId};

/// Where a call stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// The caller's stream is not there yet. A doom is what the call will end of when it is.
    Waiting {
        /// Why the call cannot be.
        doomed: Option<Ending>,
    },
    /// Caller and model talk.
    Talking,
    /// The call will end after the goodbye.
    Leaving(Leaving),
    /// Nothing more is said; the ending waits for a last outcome, or for Twilio to close the stream.
    Closing {
        /// What it will be.
        ending: Ending,
        /// Which outcome it waits for; none: for Twilio.
        effect: Option<EffectId>,
    },
    /// It is over.
    Over(Ending),
}

/// A goodbye.
#[derive(Debug)]
pub(super) struct Leaving {
    intention: Intention,
    /// The write of the intention, until it is known to be kept.
    keeping: Option<EffectId>,
    goodbye: Goodbye,
    /// When the goodbye is over, however much of it is left.
    over_at: Moment,
    /// Nothing the caller says can change it.
    last: bool,
}

/// Where the goodbye comes from.
#[derive(Debug, PartialEq, Eq)]
enum Goodbye {
    /// Perhaps from the answer that asked to leave: its end decides.
    In(ResponseId),
    /// From an answer of its own, which was wished for in these words.
    Wished(String),
    /// It is all there, and only has to be heard.
    There,
}

impl Phase {
    /// Why it is over, when it is.
    pub(super) fn ending(&self) -> Option<&Ending> {
        match self {
            Self::Over(ending) => Some(ending),
            Self::Waiting { .. } | Self::Talking | Self::Leaving(_) | Self::Closing { .. } => None,
        }
    }

    /// Whether caller and model talk, and nobody means to leave.
    pub(super) fn is_talking(&self) -> bool {
        matches!(self, Self::Talking)
    }

    /// Whether the call will end after a goodbye.
    pub(super) fn is_leaving(&self) -> bool {
        matches!(self, Self::Leaving(_))
    }

    /// Whether the goodbye is still to come.
    pub(super) fn awaits_goodbye(&self) -> bool {
        matches!(self, Self::Leaving(leaving) if leaving.goodbye != Goodbye::There)
    }

    /// Whether nothing more is to be said.
    pub(super) fn is_closing(&self) -> bool {
        matches!(self, Self::Closing { .. } | Self::Over(_))
    }

    /// What the call will end of as soon as the caller is there.
    pub(super) fn doom(&self) -> Option<Ending> {
        match self {
            Self::Waiting { doomed } => doomed.clone(),
            Self::Talking | Self::Leaving(_) | Self::Closing { .. } | Self::Over(_) => None,
        }
    }

    /// The caller is there.
    pub(super) fn begin_talking(&mut self) {
        *self = Self::Talking;
    }
}

impl Call {
    /// The call is over, now.
    pub(super) fn end(&mut self, ending: Ending) {
        if self.ending().is_some() {
            return;
        }
        self.keep_what_was_heard();
        if let (Some(recording), Some(arrived)) = (&mut self.recording, self.arrived_at) {
            for heard in self.playout.take_heard_audio() {
                recording.heard(millis(heard.at, arrived), &heard.audio);
            }
            if let Some(rest) = recording.take_rest() {
                self.out(Output::Recording(rest));
            }
        }
        self.deadlines.clear_all();
        self.note(Note::Over { ending: ending.clone(), usage: self.usage, oddities: self.oddities });
        self.phase = Phase::Over(ending);
    }

    /// Ends the call, or, while the caller is still to come, as soon as the caller is there: an answer that nobody
    /// waits for would look like one that never was.
    pub(super) fn end_or_doom(&mut self, ending: Ending) {
        match &mut self.phase {
            // The first doom stands: what is meant to happen was written down for it.
            Phase::Waiting { doomed } => {
                doomed.get_or_insert(ending);
            }
            Phase::Talking | Phase::Leaving(_) | Phase::Closing { .. } | Phase::Over(_) => self.end(ending),
        }
    }

    /// No model can answer: what the business wants then is written down, and the stream is let go.
    pub(super) fn give_up(&mut self, ending: Ending) {
        match &self.phase {
            Phase::Waiting { doomed: Some(_) } | Phase::Closing { .. } | Phase::Over(_) => return,
            Phase::Leaving(_) => return self.goodbye_is_all_there(),
            Phase::Waiting { doomed: None } | Phase::Talking => {}
        }
        let effect = self.ask_for(Effect::Intend(Some(Intention::FallBack)), Purpose::Intend);
        if matches!(self.phase, Phase::Waiting { .. }) {
            return self.end_or_doom(ending);
        }
        self.deadlines.clear_all();
        self.deadlines.set(Deadline::StreamCloses, self.now + INTENTION_KEPT);
        self.phase = Phase::Closing { ending, effect: Some(effect) };
    }

    /// The model asks to leave, in an answer that may hold the goodbye.
    pub(super) fn leave_on_request(&mut self, intention: Intention, response: ResponseId, call: ToolCallId) {
        self.acknowledge_tool(call);
        self.leave(intention, Goodbye::In(response), false);
    }

    /// We leave, with a goodbye of our asking; the `last` one is not taken back.
    fn leave_with(&mut self, instructions: &str, last: bool) {
        if let Phase::Leaving(leaving) = &mut self.phase {
            leaving.last |= last;
        }
        if !self.phase.is_talking() {
            return;
        }
        let instructions = self.in_character(instructions);
        self.responding.wish(Reason::Farewell, Some(instructions.clone()));
        self.leave(Intention::HangUp, Goodbye::Wished(instructions), last);
    }

    fn leave(&mut self, intention: Intention, goodbye: Goodbye, last: bool) {
        if !self.phase.is_talking() {
            return;
        }
        self.note(Note::Leaving(intention.clone()));
        let keeping = Some(self.ask_for(Effect::Intend(Some(intention.clone())), Purpose::Intend));
        self.deadlines.clear(Deadline::ModelAnswers);
        self.deadlines.set(Deadline::FarewellPlayed, self.now + FAREWELL_BEGINS);
        let over_at = self.now + LONGEST_FAREWELL;
        self.phase = Phase::Leaving(Leaving { intention, keeping, goodbye, over_at, last });
    }

    /// The caller spoke into a goodbye: there is more to say. A transfer goes on: the caller asked for it.
    pub(super) fn stay_after_all(&mut self) {
        let Phase::Leaving(Leaving { intention: Intention::HangUp, last: false, .. }) = &self.phase else {
            return;
        };
        self.phase = Phase::Talking;
        self.responding.unwish(Reason::Farewell);
        self.deadlines.clear(Deadline::FarewellPlayed);
        self.ask_for(Effect::Intend(None), Purpose::Keep);
    }

    /// An answer is over: perhaps it was the goodbye, perhaps it left the goodbye to another.
    pub(super) fn on_answer_over(&mut self, done: &Active) {
        let Phase::Leaving(leaving) = &mut self.phase else { return };
        let asked_to_leave = leaving.goodbye == Goodbye::In(done.response.clone());
        if done.reason == Some(Reason::Farewell) || (asked_to_leave && done.audible) {
            return self.goodbye_is_all_there();
        }
        if asked_to_leave {
            let words = match &leaving.intention {
                Intention::Transfer(_) => {
                    "Tell the caller in one short sentence that you are connecting them now."
                }
                Intention::HangUp | Intention::FallBack => "Say goodbye to the caller in one short sentence.",
            };
            let instructions = self.in_character(words);
            self.wish_goodbye(instructions);
        }
    }

    /// The session that was to say goodbye is gone. What was heard of it has to do; of an answer of which nothing was
    /// heard, the next session is asked, if there is one in time.
    pub(super) fn goodbye_was_lost(&mut self, active: Option<&Active>) {
        let (Phase::Leaving(leaving), Some(active)) = (&self.phase, active) else { return };
        match &leaving.goodbye {
            Goodbye::Wished(instructions) if active.reason == Some(Reason::Farewell) && !active.audible => {
                self.wish_goodbye(instructions.clone());
            }
            Goodbye::Wished(_) | Goodbye::In(_) | Goodbye::There => self.on_answer_over(active),
        }
    }

    fn wish_goodbye(&mut self, instructions: String) {
        let Phase::Leaving(leaving) = &mut self.phase else { return };
        leaving.goodbye = Goodbye::Wished(instructions.clone());
        self.responding.wish(Reason::Farewell, Some(instructions));
    }

    /// No more of the goodbye will come: it has to be heard, or what there is of it.
    pub(super) fn goodbye_is_all_there(&mut self) {
        let Phase::Leaving(leaving) = &mut self.phase else { return };
        leaving.goodbye = Goodbye::There;
        let over_at = leaving.over_at;
        self.playout.complete_all();
        let played_at = self.playout.ends_at(self.now) + FAREWELL_SLACK;
        self.deadlines.set(Deadline::FarewellPlayed, played_at.min(over_at));
    }

    pub(super) fn on_intention_kept(&mut self, id: EffectId) {
        match &mut self.phase {
            Phase::Leaving(leaving) if leaving.keeping == Some(id) => leaving.keeping = None,
            Phase::Closing { ending, effect: Some(effect) } if *effect == id => {
                let ending = ending.clone();
                self.end(ending);
            }
            Phase::Waiting { .. }
            | Phase::Talking
            | Phase::Leaving(_)
            | Phase::Closing { .. }
            | Phase::Over(_) => {}
        }
    }

    /// Leaves when the decision is kept and the goodbye was heard.
    pub(super) fn leave_when_said(&mut self) {
        let Phase::Leaving(leaving) = &self.phase else { return };
        if leaving.keeping.is_none() && leaving.goodbye == Goodbye::There && self.playout.is_silent() {
            self.leave_now();
        }
    }

    /// Lets Twilio end or move the call.
    fn leave_now(&mut self) {
        let Phase::Leaving(leaving) = &self.phase else { return };
        let (effect, ending) = match &leaving.intention {
            Intention::Transfer(to) => (Effect::Transfer(to.clone()), Ending::Transferred(to.clone())),
            Intention::HangUp | Intention::FallBack => (Effect::HangUp, Ending::HungUp),
        };
        let effect = self.ask_for(effect, Purpose::Leave);
        self.deadlines.clear_all();
        self.deadlines.set(Deadline::StreamCloses, self.now + STREAM_CLOSES);
        self.phase = Phase::Closing { ending, effect: Some(effect) };
    }

    /// Twilio was told to end or move the call. When it could not be told, closing the stream does it: Twilio then
    /// asks what to do next, and the decision is written down.
    pub(super) fn on_left(&mut self, outcome: Outcome) {
        let Phase::Closing { ending, effect } = &mut self.phase else { return };
        match outcome {
            Outcome::Done => *effect = None,
            Outcome::Failed | Outcome::Refused => {
                let ending = ending.clone();
                self.end(ending);
            }
        }
    }

    /// The stream is over, by a word of Twilio's or without one.
    pub(super) fn on_stream_over(&mut self, otherwise: Ending) {
        let ending = match &self.phase {
            Phase::Closing { ending, .. } => ending.clone(),
            Phase::Waiting { .. } | Phase::Talking | Phase::Leaving(_) | Phase::Over(_) => otherwise,
        };
        self.end(ending);
    }

    /// Another instance should go on.
    pub(super) fn on_hand_over(&mut self) {
        self.hand_over = true;
        self.deadlines.set_once(Deadline::HandOver, self.now + HAND_OVER);
    }

    /// Hands over between turns, so that no word is lost: what the caller just asked is not yet transcribed, and a call
    /// that went on elsewhere would not know it.
    pub(super) fn hand_over_when_quiet(&mut self) {
        if self.hand_over && self.is_between_turns() && self.phase.is_talking() {
            self.end(Ending::HandedOver);
        }
    }

    /// Whether nobody speaks, nobody owes the other an answer, and the words of all that was said are known.
    pub(super) fn is_between_turns(&self) -> bool {
        let answer_due = self.deadlines.is_set(Deadline::ModelAnswers) || !self.responding.is_idle();
        let model_is_done = !answer_due && self.tools.is_idle() && self.playout.is_silent();
        let all_known = !self.history.awaits_words() && !self.listening.must_hear_again();
        !self.caller_speaks && model_is_done && all_known
    }

    pub(super) fn on_deadline(&mut self, deadline: Deadline) {
        // Looked at once a minute instead of being moved fifty times a second.
        if let Some(dead_at) = self.listening.dead_at().filter(|at| *at > self.now)
            && deadline == Deadline::StreamSilent
        {
            return self.deadlines.set(deadline, dead_at);
        }
        self.note(Note::TooLate(deadline));
        match deadline {
            Deadline::CallerArrives => self.end(Ending::NeverConnected),
            Deadline::ModelReady => self.give_up(Ending::ModelLost),
            Deadline::ModelAnswers => self.on_model_silent(),
            Deadline::CallerSpeaks => self.on_caller_silent(),
            Deadline::ToolAnswers => self.on_tools_late(),
            Deadline::FarewellPlayed => self.leave_now(),
            Deadline::StreamCloses => self.on_stream_over(Ending::StreamLost),
            Deadline::LastMinute => self.wish_last_minute(),
            Deadline::SessionAges => self.on_session_aged(),
            Deadline::SessionEnds => self.renew_session(),
            Deadline::TooLong => {
                self.leave_with(
                    "The time for this call is over. Say so and say goodbye, in one short sentence.",
                    true,
                );
            }
            Deadline::StreamSilent => self.end(Ending::StreamLost),
            // What is decided is carried out; another instance could only do the same.
            Deadline::HandOver if self.phase.is_leaving() => self.leave_now(),
            Deadline::HandOver => self.end_or_doom(Ending::HandedOver),
        }
    }

    pub(super) fn wish_last_minute(&mut self) {
        let words = "Tell the caller in one short sentence that only one minute is left, and come to an end.";
        let instructions = self.in_character(words);
        self.responding.wish(Reason::LastMinute, Some(instructions));
    }

    /// Nudged once, then followed by another session, then given up.
    fn on_model_silent(&mut self) {
        if self.phase.is_leaving() {
            return self.goodbye_is_all_there();
        }
        // A model that heard the caller begin, and says nothing more, will not say when they stop.
        self.caller_speaks = false;
        self.listening.on_caller_stopped();
        self.failed_answers += 1;
        if self.failed_answers > 1 {
            return self.try_another_session();
        }
        self.responding.on_silence();
        if self.responding.is_idle() {
            self.responding.wish(Reason::Nudge, None);
        }
        self.deadlines.set(Deadline::ModelAnswers, self.now + MODEL_ANSWERS);
    }

    /// Asked twice, then wished a good day.
    fn on_caller_silent(&mut self) {
        self.still_there += 1;
        if self.still_there > MAX_STILL_THERE {
            self.leave_with(
                "The caller has not said anything for a while. Say goodbye in one short sentence.",
                false,
            );
        } else {
            let instructions =
                self.in_character("The caller is silent. Ask in one short sentence whether they are there.");
            self.responding.wish(Reason::StillThere, Some(instructions));
        }
    }
}
