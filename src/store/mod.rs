//! What we keep: [`Directory`] (who answers) and [`Ledger`] (what happened).
//!
//! Neither trait knows a clock or a deadline: whoever asks decides how long to wait, and may drop a question at any
//! time. What is written is written whole or not at all.

mod cached;
pub mod conformance;
mod document;
mod sqlite;

use std::fmt;

use async_trait::async_trait;

pub use self::cached::CachedDirectory;
pub use self::sqlite::Sqlite;
use crate::domain::{
    Business, BusinessId, BusinessImport, CallRecord, CallSid, Ending, InstanceId, Intention, Message,
    PhoneNumber, Plan, PlanId, Turn, Usage,
};

/// Who answers: businesses, the lines they own, and the plans they have paid for.
#[async_trait]
pub trait Directory: Send + Sync + fmt::Debug {
    /// The business of that id.
    async fn business(&self, id: &BusinessId) -> Result<Option<Business>, StoreError>;

    /// The business that owns a line: the one question that reaches a business's data without its id.
    async fn business_by_line(&self, line: &PhoneNumber) -> Result<Option<Business>, StoreError>;

    /// The plan of that id.
    async fn plan(&self, id: &PlanId) -> Result<Option<Plan>, StoreError>;

    /// Every business, by id. One that does not read fails the list: an export must not lose it.
    async fn businesses(&self) -> Result<Vec<Business>, StoreError>;

    /// Every plan, by id.
    async fn plans(&self) -> Result<Vec<Plan>, StoreError>;

    /// Takes in all of it or nothing. What has the same id is replaced, lines included; of two with one id in the same
    /// import the later stays. A business's plan must be in the import or in the store ([`StoreError::UnknownPlan`]),
    /// and a line has one owner ([`StoreError::LineTaken`]).
    async fn import(&self, import: &BusinessImport) -> Result<(), StoreError>;
}

/// What happened: calls, their streams and turns, and the messages people left.
///
/// What is told of a call before it is opened is kept, and shows when it is: the instance that answered the webhook
/// and the one that carries the stream need not wait for each other.
#[async_trait]
pub trait Ledger: Send + Sync + fmt::Debug {
    /// Writes a call down when its webhook is answered. True when it is new; Twilio may ask twice, and the first stays.
    async fn open_call(&self, call: &CallRecord) -> Result<bool, StoreError>;

    /// A call that was opened.
    async fn call(&self, call: &CallSid) -> Result<Option<CallRecord>, StoreError>;

    /// True for exactly one asker: the one that may carry this stream of the call. Asking again, even by the same
    /// instance, is refused; so an answer that got lost costs the attempt. Raises the record's attempts and names the
    /// instance.
    async fn claim_attempt(
        &self,
        call: &CallSid,
        attempt: u8,
        instance: &InstanceId,
    ) -> Result<bool, StoreError>;

    /// The caller's stream is there, at a time in milliseconds since 1970. The first such time stays.
    async fn answered(&self, call: &CallSid, at_ms: i64) -> Result<(), StoreError>;

    /// Keeps a turn, in the place of one with the same attempt and number.
    async fn keep_turn(&self, call: &CallSid, turn: &Turn) -> Result<(), StoreError>;

    /// The turns of a call by attempt, then by when they began, then by number.
    async fn turns(&self, call: &CallSid) -> Result<Vec<Turn>, StoreError>;

    /// Keeps what is meant to happen when the stream closes, or that nothing is.
    async fn intend(&self, call: &CallSid, intention: Option<&Intention>) -> Result<(), StoreError>;

    /// Keeps a message. One of the same call and tool call is kept once, as it came first.
    async fn take_message(&self, message: &Message) -> Result<(), StoreError>;

    /// The newest [`MESSAGES_LISTED`] messages of a business, oldest first.
    async fn messages(&self, business: &BusinessId) -> Result<Vec<Message>, StoreError>;

    /// One stream is over, at a time in milliseconds since 1970. Adds what it used; a call is over too when the ending
    /// is no accident. An accident that is told late does not replace the call's real ending.
    ///
    /// Usage is added every time: do not ask again unless the answer was an error.
    async fn end_stream(
        &self,
        call: &CallSid,
        ending: &Ending,
        usage: &Usage,
        at_ms: i64,
    ) -> Result<(), StoreError>;

    /// Twilio says the call is over, at a time in milliseconds since 1970. The first such time stays.
    async fn end_call(&self, call: &CallSid, at_ms: i64) -> Result<(), StoreError>;
}

/// More messages than anybody reads in one go, few enough to hold in memory (about a MB).
pub const MESSAGES_LISTED: u32 = 1_000;

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
            | Self::LineTaken { .. }
            | Self::UnknownPlan { .. } => false,
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
