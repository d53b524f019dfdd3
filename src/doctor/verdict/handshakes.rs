//! Handshakes that fail: who answered, and what the application had seen of them. Rows `C` and `D`.

use super::super::facts::{Answer, Facts, Failure, Handshake, Opened, Then, Variant};
use super::super::row::Row;
use super::{Suspect, is_open};

/// A handshake that takes longer waits for something else than the network.
const SLOW_MS: u64 = 2_000;

/// Parts of the names of hosts that are tunnels.
const TUNNELS: [&str; 6] =
    [".ngrok.", ".ngrok-free.", "trycloudflare.com", ".loca.lt", ".serveo.net", ".tunnelmole."];

/// Whether a host is a tunnel to somebody's laptop.
pub(super) fn is_tunnel(host: &str) -> bool {
    TUNNELS.iter().any(|part| host.contains(part))
}

/// What is wrong with the handshakes.
pub(super) fn fault(facts: &Facts) -> Option<Suspect> {
    let all = facts.handshakes.len();
    let good = |handshake: &Handshake| is_open(handshake) || is_rightly_refused(facts, handshake);
    let failed: Vec<_> = facts.handshakes.iter().filter(|handshake| !good(handshake)).collect();
    let Some(first) = failed.first() else { return slow(facts) };
    let suspect = one(facts, first);
    if failed.len() == all {
        return Some(suspect);
    }
    let evidence = format!("{} of {all} handshakes failed, the others opened", failed.len());
    // These name what comes and goes better than "it comes and goes".
    let is_known = matches!(suspect.row, Row::UnknownCall | Row::Full | Row::OtherService);
    let row = if is_known { suspect.row } else { Row::ComesAndGoes };
    Some(Suspect { row, evidence: [vec![evidence], suspect.evidence].concat() })
}

/// Whether the application refused what we could not sign, and nothing else was wrong with it.
pub(in crate::doctor) fn is_rightly_refused(facts: &Facts, handshake: &Handshake) -> bool {
    let Handshake::Refused(answer) = handshake else { return false };
    !facts.signed && answer.is_ours() && answer.reason.as_deref() == Some("missing_signature")
}

fn slow(facts: &Facts) -> Option<Suspect> {
    let mut times: Vec<u64> = facts
        .handshakes
        .iter()
        .filter_map(|handshake| match handshake {
            Handshake::Opened(opened) => Some(opened.ms),
            Handshake::Refused(_) | Handshake::Failed(_) => None,
        })
        .collect();
    times.sort_unstable();
    let ms = *times.get(times.len() / 2)?;
    (ms >= SLOW_MS).then(|| {
        let suspect = Suspect::new(Row::SlowUpgrade, format!("the media socket opened after {ms} ms"));
        match &facts.bare {
            Some(Handshake::Opened(bare)) => suspect.and(format!("a bare socket opens after {} ms", bare.ms)),
            _ => suspect,
        }
    })
}

fn one(facts: &Facts, handshake: &Handshake) -> Suspect {
    match handshake {
        Handshake::Opened(opened) => opened_badly(opened),
        Handshake::Refused(answer) => refused(facts, answer),
        Handshake::Failed(failure) => unanswered(facts, failure),
    }
}

fn opened_badly(opened: &Opened) -> Suspect {
    if !opened.faults.is_empty() {
        return Suspect::new(Row::WrongUpgrade, opened.faults.join("; "));
    }
    match &opened.then {
        Then::Closed(code, reason) => {
            Suspect::new(Row::ClosedByUs, format!("it opened, and was closed at once: {code} {reason}"))
        }
        Then::Cut | Then::Open => {
            Suspect::new(Row::ResetAfterUpgrade, "the 101 came, and the connection was cut at once")
        }
    }
}

fn unanswered(facts: &Facts, failure: &Failure) -> Suspect {
    let others_work = facts.bare.as_ref().is_some_and(is_open)
        || facts.health.as_ref().is_some_and(|health| health.answer().is_some());
    match failure {
        Failure::Refused => Suspect::new(Row::ConnectionRefused, "the stream's host refuses connections"),
        Failure::Silent if others_work => {
            Suspect::new(Row::SlowUpgrade, "the upgrade was not answered in time, other requests are")
        }
        Failure::Silent => Suspect::new(Row::ConnectionSilent, "nothing is answered in time"),
        Failure::Cut if others_work => {
            Suspect::new(Row::Panics, "the connection was cut instead of an answer, on this path alone")
        }
        Failure::Cut => Suspect::new(Row::BackendDown, "the connection was cut instead of an answer"),
        Failure::Tls(fault) => Suspect::new(Row::NotTls, format!("TLS fails: {fault}")),
        Failure::NotHttp(said) | Failure::Other(said) => Suspect::new(Row::NotTls, said.clone()),
    }
}

fn refused(facts: &Facts, answer: &Answer) -> Suspect {
    let said = format!("the upgrade was answered {}", answer.status);
    if let Some(stripped) = stripped(facts, answer, &said) {
        return stripped;
    }
    if !answer.is_ours() {
        return by_somebody_else(facts, answer, &said);
    }
    let reason = answer.reason.as_deref().unwrap_or("no reason given");
    let said = format!("{said} by the application: {reason}");
    let hint = answer.hint.clone().unwrap_or_default();
    let webhook_is_good = facts
        .twiml
        .as_ref()
        .and_then(|twiml| twiml.asked.answer())
        .is_some_and(|answer| answer.status == 200);
    let row = match (answer.status, reason) {
        (_, "bad_signature") if webhook_is_good => Row::SignedOverAnotherUrl,
        (_, "bad_signature") => Row::WrongToken,
        (_, "unknown_call" | "expired_token" | "used_token") => Row::UnknownCall,
        (_, "draining") => Row::ComesAndGoes,
        (_, "capacity" | "too_many_connections" | "too_many_calls") => Row::Full,
        (404 | 405, _) => Row::WrongPath,
        (503, _) => Row::Full,
        (500.., _) => Row::Panics,
        _ => Row::NeedsMore,
    };
    let suspect = Suspect::new(row, said).and(hint);
    if answer.checked.is_empty() {
        suspect
    } else {
        suspect.and(format!("it checked {}", answer.checked.join(", ")))
    }
}

/// Whether the application, or what it says, shows that headers were lost on the way.
fn stripped(facts: &Facts, answer: &Answer, said: &str) -> Option<Suspect> {
    let reason = answer.reason.as_deref().unwrap_or_default();
    // What axum, the frameworks of others and ours say when these are missing.
    let body = answer.body.as_str();
    let old = reason == "http_version"
        || (answer.status == 426 && reason.is_empty())
        || body.contains("couldn't be upgraded");
    if old {
        return Some(Suspect::new(Row::Http10Upstream, format!("{said}: what arrived was not HTTP/1.1")));
    }
    let lost = matches!(
        reason,
        "no_connection_upgrade"
            | "no_upgrade_websocket"
            | "websocket_version"
            | "no_websocket_key"
            | "missing_signature"
    ) || body.contains("header did not include");
    if lost {
        let what = if reason.is_empty() { body } else { reason };
        let suspect = Suspect::new(Row::UpgradeStripped, format!("we sent all headers, and {said}: {what}"));
        return Some(match &facts.echo {
            Some(Ok(echo)) => {
                let names: Vec<_> = echo.headers.iter().map(|header| header.name.as_str()).collect();
                suspect.and(format!(
                    "of an upgrade, the application saw {} with {}",
                    echo.version,
                    names.join(", ")
                ))
            }
            _ => suspect,
        });
    }
    None
}

/// An answer that the application did not make, or an application that is not ours.
pub(super) fn by_somebody_else(facts: &Facts, answer: &Answer, said: &str) -> Suspect {
    let who = answer.server.as_deref().map_or_else(String::new, |server| format!(" ({server})"));
    let said = format!("{said}, and not by our application{who}");
    let app_is_there = facts
        .health
        .iter()
        .chain(facts.twiml.as_ref().map(|twiml| &twiml.asked))
        .any(|asked| asked.answer().is_some_and(Answer::is_ours));
    let bare_is_good = facts.bare.as_ref().is_some_and(is_open);
    let with = |variant| facts.variants.iter().any(|(one, handshake)| *one == variant && is_open(handshake));
    let row = match answer.status {
        300..=399 => {
            let to = answer.location.as_deref().unwrap_or("nowhere");
            return Suspect::new(Row::StreamRedirected, format!("{said}: redirected to {to}"));
        }
        _ if with(Variant::WithOrigin) => Row::RefusedByProxyRule,
        _ if with(Variant::WithQuery) => Row::NeedsMore,
        _ if with(Variant::OtherUserAgent) => Row::Blocked,
        _ if is_tunnel(&facts.stream.host) => Row::TunnelQuirk,
        404 if answer.body.contains("Application not found") || !app_is_there => Row::UnknownDomain,
        404 | 405 | 200..300 => Row::OtherService,
        401 => Row::NeedsMore,
        403 | 429 => Row::Blocked,
        503 if is_challenge(answer) => Row::Blocked,
        503 if app_is_there => Row::Full,
        500.. if bare_is_good || app_is_there => Row::Panics,
        500.. => Row::BackendDown,
        _ => Row::NeedsMore,
    };
    let suspect = Suspect::new(row, said);
    if answer.body.is_empty() { suspect } else { suspect.and(format!("it said: {}", answer.body)) }
}

fn is_challenge(answer: &Answer) -> bool {
    answer.edge.iter().any(|sign| sign.starts_with("cf-mitigated")) || answer.body.contains("challenge")
}
