//! What a source emits: chunks of rows in the backfill, whole transactions from the log.
//!
//! Rows have the columns of their [`crate::schema::TableLayout`], in its order. A transaction is never split.

use serde::{Deserialize, Serialize};

use crate::position::Position;
use crate::schema::{TableId, TableName};
use crate::value::{Row, Value};

/// A row image from the log.
#[derive(Debug, Clone, PartialEq)]
pub enum Image {
    /// Every stored column is known.
    Full(Row),
    /// Some stored columns are absent from the event (row image MINIMAL or NOBLOB); `None` marks them.
    Partial(Box<[Option<Value>]>),
}

/// One changed row.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The mapped table.
    pub table: TableId,
    /// What happened.
    pub operation: Operation,
}

/// What happened to a row or a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// A row appeared.
    Insert {
        /// The row.
        new: Image,
    },
    /// A row changed, perhaps its key too.
    Update {
        /// Before.
        old: Image,
        /// After.
        new: Image,
    },
    /// A row went away.
    Delete {
        /// The row.
        old: Image,
    },
    /// All rows went away.
    Truncate,
}

/// The source's unit of change: applied whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Transaction {
    /// The position after its commit.
    pub position: Position,
    /// When the source committed it, microseconds since 1970 by the source's clock.
    pub committed_at_us: i64,
    /// Its changes to mapped tables, in log order; empty if it touched none.
    pub changes: Vec<Change>,
    /// Its approximate size in memory.
    pub bytes: usize,
}

/// What the log says next.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceEvent {
    /// A committed transaction.
    Transaction(Transaction),
    /// A statement changed the definition of mapped tables in a way that stops their mappings.
    SchemaChange(SchemaChange),
    /// The log was read up to here and there was nothing for us.
    Heartbeat {
        /// Everything up to here is contained.
        position: Position,
    },
}

/// A DDL statement that touches mapped tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaChange {
    /// Position after the statement.
    pub position: Position,
    /// The mapped tables it touches.
    pub tables: Vec<TableName>,
    /// What it does to them, in words without literals, e.g. `drops column homeshop.tb_cust.cust_nm`.
    pub description: String,
}

/// A range of a table's identity keys, as literal values the source computed: `after` excluded, `up_to` included.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyRange {
    /// Exclusive lower bound; `None`: from the start.
    pub after: Option<Row>,
    /// Inclusive upper bound; `None`: to the end (only for tables read as one chunk).
    pub up_to: Option<Row>,
}

/// One range of a table, read in one short read-only transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// The mapped table.
    pub table: TableId,
    /// Its number within the table, from 0.
    pub index: u32,
    /// The rows.
    pub rows: Vec<Row>,
    /// Everything these rows show is in the log up to here.
    pub high: Position,
    /// For a bag: the rows show exactly the log up to `high`. Otherwise the whole log since the start is replayed over them.
    pub exact: bool,
}
