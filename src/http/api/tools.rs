//! Tools of a business's own, tried out: as a call would ask them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asked::{Asked, Ids, JsonText, Nothing};
use super::document::Tried;
use super::{READ_PATIENCE, no_such_business, within};
use crate::clients::ToolTrial;
use crate::domain::BusinessId;
use crate::http::App;
use crate::http::admin::Admin;
use crate::http::problem::{Kind, Problem};

/// The longest arguments: as a model may write them.
const ARGUMENTS_BYTES: usize = 8 * 1024;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(try_tool))
}

/// How a tool did.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Trial {
    /// Whether it did what was asked.
    done: bool,
    /// The HTTP status, when there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// How long it took, in milliseconds.
    took_ms: u64,
    /// What the model would be told.
    #[schema(value_type = Object)]
    told: Value,
    /// Why it did not, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl From<ToolTrial> for Trial {
    fn from(trial: ToolTrial) -> Self {
        let ToolTrial { status, took_ms, answer, problem } = trial;
        let told = serde_json::from_str(answer.told.reveal()).unwrap_or_default();
        Self { done: answer.done, status, took_ms, told, problem }
    }
}

/// Tries a tool of a business's own.
///
/// The body is the arguments. They are checked and sent as in a call, but with no `callId`, and whatever the tool did before.
#[utoipa::path(
    post, path = "/api/businesses/{businessId}/tools/{toolName}/try", tag = "Businesses",
    params(
        ("businessId" = String, Path, description = "Whose", pattern = "^[A-Za-z0-9_.:-]{1,64}$"),
        ("toolName" = String, Path, description = "Its name")
    ),
    request_body = inline(serde_json::Map<String, serde_json::Value>),
    responses((status = 200, description = "How it did", body = Trial), Tried)
)]
async fn try_tool(
    _: Admin,
    State(app): State<Arc<App>>,
    Ids((business, name)): Ids<(BusinessId, String)>,
    _: Asked<Nothing>,
    JsonText(arguments): JsonText<ARGUMENTS_BYTES>,
) -> Result<Json<Trial>, Problem> {
    let found = within(READ_PATIENCE, "look up a business", app.directory.business(&business)).await?;
    let found = found.ok_or_else(|| no_such_business(&business))?;
    let Some(tool) = found.http_tool(&name) else {
        return Err(Problem::new(
            Kind::NotFound,
            format!("{business} has no tool of its own with this name"),
        ));
    };
    let trial = app.bridge.tools().trial(&business, tool, &arguments, app.clock).await;
    let (tool, done, took_ms) = (&tool.name, trial.answer.done, trial.took_ms);
    tracing::info!(by = "api", business.id = %business, %tool, done, took_ms, "a tool was tried");
    Ok(Json(trial.into()))
}
