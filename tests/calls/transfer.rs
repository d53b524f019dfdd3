//! A caller is given to a person, and comes back when nobody answers there.

use std::time::Duration;

use frontdesk::domain::{DestinationId, Ending};
use frontdesk::sim::model::Reply;
use frontdesk::sim::socket::{DialResult, PhoneEvent};

use crate::house::{FRONT_OFFICE, House};
use crate::scenes::{answers, asked, asks, hangs_up_in, heard_of, kinds, plain, script, speech};

#[tokio::test]
async fn a_transfer_nobody_answers_comes_back_to_a_model_that_knows_and_does_not_greet_again() {
    let farewell = Reply::speech(speech(5, 300), "I am connecting you now.")
        .and_tool("transfer_call", r#"{"destination":"front-office"}"#);
    let mut first = script(vec![farewell]);
    first.transcripts = vec!["The office, please.".to_owned()];
    let mut second = plain();
    second.greeting = Reply::speech(speech(6, 300), "Nobody is there, I am sorry.");
    // So long that the caller takes what comes then for another utterance.
    second.pace.first_audio = Duration::from_millis(600);
    let house = House::open("transfer", vec![first, second]).await;
    let mut plan = house.plan(vec![asks(), hangs_up_in(2)]);
    plan.dials = vec![DialResult::NoAnswer];
    let report = house.phone.call(plan).await;
    house.until_quiet().await;
    assert_eq!(report.problems(), Vec::<String>::new());
    house.model_refused_nothing();

    assert_eq!(asked(&report), ["twilio-voice", "twilio-dial"]);
    let kinds = kinds(&report);
    let moved = kinds.iter().position(|kind| kind == "Ordered").unwrap();
    assert_eq!(
        kinds[moved..],
        [
            "Ordered",
            "Stopped",
            "Dialled",
            "Asked",
            "Answered",
            "StreamAsked",
            "Upgraded",
            "Started",
            "FirstAudio",
            "Stopped",
            "Over"
        ]
    );
    let dialled = report.events.iter().find_map(|(_, event)| {
        let PhoneEvent::Dialled { number, .. } = event else { return None };
        Some(number.reveal().clone())
    });
    assert_eq!(dialled.as_deref(), Some(FRONT_OFFICE));
    assert_eq!(
        heard_of(&report, &speech(5, 300)),
        2_400,
        "what is said before a transfer is heard to its end"
    );
    assert!(heard_of(&report, &speech(6, 300)) > 0);
    assert!(answers(&report)[1].1.contains("/twilio-next?attempt=2"));

    let told: Vec<String> = house
        .said_to_model(1, "conversation.item.create")
        .iter()
        .map(|event| event["item"]["content"][0]["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        told,
        [
            "Thanks for calling Luna Dental. How can I help?",
            "The office, please.",
            "I am connecting you now."
        ]
    );
    let asks = house.said_to_model(1, "response.create");
    let opening = asks[0]["response"]["instructions"].as_str().unwrap();
    assert!(
        opening.contains("Nobody answered at the front office") && !opening.contains("Greet"),
        "{opening}"
    );

    let record = house.record(&report.call).await;
    assert_eq!((record.attempts, record.intention), (2, None));
    assert_eq!(record.ending, Some(Ending::CallerHungUp));
    let first = house.replay(&report.call, 1);
    let front_office = DestinationId::parse("front-office").unwrap();
    assert!(
        format!("{:?}", first.last().unwrap()).contains(&format!("{:?}", Ending::Transferred(front_office)))
    );
    house.replay(&report.call, 2);
}
