//! The loop between two in-memory sockets, in paused time, with the real machine and codec.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::super::effects::Prices;
use super::super::files::FilePlan;
use super::super::greetings::{GreetingKey, Greetings};
use super::super::leg::caller_socket_config;
use super::super::phrases::Phrases;
use super::super::scribe::Subject;
use super::super::testing::{Mood, TestLedger, brief, call_sid, paused_clock, record};
use super::super::{BridgeParts, scribe};
use super::*;
use crate::call::Command;
use crate::call::event_log::{Verdict, replay};
use crate::clients::{Auth, RealtimeClient, RealtimeSettings, tls_with_public_roots};
use crate::domain::PriceTable;
use crate::lifecycle::Tasks;
use crate::telemetry::metrics::Metrics;
use crate::wire::twilio::media::Start;

/// The model that is dialled, as the effects know it.
const MODEL: &str = "gpt-realtime-2.1";

type Peer = WebSocketStream<DuplexStream>;

/// A peer that hangs must not hang the tests; time is paused, so this costs nothing.
const PATIENCE: Duration = Duration::from_secs(120);

/// One call being carried, with a hand on everything around it.
struct World {
    orders: mpsc::Sender<Order>,
    arrive: Option<oneshot::Sender<Arrival<Peer>>>,
    /// The model's end of each connection that was dialled.
    models: mpsc::Receiver<Peer>,
    ledger: Arc<TestLedger>,
    tasks: Tasks,
    carried: JoinHandle<()>,
}

/// How the model's server takes a connection.
#[derive(Clone, Copy)]
enum Server {
    Accepts,
    Refuses,
    /// It takes the connection, and says nothing: the handshake never ends.
    Hangs,
}

impl World {
    fn new(server: Server, plan: FilePlan) -> Self {
        let tasks = Tasks::new();
        let ledger = Arc::new(TestLedger::new(Mood::Well));
        let (orders, order_queue) = mpsc::channel(8);
        let (outcome_sender, outcomes) = mpsc::channel(8);
        let (answer_sender, answers) = mpsc::channel(8);
        let (arrive, arrival) = oneshot::channel();
        let (dialled, models) = mpsc::channel(4);
        let subject = Subject::of(&brief(), &record().instance, &crate::store::Nudge::default());
        let parts = parts(tasks.clone());
        let scribe =
            scribe::begin(&tasks, ledger.clone(), subject, outcome_sender.clone(), plan, &parts.metrics);
        let dial = Box::new(move || -> Dialling<Peer> {
            let dialled = dialled.clone();
            Box::pin(async move {
                match server {
                    Server::Refuses => Err(ConnectError::Http { host: "model".to_owned(), status: 401 }),
                    Server::Hangs => {
                        let (ours, theirs) = duplex(64 * 1024);
                        let theirs = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
                        dialled.send(theirs).await.unwrap();
                        let _held = ours;
                        std::future::pending().await
                    }
                    Server::Accepts => {
                        let (ours, theirs) = duplex(64 * 1024);
                        let theirs = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
                        dialled.send(theirs).await.unwrap();
                        Ok(WebSocketStream::from_raw_socket(ours, Role::Client, None).await)
                    }
                }
            })
        });
        let brief = brief();
        let voice = &brief.business.voice;
        let greeting = GreetingKey::new(&brief.business.id, "Hello.", voice, "m");
        let (parts, business, model) = (Arc::new(parts), brief.business.clone(), MODEL.to_owned());
        let answering = (outcome_sender, answer_sender);
        let effects = Effects::new(parts, record(), business, greeting, model, dial, answering);
        let showing = Showing::unseen(&brief);
        let reins = Reins { orders: order_queue, outcomes, answers, arrival, effects, scribe, showing };
        let carried = tasks.spawn("call", async move {
            carry(brief, Clock::start(), reins).await;
        });
        Self { orders, arrive: Some(arrive), models, ledger, tasks, carried }
    }

    /// The caller's stream comes; the pipe to it holds `pipe_bytes`.
    async fn caller(&mut self, pipe_bytes: usize) -> Peer {
        let (ours, theirs) = duplex(pipe_bytes);
        let ours = WebSocketStream::from_raw_socket(ours, Role::Server, Some(caller_socket_config())).await;
        let arrive = self.arrive.take().unwrap();
        assert!(arrive.send((start(), ours)).is_ok(), "nobody waited");
        WebSocketStream::from_raw_socket(theirs, Role::Client, None).await
    }

    /// A model that has set its session up, and was asked for the greeting.
    async fn model(&mut self) -> Peer {
        let mut model = self.models.recv().await.unwrap();
        assert_eq!(json_of(&mut model).await["type"], "session.update");
        let format = json!({"format": {"type": "audio/pcmu"}});
        let session = json!({"audio": {"input": format, "output": format}});
        say(&mut model, &json!({"type": "session.updated", "session": session})).await;
        assert_eq!(json_of(&mut model).await["type"], "response.create");
        model
    }

    async fn over(self) -> Vec<String> {
        timeout(PATIENCE, self.carried).await.expect("the call goes on").unwrap();
        self.tasks.wait(PATIENCE).await;
        self.ledger.words()
    }
}

fn parts(tasks: Tasks) -> BridgeParts {
    let settings = RealtimeSettings {
        url: "ws://localhost/".to_owned(),
        model: "m".to_owned(),
        auth: Auth::None,
        tls: tls_with_public_roots().unwrap(),
    };
    BridgeParts {
        realtime: RealtimeClient::new(settings).unwrap(),
        tools: crate::bridge::testing::tools(),
        twilio: None,
        tasks,
        greetings: Greetings::new(None),
        phrases: Phrases::new(0),
        transfer_twiml: Box::new(|_, _| String::new()),
        caller_hash_key: None,
        prices: Prices::new(PriceTable::default()),
        metrics: Arc::new(Metrics::new("i-1")),
        traces: None,
        clock: paused_clock,
    }
}

fn start() -> Start {
    let start = json!({"streamSid": "MZ1", "callSid": call_sid().as_str(), "accountSid": "AC1",
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}});
    serde_json::from_value(start).unwrap()
}

fn media(number: u64) -> Value {
    let payload = format!("{}/w==", "/".repeat(212));
    json!({"event": "media", "media": {"timestamp": (number * 20).to_string(), "payload": payload}})
}

fn no_files() -> FilePlan {
    FilePlan::default()
}

async fn say(peer: &mut Peer, words: &Value) {
    peer.send(Message::text(words.to_string())).await.unwrap();
}

/// The next text frame.
async fn json_of(peer: &mut Peer) -> Value {
    loop {
        match timeout(PATIENCE, peer.next()).await.expect("nothing came").unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) | Message::Pong(_) => {}
            other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => panic!("{other}"),
        }
    }
}

/// Reads until the peer has closed; says whether it did so properly.
async fn closed(peer: &mut Peer) -> bool {
    let mut properly = false;
    while let Ok(Some(Ok(message))) = timeout(PATIENCE, peer.next()).await {
        properly |= message.is_close();
    }
    properly
}

async fn say_greeting(model: &mut Peer, audio: &str) {
    let ids = json!({"response_id": "r1", "item_id": "i1", "content_index": 0, "output_index": 0});
    let mut delta = ids.clone();
    delta["type"] = "response.output_audio.delta".into();
    delta["delta"] = audio.into();
    let created = json!({"type": "response.created", "response": {"id": "r1", "metadata": {}}});
    say(model, &created).await;
    say(model, &delta).await;
}

#[tokio::test(start_paused = true)]
async fn audio_crosses_both_ways_with_its_base64_untouched() {
    let mut world = World::new(Server::Accepts, no_files());
    let mut model = world.model().await;
    let mut caller = world.caller(64 * 1024).await;
    let greeting = format!("{}==", "/w".repeat(107));
    say_greeting(&mut model, &greeting).await;
    let heard = json_of(&mut caller).await;
    assert_eq!(heard["event"], "media");
    assert_eq!(heard["streamSid"], "MZ1");
    assert_eq!(json_of(&mut caller).await["event"], "mark");
    say(&mut caller, &media(0)).await;
    let append = json_of(&mut model).await;
    assert_eq!(append["type"], "input_audio_buffer.append");
    assert_eq!(append["audio"], media(0)["media"]["payload"]);
    say(&mut caller, &json!({"event": "stop", "stop": {}})).await;
    assert!(closed(&mut caller).await, "the caller's socket is closed properly");
    assert!(closed(&mut model).await, "the model's socket is closed properly");
    assert_eq!(world.over().await, ["answered", "ended CallerHungUp"]);
}

#[tokio::test(start_paused = true)]
async fn garbage_is_counted_and_survived() {
    let mut world = World::new(Server::Accepts, no_files());
    let mut model = world.model().await;
    let mut caller = world.caller(512 * 1024).await;
    let long = "x".repeat(70_000);
    for bad in [Message::binary(vec![0; 9]), Message::text("{"), Message::text(long)] {
        caller.send(bad).await.unwrap();
    }
    say(&mut caller, &json!({"event": "surprise", "new": 1})).await;
    say(&mut caller, &media(0)).await;
    assert_eq!(json_of(&mut model).await["type"], "input_audio_buffer.append");
    drop(caller);
    assert_eq!(world.over().await, ["answered", "ended StreamLost"]);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_refuses_is_not_dialled_again_and_the_fallback_is_kept() {
    let mut world = World::new(Server::Refuses, no_files());
    let mut caller = world.caller(64 * 1024).await;
    assert!(closed(&mut caller).await);
    assert!(world.models.try_recv().is_err());
    let words = world.over().await;
    assert!(words.contains(&"intends Some(FallBack)".to_owned()), "{words:?}");
    assert_eq!(words.last().unwrap(), "ended ModelRefused");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_never_comes_costs_fifteen_seconds() {
    let clock = Clock::start();
    let mut world = World::new(Server::Accepts, no_files());
    let mut model = world.model().await;
    assert!(closed(&mut model).await);
    assert_eq!(clock.now().as_millis() / 100, 150);
    assert_eq!(world.over().await, ["ended NeverConnected"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_still_being_made_when_the_call_ends_is_given_up() {
    let mut world = World::new(Server::Hangs, no_files());
    let mut model = world.models.recv().await.unwrap();
    let _caller = world.caller(64 * 1024).await;
    world.orders.send(Order::Tell(Command::CallOver)).await.unwrap();
    let clock = Clock::start();
    // There is nothing to say goodbye to yet: the connection is dropped.
    while let Some(Ok(_)) = timeout(PATIENCE, model.next()).await.expect("it is kept") {}
    assert!(clock.now().as_millis() < 2_000, "nobody waits for the handshake's own patience");
    assert_eq!(world.over().await.last().unwrap(), "ended CallerHungUp");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_takes_nothing_is_lost_while_its_own_words_are_still_heard() {
    let mut world = World::new(Server::Accepts, no_files());
    let mut model = world.model().await;
    let (ours, theirs) = duplex(4 * 1024);
    let config = caller_socket_config().max_write_buffer_size(32 * 1024);
    let ours = WebSocketStream::from_raw_socket(ours, Role::Server, Some(config)).await;
    assert!(world.arrive.take().unwrap().send((start(), ours)).is_ok());
    let mut caller = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
    say_greeting(&mut model, &"////".repeat(60 * 8_000 / 3)).await;
    let mut heard = 0;
    let talk = async {
        let mut number = 0;
        while caller.send(Message::text(media(number).to_string())).await.is_ok() {
            number += 1;
            sleep(Duration::from_millis(20)).await;
        }
        number
    };
    let listen = async {
        while let Some(Ok(message)) = model.next().await {
            heard += u64::from(message.is_text());
        }
    };
    let (said, ()) = tokio::join!(talk, listen);
    assert!(heard > 50 && heard + 60 > said, "said {said}, heard {heard}");
    // What the caller may have heard by the clock is kept: nobody knows that they took nothing.
    assert_eq!(world.over().await, ["answered", "turn 0", "ended StreamLost"]);
}

#[tokio::test(start_paused = true)]
async fn a_model_lost_before_it_is_ready_is_dialled_again_and_the_call_goes_on() {
    let mut world = World::new(Server::Accepts, no_files());
    let first = world.models.recv().await.unwrap();
    drop(first);
    let mut model = world.model().await;
    let mut caller = world.caller(64 * 1024).await;
    say(&mut caller, &media(0)).await;
    assert_eq!(json_of(&mut model).await["type"], "input_audio_buffer.append");
    say(&mut caller, &json!({"event": "stop"})).await;
    assert_eq!(world.over().await, ["answered", "ended CallerHungUp"]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stops_says_goodbye_at_once_and_leaves_the_call_to_another() {
    let mut world = World::new(Server::Accepts, no_files());
    let mut model = world.model().await;
    let mut caller = world.caller(64 * 1024).await;
    say(&mut caller, &media(0)).await;
    assert_eq!(json_of(&mut model).await["type"], "input_audio_buffer.append");
    world.orders.send(Order::StopNow).await.unwrap();
    let clock = Clock::start();
    assert!(closed(&mut caller).await && closed(&mut model).await);
    assert!(clock.now().as_millis() < 1_000);
    assert_eq!(world.over().await, ["answered", "ended HandedOver"]);
}

#[tokio::test(start_paused = true)]
async fn a_command_ends_the_call() {
    let mut world = World::new(Server::Accepts, no_files());
    let _model = world.model().await;
    let _caller = world.caller(64 * 1024).await;
    world.orders.send(Order::Tell(Command::CallOver)).await.unwrap();
    assert_eq!(world.over().await.last().unwrap(), "ended CallerHungUp");
}

#[tokio::test(start_paused = true)]
async fn the_event_log_of_a_carried_call_replays_to_the_same_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("calls/log.jsonl");
    let mut world = World::new(Server::Accepts, FilePlan { log: Some(log.clone()), recording: None });
    let mut model = world.model().await;
    let mut caller = world.caller(256 * 1024).await;
    say_greeting(&mut model, &"////".repeat(8_000)).await;
    for number in 0..100 {
        say(&mut caller, &media(number)).await;
        sleep(Duration::from_millis(20)).await;
    }
    say(&mut caller, &json!({"event": "stop"})).await;
    assert!(closed(&mut caller).await && closed(&mut model).await);
    world.over().await;
    let text = std::fs::read_to_string(log).unwrap();
    let verdict = replay(&text, |_, _, _| {}).unwrap();
    let Verdict::Identical { inputs, outputs, cut_off: false } = verdict else { panic!("{verdict:?}") };
    assert!(inputs > 100 && outputs > 150, "{inputs} inputs, {outputs} outputs");
}
