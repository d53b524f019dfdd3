//! What the model asks for beside the talk fails.

use frontdesk::sim::model::{Reply, Script};

use super::store;
use crate::fault::{Fault, fault};
use crate::scenes::asks;
use crate::voices::{GREETS, NOTED, answering, goodbye, hangs_up_at};

const MESSAGE: &str = r#"{"name":"Ada","contact":"+14155550123","message":"Please ring back"}"#;

fn calls(tool: &str, arguments: &str) -> Vec<Script> {
    let mut script = answering(vec![Reply::default().and_tool(tool, arguments), goodbye()]);
    script.after_tool = vec![NOTED.says("So it is.")];
    vec![script]
}

pub(super) fn rows() -> Vec<Fault> {
    let tool = |name, tool: &str, arguments: &str| Fault {
        scripts: calls(tool, arguments),
        since: Some(GREETS),
        ..fault(name)
    };
    vec![
        Fault {
            before: Some(store::hangs),
            call: |plan| plan.caller = vec![asks(), hangs_up_at(18_000)],
            ..tool("tool hangs: a message is not kept in time", "take_message", MESSAGE)
        },
        Fault {
            before: Some(store::forgets_messages),
            ..tool("tool fails: a message cannot be kept", "take_message", MESSAGE)
        },
        tool("tool called with garbage", "take_message", r#"{"message":"#),
        tool("tool called that there is not", "order_pizza", "{}"),
        tool("transfer to a place that there is not", "transfer_call", r#"{"destination":"+19005550100"}"#),
    ]
}
