//! One whole call in virtual time: the real machine and the real codec between a simulated Twilio and model.
//!
//! Nothing here knows a clock. Every frame takes its time over its line, in order; the same plan and seed give the same
//! call, to the microsecond.

mod heard;
mod plan;
mod report;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::heard::ItemHeard;
pub use self::plan::{Latency, Plan};
pub use self::report::{Report, Told};
use super::model::{ModelFault, ModelService};
use super::{Caller, Dice, Frame, TwilioStream};
use crate::call::event_log::EventLog;
use crate::call::{Call, Command, Effect, EffectId, Input, Outcome, Output, Side};
use crate::domain::Moment;
use crate::wire::Text;
use crate::wire::realtime::Codec;
use crate::wire::twilio::media::{FromTwilio, ToTwilio};

/// So many steps without time passing are a machine that never rests.
const MOST_STEPS_AT_ONCE: u32 = 10_000;

/// What a call, its caller and its model live in.
#[derive(Debug)]
pub struct World {
    plan: Plan,
    dice: Dice,
    now: Moment,
    call: Call,
    stream: Option<TwilioStream>,
    caller: Caller,
    models: Vec<ModelService>,
    line: Option<Codec>,
    streaming: bool,
    due: BTreeMap<(Moment, u64), Event>,
    sequence: u64,
    lines: [Moment; 4],
    buffer: String,
    log: Option<EventLog>,
    report: Report,
}

/// What is on its way.
#[derive(Debug)]
enum Event {
    StreamOpens,
    FromTwilio(Frame),
    ToTwilio(Frame),
    FromModel(usize, Frame),
    ToModel(usize, Frame),
    ModelAnswersDial(EffectId),
    Outcome(EffectId, Outcome),
    ToolAnswers(EffectId),
    TwilioEnds(EffectId),
    Command(Command),
}

/// One direction of one line; each is first in, first out.
#[derive(Debug, Clone, Copy)]
enum Way {
    FromTwilio,
    ToTwilio,
    FromModel,
    ToModel,
}

impl World {
    /// A world in which that is about to happen.
    pub fn new(plan: Plan) -> Self {
        let mut world = Self {
            dice: Dice::new(plan.seed),
            now: Moment::START,
            call: Call::new(plan.brief.clone()),
            stream: None,
            caller: Caller::new(plan.caller.clone()),
            models: Vec::new(),
            line: None,
            streaming: false,
            due: BTreeMap::new(),
            sequence: 0,
            lines: [Moment::START; 4],
            buffer: String::new(),
            report: Report::default(),
            log: None,
            plan,
        };
        if world.plan.logged {
            world.log = Some(EventLog::begin(&world.plan.brief, &mut world.report.log));
        }
        if let Some(after) = world.plan.stream_after {
            world.put_off(Moment::START + after, Event::StreamOpens);
        }
        for (at, command) in world.plan.commands.clone() {
            world.put_off(at, Event::Command(command));
        }
        world
    }

    /// Lets everything happen until the call is over and nothing is under way, or the plan's limit.
    pub fn run(mut self) -> Report {
        let mut steps = 0;
        self.carry_out();
        while let Some(next) = self.next_moment().filter(|next| *next <= self.plan.limit) {
            steps = if next > self.now { 0 } else { steps + 1 };
            if steps > MOST_STEPS_AT_ONCE {
                self.report.restless = true;
                break;
            }
            self.now = self.now.max(next);
            self.step();
            self.carry_out();
        }
        self.finish()
    }

    /// Tells the call something, and writes it down.
    fn tell(&mut self, input: Input) {
        if let Some(log) = &mut self.log {
            log.input(&input, self.now, &mut self.report.log);
        }
        self.call.handle(input, self.now);
    }

    fn finish(mut self) -> Report {
        if let Some(log) = &mut self.log {
            log.end(&mut self.report.log);
        }
        self.report.ended_at = self.now;
        self.report.ending = self.call.ending().cloned();
        self.report.steps_done = self.caller.done().to_vec();
        self.report.stream = self.stream;
        self.report.models = self.models;
        self.report
    }

    fn next_moment(&self) -> Option<Moment> {
        let due = self.due.first_key_value().map(|((at, _), _)| *at);
        let stream = self.stream.as_ref().and_then(TwilioStream::wake_at);
        let model = self.models.last().filter(|_| self.line.is_some()).and_then(ModelService::wake_at);
        [due, stream, model, self.call.wake_at()].into_iter().flatten().min()
    }

    /// One thing that is due now. Events first: what arrives at a moment is there when others wake at it.
    fn step(&mut self) {
        if let Some(first) = self.due.first_entry()
            && first.key().0 <= self.now
        {
            let event = first.remove();
            return self.on_event(event);
        }
        if let Some(stream) = &mut self.stream
            && stream.wake_at().is_some_and(|at| at <= self.now)
        {
            stream.wake(&mut self.caller, self.now);
            return self.flush_stream();
        }
        if let Some(model) = self.models.last_mut()
            && self.line.is_some()
            && model.wake_at().is_some_and(|at| at <= self.now)
        {
            model.wake(self.now);
            return self.flush_model();
        }
        self.tell(Input::Tick);
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::StreamOpens => {
                let (names, faults) = (self.plan.names.clone(), self.plan.line_faults.clone());
                self.stream = Some(TwilioStream::new(names, faults, self.now));
            }
            Event::FromTwilio(frame) => self.on_twilio(&frame),
            Event::ToTwilio(frame) => {
                let Some(stream) = &mut self.stream else { return };
                stream.hear(&frame, self.now);
                self.flush_stream();
            }
            Event::FromModel(number, frame) if number + 1 == self.models.len() => self.on_model(frame),
            Event::ToModel(number, frame) if number + 1 == self.models.len() => {
                let Some(model) = self.models.last_mut() else { return };
                model.hear(frame, self.now);
                self.flush_model();
            }
            // Of a connection that was given up.
            Event::FromModel(..) | Event::ToModel(..) => {}
            Event::ModelAnswersDial(id) => self.on_dial_answered(id),
            Event::Outcome(id, outcome) => self.tell(Input::Outcome(id, outcome)),
            Event::ToolAnswers(id) => {
                let answer = Box::new(self.plan.tool_answer.clone());
                self.tell(Input::Answered(id, answer));
            }
            Event::TwilioEnds(id) => {
                self.tell(Input::Outcome(id, self.plan.rest_outcome));
                if self.plan.rest_outcome == Outcome::Done
                    && let Some(stream) = &mut self.stream
                {
                    stream.end(self.now);
                    self.flush_stream();
                }
            }
            Event::Command(command) => self.tell(Input::Command(command)),
        }
    }

    fn on_twilio(&mut self, frame: &Frame) {
        let input = match frame {
            Frame::Text(text) => match FromTwilio::parse(text) {
                Ok(FromTwilio::Start(start)) => {
                    self.streaming = true;
                    Input::Caller(FromTwilio::Start(start))
                }
                Ok(words) => Input::Caller(words),
                Err(_) => Input::Garbage,
            },
            Frame::Binary(_) => Input::Garbage,
            Frame::Close { .. } | Frame::Reset => Input::Lost(Side::Caller),
        };
        // Before `start` nobody knows whose stream it is, and no call is told.
        if self.streaming {
            self.tell(input);
        }
    }

    fn on_model(&mut self, frame: Frame) {
        let Some(codec) = &mut self.line else { return };
        match frame {
            Frame::Text(text) => {
                let words = codec.hear(&text);
                let frames: Vec<Text> = std::iter::from_fn(|| codec.next_frame()).collect();
                for frame in frames {
                    self.tell_model(frame);
                }
                if let Some(words) = words {
                    self.tell(Input::Model(words));
                }
            }
            Frame::Binary(_) => {}
            Frame::Close { .. } | Frame::Reset => {
                self.line = None;
                self.tell(Input::Lost(Side::Model));
            }
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.call.next_output() {
            if let Some(log) = &mut self.log {
                log.output(&output, &mut self.report.log);
            }
            match output {
                Output::Caller(words) => self.tell_twilio(&words),
                Output::Model(words) => {
                    let frame = self.line.as_mut().map(|codec| codec.say(&words));
                    match frame {
                        Some(frame) => self.tell_model(frame),
                        None => self.report.unsent_to_model += 1,
                    }
                }
                Output::Effect(id, effect) => {
                    self.perform(id, &effect);
                    self.report.effects.push((self.now, effect));
                }
                Output::Note(note) => self.report.notes.push((self.now, note)),
                Output::Recording(piece) => self.report.recording.extend_from_slice(&piece),
            }
        }
        // Whoever carries a call closes both sockets when it is over.
        if self.call.ending().is_some() && self.report.over_at.is_none() {
            self.report.over_at = Some(self.now);
            self.line = None;
            if self.stream.is_some() {
                self.send(Way::ToTwilio, Event::ToTwilio(Frame::normal_close()));
            }
        }
    }

    fn perform(&mut self, id: EffectId, effect: &Effect) {
        match effect {
            Effect::DialModel => {
                self.line = None;
                let connect = self.plan.script(self.models.len()).pace.connect;
                self.put_off(self.now + connect, Event::ModelAnswersDial(id));
            }
            Effect::HangUp | Effect::Transfer(_) => {
                self.put_off(self.now + self.plan.rest_takes, Event::TwilioEnds(id));
            }
            Effect::RunTool { .. } => {
                if let Some(takes) = self.plan.tool_takes {
                    self.put_off(self.now + takes, Event::ToolAnswers(id));
                }
            }
            Effect::Intend(_) | Effect::TakeMessage(_) | Effect::Checkpoint(_) | Effect::KeepGreeting(_) => {
                let (at, outcome) = (self.now + self.plan.ledger_takes, self.plan.ledger_outcome);
                self.put_off(at, Event::Outcome(id, outcome));
            }
        }
    }

    fn on_dial_answered(&mut self, id: EffectId) {
        let script = self.plan.script(self.models.len()).clone();
        let refused = script.faults.iter().find_map(|fault| {
            if let ModelFault::RefuseHandshake(status) = fault { Some(*status) } else { None }
        });
        let seed = self.dice.next();
        self.models.push(ModelService::new(script, seed, self.now));
        if let Some(status) = refused {
            let hopeless = matches!(status, 400 | 401 | 403 | 404);
            let outcome = if hopeless { Outcome::Refused } else { Outcome::Failed };
            return self.tell(Input::Outcome(id, outcome));
        }
        let mut codec = Codec::new(self.plan.brief.session());
        let frames: Vec<Text> = std::iter::from_fn(|| codec.next_frame()).collect();
        self.line = Some(codec);
        for frame in frames {
            self.tell_model(frame);
        }
        self.flush_model();
    }

    fn tell_twilio(&mut self, words: &ToTwilio) {
        if self.report.over_at.is_some() {
            self.report.said_after_end += 1;
        }
        if *words == ToTwilio::Clear {
            self.report.clears.push(self.now);
        }
        self.buffer.clear();
        words.write(&self.plan.names.stream, &mut self.buffer);
        let frame = Frame::Text(Text::from(self.buffer.as_str()));
        self.send(Way::ToTwilio, Event::ToTwilio(frame));
    }

    fn tell_model(&mut self, frame: Text) {
        let Some(number) = self.models.len().checked_sub(1) else { return };
        self.send(Way::ToModel, Event::ToModel(number, Frame::Text(frame)));
    }

    fn flush_stream(&mut self) {
        while let Some(frame) = self.stream.as_mut().and_then(|stream| stream.next_frame(self.now)) {
            self.send(Way::FromTwilio, Event::FromTwilio(frame));
        }
    }

    fn flush_model(&mut self) {
        let Some(number) = self.models.len().checked_sub(1) else { return };
        while let Some(frame) = self.models.last_mut().and_then(ModelService::next_frame) {
            self.send(Way::FromModel, Event::FromModel(number, frame));
        }
    }

    /// Puts something on a line: it arrives after the line's time, and after what was put there before.
    fn send(&mut self, way: Way, event: Event) {
        let (index, latency) = match way {
            Way::FromTwilio => (0, self.plan.twilio),
            Way::ToTwilio => (1, self.plan.twilio),
            Way::FromModel => (2, self.plan.model),
            Way::ToModel => (3, self.plan.model),
        };
        let jitter = if latency.jitter.is_zero() { Duration::ZERO } else { self.dice.up_to(latency.jitter) };
        let mut at = self.now + latency.base + jitter;
        if let Some(last) = self.lines.get_mut(index) {
            at = at.max(*last);
            *last = at;
        }
        self.put_off(at, event);
    }

    fn put_off(&mut self, at: Moment, event: Event) {
        self.sequence += 1;
        self.due.insert((at, self.sequence), event);
    }
}

#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;
