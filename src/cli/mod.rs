//! One file a command.
pub mod replay;
