//! How long to wait before the next try, and when to give up.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::domain::Notice;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// How long until the next try, on average, after so many tries: at first as long as a restart or a deploy takes, then
/// until somebody has seen the alarm, then until somebody is back from a weekend. Three days together: 71.7 hours.
const PAUSES: [Duration; 16] = [
    seconds(5),
    seconds(30),
    seconds(2 * MINUTE),
    seconds(10 * MINUTE),
    seconds(30 * MINUTE),
    seconds(HOUR),
    seconds(2 * HOUR),
    seconds(4 * HOUR),
    LONGEST_PAUSE,
    LONGEST_PAUSE,
    LONGEST_PAUSE,
    LONGEST_PAUSE,
    LONGEST_PAUSE,
    LONGEST_PAUSE,
    LONGEST_PAUSE,
    LONGEST_PAUSE,
];

/// Three tries a day find a receiver that is mended on the day it is. It is also the most that a receiver may ask for: one
/// that says "in a year" has a wrong clock.
pub(super) const LONGEST_PAUSE: Duration = seconds(8 * HOUR);

/// Before this age nothing is given up, however often it was tried: tries also count what a process took and did not come
/// to, and chance can make all pauses short.
const YOUNGEST_GIVEN_UP: Duration = seconds(48 * HOUR);

/// Chance that can be told again: the same seed and the same question have the same answer. Nobody has to hold it, so
/// deliveries beside each other do not wait for each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    /// A time up to `most`, each as likely as any other.
    pub(super) fn up_to(self, most: Duration, question: &str, number: u64) -> Duration {
        let mut hash = Sha256::new();
        hash.update(self.0.to_be_bytes());
        hash.update(number.to_be_bytes());
        hash.update(question.as_bytes());
        let bits = hash.finalize().iter().take(8).fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        // A share of all that 32 bits can say: nobody needs a time more exactly.
        let share = f64::from(u32::try_from(bits >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        most.mul_f64(share)
    }

    /// How long to wait after a try of this notice that failed: anything from nothing to twice what the table says, so that
    /// what failed together does not come again together.
    pub(super) fn pause(self, notice: &Notice) -> Duration {
        let tried = usize::try_from(notice.tries.saturating_sub(1)).unwrap_or(usize::MAX);
        let about = PAUSES.get(tried).copied().unwrap_or(LONGEST_PAUSE);
        self.up_to(about * 2, notice.id.as_str(), u64::from(notice.tries))
    }
}

/// Whether a notice that failed once more was tried for long enough.
pub(super) fn is_hopeless(notice: &Notice, now_ms: i64) -> bool {
    let tried = usize::try_from(notice.tries).unwrap_or(usize::MAX);
    let age = u64::try_from(now_ms.saturating_sub(notice.created_ms)).unwrap_or(0);
    tried > PAUSES.len() && Duration::from_millis(age) >= YOUNGEST_GIVEN_UP
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{About, BusinessId, CallSid};

    fn notice(number: u32, tries: u32) -> Notice {
        let call = CallSid::parse(&format!("CA{number}")).unwrap();
        let business = BusinessId::parse("business-1").unwrap();
        Notice { tries, ..Notice::new(business, About::CallEnded { call }, 0) }
    }

    /// How long a notice that always fails is tried for, and how often.
    fn tried(chance: Chance, number: u32) -> (Duration, u32) {
        let mut age = Duration::ZERO;
        for tries in 1.. {
            let notice = notice(number, tries);
            if is_hopeless(&notice, age.as_millis().try_into().unwrap()) {
                return (age, tries);
            }
            age += chance.pause(&notice);
        }
        unreachable!()
    }

    #[test]
    fn what_always_fails_is_tried_for_about_three_days() {
        let hours = |time: Duration| time.as_secs() / HOUR;
        assert_eq!(hours(PAUSES.iter().sum()), 71);
        let all: Vec<_> = (0..200).map(|number| tried(Chance(7), number)).collect();
        assert!(all.iter().all(|(age, tries)| (48..144).contains(&hours(*age)) && *tries >= 17), "{all:?}");
        let mean = all.iter().map(|(age, _)| *age).sum::<Duration>() / 200;
        assert!((65..79).contains(&hours(mean)), "{mean:?}");
    }

    #[test]
    fn the_same_seed_waits_the_same_and_another_differs() {
        let pauses = |seed| (1..20).map(|tries| Chance(seed).pause(&notice(1, tries))).collect::<Vec<_>>();
        assert_eq!(pauses(1), pauses(1));
        assert_ne!(pauses(1), pauses(2));
    }

    #[test]
    fn pauses_of_one_try_are_spread_from_nothing_to_twice_the_table() {
        for (tries, about_s) in [(1, 5), (2, 30), (3, 120), (9, 8 * HOUR), (900, 8 * HOUR)] {
            let pauses: Vec<_> = (0..500).map(|n| Chance(3).pause(&notice(n, tries)).as_secs_f64()).collect();
            let about = seconds(about_s).as_secs_f64();
            assert!(pauses.iter().all(|pause| (0.0..=2.0 * about).contains(pause)));
            for quarter in 0..4 {
                let from = f64::from(quarter) * about / 2.0;
                let many = pauses.iter().filter(|pause| (from..from + about / 2.0).contains(pause)).count();
                assert!((90..160).contains(&many), "{many} of 500 in quarter {quarter} of try {tries}");
            }
        }
    }

    #[test]
    fn neither_many_tries_alone_nor_age_alone_is_hopeless() {
        let day_ms = i64::try_from(24 * HOUR * 1_000).unwrap();
        assert!(!is_hopeless(&notice(1, 900), day_ms));
        assert!(!is_hopeless(&notice(1, 1), 30 * day_ms), "nobody tried while we were away");
        assert!(is_hopeless(&notice(1, 17), 3 * day_ms));
        assert!(!is_hopeless(&notice(1, 900), -1), "a clock that was set back");
    }
}
