//! What Twilio keeps of an account that explains why calls do not connect: how its numbers are set up, and its alerts.
//!
//! Sources: Twilio, "Read multiple IncomingPhoneNumber resources", "Read multiple Alert resources".

use std::time::Duration;

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
    /// Its voice webhook; empty when it has none.
    pub voice_url: String,
    /// By which method.
    pub voice_method: String,
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
            voice_url: listed.voice_url.unwrap_or_default(),
            voice_method: listed.voice_method.unwrap_or_default(),
        });
        Ok(numbers.collect())
    }

    /// The account's latest errors.
    pub async fn alerts(&self) -> Result<Vec<Alert>, RestError> {
        let mut url = self.monitor()?;
        url.query_pairs_mut()
            .append_pair("LogLevel", "error")
            .append_pair("PageSize", &MOST_ALERTS.to_string());
        let page: Alerts = self.look(url, PATIENCE, MAX_BYTES).await?;
        let alerts = page.alerts.into_iter().filter_map(|listed| {
            let url = listed.request_url.unwrap_or_default();
            Some(Alert {
                code: listed.error_code?.parse().ok()?,
                at: listed.date_generated.or(listed.date_created).unwrap_or_default(),
                url: url.split(['?', '#']).next().unwrap_or_default().to_owned(),
            })
        });
        Ok(alerts.collect())
    }

    /// Alerts have a host of their own beside that of calls.
    fn monitor(&self) -> Result<Url, RestError> {
        let mut url = self.base.join("/v1/Alerts").map_err(|_| RestError::Url)?;
        let host = self.base.host_str().and_then(|host| host.strip_prefix("api."));
        if let Some(rest) = host {
            url.set_host(Some(&format!("monitor.{rest}"))).map_err(|_| RestError::Url)?;
        }
        Ok(url)
    }
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
