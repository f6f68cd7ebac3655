//! One PostgreSQL for all tests of a process, with a database for each.
//!
//! Without the server's programs the tests say so loudly and pass, unless `STRANGLER_REQUIRE_DB=1`.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::Mutex;
use tokio_postgres::SimpleQueryMessage;

use super::{Postgres, ServerOptions};

/// A running server, and statements on it as its superuser.
pub(crate) struct TestPostgres {
    postgres: Postgres,
    databases: AtomicU32,
}

impl TestPostgres {
    /// The server that tests running at the same time share; the last one stops it. `settings` count for the first one.
    pub(crate) async fn shared(settings: &[&str]) -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<TestPostgres>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::start(settings).await?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// A server of one's own with settings as `name=value`; `None`, loudly, if there are no programs.
    pub(crate) async fn start(settings: &[&str]) -> Option<Self> {
        let arguments = settings.iter().map(|setting| format!("-c{setting}"));
        match Postgres::start(ServerOptions::with_args(arguments)).await {
            Ok(postgres) => Some(Self { postgres, databases: AtomicU32::new(0) }),
            Err(error) => {
                assert!(std::env::var_os("STRANGLER_REQUIRE_DB").is_none_or(|value| value != "1"), "{error}");
                eprintln!("SKIPPED: {error}; nothing of this test was run");
                None
            }
        }
    }

    /// The same of a version between `oldest` and `newest`, if one is at hand; `None`, loudly, if not.
    pub(crate) async fn start_of(oldest: u32, newest: u32, settings: &[&str]) -> Option<Self> {
        let Some(programs) = Postgres::programs(oldest, newest) else {
            eprintln!("SKIPPED: no PostgreSQL {oldest} to {newest} is at hand; scripts/fetch-postgres.sh {newest} makes one");
            return None;
        };
        let options = ServerOptions::with_args(settings.iter().map(|setting| format!("-c{setting}")));
        let postgres = Postgres::start_of(&programs, options).await.unwrap();
        Some(Self { postgres, databases: AtomicU32::new(0) })
    }

    /// SIGKILL, and a new start on the same port.
    pub(crate) async fn crash(&mut self) {
        self.postgres.kill().unwrap();
        self.postgres.restart().await.unwrap();
    }

    /// The name of a new, empty database.
    pub(crate) async fn create_database(&self) -> String {
        let name = format!("db{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.postgres.create_database(&name).await.unwrap();
        name
    }

    /// Runs statements; one that fails is shown.
    pub(crate) async fn run(&self, database: &str, statements: &str) {
        let client = self.connect(database).await;
        client.batch_execute(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    }

    /// All rows of a query, their cells joined.
    pub(crate) async fn ask(&self, database: &str, query: &str) -> Vec<String> {
        let answer = self.connect(database).await.simple_query(query).await;
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|index| row.get(index).unwrap_or("NULL")).collect::<Vec<_>>().join("|"))
            }
            _ => None,
        };
        answer.unwrap_or_else(|error| panic!("{query}: {error:?}")).into_iter().filter_map(row).collect()
    }

    /// A connection as the superuser, which ends with the client.
    pub(crate) async fn connect(&self, database: &str) -> tokio_postgres::Client {
        self.postgres.connect(database).await.unwrap()
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.postgres.port()
    }

    /// The superuser's password.
    pub(crate) fn password(&self) -> &str {
        self.postgres.password()
    }

    /// The server's folder; its data are in `data`.
    pub(crate) fn folder(&self) -> &Path {
        self.postgres.folder()
    }

    /// Gives a file to the account of the server, readable by it alone.
    pub(crate) fn hand_over(&self, path: &Path) {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        self.postgres.own(path).unwrap();
    }
}
