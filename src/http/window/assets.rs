//! Style, scripts and icon: in the binary, and for everybody.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::dashboard::{PHONE_LINE_SCRIPT, PHONE_SCRIPT, SCRIPT, STYLE};

const ICON: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect x="1" y="1" width="22" height="22" rx="6.5" fill="#5b52d6"/><path d="M7 10.2v3.6M10.3 7.6v8.8M13.7 9.4v5.2M17 8.4v7.2" stroke="#fff" stroke-width="1.9" stroke-linecap="round"/></svg>"##;

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

pub(super) async fn style() -> Response {
    kept("text/css; charset=utf-8", STYLE)
}

pub(super) async fn script() -> Response {
    kept(JAVASCRIPT, SCRIPT)
}

pub(super) async fn phone() -> Response {
    kept(JAVASCRIPT, PHONE_SCRIPT)
}

pub(super) async fn phone_line() -> Response {
    kept(JAVASCRIPT, PHONE_LINE_SCRIPT)
}

pub(super) async fn icon() -> Response {
    kept("image/svg+xml", ICON)
}

/// Their addresses change when they do.
fn kept(kind: &'static str, words: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")], words).into_response()
}
