//! Documents that Google's own Python client wrote, as the Firebase console or somebody's script would.

use std::path::Path;
use std::process::Command;

use frontdesk::domain::{BusinessId, FirestorePlace, PhoneNumber, PlanId, TurnDetection};
use frontdesk::store::{Directory as _, Firestore, StoreError};

use crate::emulator::{Emulator, fresh_place, fresh_store, patient, skip};

/// A store with what the script writes; nothing where there is no emulator or no such client.
async fn written(emulator: &Emulator) -> Option<Firestore> {
    let place = fresh_place(emulator.address());
    write(&place, emulator).then_some(())?;
    Some(patient(&place).await)
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says where the client is")]
fn python() -> String {
    std::env::var("FRONTDESK_PYTHON")
        .ok()
        .filter(|path| !path.is_empty())
        .unwrap_or_else(|| "python3".to_owned())
}

fn write(place: &FirestorePlace, emulator: &Emulator) -> bool {
    let import = Command::new(python()).args(["-c", "import google.cloud.firestore"]).output();
    if !import.as_ref().is_ok_and(|import| import.status.success()) {
        skip(&format!("{} has no google-cloud-firestore: {import:?}", python()));
        return false;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/firestore/write_documents.py");
    let mut client = Command::new(python());
    client.arg("-B").arg(script).arg(&place.project);
    let written = client.env("FIRESTORE_EMULATOR_HOST", emulator.address().to_string()).output().unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_program_wrote_is_answered_and_what_is_broken_is_an_error_for_itself_alone() {
    let Some(emulator) = Emulator::shared() else { return };
    let Some(store) = written(&emulator).await else { return };
    let line = |last: u32| PhoneNumber::parse(&format!("+1555000000{last}")).unwrap();
    let owner = async |last: u32| {
        store.business_by_line(&line(last)).await.map(|found| found.map(|business| business.id.to_string()))
    };
    assert_eq!(owner(1).await.unwrap().as_deref(), Some("whole"));
    assert_eq!(owner(2).await.unwrap().as_deref(), Some("bare"), "by its own list of lines");
    assert_eq!(owner(3).await.unwrap().as_deref(), Some("silent"), "its name is its id");
    assert_eq!(owner(4).await.unwrap(), None, "it leads to nobody");
    assert_eq!(owner(5).await.unwrap().as_deref(), Some("known"), "whatever the line's document says");
    assert_eq!(owner(7).await.unwrap(), None);

    let error = owner(6).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("businesses/broken: `destinations[0].number` "), "{text}");
    assert!(!format!("{text} {error:?}").contains("HUSH"), "{error:?}");
    assert!(!error.is_temporary());

    let bare = store.business(&BusinessId::parse("bare").unwrap()).await.unwrap().unwrap();
    let TurnDetection::ServerVad { threshold, silence_duration_ms, .. } = bare.turn_detection else {
        panic!()
    };
    assert_eq!((threshold, silence_duration_ms, bare.fallback), (1.0, 700, None));
    let plan = store.plan(&PlanId::parse("premium").unwrap()).await.unwrap().unwrap();
    assert_eq!((plan.concurrent_calls, plan.minutes_per_month, plan.minutes_per_call), (10, 2_000, 30));

    let listed = store.businesses(None, 100).await.unwrap();
    let names: Vec<_> = listed.items.iter().map(|business| business.id.as_str()).collect();
    assert_eq!(names, ["bare", "known", "silent", "whole"]);
    let broken: Vec<_> = listed.unreadable.iter().map(ToString::to_string).collect();
    for expected in [
        "businesses/My dentist!: `id` ",
        "businesses/broken: `destinations[0].number` ",
        "businesses/empty: `.` has a missing field `name`",
        "businesses/placed: `greeting` is not a string",
    ] {
        assert!(broken.iter().any(|text| text.contains(expected)), "{expected}\n{broken:#?}");
    }
    let plans = store.plans(None, 100).await.unwrap();
    assert_eq!(plans.items.len(), 1);
    assert!(plans.unreadable[0].to_string().contains("plans/broken: `concurrentCalls` is not u32"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_another_program_gave_away_is_not_taken_and_a_line_of_nobody_is() {
    let Some(emulator) = Emulator::shared() else { return };
    let Some(store) = written(&emulator).await else { return };
    let mut import = frontdesk::store::conformance::one_business();
    for (last, owner) in [(1, "whole"), (2, "bare"), (3, "silent"), (5, "known")] {
        import.businesses[0].lines = vec![PhoneNumber::parse(&format!("+1555000000{last}")).unwrap()];
        let error = store.import(&import).await.unwrap_err();
        let StoreError::LineTaken { owner: taken, .. } = &error else { panic!("{error}") };
        assert_eq!(taken.as_str(), owner);
    }
    import.businesses[0].lines = vec![PhoneNumber::parse("+15550000004").unwrap()];
    store.import(&import).await.unwrap();
    let found = store.business_by_line(&import.businesses[0].lines[0]).await.unwrap();
    assert_eq!(found.as_ref(), import.businesses.first());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_firestore_has_no_name_for_is_refused_and_what_is_too_much_at_once_too() {
    let Some(emulator) = Emulator::shared() else { return };
    let store = fresh_store(&emulator).await;
    let mut import = frontdesk::store::conformance::one_business();
    for name in [".", "..", "__luna__"] {
        let id = BusinessId::parse(name).unwrap();
        assert_eq!(store.business(&id).await.unwrap(), None);
        import.businesses[0].id = id;
        let error = store.import(&import).await.unwrap_err().to_string();
        assert!(error.contains("choose another id"), "{error}");
    }
    let mut large = frontdesk::store::conformance::one_business();
    let pattern = large.plans[0].clone();
    large.plans.extend((0..600).map(|number| frontdesk::domain::Plan {
        id: PlanId::parse(&format!("plan-{number}")).unwrap(),
        ..pattern.clone()
    }));
    let error = store.import(&large).await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { changes: 603, most: 500 }), "{error}");
    assert!(error.to_string().contains("import it in parts"), "{error}");
    assert_eq!(store.plan(&pattern.id).await.unwrap(), None, "nothing of it was taken");
}
