//! The voice backend that answers the phones of many businesses with one server.

pub mod domain;
pub mod wire;

pub mod audio;
pub mod call;
