//! Sorted entries become tables of the store directly, past its journal and its write buffers.
//!
//! The tables are durable, and become visible all at once; until then nothing of them is. What was committed to the tree before is
//! flushed first, so that the store's order of writes holds: a key that was written before is replaced, one that is written after
//! replaces.
//!
//! A new table stands in the top level of the tree, whose leveling merges from there with everything between its first and its last key. Tables of a
//! first copy overlap with nothing, but they come in any order of their spaces: of what was stored, each was merged several times. So a
//! table that overlaps with nothing goes to the bottom at once.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fjall::{AbstractTree, Database, Keyspace, PersistMode};
use lsm_tree::compaction::MoveDown;

use super::SortedEntries;
use super::disk::{FLUSH_PATIENCE, KEY_BYTES_MAX, failed, too_long};
use crate::error::{Error, Result};

/// The tables flush what is left themselves, but the store's count of what it buffers then never hears of it.
fn flushed(tree: &Keyspace) -> fjall::Result<()> {
    if tree.rotate_memtable()? {
        let asked = Instant::now();
        while tree.tree.sealed_memtable_count() > 0 && asked.elapsed() < FLUSH_PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

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
    flushed(tree).map_err(failed)?;
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
    ingestion.finish().map_err(failed)?;
    settled(tree).map_err(failed)
}

/// Moves the tables of the top level to the bottom if none of them overlaps with another table of the tree.
fn settled(tree: &Keyspace) -> fjall::Result<()> {
    // Nothing joins the top level meanwhile.
    let _flush = tree.tree.get_flush_lock();
    let version = tree.tree.current_version();
    let levels: Vec<_> = version.iter_levels().collect();
    let [top, between @ .., bottom] = levels.as_slice() else { return Ok(()) };
    let is_overlapping =
        |table: &lsm_tree::Table| bottom.iter().any(|run| !run.get_overlapping(&table.metadata.key_range).is_empty());
    if !top.is_disjoint()
        || between.iter().any(|level| !level.is_empty())
        || top.iter().flat_map(|run| run.iter()).any(is_overlapping)
    {
        return Ok(());
    }
    let bottom = u8::try_from(levels.len() - 1).unwrap_or(u8::MAX);
    // It moves nothing while a compaction is at work on the top level.
    tree.tree.compact(Arc::new(MoveDown(0, bottom)), 0).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use fjall::AbstractTree;

    use super::ingest;
    use crate::derive::{Arrangements, Mutation, Space};
    use crate::error::{Error, Result};
    use crate::schema::TableId;
    use crate::state::disk::{DiskOptions, DiskStore};
    use crate::state::sort::Entries;
    use crate::state::{Durability, SortedEntries, Store, trees};

    const SPACE: Space = Space::Base(TableId(1));

    /// Gives so many entries, then fails or ends.
    struct Numbers {
        next: u32,
        end: u32,
        fails: bool,
        key: [u8; 4],
    }

    impl SortedEntries for Numbers {
        fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
            if self.next == self.end {
                return if self.fails { Err(Error::bug("the entries end here")) } else { Ok(None) };
            }
            self.key = self.next.to_be_bytes();
            self.next += 1;
            Ok(Some((&self.key, b"sorted")))
        }
    }

    fn numbers(end: u32, fails: bool) -> Numbers {
        Numbers { next: 0, end, fails, key: [0; 4] }
    }

    fn put(number: u32, value: &[u8]) -> Vec<Mutation> {
        vec![Mutation { space: SPACE, key: number.to_be_bytes().to_vec(), value: Some(value.to_vec()) }]
    }

    fn values(store: &DiskStore, numbers: &[u32]) -> Vec<Option<Vec<u8>>> {
        numbers.iter().map(|number| store.get(SPACE, &number.to_be_bytes()).unwrap()).collect()
    }

    #[test]
    fn f83_a_run_that_is_cut_off_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let open = || DiskStore::open(folder.path(), DiskOptions::within(64 << 20)).unwrap();
        let store = open();
        store.commit(put(7, b"before"), Durability::Synced).unwrap();
        assert!(store.ingest(SPACE, &mut numbers(50_000, true)).is_err());
        assert_eq!(values(&store, &[7, 8]), [Some(b"before".to_vec()), None]);
        drop(store);
        let store = open();
        assert_eq!(values(&store, &[7, 8]), [Some(b"before".to_vec()), None]);
        store.ingest(SPACE, &mut numbers(50_000, false)).unwrap();
        assert_eq!(values(&store, &[7, 49_999]), [Some(b"sorted".to_vec()), Some(b"sorted".to_vec())]);
    }

    /// The journal still holds what was written before the run when it is replayed.
    #[test]
    fn f84_a_run_stays_between_what_was_written_before_it_and_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let open = || DiskStore::open(folder.path(), DiskOptions::within(64 << 20)).unwrap();
        let store = open();
        store.commit(put(1, b"before"), Durability::Buffered).unwrap();
        store.ingest(SPACE, &mut numbers(3, false)).unwrap();
        store.commit(put(2, b"behind"), Durability::Synced).unwrap();
        let expected = [b"sorted", b"sorted", b"behind"].map(|value| Some(value.to_vec()));
        assert_eq!(values(&store, &[0, 1, 2]), expected);
        drop(store);
        assert_eq!(values(&open(), &[0, 1, 2]), expected);
    }

    #[test]
    fn entries_out_of_order_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = DiskStore::open(folder.path(), DiskOptions::within(64 << 20)).unwrap();
        let mut entries = Entries::default();
        entries.push(b"b", b"");
        entries.push(b"a", b"");
        assert!(store.ingest(SPACE, &mut entries).is_err());
        assert_eq!(store.get(SPACE, b"b").unwrap(), None);
    }

    /// Tables of many spaces, as a first copy brings them: in any order, and one space twice.
    #[test]
    fn tables_that_overlap_with_nothing_go_to_the_bottom_in_whatever_order_they_come() {
        let folder = tempfile::tempdir().unwrap();
        let database = fjall::Database::builder(folder.path()).open().unwrap();
        let tree = database.keyspace("base", || trees::settings("base", 4 << 20)).unwrap();
        let put = |space: u8, key: &[u8], value: &[u8]| {
            let mut entries = Entries::default();
            entries.push(key, value);
            ingest((folder.path(), &database), &tree, [0, 0, 0, space], &mut entries).unwrap();
        };
        let spaces = [5, 2, 9, 1, 7, 3, 8, 6];
        for space in spaces {
            put(space, b"a", b"first");
            assert_eq!(tree.tree.l0_run_count(), 0, "space {space} waits to be merged");
        }
        assert_eq!(tree.tree.table_count(), spaces.len(), "nothing was merged");
        put(7, b"a", b"second");
        put(4, b"a", b"first");
        let value = |space: u8| tree.get([0, 0, 0, space, b'a']).unwrap().map(|value| value.to_vec());
        assert_eq!(value(7).as_deref(), Some(&b"second"[..]), "what comes later counts");
        assert!([4, 5, 2, 9, 1, 3, 8, 6].into_iter().all(|space| value(space).as_deref() == Some(b"first")));
    }
}
