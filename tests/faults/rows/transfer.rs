//! A person does not take the call, or Twilio does not take our orders.

use frontdesk::sim::model::{ModelFault, Script};
use frontdesk::sim::socket::DialResult;

use crate::fault::{Fault, Rest, fault};
use crate::scenes::{asks, hangs_up_in};
use crate::voices::{CONNECTS, GOODBYE, answering, next, transfers, well};

/// More often than we ask.
const ALWAYS: usize = 100;

fn transferred(name: &'static str) -> Fault {
    Fault {
        scripts: vec![answering(vec![transfers()]), next()],
        since: Some(CONNECTS),
        call: |plan| plan.caller = vec![asks()],
        ..fault(name)
    }
}

pub(super) fn rows() -> Vec<Fault> {
    vec![
        Fault {
            call: |plan| {
                plan.caller = vec![asks(), hangs_up_in(2)];
                plan.dials = vec![DialResult::Busy];
            },
            ..transferred("transfer: busy")
        },
        Fault {
            call: |plan| {
                plan.caller = vec![asks(), hangs_up_in(2)];
                plan.dials = vec![DialResult::NoAnswer];
            },
            ..transferred("transfer: nobody answers")
        },
        Fault {
            call: |plan| {
                plan.caller = vec![asks(), hangs_up_in(2)];
                plan.dials = vec![DialResult::Failed];
            },
            ..transferred("transfer: refused")
        },
        Fault {
            scripts: vec![Script { faults: vec![ModelFault::RefuseHandshake(401)], ..well() }],
            call: |plan| {
                plan.caller = Vec::new();
                plan.dials = vec![DialResult::NoAnswer];
            },
            ..fault("model refuses, and nobody answers at the fallback")
        },
        Fault { rest: Rest::Refuses(429, 2), ..transferred("transfer: Twilio's REST answers 429 twice") },
        Fault { rest: Rest::Refuses(503, ALWAYS), ..transferred("transfer: Twilio's REST answers 503") },
        Fault {
            rest: Rest::Refuses(404, ALWAYS),
            ..transferred("transfer: Twilio's REST knows no such call (404)")
        },
        Fault { rest: Rest::Silent, ..transferred("transfer: Twilio's REST does not answer") },
        Fault { rest: Rest::Away, ..transferred("transfer: Twilio's REST is not there") },
        Fault {
            rest: Rest::Refuses(503, ALWAYS),
            since: Some(GOODBYE),
            ..fault("hang-up: Twilio's REST answers 503")
        },
        Fault {
            rest: Rest::Refuses(404, ALWAYS),
            since: Some(GOODBYE),
            ..fault("hang-up: Twilio's REST knows no such call (404)")
        },
        Fault { rest: Rest::Silent, since: Some(GOODBYE), ..fault("hang-up: Twilio's REST does not answer") },
    ]
}
