//! The pure rooms of the program, compiled by themselves: they need no runtime, so that a fuzzer is built in a minute.

#[path = "../../src/audio/mod.rs"]
pub mod audio;
#[path = "../../src/call/mod.rs"]
pub mod call;
#[path = "../../src/domain/mod.rs"]
pub mod domain;
#[path = "../../src/wire/mod.rs"]
pub mod wire;
