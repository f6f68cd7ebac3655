//! The TLS client configuration: TLS 1.2 or later, certificate and host name verified, no way around it.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Class, Error, Result};

/// A configuration that trusts the authorities of `ca`, or the system's.
///
/// # Errors
/// The file cannot be read, or there is no authority at all.
pub(super) async fn client_config(ca: Option<&Path>) -> Result<ClientConfig> {
    let roots = match ca {
        Some(path) => file_roots(path).await?,
        None => system_roots()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::bug("the TLS provider has no safe protocol version").because(error))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

async fn file_roots(path: &Path) -> Result<RootCertStore> {
    let unusable = || Error::new(Class::Mapping, format!("cannot use the certificate authorities in {}", path.display()));
    let pem = tokio::fs::read(path).await.map_err(|error| unusable().because(error))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unusable().because(format!("{error:?}")))?;
        roots.add(certificate).map_err(|error| unusable().because(error))?;
    }
    if roots.is_empty() { Err(unusable().with_hint("the file holds no PEM certificate")) } else { Ok(roots) }
}

fn system_roots() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Error::new(Class::Mapping, "the system has no certificate authorities")
            .with_hint("give the certificate authority in tls.ca"));
    }
    Ok(roots)
}
