//! Whether this process is alive, whether new calls should come here, and who it is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::refusal::Refusal;
use super::{App, paths};

/// 200 for as long as the process lives, draining or not: a platform restarts what is unhealthy, and with it the calls.
pub(super) async fn health(State(app): State<Arc<App>>) -> Response {
    Json(json!({
        "status": "healthy",
        "connections": app.registry.len(),
        "timestamp": rfc3339((app.clock)()),
        "version": env!("CARGO_PKG_VERSION"),
        "instance": app.instance.as_str(),
        "draining": app.tasks.draining(),
        "work": app.tasks.live(),
        "background": app.tasks.live_background(),
    }))
    .into_response()
}

fn rfc3339(ms: i64) -> Option<String> {
    jiff::Timestamp::from_millisecond(ms).ok().map(|time| format!("{time:.3}"))
}

/// 503 while draining, and only then: with the store down callers are still answered from what was last known, and
/// nobody is helped when every instance leaves the balancer at once.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.tasks.draining() {
        return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "draining")
            .with("connections", app.registry.len())
            .into_response();
    }
    Json(json!({"status": "ready"})).into_response()
}

/// For whoever opens the bare host in a browser.
pub(super) async fn who_am_i() -> String {
    format!(
        "frontdesk {}: answers the phones. The voice webhook of a Twilio number is {} on this host.\n",
        env!("CARGO_PKG_VERSION"),
        paths::VOICE
    )
}

/// 404, with a hint when the path is nearly one of ours.
pub(super) async fn not_found(method: Method, uri: Uri, headers: HeaderMap) -> Refusal {
    let path = uri.path();
    let refusal = Refusal::new(StatusCode::NOT_FOUND, "no_such_path").with("method", method.as_str());
    match nearest(path) {
        Some(meant) => {
            // A person's mistake in the Twilio console shows here first, and only here.
            if headers.contains_key("x-twilio-signature") {
                tracing::warn!(
                    meant,
                    "Twilio asked for a path we do not have; it is probably configured wrongly"
                );
            }
            refusal
                .with("meant", meant)
                .with("hint", "this path is not served here; the one meant is probably `meant`")
        }
        None => refusal,
    }
}

/// Which of our paths was probably meant: the same but for case, slashes and separators, or a name that other voice
/// servers use for the same thing.
fn nearest(path: &str) -> Option<&'static str> {
    let bare = |path: &str| -> String {
        path.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
    };
    let asked = bare(path);
    if let Some(ours) = paths::ALL.into_iter().find(|ours| bare(ours) == asked) {
        return Some(ours);
    }
    match asked.as_str() {
        "voice" | "incomingcall" | "incoming" | "twiml" | "twilio" | "twiliowebhook" | "twilioincoming" => {
            Some(paths::VOICE)
        }
        "mediastream" | "media" | "stream" | "ws" | "websocket" | "twiliostream" | "twiliomediastream" => {
            Some(paths::MEDIA)
        }
        "healthz" | "livez" | "ping" => Some(paths::HEALTH),
        "readyz" | "readiness" => Some(paths::READY),
        "callstatus" | "twiliocallstatus" => Some(paths::STATUS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;

    use super::super::house::House;
    use super::*;

    #[tokio::test]
    async fn draining_is_healthy_and_not_ready() {
        let house = House::new().await;
        let ask = async |path: &str| house.ask_raw(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(ask("/ready").await.status, StatusCode::OK);
        house.app.tasks.soft().cancel();
        let health = ask("/health").await;
        assert_eq!(health.status, StatusCode::OK);
        assert_eq!(health.json()["status"], "healthy");
        assert_eq!(health.json()["connections"], 0);
        assert_eq!(health.json()["draining"], true);
        assert_eq!(health.json()["work"], 0);
        assert_eq!(health.json()["timestamp"], "2026-09-21T14:13:20.000Z");
        let ready = ask("/ready").await;
        assert_eq!(
            (ready.status, ready.json()["reason"].as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, Some("draining"))
        );
    }

    #[tokio::test]
    async fn strange_paths_are_not_found_by_us_and_by_nobody_else() {
        let house = House::new().await;
        let answer = house.ask_raw(Request::post("/incoming-call").body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!((&answer.json()["hop"], &answer.json()["meant"]), (&"app".into(), &paths::VOICE.into()));
    }

    #[test]
    fn a_nearly_right_path_gets_a_hint_and_a_strange_one_none() {
        for (asked, meant) in [
            ("/twilio-voice/", Some(paths::VOICE)),
            ("/Twilio_Voice", Some(paths::VOICE)),
            ("/twilio/voice", Some(paths::VOICE)),
            ("/incoming-call", Some(paths::VOICE)),
            ("/media-stream", Some(paths::MEDIA)),
            ("/healthz", Some(paths::HEALTH)),
            ("/wp-login.php", None),
        ] {
            assert_eq!(nearest(asked), meant, "{asked}");
        }
    }
}
