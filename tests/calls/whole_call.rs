//! A call from its first ring to its last sample, with and without Twilio's REST interface.

use std::time::Duration;

use bytes::Bytes;
use frontdesk::call::{Note, Output};
use frontdesk::domain::{Ending, Intention, PriceTable, Speaker, Turn};
use frontdesk::sim::model::{Reply, Script};
use frontdesk::sim::socket::{PhoneEvent, PhoneReport};
use frontdesk::store::{Ledger as _, Slots as _};
use frontdesk::telemetry::wall_clock;

use crate::house::{GREETING, House, Plans};
use crate::scenes::{answers, asked, asks, goodbye, heard_of, interrupts, kinds, script, speech};

/// How far our idea of what was heard may be from what the telephone played, in milliseconds: 40 in virtual time, and
/// the rest for a machine that does other things too.
const TOLERANCE_MS: i64 = 120;

const LONG: &str = "We are open from nine to five on every day of the week but on Sunday";
const SHORT: &str = "On Saturday from ten to two.";

fn long() -> Bytes {
    speech(2, 3_000)
}

fn conversation() -> Script {
    let turns = vec![Reply::speech(long(), LONG), Reply::speech(speech(3, 500), SHORT), goodbye()];
    let mut script = script(turns);
    script.transcripts = ["When are you open?", "And on Saturday?", "Thanks."].map(str::to_owned).into();
    // Our own ear knows after 300 ms of quiet that the caller has stopped; what comes earlier is not measured.
    script.pace.first_audio = Duration::from_millis(200);
    script
}

/// Asks, interrupts the answer, hears another, and thanks.
async fn converse(house: &House) -> PhoneReport {
    let report = house.call(vec![asks(), interrupts(700), asks()]).await;
    house.until_quiet().await;
    assert_eq!(report.problems(), Vec::<String>::new());
    house.model_refused_nothing();
    report
}

fn the_interruption_was_exact(house: &House, report: &PhoneReport) {
    let played_ms = i64::try_from(heard_of(report, &long()) / 8).unwrap();
    assert!((500..2_000).contains(&played_ms), "{played_ms} ms");
    let [truncation] = &house.said_to_model(0, "conversation.item.truncate")[..] else {
        panic!("one truncation")
    };
    let told_ms = truncation["audio_end_ms"].as_i64().unwrap();
    println!("played {played_ms} ms, told the model {told_ms} ms");
    assert!((told_ms - played_ms).abs() <= TOLERANCE_MS, "played {played_ms} ms, told {told_ms} ms");
    assert!(report.when(|event| *event == PhoneEvent::Cleared).is_some());
}

fn everything_was_heard(report: &PhoneReport) {
    for (seed, ms) in [(1, 300), (3, 500), (9, 400)] {
        assert_eq!(heard_of(report, &speech(seed, ms)), ms * 8, "speech {seed} was not heard to its end");
    }
}

fn the_turns_are_kept(turns: &[Turn]) {
    let said: Vec<(Speaker, &str)> =
        turns.iter().map(|turn| (turn.speaker, turn.text.reveal().as_str())).collect();
    let [
        greeting,
        first,
        (Speaker::Model, cut),
        second,
        answer,
        thanks,
        (Speaker::Model, "Goodbye, and take care."),
    ] = said[..]
    else {
        panic!("{said:?}")
    };
    assert_eq!(greeting, (Speaker::Model, GREETING));
    assert_eq!(first, (Speaker::Caller, "When are you open?"));
    assert!(cut.starts_with("We are open") && LONG.starts_with(cut) && cut.len() < LONG.len(), "{cut:?}");
    assert_eq!(second, (Speaker::Caller, "And on Saturday?"));
    assert_eq!(answer, (Speaker::Model, SHORT));
    assert_eq!(thanks, (Speaker::Caller, "Thanks."));
    assert_eq!(turns.iter().map(|turn| turn.interrupted).filter(|cut| *cut).count(), 1);
    assert!(turns[2].interrupted && (500..2_000).contains(&turns[2].heard_ms), "{:?}", turns[2]);
    assert_eq!(turns[4].heard_ms, 500);
    assert!(turns[4].answer_delay_ms.is_some());
}

fn every_answer_was_ours(report: &PhoneReport) {
    let ours = concat!(env!("CARGO_PKG_VERSION"), "/");
    for (_, event) in &report.events {
        if let PhoneEvent::Answered { status, hop, .. } = event {
            assert_eq!(*status, 200);
            assert!(hop.as_ref().is_some_and(|hop| hop.starts_with(ours)), "{hop:?}");
        }
    }
}

#[tokio::test]
async fn a_whole_call_is_heard_interrupted_ended_kept_and_replayed() {
    let house = House::open("whole-call", vec![conversation()]).await;
    let report = converse(&house).await;
    let kinds = kinds(&report);
    assert_eq!(kinds[kinds.len() - 3..], ["Ordered", "Stopped", "Over"], "{kinds:?}");
    assert_eq!(asked(&report), ["twilio-voice"]);
    every_answer_was_ours(&report);
    everything_was_heard(&report);
    the_interruption_was_exact(&house, &report);

    let requests = house.rest.requests();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!((request.call.as_str(), request.status), (report.call.as_str(), 200));
    assert_eq!(request.form, [("Status".to_owned(), "completed".to_owned())]);

    let record = house.record(&report.call).await;
    assert_eq!((record.ending, record.intention), (Some(Ending::HungUp), Some(Intention::HangUp)));
    assert!(record.answered_ms >= Some(record.started_ms) && record.ended_ms > record.answered_ms);
    assert!(record.usage.input.audio > 0 && record.usage.output.audio > 0 && record.usage.output.text > 0);
    assert!(record.usage.transcribed_ms > 0);
    // One stream, so it was rounded once.
    let cost = PriceTable::default().cost(&record.usage, "gpt-realtime-2.1");
    assert_eq!(Some(record.cost), cost.filter(|cost| cost.micros() > 0));
    assert_eq!(house.store.taken(&record.business, wall_clock()).await.unwrap(), 0, "its slot is free");
    the_turns_are_kept(&house.store.turns(&report.call).await.unwrap());

    let steps = house.replay(&report.call, 1);
    let last = steps.iter().flat_map(|(_, _, outputs)| outputs).next_back();
    assert!(matches!(last, Some(Output::Note(Note::Over { ending: Ending::HungUp, .. }))), "{last:?}");
    let heard = house.model.connections()[0].clone();
    assert_eq!(heard.target, "/v1/realtime?model=gpt-realtime-2.1");
    assert!(heard.appended_ms > 2_000, "{}", heard.appended_ms);
}

#[tokio::test]
async fn without_the_rest_interface_the_stream_is_closed_and_the_twiml_after_it_hangs_up() {
    let plans = Plans { rest: false, ..Plans::new("no-rest", vec![conversation()]) };
    let house = House::build(plans).await;
    let report = converse(&house).await;
    let kinds = kinds(&report);
    assert_eq!(kinds[kinds.len() - 4..], ["ServerClosed", "Asked", "Answered", "Over"], "{kinds:?}");
    assert_eq!(asked(&report), ["twilio-voice", "twilio-next"]);
    assert!(answers(&report)[1].1.contains("<Hangup/>"));
    assert_eq!(house.rest.requests(), []);
    everything_was_heard(&report);
    the_interruption_was_exact(&house, &report);
    assert_eq!(house.record(&report.call).await.ending, Some(Ending::HungUp));
}
