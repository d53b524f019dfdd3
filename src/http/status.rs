//! What Twilio tells us beside the call: that it is over, and why a stream did not work. The second is the only channel
//! on which a handshake that never reached us is explained.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::App;
use super::signed::Signed;
use crate::call::Command;
use crate::wire::doctor::StreamError;
use crate::wire::twilio::form::{CallStatusUpdate, StreamStatus};

/// Twilio's words about a stream are a few; what is longer is cut.
const SHOWN: usize = 200;

/// The status callback of a call. Twilio gives no order to these, and only the last word matters.
pub(super) async fn call(State(app): State<Arc<App>>, request: Signed<CallStatusUpdate>) -> StatusCode {
    let call = request.into_form();
    if !call.status.is_over() {
        return StatusCode::NO_CONTENT;
    }
    if app.bridge.tell(&call.call, Command::CallOver) {
        tracing::info!(call.id = %call.call, "Twilio says that a call is over which was still carried here");
    }
    app.keep_over(&call.call, (app.clock)()).await;
    StatusCode::NO_CONTENT
}

/// The status callback of a stream.
pub(super) async fn stream(State(app): State<Arc<App>>, request: Signed<StreamStatus>) -> StatusCode {
    let status = request.into_form();
    match status.error {
        Some(error) => {
            let error: String = error.chars().take(SHOWN).collect();
            let meaning = meaning(&error);
            tracing::warn!(
                call.id = %status.call,
                stream.error = error,
                "Twilio could not use our media stream: {error:?}; {meaning}"
            );
            let (at_ms, meaning) = ((app.clock)(), meaning.to_owned());
            app.trail.failed(StreamError { at_ms, call: status.call, error, meaning });
        }
        None => tracing::debug!(call.id = %status.call, event = status.event.as_str(), "stream status"),
    }
    StatusCode::NO_CONTENT
}

/// What Twilio's words about a broken stream most likely mean in this house; the words are those of its errors 319xx.
fn meaning(error: &str) -> &'static str {
    let error = error.to_ascii_lowercase();
    let known = [
        (
            "handshake",
            "31920: our answer to the upgrade was not a 101; look for \"media socket refused\" in this log, and if there is none, a proxy answered instead of us",
        ),
        ("timeout", "31901: nobody answered at the stream's host; check DNS, port 443 and firewalls"),
        ("refused", "31902: nothing listens at the stream's host and port"),
        ("broken pipe", "31903: the connection was cut; compare with restarts, deploys and proxy timeouts"),
        ("unreachable", "31904: the stream's host has no public address; check PUBLIC_URL"),
        ("ssl", "31910: TLS failed; check the certificate chain, and that port 443 speaks TLS"),
        ("schema", "31922: the stream's URL is not wss"),
        ("malformed url", "31923: the stream's URL is not one"),
        ("protocol", "31924: broken WebSocket frames, by us or by a proxy"),
        ("close", "31921: our side closed the socket; look for the end of this call in this log"),
    ];
    known
        .into_iter()
        .find(|(words, _)| error.contains(words))
        .map_or("see https://www.twilio.com/docs/api/errors", |(_, it)| it)
}

#[cfg(test)]
mod tests {
    use super::super::house::{ACCOUNT, CALL, House, NOW_MS};
    use super::*;

    #[tokio::test]
    async fn a_call_that_is_over_is_kept_as_over() {
        let house = House::new().await;
        house.keep(1, None).await;
        for (status, ended_ms) in [("in-progress", None), ("completed", Some(NOW_MS))] {
            let form = [("CallSid", CALL), ("AccountSid", ACCOUNT), ("CallStatus", status)];
            assert_eq!(house.post("/twilio-status", &form).await.status, StatusCode::NO_CONTENT);
            assert_eq!(house.record().await.ended_ms, ended_ms, "{status}");
        }
    }

    #[tokio::test]
    async fn status_callbacks_are_answered_even_when_nothing_can_be_kept() {
        let house = House::new().await;
        house.store.close().await;
        let call = [("CallSid", CALL), ("AccountSid", ACCOUNT), ("CallStatus", "completed")];
        assert_eq!(house.post("/twilio-status", &call).await.status, StatusCode::NO_CONTENT);
        let stream = [
            ("CallSid", CALL),
            ("AccountSid", ACCOUNT),
            ("StreamSid", "MZ00000000000000000000000000000001"),
            ("StreamName", "MZ00000000000000000000000000000001"),
            ("StreamEvent", "stream-error"),
            ("StreamError", "Stream - WebSocket - Handshake Error"),
            ("Timestamp", "2026-11-20T15:04:05.123Z"),
        ];
        assert_eq!(house.post("/twilio-stream-status", &stream).await.status, StatusCode::NO_CONTENT);
        let unsigned = house.ask(axum::http::Request::post("/twilio-stream-status"), &stream).await;
        assert_eq!(unsigned.status, StatusCode::FORBIDDEN);
    }

    #[test]
    fn twilios_words_are_explained() {
        assert!(meaning("Stream - WebSocket - Handshake Error").starts_with("31920"));
        assert!(meaning("Stream - Connection Timeout").starts_with("31901"));
        assert!(meaning("something new").starts_with("see https://"));
    }
}
