//! One kind of lookup: what it asks of the directory behind, and what is learnt from the answer.

use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::breaker::Breaker;
use super::flights::{Flight, Flights};
use super::known::{Asked, Found, Known};
use super::late;
use crate::domain::{Business, BusinessId, PhoneNumber, Plan, PlanId};
use crate::store::{Directory, StoreError};

/// What the lookups of all kinds work on.
pub(super) struct House {
    pub(super) inner: Arc<dyn Directory>,
    pub(super) known: Known,
    pub(super) breaker: Breaker,
    /// How long any question is waited for.
    pub(super) patience: Duration,
}

type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<Option<T>, StoreError>> + Send + 'a>>;

/// One kind of lookup.
pub(super) struct Question<K, T> {
    /// What it is, as an error says it.
    pub(super) doing: &'static str,
    /// What is known without asking.
    pub(super) known: fn(&Known, &K) -> Option<Found<T>>,
    ask: for<'a> fn(&'a dyn Directory, &'a K) -> Asking<'a, T>,
    learn: fn(&Known, &K, Option<&Arc<T>>, &Asked),
    aloft: Flights<K, T>,
}

impl Question<BusinessId, Business> {
    /// A business by its id.
    pub(super) fn business() -> Self {
        Self {
            doing: "look up a business",
            known: Known::business,
            ask: |directory, id| directory.business(id),
            learn: Known::learn_business,
            aloft: Flights::new(),
        }
    }
}

impl Question<PhoneNumber, Business> {
    /// A business by its line.
    pub(super) fn line() -> Self {
        Self {
            doing: "look up a business by its line",
            known: Known::business_by_line,
            ask: |directory, line| directory.business_by_line(line),
            learn: Known::learn_line,
            aloft: Flights::new(),
        }
    }
}

impl Question<PlanId, Plan> {
    /// A plan.
    pub(super) fn plan() -> Self {
        Self {
            doing: "look up a plan",
            known: Known::plan,
            ask: |directory, id| directory.plan(id),
            learn: Known::learn_plan,
            aloft: Flights::new(),
        }
    }
}

impl<K, T> Question<K, T>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    /// Asks the directory behind, together with everybody who asks the same at the moment. Whoever waits carries it on;
    /// the answer is learnt once. The flag says whether it was begun here.
    pub(super) fn ask(&self, house: &Arc<House>, key: &K) -> (Flight<T>, bool) {
        self.aloft.join(key, || {
            let (house, key) = (Arc::clone(house), key.clone());
            let Self { doing, ask, learn, .. } = *self;
            async move {
                let asked = house.known.asked();
                let answer = tokio::time::timeout(house.patience, ask(&*house.inner, &key)).await;
                let answer = answer.unwrap_or_else(|_| Err(late(doing, house.patience)));
                match answer {
                    Ok(answer) => {
                        let answer = answer.map(Arc::new);
                        learn(&house.known, &key, answer.as_ref(), &asked);
                        house.breaker.answered();
                        Ok(answer)
                    }
                    Err(error) => {
                        house.failed(&error);
                        Err(Arc::new(error))
                    }
                }
            }
            .boxed()
        })
    }
}

impl House {
    /// A lookup came to nothing.
    pub(super) fn failed(&self, error: &StoreError) {
        // A store that says which document is broken is well.
        if matches!(error, StoreError::Unreadable { .. }) {
            self.breaker.answered();
        } else {
            self.breaker.failed(self.known.now_ms());
        }
    }
}
