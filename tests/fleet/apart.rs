//! Two services: one is asked webhooks, the other carries media, on a host of its own. They share a store and secrets, and
//! nothing else.

use std::time::Duration;

use frontdesk::domain::{Ending, Moment};
use frontdesk::sim::model::{Reply, Script};
use frontdesk::sim::socket::{PhoneEvent, PhoneReport};
use frontdesk::sim::{Act, Step, When, tone};
use frontdesk::telemetry::wall_clock;

use crate::fleet::{Fleet, until};
use crate::orphans::{LINE, business, script, stays};

/// The webhooks' instance, and the first that carries streams.
const DESK: usize = 0;
const MEDIA: usize = 1;

const ACCEPTED: &str = "media socket accepted";

/// Each question went to the webhooks' host, and each stream to the other.
fn everything_went_where_it_should(report: &PhoneReport, fleet: &Fleet) {
    let (webhooks, media) = fleet.urls();
    for (_, event) in &report.events {
        if let PhoneEvent::Asked { url } = event {
            assert!(url.starts_with(&webhooks), "{url}");
        } else if let PhoneEvent::StreamAsked { url } = event {
            assert_eq!(*url, format!("{media}/twilio-media"));
        }
    }
    assert!(!fleet.log_of(DESK).contains(ACCEPTED), "{}", fleet.log_of(DESK));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_answered_by_one_service_and_carried_by_the_other() {
    let goodbye = Reply::speech(tone::noise(9, 4_000), "Goodbye.").and_tool("end_call", "{}");
    let greeting = Reply::speech(tone::noise(1, 4_000), "Thanks for calling.");
    let fleet = Fleet::apart(10, &business(), Script::new(greeting, goodbye)).await;
    let asks = Step { when: When::AfterSilence(400), act: Act::Say(tone::sine(220, 300)) };
    let gives_up = Step { when: When::At(Moment::from_millis(20_000)), act: Act::HangUp };
    let plan = fleet.call(LINE, vec![asks, gives_up]);
    let (call, ledger) = (plan.call.clone(), fleet.store.ledger());
    let report = fleet.phone().call(plan).await;
    assert_eq!((report.problems(), report.streams.len()), (Vec::new(), 1), "{:#?}", report.events);
    everything_went_where_it_should(&report, &fleet);
    assert!(fleet.log_of(MEDIA).contains(ACCEPTED), "{}", fleet.log_of(MEDIA));

    let record = ledger.call(&call).await.unwrap().unwrap();
    assert_eq!((record.attempts, record.ending), (1, Some(Ending::HungUp)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_gives_up_waiting_for_a_caller_who_is_elsewhere_and_that_is_nobodys_ending() {
    let fleet = Fleet::apart(10, &business(), script()).await;
    let asks = Step { when: When::AfterSilence(400), act: Act::Say(tone::sine(220, 300)) };
    // Longer than the desk waits, and than it takes to notice that somebody did not come.
    let hangs_up = Step { when: When::At(Moment::from_millis(20_000)), act: Act::HangUp };
    let plan = fleet.call(LINE, vec![asks, hangs_up]);
    let (call, ledger, phone) = (plan.call.clone(), fleet.store.ledger(), fleet.phone());
    let story = async {
        let elsewhere = "is carried by another instance";
        until("the desk waits for ever", async || fleet.log_of(DESK).contains(elsewhere)).await;
        assert_eq!(fleet.streams_of(MEDIA), 1, "the call went on");
        let record = ledger.call(&call).await.unwrap().unwrap();
        assert_eq!((record.attempts, record.ended_ms), (1, None));
        let slots = fleet.store.slots();
        assert_eq!(slots.taken(&record.business, wall_clock()).await.unwrap(), 1, "its slot is its own");
    };
    let (report, ()) = tokio::join!(phone.call(plan), story);
    assert_eq!((report.problems(), report.streams.len()), (Vec::new(), 1), "{:#?}", report.events);
    everything_went_where_it_should(&report, &fleet);
    assert!(!fleet.log_of(DESK).contains("no stream came"), "it came, elsewhere: {}", fleet.log_of(DESK));
    let record = ledger.call(&call).await.unwrap().unwrap();
    assert_eq!(record.ending, Some(Ending::CallerHungUp));
}

/// Takes the media service away under a call, and brings another instance of it after so long.
async fn restart(signal: &str, away: Duration) -> (PhoneReport, Fleet) {
    // Handed over two seconds after the signal.
    let mut fleet = Fleet::apart(12, &business(), script()).await;
    let mut plan = fleet.call(LINE, stays());
    plan.longest = Duration::from_secs(60);
    let (call, ledger, phone) = (plan.call.clone(), fleet.store.ledger(), fleet.phone());
    let story = async {
        until("nothing is said", async || !ledger.turns(&call).await.unwrap().is_empty()).await;
        assert_eq!((fleet.streams_of(DESK), fleet.streams_of(MEDIA)), (0, 1));
        fleet.signal(MEDIA, signal);
        if signal == "KILL" {
            fleet.ended(MEDIA).await;
            tokio::time::sleep(away).await;
            fleet.grow(1).await;
        } else {
            // As platforms have it: the next instance is there before the old one is done.
            fleet.grow(1).await;
            fleet.lead_only_to(&[DESK, MEDIA + 1]);
            assert_eq!(fleet.ended(MEDIA).await, Some(0), "{}", fleet.log_of(MEDIA));
        }
        until("nobody goes on with the call", async || {
            ledger.turns(&call).await.unwrap().iter().any(|turn| turn.attempt > 1)
        })
        .await;
        fleet.hang_up(&call).await;
        fleet
    };
    let (report, fleet) = tokio::join!(phone.call(plan), story);
    everything_went_where_it_should(&report, &fleet);
    assert!(!report.events.iter().any(|(_, event)| matches!(event, PhoneEvent::Dialled { .. })));
    let log = fleet.log_of(MEDIA + 1);
    assert!(log.contains(ACCEPTED), "{log}");
    (report, fleet)
}

fn was_held(report: &PhoneReport) -> bool {
    let held = |event: &PhoneEvent| matches!(event, PhoneEvent::Said(words) if words.reveal() == "One moment, please.");
    report.events.iter().any(|(_, event)| held(event))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_on_when_its_media_service_is_deployed_anew() {
    let (report, _fleet) = restart("TERM", Duration::ZERO).await;
    assert_eq!(report.problems(), Vec::<String>::new(), "{:#?}", report.events);
    assert_eq!(report.streams.len(), 2, "{:#?}", report.events);
    assert!(!was_held(&report));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_is_kept_on_the_line_while_the_only_media_instance_starts_again() {
    let (report, fleet) = restart("KILL", Duration::from_secs(3)).await;
    assert!(was_held(&report), "{:#?}", report.events);
    assert_eq!(report.streams.len(), 2, "one before, one after: {:#?}", report.events);
    assert!(fleet.log_of(DESK).contains("a caller is kept on the line"), "{}", fleet.log_of(DESK));
}
