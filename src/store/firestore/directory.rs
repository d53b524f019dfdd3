//! Businesses, lines and plans in Firestore.

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::Firestore;
use super::ask::{Commit, Contest, Patience, Stored};
use super::page;
use super::queries;
use super::write::{If, delete, put};
use crate::domain::{Business, BusinessId, BusinessImport, IdError, PhoneNumber, Plan, PlanId};
use crate::store::{Directory, Listing, StoreError};

#[async_trait]
impl Directory for Firestore {
    async fn business(&self, id: &BusinessId) -> Result<Option<Business>, StoreError> {
        self.look_up("look up a business", "businesses", id.as_str()).await
    }

    async fn business_by_line(&self, line: &PhoneNumber) -> Result<Option<Business>, StoreError> {
        const DOING: &str = "look up a business by its line";
        let entry = self.get_one(DOING, Patience::Lookup, self.names().document("lines", line.as_str())?);
        let claimed = self.find(DOING, Patience::Lookup, queries::businesses_with_line(line));
        // What an import writes agrees, and both come at once.
        let (entry, mut claimed) = tokio::try_join!(entry, claimed)?;
        let owner = entry.and_then(|entry| entry.text("businessId").map(str::to_owned));
        if let Some(owner) = owner {
            if let Some(at) = claimed.iter().position(|business| business.id() == owner) {
                return self.named(claimed.swap_remove(at)).map(Some);
            }
            if let Some(business) = self.look_up(DOING, "businesses", &owner).await? {
                return Ok(Some(business));
            }
        }
        claimed.into_iter().next().map(|business| self.named(business)).transpose()
    }

    async fn plan(&self, id: &PlanId) -> Result<Option<Plan>, StoreError> {
        self.look_up("look up a plan", "plans", id.as_str()).await
    }

    async fn businesses(
        &self,
        after: Option<&BusinessId>,
        most: u32,
    ) -> Result<Listing<Business, BusinessId>, StoreError> {
        let after = after.map(BusinessId::as_str);
        self.list("list the businesses", "businesses", after, most, BusinessId::parse).await
    }

    async fn plans(&self, after: Option<&PlanId>, most: u32) -> Result<Listing<Plan, PlanId>, StoreError> {
        self.list("list the plans", "plans", after.map(PlanId::as_str), most, PlanId::parse).await
    }

    async fn import(&self, import: &BusinessImport) -> Result<(), StoreError> {
        self.take_in(import).await
    }

    async fn remove_business(&self, id: &BusinessId) -> Result<bool, StoreError> {
        const DOING: &str = "take a business away";
        let Ok(name) = self.names().document("businesses", id.as_str()) else { return Ok(false) };
        let mut contest = Contest::new(DOING);
        loop {
            let business = self.get_one(DOING, Patience::List, name.clone());
            let lines = self.find(DOING, Patience::List, queries::lines_of(&[id]));
            let (business, lines) = tokio::try_join!(business, lines)?;
            let Some(business) = business else { return Ok(false) };
            let mut writes = vec![delete(business.name, If::Still(business.version))];
            writes.extend(lines.into_iter().map(|line| delete(line.name, If::Still(line.version))));
            if self.commit(DOING, Patience::List, writes).await? == Commit::Made {
                return Ok(true);
            }
            contest.lost().await?;
        }
    }

    async fn remove_plan(&self, id: &PlanId) -> Result<bool, StoreError> {
        const DOING: &str = "take a plan away";
        let Ok(name) = self.names().document("plans", id.as_str()) else { return Ok(false) };
        let mut contest = Contest::new(DOING);
        let gone = loop {
            self.refuse_when_used(DOING, id).await?;
            let Some(plan) = self.get_one(DOING, Patience::List, name.clone()).await? else {
                return Ok(false);
            };
            let removal = delete(name.clone(), If::Still(plan.version));
            if self.commit(DOING, Patience::List, vec![removal]).await? == Commit::Made {
                break plan;
            }
            contest.lost().await?;
        };
        // An import that ended between the look and the deed gave it to somebody: one that began later found it gone.
        let used = self.refuse_when_used(DOING, id).await;
        if matches!(used, Err(StoreError::PlanInUse { .. })) {
            let fields = super::codec::fields(&gone.fields, DOING)?;
            self.commit(DOING, Patience::List, vec![put(name, fields, If::New)]).await?;
        }
        used.map(|()| true)
    }
}

impl Firestore {
    /// A document of the directory. What cannot be called so is not there.
    async fn look_up<T: DeserializeOwned>(
        &self,
        doing: &'static str,
        collection: &'static str,
        id: &str,
    ) -> Result<Option<T>, StoreError> {
        let Ok(name) = self.names().document(collection, id) else { return Ok(None) };
        let found = self.get_one(doing, Patience::Lookup, name).await?;
        found.map(|stored| self.named(stored)).transpose()
    }

    /// Reads a document that is called by its id. What it says itself of its id does not count, and may be missing.
    pub(super) fn named<T: DeserializeOwned>(&self, mut stored: Stored) -> Result<T, StoreError> {
        let id = Json::from(stored.id());
        stored.fields.insert("id".to_owned(), id);
        self.read(stored)
    }

    async fn list<T: DeserializeOwned, K>(
        &self,
        doing: &'static str,
        collection: &'static str,
        after: Option<&str>,
        most: u32,
        key: impl Fn(&str) -> Result<K, IdError> + Send,
    ) -> Result<Listing<T, K>, StoreError> {
        if let Some(after) = after {
            self.names().document(collection, after)?;
        }
        // One more than is wanted tells whether the list goes on.
        let query = queries::by_id(collection, after, most.saturating_add(1));
        let found = self.find(doing, Patience::List, query).await?;
        // A document whose name is no id of ours cannot be begun behind: the next part begins before it.
        let next = |kept: &[Stored]| kept.iter().rev().find_map(|stored| key(stored.id()).ok());
        Ok(page(found, most, next, |stored| self.named(stored)))
    }

    async fn refuse_when_used(&self, doing: &'static str, plan: &PlanId) -> Result<(), StoreError> {
        let users = self.find(doing, Patience::List, queries::businesses_with_plan(plan)).await?;
        let Some(user) = users.first() else { return Ok(()) };
        let business = BusinessId::parse(user.id())
            .map_err(|source| StoreError::Failed { doing, source: source.into() })?;
        Err(StoreError::PlanInUse { plan: plan.clone(), business })
    }
}
