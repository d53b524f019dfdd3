//! What a certificate says of itself, also one that nobody believes.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate};

use super::facts::TlsFault;

/// A day in milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Whole days until a certificate expires.
pub(super) fn days_left(certificate: &CertificateDer<'_>, now_ms: i64) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let until_ms = certificate.validity().not_after.timestamp().checked_mul(1_000)?;
    Some(until_ms.saturating_sub(now_ms).div_euclid(DAY_MS))
}

/// Tells a chain that lacks a link from one that leads nowhere. A certificate of an authority says where that of its
/// issuer can be had, which is how browsers find what a server leaves out; one that somebody made says nothing.
pub(super) fn issuer_is_missing(chain: &[CertificateDer<'_>]) -> TlsFault {
    let parsed: Vec<_> =
        chain.iter().filter_map(|der| Some(X509Certificate::from_der(der).ok()?.1)).collect();
    let Some(last) = parsed.last() else { return TlsFault::UnknownIssuer("nobody who says so".to_owned()) };
    let issuer = last.issuer().to_string();
    if last.issuer() == last.subject() {
        let who = if parsed.len() == 1 { "itself".to_owned() } else { issuer };
        return TlsFault::UnknownIssuer(who);
    }
    let can_be_had = last
        .extensions()
        .iter()
        .any(|extension| matches!(extension.parsed_extension(), ParsedExtension::AuthorityInfoAccess(_)));
    if can_be_had { TlsFault::MissingIntermediate(issuer) } else { TlsFault::UnknownIssuer(issuer) }
}

/// Believes every certificate: nothing is said over such a connection.
#[derive(Debug)]
pub(super) struct Blind(Arc<CryptoProvider>);

impl Blind {
    pub(super) fn new(provider: &Arc<CryptoProvider>) -> Arc<Self> {
        Arc::new(Self(Arc::clone(provider)))
    }
}

impl ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
