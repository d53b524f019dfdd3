//! A fleet: instances on one store behind a balancer, with the simulator's telephone, REST interface and model around.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use frontdesk::domain::{AccountSid, BusinessImport, CallSid};
use frontdesk::sim::Step;
use frontdesk::sim::model::Script;
use frontdesk::sim::socket::{
    CallPlan, ConnectionLog, ModelServer, ModelServerPlan, Phone, RestPlan, RestServer,
};
use frontdesk::store::Store;
use futures_util::future::join_all;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::balancer::{self, Balancer, Load};
use crate::instance::Instance;
use crate::place::Place;

/// The account of every call.
const ACCOUNT: &str = "AC00000000000000000000000000000001";
/// What Twilio signs with.
const AUTH_TOKEN: &str = "2b7e151628aed2a6abf7158809cf4f3c";
/// What signs passes: one for all instances.
const SECRET: &str = "6bc1bee22e409f96e93d7e117393172a6bc1bee22e409f96e93d7e117393172a";
/// Who calls.
const CALLER: &str = "+14155550123";

/// What is asked for again and again until it is so; a machine under load may take its time.
const PATIENCE: Duration = Duration::from_secs(45);

/// Between two questions.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// How long an edge still leads callers to an instance that was told to end.
const EDGE_LAG: Duration = Duration::from_millis(500);

/// Two fleets at once on two cores would measure each other.
static ALONE: Mutex<()> = Mutex::const_new(());

/// How a fleet begins.
pub(crate) struct FleetPlan<'a> {
    /// How many instances.
    pub(crate) size: usize,
    /// Whom they serve.
    pub(crate) businesses: &'a BusinessImport,
    /// Where that is kept.
    pub(crate) place: Place,
    /// What the model says and does on each connection, in order; the last repeats.
    pub(crate) scripts: Vec<Script>,
    /// What the REST interface answers to its first requests.
    pub(crate) refusals: Vec<u16>,
    /// More settings for every instance; of two with the same name the later counts.
    pub(crate) settings: Vec<(&'static str, String)>,
}

/// Instances on one store with everything around them; all of it ends when this is dropped.
pub(crate) struct Fleet {
    /// The store of all of them, opened once more.
    pub(crate) store: Store,
    model: ModelServer,
    /// Twilio's REST interface.
    pub(crate) rest: RestServer,
    balancer: Balancer,
    /// Leads media streams, where another service than the webhooks' carries them.
    media: Option<Balancer>,
    members: Vec<Member>,
    settings: Vec<(&'static str, String)>,
    started: usize,
    folder: TempDir,
    _place: Place,
    _alone: MutexGuard<'static, ()>,
}

struct Member {
    instance: Instance,
    place: Arc<balancer::Place>,
    alive: bool,
}

/// How a process ended that was told to.
#[derive(Debug)]
pub(crate) struct Left {
    /// Its exit code; none when it did not end in its grace, or of a signal.
    pub(crate) code: Option<i32>,
    /// How long that took.
    pub(crate) took: Duration,
}

impl Fleet {
    /// Starts `size` instances over SQLite that serve these businesses with a model that speaks like that.
    pub(crate) async fn start(size: usize, businesses: &BusinessImport, script: Script) -> Self {
        Self::draining(10, size, businesses, script).await
    }

    /// The same on a platform that gives an instance so many seconds to end.
    pub(crate) async fn draining(
        seconds: u32,
        size: usize,
        businesses: &BusinessImport,
        script: Script,
    ) -> Self {
        let (place, scripts) = (Place::sqlite(), vec![script]);
        let settings = vec![("DRAIN_SECONDS", seconds.to_string())];
        Self::start_with(FleetPlan { size, businesses, place, scripts, refusals: Vec::new(), settings }).await
    }

    /// Starts one as planned.
    pub(crate) async fn start_with(plan: FleetPlan<'_>) -> Self {
        let alone = ALONE.lock().await;
        let folder = tempfile::tempdir().unwrap();
        let store = plan.place.open().await;
        store.directory().import(plan.businesses).await.unwrap();
        let model =
            ModelServerPlan { scripts: plan.scripts, authorization: None, seed: 1, keep_events: false };
        let model = ModelServer::start(model).await.unwrap();
        let rest = RestPlan {
            account: AccountSid::parse(ACCOUNT).unwrap(),
            user: ACCOUNT.to_owned(),
            password: AUTH_TOKEN.to_owned(),
            refusals: plan.refusals,
        };
        let rest = RestServer::start(rest).await.unwrap();
        let balancer = Balancer::start(1).await;
        let mut settings = vec![
            ("PUBLIC_URL", balancer.url()),
            ("STREAM_TOKEN_SECRET", SECRET.to_owned()),
            ("TWILIO_ACCOUNT_SID", ACCOUNT.to_owned()),
            ("TWILIO_AUTH_TOKEN", AUTH_TOKEN.to_owned()),
            ("TWILIO_API_URL", rest.url()),
            ("REALTIME_URL", model.url()),
            ("REALTIME_AUTH", "none".to_owned()),
            ("DRAIN_SECONDS", "10".to_owned()),
            // Their disks are one disk here, and nobody reads the logs of calls.
            ("EVENT_LOG_DAYS", "0".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
        ];
        settings.extend(plan.place.settings());
        settings.extend(plan.settings);
        let mut fleet = Self {
            store,
            model,
            rest,
            balancer,
            media: None,
            members: Vec::new(),
            settings,
            started: 0,
            folder,
            _place: plan.place,
            _alone: alone,
        };
        fleet.grow(plan.size).await;
        fleet
    }

    /// Two services with the same settings: the first instance is asked webhooks alone, the second and whoever is started
    /// later carries streams alone.
    pub(crate) async fn apart(drain_s: u32, businesses: &BusinessImport, script: Script) -> Self {
        let media = Balancer::start(2).await;
        let settings = vec![("DRAIN_SECONDS", drain_s.to_string()), ("STREAM_PUBLIC_URL", media.url())];
        let (place, scripts, refusals) = (Place::sqlite(), vec![script], Vec::new());
        let plan = FleetPlan { size: 1, businesses, place, scripts, refusals, settings };
        let mut fleet = Self::start_with(plan).await;
        fleet.media = Some(media);
        fleet.grow(1).await;
        fleet
    }

    /// Starts so many more, all at once.
    pub(crate) async fn grow(&mut self, by: usize) {
        let numbers = self.started..self.started + by;
        let folders = numbers.map(|number| self.folder.path().join(format!("instance-{number}")));
        let folders: Vec<_> = folders.collect();
        let started = join_all(folders.iter().map(|folder| Instance::start(folder, &self.settings))).await;
        for instance in started {
            let balancer = self.media.as_ref().unwrap_or(&self.balancer);
            let place = balancer.add(instance.address());
            self.members.push(Member { instance, place, alive: true });
        }
        self.started += by;
    }

    /// The processes that are meant to be alive, the oldest first.
    pub(crate) fn alive(&self) -> Vec<&Instance> {
        self.members.iter().filter(|member| member.alive).map(|member| &member.instance).collect()
    }

    /// How many streams all of them carry.
    pub(crate) fn streams(&self) -> usize {
        self.members.iter().map(|member| member.place.load().streams).sum()
    }

    /// Kills the instance that carries the most calls, in the middle of them.
    pub(crate) fn kill_the_busiest(&mut self) -> Load {
        let alive = self.members.iter_mut().filter(|member| member.alive);
        let busiest = alive.max_by_key(|member| member.place.load().streams).unwrap();
        busiest.alive = false;
        // In this order, so that whoever is led there counts.
        busiest.place.is_gone();
        let killed = busiest.place.load();
        busiest.instance.kill();
        killed
    }

    /// New connections are led to these, and to no others.
    pub(crate) fn lead_only_to(&self, numbers: &[usize]) {
        for (number, member) in self.members.iter().enumerate() {
            if numbers.contains(&number) { member.place.is_back() } else { member.place.is_gone() }
        }
    }

    /// How many media streams an instance carries.
    pub(crate) fn streams_of(&self, number: usize) -> usize {
        self.members[number].place.load().streams
    }

    /// Sends a signal to an instance.
    pub(crate) fn signal(&self, number: usize, name: &str) {
        self.members[number].instance.signal(name);
    }

    /// Waits until an instance has ended by itself, from when on nobody is led there; its exit code.
    pub(crate) async fn ended(&mut self, number: usize) -> Option<i32> {
        let member = &mut self.members[number];
        let status = member.instance.ended(PATIENCE).await;
        let code = status.expect("an instance does not end").code();
        member.alive = false;
        member.place.is_gone();
        code
    }

    /// Where webhooks are asked, and where streams are led.
    pub(crate) fn urls(&self) -> (String, String) {
        let media = self.media.as_ref().unwrap_or(&self.balancer);
        (self.balancer.url(), media.url().replace("http", "ws"))
    }

    /// What an instance logged.
    pub(crate) fn log_of(&self, number: usize) -> String {
        self.members[number].instance.log()
    }

    /// Ends a call, as its business would in Twilio's console.
    pub(crate) async fn hang_up(&self, call: &CallSid) {
        let url = format!("{}/2010-04-01/Accounts/{ACCOUNT}/Calls/{call}.json", self.rest.url());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let asked = http.post(url).basic_auth(ACCOUNT, Some(AUTH_TOKEN)).form(&[("Status", "completed")]);
        assert!(asked.send().await.unwrap().status().is_success());
    }

    /// Kills all of them.
    pub(crate) fn kill_all(&mut self) {
        while self.members.iter().any(|member| member.alive) {
            self.kill_the_busiest();
        }
    }

    /// Tells the oldest that is alive to end, as a deploy does, and waits for its `grace`.
    pub(crate) async fn end_the_oldest(&mut self, grace: Duration) -> Left {
        let oldest = self.members.iter_mut().find(|member| member.alive).unwrap();
        oldest.alive = false;
        let began = now();
        oldest.instance.signal("TERM");
        tokio::time::sleep(EDGE_LAG).await;
        oldest.place.is_gone();
        let status = oldest.instance.ended(grace.saturating_sub(began.elapsed())).await;
        Left { code: status.and_then(|status| status.code()), took: began.elapsed() }
    }

    /// A telephone with connections of its own.
    pub(crate) fn phone(&self) -> Phone {
        Phone::new(Some(self.rest.line())).unwrap()
    }

    /// A call to a line by somebody who does that.
    pub(crate) fn call(&self, line: &str, caller: Vec<Step>) -> CallPlan {
        let webhook = format!("{}/twilio-voice", self.balancer.url());
        let account = AccountSid::parse(ACCOUNT).unwrap();
        let mut plan = CallPlan::new(webhook, AUTH_TOKEN, account, line, CALLER).unwrap();
        plan.caller = caller;
        plan.status_callback = Some(format!("{}/twilio-status", self.balancer.url()));
        plan.longest = Duration::from_secs(30);
        plan
    }

    /// Ends a call from outside, as somebody with the account's credentials may.
    pub(crate) async fn end_call(&self, call: &CallSid) {
        let url = format!("{}/2010-04-01/Accounts/{ACCOUNT}/Calls/{call}.json", self.rest.url());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let form = [("Status", "completed")];
        let request = http.post(url).basic_auth(ACCOUNT, Some(AUTH_TOKEN)).form(&form);
        // One that is over already is not found, and that is as good.
        let _answer = request.send().await.unwrap();
    }

    /// Where the REST interface listens.
    pub(crate) fn rest_port(&self) -> u16 {
        self.rest.url().rsplit(':').next().unwrap().parse().unwrap()
    }

    /// What the model was told on every connection.
    pub(crate) fn connections(&self) -> Vec<ConnectionLog> {
        self.model.connections()
    }

    /// What the instances complained of, and how often.
    pub(crate) fn complaints_by_kind(&self) -> BTreeMap<String, usize> {
        let mut kinds = BTreeMap::new();
        for line in self.complaints() {
            // What is no line of the log is the last cry of a process.
            let message = serde_json::from_str(&line)
                .map_or(line, |line: Value| line["message"].as_str().unwrap_or_default().to_owned());
            *kinds.entry(message).or_default() += 1;
        }
        kinds
    }

    /// Every line of every instance's log that is worse than `info`.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let logs = self.members.iter().map(|member| member.instance.log());
        let worse = |line: &&str| !line.contains(r#""level":"info""#);
        logs.flat_map(|log| log.lines().filter(worse).map(str::to_owned).collect::<Vec<_>>()).collect()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for line in self.complaints() {
                println!("{line}");
            }
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

#[expect(clippy::disallowed_methods, reason = "a test that measures has a clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// How many of something, when whoever runs the tests says so.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests says how many calls they have time for"
)]
pub(crate) fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |number| number.parse().unwrap())
}
