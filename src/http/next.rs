//! What happens when the stream has ended. The ledger says what was meant; if nothing was, it was an accident, and
//! accidents are resumed.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;

use super::answer::{Nobody, Spoken};
use super::signed::Signed;
use super::{App, words};
use crate::call::{Interruption, Opening};
use crate::domain::{CallRecord, CallSid, Intention, Turn};
use crate::wire::twilio::form::IncomingCall;

/// How many streams a call may have because of accidents: whatever broke three was no accident.
const MAX_ATTEMPTS: u8 = 3;

/// How long the caller waits in silence for the ledger.
pub(super) const LEDGER_PATIENCE: Duration = Duration::from_secs(1);

/// The `action` of `<Connect>` and the `<Redirect>` behind it.
pub(super) async fn next(State(app): State<Arc<App>>, request: Signed<IncomingCall>) -> Spoken {
    let call = request.into_form();
    if call.status.is_over() {
        return Spoken::hang_up();
    }
    let Some(record) = app.kept(&call.call).await else {
        return app.fall_back_by_line(&call.to).await;
    };
    match &record.intention {
        Some(Intention::HangUp) => Spoken::hang_up(),
        Some(Intention::Transfer(destination)) => {
            match app.who_answers(Some(&record.business), &record.to).await {
                Ok(answerer) => match answerer.business.destination(destination) {
                    Some(destination) => app.transfer(destination, &record.to),
                    None => app.fall_back(&answerer.business, &record.to),
                },
                Err(nobody) => app.without_answerer(nobody, &record),
            }
        }
        Some(Intention::FallBack) => match app.who_answers(Some(&record.business), &record.to).await {
            Ok(answerer) => app.fall_back(&answerer.business, &record.to),
            Err(nobody) => app.without_answerer(nobody, &record),
        },
        None => app.resume(record, Interruption::LineLost, MAX_ATTEMPTS).await,
    }
}

impl App {
    /// What the ledger knows of a call; none when it knows nothing or cannot be asked.
    pub(super) async fn kept(&self, call: &CallSid) -> Option<CallRecord> {
        match tokio::time::timeout(LEDGER_PATIENCE, self.ledger.call(call)).await {
            Ok(Ok(Some(record))) => return Some(record),
            Ok(Ok(None)) => tracing::warn!(call.id = %call, "the ledger does not know a call that goes on"),
            Ok(Err(error)) => tracing::warn!(call.id = %call, %error, "cannot ask the ledger what was meant"),
            Err(_) => tracing::warn!(call.id = %call, "the ledger did not say in time what was meant"),
        }
        None
    }

    /// What was said so far; nothing when the ledger cannot be asked. A call goes on without a memory rather than not.
    pub(super) async fn history(&self, call: &CallSid) -> Vec<Turn> {
        match tokio::time::timeout(LEDGER_PATIENCE, self.ledger.turns(call)).await {
            Ok(Ok(turns)) => turns,
            Ok(Err(error)) => {
                tracing::warn!(call.id = %call, %error, "a call is resumed without its history");
                Vec::new()
            }
            Err(_) => {
                tracing::warn!(call.id = %call, "a call is resumed without its history: the ledger is slow");
                Vec::new()
            }
        }
    }

    /// One more stream for a call, or its fallback when it had `most` already.
    pub(super) async fn resume(&self, mut record: CallRecord, why: Interruption, most: u8) -> Spoken {
        let answerer = match self.who_answers(Some(&record.business), &record.to).await {
            Ok(answerer) => answerer,
            Err(nobody) => return self.without_answerer(nobody, &record),
        };
        if record.attempts >= most || self.tasks.hard().is_cancelled() {
            tracing::warn!(call.id = %record.call, attempts = record.attempts, "a call is not resumed again, and got the fallback");
            return self.fall_back(&answerer.business, &record.to);
        }
        record.attempts += 1;
        record.intention = None;
        record.instance = self.instance.clone();
        tracing::info!(call.id = %record.call, attempt = record.attempts, "a call is resumed");
        let history = self.history(&record.call).await;
        self.connect(&answerer, record, Opening::Resume { history, why })
    }

    /// What is left for a caller whose business cannot be found any more.
    pub(super) fn without_answerer(&self, nobody: Nobody, record: &CallRecord) -> Spoken {
        tracing::warn!(call.id = %record.call, "a call cannot go on: {nobody}");
        match nobody {
            Nobody::NoPlan(business) => self.fall_back(&business, &record.to),
            Nobody::Unknown | Nobody::Store(_) => Spoken::goodbye(words::CANNOT_ANSWER),
        }
    }
}
