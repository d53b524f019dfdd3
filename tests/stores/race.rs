//! Very many callers at once, on a plan for a few of them, before two instances.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use frontdesk::domain::{About, BusinessId, CallSid, Ending, Limit, Place, PlanId};
use frontdesk::store::Store;
use frontdesk::telemetry::wall_clock;
use tokio::task::JoinSet;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::emulator::{Emulator, fresh_place, patient};
use crate::instance::{ACCOUNT, CALLER, Instance, Outside, until};

/// How many call.
const CALLS: usize = 200;

/// How many the plan has room for.
const SEATS: usize = 10;

/// Has 200 callers ring at once at two instances, of which the plan has room for ten: exactly ten are connected, and the
/// others meet the business's own fallback and are kept as that. Each handle is one instance's; they share what is
/// behind them. Nothing of an earlier race is in the way of this one.
pub(crate) async fn ten_of_two_hundred_are_seated(one: &Store, other: &Store) {
    let name = format!("race-{}", Uuid::new_v4().simple());
    let (business, plan) = (BusinessId::parse(&name).unwrap(), PlanId::parse(&name).unwrap());
    let line = format!("+1{:010}", Uuid::new_v4().as_u128() % 10_000_000_000);
    let import = format!(
        r#"{{"plans":[{{"id":"{plan}","concurrentCalls":{SEATS},"minutesPerMonth":100,"minutesPerCall":30}}],
        "businesses":[{{"id":"{business}","name":"Luna Dental","plan":"{plan}","lines":["{line}"],
            "greeting":"Hello.","instructions":"Be kind.","fallback":{{"message":"Please write to us."}},
            "webhook":{{"url":"https://luna.example","secret":"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}}}]}}"#
    );
    one.directory().import(&serde_json::from_str(&import).unwrap()).await.unwrap();
    let outside = Outside::empty();
    let instances =
        [Instance::serve(one, "one", &outside).await, Instance::serve(other, "other", &outside).await];
    let mut ringing = JoinSet::new();
    for number in 0..CALLS {
        ringing.spawn(ring(&instances[number % 2], &line));
    }
    let answers = ringing.join_all().await;
    let connected: Vec<&CallSid> =
        answers.iter().filter(|(_, twiml)| twiml.contains("<Connect")).map(|(call, _)| call).collect();
    let fallback = "<Response><Say>Please write to us.</Say><Hangup/></Response>";
    let refused: Vec<&CallSid> =
        answers.iter().filter(|(_, twiml)| twiml.contains(fallback)).map(|(call, _)| call).collect();
    assert_eq!((connected.len(), refused.len()), (SEATS, CALLS - SEATS));
    assert_eq!(one.slots().taken(&business, wall_clock()).await.unwrap() as usize, SEATS);
    for call in refused {
        until("a refused call is not kept as one", async || {
            let record = other.ledger().call(call).await.unwrap();
            record.is_some_and(|record| record.ending == Some(Ending::PlanLimit) && record.ended_ms.is_some())
        })
        .await;
    }
    let told = async || {
        let notices = one.outbox().notices(&business).await.unwrap();
        let limits = notices.iter().filter(|notice| {
            matches!(notice.about, About::LimitReached { limit: Limit::ConcurrentCalls, .. })
        });
        limits.count()
    };
    // Midnight may pass meanwhile.
    until("the business is told nothing", async || matches!(told().await, 1 | 2)).await;
}

/// The voice webhook of a call that nobody made before, at one instance: its TwiML.
pub(crate) fn ring(
    instance: &Instance,
    line: &str,
) -> impl Future<Output = (CallSid, String)> + Send + use<> {
    let call = CallSid::parse(&format!("CA{}", Uuid::new_v4().simple())).unwrap();
    let form = [
        ("CallSid", call.as_str()),
        ("AccountSid", ACCOUNT),
        ("From", CALLER),
        ("To", line),
        ("CallStatus", "ringing"),
    ];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = Request::post("/twilio-voice")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-twilio-signature", instance.sign("/twilio-voice", &form))
        .body(Body::from(body))
        .unwrap();
    let routes = instance.routes.clone();
    async move {
        let response = routes.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (call, String::from_utf8(body.to_vec()).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_callers_at_once_a_plan_of_ten_on_sqlite_seats_exactly_ten() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("frontdesk.db").display());
    let place = Place::Sqlite(url);
    let (one, other) = (Store::open(&place).await.unwrap(), Store::open(&place).await.unwrap());
    ten_of_two_hundred_are_seated(&one, &other).await;
    ten_of_two_hundred_are_seated(&other, &one).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_callers_at_once_a_plan_of_ten_on_firestore_seats_exactly_ten() {
    let Some(emulator) = Emulator::start() else { return };
    let place = fresh_place(emulator.address());
    let (one, other) = (Store::Firestore(patient(&place).await), Store::Firestore(patient(&place).await));
    ten_of_two_hundred_are_seated(&one, &other).await;
    ten_of_two_hundred_are_seated(&other, &one).await;
}
