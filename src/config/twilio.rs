//! How we know Twilio, and how Twilio knows us.

use secrecy::SecretString;
use url::Url;

use super::platform::Platform;
use super::reader::{Reader, could_be_a_key};
use super::settings::default_of;
use crate::domain::AccountSid;

/// How we know Twilio, and how Twilio knows us.
#[derive(Debug, Clone)]
pub struct Twilio {
    /// Our account, needed to end and to transfer calls through the REST interface.
    pub account: Option<AccountSid>,
    /// What Twilio signs its requests with.
    pub auth: TwilioAuth,
    /// Keys that Twilio signs with in place of a token, or beside it.
    pub shared_keys: Vec<SharedKey>,
    /// What we show the REST interface in place of account and token.
    pub rest_key: Option<RestKey>,
    /// Where the REST interface is; another place for the simulator's.
    pub api_url: Url,
}

/// What Twilio signs its requests with. There is no choice without a signature.
#[derive(Debug, Clone)]
pub enum TwilioAuth {
    /// The account's tokens: one, or two while one replaces the other; none only where shared keys are.
    Tokens(Vec<SecretString>),
    /// A token made at start: only the simulator on this machine can know it.
    Local,
}

/// A key that Twilio and we share for signatures alone.
#[derive(Debug, Clone)]
pub struct SharedKey {
    /// What Twilio calls it.
    pub id: String,
    /// What it is.
    pub secret: SecretString,
}

/// A key of Twilio's REST interface.
#[derive(Debug, Clone)]
pub struct RestKey {
    /// Its name, `SK…`.
    pub sid: String,
    /// Its secret.
    pub secret: SecretString,
}

const SID: &str = "TWILIO_ACCOUNT_SID";
const TOKEN: &str = "TWILIO_AUTH_TOKEN";
const CONSOLE: &str = "copy it from https://console.twilio.com, Account Info";

impl Twilio {
    /// Nothing when there was a mistake. `loopback` tells whether the webhooks are served to this machine alone.
    pub(super) fn read(reader: &mut Reader<'_>, platform: Platform, loopback: bool) -> Option<Self> {
        let api_url = api_url(reader);
        let account = account(reader);
        let shared_keys = shared_keys(reader);
        let auth = auth(reader, &shared_keys, platform == Platform::Laptop && loopback);
        let rest_key = rest_key(reader);
        let authentic = matches!(auth, Some(TwilioAuth::Tokens(_)));
        if account.is_none() && authentic {
            reader.warn(
                SID,
                format!("is not set: calls are ended and transferred by closing the stream, a second later; {CONSOLE}"),
            );
        }
        Some(Self { account, auth: auth?, shared_keys, rest_key, api_url: api_url? })
    }
}

fn account(reader: &mut Reader<'_>) -> Option<AccountSid> {
    let text = reader.text(SID)?;
    if is_sid(&text, "AC") {
        return AccountSid::parse(&text).ok();
    }
    let wrong = match text.get(..2) {
        Some("AC") => {
            format!("has {} characters, not AC and 32 digits or letters a to f", text.chars().count())
        }
        Some("SK") => "is the SID of an API key, which belongs in TWILIO_API_KEY".to_owned(),
        Some(_) | None => "does not begin with AC".to_owned(),
    };
    reader.mistake(SID, wrong, CONSOLE);
    None
}

fn shared_keys(reader: &mut Reader<'_>) -> Vec<SharedKey> {
    const KEYS: &str = "TWILIO_SHARED_KEYS";
    let text = reader.text(KEYS).unwrap_or_default();
    let mut keys = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        match pair.split_once(':') {
            Some((id, secret)) if !id.is_empty() && !secret.is_empty() && could_be_a_key(secret) => {
                keys.push(SharedKey { id: id.to_owned(), secret: SecretString::from(secret) });
            }
            Some(_) | None => reader.mistake(
                KEYS,
                "is not the ID of a shared key, a colon and its secret",
                "write ID:SECRET as Twilio shows them, several with commas",
            ),
        }
    }
    keys
}

fn auth(reader: &mut Reader<'_>, shared_keys: &[SharedKey], local_will_do: bool) -> Option<TwilioAuth> {
    let Some(text) = reader.text(TOKEN) else {
        if !shared_keys.is_empty() {
            return Some(TwilioAuth::Tokens(Vec::new()));
        }
        if local_will_do {
            return Some(TwilioAuth::Local);
        }
        reader.mistake(TOKEN, "is missing; webhooks that are not signed by Twilio are never served", CONSOLE);
        return None;
    };
    let tokens: Vec<&str> = text.split(',').map(str::trim).filter(|token| !token.is_empty()).collect();
    let wrong = tokens.iter().find_map(|token| match token {
        token if is_sid(token, "AC") => Some("is the Account SID; the Auth Token stands below it"),
        token if is_sid(token, "SK") => {
            Some("is the SID of an API key; only the account's Auth Token signs webhooks")
        }
        token if !could_be_a_key(token) => Some("has a blank or a line break in it"),
        _ => None,
    });
    match wrong.or_else(|| tokens.is_empty().then_some("has nothing but commas")) {
        Some(wrong) => {
            reader.mistake(TOKEN, wrong, CONSOLE);
            None
        }
        None => Some(TwilioAuth::Tokens(tokens.into_iter().map(SecretString::from).collect())),
    }
}

fn rest_key(reader: &mut Reader<'_>) -> Option<RestKey> {
    const KEY: &str = "TWILIO_API_KEY";
    const SECRET: &str = "TWILIO_API_SECRET";
    match (reader.text(KEY), reader.text(SECRET)) {
        (None, None) => None,
        (Some(sid), Some(secret)) => {
            if !is_sid(&sid, "SK") {
                reader.mistake(
                    KEY,
                    "is not SK and 32 digits or letters a to f",
                    "copy the SID of the key, not its secret",
                );
            }
            Some(RestKey { sid, secret: SecretString::from(secret) })
        }
        (Some(_), None) => {
            reader.mistake(SECRET, "is missing, and TWILIO_API_KEY is set", "set both, or neither");
            None
        }
        (None, Some(_)) => {
            reader.mistake(KEY, "is missing, and TWILIO_API_SECRET is set", "set both, or neither");
            None
        }
    }
}

fn api_url(reader: &mut Reader<'_>) -> Option<Url> {
    const NAME: &str = "TWILIO_API_URL";
    let text = reader.text(NAME).unwrap_or_else(|| default_of(NAME).to_owned());
    let url = Url::parse(&text).ok();
    let good = url.filter(|url| match url.scheme() {
        "https" => true,
        "http" => matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")),
        _ => false,
    });
    if good.is_none() {
        reader.mistake(
            NAME,
            format!("is {text:?}, which is no https:// URL"),
            format!("leave it off for {}", default_of(NAME)),
        );
    }
    good
}

fn is_sid(text: &str, kind: &str) -> bool {
    text.strip_prefix(kind)
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}
