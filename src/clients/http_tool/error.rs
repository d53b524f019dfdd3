//! Why a tool did not answer: in words for whoever can mend it, and in others for the model. Nothing in them is the other
//! side's, and no URL, which may hold a secret.

use crate::clients::outward::{Trouble, UrlFault};

/// Why a tool did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The HTTP client could not be made.
    #[error("cannot set up the client for tools")]
    Setup(#[source] reqwest::Error),
    /// It failed so often that it is left alone for a while.
    #[error("the tool failed again and again, or has too much to do, and is left alone for half a minute")]
    Resting,
    /// Not a URL of the web.
    #[error("the tool's URL cannot be used; write it like https://example.com/tools/slots")]
    Url,
    /// What callers say is not sent in the clear.
    #[error("the tool's URL is not https; give it a certificate, and write https://")]
    NotHttps,
    /// No key can be made of it.
    #[error("the tool's secret cannot be used; write whsec_ and then 24 to 64 random bytes in base64")]
    Secret,
    /// What should be sent is no JSON.
    #[error("the arguments are not JSON")]
    Arguments,
    /// The host is an address that is not public, or one of its name's addresses is not.
    #[error("the tool's host is at an address that is not public; name one that the internet reaches")]
    NotPublic,
    /// The name has no address.
    #[error("the tool's host has no address; check how its name is spelt, and its DNS records")]
    Unresolved,
    /// Nobody took the connection.
    #[error("the tool's host took no connection; check that it listens there and lets the internet in")]
    Unreachable,
    /// TLS failed.
    #[error(
        "no secure connection with the tool's host; check that its certificate is for that name, in date, and sent with \
         its intermediates"
    )]
    Insecure,
    /// The connection ended, or what came was no HTTP.
    #[error("the tool broke off its answer; look into its log")]
    Broken,
    /// No answer, or not all of it.
    #[error("the tool did not answer in time; make it quicker, or its `deadlineMs` longer")]
    Late,
    /// Where a redirect leads was never judged.
    #[error("the tool redirects (HTTP {status}), and that is not followed; give the URL it leads to")]
    Redirected {
        /// The HTTP status.
        status: u16,
    },
    /// Any other status that is no success.
    #[error("the tool refused (HTTP {status}); what the caller should hear is told with HTTP 200")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// Neither JSON nor text.
    #[error("the tool answered something else than JSON or text in UTF-8; check its content-type")]
    NotText,
}

impl ToolError {
    /// Whether the tool is away or broken, so that whoever asks next would fare the same.
    pub(super) fn is_of_the_tool(&self) -> bool {
        match self {
            Self::Unresolved
            | Self::NotPublic
            | Self::Unreachable
            | Self::Insecure
            | Self::Broken
            | Self::Late
            | Self::Redirected { .. }
            | Self::NotText => true,
            Self::Refused { status } => matches!(status, 429 | 500..),
            Self::Setup(_) | Self::Resting | Self::Url | Self::NotHttps | Self::Secret | Self::Arguments => {
                false
            }
        }
    }

    /// The HTTP status, when there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Redirected { status } | Self::Refused { status } => Some(*status),
            Self::Setup(_)
            | Self::Resting
            | Self::Url
            | Self::NotHttps
            | Self::Secret
            | Self::Arguments
            | Self::NotPublic
            | Self::Unresolved
            | Self::Unreachable
            | Self::Insecure
            | Self::Broken
            | Self::Late
            | Self::NotText => None,
        }
    }

    /// What the model is told. It cannot mend anything, and a caller should not hear how.
    pub fn for_the_model(&self) -> &'static str {
        match self {
            Self::Late => "it took too long; tell the caller",
            Self::Resting => "it is out of order just now; go on without it",
            Self::Refused { status: 400..=499 } => "it was refused; tell the caller",
            Self::Setup(_)
            | Self::Url
            | Self::NotHttps
            | Self::Secret
            | Self::Arguments
            | Self::NotPublic
            | Self::Unresolved
            | Self::Unreachable
            | Self::Insecure
            | Self::Broken
            | Self::Redirected { .. }
            | Self::Refused { .. }
            | Self::NotText => "it does not work just now; tell the caller",
        }
    }
}

impl From<UrlFault> for ToolError {
    fn from(fault: UrlFault) -> Self {
        match fault {
            UrlFault::Unusable => Self::Url,
            UrlFault::InTheClear => Self::NotHttps,
            UrlFault::Private => Self::NotPublic,
        }
    }
}

impl From<Trouble> for ToolError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unresolved => Self::Unresolved,
            Trouble::NotPublic => Self::NotPublic,
            Trouble::Insecure => Self::Insecure,
            Trouble::Unreachable => Self::Unreachable,
            Trouble::Late => Self::Late,
            Trouble::Broken => Self::Broken,
        }
    }
}
