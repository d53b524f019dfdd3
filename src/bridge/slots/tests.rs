//! Leases in paused time, with a store in memory that works, fails and hangs.

use tokio::time::sleep;

use super::super::testing::{Mood, TestLedger, TestSlots, brief, call_sid, paused_clock, record};
use super::*;
use crate::lifecycle::Tasks;
use crate::registry::{Claim, Present};

/// The store that all instances share, from a time on.
struct World {
    slots: Arc<TestSlots>,
    ledger: Arc<TestLedger>,
    began_ms: i64,
}

/// One instance: its leases, and the task that keeps them until it dies.
struct Instance {
    leases: Leases,
    tasks: Tasks,
}

impl World {
    fn new() -> Self {
        Self::with(TestLedger::new(Mood::Well))
    }

    fn with(ledger: TestLedger) -> Self {
        let (slots, ledger) = (Arc::new(TestSlots::new()), Arc::new(ledger));
        Self { slots, ledger, began_ms: paused_clock() }
    }

    fn instance(&self, name: &str) -> Instance {
        let leases = Leases {
            slots: self.slots.clone(),
            ledger: self.ledger.clone(),
            registry: Registry::new(),
            instance: InstanceId::parse(name).unwrap(),
            clock: paused_clock,
        };
        let tasks = Tasks::new();
        let (hard, keep) = (tasks.hard().clone(), leases.clone().keep());
        tasks.spawn_background("slots", async move {
            let _ended = hard.run_until_cancelled(keep).await;
        });
        Instance { leases, tasks }
    }

    fn holder(&self, call: &CallSid) -> Option<String> {
        self.slots.holder(call).map(|(instance, _)| instance)
    }

    async fn taken(&self) -> u32 {
        self.slots.taken(&business(), paused_clock()).await.unwrap()
    }
}

impl Instance {
    /// A call that is carried here from now on, on a plan with one slot.
    fn carry(&self, call: &CallSid, slot: Slot) -> Present<Order> {
        let claim = Claim { most: 1, slot };
        let (present, _orders) = self.leases.registry.enter(call.clone(), business(), claim, 9).unwrap();
        present
    }

    /// A call that has its slot.
    async fn seated(&self, call: &CallSid) -> Present<Order> {
        let present = self.carry(call, Slot::Wanted);
        assert!(self.leases.take(&business(), call, 1).await.is_ok());
        present
    }

    /// The process is gone, without a word.
    fn dies(&self) {
        self.tasks.hard().cancel();
    }
}

fn business() -> BusinessId {
    record().business
}

fn other_call() -> CallSid {
    CallSid::parse("CA00000000000000000000000000000002").unwrap()
}

async fn seconds(count: u64) {
    sleep(Duration::from_secs(count)).await;
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_held_while_its_call_is_carried_and_free_half_a_minute_after_its_instance_died() {
    let world = World::new();
    let here = world.instance("here");
    let _call = here.seated(&call_sid()).await;
    for _ in 0..100 {
        seconds(7).await;
        assert_eq!(world.taken().await, 1);
    }
    here.dies();
    seconds(19).await;
    assert_eq!(world.taken().await, 1, "the last renewal was ten seconds ago at most");
    seconds(12).await;
    assert_eq!(world.taken().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stumbles_costs_no_call_its_slot() {
    for mood in [Mood::Down, Mood::Stuck] {
        let world = World::new();
        let here = world.instance("here");
        let _call = here.seated(&call_sid()).await;
        seconds(1).await;
        world.slots.set_mood(mood);
        seconds(20).await;
        world.slots.set_mood(Mood::Well);
        for _ in 0..40 {
            assert_eq!(world.taken().await, 1, "{mood:?}");
            seconds(1).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_goes_on_although_the_plan_is_full_has_a_lease_beyond_it() {
    let world = World::new();
    let here = world.instance("here");
    let first = here.seated(&call_sid()).await;
    let _second = here.carry(&other_call(), Slot::Wanted);
    seconds(60).await;
    assert_eq!(world.holder(&other_call()).as_deref(), Some("here"));
    assert_eq!((world.taken().await, here.leases.registry.wanting()), (2, Vec::new()), "the plan has one");
    drop(first);
    here.leases.on_end(&business(), &call_sid(), 1, &Ending::CallerHungUp).await;
    assert_eq!(world.taken().await, 1, "nobody else gets in before it is over");
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_comes_when_the_call_is_over_is_given_back() {
    let world = World::new();
    let here = world.instance("here");
    drop(here.carry(&call_sid(), Slot::Wanted));
    here.leases.clone().seat_one(&brief(), 1).await;
    assert_eq!(world.holder(&call_sid()), None);
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_given_back_when_the_call_ends_on_purpose_and_only_by_who_holds_it() {
    let world = World::new();
    let (here, there) = (world.instance("here"), world.instance("there"));
    let (call, business) = (call_sid(), business());
    for (ending, held) in [
        (Ending::CallerHungUp, false),
        (Ending::HungUp, false),
        (Ending::NeverConnected, false),
        (Ending::StreamLost, true),
        (Ending::HandedOver, true),
        (Ending::ModelLost, true),
    ] {
        drop(here.seated(&call).await);
        here.leases.on_end(&business, &call, 1, &ending).await;
        assert_eq!(world.holder(&call).is_some(), held, "{ending:?}");
    }
    let resumed = there.seated(&call).await;
    here.leases.on_end(&business, &call, 1, &Ending::HungUp).await;
    assert_eq!(world.holder(&call).as_deref(), Some("there"));
    there.leases.on_end(&business, &call, 1, &Ending::HungUp).await;
    assert!(world.holder(&call).is_some(), "a later stream of the call is still there");
    drop(resumed);
    there.leases.on_end(&business, &call, 2, &Ending::HungUp).await;
    assert_eq!(world.holder(&call), None);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_waited_in_vain_leaves_the_slot_to_who_carries_the_caller() {
    for (known, carried_by, held) in [(true, "there", true), (true, "here", false), (false, "there", false)] {
        let world = World::with(TestLedger { known, carried_by, ..TestLedger::new(Mood::Well) });
        let here = world.instance("here");
        drop(here.seated(&call_sid()).await);
        here.leases.on_end(&business(), &call_sid(), 1, &Ending::NeverConnected).await;
        assert_eq!(world.holder(&call_sid()).is_some(), held, "{known} {carried_by}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_an_instance_took_in_vain_goes_back_to_who_carries_the_caller() {
    let world = World::with(TestLedger { carried_by: "there", ..TestLedger::new(Mood::Well) });
    let (here, there) = (world.instance("here"), world.instance("there"));
    let _carried = there.seated(&call_sid()).await;
    // Twilio has asked twice, and the second webhook waits for nobody.
    drop(here.seated(&call_sid()).await);
    here.leases.on_end(&business(), &call_sid(), 1, &Ending::NeverConnected).await;
    assert_eq!(world.holder(&call_sid()).as_deref(), Some("here"));
    seconds(50).await;
    assert_eq!(world.holder(&call_sid()).as_deref(), Some("there"));
    seconds(600).await;
    assert_eq!(world.taken().await, 1);
    assert_eq!(world.ledger.words(), [""; 0], "nobody takes the call for dead");
}

#[tokio::test(start_paused = true)]
async fn a_call_nobody_went_on_with_is_presumed_over_since_its_slot_was_last_renewed() {
    let world = World::new();
    let (here, _there) = (world.instance("here"), world.instance("there"));
    let _call = here.seated(&call_sid()).await;
    seconds(23).await;
    here.dies();
    let renewed_ms = world.began_ms + 20_000;
    assert_eq!(world.slots.holder(&call_sid()).unwrap().1, renewed_ms + SLOT_LEASE_MS);
    seconds(85).await;
    assert_eq!(world.ledger.words(), [""; 0], "somebody may still go on with it");
    seconds(60).await;
    assert_eq!(world.ledger.words(), [format!("over at {renewed_ms}, Presumed")], "once");
    assert_eq!(world.holder(&call_sid()), None);
}

#[tokio::test(start_paused = true)]
async fn a_call_somebody_went_on_with_is_not_presumed_over() {
    let world = World::new();
    let (here, there) = (world.instance("here"), world.instance("there"));
    let _call = here.seated(&call_sid()).await;
    here.dies();
    seconds(45).await;
    let _resumed = there.carry(&call_sid(), Slot::Wanted);
    there.leases.clone().seat_one(&brief(), 1).await;
    seconds(600).await;
    assert_eq!(world.ledger.words(), [""; 0]);
    assert_eq!(world.holder(&call_sid()).as_deref(), Some("there"));
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_starts_looks_for_calls_of_the_dead_at_once() {
    let world = World::new();
    let here = world.instance("here");
    let _call = here.seated(&call_sid()).await;
    here.dies();
    seconds(600).await;
    let _there = world.instance("there");
    seconds(1).await;
    assert_eq!(world.ledger.words().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_time_without_the_store_the_living_are_not_taken_for_dead() {
    let world = World::new();
    let (here, _there) = (world.instance("here"), world.instance("there"));
    let _call = here.seated(&call_sid()).await;
    seconds(1).await;
    world.slots.set_mood(Mood::Down);
    seconds(600).await;
    // The instance that carries the call does not reach the store for a little longer.
    here.dies();
    world.slots.set_mood(Mood::Well);
    seconds(40).await;
    assert_eq!(world.ledger.words(), [""; 0]);
    seconds(60).await;
    assert_eq!(world.ledger.words().len(), 1, "but who stays away is");
}
