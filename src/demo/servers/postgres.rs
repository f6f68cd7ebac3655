//! Starts a PostgreSQL of our own: logical WAL, SCRAM passwords, no fsync.

use super::account::Account;
use super::port::Port;
use super::process::{ServerProcess, find_program, private_folder};
use super::{ServerError, ServerOptions, random_password};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, Config, NoTls};

const PORT_ATTEMPTS: usize = 5;

/// A PostgreSQL server of our own; dropped, it is gone with its data.
pub struct Postgres {
    pub(super) process: ServerProcess,
    pub(super) program: PathBuf,
    pub(super) port: Port,
    pub(super) password: String,
    pub(super) options: ServerOptions,
}

impl Postgres {
    /// Initialises a cluster and starts a server on it, in about two seconds.
    ///
    /// # Errors
    /// A missing installation names its one apt line; a failed start carries the end of the server's log.
    pub async fn start(options: ServerOptions) -> Result<Self, ServerError> {
        Self::start_of(&program_folder()?, options).await
    }

    /// The same with the programs in `programs`, see [`Self::programs`].
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_of(programs: &Path, options: ServerOptions) -> Result<Self, ServerError> {
        let folder = private_folder("strangler-postgres-")?;
        let account = Account::choose(folder.path(), &["postgres"])?;
        let password = random_password();
        let password_file = folder.path().join("password");
        std::fs::write(&password_file, &password).map_err(|cause| ServerError::system("write a password file", cause))?;
        account.own(folder.path())?;
        let data = folder.path().join("data");
        // SIGQUIT ends all backends and the shared memory; SIGKILL of the postmaster would leave both for a moment.
        let mut process = ServerProcess::new("PostgreSQL", folder, account, "QUIT");
        process
            .run_once(vec![
                programs.join("initdb").display().to_string(),
                format!("--pgdata={}", data.display()),
                "--auth=scram-sha-256".into(),
                "--username=postgres".into(),
                format!("--pwfile={}", password_file.display()),
                "--encoding=UTF8".into(),
                "--locale=C".into(),
                "--no-sync".into(),
            ])
            .await?;
        std::fs::remove_file(&password_file).map_err(|cause| ServerError::system("remove the password file", cause))?;
        let server = Self { process, program: programs.join("postgres"), port: Port::reserve()?, password, options };
        server.first_start().await
    }

    /// Starts a server on its folder, on another port if somebody took this one meanwhile.
    pub(super) async fn first_start(mut self) -> Result<Self, ServerError> {
        for attempt in 1.. {
            match self.start_process().await {
                Ok(()) => break,
                Err(ServerError::Failed { log, .. }) if attempt < PORT_ATTEMPTS && log.contains("Address already in use") => {
                    self.port = Port::reserve()?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self)
    }

    /// The programs of a version between `oldest` and `newest` that is at hand, the newest first: those of `STRANGLER_PG_BIN`, the machine's
    /// own, or a tree that `scripts/fetch-postgres.sh` made.
    pub fn programs(oldest: u32, newest: u32) -> Option<PathBuf> {
        let wanted = oldest..=newest;
        if let Some(chosen) =
            program_folder().ok().filter(|folder| version_of(folder).is_some_and(|major| wanted.contains(&major)))
        {
            return Some(chosen);
        }
        let root = std::env::var_os("STRANGLER_POSTGRES_ROOT").map(PathBuf::from);
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/strangler"));
        let roots: Vec<PathBuf> = root.into_iter().chain([PathBuf::from("/var/cache/strangler")]).chain(home).collect();
        wanted.rev().find_map(|major| {
            let trees =
                roots.iter().map(|root| root.join(format!("postgres-{major}"))).filter(|tree| tree.join("complete").exists());
            let folders = trees.map(|tree| tree.join(format!("tree/usr/lib/postgresql/{major}/bin")));
            folders
                .chain([PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"))])
                .find(|folder| folder.join("initdb").is_file())
        })
    }

    async fn start_process(&mut self) -> Result<(), ServerError> {
        let folder = self.process.folder();
        let mut command_line = vec![
            self.program.display().to_string(),
            "-D".into(),
            folder.join("data").display().to_string(),
            format!("-p{}", self.port.number),
            format!("-k{}", folder.display()),
        ];
        let settings = [
            "listen_addresses=127.0.0.1",
            "wal_level=logical",
            "max_wal_senders=20",
            "max_replication_slots=20",
            "max_connections=200",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
        ];
        command_line.extend(settings.map(|setting| format!("-c{setting}")));
        command_line.extend(self.options.extra_args.iter().cloned());
        self.process.set_command_line(command_line);
        let start = Instant::now();
        loop {
            self.process.spawn()?;
            match self.wait_until_ready(start).await {
                // After a SIGKILL of the postmaster its children need a moment to leave the shared memory.
                Err(ServerError::Failed { log, .. })
                    if log.contains("shared memory block") && start.elapsed() < self.options.patience =>
                {
                    self.process.stop("QUIT", self.options.patience).await?;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                other => return other,
            }
        }
    }

    /// Ready means: our own process answers on the socket in its own folder.
    async fn wait_until_ready(&mut self, start: Instant) -> Result<(), ServerError> {
        loop {
            if self.process.ended()?.is_some() {
                return Err(self.process.failed("start"));
            }
            if self.connect("postgres").await.is_ok() {
                return Ok(());
            }
            if start.elapsed() > self.options.patience {
                return Err(self.process.failed("start"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A connection as the superuser to `database`, over the private socket; ends when the client is dropped.
    pub async fn connect(&self, database: &str) -> Result<Client, ServerError> {
        let (client, connection) = Config::new()
            .host_path(self.process.folder())
            .port(self.port.number)
            .user("postgres")
            .password(&self.password)
            .dbname(database)
            .connect(NoTls)
            .await
            .map_err(|cause| sql_error("connect", cause))?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Runs SQL text of one or more statements as the superuser in `database`.
    pub async fn execute(&self, database: &str, sql: &str) -> Result<(), ServerError> {
        let client = self.connect(database).await?;
        client.batch_execute(sql).await.map_err(|cause| sql_error("execute a statement", cause))
    }

    /// Creates an empty database and returns its url.
    pub async fn create_database(&self, name: &str) -> Result<String, ServerError> {
        let quoted = name.replace('"', "\"\"");
        self.execute("postgres", &format!("CREATE DATABASE \"{quoted}\"")).await?;
        Ok(self.url_of(name))
    }

    /// The TCP port on 127.0.0.1; the same after a restart.
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// The password of the superuser `postgres`.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The postmaster's process id while the server runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// The server's folder (`data/`, `log`), removed with the handle.
    pub fn folder(&self) -> &Path {
        self.process.folder()
    }

    /// Gives a file to the server's account.
    #[cfg(test)]
    pub(super) fn own(&self, path: &Path) -> Result<(), ServerError> {
        self.process.own(path)
    }

    /// `postgresql://postgres:PASSWORD@127.0.0.1:PORT/postgres`.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The url of one database.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgresql://postgres:{}@127.0.0.1:{}/{database}", self.password, self.port.number)
    }

    /// Stops the server if it runs and starts it again on the same port, also after [`Self::kill`].
    pub async fn restart(&mut self) -> Result<(), ServerError> {
        self.stop().await?;
        self.start_process().await
    }

    /// Replaces the extra arguments for the next restart.
    pub fn set_extra_args(&mut self, extra_args: Vec<String>) {
        self.options.extra_args = extra_args;
    }

    /// Shuts the server down (fast shutdown: clients are cut off); its data stays until the handle is dropped.
    pub async fn stop(&mut self) -> Result<(), ServerError> {
        let patience = self.options.patience;
        self.process.stop("INT", patience).await
    }

    /// Kills the postmaster by SIGKILL; its data stays until the handle is dropped.
    pub fn kill(&mut self) -> Result<(), ServerError> {
        self.process.kill()
    }
}

/// The major version of the programs in a folder.
fn version_of(folder: &Path) -> Option<u32> {
    let output = std::process::Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().nth(2)?.split('.').next()?.parse().ok()
}

pub(super) fn sql_error(attempted: &'static str, cause: tokio_postgres::Error) -> ServerError {
    ServerError::Sql { server: "PostgreSQL", attempted, cause: Box::new(cause) }
}

/// The folder that holds both `initdb` and `postgres`; Debian keeps one for each version, the newest wins.
fn program_folder() -> Result<PathBuf, ServerError> {
    if let Some(folder) = std::env::var_os("STRANGLER_PG_BIN") {
        return Ok(folder.into());
    }
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    let more: Vec<PathBuf> = versions.into_iter().rev().map(|(_, folder)| folder).collect();
    find_program("initdb", &more)
        .and_then(|initdb| initdb.parent().map(PathBuf::from))
        .filter(|folder| folder.join("postgres").is_file())
        .ok_or_else(|| ServerError::Missing {
            program: "initdb".into(),
            install: "apt-get install -y --no-install-recommends postgresql".into(),
        })
}
