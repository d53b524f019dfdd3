//! Calls begun, refused, told and ended, with a model nobody can connect to.

use std::time::Duration;

use super::testing::{Mood, TestLedger, TestSlots, brief, call_sid, paused_clock, record, tools};
use super::*;
use crate::clients::{Auth, RealtimeSettings, tls_with_public_roots};
use crate::store::{Seating, SlotWish};
use crate::telemetry::metrics::Metrics;

/// What a plan with room for one call gives it.
fn terms() -> Terms {
    Terms { model: None, claim: Claim { most: 1, slot: Slot::Wanted } }
}

/// A bridge to a model nobody can connect to, and everything around it.
fn bridge(most_calls: usize) -> (Arc<Bridge>, Arc<TestLedger>, Registry<Order>, Tasks) {
    let ledger = Arc::new(TestLedger::new(Mood::Well));
    let (registry, tasks) = (Registry::new(), Tasks::new());
    let slots = Arc::new(TestSlots::new());
    let bridge = bridge_over(&ledger, &slots, &registry, &tasks, most_calls);
    (bridge, ledger, registry, tasks)
}

fn bridge_over(
    ledger: &Arc<TestLedger>,
    slots: &Arc<TestSlots>,
    registry: &Registry<Order>,
    tasks: &Tasks,
    most_calls: usize,
) -> Arc<Bridge> {
    let settings = RealtimeSettings {
        url: "ws://127.0.0.1:1/".to_owned(),
        model: "m".to_owned(),
        auth: Auth::None,
        tls: tls_with_public_roots().unwrap(),
    };
    Bridge::new(BridgeSettings {
        ledger: ledger.clone(),
        slots: slots.clone(),
        nudge: Nudge::default(),
        prices: PriceTable::default(),
        realtime: RealtimeClient::new(settings).unwrap(),
        twilio: None,
        tools: tools(),
        registry: registry.clone(),
        tasks: tasks.clone(),
        data_dir: None,
        keep_event_logs: false,
        instance: InstanceId::parse("here").unwrap(),
        most_calls,
        orphans: OrphanSettings { account: None, next_url: String::new() },
        transfer_twiml: Box::new(|_, _| String::new()),
        phrases_at_once: 0,
        caller_hash_key: Some(SecretString::from("key")),
        metrics: Arc::new(Metrics::new("here")),
        traces: None,
        clock: paused_clock,
    })
}

#[tokio::test(start_paused = true)]
async fn a_webhook_asked_twice_begins_one_call_and_everything_is_given_back_at_its_end() {
    let (bridge, ledger, registry, tasks) = bridge(10);
    assert_eq!(bridge.begin(brief(), record(), terms()), Begun::New);
    assert_eq!(bridge.begin(brief(), record(), terms()), Begun::Already);
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
    assert_eq!(bridge.begin(brief(), record(), terms()), Begun::New);
    let resumed = Brief { attempt: 2, ..brief() };
    assert_eq!(bridge.begin(resumed.clone(), record(), terms()), Begun::Full);
    assert!(!bridge.is_waiting(&call_sid(), 2), "no place is kept for a call that did not begin");
    tasks.hard().cancel();
    while !registry.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(ledger.words().last().unwrap(), "ended HandedOver");
    assert_eq!(bridge.begin(resumed, record(), terms()), Begun::Full);
}

#[tokio::test(start_paused = true)]
async fn a_command_reaches_its_call() {
    let (bridge, ledger, _registry, tasks) = bridge(1);
    assert!(!bridge.tell(&call_sid(), Command::CallOver), "there is no call yet");
    bridge.begin(brief(), record(), terms());
    assert!(bridge.tell(&call_sid(), Command::CallOver));
    assert_eq!(tasks.wait(Duration::from_secs(5)).await, 0);
    assert_eq!(ledger.words().last().unwrap(), "ended CallerHungUp");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_goes_on_takes_its_slot_over_and_gives_it_back_when_it_ends_on_purpose() {
    let (ledger, slots) = (Arc::new(TestLedger::new(Mood::Well)), Arc::new(TestSlots::new()));
    let (registry, tasks) = (Registry::new(), Tasks::new());
    let wish = SlotWish {
        business: &record().business,
        call: &call_sid(),
        instance: &InstanceId::parse("elsewhere").unwrap(),
        most: 1,
        now_ms: paused_clock(),
        until_ms: paused_clock() + SLOT_LEASE_MS,
    };
    assert_eq!(slots.take(&wish).await.unwrap(), Seating::Seated);
    let bridge = bridge_over(&ledger, &slots, &registry, &tasks, 10);
    assert_eq!(bridge.begin(brief(), record(), terms()), Begun::New);
    while slots.holder(&call_sid()).is_none_or(|(instance, _)| instance != "here") {
        tokio::task::yield_now().await;
    }
    assert!(bridge.tell(&call_sid(), Command::CallOver));
    assert_eq!(tasks.wait(Duration::from_secs(60)).await, 0);
    assert_eq!(slots.holder(&call_sid()), None);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_in_vain_for_a_caller_carried_elsewhere_leaves_everything_to_the_other() {
    let ledger = Arc::new(TestLedger { carried_by: "elsewhere", ..TestLedger::new(Mood::Well) });
    let slots = Arc::new(TestSlots::new());
    let (registry, tasks) = (Registry::new(), Tasks::new());
    let bridge = bridge_over(&ledger, &slots, &registry, &tasks, 10);
    bridge.begin(brief(), record(), terms());
    assert_eq!(tasks.wait(Duration::from_secs(60)).await, 0);
    assert_eq!(ledger.words().last().unwrap(), "ended NeverConnected", "which the ledger drops");
    assert!(slots.holder(&call_sid()).is_some(), "the slot is not given away");
    // After ten seconds the model was given up here, which is nothing to a call that has one elsewhere.
    assert!(!ledger.words().iter().any(|word| word.starts_with("intends")), "{:?}", ledger.words());
}
