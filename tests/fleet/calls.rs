//! What is metered is what was talked, whoever was killed meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use frontdesk::domain::{BusinessImport, CallRecord, Intention, Moment};
use frontdesk::sim::model::{Pace, Reply, Script};
use frontdesk::sim::socket::{PhoneEvent, PhoneReport};
use frontdesk::sim::{Act, Dice, Step, When, tone};
use frontdesk::telemetry::wall_clock;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::balancer::Load;
use crate::fleet::{Fleet, until};

/// How many calls `cargo test` places.
const CALLS: usize = 100;

/// Sets another number: a thousand, once in a while.
const CALLS_VARIABLE: &str = "FRONTDESK_TEST_FLEET_CALLS";

/// How many of them are on the line at once.
const AT_ONCE: usize = 36;

/// How many instances carry them.
const INSTANCES: usize = 12;

/// After so many calls each an instance is killed, and another takes its place.
const CALLS_A_KILL: usize = 40;

/// How far what is metered of a call may be from what its caller's telephone says.
const TOLERANCE_MS: i64 = 1_000;

const LINES: [&str; 4] = ["+15551230001", "+15551230002", "+15551230003", "+15551230004"];

/// What became of one call.
struct Placed {
    report: PhoneReport,
    record: Option<CallRecord>,
}

fn businesses() -> BusinessImport {
    let business = |(number, line): (usize, &str)| {
        serde_json::json!({
            "id": format!("business-{number}"), "name": "Luna Dental", "plan": "premium", "lines": [line],
            "greeting": "Thanks for calling Luna Dental. How can I help?",
            "instructions": "You are the receptionist of Luna Dental.",
            "turnDetection": {"type": "server_vad", "silenceDurationMs": 200},
            "tools": ["end_call"],
        })
    };
    let businesses: Vec<_> = LINES.into_iter().enumerate().map(business).collect();
    let plan = serde_json::json!({
        "id": "premium", "concurrentCalls": 1_000, "minutesPerMonth": 100_000, "minutesPerCall": 30,
    });
    serde_json::from_value(serde_json::json!({"plans": [plan], "businesses": businesses})).unwrap()
}

/// Greets, and says goodbye to whatever the caller says.
fn script() -> Script {
    let goodbye = Reply::speech(tone::noise(9, 3_200), "Goodbye.").and_tool("end_call", "{}");
    let mut script = Script::new(Reply::speech(tone::noise(1, 4_000), "Thanks for calling."), goodbye);
    script.pace = Pace {
        connect: Duration::from_millis(5),
        session_updated: Duration::from_millis(5),
        first_audio: Duration::from_millis(30),
        ..Pace::default()
    };
    script
}

/// Most callers hang up after one to four seconds; some ask something, and are said goodbye to.
fn caller(dice: &mut Dice) -> Vec<Step> {
    let hangs_up = |after_ms| Step { when: When::At(Moment::from_millis(after_ms)), act: Act::HangUp };
    if dice.happens(25) {
        let asks = Step { when: When::AfterSilence(200), act: Act::Say(tone::sine(220, 300)) };
        // Whoever is not understood, because the call went on elsewhere, does not wait for ever.
        return vec![asks, hangs_up(10_000)];
    }
    vec![hangs_up(dice.within(1_000..=4_000))]
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests says how many calls they have time for"
)]
fn calls() -> usize {
    std::env::var(CALLS_VARIABLE).map_or(CALLS, |number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_second_is_metered_once_while_instances_are_killed() {
    let calls = calls();
    let mut fleet = Fleet::start(INSTANCES, &businesses(), script()).await;
    let (reports, killed) = place(&mut fleet, calls).await;
    assert!(killed.streams > 0, "no call was hit");
    let placed = settled(&fleet, reports).await;
    print(&fleet, &placed, killed);
    is_metered(&fleet, &placed).await;
    only_killed_calls_noticed(&placed, killed);
    killed_calls_went_on(&placed);
    let slots = fleet.store.slots();
    for business in &businesses().businesses {
        // Those of calls that nobody could go on with are free when their leases end, after half a minute.
        until("a slot is held by nobody's call", async || {
            slots.taken(&business.id, wall_clock()).await.unwrap() == 0
        })
        .await;
    }
}

/// Places the calls, and kills instances meanwhile; what those carried.
async fn place(fleet: &mut Fleet, calls: usize) -> (Vec<PhoneReport>, Load) {
    let mut dice = Dice::new(7);
    let lines = Arc::new(Semaphore::new(AT_ONCE));
    let mut placing = JoinSet::new();
    for number in 0..calls {
        let (phone, lines) = (fleet.phone(), Arc::clone(&lines));
        let plan = fleet.call(LINES[number % LINES.len()], caller(&mut dice));
        placing.spawn(async move {
            let _line = lines.acquire().await.unwrap();
            phone.call(plan).await
        });
    }
    let (mut reports, mut killed) = (Vec::new(), Load::default());
    while let Some(report) = placing.join_next().await {
        reports.push(report.unwrap());
        // In the middle of those that follow, so the last ones are left alone.
        if reports.len() % CALLS_A_KILL == CALLS_A_KILL / 2 && reports.len() + AT_ONCE < calls {
            let Load { connections, streams } = fleet.kill_the_busiest();
            killed.connections += connections;
            killed.streams += streams;
            fleet.grow(1).await;
        }
    }
    (reports, killed)
}

/// Waits until the ledger says of every call that it is over.
async fn settled(fleet: &Fleet, reports: Vec<PhoneReport>) -> Vec<Placed> {
    let ledger = fleet.store.ledger();
    let mut placed = Vec::new();
    for report in reports {
        until("a call is not over in the ledger", async || {
            ledger.call(&report.call).await.unwrap().is_none_or(|record| record.ended_ms.is_some())
        })
        .await;
        let record = ledger.call(&report.call).await.unwrap();
        placed.push(Placed { report, record });
    }
    placed
}

impl Placed {
    /// What the telephone network would charge for: from the answer to the end, in milliseconds.
    fn measured_ms(&self) -> i64 {
        let answered = self.report.when(|event| matches!(event, PhoneEvent::Answered { status: 200, .. }));
        let over = self.report.when(|event| *event == PhoneEvent::Over).unwrap();
        answered.map_or(0, |answered| i64::try_from(over.since(answered).as_millis()).unwrap())
    }

    /// What the ledger charges for, in milliseconds.
    fn metered_ms(&self) -> i64 {
        self.record.as_ref().map_or(0, |record| i64::try_from(record.talked_ms()).unwrap())
    }

    /// How far the two are from each other, in milliseconds.
    fn error_ms(&self) -> i64 {
        self.metered_ms() - self.measured_ms()
    }

    /// How many streams broke under it.
    fn broken_streams(&self) -> usize {
        self.report.events.iter().filter(|(_, event)| *event == PhoneEvent::ServerClosed(None)).count()
    }

    /// Whether a webhook of it was asked of an instance that was killed before it answered.
    fn lost_a_webhook(&self) -> bool {
        self.report.problems().iter().any(|problem| problem.contains("could not be"))
    }

    fn was_hit(&self) -> bool {
        self.broken_streams() > 0 || self.lost_a_webhook()
    }
}

async fn is_metered(fleet: &Fleet, placed: &[Placed]) {
    let wrong: Vec<_> = placed.iter().filter(|call| call.error_ms().abs() > TOLERANCE_MS).collect();
    for call in &wrong {
        println!("{} ms wrong: {:#?}\n{:#?}", call.error_ms(), call.report.events, call.record);
    }
    assert!(wrong.is_empty(), "{} calls are metered wrongly", wrong.len());
    let mut sums = BTreeMap::new();
    for record in placed.iter().filter_map(|call| call.record.as_ref()) {
        *sums.entry(record.business.clone()).or_insert(0) += record.talked_ms();
    }
    for (business, talked_ms) in sums {
        let months = fleet.store.ledger().months(&business).await.unwrap();
        assert_eq!(months.iter().map(|month| month.talked_ms).sum::<u64>(), talked_ms, "{business}");
    }
}

/// Nobody else heard of it.
fn only_killed_calls_noticed(placed: &[Placed], killed: Load) {
    let (hit, others): (Vec<_>, Vec<_>) = placed.iter().partition(|call| call.was_hit());
    for call in others {
        assert_eq!(call.report.problems(), Vec::<String>::new(), "{:#?}", call.report.events);
        assert!(call.record.is_some(), "not in the ledger: {:#?}", call.report.events);
    }
    assert!(hit.len() <= killed.connections, "{} were hit of {} connections", hit.len(), killed.connections);
}

/// A call outlives its process: a stream that broke is followed by another, unless the call had said goodbye already.
fn killed_calls_went_on(placed: &[Placed]) {
    let broke: Vec<_> =
        placed.iter().filter(|call| call.broken_streams() == 1 && !call.lost_a_webhook()).collect();
    let mut unknown = 0;
    for call in &broke {
        match &call.record {
            // It began a moment before, and whoever was killed had not yet written that down.
            None => unknown += 1,
            Some(record) if record.intention == Some(Intention::HangUp) => {}
            Some(_) => assert_eq!(call.report.streams.len(), 2, "{:#?}", call.report.events),
        }
    }
    assert!(unknown <= 1 + broke.len() / 10, "{unknown} of {} were not in the ledger", broke.len());
}

fn print(fleet: &Fleet, placed: &[Placed], killed: Load) {
    let errors: Vec<i64> = placed.iter().map(Placed::error_ms).collect();
    let (most, sum) = (errors.iter().map(|error| error.abs()).max().unwrap(), errors.iter().sum::<i64>());
    let resumed = placed.iter().filter(|call| call.report.streams.len() > 1).count();
    let unknown = placed.iter().filter(|call| call.record.is_none()).count();
    let measured: i64 = placed.iter().map(Placed::measured_ms).sum();
    println!(
        "{} calls of {measured} ms in all; {} on killed instances, {resumed} resumed, {unknown} not in the ledger; \
         metered {sum:+} ms, {most} ms at most in one call; {} complaints",
        placed.len(),
        killed.streams,
        fleet.complaints().len()
    );
}
