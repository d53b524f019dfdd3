//! Webhooks to businesses, signed by the rules of Standard Webhooks. Where they lead is a business's choice, so the hosts
//! are resolved and judged here, and nothing of what they answer but the status gets any further.
//!
//! Source: Standard Webhooks 1.0.0, <https://github.com/standard-webhooks/standard-webhooks>.

mod error;

use std::sync::Arc;
use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::dns::Resolve;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use rustls::ClientConfig;
use tokio::time::timeout;

pub use self::error::WebhookError;
use super::Reach;
use super::names::SystemNames;
use super::outward::Outward;
use crate::domain::{NoticeId, Webhook};

/// From looking up the name to the answer's head: the least that Standard Webhooks recommends. Who needs longer should
/// answer first and work afterwards.
pub const DELIVERY_PATIENCE: Duration = Duration::from_secs(15);

/// How much of an answer is taken, and dropped: a receiver whose small answer is refused would log an error, or even
/// take back what it did.
const TAKEN_BYTES: usize = 4 * 1024;

/// And for how long.
const TAKING_PATIENCE: Duration = Duration::from_secs(1);

/// How webhooks are sent.
#[derive(Clone)]
pub struct WebhookSettings {
    /// Which hosts may be called.
    pub reach: Reach,
    /// Whom we believe that they are who they are.
    pub tls: Arc<ClientConfig>,
    /// What knows the addresses of hosts. It is never believed that they are public.
    pub names: Arc<dyn Resolve>,
    /// How long a receiver may take, from looking up its name to the answer's head.
    pub patience: Duration,
}

impl WebhookSettings {
    /// The system's names, and [`DELIVERY_PATIENCE`].
    pub fn new(reach: Reach, tls: Arc<ClientConfig>) -> Self {
        Self { reach, tls, names: Arc::new(SystemNames), patience: DELIVERY_PATIENCE }
    }
}

/// Sends webhooks.
#[derive(Debug, Clone)]
pub struct WebhookClient {
    outward: Outward,
    patience: Duration,
}

impl WebhookClient {
    /// A client that has connected to nobody yet.
    pub fn new(settings: WebhookSettings) -> Result<Self, WebhookError> {
        let WebhookSettings { reach, tls, names, patience } = settings;
        let outward = Outward::new(reach, &tls, names).map_err(WebhookError::Setup)?;
        Ok(Self { outward, patience })
    }

    /// Sends a body once, signed as of `at_s`, in seconds since 1970. It has arrived when this is `Ok`; when it is not,
    /// it may have.
    pub async fn send(
        &self,
        webhook: &Webhook,
        id: &NoticeId,
        at_s: i64,
        body: &str,
    ) -> Result<(), WebhookError> {
        let url = self.outward.judged(&webhook.url)?;
        let post = self.outward.signed_post(url, &webhook.secret, id.as_str(), at_s, body.to_owned());
        let request = post.ok_or(WebhookError::Secret)?.timeout(self.patience);
        let response = request.send().await.map_err(|error| WebhookError::met(&error))?;
        let verdict = verdict(response.status(), response.headers(), at_s);
        // The head decides; a body that hangs or breaks changes nothing.
        let _dropped = timeout(TAKING_PATIENCE, take_a_little(response)).await;
        verdict
    }
}

fn verdict(status: StatusCode, headers: &HeaderMap, at_s: i64) -> Result<(), WebhookError> {
    let code = status.as_u16();
    match status {
        _ if status.is_success() => Ok(()),
        _ if status.is_redirection() => Err(WebhookError::Redirected { status: code }),
        StatusCode::GONE => Err(WebhookError::Gone),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Err(WebhookError::Refused { status: code, wait: wait_asked_for(headers, at_s) })
        }
        _ => Err(WebhookError::Refused { status: code, wait: None }),
    }
}

/// What `Retry-After` asks for: seconds, or a date.
fn wait_asked_for(headers: &HeaderMap, at_s: i64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTimeParser::new().parse_timestamp(text).ok()?;
    let seconds = u64::try_from(date.as_second().saturating_sub(at_s)).unwrap_or(0);
    Some(Duration::from_secs(seconds))
}

async fn take_a_little(mut response: Response) {
    let mut taken = 0;
    while let Ok(Some(piece)) = response.chunk().await {
        taken += piece.len();
        if taken > TAKEN_BYTES {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
