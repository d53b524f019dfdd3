//! An emulator that is not there, that dies, that hangs, and that comes back.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use frontdesk::domain::{Business, PhoneNumber};
use frontdesk::store::{Directory as _, Firestore, Ledger as _, StoreError, conformance};

use tokio::time::timeout;

use crate::emulator::{Emulator, fresh_place, patient};

/// What a question may take when nobody answers: its own second, and what a loaded machine adds.
const IN_TIME: Duration = Duration::from_secs(5);

/// A connection mends itself at the next question; the emulator on a busy machine takes longer.
const RECOVERY: Duration = Duration::from_secs(60);

async fn fails_in_time<T: std::fmt::Debug>(answer: impl Future<Output = Result<T, StoreError>>) {
    let error = timeout(IN_TIME, answer).await.expect("it fails in time").unwrap_err();
    assert!(error.is_temporary(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cannot_be_reached_opens_and_says_so_in_time() {
    // Taken, and answered by nobody: connections wait for ever.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    // Given back: connections are refused.
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    for address in [silent.local_addr().unwrap(), gone] {
        let store = Firestore::open(&fresh_place(address)).await.unwrap();
        let call = conformance::one_call();
        let import = conformance::one_business();
        fails_in_time(store.business(&import.businesses[0].id)).await;
        fails_in_time(store.business_by_line(&import.businesses[0].lines[0])).await;
        fails_in_time(store.claim_attempt(&call.call, 1, &call.instance)).await;
        fails_in_time(store.open_call(&call)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_firestore_dies_questions_fail_in_time_and_when_it_is_back_they_are_answered() {
    let Some(emulator) = Emulator::start() else { return };
    let address = emulator.address();
    let place = fresh_place(address);
    let (store, slow) = (Firestore::open(&place).await.unwrap(), patient(&place).await);
    let import = conformance::one_business();
    let business = &import.businesses[0];
    slow.import(&import).await.unwrap();
    slow.business_by_line(&business.lines[0]).await.unwrap();
    assert_eq!(answered(&store, &business.lines[0]).await.as_ref(), Some(business));

    drop(emulator);
    for _ in 0..3 {
        fails_in_time(store.business_by_line(&business.lines[0])).await;
        fails_in_time(store.answered(&conformance::one_call().call, 1)).await;
    }

    let _emulator = Emulator::start_at(address).unwrap();
    // The emulator forgets everything when it ends.
    assert_eq!(answered(&store, &business.lines[0]).await, None);
    slow.import(&import).await.unwrap();
    assert_eq!(answered(&store, &business.lines[0]).await.as_ref(), Some(business));
}

/// The answer, as soon as there is one.
async fn answered(store: &Firestore, line: &PhoneNumber) -> Option<Business> {
    let answer = async {
        loop {
            match store.business_by_line(line).await {
                Ok(found) => return found,
                Err(error) => assert!(error.is_temporary(), "{error:?}"),
            }
        }
    };
    timeout(RECOVERY, answer).await.expect("it is answered again")
}
