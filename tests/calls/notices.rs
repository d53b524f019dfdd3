//! A business is told what it wants to know, by the server that answers its phone.

use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use frontdesk::domain::{About, Notice};
use frontdesk::lifecycle::Tasks;
use frontdesk::store::Outbox as _;
use frontdesk::telemetry::wall_clock;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::house::{House, LUNA, Plans, until};
use crate::scenes::{hangs_up, plain};

/// Several rounds of the outbox, on a machine under load.
const AMPLE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_business_on_this_machine_is_told_of_its_calls_end_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/calls", listener.local_addr().unwrap());
    let (heard, mut hears) = mpsc::channel(9);
    let routes = Router::new().fallback(async move |headers: HeaderMap, body: String| {
        let id = headers["webhook-id"].to_str().unwrap().to_owned();
        heard.send((id, serde_json::from_str::<Value>(&body).unwrap())).await.unwrap();
    });
    let _served = Tasks::new().spawn_background("receiver", async move {
        axum::serve(listener, routes).await.unwrap();
    });
    let mut businesses: Value = serde_json::from_str(LUNA).unwrap();
    businesses["businesses"][0]["webhook"] =
        serde_json::json!({"url": url, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"});
    let plans = Plans::new("told", vec![plain()]);
    let house = House::build(Plans { businesses: businesses.to_string(), ..plans }).await;

    let report = house.call(vec![hangs_up()]).await;
    house.until_quiet().await;
    // The call's own end may have posted the same already: it is kept once.
    let record = house.record(&report.call).await;
    let about = About::CallEnded { call: record.call.clone() };
    let notice = Notice::new(record.business.clone(), about, wall_clock());
    house.store.post(&notice).await.unwrap();

    let (id, body) = tokio::time::timeout(AMPLE, hears.recv()).await.unwrap().unwrap();
    assert_eq!((id.as_str(), &body["type"]), (notice.id.as_str(), &"call.ended".into()));
    assert_eq!(body["data"]["callId"], record.call.as_str());
    assert_eq!(body["data"]["ending"]["how"], "callerHungUp");
    until("it is not settled", async || house.store.notices(&record.business).await.unwrap().is_empty())
        .await;
    assert!(hears.try_recv().is_err(), "it is told once");
}
