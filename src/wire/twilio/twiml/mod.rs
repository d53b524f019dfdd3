//! TwiML: what we tell Twilio to do with a call, written; and read as Twilio reads it, for the simulator.
//!
//! Source: Twilio, "TwiML for Programmable Voice". Only the verbs this house uses.

mod read;
mod tree;
mod write;

pub use read::{ReadTwiml, TwimlError, read};

use crate::domain::{PhoneNumber, StreamUrl};

/// Twilio refuses a longer document (11750), in bytes.
pub const LONGEST_DOCUMENT: usize = 64 * 1024;

/// A `<Parameter>`'s name and value together must be shorter, in characters.
pub const PARAMETER_LIMIT: usize = 500;

/// Twilio's REST interface names 99; its documents say nothing.
pub const MOST_PARAMETERS: usize = 99;

/// What is told of a recording.
const RECORDING_EVENTS: &str = "completed absent";

/// A document: what to do, one after the other. Empty, it means: nothing more, which hangs up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Twiml(pub Vec<Verb>);

/// One thing to do.
#[derive(Clone, PartialEq, Eq)]
pub enum Verb {
    /// Open a media stream, and wait until it ends.
    Connect(Box<ConnectStream>),
    /// Say something with Twilio's own voice.
    Say {
        /// The words.
        text: String,
        /// Their language (`en-US`); Twilio's default when absent.
        language: Option<String>,
    },
    /// Wait.
    Pause {
        /// For how long, in seconds.
        length_s: u32,
    },
    /// Ring a number and connect the caller with it.
    Dial {
        /// Which number the other side sees: the line or the caller's; Twilio's choice when absent.
        caller_id: Option<String>,
        /// Whom to ring.
        number: PhoneNumber,
        /// How long to let it ring, in seconds.
        timeout_s: u32,
        /// Whom to tell the outcome, and ask what is next. Empty in a document that names nobody.
        action: String,
    },
    /// Record what the caller says, and ask what is next when they have said it. When they said nothing, nobody is asked,
    /// and the next verb follows.
    Record(Box<Record>),
    /// Ask another URL what is next, with `POST`.
    Redirect {
        /// Which.
        url: String,
    },
    /// Hang up.
    Hangup,
}

/// A media stream to open.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectStream {
    /// Whom to ask what is next when it has ended, with `POST`. Empty in a document that names nobody: the next verb
    /// follows.
    pub action: String,
    /// Where it is opened.
    pub stream: StreamUrl,
    /// Who is told how it goes; the only word about a stream that never reached us. Empty in a document that names
    /// nobody.
    pub status_callback: String,
    /// What comes back in the stream's `start`, in this order. See [`fitting`] for those that are too long.
    pub parameters: Vec<(String, String)>,
}

/// What is recorded of a caller, and who is told.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Whom to ask what is next when something was recorded, with `POST`. Empty in a document that names nobody: Twilio
    /// asks for the same document again.
    pub action: String,
    /// Who is told what became of the recording, when it can be heard or when there is none. Empty in a document that
    /// names nobody.
    pub status_callback: String,
    /// After how many seconds it ends in any case.
    pub max_length_s: u32,
    /// After how many seconds of silence it ends.
    pub timeout_s: u32,
    /// The keys that end it.
    pub finish_on_key: String,
    /// Whether a tone says when to speak.
    pub play_beep: bool,
}

impl Twiml {
    /// A stream, and behind it the same question again, for the case that Twilio goes on without asking `action`.
    pub fn connect_stream(stream: ConnectStream, then_redirect: impl Into<String>) -> Self {
        Self(vec![Verb::Connect(Box::new(stream)), Verb::Redirect { url: then_redirect.into() }])
    }

    /// A sentence, then the end.
    pub fn say_and_hang_up(text: impl Into<String>, language: Option<String>) -> Self {
        Self(vec![Verb::Say { text: text.into(), language }, Verb::Hangup])
    }
}

/// A parameter's value as it is written: Twilio takes fewer than [`PARAMETER_LIMIT`] characters of name and value
/// together and does not say what becomes of more, so a longer value is cut, and ends in `…` to show it. A pass is never
/// that long; what can be is a caller's SIP address, which is there for people.
pub fn fitting(name: &str, value: &str) -> String {
    // Counted in UTF-16, which is never less than characters.
    let units = |text: &str| text.encode_utf16().count();
    let room = (PARAMETER_LIMIT - 1).saturating_sub(units(name));
    if units(value) <= room {
        return value.to_owned();
    }
    let mut left = room.saturating_sub(1);
    let kept = value.chars().take_while(|letter| {
        let fits = letter.len_utf16() <= left;
        left = left.saturating_sub(letter.len_utf16());
        fits
    });
    kept.chain(['…']).collect()
}

impl std::fmt::Debug for Verb {
    /// The verb and where it leads; neither what is said nor who calls.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(connect) => connect.fmt(f),
            Self::Say { text, language } => write!(f, "Say({} bytes, {language:?})", text.len()),
            Self::Pause { length_s } => write!(f, "Pause({length_s} s)"),
            Self::Dial { number, timeout_s, action, .. } => {
                write!(f, "Dial({number:?}, {timeout_s} s, then {action})")
            }
            Self::Record(record) => record.fmt(f),
            Self::Redirect { url } => write!(f, "Redirect({url})"),
            Self::Hangup => write!(f, "Hangup"),
        }
    }
}

impl std::fmt::Debug for ConnectStream {
    /// Without the parameters' values: the pass is among them, and the caller's number.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.parameters.iter().map(|(name, _)| name.as_str()).collect();
        write!(f, "Connect({}, {names:?}, then {})", self.stream, self.action)
    }
}

impl std::fmt::Debug for Record {
    /// Without what stands behind the question marks of its URLs: it may say who calls.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = |url: &str| url.split('?').next().unwrap_or_default().to_owned();
        write!(f, "Record({} s, then {})", self.max_length_s, path(&self.action))
    }
}
