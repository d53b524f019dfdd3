//! The window: pages for people who want to see what calls do, kept up to date while they look. What the pages look like is
//! `dashboard`'s; here is who may see them, and how a browser asks.
//!
//! Nothing here is on a caller's way. A page shows what was said and who called, which is its purpose; none of it is
//! written into the log.

mod assets;
mod badge;
mod businesses;
mod call;
mod calls;
mod door;
mod live;
mod operate;
mod phone;
mod posted;
mod replay;
mod status;

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use moka::sync::Cache;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use self::badge::{BADGE_SECONDS, Key, Viewer};
use super::{App, health};
use crate::dashboard::{Elsewhere, Feed, Frame, now_page, sorry_page};
use crate::domain::{InstanceId, PublicUrl};
use crate::store::StoreError;

/// How long a page waits for what is kept.
const READ_PATIENCE: Duration = Duration::from_secs(5);

/// How long a page waits for something to be written.
const WRITE_PATIENCE: Duration = Duration::from_secs(15);

/// How many people watch one instance at once; each is a socket and a few tens of KB.
const MOST_VIEWERS: usize = 200;

/// How many event logs are run again at once: each is some hundred MB of memory for a moment, and a core.
const MOST_REPLAYS: usize = 1;

/// How many addresses that showed a wrong token are remembered for a minute, so that they fill no log.
const MOST_WRONG: u64 = 10_000;

/// How many badges of people who logged out are remembered until they are over anyway.
const MOST_LEFT: u64 = 10_000;

/// What a page may do: show what is ours, and talk to us. No script but our files, no style but our one sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What else of a machine a page may use: nothing, unless it says so itself.
const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");

/// The same where there is a telephone.
const PERMISSIONS_OF_PHONE: &str = "camera=(), microphone=(self), geolocation=()";

/// How the window is set up.
#[derive(Debug, Clone)]
pub struct WindowSettings {
    /// Whose pages may watch beside our own: origins like `https://desk.example.com`.
    pub origins: Vec<String>,
    /// Whether changes are pushed over a socket; else pages ask for them.
    pub push: bool,
}

/// What the pages need beside what all of `http` has.
pub struct Window {
    key: Key,
    origins: Vec<String>,
    push: bool,
    base: String,
    feed: Feed,
    elsewhere: Elsewhere,
    viewers: Arc<Semaphore>,
    replays: Semaphore,
    wrong: Cache<IpAddr, Arc<AtomicU32>>,
    left: Cache<String, ()>,
}

impl Window {
    /// A window nobody looks through yet. `token` is what people log in with; `instance` and the time name its feed, so
    /// that a page that comes from another process is not taken for one that has seen ours.
    pub fn new(
        settings: WindowSettings,
        token: Option<&SecretString>,
        public_url: &PublicUrl,
        instance: &InstanceId,
        now_ms: i64,
    ) -> Self {
        let base = super::prefix(public_url).to_owned();
        let minute = Duration::from_secs(60);
        let badge = Duration::from_secs(u64::try_from(BADGE_SECONDS).unwrap_or(0));
        Self {
            key: Key::of(token),
            origins: settings.origins,
            push: settings.push,
            feed: Feed::new(&format!("{instance}.{now_ms}"), &base),
            elsewhere: Elsewhere::new(),
            base,
            viewers: Arc::new(Semaphore::new(MOST_VIEWERS)),
            replays: Semaphore::new(MOST_REPLAYS),
            wrong: Cache::builder().max_capacity(MOST_WRONG).time_to_live(minute).build(),
            left: Cache::builder().max_capacity(MOST_LEFT).time_to_live(badge).build(),
        }
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("push", &self.push).finish_non_exhaustive()
    }
}

impl App {
    /// What stands before every path of a page: empty, or the path of the public URL.
    fn base(&self) -> &str {
        &self.window.base
    }

    /// Whether people reach us over TLS.
    fn is_secure(&self) -> bool {
        self.public_url.as_str().starts_with("https:")
    }

    /// What stands around the pages of whoever looks.
    fn frame<'a>(&'a self, viewer: Option<&'a Viewer>) -> Frame<'a> {
        Frame {
            base: self.base(),
            seal: viewer.map_or("", |viewer| &viewer.seal),
            can_leave: viewer.is_some_and(|viewer| viewer.badge.is_some()),
            push: self.window.push,
            draining: self.tasks.draining(),
        }
    }
}

/// The pages, and what belongs to them.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(now))
        .route("/live", get(live::live))
        .route("/live/poll", get(live::poll))
        .route("/calls", get(calls::list))
        .route("/calls/{sid}", get(call::show))
        .route("/calls/{sid}/operate", get(operate::unfold))
        .route("/calls/{sid}/hang-up", post(operate::hang_up))
        .route("/calls/{sid}/transfer", post(operate::transfer))
        .route("/calls/{sid}/say", post(operate::say))
        .route("/calls/{sid}/log/{attempt}", get(replay::download))
        .route("/calls/{sid}/replay/{attempt}", get(replay::show))
        .route("/calls/{sid}/recording/{attempt}", get(call::recording))
        .route("/calls/{sid}/voicemail/{recording}", get(call::voicemail))
        .route("/businesses", get(businesses::list).post(businesses::create))
        .route("/businesses/new", get(businesses::new))
        .route("/businesses/{id}", get(businesses::edit).post(businesses::save))
        .route("/businesses/{id}/call", post(phone::call))
        .route("/phone/media", any(phone::media))
        .route("/phone/over", post(phone::over))
        .route("/status", get(status::show))
        .route("/login", get(door::ask).post(door::enter))
        .route("/logout", post(door::leave))
        .route("/assets/window.css", get(assets::style))
        .route("/assets/window.js", get(assets::script))
        .route("/assets/phone.js", get(assets::phone))
        .route("/assets/phone-line.js", get(assets::phone_line))
        .route("/assets/icon.svg", get(assets::icon))
        .layer(CatchPanicLayer::custom(|_: Box<dyn Any + Send>| panicked()))
        .layer(middleware::map_response(closed))
}

/// What every page says to a browser: run nothing, show it in no frame, keep nothing, tell nobody whence one comes.
async fn closed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // `no-referrer` would also take the origin off our own forms.
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers
        .entry(PERMISSIONS)
        .or_insert(HeaderValue::from_static("camera=(), microphone=(), geolocation=()"));
    response
}

fn panicked() -> Response {
    tracing::error!("a page could not be shown because our code panicked");
    (StatusCode::INTERNAL_SERVER_ERROR, "this page failed; the log says why\n").into_response()
}

#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    did: String,
}

/// The calls in flight. Whoever opens the bare host with `curl` is told who answers there.
async fn now(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    request: axum::extract::Request,
) -> Response {
    use axum::extract::FromRequestParts as _;
    let person =
        headers.get(ACCEPT).and_then(|it| it.to_str().ok()).is_some_and(|it| it.contains("text/html"));
    if !person {
        return health::who_am_i().await.into_response();
    }
    let (mut parts, _) = request.into_parts();
    match Viewer::from_request_parts(&mut parts, &app).await {
        Ok(viewer) => {
            app.bring_up_to_date();
            let notice = operate::notice(&asked.did);
            app.window.feed.look(|sheet| now_page(&app.frame(Some(&viewer)), sheet, notice)).into_response()
        }
        Err(stranger) => stranger,
    }
}

/// A page that says what went wrong.
fn sorry(app: &App, viewer: &Viewer, status: StatusCode, title: &str, why: &str) -> Response {
    (status, sorry_page(&app.frame(Some(viewer)), title, why)).into_response()
}

/// What the store answers within a patience; a page that says that it does not.
async fn within<T>(
    app: &App,
    viewer: &Viewer,
    patience: Duration,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, Response> {
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            tracing::warn!(%error, "a page could not be shown");
            Err(sorry(
                app,
                viewer,
                StatusCode::SERVICE_UNAVAILABLE,
                "The store does not answer",
                &error.to_string(),
            ))
        }
        Err(_late) => {
            let why = "It has taken too long. Calls go on without it; load this page again in a moment.";
            Err(sorry(app, viewer, StatusCode::SERVICE_UNAVAILABLE, "The store does not answer", why))
        }
    }
}

#[cfg(test)]
mod tests;
