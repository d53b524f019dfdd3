//! The voice webhook: somebody calls one of our lines.

use std::sync::Arc;

use axum::extract::State;

use super::answer::{Leg, Nobody, Spoken};
use super::signed::Signed;
use super::{App, words};
use crate::call::Opening;
use crate::domain::BusinessId;
use crate::wire::twilio::form::IncomingCall;

/// Always 200 and always something to hear: an error here is a stranger's voice saying "application error".
///
/// It may be asked twice for one call; the second answer is as good as the first, and nothing is dialled twice.
pub(super) async fn voice(State(app): State<Arc<App>>, request: Signed<IncomingCall>) -> Spoken {
    let wanted = request.query().first("businessId").map(BusinessId::parse).transpose();
    let call = request.into_form();
    let leg = Leg { call: &call.call, account: &call.account, from: &call.from, to: &call.to };
    let answerer = match wanted {
        Ok(wanted) => app.who_answers(wanted.as_ref(), &call.to).await,
        Err(_) => Err(Nobody::Unknown),
    };
    match answerer {
        Ok(answerer) if app.tasks.hard().is_cancelled() => {
            tracing::warn!(call.id = %call.call, "a call came while this instance was stopping, and got the fallback");
            app.fall_back(&answerer.business, &call.to)
        }
        Ok(answerer) => app.connect(&answerer, app.record(&leg, &answerer), Opening::Greet),
        Err(nobody) => {
            let answer = match &nobody {
                Nobody::Unknown => Spoken::goodbye(words::NOT_IN_SERVICE),
                Nobody::NoPlan(business) => app.fall_back(business, &call.to),
                Nobody::Store(_) => Spoken::goodbye(words::CANNOT_ANSWER),
            };
            tracing::warn!(call.id = %call.call, "a caller could not be connected with a model: {nobody}");
            answer
        }
    }
}
