//! What an operator does to a call that goes on: end it, give it to a person, say something in it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};

use super::posted::Posted;
use crate::call::Command;
use crate::domain::{CallSid, DestinationId, Pii};
use crate::http::App;

/// The longest sentence an operator has said: half a minute of speech.
const MOST_WORDS: usize = 500;

pub(super) async fn hang_up(State(app): State<Arc<App>>, Path(call): Path<CallSid>, _: Posted) -> Response {
    tell(&app, &call, "hang up", Command::HangUp)
}

pub(super) async fn transfer(
    State(app): State<Arc<App>>,
    Path(call): Path<CallSid>,
    posted: Posted,
) -> Response {
    match DestinationId::parse(posted.fields.get("to")) {
        Ok(to) => tell(&app, &call, "transfer", Command::Transfer(to)),
        Err(_) => back(&app, &call, "not-done"),
    }
}

pub(super) async fn say(State(app): State<Arc<App>>, Path(call): Path<CallSid>, posted: Posted) -> Response {
    let words: String = posted.fields.get("words").trim().chars().take(MOST_WORDS).collect();
    if words.is_empty() {
        return back(&app, &call, "not-done");
    }
    tell(&app, &call, "say something", Command::Say(Pii::new(words)))
}

fn tell(app: &App, call: &CallSid, what: &'static str, command: Command) -> Response {
    let told = app.bridge.tell(call, command);
    tracing::info!(call.id = %call, what, told, "an operator wants something of a call");
    back(app, call, if told { "done" } else { "not-here" })
}

/// Back to the page, which says what became of it.
fn back(app: &App, call: &CallSid, word: &str) -> Response {
    Redirect::to(&format!("{}/calls/{call}?did={word}", app.base())).into_response()
}
