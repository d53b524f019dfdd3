//! The rows of the table, in the order they are read.

mod line;
mod model;
mod own_tools;
mod plan;
mod process;
mod store;
mod talk;
mod tools;
mod transfer;

use serde_json::Value;

use crate::fault::{Fault, fault};
use crate::house::LUNA;

/// The first is none: what the others are compared with.
pub(crate) fn all() -> Vec<Fault> {
    let groups = [
        vec![fault("none")],
        store::rows(),
        plan::rows(),
        model::rows(),
        talk::rows(),
        tools::rows(),
        own_tools::rows(),
        transfer::rows(),
        line::rows(),
        process::rows(),
    ];
    groups.into_iter().flatten().collect()
}

/// Luna Dental, or its plan, with something else in it.
fn luna(pointer: &str, value: Value) -> String {
    let mut luna: Value = serde_json::from_str(LUNA).unwrap();
    *luna.pointer_mut(pointer).expect("Luna Dental has it") = value;
    luna.to_string()
}
