//! A store that is down, silent, slow, or holds something broken.

use super::moody::{Mood, Moody};
use super::*;
use crate::telemetry;

/// What all questions of one webhook may take, in virtual time.
const WEBHOOK: Duration = Duration::from_secs(1);

/// What taking a slot is given of it.
const SLOT: Duration = Duration::from_millis(300);

async fn known_to(cached: &CachedDirectory, luna: &Luna) {
    cached.answering(Whose::Line(&luna.line)).await.unwrap().unwrap().plan.unwrap().unwrap();
    later(FRESH_FOR).await;
}

async fn is_answered(cached: &CachedDirectory, luna: &Luna) {
    let answering = cached.answering(Whose::Line(&luna.line)).await.unwrap().unwrap();
    assert_eq!(answering.business, luna.business);
    assert_eq!(answering.plan.unwrap().as_ref(), Some(&luna.plan));
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_down_silent_or_slow_is_covered_by_what_it_last_said() {
    let (import, luna) = luna();
    for mood in [Mood::Down, Mood::Silent, Mood::Slow(KNOWN_PATIENCE * 2), Mood::Broken] {
        let inner = Moody::with(&import);
        let cached = inner.cached();
        known_to(&cached, &luna).await;
        inner.is(mood);
        let ((), took) = timed(is_answered(&cached, &luna)).await;
        assert!(took + SLOT < WEBHOOK, "{mood:?}: {took:?}");
        let by_id = cached.answering(Whose::Id(&luna.business.id)).await.unwrap().unwrap();
        assert_eq!(by_id.business, luna.business);
        let nobody = cached.plan(&PlanId::parse("nobody").unwrap()).await;
        assert!(nobody.is_err(), "{mood:?}: {nobody:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_hundred_webhooks_to_a_silent_store_only_the_first_waits() {
    let (import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    known_to(&cached, &luna).await;
    inner.is(Mood::Silent);
    inner.asked();
    let mut waits = Vec::new();
    for _ in 0..100 {
        waits.push(timed(is_answered(&cached, &luna)).await.1);
    }
    assert_eq!(waits[0], KNOWN_PATIENCE);
    assert_eq!(waits[1..], [Duration::ZERO; 99]);
    assert_eq!(inner.asked(), 1, "the plan was not asked for either");
}

#[tokio::test(start_paused = true)]
async fn while_a_store_is_silent_one_caller_in_two_seconds_finds_out() {
    let (import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    known_to(&cached, &luna).await;
    inner.is(Mood::Silent);
    inner.asked();
    let began = now();
    let mut waits = Vec::new();
    while began.elapsed() < Duration::from_secs(60) {
        let calls = (0..20).map(|_| timed(is_answered(&cached, &luna)));
        waits.extend(futures_util::future::join_all(calls).await.into_iter().map(|((), took)| took));
        later(Duration::from_millis(100)).await;
    }
    waits.sort_unstable();
    assert!(waits.iter().all(|wait| *wait <= KNOWN_PATIENCE));
    let waited = waits.iter().filter(|wait| !wait.is_zero()).count();
    // The first twenty came together and waited together; the others knew.
    assert!(waited <= 20 + 30, "{waited} of {} waited", waits.len());
    assert!(inner.asked() <= 31);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_back_is_noticed_by_itself() {
    let (mut import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    known_to(&cached, &luna).await;
    inner.is(Mood::Down);
    is_answered(&cached, &luna).await;
    inner.is(Mood::Well);
    import.businesses[0].greeting = "We are back.".to_owned();
    inner.now_holds(&import);
    is_answered(&cached, &luna).await;
    later(Duration::from_secs(2)).await;
    assert_eq!(cached.business(&luna.business.id).await.unwrap().unwrap().greeting, "We are back.");
    inner.asked();
    later(FRESH_FOR).await;
    cached.business(&luna.business.id).await.unwrap();
    assert_eq!(inner.asked(), 1, "and is asked as ever");
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_asked_for_however_the_store_feels_and_not_for_long() {
    let (import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    inner.is(Mood::Silent);
    for _ in 0..3 {
        inner.asked();
        let (answer, took) = timed(cached.answering(Whose::Line(&luna.line))).await;
        assert!(matches!(answer, Err(StoreError::Late { .. })), "{answer:?}");
        assert!(took < WEBHOOK && inner.asked() == 1, "{took:?}");
    }
    inner.is(Mood::Slow(UNKNOWN_PATIENCE / 3));
    is_answered(&cached, &luna).await;
}

#[tokio::test(start_paused = true)]
async fn business_and_plan_share_one_deadline() {
    let (import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    inner.is(Mood::Slow(UNKNOWN_PATIENCE * 2 / 3));
    let (answer, took) = timed(cached.answering(Whose::Line(&luna.line))).await;
    let answering = answer.unwrap().unwrap();
    assert_eq!(answering.business, luna.business, "it can still fall back");
    assert!(answering.plan.is_err() && took == UNKNOWN_PATIENCE, "{took:?}");

    inner.is(Mood::Well);
    known_to(&cached, &luna).await;
    inner.is(Mood::Slow(KNOWN_PATIENCE * 2 / 3));
    let ((), took) = timed(is_answered(&cached, &luna)).await;
    assert_eq!(took, KNOWN_PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn a_broken_document_is_complained_of_once_a_minute_and_closes_nothing() {
    let (import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    known_to(&cached, &luna).await;
    inner.is(Mood::Broken);
    inner.asked();
    let log = Log::default();
    let watching = tracing::subscriber::set_default(telemetry::json("info", log.clone()).unwrap());
    for _ in 0..5 {
        assert_eq!(cached.business(&luna.business.id).await.unwrap().as_ref(), Some(&luna.business));
    }
    assert_eq!(inner.asked(), 5, "whoever mends it is answered at once");
    assert_eq!(log.lines().len(), 1, "{:?}", log.lines());
    assert!(log.lines()[0].contains("businesses/luna") && log.lines()[0].contains("`greeting`"));
    later(Duration::from_secs(60)).await;
    cached.business(&luna.business.id).await.unwrap();
    assert_eq!(log.lines().len(), 2);
    drop(watching);
}

/// Takes a log.
#[derive(Clone)]
struct Log(Arc<tokio::sync::watch::Sender<Vec<u8>>>);

impl Default for Log {
    fn default() -> Self {
        Self(Arc::new(tokio::sync::watch::Sender::new(Vec::new())))
    }
}

impl Log {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.borrow().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.send_modify(|log| log.extend_from_slice(text));
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
