//! Calls, turns and messages in SQLite.

use async_trait::async_trait;
use sqlx::FromRow;

use super::{Sqlite, failed, whole};
use crate::domain::{
    BusinessId, CallRecord, CallSid, InstanceId, Intention, Message, Month, MonthUsage, Notice, NoticeId,
    Recording, StreamEnd, Turn, Usage,
};
use crate::store::document;
use crate::store::{
    CallKey, Certainty, Delivery, Lapsed, Ledger, Listing, MESSAGES_LISTED, Outbox, Seating, SlotWish, Slots,
    StoreError,
};

#[async_trait]
impl Ledger for Sqlite {
    async fn open_call(&self, call: &CallRecord) -> Result<bool, StoreError> {
        const DOING: &str = "open a call";
        let mut change = self.change(DOING).await?;
        let known: Option<CallRow> = sqlx::query_as(CALL)
            .bind(call.call.as_str())
            .fetch_optional(&mut *change)
            .await
            .map_err(failed(DOING))?;
        if known.as_ref().is_some_and(|row| row.document.is_some()) {
            return Ok(false);
        }
        let mut usage = used(&call.call, known.and_then(|row| row.usage))?;
        usage.add(&call.usage);
        sqlx::query(
            "insert into calls (call, document, answered_ms, ended_ms, attempts, instance, ending, intention, usage)
             values (?, ?, ?, ?, ?, ?, ?, ?, ?)
             on conflict (call) do update set
                 document = excluded.document,
                 answered_ms = coalesce(answered_ms, excluded.answered_ms),
                 ended_ms = coalesce(ended_ms, excluded.ended_ms),
                 instance = iif(attempts >= excluded.attempts, coalesce(instance, excluded.instance), excluded.instance),
                 attempts = max(attempts, excluded.attempts),
                 ending = coalesce(ending, excluded.ending),
                 intention = coalesce(intention, excluded.intention),
                 usage = excluded.usage",
        )
        .bind(call.call.as_str())
        .bind(document::write(call, DOING)?)
        .bind(call.answered_ms)
        .bind(call.ended_ms)
        .bind(i64::from(call.attempts))
        .bind(call.instance.as_str())
        .bind(call.ending.as_ref().map(|ending| document::write(ending, DOING)).transpose()?)
        .bind(call.intention.as_ref().map(|intention| document::write(intention, DOING)).transpose()?)
        .bind(document::write(&usage, DOING)?)
        .execute(&mut *change)
        .await
        .map_err(failed(DOING))?;
        change.commit().await.map_err(failed(DOING))?;
        Ok(true)
    }

    async fn call(&self, call: &CallSid) -> Result<Option<CallRecord>, StoreError> {
        let row: Option<CallRow> = sqlx::query_as(CALL)
            .bind(call.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed("look up a call"))?;
        row.map_or(Ok(None), |row| row.record(call))
    }

    async fn claim_attempt(
        &self,
        call: &CallSid,
        attempt: u8,
        instance: &InstanceId,
    ) -> Result<bool, StoreError> {
        const DOING: &str = "claim a stream of a call";
        let mut change = self.change(DOING).await?;
        let claimed = sqlx::query(
            "insert into attempts (call, attempt, instance) values (?, ?, ?) on conflict do nothing",
        )
        .bind(call.as_str())
        .bind(i64::from(attempt))
        .bind(instance.as_str())
        .execute(&mut *change)
        .await
        .map_err(failed(DOING))?;
        if claimed.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(
            "insert into calls (call, attempts, instance) values (?, ?, ?)
             on conflict (call) do update set
                 instance = iif(excluded.attempts >= attempts, excluded.instance, instance),
                 attempts = max(attempts, excluded.attempts)",
        )
        .bind(call.as_str())
        .bind(i64::from(attempt))
        .bind(instance.as_str())
        .execute(&mut *change)
        .await
        .map_err(failed(DOING))?;
        change.commit().await.map_err(failed(DOING))?;
        Ok(true)
    }

    async fn answered(&self, call: &CallSid, at_ms: i64) -> Result<(), StoreError> {
        sqlx::query(
            "insert into calls (call, answered_ms) values (?, ?)
             on conflict (call) do update set answered_ms = coalesce(answered_ms, excluded.answered_ms)",
        )
        .bind(call.as_str())
        .bind(at_ms)
        .execute(&self.writer)
        .await
        .map_err(failed("keep when a call was answered"))?;
        Ok(())
    }

    async fn keep_turn(&self, call: &CallSid, turn: &Turn) -> Result<(), StoreError> {
        const DOING: &str = "keep a turn";
        sqlx::query(
            "insert into turns (call, attempt, number, began_ms, document) values (?, ?, ?, ?, ?)
             on conflict (call, attempt, number) do update set
                 began_ms = excluded.began_ms, document = excluded.document",
        )
        .bind(call.as_str())
        .bind(i64::from(turn.attempt))
        .bind(i64::from(turn.number))
        .bind(whole(turn.began_ms))
        .bind(document::write(turn, DOING)?)
        .execute(&self.writer)
        .await
        .map_err(failed(DOING))?;
        Ok(())
    }

    async fn turns(&self, call: &CallSid) -> Result<Vec<Turn>, StoreError> {
        let rows: Vec<(i64, i64, String)> = sqlx::query_as(
            "select attempt, number, document from turns where call = ? order by attempt, began_ms, number",
        )
        .bind(call.as_str())
        .fetch_all(&self.readers)
        .await
        .map_err(failed("look up the turns of a call"))?;
        let path = |attempt: i64, number: i64| format!("calls/{call}/turns/{attempt}-{number}");
        rows.iter().map(|(attempt, number, text)| document::read(text, || path(*attempt, *number))).collect()
    }

    async fn intend(&self, call: &CallSid, intention: Option<&Intention>) -> Result<(), StoreError> {
        const DOING: &str = "keep what a call means to do";
        sqlx::query(
            "insert into calls (call, intention) values (?, ?)
             on conflict (call) do update set intention = excluded.intention",
        )
        .bind(call.as_str())
        .bind(intention.map(|intention| document::write(intention, DOING)).transpose()?)
        .execute(&self.writer)
        .await
        .map_err(failed(DOING))?;
        Ok(())
    }

    async fn take_message(&self, message: &Message, _notice: Option<&Notice>) -> Result<(), StoreError> {
        const DOING: &str = "keep a message";
        sqlx::query(
            "insert into messages (call, tool_call, business, taken_ms, document) values (?, ?, ?, ?, ?)
             on conflict do nothing",
        )
        .bind(message.call.as_str())
        .bind(&message.tool_call)
        .bind(message.business.as_str())
        .bind(message.taken_ms)
        .bind(document::write(message, DOING)?)
        .execute(&self.writer)
        .await
        .map_err(failed(DOING))?;
        Ok(())
    }

    async fn messages(&self, business: &BusinessId) -> Result<Vec<Message>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "select call, document from messages where business = ?
             order by taken_ms desc, call desc, tool_call desc limit ?",
        )
        .bind(business.as_str())
        .bind(i64::from(MESSAGES_LISTED))
        .fetch_all(&self.readers)
        .await
        .map_err(failed("list the messages of a business"))?;
        let path = |call: &str| format!("a message of calls/{call}");
        rows.iter().rev().map(|(call, text)| document::read(text, || path(call))).collect()
    }

    async fn calls(
        &self,
        _: &BusinessId,
        _: Option<&CallKey>,
        _: u32,
    ) -> Result<Listing<CallRecord, CallKey>, StoreError> {
        Err(unbuilt())
    }
    async fn message(&self, _: &CallSid, _: &str) -> Result<Option<Message>, StoreError> {
        Err(unbuilt())
    }
    async fn keep_recording(&self, _: &CallSid, _: &Recording) -> Result<(), StoreError> {
        Err(unbuilt())
    }
    async fn end_stream(&self, _: &CallSid, _: &StreamEnd) -> Result<(), StoreError> {
        Err(unbuilt())
    }
    async fn end_call(&self, _: &CallSid, _: i64, _: Certainty) -> Result<(), StoreError> {
        Err(unbuilt())
    }
    async fn month(&self, _: &BusinessId, _: Month) -> Result<MonthUsage, StoreError> {
        Err(unbuilt())
    }
    async fn months(&self, _: &BusinessId) -> Result<Vec<MonthUsage>, StoreError> {
        Err(unbuilt())
    }
}

fn unbuilt() -> StoreError {
    StoreError::Failed { doing: "do what is not built yet", source: "unbuilt".into() }
}

#[async_trait]
impl Slots for Sqlite {
    async fn take(&self, _: &SlotWish<'_>) -> Result<Seating, StoreError> {
        Err(unbuilt())
    }
    async fn renew(&self, _: &InstanceId, _: &[(BusinessId, CallSid)], _: i64) -> Result<(), StoreError> {
        Err(unbuilt())
    }
    async fn free(&self, _: &BusinessId, _: &CallSid, _: &InstanceId) -> Result<(), StoreError> {
        Err(unbuilt())
    }
    async fn taken(&self, _: &BusinessId, _: i64) -> Result<u32, StoreError> {
        Err(unbuilt())
    }
    async fn lapsed(&self, _: i64, _: u32) -> Result<Vec<Lapsed>, StoreError> {
        Err(unbuilt())
    }
    async fn bury(&self, _: &Lapsed) -> Result<(), StoreError> {
        Err(unbuilt())
    }
}

#[async_trait]
impl Outbox for Sqlite {
    async fn post(&self, _: &Notice) -> Result<(), StoreError> {
        Err(unbuilt())
    }
    async fn take_due(&self, _: i64, _: i64, _: u32) -> Result<Vec<Notice>, StoreError> {
        Err(unbuilt())
    }
    async fn settle(&self, _: &NoticeId, _: &Delivery) -> Result<(), StoreError> {
        Err(unbuilt())
    }
    async fn notices(&self, _: &BusinessId) -> Result<Vec<Notice>, StoreError> {
        Err(unbuilt())
    }
    async fn retry(&self, _: &BusinessId, _: &NoticeId, _: i64) -> Result<bool, StoreError> {
        Err(unbuilt())
    }
    async fn forget(&self, _: i64) -> Result<(), StoreError> {
        Err(unbuilt())
    }
}

const CALL: &str = "select document, answered_ms, ended_ms, attempts, instance, ending, intention, usage
                    from calls where call = ?";

/// A row of `calls`: the record as it was opened, and what became of it.
#[derive(FromRow)]
struct CallRow {
    document: Option<String>,
    answered_ms: Option<i64>,
    ended_ms: Option<i64>,
    attempts: i64,
    instance: Option<String>,
    ending: Option<String>,
    intention: Option<String>,
    usage: Option<String>,
}

impl CallRow {
    /// The record, when the call was opened.
    fn record(self, call: &CallSid) -> Result<Option<CallRecord>, StoreError> {
        let Some(text) = self.document else { return Ok(None) };
        let opened: CallRecord = document::read(&text, || format!("calls/{call}"))?;
        Ok(Some(CallRecord {
            answered_ms: self.answered_ms,
            ended_ms: self.ended_ms,
            attempts: u8::try_from(self.attempts).unwrap_or(u8::MAX),
            instance: match self.instance {
                Some(name) => InstanceId::parse(&name).map_err(|_| bad_instance(call))?,
                None => opened.instance,
            },
            ending: self.ending.map(|text| document::read(&text, || part(call, "ending"))).transpose()?,
            intention: self
                .intention
                .map(|text| document::read(&text, || part(call, "intention")))
                .transpose()?,
            usage: used(call, self.usage)?,
            ..opened
        }))
    }
}

fn used(call: &CallSid, stored: Option<String>) -> Result<Usage, StoreError> {
    stored.map_or(Ok(Usage::default()), |text| document::read(&text, || part(call, "usage")))
}

fn part(call: &CallSid, column: &str) -> String {
    format!("the {column} of calls/{call}")
}

fn bad_instance(call: &CallSid) -> StoreError {
    StoreError::Unreadable {
        document: format!("calls/{call}"),
        field: "instance".to_owned(),
        problem: "is not an instance id".to_owned(),
    }
}
