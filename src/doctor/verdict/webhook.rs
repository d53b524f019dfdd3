//! The webhook and its TwiML: rows `A`, and what shows there first of the others.

use super::super::facts::{Answer, Asked, Facts, Failure, Line, Twiml, TwimlFault};
use super::super::row::Row;
use super::super::twilio::bare;
use super::Suspect;
use super::handshakes::{by_somebody_else, is_tunnel};
use crate::wire::doctor::Cause;

/// A caller hears nothing meanwhile; Twilio gives up at 15 s.
const TOO_SLOW_MS: u64 = 10_000;

/// Slower than this, something is waited for that should not be.
const SLOW_MS: u64 = 3_000;

/// What is wrong with the webhook's answer.
pub(super) fn fault(facts: &Facts) -> Option<Suspect> {
    let twiml = facts.twiml.as_ref()?;
    let answer = match &twiml.asked {
        Asked::Answered(answer) => answer,
        Asked::Failed(failure) => return Some(unanswered(facts, failure)),
    };
    refused(facts, answer).or_else(|| slow(answer)).or_else(|| document(facts, answer, twiml))
}

fn unanswered(facts: &Facts, failure: &Failure) -> Suspect {
    let url = &facts.webhook.url;
    match failure {
        Failure::Silent if facts.health == Some(Asked::Failed(Failure::Silent)) => Suspect::new(
            Row::ConnectionSilent,
            format!("{url} did not answer within Twilio's 15 s, and nothing else is answered there either"),
        ),
        Failure::Silent => {
            Suspect::new(Row::WebhookSlow, format!("{url} did not answer within Twilio's 15 s"))
        }
        Failure::Refused => Suspect::new(Row::ConnectionRefused, format!("{url} refuses connections")),
        Failure::Cut => {
            // Where other paths are answered, it is this one that breaks.
            let alive = facts.health.as_ref().is_some_and(|health| health.answer().is_some());
            let row = if alive { Row::Panics } else { Row::BackendDown };
            Suspect::new(row, format!("{url} cut the connection without an answer"))
        }
        Failure::Tls(fault) => Suspect::new(Row::NotTls, format!("{url}: TLS fails: {fault}")),
        Failure::NotHttp(said) | Failure::Other(said) => Suspect::new(Row::NotTls, format!("{url}: {said}")),
    }
}

/// An answer that is no TwiML at all.
fn refused(facts: &Facts, answer: &Answer) -> Option<Suspect> {
    let Answer { status, reason, hint, .. } = answer;
    let said = format!("POST {} was answered {status}", facts.webhook.url);
    if (300..400).contains(status) {
        let to = answer.location.as_deref().unwrap_or("nowhere");
        return Some(Suspect::new(Row::WebhookRedirected, format!("{said}, redirected to {to}")));
    }
    if *status == 200 && is_tunnel(&facts.webhook.host) && answer.body.contains("<html") {
        return Some(Suspect::new(Row::TunnelQuirk, format!("{said} with a page of the tunnel")));
    }
    if *status < 400 {
        return None;
    }
    if !answer.is_ours() {
        return Some(by_somebody_else(facts, answer, &said));
    }
    let hint = hint.clone().unwrap_or_default();
    Some(match (status, reason.as_deref()) {
        (_, Some("bad_signature")) if answer.checked.contains(&facts.webhook.url) => Suspect::new(
            Row::WrongToken,
            format!("{said}: it checked this very URL, so its auth token is another"),
        ),
        (_, Some("bad_signature")) => {
            let checked = answer.checked.join(", ");
            Suspect::new(Row::SignedOverAnotherUrl, format!("{said}: it checked {checked}")).and(hint)
        }
        (404 | 405, _) => Suspect::new(Row::WrongPath, said).and(hint),
        (500.., Some("capacity" | "too_many_connections")) => Suspect::new(Row::Full, said).and(hint),
        (500.., _) => Suspect::new(Row::Panics, said).and(hint),
        _ => Suspect::new(Row::NeedsMore, format!("{said} ({})", reason.as_deref().unwrap_or("no reason")))
            .and(hint),
    })
}

fn slow(answer: &Answer) -> Option<Suspect> {
    let ms = answer.ms;
    (ms > TOO_SLOW_MS).then(|| Suspect::new(Row::WebhookSlow, format!("the webhook took {ms} ms")))
}

fn document(facts: &Facts, answer: &Answer, twiml: &Twiml) -> Option<Suspect> {
    let content_type = answer.content_type.as_deref().unwrap_or("none");
    let is_xml = content_type.contains("xml");
    let fault = twiml.faults.first();
    if !is_xml && (fault.is_none() || matches!(fault, Some(TwimlFault::Unreadable(_)))) {
        let evidence = format!("the webhook's answer has the type {content_type}");
        return Some(Suspect::new(Row::WrongContentType, evidence));
    }
    let url = twiml.stream_url.as_deref().unwrap_or_default();
    Some(match fault? {
        TwimlFault::Unreadable(why) => {
            Suspect::new(Row::BrokenXml, format!("the TwiML cannot be read: {why}"))
        }
        TwimlFault::OneWay(what) => Suspect::new(Row::WrongVerb, format!("the TwiML has {what}")),
        // Whoever knows what a stream is had a reason to open none.
        TwimlFault::NoStream(_) if answer.is_ours() || facts.line == Line::Unknown => return None,
        TwimlFault::NoStream(what) => Suspect::new(Row::WrongVerb, format!("the TwiML has {what}")),
        TwimlFault::Url(why) => {
            Suspect::new(Row::MalformedUrl, format!("the Stream URL {url:?} is none: {why}"))
        }
        TwimlFault::Scheme(scheme) => {
            Suspect::new(Row::WrongScheme, format!("the Stream URL begins with {scheme}:"))
        }
        TwimlFault::Query(name) => Suspect::new(
            Row::QueryInStreamUrl,
            format!("the Stream URL has a query (“{name}=…”); Twilio connects without it"),
        ),
        // Whether the world reaches that port is found by trying.
        TwimlFault::Port(_) => return None,
    })
}

/// What nobody could tell from this: a server that answers, and chose to open no stream.
pub(super) fn unclear(facts: &Facts) -> Option<String> {
    let twiml = facts.twiml.as_ref()?;
    let TwimlFault::NoStream(what) = twiml.faults.first()? else { return None };
    Some(match facts.line {
        Line::Unknown => format!(
            "the TwiML has {what}: no line was known that a business owns; pass --to +1…, and see `frontdesk business list`"
        ),
        Line::ByUrl => format!(
            "the TwiML has {what}: the webhook's businessId is none the server knows, or its plan allows no call just \
             now; the server's log says which"
        ),
        Line::Said | Line::AtTwilio | Line::AtServer => format!(
            "the TwiML has {what}: no business owns the line that was called, or its plan allows no call just now; the \
             server's log says which"
        ),
    })
}

/// Streams of the phone network exist in these regions alone.
const REGIONS: [&str; 3] = ["us1", "ie1", "au1"];

/// Whether calls to the account's numbers come to this webhook at all, and from where streams are served.
pub(super) fn settings_at_twilio(facts: &Facts) -> Option<Suspect> {
    let twilio = facts.twilio.as_ref()?;
    if let Some(region) = twilio.region.as_ref().filter(|region| !REGIONS.contains(&region.as_str())) {
        let evidence = format!("Twilio processes calls to this line in {region}");
        return Some(Suspect::new(Row::WrongRegion, evidence));
    }
    let ours = bare(&facts.webhook.url);
    let numbers = match twilio.numbers.iter().find(|number| number.is_called) {
        Some(number) => std::slice::from_ref(number),
        None => twilio.numbers.as_slice(),
    };
    // An application or a trunk may well lead here.
    if numbers.is_empty() || numbers.iter().any(|it| it.elsewhere || bare(&it.voice_url) == ours) {
        return None;
    }
    let insecure = ours.replacen("https://", "http://", 1);
    if let Some(number) = numbers.iter().find(|number| bare(&number.voice_url) == insecure) {
        let evidence = format!("{} calls {}, and the webhook is {ours}", number.number, number.voice_url);
        return Some(Suspect::new(Row::WebhookRedirected, evidence));
    }
    let mut suspect = match numbers {
        [number] => Suspect::new(Row::NumberElsewhere, format!("{} does not call {ours}", number.number)),
        _ => Suspect::new(Row::NumberElsewhere, format!("no number of the account calls {ours}")),
    };
    for number in numbers.iter().take(3) {
        let url = if number.voice_url.is_empty() { "nothing" } else { &number.voice_url };
        suspect = suspect.and(format!("{} calls {url}", number.number));
    }
    Some(suspect)
}

/// What does no harm yet.
pub(super) fn warnings(facts: &Facts) -> Vec<Suspect> {
    let mut warnings = Vec::new();
    let ms = facts.twiml.as_ref().and_then(|twiml| twiml.asked.answer()).map_or(0, |answer| answer.ms);
    if ms > SLOW_MS {
        warnings.push(Suspect::new(Row::WebhookSlow, format!("the webhook took {ms} ms")));
    }
    let findings = facts.recent.iter().flat_map(|recent| &recent.findings);
    let tests = findings.filter(|finding| finding.cause == Cause::TestRequest).count();
    if tests > 0 {
        let evidence =
            format!("{tests} of the last requests to the webhook had a CallSid that is none of Twilio's");
        warnings.push(Suspect::new(Row::TestRequest, evidence));
    }
    let unknown = facts.twilio.iter().flat_map(|twilio| &twilio.unknown_calls).count();
    if unknown > 0 {
        let evidence = format!(
            "Twilio knows nothing of {unknown} calls that were sent to the media socket and did not come"
        );
        warnings.push(Suspect::new(Row::TestRequest, evidence));
    }
    warnings
}
