//! Who calls us: one file an endpoint, one table of routes.
//!
//! Twilio signs what it sends, over the URL it was given: every webhook and the upgrade are checked against the
//! configured public URL, never against a header somebody forwarded. A proxy may serve us under a path prefix, and may
//! take the prefix off on the way or not: both are served, and both are signed with the prefix.

mod admin;
mod answer;
mod api;
mod body;
mod dial;
mod doctor;
mod health;
mod hop;
#[cfg(test)]
mod house;
mod limits;
pub mod listen;
mod media;
mod metrics;
mod next;
pub mod paths;
mod problem;
mod range;
mod refusal;
mod signed;
mod status;
mod upgrade;
mod voice;
mod voicemail;
mod window;
mod words;

use std::sync::Arc;
use std::time::Duration;

use axum::routing::{any, get, post};
use axum::{Router, middleware};
use secrecy::SecretString;

pub use self::answer::transfer_twiml;
pub use self::api::openapi;
pub use self::doctor::Trail;
pub use self::hop::HOP;
use self::hop::Hop;
pub use self::limits::LIMITS_PATIENCE;
pub use self::window::{Window, WindowSettings};
use crate::bridge::{Bridge, Order};
use crate::clients::TwilioRest;
use crate::domain::{InstanceId, PublicUrl, StreamUrl};
use crate::lifecycle::Tasks;
use crate::registry::Registry;
use crate::store::{Directory, Ledger, Nudge, Outbox, Slots};
use crate::telemetry::metrics::Metrics;
use crate::wire::stream_token::PassKey;
use crate::wire::twilio::signature::Verifier;

/// What the endpoints need.
pub struct App {
    /// Who answers.
    pub directory: Arc<dyn Directory>,
    /// What happened.
    pub ledger: Arc<dyn Ledger>,
    /// Who may be in a call.
    pub slots: Arc<dyn Slots>,
    /// What businesses are still to be told.
    pub outbox: Arc<dyn Outbox>,
    /// Says that there is something to tell.
    pub nudge: Nudge,
    /// How long a caller's webhook waits for what the plan allows: [`LIMITS_PATIENCE`] when callers are people.
    pub limits_patience: Duration,
    /// What carries calls.
    pub bridge: Arc<Bridge>,
    /// Asks Twilio for what it keeps; none without credentials.
    pub twilio: Option<TwilioRest>,
    /// The calls it carries.
    pub registry: Registry<Order>,
    /// Checks Twilio's signatures.
    pub verifier: Verifier,
    /// Makes and checks the passes between webhook and stream.
    pub pass_key: PassKey,
    /// What an operator shows; none when only this machine is answered.
    pub admin_token: Option<SecretString>,
    /// Where Twilio reaches the webhooks.
    pub public_url: PublicUrl,
    /// Where Twilio reaches the media socket: the same host as a rule.
    pub stream_public_url: PublicUrl,
    /// Who we are.
    pub instance: InstanceId,
    /// What happened lately between webhook and media socket.
    pub trail: Trail,
    /// What people look through.
    pub window: Window,
    /// Where requests are counted.
    pub metrics: Arc<Metrics>,
    /// Where tasks run, and whether they are to end.
    pub tasks: Tasks,
    /// What time of day it is, in milliseconds since 1970.
    pub clock: fn() -> i64,
}

impl App {
    /// The URL in our TwiML.
    fn stream_url(&self) -> StreamUrl {
        self.stream_public_url.stream(paths::MEDIA)
    }

    /// Seconds since 1970.
    fn now_unix(&self) -> i64 {
        (self.clock)().div_euclid(1_000)
    }
}

/// Every route of the server, each of its responses marked with who made it.
pub fn routes(app: Arc<App>) -> Router {
    let hop = Hop::of(&app.instance);
    let mut routes = table();
    let mut prefixes = vec![prefix(&app.public_url), prefix(&app.stream_public_url)];
    prefixes.dedup();
    for prefix in prefixes.into_iter().filter(|prefix| !prefix.is_empty()) {
        routes = routes.nest(prefix, table());
    }
    let routes = routes.fallback(health::not_found).with_state(Arc::clone(&app));
    hop::signed_by(hop, routes.layer(middleware::from_fn_with_state(app, metrics::counted)))
}

/// The path prefix of a public URL, `/voice`; empty when there is none.
fn prefix(url: &PublicUrl) -> &str {
    let (_, rest) = url.as_str().split_once("://").unwrap_or_default();
    rest.split_at_checked(rest.find('/').unwrap_or(rest.len())).unwrap_or_default().1
}

fn table() -> Router<Arc<App>> {
    let spoken = Router::new()
        .route(paths::VOICE, get(voice::voice).post(voice::voice))
        .route(paths::NEXT, get(next::next).post(next::next))
        .route(paths::DIAL, get(dial::dial).post(dial::dial))
        .route(paths::VOICEMAIL, get(voicemail::left).post(voicemail::left));
    hop::spoken_when_it_panics(spoken)
        .route(paths::RECORDING, post(voicemail::recorded).get(voicemail::recorded))
        .route(paths::STATUS, post(status::call).get(status::call))
        .route(paths::STREAM_STATUS, post(status::stream).get(status::stream))
        // Any method: the refusal of a wrong one is ours, and says what arrived.
        .route(paths::MEDIA, any(media::media))
        .route(&format!("{}/", paths::MEDIA), any(media::media))
        .route(paths::HEALTH, get(health::health))
        .route(paths::READY, get(health::ready))
        .route(paths::METRICS, get(metrics::metrics))
        .merge(window::routes())
        .merge(doctor::routes())
        .merge(api::routes())
}
