//! A month of the calendar, in UTC: what plans count minutes by.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// A month in UTC, written `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month {
    year: i16,
    month: i8,
}

/// The day of a time in milliseconds since 1970, in UTC, written `2026-11-21`.
pub(super) fn day_of(at_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    TimeZone::UTC.to_datetime(time).date().to_string()
}

/// Why a text is no month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a month is written with its year, like 2026-11")]
pub struct MonthError;

impl Month {
    /// The month of a time in milliseconds since 1970; times nobody can mean belong to January 1970.
    pub fn of(at_ms: i64) -> Self {
        let time = jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let date = TimeZone::UTC.to_datetime(time).date();
        Self { year: date.year(), month: date.month() }
    }

    /// Reads `2026-11`.
    pub fn parse(text: &str) -> Result<Self, MonthError> {
        let (year, month) = text.split_once('-').ok_or(MonthError)?;
        if year.len() != 4 || month.len() != 2 {
            return Err(MonthError);
        }
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (true, true) = (digits(year), digits(month)) else { return Err(MonthError) };
        let (year, month) = (year.parse().map_err(|_| MonthError)?, month.parse().map_err(|_| MonthError)?);
        Date::new(year, month, 1).map_err(|_| MonthError)?;
        Ok(Self { year, month })
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl TryFrom<String> for Month {
    type Error = MonthError;
    fn try_from(text: String) -> Result<Self, MonthError> {
        Self::parse(&text)
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_and_ends_in_utc() {
        assert_eq!(Month::of(1_793_491_199_999).to_string(), "2026-10");
        assert_eq!(Month::of(1_793_491_200_000).to_string(), "2026-11");
        assert_eq!(Month::parse("2026-11"), Ok(Month::of(1_793_491_200_000)));
        assert_eq!(Month::of(i64::MAX), Month::of(0));
        assert!(Month::parse("2026-11").unwrap() < Month::parse("2027-01").unwrap());
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for bad in ["", "2026", "2026-13", "2026-00", "26-11", "2026-1", "2026-+1", "+026-11", "2026-11-01"] {
            assert_eq!(Month::parse(bad), Err(MonthError), "{bad}");
        }
    }
}
