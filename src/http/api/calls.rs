//! Calls: what happened, what was said, and the messages people left.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::{Asked, Ids, Nothing, Part};
use super::document::{Found, Read};
use super::views::{Call, CallWithTurns, Message, Page, Turn, Voicemail, Whole};
use super::{READ_PATIENCE, within};
use crate::domain::{BusinessId, CallSid};
use crate::http::App;
use crate::http::admin::Admin;
use crate::http::problem::{Kind, Problem};
use crate::store::CallKey;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_calls)).routes(routes!(show_call)).routes(routes!(list_messages))
}

/// Lists the calls of a business.
///
/// The latest first.
#[utoipa::path(
    get, path = "/api/businesses/{businessId}/calls", tag = "Calls",
    params(("businessId" = String, Path, description = "Whose", pattern = "^[A-Za-z0-9_.:-]{1,64}$"), Part),
    responses((status = 200, description = "A part of the list", body = Page<Call>), Found)
)]
async fn list_calls(
    _: Admin,
    State(app): State<Arc<App>>,
    Ids(business): Ids<BusinessId>,
    Asked(part): Asked<Part>,
) -> Result<Json<Page<Call>>, Problem> {
    let after = part.after::<CallKey>()?;
    let listing = app.ledger.calls(&business, after.as_ref(), part.most());
    let listing = within(READ_PATIENCE, "list the calls of a business", listing).await?;
    if listing.items.is_empty() && listing.unreadable.is_empty() {
        app.must_know(&business).await?;
    }
    Ok(Json(Page::of(listing, |call| Call::from(&call))))
}

/// Shows a call.
///
/// With all that was said in it, as the other side heard it, and what the caller left after a tone.
#[utoipa::path(
    get, path = "/api/calls/{callSid}", tag = "Calls",
    params(("callSid" = String, Path, description = "Twilio's name for it", pattern = "^[A-Za-z0-9_.:-]{1,64}$")),
    responses((status = 200, description = "The call", body = CallWithTurns), Read)
)]
async fn show_call(
    _: Admin,
    State(app): State<Arc<App>>,
    Ids(call): Ids<CallSid>,
    _: Asked<Nothing>,
) -> Result<Json<CallWithTurns>, Problem> {
    let record = within(READ_PATIENCE, "look up a call", app.ledger.call(&call)).await?;
    let record = record.ok_or_else(|| Problem::new(Kind::NotFound, format!("there is no call {call}")))?;
    let turns = within(READ_PATIENCE, "look up what was said in a call", app.ledger.turns(&call)).await?;
    let voicemails = app.ledger.voicemails_in(&call);
    let voicemails = within(READ_PATIENCE, "look up the voicemails of a call", voicemails).await?;
    Ok(Json(CallWithTurns {
        call: Call::from(&record),
        turns: turns.iter().map(Turn::from).collect(),
        voicemails: voicemails.iter().map(Voicemail::from).collect(),
    }))
}

/// Lists the messages people left for a business.
///
/// The newest thousand, the oldest of them first.
#[utoipa::path(
    get, path = "/api/businesses/{businessId}/messages", tag = "Calls",
    params(("businessId" = String, Path, description = "For whom", pattern = "^[A-Za-z0-9_.:-]{1,64}$")),
    responses((status = 200, description = "The messages", body = Whole<Message>), Read)
)]
async fn list_messages(
    _: Admin,
    State(app): State<Arc<App>>,
    Ids(business): Ids<BusinessId>,
    _: Asked<Nothing>,
) -> Result<Json<Whole<Message>>, Problem> {
    let messages =
        within(READ_PATIENCE, "list the messages of a business", app.ledger.messages(&business)).await?;
    if messages.is_empty() {
        app.must_know(&business).await?;
    }
    Ok(Json(Whole { items: messages.iter().map(Message::from).collect() }))
}
