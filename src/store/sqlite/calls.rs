//! A call as its rows tell it: the record as it was opened, and what became of it.

use serde::de::DeserializeOwned;
use sqlx::FromRow;

use super::bad_id;
use crate::domain::{CallRecord, CallSid, InstanceId};
use crate::store::{CallKey, StoreError, document, meter};

// The streams and recordings come as lists of texts and not as JSON: one that is broken is then named when it is read,
// and does not fail the whole question.
macro_rules! select {
    ($which:literal) => {
        concat!(
            "select call, document, answered_ms, coalesce(ended_ms, presumed_ms) as over_ms, attempts, instance,
                    intention, metered, told, started_ms,
                    (select json_group_array(s.document order by s.attempt) from streams s
                     where s.call = calls.call) as streams,
                    (select json_group_array(r.document order by r.attempt) from recordings r
                     where r.call = calls.call) as recordings
             from calls ",
            $which
        )
    };
}

/// One call, by its name.
pub(super) const ONE: &str = select!("where call = ?");

/// Those of a business, the latest first, from behind one.
pub(super) const OF_BUSINESS: &str =
    select!("where business = ? and (started_ms, call) < (?, ?) order by started_ms desc, call desc limit ?");

/// Those of all, the latest first, from behind one. What is in no business's list is not in this one.
pub(super) const OF_ALL: &str = select!(
    "where business is not null and (started_ms, call) < (?, ?) order by started_ms desc, call desc limit ?"
);

/// A row of `calls`, with what belongs to it.
#[derive(FromRow)]
pub(super) struct CallRow {
    pub(super) call: String,
    pub(super) started_ms: Option<i64>,
    pub(super) metered: Option<String>,
    pub(super) told: i64,
    document: Option<String>,
    answered_ms: Option<i64>,
    over_ms: Option<i64>,
    attempts: i64,
    instance: Option<String>,
    intention: Option<String>,
    streams: String,
    recordings: String,
}

impl CallRow {
    /// Its place in a list.
    pub(super) fn key(&self, doing: &'static str) -> Result<CallKey, StoreError> {
        let call = CallSid::parse(&self.call).map_err(bad_id(doing))?;
        Ok(CallKey { started_ms: self.started_ms.unwrap_or_default(), call })
    }

    /// The record, when the call was opened; those that were not are in no list.
    pub(super) fn listed(self) -> Result<CallRecord, StoreError> {
        let path = format!("calls/{}", self.call);
        self.record()?.ok_or_else(|| StoreError::Unreadable {
            document: path,
            field: ".".to_owned(),
            problem: "is not there".to_owned(),
        })
    }

    /// The record, when the call was opened.
    pub(super) fn record(self) -> Result<Option<CallRecord>, StoreError> {
        let Some(text) = self.document else { return Ok(None) };
        let call = self.call;
        let opened: CallRecord = document::read(&text, || format!("calls/{call}"))?;
        let mut record = CallRecord {
            answered_ms: self.answered_ms,
            ended_ms: self.over_ms,
            attempts: u8::try_from(self.attempts).unwrap_or(u8::MAX),
            instance: match self.instance {
                Some(name) => InstanceId::parse(&name).map_err(|_| bad_instance(&call))?,
                None => opened.instance,
            },
            intention: self
                .intention
                .map(|text| document::read(&text, || format!("the intention of calls/{call}")))
                .transpose()?,
            recordings: parts(&self.recordings, || format!("a recording of calls/{call}"))?,
            ..opened
        };
        meter::add_streams(&mut record, parts(&self.streams, || format!("a stream of calls/{call}"))?);
        Ok(Some(record))
    }
}

/// A list of documents, each as a text in the list.
fn parts<T: DeserializeOwned>(list: &str, path: impl Fn() -> String) -> Result<Vec<T>, StoreError> {
    let texts: Vec<String> = document::read(list, &path)?;
    texts.iter().map(|text| document::read(text, &path)).collect()
}

fn bad_instance(call: &str) -> StoreError {
    StoreError::Unreadable {
        document: format!("calls/{call}"),
        field: "instance".to_owned(),
        problem: "is not an instance id".to_owned(),
    }
}
