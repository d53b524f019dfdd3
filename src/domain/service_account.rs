//! The key of a Google service account, as people carry it: a file, or that file's text pasted into a form.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Map, Value};

/// A key of a Google service account, whatever a form has made of its text: `Debug` prints nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceAccountKey(Map<String, Value>);

/// Why a text is no key of a service account. Nothing of the text is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceAccountError {
    /// It is not even JSON.
    #[error("is not the JSON of a service account's key")]
    NotJson,
    /// Another kind of credential.
    #[error("is a credential of the type {0:?}, not of a service account")]
    Type(String),
    /// The settings of a web page.
    #[error("is the configuration of a Firebase web app, which opens no database")]
    WebApp,
    /// Something is missing.
    #[error("has no `{0}`")]
    Missing(&'static str),
    /// The key itself was cut or mangled.
    #[error("has a `private_key` that is not whole: from -----BEGIN to -----END PRIVATE KEY-----")]
    PrivateKey,
}

/// What the type of such a key is called in its text.
const TYPE: &str = "service_account";

/// As `openssl` and Google write it.
const PEM_LINE: usize = 64;

impl ServiceAccountKey {
    /// Reads the text: plain, in quotes, in base64, with the line breaks of the private key real, escaped, or escaped
    /// twice.
    pub fn parse(text: &str) -> Result<Self, ServiceAccountError> {
        let text = unquoted(text);
        let object = match object(text) {
            Some(object) => object,
            None => from_base64(text)
                .and_then(|text| object(unquoted(&text)))
                .ok_or(ServiceAccountError::NotJson)?,
        };
        Self::of(object)
    }

    fn of(mut object: Map<String, Value>) -> Result<Self, ServiceAccountError> {
        let text =
            |name: &str| object.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        match text("type") {
            Some(TYPE) => {}
            Some(other) => return Err(ServiceAccountError::Type(other.chars().take(40).collect())),
            None if object.contains_key("apiKey") => return Err(ServiceAccountError::WebApp),
            None => {}
        }
        text("client_email").ok_or(ServiceAccountError::Missing("client_email"))?;
        let pem = text("private_key").ok_or(ServiceAccountError::Missing("private_key"))?;
        let pem = whole_pem(pem).ok_or(ServiceAccountError::PrivateKey)?;
        for (name, value) in [("type", TYPE.to_owned()), ("private_key", pem)] {
            object.insert(name.to_owned(), value.into());
        }
        Ok(Self(object))
    }

    /// Which project it was made in, where it says so.
    pub fn project(&self) -> Option<&str> {
        self.0.get("project_id").and_then(Value::as_str)
    }

    /// The key as Google's libraries take it, for the one place that signs with it.
    pub fn reveal(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

impl fmt::Debug for ServiceAccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

fn unquoted(text: &str) -> &str {
    let text = text.trim_start_matches('\u{feff}').trim();
    let inner = ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    inner.unwrap_or(text).trim()
}

fn object(text: &str) -> Option<Map<String, Value>> {
    let read = |text: &str| serde_json::from_str(text).ok();
    read(text)
        .or_else(|| read(&with_escaped_breaks(text)))
        // The text of a JSON string: every quotation mark of the key is escaped.
        .or_else(|| {
            let inner: String = serde_json::from_str(&format!("\"{}\"", with_escaped_breaks(text))).ok()?;
            read(&inner).or_else(|| read(&with_escaped_breaks(&inner)))
        })
}

/// Line breaks inside of strings, which JSON does not allow, as JSON writes them.
fn with_escaped_breaks(text: &str) -> String {
    let (mut inside, mut escaped) = (false, false);
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' if !escaped => inside = !inside,
            '\n' if inside => {
                out.push_str("\\n");
                continue;
            }
            '\r' if inside => continue,
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
        out.push(letter);
    }
    out
}

fn from_base64(text: &str) -> Option<String> {
    let packed: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let bytes = STANDARD.decode(&packed).or_else(|_| URL_SAFE.decode(&packed)).ok()?;
    String::from_utf8(bytes).ok()
}

/// The private key with its lines as they were, whatever has become of the breaks between them.
fn whole_pem(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body = body.replace("\\r", "").replace("\\n", "");
    let body: String = body.chars().filter(|letter| !letter.is_whitespace() && *letter != '\\').collect();
    if body.is_empty() || !label.ends_with("PRIVATE KEY") || STANDARD.decode(&body).is_err() {
        return None;
    }
    let mut pem = format!("-----BEGIN {label}-----\n");
    for (at, letter) in body.chars().enumerate() {
        if at > 0 && at % PEM_LINE == 0 {
            pem.push('\n');
        }
        pem.push(letter);
    }
    pem.push_str(&format!("\n-----END {label}-----\n"));
    Some(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN PRIVATE KEY-----\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v\nMDEyMzQ1Njc4OTo7PD0+Pw==\n-----END PRIVATE KEY-----\n";

    fn file() -> String {
        let key = serde_json::json!({
            "type": "service_account", "project_id": "luna", "private_key": PEM,
            "client_email": "desk@luna.iam.gserviceaccount.com",
        });
        serde_json::to_string_pretty(&key).unwrap()
    }

    #[test]
    fn a_key_is_read_in_every_form_a_form_gives_it() {
        let (file, one_line) = (file(), file().replace('\n', " "));
        let forms = [
            ("as the file has it", file.clone()),
            ("on one line", one_line.clone()),
            ("in quotes", format!("'{one_line}'")),
            ("with the breaks of the key made real", file.replace("\\n", "\n")),
            ("with those of Windows", file.replace("\\n", "\r\n")),
            ("escaped twice", one_line.replace("\\n", "\\\\n")),
            ("with breaks that became blanks", one_line.replace("\\n", " ")),
            ("as a JSON string", serde_json::to_string(&file).unwrap()),
            (
                "as a JSON string without its quotes",
                serde_json::to_string(&one_line).unwrap().trim_matches('"').to_owned(),
            ),
            ("in base64", STANDARD.encode(&file)),
            ("in base64 over several lines", STANDARD.encode(&file).replacen('A', "A\n", 3)),
            ("quoted and in base64", STANDARD.encode(format!("\"{one_line}\""))),
            ("with a mark of a word processor", format!("\u{feff}{file}\n")),
        ];
        for (form, text) in forms {
            let key = ServiceAccountKey::parse(&text).unwrap_or_else(|error| panic!("{form}: {error}"));
            assert_eq!(key.reveal()["private_key"], PEM, "{form}");
            assert_eq!(key.project(), Some("luna"));
        }
    }

    #[test]
    fn what_is_no_key_says_what_it_is_and_shows_nothing() {
        let without = |name: &str| {
            let mut key: Map<String, Value> = serde_json::from_str(&file()).unwrap();
            key.remove(name);
            serde_json::to_string(&key).unwrap()
        };
        for (text, expected) in [
            ("hush".to_owned(), ServiceAccountError::NotJson),
            ("{\"hush\"".to_owned(), ServiceAccountError::NotJson),
            ("[]".to_owned(), ServiceAccountError::NotJson),
            (
                r#"{"type":"authorized_user"}"#.to_owned(),
                ServiceAccountError::Type("authorized_user".to_owned()),
            ),
            (r#"{"apiKey":"hush","projectId":"p"}"#.to_owned(), ServiceAccountError::WebApp),
            (without("client_email"), ServiceAccountError::Missing("client_email")),
            (without("private_key"), ServiceAccountError::Missing("private_key")),
            (file().replace("-----END PRIVATE KEY-----", ""), ServiceAccountError::PrivateKey),
            (file().replace("AAEC", "AA?C"), ServiceAccountError::PrivateKey),
        ] {
            let error = ServiceAccountKey::parse(&text).unwrap_err();
            assert_eq!(error, expected);
            assert!(!format!("{error} {error:?}").contains("hush"));
        }
        let key = ServiceAccountKey::parse(&file()).unwrap();
        assert_eq!(format!("{key:?}"), "<secret>");
    }
}
