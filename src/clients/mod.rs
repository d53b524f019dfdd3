//! Whom we call: the speech model, Twilio's REST interface, and the webhooks of businesses. Each is one concrete client
//! with a base URL; the simulator answers at another URL.

mod reach;
mod realtime;
mod tls;
mod twilio_rest;
mod webhook;

pub use reach::{Reach, is_public};
pub use realtime::{Auth, ConnectError, ModelSocket, RealtimeClient, RealtimeSettings};
pub use tls::{TlsError, tls_with_public_roots};
pub use twilio_rest::{Alert, Audio, Credentials, Done, InProgress, Number, RestError, Standing, TwilioRest};
pub use webhook::{DELIVERY_PATIENCE, WebhookClient, WebhookError, WebhookSettings};
