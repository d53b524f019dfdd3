//! What the voice webhook does when things are not as they should be.

use frontdesk::sim::socket::{PhoneEvent, PhoneReport};
use frontdesk::store::Ledger as _;
use frontdesk::wire::twilio::signature::sign;
use sqlx::SqlitePool;

use crate::house::{AUTH_TOKEN, House, until};
use crate::scenes::{answers, hangs_up, kinds, plain};

/// What Twilio's own voice said.
fn said(report: &PhoneReport) -> String {
    let words = report.events.iter().filter_map(|(_, event)| {
        let PhoneEvent::Said(text) = event else { return None };
        Some(text.reveal().clone())
    });
    words.collect()
}

#[tokio::test]
async fn a_webhook_that_is_asked_twice_dials_one_model() {
    let house = House::open("asked-twice", vec![plain()]).await;
    let plan = house.plan(vec![hangs_up()]);
    let form = [
        ("CallSid", plan.call.as_str()),
        ("AccountSid", plan.account.as_str()),
        ("From", &plan.from),
        ("To", &plan.to),
        ("CallStatus", "ringing"),
    ];
    let pairs = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let signature = sign(AUTH_TOKEN, &plan.webhook, &pairs);
    for _ in 0..2 {
        let request = house.http.post(&plan.webhook).header("x-twilio-signature", &signature).form(&form);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.headers().contains_key("x-frontdesk-hop"));
        assert!(answer.text().await.unwrap().contains("<Connect"));
    }
    // The telephone asks for the third time, and its stream is met by the call that waits.
    let report = house.phone.call(plan).await;
    house.until_quiet().await;
    assert_eq!(report.problems(), Vec::<String>::new());
    assert!(kinds(&report).contains(&"FirstAudio".to_owned()));
    assert_eq!(house.model.connections().len(), 1);
    assert_eq!(house.record(&report.call).await.attempts, 1);
}

#[tokio::test]
async fn a_number_or_business_nobody_knows_is_told_so_by_twilios_voice() {
    let house = House::open("unknown-number", vec![plain()]).await;
    let mut unknown_line = house.plan(vec![]);
    unknown_line.to = "+15550000000".to_owned();
    let mut unknown_business = house.plan(vec![]);
    unknown_business.webhook.push_str("?businessId=nobody");
    for plan in [unknown_line, unknown_business] {
        let report = house.phone.call(plan).await;
        assert_eq!(kinds(&report), ["Asked", "Answered", "Said", "Over"]);
        assert_eq!(answers(&report)[0].0, 200);
        assert!(said(&report).contains("not in service"), "{}", said(&report));
    }
    assert_eq!(house.model.connections().len(), 0);
}

#[tokio::test]
async fn with_the_store_broken_a_known_line_is_answered_and_an_unknown_one_hears_an_apology_and_a_tone() {
    let house = House::open("store-broken", vec![plain()]).await;
    let before = house.call(vec![hangs_up()]).await;
    assert_eq!(before.problems(), Vec::<String>::new());
    house.until_quiet().await;

    let path = format!("sqlite://{}", house.file("frontdesk.db").display());
    let database = SqlitePool::connect(&path).await.unwrap();
    for table in ["lines", "turns", "messages", "attempts", "calls", "businesses", "plans"] {
        // Some are named otherwise, or are gone with another: what matters is what the server finds afterwards.
        let _gone = sqlx::query(sqlx::AssertSqlSafe(format!("DROP TABLE {table}"))).execute(&database).await;
    }
    let still_there = house.store.call(&before.call).await;
    assert!(still_there.is_err(), "the store is not broken: {still_there:?}");

    let known = house.call(vec![hangs_up()]).await;
    assert_eq!(known.problems(), Vec::<String>::new());
    assert!(kinds(&known).contains(&"FirstAudio".to_owned()), "{:?}", kinds(&known));
    let mut plan = house.plan(vec![hangs_up()]);
    plan.to = "+15550000000".to_owned();
    let unknown = house.phone.call(plan).await;
    assert_eq!(kinds(&unknown), ["Asked", "Answered", "Said", "Beeped", "Recorded", "Over"]);
    assert_eq!(answers(&unknown)[0].0, 200);
    assert!(said(&unknown).contains("cannot take your call"), "{}", said(&unknown));
    until("a call is still carried", async || house.tasks.live() == 0).await;
}
