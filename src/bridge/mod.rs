//! The loop that carries one call: sockets, tasks and clocks in, nothing decided. What a call decides stands in
//! [`crate::call`].

mod carry;
mod clock;
mod effects;
mod files;
mod greetings;
mod leg;
mod notes;
mod orphans;
mod passes;
mod phrases;
mod queue;
mod retention;
mod scribe;
mod shelf;
mod showing;
mod slots;
#[cfg(test)]
mod testing;
mod trace;
mod waiting;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use secrecy::SecretString;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tracing::Instrument;

use self::carry::Reins;
use self::clock::Clock;
use self::effects::{Effects, Prices};
use self::files::FilePlan;
use self::greetings::{GreetingKey, Greetings};
pub use self::leg::caller_socket_config;
pub use self::orphans::OrphanSettings;
use self::orphans::Orphans;
use self::passes::Passes;
use self::phrases::{Phrase, Phrases};
pub use self::retention::forget_old_logs;
use self::scribe::{Entry, Subject};
pub use self::shelf::Shelf;
use self::showing::Showing;
pub use self::showing::step_of;
use self::slots::Leases;
pub use self::slots::SLOT_LEASE_MS;
use self::waiting::{Arrival, Place, WaitingRoom};
use crate::call::{Brief, Command, Greeting, Opening};
use crate::clients::{HttpToolClient, RealtimeClient, TwilioRest};
use crate::domain::{CallRecord, CallSid, Destination, InstanceId, PriceTable};
use crate::lifecycle::Tasks;
use crate::registry::{Claim, Present, Registry, Slot};
use crate::store::{Ledger, Nudge, Slots};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;
use crate::wire::twilio::media::Start;

/// The socket on which Twilio brings a caller, upgraded by `http` with [`caller_socket_config`].
pub type CallerSocket = WebSocketStream<TokioIo<Upgraded>>;

/// Writes the TwiML that gives a call to one of its business's destinations.
pub type TransferTwiml = Box<dyn Fn(&CallRecord, &Destination) -> String + Send + Sync>;

/// What this house says to a call it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Something for the call itself.
    Tell(Command),
    /// The process stops: end the stream at once, and let another instance go on.
    StopNow,
}

/// What calls are carried with.
pub struct BridgeSettings {
    /// Where calls are kept.
    pub ledger: Arc<dyn Ledger>,
    /// Who may be in a call.
    pub slots: Arc<dyn Slots>,
    /// Says that a business is to be told something.
    pub nudge: Nudge,
    /// What models cost.
    pub prices: PriceTable,
    /// Opens sockets to the model.
    pub realtime: RealtimeClient,
    /// Hangs up and transfers; without it, the stream is closed and the TwiML after it decides.
    pub twilio: Option<TwilioRest>,
    /// Asks the tools of businesses.
    pub tools: HttpToolClient,
    /// The calls in flight.
    pub registry: Registry<Order>,
    /// Where tasks are started.
    pub tasks: Tasks,
    /// Where event logs, recordings and greetings are kept; without it there are none but in memory.
    pub data_dir: Option<PathBuf>,
    /// Whether event logs are kept.
    pub keep_event_logs: bool,
    /// Who we are.
    pub instance: InstanceId,
    /// How many calls this process carries at once.
    pub most_calls: usize,
    /// How calls nobody carries are looked for; nobody does without `twilio`.
    pub orphans: OrphanSettings,
    /// How a transfer is written.
    pub transfer_twiml: TransferTwiml,
    /// How many greetings and phrases are made ahead at once, each in a session with the model that is no call's.
    pub phrases_at_once: usize,
    /// Makes a caller a meaningless number for the model's service, which wants to tell one abuser from the whole
    /// account; without it nothing is said of the caller.
    pub caller_hash_key: Option<SecretString>,
    /// Where calls are counted.
    pub metrics: Arc<Metrics>,
    /// Where calls are traced, if they are.
    pub traces: Option<Arc<Traces>>,
    /// What time of day it is, in milliseconds since 1970.
    pub clock: fn() -> i64,
}

/// What its plan gives a call that begins.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The speech model, when the plan names one.
    pub model: Option<String>,
    /// What the call has to do with the plan's slots. One that wants a slot takes it over from whoever held it before, and
    /// is never refused for the lack of one.
    pub claim: Claim,
}

/// Carries calls.
pub struct Bridge {
    parts: Arc<BridgeParts>,
    ledger: Arc<dyn Ledger>,
    registry: Registry<Order>,
    leases: Leases,
    files: FileSettings,
    instance: InstanceId,
    nudge: Nudge,
    most_calls: usize,
    waiting: WaitingRoom<CallerSocket>,
    passes: Passes,
}

/// What the effects of every call need.
struct BridgeParts {
    realtime: RealtimeClient,
    twilio: Option<TwilioRest>,
    tools: HttpToolClient,
    tasks: Tasks,
    greetings: Greetings,
    phrases: Phrases,
    transfer_twiml: TransferTwiml,
    caller_hash_key: Option<SecretString>,
    prices: Prices,
    metrics: Arc<Metrics>,
    traces: Option<Arc<Traces>>,
    clock: fn() -> i64,
}

struct FileSettings {
    data_dir: Option<PathBuf>,
    keep_event_logs: bool,
}

/// What became of a wish to begin a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// The model is being dialled, and the call waits for its caller.
    New,
    /// This attempt of the call has begun before; Twilio asks twice now and then.
    Already,
    /// This process carries as many calls as it may, or is about to stop.
    Full,
}

impl Bridge {
    /// A bridge that carries no call yet. It also starts the task that tells all calls when the process is to end, the one
    /// that looks after their slots, and the one that looks for calls nobody carries.
    pub fn new(settings: BridgeSettings) -> Arc<Self> {
        let greetings = Greetings::new(settings.data_dir.as_ref().map(|folder| folder.join("greetings")));
        let tasks = settings.tasks;
        tasks.spawn_background("drain", tell_of_drain(tasks.clone(), settings.registry.clone()));
        let leases = Leases {
            slots: settings.slots,
            ledger: Arc::clone(&settings.ledger),
            registry: settings.registry.clone(),
            instance: settings.instance.clone(),
            clock: settings.clock,
        };
        let (hard, keep) = (tasks.hard().clone(), leases.clone().keep());
        tasks.spawn_background("slots", async move {
            let _ended = hard.run_until_cancelled(keep).await;
        });
        if let Some(twilio) = &settings.twilio {
            let orphans = Orphans::new(leases.clone(), twilio.clone(), settings.orphans);
            // One that leaves adopts nobody.
            let (soft, keep) = (tasks.soft().clone(), orphans.keep());
            tasks.spawn_background("orphans", async move {
                let _ended = soft.run_until_cancelled(keep).await;
            });
        }
        let parts = BridgeParts {
            realtime: settings.realtime,
            twilio: settings.twilio,
            tools: settings.tools,
            tasks,
            greetings,
            phrases: Phrases::new(settings.phrases_at_once),
            transfer_twiml: settings.transfer_twiml,
            caller_hash_key: settings.caller_hash_key,
            prices: Prices::new(settings.prices),
            metrics: settings.metrics,
            traces: settings.traces,
            clock: settings.clock,
        };
        Arc::new(Self {
            parts: Arc::new(parts),
            ledger: settings.ledger,
            registry: settings.registry,
            leases,
            files: FileSettings { data_dir: settings.data_dir, keep_event_logs: settings.keep_event_logs },
            instance: settings.instance,
            nudge: settings.nudge,
            most_calls: settings.most_calls,
            waiting: WaitingRoom::new(),
            passes: Passes::new(),
        })
    }

    /// Begins a call: its beginning is kept, the model is dialled at once, and the call waits for its caller.
    pub fn begin(&self, brief: Brief, record: CallRecord, terms: Terms) -> Begun {
        if self.parts.tasks.hard().is_cancelled() {
            return Begun::Full;
        }
        let Some((place, arrival)) = self.waiting.take_place(brief.call.clone(), brief.attempt) else {
            return Begun::Already;
        };
        let business = brief.business.id.clone();
        let Terms { model, claim } = terms;
        let entered = self.registry.enter(brief.call.clone(), business, claim, self.most_calls);
        let Some((present, orders)) = entered else {
            tracing::warn!(most_calls = self.most_calls, "no more calls can be carried");
            return Begun::Full;
        };
        self.parts.metrics.calls_begun.inc();
        let span = tracing::info_span!("call", call.id = %brief.call, business.id = %brief.business.id);
        let (outcome_sender, outcomes) = mpsc::channel(effects::OUTCOME_DEPTH);
        let (answer_sender, answers) = mpsc::channel(effects::ANSWER_DEPTH);
        let scribe = span.in_scope(|| {
            let ledger = Arc::clone(&self.ledger);
            let plan = self.files.plan(&brief);
            let subject = Subject::of(&brief, &self.instance, &self.nudge);
            scribe::begin(
                &self.parts.tasks,
                ledger,
                subject,
                outcome_sender.clone(),
                plan,
                &self.parts.metrics,
            )
        });
        if !scribe.write(Entry::Opened(Box::new(record.clone()))) {
            tracing::error!("the ledger's writer of a new call is gone");
        }
        if claim.slot == Slot::Wanted {
            let seat = self.leases.clone().seat_one(&brief, claim.most);
            self.parts.tasks.spawn("slot", seat.instrument(span.clone()));
        }
        let dial = effects::dial_realtime(&self.parts, &brief, model.clone());
        let model = model.unwrap_or_else(|| self.parts.realtime.model());
        let kept = Keys {
            greeting: greeting_key(&brief, &brief.opening_words(), &model),
            bridging: greeting_key(&brief, brief.bridging_words(), &model),
            model: model.clone(),
        };
        let greeting = kept.greeting;
        let business = brief.business.clone();
        let parts = Arc::clone(&self.parts);
        let answering = (outcome_sender, answer_sender);
        let effects = Effects::new(parts, record, business, greeting, model, dial, answering);
        let showing = Showing::of(&brief, &present);
        let seat = Seat { place, present, leases: self.leases.clone() };
        let reins = Reins { orders, outcomes, answers, arrival, effects, scribe, showing };
        let carried = carry_seated(seat, Arc::clone(&self.parts), kept, brief, reins);
        self.parts.tasks.spawn("call", carried.instrument(span));
        Begun::New
    }

    /// Gives a caller to the call that waits for it. Gives both back when none waits here: the webhook was answered
    /// elsewhere, or too long ago.
    pub fn arrive(
        &self,
        call: &CallSid,
        attempt: u8,
        start: Start,
        socket: CallerSocket,
    ) -> Result<(), Box<Arrival<CallerSocket>>> {
        self.waiting.arrive(call, attempt, start, socket).map_err(Box::new)
    }

    /// Whether a call waits here for its caller.
    pub fn is_waiting(&self, call: &CallSid, attempt: u8) -> bool {
        self.waiting.is_waiting(call, attempt)
    }

    /// Whether this is the first use of the pass for this attempt of the call. It can be asked once.
    pub async fn first_use(&self, call: &CallSid, attempt: u8) -> bool {
        self.passes.first_use(&*self.ledger, call, attempt, &self.instance).await
    }

    /// The files of calls on this machine.
    pub fn shelf(&self) -> Shelf {
        Shelf::at(self.files.data_dir.clone())
    }

    /// What asks the tools of businesses, for whoever tries one out.
    pub fn tools(&self) -> &HttpToolClient {
        &self.parts.tools
    }

    /// Tells a call something; false when it is not carried here.
    pub fn tell(&self, call: &CallSid, command: Command) -> bool {
        self.registry.command(call, Order::Tell(command))
    }
}

fn greeting_key(brief: &Brief, words: &str, model: &str) -> GreetingKey {
    let business = &brief.business;
    GreetingKey::new(&business.id, words, &business.voice, model)
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").field("calls", &self.registry.len()).finish_non_exhaustive()
    }
}

impl FileSettings {
    fn plan(&self, brief: &Brief) -> FilePlan {
        let Some(data_dir) = &self.data_dir else { return FilePlan::default() };
        let name = |ending: &str| format!("{}-{}.{ending}", brief.call, brief.attempt);
        FilePlan {
            log: self.keep_event_logs.then(|| data_dir.join("calls").join(name("jsonl"))),
            recording: brief.recorded.then(|| data_dir.join("recordings").join(name("wav"))),
        }
    }
}

/// What a call holds while it is carried; place and presence are given up when it ends, in whatever way.
struct Seat {
    place: Place<CallerSocket>,
    present: Present<Order>,
    leases: Leases,
}

/// What was said before and may serve a call.
struct Keys {
    greeting: GreetingKey,
    bridging: GreetingKey,
    /// Who says what is not kept yet.
    model: String,
}

async fn carry_seated(
    seat: Seat,
    parts: Arc<BridgeParts>,
    kept: Keys,
    mut brief: Brief,
    reins: Reins<CallerSocket, crate::clients::ModelSocket>,
) {
    let clock = Clock::start();
    let (business, call, attempt) = (brief.business.id.clone(), brief.call.clone(), brief.attempt);
    give_kept(&parts, kept, &mut brief).await;
    let ending = carry::carry(brief, clock, reins).await;
    let Seat { place, present, leases } = seat;
    drop((place, present));
    leases.on_end(&business, &call, attempt, &ending).await;
}

/// Gives a call what was said before, and sees to it that a later one finds what is missing.
async fn give_kept(parts: &Arc<BridgeParts>, kept: Keys, brief: &mut Brief) {
    let Keys { greeting, bridging, model } = kept;
    let (greeted, bridged) = tokio::join!(parts.greetings.find(&greeting), parts.greetings.find(&bridging));
    let make = |key, words| {
        parts.phrases.make(parts, Phrase::new(key, words, brief, model.clone()));
    };
    if bridged.is_none() {
        make(bridging, brief.bridging_words().to_owned());
    }
    // A call that greets keeps its greeting itself, if its caller lets it.
    if greeted.is_none() && brief.opening == Opening::Greet {
        make(greeting, brief.opening_words());
    }
    brief.bridging = bridged.map(|audio| Greeting { words: brief.bridging_words().to_owned(), audio });
    if let Some(audio) = greeted.filter(|_| brief.opening == Opening::Greet) {
        brief.opening = Opening::GreetFrom(Greeting { words: brief.opening_words(), audio });
    }
}

/// Tells all calls when they are to be handed over, and when the process stops.
async fn tell_of_drain(tasks: Tasks, registry: Registry<Order>) {
    tasks.drained_soon().cancelled().await;
    registry.command_all(&Order::Tell(Command::HandOver));
    tasks.hard().cancelled().await;
    registry.command_all(&Order::StopNow);
}

#[cfg(test)]
mod tests;
