//! Instances without sockets over one store, and the simulator's REST interface in the place of Twilio's.

use std::sync::Arc;

use futures_util::future::join_all;
use secrecy::SecretString;

use super::super::Order;
use super::super::testing::record as base_record;
use super::list::some_of;
use super::*;
use crate::call::Command;
use crate::clients::{Credentials, tls_with_public_roots};
use crate::domain::{DestinationId, InstanceId};
use crate::registry::{Claim, Present, Registry};
use crate::sim::socket::{RestPlan, RestRequest, RestServer};
use crate::store::{Ledger as _, SlotWish, Slots as _, Sqlite};

const NEXT: &str = "https://voice.example.com/twilio-next";
const ACCOUNT: &str = "AC00000000000000000000000000000001";

/// Long after everything in these stories: the simulator's calls are a minute old and more.
fn clock() -> i64 {
    crate::telemetry::wall_clock() + 90_000
}

struct World {
    store: Sqlite,
    rest: RestServer,
}

impl World {
    async fn new() -> Self {
        Self::refusing(Vec::new()).await
    }

    async fn refusing(refusals: Vec<u16>) -> Self {
        let account = AccountSid::parse(ACCOUNT).unwrap();
        let (user, password) = (ACCOUNT.to_owned(), "hush".to_owned());
        let rest = RestServer::start(RestPlan { account, user, password, refusals }).await.unwrap();
        Self { store: Sqlite::open("sqlite::memory:").await.unwrap(), rest }
    }

    fn instance(&self, name: &str) -> Orphans {
        let leases = Leases {
            slots: Arc::new(self.store.clone()),
            ledger: Arc::new(self.store.clone()),
            registry: Registry::new(),
            instance: InstanceId::parse(name).unwrap(),
            clock,
        };
        let account = AccountSid::parse(ACCOUNT).unwrap();
        let credentials =
            Credentials::AuthToken { account: account.clone(), token: SecretString::from("hush") };
        let twilio =
            TwilioRest::new(&self.rest.url(), credentials, &tls_with_public_roots().unwrap()).unwrap();
        let settings = OrphanSettings { account: Some(account), next_url: NEXT.to_owned() };
        let mut orphans = Orphans::new(leases, twilio, settings);
        orphans.trusted_from_ms = i64::MIN;
        orphans
    }

    /// A call the ledger knows, and Twilio has in progress.
    async fn call(&self, number: u32, intention: Option<Intention>) -> CallRecord {
        let record = CallRecord {
            call: sid(number),
            account: AccountSid::parse(ACCOUNT).unwrap(),
            started_ms: clock() - 60_000,
            ..base_record()
        };
        assert!(self.store.open_call(&record).await.unwrap());
        self.store.intend(&record.call, intention.as_ref()).await.unwrap();
        self.rest.add_foreign_call(&record.call);
        record
    }

    /// A lease of a dead instance's, ended so long ago.
    async fn lapsed(&self, record: &CallRecord, ago_ms: i64) -> i64 {
        let until_ms = clock() - ago_ms;
        let instance = InstanceId::parse("dead").unwrap();
        let (business, call, now_ms) = (&record.business, &record.call, until_ms - SLOT_LEASE_MS);
        let wish = SlotWish { business, call, instance: &instance, most: 100, now_ms, until_ms };
        self.store.take(&wish).await.unwrap();
        until_ms
    }

    fn asked(&self) -> Vec<(String, String, String)> {
        let of = |RestRequest { call, form, .. }: RestRequest| {
            let (name, value) = form[0].clone();
            (call, name, value)
        };
        self.rest.requests().into_iter().map(of).collect()
    }

    async fn taken(&self) -> u32 {
        self.store.taken(&base_record().business, clock()).await.unwrap()
    }
}

/// A call that is carried here, with its slot.
fn carried(orphans: &Orphans, record: &CallRecord) -> (Present<Order>, tokio::sync::mpsc::Receiver<Order>) {
    let claim = Claim { most: 9, slot: Slot::Taken };
    orphans.leases.registry.enter(record.call.clone(), record.business.clone(), claim, 9).unwrap()
}

fn sid(number: u32) -> CallSid {
    CallSid::parse(&format!("CA{number:032x}")).unwrap()
}

fn redirected(record: &CallRecord) -> (String, String, String) {
    (record.call.to_string(), "Url".to_owned(), NEXT.to_owned())
}

#[tokio::test]
async fn of_many_instances_one_adopts_a_call_nobody_carries_and_once() {
    let world = World::new().await;
    let record = world.call(1, None).await;
    world.lapsed(&record, 13_000).await;
    let instances: Vec<_> = (0..5).map(|number| world.instance(&format!("i-{number}"))).collect();
    for _ in 0..3 {
        for looked in join_all(instances.iter().map(Orphans::look_at_leases)).await {
            looked.unwrap();
        }
    }
    assert_eq!(world.asked(), [redirected(&record)]);
    assert_eq!(world.taken().await, 1, "somebody is on the line");
}

#[tokio::test]
async fn a_lease_that_has_just_lapsed_is_left_to_whoever_may_carry_the_call() {
    let world = World::new().await;
    let record = world.call(1, None).await;
    world.lapsed(&record, 2_000).await;
    let (here, there) = (world.instance("here"), world.instance("there"));
    let _carried = carried(&there, &record);
    here.look_at_leases().await.unwrap();
    there.look_at_leases().await.unwrap();
    assert_eq!(world.rest.looks(), [""; 0], "nobody asks Twilio");
    assert_eq!(there.leases.registry.wanting().len(), 1, "whoever carries it takes its slot again");
}

#[tokio::test]
async fn a_call_that_is_over_is_presumed_over_since_it_was_last_heard_of() {
    let world = World::new().await;
    let record = world.call(1, None).await;
    let until_ms = world.lapsed(&record, 13_000).await;
    world.rest.end_foreign_call(&record.call);
    world.instance("here").look_at_leases().await.unwrap();
    assert_eq!(world.asked(), []);
    let kept = world.store.call(&record.call).await.unwrap().unwrap();
    assert_eq!(kept.ended_ms, Some(until_ms - SLOT_LEASE_MS));
    assert_eq!((world.taken().await, world.store.lapsed(i64::MAX, 9).await.unwrap().len()), (0, 0));
}

#[tokio::test]
async fn a_hang_up_that_was_meant_and_did_not_happen_is_made_up_for() {
    let world = World::new().await;
    let record = world.call(1, Some(Intention::HangUp)).await;
    world.lapsed(&record, 13_000).await;
    world.instance("here").look_at_leases().await.unwrap();
    let closed = (record.call.to_string(), "Status".to_owned(), "completed".to_owned());
    assert_eq!(world.asked(), [closed]);
    assert!(world.store.call(&record.call).await.unwrap().unwrap().ended_ms.is_some());
    assert_eq!(world.taken().await, 0);
}

#[tokio::test]
async fn calls_of_strangers_and_calls_past_the_model_are_never_touched() {
    let world = World::new().await;
    let office = Intention::Transfer(DestinationId::parse("front-office").unwrap());
    let leased = [world.call(1, Some(office.clone())).await, world.call(2, Some(Intention::FallBack)).await];
    for record in &leased {
        world.lapsed(record, 13_000).await;
    }
    world.call(3, Some(office)).await;
    let fallen_back = world.call(4, None).await;
    world.store.end_call(&fallen_back.call, clock() - 20_000, Certainty::Told).await.unwrap();
    world.rest.add_foreign_call(&sid(5));
    let mut here = world.instance("here");
    for _ in 0..4 {
        here.look_at_leases().await.unwrap();
        here.compare().await.unwrap();
    }
    assert_eq!(world.asked(), []);
    assert!(here.strangers.contains_key(&sid(5)), "it is asked about once");
    assert!(world.rest.looks().iter().all(|look| look == "Calls.json"), "{:?}", world.rest.looks());
}

#[tokio::test]
async fn a_call_without_a_lease_is_adopted_when_it_is_seen_again_and_by_one_instance() {
    let world = World::new().await;
    let [orphan, elsewhere] = [world.call(1, None).await, world.call(2, None).await];
    world.lapsed(&elsewhere, -20_000).await;
    let mut instances = [world.instance("here"), world.instance("there")];
    for here in &mut instances {
        here.compare().await.unwrap();
    }
    assert_eq!(world.asked(), [], "it may be about to be seated");
    for _ in 0..3 {
        for looked in join_all(instances.iter_mut().map(Orphans::compare)).await {
            looked.unwrap();
        }
    }
    assert_eq!(world.asked(), [redirected(&orphan)]);
}

#[tokio::test]
async fn a_call_carried_here_that_is_over_is_told_so_and_no_other() {
    let world = World::new().await;
    let records = [world.call(1, None).await, world.call(2, None).await, world.call(3, None).await];
    let mut here = world.instance("here");
    let mut present: Vec<_> = records.iter().map(|record| carried(&here, record)).collect();
    world.rest.end_foreign_call(&records[0].call);
    // Twilio does not have it in any list, and does not know it either: that says nothing.
    world.rest.forget_foreign_call(&records[1].call);
    here.compare().await.unwrap();
    let heard: Vec<_> = present.iter_mut().map(|(_, orders)| orders.try_recv().ok()).collect();
    assert_eq!(heard, [Some(Order::Tell(Command::CallOver)), None, None]);
}

#[tokio::test]
async fn when_twilio_has_enough_the_call_is_left_as_it_was_found_and_asked_about_later() {
    // The client itself asks four times.
    let world = World::refusing(vec![429; 4]).await;
    let record = world.call(1, None).await;
    let until_ms = world.lapsed(&record, 13_000).await;
    let here = world.instance("here");
    assert_eq!(here.look_at_leases().await, Err(Trouble::Twilio));
    assert_eq!(world.store.lapsed(i64::MAX, 9).await.unwrap()[0].until_ms, until_ms);
    here.look_at_leases().await.unwrap();
    assert_eq!(world.asked().len(), 5);
    assert_eq!(world.taken().await, 1);
}

#[tokio::test]
async fn after_a_time_without_the_store_leases_say_nothing_of_the_living() {
    let world = World::new().await;
    let record = world.call(1, None).await;
    world.lapsed(&record, 13_000).await;
    let mut here = world.instance("here");
    here.trusted_from_ms = clock() + 60_000;
    here.look_at_leases().await.unwrap();
    here.compare().await.unwrap();
    here.compare().await.unwrap();
    assert_eq!(world.asked(), []);
    world.store.close().await;
    assert_eq!(here.look_at_leases().await, Err(Trouble::Store));
}

#[tokio::test]
async fn nobody_asks_twilio_about_a_test_call() {
    let world = World::new().await;
    let (account, started_ms) = (AccountSid::of_test_calls(), clock() - 60_000);
    let record = CallRecord { call: sid(1), account, started_ms, ..base_record() };
    assert!(world.store.open_call(&record).await.unwrap());
    world.lapsed(&record, 13_000).await;
    let mut here = world.instance("here");
    here.look_at_leases().await.unwrap();
    assert_eq!(world.rest.looks(), [""; 0]);
    let (_carried, mut orders) = carried(&here, &record);
    here.compare().await.unwrap();
    assert!(world.rest.looks().iter().all(|look| !look.contains(record.call.as_str())));
    assert!(orders.try_recv().is_err(), "it goes on, whatever Twilio has in progress");
    assert_eq!(world.asked(), []);
}

#[tokio::test]
async fn a_list_that_is_longer_than_a_page_is_read_on() {
    let world = World::new().await;
    for number in 0..2_500 {
        world.rest.add_foreign_call(&sid(number));
    }
    let here = world.instance("here");
    let listed = here.twilio.in_progress(&AccountSid::parse(ACCOUNT).unwrap()).await.unwrap();
    assert_eq!((listed.calls.len(), listed.complete), (2_500, true));
    assert!(listed.calls.iter().all(|call| is_there(call) && call.began_ms.is_some()));
    assert_eq!(world.rest.looks().len(), 3);
}

#[tokio::test]
async fn what_is_asked_is_bounded_and_spread() {
    let many: Vec<_> = (0..1_000).collect();
    let some = some_of(many.clone(), 50);
    assert_eq!(some.len(), 50);
    assert!((0..50).any(|_| some_of(many.clone(), 50) != some), "always the same");
    assert_eq!(some_of(vec![1, 2], 50), [1, 2]);
    assert!((0..1_000).all(|_| up_to(BEAT) <= BEAT));
}
