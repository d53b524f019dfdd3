//! The store in one SQLite file: for a laptop, a single machine with a disk, and tests.

mod calls;
mod directory;
mod ledger;
mod outbox;
mod slots;
mod usage;
mod voicemails;

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
mod tests;
#[cfg(test)]
mod upgrade_tests;
