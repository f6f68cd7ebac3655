//! A throw-away PostgreSQL server with logical WAL, and statements on it.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::source::postgres::connect::{OnExceed, PostgresSourceOptions, SlotLimit};
use crate::transport::{Secret, Tls};

const PASSWORD: &str = "canary-password";

/// A running server; stopped and removed when dropped.
pub(super) struct Server {
    folder: tempfile::TempDir,
    binaries: PathBuf,
    account: Option<(u32, u32)>,
    pub(super) port: u16,
    process: Mutex<Option<Child>>,
    databases: AtomicU32,
}

/// The server that tests running at the same time share; the last one stops it.
pub(super) fn shared() -> Option<Arc<Server>> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let server = Arc::new(Server::start(&[])?);
    *shared = Arc::downgrade(&server);
    Some(server)
}

impl Server {
    /// Initialises and starts a server; `None`, loudly, if there are no binaries.
    pub(super) fn start(settings: &[&str]) -> Option<Self> {
        let Some(binaries) = find_binaries() else {
            assert!(std::env::var_os("STRANGLER_REQUIRE_DB").is_none_or(|value| value != "1"), "no PostgreSQL binaries found");
            eprintln!("SKIPPED: no PostgreSQL server binaries found; nothing of this test was run");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("strangler-pgsource-").tempdir().unwrap();
        let account = unprivileged_account();
        let password = folder.path().join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        if let Some((user, group)) = account {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
            std::os::unix::fs::chown(&password, Some(user), Some(group)).unwrap();
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { folder, binaries, account, port, process: Mutex::new(None), databases: AtomicU32::new(0) };
        let mut initdb = server.command("initdb");
        initdb.args(["-A", "scram-sha-256", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-N", "-D"]).arg(server.data());
        initdb.arg(format!("--pwfile={}", password.display()));
        let output = initdb.output().unwrap();
        assert!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
        let mut file = std::fs::OpenOptions::new().append(true).open(server.data().join("postgresql.conf")).unwrap();
        let socket = server.folder.path().display();
        writeln!(file, "listen_addresses='127.0.0.1'\nport={port}\nunix_socket_directories='{socket}'\nwal_level=logical")
            .unwrap();
        writeln!(
            file,
            "max_wal_senders=40\nmax_replication_slots=40\nmax_prepared_transactions=10\nfsync=off\nmax_connections=200"
        )
        .unwrap();
        writeln!(file, "max_slot_wal_keep_size='2GB'\nmax_wal_size='4GB'\nautovacuum=off\nlogical_decoding_work_mem='64kB'")
            .unwrap();
        for setting in settings {
            writeln!(file, "{setting}").unwrap();
        }
        server.launch();
        Some(server)
    }

    fn launch(&self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let child = self.command("postgres").arg("-D").arg(self.data()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        *self.process.lock().unwrap() = Some(child);
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.answers() {
            assert!(Instant::now() < deadline, "the server did not start");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    pub(super) fn options(&self, database: &str) -> PostgresSourceOptions {
        PostgresSourceOptions {
            name: "crm".into(),
            host: "127.0.0.1".into(),
            port: self.port,
            user: "postgres".into(),
            password: Some(Secret::new(PASSWORD)),
            database: database.into(),
            tls: Tls::Off,
            schema: None,
            time_zone: Some("Asia/Seoul".into()),
            slot: format!("strangler_{database}"),
            publication: "strangler_crm".into(),
            slot_limit: Some(SlotLimit { bytes_max: 1 << 30, on_exceed: OnExceed::Stop }),
            statement_timeout_s: 30,
            connections_max: 4,
            transaction_bytes_max: 64 << 20,
        }
    }

    /// A new, empty database.
    pub(super) async fn create_database(&self) -> String {
        let name = format!("db{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run("postgres", &format!("CREATE DATABASE {name}")).await;
        name
    }

    pub(super) async fn run(&self, database: &str, statements: &str) {
        let (client, task) = self.connect(database).await;
        let result = client.batch_execute(statements).await;
        drop(client);
        task.await.unwrap();
        result.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    }

    /// All rows, their cells joined.
    pub(super) async fn ask(&self, database: &str, query: &str) -> Vec<String> {
        let (client, task) = self.connect(database).await;
        let rows = client.simple_query(query).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
        drop(client);
        task.await.unwrap();
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|index| row.get(index).unwrap_or("NULL")).collect::<Vec<_>>().join("|"))
            }
            _ => None,
        };
        rows.into_iter().filter_map(row).collect()
    }

    pub(super) async fn connect(&self, database: &str) -> (tokio_postgres::Client, tokio::task::JoinHandle<()>) {
        let settings = format!("host=127.0.0.1 port={} user=postgres password={PASSWORD} dbname={database}", self.port);
        let (client, connection) = tokio_postgres::connect(&settings, NoTls).await.unwrap();
        (client, tokio::spawn(async move { drop(connection.await) }))
    }

    fn answers(&self) -> bool {
        let mut ready = self.command("pg_isready");
        ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]).status().is_ok_and(|status| status.success())
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Its folder.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Gives a file to the account of the server, readable by it alone.
    pub(super) fn hand_over(&self, path: &Path) {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        if let Some((user, group)) = self.account {
            std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.process.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }
}

fn find_binaries() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("STRANGLER_PG_BIN") {
        return Some(folder.into());
    }
    let entries = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let versions = entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))));
    versions.filter(|(_, folder)| folder.join("initdb").exists()).max().map(|(_, folder)| folder)
}

/// PostgreSQL does not run as root: there, the account of its package or `nobody` runs it.
fn unprivileged_account() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"])? != 0 {
        return None;
    }
    ["postgres", "nobody"].into_iter().find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)))
}
