//! One kind of thing that is known, by its key.

use std::collections::BTreeMap;
use std::hash::Hash;

use moka::ops::compute::{CompResult, Op};
use moka::sync::Cache;

use super::Asked;

/// What was heard of something.
#[derive(Debug, Clone)]
pub(super) struct Heard<V> {
    pub(super) what: V,
    /// When it was asked or told; none when it must be asked for before it is given again.
    pub(super) asked: Option<Asked>,
}

/// Things of one kind, at most so many: the least asked for goes.
pub(super) struct Shelf<K, V>(Cache<K, Heard<V>>);

pub(super) trait Key: Clone + Ord + Hash + Send + Sync + 'static {}
impl<K: Clone + Ord + Hash + Send + Sync + 'static> Key for K {}

pub(super) trait Value: Clone + PartialEq + Send + Sync + 'static {}
impl<V: Clone + PartialEq + Send + Sync + 'static> Value for V {}

impl<K: Key, V: Value> Shelf<K, V> {
    pub(super) fn new(entries: u64) -> Self {
        Self(Cache::new(entries))
    }

    pub(super) fn get(&self, key: &K) -> Option<Heard<V>> {
        self.0.get(key)
    }

    /// Changes one entry, as nobody else does meanwhile. True when another thing is known than before.
    pub(super) fn change(&self, key: &K, change: impl FnOnce(Option<Heard<V>>) -> Op<Heard<V>>) -> bool {
        let mut before = None;
        let result = self.0.entry_by_ref(key).and_compute_with(|entry| {
            let heard = entry.map(moka::Entry::into_value);
            before = heard.as_ref().map(|heard| heard.what.clone());
            change(heard)
        });
        match result {
            CompResult::Inserted(_) | CompResult::Removed(_) => true,
            CompResult::ReplacedWith(entry) => before != Some(entry.into_value().what),
            CompResult::Unchanged(_) | CompResult::StillNone(_) => false,
        }
    }

    /// Puts something there that is not fresh.
    pub(super) fn put(&self, key: K, what: V) {
        self.0.insert(key, Heard { what, asked: None });
    }

    pub(super) fn in_order(&self) -> Vec<(K, V)> {
        let entries: BTreeMap<_, _> = self.0.iter().collect();
        entries.into_iter().map(|(key, heard)| ((*key).clone(), heard.what)).collect()
    }
}
