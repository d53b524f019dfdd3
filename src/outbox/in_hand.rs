//! What was taken from the store and is not settled yet: who is next, so that a receiver that is slow holds up nobody
//! else's notices.

use std::collections::{BTreeMap, VecDeque};

use super::{LEASE, LONGEST_DELIVERY};
use crate::domain::{BusinessId, Notice};

/// Deliveries at once, over all businesses: each is a socket and a body of some 10 KB, and the calls come first.
pub(super) const MOST_AT_ONCE: usize = 32;

/// Deliveries at once to one business: a second one goes on beside one that hangs, and a small receiver is not flooded.
pub(super) const MOST_TO_ONE: usize = 2;

/// Notices taken and not settled. Enough to find somebody else's behind those of a business with many; each is a few
/// hundred bytes.
pub(super) const MOST_IN_HAND: usize = 256;

/// What is to be done with a notice.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Tell it.
    Tell(Notice),
    /// Its business rests: not now.
    PutOff(Notice, Rest),
}

/// A receiver that was away or overworked a moment ago is left alone for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rest {
    /// In milliseconds since 1970.
    pub(super) until_ms: i64,
    /// What was met.
    pub(super) error: String,
}

/// The notices in hand.
#[derive(Debug, Default)]
pub(super) struct InHand {
    /// Those nobody deals with yet, as they came, with the time when the store gives them to somebody else.
    waiting: VecDeque<(Notice, i64)>,
    /// How many are being told to whom.
    telling: BTreeMap<BusinessId, usize>,
    /// How many are being dealt with, told or put off.
    under_way: usize,
    resting: BTreeMap<BusinessId, Rest>,
}

impl InHand {
    /// How many more may be taken.
    pub(super) fn room(&self) -> usize {
        MOST_IN_HAND.saturating_sub(self.waiting.len() + self.under_way)
    }

    /// Takes one that is this process's alone until `again_ms`.
    pub(super) fn take(&mut self, notice: Notice, again_ms: i64) {
        self.waiting.push_back((notice, again_ms));
    }

    /// What is to be done now, the first that came first; it is under way until [`InHand::landed`].
    pub(super) fn next(&mut self, now_ms: i64) -> Option<Step> {
        // Told in the last moment, it would be told by somebody else as well. It is due again by itself, behind the
        // others that are due: so a business with very many notices does not keep this place for ever.
        let last_ms = now_ms.saturating_add(millis(LONGEST_DELIVERY));
        self.waiting.retain(|(_, again_ms)| last_ms < *again_ms);
        self.resting.retain(|_, rest| now_ms < rest.until_ms);
        if self.under_way >= MOST_AT_ONCE {
            return None;
        }
        let is_free =
            |business: &BusinessId| self.telling.get(business).is_none_or(|many| *many < MOST_TO_ONE);
        let place = self.waiting.iter().position(|(notice, _)| {
            self.resting.contains_key(&notice.business) || is_free(&notice.business)
        })?;
        let (notice, _) = self.waiting.remove(place)?;
        self.under_way += 1;
        if let Some(rest) = self.resting.get(&notice.business) {
            return Some(Step::PutOff(notice, rest.clone()));
        }
        *self.telling.entry(notice.business.clone()).or_default() += 1;
        Some(Step::Tell(notice))
    }

    /// A notice was told or not; `rest` when its business is to be left alone for a while.
    pub(super) fn told(&mut self, business: BusinessId, rest: Option<Rest>) {
        self.put_off();
        if let Some(many) = self.telling.get_mut(&business) {
            *many = many.saturating_sub(1);
            if *many == 0 {
                self.telling.remove(&business);
            }
        }
        if let Some(rest) = rest {
            self.resting.insert(business, rest);
        }
    }

    /// A notice was put off.
    pub(super) fn put_off(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }
}

/// A time in milliseconds, as the store counts it.
pub(super) fn millis(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

const _: () =
    assert!(LEASE.as_secs() >= 2 * LONGEST_DELIVERY.as_secs(), "what waited a little is still told");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{About, CallSid};

    const NOW: i64 = 1_000_000;

    fn notice(business: &str, number: usize) -> Notice {
        let call = CallSid::parse(&format!("CA{number}")).unwrap();
        Notice::new(BusinessId::parse(business).unwrap(), About::CallEnded { call }, 0)
    }

    fn lease() -> i64 {
        NOW + millis(LEASE)
    }

    fn business(step: Step) -> String {
        match step {
            Step::Tell(notice) => format!("tell {}", notice.business),
            Step::PutOff(notice, rest) => format!("put off {}: {}", notice.business, rest.error),
        }
    }

    fn steps(hand: &mut InHand) -> Vec<String> {
        std::iter::from_fn(|| hand.next(NOW).map(business)).collect()
    }

    fn id(text: &str) -> BusinessId {
        BusinessId::parse(text).unwrap()
    }

    #[test]
    fn a_business_with_many_notices_leaves_room_for_others() {
        let mut hand = InHand::default();
        for number in 0..100 {
            hand.take(notice("busy", number), lease());
        }
        hand.take(notice("quiet", 1), lease());
        assert_eq!(steps(&mut hand), ["tell busy", "tell busy", "tell quiet"]);
        hand.told(id("busy"), None);
        assert_eq!(steps(&mut hand), ["tell busy"]);
        assert_eq!(hand.room(), MOST_IN_HAND - 101 + 1);
    }

    #[test]
    fn no_more_than_so_many_are_under_way_whoever_they_are_for() {
        let mut hand = InHand::default();
        for number in 0..MOST_IN_HAND {
            hand.take(notice(&format!("b{number}"), number), lease());
        }
        assert_eq!(hand.room(), 0);
        assert_eq!(steps(&mut hand).len(), MOST_AT_ONCE);
        assert_eq!(hand.room(), 0);
        hand.told(id("b0"), None);
        assert_eq!((steps(&mut hand), hand.room()), (vec![format!("tell b{MOST_AT_ONCE}")], 1));
    }

    #[test]
    fn all_notices_of_a_receiver_that_is_away_are_put_off_until_its_rest_is_over() {
        let mut hand = InHand::default();
        for number in 0..4 {
            hand.take(notice("away", number), lease());
        }
        assert_eq!(steps(&mut hand), ["tell away", "tell away"]);
        let rest = Rest { until_ms: NOW + 30_000, error: "late".to_owned() };
        hand.told(id("away"), Some(rest));
        assert_eq!(steps(&mut hand), ["put off away: late", "put off away: late"]);
        hand.put_off();
        hand.put_off();
        hand.take(notice("away", 5), lease() + 60_000);
        assert_eq!(hand.next(NOW + 30_000).map(business).unwrap(), "tell away");
        hand.told(id("away"), None);
        hand.told(id("away"), None);
        assert_eq!(hand.room(), MOST_IN_HAND);
    }

    #[test]
    fn what_waited_until_its_lease_is_nearly_over_is_left_to_the_store() {
        let mut hand = InHand::default();
        hand.take(notice("a", 1), NOW + millis(LONGEST_DELIVERY));
        hand.take(notice("b", 2), NOW + millis(LONGEST_DELIVERY) + 1);
        assert_eq!(steps(&mut hand), ["tell b"]);
        hand.told(id("b"), None);
        assert_eq!(hand.room(), MOST_IN_HAND);
    }
}
