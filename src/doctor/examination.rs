//! The phases of an examination, in the order of a call on its way. What fails does not stop what can still be seen, and
//! all of it together has one patience.

mod memory;
mod settings;
mod sockets;
mod way;
mod webhook;
mod whom;

use std::net::IpAddr;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use tokio::time::timeout;
use url::Url;

use self::webhook::Rung;
use super::facts::{Asked, Facts, Handshake, Opened, Place, Then};
use super::line::Trust;
use super::row::FORMAT;
use super::verdict::{Verdict, judge};
use crate::clients::TwilioRest;
use crate::config;
use crate::domain::{AccountSid, Pii};
use crate::sim::socket::Clock;

pub use self::memory::Memory;

/// A whole examination. Whoever waits for it has a caller in mind and a terminal before them: half a minute, with a little
/// left for a last answer to be written.
const WHOLE: Duration = Duration::from_secs(27);

/// What an examination needs to know.
#[derive(Debug)]
pub struct Examination {
    /// The voice webhook.
    pub webhook: Url,
    /// Which line is called; none, and it is looked up.
    pub to: Option<Pii<String>>,
    /// The account in whose name we sign.
    pub account: AccountSid,
    /// What Twilio signs with; none, and the webhook cannot be asked as Twilio asks.
    pub auth_token: Option<SecretString>,
    /// Opens the doctor's own routes.
    pub admin_token: Option<SecretString>,
    /// Twilio's own records, where we may read them.
    pub rest: Option<TwilioRest>,
    /// Authorities to believe besides the world's, in DER.
    pub roots: Vec<CertificateDer<'static>>,
    /// Where names lead, whatever DNS says: for a deployment that its name does not lead to yet.
    pub names: Vec<(String, IpAddr)>,
    /// Whether a whole call is placed.
    pub call: bool,
    /// How long a socket is held on which nothing moves.
    pub hold: Option<Duration>,
    /// What the settings here say of the deployment.
    pub told: config::Told,
    /// What the server's routes are called.
    pub answers: Answers,
    /// What time it is, in milliseconds since 1970.
    pub now_ms: i64,
}

/// Where a server answers what.
#[derive(Debug, Clone, Copy)]
pub struct Answers {
    /// Whether it lives.
    pub health: &'static str,
    /// What arrived.
    pub echo: &'static str,
    /// A bare socket.
    pub socket: &'static str,
    /// What happened lately.
    pub recent: &'static str,
    /// The media socket, where no TwiML says otherwise.
    pub media: &'static str,
    /// The voice webhook.
    pub voice: &'static str,
    /// What became of a call.
    pub status: &'static str,
    /// The list of businesses.
    pub businesses: &'static str,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What was looked at.
    pub phase: &'static str,
    /// How it looks.
    pub tone: Tone,
    /// What was seen.
    pub seen: String,
    /// When it was done, in milliseconds since the beginning.
    pub at_ms: u64,
}

/// How something looks, before anything is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Tone {
    /// As it should.
    Good,
    /// Not as it should.
    Bad,
    /// It could not be looked at.
    Skipped,
}

/// All that was found out. As JSON, one document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Examined {
    /// The version of this document: another one when a name in it is gone or means something else.
    pub format: u32,
    /// Which program wrote it.
    pub version: &'static str,
    /// What the doctor says.
    pub verdict: Verdict,
    /// What was looked at, in order.
    pub steps: Vec<Step>,
    /// What was seen.
    pub facts: Facts,
}

/// An examination under way.
struct Visit<'a> {
    plan: &'a Examination,
    trust: Trust,
    clock: Clock,
    facts: Facts,
    steps: Vec<Step>,
    tell: &'a mut dyn FnMut(&Step),
    /// The call the webhook was asked about.
    rung: Option<Rung>,
}

impl Examination {
    /// Examines; tells each step as it is done. Fails only when one of the `roots` is no certificate.
    pub async fn run(&self, tell: &mut dyn FnMut(&Step)) -> Result<Examined, rustls::Error> {
        let trust = Trust::new(self.roots.clone())?.knowing(&self.names);
        let webhook = place(&self.webhook);
        let stream = self.stream_of(&webhook);
        let signed = self.auth_token.is_some();
        let facts = Facts { webhook, stream, signed, ..Facts::default() };
        let clock = Clock::start();
        let mut visit = Visit { plan: self, trust, clock, facts, steps: Vec::new(), tell, rung: None };
        visit.go_through().await;
        let Visit { facts, steps, .. } = visit;
        let version = env!("CARGO_PKG_VERSION");
        Ok(Examined { format: FORMAT, version, verdict: judge(&facts), steps, facts })
    }

    /// Where the stream would be, before any TwiML was seen.
    fn stream_of(&self, webhook: &Place) -> Place {
        let path = beside(&webhook.path, self.answers.voice, self.answers.media);
        let scheme = if webhook.secure { "wss" } else { "ws" };
        let url = Url::parse(&format!("{scheme}://{}:{}{path}", webhook.host, webhook.port));
        url.map_or_else(|_| webhook.clone(), |url| place(&url))
    }

    /// What opens the doctor's own routes. None when they would not open: a server without a token of its own answers
    /// this machine alone.
    fn operator(&self, place: &Place) -> Option<Vec<(&'static str, String)>> {
        match &self.admin_token {
            Some(token) => Some(vec![("Authorization", format!("Bearer {}", token.expose_secret()))]),
            None => is_loopback(&place.host).then(Vec::new),
        }
    }
}

impl Visit<'_> {
    async fn go_through(&mut self) {
        self.settings();
        let plan = self.plan;
        // Twilio is asked meanwhile: it is another way, and takes as long.
        let (reached, records) = tokio::join!(self.way(), memory::records(plan));
        if !reached {
            return self.twilio(records).await;
        }
        self.health().await;
        let whom = self.whom(records.as_ref()).await;
        self.ring(&whom).await;
        if self.stream_way().await {
            self.behind_the_token().await;
            self.handshakes().await;
            self.variants().await;
            self.call().await;
            self.hold().await;
            self.recent().await;
        }
        self.twilio(records).await;
        self.hang_up().await;
    }

    fn note(&mut self, phase: &'static str, tone: Tone, seen: impl Into<String>) {
        let at_ms = self.clock.now().as_millis();
        let step = Step { phase, tone, seen: seen.into(), at_ms };
        (self.tell)(&step);
        self.steps.push(step);
    }

    /// What comes of a probe, if there is time for it. What there is no time for is said, and judged as never looked at.
    async fn in_time<T>(&mut self, phase: &'static str, probe: impl Future<Output = T>) -> Option<T> {
        let found = timeout(self.left(), probe).await.ok();
        if found.is_none() {
            let seen = format!("not seen to its end: the examination has had its {} s", WHOLE.as_secs());
            self.note(phase, Tone::Skipped, seen);
            self.facts.unseen.push(phase);
        }
        found
    }

    /// What is left of the patience. What is held because somebody asked for it is not counted.
    fn left(&self) -> Duration {
        let held = self.facts.held.as_ref().map_or(Duration::ZERO, |held| Duration::from_millis(held.ms));
        (WHOLE + held).saturating_sub(self.clock.now().elapsed())
    }

    /// Another path of the server that has the media socket.
    fn beside_media(&self, wanted: &str) -> Place {
        let mut place = self.facts.stream.clone();
        place.path = beside(&place.path, self.plan.answers.media, wanted);
        place
    }

    /// Another path of the server that has the webhook.
    fn beside_voice(&self, wanted: &str) -> Place {
        let mut place = self.facts.webhook.clone();
        place.path = beside(&place.path, self.plan.answers.voice, wanted);
        place
    }
}

/// Who calls, where nobody does: a number of Twilio's for tests.
pub(super) const CALLER: &str = "+15005550006";

/// A URL, taken apart.
pub(super) fn place(url: &Url) -> Place {
    Place {
        url: url.as_str().to_owned(),
        host: url.host_str().unwrap_or_default().to_owned(),
        port: url.port_or_known_default().unwrap_or(443),
        path: url.path().to_owned(),
        secure: matches!(url.scheme(), "https" | "wss"),
    }
}

/// Whether a host is this machine by its very name.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Another path of the same server: the prefix that a proxy put before one of its paths stands before all.
fn beside(path: &str, known: &str, wanted: &str) -> String {
    let prefix = path.trim_end_matches('/').strip_suffix(known).unwrap_or_default();
    format!("{prefix}{wanted}")
}

fn opens(handshake: &Handshake) -> bool {
    matches!(handshake, Handshake::Opened(Opened { faults, then: Then::Open, .. }) if faults.is_empty())
}

fn said_of(asked: &Asked) -> (Tone, String) {
    match asked {
        Asked::Answered(answer) => {
            let who = match (&answer.hop, &answer.server) {
                (Some(hop), _) => format!("frontdesk {hop}"),
                (None, Some(server)) => format!("{server}, not frontdesk,"),
                (None, None) => "somebody, not frontdesk,".to_owned(),
            };
            let why = answer.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
            let tone = if answer.status < 300 { Tone::Good } else { Tone::Bad };
            (tone, format!("{who} answers {}{why} in {} ms", answer.status, answer.ms))
        }
        Asked::Failed(failure) => (Tone::Bad, format!("no answer: {failure}")),
    }
}

fn said_of_socket(handshake: &Handshake) -> (Tone, String) {
    match handshake {
        Handshake::Opened(opened) if opens(handshake) => (Tone::Good, format!("opens in {} ms", opened.ms)),
        Handshake::Opened(opened) if opened.faults.is_empty() => {
            (Tone::Bad, format!("opens in {} ms, and {}", opened.ms, opened.then))
        }
        Handshake::Opened(opened) => (Tone::Bad, format!("opens, but {}", opened.faults.join("; "))),
        Handshake::Refused(answer) => said_of(&Asked::Answered(answer.clone())),
        Handshake::Failed(failure) => (Tone::Bad, format!("no answer: {failure}")),
    }
}

#[cfg(test)]
mod tests;
