//! The forms of Twilio's webhooks: ordered pairs as they are signed, and what each webhook means.
//!
//! Source: Twilio, "TwiML voice: request parameters". Twilio adds parameters without notice, so whatever has no name here
//! is kept in `other`; only the CallSid must be there. `From` and `To` are text: `anonymous`, `client:ann` and SIP addresses
//! come there too.

mod webhooks;
mod words;

use std::fmt;

use url::form_urlencoded;

pub use self::webhooks::{CallStatusUpdate, DialOutcome, IncomingCall, NextRequest, Recorded, StreamStatus};
pub use self::words::{CallStatus, DialCallStatus, Direction, RecordingStatus, StreamEvent};
use crate::domain::{AccountSid, CallSid, IdError};

/// Ten times what Twilio sends today; enough for any it adds, and too few to keep a processor busy sorting.
pub const MOST_PARAMETERS: usize = 200;

/// Names and values in the order they came, decoded as Twilio signs them: `+` is a blank, `%XX` is UTF-8.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pairs(Vec<(String, String)>);

/// What one webhook says.
pub trait Form: Sized {
    /// Reads it.
    fn read(pairs: &Pairs) -> Result<Self, FormError>;
}

/// Why a request is not the form it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// More parameters than Twilio could mean.
    #[error("the request has more than {MOST_PARAMETERS} parameters; Twilio sends about 40")]
    TooMany,
    /// No call.
    #[error("the request has no CallSid; Twilio always sends one, as form (POST) or query (GET)")]
    NoCall,
    /// A call nobody could name.
    #[error("the CallSid cannot be read: {0}")]
    BadCall(#[from] IdError),
}

impl Pairs {
    /// Reads `application/x-www-form-urlencoded`: the body of a `POST` or the query of a `GET`. Bytes that are no UTF-8
    /// become U+FFFD.
    pub fn parse(text: &[u8]) -> Result<Self, FormError> {
        let pairs: Vec<_> = form_urlencoded::parse(text).into_owned().take(MOST_PARAMETERS + 1).collect();
        if pairs.len() > MOST_PARAMETERS { Err(FormError::TooMany) } else { Ok(Self(pairs)) }
    }

    /// All of them, in order.
    pub fn as_slice(&self) -> &[(String, String)] {
        &self.0
    }

    /// The first value of that name.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// As `application/x-www-form-urlencoded`.
    pub fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    /// Takes the first value of that name out.
    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(other, _)| other == name)?;
        Some(self.0.remove(at).1)
    }

    /// The same, when it is not empty: Twilio sends empty what it does not know.
    fn take_said(&mut self, name: &str) -> Option<String> {
        self.take(name).filter(|value| !value.is_empty())
    }

    fn take_number<T: std::str::FromStr>(&mut self, name: &str) -> Option<T> {
        self.take(name)?.parse().ok()
    }

    fn take_call(&mut self) -> Result<CallSid, FormError> {
        let call = self.take_said("CallSid").ok_or(FormError::NoCall)?;
        Ok(CallSid::parse(&call)?)
    }

    fn take_account(&mut self) -> Option<AccountSid> {
        AccountSid::parse(&self.take("AccountSid")?).ok()
    }
}

impl FromIterator<(String, String)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl fmt::Debug for Pairs {
    /// The names only: values are numbers and names of people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_form_is_decoded_as_it_is_signed() {
        let pairs = Pairs::parse("a=1+2%20%2B&b=&c&a=%C3%A9%FF&=x&&d=%zz%4".as_bytes()).unwrap();
        let expected = [("a", "1 2 +"), ("b", ""), ("c", ""), ("a", "é\u{fffd}"), ("", "x"), ("d", "%zz%4")];
        assert_eq!(
            pairs,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect()
        );
        assert_eq!((pairs.first("a"), pairs.first("x")), (Some("1 2 +"), None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_any_pairs_survive(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            pairs in prop::collection::vec((".{0,8}", ".{0,20}"), 0..20),
        ) {
            Pairs::parse(&bytes).ok();
            let pairs: Pairs = pairs.into_iter().collect();
            prop_assert_eq!(Pairs::parse(pairs.encode().as_bytes()), Ok(pairs));
        }
    }
}
