//! The promises every store makes, on Firestore.

use frontdesk::store::conformance;

use crate::emulator::{Emulator, fresh_place, fresh_store, patient};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn firestore_conforms() {
    let Some(emulator) = Emulator::shared() else { return };
    let store = fresh_store(&emulator).await;
    conformance::all(&store, &store, &store, &store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_instances_on_one_firestore_conform() {
    let Some(emulator) = Emulator::shared() else { return };
    let place = fresh_place(emulator.address());
    let (one, two) = (patient(&place).await, patient(&place).await);
    conformance::between::all(&one, &two).await;
}
