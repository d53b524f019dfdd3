//! How the pages are kept up to date, and for whom beside ourselves.

use url::Url;

use super::reader::Reader;

/// How the pages are kept up to date, and for whom beside ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Origins of other places whose pages may watch: `https://desk.example.com`.
    pub origins: Vec<String>,
    /// Whether changes are pushed over a socket; else pages ask for them.
    pub push: bool,
}

impl Window {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self { origins: origins(reader), push: push(reader) }
    }
}

fn origins(reader: &mut Reader<'_>) -> Vec<String> {
    const NAME: &str = "CORS_ORIGINS";
    let text = reader.text(NAME).unwrap_or_default();
    let mut origins = Vec::new();
    for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let url = Url::parse(one).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let origin = url.filter(|url| url.path() == "/" && url.query().is_none() && url.fragment().is_none());
        match origin {
            Some(url) => origins.push(url.origin().ascii_serialization()),
            None => reader.mistake(
                NAME,
                format!("has {one:?}, which is no origin"),
                "write scheme and host of each page that may watch, like https://desk.example.com, with a comma between two",
            ),
        }
    }
    origins
}

fn push(reader: &mut Reader<'_>) -> bool {
    const NAME: &str = "WEBSOCKET_ENABLED";
    match reader.text(NAME).as_deref() {
        None | Some("true" | "1" | "yes" | "on") => true,
        Some("false" | "0" | "no" | "off") => false,
        Some(other) => {
            reader.mistake(NAME, format!("is {other:?}"), "write `true` or `false`, or leave it off");
            true
        }
    }
}
