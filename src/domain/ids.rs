//! Names that must not be mixed up. Each is its own type, checked once where it enters.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} must be 1 to {MAX_ID_BYTES} letters, digits, '-', '_', '.' or ':', not {found:?}")]
pub struct IdError {
    kind: &'static str,
    found: String,
}

/// Longer than any identifier of Twilio (34) or a document name people write by hand; short enough for a mark or a
/// log line.
const MAX_ID_BYTES: usize = 64;

fn check(kind: &'static str, text: &str) -> Result<Box<str>, IdError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if text.is_empty() || text.len() > MAX_ID_BYTES || !text.bytes().all(legal) {
        let found = text.chars().take(MAX_ID_BYTES).collect();
        return Err(IdError { kind, found });
    }
    Ok(text.into())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Takes the text as it is, if it is one.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check($kind, text).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// Twilio's name of a call: `CA` and 32 hexadecimal digits when it is a real one.
    CallSid,
    "a CallSid"
);
id!(
    /// Twilio's name of an account or subaccount: `AC` and 32 hexadecimal digits.
    AccountSid,
    "an AccountSid"
);
id!(
    /// Twilio's name of one media stream: `MZ` and 32 hexadecimal digits.
    StreamSid,
    "a StreamSid"
);
id!(
    /// Twilio's name of one recording: `RE` and 32 hexadecimal digits.
    RecordingSid,
    "a RecordingSid"
);
id!(
    /// A business whose phone we answer.
    BusinessId,
    "a business id"
);
id!(
    /// A plan a business has paid for.
    PlanId,
    "a plan id"
);
id!(
    /// A destination a business has configured for transfers; the only thing a model can name.
    DestinationId,
    "a destination id"
);
id!(
    /// One running process of ours.
    InstanceId,
    "an instance id"
);

id!(
    /// One thing a business is to be told.
    NoticeId,
    "a notice id"
);

impl NoticeId {
    /// 128 bits of a hash: nobody meets two alike.
    pub(super) fn from_hash(hash: &[u8]) -> Self {
        let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self(format!("msg_{hex}").into())
    }
}

/// The account of test calls. Those of Twilio begin with `AC`.
const OF_TEST_CALLS: &str = "frontdesk";

impl AccountSid {
    /// The account of calls that are placed from a page of ours. Twilio knows neither it nor them: whatever would be asked
    /// there about a call is not asked about one of these.
    pub fn of_test_calls() -> Self {
        Self(OF_TEST_CALLS.into())
    }
}

impl CallSid {
    /// Whether Twilio could have made it. A hand-made request (`callSid=test123`) is answered like any other, but its
    /// TwiML is executed by nobody, and no stream will follow.
    pub fn is_genuine(&self) -> bool {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        self.0.strip_prefix("CA").is_some_and(|rest| rest.len() == 32 && rest.bytes().all(hex))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_is_genuine_only_in_twilios_form() {
        let genuine = CallSid::parse("CA00000000000000000000000000000001").unwrap();
        assert!(genuine.is_genuine());
        assert!(!CallSid::parse("test123").unwrap().is_genuine());
    }

    #[test]
    fn an_id_refuses_what_could_not_be_one_and_says_so() {
        for bad in ["", "a b", "a\n", "é", &"x".repeat(65)] {
            assert!(BusinessId::parse(bad).is_err(), "{bad:?}");
        }
        let error = BusinessId::parse("a b").unwrap_err().to_string();
        assert!(error.starts_with("a business id must be 1 to 64 letters"), "{error}");
    }
}
