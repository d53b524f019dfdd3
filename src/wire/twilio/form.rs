//! The forms of Twilio's webhooks: ordered pairs as they are signed, and what each webhook means.
//!
//! Source: Twilio, "TwiML voice: request parameters". Twilio adds parameters without notice, so whatever has no name here
//! is kept in `other`; only the CallSid must be there. `From` and `To` are text: `anonymous`, `client:ann` and SIP addresses
//! come there too.

use std::fmt;

use url::form_urlencoded;

use crate::domain::{AccountSid, CallSid, IdError, Pii, StreamSid};

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

/// A call has come: `/twilio-voice`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingCall {
    /// The call.
    pub call: CallSid,
    /// The account it belongs to. Twilio always says it.
    pub account: Option<AccountSid>,
    /// Who calls, as text; empty when not said.
    pub from: Pii<String>,
    /// Which line was called, as text; empty when not said.
    pub to: Pii<String>,
    /// `ringing`, for a call that comes in.
    pub status: CallStatus,
    /// Who began it.
    pub direction: Direction,
    /// Whose number the caller dialled, when that was forwarded to the line.
    pub forwarded_from: Option<Pii<String>>,
    /// The caller's name, when looking it up was bought.
    pub caller_name: Option<Pii<String>>,
    /// How far the caller's number was attested (`TN-Validation-Passed-A`); absent is not failed.
    pub stir_verstat: Option<String>,
    /// Everything else.
    pub other: Pairs,
}

/// A stream has ended and Twilio asks what is next: `/twilio-next`, by the action of `<Connect>` or the `<Redirect>`
/// behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextRequest {
    /// The call.
    pub call: CallSid,
    /// The account it belongs to. Twilio always says it.
    pub account: Option<AccountSid>,
    /// Who calls, as text; empty when not said.
    pub from: Pii<String>,
    /// Which line was called, as text; empty when not said.
    pub to: Pii<String>,
    /// `in-progress` while the caller is there.
    pub status: CallStatus,
    /// The stream that ended, where Twilio says it.
    pub stream: Option<StreamSid>,
    /// Everything else.
    pub other: Pairs,
}

/// What became of a transfer: `/twilio-dial`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialOutcome {
    /// The caller's call.
    pub call: CallSid,
    /// The account it belongs to. Twilio always says it.
    pub account: Option<AccountSid>,
    /// Who calls, as text; empty when not said.
    pub from: Pii<String>,
    /// Which line was called, as text; empty when not said.
    pub to: Pii<String>,
    /// Where the caller's call stands.
    pub status: CallStatus,
    /// How the other side answered.
    pub dialled: DialCallStatus,
    /// The call to the other side.
    pub dialled_call: Option<CallSid>,
    /// How long both talked, in seconds.
    pub duration_s: Option<u32>,
    /// Whether the two were ever connected, where Twilio says it.
    pub bridged: Option<bool>,
    /// Everything else.
    pub other: Pairs,
}

/// Where a call stands: `/twilio-status`. These may come in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallStatusUpdate {
    /// The call.
    pub call: CallSid,
    /// The account it belongs to. Twilio always says it.
    pub account: Option<AccountSid>,
    /// Where it stands.
    pub status: CallStatus,
    /// How long it lasted, in seconds, when it is over.
    pub duration_s: Option<u32>,
    /// The order in which these were made, from 0.
    pub sequence: Option<u32>,
    /// The last answer of the telephone network, like 200 or 486.
    pub sip_code: Option<u16>,
    /// Everything else.
    pub other: Pairs,
}

/// What happened to a stream: `/twilio-stream-status`. The only word about a stream that never reached us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamStatus {
    /// The call.
    pub call: CallSid,
    /// The account it belongs to. Twilio always says it.
    pub account: Option<AccountSid>,
    /// The stream.
    pub stream: Option<StreamSid>,
    /// Its name, or its sid again.
    pub name: Option<String>,
    /// What happened.
    pub event: StreamEvent,
    /// Why it failed, in Twilio's words.
    pub error: Option<String>,
    /// When, as Twilio writes it (ISO 8601).
    pub timestamp: Option<String>,
    /// Everything else.
    pub other: Pairs,
}

impl Form for IncomingCall {
    fn read(pairs: &Pairs) -> Result<Self, FormError> {
        let mut left = pairs.clone();
        Ok(Self {
            call: left.take_call()?,
            account: left.take_account(),
            from: left.take("From").unwrap_or_default().into(),
            to: left.take("To").unwrap_or_default().into(),
            status: CallStatus::read(left.take("CallStatus")),
            direction: Direction::read(left.take("Direction")),
            forwarded_from: left.take_said("ForwardedFrom").map(Pii::new),
            caller_name: left.take_said("CallerName").map(Pii::new),
            stir_verstat: left.take_said("StirVerstat"),
            other: left,
        })
    }
}

impl Form for NextRequest {
    fn read(pairs: &Pairs) -> Result<Self, FormError> {
        let mut left = pairs.clone();
        Ok(Self {
            call: left.take_call()?,
            account: left.take_account(),
            from: left.take("From").unwrap_or_default().into(),
            to: left.take("To").unwrap_or_default().into(),
            status: CallStatus::read(left.take("CallStatus")),
            stream: left.take("StreamSid").and_then(|sid| StreamSid::parse(&sid).ok()),
            other: left,
        })
    }
}

impl Form for DialOutcome {
    fn read(pairs: &Pairs) -> Result<Self, FormError> {
        let mut left = pairs.clone();
        Ok(Self {
            call: left.take_call()?,
            account: left.take_account(),
            from: left.take("From").unwrap_or_default().into(),
            to: left.take("To").unwrap_or_default().into(),
            status: CallStatus::read(left.take("CallStatus")),
            dialled: DialCallStatus::read(left.take("DialCallStatus")),
            dialled_call: left.take("DialCallSid").and_then(|sid| CallSid::parse(&sid).ok()),
            duration_s: left.take_number("DialCallDuration"),
            bridged: left.take_number("DialBridged"),
            other: left,
        })
    }
}

impl Form for CallStatusUpdate {
    fn read(pairs: &Pairs) -> Result<Self, FormError> {
        let mut left = pairs.clone();
        Ok(Self {
            call: left.take_call()?,
            account: left.take_account(),
            status: CallStatus::read(left.take("CallStatus")),
            duration_s: left.take_number("CallDuration"),
            sequence: left.take_number("SequenceNumber"),
            sip_code: left.take_number("SipResponseCode"),
            other: left,
        })
    }
}

impl Form for StreamStatus {
    fn read(pairs: &Pairs) -> Result<Self, FormError> {
        let mut left = pairs.clone();
        Ok(Self {
            call: left.take_call()?,
            account: left.take_account(),
            stream: left.take("StreamSid").and_then(|sid| StreamSid::parse(&sid).ok()),
            name: left.take_said("StreamName"),
            event: StreamEvent::read(left.take("StreamEvent")),
            error: left.take_said("StreamError"),
            timestamp: left.take_said("Timestamp"),
            other: left,
        })
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A word we do not know; empty when nothing was said.
            Other(String),
        }

        impl $name {
            /// Twilio's word for it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }

            fn read(word: Option<String>) -> Self {
                let word = word.unwrap_or_default();
                match word.as_str() {
                    $($word => Self::$variant,)+
                    _ => Self::Other(word),
                }
            }
        }
    };
}

words!(
    /// Where a call stands.
    CallStatus {
        /// Waiting to be made.
        Queued = "queued",
        /// On its way out.
        Initiated = "initiated",
        /// Ringing.
        Ringing = "ringing",
        /// Somebody talks.
        InProgress = "in-progress",
        /// Over, after somebody talked.
        Completed = "completed",
        /// The other side was busy.
        Busy = "busy",
        /// It could not be made.
        Failed = "failed",
        /// Nobody answered.
        NoAnswer = "no-answer",
        /// Given up before an answer.
        Canceled = "canceled",
    }
);

impl CallStatus {
    /// Whether the call is over, however it ended.
    pub fn is_over(&self) -> bool {
        match self {
            Self::Completed | Self::Busy | Self::Failed | Self::NoAnswer | Self::Canceled => true,
            Self::Queued | Self::Initiated | Self::Ringing | Self::InProgress | Self::Other(_) => false,
        }
    }
}

words!(
    /// Who began a call.
    Direction {
        /// The caller.
        Inbound = "inbound",
        /// Our own request to Twilio.
        OutboundApi = "outbound-api",
        /// A `<Dial>`.
        OutboundDial = "outbound-dial",
        /// A trunk, towards us.
        TrunkingOriginating = "trunking-originating",
        /// A trunk, towards the network.
        TrunkingTerminating = "trunking-terminating",
    }
);

words!(
    /// How the other side of a transfer answered.
    DialCallStatus {
        /// Both talked, and it is over.
        Completed = "completed",
        /// Somebody answered.
        Answered = "answered",
        /// It was busy.
        Busy = "busy",
        /// Nobody answered in time.
        NoAnswer = "no-answer",
        /// It could not be dialled.
        Failed = "failed",
        /// The caller hung up first.
        Canceled = "canceled",
    }
);

impl DialCallStatus {
    /// Whether somebody talked with the caller.
    pub fn was_answered(&self) -> bool {
        match self {
            Self::Completed | Self::Answered => true,
            Self::Busy | Self::NoAnswer | Self::Failed | Self::Canceled | Self::Other(_) => false,
        }
    }
}

words!(
    /// What happened to a stream.
    StreamEvent {
        /// It began.
        Started = "stream-started",
        /// It ended.
        Stopped = "stream-stopped",
        /// It failed, perhaps before it began.
        Failed = "stream-error",
    }
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read<T: Form>(body: &str) -> Result<T, FormError> {
        T::read(&Pairs::parse(body.as_bytes())?)
    }

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

    #[test]
    fn a_call_is_read_with_all_that_has_no_name_here() {
        let call: IncomingCall = read(
            "CallSid=CA1&AccountSid=AC1&From=%2B14155550123&To=sip%3Aluna%40example.com&CallStatus=ringing&\
             Direction=inbound&ForwardedFrom=%2B1555&CallerName=&StirVerstat=TN-Validation-Passed-A&ToCity=&New=x&From=again",
        )
        .unwrap();
        assert_eq!((call.call.as_str(), call.account.as_ref().map(AccountSid::as_str)), ("CA1", Some("AC1")));
        assert_eq!(
            (call.from.reveal().as_str(), call.to.reveal().as_str()),
            ("+14155550123", "sip:luna@example.com")
        );
        assert_eq!((call.status, call.direction), (CallStatus::Ringing, Direction::Inbound));
        assert_eq!((call.forwarded_from, call.caller_name), (Some(Pii::new("+1555".to_owned())), None));
        assert_eq!(call.stir_verstat.as_deref(), Some("TN-Validation-Passed-A"));
        assert_eq!(call.other.encode(), "ToCity=&New=x&From=again");
    }

    #[test]
    fn only_the_call_must_be_there() {
        let call: IncomingCall = read("CallSid=test123").unwrap();
        assert_eq!((call.account, call.status), (None, CallStatus::Other(String::new())));
        assert_eq!(read::<IncomingCall>("From=x"), Err(FormError::NoCall));
        assert_eq!(read::<IncomingCall>("CallSid="), Err(FormError::NoCall));
        assert!(matches!(read::<NextRequest>("CallSid=a%20b"), Err(FormError::BadCall(_))));
        assert_eq!(read::<StreamStatus>(&"a=1&".repeat(201)), Err(FormError::TooMany));
        assert_eq!(read::<StreamStatus>(&"a=1&".repeat(200)), Err(FormError::NoCall));
    }

    #[test]
    fn the_other_webhooks_are_read() {
        let dial: DialOutcome = read(
            "CallSid=CA1&DialCallStatus=no-answer&DialCallSid=CA2&DialCallDuration=12&DialBridged=false",
        )
        .unwrap();
        assert_eq!((dial.dialled.was_answered(), dial.dialled), (false, DialCallStatus::NoAnswer));
        assert_eq!(
            (dial.dialled_call, dial.duration_s, dial.bridged),
            (CallSid::parse("CA2").ok(), Some(12), Some(false))
        );
        let update: CallStatusUpdate =
            read("CallSid=CA1&CallStatus=completed&CallDuration=9&SequenceNumber=0&SipResponseCode=200")
                .unwrap();
        assert!(update.status.is_over());
        assert_eq!((update.duration_s, update.sequence, update.sip_code), (Some(9), Some(0), Some(200)));
        let stream: StreamStatus = read(
            "CallSid=CA1&StreamSid=MZ1&StreamName=main&StreamEvent=stream-error&\
             StreamError=Stream+-+WebSocket+-+Handshake+Error&Timestamp=2026-11-20T15%3A04%3A05.123Z",
        )
        .unwrap();
        assert_eq!((stream.event, stream.stream), (StreamEvent::Failed, StreamSid::parse("MZ1").ok()));
        assert_eq!(stream.error.as_deref(), Some("Stream - WebSocket - Handshake Error"));
        let next: NextRequest = read("CallSid=CA1&From=a&To=b&CallStatus=paused").unwrap();
        assert_eq!((next.status.as_str(), next.stream), ("paused", None));
    }

    #[test]
    fn debug_names_nobody() {
        let call: IncomingCall =
            read("CallSid=CA1&From=%2B14155550123&CallerName=Ann&Caller=%2B14155550123").unwrap();
        let said = format!("{call:?}");
        assert!(said.contains("CA1") && said.contains("Caller"), "{said}");
        assert!(!said.contains("555") && !said.contains("Ann"), "{said}");
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
