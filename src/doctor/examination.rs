//! The phases of an examination, in the order of a call on its way. What fails does not stop what can still be seen.

use std::time::Duration;

use rustls::pki_types::CertificateDer;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use url::Url;
use uuid::Uuid;

use super::ask::{Request, ask};
use super::call::place_call;
use super::facts::{Asked, Facts, Handshake, Opened, Place, Then, Twiml, TwimlFault, Variant, Way};
use super::handshake::{LOOKED_AT, TWILIO, as_twilio, shake};
use super::line::{Trust, look};
use super::lint::lint;
use super::twilio;
use super::verdict::{Verdict, judge};
use crate::clients::TwilioRest;
use crate::domain::{AccountSid, CallSid};
use crate::sim::socket::Clock;
use crate::wire::doctor::{Echo, Recent};
use crate::wire::twilio::signature::sign;

/// Enough to see what comes and goes with two instances: all five meet the good one by chance once in 32 times.
const HANDSHAKES: usize = 5;

/// What calls itself so is let in by checks that keep programs out.
const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";

/// What an examination needs to know.
#[derive(Debug)]
pub struct Examination {
    /// The voice webhook.
    pub webhook: Url,
    /// Which line is called.
    pub to: String,
    /// The account in whose name we sign.
    pub account: AccountSid,
    /// What Twilio signs with; none, and the webhook cannot be asked as Twilio asks.
    pub auth_token: Option<SecretString>,
    /// Opens the doctor's own routes.
    pub admin_token: Option<SecretString>,
    /// Twilio's own records, where we may read them.
    pub rest: Option<TwilioRest>,
    /// Authorities to believe besides the world's, in DER.
    pub roots: Vec<CertificateDer<'static>>,
    /// Whether a whole call is placed.
    pub call: bool,
    /// What the server's routes and its mark are called.
    pub answers: Answers,
    /// What time it is, in milliseconds since 1970.
    pub now_ms: i64,
}

/// Where a server answers what.
#[derive(Debug, Clone, Copy)]
pub struct Answers {
    /// Whether it lives.
    pub health: &'static str,
    /// What arrived.
    pub echo: &'static str,
    /// A bare socket.
    pub socket: &'static str,
    /// What happened lately.
    pub recent: &'static str,
    /// The media socket, where no TwiML says otherwise.
    pub media: &'static str,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What was looked at.
    pub phase: &'static str,
    /// How it looks.
    pub tone: Tone,
    /// What was seen.
    pub seen: String,
    /// When it was done, in milliseconds since the beginning.
    pub at_ms: u64,
}

/// How something looks, before anything is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Tone {
    /// As it should.
    Good,
    /// Not as it should.
    Bad,
    /// It could not be looked at.
    Skipped,
}

/// All that was found out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Examined {
    /// What the doctor says.
    pub verdict: Verdict,
    /// What was looked at, in order.
    pub steps: Vec<Step>,
    /// What was seen.
    pub facts: Facts,
}

/// An examination under way.
struct Visit<'a> {
    plan: &'a Examination,
    trust: Trust,
    clock: Clock,
    facts: Facts,
    steps: Vec<Step>,
    tell: &'a mut dyn FnMut(&Step),
}

impl Examination {
    /// Examines; tells each step as it is done. Fails only when one of the `roots` is no certificate.
    pub async fn run(&self, tell: &mut dyn FnMut(&Step)) -> Result<Examined, rustls::Error> {
        let trust = Trust::new(self.roots.clone())?;
        let webhook = place(&self.webhook);
        let stream = self.stream_of(&webhook);
        let facts = Facts { webhook, stream, ..Facts::default() };
        let mut visit = Visit { plan: self, trust, clock: Clock::start(), facts, steps: Vec::new(), tell };
        visit.go_through().await;
        let Visit { facts, steps, .. } = visit;
        Ok(Examined { verdict: judge(&facts), steps, facts })
    }

    /// What the server remembers of the last minutes; none when it does not say. Fails only when one of the `roots` is no
    /// certificate.
    pub async fn recent(&self) -> Result<Option<Recent>, rustls::Error> {
        let trust = Trust::new(self.roots.clone())?;
        let stream = self.stream_of(&place(&self.webhook));
        Ok(self.ask_recent(&stream, &trust).await)
    }

    async fn ask_recent(&self, stream: &Place, trust: &Trust) -> Option<Recent> {
        let bearer = format!("Bearer {}", self.admin_token.as_ref()?.expose_secret());
        let mut place = stream.clone();
        place.path = beside(&place.path, self.answers.media, self.answers.recent);
        let headers = vec![("Authorization", bearer)];
        let request = Request { method: "GET", target: place.path.clone(), headers, body: "" };
        let (_, body) = ask(&place, trust, &request).await;
        serde_json::from_str(&body).ok()
    }

    /// Where the stream would be, before any TwiML was seen.
    fn stream_of(&self, webhook: &Place) -> Place {
        let prefix = webhook.path.rsplit_once('/').map_or("", |(prefix, _)| prefix);
        let path = format!("{prefix}{}", self.answers.media);
        let scheme = if webhook.secure { "wss" } else { "ws" };
        let url = Url::parse(&format!("{scheme}://{}:{}{path}", webhook.host, webhook.port));
        url.map_or_else(|_| webhook.clone(), |url| place(&url))
    }
}

impl Visit<'_> {
    async fn go_through(&mut self) {
        self.way().await;
        if self.facts.way.no_address.is_some()
            || self.facts.way.addresses.iter().all(|at| at.connected.is_err())
        {
            return;
        }
        self.health().await;
        let call = CallSid::parse(&format!("CA{}", Uuid::new_v4().simple())).ok();
        if let (Some(call), Some(token)) = (&call, &self.plan.auth_token) {
            self.twiml(call, token.expose_secret()).await;
        } else {
            self.note("webhook", Tone::Skipped, "not asked: set TWILIO_AUTH_TOKEN to sign as Twilio does");
        }
        self.stream_way().await;
        self.behind_the_token().await;
        self.handshakes().await;
        self.variants().await;
        let open = self.facts.handshakes.iter().any(opens);
        if let (Some(call), Some(token), true, true) = (call, &self.plan.auth_token, self.plan.call, open) {
            let placed = place_call(self.plan, call, token.expose_secret()).await;
            let (tone, seen) = match (&placed.ended, placed.first_audio_ms) {
                (Some(ended), _) => (Tone::Bad, format!("the stream did not last: {ended:?}")),
                (None, Some(ms)) => (Tone::Good, format!("the first audio came {ms} ms after start")),
                (None, None) => (Tone::Bad, "the stream opened, and nothing was heard".to_owned()),
            };
            self.note("call", tone, &seen);
            self.facts.call = Some(placed);
        }
        self.recent().await;
        self.twilio().await;
    }

    fn note(&mut self, phase: &'static str, tone: Tone, seen: &str) {
        let at_ms = millis(self.clock.now().elapsed());
        let step = Step { phase, tone, seen: seen.to_owned(), at_ms };
        (self.tell)(&step);
        self.steps.push(step);
    }

    async fn way(&mut self) {
        let webhook = self.facts.webhook.clone();
        self.facts.way = look(&webhook, &self.trust, self.plan.now_ms).await;
        let way = self.facts.way.clone();
        self.note_way(&webhook.host, &way);
    }

    /// The way to the stream, when it is another than the webhook's.
    async fn stream_way(&mut self) {
        let (stream, webhook) = (self.facts.stream.clone(), &self.facts.webhook);
        if stream.host == webhook.host && stream.port == webhook.port {
            return;
        }
        let way = look(&stream, &self.trust, self.plan.now_ms).await;
        self.note_way(&stream.host, &way);
        self.facts.stream_way = Some(way);
    }

    fn note_way(&mut self, host: &str, way: &Way) {
        if let Some(why) = &way.no_address {
            return self.note("names", Tone::Bad, &format!("{host}: {why}"));
        }
        let ips: Vec<_> = way.addresses.iter().map(|at| at.ip.to_string()).collect();
        self.note("names", Tone::Good, &format!("{host} is {}", ips.join(", ")));
        for at in &way.addresses {
            match &at.connected {
                Ok(ms) => self.note("connection", Tone::Good, &format!("{} in {ms} ms", at.ip)),
                Err(failure) => self.note("connection", Tone::Bad, &format!("{}: {failure:?}", at.ip)),
            }
        }
        match &way.tls {
            Some(Ok(tls)) => {
                let days = tls
                    .days_left
                    .map_or_else(String::new, |days| format!(", certificate good for {days} days"));
                let h2 = if way.takes_h2 { "; h2 is there too, which Twilio does not use" } else { "" };
                self.note("TLS", Tone::Good, &format!("{}{days}{h2}", tls.version));
            }
            Some(Err(fault)) => self.note("TLS", Tone::Bad, &format!("{fault:?}")),
            None => {}
        }
    }

    async fn health(&mut self) {
        let mut place = self.facts.stream.clone();
        place.path = beside(&place.path, self.plan.answers.media, self.plan.answers.health);
        let as_one = |agent: &str| Request {
            method: "GET",
            target: place.path.clone(),
            headers: vec![("User-Agent", agent.to_owned()), ("Accept", "*/*".to_owned())],
            body: "",
        };
        let (health, _) = ask(&place, &self.trust, &as_one("frontdesk-doctor")).await;
        let (browser, _) = ask(&place, &self.trust, &as_one(BROWSER)).await;
        let (tone, seen) = said_of(&health);
        self.note("who answers", tone, &seen);
        self.facts.health = Some(health);
        self.facts.health_for_browsers = Some(browser);
    }

    /// The webhook, asked exactly as Twilio asks.
    async fn twiml(&mut self, call: &CallSid, token: &str) {
        let webhook = self.facts.webhook.clone();
        let plan = self.plan;
        let fields = [
            ("AccountSid", plan.account.as_str()),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", call.as_str()),
            ("CallStatus", "ringing"),
            ("Called", plan.to.as_str()),
            ("Caller", CALLER),
            ("Direction", "inbound"),
            ("From", CALLER),
            ("To", plan.to.as_str()),
        ];
        let pairs: Vec<_> = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
        let signature = sign(token, &webhook.url, &pairs);
        let headers = vec![
            ("User-Agent", "TwilioProxy/1.1".to_owned()),
            ("Accept", "*/*".to_owned()),
            ("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8".to_owned()),
            ("X-Twilio-Signature", signature),
        ];
        let query = plan.webhook.query().map_or_else(String::new, |query| format!("?{query}"));
        let target = format!("{}{query}", webhook.path);
        let request = Request { method: "POST", target, headers, body: &body };
        let (asked, xml) = ask(&webhook, &self.trust, &request).await;
        let (faults, stream_url) = match asked.answer() {
            Some(answer) if answer.status == 200 => lint(&xml),
            _ => (Vec::new(), None),
        };
        let (tone, mut seen) = said_of(&asked);
        if let Some(fault) = faults.first() {
            seen = format!("{seen}; {fault:?}");
        } else if let Some(url) = &stream_url {
            seen = format!("{seen}; the stream is to go to {url}");
        }
        let harmless = faults.iter().all(|fault| matches!(fault, TwimlFault::Port(_)));
        self.note("webhook", if harmless { tone } else { Tone::Bad }, &seen);
        if let Some(url) = stream_url.as_deref().and_then(|url| Url::parse(url).ok()) {
            // As Twilio connects: without the query.
            self.facts.stream = place(&url);
        }
        self.facts.twiml = Some(Twiml { asked, faults, stream_url });
    }

    /// What only an operator may ask.
    async fn behind_the_token(&mut self) {
        let Some(bearer) = self.bearer() else {
            return self.note(
                "echo",
                Tone::Skipped,
                "not asked: set ADMIN_TOKEN to see what arrives at the application",
            );
        };
        let answers = self.plan.answers;
        let mut place = self.facts.stream.clone();
        place.path = beside(&place.path, answers.media, answers.echo);
        let mut headers = as_twilio(None);
        headers.push(("Authorization", bearer.clone()));
        let request = Request { method: "GET", target: place.path.clone(), headers, body: "" };
        let (asked, body) = ask(&place, &self.trust, &request).await;
        let echo = serde_json::from_str::<Echo>(&body).map_err(|_| asked);
        let arrived = |echo: &Echo| echo.headers.iter().any(|header| header.name == "upgrade");
        match &echo {
            Ok(echo) if arrived(echo) => {
                self.note("echo", Tone::Good, &format!("the upgrade headers arrive, over {}", echo.version));
            }
            Ok(echo) => self.note("echo", Tone::Bad, &format!("no Upgrade arrives, over {}", echo.version)),
            Err(asked) => self.note("echo", Tone::Skipped, &said_of(asked).1),
        }
        self.facts.echo = Some(echo);
        place.path = beside(&self.facts.stream.path, answers.media, answers.socket);
        let mut headers = as_twilio(None);
        headers.push(("Authorization", bearer));
        let bare = shake(&place, &self.trust, headers, LOOKED_AT).await;
        let (tone, seen) = said_of_socket(&bare);
        self.note("bare socket", tone, &seen);
        self.facts.bare = Some(bare);
    }

    fn bearer(&self) -> Option<String> {
        let token = self.plan.admin_token.as_ref()?;
        Some(format!("Bearer {}", token.expose_secret()))
    }

    /// What signs a handshake: the URL without its query, as Twilio takes it off.
    fn signature(&self) -> Option<String> {
        let token = self.plan.auth_token.as_ref()?;
        let url = &self.facts.stream.url;
        let bare = url.split('?').next().unwrap_or(url);
        Some(sign(token.expose_secret(), bare, &[]))
    }

    async fn handshakes(&mut self) {
        let stream = self.facts.stream.clone();
        for number in 1..=HANDSHAKES {
            let headers = as_twilio(self.signature());
            // One is looked at; the others only have to open.
            let stay = if number == 1 { LOOKED_AT } else { LOOKED_AT / 4 };
            let shaken = shake(&stream, &self.trust, headers, stay).await;
            let (tone, seen) = said_of_socket(&shaken);
            self.note("media socket", tone, &format!("{number} of {HANDSHAKES}: {seen}"));
            self.facts.handshakes.push(shaken);
        }
    }

    /// When the real thing fails: the same with one thing changed, which tells what it hangs on.
    async fn variants(&mut self) {
        let stream = self.facts.stream.clone();
        if self.facts.handshakes.iter().all(opens) {
            return;
        }
        let host = stream.host.clone();
        for variant in [Variant::OtherUserAgent, Variant::WithOrigin, Variant::WithSlash, Variant::WithQuery]
        {
            let (mut place, mut headers) = (stream.clone(), as_twilio(self.signature()));
            match variant {
                Variant::OtherUserAgent => {
                    headers.retain(|(name, value)| *name != "User-Agent" && value != TWILIO)
                }
                Variant::WithOrigin => headers.push(("Origin", format!("https://{host}"))),
                Variant::WithSlash => place.path.push('/'),
                Variant::WithQuery => place.path.push_str("?callSid=CA00000000000000000000000000000000"),
                Variant::Unsigned | Variant::Plain => {}
            }
            let shaken = shake(&place, &self.trust, headers, LOOKED_AT / 4).await;
            let (_, seen) = said_of_socket(&shaken);
            self.note("variant", Tone::Good, &format!("{variant:?}: {seen}"));
            self.facts.variants.push((variant, shaken));
        }
    }

    async fn twilio(&mut self) {
        let Some(rest) = &self.plan.rest else {
            let seen = "not asked: set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN to see what Twilio remembers";
            return self.note("Twilio", Tone::Skipped, seen);
        };
        let records = twilio::records(rest, &self.plan.account).await;
        let seen = format!("{} numbers, {} recent alerts", records.numbers.len(), records.alerts.len());
        let tone = if records.problem.is_some() { Tone::Skipped } else { Tone::Good };
        self.note("Twilio", tone, records.problem.as_deref().unwrap_or(&seen));
        self.facts.twilio = Some(records);
    }

    async fn recent(&mut self) {
        let Some(recent) = self.plan.ask_recent(&self.facts.stream, &self.trust).await else { return };
        let twilios =
            recent.upgrades.iter().filter(|attempt| attempt.seen.user_agent.as_deref() == Some(TWILIO));
        let seen = format!(
            "{} attempts of Twilio's kind at the media socket, {} callers who did not arrive",
            twilios.count(),
            recent.findings.len()
        );
        self.note("server's memory", Tone::Good, &seen);
        self.facts.recent = Some(recent);
    }
}

/// Who calls, where nobody does.
pub(super) const CALLER: &str = "+15005550006";

/// A URL, taken apart.
pub(super) fn place(url: &Url) -> Place {
    Place {
        url: url.as_str().to_owned(),
        host: url.host_str().unwrap_or_default().to_owned(),
        port: url.port_or_known_default().unwrap_or(443),
        path: url.path().to_owned(),
        secure: matches!(url.scheme(), "https" | "wss"),
    }
}

/// Another path of the same server: the prefix that a proxy put before one of its paths stands before all.
fn beside(path: &str, known: &str, wanted: &str) -> String {
    let prefix = path.trim_end_matches('/').strip_suffix(known).unwrap_or_default();
    format!("{prefix}{wanted}")
}

fn opens(handshake: &Handshake) -> bool {
    matches!(handshake, Handshake::Opened(Opened { faults, then: Then::Open, .. }) if faults.is_empty())
}

fn said_of(asked: &Asked) -> (Tone, String) {
    match asked {
        Asked::Answered(answer) => {
            let who = match (&answer.hop, &answer.server) {
                (Some(hop), _) => format!("frontdesk {hop}"),
                (None, Some(server)) => format!("{server}, not frontdesk"),
                (None, None) => "somebody, not frontdesk".to_owned(),
            };
            let tone = if answer.status < 400 { Tone::Good } else { Tone::Bad };
            (tone, format!("{who} answers {} in {} ms", answer.status, answer.ms))
        }
        Asked::Failed(failure) => (Tone::Bad, format!("no answer: {failure:?}")),
    }
}

fn said_of_socket(handshake: &Handshake) -> (Tone, String) {
    match handshake {
        Handshake::Opened(opened) if opens(handshake) => (Tone::Good, format!("opened in {} ms", opened.ms)),
        Handshake::Opened(opened) => {
            (Tone::Bad, format!("opened, and {:?} {}", opened.then, opened.faults.join("; ")))
        }
        Handshake::Refused(answer) => said_of(&Asked::Answered(answer.clone())),
        Handshake::Failed(failure) => (Tone::Bad, format!("no answer: {failure:?}")),
    }
}

/// Whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
