//! What a target receives: keyed upserts and deletes, one set per epoch and mapping.

use crate::error::Result;
use crate::value::Row;

/// The writes of one mapping for one epoch; at most one write per key and table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WriteBatch {
    /// Per target table of the mapping, by its index in the mapping.
    pub tables: Vec<TableWrites>,
}

/// The writes to one target table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableWrites {
    /// Index of the target table in its mapping.
    pub table: u32,
    /// Keys to delete (key columns in key order); applied before the upserts.
    pub deletes: Vec<Row>,
    /// Whole rows in output column order.
    pub upserts: Vec<Row>,
}

impl WriteBatch {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| table.deletes.is_empty() && table.upserts.is_empty())
    }

    /// How many rows are written or deleted.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.tables.iter().map(|table| table.deletes.len() + table.upserts.len()).sum()
    }
}

/// The writes of one mapping that do not fit in memory together: parts of one table each, read one by one and as often as needed.
///
/// A key is upserted in one part at most. It may be deleted in another, whatever their order: the row moved, so deletes of all parts
/// come before all upserts.
pub trait WriteParts: Send + Sync {
    /// Per part, the index of its target table in the mapping.
    fn tables(&self) -> &[u32];

    /// The part at an index of [`WriteParts::tables`].
    ///
    /// # Errors
    /// The part cannot be read.
    fn part(&self, index: usize) -> Result<TableWrites>;
}
