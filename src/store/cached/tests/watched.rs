//! A store that watches itself.

use super::moody::{Mood, Moody};
use super::*;
use crate::store::Change;

fn tell(cached: &CachedDirectory, word: Watch) {
    cached.house.known.hear(word);
}

fn business(business: &Business) -> Watch {
    Watch::Changed(Change::Business(Box::new(business.clone())))
}

/// A cache that was told all there is.
fn in_sync(inner: &Arc<Moody>, luna: &Luna) -> CachedDirectory {
    let cached = inner.cached();
    tell(&cached, business(&luna.business));
    tell(&cached, Watch::Changed(Change::Plan(luna.plan.clone())));
    tell(&cached, Watch::InSync);
    cached
}

#[tokio::test(start_paused = true)]
async fn what_was_told_is_answered_for_a_minute_without_asking() {
    let (import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = in_sync(&inner, &luna);
    later(FRESH_WHILE_WATCHED - Duration::from_millis(1)).await;
    for whose in [Whose::Line(&luna.line), Whose::Id(&luna.business.id)] {
        let answering = cached.answering(whose).await.unwrap().unwrap();
        assert_eq!(
            (answering.business, answering.plan.unwrap().unwrap()),
            (luna.business.clone(), luna.plan.clone())
        );
    }
    assert_eq!(inner.asked(), 0);
    later(Duration::from_millis(1)).await;
    cached.answering(Whose::Line(&luna.line)).await.unwrap();
    assert_eq!(inner.asked(), 2, "nobody may have noticed that the watch died");
    later(FRESH_WHILE_WATCHED / 2).await;
    cached.answering(Whose::Line(&luna.line)).await.unwrap();
    assert_eq!(inner.asked(), 0, "what is looked up while watched is fresh as long");
}

#[tokio::test(start_paused = true)]
async fn a_change_is_answered_at_once_and_known_when_the_store_fails() {
    let (import, mut luna) = luna();
    let inner = Moody::with(&import);
    let cached = in_sync(&inner, &luna);
    luna.business.greeting = "We have moved.".to_owned();
    tell(&cached, business(&luna.business));
    inner.is(Mood::Down);
    for wait in [Duration::ZERO, FRESH_WHILE_WATCHED] {
        later(wait).await;
        let answer = cached.business_by_line(&luna.line).await.unwrap().unwrap();
        assert_eq!(answer.greeting, "We have moved.");
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_watch_is_lost_four_seconds_are_fresh_again() {
    let (import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = in_sync(&inner, &luna);
    later(FRESH_FOR).await;
    tell(&cached, Watch::Lost);
    cached.business(&luna.business.id).await.unwrap();
    assert_eq!(inner.asked(), 1, "it was told longer ago");
    later(FRESH_FOR - Duration::from_millis(1)).await;
    cached.business(&luna.business.id).await.unwrap();
    assert_eq!(inner.asked(), 0);
    later(Duration::from_millis(1)).await;
    tell(&cached, Watch::InSync);
    cached.business(&luna.business.id).await.unwrap();
    assert_eq!(inner.asked(), 1, "what was heard while nobody watched may have changed unseen");
}

#[tokio::test(start_paused = true)]
async fn what_was_told_before_a_watch_was_lost_is_not_fresh_in_the_next() {
    let (import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    tell(&cached, business(&luna.business));
    // It broke off before it was in sync.
    tell(&cached, Watch::Lost);
    tell(&cached, Watch::InSync);
    later(FRESH_FOR).await;
    cached.business(&luna.business.id).await.unwrap();
    assert_eq!(inner.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_business_is_not_found_by_the_line_it_gave_up() {
    let (mut import, mut luna) = luna();
    let inner = Moody::with(&import);
    let cached = in_sync(&inner, &luna);
    let new = PhoneNumber::parse("+15557654321").unwrap();
    luna.business.lines = vec![new.clone()];
    import.businesses[0] = luna.business.clone();
    inner.now_holds(&import);
    tell(&cached, business(&luna.business));
    assert_eq!(cached.business_by_line(&new).await.unwrap().as_ref(), Some(&luna.business));
    assert_eq!(inner.asked(), 0);
    assert_eq!(cached.business_by_line(&luna.line).await.unwrap(), None);
    inner.is(Mood::Down);
    assert!(cached.business_by_line(&luna.line).await.is_err(), "nor is it last known there");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_two_businesses_list_is_the_stores_to_say() {
    let (mut import, luna) = luna();
    let mut sol = one_business().businesses.remove(0);
    sol.lines = vec![luna.line.clone()];
    let inner = Moody::with(&import);
    let cached = in_sync(&inner, &luna);
    // The new owner is told before the old one.
    tell(&cached, business(&sol));
    import.businesses[0].lines.clear();
    import.businesses.push(sol.clone());
    inner.now_holds(&import);
    assert_eq!(cached.business_by_line(&luna.line).await.unwrap().as_ref(), Some(&sol));
    assert_eq!(inner.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_may_have_changed_hands_is_asked_for() {
    let (mut import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = in_sync(&inner, &luna);
    let line = || Watch::Changed(Change::Line(luna.line.clone()));
    // As after an import, when business and line are told of one after the other.
    tell(&cached, line());
    assert_eq!(cached.business_by_line(&luna.line).await.unwrap().as_ref(), Some(&luna.business));
    assert_eq!(inner.asked(), 1);
    tell(&cached, line());
    inner.is(Mood::Down);
    let last_known = cached.business_by_line(&luna.line).await.unwrap();
    assert_eq!(last_known.as_ref(), Some(&luna.business), "it lists the line still");

    // A document of its own leads to somebody who does not list it; and then there is none.
    import.businesses[0].lines.clear();
    let unlisted = Arc::new(import.businesses[0].clone());
    cached.house.known.learn_line(&luna.line, Some(&unlisted), &cached.house.known.asked());
    assert!(cached.business_by_line(&luna.line).await.unwrap().is_some());
    tell(&cached, line());
    assert!(cached.business_by_line(&luna.line).await.is_err(), "nor is it last known");
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_asked_for_and_forgotten_only_when_the_store_says_so() {
    let (import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = in_sync(&inner, &luna);
    tell(&cached, Watch::Changed(Change::BusinessGone(luna.business.id.clone())));
    tell(&cached, Watch::Changed(Change::PlanGone(luna.plan.id.clone())));
    inner.is(Mood::Broken);
    let answering = cached.answering(Whose::Line(&luna.line)).await.unwrap().unwrap();
    assert_eq!(answering.business, luna.business, "it only does not read any more");
    assert_eq!(answering.plan.unwrap().as_ref(), Some(&luna.plan));
    inner.is(Mood::Well);
    inner.now_holds(&BusinessImport::default());
    assert_eq!(cached.business_by_line(&luna.line).await.unwrap(), None);
    assert_eq!(cached.business(&luna.business.id).await.unwrap(), None);
    assert_eq!(cached.plan(&luna.plan.id).await.unwrap(), None);
    inner.is(Mood::Down);
    assert!(cached.business(&luna.business.id).await.is_err());
    assert!(cached.plan(&luna.plan.id).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_a_change_does_not_replace_it() {
    let (import, mut luna) = luna();
    let inner = Moody::with(&import);
    let cached = in_sync(&inner, &luna);
    later(FRESH_WHILE_WATCHED).await;
    inner.is(Mood::Slow(Duration::from_millis(200)));
    luna.business.greeting = "We have moved.".to_owned();
    let (_, ()) = tokio::join!(cached.business_by_line(&luna.line), async {
        sleep(Duration::from_millis(100)).await;
        tell(&cached, business(&luna.business));
    });
    inner.is(Mood::Down);
    let answer = cached.business(&luna.business.id).await.unwrap().unwrap();
    assert_eq!(answer.greeting, "We have moved.");
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_ends_leaves_nothing_fresh_for_long() {
    let (import, luna) = luna();
    let inner = Moody::with(&import);
    let cached = inner.cached();
    let (words, heard) = mpsc::channel(4);
    words.send(business(&luna.business)).await.unwrap();
    words.send(Watch::InSync).await.unwrap();
    drop(words);
    cached.follow(heard).await;
    later(FRESH_FOR).await;
    assert_eq!(cached.business_by_line(&luna.line).await.unwrap().as_ref(), Some(&luna.business));
    assert_eq!(inner.asked(), 1);
}
