//! What every [`Ledger`] must do.

use std::cmp::Reverse;
use std::slice;

use futures_util::future::join_all;

use super::outbox::{clear, listed};
use super::{RACERS, fresh_business, instance, one_call};
use crate::domain::{
    About, BusinessId, CallRecord, CallSid, DestinationId, Ending, Intention, Message, MicroDollars,
    ModalityTokens, Notice, Pii, Recording, Speaker, StreamEnd, Turn, Usage,
};
use crate::store::{CallKey, Certainty, Ledger, Outbox};

/// All that is asked of a ledger; what it counts is asked in `months`.
pub async fn all(store: &dyn Ledger, outbox: &dyn Outbox) {
    a_call_is_opened_once_and_the_first_stays(store).await;
    of_many_that_open_a_call_at_once_one_is_new(store).await;
    a_call_that_was_never_opened_is_none(store).await;
    the_calls_of_a_business_are_listed_the_latest_first(store).await;
    a_list_of_calls_goes_on_behind_any_call(store).await;
    a_call_is_listed_as_it_is_and_only_when_it_was_opened(store).await;
    of_many_that_claim_an_attempt_at_once_one_gets_it(store).await;
    an_attempt_can_be_claimed_before_the_call_is_opened(store).await;
    a_late_claim_of_an_early_attempt_changes_no_instance(store).await;
    the_earliest_answer_and_the_earliest_end_stay(store).await;
    a_presumed_end_holds_until_there_is_a_sure_one(store).await;
    an_intention_is_kept_until_it_is_taken_back(store).await;
    turns_come_back_in_order_and_once(store).await;
    a_message_is_kept_once_and_only_for_its_business(store).await;
    one_message_is_found_by_its_tool_call(store).await;
    a_message_and_what_is_told_of_it_are_kept_together(store, outbox).await;
    what_was_recorded_is_kept_by_attempt(store).await;
    usage_is_added_and_an_accident_ends_no_call(store).await;
    the_first_word_about_a_stream_stays(store).await;
    a_word_about_a_stream_that_another_instance_carries_is_dropped(store).await;
    the_end_of_a_stream_that_was_followed_by_another_ends_no_call(store).await;
    an_accident_told_late_does_not_replace_the_ending(store).await;
    of_several_accidents_that_of_the_last_stream_shows(store).await;
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

/// Also of those that started at the same time.
pub async fn the_calls_of_a_business_are_listed_the_latest_first(store: &dyn Ledger) {
    let (business, other) = (fresh_business(), fresh_business());
    let mut calls = Vec::new();
    for started_ms in [30, 10, 20, 20, 20, 40, i64::from(i32::MAX) * 1_000] {
        let call = CallRecord { business: business.clone(), started_ms, ..one_call() };
        store.open_call(&call).await.expect("opens");
        calls.push(call);
    }
    let foreign = CallRecord { business: other.clone(), ..one_call() };
    store.open_call(&foreign).await.expect("opens");
    calls.sort_by_key(|call| Reverse(key(call)));

    let all = store.calls(&business, None, 1_000).await.expect("answers");
    assert_eq!((all.items, all.next), (calls.clone(), None));
    assert!(all.unreadable.is_empty(), "{:?}", all.unreadable);
    assert_eq!(store.calls(&other, None, 1_000).await.expect("answers").items, [foreign]);
    assert_eq!(store.calls(&fresh_business(), None, 1_000).await.expect("answers").items, []);
    for most in [1, 2, 3, 7] {
        let (mut walked, mut after) = (Vec::new(), None);
        loop {
            let part = store.calls(&business, after.as_ref(), most).await.expect("answers");
            assert!(part.items.len() <= usize::try_from(most).expect("small"));
            walked.extend(part.items);
            after = part.next;
            let Some(next) = &after else { break };
            assert_eq!(Some(next), walked.last().map(key).as_ref(), "and there is more");
            assert!(walked.len() < calls.len(), "it said that there is more");
        }
        assert_eq!(walked, calls, "{most} at a time");
    }
}

/// The call itself need not be there: a person's bookmark outlives it.
pub async fn a_list_of_calls_goes_on_behind_any_call(store: &dyn Ledger) {
    let business = fresh_business();
    let (late, early) = (one_call(), one_call());
    let late = CallRecord { business: business.clone(), started_ms: 20, ..late };
    let early = CallRecord { business: business.clone(), started_ms: 10, ..early };
    for call in [&late, &early] {
        store.open_call(call).await.expect("opens");
    }
    for (started_ms, expected) in
        [(30, vec![late.clone(), early.clone()]), (15, vec![early.clone()]), (5, vec![])]
    {
        let after = CallKey { started_ms, call: one_call().call };
        assert_eq!(store.calls(&business, Some(&after), 9).await.expect("answers").items, expected);
    }
    let rest = store.calls(&business, Some(&key(&late)), 9).await.expect("answers").items;
    assert_eq!(rest, [early]);
}

/// With what became of it.
pub async fn a_call_is_listed_as_it_is_and_only_when_it_was_opened(store: &dyn Ledger) {
    let call = CallRecord { business: fresh_business(), ..one_call() };
    store.answered(&call.call, 10).await.expect("keeps");
    store.claim_attempt(&call.call, 1, &instance("carrier")).await.expect("claims");
    store.keep_recording(&call.call, &recording(1, "one.wav")).await.expect("keeps");
    store.end_stream(&call.call, &end(1, Ending::HungUp, usage(2), 90)).await.expect("keeps");
    assert_eq!(store.calls(&call.business, None, 9).await.expect("answers").items, []);
    store.open_call(&call).await.expect("opens");
    let whole = record(store, &call.call).await;
    assert_eq!((whole.ended_ms, whole.usage, whole.recordings.len()), (Some(90), usage(2), 1));
    assert_eq!(store.calls(&call.business, None, 9).await.expect("answers").items, [whole]);
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

/// A stream that is resumed does not answer the call anew; and what is told first need not have come first.
pub async fn the_earliest_answer_and_the_earliest_end_stay(store: &dyn Ledger) {
    let call = one_call();
    store.open_call(&call).await.expect("opens");
    for (at_ms, earliest_ms) in [(20, 20), (30, 20), (10, 10), (40, 10)] {
        store.answered(&call.call, at_ms).await.expect("keeps");
        store.end_call(&call.call, at_ms + 5, Certainty::Told).await.expect("keeps");
        let record = record(store, &call.call).await;
        assert_eq!((record.answered_ms, record.ended_ms), (Some(earliest_ms), Some(earliest_ms + 5)));
    }
    for (attempt, at_ms) in [(1, 12), (2, 50)] {
        store.end_stream(&call.call, &end(attempt, Ending::HungUp, usage(0), at_ms)).await.expect("keeps");
        assert_eq!(record(store, &call.call).await.ended_ms, Some(12), "a stream's end is as sure");
    }
}

/// Whoever presumes later has heard of the call after the others gave it up.
pub async fn a_presumed_end_holds_until_there_is_a_sure_one(store: &dyn Ledger) {
    for sure_ms in [5, 25, 99] {
        let call = one_call();
        store.open_call(&call).await.expect("opens");
        for (presumed_ms, latest_ms) in [(30, 30), (20, 30), (40, 40)] {
            store.end_call(&call.call, presumed_ms, Certainty::Presumed).await.expect("keeps");
            let record = record(store, &call.call).await;
            assert_eq!((record.ended_ms, record.ending), (Some(latest_ms), None));
        }
        let lost = end(1, Ending::StreamLost, usage(0), 50);
        store.end_stream(&call.call, &lost).await.expect("keeps");
        assert_eq!(record(store, &call.call).await.ended_ms, Some(40), "an accident is no end");
        store.end_call(&call.call, sure_ms, Certainty::Told).await.expect("keeps");
        for presumed_ms in [1, 60] {
            store.end_call(&call.call, presumed_ms, Certainty::Presumed).await.expect("answers");
            assert_eq!(record(store, &call.call).await.ended_ms, Some(sure_ms));
        }
    }
    let call = one_call();
    store.open_call(&call).await.expect("opens");
    store.end_call(&call.call, 30, Certainty::Presumed).await.expect("keeps");
    store.end_stream(&call.call, &end(1, Ending::CallerHungUp, usage(0), 80)).await.expect("keeps");
    assert_eq!(record(store, &call.call).await.ended_ms, Some(80), "a stream's end is as sure");
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

/// The oldest comes first, and of two words about one the first.
pub async fn a_message_is_kept_once_and_only_for_its_business(store: &dyn Ledger) {
    let (call, business, other) = (one_call().call, fresh_business(), fresh_business());
    let (late, early) = (message(&call, &business, "call_2", 20), message(&call, &business, "call_1", 10));
    let foreign = message(&call, &other, "call_3", 15);
    let again = Message { taken_ms: 5, text: Pii::new("something else".to_owned()), ..late.clone() };
    for message in [&late, &early, &foreign, &again] {
        store.take_message(message, None).await.expect("keeps");
    }
    assert_eq!(store.messages(&business).await.expect("answers"), [early, late]);
    assert_eq!(store.messages(&other).await.expect("answers"), [foreign]);
    assert_eq!(store.messages(&fresh_business()).await.expect("answers"), []);
}

/// Its name is whatever the model made up.
pub async fn one_message_is_found_by_its_tool_call(store: &dyn Ledger) {
    let (call, other, business) = (one_call().call, one_call().call, fresh_business());
    for tool_call in ["call_1", "a/b", "../é '\"\\ %2F", &"long".repeat(500)] {
        let message = message(&call, &business, tool_call, 10);
        assert_eq!(store.message(&call, tool_call).await.expect("answers"), None);
        store.take_message(&message, None).await.expect("keeps");
        assert_eq!(store.message(&call, tool_call).await.expect("answers"), Some(message));
        assert_eq!(store.message(&other, tool_call).await.expect("answers"), None);
    }
}

/// A message told again is not told of again.
pub async fn a_message_and_what_is_told_of_it_are_kept_together(store: &dyn Ledger, outbox: &dyn Outbox) {
    let (call, business) = (one_call().call, fresh_business());
    let about = About::MessageTaken { call: call.clone(), tool_call: "call_1".to_owned() };
    let notice = Notice::new(business.clone(), about, 10);
    let told = message(&call, &business, "call_1", 10);
    let untold = message(&call, &business, "call_2", 20);
    store.take_message(&untold, None).await.expect("keeps");
    assert_eq!(listed(outbox, &business).await, []);
    for _ in 0..2 {
        store.take_message(&told, Some(&notice)).await.expect("keeps");
        assert_eq!(listed(outbox, &business).await, slice::from_ref(&notice));
    }
    assert_eq!(store.messages(&business).await.expect("answers"), [told.clone(), untold]);
    clear(outbox, &business).await;
    store.take_message(&told, Some(&notice)).await.expect("answers");
    assert_eq!(listed(outbox, &business).await, [], "also when it was delivered and forgotten");
}

/// One told again replaces itself.
pub async fn what_was_recorded_is_kept_by_attempt(store: &dyn Ledger) {
    let call = one_call();
    store.keep_recording(&call.call, &recording(2, "before the call was opened.wav")).await.expect("keeps");
    store.open_call(&call).await.expect("opens");
    store.keep_recording(&call.call, &recording(2, "two.wav")).await.expect("keeps");
    store.keep_recording(&call.call, &recording(1, "one.wav")).await.expect("keeps");
    let recordings = record(store, &call.call).await.recordings;
    assert_eq!(recordings, [recording(1, "one.wav"), recording(2, "two.wav")]);
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

/// Whoever tells may not have heard that it was kept.
pub async fn the_first_word_about_a_stream_stays(store: &dyn Ledger) {
    let call = one_call();
    store.open_call(&call).await.expect("opens");
    let first = end(1, Ending::StreamLost, usage(2), 50);
    for end in [first.clone(), first, end(1, Ending::HungUp, usage(9), 70)] {
        store.end_stream(&call.call, &end).await.expect("answers");
        let record = record(store, &call.call).await;
        assert_eq!((record.ending, record.ended_ms), (Some(Ending::StreamLost), None));
        assert_eq!((record.usage, record.cost), (usage(2), MicroDollars::new(1)));
    }
}

/// The webhook's instance waits in vain for a caller who is talking elsewhere, and says so.
pub async fn a_word_about_a_stream_that_another_instance_carries_is_dropped(store: &dyn Ledger) {
    let call = one_call();
    store.open_call(&call).await.expect("opens");
    assert!(store.claim_attempt(&call.call, 1, &instance("carrier")).await.expect("claims"));
    let webhook = instance("webhook");
    let in_vain = StreamEnd { instance: webhook.clone(), ..end(1, Ending::NeverConnected, usage(1), 15) };
    store.end_stream(&call.call, &in_vain).await.expect("answers");
    let goes_on = record(store, &call.call).await;
    assert_eq!((goes_on.ending, goes_on.ended_ms, goes_on.usage), (None, None, usage(0)));
    store.end_stream(&call.call, &end(1, Ending::HungUp, usage(3), 90)).await.expect("keeps");
    let over = record(store, &call.call).await;
    assert_eq!((over.ending, over.ended_ms, over.usage), (Some(Ending::HungUp), Some(90), usage(3)));
    let unclaimed = StreamEnd { instance: webhook, ..end(2, Ending::StreamLost, usage(1), 95) };
    store.end_stream(&call.call, &unclaimed).await.expect("keeps");
    assert_eq!(
        record(store, &call.call).await.usage,
        usage(4),
        "of a stream nobody claimed, anybody may tell"
    );
}

/// An instance that was cut off, and whose call another adopted, takes the end of its stream for the caller's.
pub async fn the_end_of_a_stream_that_was_followed_by_another_ends_no_call(store: &dyn Ledger) {
    let call = one_call();
    store.open_call(&call).await.expect("opens");
    for attempt in [1, 2] {
        assert!(store.claim_attempt(&call.call, attempt, &instance("carrier")).await.expect("claims"));
    }
    store.end_stream(&call.call, &end(1, Ending::CallerHungUp, usage(1), 50)).await.expect("keeps");
    let goes_on = record(store, &call.call).await;
    assert_eq!((goes_on.ended_ms, goes_on.usage), (None, usage(1)));
    store.end_stream(&call.call, &end(2, Ending::HungUp, usage(2), 90)).await.expect("keeps");
    let over = record(store, &call.call).await;
    assert_eq!((over.ending, over.ended_ms, over.usage), (Some(Ending::HungUp), Some(90), usage(3)));
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

/// Whichever is told first.
pub async fn of_several_accidents_that_of_the_last_stream_shows(store: &dyn Ledger) {
    let call = one_call();
    store.open_call(&call).await.expect("opens");
    for (attempt, ending, shown) in [
        (2, Ending::ModelLost, Ending::ModelLost),
        (1, Ending::HandedOver, Ending::ModelLost),
        (3, Ending::StreamRefused("codec".to_owned()), Ending::StreamRefused("codec".to_owned())),
    ] {
        store.end_stream(&call.call, &end(attempt, ending, usage(1), 50)).await.expect("keeps");
        let record = record(store, &call.call).await;
        assert_eq!((record.ending, record.ended_ms), (Some(shown), None));
    }
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

fn message(call: &CallSid, business: &BusinessId, tool_call: &str, taken_ms: i64) -> Message {
    Message {
        call: call.clone(),
        business: business.clone(),
        tool_call: tool_call.to_owned(),
        name: Pii::new("Zoë".to_owned()),
        contact: Pii::new("+14155550123".to_owned()),
        text: Pii::new("please call back; robert'); drop table calls;--".to_owned()),
        taken_ms,
    }
}

fn recording(attempt: u8, file: &str) -> Recording {
    Recording { attempt, file: file.to_owned(), length_ms: 61_234, instance: instance("carrier") }
}

fn key(call: &CallRecord) -> CallKey {
    CallKey { started_ms: call.started_ms, call: call.call.clone() }
}

/// One stream's end, told by the instance `carrier`; it costs as many millionths of a dollar as its attempt.
pub(super) fn end(attempt: u8, ending: Ending, usage: Usage, at_ms: i64) -> StreamEnd {
    let cost = MicroDollars::new(i64::from(attempt));
    StreamEnd { attempt, instance: instance("carrier"), ending, usage, cost, at_ms }
}

/// A call that was opened.
pub(super) async fn record(store: &dyn Ledger, call: &CallSid) -> CallRecord {
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

/// Some use of every kind, so many times.
pub(super) fn usage(times: u64) -> Usage {
    let tokens = |kind: u64| ModalityTokens { text: kind * times, audio: kind * 10 * times, image: 0 };
    Usage { input: tokens(3), cached: tokens(2), output: tokens(5), transcribed_ms: 7 * times }
}
