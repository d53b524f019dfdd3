//! What a plan allows: a call that comes takes one of its slots, and the minutes of the month are looked at. A caller
//! never hears of either.
//!
//! Minutes are looked at when a call begins, and not again: one that begins within them may last as long as any other,
//! for a caller does not pay for a plan in mid-sentence. A store that is away or slow refuses nobody.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::App;
use super::answer::{Answerer, Parties, Spoken};
use super::next::LEDGER_PATIENCE;
use crate::bridge::SLOT_LEASE_MS;
use crate::call::Opening;
use crate::domain::{
    About, AtLimit, BusinessId, CallRecord, CallSid, Ending, Limit, MicroDollars, Month, Notice, StreamEnd,
    Usage,
};
use crate::registry::Slot;
use crate::store::{Certainty, Seating, SlotWish, StoreError};

/// How long a caller's webhook waits for what the plan allows: with a second for who answers, and little for the rest, it
/// stays below what people take for silence.
pub const LIMITS_PATIENCE: Duration = Duration::from_millis(300);

/// How long one try may take for which nobody waits: a drain waits for it no longer than for a call.
const UNHURRIED_PATIENCE: Duration = Duration::from_secs(10);

/// Before the second try and those after it: a crowd that calls at once is over within seconds, an outage is not.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(10)];

/// Milliseconds of a minute a plan has.
const MINUTE_MS: u64 = 60_000;

/// What the plan says to one more call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Verdict {
    /// Whether it has a slot; none when all are taken.
    slot: Option<Slot>,
    /// Whether the month has minutes left.
    minutes_left: bool,
}

impl Verdict {
    /// The limits that are reached.
    fn reached(self) -> impl Iterator<Item = Limit> {
        let slots = self.slot.is_none().then_some(Limit::ConcurrentCalls);
        let minutes = (!self.minutes_left).then_some(Limit::MinutesPerMonth);
        slots.into_iter().chain(minutes)
    }
}

impl App {
    /// Connects a new call with the model when the plan has room for it, else does what the plan wants then.
    pub(super) async fn connect_within_plan(
        self: &Arc<Self>,
        answerer: &Answerer,
        record: CallRecord,
    ) -> Spoken {
        match self.seat(answerer, &record).await {
            Ok(slot) => self.connect(answerer, record, Opening::Greet, slot),
            Err(_limit) => self.fall_back(&answerer.business, Parties::of(&record)),
        }
    }

    /// What a new call has to do with the plan's slots; the limit for which it does not get the model, and is kept so. Off
    /// the caller's way, the business is told.
    pub(super) async fn seat(
        self: &Arc<Self>,
        answerer: &Answerer,
        record: &CallRecord,
    ) -> Result<Slot, Limit> {
        // Asked a second time: its slot is renewed with those of all calls here.
        if self.registry.contains(&record.call) {
            return Ok(Slot::Wanted);
        }
        let verdict = self.look_at_plan(answerer, &record.call).await;
        for limit in verdict.reached() {
            self.tell_of_limit(answerer, &record.call, limit);
        }
        match (answerer.plan.at_limit, verdict.reached().next()) {
            (AtLimit::FallBack, Some(limit)) => {
                self.keep_as_refused(record.clone(), verdict.slot);
                Err(limit)
            }
            (AtLimit::FallBack | AtLimit::Answer, _) => Ok(verdict.slot.unwrap_or(Slot::Wanted)),
        }
    }

    /// Asks for both at once. What is not known in time is allowed.
    async fn look_at_plan(&self, answerer: &Answerer, call: &CallSid) -> Verdict {
        let (business, plan) = (&answerer.business.id, &answerer.plan);
        let now_ms = (self.clock)();
        let until_ms = now_ms + SLOT_LEASE_MS;
        let (instance, most) = (&self.instance, plan.concurrent_calls);
        let wish = SlotWish { business, call, instance, most, now_ms, until_ms };
        let (seating, month) = tokio::join!(
            self.in_time(call, "take a slot", self.slots.take(&wish)),
            self.in_time(call, "count the minutes", self.ledger.month(business, Month::of(now_ms))),
        );
        let minutes_ms = u64::from(plan.minutes_per_month) * MINUTE_MS;
        Verdict {
            slot: match seating {
                Some(Seating::Seated) => Some(Slot::Taken),
                Some(Seating::Full) => None,
                None => Some(Slot::Wanted),
            },
            minutes_left: month.map_or(minutes_ms > 0, |month| month.talked_ms < minutes_ms),
        }
    }

    async fn in_time<T>(
        &self,
        call: &CallSid,
        what: &str,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Option<T> {
        match tokio::time::timeout(self.limits_patience, answer).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => {
                tracing::warn!(call.id = %call, %error, "cannot {what} of a plan; the call is answered all the same");
            }
            Err(_) => {
                tracing::warn!(call.id = %call, "the store was too slow to {what} of a plan; the call is answered all the same");
            }
        }
        None
    }

    /// One line in the log, and a notice for the business; the outbox keeps one a day for each limit.
    fn tell_of_limit(self: &Arc<Self>, answerer: &Answerer, call: &CallSid, limit: Limit) {
        let (business, plan) = (&answerer.business, &answerer.plan);
        tracing::warn!(
            call.id = %call,
            business.id = %business.id,
            plan = %plan.id,
            ?limit,
            then = ?plan.at_limit,
            "a plan is at its limit"
        );
        if business.webhook.is_none() {
            return;
        }
        let now_ms = (self.clock)();
        let notice = Notice::new(business.id.clone(), About::limit_reached(limit, now_ms), now_ms);
        let app = Arc::clone(self);
        self.tasks.spawn("limit notice", async move {
            // What could not be kept is in the log.
            let _kept =
                in_the_end("keep that a business is to be told of a limit", || app.outbox.post(&notice))
                    .await;
            app.nudge.nudge();
        });
    }

    /// Keeps a call that the model does not get, over before it began, and gives back a slot it has.
    fn keep_as_refused(self: &Arc<Self>, record: CallRecord, slot: Option<Slot>) {
        let end = StreamEnd {
            attempt: record.attempts,
            instance: self.instance.clone(),
            ending: Ending::PlanLimit,
            usage: Usage::default(),
            cost: MicroDollars::default(),
            at_ms: record.started_ms,
        };
        let app = Arc::clone(self);
        self.tasks.spawn("refused call", async move {
            let (business, call) = (&record.business, &record.call);
            // One that did not come in time may have been given all the same.
            if slot.is_some() {
                let _freed = told("give a slot back", app.slots.free(business, call, &app.instance)).await;
            }
            let opened =
                in_the_end("keep a call at its plan's limit", || app.ledger.open_call(&record)).await;
            if opened.is_some() {
                let _kept = in_the_end("keep the end of a call", || app.ledger.end_stream(call, &end)).await;
                if record.tells {
                    app.nudge.nudge();
                }
            }
        });
    }

    /// The model's part of a call is over for good: its minutes end now, and its slot is free, whoever held it. Off the
    /// caller's way.
    pub(super) fn over_for_good(self: &Arc<Self>, call: &CallSid) {
        self.over_for_good_since(call, 0);
    }

    /// The same, so many milliseconds ago.
    pub(super) fn over_for_good_since(self: &Arc<Self>, call: &CallSid, ago_ms: i64) {
        let at_ms = (self.clock)() - ago_ms;
        let (app, call) = (Arc::clone(self), call.clone());
        self.tasks.spawn("end of a call", async move { app.keep_over(&call, at_ms).await });
    }

    /// A call that could not be carried here, and of which nothing is kept, gives its slot back. Off the caller's way.
    pub(super) fn never_began(self: &Arc<Self>, business: BusinessId, call: CallSid) {
        let app = Arc::clone(self);
        self.tasks.spawn("end of a call", async move { app.free_slot(&business, &call).await });
    }

    /// Keeps that the model's part of a call was over then, and gives its slot back.
    pub(super) async fn keep_over(&self, call: &CallSid, at_ms: i64) {
        let _kept = told("keep the end of a call", self.ledger.end_call(call, at_ms, Certainty::Told)).await;
        if let Some(Some(record)) = told("see whose call is over", self.ledger.call(call)).await {
            if record.tells {
                self.nudge.nudge();
            }
            self.free_slot(&record.business, call).await;
        }
    }

    /// Gives the slot of a call back that another instance may hold: once taken over, it is ours to give.
    async fn free_slot(&self, business: &BusinessId, call: &CallSid) {
        let now_ms = (self.clock)();
        let instance = &self.instance;
        // A call keeps the slot it has; of none at all it can get no other.
        let wish = SlotWish { business, call, instance, most: 0, now_ms, until_ms: now_ms + SLOT_LEASE_MS };
        let free = async {
            match self.slots.take(&wish).await? {
                Seating::Seated => self.slots.free(business, call, instance).await,
                Seating::Full => Ok(()),
            }
        };
        // One that cannot be given back is free when its lease is over.
        let _freed = told("give a slot back", free).await;
    }
}

/// What the store says in time; if nothing, the log has why.
async fn told<T>(what: &str, answer: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
    match tokio::time::timeout(LEDGER_PATIENCE, answer).await {
        Ok(Ok(answer)) => return Some(answer),
        Ok(Err(error)) => tracing::warn!(%error, "cannot {what}"),
        Err(_) => tracing::warn!("cannot {what}: the store is too slow"),
    }
    None
}

/// The same where nobody waits for it: a store that is busy, because very many call at once, is given time.
async fn in_the_end<T, A>(what: &str, ask: impl Fn() -> A) -> Option<T>
where
    A: Future<Output = Result<T, StoreError>>,
{
    in_the_end_of(&PAUSES, what, ask).await
}

/// The same with pauses of one's own, before the second try and those after it.
pub(super) async fn in_the_end_of<T, A>(pauses: &[Duration], what: &str, ask: impl Fn() -> A) -> Option<T>
where
    A: Future<Output = Result<T, StoreError>>,
{
    for pause in pauses {
        match tokio::time::timeout(UNHURRIED_PATIENCE, ask()).await {
            Ok(Err(error)) if error.is_temporary() => tracing::debug!(%error, "trying again to {what}"),
            Err(_) => tracing::debug!("trying again to {what}: the store is slow"),
            Ok(answer) => return told(what, std::future::ready(answer)).await,
        }
        tokio::time::sleep(*pause).await;
    }
    told(what, ask()).await
}

#[cfg(test)]
mod tests;
