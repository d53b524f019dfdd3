//! The REST calls of Twilio's that we make: ending a live call, and giving it new TwiML.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawForm, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

use super::SocketError;
use crate::domain::{AccountSid, CallSid};
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
}

/// Twilio's REST interface on a port of this machine, until it is dropped.
#[derive(Debug)]
pub struct RestServer {
    address: SocketAddr,
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
        let line = RestLine { orders, live: Arc::new(watch::channel(BTreeSet::new()).0) };
        let (sender, requests) = watch::channel(Vec::new());
        let desk = Arc::new(Desk { plan, line: line.clone(), requests: sender });
        let router = Router::new()
            .route("/2010-04-01/Accounts/{account}/Calls/{call}", post(update_call))
            .with_state(desk);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // It only ends with the task: an accept that fails is tried again within.
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { address, line, requests, _serving: serving })
    }

    /// The base of its URLs, in place of `https://api.twilio.com`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
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

/// What a request asks for, or the status, code and message it is refused with.
fn judge(
    desk: &Desk,
    account: &str,
    call: &str,
    headers: &HeaderMap,
    form: &Pairs,
) -> Result<RestOrder, (u16, u32, &'static str)> {
    let RestPlan { user, password, account: ours, refusals } = &desk.plan;
    if let Some(status) = refusals.get(desk.requests.borrow().len()).filter(|status| **status != 200) {
        let code = match status {
            429 => 20_429,
            404 => 20_404,
            401 => 20_003,
            _ => 20_500,
        };
        return Err((*status, code, "The request is refused."));
    }
    let expected = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    if headers.get(header::AUTHORIZATION).is_none_or(|value| value.as_bytes() != expected.as_bytes()) {
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
