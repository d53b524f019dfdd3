//! How we call whom a business names: over https, at addresses that were judged before they are connected to, without
//! proxies and redirects, and signed by the rules of Standard Webhooks.
//!
//! Source: Standard Webhooks 1.0.0, <https://github.com/standard-webhooks/standard-webhooks>.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::header::CONTENT_TYPE;
use reqwest::{RequestBuilder, Url};
use rustls::ClientConfig;

use super::names::{JudgedNames, NameError};
use super::{Reach, signature};
use crate::domain::WebhookSecret;

/// From looking up the name to the end of the TLS handshake: three round trips around the world take one second, a
/// lost packet another.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// Who we say we are.
const USER_AGENT: &str = concat!("frontdesk/", env!("CARGO_PKG_VERSION"));

/// Calls whom a business names.
#[derive(Debug, Clone)]
pub(super) struct Outward {
    http: reqwest::Client,
    reach: Reach,
}

/// What is wrong with a URL that was configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UrlFault {
    /// Not a URL of the web.
    Unusable,
    /// What is said would be said in the clear.
    InTheClear,
    /// Its host is an address that is not public, or a name of a private network.
    Private,
}

/// What became of a request that was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The name has no address.
    Unresolved,
    /// One of its addresses is not public.
    NotPublic,
    /// TLS failed.
    Insecure,
    /// Nobody took the connection.
    Unreachable,
    /// No answer in time.
    Late,
    /// The connection ended, or what came was no HTTP.
    Broken,
}

impl Outward {
    /// One that has connected to nobody yet.
    pub(super) fn new(
        reach: Reach,
        tls: &ClientConfig,
        names: Arc<dyn Resolve>,
    ) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .dns_resolver(Arc::new(JudgedNames { names, reach }))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            // A proxy would connect to addresses that nobody judged.
            .no_proxy()
            // Requests to one receiver are seldom, and each is to meet the name's address of today.
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_PATIENCE)
            .user_agent(USER_AGENT)
            .build()?;
        Ok(Self { http, reach })
    }

    /// A URL that may be called; the addresses of its name are judged when they are known.
    pub(super) fn judged(&self, url: &str) -> Result<Url, UrlFault> {
        let url = Url::parse(url).map_err(|_| UrlFault::Unusable)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UrlFault::Unusable);
        }
        if !self.reach.is_private_talk(&url) {
            return Err(UrlFault::InTheClear);
        }
        if self.reach.refuses_literal(&url) || self.reach.refuses_name(&url) {
            return Err(UrlFault::Private);
        }
        Ok(url)
    }

    /// A request with a body of JSON, signed as of `at_s`, in seconds since 1970; none when the secret is no key. Its
    /// patience is the caller's to set.
    pub(super) fn signed_post(
        &self,
        url: Url,
        secret: &WebhookSecret,
        id: &str,
        at_s: i64,
        body: String,
    ) -> Option<RequestBuilder> {
        let signature = signature::sign(secret, id, at_s, &body)?;
        let request = self.http.post(url).header(CONTENT_TYPE, "application/json");
        let request = request.header("webhook-id", id).header("webhook-timestamp", at_s);
        Some(request.header("webhook-signature", signature).body(body))
    }
}

impl Trouble {
    /// What the HTTP client met. Its own words are left behind: they repeat what a certificate says.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        if let Some(name) = first(error, |cause| cause.downcast_ref::<NameError>().copied()) {
            return match name {
                NameError::Unresolved => Self::Unresolved,
                NameError::NotPublic => Self::NotPublic,
            };
        }
        if first(error, |cause| cause.downcast_ref::<rustls::Error>().map(drop)).is_some() {
            return Self::Insecure;
        }
        match (error.is_connect(), error.is_timeout()) {
            (true, _) => Self::Unreachable,
            (false, true) => Self::Late,
            (false, false) => Self::Broken,
        }
    }
}

fn first<T>(error: &(dyn Error + 'static), look: impl Fn(&(dyn Error + 'static)) -> Option<T>) -> Option<T> {
    std::iter::successors(Some(error), |&cause| inner(cause)).find_map(look)
}

/// What is behind an error. One of I/O names what is behind the error it wraps, and hides that one.
fn inner<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.map_or_else(|| error.source(), |wrapped| Some(wrapped))
}
