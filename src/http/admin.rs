//! An operator. A handler that needs one takes an [`Admin`]; it cannot be reached without.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::{ACCEPT, AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::App;
use super::problem::{Kind, Problem};

/// Headers of proxies: whoever sends one is not on this machine, or wants to look as if somebody else were not.
const FORWARDED: [&str; 8] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "fly-client-ip",
    "cf-connecting-ip",
];

/// What a request that is refused for want of a token should do.
const REMEDY: &str =
    "set ADMIN_TOKEN to the output of `openssl rand -hex 32`, and send it as `Authorization: Bearer …`";

/// Somebody who may see and change everything.
///
/// With `ADMIN_TOKEN` set, whoever shows it. A person with a browser may show it as the password of Basic
/// authentication, to read: browsers repeat such a password for every page that makes them ask, so it changes nothing.
///
/// Without it, whoever asks on this machine, of a server nobody else can reach. A peer on loopback proves nothing when
/// `PUBLIC_URL` is public: then a proxy or a tunnel on this machine may bring us the world, and not every one says so.
#[derive(Debug)]
pub(super) struct Admin(());

impl FromRequestParts<Arc<App>> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Some(token) = &app.admin_token else {
            return match from_elsewhere(parts, app.public_url.is_loopback()) {
                None => Ok(Self(())),
                Some(sign) => Err(Problem::new(
                    Kind::LoopbackOnly,
                    format!("ADMIN_TOKEN is not set, so only this machine is answered, and {sign}: {REMEDY}"),
                )),
            };
        };
        if shown(parts).is_some_and(|shown| is_same(&shown, token)) {
            return Ok(Self(()));
        }
        let refused =
            Problem::new(Kind::Unauthorized, "send the value of ADMIN_TOKEN as `Authorization: Bearer …`")
                .with_header(WWW_AUTHENTICATE, "Bearer");
        let person = parts
            .headers
            .get(ACCEPT)
            .and_then(|it| it.to_str().ok())
            .is_some_and(|it| it.contains("text/html"));
        Err(if person && parts.method.is_safe() {
            refused.with_header(
                WWW_AUTHENTICATE,
                "Basic realm=\"frontdesk: any name, ADMIN_TOKEN\", charset=\"UTF-8\"",
            )
        } else {
            refused
        })
    }
}

/// The token a request shows.
fn shown(parts: &Parts) -> Option<Vec<u8>> {
    let (scheme, rest) = only(&parts.headers, &AUTHORIZATION)?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.as_bytes().to_vec());
    }
    if scheme.eq_ignore_ascii_case("basic") && parts.method.is_safe() {
        let pair = STANDARD.decode(rest).ok()?;
        let colon = pair.iter().position(|byte| *byte == b':')?;
        return pair.get(colon + 1..).map(<[u8]>::to_vec);
    }
    None
}

/// Compares hashes, which are of one length: how long it takes says nothing about the token, not even its length.
pub(super) fn is_same(shown: &[u8], token: &SecretString) -> bool {
    Sha256::digest(shown).ct_eq(&Sha256::digest(token.expose_secret())).into()
}

/// What shows that a request is not from this machine, or was made by a page from elsewhere.
pub(super) fn from_elsewhere(parts: &Parts, is_private: bool) -> Option<String> {
    if !is_private {
        return Some("PUBLIC_URL says that others can reach it".to_owned());
    }
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    if !peer.is_some_and(|ConnectInfo(peer)| peer.ip().is_loopback()) {
        return Some("this request came from another one".to_owned());
    }
    if let Some(header) = FORWARDED.into_iter().find(|name| parts.headers.contains_key(*name)) {
        return Some(format!("this request came through a proxy, which sent `{header}`"));
    }
    // A page elsewhere can let its own name lead here (DNS rebinding); the browser then says that name.
    let host = only(&parts.headers, &HOST).unwrap_or_default();
    if !is_loopback(host) {
        return Some("this request was sent to another host than localhost".to_owned());
    }
    // Some requests a browser makes for any page without asking first; it says for which.
    let origin = parts.headers.contains_key(ORIGIN);
    if origin && only(&parts.headers, &ORIGIN) != Some(&format!("http://{host}")) {
        return Some("this request was made by a page from elsewhere".to_owned());
    }
    None
}

/// A header that is there once.
pub(super) fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    first.to_str().ok().filter(|_| values.next().is_none())
}

/// Whether a `Host` is this machine as seen by itself: `localhost:8080`, `127.0.0.1`, `[::1]:8080`.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let ip = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests;
