//! Ordinary connections to the legacy server: how they are made, what every one of them is set to, and how they are reused.
//!
//! In: [`PostgresSourceOptions`]. Out: connections that are read-only, run under the recorded session settings, and whose statements and
//! idle transactions have a time limit on the server as well as here. Never plain text off loopback, never a password in an error. The
//! stream's connection is made in `replication`.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure;
use crate::error::{Class, Error, Result};
use crate::schema::POSTGRES_PINNED;
use crate::source::spill::SpillOptions;
use crate::transport::{Secret, Tls, client_config, is_loopback};

/// How long connecting and logging in may take.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How much longer than the server's own limit the client waits for an answer.
const ANSWER_MARGIN: Duration = Duration::from_secs(15);

/// What is done when the log that the slot holds passes its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExceed {
    /// The slot is dropped: the legacy disk is safe, and the mappings need a new snapshot.
    Drop,
    /// The engine stops with the slot in place: a person decides.
    Stop,
}

/// How much log a slot may hold on the legacy disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotLimit {
    /// Bytes.
    pub bytes_max: u64,
    /// What is done beyond it.
    pub on_exceed: OnExceed,
}

/// Where the legacy database is and how it may be used.
#[derive(Clone)]
pub struct PostgresSourceOptions {
    /// The source's name in the project file.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Role.
    pub user: String,
    /// Its password, if it has one.
    pub password: Option<Secret>,
    /// Database.
    pub database: String,
    /// Transport protection.
    pub tls: Tls,
    /// The schema that unqualified names mean; `None`: `public`.
    pub schema: Option<String>,
    /// The session's `TimeZone`; `None`: the server's own.
    pub time_zone: Option<String>,
    /// Name of the replication slot.
    pub slot: String,
    /// Name of the publication.
    pub publication: String,
    /// How much log the slot may hold; `None`: the server's `max_slot_wal_keep_size` limits it.
    pub slot_limit: Option<SlotLimit>,
    /// Time limit of every statement, seconds.
    pub statement_timeout_s: u32,
    /// How many connections may be open at once, the stream's not counted.
    pub connections_max: usize,
    /// The memory that one source transaction may take, bytes; a larger one goes to disk, or stops by name where it cannot.
    pub transaction_bytes_max: usize,
    /// The standby, by its `application_name`, whose lag `max_lag_s` is about; `None`: the one that is furthest behind.
    pub replica: Option<String>,
    /// Where larger ones go; `None`: nowhere.
    pub spill: Option<SpillOptions>,
}

impl PostgresSourceOptions {
    /// The schema that unqualified names mean.
    #[must_use]
    pub fn default_schema(&self) -> &str {
        self.schema.as_deref().unwrap_or("public")
    }

    /// The name of a slot and a publication that the project file does not name: made of the source's, in the characters that slots may have.
    #[must_use]
    pub fn default_slot(source: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let name: String = source.chars().map(plain).take(50).collect();
        format!("strangler_{name}")
    }

    /// Refuses plain text off loopback.
    pub(super) fn check_transport(&self) -> Result<()> {
        if self.tls == Tls::Off && !is_loopback(&self.host) {
            return Err(Error::new(Class::Mapping, format!("source {} is not on loopback and has TLS turned off", self.name))
                .with_hint("give `tls: { ca: FILE }`, or leave `tls` out to trust the system's authorities"));
        }
        Ok(())
    }

    /// The settings of every session, the stream's too: how values are printed.
    pub(super) fn pinned(&self, time_zone: Option<&str>) -> Vec<(String, String)> {
        let mut settings: Vec<(String, String)> =
            POSTGRES_PINNED.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        settings.push(("search_path".into(), format!("{}, pg_catalog", super::names::identifier(self.default_schema()))));
        settings.extend(time_zone.map(|zone| ("TimeZone".into(), zone.to_owned())));
        settings
    }
}

/// The connections of one source.
pub(super) struct Pool {
    options: PostgresSourceOptions,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    /// The recorded time zone, once it is known.
    time_zone: OnceLock<String>,
}

struct Connection {
    client: Client,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A half-open connection would keep its task, and its socket, for ever.
        self.driver.abort();
    }
}

/// A connection on loan. Dropped without [`Lease::give_back`], it is closed: nobody inherits a half-read result.
pub(super) struct Lease {
    connection: Connection,
    pool: Arc<Pool>,
    limit: Duration,
    _permit: OwnedSemaphorePermit,
}

/// One row of text cells.
pub(super) type TextRow = Vec<Option<String>>;

impl Pool {
    /// A pool over `options`; connects to nothing yet.
    pub(super) fn new(options: PostgresSourceOptions) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(options.connections_max.max(1)));
        Arc::new(Self { options, permits, idle: Mutex::new(Vec::new()), time_zone: OnceLock::new() })
    }

    /// The options it was made with.
    pub(super) fn options(&self) -> &PostgresSourceOptions {
        &self.options
    }

    /// Fixes the time zone to a recorded one, instead of the project's or the server's. Without effect the second time.
    pub(super) fn record(&self, time_zone: &str) {
        let _first_wins = self.time_zone.set(time_zone.to_owned());
    }

    /// The time zone that sessions are set to, if anything says one.
    pub(super) fn time_zone(&self) -> Option<&str> {
        self.time_zone.get().map(String::as_str).or(self.options.time_zone.as_deref())
    }

    /// How long a client waits for one statement, a little longer than the server lets it run.
    pub(super) fn answer_limit(&self) -> Duration {
        Duration::from_secs(u64::from(self.options.statement_timeout_s)) + ANSWER_MARGIN
    }

    /// A read-only connection; waits while all are in use.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease> {
        let permit =
            Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::bug("the connection permits were closed"))?;
        self.extra_lease(permit).await
    }

    /// A connection beside those of the limit: for the stream, which must not wait for chunk readers.
    pub(super) async fn own(self: &Arc<Self>) -> Result<Lease> {
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.map_err(|_| Error::bug("a permit was closed"))?;
        self.extra_lease(permit).await
    }

    async fn extra_lease(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Result<Lease> {
        let reused = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|connection| !connection.client.is_closed());
            idle.pop()
        };
        let connection = match reused {
            Some(connection) => connection,
            None => self.connect(true).await?,
        };
        Ok(Lease { connection, pool: Arc::clone(self), limit: self.answer_limit(), _permit: permit })
    }

    /// A connection that may write: for the two catalogue entries that a slot needs, and nothing else.
    pub(super) async fn writer(self: &Arc<Self>) -> Result<Lease> {
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.map_err(|_| Error::bug("a permit was closed"))?;
        let connection = self.connect(false).await?;
        Ok(Lease { connection, pool: Arc::clone(self), limit: self.answer_limit(), _permit: permit })
    }

    async fn connect(&self, read_only: bool) -> Result<Connection> {
        let attempt = format!("connect to source {}", self.options.name);
        failure::within(CONNECT_LIMIT, &attempt, self.dial(read_only, &attempt)).await
    }

    async fn dial(&self, read_only: bool, attempt: &str) -> Result<Connection> {
        let config = self.config(read_only)?;
        let (client, driver) = match &self.options.tls {
            Tls::Off => {
                let (client, connection) = config.connect(NoTls).await.map_err(|error| failure::of_driver(error, attempt))?;
                (client, drive(connection))
            }
            Tls::VerifyFull { ca } => {
                let connector = MakeRustlsConnect::new(client_config(ca.as_deref())?);
                let (client, connection) = config.connect(connector).await.map_err(|error| failure::of_driver(error, attempt))?;
                (client, drive(connection))
            }
        };
        Ok(Connection { client, driver })
    }

    fn config(&self, read_only: bool) -> Result<Config> {
        let options = &self.options;
        options.check_transport()?;
        let mut config = Config::new();
        config.host(&options.host).port(options.port).user(&options.user).dbname(&options.database);
        config.application_name("strangler").channel_binding(ChannelBinding::Prefer);
        config.ssl_mode(if options.tls == Tls::Off { SslMode::Disable } else { SslMode::Require });
        if let Some(password) = &options.password {
            config.password(password.reveal().as_bytes());
        }
        config.keepalives(true).keepalives_idle(Duration::from_secs(10)).keepalives_interval(Duration::from_secs(5));
        config.keepalives_retries(3).tcp_user_timeout(Duration::from_secs(30)).connect_timeout(CONNECT_LIMIT);
        let timeout_ms = u64::from(options.statement_timeout_s).saturating_mul(1_000);
        let mut settings = options.pinned(self.time_zone());
        settings.push(("statement_timeout".into(), timeout_ms.to_string()));
        settings.push(("lock_timeout".into(), (timeout_ms / 2).to_string()));
        settings.push(("idle_in_transaction_session_timeout".into(), timeout_ms.to_string()));
        // A policy that hides rows is an error rather than a smaller answer.
        settings.push(("row_security".into(), "off".into()));
        settings.push(("jit".into(), "off".into()));
        if read_only {
            settings.push(("default_transaction_read_only".into(), "on".into()));
        }
        config.options(startup_options(&settings));
        Ok(config)
    }
}

/// The settings in the form of the startup option `options`: blanks and backslashes are escaped.
fn startup_options(settings: &[(String, String)]) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace(' ', "\\ ");
    let parts: Vec<String> = settings.iter().map(|(name, value)| format!("-c {name}={}", escaped(value))).collect();
    parts.join(" ")
}

/// Runs the connection's side of the protocol. Its error also reaches the statement that waits.
fn drive(connection: impl Future<Output = std::result::Result<(), tokio_postgres::Error>> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        let _ = connection.await;
    })
}

impl Lease {
    /// The protocol client.
    pub(super) fn client(&self) -> &Client {
        &self.connection.client
    }

    /// How long an answer is waited for.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Runs statements without an answer.
    pub(super) async fn execute(&self, attempt: &str, sql: &str) -> Result<()> {
        failure::within(self.limit, attempt, async {
            self.client().batch_execute(sql).await.map_err(|error| failure::of_driver(error, attempt))
        })
        .await
    }

    /// All rows of a short query, as the server prints them.
    pub(super) async fn rows(&self, attempt: &str, sql: &str) -> Result<Vec<TextRow>> {
        let messages = failure::within(self.limit, attempt, async {
            self.client().simple_query(sql).await.map_err(|error| failure::of_driver(error, attempt))
        })
        .await?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect()),
            _ => None,
        });
        Ok(rows.collect())
    }

    /// The connection is outside any transaction: it may be used again.
    pub(super) fn give_back(self) {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.pool.options.connections_max.max(1) {
            idle.push(self.connection);
        }
    }
}

/// A cell of a text row; NULL and what is not there are empty.
pub(super) fn cell(row: &TextRow, index: usize) -> &str {
    row.get(index).and_then(Option::as_deref).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_the_startup_option() {
        let settings = [("DateStyle".to_owned(), "ISO, YMD".to_owned()), ("x".to_owned(), r"a\b".to_owned())];
        assert_eq!(startup_options(&settings), r"-c DateStyle=ISO,\ YMD -c x=a\\b");
    }

    #[test]
    fn a_slot_is_named_after_its_source_in_the_characters_that_slots_may_have() {
        assert_eq!(PostgresSourceOptions::default_slot("ERP-기간계 1"), "strangler_erp_____1");
    }
}
