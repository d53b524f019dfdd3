//! Twilio's signature on webhooks and on the upgrade of a media stream.
//!
//! Source: Twilio, "Security — Validating requests": base64 of HMAC-SHA1, keyed with the account's auth token, over the
//! URL as Twilio asked for it and, for a form, every name and value, sorted and without a byte between them. Twilio's
//! own library (PyPI `twilio` 9.13, `request_validator`) knows another scheme: HMAC-SHA256 over the same, with a key of its
//! own that a header names. Which schemes hold is what is configured: a header chooses among those, and opens none.
//!
//! What a proxy did to the request is unknown here, so only two things are believed: the configured public URL, and the
//! path and query as they arrived. `Host` and `X-Forwarded-*` can be written by anybody and are not even arguments.
//! Twilio is not consistent about the port, the case of the host and the quote; every form it is known to sign is tried.
//!
//! **The scheme of an upgrade is the configured one, `wss`.** Some lists say to try `https` too. Everybody who looked at
//! a real upgrade found `wss` signed; and the signature of the `https` form is what Twilio makes for a webhook of the
//! same path, which would then open a stream. So it is refused; but [`Mismatch::almost`] says when it would have fitted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::Sha256;

use crate::domain::{PublicUrl, StreamUrl};

/// What of somebody's words about a signature is shown: characters.
const SHOWN_CHARS: usize = 64;

/// The signature Twilio would send with `params` to `url`.
pub fn sign(token: &str, url: &str, params: &[(String, String)]) -> String {
    let mac = keyed::<Hmac<Sha1>>(token, url, &signed_form(params));
    mac.map(|mac| BASE64_STANDARD.encode(mac.finalize().into_bytes())).unwrap_or_default()
}

/// The same with a shared key.
pub fn sign_shared(key: &SharedKey, url: &str, params: &[(String, String)]) -> String {
    let mac = keyed::<Hmac<Sha256>>(key.secret.expose_secret(), url, &signed_form(params));
    mac.map(|mac| BASE64_STANDARD.encode(mac.finalize().into_bytes())).unwrap_or_default()
}

/// A key that Twilio and we share for signatures alone.
#[derive(Debug, Clone)]
pub struct SharedKey {
    /// What Twilio calls it.
    pub id: String,
    /// What it is.
    pub secret: SecretString,
}

/// What a request says of its signature.
#[derive(Debug, Clone, Copy)]
pub struct Signature<'a> {
    /// `X-Twilio-Signature`.
    pub text: &'a str,
    /// `X-Twilio-Webhooks-Signature-Settings`, where there is one: `key=…,algorithm=HMAC_SHA256`.
    pub settings: Option<&'a str>,
}

impl<'a> From<&'a str> for Signature<'a> {
    fn from(text: &'a str) -> Self {
        Self { text, settings: None }
    }
}

/// Knows Twilio's signatures by the auth tokens, more than one while the token is being changed, and by shared keys.
#[derive(Debug, Clone)]
pub struct Verifier {
    tokens: Vec<SecretString>,
    shared_keys: Vec<SharedKey>,
}

/// Why a signature was not even looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Scheme {
    /// It was made with the auth token, and none is configured.
    #[error("it is made with the account's Auth Token, and only TWILIO_SHARED_KEYS is set")]
    NoToken,
    /// It was made with a shared key that is not ours.
    #[error("it is made with the shared key {0:?}, which is not in TWILIO_SHARED_KEYS")]
    UnknownKey(String),
    /// It was made in a way nobody has heard of.
    #[error("it is made by {0:?}, which is neither HMAC_SHA1 nor HMAC_SHA256")]
    UnknownAlgorithm(String),
}

/// What a signature may have been made with.
enum Keys<'v> {
    Tokens(&'v [SecretString]),
    Shared(&'v SharedKey),
}

/// A signature that fits no URL it should have been made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What was tried. Queries are left out: those of a `GET` name people.
    pub tried: Vec<String>,
    /// What it does fit, though that is not accepted: the same URL under another scheme.
    pub almost: Option<String>,
    /// What is wrong before any URL is.
    pub scheme: Option<Scheme>,
}

impl Verifier {
    /// A verifier that accepts each of these auth tokens, and nothing at all when there is none.
    pub fn new(tokens: Vec<SecretString>) -> Self {
        Self { tokens, shared_keys: Vec::new() }
    }

    /// The same, which also accepts what these keys sign. Without any auth token it accepts nothing else.
    pub fn with_shared_keys(self, shared_keys: Vec<SharedKey>) -> Self {
        Self { shared_keys, ..self }
    }

    /// Checks a webhook: `target` is its path and query exactly as received, `params` the decoded form of a `POST`
    /// (for a `GET`, nothing: what it says is in the query, and so in the URL).
    pub fn verify_request<'s>(
        &self,
        signature: impl Into<Signature<'s>>,
        public_url: &PublicUrl,
        target: &str,
        params: &[(String, String)],
    ) -> Result<(), Mismatch> {
        let base = public_url.as_str();
        let base = Base::new(base).spelled(public_url.host_as_written());
        let paths = [format!("{}{target}", base.prefix), target.to_owned()];
        let paths = paths.into_iter().filter(|path| path.starts_with(base.prefix)).flat_map(with_quotes);
        let other = if base.scheme == "https" { "http" } else { "https" };
        self.verify(signature.into(), &base, &paths.collect::<Vec<_>>(), other, params)
    }

    /// Checks the upgrade of a media stream: `raw_path` is its path exactly as received. A query is left out, as Twilio
    /// leaves it out.
    pub fn verify_upgrade<'s>(
        &self,
        signature: impl Into<Signature<'s>>,
        stream_url: &StreamUrl,
        raw_path: &str,
    ) -> Result<(), Mismatch> {
        let base = Base::new(stream_url.as_str());
        let received = raw_path.split('?').next().unwrap_or_default();
        let paths = [base.prefix, received].into_iter().flat_map(|path| {
            let bare = path.strip_suffix('/').unwrap_or(path);
            [bare.to_owned(), format!("{bare}/")]
        });
        let other = if base.scheme == "wss" { "https" } else { "http" };
        self.verify(signature.into(), &base, &paths.collect::<Vec<_>>(), other, &[])
    }

    fn verify(
        &self,
        signature: Signature<'_>,
        base: &Base<'_>,
        paths: &[String],
        other_scheme: &str,
        params: &[(String, String)],
    ) -> Result<(), Mismatch> {
        let accepted = base.urls(base.scheme, paths);
        let keys = match self.keys_for(signature.settings) {
            Ok(keys) => keys,
            Err(scheme) => return Err(Mismatch::of(&accepted, None, Some(scheme))),
        };
        let form = signed_form(params);
        let signature = BASE64_STANDARD.decode(signature.text.trim()).unwrap_or_default();
        let fits = |url: &String| keys.fit(url, &form, &signature);
        if accepted.iter().any(fits) {
            return Ok(());
        }
        let almost = base.urls(other_scheme, paths).into_iter().find(fits).map(|url| without_query(&url));
        Err(Mismatch::of(&accepted, almost, None))
    }

    /// What a request that says this of its signature may be signed with. A request without a word is signed with the auth
    /// token, as all were until 2026.
    fn keys_for(&self, settings: Option<&str>) -> Result<Keys<'_>, Scheme> {
        let said = |name: &str| {
            let pairs = settings.unwrap_or_default().split(',').filter_map(|pair| pair.split_once('='));
            pairs.map(|(name, value)| (name.trim(), value.trim())).find(|(other, _)| *other == name)
        };
        let shown = |text: &str| text.chars().take(SHOWN_CHARS).collect::<String>();
        let algorithm = said("algorithm").map(|(_, name)| name.to_ascii_uppercase());
        match algorithm.as_deref() {
            None | Some("HMAC_SHA1") if self.tokens.is_empty() && !self.shared_keys.is_empty() => {
                Err(Scheme::NoToken)
            }
            None | Some("HMAC_SHA1") => Ok(Keys::Tokens(&self.tokens)),
            Some("HMAC_SHA256") => {
                let id = said("key").map_or("", |(_, id)| id);
                let key = self.shared_keys.iter().find(|key| key.id == id);
                key.map(Keys::Shared).ok_or_else(|| Scheme::UnknownKey(shown(id)))
            }
            Some(other) => Err(Scheme::UnknownAlgorithm(shown(other))),
        }
    }
}

impl Keys<'_> {
    fn fit(&self, url: &str, form: &str, signature: &[u8]) -> bool {
        match self {
            Self::Tokens(tokens) => {
                tokens.iter().any(|token| is_signed::<Hmac<Sha1>>(token, url, form, signature))
            }
            Self::Shared(key) => is_signed::<Hmac<Sha256>>(&key.secret, url, form, signature),
        }
    }
}

impl Mismatch {
    fn of(accepted: &[String], almost: Option<String>, scheme: Option<Scheme>) -> Self {
        let tried: BTreeSet<String> = accepted.iter().map(|url| without_query(url)).collect();
        Self { tried: tried.into_iter().collect(), almost, scheme }
    }
}

impl std::error::Error for Mismatch {}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tried, almost, scheme } = self;
        if let Some(scheme) = scheme {
            return write!(f, "the X-Twilio-Signature was not looked at: {scheme}");
        }
        write!(f, "the X-Twilio-Signature fits none of {}", tried.join(", "))?;
        match almost {
            Some(url) => write!(f, ", but it fits {url}: check the scheme of PUBLIC_URL"),
            None => write!(f, ": check that PUBLIC_URL is what Twilio calls, and TWILIO_AUTH_TOKEN"),
        }
    }
}

/// The parts of a configured URL.
struct Base<'a> {
    scheme: &'a str,
    hosts: Vec<&'a str>,
    port: Option<&'a str>,
    /// The path, without a slash at its end.
    prefix: &'a str,
}

impl<'a> Base<'a> {
    fn new(url: &'a str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // A bracket after the last colon closes an IPv6 address, which holds colons of its own.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        Self { scheme, hosts: vec![host], port, prefix: prefix.trim_end_matches('/') }
    }

    /// Twilio may keep the host as somebody typed it in its console.
    fn spelled(mut self, host: &'a str) -> Self {
        if !self.hosts.contains(&host) {
            self.hosts.push(host);
        }
        self
    }

    /// Every form Twilio may have signed: each host, with and without a port, each path.
    fn urls(&self, scheme: &str, paths: &[String]) -> Vec<String> {
        let default_port = if matches!(scheme, "https" | "wss") { "443" } else { "80" };
        let port = self.port.unwrap_or(default_port);
        let origins = self.hosts.iter().flat_map(|host| {
            let (bare, with_port) = (format!("{scheme}://{host}"), format!("{scheme}://{host}:{port}"));
            if self.port.is_some() { [with_port, bare] } else { [bare, with_port] }
        });
        origins.flat_map(|origin| paths.iter().map(move |path| format!("{origin}{path}"))).collect()
    }
}

/// Some of Twilio's back ends sign `%27` where the request has a quote, and the other way round.
fn with_quotes(path: String) -> BTreeSet<String> {
    BTreeSet::from([path.replace('\'', "%27"), path.replace("%27", "'"), path])
}

fn without_query(url: &str) -> String {
    url.split_once('?').map_or_else(|| url.to_owned(), |(path, _)| format!("{path}?…"))
}

/// The form as it is signed: names in order of their bytes, each with its different values in the same order.
fn signed_form(params: &[(String, String)]) -> String {
    let mut form: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in params {
        form.entry(name).or_default().insert(value);
    }
    let pieces = form.iter().flat_map(|(name, values)| values.iter().flat_map(|value| [*name, *value]));
    pieces.collect()
}

fn is_signed<M: Mac + KeyInit>(secret: &SecretString, url: &str, form: &str, signature: &[u8]) -> bool {
    // `verify_slice` takes the same time wherever the difference is.
    keyed::<M>(secret.expose_secret(), url, form).is_some_and(|mac| mac.verify_slice(signature).is_ok())
}

/// HMAC takes keys of every length, so there is always one.
fn keyed<M: Mac + KeyInit>(secret: &str, url: &str, form: &str) -> Option<M> {
    let mac = <M as KeyInit>::new_from_slice(secret.as_bytes()).ok()?;
    Some(mac.chain_update(url).chain_update(form))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::wire::twilio::form::Pairs;

    #[derive(Deserialize)]
    struct Vectors {
        requests: Vec<Request>,
        upgrades: Vec<Upgrade>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Request {
        name: String,
        token: String,
        public_url: String,
        target: String,
        body: String,
        params: Vec<(String, String)>,
        signed: String,
        signature: String,
        /// The same with a shared key, by HMAC-SHA256.
        shared: String,
        accepted: bool,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Upgrade {
        name: String,
        token: String,
        stream_url: String,
        path: String,
        signed: String,
        signature: String,
        accepted: bool,
    }

    fn vectors() -> Vectors {
        serde_json::from_str(include_str!("../../../fixtures/twilio/signatures.json")).unwrap()
    }

    fn verifier(tokens: &[&str]) -> Verifier {
        Verifier::new(tokens.iter().map(|token| SecretString::from(*token)).collect())
    }

    #[test]
    fn we_sign_what_twilios_library_signs() {
        let vectors = vectors();
        assert!(vectors.requests.len() > 200 && vectors.upgrades.len() > 10);
        for v in &vectors.requests {
            assert_eq!(sign(&v.token, &v.signed, &v.params), v.signature, "{}", v.name);
            let key = SharedKey { id: "WK1".to_owned(), secret: v.token.as_str().into() };
            assert_eq!(sign_shared(&key, &v.signed, &v.params), v.shared, "{}", v.name);
            assert_eq!(Pairs::parse(v.body.as_bytes()).unwrap().as_slice(), v.params, "{}", v.name);
        }
        for v in &vectors.upgrades {
            assert_eq!(sign(&v.token, &v.signed, &[]), v.signature, "{}", v.name);
        }
    }

    #[test]
    fn every_webhook_of_the_vectors_is_judged_as_written_there() {
        for v in vectors().requests {
            let url = PublicUrl::parse(&v.public_url).unwrap();
            let verdict = verifier(&["another", &v.token]).verify_request(
                v.signature.as_str(),
                &url,
                &v.target,
                &v.params,
            );
            assert_eq!(verdict.is_ok(), v.accepted, "{}: {verdict:?}", v.name);
        }
    }

    #[test]
    fn every_upgrade_of_the_vectors_is_judged_as_written_there() {
        for v in vectors().upgrades {
            let url = StreamUrl::parse(&v.stream_url).unwrap();
            let verdict =
                verifier(&["another", &v.token]).verify_upgrade(v.signature.as_str(), &url, &v.path);
            assert_eq!(verdict.is_ok(), v.accepted, "{}: {verdict:?}", v.name);
        }
    }

    #[test]
    fn nothing_can_be_changed_after_signing() {
        for v in vectors().requests.into_iter().filter(|v| v.accepted) {
            let url = PublicUrl::parse(&v.public_url).unwrap();
            let refused =
                |verifier: &Verifier, signature: &str, target: &str, params: &[(String, String)]| {
                    assert!(verifier.verify_request(signature, &url, target, params).is_err(), "{}", v.name);
                };
            let good = verifier(&[&v.token]);
            let mut more = v.params.clone();
            more.push(("Extra".into(), String::new()));
            refused(&good, &v.signature, &v.target, &more);
            if let Some((_, fewer)) = v.params.split_first().filter(|(first, rest)| !rest.contains(first)) {
                refused(&good, &v.signature, &v.target, fewer);
            }
            refused(&good, &v.signature, &format!("{}x", v.target), &v.params);
            refused(&good, &v.signature[1..], &v.target, &v.params);
            refused(&good, "", &v.target, &v.params);
            refused(&good, "no base64!", &v.target, &v.params);
            refused(&verifier(&["another"]), &v.signature, &v.target, &v.params);
            refused(&verifier(&[]), &v.signature, &v.target, &v.params);
        }
    }

    const VOICE: &str = "https://voice.example.com/twilio/voice";

    fn known() -> (SharedKey, PublicUrl, Vec<(String, String)>) {
        let key =
            SharedKey { id: "WK1".to_owned(), secret: "2b7e151628aed2a6abf7158809cf4f3c".to_owned().into() };
        let params = [
            ("CallSid", "CA00000000000000000000000000000001"),
            ("From", "+14155550123"),
            ("To", "+15005550006"),
        ];
        let params = params.map(|(name, value)| (name.to_owned(), value.to_owned()));
        (key, PublicUrl::parse("https://voice.example.com").unwrap(), params.into())
    }

    #[test]
    fn a_header_chooses_among_the_schemes_that_are_configured_and_opens_none() {
        let (key, url, params) = known();
        let (sha1, sha256) = (sign("token", VOICE, &params), sign_shared(&key, VOICE, &params));
        let named = "key=WK1,algorithm=HMAC_SHA256";
        let token_only = verifier(&["token"]);
        let key_only = verifier(&[]).with_shared_keys(vec![key.clone()]);
        let both = verifier(&["token"]).with_shared_keys(vec![key.clone()]);
        let verdict = |verifier: &Verifier, text: &str, settings: Option<&str>| {
            verifier.verify_request(Signature { text, settings }, &url, "/twilio/voice", &params)
        };
        for (verifier, text, settings) in [
            (&token_only, &sha1, None),
            (&token_only, &sha1, Some("algorithm=HMAC_SHA1")),
            (&key_only, &sha256, Some(named)),
            (&both, &sha1, None),
            (&both, &sha256, Some(named)),
            (&both, &sha256, Some(" algorithm=HMAC_SHA256 , key=WK1 , more=1")),
        ] {
            assert_eq!(verdict(verifier, text, settings), Ok(()), "{settings:?}");
        }
        let unknown = |id: &str| Some(Scheme::UnknownKey(id.to_owned()));
        let odd = || Some(Scheme::UnknownAlgorithm("NONE".to_owned()));
        for (verifier, text, settings, scheme) in [
            // What was taken before is not taken any more, whatever the header says.
            (&key_only, &sha1, None, Some(Scheme::NoToken)),
            (&key_only, &sha1, Some("key=WK1,algorithm=HMAC_SHA1"), Some(Scheme::NoToken)),
            (&key_only, &sha1, Some(named), None),
            // A key nobody configured, or none, or the wrong kind of signature.
            (&token_only, &sha256, Some(named), unknown("WK1")),
            (&both, &sha256, Some("key=WK2,algorithm=HMAC_SHA256"), unknown("WK2")),
            (&both, &sha256, Some("algorithm=HMAC_SHA256"), unknown("")),
            (&both, &sha1, Some(named), None),
            (&both, &sha256, None, None),
            (&both, &sha256, Some("key=WK1"), None),
            (&both, &sha1, Some("key=WK1,algorithm=none"), odd()),
        ] {
            let mismatch = verdict(verifier, text, settings).unwrap_err();
            assert_eq!(mismatch.scheme, scheme, "{settings:?}: {mismatch}");
        }
    }

    #[test]
    fn a_mismatch_names_urls_but_neither_token_nor_people() {
        let url = PublicUrl::parse("https://voice.example.com").unwrap();
        let params = [("From".to_owned(), "+14155550123".to_owned())];
        let mismatch = verifier(&["t0ken"]).verify_request("AAAA", &url, "/v?From=%2B14155550123", &params);
        let mismatch = mismatch.unwrap_err();
        let said = format!("{mismatch} {mismatch:?} {:?}", verifier(&["t0ken"]));
        assert!(said.contains("https://voice.example.com/v?…") && said.contains("PUBLIC_URL"), "{said}");
        assert!(!said.contains("4155550123") && !said.contains("t0ken"), "{said}");
    }

    #[test]
    fn a_wrong_scheme_is_refused_and_named() {
        let wss = StreamUrl::parse("wss://voice.example.com/m").unwrap();
        let signature = sign("t", "https://voice.example.com/m", &[]);
        let mismatch = verifier(&["t"]).verify_upgrade(signature.as_str(), &wss, "/m").unwrap_err();
        assert_eq!(mismatch.almost.as_deref(), Some("https://voice.example.com/m"));
        let https = PublicUrl::parse("https://voice.example.com").unwrap();
        let signature = sign("t", "http://voice.example.com/v", &[]);
        let mismatch = verifier(&["t"]).verify_request(signature.as_str(), &https, "/v", &[]).unwrap_err();
        assert_eq!(mismatch.almost.as_deref(), Some("http://voice.example.com/v"));
    }
}
