//! Sorted entries become tables of the store directly, past its journal and its write buffers.
//!
//! The tables are durable, and become visible all at once; until then nothing of them is. What was committed to the tree before is
//! flushed first, so that the store's order of writes holds: a key that was written before is replaced, one that is written after
//! replaces.

use std::path::Path;

use fjall::{Database, Keyspace, PersistMode};

use super::SortedEntries;
use super::disk::{KEY_BYTES_MAX, failed, too_long};
use crate::error::{Error, Result};

/// Puts ascending entries into a tree, behind the prefix of their space.
pub(super) fn ingest(
    (folder, database): (&Path, &Database),
    tree: &Keyspace,
    prefix: [u8; 4],
    entries: &mut dyn SortedEntries,
) -> Result<()> {
    let failed = |error: fjall::Error| failed(folder, "writing sorted rows to the state", error);
    // Batches span trees: what is flushed with this tree must not be newer than the journal of the others.
    database.persist(PersistMode::SyncData).map_err(failed)?;
    tree.rotate_memtable_and_wait().map_err(failed)?;
    let mut ingestion = tree.start_ingestion().map_err(failed)?;
    let mut last: Option<Vec<u8>> = None;
    let mut joined = prefix.to_vec();
    while let Some((key, value)) = entries.next()? {
        if key.len() > KEY_BYTES_MAX {
            return Err(too_long(key));
        }
        joined.truncate(prefix.len());
        joined.extend_from_slice(key);
        // The store ends the process over keys that do not ascend.
        if last.as_ref().is_some_and(|last| *last >= joined) {
            return Err(Error::bug("rows that should be sorted are not"));
        }
        ingestion.write(joined.as_slice(), value).map_err(failed)?;
        let last = last.get_or_insert_default();
        last.clear();
        last.extend_from_slice(&joined);
    }
    ingestion.finish().map_err(failed)
}
