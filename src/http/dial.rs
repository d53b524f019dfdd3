//! What became of a transfer. One that nobody answered goes back to the model, which knows what happened; where there is
//! nobody to go back to, the caller may leave a voicemail.

use std::sync::Arc;

use axum::extract::State;

use super::answer::{Answerer, ENGLISH, Nobody, Parties, Spoken};
use super::signed::Signed;
use super::{App, words};
use crate::call::Interruption;
use crate::domain::{BusinessId, CallRecord, DestinationId, Intention, Sentence};
use crate::wire::twilio::form::DialOutcome;

/// How many streams a call may have in all when transfers keep failing: three for accidents, three more for these.
const MAX_ATTEMPTS: u8 = 6;

/// The `action` of `<Dial>`.
pub(super) async fn dial(State(app): State<Arc<App>>, request: Signed<DialOutcome>) -> Spoken {
    let ended = request.into_form();
    if ended.dialled.was_answered() || ended.status.is_over() {
        // The model had no part in the talk of those two.
        let talked_ms = i64::from(ended.duration_s.unwrap_or(0)) * 1_000;
        app.over_for_good_since(&ended.call, talked_ms);
        return Spoken::hang_up();
    }
    let Some(mut record) = app.kept(&ended.call).await else {
        app.over_for_good(&ended.call);
        return app.nobody_there(None, Parties { from: &ended.from, to: &ended.to }).await;
    };
    // The fallback did not answer either: there is nobody left, least of all the model that could not serve the call.
    let failed = match record.intention.take() {
        Some(Intention::Transfer(destination)) if record.attempts < app.allowed(&record, MAX_ATTEMPTS) => {
            Some(destination)
        }
        Some(Intention::Transfer(_) | Intention::FallBack | Intention::HangUp) | None => None,
    };
    let Some(destination) = failed else {
        app.over_for_good(&record.call);
        return app.nobody_there(Some(&record.business), Parties::of(&record)).await;
    };
    // Were it left standing, the next accident would ring the same telephone again.
    app.nothing_meant(&record.call).await;
    let label = label(&app, &record, &destination).await;
    let call = record.call.clone();
    app.resume(record, app.history(&call), Interruption::TransferFailed(label), MAX_ATTEMPTS).await
}

impl App {
    /// What is left for a caller when nobody answers where their business wants them: what they say is kept for it.
    async fn nobody_there(&self, business: Option<&BusinessId>, parties: Parties<'_>) -> Spoken {
        match self.who_answers(business, parties.to).await {
            Ok(Answerer { business, .. }) => {
                self.take_voicemail_for(&business, Sentence::NobodyThereLeaveMessage, parties)
            }
            Err(Nobody::NoPlan(business)) => {
                self.take_voicemail_for(&business, Sentence::NobodyThereLeaveMessage, parties)
            }
            Err(Nobody::Store(_)) => {
                let said = Sentence::NobodyThereLeaveMessage.in_language(ENGLISH);
                self.take_voicemail(said, ENGLISH, business, parties)
            }
            Err(Nobody::Unknown) => Spoken::goodbye(words::NOBODY_THERE),
        }
    }
}

/// What people call the destination; its id when the business has forgotten it meanwhile.
async fn label(app: &App, record: &CallRecord, destination: &DestinationId) -> String {
    let business = app.directory.business(&record.business).await.ok().flatten();
    let place = business.as_ref().and_then(|business| business.destination(destination));
    place.map_or_else(|| destination.to_string(), |place| place.label.clone())
}

#[cfg(test)]
mod tests {
    use super::super::house::{ACCOUNT, CALL, CALLER, House, LINE, NOW_MS};
    use super::*;

    async fn ended(house: &House, outcome: &str) -> String {
        let form = [
            ("CallSid", CALL),
            ("AccountSid", ACCOUNT),
            ("From", CALLER),
            ("To", LINE),
            ("CallStatus", "in-progress"),
            ("DialCallStatus", outcome),
        ];
        house.post("/twilio-dial", &form).await.twiml().to_owned()
    }

    fn to_the_front_office() -> Option<Intention> {
        Some(Intention::Transfer(DestinationId::parse("front-office").unwrap()))
    }

    #[tokio::test]
    async fn a_transfer_that_was_answered_ends_the_call_when_it_ends() {
        for outcome in ["completed", "answered"] {
            let house = House::new().await;
            house.keep(1, to_the_front_office()).await;
            assert_eq!(ended(&house, outcome).await, "<Hangup/>");
        }
    }

    #[tokio::test]
    async fn a_transfer_nobody_answered_goes_back_to_the_model() {
        for outcome in ["busy", "no-answer", "failed", "canceled"] {
            let house = House::new().await;
            house.keep(3, to_the_front_office()).await;
            assert!(ended(&house, outcome).await.starts_with("<Connect"), "{outcome}");
            assert!(house.waits(4));
            assert_eq!(house.record().await.intention, None, "the next accident must not ring again");
        }
    }

    #[tokio::test]
    async fn the_minutes_of_a_call_end_before_two_people_talk() {
        let house = House::new().await;
        house.keep(1, to_the_front_office()).await;
        let form = [
            ("CallSid", CALL),
            ("AccountSid", ACCOUNT),
            ("CallStatus", "in-progress"),
            ("DialCallStatus", "completed"),
            ("DialCallDuration", "40"),
        ];
        assert_eq!(house.post("/twilio-dial", &form).await.twiml(), "<Hangup/>");
        house.settled().await;
        assert_eq!(house.record().await.ended_ms, Some(NOW_MS - 40_000));
    }

    /// The sentence before a tone.
    fn asks_for_a_message(twiml: &str) -> bool {
        twiml.starts_with(&format!("<Say>{}</Say><Record ", Sentence::NobodyThereLeaveMessage.in_english()))
    }

    #[tokio::test]
    async fn after_too_many_of_them_the_caller_may_leave_a_message() {
        let house = House::new().await;
        house.keep(6, to_the_front_office()).await;
        assert!(asks_for_a_message(&ended(&house, "busy").await));
    }

    #[tokio::test]
    async fn a_fallback_nobody_answered_takes_a_message_whether_or_not_the_store_answers() {
        let house = House::new().await;
        house.keep(1, Some(Intention::FallBack)).await;
        let twiml = ended(&house, "no-answer").await;
        assert!(asks_for_a_message(&twiml) && twiml.contains("businessId=business-1"), "{twiml}");
        let house = House::new().await;
        assert!(asks_for_a_message(&ended(&house, "no-answer").await), "a call the ledger never heard of");
        house.store.close().await;
        let twiml = ended(&house, "no-answer").await;
        assert!(asks_for_a_message(&twiml) && !twiml.contains("businessId"), "{twiml}");
    }

    #[tokio::test]
    async fn a_line_that_is_known_to_be_nobodys_takes_no_message() {
        let house = House::new().await;
        let form = [("CallSid", CALL), ("To", "+15550000000"), ("DialCallStatus", "busy")];
        let answer = house.post("/twilio-dial", &form).await;
        assert_eq!(answer.twiml(), format!("<Say>{}</Say><Hangup/>", words::NOBODY_THERE));
    }
}
