//! What a call wants done, done beside it: nothing here is waited for by the loop.

use std::fmt::Write as _;
use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use moka::sync::Cache;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use tokio::sync::mpsc;
use tracing::Instrument;

use super::BridgeParts;
use super::greetings::GreetingKey;
use super::scribe::{Entry, Scribe};
use super::trace::Tracing;
use crate::call::{Brief, Effect, EffectId, Greeting, Outcome};
use crate::clients::{ConnectError, Done, ModelSocket, RestError, ToolRequest, TwilioRest};
use crate::domain::{
    Business, CallRecord, DestinationId, Ending, MicroDollars, Pii, PriceTable, StreamEnd, ToolAnswer,
    ToolName, Usage,
};
use crate::telemetry::metrics::Metrics;
use crate::wire::model::ToolCallId;

/// Outcomes waiting for the loop, which takes them first of all; a call has a handful of effects under way at most.
pub(super) const OUTCOME_DEPTH: usize = 32;

/// Answers of the business's own tools waiting for the loop. A call has a handful under way; who finds the queue full waits
/// in a task of its own.
pub(super) const ANSWER_DEPTH: usize = 8;

/// A connection to a model, being made.
pub(super) type Dialling<M> = BoxFuture<'static, Result<M, ConnectError>>;

/// What the loop has to do for an effect itself.
pub(super) enum Begun<M> {
    /// Poll this connection until it is there.
    Dialling(Dialling<M>),
    /// Hand this in; the effect needed no time.
    Known(Outcome),
    /// Wait: the outcome comes by the queue.
    UnderWay,
}

/// Opens connections to a model of one kind.
pub(super) type Dial<M> = Box<dyn Fn() -> Dialling<M> + Send>;

/// The queues by which a call hears what became of what it wanted.
pub(super) type Answering = (mpsc::Sender<(EffectId, Outcome)>, mpsc::Sender<(EffectId, Box<ToolAnswer>)>);

/// Does what one call wants done.
pub(super) struct Effects<M> {
    parts: Arc<BridgeParts>,
    record: Arc<CallRecord>,
    business: Arc<Business>,
    greeting: GreetingKey,
    /// The model that is dialled.
    model: String,
    dial: Dial<M>,
    outcomes: mpsc::Sender<(EffectId, Outcome)>,
    answers: mpsc::Sender<(EffectId, Box<ToolAnswer>)>,
}

/// What models cost, and of which of them it was said that nobody knows.
pub(super) struct Prices {
    table: PriceTable,
    unknown: Cache<String, ()>,
}

/// Plans name a handful of models; of one that is forgotten it is said again.
const MAX_UNKNOWN: u64 = 100;

impl Prices {
    pub(super) fn new(table: PriceTable) -> Self {
        Self { table, unknown: Cache::new(MAX_UNKNOWN) }
    }

    /// What it cost to use the model so; nothing when its prices are not known, which is said once.
    fn cost(&self, usage: &Usage, model: &str) -> MicroDollars {
        if *usage == Usage::default() {
            return MicroDollars::default();
        }
        self.table.cost(usage, model).unwrap_or_else(|| {
            if self.unknown.entry(model.to_owned()).or_insert(()).is_fresh() {
                tracing::warn!(
                    model,
                    "the prices of this model are not known, and its calls are counted as free: set REALTIME_PRICES"
                );
            }
            MicroDollars::default()
        })
    }
}

impl<M> Effects<M> {
    pub(super) fn new(
        parts: Arc<BridgeParts>,
        record: CallRecord,
        business: Business,
        greeting: GreetingKey,
        model: String,
        dial: Dial<M>,
        (outcomes, answers): Answering,
    ) -> Self {
        let (record, business) = (Arc::new(record), Arc::new(business));
        Self { parts, record, business, greeting, model, dial, outcomes, answers }
    }

    /// Where this call is counted.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.parts.metrics
    }

    /// This call's trace, if calls are traced.
    pub(super) fn begin_trace(&self, brief: &Brief) -> Option<Tracing> {
        let traces = self.parts.traces.as_ref()?;
        Some(Tracing::begin(traces, brief, &self.model, self.now_ms()))
    }

    /// What time of day it is, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> i64 {
        (self.parts.clock)()
    }

    /// Begins an effect. What goes to the ledger goes there in the order of these calls.
    pub(super) fn begin(&self, id: EffectId, effect: Effect, scribe: &Scribe) -> Begun<M> {
        match effect {
            Effect::DialModel => Begun::Dialling((self.dial)()),
            Effect::Intend(intention) => written(scribe, Entry::Intention(id, intention)),
            Effect::Checkpoint(turn) => written(scribe, Entry::Turn(id, turn)),
            Effect::TakeMessage(message) => written(scribe, Entry::Message(id, message)),
            Effect::RunTool { name, call, arguments } => self.run_tool(id, &name, call, arguments),
            Effect::KeepGreeting(greeting) => self.keep_greeting(greeting),
            Effect::HangUp => self.hang_up(id),
            Effect::Transfer(destination) => self.transfer(id, &destination),
        }
    }

    /// What it costs to have used the model so, an estimate.
    pub(super) fn cost(&self, usage: &Usage) -> MicroDollars {
        self.parts.prices.cost(usage, &self.model)
    }

    /// How this stream ended, as the ledger keeps it.
    pub(super) fn stream_end(&self, ending: Ending, usage: Usage) -> StreamEnd {
        let (attempt, instance) = (self.record.attempts, self.record.instance.clone());
        let cost = self.cost(&usage);
        StreamEnd { attempt, instance, ending, usage, cost, at_ms: self.now_ms() }
    }

    fn keep_greeting(&self, greeting: Greeting) -> Begun<M> {
        if let Some(file) = self.parts.greetings.keep(&self.greeting, greeting.audio) {
            self.parts.tasks.spawn("greeting", file.write().in_current_span());
        }
        Begun::Known(Outcome::Done)
    }

    /// Who ends and moves this call on request. Nobody without credentials, or when the call is not at Twilio: then the
    /// stream is closed, and whoever is at its other end reads what was meant.
    fn carrier(&self) -> Option<TwilioRest> {
        self.parts.twilio.clone().filter(|_| !self.record.is_test())
    }

    fn hang_up(&self, id: EffectId) -> Begun<M> {
        let Some(twilio) = self.carrier() else { return Begun::Known(Outcome::Refused) };
        let record = Arc::clone(&self.record);
        self.ask_twilio(id, "hang up", async move { twilio.hang_up(&record.account, &record.call).await })
    }

    fn transfer(&self, id: EffectId, destination: &DestinationId) -> Begun<M> {
        let Some(destination) = self.business.destination(destination) else {
            tracing::error!(%destination, "a call wants to go to a destination the business does not have");
            return Begun::Known(Outcome::Refused);
        };
        let Some(twilio) = self.carrier() else { return Begun::Known(Outcome::Refused) };
        let record = Arc::clone(&self.record);
        let twiml = (self.parts.transfer_twiml)(&record, destination);
        let ask = async move { twilio.transfer(&record.account, &record.call, &twiml).await };
        self.ask_twilio(id, "transfer", ask)
    }

    /// A task of its own, which lasts no longer than the tool may: what the model asked for is done, or not, whatever becomes
    /// of the call.
    fn run_tool(&self, id: EffectId, name: &ToolName, call: ToolCallId, arguments: Pii<String>) -> Begun<M> {
        if self.business.http_tool(name.as_str()).is_none() {
            tracing::error!(tool = %name, "a call wants to ask a tool the business does not have");
            return Begun::Known(Outcome::Refused);
        }
        let (parts, record, business) =
            (Arc::clone(&self.parts), Arc::clone(&self.record), Arc::clone(&self.business));
        let (answers, name, at_ms) = (self.answers.clone(), name.clone(), self.now_ms());
        let ask = async move {
            let Some(tool) = business.http_tool(name.as_str()) else { return };
            let of = Some((&record.call, &record.from));
            let (business, tool_call, arguments) = (&business.id, call.as_str(), &arguments);
            let question = ToolRequest { business, tool, call: of, tool_call, arguments, at_ms };
            let answer = match parts.tools.ask(&question).await {
                Ok(reply) => ToolAnswer::content(reply.content.reveal()),
                Err(error) => {
                    tracing::warn!(tool = %name, %error, "a tool of the business's did not answer");
                    ToolAnswer::failure(error.for_the_model())
                }
            };
            // A call that is over has no use for it.
            let _call_over = answers.send((id, Box::new(answer))).await;
        };
        self.parts.tasks.spawn("tool", ask.in_current_span());
        Begun::UnderWay
    }

    /// A task of its own: what was decided is carried out even if the call is over, or broken, meanwhile.
    fn ask_twilio<F>(&self, id: EffectId, what: &'static str, ask: F) -> Begun<M>
    where
        F: Future<Output = Result<Done, RestError>> + Send + 'static,
    {
        let outcomes = self.outcomes.clone();
        let ask = async move {
            let outcome = match ask.await {
                Ok(Done::Changed) => Outcome::Done,
                Ok(Done::AlreadyOver) => {
                    tracing::debug!("wanted to {what}, but the call was over already");
                    Outcome::Done
                }
                Err(error) => {
                    tracing::error!(error = chain(&error), "cannot {what} through Twilio's REST interface");
                    if error.is_temporary() { Outcome::Failed } else { Outcome::Refused }
                }
            };
            // A call that is over has no use for it.
            let _call_over = outcomes.send((id, outcome)).await;
        };
        self.parts.tasks.spawn("twilio rest", ask.in_current_span());
        Begun::UnderWay
    }
}

fn written<M>(scribe: &Scribe, entry: Entry) -> Begun<M> {
    if scribe.write(entry) {
        return Begun::UnderWay;
    }
    tracing::error!("the store is so slow that this call cannot keep anything more");
    Begun::Known(Outcome::Failed)
}

/// Opens sockets to the realtime service for one call.
pub(super) fn dial_realtime(
    parts: &Arc<BridgeParts>,
    brief: &Brief,
    model: Option<String>,
) -> Dial<ModelSocket> {
    let parts = Arc::clone(parts);
    let caller = parts.caller_hash_key.as_ref().map(|key| caller_hash(key, brief));
    Box::new(move || {
        let (parts, model, caller) = (Arc::clone(&parts), model.clone(), caller.clone());
        Box::pin(async move { parts.realtime.connect(model.as_deref(), caller.as_deref()).await })
    })
}

/// A caller of a business as a number that says nothing: without the key, trying all telephone numbers would undo a
/// plain hash in seconds.
fn caller_hash(key: &SecretString, brief: &Brief) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()) else {
        // HMAC takes a key of any length.
        return String::new();
    };
    for part in [brief.business.id.as_str(), "\n", brief.from.reveal()] {
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// An error with all its causes, for one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::testing::brief;
    use super::*;
    use crate::domain::Pii;

    #[test]
    fn a_caller_is_a_number_that_says_nothing_and_differs_by_business_and_key() {
        let key = |text: &str| SecretString::from(text);
        let one = caller_hash(&key("k"), &brief());
        assert_eq!(one, caller_hash(&key("k"), &brief()));
        assert_eq!(one.len(), 64);
        assert_ne!(one, caller_hash(&key("l"), &brief()));
        let other = Brief { from: Pii::new("+14155550124".to_owned()), ..brief() };
        assert_ne!(one, caller_hash(&key("k"), &other));
    }

    #[test]
    fn a_stream_costs_what_its_model_does_and_an_unknown_model_is_told_of_once() {
        let prices = Prices::new(PriceTable::default());
        let usage = Usage { transcribed_ms: 60_000, ..Usage::default() };
        assert_eq!(prices.cost(&usage, "gpt-realtime-2.1").micros(), 3_000);
        let told = |model: &str| prices.unknown.contains_key(model);
        assert_eq!(prices.cost(&Usage::default(), "desk-7").micros(), 0);
        assert!(!told("desk-7"), "what was not used has no price to miss");
        for _ in 0..2 {
            assert_eq!(prices.cost(&usage, "desk-7").micros(), 0);
        }
        assert!(told("desk-7") && !told("gpt-realtime-2.1"));
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let source = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let error = ConnectError::Refused { host: "h".to_owned(), source };
        assert_eq!(chain(&error), "cannot connect to h: connection refused");
    }
}
