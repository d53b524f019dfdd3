//! What every [`Slots`] must do.

use futures_util::future::join_all;

use super::{RACERS, fresh_business, instance, one_call};
use crate::domain::{BusinessId, CallSid, InstanceId};
use crate::store::{Lapsed, LeaseClaim, Seating, SlotWish, Slots};

/// What time it is in these stories, in milliseconds since 1970: long ago, so that no lease of a store in use lapses.
const NOW_MS: i64 = 1_000_000;

/// How long a lease is in them.
const LEASE_MS: i64 = 30_000;

/// More than anybody has at once.
const MANY: u32 = 10_000;

/// All that is asked of slots.
pub async fn all(store: &dyn Slots) {
    as_many_are_seated_as_the_plan_allows(store).await;
    a_plan_of_none_seats_nobody(store).await;
    every_business_has_its_own_slots(store).await;
    a_call_that_is_seated_keeps_its_seat_and_takes_one(store).await;
    a_call_keeps_its_seat_on_another_instance(store).await;
    of_many_that_ask_at_once_as_many_are_seated_as_there_is_room_for(store).await;
    a_call_that_asks_many_times_at_once_takes_one_seat(store).await;
    a_seat_that_is_given_back_is_free(store).await;
    a_seat_is_given_back_only_by_who_holds_it(store).await;
    a_lease_that_is_not_renewed_frees_the_seat(store).await;
    a_call_whose_lease_lapsed_may_go_on(store).await;
    an_instance_renews_all_its_calls_at_once(store).await;
    a_lease_that_is_not_held_is_not_renewed(store).await;
    lapsed_leases_are_listed_until_they_are_buried(store).await;
    what_was_given_back_or_renewed_has_not_lapsed(store).await;
    a_lease_that_was_renewed_is_not_buried(store).await;
    of_many_who_claim_a_lapsed_lease_one_has_it(store).await;
    of_many_who_claim_a_call_without_a_lease_one_has_it(store).await;
    a_lease_that_is_not_as_it_was_seen_is_not_claimed(store).await;
    a_claimed_lease_is_taken_over_given_back_and_put_back_like_any_other(store).await;
}

/// And no more, until one leaves.
pub async fn as_many_are_seated_as_the_plan_allows(store: &dyn Slots) {
    let place = Place::new(store, 3);
    for seated in 0..3 {
        assert_eq!(place.taken(NOW_MS).await, seated);
        assert_eq!(place.take(&call(), "one", NOW_MS).await, Seating::Seated);
    }
    assert_eq!(place.take(&call(), "one", NOW_MS).await, Seating::Full);
    assert_eq!(place.take(&call(), "two", NOW_MS).await, Seating::Full);
    assert_eq!(place.taken(NOW_MS).await, 3);
}

/// Not even the first.
pub async fn a_plan_of_none_seats_nobody(store: &dyn Slots) {
    let place = Place::new(store, 0);
    assert_eq!(place.take(&call(), "one", NOW_MS).await, Seating::Full);
    assert_eq!(place.taken(NOW_MS).await, 0);
}

/// One that is full does not fill another.
pub async fn every_business_has_its_own_slots(store: &dyn Slots) {
    let (full, other) = (Place::new(store, 1), Place::new(store, 1));
    assert_eq!(full.take(&call(), "one", NOW_MS).await, Seating::Seated);
    assert_eq!(full.take(&call(), "one", NOW_MS).await, Seating::Full);
    assert_eq!(other.take(&call(), "one", NOW_MS).await, Seating::Seated);
    assert_eq!((full.taken(NOW_MS).await, other.taken(NOW_MS).await), (1, 1));
}

/// A webhook that is asked twice, and a stream after its webhook, ask again.
pub async fn a_call_that_is_seated_keeps_its_seat_and_takes_one(store: &dyn Slots) {
    let place = Place::new(store, 2);
    let seated = call();
    for later_ms in [0, 10] {
        assert_eq!(place.take(&seated, "one", NOW_MS + later_ms).await, Seating::Seated);
        assert_eq!(place.taken(NOW_MS).await, 1);
    }
    assert_eq!(place.take(&call(), "one", NOW_MS).await, Seating::Seated);
    assert_eq!(place.take(&seated, "one", NOW_MS + 20).await, Seating::Seated, "when all are taken, too");
    let renewed_until = NOW_MS + 20 + LEASE_MS;
    assert_eq!(place.taken(renewed_until - 1).await, 1, "asking again renews it");
    assert_eq!(place.taken(renewed_until).await, 0);
}

/// And then it is the other instance's.
pub async fn a_call_keeps_its_seat_on_another_instance(store: &dyn Slots) {
    let place = Place::new(store, 1);
    let resumed = call();
    assert_eq!(place.take(&resumed, "one", NOW_MS).await, Seating::Seated);
    assert_eq!(place.take(&resumed, "two", NOW_MS + 5).await, Seating::Seated);
    assert_eq!(place.taken(NOW_MS).await, 1);
    place.free(&resumed, "one").await;
    assert_eq!(place.taken(NOW_MS).await, 1, "the first gave back what it no longer had");
    place.free(&resumed, "two").await;
    assert_eq!(place.taken(NOW_MS).await, 0);
}

/// Nobody is turned away while there is room, and nobody is let in when there is none.
pub async fn of_many_that_ask_at_once_as_many_are_seated_as_there_is_room_for(store: &dyn Slots) {
    let place = Place::new(store, 10);
    let calls: Vec<_> = (0..RACERS).map(|_| call()).collect();
    let seatings = join_all(calls.iter().map(|call| place.take(call, "one", NOW_MS))).await;
    assert_eq!(seatings.iter().filter(|seating| **seating == Seating::Seated).count(), 10);
    assert_eq!(place.taken(NOW_MS).await, 10);
    for (call, seating) in calls.iter().zip(seatings) {
        assert_eq!(place.take(call, "one", NOW_MS).await, seating, "it is still so when they ask again");
    }
}

/// However often its webhook is repeated.
pub async fn a_call_that_asks_many_times_at_once_takes_one_seat(store: &dyn Slots) {
    let place = Place::new(store, 2);
    let call = call();
    for seating in join_all((0..RACERS).map(|_| place.take(&call, "one", NOW_MS))).await {
        assert_eq!(seating, Seating::Seated);
    }
    assert_eq!(place.taken(NOW_MS).await, 1);
}

/// At once, for the next.
pub async fn a_seat_that_is_given_back_is_free(store: &dyn Slots) {
    let place = Place::new(store, 1);
    let (first, next) = (call(), call());
    assert_eq!(place.take(&first, "one", NOW_MS).await, Seating::Seated);
    assert_eq!(place.take(&next, "one", NOW_MS).await, Seating::Full);
    for _ in 0..2 {
        place.free(&first, "one").await;
        assert_eq!(place.taken(NOW_MS).await, 0);
    }
    assert_eq!(place.take(&next, "one", NOW_MS).await, Seating::Seated);
}

/// A stranger's word, or a late one, unseats nobody.
pub async fn a_seat_is_given_back_only_by_who_holds_it(store: &dyn Slots) {
    let (place, other) = (Place::new(store, 1), Place::new(store, 1));
    let seated = call();
    assert_eq!(place.take(&seated, "one", NOW_MS).await, Seating::Seated);
    place.free(&seated, "two").await;
    place.free(&call(), "one").await;
    other.free(&seated, "one").await;
    assert_eq!(place.taken(NOW_MS).await, 1);
}

/// So a dead instance's calls keep nobody out for longer than a lease.
pub async fn a_lease_that_is_not_renewed_frees_the_seat(store: &dyn Slots) {
    let place = Place::new(store, 1);
    assert_eq!(place.take(&call(), "dead", NOW_MS).await, Seating::Seated);
    let last_ms = NOW_MS + LEASE_MS - 1;
    assert_eq!((place.taken(last_ms).await, place.taken(last_ms + 1).await), (1, 0));
    assert_eq!(place.take(&call(), "one", last_ms).await, Seating::Full);
    assert_eq!(place.take(&call(), "one", last_ms + 1).await, Seating::Seated);
    assert_eq!(place.taken(last_ms + 1).await, 1);
    place.bury_all().await;
}

/// Its caller is in the middle of a call, and whoever came meanwhile is too.
pub async fn a_call_whose_lease_lapsed_may_go_on(store: &dyn Slots) {
    let place = Place::new(store, 1);
    let (resumed, next) = (call(), call());
    assert_eq!(place.take(&resumed, "dead", NOW_MS).await, Seating::Seated);
    let later_ms = NOW_MS + LEASE_MS;
    assert_eq!(place.take(&next, "one", later_ms).await, Seating::Seated);
    assert_eq!(place.take(&resumed, "one", later_ms).await, Seating::Seated);
    assert_eq!(place.taken(later_ms).await, 2);
    assert_eq!(place.take(&call(), "one", later_ms).await, Seating::Full);
}

/// Of whichever businesses they are; those it does not name go their way.
pub async fn an_instance_renews_all_its_calls_at_once(store: &dyn Slots) {
    let (place, other) = (Place::new(store, 2), Place::new(store, 2));
    let (mine, theirs, left_out) = (call(), call(), call());
    place.take(&mine, "one", NOW_MS).await;
    place.take(&left_out, "one", NOW_MS).await;
    other.take(&theirs, "one", NOW_MS).await;
    let until_ms = NOW_MS + 2 * LEASE_MS;
    let calls = [(place.business.clone(), mine), (other.business.clone(), theirs)];
    store.renew(&instance("one"), &calls, until_ms).await.expect("renews");
    for (place, before) in [(&place, 2), (&other, 1)] {
        let taken = (place.taken(NOW_MS).await, place.taken(until_ms - 1).await, place.taken(until_ms).await);
        assert_eq!(taken, (before, 1, 0));
    }
    store.renew(&instance("one"), &[], until_ms).await.expect("has nothing to do");
    place.bury_all().await;
    other.bury_all().await;
}

/// Neither one that was given back, nor one that another instance has, nor one that never was.
pub async fn a_lease_that_is_not_held_is_not_renewed(store: &dyn Slots) {
    let place = Place::new(store, 3);
    let (given_back, moved, stranger) = (call(), call(), call());
    place.take(&given_back, "one", NOW_MS).await;
    place.take(&moved, "one", NOW_MS).await;
    place.free(&given_back, "one").await;
    place.take(&moved, "two", NOW_MS).await;
    let calls = [given_back, moved, stranger].map(|call| (place.business.clone(), call));
    store.renew(&instance("one"), &calls, NOW_MS + 2 * LEASE_MS).await.expect("answers");
    assert_eq!(place.taken(NOW_MS).await, 1);
    assert_eq!(place.taken(NOW_MS + LEASE_MS).await, 0);
    place.bury_all().await;
}

/// However often it is asked: whoever asks first may die before it has done anything about them.
pub async fn lapsed_leases_are_listed_until_they_are_buried(store: &dyn Slots) {
    let place = Place::new(store, 2);
    let dead = [call(), call()];
    for call in &dead {
        place.take(call, "dead", NOW_MS).await;
    }
    let until_ms = NOW_MS + LEASE_MS;
    assert_eq!(place.lapsed(until_ms).await, [], "it ended then, and not before");
    for _ in 0..2 {
        let mut listed = place.lapsed(until_ms + 1).await;
        listed.sort_by(|one, next| one.call.cmp(&next.call));
        let mut expected = dead.clone().map(|call| place.lease(&call, until_ms));
        expected.sort_by(|one, next| one.call.cmp(&next.call));
        assert_eq!(listed, expected);
    }
    assert_eq!(store.lapsed(until_ms + 1, 1).await.expect("answers").len(), 1, "as many as were asked for");
    for _ in 0..2 {
        store.bury(&place.lease(&dead[0], until_ms)).await.expect("buries");
        assert_eq!(place.lapsed(until_ms + 1).await, [place.lease(&dead[1], until_ms)]);
    }
    place.bury_all().await;
    assert_eq!(place.lapsed(until_ms + 1).await, []);
}

/// All of them saw the same, and all ask at once.
pub async fn of_many_who_claim_a_lapsed_lease_one_has_it(store: &dyn Slots) {
    let place = Place::new(store, 1);
    let orphan = call();
    assert_eq!(place.take(&orphan, "dead", NOW_MS).await, Seating::Seated);
    let until_ms = NOW_MS + LEASE_MS;
    let names: Vec<_> = (0..RACERS).map(|number| format!("claims-{number}")).collect();
    let claims = names.iter().map(|name| place.claim(&orphan, Some(until_ms), name, until_ms + LEASE_MS));
    let claims = join_all(claims).await;
    assert_eq!(claims.iter().filter(|claimed| **claimed).count(), 1);
    assert_eq!(place.lapsed(until_ms + 1).await, [], "somebody looks after it");
    assert_eq!(place.lapsed(until_ms + LEASE_MS + 1).await, [place.lease(&orphan, until_ms + LEASE_MS)]);
    assert_eq!(place.take(&call(), "one", until_ms + 1).await, Seating::Full, "and it counts");
    place.bury_all().await;
}

/// Such a call had no slot, and the plan may be full: somebody is on the line all the same.
pub async fn of_many_who_claim_a_call_without_a_lease_one_has_it(store: &dyn Slots) {
    let place = Place::new(store, 1);
    assert_eq!(place.take(&call(), "one", NOW_MS).await, Seating::Seated);
    let orphan = call();
    let until_ms = NOW_MS + LEASE_MS;
    let names: Vec<_> = (0..RACERS).map(|number| format!("claims-{number}")).collect();
    let claims = join_all(names.iter().map(|name| place.claim(&orphan, None, name, until_ms))).await;
    assert_eq!(claims.iter().filter(|claimed| **claimed).count(), 1);
    assert_eq!(place.taken(NOW_MS).await, 2);
    place.bury_all().await;
}

/// Whether it was renewed, taken over, given back or never there.
pub async fn a_lease_that_is_not_as_it_was_seen_is_not_claimed(store: &dyn Slots) {
    let place = Place::new(store, 3);
    let until_ms = NOW_MS + LEASE_MS;
    let [renewed, given_back, live] = [call(), call(), call()];
    for call in [&renewed, &given_back, &live] {
        place.take(call, "one", NOW_MS).await;
    }
    place.take(&renewed, "one", NOW_MS + 1).await;
    place.free(&given_back, "one").await;
    for (call, seen) in
        [(&renewed, Some(until_ms)), (&given_back, Some(until_ms)), (&call(), Some(until_ms)), (&live, None)]
    {
        assert!(!place.claim(call, seen, "two", until_ms + LEASE_MS).await, "{call} as of {seen:?}");
    }
    assert_eq!(place.taken(until_ms + 1).await, 0, "nothing was prolonged");
    place.bury_all().await;
}

/// Whoever claims may die, fail, or see another go on with the call.
pub async fn a_claimed_lease_is_taken_over_given_back_and_put_back_like_any_other(store: &dyn Slots) {
    let place = Place::new(store, 1);
    let orphan = call();
    let (lapsed_ms, until_ms) = (NOW_MS + LEASE_MS, NOW_MS + 2 * LEASE_MS);
    for seen in [Some(lapsed_ms), None] {
        if seen.is_some() {
            place.take(&orphan, "dead", NOW_MS).await;
        }
        assert!(place.claim(&orphan, seen, "one", until_ms).await);
        assert!(place.claim(&orphan, Some(until_ms), "one", lapsed_ms).await, "put back");
        assert!(place.claim(&orphan, Some(lapsed_ms), "two", until_ms).await, "and found by another");
        assert_eq!(place.take(&orphan, "three", lapsed_ms).await, Seating::Seated, "it goes on there");
        place.free(&orphan, "two").await;
        assert_eq!(place.taken(lapsed_ms).await, 1);
        place.free(&orphan, "three").await;
        assert_eq!((place.taken(NOW_MS).await, place.lapsed(until_ms * 2).await), (0, Vec::new()));
    }
}

/// Whether its own instance goes on with it, or another.
pub async fn what_was_given_back_or_renewed_has_not_lapsed(store: &dyn Slots) {
    let place = Place::new(store, 3);
    let (given_back, renewed, resumed) = (call(), call(), call());
    for call in [&given_back, &renewed, &resumed] {
        place.take(call, "one", NOW_MS).await;
    }
    place.free(&given_back, "one").await;
    let calls = [(place.business.clone(), renewed)];
    store.renew(&instance("one"), &calls, NOW_MS + 2 * LEASE_MS).await.expect("renews");
    place.take(&resumed, "two", NOW_MS + LEASE_MS).await;
    assert_eq!(place.lapsed(NOW_MS + LEASE_MS + 1).await, []);
    assert_eq!(place.taken(NOW_MS + LEASE_MS).await, 2);
    place.bury_all().await;
}

/// Somebody went on with the call between the look and the deed.
pub async fn a_lease_that_was_renewed_is_not_buried(store: &dyn Slots) {
    let place = Place::new(store, 1);
    let resumed = call();
    place.take(&resumed, "dead", NOW_MS).await;
    let lapsed = place.lapsed(NOW_MS + LEASE_MS + 1).await;
    assert_eq!(lapsed, [place.lease(&resumed, NOW_MS + LEASE_MS)]);
    place.take(&resumed, "one", NOW_MS + LEASE_MS + 1).await;
    store.bury(&lapsed[0]).await.expect("answers");
    assert_eq!(place.taken(NOW_MS + LEASE_MS + 1).await, 1);
    place.bury_all().await;
}

/// A business nobody knows, and the slots of its plan.
pub(super) struct Place<'a> {
    store: &'a dyn Slots,
    business: BusinessId,
    most: u32,
}

impl<'a> Place<'a> {
    pub(super) fn new(store: &'a dyn Slots, most: u32) -> Self {
        Self { store, business: fresh_business(), most }
    }

    /// The same business, seen through another handle.
    pub(super) fn through(&self, store: &'a dyn Slots) -> Self {
        Self { store, business: self.business.clone(), most: self.most }
    }

    pub(super) async fn take(&self, call: &CallSid, carrier: &str, now_ms: i64) -> Seating {
        let instance = instance(carrier);
        let wish = SlotWish {
            business: &self.business,
            call,
            instance: &instance,
            most: self.most,
            now_ms,
            until_ms: now_ms + LEASE_MS,
        };
        self.store.take(&wish).await.expect("answers")
    }

    pub(super) async fn taken(&self, now_ms: i64) -> u32 {
        self.store.taken(&self.business, now_ms).await.expect("answers")
    }

    async fn free(&self, call: &CallSid, carrier: &str) {
        let instance: InstanceId = instance(carrier);
        self.store.free(&self.business, call, &instance).await.expect("answers");
    }

    async fn claim(&self, call: &CallSid, seen: Option<i64>, by: &str, until_ms: i64) -> bool {
        let (business, instance) = (&self.business, &instance(by));
        let claim = LeaseClaim { business, call, seen_until_ms: seen, instance, until_ms };
        self.store.claim(&claim).await.expect("answers")
    }

    fn lease(&self, call: &CallSid, until_ms: i64) -> Lapsed {
        Lapsed { business: self.business.clone(), call: call.clone(), until_ms }
    }

    /// What lapsed of this business: others may have leases too.
    async fn lapsed(&self, before_ms: i64) -> Vec<Lapsed> {
        let mut lapsed = self.store.lapsed(before_ms, MANY).await.expect("answers");
        lapsed.retain(|lapsed| lapsed.business == self.business);
        lapsed
    }

    /// Leaves nothing behind that anybody else would find.
    pub(super) async fn bury_all(&self) {
        for lapsed in self.lapsed(NOW_MS + 10 * LEASE_MS).await {
            self.store.bury(&lapsed).await.expect("buries");
        }
    }
}

fn call() -> CallSid {
    one_call().call
}
