//! A directory that answers at once what it heard a moment ago, and what it last heard when the one behind it fails.

mod breaker;
mod disk;
mod flights;
mod known;
mod question;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::Hash;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moka::ops::compute::Op;
use moka::sync::Cache;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use self::breaker::Breaker;
use self::disk::{Disk, WRITE_PAUSE};
use self::known::{Found, Known};
use self::question::{House, Question};
use super::{Answering, Directory, Listing, StoreError, Watch, Whose};
use crate::domain::{Business, BusinessId, BusinessImport, PhoneNumber, Plan, PlanId};

/// With the second a lookup may take, a change is seen within five: soon enough for whoever made it and now calls to
/// hear it, and one lookup serves all calls a business gets meanwhile.
const FRESH_FOR: Duration = Duration::from_secs(4);

/// While changes are told nothing grows old. This is for the case that they are not, and nobody notices.
const FRESH_WHILE_WATCHED: Duration = Duration::from_secs(60);

/// How long a caller's business and plan are waited for together when an old answer is there: a store that is well
/// needs a tenth of it, and of the webhook's second 300 ms must be left for taking a slot.
const KNOWN_PATIENCE: Duration = Duration::from_millis(600);

/// The same when there is none. The alternative is an apology, so all of the webhook's second is given, less what the
/// rest of it needs.
const UNKNOWN_PATIENCE: Duration = Duration::from_millis(950);

/// What ten thousand businesses of a few KB need is written in a few milliseconds; a disk that takes longer is not worth
/// the caller's time. Only one lookup a minute waits at all.
const WRITE_PATIENCE: Duration = Duration::from_millis(250);

/// No caller waits for what is written when a change was told; but the next change does.
const UNHURRIED_WRITE: Duration = Duration::from_secs(2);

/// A list is for people, and for large directories over a network; whoever waits longer asks again.
const LIST_PATIENCE: Duration = Duration::from_secs(10);

/// How often the same complaint is in the log, in milliseconds: calls come faster than anybody mends a document.
const COMPLAIN_EVERY_MS: i64 = 60_000;

/// More different complaints than anybody reads.
const COMPLAINTS: u64 = 1_000;

/// What time of day it is, in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A cached [`Directory`] over another.
///
/// - *Fresh.* A positive answer is given again for four seconds; for a minute, while a store that watches itself tells
///   of every change ([`CachedDirectory::follow`]). A negative one is never kept: a business that was just created
///   answers its first call.
/// - *One question.* Who asks what is being asked already waits for the same answer.
/// - *Last known good.* When the directory behind errs, or is late, the last positive answer is given, however old. A
///   directory that says "not there" ends that. One that failed is left alone for two seconds by those who have such an
///   answer, but for one at a time who tries it.
/// - *In time.* [`Directory::answering`] has one deadline for business and plan.
/// - *On disk.* With a path, what is last known good survives a restart: it is read once, in `new`, and written at most
///   once a minute, by a lookup that learnt something or by `follow`. That lookup waits for the disk, but not long.
pub struct CachedDirectory {
    house: Arc<House>,
    business: Question<BusinessId, Business>,
    line: Question<PhoneNumber, Business>,
    plan: Question<PlanId, Plan>,
    disk: Option<Disk>,
    limits: Limits,
    /// When each complaint was last in the log, in milliseconds since 1970.
    complaints: Cache<String, i64>,
}

/// How long things are waited for.
#[derive(Debug, Clone, Copy)]
struct Limits {
    known: Duration,
    unknown: Duration,
    write: Duration,
}

/// How long an answer is fresh, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Freshness {
    unwatched_ms: i64,
    watched_ms: i64,
}

/// Until when a caller waits, however many questions that takes.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    known: Instant,
    unknown: Instant,
}

impl CachedDirectory {
    /// Over `inner`, with what is last known good in the file `last_known`, if given. Reads the file at once; one that
    /// does not read is ignored, with a warning.
    pub fn new(inner: Arc<dyn Directory>, last_known: Option<PathBuf>, clock: Clock) -> Self {
        let limits = Limits { known: KNOWN_PATIENCE, unknown: UNKNOWN_PATIENCE, write: WRITE_PATIENCE };
        let freshness =
            Freshness { unwatched_ms: millis(FRESH_FOR), watched_ms: millis(FRESH_WHILE_WATCHED) };
        Self::with(inner, last_known, clock, freshness, limits)
    }

    fn with(
        inner: Arc<dyn Directory>,
        last_known: Option<PathBuf>,
        clock: Clock,
        freshness: Freshness,
        limits: Limits,
    ) -> Self {
        let known = Known::new(clock, freshness);
        let disk = last_known.map(|path| Disk::open(path, &known));
        let house = House { inner, known, breaker: Breaker::default(), patience: limits.unknown };
        Self {
            house: Arc::new(house),
            business: Question::business(),
            line: Question::line(),
            plan: Question::plan(),
            disk,
            limits,
            complaints: Cache::new(COMPLAINTS),
        }
    }

    /// Hears what a store that watches itself says, and writes it down, until it says no more.
    pub async fn follow(&self, mut words: mpsc::Receiver<Watch>) {
        loop {
            let said = match timeout(WRITE_PAUSE, words.recv()).await {
                Ok(Some(word)) => Some(word),
                Ok(None) => break,
                Err(_) => None,
            };
            let complete = matches!(said, Some(Watch::InSync));
            if let Some(word) = said {
                self.house.known.hear(word);
            }
            match &self.disk {
                // Whatever was written before was but a part of all there is.
                Some(disk) if complete => disk.write_now(&self.house.known, UNHURRIED_WRITE).await,
                Some(disk) if self.house.known.is_watched() => {
                    disk.write_when_due(&self.house.known, UNHURRIED_WRITE).await;
                }
                Some(_) | None => {}
            }
        }
        self.house.known.hear(Watch::Lost);
    }

    async fn lookup<K, T>(
        &self,
        question: &Question<K, T>,
        key: &K,
        deadline: Deadline,
    ) -> Result<Option<T>, StoreError>
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        T: Clone + Send + Sync + 'static,
    {
        let known = (question.known)(&self.house.known, key);
        if let Some(Found { what, fresh }) = &known
            && (*fresh || !self.house.breaker.lets_ask(self.house.known.now_ms()))
        {
            return Ok(Some(T::clone(what)));
        }
        let asked = async {
            let (flight, begun) = question.ask(&self.house, key);
            let answer = flight.await;
            // What failed was begun by somebody else, and for longer than we have waited.
            if answer.is_err() && !begun && known.is_none() {
                return question.ask(&self.house, key).0.await;
            }
            answer
        };
        let (until, patience) = match known {
            Some(_) => (deadline.known, self.limits.known),
            None => (deadline.unknown, self.limits.unknown),
        };
        let error = match timeout_at(until, asked).await {
            Ok(Ok(answer)) => {
                self.write_when_due(deadline).await;
                return Ok(answer.map(|answer| T::clone(&answer)));
            }
            Ok(Err(error)) => same(&error, question.doing),
            Err(_) => late(question.doing, patience),
        };
        // Also when it was the second question that had no time left: the first one took it.
        self.house.failed(&error);
        let Some(Found { what, .. }) = known else { return Err(error) };
        self.complain(&error);
        Ok(Some(T::clone(&what)))
    }

    fn deadline(&self) -> Deadline {
        // Only the timer knows what time it is; this room has no clock of its own.
        let [known, unknown] = [self.limits.known, self.limits.unknown].map(|limit| sleep(limit).deadline());
        Deadline { known, unknown }
    }

    async fn write_when_due(&self, deadline: Deadline) {
        let Some(disk) = &self.disk else { return };
        // The disk, too, must leave the rest of the webhook its time; whoever is next writes then.
        let _in_time =
            timeout_at(deadline.known, disk.write_when_due(&self.house.known, self.limits.write)).await;
    }

    /// The store fails, and what it last said is answered: in the log once a minute, for each broken document.
    fn complain(&self, error: &StoreError) {
        let now = self.house.known.now_ms();
        let mut due = false;
        self.complaints.entry(error.to_string()).and_compute_with(|last| {
            let last = last.map(moka::Entry::into_value);
            due = last.is_none_or(|last| !(0..COMPLAIN_EVERY_MS).contains(&now.saturating_sub(last)));
            if due { Op::Put(now) } else { Op::Nop }
        });
        if due {
            let why = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(%error, why, "the directory fails; answering what it last said");
        }
    }
}

#[async_trait]
impl Directory for CachedDirectory {
    async fn business(&self, id: &BusinessId) -> Result<Option<Business>, StoreError> {
        self.lookup(&self.business, id, self.deadline()).await
    }

    async fn business_by_line(&self, line: &PhoneNumber) -> Result<Option<Business>, StoreError> {
        self.lookup(&self.line, line, self.deadline()).await
    }

    async fn plan(&self, id: &PlanId) -> Result<Option<Plan>, StoreError> {
        self.lookup(&self.plan, id, self.deadline()).await
    }

    async fn answering(&self, whose: Whose<'_>) -> Result<Option<Answering>, StoreError> {
        let deadline = self.deadline();
        let business = match whose {
            Whose::Id(id) => self.lookup(&self.business, id, deadline).await?,
            Whose::Line(line) => self.lookup(&self.line, line, deadline).await?,
        };
        let Some(business) = business else { return Ok(None) };
        let plan = self.lookup(&self.plan, &business.plan, deadline).await;
        Ok(Some(Answering { business, plan }))
    }

    /// Asks the directory behind: an old list would be a lie.
    async fn businesses(
        &self,
        after: Option<&BusinessId>,
        most: u32,
    ) -> Result<Listing<Business, BusinessId>, StoreError> {
        in_time(LIST_PATIENCE, "list the businesses", self.house.inner.businesses(after, most)).await
    }

    /// Asks the directory behind: an old list would be a lie.
    async fn plans(&self, after: Option<&PlanId>, most: u32) -> Result<Listing<Plan, PlanId>, StoreError> {
        in_time(LIST_PATIENCE, "list the plans", self.house.inner.plans(after, most)).await
    }

    /// Waits for the directory behind as long as that takes: whoever imports must know what became of it. Afterwards
    /// nothing is fresh.
    async fn import(&self, import: &BusinessImport) -> Result<(), StoreError> {
        let imported = self.house.inner.import(import).await;
        self.house.known.nothing_is_fresh();
        imported
    }

    /// Waits for the directory behind, as an import does.
    async fn remove_business(&self, id: &BusinessId) -> Result<bool, StoreError> {
        let removed = self.house.inner.remove_business(id).await;
        self.house.known.nothing_is_fresh();
        if removed.is_ok() {
            self.house.known.forget_business(id);
        }
        removed
    }

    /// Waits for the directory behind, as an import does.
    async fn remove_plan(&self, id: &PlanId) -> Result<bool, StoreError> {
        let removed = self.house.inner.remove_plan(id).await;
        self.house.known.nothing_is_fresh();
        if removed.is_ok() {
            self.house.known.forget_plan(id);
        }
        removed
    }
}

impl fmt::Debug for CachedDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CachedDirectory").field(&self.house.inner).finish()
    }
}

/// An answer within the patience, or [`StoreError::Late`].
async fn in_time<T>(
    patience: Duration,
    doing: &'static str,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(patience, answer).await.unwrap_or_else(|_| Err(late(doing, patience)))
}

fn late(doing: &'static str, patience: Duration) -> StoreError {
    StoreError::Late { doing, patience_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX) }
}

/// The same error for each of those who waited for one answer.
fn same(error: &StoreError, asking: &'static str) -> StoreError {
    let met = || std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    match error {
        StoreError::Late { doing, patience_ms } => StoreError::Late { doing, patience_ms: *patience_ms },
        StoreError::Unreadable { document, field, problem } => StoreError::Unreadable {
            document: document.clone(),
            field: field.clone(),
            problem: problem.clone(),
        },
        StoreError::Away { doing, .. } => StoreError::Away { doing, source: met().into() },
        StoreError::Failed { doing, .. } => StoreError::Failed { doing, source: met().into() },
        // No question is answered with these.
        StoreError::Unopenable { .. }
        | StoreError::Newer { .. }
        | StoreError::LineTaken { .. }
        | StoreError::UnknownPlan { .. }
        | StoreError::PlanInUse { .. } => StoreError::Failed { doing: asking, source: met().into() },
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
