//! What people try by hand, and what it shows: mostly nothing. Said before somebody concludes something from it.

use super::super::facts::Facts;
use super::super::handshake::TWILIO;
use crate::wire::doctor::Seen;

/// What by hand would be Twilio's handshake.
const BY_HAND: &str = "by hand, Twilio's handshake is `curl --http1.1 -i -N -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H \
                       'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' https://…/twilio-media`; this doctor \
                       signs it too";

/// How something that people do is known, and what it means.
type Habit = (fn(&Seen) -> bool, &'static str);

/// What people do.
const HABITS: [Habit; 4] = [
    (
        |seen| seen.method == "HEAD",
        "somebody tried the media socket with HEAD, as `curl -I` does: that is answered 405, and proves nothing",
    ),
    (
        |seen| is_http2(seen) || (is_curl(seen) && seen.method == "GET" && seen.upgrade.is_none()),
        "somebody tried the media socket without upgrade headers, as curl does over https: it speaks HTTP/2 there, which \
         has none",
    ),
    (
        |seen| seen.query,
        "somebody came to the media socket with a query: Twilio never does, it drops it; values belong into <Parameter>",
    ),
    (
        |seen| seen.origin,
        "somebody came to the media socket with an Origin, which is a browser: Twilio sends none",
    ),
];

/// What there is to say of one attempt by hand. What is signed, or calls itself Twilio, is Twilio or a doctor.
pub(in crate::doctor) fn habits(seen: &Seen) -> impl Iterator<Item = &'static str> {
    let by_hand = !seen.signature && seen.user_agent.as_deref() != Some(TWILIO);
    HABITS.iter().filter(move |(is_it, _)| by_hand && is_it(seen)).map(|(_, says)| *says)
}

/// Explains what the server remembers of them.
pub(super) fn explained(facts: &Facts) -> Vec<String> {
    let attempts = facts.recent.as_ref().map_or(&[][..], |recent| &recent.upgrades);
    let mut explained = Vec::new();
    for (_, says) in HABITS {
        let times = attempts.iter().filter(|attempt| habits(&attempt.seen).any(|it| it == says)).count();
        if times > 0 {
            explained.push(format!("{says} ({times} of the last {} attempts)", attempts.len()));
        }
    }
    if !explained.is_empty() {
        explained.push(BY_HAND.to_owned());
    }
    explained
}

fn is_http2(seen: &Seen) -> bool {
    seen.version.starts_with("HTTP/2")
}

fn is_curl(seen: &Seen) -> bool {
    seen.user_agent.as_deref().is_some_and(|agent| agent.starts_with("curl/"))
}
