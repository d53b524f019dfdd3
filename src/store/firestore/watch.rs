//! Listens to the directory, so that a change is known within a moment and not when somebody asks.
//!
//! Whenever the stream breaks it is opened anew from the start, and everything is told again: what was missed meanwhile is
//! then known, too. What went while nobody listened is found by comparing with what was there before (`watch/mirror.rs`).

mod mirror;

use std::time::Duration;

use firestore::errors::FirestoreError;
use firestore::gcloud_sdk::google::firestore::v1::listen_response::ResponseType;
use firestore::gcloud_sdk::google::firestore::v1::target::{QueryTarget, TargetType, query_target};
use firestore::gcloud_sdk::google::firestore::v1::target_change::TargetChangeType;
use firestore::gcloud_sdk::google::firestore::v1::{ListenRequest, ListenResponse, Target, listen_request};
use firestore::gcloud_sdk::tonic::{Status, Streaming};
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use self::mirror::{COLLECTIONS, Mirror};
use super::Firestore;
use super::ask::{Stored, refusal};
use super::queries;
use crate::store::{Change, Source, Watch};

/// How long it may take until all that is there was told: ten thousand businesses take some seconds.
const SYNC_PATIENCE: Duration = Duration::from_secs(60);

/// The pause before the stream is opened again: short at first, since most often it was only closed, and never so long
/// that a Firestore that is back is not heard of.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why a stream is over.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("nobody wants to hear of it any more")]
    Deaf,
    #[error("Firestore cannot be reached")]
    Unreachable(#[source] Source),
    #[error("Firestore closed the stream")]
    Closed,
    #[error("Firestore did not tell all that is there within {} s", SYNC_PATIENCE.as_secs())]
    Slow,
    #[error("Firestore stopped listening for us")]
    Removed,
    #[error("what we know is not what is there")]
    Diverged,
}

/// What one stream has come to.
#[derive(Debug, Default)]
struct Progress {
    was_in_sync: bool,
}

impl Firestore {
    /// Tells of everything in the directory and then of every change, until nobody listens to `words` any more; to be
    /// ended, it may be dropped. A loss of the connection is told, and mends itself.
    pub async fn watch(&self, words: mpsc::Sender<Watch>) {
        let mut mirror = Mirror::default();
        let mut pause = FIRST_PAUSE;
        loop {
            let mut progress = Progress::default();
            let ended = self.listen(&words, &mut mirror, &mut progress).await;
            if matches!(ended, Ended::Deaf) || words.send(Watch::Lost).await.is_err() {
                return;
            }
            let cause = std::error::Error::source(&ended).map(ToString::to_string);
            if progress.was_in_sync {
                pause = FIRST_PAUSE;
                tracing::info!(%ended, cause, "the directory is not watched for a moment");
            } else {
                tracing::warn!(%ended, cause, "the directory cannot be watched; changes are seen a little later");
            }
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    /// One stream, from its beginning to its end.
    async fn listen(
        &self,
        words: &mpsc::Sender<Watch>,
        mirror: &mut Mirror,
        progress: &mut Progress,
    ) -> Ended {
        let opened = timeout(SYNC_PATIENCE, async {
            let db =
                self.connected().await.map_err(|error: FirestoreError| Ended::Unreachable(error.into()))?;
            // The stream of requests stays open: its end would be ours.
            let requests = stream::iter(self.targets()).chain(stream::pending());
            let opened = db.client().get().listen(requests).await;
            opened.map_err(|status| unreachable(&status))
        });
        let mut answers = match opened.await {
            Ok(Ok(answers)) => answers.into_inner(),
            Ok(Err(ended)) => return ended,
            Err(_) => return Ended::Slow,
        };
        mirror.begin();
        loop {
            let synced = timeout(SYNC_PATIENCE, async {
                while !mirror.is_whole() {
                    self.hear(next(&mut answers, words).await?, words, mirror).await?;
                }
                Ok(())
            });
            match synced.await {
                Ok(Ok(())) => {}
                Ok(Err(ended)) => return ended,
                Err(_) => return Ended::Slow,
            }
            if !progress.was_in_sync {
                progress.was_in_sync = true;
                tracing::info!("the directory is watched");
                if words.send(Watch::InSync).await.is_err() {
                    return Ended::Deaf;
                }
            }
            // Until Firestore begins anew with a collection, which it says, and does on the same stream.
            while mirror.is_whole() {
                let heard = async { self.hear(next(&mut answers, words).await?, words, mirror).await };
                if let Err(ended) = heard.await {
                    return ended;
                }
            }
        }
    }

    async fn hear(
        &self,
        answer: ListenResponse,
        words: &mpsc::Sender<Watch>,
        mirror: &mut Mirror,
    ) -> Result<(), Ended> {
        let changes: Vec<Change> = match answer.response_type {
            Some(ResponseType::DocumentChange(change)) => match change.document {
                // One that is in none of our targets any more is a document that is gone.
                Some(document) if change.target_ids.is_empty() => mirror.gone(self, &document.name),
                Some(document) => mirror.changed(self, Stored::of(document)),
                None => Vec::new(),
            },
            Some(ResponseType::DocumentDelete(gone)) => mirror.gone(self, &gone.document),
            Some(ResponseType::DocumentRemove(gone)) => mirror.gone(self, &gone.document),
            Some(ResponseType::TargetChange(change)) => match change.target_change_type() {
                TargetChangeType::Current => mirror.all_told(&change.target_ids),
                TargetChangeType::Remove => return Err(Ended::Removed),
                TargetChangeType::Reset => {
                    mirror.begin_again(&change.target_ids);
                    Vec::new()
                }
                TargetChangeType::NoChange | TargetChangeType::Add => Vec::new(),
            },
            Some(ResponseType::Filter(filter)) if !mirror.holds(filter.target_id, filter.count) => {
                return Err(Ended::Diverged);
            }
            Some(ResponseType::Filter(_)) | None => Vec::new(),
        };
        for change in changes {
            words.send(Watch::Changed(change)).await.map_err(|_| Ended::Deaf)?;
        }
        Ok(())
    }

    /// What we want to hear of: three whole collections.
    fn targets(&self) -> Vec<ListenRequest> {
        let target = |(collection, target_id): (&'static str, i32)| {
            let (parent, query) = queries::everything(collection).into_parts(self.names());
            let query_type = Some(query_target::QueryType::StructuredQuery(query));
            let target_type = Some(TargetType::Query(QueryTarget { parent, query_type }));
            let target = Target { target_id, target_type, ..Target::default() };
            ListenRequest {
                database: self.names().database().to_owned(),
                target_change: Some(listen_request::TargetChange::AddTarget(target)),
                ..ListenRequest::default()
            }
        };
        COLLECTIONS.into_iter().zip(1..).map(target).collect()
    }
}

/// What Firestore says next.
async fn next(
    answers: &mut Streaming<ListenResponse>,
    words: &mpsc::Sender<Watch>,
) -> Result<ListenResponse, Ended> {
    tokio::select! {
        () = words.closed() => Err(Ended::Deaf),
        answer = answers.message() => answer.map_err(|status| unreachable(&status))?.ok_or(Ended::Closed),
    }
}

fn unreachable(status: &Status) -> Ended {
    Ended::Unreachable(refusal(status))
}
