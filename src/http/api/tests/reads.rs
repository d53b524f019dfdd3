//! What is read of calls and what they add up to, and a store that is away.

use super::odd_directory::{Mood, OddDirectory};
use super::*;
use crate::domain::{
    About, CallRecord, CallSid, DestinationId, Ending, InstanceId, Message, MicroDollars, ModalityTokens,
    Notice, Pii, Recording, Speaker, StreamEnd, Turn, Usage,
};
use crate::http::house::{CALL, NOW_MS};
use crate::store::conformance::one_call;
use crate::store::{Delivery, Ledger as _, Outbox as _, SlotWish, Slots as _};

const BUSINESS: &str = "/api/businesses/business-1";

fn instance() -> InstanceId {
    InstanceId::parse("i-0").unwrap()
}

/// A call of business-1 that started so many minutes ago and is over: a minute of talk, transferred, 49,349 millionths.
async fn call_before(house: &House, minutes: i64, sid: &str) -> CallSid {
    let call = CallSid::parse(sid).unwrap();
    let started_ms = NOW_MS - minutes * 60_000;
    let answered_ms = Some(started_ms + 1_000);
    let from = Pii::new("+14155550123".to_owned());
    let record = CallRecord { call: call.clone(), started_ms, answered_ms, from, ..one_call() };
    assert!(house.store.open_call(&record).await.unwrap());
    assert!(house.store.claim_attempt(&call, 1, &instance()).await.unwrap());
    let input = ModalityTokens { text: 10, audio: 600, image: 0 };
    let end = StreamEnd {
        attempt: 1,
        instance: instance(),
        ending: Ending::Transferred(DestinationId::parse("front-office").unwrap()),
        usage: Usage { input, ..Usage::default() },
        cost: MicroDollars::new(49_349),
        at_ms: started_ms + 61_000,
    };
    house.store.end_stream(&call, &end).await.unwrap();
    call
}

fn turn(number: u32, speaker: Speaker, text: &str) -> Turn {
    Turn {
        attempt: 1,
        number,
        speaker,
        text: Pii::new(text.to_owned()),
        began_ms: u64::from(number) * 1_000,
        heard_ms: 0,
        interrupted: false,
        answer_delay_ms: (speaker == Speaker::Model).then_some(420),
    }
}

#[tokio::test]
async fn the_calls_of_a_business_come_in_parts_the_latest_first() {
    let operator = Operator::new().await;
    for (minutes, sid) in [(30, "CA3"), (10, "CA1"), (20, "CA2")] {
        call_before(&operator.house, minutes, sid).await;
    }
    let mut seen = Vec::new();
    let mut target = format!("{BUSINESS}/calls?limit=2");
    loop {
        let part = operator.get(&target).await.json();
        let sids =
            part["items"].as_array().unwrap().iter().map(|call| call["callSid"].as_str().unwrap().to_owned());
        seen.push(sids.collect::<Vec<_>>());
        let Some(next) = part["next"].as_str() else { break };
        target = format!("{BUSINESS}/calls?limit=2&after={next}");
    }
    assert_eq!(seen, [vec!["CA1", "CA2"], vec!["CA3"]]);
    assert_eq!(operator.get("/api/businesses/business-2/calls").await.json(), json!({"items": []}));
}

#[tokio::test]
async fn a_call_is_shown_whole_with_what_was_said() {
    let operator = Operator::new().await;
    let call = call_before(&operator.house, 10, CALL).await;
    let store = &operator.house.store;
    store.keep_turn(&call, &turn(1, Speaker::Caller, "Are you open?")).await.unwrap();
    store.keep_turn(&call, &turn(0, Speaker::Model, "Luna Dental.")).await.unwrap();
    let file = "CA1-1.wav".to_owned();
    store
        .keep_recording(&call, &Recording { attempt: 1, file, length_ms: 60_000, instance: instance() })
        .await
        .unwrap();
    let expected = json!({
        "callSid": CALL, "accountSid": "AC00000000000000000000000000000001", "business": "business-1", "plan": "premium",
        "from": "+14155550123", "to": "+15551234567",
        "startedAt": "2026-09-21T14:03:20.000Z", "answeredAt": "2026-09-21T14:03:21.000Z",
        "endedAt": "2026-09-21T14:04:21.000Z", "talkedMs": 60_000,
        "ending": {"how": "transferred", "destination": "front-office"}, "attempts": 1, "instance": "i-0",
        "usage": {"input": {"text": 10, "audio": 600, "image": 0}, "cached": {"text": 0, "audio": 0, "image": 0},
            "output": {"text": 0, "audio": 0, "image": 0}},
        "estimatedCostUsd": "0.049349",
        "recordings": [{"attempt": 1, "file": "CA1-1.wav", "lengthMs": 60_000, "instance": "i-0"}],
        "turns": [
            {"attempt": 1, "number": 0, "speaker": "model", "text": "Luna Dental.", "beganMs": 0, "heardMs": 0,
                "interrupted": false, "answerDelayMs": 420},
            {"attempt": 1, "number": 1, "speaker": "caller", "text": "Are you open?", "beganMs": 1_000, "heardMs": 0,
                "interrupted": false},
        ],
        "voicemails": [],
    });
    assert_eq!(operator.get(&format!("/api/calls/{CALL}")).await.json(), expected);
    assert_eq!(problem(&operator.get("/api/calls/CA9").await), (404, "not-found".to_owned()));
}

#[tokio::test]
async fn messages_are_shown_as_they_were_left() {
    let operator = Operator::new().await;
    let call = call_before(&operator.house, 10, CALL).await;
    let text = |text: &str| Pii::new(text.to_owned());
    let business = BusinessId::parse("business-1").unwrap();
    let (name, contact, text) = (text("Rosa"), text("rosa@example.com"), text("Ring back"));
    let message =
        Message { call, business, tool_call: "t1".to_owned(), name, contact, text, taken_ms: NOW_MS };
    operator.house.store.take_message(&message, None).await.unwrap();
    let expected = json!({"items": [{"callSid": CALL, "toolCall": "t1", "name": "Rosa", "contact": "rosa@example.com",
        "text": "Ring back", "takenAt": "2026-09-21T14:13:20.000Z"}]});
    assert_eq!(operator.get(&format!("{BUSINESS}/messages")).await.json(), expected);
}

#[tokio::test]
async fn usage_is_by_month_and_says_how_many_calls_there_are_now() {
    let operator = Operator::new().await;
    for (minutes, sid) in [(10, "CA1"), (20, "CA2"), (31 * 24 * 60, "CA3")] {
        call_before(&operator.house, minutes, sid).await;
    }
    let (business, call) = (BusinessId::parse("business-1").unwrap(), CallSid::parse("CA4").unwrap());
    let (business, call, instance) = (&business, &call, &instance());
    let until_ms = NOW_MS + 30_000;
    let wish = SlotWish { business, call, instance, most: 10, now_ms: NOW_MS, until_ms };
    operator.house.store.take(&wish).await.unwrap();
    let usage = operator.get(&format!("{BUSINESS}/usage")).await.json();
    let months: Vec<_> = usage["months"]
        .as_array()
        .unwrap()
        .iter()
        .map(|month| (&month["month"], &month["calls"], &month["talkedMs"]))
        .collect();
    let (september, august) = (Value::from("2026-09"), Value::from("2026-08"));
    assert_eq!(months, [(&september, &json!(2), &json!(120_000)), (&august, &json!(1), &json!(60_000))]);
    assert_eq!(
        (&usage["callsNow"], &usage["months"][0]["estimatedCostUsd"]),
        (&json!(1), &json!("0.098698"))
    );
    let august = operator.get(&format!("{BUSINESS}/usage?month=2026-08")).await.json();
    assert_eq!(august["months"].as_array().unwrap().len(), 1);
    assert_eq!(august["months"][0]["usage"]["input"]["audio"], 600);
    let none = operator.get(&format!("{BUSINESS}/usage?month=2026-01")).await.json();
    assert_eq!((&none["months"][0]["month"], &none["months"][0]["calls"]), (&json!("2026-01"), &json!(0)));
    let wrong = operator.get(&format!("{BUSINESS}/usage?month=November")).await;
    assert!(problem(&wrong).0 == 400 && wrong.body.contains("like 2026-11"), "{}", wrong.body);
}

#[tokio::test]
async fn a_notice_that_was_given_up_is_shown_and_can_be_tried_again() {
    let operator = Operator::new().await;
    let about = About::MessageTaken { call: CallSid::parse(CALL).unwrap(), tool_call: "t1".to_owned() };
    let notice = Notice::new(BusinessId::parse("business-1").unwrap(), about, NOW_MS - 60_000);
    let store = &operator.house.store;
    store.post(&notice).await.unwrap();
    store.take_due(NOW_MS, NOW_MS + 60_000, 1).await.unwrap();
    store.settle(&notice.id, &Delivery::GivenUp(NOW_MS, "it answered 404".to_owned())).await.unwrap();
    let target = format!("{BUSINESS}/notices");
    let expected = json!({"id": notice.id.as_str(), "about": {"what": "messageTaken", "callSid": CALL, "toolCall": "t1"},
        "state": "givenUp", "createdAt": "2026-09-21T14:12:20.000Z", "tries": 1, "lastError": "it answered 404"});
    assert_eq!(operator.get(&target).await.json()["items"], json!([expected]));
    let retry = format!("{target}/{}/retry", notice.id);
    assert_eq!(operator.ask("POST", &retry, None).await.status, 204);
    let waits = operator.get(&target).await.json();
    assert_eq!(
        (&waits["items"][0]["state"], &waits["items"][0]["dueAt"]),
        (&json!("waiting"), &json!("2026-09-21T14:13:20.000Z"))
    );
    let others = retry.replace("business-1", "business-2");
    assert_eq!(problem(&operator.ask("POST", &others, None).await), (404, "not-found".to_owned()));
}

#[tokio::test]
async fn a_business_that_is_not_there_has_no_empty_lists_and_one_that_was_removed_has_its_calls() {
    let operator = Operator::new().await;
    for what in ["calls", "messages", "voicemails", "usage", "usage?month=2026-09", "notices"] {
        let answer = operator.get(&format!("/api/businesses/nobody/{what}")).await;
        assert_eq!(problem(&answer), (404, "not-found".to_owned()), "{what}");
        assert_eq!(operator.get(&format!("{BUSINESS}/{what}")).await.status, 200, "{what}");
    }
    call_before(&operator.house, 10, CALL).await;
    assert_eq!(operator.delete(BUSINESS).await.status, 204);
    assert_eq!(operator.get(&format!("{BUSINESS}/calls")).await.json()["items"][0]["callSid"], CALL);
}

#[tokio::test]
async fn a_store_that_is_away_is_told_so_and_when_to_ask_again() {
    let operator = Operator::of(House::with(OddDirectory::that_is(Mood::Away)).await);
    let luna = json!({"name": "Luna", "plan": "premium", "greeting": "Hi.", "instructions": "x"});
    for answer in [
        operator.get("/api/businesses").await,
        operator.get(BUSINESS).await,
        operator.get(&format!("{BUSINESS}/calls")).await,
        operator.get("/api/export").await,
        operator.put("/api/businesses/luna", &luna).await,
        operator.delete("/api/plans/premium").await,
    ] {
        assert_eq!(problem(&answer), (503, "store-away".to_owned()));
        assert_eq!(answer.headers["retry-after"], "5");
        assert!(!answer.body.contains("hunter2"), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_store_that_never_answers_is_not_waited_for_longer_than_its_patience() {
    let operator = Operator::of(House::with(OddDirectory::that_is(Mood::Silent)).await);
    tokio::time::pause();
    let answer = operator.get(BUSINESS).await;
    assert_eq!(problem(&answer), (503, "store-away".to_owned()));
    assert!(answer.body.contains("did not answer within 10000 ms"), "{}", answer.body);
    assert_eq!(problem(&operator.delete("/api/plans/premium").await).0, 503);
}

#[tokio::test]
async fn a_store_that_fails_for_good_is_our_mistake_and_what_it_met_stays_with_us() {
    let operator = Operator::new().await;
    operator.house.store.close().await;
    for target in ["/api/calls/CA1", "/api/businesses", "/api/businesses/business-1/usage"] {
        let answer = operator.get(target).await;
        assert_eq!(problem(&answer), (500, "failed".to_owned()), "{target}");
        assert!(!answer.body.to_lowercase().contains("pool"), "{}", answer.body);
    }
}
