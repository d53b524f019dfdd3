//! Calls, streams, turns and messages in SQLite.

use async_trait::async_trait;

use super::calls::{self, CallRow};
use super::outbox::put_notice;
use super::usage::follow;
use super::{Sqlite, Writing, bad_id, failed, more_than, page, whole};
use crate::domain::{
    BusinessId, CallRecord, CallSid, InstanceId, Intention, Message, Month, MonthUsage, Notice, Recording,
    RecordingSid, StreamEnd, Turn, Voicemail,
};
use crate::store::document;
use crate::store::{CallKey, Certainty, Ledger, Listing, MESSAGES_LISTED, StoreError};

#[async_trait]
impl Ledger for Sqlite {
    async fn open_call(&self, call: &CallRecord) -> Result<bool, StoreError> {
        const DOING: &str = "open a call";
        let mut change = self.change(DOING).await?;
        let opened = sqlx::query(
            "insert into calls (call, business, started_ms, document, answered_ms, ended_ms, attempts, instance, intention)
             values (?, ?, ?, ?, ?, ?, ?, ?, ?)
             on conflict (call) do update set
                 business = excluded.business,
                 started_ms = excluded.started_ms,
                 document = excluded.document,
                 answered_ms = min(coalesce(answered_ms, excluded.answered_ms), coalesce(excluded.answered_ms, answered_ms)),
                 ended_ms = min(coalesce(ended_ms, excluded.ended_ms), coalesce(excluded.ended_ms, ended_ms)),
                 instance = iif(attempts >= excluded.attempts, coalesce(instance, excluded.instance), excluded.instance),
                 attempts = max(attempts, excluded.attempts),
                 intention = coalesce(intention, excluded.intention)
             where document is null",
        )
        .bind(call.call.as_str())
        .bind(call.business.as_str())
        .bind(call.started_ms)
        .bind(document::write(call, DOING)?)
        .bind(call.answered_ms)
        .bind(call.ended_ms)
        .bind(i64::from(call.attempts))
        .bind(call.instance.as_str())
        .bind(call.intention.as_ref().map(|intention| document::write(intention, DOING)).transpose()?)
        .execute(&mut *change)
        .await
        .map_err(failed(DOING))?;
        if opened.rows_affected() == 0 {
            return Ok(false);
        }
        for recording in &call.recordings {
            put_recording(&mut change, &call.call, recording, DOING).await?;
        }
        follow(&mut change, &call.call, DOING).await?;
        change.commit().await.map_err(failed(DOING))?;
        Ok(true)
    }

    async fn call(&self, call: &CallSid) -> Result<Option<CallRecord>, StoreError> {
        let row: Option<CallRow> = sqlx::query_as(calls::ONE)
            .bind(call.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed("look up a call"))?;
        row.map_or(Ok(None), CallRow::record)
    }

    async fn calls(
        &self,
        business: &BusinessId,
        after: Option<&CallKey>,
        most: u32,
    ) -> Result<Listing<CallRecord, CallKey>, StoreError> {
        const DOING: &str = "list the calls of a business";
        let rows: Vec<CallRow> = sqlx::query_as(calls::OF_BUSINESS)
            .bind(business.as_str())
            .bind(after.map_or(i64::MAX, |key| key.started_ms))
            .bind(after.map_or("", |key| key.call.as_str()))
            .bind(more_than(most))
            .fetch_all(&self.readers)
            .await
            .map_err(failed(DOING))?;
        page(rows, most, CallRow::listed, |row| {
            let call = CallSid::parse(&row.call).map_err(bad_id(DOING))?;
            Ok(CallKey { started_ms: row.started_ms.unwrap_or_default(), call })
        })
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
        if attempt > 1 {
            goes_on(&mut change, call, attempt, DOING).await?;
        }
        change.commit().await.map_err(failed(DOING))?;
        Ok(true)
    }

    async fn answered(&self, call: &CallSid, at_ms: i64) -> Result<(), StoreError> {
        const DOING: &str = "keep when a call was answered";
        let mut change = self.change(DOING).await?;
        sqlx::query(
            "insert into calls (call, answered_ms) values (?, ?)
             on conflict (call) do update set
                 answered_ms = min(coalesce(answered_ms, excluded.answered_ms), excluded.answered_ms)",
        )
        .bind(call.as_str())
        .bind(at_ms)
        .execute(&mut *change)
        .await
        .map_err(failed(DOING))?;
        follow(&mut change, call, DOING).await?;
        change.commit().await.map_err(failed(DOING))
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

    async fn take_message(&self, message: &Message, notice: Option<&Notice>) -> Result<(), StoreError> {
        const DOING: &str = "keep a message";
        let mut change = self.change(DOING).await?;
        let kept = sqlx::query(
            "insert into messages (call, tool_call, business, taken_ms, document) values (?, ?, ?, ?, ?)
             on conflict do nothing",
        )
        .bind(message.call.as_str())
        .bind(&message.tool_call)
        .bind(message.business.as_str())
        .bind(message.taken_ms)
        .bind(document::write(message, DOING)?)
        .execute(&mut *change)
        .await
        .map_err(failed(DOING))?;
        if let (1, Some(notice)) = (kept.rows_affected(), notice) {
            put_notice(&mut change, notice, DOING).await?;
        }
        change.commit().await.map_err(failed(DOING))
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

    async fn message(&self, call: &CallSid, tool_call: &str) -> Result<Option<Message>, StoreError> {
        let found: Option<String> =
            sqlx::query_scalar("select document from messages where call = ? and tool_call = ?")
                .bind(call.as_str())
                .bind(tool_call)
                .fetch_optional(&self.readers)
                .await
                .map_err(failed("look up a message"))?;
        found.map(|text| document::read(&text, || format!("a message of calls/{call}"))).transpose()
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
        let mut change = self.change(DOING).await?;
        put_recording(&mut change, call, recording, DOING).await?;
        change.commit().await.map_err(failed(DOING))
    }

    async fn end_stream(&self, call: &CallSid, end: &StreamEnd) -> Result<(), StoreError> {
        const DOING: &str = "keep how a stream ended";
        let mut change = self.change(DOING).await?;
        let kept = sqlx::query(
            "insert into streams (call, attempt, document) select ?1, ?2, ?3
             where not exists (select 1 from attempts where call = ?1 and attempt = ?2 and instance <> ?4)
             on conflict do nothing",
        )
        .bind(call.as_str())
        .bind(i64::from(end.attempt))
        .bind(document::write(end, DOING)?)
        .bind(end.instance.as_str())
        .execute(&mut *change)
        .await
        .map_err(failed(DOING))?;
        if kept.rows_affected() == 0 {
            return Ok(());
        }
        if !end.ending.is_accident() && !is_later_claimed(&mut change, call, end.attempt, DOING).await? {
            ended(&mut change, call, end.at_ms, DOING).await?;
        }
        follow(&mut change, call, DOING).await?;
        change.commit().await.map_err(failed(DOING))
    }

    async fn end_call(&self, call: &CallSid, at_ms: i64, sure: Certainty) -> Result<(), StoreError> {
        const DOING: &str = "keep when a call ended";
        let mut change = self.change(DOING).await?;
        match sure {
            Certainty::Told => ended(&mut change, call, at_ms, DOING).await?,
            Certainty::Presumed => presumed(&mut change, call, at_ms, DOING).await?,
        }
        follow(&mut change, call, DOING).await?;
        change.commit().await.map_err(failed(DOING))
    }

    async fn month(&self, business: &BusinessId, month: Month) -> Result<MonthUsage, StoreError> {
        self.one_month(business, month).await
    }

    async fn months(&self, business: &BusinessId) -> Result<Vec<MonthUsage>, StoreError> {
        self.all_months(business).await
    }
}

async fn put_recording(
    change: &mut Writing,
    call: &CallSid,
    recording: &Recording,
    doing: &'static str,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into recordings (call, attempt, document) values (?, ?, ?)
         on conflict (call, attempt) do update set document = excluded.document",
    )
    .bind(call.as_str())
    .bind(i64::from(recording.attempt))
    .bind(document::write(recording, doing)?)
    .execute(&mut **change)
    .await
    .map_err(failed(doing))?;
    Ok(())
}

/// Takes back that a call was over before this stream of it was claimed.
async fn goes_on(
    change: &mut Writing,
    call: &CallSid,
    attempt: u8,
    doing: &'static str,
) -> Result<(), StoreError> {
    if is_later_claimed(change, call, attempt, doing).await? {
        return Ok(());
    }
    let over = sqlx::query(
        "update calls set ended_ms = null, presumed_ms = null
         where call = ? and coalesce(ended_ms, presumed_ms) is not null",
    )
    .bind(call.as_str())
    .execute(&mut **change)
    .await
    .map_err(failed(doing))?;
    if over.rows_affected() > 0 {
        follow(change, call, doing).await?;
    }
    Ok(())
}

/// Whether somebody has claimed a stream of the call behind this one.
async fn is_later_claimed(
    change: &mut Writing,
    call: &CallSid,
    attempt: u8,
    doing: &'static str,
) -> Result<bool, StoreError> {
    sqlx::query_scalar("select exists (select 1 from attempts where call = ? and attempt > ?)")
        .bind(call.as_str())
        .bind(i64::from(attempt))
        .fetch_one(&mut **change)
        .await
        .map_err(failed(doing))
}

/// Keeps the earliest end that was told for sure.
async fn ended(
    change: &mut Writing,
    call: &CallSid,
    at_ms: i64,
    doing: &'static str,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into calls (call, ended_ms) values (?, ?)
         on conflict (call) do update set
             ended_ms = min(coalesce(ended_ms, excluded.ended_ms), excluded.ended_ms)",
    )
    .bind(call.as_str())
    .bind(at_ms)
    .execute(&mut **change)
    .await
    .map_err(failed(doing))?;
    Ok(())
}

/// Keeps the latest end that was presumed: whoever presumes later has heard of the call after the others gave it up.
async fn presumed(
    change: &mut Writing,
    call: &CallSid,
    at_ms: i64,
    doing: &'static str,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into calls (call, presumed_ms) values (?, ?)
         on conflict (call) do update set
             presumed_ms = max(coalesce(presumed_ms, excluded.presumed_ms), excluded.presumed_ms)",
    )
    .bind(call.as_str())
    .bind(at_ms)
    .execute(&mut **change)
    .await
    .map_err(failed(doing))?;
    Ok(())
}
