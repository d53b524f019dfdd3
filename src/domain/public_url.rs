//! Where the world reaches us. The type of a stream URL cannot hold a query: Twilio drops it in silence, and a
//! product that relied on one lost weeks to it.

use std::fmt;

use url::Url;

/// The public base of this deployment, `https://voice.example.com`: scheme, host, perhaps a port and a path prefix.
#[derive(Clone)]
pub struct PublicUrl {
    url: Url,
    /// The host in the letters it was given in.
    written: Box<str>,
}

/// The `wss://` URL Twilio opens for audio. It has no query, no fragment and no userinfo, by construction.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamUrl(Url);

/// Why a text is no public URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL with a host.
    #[error(
        "it is not a URL with a host; write https:// and the public host name, like https://voice.example.com"
    )]
    NotAUrl,
    /// A scheme Twilio cannot call.
    #[error("its scheme is {0:?}; Twilio needs https (http is allowed for localhost only)")]
    Scheme(String),
    /// It carries a query or fragment.
    #[error("it has a query or a fragment; Twilio drops the query of a stream URL, so leave both off")]
    Query,
    /// It carries a user name or password.
    #[error("it has a user name or password in it; leave them off")]
    Userinfo,
}

impl PublicUrl {
    /// Reads `https://host[:port][/prefix]`; plain `http` and `ws` are for this machine only. A bare host name is
    /// taken as https.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        let with_scheme = match text.split_once("://") {
            Some(("wss", rest)) => format!("https://{rest}"),
            Some(("ws", rest)) => format!("http://{rest}"),
            Some(_) => text.to_owned(),
            None => format!("https://{text}"),
        };
        let url = Url::parse(with_scheme.trim_end_matches('/')).map_err(|_| UrlError::NotAUrl)?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(UrlError::NotAUrl);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(UrlError::Query);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Userinfo);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            other => return Err(UrlError::Scheme(other.to_owned())),
        }
        let host = url.host_str().unwrap_or_default();
        let written = with_scheme.split_once("://").and_then(|(_, rest)| rest.get(..host.len()));
        let written = written.filter(|written| written.eq_ignore_ascii_case(host)).unwrap_or(host).into();
        Ok(Self { url, written })
    }

    /// The URL of one of our routes, `path` beginning with `/`.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.as_str())
    }

    /// The URL of the media socket on this host: `wss`, or `ws` on this machine.
    pub fn stream(&self, path: &str) -> StreamUrl {
        let mut url = self.url.clone();
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        let prefix = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{prefix}{path}"));
        // http(s) to ws(s) is a change between special schemes, which the URL standard always allows.
        let changed = url.set_scheme(scheme);
        debug_assert!(changed.is_ok());
        StreamUrl(url)
    }

    /// The text, without a trailing slash.
    pub fn as_str(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The host, without a port.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The host as it was written: `Voice.Example.com`, where [`PublicUrl::host`] is in lower case.
    pub fn host_as_written(&self) -> &str {
        &self.written
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }
}

impl PartialEq for PublicUrl {
    /// Hosts are the same in every case.
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Eq for PublicUrl {}

impl StreamUrl {
    /// Reads a `wss` URL, or `ws` on this machine. One with a query or a fragment is refused, not shortened.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let url = Url::parse(text).map_err(|_| UrlError::NotAUrl)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(UrlError::Query);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Userinfo);
        }
        match url.scheme() {
            "wss" => Ok(Self(url)),
            "ws" if is_loopback(&url) => Ok(Self(url)),
            other => Err(UrlError::Scheme(other.to_owned())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_url_is_wss_on_the_same_host_and_has_no_query() {
        let base = PublicUrl::parse("https://Voice.Example.com/").unwrap();
        assert_eq!(base.as_str(), "https://voice.example.com");
        assert_eq!(base.stream("/twilio-media").as_str(), "wss://voice.example.com/twilio-media");
        assert_eq!(base.join("/twilio-next"), "https://voice.example.com/twilio-next");
        assert_eq!(base.stream("/m?x=1#y").as_str(), "wss://voice.example.com/m%3Fx=1%23y");
    }

    #[test]
    fn a_prefix_and_a_port_are_kept() {
        let base = PublicUrl::parse("https://example.com:8443/voice/").unwrap();
        assert_eq!(base.join("/twilio-voice"), "https://example.com:8443/voice/twilio-voice");
        assert_eq!(base.stream("/twilio-media").as_str(), "wss://example.com:8443/voice/twilio-media");
    }

    #[test]
    fn platforms_give_bare_hosts_and_laptops_plain_http() {
        assert_eq!(PublicUrl::parse("x.up.railway.app").unwrap().as_str(), "https://x.up.railway.app");
        let laptop = PublicUrl::parse("http://localhost:8080").unwrap();
        assert_eq!(laptop.stream("/twilio-media").as_str(), "ws://localhost:8080/twilio-media");
        assert_eq!(PublicUrl::parse("wss://h.example.com").unwrap().as_str(), "https://h.example.com");
    }

    #[test]
    fn what_twilio_cannot_call_is_refused_with_the_reason() {
        assert_eq!(PublicUrl::parse("http://example.com"), Err(UrlError::Scheme("http".into())));
        assert_eq!(PublicUrl::parse("https://example.com?x=1"), Err(UrlError::Query));
        assert_eq!(PublicUrl::parse("https://a:b@example.com"), Err(UrlError::Userinfo));
        assert_eq!(PublicUrl::parse(""), Err(UrlError::NotAUrl));
        assert_eq!(PublicUrl::parse("https://"), Err(UrlError::NotAUrl));
        assert_eq!(PublicUrl::parse("ftp://x"), Err(UrlError::Scheme("ftp".into())));
    }

    #[test]
    fn the_host_keeps_its_letters_beside_the_url() {
        let base = PublicUrl::parse("Voice.Example.com:8443/x").unwrap();
        assert_eq!((base.host_as_written(), base.host()), ("Voice.Example.com", "voice.example.com"));
        assert_eq!(base, PublicUrl::parse("https://voice.example.com:8443/x").unwrap());
    }

    #[test]
    fn a_stream_url_is_read_strictly() {
        let url = "wss://voice.example.com/twilio-media";
        assert_eq!(StreamUrl::parse(url).unwrap().as_str(), url);
        assert!(StreamUrl::parse("ws://127.0.0.1:8080/m").is_ok());
        assert_eq!(StreamUrl::parse("ws://example.com/m"), Err(UrlError::Scheme("ws".into())));
        assert_eq!(StreamUrl::parse("https://example.com/m"), Err(UrlError::Scheme("https".into())));
        assert_eq!(StreamUrl::parse("wss://example.com/m?callSid=1"), Err(UrlError::Query));
        assert_eq!(StreamUrl::parse("/m"), Err(UrlError::NotAUrl));
    }
}
