//! What a caller meets when the model refuses, breaks or speaks another format.

use std::time::Duration;

use frontdesk::domain::Ending;
use frontdesk::sim::model::{ModelFault, Reply, Script};
use frontdesk::sim::socket::PhoneEvent;
use frontdesk::sim::{Act, Step, When, tone};

use crate::house::{FRONT_OFFICE, House, Plans};
use crate::scenes::{answers, asked, asks, goodbye, hangs_up, heard_of, kinds, plain, script, speech};

async fn a_refusal_rings_the_fallback(name: &'static str, fault: ModelFault) {
    let script = Script { faults: vec![fault], ..plain() };
    let house = House::open(name, vec![script]).await;
    let report = house.call(vec![]).await;
    house.until_quiet().await;
    assert_eq!(report.problems(), Vec::<String>::new());
    let kinds = kinds(&report);
    let started = kinds.iter().position(|kind| kind == "Started").unwrap();
    assert_eq!(
        kinds[started..],
        ["Started", "ServerClosed", "Asked", "Answered", "Said", "Dialled", "Asked", "Answered", "Over"]
    );
    assert_eq!(asked(&report), ["twilio-voice", "twilio-next", "twilio-dial"]);
    assert!(answers(&report)[1].1.contains(FRONT_OFFICE));
    let started = report.when(|event| *event == PhoneEvent::Started).unwrap();
    let said = report.when(|event| matches!(event, PhoneEvent::Said(_))).unwrap();
    assert!(said.since(started) < Duration::from_secs(2), "{:?}", said.since(started));
    assert_eq!(house.record(&report.call).await.ending, Some(Ending::ModelRefused));
    assert_eq!(house.model.connections().len(), 1, "no retry can help");
}

#[tokio::test]
async fn a_model_that_answers_401_is_not_asked_again_and_the_fallback_rings() {
    a_refusal_rings_the_fallback("refused-401", ModelFault::RefuseHandshake(401)).await;
}

#[tokio::test]
async fn a_key_that_the_model_refuses_rings_the_fallback() {
    let (kind, code) = ("invalid_request_error".to_owned(), "invalid_api_key".to_owned());
    a_refusal_rings_the_fallback("refused-key", ModelFault::RefuseSetup { kind, code, close: 3_000 }).await;
}

#[tokio::test]
async fn a_model_that_is_lost_in_mid_call_is_followed_by_another_that_knows_what_was_said() {
    let mut lost = plain();
    lost.transcripts = vec!["Are you open?".to_owned()];
    // After the greeting's 300 ms and most of the answer, which the transcript of the question precedes.
    lost.faults = vec![ModelFault::BreakOff { after_ms: 650 }];
    lost.pace.first_audio = Duration::from_millis(80);
    // A reset takes with it what was not read yet: in real time, most of it was.
    lost.pace.speed = 1;
    lost.pace.delta_ms = 40..=60;
    let mut second = script(vec![goodbye()]);
    second.greeting = Reply::speech(speech(6, 300), "Where were we?");
    // So long that the caller takes what comes then for another utterance.
    second.pace.first_audio = Duration::from_millis(600);
    let house = House::open("model-lost", vec![lost, second]).await;
    let when = When::WhileHearing { utterance: 2, after_ms: 200 };
    let thanks = Step { when, act: Act::Say(tone::sine(220, 300)) };
    let report = house.call(vec![asks(), thanks]).await;
    house.until_quiet().await;
    assert_eq!(report.problems(), Vec::<String>::new());
    house.model_refused_nothing();

    assert_eq!(report.streams.len(), 1, "the caller keeps their stream");
    assert_eq!(asked(&report), ["twilio-voice"]);
    assert_eq!(heard_of(&report, &speech(9, 400)), 3_200, "the call goes on to its goodbye");
    let told = house.said_to_model(1, "conversation.item.create");
    let of = |role: &str| -> Vec<&str> {
        let items = told.iter().filter(|event| event["item"]["role"] == role);
        items.filter_map(|event| event["item"]["content"][0]["text"].as_str()).collect()
    };
    assert_eq!(of("user"), ["Are you open?"]);
    let by_model = of("assistant");
    assert_eq!(by_model[0], "Thanks for calling Luna Dental. How can I help?");
    assert!(by_model.len() == 2 && "Yes, we are.".starts_with(by_model[1]), "{by_model:?}");
    assert!(of("system")[0].contains("do not greet again"));
    let ask = &house.said_to_model(1, "response.create")[0]["response"]["instructions"];
    assert!(ask.as_str().unwrap().contains("Go on where the conversation stopped"), "{ask}");
    let record = house.record(&report.call).await;
    assert_eq!((record.attempts, record.ending), (1, Some(Ending::HungUp)));
    house.replay(&report.call, 1);
}

#[tokio::test]
async fn what_is_said_while_nobody_answers_is_made_ahead_and_said_in_the_next_call() {
    // Whoever is asked for whatever says this: of what is made ahead only the phrase is kept, and not the greeting.
    let says = Reply::speech(speech(7, 200), "One moment, please.");
    let mut plans = Plans::new("phrases", vec![Script { greeting: says, ..plain() }]);
    plans.settings.push(("PHRASES_AT_ONCE", "2".to_owned()));
    let house = House::build(plans).await;
    house.call(vec![hangs_up()]).await;
    house.until_quiet().await;
    let made = house.model.until(|all| all.len() == 3 && all.iter().all(|connection| connection.over)).await;
    assert!(made.iter().all(|connection| connection.refusals.is_empty()));
    let second = house.call(vec![hangs_up()]).await;
    house.until_quiet().await;
    let log = std::fs::read_to_string(house.file(&format!("calls/{}-1.jsonl", second.call))).unwrap();
    assert!(frontdesk::call::event_log::brief(&log).unwrap().bridging.is_some());
    assert_eq!(
        house.model.connections().len(),
        4,
        "what was made, and what could not be, is not tried again"
    );
}

#[tokio::test]
async fn a_model_without_mulaw_is_spoken_with_in_pcm_both_ways() {
    let mut script = script(vec![
        Reply::speech(tone::sine(440, 400), "Yes, we are."),
        Reply::speech(tone::sine(440, 400), "Goodbye.").and_tool("end_call", r#"{"reason":"all said"}"#),
    ]);
    script.greeting = Reply::speech(tone::sine(440, 300), "Thanks for calling Luna Dental. How can I help?");
    script.faults = vec![ModelFault::PcmOnly];
    let house = House::open("pcm", vec![script]).await;
    let report = house.call(vec![asks(), asks()]).await;
    house.until_quiet().await;
    assert_eq!(report.problems(), Vec::<String>::new());
    house.model_refused_nothing();
    assert_eq!(house.record(&report.call).await.ending, Some(Ending::HungUp));
    // It heard the caller: it answered both turns. And the caller heard all three tones, at their loudness.
    let loud = |part: &[u8]| part.iter().any(|byte| frontdesk::audio::mulaw::decode(*byte).abs() > 8_000);
    let heard_ms = 20 * report.heard().chunks(160).filter(|part| loud(part)).count();
    assert!((1_060..=1_180).contains(&heard_ms), "{heard_ms} ms of 1100");
    let appended = house.model.connections()[0].appended_ms;
    assert!(appended > 1_500, "{appended} ms");
}
