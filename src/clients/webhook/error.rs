//! Why a webhook was not taken, in words for whoever can mend it. They are shown to people and kept in the store: nothing
//! in them is the other side's, and no URL, which may hold a secret.

use std::time::Duration;

use crate::clients::outward::{Trouble, UrlFault};

/// Why a business was not told.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The HTTP client could not be made.
    #[error("cannot set up the client for webhooks")]
    Setup(#[source] reqwest::Error),
    /// Not a URL of the web.
    #[error("the webhook's URL cannot be used; write it like https://example.com/calls")]
    Url,
    /// What callers say is not sent in the clear.
    #[error("the webhook's URL is not https; give it a certificate, and write https://")]
    NotHttps,
    /// No key can be made of it.
    #[error("the webhook's secret cannot be used; write whsec_ and then 24 to 64 random bytes in base64")]
    Secret,
    /// The host is an address that is not public, or one of its name's addresses is not.
    #[error("the webhook's host is at an address that is not public; name one that the internet reaches")]
    NotPublic,
    /// The name has no address.
    #[error("the webhook's host has no address; check how its name is spelt, and its DNS records")]
    Unresolved,
    /// Nobody took the connection.
    #[error("the webhook's host took no connection; check that it listens there and lets the internet in")]
    Unreachable,
    /// TLS failed.
    #[error(
        "no secure connection with the webhook's host; check that its certificate is for that name, in date, and sent \
         with its intermediates"
    )]
    Insecure,
    /// The connection ended, or what came was no HTTP.
    #[error("the receiver broke off without an answer; look into its log")]
    Broken,
    /// No answer.
    #[error("the receiver did not answer in time; have it answer first, and work afterwards")]
    Late,
    /// Where a redirect leads was never judged.
    #[error("the receiver redirects (HTTP {status}), and that is not followed; give the URL it leads to")]
    Redirected {
        /// The HTTP status.
        status: u16,
    },
    /// 410.
    #[error("the receiver wants no more of this (HTTP 410); give another URL, or take the webhook away")]
    Gone,
    /// Any other status that is no success.
    #[error("the receiver refused (HTTP {status}); look into its log")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// How long it asks us to wait, where it is too busy and says so.
        wait: Option<Duration>,
    },
}

impl WebhookError {
    /// Whether the receiver itself said that trying again is unwanted.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Gone)
    }

    /// Whether it is the receiver that is away or overworked, so that whatever else it is to be told would fare the same
    /// just now.
    pub fn is_of_the_receiver(&self) -> bool {
        match self {
            Self::Unresolved | Self::Unreachable | Self::Insecure | Self::Broken | Self::Late => true,
            Self::Refused { status, .. } => matches!(status, 429 | 502 | 503 | 504),
            Self::Setup(_)
            | Self::Url
            | Self::NotHttps
            | Self::Secret
            | Self::NotPublic
            | Self::Redirected { .. }
            | Self::Gone => false,
        }
    }

    /// How long the receiver asks us to wait.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::Refused { wait, .. } => *wait,
            Self::Setup(_)
            | Self::Url
            | Self::NotHttps
            | Self::Secret
            | Self::NotPublic
            | Self::Unresolved
            | Self::Unreachable
            | Self::Insecure
            | Self::Broken
            | Self::Late
            | Self::Redirected { .. }
            | Self::Gone => None,
        }
    }

    /// What the HTTP client met.
    pub(super) fn met(error: &reqwest::Error) -> Self {
        match Trouble::of(error) {
            Trouble::Unresolved => Self::Unresolved,
            Trouble::NotPublic => Self::NotPublic,
            Trouble::Insecure => Self::Insecure,
            Trouble::Unreachable => Self::Unreachable,
            Trouble::Late => Self::Late,
            Trouble::Broken => Self::Broken,
        }
    }
}

impl From<UrlFault> for WebhookError {
    fn from(fault: UrlFault) -> Self {
        match fault {
            UrlFault::Unusable => Self::Url,
            UrlFault::InTheClear => Self::NotHttps,
            UrlFault::Private => Self::NotPublic,
        }
    }
}
