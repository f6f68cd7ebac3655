//! TLS with an authority of our own: the certificate is verified in full, and a login is bound to the certificate that the server itself has, so
//! that nobody in between gets in, not even with a certificate of the same authority.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::error::Class;
use crate::source::postgres::replication::client::Client;
use crate::transport::client_config;

/// What a client sends to ask for TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

fn openssl(folder: &Path, arguments: &str) -> bool {
    let done = std::process::Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
    done.is_ok_and(|output| output.status.success())
}

/// A certificate of the authority `ca` for `localhost`: `NAME.pem` with `NAME.key`.
fn certificate(folder: &Path, name: &str) {
    std::fs::write(folder.join("ext"), "subjectAltName=DNS:localhost").unwrap();
    assert!(openssl(folder, &format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN=localhost")));
    let sign = "x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext";
    assert!(openssl(folder, &format!("{sign} -in {name}.csr -out {name}.pem")));
}

/// A server that speaks TLS as `localhost`; options that trust its authority.
async fn protected() -> Option<(TestPostgres, PathBuf, PostgresSourceOptions)> {
    let server = TestPostgres::start(SETTINGS).await?;
    let folder = server.folder().to_owned();
    if !openssl(&folder, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2") {
        eprintln!("SKIPPED: no openssl to make certificates with");
        return None;
    }
    certificate(&folder, "server");
    for (setting, file) in [("ssl_key_file", "server.key"), ("ssl_cert_file", "server.pem")] {
        let path = folder.join(file);
        server.hand_over(&path);
        server.run("postgres", &format!("ALTER SYSTEM SET {setting} = '{}'", path.display())).await;
    }
    server.run("postgres", "ALTER SYSTEM SET ssl = on").await;
    server.run("postgres", "SELECT pg_reload_conf()").await;
    let mut options = super::options(&server, "postgres");
    options.host = "localhost".into();
    options.tls = Tls::VerifyFull { ca: Some(folder.join("ca.pem")) };
    Some((server, folder, options))
}

async fn connected(options: &PostgresSourceOptions) -> Client {
    loop {
        match Client::connect(options, None).await {
            Ok(client) => return client,
            // The settings are being loaded.
            Err(error) if error.message().contains("offers no TLS") => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test]
async fn tls_is_verified_in_full() {
    let Some((server, folder, mut options)) = protected().await else { return };
    let mut client = connected(&options).await;
    client.identify().await.unwrap();
    assert_eq!(server.ask("postgres", "SELECT count(*) FROM pg_stat_ssl WHERE ssl").await, ["1"]);
    PostgresSource::new(options.clone()).current_position().await.unwrap();
    // Another name than the certificate's, and another authority.
    options.host = "127.0.0.1".into();
    assert_eq!(Client::connect(&options, None).await.err().unwrap().class(), Class::Preflight);
    options.host = "localhost".into();
    options.tls = Tls::VerifyFull { ca: Some(folder.join("server.pem")) };
    assert!(Client::connect(&options, None).await.is_err());
    assert!(PostgresSource::new(options).current_position().await.is_err());
}

/// Somebody in between with a trusted certificate of his own: reads both directions, and passes them on.
async fn in_between(port: u16, folder: &Path) -> u16 {
    let chain = vec![CertificateDer::from_pem_file(folder.join("other.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("other.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()));
    let connector = TlsConnector::from(Arc::new(client_config(Some(&folder.join("ca.pem"))).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own_port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (acceptor, connector) = (acceptor.clone(), connector.clone());
            tokio::spawn(async move {
                let mut asked = [0; 8];
                client.read_exact(&mut asked).await?;
                client.write_all(b"S").await?;
                let mut client = acceptor.accept(client).await?;
                let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
                server.write_all(&SSL_REQUEST).await?;
                server.read_exact(&mut asked[..1]).await?;
                let mut server = connector.connect(ServerName::try_from("localhost").unwrap(), server).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    own_port
}

#[tokio::test]
async fn a_login_is_bound_to_the_servers_own_certificate() {
    let Some((server, folder, mut options)) = protected().await else { return };
    certificate(&folder, "other");
    connected(&options).await;
    options.port = in_between(server.port(), &folder).await;
    let error = Client::connect(&options, None).await.err().expect("somebody in between got into the stream");
    assert!(!error.message().contains("certificate"), "TLS itself is trusted: {error:?}");
    let error = PostgresSource::new(options).current_position().await.expect_err("somebody in between got into a session");
    assert!(!error.message().contains("certificate"), "TLS itself is trusted: {error:?}");
}
