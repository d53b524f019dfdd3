//! What Twilio remembers of an account: the simulator's REST interface knows calls, and this the rest.

use frontdesk::clients::{Credentials, TwilioRest, tls_with_public_roots};
use frontdesk::doctor::{Examination, Examined};
use frontdesk::domain::AccountSid;
use frontdesk::http::paths;
use serde_json::json;

use crate::deployment::{built, examination, examined};
use crate::front::{Gate, say};
use crate::head::Reply;
use crate::house::{ACCOUNT, AUTH_TOKEN, LINE};

/// What is remembered.
pub(crate) struct Records {
    /// Which webhook the account's number calls.
    pub(crate) voice_url: String,
    /// The codes of what Twilio complained of lately.
    pub(crate) alerts: Vec<u32>,
    /// Where calls to its number are processed.
    pub(crate) region: &'static str,
}

impl Records {
    /// The number calls this server, and there were these alerts.
    pub(crate) fn alerts(base: &str, codes: &[u32]) -> Self {
        Self { voice_url: format!("{base}{}", paths::VOICE), alerts: codes.to_vec(), region: "us1" }
    }
}

/// Examines a good server of an account of which that is remembered.
pub(crate) async fn examined_with(records: impl Fn(&str) -> Records) -> Examined {
    let house = built(&[]).await;
    let Records { voice_url, alerts, region } = records(&house.base);
    let numbers = json!({"incoming_phone_numbers":
        [{"phone_number": LINE, "voice_url": voice_url, "voice_method": "POST"}]});
    let alerts: Vec<_> = alerts
        .into_iter()
        .map(|code| {
            json!({"error_code": code.to_string(), "date_generated": "2026-11-20T10:00:00Z",
                   "request_url": format!("{}{}", house.base, paths::MEDIA)})
        })
        .collect();
    let alerts = json!({"alerts": alerts});
    let routes = json!({"voice_region": region});
    let gate = Gate::plain().await;
    let url = gate.url();
    let _twilio = gate.open(move |request| {
        let body = match request.target.split(['/', '?']).nth(1) {
            Some("v1") => &alerts,
            Some("v2") => &routes,
            _ => &numbers,
        };
        say(Reply::new(200, body.to_string()).with("content-type", "application/json"))
    });
    let credentials =
        Credentials::AuthToken { account: AccountSid::parse(ACCOUNT).unwrap(), token: AUTH_TOKEN.into() };
    let rest = TwilioRest::new(&url, credentials, &tls_with_public_roots().unwrap()).unwrap();
    examined(Examination { rest: Some(rest), ..examination(&house.base) }).await
}
