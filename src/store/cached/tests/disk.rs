//! What survives a restart.

use std::path::Path;

use tempfile::TempDir;

use super::moody::{Mood, Moody};
use super::*;
use crate::store::Change;

struct Folder {
    path: PathBuf,
    _kept: TempDir,
}

fn folder() -> Folder {
    let kept = tempfile::tempdir().unwrap();
    Folder { path: kept.path().join("deeper/last-known.jsonl"), _kept: kept }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn what_was_last_known_survives_a_restart() {
    let (import, luna) = luna();
    let (inner, folder) = (Moody::with(&import), folder());
    let cached = inner.cached_on(Some(folder.path.clone()));
    cached.business_by_line(&luna.line).await.unwrap();

    inner.is(Mood::Silent);
    let restarted = inner.cached_on(Some(folder.path.clone()));
    assert_eq!(restarted.business_by_line(&luna.line).await.unwrap().as_ref(), Some(&luna.business));
    assert_eq!(restarted.business(&luna.business.id).await.unwrap().as_ref(), Some(&luna.business));
    let files: Vec<_> = std::fs::read_dir(folder.path.parent().unwrap()).unwrap().collect();
    assert_eq!(files.len(), 1, "nothing half-written lies about: {files:?}");
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn the_file_is_readable_by_its_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (import, luna) = luna();
    let (inner, folder) = (Moody::with(&import), folder());
    inner.cached_on(Some(folder.path.clone())).business(&luna.business.id).await.unwrap();
    assert_eq!(std::fs::metadata(&folder.path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test(start_paused = true)]
async fn what_is_on_the_disk_is_not_fresh() {
    let (import, luna) = luna();
    let (inner, folder) = (Moody::with(&import), folder());
    inner.cached_on(Some(folder.path.clone())).business_by_line(&luna.line).await.unwrap();
    inner.now_holds(&BusinessImport::default());
    let restarted = inner.cached_on(Some(folder.path.clone()));
    assert_eq!(restarted.business_by_line(&luna.line).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn lookups_write_at_most_once_a_minute() {
    let (mut import, luna) = luna();
    import.businesses.extend(one_business().businesses);
    let (inner, folder) = (Moody::with(&import), folder());
    let cached = inner.cached_on(Some(folder.path.clone()));
    cached.business(&luna.business.id).await.unwrap();
    let written = read(&folder.path);
    cached.business(&import.businesses[1].id).await.unwrap();
    assert_eq!(read(&folder.path), written);
    later(WRITE_PAUSE).await;
    cached.business(&luna.business.id).await.unwrap();
    assert!(read(&folder.path).contains(import.businesses[1].id.as_str()));
}

#[tokio::test(start_paused = true)]
async fn what_is_told_is_written_as_soon_as_all_of_it_was_and_once_a_minute_then() {
    let (mut import, mut luna) = luna();
    import.businesses.extend(one_business().businesses);
    let (inner, folder) = (Moody::with(&import), folder());
    let cached = Arc::new(inner.cached_on(Some(folder.path.clone())));
    // A lookup has just written, and that is not all there is.
    cached.business(&luna.business.id).await.unwrap();
    let (words, heard) = mpsc::channel(8);
    let following = tokio::task::JoinSet::from_iter([{
        let cached = Arc::clone(&cached);
        async move { cached.follow(heard).await }
    }]);
    for business in &import.businesses {
        words.send(Watch::Changed(Change::Business(Box::new(business.clone())))).await.unwrap();
    }
    words.send(Watch::Changed(Change::Plan(luna.plan.clone()))).await.unwrap();
    words.send(Watch::InSync).await.unwrap();
    let all = || import.businesses.iter().all(|business| read(&folder.path).contains(business.id.as_str()));
    until(all).await;

    luna.business.greeting = "We have moved.".to_owned();
    words.send(Watch::Changed(Change::Business(Box::new(luna.business.clone())))).await.unwrap();
    // Nobody calls, and nothing else changes.
    let began = now();
    until(|| read(&folder.path).contains("We have moved.")).await;
    let took = began.elapsed();
    assert!(took > WRITE_PAUSE / 2 && took < WRITE_PAUSE * 3, "{took:?}");
    drop(words);
    following.join_all().await;

    inner.is(Mood::Down);
    let restarted = inner.cached_on(Some(folder.path.clone()));
    let answering = restarted.answering(Whose::Line(&luna.line)).await.unwrap().unwrap();
    assert_eq!((answering.business, answering.plan.unwrap().unwrap()), (luna.business, luna.plan));
}

#[tokio::test(start_paused = true)]
async fn a_corrupt_file_is_ignored_and_replaced() {
    let (import, luna) = luna();
    let (inner, folder) = (Moody::with(&import), folder());
    std::fs::create_dir_all(folder.path.parent().unwrap()).unwrap();
    std::fs::write(&folder.path, "{\"business\":{\"id\":\"luna\"").unwrap();
    let cached = inner.cached_on(Some(folder.path.clone()));
    assert!(cached.business(&luna.business.id).await.unwrap().is_some());
    inner.is(Mood::Down);
    let restarted = inner.cached_on(Some(folder.path.clone()));
    assert!(restarted.business(&luna.business.id).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_cannot_be_written_costs_no_answer() {
    let (import, luna) = luna();
    let (inner, folder) = (Moody::with(&import), folder());
    std::fs::write(folder.path.parent().unwrap(), "in the way").unwrap();
    let cached = inner.cached_on(Some(folder.path.clone()));
    assert!(cached.business(&luna.business.id).await.unwrap().is_some());
    assert!(cached.house.known.take_unsaved(), "it is tried again");
}

/// Waits, in virtual time, until it is so; not for ever.
async fn until(so: impl Fn() -> bool) {
    let wait = async {
        while !so() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    assert!(timeout(Duration::from_secs(600), wait).await.is_ok());
}
