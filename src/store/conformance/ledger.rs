//! What every [`Ledger`] must do.

use futures_util::future::join_all;

use super::{RACERS, fresh_business, instance, one_call};
use crate::domain::{
    BusinessId, CallRecord, CallSid, DestinationId, Ending, Intention, Message, MicroDollars, ModalityTokens,
    Pii, Speaker, StreamEnd, Turn, Usage,
};
use crate::store::{Certainty, Ledger};

/// All that is asked of a ledger.
pub async fn all(store: &dyn Ledger) {
    a_call_is_opened_once_and_the_first_stays(store).await;
    of_many_that_open_a_call_at_once_one_is_new(store).await;
    a_call_that_was_never_opened_is_none(store).await;
    of_many_that_claim_an_attempt_at_once_one_gets_it(store).await;
    an_attempt_can_be_claimed_before_the_call_is_opened(store).await;
    a_late_claim_of_an_early_attempt_changes_no_instance(store).await;
    the_first_answer_and_the_first_end_stay(store).await;
    an_intention_is_kept_until_it_is_taken_back(store).await;
    turns_come_back_in_order_and_once(store).await;
    a_message_is_kept_once_and_only_for_its_business(store).await;
    usage_is_added_and_an_accident_ends_no_call(store).await;
    an_accident_told_late_does_not_replace_the_ending(store).await;
    what_is_told_before_a_call_is_opened_shows_afterwards(store).await;
    streams_that_end_at_once_are_all_counted(store).await;
}

/// Twilio may ask twice.
pub async fn a_call_is_opened_once_and_the_first_stays(store: &dyn Ledger) {
    let mut call = one_call();
    assert!(store.open_call(&call).await.expect("opens"));
    assert_eq!(record(store, &call.call).await, call);
    let first = call.clone();
    call.from = Pii::new("somebody else".to_owned());
    call.started_ms += 1;
    assert!(!store.open_call(&call).await.expect("answers"));
    assert_eq!(record(store, &call.call).await, first);
}

/// On one instance or on several.
pub async fn of_many_that_open_a_call_at_once_one_is_new(store: &dyn Ledger) {
    let call = one_call();
    let outcomes = join_all((0..RACERS).map(|_| store.open_call(&call))).await;
    let new = outcomes.into_iter().filter(|outcome| *outcome.as_ref().expect("answers")).count();
    assert_eq!(new, 1);
    assert_eq!(record(store, &call.call).await, call);
}

/// Nothing is known of a stranger, and that is no error.
pub async fn a_call_that_was_never_opened_is_none(store: &dyn Ledger) {
    let stranger = one_call().call;
    assert_eq!(store.call(&stranger).await.expect("answers"), None);
    assert_eq!(store.turns(&stranger).await.expect("answers"), []);
    store.end_call(&stranger, 1, Certainty::Told).await.expect("Twilio tells of calls we never took");
    assert_eq!(store.call(&stranger).await.expect("answers"), None);
}

/// One pass, one stream.
pub async fn of_many_that_claim_an_attempt_at_once_one_gets_it(store: &dyn Ledger) {
    let call = one_call();
    store.open_call(&call).await.expect("opens");
    for attempt in [1, 2] {
        let racers: Vec<_> = (0..RACERS).map(|racer| instance(&format!("racer-{racer}"))).collect();
        let outcomes =
            join_all(racers.iter().map(|racer| store.claim_attempt(&call.call, attempt, racer))).await;
        let won: Vec<_> =
            racers.iter().zip(outcomes).filter(|(_, won)| *won.as_ref().expect("answers")).collect();
        assert_eq!(won.len(), 1);
        let record = record(store, &call.call).await;
        assert_eq!(
            (record.attempts, Some(&record.instance)),
            (attempt, won.first().map(|(racer, _)| *racer))
        );
        assert!(!store.claim_attempt(&call.call, attempt, &record.instance).await.expect("answers"));
    }
}

/// The stream may come to another instance before the webhook's has written the call down.
pub async fn an_attempt_can_be_claimed_before_the_call_is_opened(store: &dyn Ledger) {
    let call = one_call();
    let (early, late) = (instance("early"), instance("late"));
    assert!(store.claim_attempt(&call.call, 1, &early).await.expect("claims"));
    assert_eq!(store.call(&call.call).await.expect("answers"), None);
    assert!(store.open_call(&call).await.expect("opens"), "it is new all the same");
    assert!(!store.claim_attempt(&call.call, 1, &late).await.expect("answers"));
    assert_eq!(record(store, &call.call).await, CallRecord { attempts: 1, instance: early, ..call });
}

/// Attempts never go down.
pub async fn a_late_claim_of_an_early_attempt_changes_no_instance(store: &dyn Ledger) {
    let call = one_call();
    let (second, first) = (instance("second"), instance("first"));
    store.open_call(&call).await.expect("opens");
    assert!(store.claim_attempt(&call.call, 2, &second).await.expect("claims"));
    assert!(store.claim_attempt(&call.call, 1, &first).await.expect("claims"));
    assert_eq!(record(store, &call.call).await, CallRecord { attempts: 2, instance: second, ..call });
}

/// A stream that is resumed does not answer the call anew.
pub async fn the_first_answer_and_the_first_end_stay(store: &dyn Ledger) {
    let call = one_call();
    store.open_call(&call).await.expect("opens");
    for at_ms in [10, 20] {
        store.answered(&call.call, at_ms).await.expect("keeps");
        store.end_call(&call.call, at_ms + 5, Certainty::Told).await.expect("keeps");
    }
    let ended = CallRecord { answered_ms: Some(10), ended_ms: Some(15), ..call };
    assert_eq!(record(store, &ended.call).await, ended);
}

/// Whoever is asked after the stream closed can tell a decision from an accident.
pub async fn an_intention_is_kept_until_it_is_taken_back(store: &dyn Ledger) {
    let call = one_call();
    store.open_call(&call).await.expect("opens");
    let desk = DestinationId::parse("front-office").expect("legal");
    for intention in
        [Some(Intention::HangUp), Some(Intention::Transfer(desk)), Some(Intention::FallBack), None]
    {
        store.intend(&call.call, intention.as_ref()).await.expect("keeps");
        assert_eq!(record(store, &call.call).await.intention, intention);
    }
}

/// By attempt, then by when they began, then by number; one told again replaces itself.
pub async fn turns_come_back_in_order_and_once(store: &dyn Ledger) {
    let (call, other) = (one_call().call, one_call().call);
    let order = [turn(1, 1, 0), turn(1, 0, 900), turn(1, 2, 900), turn(1, 3, u64::MAX), turn(2, 0, 0)];
    for turn in order.iter().rev() {
        store
            .keep_turn(&call, &Turn { text: Pii::new("half of".to_owned()), ..turn.clone() })
            .await
            .expect("keeps");
        store.keep_turn(&call, turn).await.expect("keeps");
    }
    store.keep_turn(&other, &turn(1, 0, 5)).await.expect("keeps");
    assert_eq!(store.turns(&call).await.expect("answers"), order);
    assert_eq!(store.turns(&other).await.expect("answers"), [turn(1, 0, 5)]);
}

/// The oldest comes first.
pub async fn a_message_is_kept_once_and_only_for_its_business(store: &dyn Ledger) {
    let (call, business, other) = (one_call().call, fresh_business(), fresh_business());
    let message = |business: &BusinessId, tool_call: &str, taken_ms| Message {
        call: call.clone(),
        business: business.clone(),
        tool_call: tool_call.to_owned(),
        name: Pii::new("Zoë".to_owned()),
        contact: Pii::new("+14155550123".to_owned()),
        text: Pii::new("please call back; robert'); drop table calls;--".to_owned()),
        taken_ms,
    };
    let (late, early) = (message(&business, "call_2", 20), message(&business, "call_1", 10));
    let foreign = message(&other, "call_3", 15);
    for message in [&late, &early, &foreign, &late] {
        store.take_message(message, None).await.expect("keeps");
    }
    assert_eq!(store.messages(&business).await.expect("answers"), [early, late]);
    assert_eq!(store.messages(&other).await.expect("answers"), [foreign]);
    assert_eq!(store.messages(&fresh_business()).await.expect("answers"), []);
}

/// What every stream used belongs to the call.
pub async fn usage_is_added_and_an_accident_ends_no_call(store: &dyn Ledger) {
    let call = one_call();
    store.open_call(&call).await.expect("opens");
    store.end_stream(&call.call, &end(1, Ending::ModelLost, usage(3), 50)).await.expect("keeps");
    let lost = record(store, &call.call).await;
    assert_eq!((lost.ending, lost.ended_ms, lost.usage), (Some(Ending::ModelLost), None, usage(3)));
    store.end_stream(&call.call, &end(2, Ending::CallerHungUp, usage(4), 90)).await.expect("keeps");
    let over = record(store, &call.call).await;
    assert_eq!((over.ending, over.ended_ms, over.usage), (Some(Ending::CallerHungUp), Some(90), usage(7)));
}

/// Two instances may tell of two streams in either order; what both used counts.
pub async fn an_accident_told_late_does_not_replace_the_ending(store: &dyn Ledger) {
    let call = one_call();
    store.open_call(&call).await.expect("opens");
    let desk = DestinationId::parse("front-office").expect("legal");
    let transferred = Ending::Transferred(desk);
    store.end_stream(&call.call, &end(2, transferred.clone(), usage(1), 90)).await.expect("keeps");
    store.end_stream(&call.call, &end(1, Ending::HandedOver, usage(1), 95)).await.expect("keeps");
    store.end_call(&call.call, 99, Certainty::Told).await.expect("keeps");
    let over = record(store, &call.call).await;
    assert_eq!((over.ending, over.ended_ms, over.usage), (Some(transferred), Some(90), usage(2)));
}

/// Whoever tells need not wait for whoever opens.
pub async fn what_is_told_before_a_call_is_opened_shows_afterwards(store: &dyn Ledger) {
    let call = one_call();
    store.answered(&call.call, 10).await.expect("keeps");
    store.intend(&call.call, Some(&Intention::HangUp)).await.expect("keeps");
    store.end_stream(&call.call, &end(1, Ending::HungUp, usage(2), 30)).await.expect("keeps");
    store.end_call(&call.call, 35, Certainty::Told).await.expect("keeps");
    assert!(store.open_call(&call).await.expect("opens"));
    let whole = CallRecord {
        answered_ms: Some(10),
        ended_ms: Some(30),
        ending: Some(Ending::HungUp),
        intention: Some(Intention::HangUp),
        usage: usage(2),
        cost: MicroDollars::new(1),
        ..call
    };
    assert_eq!(record(store, &whole.call).await, whole);
}

/// No use is lost between reading the sum and writing it.
pub async fn streams_that_end_at_once_are_all_counted(store: &dyn Ledger) {
    let call = one_call();
    store.open_call(&call).await.expect("opens");
    let ends: Vec<_> = (1..=u8::try_from(RACERS).expect("small"))
        .map(|attempt| end(attempt, Ending::StreamLost, usage(1), 1))
        .collect();
    for outcome in join_all(ends.iter().map(|end| store.end_stream(&call.call, end))).await {
        outcome.expect("keeps");
    }
    assert_eq!(record(store, &call.call).await.usage, usage(u64::try_from(RACERS).expect("small")));
}

fn end(attempt: u8, ending: Ending, usage: Usage, at_ms: i64) -> StreamEnd {
    let cost = MicroDollars::new(i64::from(attempt));
    StreamEnd { attempt, instance: instance("carrier"), ending, usage, cost, at_ms }
}

async fn record(store: &dyn Ledger, call: &CallSid) -> CallRecord {
    store.call(call).await.expect("answers").expect("was opened")
}

fn turn(attempt: u8, number: u32, began_ms: u64) -> Turn {
    Turn {
        attempt,
        number,
        speaker: if number == 0 { Speaker::Caller } else { Speaker::Model },
        text: Pii::new("I'd like an appointment — zur Prophylaxe".to_owned()),
        began_ms,
        heard_ms: 1_200,
        interrupted: number == 1,
        answer_delay_ms: (number == 2).then_some(480),
    }
}

fn usage(times: u64) -> Usage {
    let tokens = |kind: u64| ModalityTokens { text: kind * times, audio: kind * 10 * times, image: 0 };
    Usage { input: tokens(3), cached: tokens(2), output: tokens(5) }
}
