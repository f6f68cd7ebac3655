//! Throw-away servers on loopback. Tests that run at the same time share one of each kind; the last to finish ends it.

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};

use crate::schema::{StoredColumn, TableId, TableLayout, TableSchema};
use crate::source::mysql::MySqlSource;
use crate::source::mysql::connect::{MySqlOptions, SessionOverrides, Tls};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    MariaDb,
    MySql,
}

pub struct TestServer {
    pub port: u16,
    child: Mutex<Child>,
    folder: tempfile::TempDir,
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

static SHARED: Mutex<[Weak<TestServer>; 2]> = Mutex::new([Weak::new(), Weak::new()]);

/// The shared server of a kind; `None` (with a loud line) if it is not installed and not required.
pub fn shared(kind: Kind) -> Option<Arc<TestServer>> {
    let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(server) = shared[kind as usize].upgrade() {
        return Some(server);
    }
    let server = Arc::new(start(kind, &[])?);
    shared[kind as usize] = Arc::downgrade(&server);
    Some(server)
}

/// A server of its own with further arguments.
pub fn start(kind: Kind, arguments: &[&str]) -> Option<TestServer> {
    let folder = tempfile::Builder::new().prefix("strangler-source-").tempdir_in("/tmp").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let command = match kind {
        Kind::MariaDb => mariadb(folder.path()),
        Kind::MySql => mysql(folder.path()),
    };
    let Some(mut command) = command else {
        let excused = kind == Kind::MySql && std::env::var_os("STRANGLER_MYSQL").is_some_and(|said| said == "absent");
        assert!(excused || std::env::var_os("STRANGLER_REQUIRE_DB").is_none(), "{kind:?} is required and not installed");
        eprintln!("SKIPPED: {kind:?} is not installed, so this test proves nothing here");
        return None;
    };
    let at = |name: &str| folder.path().join(name).display().to_string();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    command
        .args([
            "--user=root",
            "--bind-address=127.0.0.1",
            "--innodb-flush-log-at-trx-commit=2",
            "--sync-binlog=0",
            "--innodb-buffer-pool-size=64M",
        ])
        .arg(format!("--datadir={}", at("data")))
        .arg(format!("--socket={}", at("s.sock")))
        .arg(format!("--pid-file={}", at("pid")))
        .arg(format!("--tmpdir={}", folder.path().display()))
        .arg(format!("--port={port}"))
        .arg(format!("--log-bin={}", at("data/binlog")))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(log);
    let child = Mutex::new(command.spawn().unwrap());
    let server = TestServer { port, child, folder };
    server.wait();
    Some(server)
}

fn mariadb(folder: &std::path::Path) -> Option<Command> {
    let installed = Command::new("mariadb-install-db")
        .args(["--no-defaults", "--user=root", "--auth-root-authentication-method=normal", "--skip-test-db"])
        .arg(format!("--datadir={}", folder.join("data").display()))
        // Two bootstraps at once would meet in the machine's temporary folder.
        .arg(format!("--tmpdir={}", folder.display()))
        .env("TMPDIR", folder)
        .output()
        .ok()?;
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let mut command = Command::new("mariadbd");
    command.args([
        "--no-defaults",
        "--server-id=1",
        "--binlog-format=ROW",
        "--binlog-row-image=FULL",
        "--character-set-server=utf8mb4",
    ]);
    Some(command)
}

/// The private tree that `make` puts there: the server, its loader and an initialised data directory.
fn mysql(folder: &std::path::Path) -> Option<Command> {
    let home =
        std::path::PathBuf::from(std::env::var_os("STRANGLER_MYSQL_ROOT").unwrap_or_else(|| "/var/cache/strangler/mysql".into()));
    if !home.join("complete").exists() {
        return None;
    }
    let copied = Command::new("cp").arg("-r").arg(home.join("data")).arg(folder.join("data")).status().unwrap();
    assert!(copied.success());
    let usr = home.join("tree/usr");
    let mut command = Command::new(usr.join("lib64/ld-linux-x86-64.so.2"));
    command
        .arg("--library-path")
        .arg(usr.join("lib/x86_64-linux-gnu"))
        .arg(usr.join("sbin/mysqld"))
        .arg("--no-defaults")
        .arg(format!("--basedir={}", usr.display()))
        .arg(format!("--lc-messages-dir={}", usr.join("share/mysql").display()))
        .arg(format!("--character-sets-dir={}", usr.join("share/mysql/charsets").display()))
        .arg(format!("--plugin-dir={}", usr.join("lib/mysql/plugin").display()))
        .args(["--secure-file-priv=NULL", "--mysqlx=OFF", "--server-id=2", "--gtid-mode=ON", "--enforce-gtid-consistency=ON"]);
    Some(command)
}

impl TestServer {
    fn wait(&self) {
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.lock().unwrap().try_wait().unwrap();
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(ended.is_none(), "the server ended: {}", log());
            assert!(started.elapsed() < Duration::from_secs(120), "the server does not answer: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A plain connection as root.
    pub async fn root(&self) -> Conn {
        let options =
            OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(self.port).user(Some("root")).prefer_socket(Some(false));
        let mut conn = Conn::new(options).await.unwrap();
        conn.query_drop("SET NAMES utf8mb4").await.unwrap();
        conn
    }

    /// A fresh database.
    pub async fn database(&self, name: &str) -> Conn {
        let mut conn = self.root().await;
        conn.query_drop(format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
        conn.query_drop(format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")).await.unwrap();
        conn.query_drop(format!("USE {name}")).await.unwrap();
        conn
    }

    pub fn options(&self, database: &str) -> MySqlOptions {
        MySqlOptions {
            name: "erp".into(),
            host: "127.0.0.1".into(),
            port: self.port,
            user: "root".into(),
            password: None,
            database: database.into(),
            tls: Tls::Off,
            server_id: None,
            session: SessionOverrides { time_zone: Some("+09:00".into()), ..SessionOverrides::default() },
            statement_timeout_s: 60,
            connections_max: 3,
            transaction_bytes_max: crate::source::mysql::connect::TRANSACTION_BYTES_MAX,
            replica: None,
            spill: None,
        }
    }

    pub fn source(&self, database: &str) -> MySqlSource {
        MySqlSource::new(self.options(database))
    }
}

/// A layout that stores all columns.
pub fn layout(id: u32, table: &TableSchema) -> TableLayout {
    TableLayout {
        id: TableId(id),
        name: table.name.clone(),
        columns: table
            .columns
            .iter()
            .enumerate()
            .map(|(ordinal, column)| StoredColumn { ordinal, column: column.clone() })
            .collect(),
        identity: table.identity().map(|key| key.columns.clone()),
        transactional: table.transactional,
        source_column_count: table.columns.len(),
    }
}

pub fn name(schema: &str, name: &str) -> crate::schema::TableName {
    crate::schema::TableName { schema: schema.into(), name: name.into() }
}
