//! The REST calls of Twilio's that we make: ending a live call, giving it new TwiML, and hearing what was recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawForm, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

use super::SocketError;
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
    /// The first requests are refused with these HTTP statuses (429, 500, 404).
    pub refusals: Vec<u16>,
}

/// What somebody wants of a live call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestOrder {
    /// End it.
    Complete(CallSid),
    /// Go on with this TwiML.
    Twiml(CallSid, String),
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
    live: Arc<watch::Sender<BTreeSet<CallSid>>>,
    /// The files of what telephones recorded, for as long as the interface is there.
    recordings: Arc<watch::Sender<BTreeMap<RecordingSid, Bytes>>>,
    base: Arc<str>,
}

/// Twilio's REST interface on a port of this machine, until it is dropped.
#[derive(Debug)]
pub struct RestServer {
    line: RestLine,
    requests: watch::Receiver<Vec<RestRequest>>,
    _serving: JoinSet<()>,
}

#[derive(Debug)]
struct Desk {
    plan: RestPlan,
    line: RestLine,
    requests: watch::Sender<Vec<RestRequest>>,
}

impl RestServer {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start(plan: RestPlan) -> Result<Self, SocketError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(SocketError::Listen)?;
        let address = listener.local_addr().map_err(SocketError::Listen)?;
        let (orders, _) = broadcast::channel(MOST_ORDERS);
        let line = RestLine {
            orders,
            live: Arc::new(watch::channel(BTreeSet::new()).0),
            recordings: Arc::new(watch::channel(BTreeMap::new()).0),
            base: format!("http://{address}").into(),
        };
        let (sender, requests) = watch::channel(Vec::new());
        let desk = Arc::new(Desk { plan, line: line.clone(), requests: sender });
        let router = Router::new()
            .route("/2010-04-01/Accounts/{account}/Calls/{call}", post(update_call))
            .route("/2010-04-01/Accounts/{account}/Recordings/{file}", get(hear))
            .with_state(desk);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // It only ends with the task: an accept that fails is tried again within.
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { line, requests, _serving: serving })
    }

    /// The base of its URLs, in place of `https://api.twilio.com`.
    pub fn url(&self) -> String {
        self.line.base().to_owned()
    }

    /// For the telephones whose calls it governs.
    pub fn line(&self) -> RestLine {
        self.line.clone()
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<RestRequest> {
        self.requests.borrow().clone()
    }
}

impl RestLine {
    pub(super) fn begin(&self, call: &CallSid) -> broadcast::Receiver<RestOrder> {
        self.live.send_modify(|live| {
            live.insert(call.clone());
        });
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
        self.live.send_modify(|live| {
            live.remove(call);
        });
    }
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
    let json = [(header::CONTENT_TYPE, "application/json")];
    match order {
        Ok(order) => {
            let state = if matches!(order, RestOrder::Complete(_)) { "completed" } else { "in-progress" };
            // Nobody listens when the telephone has hung up in this very moment; Twilio would not tell either.
            let _told = desk.line.orders.send(order);
            let body = serde_json::json!({"sid": call, "account_sid": account, "status": state});
            (StatusCode::OK, json, body.to_string()).into_response()
        }
        Err((status, code, message)) => {
            let more = format!("https://www.twilio.com/docs/errors/{code}");
            let body =
                serde_json::json!({"code": code, "message": message, "more_info": more, "status": status});
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, json, body.to_string()).into_response()
        }
    }
}

/// The file of a recording.
async fn hear(
    State(desk): State<Arc<Desk>>,
    Path((account, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if !desk.lets_in(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let recordings = desk.line.recordings.borrow();
    let name = file.strip_suffix(".wav").and_then(|name| RecordingSid::parse(name).ok());
    let audio = name.filter(|_| account == desk.plan.account.as_str()).and_then(|name| recordings.get(&name));
    let wav = [(header::CONTENT_TYPE, "audio/x-wav")];
    audio.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |audio| (wav, audio.clone()).into_response())
}

impl Desk {
    fn lets_in(&self, headers: &HeaderMap) -> bool {
        let RestPlan { user, password, .. } = &self.plan;
        let expected = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        headers.get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes() == expected.as_bytes())
    }
}

/// What a request asks for, or the status, code and message it is refused with.
fn judge(
    desk: &Desk,
    account: &str,
    call: &str,
    headers: &HeaderMap,
    form: &Pairs,
) -> Result<RestOrder, (u16, u32, &'static str)> {
    let RestPlan { account: ours, refusals, .. } = &desk.plan;
    if let Some(status) = refusals.get(desk.requests.borrow().len()) {
        let code = match status {
            429 => 20_429,
            404 => 20_404,
            401 => 20_003,
            _ => 20_500,
        };
        return Err((*status, code, "The request is refused."));
    }
    if !desk.lets_in(headers) {
        return Err((401, 20_003, "Authenticate"));
    }
    let live = desk.line.live.borrow();
    let Some(call) = live.iter().find(|live| live.as_str() == call).filter(|_| account == ours.as_str())
    else {
        return Err((404, 20_404, "The requested resource was not found"));
    };
    match (form.first("Status"), form.first("Twiml")) {
        (Some("completed"), None) => Ok(RestOrder::Complete(call.clone())),
        (None, Some(twiml)) => Ok(RestOrder::Twiml(call.clone(), twiml.to_owned())),
        _ => Err((400, 21_218, "Invalid parameters for this call")),
    }
}
