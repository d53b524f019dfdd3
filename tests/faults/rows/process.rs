//! The process ends while somebody is on the line.

use std::time::Duration;

use frontdesk::domain::{self, BusinessImport};
use frontdesk::sim::LineFault;
use frontdesk::sim::socket::{
    CallPlan, ConnectionLog, ModelServer, ModelServerPlan, Phone, RestPlan, RestServer,
};
use frontdesk::store::Store;
use futures_util::FutureExt as _;

use crate::balancer::Balancer;
use crate::fault::{Fault, Met, account, fault};
use crate::furnished::Kept;
use crate::house::{ACCOUNT, AUTH_TOKEN, CALLER, LINE, LUNA, SECRET, until};
use crate::instance::Instance;
use crate::scenes::asks;
use crate::voices::{ANSWERS, asks_into, leisurely, next};

/// The caller has asked, and the answer is on its way.
const ASKED_MS: u64 = 1_800;

pub(super) fn rows() -> Vec<Fault> {
    vec![
        Fault {
            kept: Kept::Nothing,
            since: Some(ANSWERS),
            elsewhere: Some(|| gone(|first| first.signal("TERM")).boxed_local()),
            ..fault("process: stopped by the platform (SIGTERM), another is there")
        },
        Fault {
            kept: Kept::Nothing,
            since: Some(ANSWERS),
            elsewhere: Some(|| gone(Instance::kill).boxed_local()),
            ..fault("process: killed (SIGKILL), another is there")
        },
    ]
}

fn has_asked(logs: &[ConnectionLog]) -> bool {
    logs.first().is_some_and(|log| log.appended_ms > ASKED_MS)
}

/// Two processes on one store behind one name; the one that carries the call is sent away like that.
async fn gone(how: fn(&mut Instance)) -> Met {
    let folder = tempfile::tempdir().unwrap();
    let database_url = format!("sqlite://{}/frontdesk.db", folder.path().display());
    let store = Store::open(&domain::Place::Sqlite(database_url.clone())).await.unwrap();
    let businesses: BusinessImport = serde_json::from_str(LUNA).unwrap();
    store.directory().import(&businesses).await.unwrap();
    let scripts = vec![leisurely(), next()];
    let model = ModelServerPlan { scripts, authorization: None, seed: 1, keep_events: false };
    let model = ModelServer::start(model).await.unwrap();
    let (user, password) = (ACCOUNT.to_owned(), AUTH_TOKEN.to_owned());
    let rest = RestPlan { account: account(), user, password, refusals: Vec::new() };
    let rest = RestServer::start(rest).await.unwrap();
    let balancer = Balancer::start(1).await;
    let settings = [
        ("PUBLIC_URL", balancer.url()),
        ("DATABASE_URL", database_url),
        ("STREAM_TOKEN_SECRET", SECRET.to_owned()),
        ("TWILIO_ACCOUNT_SID", ACCOUNT.to_owned()),
        ("TWILIO_AUTH_TOKEN", AUTH_TOKEN.to_owned()),
        ("TWILIO_API_URL", rest.url()),
        ("REALTIME_URL", model.url()),
        ("REALTIME_AUTH", "none".to_owned()),
        ("PHRASES_AT_ONCE", "0".to_owned()),
        ("LOG_FORMAT", "json".to_owned()),
        // A platform of little patience: a second later it hands over.
        ("DRAIN_SECONDS", "2".to_owned()),
    ];
    let mut first = Instance::start(&folder.path().join("first"), &settings).await;
    let second = Instance::start(&folder.path().join("second"), &settings).await;
    let place = balancer.add(first.address());
    let webhook = format!("{}/twilio-voice", balancer.url());
    let mut plan = CallPlan::new(webhook, AUTH_TOKEN, account(), LINE, CALLER).unwrap();
    plan.caller = vec![asks(), asks_into(2)];
    plan.status_callback = Some(format!("{}/twilio-status", balancer.url()));
    plan.longest = Duration::from_secs(30);
    plan.line_faults = Vec::<Vec<LineFault>>::new();
    let caller = plan.caller.clone();
    let phone = Phone::new(Some(rest.line())).unwrap();
    let end = async {
        model.until(|logs| has_asked(logs)).await;
        // Twilio asks what is next at once: the edge knows of the other already.
        place.is_gone();
        let second = balancer.add(second.address());
        how(&mut first);
        second
    };
    let (report, _second) = tokio::join!(phone.call(plan), end);
    let ledger = store.ledger();
    until("the call is not over in the ledger", async || {
        ledger.call(&report.call).await.unwrap().is_some_and(|record| record.ended_ms.is_some())
    })
    .await;
    let record = ledger.call(&report.call).await.unwrap();
    Met { report, caller, record, sessions: model.connections().len(), refusals: Vec::new() }
}
