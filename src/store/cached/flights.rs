//! Questions under way: who asks what is being asked already waits for the same answer.
//!
//! All who wait carry the question on together; it ends unanswered only when the last of them has gone.

use std::hash::Hash;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::store::StoreError;

/// As many as there are calls at once, and some. When there are more, some things are asked twice.
const MOST: u64 = 4_000;

/// What a question was answered.
pub(super) type Answer<T> = Result<Option<Arc<T>>, Arc<StoreError>>;

/// A question under way, for all who wait for its answer.
pub(super) type Flight<T> = Shared<BoxFuture<'static, Answer<T>>>;

/// Questions of one kind under way. What stays of one that is over is a few words, until the same is asked again.
pub(super) struct Flights<K, T>(Cache<K, WeakShared<BoxFuture<'static, Answer<T>>>>);

impl<K, T> Flights<K, T>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    pub(super) fn new() -> Self {
        Self(Cache::new(MOST))
    }

    /// The question under way, or else the one that `ask` begins; and whether it was begun here.
    pub(super) fn join(
        &self,
        key: &K,
        ask: impl FnOnce() -> BoxFuture<'static, Answer<T>>,
    ) -> (Flight<T>, bool) {
        let (mut flight, mut begun) = (ask().shared(), true);
        self.0.entry_by_ref(key).and_compute_with(|entry| {
            match entry.and_then(|entry| entry.into_value().upgrade()) {
                Some(other) => {
                    (flight, begun) = (other, false);
                    Op::Nop
                }
                None => flight.downgrade().map_or(Op::Nop, Op::Put),
            }
        });
        (flight, begun)
    }
}
