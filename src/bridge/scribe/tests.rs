//! The ledger's writer, with a store that works, stumbles, hangs and fails.

use super::super::clock::Clock;
use super::super::testing::{Mood, TestLedger, call_sid, record, stream_end};
use super::*;
use crate::domain::{Pii, Speaker};

fn turn(number: u32) -> Box<Turn> {
    Box::new(Turn {
        attempt: 1,
        number,
        speaker: Speaker::Caller,
        text: Pii::new("hello".to_owned()),
        began_ms: 0,
        heard_ms: 0,
        interrupted: false,
        answer_delay_ms: None,
    })
}

fn last() -> Entry {
    Entry::Ended(Box::new(stream_end(crate::domain::Ending::HungUp)))
}

fn begun(mood: Mood) -> (Scribe, Arc<TestLedger>, mpsc::Receiver<(EffectId, Outcome)>) {
    let ledger = Arc::new(TestLedger::new(mood));
    let (sender, outcomes) = mpsc::channel(8);
    let dynamic: Arc<dyn Ledger> = ledger.clone();
    (begin(&Tasks::new(), dynamic, call_sid(), sender, FilePlan::default()), ledger, outcomes)
}

#[tokio::test(start_paused = true)]
async fn entries_are_written_in_their_order_though_the_store_fails_now_and_then() {
    let (scribe, ledger, mut outcomes) = begun(Mood::Flaky);
    for entry in [
        Entry::Opened(Box::new(record())),
        Entry::Answered(1),
        Entry::Turn(EffectId(1), turn(0)),
        Entry::Turn(EffectId(2), turn(1)),
        Entry::Intention(EffectId(3), Some(Intention::HangUp)),
    ] {
        assert!(scribe.write(entry));
    }
    scribe.finish(last(), Duration::from_secs(5)).await;
    let call = call_sid();
    let opened = format!("opened {call}");
    let expected = [&opened, "answered", "turn 0", "turn 1", "intends Some(HangUp)", "ended HungUp"];
    assert_eq!(ledger.words(), expected);
    for id in 1..=3 {
        assert_eq!(outcomes.recv().await, Some((EffectId(id), Outcome::Done)));
    }
    assert_eq!(outcomes.recv().await, None, "the writer has ended");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_tried_three_times_and_the_call_is_told() {
    for (mood, expected_ms) in [(Mood::Down, 600), (Mood::Stuck, 3_600)] {
        let (scribe, ledger, mut outcomes) = begun(mood);
        let clock = Clock::start();
        assert!(scribe.write(Entry::Intention(EffectId(7), None)));
        assert_eq!(outcomes.recv().await, Some((EffectId(7), Outcome::Failed)));
        assert_eq!(clock.now().as_millis(), expected_ms, "{mood:?}");
        assert!(ledger.words().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_said_at_once_and_the_end_is_not_waited_for_longer_than_its_patience() {
    let (scribe, _ledger, _outcomes) = begun(Mood::Stuck);
    let clock = Clock::start();
    let taken = (0..LEDGER_DEPTH + 5).filter(|_| scribe.write(Entry::Answered(1))).count();
    assert_eq!(taken, LEDGER_DEPTH);
    scribe.finish(last(), Duration::from_secs(1)).await;
    assert_eq!(clock.now().as_millis(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn an_end_of_which_nothing_is_known_is_not_written_twice() {
    for (mood, tries) in [(Mood::Stuck, 1), (Mood::Down, 3)] {
        let (scribe, ledger, mut outcomes) = begun(mood);
        scribe.finish(last(), Duration::from_secs(60)).await;
        assert_eq!(outcomes.recv().await, None);
        assert_eq!(ledger.tries.load(std::sync::atomic::Ordering::Relaxed), tries, "{mood:?}");
    }
}
