//! The one place in this room where a clock becomes a [`Moment`].

use tokio::time::Instant;

use crate::domain::Moment;

/// An axis of time that begins when it is made.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// Begins now.
    #[expect(clippy::disallowed_methods, reason = "behind a socket an actor lives in real time")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Now.
    pub fn now(&self) -> Moment {
        Moment::START + self.0.elapsed()
    }

    /// Waits until a moment; for ever when there is none.
    pub async fn until(&self, moment: Option<Moment>) {
        match moment {
            Some(moment) => tokio::time::sleep_until(self.0 + moment.elapsed()).await,
            None => std::future::pending().await,
        }
    }

    /// The time of day as Twilio writes it in its callbacks.
    #[expect(clippy::disallowed_methods, reason = "a telephone network tells the time of day")]
    pub(super) fn time_of_day() -> String {
        jiff::Timestamp::now().to_string()
    }

    /// The same, as Twilio writes it in its REST interface.
    #[expect(clippy::disallowed_methods, reason = "a telephone network tells the time of day")]
    pub(super) fn date() -> String {
        let now = jiff::Timestamp::now();
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_string(&now).unwrap_or_default()
    }
}
