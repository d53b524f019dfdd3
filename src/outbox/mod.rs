//! Tells businesses what they want to know: takes notices that are due out of the store, sends them, and settles what
//! became of each.
//!
//! At least once: a notice is done when its receiver said so, and not before. What a dying process held in hand is due
//! again when its lease is over, on whichever instance. So a receiver may hear it twice, with the same id.

mod delivery;
mod in_hand;
mod pauses;
#[cfg(test)]
mod testing;
mod words;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;
use tokio::time::sleep;

use self::delivery::{STORE_PATIENCE, asked};
use self::in_hand::{InHand, MOST_IN_HAND, Rest, Step, millis};
use self::pauses::Chance;
use crate::clients::{DELIVERY_PATIENCE, WebhookClient};
use crate::domain::BusinessId;
use crate::lifecycle::{LAST_WORDS, Tasks};
use crate::store::{self, Directory, Ledger, Nudge, StoreError};
use crate::telemetry::metrics::Metrics;

/// How often the store is asked what is due, with half of it more or less: a nudge is quicker, and this finds what other
/// instances posted and left, and what is tried again.
const EVERY: Duration = Duration::from_secs(5);

/// The longest that one notice takes from the moment it is begun: four questions to the store, the receiver, and three
/// tries to settle.
const LONGEST_DELIVERY: Duration =
    Duration::from_secs(7 * STORE_PATIENCE.as_secs() + DELIVERY_PATIENCE.as_secs() + 5);

/// How long a taken notice is this process's alone. What a killed process had in hand waits for so long; what waits here
/// for longer goes back to the end of the queue.
const LEASE: Duration = Duration::from_secs(3 * 60);

/// How long settled notices can still be looked at.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How often those older than that are forgotten: a week's promise is kept to the hour.
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);

/// What the outbox works with.
pub struct OutboxSettings {
    /// What is to be told.
    pub outbox: Arc<dyn store::Outbox>,
    /// Whom, and where: the store itself. A memory of it could still say "nobody" of a business that has just asked to be
    /// told, and it never would be.
    pub directory: Arc<dyn Directory>,
    /// What happened.
    pub ledger: Arc<dyn Ledger>,
    /// Tells it.
    pub client: WebhookClient,
    /// Who says that there is something to tell.
    pub nudge: Nudge,
    /// Where the work runs.
    pub tasks: Tasks,
    /// Where notices are counted.
    pub metrics: Arc<Metrics>,
    /// What time of day it is, in milliseconds since 1970.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// What chance begins with: another on each instance, so that they do not ask in step.
    pub seed: u64,
}

/// Begins to tell, in the background. New notices are taken until shortly before the process ends, so that what the last
/// calls have to say is told by whoever saw them; what is under way then has until the end, and the rest is left to the
/// lease.
pub fn begin(settings: OutboxSettings) {
    let (tasks, stop) = (settings.tasks.clone(), settings.tasks.drained_soon().clone());
    let looping = Loop {
        settings: Arc::new(settings),
        in_hand: InHand::default(),
        under_way: FuturesUnordered::new(),
        is_store_well: true,
        forget_at_ms: i64::MIN,
    };
    tasks.spawn_background("outbox", async move {
        let _stopped = stop.run_until_cancelled(looping.run()).await;
    });
}

/// The one task that takes, and hands out.
struct Loop {
    settings: Arc<OutboxSettings>,
    in_hand: InHand,
    under_way: FuturesUnordered<BoxFuture<'static, Landed>>,
    is_store_well: bool,
    forget_at_ms: i64,
}

/// A notice is no longer under way.
enum Landed {
    Told(BusinessId, Option<Rest>),
    PutOff,
}

impl Loop {
    async fn run(mut self) {
        for round in 0.. {
            self.forget().await;
            let is_more_due = self.take().await;
            self.hand_out();
            let most = Chance(self.settings.seed).up_to(EVERY, "round", round);
            self.wait(EVERY / 2 + most, is_more_due).await;
        }
    }

    /// Waits for the next round: until its time has come, somebody nudges, or there is room for more that is due. A nudge
    /// without room is kept.
    async fn wait(&mut self, time: Duration, is_more_due: bool) {
        let over = sleep(time);
        tokio::pin!(over);
        loop {
            let has_room = self.in_hand.room() > 0;
            tokio::select! {
                Some(landed) = self.under_way.next() => self.land(landed),
                () = self.settings.nudge.heard(), if has_room => return,
                () = &mut over => return,
            }
            // Half a hand, so that the store is not asked for one at a time.
            if is_more_due && self.in_hand.room() >= MOST_IN_HAND / 2 {
                return;
            }
        }
    }

    /// Takes what is due; says whether there may be more.
    async fn take(&mut self) -> bool {
        let room = self.in_hand.room();
        if room == 0 {
            return true;
        }
        let now_ms = self.now_ms();
        let again_ms = now_ms.saturating_add(millis(LEASE));
        let most = u32::try_from(room).unwrap_or(u32::MAX);
        let due = self.settings.outbox.take_due(now_ms, again_ms, most);
        let due = self.heard(asked("take the notices that are due", due).await).unwrap_or_default();
        let is_more_due = due.len() >= room;
        for notice in due {
            self.in_hand.take(notice, again_ms);
        }
        is_more_due
    }

    fn hand_out(&mut self) {
        while let Some(step) = self.in_hand.next(self.now_ms()) {
            let (settings, tasks) = (Arc::clone(&self.settings), &self.settings.tasks);
            // A task each: a panic in one ends that one, and its notice is left to its lease.
            let landed: BoxFuture<'static, Landed> = match step {
                Step::Tell(notice) => {
                    let (business, (tell, told)) = (notice.business.clone(), oneshot::channel());
                    tasks.spawn_background(
                        "webhook",
                        until_the_end(tasks, async move {
                            // The loop may be over already.
                            let _heard = tell.send(delivery::deliver(&settings, &notice).await);
                        }),
                    );
                    Box::pin(async move { Landed::Told(business, told.await.ok().flatten()) })
                }
                Step::PutOff(notice, rest) => {
                    let put_off = async move { delivery::put_off(&settings, &notice, rest).await };
                    let put_off = tasks.spawn_background("webhook", until_the_end(tasks, put_off));
                    Box::pin(async move {
                        let _ended = put_off.await;
                        Landed::PutOff
                    })
                }
            };
            self.under_way.push(landed);
        }
    }

    fn land(&mut self, landed: Landed) {
        match landed {
            Landed::Told(business, rest) => self.in_hand.told(business, rest),
            Landed::PutOff => self.in_hand.put_off(),
        }
        self.hand_out();
    }

    async fn forget(&mut self) {
        let now_ms = self.now_ms();
        if now_ms < self.forget_at_ms {
            return;
        }
        self.forget_at_ms = now_ms.saturating_add(millis(FORGET_EVERY));
        let forgotten = self.settings.outbox.forget(now_ms.saturating_sub(millis(REMEMBERED)));
        self.heard(asked("forget old notices", forgotten).await);
    }

    /// What the store says, and a word to the log when it begins to fail and when it is well again.
    fn heard<T>(&mut self, answer: Result<T, StoreError>) -> Option<T> {
        let was_well = std::mem::replace(&mut self.is_store_well, answer.is_ok());
        match answer {
            Ok(answer) => {
                if !was_well {
                    tracing::info!("the store can be asked again what businesses are to be told");
                }
                Some(answer)
            }
            Err(error) => {
                if was_well {
                    tracing::warn!(%error, "cannot ask the store what businesses are to be told; asking on");
                }
                None
            }
        }
    }

    fn now_ms(&self) -> i64 {
        (self.settings.clock)()
    }
}

/// Goes on until it is done, but not after the process was told to stop, and had half of its last words.
fn until_the_end<F>(tasks: &Tasks, work: F) -> impl Future<Output = ()> + Send + use<F>
where
    F: Future<Output = ()> + Send,
{
    let hard = tasks.hard().clone();
    async move {
        tokio::select! {
            () = work => {}
            () = async { hard.cancelled().await; sleep(LAST_WORDS / 2).await; } => {}
        }
    }
}

#[cfg(test)]
mod tests;
