//! Connections to the target: how they are opened, what their session promises, and how a broken one is left.
//!
//! A [`Connection`] is typed by its [`Role`]: a `Connection<Reads>` is read-only on the server, so what takes one cannot write.
//! Passwords are in no error and no log.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres::{Client, Config, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault;
use crate::error::{Class, Error, Result};
use crate::schema::POSTGRES_PINNED;
use crate::target::pool::Pooled;
pub use crate::transport::{Secret, Tls};
use crate::transport::{client_config, is_loopback};

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host name or address, and a port.
    Tcp {
        /// Host name or IP address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A Unix socket.
    Socket {
        /// The folder of the socket.
        directory: PathBuf,
        /// The port that is part of the socket's name.
        port: u16,
    },
}

/// Everything needed to reach a target.
#[derive(Clone)]
pub struct PostgresOptions {
    /// Name of the target in the project file; for messages.
    pub name: String,
    /// Where it listens.
    pub address: Address,
    /// Role to log in as.
    pub user: String,
    /// Its password, if it has one.
    pub password: Option<Secret>,
    /// Database.
    pub database: String,
    /// Protection.
    pub tls: Tls,
    /// Limit of dial, handshake and login together, in seconds.
    pub connect_timeout_s: u64,
    /// Limit of one statement, in seconds.
    pub statement_timeout_s: u64,
    /// Most connections at a time, for writing and for reading each.
    pub connections_max: usize,
}

impl PostgresOptions {
    /// Options with the usual limits: 10 s to connect, 60 s a statement, 4 connections.
    #[must_use]
    pub fn new(name: impl Into<String>, address: Address, user: impl Into<String>, database: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            address,
            user: user.into(),
            password: None,
            database: database.into(),
            tls: Tls::Off,
            connect_timeout_s: 10,
            statement_timeout_s: 60,
            connections_max: 4,
        }
    }

    /// How long to wait for any answer: the server ends a statement first, unless it is gone.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(self.statement_timeout_s.saturating_add(15))
    }
}

/// What a connection may do.
pub(in crate::target) trait Role: Send + Sync + 'static {
    /// Session settings of this role, in the form of the startup option.
    const SETTINGS: &'static str;
}

/// Connections that write. Nested loops over the key index keep the order of the rows (so that two writers lock in one order) and keep a
/// freshly loaded table without statistics from being scanned.
pub(in crate::target) struct Writes;

/// Connections on which the server refuses every write.
pub(in crate::target) struct Reads;

impl Role for Writes {
    const SETTINGS: &'static str =
        "-c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off -c plan_cache_mode=force_generic_plan";
}

impl Role for Reads {
    const SETTINGS: &'static str =
        "-c default_transaction_read_only=on -c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off";
}

/// One open connection.
pub(in crate::target) struct Connection<R: Role> {
    /// The protocol client.
    pub(super) client: Client,
    /// Whether a target table, by its quoted name, has another unique constraint than its key; read once per connection.
    pub(super) uniqueness: HashMap<String, bool>,
    statements: HashMap<String, Statement>,
    driver: JoinHandle<()>,
    patience: Duration,
    role: PhantomData<R>,
}

impl<R: Role> Drop for Connection<R> {
    fn drop(&mut self) {
        // A half-open connection would keep its task, and its socket, for ever.
        self.driver.abort();
    }
}

impl<R: Role> Pooled for Connection<R> {
    type Options = PostgresOptions;

    async fn open(options: &PostgresOptions) -> Result<Self> {
        let attempt = format!("cannot connect to target {}", options.name);
        let limit = Duration::from_secs(options.connect_timeout_s);
        let (client, driver) = tokio::time::timeout(limit, dial::<R>(options, &attempt))
            .await
            .map_err(|_| fault::overdue(&attempt, options.connect_timeout_s))??;
        Ok(Self {
            client,
            uniqueness: HashMap::new(),
            statements: HashMap::new(),
            driver,
            patience: options.patience(),
            role: PhantomData,
        })
    }

    fn is_usable(&self) -> bool {
        !self.client.is_closed()
    }
}

impl<R: Role> Connection<R> {
    /// Prepares a statement once per connection.
    pub(super) async fn statement(&mut self, sql: &str, attempt: &str) -> Result<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.answer(self.client.prepare(sql), attempt).await?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Waits for an answer, but not for ever.
    pub(super) async fn answer<T>(
        &self,
        question: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
        attempt: &str,
    ) -> Result<T> {
        match tokio::time::timeout(self.patience, question).await {
            Ok(answer) => answer.map_err(|error| fault::of(error, attempt)),
            Err(_) => Err(fault::overdue(attempt, self.patience.as_secs())),
        }
    }

    /// Sends COMMIT; a lost answer is a `Retry` error.
    pub(super) async fn commit(&self, attempt: &str) -> Result<()> {
        self.answer_or_lost(self.client.batch_execute("COMMIT"), attempt).await
    }

    /// Waits for the answer of a statement that commits: without one the outcome is open, a `Retry` error.
    pub(super) async fn answer_or_lost<T>(
        &self,
        question: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
        attempt: &str,
    ) -> Result<T> {
        match tokio::time::timeout(self.patience, question).await {
            Ok(answer) => answer.map_err(|error| fault::of_commit(error, attempt)),
            Err(_) => Err(fault::lost_commit(attempt)),
        }
    }

    /// Gives a transaction up.
    pub(super) async fn roll_back(&self, attempt: &str) -> Result<()> {
        self.answer(self.client.batch_execute("ROLLBACK"), attempt).await
    }
}

async fn dial<R: Role>(options: &PostgresOptions, attempt: &str) -> Result<(Client, JoinHandle<()>)> {
    let config = config::<R>(options)?;
    match &options.tls {
        Tls::Off => {
            let (client, connection) = config.connect(NoTls).await.map_err(|error| fault::of(error, attempt))?;
            Ok((client, drive(connection)))
        }
        Tls::VerifyFull { ca } => {
            // Read at each dial, so that a rotated authority is picked up.
            let connector = MakeRustlsConnect::new(client_config(ca.as_deref())?);
            let (client, connection) = config.connect(connector).await.map_err(|error| fault::of(error, attempt))?;
            Ok((client, drive(connection)))
        }
    }
}

/// Runs the connection's side of the protocol. Its error also reaches the statement that waits.
fn drive(connection: impl Future<Output = std::result::Result<(), tokio_postgres::Error>> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        let _ = connection.await;
    })
}

fn config<R: Role>(options: &PostgresOptions) -> Result<Config> {
    let mut config = Config::new();
    match &options.address {
        Address::Tcp { host, port } => config.host(host).port(*port),
        Address::Socket { directory, port } => config.host_path(directory).port(*port),
    };
    match options.tls {
        Tls::Off if !is_local(&options.address) => {
            return Err(Error::new(Class::Mapping, format!("target {} is not on loopback, but its tls is off", options.name))
                .with_hint("remove `tls: off`, or give the certificate authority in tls.ca"));
        }
        Tls::Off => config.ssl_mode(SslMode::Disable),
        Tls::VerifyFull { .. } => config.ssl_mode(SslMode::Require),
    };
    config.user(&options.user).dbname(&options.database).application_name("strangler").channel_binding(ChannelBinding::Prefer);
    if let Some(password) = &options.password {
        config.password(password.reveal().as_bytes());
    }
    config
        .keepalives(true)
        .keepalives_idle(Duration::from_secs(10))
        .keepalives_interval(Duration::from_secs(5))
        .keepalives_retries(3);
    config.tcp_user_timeout(Duration::from_secs(30)).connect_timeout(Duration::from_secs(options.connect_timeout_s));
    let timeout_ms = options.statement_timeout_s.saturating_mul(1_000);
    config.options(format!(
        "-c statement_timeout={timeout_ms} -c lock_timeout={lock_ms} -c idle_in_transaction_session_timeout={timeout_ms} -c TimeZone=UTC \
         -c row_security=off -c jit=off {pinned} {role}",
        lock_ms = timeout_ms / 2,
        pinned = pinned(),
        role = R::SETTINGS
    ));
    Ok(config)
}

/// The settings that decide how values are read and printed, in the form of the startup option.
fn pinned() -> String {
    let one = |(name, value): &(&str, &str)| format!("-c {name}={}", value.replace(' ', "\\ "));
    POSTGRES_PINNED.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn is_local(address: &Address) -> bool {
    match address {
        Address::Socket { .. } => true,
        Address::Tcp { host, .. } => is_loopback(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_may_be_off_on_loopback_only() {
        for (host, allowed) in
            [("127.0.0.1", true), ("::1", true), ("localhost", true), ("10.0.0.5", false), ("127.0.0.1.example.com", false)]
        {
            let address = Address::Tcp { host: host.into(), port: 5432 };
            let built = config::<Writes>(&PostgresOptions::new("t", address, "u", "d"));
            assert_eq!(built.is_ok(), allowed, "{host}");
            if let Err(error) = built {
                assert_eq!(error.class(), Class::Mapping);
            }
        }
    }
}
