//! The actors behind real sockets, in real time: a model to dial, a telephone that rings us, and Twilio's REST interface.
//!
//! Only for this machine and for tests of a deployment: nothing here defends itself.

mod clock;
mod model_server;
mod phone;
mod rest_server;
mod transport;

pub use clock::Clock;
pub use model_server::{ConnectionLog, ModelServer, ModelServerPlan, serve_model};
pub use phone::{CallPlan, DialResult, Phone, PhoneEvent, PhoneReport};
pub use rest_server::{RestLine, RestOrder, RestPlan, RestRequest, RestServer};

/// What a simulated peer could not do.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// No port of this machine could be had.
    #[error("we could not listen on this machine")]
    Listen(#[source] std::io::Error),
    /// The HTTP client could not be made.
    #[error("we could not make an HTTP client")]
    Client(#[source] reqwest::Error),
    /// The WebSocket handshake failed.
    #[error("the WebSocket handshake failed")]
    Handshake(#[source] Box<tokio_tungstenite::tungstenite::Error>),
}

#[cfg(test)]
mod tests;
