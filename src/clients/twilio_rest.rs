//! Twilio's REST interface, as far as a call needs it: hang up, ring somebody else, ask what is next; see what has become
//! of it, and hear what was recorded.
//!
//! Source: Twilio, "Update a Call resource", "Fetch a Recording's media file". A call that is over already cannot be
//! ended or transferred, which is what was wanted or does no harm, so it is no error here.

mod audio;
mod calls;
mod records;

use std::fmt;
use std::time::Duration;

use reqwest::{RequestBuilder, Response, Url};
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::{sleep, timeout};

pub use self::audio::Audio;
pub use self::calls::{InProgress, Standing};
pub use self::records::{Alert, Number};
use crate::domain::{AccountSid, CallSid};

/// All tries together. The caller hears nothing meanwhile, and should not for two seconds; after that, closing the stream
/// does the same by another way.
const TOTAL_PATIENCE: Duration = Duration::from_millis(1_500);

/// One try. Twilio answers in some 200 ms.
const TRY_PATIENCE: Duration = Duration::from_secs(1);

/// Until the second, third and fourth try: a 429 is a limit of concurrency, which is over as soon as another ends.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(200), Duration::from_millis(400)];

/// Twilio's error bodies are a few hundred bytes; a proxy's page may be anything, and is not read to its end.
const MAX_ERROR_BODY_BYTES: usize = 16 * 1024;

/// Not found, which is what a call is that ended a while ago.
const CODE_NOT_FOUND: u32 = 20404;

/// Call is not in-progress: cannot redirect.
const CODE_NOT_IN_PROGRESS: u32 = 21220;

/// How we prove to Twilio who we are.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// The account and its auth token.
    AuthToken {
        /// The account that owns the token; it may act for its subaccounts.
        account: AccountSid,
        /// The token.
        token: SecretString,
    },
    /// An API key, which can be revoked alone.
    ApiKey {
        /// The key's name, `SK…`.
        key: String,
        /// Its secret.
        secret: SecretString,
    },
}

/// What became of a call that was to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Twilio does it.
    Changed,
    /// The call was over already.
    AlreadyOver,
}

/// Why Twilio did not do what was asked. None of these carries a credential, a number or a text of Twilio's.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// The base URL cannot be used.
    #[error("the URL of Twilio's REST interface cannot be used; write it like https://api.twilio.com")]
    Url,
    /// The HTTP client could not be made.
    #[error("cannot set up the client for Twilio's REST interface")]
    Setup(#[source] reqwest::Error),
    /// Twilio was not reached, or did not answer.
    #[error("cannot reach Twilio's REST interface")]
    Unreachable(#[source] reqwest::Error),
    /// All tries together took too long.
    #[error("Twilio's REST interface did not answer within {} ms", TOTAL_PATIENCE.as_millis())]
    Timeout,
    /// What came is not what Twilio writes, or far too much of it.
    #[error("what Twilio's REST interface answered cannot be read; see that TWILIO_API_URL is Twilio's")]
    Unreadable,
    /// More came than a recording can be.
    #[error("the recording has more than {} bytes", audio::MOST_AUDIO_BYTES)]
    TooLarge,
    /// Twilio said no.
    #[error("twilio refused: HTTP {status}{}", Code(*.code))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Twilio's own code, where it gave one.
        code: Option<u32>,
    },
}

impl RestError {
    /// Whether trying again, later, may help.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Timeout => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            Self::Url | Self::Setup(_) | Self::Unreadable | Self::TooLarge => false,
        }
    }
}

/// Asks Twilio to change calls.
#[derive(Clone)]
pub struct TwilioRest {
    http: reqwest::Client,
    base: Url,
    credentials: Credentials,
}

impl TwilioRest {
    /// A client for the interface at `base_url`, `https://api.twilio.com` or a region's. Nothing is connected yet.
    pub fn new(base_url: &str, credentials: Credentials, tls: &ClientConfig) -> Result<Self, RestError> {
        let base = Url::parse(base_url).map_err(|_| RestError::Url)?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(RestError::Url);
        }
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(TRY_PATIENCE)
            .build()
            .map_err(RestError::Setup)?;
        Ok(Self { http, base, credentials })
    }

    /// Ends the phone call, whatever it does just now. `account` is the call's own, which may be a subaccount.
    pub async fn hang_up(&self, account: &AccountSid, call: &CallSid) -> Result<Done, RestError> {
        self.update(account, call, ("Status", "completed"), Repeat::IsHarmless).await
    }

    /// Gives the call new TwiML, which replaces the stream: with a `<Dial>` in it, a transfer.
    pub async fn transfer(
        &self,
        account: &AccountSid,
        call: &CallSid,
        twiml: &str,
    ) -> Result<Done, RestError> {
        self.update(account, call, ("Twiml", twiml), Repeat::RingsAgain).await
    }

    /// Has Twilio ask a URL what is next for the call, in the place of whatever it does just now.
    pub async fn redirect(&self, account: &AccountSid, call: &CallSid, url: &str) -> Result<Done, RestError> {
        self.update(account, call, ("Url", url), Repeat::AsksAgain).await
    }

    async fn update(
        &self,
        account: &AccountSid,
        call: &CallSid,
        change: (&str, &str),
        repeat: Repeat,
    ) -> Result<Done, RestError> {
        let url = self.url_of(account, &["Calls", &format!("{call}.json")]);
        let tries = self.try_until_clear(&url, change, repeat);
        timeout(TOTAL_PATIENCE, tries).await.unwrap_or(Err(RestError::Timeout))
    }

    async fn try_until_clear(
        &self,
        url: &Url,
        change: (&str, &str),
        repeat: Repeat,
    ) -> Result<Done, RestError> {
        for pause in PAUSES {
            match self.try_once(url, change).await {
                Err(error) if repeat.may_follow(&error) => {
                    tracing::debug!(%error, "asking Twilio again");
                    sleep(pause).await;
                }
                clear => return clear,
            }
        }
        self.try_once(url, change).await
    }

    async fn try_once(&self, url: &Url, change: (&str, &str)) -> Result<Done, RestError> {
        let request = self.authorized(self.http.post(url.clone())).form(&[change]);
        let response = request.send().await.map_err(|error| RestError::Unreachable(error.without_url()))?;
        let status = response.status();
        if status.is_success() {
            return Ok(Done::Changed);
        }
        let code = error_code(response).await;
        if matches!(code, Some(CODE_NOT_IN_PROGRESS | CODE_NOT_FOUND)) {
            return Ok(Done::AlreadyOver);
        }
        Err(RestError::Refused { status: status.as_u16(), code })
    }

    /// Something of an account's.
    fn url_of(&self, account: &AccountSid, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["2010-04-01", "Accounts", account.as_str()]).extend(path);
        }
        url
    }

    /// With what proves who we are.
    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        let (user, password) = match &self.credentials {
            Credentials::AuthToken { account, token } => (account.as_str(), token),
            Credentials::ApiKey { key, secret } => (key.as_str(), secret),
        };
        request.basic_auth(user, Some(password.expose_secret()))
    }
}

impl fmt::Debug for TwilioRest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwilioRest").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// What asking a second time would do when the first was heard after all.
#[derive(Debug, Clone, Copy)]
enum Repeat {
    /// Nothing.
    IsHarmless,
    /// The destination's telephone would stop and ring again.
    RingsAgain,
    /// We would be asked twice in a row, and count two streams for one.
    AsksAgain,
}

impl Repeat {
    fn may_follow(self, error: &RestError) -> bool {
        match (self, error) {
            (Self::RingsAgain | Self::AsksAgain, RestError::Unreachable(error)) => error.is_connect(),
            (Self::IsHarmless | Self::RingsAgain | Self::AsksAgain, error) => error.is_temporary(),
        }
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    code: Option<u32>,
}

async fn error_code(mut response: Response) -> Option<u32> {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() > MAX_ERROR_BODY_BYTES {
            return None;
        }
    }
    serde_json::from_slice::<ErrorBody>(&body).ok()?.code
}

/// Twilio's code, if there is one, as the end of a sentence.
struct Code(Option<u32>);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(code) => write!(f, ", error {code} (https://www.twilio.com/docs/errors/{code})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
