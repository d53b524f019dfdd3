//! Whom we call: the speech model, Twilio's REST interface, and the webhooks and tools of businesses. Each is one concrete
//! client with a base URL; the simulator answers at another URL. Where a business says, `outward` goes.

mod http_tool;
mod names;
mod outward;
mod reach;
mod realtime;
mod signature;
mod tls;
mod twilio_rest;
mod webhook;

pub use http_tool::{HttpToolClient, HttpToolSettings, ToolError, ToolReply, ToolRequest, ToolTrial};
pub use reach::{Reach, is_public};
pub use realtime::{Auth, ConnectError, ModelSocket, RealtimeClient, RealtimeSettings};
pub use tls::{TlsError, tls_with_public_roots};
pub use twilio_rest::{Alert, Audio, Credentials, Done, InProgress, Number, RestError, Standing, TwilioRest};
pub use webhook::{DELIVERY_PATIENCE, WebhookClient, WebhookError, WebhookSettings};
