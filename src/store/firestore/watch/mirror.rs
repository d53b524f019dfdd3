//! What the directory held when it was last heard of: only names, and to whom lines lead.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{BusinessId, PhoneNumber, PlanId};
use crate::store::Change;
use crate::store::firestore::Firestore;
use crate::store::firestore::ask::Stored;
use crate::store::firestore::names::id_of;

/// The collections that are listened to; the number of a target is its place here, from 1.
pub(super) const COLLECTIONS: [&str; 3] = [BUSINESSES, PLANS, LINES];

const BUSINESSES: &str = "businesses";
const PLANS: &str = "plans";
const LINES: &str = "lines";

/// All collections.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    businesses: Shelf,
    plans: Shelf,
    lines: Shelf,
}

/// One collection.
#[derive(Debug, Default)]
struct Shelf {
    /// By id what of a document lines depend on: those a business names, or the owner a line names.
    known: BTreeMap<String, BTreeSet<String>>,
    /// What this stream told until now.
    told: BTreeSet<String>,
    /// Whether this stream told all that is there.
    is_whole: bool,
    /// Whether any stream ever did.
    was_whole: bool,
}

impl Mirror {
    /// A stream begins, and will tell everything again.
    pub(super) fn begin(&mut self) {
        self.begin_again(&[]);
    }

    /// All documents of those targets will be told again.
    pub(super) fn begin_again(&mut self, targets: &[i32]) {
        for (shelf, target) in [&mut self.businesses, &mut self.plans, &mut self.lines].into_iter().zip(1..) {
            if means(targets, target) {
                shelf.told.clear();
                shelf.is_whole = false;
            }
        }
    }

    /// Whether this stream told all that is there.
    pub(super) fn is_whole(&self) -> bool {
        self.businesses.is_whole && self.plans.is_whole && self.lines.is_whole
    }

    /// Whether as many documents are known as are there.
    pub(super) fn holds(&self, target: i32, count: i32) -> bool {
        let known = match target {
            1 => &self.businesses.told,
            2 => &self.plans.told,
            _ => &self.lines.told,
        };
        usize::try_from(count).is_ok_and(|count| count == known.len())
    }

    /// A document is there, or is not what it was.
    pub(super) fn changed(&mut self, store: &Firestore, stored: Stored) -> Vec<Change> {
        let (collection, id) = (store.names().collection(&stored.name), stored.id().to_owned());
        match collection {
            BUSINESSES => {
                let before = self.businesses.note(&id, texts(&stored, "lines"));
                let now = self.businesses.known.get(&id);
                let lost = before.iter().flatten().filter(|line| !now.is_some_and(|now| now.contains(*line)));
                let mut changes: Vec<_> = lost.filter_map(|line| line_change(line)).collect();
                changes.extend(match store.named(stored) {
                    Ok(business) => Some(Change::Business(Box::new(business))),
                    Err(error) => {
                        tracing::warn!(%error, "a business does not read");
                        BusinessId::parse(&id).ok().map(Change::BusinessGone)
                    }
                });
                changes
            }
            PLANS => {
                self.plans.note(&id, BTreeSet::new());
                match store.named(stored) {
                    Ok(plan) => vec![Change::Plan(plan)],
                    Err(error) => {
                        tracing::warn!(%error, "a plan does not read");
                        PlanId::parse(&id).ok().map(Change::PlanGone).into_iter().collect()
                    }
                }
            }
            LINES => {
                let owner = BTreeSet::from_iter(stored.text("businessId").map(str::to_owned));
                let was_known = self.lines.was_whole;
                let before = self.lines.note(&id, owner);
                // Until all was told once, nobody can have relied on where a line leads.
                let is_news = before.map_or(was_known, |before| self.lines.known.get(&id) != Some(&before));
                is_news.then(|| line_change(&id)).flatten().into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// A document is not there any more.
    pub(super) fn gone(&mut self, store: &Firestore, name: &str) -> Vec<Change> {
        let id = id_of(name);
        match store.names().collection(name) {
            BUSINESSES => self.businesses.forget(id).map_or_else(Vec::new, |lines| business_gone(id, &lines)),
            PLANS => self.plans.forget(id).and_then(|_| plan_gone(id)).into_iter().collect(),
            LINES => self.lines.forget(id).and_then(|_| line_change(id)).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// All documents of those targets were told: the others that were known are gone.
    pub(super) fn all_told(&mut self, targets: &[i32]) -> Vec<Change> {
        let mut changes = Vec::new();
        if means(targets, 1) {
            let gone = self.businesses.finish();
            changes.extend(gone.iter().flat_map(|(id, lines)| business_gone(id, lines)));
        }
        if means(targets, 2) {
            changes.extend(self.plans.finish().iter().filter_map(|(id, _)| plan_gone(id)));
        }
        if means(targets, 3) {
            changes.extend(self.lines.finish().iter().filter_map(|(id, _)| line_change(id)));
        }
        changes
    }
}

impl Shelf {
    /// Notes a document, and gives what was known of it.
    fn note(&mut self, id: &str, lines: BTreeSet<String>) -> Option<BTreeSet<String>> {
        self.told.insert(id.to_owned());
        self.known.insert(id.to_owned(), lines)
    }

    fn forget(&mut self, id: &str) -> Option<BTreeSet<String>> {
        self.told.remove(id);
        self.known.remove(id)
    }

    /// Gives what is known and was not told, and forgets it.
    fn finish(&mut self) -> Vec<(String, BTreeSet<String>)> {
        self.is_whole = true;
        self.was_whole = true;
        let told = &self.told;
        self.known.extract_if(.., |id, _| !told.contains(id)).collect()
    }
}

/// Whether a word about some targets is one about this; about none in particular is about all.
fn means(targets: &[i32], target: i32) -> bool {
    targets.is_empty() || targets.contains(&target)
}

fn business_gone(id: &str, lines: &BTreeSet<String>) -> Vec<Change> {
    let gone = BusinessId::parse(id).ok().map(Change::BusinessGone);
    gone.into_iter().chain(lines.iter().filter_map(|line| line_change(line))).collect()
}

fn plan_gone(id: &str) -> Option<Change> {
    PlanId::parse(id).ok().map(Change::PlanGone)
}

fn line_change(line: &str) -> Option<Change> {
    PhoneNumber::parse(line).ok().map(Change::Line)
}

fn texts(stored: &Stored, field: &str) -> BTreeSet<String> {
    let list = stored.fields.get(field).and_then(|list| list.as_array());
    list.into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}
