//! Each pass opens one stream, once.

use std::time::Duration;

use moka::sync::Cache;
use tokio::time::timeout;

use crate::domain::{CallSid, InstanceId};
use crate::store::{Ledger, StoreError};

/// A pass is valid for a minute; what was used is remembered for longer than any clock of ours may be wrong.
const REMEMBERED: Duration = Duration::from_secs(600);

/// A hundred bytes each: ten megabytes, and three hundred streams a second for as long as they are remembered.
const MAX_REMEMBERED: u64 = 100_000;

/// The caller hears silence meanwhile, and Twilio's audio of so long is kept and not lost.
const CLAIM_PATIENCE: Duration = Duration::from_millis(500);

/// The passes that were used here.
#[derive(Debug)]
pub(super) struct Passes {
    used: Cache<(CallSid, u8), ()>,
}

impl Passes {
    pub(super) fn new() -> Self {
        Self { used: Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(REMEMBERED).build() }
    }

    /// Whether this is the pass's first use: here, by memory; on all instances, by the ledger. A ledger that cannot be
    /// asked, or does not know the call yet, leaves the decision to memory: the pass is genuine and a minute old at
    /// most, and refusing a caller for the store's sake would be a dead end.
    pub(super) async fn first_use(
        &self,
        ledger: &dyn Ledger,
        call: &CallSid,
        attempt: u8,
        instance: &InstanceId,
    ) -> bool {
        if !self.used.entry((call.clone(), attempt)).or_insert(()).is_fresh() {
            return false;
        }
        let claim = async {
            if ledger.claim_attempt(call, attempt, instance).await? {
                return Ok(true);
            }
            Ok::<bool, StoreError>(ledger.call(call).await?.is_none())
        };
        match timeout(CLAIM_PATIENCE, claim).await {
            Ok(Ok(first)) => first,
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot ask the store whether a pass was used; memory decides");
                true
            }
            Err(_elapsed) => {
                tracing::warn!("the store is too slow to say whether a pass was used; memory decides");
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Mood, TestLedger, call_sid};
    use super::*;

    async fn uses(ledger: TestLedger) -> [bool; 3] {
        let passes = Passes::new();
        let (call, here) = (call_sid(), InstanceId::parse("here").unwrap());
        [
            passes.first_use(&ledger, &call, 1, &here).await,
            passes.first_use(&ledger, &call, 1, &here).await,
            passes.first_use(&ledger, &call, 2, &here).await,
        ]
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_is_used_once_an_attempt_even_when_the_store_is_away() {
        for mood in [Mood::Well, Mood::Down, Mood::Stuck] {
            assert_eq!(uses(TestLedger::new(mood)).await, [true, false, true], "{mood:?}");
        }
    }

    #[tokio::test]
    async fn a_pass_used_on_another_instance_is_refused_here() {
        let ledger = TestLedger { claim: false, ..TestLedger::new(Mood::Well) };
        assert_eq!(uses(ledger).await, [false; 3]);
    }

    #[tokio::test]
    async fn a_call_the_store_does_not_know_yet_is_not_refused_for_it() {
        let ledger = TestLedger { claim: false, known: false, ..TestLedger::new(Mood::Well) };
        assert_eq!(uses(ledger).await, [true, false, true]);
    }
}
