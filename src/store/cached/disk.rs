//! What is last known, in a file that survives a restart.
//!
//! The file is written whole beside its place and then renamed, so a reader finds the old or the new one. It is not
//! forced to the disk: it must outlive the process, not the machine, and a file a power cut left empty is ignored.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use super::known::{Entry, Known};

/// What ten thousand businesses of a few KB need; a larger file is not ours.
const FILE_BYTES: u64 = 64 * 1024 * 1024;

/// A restart loses what was learnt in the last minute, and the disk is spared the rest.
pub(super) const WRITE_PAUSE: Duration = Duration::from_secs(60);

/// How many documents are written down (about 0.2 ms) before other tasks of the thread have their turn.
const DOCUMENTS_A_TURN: usize = 64;

/// Where it is kept.
pub(super) struct Disk {
    path: PathBuf,
    /// When the last write began, in milliseconds since 1970.
    began_ms: AtomicI64,
    /// Whether somebody writes at the moment.
    busy: AtomicBool,
}

/// Nothing was written yet.
const NEVER: i64 = i64::MIN;

impl Disk {
    /// Fills `known` with what the file holds, if there is one and it reads.
    pub(super) fn open(path: PathBuf, known: &Known) -> Self {
        match read(&path) {
            Ok(entries) => entries.into_iter().for_each(|entry| known.take(entry)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "cannot read what the directory last said; starting without");
            }
        }
        Self { path, began_ms: AtomicI64::new(NEVER), busy: AtomicBool::new(false) }
    }

    /// Writes the file when there is something new and the last write is long enough ago.
    pub(super) async fn write_when_due(&self, known: &Known, patience: Duration) {
        let since_ms = known.now_ms().saturating_sub(self.began_ms.load(Ordering::Acquire));
        let pause_ms = i64::try_from(WRITE_PAUSE.as_millis()).unwrap_or(i64::MAX);
        // A clock that was set back is no reason to wait for it.
        if !(0..pause_ms).contains(&since_ms) {
            self.write_now(known, patience).await;
        }
    }

    /// Writes the file when there is something new. Failing costs no answer, and is tried again.
    pub(super) async fn write_now(&self, known: &Known, patience: Duration) {
        if self.busy.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut turn = Turn { disk: self, known, saved: true };
        if !known.take_unsaved() {
            return;
        }
        turn.saved = false;
        self.began_ms.store(known.now_ms(), Ordering::Release);
        let written = match tokio::time::timeout(patience, write(&self.path, known)).await {
            Ok(written) => written,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        match written {
            Ok(()) => turn.saved = true,
            Err(error) => {
                tracing::warn!(%error, path = %self.path.display(), "cannot write down what the directory last said");
            }
        }
    }
}

/// A turn at writing. It ends also when whoever writes goes away in the middle of it.
#[must_use]
struct Turn<'a> {
    disk: &'a Disk,
    known: &'a Known,
    saved: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.saved {
            self.known.is_unsaved();
        }
        self.disk.busy.store(false, Ordering::Release);
    }
}

async fn write(path: &Path, known: &Known) -> io::Result<()> {
    let mut text = Vec::new();
    for (turn, entry) in known.entries().iter().enumerate() {
        serde_json::to_writer(&mut text, entry)?;
        text.push(b'\n');
        if turn % DOCUMENTS_A_TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > FILE_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    let beside = path.with_added_extension(format!("{}.tmp", std::process::id()));
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    // Secrets of webhooks are in it.
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(&beside).await?;
    file.write_all(&text).await?;
    file.flush().await?;
    tokio::fs::rename(&beside, path).await
}

/// All lines of the file, or an error that quotes none.
fn read(path: &Path) -> io::Result<Vec<Entry>> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > FILE_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let entry = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, format!("line {} does not read", number + 1))
        })
    };
    text.lines().enumerate().map(entry).collect()
}
