//! Voicemails in SQLite.

use super::outbox::put_notice;
use super::{Sqlite, failed};
use crate::domain::{BusinessId, CallSid, Notice, RecordingSid, Voicemail};
use crate::store::{StoreError, VOICEMAILS_LISTED, document};

/// One recording, if it is this business's.
const ONE: &str = "select document from voicemails where recording = ? and business = ?";

/// The newest of a business.
const OF_BUSINESS: &str = "select recording, document from voicemails where business = ?
    order by left_ms desc, recording desc limit ?";

/// The newest of a call.
const OF_CALL: &str = "select recording, document from voicemails where call = ?
    order by left_ms desc, recording desc limit ?";

impl Sqlite {
    pub(super) async fn put_voicemail(
        &self,
        voicemail: &Voicemail,
        notice: Option<&Notice>,
    ) -> Result<(), StoreError> {
        const DOING: &str = "keep a voicemail";
        let mut change = self.change(DOING).await?;
        let kept = sqlx::query(
            "insert into voicemails (recording, call, business, left_ms, document) values (?, ?, ?, ?, ?)
             on conflict do nothing",
        )
        .bind(voicemail.recording.as_str())
        .bind(voicemail.call.as_str())
        .bind(voicemail.business.as_str())
        .bind(voicemail.left_ms)
        .bind(document::write(voicemail, DOING)?)
        .execute(&mut *change)
        .await
        .map_err(failed(DOING))?;
        if let (1, Some(notice)) = (kept.rows_affected(), notice) {
            put_notice(&mut change, notice, DOING).await?;
        }
        change.commit().await.map_err(failed(DOING))
    }

    pub(super) async fn one_voicemail(
        &self,
        business: &BusinessId,
        recording: &RecordingSid,
    ) -> Result<Option<Voicemail>, StoreError> {
        let found: Option<String> = sqlx::query_scalar(ONE)
            .bind(recording.as_str())
            .bind(business.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed("look up a voicemail"))?;
        found.map(|text| document::read(&text, || path(recording.as_str()))).transpose()
    }

    pub(super) async fn voicemails_for(&self, business: &BusinessId) -> Result<Vec<Voicemail>, StoreError> {
        self.listed(OF_BUSINESS, business.as_str(), "list the voicemails of a business").await
    }

    pub(super) async fn voicemails_of(&self, call: &CallSid) -> Result<Vec<Voicemail>, StoreError> {
        self.listed(OF_CALL, call.as_str(), "look up the voicemails of a call").await
    }

    async fn listed(
        &self,
        query: &'static str,
        whose: &str,
        doing: &'static str,
    ) -> Result<Vec<Voicemail>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(query)
            .bind(whose)
            .bind(i64::from(VOICEMAILS_LISTED))
            .fetch_all(&self.readers)
            .await
            .map_err(failed(doing))?;
        rows.iter().rev().map(|(recording, text)| document::read(text, || path(recording))).collect()
    }
}

fn path(recording: &str) -> String {
    format!("voicemails/{recording}")
}
