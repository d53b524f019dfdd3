//! A plan: what a business has paid for.

use serde::{Deserialize, Serialize};

use super::PlanId;

/// What a business has paid for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Its name.
    pub id: PlanId,
    /// How many calls may be in flight at once.
    pub concurrent_calls: u32,
    /// How many minutes of calls a month.
    pub minutes_per_month: u32,
    /// How many minutes one call may last; the caller is told at one minute left.
    pub minutes_per_call: u32,
    /// The speech model, when the plan names one; else the deployment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether calls may be recorded.
    #[serde(default)]
    pub recording: bool,
    /// What a caller meets when the calls at once or the minutes of the month are used up.
    #[serde(default, skip_serializing_if = "AtLimit::is_default")]
    pub at_limit: AtLimit,
}

/// What a caller meets when a plan is at its limit. The business is told in either case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtLimit {
    /// The business's own fallback.
    #[default]
    FallBack,
    /// The model all the same: what is over the plan is between the two businesses.
    Answer,
}

impl AtLimit {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
