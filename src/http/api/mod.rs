//! What a team needs to run many businesses: an API for an operator's programs, its OpenAPI document, made from the code
//! that answers, and a page to read it.
//!
//! It shows numbers and words, which is its purpose, and writes none of them into the log. What is asked of the store
//! has a patience, and a store that is away is a 503, never a lie.

mod asked;
mod businesses;
mod calls;
mod document;
mod import;
mod notices;
mod page;
mod plans;
mod schemas;
mod tools;
mod usage;
mod views;
mod voicemails;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, Uri};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

use self::asked::{Asked, Nothing};
pub use self::document::openapi;
pub(super) use self::voicemails::hear;
use super::admin::Admin;
use super::problem::{Kind, Problem};
use super::{App, paths};
use crate::domain::BusinessId;
use crate::store::StoreError;
use crate::store::import::{Checked, Draft, Finding};

/// How long an operator's program waits for what is kept. A list over a network takes a second or two.
const READ_PATIENCE: Duration = Duration::from_secs(10);

/// How long it waits for something to be written: a large import over a network, and the listener's own patience is 60 s.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// The routes of the API, and what is answered where there is none.
pub(super) fn routes() -> Router<Arc<App>> {
    let (routes, _) = documented_routes().split_for_parts();
    routes
        .route(paths::API, axum::routing::get(page::page))
        .method_not_allowed_fallback(wrong_method)
        .route("/api/", any(no_such_path))
        .route("/api/{*rest}", any(no_such_path))
        .layer(CatchPanicLayer::custom(|_: Box<dyn Any + Send>| panicked()))
        .layer(middleware::map_response(private))
}

/// The routes with what the document says of them.
fn documented_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(document::frame())
        .merge(businesses::routes())
        .merge(tools::routes())
        .merge(calls::routes())
        .merge(voicemails::routes())
        .merge(usage::routes())
        .merge(notices::routes())
        .merge(plans::routes())
        .merge(import::routes())
        .merge(document::routes())
}

/// What an operator is shown is nobody else's, and stays nowhere on the way.
async fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn no_such_path(_: Admin, uri: Uri) -> Problem {
    // The path is in the client's hands already, and it may be long.
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(Kind::NoSuchPath, format!("there is nothing at {path}; {} lists what there is", paths::API))
}

async fn wrong_method(_: Admin, method: Method) -> Problem {
    Problem::new(Kind::WrongMethod, format!("{method} cannot be done here; the header `allow` says what can"))
}

fn panicked() -> Response {
    tracing::error!("an operator was not answered because our code panicked");
    Problem::new(Kind::Failed, "the code that should answer failed").into_response()
}

/// What the store answers within a patience.
async fn within<T>(
    patience: Duration,
    doing: &'static str,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, Problem> {
    let late =
        || StoreError::Late { doing, patience_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX) };
    Ok(tokio::time::timeout(patience, answer).await.unwrap_or_else(|_| Err(late()))?)
}

/// What a document says, with what is odd about it; a problem when there are mistakes in it. It is read beside the
/// threads that carry calls: a large one keeps a processor busy for longer than a caller's frame may wait.
async fn checked<T: Send + 'static>(
    app: &App,
    read: impl FnOnce() -> Draft<T> + Send + 'static,
) -> Result<(T, Vec<Finding>), Problem> {
    let draft = tokio::task::spawn_blocking(read).await;
    let draft =
        draft.map_err(|_panicked| Problem::new(Kind::Failed, "what was sent could not be checked"))?;
    let against = draft.against(&*app.directory);
    let Checked { right, mistakes, warnings } = within(WRITE_PATIENCE, "check an import", against).await?;
    right.map(|right| (right, warnings)).ok_or_else(|| Problem::of_mistakes(&mistakes))
}

impl App {
    /// Tells an empty list from one of a business that is not there. A business that was removed still has its calls;
    /// one that does not read is there.
    async fn must_know(&self, business: &BusinessId) -> Result<(), Problem> {
        let known = async {
            match self.directory.business(business).await {
                Ok(found) => Ok(found.is_some()),
                Err(StoreError::Unreadable { .. }) => Ok(true),
                Err(error) => Err(error),
            }
        };
        if within(READ_PATIENCE, "look up a business", known).await? {
            return Ok(());
        }
        Err(no_such_business(business))
    }
}

fn no_such_business(id: &BusinessId) -> Problem {
    Problem::new(Kind::NotFound, format!("there is no business {id}"))
}

#[cfg(test)]
mod tests;
