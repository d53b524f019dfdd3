//! Businesses: whose phones are answered, and how.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::{Asked, Ids, JsonText, Nothing, ONE_BYTES, Part};
use super::document::{Always, Found, Put, Read};
use super::views::{Page, Written};
use super::{READ_PATIENCE, WRITE_PATIENCE, checked, no_such_business, schemas, within};
use crate::domain::{Business, BusinessId, BusinessImport};
use crate::http::App;
use crate::http::admin::Admin;
use crate::http::problem::{Problem, Remark};
use crate::store::import;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_businesses)).routes(routes!(
        show_business,
        put_business,
        remove_business
    ))
}

/// Lists the businesses.
///
/// By id.
#[utoipa::path(
    get, path = "/api/businesses", tag = "Businesses", params(Part),
    responses((status = 200, description = "A part of the list", body = Page<schemas::Business>), Always)
)]
async fn list_businesses(
    _: Admin,
    State(app): State<Arc<App>>,
    Asked(part): Asked<Part>,
) -> Result<Json<Page<Business>>, Problem> {
    let after = part.after::<BusinessId>()?;
    let listing = app.directory.businesses(after.as_ref(), part.most());
    let listing = within(READ_PATIENCE, "list the businesses", listing).await?;
    Ok(Json(Page::of(listing, |business| business)))
}

/// Shows a business.
///
/// As callers are answered: what another instance changed shows within 5 seconds, and while the store is away, what was
/// last known.
#[utoipa::path(
    get, path = "/api/businesses/{businessId}", tag = "Businesses",
    params(("businessId" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_.:-]{1,64}$")),
    responses((status = 200, description = "The business", body = schemas::Business), Read)
)]
async fn show_business(
    _: Admin,
    State(app): State<Arc<App>>,
    Ids(id): Ids<BusinessId>,
    _: Asked<Nothing>,
) -> Result<Json<Business>, Problem> {
    let found = within(READ_PATIENCE, "look up a business", app.directory.business(&id)).await?;
    found.map(Json).ok_or_else(|| no_such_business(&id))
}

/// Writes a business.
///
/// In the place of what is there under this id, all of it. Checked as an import is; `id` may be left off the body.
#[utoipa::path(
    put, path = "/api/businesses/{businessId}", tag = "Businesses",
    params(("businessId" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_.:-]{1,64}$")),
    request_body = schemas::Business,
    responses(
        (status = 200, description = "It was replaced", body = Written<schemas::Business>),
        (status = 201, description = "It is new", body = Written<schemas::Business>),
        Put
    )
)]
async fn put_business(
    _: Admin,
    State(app): State<Arc<App>>,
    Ids(id): Ids<BusinessId>,
    _: Asked<Nothing>,
    JsonText(text): JsonText<ONE_BYTES>,
) -> Result<(StatusCode, Json<Written<Business>>), Problem> {
    let called = id.clone();
    let (item, warnings) = checked(&app, move || import::read_business(&text, &called)).await?;
    // One that does not read is there too.
    let found = within(READ_PATIENCE, "look up a business", app.directory.business(&id)).await;
    let is_new = matches!(found, Ok(None));
    let import = BusinessImport { plans: Vec::new(), businesses: vec![item.clone()] };
    within(WRITE_PATIENCE, "write a business", app.directory.import(&import)).await?;
    tracing::info!(by = "api", business.id = %id, is_new, "a business was written");
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(Written { item, warnings: warnings.iter().map(Remark::from).collect() })))
}

/// Removes a business.
///
/// Its lines are free then. Its calls stay.
#[utoipa::path(
    delete, path = "/api/businesses/{businessId}", tag = "Businesses",
    params(("businessId" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_.:-]{1,64}$")),
    responses((status = 204, description = "It is gone"), Found)
)]
async fn remove_business(
    _: Admin,
    State(app): State<Arc<App>>,
    Ids(id): Ids<BusinessId>,
    _: Asked<Nothing>,
) -> Result<StatusCode, Problem> {
    let removed = app.directory.remove_business(&id);
    if !within(WRITE_PATIENCE, "remove a business", removed).await? {
        return Err(no_such_business(&id));
    }
    tracing::info!(by = "api", business.id = %id, "a business was removed");
    Ok(StatusCode::NO_CONTENT)
}
