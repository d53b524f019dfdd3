//! Whether a deploy leaves calls the time they may take.

use std::time::Duration;

use tokio::time::timeout;

use crate::config::{Config, MOST_GRACE_S, Platform};
use crate::domain::PublicUrl;
use crate::store::{Directory, StoreError};

/// The store is asked for its plans when we start. Nobody waits for the answer, and without one nothing is said.
const PATIENCE: Duration = Duration::from_secs(30);

/// Plans read in one question, and questions: nobody has so many.
const PAGE: u32 = 200;
const MOST_PAGES: u32 = 10;

/// What a deploy gives calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grace {
    platform: Platform,
    /// From the platform's signal until it kills us.
    grace: Duration,
    /// Whether only this machine reaches us: there is no deploy then, and nobody to call at night.
    at_home: bool,
}

impl Grace {
    pub(super) fn of(config: &Config) -> Self {
        let url: &PublicUrl = &config.public.url;
        Self { platform: config.platform, grace: config.drain.grace, at_home: url.is_loopback() }
    }

    /// Says in the log when the longest call of any plan is longer than what a deploy gives it.
    pub(super) async fn say_when_too_short(self, directory: impl AsRef<dyn Directory> + Send) {
        if self.at_home {
            return;
        }
        match timeout(PATIENCE, longest_call(directory.as_ref())).await {
            Ok(Ok(longest)) => {
                if let Some(line) = self.line(longest) {
                    tracing::warn!(
                        longest_call_s = longest.as_secs(),
                        grace_s = self.grace.as_secs(),
                        "{line}"
                    );
                }
            }
            Ok(Err(error)) => tracing::debug!(%error, "cannot see how long calls may be"),
            Err(_elapsed) => tracing::debug!("cannot see how long calls may be: the store is too slow"),
        }
    }

    fn line(self, longest: Duration) -> Option<String> {
        let (grace_s, longest_s) = (self.grace.as_secs(), longest.as_secs());
        if grace_s >= longest_s {
            return None;
        }
        let most = match self.platform {
            Platform::Render | Platform::Fly => u64::from(MOST_GRACE_S),
            Platform::Railway | Platform::Laptop => u64::MAX,
        };
        let remedy = if grace_s >= most {
            format!("{} grants no more", self.platform)
        } else {
            format!("set {} to {}", self.platform.grace_setting(), longest_s.min(most))
        };
        Some(format!(
            "a deploy gives calls {grace_s} s, and a plan allows {longest_s} s: a call that is longer is handed over to another instance between two turns; {remedy}"
        ))
    }
}

/// The most any plan of the store allows; nothing when there is no plan.
async fn longest_call(directory: &dyn Directory) -> Result<Duration, StoreError> {
    let (mut after, mut minutes) = (None, 0);
    for _ in 0..MOST_PAGES {
        let plans = directory.plans(after.as_ref(), PAGE).await?;
        minutes = plans.items.iter().map(|plan| plan.minutes_per_call).fold(minutes, u32::max);
        after = plans.next;
        if after.is_none() {
            break;
        }
    }
    Ok(Duration::from_secs(u64::from(minutes) * 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Sqlite;

    fn line(platform: Platform, grace_s: u64, longest_s: u64) -> Option<String> {
        let grace = Grace { platform, grace: Duration::from_secs(grace_s), at_home: false };
        grace.line(Duration::from_secs(longest_s))
    }

    #[test]
    fn a_grace_that_is_too_short_is_said_with_what_to_set_to_what() {
        for (platform, grace_s, remedy) in [
            (Platform::Railway, 0, "set RAILWAY_DEPLOYMENT_DRAINING_SECONDS to 1800"),
            (Platform::Render, 30, "set maxShutdownDelaySeconds and DRAIN_SECONDS to 300"),
            (Platform::Render, 300, "Render grants no more"),
            (Platform::Fly, 5, "set kill_timeout and DRAIN_SECONDS to 300"),
            (Platform::Laptop, 10, "set DRAIN_SECONDS, and what stops us, to 1800"),
        ] {
            let line = line(platform, grace_s, 1_800).unwrap();
            assert!(line.ends_with(remedy), "{line}");
            assert!(line.contains(&format!("gives calls {grace_s} s, and a plan allows 1800 s")), "{line}");
        }
    }

    #[test]
    fn a_grace_that_is_long_enough_is_not_worth_a_line() {
        for (grace_s, longest_s) in [(1_800, 1_800), (300, 120), (0, 0)] {
            assert_eq!(line(Platform::Railway, grace_s, longest_s), None);
        }
    }

    #[tokio::test]
    async fn the_longest_call_is_that_of_the_most_generous_plan() {
        let store = Sqlite::open("sqlite::memory:").await.unwrap();
        assert_eq!(longest_call(&store).await.unwrap(), Duration::ZERO);
        let plans: Vec<_> = (0..450_u32)
            .map(|number| {
                let minutes = if number == 333 { 90 } else { 1 + number % 30 };
                serde_json::json!({"id": format!("plan-{number:03}"), "concurrentCalls": 1,
                    "minutesPerMonth": 1, "minutesPerCall": minutes})
            })
            .collect();
        let import = serde_json::json!({ "plans": plans, "businesses": [] });
        store.import(&serde_json::from_value(import).unwrap()).await.unwrap();
        assert_eq!(longest_call(&store).await.unwrap(), Duration::from_secs(90 * 60));
    }
}
