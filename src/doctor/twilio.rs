//! What Twilio itself remembers: how numbers are set up, and what it could not do lately.

use super::facts::{Alert, NumberSetting, TwilioRecords};
use crate::clients::TwilioRest;
use crate::domain::{AccountSid, Pii};

/// Reads both; what cannot be read is a problem of its own.
pub(super) async fn records(rest: &TwilioRest, account: &AccountSid) -> TwilioRecords {
    let mut records = TwilioRecords::default();
    match rest.numbers(account).await {
        Ok(numbers) => {
            let settings = numbers.into_iter().map(|number| NumberSetting {
                number: masked(&number.number),
                voice_url: number.voice_url,
                voice_method: number.voice_method,
            });
            records.numbers = settings.collect();
        }
        Err(error) => records.problem = Some(format!("cannot read the account's numbers: {error}")),
    }
    match rest.alerts().await {
        Ok(alerts) => {
            let alerts =
                alerts.into_iter().map(|alert| Alert { code: alert.code, at: alert.at, url: alert.url });
            records.alerts = alerts.collect();
        }
        Err(error) => records.problem = Some(format!("cannot read Twilio's alerts: {error}")),
    }
    records
}

/// A number as it may be shown to anybody: its last two digits.
fn masked(number: &Pii<String>) -> String {
    let number = number.reveal();
    format!("…{}", number.get(number.len().saturating_sub(2)..).unwrap_or_default())
}
