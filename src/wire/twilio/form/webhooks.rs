//! What each of Twilio's webhooks says.

use super::{CallStatus, DialCallStatus, Direction, Form, FormError, Pairs, RecordingStatus, StreamEvent};
use crate::domain::{AccountSid, CallSid, Pii, RecordingSid, StreamSid};

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

/// What was recorded of a caller: `/twilio-voicemail`, where Twilio asks what is next, and `/twilio-recording`, where it
/// tells what became of the recording. These come in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The call.
    pub call: CallSid,
    /// The account it belongs to. Twilio always says it.
    pub account: Option<AccountSid>,
    /// Where the call stands; said where Twilio asks what is next.
    pub status: CallStatus,
    /// What became of the recording; said where Twilio tells it.
    pub outcome: RecordingStatus,
    /// The recording, by its own name or as the end of its URL.
    pub recording: Option<RecordingSid>,
    /// Where it is, or will be in a moment.
    pub url: Option<Pii<String>>,
    /// How long it is, in seconds.
    pub duration_s: Option<u32>,
    /// Twilio's own number for what went wrong.
    pub error: Option<u32>,
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
            status: CallStatus::of(left.take("CallStatus")),
            direction: Direction::of(left.take("Direction")),
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
            status: CallStatus::of(left.take("CallStatus")),
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
            status: CallStatus::of(left.take("CallStatus")),
            dialled: DialCallStatus::of(left.take("DialCallStatus")),
            dialled_call: left.take("DialCallSid").and_then(|sid| CallSid::parse(&sid).ok()),
            duration_s: left.take_number("DialCallDuration"),
            bridged: left.take_number("DialBridged"),
            other: left,
        })
    }
}

impl Form for Recorded {
    fn read(pairs: &Pairs) -> Result<Self, FormError> {
        let mut left = pairs.clone();
        let (name, url) = (left.take_said("RecordingSid"), left.take_said("RecordingUrl"));
        // The action of `<Record>` is documented to get the URL alone; the name is its end.
        let end = url.as_deref().and_then(|url| url.rsplit('/').next());
        Ok(Self {
            call: left.take_call()?,
            account: left.take_account(),
            status: CallStatus::of(left.take("CallStatus")),
            outcome: RecordingStatus::of(left.take("RecordingStatus")),
            recording: name.as_deref().or(end).and_then(|name| RecordingSid::parse(name).ok()),
            url: url.map(Pii::new),
            duration_s: left.take_number("RecordingDuration"),
            error: left.take_number("ErrorCode"),
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
            status: CallStatus::of(left.take("CallStatus")),
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
            event: StreamEvent::of(left.take("StreamEvent")),
            error: left.take_said("StreamError"),
            timestamp: left.take_said("Timestamp"),
            other: left,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Form>(body: &str) -> Result<T, FormError> {
        T::read(&Pairs::parse(body.as_bytes())?)
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
        let spoken: Recorded = read(
            "CallSid=CA1&AccountSid=AC1&From=a&To=b&CallStatus=completed&Digits=hangup&RecordingDuration=7&\
             RecordingUrl=https%3A%2F%2Fapi.twilio.com%2F2010-04-01%2FAccounts%2FAC1%2FRecordings%2FRE1",
        )
        .unwrap();
        assert!(spoken.status.is_over());
        assert_eq!((spoken.recording, spoken.duration_s), (RecordingSid::parse("RE1").ok(), Some(7)));
        assert_eq!(spoken.other.encode(), "From=a&To=b&Digits=hangup");
        let silent: Recorded =
            read("CallSid=CA1&RecordingSid=RE2&RecordingStatus=absent&ErrorCode=16102").unwrap();
        assert_eq!((silent.outcome, silent.error), (RecordingStatus::Absent, Some(16_102)));
        assert_eq!((silent.recording, silent.url), (RecordingSid::parse("RE2").ok(), None));
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
}
