//! Notices in Firestore.

use async_trait::async_trait;
use firestore::gcloud_sdk::google::firestore::v1::Write;
use serde_json::json;

use super::ask::{Commit, Contest, Patience, Stored};
use super::codec::Fields;
use super::write::{If, delete, merge, put};
use super::{Firestore, codec, queries};
use crate::domain::{BusinessId, Notice, NoticeId};
use crate::store::{Delivery, Outbox, StoreError};

/// It is tried again and again.
const WAITING: &str = "waiting";
/// It arrived; it stays for a while, so that the same thing is not told again.
const DELIVERED: &str = "delivered";
/// It was tried for long enough.
const GIVEN_UP: &str = "givenUp";

/// How long Firestore itself lets a delivered notice be, in milliseconds: longer than the day for which the same thing is
/// not told again, and than whoever forgets them is ever late.
const DELIVERED_LASTS_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// So many are forgotten by one commit.
const FORGOTTEN_AT_ONCE: u32 = 300;

#[async_trait]
impl Outbox for Firestore {
    async fn post(&self, notice: &Notice) -> Result<(), StoreError> {
        const DOING: &str = "keep a notice";
        // Refused is as good as made: it is there.
        self.commit(DOING, Patience::Change, vec![new_notice(self, notice, DOING)?]).await.map(drop)
    }

    async fn take_due(&self, now_ms: i64, again_ms: i64, most: u32) -> Result<Vec<Notice>, StoreError> {
        const DOING: &str = "take the notices that are due";
        let found = self.find(DOING, Patience::List, queries::due_notices(now_ms, most)).await?;
        let tries = found.into_iter().map(|stored| self.take_one(DOING, stored, again_ms));
        let taken = futures_util::future::join_all(tries).await;
        let mut due = Vec::with_capacity(taken.len());
        let mut trouble = None;
        for notice in taken {
            match notice {
                Ok(notice) => due.extend(notice),
                Err(error @ StoreError::Unreadable { .. }) => {
                    tracing::warn!(%error, "a notice cannot be told");
                }
                Err(error) => trouble = Some(error),
            }
        }
        // What was taken beside a failure must not be lost.
        trouble.filter(|_| due.is_empty()).map_or(Ok(due), Err)
    }

    async fn settle(&self, id: &NoticeId, outcome: &Delivery) -> Result<(), StoreError> {
        const DOING: &str = "keep what became of a notice";
        let name = self.names().document("outbox", id.as_str())?;
        let (state, due_ms, settled_ms, error) = match outcome {
            Delivery::Done(at_ms) => (DELIVERED, None, Some(at_ms), None),
            Delivery::Later(at_ms, error) => (WAITING, Some(at_ms), None, Some(error)),
            Delivery::GivenUp(at_ms, error) => (GIVEN_UP, None, Some(at_ms), Some(error)),
        };
        let mut contest = Contest::new(DOING);
        loop {
            let Some(stored) = self.get_one(DOING, Patience::Change, name.clone()).await? else {
                return Ok(());
            };
            // What was delivered stays so; what was given up can still turn out to have arrived.
            let before = stored.text("state").unwrap_or(WAITING);
            if before == DELIVERED || (before == GIVEN_UP && state != DELIVERED) {
                return Ok(());
            }
            let mut fields = codec::fields(
                &json!({ "state": state, "dueMs": due_ms, "settledMs": settled_ms, "lastError": error }),
                DOING,
            )?;
            if let Delivery::Done(at_ms) = outcome {
                let until_ms = at_ms.saturating_add(DELIVERED_LASTS_MS);
                fields.push(("expiresAt".to_owned(), codec::timestamp(until_ms)));
            }
            let paths = ["state", "dueMs", "settledMs", "lastError", "expiresAt"];
            let write = merge(name.clone(), fields, &paths, If::Still(stored.version));
            if self.commit(DOING, Patience::Change, vec![write]).await? == Commit::Made {
                return Ok(());
            }
            contest.lost().await?;
        }
    }

    async fn notices(&self, business: &BusinessId) -> Result<Vec<Notice>, StoreError> {
        let query = queries::notices_of(business, &[WAITING, GIVEN_UP]);
        let found = self.find("list the notices of a business", Patience::List, query).await?;
        found.into_iter().map(|stored| self.read(stored)).collect()
    }

    async fn retry(&self, business: &BusinessId, id: &NoticeId, now_ms: i64) -> Result<bool, StoreError> {
        const DOING: &str = "make a notice due";
        let Ok(name) = self.names().document("outbox", id.as_str()) else { return Ok(false) };
        let mut contest = Contest::new(DOING);
        loop {
            let Some(stored) = self.get_one(DOING, Patience::Change, name.clone()).await? else {
                return Ok(false);
            };
            let is_theirs = stored.text("business") == Some(business.as_str());
            if !is_theirs || stored.text("state") == Some(DELIVERED) {
                return Ok(false);
            }
            let fields = codec::fields(&json!({ "state": WAITING, "dueMs": now_ms }), DOING)?;
            let paths = ["state", "dueMs", "settledMs"];
            let write = merge(name.clone(), fields, &paths, If::Still(stored.version));
            if self.commit(DOING, Patience::Change, vec![write]).await? == Commit::Made {
                return Ok(true);
            }
            contest.lost().await?;
        }
    }

    async fn forget(&self, before_ms: i64) -> Result<(), StoreError> {
        const DOING: &str = "forget the notices that are settled";
        loop {
            let query = queries::settled_notices(before_ms, FORGOTTEN_AT_ONCE);
            let found = self.find(DOING, Patience::List, query).await?;
            let whole = found.len() < usize::try_from(FORGOTTEN_AT_ONCE).unwrap_or(usize::MAX);
            // One that was made due meanwhile stays.
            let gone = found.into_iter().map(|stored| delete(stored.name, If::Still(stored.version)));
            self.each(DOING, gone.collect()).await?;
            if whole {
                return Ok(());
            }
        }
    }
}

impl Firestore {
    /// Takes one that was found due, unless somebody else was quicker: it is theirs then.
    async fn take_one(
        &self,
        doing: &'static str,
        stored: Stored,
        again_ms: i64,
    ) -> Result<Option<Notice>, StoreError> {
        let (name, version) = (stored.name.clone(), stored.version);
        let tries =
            stored.fields.get("tries").and_then(serde_json::Value::as_u64).unwrap_or(0).saturating_add(1);
        let fields = codec::fields(&json!({ "tries": tries, "dueMs": again_ms }), doing)?;
        let write = merge(name, fields, &["tries", "dueMs"], If::Still(version));
        if self.commit(doing, Patience::Change, vec![write]).await? == Commit::Outdated {
            return Ok(None);
        }
        // One that does not read was taken all the same: it must not stand before the others for ever.
        let notice: Notice = self.read(stored)?;
        let tries = u32::try_from(tries).unwrap_or(u32::MAX);
        Ok(Some(Notice { due_ms: Some(again_ms), tries, ..notice }))
    }
}

/// Keeps a notice that is not there yet.
pub(super) fn new_notice(
    store: &Firestore,
    notice: &Notice,
    doing: &'static str,
) -> Result<Write, StoreError> {
    let name = store.names().document("outbox", notice.id.as_str())?;
    let mut fields: Fields = codec::fields(notice, doing)?;
    let (state, settled_ms) = match notice.due_ms {
        Some(_) => (WAITING, None),
        None => (GIVEN_UP, Some(notice.created_ms)),
    };
    fields.extend(codec::fields(&json!({ "state": state, "settledMs": settled_ms }), doing)?);
    Ok(put(name, fields, If::New))
}
