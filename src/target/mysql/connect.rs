//! Connections to the target: how they are opened, what their session promises, and how a broken one is left.
//!
//! A [`Connection`] is typed by its [`Role`]: on a `Connection<Reads>` the server refuses every write. Sessions are
//! strict, in UTC and in utf8mb4, whatever the server's own defaults are. Passwords are in no error and no log.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Row, SslOpts};

use super::{fault, sql};
use crate::error::{Class, Error, Result};
use crate::schema::TargetKind;
use crate::target::pool::Pooled;
use crate::transport::is_loopback;
pub use crate::transport::{Secret, Tls};

/// Statements that are sent together stay about below this, even where the server accepts more.
const BYTES_MAX: usize = 1 << 20;
/// Room in a packet for what stands around the rows.
const PACKET_SLACK_BYTES: usize = 16 << 10;
/// An idle connection older than this may have been closed by the server or by something in between.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Everything needed to reach a target.
#[derive(Clone)]
pub struct MySqlOptions {
    /// Name of the target in the project file; for messages.
    pub name: String,
    /// The family that the project file says it is of.
    pub kind: TargetKind,
    /// Host name or IP address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Account to log in as.
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

impl MySqlOptions {
    /// Options with the usual limits: 10 s to connect, 60 s a statement, 4 connections.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        kind: TargetKind,
        (host, port): (impl Into<String>, u16),
        user: impl Into<String>,
        database: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            kind,
            host: host.into(),
            port,
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
    /// Session settings of this role.
    const SETTINGS: &'static [&'static str];
}

/// Connections that write. Under READ COMMITTED a delete of an absent key locks no gap, so writers of neighbouring keys pass each other.
pub(in crate::target) struct Writes;

/// Connections on which the server refuses every write; a transaction is one snapshot.
pub(in crate::target) struct Reads;

impl Role for Writes {
    const SETTINGS: &'static [&'static str] = &["SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"];
}

impl Role for Reads {
    const SETTINGS: &'static [&'static str] = &["SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"];
}

/// What came back for one statement of several.
pub(super) struct Answer {
    /// Rows that the statement found or wrote; meaningless for a result set.
    pub(super) affected: u64,
    /// The result set, in text form.
    pub(super) rows: Vec<Row>,
}

/// One open connection.
pub(in crate::target) struct Connection<R: Role> {
    conn: Conn,
    /// Statements that are sent together stay below this.
    pub(super) bytes_max: usize,
    /// The largest packet that the server takes.
    pub(super) packet_bytes_max: usize,
    /// The family of the server.
    pub(super) kind: TargetKind,
    /// Its version.
    pub(super) version: (u32, u32, u32),
    /// Whether a target table, by its quoted name, has another unique key than its primary one; read once per connection.
    pub(super) uniqueness: HashMap<String, bool>,
    patience: Duration,
    used: Instant,
    role: PhantomData<R>,
}

impl<R: Role> Pooled for Connection<R> {
    type Options = MySqlOptions;

    async fn open(options: &MySqlOptions) -> Result<Self> {
        let attempt = format!("cannot connect to target {}", options.name);
        let limit = Duration::from_secs(options.connect_timeout_s);
        let dialled = tokio::time::timeout(limit, Conn::new(driver_options(options)?)).await;
        let conn = dialled
            .map_err(|_| fault::overdue(&attempt, options.connect_timeout_s))?
            .map_err(|error| fault::of(&error, &attempt))?;
        let mut connection = Self {
            conn,
            bytes_max: BYTES_MAX,
            packet_bytes_max: BYTES_MAX,
            kind: options.kind,
            version: (0, 0, 0),
            uniqueness: HashMap::new(),
            patience: options.patience(),
            used: Instant::now(),
            role: PhantomData,
        };
        connection.recognize(options, &attempt).await?;
        let mut settings = session(options);
        settings.extend(R::SETTINGS.iter().map(|text| (*text).to_owned()));
        connection.run(&settings, &attempt).await?;
        Ok(connection)
    }

    fn is_usable(&self) -> bool {
        self.used.elapsed() < IDLE_MAX
    }

    fn rest(&mut self) {
        self.used = Instant::now();
    }
}

impl<R: Role> Connection<R> {
    /// Asks who answers, and refuses a server of the other family: types and collations are chosen by it.
    async fn recognize(&mut self, options: &MySqlOptions, attempt: &str) -> Result<()> {
        let rows = self.query("SELECT VERSION(), @@max_allowed_packet", attempt).await?;
        let row = rows.first();
        let version = row.and_then(|row| cell(row, 0)).unwrap_or_default();
        let packet = row.and_then(|row| cell(row, 1)).and_then(|bytes| bytes.parse::<usize>().ok());
        let found = if version.contains("MariaDB") { TargetKind::MariaDb } else { TargetKind::MySql };
        if found != options.kind {
            let scheme = if found == TargetKind::MariaDb { "mariadb" } else { "mysql" };
            let message = format!("target {} is {}, its url says {}", options.name, found.name(), options.kind.name());
            return Err(Error::new(Class::Preflight, message).with_hint(format!("write {scheme}:// in its url")));
        }
        self.version = numbers(&version);
        self.packet_bytes_max = packet.unwrap_or(BYTES_MAX).max(2 * PACKET_SLACK_BYTES);
        self.bytes_max = BYTES_MAX.min(self.packet_bytes_max - PACKET_SLACK_BYTES);
        Ok(())
    }

    /// Runs statements in one round trip; the first that fails ends the others.
    pub(super) async fn run(&mut self, statements: &[String], attempt: &str) -> Result<Vec<Answer>> {
        let text = statements.join(";\n");
        let conn = &mut self.conn;
        let answers = async {
            let mut answers = Vec::with_capacity(statements.len());
            let mut results = conn.query_iter(text).await?;
            for _ in statements {
                let affected = results.affected_rows();
                let rows: Vec<Row> = results.collect().await?;
                answers.push(Answer { affected, rows });
            }
            results.drop_result().await?;
            Ok(answers)
        };
        within(self.patience, answers, attempt).await
    }

    /// The result set of one statement, in text form.
    pub(super) async fn query(&mut self, text: &str, attempt: &str) -> Result<Vec<Row>> {
        within(self.patience, self.conn.query(text), attempt).await
    }

    /// Runs one statement; how many rows it found or wrote.
    pub(super) async fn change(&mut self, text: &str, attempt: &str) -> Result<u64> {
        let conn = &mut self.conn;
        let changed = async {
            let results = conn.query_iter(text).await?;
            let affected = results.affected_rows();
            results.drop_result().await?;
            Ok(affected)
        };
        match tokio::time::timeout(self.patience, changed).await {
            Ok(answer) => answer.map_err(|error| fault::of_commit(&error, attempt)),
            Err(_) => Err(fault::lost_commit(attempt)),
        }
    }

    /// The result set of one statement in binary form: floats keep every bit, and every value has its type.
    pub(super) async fn read(&mut self, text: &str, attempt: &str) -> Result<Vec<Row>> {
        let conn = &mut self.conn;
        let rows = async {
            let statement = conn.prep(text).await?;
            let rows: Vec<Row> = conn.exec(&statement, ()).await?;
            conn.close(statement).await?;
            Ok(rows)
        };
        within(self.patience, rows, attempt).await
    }

    /// Runs a statement that may take as long as it needs.
    pub(super) async fn run_long(&mut self, text: &str, attempt: &str) -> Result<()> {
        self.conn.query_drop(text).await.map_err(|error| fault::of_commit(&error, attempt))
    }

    /// Sends COMMIT; a lost answer is a `Retry` error.
    pub(super) async fn commit(&mut self, attempt: &str) -> Result<()> {
        self.change("COMMIT", attempt).await.map(drop)
    }

    /// Gives a transaction up.
    pub(super) async fn roll_back(&mut self, attempt: &str) -> Result<()> {
        within(self.patience, self.conn.query_drop("ROLLBACK"), attempt).await
    }
}

async fn within<T>(limit: Duration, answer: impl Future<Output = mysql_async::Result<T>>, attempt: &str) -> Result<T> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(|error| fault::of(&error, attempt)),
        Err(_) => Err(fault::overdue(attempt, limit.as_secs())),
    }
}

/// A cell of a row in text form; `None` for NULL, and for what is not UTF-8.
pub(super) fn cell(row: &Row, index: usize) -> Option<String> {
    match row.as_ref(index)? {
        mysql_async::Value::Bytes(bytes) => String::from_utf8(bytes.clone()).ok(),
        mysql_async::Value::Int(number) => Some(number.to_string()),
        mysql_async::Value::UInt(number) => Some(number.to_string()),
        _ => None,
    }
}

fn numbers(version: &str) -> (u32, u32, u32) {
    // Servers before MariaDB 11 may put 5.5.5- in front for the sake of old replicas.
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

/// What every session is set to.
fn session(options: &MySqlOptions) -> Vec<String> {
    let timeout_s = options.statement_timeout_s.max(2);
    let limit = match options.kind {
        TargetKind::MariaDb => format!("max_statement_time = {timeout_s}"),
        _ => format!("max_execution_time = {}", timeout_s.saturating_mul(1_000)),
    };
    vec![
        "SET NAMES utf8mb4".to_owned(),
        // An engine that is gone without a word holds its locks no longer than this.
        format!(
            "SET SESSION sql_mode = {}, time_zone = '+00:00', autocommit = 1, sql_safe_updates = 0, sql_select_limit = DEFAULT, \
             innodb_lock_wait_timeout = {lock_s}, lock_wait_timeout = {lock_s}, wait_timeout = {idle_s}, {limit}",
            sql::text_literal(SQL_MODE),
            lock_s = (timeout_s / 2).max(1),
            idle_s = timeout_s.saturating_mul(2).max(60),
        ),
    ]
}

/// Strict: a value that does not fit is an error, never cut, clamped or replaced.
pub(super) const SQL_MODE: &str = "STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,\
     NO_AUTO_VALUE_ON_ZERO,NO_BACKSLASH_ESCAPES,NO_ENGINE_SUBSTITUTION";

fn driver_options(options: &MySqlOptions) -> Result<Opts> {
    let tls = match &options.tls {
        Tls::Off if is_loopback(&options.host) => None,
        Tls::Off => {
            return Err(Error::new(Class::Mapping, format!("target {} is not on loopback, but its tls is off", options.name))
                .with_hint("remove `tls: off`, or give the certificate authority in tls.ca"));
        }
        Tls::VerifyFull { ca } => Some(tls_options(ca.as_ref())?),
    };
    let builder = OptsBuilder::default()
        .ip_or_hostname(options.host.clone())
        .tcp_port(options.port)
        .user(Some(options.user.clone()))
        .pass(options.password.as_ref().map(|secret| secret.reveal().to_owned()))
        .db_name(Some(options.database.clone()))
        .prefer_socket(Some(false))
        .tcp_keepalive(Some(Duration::from_secs(10)))
        .tcp_nodelay(true)
        // Statements carry their values, so no text comes twice.
        .stmt_cache_size(0_usize)
        // An update that changes nothing has still found its row.
        .client_found_rows(true)
        .max_allowed_packet(Some(1 << 30))
        .ssl_opts(tls);
    Ok(builder.into())
}

fn tls_options(ca: Option<&PathBuf>) -> Result<SslOpts> {
    let roots = match ca {
        Some(path) => vec![path.clone().into()],
        None => {
            let found = rustls_native_certs::load_native_certs();
            if found.certs.is_empty() {
                return Err(Error::new(Class::Mapping, "the system has no certificate authorities")
                    .with_hint("give the certificate authority in tls.ca"));
            }
            found.certs.iter().map(|certificate| certificate.as_ref().to_vec().into()).collect()
        }
    };
    Ok(SslOpts::default().with_root_certs(roots).with_disable_built_in_roots(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_may_be_off_on_loopback_only_and_the_password_is_not_named() {
        for (host, allowed) in [("127.0.0.1", true), ("::1", true), ("localhost", true), ("10.0.0.5", false)] {
            let mut options = MySqlOptions::new("t", TargetKind::MySql, (host, 3306), "u", "d");
            options.password = Some(Secret::new("canary"));
            let built = driver_options(&options);
            assert_eq!(built.is_ok(), allowed, "{host}");
            if let Err(error) = built {
                assert_eq!(error.class(), Class::Mapping);
                assert!(!format!("{error:?}").contains("canary"));
            }
        }
    }

    #[test]
    fn versions_of_both_families_are_read() {
        assert_eq!(numbers("8.4.3"), (8, 4, 3));
        assert_eq!(numbers("5.5.5-10.6.18-MariaDB-log"), (10, 6, 18));
        assert_eq!(numbers("10.11.6-MariaDB-0+deb12u1"), (10, 11, 6));
    }
}
