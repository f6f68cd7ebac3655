//! Legacy databases, read only: catalogue, preflight, snapshot chunks and the change stream.
//!
//! [`Source`] is what the flows see; one folder per database kind implements it. Nothing here writes to the legacy system, takes a
//! lock beyond what a SELECT takes, or runs a statement without a time limit.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::change::{Chunk, KeyRange, SourceEvent};
use crate::error::{Class, Error, Result};
use crate::finding::Finding;
use crate::position::Position;
use crate::schema::{SourceCatalog, TableId, TableLayout, TableName};
use crate::value::Row;

use self::limits::{Limits, Load};
use self::retention::Retention;

pub mod backoff;
pub mod combined;
pub mod database;
pub mod limits;
pub mod mysql;
pub mod postgres;
pub mod retention;
pub mod spill;
mod taken;

/// How a source's plan reads one table of a SELECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedAccess {
    /// Its alias, or what the plan calls an intermediate result.
    pub table: String,
    /// The source's own name of the access, e.g. `range`, `ref`, `ALL`.
    pub access: String,
    /// Rows it is estimated to read, per row of what stands before it.
    pub row_estimate: u64,
    /// It is done again for each row of something else.
    pub is_repeated: bool,
    /// An index could serve and is not used, or nothing is known of the table's values.
    pub is_neglected: bool,
}

impl PlannedAccess {
    /// Whether all rows of a table or index are read. Names in angle brackets are results of other lines of a plan.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let whole =
            matches!(self.access.as_str(), "ALL" | "index" | "hash_ALL" | "hash_index") || self.access.ends_with("Seq Scan");
        whole && !self.table.starts_with('<')
    }
}

/// Something that an engine made on a source, and that stays when the engine is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// What it is, e.g. `replication slot`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// How it stands, e.g. how much log it holds.
    pub detail: String,
}

/// The log that a source keeps for an engine, and how much more of it there may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLog {
    /// Name of the source in the project file.
    pub source: String,
    /// Name of the replication slot.
    pub slot: String,
    /// The server's own word, e.g. `reserved`, `extended`, `unreserved`, `lost`.
    pub wal_status: String,
    /// Bytes of log that cannot be removed because of the slot.
    pub held_bytes: u64,
    /// Bytes of log that the engine has not confirmed as stored.
    pub unconfirmed_bytes: u64,
    /// Bytes that may be written before the server gives the slot up; absent without `max_slot_wal_keep_size`, negative when it is too late.
    pub safe_bytes: Option<i64>,
    /// Bytes that `slot_limit` of the project file allows.
    pub limit_bytes: Option<u64>,
    /// What a person should know before the disk is full or the slot lost.
    pub warning: Option<String>,
}

/// How large a table is by its source's own estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableSize {
    /// Rows; 0 if nothing is known.
    pub row_count: u64,
    /// Bytes of a row on average, every column counted; 0 if nothing is known.
    pub row_bytes: u64,
}

/// How much of a range one read takes at most. The first row is taken however wide it is; a bag, whose rows have no order, is read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadBounds {
    /// Rows.
    pub rows_max: u32,
    /// Bytes of rows in memory, from which on no further row is taken.
    pub bytes_max: usize,
}

impl ReadBounds {
    /// The whole range.
    pub const NONE: Self = Self { rows_max: u32::MAX, bytes_max: usize::MAX };
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
    /// stream of a first backfill starts. Waits until no prepared (XA) transaction is older. A source that keeps its log for named readers
    /// (PostgreSQL) makes the reader of `layouts` here.
    fn start_position(&self, layouts: &Layouts) -> impl Future<Output = Result<Position>> + Send;

    /// The end of the log now: everything committed before the call is contained.
    fn current_position(&self) -> impl Future<Output = Result<Position>> + Send;

    /// What of its load `limits` are about; `source` says which of several is asked. May be asked every second, and waits for no reader.
    ///
    /// # Errors
    /// It cannot be read.
    fn load(&self, source: &str, limits: &Limits) -> impl Future<Output = Result<Load>> + Send {
        let untold = if limits.looks_at_load() {
            Err(Error::new(Class::Preflight, format!("source {source} does not tell its load")))
        } else {
            Ok(Load::default())
        };
        std::future::ready(untold)
    }

    /// Cuts a table into ranges of about `rows_max` rows with boundaries computed by the server; a bag is one open range.
    /// The last range ends at the greatest key seen now: later rows come with the stream.
    fn ranges(&self, layout: &TableLayout, rows_max: u32) -> impl Future<Output = Result<Vec<KeyRange>>> + Send {
        self.ranges_behind(layout, None, rows_max, usize::MAX)
    }

    /// The next `count_max` of these ranges behind a key that one of them ends with; fewer if the table ends before that.
    fn ranges_behind(
        &self,
        layout: &TableLayout,
        behind: Option<&Row>,
        rows_max: u32,
        count_max: usize,
    ) -> impl Future<Output = Result<Vec<KeyRange>>> + Send;

    /// How large a table is, by what the server has counted already: no row is read for it.
    fn size(&self, layout: &TableLayout) -> impl Future<Output = Result<TableSize>> + Send {
        let _ = layout;
        std::future::ready(Ok(TableSize::default()))
    }

    /// Reads a range, or its first rows in the order of the key, in one short read-only transaction.
    fn read_chunk(
        &self,
        layout: &TableLayout,
        index: u32,
        range: &KeyRange,
        bounds: ReadBounds,
    ) -> impl Future<Output = Result<Chunk>> + Send;

    /// Opens the change stream behind `position`, which must be proven to lie on this server's history. `durable` says how far the engine
    /// has stored what the stream gave: a source that keeps its log for us may forget it up to there, and no further.
    fn open_stream(
        &self,
        catalog: &SourceCatalog,
        layouts: Layouts,
        position: &Position,
        durable: watch::Receiver<Position>,
    ) -> impl Future<Output = Result<Self::Stream>> + Send;

    /// Asks the stream that is opened next to give the transaction that ends at `transaction` before anything of another source: the state
    /// holds a part of it. One log comes in its own order anyway.
    fn resume_within(&self, _transaction: &Position) {}

    /// Makes the stream tell of `added`, tables or columns that came to a running engine; `layouts` are all that it will be opened over. To be
    /// called before the stream is opened and before they are read, at every start until they are complete. Transactions that the stream does
    /// not tell whole of them have ended by then, and every later read shows them.
    fn widen(&self, layouts: &Layouts, added: &[TableName]) -> impl Future<Output = Result<()>> + Send {
        let _ = (layouts, added);
        std::future::ready(Ok(()))
    }

    /// What this engine has made on the source, in words; nothing on sources that need nothing.
    fn leftovers(&self) -> impl Future<Output = Result<Vec<Leftover>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Removes what [`Self::leftovers`] names.
    fn forget(&self) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// The log that is kept for this engine; nothing on sources that keep theirs for a time of their own choice.
    fn held_logs(&self) -> impl Future<Output = Result<Vec<HeldLog>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// How long each server keeps the log that an engine has not read.
    fn retention(&self) -> impl Future<Output = Result<Vec<Retention>>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

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
    fn literal(&self, value: &crate::value::Value, session: &crate::schema::SessionSettings) -> Result<String>;

    /// A name as an identifier of the source's dialect, quoted.
    fn identifier(&self, name: &str) -> String;

    /// The SELECT with which a first backfill reads a table, its range left open.
    ///
    /// # Errors
    /// `Bug` for a layout whose identity it does not store.
    fn chunk_statement(&self, layout: &TableLayout) -> Result<String>;

    /// How the source would run a SELECT under the recorded session settings, without running it.
    fn explain(&self, sql: &str) -> impl Future<Output = Result<Vec<PlannedAccess>>> + Send;

    /// The table of an event's layout by id; for messages.
    fn table_name(layouts: &Layouts, table: TableId) -> Option<&TableName> {
        layouts.iter().find(|layout| layout.id == table).map(|layout| &layout.name)
    }
}

/// How finely a log says when a transaction was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum CommitClock {
    /// In microseconds.
    #[default]
    Microseconds,
    /// In whole seconds: of no use to measure how far behind anything is, so that the arrival of the event stands for it.
    Seconds,
}

impl CommitClock {
    /// From where durations are counted, in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Microseconds => "source_commit",
            Self::Seconds => "arrival",
        }
    }
}

/// What a stream can say of its last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// How long it was decoded; the wait for it is not counted.
    pub decoding: Duration,
    /// How finely it says when it was committed.
    pub clock: CommitClock,
}

/// An open change stream.
pub trait SourceStream: Send + 'static {
    /// The next event. Cancel-safe. On an idle source answers with a heartbeat at least every ten seconds; a connection that
    /// is silent for 30 seconds is an `Unreachable` error.
    fn next(&mut self) -> impl Future<Output = Result<SourceEvent>> + Send;

    /// Whether every source has accepted to be read from where this stream began; only a stream over several sources begins before that.
    fn is_open(&self) -> bool {
        true
    }

    /// Why a part of the stream waits while the others go on; only a stream over several sources has parts.
    fn waits(&self) -> Option<String> {
        None
    }

    /// Of the event that was given last.
    fn pace(&self) -> Pace {
        Pace::default()
    }
}
