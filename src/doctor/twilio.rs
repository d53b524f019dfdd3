//! What Twilio itself remembers: how numbers are set up, and what it could not do lately.

use super::examination::Examination;
use super::facts::{Alert, NumberSetting, TwilioRecords};
use crate::clients::{Number, TwilioRest};
use crate::domain::Pii;

/// How far back its errors are looked at: what is older was mended, or would have happened again. In milliseconds.
const LATELY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What was read of Twilio.
#[derive(Debug)]
pub(super) struct Read {
    /// What may be shown to anybody.
    pub(super) records: TwilioRecords,
    /// The account's numbers.
    pub(super) numbers: Vec<Number>,
}

/// Reads both; what cannot be read is a problem of its own.
pub(super) async fn records(rest: &TwilioRest, plan: &Examination) -> Read {
    let since_ms = plan.now_ms.saturating_sub(LATELY_MS);
    let (numbers, alerts) = tokio::join!(rest.numbers(&plan.account), rest.alerts(since_ms));
    let mut records = TwilioRecords::default();
    let numbers = numbers.unwrap_or_else(|error| {
        records.problem = Some(format!("cannot read the account's numbers: {error}"));
        Vec::new()
    });
    match alerts {
        Ok(alerts) => {
            let alerts =
                alerts.into_iter().map(|alert| Alert { code: alert.code, at: alert.at, url: alert.url });
            records.alerts = alerts.collect();
        }
        Err(error) => records.problem = Some(format!("cannot read Twilio's alerts: {error}")),
    }
    let ours = bare(plan.webhook.as_str());
    let is_line = |number: &Number| match &plan.to {
        Some(to) => number.number == *to,
        None => bare(&number.voice_url) == ours,
    };
    if let Some(line) = numbers.iter().find(|number| is_line(number)) {
        // Who has no right to read it has it in the only region there was, mostly.
        records.region = rest.region_of(&line.number).await.ok();
    }
    let settings = numbers.iter().map(|number| NumberSetting {
        number: masked(&number.number),
        voice_url: number.voice_url.clone(),
        voice_method: number.voice_method.clone(),
        elsewhere: number.elsewhere,
        is_called: plan.to.as_ref().is_some_and(|to| number.number == *to),
    });
    records.numbers = settings.collect();
    Read { records, numbers }
}

/// A webhook's URL without what may differ: its query, and a slash at the end.
pub(super) fn bare(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').to_ascii_lowercase()
}

/// A number as it may be shown to anybody: its last two digits.
pub(super) fn masked(number: &Pii<String>) -> String {
    let number = number.reveal();
    format!("…{}", number.get(number.len().saturating_sub(2)..).unwrap_or_default())
}
