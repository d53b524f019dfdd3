//! What is given again without asking, and for how long.

use super::moody::{Mood, Moody};
use super::*;

#[tokio::test(start_paused = true)]
async fn a_fresh_answer_is_given_again_without_asking() {
    let (import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    for _ in 0..3 {
        assert_eq!(cached.business_by_line(&luna.line).await.unwrap().as_ref(), Some(&luna.business));
        assert_eq!(cached.business(&luna.business.id).await.unwrap().as_ref(), Some(&luna.business));
        assert_eq!(cached.plan(&luna.plan.id).await.unwrap().as_ref(), Some(&luna.plan));
    }
    assert_eq!(inner.asked(), 2, "the line, which tells the business too, and the plan");
}

#[tokio::test(start_paused = true)]
async fn a_change_is_seen_within_five_seconds() {
    let (mut import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    cached.business_by_line(&luna.line).await.unwrap();
    import.businesses[0].greeting = "We have moved.".to_owned();
    inner.now_holds(&import);
    later(FRESH_FOR - Duration::from_millis(1)).await;
    assert_eq!(cached.business_by_line(&luna.line).await.unwrap().unwrap().greeting, luna.business.greeting);
    later(Duration::from_millis(1)).await;
    assert_eq!(cached.business_by_line(&luna.line).await.unwrap().unwrap().greeting, "We have moved.");
    assert!(FRESH_FOR + UNKNOWN_PATIENCE <= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_as_old_as_its_question() {
    let (import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    inner.is(Mood::Slow(Duration::from_millis(500)));
    cached.business(&luna.business.id).await.unwrap();
    later(FRESH_FOR - Duration::from_millis(500)).await;
    inner.asked();
    cached.business(&luna.business.id).await.unwrap();
    assert_eq!(inner.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn not_there_is_never_kept() {
    let (import, luna) = luna();
    let inner = Moody::with(&BusinessImport::default());
    let cached = inner.cached();
    assert_eq!(cached.business(&luna.business.id).await.unwrap(), None);
    assert_eq!(cached.business_by_line(&luna.line).await.unwrap(), None);
    assert_eq!(cached.plan(&luna.plan.id).await.unwrap(), None);
    inner.now_holds(&import);
    assert_eq!(cached.business(&luna.business.id).await.unwrap().as_ref(), Some(&luna.business));
    assert_eq!(cached.business_by_line(&luna.line).await.unwrap().as_ref(), Some(&luna.business));
    assert!(cached.plan(&luna.plan.id).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn whoever_imports_is_answered_with_what_they_imported() {
    let (mut import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    cached.business_by_line(&luna.line).await.unwrap();
    import.businesses[0].greeting = "We have moved.".to_owned();
    cached.import(&import).await.unwrap();
    assert_eq!(cached.business_by_line(&luna.line).await.unwrap().unwrap().greeting, "We have moved.");
    assert!(cached.remove_business(&luna.business.id).await.unwrap());
    assert_eq!(cached.business_by_line(&luna.line).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_an_import_is_not_kept() {
    let (mut import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    inner.is(Mood::Slow(Duration::from_millis(300)));
    let (before, ()) = tokio::join!(cached.business(&luna.business.id), async {
        sleep(Duration::from_millis(100)).await;
        inner.is(Mood::Well);
        import.businesses[0].greeting = "We have moved.".to_owned();
        cached.import(&import).await.unwrap();
    });
    assert_eq!(before.unwrap().unwrap().greeting, luna.business.greeting, "it was asked before");
    assert_eq!(cached.business(&luna.business.id).await.unwrap().unwrap().greeting, "We have moved.");
}

#[tokio::test(start_paused = true)]
async fn not_there_ends_what_was_last_known() {
    let (mut import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    cached.business_by_line(&luna.line).await.unwrap();
    import.businesses[0].lines.clear();
    inner.now_holds(&import);
    later(FRESH_FOR).await;
    assert_eq!(cached.business_by_line(&luna.line).await.unwrap(), None);
    inner.is(Mood::Down);
    assert!(cached.business_by_line(&luna.line).await.is_err());
    assert!(
        cached.business(&luna.business.id).await.unwrap().is_some(),
        "the business itself is still there"
    );
}

#[tokio::test(start_paused = true)]
async fn a_line_that_only_the_store_knows_of_is_kept_as_well() {
    let (mut import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    // As a document that leads from a line to a business that does not list it.
    import.businesses[0].lines.clear();
    let business = Arc::new(import.businesses[0].clone());
    cached.house.known.learn_line(&luna.line, Some(&business), &cached.house.known.asked());
    assert_eq!(cached.business_by_line(&luna.line).await.unwrap().as_ref(), Some(&*business));
    assert_eq!(inner.asked(), 0);
}
