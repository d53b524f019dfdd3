//! The end of a process, with somebody on the line.

use std::time::Duration;

use frontdesk::call::Command;
use frontdesk::domain::Ending;
use frontdesk::sim::model::Reply;

use crate::house::{House, Plans, until};
use crate::scenes::{asked, asks, goodbye, heard_of, kinds, script, speech};

#[tokio::test]
async fn a_drain_lets_a_live_call_end_by_itself_and_leaves_nothing_behind() {
    let script = script(vec![goodbye()]);
    // Two seconds of lame duck, eighteen more for calls.
    let settings = vec![("DRAIN_SECONDS", "30".to_owned())];
    let mut house = House::build(Plans { settings, ..Plans::new("drain", vec![script]) }).await;
    assert_eq!(house.ask("/ready").await.0, 200);
    let plan = house.plan(vec![asks()]);
    let story = async {
        until("the model is not greeting", async || house.model_heard("response.create", 1)).await;
        house.tasks.soft().cancel();
        assert_eq!(house.ask("/ready").await.0, 503);
        let (status, health) = house.ask("/health").await;
        assert!(status == 200 && health.contains(r#""draining":true"#), "{health}");
        assert!(house.tasks.live() > 0, "there is somebody on the line");
    };
    let (report, ()) = tokio::join!(house.phone.call(plan), story);
    assert_eq!(report.problems(), Vec::<String>::new());
    assert_eq!(heard_of(&report, &speech(9, 400)), 3_200, "the goodbye is heard to its end");
    assert_eq!(house.record(&report.call).await.ending, Some(Ending::HungUp));
    assert_eq!(house.drained().await, 0);
    assert_eq!((house.tasks.live(), house.tasks.live_background()), (0, 0));
    assert!(house.http.get(format!("{}/health", house.base)).send().await.is_err());
}

#[tokio::test]
async fn a_call_that_would_not_end_in_time_is_handed_over_between_two_turns() {
    let first = script(vec![Reply::speech(speech(2, 900), "Yes, we are open all day.")]);
    let settings = vec![("DRAIN_SECONDS", "60".to_owned())];
    let mut house = House::build(Plans { settings, ..Plans::new("handed-over", vec![first]) }).await;
    // Somebody else is on the line too: the process does not end with this call.
    let others = house.tasks.hard().clone();
    house.tasks.spawn("another call", async move { others.cancelled().await });
    let mut plan = house.plan(vec![asks()]);
    plan.longest = Duration::from_secs(60);
    let call = plan.call.clone();
    let story = async {
        until("the caller has not asked", async || house.model_heard("response.create", 1)).await;
        until("the answer does not come", async || house.model.connections()[0].appended_ms > 900).await;
        house.tasks.drained_soon().cancel();
        until("it is not handed over", async || house.ask("/health").await.1.contains(r#""connections":0"#))
            .await;
        assert_eq!(house.record(&call).await.ending, Some(Ending::HandedOver));
        // We are alone, and keep the caller on the line: here, until somebody ends it.
        house.end_by_rest(&call).await;
    };
    let (report, ()) = tokio::join!(house.phone.call(plan), story);
    house.tasks.hard().cancel();
    assert_eq!(house.drained().await, 0);
    assert_eq!(report.problems(), Vec::<String>::new());
    let kinds = kinds(&report);
    let closed = kinds.iter().position(|kind| kind == "ServerClosed").unwrap();
    assert_eq!(kinds[closed..closed + 4], ["ServerClosed", "Asked", "Answered", "StreamAsked"]);
    assert_eq!(asked(&report)[..2], ["twilio-voice", "twilio-next"]);
    let steps = house.replay(&report.call, 1);
    assert!(format!("{:?}", steps.last().unwrap()).contains("HandedOver"));
    let told = steps.iter().any(|(_, input, _)| *input == frontdesk::call::Input::Command(Command::HandOver));
    assert!(told);
    let heard = heard_of(&report, &speech(2, 900));
    assert_eq!(heard, 7_200, "what the caller asked before is answered to the end");
    assert_eq!(house.record(&report.call).await.attempts, 1, "a stream nobody took is none");
    assert_eq!(house.model.connections().len(), 1, "and no model is dialled for it");
}
