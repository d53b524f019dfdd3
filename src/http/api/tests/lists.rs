//! Lists in parts.

use async_trait::async_trait;

use super::*;
use crate::domain::{BusinessImport, Plan, PlanId};
use crate::store::{Directory, Listing, Sqlite};

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

/// A directory in which one business and one plan do not read.
#[derive(Debug)]
struct Spoilt(Sqlite);

fn spoilt(document: &str) -> StoreError {
    StoreError::Unreadable {
        document: document.to_owned(),
        field: "voice".to_owned(),
        problem: "is not a string".to_owned(),
    }
}

#[async_trait]
impl Directory for Spoilt {
    async fn business(&self, id: &BusinessId) -> Result<Option<Business>, StoreError> {
        if id.as_str() == "business-2" {
            Err(spoilt("businesses/business-2"))
        } else {
            self.0.business(id).await
        }
    }
    async fn business_by_line(&self, line: &PhoneNumber) -> Result<Option<Business>, StoreError> {
        self.0.business_by_line(line).await
    }
    async fn plan(&self, id: &PlanId) -> Result<Option<Plan>, StoreError> {
        self.0.plan(id).await
    }
    async fn businesses(
        &self,
        after: Option<&BusinessId>,
        most: u32,
    ) -> Result<Listing<Business, BusinessId>, StoreError> {
        let mut listing = self.0.businesses(after, most).await?;
        listing.items.retain(|business| business.id.as_str() != "business-2");
        listing.unreadable.push(spoilt("businesses/business-2"));
        Ok(listing)
    }
    async fn plans(&self, after: Option<&PlanId>, most: u32) -> Result<Listing<Plan, PlanId>, StoreError> {
        self.0.plans(after, most).await
    }
    async fn import(&self, import: &BusinessImport) -> Result<(), StoreError> {
        self.0.import(import).await
    }
    async fn remove_business(&self, id: &BusinessId) -> Result<bool, StoreError> {
        self.0.remove_business(id).await
    }
    async fn remove_plan(&self, id: &PlanId) -> Result<bool, StoreError> {
        self.0.remove_plan(id).await
    }
}

#[tokio::test]
async fn what_does_not_read_stands_beside_what_does_and_is_lost_in_no_export() {
    let operator = Operator::of(House::with(|store| Arc::new(Spoilt(store))).await);
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
