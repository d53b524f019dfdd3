//! Which rung is missing, and in which order the others stand.

use super::*;
use crate::domain::{AccountSid, BusinessId, CallSid, InstanceId, MicroDollars, Pii, PlanId, Usage};

fn record(ending: Option<Ending>) -> CallRecord {
    CallRecord {
        call: CallSid::parse("CA1").unwrap(),
        account: AccountSid::parse("AC1").unwrap(),
        business: BusinessId::parse("luna").unwrap(),
        plan: PlanId::parse("premium").unwrap(),
        from: Pii::new("+14155550123".to_owned()),
        to: Pii::new("+15551234567".to_owned()),
        started_ms: 1_000,
        answered_ms: None,
        ended_ms: ending.as_ref().map(|_| 16_000),
        ending,
        intention: None,
        attempts: 1,
        instance: InstanceId::parse("here").unwrap(),
        usage: Usage::default(),
        cost: MicroDollars::default(),
        recordings: Vec::new(),
        tells: false,
    }
}

fn stream(rungs: &[(u64, Step)]) -> Ladder {
    let rungs = rungs.iter().map(|(at_ms, step)| Rung { at_ms: *at_ms, step: step.clone() }).collect();
    Ladder { streams: vec![Stream { attempt: 1, began_ms: 1_000, rungs }], ..Ladder::default() }
}

fn missing(ladder: &Ladder, ending: Ending) -> Option<&'static str> {
    ladder.diagnosis(&record(Some(ending))).map(|diagnosis| diagnosis.missing)
}

fn rungs(ladder: &Ladder, record: &CallRecord) -> Vec<String> {
    ladder.lines(record, false).into_iter().map(|line| line.what).collect()
}

#[test]
fn a_call_nobody_came_to_misses_its_stream_and_says_what_is_known() {
    let mut ladder = stream(&[(0, Step::ModelDialled), (15_000, Step::Over(Ending::NeverConnected))]);
    assert_eq!(missing(&ladder, Ending::NeverConnected), Some("The stream is opened"));
    let says = |ladder: &Ladder| ladder.diagnosis(&record(Some(Ending::NeverConnected))).unwrap().says;
    assert!(says(&ladder).contains("frontdesk doctor"));
    ladder.upgrades.push((1_400, false, "its signature is wrong".to_owned()));
    assert!(says(&ladder).contains("its signature is wrong"));
    ladder.stream_errors.push((1_500, "31920: handshake failed".to_owned()));
    assert!(says(&ladder).contains("31920"));
    ladder.finding = Some("The edge answered in our place.".to_owned());
    assert_eq!(says(&ladder), "The edge answered in our place.");
    let rungs = rungs(&ladder, &record(Some(Ending::NeverConnected)));
    assert_eq!(rungs[rungs.len() - 2..], ["The stream is opened", "Ended"], "{rungs:?}");
    ladder.upgrades = vec![(1_400, true, "met".to_owned())];
    assert_eq!(missing(&ladder, Ending::NeverConnected), Some("The stream starts"));
}

#[test]
fn a_model_that_refused_is_missing_with_its_own_word() {
    let refused = Step::ModelRefused("insufficient_quota".to_owned(), true);
    let ladder = stream(&[(0, Step::ModelDialled), (300, Step::CallerArrived), (400, refused)]);
    let diagnosis = ladder.diagnosis(&record(Some(Ending::ModelRefused))).unwrap();
    assert_eq!(diagnosis.missing, "The model is ready");
    assert!(diagnosis.says.contains("insufficient_quota"), "{}", diagnosis.says);
}

#[test]
fn a_call_that_went_well_or_goes_on_misses_nothing() {
    let ladder = stream(&[(300, Step::CallerArrived), (500, Step::FirstAudio(200))]);
    assert_eq!(missing(&ladder, Ending::CallerHungUp), None);
    assert_eq!(ladder.diagnosis(&record(None)), None);
    assert_eq!(Ladder::default().diagnosis(&record(None)), None);
}

#[test]
fn a_handshake_stands_before_its_start_however_late_it_was_written_down() {
    let mut ladder = stream(&[(0, Step::ModelDialled), (300, Step::CallerArrived)]);
    ladder.upgrades.push((1_302, true, "met".to_owned()));
    let all = rungs(&ladder, &record(None));
    assert_eq!(all, ["Webhook", "Model dialled", "Upgrade", "Start"]);
}
