//! What an operator's program is told when it is not served: `application/problem+json` (RFC 9457), with every mistake
//! at once and its place.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::StoreError;
use crate::store::import::{Fault, Finding};

/// The media type of a problem.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// What is told of the mistakes in one document: nobody mends more of them in one go, and a document of 16 MiB can have
/// a million.
const MISTAKES_TOLD: usize = 200;

/// When to ask a store again that is away: seconds. Most come back within a few.
const AWAY_RETRY_S: &str = "5";

/// The kinds of problems; each is explained on the page under `/api`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    BadRequest,
    NotJson,
    OtherId,
    Unauthorized,
    LoopbackOnly,
    NoSuchPath,
    NotFound,
    WrongMethod,
    BodyTooSlow,
    LineTaken,
    PlanInUse,
    Unreadable,
    ExportTooLarge,
    BodyTooLarge,
    WrongContentType,
    Mistakes,
    Failed,
    NoTwilio,
    TwilioRefused,
    StoreAway,
    TwilioAway,
}

impl Kind {
    /// All of them, by status.
    pub(super) const ALL: [Self; 21] = [
        Self::BadRequest,
        Self::NotJson,
        Self::OtherId,
        Self::Unauthorized,
        Self::LoopbackOnly,
        Self::NoSuchPath,
        Self::NotFound,
        Self::WrongMethod,
        Self::BodyTooSlow,
        Self::LineTaken,
        Self::PlanInUse,
        Self::Unreadable,
        Self::ExportTooLarge,
        Self::BodyTooLarge,
        Self::WrongContentType,
        Self::Mistakes,
        Self::Failed,
        Self::NoTwilio,
        Self::TwilioRefused,
        Self::StoreAway,
        Self::TwilioAway,
    ];

    /// Its status, its name, which never changes, and what it is, in a few words.
    pub(super) fn of(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadRequest => {
                (StatusCode::BAD_REQUEST, "bad-request", "The path or the query is not right")
            }
            Self::NotJson => (StatusCode::BAD_REQUEST, "not-json", "The body is not JSON"),
            Self::OtherId => (StatusCode::BAD_REQUEST, "other-id", "The body names another id than the path"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "The token is missing or wrong"),
            Self::LoopbackOnly => {
                (StatusCode::FORBIDDEN, "loopback-only", "Without ADMIN_TOKEN, only this machine is answered")
            }
            Self::NoSuchPath => (StatusCode::NOT_FOUND, "no-such-path", "There is nothing at this path"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "There is nothing of this id"),
            Self::WrongMethod => {
                (StatusCode::METHOD_NOT_ALLOWED, "wrong-method", "This cannot be done with it")
            }
            Self::BodyTooSlow => {
                (StatusCode::REQUEST_TIMEOUT, "body-too-slow", "The body took too long to come")
            }
            Self::LineTaken => (StatusCode::CONFLICT, "line-taken", "A line belongs to another business"),
            Self::PlanInUse => (StatusCode::CONFLICT, "plan-in-use", "A business still has this plan"),
            Self::Unreadable => (StatusCode::CONFLICT, "unreadable", "What is stored does not read"),
            Self::ExportTooLarge => {
                (StatusCode::CONFLICT, "export-too-large", "All of it is too large for one answer")
            }
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large"),
            Self::WrongContentType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong-content-type", "The body is not sent as JSON")
            }
            Self::Mistakes => {
                (StatusCode::UNPROCESSABLE_ENTITY, "mistakes", "There are mistakes in what was sent")
            }
            Self::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "failed", "It failed on our side"),
            Self::NoTwilio => {
                (StatusCode::NOT_IMPLEMENTED, "no-twilio", "There are no credentials for Twilio here")
            }
            Self::TwilioRefused => (StatusCode::BAD_GATEWAY, "twilio-refused", "Twilio refuses it"),
            Self::StoreAway => {
                (StatusCode::SERVICE_UNAVAILABLE, "store-away", "The store is away for the moment")
            }
            Self::TwilioAway => {
                (StatusCode::SERVICE_UNAVAILABLE, "twilio-away", "Twilio is away or busy for the moment")
            }
        }
    }

    /// What to do about it, for the page.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::BadRequest => {
                "An id in the path is none, or the query has a parameter that is unknown or wrong. `detail` says which."
            }
            Self::NotJson => "`detail` has the line and the column. The body is UTF-8.",
            Self::OtherId => {
                "Correct one of the two, or leave `id` off the body: then it is the one of the path."
            }
            Self::Unauthorized => {
                "Send `Authorization: Bearer`, and behind it the value of the setting `ADMIN_TOKEN`."
            }
            Self::LoopbackOnly => {
                "Set `ADMIN_TOKEN`, or ask on the machine itself, straight and not through a proxy. `detail` says what spoke against it."
            }
            Self::NoSuchPath => "All paths are on this page.",
            Self::NotFound => "Ids are case-sensitive. The list one level above shows those there are.",
            Self::WrongMethod => "The header `allow` says what can be done.",
            Self::BodyTooSlow => "Send it again, in smaller parts.",
            Self::LineTaken => "Take the line from the other business first, or import both together.",
            Self::PlanInUse => "Give that business another plan first.",
            Self::Unreadable => {
                "Somebody wrote it by other means, and not rightly. `detail` names document and field: mend it there, or write it anew with `PUT`."
            }
            Self::ExportTooLarge => "Export with `frontdesk business export`, or read page by page.",
            Self::BodyTooLarge => "1 MiB for one thing, 16 MiB for an import: import in parts.",
            Self::WrongContentType => "Send `Content-Type: application/json`.",
            Self::Mistakes => "`errors` has all of them, each with its place. Nothing was written.",
            Self::Failed => "The log of the instance says why; `x-frontdesk-hop` says which instance.",
            Self::NoTwilio => {
                "Set `TWILIO_ACCOUNT_SID` beside `TWILIO_AUTH_TOKEN`, or `TWILIO_API_KEY` with `TWILIO_API_SECRET`."
            }
            Self::TwilioRefused => {
                "`detail` has Twilio's own code: most often the credentials are those of another account."
            }
            Self::TwilioAway => "Ask again after `retry-after` seconds.",
            Self::StoreAway => {
                "Ask again after `retry-after` seconds. Of a write it is not known whether it was done: writing again does no harm."
            }
        }
    }
}

/// Why a request was not served (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemDetails {
    /// Which problem: a name that never changes, and where it is explained.
    #[schema(example = "/api#problem-mistakes")]
    r#type: String,
    /// The same in a few words.
    #[schema(example = "There are mistakes in what was sent")]
    title: &'static str,
    /// The status of the response.
    #[schema(example = 422, minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong this time, and what to do.
    detail: String,
    /// Every mistake in what was sent, where that is the problem.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<Remark>,
}

/// Something to be said of a place in what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Remark {
    /// Where: a JSON Pointer (RFC 6901) into the body; empty for all of it.
    #[schema(example = "/lines/0")]
    pub(super) pointer: String,
    /// What.
    pub(super) detail: String,
}

impl From<&Finding> for Remark {
    fn from(finding: &Finding) -> Self {
        Self { pointer: finding.at.pointer(), detail: finding.problem.clone() }
    }
}

/// A request that is not served.
#[derive(Debug)]
pub(super) struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<Remark>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of this kind; `detail` says what is wrong this time.
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), headers: Vec::new() }
    }

    /// With a header the status asks for.
    pub(super) fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// There are mistakes in what was sent: the kind of the gravest, and all of them.
    pub(super) fn of_mistakes(mistakes: &[Finding]) -> Self {
        let has = |fault: Fault| mistakes.iter().any(|mistake| mistake.fault == fault);
        let kind = if has(Fault::NotJson) {
            Kind::NotJson
        } else if has(Fault::OtherId) {
            Kind::OtherId
        } else if has(Fault::Wrong) {
            Kind::Mistakes
        } else {
            Kind::LineTaken
        };
        let detail = match mistakes {
            [one] => format!("{one}; nothing was written"),
            many if many.len() > MISTAKES_TOLD => {
                format!("{} mistakes, of which {MISTAKES_TOLD} are told; nothing was written", many.len())
            }
            many => format!("{} mistakes; nothing was written", many.len()),
        };
        let errors = mistakes.iter().take(MISTAKES_TOLD).map(Remark::from).collect();
        Self { errors, ..Self::new(kind, detail) }
    }
}

/// What the store says is told once in the log, where somebody can do something about it, and without what it met
/// to whoever asked.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let why = std::error::Error::source(&error).map(ToString::to_string);
        let kind = match &error {
            StoreError::Away { .. } | StoreError::Late { .. } => {
                tracing::warn!(%error, why, "an operator was not answered");
                return Self::new(Kind::StoreAway, error.to_string()).with_header(RETRY_AFTER, AWAY_RETRY_S);
            }
            StoreError::Unopenable { .. } | StoreError::Newer { .. } | StoreError::Failed { .. } => {
                tracing::error!(%error, why, "an operator was not answered");
                return Self::new(Kind::Failed, "the store failed; the log says why");
            }
            StoreError::Unreadable { .. } => Kind::Unreadable,
            StoreError::LineTaken { .. } => Kind::LineTaken,
            StoreError::UnknownPlan { .. } | StoreError::Unnameable { .. } => Kind::Mistakes,
            StoreError::TooLarge { .. } => Kind::BodyTooLarge,
            StoreError::PlanInUse { .. } => Kind::PlanInUse,
        };
        Self::new(kind, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, name, title) = self.kind.of();
        let body = ProblemDetails {
            r#type: format!("/api#problem-{name}"),
            title,
            status: status.as_u16(),
            detail: self.detail,
            errors: self.errors,
        };
        let mut response = (status, Json(body)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

/// Problems as the document of the API lists them: by status, each with the names it may have.
pub(super) fn documented(
    kinds: &[Kind],
) -> BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
    use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};

    let mut by_status: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for kind in kinds {
        let (status, name, title) = kind.of();
        by_status.entry(status.as_str().to_owned()).or_default().push(format!("{title} (`{name}`)"));
    }
    let response = |words: Vec<String>| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        ResponseBuilder::new().description(words.join(", or: ")).content(PROBLEM_JSON, content).build().into()
    };
    by_status.into_iter().map(|(status, words)| (status, response(words))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_stands_by_its_status() {
        let names: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.of().1).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        assert!(Kind::ALL.is_sorted_by_key(|kind| kind.of().0));
    }

    #[test]
    fn what_a_store_met_stays_with_us() {
        let failed = StoreError::Failed { doing: "list", source: "disk /dev/sda1 hunter2".into() };
        let problem = Problem::from(failed);
        assert_eq!((problem.kind, problem.detail.contains("hunter2")), (Kind::Failed, false));
    }
}
