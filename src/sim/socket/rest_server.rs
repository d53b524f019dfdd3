//! The REST calls of Twilio's that we make: ending a live call, giving it new TwiML or another URL to ask, looking at
//! calls, one or all that are in progress, and hearing what was recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawForm, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

use super::{Clock, SocketError};
use crate::audio::wav;
use crate::domain::{AccountSid, CallSid, RecordingSid};
use crate::wire::twilio::form::Pairs;

/// Orders that a telephone has not taken yet; each is taken at once, so that this is only reached by thousands.
const MOST_ORDERS: usize = 1_024;

/// What the REST interface does.
#[derive(Debug, Clone)]
pub struct RestPlan {
    /// The account in the path.
    pub account: AccountSid,
    /// The user of Basic authentication: the account or an API key.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The first requests are answered with these HTTP statuses: 200 is none, 429, 500 or 404 a refusal.
    pub refusals: Vec<u16>,
}

/// What somebody wants of a live call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestOrder {
    /// End it.
    Complete(CallSid),
    /// Go on with this TwiML.
    Twiml(CallSid, String),
    /// Ask this URL what is next.
    Url(CallSid, String),
}

/// One request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestRequest {
    /// Which call.
    pub call: String,
    /// Its form.
    pub form: Vec<(String, String)>,
    /// What it was answered with.
    pub status: u16,
}

/// How telephones learn what the REST interface was told. Clones are the same line.
#[derive(Debug, Clone)]
pub struct RestLine {
    orders: broadcast::Sender<RestOrder>,
    calls: Arc<watch::Sender<BTreeMap<CallSid, Resource>>>,
    /// The files of what telephones recorded, for as long as the interface is there.
    recordings: Arc<watch::Sender<BTreeMap<RecordingSid, Bytes>>>,
    base: Arc<str>,
}

/// What the account's list has of a call.
#[derive(Debug, Clone)]
struct Resource {
    in_progress: bool,
    created: String,
}

/// Twilio's REST interface on a port of this machine, until it is dropped.
#[derive(Debug)]
pub struct RestServer {
    line: RestLine,
    requests: watch::Receiver<Vec<RestRequest>>,
    looks: watch::Receiver<Vec<String>>,
    _serving: JoinSet<()>,
}

#[derive(Debug)]
struct Desk {
    plan: RestPlan,
    line: RestLine,
    requests: watch::Sender<Vec<RestRequest>>,
    looks: watch::Sender<Vec<String>>,
}

impl RestServer {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start(plan: RestPlan) -> Result<Self, SocketError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(SocketError::Listen)?;
        let address = listener.local_addr().map_err(SocketError::Listen)?;
        let (orders, _) = broadcast::channel(MOST_ORDERS);
        let line = RestLine {
            orders,
            calls: Arc::new(watch::channel(BTreeMap::new()).0),
            recordings: Arc::new(watch::channel(BTreeMap::new()).0),
            base: format!("http://{address}").into(),
        };
        let (sender, requests) = watch::channel(Vec::new());
        let (look_sender, looks) = watch::channel(Vec::new());
        let desk = Arc::new(Desk { plan, line: line.clone(), requests: sender, looks: look_sender });
        let router = Router::new()
            .route("/2010-04-01/Accounts/{account}/Calls.json", get(list_calls))
            .route("/2010-04-01/Accounts/{account}/Calls/{call}", get(show_call).post(update_call))
            .route("/2010-04-01/Accounts/{account}/Recordings/{file}", get(hear))
            .with_state(desk);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // It only ends with the task: an accept that fails is tried again within.
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { line, requests, looks, _serving: serving })
    }

    /// The base of its URLs, in place of `https://api.twilio.com`.
    pub fn url(&self) -> String {
        self.line.base().to_owned()
    }

    /// For the telephones whose calls it governs.
    pub fn line(&self) -> RestLine {
        self.line.clone()
    }

    /// Every request for a change so far.
    pub fn requests(&self) -> Vec<RestRequest> {
        self.requests.borrow().clone()
    }
}

impl RestServer {
    /// Which calls were looked at so far, by name; `Calls.json` for all.
    pub fn looks(&self) -> Vec<String> {
        self.looks.borrow().clone()
    }

    /// Puts a call on the account that no telephone of ours knows: another application's.
    pub fn add_foreign_call(&self, call: &CallSid) {
        self.line.set(call, true);
    }

    /// Ends such a call.
    pub fn end_foreign_call(&self, call: &CallSid) {
        self.line.set(call, false);
    }

    /// Takes such a call out of the account, as if it had never been.
    pub fn forget_foreign_call(&self, call: &CallSid) {
        self.line.calls.send_modify(|calls| {
            calls.remove(call);
        });
    }
}

impl RestLine {
    pub(super) fn begin(&self, call: &CallSid) -> broadcast::Receiver<RestOrder> {
        self.set(call, true);
        self.orders.subscribe()
    }

    /// Keeps what a caller said, in µ-law, as the file it is asked for as.
    pub(super) fn keep(&self, recording: &RecordingSid, audio: &[u8]) {
        let size = u32::try_from(audio.len()).unwrap_or(wav::UNKNOWN_BYTES);
        let file = [&wav::header(1, wav::Encoding::Mulaw8k, size), audio].concat();
        self.recordings.send_modify(|recordings| {
            recordings.insert(recording.clone(), file.into());
        });
    }

    /// Which recordings there are.
    pub fn kept(&self) -> Vec<RecordingSid> {
        self.recordings.borrow().keys().cloned().collect()
    }

    /// What the URLs of recordings begin with.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn end(&self, call: &CallSid) {
        self.set(call, false);
    }

    fn set(&self, call: &CallSid, in_progress: bool) {
        self.calls.send_modify(|calls| {
            let new = || Resource { in_progress, created: Clock::date() };
            calls.entry(call.clone()).or_insert_with(new).in_progress = in_progress;
        });
    }
}

async fn list_calls(
    State(desk): State<Arc<Desk>>,
    Path(account): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    desk.looks.send_modify(|looks| looks.push("Calls.json".to_owned()));
    if let Err(refusal) = admit(&desk, &account, &headers) {
        return refused(refusal);
    }
    let query = Pairs::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let number = |name: &str| query.first(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("PageSize").unwrap_or(50).clamp(1, 1_000);
    let page = number("Page").unwrap_or(0);
    let calls = desk.line.calls.borrow();
    let wanted = |resource: &Resource| match query.first("Status") {
        None => true,
        Some(status) => status == resource.status(),
    };
    let mut found = calls.iter().filter(|(_, resource)| wanted(resource)).skip(page * size);
    let listed: Vec<_> =
        found.by_ref().take(size).map(|(call, resource)| resource.json(call, &account)).collect();
    let status = query.first("Status").unwrap_or_default();
    let next = found.next().map(|_| {
        let page = page + 1;
        format!("/2010-04-01/Accounts/{account}/Calls.json?Status={status}&PageSize={size}&Page={page}&PageToken=PA")
    });
    drop(found);
    drop(calls);
    answered(
        200,
        &serde_json::json!({"calls": listed, "page": page, "page_size": size, "next_page_uri": next}),
    )
}

async fn show_call(
    State(desk): State<Arc<Desk>>,
    Path((account, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let name = file.strip_suffix(".json").unwrap_or(&file);
    desk.looks.send_modify(|looks| looks.push(name.to_owned()));
    if let Err(refusal) = admit(&desk, &account, &headers) {
        return refused(refusal);
    }
    let calls = desk.line.calls.borrow();
    match calls.iter().find(|(call, _)| call.as_str() == name) {
        Some((call, resource)) => answered(200, &resource.json(call, &account)),
        None => refused(NOT_FOUND),
    }
}

impl Resource {
    fn status(&self) -> &'static str {
        if self.in_progress { "in-progress" } else { "completed" }
    }

    fn json(&self, call: &CallSid, account: &str) -> serde_json::Value {
        serde_json::json!({
            "sid": call, "account_sid": account, "status": self.status(), "direction": "inbound",
            "date_created": self.created, "start_time": self.created, "parent_call_sid": null, "price": null,
        })
    }
}

/// The status, code and message of a refusal.
type RefusedWith = (u16, u32, &'static str);

const NOT_FOUND: RefusedWith = (404, 20_404, "The requested resource was not found");

fn refused((status, code, message): RefusedWith) -> Response {
    let more = format!("https://www.twilio.com/docs/errors/{code}");
    let body = serde_json::json!({"code": code, "message": message, "more_info": more, "status": status});
    answered(status, &body)
}

fn answered(status: u16, body: &serde_json::Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Whoever asks shows who they are, and asks for an account that is theirs.
fn admit(desk: &Desk, account: &str, headers: &HeaderMap) -> Result<(), RefusedWith> {
    let RestPlan { user, password, account: ours, .. } = &desk.plan;
    let expected = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    if headers.get(header::AUTHORIZATION).is_none_or(|value| value.as_bytes() != expected.as_bytes()) {
        return Err((401, 20_003, "Authenticate"));
    }
    if account == ours.as_str() { Ok(()) } else { Err(NOT_FOUND) }
}

async fn update_call(
    State(desk): State<Arc<Desk>>,
    Path((account, file)): Path<(String, String)>,
    headers: HeaderMap,
    RawForm(body): RawForm,
) -> Response {
    let call = file.strip_suffix(".json").unwrap_or(&file).to_owned();
    let form = Pairs::parse(&body).unwrap_or_default();
    let order = judge(&desk, &account, &call, &headers, &form);
    let status = match &order {
        Ok(_) => 200,
        Err((status, _, _)) => *status,
    };
    let request = RestRequest { call: call.clone(), form: form.as_slice().to_vec(), status };
    desk.requests.send_modify(|requests| requests.push(request));
    match order {
        Ok(order) => {
            let state = if matches!(order, RestOrder::Complete(_)) { "completed" } else { "in-progress" };
            // Nobody listens when the telephone has hung up in this very moment; Twilio would not tell either.
            let _told = desk.line.orders.send(order);
            answered(200, &serde_json::json!({"sid": call, "account_sid": account, "status": state}))
        }
        Err(refusal) => refused(refusal),
    }
}

/// The file of a recording.
async fn hear(
    State(desk): State<Arc<Desk>>,
    Path((account, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = admit(&desk, &account, &headers) {
        return refused(refusal);
    }
    let recordings = desk.line.recordings.borrow();
    let name = file.strip_suffix(".wav").and_then(|name| RecordingSid::parse(name).ok());
    let audio = name.and_then(|name| recordings.get(&name));
    let wav = [(header::CONTENT_TYPE, "audio/x-wav")];
    audio.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |audio| (wav, audio.clone()).into_response())
}

/// What a request asks for, or the status, code and message it is refused with.
fn judge(
    desk: &Desk,
    account: &str,
    call: &str,
    headers: &HeaderMap,
    form: &Pairs,
) -> Result<RestOrder, RefusedWith> {
    let refusal = desk.plan.refusals.get(desk.requests.borrow().len());
    if let Some(status) = refusal.filter(|status| **status != 200) {
        let code = match status {
            429 => 20_429,
            404 => 20_404,
            401 => 20_003,
            _ => 20_500,
        };
        return Err((*status, code, "The request is refused."));
    }
    admit(desk, account, headers)?;
    let calls = desk.line.calls.borrow();
    let live = calls.iter().find(|(live, resource)| live.as_str() == call && resource.in_progress);
    let Some((call, _)) = live else { return Err(NOT_FOUND) };
    match (form.first("Status"), form.first("Twiml"), form.first("Url")) {
        (Some("completed"), None, None) => Ok(RestOrder::Complete(call.clone())),
        (None, Some(twiml), None) => Ok(RestOrder::Twiml(call.clone(), twiml.to_owned())),
        (None, None, Some(url)) => Ok(RestOrder::Url(call.clone(), url.to_owned())),
        _ => Err((400, 21_218, "Invalid parameters for this call")),
    }
}
