//! The byte stream under the replication protocol: TCP, or TLS over it, with what channel binding needs of the certificate.

use std::sync::Arc;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::super::connect::PostgresSourceOptions;
use super::super::failure;
use crate::error::{Class, Error, Result};
use crate::transport::{Tls, client_config};

/// A connected byte stream.
pub(in super::super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Wire for T {}

/// A connected socket.
pub(super) struct Socket {
    /// The bytes.
    pub(super) wire: Box<dyn Wire>,
    /// Whether they are encrypted.
    pub(super) encrypted: bool,
    /// The hash of the server's certificate that `tls-server-end-point` (RFC 5929) asks for.
    pub(super) end_point: Option<Vec<u8>>,
}

/// Connects.
pub(super) async fn dial(options: &PostgresSourceOptions, attempt: &str) -> Result<Socket> {
    options.check_transport()?;
    let address = (options.host.as_str(), options.port);
    let stream = TcpStream::connect(address).await.map_err(|error| failure::of_io(error, attempt))?;
    stream.set_nodelay(true).map_err(|error| failure::of_io(error, attempt))?;
    match &options.tls {
        Tls::Off => Ok(Socket { wire: Box::new(stream), encrypted: false, end_point: None }),
        Tls::VerifyFull { ca } => encrypted(stream, &options.host, ca.as_deref(), attempt).await,
    }
}

async fn encrypted(mut stream: TcpStream, host: &str, ca: Option<&std::path::Path>, attempt: &str) -> Result<Socket> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await.map_err(|error| failure::of_io(error, attempt))?;
    let answer = stream.read_u8().await.map_err(|error| failure::of_io(error, attempt))?;
    if answer != b'S' {
        return Err(Error::new(Class::Preflight, format!("could not {attempt}: the server offers no TLS"))
            .with_hint("enable ssl on the server; a connection off loopback is never made without it"));
    }
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| Error::new(Class::Mapping, format!("{host} is no host name")).because(error))?;
    let connector = TlsConnector::from(Arc::new(client_config(ca)?));
    let tls = connector.connect(name, stream).await.map_err(|error| failure::of_io(error, attempt))?;
    let certificate = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let end_point = certificate.and_then(|certificate| end_point(certificate));
    Ok(Socket { wire: Box::new(tls), encrypted: true, end_point })
}

/// The hash of a certificate by the algorithm of its signature, MD5 and SHA-1 raised to SHA-256 (RFC 5929, 4.1). `None` for algorithms
/// that name no hash (Ed25519) or one that is not at hand: then there is no binding.
fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    use rustls::crypto::ring::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384};
    let suite = match signature_algorithm(certificate)? {
        SHA256_RSA | SHA1_RSA | MD5_RSA | ECDSA_SHA256 | ECDSA_SHA1 => TLS13_AES_128_GCM_SHA256,
        SHA384_RSA | ECDSA_SHA384 => TLS13_AES_256_GCM_SHA384,
        _ => return None,
    };
    let hash = suite.tls13()?.common.hash_provider.hash(certificate);
    Some(hash.as_ref().to_vec())
}

const MD5_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4];
const SHA1_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5];
const SHA256_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const SHA384_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12];
const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const ECDSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];

/// The object identifier of `Certificate.signatureAlgorithm` (RFC 5280, 4.1): the second member of the outer sequence.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (_, outer, _) = element(certificate)?;
    let (_, _signed, rest) = element(outer)?;
    let (_, algorithm, _) = element(rest)?;
    let (tag, identifier, _) = element(algorithm)?;
    (tag == 6).then_some(identifier)
}

/// A DER element: tag, contents, what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*first) {
        short @ 0..0x80 => (short, rest),
        long => {
            let (digits, rest) = rest.split_at_checked(long - 0x80)?;
            (digits.iter().try_fold(0_usize, |length, digit| length.checked_mul(256)?.checked_add(usize::from(*digit)))?, rest)
        }
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((*tag, contents, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_algorithm_is_found_in_a_certificate_and_nowhere_else() {
        let mut algorithm = vec![6, 8];
        algorithm.extend_from_slice(ECDSA_SHA256);
        let mut body = vec![0x30, 0x81, 2, 5, 0];
        body.extend([0x30, algorithm.len() as u8]);
        body.extend(&algorithm);
        body.extend([3, 1, 0]);
        let mut certificate = vec![0x30, body.len() as u8];
        certificate.extend(&body);
        assert_eq!(signature_algorithm(&certificate), Some(ECDSA_SHA256));
        assert_eq!(end_point(&certificate).map(|hash| hash.len()), Some(32));
        for cut in 0..certificate.len() {
            assert_eq!(signature_algorithm(&certificate[..cut]), None);
        }
    }
}
