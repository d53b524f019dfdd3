//! Notices: what the webhook of a business is still to be told, or could not be.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::{Asked, Ids, Nothing};
use super::document::{Found, Read};
use super::views::{Notice, Whole};
use super::{READ_PATIENCE, WRITE_PATIENCE, within};
use crate::domain::{BusinessId, NoticeId};
use crate::http::App;
use crate::http::admin::Admin;
use crate::http::problem::{Kind, Problem};

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list_notices)).routes(routes!(retry_notice))
}

/// Lists what a business was not told yet.
///
/// The notices that wait or were given up, the latest first: a thousand at most. What was delivered is not among them.
#[utoipa::path(
    get, path = "/api/businesses/{businessId}/notices", tag = "Notices",
    params(("businessId" = String, Path, description = "Whose", pattern = "^[A-Za-z0-9_.:-]{1,64}$")),
    responses((status = 200, description = "The notices", body = Whole<Notice>), Read)
)]
async fn list_notices(
    _: Admin,
    State(app): State<Arc<App>>,
    Ids(business): Ids<BusinessId>,
    _: Asked<Nothing>,
) -> Result<Json<Whole<Notice>>, Problem> {
    let notices =
        within(READ_PATIENCE, "list the notices of a business", app.outbox.notices(&business)).await?;
    if notices.is_empty() {
        app.must_know(&business).await?;
    }
    Ok(Json(Whole { items: notices.iter().map(Notice::from).collect() }))
}

/// Tries a notice again.
///
/// At once, also when it was given up.
#[utoipa::path(
    post, path = "/api/businesses/{businessId}/notices/{noticeId}/retry", tag = "Notices",
    params(
        ("businessId" = String, Path, description = "Whose", pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
        ("noticeId" = String, Path, description = "Its id", pattern = "^[A-Za-z0-9_.:-]{1,64}$")
    ),
    responses((status = 204, description = "It is due"), Found)
)]
async fn retry_notice(
    _: Admin,
    State(app): State<Arc<App>>,
    Ids((business, notice)): Ids<(BusinessId, NoticeId)>,
    _: Asked<Nothing>,
) -> Result<StatusCode, Problem> {
    let retried = app.outbox.retry(&business, &notice, (app.clock)());
    if !within(WRITE_PATIENCE, "make a notice due", retried).await? {
        return Err(Problem::new(
            Kind::NotFound,
            format!("{business} has no notice {notice} that waits or was given up"),
        ));
    }
    app.nudge.nudge();
    tracing::info!(by = "api", business.id = %business, notice.id = %notice, "a notice is tried again");
    Ok(StatusCode::NO_CONTENT)
}
