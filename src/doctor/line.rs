//! The way to a host, by hand: its addresses, a connection to each, and TLS as Twilio wants it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error as TlsError, RootCertStore};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::MaybeTlsStream;

use super::certificate::{self, issuer_is_missing};
use super::facts::{Address, Failure, Place, Tls, TlsFault, Way};
use crate::sim::socket::Clock;

/// Twilio waits five seconds for a connection, and tries again once.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// A resolver that takes longer is as good as none.
const RESOLVE_PATIENCE: Duration = Duration::from_secs(5);

/// A handshake is two round trips.
const TLS_PATIENCE: Duration = Duration::from_secs(5);

/// More addresses than a provider gives one host.
const MAX_ADDRESSES: usize = 8;

/// A connection over which a request can be made.
pub(super) type Line = MaybeTlsStream<TcpStream>;

/// Whose certificates are believed, and what is spoken.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    http11: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
    /// Believes everything, and is used to look at what cannot be believed.
    blind: Arc<ClientConfig>,
    /// Names that are not looked up, because somebody said where they lead.
    names: Arc<[(String, IpAddr)]>,
}

impl Trust {
    /// The roots the world believes, and `more`, in DER.
    pub(super) fn new(more: Vec<CertificateDer<'static>>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for root in more {
            roots.add(root)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = || {
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()
        };
        let mut http11 = builder()?.with_root_certificates(roots).with_no_client_auth();
        http11.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut h2 = http11.clone();
        h2.alpn_protocols = vec![b"h2".to_vec()];
        let blind = builder()?
            .dangerous()
            .with_custom_certificate_verifier(certificate::Blind::new(&provider))
            .with_no_client_auth();
        Ok(Self { http11: http11.into(), h2: h2.into(), blind: blind.into(), names: Arc::new([]) })
    }

    /// Has these names lead there, whatever the resolver says.
    pub(super) fn knowing(mut self, names: &[(String, IpAddr)]) -> Self {
        self.names = names.into();
        self
    }

    /// Where a name leads because somebody said so; nowhere as a rule.
    fn said(&self, host: &str) -> Vec<IpAddr> {
        let of_host = |(name, ip): &(String, IpAddr)| name.eq_ignore_ascii_case(host).then_some(*ip);
        self.names.iter().filter_map(of_host).collect()
    }
}

/// Looks at the way to a place without asking anything there.
pub(super) async fn look(place: &Place, trust: &Trust, now_ms: i64) -> Way {
    let mut way = Way::default();
    let ips = match addresses(place, trust).await {
        Ok(ips) => ips,
        Err(why) => {
            way.no_address = Some(why);
            return way;
        }
    };
    // A person who asks about this machine means it.
    let here = ips.iter().all(IpAddr::is_loopback);
    for ip in ips {
        let clock = Clock::start();
        let connected = connect(SocketAddr::new(ip, place.port)).await;
        let connected = connected.map(|_| clock.now().as_millis());
        way.addresses.push(Address { ip, public: here || is_public(ip), connected });
    }
    let Some(good) = way.addresses.iter().find(|address| address.connected.is_ok()).filter(|_| place.secure)
    else {
        return way;
    };
    let address = SocketAddr::new(good.ip, place.port);
    way.tls = Some(tls_of(place, address, trust, now_ms).await);
    way.takes_h2 = match handshake(place, address, &trust.h2).await {
        Ok(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        Err(_) => false,
    };
    way
}

/// Opens a connection to the first address that takes one.
pub(super) async fn open(place: &Place, trust: &Trust) -> Result<Line, Failure> {
    let mut last = Failure::Other(format!("{} has no address", place.host));
    for ip in addresses(place, trust).await.map_err(Failure::Other)? {
        let address = SocketAddr::new(ip, place.port);
        let opened = if place.secure {
            handshake(place, address, &trust.http11).await.map(MaybeTlsStream::Rustls)
        } else {
            connect(address).await.map(MaybeTlsStream::Plain)
        };
        match opened {
            Ok(line) => return Ok(line),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

async fn addresses(place: &Place, trust: &Trust) -> Result<Vec<IpAddr>, String> {
    let host = place.host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = host.parse() {
        return Ok(vec![ip]);
    }
    let said = trust.said(host);
    if !said.is_empty() {
        return Ok(said);
    }
    let found = match timeout(RESOLVE_PATIENCE, lookup_host((host, place.port))).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("the resolver did not answer".to_owned()),
    };
    let mut ips = Vec::new();
    for ip in found.map(|address| address.ip()) {
        if !ips.contains(&ip) && ips.len() < MAX_ADDRESSES {
            ips.push(ip);
        }
    }
    if ips.is_empty() { Err("the name has no address".to_owned()) } else { Ok(ips) }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    match timeout(CONNECT_PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            // What is written is one request; it must not wait for company.
            let _as_it_is = stream.set_nodelay(true);
            Ok(stream)
        }
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Err(Failure::Refused),
        Ok(Err(error)) => Err(Failure::Other(error.to_string())),
        Err(_) => Err(Failure::Silent),
    }
}

async fn handshake(
    place: &Place,
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, Failure> {
    let host = place.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(|error| Failure::Other(error.to_string()))?;
    let tcp = connect(address).await?;
    match timeout(TLS_PATIENCE, TlsConnector::from(Arc::clone(config)).connect(name, tcp)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(Failure::Tls(fault_of(&error))),
        Err(_) => Err(Failure::Tls(TlsFault::Silent)),
    }
}

async fn tls_of(place: &Place, address: SocketAddr, trust: &Trust, now_ms: i64) -> Result<Tls, TlsFault> {
    match handshake(place, address, &trust.http11).await {
        Ok(stream) => {
            let (_, agreed) = stream.get_ref();
            let leaf = agreed.peer_certificates().and_then(<[_]>::first);
            Ok(Tls {
                version: agreed.protocol_version().map(|version| format!("{version:?}")).unwrap_or_default(),
                alpn: agreed.alpn_protocol().map(|alpn| String::from_utf8_lossy(alpn).into_owned()),
                days_left: leaf.and_then(|leaf| certificate::days_left(leaf, now_ms)),
            })
        }
        Err(Failure::Tls(TlsFault::UnknownIssuer(_))) => {
            // Whether its issuer is unknown or only missing shows in what was sent.
            let chain = match handshake(place, address, &trust.blind).await {
                Ok(stream) => stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec(),
                Err(_) => Vec::new(),
            };
            Err(issuer_is_missing(&chain))
        }
        Err(Failure::Tls(fault)) => Err(fault),
        Err(failure) => Err(TlsFault::Other(format!("{failure:?}"))),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what is not told apart below is told as it is")]
fn fault_of(error: &std::io::Error) -> TlsFault {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) else {
        return TlsFault::NotTls(error.to_string());
    };
    match error {
        TlsError::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                TlsFault::Expired("has expired".to_owned())
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsFault::Expired("is not valid yet".to_owned())
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                TlsFault::OtherName(presented.clone())
            }
            CertificateError::NotValidForName => TlsFault::OtherName(Vec::new()),
            CertificateError::UnknownIssuer => TlsFault::UnknownIssuer(String::new()),
            other => TlsFault::Other(format!("{other:?}")),
        },
        TlsError::AlertReceived(AlertDescription::NoApplicationProtocol)
        | TlsError::NoApplicationProtocol => TlsFault::NoHttp11,
        TlsError::InvalidMessage(_) => {
            TlsFault::NotTls("what comes is no TLS; plain HTTP, most likely".to_owned())
        }
        TlsError::PeerIncompatible(_) | TlsError::AlertReceived(AlertDescription::ProtocolVersion) => {
            TlsFault::NotTls(error.to_string())
        }
        other => TlsFault::Other(other.to_string()),
    }
}

/// Whether the world can reach an address.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = ip.octets().starts_with(&[100]) && (64..128).contains(&ip.octets()[1]);
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || shared)
        }
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => is_public(IpAddr::V4(ip)),
            None => {
                !(ip.is_loopback()
                    || ip.is_unspecified()
                    || ip.is_unique_local()
                    || ip.is_unicast_link_local())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_behind_a_router_are_not_public() {
        for private in [
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["8.8.8.8", "100.63.0.1", "2606:4700::1111"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}
