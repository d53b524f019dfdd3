//! The loop over a real store and real sockets, against receivers that take, fail, hang, redirect and break off. Its time
//! of day is the test's, so that three days take no longer than their deliveries.

use std::sync::atomic::Ordering;

use super::testing::*;
use super::*;
use crate::clients::Reach;
use crate::domain::{
    About, BusinessImport, CallRecord, Ending, InstanceId, MicroDollars, Notice, Speaker, StreamEnd, Usage,
};
use crate::store::Outbox as _;

const HOUR_MS: i64 = 60 * 60 * 1_000;

#[tokio::test]
async fn the_end_of_a_call_is_told_with_what_was_said() {
    let receiver = Receiver::new(&[Reply::Status(200)]).await;
    let house = House::new(&[("business-1", &receiver.url)]).await;
    let (call, ledger) = (record(), &house.store);
    let opened = CallRecord {
        answered_ms: None,
        ended_ms: None,
        ending: None,
        cost: MicroDollars::default(),
        recordings: Vec::new(),
        ..call.clone()
    };
    assert!(ledger.open_call(&opened).await.unwrap());
    let instance = InstanceId::parse("here").unwrap();
    assert!(ledger.claim_attempt(&call.call, 1, &instance).await.unwrap());
    ledger.answered(&call.call, BEGAN_MS + 2_000).await.unwrap();
    ledger.keep_turn(&call.call, &turn(0, Speaker::Caller, "My tooth aches")).await.unwrap();
    let (usage, cost, at_ms) = (Usage::default(), MicroDollars::new(49_349), BEGAN_MS + 100_250);
    let end = StreamEnd { attempt: 1, instance, ending: Ending::CallerHungUp, usage, cost, at_ms };
    ledger.end_stream(&call.call, &end).await.unwrap();

    let _running = house.begin();
    house.all_told("business-1").await;
    let heard = receiver.heard.lock().unwrap();
    let [(headers, body)] = &heard[..] else { panic!("{} requests", heard.len()) };
    assert_eq!(headers["webhook-timestamp"], (NOW_MS / 1_000).to_string());
    assert!(headers["webhook-id"].to_str().unwrap().starts_with("msg_"));
    assert_eq!(
        (&body["type"], &body["data"]["ending"]["how"]),
        (&"call.ended".into(), &"callerHungUp".into())
    );
    assert_eq!(body["data"]["durationSeconds"], 98.25);
    assert_eq!(body["data"]["turns"][0]["text"], "My tooth aches");
}

#[tokio::test]
async fn a_call_that_comes_back_from_a_transfer_is_told_of_when_it_is_over_for_good() {
    let receiver = Receiver::new(&[Reply::Status(200)]).await;
    let house = House::new(&[("business-1", &receiver.url)]).await;
    let (call, ledger) = (record(), &house.store);
    let opened = CallRecord { ended_ms: None, ending: None, ..call.clone() };
    assert!(ledger.open_call(&opened).await.unwrap());
    let instance = InstanceId::parse("here").unwrap();
    let over = |attempt, ending, after_ms| StreamEnd {
        attempt,
        instance: instance.clone(),
        ending,
        usage: Usage::default(),
        cost: MicroDollars::default(),
        at_ms: BEGAN_MS + after_ms,
    };
    assert!(ledger.claim_attempt(&call.call, 1, &instance).await.unwrap());
    ledger.end_stream(&call.call, &over(1, call.ending.clone().unwrap(), 100_000)).await.unwrap();
    assert!(ledger.claim_attempt(&call.call, 2, &instance).await.unwrap());
    let running = house.begin();
    let waits = house.tried(1).await;
    assert_eq!((waits.last_error.as_deref(), receiver.heard()), (Some("the call goes on"), 0));
    ledger.end_stream(&call.call, &over(2, Ending::CallerHungUp, 190_000)).await.unwrap();
    house.later(waits.due_ms.unwrap() - NOW_MS);
    running.nudge.nudge();
    house.all_told("business-1").await;
    let heard = receiver.heard.lock().unwrap();
    let [(_, body)] = &heard[..] else { panic!("{} requests", heard.len()) };
    assert_eq!(body["data"]["ending"]["how"], "callerHungUp");
    assert_eq!(body["data"]["durationSeconds"], 188.0);
}

#[tokio::test]
async fn a_voicemail_is_told_with_where_to_hear_it() {
    let receiver = Receiver::new(&[Reply::Status(204)]).await;
    let house = House::new(&[("business-1", &receiver.url)]).await;
    let voicemail = voicemail();
    let (call, recording) = (voicemail.call.clone(), voicemail.recording.clone());
    let notice = Notice::new(business_id("business-1"), About::VoicemailLeft { call, recording }, BEGAN_MS);
    house.store.keep_voicemail(&voicemail, Some(&notice)).await.unwrap();
    let _running = house.begin();
    house.all_told("business-1").await;
    let heard = receiver.heard.lock().unwrap();
    let [(headers, body)] = &heard[..] else { panic!("{} requests", heard.len()) };
    assert_eq!(headers["webhook-id"], notice.id.as_str());
    assert_eq!((&body["type"], &body["data"]["durationMs"]), (&"voicemail.left".into(), &7_000.into()));
    assert_eq!(body["data"]["recordingUrl"], voicemail.url.reveal().as_str());
}

#[tokio::test]
async fn a_message_is_told_as_soon_as_somebody_nudges() {
    let receiver = Receiver::new(&[Reply::Status(204)]).await;
    let house = House::new(&[("business-1", &receiver.url)]).await;
    let running = house.begin();
    house.post("business-1", 1).await;
    running.nudge.nudge();
    house.all_told("business-1").await;
    let message = message();
    let about = About::MessageTaken { call: message.call.clone(), tool_call: message.tool_call.clone() };
    let notice = Notice::new(business_id("business-1"), about, NOW_MS);
    house.store.take_message(&message, Some(&notice)).await.unwrap();
    for _ in 0..1_000 {
        running.nudge.nudge();
    }
    house.all_told("business-1").await;
    let heard = receiver.heard.lock().unwrap();
    assert_eq!(heard.len(), 2);
    assert_eq!(heard[1].1["data"]["text"], "Please ring back");
}

#[tokio::test]
async fn what_fails_is_tried_again_later_with_the_same_id_and_a_new_time() {
    let replies = [Reply::Status(500), Reply::Redirect, Reply::Status(404), Reply::Status(200)];
    let receiver = Receiver::new(&replies).await;
    let house = House::new(&[("business-1", &receiver.url)]).await;
    let notice = house.post("business-1", 1).await;
    let running = house.begin();
    for (tries, status, most_ms) in [(1, "500", 10_000), (2, "307", 60_000), (3, "404", 240_000)] {
        let tried = house.tried(tries).await;
        assert!(tried.last_error.unwrap().contains(status));
        let pause = tried.due_ms.unwrap() - house.now_ms.load(Ordering::SeqCst);
        assert!((0..=most_ms).contains(&pause), "{pause} ms after try {tries}");
        house.later(most_ms + 1_000);
        running.nudge.nudge();
    }
    house.all_told("business-1").await;
    assert_eq!(receiver.ids(), [notice.id.as_str(); 4]);
    let heard = receiver.heard.lock().unwrap();
    let times: Vec<_> = heard.iter().map(|(headers, _)| headers["webhook-timestamp"].clone()).collect();
    assert!(times.is_sorted() && times[0] < times[3], "{times:?}");
}

#[tokio::test]
async fn what_always_fails_is_given_up_after_days_and_stays_visible_until_somebody_asks_for_more() {
    let receiver = Receiver::new(&[Reply::Status(500)]).await;
    let house = House::new(&[("business-1", &receiver.url)]).await;
    let notice = house.post("business-1", 1).await;
    let running = house.begin();
    for tries in 1..=16 {
        assert!(house.tried(tries).await.due_ms.is_some(), "given up at try {tries}");
        house.later(16 * HOUR_MS + 1);
        running.nudge.nudge();
    }
    let given_up = house.tried(17).await;
    assert_eq!((given_up.due_ms, given_up.last_error.unwrap().contains("HTTP 500")), (None, true));

    receiver.replies.lock().unwrap().push_front(Reply::Status(200));
    let now_ms = house.now_ms.load(Ordering::SeqCst);
    assert!(house.store.retry(&notice.business, &notice.id, now_ms).await.unwrap());
    running.nudge.nudge();
    house.all_told("business-1").await;
    assert_eq!(receiver.heard(), 18);
}

#[tokio::test]
async fn gone_is_given_up_at_once() {
    let receiver = Receiver::new(&[Reply::Status(410)]).await;
    let house = House::new(&[("business-1", &receiver.url)]).await;
    house.post("business-1", 1).await;
    let _running = house.begin();
    let notice = house.tried(1).await;
    assert_eq!(notice.due_ms, None);
    assert!(notice.last_error.unwrap().contains("HTTP 410"));
}

#[tokio::test]
async fn a_busy_receiver_is_asked_when_it_says_and_nothing_else_is_sent_to_it_meanwhile() {
    let replies = [Reply::RetryAfter(429, "3600"), Reply::RetryAfter(503, "99999999"), Reply::Status(200)];
    let receiver = Receiver::new(&replies).await;
    let house = House::new(&[("business-1", &receiver.url)]).await;
    house.post("business-1", 1).await;
    let running = house.begin();
    assert_eq!(house.tried(1).await.due_ms, Some(NOW_MS + HOUR_MS));

    let second = house.post("business-1", 2).await;
    running.nudge.nudge();
    let put_off = until(|| async {
        let notices = house.notices("business-1").await;
        let notice = notices.into_iter().find(|notice| notice.id == second.id)?;
        notice.last_error.is_some().then_some(notice)
    })
    .await;
    assert!((NOW_MS + HOUR_MS..NOW_MS + 2 * HOUR_MS).contains(&put_off.due_ms.unwrap()));
    assert_eq!(receiver.heard(), 1);

    // It may not ask for a year.
    house.later(HOUR_MS);
    running.nudge.nudge();
    let tried = until(|| async {
        let notices = house.notices("business-1").await;
        notices.into_iter().find(|notice| {
            notice.id != second.id
                && notice.tries == 2
                && notice.last_error.as_ref().is_some_and(|error| error.contains("503"))
        })
    })
    .await;
    assert_eq!(tried.due_ms, Some(NOW_MS + 9 * HOUR_MS));
    house.later(10 * HOUR_MS);
    running.nudge.nudge();
    house.all_told("business-1").await;
}

#[tokio::test]
async fn a_receiver_that_hangs_is_tried_again() {
    let receiver = Receiver::new(&[Reply::Held]).await;
    let house = House::new(&[("business-1", &receiver.url)]).await;
    house.post("business-1", 1).await;
    let _running = house.begin_with(Duration::from_millis(100), Reach::Loopback);
    let notice = house.tried(1).await;
    assert!(notice.due_ms.is_some());
    assert!(notice.last_error.unwrap().contains("in time"));
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_nobody_else() {
    let (stuck, well) = (Receiver::new(&[Reply::Held]).await, Receiver::new(&[Reply::Status(200)]).await);
    let house = House::new(&[("business-1", &stuck.url), ("business-2", &well.url)]).await;
    for number in 0..100 {
        house.post("business-1", number).await;
    }
    let running = house.begin();
    until(|| async { (stuck.heard() == 2).then_some(()) }).await;
    for number in 0..20 {
        house.post("business-2", number).await;
    }
    running.nudge.nudge();
    house.all_told("business-2").await;
    assert_eq!((well.heard(), stuck.heard()), (20, 2));
    stuck.held.add_permits(100);
    house.all_told("business-1").await;
    assert_eq!((stuck.heard(), stuck.most_at_once.load(Ordering::SeqCst)), (100, 2));
}

#[tokio::test]
async fn more_than_fits_in_one_hand_is_told_all_the_same() {
    let receiver = Receiver::new(&[Reply::Status(200)]).await;
    let ids: Vec<_> = (0..10).map(|n| format!("business-{n}")).collect();
    let businesses: Vec<_> = ids.iter().map(|id| (id.as_str(), receiver.url.as_str())).collect();
    let house = House::new(&businesses).await;
    let many = 2 * MOST_IN_HAND + 1;
    for number in 0..many {
        house.post(&ids[number % ids.len()], number).await;
    }
    let _running = house.begin();
    for id in &ids {
        house.all_told(id).await;
    }
    let told: std::collections::BTreeSet<_> = receiver.ids().into_iter().collect();
    assert_eq!((told.len(), receiver.heard()), (many, many));
}

#[tokio::test]
async fn a_receiver_that_heard_and_could_not_say_so_hears_it_again() {
    let receiver = Receiver::new(&[Reply::BreakOff, Reply::Status(200)]).await;
    let house = House::new(&[("business-1", &receiver.url)]).await;
    let notice = house.post("business-1", 1).await;
    let running = house.begin();
    assert!(house.tried(1).await.last_error.unwrap().contains("broke off"));
    house.later(10_000 + 1);
    running.nudge.nudge();
    house.all_told("business-1").await;
    assert_eq!(receiver.ids(), [notice.id.as_str(); 2]);
}

#[test]
fn what_a_process_had_in_hand_when_it_died_is_told_by_another_after_the_lease() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/frontdesk.db", folder.path().display());
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (world, first, second) = (runtime(), runtime(), runtime());
    let receiver = world.block_on(Receiver::new(&[Reply::Held, Reply::Status(200)]));
    let notice = first.block_on(async {
        let house = House::over(&url, &[("business-1", &receiver.url)]).await;
        let notice = house.post("business-1", 1).await;
        // Nobody tells it to stop: what it has is dropped where it is, in the middle of a delivery.
        std::mem::forget(house.begin());
        until(|| async { (receiver.heard() == 1).then_some(()) }).await;
        notice
    });
    first.shutdown_background();
    second.block_on(async {
        let house = House::over(&url, &[("business-1", &receiver.url)]).await;
        let held = house.the_notice().await;
        assert_eq!((held.tries, held.due_ms), (1, Some(NOW_MS + millis(LEASE))));
        house.later(millis(LEASE) - 1);
        let running = house.begin();
        // When this one is told, the loop has asked what is due, and was not given the other.
        house.post("business-1", 2).await;
        running.nudge.nudge();
        until(|| async { (house.notices("business-1").await.len() == 1).then_some(()) }).await;
        assert_eq!(house.the_notice().await.id, notice.id, "it is still the dead one's");
        house.later(1);
        running.nudge.nudge();
        house.all_told("business-1").await;
        let ids = receiver.ids();
        assert_eq!((ids.len(), &ids[0], &ids[2]), (3, &notice.id.to_string(), &notice.id.to_string()));
    });
}

#[tokio::test]
async fn a_business_that_is_gone_or_wants_no_more_is_not_told_and_nothing_stays() {
    let receiver = Receiver::new(&[Reply::Status(200)]).await;
    let house = House::new(&[("business-1", &receiver.url), ("business-2", &receiver.url)]).await;
    house.post("business-1", 1).await;
    house.post("business-2", 1).await;
    house.store.remove_business(&business_id("business-1")).await.unwrap();
    let mut silent = house.store.business(&business_id("business-2")).await.unwrap().unwrap();
    silent.webhook = None;
    let import = BusinessImport { plans: Vec::new(), businesses: vec![silent] };
    house.store.import(&import).await.unwrap();
    let _running = house.begin();
    house.all_told("business-1").await;
    house.all_told("business-2").await;
    assert_eq!(receiver.heard(), 0);
}

#[tokio::test]
async fn what_the_ledger_does_not_have_is_tried_later_and_what_is_anothers_is_never_told() {
    let receiver = Receiver::new(&[Reply::Status(200)]).await;
    let house = House::new(&[("business-1", &receiver.url), ("business-2", &receiver.url)]).await;
    let call = About::CallEnded { call: call_sid() };
    house.store.post(&Notice::new(business_id("business-1"), call.clone(), NOW_MS)).await.unwrap();
    let running = house.begin();
    assert!(house.tried(1).await.last_error.unwrap().contains("not in the store"));

    house.store.open_call(&record()).await.unwrap();
    house.store.post(&Notice::new(business_id("business-2"), call, NOW_MS)).await.unwrap();
    house.later(10_000 + 1);
    running.nudge.nudge();
    house.all_told("business-1").await;
    let refused = until(|| async { house.notices("business-2").await[0].last_error.clone() }).await;
    assert!(refused.contains("another business"), "{refused}");
    assert_eq!(receiver.heard(), 1);
}

#[tokio::test]
async fn a_private_address_is_refused_and_the_reason_is_visible() {
    let receiver = Receiver::new(&[Reply::Status(200)]).await;
    let url = receiver.url.replace("http:", "https:");
    let house = House::new(&[("business-1", &url)]).await;
    house.post("business-1", 1).await;
    let _running = house.begin_with(AMPLE, Reach::PublicOnly);
    let notice = house.tried(1).await;
    assert!(notice.last_error.unwrap().contains("not public"));
    assert_eq!(receiver.heard(), 0);
}

#[tokio::test]
async fn a_process_on_its_way_out_takes_nothing_and_lets_what_is_under_way_end() {
    let receiver = Receiver::new(&[Reply::Held]).await;
    let house = House::new(&[("business-1", &receiver.url)]).await;
    let running = house.begin();
    house.post("business-1", 1).await;
    running.nudge.nudge();
    until(|| async { (receiver.heard() == 1).then_some(()) }).await;
    running.tasks.drained_soon().cancel();
    // The loop is over, and one delivery is under way.
    until(|| async { (running.tasks.live_background() == 1).then_some(()) }).await;
    let second = house.post("business-1", 2).await;
    running.nudge.nudge();
    receiver.held.add_permits(1);
    until(|| async { (running.tasks.live_background() == 0).then_some(()) }).await;
    let left = house.the_notice().await;
    assert_eq!((left.id, left.tries, receiver.heard()), (second.id, 0, 1));
}

#[tokio::test]
async fn a_process_that_must_end_now_waits_for_no_receiver() {
    let receiver = Receiver::new(&[Reply::Held]).await;
    let house = House::new(&[("business-1", &receiver.url)]).await;
    house.post("business-1", 1).await;
    let running = house.begin();
    until(|| async { (receiver.heard() == 1).then_some(()) }).await;
    running.tasks.hard().cancel();
    until(|| async { (running.tasks.live_background() == 0).then_some(()) }).await;
    assert_eq!(house.the_notice().await.due_ms, Some(NOW_MS + millis(LEASE)), "it is left to its lease");
}

#[tokio::test]
async fn settled_notices_are_forgotten_after_a_week() {
    let receiver = Receiver::new(&[Reply::Status(410)]).await;
    let house = House::new(&[("business-1", &receiver.url)]).await;
    house.post("business-1", 1).await;
    let running = house.begin();
    house.tried(1).await;
    house.later(7 * 24 * HOUR_MS + 1);
    running.nudge.nudge();
    house.all_told("business-1").await;
}
