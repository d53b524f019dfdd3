//! One file a command.

pub mod business;
pub mod replay;
