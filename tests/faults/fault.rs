//! One fault: what makes it, and the call that meets it.

use std::any::Any;
use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use frontdesk::domain::{AccountSid, CallRecord};
use frontdesk::lifecycle::Tasks;
use frontdesk::sim::model::Script;
use frontdesk::sim::socket::{CallPlan, Phone, PhoneReport, RestPlan, RestServer};
use frontdesk::sim::{Act, Step};
use frontdesk::store::Ledger as _;
use futures_util::future::LocalBoxFuture;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::furnished::{Furnished, Kept};
use crate::house::{ACCOUNT, AUTH_TOKEN, House, LUNA, Plans};
use crate::scenes::asks;
use crate::voices::{Voice, well};

/// The longest call of the table lasts a minute.
const LONGEST: Duration = Duration::from_secs(90);

/// How long what follows a call may take.
const SETTLES: Duration = Duration::from_secs(30);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Something done to a house; what it gives back is kept until the call is over.
pub(crate) type Deed = for<'a> fn(&'a Scene) -> LocalBoxFuture<'a, Guard>;

/// Undoes what was done when it is dropped.
pub(crate) type Guard = Box<dyn Any>;

/// One row of the table.
pub(crate) struct Fault {
    /// What breaks.
    pub(crate) name: &'static str,
    /// What is kept of former calls.
    pub(crate) kept: Kept,
    /// What the model says on each connection.
    pub(crate) scripts: Vec<Script>,
    /// Where the model is.
    pub(crate) model: Model,
    /// How Twilio's REST interface is.
    pub(crate) rest: Rest,
    /// Who answers.
    pub(crate) businesses: String,
    /// More settings.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// Done before the phone rings.
    pub(crate) before: Option<Deed>,
    /// Done while it talks.
    pub(crate) meanwhile: Option<Deed>,
    /// What the caller does, and what their line does.
    pub(crate) call: fn(&mut CallPlan),
    /// In whose words the fault falls; none when it is there before the phone rings.
    pub(crate) since: Option<Voice>,
    /// What Twilio would complain of, by its beginning.
    pub(crate) complaints: &'static [&'static str],
    /// Why somebody hears nothing for longer than two seconds.
    pub(crate) exception: Option<&'static str>,
    /// Plays it where one house is not enough.
    pub(crate) elsewhere: Option<fn() -> LocalBoxFuture<'static, Met>>,
}

/// Where the model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Model {
    /// Where it is dialled.
    There,
    /// Behind a name that has no address.
    WithoutAddress,
    /// Behind a port nobody listens on.
    WithoutPort,
    /// Behind a certificate nobody vouches for.
    WithoutTrust,
}

/// How Twilio's REST interface is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Well.
    Well,
    /// It refuses so many requests with this status.
    Refuses(u16, usize),
    /// It takes requests and answers none.
    Silent,
    /// Nobody listens there.
    Away,
}

/// A house with a fault in it.
pub(crate) struct Scene {
    /// The house.
    pub(crate) house: House,
    /// The server's folder.
    pub(crate) data: TempDir,
    /// What holds something until all is over, the writing too.
    pub(crate) holds: RefCell<Vec<Guard>>,
}

/// How a call met a fault.
pub(crate) struct Met {
    /// What the telephone saw.
    pub(crate) report: PhoneReport,
    /// What the caller meant to do.
    pub(crate) caller: Vec<Step>,
    /// What the ledger keeps of it, if it keeps anything.
    pub(crate) record: Option<CallRecord>,
    /// How many sessions the model was asked for.
    pub(crate) sessions: usize,
    /// What the model refused of what we said.
    pub(crate) refusals: Vec<String>,
}

/// All is well, but for what is said otherwise: the caller asks, is answered, thanks, and is said goodbye to.
pub(crate) fn fault(name: &'static str) -> Fault {
    Fault {
        name,
        kept: Kept::Both,
        scripts: vec![well()],
        model: Model::There,
        rest: Rest::Well,
        businesses: LUNA.to_owned(),
        settings: Vec::new(),
        before: None,
        meanwhile: None,
        call: |plan| plan.caller = vec![asks(), asks()],
        since: None,
        complaints: &[],
        exception: None,
        elsewhere: None,
    }
}

/// A caller who only listens.
pub(crate) fn listens(plan: &mut CallPlan) {
    plan.caller = Vec::new();
}

/// A call of an account that is everybody's here.
pub(crate) fn account() -> AccountSid {
    AccountSid::parse(ACCOUNT).unwrap()
}

impl Fault {
    /// Builds the house, makes the fault, and has somebody call.
    pub(crate) async fn meet(&self, furnished: &Furnished) -> Met {
        if let Some(elsewhere) = self.elsewhere {
            return elsewhere().await;
        }
        let data = furnished.folder(self.kept);
        let mut plans = Plans::new("fault", self.scripts.clone());
        plans.businesses.clone_from(&self.businesses);
        plans.settings.clone_from(&self.settings);
        plans.settings.push(("DATA_DIR", data.path().to_str().unwrap().to_owned()));
        let (url, _model) = self.model().await;
        plans.settings.extend(url.map(|url| ("REALTIME_URL", url)));
        let (url, rest, _taken) = self.rest().await;
        plans.settings.extend(url.map(|url| ("TWILIO_API_URL", url)));
        let house = House::build(plans).await;
        let phone = rest.as_ref().map(|rest| Phone::new(Some(rest.line())).unwrap());
        let phone = phone.unwrap_or_else(|| house.phone.clone());
        let scene = Scene { house, data, holds: RefCell::default() };
        let undone = done(self.before, &scene).await;
        let sessions_before = scene.house.model.connections().len();
        let mut plan = scene.house.plan(Vec::new());
        plan.longest = LONGEST;
        (self.call)(&mut plan);
        let caller = plan.caller.clone();
        let (report, _meanwhile) = tokio::join!(phone.call(plan), done(self.meanwhile, &scene));
        drop(undone);
        settled(&scene.house.tasks).await;
        let connections = scene.house.model.connections();
        let refusals = connections.iter().flat_map(|log| &log.refusals).map(|refusal| format!("{refusal:?}"));
        Met {
            record: scene.house.store.call(&report.call).await.ok().flatten(),
            sessions: connections.len() - sessions_before,
            refusals: refusals.collect(),
            report,
            caller,
        }
    }

    /// Where the model is dialled, if not where it is.
    async fn model(&self) -> (Option<String>, Guard) {
        match self.model {
            Model::There => (None, Box::new(())),
            // A label may have 63 letters: no resolver has to be asked.
            Model::WithoutAddress => {
                (Some(format!("wss://{}.invalid/v1/realtime", "a".repeat(64))), Box::new(()))
            }
            Model::WithoutPort => (Some(format!("ws://{}/v1/realtime", closed())), Box::new(())),
            Model::WithoutTrust => {
                let (port, guard) = untrusted().await;
                (Some(format!("wss://localhost:{port}/v1/realtime")), guard)
            }
        }
    }

    /// Where the REST interface is, if not in the house, and what is there.
    async fn rest(&self) -> (Option<String>, Option<RestServer>, Option<TcpListener>) {
        match self.rest {
            Rest::Well => (None, None, None),
            Rest::Refuses(status, times) => {
                let plan = RestPlan {
                    account: account(),
                    user: ACCOUNT.to_owned(),
                    password: AUTH_TOKEN.to_owned(),
                    refusals: vec![status; times],
                };
                let rest = RestServer::start(plan).await.unwrap();
                (Some(rest.url()), Some(rest), None)
            }
            Rest::Silent => {
                let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                (Some(format!("http://{}", taken.local_addr().unwrap())), None, Some(taken))
            }
            Rest::Away => (Some(format!("http://{}", closed())), None, None),
        }
    }
}

/// What the caller says of their steps; what they do otherwise makes no sound.
pub(crate) fn is_spoken(step: &Step) -> bool {
    matches!(step.act, Act::Say(_))
}

async fn done(deed: Option<Deed>, scene: &Scene) -> Guard {
    match deed {
        Some(deed) => deed(scene).await,
        None => Box::new(()),
    }
}

/// Waits until all that follows a call is done. With a store that is broken it may never be; what was kept is kept.
async fn settled(tasks: &Tasks) {
    let quiet = async {
        while tasks.live() > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let _late = tokio::time::timeout(SETTLES, quiet).await;
}

/// An address nobody listens on: free a moment ago, and most likely still.
pub(crate) fn closed() -> SocketAddr {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// A server with a certificate of its own making.
async fn untrusted() -> (u16, Guard) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            // Its client goes away, which is what is wanted.
            let _refused = acceptor.accept(tcp).await;
        }
    });
    (port, Box::new(serving))
}
