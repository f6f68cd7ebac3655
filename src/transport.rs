//! What the connections of sources and targets share: passwords that cannot be printed, and how a connection is protected.
//!
//! TLS is 1.2 or later with certificate and host name verified; there is no way around it but loopback.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Class, Error, Result};

/// A password. Has no `Debug`, `Display` or `Serialize`, so that it cannot reach a log by accident.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a password.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The password, for the driver that sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// How a connection is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Not at all: only on loopback and Unix sockets.
    Off,
    /// TLS 1.2 or later; certificate and host name are verified.
    VerifyFull {
        /// A PEM file of certificate authorities; `None`: the system's.
        ca: Option<PathBuf>,
    },
}

/// Whether a host name or address means this machine.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A TLS configuration that trusts the authorities of `ca`, or the system's. Reads the file each time, so that a rotated authority is
/// picked up.
///
/// # Errors
/// The file cannot be read, or there is no authority at all.
pub fn client_config(ca: Option<&Path>) -> Result<ClientConfig> {
    let roots = match ca {
        Some(path) => file_roots(path)?,
        None => system_roots()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::bug("the TLS provider has no safe protocol version").because(error))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn file_roots(path: &Path) -> Result<RootCertStore> {
    let unusable = || Error::new(Class::Mapping, format!("cannot use the certificate authorities in {}", path.display()));
    let pem = std::fs::read(path).map_err(|error| unusable().because(error))?;
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

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_this_machine_is_loopback() {
        for (host, local) in
            [("127.0.0.1", true), ("::1", true), ("localhost", true), ("10.0.0.5", false), ("127.0.0.1.example.com", false)]
        {
            assert_eq!(is_loopback(host), local, "{host}");
        }
    }
}
