//! What follows from a change of a call: its business's month, and that its business is told.

use super::calls::{self, CallRow};
use super::outbox::put_notice;
use super::{Sqlite, Writing, bad_id, failed};
use crate::domain::{BusinessId, CallRecord, CallSid, Month, MonthUsage};
use crate::store::meter::{self, Metered};
use crate::store::{StoreError, document};

/// So many calls are counted in one change when a file of an older program is opened: others may write in between.
const COUNTED_AT_ONCE: u32 = 500;

/// Brings up to date what hangs on a call; to be called in every change of what is known of one. Of a call that was not
/// opened yet nothing is known to hang on: it is looked at when it is.
pub(super) async fn follow(
    change: &mut Writing,
    call: &CallSid,
    doing: &'static str,
) -> Result<(), StoreError> {
    let row: Option<CallRow> = sqlx::query_as(calls::ONE)
        .bind(call.as_str())
        .fetch_optional(&mut **change)
        .await
        .map_err(failed(doing))?;
    let Some(row) = row else { return Ok(()) };
    let (metered, told) = (row.metered.clone(), row.told != 0);
    let Some(record) = row.record()? else { return Ok(()) };
    count(change, &record, metered.as_deref(), doing).await?;
    if let (false, Some(notice)) = (told, meter::notice_of(&record)) {
        put_notice(change, &notice, doing).await?;
        sqlx::query("update calls set told = 1 where call = ?")
            .bind(call.as_str())
            .execute(&mut **change)
            .await
            .map_err(failed(doing))?;
    }
    Ok(())
}

/// Changes the month of a call by what is known of it now and was not when it was last counted.
async fn count(
    change: &mut Writing,
    record: &CallRecord,
    metered: Option<&str>,
    doing: &'static str,
) -> Result<(), StoreError> {
    let now = Metered::of(record);
    let before: Option<Metered> = metered
        .map(|text| document::read(text, || format!("what is metered of calls/{}", record.call)))
        .transpose()?;
    if before == Some(now) {
        return Ok(());
    }
    sqlx::query("update calls set metered = ? where call = ?")
        .bind(document::write(&now, doing)?)
        .bind(record.call.as_str())
        .execute(&mut **change)
        .await
        .map_err(failed(doing))?;
    let before = before.unwrap_or_default();
    if before == now {
        return Ok(());
    }
    let (business, name) = (&record.business, Month::of(record.started_ms));
    let kept: Option<String> = sqlx::query_scalar(MONTH)
        .bind(business.as_str())
        .bind(name.to_string())
        .fetch_optional(&mut **change)
        .await
        .map_err(failed(doing))?;
    let mut month = read_month(business, name, kept.as_deref())?;
    Metered::replace(&before, &now, &mut month);
    sqlx::query(
        "insert into months (business, month, document) values (?, ?, ?)
         on conflict (business, month) do update set document = excluded.document",
    )
    .bind(business.as_str())
    .bind(name.to_string())
    .bind(document::write(&month, doing)?)
    .execute(&mut **change)
    .await
    .map_err(failed(doing))?;
    Ok(())
}

impl Sqlite {
    /// One month of a business; nothing when nothing was counted in it.
    pub(super) async fn one_month(
        &self,
        business: &BusinessId,
        month: Month,
    ) -> Result<MonthUsage, StoreError> {
        let kept: Option<String> = sqlx::query_scalar(MONTH)
            .bind(business.as_str())
            .bind(month.to_string())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed("look up what a business used"))?;
        read_month(business, month, kept.as_deref())
    }

    /// All months of a business, the latest first.
    pub(super) async fn all_months(&self, business: &BusinessId) -> Result<Vec<MonthUsage>, StoreError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("select month, document from months where business = ? order by month desc")
                .bind(business.as_str())
                .fetch_all(&self.readers)
                .await
                .map_err(failed("list what a business used"))?;
        rows.iter().map(|(month, text)| document::read(text, || month_path(business, month))).collect()
    }

    /// Counts the calls an older program kept and did not count. One that does not read stays uncounted.
    pub(super) async fn count_uncounted(&self) -> Result<(), StoreError> {
        const DOING: &str = "count the calls that were not counted yet";
        let mut last = String::new();
        loop {
            let mut change = self.change(DOING).await?;
            let calls: Vec<String> = sqlx::query_scalar(
                "select call from calls where metered is null and document is not null and call > ?
                 order by call limit ?",
            )
            .bind(&last)
            .bind(i64::from(COUNTED_AT_ONCE))
            .fetch_all(&mut *change)
            .await
            .map_err(failed(DOING))?;
            let Some(newest) = calls.last() else { return Ok(()) };
            last.clone_from(newest);
            for call in &calls {
                let call = CallSid::parse(call).map_err(bad_id(DOING))?;
                match follow(&mut change, &call, DOING).await {
                    Err(error @ StoreError::Unreadable { .. }) => {
                        tracing::warn!(%error, "a call is not counted");
                    }
                    followed => followed?,
                }
            }
            change.commit().await.map_err(failed(DOING))?;
        }
    }
}

const MONTH: &str = "select document from months where business = ? and month = ?";

fn read_month(business: &BusinessId, month: Month, kept: Option<&str>) -> Result<MonthUsage, StoreError> {
    kept.map_or_else(
        || Ok(MonthUsage::nothing(business.clone(), month)),
        |text| document::read(text, || month_path(business, &month.to_string())),
    )
}

fn month_path(business: &BusinessId, month: &str) -> String {
    format!("months/{business}/{month}")
}
