//! What businesses are to be told survives whoever was about to tell it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use frontdesk::domain::{BusinessId, BusinessImport, Moment};
use frontdesk::sim::model::{Reply, Script};
use frontdesk::sim::{Act, Step, When, tone};
use frontdesk::telemetry::wall_clock;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::fleet::{Fleet, until};

const LINE: &str = "+15551230001";

/// How many calls there is something to tell of.
const CALLS: usize = 12;

/// A business's receiver. It can be told to hear, and never to answer.
#[derive(Debug, Default)]
struct Receiver {
    hangs: AtomicBool,
    heard: AtomicBool,
    /// The calls of which it took the end.
    took: Mutex<BTreeSet<String>>,
}

async fn hear(State(receiver): State<Arc<Receiver>>, Json(told): Json<Value>) -> StatusCode {
    receiver.heard.store(true, Ordering::SeqCst);
    if receiver.hangs.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    assert_eq!(told["type"], "call.ended");
    receiver.took.lock().unwrap().insert(told["data"]["callId"].as_str().unwrap().to_owned());
    StatusCode::NO_CONTENT
}

fn business(hooks: &str) -> BusinessImport {
    let import = json!({
        "plans": [{"id": "premium", "concurrentCalls": 100, "minutesPerMonth": 1_000, "minutesPerCall": 30}],
        "businesses": [{
            "id": "business-1", "name": "Luna Dental", "plan": "premium", "lines": [LINE],
            "greeting": "Thanks for calling Luna Dental.", "instructions": "You are the receptionist.",
            "webhook": {"url": hooks, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
        }],
    });
    serde_json::from_value(import).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_business_hears_of_every_call_although_all_who_were_telling_it_were_killed() {
    let receiver = Arc::new(Receiver { hangs: AtomicBool::new(true), ..Receiver::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hooks = format!("http://{}/hooks", listener.local_addr().unwrap());
    let routes = Router::new().route("/hooks", post(hear)).with_state(Arc::clone(&receiver));
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let speech = || Reply::speech(tone::noise(1, 4_000), "Thanks for calling.");
    let mut fleet = Fleet::start(3, &business(&hooks), Script::new(speech(), speech())).await;
    let luna = BusinessId::parse("business-1").unwrap();
    let outbox = fleet.store.outbox();

    let hangs_up = Step { when: When::At(Moment::from_millis(1_000)), act: Act::HangUp };
    let phone = fleet.phone();
    let calls = (0..CALLS).map(|_| phone.call(fleet.call(LINE, vec![hangs_up.clone()])));
    let calls: BTreeSet<String> =
        join_all(calls).await.into_iter().map(|report| report.call.as_str().to_owned()).collect();
    until("not every call is in the outbox", async || outbox.notices(&luna).await.unwrap().len() == CALLS)
        .await;
    until("nobody begins to tell", async || receiver.heard.load(Ordering::SeqCst)).await;
    fleet.kill_all();

    receiver.hangs.store(false, Ordering::SeqCst);
    // What the dead had in hand is theirs for some minutes; an operator need not wait for that.
    let left = outbox.notices(&luna).await.unwrap();
    assert_eq!(left.len(), CALLS, "nothing is settled that nobody has taken");
    assert!(left.iter().any(|notice| notice.tries > 0), "some were being told");
    for notice in left {
        assert!(outbox.retry(&luna, &notice.id, wall_clock()).await.unwrap());
    }
    fleet.grow(1).await;
    until("a call was never told of", async || *receiver.took.lock().unwrap() == calls).await;
    until("the outbox is not empty", async || outbox.notices(&luna).await.unwrap().is_empty()).await;
}
