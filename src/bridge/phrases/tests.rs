//! Phrases made by a simulated model behind a real socket.

use super::super::effects::Prices;
use super::super::greetings::Greetings;
use super::super::testing::{brief, paused_clock};
use super::*;
use crate::clients::{Auth, RealtimeClient, RealtimeSettings, tls_with_public_roots};
use crate::domain::PriceTable;
use crate::lifecycle::Tasks;
use crate::sim::model::{ModelFault, Reply, Script};
use crate::sim::socket::{ModelServer, ModelServerPlan};
use crate::sim::tone;
use crate::telemetry::metrics::Metrics;

const WORDS: &str = "One moment, please.";

/// A bridge's parts, and a model that says that.
async fn house(script: Script, at_once: usize) -> (Arc<BridgeParts>, ModelServer) {
    let plan = ModelServerPlan { scripts: vec![script], authorization: None, seed: 1, keep_events: true };
    let server = ModelServer::start(plan).await.unwrap();
    let settings = RealtimeSettings {
        url: server.url(),
        model: "m".to_owned(),
        auth: Auth::None,
        tls: tls_with_public_roots().unwrap(),
    };
    let parts = BridgeParts {
        realtime: RealtimeClient::new(settings).unwrap(),
        tools: crate::bridge::testing::tools(),
        twilio: None,
        tasks: Tasks::new(),
        greetings: Greetings::new(None),
        phrases: Phrases::new(at_once),
        transfer_twiml: Box::new(|_, _| String::new()),
        caller_hash_key: None,
        prices: Prices::new(PriceTable::default()),
        metrics: Arc::new(Metrics::new("i-1")),
        traces: None,
        clock: paused_clock,
    };
    (Arc::new(parts), server)
}

fn says(words: &str) -> Script {
    Script::new(Reply::speech(tone::noise(1, 4_000), words), Reply::default())
}

fn key() -> GreetingKey {
    let business = brief().business;
    GreetingKey::new(&business.id, WORDS, &business.voice, "m")
}

fn phrase() -> Phrase {
    Phrase::new(key(), WORDS.to_owned(), &brief(), "m".to_owned())
}

async fn made(parts: &Arc<BridgeParts>) -> Option<Bytes> {
    parts.phrases.make(parts, phrase());
    while parts.tasks.live_background() > 0 {
        tokio::task::yield_now().await;
    }
    parts.greetings.find(&key()).await
}

#[tokio::test]
async fn a_phrase_is_said_once_in_a_session_of_its_own_and_kept() {
    let (parts, server) = house(says("one moment please"), 2).await;
    assert_eq!(made(&parts).await, Some(tone::noise(1, 4_000)));
    assert!(made(&parts).await.is_some());
    assert_eq!(server.connections().len(), 1);
    let asked = server.client_events(0).into_iter().find(|event| event.contains("response.create")).unwrap();
    assert!(asked.contains("Say exactly these words") && asked.contains(WORDS), "{asked}");
    assert_eq!(server.connections()[0].refusals, []);
}

#[tokio::test]
async fn a_model_without_mulaw_makes_phrases_too() {
    let mut script = says(WORDS);
    script.faults = vec![ModelFault::PcmOnly];
    let (parts, _server) = house(script, 2).await;
    assert_eq!(made(&parts).await.map(|audio| audio.len()), Some(4_000));
}

#[tokio::test]
async fn what_is_not_the_phrase_is_not_kept_and_not_tried_again_at_once() {
    let failing = [
        says("How can I help?"),
        Script { faults: vec![ModelFault::TextOnly], ..says(WORDS) },
        Script { faults: vec![ModelFault::FailAnswers("server_error".to_owned())], ..says(WORDS) },
        Script { faults: vec![ModelFault::RefuseHandshake(503)], ..says(WORDS) },
        Script { faults: vec![ModelFault::Reset { after_ms: 20 }], ..says(WORDS) },
    ];
    for script in failing {
        let (parts, server) = house(script, 2).await;
        assert_eq!(made(&parts).await, None);
        assert_eq!(made(&parts).await, None);
        assert_eq!(server.connections().len(), 1);
    }
}

#[tokio::test]
async fn nothing_is_made_while_draining_or_when_enough_is_being_made() {
    let (parts, server) = house(says(WORDS), 0).await;
    assert_eq!(made(&parts).await, None);
    let (draining, other) = house(says(WORDS), 2).await;
    draining.tasks.hard().cancel();
    assert_eq!(made(&draining).await, None);
    assert_eq!(server.connections().len() + other.connections().len(), 0);
}

#[tokio::test]
async fn a_session_under_way_is_given_up_when_the_drain_begins() {
    let (parts, server) = house(Script { faults: vec![ModelFault::NoSetup], ..says(WORDS) }, 2).await;
    parts.phrases.make(&parts, phrase());
    let open = async || server.connections().first().is_some_and(|connection| !connection.events.is_empty());
    while !open().await {
        tokio::task::yield_now().await;
    }
    assert!(!server.connections()[0].over);
    parts.tasks.soft().cancel();
    while !server.connections()[0].over {
        tokio::task::yield_now().await;
    }
    while parts.tasks.live_background() > 0 {
        tokio::task::yield_now().await;
    }
}
