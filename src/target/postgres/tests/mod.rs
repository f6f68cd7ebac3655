//! The target against a real PostgreSQL that the tests start themselves, in a temporary folder on a free port of the loopback.
//!
//! Without the server's binaries the tests say so loudly and pass, unless `STRANGLER_REQUIRE_DB=1`.

mod apply;
mod catalogue;
mod crash;
mod measure;
mod parts;
mod roundtrip;
mod server;
mod text;

use std::sync::Arc;

use super::{PostgresOptions, PostgresTarget};
use crate::position::Frontier;
use crate::schema::{TargetColumn, TargetTable, TargetType};
use crate::target::{Advance, Checkpoint, Phase, Target};
use crate::value::{Row, Value};
use crate::write::{TableWrites, WriteBatch};
use server::Server;

/// A database of its own on the shared server.
struct Bench {
    server: Arc<Server>,
    options: PostgresOptions,
    target: PostgresTarget,
}

impl Bench {
    async fn new() -> Option<Self> {
        let server = server::shared()?;
        let options = server.create_database().await;
        Some(Self { server, target: PostgresTarget::new(options.clone()), options })
    }

    /// A second target on the same database, as another engine would have.
    fn other_engine(&self) -> PostgresTarget {
        PostgresTarget::new(self.options.clone())
    }

    async fn run(&self, statements: &str) {
        self.server.run(&self.options.database, statements).await;
    }

    async fn ask(&self, query: &str) -> String {
        self.server.ask(&self.options.database, query).await
    }

    /// Creates tables and takes the mapping `m` over.
    async fn begin(&self, tables: &[TargetTable]) -> Checkpoint {
        self.target.create(tables).await.unwrap();
        self.target.take_over(None, row("m", "state-1", 0)).await.unwrap()
    }
}

fn row(mapping: &str, state_id: &str, sequence: u64) -> Checkpoint {
    Checkpoint {
        mapping: mapping.into(),
        state_id: state_id.into(),
        sequence,
        owner_epoch: 0,
        frontier: Frontier::default(),
        source_committed_at_us: 1_700_000_000_123_456,
        phase: Phase::Loading,
        load_cursor: None,
        pending_sweeps: 0,
        quarantined: 0,
    }
}

/// The step after `current`.
fn next(current: &Checkpoint) -> Advance {
    Advance { expected_sequence: current.sequence, next: Checkpoint { sequence: current.sequence + 1, ..current.clone() } }
}

fn column(name: &str, target_type: TargetType) -> TargetColumn {
    TargetColumn { name: name.into(), target_type, nullable: true, description: String::new() }
}

/// A table whose first `key` columns are its key.
fn table(name: &str, key: usize, columns: &[(&str, TargetType)]) -> TargetTable {
    let mut columns: Vec<TargetColumn> = columns.iter().map(|(name, target_type)| column(name, target_type.clone())).collect();
    columns.iter_mut().take(key).for_each(|column| column.nullable = false);
    TargetTable {
        schema: None,
        name: name.into(),
        columns,
        key: (0..key).collect(),
        indexes: Vec::new(),
        description: String::new(),
    }
}

/// `id bigint primary key, label text`.
fn labels(name: &str) -> TargetTable {
    table(name, 1, &[("id", TargetType::BigInt), ("label", TargetType::Text)])
}

fn values(values: impl IntoIterator<Item = Value>) -> Row {
    values.into_iter().collect()
}

fn label(id: i64, text: &str) -> Row {
    values([Value::Int(id), Value::text(text)])
}

fn key(id: i64) -> Row {
    values([Value::Int(id)])
}

fn batch(table: u32, deletes: Vec<Row>, upserts: Vec<Row>) -> WriteBatch {
    WriteBatch { tables: vec![TableWrites { table, deletes, upserts }] }
}
