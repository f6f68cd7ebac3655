//! An index that is added over stored rows: its entries, slice by slice.

use crate::derive::stored::{decode_base, index, index_key, table};
use crate::derive::{Arrangements, Mutation, Space};
use crate::error::Result;
use crate::plan::{IndexId, Plan};

/// The entries of up to `rows_max` stored rows behind the base key `after`, and the key to go on behind; `None`: all are done. The rows must
/// stand still until the entries are committed.
///
/// # Errors
/// The store failed, or a row cannot be read.
pub fn index_entries_of(
    plan: &Plan,
    store: &dyn Arrangements,
    id: IndexId,
    after: Option<&[u8]>,
    rows_max: usize,
) -> Result<(Vec<Mutation>, Option<Vec<u8>>)> {
    let definition = index(plan, id)?;
    if definition.over_identity {
        return Ok((Vec::new(), None));
    }
    let rows_of = table(plan, definition.table)?;
    let (mut mutations, mut last, mut count) = (Vec::new(), None, 0);
    store.scan(Space::Base(definition.table), &[], after, &mut |key, bytes| {
        let stored = decode_base(rows_of, key.to_vec(), bytes)?;
        if let Some(mut entry) = index_key(definition, &stored.row)? {
            entry.extend_from_slice(&stored.key);
            mutations.push(Mutation { space: Space::Index(id), key: entry, value: Some(Vec::new()) });
        }
        count += 1;
        last = Some(stored.key);
        Ok(count < rows_max)
    })?;
    Ok((mutations, last.filter(|_| count == rows_max)))
}
