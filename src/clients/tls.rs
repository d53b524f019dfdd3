//! Whom we trust: the public roots that Mozilla publishes, compiled in, so that an image without certificates works.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

/// The TLS library could not be set up; nothing outside can cause it.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up TLS")]
pub struct TlsError(#[from] rustls::Error);

/// TLS that trusts the public roots and presents no certificate. The provider is named, so that a dependency with
/// another one cannot turn this into a panic at run time.
pub fn tls_with_public_roots() -> Result<Arc<ClientConfig>, TlsError> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
