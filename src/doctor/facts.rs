//! What was observed. Facts are gathered by probes and judged apart from them: the same facts give the same verdict, on
//! any day and in any test.

use std::net::IpAddr;

use serde::Serialize;

use super::examination::Tone;
use crate::domain::CallSid;
use crate::wire::doctor::{Echo, Recent};

/// Everything that was observed. What was not looked at, or could not be, is missing.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// What the settings say here, where the doctor is.
    pub settings: Vec<Setting>,
    /// Where the webhook is.
    pub webhook: Place,
    /// Where the stream is: what the TwiML says, else what follows from the webhook.
    pub stream: Place,
    /// The way to the webhook's host.
    pub way: Way,
    /// The way to the stream's host, when it is another.
    pub stream_way: Option<Way>,
    /// `GET /health` at the stream's host.
    pub health: Option<Asked>,
    /// The same, by something that looks like a browser.
    pub health_for_browsers: Option<Asked>,
    /// What arrived at the application of a request with upgrade headers.
    pub echo: Option<Result<Echo, Asked>>,
    /// A handshake with a socket that has no business in it.
    pub bare: Option<Handshake>,
    /// Whether we could sign as Twilio does.
    pub signed: bool,
    /// Handshakes with the media socket, exactly as Twilio's.
    pub handshakes: Vec<Handshake>,
    /// The same with one thing changed.
    pub variants: Vec<(Variant, Handshake)>,
    /// How the line that is called was found.
    pub line: Line,
    /// The webhook's answer to a call.
    pub twiml: Option<Twiml>,
    /// A whole call.
    pub call: Option<Call>,
    /// A bare socket that was held in silence.
    pub held: Option<Held>,
    /// What the server remembers.
    pub recent: Option<Recent>,
    /// What of it happened before the examination: how many came to the media socket as Twilio does.
    pub came_before: Option<usize>,
    /// What Twilio remembers.
    pub twilio: Option<TwilioRecords>,
    /// What there was no time for.
    pub unseen: Vec<&'static str>,
}

/// What one setting says here. The server has its own, which are mostly the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// How it looks.
    pub tone: Tone,
    /// What is to be known about it.
    pub says: String,
}

/// How the line that is called was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Line {
    /// It was not: a number is called that nobody owns.
    #[default]
    Unknown,
    /// Somebody said which.
    Said,
    /// The webhook names a business itself.
    ByUrl,
    /// A number of the account calls this webhook.
    AtTwilio,
    /// The server says that a business owns it.
    AtServer,
}

/// A URL, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// As a whole.
    pub url: String,
    /// The host.
    pub host: String,
    /// The port, said or not.
    pub port: u16,
    /// The path.
    pub path: String,
    /// Whether it is `https` or `wss`.
    pub secure: bool,
}

/// The way to a host: names, addresses, TLS.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Way {
    /// Why no address was found.
    pub no_address: Option<String>,
    /// What was found at each address.
    pub addresses: Vec<Address>,
    /// What TLS says, speaking HTTP/1.1; none when it is not spoken.
    pub tls: Option<Result<Tls, TlsFault>>,
    /// Whether TLS would take HTTP/2.
    pub takes_h2: bool,
}

/// One address of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// Which.
    pub ip: IpAddr,
    /// Whether the world could reach it.
    pub public: bool,
    /// How long a connection took, in milliseconds, or why there was none.
    pub connected: Result<u64, Failure>,
}

/// A TLS connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// `TLSv1_3`, say.
    pub version: String,
    /// What was agreed on, if anything.
    pub alpn: Option<String>,
    /// Whole days until the certificate expires.
    pub days_left: Option<i64>,
}

/// Why there is no TLS connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TlsFault {
    /// What answers does not speak TLS, or none that we take.
    NotTls(String),
    /// Nothing was answered.
    Silent,
    /// The certificate is out of its time.
    Expired(String),
    /// The certificate is for other names.
    OtherName(Vec<String>),
    /// The certificate signs itself, or its issuer is known to nobody.
    UnknownIssuer(String),
    /// The certificate's issuer is no root and was not sent.
    MissingIntermediate(String),
    /// HTTP/1.1 was refused.
    NoHttp11,
    /// Something else.
    Other(String),
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Asked {
    /// Somebody answered.
    Answered(Box<Answer>),
    /// Nobody did.
    Failed(Failure),
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Who of ours made it; none when it was somebody else.
    pub hop: Option<String>,
    /// Who says to have made it.
    pub server: Option<String>,
    /// Signs of an edge: `cf-ray`, `x-railway-edge`, ….
    pub edge: Vec<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// Where it leads, when it is a redirect.
    pub location: Option<String>,
    /// The reason our own refusals name.
    pub reason: Option<String>,
    /// The hint our own refusals give.
    pub hint: Option<String>,
    /// The URLs over which a signature was checked.
    pub checked: Vec<String>,
    /// How the body begins.
    pub body: String,
    /// When it was made, by the clock of whoever made it.
    pub date: Option<String>,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Failure {
    /// The connection was refused.
    Refused,
    /// Nothing came in time.
    Silent,
    /// The connection was cut before an answer.
    Cut,
    /// TLS failed.
    Tls(TlsFault),
    /// What came is not HTTP.
    NotHttp(String),
    /// Something else.
    Other(String),
}

/// What became of a WebSocket handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Handshake {
    /// The socket opened.
    Opened(Opened),
    /// Somebody answered something else.
    Refused(Box<Answer>),
    /// Nobody answered.
    Failed(Failure),
}

/// A 101, and what came after it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// Who of ours made it.
    pub hop: Option<String>,
    /// What is wrong about the 101 itself.
    pub faults: Vec<String>,
    /// What became of the socket within a second.
    pub then: Then,
}

/// What became of a socket that opened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Then {
    /// It is still open.
    #[default]
    Open,
    /// It was closed with this code and reason.
    Closed(u16, String),
    /// It was cut.
    Cut,
}

/// What was changed about a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Variant {
    /// The user agent is no longer Twilio's.
    OtherUserAgent,
    /// With an `Origin` of its own host.
    WithOrigin,
    /// With a slash at the end.
    WithSlash,
    /// With a query.
    WithQuery,
}

/// The webhook's answer to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Twiml {
    /// The answer.
    pub asked: Asked,
    /// What is wrong with the document.
    pub faults: Vec<TwimlFault>,
    /// The Stream URL in it.
    pub stream_url: Option<String>,
}

/// What is wrong with TwiML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TwimlFault {
    /// It cannot be read.
    Unreadable(String),
    /// The Stream URL has a query string, of this name first.
    Query(String),
    /// The Stream URL's scheme.
    Scheme(String),
    /// A URL that is none.
    Url(String),
    /// The Stream URL names this port.
    Port(u16),
    /// A stream, and not one that is heard on both sides; which.
    OneWay(String),
    /// No stream; what there is instead.
    NoStream(String),
}

/// A whole call, placed as Twilio would.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Whether the stream opened and was started.
    pub started: bool,
    /// When the first audio came after `start`, in milliseconds.
    pub first_audio_ms: Option<u64>,
    /// What Twilio would have complained of.
    pub problems: Vec<String>,
    /// How the stream ended, when it did before its time.
    pub ended: Option<Then>,
    /// After how long, in milliseconds.
    pub ended_after_ms: Option<u64>,
    /// What of the server's frames was against the protocol of WebSockets.
    pub broken: Option<String>,
}

/// A socket on which nothing moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// For how long, in milliseconds.
    pub ms: u64,
    /// What became of it.
    pub then: Then,
}

/// What Twilio remembers of the number and its last calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TwilioRecords {
    /// The voice webhooks of the account's numbers, each with its method; numbers are masked.
    pub numbers: Vec<NumberSetting>,
    /// Alerts of the last day, the latest first.
    pub alerts: Vec<Alert>,
    /// Calls that the server was asked about, and of which Twilio knows nothing.
    pub unknown_calls: Vec<CallSid>,
    /// Where calls to the line are processed: `us1`, say.
    pub region: Option<String>,
    /// Why something could not be read.
    pub problem: Option<String>,
}

/// How one number is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NumberSetting {
    /// The number, masked.
    pub number: String,
    /// Its voice webhook, without a query.
    pub voice_url: String,
    /// By which method.
    pub voice_method: String,
    /// Whether a TwiML application or a trunk of the account decides instead, which is not looked into.
    pub elsewhere: bool,
    /// Whether this is the line that somebody said.
    pub is_called: bool,
}

/// One of Twilio's alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// Its code.
    pub code: u32,
    /// When, as Twilio writes it.
    pub at: String,
    /// What it is about.
    pub url: String,
}

impl Way {
    /// Whether anything can be asked over it.
    pub fn leads_there(&self) -> bool {
        self.addresses.iter().any(|at| at.connected.is_ok()) && !matches!(self.tls, Some(Err(_)))
    }
}

impl Answer {
    /// Whether our own application made it.
    pub fn is_ours(&self) -> bool {
        self.hop.is_some()
    }
}

impl Asked {
    /// The answer, if there is one.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answered(answer) => Some(answer),
            Self::Failed(_) => None,
        }
    }
}
