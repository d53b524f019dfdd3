//! What happened in a call, as the telephone network saw it.

use crate::domain::{CallSid, Moment, Pii};
use crate::sim::socket::DialResult;
use crate::sim::{StepDone, TwilioStream};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PhoneEvent {
    /// A webhook is asked.
    Asked {
        /// Which.
        url: String,
    },
    /// It answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The hop header, if it had one.
        hop: Option<String>,
        /// The document.
        twiml: Pii<String>,
    },
    /// A stream is opened.
    StreamAsked {
        /// Where.
        url: String,
    },
    /// The upgrade was answered with 101.
    Upgraded,
    /// `start` left.
    Started,
    /// The first audio of a stream arrived.
    FirstAudio,
    /// A mark was sent back.
    MarkBack(String),
    /// The server told us to forget what is not played.
    Cleared,
    /// The server closed the socket, with this code; none when it broke.
    ServerClosed(Option<u16>),
    /// `stop` left: the call or the stream was ended on this side.
    Stopped,
    /// The REST interface ended the call, gave it new TwiML, or had it ask another URL.
    Ordered {
        /// Whether it is to go on with new TwiML.
        twiml: bool,
    },
    /// Twilio's own voice said this.
    Said(Pii<String>),
    /// A number was rung.
    Dialled {
        /// Which.
        number: Pii<String>,
        /// What became of it.
        result: DialResult,
    },
    /// The tone before a recording.
    Beeped,
    /// What the caller said was recorded.
    Recorded {
        /// How much of it, in milliseconds, without the silence before and behind it; 0 when they said nothing.
        length_ms: u64,
    },
    /// Something Twilio would complain of.
    Problem(String),
    /// The call is over.
    Over,
}

/// What happened in a call.
#[derive(Debug)]
pub struct PhoneReport {
    /// The call.
    pub call: CallSid,
    /// Everything, in order. Moments count from the ring.
    pub events: Vec<(Moment, PhoneEvent)>,
    /// The streams it had, with what was heard on each and what was wrong.
    pub streams: Vec<TwilioStream>,
    /// When the caller's steps were carried out.
    pub steps_done: Vec<StepDone>,
}

impl PhoneReport {
    pub(super) fn new(call: CallSid) -> Self {
        Self { call, events: Vec::new(), streams: Vec::new(), steps_done: Vec::new() }
    }

    /// When the first such thing happened.
    pub fn when(&self, such: impl Fn(&PhoneEvent) -> bool) -> Option<Moment> {
        self.events.iter().find(|(_, event)| such(event)).map(|(at, _)| *at)
    }

    /// Everything Twilio would complain of.
    pub fn problems(&self) -> Vec<String> {
        let said = self.events.iter().filter_map(|(_, event)| {
            if let PhoneEvent::Problem(what) = event { Some(what.clone()) } else { None }
        });
        let warned = self.streams.iter().flat_map(TwilioStream::violations);
        said.chain(warned.map(|violation| format!("{}: {}", violation.code, violation.why))).collect()
    }

    /// What the caller heard over all streams, without what was between them: µ-law.
    pub fn heard(&self) -> Vec<u8> {
        self.streams.iter().flat_map(|stream| stream.playout().heard()).copied().collect()
    }
}
