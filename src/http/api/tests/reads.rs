//! What is read of calls and what they add up to, and a store that is away.

use super::*;

#[tokio::test]
async fn a_store_that_is_away_is_told_so_and_when_to_ask_again() {
    let operator = Operator::new().await;
    operator.house.store.close().await;
    let luna = json!({"name": "Luna", "plan": "premium", "greeting": "Hi.", "instructions": "x"});
    for answer in [
        operator.get("/api/businesses").await,
        operator.get("/api/businesses/business-1").await,
        operator.get("/api/calls/CA1").await,
        operator.get("/api/export").await,
        operator.put("/api/businesses/luna", &luna).await,
        operator.delete("/api/plans/premium").await,
    ] {
        assert_eq!(problem(&answer), (503, "store-away".to_owned()));
        assert_eq!(answer.headers["retry-after"], "5");
    }
}
