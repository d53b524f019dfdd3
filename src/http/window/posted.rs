//! A form somebody sent who may change something: from a page of ours, with its seal.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq as _;

use super::badge::{Viewer, is_own_page};
use crate::dashboard::sorry_page;
use crate::http::App;
use crate::http::body;

/// The most bytes of a form: the longest instructions a model reads, encoded.
const MAX_BYTES: usize = 1024 * 1024;

/// How long a form may take to come.
const BODY_PATIENCE: Duration = Duration::from_secs(15);

/// What a form says, in its order.
#[derive(Debug)]
pub(super) struct Fields(Vec<(String, String)>);

/// A form of ours.
#[derive(Debug)]
pub(super) struct Posted {
    /// Who sent it.
    pub(super) viewer: Viewer,
    /// What it says.
    pub(super) fields: Fields,
}

impl FromRequest<Arc<App>> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let viewer = Viewer::from_request_parts(&mut parts, app).await?;
        let fields = fields(body, MAX_BYTES).await.map_err(IntoResponse::into_response)?;
        let sealed: bool = viewer.seal.as_bytes().ct_eq(fields.get("seal").as_bytes()).into();
        if sealed && is_own_page(&parts.headers, app) {
            return Ok(Self { viewer, fields });
        }
        tracing::warn!(path = parts.uri.path(), "a form was refused: it is not from a page of ours");
        let why = "This form was not sent by a page of ours, or is from an earlier login. Go back, load the page \
                   again, and repeat what you did.";
        let page = sorry_page(&app.frame(Some(&viewer)), "Not done", why);
        Err((StatusCode::FORBIDDEN, page).into_response())
    }
}

/// The fields of a body that is a form.
pub(super) async fn fields(body: Body, most_bytes: usize) -> Result<Fields, StatusCode> {
    let body = body::whole(body, most_bytes, BODY_PATIENCE).await.map_err(|error| match error {
        body::BodyError::Broken => StatusCode::BAD_REQUEST,
        body::BodyError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        body::BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
    })?;
    Ok(Fields(url::form_urlencoded::parse(&body).into_owned().collect()))
}

impl Fields {
    /// The value of a field, if it was sent.
    pub(super) fn sent(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a field.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(called, _)| called == name).map(|(_, value)| value.as_str())
    }
}
