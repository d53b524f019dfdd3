//! A call outlives its process: killed, or told to end and followed by another, with hundreds of callers in mid-sentence.

use std::time::Duration;

use frontdesk::domain::CallSid;
use frontdesk::sim::socket::PhoneReport;
use frontdesk::telemetry::wall_clock;
use futures_util::future::join_all;
use tokio::task::JoinSet;

use crate::fleet::{Fleet, FleetPlan, Left, now, number, until};
use crate::place::Place;
use crate::placed::{Placed, is_metered, settled};
use crate::story::{Fate, Findings, look_at, told};
use crate::talk::{LINES, businesses, caller, script};

/// How many callers `cargo test` has on the line at once.
const CALLS: usize = 40;

/// Sets another number: two hundred, on a machine that does nothing else.
const CALLS_VARIABLE: &str = "FRONTDESK_TEST_FLEET_AT_ONCE";

/// From so many on, it is time that is measured too: whoever asks for them sees to it that the machine is free.
const MEASURED_FROM: usize = 200;

/// In that time almost all hear somebody again.
const GAP_P95: Duration = Duration::from_secs(3);

/// Between one caller and the next. A store on this machine takes some twenty a second.
const NEXT_CALLER: Duration = Duration::from_millis(50);

/// How long they talk before something happens, and afterwards: two questions and answers.
const TALK: Duration = Duration::from_secs(6);

/// What Twilio needs from our answer to its stream.
const BEFORE_STREAM: Duration = Duration::from_millis(350);

/// From the kill to the next process.
const MOMENT_LATER: Duration = Duration::from_secs(2);

/// What the platform grants a process to end. Calls are handed over after half of it.
const GRACE: Duration = Duration::from_secs(14);

/// How long all who lost their stream may take to have one again, before we look at who has not.
const BACK: Duration = Duration::from_secs(20);

/// How far what is metered of a call may be from what its caller's telephone says.
const TOLERANCE_MS: i64 = 2_000;

/// How many calls that went wrong are told in full.
const MOST_SHOWN: usize = 3;

/// How long slots may stay taken when nobody calls any more: a lease, and a beat.
const SLOTS_FREE: Duration = Duration::from_secs(36);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_calls_go_on_when_their_process_is_killed() {
    killed(Place::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_firestore_calls_go_on_when_their_process_is_killed() {
    let Some(place) = Place::firestore() else { return };
    killed(place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_calls_go_on_through_a_rolling_restart() {
    restarted(Place::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_firestore_calls_go_on_through_a_rolling_restart() {
    let Some(place) = Place::firestore() else { return };
    restarted(place).await;
}

async fn killed(place: Place) {
    let title = format!("{}, one of two killed", place.name());
    let mut scene = Scene::begin(place).await;
    let hit = scene.fleet.kill_the_busiest().streams;
    tokio::time::sleep(MOMENT_LATER).await;
    scene.fleet.grow(1).await;
    scene.all_talk_again().await;
    let findings = scene.end(&title).await;
    let breaks = findings.iter().map(|findings| findings.fates.len()).sum::<usize>();
    assert_eq!(breaks, hit, "every stream of the process that was killed broke, and no other");
}

async fn restarted(place: Place) {
    let title = format!("{}, rolling restart of two", place.name());
    let mut scene = Scene::begin(place).await;
    for _ in 0..2 {
        let Left { code, took } = scene.fleet.end_the_oldest(GRACE).await;
        println!("{title}: a process ended after {took:.1?} of {GRACE:?}, with {code:?}");
        assert_eq!(code, Some(0), "a process that was told to end did not, in its grace");
        scene.fleet.grow(1).await;
        scene.all_talk_again().await;
    }
    let findings = scene.end(&title).await;
    let breaks = findings.iter().map(|findings| findings.fates.len()).sum::<usize>();
    assert!(breaks >= scene.calls.len(), "those who were not handed over at first were so then");
}

/// Two processes, with callers in conversation.
struct Scene {
    fleet: Fleet,
    placing: JoinSet<PhoneReport>,
    calls: Vec<CallSid>,
}

impl Scene {
    async fn begin(place: Place) -> Self {
        let many = number(CALLS_VARIABLE, CALLS);
        let settings = vec![
            ("DRAIN_SECONDS", GRACE.as_secs().to_string()),
            // Each connection to the model is a call's, so that what is said tells whose it is.
            ("PHRASES_AT_ONCE", "0".to_owned()),
        ];
        let (businesses, refusals) = (businesses(), Vec::new());
        let scripts = (0..many * 5).map(script).collect();
        let plan = FleetPlan { size: 2, businesses: &businesses, place, scripts, refusals, settings };
        let fleet = Fleet::start_with(plan).await;
        let mut scene = Self { fleet, placing: JoinSet::new(), calls: Vec::new() };
        for number in 0..many {
            let mut plan = scene.fleet.call(LINES[number % LINES.len()], caller());
            plan.before_stream = BEFORE_STREAM;
            plan.longest = Duration::from_secs(600);
            scene.calls.push(plan.call.clone());
            let phone = scene.fleet.phone();
            scene.placing.spawn(async move { phone.call(plan).await });
            tokio::time::sleep(NEXT_CALLER).await;
        }
        until("not every caller has a stream", async || scene.fleet.streams() == many).await;
        tokio::time::sleep(TALK).await;
        scene
    }

    /// Gives all who lost their stream the time to have one again, and to talk.
    async fn all_talk_again(&self) {
        let back = async {
            while self.fleet.streams() < self.calls.len() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // Who has none by then is found by what their telephone tells.
        let _all = tokio::time::timeout(BACK, back).await;
        tokio::time::sleep(TALK).await;
    }

    /// Ends all calls, and looks at what became of each.
    async fn end(&mut self, title: &str) -> Vec<Findings> {
        join_all(self.calls.iter().map(|call| self.fleet.end_call(call))).await;
        let mut reports = Vec::new();
        while let Some(report) = self.placing.join_next().await {
            reports.push(report.unwrap());
        }
        let free_after = self.slots_are_free().await;
        let placed = settled(&self.fleet, reports).await;
        let told = told(&self.fleet.connections());
        let mut findings = Vec::new();
        for call in &placed {
            let turns = self.fleet.store.ledger().turns(&call.report.call).await.unwrap();
            findings.push(look_at(call, &turns, &told));
        }
        let off_ms = placed.iter().map(|call| call.error_ms().abs()).max().unwrap();
        println!("{title}: slots free after {free_after:.1?}; metered {off_ms} ms off at most in one call");
        println!("{title}: complaints {:?}", self.fleet.complaints_by_kind());
        judge(title, &placed, &findings);
        is_metered(&self.fleet, &placed, TOLERANCE_MS).await;
        findings
    }

    async fn slots_are_free(&self) -> Duration {
        let began = now();
        for business in &businesses().businesses {
            let slots = self.fleet.store.slots();
            until("a slot is held by nobody's call", async || {
                slots.taken(&business.id, wall_clock()).await.unwrap() == 0
            })
            .await;
        }
        assert!(began.elapsed() <= SLOTS_FREE, "slots were held for {:?}", began.elapsed());
        began.elapsed()
    }
}

/// Prints what happened, and fails when it is not what was promised.
fn judge(title: &str, placed: &[Placed], findings: &[Findings]) {
    let fates: Vec<Fate> = findings.iter().flat_map(|findings| findings.fates.clone()).collect();
    let count = |fate: Fate| fates.iter().filter(|other| **other == fate).count();
    let (mut gaps, mut spoken) = (Vec::new(), Vec::new());
    for fate in &fates {
        match fate {
            Fate::WentOn(gap) => gaps.push(gap.as_millis()),
            Fate::SpokeOn(gap) => spoken.push(gap.as_millis()),
            Fate::SaidGoodbye | Fate::HungUp | Fate::WebhookLost | Fate::Lost => {}
        }
    }
    let (went_on, left) = (gaps.len() + spoken.len(), count(Fate::HungUp) + count(Fate::SaidGoodbye));
    println!(
        "{title}: {} calls at once, {} streams broke: {went_on} went on, {left} were over, {} lost a webhook, {} were lost",
        placed.len(),
        fates.len(),
        count(Fate::WebhookLost),
        count(Fate::Lost),
    );
    let p95_ms = print_gaps(title, "who listened", gaps);
    print_gaps(title, "who spoke themselves", spoken);
    let sum = |of: fn(&Findings) -> usize| findings.iter().map(of).sum::<usize>();
    let (lost, untold) = (sum(|of| of.lost.len()), sum(|of| of.untold.len()));
    let twice = findings.iter().filter(|of| of.greetings > 1).count();
    println!(
        "{title}: of {} turns before a break {lost} were lost and {untold} not told again, {} of the last second were \
         cut; {twice} callers were greeted twice",
        sum(|of| of.turns),
        sum(|of| of.cut),
    );
    let mut shown = 0;
    for (call, findings) in placed.iter().zip(findings) {
        let fine = |fate: &Fate| !matches!(fate, Fate::WebhookLost | Fate::Lost);
        if !(findings.fates.iter().all(fine) && findings.lost.is_empty() && findings.untold.is_empty())
            && shown < MOST_SHOWN
        {
            shown += 1;
            println!("{findings:?}\n{:?}\n{:?}", call.record, call.report.events);
        }
    }
    let waited = fates.len() - left;
    assert!(went_on * 100 >= waited * 99, "{went_on} of {waited} calls went on");
    assert_eq!((lost, untold), (0, 0), "turns were lost, or not told to who went on");
    assert_eq!(twice, 0, "callers were greeted twice");
    if placed.len() >= MEASURED_FROM {
        assert!(p95_ms <= GAP_P95.as_millis(), "of a hundred, five heard nobody for {p95_ms} ms");
    }
}

/// Prints how long they heard nobody, in milliseconds; of a hundred, five heard nobody for longer than what is given.
fn print_gaps(title: &str, who: &str, mut gaps_ms: Vec<u128>) -> u128 {
    gaps_ms.sort_unstable();
    let Some(most) = gaps_ms.last() else { return 0 };
    let [p50, p95] = [50, 95].map(|percent| gaps_ms[(gaps_ms.len() * percent / 100).min(gaps_ms.len() - 1)]);
    println!("{title}: gap of {} {who}: p50 {p50} ms, p95 {p95} ms, at most {most} ms", gaps_ms.len());
    p95
}
