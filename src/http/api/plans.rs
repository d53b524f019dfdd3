//! Plans: what businesses have paid for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::{Asked, Ids, JsonText, Nothing, ONE_BYTES, Part};
use super::document::{Always, PutPlan, Read, RemovedPlan};
use super::views::{Page, Written};
use super::{READ_PATIENCE, WRITE_PATIENCE, checked, schemas, within};
use crate::domain::{BusinessImport, Plan, PlanId};
use crate::http::App;
use crate::http::admin::Admin;
use crate::http::problem::{Kind, Problem, Remark};
use crate::store::import;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_plans)).routes(routes!(show_plan, put_plan, remove_plan))
}

/// Lists the plans.
///
/// By id.
#[utoipa::path(
    get, path = "/api/plans", tag = "Plans", params(Part),
    responses((status = 200, description = "A part of the list", body = Page<schemas::Plan>), Always)
)]
async fn list_plans(
    _: Admin,
    State(app): State<Arc<App>>,
    Asked(part): Asked<Part>,
) -> Result<Json<Page<Plan>>, Problem> {
    let after = part.after::<PlanId>()?;
    let listing =
        within(READ_PATIENCE, "list the plans", app.directory.plans(after.as_ref(), part.most())).await?;
    Ok(Json(Page::of(listing, |plan| plan)))
}

/// Shows a plan.
///
/// As calls are measured by it: what another instance changed shows within 5 seconds, and while the store is away, what
/// was last known.
#[utoipa::path(
    get, path = "/api/plans/{planId}", tag = "Plans",
    params(("planId" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_.:-]{1,64}$")),
    responses((status = 200, description = "The plan", body = schemas::Plan), Read)
)]
async fn show_plan(
    _: Admin,
    State(app): State<Arc<App>>,
    Ids(id): Ids<PlanId>,
    _: Asked<Nothing>,
) -> Result<Json<Plan>, Problem> {
    let found = within(READ_PATIENCE, "look up a plan", app.directory.plan(&id)).await?;
    found.map(Json).ok_or_else(|| no_such_plan(&id))
}

/// Writes a plan.
///
/// In the place of what is there under this id. Calls that are answered from then on are measured by it; `id` may be left
/// off the body.
#[utoipa::path(
    put, path = "/api/plans/{planId}", tag = "Plans",
    params(("planId" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_.:-]{1,64}$")),
    request_body = schemas::Plan,
    responses(
        (status = 200, description = "It was replaced", body = Written<schemas::Plan>),
        (status = 201, description = "It is new", body = Written<schemas::Plan>),
        PutPlan
    )
)]
async fn put_plan(
    _: Admin,
    State(app): State<Arc<App>>,
    Ids(id): Ids<PlanId>,
    _: Asked<Nothing>,
    JsonText(text): JsonText<ONE_BYTES>,
) -> Result<(StatusCode, Json<Written<Plan>>), Problem> {
    let called = id.clone();
    let (item, warnings) = checked(&app, move || import::read_plan(&text, &called)).await?;
    // One that does not read is there too.
    let found = within(READ_PATIENCE, "look up a plan", app.directory.plan(&id)).await;
    let is_new = matches!(found, Ok(None));
    let import = BusinessImport { plans: vec![item.clone()], businesses: Vec::new() };
    within(WRITE_PATIENCE, "write a plan", app.directory.import(&import)).await?;
    tracing::info!(by = "api", plan.id = %id, is_new, "a plan was written");
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(Written { item, warnings: warnings.iter().map(Remark::from).collect() })))
}

/// Removes a plan.
///
/// One that a business still has stays.
#[utoipa::path(
    delete, path = "/api/plans/{planId}", tag = "Plans",
    params(("planId" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_.:-]{1,64}$")),
    responses((status = 204, description = "It is gone"), RemovedPlan)
)]
async fn remove_plan(
    _: Admin,
    State(app): State<Arc<App>>,
    Ids(id): Ids<PlanId>,
    _: Asked<Nothing>,
) -> Result<StatusCode, Problem> {
    if !within(WRITE_PATIENCE, "remove a plan", app.directory.remove_plan(&id)).await? {
        return Err(no_such_plan(&id));
    }
    tracing::info!(by = "api", plan.id = %id, "a plan was removed");
    Ok(StatusCode::NO_CONTENT)
}

fn no_such_plan(id: &PlanId) -> Problem {
    Problem::new(Kind::NotFound, format!("there is no plan {id}"))
}
