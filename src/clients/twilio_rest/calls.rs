//! What Twilio says of calls: one of them, or all that are in progress.
//!
//! Source: Twilio, "Read multiple Call resources". Nothing here is asked twice: whoever looks comes again anyway. Of a
//! call, only what is needed is read: the answers are full of people's numbers.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{RestError, TRY_PATIENCE, TwilioRest, error_code};
use crate::domain::{AccountSid, CallSid};
use crate::wire::twilio::form::{CallStatus, Direction};

/// One call is some 1.5 KB.
const MAX_CALL_BYTES: usize = 64 * 1024;

/// As many as Twilio puts on a page.
const PAGE_SIZE: u32 = 1_000;

/// Five thousand calls at once: whoever has more in one account looks at part of them, and knows it.
const MAX_PAGES: u32 = 5;

/// A page of a thousand calls, with room for longer names than we know.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// A page of a thousand calls takes Twilio longer than one call. Nobody waits for it.
const PAGE_PATIENCE: Duration = Duration::from_secs(10);

/// A call as Twilio has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub call: CallSid,
    /// Where it stands.
    pub status: CallStatus,
    /// Who began it.
    pub direction: Direction,
    /// When it began, in milliseconds since 1970; none when Twilio did not say.
    pub began_ms: Option<i64>,
}

/// Calls in progress.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InProgress {
    /// They.
    pub calls: Vec<Standing>,
    /// Whether these are all: what is not among them is then not in progress.
    pub complete: bool,
}

impl TwilioRest {
    /// What Twilio says of a call; none when it says that there is no such call, which is also what it says of any call
    /// when we ask in the wrong region.
    pub async fn standing(
        &self,
        account: &AccountSid,
        call: &CallSid,
    ) -> Result<Option<Standing>, RestError> {
        let url = self.url_of(account, &["Calls", &format!("{call}.json")]);
        match self.look::<Listed>(url, TRY_PATIENCE, MAX_CALL_BYTES).await {
            Ok(listed) => Ok(listed.standing()),
            Err(RestError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All calls of an account that are in progress, other applications' too.
    pub async fn in_progress(&self, account: &AccountSid) -> Result<InProgress, RestError> {
        let mut url = self.url_of(account, &["Calls.json"]);
        url.query_pairs_mut()
            .append_pair("Status", CallStatus::InProgress.as_str())
            .append_pair("PageSize", &PAGE_SIZE.to_string());
        let mut found = InProgress::default();
        for _ in 0..MAX_PAGES {
            let page: Page = self.look(url, PAGE_PATIENCE, MAX_PAGE_BYTES).await?;
            found.calls.extend(page.calls.into_iter().filter_map(Listed::standing));
            let Some(next) = page.next_page_uri.filter(|next| !next.is_empty()) else {
                found.complete = true;
                break;
            };
            url = self.base.join(&next).map_err(|_| RestError::Unreadable)?;
            if url.origin() != self.base.origin() {
                // Our credentials are for nobody else.
                return Err(RestError::Unreadable);
            }
        }
        Ok(found)
    }

    pub(super) async fn look<T>(&self, url: Url, patience: Duration, max_bytes: usize) -> Result<T, RestError>
    where
        T: DeserializeOwned,
    {
        let request = self.authorized(self.http.get(url)).timeout(patience);
        let unreachable = |error: reqwest::Error| RestError::Unreachable(error.without_url());
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if !status.is_success() {
            let code = error_code(response).await;
            return Err(RestError::Refused { status: status.as_u16(), code });
        }
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(unreachable)? {
            body.extend_from_slice(&piece);
            if body.len() > max_bytes {
                return Err(RestError::Unreadable);
            }
        }
        serde_json::from_slice(&body).map_err(|_| RestError::Unreadable)
    }
}

#[derive(Deserialize)]
struct Page {
    calls: Vec<Listed>,
    next_page_uri: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    sid: String,
    status: Option<String>,
    direction: Option<String>,
    date_created: Option<String>,
}

impl Listed {
    /// None of a call nobody could name.
    fn standing(self) -> Option<Standing> {
        let began = self.date_created.and_then(|text| DateTimeParser::new().parse_timestamp(&text).ok());
        Some(Standing {
            call: CallSid::parse(&self.sid).ok()?,
            status: CallStatus::of(self.status),
            direction: Direction::of(self.direction),
            began_ms: began.map(jiff::Timestamp::as_millisecond),
        })
    }
}
