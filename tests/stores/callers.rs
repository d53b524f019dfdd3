//! What callers meet while Firestore is away.

use std::time::Duration;

use frontdesk::store::{Directory as _, Firestore, Store, conformance};
use tokio::time::Instant;

use crate::emulator::{Emulator, fresh_place, patient};
use crate::instance::{Instance, Outside, until};
use crate::race::ring;

/// The webhook's own deadline is a second; the rest is a loaded machine's.
const DEADLINE: Duration = Duration::from_millis(1_500);

/// How many call while it is away.
const CALLS: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_firestore_dies_every_caller_of_a_known_business_is_answered_and_in_time() {
    let Some(emulator) = Emulator::start() else { return };
    let place = fresh_place(emulator.address());
    let mut import = conformance::one_business();
    import.plans[0].concurrent_calls = 1_000;
    patient(&place).await.import(&import).await.unwrap();
    let line = import.businesses[0].lines[0].as_str();
    let store = Store::Firestore(Firestore::open(&place).await.unwrap());
    let instance = Instance::serve(&store, "one", &Outside { people: true, ..Outside::empty() }).await;
    until("a known business is not answered", async || ring(&instance, line).await.1.contains("<Connect"))
        .await;

    drop(emulator);
    let mut took = Vec::new();
    for _ in 0..CALLS {
        let began = now();
        let (_, twiml) = ring(&instance, line).await;
        took.push(began.elapsed());
        assert!(twiml.contains("<Connect"), "{twiml}");
    }
    took.sort();
    println!(
        "with Firestore away, webhooks took {:?} (median), {:?} (p99)",
        took[CALLS / 2],
        took[CALLS - 2]
    );
    assert!(took[CALLS - 2] < DEADLINE, "{took:?}");
}

#[expect(clippy::disallowed_methods, reason = "a caller has a clock")]
fn now() -> Instant {
    Instant::now()
}
