//! What the tests of this room share: a ledger that writes down what it is told, slots in memory, and how they fail.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::clock::Clock;
use crate::call::{Brief, Opening};
use crate::clients::{HttpToolClient, HttpToolSettings, Reach, tls_with_public_roots};
use crate::domain::{
    AccountSid, Business, BusinessId, CallRecord, CallSid, Ending, InstanceId, Intention, Message,
    MicroDollars, Month, MonthUsage, Notice, Pii, PlanId, Recording, RecordingSid, StreamEnd, Turn, Usage,
    Voicemail,
};
use crate::store::{
    CallKey, Carried, Certainty, Lapsed, LeaseClaim, Ledger, Listing, Seating, SlotWish, Slots, StoreError,
};

/// How the ledger behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    /// The first try of every write fails.
    Flaky,
    /// Nothing is ever answered.
    Stuck,
    /// Everything fails.
    Down,
}

#[derive(Debug)]
pub(super) struct TestLedger {
    pub(super) mood: Mood,
    /// How often a write was tried.
    pub(super) tries: AtomicUsize,
    /// What was written, a word each.
    pub(super) written: Mutex<Vec<String>>,
    /// What the next claim says, and whether the call is known.
    pub(super) claim: bool,
    pub(super) known: bool,
    /// Which instance the record names.
    pub(super) carried_by: &'static str,
}

/// What asks tools, of this machine too.
pub(super) fn tools() -> HttpToolClient {
    let tls = tls_with_public_roots().unwrap();
    HttpToolClient::new(HttpToolSettings::new(Reach::Loopback, tls)).unwrap()
}

impl TestLedger {
    pub(super) fn new(mood: Mood) -> Self {
        Self {
            mood,
            tries: AtomicUsize::new(0),
            written: Mutex::default(),
            claim: true,
            known: true,
            carried_by: "here",
        }
    }

    pub(super) fn words(&self) -> Vec<String> {
        self.written.lock().unwrap().clone()
    }

    async fn keep(&self, word: String) -> Result<(), StoreError> {
        let first = self.tries.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        match self.mood {
            Mood::Stuck => std::future::pending().await,
            Mood::Down => return Err(failure()),
            Mood::Flaky if first => return Err(failure()),
            Mood::Flaky | Mood::Well => {}
        }
        self.written.lock().unwrap().push(word);
        Ok(())
    }
}

#[async_trait]
impl Ledger for TestLedger {
    async fn open_call(&self, record: &CallRecord) -> Result<bool, StoreError> {
        self.keep(format!("opened {}", record.call)).await.map(|()| true)
    }
    async fn call(&self, _call: &CallSid) -> Result<Option<CallRecord>, StoreError> {
        let carried_by = |instance: &str| InstanceId::parse(instance).unwrap();
        Ok(self.known.then(|| CallRecord { instance: carried_by(self.carried_by), ..record() }))
    }
    async fn claim_attempt(&self, _: &CallSid, attempt: u8, _: &InstanceId) -> Result<bool, StoreError> {
        self.keep(format!("claimed {attempt}")).await.map(|()| self.claim)
    }
    async fn answered(&self, _: &CallSid, _: i64) -> Result<(), StoreError> {
        self.keep("answered".to_owned()).await
    }
    async fn keep_turn(&self, _: &CallSid, turn: &Turn) -> Result<(), StoreError> {
        self.keep(format!("turn {}", turn.number)).await
    }
    async fn turns(&self, _: &CallSid) -> Result<Vec<Turn>, StoreError> {
        Ok(Vec::new())
    }
    async fn intend(&self, _: &CallSid, intention: Option<&Intention>) -> Result<(), StoreError> {
        self.keep(format!("intends {intention:?}")).await
    }
    async fn calls(
        &self,
        _: &BusinessId,
        _: Option<&CallKey>,
        _: u32,
    ) -> Result<Listing<CallRecord, CallKey>, StoreError> {
        Ok(Listing { items: Vec::new(), unreadable: Vec::new(), next: None })
    }
    async fn all_calls(
        &self,
        _: Option<&CallKey>,
        _: u32,
    ) -> Result<Listing<CallRecord, CallKey>, StoreError> {
        Ok(Listing { items: Vec::new(), unreadable: Vec::new(), next: None })
    }
    async fn take_message(&self, message: &Message, notice: Option<&Notice>) -> Result<(), StoreError> {
        let told = if notice.is_some() { ", told" } else { "" };
        self.keep(format!("message {}{told}", message.tool_call)).await
    }
    async fn messages(&self, _: &BusinessId) -> Result<Vec<Message>, StoreError> {
        Ok(Vec::new())
    }
    async fn message(&self, _: &CallSid, _: &str) -> Result<Option<Message>, StoreError> {
        Ok(None)
    }
    async fn keep_voicemail(&self, voicemail: &Voicemail, _: Option<&Notice>) -> Result<(), StoreError> {
        self.keep(format!("voicemail {}", voicemail.recording)).await
    }
    async fn voicemails(&self, _: &BusinessId) -> Result<Vec<Voicemail>, StoreError> {
        Ok(Vec::new())
    }
    async fn voicemails_in(&self, _: &CallSid) -> Result<Vec<Voicemail>, StoreError> {
        Ok(Vec::new())
    }
    async fn voicemail(&self, _: &BusinessId, _: &RecordingSid) -> Result<Option<Voicemail>, StoreError> {
        Ok(None)
    }
    async fn keep_recording(&self, _: &CallSid, recording: &Recording) -> Result<(), StoreError> {
        let Recording { file, length_ms, instance, .. } = recording;
        self.keep(format!("recorded {file} of {length_ms} ms by {instance}")).await
    }
    async fn end_stream(&self, _: &CallSid, end: &StreamEnd) -> Result<(), StoreError> {
        self.keep(format!("ended {:?}", end.ending)).await
    }
    async fn end_call(&self, _: &CallSid, at_ms: i64, sure: Certainty) -> Result<(), StoreError> {
        self.keep(format!("over at {at_ms}, {sure:?}")).await
    }
    async fn month(&self, business: &BusinessId, month: Month) -> Result<MonthUsage, StoreError> {
        Ok(MonthUsage::nothing(business.clone(), month))
    }
    async fn months(&self, _: &BusinessId) -> Result<Vec<MonthUsage>, StoreError> {
        Ok(Vec::new())
    }
}

/// Slots in memory.
#[derive(Debug)]
pub(super) struct TestSlots {
    mood: Mutex<Mood>,
    /// Who holds the slot of which call, and until when.
    held: Mutex<BTreeMap<(BusinessId, CallSid), (InstanceId, i64)>>,
}

impl TestSlots {
    pub(super) fn new() -> Self {
        Self { mood: Mutex::new(Mood::Well), held: Mutex::default() }
    }

    pub(super) fn set_mood(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Who holds the slot of a call, and until when.
    pub(super) fn holder(&self, call: &CallSid) -> Option<(String, i64)> {
        let held = self.held.lock().unwrap();
        let found = held.iter().find(|((_, held), _)| held == call);
        found.map(|(_, (instance, until_ms))| (instance.to_string(), *until_ms))
    }

    async fn ready(&self) -> Result<(), StoreError> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Well => Ok(()),
            Mood::Stuck => std::future::pending().await,
            Mood::Flaky | Mood::Down => Err(failure()),
        }
    }
}

#[async_trait]
impl Slots for TestSlots {
    async fn take(&self, wish: &SlotWish<'_>) -> Result<Seating, StoreError> {
        self.ready().await?;
        let mut held = self.held.lock().unwrap();
        let key = (wish.business.clone(), wish.call.clone());
        let others = held
            .iter()
            .filter(|((business, _), (_, until_ms))| business == wish.business && *until_ms > wish.now_ms);
        if !held.contains_key(&key) && others.count() >= wish.most as usize {
            return Ok(Seating::Full);
        }
        held.insert(key, (wish.instance.clone(), wish.until_ms));
        Ok(Seating::Seated)
    }
    async fn renew(
        &self,
        instance: &InstanceId,
        calls: &[(BusinessId, CallSid)],
        until_ms: i64,
    ) -> Result<(), StoreError> {
        self.ready().await?;
        let mut held = self.held.lock().unwrap();
        for call in calls {
            if let Some(slot) = held.get_mut(call).filter(|(holder, _)| holder == instance) {
                slot.1 = until_ms;
            }
        }
        Ok(())
    }
    async fn free(&self, business: &BusinessId, call: &CallSid, by: &InstanceId) -> Result<(), StoreError> {
        self.ready().await?;
        let key = (business.clone(), call.clone());
        self.held.lock().unwrap().retain(|held, (instance, _)| *held != key || instance != by);
        Ok(())
    }
    async fn taken(&self, _: &BusinessId, now_ms: i64) -> Result<u32, StoreError> {
        let held = self.held.lock().unwrap();
        Ok(u32::try_from(held.values().filter(|(_, until_ms)| *until_ms > now_ms).count()).unwrap())
    }
    async fn carried(&self, _: i64, _: u32) -> Result<Vec<Carried>, StoreError> {
        Ok(Vec::new())
    }
    async fn lapsed(&self, before_ms: i64, most: u32) -> Result<Vec<Lapsed>, StoreError> {
        self.ready().await?;
        let held = self.held.lock().unwrap();
        let lapsed = held.iter().filter(|(_, (_, until_ms))| *until_ms < before_ms);
        let lapsed = lapsed.map(|((business, call), (_, until_ms))| Lapsed {
            business: business.clone(),
            call: call.clone(),
            until_ms: *until_ms,
        });
        Ok(lapsed.take(most as usize).collect())
    }
    async fn bury(&self, lapsed: &Lapsed) -> Result<(), StoreError> {
        self.ready().await?;
        let key = (lapsed.business.clone(), lapsed.call.clone());
        self.held.lock().unwrap().retain(|held, (_, until_ms)| *held != key || *until_ms != lapsed.until_ms);
        Ok(())
    }
    async fn claim(&self, claim: &LeaseClaim<'_>) -> Result<bool, StoreError> {
        self.ready().await?;
        let mut held = self.held.lock().unwrap();
        let key = (claim.business.clone(), claim.call.clone());
        let is_as_seen = held.get(&key).map(|(_, until_ms)| *until_ms) == claim.seen_until_ms;
        if is_as_seen {
            held.insert(key, (claim.instance.clone(), claim.until_ms));
        }
        Ok(is_as_seen)
    }
}

/// The time of day in paused time: it began at the first question of the test, which has a thread of its own.
pub(super) fn paused_clock() -> i64 {
    thread_local! {
        static CLOCK: Clock = Clock::start();
    }
    PAUSED_START_MS + CLOCK.with(|clock| i64::try_from(clock.now().as_millis()).unwrap())
}

/// When [`paused_clock`] begins.
pub(super) const PAUSED_START_MS: i64 = 1_790_000_000_000;

fn failure() -> StoreError {
    StoreError::Away { doing: "keep it", source: "the test says so".into() }
}

pub(super) fn call_sid() -> CallSid {
    CallSid::parse("CA00000000000000000000000000000001").unwrap()
}

pub(super) fn stream_end(ending: Ending) -> StreamEnd {
    let (usage, cost) = (Usage::default(), MicroDollars::default());
    StreamEnd { attempt: 1, instance: InstanceId::parse("here").unwrap(), ending, usage, cost, at_ms: 1 }
}

pub(super) fn record() -> CallRecord {
    CallRecord {
        call: call_sid(),
        account: AccountSid::parse("AC1").unwrap(),
        business: BusinessId::parse("business-1").unwrap(),
        plan: PlanId::parse("premium").unwrap(),
        from: Pii::new("+14155550123".to_owned()),
        to: Pii::new("+15551234567".to_owned()),
        started_ms: 1,
        answered_ms: None,
        ended_ms: None,
        ending: None,
        intention: None,
        attempts: 1,
        instance: InstanceId::parse("here").unwrap(),
        usage: Usage::default(),
        cost: MicroDollars::default(),
        recordings: Vec::new(),
        tells: false,
    }
}

pub(super) fn brief() -> Brief {
    let business: Business = serde_json::from_str(
        r#"{"id":"business-1","name":"Luna Dental","plan":"premium","greeting":"Hello.","instructions":"Be kind.",
            "destinations":[{"id":"front-office","label":"the front office","number":"+15550001111"}],
            "tools":["end_call","transfer_call"]}"#,
    )
    .unwrap();
    Brief {
        call: call_sid(),
        attempt: 1,
        plan: business.plan.clone(),
        business,
        from: Pii::new("+14155550123".to_owned()),
        began_ms: 1,
        longest: std::time::Duration::from_secs(600),
        recorded: false,
        opening: Opening::Greet,
        bridging: None,
    }
}
