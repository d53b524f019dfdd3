//! An event log on a page: run again beside the threads that carry calls, told in sentences; and the log itself.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::badge::Viewer;
use super::sorry;
use crate::call::event_log::{self, LogError, Verdict};
use crate::call::told::{Kind, Teller};
use crate::dashboard::{ReplayLine, ReplayPage, replay_page};
use crate::domain::CallSid;
use crate::http::App;

/// What a browser shows without trouble, and a person does not read to its end.
const MOST_LINES: usize = 4_000;

pub(super) async fn show(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path((call, attempt)): Path<(CallSid, u8)>,
) -> Response {
    let log = match log(&app, &viewer, &call, attempt).await {
        Ok(log) => log,
        Err(sorry) => return sorry,
    };
    let Ok(_place) = app.window.replays.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let told = tokio::task::spawn_blocking(move || tell(&log)).await;
    match told {
        Ok(Ok((lines, left_out, verdict))) => {
            let page = ReplayPage { call: call.to_string(), attempt, lines, left_out, verdict };
            replay_page(&app.frame(Some(&viewer)), &page).into_response()
        }
        Ok(Err(error)) => {
            sorry(&app, &viewer, StatusCode::CONFLICT, "This log cannot be run again", &error.to_string())
        }
        Err(_panicked) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The log, as `frontdesk replay` takes it.
pub(super) async fn download(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path((call, attempt)): Path<(CallSid, u8)>,
) -> Response {
    let log = match log(&app, &viewer, &call, attempt).await {
        Ok(log) => log,
        Err(sorry) => return sorry,
    };
    tracing::info!(call.id = %call, attempt, "an operator took an event log");
    let mut response = log.into_response();
    let name = format!("attachment; filename=\"{call}-{attempt}.jsonl\"");
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    if let Ok(name) = HeaderValue::try_from(name) {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    response
}

async fn log(app: &App, viewer: &Viewer, call: &CallSid, attempt: u8) -> Result<String, Response> {
    match app.bridge.shelf().log(call, attempt).await {
        Ok(Some(log)) => Ok(log),
        Ok(None) => {
            let why = "It was kept by another instance, is too old or too long, or EVENT_LOG_DAYS is 0.";
            Err(sorry(app, viewer, StatusCode::NOT_FOUND, "No event log here", why))
        }
        Err(error) => {
            tracing::error!(%error, "an event log cannot be read");
            Err(StatusCode::INTERNAL_SERVER_ERROR.into_response())
        }
    }
}

type Told = (Vec<ReplayLine>, usize, (bool, String));

fn tell(log: &str) -> Result<Told, LogError> {
    let (mut lines, mut left_out) = (Vec::new(), 0_usize);
    let mut say = |sentence: crate::call::told::Sentence| {
        if lines.len() >= MOST_LINES {
            left_out += 1;
            return;
        }
        let kind = match sentence.kind {
            Kind::Input | Kind::Audio => "in",
            Kind::Output => "out",
            Kind::Note => "note",
        };
        let at = sentence.at.map(|at| at.to_string()).unwrap_or_default();
        lines.push(ReplayLine { at, kind, text: sentence.text });
    };
    let mut teller = Teller::default();
    let verdict = event_log::replay(log, |at, input, outputs| teller.step(at, input, outputs, &mut say))?;
    teller.finish(&mut say);
    let verdict = match verdict {
        Verdict::Identical { inputs, outputs, cut_off } => {
            let end = if cut_off { "; its last line was cut off" } else { "" };
            (true, format!("{inputs} inputs, {outputs} outputs, identical to the byte{end}."))
        }
        Verdict::Differs { line, at, logged, replayed } => (
            false,
            format!(
                "Line {line}, at {at}: this version decides otherwise than the one that wrote the log. Then: {logged} — now: {replayed}"
            ),
        ),
    };
    Ok((lines, left_out, verdict))
}
