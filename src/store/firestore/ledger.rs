//! Calls, streams, turns and messages in Firestore.

use async_trait::async_trait;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::ask::{Commit, Contest, Patience, Stored};
use super::call_document::{CallDocument, FIELDS, INTENTION, RECORDINGS};
use super::codec::Fields;
use super::outbox::new_notice;
use super::write::{If, merge, put};
use super::{Firestore, codec, page, queries};
use crate::domain::{
    BusinessId, CallRecord, CallSid, InstanceId, Intention, Message, Month, MonthUsage, Notice, Recording,
    RecordingSid, StreamEnd, Turn, Voicemail,
};
use crate::store::{CallKey, Certainty, Ledger, Listing, StoreError};

#[async_trait]
impl Ledger for Firestore {
    async fn open_call(&self, call: &CallRecord) -> Result<bool, StoreError> {
        let open = |document: &mut CallDocument| {
            let is_new = document.opened.is_none();
            if is_new {
                document.open(call);
            }
            is_new
        };
        // Nothing was told of most calls before: one commit will do.
        self.change("open a call", &call.call, Look::WhenRefused, open).await
    }

    async fn call(&self, call: &CallSid) -> Result<Option<CallRecord>, StoreError> {
        let Ok(name) = self.call_name(call) else { return Ok(None) };
        let stored = self.get_one("look up a call", Patience::Lookup, name).await?;
        stored.map_or(Ok(None), |stored| Ok(CallDocument::read(self, &stored)?.record(call)))
    }

    async fn calls(
        &self,
        business: &BusinessId,
        after: Option<&CallKey>,
        most: u32,
    ) -> Result<Listing<CallRecord, CallKey>, StoreError> {
        let query = queries::calls_of(business, after, most.saturating_add(1));
        let found = self.find("list the calls of a business", Patience::List, query).await?;
        let key = |stored: &Stored| {
            let call = CallSid::parse(stored.id()).ok()?;
            Some(CallKey { started_ms: stored.fields.get("startedMs")?.as_i64()?, call })
        };
        let next = |kept: &[Stored]| kept.iter().rev().find_map(key);
        Ok(page(found, most, next, |stored| self.listed(&stored)))
    }

    async fn claim_attempt(
        &self,
        call: &CallSid,
        attempt: u8,
        instance: &InstanceId,
    ) -> Result<bool, StoreError> {
        let claim = |document: &mut CallDocument| document.known.claim(attempt, instance);
        self.change("claim a stream of a call", call, Look::First, claim).await
    }

    async fn answered(&self, call: &CallSid, at_ms: i64) -> Result<(), StoreError> {
        let answer = |document: &mut CallDocument| document.known.answer(at_ms);
        self.change("keep when a call was answered", call, Look::First, answer).await
    }

    async fn keep_turn(&self, call: &CallSid, turn: &Turn) -> Result<(), StoreError> {
        const DOING: &str = "keep a turn";
        let id = format!("{}-{}", turn.attempt, turn.number);
        let name = self.names().beneath(("calls", call.as_str()), "turns", &id)?;
        self.keep(DOING, put(name, codec::fields(turn, DOING)?, If::Ever)).await
    }

    async fn turns(&self, call: &CallSid) -> Result<Vec<Turn>, StoreError> {
        let Ok(name) = self.call_name(call) else { return Ok(Vec::new()) };
        let found =
            self.find("look up the turns of a call", Patience::Lookup, queries::turns_of(name)).await?;
        let turns = found.into_iter().map(|stored| self.read(stored));
        let mut turns = turns.collect::<Result<Vec<Turn>, _>>()?;
        turns.sort_by_key(|turn| (turn.attempt, turn.began_ms, turn.number));
        Ok(turns)
    }

    async fn intend(&self, call: &CallSid, intention: Option<&Intention>) -> Result<(), StoreError> {
        const DOING: &str = "keep what a call means to do";
        let fields = codec::fields(&json!({ INTENTION: intention }), DOING)?;
        self.keep(DOING, merge(self.call_name(call)?, fields, &[INTENTION], If::Ever)).await
    }

    async fn take_message(&self, message: &Message, notice: Option<&Notice>) -> Result<(), StoreError> {
        const DOING: &str = "keep a message";
        let name = self.message_name(&message.call, &message.tool_call)?;
        self.keep_once(DOING, name, codec::fields(message, DOING)?, notice).await
    }

    async fn messages(&self, business: &BusinessId) -> Result<Vec<Message>, StoreError> {
        const DOING: &str = "list the messages of a business";
        let found = self.find(DOING, Patience::List, queries::messages_of(business)).await?;
        let messages = found.into_iter().map(|stored| self.read(stored));
        let mut messages = messages.collect::<Result<Vec<Message>, _>>()?;
        messages.sort_by(|one, next| {
            let key = |message: &Message| (message.taken_ms, message.call.clone(), message.tool_call.clone());
            key(one).cmp(&key(next))
        });
        Ok(messages)
    }

    async fn message(&self, call: &CallSid, tool_call: &str) -> Result<Option<Message>, StoreError> {
        let Ok(name) = self.message_name(call, tool_call) else { return Ok(None) };
        let stored = self.get_one("look up a message", Patience::Lookup, name).await?;
        stored.map(|stored| self.read(stored)).transpose()
    }

    async fn keep_voicemail(&self, voicemail: &Voicemail, notice: Option<&Notice>) -> Result<(), StoreError> {
        self.put_voicemail(voicemail, notice).await
    }

    async fn voicemails(&self, business: &BusinessId) -> Result<Vec<Voicemail>, StoreError> {
        self.voicemails_for(business).await
    }

    async fn voicemails_in(&self, call: &CallSid) -> Result<Vec<Voicemail>, StoreError> {
        self.voicemails_of(call).await
    }

    async fn voicemail(
        &self,
        business: &BusinessId,
        recording: &RecordingSid,
    ) -> Result<Option<Voicemail>, StoreError> {
        self.one_voicemail(business, recording).await
    }

    async fn keep_recording(&self, call: &CallSid, recording: &Recording) -> Result<(), StoreError> {
        const DOING: &str = "keep that a stream was recorded";
        let attempt = recording.attempt.to_string();
        let path = format!("{RECORDINGS}.`{attempt}`");
        let fields = codec::fields(&json!({ RECORDINGS: { attempt: recording } }), DOING)?;
        self.keep(DOING, merge(self.call_name(call)?, fields, &[&path], If::Ever)).await
    }

    async fn end_stream(&self, call: &CallSid, end: &StreamEnd) -> Result<(), StoreError> {
        let told = |document: &mut CallDocument| document.known.end_stream(end);
        self.change("keep how a stream ended", call, Look::First, told).await
    }

    async fn end_call(&self, call: &CallSid, at_ms: i64, sure: Certainty) -> Result<(), StoreError> {
        let told = |document: &mut CallDocument| document.known.end(at_ms, sure);
        self.change("keep when a call ended", call, Look::First, told).await
    }

    async fn month(&self, business: &BusinessId, month: Month) -> Result<MonthUsage, StoreError> {
        self.one_month(business, month).await
    }

    async fn months(&self, business: &BusinessId) -> Result<Vec<MonthUsage>, StoreError> {
        self.all_months(business).await
    }
}

/// Whether a document is looked at before it is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// It is there, mostly.
    First,
    /// It is not there, mostly.
    WhenRefused,
}

impl Firestore {
    /// Keeps something new, and with it what the business is to be told of it. What is there already stays as it is.
    pub(super) async fn keep_once(
        &self,
        doing: &'static str,
        name: String,
        fields: Fields,
        notice: Option<&Notice>,
    ) -> Result<(), StoreError> {
        let kept = put(name.clone(), fields, If::New);
        let mut notice = notice.map(|notice| new_notice(self, notice, doing)).transpose()?;
        let mut contest = Contest::new(doing);
        loop {
            let writes = [Some(kept.clone()), notice.clone()].into_iter().flatten().collect();
            if self.commit(doing, Patience::Change, writes).await? == Commit::Made {
                return Ok(());
            }
            if self.get_one(doing, Patience::Change, name.clone()).await?.is_some() {
                return Ok(());
            }
            // It was the notice that was there already.
            notice = None;
            contest.lost().await?;
        }
    }

    /// Changes what is known of a call, and what follows from it, by what it is at that moment.
    async fn change<T: Send>(
        &self,
        doing: &'static str,
        call: &CallSid,
        look: Look,
        make: impl Fn(&mut CallDocument) -> T + Send + Sync,
    ) -> Result<T, StoreError> {
        let name = self.call_name(call)?;
        let mut contest = Contest::new(doing);
        let mut look = look;
        loop {
            let stored = match look {
                Look::First => self.get_one(doing, Patience::Change, name.clone()).await?,
                Look::WhenRefused => None,
            };
            let version = stored.as_ref().map(|stored| stored.version);
            let mut document = match stored {
                Some(stored) => CallDocument::read(self, &stored)?,
                None => CallDocument::default(),
            };
            let (known, was_opened) = (document.known.clone(), document.opened.is_some());
            let made = make(&mut document);
            if document.known == known && document.opened.is_some() == was_opened {
                return Ok(made);
            }
            if contest.was_lost() {
                self.see_what_is_told(doing, call, &mut document).await?;
            }
            let mut writes = self.follow(call, &mut document, doing)?;
            writes.push(merge(name.clone(), document.fields(doing)?, &FIELDS, If::as_read(version)));
            if self.commit(doing, Patience::Change, writes).await? == Commit::Made {
                return Ok(made);
            }
            look = Look::First;
            contest.lost().await?;
        }
    }

    /// The record of a call that is in a list.
    fn listed(&self, stored: &Stored) -> Result<CallRecord, StoreError> {
        let document = self.names().readable(&stored.name);
        let unreadable = |field: &str, problem: &str| StoreError::Unreadable {
            document: document.clone(),
            field: field.to_owned(),
            problem: problem.to_owned(),
        };
        let call = CallSid::parse(stored.id()).map_err(|_| unreadable(".", "is not called like a call"))?;
        let record = CallDocument::read(self, stored)?.record(&call);
        record.ok_or_else(|| unreadable("startedMs", "is missing"))
    }

    fn call_name(&self, call: &CallSid) -> Result<String, StoreError> {
        self.names().document("calls", call.as_str())
    }

    /// What a model calls its tool calls may be anything; a document's name may not.
    fn message_name(&self, call: &CallSid, tool_call: &str) -> Result<String, StoreError> {
        let hash = Sha256::digest(tool_call.as_bytes());
        let id: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        self.names().beneath(("calls", call.as_str()), "messages", &id)
    }
}
