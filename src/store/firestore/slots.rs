//! Who may be in a call, in Firestore.
//!
//! A business has as many places as its plan allows, each a document that only one call can create: so a race for them
//! needs no lock and no count. Beside it stands the call's lease, which says until when it is seated and by whom. Most
//! calls are seated by one commit, on the place their name falls on; when that one is taken, all are looked at. So a plan
//! that was just made smaller still lets in who falls on a free place, as long as the calls beyond it last.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use async_trait::async_trait;
use firestore::gcloud_sdk::google::firestore::v1::Write;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ask::{Commit, Contest, Patience, Stored, Version};
use super::write::{If, delete, merge, put};
use super::{Firestore, codec, names, queries};
use crate::domain::{BusinessId, CallSid, InstanceId};
use crate::store::{Lapsed, LeaseClaim, Seating, SlotWish, Slots, StoreError};

/// How long Firestore itself lets a lease be that nobody renewed and nobody buried, in milliseconds: whoever buries them
/// is never that late.
const LEASE_LASTS_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// What of a lease is renewed.
const RENEWED: [&str; 3] = ["instance", "untilMs", "expiresAt"];

/// A call's lease.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lease {
    business: BusinessId,
    call: CallSid,
    instance: InstanceId,
    until_ms: i64,
    /// Its place; none once another call took it over.
    number: Option<u32>,
}

/// A lease as it was read.
#[derive(Debug)]
struct Held {
    name: String,
    version: Version,
    lease: Lease,
}

#[async_trait]
impl Slots for Firestore {
    async fn take(&self, wish: &SlotWish<'_>) -> Result<Seating, StoreError> {
        const DOING: &str = "take a slot for a call";
        let first = first_place(wish);
        if let Some(number) = first {
            let place = self.place(wish, number, If::New)?;
            let lease = self.new_lease(wish, number, If::New)?;
            if self.commit(DOING, Patience::Change, vec![place, lease]).await? == Commit::Made {
                return Ok(Seating::Seated);
            }
        }
        let mut contest = Contest::new(DOING);
        loop {
            let Some(writes) = self.seat(DOING, wish, first.unwrap_or(0)).await? else {
                return Ok(Seating::Full);
            };
            if self.commit(DOING, Patience::Change, writes).await? == Commit::Made {
                return Ok(Seating::Seated);
            }
            contest.lost().await?;
        }
    }

    async fn renew(
        &self,
        instance: &InstanceId,
        calls: &[(BusinessId, CallSid)],
        until_ms: i64,
    ) -> Result<(), StoreError> {
        const DOING: &str = "renew the slots of calls";
        let names = calls.iter().map(|(business, call)| self.lease_name(business, call));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let found = self.get(DOING, Patience::Change, names).await?;
        let ours = self.held(found).into_iter().filter(|held| held.lease.instance == *instance);
        let renewals = ours.map(|held| renewal(held, instance, until_ms, DOING));
        self.each(DOING, renewals.collect::<Result<_, _>>()?).await
    }

    async fn free(
        &self,
        business: &BusinessId,
        call: &CallSid,
        instance: &InstanceId,
    ) -> Result<(), StoreError> {
        self.end_lease("give a slot back", business, call, |lease| lease.instance == *instance).await
    }

    async fn taken(&self, business: &BusinessId, now_ms: i64) -> Result<u32, StoreError> {
        const DOING: &str = "count the slots that are taken";
        let leases = self.held(self.find(DOING, Patience::Change, queries::leases_of(business)).await?);
        Ok(live(&leases, now_ms))
    }

    async fn lapsed(&self, before_ms: i64, most: u32) -> Result<Vec<Lapsed>, StoreError> {
        const DOING: &str = "list the slots nobody renewed";
        let found = self.find(DOING, Patience::List, queries::lapsed_leases(before_ms, most)).await?;
        let lapsed = self.held(found).into_iter().map(|held| {
            let Lease { business, call, until_ms, .. } = held.lease;
            Lapsed { business, call, until_ms }
        });
        Ok(lapsed.collect())
    }

    async fn bury(&self, lapsed: &Lapsed) -> Result<(), StoreError> {
        let is_the_same = |lease: &Lease| lease.until_ms == lapsed.until_ms;
        self.end_lease("forget a slot nobody renewed", &lapsed.business, &lapsed.call, is_the_same).await
    }

    async fn claim(&self, claim: &LeaseClaim<'_>) -> Result<bool, StoreError> {
        const DOING: &str = "claim a call nobody seems to carry";
        let name = self.lease_name(claim.business, claim.call)?;
        let mut contest = Contest::new(DOING);
        loop {
            let found = self.get(DOING, Patience::Change, vec![name.clone()]).await?;
            let write = match (self.held(found).pop(), claim.seen_until_ms) {
                (Some(held), Some(seen_until_ms)) if held.lease.until_ms == seen_until_ms => {
                    renewal(held, claim.instance, claim.until_ms, DOING)?
                }
                (None, None) => {
                    let (business, call) = (claim.business.clone(), claim.call.clone());
                    let (instance, until_ms) = (claim.instance.clone(), claim.until_ms);
                    let lease = Lease { business, call, instance, until_ms, number: None };
                    self.lease(&name, &lease, If::New)?
                }
                (Some(_) | None, _) => return Ok(false),
            };
            if self.commit(DOING, Patience::Change, vec![write]).await? == Commit::Made {
                return Ok(true);
            }
            // Somebody changed it in between; what is there now says whether it is still as it was seen.
            contest.lost().await?;
        }
    }
}

impl Firestore {
    /// How a call can be seated as things are; none when all places are taken.
    async fn seat(
        &self,
        doing: &'static str,
        wish: &SlotWish<'_>,
        first: u32,
    ) -> Result<Option<Vec<Write>>, StoreError> {
        // One after the other: a place is written with its lease, so whoever is seen on a place is seen to have a lease. Asked
        // for at once, a call that was seated in between would seem to have left its place behind, and lose it.
        let places = self.find(doing, Patience::Change, queries::slots_of(wish.business)).await?;
        let leases = self.held(self.find(doing, Patience::Change, queries::leases_of(wish.business)).await?);
        let name = self.lease_name(wish.business, wish.call)?;
        if let Some(mine) = leases.iter().position(|held| held.name == name) {
            let mine = leases.into_iter().nth(mine);
            return mine
                .map(|mine| Ok(vec![renewal(mine, wish.instance, wish.until_ms, doing)?]))
                .transpose();
        }
        if live(&leases, wish.now_ms) >= wish.most {
            return Ok(None);
        }
        let places: BTreeMap<u32, Version> = places
            .iter()
            .filter_map(|place| {
                Some((names::id_of(&place.name).rsplit_once(':')?.1.parse().ok()?, place.version))
            })
            .collect();
        // Everybody begins where their own name falls: those who come at once rarely meet.
        let round = (first..wish.most).chain(0..first.min(wish.most));
        for number in round {
            let mut holders = leases.iter().filter(|held| held.lease.number == Some(number));
            match (places.get(&number), holders.next()) {
                (_, Some(held)) if held.lease.until_ms > wish.now_ms => {}
                // Its call is not heard of any more. Whoever renews that lease meanwhile keeps the place.
                (_, Some(held)) => {
                    let unseated = merge(held.name.clone(), Vec::new(), &["number"], If::Still(held.version));
                    let place = self.place(wish, number, If::Ever)?;
                    return Ok(Some(vec![unseated, place, self.new_lease(wish, number, If::New)?]));
                }
                // Free, or of a lease that is gone without its place.
                (place, None) => {
                    let place = self.place(wish, number, If::as_read(place.copied()))?;
                    return Ok(Some(vec![place, self.new_lease(wish, number, If::New)?]));
                }
            }
        }
        Ok(None)
    }

    async fn end_lease(
        &self,
        doing: &'static str,
        business: &BusinessId,
        call: &CallSid,
        may_end: impl Fn(&Lease) -> bool + Send + Sync,
    ) -> Result<(), StoreError> {
        let name = self.lease_name(business, call)?;
        let mut contest = Contest::new(doing);
        loop {
            let found = self.get(doing, Patience::Change, vec![name.clone()]).await?;
            let Some(held) = self.held(found).pop().filter(|held| may_end(&held.lease)) else {
                return Ok(());
            };
            let mut writes = vec![delete(held.name, If::Still(held.version))];
            if let Some(number) = held.lease.number {
                writes.push(delete(self.place_name(business, number)?, If::Ever));
            }
            if self.commit(doing, Patience::Change, writes).await? == Commit::Made {
                return Ok(());
            }
            contest.lost().await?;
        }
    }

    /// Leases that read. One that does not counts for nothing: nobody can renew it, and its place is as good as free.
    fn held(&self, found: Vec<Stored>) -> Vec<Held> {
        let mut leases = Vec::with_capacity(found.len());
        for stored in found {
            let (name, version) = (stored.name.clone(), stored.version);
            match self.read(stored) {
                Ok(lease) => leases.push(Held { name, version, lease }),
                Err(error) => tracing::warn!(%error, "a lease counts for nothing"),
            }
        }
        leases
    }

    fn place(&self, wish: &SlotWish<'_>, number: u32, only: If) -> Result<Write, StoreError> {
        let taken_by =
            codec::fields(&json!({ "business": wish.business, "call": wish.call }), "take a slot")?;
        Ok(put(self.place_name(wish.business, number)?, taken_by, only))
    }

    fn new_lease(&self, wish: &SlotWish<'_>, number: u32, only: If) -> Result<Write, StoreError> {
        let lease = Lease {
            business: wish.business.clone(),
            call: wish.call.clone(),
            instance: wish.instance.clone(),
            until_ms: wish.until_ms,
            number: Some(number),
        };
        self.lease(&self.lease_name(wish.business, wish.call)?, &lease, only)
    }

    fn lease(&self, name: &str, lease: &Lease, only: If) -> Result<Write, StoreError> {
        let mut fields = codec::fields(lease, "take a slot")?;
        fields.push(expiry(lease.until_ms));
        Ok(put(name.to_owned(), fields, only))
    }

    fn place_name(&self, business: &BusinessId, number: u32) -> Result<String, StoreError> {
        self.names().document("slots", &format!("{business}:{number}"))
    }

    /// No identifier of ours holds a tilde, so no two calls have one lease.
    fn lease_name(&self, business: &BusinessId, call: &CallSid) -> Result<String, StoreError> {
        self.names().document("leases", &format!("{business}~{call}"))
    }
}

/// The place a call's name falls on; none when there are no places.
fn first_place(wish: &SlotWish<'_>) -> Option<u32> {
    let mut hash = DefaultHasher::new();
    wish.call.hash(&mut hash);
    let place = hash.finish().checked_rem(u64::from(wish.most))?;
    u32::try_from(place).ok()
}

fn live(leases: &[Held], now_ms: i64) -> u32 {
    let live = leases.iter().filter(|held| held.lease.until_ms > now_ms).count();
    u32::try_from(live).unwrap_or(u32::MAX)
}

fn renewal(
    held: Held,
    instance: &InstanceId,
    until_ms: i64,
    doing: &'static str,
) -> Result<Write, StoreError> {
    let mut fields = codec::fields(&json!({ "instance": instance, "untilMs": until_ms }), doing)?;
    fields.push(expiry(until_ms));
    Ok(merge(held.name, fields, &RENEWED, If::Still(held.version)))
}

/// The field Firestore's own policy of deletion goes by.
fn expiry(until_ms: i64) -> (String, firestore::gcloud_sdk::google::firestore::v1::Value) {
    ("expiresAt".to_owned(), codec::timestamp(until_ms.saturating_add(LEASE_LASTS_MS)))
}
