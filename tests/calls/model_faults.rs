//! What a caller meets when the model refuses, breaks or speaks another format.

use std::time::Duration;

use frontdesk::domain::Ending;
use frontdesk::sim::model::{ModelFault, Reply, Script};
use frontdesk::sim::socket::PhoneEvent;
use frontdesk::sim::{Act, Step, When, tone};

use crate::house::{FRONT_OFFICE, House};
use crate::scenes::{answers, asked, asks, goodbye, heard_of, kinds, plain, script, speech};

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
    lost.faults = vec![ModelFault::Reset { after_ms: 1_900 }];
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

    assert_eq!(report.streams.len(), 2);
    assert_eq!(asked(&report), ["twilio-voice", "twilio-next"]);
    assert!(answers(&report)[1].1.contains("/twilio-next?attempt=2"));
    assert_eq!(heard_of(&report, &speech(9, 400)), 3_200, "the call goes on to its goodbye");
    let told = house.said_to_model(1, "conversation.item.create");
    let told: Vec<&str> =
        told.iter().filter_map(|event| event["item"]["content"][0]["text"].as_str()).collect();
    assert_eq!(told, ["Thanks for calling Luna Dental. How can I help?", "Are you open?", "Yes, we are."]);
    let opening = &house.said_to_model(1, "response.create")[0]["response"]["instructions"];
    assert!(opening.as_str().unwrap().contains("Do not greet again"), "{opening}");
    let record = house.record(&report.call).await;
    assert_eq!((record.attempts, record.ending), (2, Some(Ending::HungUp)));
    house.replay(&report.call, 1);
    house.replay(&report.call, 2);
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
