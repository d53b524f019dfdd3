//! What a directory last said of each business, line and plan, and whether that is fresh.
//!
//! Lookups and a store that watches itself write here at once. An answer is as old as its question: when anything was
//! told between the two, it is not kept, for it may be of before. Checked and written is under moka's lock of the entry,
//! so that no answer slips in behind a change.

mod shelf;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use moka::ops::compute::Op;
use serde::{Deserialize, Serialize};

use self::shelf::{Heard, Shelf};
use super::{Clock, Freshness};
use crate::domain::{Business, BusinessId, PhoneNumber, Plan, PlanId};
use crate::store::{Change, Watch};

/// More than one machine answers for; tens of MB if every one of them is full.
const ENTRIES: u64 = 10_000;

/// A few for each business, of some hundred bytes.
const LINES: u64 = 4 * ENTRIES;

/// What a directory last said.
pub(super) struct Known {
    clock: Clock,
    freshness: Freshness,
    businesses: Shelf<BusinessId, Arc<Business>>,
    lines: Shelf<PhoneNumber, Lead>,
    plans: Shelf<PlanId, Arc<Plan>>,
    /// How often anything was told.
    told: AtomicU64,
    /// How often everything became old at once.
    round: AtomicU64,
    /// Odd while the store is watched, and another number each time.
    watch: AtomicU64,
    /// Whether there is something that is not on the disk.
    unsaved: AtomicBool,
}

/// Where a line leads.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lead {
    business: BusinessId,
    /// Whether the business itself lists the line; then it leads there only for as long as that is so.
    listed: bool,
}

/// When something was asked, or told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    at_ms: i64,
    told: u64,
    round: u64,
    watch: u64,
}

/// Something that is known.
pub(super) struct Found<T> {
    pub(super) what: Arc<T>,
    pub(super) fresh: bool,
}

/// A thing that is known, as the disk keeps it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Entry {
    Plan(Arc<Plan>),
    Business(Arc<Business>),
    Line(PhoneNumber, BusinessId),
}

impl Known {
    pub(super) fn new(clock: Clock, freshness: Freshness) -> Self {
        Self {
            clock,
            freshness,
            businesses: Shelf::new(ENTRIES),
            lines: Shelf::new(LINES),
            plans: Shelf::new(ENTRIES),
            told: AtomicU64::new(0),
            round: AtomicU64::new(0),
            watch: AtomicU64::new(0),
            unsaved: AtomicBool::new(false),
        }
    }

    pub(super) fn business(&self, id: &BusinessId) -> Option<Found<Business>> {
        let heard = self.businesses.get(id)?;
        Some(Found { fresh: self.is_fresh(heard.asked), what: heard.what })
    }

    pub(super) fn business_by_line(&self, line: &PhoneNumber) -> Option<Found<Business>> {
        let lead = self.lines.get(line)?;
        let business = self.business(&lead.what.business)?;
        let leads_there = !lead.what.listed || business.what.lines.contains(line);
        let fresh = business.fresh && self.is_fresh(lead.asked);
        leads_there.then_some(Found { what: business.what, fresh })
    }

    pub(super) fn plan(&self, id: &PlanId) -> Option<Found<Plan>> {
        let heard = self.plans.get(id)?;
        Some(Found { fresh: self.is_fresh(heard.asked), what: heard.what })
    }

    /// The time of day, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// A question begins: what it is answered will be as old as this.
    pub(super) fn asked(&self) -> Asked {
        Asked {
            at_ms: (self.clock)(),
            told: self.told.load(Ordering::Acquire),
            round: self.round.load(Ordering::Acquire),
            watch: self.watch.load(Ordering::Acquire),
        }
    }

    /// The answer to a question by id: none is that it is not there.
    pub(super) fn learn_business(&self, id: &BusinessId, answer: Option<&Arc<Business>>, asked: &Asked) {
        self.learn(&self.businesses, id, answer, asked);
        for line in answer.iter().flat_map(|business| &business.lines) {
            self.lead(line, id, None, || self.may_be_kept(asked));
        }
    }

    /// The answer to a question by line.
    pub(super) fn learn_line(&self, line: &PhoneNumber, answer: Option<&Arc<Business>>, asked: &Asked) {
        if let Some(business) = answer {
            self.learn_business(&business.id, Some(business), asked);
        }
        let lead = answer
            .map(|business| Lead { business: business.id.clone(), listed: business.lines.contains(line) });
        self.learn(&self.lines, line, lead.as_ref(), asked);
    }

    /// The answer to a question for a plan.
    pub(super) fn learn_plan(&self, id: &PlanId, answer: Option<&Arc<Plan>>, asked: &Asked) {
        self.learn(&self.plans, id, answer, asked);
    }

    /// From now on nothing is fresh, and no answer to an earlier question will be.
    pub(super) fn nothing_is_fresh(&self) {
        self.told.fetch_add(1, Ordering::AcqRel);
        self.round.fetch_add(1, Ordering::AcqRel);
    }

    /// What a store that watches itself says.
    pub(super) fn hear(&self, word: Watch) {
        match word {
            Watch::InSync => self.turn(|watch| watch | 1),
            // Also when it never was in sync: what was told until now belongs to a watch that came to nothing.
            Watch::Lost => self.turn(|watch| (watch | 1).wrapping_add(1)),
            Watch::Changed(Change::Business(business)) => self.tell_business(Arc::new(*business)),
            Watch::Changed(Change::Plan(plan)) => self.tell(&self.plans, &plan.id.clone(), Arc::new(plan)),
            // Gone may be only that it does not read any more; then the last good one is what there is.
            Watch::Changed(Change::BusinessGone(id)) => self.doubt(&self.businesses, &id),
            Watch::Changed(Change::PlanGone(id)) => self.doubt(&self.plans, &id),
            Watch::Changed(Change::Line(line)) => self.doubt_line(&line),
        }
    }

    /// Whether changes are told at the moment.
    pub(super) fn is_watched(&self) -> bool {
        self.watch.load(Ordering::Acquire) & 1 == 1
    }

    /// Forgets a business that was taken away.
    pub(super) fn forget_business(&self, id: &BusinessId) {
        self.forget(&self.businesses, id);
    }

    /// Forgets a plan that was taken away.
    pub(super) fn forget_plan(&self, id: &PlanId) {
        self.forget(&self.plans, id);
    }

    /// True once for all that was learnt since it was last asked.
    pub(super) fn take_unsaved(&self) -> bool {
        self.unsaved.swap(false, Ordering::AcqRel)
    }

    /// What was taken could not be saved.
    pub(super) fn is_unsaved(&self) {
        self.unsaved.store(true, Ordering::Release);
    }

    /// All of it, in order: a line comes after the business it leads to.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let plans = self.plans.in_order().into_iter().map(|(_, plan)| Entry::Plan(plan));
        let businesses =
            self.businesses.in_order().into_iter().map(|(_, business)| Entry::Business(business));
        let lines = self.lines.in_order().into_iter().map(|(line, lead)| Entry::Line(line, lead.business));
        plans.chain(businesses).chain(lines).collect()
    }

    /// What an earlier process knew.
    pub(super) fn take(&self, entry: Entry) {
        match entry {
            Entry::Plan(plan) => self.plans.put(plan.id.clone(), plan),
            Entry::Business(business) => self.businesses.put(business.id.clone(), business),
            Entry::Line(line, business) => {
                let listed = self.is_listed(&line, &business);
                self.lines.put(line, Lead { business, listed });
            }
        }
    }

    fn is_fresh(&self, asked: Option<Asked>) -> bool {
        let Some(asked) = asked else { return false };
        let now = self.asked();
        let watched = now.watch & 1 == 1 && asked.watch == now.watch;
        let lasts_ms = if watched { self.freshness.watched_ms } else { self.freshness.unwatched_ms };
        // A clock that was set back makes everything old, rather than young for ever.
        asked.round == now.round && (0..lasts_ms).contains(&now.at_ms.saturating_sub(asked.at_ms))
    }

    fn may_be_kept(&self, asked: &Asked) -> bool {
        self.told.load(Ordering::Acquire) == asked.told
    }

    fn learn<K, V>(&self, shelf: &Shelf<K, V>, key: &K, answer: Option<&V>, asked: &Asked)
    where
        K: shelf::Key,
        V: shelf::Value,
    {
        let changed = shelf.change(key, |_| match answer {
            _ if !self.may_be_kept(asked) => Op::Nop,
            Some(what) => Op::Put(Heard { what: what.clone(), asked: Some(*asked) }),
            None => Op::Remove,
        });
        self.note(changed);
    }

    fn tell_business(&self, business: Arc<Business>) {
        for line in &business.lines {
            self.lead(line, &business.id, Some(self.being_told()), || true);
        }
        self.tell(&self.businesses, &business.id.clone(), business);
    }

    fn tell<K: shelf::Key, V: shelf::Value>(&self, shelf: &Shelf<K, V>, key: &K, what: V) {
        let asked = Some(self.being_told());
        let changed = shelf.change(key, |_| Op::Put(Heard { what, asked }));
        self.note(changed);
    }

    /// Keeps what is known as the last that was good, to be asked for before it is given again.
    fn doubt<K: shelf::Key, V: shelf::Value>(&self, shelf: &Shelf<K, V>, key: &K) {
        self.being_told();
        shelf.change(key, |heard| heard.map_or(Op::Nop, |heard| Op::Put(Heard { asked: None, ..heard })));
    }

    /// A line its business still lists most likely leads there still, as after an import; any other leads nowhere.
    fn doubt_line(&self, line: &PhoneNumber) {
        self.being_told();
        let changed = self.lines.change(line, |heard| match heard {
            Some(heard) if self.is_listed(line, &heard.what.business) => {
                Op::Put(Heard { asked: None, ..heard })
            }
            _ => Op::Remove,
        });
        self.note(changed);
    }

    fn forget<K: shelf::Key, V: shelf::Value>(&self, shelf: &Shelf<K, V>, key: &K) {
        self.being_told();
        let changed = shelf.change(key, |_| Op::Remove);
        self.note(changed);
    }

    /// A business lists a line. When another one does too, the store alone knows whose it is.
    fn lead(&self, line: &PhoneNumber, id: &BusinessId, told: Option<Asked>, may: impl FnOnce() -> bool) {
        let lead = Lead { business: id.clone(), listed: true };
        let changed = self.lines.change(line, |heard| {
            let contested = heard.as_ref().is_some_and(|heard| self.is_anothers(line, &heard.what, id));
            match heard {
                _ if !may() => Op::Nop,
                _ if contested => Op::Remove,
                Some(heard) if told.is_none() && heard.what == lead => Op::Nop,
                _ => Op::Put(Heard { what: lead, asked: told }),
            }
        });
        self.note(changed);
    }

    fn is_anothers(&self, line: &PhoneNumber, lead: &Lead, id: &BusinessId) -> bool {
        lead.business != *id && (!lead.listed || self.is_listed(line, &lead.business))
    }

    fn is_listed(&self, line: &PhoneNumber, id: &BusinessId) -> bool {
        self.businesses.get(id).is_some_and(|business| business.what.lines.contains(line))
    }

    /// Something is told now, and is counted before it is written: so either an answer sees that it was told, or the
    /// answer is written first and what is told replaces it. It belongs to the watch that is, or is about to be, in sync.
    fn being_told(&self) -> Asked {
        self.told.fetch_add(1, Ordering::AcqRel);
        let asked = self.asked();
        Asked { watch: asked.watch | 1, ..asked }
    }

    fn turn(&self, watch: impl Fn(u64) -> u64) {
        self.watch.update(Ordering::AcqRel, Ordering::Acquire, watch);
    }

    fn note(&self, changed: bool) {
        if changed {
            self.is_unsaved();
        }
    }
}
