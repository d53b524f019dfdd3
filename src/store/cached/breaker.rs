//! Whether a store that failed a moment ago is asked again.

use std::sync::atomic::{AtomicI64, Ordering};

/// How long a store that failed or was late is left alone by those who know an answer, in milliseconds. One caller in
/// that time finds out whether it is back, and waits for it; all others are answered at once.
pub(super) const OPEN_FOR_MS: i64 = 2_000;

/// The store answers.
const CLOSED: i64 = 0;

/// Open while the store fails. There is nothing to repair: a time that passes closes it for one, and an answer for all.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Until when it is open, in milliseconds since 1970.
    until_ms: AtomicI64,
}

impl Breaker {
    /// Whether one who knows an answer should ask all the same. Of many who ask this when the time is over, one should.
    pub(super) fn lets_ask(&self, now_ms: i64) -> bool {
        let until = self.until_ms.load(Ordering::Acquire);
        if until == CLOSED {
            return true;
        }
        // Further away than it can be is a clock that was set back.
        let open = now_ms < until && until.saturating_sub(now_ms) <= OPEN_FOR_MS;
        // Whoever moves the time on is the one; should they go without a word, the next comes when that is over.
        let next = now_ms.saturating_add(OPEN_FOR_MS);
        !open && self.until_ms.compare_exchange(until, next, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The store failed, or was late.
    pub(super) fn failed(&self, now_ms: i64) {
        self.until_ms.store(now_ms.saturating_add(OPEN_FOR_MS), Ordering::Release);
    }

    /// The store answered.
    pub(super) fn answered(&self) {
        // Mostly it is closed already, and a store to it would disturb every core.
        if self.until_ms.load(Ordering::Acquire) != CLOSED {
            self.until_ms.store(CLOSED, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000_000;

    #[test]
    fn a_store_that_failed_is_tried_by_one_when_its_time_is_over() {
        let breaker = Breaker::default();
        assert!(breaker.lets_ask(NOW) && breaker.lets_ask(NOW), "it never failed");
        breaker.failed(NOW);
        assert!(!breaker.lets_ask(NOW) && !breaker.lets_ask(NOW + OPEN_FOR_MS - 1));
        let later = NOW + OPEN_FOR_MS;
        let who: Vec<bool> = (0..10).map(|_| breaker.lets_ask(later)).collect();
        assert_eq!(who.iter().filter(|asks| **asks).count(), 1);
        assert!(breaker.lets_ask(later + OPEN_FOR_MS), "the one who tried went without a word");
        breaker.answered();
        assert!(breaker.lets_ask(later) && breaker.lets_ask(later));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_keep_it_open() {
        let breaker = Breaker::default();
        breaker.failed(NOW);
        assert!(breaker.lets_ask(NOW - 3_600_000));
    }
}
