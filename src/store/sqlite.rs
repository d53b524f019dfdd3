//! The store in one SQLite file: for a laptop, a single machine with a disk, and tests.

mod calls;
mod directory;
mod ledger;
mod outbox;
mod slots;
mod usage;

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite as Database, Transaction};

use super::{Listing, StoreError};
use crate::domain::IdError;

/// How long SQLite waits for another process that is writing: longer than any write of ours takes on a slow disk.
const BUSY_PATIENCE: Duration = Duration::from_secs(5);

/// How long a question waits for a connection of ours: as long as the one before it may wait for the file, and a second.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(6);

/// A lookup takes about 0.1 ms, so a few readers serve far more calls than one machine carries.
const READERS: u32 = 4;

/// How often two programs that open a new file at once may get in each other's way before we give up.
const MIGRATION_ATTEMPTS: u32 = 5;

/// A change under way.
type Writing = Transaction<'static, Database>;

/// All that we keep, in one SQLite file.
///
/// Writes go through one connection, so they queue here and not at SQLite's lock, where whoever waits polls; each
/// begins with the lock it needs, so none fails half-way. Reads see the last committed state and wait for no write.
#[derive(Clone)]
pub struct Sqlite {
    url: String,
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Sqlite {
    /// Opens `sqlite://path` (the file and its folder are made when missing) or `sqlite::memory:`, and brings it to
    /// the shape this program knows.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let unopenable =
            |remedy: String, source| StoreError::Unopenable { url: url.to_owned(), remedy, source };
        if !url.starts_with("sqlite:") {
            return Err(unopenable("write sqlite://path/to/file.db".to_owned(), None));
        }
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|error| unopenable("write sqlite://path/to/file.db".to_owned(), Some(error.into())))?
            .busy_timeout(BUSY_PATIENCE)
            .foreign_keys(true);
        if in_memory(url) {
            let pool = connections(1).connect_with(options).await;
            let pool = pool.map_err(|error| unopenable("no memory for it".to_owned(), Some(error.into())))?;
            return Self::migrated(Self { url: url.to_owned(), writer: pool.clone(), readers: pool }).await;
        }

        let path = options.get_filename().to_owned();
        let remedy =
            |path: &Path| format!("make {} a file this user may write, on a disk with room", path.display());
        if let Some(folder) = path.parent() {
            let made = tokio::fs::create_dir_all(folder).await;
            made.map_err(|error| unopenable(remedy(&path), Some(error.into())))?;
        }
        let writing = options
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal);
        let writer = first_connection(writing).await;
        let writer = writer.map_err(|error| unopenable(remedy(&path), Some(error.into())))?;
        let readers = connections(READERS).connect_lazy_with(options.read_only(true));
        Self::migrated(Self { url: url.to_owned(), writer, readers }).await
    }

    /// Closes the file when every question under way is answered.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn migrated(self) -> Result<Self, StoreError> {
        let mut attempt = 1;
        loop {
            match sqlx::migrate!().run(&self.writer).await {
                Ok(()) => break,
                Err(MigrateError::VersionMissing(migration)) => {
                    return Err(StoreError::Newer { url: self.url.clone(), migration });
                }
                // Another program made the same change between our look and our deed; the next look sees it.
                Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..))
                    if attempt < MIGRATION_ATTEMPTS =>
                {
                    attempt += 1;
                }
                Err(error) => {
                    let remedy =
                        "its tables cannot be brought up to date; see that the disk has room, or point DATABASE_URL at another file"
                            .to_owned();
                    return Err(StoreError::Unopenable {
                        url: self.url.clone(),
                        remedy,
                        source: Some(error.into()),
                    });
                }
            }
        }
        self.count_uncounted().await?;
        Ok(self)
    }

    /// A change: all of it or nothing, and alone while it lasts. Dropped before its commit, it never was.
    async fn change(&self, doing: &'static str) -> Result<Writing, StoreError> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed(doing))
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sqlite").field(&self.url).finish()
    }
}

/// The connection that makes the file and its journal. SQLite does not wait for others with the change of the journal,
/// whatever the busy timeout; so we do.
async fn first_connection(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    const PAUSE: Duration = Duration::from_millis(50);
    let mut waited = Duration::ZERO;
    loop {
        match connections(1).connect_with(options.clone()).await {
            Err(error) if is_temporary(&error) && waited < BUSY_PATIENCE => {
                tokio::time::sleep(PAUSE).await;
                waited += PAUSE;
            }
            opened => return opened,
        }
    }
}

/// In memory there is one connection, for ever: with it would go what it holds.
fn in_memory(url: &str) -> bool {
    url.contains(":memory:") || url.contains("mode=memory")
}

fn connections(most: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(most)
        .acquire_timeout(CONNECTION_PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// What a failure of SQLite's means to whoever asked.
fn failed(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| {
        if is_temporary(&error) {
            StoreError::Away { doing, source: error.into() }
        } else {
            StoreError::Failed { doing, source: error.into() }
        }
    }
}

fn is_temporary(error: &sqlx::Error) -> bool {
    if matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::Io(_)) {
        return true;
    }
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    // SQLITE_BUSY and SQLITE_LOCKED; the bits above the lowest eight only say more (sqlite.org/rescode.html).
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| matches!(code & 0xFF, 5 | 6))
}

/// What a name that is none means to whoever asked: somebody else wrote it.
fn bad_id(doing: &'static str) -> impl Fn(IdError) -> StoreError {
    move |source| StoreError::Failed { doing, source: source.into() }
}

/// One row more than is asked for tells whether the list goes on.
fn more_than(most: u32) -> i64 {
    i64::from(most).saturating_add(1)
}

/// Rows, of which [`more_than`] `most` were asked for, as a part of a list.
fn page<R, T, K>(
    mut rows: Vec<R>,
    most: u32,
    read: impl Fn(R) -> Result<T, StoreError>,
    key: impl Fn(&R) -> Result<K, StoreError>,
) -> Result<Listing<T, K>, StoreError> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let goes_on = rows.len() > most;
    rows.truncate(most);
    let next = if goes_on { rows.last().map(key).transpose()? } else { None };
    let mut listing = Listing { items: Vec::with_capacity(rows.len()), unreadable: Vec::new(), next };
    for row in rows {
        match read(row) {
            Ok(item) => listing.items.push(item),
            Err(error) => listing.unreadable.push(error),
        }
    }
    Ok(listing)
}

/// Times and numbers beyond what SQLite can hold are as good as its greatest.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;
    use crate::domain::{Ending, Message, MicroDollars, Pii, StreamEnd, Usage};
    use crate::store::Certainty;
    use crate::store::conformance::{self, one_business, one_call};
    use crate::store::{Directory, Ledger, MESSAGES_LISTED};

    fn url(folder: &tempfile::TempDir) -> String {
        format!("sqlite://{}", folder.path().join("deeper/front desk.db").display())
    }

    #[tokio::test]
    async fn sqlite_in_memory_conforms() {
        let store = Sqlite::open("sqlite::memory:").await.unwrap();
        conformance::all(&store, &store).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn sqlite_in_a_file_conforms_and_conforms_again_when_reopened() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let store = Sqlite::open(&url(&folder)).await.unwrap();
            conformance::all(&store, &store).await;
            store.close().await;
        }
    }

    #[tokio::test]
    async fn two_programs_on_one_file_conform() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) =
            (Sqlite::open(&url(&folder)).await.unwrap(), Sqlite::open(&url(&folder)).await.unwrap());
        conformance::all(&one, &two).await;
        let call = one_call();
        let instance = call.instance.clone();
        let claims = (0..50).map(|n| if n % 2 == 0 { &one } else { &two });
        let claims = join_all(claims.map(|store| store.claim_attempt(&call.call, 1, &instance))).await;
        assert_eq!(claims.into_iter().filter(|claim| *claim.as_ref().unwrap()).count(), 1);
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
            usage: Usage::default(),
            cost: MicroDollars::default(),
            at_ms: 9,
        };
        store.end_stream(&call.call, &end).await.unwrap();
        store.close().await;

        let store = Sqlite::open(&url(&folder)).await.unwrap();
        let line = &import.businesses[0].lines[0];
        assert_eq!(store.business_by_line(line).await.unwrap().as_ref(), import.businesses.first());
        let record = store.call(&call.call).await.unwrap().unwrap();
        assert_eq!((record.attempts, record.ending), (1, Some(Ending::CallerHungUp)));
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
        let journal: String =
            sqlx::query_scalar("pragma journal_mode").fetch_one(&store.writer).await.unwrap();
        assert_eq!(journal, "wal");
        for pool in [&store.writer, &store.readers] {
            let busy: i64 = sqlx::query_scalar("pragma busy_timeout").fetch_one(pool).await.unwrap();
            let foreign: i64 = sqlx::query_scalar("pragma foreign_keys").fetch_one(pool).await.unwrap();
            assert_eq!((busy, foreign), (5_000, 1));
        }
        let synchronous: i64 =
            sqlx::query_scalar("pragma synchronous").fetch_one(&store.writer).await.unwrap();
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
}
