//! What a server tells its doctor: what arrived at it, and what became of it.
//!
//! `frontdesk doctor` reads it again, and may be older or newer than the server it asks: fields that it does not know are
//! no fault.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::CallSid;

/// The header that says which of ours answered: `VERSION/INSTANCE/REQUEST`. What has none was made by somebody else.
pub const HOP: &str = "x-frontdesk-hop";

/// A WebSocket handshake as it arrived at the server, after all proxies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The method.
    pub method: String,
    /// `HTTP/1.1`, when all is well.
    pub version: String,
    /// The path, without its query.
    pub path: String,
    /// Whether there was a query. Its words are not kept: old deployments put a caller's number there.
    pub query: bool,
    /// The `Connection` headers, joined.
    pub connection: Option<String>,
    /// The `Upgrade` headers, joined.
    pub upgrade: Option<String>,
    /// `Sec-WebSocket-Version`.
    pub sec_websocket_version: Option<String>,
    /// Whether there was a `Sec-WebSocket-Key`.
    pub sec_websocket_key: bool,
    /// Whether an extension or a subprotocol was offered. Twilio offers neither, and neither is answered.
    pub offers_extension_or_subprotocol: bool,
    /// Whether there was an `Origin`; Twilio sends none.
    pub origin: bool,
    /// Whether there was an `X-Twilio-Signature`.
    pub signature: bool,
    /// The host it was sent to.
    pub host: Option<String>,
    /// `Twilio.TmeWs/1.0`, when it is Twilio.
    pub user_agent: Option<String>,
}

/// A request as it arrived at the server, after all proxies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Echo {
    /// The method.
    pub method: String,
    /// `HTTP/1.1`, say: what the last hop spoke, whatever the first one did.
    pub version: String,
    /// The path, without its query.
    pub path: String,
    /// Whether there was a query.
    pub query: bool,
    /// The headers, in their order.
    pub headers: Vec<EchoedHeader>,
    /// How many more there were.
    pub headers_left_out: usize,
    /// Who connected to the server: the last hop.
    pub peer: Option<String>,
    /// The server's clock, in milliseconds since 1970.
    pub at_ms: i64,
}

/// One header of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EchoedHeader {
    /// Its name, in lower case.
    pub name: String,
    /// Its value, cut when it is long; none when it is a secret.
    pub value: Option<String>,
    /// How many bytes the value has.
    pub bytes: usize,
}

/// What happened lately at one instance; the latest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recent {
    /// Which instance.
    pub instance: String,
    /// Since when it remembers, in milliseconds since 1970.
    pub since_ms: i64,
    /// What time it is there, in milliseconds since 1970.
    pub now_ms: i64,
    /// Whether it is on its way out.
    pub draining: bool,
    /// Callers who were sent to the media socket.
    pub sent: Vec<Sent>,
    /// Who came to the media socket.
    pub upgrades: Vec<UpgradeAttempt>,
    /// What Twilio said of streams that did not work.
    pub stream_errors: Vec<StreamError>,
    /// Callers who never arrived, with the likely cause.
    pub findings: Vec<Finding>,
}

/// TwiML with a stream in it, as it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whose call.
    pub call: CallSid,
    /// Whether this CallSid could be one of Twilio's.
    pub genuine: bool,
    /// Which stream of the call.
    pub attempt: u8,
}

/// Somebody at the media socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeAttempt {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What arrived.
    pub seen: Seen,
    /// `accepted`, or one word for why not.
    pub verdict: String,
    /// The same in a sentence.
    pub why: String,
    /// Whose call it was, when it said so and could prove it.
    pub call: Option<CallSid>,
    /// Which stream of the call.
    pub attempt: Option<u8>,
}

/// Twilio could not use a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamError {
    /// When it told us, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whose call.
    pub call: CallSid,
    /// Twilio's own words.
    pub error: String,
    /// What they most likely mean.
    pub meaning: String,
}

/// A caller was sent to the media socket, and did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// When it was noticed, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whose call.
    pub call: CallSid,
    /// Which stream of the call.
    pub attempt: u8,
    /// Why, most likely.
    pub cause: Cause,
    /// The same in a sentence, with what to do.
    pub says: String,
}

/// Why a caller did not arrive, most likely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// The webhook was asked by hand: nobody executes such an answer.
    TestRequest,
    /// Twilio told us why.
    StreamError,
    /// Somebody came to the media socket meanwhile and was refused.
    UpgradeRefused,
    /// Nobody came.
    NothingArrived,
    /// A word of a later version.
    #[serde(other)]
    Other,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |header: &Option<String>| {
            header.as_deref().map_or_else(|| "none".to_owned(), |it| format!("{it:?}"))
        };
        write!(
            f,
            "{} {} {}, connection {}, upgrade {}, user agent {}, {} query, {}",
            self.method,
            self.path,
            self.version,
            or_none(&self.connection),
            or_none(&self.upgrade),
            or_none(&self.user_agent),
            if self.query { "with a" } else { "no" },
            if self.signature { "signed" } else { "unsigned" },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_later_server_is_no_fault() {
        let finding =
            r#"{"atMs":1,"call":"CA1","attempt":1,"cause":"sunspots","says":"Wait.","mood":"calm"}"#;
        let finding: Finding = serde_json::from_str(finding).unwrap();
        assert_eq!(finding.cause, Cause::Other);
    }
}
