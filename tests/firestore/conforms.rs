//! The promises every store makes, on Firestore.

use frontdesk::domain::{BusinessId, CallSid, InstanceId};
use frontdesk::store::{Seating, SlotWish, Slots as _, conformance};
use futures_util::future::join_all;
use uuid::Uuid;

use crate::emulator::{Emulator, fresh_place, fresh_store, patient};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn firestore_conforms() {
    let Some(emulator) = Emulator::shared() else { return };
    let store = fresh_store(&emulator).await;
    conformance::all(&store, &store, &store, &store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_hundred_that_ask_at_once_on_two_instances_ten_are_seated() {
    let Some(emulator) = Emulator::shared() else { return };
    let place = fresh_place(emulator.address());
    let (one, two) = (patient(&place).await, patient(&place).await);
    let business = BusinessId::parse("luna").unwrap();
    let calls: Vec<_> =
        (0..200).map(|_| CallSid::parse(&format!("CA{}", Uuid::new_v4().simple())).unwrap()).collect();
    let instances = ["one", "two"].map(|name| InstanceId::parse(name).unwrap());
    let wish = |number: usize| SlotWish {
        business: &business,
        call: &calls[number],
        instance: &instances[number % 2],
        most: 10,
        now_ms: 1_000,
        until_ms: 31_000,
    };
    let wishes: Vec<_> = (0..calls.len()).map(wish).collect();
    let began = std::time::Instant::now();
    let asked = wishes.iter().enumerate().map(|(number, wish)| {
        let store = if number % 2 == 0 { &one } else { &two };
        store.take(wish)
    });
    let seatings = join_all(asked).await;
    println!("200 asked for 10 seats: {} ms", began.elapsed().as_millis());
    let seated = seatings.iter().filter(|seating| matches!(seating, Ok(Seating::Seated))).count();
    let full = seatings.iter().filter(|seating| matches!(seating, Ok(Seating::Full))).count();
    assert_eq!((seated, full), (10, 190), "{:?}", seatings.iter().find(|seating| seating.is_err()));
    assert_eq!(one.taken(&business, 1_000).await.unwrap(), 10);
}
