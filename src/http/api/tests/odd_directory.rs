//! A directory over a real one in which something is wrong.

use async_trait::async_trait;

use super::*;
use crate::domain::{BusinessImport, Plan, PlanId};
use crate::store::{Directory, Listing, Sqlite};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// `business-2` does not read.
    Spoilt,
    /// It is away.
    Away,
    /// It never answers.
    Silent,
}

#[derive(Debug)]
pub(super) struct OddDirectory {
    store: Sqlite,
    mood: Mood,
}

impl OddDirectory {
    pub(super) fn that_is(mood: Mood) -> impl FnOnce(Sqlite) -> Arc<dyn Directory> {
        move |store| Arc::new(Self { store, mood })
    }

    async fn store(&self) -> Result<&Sqlite, StoreError> {
        match self.mood {
            Mood::Spoilt => Ok(&self.store),
            Mood::Away => Err(StoreError::Away { doing: "answer", source: "a disk called hunter2".into() }),
            Mood::Silent => std::future::pending().await,
        }
    }
}

fn spoilt() -> StoreError {
    let (field, problem) = ("voice".to_owned(), "is not a string".to_owned());
    StoreError::Unreadable { document: "businesses/business-2".to_owned(), field, problem }
}

#[async_trait]
impl Directory for OddDirectory {
    async fn business(&self, id: &BusinessId) -> Result<Option<Business>, StoreError> {
        let store = self.store().await?;
        if id.as_str() == "business-2" { Err(spoilt()) } else { store.business(id).await }
    }

    async fn business_by_line(&self, line: &PhoneNumber) -> Result<Option<Business>, StoreError> {
        self.store().await?.business_by_line(line).await
    }

    async fn plan(&self, id: &PlanId) -> Result<Option<Plan>, StoreError> {
        self.store().await?.plan(id).await
    }

    async fn businesses(
        &self,
        after: Option<&BusinessId>,
        most: u32,
    ) -> Result<Listing<Business, BusinessId>, StoreError> {
        let mut listing = self.store().await?.businesses(after, most).await?;
        listing.items.retain(|business| business.id.as_str() != "business-2");
        listing.unreadable.push(spoilt());
        Ok(listing)
    }

    async fn plans(&self, after: Option<&PlanId>, most: u32) -> Result<Listing<Plan, PlanId>, StoreError> {
        self.store().await?.plans(after, most).await
    }

    async fn import(&self, import: &BusinessImport) -> Result<(), StoreError> {
        self.store().await?.import(import).await
    }

    async fn remove_business(&self, id: &BusinessId) -> Result<bool, StoreError> {
        self.store().await?.remove_business(id).await
    }

    async fn remove_plan(&self, id: &PlanId) -> Result<bool, StoreError> {
        self.store().await?.remove_plan(id).await
    }
}
