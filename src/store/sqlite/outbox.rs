//! Notices in SQLite.

use async_trait::async_trait;
use sqlx::FromRow;

use super::{Sqlite, Writing, bad_id, failed};
use crate::domain::{BusinessId, Notice, NoticeId};
use crate::store::{Delivery, NOTICES_LISTED, Outbox, StoreError, document};

#[async_trait]
impl Outbox for Sqlite {
    async fn post(&self, notice: &Notice) -> Result<(), StoreError> {
        const DOING: &str = "keep a notice";
        let mut change = self.change(DOING).await?;
        put_notice(&mut change, notice, DOING).await?;
        change.commit().await.map_err(failed(DOING))
    }

    async fn take_due(&self, now_ms: i64, again_ms: i64, most: u32) -> Result<Vec<Notice>, StoreError> {
        const DOING: &str = "take the notices that are due";
        let mut change = self.change(DOING).await?;
        let rows: Vec<NoticeRow> = sqlx::query_as(
            "select id, business, about, created_ms, due_ms, tries, last_error from outbox
             where state = 'waiting' and due_ms <= ? order by due_ms, id limit ?",
        )
        .bind(now_ms)
        .bind(i64::from(most))
        .fetch_all(&mut *change)
        .await
        .map_err(failed(DOING))?;
        let mut due = Vec::with_capacity(rows.len());
        for row in rows {
            sqlx::query("update outbox set tries = tries + 1, due_ms = ? where id = ?")
                .bind(again_ms)
                .bind(&row.id)
                .execute(&mut *change)
                .await
                .map_err(failed(DOING))?;
            match row.notice(DOING) {
                Ok(notice) => {
                    let tries = notice.tries.saturating_add(1);
                    due.push(Notice { due_ms: Some(again_ms), tries, ..notice });
                }
                // It must not stand before the others for ever: like them, it comes again later.
                Err(error) => tracing::warn!(%error, "a notice cannot be told"),
            }
        }
        change.commit().await.map_err(failed(DOING))?;
        Ok(due)
    }

    async fn settle(&self, id: &NoticeId, outcome: &Delivery) -> Result<(), StoreError> {
        let settled = match outcome {
            Delivery::Done(at_ms) => sqlx::query(
                "update outbox set state = 'delivered', due_ms = null, settled_ms = ?1, last_error = ?2
                 where id = ?3 and state <> 'delivered'",
            )
            .bind(at_ms)
            .bind(None::<&str>),
            Delivery::Later(at_ms, error) => sqlx::query(
                "update outbox set due_ms = ?1, last_error = ?2 where id = ?3 and state = 'waiting'",
            )
            .bind(at_ms)
            .bind(Some(error.as_str())),
            Delivery::GivenUp(at_ms, error) => sqlx::query(
                "update outbox set state = 'given_up', due_ms = null, settled_ms = ?1, last_error = ?2
                 where id = ?3 and state = 'waiting'",
            )
            .bind(at_ms)
            .bind(Some(error.as_str())),
        };
        settled
            .bind(id.as_str())
            .execute(&self.writer)
            .await
            .map_err(failed("keep what became of a notice"))?;
        Ok(())
    }

    async fn notices(&self, business: &BusinessId) -> Result<Vec<Notice>, StoreError> {
        const DOING: &str = "list the notices of a business";
        let rows: Vec<NoticeRow> = sqlx::query_as(
            "select id, business, about, created_ms, due_ms, tries, last_error from outbox
             where business = ? and state <> 'delivered' order by created_ms desc, id desc limit ?",
        )
        .bind(business.as_str())
        .bind(i64::from(NOTICES_LISTED))
        .fetch_all(&self.readers)
        .await
        .map_err(failed(DOING))?;
        rows.into_iter().map(|row| row.notice(DOING)).collect()
    }

    async fn retry(&self, business: &BusinessId, id: &NoticeId, now_ms: i64) -> Result<bool, StoreError> {
        let made_due = sqlx::query(
            "update outbox set state = 'waiting', due_ms = ?, settled_ms = null
             where id = ? and business = ? and state <> 'delivered'",
        )
        .bind(now_ms)
        .bind(id.as_str())
        .bind(business.as_str())
        .execute(&self.writer)
        .await
        .map_err(failed("make a notice due"))?;
        Ok(made_due.rows_affected() > 0)
    }

    async fn forget(&self, before_ms: i64) -> Result<(), StoreError> {
        sqlx::query("delete from outbox where state <> 'waiting' and settled_ms < ?")
            .bind(before_ms)
            .execute(&self.writer)
            .await
            .map_err(failed("forget the notices that are settled"))?;
        Ok(())
    }
}

/// Keeps a notice as part of a change, once.
pub(super) async fn put_notice(
    change: &mut Writing,
    notice: &Notice,
    doing: &'static str,
) -> Result<(), StoreError> {
    let settled_ms = notice.due_ms.is_none().then_some(notice.created_ms);
    sqlx::query(
        "insert into outbox (id, business, about, created_ms, state, due_ms, settled_ms, tries, last_error)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing",
    )
    .bind(notice.id.as_str())
    .bind(notice.business.as_str())
    .bind(document::write(&notice.about, doing)?)
    .bind(notice.created_ms)
    .bind(if notice.due_ms.is_some() { "waiting" } else { "given_up" })
    .bind(notice.due_ms)
    .bind(settled_ms)
    .bind(i64::from(notice.tries))
    .bind(notice.last_error.as_deref())
    .execute(&mut **change)
    .await
    .map_err(failed(doing))?;
    Ok(())
}

/// A row of `outbox`.
#[derive(FromRow)]
struct NoticeRow {
    id: String,
    business: String,
    about: String,
    created_ms: i64,
    due_ms: Option<i64>,
    tries: i64,
    last_error: Option<String>,
}

impl NoticeRow {
    fn notice(self, doing: &'static str) -> Result<Notice, StoreError> {
        Ok(Notice {
            about: document::read(&self.about, || format!("outbox/{}", self.id))?,
            id: NoticeId::parse(&self.id).map_err(bad_id(doing))?,
            business: BusinessId::parse(&self.business).map_err(bad_id(doing))?,
            created_ms: self.created_ms,
            due_ms: self.due_ms,
            tries: u32::try_from(self.tries).unwrap_or(u32::MAX),
            last_error: self.last_error,
        })
    }
}
