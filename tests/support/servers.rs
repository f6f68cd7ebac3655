//! Database servers of the tests: shared by those that run at the same time, or started for one test that restarts or configures them.
//!
//! The last test that lets go of the shared servers removes them with their folders. Each test takes databases of its own.

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use strangler::demo::servers::{MariaDb, MySql, MysqlWireServer, Postgres, ServerError, ServerOptions};
use tokio::sync::Mutex;

/// A legacy and a service database server.
pub struct Pair {
    /// The legacy server.
    pub source: Server,
    /// The server of the service database.
    pub target: Server,
}

/// A server of any kind.
pub enum Server {
    /// PostgreSQL.
    Postgres(Postgres),
    /// MariaDB or MySQL.
    MySql(Kind, MysqlWireServer),
}

/// Which server: a source or a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// PostgreSQL.
    Postgres,
    /// MariaDB or MySQL.
    MySql(Kind),
}

impl Database {
    /// MariaDB.
    pub const MARIADB: Self = Self::MySql(Kind::MariaDb);
    /// MySQL.
    pub const MYSQL: Self = Self::MySql(Kind::MySql);
}

/// The same question to whichever server it is.
macro_rules! of_either {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match $self {
            Server::Postgres(server) => server.$method($($argument),*),
            Server::MySql(_, server) => server.$method($($argument),*),
        }
    };
}

impl Server {
    /// Starts one that is in its place as a source or a target of tests.
    async fn start(database: Database, further: &[&str]) -> Result<Self, ServerError> {
        Ok(match database {
            Database::Postgres => {
                let arguments = POSTGRES_ARGS.iter().chain(further).copied();
                Self::Postgres(Postgres::start(ServerOptions::with_args(arguments)).await?)
            }
            Database::MySql(kind) => Self::MySql(kind, start(kind, further).await?),
        })
    }

    /// Its port on the loopback.
    pub fn port(&self) -> u16 {
        of_either!(self.port())
    }

    /// The password of its administrator.
    pub fn password(&self) -> &str {
        of_either!(self.password())
    }

    /// The server's folder.
    pub fn folder(&self) -> &std::path::Path {
        of_either!(self.folder())
    }

    /// Replaces the extra arguments for the next restart.
    pub fn set_extra_args(&mut self, arguments: Vec<String>) {
        of_either!(self.set_extra_args(arguments));
    }

    /// Ends it in order; it can be restarted.
    pub async fn stop(&mut self) -> Result<(), ServerError> {
        match self {
            Self::Postgres(server) => server.stop().await,
            Self::MySql(_, server) => server.stop().await,
        }
    }

    /// Starts it again, on the same port.
    pub async fn restart(&mut self) -> Result<(), ServerError> {
        match self {
            Self::Postgres(server) => server.restart().await,
            Self::MySql(_, server) => server.restart().await,
        }
    }

    /// Ends it at once.
    pub fn kill(&mut self) -> Result<(), ServerError> {
        of_either!(self.kill())
    }

    /// Runs statements as the administrator, one after the other.
    pub async fn execute(&self, statements: &[&str]) -> Result<(), ServerError> {
        match self {
            Self::MySql(_, server) => server.execute(statements).await,
            Self::Postgres(server) => {
                for statement in statements {
                    server.execute("postgres", statement).await?;
                }
                Ok(())
            }
        }
    }
}

/// Which server of the MySQL family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// MariaDB.
    MariaDb,
    /// Real MySQL, from the tree that `scripts/fetch-mysql.sh` makes.
    MySql,
}

type Shared = Mutex<Weak<Pair>>;
static MARIADB: Shared = Mutex::const_new(Weak::new());
static MYSQL: Shared = Mutex::const_new(Weak::new());

/// Large rows must get through, and a killed server must not forget what it answered.
const MARIADB_ARGS: [&str; 2] = ["--max-allowed-packet=256M", "--innodb-buffer-pool-size=128M"];
const MYSQL_ARGS: [&str; 2] = ["--max-allowed-packet=256M", "--innodb-buffer-pool-size=128M"];
/// Large transactions are sent before their end, also small ones that are large for this server.
const POSTGRES_ARGS: [&str; 3] = ["-csynchronous_commit=on", "-cshared_buffers=64MB", "-clogical_decoding_work_mem=64kB"];

/// The servers that tests of this program share. `None`: not installed, and the test was told so.
pub async fn shared(kind: Kind) -> Option<Arc<Pair>> {
    let slot = match kind {
        Kind::MariaDb => &MARIADB,
        Kind::MySql => &MYSQL,
    };
    let mut slot = slot.lock().await;
    if let Some(pair) = slot.upgrade() {
        return Some(pair);
    }
    let pair = Arc::new(own(kind, &[]).await?);
    *slot = Arc::downgrade(&pair);
    Some(pair)
}

/// Servers of one test, with more arguments for the legacy server; the service database is on PostgreSQL. `None` as for [`shared`].
pub async fn own(kind: Kind, source_args: &[&str]) -> Option<Pair> {
    own_pair_with(Database::MySql(kind), source_args, Database::Postgres).await
}

/// Servers of one test, each of any kind. `None` as for [`shared`].
pub async fn own_pair(source: Database, target: Database) -> Option<Pair> {
    own_pair_with(source, &[], target).await
}

/// The same, with more arguments for the legacy server.
pub async fn own_pair_with(source: Database, source_args: &[&str], target: Database) -> Option<Pair> {
    let started = tokio::join!(Server::start(source, source_args), Server::start(target, &[]));
    let may_be_absent = |database: Database| database == Database::MYSQL;
    Some(Pair { source: installed(may_be_absent(source), started.0)?, target: installed(may_be_absent(target), started.1)? })
}

async fn start(kind: Kind, further: &[&str]) -> Result<MysqlWireServer, ServerError> {
    let common = if kind == Kind::MariaDb { &MARIADB_ARGS } else { &MYSQL_ARGS };
    let options = ServerOptions::with_args(common.iter().chain(further).copied());
    match kind {
        Kind::MariaDb => MariaDb::start(options).await,
        Kind::MySql => MySql::start(options).await,
    }
}

/// A missing server is a skip that nobody overlooks, or a failure; anything else that keeps it from starting is a failure.
fn installed<T>(may_be_absent: bool, started: Result<T, ServerError>) -> Option<T> {
    match started {
        Ok(server) => Some(server),
        Err(missing @ ServerError::Missing { .. }) => {
            let excused = may_be_absent && std::env::var_os("STRANGLER_MYSQL").is_some_and(|value| value == "absent");
            let required = std::env::var_os("STRANGLER_REQUIRE_DB").is_some_and(|value| value == "1");
            assert!(excused || !required, "{missing}");
            // Straight to the descriptor: the test runner keeps what a passing test prints to itself.
            let name = std::thread::current().name().unwrap_or("a test").to_owned();
            let _ = writeln!(std::io::stderr(), "\n    SKIPPED {name}: {missing}\n");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A name for databases and users that no other test of this program has.
pub fn fresh_name(test: &str) -> String {
    format!("{test}_{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}
