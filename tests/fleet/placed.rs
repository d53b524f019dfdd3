//! Calls that were placed, by what their telephones and the ledger say of them.

use std::collections::BTreeMap;

use frontdesk::domain::CallRecord;
use frontdesk::sim::socket::{PhoneEvent, PhoneReport};

use crate::fleet::{Fleet, until};

/// What became of one call.
pub(crate) struct Placed {
    pub(crate) report: PhoneReport,
    pub(crate) record: Option<CallRecord>,
}

/// Waits until the ledger says of every call that it is over.
pub(crate) async fn settled(fleet: &Fleet, reports: Vec<PhoneReport>) -> Vec<Placed> {
    let ledger = fleet.store.ledger();
    let mut placed = Vec::new();
    for report in reports {
        until("a call is not over in the ledger", async || {
            ledger.call(&report.call).await.unwrap().is_none_or(|record| record.ended_ms.is_some())
        })
        .await;
        let record = ledger.call(&report.call).await.unwrap();
        placed.push(Placed { report, record });
    }
    placed
}

impl Placed {
    /// What the telephone network would charge for: from the answer to the end, in milliseconds.
    pub(crate) fn measured_ms(&self) -> i64 {
        let answered = self.report.when(|event| matches!(event, PhoneEvent::Answered { status: 200, .. }));
        let over = self.report.when(|event| *event == PhoneEvent::Over).unwrap();
        answered.map_or(0, |answered| i64::try_from(over.since(answered).as_millis()).unwrap())
    }

    /// What the ledger charges for, in milliseconds.
    fn metered_ms(&self) -> i64 {
        self.record.as_ref().map_or(0, |record| i64::try_from(record.talked_ms()).unwrap())
    }

    /// How far the two are from each other, in milliseconds.
    pub(crate) fn error_ms(&self) -> i64 {
        self.metered_ms() - self.measured_ms()
    }

    /// How many streams broke under it.
    pub(crate) fn broken_streams(&self) -> usize {
        self.report.events.iter().filter(|(_, event)| *event == PhoneEvent::ServerClosed(None)).count()
    }

    /// Whether a webhook of it was asked of an instance that was killed before it answered.
    pub(crate) fn lost_a_webhook(&self) -> bool {
        self.report.problems().iter().any(|problem| problem.contains("could not be"))
    }
}

/// Each call was metered to `tolerance_ms`, and each month is the sum of its calls.
pub(crate) async fn is_metered(fleet: &Fleet, placed: &[Placed], tolerance_ms: i64) {
    let wrong: Vec<_> = placed.iter().filter(|call| call.error_ms().abs() > tolerance_ms).collect();
    for call in &wrong {
        println!("{} ms wrong: {:#?}\n{:#?}", call.error_ms(), call.report.events, call.record);
    }
    assert!(wrong.is_empty(), "{} calls are metered wrongly", wrong.len());
    let mut sums = BTreeMap::new();
    for record in placed.iter().filter_map(|call| call.record.as_ref()) {
        *sums.entry(record.business.clone()).or_insert(0) += record.talked_ms();
    }
    for (business, talked_ms) in sums {
        let months = fleet.store.ledger().months(&business).await.unwrap();
        assert_eq!(months.iter().map(|month| month.talked_ms).sum::<u64>(), talked_ms, "{business}");
    }
}
