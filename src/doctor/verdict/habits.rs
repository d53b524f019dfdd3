//! What people try by hand, and what it shows: mostly nothing. Said before somebody concludes something from it.

use super::super::facts::Facts;
use crate::wire::doctor::UpgradeAttempt;

/// What by hand would be Twilio's handshake.
const BY_HAND: &str = "by hand it is `curl --http1.1 -i -N -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H \
                       'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' URL`, and this doctor \
                       sends the signature too";

/// Explains what the server remembers of them.
pub(super) fn explained(facts: &Facts) -> Vec<String> {
    let attempts = facts.recent.as_ref().map_or(&[][..], |recent| &recent.upgrades);
    let by = |what: fn(&UpgradeAttempt) -> bool| attempts.iter().filter(|attempt| what(attempt)).count();
    let mut explained = Vec::new();
    let mut explain = |times: usize, says: &str| {
        if times > 0 {
            explained.push(format!("{says} ({times} of the last {} attempts)", attempts.len()));
        }
    };
    explain(
        by(|it| it.seen.method == "HEAD"),
        "somebody tried the media socket with HEAD, as `curl -I` does: that is answered 405, and proves nothing",
    );
    explain(
        by(|it| is_http2(it) || (is_curl(it) && it.seen.method == "GET" && it.seen.upgrade.is_none())),
        &format!(
            "somebody tried the media socket without upgrade headers, as curl does over https: it speaks HTTP/2 there, \
             which has none; {BY_HAND}"
        ),
    );
    explain(
        by(|it| it.seen.query),
        "somebody came to the media socket with a query: Twilio never does, it drops it; values belong into <Parameter>",
    );
    explain(
        by(|it| it.seen.origin),
        "somebody came to the media socket with an Origin, which is a browser: Twilio sends none",
    );
    explained
}

fn is_http2(attempt: &UpgradeAttempt) -> bool {
    attempt.seen.version.starts_with("HTTP/2")
}

fn is_curl(attempt: &UpgradeAttempt) -> bool {
    attempt.seen.user_agent.as_deref().is_some_and(|agent| agent.starts_with("curl/"))
}
