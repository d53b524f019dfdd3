//! Many who ask the same at once.

use futures_util::future::join_all;
use tokio::task::JoinSet;

use super::moody::{Mood, Moody};
use super::*;

const SLOWLY: Mood = Mood::Slow(Duration::from_millis(200));

#[tokio::test(start_paused = true)]
async fn many_webhooks_of_one_business_ask_the_store_once() {
    let (import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    inner.is(SLOWLY);
    let answers = join_all((0..100).map(|_| cached.answering(Whose::Line(&luna.line)))).await;
    for answer in answers {
        assert_eq!(answer.unwrap().unwrap().plan.unwrap().as_ref(), Some(&luna.plan));
    }
    assert_eq!(inner.asked(), 2, "for the business and for the plan");
}

#[tokio::test(start_paused = true)]
async fn who_asked_first_may_leave_and_the_others_are_answered_all_the_same() {
    let (import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = Arc::new(inner.cached());
    inner.is(SLOWLY);
    let mut askers = JoinSet::new();
    let mut ask = || {
        let (cached, line) = (Arc::clone(&cached), luna.line.clone());
        askers.spawn(async move { cached.business_by_line(&line).await.unwrap() })
    };
    let first = ask();
    tokio::task::yield_now().await;
    for _ in 0..5 {
        ask();
    }
    sleep(Duration::from_millis(100)).await;
    first.abort();
    let mut answered = 0;
    while let Some(answer) = askers.join_next().await {
        answered += usize::from(answer.is_ok_and(|business| business.as_ref() == Some(&luna.business)));
    }
    assert_eq!((answered, inner.asked()), (5, 1));
}

#[tokio::test(start_paused = true)]
async fn a_question_all_have_left_is_asked_anew() {
    let (import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    inner.is(Mood::Silent);
    let hurried = timeout(Duration::from_millis(10), cached.business(&luna.business.id)).await;
    assert!(hurried.is_err());
    inner.is(Mood::Well);
    assert!(cached.business(&luna.business.id).await.unwrap().is_some());
    assert_eq!(inner.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_joined_a_lost_question_asks_one_of_their_own() {
    let (import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    inner.is(Mood::Silent);
    let (first, second) = tokio::join!(cached.business(&luna.business.id), async {
        sleep(UNKNOWN_PATIENCE / 2).await;
        inner.is(Mood::Well);
        cached.business(&luna.business.id).await
    });
    assert!(matches!(first, Err(StoreError::Late { .. })));
    assert_eq!(second.unwrap().as_ref(), Some(&luna.business));
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_hear_what_went_wrong() {
    let (import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    inner.is(Mood::Broken);
    for answer in join_all((0..3).map(|_| cached.business(&luna.business.id))).await {
        let error = answer.unwrap_err();
        assert!(error.to_string().contains("businesses/luna") && !error.is_temporary(), "{error}");
    }
    inner.is(Mood::Down);
    for answer in join_all((0..3).map(|_| cached.business(&luna.business.id))).await {
        let error = answer.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.is_temporary() && source == "the test wants it so", "{error}: {source}");
    }
}
