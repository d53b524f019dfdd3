//! A request we do not serve, said so that a person with `curl` and the doctor both understand it.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

/// A refusal: a status, one word that never changes for programs, and whatever helps people.
///
/// Its body is `{"hop":"app","reason":…}`: with the hop header it shows that the application answered, and not a proxy.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    /// One word; the doctor's decision table reads it.
    pub(super) reason: &'static str,
    details: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    /// A refusal for this reason.
    pub(super) fn new(status: StatusCode, reason: &'static str) -> Self {
        Self { status, reason, details: Map::new(), headers: Vec::new() }
    }

    /// With something more to read.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// With a header the status asks for.
    pub(super) fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = Map::new();
        body.insert("hop".to_owned(), "app".into());
        body.insert("reason".to_owned(), self.reason.into());
        body.extend(self.details);
        let mut response = (self.status, Json(Value::Object(body))).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}
