//! A fleet: instances on one store behind a balancer, with the simulator's telephone, REST interface and model around.

use std::sync::Arc;
use std::time::Duration;

use frontdesk::domain::{self, AccountSid, BusinessImport, CallSid};
use frontdesk::sim::Step;
use frontdesk::sim::model::Script;
use frontdesk::sim::socket::{CallPlan, ModelServer, ModelServerPlan, Phone, RestPlan, RestServer};
use frontdesk::store::Store;
use futures_util::future::join_all;
use tempfile::TempDir;

use crate::balancer::{Balancer, Load, Place};
use crate::instance::Instance;

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

/// Instances on one store with everything around them; all of it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// The store of all of them, opened once more.
    pub(crate) store: Store,
    _model: ModelServer,
    /// Twilio's REST interface.
    pub(crate) rest: RestServer,
    balancer: Balancer,
    members: Vec<Member>,
    settings: Vec<(&'static str, String)>,
    started: usize,
    folder: TempDir,
}

#[derive(Debug)]
struct Member {
    instance: Instance,
    place: Arc<Place>,
    alive: bool,
}

impl Fleet {
    /// Starts `size` instances that serve these businesses with a model that speaks like that.
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
        let folder = tempfile::tempdir().unwrap();
        let database_url = format!("sqlite://{}/frontdesk.db", folder.path().display());
        let store = Store::open(&domain::Place::Sqlite(database_url.clone())).await.unwrap();
        store.directory().import(businesses).await.unwrap();
        let model =
            ModelServerPlan { scripts: vec![script], authorization: None, seed: 1, keep_events: false };
        let model = ModelServer::start(model).await.unwrap();
        let rest = RestPlan {
            account: AccountSid::parse(ACCOUNT).unwrap(),
            user: ACCOUNT.to_owned(),
            password: AUTH_TOKEN.to_owned(),
            refusals: Vec::new(),
        };
        let rest = RestServer::start(rest).await.unwrap();
        let balancer = Balancer::start(1).await;
        let settings = vec![
            ("PUBLIC_URL", balancer.url()),
            ("DATABASE_URL", database_url),
            ("STREAM_TOKEN_SECRET", SECRET.to_owned()),
            ("TWILIO_ACCOUNT_SID", ACCOUNT.to_owned()),
            ("TWILIO_AUTH_TOKEN", AUTH_TOKEN.to_owned()),
            ("TWILIO_API_URL", rest.url()),
            ("REALTIME_URL", model.url()),
            ("REALTIME_AUTH", "none".to_owned()),
            ("DRAIN_SECONDS", seconds.to_string()),
            // Their disks are one disk here, and nobody reads the logs of calls.
            ("EVENT_LOG_DAYS", "0".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
        ];
        let members = Vec::new();
        let mut fleet = Self { store, _model: model, rest, balancer, members, settings, started: 0, folder };
        fleet.grow(size).await;
        fleet
    }

    /// Starts so many more, all at once.
    pub(crate) async fn grow(&mut self, by: usize) {
        let numbers = self.started..self.started + by;
        let folders = numbers.map(|number| self.folder.path().join(format!("instance-{number}")));
        let folders: Vec<_> = folders.collect();
        let started = join_all(folders.iter().map(|folder| Instance::start(folder, &self.settings))).await;
        for instance in started {
            let place = self.balancer.add(instance.address());
            self.members.push(Member { instance, place, alive: true });
        }
        self.started += by;
    }

    /// Kills the instance that carries the most calls, in the middle of them.
    pub(crate) fn kill_the_busiest(&mut self) -> Load {
        let alive = self.members.iter_mut().filter(|member| member.alive);
        let busiest = alive.max_by_key(|member| member.place.load().streams).unwrap();
        let killed = busiest.place.load();
        busiest.alive = false;
        busiest.instance.kill();
        busiest.place.is_gone();
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
        let code = member.instance.ended().await;
        member.alive = false;
        member.place.is_gone();
        code
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
