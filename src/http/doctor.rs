//! What the doctor asks a server: what arrives here of what it sent, a socket without any business in it, and what
//! happened lately.
//!
//! For operators alone: a stranger would learn here how to get past a proxy.

mod echo;
mod expected;
mod socket;
mod trail;

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::Response;
use axum::routing::{any, get};
use axum::{Json, Router, middleware};

pub use self::trail::Trail;
use super::admin::Admin;
use super::{App, paths};
use crate::wire::doctor::Recent;

/// The routes of the doctor.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        // Any method: what became of it on the way is the question.
        .route(paths::DOCTOR_ECHO, any(echo::echo))
        .route(paths::DOCTOR_WS, any(socket::socket))
        .route(paths::DOCTOR_RECENT, get(recent))
        .layer(middleware::map_response(unkept))
}

/// An answer from a cache would be about another request.
async fn unkept(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn recent(_: Admin, State(app): State<Arc<App>>) -> Json<Recent> {
    let trail = &app.trail;
    Json(Recent {
        instance: app.instance.to_string(),
        since_ms: trail.since_ms(),
        now_ms: (app.clock)(),
        draining: app.tasks.draining(),
        sent: trail.sent(),
        upgrades: trail.upgrades(),
        stream_errors: trail.stream_errors(),
        findings: trail.findings(),
    })
}

#[cfg(test)]
mod tests;
