//! A directory that answers at once what it heard a moment ago, and what it last heard when the one behind it fails.

mod last_known;

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::sync::Cache;

use self::last_known::LastKnown;
use super::{Directory, Listing, StoreError};
use crate::domain::{Business, BusinessId, BusinessImport, PhoneNumber, Plan, PlanId};

/// With the second a lookup may take, a change is seen within five: soon enough for whoever made it and now calls to
/// hear it, and one lookup serves all calls a business gets meanwhile.
const FRESH_FOR: Duration = Duration::from_secs(4);

/// What ten thousand businesses of a few KB need is written in a few milliseconds; a disk that takes longer is not worth
/// the caller's time. Only one lookup a minute waits at all.
const WRITE_PATIENCE: Duration = Duration::from_millis(250);

/// The caller hears ringing meanwhile, and Twilio gives a webhook 15 s in all; after a second an old answer is better
/// than a later one.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(1);

/// A list is for people, and for large directories over a network; whoever waits longer asks again.
const LIST_PATIENCE: Duration = Duration::from_secs(10);

/// What was asked a moment ago and is worth keeping: a few MB at most, whoever calls.
const FRESH_ENTRIES: u64 = 2_000;

/// A cached [`Directory`] over another.
///
/// - *Fresh.* A positive answer is given again for four seconds. A negative one is never kept: a business that was
///   just created answers its first call.
/// - *Last known good.* When the directory behind errs, or does not answer within a second, the last
///   positive answer is given, however old. A directory that says "not there" ends that.
/// - *On disk.* With a path, what is last known good survives a restart: it is read once, in `new`, and written by a
///   lookup that learnt something, at most once a minute. That lookup waits for the disk, but not long
///   (`cached/last_known.rs`); there is no task behind.
pub struct CachedDirectory {
    inner: Arc<dyn Directory>,
    lookup_patience: Duration,
    businesses: Cache<BusinessId, Arc<Business>>,
    lines: Cache<PhoneNumber, Arc<Business>>,
    plans: Cache<PlanId, Arc<Plan>>,
    last_known: LastKnown,
}

/// How long things last and are waited for.
struct Limits {
    fresh_for: Duration,
    lookup: Duration,
    write: Duration,
}

impl CachedDirectory {
    /// Over `inner`, with what is last known good in the file `last_known`, if given. Reads the file at once; one that
    /// does not read is ignored, with a warning.
    pub fn new(inner: Arc<dyn Directory>, last_known: Option<PathBuf>) -> Self {
        let limits = Limits { fresh_for: FRESH_FOR, lookup: LOOKUP_PATIENCE, write: WRITE_PATIENCE };
        Self::with(inner, last_known, &limits)
    }

    fn with(inner: Arc<dyn Directory>, last_known: Option<PathBuf>, limits: &Limits) -> Self {
        Self {
            inner,
            lookup_patience: limits.lookup,
            businesses: fresh(limits.fresh_for),
            lines: fresh(limits.fresh_for),
            plans: fresh(limits.fresh_for),
            last_known: LastKnown::open(last_known, limits.write),
        }
    }

    fn remember(&self, business: Business) -> Arc<Business> {
        let business = Arc::new(business);
        self.businesses.insert(business.id.clone(), Arc::clone(&business));
        self.last_known.keep_business(&business);
        business
    }
}

#[async_trait]
impl Directory for CachedDirectory {
    async fn business(&self, id: &BusinessId) -> Result<Option<Business>, StoreError> {
        if let Some(business) = self.businesses.get(id) {
            return Ok(Some((*business).clone()));
        }
        match in_time(self.lookup_patience, "look up a business", self.inner.business(id)).await {
            Ok(Some(business)) => {
                let business = self.remember(business);
                self.last_known.write_when_due().await;
                Ok(Some((*business).clone()))
            }
            Ok(None) => {
                self.last_known.forget_business(id);
                self.last_known.write_when_due().await;
                Ok(None)
            }
            Err(error) => or_last_known(self.last_known.business(id), error),
        }
    }

    async fn business_by_line(&self, line: &PhoneNumber) -> Result<Option<Business>, StoreError> {
        if let Some(business) = self.lines.get(line) {
            return Ok(Some((*business).clone()));
        }
        match in_time(
            self.lookup_patience,
            "look up a business by its line",
            self.inner.business_by_line(line),
        )
        .await
        {
            Ok(Some(business)) => {
                let business = self.remember(business);
                self.lines.insert(line.clone(), Arc::clone(&business));
                self.last_known.keep_line(line, &business.id);
                self.last_known.write_when_due().await;
                Ok(Some((*business).clone()))
            }
            Ok(None) => {
                self.last_known.forget_line(line);
                self.last_known.write_when_due().await;
                Ok(None)
            }
            Err(error) => or_last_known(self.last_known.business_by_line(line), error),
        }
    }

    async fn plan(&self, id: &PlanId) -> Result<Option<Plan>, StoreError> {
        if let Some(plan) = self.plans.get(id) {
            return Ok(Some((*plan).clone()));
        }
        match in_time(self.lookup_patience, "look up a plan", self.inner.plan(id)).await {
            Ok(Some(plan)) => {
                let plan = Arc::new(plan);
                self.plans.insert(id.clone(), Arc::clone(&plan));
                self.last_known.keep_plan(&plan);
                self.last_known.write_when_due().await;
                Ok(Some((*plan).clone()))
            }
            Ok(None) => {
                self.last_known.forget_plan(id);
                self.last_known.write_when_due().await;
                Ok(None)
            }
            Err(error) => or_last_known(self.last_known.plan(id), error),
        }
    }

    /// Asks the directory behind: an old list would be a lie.
    async fn businesses(
        &self,
        after: Option<&BusinessId>,
        most: u32,
    ) -> Result<Listing<Business, BusinessId>, StoreError> {
        in_time(LIST_PATIENCE, "list the businesses", self.inner.businesses(after, most)).await
    }

    /// Asks the directory behind: an old list would be a lie.
    async fn plans(&self, after: Option<&PlanId>, most: u32) -> Result<Listing<Plan, PlanId>, StoreError> {
        in_time(LIST_PATIENCE, "list the plans", self.inner.plans(after, most)).await
    }

    /// Waits for the directory behind as long as that takes: whoever imports must know what became of it. Afterwards
    /// nothing is fresh.
    async fn import(&self, import: &BusinessImport) -> Result<(), StoreError> {
        let imported = self.inner.import(import).await;
        self.businesses.invalidate_all();
        self.lines.invalidate_all();
        self.plans.invalidate_all();
        imported
    }

    /// Waits for the directory behind, as an import does.
    async fn remove_business(&self, id: &BusinessId) -> Result<bool, StoreError> {
        let removed = self.inner.remove_business(id).await;
        self.businesses.invalidate(id);
        self.lines.invalidate_all();
        removed
    }

    /// Waits for the directory behind, as an import does.
    async fn remove_plan(&self, id: &PlanId) -> Result<bool, StoreError> {
        let removed = self.inner.remove_plan(id).await;
        self.plans.invalidate(id);
        removed
    }
}

impl fmt::Debug for CachedDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CachedDirectory").field(&self.inner).finish()
    }
}

fn fresh<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static>(
    lasts: Duration,
) -> Cache<K, V> {
    Cache::builder().max_capacity(FRESH_ENTRIES).time_to_live(lasts).build()
}

/// An answer within the patience, or [`StoreError::Late`].
async fn in_time<T>(
    patience: Duration,
    doing: &'static str,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(patience, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(StoreError::Late {
            doing,
            patience_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
        }),
    }
}

fn or_last_known<T: Clone>(known: Option<Arc<T>>, error: StoreError) -> Result<Option<T>, StoreError> {
    match known {
        Some(known) => {
            let why = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, why, "the directory fails; answering what it last said");
            Ok(Some((*known).clone()))
        }
        None => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;
    use crate::store::Sqlite;
    use crate::store::conformance::{self, one_business};

    const WELL: u8 = 0;
    const DOWN: u8 = 1;
    const SILENT: u8 = 2;

    /// A directory over a real one that can be told to fail.
    #[derive(Debug)]
    struct Moody {
        inner: Sqlite,
        mood: AtomicU8,
        asked: AtomicU8,
    }

    impl Moody {
        async fn new() -> Arc<Self> {
            let inner = Sqlite::open("sqlite::memory:").await.unwrap();
            Arc::new(Self { inner, mood: AtomicU8::new(WELL), asked: AtomicU8::new(0) })
        }

        fn is(&self, mood: u8) {
            self.mood.store(mood, Ordering::Relaxed);
        }

        fn asked(&self) -> u8 {
            self.asked.load(Ordering::Relaxed)
        }

        async fn in_its_mood(&self) -> Result<(), StoreError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            match self.mood.load(Ordering::Relaxed) {
                WELL => Ok(()),
                DOWN => Err(StoreError::Away { doing: "answer", source: "the test wants it so".into() }),
                _silent => std::future::pending().await,
            }
        }
    }

    #[async_trait]
    impl Directory for Moody {
        async fn business(&self, id: &BusinessId) -> Result<Option<Business>, StoreError> {
            self.in_its_mood().await?;
            self.inner.business(id).await
        }

        async fn business_by_line(&self, line: &PhoneNumber) -> Result<Option<Business>, StoreError> {
            self.in_its_mood().await?;
            self.inner.business_by_line(line).await
        }

        async fn plan(&self, id: &PlanId) -> Result<Option<Plan>, StoreError> {
            self.in_its_mood().await?;
            self.inner.plan(id).await
        }

        async fn businesses(
            &self,
            after: Option<&BusinessId>,
            most: u32,
        ) -> Result<Listing<Business, BusinessId>, StoreError> {
            self.in_its_mood().await?;
            self.inner.businesses(after, most).await
        }

        async fn plans(
            &self,
            after: Option<&PlanId>,
            most: u32,
        ) -> Result<Listing<Plan, PlanId>, StoreError> {
            self.in_its_mood().await?;
            self.inner.plans(after, most).await
        }

        async fn remove_business(&self, id: &BusinessId) -> Result<bool, StoreError> {
            self.in_its_mood().await?;
            self.inner.remove_business(id).await
        }

        async fn remove_plan(&self, id: &PlanId) -> Result<bool, StoreError> {
            self.in_its_mood().await?;
            self.inner.remove_plan(id).await
        }

        async fn import(&self, import: &BusinessImport) -> Result<(), StoreError> {
            self.in_its_mood().await?;
            self.inner.import(import).await
        }
    }

    /// Longer than any machine is busy with something else.
    const LONG: Duration = Duration::from_secs(60);

    /// One whose answers are never fresh, so that every lookup asks.
    fn forgetful(inner: &Arc<Moody>, path: Option<&Path>) -> CachedDirectory {
        let limits = Limits { fresh_for: Duration::ZERO, lookup: LONG, write: LONG };
        CachedDirectory::with(Arc::clone(inner) as Arc<dyn Directory>, path.map(Path::to_owned), &limits)
    }

    #[tokio::test]
    async fn a_cached_directory_is_a_directory() {
        let inner = Sqlite::open("sqlite::memory:").await.unwrap();
        conformance::directory::all(&CachedDirectory::new(Arc::new(inner), None)).await;
    }

    #[tokio::test]
    async fn a_fresh_answer_is_given_again_without_asking() {
        let inner = Moody::new().await;
        let import = one_business();
        let (luna, line) = (&import.businesses[0], &import.businesses[0].lines[0]);
        inner.inner.import(&import).await.unwrap();
        let limits = Limits { fresh_for: LONG, lookup: LONG, write: LONG };
        let cached = CachedDirectory::with(Arc::clone(&inner) as Arc<dyn Directory>, None, &limits);
        for _ in 0..3 {
            assert_eq!(cached.business_by_line(line).await.unwrap().as_ref(), Some(luna));
            assert_eq!(cached.business(&luna.id).await.unwrap().as_ref(), Some(luna));
            assert_eq!(cached.plan(&luna.plan).await.unwrap().as_ref(), Some(&import.plans[0]));
        }
        assert_eq!(inner.asked(), 2, "the line, which tells the business too, and the plan");
    }

    #[tokio::test]
    async fn an_answer_is_not_fresh_for_ever() {
        let inner = Moody::new().await;
        let mut import = one_business();
        inner.inner.import(&import).await.unwrap();
        let cached = forgetful(&inner, None);
        let id = import.businesses[0].id.clone();
        cached.business(&id).await.unwrap();
        import.businesses[0].greeting = "We have moved.".to_owned();
        inner.inner.import(&import).await.unwrap();
        assert_eq!(cached.business(&id).await.unwrap().unwrap().greeting, "We have moved.");
        assert!(
            FRESH_FOR + LOOKUP_PATIENCE <= Duration::from_secs(5),
            "a change is seen within five seconds"
        );
    }

    #[tokio::test]
    async fn not_there_is_never_kept() {
        let inner = Moody::new().await;
        let import = one_business();
        let (luna, line) = (&import.businesses[0], &import.businesses[0].lines[0]);
        let cached = CachedDirectory::new(Arc::clone(&inner) as Arc<dyn Directory>, None);
        assert_eq!(cached.business(&luna.id).await.unwrap(), None);
        assert_eq!(cached.business_by_line(line).await.unwrap(), None);
        assert_eq!(cached.plan(&luna.plan).await.unwrap(), None);
        inner.inner.import(&import).await.unwrap();
        assert_eq!(cached.business(&luna.id).await.unwrap().as_ref(), Some(luna));
        assert_eq!(cached.business_by_line(line).await.unwrap().as_ref(), Some(luna));
        assert!(cached.plan(&luna.plan).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_directory_that_is_down_or_silent_is_covered_by_what_it_last_said() {
        let inner = Moody::new().await;
        let import = one_business();
        let (luna, line) = (&import.businesses[0], &import.businesses[0].lines[0]);
        inner.inner.import(&import).await.unwrap();
        let mut cached = forgetful(&inner, None);
        cached.business_by_line(line).await.unwrap();
        cached.plan(&luna.plan).await.unwrap();
        cached.lookup_patience = Duration::from_millis(20);
        for mood in [DOWN, SILENT] {
            inner.is(mood);
            assert_eq!(cached.business_by_line(line).await.unwrap().as_ref(), Some(luna));
            assert_eq!(cached.business(&luna.id).await.unwrap().as_ref(), Some(luna));
            assert_eq!(cached.plan(&luna.plan).await.unwrap().as_ref(), Some(&import.plans[0]));
            let stranger = PlanId::parse("nobody").unwrap();
            assert!(cached.plan(&stranger).await.unwrap_err().is_temporary());
        }
    }

    #[tokio::test]
    async fn not_there_ends_what_was_last_known() {
        let inner = Moody::new().await;
        let mut import = one_business();
        inner.inner.import(&import).await.unwrap();
        let cached = forgetful(&inner, None);
        let (id, line) = (import.businesses[0].id.clone(), import.businesses[0].lines.remove(0));
        cached.business_by_line(&line).await.unwrap();
        inner.inner.import(&import).await.unwrap();
        assert_eq!(cached.business_by_line(&line).await.unwrap(), None);
        inner.is(DOWN);
        assert!(cached.business_by_line(&line).await.is_err());
        assert!(cached.business(&id).await.unwrap().is_some(), "the business itself is still there");
    }

    #[tokio::test]
    async fn what_was_last_known_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deeper/last-known.jsonl");
        let inner = Moody::new().await;
        let import = one_business();
        let (luna, line) = (&import.businesses[0], &import.businesses[0].lines[0]);
        inner.inner.import(&import).await.unwrap();
        forgetful(&inner, Some(&path)).business_by_line(line).await.unwrap();

        inner.is(DOWN);
        let restarted = forgetful(&inner, Some(&path));
        assert_eq!(restarted.business_by_line(line).await.unwrap().as_ref(), Some(luna));
        assert_eq!(restarted.business(&luna.id).await.unwrap().as_ref(), Some(luna));
        let files: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(files.len(), 1, "nothing half-written lies about: {files:?}");
    }

    #[tokio::test]
    async fn the_disk_is_written_at_most_once_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last-known.jsonl");
        let inner = Moody::new().await;
        let (first, second) = (one_business(), one_business());
        inner.inner.import(&first).await.unwrap();
        inner.inner.import(&second).await.unwrap();
        let cached = forgetful(&inner, Some(&path));
        cached.business(&first.businesses[0].id).await.unwrap();
        let written = std::fs::read(&path).unwrap();
        cached.business(&second.businesses[0].id).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), written);
    }

    #[tokio::test]
    async fn a_corrupt_file_is_ignored_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last-known.jsonl");
        std::fs::write(&path, "{\"business\":{\"id\":\"luna\"").unwrap();
        let inner = Moody::new().await;
        let import = one_business();
        inner.inner.import(&import).await.unwrap();
        let id = &import.businesses[0].id;
        assert!(forgetful(&inner, Some(&path)).business(id).await.unwrap().is_some());
        inner.is(DOWN);
        assert!(forgetful(&inner, Some(&path)).business(id).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_disk_that_cannot_be_written_costs_no_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a-file/last-known.jsonl");
        std::fs::write(folder.path().join("a-file"), "in the way").unwrap();
        let inner = Moody::new().await;
        let import = one_business();
        inner.inner.import(&import).await.unwrap();
        let cached = forgetful(&inner, Some(&path));
        assert!(cached.business(&import.businesses[0].id).await.unwrap().is_some());
    }
}
