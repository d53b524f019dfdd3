//! What every [`Outbox`] must do.
//!
//! Whoever asks for what is due is given the notices of all businesses. So these are told long ago, when no notice of a
//! store in use is due; but two who ask a store all this at once would take each other's.

use std::slice;

use futures_util::future::join_all;

use super::{RACERS, fresh_business, one_call};
use crate::domain::{About, BusinessId, Limit, Notice, NoticeId, RecordingSid};
use crate::store::{Delivery, Outbox};

/// What time it is in these stories, in milliseconds since 1970.
const NOW_MS: i64 = 1_000_000;

/// When what is tried now is tried again.
const AGAIN_MS: i64 = NOW_MS + 60_000;

/// More than anybody has at once.
const MANY: u32 = 10_000;

/// All that is asked of an outbox.
pub async fn all(store: &dyn Outbox) {
    a_notice_comes_back_as_it_was(store).await;
    the_same_notice_is_kept_once(store).await;
    what_was_delivered_is_not_kept_again(store).await;
    what_is_due_is_given_out_once_and_counted(store).await;
    what_a_dying_process_took_is_due_again(store).await;
    the_longest_due_comes_first_and_no_more_than_asked_for(store).await;
    of_many_that_ask_at_once_one_is_given_a_notice(store).await;
    what_is_put_off_is_due_then(store).await;
    what_is_given_up_stays_visible_and_is_not_due(store).await;
    the_outcome_of_what_nobody_knows_is_no_error(store).await;
    the_notices_of_a_business_are_listed_the_latest_first(store).await;
    a_notice_can_be_made_due(store).await;
    only_its_own_business_makes_a_notice_due(store).await;
    what_is_settled_is_forgotten_after_a_while(store).await;
}

/// Every kind of it.
pub async fn a_notice_comes_back_as_it_was(store: &dyn Outbox) {
    let business = fresh_business();
    let call = one_call().call;
    let tool_call = "call_';drop table outbox;--/é".to_owned();
    let kinds = [
        About::MessageTaken { call: call.clone(), tool_call },
        About::CallEnded { call: call.clone() },
        About::VoicemailLeft { call, recording: RecordingSid::parse("RE1").expect("legal") },
        About::LimitReached { limit: Limit::ConcurrentCalls, day: "2026-11-21".to_owned() },
        About::LimitReached { limit: Limit::MinutesPerMonth, day: "2026-11-21".to_owned() },
    ];
    let mut expected = Vec::new();
    for (about, at_ms) in kinds.into_iter().zip(NOW_MS..) {
        let notice = Notice::new(business.clone(), about, at_ms);
        store.post(&notice).await.expect("keeps");
        expected.insert(0, notice);
    }
    assert_eq!(store.notices(&business).await.expect("answers"), expected);
    clear(store, &business).await;
}

/// Told again, it is as it was; also when it was tried meanwhile.
pub async fn the_same_notice_is_kept_once(store: &dyn Outbox) {
    let notice = posted(store, &fresh_business(), NOW_MS).await;
    let later = Notice { created_ms: NOW_MS + 5, due_ms: Some(NOW_MS + 5), ..notice.clone() };
    store.post(&later).await.expect("answers");
    assert_eq!(listed(store, &notice.business).await, slice::from_ref(&notice));
    due(store, &notice.business, NOW_MS).await;
    store.settle(&notice.id, &Delivery::Later(AGAIN_MS, "busy".to_owned())).await.expect("keeps");
    store.post(&later).await.expect("answers");
    let tried = Notice { tries: 1, due_ms: Some(AGAIN_MS), last_error: Some("busy".to_owned()), ..notice };
    assert_eq!(listed(store, &tried.business).await, slice::from_ref(&tried));
    clear(store, &tried.business).await;
}

/// Whoever tells it again does not know that it was.
pub async fn what_was_delivered_is_not_kept_again(store: &dyn Outbox) {
    let notice = posted(store, &fresh_business(), NOW_MS).await;
    due(store, &notice.business, NOW_MS).await;
    store.settle(&notice.id, &Delivery::Done(NOW_MS)).await.expect("keeps");
    assert_eq!(listed(store, &notice.business).await, []);
    store.forget(NOW_MS).await.expect("forgets what is older");
    store.post(&notice).await.expect("answers");
    assert_eq!(listed(store, &notice.business).await, []);
    assert_eq!(due(store, &notice.business, AGAIN_MS).await, []);
    store.settle(&notice.id, &Delivery::Later(AGAIN_MS, "late".to_owned())).await.expect("answers");
    store.settle(&notice.id, &Delivery::GivenUp(AGAIN_MS, "late".to_owned())).await.expect("answers");
    assert_eq!(listed(store, &notice.business).await, [], "what was delivered stays so");
    clear(store, &notice.business).await;
}

/// Not before its time, and not again before the next.
pub async fn what_is_due_is_given_out_once_and_counted(store: &dyn Outbox) {
    let notice = posted(store, &fresh_business(), NOW_MS).await;
    assert_eq!(due(store, &notice.business, NOW_MS - 1).await, []);
    let given = due(store, &notice.business, NOW_MS).await;
    let tried = Notice { tries: 1, due_ms: Some(AGAIN_MS), ..notice };
    assert_eq!(given, slice::from_ref(&tried));
    assert_eq!(due(store, &tried.business, AGAIN_MS - 1).await, []);
    assert_eq!(listed(store, &tried.business).await, slice::from_ref(&tried));
    clear(store, &tried.business).await;
}

/// Nobody said what became of it.
pub async fn what_a_dying_process_took_is_due_again(store: &dyn Outbox) {
    let notice = posted(store, &fresh_business(), NOW_MS).await;
    due(store, &notice.business, NOW_MS).await;
    let again = due(store, &notice.business, AGAIN_MS).await;
    assert_eq!(again.iter().map(|notice| notice.tries).collect::<Vec<_>>(), [2]);
    clear(store, &notice.business).await;
}

/// What waits in front of them may be others'.
pub async fn the_longest_due_comes_first_and_no_more_than_asked_for(store: &dyn Outbox) {
    let business = fresh_business();
    for due_ms in [NOW_MS - 1, NOW_MS - 3, NOW_MS - 2] {
        posted(store, &business, due_ms).await;
    }
    let mut order = Vec::new();
    while order.len() < 3 {
        let given = store.take_due(NOW_MS, AGAIN_MS, 1).await.expect("answers");
        assert_eq!(given.len(), 1, "as many as were asked for");
        order.extend(given.into_iter().filter(|notice| notice.business == business));
    }
    let created: Vec<_> = order.iter().map(|notice| notice.created_ms).collect();
    assert_eq!(created, [NOW_MS - 3, NOW_MS - 2, NOW_MS - 1]);
    clear(store, &business).await;
}

/// Two instances must not tell the same thing at once.
pub async fn of_many_that_ask_at_once_one_is_given_a_notice(store: &dyn Outbox) {
    let business = fresh_business();
    for due_ms in NOW_MS - 10..NOW_MS {
        posted(store, &business, due_ms).await;
    }
    let given = join_all((0..RACERS).map(|_| due(store, &business, NOW_MS))).await;
    assert_given_once(given);
    clear(store, &business).await;
}

/// With why.
pub async fn what_is_put_off_is_due_then(store: &dyn Outbox) {
    let notice = posted(store, &fresh_business(), NOW_MS).await;
    due(store, &notice.business, NOW_MS).await;
    let error = "answered 503".to_owned();
    store.settle(&notice.id, &Delivery::Later(NOW_MS + 500, error.clone())).await.expect("keeps");
    let waits = Notice { tries: 1, due_ms: Some(NOW_MS + 500), last_error: Some(error), ..notice };
    assert_eq!(listed(store, &waits.business).await, slice::from_ref(&waits));
    assert_eq!(due(store, &waits.business, NOW_MS + 499).await, []);
    let given = due(store, &waits.business, NOW_MS + 500).await;
    assert_eq!(given, [Notice { tries: 2, due_ms: Some(AGAIN_MS), ..waits }]);
    clear(store, &given[0].business).await;
}

/// Somebody may want to know, and to try again.
pub async fn what_is_given_up_stays_visible_and_is_not_due(store: &dyn Outbox) {
    let notice = posted(store, &fresh_business(), NOW_MS).await;
    due(store, &notice.business, NOW_MS).await;
    let error = "no such host".to_owned();
    store.settle(&notice.id, &Delivery::GivenUp(NOW_MS, error.clone())).await.expect("keeps");
    let given_up = Notice { tries: 1, due_ms: None, last_error: Some(error), ..notice };
    assert_eq!(listed(store, &given_up.business).await, slice::from_ref(&given_up));
    assert_eq!(due(store, &given_up.business, AGAIN_MS).await, []);
    store.settle(&given_up.id, &Delivery::Later(AGAIN_MS, "late".to_owned())).await.expect("answers");
    assert_eq!(
        listed(store, &given_up.business).await,
        slice::from_ref(&given_up),
        "a late word changes nothing"
    );
    clear(store, &given_up.business).await;
}

/// It may have been forgotten meanwhile.
pub async fn the_outcome_of_what_nobody_knows_is_no_error(store: &dyn Outbox) {
    let unknown = notice(&fresh_business(), NOW_MS);
    for outcome in [
        Delivery::Done(NOW_MS),
        Delivery::Later(NOW_MS, "busy".to_owned()),
        Delivery::GivenUp(NOW_MS, "gone".to_owned()),
    ] {
        store.settle(&unknown.id, &outcome).await.expect("answers");
        assert_eq!(listed(store, &unknown.business).await, []);
    }
}

/// And nobody else's.
pub async fn the_notices_of_a_business_are_listed_the_latest_first(store: &dyn Outbox) {
    let (business, other) = (fresh_business(), fresh_business());
    let middle = posted(store, &business, NOW_MS + 2).await;
    let first = posted(store, &business, NOW_MS + 1).await;
    let last = posted(store, &business, NOW_MS + 3).await;
    let foreign = posted(store, &other, NOW_MS).await;
    assert_eq!(listed(store, &business).await, [last, middle, first]);
    assert_eq!(listed(store, &other).await, [foreign]);
    assert_eq!(listed(store, &fresh_business()).await, []);
    clear(store, &business).await;
    clear(store, &other).await;
}

/// One that waits, and one that was given up.
pub async fn a_notice_can_be_made_due(store: &dyn Outbox) {
    let waits = posted(store, &fresh_business(), AGAIN_MS).await;
    assert!(store.retry(&waits.business, &waits.id, NOW_MS).await.expect("answers"));
    assert_eq!(ids(&due(store, &waits.business, NOW_MS).await), [&waits.id]);
    store.settle(&waits.id, &Delivery::GivenUp(NOW_MS, "gone".to_owned())).await.expect("keeps");
    assert!(store.retry(&waits.business, &waits.id, NOW_MS + 5).await.expect("answers"));
    assert_eq!(listed(store, &waits.business).await[0].due_ms, Some(NOW_MS + 5));
    store.forget(NOW_MS + 1).await.expect("forgets");
    assert_eq!(
        ids(&due(store, &waits.business, NOW_MS + 5).await),
        [&waits.id],
        "it waits, and is not forgotten"
    );
    clear(store, &waits.business).await;
}

/// A business's data is reached only with its name; and what was delivered is not there any more.
pub async fn only_its_own_business_makes_a_notice_due(store: &dyn Outbox) {
    let (notice, other) = (posted(store, &fresh_business(), AGAIN_MS).await, fresh_business());
    let unknown = Notice { business: other.clone(), ..self::notice(&other, NOW_MS) };
    assert!(!store.retry(&other, &notice.id, NOW_MS).await.expect("answers"));
    assert!(!store.retry(&other, &unknown.id, NOW_MS).await.expect("answers"));
    assert_eq!(listed(store, &notice.business).await, slice::from_ref(&notice));
    store.settle(&notice.id, &Delivery::Done(NOW_MS)).await.expect("keeps");
    assert!(!store.retry(&notice.business, &notice.id, NOW_MS).await.expect("answers"));
    assert_eq!(due(store, &notice.business, AGAIN_MS).await, []);
    clear(store, &notice.business).await;
}

/// Delivered or given up; what waits stays, however old.
pub async fn what_is_settled_is_forgotten_after_a_while(store: &dyn Outbox) {
    let business = fresh_business();
    let delivered = posted(store, &business, NOW_MS - 4).await;
    let given_up = posted(store, &business, NOW_MS - 3).await;
    let waits = posted(store, &business, NOW_MS - 2).await;
    store.settle(&delivered.id, &Delivery::Done(NOW_MS)).await.expect("keeps");
    store.settle(&given_up.id, &Delivery::GivenUp(NOW_MS, "gone".to_owned())).await.expect("keeps");

    store.forget(NOW_MS).await.expect("forgets");
    store.post(&delivered).await.expect("answers");
    assert_eq!(
        ids(&listed(store, &business).await),
        [&waits.id, &given_up.id],
        "it was then, and not before"
    );

    store.forget(NOW_MS + 1).await.expect("forgets");
    assert_eq!(listed(store, &business).await, slice::from_ref(&waits));
    store.post(&delivered).await.expect("keeps");
    assert_eq!(listed(store, &business).await, [waits, delivered], "what is forgotten is new");
    clear(store, &business).await;
}

/// That each of ten notices was given to one asker.
pub(super) fn assert_given_once(given: Vec<Vec<Notice>>) {
    let mut given: Vec<_> = given.into_iter().flatten().map(|notice| (notice.id, notice.tries)).collect();
    given.sort();
    assert_eq!(given.len(), 10, "{given:?}");
    assert!(given.is_sorted_by(|(one, _), (next, _)| one < next), "{given:?}");
    assert!(given.iter().all(|(_, tries)| *tries == 1), "{given:?}");
}

/// A notice of a business that is due at a time, and kept.
pub(super) async fn posted(store: &dyn Outbox, business: &BusinessId, due_ms: i64) -> Notice {
    let notice = notice(business, due_ms);
    store.post(&notice).await.expect("keeps");
    notice
}

/// What is due of a business: others may have notices too.
pub(super) async fn due(store: &dyn Outbox, business: &BusinessId, now_ms: i64) -> Vec<Notice> {
    let mut due = store.take_due(now_ms, now_ms.max(AGAIN_MS), MANY).await.expect("answers");
    due.retain(|notice| notice.business == *business);
    due
}

/// Leaves nothing behind that anybody would be told.
pub(super) async fn clear(store: &dyn Outbox, business: &BusinessId) {
    for notice in listed(store, business).await {
        store.settle(&notice.id, &Delivery::Done(0)).await.expect("keeps");
    }
    store.forget(1).await.expect("forgets");
}

/// What waits or was given up of a business.
pub(super) async fn listed(store: &dyn Outbox, business: &BusinessId) -> Vec<Notice> {
    store.notices(business).await.expect("answers")
}

fn notice(business: &BusinessId, due_ms: i64) -> Notice {
    Notice::new(business.clone(), About::CallEnded { call: one_call().call }, due_ms)
}

fn ids(notices: &[Notice]) -> Vec<&NoticeId> {
    notices.iter().map(|notice| &notice.id).collect()
}
