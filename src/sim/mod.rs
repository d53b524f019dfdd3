//! A Twilio, a caller and a model that speak the real wires, in virtual time or behind real sockets.
//!
//! Each actor is a machine: it hears frames, says frames, and tells when it wants to be woken. None has a clock, so
//! the same actor runs in a [`World`](world::World) of virtual time and behind a socket. What the real ones refuse,
//! they refuse, and they keep a list of it.

mod caller;
mod dice;
mod frame;
mod line;
pub mod model;
mod playout;
pub mod socket;
pub mod tone;
pub mod world;

pub use caller::{Act, Caller, Deed, Step, StepDone, When};
pub use dice::Dice;
pub use frame::Frame;
pub use line::{LineFault, StreamNames, TwilioStream, Violation};
pub use playout::{Piece, Playout};
