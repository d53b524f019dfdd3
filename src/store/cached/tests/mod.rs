//! Everything here but the conformance is in virtual time: the cache's clock is tokio's, and that is paused.

mod disk;
mod failing;
mod fresh;
mod moody;
mod together;
mod watched;

use super::*;
use crate::domain::{Business, PhoneNumber, Plan};
use crate::store::Sqlite;
use crate::store::conformance::{self, one_business};

/// When the tests begin, in milliseconds since 1970.
const BEGAN_MS: i64 = 1_790_000_000_000;

/// A clock that goes as tokio's does.
fn paused_clock() -> Clock {
    let began = now();
    Arc::new(move || BEGAN_MS + millis(began.elapsed()))
}

#[expect(clippy::disallowed_methods, reason = "the paused clock of a test")]
fn now() -> Instant {
    Instant::now()
}

async fn later(by: Duration) {
    tokio::time::advance(by).await;
}

/// How long something took.
async fn timed<T>(what: impl Future<Output = T>) -> (T, Duration) {
    let began = now();
    let answer = what.await;
    (answer, began.elapsed())
}

/// One business and its plan.
struct Luna {
    business: Business,
    line: PhoneNumber,
    plan: Plan,
}

fn luna() -> (BusinessImport, Luna) {
    let import = one_business();
    let (business, plan) = (import.businesses[0].clone(), import.plans[0].clone());
    let line = business.lines[0].clone();
    (import, Luna { business, line, plan })
}

#[tokio::test]
async fn a_cached_directory_is_a_directory() {
    let inner = Sqlite::open("sqlite::memory:").await.unwrap();
    let clock = Arc::new(crate::telemetry::wall_clock);
    conformance::directory::all(&CachedDirectory::new(Arc::new(inner), None, clock)).await;
}
