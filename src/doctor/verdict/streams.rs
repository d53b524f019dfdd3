//! A socket that opened, and a call that did not last: rows `E`; and what Twilio remembers of calls before.

use url::Url;

use super::super::facts::{Alert, Facts, Then};
use super::super::row::Row;
use super::Suspect;

/// A socket that is cut after so long in silence was cut for it: no edge is known with a shorter patience.
const IDLE_MS: u64 = 20_000;

/// What went wrong in the call that was placed.
pub(super) fn fault(facts: &Facts) -> Option<Suspect> {
    let call = facts.call.as_ref()?;
    let after_ms = call.ended_after_ms.unwrap_or_default();
    if let Some(broken) = &call.broken {
        return Some(Suspect::new(Row::BrokenFrames, format!("after {after_ms} ms: {broken}")));
    }
    match &call.ended {
        Some(Then::Closed(code, reason)) => {
            let row = match reason.as_str() {
                "unknown_call" | "used_token" | "expired_token" | "foreign_token" | "bad_token" => {
                    Row::UnknownCall
                }
                "too_many_calls" => Row::Full,
                _ => Row::ClosedByUs,
            };
            Some(Suspect::new(row, format!("the stream was closed after {after_ms} ms: {code} {reason}")))
        }
        Some(Then::Cut) if after_ms >= IDLE_MS && call.first_audio_ms.is_none() => {
            Some(Suspect::new(Row::IdleTimeout, format!("the stream was cut after {after_ms} ms of silence")))
        }
        Some(Then::Cut) => Some(Suspect::new(Row::CutOff, format!("the stream was cut after {after_ms} ms"))),
        Some(Then::Open) | None => {
            let lint = call.problems.first()?;
            Some(Suspect { row: Row::BrokenMessages, evidence: vec![lint.clone()] })
        }
    }
}

/// What Twilio told others of, lately; a socket that was held in silence; an instance that is about to go.
pub(super) fn warnings(facts: &Facts) -> Vec<Suspect> {
    let ours = [&facts.webhook.host, &facts.stream.host];
    let about_us = |alert: &&Alert| {
        let host = Url::parse(&alert.url).ok().and_then(|url| url.host_str().map(str::to_owned));
        host.is_none_or(|host| ours.contains(&&host))
    };
    let alerts = facts.twilio.iter().flat_map(|twilio| &twilio.alerts).filter(about_us);
    let mut warnings: Vec<Suspect> = Vec::new();
    if let Some(held) = facts.held.as_ref().filter(|held| held.then != Then::Open) {
        let evidence = format!("a socket on which nothing moved {} after {} ms", held.then, held.ms);
        warnings.push(Suspect::new(Row::IdleTimeout, evidence));
    }
    if let Some(recent) = facts.recent.as_ref().filter(|recent| recent.draining) {
        let evidence = format!(
            "instance {} answers, and is on its way out: it was told to end, and takes calls until the edge knows",
            recent.instance
        );
        warnings.push(Suspect::new(Row::ComesAndGoes, evidence));
    }
    for alert in alerts {
        let Some(row) = row_of(alert.code) else { continue };
        if warnings.iter().all(|warning| warning.row != row) {
            warnings.push(Suspect::new(
                row,
                format!("Twilio noted {} at {} for {}", alert.code, alert.at, alert.url),
            ));
        }
    }
    warnings
}

/// The row one of Twilio's errors points at by itself.
fn row_of(code: u32) -> Option<Row> {
    Some(match code {
        11_205 => Row::WebhookSlow,
        11_210 => Row::NoSuchHost,
        11_235..=11_237 | 31_910 => Row::WrongCertificate,
        12_100 => Row::BrokenXml,
        12_300 | 12_200 | 11_750 => Row::WrongContentType,
        31_901 => Row::ConnectionSilent,
        31_902 => Row::ConnectionRefused,
        31_903 => Row::CutOff,
        31_904 => Row::WrongHost,
        31_921 => Row::ClosedByUs,
        31_922 => Row::WrongScheme,
        31_923 | 11_100 => Row::MalformedUrl,
        31_924 => Row::BrokenFrames,
        31_930 | 31_931 => Row::TooMuchAudio,
        31_941 => Row::WrongVerb,
        31_950 | 31_951 => Row::BrokenMessages,
        32_015 | 13_805 => Row::TooLong,
        _ => return None,
    })
}
