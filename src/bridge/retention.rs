//! Event logs do not stay: they hold what people said.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::fs;

/// How often the folder is looked at: a day's promise is kept to the hour.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// How much all event logs together may take, in bytes: the smallest volume a platform sells is as large. At 20 kB for
/// a second of call that is some fourteen hours of talk.
const MOST_BYTES: u64 = 1 << 30;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One log.
struct Kept {
    path: PathBuf,
    age: Duration,
    bytes: u64,
}

/// Removes event logs beneath `data_dir` that are older than `days`, and the oldest when there are too many, for ever.
pub async fn forget_old_logs(data_dir: PathBuf, days: u32) {
    let folder = data_dir.join("calls");
    loop {
        forget(&folder, DAY * days, MOST_BYTES).await;
        tokio::time::sleep(EVERY).await;
    }
}

async fn forget(folder: &Path, oldest: Duration, most_bytes: u64) {
    let mut kept = logs(folder).await;
    kept.sort_by_key(|log| log.age);
    let mut bytes = 0u64;
    let mut forgotten = 0;
    for log in kept {
        bytes = bytes.saturating_add(log.bytes);
        if log.age <= oldest && bytes <= most_bytes {
            continue;
        }
        match fs::remove_file(&log.path).await {
            Ok(()) => forgotten += 1,
            Err(error) => {
                tracing::warn!(%error, file = %log.path.display(), "an old event log cannot be removed");
            }
        }
    }
    if forgotten > 0 {
        tracing::info!(forgotten, "old event logs are removed");
    }
}

/// The logs of a folder; none when it is not there yet.
async fn logs(folder: &Path) -> Vec<Kept> {
    let mut kept = Vec::new();
    let Ok(mut entries) = fs::read_dir(folder).await else { return kept };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let path = entry.path();
        let Ok(file) = entry.metadata().await else { continue };
        // A clock that was set back makes a file of tomorrow: it is new.
        let age = file.modified().ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
        if file.is_file() && path.extension().is_some_and(|kind| kind == "jsonl") {
            kept.push(Kept { path, age, bytes: file.len() });
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn old_logs_go_and_the_oldest_of_too_many() {
        let folder = tempfile::tempdir().unwrap();
        for (name, days, bytes) in [("old", 8, 1), ("older", 6, 60), ("newer", 5, 60), ("new", 0, 30)] {
            let path = folder.path().join(format!("{name}.jsonl"));
            std::fs::write(&path, vec![b'x'; bytes]).unwrap();
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(file.metadata().unwrap().modified().unwrap() - DAY * days).unwrap();
        }
        std::fs::write(folder.path().join("kept.wav"), b"x").unwrap();
        forget(folder.path(), DAY * 7, 100).await;
        assert_eq!(names(folder.path()), ["kept.wav", "new.jsonl", "newer.jsonl"]);
        forget(&folder.path().join("missing"), DAY, 0).await;
    }
}
