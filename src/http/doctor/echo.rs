//! What arrived, as the application saw it: whether a hop takes headers away becomes an observation.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue};

use super::super::App;
use super::super::admin::Admin;
use crate::wire::doctor::{Echo, EchoedHeader};

/// No proxy adds as many to the twenty of a client.
const MAX_HEADERS: usize = 64;

/// What is longer is cut: addresses of a chain of proxies are shorter.
const MAX_VALUE_BYTES: usize = 512;

/// Parts of the names of headers whose values are secrets, or may be.
const SECRET: [&str; 8] =
    ["authorization", "cookie", "signature", "token", "secret", "api-key", "password", "credential"];

/// Whatever the method is.
pub(super) async fn echo(_: Admin, State(app): State<Arc<App>>, request: Request) -> Json<Echo> {
    // The body is nobody's question, and not read.
    let (parts, _) = request.into_parts();
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    Json(Echo {
        method: cut(parts.method.as_str()),
        version: format!("{:?}", parts.version),
        path: cut(parts.uri.path()),
        query: parts.uri.query().is_some(),
        headers: parts.headers.iter().take(MAX_HEADERS).map(|(name, value)| header(name, value)).collect(),
        headers_left_out: parts.headers.len().saturating_sub(MAX_HEADERS),
        peer: peer.map(|ConnectInfo(peer)| peer.ip().to_string()),
        at_ms: (app.clock)(),
    })
}

fn header(name: &HeaderName, value: &HeaderValue) -> EchoedHeader {
    let secret = SECRET.into_iter().any(|part| name.as_str().contains(part));
    let text = String::from_utf8_lossy(value.as_bytes());
    EchoedHeader {
        name: name.as_str().to_owned(),
        value: (!secret).then(|| cut(&text)),
        bytes: value.as_bytes().len(),
    }
}

fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_VALUE_BYTES);
    text.get(..end).unwrap_or_default().to_owned()
}
