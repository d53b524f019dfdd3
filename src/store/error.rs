//! Why a store could not do what it was asked.

use crate::domain::{BusinessId, PhoneNumber, PlanId};

/// Why the store could not do what it was asked. Nothing personal is in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be had.
    #[error("could not open the store {url}: {remedy}")]
    Unopenable {
        /// As it was given.
        url: String,
        /// What to do.
        remedy: String,
        /// What was met, where somebody else said it.
        source: Option<Source>,
    },
    /// The store was changed by a newer program, and this one would not understand what it reads.
    #[error(
        "the store {url} was written by a newer frontdesk (migration {migration}): run that version, or restore a backup from before it"
    )]
    Newer {
        /// As it was given.
        url: String,
        /// The first migration this program does not have.
        migration: i64,
    },
    /// Busy, or away for a moment.
    #[error("could not {doing}: the store is busy or away for the moment")]
    Away {
        /// What was asked of it.
        doing: &'static str,
        /// What was met.
        source: Source,
    },
    /// It did not answer in time.
    #[error("could not {doing}: the store did not answer within {patience_ms} ms")]
    Late {
        /// What was asked of it.
        doing: &'static str,
        /// How long it was waited for, in milliseconds.
        patience_ms: u64,
    },
    /// It failed in a way that asking again cannot mend.
    #[error("could not {doing}")]
    Failed {
        /// What was asked of it.
        doing: &'static str,
        /// What was met.
        source: Source,
    },
    /// A stored document is not what it should be.
    #[error("could not read {document}: `{field}` {problem}; mend it, or import it anew")]
    Unreadable {
        /// Its path: `businesses/business-1`.
        document: String,
        /// The field's path in it: `destinations[0].number`; a dot is the whole document.
        field: String,
        /// What is wrong with it, without what stands there.
        problem: String,
    },
    /// A document cannot be called that.
    #[error(
        "Firestore cannot keep {document}: nothing may be called `.`, `..` or `__…__` there; choose another id"
    )]
    Unnameable {
        /// Its path.
        document: String,
    },
    /// An import is more than one change can hold.
    #[error(
        "the import is too large to be taken in at once ({changes} documents, {most} at most): import it in parts"
    )]
    TooLarge {
        /// How many documents it changes.
        changes: usize,
        /// How many it may.
        most: usize,
    },
    /// A line has one owner.
    #[error(
        "the line {line:?} of {claimant} belongs to {owner}: take it from {owner} first, or import both together"
    )]
    LineTaken {
        /// The line.
        line: PhoneNumber,
        /// Whose it is.
        owner: BusinessId,
        /// Who wanted it.
        claimant: BusinessId,
    },
    /// A business names a plan that is not there.
    #[error("the plan {plan} of {business} is neither in the import nor in the store: import it too")]
    UnknownPlan {
        /// Whose plan.
        business: BusinessId,
        /// Which.
        plan: PlanId,
    },
    /// A plan somebody has cannot be taken away.
    #[error("the plan {plan} is still the plan of {business}: give it another plan first")]
    PlanInUse {
        /// Which.
        plan: PlanId,
        /// One of those who have it.
        business: BusinessId,
    },
}

/// What somebody else said when they failed.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

impl StoreError {
    /// Whether asking again, a little later, may succeed.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Away { .. } | Self::Late { .. } => true,
            Self::Unopenable { .. }
            | Self::Newer { .. }
            | Self::Failed { .. }
            | Self::Unreadable { .. }
            | Self::Unnameable { .. }
            | Self::TooLarge { .. }
            | Self::LineTaken { .. }
            | Self::UnknownPlan { .. }
            | Self::PlanInUse { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_about_a_line_names_both_businesses_and_not_the_number() {
        let error = StoreError::LineTaken {
            line: PhoneNumber::parse("+15551234567").unwrap(),
            owner: BusinessId::parse("luna").unwrap(),
            claimant: BusinessId::parse("sol").unwrap(),
        };
        let (text, debug) = (error.to_string(), format!("{error:?}"));
        assert!(text.starts_with("the line +…67 of sol belongs to luna"), "{text}");
        assert!(!debug.contains("5551234"), "{debug}");
        assert!(!error.is_temporary());
    }
}
