//! The OpenAPI document: made from the routes themselves, so that it says what is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use utoipa::IntoResponses;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr, Response, ServerBuilder,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Asked, Nothing};
use crate::http::admin::Admin;
use crate::http::problem::{Kind, ProblemDetails, Remark, documented};
use crate::http::{App, prefix};

/// What holds for all of it.
const ABOUT: &str = "\
What a team needs to run many businesses: who answers, what happened, what it used.

**Who may.** Send the value of the setting `ADMIN_TOKEN` as `Authorization: Bearer …`. Without that setting the API answers \
requests from its own machine alone, and only while `PUBLIC_URL` is not public.

**Shapes.** Businesses and plans look as in the import file, and what `GET` gives `PUT` takes. Times are RFC 3339 in UTC, \
lengths are milliseconds, money is an estimate in US dollars as a decimal text. What is unknown is absent, not `null`. \
New fields may appear; unknown ones in what is sent are mistakes.

**Lists** come in parts: send `next` as `after` until there is none. What is stored and does not read is listed beside \
what does, as `unreadable`.

**Problems** are `application/problem+json` (RFC 9457). Mistakes in what was sent come all at once, each with a JSON Pointer.

A change is seen by this instance at once, and by every other within 5 seconds.";

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(show_document))
}

/// This document.
///
/// OpenAPI 3.1, made from the code that answers.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "Document",
    responses((status = 200, description = "The document", body = inline(serde_json::Map<String, serde_json::Value>)), Always)
)]
async fn show_document(_: Admin, State(app): State<Arc<App>>, _: Asked<Nothing>) -> Json<OpenApi> {
    Json(document(&app))
}

/// The document as this deployment gives it.
pub(super) fn document(app: &App) -> OpenApi {
    let mut document = super::documented_routes().into_openapi();
    let prefix = prefix(&app.public_url);
    let server = if prefix.is_empty() { "/" } else { prefix };
    document.servers = Some(vec![ServerBuilder::new().url(server).build()]);
    document
}

/// The document as it is for every deployment: what a judge of such documents reads.
pub fn openapi() -> serde_json::Value {
    serde_json::to_value(super::documented_routes().into_openapi()).unwrap_or_default()
}

/// The document without its paths.
pub(super) fn frame() -> OpenApi {
    let bearer = SecurityScheme::Http({
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some("The value of the setting `ADMIN_TOKEN`.".to_owned());
        bearer
    });
    let tag = |name: &str, about: &str| TagBuilder::new().name(name).description(Some(about)).build();
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("frontdesk")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(ABOUT))
                .license(Some(
                    LicenseBuilder::new()
                        .name("MIT or Apache-2.0")
                        .identifier(Some("MIT OR Apache-2.0"))
                        .build(),
                ))
                .build(),
        )
        .tags(Some([
            tag("Businesses", "Whose phones are answered, and how."),
            tag("Plans", "What businesses have paid for."),
            tag(
                "Calls",
                "What happened: calls, what was said in them, the messages and voicemails people left.",
            ),
            tag("Usage", "What it adds up to."),
            tag("Notices", "What the webhooks of businesses are still to be told."),
            tag(
                "Import and export",
                "Businesses and plans in one piece, as the command line takes and gives them.",
            ),
            tag("Document", "What you are reading."),
        ]))
        .components(Some(
            ComponentsBuilder::new()
                .security_scheme("bearer", bearer)
                .schema_from::<ProblemDetails>()
                .schema_from::<Remark>()
                .build(),
        ))
        .security(Some([SecurityRequirement::new("bearer", [] as [&str; 0])]))
        .build()
}

/// Problems by what a request does: each name stands behind the responses of an operation.
macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident: $($kind:ident)*;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                documented(&[
                    Kind::BadRequest, Kind::Unauthorized, Kind::LoopbackOnly, Kind::Failed, Kind::StoreAway,
                    $(Kind::$kind,)*
                ])
            }
        }
    )*};
}

problems! {
    /// What every request can meet.
    Always:;
    /// Something of an id is asked for.
    Found: NotFound;
    /// One stored thing is read.
    Read: NotFound Unreadable;
    /// A tool is tried out.
    Tried: NotFound Unreadable NotJson BodyTooSlow BodyTooLarge WrongContentType;
    /// What Twilio keeps is asked for.
    Heard: NotFound Unreadable NoTwilio TwilioRefused TwilioAway;
    /// One thing is written.
    Put: NotJson OtherId BodyTooSlow LineTaken BodyTooLarge WrongContentType Mistakes;
    /// A plan is written.
    PutPlan: NotJson OtherId BodyTooSlow BodyTooLarge WrongContentType Mistakes;
    /// A plan is taken away.
    RemovedPlan: NotFound PlanInUse;
    /// Much is written.
    Imports: NotJson BodyTooSlow LineTaken BodyTooLarge WrongContentType Mistakes;
    /// All is read.
    Exports: Unreadable ExportTooLarge;
}
