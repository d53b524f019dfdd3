//! Chance that can be told again: the same seed gives the same world.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A seeded source of numbers (SplitMix64: one addition and three shifts, and it passes the usual tests).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall the same way for the same seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number of the range; its start when the range is empty.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = range.into_inner();
        let many = high.saturating_sub(low).saturating_add(1);
        low + self.next() % many
    }

    /// A span of time up to `most`, to the microsecond.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.within(0..=micros))
    }

    /// Whether something happens that happens `percent` times in a hundred.
    pub fn happens(&mut self, percent: u8) -> bool {
        self.next() % 100 < u64::from(percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_falls_the_same_way_and_stays_in_range() {
        let (mut one, mut two, mut other) = (Dice::new(7), Dice::new(7), Dice::new(8));
        let throws: Vec<u64> = (0..100).map(|_| one.within(3..=9)).collect();
        assert!(throws.iter().all(|n| (3..=9).contains(n)));
        assert!((3..=9).all(|n| throws.contains(&n)));
        assert!(throws.iter().all(|n| two.within(3..=9) == *n));
        assert!(throws.iter().any(|n| other.within(3..=9) != *n));
        assert_eq!(one.up_to(Duration::ZERO), Duration::ZERO);
    }
}
