//! Who may look through the window: a person who showed the token, and has a badge for it since; or, where there is no
//! token, whoever sits at this machine. The rules are those of [`Admin`](crate::http::admin::Admin).
//!
//! A badge is a signed cookie: it needs no memory, holds on every instance, and is over when `ADMIN_TOKEN` changes or when
//! twelve hours are over. Who logs out has none any more; a copy of it is refused here, until this process ends.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{ACCEPT, COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::dashboard::sorry_page;
use crate::http::App;
use crate::http::admin::{from_elsewhere, only};
use crate::http::refusal::Refusal;

/// How long a badge is good: a working day. Then the token is shown again.
pub(super) const BADGE_SECONDS: i64 = 12 * 60 * 60;

/// What badges and seals are signed with.
pub(super) struct Key([u8; 32]);

/// Somebody who may look. Whoever wants to change something sends the seal, too.
#[derive(Debug, Clone)]
pub(in crate::http) struct Viewer {
    /// What a form of ours carries, and no other page can know.
    pub(super) seal: String,
    /// The badge, of somebody who logged in.
    pub(super) badge: Option<String>,
}

impl Key {
    /// One that follows from the token; one nobody else has, where there is none.
    pub(super) fn of(token: Option<&SecretString>) -> Self {
        let chance = || format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let word = token.map_or_else(chance, |token| token.expose_secret().to_owned());
        Self(sign(word.as_bytes(), "frontdesk: the key of the window"))
    }

    /// A new badge.
    pub(super) fn badge(&self, now_s: i64) -> String {
        let told = format!("{}.{}", now_s.saturating_add(BADGE_SECONDS), Uuid::new_v4().simple());
        let signature = URL_SAFE_NO_PAD.encode(sign(&self.0, &format!("badge {told}")));
        format!("{told}.{signature}")
    }

    /// Whether a badge is ours and still good.
    pub(super) fn is_good(&self, badge: &str, now_s: i64) -> bool {
        let Some((told, signature)) = badge.rsplit_once('.') else { return false };
        let right = URL_SAFE_NO_PAD.encode(sign(&self.0, &format!("badge {told}")));
        let until_s = told.split('.').next().and_then(|text| text.parse::<i64>().ok());
        bool::from(right.as_bytes().ct_eq(signature.as_bytes())) && until_s.is_some_and(|until| now_s < until)
    }

    /// What the forms carry that are shown to whoever has this badge, or none.
    pub(super) fn seal(&self, badge: Option<&str>) -> String {
        URL_SAFE_NO_PAD.encode(sign(&self.0, &format!("seal {}", badge.unwrap_or("at home"))))
    }
}

fn sign(key: &[u8], words: &str) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        // HMAC takes a key of any length.
        return [0; 32];
    };
    mac.update(words.as_bytes());
    mac.finalize().into_bytes().into()
}

impl FromRequestParts<Arc<App>> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        match judge(parts, app) {
            Ok(viewer) => Ok(viewer),
            Err(Stranger::Elsewhere(sign)) => Err(elsewhere(app, &sign)),
            Err(Stranger::NoBadge) => Err(show_the_door(parts, app)),
        }
    }
}

/// Why somebody may not look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    /// There is no token, and this request is not from this machine.
    Elsewhere(String),
    /// There is one, and they have not shown it.
    NoBadge,
}

/// Who asks.
pub(super) fn judge(parts: &Parts, app: &App) -> Result<Viewer, Stranger> {
    let key = &app.window.key;
    if app.admin_token.is_none() {
        return match from_elsewhere(parts, app.public_url.is_loopback()) {
            None => Ok(Viewer { seal: key.seal(None), badge: None }),
            Some(sign) => Err(Stranger::Elsewhere(sign)),
        };
    }
    let badge = cookie(&parts.headers, cookie_name(app))
        .filter(|badge| key.is_good(badge, app.now_unix()) && !app.window.left.contains_key(*badge));
    let badge = badge.ok_or(Stranger::NoBadge)?;
    Ok(Viewer { seal: key.seal(Some(badge)), badge: Some(badge.to_owned()) })
}

/// Whoever opens a socket from a page of ours, or the word with which they are refused: nobody reads a page there.
pub(super) fn at_socket(parts: &Parts, app: &App) -> Result<Viewer, Refusal> {
    let viewer = judge_at_socket(parts, app)?;
    if is_own_page(&parts.headers, app) {
        return Ok(viewer);
    }
    Err(Refusal::new(StatusCode::FORBIDDEN, "origin")
        .with("hint", "only a page of this server may open this socket"))
}

/// The same, whatever page it is.
pub(super) fn judge_at_socket(parts: &Parts, app: &App) -> Result<Viewer, Refusal> {
    judge(parts, app).map_err(|stranger| match stranger {
        Stranger::NoBadge => Refusal::new(StatusCode::UNAUTHORIZED, "log_in_first"),
        Stranger::Elsewhere(_) => Refusal::new(StatusCode::FORBIDDEN, "only_this_machine"),
    })
}

/// A person is led to the door, and back to where they wanted to go; a program is told.
fn show_the_door(parts: &Parts, app: &App) -> Response {
    let person =
        parts.headers.get(ACCEPT).and_then(|it| it.to_str().ok()).is_some_and(|it| it.contains("text/html"));
    if !person {
        return (StatusCode::UNAUTHORIZED, "log in first\n").into_response();
    }
    let wanted = if parts.method.is_safe() { parts.uri.path() } else { "/" };
    let wanted = wanted.strip_prefix(app.base()).unwrap_or(wanted);
    let next: String = url::form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
    Redirect::to(&format!("{}/login?next={next}", app.base())).into_response()
}

fn elsewhere(app: &App, sign: &str) -> Response {
    let why = format!(
        "ADMIN_TOKEN is not set, so only this machine is answered, and {sign}. Set ADMIN_TOKEN to the output of \
         `openssl rand -hex 32`, and log in with it."
    );
    let page = sorry_page(&app.frame(None), "Only for this machine", &why);
    (StatusCode::FORBIDDEN, page).into_response()
}

/// With the prefix, no other host and no plain connection can plant a badge.
pub(super) fn cookie_name(app: &App) -> &'static str {
    if app.is_secure() { "__Host-frontdesk" } else { "frontdesk" }
}

/// The `Set-Cookie` of a badge; an empty one takes it away.
pub(super) fn set_cookie(app: &App, badge: &str) -> String {
    let secure = if app.is_secure() { "; Secure" } else { "" };
    let age = if badge.is_empty() { 0 } else { BADGE_SECONDS };
    format!("{}={badge}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}", cookie_name(app))
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(called, _)| *called == name).map(|(_, value)| value)
}

/// Whether a page of ours asks. A browser says whose page it is with every form and every socket.
pub(super) fn is_own_page(headers: &HeaderMap, app: &App) -> bool {
    let Some(origin) = only(headers, &ORIGIN) else { return false };
    if origin == own_origin(app) {
        return true;
    }
    let host = only(headers, &HOST).unwrap_or_default();
    origin
        .split_once("://")
        .is_some_and(|(scheme, name)| matches!(scheme, "http" | "https") && name.eq_ignore_ascii_case(host))
}

/// The same, or a page of a place that is allowed to (`CORS_ORIGINS`).
pub(super) fn is_allowed_page(headers: &HeaderMap, app: &App) -> bool {
    is_own_page(headers, app) || allowed_origin(headers, app).is_some()
}

/// The origin of a page elsewhere that is allowed to ask.
pub(super) fn allowed_origin<'h>(headers: &'h HeaderMap, app: &App) -> Option<&'h str> {
    only(headers, &ORIGIN).filter(|origin| app.window.origins.iter().any(|allowed| allowed == origin))
}

/// Scheme, host and port of the public URL.
fn own_origin(app: &App) -> &str {
    let url = app.public_url.as_str();
    let host_at = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(host_at..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| host_at + at);
    url.get(..end).unwrap_or(url)
}
