//! Every question to Firestore goes through here: with one deadline for all of it, however often it is tried, and with
//! errors that name no document.
//!
//! The crate's own questions multiply their deadline by their tries, and log what Firestore says, which names documents:
//! a caller's line among them. So its connection is used, and the calls on it are made here.

use std::time::Duration;

use firestore::FirestoreDocument;
use firestore::errors::FirestoreError;
use firestore::gcloud_sdk::GoogleAuthMiddleware;
use firestore::gcloud_sdk::google::firestore::v1::firestore_client::FirestoreClient;
use firestore::gcloud_sdk::google::firestore::v1::{
    BatchGetDocumentsRequest, BatchWriteRequest, CommitRequest, RunQueryRequest, Write,
    batch_get_documents_response, run_query_request,
};
use firestore::gcloud_sdk::prost_types::Timestamp;
use firestore::gcloud_sdk::tonic::{Code, Status};
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::Firestore;
use super::codec;
use super::names::id_of;
use super::queries::Query;
use crate::store::{Source, StoreError, document};

/// How long a question may take, all its tries together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Somebody rings meanwhile.
    Lookup,
    /// The same, for one try of a change. A change that is tried again takes longer, and whoever asked may stop waiting.
    Change,
    /// Somebody looks at a list, or imports.
    List,
}

/// Whoever looks up a business or keeps what was said waits a second: it hears from us, and not from its clock.
pub(super) const CALL_PATIENCE: Duration = Duration::from_millis(900);

/// People wait longer.
const LIST_PATIENCE: Duration = Duration::from_secs(10);

/// A connection that was just closed is open again at the second try; more would be a crowd at a door that is shut.
const LOOKUP_TRIES: u32 = 3;

/// As often others may be quicker: with the pauses in between some seconds, and more often than there are others when
/// fifty change one document at once.
const CHANGE_TRIES: u32 = 60;

/// The longest pause before a next try, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 250;

/// When a document was last changed: a change can depend on that this is still so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Version(pub(super) Timestamp);

/// A document that is there.
#[derive(Debug)]
pub(super) struct Stored {
    /// Its whole name.
    pub(super) name: String,
    /// When it was last changed.
    pub(super) version: Version,
    /// What it holds.
    pub(super) fields: Map<String, Json>,
}

impl Stored {
    pub(super) fn of(mut document: FirestoreDocument) -> Self {
        let name = std::mem::take(&mut document.name);
        let version = Version(document.update_time.unwrap_or_default());
        Self { name, version, fields: codec::json_fields(document) }
    }

    /// Its id in its collection.
    pub(super) fn id(&self) -> &str {
        id_of(&self.name)
    }

    /// A field that holds a text.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Json::as_str)
    }
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Commit {
    /// All of it was made.
    Made,
    /// Nothing of it: what it depended on is no longer so.
    Outdated,
}

/// The tries of a change that others may make impossible.
#[derive(Debug)]
pub(super) struct Contest {
    doing: &'static str,
    tries: u32,
}

impl Contest {
    pub(super) fn new(doing: &'static str) -> Self {
        Self { doing, tries: 0 }
    }

    /// Whether this is not the first try.
    pub(super) fn was_lost(&self) -> bool {
        self.tries > 0
    }

    /// Somebody else was quicker: waits a little, by chance not as long as they do. Fails when that was so too often.
    pub(super) async fn lost(&mut self) -> Result<(), StoreError> {
        self.tries += 1;
        if self.tries >= CHANGE_TRIES {
            let source = "others were quicker every time".into();
            return Err(StoreError::Away { doing: self.doing, source });
        }
        pause(self.tries).await;
        Ok(())
    }
}

async fn pause(tries: u32) {
    let longest = (10_u64 << tries.min(6)).min(LONGEST_PAUSE_MS);
    let (chance, _) = Uuid::new_v4().as_u64_pair();
    sleep(Duration::from_millis(chance % longest)).await;
}

type Client = FirestoreClient<GoogleAuthMiddleware>;

impl Firestore {
    /// A document.
    pub(super) async fn get_one(
        &self,
        doing: &'static str,
        patience: Patience,
        name: String,
    ) -> Result<Option<Stored>, StoreError> {
        Ok(self.get(doing, patience, vec![name]).await?.pop())
    }

    /// Those of some documents that are there, in no order.
    pub(super) async fn get(
        &self,
        doing: &'static str,
        patience: Patience,
        names: Vec<String>,
    ) -> Result<Vec<Stored>, StoreError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let database = self.names().database().to_owned();
        let request = BatchGetDocumentsRequest { database, documents: names, ..Default::default() };
        self.ask(doing, patience, move |mut client: Client| {
            let request = request.clone();
            Box::pin(async move {
                let mut stream = client.batch_get_documents(request).await?.into_inner();
                let mut found = Vec::new();
                while let Some(answer) = stream.message().await? {
                    if let Some(batch_get_documents_response::Result::Found(document)) = answer.result {
                        found.push(Stored::of(document));
                    }
                }
                Ok(found)
            })
        })
        .await
    }

    /// What a query finds, in its order.
    pub(super) async fn find(
        &self,
        doing: &'static str,
        patience: Patience,
        query: Query,
    ) -> Result<Vec<Stored>, StoreError> {
        let (beneath, query) = query.into_parts(self.names());
        let query_type = Some(run_query_request::QueryType::StructuredQuery(query));
        let request = RunQueryRequest { parent: beneath, query_type, ..Default::default() };
        self.ask(doing, patience, move |mut client: Client| {
            let request = request.clone();
            Box::pin(async move {
                let mut stream = client.run_query(request).await?.into_inner();
                let mut found = Vec::new();
                while let Some(answer) = stream.message().await? {
                    found.extend(answer.document.map(Stored::of));
                }
                Ok(found)
            })
        })
        .await
    }

    /// Makes all of some changes or none, tried once. When it fails for the moment, nobody knows which.
    pub(super) async fn commit(
        &self,
        doing: &'static str,
        patience: Patience,
        writes: Vec<Write>,
    ) -> Result<Commit, StoreError> {
        let database = self.names().database().to_owned();
        let request = CommitRequest { database, writes, ..Default::default() };
        let patience = self.lasts(patience);
        let made = timeout(patience, async {
            let db = self.connected().await.map_err(|error| away(doing, error))?;
            match db.client().get().commit(request).await {
                Ok(_) => Ok(Commit::Made),
                Err(status) if is_outdated(&status) => Ok(Commit::Outdated),
                Err(status) => Err(failed(doing, patience, &status)),
            }
        });
        made.await.unwrap_or_else(|_| Err(late(doing, patience)))
    }

    /// Makes a change that depends on nothing and may be made twice, until it is made.
    pub(super) async fn keep(&self, doing: &'static str, write: Write) -> Result<(), StoreError> {
        let mut contest = Contest::new(doing);
        loop {
            match self.commit(doing, Patience::Change, vec![write.clone()]).await {
                Ok(Commit::Made) => return Ok(()),
                Ok(Commit::Outdated) => contest.lost().await?,
                Err(error @ StoreError::Away { .. }) if contest.tries + 1 >= LOOKUP_TRIES => {
                    return Err(error);
                }
                Err(StoreError::Away { .. }) => contest.lost().await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes changes each by itself; one that depends on what is no longer so is left out.
    pub(super) async fn each(&self, doing: &'static str, writes: Vec<Write>) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        let database = self.names().database().to_owned();
        let request = BatchWriteRequest { database, writes, ..Default::default() };
        let patience = self.lasts(Patience::Change);
        let made = timeout(patience, async {
            let db = self.connected().await.map_err(|error| away(doing, error))?;
            let made = db.client().get().batch_write(request).await;
            let statuses = made.map_err(|status| failed(doing, patience, &status))?.into_inner().status;
            for status in statuses {
                let status = Status::new(Code::from_i32(status.code), status.message);
                if status.code() != Code::Ok && !is_outdated(&status) {
                    return Err(failed(doing, patience, &status));
                }
            }
            Ok(())
        });
        made.await.unwrap_or_else(|_| Err(late(doing, patience)))
    }

    /// Asks, again when that may help, until the patience is over.
    async fn ask<T>(
        &self,
        doing: &'static str,
        patience: Patience,
        question: impl Fn(Client) -> BoxFuture<'static, Result<T, Status>> + Send + Sync,
    ) -> Result<T, StoreError> {
        let patience = self.lasts(patience);
        let answered = timeout(patience, async {
            let mut tries = 0;
            loop {
                tries += 1;
                let error = match self.connected().await {
                    Err(error) => away(doing, error),
                    Ok(db) => match question(db.client().get()).await {
                        Ok(answer) => return Ok(answer),
                        Err(status) => failed(doing, patience, &status),
                    },
                };
                if !matches!(error, StoreError::Away { .. }) || tries >= LOOKUP_TRIES {
                    return Err(error);
                }
                pause(tries).await;
            }
        });
        answered.await.unwrap_or_else(|_| Err(late(doing, patience)))
    }

    fn lasts(&self, patience: Patience) -> Duration {
        match patience {
            Patience::Lookup | Patience::Change => self.inner.patience,
            Patience::List => self.inner.patience.max(LIST_PATIENCE),
        }
    }

    /// Reads a stored document as what it should be.
    pub(super) fn read<T: DeserializeOwned>(&self, stored: Stored) -> Result<T, StoreError> {
        document::read_json(Json::Object(stored.fields), || self.names().readable(&stored.name))
    }
}

/// Whether a change was refused because of what it depended on, or because others change the same at this moment.
fn is_outdated(status: &Status) -> bool {
    matches!(status.code(), Code::AlreadyExists | Code::FailedPrecondition | Code::NotFound | Code::Aborted)
}

/// What Firestore says, without the names of documents.
#[derive(Debug, thiserror::Error)]
#[error("{code:?}: {message}")]
struct Refusal {
    code: Code,
    message: String,
}

/// What Firestore says, as the source of an error.
pub(super) fn refusal(status: &Status) -> Source {
    Refusal { code: status.code(), message: without_documents(status.message()) }.into()
}

fn failed(doing: &'static str, patience: Duration, status: &Status) -> StoreError {
    let source = refusal(status);
    match status.code() {
        Code::DeadlineExceeded => late(doing, patience),
        Code::Unavailable
        | Code::Aborted
        | Code::Cancelled
        | Code::ResourceExhausted
        | Code::Internal
        | Code::Unknown => StoreError::Away { doing, source },
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => StoreError::Failed { doing, source },
    }
}

fn away(doing: &'static str, error: FirestoreError) -> StoreError {
    StoreError::Away { doing, source: error.into() }
}

fn late(doing: &'static str, patience: Duration) -> StoreError {
    StoreError::Late { doing, patience_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX) }
}

/// A message of Firestore's with every word left off that names a document.
fn without_documents(message: &str) -> String {
    let known = |word: &&str| !word.contains("/documents/") && !word.contains('+');
    message.split_whitespace().map(|word| if known(&word) { word } else { "…" }).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_firestore_says_of_a_document_is_in_no_error() {
        let status = Status::new(
            Code::PermissionDenied,
            "No access to projects/p/databases/(default)/documents/lines/+15551234567 for you",
        );
        let error = failed("look up a line", CALL_PATIENCE, &status);
        let StoreError::Failed { source, .. } = &error else { panic!("{error:?}") };
        assert_eq!(source.to_string(), "PermissionDenied: No access to … for you");
        assert!(!format!("{error:?}").contains("1234567"));
    }

    #[test]
    fn what_may_pass_is_temporary_and_what_must_be_mended_is_not() {
        for (code, temporary) in [
            (Code::Unavailable, true),
            (Code::DeadlineExceeded, true),
            (Code::ResourceExhausted, true),
            (Code::PermissionDenied, false),
            (Code::FailedPrecondition, false),
        ] {
            let error = failed("ask", CALL_PATIENCE, &Status::new(code, "x"));
            assert_eq!(error.is_temporary(), temporary, "{code:?}");
        }
    }
}
