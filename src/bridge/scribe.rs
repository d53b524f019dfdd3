//! What a call wants kept, written down beside it: its ledger in order, and its files. The call never waits for any of it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::effects::chain;
use super::files::{self, FilePlan, Files, Recorded};
use super::queue::{Receiver, Sender, queue};
use crate::call::{Brief, EffectId, Outcome};
use crate::domain::{
    About, BusinessId, CallRecord, CallSid, InstanceId, Intention, Message, Notice, Recording, StreamEnd,
    Turn,
};
use crate::lifecycle::Tasks;
use crate::store::{Ledger, Nudge, StoreError};
use crate::telemetry::metrics::Metrics;

/// Entries waiting for the ledger: a call has one every few seconds, so this is minutes of an unreachable store.
const LEDGER_DEPTH: usize = 64;

/// One try to write. The store answers in milliseconds; a call that wants to hang up waits for its intention, and its
/// caller hears silence for so long.
const WRITE_PATIENCE: Duration = Duration::from_secs(1);

/// Until the second and third try: long enough for a failing connection to be replaced.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(500)];

/// Whose words are kept, and by whom.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    call: CallSid,
    attempt: u8,
    instance: InstanceId,
    /// The business, when it wants to be told of messages.
    tells: Option<BusinessId>,
    /// Says that there is something to tell.
    nudge: Nudge,
}

/// Something for the ledger.
#[derive(Debug)]
pub(super) enum Entry {
    /// The call began.
    Opened(Box<CallRecord>),
    /// The caller's stream was there, at this time of day.
    Answered(i64),
    /// What is meant to happen when the stream closes.
    Intention(EffectId, Option<Intention>),
    /// A turn.
    Turn(EffectId, Box<Turn>),
    /// A message for the business.
    Message(EffectId, Box<Message>),
    /// The stream is over.
    Ended(Box<StreamEnd>),
}

/// The call's end of the queues. Dropping it lets the writers finish what they have and end.
#[derive(Debug)]
pub(super) struct Scribe {
    ledger: Sender<Entry>,
    /// The call's files.
    pub(super) files: Files,
    /// Resolves, as an error, when the ledger's writer has nothing left.
    ledger_done: oneshot::Receiver<()>,
}

/// Begins to write for one call: two writers in one task, so that a slow store does not tear holes into a recording.
pub(super) fn begin(
    tasks: &Tasks,
    ledger: Arc<dyn Ledger>,
    subject: Subject,
    outcomes: mpsc::Sender<(EffectId, Outcome)>,
    plan: FilePlan,
    metrics: &Metrics,
) -> Scribe {
    let (entries, queued) = queue(LEDGER_DEPTH, "ledger", metrics);
    let (done, ledger_done) = oneshot::channel();
    let (files, pieces) = files::begin(&plan, metrics);
    let span = tracing::Span::current();
    let write = async move {
        let write_ledger = async {
            write_entries(&*ledger, &subject, queued, &outcomes).await;
            drop((done, outcomes));
        };
        let (recorded, ()) = tokio::join!(files::write(plan, pieces), write_ledger);
        if let Some(recorded) = recorded {
            keep_recording(&*ledger, subject, recorded).await;
        }
    };
    tasks.spawn("scribe", tracing::Instrument::instrument(write, span));
    Scribe { ledger: entries, files, ledger_done }
}

impl Subject {
    /// One stream of a call, carried by this instance.
    pub(super) fn of(brief: &Brief, instance: &InstanceId, nudge: &Nudge) -> Self {
        let business = &brief.business;
        Self {
            call: brief.call.clone(),
            attempt: brief.attempt,
            instance: instance.clone(),
            tells: business.webhook.is_some().then(|| business.id.clone()),
            nudge: nudge.clone(),
        }
    }

    /// Has what was just written told at once, if it is something to tell.
    fn ring(&self, entry: &Entry) {
        if self.tells.is_some() && matches!(entry, Entry::Message(..) | Entry::Ended(_)) {
            self.nudge.nudge();
        }
    }

    /// What the business is told of a message.
    fn notice(&self, message: &Message) -> Option<Notice> {
        let about = About::MessageTaken { call: message.call.clone(), tool_call: message.tool_call.clone() };
        self.tells.clone().map(|business| Notice::new(business, about, message.taken_ms))
    }
}

impl Entry {
    /// Whose outcome the call waits for.
    fn effect(&self) -> Option<EffectId> {
        match self {
            Self::Intention(id, _) | Self::Turn(id, _) | Self::Message(id, _) => Some(*id),
            Self::Opened(_) | Self::Answered(_) | Self::Ended(..) => None,
        }
    }
}

impl Scribe {
    /// Has an entry written after those before it; false when too many wait already.
    pub(super) fn write(&self, entry: Entry) -> bool {
        self.ledger.try_send(entry).is_ok()
    }

    /// Has the last entry written, and waits until all are, but no longer than `patience`: then the writer goes on alone.
    pub(super) async fn finish(self, last: Entry, patience: Duration) {
        let Self { ledger, files, ledger_done } = self;
        let finish = async {
            if ledger.send(last).await.is_err() {
                tracing::error!("the ledger's writer of this call is gone");
            }
            drop(ledger);
            // It is never sent anything: being dropped is its word.
            let _dropped = ledger_done.await;
        };
        if tokio::join!(timeout(patience, finish), files.finish(patience)).0.is_err() {
            tracing::warn!("the end of this call is not in the ledger yet");
        }
    }
}

async fn write_entries(
    ledger: &dyn Ledger,
    subject: &Subject,
    mut queued: Receiver<Entry>,
    outcomes: &mpsc::Sender<(EffectId, Outcome)>,
) {
    let mut caller_came = false;
    while let Some(entry) = queued.recv().await {
        caller_came |= matches!(entry, Entry::Answered(_));
        let foreign = !caller_came
            && matches!(entry, Entry::Intention(..))
            && is_carried_elsewhere(ledger, subject).await;
        let written = foreign || write_entry(ledger, subject, &entry).await;
        subject.ring(&entry);
        if let Some(id) = entry.effect() {
            let outcome = if written { Outcome::Done } else { Outcome::Failed };
            // A call that is over has no use for it.
            let _call_over = outcomes.send((id, outcome)).await;
        }
    }
}

/// Whether the caller who is waited for here is carried by another instance: what is meant here is then nothing to their
/// call. One that cannot be asked leaves it at what is known.
async fn is_carried_elsewhere(ledger: &dyn Ledger, subject: &Subject) -> bool {
    let record = timeout(WRITE_PATIENCE, ledger.call(&subject.call)).await;
    matches!(record, Ok(Ok(Some(record))) if record.is_claimed_by_another(subject.attempt, &subject.instance))
}

async fn write_entry(ledger: &dyn Ledger, subject: &Subject, entry: &Entry) -> bool {
    let call = &subject.call;
    match entry {
        Entry::Opened(record) => {
            let open = || async { ledger.open_call(record).await.map(drop) };
            persist("the call's beginning", open).await
        }
        Entry::Answered(at_ms) => persist("the caller's arrival", || ledger.answered(call, *at_ms)).await,
        Entry::Intention(_, intention) => {
            persist("an intention", || ledger.intend(call, intention.as_ref())).await
        }
        Entry::Turn(_, turn) => persist("a turn", || ledger.keep_turn(call, turn)).await,
        Entry::Message(_, message) => {
            let notice = subject.notice(message);
            persist("a message", || ledger.take_message(message, notice.as_ref())).await
        }
        Entry::Ended(end) => persist("the stream's end", || ledger.end_stream(call, end)).await,
    }
}

async fn keep_recording(ledger: &dyn Ledger, subject: Subject, recorded: Recorded) {
    let Subject { call, attempt, instance, .. } = subject;
    let Recorded { file, length_ms } = recorded;
    let recording = Recording { attempt, file, length_ms, instance };
    // What could not be kept is in the log.
    let _kept = persist("that a call was recorded", || ledger.keep_recording(&call, &recording)).await;
}

/// Tries to write until it succeeds or there is no hope left; says whether it did.
async fn persist<W, F>(what: &str, write: W) -> bool
where
    W: Fn() -> F,
    F: Future<Output = Result<(), StoreError>>,
{
    let mut pauses = PAUSES.into_iter();
    loop {
        let (error, again) = match timeout(WRITE_PATIENCE, write()).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => (chain(&error), error.is_temporary()),
            Err(elapsed) => (elapsed.to_string(), true),
        };
        let Some(pause) = pauses.next().filter(|_| again) else {
            tracing::error!(%error, "cannot keep {what}");
            return false;
        };
        tracing::debug!(%error, "keeping {what} again");
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests;
