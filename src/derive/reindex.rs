//! Stored rows and index entries in bulk: what a chunk stores, and what indexes hold over all stored rows.

use crate::change::Chunk;
use crate::derive::stored::{COUNT_BYTES, SomeColumns, base_key, index, push_index_key, table};
use crate::derive::{Arrangements, Space};
use crate::error::{Error, Result};
use crate::plan::expr::children;
use crate::plan::{IndexId, IndexPlan, Plan};
use crate::schema::TableId;
use crate::sql::query::{Expr, ExprKind};
use crate::value::row;

/// Gives what the rows of a chunk of a keyed table store: key and value, in the order of the rows. Of rows with one key the last one
/// counts. No index hears of them.
///
/// # Errors
/// The rows do not have the layout's columns, or the table has no key.
pub fn chunk_entries(plan: &Plan, chunk: &Chunk, entry: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
    let table = table(plan, chunk.table)?;
    let name = &table.layout.name;
    if table.layout.identity.is_none() {
        return Err(Error::bug(format!("the rows of {name} are counted, and cannot be stored one by one")));
    }
    let (width, mut value) = (table.layout.columns.len(), Vec::new());
    for row in &chunk.rows {
        if row.len() != width {
            return Err(Error::bug(format!("a row of {name} has {} columns instead of {width}", row.len())));
        }
        value.clear();
        row::encode(row, &mut value);
        entry(&base_key(table, row)?, &value);
    }
    Ok(())
}

/// Gives the entries of some indexes of one table for every stored row, with the place of the index among `ids`; answers how many rows
/// there are. The rows must stand still meanwhile.
///
/// # Errors
/// The store or `entry` failed, or a row cannot be read.
pub fn index_entries_of(
    plan: &Plan,
    store: &dyn Arrangements,
    id: TableId,
    ids: &[IndexId],
    entry: &mut dyn FnMut(usize, &[u8]) -> Result<()>,
) -> Result<u64> {
    let rows_of = table(plan, id)?;
    let indexes: Vec<&IndexPlan> = ids.iter().map(|id| index(plan, *id)).collect::<Result<_>>()?;
    let indexes: Vec<(usize, &IndexPlan)> = indexes.into_iter().enumerate().filter(|(_, index)| !index.over_identity).collect();
    let wanted = columns_of(&indexes, rows_of.layout.columns.len());
    let skipped = if rows_of.layout.identity.is_some() { 0 } else { COUNT_BYTES };
    let (mut row_count, mut values, mut key) = (0, Vec::new(), Vec::new());
    store.scan(Space::Base(id), &[], None, &mut |base_key, bytes| {
        row::decode_columns(bytes.get(skipped..).unwrap_or_default(), &wanted, &mut values)?;
        for (place, index) in &indexes {
            key.clear();
            if push_index_key(index, &SomeColumns { values: &values }, &mut key)? {
                key.extend_from_slice(base_key);
                entry(*place, &key)?;
            }
        }
        row_count += 1;
        Ok(true)
    })?;
    Ok(row_count)
}

/// Which columns indexes are made of.
fn columns_of(indexes: &[(usize, &IndexPlan)], count: usize) -> Vec<bool> {
    let mut wanted = vec![false; count];
    let mut open: Vec<&Expr> = indexes.iter().flat_map(|(_, index)| &index.parts).map(|part| &part.expr).collect();
    while let Some(expr) = open.pop() {
        if let ExprKind::Column { column, .. } = &expr.kind
            && let Some(wanted) = wanted.get_mut(*column)
        {
            *wanted = true;
        }
        open.extend(children(expr));
    }
    wanted
}
