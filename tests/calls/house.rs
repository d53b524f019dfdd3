//! The whole house over loopback: the real server, and the simulator's telephone, REST interface and model around it.

use std::path::PathBuf;
use std::sync::Once;
use std::time::Duration;

use frontdesk::call::event_log::{self, Verdict};
use frontdesk::call::{Input, Note, Output};
use frontdesk::config::Config;
use frontdesk::domain::{AccountSid, BusinessImport, CallRecord, CallSid, Moment};
use frontdesk::lifecycle::Tasks;
use frontdesk::server::Server;
use frontdesk::sim::Step;
use frontdesk::sim::model::Script;
use frontdesk::sim::socket::{
    CallPlan, ModelServer, ModelServerPlan, Phone, PhoneReport, RestPlan, RestServer,
};
use frontdesk::store::{Directory as _, Ledger as _, Sqlite};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The account of every call.
pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
/// What Twilio signs with.
pub(crate) const AUTH_TOKEN: &str = "2b7e151628aed2a6abf7158809cf4f3c";
/// What signs passes.
pub(crate) const SECRET: &str = "6bc1bee22e409f96e93d7e117393172a6bc1bee22e409f96e93d7e117393172a";
/// What lets us in at the model's.
pub(crate) const API_KEY: &str = "sk-test-0123456789abcdef0123456789abcdef";
/// The line of Luna Dental.
pub(crate) const LINE: &str = "+15551234567";
/// Who calls it.
pub(crate) const CALLER: &str = "+14155550123";
/// Where it transfers to.
pub(crate) const FRONT_OFFICE: &str = "+15550001111";
/// What it says first.
pub(crate) const GREETING: &str = "Thanks for calling Luna Dental. How can I help?";

/// The business every test calls. Its turns are over after 200 ms of silence, so that a test's calls are short.
pub(crate) const LUNA: &str = r#"{"plans":[{"id":"premium","concurrentCalls":10,"minutesPerMonth":2000,"minutesPerCall":30}],
 "businesses":[{"id":"business-1","name":"Luna Dental","plan":"premium","lines":["+15551234567"],
   "greeting":"Thanks for calling Luna Dental. How can I help?","instructions":"You are the receptionist of Luna Dental.",
   "voice":"marin","language":"en","turnDetection":{"type":"server_vad","silenceDurationMs":200},
   "destinations":[{"id":"front-office","label":"the front office","number":"+15550001111"}],
   "fallback":{"transfer":"front-office"},"tools":["end_call","transfer_call","take_message"]}]}"#;

/// What is asked for again and again until it is so; a machine under load may take its time.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an earlier run of this binary left for the judge is not this run's.
static CLEARED: Once = Once::new();

/// Between two questions.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// What a house is built with.
pub(crate) struct Plans {
    /// Names the files with what its clients said.
    pub(crate) name: &'static str,
    /// What the model says on each connection; the last repeats.
    pub(crate) scripts: Vec<Script>,
    /// Whether the server has credentials for Twilio's REST interface.
    pub(crate) rest: bool,
    /// Who answers.
    pub(crate) businesses: String,
    /// More settings, before all others.
    pub(crate) settings: Vec<(&'static str, String)>,
}

impl Plans {
    /// Luna Dental, everything well.
    pub(crate) fn new(name: &'static str, scripts: Vec<Script>) -> Self {
        Self { name, scripts, rest: true, businesses: LUNA.to_owned(), settings: Vec::new() }
    }
}

/// The server with everything around it; all of it ends when this is dropped.
pub(crate) struct House {
    name: &'static str,
    /// Where the server is: `http://127.0.0.1:PORT`.
    pub(crate) base: String,
    /// The model.
    pub(crate) model: ModelServer,
    /// Twilio's REST interface.
    pub(crate) rest: RestServer,
    /// The server's own store, opened a second time.
    pub(crate) store: Sqlite,
    /// Places calls.
    pub(crate) phone: Phone,
    /// The server's tasks.
    pub(crate) tasks: Tasks,
    /// Asks the server over HTTP.
    pub(crate) http: reqwest::Client,
    folder: TempDir,
    serving: JoinSet<usize>,
}

impl House {
    /// Builds one, and begins to serve.
    pub(crate) async fn build(plans: Plans) -> Self {
        let Plans { name, scripts, rest: with_rest, businesses, settings } = plans;
        CLEARED.call_once(|| {
            // There is none before the first run.
            let _cleared = std::fs::remove_dir_all(Self::events_folder());
        });
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let authorization = Some(format!("Bearer {API_KEY}"));
        let model = ModelServerPlan { scripts, authorization, seed: 1, keep_events: true };
        let model = ModelServer::start(model).await.unwrap();
        let rest = RestPlan {
            account: AccountSid::parse(ACCOUNT).unwrap(),
            user: ACCOUNT.to_owned(),
            password: AUTH_TOKEN.to_owned(),
            refusals: Vec::new(),
        };
        let rest = RestServer::start(rest).await.unwrap();
        let data_dir = folder.path().to_str().unwrap().to_owned();
        let database_url = format!("sqlite://{data_dir}/frontdesk.db");
        let read = |name: &str| {
            if let Some((_, value)) = settings.iter().find(|(setting, _)| *setting == name) {
                return Some(value.clone());
            }
            match name {
                "PUBLIC_URL" => Some(base.clone()),
                "DATA_DIR" => Some(data_dir.clone()),
                "DATABASE_URL" => Some(database_url.clone()),
                "OPENAI_API_KEY" => Some(API_KEY.to_owned()),
                "REALTIME_URL" => Some(model.url()),
                "REALTIME_AUTH" => Some("bearer".to_owned()),
                "STREAM_TOKEN_SECRET" => Some(SECRET.to_owned()),
                "TWILIO_AUTH_TOKEN" => Some(AUTH_TOKEN.to_owned()),
                "TWILIO_ACCOUNT_SID" => with_rest.then(|| ACCOUNT.to_owned()),
                // Sessions that are no call's would be found among those of the calls.
                "PHRASES_AT_ONCE" => Some("0".to_owned()),
                "TWILIO_API_URL" => Some(rest.url()),
                _ => None,
            }
        };
        let server = Server::new(Config::from_env(read).unwrap().0).await.unwrap();
        let store = Sqlite::open(&database_url).await.unwrap();
        let businesses: BusinessImport = serde_json::from_str(&businesses).unwrap();
        store.import(&businesses).await.unwrap();
        let tasks = server.tasks().clone();
        let mut serving = JoinSet::new();
        serving.spawn(async move { tokio::join!(server.drain(), server.listen(listener)).0 });
        let phone = Phone::new(Some(rest.line())).unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { name, base, model, rest, store, phone, tasks, http, folder, serving }
    }

    /// A house of Luna Dental's in which everything is well.
    pub(crate) async fn open(name: &'static str, scripts: Vec<Script>) -> Self {
        Self::build(Plans::new(name, scripts)).await
    }

    /// A call to Luna Dental by somebody who does that.
    pub(crate) fn plan(&self, caller: Vec<Step>) -> CallPlan {
        let webhook = format!("{}/twilio-voice", self.base);
        let account = AccountSid::parse(ACCOUNT).unwrap();
        let mut plan = CallPlan::new(webhook, AUTH_TOKEN, account, LINE, CALLER).unwrap();
        plan.caller = caller;
        plan.status_callback = Some(format!("{}/twilio-status", self.base));
        plan.longest = Duration::from_secs(20);
        plan
    }

    /// Places a call to Luna Dental, and stays until it is over.
    pub(crate) async fn call(&self, caller: Vec<Step>) -> PhoneReport {
        self.phone.call(self.plan(caller)).await
    }

    /// Ends a call from outside, as its business would in Twilio's console.
    pub(crate) async fn end_by_rest(&self, call: &CallSid) {
        let url = format!("{}/2010-04-01/Accounts/{ACCOUNT}/Calls/{call}.json", self.rest.url());
        let asked =
            self.http.post(url).basic_auth(ACCOUNT, Some(AUTH_TOKEN)).form(&[("Status", "completed")]);
        assert!(asked.send().await.unwrap().status().is_success());
    }

    /// Asks the server for a page: status and body.
    pub(crate) async fn ask(&self, path: &str) -> (u16, String) {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Waits until no call is carried, and all of what they said is written down.
    pub(crate) async fn until_quiet(&self) {
        until("a call is still carried", async || {
            self.ask("/health").await.1.contains(r#""connections":0"#) && self.tasks.live() == 0
        })
        .await;
    }

    /// What the ledger has of a call.
    pub(crate) async fn record(&self, call: &CallSid) -> CallRecord {
        self.store.call(call).await.unwrap().unwrap()
    }

    /// The event log of one attempt of a call, replayed: every input with what followed. Fails when it is not the same.
    pub(crate) fn replay(&self, call: &CallSid, attempt: u8) -> Vec<(Moment, Input, Vec<Output>)> {
        let path = self.file(&format!("calls/{call}-{attempt}.jsonl"));
        let log = std::fs::read_to_string(&path).unwrap();
        let mut steps = Vec::new();
        let verdict = event_log::replay(&log, |at, input, outputs| {
            steps.push((at, input.clone(), outputs.to_vec()));
        });
        let verdict = verdict.unwrap();
        assert!(matches!(verdict, Verdict::Identical { cut_off: false, .. }), "{verdict:?}");
        steps
    }

    /// What the call noted, by its event log.
    pub(crate) fn notes(&self, call: &CallSid, attempt: u8) -> Vec<Note> {
        let outputs = self.replay(call, attempt).into_iter().flat_map(|(_, _, outputs)| outputs);
        outputs.filter_map(|output| if let Output::Note(note) = output { Some(note) } else { None }).collect()
    }

    /// What the clients said on one connection to the model, of one type.
    pub(crate) fn said_to_model(&self, connection: usize, kind: &str) -> Vec<serde_json::Value> {
        let events = self.model.client_events(connection);
        let events = events.iter().map(|event| serde_json::from_str::<serde_json::Value>(event).unwrap());
        events.filter(|event| event["type"] == kind).collect()
    }

    /// Whether the model was told so many things of one type on its first connection.
    pub(crate) fn model_heard(&self, kind: &str, times: usize) -> bool {
        self.said_to_model(0, kind).len() >= times
    }

    /// A file of the server's.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Everything is as it should be at the model's: nothing we said was refused.
    pub(crate) fn model_refused_nothing(&self) {
        for log in self.model.connections() {
            assert_eq!(log.refusals, []);
        }
    }

    /// Drains the server; the number of tasks that did not end.
    pub(crate) async fn drained(&mut self) -> usize {
        self.serving.join_next().await.unwrap().unwrap()
    }

    /// Where what the clients said is written for the judge: by test binary.
    fn events_folder() -> PathBuf {
        [env!("CARGO_TARGET_TMPDIR"), "client-events", env!("CARGO_CRATE_NAME")].iter().collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.tasks.hard().cancel();
        let folder = Self::events_folder();
        std::fs::create_dir_all(&folder).unwrap();
        for number in 0..self.model.connections().len() {
            let mut lines = self.model.client_events(number).join("\n");
            lines.push('\n');
            std::fs::write(folder.join(format!("{}-{number}.jsonl", self.name)), lines).unwrap();
        }
    }
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !so().await {
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{what}");
}
