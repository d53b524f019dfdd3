//! For tests: the routes over a database in memory, and a Twilio that signs by hand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use super::listen::{self, ListenLimits};
use super::{App, Trail, Window, WindowSettings, routes};
use crate::bridge::{Bridge, BridgeSettings, OrphanSettings};
use crate::clients::{
    Auth, HttpToolClient, HttpToolSettings, Reach, RealtimeClient, RealtimeSettings, TwilioRest,
    tls_with_public_roots,
};
use crate::domain::{
    AccountSid, Business, BusinessId, BusinessImport, CallRecord, CallSid, InstanceId, Intention,
    MicroDollars, PhoneNumber, Pii, Plan, PlanId, PriceTable, PublicUrl, Usage,
};
use crate::lifecycle::Tasks;
use crate::registry::Registry;
use crate::store::{Directory, Ledger as _, Listing, Nudge, Slots, Sqlite, StoreError};
use crate::telemetry::metrics::Metrics;
use crate::wire::stream_token::PassKey;
use crate::wire::twilio::signature::Verifier;

pub(super) const TOKEN: &str = "2b7e151628aed2a6abf7158809cf4f3c";
pub(super) const ADMIN_TOKEN: &str = "an-operators-token-of-32-letters-or-more";
pub(super) const NOW_S: i64 = 1_790_000_000;
pub(super) const NOW_MS: i64 = NOW_S * 1_000;
pub(super) const CALL: &str = "CA00000000000000000000000000000001";
pub(super) const ACCOUNT: &str = "AC00000000000000000000000000000001";
/// How many calls the house carries.
pub(super) const MOST_CALLS: usize = 3;
pub(super) const LINE: &str = "+15551234567";
pub(super) const CALLER: &str = "+14155550123";

/// What Twilio asks about a call to Luna Dental.
pub(super) const RINGING: [(&str, &str); 5] =
    [("CallSid", CALL), ("AccountSid", ACCOUNT), ("From", CALLER), ("To", LINE), ("CallStatus", "ringing")];

const IMPORT: &str = r#"{
    "plans": [{"id":"premium","concurrentCalls":10,"minutesPerMonth":2000,"minutesPerCall":30}],
    "businesses": [
        {"id":"business-1","name":"Luna Dental","plan":"premium","lines":["+15551234567"],
         "greeting":"Thanks for calling Luna Dental.","instructions":"You are the receptionist.",
         "destinations":[{"id":"front-office","label":"the front office","number":"+15550001111"}],
         "fallback":{"transfer":"front-office"},"tools":["end_call","transfer_call"]},
        {"id":"business-2","name":"Sol Bakery","plan":"premium","lines":["+15557654321"],
         "greeting":"Sol Bakery.","instructions":"You are the baker.",
         "fallback":{"message":"Please write to sol@example.com."}},
        {"id":"business-3","name":"Mars Garage","plan":"premium","lines":["+15550009999"],
         "greeting":"Mars.","instructions":"You are the mechanic."}
    ]}"#;

pub(super) struct House {
    pub(super) app: Arc<App>,
    pub(super) store: Sqlite,
    pub(super) routes: Router,
}

/// What a house is made of.
pub(super) struct Furniture<'a> {
    pub(super) public_url: &'a str,
    /// The same, unless another service carries the media sockets.
    pub(super) stream_public_url: Option<&'a str>,
    pub(super) admin_token: Option<&'a str>,
    pub(super) instance: &'a str,
    /// How many calls it carries.
    pub(super) most_calls: usize,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) slots: Arc<dyn Slots>,
    pub(super) limits_patience: Duration,
    /// Asks Twilio for what it keeps.
    pub(super) twilio: Option<TwilioRest>,
    pub(super) store: Sqlite,
}

impl Furniture<'_> {
    /// All of one store.
    pub(super) fn of(store: &Sqlite) -> Self {
        Self {
            public_url: "https://voice.example.com",
            stream_public_url: None,
            admin_token: Some(ADMIN_TOKEN),
            instance: "i-1",
            most_calls: MOST_CALLS,
            directory: Arc::new(store.clone()),
            slots: Arc::new(store.clone()),
            limits_patience: Duration::from_secs(60),
            twilio: None,
            store: store.clone(),
        }
    }
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl House {
    pub(super) async fn new() -> Self {
        Self::at("https://voice.example.com").await
    }

    pub(super) async fn at(public_url: &str) -> Self {
        Self::furnished(Furniture { public_url, ..Furniture::of(&furnished().await) })
    }

    /// One whose media sockets are carried by another service, or under another name.
    pub(super) async fn apart(stream_public_url: &str) -> Self {
        let furniture = Furniture::of(&furnished().await);
        Self::furnished(Furniture { stream_public_url: Some(stream_public_url), ..furniture })
    }

    /// One the world can reach, with this token or none.
    pub(super) async fn with_token(token: Option<&str>) -> Self {
        Self::furnished(Furniture { admin_token: token, ..Furniture::of(&furnished().await) })
    }

    /// One nobody but its own machine can reach, without a token.
    pub(super) async fn at_home() -> Self {
        let furniture = Furniture::of(&furnished().await);
        Self::furnished(Furniture { public_url: "http://localhost:8080", admin_token: None, ..furniture })
    }

    /// With a directory of one's own before the store.
    pub(super) async fn with(directory: impl FnOnce(Sqlite) -> Arc<dyn Directory>) -> Self {
        let store = furnished().await;
        Self::furnished(Furniture { directory: directory(store.clone()), ..Furniture::of(&store) })
    }

    pub(super) async fn without_plans() -> Self {
        Self::with(|store| Arc::new(Planless(store))).await
    }

    /// A house of other people's businesses and plans, in the shape of the import file.
    pub(super) async fn of(import: &str) -> Self {
        let store = Sqlite::open("sqlite::memory:").await.unwrap();
        store.import(&serde_json::from_str(import).unwrap()).await.unwrap();
        Self::furnished(Furniture { most_calls: 1_000, ..Furniture::of(&store) })
    }

    /// Another instance over the same store.
    pub(super) fn another(&self) -> Self {
        Self::furnished(Furniture { instance: "i-2", ..Furniture::of(&self.store) })
    }

    pub(super) fn furnished(furniture: Furniture<'_>) -> Self {
        let Furniture {
            public_url,
            stream_public_url,
            admin_token,
            instance,
            most_calls,
            directory,
            slots,
            limits_patience,
            twilio,
            store,
        } = furniture;
        let (tasks, nudge) = (Tasks::new(), Nudge::default());
        let registry = Registry::new();
        let metrics = Arc::new(Metrics::new(instance));
        let instance = InstanceId::parse(instance).unwrap();
        let public_url = PublicUrl::parse(public_url).unwrap();
        let app = Arc::new(App {
            directory,
            ledger: Arc::new(store.clone()),
            slots: Arc::clone(&slots),
            outbox: Arc::new(store.clone()),
            nudge: nudge.clone(),
            limits_patience,
            twilio,
            bridge: Bridge::new(BridgeSettings {
                ledger: Arc::new(store.clone()),
                slots,
                nudge: nudge.clone(),
                prices: PriceTable::default(),
                realtime: RealtimeClient::new(nowhere()).unwrap(),
                twilio: None,
                tools: tools(),
                registry: registry.clone(),
                tasks: tasks.clone(),
                data_dir: None,
                keep_event_logs: false,
                instance: instance.clone(),
                most_calls,
                orphans: OrphanSettings { account: None, next_url: String::new() },
                transfer_twiml: Box::new(|_, _| String::new()),
                phrases_at_once: 0,
                caller_hash_key: None,
                metrics: Arc::clone(&metrics),
                traces: None,
                clock: || NOW_MS,
            }),
            registry,
            verifier: Verifier::new(vec!["an older token".to_owned().into(), TOKEN.to_owned().into()]),
            pass_key: PassKey::new("secret".to_owned().into()),
            window: Window::new(
                WindowSettings { origins: vec!["https://desk.example.com".to_owned()], push: true },
                admin_token.map(Into::into).as_ref(),
                &public_url,
                &instance,
                NOW_MS,
            ),
            admin_token: admin_token.map(Into::into),
            stream_public_url: stream_public_url
                .map_or_else(|| public_url.clone(), |url| PublicUrl::parse(url).unwrap()),
            public_url,
            instance,
            trail: Trail::since(NOW_MS),
            metrics,
            tasks,
            clock: || NOW_MS,
        });
        Self { routes: routes(Arc::clone(&app)), app, store }
    }

    /// Opens a port, for what needs a real connection.
    pub(super) async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (routes, tasks) = (self.routes.clone(), self.app.tasks.clone());
        self.app.tasks.spawn_background("listen", async move {
            listen::serve(listener, routes, &tasks, ListenLimits::default()).await;
        });
        address
    }

    /// A form as Twilio posts it, signed over the public URL.
    pub(super) async fn post(&self, target: &str, form: &[(&str, &str)]) -> Answer {
        self.ask(post(target, form).header("x-twilio-signature", self.sign(target, form)), form).await
    }

    pub(super) async fn get(&self, target: &str) -> Answer {
        let request = Request::get(target).header("x-twilio-signature", self.sign(target, &[]));
        self.ask(request, &[]).await
    }

    pub(super) fn sign(&self, target: &str, form: &[(&str, &str)]) -> String {
        sign(TOKEN, &format!("{}{target}", self.app.public_url), form)
    }

    pub(super) async fn ask(&self, request: axum::http::request::Builder, form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.ask_raw(request.body(Body::from(body)).unwrap()).await
    }

    pub(super) async fn ask_raw(&self, request: Request<Body>) -> Answer {
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        assert!(parts.headers.contains_key(super::HOP), "who answered?");
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// The call, as the ledger keeps it after so many streams.
    pub(super) async fn keep(&self, attempts: u8, intention: Option<Intention>) {
        let record = CallRecord {
            call: CallSid::parse(CALL).unwrap(),
            account: AccountSid::parse(ACCOUNT).unwrap(),
            business: BusinessId::parse("business-1").unwrap(),
            plan: PlanId::parse("premium").unwrap(),
            from: Pii::new(CALLER.to_owned()),
            to: Pii::new(LINE.to_owned()),
            started_ms: NOW_MS - 60_000,
            answered_ms: Some(NOW_MS - 59_000),
            ended_ms: None,
            ending: None,
            intention: intention.clone(),
            attempts,
            instance: InstanceId::parse("i-0").unwrap(),
            usage: Usage::default(),
            cost: MicroDollars::default(),
            recordings: Vec::new(),
            tells: false,
        };
        assert!(self.store.open_call(&record).await.unwrap());
        self.store.intend(&record.call, intention.as_ref()).await.unwrap();
    }

    pub(super) async fn record(&self) -> CallRecord {
        self.store.call(&CallSid::parse(CALL).unwrap()).await.unwrap().unwrap()
    }

    /// Waits until what was told off a caller's way is kept.
    pub(super) async fn settled(&self) {
        self.until("something is still to be kept", async || {
            self.app.tasks.live() == self.app.registry.len() * 2
        })
        .await;
    }

    /// Waits until it is so.
    pub(super) async fn until(&self, what: &str, mut so: impl AsyncFnMut() -> bool) {
        let wait = async {
            while !so().await {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.expect(what);
    }

    pub(super) fn waits(&self, attempt: u8) -> bool {
        self.app.bridge.is_waiting(&CallSid::parse(CALL).unwrap(), attempt)
    }
}

async fn furnished() -> Sqlite {
    let store = Sqlite::open("sqlite::memory:").await.unwrap();
    let import: BusinessImport = serde_json::from_str(IMPORT).unwrap();
    store.import(&import).await.unwrap();
    store
}

/// A directory that has lost its plans, which no import allows.
#[derive(Debug)]
struct Planless(Sqlite);

#[async_trait]
impl Directory for Planless {
    async fn business(&self, id: &BusinessId) -> Result<Option<Business>, StoreError> {
        self.0.business(id).await
    }
    async fn business_by_line(&self, line: &PhoneNumber) -> Result<Option<Business>, StoreError> {
        self.0.business_by_line(line).await
    }
    async fn plan(&self, _: &PlanId) -> Result<Option<Plan>, StoreError> {
        Ok(None)
    }
    async fn businesses(
        &self,
        after: Option<&BusinessId>,
        most: u32,
    ) -> Result<Listing<Business, BusinessId>, StoreError> {
        self.0.businesses(after, most).await
    }

    async fn plans(&self, after: Option<&PlanId>, most: u32) -> Result<Listing<Plan, PlanId>, StoreError> {
        self.0.plans(after, most).await
    }

    async fn remove_business(&self, id: &BusinessId) -> Result<bool, StoreError> {
        self.0.remove_business(id).await
    }

    async fn remove_plan(&self, id: &PlanId) -> Result<bool, StoreError> {
        self.0.remove_plan(id).await
    }

    async fn import(&self, import: &BusinessImport) -> Result<(), StoreError> {
        self.0.import(import).await
    }
}

/// A model nobody answers for: what happens to a call after its webhook is not asked here.
fn tools() -> HttpToolClient {
    let tls = tls_with_public_roots().unwrap();
    HttpToolClient::new(HttpToolSettings::new(Reach::Loopback, tls)).unwrap()
}

fn nowhere() -> RealtimeSettings {
    RealtimeSettings {
        url: "ws://127.0.0.1:9/v1/realtime".to_owned(),
        model: "gpt-realtime".to_owned(),
        auth: Auth::None,
        tls: tls_with_public_roots().unwrap(),
    }
}

pub(super) fn post(target: &str, _form: &[(&str, &str)]) -> axum::http::request::Builder {
    Request::post(target).header("content-type", "application/x-www-form-urlencoded; charset=UTF-8")
}

/// Twilio's rule, written a second time so that the first can be wrong: the URL, then every name and value in order.
pub(super) fn sign(token: &str, url: &str, form: &[(&str, &str)]) -> String {
    let mut form = form.to_vec();
    form.sort_unstable();
    form.dedup();
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(url.as_bytes());
    for (name, value) in form {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

impl Answer {
    /// The TwiML between `<Response>` and its end.
    pub(super) fn twiml(&self) -> &str {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        assert!(self.headers["content-type"].to_str().unwrap().starts_with("text/xml"));
        let (_, rest) = self.body.split_once("<Response>").unwrap();
        rest.split_once("</Response>").unwrap().0
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The pass in the TwiML.
    pub(super) fn token(&self) -> &str {
        let (_, rest) = self.twiml().split_once(r#"name="token" value=""#).expect("a token");
        rest.split_once('"').unwrap().0
    }
}
