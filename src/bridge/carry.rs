//! The loop that carries one call: it polls everything the call can hear, in a fixed order, and does what it says.
//!
//! Nothing in here waits but for the next input. Priorities: what is known already, commands, outcomes, the caller's
//! arrival, the model's connection, the alarm; then the two sockets, taking turns in who is asked first.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Sleep, sleep_until};

use super::Order;
use super::clock::Clock;
use super::effects::{self, Begun, Dialling, Effects};
use super::leg::{Heard, Leg, PING_EVERY, Socket};
use super::notes;
use super::scribe::{Entry, Scribe};
use super::showing::Showing;
use super::trace::Tracing;
use super::waiting::Arrival;
use crate::call::event_log::EventLog;
use crate::call::{Brief, Call, EffectId, Input, Note, Oddities, Outcome, Output, Side};
use crate::clients::ConnectError;
use crate::domain::{Ending, Moment, StreamSid, ToolAnswer, Usage};
use crate::wire::model::{SessionConfig, ToModel};
use crate::wire::realtime::Codec;
use crate::wire::twilio::media::{FromTwilio, ToTwilio};

/// How long the end waits for the ledger before the caller's socket is closed: Twilio asks what is next as soon as it is,
/// and should find the answer.
const LEDGER_PATIENCE: Duration = Duration::from_secs(1);

/// How long a peer has for its part of a goodbye.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(1);

/// The same for both when the process stops now: both together are over before the process is.
const HURRIED_PATIENCE: Duration = Duration::from_millis(300);

/// Between two alarms of one call, the timer's own grain: a deadline that is due and stays due must not spin a core.
const TICK_REST: Duration = Duration::from_millis(1);

/// First size of the buffer for messages to Twilio: some ten messages of 20 ms. It grows when it must.
const CALLER_BUFFER_BYTES: usize = 4 * 1024;

/// What a call is carried with.
pub(super) struct Reins<C, M> {
    /// What has been said to this call from our own house.
    pub(super) orders: mpsc::Receiver<Order>,
    /// What became of its effects.
    pub(super) outcomes: mpsc::Receiver<(EffectId, Outcome)>,
    /// What the business's own tools answered.
    pub(super) answers: mpsc::Receiver<(EffectId, Box<ToolAnswer>)>,
    /// Its caller, when they come.
    pub(super) arrival: oneshot::Receiver<Arrival<C>>,
    /// What does its effects.
    pub(super) effects: Effects<M>,
    /// What writes it down.
    pub(super) scribe: Scribe,
    /// What shows it to people.
    pub(super) showing: Showing,
}

/// One call and all that belongs to carrying it.
pub(super) struct Carrier<C, M> {
    call: Call,
    clock: Clock,
    session: SessionConfig,
    log: Option<EventLog>,
    orders: mpsc::Receiver<Order>,
    outcomes: mpsc::Receiver<(EffectId, Outcome)>,
    answers: mpsc::Receiver<(EffectId, Box<ToolAnswer>)>,
    arrival: Option<oneshot::Receiver<Arrival<C>>>,
    effects: Effects<M>,
    scribe: Scribe,
    showing: Showing,
    /// Outcomes that were known at once.
    known: VecDeque<(EffectId, Outcome)>,
    dialling: Option<(EffectId, Dialling<M>)>,
    caller: Option<(StreamSid, Leg<C>)>,
    model: Option<(Codec, Leg<M>)>,
    /// When the model was dialled last.
    dialled_at: Moment,
    model_first: bool,
    alarm: Pin<Box<Sleep>>,
    /// When the alarm rings: never later than it has to.
    alarm_at: Moment,
    ping_at: Moment,
    /// The call is not woken by the alarm before this.
    rested_at: Moment,
    text: String,
    bytes: BytesMut,
    garbage_told: bool,
    trace: Option<Tracing>,
    summary: Option<(Usage, Oddities)>,
}

/// What ends a wait.
enum Next {
    Input(Input),
    /// The process stops.
    StopNow,
}

/// Carries a call to its end, and gives that: it has one of its own, or the process stops.
pub(super) async fn carry<C: Socket, M: Socket>(brief: Brief, clock: Clock, reins: Reins<C, M>) -> Ending {
    let mut carrier = Box::new(Carrier::new(brief, clock, reins));
    let (ending, patience) = loop {
        carrier.drain();
        if let Some(ending) = carrier.call.ending() {
            break (ending.clone(), None);
        }
        match poll_fn(|cx| carrier.poll_next(cx)).await {
            Next::Input(input) => carrier.hand_in(input),
            Next::StopNow => break (Ending::HandedOver, Some(HURRIED_PATIENCE)),
        }
    };
    carrier.end(ending.clone(), patience).await;
    ending
}

impl<C: Socket, M: Socket> Carrier<C, M> {
    fn new(brief: Brief, clock: Clock, reins: Reins<C, M>) -> Self {
        let Reins { orders, outcomes, answers, arrival, effects, mut scribe, showing } = reins;
        let session = brief.session();
        let trace = effects.begin_trace(&brief);
        let log = scribe.files.log().map(|lines| EventLog::begin(&brief, lines));
        let now = clock.now();
        let ping_at = now + PING_EVERY;
        Self {
            call: Call::new(brief),
            clock,
            session,
            log,
            orders,
            outcomes,
            answers,
            arrival: Some(arrival),
            effects,
            scribe,
            showing,
            known: VecDeque::new(),
            dialling: None,
            caller: None,
            model: None,
            dialled_at: now,
            model_first: false,
            alarm: Box::pin(sleep_until(clock.instant(ping_at))),
            alarm_at: ping_at,
            ping_at,
            rested_at: now,
            text: String::with_capacity(CALLER_BUFFER_BYTES),
            bytes: BytesMut::with_capacity(CALLER_BUFFER_BYTES),
            garbage_told: false,
            trace,
            summary: None,
        }
    }

    fn hand_in(&mut self, input: Input) {
        let now = self.clock.now();
        if let (Some(log), Some(lines)) = (&mut self.log, self.scribe.files.log()) {
            log.input(&input, now, lines);
        }
        self.call.handle(input, now);
    }

    /// Does everything the call says, until it has no more to say.
    fn drain(&mut self) {
        while let Some(output) = self.call.next_output() {
            if let (Some(log), Some(lines)) = (&mut self.log, self.scribe.files.log()) {
                log.output(&output, lines);
            }
            match output {
                Output::Caller(words) => self.tell_caller(&words),
                Output::Model(words) => self.tell_model(&words),
                Output::Recording(audio) => self.scribe.files.record(&audio),
                Output::Note(note) => self.note(&note),
                Output::Effect(id, effect) => match self.effects.begin(id, effect, &self.scribe) {
                    Begun::Dialling(dialling) => self.dial(id, dialling),
                    Begun::Known(outcome) => self.known.push_back((id, outcome)),
                    Begun::UnderWay => {}
                },
            }
        }
        if let (Some(log), Some(lines)) = (&mut self.log, self.scribe.files.log()) {
            log.end(lines);
        }
        self.scribe.files.log_written();
    }

    fn tell_caller(&mut self, words: &ToTwilio) {
        let Some((stream, leg)) = &mut self.caller else { return };
        self.text.clear();
        words.write(stream, &mut self.text);
        // The buffer comes back when the frame has been written: nothing is allocated for it.
        self.bytes.extend_from_slice(self.text.as_bytes());
        leg.say(self.bytes.split().freeze());
    }

    fn tell_model(&mut self, words: &ToModel) {
        let Some((codec, leg)) = &mut self.model else { return };
        leg.say(codec.say(words).into_bytes());
    }

    fn note(&mut self, note: &Note) {
        let now = self.clock.now();
        notes::log(note);
        let spent = || self.effects.cost(self.call.usage());
        self.showing.note(now, note, spent);
        notes::count(note, self.effects.metrics(), now.since(self.dialled_at));
        if let Some(trace) = &mut self.trace {
            trace.note(note, now, self.dialled_at);
        }
        if let Note::Over { usage, oddities, .. } = note {
            self.summary = Some((*usage, *oddities));
        }
    }

    /// A new connection replaces the old one, whatever became of that.
    fn dial(&mut self, id: EffectId, dialling: Dialling<M>) {
        self.model = None;
        self.dialled_at = self.clock.now();
        self.showing.dialled(self.dialled_at);
        self.dialling = Some((id, dialling));
    }

    /// The next input, or the wish to be woken when there is one.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        self.flush(cx);
        if let Some((id, outcome)) = self.known.pop_front() {
            return Poll::Ready(Next::Input(Input::Outcome(id, outcome)));
        }
        if let Poll::Ready(Some(order)) = self.orders.poll_recv(cx) {
            return Poll::Ready(match order {
                Order::Tell(command) => Next::Input(Input::Command(command)),
                Order::StopNow => Next::StopNow,
            });
        }
        if let Poll::Ready(Some((id, outcome))) = self.outcomes.poll_recv(cx) {
            return Poll::Ready(Next::Input(Input::Outcome(id, outcome)));
        }
        if let Poll::Ready(Some((id, answer))) = self.answers.poll_recv(cx) {
            return Poll::Ready(Next::Input(Input::Answered(id, answer)));
        }
        if let Poll::Ready(input) = self.poll_arrival(cx) {
            return Poll::Ready(Next::Input(input));
        }
        if let Poll::Ready(input) = self.poll_dialling(cx) {
            return Poll::Ready(Next::Input(input));
        }
        if self.poll_alarm(cx).is_ready() {
            return Poll::Ready(Next::Input(Input::Tick));
        }
        self.poll_sockets(cx).map(Next::Input)
    }

    fn flush(&mut self, cx: &mut Context<'_>) {
        if let Some((_, leg)) = &mut self.caller {
            leg.poll_flush(cx);
        }
        if let Some((_, leg)) = &mut self.model {
            leg.poll_flush(cx);
        }
    }

    fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        let Some(arrival) = &mut self.arrival else { return Poll::Pending };
        let Poll::Ready(arrived) = Pin::new(arrival).poll(cx) else { return Poll::Pending };
        self.arrival = None;
        // The other end is dropped unused only with the whole house.
        let Ok((start, socket)) = arrived else { return Poll::Pending };
        self.caller = Some((start.stream_sid.clone(), Leg::caller(socket)));
        if !self.scribe.write(Entry::Answered(self.effects.now_ms())) {
            tracing::error!("the store is so slow that it does not learn of the caller's arrival");
        }
        Poll::Ready(Input::Caller(FromTwilio::Start(Box::new(start))))
    }

    fn poll_dialling(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        let Some((id, dialling)) = &mut self.dialling else { return Poll::Pending };
        let id = *id;
        let Poll::Ready(dialled) = dialling.as_mut().poll(cx) else { return Poll::Pending };
        self.dialling = None;
        match dialled {
            Ok(socket) => {
                self.model = Some((Codec::new(self.session.clone()), Leg::model(socket)));
                self.send_codec_frames();
                self.flush(cx);
                Poll::Pending
            }
            Err(error) => {
                let outcome = not_dialled(&error);
                notes::count_dial(outcome, self.effects.metrics());
                Poll::Ready(Input::Outcome(id, outcome))
            }
        }
    }

    /// What the codec has to say on its own behalf: the session's setup.
    fn send_codec_frames(&mut self) {
        let Some((codec, leg)) = &mut self.model else { return };
        while let Some(frame) = codec.next_frame() {
            leg.say(frame.into_bytes());
        }
    }

    /// Ready when the call wants to be woken. The timer is moved only to ring earlier: most deadlines are moved back
    /// with every frame, and a timer that rings too early is set anew.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = self.due();
        if due < self.alarm_at {
            self.set_alarm(due);
        }
        while self.alarm.as_mut().poll(cx).is_ready() {
            let now = self.clock.now();
            if self.ping_at <= now {
                self.ping(now);
                self.flush(cx);
            }
            let wanted = self.call.wake_at().is_some_and(|at| at <= now) && self.rested_at <= now;
            if wanted {
                self.rested_at = now + TICK_REST;
            }
            self.set_alarm(self.due());
            if wanted {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// When the alarm has to ring: for the call, which is given a rest after each time, or for a ping.
    fn due(&self) -> Moment {
        self.call.wake_at().map_or(self.ping_at, |at| at.max(self.rested_at).min(self.ping_at))
    }

    fn set_alarm(&mut self, at: Moment) {
        self.alarm_at = at;
        self.alarm.as_mut().reset(self.clock.instant(at));
    }

    fn ping(&mut self, now: Moment) {
        self.ping_at = now + PING_EVERY;
        if let Some((_, leg)) = &mut self.caller {
            leg.ping();
        }
        if let Some((_, leg)) = &mut self.model {
            leg.ping();
        }
    }

    fn poll_sockets(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        let model_first = self.model_first;
        for ask_model in [model_first, !model_first] {
            let heard = if ask_model { self.poll_model(cx) } else { self.poll_caller(cx) };
            if heard.is_ready() {
                self.model_first = !ask_model;
                return heard;
            }
        }
        Poll::Pending
    }

    fn poll_caller(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        let Some((_, leg)) = &mut self.caller else { return Poll::Pending };
        leg.poll_hear(cx).map(|heard| match heard {
            Heard::Text(text) => match FromTwilio::parse(&text) {
                Ok(message) => Input::Caller(message),
                Err(error) => {
                    self.tell_of_garbage(&error);
                    Input::Garbage
                }
            },
            Heard::Garbage => {
                self.tell_of_garbage(&"binary, or too long");
                Input::Garbage
            }
            Heard::Lost(why) => {
                tracing::info!(%why, "the caller's stream is gone");
                self.caller = None;
                Input::Lost(Side::Caller)
            }
        })
    }

    /// Once a call: a peer that sends garbage sends it fifty times a second.
    fn tell_of_garbage(&mut self, why: &dyn std::fmt::Display) {
        if !self.garbage_told {
            self.garbage_told = true;
            tracing::warn!(%why, "a frame from Twilio is no message; more of them are only counted");
        }
    }

    fn poll_model(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        loop {
            let Some((codec, leg)) = &mut self.model else { return Poll::Pending };
            let Poll::Ready(heard) = leg.poll_hear(cx) else { return Poll::Pending };
            match heard {
                Heard::Text(text) => {
                    let words = codec.hear(&text);
                    self.send_codec_frames();
                    self.flush(cx);
                    if let Some(words) = words {
                        return Poll::Ready(Input::Model(words));
                    }
                    self.tell_headroom();
                }
                // No protocol we speak has any; the call could do nothing with the news.
                Heard::Garbage => tracing::debug!("the model sent a binary frame"),
                Heard::Lost(why) => {
                    tracing::info!(%why, "the connection to the model is gone");
                    self.model = None;
                    return Poll::Ready(Input::Lost(Side::Model));
                }
            }
        }
    }

    fn tell_headroom(&mut self) {
        let headroom = self.model.as_mut().and_then(|(codec, _)| codec.take_headroom());
        if let Some(headroom) = headroom {
            notes::count_headroom(headroom, self.effects.metrics());
        }
    }

    /// Writes down the end, then says goodbye: the ledger first, because Twilio asks what is next when its socket closes.
    async fn end(self: Box<Self>, ending: Ending, hurry: Option<Duration>) {
        let (ledger_patience, goodbye) =
            hurry.map_or((LEDGER_PATIENCE, GOODBYE_PATIENCE), |patience| (patience, patience));
        let (usage, oddities) = self.summary.unwrap_or_default();
        let lasted = self.clock.now().elapsed();
        notes::log_over(&ending, lasted, &usage, &oddities);
        notes::count_over(&ending, lasted, &usage, &oddities, self.effects.metrics());
        let Self { caller, model, scribe, arrival, dialling, effects, trace, .. } = *self;
        if let Some(trace) = trace {
            trace.end(&ending, lasted, &usage, &oddities);
        }
        // Nobody waits for the caller any longer; one who comes now is given back.
        drop((arrival, dialling));
        let last = Entry::Ended(Box::new(effects.stream_end(ending, usage)));
        let caller_goes = async {
            scribe.finish(last, ledger_patience).await;
            if let Some((_, leg)) = caller {
                leg.close(goodbye).await;
            }
        };
        let model_goes = async {
            if let Some((_, leg)) = model {
                leg.close(goodbye).await;
            }
        };
        tokio::join!(caller_goes, model_goes);
    }
}

fn not_dialled(error: &ConnectError) -> Outcome {
    let refused = error.is_refusal();
    tracing::warn!(error = effects::chain(error), refused, "cannot connect to the model");
    if refused { Outcome::Refused } else { Outcome::Failed }
}

#[cfg(test)]
mod tests;
