//! The voice webhook: somebody calls one of our lines.

use std::sync::Arc;

use axum::extract::State;

use super::answer::{Leg, Nobody, Parties, Spoken};
use super::signed::Signed;
use super::{App, words};
use crate::domain::BusinessId;
use crate::wire::twilio::form::IncomingCall;

/// Always 200 and always something to hear: an error here is a stranger's voice saying "application error".
///
/// It may be asked twice for one call; the second answer is as good as the first, and nothing is dialled twice.
pub(super) async fn voice(State(app): State<Arc<App>>, request: Signed<IncomingCall>) -> Spoken {
    let wanted =
        request.query().first("businessId").filter(|id| !id.is_empty()).map(BusinessId::parse).transpose();
    let call = request.into_form();
    let Some(account) = &call.account else {
        tracing::warn!(call.id = %call.call, "Twilio did not say to which account a call belongs");
        return Spoken::goodbye(words::CANNOT_ANSWER);
    };
    let leg = Leg { call: &call.call, account, from: &call.from, to: &call.to };
    let parties = Parties { from: &call.from, to: &call.to };
    let answerer = match &wanted {
        Ok(wanted) => app.who_answers(wanted.as_ref(), &call.to).await,
        Err(_) => Err(Nobody::Unknown),
    };
    match answerer {
        Ok(answerer) => app.connect_within_plan(&answerer, app.record(&leg, &answerer)).await,
        Err(nobody) => {
            let answer = match &nobody {
                Nobody::Unknown => Spoken::goodbye(words::NOT_IN_SERVICE),
                Nobody::NoPlan(_) | Nobody::Store(_) => {
                    app.without_answerer(&nobody, wanted.ok().flatten().as_ref(), parties)
                }
            };
            tracing::warn!(call.id = %call.call, "a caller could not be connected with a model: {nobody}");
            answer
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::super::house::{ACCOUNT, CALL, CALLER, House, LINE, MOST_CALLS, NOW_S, RINGING};
    use super::words;
    use crate::domain::Sentence;

    const FALLBACK: &str = "+15550001111";

    #[tokio::test]
    async fn a_known_line_is_connected_with_a_model_that_is_dialled_meanwhile() {
        let house = House::new().await;
        let answer = house.post("/twilio-voice", &RINGING).await;
        let (before, rest) = answer.twiml().split_once(answer.token()).unwrap();
        assert_eq!(
            before,
            r#"<Connect action="https://voice.example.com/twilio-next" method="POST"><Stream url="wss://voice.example.com/twilio-media" statusCallback="https://voice.example.com/twilio-stream-status"><Parameter name="businessId" value="business-1"/><Parameter name="plan" value="premium"/><Parameter name="to" value="+15551234567"/><Parameter name="from" value="+14155550123"/><Parameter name="token" value=""#
        );
        assert_eq!(
            rest,
            r#""/></Stream></Connect><Redirect method="POST">https://voice.example.com/twilio-next</Redirect>"#
        );
        assert!(house.waits(1));
        let pass = house.app.pass_key.check(answer.token(), NOW_S).unwrap();
        assert_eq!((pass.call.as_str(), pass.account.as_str()), (CALL, ACCOUNT));
        assert_eq!((pass.business.as_str(), pass.attempt), ("business-1", 1));
        assert_eq!(pass.expires_at, NOW_S + 60);
    }

    #[tokio::test]
    async fn the_webhook_url_may_name_the_business_and_the_form_may_not() {
        let house = House::new().await;
        let mut form = RINGING.to_vec();
        form.push(("businessId", "business-3"));
        let answer = house.post("/twilio-voice?businessId=business-2", &form).await;
        assert!(answer.twiml().contains(r#"name="businessId" value="business-2""#));
        for target in ["/twilio-voice", "/twilio-voice?businessId="] {
            let answer = house.post(target, &form).await;
            assert!(answer.twiml().contains(r#"name="businessId" value="business-1""#), "{target}");
        }
    }

    #[tokio::test]
    async fn twilio_may_ask_by_get() {
        let house = House::new().await;
        let target = format!(
            "/twilio-voice?businessId=business-2&CallSid={CALL}&AccountSid={ACCOUNT}&From=%2B14155550123&To=%2B15551234567&CallStatus=ringing"
        );
        let answer = house.get(&target).await;
        assert!(answer.twiml().contains(r#"name="businessId" value="business-2""#), "{}", answer.body);
        assert!(answer.twiml().contains(&format!(r#"name="from" value="{CALLER}""#)));
    }

    #[tokio::test]
    async fn twilio_may_ask_twice_and_one_model_is_dialled() {
        let house = House::new().await;
        let first = house.post("/twilio-voice", &RINGING).await;
        let second = house.post("/twilio-voice", &RINGING).await;
        for answer in [&first, &second] {
            assert_eq!(house.app.pass_key.check(answer.token(), NOW_S).unwrap().attempt, 1);
        }
        assert_eq!(house.app.registry.len(), 1);
    }

    #[tokio::test]
    async fn a_number_nobody_owns_is_told_so() {
        let house = House::new().await;
        for (target, to) in [
            ("/twilio-voice", "+15550000000"),
            ("/twilio-voice", "sip:somebody@example.com"),
            ("/twilio-voice", ""),
            ("/twilio-voice?businessId=nobody", LINE),
            ("/twilio-voice?businessId=not%20an%20id", LINE),
        ] {
            let form = [("CallSid", CALL), ("AccountSid", ACCOUNT), ("From", CALLER), ("To", to)];
            let answer = house.post(target, &form).await;
            assert_eq!(
                answer.twiml(),
                format!("<Say>{}</Say><Hangup/>", words::NOT_IN_SERVICE),
                "{target} {to}"
            );
        }
        assert_eq!(house.app.registry.len(), 0);
    }

    #[tokio::test]
    async fn a_business_whose_plan_is_missing_gets_its_fallback() {
        let house = House::without_plans().await;
        let answer = house.post("/twilio-voice", &RINGING).await;
        assert!(answer.twiml().starts_with("<Say>One moment"), "{}", answer.body);
        assert!(answer.twiml().contains(FALLBACK) && answer.twiml().contains(r#"callerId="+15551234567""#));
        assert!(answer.twiml().contains(r#"action="https://voice.example.com/twilio-dial""#));
        let spoken = house.post("/twilio-voice?businessId=business-2", &RINGING).await;
        assert_eq!(spoken.twiml(), "<Say>Please write to sol@example.com.</Say><Hangup/>");
        let silent = house.post("/twilio-voice?businessId=business-3", &RINGING).await;
        assert!(
            silent
                .twiml()
                .starts_with(&format!("<Say>{}</Say><Record ", Sentence::LeaveMessage.in_english()))
        );
    }

    #[tokio::test]
    async fn more_calls_than_can_be_carried_get_the_fallback() {
        let house = House::new().await;
        for number in 0..=MOST_CALLS {
            let call = format!("CA{number:032x}");
            let mut form = RINGING;
            form[0] = ("CallSid", &call);
            let answer = house.post("/twilio-voice", &form).await;
            assert_eq!(answer.twiml().contains(FALLBACK), number == MOST_CALLS, "{}", answer.body);
        }
    }

    #[tokio::test]
    async fn a_store_that_is_down_is_an_apology_and_a_recorded_message_and_not_an_error() {
        let house = House::new().await;
        house.store.close().await;
        for (target, business) in [
            ("/twilio-voice", "?from="),
            ("/twilio-voice?businessId=business-2", "?businessId=business-2&amp;from="),
        ] {
            let answer = house.post(target, &RINGING).await;
            let apology = format!("<Say>{}</Say><Record ", Sentence::LeaveMessage.in_english());
            assert!(answer.twiml().starts_with(&apology), "{}", answer.body);
            assert!(answer.twiml().contains(&format!("/twilio-recording{business}")), "{}", answer.body);
        }
    }

    #[tokio::test]
    async fn a_process_that_drains_or_stops_sends_the_caller_to_the_public_name_and_begins_nothing() {
        let house = House::new().await;
        for word in [house.app.tasks.soft(), house.app.tasks.drained_soon(), house.app.tasks.hard()] {
            word.cancel();
            let answer = house.post("/twilio-voice", &RINGING).await;
            assert!(answer.twiml().starts_with("<Connect"), "{}", answer.body);
            assert!(house.app.registry.is_empty() && !house.waits(1));
            // Whoever meets the stream carries the call: the pass is as good as any.
            assert_eq!(house.app.pass_key.check(answer.token(), NOW_S).unwrap().attempt, 1);
        }
    }

    #[tokio::test]
    async fn a_stranger_gets_no_twiml() {
        let house = House::new().await;
        let answer = house.ask(Request::post("/twilio-voice"), &RINGING).await;
        assert_eq!(answer.status, 403);
        assert_eq!(house.app.registry.len(), 0);
    }
}
