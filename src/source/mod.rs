//! Legacy databases, read only: catalogue, preflight, snapshot chunks and the change stream.
//!
//! [`Source`] is what the flows see; one folder per database kind implements it. Nothing here writes to the legacy system, takes a
//! lock beyond what a SELECT takes, or runs a statement without a time limit.

use std::future::Future;
use std::sync::Arc;

use crate::change::{Chunk, KeyRange, SourceEvent};
use crate::error::Result;
use crate::finding::Finding;
use crate::position::Position;
use crate::schema::{SourceCatalog, TableId, TableLayout, TableName};
use crate::value::Row;

pub mod mysql;

/// How a source's plan reads one table of a SELECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedAccess {
    /// Its alias, or what the plan calls an intermediate result.
    pub table: String,
    /// The source's own name of the access, e.g. `range`, `ref`, `ALL`.
    pub access: String,
    /// Rows it is estimated to read, per row of what stands before it.
    pub row_estimate: u64,
}

/// The legacy tables that a snapshot or a stream is about.
pub type Layouts = Arc<[TableLayout]>;

/// A legacy database.
pub trait Source: Send + Sync + 'static {
    /// An open change stream.
    type Stream: SourceStream;

    /// Reads what the catalogue says about `tables`, with collations and session settings. Unknown tables are left out.
    fn catalog(&self, tables: &[TableName]) -> impl Future<Output = Result<SourceCatalog>> + Send;

    /// All findings at once about settings, privileges, keys and engines, for the mapped tables.
    fn preflight(&self, catalog: &SourceCatalog) -> impl Future<Output = Result<Vec<Finding>>> + Send;

    /// A position at or before which every committed transaction is visible to every read view opened from now on: where the
    /// stream of a first backfill starts. Waits until no prepared (XA) transaction is older.
    fn start_position(&self) -> impl Future<Output = Result<Position>> + Send;

    /// The end of the log now: everything committed before the call is contained.
    fn current_position(&self) -> impl Future<Output = Result<Position>> + Send;

    /// Cuts a table into ranges of about `rows_max` rows with boundaries computed by the server; a bag is one open range.
    /// The last range ends at the greatest key seen now: later rows come with the stream.
    fn ranges(&self, layout: &TableLayout, rows_max: u32) -> impl Future<Output = Result<Vec<KeyRange>>> + Send;

    /// Reads one range in one short read-only transaction.
    fn read_chunk(&self, layout: &TableLayout, index: u32, range: &KeyRange) -> impl Future<Output = Result<Chunk>> + Send;

    /// Opens the change stream behind `position`, which must be proven to lie on this server's history.
    fn open_stream(
        &self,
        catalog: &SourceCatalog,
        layouts: Layouts,
        position: &Position,
    ) -> impl Future<Output = Result<Self::Stream>> + Send;

    /// Runs a SELECT in a read-only snapshot under the recorded session settings and the statement time limit, and gives its rows
    /// as typed values in batches. `types` are the binder's output types.
    fn select(
        &self,
        sql: &str,
        parameters: &[crate::value::Value],
        types: &[crate::schema::DataType],
        visit: &mut (dyn FnMut(Row) -> Result<()> + Send),
    ) -> impl Future<Output = Result<()>> + Send;

    /// A value as a literal of the source's dialect, for statements whose optimiser looks behind no parameter.
    ///
    /// # Errors
    /// `Bug` for a value that this kind of source does not have.
    fn literal(value: &crate::value::Value, session: &crate::schema::SessionSettings) -> Result<String>;

    /// How the source would run a SELECT under the recorded session settings, without running it.
    fn explain(&self, sql: &str) -> impl Future<Output = Result<Vec<PlannedAccess>>> + Send;

    /// The table of an event's layout by id; for messages.
    fn table_name(layouts: &Layouts, table: TableId) -> Option<&TableName> {
        layouts.iter().find(|layout| layout.id == table).map(|layout| &layout.name)
    }
}

/// An open change stream.
pub trait SourceStream: Send + 'static {
    /// The next event. Cancel-safe. On an idle source answers with a heartbeat at least every ten seconds; a connection that
    /// is silent for 30 seconds is an `Unreachable` error.
    fn next(&mut self) -> impl Future<Output = Result<SourceEvent>> + Send;
}
