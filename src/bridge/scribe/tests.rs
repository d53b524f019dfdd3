//! The ledger's writer, with a store that works, stumbles, hangs and fails.

use super::super::clock::Clock;
use super::super::testing::{Mood, TestLedger, brief, call_sid, record, stream_end};
use super::*;
use crate::domain::{Pii, Speaker, Webhook, WebhookSecret};

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
    begun_with(TestLedger::new(mood), &brief(), FilePlan::default())
}

fn begun_with(
    ledger: TestLedger,
    brief: &Brief,
    plan: FilePlan,
) -> (Scribe, Arc<TestLedger>, mpsc::Receiver<(EffectId, Outcome)>) {
    let ledger = Arc::new(ledger);
    let (sender, outcomes) = mpsc::channel(8);
    let dynamic: Arc<dyn Ledger> = ledger.clone();
    let subject = Subject::of(brief, &record().instance, &Nudge::default());
    (begin(&Tasks::new(), dynamic, subject, sender, plan, &Metrics::new("i-1")), ledger, outcomes)
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
async fn an_end_of_which_nothing_is_known_is_told_again() {
    for mood in [Mood::Stuck, Mood::Down] {
        let (scribe, ledger, mut outcomes) = begun(mood);
        scribe.finish(last(), Duration::from_secs(60)).await;
        assert_eq!(outcomes.recv().await, None);
        assert_eq!(ledger.tries.load(std::sync::atomic::Ordering::Relaxed), 3, "{mood:?}");
    }
}

fn message() -> Box<Message> {
    Box::new(Message {
        call: call_sid(),
        business: record().business,
        tool_call: "call_7".to_owned(),
        name: Pii::default(),
        contact: Pii::default(),
        text: Pii::default(),
        taken_ms: 5,
    })
}

#[tokio::test(start_paused = true)]
async fn a_business_with_a_webhook_is_told_of_a_message_in_the_same_breath() {
    let webhook = Webhook { url: "https://x.example".to_owned(), secret: WebhookSecret::new("whsec_x") };
    for (webhook, expected) in [(None, "message call_7"), (Some(webhook), "message call_7, told")] {
        let mut brief = brief();
        brief.business.webhook = webhook;
        let (scribe, ledger, _outcomes) =
            begun_with(TestLedger::new(Mood::Well), &brief, FilePlan::default());
        assert!(scribe.write(Entry::Message(EffectId(1), message())));
        scribe.finish(last(), Duration::from_secs(5)).await;
        assert_eq!(ledger.words(), [expected, "ended HungUp"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_business_is_to_be_told_is_told_at_once_and_nobody_is_woken_for_nothing() {
    let webhook = Webhook { url: "https://x.example".to_owned(), secret: WebhookSecret::new("whsec_x") };
    for (webhook, rings) in [(None, false), (Some(webhook), true)] {
        let mut brief = brief();
        brief.business.webhook = webhook;
        let (nudge, ledger) = (Nudge::default(), Arc::new(TestLedger::new(Mood::Well)));
        let (sender, mut outcomes) = mpsc::channel(8);
        let subject = Subject::of(&brief, &record().instance, &nudge);
        let scribe = begin(&Tasks::new(), ledger, subject, sender, FilePlan::default(), &Metrics::new("i-1"));
        let rang = async || timeout(Duration::from_secs(1), nudge.heard()).await.is_ok();
        assert!(scribe.write(Entry::Turn(EffectId(1), turn(0))));
        outcomes.recv().await.unwrap();
        assert!(!rang().await, "a turn is nothing to tell");
        assert!(scribe.write(Entry::Message(EffectId(2), message())));
        outcomes.recv().await.unwrap();
        assert_eq!(rang().await, rings);
        scribe.finish(last(), Duration::from_secs(5)).await;
        assert_eq!(rang().await, rings);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_meant_while_the_caller_is_carried_elsewhere_is_not_kept() {
    for (carried_by, caller_came, kept) in
        [("here", false, true), ("elsewhere", false, false), ("elsewhere", true, true)]
    {
        let ledger = TestLedger { carried_by, ..TestLedger::new(Mood::Well) };
        let (scribe, ledger, mut outcomes) = begun_with(ledger, &brief(), FilePlan::default());
        if caller_came {
            assert!(scribe.write(Entry::Answered(1)));
        }
        assert!(scribe.write(Entry::Intention(EffectId(1), Some(Intention::FallBack))));
        assert_eq!(outcomes.recv().await, Some((EffectId(1), Outcome::Done)));
        scribe.finish(last(), Duration::from_secs(5)).await;
        let intended = ledger.words().contains(&"intends Some(FallBack)".to_owned());
        assert_eq!(intended, kept, "{carried_by}, {caller_came}");
    }
}

#[tokio::test]
async fn a_recording_is_kept_in_the_ledger_when_its_file_is_whole_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recordings/CA1-1.wav");
    for (audio, blocked, expected) in [(1_600, false, true), (0, false, false), (1_600, true, false)] {
        let plan = FilePlan { log: None, recording: Some(path.clone()) };
        if blocked {
            std::fs::remove_dir_all(folder.path().join("recordings")).unwrap();
            std::fs::write(folder.path().join("recordings"), "in the way").unwrap();
        }
        let (mut scribe, ledger, mut outcomes) = begun_with(TestLedger::new(Mood::Well), &brief(), plan);
        scribe.files.record(&vec![0; audio]);
        scribe.finish(last(), Duration::from_secs(5)).await;
        assert_eq!(outcomes.recv().await, None, "everything but the recording is written");
        let wait = async {
            while expected && ledger.words().len() < 2 {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), wait).await.expect("no recording was kept");
        let words: Vec<&str> = if expected {
            vec!["ended HungUp", "recorded CA1-1.wav of 100 ms by here"]
        } else {
            vec!["ended HungUp"]
        };
        assert_eq!(ledger.words(), words);
    }
}
