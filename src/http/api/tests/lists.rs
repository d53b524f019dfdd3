//! Lists in parts.

use super::odd_directory::{Mood, OddDirectory};
use super::*;

#[tokio::test]
async fn a_list_comes_in_parts_and_in_order() {
    let operator = Operator::new().await;
    let mut seen = Vec::new();
    let mut target = "/api/businesses?limit=2".to_owned();
    loop {
        let part = operator.get(&target).await.json();
        assert!(ids(&part).len() <= 2);
        seen.extend(ids(&part).into_iter().map(str::to_owned));
        let Some(next) = part["next"].as_str() else { break };
        target = format!("/api/businesses?limit=2&after={next}");
    }
    assert_eq!(seen, ["business-1", "business-2", "business-3"]);
    let plans = operator.get("/api/plans").await.json();
    assert_eq!((ids(&plans), plans.get("next")), (vec!["premium"], None));
}

#[tokio::test]
async fn a_query_that_is_not_understood_is_refused_with_the_reason() {
    let operator = Operator::new().await;
    for (query, words) in [
        ("limit=0", "from 1 to 200"),
        ("limit=201", "from 1 to 200"),
        ("limit=-1", "limit"),
        ("limit=many", "limit"),
        ("limit=1&limit=2", "duplicate field `limit`"),
        ("after=business-1", "`after` is not one of ours"),
        ("after=%00", "`after` is not one of ours"),
        ("afer=x", "unknown field `afer`"),
        ("page=2", "expected `after` or `limit`"),
    ] {
        let answer = operator.get(&format!("/api/businesses?{query}")).await;
        assert_eq!(problem(&answer), (400, "bad-request".to_owned()), "{query}");
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains(words), "{query}: {detail}");
    }
    let none = operator.get("/api/businesses/business-1?verbose=1").await;
    assert!(problem(&none).0 == 400 && none.body.contains("unknown field `verbose`"), "{}", none.body);
}

#[tokio::test]
async fn what_does_not_read_stands_beside_what_does_and_is_lost_in_no_export() {
    let operator = Operator::of(House::with(OddDirectory::that_is(Mood::Spoilt)).await);
    let page = operator.get("/api/businesses").await.json();
    assert_eq!(ids(&page), ["business-1", "business-3"]);
    assert_eq!(page["unreadable"][0]["document"], "businesses/business-2");
    assert!(page["unreadable"][0]["detail"].as_str().unwrap().contains("`voice` is not a string"), "{page}");
    let one = operator.get("/api/businesses/business-2").await;
    assert_eq!(problem(&one), (409, "unreadable".to_owned()));
    let export = operator.get("/api/export").await;
    assert_eq!(problem(&export), (409, "unreadable".to_owned()));
    assert!(export.body.contains("could not read businesses/business-2"), "{}", export.body);
    let mended = json!({"name": "Sol", "plan": "premium", "greeting": "Hi", "instructions": "x"});
    assert_eq!(operator.put("/api/businesses/business-2", &mended).await.status, 200, "it was there");
}
