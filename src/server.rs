//! Everything put together: new, listen, drain.

mod grace;

use std::sync::Arc;

use anyhow::{Context, bail};
use axum::Router;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use uuid::Uuid;

use self::grace::Grace;
use crate::bridge::{Bridge, BridgeSettings, Order, OrphanSettings, forget_old_logs};
use crate::clients::{
    Auth, Credentials, HttpToolClient, HttpToolSettings, Reach, RealtimeClient, RealtimeSettings, TwilioRest,
    WebhookClient, WebhookSettings, tls_with_public_roots,
};
use crate::config::{self, Config, Drain, ModelChoice, RealtimeAuth, Storage, Twilio, TwilioAuth};
use crate::domain::{InstanceId, PublicUrl};
use crate::http::listen::{self, ListenLimits};
use crate::http::{self, App, Trail, Window, WindowSettings};
use crate::lifecycle::Tasks;
use crate::outbox::{self, OutboxSettings};
use crate::registry::Registry;
use crate::store::{CachedDirectory, Nudge, Store};
use crate::telemetry;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;
use crate::wire::stream_token::PassKey;
use crate::wire::twilio::signature::{SharedKey, Verifier};

/// How many calls one process carries at once. A core carries about a thousand; two sockets a call stay far below the
/// usual limit of 65,536 open files. Whoever needs more starts another instance.
pub const MOST_CALLS: usize = 2_000;

/// Changes of the directory on their way to its cache. More wait in the store's own stream.
const WORDS_OF_CHANGE: usize = 64;

/// Where a token of this machine is kept, in the data folder.
const LOCAL_TOKEN: &str = "local-twilio-token";

/// The server: a store, clients, a bridge and routes over them, with the tasks of all.
pub struct Server {
    routes: Router,
    tasks: Tasks,
    drain: Drain,
    instance: InstanceId,
    store: Store,
    calls: Registry<Order>,
    traces: Option<Arc<Traces>>,
}

impl Server {
    /// Puts everything together. It opens the store and connects to nothing else. Fails when the store cannot be opened,
    /// when a URL or key cannot be used, and when no model is chosen: the simulated one is started by the command that
    /// wants it, and given here by its URL.
    pub async fn new(config: Config) -> anyhow::Result<Self> {
        let instance = new_instance()?;
        let tasks = Tasks::new();
        let registry = Registry::new();
        let metrics = Arc::new(Metrics::new(instance.as_str()));
        let traces = config.log.collector.as_ref().map(|url| Traces::to(url.as_str(), &instance));
        let traces = traces.transpose().context("OTEL_EXPORTER_OTLP_ENDPOINT")?.map(Arc::new);
        let tls = tls_with_public_roots()?;
        let store = Store::open(&config.storage.place).await?;
        let (reached, hard) = (store.clone(), tasks.hard().clone());
        tasks.spawn_background("store check", async move {
            let _ended = hard.run_until_cancelled(say_when_out_of_reach(reached)).await;
        });
        let (grace, plans, soft) = (Grace::of(&config), store.directory(), tasks.soft().clone());
        tasks.spawn_background("grace check", async move {
            let _ended = soft.run_until_cancelled(grace.say_when_too_short(plans)).await;
        });
        let nudge = Nudge::default();
        let directory = CachedDirectory::new(
            store.directory(),
            last_known(&config.storage),
            Arc::new(telemetry::wall_clock),
        );
        let directory = Arc::new(directory);
        follow_changes(&tasks, &store, &directory);
        let public_url = config.public.url.clone();
        let twilio = twilio_rest(&config.twilio, &tls)?;
        let orphans = OrphanSettings {
            account: config.twilio.account.clone(),
            next_url: public_url.join(http::paths::NEXT),
        };
        let tools = HttpToolSettings::new(reach(&config.public.url), Arc::clone(&tls));
        let webhooks = WebhookSettings::new(reach(&config.public.url), Arc::clone(&tls));
        let bridge = Bridge::new(BridgeSettings {
            ledger: store.ledger(),
            slots: store.slots(),
            nudge: nudge.clone(),
            prices: config.prices,
            realtime: realtime(&config.model, tls)?,
            twilio: twilio.clone(),
            tools: HttpToolClient::new(tools)?,
            registry: registry.clone(),
            tasks: tasks.clone(),
            data_dir: Some(config.storage.dir.clone()),
            keep_event_logs: config.storage.event_log_days > 0,
            instance: instance.clone(),
            most_calls: MOST_CALLS,
            orphans,
            transfer_twiml: Box::new(move |record, destination| {
                http::transfer_twiml(&public_url, record, destination)
            }),
            phrases_at_once: usize::try_from(config.storage.phrases_at_once).unwrap_or(0),
            caller_hash_key: config.stream_token_secret.clone(),
            metrics: Arc::clone(&metrics),
            traces: traces.clone(),
            clock: telemetry::wall_clock,
        });
        let (folder, days) = (config.storage.dir.clone(), config.storage.event_log_days);
        let hard = tasks.hard().clone();
        tasks.spawn_background("retention", async move {
            let _ended = hard.run_until_cancelled(forget_old_logs(folder, days)).await;
        });
        outbox::begin(OutboxSettings {
            outbox: store.outbox(),
            directory: store.directory(),
            ledger: store.ledger(),
            client: WebhookClient::new(webhooks)?,
            nudge: nudge.clone(),
            tasks: tasks.clone(),
            metrics: Arc::clone(&metrics),
            clock: Arc::new(telemetry::wall_clock),
            seed: Uuid::new_v4().as_u64_pair().0,
        });
        let watched = WindowSettings { origins: config.window.origins, push: config.window.push };
        let (token, now_ms) = (config.admin_token.as_ref(), telemetry::wall_clock());
        let window = Window::new(watched, token, &config.public.url, &instance, now_ms);
        let app = App {
            window,
            directory,
            ledger: store.ledger(),
            slots: store.slots(),
            outbox: store.outbox(),
            nudge,
            limits_patience: http::LIMITS_PATIENCE,
            bridge,
            twilio,
            registry: registry.clone(),
            verifier: Verifier::new(tokens(config.twilio.auth, &config.storage).await?)
                .with_shared_keys(config.twilio.shared_keys.into_iter().map(shared_key).collect()),
            pass_key: PassKey::new(config.stream_token_secret.unwrap_or_else(new_secret)),
            admin_token: config.admin_token,
            public_url: config.public.url,
            stream_public_url: config.public.stream,
            instance: instance.clone(),
            trail: Trail::since(telemetry::wall_clock()),
            metrics,
            tasks: tasks.clone(),
            clock: telemetry::wall_clock,
        };
        let routes = http::routes(Arc::new(app));
        Ok(Self { routes, tasks, drain: config.drain, instance, store, calls: registry, traces })
    }

    /// The calls it carries.
    pub fn calls(&self) -> &Registry<Order> {
        &self.calls
    }

    /// Every task of the server, and the words that end them.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Answers on this listener until everything is told to stop.
    pub async fn listen(&self, listener: TcpListener) {
        let hop = format!("{}/{}/listen", env!("CARGO_PKG_VERSION"), self.instance);
        let limits = ListenLimits { hop, ..ListenLimits::default() };
        listen::serve(listener, self.routes.clone(), &self.tasks, limits).await;
    }

    /// Waits until the process is told to end, lets live calls end or hands them over, closes the store, and gives the
    /// number of tasks that had to be abandoned.
    pub async fn drain(&self) -> usize {
        let left = self.tasks.drain(self.drain.grace, self.drain.lame_duck).await;
        self.store.close().await;
        if let Some(traces) = self.traces.clone() {
            // Its patience is its own; a panic in it would have nothing more to say.
            let _ended = tokio::task::spawn_blocking(move || traces.end()).await;
        }
        left
    }
}

/// Has the directory hear what the store tells of changes, if it does.
fn follow_changes(tasks: &Tasks, store: &Store, directory: &Arc<CachedDirectory>) {
    let (words, heard) = mpsc::channel(WORDS_OF_CHANGE);
    let (store, directory, hard) = (store.clone(), Arc::clone(directory), tasks.hard().clone());
    tasks.spawn_background("changes", async move {
        let both = async { tokio::join!(store.watch(words), directory.follow(heard)) };
        let _ended = hard.run_until_cancelled(both).await;
    });
}

fn new_instance() -> anyhow::Result<InstanceId> {
    let (name, _) = Uuid::new_v4().as_u64_pair();
    // Long enough to tell a hundred instances apart, short enough to be read in a log line.
    Ok(InstanceId::parse(&format!("{:08x}", name >> 32))?)
}

/// A secret nobody can guess: 244 random bits.
fn new_secret() -> SecretString {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()).into()
}

/// A store over a network may be away when we start; businesses that are known are answered all the same.
async fn say_when_out_of_reach(store: Store) {
    if let Err(error) = store.check().await {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::warn!(%error, cause, "the store is out of reach; only businesses that are known already are answered");
    }
}

/// Where the directory keeps what it last knew; nowhere, when nothing is kept at all.
fn last_known(storage: &Storage) -> Option<std::path::PathBuf> {
    (!storage.place.is_in_memory()).then(|| storage.dir.join("last-known.json"))
}

fn shared_key(key: config::SharedKey) -> SharedKey {
    SharedKey { id: key.id, secret: key.secret }
}

async fn tokens(auth: TwilioAuth, storage: &Storage) -> anyhow::Result<Vec<SecretString>> {
    match auth {
        TwilioAuth::Tokens(tokens) => Ok(tokens),
        TwilioAuth::Local => Ok(vec![local_token(storage).await?]),
    }
}

/// The token of a machine without an account at Twilio: made once and kept beside the data, readable by its user
/// alone, so that `frontdesk call` on the same machine can sign with it.
pub async fn local_token(storage: &Storage) -> anyhow::Result<SecretString> {
    if let Some(token) = made_local_token(storage).await {
        return Ok(token);
    }
    let path = storage.dir.join(LOCAL_TOKEN);
    let token = new_secret();
    tokio::fs::create_dir_all(&storage.dir).await.with_context(|| format!("{}", storage.dir.display()))?;
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file =
        options.open(&path).await.with_context(|| format!("could not write {}", path.display()))?;
    file.write_all(token.expose_secret().as_bytes()).await?;
    file.flush().await?;
    Ok(token)
}

/// The same, if a server on this machine has made it already.
pub async fn made_local_token(storage: &Storage) -> Option<SecretString> {
    let token = tokio::fs::read_to_string(storage.dir.join(LOCAL_TOKEN)).await.ok()?;
    let token = token.trim();
    (!token.is_empty()).then(|| token.into())
}

/// A client for Twilio's REST interface, where there are credentials for it.
pub fn twilio_rest(twilio: &Twilio, tls: &rustls::ClientConfig) -> anyhow::Result<Option<TwilioRest>> {
    let token = match &twilio.auth {
        TwilioAuth::Tokens(tokens) => tokens.first(),
        TwilioAuth::Local => None,
    };
    let credentials = match (&twilio.rest_key, &twilio.account, token) {
        (Some(key), _, _) => Credentials::ApiKey { key: key.sid.clone(), secret: key.secret.clone() },
        (None, Some(account), Some(token)) => {
            Credentials::AuthToken { account: account.clone(), token: token.clone() }
        }
        (None, _, _) => return Ok(None),
    };
    let rest = TwilioRest::new(twilio.api_url.as_str(), credentials, tls).context("TWILIO_API_URL")?;
    Ok(Some(rest))
}

/// A server that only its own machine reaches may call its own machine: that is a person who tries it out, or a test.
fn reach(public_url: &PublicUrl) -> Reach {
    if public_url.is_loopback() { Reach::Loopback } else { Reach::PublicOnly }
}

fn realtime(model: &ModelChoice, tls: Arc<rustls::ClientConfig>) -> anyhow::Result<RealtimeClient> {
    let ModelChoice::Realtime(realtime) = model else {
        bail!("no speech model is chosen; start the simulated one and give its URL");
    };
    let auth = match &realtime.auth {
        RealtimeAuth::Bearer(key) => Auth::Bearer(key.clone()),
        RealtimeAuth::ApiKey(key) => Auth::ApiKey(key.clone()),
        RealtimeAuth::None => Auth::None,
    };
    let settings =
        RealtimeSettings { url: realtime.url.to_string(), model: realtime.model.clone(), auth, tls };
    Ok(RealtimeClient::new(settings)?)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    fn config(folder: &std::path::Path) -> Config {
        let folder = folder.to_str().unwrap();
        let read = |name: &str| {
            let value = match name {
                "DATABASE_URL" => "sqlite::memory:",
                "DATA_DIR" => folder,
                "OPENAI_API_KEY" => "sk-test-0123456789abcdef0123456789abcdef",
                "TWILIO_AUTH_TOKEN" => "2b7e151628aed2a6abf7158809cf4f3c",
                "TWILIO_ACCOUNT_SID" => "AC00000000000000000000000000000001",
                "PUBLIC_URL" => "https://voice.example.com",
                _ => return None,
            };
            Some(value.to_owned())
        };
        Config::from_env(read).unwrap().0
    }

    async fn ask(address: std::net::SocketAddr, path: &str) -> String {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn it_answers_until_the_drain_is_over_and_then_lets_go_of_everything() {
        let folder = tempfile::tempdir().unwrap();
        let server = Arc::new(Server::new(config(folder.path())).await.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = server.tasks().clone();
        let call = tasks.hard().clone();
        tasks.spawn("a call", async move { call.cancelled().await });
        let story = async {
            assert!(ask(address, "/ready").await.starts_with("HTTP/1.1 200"));
            tasks.soft().cancel();
            assert!(ask(address, "/ready").await.starts_with("HTTP/1.1 503"));
            let health = ask(address, "/health").await;
            assert!(health.starts_with("HTTP/1.1 200") && health.contains(r#""draining":true"#), "{health}");
            tasks.hard().cancel();
        };
        let (left, (), ()) = tokio::join!(server.drain(), server.listen(listener), story);
        assert_eq!(left, 0);
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[test]
    fn a_server_that_others_reach_never_calls_its_own_machine() {
        for (public_url, expected) in [
            ("https://voice.example.com", Reach::PublicOnly),
            ("https://localhost.example.com", Reach::PublicOnly),
            ("http://localhost:8080", Reach::Loopback),
            ("http://127.0.0.1:8080", Reach::Loopback),
        ] {
            assert_eq!(reach(&PublicUrl::parse(public_url).unwrap()), expected, "{public_url}");
        }
    }

    #[tokio::test]
    async fn without_a_model_there_is_no_server() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { model: ModelChoice::Simulated, ..config(folder.path()) };
        assert!(Server::new(config).await.is_err());
    }
}
