//! Plans with room, without, and with a store that cannot say.

use std::future::pending;

use async_trait::async_trait;
use futures_util::FutureExt as _;

use super::super::house::{ACCOUNT, CALLER, Furniture, House, LINE, NOW_MS};
use super::super::words;
use super::*;
use crate::domain::{AccountSid, DestinationId, InstanceId, Intention, PlanId, Sentence};
use crate::store::{Lapsed, LeaseClaim, Ledger as _, Outbox as _, Slots};

const FALLBACK: &str = "<Say>Please write to luna@example.com.</Say><Hangup/>";

/// Luna Dental on a plan.
fn import(concurrent_calls: u32, minutes_per_month: u32, at_limit: &str, webhook: bool) -> String {
    let secret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let webhook = if webhook {
        format!(r#","webhook":{{"url":"https://luna.example","secret":"{secret}"}}"#)
    } else {
        String::new()
    };
    format!(
        r#"{{"plans":[{{"id":"premium","concurrentCalls":{concurrent_calls},"minutesPerMonth":{minutes_per_month},
            "minutesPerCall":30,"atLimit":"{at_limit}"}}],
        "businesses":[{{"id":"business-1","name":"Luna Dental","plan":"premium","lines":["{LINE}"],
            "greeting":"Hello.","instructions":"Be kind.",
            "fallback":{{"message":"Please write to luna@example.com."}}{webhook}}}]}}"#
    )
}

fn luna() -> BusinessId {
    BusinessId::parse("business-1").unwrap()
}

fn call(number: u32) -> CallSid {
    CallSid::parse(&format!("CA{number:032x}")).unwrap()
}

impl House {
    async fn ring(&self, number: u32) -> String {
        let call = call(number);
        let form = [
            ("CallSid", call.as_str()),
            ("AccountSid", ACCOUNT),
            ("From", CALLER),
            ("To", LINE),
            ("CallStatus", "ringing"),
        ];
        self.post("/twilio-voice", &form).await.twiml().to_owned()
    }

    async fn asks_what_is_next(&self, number: u32, status: &str) -> String {
        let call = call(number);
        let form = [
            ("CallSid", call.as_str()),
            ("AccountSid", ACCOUNT),
            ("From", CALLER),
            ("To", LINE),
            ("CallStatus", status),
        ];
        self.post("/twilio-next", &form).await.twiml().to_owned()
    }

    /// A call that talked for so long this month.
    async fn talked(&self, number: u32, ms: i64) {
        let record = CallRecord {
            call: call(number),
            account: AccountSid::parse(ACCOUNT).unwrap(),
            business: luna(),
            plan: PlanId::parse("premium").unwrap(),
            from: CALLER.to_owned().into(),
            to: LINE.to_owned().into(),
            started_ms: NOW_MS - 86_400_000,
            answered_ms: None,
            ended_ms: None,
            ending: None,
            intention: None,
            attempts: 1,
            instance: InstanceId::parse("i-0").unwrap(),
            usage: Usage::default(),
            cost: MicroDollars::default(),
            recordings: Vec::new(),
            tells: false,
        };
        self.store.open_call(&record).await.unwrap();
        self.store.answered(&record.call, record.started_ms).await.unwrap();
        self.store.end_call(&record.call, record.started_ms + ms, Certainty::Told).await.unwrap();
    }

    async fn kept_as(&self, number: u32) -> CallRecord {
        self.store.call(&call(number)).await.unwrap().unwrap()
    }

    async fn taken(&self) -> u32 {
        self.store.taken(&luna(), NOW_MS).await.unwrap()
    }

    async fn limits_told(&self) -> Vec<Limit> {
        let told =
            self.store.notices(&luna()).await.unwrap().into_iter().filter_map(|notice| match notice.about {
                About::LimitReached { limit, day } => {
                    assert_eq!(day, "2026-09-21");
                    Some(limit)
                }
                About::CallEnded { .. } | About::MessageTaken { .. } | About::VoicemailLeft { .. } => None,
            });
        told.collect()
    }
}

#[tokio::test]
async fn one_call_more_than_the_plan_has_meets_the_businesss_own_fallback() {
    let house = House::of(&import(2, 100, "fall_back", true)).await;
    for number in 1..=2 {
        assert!(house.ring(number).await.starts_with("<Connect"), "{number}");
    }
    for number in 3..=5 {
        assert_eq!(house.ring(number).await, FALLBACK, "and no word of plans");
    }
    house.settled().await;
    assert_eq!((house.taken().await, house.app.registry.len()), (2, 2));
    let record = house.kept_as(3).await;
    assert_eq!((record.answered_ms, record.talked_ms()), (None, 0));
    assert_eq!((record.ending, record.ended_ms), (Some(Ending::PlanLimit), Some(NOW_MS)));
    assert_eq!(house.limits_told().await, [Limit::ConcurrentCalls], "once a day");
    assert!(house.app.nudge.heard().now_or_never().is_some(), "and at once");
    assert_eq!(house.asks_what_is_next(1, "completed").await, "<Hangup/>");
    house.until("the slot is not given back", async || house.taken().await == 1).await;
    assert!(house.ring(6).await.starts_with("<Connect"));
}

#[tokio::test]
async fn minutes_are_counted_to_the_millisecond_and_looked_at_when_a_call_begins() {
    let house = House::of(&import(2, 2, "fall_back", true)).await;
    house.talked(11, 60_000).await;
    house.talked(12, 59_999).await;
    assert!(house.ring(1).await.starts_with("<Connect"));
    house.talked(13, 1).await;
    assert_eq!(house.ring(2).await, FALLBACK);
    house.settled().await;
    assert_eq!(house.kept_as(2).await.ending, Some(Ending::PlanLimit));
    assert_eq!(house.taken().await, 1, "the slot that was taken is given back");
    assert_eq!(house.limits_told().await, [Limit::MinutesPerMonth]);
    assert!(house.ring(1).await.starts_with("<Connect"), "a call that has begun goes on");
    assert!(house.asks_what_is_next(1, "in-progress").await.starts_with("<Connect"), "and is resumed");
}

#[tokio::test]
async fn a_plan_may_want_its_callers_answered_all_the_same_and_the_business_told() {
    let house = House::of(&import(1, 1, "answer", true)).await;
    house.talked(11, 60_000).await;
    for number in 1..=3 {
        assert!(house.ring(number).await.starts_with("<Connect"), "{number}");
    }
    house.until("a notice is missing", async || house.limits_told().await.len() == 2).await;
    let everybody_counts = async || (house.taken().await, house.app.registry.len()) == (3, 3);
    house.until("whoever is on the line has a lease, within the plan or beyond it", everybody_counts).await;
}

#[tokio::test]
async fn a_business_without_a_webhook_is_told_nothing() {
    let house = House::of(&import(1, 100, "fall_back", false)).await;
    house.ring(1).await;
    assert_eq!(house.ring(2).await, FALLBACK);
    house.settled().await;
    assert_eq!(house.limits_told().await, []);
    assert!(house.app.nudge.heard().now_or_never().is_none(), "nobody is woken for nothing");
    assert_eq!(house.kept_as(2).await.ending, Some(Ending::PlanLimit));
}

#[tokio::test]
async fn a_plan_of_nothing_answers_nobody() {
    for (calls, minutes) in [(0, 100), (5, 0)] {
        let house = House::of(&import(calls, minutes, "fall_back", false)).await;
        assert_eq!(house.ring(1).await, FALLBACK);
        house.settled().await;
        assert_eq!((house.taken().await, house.app.registry.len()), (0, 0));
    }
}

#[tokio::test]
async fn twilio_may_ask_twice_here_and_elsewhere_and_the_call_has_one_slot() {
    let house = House::of(&import(1, 100, "fall_back", false)).await;
    let elsewhere = house.another();
    for _ in 0..2 {
        assert!(house.ring(1).await.starts_with("<Connect"));
        assert!(elsewhere.ring(1).await.starts_with("<Connect"));
    }
    assert_eq!(house.taken().await, 1);
    assert_eq!(elsewhere.ring(2).await, FALLBACK);
}

#[tokio::test]
async fn a_call_that_goes_on_is_never_refused_and_keeps_its_slot_on_whichever_instance() {
    let house = House::of(&import(1, 100, "fall_back", false)).await;
    let elsewhere = house.another();
    assert!(house.ring(1).await.starts_with("<Connect"));
    house.until("the call is not kept", async || house.store.call(&call(1)).await.unwrap().is_some()).await;
    assert!(elsewhere.asks_what_is_next(1, "in-progress").await.starts_with("<Connect"));
    elsewhere.settled().await;
    assert_eq!(house.taken().await, 1);
    // What the first held it holds no longer, and cannot give away.
    house.store.free(&luna(), &call(1), &house.app.instance).await.unwrap();
    assert_eq!(house.taken().await, 1);
    // One that never had a slot is not refused either.
    house.talked(2, 0).await;
    assert!(elsewhere.asks_what_is_next(2, "in-progress").await.starts_with("<Connect"));
    assert_eq!(house.taken().await, 1);
}

#[tokio::test]
async fn a_call_whose_model_has_done_its_part_is_over_and_its_slot_is_free() {
    let over: [(Option<Intention>, &str); 5] = [
        (Some(Intention::FallBack), "in-progress"),
        (Some(Intention::HangUp), "in-progress"),
        (Some(Intention::Transfer(DestinationId::parse("anywhere").unwrap())), "in-progress"),
        (None, "completed"),
        (None, "in-progress"),
    ];
    for (intention, status) in over {
        let house = House::of(&import(1, 100, "fall_back", false)).await;
        let accident = intention.is_none() && status == "in-progress";
        // Another instance carried it, and died.
        let elsewhere = house.another();
        assert!(elsewhere.ring(1).await.starts_with("<Connect"));
        let kept = async || house.store.call(&call(1)).await.unwrap().is_some();
        house.until("the call is not kept", kept).await;
        house.store.intend(&call(1), intention.as_ref()).await.unwrap();
        if accident {
            house.store.claim_attempt(&call(1), 3, &elsewhere.app.instance).await.unwrap();
        }
        let twiml = house.asks_what_is_next(1, status).await;
        assert!(!twiml.contains("<Connect"), "{twiml}");
        house.settled().await;
        assert_eq!(house.kept_as(1).await.ended_ms, Some(NOW_MS), "{intention:?}");
        assert_eq!(house.taken().await, 0, "{intention:?}");
    }
}

/// Slots of a store that does not answer.
#[derive(Debug)]
struct Stuck;

#[async_trait]
impl Slots for Stuck {
    async fn take(&self, _: &SlotWish<'_>) -> Result<Seating, StoreError> {
        pending().await
    }
    async fn renew(&self, _: &InstanceId, _: &[(BusinessId, CallSid)], _: i64) -> Result<(), StoreError> {
        pending().await
    }
    async fn free(&self, _: &BusinessId, _: &CallSid, _: &InstanceId) -> Result<(), StoreError> {
        pending().await
    }
    async fn taken(&self, _: &BusinessId, _: i64) -> Result<u32, StoreError> {
        pending().await
    }
    async fn lapsed(&self, _: i64, _: u32) -> Result<Vec<Lapsed>, StoreError> {
        pending().await
    }
    async fn bury(&self, _: &Lapsed) -> Result<(), StoreError> {
        pending().await
    }
    async fn claim(&self, _: &LeaseClaim<'_>) -> Result<bool, StoreError> {
        pending().await
    }
}

#[tokio::test]
async fn a_store_that_cannot_say_refuses_nobody() {
    let store = House::of(&import(1, 100, "fall_back", false)).await.store;
    let house = House::furnished(Furniture {
        slots: Arc::new(Stuck),
        limits_patience: Duration::from_millis(1),
        ..Furniture::of(&store)
    });
    for number in 1..=2 {
        assert!(house.ring(number).await.starts_with("<Connect"), "{number}");
    }
    assert_eq!(house.app.registry.wanting().len(), 2, "they want a slot still");
}

#[tokio::test]
async fn a_call_this_instance_has_no_room_for_gives_its_slot_back() {
    let store = House::of(&import(5, 100, "fall_back", false)).await.store;
    let house = House::furnished(Furniture { most_calls: 0, ..Furniture::of(&store) });
    assert_eq!(house.ring(1).await, FALLBACK);
    house.settled().await;
    assert_eq!(house.taken().await, 0);
}

#[test]
fn no_word_of_ours_tells_a_caller_of_plans() {
    for sentence in
        [words::CANNOT_ANSWER, Sentence::Connecting.in_english(), words::NOBODY_THERE, words::NOT_IN_SERVICE]
    {
        for word in ["plan", "limit", "bill", "minute", "pay"] {
            assert!(!sentence.to_lowercase().contains(word), "{sentence}");
        }
    }
}
