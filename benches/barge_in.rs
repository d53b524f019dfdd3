//! How exactly the model is told what the caller heard: random interruptions in virtual time, told against truly
//! heard. `cargo bench --bench barge_in`; a number behind `--` sets how many interruptions a row has.
//!
//! Whole calls: the machine, the codec, a simulated Twilio that plays sample by sample, a simulated service that
//! refuses what the real one refuses, and networks with jitter between them. Answers have one to three items, pieces
//! of random size, and a caller who cuts in anywhere.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark prints, and may stop"
)]

use std::time::Duration;

use bytes::Bytes;
use frontdesk::call::{Brief, Opening};
use frontdesk::domain::{BusinessImport, CallSid, Moment};
use frontdesk::sim::model::{Reply, ReplyItem, Script};
use frontdesk::sim::world::{Latency, Plan, Report, World};
use frontdesk::sim::{Act, Dice, Step, When, tone};

const LUNA: &str = r#"{"businesses":[{"id":"luna","name":"Luna Dental","plan":"premium","greeting":"Hello.","instructions":"Be kind."}]}"#;

/// Interruptions in one call.
const IN_A_CALL: usize = 25;

fn main() {
    let wanted = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(100_000);
    println!(
        "network, one way      interruptions   told − heard, ms: p1     p50     p99   worst   above 40 ms   refused"
    );
    let noise = tone::noise(7, 8_000 * 600);
    for (base_ms, jitter_ms, share) in [(15, 5, 1), (5, 5, 10), (15, 30, 10), (50, 20, 10)] {
        row(&noise, base_ms, jitter_ms, wanted / share);
    }
}

fn row(noise: &Bytes, base_ms: u64, jitter_ms: u64, wanted: usize) {
    let (mut errors, mut refused) = (Vec::with_capacity(wanted), 0);
    let mut seed = 0;
    while errors.len() < wanted {
        seed += 1;
        let report = World::new(plan(noise, seed, base_ms, jitter_ms)).run();
        refused += report.refusals().len() + report.violations().len();
        check(&report, seed);
        errors.extend(report.told().iter().map(|told| {
            assert!(told.told_ms as f64 <= told.made_ms, "seed {seed}: beyond the item's end: {told:?}");
            told.error_ms()
        }));
    }
    errors.truncate(wanted);
    errors.sort_by(f64::total_cmp);
    let at = |share: f64| errors[((errors.len() - 1) as f64 * share) as usize];
    let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let p99 = sizes[(sizes.len() - 1) * 99 / 100];
    let above = sizes.iter().filter(|size| **size > 40.0).count();
    println!(
        "{base_ms:>3} ms + 0…{jitter_ms:<2} ms   {:>13}   {:>21.1} {:>7.1} {p99:>7.1} {:>7.1}   {:>10.3}%   {refused:>7}",
        errors.len(),
        at(0.01),
        at(0.5),
        sizes[sizes.len() - 1],
        above as f64 * 100.0 / errors.len() as f64,
    );
}

fn check(report: &Report, seed: u64) {
    assert!(!report.restless && report.said_after_end == 0, "seed {seed}");
}

fn plan(noise: &Bytes, seed: u64, base_ms: u64, jitter_ms: u64) -> Plan {
    let mut dice = Dice::new(seed);
    // Every item is a stretch of its own, so that each played byte tells where it is from.
    let mut used = 0;
    let mut speech = |dice: &mut Dice, least_ms: u64, most_ms: u64| {
        let samples = usize::try_from(dice.within(least_ms * 8..=most_ms * 8)).unwrap();
        used += samples;
        noise.slice(used - samples..used)
    };
    let mut reply = |dice: &mut Dice| {
        let items = (0..dice.within(1..=3)).map(|_| {
            let audio = speech(dice, 300, 4_000);
            ReplyItem::Speech { audio, words: "Some words that are said in this item.".to_owned() }
        });
        Reply { items: items.collect() }
    };
    let mut script = Script::new(reply(&mut dice), reply(&mut dice));
    script.turns = (0..IN_A_CALL).map(|_| reply(&mut dice)).collect();
    script.pace.first_audio = Duration::from_millis(dice.within(100..=400));
    script.pace.speed = u32::try_from(dice.within(2..=12)).unwrap();
    script.pace.delta_ms = 1..=dice.within(20..=900);
    let caller = (0..IN_A_CALL)
        .map(|_| Step {
            when: When::WhileHearing { utterance: 1, after_ms: dice.within(0..=5_000) },
            act: Act::Say(tone::sine(220, 300)),
        })
        .collect();
    let mut plan = Plan::new(brief(), script, caller).unwrap();
    plan.twilio = Latency { base: Duration::from_millis(base_ms), jitter: Duration::from_millis(jitter_ms) };
    plan.seed = seed;
    plan.limit = Moment::from_millis(240_000);
    plan
}

fn brief() -> Brief {
    let mut import: BusinessImport = serde_json::from_str(LUNA).unwrap();
    let business = import.businesses.remove(0);
    Brief {
        call: CallSid::parse("CA00000000000000000000000000000001").unwrap(),
        attempt: 1,
        plan: business.plan.clone(),
        business,
        from: "+14155550123".to_owned().into(),
        longest: Duration::from_secs(3_600),
        recorded: false,
        began_ms: 0,
        opening: Opening::Greet,
        bridging: None,
    }
}
