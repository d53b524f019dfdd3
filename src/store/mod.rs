//! What we keep: [`Directory`] (who answers), [`Ledger`] (what happened), [`Slots`] (who may be in a call) and [`Outbox`]
//! (what businesses are still to be told).
//!
//! None of them knows a clock or a deadline: whoever asks decides how long to wait, and may drop a question at any
//! time. What is written is written whole or not at all.

mod cached;
pub mod conformance;
mod document;
mod error;
mod firestore;
pub mod import;
mod meter;
mod nudge;
mod sqlite;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

pub use self::cached::{CachedDirectory, Clock};
pub use self::error::{Source, StoreError};
pub use self::firestore::Firestore;
pub use self::nudge::Nudge;
pub use self::sqlite::Sqlite;
use crate::domain::{
    Business, BusinessId, BusinessImport, CallRecord, CallSid, InstanceId, Intention, Message, Month,
    MonthUsage, Notice, NoticeId, PhoneNumber, Place, Plan, PlanId, Recording, RecordingSid, StreamEnd, Turn,
    Voicemail,
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

    /// The business that is to answer a call, and its plan: one question, so that both can have one deadline.
    async fn answering(&self, whose: Whose<'_>) -> Result<Option<Answering>, StoreError> {
        let business = match whose {
            Whose::Id(id) => self.business(id).await?,
            Whose::Line(line) => self.business_by_line(line).await?,
        };
        let Some(business) = business else { return Ok(None) };
        let plan = self.plan(&business.plan).await;
        Ok(Some(Answering { business, plan }))
    }

    /// Businesses by id, from behind `after`, `most` of them at most. One that does not read takes no other with it.
    async fn businesses(
        &self,
        after: Option<&BusinessId>,
        most: u32,
    ) -> Result<Listing<Business, BusinessId>, StoreError>;

    /// Plans by id, from behind `after`, `most` of them at most.
    async fn plans(&self, after: Option<&PlanId>, most: u32) -> Result<Listing<Plan, PlanId>, StoreError>;

    /// Takes in all of it or nothing. What has the same id is replaced, lines included; of two with one id in the same
    /// import the later stays. A business's plan must be in the import or in the store ([`StoreError::UnknownPlan`]),
    /// and a line has one owner ([`StoreError::LineTaken`]).
    async fn import(&self, import: &BusinessImport) -> Result<(), StoreError>;

    /// Takes a business and its lines away; false when there is none. Its calls stay.
    async fn remove_business(&self, id: &BusinessId) -> Result<bool, StoreError>;

    /// Takes a plan away; false when there is none. A plan some business has stays ([`StoreError::PlanInUse`]).
    async fn remove_plan(&self, id: &PlanId) -> Result<bool, StoreError>;
}

/// What happened: calls, their streams and turns, the messages and voicemails people left, and what it adds up to.
///
/// What is told of a call before it is opened is kept, and shows when it is: the instance that answered the webhook
/// and the one that carries the stream need not wait for each other. Everything can be told again, in any order, and
/// counts once.
#[async_trait]
pub trait Ledger: Send + Sync + fmt::Debug {
    /// Writes a call down when its webhook is answered. True when it is new; Twilio may ask twice, and the first stays.
    async fn open_call(&self, call: &CallRecord) -> Result<bool, StoreError>;

    /// A call that was opened.
    async fn call(&self, call: &CallSid) -> Result<Option<CallRecord>, StoreError>;

    /// The calls of a business that were opened, the latest first, from behind `after`.
    async fn calls(
        &self,
        business: &BusinessId,
        after: Option<&CallKey>,
        most: u32,
    ) -> Result<Listing<CallRecord, CallKey>, StoreError>;

    /// True for exactly one asker: the one that may carry this stream of the call. Asking again, even by the same
    /// instance, is refused; so an answer that got lost costs the attempt. Raises the record's attempts and names the
    /// instance.
    ///
    /// Claiming a later attempt than any before takes back that the call was over, told or presumed: a transfer nobody
    /// answered has come back, or a stream has come after all. The call is over again when that is told anew.
    async fn claim_attempt(
        &self,
        call: &CallSid,
        attempt: u8,
        instance: &InstanceId,
    ) -> Result<bool, StoreError>;

    /// The caller's stream is there, at a time in milliseconds since 1970. The earliest such time stays.
    async fn answered(&self, call: &CallSid, at_ms: i64) -> Result<(), StoreError>;

    /// Keeps a turn, in the place of one with the same attempt and number.
    async fn keep_turn(&self, call: &CallSid, turn: &Turn) -> Result<(), StoreError>;

    /// The turns of a call by attempt, then by when they began, then by number.
    async fn turns(&self, call: &CallSid) -> Result<Vec<Turn>, StoreError>;

    /// Keeps what is meant to happen when the stream closes, or that nothing is.
    async fn intend(&self, call: &CallSid, intention: Option<&Intention>) -> Result<(), StoreError>;

    /// Keeps a message, and with it what the business is to be told. One of the same call and tool call is kept once,
    /// as it came first.
    async fn take_message(&self, message: &Message, notice: Option<&Notice>) -> Result<(), StoreError>;

    /// The newest [`MESSAGES_LISTED`] messages of a business, oldest first.
    async fn messages(&self, business: &BusinessId) -> Result<Vec<Message>, StoreError>;

    /// The message one tool call took.
    async fn message(&self, call: &CallSid, tool_call: &str) -> Result<Option<Message>, StoreError>;

    /// Keeps a voicemail, and with it what the business is to be told. One recording is kept once, as it came first. Its
    /// call need not be known.
    async fn keep_voicemail(&self, voicemail: &Voicemail, notice: Option<&Notice>) -> Result<(), StoreError>;

    /// The newest [`VOICEMAILS_LISTED`] voicemails of a business, oldest first.
    async fn voicemails(&self, business: &BusinessId) -> Result<Vec<Voicemail>, StoreError>;

    /// Those that were left in one call, oldest first.
    async fn voicemails_in(&self, call: &CallSid) -> Result<Vec<Voicemail>, StoreError>;

    /// The voicemail of that recording, if it is this business's.
    async fn voicemail(
        &self,
        business: &BusinessId,
        recording: &RecordingSid,
    ) -> Result<Option<Voicemail>, StoreError>;

    /// Keeps that a stream was recorded, in the place of what was kept for the same attempt.
    async fn keep_recording(&self, call: &CallSid, recording: &Recording) -> Result<(), StoreError>;

    /// One stream is over. The first word about an attempt stays; a word of an instance about a stream that another
    /// one has claimed is dropped. The call is over too when the ending is no accident and no later stream was claimed: an
    /// instance that was cut off learns of its stream's end as if the caller had hung up. A late accident does not replace
    /// the ending of a call that is over.
    async fn end_stream(&self, call: &CallSid, end: &StreamEnd) -> Result<(), StoreError>;

    /// The model's part of the call is over, at a time in milliseconds since 1970. Of the times that are told for sure,
    /// here and by [`Ledger::end_stream`], the earliest stays; a presumed one holds only until there is one of those, and
    /// of several the latest: whoever presumes it has heard of the call since.
    async fn end_call(&self, call: &CallSid, at_ms: i64, sure: Certainty) -> Result<(), StoreError>;

    /// What a business used in a month: of every call that is over its time, and of every stream that is over its use.
    /// It never counts anything twice, and follows when a presumed end is corrected.
    ///
    /// When a call that [`CallRecord::tells`] is over, a notice about it is kept in the same breath; it is due a little
    /// later when the call may come back.
    async fn month(&self, business: &BusinessId, month: Month) -> Result<MonthUsage, StoreError>;

    /// The months in which a business used anything, the latest first.
    async fn months(&self, business: &BusinessId) -> Result<Vec<MonthUsage>, StoreError>;
}

/// Who may be in a call: leases a live call holds and renews, as many at once as its business's plan allows.
#[async_trait]
pub trait Slots: Send + Sync + fmt::Debug {
    /// Seats a call, or renews its seat; a call that has one keeps it, on whichever instance it goes on. Of many that
    /// ask at once, exactly as many as there is room for are seated.
    async fn take(&self, wish: &SlotWish<'_>) -> Result<Seating, StoreError>;

    /// Renews the leases of calls an instance carries. A call whose lease it no longer holds is left alone.
    async fn renew(
        &self,
        instance: &InstanceId,
        calls: &[(BusinessId, CallSid)],
        until_ms: i64,
    ) -> Result<(), StoreError>;

    /// Gives a call's slot back, if this instance holds it.
    async fn free(
        &self,
        business: &BusinessId,
        call: &CallSid,
        instance: &InstanceId,
    ) -> Result<(), StoreError>;

    /// How many calls of a business are seated at a time in milliseconds since 1970.
    async fn taken(&self, business: &BusinessId, now_ms: i64) -> Result<u32, StoreError>;

    /// Calls whose lease ended before a time in milliseconds since 1970 and that nobody gave back: their instance died,
    /// and nobody went on with them. They are listed until [`Slots::bury`] is told.
    async fn lapsed(&self, before_ms: i64, most: u32) -> Result<Vec<Lapsed>, StoreError>;

    /// Forgets a lapsed lease, unless it was renewed meanwhile.
    async fn bury(&self, lapsed: &Lapsed) -> Result<(), StoreError>;

    /// Moves the lease of a call to an instance, if it still is as it was seen: to end then, or not there at all. A lease
    /// that is made so has no place among those of the plan, and counts all the same. True for one asker of several who
    /// saw the same, as long as each of them moves the end.
    async fn claim(&self, claim: &LeaseClaim<'_>) -> Result<bool, StoreError>;
}

/// What businesses are still to be told.
#[async_trait]
pub trait Outbox: Send + Sync + fmt::Debug {
    /// Keeps a notice; one with the same id is kept once, also when it was delivered in the last day.
    async fn post(&self, notice: &Notice) -> Result<(), StoreError>;

    /// Notices that are due at `now_ms`, the longest due first. Each is given to one asker, counted as tried, and due
    /// again at `again_ms` unless [`Outbox::settle`] says otherwise: so what a dying process took is tried again.
    async fn take_due(&self, now_ms: i64, again_ms: i64, most: u32) -> Result<Vec<Notice>, StoreError>;

    /// What became of a try.
    async fn settle(&self, id: &NoticeId, outcome: &Delivery) -> Result<(), StoreError>;

    /// The notices of a business that wait or were given up, the latest first: [`NOTICES_LISTED`] at most.
    async fn notices(&self, business: &BusinessId) -> Result<Vec<Notice>, StoreError>;

    /// Makes a notice due, one that was given up too; false when there is none of this id and business.
    async fn retry(&self, business: &BusinessId, id: &NoticeId, now_ms: i64) -> Result<bool, StoreError>;

    /// Forgets what was delivered or given up before a time in milliseconds since 1970.
    async fn forget(&self, before_ms: i64) -> Result<(), StoreError>;
}

/// A store as the server holds it: one place behind all four traits.
#[derive(Debug, Clone)]
pub enum Store {
    /// A file.
    Sqlite(Sqlite),
    /// Google's Firestore.
    Firestore(Firestore),
}

impl Store {
    /// Opens the store at a place. A Firestore that cannot be reached is opened all the same: it is asked when there is
    /// something to ask.
    pub async fn open(place: &Place) -> Result<Self, StoreError> {
        match place {
            Place::Sqlite(url) => Ok(Self::Sqlite(Sqlite::open(url).await?)),
            Place::Firestore(place) => Ok(Self::Firestore(Firestore::open(place).await?)),
        }
    }

    /// Who answers.
    pub fn directory(&self) -> Arc<dyn Directory> {
        match self {
            Self::Sqlite(store) => Arc::new(store.clone()),
            Self::Firestore(store) => Arc::new(store.clone()),
        }
    }

    /// What happened.
    pub fn ledger(&self) -> Arc<dyn Ledger> {
        match self {
            Self::Sqlite(store) => Arc::new(store.clone()),
            Self::Firestore(store) => Arc::new(store.clone()),
        }
    }

    /// Who may be in a call.
    pub fn slots(&self) -> Arc<dyn Slots> {
        match self {
            Self::Sqlite(store) => Arc::new(store.clone()),
            Self::Firestore(store) => Arc::new(store.clone()),
        }
    }

    /// What businesses are still to be told.
    pub fn outbox(&self) -> Arc<dyn Outbox> {
        match self {
            Self::Sqlite(store) => Arc::new(store.clone()),
            Self::Firestore(store) => Arc::new(store.clone()),
        }
    }

    /// Whether it can be reached, and lets us in.
    pub async fn check(&self) -> Result<(), StoreError> {
        match self {
            // It was, when it was opened.
            Self::Sqlite(_) => Ok(()),
            Self::Firestore(store) => store.check().await,
        }
    }

    /// Tells of everything in the directory, and then of every change, until nobody listens any more. A store that does
    /// not watch itself says nothing.
    pub async fn watch(&self, words: mpsc::Sender<Watch>) {
        match self {
            // Whoever changes the file may be another process.
            Self::Sqlite(_) => drop(words),
            Self::Firestore(store) => store.watch(words).await,
        }
    }

    /// Closes it when every question under way is answered.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            // Nothing of it is here.
            Self::Firestore(_) => {}
        }
    }
}

/// Whose call it is.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'a> {
    /// The business the webhook's URL names.
    Id(&'a BusinessId),
    /// The owner of the line that was called.
    Line(&'a PhoneNumber),
}

/// A business that is to answer a call.
#[derive(Debug)]
pub struct Answering {
    /// Which.
    pub business: Business,
    /// Its plan. Without one it can still fall back.
    pub plan: Result<Option<Plan>, StoreError>,
}

/// Part of a list.
#[derive(Debug)]
pub struct Listing<T, K> {
    /// What reads, in order.
    pub items: Vec<T>,
    /// What does not.
    pub unreadable: Vec<StoreError>,
    /// Behind which the next part begins; none when this was the last.
    pub next: Option<K>,
}

/// A call's place among those of its business: the latest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallKey {
    /// When it started, in milliseconds since 1970.
    pub started_ms: i64,
    /// Which it is.
    pub call: CallSid,
}

/// How sure the teller of a call's end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// Told by whoever was there.
    Told,
    /// Presumed, because nobody has been heard of since.
    Presumed,
}

/// A call wants a slot.
#[derive(Debug, Clone, Copy)]
pub struct SlotWish<'a> {
    /// Of which business.
    pub business: &'a BusinessId,
    /// For which call.
    pub call: &'a CallSid,
    /// Who carries it.
    pub instance: &'a InstanceId,
    /// How many the plan allows.
    pub most: u32,
    /// What time it is, in milliseconds since 1970.
    pub now_ms: i64,
    /// When the lease ends unless it is renewed, in milliseconds since 1970.
    pub until_ms: i64,
}

/// Somebody wants to look after a call nobody seems to carry.
#[derive(Debug, Clone, Copy)]
pub struct LeaseClaim<'a> {
    /// Whose call it is.
    pub business: &'a BusinessId,
    /// Which.
    pub call: &'a CallSid,
    /// When its lease was seen to end, in milliseconds since 1970; none when there was no lease.
    pub seen_until_ms: Option<i64>,
    /// Who wants it.
    pub instance: &'a InstanceId,
    /// When the lease is to end, in milliseconds since 1970.
    pub until_ms: i64,
}

/// What became of the wish for a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seating {
    /// The call has one.
    Seated,
    /// All are taken.
    Full,
}

/// A lease nobody renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lapsed {
    /// Whose call it was.
    pub business: BusinessId,
    /// Which.
    pub call: CallSid,
    /// When the lease ended, in milliseconds since 1970.
    pub until_ms: i64,
}

/// What became of a try to tell a business something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It was told, or there is nobody to tell any more; at a time in milliseconds since 1970.
    Done(i64),
    /// Not now: the next try is at a time in milliseconds since 1970.
    Later(i64, String),
    /// It was tried for long enough. It stays visible; since a time in milliseconds since 1970.
    GivenUp(i64, String),
}

/// What a store that watches itself says of its directory.
#[derive(Debug, Clone)]
pub enum Watch {
    /// All that is there was told, and so will be every change.
    InSync,
    /// From now on a change may go unseen.
    Lost,
    /// Something is not what it was, or was not told before.
    Changed(Change),
}

/// Something in the directory is not what it was: told by a store that watches itself.
#[derive(Debug, Clone)]
pub enum Change {
    /// A business, as it is now.
    Business(Box<Business>),
    /// A business is gone, or does not read any more: what was heard of it a moment ago is not fresh.
    BusinessGone(BusinessId),
    /// A plan, as it is now.
    Plan(Plan),
    /// A plan is gone, or does not read any more.
    PlanGone(PlanId),
    /// A line has another owner, or none.
    Line(PhoneNumber),
}

/// More messages than anybody reads in one go, few enough to hold in memory (about a MB).
pub const MESSAGES_LISTED: u32 = 1_000;

/// The same for voicemails.
pub const VOICEMAILS_LISTED: u32 = 1_000;

/// The same for notices.
pub const NOTICES_LISTED: u32 = 1_000;
