//! Facts as they would be seen, and the row that explains them.

use std::net::{IpAddr, Ipv4Addr};

use super::super::examination::Tone;
use super::super::facts::{
    Address, Alert, Answer, Asked, Call, Failure, Held, Line, NumberSetting, Opened, Place, Setting, Then,
    Tls, TlsFault, TwilioRecords, Twiml, TwimlFault, Variant, Way,
};
use super::*;
use crate::domain::CallSid;
use crate::wire::doctor::{Cause, Echo, Finding, Recent, Seen, UpgradeAttempt};

const WEBHOOK: &str = "https://voice.example.com/twilio-voice";
const STREAM: &str = "wss://voice.example.com/twilio-media";

fn place(url: &str) -> Place {
    crate::doctor::examination::place(&url.parse().unwrap())
}

fn address(connected: Result<u64, Failure>) -> Address {
    Address { ip: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)), public: true, connected }
}

fn ours(status: u16, reason: Option<&str>) -> Answer {
    Answer {
        status,
        hop: Some("0.1.0/i-1/7".to_owned()),
        reason: reason.map(str::to_owned),
        ..Answer::default()
    }
}

fn theirs(status: u16, body: &str) -> Answer {
    Answer { status, server: Some("edge".to_owned()), body: body.to_owned(), ..Answer::default() }
}

fn answered(answer: Answer) -> Asked {
    Asked::Answered(Box::new(answer))
}

fn refused(answer: Answer) -> Handshake {
    Handshake::Refused(Box::new(answer))
}

fn open() -> Handshake {
    Handshake::Opened(Opened { ms: 40, ..Opened::default() })
}

/// A deployment with which nothing is wrong.
fn healthy() -> Facts {
    let tls = Tls { version: "TLSv1_3".to_owned(), alpn: Some("http/1.1".to_owned()), days_left: Some(60) };
    let xml = Answer { content_type: Some("text/xml".to_owned()), ms: 80, ..ours(200, None) };
    Facts {
        webhook: place(WEBHOOK),
        stream: place(STREAM),
        way: Way { addresses: vec![address(Ok(12))], tls: Some(Ok(tls)), ..Way::default() },
        health: Some(answered(ours(200, None))),
        bare: Some(open()),
        signed: true,
        line: Line::Said,
        handshakes: vec![open(); 5],
        twiml: Some(Twiml { asked: answered(xml), faults: vec![], stream_url: Some(STREAM.to_owned()) }),
        call: Some(Call { started: true, first_audio_ms: Some(20), ..Call::default() }),
        ..Facts::default()
    }
}

/// What a server remembers that nobody was at.
fn remembered() -> Recent {
    Recent {
        instance: "i-1".to_owned(),
        since_ms: 0,
        now_ms: 1,
        draining: false,
        sent: vec![],
        upgrades: vec![],
        stream_errors: vec![],
        findings: vec![],
    }
}

/// What is found when one thing is changed about a healthy deployment.
fn row(change: impl FnOnce(&mut Facts)) -> Option<Row> {
    let mut facts = healthy();
    change(&mut facts);
    let verdict = judge(&facts);
    assert_eq!(verdict.fault.is_some(), verdict.level == Level::Fault, "{verdict:?}");
    verdict.fault.map(|fault| fault.row)
}

fn way(change: impl FnOnce(&mut Way)) -> Option<Row> {
    row(|facts| change(&mut facts.way))
}

fn twiml(change: impl FnOnce(&mut Twiml)) -> Option<Row> {
    row(|facts| change(facts.twiml.as_mut().unwrap()))
}

/// The webhook is answered so.
fn webhook(answer: Answer) -> Option<Row> {
    twiml(|twiml| twiml.asked = answered(answer))
}

/// Every handshake ends so.
fn shaken(handshake: Handshake) -> Option<Row> {
    row(|facts| facts.handshakes = vec![handshake; 5])
}

/// Every handshake ends so, and nothing of ours is anywhere.
fn shaken_elsewhere(handshake: Handshake) -> Option<Row> {
    row(|facts| {
        (facts.health, facts.twiml, facts.bare) = (None, None, None);
        facts.handshakes = vec![handshake; 5];
    })
}

#[test]
fn a_healthy_deployment_has_no_fault_and_much_is_proven() {
    let verdict = judge(&healthy());
    assert_eq!((verdict.level, verdict.fault, verdict.warnings), (Level::Healthy, None, vec![]));
    assert_eq!(verdict.proven.len(), 4, "{:?}", verdict.proven);
    assert!(verdict.proven[0].contains("DNS, TLS, edge and port are good"));
}

#[test]
fn rows_a_lie_in_the_twiml() {
    let fault = |fault| twiml(|twiml| twiml.faults = vec![fault]);
    assert_eq!(fault(TwimlFault::Query("callSid".to_owned())), Some(Row::QueryInStreamUrl));
    assert_eq!(fault(TwimlFault::Scheme("https".to_owned())), Some(Row::WrongScheme));
    assert_eq!(fault(TwimlFault::Url("it has a blank".to_owned())), Some(Row::MalformedUrl));
    assert_eq!(fault(TwimlFault::Unreadable("12100".to_owned())), Some(Row::BrokenXml));
    assert_eq!(fault(TwimlFault::OneWay("<Start>".to_owned())), Some(Row::WrongVerb));
    let html = Answer { content_type: Some("text/html".to_owned()), ..ours(200, None) };
    assert_eq!(webhook(html), Some(Row::WrongContentType));
    let slow = Answer { content_type: Some("text/xml".to_owned()), ms: 12_000, ..ours(200, None) };
    assert_eq!(webhook(slow), Some(Row::WebhookSlow));
    assert_eq!(twiml(|twiml| twiml.asked = Asked::Failed(Failure::Silent)), Some(Row::WebhookSlow));
    let moved = Answer { location: Some("https://www.example.com/".to_owned()), ..theirs(301, "") };
    assert_eq!(webhook(moved), Some(Row::WebhookRedirected));
}

#[test]
fn a_stream_that_is_sent_elsewhere_is_row_a6_and_a_port_is_row_a7() {
    let elsewhere = |stream: &str, way: Way| {
        row(|facts| {
            facts.stream = place(stream);
            facts.stream_way = Some(way);
            facts.handshakes = vec![Handshake::Failed(Failure::Refused); 5];
        })
    };
    let nowhere = Way { no_address: Some("not known".to_owned()), ..Way::default() };
    assert_eq!(elsewhere("wss://voice.railway.internal/m", nowhere), Some(Row::WrongHost));
    let here = Way { addresses: vec![Address { public: false, ..address(Ok(1)) }], ..Way::default() };
    assert_eq!(elsewhere("wss://localhost/m", here), Some(Row::WrongHost));
    let silent = Way { addresses: vec![address(Err(Failure::Silent))], ..Way::default() };
    assert_eq!(elsewhere("wss://voice.example.com:8080/m", silent), Some(Row::PortInUrl));
    let expired = Way {
        addresses: vec![address(Ok(1))],
        tls: Some(Err(TlsFault::Expired("has expired".to_owned()))),
        ..Way::default()
    };
    assert_eq!(elsewhere("wss://media.example.com/m", expired), Some(Row::WrongCertificate));
}

#[test]
fn rows_b_lie_in_network_and_tls() {
    assert_eq!(way(|way| way.no_address = Some("not known".to_owned())), Some(Row::NoSuchHost));
    assert_eq!(way(|way| way.addresses[0].public = false), Some(Row::NoSuchHost));
    assert_eq!(way(|way| way.addresses = vec![address(Err(Failure::Refused))]), Some(Row::ConnectionRefused));
    assert_eq!(way(|way| way.addresses = vec![address(Err(Failure::Silent))]), Some(Row::ConnectionSilent));
    assert_eq!(way(|way| way.addresses.push(address(Err(Failure::Silent)))), Some(Row::OneAddressBroken));
    let tls = |fault| way(|way| way.tls = Some(Err(fault)));
    assert_eq!(tls(TlsFault::NotTls("HTTP".to_owned())), Some(Row::NotTls));
    assert_eq!(tls(TlsFault::Silent), Some(Row::ConnectionSilent));
    assert_eq!(tls(TlsFault::Expired("has expired".to_owned())), Some(Row::WrongCertificate));
    assert_eq!(tls(TlsFault::OtherName(vec!["*.up.railway.app".to_owned()])), Some(Row::WrongCertificate));
    assert_eq!(tls(TlsFault::UnknownIssuer("itself".to_owned())), Some(Row::WrongCertificate));
    assert_eq!(tls(TlsFault::MissingIntermediate("R11".to_owned())), Some(Row::MissingIntermediate));
    assert_eq!(tls(TlsFault::NoHttp11), Some(Row::NoHttp11));
}

#[test]
fn who_says_nothing_at_all_is_not_slow_and_who_is_on_the_way_out_is_told_of() {
    let silent = || Asked::Failed(Failure::Silent);
    let webhook_alone = row(|facts| facts.twiml.as_mut().unwrap().asked = silent());
    assert_eq!(webhook_alone, Some(Row::WebhookSlow));
    let all = row(|facts| {
        facts.twiml.as_mut().unwrap().asked = silent();
        facts.health = Some(silent());
    });
    assert_eq!(all, Some(Row::ConnectionSilent));
    let mut facts = healthy();
    facts.recent = Some(Recent { draining: true, ..remembered() });
    let verdict = judge(&facts);
    assert_eq!((verdict.level, verdict.warnings[0].row), (Level::Warning, Row::ComesAndGoes));
}

#[test]
fn rows_c_lie_in_edges_and_proxies() {
    assert_eq!(shaken(refused(ours(400, Some("no_connection_upgrade")))), Some(Row::UpgradeStripped));
    let axum = theirs(400, "Connection header did not include 'upgrade'");
    assert_eq!(shaken_elsewhere(refused(axum)), Some(Row::UpgradeStripped));
    assert_eq!(shaken(refused(ours(426, Some("http_version")))), Some(Row::Http10Upstream));
    assert_eq!(shaken(refused(theirs(308, ""))), Some(Row::StreamRedirected));
    assert_eq!(shaken(refused(theirs(403, "<html>Just a moment"))), Some(Row::Blocked));
    assert_eq!(shaken(refused(theirs(503, "challenge-platform"))), Some(Row::Blocked));
    assert_eq!(
        shaken_elsewhere(refused(theirs(502, "Application failed to respond"))),
        Some(Row::BackendDown)
    );
    assert_eq!(shaken(refused(theirs(404, ""))), Some(Row::OtherService));
    assert_eq!(shaken_elsewhere(refused(theirs(404, "Application not found"))), Some(Row::UnknownDomain));
    let half = row(|facts| facts.handshakes[3] = Handshake::Failed(Failure::Cut));
    assert_eq!(half, Some(Row::ComesAndGoes));
    assert_eq!(shaken(refused(ours(503, Some("capacity")))), Some(Row::Full));
    let tunnel = row(|facts| {
        facts.stream = place("wss://abc.ngrok-free.app/twilio-media");
        facts.handshakes = vec![refused(theirs(404, "ERR_NGROK_3200")); 5];
    });
    assert_eq!(tunnel, Some(Row::TunnelQuirk));
}

#[test]
fn rows_d_lie_in_the_application() {
    assert_eq!(shaken(refused(ours(404, Some("no_such_path")))), Some(Row::WrongPath));
    assert_eq!(shaken(refused(ours(401, None))), Some(Row::NeedsMore));
    let origin = row(|facts| {
        facts.handshakes = vec![refused(theirs(403, "origin")); 5];
        facts.variants = vec![(Variant::WithOrigin, open())];
    });
    assert_eq!(origin, Some(Row::RefusedByProxyRule));
    let query = row(|facts| {
        facts.handshakes = vec![refused(theirs(403, "which business?")); 5];
        facts.variants = vec![(Variant::WithQuery, open())];
    });
    assert_eq!(query, Some(Row::NeedsMore));
    assert_eq!(shaken(refused(ours(403, Some("bad_signature")))), Some(Row::SignedOverAnotherUrl));
    let checked = |url: &str| Answer { checked: vec![url.to_owned()], ..ours(403, Some("bad_signature")) };
    assert_eq!(webhook(checked(WEBHOOK)), Some(Row::WrongToken));
    assert_eq!(webhook(checked("https://internal:8080/twilio-voice")), Some(Row::SignedOverAnotherUrl));
    assert_eq!(shaken(refused(ours(403, Some("unknown_call")))), Some(Row::UnknownCall));
    let late = Handshake::Opened(Opened { ms: 4_000, ..Opened::default() });
    assert_eq!(shaken(late), Some(Row::SlowUpgrade));
    assert_eq!(shaken(Handshake::Failed(Failure::Silent)), Some(Row::SlowUpgrade));
    assert_eq!(shaken(Handshake::Failed(Failure::Cut)), Some(Row::Panics));
    assert_eq!(shaken(refused(ours(500, Some("panic")))), Some(Row::Panics));
    assert_eq!(shaken(refused(theirs(502, ""))), Some(Row::Panics), "the other paths are answered");
    let cut = Handshake::Opened(Opened { then: Then::Cut, ..Opened::default() });
    assert_eq!(shaken(cut), Some(Row::ResetAfterUpgrade));
    let wrong = Handshake::Opened(Opened { faults: vec!["a subprotocol".to_owned()], ..Opened::default() });
    assert_eq!(shaken(wrong), Some(Row::WrongUpgrade));
}

#[test]
fn rows_e_lie_behind_the_handshake() {
    let ended = |then: Then, after_ms, first_audio_ms| {
        row(|facts| {
            let (ended, ended_after_ms) = (Some(then), Some(after_ms));
            facts.call =
                Some(Call { started: true, first_audio_ms, ended, ended_after_ms, ..Call::default() });
        })
    };
    assert_eq!(ended(Then::Closed(1011, "oh".to_owned()), 300, None), Some(Row::ClosedByUs));
    assert_eq!(ended(Then::Closed(1008, "used_token".to_owned()), 300, None), Some(Row::UnknownCall));
    assert_eq!(ended(Then::Cut, 900, Some(20)), Some(Row::CutOff));
    assert_eq!(ended(Then::Cut, 60_000, None), Some(Row::IdleTimeout));
    let lint =
        row(|facts| facts.call.as_mut().unwrap().problems = vec!["31951: a field too many".to_owned()]);
    assert_eq!(lint, Some(Row::BrokenMessages));
}

#[test]
fn what_twilio_remembers_is_a_warning_unless_no_number_comes_here() {
    let number = |url: &str| NumberSetting {
        number: "…67".to_owned(),
        voice_url: url.to_owned(),
        voice_method: "POST".to_owned(),
        elsewhere: false,
        is_called: false,
    };
    let with =
        |numbers| row(|facts| facts.twilio = Some(TwilioRecords { numbers, ..TwilioRecords::default() }));
    let other = || number("https://other.example.com/voice");
    assert_eq!(with(vec![other()]), Some(Row::NumberElsewhere));
    assert_eq!(with(vec![other(), number(&format!("{WEBHOOK}?businessId=b"))]), None);
    let called = NumberSetting { is_called: true, ..other() };
    assert_eq!(with(vec![called, number(WEBHOOK)]), Some(Row::NumberElsewhere), "the one that is called");
    let application = NumberSetting { elsewhere: true, ..other() };
    assert_eq!(with(vec![application]), None, "what a TwiML application says is not looked into");
    assert_eq!(with(vec![number(&WEBHOOK.replace("https", "http"))]), Some(Row::WebhookRedirected));
    let mut facts = healthy();
    let alert = |code| Alert { code, at: "2026-11-20T10:00:00Z".to_owned(), url: STREAM.to_owned() };
    let alerts = vec![alert(31_921), alert(31_921), alert(99_999)];
    facts.twilio = Some(TwilioRecords { alerts, ..TwilioRecords::default() });
    let verdict = judge(&facts);
    assert_eq!((verdict.level, verdict.warnings.len()), (Level::Warning, 1));
    assert_eq!(verdict.warnings[0].row, Row::ClosedByUs);
    let elsewhere = Alert { url: "https://other.example.com/voice".to_owned(), ..alert(31_921) };
    facts.twilio = Some(TwilioRecords { alerts: vec![elsewhere], ..TwilioRecords::default() });
    assert_eq!(judge(&facts).level, Level::Healthy, "another application's");
}

#[test]
fn a_test_request_is_a_warning_and_what_lost_its_headers_is_shown() {
    let mut facts = healthy();
    let call = crate::domain::CallSid::parse("test123").unwrap();
    let finding = Finding { at_ms: 1, call, attempt: 1, cause: Cause::TestRequest, says: String::new() };
    facts.recent = Some(Recent { findings: vec![finding], ..remembered() });
    assert_eq!(judge(&facts).warnings[0].row, Row::TestRequest);
    facts.handshakes = vec![refused(ours(400, Some("no_upgrade_websocket"))); 5];
    facts.echo = Some(Ok(Echo {
        method: "GET".to_owned(),
        version: "HTTP/1.1".to_owned(),
        path: "/doctor/echo".to_owned(),
        query: false,
        headers: vec![],
        headers_left_out: 0,
        peer: None,
        at_ms: 1,
    }));
    let fault = judge(&facts).fault.unwrap();
    assert_eq!((fault.row, fault.evidence.len()), (Row::UpgradeStripped, 2));
}

#[test]
fn what_cannot_be_told_is_not_told() {
    let cannot = |change: &dyn Fn(&mut Facts)| {
        let mut facts = healthy();
        change(&mut facts);
        let verdict = judge(&facts);
        assert_eq!((verdict.level, &verdict.fault), (Level::CannotTell, &None), "{verdict:?}");
        assert_eq!(verdict.unclear.len(), 1, "{verdict:?}");
        verdict.unclear[0].clone()
    };
    let spoken = || vec![TwimlFault::NoStream("no stream; it says “not in service”".to_owned())];
    let unknown = cannot(&|facts| {
        facts.line = Line::Unknown;
        facts.twiml.as_mut().unwrap().faults = spoken();
    });
    assert!(unknown.contains("--to +1") && unknown.contains("not in service"), "{unknown}");
    let known = cannot(&|facts| facts.twiml.as_mut().unwrap().faults = spoken());
    assert!(known.contains("no business owns the line"), "{known}");
    cannot(&|facts| facts.handshakes.clear());
    let unsigned = cannot(&|facts| {
        (facts.signed, facts.twiml, facts.call) = (false, None, None);
        facts.handshakes = vec![refused(ours(403, Some("missing_signature"))); 5];
    });
    assert!(unsigned.contains("was not asked"), "{unsigned}");
    assert_eq!(Level::CannotTell.exit_code(), 3);
}

#[test]
fn another_application_that_opens_no_stream_has_the_wrong_verb() {
    let foreign = twiml(|twiml| {
        let xml = Answer { content_type: Some("text/xml".to_owned()), ..theirs(200, "") };
        *twiml = Twiml {
            asked: answered(xml),
            faults: vec![TwimlFault::NoStream("a <Say>".to_owned())],
            stream_url: None,
        };
    });
    assert_eq!(foreign, Some(Row::WrongVerb));
}

#[test]
fn a_signature_that_was_sent_and_did_not_arrive_was_taken_away() {
    assert_eq!(shaken(refused(ours(403, Some("missing_signature")))), Some(Row::UpgradeStripped));
}

#[test]
fn what_is_odd_and_no_row_is_a_warning() {
    let odd = |change: &dyn Fn(&mut Facts)| {
        let mut facts = healthy();
        change(&mut facts);
        let verdict = judge(&facts);
        assert_eq!((verdict.level, verdict.odd.len()), (Level::Warning, 1), "{verdict:?}");
    };
    odd(&|facts| facts.call.as_mut().unwrap().first_audio_ms = None);
    odd(&|facts| facts.unseen.push("call"));
    odd(&|facts| {
        let says = "is no URL: write one".to_owned();
        facts.settings.push(Setting { name: "PUBLIC_URL", tone: Tone::Bad, says });
    });
}

#[test]
fn this_machine_may_listen_on_one_of_its_addresses() {
    let at = |ip: &str, connected| Address { ip: ip.parse().unwrap(), public: true, connected };
    let here = row(|facts| {
        (facts.webhook, facts.stream) =
            (place("http://localhost:8080/twilio-voice"), place("ws://localhost:8080/twilio-media"));
        let addresses = vec![at("::1", Err(Failure::Refused)), at("127.0.0.1", Ok(1))];
        facts.way = Way { addresses, ..Way::default() };
    });
    assert_eq!(here, None);
}

#[test]
fn what_people_try_by_hand_is_explained() {
    let attempt = |change: &dyn Fn(&mut Seen)| {
        let mut seen = Seen {
            method: "GET".to_owned(),
            version: "HTTP/1.1".to_owned(),
            path: "/twilio-media".to_owned(),
            query: false,
            connection: Some("Upgrade".to_owned()),
            upgrade: Some("websocket".to_owned()),
            sec_websocket_version: Some("13".to_owned()),
            sec_websocket_key: true,
            offers_extension_or_subprotocol: false,
            origin: false,
            signature: false,
            host: None,
            user_agent: Some("curl/8.5.0".to_owned()),
        };
        change(&mut seen);
        let (verdict, why) = ("refused".to_owned(), String::new());
        UpgradeAttempt { at_ms: 1, seen, verdict, why, call: None, attempt: None }
    };
    let explained = |upgrades: Vec<UpgradeAttempt>| {
        let mut facts = healthy();
        facts.recent = Some(Recent { upgrades, ..remembered() });
        let verdict = judge(&facts);
        assert_eq!(verdict.level, Level::Healthy, "{verdict:?}");
        verdict.explained
    };
    assert!(explained(vec![attempt(&|_| {})]).is_empty(), "a whole handshake by hand is nothing to explain");
    let one = |change: &dyn Fn(&mut Seen), word: &str| {
        let said = explained(vec![attempt(change), attempt(change)]);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[1].contains("curl --http1.1"), "{said:?}");
        assert!(said[0].contains(word) && said[0].contains("2 of the last 2"), "{said:?}");
    };
    one(&|seen| seen.method = "HEAD".to_owned(), "405");
    one(&|seen| seen.version = "HTTP/2.0".to_owned(), "HTTP/2 there");
    // What an edge makes of curl's HTTP/2.
    one(&|seen| (seen.connection, seen.upgrade) = (None, None), "HTTP/2 there");
    one(&|seen| seen.query = true, "<Parameter>");
    one(&|seen| seen.origin = true, "browser");
}

/// For each row, facts that show it.
fn shown() -> Vec<(Row, Facts)> {
    let mut shown = Vec::new();
    let mut show = |row, change: &dyn Fn(&mut Facts)| {
        let mut facts = healthy();
        change(&mut facts);
        shown.push((row, facts));
    };
    let said = |fault: TwimlFault| {
        move |facts: &mut Facts| facts.twiml.as_mut().unwrap().faults = vec![fault.clone()]
    };
    let asked = |answer: Answer| {
        move |facts: &mut Facts| facts.twiml.as_mut().unwrap().asked = answered(answer.clone())
    };
    let tls = |fault: TlsFault| move |facts: &mut Facts| facts.way.tls = Some(Err(fault.clone()));
    let shaken =
        |handshake: Handshake| move |facts: &mut Facts| facts.handshakes = vec![handshake.clone(); 5];
    let elsewhere = |stream: &'static str| {
        move |facts: &mut Facts| {
            facts.stream = place(stream);
            let addresses = vec![address(Err(Failure::Silent))];
            facts.stream_way = Some(Way { addresses, ..Way::default() });
        }
    };
    let ended = |then: Then| {
        move |facts: &mut Facts| {
            let (ended, ended_after_ms) = (Some(then.clone()), Some(900));
            facts.call = Some(Call { started: true, ended, ended_after_ms, ..Call::default() });
        }
    };
    let records = |records: TwilioRecords| move |facts: &mut Facts| facts.twilio = Some(records.clone());
    let xml = |ms| Answer { content_type: Some("text/xml".to_owned()), ms, ..ours(200, None) };
    let alert = |code| {
        let alerts = vec![Alert { code, at: "2026-11-20T10:00:00Z".to_owned(), url: STREAM.to_owned() }];
        records(TwilioRecords { alerts, ..TwilioRecords::default() })
    };
    let number = NumberSetting {
        number: "…67".to_owned(),
        voice_url: "https://other.example.com/".to_owned(),
        voice_method: "POST".to_owned(),
        elsewhere: false,
        is_called: true,
    };
    let region = Some("jp1".to_owned());

    show(Row::QueryInStreamUrl, &said(TwimlFault::Query("callSid".to_owned())));
    show(Row::WrongScheme, &said(TwimlFault::Scheme("https".to_owned())));
    show(Row::MalformedUrl, &said(TwimlFault::Url("a blank".to_owned())));
    show(Row::BrokenXml, &said(TwimlFault::Unreadable("an end is missing".to_owned())));
    show(
        Row::WrongContentType,
        &asked(Answer { content_type: Some("text/plain".to_owned()), ..ours(200, None) }),
    );
    show(Row::WrongHost, &elsewhere("wss://voice.railway.internal/m"));
    show(Row::PortInUrl, &elsewhere("wss://voice.example.com:8080/m"));
    show(Row::WrongVerb, &said(TwimlFault::OneWay("<Start>".to_owned())));
    show(Row::NumberElsewhere, &records(TwilioRecords { numbers: vec![number], ..TwilioRecords::default() }));
    show(Row::WebhookRedirected, &asked(theirs(301, "")));
    show(Row::WebhookSlow, &asked(xml(12_000)));
    let call = CallSid::parse("CA1").unwrap();
    show(Row::TestRequest, &records(TwilioRecords { unknown_calls: vec![call], ..TwilioRecords::default() }));
    show(Row::NoSuchHost, &|facts| facts.way.no_address = Some("not known".to_owned()));
    show(Row::ConnectionRefused, &|facts| facts.way.addresses = vec![address(Err(Failure::Refused))]);
    show(Row::ConnectionSilent, &|facts| facts.way.addresses = vec![address(Err(Failure::Silent))]);
    show(Row::NotTls, &tls(TlsFault::NotTls("HTTP".to_owned())));
    show(Row::WrongCertificate, &tls(TlsFault::Expired("has expired".to_owned())));
    show(Row::MissingIntermediate, &tls(TlsFault::MissingIntermediate("R11".to_owned())));
    show(Row::NoHttp11, &tls(TlsFault::NoHttp11));
    show(Row::OneAddressBroken, &|facts| facts.way.addresses.push(address(Err(Failure::Silent))));
    show(Row::UpgradeStripped, &shaken(refused(ours(400, Some("no_connection_upgrade")))));
    show(Row::Http10Upstream, &shaken(refused(ours(426, Some("http_version")))));
    show(Row::StreamRedirected, &shaken(refused(theirs(308, ""))));
    show(Row::Blocked, &shaken(refused(theirs(403, "Just a moment"))));
    show(Row::BackendDown, &|facts| {
        (facts.health, facts.twiml, facts.bare) = (None, None, None);
        facts.handshakes = vec![refused(theirs(502, "")); 5];
    });
    show(Row::OtherService, &shaken(refused(theirs(404, ""))));
    show(Row::UnknownDomain, &shaken(refused(theirs(404, "Application not found"))));
    show(Row::ComesAndGoes, &|facts| facts.handshakes[3] = Handshake::Failed(Failure::Cut));
    show(Row::Full, &shaken(refused(ours(503, Some("capacity")))));
    show(Row::TunnelQuirk, &|facts| {
        facts.stream = place("wss://abc.ngrok-free.app/twilio-media");
        facts.handshakes = vec![refused(theirs(404, "ERR_NGROK_3200")); 5];
    });
    show(Row::WrongPath, &shaken(refused(ours(404, Some("no_such_path")))));
    show(Row::NeedsMore, &shaken(refused(ours(401, None))));
    show(Row::SignedOverAnotherUrl, &shaken(refused(ours(403, Some("bad_signature")))));
    let checked = vec![WEBHOOK.to_owned()];
    show(Row::WrongToken, &asked(Answer { checked, ..ours(403, Some("bad_signature")) }));
    show(Row::RefusedByProxyRule, &|facts| {
        facts.handshakes = vec![refused(theirs(403, "origin")); 5];
        facts.variants = vec![(Variant::WithOrigin, open())];
    });
    show(Row::UnknownCall, &ended(Then::Closed(1008, "unknown_call".to_owned())));
    show(Row::SlowUpgrade, &shaken(Handshake::Opened(Opened { ms: 4_000, ..Opened::default() })));
    show(Row::Panics, &shaken(Handshake::Failed(Failure::Cut)));
    show(Row::ResetAfterUpgrade, &shaken(Handshake::Opened(Opened { then: Then::Cut, ..Opened::default() })));
    let faults = vec!["a subprotocol".to_owned()];
    show(Row::WrongUpgrade, &shaken(Handshake::Opened(Opened { faults, ..Opened::default() })));
    show(Row::ClosedByUs, &ended(Then::Closed(1011, String::new())));
    show(Row::CutOff, &ended(Then::Cut));
    show(Row::BrokenFrames, &|facts| facts.call.as_mut().unwrap().broken = Some("31924: a mask".to_owned()));
    show(Row::BrokenMessages, &|facts| {
        facts.call.as_mut().unwrap().problems = vec!["31951: a field".to_owned()];
    });
    show(Row::TooMuchAudio, &alert(31_931));
    show(Row::IdleTimeout, &|facts| facts.held = Some(Held { ms: 60_000, then: Then::Cut }));
    show(Row::TooLong, &alert(32_015));
    show(Row::WrongRegion, &records(TwilioRecords { region, ..TwilioRecords::default() }));
    shown
}

#[test]
fn every_row_is_named_for_facts_that_show_it_and_alone() {
    let shown = shown();
    let rows: Vec<_> = shown.iter().map(|(row, _)| *row).collect();
    assert_eq!(rows, Row::ALL, "each row once, in its order");
    for (row, facts) in &shown {
        let verdict = judge(facts);
        let named: Vec<_> =
            verdict.fault.iter().chain(&verdict.warnings).map(|suspect| suspect.row).collect();
        assert_eq!(named, [*row], "{verdict:?}");
        // What no probe of ours can show is known from Twilio's memory alone.
        let by_memory = facts.twilio.as_ref().is_some_and(|twilio| !twilio.alerts.is_empty());
        assert_eq!(row.unprovable().is_some(), by_memory, "{row}");
    }
}
