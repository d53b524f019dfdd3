//! The socket to the speech model: found, opened and secured here; what is said on it is the bridge's business.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use url::{Host, Url};

/// A socket to the model.
pub type ModelSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// From looking up the name to the 101. A transatlantic handshake takes three round trips, half a second; the call
/// itself gives up on a model after ten, and wants time for a second try before that.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// How long one address may keep silent before the next is tried beside it, as RFC 8305 §5 recommends: a network
/// with broken IPv6 costs a quarter of a second, not the call.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Addresses tried for one name. A service has a handful of each family; more would outlive the patience anyhow.
const MAX_ADDRESSES: usize = 8;

/// Small frames read through the default of 128 KiB cost three times the CPU and fourteen times the memory.
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// What one step of a call says leaves in one system call when it is flushed, which follows at once.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;

/// What the model may leave untaken before it is given up: the caller's audio of 20 s is 214 KB with its wrapping, and
/// a session's setup and history go before it.
const MAX_WRITE_BUFFER_BYTES: usize = 512 * 1024;

/// Audio deltas are some 10 KB; a long answer's closing event repeats its words, and the official clients know no
/// limit at all.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Where the model is and how to prove who we are.
#[derive(Debug, Clone)]
pub struct RealtimeSettings {
    /// `wss://host/path`, or `ws://` for a server on this machine; a query is kept.
    pub url: String,
    /// The model asked for when neither the plan nor the URL's own query names one.
    pub model: String,
    /// How we prove who we are.
    pub auth: Auth,
    /// Whom we trust.
    pub tls: Arc<ClientConfig>,
}

/// How we prove to the model's server who we are.
#[derive(Debug, Clone)]
pub enum Auth {
    /// `Authorization: Bearer …`, as OpenAI and most compatible servers want it.
    Bearer(SecretString),
    /// `api-key: …`, as Azure wants it.
    ApiKey(SecretString),
    /// Not at all.
    None,
}

/// Opens sockets to the model. It connects to nothing before it is asked.
#[derive(Clone)]
pub struct RealtimeClient {
    url: Url,
    model: String,
    credential: Option<(HeaderName, HeaderValue)>,
    tls: Arc<ClientConfig>,
}

/// Why there is no socket to the model.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL in the settings cannot be used.
    #[error("the model's URL cannot be used: {0}; write it like wss://api.openai.com/v1/realtime")]
    Url(&'static str),
    /// The key in the settings cannot stand in a header.
    #[error("the model's key has characters in it that no key has; check for quotes and line breaks")]
    Key,
    /// The name has no address.
    #[error("cannot find the address of {host}")]
    Dns {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address took the connection.
    #[error("cannot connect to {host}")]
    Refused {
        /// The name.
        host: String,
        /// What the last address said.
        source: io::Error,
    },
    /// There was a connection, but no trusted one.
    #[error("cannot agree on TLS with {host}")]
    Tls {
        /// The name.
        host: String,
        /// What was wrong.
        source: io::Error,
    },
    /// The server answered with something else than a socket.
    #[error("{host} answered with HTTP {status} instead of a WebSocket")]
    Http {
        /// The name.
        host: String,
        /// The status: 401 is a wrong key, 404 a wrong path or model. Redirects are never followed with a key.
        status: u16,
    },
    /// What the server answered is no WebSocket handshake.
    #[error("cannot open a WebSocket to {host}")]
    Handshake {
        /// The name.
        host: String,
        /// What was wrong.
        source: Box<WsError>,
    },
    /// It took too long.
    #[error("{host} did not answer within {} s", CONNECT_PATIENCE.as_secs())]
    Timeout {
        /// The name.
        host: String,
    },
}

impl ConnectError {
    /// Whether trying again cannot help, because the server has understood us and says no, or we cannot even ask.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Url(_) | Self::Key => true,
            Self::Http { status, .. } => matches!(status, 300..=399 | 400 | 401 | 403 | 404),
            Self::Dns { .. }
            | Self::Refused { .. }
            | Self::Tls { .. }
            | Self::Handshake { .. }
            | Self::Timeout { .. } => false,
        }
    }
}

impl RealtimeClient {
    /// A client for the server named in the settings. Nothing is connected yet; only mistakes in writing are found.
    pub fn new(settings: RealtimeSettings) -> Result<Self, ConnectError> {
        let url = Url::parse(&settings.url).map_err(|_| ConnectError::Url("it is not a URL"))?;
        if !matches!(url.scheme(), "ws" | "wss") {
            return Err(ConnectError::Url("it must begin with wss:// or ws://"));
        }
        if url.host().is_none() {
            return Err(ConnectError::Url("it has no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ConnectError::Url("it has a user name or password in it"));
        }
        let credential = match settings.auth {
            Auth::Bearer(key) => Some((AUTHORIZATION, secret(&format!("Bearer {}", key.expose_secret()))?)),
            Auth::ApiKey(key) => Some((HeaderName::from_static("api-key"), secret(key.expose_secret())?)),
            Auth::None => None,
        };
        Ok(Self { url, model: settings.model, credential, tls: settings.tls })
    }

    /// The model that a call without a model of its own will get.
    pub fn model(&self) -> String {
        self.named_in_url().unwrap_or_else(|| self.model.clone())
    }

    /// Opens one socket. `model` is the plan's own wish; `safety_identifier` a keyed hash of the caller, never the
    /// caller, by which OpenAI tells one abuser from the whole account.
    pub async fn connect(
        &self,
        model: Option<&str>,
        safety_identifier: Option<&str>,
    ) -> Result<ModelSocket, ConnectError> {
        let host = self.url.host_str().unwrap_or_default();
        let request = self.request(model, safety_identifier)?;
        let opened = timeout(CONNECT_PATIENCE, self.open(host, request)).await;
        opened.unwrap_or_else(|_elapsed| Err(ConnectError::Timeout { host: host.to_owned() }))
    }

    async fn open(&self, host: &str, request: Request) -> Result<ModelSocket, ConnectError> {
        let port = self.url.port_or_known_default().unwrap_or(443);
        let addresses = self.addresses(host, port).await?;
        let tcp = first_to_answer(&addresses)
            .await
            .map_err(|source| ConnectError::Refused { host: host.to_owned(), source })?;
        // A frame is smaller than a segment: with Nagle's algorithm it would wait for the last one's acknowledgement.
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "cannot turn off Nagle's algorithm towards the model");
        }
        let connector = Connector::Rustls(Arc::clone(&self.tls));
        let opened = client_async_tls_with_config(request, tcp, Some(socket_config()), Some(connector)).await;
        match opened {
            Ok((socket, _response)) => Ok(socket),
            Err(error) => Err(refused_handshake(host.to_owned(), error)),
        }
    }

    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        let found = match self.url.host() {
            Some(Host::Ipv4(ip)) => return Ok(vec![SocketAddr::from((ip, port))]),
            Some(Host::Ipv6(ip)) => return Ok(vec![SocketAddr::from((ip, port))]),
            Some(Host::Domain(name)) => lookup_host((name, port)).await,
            None => Err(io::Error::from(io::ErrorKind::AddrNotAvailable)),
        };
        match found {
            Ok(found) => Ok(families_alternating(found.collect())),
            Err(source) => Err(ConnectError::Dns { host: host.to_owned(), source }),
        }
    }

    fn request(&self, model: Option<&str>, safety_identifier: Option<&str>) -> Result<Request, ConnectError> {
        let mut request = self
            .url_for(model)
            .as_str()
            .into_client_request()
            .map_err(|_| ConnectError::Url("it cannot stand in a request"))?;
        let headers = request.headers_mut();
        if let Some((name, value)) = &self.credential {
            headers.insert(name.clone(), value.clone());
        }
        // What cannot stand in a header is no hash; the call matters more than the header.
        if let Some(value) = safety_identifier.and_then(|hash| HeaderValue::from_str(hash).ok()) {
            headers.insert("openai-safety-identifier", value);
        }
        Ok(request)
    }

    /// The URL with exactly one `model`: the plan's, else the one somebody wrote into the URL, else the setting's.
    fn url_for(&self, model: Option<&str>) -> Url {
        let model = model.map_or_else(|| self.model(), str::to_owned);
        let mut url = self.url.clone();
        let rest: Vec<(String, String)> = self
            .url
            .query_pairs()
            .filter(|(name, _)| name != "model")
            .map(|(k, v)| (k.into(), v.into()))
            .collect();
        url.query_pairs_mut().clear().extend_pairs(rest).append_pair("model", &model);
        url
    }

    fn named_in_url(&self) -> Option<String> {
        self.url.query_pairs().find(|(name, _)| name == "model").map(|(_, model)| model.into_owned())
    }
}

impl fmt::Debug for RealtimeClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealtimeClient").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

fn secret(text: &str) -> Result<HeaderValue, ConnectError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| ConnectError::Key)?;
    value.set_sensitive(true);
    Ok(value)
}

fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
}

fn refused_handshake(host: String, error: WsError) -> ConnectError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all other errors of the WebSocket library mean the same here"
    )]
    match error {
        WsError::Http(response) => ConnectError::Http { host, status: response.status().as_u16() },
        // rustls tells its own errors as InvalidData; a name it cannot verify is one as well.
        WsError::Io(source) if source.kind() == io::ErrorKind::InvalidData => {
            ConnectError::Tls { host, source }
        }
        WsError::Tls(error) => ConnectError::Tls { host, source: io::Error::other(error) },
        WsError::Io(source) => ConnectError::Refused { host, source },
        other => ConnectError::Handshake { host, source: Box::new(other) },
    }
}

/// The addresses with the families taking turns, in the resolver's order, so that the second try is another family.
fn families_alternating(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = found.into_iter().partition(|a| a.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed = Vec::new();
    while mixed.len() < MAX_ADDRESSES {
        let before = mixed.len();
        mixed.extend(first.next());
        mixed.extend(second.next());
        if mixed.len() == before {
            break;
        }
    }
    mixed
}

/// Connects to the first address that answers: each gets a head start before the next is tried beside it.
async fn first_to_answer(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut waiting = addresses.iter();
    let mut trying = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    loop {
        let next = waiting.next();
        if let Some(address) = next {
            trying.push(TcpStream::connect(*address));
        } else if trying.is_empty() {
            return Err(last);
        }
        let patience = async {
            match next {
                Some(_) => sleep(NEXT_ADDRESS_AFTER).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(answer) = trying.next() => match answer {
                Ok(connected) => return Ok(connected),
                Err(error) => last = error,
            },
            () = patience => {}
        }
    }
}

#[cfg(test)]
mod tests;
