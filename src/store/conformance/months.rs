//! What every [`Ledger`] must count, and whom it must tell: months, and the notice that a call is over.

use std::slice;

use futures_util::future::join_all;

use super::ledger::{end, record, usage};
use super::{RACERS, fresh_business, one_call, outbox};
use crate::domain::{
    About, BusinessId, CallRecord, DestinationId, Ending, MicroDollars, Month, MonthUsage, Notice, Usage,
};
use crate::store::meter::MAY_COME_BACK_MS;
use crate::store::{Certainty, Ledger, Outbox};

/// When calls start in these stories, in milliseconds since 1970: in September 2026.
const STARTED_MS: i64 = 1_790_000_000_000;

/// The last millisecond of October 2026 in UTC.
const LAST_OF_OCTOBER_MS: i64 = 1_793_491_199_999;

/// All that is asked of what a ledger counts and tells.
pub async fn all(store: &dyn Ledger, outbox: &dyn Outbox) {
    a_month_nobody_called_in_is_nothing(store).await;
    a_call_counts_its_time_when_it_is_over(store).await;
    a_call_nobody_answered_counts_no_time(store).await;
    a_stream_counts_its_use_when_it_is_over(store).await;
    what_is_told_twice_counts_once(store).await;
    in_whatever_order_it_is_told_it_adds_up_to_the_same(store).await;
    a_presumed_end_counts_and_a_sure_one_corrects_it(store).await;
    a_call_that_comes_back_is_over_when_that_is_told_anew(store).await;
    a_stream_that_is_claimed_takes_back_only_what_was_over_before_it(store).await;
    the_late_end_of_a_stream_does_not_end_the_next(store).await;
    a_call_that_may_come_back_is_told_of_a_little_later_and_once(store, outbox).await;
    a_dropped_word_counts_nothing(store).await;
    a_call_belongs_to_the_month_it_started_in(store).await;
    every_business_has_its_own_months(store).await;
    months_are_listed_the_latest_first(store).await;
    calls_that_end_at_once_are_all_counted(store).await;
    a_call_that_met_the_plans_limit_reads_so_and_counts_nothing(store, outbox).await;
    a_business_is_told_once_that_a_call_is_over(store, outbox).await;
    a_business_that_did_not_ask_is_told_nothing(store, outbox).await;
    an_accident_alone_tells_nothing(store, outbox).await;
    a_presumed_end_is_told_and_its_correction_is_not(store, outbox).await;
    a_call_that_was_over_before_it_was_opened_is_told_of_then(store, outbox).await;
}

/// And no error.
pub async fn a_month_nobody_called_in_is_nothing(store: &dyn Ledger) {
    let business = fresh_business();
    assert_eq!(september(store, &business).await, nothing(&business));
    assert_eq!(store.months(&business).await.expect("answers"), []);
}

/// Not while it goes on, and from its first stream on.
pub async fn a_call_counts_its_time_when_it_is_over(store: &dyn Ledger) {
    let call = opened(store).await;
    store.answered(&call.call, STARTED_MS + 900).await.expect("keeps");
    assert_eq!(september(store, &call.business).await, nothing(&call.business));
    store.end_call(&call.call, STARTED_MS + 61_234, Certainty::Told).await.expect("keeps");
    let expected = MonthUsage { calls: 1, talked_ms: 60_334, ..nothing(&call.business) };
    assert_eq!(september(store, &call.business).await, expected);
    assert_eq!(record(store, &call.call).await.talked_ms(), 60_334);
}

/// Nor does it count as a call.
pub async fn a_call_nobody_answered_counts_no_time(store: &dyn Ledger) {
    let call = opened(store).await;
    store
        .end_stream(&call.call, &end(1, Ending::NeverConnected, usage(2), STARTED_MS + 15_000))
        .await
        .expect("keeps");
    let used = MonthUsage { usage: usage(2), cost: MicroDollars::new(1), ..nothing(&call.business) };
    assert_eq!(september(store, &call.business).await, used, "what its model used was used");
}

/// Also while the call goes on.
pub async fn a_stream_counts_its_use_when_it_is_over(store: &dyn Ledger) {
    let call = opened(store).await;
    store.answered(&call.call, STARTED_MS).await.expect("keeps");
    store.end_stream(&call.call, &end(1, Ending::ModelLost, usage(3), STARTED_MS + 5)).await.expect("keeps");
    let used = MonthUsage { usage: usage(3), cost: MicroDollars::new(1), ..nothing(&call.business) };
    assert_eq!(september(store, &call.business).await, used);
    store.end_stream(&call.call, &end(2, Ending::HungUp, usage(4), STARTED_MS + 9)).await.expect("keeps");
    let whole = MonthUsage { calls: 1, talked_ms: 9, usage: usage(7), cost: MicroDollars::new(3), ..used };
    assert_eq!(september(store, &call.business).await, whole);
}

/// Whoever tells may not have heard that it was kept.
pub async fn what_is_told_twice_counts_once(store: &dyn Ledger) {
    let call = opened(store).await;
    for _ in 0..3 {
        assert!(!store.open_call(&call).await.expect("answers"));
        store.answered(&call.call, STARTED_MS).await.expect("keeps");
        store.end_stream(&call.call, &end(1, Ending::HungUp, usage(1), STARTED_MS + 7)).await.expect("keeps");
        store.end_call(&call.call, STARTED_MS + 8, Certainty::Told).await.expect("keeps");
    }
    let expected = MonthUsage {
        calls: 1,
        talked_ms: 7,
        usage: usage(1),
        cost: MicroDollars::new(1),
        ..nothing(&call.business)
    };
    assert_eq!(september(store, &call.business).await, expected);
    assert_eq!(store.months(&call.business).await.expect("answers"), [expected]);
}

/// Seven things are told of a call, in forty-two orders: each is first and last, and before and behind each other one.
pub async fn in_whatever_order_it_is_told_it_adds_up_to_the_same(store: &dyn Ledger) {
    const THINGS: usize = 7;
    let story = async |first: usize, step: usize| {
        let call = fresh_call();
        // Seven is prime: a step of any length passes all of them.
        for n in 0..THINGS {
            tell(store, &call, (first + n * step) % THINGS).await;
        }
        let whole = CallRecord {
            answered_ms: Some(STARTED_MS + 10),
            ended_ms: Some(STARTED_MS + 90),
            ending: Some(Ending::CallerHungUp),
            usage: usage(7),
            cost: MicroDollars::new(3),
            ..call
        };
        assert_eq!(record(store, &whole.call).await, whole, "from {first} by {step}");
        let month = MonthUsage {
            calls: 1,
            talked_ms: 80,
            usage: usage(7),
            cost: MicroDollars::new(3),
            ..nothing(&whole.business)
        };
        assert_eq!(september(store, &whole.business).await, month, "from {first} by {step}");
    };
    let orders = (0..THINGS).flat_map(|first| (1..THINGS).map(move |step| (first, step)));
    join_all(orders.map(|(first, step)| story(first, step))).await;
}

/// One of the things told in the story above.
async fn tell(store: &dyn Ledger, call: &CallRecord, which: usize) {
    let told = match which {
        0 => store.open_call(call).await.map(drop),
        1 => store.answered(&call.call, STARTED_MS + 10).await,
        2 => store.answered(&call.call, STARTED_MS + 60).await,
        3 => store.end_stream(&call.call, &end(1, Ending::StreamLost, usage(3), STARTED_MS + 50)).await,
        4 => store.end_stream(&call.call, &end(2, Ending::CallerHungUp, usage(4), STARTED_MS + 90)).await,
        5 => store.end_call(&call.call, STARTED_MS + 95, Certainty::Told).await,
        _ => store.end_call(&call.call, STARTED_MS + 20, Certainty::Presumed).await,
    };
    told.expect("keeps");
}

/// Up or down.
pub async fn a_presumed_end_counts_and_a_sure_one_corrects_it(store: &dyn Ledger) {
    for (sure_ms, talked_ms) in [(20_000, 20_000), (90_000, 90_000)] {
        let call = opened(store).await;
        store.answered(&call.call, STARTED_MS).await.expect("keeps");
        store.end_call(&call.call, STARTED_MS + 30_000, Certainty::Presumed).await.expect("keeps");
        let presumed = MonthUsage { calls: 1, talked_ms: 30_000, ..nothing(&call.business) };
        assert_eq!(september(store, &call.business).await, presumed);
        store.end_call(&call.call, STARTED_MS + sure_ms, Certainty::Told).await.expect("keeps");
        let corrected = MonthUsage { talked_ms, ..presumed };
        assert_eq!(september(store, &call.business).await, corrected);
        store.end_call(&call.call, STARTED_MS + 99_000, Certainty::Presumed).await.expect("answers");
        assert_eq!(september(store, &call.business).await, corrected, "nothing is presumed of what is known");
    }
}

/// A transfer nobody answered: what the caller and the model say then is counted, with the ringing.
pub async fn a_call_that_comes_back_is_over_when_that_is_told_anew(store: &dyn Ledger) {
    let call = opened(store).await;
    store.answered(&call.call, STARTED_MS).await.expect("keeps");
    claim(store, &call, 1).await;
    store.end_stream(&call.call, &end(1, transferred(), usage(1), STARTED_MS + 20)).await.expect("keeps");
    store.end_call(&call.call, STARTED_MS + 21, Certainty::Told).await.expect("keeps");
    let away = MonthUsage {
        calls: 1,
        talked_ms: 20,
        usage: usage(1),
        cost: MicroDollars::new(1),
        ..nothing(&call.business)
    };
    assert_eq!(september(store, &call.business).await, away);
    claim(store, &call, 2).await;
    assert_eq!(record(store, &call.call).await.ended_ms, None, "it goes on");
    let goes_on = MonthUsage { calls: 0, talked_ms: 0, ..away.clone() };
    assert_eq!(september(store, &call.business).await, goes_on);
    let over = end(2, Ending::CallerHungUp, usage(2), STARTED_MS + 90);
    store.end_stream(&call.call, &over).await.expect("keeps");
    store.end_call(&call.call, STARTED_MS + 95, Certainty::Told).await.expect("keeps");
    let whole = MonthUsage { talked_ms: 90, usage: usage(3), cost: MicroDollars::new(3), ..away };
    assert_eq!(september(store, &call.business).await, whole);
    assert_eq!(record(store, &call.call).await.ending, Some(Ending::CallerHungUp));
}

/// The first stream is no later one, a claim that is refused changes nothing, and a presumed end is taken back like any.
pub async fn a_stream_that_is_claimed_takes_back_only_what_was_over_before_it(store: &dyn Ledger) {
    let call = opened(store).await;
    store.end_call(&call.call, STARTED_MS + 5, Certainty::Told).await.expect("keeps");
    claim(store, &call, 1).await;
    assert_eq!(record(store, &call.call).await.ended_ms, Some(STARTED_MS + 5), "the caller was quicker");
    claim(store, &call, 3).await;
    assert_eq!(record(store, &call.call).await.ended_ms, None);
    store.end_call(&call.call, STARTED_MS + 50, Certainty::Told).await.expect("keeps");
    claim(store, &call, 2).await;
    assert!(!store.claim_attempt(&call.call, 3, &super::instance("late")).await.expect("answers"));
    assert_eq!(record(store, &call.call).await.ended_ms, Some(STARTED_MS + 50));

    let call = opened(store).await;
    store.end_call(&call.call, STARTED_MS + 30, Certainty::Presumed).await.expect("keeps");
    claim(store, &call, 2).await;
    assert_eq!(record(store, &call.call).await.ended_ms, None, "it was presumed wrongly");
}

/// The instance that carried it may be slow to say so.
pub async fn the_late_end_of_a_stream_does_not_end_the_next(store: &dyn Ledger) {
    let call = opened(store).await;
    store.answered(&call.call, STARTED_MS).await.expect("keeps");
    claim(store, &call, 1).await;
    claim(store, &call, 2).await;
    store.end_stream(&call.call, &end(1, transferred(), usage(1), STARTED_MS + 20)).await.expect("keeps");
    let goes_on = record(store, &call.call).await;
    assert_eq!((goes_on.ended_ms, goes_on.usage), (None, usage(1)));
    let over = end(2, Ending::HungUp, usage(1), STARTED_MS + 90);
    store.end_stream(&call.call, &over).await.expect("keeps");
    assert_eq!(record(store, &call.call).await.ended_ms, Some(STARTED_MS + 90));
}

/// What is told of it is looked up then.
pub async fn a_call_that_may_come_back_is_told_of_a_little_later_and_once(
    store: &dyn Ledger,
    outbox: &dyn Outbox,
) {
    for ending in [transferred(), Ending::NeverConnected] {
        let call = CallRecord { tells: true, ..fresh_call() };
        store.open_call(&call).await.expect("opens");
        store.end_stream(&call.call, &end(1, ending, usage(1), STARTED_MS + 5)).await.expect("keeps");
        let about = About::CallEnded { call: call.call.clone() };
        let notice = Notice::new(call.business.clone(), about, STARTED_MS + 5);
        let later = Notice { due_ms: Some(STARTED_MS + 5 + MAY_COME_BACK_MS), ..notice };
        assert_eq!(outbox::listed(outbox, &call.business).await, slice::from_ref(&later));
        claim(store, &call, 2).await;
        let over = end(2, Ending::HungUp, usage(1), STARTED_MS + 90);
        store.end_stream(&call.call, &over).await.expect("keeps");
        assert_eq!(outbox::listed(outbox, &call.business).await, [later]);
        outbox::clear(outbox, &call.business).await;
    }
}

/// That of an instance which does not carry the stream.
pub async fn a_dropped_word_counts_nothing(store: &dyn Ledger) {
    let call = opened(store).await;
    store.answered(&call.call, STARTED_MS).await.expect("keeps");
    store.claim_attempt(&call.call, 1, &super::instance("elsewhere")).await.expect("claims");
    store
        .end_stream(&call.call, &end(1, Ending::NeverConnected, usage(1), STARTED_MS + 15))
        .await
        .expect("answers");
    assert_eq!(september(store, &call.business).await, nothing(&call.business));
}

/// Though it ends in the next.
pub async fn a_call_belongs_to_the_month_it_started_in(store: &dyn Ledger) {
    let call = CallRecord { started_ms: LAST_OF_OCTOBER_MS, ..fresh_call() };
    store.open_call(&call).await.expect("opens");
    store.answered(&call.call, LAST_OF_OCTOBER_MS + 1_000).await.expect("keeps");
    store.end_call(&call.call, LAST_OF_OCTOBER_MS + 61_000, Certainty::Told).await.expect("keeps");
    let october = Month::of(LAST_OF_OCTOBER_MS);
    let expected = MonthUsage { calls: 1, talked_ms: 60_000, month: october, ..nothing(&call.business) };
    assert_eq!(store.month(&call.business, october).await.expect("answers"), expected);
    let november = Month::of(LAST_OF_OCTOBER_MS + 1);
    let after = store.month(&call.business, november).await.expect("answers");
    assert_eq!(after, MonthUsage { month: november, ..nothing(&call.business) });
    assert_eq!(store.months(&call.business).await.expect("answers"), [expected]);
}

/// Nobody pays for another.
pub async fn every_business_has_its_own_months(store: &dyn Ledger) {
    let (mine, theirs) = (opened(store).await, opened(store).await);
    for (call, lasted_ms) in [(&mine, 10), (&theirs, 20)] {
        store.answered(&call.call, STARTED_MS).await.expect("keeps");
        store.end_call(&call.call, STARTED_MS + lasted_ms, Certainty::Told).await.expect("keeps");
    }
    assert_eq!(september(store, &mine.business).await.talked_ms, 10);
    assert_eq!(september(store, &theirs.business).await.talked_ms, 20);
}

/// Those in which anything was used.
pub async fn months_are_listed_the_latest_first(store: &dyn Ledger) {
    const MONTH_MS: i64 = 31 * 24 * 60 * 60 * 1_000;
    let business = fresh_business();
    let mut expected = Vec::new();
    for months in [1, 0, 5, 3] {
        let started_ms = STARTED_MS + months * MONTH_MS;
        let call = CallRecord { business: business.clone(), started_ms, ..one_call() };
        store.open_call(&call).await.expect("opens");
        if months != 3 {
            store.answered(&call.call, started_ms).await.expect("keeps");
            store.end_call(&call.call, started_ms + 5, Certainty::Told).await.expect("keeps");
            let month = Month::of(started_ms);
            expected.push(MonthUsage { calls: 1, talked_ms: 5, month, ..nothing(&business) });
        }
    }
    expected.sort_by_key(|usage| std::cmp::Reverse(usage.month));
    assert_eq!(store.months(&business).await.expect("answers"), expected);
}

/// To the millisecond.
pub async fn calls_that_end_at_once_are_all_counted(store: &dyn Ledger) {
    let business = fresh_business();
    let story = async |n: usize| {
        let call = CallRecord { business: business.clone(), ..one_call() };
        let lasted_ms = i64::try_from(n).expect("small");
        store.open_call(&call).await.expect("opens");
        store.answered(&call.call, STARTED_MS).await.expect("keeps");
        let over = end(1, Ending::HungUp, usage(1), STARTED_MS + lasted_ms);
        store.end_stream(&call.call, &over).await.expect("keeps");
    };
    join_all((1..=RACERS).map(story)).await;
    let count = u64::try_from(RACERS).expect("small");
    let month = september(store, &business).await;
    assert_eq!((month.calls, month.talked_ms, month.usage), (count, (1..=count).sum(), usage(count)));
}

/// It is opened with its ending, since no model ever heard of it.
pub async fn a_call_that_met_the_plans_limit_reads_so_and_counts_nothing(
    store: &dyn Ledger,
    outbox: &dyn Outbox,
) {
    let call = CallRecord {
        ended_ms: Some(STARTED_MS),
        ending: Some(Ending::PlanLimit),
        tells: true,
        ..fresh_call()
    };
    assert!(store.open_call(&call).await.expect("opens"));
    assert_eq!(record(store, &call.call).await, call);
    assert_eq!(store.calls(&call.business, None, 9).await.expect("answers").items, slice::from_ref(&call));
    assert_eq!(september(store, &call.business).await, nothing(&call.business));
    assert_told_and_clear(outbox, &call, STARTED_MS).await;
}

/// However it ends, and however often that is said.
pub async fn a_business_is_told_once_that_a_call_is_over(store: &dyn Ledger, outbox: &dyn Outbox) {
    for by_stream in [true, false] {
        let call = CallRecord { tells: true, ..fresh_call() };
        store.open_call(&call).await.expect("opens");
        store.answered(&call.call, STARTED_MS).await.expect("keeps");
        assert_eq!(outbox::listed(outbox, &call.business).await, [], "it goes on");
        for _ in 0..2 {
            if by_stream {
                let over = end(1, Ending::HungUp, Usage::default(), STARTED_MS + 5);
                store.end_stream(&call.call, &over).await.expect("keeps");
            }
            store.end_call(&call.call, STARTED_MS + 5, Certainty::Told).await.expect("keeps");
        }
        assert_told_and_clear(outbox, &call, STARTED_MS + 5).await;
        store.end_call(&call.call, STARTED_MS + 4, Certainty::Told).await.expect("keeps");
        assert_eq!(
            outbox::listed(outbox, &call.business).await,
            [],
            "also when it was delivered and forgotten"
        );
    }
}

/// There is nobody to tell.
pub async fn a_business_that_did_not_ask_is_told_nothing(store: &dyn Ledger, outbox: &dyn Outbox) {
    let call = opened(store).await;
    store.end_call(&call.call, STARTED_MS + 5, Certainty::Told).await.expect("keeps");
    assert_eq!(outbox::listed(outbox, &call.business).await, []);
}

/// The caller may still be there.
pub async fn an_accident_alone_tells_nothing(store: &dyn Ledger, outbox: &dyn Outbox) {
    let call = CallRecord { tells: true, ..fresh_call() };
    store.open_call(&call).await.expect("opens");
    let lost = end(1, Ending::StreamLost, usage(1), STARTED_MS + 5);
    store.end_stream(&call.call, &lost).await.expect("keeps");
    assert_eq!(outbox::listed(outbox, &call.business).await, []);
}

/// What is told of the call is looked up when it is sent.
pub async fn a_presumed_end_is_told_and_its_correction_is_not(store: &dyn Ledger, outbox: &dyn Outbox) {
    let call = CallRecord { tells: true, ..fresh_call() };
    store.open_call(&call).await.expect("opens");
    store.end_call(&call.call, STARTED_MS + 30, Certainty::Presumed).await.expect("keeps");
    assert_told_and_clear(outbox, &call, STARTED_MS + 30).await;
    store.end_call(&call.call, STARTED_MS + 90, Certainty::Told).await.expect("keeps");
    assert_eq!(outbox::listed(outbox, &call.business).await, []);
}

/// Before, nobody knew whose it was.
pub async fn a_call_that_was_over_before_it_was_opened_is_told_of_then(
    store: &dyn Ledger,
    outbox: &dyn Outbox,
) {
    let call = CallRecord { tells: true, ..fresh_call() };
    let over = end(1, Ending::CallerHungUp, Usage::default(), STARTED_MS + 7);
    store.end_stream(&call.call, &over).await.expect("keeps");
    assert_eq!(outbox::listed(outbox, &call.business).await, []);
    store.open_call(&call).await.expect("opens");
    assert_told_and_clear(outbox, &call, STARTED_MS + 7).await;
}

/// That the business is told of the end at a time, once; and leaves no trace of it.
async fn assert_told_and_clear(outbox: &dyn Outbox, call: &CallRecord, at_ms: i64) {
    let about = About::CallEnded { call: call.call.clone() };
    let expected = Notice::new(call.business.clone(), about, at_ms);
    assert_eq!(outbox::listed(outbox, &call.business).await, [expected]);
    outbox::clear(outbox, &call.business).await;
}

/// A call of a business nobody knows.
fn fresh_call() -> CallRecord {
    CallRecord { business: fresh_business(), started_ms: STARTED_MS, ..one_call() }
}

fn transferred() -> Ending {
    Ending::Transferred(DestinationId::parse("front-office").expect("legal"))
}

/// The instance that tells of the ends of these stories takes a stream.
async fn claim(store: &dyn Ledger, call: &CallRecord, attempt: u8) {
    assert!(store.claim_attempt(&call.call, attempt, &super::instance("carrier")).await.expect("answers"));
}

async fn opened(store: &dyn Ledger) -> CallRecord {
    let call = fresh_call();
    store.open_call(&call).await.expect("opens");
    call
}

async fn september(store: &dyn Ledger, business: &BusinessId) -> MonthUsage {
    store.month(business, Month::of(STARTED_MS)).await.expect("answers")
}

fn nothing(business: &BusinessId) -> MonthUsage {
    MonthUsage::nothing(business.clone(), Month::of(STARTED_MS))
}
