//! Fifty calls at a time for minutes, with everything around the process going wrong by chance: nothing may stay behind.

use std::collections::BTreeMap;
use std::time::Duration;

use frontdesk::domain::{BusinessImport, Moment};
use frontdesk::sim::model::{ModelFault, Reply, Script};
use frontdesk::sim::socket::{CallPlan, PhoneEvent, PhoneReport};
use frontdesk::sim::{Act, Dice, LineFault, Step, When, tone};
use frontdesk::telemetry::wall_clock;
use tokio::task::JoinSet;

use crate::fleet::{Fleet, FleetPlan, Left, now, number, until};
use crate::gauge::Gauge;
use crate::place::Place;
use crate::placed::settled;
use crate::talk::LINES;

/// How long `cargo test` has for it, in seconds.
const SECONDS: usize = 20;

/// Sets another time: eight minutes, once in a while.
const SECONDS_VARIABLE: &str = "FRONTDESK_TEST_SOAK_S";

/// Another world.
const SEED_VARIABLE: &str = "FRONTDESK_TEST_SOAK_SEED";

/// How many callers there are at a time.
const AT_ONCE: usize = 50;

/// How often the process is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// From so many seconds on, memory has settled in the second quarter, and the last is compared with it.
const FLAT_FROM: usize = 120;

/// By so much the last quarter's median may be above the second's: a tenth, for pages that the allocator keeps in parts,
/// and 4 MiB, the page caches of a database that grows. A leak of 10 KB a call would be 20 MiB in eight minutes.
const FLAT_PERCENT: u64 = 10;
const FLAT_KIB: u64 = 4 * 1024;

/// A caller whom two models in a row leave without an answer loses patience.
const LONGEST: Duration = Duration::from_secs(30);

/// More connections to the model than there are calls, and more questions to the REST interface.
const MOST: usize = 20_000;

/// What the store opens when it is asked more at once: three readers, with three files each.
const DATABASE_FILES: usize = 9;

/// The greeting is kept and played to all who call later; in these words the model says it.
const GREETING: &str = "Thanks for calling Luna Dental.";

/// Calls by chance.
struct Chance(Dice);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_minutes_of_faults_nothing_stays_behind() {
    let seconds = number(SECONDS_VARIABLE, SECONDS);
    let seed = number(SEED_VARIABLE, 7) as u64;
    let mut fleet = fleet(seed).await;
    let before = look(&fleet).await;
    let (reports, looks) = soak(&fleet, seconds, seed).await;
    let left = nothing_is_left(&fleet, before).await;
    print(seconds, seed, before, &looks, left);
    let mut endings: BTreeMap<String, usize> = BTreeMap::new();
    let calls = reports.len();
    let upgraded = |report: &&PhoneReport| {
        report.events.iter().filter(|(_, event)| *event == PhoneEvent::Upgraded).count() > 1
    };
    let resumed = reports.iter().filter(upgraded).count();
    let (tired, problems): (Vec<_>, Vec<_>) =
        reports.iter().flat_map(PhoneReport::problems).partition(|problem| problem.contains("patience"));
    for call in settled(&fleet, reports).await {
        let ending = call.record.as_ref().and_then(|record| record.ending.clone());
        *endings.entry(format!("{ending:?}")).or_default() += 1;
    }
    println!(
        "{calls} calls, {resumed} of them went on after a break, {} callers lost patience; {endings:?}",
        tired.len()
    );
    assert!(calls > 0 && problems.is_empty(), "the telephone network would complain: {problems:#?}");
    println!("complaints {:?}", fleet.complaints_by_kind());
    let panics = fleet.complaints().into_iter().filter(|line| line.contains("panic")).collect::<Vec<_>>();
    assert!(panics.is_empty(), "{panics:#?}");
    if seconds >= FLAT_FROM {
        let [second, last] = [median(&looks, 1), median(&looks, 3)];
        assert!(last <= second + second * FLAT_PERCENT / 100 + FLAT_KIB, "{second} KiB, and then {last}");
    }
    let Left { code, took } = fleet.end_the_oldest(Duration::from_secs(10)).await;
    assert_eq!(code, Some(0), "after {took:?}");
}

async fn fleet(seed: u64) -> Fleet {
    let mut chance = Chance(Dice::new(seed));
    let scripts = (0..MOST).map(|_| chance.script()).collect();
    let refusals = (0..MOST).map(|_| chance.rest_status()).collect();
    let (businesses, settings) = (businesses(), vec![("RUST_LOG", "warn".to_owned())]);
    let place = Place::sqlite();
    let plan = FleetPlan { size: 1, businesses: &businesses, place, scripts, refusals, settings };
    Fleet::start_with(plan).await
}

/// Fifty callers, each followed by another for as long as it lasts; what they met, and what the process held meanwhile.
async fn soak(fleet: &Fleet, seconds: usize, seed: u64) -> (Vec<PhoneReport>, Vec<Gauge>) {
    let until = now() + Duration::from_secs(seconds as u64);
    let (mut calling, mut reports, mut looks) = (JoinSet::new(), Vec::new(), Vec::new());
    let mut chance = Chance(Dice::new(seed ^ 1));
    let mut beat = tokio::time::interval(LOOK_EVERY);
    loop {
        while calling.len() < AT_ONCE && now() < until {
            let plan = chance.call(fleet);
            let phone = fleet.phone();
            calling.spawn(async move {
                let report = phone.call(plan).await;
                // What was heard is not looked at, and is half a megabyte a minute.
                PhoneReport { streams: Vec::new(), ..report }
            });
        }
        tokio::select! {
            report = calling.join_next() => match report {
                Some(report) => reports.push(report.unwrap()),
                None => return (reports, looks),
            },
            _ = beat.tick() => if now() < until {
                looks.push(look(fleet).await);
            },
        }
    }
}

async fn look(fleet: &Fleet) -> Gauge {
    Gauge::of(fleet.alive()[0], fleet.rest_port()).await
}

/// Waits until the process holds no more than before the first call.
async fn nothing_is_left(fleet: &Fleet, before: Gauge) -> Gauge {
    let slots = fleet.store.slots();
    for business in &businesses().businesses {
        until("a slot is left", async || slots.taken(&business.id, wall_clock()).await.unwrap() == 0).await;
    }
    let (mut left, beginning) = (look(fleet).await, now());
    while left.calls > 0
        || left.work > 0
        || left.background > before.background
        || left.sockets > before.sockets
        || left.files > before.files + DATABASE_FILES
    {
        assert!(beginning.elapsed() < Duration::from_secs(45), "something is left: {left:?}, of {before:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        left = look(fleet).await;
    }
    left
}

/// The median memory of one quarter of the time.
fn median(looks: &[Gauge], quarter: usize) -> u64 {
    let length = looks.len() / 4;
    let mut memory: Vec<_> =
        looks[quarter * length..(quarter + 1) * length].iter().map(|look| look.memory_kib).collect();
    memory.sort_unstable();
    memory[memory.len() / 2]
}

fn print(seconds: usize, seed: u64, before: Gauge, looks: &[Gauge], left: Gauge) {
    println!("{seconds} s, seed {seed}, {AT_ONCE} calls at a time, one process");
    println!("| when | memory MiB | files | sockets | calls | work | background |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let row = |when: &str, gauge: Gauge| {
        let Gauge { memory_kib, files, sockets, calls, work, background } = gauge;
        let mib = memory_kib as f64 / 1_024.0;
        println!("| {when} | {mib:.1} | {files} | {sockets} | {calls} | {work} | {background} |");
    };
    row("before", before);
    for eighth in 1..=8 {
        row(&format!("{} s", seconds * eighth / 8), looks[(looks.len() * eighth / 8).max(1) - 1]);
    }
    row("after", left);
    let medians: Vec<_> =
        (0..4).map(|quarter| format!("{:.1}", median(looks, quarter) as f64 / 1_024.0)).collect();
    println!("median memory by quarter: {} MiB", medians.join(", "));
}

impl Chance {
    fn call(&mut self, fleet: &Fleet) -> CallPlan {
        let line = LINES[self.index(LINES.len())];
        let steps = self.caller();
        let mut plan = fleet.call(line, steps);
        plan.longest = LONGEST;
        plan.before_stream = self.0.up_to(Duration::from_millis(700));
        if self.0.happens(25) {
            plan.line_faults = vec![vec![self.line_fault()]];
        }
        plan
    }

    /// They ask a few things and hang up, or wait for the goodbye; some hang up in the middle of anything.
    fn caller(&mut self) -> Vec<Step> {
        if self.0.happens(30) {
            let at = Moment::from_millis(self.0.within(200..=12_000));
            return vec![Step { when: When::At(at), act: Act::HangUp }];
        }
        let ask = |ms| Step { when: When::AfterSilence(400), act: Act::Say(tone::sine(220, ms)) };
        let mut steps: Vec<_> = (0..self.0.within(1..=3)).map(|_| ask(300 + 100 * self.index(8))).collect();
        steps.push(Step { when: When::AfterSilence(self.0.within(300..=4_000)), act: Act::HangUp });
        steps
    }

    fn line_fault(&mut self) -> LineFault {
        let (at_ms, for_ms) = (self.0.within(200..=10_000), self.0.within(20..=2_000));
        match self.index(5) {
            0 | 1 => LineFault::Reset { at_ms },
            2 => LineFault::Hold { at_ms, for_ms },
            3 => LineFault::Lose { at_ms, for_ms },
            _ => LineFault::NeverStop,
        }
    }

    fn script(&mut self) -> Script {
        let speech = |dice: &mut Dice, words| {
            let frames = dice.within(10..=80) as usize;
            Reply::speech(tone::noise(3, frames * 160), words)
        };
        let mut script = Script::new(Reply::speech(tone::noise(1, 12_000), GREETING), Reply::default());
        script.resumed = Some(speech(&mut self.0, "Where were we?"));
        script.turns = (0..2).map(|_| speech(&mut self.0, "We are open from nine to five.")).collect();
        script.turns.push(speech(&mut self.0, "Goodbye.").and_tool("end_call", "{}"));
        script.transcripts = vec!["Are you open?".to_owned(); 3];
        if self.0.happens(20) {
            script.pace.first_audio = self.0.up_to(Duration::from_millis(3_000));
            script.pace.connect = self.0.up_to(Duration::from_millis(2_500));
        }
        if self.0.happens(25) {
            script.faults = vec![self.model_fault()];
        }
        script
    }

    fn model_fault(&mut self) -> ModelFault {
        let after_ms = self.0.within(0..=8_000);
        match self.index(9) {
            0 => ModelFault::RefuseHandshake([429, 500, 503][self.index(3)]),
            1 | 2 => ModelFault::Reset { after_ms },
            3 => ModelFault::BreakOff { after_ms: after_ms / 4 },
            4 => ModelFault::FallSilent { after_ms },
            5 => ModelFault::Expire { after_ms },
            6 => ModelFault::NoSetup,
            7 => ModelFault::NoAnswer,
            _ => ModelFault::FailAnswers("rate_limit_exceeded".to_owned()),
        }
    }

    fn rest_status(&mut self) -> u16 {
        if self.0.happens(30) { [429, 500, 503][self.index(3)] } else { 200 }
    }

    fn index(&mut self, many: usize) -> usize {
        usize::try_from(self.0.within(0..=many as u64 - 1)).unwrap()
    }
}

/// The first of them is recorded.
fn businesses() -> BusinessImport {
    let business = |(number, line): (usize, &str)| {
        serde_json::json!({
            "id": format!("business-{number}"), "name": "Luna Dental", "plan": "premium", "lines": [line],
            "greeting": GREETING, "instructions": "You are the receptionist of Luna Dental.",
            "turnDetection": {"type": "server_vad", "silenceDurationMs": 200}, "tools": ["end_call"],
            "recording": number == 0,
        })
    };
    let businesses: Vec<_> = LINES.into_iter().enumerate().map(business).collect();
    let plan = serde_json::json!({
        "id": "premium", "concurrentCalls": 1_000, "minutesPerMonth": 100_000, "minutesPerCall": 30,
        "recording": true,
    });
    serde_json::from_value(serde_json::json!({"plans": [plan], "businesses": businesses})).unwrap()
}
