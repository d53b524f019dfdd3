//! The plan of the business allows no more calls.

use frontdesk::domain::{BusinessId, CallSid, InstanceId};
use frontdesk::store::{SlotWish, Slots as _};
use frontdesk::telemetry::wall_clock;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use serde_json::json;

use super::luna;
use crate::fault::{Fault, Guard, Scene, fault, listens};

pub(super) fn rows() -> Vec<Fault> {
    let no_minutes = || luna("/plans/0/minutesPerMonth", json!(0));
    let without = |fallback: serde_json::Value| {
        let mut luna: serde_json::Value = serde_json::from_str(&no_minutes()).unwrap();
        *luna.pointer_mut("/businesses/0/fallback").unwrap() = fallback;
        luna.to_string()
    };
    vec![
        Fault {
            businesses: luna("/plans/0/concurrentCalls", json!(1)),
            before: Some(takes_the_slot),
            call: listens,
            ..fault("plan: every slot is taken")
        },
        Fault { businesses: no_minutes(), call: listens, ..fault("plan: the month's minutes are used up") },
        Fault {
            businesses: without(json!({"message": "We are closed. Please call tomorrow."})),
            call: listens,
            ..fault("the same, and the business has only a sentence")
        },
        Fault {
            businesses: without(json!(null)),
            call: listens,
            ..fault("the same, and the business has no fallback")
        },
    ]
}

fn takes_the_slot(scene: &Scene) -> LocalBoxFuture<'_, Guard> {
    async {
        let business = BusinessId::parse("business-1").unwrap();
        let call = CallSid::parse("CA00000000000000000000000000000001").unwrap();
        let (instance, now_ms) = (InstanceId::parse("elsewhere").unwrap(), wall_clock());
        let wish = SlotWish {
            business: &business,
            call: &call,
            instance: &instance,
            most: 1,
            now_ms,
            until_ms: now_ms + 60_000,
        };
        scene.house.store.take(&wish).await.unwrap();
        Box::new(()) as Guard
    }
    .boxed_local()
}
