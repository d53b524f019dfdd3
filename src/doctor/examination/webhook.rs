//! The webhook, asked exactly as Twilio asks.

use secrecy::ExposeSecret as _;
use url::Url;
use uuid::Uuid;

use super::super::ask::{AS_TWILIO, PATIENCE, Request, ask};
use super::super::facts::{Answer, Asked, Place, Twiml, TwimlFault};
use super::super::lint::lint;
use super::whom::Whom;
use super::{CALLER, Tone, Visit, is_loopback, place, said_of};
use crate::domain::CallSid;
use crate::wire::twilio::signature::sign;
use crate::wire::twilio::twiml::{Verb, read};

/// A call the webhook was asked about.
#[derive(Debug)]
pub(super) struct Rung {
    /// Which.
    pub(super) call: CallSid,
    /// What its stream is to say of itself.
    pub(super) parameters: Vec<(String, String)>,
    /// Whether its end was told, or seen.
    pub(super) is_over: bool,
    /// What was said of it.
    fields: Vec<(String, String)>,
}

impl Visit<'_> {
    /// Asks who answers a call, and reads the TwiML.
    pub(super) async fn ring(&mut self, whom: &Whom) {
        let plan = self.plan;
        let Some(token) = plan.auth_token.as_ref() else {
            let seen = "not asked: set TWILIO_AUTH_TOKEN, to sign as Twilio does";
            return self.note("webhook", Tone::Skipped, seen);
        };
        let Ok(call) = CallSid::parse(&format!("CA{}", Uuid::new_v4().simple())) else { return };
        let to = whom.to.reveal();
        let fields: Vec<_> = [
            ("AccountSid", plan.account.as_str()),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", call.as_str()),
            ("CallStatus", "ringing"),
            ("Called", to),
            ("Caller", CALLER),
            ("Direction", "inbound"),
            ("From", CALLER),
            ("To", to),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let token = token.expose_secret();
        let Some((mut asked, mut xml)) = self.post(&self.facts.webhook.clone(), &fields, token).await else {
            return;
        };
        if let Some(here) = self.other_name_of_here(&asked) {
            let seen = format!("here the server is called {}: asked again by that name", here.host);
            self.note("webhook", Tone::Good, seen);
            self.facts.webhook = here.clone();
            self.facts.stream = self.plan.stream_of(&here);
            match self.post(&here, &fields, token).await {
                Some(again) => (asked, xml) = again,
                None => return,
            }
        }
        self.read_twiml(asked, &xml, Rung { call, parameters: Vec::new(), is_over: false, fields });
    }

    fn read_twiml(&mut self, asked: Asked, xml: &str, rung: Rung) {
        let (faults, stream_url) = match asked.answer() {
            Some(answer) if answer.status == 200 => lint(xml),
            _ => (Vec::new(), None),
        };
        let (tone, mut seen) = said_of(&asked);
        if let Some(fault) = faults.first() {
            seen = format!("{seen}; {fault}");
        } else if let Some(url) = &stream_url {
            seen = format!("{seen}; the stream is to go to {url}");
        }
        let harmless = faults.iter().all(|fault| matches!(fault, TwimlFault::Port(_)));
        self.note("webhook", if harmless { tone } else { Tone::Bad }, seen);
        if let Some(mut url) = stream_url.as_deref().and_then(|url| Url::parse(url).ok()) {
            // As Twilio connects: without the query.
            url.set_query(None);
            url.set_fragment(None);
            self.facts.stream = place(&url);
            self.rung = Some(Rung { parameters: parameters(xml), ..rung });
        }
        self.facts.twiml = Some(Twiml { asked, faults, stream_url });
    }

    /// Tells the server that the caller hung up, as Twilio would, unless it has seen so: nobody is to wait for a test.
    pub(super) async fn hang_up(&mut self) {
        let answer = self.facts.twiml.as_ref().and_then(|twiml| twiml.asked.answer());
        let ours = answer.is_some_and(Answer::is_ours);
        let Some(rung) = self.rung.take_if(|rung| ours && !rung.is_over) else { return };
        let Some(token) = self.plan.auth_token.as_ref() else { return };
        let mut fields = rung.fields;
        fields.retain(|(name, _)| name != "CallStatus");
        fields.push(("CallStatus".to_owned(), "completed".to_owned()));
        fields.push(("CallDuration".to_owned(), "0".to_owned()));
        let mut place = self.beside_voice(self.plan.answers.status);
        if let Ok(mut url) = Url::parse(&place.url) {
            url.set_path(&place.path);
            url.set_query(None);
            place.url = url.into();
        }
        let trust = self.trust.clone();
        let (body, headers) = signed(&place.url, &fields, token.expose_secret());
        let request = Request { method: "POST", target: place.path.clone(), headers, body: &body };
        // Whether it hears it or not, it notices by itself some seconds later.
        let _told = tokio::time::timeout(self.left(), ask(&place, &trust, &request, PATIENCE)).await;
    }

    async fn post(
        &mut self,
        webhook: &Place,
        fields: &[(String, String)],
        token: &str,
    ) -> Option<(Asked, String)> {
        let (body, headers) = signed(&webhook.url, fields, token);
        let query = self.plan.webhook.query().map_or_else(String::new, |query| format!("?{query}"));
        let target = format!("{}{query}", webhook.path);
        let trust = self.trust.clone();
        let request = Request { method: "POST", target, headers, body: &body };
        self.in_time("webhook", ask(webhook, &trust, &request, AS_TWILIO)).await
    }

    /// This machine has three names, and a server on it signs over one: `localhost`, mostly.
    fn other_name_of_here(&self, asked: &Asked) -> Option<Place> {
        let answer = asked.answer().filter(|answer| answer.reason.as_deref() == Some("bad_signature"))?;
        let webhook = &self.facts.webhook;
        let here = |url: &&Url| {
            let place = place(url);
            is_loopback(&webhook.host)
                && is_loopback(&place.host)
                && place.host != webhook.host
                && (place.port, place.secure) == (webhook.port, webhook.secure)
        };
        let checked: Vec<_> = answer.checked.iter().filter_map(|url| Url::parse(url).ok()).collect();
        let other = checked.iter().find(here)?;
        let mut url = self.plan.webhook.clone();
        url.set_host(other.host_str()).ok()?;
        Some(place(&url))
    }
}

/// A form as Twilio sends it, and the headers with it.
fn signed(url: &str, fields: &[(String, String)], token: &str) -> (String, Vec<(&'static str, String)>) {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let headers = vec![
        ("User-Agent", "TwilioProxy/1.1".to_owned()),
        ("Accept", "*/*".to_owned()),
        ("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8".to_owned()),
        ("X-Twilio-Signature", sign(token, url, fields)),
    ];
    (body, headers)
}

/// The `<Parameter>`s of the first stream; none of a document that only its own application could carry.
fn parameters(xml: &str) -> Vec<(String, String)> {
    let document = read(xml).ok();
    let verbs = document.into_iter().flat_map(|document| document.twiml.0);
    let mut streams = verbs.filter_map(|verb| match verb {
        Verb::Connect(connect) => Some(connect.parameters),
        Verb::Say { .. }
        | Verb::Pause { .. }
        | Verb::Dial { .. }
        | Verb::Record(_)
        | Verb::Redirect { .. }
        | Verb::Hangup => None,
    });
    streams.next().unwrap_or_default()
}
