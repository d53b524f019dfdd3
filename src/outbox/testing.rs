//! What the tests of this room share: a receiver, a store with businesses that want to be told, an outbox at work; and one
//! call, with a message in it.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::in_hand::millis;
use super::{LEASE, Nudge, OutboxSettings, begin};
use crate::clients::{Reach, WebhookClient, WebhookSettings, tls_with_public_roots};
use crate::domain::{
    About, AccountSid, BusinessId, BusinessImport, CallRecord, CallSid, DestinationId, Ending, InstanceId,
    Limit, Message, MicroDollars, Notice, Pii, PlanId, Recording, RecordingSid, Speaker, Turn, Usage,
    Voicemail,
};
use crate::lifecycle::Tasks;
use crate::store::{Directory as _, Outbox as _, Sqlite};
use crate::telemetry::metrics::Metrics;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What is asked for again and again until it is so; a machine under load may take its time.
pub(super) const AMPLE: Duration = Duration::from_secs(30);

/// How a receiver answers one request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reply {
    Status(u16),
    RetryAfter(u16, &'static str),
    /// To itself, elsewhere.
    Redirect,
    /// Not before it is let go.
    Held,
    /// It has heard, and the connection breaks before it can say so.
    BreakOff,
}

/// A receiver on this machine. It answers with its replies in turn, and then with the last for ever.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) url: String,
    pub(super) heard: Mutex<Vec<(HeaderMap, Value)>>,
    pub(super) replies: Mutex<VecDeque<Reply>>,
    pub(super) held: Semaphore,
    at_once: AtomicUsize,
    pub(super) most_at_once: AtomicUsize,
}

impl Receiver {
    pub(super) async fn new(replies: &[Reply]) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Arc::new(Self {
            url: format!("http://{}/calls", listener.local_addr().unwrap()),
            heard: Mutex::default(),
            replies: Mutex::new(replies.iter().copied().collect()),
            held: Semaphore::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        });
        let routes = Router::new().fallback(Self::receive).with_state(Arc::clone(&receiver));
        Tasks::new()
            .spawn_background("receiver", async move { axum::serve(listener, routes).await.unwrap() });
        receiver
    }

    async fn receive(State(receiver): State<Arc<Self>>, headers: HeaderMap, body: String) -> Response {
        receiver.heard.lock().unwrap().push((headers, serde_json::from_str(&body).unwrap()));
        let at_once = receiver.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        receiver.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        let reply = {
            let mut replies = receiver.replies.lock().unwrap();
            if replies.len() > 1 { replies.pop_front().unwrap() } else { replies[0] }
        };
        let status = |code| StatusCode::from_u16(code).unwrap();
        let response = match reply {
            Reply::Status(code) => status(code).into_response(),
            Reply::RetryAfter(code, value) => (status(code), [("retry-after", value)]).into_response(),
            Reply::Redirect => (status(307), [("location", "/elsewhere")]).into_response(),
            Reply::Held => {
                receiver.held.acquire().await.unwrap().forget();
                StatusCode::OK.into_response()
            }
            Reply::BreakOff => panic!("a receiver that dies over its work"),
        };
        receiver.at_once.fetch_sub(1, Ordering::SeqCst);
        response
    }

    pub(super) fn heard(&self) -> usize {
        self.heard.lock().unwrap().len()
    }

    pub(super) fn ids(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|(headers, _)| headers["webhook-id"].to_str().unwrap().to_owned()).collect()
    }
}

/// A store with businesses that want to be told, and the time of day.
#[derive(Clone)]
pub(super) struct House {
    pub(super) store: Sqlite,
    pub(super) now_ms: Arc<AtomicI64>,
}

impl House {
    pub(super) async fn over(url: &str, businesses: &[(&str, &str)]) -> Self {
        let house =
            Self { store: Sqlite::open(url).await.unwrap(), now_ms: Arc::new(AtomicI64::new(NOW_MS)) };
        house.want_to_be_told(businesses).await;
        house
    }

    pub(super) async fn new(businesses: &[(&str, &str)]) -> Self {
        Self::over("sqlite::memory:", businesses).await
    }

    pub(super) async fn want_to_be_told(&self, businesses: &[(&str, &str)]) {
        let business = |(id, url): &(&str, &str)| {
            serde_json::json!({"id": id, "name": id, "plan": "premium", "greeting": "Hello.", "instructions": "Be kind.",
                "webhook": {"url": url, "secret": SECRET}})
        };
        let import = serde_json::json!({
            "plans": [{"id": "premium", "concurrentCalls": 9, "minutesPerMonth": 9, "minutesPerCall": 9}],
            "businesses": businesses.iter().map(business).collect::<Vec<_>>(),
        });
        let import: BusinessImport = serde_json::from_value(import).unwrap();
        self.store.import(&import).await.unwrap();
    }

    pub(super) fn settings(&self, tasks: &Tasks, patience: Duration, reach: Reach) -> OutboxSettings {
        let webhooks = WebhookSettings::new(reach, tls_with_public_roots().unwrap());
        let now_ms = Arc::clone(&self.now_ms);
        OutboxSettings {
            outbox: Arc::new(self.store.clone()),
            directory: Arc::new(self.store.clone()),
            ledger: Arc::new(self.store.clone()),
            client: WebhookClient::new(WebhookSettings { patience, ..webhooks }).unwrap(),
            nudge: Nudge::default(),
            tasks: tasks.clone(),
            metrics: Arc::new(Metrics::new("i-1")),
            clock: Arc::new(move || now_ms.load(Ordering::SeqCst)),
            seed: 7,
        }
    }

    pub(super) fn begin(&self) -> Running {
        self.begin_with(AMPLE, Reach::Loopback)
    }

    pub(super) fn begin_with(&self, patience: Duration, reach: Reach) -> Running {
        let tasks = Tasks::new();
        let settings = self.settings(&tasks, patience, reach);
        let nudge = settings.nudge.clone();
        begin(settings);
        Running { nudge, tasks }
    }

    pub(super) fn later(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// A notice that needs nothing else in the store.
    pub(super) async fn post(&self, business: &str, number: usize) -> Notice {
        let about = About::LimitReached { limit: Limit::ConcurrentCalls, day: format!("day {number}") };
        let notice = Notice::new(business_id(business), about, self.now_ms.load(Ordering::SeqCst));
        self.store.post(&notice).await.unwrap();
        notice
    }

    pub(super) async fn notices(&self, business: &str) -> Vec<Notice> {
        self.store.notices(&business_id(business)).await.unwrap()
    }

    pub(super) async fn the_notice(&self) -> Notice {
        let [notice] = &self.notices("business-1").await[..] else { panic!("one notice") };
        notice.clone()
    }

    /// The only notice after so many tries, when the last of them is settled.
    pub(super) async fn tried(&self, tries: u32) -> Notice {
        let now_ms = self.now_ms.load(Ordering::SeqCst);
        until(|| async {
            let notice = self.the_notice().await;
            let is_settled = notice.due_ms != Some(now_ms + millis(LEASE));
            (notice.tries == tries && is_settled).then_some(notice)
        })
        .await
    }

    pub(super) async fn all_told(&self, business: &str) {
        until(|| async { self.notices(business).await.is_empty().then_some(()) }).await;
    }
}

/// An outbox at work. It ends with the test.
pub(super) struct Running {
    pub(super) nudge: Nudge,
    pub(super) tasks: Tasks,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.hard().cancel();
    }
}

pub(super) async fn until<T, F: Future<Output = Option<T>>>(mut look: impl FnMut() -> F) -> T {
    let looked = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(AMPLE, looked).await.expect("it never came to it")
}

pub(super) const NOW_MS: i64 = BEGAN_MS + 200_000;

/// 2026-09-21T14:13:20Z.
pub(super) const BEGAN_MS: i64 = 1_790_000_000_000;

pub(super) fn call_sid() -> CallSid {
    CallSid::parse("CA00000000000000000000000000000001").unwrap()
}

pub(super) fn business_id(text: &str) -> BusinessId {
    BusinessId::parse(text).unwrap()
}

pub(super) fn notice_of(about: About) -> Notice {
    Notice::new(business_id("business-1"), about, BEGAN_MS)
}

pub(super) fn record() -> CallRecord {
    let instance = InstanceId::parse("here").unwrap();
    let file = "CA1-1.wav".to_owned();
    CallRecord {
        call: call_sid(),
        account: AccountSid::parse("AC1").unwrap(),
        business: business_id("business-1"),
        plan: PlanId::parse("premium").unwrap(),
        from: Pii::new("+14155550123".to_owned()),
        to: Pii::new("+15551234567".to_owned()),
        started_ms: BEGAN_MS,
        answered_ms: Some(BEGAN_MS + 2_000),
        ended_ms: Some(BEGAN_MS + 100_250),
        ending: Some(Ending::Transferred(DestinationId::parse("front-office").unwrap())),
        intention: None,
        attempts: 1,
        instance: instance.clone(),
        usage: Usage::default(),
        cost: MicroDollars::new(49_349),
        recordings: vec![Recording { attempt: 1, file, length_ms: 98_000, instance }],
        tells: true,
    }
}

pub(super) fn turn(number: u32, speaker: Speaker, text: &str) -> Turn {
    Turn {
        attempt: 1,
        number,
        speaker,
        text: Pii::new(text.to_owned()),
        began_ms: u64::from(number) * 1_000,
        heard_ms: 0,
        interrupted: false,
        answer_delay_ms: None,
    }
}

pub(super) fn message() -> Message {
    Message {
        call: call_sid(),
        business: business_id("business-1"),
        tool_call: "call_1".to_owned(),
        name: Pii::new("Rosalind".to_owned()),
        contact: Pii::new("rosalind@example.com".to_owned()),
        text: Pii::new("Please ring back".to_owned()),
        taken_ms: BEGAN_MS + 40_000,
    }
}

pub(super) fn voicemail() -> Voicemail {
    let recording = "RE00000000000000000000000000000001";
    Voicemail {
        recording: RecordingSid::parse(recording).unwrap(),
        call: call_sid(),
        account: AccountSid::parse("AC1").unwrap(),
        business: business_id("business-1"),
        from: Pii::new("+14155550123".to_owned()),
        to: Pii::new("+15551234567".to_owned()),
        url: Pii::new(format!("https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/{recording}")),
        length_ms: 7_000,
        left_ms: BEGAN_MS + 50_000,
    }
}
