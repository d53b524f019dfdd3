//! The model cannot be had when the phone rings.

use std::time::Duration;

use frontdesk::sim::model::{ModelFault, Script};

use super::luna;
use crate::fault::{Fault, Model, fault, listens};
use crate::furnished::Kept;
use crate::scenes::asks;
use crate::voices::{hangs_up_at, slow, well};

/// Longer than anybody waits.
const FOR_EVER: Duration = Duration::from_secs(60);

/// Longer than the greeting and two seconds, and no multiple of what a waiting caller hears.
const A_WHILE: Duration = Duration::from_millis(3_500);

fn refused(name: &'static str, refusal: ModelFault) -> Fault {
    let scripts = vec![Script { faults: vec![refusal], ..well() }];
    Fault { scripts, call: listens, ..fault(name) }
}

fn setup(code: &str) -> ModelFault {
    let (kind, code) = ("invalid_request_error".to_owned(), code.to_owned());
    ModelFault::RefuseSetup { kind, code, close: 3_000 }
}

pub(super) fn rows() -> Vec<Fault> {
    let away = |name, model| Fault { model, call: listens, ..fault(name) };
    let answered = |name, status| refused(name, ModelFault::RefuseHandshake(status));
    let mut rows = vec![
        away("model: its name has no address", Model::WithoutAddress),
        away("model: connection refused", Model::WithoutPort),
        away("model: a certificate nobody vouches for", Model::WithoutTrust),
        answered("model: 401", 401),
        refused("model: invalid key", setup("invalid_api_key")),
        refused("model: quota used up", setup("insufficient_quota")),
        refused("model: no such model", setup("model_not_found")),
        answered("model: 404 (a wrong path)", 404),
        answered("model: 429 at every dial", 429),
        answered("model: 503 at every dial", 503),
        Fault {
            businesses: luna(
                "/businesses/0/fallback",
                serde_json::json!({"message": "Please call tomorrow."}),
            ),
            ..answered("model: 401, and the business has only a sentence", 401)
        },
        Fault {
            scripts: vec![Script { faults: vec![ModelFault::RefuseHandshake(429)], ..well() }, well()],
            ..fault("model: 429 at the first dial")
        },
        refused("model: no `session.updated`", ModelFault::NoSetup),
        refused("model: every session breaks at once", ModelFault::Reset { after_ms: 30 }),
    ];
    rows.extend(slow_ones());
    rows
}

fn slow_ones() -> Vec<Fault> {
    vec![
        Fault { scripts: vec![slow(FOR_EVER)], call: listens, ..fault("model: does not connect") },
        Fault {
            scripts: vec![slow(A_WHILE)],
            call: |plan| plan.caller = vec![asks(), hangs_up_at(8_000)],
            ..fault("model: connects after 3.5 s; greeting and phrase are kept")
        },
        Fault {
            scripts: vec![slow(A_WHILE)],
            kept: Kept::Phrase,
            call: |plan| plan.caller = vec![hangs_up_at(8_000)],
            ..fault("the same, and only the phrase is kept")
        },
        Fault {
            scripts: vec![slow(A_WHILE)],
            kept: Kept::Nothing,
            call: |plan| plan.caller = vec![hangs_up_at(8_000)],
            ..fault("the same, and nothing is kept")
        },
    ]
}
