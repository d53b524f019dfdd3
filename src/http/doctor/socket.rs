//! A socket that says back what it hears: it opens when the way is good for WebSockets, whatever the application would
//! have to say about a call.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_tungstenite::tungstenite::Message;

use super::super::App;
use super::super::admin::Admin;
use super::super::refusal::Refusal;
use super::super::upgrade::Upgrade;
use crate::bridge::{CallerSocket, caller_socket_config};

/// Doctors at once: a person has one or two open.
pub(super) const MAX_SOCKETS: usize = 16;

/// A socket that says nothing is closed after this. A doctor that holds one to find an edge's idle timeout looks for
/// what is shorter: the longest known is ten minutes.
const IDLE: Duration = Duration::from_secs(900);

/// However much it says.
const LONGEST: Duration = Duration::from_secs(3_600);

/// Any method: the refusal of a wrong one is ours, and says what arrived.
pub(super) async fn socket(_: Admin, State(app): State<Arc<App>>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let upgrade = match Upgrade::of(&mut parts) {
        Ok(upgrade) => upgrade,
        Err(refusal) => return refusal.into_response(),
    };
    let Ok(place) = Arc::clone(app.trail.sockets()).try_acquire_owned() else {
        return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_doctors")
            .with("mostSockets", MAX_SOCKETS)
            .into_response();
    };
    let (response, opening) = upgrade.accept(caller_socket_config());
    let stop = app.tasks.hard().clone();
    app.tasks.spawn_background("doctor's socket", async move {
        let Ok(socket) = opening.await else { return };
        let talk = tokio::time::timeout(LONGEST, say_back(socket, place));
        let _over = stop.run_until_cancelled(talk).await;
    });
    response
}

/// How many may be open.
pub(super) fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_SOCKETS))
}

async fn say_back(mut socket: CallerSocket, _place: OwnedSemaphorePermit) {
    while let Ok(Some(Ok(message))) = tokio::time::timeout(IDLE, socket.next()).await {
        // Pings and close frames are answered by the library; this only has to go on reading.
        if let Message::Text(_) | Message::Binary(_) = message
            && socket.send(message).await.is_err()
        {
            return;
        }
    }
}
