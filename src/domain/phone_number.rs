//! Phone numbers in E.164, for lines and destinations. A caller's number is not one of these: it may be `anonymous`,
//! a SIP address or odd text, and is carried as it came.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number in E.164: `+` and 7 to 15 digits, the first not 0.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(Box<str>);

/// Why a text is no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a phone number is written in E.164, like +15551234567: '+', country code, then the rest, digits only"
)]
pub struct PhoneNumberError;

impl PhoneNumber {
    /// Reads E.164, forgiving only blanks around it.
    pub fn parse(text: &str) -> Result<Self, PhoneNumberError> {
        let text = text.trim();
        let digits = text.strip_prefix('+').ok_or(PhoneNumberError)?;
        let legal = (7..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        if legal { Ok(Self(text.into())) } else { Err(PhoneNumberError) }
    }

    /// The number, with its `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = PhoneNumberError;
    fn try_from(text: String) -> Result<Self, PhoneNumberError> {
        Self::parse(&text)
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.0.into()
    }
}

impl fmt::Debug for PhoneNumber {
    /// The last two digits only: a number is personal, and a log needs no more to tell two lines apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+…{}", self.0.get(self.0.len() - 2..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_e164_is_a_number() {
        assert_eq!(PhoneNumber::parse(" +15551234567 ").unwrap().as_str(), "+15551234567");
        for bad in
            ["15551234567", "+0123456789", "+1 555 123", "anonymous", "+", "+123456", "+1234567890123456"]
        {
            assert!(PhoneNumber::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn debug_shows_the_last_two_digits_only() {
        assert_eq!(format!("{:?}", PhoneNumber::parse("+15551234567").unwrap()), "+…67");
    }
}
