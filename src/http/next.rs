//! What happens when the stream has ended. The ledger says what was meant; if nothing was, it was an accident, and
//! accidents are resumed. A ledger that says nothing takes their memory from calls, and not their callers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either, ready, select};

use super::App;
use super::answer::{ATTEMPT, ENGLISH, HELD, Leg, Nobody, Parties, Spoken};
use super::signed::Signed;
use crate::call::{Interruption, Opening};
use crate::domain::{BusinessId, CallRecord, CallSid, Intention, Turn};
use crate::registry::Slot;
use crate::wire::twilio::form::NextRequest;

/// How many streams a call may have because of accidents: whatever broke three was no accident.
const MAX_ATTEMPTS: u8 = 3;

/// A call has one stream more for each such time it has lasted: a long one meets more than one deploy, and in each it may
/// be handed from one old instance to the next, which is no accident of its own.
const ONE_MORE_EVERY_MS: i64 = 2 * 60_000;

/// How long the caller waits in silence for the ledger.
pub(super) const LEDGER_PATIENCE: Duration = Duration::from_secs(1);

/// How long they wait for what was said before: asked for in the same breath, it is as long as two questions one after the
/// other, and a model that knows nothing of the call is worse than another second.
const HISTORY_PATIENCE: Duration = Duration::from_secs(2);

/// The `action` of `<Connect>` and the `<Redirect>` behind it.
pub(super) async fn next(State(app): State<Arc<App>>, request: Signed<NextRequest>) -> Spoken {
    let attempt: u8 = request.query().first(ATTEMPT).and_then(|attempt| attempt.parse().ok()).unwrap_or(1);
    let was_held = request.query().first(HELD).is_some();
    let call = request.into_form();
    if call.status.is_over() {
        app.over_for_good(&call.call);
        return Spoken::hang_up();
    }
    let (known, history) = app.look_up_with_history(&call.call).await;
    let opening = match known {
        Known::Call(record) => {
            let taken = record.attempts;
            let media_is_away = !was_held && app.media_is_away(&record, attempt);
            let record = CallRecord { attempts: taken.max(attempt), ..*record };
            if record.intention.is_none() && app.can_only_hold(attempt > taken) {
                // The stream that nobody took does not count.
                return app.keep_waiting(&call.call, app.way_back(taken), Some(&record.business)).await;
            }
            if record.intention.is_none() && media_is_away {
                let way_back = app.way_back_once(attempt);
                return app.keep_waiting(&call.call, way_back, Some(&record.business)).await;
            }
            if record.intention.is_none() {
                return app.resume(record, history, Interruption::LineLost, MAX_ATTEMPTS).await;
            }
            // A question that is not waited for any more must not hold one of the store's connections.
            drop(history);
            return app.as_meant(&record).await;
        }
        Known::Nothing | Known::NotSaid if app.can_only_hold(attempt > 1) => {
            return app.keep_waiting(&call.call, app.way_back(attempt.saturating_sub(1)), None).await;
        }
        Known::Nothing => Opening::Greet,
        // Who means to leave does so by Twilio's REST interface, and is not asked for here. So it was an accident, or as good
        // as one: whom the model had said goodbye to will say so.
        Known::NotSaid => go_on(None, Interruption::LineLost),
    };
    drop(history);
    app.begin_anew(&call, attempt, opening).await
}

/// How a call goes on of which the ledger told this. Not to know what was said is not to know that nothing was.
pub(super) fn go_on(history: Option<Vec<Turn>>, why: Interruption) -> Opening {
    match (history, why) {
        (Some(history), why) => Opening::Resume { history, why },
        (None, Interruption::LineLost) => {
            Opening::Resume { history: Vec::new(), why: Interruption::LineLostAndForgotten }
        }
        (None, why) => Opening::Resume { history: Vec::new(), why },
    }
}

/// What the ledger says of a call.
enum Known {
    /// What it keeps.
    Call(Box<CallRecord>),
    /// That it was never opened.
    Nothing,
    /// Nothing, in time; the log has why.
    NotSaid,
}

impl App {
    /// What the ledger knows of a call; none when it knows nothing or cannot be asked.
    pub(super) async fn kept(&self, call: &CallSid) -> Option<CallRecord> {
        match self.look_up(call).await {
            Known::Call(record) => Some(*record),
            Known::Nothing | Known::NotSaid => None,
        }
    }

    /// Whether this process carries no call to its end any more.
    pub(super) fn is_leaving(&self) -> bool {
        self.tasks.drained_soon().is_cancelled()
    }

    /// Whether a call can go on only in a later process: the stream of our last answer came back to us, who take none, so
    /// there is nobody else; or we are gone before a stream could come.
    fn can_only_hold(&self, came_back: bool) -> bool {
        self.is_leaving() && (came_back || self.tasks.hard().is_cancelled())
    }

    /// Whether a call that was carried before meets nobody because the service of the media sockets is away: the stream of
    /// our last answer is still waited for here, and no other instance has it. Where webhook and media are one service we are
    /// that service, and a stream that does not come has other reasons.
    fn media_is_away(&self, record: &CallRecord, attempt: u8) -> bool {
        self.stream_public_url != self.public_url
            && record.answered_ms.is_some()
            && self.bridge.is_waiting(&record.call, attempt)
            && !record.is_claimed_by_another(attempt, &self.instance)
    }

    async fn keep_waiting(&self, call: &CallSid, way_back: String, business: Option<&BusinessId>) -> Spoken {
        tracing::info!(call.id = %call, "a caller is kept on the line until another process can carry the call");
        let business = match business {
            // Most likely known from the call itself; what cannot be asked is no reason to say nothing.
            Some(id) => self.directory.business(id).await.ok().flatten(),
            None => None,
        };
        self.hold(way_back, business.as_ref().map_or(ENGLISH, |business| &business.language))
    }

    async fn look_up(&self, call: &CallSid) -> Known {
        match tokio::time::timeout(LEDGER_PATIENCE, self.ledger.call(call)).await {
            Ok(Ok(Some(record))) => return Known::Call(Box::new(record)),
            Ok(Ok(None)) => {
                tracing::info!(call.id = %call, "the ledger does not know a call that goes on");
                return Known::Nothing;
            }
            Ok(Err(error)) => tracing::warn!(call.id = %call, %error, "cannot ask the ledger what was meant"),
            Err(_) => tracing::warn!(call.id = %call, "the ledger did not say in time what was meant"),
        }
        Known::NotSaid
    }

    /// A call of which the ledger tells nothing. Its instance died before it could write it down, and what is meant is never
    /// written before that, so nothing was; or the ledger is away. It begins again, as one of its line, unless its streams
    /// were tried often enough.
    async fn begin_anew(self: &Arc<Self>, call: &NextRequest, attempt: u8, opening: Opening) -> Spoken {
        let parties = Parties { from: &call.from, to: &call.to };
        let (Some(account), true) = (&call.account, attempt < MAX_ATTEMPTS) else {
            return self.fall_back_by_line(parties).await;
        };
        let answerer = match self.who_answers(None, &call.to).await {
            Ok(answerer) => answerer,
            Err(nobody) => return self.without_answerer(&nobody, None, parties),
        };
        let leg = Leg { call: &call.call, account, from: &call.from, to: &call.to };
        let record = CallRecord { attempts: attempt + 1, ..self.record(&leg, &answerer) };
        tracing::info!(call.id = %record.call, attempt = record.attempts, "a call begins again");
        self.connect(&answerer, record, opening, Slot::Wanted)
    }

    /// Does what a call meant to do when its stream closed. Whatever follows, a transfer of an hour too, the model has no
    /// part in it.
    async fn as_meant(self: &Arc<Self>, record: &CallRecord) -> Spoken {
        self.over_for_good(&record.call);
        if record.intention == Some(Intention::HangUp) {
            return Spoken::hang_up();
        }
        let answerer = match self.who_answers(Some(&record.business), &record.to).await {
            Ok(answerer) => answerer,
            Err(nobody) => return self.without_business(&nobody, record),
        };
        let destination = match &record.intention {
            Some(Intention::Transfer(destination)) => answerer.business.destination(destination),
            Some(Intention::HangUp | Intention::FallBack) | None => None,
        };
        match destination {
            Some(destination) => self.transfer(destination, &record.to),
            None => self.fall_back(&answerer.business, Parties::of(record)),
        }
    }

    /// What the ledger knows of a call, and its answer to what was said in it: both are asked at once, for the caller hears
    /// nothing meanwhile.
    async fn look_up_with_history(&self, call: &CallSid) -> (Known, BoxFuture<'_, Option<Vec<Turn>>>) {
        let (asked, told) = (call.clone(), call.clone());
        let known = async move { self.look_up(&asked).await };
        let history = async move { self.history(&told).await };
        match select(known.boxed(), history.boxed()).await {
            Either::Left((known, history)) => (known, history),
            Either::Right((history, known)) => (known.await, ready(history).boxed()),
        }
    }

    /// What was said so far; none when the ledger cannot be asked. A call goes on without a memory rather than not.
    pub(super) async fn history(&self, call: &CallSid) -> Option<Vec<Turn>> {
        match tokio::time::timeout(HISTORY_PATIENCE, self.ledger.turns(call)).await {
            Ok(Ok(turns)) => return Some(turns),
            Ok(Err(error)) => {
                tracing::warn!(call.id = %call, %error, "a call is resumed without its history");
            }
            Err(_) => {
                tracing::warn!(call.id = %call, "a call is resumed without its history: the ledger is slow");
            }
        }
        None
    }

    /// Keeps that nothing is meant to happen any more when the stream of a call closes.
    pub(super) async fn nothing_meant(&self, call: &CallSid) {
        match tokio::time::timeout(LEDGER_PATIENCE, self.ledger.intend(call, None)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(call.id = %call, %error, "cannot clear what a call meant to do"),
            Err(_) => {
                tracing::warn!(call.id = %call, "the ledger did not clear in time what a call meant to do");
            }
        }
    }

    /// How many streams a call may have by now, of which the first minutes may have `most`.
    pub(super) fn allowed(&self, record: &CallRecord, most: u8) -> u8 {
        let more = (self.clock)().saturating_sub(record.started_ms) / ONE_MORE_EVERY_MS;
        most.saturating_add(u8::try_from(more.max(0)).unwrap_or(u8::MAX))
    }

    /// One more stream for a call, or its fallback when it had as many as it may.
    pub(super) async fn resume(
        self: &Arc<Self>,
        mut record: CallRecord,
        history: impl Future<Output = Option<Vec<Turn>>> + Send,
        why: Interruption,
        most: u8,
    ) -> Spoken {
        let (answerer, history) = tokio::join!(self.who_answers(Some(&record.business), &record.to), history);
        let answerer = match answerer {
            Ok(answerer) => answerer,
            Err(nobody) => {
                self.over_for_good(&record.call);
                return self.without_business(&nobody, &record);
            }
        };
        if record.attempts >= self.allowed(&record, most) {
            tracing::warn!(call.id = %record.call, attempts = record.attempts, "a call is not resumed again, and got the fallback");
            self.over_for_good(&record.call);
            return self.fall_back(&answerer.business, Parties::of(&record));
        }
        record.attempts += 1;
        record.intention = None;
        record.instance = self.instance.clone();
        tracing::info!(call.id = %record.call, attempt = record.attempts, "a call is resumed");
        self.connect(&answerer, record, go_on(history, why), Slot::Wanted)
    }

    /// What is left for a caller whose business cannot be found any more.
    fn without_business(&self, nobody: &Nobody, record: &CallRecord) -> Spoken {
        tracing::warn!(call.id = %record.call, "a call cannot go on: {nobody}");
        self.without_answerer(nobody, Some(&record.business), Parties::of(record))
    }
}

#[cfg(test)]
mod tests {
    use super::super::house::{ACCOUNT, CALL, CALLER, House, LINE, NOW_S};
    use super::super::words;
    use super::*;
    use crate::domain::{DestinationId, InstanceId, Sentence};
    use crate::store::Ledger as _;

    /// Twilio's form when a stream has ended and the caller is still there.
    const WAITING: [(&str, &str); 5] = [
        ("CallSid", CALL),
        ("AccountSid", ACCOUNT),
        ("From", CALLER),
        ("To", LINE),
        ("CallStatus", "in-progress"),
    ];

    fn place(id: &str) -> DestinationId {
        DestinationId::parse(id).unwrap()
    }

    async fn after(attempts: u8, intention: Option<Intention>) -> (House, String) {
        let house = House::new().await;
        house.keep(attempts, intention).await;
        let answer = house.post("/twilio-next", &WAITING).await;
        let twiml = answer.twiml().to_owned();
        (house, twiml)
    }

    #[tokio::test]
    async fn what_was_meant_is_carried_out() {
        assert_eq!(after(1, Some(Intention::HangUp)).await.1, "<Hangup/>");
        for (meant, begins) in
            [(Intention::Transfer(place("front-office")), "<Dial"), (Intention::FallBack, "<Say>One moment")]
        {
            let (house, twiml) = after(1, Some(meant)).await;
            assert!(twiml.starts_with(begins) && twiml.contains("+15550001111"), "{twiml}");
            assert!(twiml.contains(r#"callerId="+15551234567""#), "{twiml}");
            assert!(!house.waits(2));
        }
        let (_, twiml) = after(1, Some(Intention::Transfer(place("closed-since")))).await;
        assert!(twiml.contains("+15550001111"), "a destination that is gone is a fallback: {twiml}");
    }

    #[tokio::test]
    async fn an_accident_is_resumed_with_a_new_pass() {
        for attempts in [1, 2] {
            let (house, twiml) = after(attempts, None).await;
            assert!(twiml.starts_with("<Connect"), "{twiml}");
            assert!(house.waits(attempts + 1));
            let token = twiml.split_once(r#"name="token" value=""#).unwrap().1.split_once('"').unwrap().0;
            assert_eq!(house.app.pass_key.check(token, NOW_S).unwrap().attempt, attempts + 1);
        }
    }

    #[test]
    fn a_past_that_is_not_known_is_not_taken_for_none() {
        let resume = |why| Opening::Resume { history: Vec::new(), why };
        assert_eq!(go_on(Some(Vec::new()), Interruption::LineLost), resume(Interruption::LineLost));
        assert_eq!(go_on(None, Interruption::LineLost), resume(Interruption::LineLostAndForgotten));
        let failed = || Interruption::TransferFailed("the front office".to_owned());
        assert_eq!(go_on(None, failed()), resume(failed()));
    }

    #[tokio::test]
    async fn a_third_accident_is_none() {
        let (house, twiml) = after(3, None).await;
        assert!(twiml.contains("+15550001111"), "{twiml}");
        assert!(!house.waits(4));
    }

    #[tokio::test]
    async fn a_call_of_an_hour_is_handed_on_more_often_and_not_for_ever() {
        let house = House::new().await;
        house.keep(3, None).await;
        let record = house.record().await;
        let (hour, young) =
            (CallRecord { started_ms: record.started_ms - 3_600_000, ..record.clone() }, record);
        assert_eq!(house.app.allowed(&young, MAX_ATTEMPTS), MAX_ATTEMPTS);
        assert_eq!(house.app.allowed(&hour, MAX_ATTEMPTS), MAX_ATTEMPTS + 30);
        let ahead = CallRecord { started_ms: i64::MAX, ..young };
        assert_eq!(
            house.app.allowed(&ahead, MAX_ATTEMPTS),
            MAX_ATTEMPTS,
            "a clock that is ahead takes nothing"
        );
    }

    #[tokio::test]
    async fn streams_that_never_arrive_are_counted_by_the_way_back() {
        let house = House::new().await;
        house.keep(1, None).await;
        let first = house.post("/twilio-next", &WAITING).await;
        assert!(
            first.twiml().contains(r#"action="https://voice.example.com/twilio-next?attempt=2""#),
            "{}",
            first.body
        );
        let second = house.post("/twilio-next?attempt=2", &WAITING).await;
        assert!(second.twiml().contains("/twilio-next?attempt=3"), "{}", second.body);
        let third = house.post("/twilio-next?attempt=3", &WAITING).await;
        assert!(third.twiml().contains("+15550001111"), "{}", third.body);
    }

    #[tokio::test]
    async fn a_process_that_drains_sends_the_stream_to_the_public_name_and_begins_nothing() {
        for leaving in [false, true] {
            let house = House::new().await;
            house.keep(1, None).await;
            let tasks = &house.app.tasks;
            let word = if leaving { tasks.drained_soon() } else { tasks.soft() };
            word.cancel();
            let answer = house.post("/twilio-next", &WAITING).await;
            assert!(answer.twiml().starts_with("<Connect") && answer.twiml().contains("?attempt=2"));
            assert!(!house.waits(2) && house.app.registry.is_empty());
        }
    }

    #[tokio::test]
    async fn a_stream_nobody_took_while_we_leave_keeps_the_caller_on_the_line_and_does_not_count() {
        let house = House::new().await;
        house.keep(2, None).await;
        house.app.tasks.drained_soon().cancel();
        let held = house.post("/twilio-next?attempt=3", &WAITING).await;
        assert!(held.twiml().starts_with("<Say>One moment"), "{}", held.body);
        assert!(held.twiml().ends_with("/twilio-next?attempt=2</Redirect>"), "{}", held.body);
        assert!(!held.twiml().contains("+15550001111") && house.app.registry.is_empty());
        // The next process goes on with it.
        let next = house.another();
        let resumed = next.post("/twilio-next?attempt=2", &WAITING).await;
        assert!(resumed.twiml().starts_with("<Connect") && next.waits(3), "{}", resumed.body);
    }

    #[tokio::test]
    async fn a_call_whose_media_service_is_away_waits_for_it_once_a_stream_and_another_is_not_held_up() {
        let house = House::apart("https://media.example.com").await;
        house.keep(1, None).await;
        // Its service was there until now: it is tried at once, and met by nobody.
        let tried = house.post("/twilio-next", &WAITING).await;
        assert!(tried.twiml().contains(r#"url="wss://media.example.com/twilio-media""#), "{}", tried.body);
        assert!(tried.twiml().contains("/twilio-next?attempt=2") && house.waits(2), "{}", tried.body);
        let held = house.post("/twilio-next?attempt=2", &WAITING).await;
        assert!(held.twiml().starts_with("<Say>One moment"), "{}", held.body);
        assert!(held.twiml().ends_with("/twilio-next?attempt=2&amp;held=1</Redirect>"), "{}", held.body);
        let resumed = house.post("/twilio-next?attempt=2&held=1", &WAITING).await;
        assert!(resumed.twiml().starts_with("<Connect") && house.waits(3), "{}", resumed.body);
        // Not for ever.
        let last = house.post("/twilio-next?attempt=3&held=1", &WAITING).await;
        assert!(last.twiml().contains("+15550001111"), "{}", last.body);
        // Another instance took it: what ended is that stream, and there is nothing to wait for.
        let house = House::apart("https://media.example.com").await;
        house.keep(1, None).await;
        house.post("/twilio-next", &WAITING).await;
        let (call, media) = (CallSid::parse(CALL).unwrap(), InstanceId::parse("media").unwrap());
        assert!(house.store.claim_attempt(&call, 2, &media).await.unwrap());
        let resumed = house.post("/twilio-next?attempt=2", &WAITING).await;
        assert!(resumed.twiml().starts_with("<Connect") && house.waits(3), "{}", resumed.body);
    }

    #[tokio::test]
    async fn a_process_that_stops_now_keeps_every_caller_on_the_line() {
        let house = House::new().await;
        house.app.tasks.hard().cancel();
        let unknown = house.post("/twilio-next", &WAITING).await;
        assert!(unknown.twiml().ends_with("/twilio-next</Redirect>"), "{}", unknown.body);
        house.keep(1, None).await;
        let known = house.post("/twilio-next", &WAITING).await;
        assert_eq!(known.twiml(), unknown.twiml());
        assert!(known.twiml().matches("<Pause length=\"2\"/>").count() == 4, "{}", known.body);
    }

    #[tokio::test]
    async fn what_was_meant_is_carried_out_by_a_process_that_stops_too() {
        let house = House::new().await;
        house.keep(1, Some(Intention::HangUp)).await;
        house.app.tasks.hard().cancel();
        assert_eq!(house.post("/twilio-next", &WAITING).await.twiml(), "<Hangup/>");
    }

    #[tokio::test]
    async fn a_caller_who_has_hung_up_is_not_resumed() {
        let house = House::new().await;
        house.keep(1, None).await;
        let mut form = WAITING;
        form[4] = ("CallStatus", "completed");
        assert_eq!(house.post("/twilio-next", &form).await.twiml(), "<Hangup/>");
        assert!(!house.waits(2));
    }

    #[tokio::test]
    async fn a_call_the_ledger_never_heard_of_begins_again_and_not_for_ever() {
        let house = House::new().await;
        let answer = house.post("/twilio-next", &WAITING).await;
        assert!(answer.twiml().starts_with("<Connect"), "{}", answer.body);
        assert!(answer.twiml().contains("/twilio-next?attempt=2") && house.waits(2), "{}", answer.body);
        let answer = house.post("/twilio-next?attempt=3", &WAITING).await;
        assert!(answer.twiml().contains("+15550001111"), "{}", answer.body);
        let mut form = WAITING;
        form[3] = ("To", "+15550000000");
        let answer = House::new().await.post("/twilio-next", &form).await;
        assert_eq!(answer.twiml(), format!("<Say>{}</Say><Hangup/>", words::CANNOT_ANSWER));
    }

    #[tokio::test]
    async fn with_the_ledger_down_a_call_of_a_known_business_goes_on_and_not_for_ever() {
        let known = House::new().await.store;
        let house = House::with(|_| Arc::new(known)).await;
        house.keep(1, None).await;
        house.store.close().await;
        let answer = house.post("/twilio-next", &WAITING).await;
        assert!(answer.twiml().starts_with("<Connect"), "{}", answer.body);
        assert!(answer.twiml().contains("/twilio-next?attempt=2") && house.waits(2), "{}", answer.body);
        let answer = house.post("/twilio-next?attempt=3", &WAITING).await;
        assert!(answer.twiml().contains("+15550001111"), "{}", answer.body);
    }

    #[tokio::test]
    async fn with_the_store_down_the_caller_hears_an_apology_and_may_leave_a_message() {
        let house = House::new().await;
        house.keep(1, None).await;
        house.store.close().await;
        let answer = house.post("/twilio-next", &WAITING).await;
        let apology = format!("<Say>{}</Say><Record ", Sentence::LeaveMessage.in_english());
        assert!(answer.twiml().starts_with(&apology), "{}", answer.body);
    }

    #[tokio::test]
    async fn twilio_may_ask_by_get() {
        let house = House::new().await;
        house.keep(1, Some(Intention::HangUp)).await;
        let answer = house
            .get(&format!("/twilio-next?CallSid={CALL}&AccountSid={ACCOUNT}&CallStatus=in-progress"))
            .await;
        assert_eq!(answer.twiml(), "<Hangup/>");
    }
}
