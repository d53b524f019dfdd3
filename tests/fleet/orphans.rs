//! An instance is gone and Twilio has not noticed: its sockets stay open, and nobody is behind them.

use frontdesk::domain::{BusinessImport, CallSid, DestinationId, InstanceId, Intention, Moment};
use frontdesk::sim::model::{Reply, Script};
use frontdesk::sim::socket::PhoneEvent;
use frontdesk::sim::{Act, Step, When, tone};
use frontdesk::store::{Seating, SlotWish};
use frontdesk::telemetry::wall_clock;
use serde_json::json;

use crate::fleet::{Fleet, until};

pub(crate) const LINE: &str = "+15551230001";

pub(crate) fn business() -> BusinessImport {
    let import = json!({
        "plans": [{"id": "premium", "concurrentCalls": 10, "minutesPerMonth": 1_000, "minutesPerCall": 30}],
        "businesses": [{
            "id": "business-1", "name": "Luna Dental", "plan": "premium", "lines": [LINE],
            "greeting": "Thanks for calling Luna Dental.", "instructions": "You are the receptionist.",
            "turnDetection": {"type": "server_vad", "silenceDurationMs": 200},
            "destinations": [{"id": "front-office", "label": "the front office", "number": "+15550001111"}],
            "fallback": {"transfer": "front-office"}, "tools": ["end_call", "transfer_call"],
        }],
    });
    serde_json::from_value(import).unwrap()
}

/// Greets, and answers whatever is said.
pub(crate) fn script() -> Script {
    let speech = |seed, words| Reply::speech(tone::noise(seed, 4_000), words);
    Script::new(speech(1, "Thanks for calling."), speech(2, "Yes, we are open."))
}

/// Asks something, and stays on the line for as long as the line stays.
pub(crate) fn stays() -> Vec<Step> {
    let asks = Step { when: When::AfterSilence(200), act: Act::Say(tone::sine(220, 300)) };
    vec![asks, Step { when: When::At(Moment::from_millis(55_000)), act: Act::HangUp }]
}

/// The lease of a call ends long ago, as if its instance had not renewed it since.
async fn let_lapse(fleet: &Fleet, call: &CallSid) {
    let frozen = InstanceId::parse("frozen").unwrap();
    let business = &business().businesses[0].id;
    let until_ms = wall_clock() - 20_000;
    let wish = SlotWish { business, call, instance: &frozen, most: 100, now_ms: until_ms - 30_000, until_ms };
    assert_eq!(fleet.store.slots().take(&wish).await.unwrap(), Seating::Seated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_instance_froze_is_adopted_by_another_and_no_other_call_is_touched() {
    let fleet = Fleet::start(2, &business(), script()).await;
    fleet.lead_only_to(&[0]);
    let mut plan = fleet.call(LINE, stays());
    plan.longest = std::time::Duration::from_secs(60);
    let call = plan.call.clone();
    let ledger = fleet.store.ledger();
    let phone = fleet.phone();
    let story = async {
        until("nothing is said", async || !ledger.turns(&call).await.unwrap().is_empty()).await;
        // A stranger's, and one of ours whose caller talks to the front office.
        let [foreign, transferred] = ["CA0f", "CA1f"].map(|name| CallSid::parse(name).unwrap());
        fleet.rest.add_foreign_call(&foreign);
        fleet.rest.add_foreign_call(&transferred);
        let mut record = ledger.call(&call).await.unwrap().unwrap();
        record.call = transferred.clone();
        assert!(ledger.open_call(&record).await.unwrap());
        let office = Intention::Transfer(DestinationId::parse("front-office").unwrap());
        ledger.intend(&transferred, Some(&office)).await.unwrap();

        assert_eq!(fleet.streams_of(0), 1);
        fleet.signal(0, "STOP");
        fleet.lead_only_to(&[1]);
        let_lapse(&fleet, &call).await;
        let_lapse(&fleet, &transferred).await;
        until("nobody adopts the call", async || {
            ledger.turns(&call).await.unwrap().iter().any(|turn| turn.attempt == 2)
        })
        .await;
        let record = ledger.call(&call).await.unwrap().unwrap();
        assert_eq!((record.attempts, record.intention), (2, None));
        // The frozen one wakes up, and finds that its stream is over: the call is not.
        fleet.signal(0, "CONT");
        until("the frozen stream does not end", async || fleet.streams_of(0) == 0).await;
        until("the lease is not the adopter's", async || {
            fleet
                .store
                .slots()
                .lapsed(wall_clock(), 10)
                .await
                .unwrap()
                .iter()
                .all(|lapsed| lapsed.call != call)
        })
        .await;
        fleet.hang_up(&call).await;
    };
    let (report, ()) = tokio::join!(phone.call(plan), story);
    assert_eq!(report.problems(), Vec::<String>::new());
    assert_eq!(report.streams.len(), 2);
    let asked = |url: &str| {
        report
            .events
            .iter()
            .filter(|(_, event)| matches!(event, PhoneEvent::Asked { url: asked } if asked.contains(url)))
            .count()
    };
    assert_eq!((asked("twilio-voice"), asked("twilio-next")), (1, 1), "{:#?}", report.events);
    let requests = fleet.rest.requests();
    let changed: Vec<_> =
        requests.iter().map(|request| (request.call.as_str(), request.form[0].0.as_str())).collect();
    assert_eq!(changed, [(call.as_str(), "Url"), (call.as_str(), "Status")]);
    assert!(fleet.log_of(1).contains("nobody carried a call whose caller is still there"));
    fleet.signal(0, "KILL");
}
