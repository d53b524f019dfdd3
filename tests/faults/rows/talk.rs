//! The model is lost, silent or senseless in the middle of a call.

use std::time::Duration;

use frontdesk::sim::model::{ModelFault, Script};
use frontdesk::sim::{Act, tone};

use crate::fault::{Fault, fault};
use crate::scenes::asks;
use crate::voices::{ANSWERS, GREETS, asks_into, hangs_up_at, leisurely, next, well, yes};

/// Half of the answer: the greeting is kept, so the model says nothing else before.
const MID_WORD: ModelFault = ModelFault::BreakOff { after_ms: 700 };

/// In the midst of the answer, counted from the connection to the model.
const MID_ANSWER_MS: u64 = 2_100;

const NOT_HEARD: &str = "the model does not say that it hears the caller, who is taken for silent";

fn ill(fault: ModelFault) -> Script {
    Script { faults: vec![fault], ..leisurely() }
}

/// The first session has the fault, and the next is well.
fn first(name: &'static str, broken: ModelFault) -> Fault {
    Fault {
        scripts: vec![ill(broken), next()],
        since: Some(ANSWERS),
        call: |plan| plan.caller = vec![asks(), asks_into(2)],
        ..fault(name)
    }
}

/// The model does not answer the caller; the next session does.
fn mute(name: &'static str, broken: ModelFault) -> Fault {
    let mut mute = ill(broken);
    // No answer of its would be heard, and none of them should be a goodbye.
    mute.turns = vec![yes()];
    Fault {
        scripts: vec![mute, next()],
        since: Some(GREETS),
        call: |plan| plan.caller = vec![asks(), hangs_up_at(23_000)],
        ..fault(name)
    }
}

pub(super) fn rows() -> Vec<Fault> {
    let mut slow_next = next();
    slow_next.pace.connect = Duration::from_secs(4);
    let then = |refusal| vec![ill(MID_WORD), ill(ModelFault::RefuseHandshake(refusal))];
    let mut rows = vec![
        first("model: socket reset in mid-word", MID_WORD),
        first("model: `session_expired`, as at 60 minutes", ModelFault::Expire { after_ms: MID_ANSWER_MS }),
        Fault {
            scripts: [then(429), vec![next()]].concat(),
            ..first("model: lost in mid-word; 429 at the next dial", MID_WORD)
        },
        Fault {
            scripts: vec![ill(MID_WORD), slow_next],
            call: |plan| plan.caller = vec![asks(), hangs_up_at(10_000)],
            ..first("model: lost in mid-word; the next connects after 4 s", MID_WORD)
        },
        Fault {
            scripts: then(503),
            call: |plan| plan.caller = vec![asks()],
            ..first("model: lost in mid-word, and never back", MID_WORD)
        },
        Fault {
            scripts: then(401),
            call: |plan| plan.caller = vec![asks()],
            ..first("model: lost in mid-word, and the key refused", MID_WORD)
        },
    ];
    rows.extend(mute_ones());
    rows
}

fn mute_ones() -> Vec<Fault> {
    let failing = |code: &str| ModelFault::FailAnswers(code.to_owned());
    vec![
        mute("model: begins no answer", ModelFault::NoAnswer),
        mute("model: begins an answer, and nothing comes", ModelFault::Stuck),
        Fault {
            call: |plan| plan.caller = vec![asks(), hangs_up_at(12_000)],
            ..mute("model: answers with text alone", ModelFault::TextOnly)
        },
        Fault {
            call: |plan| {
                plan.caller = vec![asks(), hangs_up_at(45_000)];
                // The model hears the beginning of it, and falls silent before its end.
                plan.caller[0].act = Act::Say(tone::sine(220, 2_000));
            },
            ..mute(
                "model: falls silent while the caller speaks, and keeps the connection",
                ModelFault::FallSilent { after_ms: 1_500 },
            )
        },
        Fault {
            call: |plan| plan.caller = vec![asks(), hangs_up_at(45_000)],
            exception: Some(NOT_HEARD),
            ..mute(
                "model: falls silent before the caller speaks, and keeps the connection",
                ModelFault::FallSilent { after_ms: 400 },
            )
        },
        Fault {
            call: |plan| plan.caller = vec![asks(), hangs_up_at(12_000)],
            ..mute("model: answers fail (`rate_limit_exceeded`)", failing("rate_limit_exceeded"))
        },
        Fault {
            call: |plan| plan.caller = vec![asks()],
            ..mute("model: answers fail (`insufficient_quota`)", failing("insufficient_quota"))
        },
        Fault {
            scripts: vec![Script { faults: vec![ModelFault::Garbage, ModelFault::Unknown], ..well() }],
            ..fault("model: garbage and unknown events between the others")
        },
        Fault { scripts: vec![ill(ModelFault::Repeat)], ..fault("model: every event comes twice") },
    ]
}
