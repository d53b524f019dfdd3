//! Usage: what a business has at this moment, and what it used by month.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::{Asked, Ids};
use super::document::Read;
use super::views::{self, Usage};
use super::{READ_PATIENCE, within};
use crate::domain::{BusinessId, Month};
use crate::http::App;
use crate::http::admin::Admin;
use crate::http::problem::Problem;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(show_usage))
}

/// Which month.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// This month alone, also when nothing was used in it. Without it, every month in which something was.
    #[param(value_type = Option<String>, example = "2026-11", pattern = r"^\d{4}-\d{2}$")]
    month: Option<Month>,
}

/// Shows what a business used.
///
/// By month in UTC, the latest first, and how many calls it has now. A call counts when it is over, in the month in which
/// it started.
#[utoipa::path(
    get, path = "/api/businesses/{businessId}/usage", tag = "Usage",
    params(("businessId" = String, Path, description = "Whose", pattern = "^[A-Za-z0-9_.:-]{1,64}$"), Which),
    responses((status = 200, description = "What it used", body = Usage), Read)
)]
async fn show_usage(
    _: Admin,
    State(app): State<Arc<App>>,
    Ids(business): Ids<BusinessId>,
    Asked(which): Asked<Which>,
) -> Result<Json<Usage>, Problem> {
    const DOING: &str = "look up what a business used";
    let months = match which.month {
        Some(month) => vec![within(READ_PATIENCE, DOING, app.ledger.month(&business, month)).await?],
        None => within(READ_PATIENCE, DOING, app.ledger.months(&business)).await?,
    };
    let taken = app.slots.taken(&business, (app.clock)());
    let calls_now = within(READ_PATIENCE, "count the calls of a business", taken).await?;
    if months.iter().all(|month| month.calls == 0) && calls_now == 0 {
        app.must_know(&business).await?;
    }
    Ok(Json(Usage { calls_now, months: months.iter().map(views::Month::from).collect() }))
}
