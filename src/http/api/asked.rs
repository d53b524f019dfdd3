//! What a request asks for: ids in its path, words in its query, JSON in its body. Each is refused with its reason.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::domain::{BusinessId, CallSid, PlanId};
use crate::http::App;
use crate::http::body::{self, BodyError};
use crate::http::problem::{Kind, Problem};
use crate::store::CallKey;

/// The most bytes of one business or plan. The longest instructions a model reads are a tenth of it.
pub(super) const ONE_BYTES: usize = 1024 * 1024;

/// The most bytes of an import: some thousand businesses. More is for the command line, or for several imports.
pub(super) const IMPORT_BYTES: usize = 16 * 1024 * 1024;

/// How long a body may take to come: an import over a slow line.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// How many things a part of a list has when nobody says how many.
const USUAL_LIMIT: u32 = 50;

/// The ids in the path.
pub(super) struct Ids<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<App>> for Ids<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let read = Path::<T>::from_request_parts(parts, app).await;
        read.map(|Path(ids)| Self(ids)).map_err(|error| bad_request(&error.body_text()))
    }
}

/// The words of the query, all of which must be known.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Problem> {
        let read = Query::<T>::try_from_uri(&parts.uri);
        read.map(|Query(asked)| Self(asked))
            .map_err(|error| Problem::new(Kind::BadRequest, error.body_text()))
    }
}

/// What the library says of a path or a query, without its own preface.
fn bad_request(said: &str) -> Problem {
    let prefaces = ["Invalid URL: ", "Failed to deserialize query string: "];
    let detail = prefaces.into_iter().find_map(|preface| said.strip_prefix(preface)).unwrap_or(said);
    Problem::new(Kind::BadRequest, detail)
}

/// A query that has nothing to say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// Behind what: `next` of the part before. Without it, the first part.
    #[param(pattern = "^[A-Za-z0-9_-]+$")]
    after: Option<String>,
    /// How many at most.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
}

/// How many things at most, 1 to 200.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u32")]
struct Limit(u32);

impl Default for Limit {
    fn default() -> Self {
        Self(USUAL_LIMIT)
    }
}

impl TryFrom<u32> for Limit {
    type Error = &'static str;
    fn try_from(limit: u32) -> Result<Self, Self::Error> {
        if (1..=200).contains(&limit) { Ok(Self(limit)) } else { Err("must be a whole number from 1 to 200") }
    }
}

impl Part {
    /// How many at most.
    pub(super) fn most(&self) -> u32 {
        self.limit.0
    }

    /// Behind what the part begins.
    pub(super) fn after<K: Cursor>(&self) -> Result<Option<K>, Problem> {
        let Some(text) = &self.after else { return Ok(None) };
        let read = || K::read(&String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?);
        let strange = "`after` is not one of ours: send `next` of the part before, or leave it off";
        read().map(Some).ok_or_else(|| Problem::new(Kind::BadRequest, strange))
    }
}

/// A place in a list, as we write it into `next`. What it looks like is nobody's business but ours.
pub(super) trait Cursor: Sized {
    fn write(&self) -> String;
    fn read(text: &str) -> Option<Self>;

    /// As it stands in `next`.
    fn next(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.write())
    }
}

impl Cursor for BusinessId {
    fn write(&self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl Cursor for PlanId {
    fn write(&self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl Cursor for CallKey {
    fn write(&self) -> String {
        format!("{}/{}", self.started_ms, self.call)
    }
    fn read(text: &str) -> Option<Self> {
        let (started_ms, call) = text.split_once('/')?;
        Some(Self { started_ms: started_ms.parse().ok()?, call: CallSid::parse(call).ok()? })
    }
}

/// The text of a JSON body of so many bytes at most. Whether it is JSON is for whoever reads it to say.
pub(super) struct JsonText<const MOST_BYTES: usize>(pub(super) String);

impl<const MOST_BYTES: usize> FromRequest<Arc<App>> for JsonText<MOST_BYTES> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "the body must be sent with `Content-Type: application/json`";
            return Err(Problem::new(Kind::WrongContentType, detail));
        }
        let read = body::whole(request.into_body(), MOST_BYTES, BODY_PATIENCE).await;
        let bytes = read.map_err(|error| match error {
            BodyError::Broken => Problem::new(Kind::BadRequest, "the body broke off"),
            BodyError::TooLarge(most) => {
                Problem::new(Kind::BodyTooLarge, format!("the body has more than {most} bytes"))
            }
            BodyError::TooSlow => Problem::new(
                Kind::BodyTooSlow,
                format!("the body did not come to its end within {} s", BODY_PATIENCE.as_secs()),
            ),
        })?;
        let text =
            String::from_utf8(bytes).map_err(|_| Problem::new(Kind::NotJson, "the body is not UTF-8"))?;
        Ok(Self(text))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}
