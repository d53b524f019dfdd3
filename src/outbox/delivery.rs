//! One notice: looked up, sent, and settled by what became of it.

use std::future::Future;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::OutboxSettings;
use super::in_hand::{Rest, millis};
use super::pauses::{Chance, LONGEST_PAUSE, is_hopeless};
use super::words::{self, Happened};
use crate::clients::WebhookError;
use crate::domain::{About, Notice, Pii, Webhook};
use crate::store::{Delivery, StoreError};
use crate::telemetry::metrics::Named;

/// One question to the store, or one try to settle. It answers in milliseconds; nobody waits for this but other notices.
pub(super) const STORE_PATIENCE: Duration = Duration::from_secs(5);

/// Until the second and third try to settle: what is not settled is told twice, so a failing connection gets the time to
/// be replaced.
const SETTLE_PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];

/// The longest for which a receiver is left alone that is away or overworked, unless it asks for more: twice as long as it may take for an answer, so that very
/// many notices for it go by at the store's speed and not at its own, and nobody behind them waits.
const REST: Duration = Duration::from_secs(30);

/// When it is looked again whether a call is over that goes on after all: a minute of it is not much of a conversation.
const GOES_ON: Duration = Duration::from_secs(60);

/// The most by which what is put off comes later than the rest is over: spread enough that a thousand notices come two a
/// second, and a receiver that is back has all of them soon.
const LONGEST_PUT_OFF: Duration = Duration::from_secs(10 * 60);

/// Why a notice was not told.
#[derive(Debug, thiserror::Error)]
enum Untold {
    #[error(transparent)]
    Receiver(#[from] WebhookError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("what it is about is not in the store; if it does not come back, there is nothing to tell")]
    Missing,
    #[error("what it is about belongs to another business; nothing of it is told")]
    NotTheirs,
    #[error("could not write it down as JSON")]
    Unwritable(#[from] serde_json::Error),
}

impl Untold {
    /// What the receiver had to do with it.
    fn of_the_receiver(&self) -> Option<&WebhookError> {
        match self {
            Self::Receiver(error) => Some(error),
            Self::Store(_) | Self::Missing | Self::NotTheirs | Self::Unwritable(_) => None,
        }
    }
}

/// Tells one notice and settles it; gives how long its receiver is to be left alone, if it is.
pub(super) async fn deliver(settings: &OutboxSettings, notice: &Notice) -> Option<Rest> {
    let told = tell(settings, notice).await;
    let count = |kind| settings.metrics.notices.get_or_create(&Named::of(kind)).inc();
    let now_ms = (settings.clock)();
    let (about, tries) = (words::name(&notice.about), notice.tries);
    match told {
        Ok(Told::Receiver) => {
            count("told");
            tracing::debug!(business.id = %notice.business, notice.id = %notice.id, about, tries, "told a business");
        }
        Ok(Told::NotYet) => {
            count("later");
            tracing::debug!(business.id = %notice.business, notice.id = %notice.id, about, "a call goes on after all");
            let again_ms = now_ms.saturating_add(millis(GOES_ON));
            settle(settings, notice, Delivery::Later(again_ms, "the call goes on".to_owned())).await;
            return None;
        }
        Ok(Told::Nobody) => {
            count("nobody");
            tracing::info!(business.id = %notice.business, notice.id = %notice.id, about, "nobody is there to be told any more");
        }
        Err(error) => {
            let (kind, rest) = settle_untold(settings, notice, &error, now_ms).await;
            count(kind);
            return rest;
        }
    }
    settle(settings, notice, Delivery::Done(now_ms)).await;
    None
}

/// Settles what was not told; gives what became of it, and how long the receiver is to be left alone.
async fn settle_untold(
    settings: &OutboxSettings,
    notice: &Notice,
    untold: &Untold,
    now_ms: i64,
) -> (&'static str, Option<Rest>) {
    let (about, tries, error) = (words::name(&notice.about), notice.tries, untold.to_string());
    let receiver = untold.of_the_receiver();
    if receiver.is_some_and(WebhookError::is_final) || is_hopeless(notice, now_ms) {
        tracing::error!(
            business.id = %notice.business, notice.id = %notice.id, about, tries, error,
            "a business was not told, and it is given up; it can be tried again on demand"
        );
        settle(settings, notice, Delivery::GivenUp(now_ms, error)).await;
        return ("given_up", None);
    }
    // A receiver that says when is believed, within reason.
    let wait = receiver.and_then(WebhookError::wait).unwrap_or_default().min(LONGEST_PAUSE);
    let pause = wait.max(Chance(settings.seed).pause(notice));
    tracing::info!(
        business.id = %notice.business, notice.id = %notice.id, about, tries, error, again_s = pause.as_secs(),
        "a business is not told yet"
    );
    settle(settings, notice, Delivery::Later(now_ms.saturating_add(millis(pause)), error.clone())).await;
    // No longer than until this notice is due again: it is the one that asks whether the receiver is back.
    let until_ms = now_ms.saturating_add(millis(pause.min(REST).max(wait)));
    ("later", receiver.is_some_and(WebhookError::is_of_the_receiver).then_some(Rest { until_ms, error }))
}

/// Puts a notice off without a try: another one to the same receiver has just failed.
pub(super) async fn put_off(settings: &OutboxSettings, notice: &Notice, rest: Rest) {
    let pause = Chance(settings.seed).pause(notice).min(LONGEST_PUT_OFF);
    let again_ms = rest.until_ms.saturating_add(millis(pause));
    settle(settings, notice, Delivery::Later(again_ms, rest.error)).await;
}

enum Told {
    Receiver,
    /// It was taken back: a transfer nobody answered has come back.
    NotYet,
    /// The business is gone, or has no webhook any more.
    Nobody,
}

async fn tell(settings: &OutboxSettings, notice: &Notice) -> Result<Told, Untold> {
    let Some(webhook) = webhook(settings, notice).await? else { return Ok(Told::Nobody) };
    let happened = happened(settings, notice).await?;
    if matches!(&happened, Happened::CallEnded(record, _) if record.ended_ms.is_none()) {
        return Ok(Told::NotYet);
    }
    let body: Pii<String> = words::body(notice, &happened)?;
    let at_s = (settings.clock)().div_euclid(1_000);
    settings.client.send(&webhook, &notice.id, at_s, body.reveal()).await?;
    Ok(Told::Receiver)
}

async fn webhook(settings: &OutboxSettings, notice: &Notice) -> Result<Option<Webhook>, StoreError> {
    let business = settings.directory.business(&notice.business);
    Ok(asked("look up whom to tell", business).await?.and_then(|business| business.webhook))
}

async fn happened(settings: &OutboxSettings, notice: &Notice) -> Result<Happened, Untold> {
    let ledger = &settings.ledger;
    match &notice.about {
        About::CallEnded { call } => {
            let record = asked("look up a call to tell of", ledger.call(call)).await?;
            let record = record.ok_or(Untold::Missing)?;
            if record.business != notice.business {
                return Err(Untold::NotTheirs);
            }
            let turns = asked("look up what was said", ledger.turns(call)).await?;
            Ok(Happened::CallEnded(Box::new(record), turns))
        }
        About::MessageTaken { call, tool_call } => {
            let message = asked("look up a message to tell of", ledger.message(call, tool_call)).await?;
            let message = message.ok_or(Untold::Missing)?;
            if message.business != notice.business {
                return Err(Untold::NotTheirs);
            }
            Ok(Happened::MessageTaken(Box::new(message)))
        }
        About::VoicemailLeft { recording, .. } => {
            let voicemail = ledger.voicemail(&notice.business, recording);
            let voicemail = asked("look up a voicemail to tell of", voicemail).await?;
            Ok(Happened::VoicemailLeft(Box::new(voicemail.ok_or(Untold::Missing)?)))
        }
        About::LimitReached { limit, day } => Ok(Happened::LimitReached(*limit, day.clone())),
    }
}

/// The store's answer, if it comes in time.
pub(super) async fn asked<T>(
    doing: &'static str,
    question: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let patience_ms = u64::try_from(STORE_PATIENCE.as_millis()).unwrap_or(u64::MAX);
    timeout(STORE_PATIENCE, question).await.unwrap_or(Err(StoreError::Late { doing, patience_ms }))
}

/// Settles it, or leaves it to its lease.
async fn settle(settings: &OutboxSettings, notice: &Notice, outcome: Delivery) {
    let mut pauses = SETTLE_PAUSES.into_iter();
    loop {
        let settled = settings.outbox.settle(&notice.id, &outcome);
        let Err(error) = asked("keep what became of a notice", settled).await else { return };
        let Some(pause) = pauses.next().filter(|_| error.is_temporary()) else {
            tracing::warn!(
                business.id = %notice.business, notice.id = %notice.id, %error,
                "what became of a notice is not kept; it will be told once more"
            );
            return;
        };
        sleep(pause).await;
    }
}
