//! What must hold between two instances that share one store: the races of the suite, through two handles on it.

use futures_util::future::join_all;

use super::ledger::{end, record, usage};
use super::slots::Place;
use super::{RACERS, fresh_business, instance, one_business, one_call, outbox};
use crate::domain::{
    Business, CallRecord, Ending, MicroDollars, Month, MonthUsage, Notice, StreamEnd, Usage,
};
use crate::store::{Certainty, Directory, Ledger, Outbox, Seating, Slots, StoreError};

/// How many webhooks come at once for a plan of ten.
const WEBHOOKS: usize = 200;

/// All that is asked of two handles on one store.
pub async fn all<S: Directory + Ledger + Slots + Outbox>(one: &S, two: &S) {
    of_two_hundred_that_ask_at_once_for_ten_slots_ten_are_seated(one, two).await;
    of_many_that_open_a_call_at_once_one_is_new(one, two).await;
    of_many_that_claim_an_attempt_at_once_one_gets_it(one, two).await;
    streams_that_end_at_once_are_all_counted(one, two).await;
    a_month_is_exact_after_many_calls_that_end_at_once(one, two).await;
    of_many_that_end_a_call_at_once_one_tells_the_business(one, two).await;
    of_many_that_ask_at_once_one_is_given_a_notice(one, two).await;
    of_many_that_want_one_line_at_once_one_gets_it(one, two).await;
    what_one_keeps_the_other_sees(one, two).await;
}

/// Exactly ten, wherever their webhooks came in.
pub async fn of_two_hundred_that_ask_at_once_for_ten_slots_ten_are_seated<S: Slots>(one: &S, two: &S) {
    const NOW_MS: i64 = 1_000_000;
    let here = Place::new(one, 10);
    let there = here.through(two);
    let calls: Vec<_> = (0..WEBHOOKS).map(|_| one_call().call).collect();
    let seatings = join_all(calls.iter().enumerate().map(|(n, call)| {
        let (place, carrier) = if n % 2 == 0 { (&here, "one") } else { (&there, "two") };
        place.take(call, carrier, NOW_MS)
    }))
    .await;
    assert_eq!(seatings.iter().filter(|seating| **seating == Seating::Seated).count(), 10);
    assert_eq!((here.taken(NOW_MS).await, there.taken(NOW_MS).await), (10, 10));
    here.bury_all().await;
}

/// Twilio's second try of a webhook may come in elsewhere.
pub async fn of_many_that_open_a_call_at_once_one_is_new<S: Ledger>(one: &S, two: &S) {
    let call = one_call();
    let opened = join_all((0..RACERS).map(|n| turns(n, one, two).open_call(&call))).await;
    assert_eq!(opened.into_iter().filter(|opened| *opened.as_ref().expect("answers")).count(), 1);
    assert_eq!(record(one, &call.call).await, record(two, &call.call).await);
}

/// One pass opens one stream, on one instance.
pub async fn of_many_that_claim_an_attempt_at_once_one_gets_it<S: Ledger>(one: &S, two: &S) {
    let call = one_call();
    one.open_call(&call).await.expect("opens");
    let names = [instance("one"), instance("two")];
    let claims = join_all(
        (0..RACERS).map(|n| turns(n, one, two).claim_attempt(&call.call, 1, turns(n, &names[0], &names[1]))),
    )
    .await;
    let won: Vec<_> = (0..RACERS)
        .zip(claims)
        .filter(|(_, claim)| *claim.as_ref().expect("answers"))
        .map(|(n, _)| turns(n, &names[0], &names[1]))
        .collect();
    assert_eq!(won, [&record(two, &call.call).await.instance]);
}

/// No use is lost between reading a sum and writing it.
pub async fn streams_that_end_at_once_are_all_counted<S: Ledger>(one: &S, two: &S) {
    let call = CallRecord { business: fresh_business(), ..one_call() };
    one.open_call(&call).await.expect("opens");
    let ends: Vec<_> = (1..=10).map(|attempt| end(attempt, Ending::StreamLost, usage(1), 1)).collect();
    let told = (0..RACERS).map(|n| turns(n, one, two).end_stream(&call.call, &ends[n % ends.len()]));
    for told in join_all(told).await {
        told.expect("keeps");
    }
    let month = one.month(&call.business, Month::of(call.started_ms)).await.expect("answers");
    let record = record(two, &call.call).await;
    assert_eq!((record.usage, record.cost), (usage(10), MicroDollars::new(55)));
    assert_eq!((month.usage, month.cost), (record.usage, record.cost));
}

/// To the millisecond and to the token; also when each end is told twice, and some were presumed before.
pub async fn a_month_is_exact_after_many_calls_that_end_at_once<S: Ledger>(one: &S, two: &S) {
    let business = fresh_business();
    let calls: Vec<_> =
        (0..RACERS).map(|_| CallRecord { business: business.clone(), ..one_call() }).collect();
    let started_ms = one_call().started_ms;
    let whole_call = async |n: usize, call: &CallRecord| -> Result<(), StoreError> {
        let (here, there) = (turns(n, one, two), turns(n + 1, one, two));
        let lasted_ms = i64::try_from(n).expect("small") + 1;
        let over = StreamEnd { at_ms: started_ms + lasted_ms, ..end(1, Ending::CallerHungUp, usage(1), 0) };
        here.open_call(call).await?;
        there.answered(&call.call, started_ms).await?;
        if n.is_multiple_of(3) {
            here.end_call(&call.call, started_ms + 30_000, Certainty::Presumed).await?;
        }
        let (told, again) =
            futures_util::join!(here.end_stream(&call.call, &over), there.end_stream(&call.call, &over));
        told.and(again)
    };
    for told in join_all(calls.iter().enumerate().map(|(n, call)| whole_call(n, call))).await {
        told.expect("keeps");
    }
    let count = u64::try_from(RACERS).expect("small");
    let expected = MonthUsage {
        calls: count,
        talked_ms: (1..=count).sum(),
        usage: usage(count),
        cost: MicroDollars::new(i64::try_from(count).expect("small")),
        ..MonthUsage::nothing(business.clone(), Month::of(started_ms))
    };
    for store in [one, two] {
        assert_eq!(store.month(&business, expected.month).await.expect("answers"), expected);
    }
}

/// Once, however many say so.
pub async fn of_many_that_end_a_call_at_once_one_tells_the_business<S: Ledger + Outbox>(one: &S, two: &S) {
    let call = CallRecord { business: fresh_business(), tells: true, ..one_call() };
    one.open_call(&call).await.expect("opens");
    let told = (0..RACERS).map(|n| turns(n, one, two).end_call(&call.call, 5, Certainty::Told));
    for told in join_all(told).await {
        told.expect("keeps");
    }
    assert_eq!(outbox::listed(two, &call.business).await.len(), 1);
    outbox::clear(one, &call.business).await;
}

/// Two instances must not tell the same thing at once.
pub async fn of_many_that_ask_at_once_one_is_given_a_notice<S: Outbox>(one: &S, two: &S) {
    const NOW_MS: i64 = 1_000_000;
    let business = fresh_business();
    for due_ms in NOW_MS - 10..NOW_MS {
        outbox::posted(one, &business, due_ms).await;
    }
    let given: Vec<Vec<Notice>> =
        join_all((0..RACERS).map(|n| outbox::due(turns(n, one, two), &business, NOW_MS))).await;
    outbox::assert_given_once(given);
    outbox::clear(one, &business).await;
}

/// A line has one owner, whoever imports it where.
pub async fn of_many_that_want_one_line_at_once_one_gets_it<S: Directory>(one: &S, two: &S) {
    let line = super::fresh_line();
    let mut imports: Vec<_> = (0..RACERS).map(|_| one_business()).collect();
    for import in &mut imports {
        import.businesses[0].lines.push(line.clone());
    }
    let outcomes =
        join_all(imports.iter().enumerate().map(|(n, import)| turns(n, one, two).import(import))).await;
    let won: Vec<&Business> = imports
        .iter()
        .zip(outcomes)
        .filter(|(_, outcome)| outcome.is_ok())
        .map(|(import, _)| &import.businesses[0])
        .collect();
    for store in [one, two] {
        let owner = store.business_by_line(&line).await.expect("answers");
        assert_eq!(won, owner.iter().collect::<Vec<_>>());
    }
}

/// At once: a caller who is resumed comes a second later.
pub async fn what_one_keeps_the_other_sees<S: Directory + Ledger + Slots + Outbox>(one: &S, two: &S) {
    let import = one_business();
    one.import(&import).await.expect("imports");
    assert_eq!(
        two.business(&import.businesses[0].id).await.expect("answers").as_ref(),
        import.businesses.first()
    );
    let call = CallRecord { business: fresh_business(), tells: true, ..one_call() };
    one.open_call(&call).await.expect("opens");
    two.answered(&call.call, 10).await.expect("keeps");
    one.end_stream(&call.call, &end(1, Ending::HungUp, Usage::default(), 40)).await.expect("keeps");
    let whole = record(two, &call.call).await;
    assert_eq!((whole.answered_ms, whole.ended_ms, whole.ending), (Some(10), Some(40), Some(Ending::HungUp)));
    assert_eq!(outbox::listed(two, &call.business).await, outbox::listed(one, &call.business).await);
    outbox::clear(two, &call.business).await;
}

/// One of two by turns.
fn turns<'a, T: ?Sized>(n: usize, one: &'a T, two: &'a T) -> &'a T {
    if n.is_multiple_of(2) { one } else { two }
}
