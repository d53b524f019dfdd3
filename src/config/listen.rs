//! Where we listen, and where the world reaches us.

use std::net::IpAddr;

use super::platform::Platform;
use super::reader::Reader;
use super::settings::default_of;
use crate::domain::{PublicUrl, UrlError};

/// Where we listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// An IP address, IPv6 perhaps in brackets, or `localhost`.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Where the world reaches us. Twilio signs what it sends with these, so they are set or derived, never taken from a
/// request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Public {
    /// The webhooks' base.
    pub url: PublicUrl,
    /// The media socket's base, the same unless another service carries the sockets.
    pub stream: PublicUrl,
}

impl Listen {
    pub(super) fn read(reader: &mut Reader<'_>, platform: Platform) -> Self {
        let host = reader.text("HOST").unwrap_or_else(|| default_of("HOST").to_owned());
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let ip = if bare == "localhost" { "127.0.0.1" } else { bare }.parse::<IpAddr>();
        match ip {
            Err(_) => reader.mistake(
                "HOST",
                format!("is {host:?}, which is no address of this machine"),
                "leave it off to listen everywhere; what the world calls us is PUBLIC_URL",
            ),
            Ok(ip) if ip.is_loopback() && platform != Platform::Laptop => reader.mistake(
                "HOST",
                format!("is {host:?}, which {platform} cannot reach"),
                "leave it off to listen everywhere",
            ),
            Ok(_) => {}
        }
        Self { host, port: port(reader) }
    }
}

pub(super) fn port(reader: &mut Reader<'_>) -> u16 {
    u16::try_from(reader.number("PORT", 1..=u32::from(u16::MAX))).unwrap_or(u16::MAX)
}

/// Where each platform says under which name it serves us.
const DERIVED: [(Platform, &str); 3] = [
    (Platform::Railway, "RAILWAY_PUBLIC_DOMAIN"),
    (Platform::Render, "RENDER_EXTERNAL_URL"),
    (Platform::Fly, "FLY_APP_NAME"),
];

/// What Railway once called its domain; services of that time may still have it.
const STATIC_URL: &str = "RAILWAY_STATIC_URL";
/// Our own older name of `STREAM_PUBLIC_URL`.
const SOCKET_DOMAIN: &str = "WEBSOCKET_PUBLIC_DOMAIN";
/// Much recommended, and never a variable of Railway's.
const SOCKETS_ENABLED: &str = "RAILWAY_WEBSOCKET_ENABLED";

/// The ends of URLs of ours that people paste where a base belongs.
const PATHS: [&str; 4] = ["/twilio-voice", "/twilio-media", "/twilio-next", "/twilio-status"];

impl Public {
    /// Nothing when there was a mistake.
    pub(super) fn read(reader: &mut Reader<'_>, platform: Platform, port: u16) -> Option<Self> {
        let said = reader.text("PUBLIC_URL").or_else(|| derived(reader, platform));
        let url = match said {
            Some(text) => base(reader, platform, "PUBLIC_URL", &text),
            None if platform == Platform::Laptop => {
                PublicUrl::parse(&format!("http://localhost:{port}")).ok()
            }
            None => {
                reader.mistake(
                    "PUBLIC_URL",
                    format!("is missing, and {platform} does not say under which name it serves us"),
                    "give the service a public domain, and set PUBLIC_URL to it, like https://voice.example.com",
                );
                None
            }
        };
        let stream = match stream(reader) {
            Some(text) => base(reader, platform, "STREAM_PUBLIC_URL", &text),
            None => url.clone(),
        };
        if reader.beside(SOCKETS_ENABLED).is_some() {
            reader.warn(
                SOCKETS_ENABLED,
                "does nothing, here or at Railway, which passes WebSockets on as they are; remove it",
            );
        }
        Some(Self { url: url?, stream: stream? })
    }
}

fn derived(reader: &mut Reader<'_>, platform: Platform) -> Option<String> {
    let (_, name) = DERIVED.iter().find(|(whose, _)| *whose == platform)?;
    if let Some(value) = reader.beside(name) {
        return Some(if platform == Platform::Fly { format!("https://{value}.fly.dev") } else { value });
    }
    let old = reader.beside(STATIC_URL).filter(|_| platform == Platform::Railway)?;
    reader.warn(
        STATIC_URL,
        "is an old name, and taken for want of RAILWAY_PUBLIC_DOMAIN: set PUBLIC_URL to the service's public domain \
         instead, and compare the two",
    );
    Some(old)
}

/// What is said of where another service or domain carries the media socket.
fn stream(reader: &mut Reader<'_>) -> Option<String> {
    let (said, old) = (reader.text("STREAM_PUBLIC_URL"), reader.beside(SOCKET_DOMAIN));
    if old.is_some() {
        let text = if said.is_some() {
            "is an old name of STREAM_PUBLIC_URL, which is set and counts; remove it"
        } else {
            "is an old name, and taken: set STREAM_PUBLIC_URL instead, or neither if the host of PUBLIC_URL carries the \
             media socket too, as a single service does"
        };
        reader.warn(SOCKET_DOMAIN, text);
    }
    said.or(old)
}

/// Reads a base URL, with a remedy for each way people get it wrong.
fn base(reader: &mut Reader<'_>, platform: Platform, name: &'static str, text: &str) -> Option<PublicUrl> {
    const EXAMPLE: &str = "https://voice.example.com";
    let (before_query, query) =
        text.split_once(['?', '#']).map_or((text, None), |(base, _)| (base, Some(())));
    let trimmed = before_query.trim_end_matches('/');
    if let Some(path) = PATHS.iter().find(|path| trimmed.ends_with(*path)) {
        let better = trimmed.trim_end_matches(path);
        reader.mistake(
            name,
            format!("ends in {path}"),
            format!("write {better} alone; the paths are added to it"),
        );
        return None;
    }
    if query.is_some() {
        reader.mistake(
            name,
            "has a query or a fragment, which Twilio drops from a stream's URL",
            format!("write {trimmed} alone"),
        );
        return None;
    }
    match PublicUrl::parse(text) {
        Ok(url) if url.is_loopback() && platform != Platform::Laptop => {
            reader.mistake(
                name,
                "is an address of this machine alone, which Twilio cannot call",
                format!("set it to the service's public domain, like {EXAMPLE}"),
            );
            None
        }
        Ok(url) => Some(url),
        Err(UrlError::Scheme(scheme)) => {
            let (_, rest) = text.split_once("://").unwrap_or_default();
            reader.mistake(
                name,
                format!("begins with {scheme}://, which Twilio cannot call"),
                format!("write https://{rest}; plain http is for localhost alone"),
            );
            None
        }
        Err(error @ (UrlError::NotAUrl | UrlError::Query | UrlError::Userinfo)) => {
            reader.mistake(name, format!("cannot be used: {error}"), format!("write it like {EXAMPLE}"));
            None
        }
    }
}
