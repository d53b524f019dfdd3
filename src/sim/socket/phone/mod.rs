//! A telephone network: rings a webhook, does what its TwiML says, opens the stream, and asks again when it has ended.

mod record;
mod report;
mod stream;

use std::time::Duration;

use tokio::sync::broadcast;
use tokio::task::JoinSet;

pub use self::report::{PhoneEvent, PhoneReport};
use self::stream::{Ordered, StreamEnd, next_order};
use super::{Clock, RestLine, RestOrder, SocketError};
use crate::domain::{AccountSid, CallSid, IdError, Moment};
use crate::sim::{Caller, LineFault, Step};
use crate::wire::twilio::signature::sign;
use crate::wire::twilio::twiml::{Verb, read};

/// Twilio waits no longer for an answer to a webhook.
const WEBHOOK_PATIENCE: Duration = Duration::from_secs(15);

/// Twilio gives up connecting after so long.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// More documents than this for one call are a loop.
const MOST_DOCUMENTS: u32 = 50;

/// One call to place.
#[derive(Debug, Clone)]
pub struct CallPlan {
    /// The voice webhook, as it is configured at Twilio; a query is kept.
    pub webhook: String,
    /// Signs what is asked of the webhook.
    pub auth_token: String,
    /// The account.
    pub account: AccountSid,
    /// The call.
    pub call: CallSid,
    /// The line that is called.
    pub to: String,
    /// Who calls.
    pub from: String,
    /// What the caller does.
    pub caller: Vec<Step>,
    /// From the TwiML to the first byte of the stream's handshake. Twilio needs some hundred milliseconds.
    pub before_stream: Duration,
    /// What goes wrong on the line of each stream, in order; nothing on later ones.
    pub line_faults: Vec<Vec<LineFault>>,
    /// What becomes of each `<Dial>`, in order; the last repeats.
    pub dials: Vec<DialResult>,
    /// Who is told when the call is over, if anybody: the number's status callback.
    pub status_callback: Option<String>,
    /// The caller loses patience after so long, whatever happens.
    pub longest: Duration,
}

/// What becomes of a `<Dial>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialResult {
    /// Somebody answered, and the conversation is over.
    Completed,
    /// Nobody answered.
    NoAnswer,
    /// The line was busy.
    Busy,
    /// The number could not be rung.
    Failed,
}

/// A telephone network, for any number of calls.
#[derive(Debug, Clone)]
pub struct Phone {
    http: reqwest::Client,
    rest: Option<RestLine>,
}

/// What is next for a call.
enum Next {
    /// Ask this URL, with this about the call.
    Ask(String, Vec<(&'static str, String)>),
    /// Go on with this document.
    Document(String),
    /// The call is over.
    Over,
}

/// A call under way.
struct Placed<'a> {
    phone: &'a Phone,
    plan: CallPlan,
    clock: Clock,
    caller: Caller,
    orders: Option<broadcast::Receiver<RestOrder>>,
    report: PhoneReport,
    dialled: usize,
    callbacks: JoinSet<Option<String>>,
}

impl CallPlan {
    /// A call to `webhook` with a CallSid of its own.
    pub fn new(
        webhook: impl Into<String>,
        auth_token: impl Into<String>,
        account: AccountSid,
        to: impl Into<String>,
        from: impl Into<String>,
    ) -> Result<Self, IdError> {
        Ok(Self {
            webhook: webhook.into(),
            auth_token: auth_token.into(),
            account,
            call: CallSid::parse(&format!("CA{}", uuid::Uuid::new_v4().simple()))?,
            to: to.into(),
            from: from.into(),
            caller: Vec::new(),
            before_stream: Duration::ZERO,
            line_faults: Vec::new(),
            dials: Vec::new(),
            status_callback: None,
            longest: Duration::from_secs(600),
        })
    }
}

impl DialResult {
    fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::NoAnswer => "no-answer",
            Self::Busy => "busy",
            Self::Failed => "failed",
        }
    }
}

impl Phone {
    /// A network; with a line to a REST interface, what is ordered there is done.
    pub fn new(rest: Option<RestLine>) -> Result<Self, SocketError> {
        let http = reqwest::Client::builder()
            .user_agent("TwilioProxy/1.1")
            .connect_timeout(CONNECT_PATIENCE)
            .timeout(WEBHOOK_PATIENCE)
            // What a caller's next webhook goes through is another proxy of Twilio's, and another connection.
            .pool_max_idle_per_host(0)
            .no_proxy()
            .build()
            .map_err(SocketError::Client)?;
        Ok(Self { http, rest })
    }

    /// Places a call and stays until it is over. Moments count from the ring.
    pub async fn call(&self, plan: CallPlan) -> PhoneReport {
        let mut placed = Placed {
            phone: self,
            clock: Clock::start(),
            caller: Caller::new(plan.caller.clone()),
            orders: self.rest.as_ref().map(|rest| rest.begin(&plan.call)),
            report: PhoneReport::new(plan.call.clone()),
            dialled: 0,
            callbacks: JoinSet::new(),
            plan,
        };
        // A stream ends by itself when the caller's patience does; this is for all that is no stream.
        let longest = placed.plan.longest + WEBHOOK_PATIENCE;
        if tokio::time::timeout(longest, placed.live()).await.is_err() {
            placed.problem("the caller's patience ended outside of a stream".to_owned());
        }
        if let Some(rest) = &self.rest {
            rest.end(&placed.plan.call);
        }
        placed.hang_up().await
    }
}

impl Placed<'_> {
    /// From the ring to the end.
    async fn live(&mut self) {
        let mut next = Next::Ask(self.plan.webhook.clone(), vec![("CallStatus", "ringing".to_owned())]);
        for _ in 0..MOST_DOCUMENTS {
            let document = match next {
                Next::Over => return,
                Next::Document(xml) => Some(xml),
                Next::Ask(url, about) => self.ask(&url, about).await,
            };
            next = match document {
                Some(xml) => self.obey(&xml).await,
                None => Next::Over,
            };
        }
        self.problem(format!("more than {MOST_DOCUMENTS} documents for one call: a loop of redirects"));
    }

    /// Asks a webhook what is next, signed as Twilio signs.
    async fn ask(&mut self, url: &str, about: Vec<(&'static str, String)>) -> Option<String> {
        self.note(PhoneEvent::Asked { url: url.to_owned() });
        let answer = match self.request(url, about).send().await {
            Ok(answer) => answer,
            Err(error) => {
                self.problem(format!("11200: {url} could not be asked: {error}"));
                return None;
            }
        };
        let status = answer.status().as_u16();
        let hop =
            answer.headers().get("x-frontdesk-hop").and_then(|hop| hop.to_str().ok()).map(str::to_owned);
        let kind = answer
            .headers()
            .get("content-type")
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let body = answer.text().await.unwrap_or_default();
        self.note(PhoneEvent::Answered { status, hop, twiml: body.clone().into() });
        if status >= 400 {
            self.problem(format!("11200: {url} answered with HTTP status {status}"));
            return None;
        }
        if !["text/xml", "application/xml", "text/html"].iter().any(|known| kind.starts_with(known)) {
            self.problem(format!("12300: the answer's Content-Type is {kind:?}, not text/xml"));
            return None;
        }
        Some(body)
    }

    fn request(&self, url: &str, about: Vec<(&'static str, String)>) -> reqwest::RequestBuilder {
        let CallPlan { call, account, to, from, .. } = &self.plan;
        let mut form: Vec<(String, String)> = [
            ("CallSid", call.as_str()),
            ("AccountSid", account.as_str()),
            ("ApiVersion", "2010-04-01"),
            ("Direction", "inbound"),
            ("From", from),
            ("Caller", from),
            ("To", to),
            ("Called", to),
            ("FromCountry", "US"),
            ("FromCity", ""),
            ("ToCountry", "US"),
            ("ToCity", ""),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        form.extend(about.into_iter().map(|(name, value)| (name.to_owned(), value)));
        self.signed(url, &form)
    }

    fn signed(&self, url: &str, form: &[(String, String)]) -> reqwest::RequestBuilder {
        // A fragment holds settings of Twilio's own and is never sent.
        let url = url.split('#').next().unwrap_or(url);
        let signature = sign(&self.plan.auth_token, url, form);
        let request = self.phone.http.post(url).header("X-Twilio-Signature", signature);
        request.header("I-Twilio-Idempotency-Token", uuid::Uuid::new_v4().to_string()).form(form)
    }

    /// Does what a document says; returns what is next.
    async fn obey(&mut self, xml: &str) -> Next {
        let document = match read(xml) {
            Ok(document) => document,
            Err(error) => {
                self.problem(error.to_string());
                return Next::Over;
            }
        };
        if document.had_query {
            self.problem("the URL of <Stream> has a query, which Twilio drops".to_owned());
        }
        for verb in document.twiml.0 {
            let next = match verb {
                Verb::Connect(connect) => self.stream(*connect).await,
                Verb::Say { text, .. } => {
                    self.note(PhoneEvent::Said(text.into()));
                    None
                }
                Verb::Pause { length_s } => {
                    let end = self.clock.now() + Duration::from_secs(u64::from(length_s));
                    tokio::select! {
                        () = self.clock.until(Some(end)) => None,
                        order = next_order(&mut self.orders, &self.plan.call) => Some(obeyed(order)),
                    }
                }
                Verb::Dial { number, action, .. } => self.dial(number.as_str(), action),
                Verb::Record(record) => self.record(*record).await,
                Verb::Redirect { url } => Some(Next::Ask(url, in_progress())),
                Verb::Hangup => Some(Next::Over),
            };
            if let Some(next) = next {
                return next;
            }
        }
        // The document is over, and so is the call.
        Next::Over
    }

    fn dial(&mut self, number: &str, action: String) -> Option<Next> {
        let dials = &self.plan.dials;
        let result = dials.get(self.dialled).or(dials.last()).copied().unwrap_or(DialResult::Completed);
        self.dialled += 1;
        self.note(PhoneEvent::Dialled { number: number.to_owned().into(), result });
        if action.is_empty() {
            return None;
        }
        let mut about = in_progress();
        about.push(("DialCallStatus", result.as_str().to_owned()));
        Some(Next::Ask(action, about))
    }

    async fn stream(&mut self, connect: crate::wire::twilio::twiml::ConnectStream) -> Option<Next> {
        let action = connect.action.clone();
        match self.carry_stream(connect).await {
            StreamEnd::CallerHungUp => Some(Next::Over),
            StreamEnd::Ordered(order) => Some(obeyed(order)),
            StreamEnd::ServerClosed if action.is_empty() => None,
            StreamEnd::ServerClosed => Some(Next::Ask(action, in_progress())),
        }
    }

    /// The call is over: whoever wants to know is told.
    async fn hang_up(mut self) -> PhoneReport {
        self.note(PhoneEvent::Over);
        if let Some(url) = self.plan.status_callback.clone() {
            let seconds = self.clock.now().elapsed().as_secs().to_string();
            let about = vec![("CallStatus", "completed".to_owned()), ("CallDuration", seconds)];
            self.tell(&url, about);
        }
        while let Some(told) = self.callbacks.join_next().await {
            if let Ok(Some(problem)) = told {
                self.problem(problem);
            }
        }
        self.report.steps_done = self.caller.done().to_vec();
        self.report
    }

    /// Tells a status callback, beside the call.
    fn tell(&mut self, url: &str, about: Vec<(&'static str, String)>) {
        if !url.is_empty() {
            self.send_beside(self.request(url, about), url);
        }
    }

    /// The same with a form that does not say who calls whom.
    fn tell_form(&mut self, url: &str, form: &[(String, String)]) {
        if !url.is_empty() {
            self.send_beside(self.signed(url, form), url);
        }
    }

    fn send_beside(&mut self, request: reqwest::RequestBuilder, url: &str) {
        let url = url.to_owned();
        self.callbacks.spawn(async move {
            let answer = request.send().await.and_then(reqwest::Response::error_for_status);
            answer.err().map(|error| format!("{url} could not be told: {error}"))
        });
    }

    fn note(&mut self, event: PhoneEvent) {
        let now = self.clock.now();
        self.note_at(now, event);
    }

    fn note_at(&mut self, at: Moment, event: PhoneEvent) {
        self.report.events.push((at, event));
    }

    fn problem(&mut self, what: String) {
        self.note(PhoneEvent::Problem(what));
    }
}

/// What the REST interface's order makes next.
fn obeyed(order: Ordered) -> Next {
    match order {
        Ordered::Over => Next::Over,
        Ordered::Twiml(twiml) => Next::Document(twiml),
        Ordered::Ask(url) => Next::Ask(url, in_progress()),
    }
}

fn in_progress() -> Vec<(&'static str, String)> {
    vec![("CallStatus", "in-progress".to_owned())]
}
