//! Nobody can answer: a caller leaves a voicemail, the business is told, and an operator hears it.

use std::time::Duration;

use axum::Router;
use frontdesk::audio::wav;
use frontdesk::domain::{BusinessId, Ending};
use frontdesk::lifecycle::Tasks;
use frontdesk::sim::model::{ModelFault, Script};
use frontdesk::sim::socket::DialResult;
use frontdesk::sim::{Act, Step, When, tone};
use frontdesk::store::{Ledger as _, Outbox as _};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::house::{CALLER, House, LINE, LUNA, Plans, until};
use crate::scenes::{answers, asked, asks, hangs_up, kinds, plain};

/// Several rounds of the outbox, on a machine under load.
const AMPLE: Duration = Duration::from_secs(60);

/// A house in which no model answers, of a Luna Dental with this fallback and maybe a receiver.
async fn house(name: &'static str, fallback: Value, receiver: Option<&str>) -> House {
    let mut businesses: Value = serde_json::from_str(LUNA).unwrap();
    businesses["businesses"][0]["fallback"] = fallback;
    if let Some(url) = receiver {
        businesses["businesses"][0]["webhook"] =
            serde_json::json!({"url": url, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"});
    }
    let script = Script { faults: vec![ModelFault::RefuseHandshake(401)], ..plain() };
    House::build(Plans { businesses: businesses.to_string(), ..Plans::new(name, vec![script]) }).await
}

#[tokio::test]
async fn a_model_that_refuses_leads_to_a_voicemail_of_which_the_business_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/calls", listener.local_addr().unwrap());
    let (heard, mut hears) = mpsc::channel(9);
    let routes = Router::new().fallback(async move |body: String| {
        heard.send(serde_json::from_str::<Value>(&body).unwrap()).await.unwrap();
    });
    let _served = Tasks::new().spawn_background("receiver", async move {
        axum::serve(listener, routes).await.unwrap();
    });
    let sentence = "Luna Dental is asleep. Speak after the tone.";
    let house = house("voicemail", serde_json::json!({ "voicemail": sentence }), Some(&url)).await;
    let pound = Step { when: When::After(100), act: Act::Press('#') };
    let report = house.call(vec![asks(), pound]).await;
    house.until_quiet().await;
    assert_eq!(report.problems(), Vec::<String>::new());

    assert_eq!(answers(&report)[1].1.matches(sentence).count(), 1);
    let paths: Vec<_> =
        asked(&report).iter().map(|path| path.split('?').next().unwrap().to_owned()).collect();
    assert_eq!(paths, ["twilio-voice", "twilio-next", "twilio-voicemail"]);
    let kinds = kinds(&report);
    let said = kinds.iter().position(|kind| kind == "Said").unwrap();
    assert_eq!(kinds[said..], ["Said", "Beeped", "Recorded", "Asked", "Answered", "Said", "Over"]);

    let business = BusinessId::parse("business-1").unwrap();
    let [voicemail] = &house.store.voicemails(&business).await.unwrap()[..] else { panic!("one voicemail") };
    assert_eq!((&voicemail.call, voicemail.length_ms), (&report.call, 1_000));
    assert_eq!((voicemail.from.reveal().as_str(), voicemail.to.reveal().as_str()), (CALLER, LINE));
    let record = house.record(&report.call).await;
    assert_eq!(record.ending, Some(Ending::ModelRefused));
    assert!(record.ended_ms.is_some(), "the model's part is over");

    let mut told = Vec::new();
    while told.len() < 2 {
        told.push(tokio::time::timeout(AMPLE, hears.recv()).await.unwrap().unwrap());
    }
    told.sort_by_key(|body| body["type"].to_string());
    assert_eq!(told[0]["type"], "call.ended");
    let left = &told[1]["data"];
    assert_eq!((&told[1]["type"], &left["durationMs"]), (&"voicemail.left".into(), &1_000.into()));
    assert_eq!(left["recordingSid"], voicemail.recording.as_str());
    assert!(left["recordingUrl"].as_str().unwrap().ends_with(voicemail.recording.as_str()));
    until("it is not settled", async || house.store.notices(&business).await.unwrap().is_empty()).await;
    assert!(hears.try_recv().is_err(), "each is told once");

    let list: Value =
        serde_json::from_str(&house.ask("/api/businesses/business-1/voicemails").await.1).unwrap();
    assert_eq!(list["items"][0]["recordingSid"], voicemail.recording.as_str());
    let shown: Value =
        serde_json::from_str(&house.ask(&format!("/api/calls/{}", report.call)).await.1).unwrap();
    assert_eq!(shown["voicemails"], list["items"]);
    let path = format!("{}/api/businesses/business-1/voicemails/{}/audio", house.base, voicemail.recording);
    let audio = house.http.get(path).send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap();
    let heard = wav::read(&audio).unwrap().to_mulaw_8k();
    assert_eq!(heard, tone::sine(220, 300), "all that was said, and nothing else");
}

#[tokio::test]
async fn a_fallback_nobody_answers_takes_a_voicemail_also_of_a_caller_who_hangs_up() {
    let fallback = serde_json::json!({"transfer": "front-office"});
    let house = house("voicemail-after-fallback", fallback, None).await;
    let mut plan = house.plan(vec![asks(), Step { when: When::After(50), act: Act::HangUp }]);
    plan.dials = vec![DialResult::NoAnswer];
    let report = house.phone.call(plan).await;
    house.until_quiet().await;
    assert_eq!(report.problems(), Vec::<String>::new());
    let kinds = kinds(&report);
    let dialled = kinds.iter().position(|kind| kind == "Dialled").unwrap();
    let expected =
        ["Dialled", "Asked", "Answered", "Said", "Beeped", "Recorded", "Asked", "Answered", "Over"];
    assert_eq!(kinds[dialled..], expected);
    let business = BusinessId::parse("business-1").unwrap();
    let voicemails = house.store.voicemails(&business).await.unwrap();
    assert_eq!(voicemails.iter().map(|voicemail| &voicemail.call).collect::<Vec<_>>(), [&report.call]);
}

#[tokio::test]
async fn a_caller_who_says_nothing_leaves_nothing() {
    let house = house("voicemail-unsaid", serde_json::json!({"voicemail": "Speak."}), None).await;
    let report = house.call(vec![hangs_up()]).await;
    house.until_quiet().await;
    assert_eq!(report.problems(), Vec::<String>::new());
    let kinds = kinds(&report);
    assert_eq!(kinds[kinds.len() - 3..], ["Beeped", "Recorded", "Over"]);
    let business = BusinessId::parse("business-1").unwrap();
    assert_eq!(house.store.voicemails(&business).await.unwrap(), []);
}
