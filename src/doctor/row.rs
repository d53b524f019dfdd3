//! The decision table: why a call does not connect, or does not last, what Twilio shows of it, and how to mend it.
//!
//! Sources: Twilio's pages about its errors 11xxx, 12xxx and 319xx; the documentation of the platforms and proxies; and
//! what each cause does to a handshake when it is provoked, which the acceptance tests repeat.

use std::fmt;

use serde::{Serialize, Serializer};

/// What is known of a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its place in the table, `C1`.
    pub id: &'static str,
    /// What is wrong.
    pub cause: &'static str,
    /// What Twilio's debugger shows.
    pub twilio: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// The version of what `doctor --json` prints.
pub(super) const FORMAT: u32 = 1;

macro_rules! table {
    ($($row:ident $id:literal: $cause:literal; $twilio:literal; $fix:literal)+) => {
        /// One cause. Its letter says where it lies: `A` in the TwiML and its URLs, `B` in network and TLS, `C` in edges
        /// and proxies, `D` in the application, `E` behind a handshake that went well.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Row {
            $(#[doc = concat!("`", $cause, "`")] $row,)+
        }

        impl Row {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$row,)+];

            /// What is known of it.
            pub const fn known(self) -> Known {
                match self {
                    $(Self::$row => Known { id: $id, cause: $cause, twilio: $twilio, fix: $fix },)+
                }
            }
        }
    };
}

table! {
    QueryInStreamUrl "A1": "the Stream URL has a query string, which Twilio drops";
        "31920 if the application needs it; nothing if it does not, and the values are missing";
        "pass values as <Parameter> inside <Stream>, and none in the URL"
    WrongScheme "A2": "the Stream URL is not wss";
        "31922"; "write the Stream URL as wss://…; for this server, set PUBLIC_URL to an https URL"
    MalformedUrl "A3": "a URL in the TwiML cannot be read as one";
        "31923, or 11100"; "look for spaces, two schemes or signs that belong to XML; for this server, mend PUBLIC_URL"
    BrokenXml "A4": "the TwiML is not well-formed, or not TwiML";
        "12100, and the caller hears “an application error has occurred”";
        "escape & as &amp; in URLs and values, and let nothing stand before <?xml"
    WrongContentType "A5": "the webhook's answer is not what Twilio reads as TwiML: type, size or status";
        "12300, 11750 or 12200"; "answer 200 with Content-Type text/xml and less than 64 KB"
    WrongHost "A6": "the Stream URL leads to another host than the webhook's, and that host does not carry it";
        "31904, 31901, 31902 or 31920";
        "set PUBLIC_URL (and STREAM_PUBLIC_URL, if media is served elsewhere) to the name the world uses"
    PortInUrl "A7": "the Stream URL names a port that the world does not reach";
        "31901, 31902 or 31910"; "leave the port out: platforms serve 443, whatever the application listens on"
    WrongVerb "A8": "the TwiML does not open a two-way stream: no <Connect><Stream>, or one with both tracks";
        "the call connects and is one-way, or hangs up; 31941";
        "answer <Connect><Stream>; <Start> only copies audio away"
    NumberElsewhere "A9": "the Twilio number does not call this webhook, or not by POST";
        "11200, or the answers of another application";
        "set the number's voice webhook to this URL, with POST, in the Twilio console"
    WebhookRedirected "A10": "the webhook is configured with a URL that is redirected, and a redirected POST becomes a GET";
        "11200, or a 405"; "configure the https URL itself at Twilio"
    WebhookSlow "A11": "the webhook takes longer than a caller waits";
        "11205 after 15 s"; "do not let the instance sleep, and give it more CPU; look at the store's latency"
    TestRequest "A12": "the webhook was asked by hand: nobody executes such TwiML, and no stream can follow";
        "nothing at all"; "place a real call, or run `frontdesk call`"
    NoSuchHost "B1": "the host has no public address";
        "31904; for the webhook 11210"; "mend the DNS record, or set PUBLIC_URL to a host that has one"
    ConnectionRefused "B2": "nothing listens at the host and port";
        "31902"; "start the service, or point the domain at it"
    ConnectionSilent "B3": "the host does not answer at that port";
        "31901"; "open port 443 for the whole world: Twilio's media comes from any address"
    NotTls "B4": "what answers there does not speak TLS 1.2 or 1.3";
        "31910"; "let the edge or the proxy terminate TLS on port 443"
    WrongCertificate "B5": "the certificate is expired, for another name, or signed by nobody known";
        "31910; for the webhook 11235 to 11237"; "issue a certificate for this very name, and renew it in time"
    MissingIntermediate "B6": "the server leaves out the intermediate certificate: browsers find it, Twilio does not";
        "31910"; "serve the full chain (fullchain.pem)"
    NoHttp11 "B7": "the edge refuses HTTP/1.1, and there is no other way to open a WebSocket from Twilio";
        "31910 or 31920"; "allow http/1.1 in the edge's ALPN, next to h2"
    OneAddressBroken "B8": "one of the host's addresses does not work, others do";
        "comes and goes"; "take the address out of DNS, or report it to the provider with the failing address"
    UpgradeStripped "C1": "a hop takes the Upgrade headers away";
        "31920"; "tell the proxy to pass Upgrade and Connection on; with nginx: proxy_http_version 1.1 and both proxy_set_header lines"
    Http10Upstream "C2": "a proxy speaks HTTP/1.0 to the application";
        "31920"; "set proxy_http_version 1.1"
    StreamRedirected "C3": "the media socket is redirected, and Twilio does not follow";
        "31920"; "put the final URL into PUBLIC_URL; let the edge leave this path alone"
    Blocked "C4": "a firewall, bot check or edge rule turns Twilio away";
        "31920 (403, 429 or 503 of the edge)"; "exempt the webhook and media paths, or switch the protection off"
    BackendDown "C5": "the edge does not reach the application: wrong port, wrong bind, or it is down";
        "31920 (502)"; "let the domain's target port be the one in PORT, and the application listen on all addresses"
    OtherService "C6": "another service or an older deployment answers on this path";
        "31920 (404)"; "let webhook and media paths lead to the same service, or set STREAM_PUBLIC_URL on purpose"
    UnknownDomain "C7": "the edge does not know this domain, or the service is asleep";
        "31920 (404)"; "verify the domain with the provider, and switch sleeping off"
    ComesAndGoes "C8": "it works at times: an instance is starting, draining or broken";
        "31920 or 31903, at times"; "look for restarts; drain before stopping; take the broken instance out"
    Full "C9": "a limit of connections is reached, the edge's or our own";
        "31920 (503)"; "add instances, or raise the edge's limit"
    TunnelQuirk "C10": "the host is a tunnel, and the tunnel answers for it";
        "31920 or 31910"; "start the tunnel again and set PUBLIC_URL to its present name; a warning page of a free tunnel counts too"
    WrongPath "D1": "the application has nothing at this path";
        "31920 (404 or 405); for the webhook 11200";
        "use the path that the application serves, and let no proxy rewrite it unless PUBLIC_URL has the prefix"
    NeedsMore "D2": "the application wants something that Twilio does not send: a query, a cookie, a password";
        "31920 (400, 401 or 403)"; "take what is needed from start.customParameters"
    SignedOverAnotherUrl "D3": "the application checks the signature over another URL than Twilio signs";
        "31920 (403)"; "set PUBLIC_URL (or STREAM_PUBLIC_URL) to exactly what Twilio is given"
    WrongToken "D4": "the application has another auth token than the account that signs";
        "11200 and 31920 (403)"; "set TWILIO_AUTH_TOKEN to the token of the account, or subaccount, that owns the number"
    RefusedByProxyRule "D5": "a check for browsers refuses Twilio: Origin, Host or address";
        "31920 (403 or 429)"; "exempt the media path from checks of Origin and Host, and from limits per address"
    UnknownCall "D6": "the instance that gets the stream does not know the call: state in another's memory, or clocks that differ";
        "31920 or 31921, at about one call in two with two instances";
        "let all instances share STREAM_TOKEN_SECRET and the store, and set their clocks"
    SlowUpgrade "D7": "the handshake is answered late: something is waited for before the 101";
        "31901 or 31920"; "answer the upgrade first, and connect to the model after"
    Panics "D8": "the application breaks while it answers the upgrade";
        "31920 (500 or 502), or 31903"; "read its log at that moment"
    ResetAfterUpgrade "D9": "the 101 is answered and the connection is then cut";
        "31903"; "serve with upgrades; and look whether a proxy buffers or closes upgraded connections"
    WrongUpgrade "D10": "the 101 is not the answer to this handshake: a wrong accept key, an extension or a subprotocol";
        "31920 or 31924"; "negotiate nothing, and let no cache answer"
    ClosedByUs "E1": "the application closed the stream";
        "31921, and the TwiML goes on"; "read why in the log: it says so at that moment"
    CutOff "E2": "the connection was cut: a deploy, a crash, or a proxy that was reloaded";
        "31903"; "set the drain time of the platform, and compare with deploys"
    BrokenFrames "E3": "WebSocket frames arrive broken";
        "31924"; "look for something that compresses or rewrites between Twilio and the application"
    BrokenMessages "E4": "messages to Twilio are not what it takes";
        "31950 or 31951, once"; "send text frames with exactly the documented fields"
    TooMuchAudio "E5": "more audio is sent than Twilio keeps, or it cannot be sent";
        "31931 or 31930"; "pace the audio, and clear it when the caller speaks"
    IdleTimeout "E6": "a proxy closes sockets on which nothing moves";
        "31903"; "raise the proxy's timeout of upgraded connections to the longest call"
    TooLong "E7": "the call reached Twilio's own limit";
        "32015, or 13805 in a trial"; "end calls before four hours; a trial account allows ten minutes"
    WrongRegion "E8": "Media Streams are not served in the account's region";
        "the stream does not open"; "use US1, IE1 or AU1"
}

impl Row {
    /// Why no probe can show it, where none can. What Twilio remembers of it makes a warning all the same.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others can be shown, and a test shows each")]
    pub const fn unprovable(self) -> Option<&'static str> {
        Some(match self {
            Self::TooMuchAudio => {
                "it hangs on what a model says in a long call; Twilio's alerts 31930 and 31931 tell of it"
            }
            Self::TooLong => {
                "nobody holds a call for four hours to see it; Twilio's alerts 32015 and 13805 tell of it"
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Known { id, cause, .. } = self.known();
        write!(f, "{id}: {cause}")
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.known().id)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own_and_stands_at_its_place() {
        let key = |row: &Row| {
            let id = row.known().id;
            (id[..1].to_owned(), id[1..].parse::<u8>().unwrap())
        };
        let keys: Vec<_> = Row::ALL.iter().map(key).collect();
        assert!(keys.is_sorted());
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    }

    #[test]
    fn every_row_is_said_in_a_way_that_can_be_put_into_a_sentence() {
        for known in Row::ALL.iter().map(|row| row.known()) {
            for text in [known.cause, known.twilio, known.fix] {
                assert!(
                    !text.is_empty() && !text.ends_with('.') && text.trim() == text,
                    "{}: {text:?}",
                    known.id
                );
            }
        }
    }
}
