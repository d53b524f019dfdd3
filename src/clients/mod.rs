//! Whom we call: the speech model and Twilio's REST interface. Each is one concrete client with a base URL; the
//! simulator answers at another URL.

mod realtime;
mod tls;
mod twilio_rest;

pub use realtime::{Auth, ConnectError, ModelSocket, RealtimeClient, RealtimeSettings};
pub use tls::{TlsError, tls_with_public_roots};
pub use twilio_rest::{Credentials, Done, RestError, TwilioRest};
