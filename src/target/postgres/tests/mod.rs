//! The target against a real PostgreSQL that the tests start themselves, in a temporary folder on a free port of the loopback.
//!
//! Without the server's binaries the tests say so loudly and pass, unless `STRANGLER_REQUIRE_DB=1`.

mod apply;
mod catalogue;
mod crash;
mod measure;
mod roundtrip;
mod server;
mod text;

use std::sync::Arc;

use super::{PostgresOptions, PostgresTarget};
use crate::schema::{TargetTable, TargetType};
use crate::target::tests::{batch, key, label, next, row, values};
use crate::target::{Advance, Checkpoint, Target};
use crate::value::{Row, Value};
use server::Server;

/// A database of its own on the shared server.
pub(in crate::target) struct Bench {
    server: Arc<Server>,
    pub(in crate::target) options: PostgresOptions,
    target: PostgresTarget,
}

impl Bench {
    pub(in crate::target) async fn new() -> Option<Self> {
        let server = server::shared()?;
        let options = server.create_database().await;
        Some(Self { server, target: PostgresTarget::new(options.clone()), options })
    }

    /// A second target on the same database, as another engine would have.
    fn other_engine(&self) -> PostgresTarget {
        PostgresTarget::new(self.options.clone())
    }

    pub(in crate::target) async fn run(&self, statements: &str) {
        self.server.run(&self.options.database, statements).await;
    }

    pub(in crate::target) async fn ask(&self, query: &str) -> String {
        self.server.ask(&self.options.database, query).await
    }

    /// Creates tables and takes the mapping `m` over.
    async fn begin(&self, tables: &[TargetTable]) -> Checkpoint {
        self.target.create(tables).await.unwrap();
        self.target.take_over(None, row("m", "state-1", 0)).await.unwrap()
    }
}

/// A table whose first `key` columns are its key.
fn table(name: &str, key: usize, columns: &[(&str, TargetType)]) -> TargetTable {
    super::super::tests::table(name, key, columns.iter().map(|(name, own)| ((*name).to_owned(), own.clone())))
}

/// `id bigint primary key, label text`.
pub(in crate::target) fn labels(name: &str) -> TargetTable {
    table(name, 1, &[("id", TargetType::BigInt), ("label", TargetType::Text)])
}
