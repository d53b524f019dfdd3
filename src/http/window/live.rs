//! The live feed: pushed over a socket, or asked for. Both tell the same pieces, and both can begin anywhere.
//!
//! A reader that is slow is not given up: while it takes one message, the next is not made, and tells then all that has
//! changed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, Request, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::badge::{Viewer, allowed_origin, is_allowed_page, judge_at_socket};
use super::{READ_PATIENCE, call};
use crate::bridge::CallerSocket;
use crate::dashboard::Cursor;
use crate::domain::{CallRecord, CallSid, Turn};
use crate::http::App;
use crate::http::refusal::Refusal;
use crate::http::upgrade::Upgrade;
use crate::registry::Voices;

/// Between two looks at what has changed: the meters move as often.
const BEAT: Duration = Duration::from_millis(500);

/// Every so many beats a socket is asked whether it is there, and its badge whether it is good: every 20 s.
const BEATS_A_PING: u32 = 40;

/// How long a reader may take for one message. One that takes none for so long is gone.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);

/// Room for two snapshots of the most calls a process carries, some 1.2 KB each.
const MAX_WRITE_BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// A page says nothing on its socket.
const MAX_HEARD_BYTES: usize = 4 * 1024;

/// What is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// Up to where the page has seen everything.
    #[serde(default)]
    since: String,
    /// Which call; without it, all that are in flight.
    call: Option<CallSid>,
}

/// What a page has seen.
#[derive(Debug)]
struct Seen {
    cursor: Option<Cursor>,
    call: Option<(CallSid, Watched)>,
}

/// What a page has seen of one call.
#[derive(Debug, Default)]
struct Watched {
    /// What is kept of it: its record, and what was said in streams before this one.
    kept: Option<(CallRecord, Vec<Turn>)>,
    last: Option<(u64, Voices)>,
}

/// The socket of a page.
pub(super) async fn live(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    request: Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    let viewer = match judge_at_socket(&parts, &app) {
        Ok(viewer) => viewer,
        Err(refusal) => return refusal.into_response(),
    };
    if !is_allowed_page(&parts.headers, &app) {
        return Refusal::new(StatusCode::FORBIDDEN, "origin")
            .with("hint", "a page of another place asks; allow it in CORS_ORIGINS")
            .into_response();
    }
    if !app.window.push {
        return Refusal::new(StatusCode::NOT_FOUND, "push_is_off")
            .with("hint", "WEBSOCKET_ENABLED is false: ask /live/poll")
            .into_response();
    }
    let upgrade = match Upgrade::of(&mut parts) {
        Ok(upgrade) => upgrade,
        Err(refusal) => return refusal.into_response(),
    };
    let Ok(place) = Arc::clone(&app.window.viewers).try_acquire_owned() else {
        return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_viewers").into_response();
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(MAX_HEARD_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .max_message_size(Some(MAX_HEARD_BYTES))
        .max_frame_size(Some(MAX_HEARD_BYTES));
    let (response, opening) = upgrade.accept(config);
    let (viewed, stop) = (Arc::clone(&app), app.tasks.hard().clone());
    app.tasks.spawn_background("viewer", async move {
        let _place = place;
        let Ok(socket) = opening.await else { return };
        let _over = stop.run_until_cancelled(push(&viewed, &viewer, Seen::of(asked), socket)).await;
    });
    response
}

/// The same, asked for.
pub(super) async fn poll(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let mut seen = Seen::of(asked);
    let news = app.news(&viewer, &mut seen).await.unwrap_or_default();
    let mut response = ([(CONTENT_TYPE, "text/html; charset=utf-8")], news).into_response();
    let origin = allowed_origin(&headers, &app).and_then(|origin| HeaderValue::from_str(origin).ok());
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(VARY, HeaderValue::from_static("origin"));
    }
    response
}

async fn push(app: &Arc<App>, viewer: &Viewer, mut seen: Seen, mut socket: CallerSocket) {
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count: u32 = 0;
    loop {
        tokio::select! {
            _ = beats.tick() => {}
            heard = socket.next() => match heard {
                // Pings and close frames are answered by the library.
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return,
            },
        }
        let first = count == 0;
        let message = match app.news(viewer, &mut seen).await {
            Some(news) => Some(Message::Text(news.into())),
            // A page that has seen everything learns at least that it is listened to.
            None if first => Some(Message::Text(Default::default())),
            None if count.is_multiple_of(BEATS_A_PING) => Some(Message::Ping(Bytes::new())),
            None => None,
        };
        count = count.wrapping_add(1).max(1);
        if count.is_multiple_of(BEATS_A_PING) && !app.still_lets_in(viewer) {
            return;
        }
        if let Some(message) = message
            && !matches!(timeout(TAKEN_WITHIN, socket.send(message)).await, Ok(Ok(())))
        {
            return;
        }
    }
}

impl App {
    /// What a page has not seen; nothing, when it has seen everything.
    async fn news(self: &Arc<Self>, viewer: &Viewer, seen: &mut Seen) -> Option<String> {
        if let Some((call, watched)) = &mut seen.call {
            let board = self.registry.board(call)?;
            let now = (board.changes(), board.voices());
            if watched.last == Some(now) {
                return None;
            }
            if watched.kept.is_none() {
                watched.kept = call::kept(self, call).await;
            }
            let (record, earlier) = watched.kept.as_ref()?;
            watched.last = Some(now);
            return Some(call::pieces(self, viewer, &board, record, earlier));
        }
        self.bring_up_to_date();
        let (news, cursor) =
            self.window.feed.look(|sheet| (sheet.since(seen.cursor.as_ref()), sheet.cursor()));
        seen.cursor = Some(cursor);
        news
    }

    /// Puts on the sheet what calls show now: those here, and those that others are known to carry.
    pub(super) fn bring_up_to_date(self: &Arc<Self>) {
        let now_ms = (self.clock)();
        if self.window.elsewhere.is_due(now_ms) {
            let (app, stop) = (Arc::clone(self), self.tasks.hard().clone());
            self.tasks.spawn_background("calls elsewhere", async move {
                let look = app.window.elsewhere.look(
                    &*app.slots,
                    &*app.ledger,
                    &*app.directory,
                    &app.instance,
                    now_ms,
                );
                let _late = stop.run_until_cancelled(timeout(READ_PATIENCE, look)).await;
            });
        }
        let mut boards = self.registry.boards();
        let here: BTreeSet<CallSid> = boards.iter().map(|it| it.look(|shown| shown.call.clone())).collect();
        let others = self.window.elsewhere.boards();
        boards.extend(others.into_iter().filter(|it| it.look(|shown| !here.contains(&shown.call))));
        self.window.feed.update(&boards);
    }

    fn still_lets_in(&self, viewer: &Viewer) -> bool {
        viewer.badge.as_ref().is_none_or(|badge| {
            self.window.key.is_good(badge, self.now_unix()) && !self.window.left.contains_key(badge)
        })
    }
}

impl Seen {
    fn of(asked: Asked) -> Self {
        Self { cursor: asked.since.parse().ok(), call: asked.call.map(|call| (call, Watched::default())) }
    }
}
