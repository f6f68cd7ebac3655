//! How many columns statements have appended to mapped tables since their schema was recorded.
//!
//! Goes in: appending statements as the stream reads them, and what a position carries of earlier ones. Comes out: the count per table, for
//! reading rows, and for the next position. Without full row metadata nothing else tells an appended column from a changed table.

use std::collections::BTreeMap;

use crate::position::{AppendedColumns, BinlogPosition};
use crate::schema::{TableId, TableLayout};

/// The counts.
#[derive(Debug, Default)]
pub struct Appended(BTreeMap<TableId, usize>);

impl Appended {
    /// What `position` carries about the tables of `layouts`.
    #[must_use]
    pub fn recorded(position: &BinlogPosition, layouts: &[TableLayout]) -> Self {
        let found = position.appended.iter().filter_map(|appended| {
            let named = |layout: &&TableLayout| layout.name.schema == appended.schema && layout.name.name == appended.table;
            layouts.iter().find(named).map(|layout| (layout.id, appended.columns))
        });
        Self(found.collect())
    }

    /// Counts a statement.
    pub fn add(&mut self, table: TableId, columns: usize) {
        *self.0.entry(table).or_default() += columns;
    }

    /// The count of one table.
    #[must_use]
    pub fn columns(&self, table: TableId) -> usize {
        self.0.get(&table).copied().unwrap_or(0)
    }

    /// The counts as a position carries them.
    #[must_use]
    pub fn to_record(&self, layouts: &[TableLayout]) -> Vec<AppendedColumns> {
        let named = layouts.iter().filter_map(|layout| {
            let columns = *self.0.get(&layout.id)?;
            Some(AppendedColumns { schema: layout.name.schema.clone(), table: layout.name.name.clone(), columns })
        });
        named.collect()
    }
}
