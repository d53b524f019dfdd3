//! One file a command.

pub mod business;
pub mod healthcheck;
pub mod replay;
