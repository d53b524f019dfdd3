//! One instance of many over a store: the real routes and bridge, on a port of this machine.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use frontdesk::bridge::{Bridge, BridgeSettings, OrphanSettings};
use frontdesk::clients::{
    Auth, Credentials, HttpToolClient, HttpToolSettings, Reach, RealtimeClient, RealtimeSettings, TwilioRest,
    tls_with_public_roots,
};
use frontdesk::domain::{AccountSid, InstanceId, PriceTable, PublicUrl};
use frontdesk::http::listen::{self, ListenLimits};
use frontdesk::http::{App, LIMITS_PATIENCE, Trail, Window, WindowSettings, routes};
use frontdesk::lifecycle::Tasks;
use frontdesk::registry::Registry;
use frontdesk::store::{CachedDirectory, Nudge, Store};
use frontdesk::telemetry::metrics::Metrics;
use frontdesk::telemetry::wall_clock;
use frontdesk::wire::stream_token::PassKey;
use frontdesk::wire::twilio::signature::{Verifier, sign};
use tokio::net::TcpListener;

pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const AUTH_TOKEN: &str = "2b7e151628aed2a6abf7158809cf4f3c";
pub(crate) const CALLER: &str = "+14155550123";

/// More calls than any test has.
const MOST_CALLS: usize = 1_000;

/// What is asked for again and again until it is so: longer than a call waits for its caller, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An instance; what it does ends when this is dropped.
pub(crate) struct Instance {
    pub(crate) app: Arc<App>,
    pub(crate) routes: Router,
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub(crate) base: String,
}

/// What is around the instances.
#[derive(Clone)]
pub(crate) struct Outside {
    /// Where Twilio reaches them: the first one, when nothing is said.
    pub(crate) public_url: Option<String>,
    /// Where the model is.
    pub(crate) model_url: String,
    /// Where Twilio's REST interface is, if they have credentials for it.
    pub(crate) rest_url: Option<String>,
    /// Whether its callers are people, whose patience is short; else it is a machine under load that is waited for, which
    /// is no reason to answer beyond the plan.
    pub(crate) people: bool,
}

impl Outside {
    /// A model nobody answers for.
    pub(crate) fn empty() -> Self {
        Self { public_url: None, model_url: "ws://127.0.0.1:9/".to_owned(), rest_url: None, people: false }
    }
}

impl Instance {
    /// One that serves, over a handle of its own on a store that others share.
    pub(crate) async fn serve(store: &Store, name: &str, outside: &Outside) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let public_url = PublicUrl::parse(outside.public_url.as_ref().unwrap_or(&base)).unwrap();
        let (tasks, registry) = (Tasks::new(), Registry::new());
        let instance = InstanceId::parse(name).unwrap();
        let metrics = Arc::new(Metrics::new(name));
        let tls = tls_with_public_roots().unwrap();
        let (url, model) = (outside.model_url.clone(), "gpt-realtime-2.1".to_owned());
        let credentials =
            Credentials::AuthToken { account: AccountSid::parse(ACCOUNT).unwrap(), token: AUTH_TOKEN.into() };
        let twilio = outside.rest_url.as_ref().map(|url| TwilioRest::new(url, credentials, &tls).unwrap());
        let tools = HttpToolSettings::new(Reach::Loopback, Arc::clone(&tls));
        let tools = HttpToolClient::new(tools).unwrap();
        let bridge = Bridge::new(BridgeSettings {
            ledger: store.ledger(),
            slots: store.slots(),
            nudge: Nudge::default(),
            prices: PriceTable::default(),
            realtime: RealtimeClient::new(RealtimeSettings { url, model, auth: Auth::None, tls }).unwrap(),
            twilio,
            tools,
            registry: registry.clone(),
            tasks: tasks.clone(),
            data_dir: None,
            keep_event_logs: false,
            instance: instance.clone(),
            most_calls: MOST_CALLS,
            phrases_at_once: 0,
            orphans: OrphanSettings { account: None, next_url: String::new() },
            transfer_twiml: Box::new(|_, _| String::new()),
            caller_hash_key: None,
            metrics: Arc::clone(&metrics),
            traces: None,
            clock: wall_clock,
        });
        let watched = WindowSettings { origins: Vec::new(), push: true };
        let window = Window::new(watched, None, &public_url, &instance, wall_clock());
        let app = Arc::new(App {
            directory: if outside.people {
                Arc::new(CachedDirectory::new(store.directory(), None, Arc::new(wall_clock)))
            } else {
                store.directory()
            },
            ledger: store.ledger(),
            slots: store.slots(),
            nudge: Nudge::default(),
            outbox: store.outbox(),
            limits_patience: if outside.people { LIMITS_PATIENCE } else { PATIENCE },
            bridge,
            twilio: None,
            registry,
            verifier: Verifier::new(vec![AUTH_TOKEN.into()]),
            pass_key: PassKey::new("6bc1bee22e409f96e93d7e117393172a".into()),
            admin_token: None,
            public_url: public_url.clone(),
            stream_public_url: public_url,
            instance,
            trail: Trail::since(wall_clock()),
            window,
            metrics,
            tasks,
            clock: wall_clock,
        });
        let routes = routes(Arc::clone(&app));
        let (tasks, service) = (app.tasks.clone(), routes.clone());
        app.tasks.spawn_background("listen", async move {
            listen::serve(listener, service, &tasks, ListenLimits::default()).await;
        });
        Self { app, routes, base }
    }

    /// What Twilio signs for a webhook.
    pub(crate) fn sign(&self, path: &str, form: &[(&str, &str)]) -> String {
        let pairs: Vec<_> =
            form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        sign(AUTH_TOKEN, &format!("{}{path}", self.app.public_url), &pairs)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.app.tasks.hard().cancel();
    }
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{what}");
}
