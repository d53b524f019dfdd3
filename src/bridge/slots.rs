//! Slots in the life of a call: taken before it begins or as it goes on, renewed while it is carried here, given back when
//! it ends on purpose. After an accident the slot stays, for whoever goes on with the call takes it over; and the slots
//! of an instance that died tell which of its calls nobody went on with.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Order;
use crate::call::Brief;
use crate::domain::{BusinessId, CallSid, Ending, InstanceId};
use crate::registry::{Registry, Slot};
use crate::store::{Certainty, Lapsed, Ledger, Seating, SlotWish, Slots, StoreError};

/// How long a slot is held without being renewed, in milliseconds: so soon after an instance has died, its slots are free. Shorter, and a
/// store that stumbles would cost living calls theirs.
pub const SLOT_LEASE_MS: i64 = 30_000;

/// The beat of all that is done here over and over.
const BEAT: Duration = Duration::from_secs(5);

/// Leases are renewed every second beat, and at every beat while the store does not answer: it may be away for twenty
/// seconds until the first is lost.
const RENEW_EVERY: u64 = 2;

/// Leases that nobody renewed are looked for every third beat: nobody waits for what is found.
const SWEEP_EVERY: u64 = 3;

/// How long after its lease a call is presumed over. Twilio asks within seconds what is next when an instance dies, and
/// whoever answers takes the slot over; what is left after a minute and a half without a word has no caller any more.
pub(super) const DEAD_AFTER_MS: i64 = 60_000;

/// Leases renewed in one question: a change of a few milliseconds, for which others wait.
const RENEWED_AT_ONCE: usize = 200;

/// Calls without a slot that are seated in one round: those that began while the store was away.
const SEATED_A_ROUND: usize = 50;

/// Lapsed leases looked at in one round. An instance dies with some hundreds of calls at most, and there is no hurry.
pub(super) const LAPSED_A_ROUND: u32 = 200;

/// Nobody waits for what is asked here, but the next beat.
const PATIENCE: Duration = Duration::from_secs(3);

/// Looks after the slots of the calls that are carried here.
#[derive(Debug, Clone)]
pub(super) struct Leases {
    pub(super) slots: Arc<dyn Slots>,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) registry: Registry<Order>,
    pub(super) instance: InstanceId,
    /// What time of day it is, in milliseconds since 1970.
    pub(super) clock: fn() -> i64,
}

/// The store did not do what it was asked, which is in the log.
#[derive(Debug)]
pub(super) struct Unwell;

impl Leases {
    /// Takes the slot of a call that goes on in any case: over from another instance, or one that is free. When there is
    /// none it takes one beyond the plan: a lease says above all that somebody carries the call, and whoever is on the
    /// line counts.
    pub(super) fn seat_one(self, brief: &Brief, most: u32) -> impl Future<Output = ()> + Send + use<> {
        let (business, call) = (brief.business.id.clone(), brief.call.clone());
        async move {
            // What was not well is in the log.
            let _well = self.take(&business, &call, most).await;
        }
    }

    async fn take(&self, business: &BusinessId, call: &CallSid, most: u32) -> Result<(), Unwell> {
        for most in [most, u32::MAX] {
            let now_ms = (self.clock)();
            let until_ms = now_ms + SLOT_LEASE_MS;
            let wish = SlotWish { business, call, instance: &self.instance, most, now_ms, until_ms };
            let seating = asked("take a slot for a call that goes on", self.slots.take(&wish)).await?;
            if seating == Seating::Full {
                tracing::debug!(call.id = %call, "a call goes on beyond the slots of its plan");
                continue;
            }
            if !self.registry.mark(call, Slot::Taken) {
                // It ended meanwhile.
                self.free(business, call).await;
            }
            break;
        }
        Ok(())
    }

    /// A stream of a call is over here, and off the list: gives the slot back, unless the call goes on.
    pub(super) async fn on_end(&self, business: &BusinessId, call: &CallSid, attempt: u8, ending: &Ending) {
        if ending.is_accident() || self.registry.contains(call) {
            return;
        }
        if *ending == Ending::NeverConnected && self.is_elsewhere(call, attempt).await {
            tracing::info!(call.id = %call, "the caller who was waited for here is carried by another instance");
            return;
        }
        self.free(business, call).await;
    }

    async fn free(&self, business: &BusinessId, call: &CallSid) {
        // One that cannot be given back is free when its lease is over.
        let _well = asked("give a slot back", self.slots.free(business, call, &self.instance)).await;
    }

    /// Whether another instance carries the call. When nobody can say, it may: its slot is not ours to give away.
    async fn is_elsewhere(&self, call: &CallSid, attempt: u8) -> bool {
        match asked("see who carries a call", self.ledger.call(call)).await {
            Ok(record) => record.is_some_and(|record| record.is_claimed_by_another(attempt, &self.instance)),
            Err(Unwell) => true,
        }
    }

    /// Renews, seats and sweeps for as long as the process lives.
    pub(super) async fn keep(self) {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // After a time without the store nobody's lease was renewed: whose instance has died shows only when the living
        // have had the time to renew theirs.
        let mut trusted_from = i64::MIN;
        let mut was_well = true;
        for beats in 0_u64.. {
            beat.tick().await;
            let renews = beats.is_multiple_of(RENEW_EVERY) || !was_well;
            let trusted = (self.clock)() >= trusted_from;
            was_well = self.on_beat(beats, renews, trusted).await.is_ok();
            if !was_well {
                trusted_from = (self.clock)() + DEAD_AFTER_MS;
            }
        }
    }

    async fn on_beat(&self, beats: u64, renews: bool, trusted: bool) -> Result<(), Unwell> {
        if renews {
            self.renew().await?;
        }
        if beats.is_multiple_of(SWEEP_EVERY) {
            self.sweep(trusted).await?;
        }
        self.seat_those_without().await
    }

    async fn renew(&self) -> Result<(), Unwell> {
        for calls in self.registry.calls().chunks(RENEWED_AT_ONCE) {
            let until_ms = (self.clock)() + SLOT_LEASE_MS;
            asked("renew the slots of calls", self.slots.renew(&self.instance, calls, until_ms)).await?;
        }
        Ok(())
    }

    async fn seat_those_without(&self) -> Result<(), Unwell> {
        for (business, call, most) in self.registry.wanting().into_iter().take(SEATED_A_ROUND) {
            self.take(&business, &call, most).await?;
        }
        Ok(())
    }

    /// Ends the calls of instances that died, when nobody went on with them. Several instances may do so at once.
    async fn sweep(&self, trusted: bool) -> Result<(), Unwell> {
        let now_ms = (self.clock)();
        let lapsed =
            asked("look for calls nobody carries", self.slots.lapsed(now_ms, LAPSED_A_ROUND)).await?;
        for lapsed in lapsed {
            // An instance that only waited for this caller took the slot, and holds it no longer: it is ours.
            if self.registry.mark(&lapsed.call, Slot::Wanted) {
                continue;
            }
            if trusted && lapsed.until_ms < now_ms - DEAD_AFTER_MS {
                self.presume_over(&lapsed).await?;
            }
        }
        Ok(())
    }

    async fn presume_over(&self, lapsed: &Lapsed) -> Result<(), Unwell> {
        // A lease ends so long after it was renewed, and that is when the call was surely alive.
        let alive_ms = lapsed.until_ms - SLOT_LEASE_MS;
        let end = self.ledger.end_call(&lapsed.call, alive_ms, Certainty::Presumed);
        asked("keep that a call is presumed over", end).await?;
        asked("forget a slot nobody renewed", self.slots.bury(lapsed)).await?;
        tracing::info!(call.id = %lapsed.call, business.id = %lapsed.business, "nobody has renewed a slot: its call is presumed over");
        Ok(())
    }
}

/// What the store answers in time.
pub(super) async fn asked<T>(
    what: &str,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, Unwell> {
    match timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => tracing::warn!(%error, "cannot {what}"),
        Err(_elapsed) => tracing::warn!("cannot {what}: the store is too slow"),
    }
    Err(Unwell)
}

#[cfg(test)]
mod tests;
