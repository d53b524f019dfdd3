//! What follows from a change of a call: its business's month, and that its business is told. It is part of the same
//! commit, so that neither can be without the other.

use firestore::gcloud_sdk::google::firestore::v1::Write;
use serde_json::{Value as Json, json};

use super::Firestore;
use super::ask::Patience;
use super::call_document::CallDocument;
use super::codec;
use super::outbox::new_notice;
use super::queries;
use super::write::{If, adding, merge};
use crate::domain::{BusinessId, CallSid, Month, MonthUsage};
use crate::store::StoreError;
use crate::store::meter::{self, Metered};

impl Firestore {
    /// A notice that is there already was no work of this call's document, but it need not be kept again.
    pub(super) async fn see_what_is_told(
        &self,
        doing: &'static str,
        call: &CallSid,
        document: &mut CallDocument,
    ) -> Result<(), StoreError> {
        let Some(notice) = document.record(call).as_ref().and_then(meter::notice_of) else { return Ok(()) };
        let name = self.names().document("outbox", notice.id.as_str())?;
        document.known.told |= self.get_one(doing, Patience::Change, name).await?.is_some();
        Ok(())
    }

    /// Brings what was counted of a call up to date, and gives the changes that go with it. Of a call that was not opened
    /// nothing is known to follow: it is looked at when it is.
    pub(super) fn follow(
        &self,
        call: &CallSid,
        document: &mut CallDocument,
        doing: &'static str,
    ) -> Result<Vec<Write>, StoreError> {
        let Some(record) = document.record(call) else { return Ok(Vec::new()) };
        let mut writes = Vec::new();
        let (before, now) = (document.known.metered, Metered::of(&record));
        if before != now {
            document.known.metered = now;
            writes.push(self.count(&record.business, Month::of(record.started_ms), &before, &now, doing)?);
        }
        if let (false, Some(notice)) = (document.known.told, meter::notice_of(&record)) {
            document.known.told = true;
            writes.push(new_notice(self, &notice, doing)?);
        }
        Ok(writes)
    }

    /// Adds to a month what is known of a call now and was not counted before. Sums that are added to by the database are
    /// right whoever else adds to them meanwhile.
    fn count(
        &self,
        business: &BusinessId,
        month: Month,
        before: &Metered,
        now: &Metered,
        doing: &'static str,
    ) -> Result<Write, StoreError> {
        let name = self.month_name(business, month)?;
        let whose = codec::fields(&json!({ "business": business, "month": month }), doing)?;
        let failed = |source: serde_json::Error| StoreError::Failed { doing, source: source.into() };
        let before = serde_json::to_value(before).map_err(failed)?;
        let now = serde_json::to_value(now).map_err(failed)?;
        let mut sums = Vec::new();
        differences(&before, &now, "", &mut sums);
        Ok(adding(merge(name, whose, &["business", "month"], If::Ever), sums))
    }

    /// One month of a business; nothing when nothing was counted in it.
    pub(super) async fn one_month(
        &self,
        business: &BusinessId,
        month: Month,
    ) -> Result<MonthUsage, StoreError> {
        let name = self.month_name(business, month)?;
        match self.get_one("look up what a business used", Patience::Lookup, name).await? {
            Some(stored) => self.read(stored),
            None => Ok(MonthUsage::nothing(business.clone(), month)),
        }
    }

    /// All months of a business, the latest first.
    pub(super) async fn all_months(&self, business: &BusinessId) -> Result<Vec<MonthUsage>, StoreError> {
        let found =
            self.find("list what a business used", Patience::List, queries::months_of(business)).await?;
        let months = found.into_iter().map(|stored| self.read(stored));
        let mut months = months.collect::<Result<Vec<MonthUsage>, _>>()?;
        months.sort_by_key(|usage| std::cmp::Reverse(usage.month));
        Ok(months)
    }

    fn month_name(&self, business: &BusinessId, month: Month) -> Result<String, StoreError> {
        self.names().document("usage", &format!("{business}:{month}"))
    }
}

/// Every number by its path, and by how much it is more now. Those that stay the same are there too, so that a month's
/// document has all of them.
fn differences(before: &Json, now: &Json, path: &str, found: &mut Vec<(String, i64)>) {
    if let Json::Object(fields) = now {
        for (name, now) in fields {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            differences(before.get(name).unwrap_or(&Json::Null), now, &path, found);
        }
        return;
    }
    let whole = |json: &Json| json.as_i64().unwrap_or_else(|| json.as_u64().map_or(0, |_| i64::MAX));
    found.push((path.to_owned(), whole(now).saturating_sub(whole(before))));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::{CallRecord, MicroDollars};
    use crate::store::conformance::one_call;

    #[test]
    fn a_correction_changes_the_month_by_the_difference_and_every_sum_has_its_field() {
        let record = CallRecord {
            answered_ms: Some(1_000),
            ended_ms: Some(61_000),
            cost: MicroDollars::new(5),
            ..one_call()
        };
        let longer = Metered::of(&record);
        let shorter = Metered::of(&CallRecord { ended_ms: Some(31_000), ..record });
        let json = |metered: &Metered| serde_json::to_value(metered).unwrap();
        let mut found = Vec::new();
        differences(&json(&longer), &json(&shorter), "", &mut found);
        assert!(found.contains(&("talkedMs".to_owned(), -30_000)), "{found:?}");
        assert!(found.contains(&("calls".to_owned(), 0)), "{found:?}");

        let month = MonthUsage::nothing(one_call().business, Month::of(0));
        let mut all = Vec::new();
        differences(&Json::Null, &serde_json::to_value(&month).unwrap(), "", &mut all);
        let paths = |list: &[(String, i64)]| -> BTreeSet<String> {
            let paths = list.iter().map(|(path, _)| path.clone());
            paths.filter(|path| path != "business" && path != "month").collect()
        };
        assert_eq!(paths(&found), paths(&all));
    }
}
