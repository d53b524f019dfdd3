//! Leases on calls in SQLite.

use async_trait::async_trait;

use super::{Sqlite, bad_id, failed};
use crate::domain::{BusinessId, CallSid, InstanceId};
use crate::store::{Lapsed, LeaseClaim, Seating, SlotWish, Slots, StoreError};

#[async_trait]
impl Slots for Sqlite {
    async fn take(&self, wish: &SlotWish<'_>) -> Result<Seating, StoreError> {
        const DOING: &str = "take a slot for a call";
        let mut change = self.change(DOING).await?;
        let renewed =
            sqlx::query("update slots set instance = ?, until_ms = ? where business = ? and call = ?")
                .bind(wish.instance.as_str())
                .bind(wish.until_ms)
                .bind(wish.business.as_str())
                .bind(wish.call.as_str())
                .execute(&mut *change)
                .await
                .map_err(failed(DOING))?;
        if renewed.rows_affected() == 0 {
            let seated = sqlx::query(
                "insert into slots (business, call, instance, until_ms) select ?1, ?2, ?3, ?4
                 where (select count(*) from slots where business = ?1 and until_ms > ?5) < ?6",
            )
            .bind(wish.business.as_str())
            .bind(wish.call.as_str())
            .bind(wish.instance.as_str())
            .bind(wish.until_ms)
            .bind(wish.now_ms)
            .bind(i64::from(wish.most))
            .execute(&mut *change)
            .await
            .map_err(failed(DOING))?;
            if seated.rows_affected() == 0 {
                return Ok(Seating::Full);
            }
        }
        change.commit().await.map_err(failed(DOING))?;
        Ok(Seating::Seated)
    }

    async fn renew(
        &self,
        instance: &InstanceId,
        calls: &[(BusinessId, CallSid)],
        until_ms: i64,
    ) -> Result<(), StoreError> {
        const DOING: &str = "renew the slots of calls";
        let mut change = self.change(DOING).await?;
        for (business, call) in calls {
            sqlx::query("update slots set until_ms = ? where business = ? and call = ? and instance = ?")
                .bind(until_ms)
                .bind(business.as_str())
                .bind(call.as_str())
                .bind(instance.as_str())
                .execute(&mut *change)
                .await
                .map_err(failed(DOING))?;
        }
        change.commit().await.map_err(failed(DOING))
    }

    async fn free(
        &self,
        business: &BusinessId,
        call: &CallSid,
        instance: &InstanceId,
    ) -> Result<(), StoreError> {
        sqlx::query("delete from slots where business = ? and call = ? and instance = ?")
            .bind(business.as_str())
            .bind(call.as_str())
            .bind(instance.as_str())
            .execute(&self.writer)
            .await
            .map_err(failed("give a slot back"))?;
        Ok(())
    }

    async fn taken(&self, business: &BusinessId, now_ms: i64) -> Result<u32, StoreError> {
        let taken: i64 = sqlx::query_scalar("select count(*) from slots where business = ? and until_ms > ?")
            .bind(business.as_str())
            .bind(now_ms)
            .fetch_one(&self.readers)
            .await
            .map_err(failed("count the slots that are taken"))?;
        Ok(u32::try_from(taken).unwrap_or(u32::MAX))
    }

    async fn lapsed(&self, before_ms: i64, most: u32) -> Result<Vec<Lapsed>, StoreError> {
        const DOING: &str = "list the slots nobody renewed";
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "select business, call, until_ms from slots where until_ms < ? order by until_ms, business, call limit ?",
        )
        .bind(before_ms)
        .bind(i64::from(most))
        .fetch_all(&self.readers)
        .await
        .map_err(failed(DOING))?;
        let lapsed = |(business, call, until_ms): &(String, String, i64)| {
            let business = BusinessId::parse(business).map_err(bad_id(DOING))?;
            Ok(Lapsed { business, call: CallSid::parse(call).map_err(bad_id(DOING))?, until_ms: *until_ms })
        };
        rows.iter().map(lapsed).collect()
    }

    async fn bury(&self, lapsed: &Lapsed) -> Result<(), StoreError> {
        sqlx::query("delete from slots where business = ? and call = ? and until_ms = ?")
            .bind(lapsed.business.as_str())
            .bind(lapsed.call.as_str())
            .bind(lapsed.until_ms)
            .execute(&self.writer)
            .await
            .map_err(failed("forget a slot nobody renewed"))?;
        Ok(())
    }

    async fn claim(&self, claim: &LeaseClaim<'_>) -> Result<bool, StoreError> {
        let claimed = match claim.seen_until_ms {
            Some(seen_until_ms) => sqlx::query(
                "update slots set instance = ?1, until_ms = ?2 where business = ?3 and call = ?4 and until_ms = ?5",
            )
            .bind(claim.instance.as_str())
            .bind(claim.until_ms)
            .bind(claim.business.as_str())
            .bind(claim.call.as_str())
            .bind(seen_until_ms),
            None => sqlx::query(
                "insert into slots (instance, until_ms, business, call) values (?1, ?2, ?3, ?4) on conflict do nothing",
            )
            .bind(claim.instance.as_str())
            .bind(claim.until_ms)
            .bind(claim.business.as_str())
            .bind(claim.call.as_str()),
        };
        let claimed =
            claimed.execute(&self.writer).await.map_err(failed("claim a call nobody seems to carry"))?;
        Ok(claimed.rows_affected() == 1)
    }
}
