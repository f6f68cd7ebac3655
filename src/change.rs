//! What a source emits: chunks of rows in the backfill, whole transactions from the log.
//!
//! Rows have the columns of their [`crate::schema::TableLayout`], in its order. A transaction is never split.

pub mod encoding;
pub mod spilled;

use serde::{Deserialize, Serialize};

use self::spilled::Spilled;
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
    /// The number by which a [`Visibility`] knows it, where the source has such: PostgreSQL's transaction id, 32 bits of it.
    pub id: Option<u32>,
    /// When the source committed it, microseconds since 1970 by the source's clock.
    pub committed_at_us: i64,
    /// Its first changes to mapped tables, where all of them are too many for memory.
    pub spilled: Option<Spilled>,
    /// Its changes to mapped tables behind those, in log order.
    pub changes: Vec<Change>,
    /// Its approximate size in memory.
    pub bytes: usize,
}

impl Transaction {
    /// Whether it changed any mapped table.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        self.spilled.is_some() || !self.changes.is_empty()
    }
}

impl Change {
    /// Its approximate size in memory in bytes, for bounds.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let unknown = size_of::<Value>();
        let of = |image: &Image| match image {
            Image::Full(row) => row.iter().map(Value::size_bytes).sum::<usize>(),
            Image::Partial(values) => values.iter().map(|value| value.as_ref().map_or(unknown, Value::size_bytes)).sum(),
        };
        let images = match &self.operation {
            Operation::Insert { new } => of(new),
            Operation::Delete { old } => of(old),
            Operation::Update { old, new } => of(old) + of(new),
            Operation::Truncate => 0,
        };
        size_of::<Self>() + images
    }
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

/// One range of a table, or the first rows of it, read in one short read-only transaction.
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
    /// For a bag: the rows show exactly the log up to `high`, or exactly `visibility`. Otherwise the whole log since the start is
    /// replayed over them.
    pub exact: bool,
    /// Which transactions the rows show, where a log position cannot tell.
    pub visibility: Option<Visibility>,
    /// What of the range lies behind its rows, where the read ended at its bounds; to be read in a transaction of its own.
    pub rest: Option<KeyRange>,
}

/// Which committed transactions a read shows, on a source whose log order and visibility order differ: PostgreSQL's
/// `pg_current_snapshot()`. Numbers are whole, 64-bit transaction ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visibility {
    /// Every smaller one is shown if it committed.
    pub xmin: u64,
    /// This one and every greater one is not shown.
    pub xmax: u64,
    /// Those in between that are not shown.
    pub in_progress: Vec<u64>,
}

impl Visibility {
    /// Whether the read shows a committed transaction. Ids of the log have 32 bits; the whole id is the one next to `xmax`, from which no id
    /// of a log that is still there is more than 2^31 away.
    #[must_use]
    pub fn shows(&self, transaction: u32) -> bool {
        let distance = i64::from(transaction.wrapping_sub(self.xmax as u32).cast_signed());
        let whole = self.xmax.wrapping_add_signed(distance);
        whole < self.xmin || (whole < self.xmax && !self.in_progress.contains(&whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_shows_what_had_ended_before_it_across_a_wrap_of_the_ids() {
        let epoch = 3_u64 << 32;
        let seen = Visibility { xmin: epoch - 2, xmax: epoch + 5, in_progress: vec![epoch - 2, epoch + 1] };
        for (transaction, shown) in [
            (u32::MAX - 9, true),
            (u32::MAX - 1, false),
            (u32::MAX, true),
            (0, true),
            (1, false),
            (4, true),
            (5, false),
            (99, false),
        ] {
            assert_eq!(seen.shows(transaction), shown, "{transaction}");
        }
    }
}
