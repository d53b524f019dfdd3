//! What an operator does to a call that goes on: end it, give it to a person, say something in it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};

use super::badge::Viewer;
use super::posted::{Fields, Posted};
use crate::call::Command;
use crate::dashboard::operate_piece;
use crate::domain::{CallSid, DestinationId, Pii};
use crate::http::App;

/// The longest sentence an operator has said: half a minute of speech.
const MOST_WORDS: usize = 500;

/// What the row of a call in the list unfolds.
pub(super) async fn unfold(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path(call): Path<CallSid>,
) -> Response {
    let shown = app.registry.board(&call).map(|board| board.shown());
    operate_piece(&app.frame(Some(&viewer)), shown.as_ref()).into_response()
}

pub(super) async fn hang_up(
    State(app): State<Arc<App>>,
    Path(call): Path<CallSid>,
    posted: Posted,
) -> Response {
    tell(&app, &call, &posted.fields, "hang up", Command::HangUp)
}

pub(super) async fn transfer(
    State(app): State<Arc<App>>,
    Path(call): Path<CallSid>,
    posted: Posted,
) -> Response {
    match DestinationId::parse(posted.fields.get("to")) {
        Ok(to) => tell(&app, &call, &posted.fields, "transfer", Command::Transfer(to)),
        Err(_) => back(&app, &call, &posted.fields, "not-done"),
    }
}

pub(super) async fn say(State(app): State<Arc<App>>, Path(call): Path<CallSid>, posted: Posted) -> Response {
    let words: String = posted.fields.get("words").trim().chars().take(MOST_WORDS).collect();
    if words.is_empty() {
        return back(&app, &call, &posted.fields, "not-done");
    }
    tell(&app, &call, &posted.fields, "say something", Command::Say(Pii::new(words)))
}

fn tell(app: &App, call: &CallSid, form: &Fields, what: &'static str, command: Command) -> Response {
    let told = app.bridge.tell(call, command);
    tracing::info!(call.id = %call, what, told, "an operator wants something of a call");
    back(app, call, form, if told { "done" } else { "not-here" })
}

/// Back to where the form stood, which says what became of it.
fn back(app: &App, call: &CallSid, form: &Fields, word: &str) -> Response {
    let place = match form.get("from") {
        "now" => app.frame(None).home().to_owned(),
        _ => format!("{}/calls/{call}", app.base()),
    };
    Redirect::to(&format!("{place}?did={word}")).into_response()
}

/// What is said there.
pub(super) fn notice(did: &str) -> Option<&'static str> {
    match did {
        "done" => Some("Told. What is under way is said to its end first."),
        "not-here" => Some("Not done: the call is over, or another instance carries it."),
        "not-done" => Some("Not done: there was nothing to say, or no such destination."),
        _ => None,
    }
}
