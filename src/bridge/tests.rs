//! Calls begun, refused, told and ended, with a model nobody can connect to.

use std::time::Duration;

use super::testing::{Mood, TestLedger, brief, call_sid, record};
use super::*;
use crate::clients::{Auth, RealtimeSettings, tls_with_public_roots};

/// A bridge to a model nobody can connect to, and everything around it.
fn bridge(most_calls: usize) -> (Arc<Bridge>, Arc<TestLedger>, Registry<Order>, Tasks) {
    let settings = RealtimeSettings {
        url: "ws://127.0.0.1:1/".to_owned(),
        model: "m".to_owned(),
        auth: Auth::None,
        tls: tls_with_public_roots().unwrap(),
    };
    let (ledger, registry, tasks) = (Arc::new(TestLedger::new(Mood::Well)), Registry::new(), Tasks::new());
    let bridge = Bridge::new(BridgeSettings {
        ledger: ledger.clone(),
        realtime: RealtimeClient::new(settings).unwrap(),
        twilio: None,
        registry: registry.clone(),
        tasks: tasks.clone(),
        data_dir: None,
        keep_event_logs: false,
        instance: InstanceId::parse("here").unwrap(),
        most_calls,
        transfer_twiml: Box::new(|_, _| String::new()),
        phrases_at_once: 0,
        caller_hash_key: Some(SecretString::from("key")),
    });
    (bridge, ledger, registry, tasks)
}

#[tokio::test(start_paused = true)]
async fn a_webhook_asked_twice_begins_one_call_and_everything_is_given_back_at_its_end() {
    let (bridge, ledger, registry, tasks) = bridge(10);
    assert_eq!(bridge.begin(brief(), record(), None), Begun::New);
    assert_eq!(bridge.begin(brief(), record(), None), Begun::Already);
    assert!(bridge.is_waiting(&call_sid(), 1) && !bridge.is_waiting(&call_sid(), 2));
    assert_eq!(registry.len(), 1);
    assert_eq!(tasks.wait(Duration::from_secs(60)).await, 0);
    assert!(registry.is_empty() && !bridge.is_waiting(&call_sid(), 1));
    let words = ledger.words();
    assert_eq!(words.first().unwrap(), &format!("opened {}", call_sid()));
    assert_eq!(words.last().unwrap(), "ended NeverConnected");
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_begin_than_may_and_none_when_the_process_stops() {
    let (bridge, ledger, registry, tasks) = bridge(1);
    assert_eq!(bridge.begin(brief(), record(), None), Begun::New);
    let resumed = Brief { attempt: 2, ..brief() };
    assert_eq!(bridge.begin(resumed.clone(), record(), None), Begun::Full);
    assert!(!bridge.is_waiting(&call_sid(), 2), "no place is kept for a call that did not begin");
    tasks.hard().cancel();
    while !registry.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(ledger.words().last().unwrap(), "ended HandedOver");
    assert_eq!(bridge.begin(resumed, record(), None), Begun::Full);
}

#[tokio::test(start_paused = true)]
async fn a_command_reaches_its_call() {
    let (bridge, ledger, _registry, tasks) = bridge(1);
    assert!(!bridge.tell(&call_sid(), Command::CallOver), "there is no call yet");
    bridge.begin(brief(), record(), None);
    assert!(bridge.tell(&call_sid(), Command::CallOver));
    assert_eq!(tasks.wait(Duration::from_secs(5)).await, 0);
    assert_eq!(ledger.words().last().unwrap(), "ended CallerHungUp");
}
