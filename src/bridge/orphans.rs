//! Calls nobody carries, and calls carried here that are over: what we have is compared with what Twilio has.
//!
//! A lease that lapsed is the trigger. Whoever finds one asks Twilio about that one call: if the caller is still there,
//! Twilio is made to ask us what is next, which resumes the call like any other accident; if a hang-up was meant and did
//! not happen, it is made up for. So what is asked grows with what went wrong, and not with how many calls there are.
//! Twilio's list of calls in progress is the second net: for calls of which there is no lease, and for calls carried here
//! that Twilio knows to be over.
//!
//! Other applications share the account, so no call is touched but those the ledger knows and says nothing against. Several
//! instances look at once; a claim on the call's lease decides which of them acts.

mod list;

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use moka::sync::Cache;
use tokio::time::sleep;
use uuid::Uuid;

use super::effects::chain;
use super::slots::{DEAD_AFTER_MS, LAPSED_A_ROUND, Leases, SLOT_LEASE_MS, Unwell, asked};
use crate::clients::{Done, RestError, Standing, TwilioRest};
use crate::domain::{AccountSid, CallRecord, CallSid, Intention};
use crate::registry::Slot;
use crate::store::{Certainty, Lapsed, LeaseClaim};
use crate::wire::twilio::form::{CallStatus, Direction};

/// Between two looks at the leases, with up to half of it more, so that instances do not look in step.
const BEAT: Duration = Duration::from_secs(5);

/// How long after its lease a call is an orphan. An instance that took the slot in vain lets it lapse; whoever carries the
/// call sees that within a beat and takes the slot within another. With the lease's half minute and a beat, what died is
/// found within 50 s.
const ORPHANED_AFTER_MS: i64 = 12_000;

/// Twilio's list is read every third beat: a second net, and one request for each thousand calls of the account.
const COMPARE_EVERY: u64 = 3;

/// Orphans looked after in one beat. An instance dies with some hundreds; those of one beat are gone in a few seconds, and
/// every living instance takes its share.
const LOOKED_AFTER_A_BEAT: usize = 100;

/// At once: Twilio limits how many requests of an account are under way, and calls that hang up need theirs.
const AT_ONCE: usize = 8;

/// How long nothing is asked after Twilio said that it has enough, or was not there: the first time, and at most.
const REST: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(120)];

/// How long a call is remembered as none of ours; a name of Twilio's is never used twice.
const STRANGER_FOR: Duration = Duration::from_secs(3_600);

/// How long a call of ours is remembered as none of our concern: carried elsewhere, or past the model.
const ELSEWHERE_FOR: Duration = Duration::from_secs(120);

/// A hundred bytes each.
const MAX_REMEMBERED: u64 = 100_000;

/// After a start it is not known how long the store was away before: the living have renewed their leases when this is
/// over, in milliseconds.
const UNTRUSTED_AT_START_MS: i64 = 15_000;

/// What orphans are looked for with.
#[derive(Debug, Clone)]
pub struct OrphanSettings {
    /// The account whose list of calls is read; without it, only leases that lapsed are looked at.
    pub account: Option<AccountSid>,
    /// Whom Twilio asks what is next for a call that nobody carries.
    pub next_url: String,
}

/// Looks for orphans.
#[derive(Debug)]
pub(super) struct Orphans {
    leases: Leases,
    twilio: TwilioRest,
    settings: OrphanSettings,
    strangers: Cache<CallSid, ()>,
    elsewhere: Cache<CallSid, ()>,
    /// Calls without a lease at the last comparison: one that is just being seated is not there at the next.
    unleased: BTreeSet<CallSid>,
    trusted_from_ms: i64,
    rest: Duration,
}

/// What is to be done about a call nobody carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// Twilio is to ask what is next.
    Adopt,
    /// The hang-up that was meant.
    Close,
}

/// Why a round ended early; the log has more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The store did not answer: leases say nothing about the living for a while.
    Store,
    /// Twilio is to be left alone for a while.
    Twilio,
}

impl Orphans {
    pub(super) fn new(leases: Leases, twilio: TwilioRest, settings: OrphanSettings) -> Self {
        let remember = |time| Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(time).build();
        let trusted_from_ms = (leases.clock)() + UNTRUSTED_AT_START_MS;
        let (strangers, elsewhere) = (remember(STRANGER_FOR), remember(ELSEWHERE_FOR));
        let (unleased, rest) = (BTreeSet::new(), Duration::ZERO);
        Self { leases, twilio, settings, strangers, elsewhere, unleased, trusted_from_ms, rest }
    }

    /// Looks for as long as the process lives.
    pub(super) async fn keep(mut self) {
        for beats in 0_u64.. {
            sleep(BEAT + up_to(BEAT / 2) + self.rest).await;
            let compares = beats.is_multiple_of(COMPARE_EVERY);
            match self.on_beat(compares).await {
                Ok(()) => self.rest = Duration::ZERO,
                Err(Trouble::Store) => self.trusted_from_ms = (self.leases.clock)() + DEAD_AFTER_MS,
                Err(Trouble::Twilio) => self.rest = (self.rest * 2).clamp(REST[0], REST[1]),
            }
        }
    }

    async fn on_beat(&mut self, compares: bool) -> Result<(), Trouble> {
        self.look_at_leases().await?;
        if compares { self.compare().await } else { Ok(()) }
    }

    /// The trigger: leases nobody renewed.
    pub(super) async fn look_at_leases(&self) -> Result<(), Trouble> {
        let now_ms = (self.leases.clock)();
        let lapsed = self.leases.slots.lapsed(now_ms, LAPSED_A_ROUND);
        let lapsed = asked("look for calls nobody carries", lapsed).await?;
        let is_orphan = |lapsed: &Lapsed| {
            // Whoever carries it takes its slot again; nobody else needs to look.
            !self.leases.registry.mark(&lapsed.call, Slot::Wanted)
                && lapsed.until_ms < now_ms - ORPHANED_AFTER_MS
                && self.trusted_from_ms <= now_ms
        };
        let orphans: Vec<_> = lapsed.into_iter().filter(is_orphan).take(LOOKED_AFTER_A_BEAT).collect();
        self.each(orphans, |lapsed| self.look_after_lapsed(lapsed)).await
    }

    /// Does something for each, a few at once; after the first trouble no more is begun, and nothing is broken off.
    async fn each<T, F>(&self, these: Vec<T>, deed: impl Fn(T) -> F) -> Result<(), Trouble>
    where
        F: Future<Output = Result<(), Trouble>>,
    {
        let mut these = these.into_iter();
        loop {
            let some: Vec<_> = these.by_ref().take(AT_ONCE).map(&deed).collect();
            if some.is_empty() {
                return Ok(());
            }
            let done: Vec<_> = stream::iter(some).buffer_unordered(AT_ONCE).collect().await;
            done.into_iter().collect::<Result<(), _>>()?;
        }
    }

    async fn look_after_lapsed(&self, lapsed: Lapsed) -> Result<(), Trouble> {
        let record = asked("see what was meant with a call", self.leases.ledger.call(&lapsed.call)).await?;
        // What the ledger does not know is not ours to touch.
        let Some(record) = record.filter(|record| record.business == lapsed.business) else { return Ok(()) };
        match due(&record) {
            Some(deed) => self.look_after(&record, deed, Some(lapsed.until_ms)).await,
            None => Ok(()),
        }
    }

    /// Does what is due, unless another instance does, or Twilio knows better. `seen_until_ms` is when the call's lease ended,
    /// if it has one.
    async fn look_after(
        &self,
        record: &CallRecord,
        deed: Deed,
        seen_until_ms: Option<i64>,
    ) -> Result<(), Trouble> {
        let claimed_until_ms = (self.leases.clock)() + SLOT_LEASE_MS;
        if !self.claim(record, seen_until_ms, claimed_until_ms).await? {
            return Ok(());
        }
        let (account, call) = (&record.account, &record.call);
        let put_back = || self.put_back(record, seen_until_ms, claimed_until_ms);
        match self.twilio.standing(account, call).await {
            Ok(Some(standing)) if standing.status.is_over() => {
                return self.is_over(record, seen_until_ms).await;
            }
            Ok(Some(standing)) if is_there(&standing) => {}
            Ok(_) => return put_back().await,
            Err(error) => {
                put_back().await?;
                return trouble(call, &error);
            }
        }
        match self.carry_out(record, deed).await {
            // Whoever is asked what is next takes the lease over. If nobody is, it lapses, and all begins anew.
            Ok(Done::Changed) if deed == Deed::Adopt => Ok(()),
            Ok(Done::Changed | Done::AlreadyOver) => self.is_over(record, seen_until_ms).await,
            Err(error) => {
                // What may have been heard all the same is not said again before the lease has lapsed.
                if !may_have_been_heard(&error) {
                    put_back().await?;
                }
                trouble(call, &error)
            }
        }
    }

    async fn carry_out(&self, record: &CallRecord, deed: Deed) -> Result<Done, RestError> {
        let CallRecord { account, call, business, .. } = record;
        let done = match deed {
            Deed::Adopt => self.twilio.redirect(account, call, &self.settings.next_url).await?,
            Deed::Close => self.twilio.hang_up(account, call).await?,
        };
        if done == Done::Changed {
            let deed = match deed {
                Deed::Adopt => "it goes on",
                Deed::Close => "it was to be hung up, and is now",
            };
            tracing::warn!(call.id = %call, business.id = %business, "nobody carried a call whose caller is still there: {deed}");
        }
        Ok(done)
    }

    async fn claim(
        &self,
        record: &CallRecord,
        seen_until_ms: Option<i64>,
        until_ms: i64,
    ) -> Result<bool, Trouble> {
        let (business, call, instance) = (&record.business, &record.call, &self.leases.instance);
        let claim = LeaseClaim { business, call, seen_until_ms, instance, until_ms };
        Ok(asked("claim a call nobody carries", self.leases.slots.claim(&claim)).await?)
    }

    /// Leaves the lease as it was found: the next to look sees how long nobody has heard of the call.
    async fn put_back(
        &self,
        record: &CallRecord,
        seen_until_ms: Option<i64>,
        claimed_until_ms: i64,
    ) -> Result<(), Trouble> {
        match seen_until_ms {
            Some(seen_until_ms) => {
                // Another who has it by now has good reasons.
                let _put_back = self.claim(record, Some(claimed_until_ms), seen_until_ms).await?;
                Ok(())
            }
            None => self.free(record).await,
        }
    }

    /// The caller is gone: the call was over when it was last heard of.
    async fn is_over(&self, record: &CallRecord, seen_until_ms: Option<i64>) -> Result<(), Trouble> {
        if let Some(seen_until_ms) = seen_until_ms {
            let alive_ms = seen_until_ms - SLOT_LEASE_MS;
            let end = self.leases.ledger.end_call(&record.call, alive_ms, Certainty::Presumed);
            asked("keep that a call is presumed over", end).await?;
            tracing::info!(call.id = %record.call, "a call nobody carried is over, says Twilio");
        }
        self.free(record).await
    }

    async fn free(&self, record: &CallRecord) -> Result<(), Trouble> {
        let freed = self.leases.slots.free(&record.business, &record.call, &self.leases.instance);
        Ok(asked("give a slot back", freed).await?)
    }
}

impl From<Unwell> for Trouble {
    fn from(_: Unwell) -> Self {
        Self::Store
    }
}

/// What Twilio's refusal means to a round: the other calls may fare better, unless Twilio is away or has enough.
fn trouble(call: &CallSid, error: &RestError) -> Result<(), Trouble> {
    tracing::warn!(call.id = %call, error = chain(error), "cannot look after a call through Twilio's REST interface");
    if error.is_temporary() { Err(Trouble::Twilio) } else { Ok(()) }
}

/// What is due when nobody carries a call. Nothing, when it is over, or when the model's part is: a transfer and a fallback
/// are between the caller and Twilio. Nothing either for a test call, of which Twilio knows nothing: its lease lapses, and
/// it is presumed over.
fn due(record: &CallRecord) -> Option<Deed> {
    if record.ended_ms.is_some() || record.is_test() {
        return None;
    }
    match &record.intention {
        None => Some(Deed::Adopt),
        Some(Intention::HangUp) => Some(Deed::Close),
        Some(Intention::Transfer(_) | Intention::FallBack) => None,
    }
}

/// Whether somebody who called us is on the line.
fn is_there(standing: &Standing) -> bool {
    standing.direction == Direction::Inbound && standing.status == CallStatus::InProgress
}

/// Whether Twilio may have done what it did not say it did.
fn may_have_been_heard(error: &RestError) -> bool {
    match error {
        RestError::Unreachable(error) => !error.is_connect(),
        RestError::Timeout => true,
        RestError::Url
        | RestError::Setup(_)
        | RestError::Unreadable
        | RestError::TooLarge
        | RestError::Refused { .. } => false,
    }
}

/// A time by chance, up to the longest.
fn up_to(longest: Duration) -> Duration {
    let (chance, _) = Uuid::new_v4().as_u64_pair();
    longest.mul_f64(f64::from(u32::try_from(chance >> 32).unwrap_or(0)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests;
