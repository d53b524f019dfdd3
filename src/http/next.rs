//! What happens when the stream has ended. The ledger says what was meant; if nothing was, it was an accident, and
//! accidents are resumed.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;

use super::App;
use super::answer::{ATTEMPT, Leg, Nobody, Parties, Spoken};
use super::signed::Signed;
use crate::call::{Interruption, Opening};
use crate::domain::{CallRecord, CallSid, Intention, Turn};
use crate::registry::Slot;
use crate::wire::twilio::form::NextRequest;

/// How many streams a call may have because of accidents: whatever broke three was no accident.
const MAX_ATTEMPTS: u8 = 3;

/// How long the caller waits in silence for the ledger.
pub(super) const LEDGER_PATIENCE: Duration = Duration::from_secs(1);

/// The `action` of `<Connect>` and the `<Redirect>` behind it.
pub(super) async fn next(State(app): State<Arc<App>>, request: Signed<NextRequest>) -> Spoken {
    let attempt = request.query().first(ATTEMPT).and_then(|attempt| attempt.parse().ok()).unwrap_or(1);
    let call = request.into_form();
    if call.status.is_over() {
        app.over_for_good(&call.call);
        return Spoken::hang_up();
    }
    let mut record = match app.look_up(&call.call).await {
        Known::Call(record) => *record,
        Known::Nothing => return app.begin_anew(&call, attempt).await,
        Known::NotSaid => return app.fall_back_by_line(Parties { from: &call.from, to: &call.to }).await,
    };
    record.attempts = record.attempts.max(attempt);
    if record.intention.is_some() {
        // Whatever follows, a transfer of an hour too, the model has no part in it.
        app.over_for_good(&record.call);
    }
    match &record.intention {
        Some(Intention::HangUp) => Spoken::hang_up(),
        Some(Intention::Transfer(destination)) => {
            match app.who_answers(Some(&record.business), &record.to).await {
                Ok(answerer) => match answerer.business.destination(destination) {
                    Some(destination) => app.transfer(destination, &record.to),
                    None => app.fall_back(&answerer.business, Parties::of(&record)),
                },
                Err(nobody) => app.without_business(&nobody, &record),
            }
        }
        Some(Intention::FallBack) => match app.who_answers(Some(&record.business), &record.to).await {
            Ok(answerer) => app.fall_back(&answerer.business, Parties::of(&record)),
            Err(nobody) => app.without_business(&nobody, &record),
        },
        None => app.resume(record, Interruption::LineLost, MAX_ATTEMPTS).await,
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

    /// A call whose instance died before it could write it down: what is meant is never written before that, so nothing
    /// was. It begins again, as one of its line, unless its streams were tried often enough.
    async fn begin_anew(self: &Arc<Self>, call: &NextRequest, attempt: u8) -> Spoken {
        let parties = Parties { from: &call.from, to: &call.to };
        let (Some(account), true) =
            (&call.account, attempt < MAX_ATTEMPTS && !self.tasks.hard().is_cancelled())
        else {
            return self.fall_back_by_line(parties).await;
        };
        let answerer = match self.who_answers(None, &call.to).await {
            Ok(answerer) => answerer,
            Err(nobody) => return self.without_answerer(&nobody, None, parties),
        };
        let leg = Leg { call: &call.call, account, from: &call.from, to: &call.to };
        let record = CallRecord { attempts: attempt + 1, ..self.record(&leg, &answerer) };
        tracing::info!(call.id = %record.call, attempt = record.attempts, "a call begins again");
        self.connect(&answerer, record, Opening::Greet, Slot::Wanted)
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

    /// One more stream for a call, or its fallback when it had `most` already.
    pub(super) async fn resume(
        self: &Arc<Self>,
        mut record: CallRecord,
        why: Interruption,
        most: u8,
    ) -> Spoken {
        let answerer = match self.who_answers(Some(&record.business), &record.to).await {
            Ok(answerer) => answerer,
            Err(nobody) => {
                self.over_for_good(&record.call);
                return self.without_business(&nobody, &record);
            }
        };
        if record.attempts >= most || self.tasks.hard().is_cancelled() {
            tracing::warn!(call.id = %record.call, attempts = record.attempts, "a call is not resumed again, and got the fallback");
            self.over_for_good(&record.call);
            return self.fall_back(&answerer.business, Parties::of(&record));
        }
        record.attempts += 1;
        record.intention = None;
        record.instance = self.instance.clone();
        tracing::info!(call.id = %record.call, attempt = record.attempts, "a call is resumed");
        let history = self.history(&record.call).await;
        self.connect(&answerer, record, Opening::Resume { history, why }, Slot::Wanted)
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
    use crate::domain::DestinationId;

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

    #[tokio::test]
    async fn a_third_accident_is_none() {
        let (house, twiml) = after(3, None).await;
        assert!(twiml.contains("+15550001111"), "{twiml}");
        assert!(!house.waits(4));
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
    async fn with_the_store_down_the_caller_hears_an_apology_and_may_leave_a_message() {
        let house = House::new().await;
        house.keep(1, None).await;
        house.store.close().await;
        let answer = house.post("/twilio-next", &WAITING).await;
        let apology = format!("<Say>{}</Say><Record ", words::LEAVE_MESSAGE);
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
