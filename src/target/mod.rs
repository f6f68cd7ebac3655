//! Service databases: definition, first load, transactional apply, checkpoint, reads for verify.
//!
//! [`Target`] is what the flows see. Every write happens in a transaction that compares and sets the mapping's checkpoint row; no
//! other statement of strangler changes a target table.

use std::future::Future;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::position::Frontier;
use crate::schema::TargetTable;
use crate::target::gate::Gate;
use crate::value::Row;
use crate::write::{WriteBatch, WriteParts};

pub mod database;
mod fence;
pub mod gate;
pub mod mysql;
mod pool;
pub mod postgres;
mod server;
mod transaction;

#[cfg(test)]
mod tests;

/// Where a mapping stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The first load goes into empty tables; readers must not trust them yet.
    Loading,
    /// Every visible state is a committed prefix of the source.
    Live,
}

/// The checkpoint row of a mapping in its target: a documented contract for service teams.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Name of the mapping.
    pub mapping: String,
    /// Id of the state folder that owns it.
    pub state_id: String,
    /// Sequence of the last applied batch.
    pub sequence: u64,
    /// Grows by one with each engine that takes the mapping over: the fence.
    pub owner_epoch: u64,
    /// What the tables contain.
    pub frontier: Frontier,
    /// Commit time of the last contained source transaction, microseconds since 1970; 0 if unknown.
    pub source_committed_at_us: i64,
    /// Phase.
    pub phase: Phase,
    /// While loading: how far each target table is, opaque to the target.
    pub load_cursor: Option<String>,
    /// Sweeps under way; 0 means none.
    pub pending_sweeps: u32,
    /// Rows quarantined; 0 means none.
    pub quarantined: u64,
}

/// How the checkpoint row moves with a write: it must still hold `expected_sequence` and the caller's owner epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    /// The sequence the row must hold.
    pub expected_sequence: u64,
    /// The row after the write.
    pub next: Checkpoint,
}

/// A difference between a declared target table and the one that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDifference {
    /// The object, e.g. `public.orders.status`.
    pub object: String,
    /// What differs: lower case, no full stop.
    pub message: String,
}

/// What a target says about a declared table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableState {
    /// It does not exist.
    Absent,
    /// It exists as declared; whether it holds any row.
    Present {
        /// At least one row.
        has_rows: bool,
    },
    /// It exists as declared but for its primary key, which is put on after the load that fills it; whether it holds any row.
    Unkeyed {
        /// At least one row.
        has_rows: bool,
    },
    /// It exists otherwise than declared: missing or extra columns, other types, another key, enabled triggers.
    Differs(Vec<TableDifference>),
}

impl TableState {
    /// What is different about a table without a primary key where none is loaded; `object` is its name.
    #[must_use]
    pub fn without_key(table: &TargetTable, object: &str) -> TableDifference {
        let columns = table.key.iter().filter_map(|column| table.columns.get(*column));
        let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
        TableDifference { object: object.to_owned(), message: format!("has no primary key, declared is ({})", names.join(", ")) }
    }
}

/// A service database.
pub trait Target: Send + Sync + 'static {
    /// The statements that create a table, its comments and the `strangler` schema, as `plan` shows them.
    fn definition(&self, table: &TargetTable) -> Vec<String>;

    /// Compares a declared table with what exists.
    fn inspect(&self, table: &TargetTable) -> impl Future<Output = Result<TableState>> + Send;

    /// All findings about privileges and settings.
    fn preflight(&self, tables: &[TargetTable]) -> impl Future<Output = Result<Vec<crate::finding::Finding>>> + Send;

    /// Creates absent tables and the checkpoint table; never touches an existing table.
    fn create(&self, tables: &[TargetTable]) -> impl Future<Output = Result<()>> + Send;

    /// Takes the primary key off a table that [`Target::create`] has made a moment ago and that a load is to fill: [`Target::create_indexes`] puts
    /// it on again, by one sort instead of a search for every row. A target where that gains nothing leaves it.
    fn defer_key(&self, table: &TargetTable) -> impl Future<Output = Result<()>> + Send {
        let _kept = table;
        async { Ok(()) }
    }

    /// Creates the primary key, if it was deferred, and the declared secondary indexes that are missing (after the load).
    fn create_indexes(&self, table: &TargetTable) -> impl Future<Output = Result<()>> + Send;

    /// Empties a table whose key was deferred and whose load does not go on, and puts its key on. Any other table stays as it is.
    fn begin_again(&self, table: &TargetTable) -> impl Future<Output = Result<()>> + Send {
        let _kept = table;
        async { Ok(()) }
    }

    /// Reads a mapping's checkpoint row; `None` if there is none (or no checkpoint table).
    fn checkpoint(&self, mapping: &str) -> impl Future<Output = Result<Option<Checkpoint>>> + Send;

    /// Takes a mapping over: inserts its row, or raises `owner_epoch` of the row that still equals `current`. Answers the row.
    /// A row that changed meanwhile is a `Locked` error.
    fn take_over(&self, current: Option<&Checkpoint>, next: Checkpoint) -> impl Future<Output = Result<Checkpoint>> + Send;

    /// Loads rows of one table with COPY and moves the checkpoint, in one transaction.
    fn load(&self, table: &TargetTable, rows: &[Row], advance: &Advance) -> impl Future<Output = Result<()>> + Send;

    /// As [`Target::load`], for a slice behind others that are on their way: its rows are sent at once, the checkpoint moves and COMMIT is sent
    /// when `turn` is open. A gate that never opens is a `Local` error, and nothing is written.
    fn load_behind(
        &self,
        table: &TargetTable,
        rows: &[Row],
        advance: &Advance,
        turn: &Gate,
    ) -> impl Future<Output = Result<()>> + Send {
        async move {
            turn.passed().await?;
            self.load(table, rows, advance).await
        }
    }

    /// Applies batches (deletes first, then upserts) and moves each mapping's checkpoint, in one transaction. A checkpoint row
    /// that does not match is a `Locked` error and nothing is written. After a lost COMMIT answer the error is `Retry`: read the
    /// checkpoint back.
    fn apply(&self, writes: &[(Advance, &[TargetTable], WriteBatch)]) -> impl Future<Output = Result<()>> + Send;

    /// As [`Target::apply`], for writes that are on their way to the engine's own disk: everything is sent at once, and COMMIT when `gate` is
    /// open. A gate that never opens is a `Local` error, and nothing is written.
    fn apply_ahead(
        &self,
        writes: &[(Advance, &[TargetTable], WriteBatch)],
        gate: &Gate,
    ) -> impl Future<Output = Result<()>> + Send {
        async move {
            gate.passed().await?;
            self.apply(writes).await
        }
    }

    /// As [`Target::apply`] for one mapping whose writes do not fit in memory: the deletes of all parts, then the upserts, in one
    /// transaction. Memory holds one part at a time, and no statement grows with the number of parts.
    fn apply_parts(
        &self,
        advance: &Advance,
        tables: &[TargetTable],
        parts: &dyn WriteParts,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Reads rows by key, with the checkpoint they belong to, in one snapshot. Values come back as the types of the columns.
    fn read_keys(
        &self,
        mapping: &str,
        table: &TargetTable,
        keys: &[Row],
    ) -> impl Future<Output = Result<(Option<Checkpoint>, Vec<Row>)>> + Send;

    /// Reads up to `limit` rows whose key is greater than `after` in the target's own key order, with the checkpoint they belong to.
    fn read_after(
        &self,
        mapping: &str,
        table: &TargetTable,
        after: Option<&Row>,
        limit: u32,
    ) -> impl Future<Output = Result<(Option<Checkpoint>, Vec<Row>)>> + Send;

    /// Removes a mapping's checkpoint row; its tables stay.
    fn forget(&self, mapping: &str) -> impl Future<Output = Result<()>> + Send;
}
