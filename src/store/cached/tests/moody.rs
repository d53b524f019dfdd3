//! A directory that can be told to fail.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::watch;

use super::*;

/// How a directory feels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// It answers at once.
    Well,
    /// It answers after a while.
    Slow(Duration),
    /// It answers that it is away.
    Down,
    /// It never answers.
    Silent,
    /// Every document is broken.
    Broken,
}

/// A directory in memory, with a mood. It counts what it is asked.
#[derive(Debug)]
pub(super) struct Moody {
    holds: watch::Sender<BusinessImport>,
    mood: watch::Sender<Mood>,
    asked: AtomicU32,
}

impl Moody {
    pub(super) fn with(holds: &BusinessImport) -> Arc<Self> {
        let (holds, mood) = (watch::Sender::new(holds.clone()), watch::Sender::new(Mood::Well));
        Arc::new(Self { holds, mood, asked: AtomicU32::new(0) })
    }

    /// A cache over it, as the product has it, and in virtual time.
    pub(super) fn cached(self: &Arc<Self>) -> CachedDirectory {
        self.cached_on(None)
    }

    pub(super) fn cached_on(self: &Arc<Self>, disk: Option<PathBuf>) -> CachedDirectory {
        CachedDirectory::new(Arc::clone(self) as Arc<dyn Directory>, disk, paused_clock())
    }

    pub(super) fn is(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    pub(super) fn now_holds(&self, holds: &BusinessImport) {
        self.holds.send_replace(holds.clone());
    }

    /// How often it was asked since the last time this was.
    pub(super) fn asked(&self) -> u32 {
        self.asked.swap(0, Ordering::Relaxed)
    }

    /// The answer is what it held when it was asked, however long that takes.
    async fn answer<T>(&self, find: impl FnOnce(&BusinessImport) -> T) -> Result<T, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let (found, mood) = (find(&self.holds.borrow()), *self.mood.borrow());
        match mood {
            Mood::Well => {}
            Mood::Slow(while_) => sleep(while_).await,
            Mood::Down => {
                return Err(StoreError::Away { doing: "answer", source: "the test wants it so".into() });
            }
            Mood::Silent => std::future::pending().await,
            Mood::Broken => {
                return Err(StoreError::Unreadable {
                    document: "businesses/luna".to_owned(),
                    field: "greeting".to_owned(),
                    problem: "is not a string".to_owned(),
                });
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl Directory for Moody {
    async fn business(&self, id: &BusinessId) -> Result<Option<Business>, StoreError> {
        self.answer(|all| all.businesses.iter().find(|business| business.id == *id).cloned()).await
    }

    async fn business_by_line(&self, line: &PhoneNumber) -> Result<Option<Business>, StoreError> {
        self.answer(|all| all.businesses.iter().find(|business| business.lines.contains(line)).cloned()).await
    }

    async fn plan(&self, id: &PlanId) -> Result<Option<Plan>, StoreError> {
        self.answer(|all| all.plans.iter().find(|plan| plan.id == *id).cloned()).await
    }

    async fn businesses(
        &self,
        _: Option<&BusinessId>,
        _: u32,
    ) -> Result<Listing<Business, BusinessId>, StoreError> {
        self.answer(|all| Listing { items: all.businesses.clone(), unreadable: Vec::new(), next: None }).await
    }

    async fn plans(&self, _: Option<&PlanId>, _: u32) -> Result<Listing<Plan, PlanId>, StoreError> {
        self.answer(|all| Listing { items: all.plans.clone(), unreadable: Vec::new(), next: None }).await
    }

    async fn import(&self, import: &BusinessImport) -> Result<(), StoreError> {
        self.now_holds(import);
        self.answer(|_| ()).await
    }

    async fn remove_business(&self, id: &BusinessId) -> Result<bool, StoreError> {
        self.holds.send_modify(|all| all.businesses.retain(|business| business.id != *id));
        self.answer(|_| true).await
    }

    async fn remove_plan(&self, id: &PlanId) -> Result<bool, StoreError> {
        self.holds.send_modify(|all| all.plans.retain(|plan| plan.id != *id));
        self.answer(|_| true).await
    }
}
