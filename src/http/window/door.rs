//! Logging in and out.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::{ConnectInfo, FromRequest, Query, Request, State};
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::badge::{Viewer, is_own_page, set_cookie};
use super::posted::{Fields, Posted, fields};
use crate::dashboard::login_page;
use crate::http::App;
use crate::http::admin::is_same;

/// How often one address may be wrong in a minute. Nobody guesses a token of 128 bits; who tries fills no log.
const MOST_WRONG: u32 = 10;

/// The token and where to go, and room for a long paste.
const MAX_BYTES: usize = 4 * 1024;

#[derive(Debug, Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    next: String,
}

/// Asks for the token; whoever may look already goes on.
pub(super) async fn ask(State(app): State<Arc<App>>, Query(Next { next }): Query<Next>) -> Response {
    if app.admin_token.is_none() {
        return Redirect::to(app.frame(None).home()).into_response();
    }
    login_page(&app.frame(None), inner(&next), None).into_response()
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
        (status, login_page(&app.frame(None), &next, Some(why))).into_response()
    };
    if !own {
        return refuse(StatusCode::FORBIDDEN, "This form was not sent by this page. Try again here.");
    }
    let Some(token) = &app.admin_token else {
        return Redirect::to(app.frame(None).home()).into_response();
    };
    let wrong = app.window.wrong(peer);
    if wrong.load(Ordering::Relaxed) >= MOST_WRONG {
        let mut response =
            refuse(StatusCode::TOO_MANY_REQUESTS, "Too many wrong tokens. Wait a minute and try again.");
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
        return response;
    }
    if !is_same(fields.get("token").trim().as_bytes(), token) {
        let times = wrong.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::warn!(times, "somebody showed a wrong token at the login page");
        return refuse(StatusCode::FORBIDDEN, "That is not the token.");
    }
    tracing::info!("an operator logged in");
    let badge = app.window.key.badge(app.now_unix());
    let onward =
        if next == "/" { app.frame(None).home().to_owned() } else { format!("{}{next}", app.base()) };
    with_cookie(Redirect::to(&onward), &set_cookie(&app, &badge))
}

/// Takes the badge away.
pub(super) async fn leave(State(app): State<Arc<App>>, request: Request) -> Response {
    match Posted::from_request(request, &app).await {
        Ok(Posted { viewer: Viewer { badge, .. }, .. }) => {
            if let Some(badge) = badge {
                app.window.left.insert(badge, ());
            }
            with_cookie(Redirect::to(&format!("{}/login", app.base())), &set_cookie(&app, ""))
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
        self.all(name).next().unwrap_or_default()
    }
}
