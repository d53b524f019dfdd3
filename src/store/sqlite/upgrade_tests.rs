//! A file of the program before this one, which knew one sum and one ending of a call.

use sqlx::migrate::Migrator;

use super::*;
use crate::domain::{
    CallRecord, CallSid, Ending, MicroDollars, ModalityTokens, Month, MonthUsage, StreamEnd, Usage,
};
use crate::store::Ledger;
use crate::store::conformance::one_call;

/// A file with the first migration alone, and the calls it holds.
struct Old {
    folder: tempfile::TempDir,
    pool: SqlitePool,
}

impl Old {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::from_str(&url(&folder)).unwrap().create_if_missing(true);
        let pool = connections(1).connect_with(options).await.unwrap();
        let first = sqlx::migrate!().iter().filter(|migration| migration.version == 1).cloned().collect();
        Migrator::with_migrations(first).run(&pool).await.unwrap();
        Self { folder, pool }
    }

    /// Keeps a call as the program before kept it.
    async fn keep(&self, call: &CallRecord) {
        let mut opened = serde_json::to_value(call).unwrap();
        for field in ["cost", "recordings", "tells"] {
            opened.as_object_mut().unwrap().remove(field);
        }
        for field in ["answeredMs", "endedMs", "ending"] {
            opened[field] = serde_json::Value::Null;
        }
        opened["usage"] = serde_json::to_value(Usage::default()).unwrap();
        sqlx::query(
            "insert into calls (call, document, answered_ms, ended_ms, attempts, instance, ending, usage)
             values (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(call.call.as_str())
        .bind(opened.to_string())
        .bind(call.answered_ms)
        .bind(call.ended_ms)
        .bind(i64::from(call.attempts))
        .bind(call.instance.as_str())
        .bind(call.ending.as_ref().map(|ending| serde_json::to_string(ending).unwrap()))
        .bind(serde_json::to_string(&call.usage).unwrap())
        .execute(&self.pool)
        .await
        .unwrap();
    }

    async fn opened_by_this_program(self) -> (Sqlite, tempfile::TempDir) {
        self.pool.close().await;
        (Sqlite::open(&url(&self.folder)).await.unwrap(), self.folder)
    }
}

fn url(folder: &tempfile::TempDir) -> String {
    format!("sqlite://{}", folder.path().join("old.db").display())
}

fn used(tokens: u64) -> Usage {
    Usage { input: ModalityTokens { text: tokens, audio: 0, image: 0 }, ..Usage::default() }
}

fn over() -> CallRecord {
    let call = one_call();
    CallRecord {
        answered_ms: Some(call.started_ms + 100),
        ended_ms: Some(call.started_ms + 60_100),
        ending: Some(Ending::CallerHungUp),
        attempts: 2,
        usage: used(7),
        ..call
    }
}

#[tokio::test]
async fn the_calls_of_an_older_file_read_and_list_as_before() {
    let old = Old::new().await;
    let calls = [over(), CallRecord { started_ms: one_call().started_ms + 1, ..one_call() }];
    for call in &calls {
        old.keep(call).await;
    }
    let (store, _folder) = old.opened_by_this_program().await;
    for call in &calls {
        assert_eq!(store.call(&call.call).await.unwrap().as_ref(), Some(call));
    }
    let [first, second] = calls;
    assert_eq!(store.calls(&first.business, None, 9).await.unwrap().items, [second, first]);
}

#[tokio::test]
async fn the_calls_of_an_older_file_are_counted_once() {
    let old = Old::new().await;
    let calls: Vec<_> = (0..3).map(|_| over()).collect();
    for call in &calls {
        old.keep(call).await;
    }
    let (business, month) = (calls[0].business.clone(), Month::of(calls[0].started_ms));
    let expected = MonthUsage {
        calls: 3,
        talked_ms: 180_000,
        usage: used(21),
        ..MonthUsage::nothing(business.clone(), month)
    };
    let (store, folder) = old.opened_by_this_program().await;
    assert_eq!(store.month(&business, month).await.unwrap(), expected);
    store.close().await;
    let store = Sqlite::open(&url(&folder)).await.unwrap();
    assert_eq!(store.month(&business, month).await.unwrap(), expected);
}

#[tokio::test]
async fn a_call_that_goes_on_over_the_upgrade_keeps_what_it_used_before() {
    let old = Old::new().await;
    let lost = Some(Ending::HandedOver);
    let before = CallRecord { ended_ms: None, ending: lost.clone(), attempts: 1, ..over() };
    old.keep(&before).await;
    let (store, _folder) = old.opened_by_this_program().await;
    assert_eq!(store.call(&before.call).await.unwrap().unwrap().ending, lost);
    let end = StreamEnd {
        attempt: 2,
        instance: before.instance.clone(),
        ending: Ending::HungUp,
        usage: used(4),
        cost: MicroDollars::new(5),
        at_ms: before.started_ms + 90_000,
    };
    store.end_stream(&before.call, &end).await.unwrap();
    let record = store.call(&before.call).await.unwrap().unwrap();
    assert_eq!((record.ending, record.usage, record.cost), (Some(Ending::HungUp), used(11), end.cost));
}

#[tokio::test]
async fn what_does_not_read_in_an_older_file_stops_no_upgrade() {
    let old = Old::new().await;
    let (good, bad) = (over(), ["CAbad1", "CAbad2", "CAbad3", "CAbad4"]);
    for (call, (column, value)) in bad.iter().zip([
        ("document", "{"),
        ("document", r#"{"startedMs":"yesterday","business":7}"#),
        ("ending", "nonsense"),
        ("usage", "[1,"),
    ]) {
        old.keep(&CallRecord { call: CallSid::parse(call).unwrap(), ..over() }).await;
        let breaks = match column {
            "document" => "update calls set document = ? where call = ?",
            "ending" => "update calls set ending = ? where call = ?",
            _ => "update calls set usage = ? where call = ?",
        };
        sqlx::query(breaks).bind(value).bind(*call).execute(&old.pool).await.unwrap();
    }
    old.keep(&good).await;
    let (store, _folder) = old.opened_by_this_program().await;
    assert_eq!(store.call(&good.call).await.unwrap().as_ref(), Some(&good));
    let unreadable = store.call(&CallSid::parse("CAbad1").unwrap()).await.unwrap_err();
    assert!(unreadable.to_string().contains("calls/CAbad1"), "{unreadable}");
    let month = store.month(&good.business, Month::of(good.started_ms)).await.unwrap();
    assert_eq!(month.usage, used(7), "of the others nothing is known");
}
