//! Money, as whole numbers: an estimate that is added up a million times must not drift.

use std::fmt;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// Millionths of a US dollar.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicroDollars(i64);

impl MicroDollars {
    /// So many millionths of a dollar.
    pub const fn new(micros: i64) -> Self {
        Self(micros)
    }

    /// The millionths.
    pub const fn micros(self) -> i64 {
        self.0
    }
}

impl Add for MicroDollars {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for MicroDollars {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl fmt::Display for MicroDollars {
    /// Dollars to the ten-thousandth, as one call is counted: `$0.0493`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let rounded = self.0.unsigned_abs().saturating_add(50) / 100;
        write!(f, "{sign}${}.{:04}", rounded / 10_000, rounded % 10_000)
    }
}

impl fmt::Debug for MicroDollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_shown_to_the_ten_thousandth_of_a_dollar() {
        for (micros, shown) in
            [(0, "$0.0000"), (49_349, "$0.0493"), (49_350, "$0.0494"), (-1_500_000, "-$1.5000")]
        {
            assert_eq!(MicroDollars::new(micros).to_string(), shown);
        }
        assert_eq!(MicroDollars::new(i64::MAX) + MicroDollars::new(1), MicroDollars::new(i64::MAX));
    }
}
