//! Throw-away servers for tests: MariaDB from the machine, MySQL from its private tree, in temp folders on free ports.
//!
//! Tests that run at the same time share one server of a kind; the last one to finish stops it. A missing server skips the test
//! loudly, or fails it when `STRANGLER_REQUIRE_DB` is set.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};

use crate::schema::Flavor;

/// A running server.
pub struct Server {
    process: Child,
    folder: tempfile::TempDir,
    pub flavor: Flavor,
}

static MARIADB: Mutex<Weak<Server>> = Mutex::new(Weak::new());
static MYSQL: Mutex<Weak<Server>> = Mutex::new(Weak::new());

impl Server {
    /// A running server of this family; `None` if the machine has none.
    pub fn get(flavor: Flavor) -> Option<Arc<Self>> {
        let slot = if flavor == Flavor::MariaDb { &MARIADB } else { &MYSQL };
        let mut slot = slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(server) = slot.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::fresh(flavor)?);
        *slot = Arc::downgrade(&server);
        Some(server)
    }

    /// A server of its own; `None` if the machine has none.
    pub fn fresh(flavor: Flavor) -> Option<Self> {
        let started = if flavor == Flavor::MariaDb { mariadb() } else { mysql() };
        if started.is_none() {
            let excused = flavor == Flavor::MySql && std::env::var_os("STRANGLER_MYSQL").is_some_and(|said| said == "absent");
            assert!(excused || std::env::var_os("STRANGLER_REQUIRE_DB").is_none(), "no {flavor:?} server on this machine");
            eprintln!("SKIPPED: no {flavor:?} server on this machine");
        }
        started
    }

    /// A new connection as root.
    pub async fn connect(&self) -> Conn {
        let socket = self.folder.path().join("s.sock");
        let options = OptsBuilder::default().socket(socket.to_str()).user(Some("root")).prefer_socket(true);
        for _ in 0..600 {
            if let Ok(connection) = Conn::new(options.clone()).await {
                return connection;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the server does not answer");
    }

    /// An empty database of this name, and a connection that uses it.
    pub async fn database(&self, name: &str) -> Conn {
        let mut connection = self.connect().await;
        connection.query_drop(format!("DROP DATABASE IF EXISTS `{name}`")).await.unwrap();
        connection.query_drop(format!("CREATE DATABASE `{name}` CHARACTER SET utf8mb4")).await.unwrap();
        connection.query_drop(format!("USE `{name}`")).await.unwrap();
        connection.query_drop("SET NAMES utf8mb4, sql_mode = '', time_zone = '+09:00'").await.unwrap();
        connection
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn common(command: &mut Command, folder: &Path) {
    let data = folder.join("data");
    command
        .env("TMPDIR", folder)
        .arg(format!("--user={}", user()))
        .arg(format!("--datadir={}", data.display()))
        .arg(format!("--socket={}", folder.join("s.sock").display()))
        .arg(format!("--pid-file={}", folder.join("pid").display()))
        .arg(format!("--log-bin={}", data.join("binlog").display()))
        .args(["--bind-address=127.0.0.1", &format!("--port={}", free_port()), "--server-id=1", "--binlog-row-metadata=FULL"])
        .args([
            "--innodb-flush-log-at-trx-commit=2",
            "--sync-binlog=0",
            "--max-allowed-packet=64M",
            "--character-set-server=utf8mb4",
        ])
        .args(["--innodb-buffer-pool-size=32M"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.join("log")).unwrap());
}

fn mariadb() -> Option<Server> {
    let folder = tempfile::tempdir().unwrap();
    let installed = Command::new("mariadb-install-db")
        .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
        .arg(format!("--user={}", user()))
        .arg(format!("--datadir={}", folder.path().join("data").display()))
        // Servers that share a temporary folder delete each other's files when they start.
        .env("TMPDIR", folder.path())
        .output()
        .ok()?;
    assert!(installed.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&installed.stderr));
    let mut command = Command::new("mariadbd");
    command.arg("--no-defaults");
    common(&mut command, folder.path());
    let process = command.args(["--binlog-format=ROW", "--gtid-strict-mode=ON"]).spawn().ok()?;
    Some(Server { process, folder, flavor: Flavor::MariaDb })
}

/// The private tree of MySQL, as `scripts/fetch-mysql.sh` leaves it.
fn mysql_tree() -> Option<PathBuf> {
    let places = [std::env::var_os("STRANGLER_MYSQL_ROOT").map(PathBuf::from), Some("/var/cache/strangler/mysql".into())];
    places.into_iter().flatten().map(|root| root.join("tree")).find(|tree| tree.join("usr/sbin/mysqld").exists())
}

fn mysql() -> Option<Server> {
    let tree = mysql_tree()?;
    let folder = tempfile::tempdir().unwrap();
    let command = || {
        let mut command = Command::new(tree.join("usr/lib64/ld-linux-x86-64.so.2"));
        command.arg("--library-path").arg(tree.join("usr/lib/x86_64-linux-gnu")).arg(tree.join("usr/sbin/mysqld"));
        command.arg("--no-defaults");
        for (option, path) in [("basedir", "usr"), ("lc-messages-dir", "usr/share/mysql"), ("plugin-dir", "usr/lib/mysql/plugin")]
        {
            command.arg(format!("--{option}={}", tree.join(path).display()));
        }
        command.arg(format!("--character-sets-dir={}", tree.join("usr/share/mysql/charsets").display()));
        common(&mut command, folder.path());
        command
    };
    let installed = command().args(["--initialize-insecure", "--skip-log-bin"]).status();
    installed.ok().filter(std::process::ExitStatus::success)?;
    let options = [
        "--secure-file-priv=NULL",
        "--mysqlx=OFF",
        "--performance-schema=OFF",
        "--gtid-mode=ON",
        "--enforce-gtid-consistency=ON",
    ];
    let process = command().args(options).spawn().ok()?;
    Some(Server { process, folder, flavor: Flavor::MySql })
}
