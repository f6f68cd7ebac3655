//! The target against a real PostgreSQL that the tests start themselves, in a temporary folder on a free port of the loopback.
//!
//! Without the server's binaries the tests say so loudly and pass, unless `STRANGLER_REQUIRE_DB=1`.

mod apply;
mod catalogue;
mod locks;
mod measure;
mod roundtrip;
mod text;

use std::sync::Arc;

use super::{Address, PostgresOptions, PostgresTarget, Secret};
use crate::demo::servers::TestPostgres;
use crate::schema::{TargetTable, TargetType};
use crate::target::tests::{batch, key, label, next, row, values};
use crate::target::{Checkpoint, Target};
use crate::value::{Row, Value};

/// A database of its own on the shared server.
pub(in crate::target) struct Bench {
    pub(in crate::target) server: Arc<TestPostgres>,
    pub(in crate::target) options: PostgresOptions,
    target: PostgresTarget,
}

impl Bench {
    pub(in crate::target) async fn new() -> Option<Self> {
        Some(Self::on(TestPostgres::shared(&[]).await?).await)
    }

    /// On a server of its own that keeps what it has committed when it is killed.
    pub(in crate::target) async fn durable() -> Option<Self> {
        Some(Self::on(Arc::new(TestPostgres::start(&["fsync=on", "synchronous_commit=on", "full_page_writes=on"]).await?)).await)
    }

    async fn on(server: Arc<TestPostgres>) -> Self {
        let options = options(&server, &server.create_database().await);
        Self { server, target: PostgresTarget::new(options.clone()), options }
    }

    /// A second target on the same database, as another engine would have.
    fn other_engine(&self) -> PostgresTarget {
        PostgresTarget::new(self.options.clone())
    }

    pub(in crate::target) async fn run(&self, statements: &str) {
        self.server.run(&self.options.database, statements).await;
    }

    pub(in crate::target) async fn ask(&self, query: &str) -> String {
        self.server.ask(&self.options.database, query).await.join("\n")
    }

    /// Creates tables and takes the mapping `m` over.
    async fn begin(&self, tables: &[TargetTable]) -> Checkpoint {
        self.target.create(tables).await.unwrap();
        self.target.take_over(None, row("m", "state-1", 0)).await.unwrap()
    }
}

/// Options for the superuser, over TCP with a password.
fn options(server: &TestPostgres, database: &str) -> PostgresOptions {
    let address = Address::Tcp { host: "127.0.0.1".into(), port: server.port() };
    let mut options = PostgresOptions::new("test-db", address, "postgres", database);
    options.password = Some(Secret::new(server.password()));
    options
}

/// A table whose first `key` columns are its key.
fn table(name: &str, key: usize, columns: &[(&str, TargetType)]) -> TargetTable {
    super::super::tests::table(name, key, columns.iter().map(|(name, own)| ((*name).to_owned(), own.clone())))
}

/// `id bigint primary key, label text`.
pub(in crate::target) fn labels(name: &str) -> TargetTable {
    table(name, 1, &[("id", TargetType::BigInt), ("label", TargetType::Text)])
}
