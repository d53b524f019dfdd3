//! From what was observed to one row of the table: the first hop that is at fault explains the others.

mod habits;
mod handshakes;
mod network;
mod streams;
mod webhook;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

pub(super) use self::habits::habits;
pub(super) use self::handshakes::is_rightly_refused;
use super::examination::Tone;
use super::facts::{Facts, Handshake, Then};
use super::row::Row;

/// What the doctor says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// How bad it is.
    pub level: Level,
    /// What is at fault, and how that shows; none when nothing is.
    pub fault: Option<Suspect>,
    /// What does no harm yet.
    pub warnings: Vec<Suspect>,
    /// What is not as it should be, and no row of the table.
    pub odd: Vec<String>,
    /// Why it cannot be told whether a call would connect.
    pub unclear: Vec<String>,
    /// What was seen and means no harm: what it is, and what it is not.
    pub explained: Vec<String>,
    /// What is proven to be good.
    pub proven: Vec<String>,
}

/// How bad it is; also the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// A call would connect.
    Healthy,
    /// It would, and something is not as it should be.
    Warning,
    /// It would not.
    Fault,
    /// Too little could be seen.
    CannotTell,
}

/// A row, and what speaks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// Which.
    pub row: Row,
    /// What was seen.
    pub evidence: Vec<String>,
}

impl Suspect {
    fn new(row: Row, evidence: impl Into<String>) -> Self {
        Self { row, evidence: vec![evidence.into()] }
    }

    fn and(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }
}

impl Serialize for Suspect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let known = self.row.known();
        let mut suspect = serializer.serialize_struct("Suspect", 5)?;
        suspect.serialize_field("row", known.id)?;
        suspect.serialize_field("cause", known.cause)?;
        suspect.serialize_field("evidence", &self.evidence)?;
        suspect.serialize_field("twilio", known.twilio)?;
        suspect.serialize_field("fix", known.fix)?;
        suspect.end()
    }
}

impl Level {
    /// For scripts.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Warning => 1,
            Self::Fault => 2,
            Self::CannotTell => 3,
        }
    }
}

/// Judges. The order is that of a call on its way: what fails first is what is at fault.
pub fn judge(facts: &Facts) -> Verdict {
    let fault = network::webhook_way(facts)
        .or_else(|| webhook::fault(facts))
        .or_else(|| network::stream_way(facts))
        .or_else(|| handshakes::fault(facts))
        .or_else(|| streams::fault(facts))
        .or_else(|| webhook::settings_at_twilio(facts));
    let mut warnings = network::warnings(facts);
    warnings.extend(webhook::warnings(facts));
    warnings.extend(streams::warnings(facts));
    if let Some(fault) = &fault {
        warnings.retain(|warning| warning.row != fault.row);
    }
    let (odd, unclear) = (odd(facts), unclear(facts));
    let level = if fault.is_some() {
        Level::Fault
    } else if !unclear.is_empty() {
        Level::CannotTell
    } else if warnings.is_empty() && odd.is_empty() {
        Level::Healthy
    } else {
        Level::Warning
    };
    Verdict {
        level,
        fault,
        warnings,
        odd,
        unclear,
        explained: habits::explained(facts),
        proven: proven(facts),
    }
}

fn odd(facts: &Facts) -> Vec<String> {
    let bad = facts.settings.iter().filter(|setting| setting.tone == Tone::Bad);
    let mut odd: Vec<String> = bad.map(|setting| format!("{} {}", setting.name, setting.says)).collect();
    if facts.call.as_ref().is_some_and(|call| call.ended.is_none() && call.first_audio_ms.is_none()) {
        odd.push(
            "a call was carried, and nothing was heard in it: the speech model does not answer".to_owned(),
        );
    }
    if !facts.unseen.is_empty() {
        odd.push(format!("it took so long that there was no time for: {}", facts.unseen.join(", ")));
    }
    odd
}

fn unclear(facts: &Facts) -> Vec<String> {
    let mut unclear: Vec<String> = webhook::unclear(facts).into_iter().collect();
    if facts.handshakes.is_empty() {
        unclear.push("the media socket was not looked at".to_owned());
    } else if facts.twiml.is_none() {
        unclear.push("the webhook was not asked, so nobody knows where its TwiML leads".to_owned());
    }
    unclear
}

/// What nobody needs to doubt any more.
fn proven(facts: &Facts) -> Vec<String> {
    let mut proven = Vec::new();
    let answered = facts.twiml.as_ref().and_then(|twiml| twiml.asked.answer());
    let same_host = facts.stream.host == facts.webhook.host && facts.stream.port == facts.webhook.port;
    if answered.is_some_and(|answer| answer.status == 200) && same_host {
        let good =
            if facts.webhook.secure { "DNS, TLS, edge and port are" } else { "the way and the port are" };
        proven.push(format!("webhook and stream share a host, and the webhook was answered: {good} good"));
    }
    if facts.bare.as_ref().is_some_and(is_open) {
        proven.push("a bare socket opens: nothing on the way is against WebSockets".to_owned());
    }
    let open = facts.handshakes.iter().filter(|handshake| is_open(handshake)).count();
    if open > 0 {
        let all = facts.handshakes.len();
        proven.push(format!("{open} of {all} handshakes as Twilio makes them opened the media socket"));
    }
    if facts.handshakes.iter().any(|handshake| is_rightly_refused(facts, handshake)) {
        proven.push(
            "a handshake arrives at the application with all its headers, which refuses it for want of a signature, as it \
             should"
                .to_owned(),
        );
    }
    if let Some(call) = facts.call.as_ref().filter(|call| call.ended.is_none())
        && let Some(ms) = call.first_audio_ms
    {
        proven.push(format!("a whole call was carried; the first audio came after {ms} ms"));
    }
    proven
}

/// Whether a socket opened as it should and stayed.
fn is_open(handshake: &Handshake) -> bool {
    matches!(handshake, Handshake::Opened(opened) if opened.faults.is_empty() && opened.then == Then::Open)
}

#[cfg(test)]
mod tests;
