//! Changes that are heard of, also across the emulator's end.

use std::collections::BTreeMap;
use std::time::Duration;

use frontdesk::domain::{Business, Plan};
use frontdesk::store::{Change, Directory as _, Firestore, Watch, conformance};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::emulator::{Emulator, fresh_place, patient};

/// Longer than any word takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one who listens knows.
struct Listener {
    words: mpsc::Receiver<Watch>,
    in_sync: bool,
    businesses: BTreeMap<String, Business>,
    plans: BTreeMap<String, Plan>,
    lines: Vec<String>,
}

impl Listener {
    fn of(store: &Firestore) -> (Self, tokio::task::JoinHandle<()>) {
        let (tell, words) = mpsc::channel(8);
        let store = store.clone();
        #[expect(clippy::disallowed_methods, reason = "the test waits for it itself")]
        let task = tokio::spawn(async move { store.watch(tell).await });
        let (businesses, plans) = (BTreeMap::new(), BTreeMap::new());
        (Self { words, in_sync: false, businesses, plans, lines: Vec::new() }, task)
    }

    async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            let word =
                timeout(PATIENCE, self.words.recv()).await.unwrap_or_else(|_| panic!("not heard: {what}"));
            match word.unwrap() {
                Watch::InSync => self.in_sync = true,
                Watch::Lost => self.in_sync = false,
                Watch::Changed(Change::Business(business)) => {
                    self.businesses.insert(business.id.to_string(), *business);
                }
                Watch::Changed(Change::BusinessGone(id)) => drop(self.businesses.remove(id.as_str())),
                Watch::Changed(Change::Plan(plan)) => {
                    self.plans.insert(plan.id.to_string(), plan);
                }
                Watch::Changed(Change::PlanGone(id)) => drop(self.plans.remove(id.as_str())),
                Watch::Changed(Change::Line(line)) => self.lines.push(line.as_str().to_owned()),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_is_told_and_then_every_change() {
    let Some(emulator) = Emulator::shared() else { return };
    let place = fresh_place(emulator.address());
    let (store, other) = (patient(&place).await, patient(&place).await);
    let mut import = conformance::one_business();
    other.import(&import).await.unwrap();
    let (mut heard, task) = Listener::of(&store);
    heard.until("all that is there", |heard| heard.in_sync).await;
    let (business, plan) = (import.businesses[0].clone(), import.plans[0].clone());
    assert_eq!(heard.businesses.get(business.id.as_str()), Some(&business));
    assert_eq!(heard.plans.get(plan.id.as_str()), Some(&plan));
    assert_eq!(heard.lines, [""; 0], "nobody could have relied on where a line leads");

    import.plans[0].minutes_per_call = 7;
    import.businesses[0].greeting = "We have moved.".to_owned();
    import.businesses[0].lines = conformance::one_business().businesses[0].lines.clone();
    let (old, new) = (business.lines[0].as_str(), import.businesses[0].lines[0].as_str().to_owned());
    other.import(&import).await.unwrap();
    heard.until("the changed plan", |heard| heard.plans[plan.id.as_str()].minutes_per_call == 7).await;
    heard
        .until("the changed business", |heard| heard.businesses[business.id.as_str()] == import.businesses[0])
        .await;
    let told = |heard: &Listener, line: &str| heard.lines.iter().any(|told| told == line);
    heard.until("both lines", |heard| told(heard, old) && told(heard, &new)).await;

    other.remove_business(&business.id).await.unwrap();
    other.remove_plan(&plan.id).await.unwrap();
    heard.until("that both are gone", |heard| heard.businesses.is_empty() && heard.plans.is_empty()).await;
    assert!(heard.in_sync);

    drop(heard);
    timeout(PATIENCE, task).await.expect("it ends when nobody listens").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_told_and_mends_and_what_went_meanwhile_is_told() {
    let Some(emulator) = Emulator::start() else { return };
    let address = emulator.address();
    let store = patient(&fresh_place(address)).await;
    let (stays, goes) = (conformance::one_business(), conformance::one_business());
    store.import(&stays).await.unwrap();
    store.import(&goes).await.unwrap();
    let (mut heard, task) = Listener::of(&store);
    heard.until("both", |heard| heard.in_sync && heard.businesses.len() == 2).await;

    drop(emulator);
    heard.until("that the connection is lost", |heard| !heard.in_sync).await;
    // The emulator forgets everything when it ends; what is there again was never away for who listens.
    let _emulator = Emulator::start_at(address).unwrap();
    heard.until("that it is back", |heard| heard.in_sync).await;
    store.import(&stays).await.unwrap();
    let id = stays.businesses[0].id.as_str();
    heard
        .until("what stays and no other", |heard| {
            heard.businesses.contains_key(id) && (heard.businesses.len(), heard.plans.len()) == (1, 1)
        })
        .await;
    task.abort();
}
