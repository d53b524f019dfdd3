//! Whole calls, in virtual time.

use super::*;
use crate::call::{Brief, Note, Opening};
use crate::domain::{Business, BusinessImport, CallSid, Ending, PlanId};
use crate::sim::model::{Reply, ReplyItem, Script};
use crate::sim::{Act, LineFault, Step, When, tone};

const IMPORT: &str = r#"{"businesses":[{"id":"business-1","name":"Luna Dental","plan":"premium","lines":["+15551234567"],
    "greeting":"Thanks for calling Luna Dental. How can I help?","instructions":"You are the receptionist of Luna Dental.",
    "destinations":[{"id":"front-office","label":"the front office","number":"+15550001111"}],
    "tools":["end_call","transfer_call","take_message"]}]}"#;

fn luna() -> Business {
    let mut import: BusinessImport = serde_json::from_str(IMPORT).unwrap();
    import.businesses.remove(0)
}

pub(super) fn brief() -> Brief {
    Brief {
        call: CallSid::parse("CA00000000000000000000000000000001").unwrap(),
        attempt: 1,
        began_ms: 0,
        business: luna(),
        plan: PlanId::parse("premium").unwrap(),
        from: "+14155550123".to_owned().into(),
        longest: Duration::from_secs(1_800),
        recorded: false,
        opening: Opening::Greet,
        bridging: None,
    }
}

fn script() -> Script {
    let mut script = Script::new(
        Reply::speech(tone::noise(1, 16_000), "Thanks for calling Luna Dental. How can I help?"),
        Reply::speech(tone::noise(2, 32_000), "Yes we are open on Saturdays from nine to one."),
    );
    script.turns.push(
        Reply::speech(tone::noise(3, 12_000), "Goodbye then.").and_tool("end_call", r#"{"reason":"done"}"#),
    );
    script.transcripts = vec!["Are you open?".to_owned(), "Thanks, bye.".to_owned()];
    script
}

pub(super) fn say(when: When, ms: usize) -> Step {
    Step { when, act: Act::Say(tone::sine(220, ms)) }
}

fn clean(report: &Report) {
    assert!(!report.restless);
    assert_eq!(report.violations(), []);
    assert_eq!(report.refusals(), Vec::<&crate::sim::model::ServiceRefusal>::new());
    assert_eq!(report.said_after_end, 0);
}

#[test]
fn a_call_is_greeted_answered_and_ended_on_purpose() {
    let caller = vec![say(When::AfterSilence(600), 800), say(When::AfterSilence(800), 500)];
    let mut plan = Plan::new(brief(), script(), caller).unwrap();
    // Late enough for the greeting to wait for the caller: 150 + 50 + 300 ms, and three round trips.
    plan.stream_after = Some(Duration::from_millis(800));
    let report = World::new(plan).run();
    clean(&report);
    assert_eq!(report.ending, Some(Ending::HungUp));
    let (items, strays) = report.items_heard();
    assert_eq!(items.iter().map(|item| item.heard).collect::<Vec<_>>(), [16_000, 32_000, 12_000]);
    assert_eq!(strays, 0);
    assert_eq!(report.turns().count(), 5);
    assert!(report.effects.iter().any(|(_, effect)| *effect == Effect::HangUp));
    let first = report.notes.iter().find_map(|(_, note)| {
        if let Note::FirstAudio { after_start_ms, .. } = note { *after_start_ms } else { None }
    });
    assert!(first.is_some_and(|ms| ms <= 30), "{first:?}");
}

#[test]
fn an_interrupted_answer_is_cut_where_the_caller_stopped_hearing_it() {
    for seed in 0..50 {
        let after_ms = 300 + seed * 37;
        let caller =
            vec![say(When::AfterSilence(600), 800), say(When::WhileHearing { utterance: 1, after_ms }, 900)];
        let mut plan = Plan::new(brief(), script(), caller).unwrap();
        plan.seed = seed;
        let report = World::new(plan).run();
        clean(&report);
        let told = report.told();
        assert_eq!(told.len(), 1, "seed {seed}");
        assert!(told[0].error_ms().abs() <= 60.0 && told[0].heard_ms < 4_000.0, "seed {seed}: {:?}", told[0]);
        assert_eq!(report.clears.len(), 1);
    }
}

#[test]
fn lost_frames_are_padded_and_held_ones_are_not() {
    let run = |fault: LineFault| {
        let mut plan = Plan::new(brief(), script(), vec![]).unwrap();
        plan.line_faults = vec![fault];
        plan.limit = Moment::from_millis(8_000);
        let report = World::new(plan).run();
        clean(&report);
        report.models[0].appended_ms()
    };
    let all = run(LineFault::Lose { at_ms: 3_000, for_ms: 0 });
    assert_eq!(run(LineFault::Lose { at_ms: 3_000, for_ms: 300 }), all);
    assert_eq!(run(LineFault::Hold { at_ms: 3_000, for_ms: 300 }), all);
}

#[test]
fn a_model_that_is_lost_before_it_is_ready_is_dialled_again() {
    let mut plan = Plan::new(brief(), script(), vec![]).unwrap();
    let with = |fault| {
        let mut script = script();
        script.faults = vec![fault];
        script
    };
    plan.scripts = vec![
        with(ModelFault::Reset { after_ms: 30 }),
        with(ModelFault::RefuseHandshake(503)),
        with(ModelFault::NoSetup),
    ];
    plan.scripts[2].faults.push(ModelFault::Expire { after_ms: 100 });
    plan.scripts.push(script());
    plan.limit = Moment::from_millis(8_000);
    let report = World::new(plan).run();
    assert_eq!(report.violations(), []);
    assert_eq!(report.models.len(), 4);
    assert_eq!(report.items_heard().0[0].heard, 16_000);
}

#[test]
fn the_same_seed_is_the_same_call() {
    let run = || {
        let caller = vec![say(When::AfterSilence(600), 800), say(When::AfterSilence(800), 500)];
        let report = World::new(Plan::new(brief(), script(), caller).unwrap()).run();
        (format!("{:?}", report.notes), report.heard().to_vec())
    };
    assert_eq!(run(), run());
}

#[test]
fn ten_minutes_of_talk_end_at_the_plans_limit() {
    let caller = (0..200).map(|_| say(When::AfterSilence(700), 700)).collect();
    let mut script = script();
    script.turns.truncate(1);
    let report = World::new(Plan::new(brief(), script, caller).unwrap()).run();
    clean(&report);
    assert_eq!(report.ended_at.as_millis() / 1_000, 599);
    // Nothing is transcribed, so only the model's turns are kept: one every six seconds.
    assert!(report.turns().count() > 90);
}

/// One world of random speech, pieces, pace, lines and one interruption.
fn random(seed: u64, jitter_ms: u64) -> Report {
    let mut dice = Dice::new(seed);
    let items = (0..dice.within(1..=3)).map(|n| ReplyItem::Speech {
        audio: tone::noise(seed * 10 + n + 1, dice.within(4_000..=24_000) as usize),
        words: "one two three four five".to_owned(),
    });
    let mut script =
        Script::new(Reply::speech(tone::noise(seed * 10, 4_000), "Hi."), Reply { items: items.collect() });
    script.pace.delta_ms = 5..=dice.within(20..=700);
    script.pace.speed = dice.within(1..=20) as u32;
    let after_ms = dice.within(50..=4_000);
    let caller =
        vec![say(When::AfterSilence(600), 500), say(When::WhileHearing { utterance: 1, after_ms }, 600)];
    let mut plan = Plan::new(brief(), script, caller).unwrap();
    plan.seed = seed;
    plan.twilio.jitter = Duration::from_millis(jitter_ms);
    plan.limit = Moment::from_millis(14_000);
    World::new(plan).run()
}

#[test]
fn in_random_worlds_nothing_is_refused_and_every_sample_played_is_accounted_for() {
    let mut interrupted = 0;
    for seed in 0..100 {
        let report = random(seed, seed % 40);
        clean(&report);
        let (items, strays) = report.items_heard();
        assert_eq!(strays, 0, "seed {seed}");
        assert!(items.iter().all(|item| item.heard <= item.forwarded && item.forwarded <= item.made));
        for told in report.told() {
            interrupted += 1;
            assert!(told.told_ms as f64 <= told.made_ms, "seed {seed}: {told:?}");
            assert!(told.error_ms().abs() <= 120.0, "seed {seed}: {told:?}");
        }
    }
    assert!(interrupted > 50);
}
