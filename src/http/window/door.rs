//! Logging in and out.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::{ConnectInfo, FromRequest, Query, Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::badge::{Viewer, is_own_page, set_cookie};
use super::posted::{Fields, Posted, fields};
use crate::dashboard::{DoorWord, login_page};
use crate::http::App;
use crate::http::admin::is_same;

/// How many wrong tokens of one address are written down in a minute. Nobody guesses a token of 128 bits, and the API lets
/// as many be tried: what is limited is the log. Nobody is kept out for it, since behind a proxy all have one address.
const MOST_WRITTEN: u32 = 10;

/// The token and where to go, and room for a long paste.
const MAX_BYTES: usize = 4 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    next: String,
    did: String,
}

/// Asks for the token; whoever may look already goes on.
pub(super) async fn ask(State(app): State<Arc<App>>, Query(asked): Query<Asked>) -> Response {
    if app.admin_token.is_none() {
        return Redirect::to(app.frame(None).home()).into_response();
    }
    let word = if asked.did == "left" { DoorWord::Left } else { DoorWord::Nothing };
    login_page(&app.frame(None), inner(&asked.next), word).into_response()
}

/// Takes the token, and gives a badge for it.
pub(super) async fn enter(State(app): State<Arc<App>>, request: Request) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let own = is_own_page(request.headers(), &app);
    let Ok(fields) = fields(request.into_body(), MAX_BYTES).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let next = inner(fields.get("next")).to_owned();
    let refuse = |status: StatusCode, why: &str| {
        (status, login_page(&app.frame(None), &next, DoorWord::Wrong(why))).into_response()
    };
    if !own {
        return refuse(StatusCode::FORBIDDEN, "This form was not sent by this page. Try again here.");
    }
    let Some(token) = &app.admin_token else {
        return Redirect::to(app.frame(None).home()).into_response();
    };
    if !is_same(fields.get("token").trim().as_bytes(), token) {
        let times = app.window.wrong(peer).fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if times <= MOST_WRITTEN {
            let last = times == MOST_WRITTEN;
            tracing::warn!(times, last, "somebody showed a wrong token at the login page");
        }
        return refuse(StatusCode::FORBIDDEN, "That is not the token.");
    }
    tracing::info!("an operator logged in");
    let badge = app.window.key.badge(app.now_unix());
    let onward =
        if next == "/" { app.frame(None).home().to_owned() } else { format!("{}{next}", app.base()) };
    with_cookie(Redirect::to(&onward), &set_cookie(&app, &badge))
}

/// Takes the badge away: from the browser, and from whoever has a copy of it here. Another instance learns nothing of it. It
/// would have to ask the store at every request, for the sake of a copy that nobody should have.
pub(super) async fn leave(State(app): State<Arc<App>>, request: Request) -> Response {
    match Posted::from_request(request, &app).await {
        Ok(Posted { viewer: Viewer { badge, .. }, .. }) => {
            if let Some(badge) = badge {
                app.window.left.insert(badge, ());
            }
            with_cookie(Redirect::to(&format!("{}/login?did=left", app.base())), &set_cookie(&app, ""))
        }
        Err(refused) => refused,
    }
}

fn with_cookie(redirect: Redirect, cookie: &str) -> Response {
    let mut response = redirect.into_response();
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// A path of ours and nothing that leads away.
fn inner(next: &str) -> &str {
    let plain = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n']);
    if plain { next } else { "/" }
}

impl super::Window {
    /// How often this address was wrong lately.
    fn wrong(&self, peer: Option<IpAddr>) -> Arc<AtomicU32> {
        let peer = peer.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        self.wrong.get_with(peer, Arc::default)
    }
}

impl Fields {
    /// The value of a field; empty when it was not sent.
    pub(super) fn get(&self, name: &str) -> &str {
        self.sent(name).unwrap_or_default()
    }
}
