//! The list of calls, narrowed by what was asked for. Business and day the store knows how to look for; ending and digits
//! are looked for here, among so many calls and no more.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::badge::Viewer;
use super::{READ_PATIENCE, within};
use crate::dashboard::{CallSearch, CallsPage, calls_page};
use crate::domain::{BusinessId, CallRecord, CallSid};
use crate::http::App;
use crate::store::{CallKey, Listing, StoreError};

/// How many calls are on one page.
const ON_A_PAGE: usize = 50;

/// How many are looked at for one page: with a narrow search most of them are not what is looked for.
const LOOKED_AT: usize = 1_000;

/// How many are asked for at once.
const PART: u32 = 200;

/// How many businesses one can choose among: more is no menu.
const BUSINESSES: u32 = 500;

/// Before every other call of the same moment: names of calls begin with letters.
const FIRST: &str = "0";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    business: String,
    ending: String,
    day: String,
    number: String,
    after: String,
}

pub(super) async fn list(
    viewer: Viewer,
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
) -> Response {
    let after = asked.after.clone();
    let Asked { business, ending, day, number, .. } = asked;
    let search = CallSearch { business, ending, day, number };
    if let Some(call) = search.call() {
        return Redirect::to(&format!("{}/calls/{call}", app.base())).into_response();
    }
    let business = match search.business.as_str() {
        "" => None,
        id => BusinessId::parse(id).ok(),
    };
    let span = span(&search.day);
    let notice = (!search.day.is_empty() && span.is_none()).then(|| "That is no day.".to_owned());
    let mut walk =
        Walk { business, search: &search, from_ms: span.map(|(from, _)| from), found: Found::default() };
    let begin = read_key(&after).or_else(|| {
        let call = CallSid::parse(FIRST).ok()?;
        span.map(|(_, to)| CallKey { started_ms: to, call })
    });
    let walked = within(&app, &viewer, READ_PATIENCE, walk.go(&app, begin)).await;
    if let Err(sorry) = walked {
        return sorry;
    }
    let Found { calls, next, looked_at, unreadable, is_all } = walk.found;
    let notice = notice.or_else(|| {
        (unreadable > 0).then(|| format!("{unreadable} calls do not read; `frontdesk business` names them."))
    });
    let businesses = within(&app, &viewer, READ_PATIENCE, app.directory.businesses(None, BUSINESSES)).await;
    let businesses = businesses.map(|it| it.items).unwrap_or_default();
    let page = CallsPage {
        calls,
        businesses: businesses.into_iter().map(|it| (it.id, it.name)).collect(),
        next: next.map(|key| format!("{}_{}", key.started_ms, key.call)),
        looked_at: (!is_all && looked_at >= LOOKED_AT).then_some(looked_at),
        notice,
        search: search.clone(),
    };
    calls_page(&app.frame(Some(&viewer)), &page).into_response()
}

/// A walk through the list, until a page is full.
struct Walk<'a> {
    business: Option<BusinessId>,
    search: &'a CallSearch,
    /// No call before this is looked for, in milliseconds since 1970.
    from_ms: Option<i64>,
    found: Found,
}

#[derive(Default)]
struct Found {
    calls: Vec<CallRecord>,
    next: Option<CallKey>,
    looked_at: usize,
    unreadable: usize,
    is_all: bool,
}

impl Walk<'_> {
    async fn go(&mut self, app: &App, mut after: Option<CallKey>) -> Result<(), StoreError> {
        loop {
            let Listing { items, unreadable, next } = match &self.business {
                Some(business) => app.ledger.calls(business, after.as_ref(), PART).await?,
                None => app.ledger.all_calls(after.as_ref(), PART).await?,
            };
            self.found.unreadable += unreadable.len();
            for call in items {
                if self.from_ms.is_some_and(|from| call.started_ms < from) {
                    self.found.is_all = true;
                    return Ok(());
                }
                self.found.looked_at += 1;
                let key = CallKey { started_ms: call.started_ms, call: call.call.clone() };
                if self.search.matches(&call) {
                    self.found.calls.push(call);
                }
                if self.found.calls.len() >= ON_A_PAGE || self.found.looked_at >= LOOKED_AT {
                    self.found.next = Some(key);
                    return Ok(());
                }
            }
            after = next;
            if after.is_none() {
                self.found.is_all = true;
                return Ok(());
            }
        }
    }
}

/// A day from its first to behind its last millisecond.
fn span(day: &str) -> Option<(i64, i64)> {
    let day: jiff::civil::Date = day.parse().ok()?;
    let at = |day: jiff::civil::Date| {
        day.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|begin| begin.timestamp().as_millisecond())
    };
    Some((at(day)?, at(day.tomorrow().ok()?)?))
}

fn read_key(text: &str) -> Option<CallKey> {
    let (started_ms, call) = text.split_once('_')?;
    Some(CallKey { started_ms: started_ms.parse().ok()?, call: CallSid::parse(call).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_from_midnight_to_midnight() {
        assert_eq!(span("1970-01-02"), Some((86_400_000, 172_800_000)));
        assert_eq!(span("yesterday"), None);
    }
}
