//! Businesses and plans in one piece, as the command line takes and gives them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::{Asked, IMPORT_BYTES, JsonText, Nothing};
use super::document::{Exports, Imports};
use super::views::Imported;
use super::{READ_PATIENCE, WRITE_PATIENCE, checked, schemas, within};
use crate::domain::BusinessImport;
use crate::http::App;
use crate::http::admin::Admin;
use crate::http::problem::{Kind, Problem, Remark};
use crate::store::import;

/// How many businesses and plans are asked for at once: some MB at most.
const PART: u32 = 500;

/// The most businesses, and the most plans, that one answer holds: more would be some hundred MB in memory.
const MOST: usize = 20_000;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(import_all)).routes(routes!(export_all))
}

/// Takes in businesses and plans.
///
/// All of it or nothing. What has the same id is replaced; what is not in it stays. 16 MiB at most.
#[utoipa::path(
    post, path = "/api/import", tag = "Import and export",
    request_body = schemas::Import,
    responses((status = 200, description = "It was taken in", body = Imported), Imports)
)]
async fn import_all(
    _: Admin,
    State(app): State<Arc<App>>,
    _: Asked<Nothing>,
    JsonText(text): JsonText<IMPORT_BYTES>,
) -> Result<Json<Imported>, Problem> {
    let (import, warnings) = checked(&app, move || import::read_file(&text)).await?;
    within(WRITE_PATIENCE, "import", app.directory.import(&import)).await?;
    let (businesses, plans) = (import.businesses.len(), import.plans.len());
    tracing::info!(by = "api", businesses, plans, "businesses and plans were imported");
    Ok(Json(Imported { businesses, plans, warnings: warnings.iter().map(Remark::from).collect() }))
}

/// Gives all businesses and plans.
///
/// As an import takes them, secrets of webhooks included. One that does not read is a problem: an export must not lose it.
#[utoipa::path(
    get, path = "/api/export", tag = "Import and export",
    responses((status = 200, description = "All of it", body = schemas::Import), Exports)
)]
async fn export_all(_: Admin, State(app): State<Arc<App>>, _: Asked<Nothing>) -> Result<Response, Problem> {
    let mut all = BusinessImport::default();
    let mut after = None;
    loop {
        let part = within(READ_PATIENCE, "list the plans", app.directory.plans(after.as_ref(), PART)).await?;
        if let Some(error) = part.unreadable.into_iter().next() {
            return Err(error.into());
        }
        all.plans.extend(part.items);
        after = part.next;
        if after.is_none() {
            break;
        }
        fits(all.plans.len())?;
    }
    let mut after = None;
    loop {
        let listing = app.directory.businesses(after.as_ref(), PART);
        let part = within(READ_PATIENCE, "list the businesses", listing).await?;
        if let Some(error) = part.unreadable.into_iter().next() {
            return Err(error.into());
        }
        all.businesses.extend(part.items);
        after = part.next;
        if after.is_none() {
            break;
        }
        fits(all.businesses.len())?;
    }
    // Beside the threads that carry calls, as what comes in is read.
    let text = tokio::task::spawn_blocking(move || serde_json::to_string_pretty(&all)).await;
    let Ok(Ok(mut text)) = text else {
        return Err(Problem::new(Kind::Failed, "it could not be written down"));
    };
    text.push('\n');
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CONTENT_DISPOSITION, HeaderValue::from_static("inline; filename=\"frontdesk.json\"")),
    ];
    Ok((headers, text).into_response())
}

fn fits(count: usize) -> Result<(), Problem> {
    if count <= MOST {
        return Ok(());
    }
    let detail =
        format!("there are more than {MOST}; read them page by page, or run `frontdesk business export`");
    Err(Problem::new(Kind::ExportTooLarge, detail))
}
