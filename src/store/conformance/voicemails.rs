//! What every [`Ledger`] must do with voicemails.

use std::slice;

use futures_util::future::join_all;

use super::outbox::{clear, listed};
use super::{RACERS, fresh, fresh_business, one_call};
use crate::domain::{About, AccountSid, BusinessId, CallSid, Notice, Pii, RecordingSid, Voicemail};
use crate::store::{Ledger, Outbox};

/// All that is asked of a ledger about voicemails.
pub async fn all(store: &dyn Ledger, outbox: &dyn Outbox) {
    a_voicemail_is_kept_once_as_it_came_first(store).await;
    voicemails_are_listed_by_business_and_by_call_the_oldest_first(store).await;
    a_voicemail_of_another_business_is_none(store).await;
    a_voicemail_and_what_is_told_of_it_are_kept_together(store, outbox).await;
    of_many_that_keep_a_voicemail_at_once_one_tells_of_it(store, outbox).await;
}

/// Twilio tells of a recording by two requests, in any order; its call need not be known.
pub async fn a_voicemail_is_kept_once_as_it_came_first(store: &dyn Ledger) {
    let (call, business) = (one_call().call, fresh_business());
    let first = voicemail(&call, &business, 10);
    let again = Voicemail { left_ms: 20, length_ms: 9, ..first.clone() };
    let strange = Voicemail { business: fresh_business(), ..first.clone() };
    for told in [&first, &again, &strange] {
        store.keep_voicemail(told, None).await.expect("keeps");
        let kept = store.voicemail(&business, &first.recording).await.expect("answers");
        assert_eq!(kept.as_ref(), Some(&first));
    }
    assert_eq!(store.voicemails(&business).await.expect("answers"), slice::from_ref(&first));
    assert_eq!(store.voicemails_in(&call).await.expect("answers"), [first]);
    assert_eq!(store.voicemails(&strange.business).await.expect("answers"), []);
}

/// Of those that came in the same millisecond, by name.
pub async fn voicemails_are_listed_by_business_and_by_call_the_oldest_first(store: &dyn Ledger) {
    let (business, other) = (fresh_business(), fresh_business());
    let (call, another) = (one_call().call, one_call().call);
    let (late, early) = (voicemail(&call, &business, 30), voicemail(&call, &business, 10));
    let elsewhere = voicemail(&another, &business, 20);
    let foreign = voicemail(&one_call().call, &other, 15);
    let mut alike = [voicemail(&call, &business, 40), voicemail(&call, &business, 40)];
    alike.sort_by_key(|voicemail| voicemail.recording.clone());
    for voicemail in [&late, &early, &elsewhere, &foreign, &alike[1], &alike[0]] {
        store.keep_voicemail(voicemail, None).await.expect("keeps");
    }
    let [one, next] = alike;
    let of_call = [early.clone(), late.clone(), one.clone(), next.clone()];
    assert_eq!(store.voicemails_in(&call).await.expect("answers"), of_call);
    let of_business = [early, elsewhere.clone(), late, one, next];
    assert_eq!(store.voicemails(&business).await.expect("answers"), of_business);
    assert_eq!(store.voicemails_in(&another).await.expect("answers"), [elsewhere]);
    assert_eq!(store.voicemails(&other).await.expect("answers"), [foreign]);
    assert_eq!(store.voicemails(&fresh_business()).await.expect("answers"), []);
    assert_eq!(store.voicemails_in(&one_call().call).await.expect("answers"), []);
}

/// Whoever knows a recording's name does not hear it by that.
pub async fn a_voicemail_of_another_business_is_none(store: &dyn Ledger) {
    let kept = voicemail(&one_call().call, &fresh_business(), 10);
    store.keep_voicemail(&kept, None).await.expect("keeps");
    let (other, unknown) = (fresh_business(), voicemail(&kept.call, &kept.business, 10).recording);
    assert_eq!(store.voicemail(&other, &kept.recording).await.expect("answers"), None);
    assert_eq!(store.voicemail(&kept.business, &unknown).await.expect("answers"), None);
}

/// A voicemail told again is not told of again.
pub async fn a_voicemail_and_what_is_told_of_it_are_kept_together(store: &dyn Ledger, outbox: &dyn Outbox) {
    let (call, business) = (one_call().call, fresh_business());
    let (told, untold) = (voicemail(&call, &business, 10), voicemail(&call, &business, 20));
    let notice = notice_of(&told);
    store.keep_voicemail(&untold, None).await.expect("keeps");
    assert_eq!(listed(outbox, &business).await, []);
    for _ in 0..2 {
        store.keep_voicemail(&told, Some(&notice)).await.expect("keeps");
        assert_eq!(listed(outbox, &business).await, slice::from_ref(&notice));
    }
    clear(outbox, &business).await;
    store.keep_voicemail(&told, Some(&notice)).await.expect("answers");
    assert_eq!(listed(outbox, &business).await, [], "also when it was delivered and forgotten");
}

/// On one instance or on several.
pub async fn of_many_that_keep_a_voicemail_at_once_one_tells_of_it(store: &dyn Ledger, outbox: &dyn Outbox) {
    let voicemail = voicemail(&one_call().call, &fresh_business(), 10);
    let notice = notice_of(&voicemail);
    for kept in join_all((0..RACERS).map(|_| store.keep_voicemail(&voicemail, Some(&notice)))).await {
        kept.expect("keeps");
    }
    assert_eq!(listed(outbox, &voicemail.business).await, [notice]);
    assert_eq!(store.voicemails(&voicemail.business).await.expect("answers"), slice::from_ref(&voicemail));
    clear(outbox, &voicemail.business).await;
}

fn notice_of(voicemail: &Voicemail) -> Notice {
    let Voicemail { call, recording, business, left_ms, .. } = voicemail.clone();
    Notice::new(business, About::VoicemailLeft { call, recording }, left_ms)
}

/// A recording nobody has.
fn voicemail(call: &CallSid, business: &BusinessId, left_ms: i64) -> Voicemail {
    let recording = format!("RE{}", fresh());
    Voicemail {
        url: Pii::new(format!("https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/{recording}")),
        recording: RecordingSid::parse(&recording).expect("legal"),
        call: call.clone(),
        account: AccountSid::parse("AC1").expect("legal"),
        business: business.clone(),
        from: Pii::new("sip:häns@example.com".to_owned()),
        to: Pii::new("+15551234567".to_owned()),
        length_ms: 7_000,
        left_ms,
    }
}
