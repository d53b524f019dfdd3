//! What this process has counted, for Prometheus and whoever reads like it; and the counting of requests.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::App;
use super::admin::Admin;
use crate::telemetry::metrics::{self, Stopwatch};

/// Whatever is no route of ours counts as one, for strangers invent paths.
const NO_ROUTE: &str = "none";

/// Every figure. It is an operator's: how many people call a business is nobody else's to know. Prometheus sends the token
/// as its `authorization` with `credentials_file`.
pub(super) async fn metrics(State(app): State<Arc<App>>, _admin: Admin) -> Response {
    let told = &app.metrics;
    told.calls_in_flight.set(count(app.registry.len()));
    told.draining.set(i64::from(app.tasks.draining()));
    told.work.set(count(app.tasks.live()));
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE), (CACHE_CONTROL, "no-store")], told.text()).into_response()
}

/// Counts every request by route and status, and measures how long its answer took to begin.
pub(super) async fn counted(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let began = Stopwatch::start();
    let response = next.run(request).await;
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str).to_owned();
    let of = metrics::Request { route, status: response.status().as_u16() };
    app.metrics.requests.get_or_create(&of).observe(began.seconds());
    response
}

fn count(many: usize) -> i64 {
    i64::try_from(many).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::http::header::AUTHORIZATION;

    use super::super::house::{ADMIN_TOKEN, House};
    use super::*;

    async fn told(house: &House) -> String {
        let request = Request::get("/metrics").header(AUTHORIZATION, format!("Bearer {ADMIN_TOKEN}"));
        let answer = house.ask_raw(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.body
    }

    #[tokio::test]
    async fn requests_are_counted_by_route_and_strangers_paths_as_one() {
        let house = House::new().await;
        for path in ["/health", "/health", "/wp-login.php", "/.env"] {
            house.ask_raw(Request::get(path).body(Body::empty()).unwrap()).await;
        }
        let text = told(&house).await;
        for line in [
            "frontdesk_http_request_duration_seconds_count{route=\"/health\",status=\"200\"} 2",
            "frontdesk_http_request_duration_seconds_count{route=\"none\",status=\"404\"} 2",
            "frontdesk_draining 0",
            "frontdesk_calls_in_flight 0",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
        assert!(!text.contains("wp-login"));
        house.app.tasks.soft().cancel();
        assert!(told(&house).await.contains("\nfrontdesk_draining 1\n"));
    }

    #[tokio::test]
    async fn figures_are_for_operators() {
        let house = House::new().await;
        let answer = house.ask_raw(Request::get("/metrics").body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
}
