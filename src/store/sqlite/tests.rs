//! What the SQLite store does beyond what every store must.

use futures_util::future::join_all;

use super::*;
use crate::domain::{
    About, CallRecord, CallSid, Ending, Message, MicroDollars, ModalityTokens, Month, Notice, Pii, StreamEnd,
    Usage,
};
use crate::store::conformance::{self, one_business, one_call};
use crate::store::{Certainty, Directory, Ledger, MESSAGES_LISTED, NOTICES_LISTED, Outbox};

fn url(folder: &tempfile::TempDir) -> String {
    format!("sqlite://{}", folder.path().join("deeper/front desk.db").display())
}

#[tokio::test]
async fn sqlite_in_memory_conforms() {
    let store = Sqlite::open("sqlite::memory:").await.unwrap();
    conformance::all(&store, &store, &store, &store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_in_a_file_conforms_and_conforms_again_when_reopened() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let store = Sqlite::open(&url(&folder)).await.unwrap();
        conformance::all(&store, &store, &store, &store).await;
        store.close().await;
    }
}

#[tokio::test]
async fn two_programs_on_one_file_conform() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (Sqlite::open(&url(&folder)).await.unwrap(), Sqlite::open(&url(&folder)).await.unwrap());
    conformance::all(&one, &two, &one, &two).await;
    conformance::between::all(&one, &two).await;
}

#[tokio::test]
async fn what_was_kept_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let (import, call) = (one_business(), one_call());
    let store = Sqlite::open(&url(&folder)).await.unwrap();
    store.import(&import).await.unwrap();
    store.open_call(&call).await.unwrap();
    store.claim_attempt(&call.call, 1, &call.instance).await.unwrap();
    let end = StreamEnd {
        attempt: 1,
        instance: call.instance.clone(),
        ending: Ending::CallerHungUp,
        usage: Usage { output: ModalityTokens { text: 7, audio: 70, image: 0 }, ..Usage::default() },
        cost: MicroDollars::new(49_349),
        at_ms: call.started_ms + 9,
    };
    store.answered(&call.call, call.started_ms).await.unwrap();
    store.end_stream(&call.call, &end).await.unwrap();
    store.close().await;

    let store = Sqlite::open(&url(&folder)).await.unwrap();
    let line = &import.businesses[0].lines[0];
    assert_eq!(store.business_by_line(line).await.unwrap().as_ref(), import.businesses.first());
    let record = store.call(&call.call).await.unwrap().unwrap();
    assert_eq!((record.attempts, record.ending), (1, Some(Ending::CallerHungUp)));
    assert_eq!((record.usage, record.cost), (end.usage, end.cost));
    let month = store.month(&call.business, Month::of(call.started_ms)).await.unwrap();
    assert_eq!((month.calls, month.talked_ms, month.cost), (1, 9, end.cost), "and was not counted again");
    assert!(!store.claim_attempt(&call.call, 1, &call.instance).await.unwrap());
}

#[tokio::test]
async fn a_new_file_can_be_opened_by_many_at_once() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let url = url(&folder);
        for opened in join_all((0..4).map(|_| Sqlite::open(&url))).await {
            opened.unwrap();
        }
    }
}

#[tokio::test]
async fn the_file_is_set_up_for_many_readers_beside_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&url(&folder)).await.unwrap();
    let journal: String = sqlx::query_scalar("pragma journal_mode").fetch_one(&store.writer).await.unwrap();
    assert_eq!(journal, "wal");
    for pool in [&store.writer, &store.readers] {
        let busy: i64 = sqlx::query_scalar("pragma busy_timeout").fetch_one(pool).await.unwrap();
        let foreign: i64 = sqlx::query_scalar("pragma foreign_keys").fetch_one(pool).await.unwrap();
        assert_eq!((busy, foreign), (5_000, 1));
    }
    let synchronous: i64 = sqlx::query_scalar("pragma synchronous").fetch_one(&store.writer).await.unwrap();
    assert_eq!(synchronous, 1);
    assert!(sqlx::query("delete from calls").execute(&store.readers).await.is_err());
    let loose: Vec<String> = sqlx::query_scalar(
        "select name from pragma_table_list where type = 'table' and schema = 'main' and strict = 0
         and name not like 'sqlite%' and name not like '_sqlx%'",
    )
    .fetch_all(&store.readers)
    .await
    .unwrap();
    assert_eq!(loose, Vec::<String>::new());
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&url(&folder)).await.unwrap();
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (9999, 'from tomorrow', true, x'00', 0)",
    )
    .execute(&store.writer)
    .await
    .unwrap();
    store.close().await;
    let error = Sqlite::open(&url(&folder)).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer { migration: 9999, .. }), "{error:?}");
    assert!(error.to_string().contains("run that version"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_opened_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("not-a-database");
    std::fs::write(&file, "this is no SQLite file, but it is long enough to be looked at").unwrap();
    for (url, remedy) in [
        ("postgres://localhost/x".to_owned(), "write sqlite://"),
        ("sqlite:///proc/nowhere/x.db".to_owned(), "make /proc/nowhere/x.db a file"),
        (format!("sqlite://{}", folder.path().display()), "a file this user may write"),
        (format!("sqlite://{}", file.display()), "not-a-database"),
    ] {
        let error = Sqlite::open(&url).await.unwrap_err();
        assert!(!error.is_temporary());
        assert!(error.to_string().contains(remedy), "{url}: {error}");
    }
}

#[tokio::test]
async fn fields_we_do_not_know_are_tolerated_and_broken_ones_are_named() {
    let store = Sqlite::open("sqlite::memory:").await.unwrap();
    let import = one_business();
    store.import(&import).await.unwrap();
    let business = &import.businesses[0];
    let put = async |change: &'static str| {
        sqlx::query("update businesses set document = json_patch(document, ?)")
            .bind(change)
            .execute(&store.writer)
            .await
            .unwrap();
    };
    put(r#"{"hours":{"mon":"9-17"},"fax":"none"}"#).await;
    assert_eq!(store.business(&business.id).await.unwrap().as_ref(), Some(business));
    put(r#"{"turnDetection":{"type":"psychic"}}"#).await;
    let error = store.businesses(None, 9).await.unwrap().unreadable.remove(0);
    let named = format!("businesses/{}: `turnDetection", business.id);
    assert!(error.to_string().contains(&named), "{error}");
    store.import(&import).await.unwrap();
    assert_eq!(
        store.business(&business.id).await.unwrap().as_ref(),
        Some(business),
        "importing anew mends it"
    );
}

#[tokio::test]
async fn a_busy_file_is_a_temporary_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&url(&folder)).await.unwrap();
    let impatient = SqliteConnectOptions::from_str(&url(&folder)).unwrap().busy_timeout(Duration::ZERO);
    let other = connections(1).connect_with(impatient).await.unwrap();
    let held = store.change("hold the file").await.unwrap();
    let refused = other.begin_with("BEGIN IMMEDIATE").await.map(drop).map_err(failed("write"));
    assert!(matches!(refused, Err(StoreError::Away { .. })), "{refused:?}");
    held.rollback().await.unwrap();
    other.close().await;
    store.close().await;
    let closed = store.end_call(&one_call().call, 1, Certainty::Told).await.unwrap_err();
    assert!(!closed.is_temporary(), "{closed:?}");
}

#[tokio::test]
async fn a_change_that_is_dropped_never_was() {
    let store = Sqlite::open("sqlite::memory:").await.unwrap();
    let call = one_call();
    let mut change = store.change("claim").await.unwrap();
    sqlx::query("insert into attempts (call, attempt, instance) values (?, 1, 'gone')")
        .bind(call.call.as_str())
        .execute(&mut *change)
        .await
        .unwrap();
    drop(change);
    assert!(store.claim_attempt(&call.call, 1, &call.instance).await.unwrap());
}

#[tokio::test]
async fn of_very_many_messages_the_newest_are_listed() {
    let store = Sqlite::open("sqlite::memory:").await.unwrap();
    let call = one_call();
    let message = |n: i64| Message {
        call: call.call.clone(),
        business: call.business.clone(),
        tool_call: format!("call_{n}"),
        name: Pii::default(),
        contact: Pii::default(),
        text: Pii::default(),
        taken_ms: n,
    };
    let most = i64::from(MESSAGES_LISTED);
    for n in 0..most + 2 {
        store.take_message(&message(n), None).await.unwrap();
    }
    let listed = store.messages(&call.business).await.unwrap();
    let (first, last) = (listed.first().unwrap().taken_ms, listed.last().unwrap().taken_ms);
    assert_eq!((listed.len(), first, last), (1_000, 2, most + 1));
}

#[tokio::test]
async fn of_very_many_notices_the_newest_are_listed() {
    let store = Sqlite::open("sqlite::memory:").await.unwrap();
    let business = one_call().business;
    let most = i64::from(NOTICES_LISTED);
    for n in 0..most + 2 {
        let about = About::CallEnded { call: CallSid::parse(&format!("CA{n}")).unwrap() };
        store.post(&Notice::new(business.clone(), about, n)).await.unwrap();
    }
    let listed = store.notices(&business).await.unwrap();
    let (first, last) = (listed.first().unwrap().created_ms, listed.last().unwrap().created_ms);
    assert_eq!((listed.len(), first, last), (1_000, most + 1, 2));
}

#[tokio::test]
async fn what_does_not_read_of_one_call_takes_no_other_with_it() {
    let store = Sqlite::open("sqlite::memory:").await.unwrap();
    let mut calls = Vec::new();
    for started_ms in 1..=7 {
        let call = CallRecord { started_ms, ..one_call() };
        store.open_call(&call).await.unwrap();
        let lost = StreamEnd {
            attempt: 1,
            instance: call.instance.clone(),
            ending: Ending::StreamLost,
            usage: Usage::default(),
            cost: MicroDollars::default(),
            at_ms: 9,
        };
        store.end_stream(&call.call, &lost).await.unwrap();
        calls.push(call.call);
    }
    for (breaks, call) in [
        "update calls set document = json_remove(document, '$.from') where call = ?",
        "update calls set document = '{' where call = ?",
        "update calls set intention = '\"fly\"' where call = ?",
        "update calls set instance = 'a b' where call = ?",
        "update streams set document = '[' where call = ?",
        "update streams set document = json_set(document, '$.atMs', 'secret') where call = ?",
    ]
    .into_iter()
    .zip(&calls)
    {
        sqlx::query(breaks).bind(call.as_str()).execute(&store.writer).await.unwrap();
        let error = store.call(call).await.unwrap_err().to_string();
        assert!(error.contains(call.as_str()) && !error.contains("secret"), "{error}");
    }
    let listing = store.calls(&one_call().business, None, 9).await.unwrap();
    assert_eq!((listing.items.len(), listing.unreadable.len()), (1, 6));
    assert_eq!(Some(&listing.items[0].call), calls.last());
    let (mut seen, mut after) = (0, None);
    loop {
        let part = store.calls(&one_call().business, after.as_ref(), 2).await.unwrap();
        seen += part.items.len() + part.unreadable.len();
        after = part.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, 7, "a list goes on behind what does not read");
}

#[tokio::test]
async fn a_notice_that_does_not_read_keeps_no_other_from_being_told() {
    let store = Sqlite::open("sqlite::memory:").await.unwrap();
    let business = one_call().business;
    for n in 1..=2 {
        let notice = Notice::new(business.clone(), About::CallEnded { call: one_call().call }, n);
        store.post(&notice).await.unwrap();
    }
    sqlx::query("update outbox set about = '{' where created_ms = 1").execute(&store.writer).await.unwrap();
    assert_eq!(store.take_due(5, 60, 1).await.unwrap(), [], "it is the longest due");
    assert_eq!(store.take_due(5, 60, 1).await.unwrap().len(), 1);
}
