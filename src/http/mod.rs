//! Who calls us: one file an endpoint, one table of routes.

pub mod listen;
