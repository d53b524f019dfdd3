//! "Who answered?": a header on everything we say, so that a response without it was made by somebody else.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use super::answer::Spoken;
use super::refusal::Refusal;
use super::words;
use crate::domain::InstanceId;
use crate::wire;

/// The header: `VERSION/INSTANCE/REQUEST`.
pub const HOP: HeaderName = HeaderName::from_static(wire::doctor::HOP);

/// What this process writes into the header.
pub(super) struct Hop {
    /// `VERSION/INSTANCE/`.
    prefix: String,
    requests: AtomicU64,
}

impl Hop {
    pub(super) fn of(instance: &InstanceId) -> Arc<Self> {
        let prefix = format!("{}/{instance}/", env!("CARGO_PKG_VERSION"));
        Arc::new(Self { prefix, requests: AtomicU64::new(1) })
    }

    /// The header of the next request: counted, so that a response can be found in the log.
    fn next(&self) -> HeaderValue {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        // An instance id is letters, digits and dashes, which are all legal in a header.
        HeaderValue::try_from(format!("{}{number}", self.prefix))
            .unwrap_or(const { HeaderValue::from_static("unnamed") })
    }
}

/// Puts the header on every response of these routes, those of fallbacks and panics included.
///
/// What hyper answers itself to something that is not HTTP has none; it never reached a route.
pub(super) fn signed_by(hop: Arc<Hop>, routes: Router) -> Router {
    routes
        .layer(CatchPanicLayer::custom(|_: Box<dyn Any + Send>| panicked()))
        .layer(middleware::from_fn_with_state(hop, stamp))
}

/// Twilio turns a 500 into a stranger's voice; a caller hears ours instead.
pub(super) fn spoken_when_it_panics<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.layer(CatchPanicLayer::custom(|_: Box<dyn Any + Send>| {
        tracing::error!(
            "a webhook could not be answered because its code panicked; the caller got an apology"
        );
        Spoken::goodbye(words::CANNOT_ANSWER).into_response()
    }))
}

async fn stamp(State(hop): State<Arc<Hop>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(HOP, hop.next());
    response
}

/// The words of a panic may quote what a caller said, so they stay with the panic hook.
fn panicked() -> Response {
    tracing::error!("a request could not be answered because its code panicked; the caller of it got a 500");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "panic").into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    fn routes() -> Router {
        let routes = Router::new().route("/fine", get(|| async { "fine" })).route(
            "/panics",
            get(|| async {
                if true {
                    panic!("on purpose")
                }
            }),
        );
        signed_by(Hop::of(&InstanceId::parse("i-1").unwrap()), routes)
    }

    #[tokio::test]
    async fn every_response_says_who_made_it_even_after_a_panic() {
        let routes = routes();
        for (number, (method, path, status)) in [
            ("GET", "/fine", StatusCode::OK),
            ("POST", "/fine", StatusCode::METHOD_NOT_ALLOWED),
            ("GET", "/nowhere", StatusCode::NOT_FOUND),
            ("GET", "/panics", StatusCode::INTERNAL_SERVER_ERROR),
        ]
        .into_iter()
        .enumerate()
        {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            let response = routes.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), status, "{method} {path}");
            let hop = response.headers().get(HOP).unwrap().to_str().unwrap();
            assert_eq!(hop, format!("{}/i-1/{}", env!("CARGO_PKG_VERSION"), number + 1));
        }
    }
}
