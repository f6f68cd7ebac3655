//! TLS with an authority of our own: verified by certificate and host name, refused by name where either is wrong.

use super::project;
use crate::support::oracle;
use crate::support::project::{Access, Project};
use crate::support::servers::{Database, Server, own_pair};
use std::path::Path;
use std::process::Command;

/// Runs openssl in `folder`; the words are split at blanks.
fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority `ca.pem`, a certificate of it for `localhost` (`server.pem`, `server.key`), and an authority that signed nothing (`other.pem`).
fn certificates(folder: &Path) {
    let key = "-newkey rsa:2048 -nodes -days 2";
    openssl(folder, &format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=tests"));
    openssl(folder, &format!("req -x509 {key} -keyout other.key -out other.pem -subj /CN=tests"));
    openssl(folder, "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost");
    std::fs::write(folder.join("san"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
    openssl(folder, "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile san");
}

/// Puts the server's files where it reads them, as its own.
fn give(server: &Path, certificates: &Path) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let owner = std::fs::metadata(server.join("data")).unwrap();
    for name in ["ca.pem", "server.pem", "server.key"] {
        let file = server.join(name);
        std::fs::copy(certificates.join(name), &file).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        // Only an administrator gives files away; anybody else runs the server as himself.
        let _ = std::os::unix::fs::chown(&file, Some(owner.uid()), Some(owner.gid()));
    }
}

/// Makes a server speak TLS with the certificate for `localhost`.
async fn speak(server: &mut Server, project: &Project) {
    let folder = server.folder().to_path_buf();
    give(&folder, &project.folder().join("certificates"));
    let file = |name: &str| folder.join(name).display().to_string();
    let arguments = match server {
        Server::Postgres(_) => {
            vec![
                "-cssl=on".into(),
                format!("-cssl_cert_file={}", file("server.pem")),
                format!("-cssl_key_file={}", file("server.key")),
            ]
        }
        Server::MySql(..) => [("ca", "ca.pem"), ("cert", "server.pem"), ("key", "server.key")]
            .map(|(option, name)| format!("--ssl-{option}={}", file(name)))
            .into(),
    };
    server.set_extra_args(arguments);
    server.restart().await.unwrap();
    if let Server::MySql(..) = server {
        // By nothing else is the account let in.
        server.execute(&[&format!("ALTER USER {}@'127.0.0.1' REQUIRE SSL", project.name)]).await.unwrap();
    }
}

/// Writes the project file anew: hosts and authorities of source and target.
fn connect(project: &Project, original: &str, hosts: [&str; 2], authorities: [&str; 2]) {
    let (before, after) = original.split_once("targets:").unwrap();
    let side = |text: &str, variable: &str, host: &str, authority: &str| {
        let password = format!("{{ env: {variable} }}");
        let tls = format!("{password}\n    tls: {{ ca: certificates/{authority} }}");
        text.replace("127.0.0.1", host).replace(&password, &tls)
    };
    let source = side(before, "ERP_PASSWORD", hosts[0], authorities[0]);
    let target = side(after, "ORDER_DB_PASSWORD", hosts[1], authorities[1]);
    project.write("strangler.yaml", &format!("{source}targets:{target}"));
}

async fn verified_or_refused(source: Database, target: Database) {
    let Some(mut pair) = own_pair(source, target).await else { return };
    let project = project(&pair, "tls").await;
    let folder = project.folder().join("certificates");
    std::fs::create_dir(&folder).unwrap();
    certificates(&folder);
    let original = std::fs::read_to_string(project.folder().join("strangler.yaml")).unwrap();
    let (right, own_name, address) = (["ca.pem", "ca.pem"], "localhost", "127.0.0.1");
    speak(&mut pair.source, &project).await;
    // A target without TLS, or with a certificate of its own making, is not spoken to in clear.
    connect(&project, &original, [own_name, own_name], right);
    project.strangler(&["check"]).await.expect(78).names(&["target order-db"]);
    speak(&mut pair.target, &project).await;
    for (hosts, authorities, words) in [
        ([address, own_name], right, ["source erp", "tls.ca"]),
        ([own_name, own_name], ["other.pem", "ca.pem"], ["source erp", "tls.ca"]),
        ([own_name, address], right, ["target order-db", "tls.ca"]),
        ([own_name, own_name], ["ca.pem", "other.pem"], ["target order-db", "tls.ca"]),
    ] {
        connect(&project, &original, hosts, authorities);
        project.strangler(&["check"]).await.expect(78).names(&words);
        project.strangler(&["run", "--until-caught-up"]).await.expect(78).names(&words);
    }
    connect(&project, &original, [own_name, own_name], right);
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    project.legacy(&["UPDATE s_ord SET amt = amt + 1"]).await;
    // MariaDB and MySQL let the account in by nothing else.
    if let Access::Postgres(_) = project.target() {
        let protected = format!(
            "SELECT bool_and(ssl)::text FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = '{}'",
            project.name
        );
        assert_eq!(project.ask_service(&protected).await, "true");
    }
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    project.strangler(&["verify"]).await.expect(0);
    assert_eq!(oracle::check(&project).await, 8);
}

#[tokio::test]
async fn tls_to_mariadb_and_postgres_is_verified_in_full() {
    verified_or_refused(Database::MARIADB, Database::Postgres).await;
}

#[tokio::test]
async fn tls_to_mysql_and_mariadb_is_verified_in_full() {
    verified_or_refused(Database::MYSQL, Database::MARIADB).await;
}

#[tokio::test]
async fn tls_to_mariadb_and_mysql_is_verified_in_full() {
    verified_or_refused(Database::MARIADB, Database::MYSQL).await;
}
