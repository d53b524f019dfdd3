//! The second net: Twilio's list of calls in progress against ours.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::super::Order;
use super::super::effects::chain;
use super::super::slots::asked;
use super::{Deed, Orphans, Trouble, due, is_there, trouble};
use crate::call::Command;
use crate::clients::{InProgress, Standing};
use crate::domain::{BusinessId, CallRecord, CallSid};

/// A call in Twilio's list may be so young that it is not written down yet, in milliseconds.
const YOUNGEST_MS: i64 = 30_000;

/// Calls of the list looked up in the ledger at one comparison, and calls of ours confirmed as over: each is a question to
/// the store or to Twilio, for something that is rare.
const LOOKED_UP_A_ROUND: usize = 50;
const CONFIRMED_A_ROUND: usize = 20;

impl Orphans {
    /// Compares once.
    pub(super) async fn compare(&mut self) -> Result<(), Trouble> {
        let Some(account) = self.settings.account.clone() else { return Ok(()) };
        // Before the list is asked for: a call that begins meanwhile is not missed in it.
        let ours = self.leases.registry.calls();
        let theirs = match self.twilio.in_progress(&account).await {
            Ok(theirs) => theirs,
            Err(error) if error.is_temporary() => {
                tracing::warn!(error = chain(&error), "cannot read Twilio's list of calls in progress");
                return Err(Trouble::Twilio);
            }
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "Twilio does not show us the account's calls in progress; until the next start nobody asks again, and only leases tell of calls nobody carries"
                );
                self.settings.account = None;
                return Ok(());
            }
        };
        if theirs.complete {
            self.end_what_is_over(&ours, &theirs).await?;
        }
        self.look_after_unleased(theirs).await
    }

    /// Ends calls of which only our socket has not heard that they are over.
    async fn end_what_is_over(
        &self,
        ours: &[(BusinessId, CallSid)],
        theirs: &InProgress,
    ) -> Result<(), Trouble> {
        let listed: BTreeSet<&CallSid> = theirs.calls.iter().map(|standing| &standing.call).collect();
        let missing = ours.iter().filter(|(_, call)| !listed.contains(call)).cloned().collect();
        let suspects = some_of(missing, CONFIRMED_A_ROUND);
        self.each(suspects, |(_, call)| self.end_if_over(call)).await
    }

    async fn end_if_over(&self, call: CallSid) -> Result<(), Trouble> {
        let record = asked("see whose call it is", self.leases.ledger.call(&call)).await?;
        // One of a subaccount is never in the list, and its own account knows better; a test call is in nobody's.
        let Some(record) = record.filter(|record| !record.is_test()) else { return Ok(()) };
        match self.twilio.standing(&record.account, &call).await {
            Ok(Some(standing)) if standing.status.is_over() => {
                if self.leases.registry.command(&call, Order::Tell(Command::CallOver)) {
                    tracing::info!(call.id = %call, "Twilio says that a call is over which was still carried here");
                }
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => trouble(&call, &error),
        }
    }

    /// Looks after calls in progress of which there is no lease at all.
    async fn look_after_unleased(&mut self, theirs: InProgress) -> Result<(), Trouble> {
        let now_ms = (self.leases.clock)();
        let seen_before = std::mem::take(&mut self.unleased);
        if now_ms < self.trusted_from_ms {
            return Ok(());
        }
        let is_candidate = |standing: &Standing| {
            is_there(standing)
                && standing.began_ms.is_none_or(|began_ms| began_ms < now_ms - YOUNGEST_MS)
                && !self.leases.registry.contains(&standing.call)
                && !self.strangers.contains_key(&standing.call)
                && !self.elsewhere.contains_key(&standing.call)
        };
        let candidates = theirs.calls.into_iter().filter(is_candidate).collect();
        let mut orphans = Vec::new();
        for Standing { call, .. } in some_of(candidates, LOOKED_UP_A_ROUND) {
            let record = asked("see whose call it is", self.leases.ledger.call(&call)).await?;
            match record.map(|record| (due(&record), record)) {
                None => self.strangers.insert(call, ()),
                Some((None, _)) => self.elsewhere.insert(call, ()),
                Some((Some(deed), record)) if seen_before.contains(&call) => orphans.push((record, deed)),
                Some((Some(_), _)) => {
                    self.unleased.insert(call);
                }
            }
        }
        self.each(orphans, |(record, deed)| self.look_after_one_without_a_lease(record, deed)).await
    }

    async fn look_after_one_without_a_lease(&self, record: CallRecord, deed: Deed) -> Result<(), Trouble> {
        // There is a lease after all: of whoever carries it, or one that has lapsed and is looked at as such.
        self.elsewhere.insert(record.call.clone(), ());
        self.look_after(&record, deed, None).await
    }
}

/// Some of many, by chance: those that come to nothing are not in the way of the others for ever.
pub(super) fn some_of<T>(mut all: Vec<T>, most: usize) -> Vec<T> {
    if all.len() > most {
        let (chance, _) = Uuid::new_v4().as_u64_pair();
        let length = u64::try_from(all.len()).unwrap_or(u64::MAX);
        all.rotate_left(usize::try_from(chance % length).unwrap_or(0));
        all.truncate(most);
    }
    all
}
