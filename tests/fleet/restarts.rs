//! Instances that are told to end, as a platform tells them: the real program, real signals.

use std::time::Duration;

use frontdesk::domain::{Ending, Moment};
use frontdesk::sim::model::{Reply, Script};
use frontdesk::sim::socket::{PhoneEvent, PhoneReport};
use frontdesk::sim::{Act, Step, When, tone};

use crate::fleet::{Fleet, until};
use crate::orphans::{LINE, business, script, stays};

fn said(report: &PhoneReport) -> Vec<String> {
    let said = report.events.iter().filter_map(|(_, event)| {
        if let PhoneEvent::Said(words) = event { Some(words.reveal().to_owned()) } else { None }
    });
    said.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_signal_comes_first_a_live_call_ends_by_itself_and_then_the_process_does() {
    for signal in ["TERM", "INT"] {
        let goodbye = Reply::speech(tone::noise(9, 8_000), "Goodbye.").and_tool("end_call", "{}");
        let greeting = Reply::speech(tone::noise(1, 4_000), "Thanks for calling.");
        let mut fleet = Fleet::draining(60, 1, &business(), Script::new(greeting, goodbye)).await;
        let asks = Step { when: When::AfterSilence(400), act: Act::Say(tone::sine(220, 300)) };
        let gives_up = Step { when: When::At(Moment::from_millis(20_000)), act: Act::HangUp };
        let plan = fleet.call(LINE, vec![asks, gives_up]);
        let (call, ledger, phone) = (plan.call.clone(), fleet.store.ledger(), fleet.phone());
        let story = async {
            until("nobody answers", async || fleet.streams_of(0) == 1).await;
            fleet.signal(0, signal);
            fleet.ended(0).await
        };
        let (report, code) = tokio::join!(phone.call(plan), story);
        assert_eq!((report.problems(), report.streams.len()), (Vec::new(), 1), "{signal}");
        assert_eq!(code, Some(0), "{signal}: {}", fleet.log_of(0));
        assert_eq!(ledger.call(&call).await.unwrap().unwrap().ending, Some(Ending::HungUp));
        let log = fleet.log_of(0);
        assert!(log.contains(&format!("SIG{signal}")) && log.contains("done"), "{log}");
        assert!(!log.contains("did not end in time"), "{log}");
    }
}

/// Restarts a machine's only instance under a call: the caller meets the next process.
async fn restart(signals: &[&str], held: bool) -> (PhoneReport, Fleet) {
    let mut fleet = Fleet::start(1, &business(), script()).await;
    let mut plan = fleet.call(LINE, stays());
    plan.longest = Duration::from_secs(60);
    let (call, ledger, phone) = (plan.call.clone(), fleet.store.ledger(), fleet.phone());
    let story = async {
        until("nothing is said", async || !ledger.turns(&call).await.unwrap().is_empty()).await;
        for signal in signals {
            fleet.signal(0, signal);
            until("a signal is not heard", async || fleet.log_of(0).contains(&format!("SIG{signal}"))).await;
        }
        assert_eq!(fleet.ended(0).await, Some(0), "{}", fleet.log_of(0));
        fleet.grow(1).await;
        until("nobody goes on with the call", async || {
            ledger.turns(&call).await.unwrap().iter().any(|turn| turn.attempt == 2)
        })
        .await;
        fleet.hang_up(&call).await;
        fleet
    };
    let (report, fleet) = tokio::join!(phone.call(plan), story);
    assert_eq!(report.problems(), Vec::<String>::new(), "{:#?}", report.events);
    assert_eq!(ledger.call(&call).await.unwrap().unwrap().attempts, 2, "what nobody took does not count");
    assert_eq!(said(&report).first().is_some_and(|words| words == "One moment, please."), held);
    assert!(!report.events.iter().any(|(_, event)| matches!(event, PhoneEvent::Dialled { .. })));
    (report, fleet)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_is_kept_on_the_line_while_the_only_instance_of_a_machine_restarts() {
    let (report, fleet) = restart(&["TERM"], true).await;
    assert!(fleet.log_of(0).contains("handing over what is still alive"), "{}", fleet.log_of(0));
    // Once around: the stream came back to whoever was handing it over.
    assert_eq!(report.streams.len(), 3, "{:#?}", report.events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_stops_at_once_and_still_hangs_up_on_nobody() {
    let (report, fleet) = restart(&["TERM", "INT"], true).await;
    assert!(fleet.log_of(0).contains("stopping at once"), "{}", fleet.log_of(0));
    assert_eq!(report.streams.len(), 2, "{:#?}", report.events);
}
