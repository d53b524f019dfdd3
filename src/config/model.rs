//! Who speaks: OpenAI's Realtime service, a server that speaks like it, or the built-in simulated model.

use secrecy::SecretString;
use url::Url;

use super::platform::Platform;
use super::reader::{Reader, could_be_a_key};
use super::settings::default_of;

/// Who speaks.
#[derive(Debug, Clone)]
pub enum ModelChoice {
    /// A service behind a socket.
    Realtime(Realtime),
    /// The built-in one, on a laptop without a key.
    Simulated,
}

/// How to reach the speech model.
#[derive(Debug, Clone)]
pub struct Realtime {
    /// Where, without the model's name; a query that a compatible server needs is kept.
    pub url: Url,
    /// Which model; it becomes `?model=`.
    pub model: String,
    /// What we show to be let in.
    pub auth: RealtimeAuth,
}

/// What we show to be let in.
#[derive(Debug, Clone)]
pub enum RealtimeAuth {
    /// `Authorization: Bearer KEY`, as OpenAI has it.
    Bearer(SecretString),
    /// `api-key: KEY`, as Azure has it.
    ApiKey(SecretString),
    /// Nothing, for a server of one's own.
    None,
}

const KEY: &str = "OPENAI_API_KEY";
const URL: &str = "REALTIME_URL";
const KEY_REMEDY: &str = "set it to a key from https://platform.openai.com/api-keys";

impl ModelChoice {
    /// Nothing when there was a mistake.
    pub(super) fn read(reader: &mut Reader<'_>, platform: Platform) -> Option<Self> {
        let wish = wish(reader);
        let own_url = reader.text(URL);
        let key = key(reader);
        let model = reader.text("REALTIME_MODEL").unwrap_or_else(|| default_of("REALTIME_MODEL").to_owned());
        let url = url(reader, own_url.as_deref().unwrap_or(default_of(URL)), wish);
        let auth = match (wish?, key) {
            (_, Key::Bad) => return None,
            (Wish::None, Key::Absent | Key::Good(_)) => RealtimeAuth::None,
            (Wish::Bearer, Key::Good(key)) => RealtimeAuth::Bearer(key),
            (Wish::ApiKey, Key::Good(key)) => RealtimeAuth::ApiKey(key),
            (Wish::Bearer | Wish::ApiKey, Key::Absent) if own_url.is_some() => {
                reader.mistake(
                    KEY,
                    "is missing, and REALTIME_URL names a server that may ask for it",
                    "set it to that server's key, or REALTIME_AUTH=none if it wants none",
                );
                return None;
            }
            (Wish::Bearer | Wish::ApiKey, Key::Absent) if platform == Platform::Laptop => {
                reader.warn(KEY, format!("is not set: the built-in simulated model answers; {KEY_REMEDY}"));
                return Some(Self::Simulated);
            }
            (Wish::Bearer | Wish::ApiKey, Key::Absent) => {
                reader.mistake(KEY, "is missing", KEY_REMEDY);
                return None;
            }
        };
        Some(Self::Realtime(Realtime { url: url?, model, auth }))
    }
}

/// How the service wants to be shown the key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Bearer,
    ApiKey,
    None,
}

fn wish(reader: &mut Reader<'_>) -> Option<Wish> {
    match reader.text("REALTIME_AUTH").as_deref() {
        Some("bearer") | None => Some(Wish::Bearer),
        Some("api-key") => Some(Wish::ApiKey),
        Some("none") => Some(Wish::None),
        Some(other) => {
            reader.mistake("REALTIME_AUTH", format!("is {other:?}"), "write `bearer`, `api-key` or `none`");
            None
        }
    }
}

enum Key {
    Good(SecretString),
    Absent,
    Bad,
}

fn key(reader: &mut Reader<'_>) -> Key {
    let Some(text) = reader.text(KEY) else { return Key::Absent };
    if !could_be_a_key(&text) {
        reader.mistake(
            KEY,
            "has a blank, a line break or a letter that no key has",
            "copy the key again, in one piece",
        );
        return Key::Bad;
    }
    if text.contains("...") || text.starts_with('<') {
        reader.mistake(KEY, "is the text of an example", KEY_REMEDY);
        return Key::Bad;
    }
    Key::Good(SecretString::from(text))
}

fn url(reader: &mut Reader<'_>, text: &str, wish: Option<Wish>) -> Option<Url> {
    let Ok(url) = Url::parse(text) else {
        reader.mistake(
            URL,
            format!("is {text:?}, which is no URL"),
            format!("write it like {}", default_of(URL)),
        );
        return None;
    };
    if url.query_pairs().any(|(name, _)| name == "model") {
        reader.mistake(URL, "has the model's name in it", "leave `model=` off and set REALTIME_MODEL");
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        reader.mistake(URL, "has a user name or password in it", "leave them off; the key is OPENAI_API_KEY");
        return None;
    }
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "wss" => Some(url),
        "ws" if here || wish == Some(Wish::None) => Some(url),
        "ws" => {
            reader.mistake(
                URL,
                "begins with ws://, which would show the key to everybody on the way",
                "write wss://, or set REALTIME_AUTH=none if the server wants no key",
            );
            None
        }
        other => {
            let (_, rest) = text.split_once("://").unwrap_or_default();
            let better = if other == "http" { "ws" } else { "wss" };
            reader.mistake(URL, format!("begins with {other}:"), format!("write {better}://{rest}"));
            None
        }
    }
}
