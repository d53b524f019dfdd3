//! Reads TwiML as a doctor does: it may be anybody's, and whatever is wrong with it is named, however much of it is right.

use url::{Host, Url};

use super::facts::TwimlFault;
use crate::wire::twilio::twiml::{TwimlError, read};

/// What is wrong with a document, the worst first, and the Stream URL in it.
pub(super) fn lint(xml: &str) -> (Vec<TwimlFault>, Option<String>) {
    let url = stream_url(xml);
    let mut faults = Vec::new();
    if let Err(error) = read(xml) {
        match error {
            TwimlError::TooLong(_) | TwimlError::Start | TwimlError::Xml(_) | TwimlError::Root(_) => {
                faults.push(TwimlFault::Unreadable(error.to_string()));
            }
            // Verbs that we do not use are not wrong, and what is wrong about the URL is looked at below.
            TwimlError::Element { .. }
            | TwimlError::Attribute { .. }
            | TwimlError::Value { .. }
            | TwimlError::Missing { .. }
            | TwimlError::Text(_)
            | TwimlError::Url(_)
            | TwimlError::Parameter(_)
            | TwimlError::Number(_) => {}
        }
    }
    if faults.is_empty() {
        faults.extend(verbs(xml));
    }
    faults.extend(url.as_deref().into_iter().flat_map(of_url));
    (faults, url)
}

/// What there is in place of a two-way stream.
fn verbs(xml: &str) -> Option<TwimlFault> {
    if xml.contains("<Start") && xml.contains("<Stream") && !xml.contains("<Connect") {
        return Some(TwimlFault::OneWay(
            "<Start><Stream>, which copies audio away and plays none".to_owned(),
        ));
    }
    if xml.contains("both_tracks") && xml.contains("<Connect") {
        return Some(TwimlFault::OneWay("a <Connect><Stream> of both tracks (31941)".to_owned()));
    }
    if xml.contains("<Connect") && xml.contains("<Stream") {
        return None;
    }
    let said =
        between(xml, "<Say", "</Say>").and_then(|said| Some(said.split_once('>')?.1.trim().to_owned()));
    let what = match said {
        Some(said) => format!("no <Connect><Stream>; it says “{said}”"),
        None => "no <Connect><Stream>".to_owned(),
    };
    Some(TwimlFault::NoStream(what))
}

fn of_url(text: &str) -> Vec<TwimlFault> {
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return vec![TwimlFault::Url(error.to_string())],
    };
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    let mut faults = Vec::new();
    if text.contains(char::is_whitespace) || text.matches("://").count() > 1 {
        faults.push(TwimlFault::Url("it has a blank, or two schemes".to_owned()));
    }
    if url.scheme() != "wss" && !(url.scheme() == "ws" && loopback) {
        faults.push(TwimlFault::Scheme(url.scheme().to_owned()));
    }
    if let Some((name, _)) = url.query_pairs().next() {
        faults.push(TwimlFault::Query(name.into_owned()));
    } else if url.query().is_some() {
        faults.push(TwimlFault::Query(String::new()));
    }
    if let Some(port) = url.port().filter(|port| *port != 443 && !loopback) {
        faults.push(TwimlFault::Port(port));
    }
    faults
}

/// The URL of the first `<Stream>`, also of one in a document that cannot be read.
fn stream_url(xml: &str) -> Option<String> {
    let (_, stream) = xml.split_once("<Stream")?;
    let stream = stream.split_once('>').map_or(stream, |(tag, _)| tag);
    let value = stream.split_once("url=\"").or_else(|| stream.split_once("url='"))?.1;
    let value = value.split(['"', '\'']).next()?;
    Some(value.replace("&amp;", "&"))
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    text.split_once(from)?.1.split_once(to).map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(stream: &str) -> Vec<TwimlFault> {
        lint(&format!("<Response><Connect><Stream url=\"{stream}\"/></Connect></Response>")).0
    }

    #[test]
    fn a_stream_url_is_looked_at_as_twilio_looks_at_it() {
        assert_eq!(of("wss://voice.example.com/twilio-media"), []);
        assert_eq!(of("ws://127.0.0.1:8080/twilio-media"), [], "the simulator's");
        let query = of("wss://voice.example.com/twilio-media?callSid=CA1&amp;to=1");
        assert_eq!(query, [TwimlFault::Query("callSid".to_owned())]);
        assert_eq!(of("https://voice.example.com/m"), [TwimlFault::Scheme("https".to_owned())]);
        assert_eq!(of("ws://voice.example.com/m"), [TwimlFault::Scheme("ws".to_owned())]);
        assert_eq!(of("wss://voice.example.com:8080/m"), [TwimlFault::Port(8080)]);
        assert!(matches!(of("wss://https://voice.example.com")[..], [TwimlFault::Url(_), ..]));
        assert!(matches!(of("/twilio-media")[..], [TwimlFault::Url(_)]));
    }

    #[test]
    fn what_is_no_two_way_stream_is_named() {
        let fault = |xml: &str| lint(&format!("<Response>{xml}</Response>")).0.remove(0);
        let TwimlFault::NoStream(said) = fault("<Say>Sorry.</Say><Hangup/>") else { panic!() };
        assert!(said.contains("“Sorry.”"), "{said}");
        let start = "<Start><Stream url=\"wss://voice.example.com/m\"/></Start><Pause length=\"60\"/>";
        assert!(matches!(fault(start), TwimlFault::OneWay(what) if what.starts_with("<Start>")));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_the_url_it_has() {
        let (faults, url) =
            lint("<Response><Connect><Stream url=\"wss://h/m?a=1&b=2\"></Connect></Response>");
        assert!(matches!(faults[0], TwimlFault::Unreadable(_)), "{faults:?}");
        assert_eq!(url.as_deref(), Some("wss://h/m?a=1&b=2"));
        assert!(matches!(lint("<!DOCTYPE html><html></html>").0[0], TwimlFault::Unreadable(_)));
    }

    #[test]
    fn verbs_of_others_are_not_wrong() {
        let xml =
            "<Response><Play>https://h/a.mp3</Play><Connect><Stream url=\"wss://h/m\"/></Connect></Response>";
        assert_eq!(lint(xml).0, []);
    }
}
