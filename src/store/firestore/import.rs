//! An import: what is there is looked at, and then all of it is one commit that depends on that.

use std::collections::{BTreeMap, BTreeSet};

use firestore::gcloud_sdk::google::firestore::v1::Write;
use firestore::gcloud_sdk::prost::Message as _;
use serde_json::json;

use super::Firestore;
use super::ask::{Commit, Contest, Patience, Stored, Version};
use super::codec;
use super::names::id_of;
use super::queries::{self, MOST_VALUES};
use super::write::{If, delete, put, require};
use crate::domain::{Business, BusinessId, BusinessImport, PhoneNumber, Plan, PlanId};
use crate::store::StoreError;

const DOING: &str = "import businesses and plans";

/// So many documents one commit has always been allowed to change.
const MOST_CHANGES: usize = 500;

/// What a request may be, 10 MiB, less what surrounds the changes.
const MOST_BYTES: usize = 9 << 20;

/// An import with each id once, as it is to stand in the store.
struct Wanted<'a> {
    plans: BTreeMap<&'a PlanId, &'a Plan>,
    businesses: BTreeMap<&'a BusinessId, &'a Business>,
    /// Whose each line is to be.
    lines: BTreeMap<&'a PhoneNumber, &'a BusinessId>,
}

/// What is in the store already, of what an import touches.
struct Found {
    /// Documents by their names.
    documents: BTreeMap<String, Version>,
    /// Who owns a line, by what the line's document says.
    owners: BTreeMap<String, (String, Version)>,
    /// Lines, and who says of itself that it owns them.
    claims: BTreeSet<(String, String)>,
}

impl Firestore {
    /// All of it or nothing.
    pub(super) async fn take_in(&self, import: &BusinessImport) -> Result<(), StoreError> {
        let wanted = Wanted::of(import)?;
        let mut contest = Contest::new(DOING);
        loop {
            let found = self.found(&wanted).await?;
            wanted.refuse_taken_lines(&found, self)?;
            wanted.refuse_missing_plans(&found, self)?;
            let writes = self.changes(&wanted, &found)?;
            let bytes: usize = writes.iter().map(Write::encoded_len).sum();
            if writes.len() > MOST_CHANGES || bytes > MOST_BYTES {
                let most = MOST_CHANGES.min(writes.len().saturating_mul(MOST_BYTES) / bytes.max(1));
                return Err(StoreError::TooLarge { changes: writes.len(), most });
            }
            // What was made by a commit whose answer got lost is made once more, as it is.
            match self.commit(DOING, Patience::List, writes).await {
                Ok(Commit::Made) => return Ok(()),
                Ok(Commit::Outdated) | Err(StoreError::Away { .. }) => contest.lost().await?,
                Err(error) => return Err(error),
            }
        }
    }

    async fn found(&self, wanted: &Wanted<'_>) -> Result<Found, StoreError> {
        let names = self.names();
        let plans = wanted.businesses.values().map(|business| &business.plan);
        let mut asked: BTreeSet<String> = BTreeSet::new();
        for plan in plans.filter(|plan| !wanted.plans.contains_key(plan)) {
            asked.extend(names.document("plans", plan.as_str()).ok());
        }
        for business in wanted.businesses.keys() {
            asked.insert(names.document("businesses", business.as_str())?);
        }
        for line in wanted.lines.keys() {
            asked.insert(names.document("lines", line.as_str())?);
        }
        let mut stored = self.get(DOING, Patience::List, asked.into_iter().collect()).await?;
        let businesses: Vec<_> = wanted.businesses.keys().copied().collect();
        for some in businesses.chunks(MOST_VALUES) {
            stored.extend(self.find(DOING, Patience::List, queries::lines_of(some)).await?);
        }
        let mut claims = BTreeSet::new();
        let lines: Vec<_> = wanted.lines.keys().copied().collect();
        for some in lines.chunks(MOST_VALUES) {
            for business in self.find(DOING, Patience::List, queries::businesses_with_lines(some)).await? {
                let claimed = business.fields.get("lines").and_then(|lines| lines.as_array());
                let claimed = claimed.into_iter().flatten().filter_map(|line| line.as_str());
                claims.extend(claimed.map(|line| (line.to_owned(), business.id().to_owned())));
            }
        }
        let mut found = Found::of(stored, claims);
        // A line may be somebody's who is not there any more.
        let strangers: BTreeSet<String> = found
            .owners
            .values()
            .filter_map(|(owner, _)| names.document("businesses", owner).ok())
            .filter(|name| !found.documents.contains_key(name))
            .collect();
        let strangers = self.get(DOING, Patience::List, strangers.into_iter().collect()).await?;
        found.documents.extend(strangers.into_iter().map(|stranger| (stranger.name, stranger.version)));
        Ok(found)
    }

    /// The import as changes of documents, each dependent on what was found.
    fn changes(&self, wanted: &Wanted<'_>, found: &Found) -> Result<Vec<Write>, StoreError> {
        let names = self.names();
        let mut writes = Vec::new();
        for (id, plan) in &wanted.plans {
            let name = names.document("plans", id.as_str())?;
            writes.push(put(name, codec::fields(plan, DOING)?, If::Ever));
        }
        let kept: BTreeSet<_> = wanted.businesses.values().map(|business| &business.plan).collect();
        for plan in kept.into_iter().filter(|plan| !wanted.plans.contains_key(plan)) {
            writes.push(require(names.document("plans", plan.as_str())?));
        }
        for (id, business) in &wanted.businesses {
            let name = names.document("businesses", id.as_str())?;
            let only = If::as_read(found.documents.get(&name).copied());
            writes.push(put(name, codec::fields(business, DOING)?, only));
        }
        for (line, owner) in &wanted.lines {
            let name = names.document("lines", line.as_str())?;
            let only = If::as_read(found.owners.get(line.as_str()).map(|(_, version)| *version));
            writes.push(put(name, codec::fields(&json!({ "businessId": owner }), DOING)?, only));
        }
        for (line, (owner, version)) in &found.owners {
            let given_up = wanted.businesses.keys().any(|id| id.as_str() == owner)
                && !wanted.lines.keys().any(|wanted| wanted.as_str() == line);
            if given_up {
                writes.push(delete(names.document("lines", line)?, If::Still(*version)));
            }
        }
        Ok(writes)
    }
}

impl<'a> Wanted<'a> {
    /// Of two with one id the later stays. Fails when two businesses want one line.
    fn of(import: &'a BusinessImport) -> Result<Self, StoreError> {
        let plans = import.plans.iter().map(|plan| (&plan.id, plan)).collect();
        let businesses: BTreeMap<_, _> =
            import.businesses.iter().map(|business| (&business.id, business)).collect();
        let mut lines = BTreeMap::new();
        for (id, business) in &businesses {
            for line in &business.lines {
                match lines.insert(line, *id) {
                    Some(owner) if owner != *id => return Err(taken(line, owner, id)),
                    Some(_) | None => {}
                }
            }
        }
        Ok(Self { plans, businesses, lines })
    }

    /// A line may be taken from a business of the import, which gives it up in the same commit, and from one that is not
    /// there any more.
    fn refuse_taken_lines(&self, found: &Found, store: &Firestore) -> Result<(), StoreError> {
        for (line, claimant) in &self.lines {
            let entry = found.owners.get(line.as_str()).map(|(owner, _)| owner);
            let entry = entry.filter(|owner| {
                let name = store.names().document("businesses", owner);
                name.is_ok_and(|name| found.documents.contains_key(&name))
            });
            let claims = found.claims.iter().filter(|(claimed, _)| claimed == line.as_str());
            for owner in entry.into_iter().chain(claims.map(|(_, owner)| owner)) {
                let Ok(owner) = BusinessId::parse(owner) else { continue };
                if !self.businesses.contains_key(&owner) {
                    return Err(taken(line, &owner, claimant));
                }
            }
        }
        Ok(())
    }

    fn refuse_missing_plans(&self, found: &Found, store: &Firestore) -> Result<(), StoreError> {
        for (id, business) in &self.businesses {
            let name = store.names().document("plans", business.plan.as_str());
            let is_there = name.is_ok_and(|name| found.documents.contains_key(&name));
            if !is_there && !self.plans.contains_key(&business.plan) {
                let (business, plan) = ((*id).clone(), business.plan.clone());
                return Err(StoreError::UnknownPlan { business, plan });
            }
        }
        Ok(())
    }
}

impl Found {
    fn of(stored: Vec<Stored>, claims: BTreeSet<(String, String)>) -> Self {
        let mut found = Self { documents: BTreeMap::new(), owners: BTreeMap::new(), claims };
        for Stored { name, version, fields } in stored {
            if name.contains("/documents/lines/") {
                let owner = fields.get("businessId").and_then(|owner| owner.as_str()).unwrap_or_default();
                found.owners.insert(id_of(&name).to_owned(), (owner.to_owned(), version));
            } else {
                found.documents.insert(name, version);
            }
        }
        found
    }
}

fn taken(line: &PhoneNumber, owner: &BusinessId, claimant: &BusinessId) -> StoreError {
    StoreError::LineTaken { line: line.clone(), owner: owner.clone(), claimant: claimant.clone() }
}
