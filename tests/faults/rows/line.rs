//! The caller's line breaks, or the caller says nothing, or does not stop.

use frontdesk::domain::{BusinessId, CallRecord, CallSid, InstanceId, MicroDollars, Pii, PlanId, Usage};
use frontdesk::sim::{Frame, LineFault};
use frontdesk::store::Ledger as _;
use frontdesk::telemetry::wall_clock;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use crate::fault::{Fault, Guard, Scene, account, closed, fault, listens};
use crate::house::{CALLER, LINE};
use crate::scenes::{asks, hangs_up, plain};
use crate::voices::{
    ANSWERS, GOODBYE, GREETS, LAST_MINUTE, STILL_THERE, answering, asks_into, goodbye, greeting, next, well,
    yes,
};

/// In the midst of the answer.
const MID_ANSWER: LineFault = LineFault::Reset { at_ms: 1_800 };

/// The call that has lasted for long.
const LONG: &str = "CA00000000000000000000000000000010";

/// It has had all of its thirty minutes but a half.
const SPENT_MS: i64 = (29 * 60 + 30) * 1_000;

pub(super) fn rows() -> Vec<Fault> {
    let mut rows = vec![
        Fault {
            scripts: vec![well(), next()],
            since: Some(ANSWERS),
            call: |plan| {
                plan.caller = vec![asks(), asks_into(2)];
                plan.line_faults = vec![vec![MID_ANSWER]];
            },
            ..fault("stream: reset")
        },
        Fault {
            scripts: vec![well(), next()],
            since: Some(ANSWERS),
            call: |plan| {
                plan.caller = vec![asks()];
                plan.line_faults = vec![vec![MID_ANSWER]; 3];
            },
            ..fault("stream: reset three times")
        },
        Fault {
            settings: vec![("STREAM_PUBLIC_URL", format!("http://{}", closed()))],
            call: listens,
            complaints: &["31920"],
            ..fault("stream: handshake refused, every time")
        },
        Fault {
            call: |plan| {
                plan.caller = vec![asks(), hangs_up()];
                plan.line_faults = vec![vec![LineFault::NeverStop]];
            },
            ..fault("stream: closed without `stop`")
        },
        Fault {
            call: |plan| {
                plan.caller = vec![asks(), asks()];
                plan.line_faults = vec![vec![LineFault::Lose { at_ms: 800, for_ms: 900 }]];
            },
            ..fault("stream: frames are lost for 0.9 s")
        },
        Fault {
            call: |plan| {
                plan.caller = vec![asks(), asks()];
                plan.line_faults = vec![vec![LineFault::Hold { at_ms: 500, for_ms: 700 }]];
            },
            ..fault("stream: all comes 0.7 s late, at once")
        },
        Fault {
            call: |plan| {
                let insert = |at_ms, frame| LineFault::Insert { at_ms, frame };
                plan.caller = vec![asks(), asks()];
                plan.line_faults = vec![vec![
                    insert(100, Frame::Binary(vec![0; 160].into())),
                    insert(120, Frame::Text("garbage".into())),
                    insert(140, Frame::Text(r#"{"event":"start"}"#.into())),
                    insert(160, Frame::Text(r#"{"event":"tomorrow"}"#.into())),
                ]];
            },
            ..fault("stream: garbage and unknown messages between the others")
        },
    ];
    rows.extend(people());
    rows
}

fn people() -> Vec<Fault> {
    let mut patient = plain();
    patient.greeting = STILL_THERE.says("Are you still there?");
    patient.instructed = vec![patient.greeting.clone(), GOODBYE.says("Goodbye, then.")];
    let mut long = answering(vec![yes()]);
    long.greeting = greeting();
    long.instructed = vec![LAST_MINUTE.says("One minute is left."), goodbye()];
    vec![
        Fault {
            scripts: vec![patient],
            since: Some(GREETS),
            call: listens,
            exception: Some("it is the caller's turn"),
            ..fault("the caller says nothing")
        },
        Fault {
            scripts: vec![long],
            before: Some(has_lasted),
            call: |plan| {
                plan.call = CallSid::parse(LONG).unwrap();
                plan.webhook = plan.webhook.replace("voice", "next");
                plan.caller = vec![asks(); 80];
            },
            ..fault("the call is as long as the plan allows (resumed in its last minute)")
        },
    ]
}

/// A call that was interrupted when its minutes were nearly over.
fn has_lasted(scene: &Scene) -> LocalBoxFuture<'_, Guard> {
    async {
        let started_ms = wall_clock() - SPENT_MS;
        let record = CallRecord {
            call: CallSid::parse(LONG).unwrap(),
            account: account(),
            business: BusinessId::parse("business-1").unwrap(),
            plan: PlanId::parse("premium").unwrap(),
            from: Pii::new(CALLER.to_owned()),
            to: Pii::new(LINE.to_owned()),
            started_ms,
            answered_ms: Some(started_ms),
            ended_ms: None,
            ending: None,
            intention: None,
            attempts: 1,
            instance: InstanceId::parse("elsewhere").unwrap(),
            usage: Usage::default(),
            cost: MicroDollars::default(),
            recordings: Vec::new(),
            tells: false,
        };
        scene.house.store.open_call(&record).await.unwrap();
        Box::new(()) as Guard
    }
    .boxed_local()
}
