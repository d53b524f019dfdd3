//! A call's document: what is known of a call, whoever told it and in whatever order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Firestore;
use super::ask::Stored;
use super::codec::{self, Fields};
use crate::domain::{
    AccountSid, BusinessId, CallRecord, CallSid, Ending, InstanceId, Intention, MicroDollars, Pii, PlanId,
    Recording, StreamEnd, Usage,
};
use crate::store::meter::{self, Metered};
use crate::store::{Certainty, StoreError, document};

/// The field that is there once a call was opened, and by which calls are listed.
const OPENED: &str = "startedMs";

/// What is known of a call.
#[derive(Debug, Default)]
pub(super) struct CallDocument {
    pub(super) opened: Option<Opened>,
    pub(super) known: Known,
}

/// What was written down when the webhook was answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Opened {
    account: AccountSid,
    business: BusinessId,
    plan: PlanId,
    from: Pii<String>,
    to: Pii<String>,
    started_ms: i64,
    opened_by: InstanceId,
    #[serde(default)]
    opened_attempts: u8,
    #[serde(default)]
    opened_ending: Option<Ending>,
    #[serde(default)]
    opened_usage: Usage,
    #[serde(default)]
    opened_cost: MicroDollars,
    #[serde(default)]
    tells: bool,
}

/// What became of it. Streams are by attempt: who claimed one, how it ended, what was recorded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Known {
    pub(super) answered_ms: Option<i64>,
    pub(super) ended_ms: Option<i64>,
    pub(super) presumed_ms: Option<i64>,
    pub(super) intention: Option<Intention>,
    pub(super) claims: BTreeMap<u8, InstanceId>,
    pub(super) streams: BTreeMap<u8, StreamEnd>,
    pub(super) recordings: BTreeMap<u8, Recording>,
    /// What was counted of it in its business's month.
    pub(super) metered: Metered,
    /// Whether its business was told that it is over.
    pub(super) told: bool,
}

/// Every field of ours; what else is in the document stays as it is.
pub(super) const FIELDS: [&str; 20] = [
    "account",
    "business",
    "plan",
    "from",
    "to",
    OPENED,
    "openedBy",
    "openedAttempts",
    "openedEnding",
    "openedUsage",
    "openedCost",
    "tells",
    "answeredMs",
    "endedMs",
    "presumedMs",
    "intention",
    "claims",
    "streams",
    "metered",
    "told",
];

/// The field that is changed without looking at the rest.
pub(super) const INTENTION: &str = "intention";

/// The field beneath which each recording is put without looking at the rest.
pub(super) const RECORDINGS: &str = "recordings";

impl CallDocument {
    pub(super) fn read(store: &Firestore, stored: &Stored) -> Result<Self, StoreError> {
        let readable = || store.names().readable(&stored.name);
        let opened = stored
            .fields
            .contains_key(OPENED)
            .then(|| document::read_json(stored.fields.clone().into(), readable))
            .transpose()?;
        let known = document::read_json(stored.fields.clone().into(), readable)?;
        Ok(Self { opened, known })
    }

    pub(super) fn fields(&self, doing: &'static str) -> Result<Fields, StoreError> {
        let mut fields = match &self.opened {
            Some(opened) => codec::fields(opened, doing)?,
            None => Fields::new(),
        };
        fields.extend(codec::fields(&self.known, doing)?);
        fields.retain(|(name, _)| FIELDS.contains(&name.as_str()));
        Ok(fields)
    }

    /// Takes the record in as it stands when the call is opened.
    pub(super) fn open(&mut self, call: &CallRecord) {
        let CallRecord { answered_ms, ended_ms, .. } = *call;
        self.opened = Some(Opened {
            account: call.account.clone(),
            business: call.business.clone(),
            plan: call.plan.clone(),
            from: call.from.clone(),
            to: call.to.clone(),
            started_ms: call.started_ms,
            opened_by: call.instance.clone(),
            opened_attempts: call.attempts,
            opened_ending: call.ending.clone(),
            opened_usage: call.usage,
            opened_cost: call.cost,
            tells: call.tells,
        });
        let known = &mut self.known;
        known.answered_ms = [known.answered_ms, answered_ms].into_iter().flatten().min();
        known.ended_ms = [known.ended_ms, ended_ms].into_iter().flatten().min();
        known.intention = known.intention.take().or_else(|| call.intention.clone());
    }

    /// The record, when the call was opened.
    pub(super) fn record(&self, call: &CallSid) -> Option<CallRecord> {
        let (opened, known) = (self.opened.clone()?, &self.known);
        let claimed = known.claims.last_key_value();
        let claimed = claimed.filter(|(attempt, _)| **attempt >= opened.opened_attempts);
        let mut record = CallRecord {
            call: call.clone(),
            account: opened.account,
            business: opened.business,
            plan: opened.plan,
            from: opened.from,
            to: opened.to,
            started_ms: opened.started_ms,
            answered_ms: known.answered_ms,
            ended_ms: known.ended_ms.or(known.presumed_ms),
            ending: opened.opened_ending,
            intention: known.intention.clone(),
            attempts: claimed.map_or(opened.opened_attempts, |(attempt, _)| *attempt),
            instance: claimed.map_or(opened.opened_by, |(_, instance)| instance.clone()),
            usage: opened.opened_usage,
            cost: opened.opened_cost,
            recordings: known.recordings.values().cloned().collect(),
            tells: opened.tells,
        };
        meter::add_streams(&mut record, known.streams.values().cloned().collect());
        Some(record)
    }
}

impl Known {
    /// The first claim of a stream stays. One behind all others takes back that the call was over.
    pub(super) fn claim(&mut self, attempt: u8, instance: &InstanceId) -> bool {
        if self.claims.contains_key(&attempt) {
            return false;
        }
        if attempt > 1 && !self.is_later_claimed(attempt) {
            (self.ended_ms, self.presumed_ms) = (None, None);
        }
        self.claims.insert(attempt, instance.clone());
        true
    }

    /// Whether somebody has claimed a stream behind this one.
    fn is_later_claimed(&self, attempt: u8) -> bool {
        self.claims.last_key_value().is_some_and(|(last, _)| *last > attempt)
    }

    /// The earliest answer stays.
    pub(super) fn answer(&mut self, at_ms: i64) {
        self.answered_ms = Some(self.answered_ms.map_or(at_ms, |before| before.min(at_ms)));
    }

    /// Of the ends that are told the earliest stays; of those that are presumed the latest, since whoever presumes later
    /// has heard of the call after the others gave it up.
    pub(super) fn end(&mut self, at_ms: i64, sure: Certainty) {
        match sure {
            Certainty::Told => self.ended_ms = Some(self.ended_ms.map_or(at_ms, |before| before.min(at_ms))),
            Certainty::Presumed => {
                self.presumed_ms = Some(self.presumed_ms.map_or(at_ms, |before| before.max(at_ms)));
            }
        }
    }

    /// The first word about a stream stays, if nobody else has claimed it.
    pub(super) fn end_stream(&mut self, end: &StreamEnd) {
        let foreign = self.claims.get(&end.attempt).is_some_and(|claimed| *claimed != end.instance);
        if foreign || self.streams.contains_key(&end.attempt) {
            return;
        }
        self.streams.insert(end.attempt, end.clone());
        if !end.ending.is_accident() && !self.is_later_claimed(end.attempt) {
            self.end(end.at_ms, Certainty::Told);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::conformance::one_call;

    #[test]
    fn the_table_of_fields_is_that_of_the_document() {
        let mut document = CallDocument::default();
        document.open(&CallRecord {
            ending: Some(Ending::HungUp),
            intention: Some(Intention::HangUp),
            answered_ms: Some(1),
            ended_ms: Some(2),
            ..one_call()
        });
        document.known.presumed_ms = Some(3);
        let json = |document: &CallDocument| {
            let mut all: BTreeSet<String> = serde_json::to_value(&document.opened)
                .unwrap()
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect();
            all.extend(serde_json::to_value(&document.known).unwrap().as_object().unwrap().keys().cloned());
            all
        };
        let mut expected: BTreeSet<String> = FIELDS.map(str::to_owned).into();
        expected.insert(RECORDINGS.to_owned());
        assert_eq!(json(&document), expected);
        let written: BTreeSet<_> = document.fields("x").unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(written, BTreeSet::from(FIELDS.map(str::to_owned)));
    }
}
