//! Stored rows and index entries in bulk: what a chunk stores, and what indexes hold over all stored rows.

use crate::change::Chunk;
use crate::derive::stored::{base_key, decode_base, index, index_key, table};
use crate::derive::{Arrangements, Space};
use crate::error::{Error, Result};
use crate::plan::{IndexId, IndexPlan, Plan};
use crate::schema::TableId;
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
    let mut row_count = 0;
    store.scan(Space::Base(id), &[], None, &mut |key, bytes| {
        let stored = decode_base(rows_of, key.to_vec(), bytes)?;
        for (place, index) in indexes.iter().enumerate().filter(|(_, index)| !index.over_identity) {
            if let Some(mut key) = index_key(index, &stored.row)? {
                key.extend_from_slice(&stored.key);
                entry(place, &key)?;
            }
        }
        row_count += 1;
        Ok(true)
    })?;
    Ok(row_count)
}
