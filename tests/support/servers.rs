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
    /// MariaDB or MySQL.
    pub source: MysqlWireServer,
    /// Any kind.
    pub target: TargetServer,
}

/// The server of a service database.
pub enum TargetServer {
    /// PostgreSQL.
    Postgres(Postgres),
    /// MariaDB or MySQL.
    MySql(Kind, MysqlWireServer),
}

/// Which server the service database is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// PostgreSQL.
    Postgres,
    /// MariaDB or MySQL.
    MySql(Kind),
}

impl TargetServer {
    async fn start(service: Service) -> Result<Self, ServerError> {
        Ok(match service {
            Service::Postgres => Self::Postgres(Postgres::start(ServerOptions::with_args(POSTGRES_ARGS)).await?),
            Service::MySql(kind) => Self::MySql(kind, start(kind, &[]).await?),
        })
    }

    /// Its port on the loopback.
    pub fn port(&self) -> u16 {
        match self {
            Self::Postgres(server) => server.port(),
            Self::MySql(_, server) => server.port(),
        }
    }

    /// The server's folder.
    pub fn folder(&self) -> &std::path::Path {
        match self {
            Self::Postgres(server) => server.folder(),
            Self::MySql(_, server) => server.folder(),
        }
    }

    /// Replaces the extra arguments for the next restart.
    pub fn set_extra_args(&mut self, arguments: Vec<String>) {
        match self {
            Self::Postgres(server) => server.set_extra_args(arguments),
            Self::MySql(_, server) => server.set_extra_args(arguments),
        }
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
        match self {
            Self::Postgres(server) => server.kill(),
            Self::MySql(_, server) => server.kill(),
        }
    }
}

/// Which legacy server.
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
const POSTGRES_ARGS: [&str; 2] = ["-csynchronous_commit=on", "-cshared_buffers=64MB"];

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
    own_to(kind, source_args, Service::Postgres).await
}

/// The same with any service database.
pub async fn own_to(kind: Kind, source_args: &[&str], service: Service) -> Option<Pair> {
    let (source, target) = tokio::join!(start(kind, source_args), TargetServer::start(service));
    let target_may_be_absent = service == Service::MySql(Kind::MySql);
    Some(Pair { source: installed(kind == Kind::MySql, source)?, target: installed(target_may_be_absent, target)? })
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
