//! A throw-away PostgreSQL server: found, initialised, started, killed and started again.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio_postgres::NoTls;

use super::super::{Address, PostgresOptions, Secret};

const PASSWORD: &str = "only-for-tests";

/// A running server; stopped and removed when dropped.
pub(super) struct Server {
    folder: tempfile::TempDir,
    binaries: PathBuf,
    account: Option<(u32, u32)>,
    port: u16,
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
            assert!(
                std::env::var_os("STRANGLER_REQUIRE_DB").is_none_or(|value| value != "1"),
                "no PostgreSQL server binaries found"
            );
            eprintln!("SKIPPED: no PostgreSQL server binaries found; nothing of this test was run");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("strangler-pg-").tempdir().unwrap();
        let account = unprivileged_account();
        std::fs::write(folder.path().join("password"), PASSWORD).unwrap();
        if let Some((user, group)) = account {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group)).unwrap();
            std::os::unix::fs::chown(folder.path().join("password"), Some(user), Some(group)).unwrap();
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { folder, binaries, account, port, process: Mutex::new(None), databases: AtomicU32::new(0) };
        let data = server.data();
        let mut initdb = server.command("initdb");
        initdb.args(["-A", "scram-sha-256", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-N", "-D"]).arg(&data);
        initdb.arg(format!("--pwfile={}", server.folder.path().join("password").display()));
        let output = initdb.output().unwrap();
        assert!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
        let mut file = std::fs::OpenOptions::new().append(true).open(data.join("postgresql.conf")).unwrap();
        writeln!(file, "listen_addresses='127.0.0.1'\nport={port}\nunix_socket_directories='{}'", server.folder.path().display())
            .unwrap();
        for setting in settings {
            writeln!(file, "{setting}").unwrap();
        }
        server.launch();
        Some(server)
    }

    /// Starts the server, also again after [`Server::kill`].
    pub(super) fn launch(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        self.spawn();
        while !self.answers() {
            assert!(Instant::now() < deadline, "the server did not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(30));
            // It refuses to start while children of a killed one still hold the shared memory.
            let ended = self.process.lock().unwrap().as_mut().is_none_or(|child| child.try_wait().unwrap().is_some());
            if ended {
                self.spawn();
            }
        }
    }

    fn spawn(&self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let child = self.command("postgres").arg("-D").arg(self.data()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        *self.process.lock().unwrap() = Some(child);
    }

    /// SIGKILL to the server's main process; its children notice and end.
    pub(super) fn kill(&self) {
        if let Some(mut child) = self.process.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// What the server wrote to its log.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Gives a file to the account of the server, readable by it alone.
    pub(super) fn hand_over(&self, path: &Path) {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        if let Some((user, group)) = self.account {
            std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
        }
    }

    /// Options for the superuser, over TCP with a password.
    pub(super) fn options(&self, database: &str) -> PostgresOptions {
        let address = Address::Tcp { host: "127.0.0.1".into(), port: self.port };
        let mut options = PostgresOptions::new("test-db", address, "postgres", database);
        options.password = Some(Secret::new(PASSWORD));
        options
    }

    /// A new, empty database.
    pub(super) async fn create_database(&self) -> PostgresOptions {
        let name = format!("db{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run("postgres", &format!("CREATE DATABASE {name}")).await;
        self.options(&name)
    }

    pub(super) async fn run(&self, database: &str, statements: &str) {
        let (client, task) = self.connect(database).await;
        let result = client.batch_execute(statements).await;
        drop(client);
        task.await.unwrap();
        result.unwrap();
    }

    /// The first column of the first row, as text.
    pub(super) async fn ask(&self, database: &str, query: &str) -> String {
        let (client, task) = self.connect(database).await;
        let answer = client.query_one(&format!("SELECT ({query})::text"), &[]).await;
        drop(client);
        task.await.unwrap();
        answer.unwrap().try_get::<_, Option<String>>(0).unwrap().unwrap_or_default()
    }

    async fn connect(&self, database: &str) -> (tokio_postgres::Client, tokio::task::JoinHandle<()>) {
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
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, folder)| folder.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().map(|(_, folder)| folder)
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
