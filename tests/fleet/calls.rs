//! What is metered is what was talked, whoever was killed meanwhile.

use std::sync::Arc;
use std::time::Duration;

use frontdesk::domain::{Intention, Moment};
use frontdesk::sim::model::{Pace, Reply, Script};
use frontdesk::sim::socket::PhoneReport;
use frontdesk::sim::{Act, Dice, Step, When, tone};
use frontdesk::telemetry::wall_clock;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::balancer::Load;
use crate::fleet::{Fleet, number, until};
use crate::placed::{Placed, is_metered, settled};
use crate::story::{Fate, fates, streams};
use crate::talk::{LINES, businesses};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_second_is_metered_once_while_instances_are_killed() {
    let calls = number(CALLS_VARIABLE, CALLS);
    let mut fleet = Fleet::start(INSTANCES, &businesses(), script()).await;
    let (reports, killed) = place(&mut fleet, calls).await;
    assert!(killed.streams > 0, "no call was hit");
    let placed = settled(&fleet, reports).await;
    print(&fleet, &placed);
    is_metered(&fleet, &placed, TOLERANCE_MS).await;
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

fn was_hit(call: &Placed) -> bool {
    call.broken_streams() > 0 || call.lost_a_webhook()
}

/// Nobody else heard of it.
fn only_killed_calls_noticed(placed: &[Placed], killed: Load) {
    let (hit, others): (Vec<_>, Vec<_>) = placed.iter().partition(|call| was_hit(call));
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

fn print(fleet: &Fleet, placed: &[Placed]) {
    let errors: Vec<i64> = placed.iter().map(Placed::error_ms).collect();
    let (most, sum) = (errors.iter().map(|error| error.abs()).max().unwrap(), errors.iter().sum::<i64>());
    let of = |call: &Placed| fates(call, &streams(&call.report));
    let all: Vec<Fate> = placed.iter().flat_map(of).collect();
    let count = |such: fn(&Fate) -> bool| all.iter().filter(|fate| such(fate)).count();
    let unknown = placed.iter().filter(|call| call.record.is_none()).count();
    let measured: i64 = placed.iter().map(Placed::measured_ms).sum();
    println!(
        "{} calls of {measured} ms in all; {} on killed instances: {} went on, {} had said goodbye, {} hung up, {} lost a \
         webhook, {} were lost; {unknown} not in the ledger; metered {sum:+} ms, {most} ms at most in one call; {} complaints",
        placed.len(),
        all.len(),
        count(|fate| matches!(fate, Fate::WentOn(_) | Fate::SpokeOn(_))),
        count(|fate| *fate == Fate::SaidGoodbye),
        count(|fate| *fate == Fate::HungUp),
        count(|fate| *fate == Fate::WebhookLost),
        count(|fate| *fate == Fate::Lost),
        fleet.complaints().len()
    );
    for call in placed.iter().filter(|call| of(call).contains(&Fate::Lost)) {
        println!("{:#?}\n{:?}", call.report.events, call.record);
    }
}
