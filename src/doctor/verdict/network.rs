//! Names, addresses and TLS: rows `B`, and the stream's host when it is not the webhook's.

use super::super::facts::{Address, Facts, Failure, Place, TlsFault, Way};
use super::super::row::Row;
use super::Suspect;

/// A certificate that expires sooner is not being renewed: they are renewed 30 days before.
const SOON_DAYS: i64 = 7;

/// Faults on the way to the webhook's host.
pub(super) fn webhook_way(facts: &Facts) -> Option<Suspect> {
    fault(&facts.way, &facts.webhook)
}

/// Faults on the way to the stream's host, when it is another. One that cannot be found or reached is the wrong one, as a
/// rule; one that is there and speaks bad TLS is the right one.
pub(super) fn stream_way(facts: &Facts) -> Option<Suspect> {
    let suspect = fault(facts.stream_way.as_ref()?, &facts.stream)?;
    if !matches!(suspect.row, Row::NoSuchHost | Row::ConnectionRefused | Row::ConnectionSilent) {
        return Some(suspect);
    }
    let (stream, webhook) = (&facts.stream, &facts.webhook);
    let evidence = format!(
        "the TwiML of {}:{} sends the stream to {}:{}",
        webhook.host, webhook.port, stream.host, stream.port
    );
    // The port a platform gives the application inside is none of the world's.
    let row = if stream.host == webhook.host { Row::PortInUrl } else { Row::WrongHost };
    Some(Suspect { row, evidence: [vec![evidence], suspect.evidence].concat() })
}

/// What will become a fault.
pub(super) fn warnings(facts: &Facts) -> Vec<Suspect> {
    let ways = [(Some(&facts.way), &facts.webhook), (facts.stream_way.as_ref(), &facts.stream)];
    let mut warnings = Vec::new();
    for (way, place) in ways {
        let days = way.and_then(|way| way.tls.as_ref()?.as_ref().ok()?.days_left);
        if let Some(days) = days.filter(|days| *days < SOON_DAYS) {
            let host = &place.host;
            warnings.push(Suspect::new(
                Row::WrongCertificate,
                format!("the certificate of {host} expires in {days} days"),
            ));
        }
    }
    warnings
}

fn fault(way: &Way, place: &Place) -> Option<Suspect> {
    let Place { host, port, .. } = place;
    if let Some(why) = &way.no_address {
        return Some(Suspect::new(Row::NoSuchHost, format!("{host} has no address: {why}")));
    }
    let Way { addresses, .. } = way;
    if !addresses.is_empty() && addresses.iter().all(|address| !address.public) {
        let ips: Vec<_> = addresses.iter().map(|address| address.ip.to_string()).collect();
        let evidence = format!("{host} is {}, which Twilio cannot reach", ips.join(", "));
        return Some(Suspect::new(Row::NoSuchHost, evidence));
    }
    unconnected(addresses, host, *port).or_else(|| tls(way, host, *port))
}

fn unconnected(addresses: &[Address], host: &str, port: u16) -> Option<Suspect> {
    let failed: Vec<_> =
        addresses.iter().filter_map(|at| Some((at.ip, at.connected.as_ref().err()?))).collect();
    let (ip, failure) = failed.first()?;
    if host == "localhost" && failed.len() < addresses.len() {
        // Which of its own addresses a machine listens on is nobody's business.
        return None;
    }
    if failed.len() < addresses.len() {
        let evidence = format!("{ip} of {host} {}, others do", said_of(failure));
        return Some(Suspect::new(Row::OneAddressBroken, evidence));
    }
    let refused = failed.iter().any(|(_, failure)| **failure == Failure::Refused);
    let row = if refused { Row::ConnectionRefused } else { Row::ConnectionSilent };
    Some(Suspect::new(row, format!("port {port} of {host} ({ip}) {}", said_of(failure))))
}

fn said_of(failure: &Failure) -> &'static str {
    match failure {
        Failure::Refused => "refuses connections",
        Failure::Silent => "does not answer",
        Failure::Cut | Failure::Tls(_) | Failure::NotHttp(_) | Failure::Other(_) => "cannot be connected to",
    }
}

fn tls(way: &Way, host: &str, port: u16) -> Option<Suspect> {
    let fault = way.tls.as_ref()?.as_ref().err()?;
    let (row, evidence) = match fault {
        TlsFault::NotTls(said) => (Row::NotTls, format!("port {port} of {host} does not speak TLS: {said}")),
        TlsFault::Silent => {
            (Row::ConnectionSilent, format!("port {port} of {host} takes connections, and says nothing"))
        }
        TlsFault::Other(said) => (Row::NotTls, format!("TLS with {host} fails: {said}")),
        TlsFault::Expired(when) => (Row::WrongCertificate, format!("the certificate of {host} {when}")),
        TlsFault::OtherName(names) => {
            (Row::WrongCertificate, format!("the certificate of {host} is for {}", names.join(", ")))
        }
        TlsFault::UnknownIssuer(issuer) => (
            Row::WrongCertificate,
            format!("the certificate of {host} is signed by {issuer}, which nobody knows"),
        ),
        TlsFault::MissingIntermediate(issuer) => (
            Row::MissingIntermediate,
            format!("{host} sends its certificate and not that of its issuer, {issuer}"),
        ),
        TlsFault::NoHttp11 => {
            let h2 = if way.takes_h2 { ", and accepts h2" } else { "" };
            (Row::NoHttp11, format!("{host} refuses http/1.1 in TLS{h2}"))
        }
    };
    Some(Suspect::new(row, evidence))
}
