//! A call from a page: an operator talks with the receptionist as a caller would. It enters by doors of its own, for there
//! is no Twilio to sign anything; behind them it is a call like any other, with a slot, a pass, a machine and a record.
//!
//! Its stream comes to the host of the page, also where another service carries Twilio's: badges are good nowhere else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::badge::at_socket;
use super::posted::Posted;
use super::{READ_PATIENCE, within};
use crate::bridge::Begun;
use crate::call::Opening;
use crate::dashboard::{at_limit, how_it_ended, instead};
use crate::domain::{AccountSid, BusinessId, CallRecord, CallSid, Pii};
use crate::http::App;
use crate::http::answer::{Leg, Nobody};
use crate::http::media::{self, Door};
use crate::http::refusal::Refusal;
use crate::http::upgrade::{Upgrade, look_at};
use crate::store::StoreError;

/// Who calls, in the place of a number: a word, as for those who hide theirs.
const CALLER: &str = "test call";

/// How often a page's question waits for the end of its call to be written down, and how long each time. It is written
/// before the stream is closed, unless the store is slow.
const LOOKS: u32 = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// All a page needs to bring a call its caller, as Twilio would.
#[derive(Serialize)]
struct Connected {
    call: String,
    account: String,
    stream: String,
    parameters: BTreeMap<String, String>,
    page: String,
}

/// What the webhook does for a caller, for whoever presses the button.
pub(super) async fn call(State(app): State<Arc<App>>, Path(id): Path<BusinessId>, _: Posted) -> Response {
    // The id says who answers; no line was called.
    let answerer = match app.who_answers(Some(&id), &Pii::new(String::new())).await {
        Ok(answerer) => answerer,
        Err(nobody) => return not_connected(&nobody_answers(&nobody)),
    };
    let business = &answerer.business;
    let Some(call) = made_up_call() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let account = AccountSid::of_test_calls();
    let line = business.lines.first().map(|line| line.as_str().to_owned());
    let (from, to) = (Pii::new(CALLER.to_owned()), Pii::new(line.unwrap_or_default()));
    let record = app.record(&Leg { call: &call, account: &account, from: &from, to: &to }, &answerer);
    let slot = match app.seat(&answerer, &record).await {
        Ok(slot) => slot,
        Err(limit) => return not_connected(&at_limit(limit, business)),
    };
    let parameters = app.stream_parameters(&record).into_iter().collect();
    if app.dial_ahead(&answerer, record, Opening::Greet, slot) == Begun::Full {
        let why = format!("This instance carries as many calls as it may. {}", instead(business));
        return not_connected(&why);
    }
    tracing::info!(call.id = %call, business.id = %id, "an operator calls a business from its page");
    let stream = format!("MZ{}", Uuid::new_v4().simple());
    let page = format!("{}/calls/{call}", app.base());
    Json(Connected { call: call.to_string(), account: account.to_string(), stream, parameters, page })
        .into_response()
}

/// A CallSid that reads as one. Nobody at Twilio has it: 122 bits of chance say so, and its account.
fn made_up_call() -> Option<CallSid> {
    CallSid::parse(&format!("CA{}", Uuid::new_v4().simple())).ok()
}

fn nobody_answers(nobody: &Nobody) -> String {
    match nobody {
        Nobody::Unknown => "There is no business of this id any more.".to_owned(),
        Nobody::NoPlan(business) => {
            format!("Its plan, {}, cannot be read. {}", business.plan, instead(business))
        }
        Nobody::Store(_) => {
            "The store does not say who answers. A caller would be asked to leave a message.".to_owned()
        }
    }
}

/// Not an error of HTTP: the page was served well, and says it to a person.
fn not_connected(why: &str) -> Response {
    Json(json!({"instead": why})).into_response()
}

/// The stream of a test call: a page of ours with a badge, in the place of Twilio's signature. The pass is still to come.
pub(super) async fn media(State(app): State<Arc<App>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let seen = look_at(&parts);
    if let Err(refusal) = at_socket(&parts, &app) {
        return refusal.into_response();
    }
    match Upgrade::of(&mut parts) {
        Ok(upgrade) => media::take(app, seen, upgrade, Door::Page),
        Err(refusal) => refusal.into_response(),
    }
}

/// What `/twilio-next` is for other calls: the stream is over, and what would be done for a caller is said. Nothing goes on
/// with a test call, so it is over for good, and its slot is free.
pub(super) async fn over(State(app): State<Arc<App>>, posted: Posted) -> Response {
    let unknown = || Refusal::new(StatusCode::NOT_FOUND, "no_such_test_call").into_response();
    let Ok(call) = CallSid::parse(posted.fields.get("call")) else { return unknown() };
    let record = match within(&app, &posted.viewer, READ_PATIENCE, told(&app, &call)).await {
        Ok(record) => record,
        Err(sorry) => return sorry,
    };
    let Some(record) = record.filter(CallRecord::is_test) else { return unknown() };
    if record.ending.is_some() {
        app.over_for_good(&call);
    }
    let business = tokio::time::timeout(READ_PATIENCE, app.directory.business(&record.business)).await;
    let business = business.ok().and_then(Result::ok).flatten();
    let (kind, says) = how_it_ended(&record, business.as_ref());
    Json(json!({"kind": kind, "says": says})).into_response()
}

/// The record of a call, with its ending if that comes soon.
async fn told(app: &App, call: &CallSid) -> Result<Option<CallRecord>, StoreError> {
    for _ in 0..LOOKS {
        let record = app.ledger.call(call).await?;
        if record.as_ref().is_none_or(|record| !record.is_test() || record.ending.is_some()) {
            return Ok(record);
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    app.ledger.call(call).await
}
