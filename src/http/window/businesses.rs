//! Businesses, listed and written. What a form says goes the way of an import: through the same checker, all of it or
//! nothing.

mod document;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::badge::Viewer;
use super::posted::Posted;
use super::{PERMISSIONS, PERMISSIONS_OF_PHONE, READ_PATIENCE, WRITE_PATIENCE, sorry, within};
use crate::dashboard::{BusinessForm, Remark, business_form, business_list};
use crate::domain::{Business, BusinessId, BusinessImport, Plan};
use crate::http::{App, paths};
use crate::store::import::{self, Checked};

/// How many are on one page.
const ON_A_PAGE: u32 = 100;

/// How many plans one can choose among.
const PLANS: u32 = 500;

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub(super) struct Asked {
    after: String,
    saved: String,
}

pub(super) async fn list(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
) -> Response {
    let after = BusinessId::parse(&asked.after).ok();
    let listing = app.directory.businesses(after.as_ref(), ON_A_PAGE);
    match within(&app, &viewer, READ_PATIENCE, listing).await {
        Ok(listing) => {
            let next = listing.next.map(|id| id.to_string());
            let notice = (!asked.saved.is_empty()).then_some("Saved. The next call is answered so.");
            business_list(&app.frame(Some(&viewer)), &listing.items, next.as_deref(), notice).into_response()
        }
        Err(sorry) => sorry,
    }
}

pub(super) async fn new(viewer: Viewer, State(app): State<Arc<App>>) -> Response {
    form(&app, &viewer, &BusinessForm::new(), &[]).await
}

pub(super) async fn edit(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Path(id): Path<BusinessId>,
) -> Response {
    match within(&app, &viewer, READ_PATIENCE, app.directory.business(&id)).await {
        Ok(Some(business)) => {
            let seen = fingerprint(&business);
            form(&app, &viewer, &BusinessForm::of(&business, seen), &[]).await
        }
        Ok(None) => no_such(&app, &viewer),
        Err(sorry) => sorry,
    }
}

pub(super) async fn create(State(app): State<Arc<App>>, posted: Posted) -> Response {
    let Posted { viewer, fields } = posted;
    let filled = document::read(
        &fields,
        BusinessForm { id: fields.get("id").trim().to_owned(), ..BusinessForm::new() },
    );
    let wrong = |says: &str| [Remark { pointer: "/id".to_owned(), says: says.to_owned() }];
    let Ok(id) = BusinessId::parse(&filled.id) else {
        return form(
            &app,
            &viewer,
            &filled,
            &wrong("must be 1 to 64 letters, digits, dashes, dots or colons"),
        )
        .await;
    };
    match within(&app, &viewer, READ_PATIENCE, app.directory.business(&id)).await {
        Ok(None) => write(&app, &viewer, &id, &filled, None).await,
        Ok(Some(_)) => form(&app, &viewer, &filled, &wrong("there is a business of this id already")).await,
        Err(sorry) => sorry,
    }
}

pub(super) async fn save(
    State(app): State<Arc<App>>,
    Path(id): Path<BusinessId>,
    posted: Posted,
) -> Response {
    let Posted { viewer, fields } = posted;
    let business = match within(&app, &viewer, READ_PATIENCE, app.directory.business(&id)).await {
        Ok(Some(business)) => business,
        Ok(None) => return no_such(&app, &viewer),
        Err(sorry) => return sorry,
    };
    let filled = document::read(&fields, BusinessForm::of(&business, String::new()));
    if fingerprint(&business) != filled.seen {
        let says =
            "somebody else has changed this business meanwhile; load the page again and repeat what you did";
        let remarks = [Remark { pointer: String::new(), says: says.to_owned() }];
        return form(&app, &viewer, &filled, &remarks).await;
    }
    write(&app, &viewer, &id, &filled, Some(business)).await
}

fn no_such(app: &App, viewer: &Viewer) -> Response {
    let why = "There is no business of this id, or it was removed.";
    sorry(app, viewer, StatusCode::NOT_FOUND, "No such business", why)
}

async fn form(app: &App, viewer: &Viewer, filled: &BusinessForm, remarks: &[Remark]) -> Response {
    let plans = match within(app, viewer, READ_PATIENCE, app.directory.plans(None, PLANS)).await {
        Ok(plans) => plans.items,
        Err(sorry) => return sorry,
    };
    let webhook = filled.exists.then(|| app.public_url.join(paths::VOICE));
    let status = if remarks.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page =
        business_form(&app.frame(Some(viewer)), filled, &plans as &[Plan], remarks, webhook.as_deref());
    let mut response = (status, page).into_response();
    if filled.exists {
        response.headers_mut().insert(PERMISSIONS, HeaderValue::from_static(PERMISSIONS_OF_PHONE));
    }
    response
}

/// Checks and writes. What the form does not ask for stays as it is.
async fn write(
    app: &App,
    viewer: &Viewer,
    id: &BusinessId,
    filled: &BusinessForm,
    there: Option<Business>,
) -> Response {
    let document = document::of(filled, there.as_ref()).to_string();
    let called = id.clone();
    let draft = tokio::task::spawn_blocking(move || import::read_business(&document, &called)).await;
    let Ok(draft) = draft else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let checked = within(app, viewer, WRITE_PATIENCE, draft.against(&*app.directory)).await;
    let Checked { right, mistakes, .. } = match checked {
        Ok(checked) => checked,
        Err(sorry) => return sorry,
    };
    let Some(business) = right else {
        let remarks: Vec<_> = mistakes
            .iter()
            .map(|mistake| Remark { pointer: mistake.at.pointer(), says: mistake.problem.clone() })
            .collect();
        return form(app, viewer, filled, &remarks).await;
    };
    let import = BusinessImport { plans: Vec::new(), businesses: vec![business] };
    if let Err(sorry) = within(app, viewer, WRITE_PATIENCE, app.directory.import(&import)).await {
        return sorry;
    }
    tracing::info!(by = "page", business.id = %id, is_new = there.is_none(), "a business was written");
    Redirect::to(&format!("{}/businesses?saved={id}", app.base())).into_response()
}

/// Tells whether a business is still what a form was filled in for.
fn fingerprint(business: &Business) -> String {
    let text = serde_json::to_string(business).unwrap_or_default();
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
