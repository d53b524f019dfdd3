//! The one place where a clock becomes [`Moment`]s.

use tokio::time::Instant;

use crate::domain::Moment;

/// Tells how long ago a call's task began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    began: Instant,
}

impl Clock {
    /// Begins to count.
    #[expect(clippy::disallowed_methods, reason = "this is where a clock becomes moments")]
    pub(super) fn start() -> Self {
        Self { began: Instant::now() }
    }

    /// Now.
    pub(super) fn now(&self) -> Moment {
        let elapsed = self.began.elapsed();
        Moment::from_micros(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
    }

    /// When the runtime's timer should wake us for a moment.
    pub(super) fn instant(&self, moment: Moment) -> Instant {
        let far = self.began + std::time::Duration::from_secs(365 * 24 * 3600);
        self.began.checked_add(moment.elapsed()).map_or(far, |instant| instant.min(far))
    }
}
