//! Connections to the legacy server: how they are made, what every one of them is set to, and how they are reused.
//!
//! In: [`MySqlOptions`]. Out: connections whose session settings are the recorded ones, which are read-only, and whose
//! statements have a time limit on both ends. Never plain text off loopback, never a password in an error. The stream's
//! connection is made here too but not pooled.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, SslOpts};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Class, Error, Result};
use crate::schema::{Flavor, SessionSettings};
use crate::source::spill::SpillOptions;
use crate::transport::is_loopback;
pub use crate::transport::{Secret, Tls};

use super::failure;
use super::session;

/// How long connecting and the handshake may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How much longer than the server's own limit the client waits for an answer.
const ANSWER_MARGIN: Duration = Duration::from_secs(15);

/// Session settings that the project file gives; what is `None` is the server's own default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionOverrides {
    /// `sql_mode`.
    pub sql_mode: Option<String>,
    /// `time_zone`, an offset or a named zone.
    pub time_zone: Option<String>,
    /// `div_precision_increment`.
    pub div_precision_increment: Option<u32>,
    /// `group_concat_max_len`, bytes.
    pub group_concat_max_len: Option<u64>,
    /// `collation_connection`, of charset utf8mb4.
    pub collation_connection: Option<String>,
}

/// Where the legacy database is and how it may be used.
#[derive(Clone)]
pub struct MySqlOptions {
    /// The source's name in the project file.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Account.
    pub user: String,
    /// Its password, if it has one.
    pub password: Option<Secret>,
    /// The database that unqualified names mean.
    pub database: String,
    /// Transport protection.
    pub tls: Tls,
    /// The replica id of the stream; `None`: a random high one.
    pub server_id: Option<u32>,
    /// What the SELECTs mean.
    pub session: SessionOverrides,
    /// Time limit of every statement, seconds.
    pub statement_timeout_s: u32,
    /// How many connections may be open at once, the stream's not counted.
    pub connections_max: usize,
    /// The memory that one source transaction may take, bytes; a larger one goes to disk, or stops by name where it cannot.
    pub transaction_bytes_max: usize,
    /// The replica whose lag `max_lag_s` is about; `None`: the server itself.
    pub replica: Option<Box<MySqlOptions>>,
    /// Where larger ones go; `None`: nowhere.
    pub spill: Option<SpillOptions>,
}

/// The memory that one source transaction may take where the project does not say.
pub const TRANSACTION_BYTES_MAX: usize = 256 << 20;

/// What a connection's sessions are set to besides the recorded settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Mapping SQL under the recorded settings.
    Select,
    /// Rows of a table as stored: no charset conversion, no `sql_mode` that changes what a stored value looks like.
    Rows,
}

/// The server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Family.
    pub flavor: Flavor,
    /// Major, minor, patch.
    pub version: (u32, u32, u32),
}

/// The connections of one source.
pub struct Pool {
    options: MySqlOptions,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Conn>>,
    known: tokio::sync::OnceCell<(Server, SessionSettings)>,
}

/// A connection on loan. Dropped without [`Lease::give_back`], it is closed: nobody inherits a half-read result.
pub struct Lease<'a> {
    conn: Conn,
    pool: &'a Pool,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    /// A pool over `options`; connects to nothing yet.
    #[must_use]
    pub fn new(options: MySqlOptions) -> Self {
        let permits = Arc::new(Semaphore::new(options.connections_max.max(1)));
        Self { options, permits, idle: Mutex::new(Vec::new()), known: tokio::sync::OnceCell::new() }
    }

    /// The options it was made with.
    #[must_use]
    pub fn options(&self) -> &MySqlOptions {
        &self.options
    }

    /// How long a client waits for one statement, a little longer than the server lets it run.
    #[must_use]
    pub fn answer_limit(&self) -> Duration {
        Duration::from_secs(u64::from(self.options.statement_timeout_s)) + ANSWER_MARGIN
    }

    /// Fixes the session settings to recorded ones, instead of those the server has now. Without effect once connected.
    pub fn record(&self, flavor: Flavor, version: (u32, u32, u32), settings: SessionSettings) {
        let _first_wins = self.known.set((Server { flavor, version }, settings));
    }

    /// The server and the session settings that every connection is set to; asks the server the first time.
    ///
    /// # Errors
    /// Connection errors; `Preflight` when the time zone of the server is its system's and nobody said which one that is.
    pub async fn known(&self) -> Result<&(Server, SessionSettings)> {
        self.known
            .get_or_try_init(|| async {
                let mut conn = self.connect().await?;
                let limit = self.answer_limit();
                let server = session::server(&mut conn, limit).await?;
                let settings = session::settings(&mut conn, limit, &server, &self.options.session).await?;
                let _closed = tokio::time::timeout(CONNECT_LIMIT, conn.disconnect()).await;
                Ok((server, settings))
            })
            .await
    }

    /// A connection for `purpose`, set up; waits while all are in use.
    ///
    /// # Errors
    /// Connection errors and refused session settings.
    pub async fn lease(&self, purpose: Use) -> Result<Lease<'_>> {
        let (server, settings) = self.known().await?;
        let permit =
            Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::bug("the connection permits were closed"))?;
        let reused = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut conn = match reused {
            Some(conn) => conn,
            None => self.connect().await?,
        };
        let wanted = session::statements(server, settings, purpose, self.options.statement_timeout_s);
        match self.prepare(&mut conn, &wanted).await {
            // An idle connection that the server has dropped meanwhile is no news.
            Err(error) if error.class() == Class::Unreachable => {
                conn = self.connect().await?;
                self.prepare(&mut conn, &wanted).await?;
            }
            other => other?,
        }
        Ok(Lease { conn, pool: self, _permit: permit })
    }

    async fn prepare(&self, conn: &mut Conn, statements: &[String]) -> Result<()> {
        for statement in statements {
            failure::within(
                self.answer_limit(),
                &format!("set up the session of source {}", self.options.name),
                conn.query_drop(statement.as_str()),
            )
            .await?;
        }
        Ok(())
    }

    /// A fresh connection with no session settings: for the stream, which sets its own.
    ///
    /// # Errors
    /// As [`failure::driver`] maps; `Mapping` for plain text off loopback.
    pub async fn connect(&self) -> Result<Conn> {
        let attempt = format!("connect to source {}", self.options.name);
        failure::within(CONNECT_LIMIT, &attempt, Conn::new(driver_options(&self.options)?)).await
    }
}

impl Lease<'_> {
    /// The connection.
    pub fn conn(&mut self) -> &mut Conn {
        &mut self.conn
    }

    /// Ends an open transaction and returns the connection for reuse.
    ///
    /// # Errors
    /// When the transaction cannot be ended; the connection is then closed.
    pub async fn give_back(mut self) -> Result<()> {
        failure::within(CONNECT_LIMIT, "end a read-only transaction", self.conn.query_drop("COMMIT")).await?;
        let Self { conn, pool, _permit } = self;
        pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        Ok(())
    }
}

fn driver_options(options: &MySqlOptions) -> Result<Opts> {
    let tls = match &options.tls {
        Tls::Off if is_loopback(&options.host) => None,
        Tls::Off => {
            return Err(Error::new(Class::Mapping, format!("source {} is not on loopback and has TLS turned off", options.name))
                .with_hint("give `tls: { ca: FILE }`, or leave `tls` out to trust the system's authorities"));
        }
        Tls::VerifyFull { ca } => Some(tls_options(options, ca.as_ref())?),
    };
    let builder = OptsBuilder::default()
        .ip_or_hostname(options.host.clone())
        .tcp_port(options.port)
        .user(Some(options.user.clone()))
        .pass(options.password.as_ref().map(|secret| secret.reveal().to_owned()))
        .db_name(Some(options.database.clone()))
        .prefer_socket(Some(false))
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .tcp_nodelay(true)
        .stmt_cache_size(16_usize)
        .max_allowed_packet(Some(1 << 30))
        .ssl_opts(tls);
    Ok(builder.into())
}

fn tls_options(options: &MySqlOptions, ca: Option<&PathBuf>) -> Result<SslOpts> {
    let roots = match ca {
        Some(path) => vec![path.clone().into()],
        None => {
            let found = rustls_native_certs::load_native_certs();
            if found.certs.is_empty() {
                return Err(Error::new(
                    Class::Local,
                    format!("no certificate authorities of the system were found for source {}", options.name),
                )
                .with_hint("install ca-certificates or give `tls: { ca: FILE }`"));
            }
            found.certs.iter().map(|certificate| certificate.as_ref().to_vec().into()).collect()
        }
    };
    Ok(SslOpts::default().with_root_certs(roots).with_disable_built_in_roots(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(host: &str) -> MySqlOptions {
        MySqlOptions {
            name: "erp".into(),
            host: host.into(),
            port: 3306,
            user: "u".into(),
            password: Some(Secret::new("canary-password")),
            database: "d".into(),
            tls: Tls::Off,
            server_id: None,
            session: SessionOverrides::default(),
            statement_timeout_s: 10,
            connections_max: 2,
            transaction_bytes_max: TRANSACTION_BYTES_MAX,
            replica: None,
            spill: None,
        }
    }

    #[test]
    fn plain_text_off_loopback_is_refused_without_naming_the_password() {
        let error = driver_options(&options("db.internal")).err().unwrap();
        assert_eq!(error.class(), Class::Mapping);
        assert!(!format!("{error:?}").contains("canary"));
        assert!(driver_options(&options("127.0.0.1")).is_ok());
        assert!(driver_options(&options("::1")).is_ok());
    }

    #[tokio::test]
    async fn nobody_listening_is_unreachable() {
        let mut nowhere = options("127.0.0.1");
        nowhere.port = 1;
        let error = Pool::new(nowhere).connect().await.err().unwrap();
        assert_eq!(error.class(), Class::Unreachable);
        assert!(!format!("{error:?}").contains("canary"));
    }
}
