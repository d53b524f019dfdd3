//! Certificates of every kind, made on the spot: by an authority that a test believes, and by others.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Where an issuer's own certificate can be had; every certificate of a real authority says so.
const AUTHORITY_INFORMATION_ACCESS: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 1, 1];
/// `http://ca.example.com/i`, in the words of that extension (DER).
const ISSUER_AT: &[u8] =
    b"\x30\x25\x30\x23\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02\x86\x17http://ca.example.com/i";

/// An authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with those that vouch for it, and its key.
pub(crate) struct Chain {
    /// What is sent, in order, as PEM.
    pub(crate) certificates: Vec<String>,
    /// Its key, as PEM.
    pub(crate) key: String,
}

impl Authority {
    /// One that vouches for itself.
    pub(crate) fn root(name: &str) -> Self {
        Self(CertifiedIssuer::self_signed(authority(name), KeyPair::generate().unwrap()).unwrap())
    }

    /// One that this one vouches for.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        Self(CertifiedIssuer::signed_by(authority(name), KeyPair::generate().unwrap(), &self.0).unwrap())
    }

    /// What whoever believes it has.
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// The same as PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names, good in every way.
    pub(crate) fn issue(&self, names: &[&str]) -> Chain {
        self.issue_as(names, |_| {})
    }

    /// One that was good until some years ago.
    pub(crate) fn issue_expired(&self, names: &[&str]) -> Chain {
        self.issue_as(names, |leaf| leaf.not_after = date_time_ymd(2024, 1, 1))
    }

    fn issue_as(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Chain {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut leaf = CertificateParams::new(names).unwrap();
        leaf.distinguished_name.push(DnType::CommonName, "the leaf");
        let at = CustomExtension::from_oid_content(&AUTHORITY_INFORMATION_ACCESS, ISSUER_AT.to_vec());
        leaf.custom_extensions = vec![at];
        change(&mut leaf);
        let key = KeyPair::generate().unwrap();
        let certificate = leaf.signed_by(&key, &self.0).unwrap();
        Chain { certificates: vec![certificate.pem()], key: key.serialize_pem() }
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Chain {
    /// One that vouches for itself.
    pub(crate) fn self_signed(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        Self { certificates: vec![made.cert.pem()], key: made.signing_key.serialize_pem() }
    }

    /// With the certificate of its issuer sent, too.
    pub(crate) fn and(mut self, issuer: &Authority) -> Self {
        self.certificates.push(issuer.pem());
        self
    }

    /// As one file: certificates, then the key.
    pub(crate) fn pem(&self) -> String {
        [self.certificates.concat(), self.key.clone()].concat()
    }

    /// TLS that shows it, and agrees on one of these protocols.
    pub(crate) fn server(&self, protocols: &[&str]) -> ServerConfig {
        let certificates = self.certificates.iter().map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()));
        let certificates: Vec<_> = certificates.collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let config = ServerConfig::builder_with_provider(provider.into());
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut config = config.with_single_cert(certificates, key).unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}
