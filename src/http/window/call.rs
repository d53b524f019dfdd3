//! One call: its record, its way, its words; its recording to be heard.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::badge::Viewer;
use super::operate::notice;
use super::{READ_PATIENCE, sorry, within};
use crate::bridge::{Shelf, step_of};
use crate::call::event_log;
use crate::call::{Effect, Output};
use crate::dashboard::{Audio, CallPage, Ladder, Stream, call_page, live_pieces, turns_of};
use crate::domain::{CallRecord, CallSid, RecordingSid, Turn};
use crate::http::App;
use crate::http::api::hear;
use crate::http::media::ACCEPTED;
use crate::http::range::{self, Part};
use crate::registry::{Board, Rung, Shown, State as Standing, Step};

/// The bars of a waveform: as many as are a few pixels wide on a wide page.
const BARS: usize = 240;

/// The rungs of one stream that are read from its event log.
const MOST_RUNGS: usize = 2_000;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    numbers: String,
    #[serde(default)]
    did: String,
}

/// The page of a call.
pub(super) async fn show(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path(call): Path<CallSid>,
    Query(asked): Query<Asked>,
) -> Response {
    match whole(&app, &viewer, &call).await {
        Ok(page) => {
            let unmasked = asked.numbers == "shown";
            if unmasked {
                tracing::info!(call.id = %call, "an operator looked at a caller's number");
            }
            let page = CallPage { unmasked, notice: notice(&asked.did), ..page };
            call_page(&app.frame(Some(&viewer)), &page).into_response()
        }
        Err(sorry) => sorry,
    }
}

async fn whole(app: &Arc<App>, viewer: &Viewer, call: &CallSid) -> Result<CallPage, Response> {
    let record = within(app, viewer, READ_PATIENCE, app.ledger.call(call)).await?;
    let Some(record) = record else {
        let why = "There is no call of this name, or it was never written down.";
        return Err(sorry(app, viewer, StatusCode::NOT_FOUND, "No such call", why));
    };
    let kept = async { tokio::try_join!(app.ledger.turns(call), app.ledger.voicemails_in(call)) };
    let (mut turns, voicemails) = within(app, viewer, READ_PATIENCE, kept).await?;
    let business = tokio::time::timeout(READ_PATIENCE, app.directory.business(&record.business)).await;
    let business = business.ok().and_then(Result::ok).flatten().map(|business| business.name);
    let shelf = app.bridge.shelf();
    let logs = shelf.logs(call, record.attempts).await;
    let shown = app.registry.board(call).map(|board| (board.shown(), board.voices()));
    let live = shown.as_ref().is_some_and(|(shown, _)| !matches!(shown.state, Standing::Over(_)));
    let streams = streams(app, call, &logs, shown.as_ref().map(|(shown, _)| shown), live).await;
    if let Some((shown, _)) = shown.as_ref().filter(|_| live) {
        // What is not kept yet stands on the board already.
        let kept: Vec<_> = turns.iter().map(|turn| (turn.attempt, turn.number)).collect();
        turns.extend(turns_of(shown).into_iter().filter(|turn| !kept.contains(&(turn.attempt, turn.number))));
    }
    let audio = if live { Vec::new() } else { audio(&shelf, &record).await };
    let ladder = Ladder { streams, ..way(app, call) };
    let (unmasked, notice) = (false, None);
    Ok(CallPage { record, business, turns, voicemails, ladder, shown, logs, audio, unmasked, notice })
}

/// What is kept of a call that somebody watches: its record, and what was said before this stream.
pub(super) async fn kept(app: &App, call: &CallSid) -> Option<(CallRecord, Vec<Turn>)> {
    let kept = async { tokio::try_join!(app.ledger.call(call), app.ledger.turns(call)) };
    let (record, turns) = tokio::time::timeout(READ_PATIENCE, kept).await.ok()?.ok()?;
    Some((record?, turns))
}

/// What changes of the page while the call goes on, by its board and by what was kept of it before.
pub(super) fn pieces(
    app: &App,
    viewer: &Viewer,
    board: &Board,
    record: &CallRecord,
    kept: &[Turn],
) -> String {
    let shown = board.shown();
    let stream = of_board(&shown);
    let earlier = kept.iter().filter(|turn| turn.attempt < shown.attempt).cloned();
    let page = CallPage {
        record: record.clone(),
        business: Some(shown.name.clone()),
        turns: earlier.chain(turns_of(&shown)).collect(),
        voicemails: Vec::new(),
        ladder: Ladder { streams: vec![stream], ..way(app, &shown.call) },
        logs: Vec::new(),
        audio: Vec::new(),
        unmasked: false,
        notice: None,
        shown: Some((shown, board.voices())),
    };
    live_pieces(&app.frame(Some(viewer)), &page).into_string()
}

fn of_board(shown: &Shown) -> Stream {
    let rungs = shown.rungs.iter().cloned().collect();
    Stream { attempt: shown.attempt, began_ms: shown.began_ms, rungs }
}

/// What this instance remembers of the way between webhook and media socket.
fn way(app: &App, call: &CallSid) -> Ladder {
    let trail = &app.trail;
    let mut ladder = Ladder::default();
    for sent in trail.sent().into_iter().filter(|sent| sent.call == *call) {
        ladder.twiml_ms.push(sent.at_ms);
    }
    let first = ladder.twiml_ms.iter().min().copied();
    for upgrade in trail.upgrades().into_iter().rev().chain(trail.upgrades_from_pages()) {
        let ours = upgrade.call.as_ref() == Some(call);
        if ours {
            ladder.upgrades.push((upgrade.at_ms, upgrade.verdict == ACCEPTED, upgrade.why));
        }
    }
    for error in trail.stream_errors().into_iter().rev().filter(|error| error.call == *call) {
        ladder.stream_errors.push((error.at_ms, format!("{}: {}", error.error, error.meaning)));
    }
    ladder.finding =
        trail.findings().into_iter().find(|finding| finding.call == *call).map(|found| found.says);
    // A handshake that was refused says no call: it is shown where nothing else came.
    if let Some(first) = first.filter(|_| ladder.upgrades.is_empty()) {
        let meanwhile = |at_ms: i64| (first..first.saturating_add(30_000)).contains(&at_ms);
        if let Some(refused) = trail.attempt(|it| it.verdict != ACCEPTED && meanwhile(it.at_ms)) {
            ladder.upgrades.push((refused.at_ms, false, refused.why));
        }
    }
    ladder
}

/// The streams of a call: from the board while it goes on, from the event logs when it is over, from what the board showed
/// last where there is no log.
async fn streams(
    app: &Arc<App>,
    call: &CallSid,
    logs: &[u8],
    shown: Option<&Shown>,
    live: bool,
) -> Vec<Stream> {
    let mut streams = Vec::new();
    for attempt in logs {
        let on_board = shown.filter(|shown| shown.attempt == *attempt);
        if let Some(shown) = on_board {
            streams.push(of_board(shown));
            continue;
        }
        streams.extend(from_log(app, call, *attempt).await);
    }
    if let Some(shown) = shown.filter(|shown| live || !logs.contains(&shown.attempt))
        && !streams.iter().any(|stream| stream.attempt == shown.attempt)
    {
        streams.push(of_board(shown));
    }
    streams
}

/// The story of one stream, run again beside the threads that carry calls.
async fn from_log(app: &Arc<App>, call: &CallSid, attempt: u8) -> Option<Stream> {
    let _place = app.window.replays.acquire().await.ok()?;
    let log = app.bridge.shelf().log(call, attempt).await.ok().flatten()?;
    let told = tokio::task::spawn_blocking(move || story(&log)).await;
    told.ok().flatten()
}

fn story(log: &str) -> Option<Stream> {
    let brief = event_log::brief(log).ok()?;
    let mut rungs = vec![Rung { at_ms: 0, step: Step::ModelDialled }];
    // Where the machine of today decides otherwise, what it did until then is true all the same.
    let _verdict = event_log::replay(log, |at, _, outputs| {
        for output in outputs {
            let step = match output {
                Output::Note(note) => step_of(note),
                Output::Effect(_, Effect::DialModel) => Some(Step::ModelDialled),
                Output::Effect(..) | Output::Caller(_) | Output::Model(_) | Output::Recording(_) => None,
            };
            if let Some(step) = step.filter(|_| rungs.len() < MOST_RUNGS) {
                rungs.push(Rung { at_ms: at.as_millis(), step });
            }
        }
    });
    Some(Stream { attempt: brief.attempt, began_ms: brief.began_ms, rungs })
}

async fn audio(shelf: &Shelf, record: &CallRecord) -> Vec<Audio> {
    let mut all = Vec::new();
    for recording in &record.recordings {
        let Ok(Some(wav)) = shelf.recording(recording).await else { continue };
        let peaks = tokio::task::spawn_blocking(move || Shelf::peaks(&wav, BARS)).await;
        let peaks = peaks.unwrap_or_default();
        all.push(Audio { attempt: recording.attempt, length_ms: recording.length_ms, peaks });
    }
    all
}

/// A recording, or the part of it a player asks for.
pub(super) async fn recording(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path((call, attempt)): Path<(CallSid, u8)>,
    headers: HeaderMap,
) -> Response {
    let record = match within(&app, &viewer, READ_PATIENCE, app.ledger.call(&call)).await {
        Ok(record) => record,
        Err(sorry) => return sorry,
    };
    let recording = record.and_then(|it| it.recordings.into_iter().find(|it| it.attempt == attempt));
    let Some(recording) = recording else { return StatusCode::NOT_FOUND.into_response() };
    match app.bridge.shelf().recording(&recording).await {
        Ok(Some(wav)) => {
            let part = Part::of(&headers, wav.len());
            let piece = part.map_or(wav.as_slice(), |part| wav.get(part.from..part.to).unwrap_or_default());
            let mut response = ([(CONTENT_TYPE, "audio/wav")], piece.to_vec()).into_response();
            range::mark(&mut response, part);
            response
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(%error, "a recording cannot be read");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A voicemail, as Twilio has it.
pub(super) async fn voicemail(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path((call, recording)): Path<(CallSid, RecordingSid)>,
    headers: HeaderMap,
) -> Response {
    match within(&app, &viewer, READ_PATIENCE, app.ledger.call(&call)).await {
        Ok(Some(record)) => match hear(&app, &record.business, recording, Some(&headers)).await {
            Ok(audio) => audio,
            Err(problem) => problem.into_response(),
        },
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(sorry) => sorry,
    }
}
