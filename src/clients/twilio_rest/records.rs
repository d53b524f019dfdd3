//! What Twilio keeps of an account that explains why calls do not connect: how its numbers are set up, and its alerts.
//!
//! Sources: Twilio, "Read multiple IncomingPhoneNumber resources", "Read multiple Alert resources", "Inbound Processing
//! Region API".

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;
use serde::Deserialize;

use super::{RestError, TwilioRest};
use crate::domain::{AccountSid, Pii};

/// Who has more numbers looks at the first of them.
const MOST_NUMBERS: u32 = 100;

/// The latest alerts say what is wrong now.
const MOST_ALERTS: u32 = 30;

/// A number is some 2 KB, an alert less.
const MAX_BYTES: usize = 1024 * 1024;

/// A person waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A number of the account.
#[derive(Debug, Clone)]
pub struct Number {
    /// Which.
    pub number: Pii<String>,
    /// Its voice webhook, without its query; empty when it has none.
    pub voice_url: String,
    /// By which method.
    pub voice_method: String,
    /// Whether a TwiML application or a trunk decides in the place of that webhook.
    pub elsewhere: bool,
}

/// Something Twilio could not do.
#[derive(Debug, Clone)]
pub struct Alert {
    /// Twilio's number for it.
    pub code: u32,
    /// When, as Twilio writes it.
    pub at: String,
    /// The URL it is about, without its query: old deployments put a caller's number there.
    pub url: String,
}

impl TwilioRest {
    /// The numbers of an account, the first hundred of them.
    pub async fn numbers(&self, account: &AccountSid) -> Result<Vec<Number>, RestError> {
        let mut url = self.url_of(account, &["IncomingPhoneNumbers.json"]);
        url.query_pairs_mut().append_pair("PageSize", &MOST_NUMBERS.to_string());
        let page: Numbers = self.look(url, PATIENCE, MAX_BYTES).await?;
        let numbers = page.incoming_phone_numbers.into_iter().map(|listed| Number {
            number: Pii::new(listed.phone_number.unwrap_or_default()),
            voice_url: without_query(listed.voice_url),
            voice_method: listed.voice_method.unwrap_or_default(),
            elsewhere: [listed.voice_application_sid, listed.trunk_sid]
                .iter()
                .flatten()
                .any(|sid| !sid.is_empty()),
        });
        Ok(numbers.collect())
    }

    /// The account's latest errors since a time in milliseconds since 1970.
    pub async fn alerts(&self, since_ms: i64) -> Result<Vec<Alert>, RestError> {
        let mut url = self.beside("monitor", "/v1/Alerts")?;
        let since = Timestamp::from_millisecond(since_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        url.query_pairs_mut()
            .append_pair("LogLevel", "error")
            .append_pair("StartDate", &since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
            .append_pair("PageSize", &MOST_ALERTS.to_string());
        let page: Alerts = self.look(url, PATIENCE, MAX_BYTES).await?;
        let alerts = page.alerts.into_iter().filter_map(|listed| {
            Some(Alert {
                code: listed.error_code?.parse().ok()?,
                at: listed.date_generated.or(listed.date_created).unwrap_or_default(),
                url: without_query(listed.request_url),
            })
        });
        Ok(alerts.collect())
    }

    /// The region in which calls to a number are processed: `us1`, say.
    pub async fn region_of(&self, number: &Pii<String>) -> Result<String, RestError> {
        let mut url = self.beside("routes", "/v2/PhoneNumbers")?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(number.reveal());
        }
        let route: Route = self.look(url, PATIENCE, MAX_BYTES).await?;
        Ok(route.voice_region)
    }

    /// What Twilio keeps on a host of its own beside that of calls.
    pub(super) fn beside(&self, host: &str, path: &str) -> Result<Url, RestError> {
        let mut url = self.base.join(path).map_err(|_| RestError::Url)?;
        if let Some(rest) = self.base.host_str().and_then(|host| host.strip_prefix("api.")) {
            url.set_host(Some(&format!("{host}.{rest}"))).map_err(|_| RestError::Url)?;
        }
        Ok(url)
    }
}

/// Old deployments put a caller's number there.
fn without_query(url: Option<String>) -> String {
    url.unwrap_or_default().split(['?', '#']).next().unwrap_or_default().to_owned()
}

#[derive(Deserialize)]
struct Route {
    voice_region: String,
}

#[derive(Deserialize)]
struct Numbers {
    incoming_phone_numbers: Vec<ListedNumber>,
}

#[derive(Deserialize)]
struct ListedNumber {
    phone_number: Option<String>,
    voice_url: Option<String>,
    voice_method: Option<String>,
    voice_application_sid: Option<String>,
    trunk_sid: Option<String>,
}

#[derive(Deserialize)]
struct Alerts {
    alerts: Vec<ListedAlert>,
}

#[derive(Deserialize)]
struct ListedAlert {
    error_code: Option<String>,
    date_generated: Option<String>,
    date_created: Option<String>,
    request_url: Option<String>,
}
