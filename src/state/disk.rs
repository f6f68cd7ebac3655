//! The state store on `fjall`: one LSM database in the state folder, six trees, one journal.
//!
//! A [`Space`] is a four-byte prefix inside the tree of its kind, so that memory does not grow with the number of legacy tables and
//! indexes. A batch goes through the one journal: after a crash it is there whole or not at all, and a synced batch brings every
//! batch before it. The database is locked by the process that opened it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fjall::{Database, Keyspace, PersistMode, Readable};

use super::sweep::{Sweep, get_in_order, joined, scan_in_order, within};
use super::{Durability, SortedEntries, Store, ingest, trees};
use crate::derive::{Arrangements, Mutation, Space, Visit, VisitEach, VisitMany};
use crate::error::{Class, Error, Result};

/// How much memory the store may use.
#[derive(Debug, Clone, Copy)]
pub struct DiskOptions {
    /// Block cache in bytes.
    pub cache_bytes: u64,
    /// Size in bytes at which a tree's write buffer is flushed; there are six trees, each with up to five buffers.
    pub write_buffer_bytes: u64,
    /// Size in bytes of all write buffers together from which on a large batch waits for the disk.
    pub write_buffers_bytes_max: u64,
}

/// Threads that flush and compact. The first of them does not compact: as long as a compaction is asked for that no other thread is free
/// for, it asks again and again, which costs a whole core. With one other thread that is most of a load's time.
const WORKER_THREADS: usize = 4;

/// From this many mutations or bytes on a batch waits while the write buffers are full. Smaller ones are the outbox's bookkeeping and must not.
const LARGE_BATCH: usize = 256;
const LARGE_BATCH_BYTES: usize = 1 << 20;
/// A batch waits no longer than this: if the disk failed, the store says so when it is written.
pub(super) const FLUSH_PATIENCE: Duration = Duration::from_secs(10);

/// Mark the prefixes of the second and third kind of space in a tree; ids are small.
const SECOND: u32 = 1 << 31;
const THIRD: u32 = 1 << 30;

impl DiskOptions {
    /// The store's share of a memory budget: an eighth for the cache, and write buffers that together are held near an eighth. A buffered
    /// entry costs several times its bytes, and a tree may have four full buffers that wait for the disk beside the one in use.
    #[must_use]
    pub fn within(memory_bytes: u64) -> Self {
        Self {
            cache_bytes: (memory_bytes / 8).max(8 << 20),
            write_buffer_bytes: (memory_bytes / 96).clamp(2 << 20, 32 << 20),
            write_buffers_bytes_max: (memory_bytes / 8).max(16 << 20),
        }
    }
}

/// The state store of a running engine. Clones share everything.
#[derive(Clone)]
pub struct DiskStore {
    folder: PathBuf,
    database: Database,
    write_buffers_bytes_max: u64,
    base: Keyspace,
    index: Keyspace,
    emitted: Keyspace,
    scratch: Keyspace,
    outbox: Keyspace,
    meta: Keyspace,
}

impl DiskStore {
    /// Opens or creates the store in `folder`.
    ///
    /// # Errors
    /// `Locked` if another process has it open; `Local` if the disk fails or the content is damaged.
    pub fn open(folder: &Path, options: DiskOptions) -> Result<Self> {
        let database = Database::builder(folder)
            .cache_size(options.cache_bytes)
            .worker_threads(WORKER_THREADS)
            .max_journaling_size(128 << 20)
            .open()
            .map_err(|error| failed(folder, "opening the state", error))?;
        let tree = |name: &str| {
            database
                .keyspace(name, || trees::settings(name, options.write_buffer_bytes))
                .map_err(|error| failed(folder, "opening the state", error))
        };
        let (base, index, emitted) = (tree("base")?, tree("index")?, tree("emitted")?);
        let (scratch, outbox, meta) = (tree("scratch")?, tree("outbox")?, tree("meta")?);
        Ok(Self {
            folder: folder.to_path_buf(),
            database,
            write_buffers_bytes_max: options.write_buffers_bytes_max,
            base,
            index,
            emitted,
            scratch,
            outbox,
            meta,
        })
    }

    /// Waits while more is buffered than the store may hold. The store itself counts buffers, and flushes them on threads that also
    /// compact: on a busy machine its buffers grow past any size of one of them.
    fn wait_for_flushes(&self) {
        let asked = Instant::now();
        while self.database.write_buffer_size() > self.write_buffers_bytes_max && asked.elapsed() < FLUSH_PATIENCE {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The tree of a space and the space's prefix in it.
    fn place(&self, space: Space) -> (&Keyspace, [u8; 4]) {
        match space {
            Space::Base(table) => (&self.base, table.0.to_be_bytes()),
            Space::Index(index) => (&self.index, index.0.to_be_bytes()),
            Space::Accumulator(id) => (&self.index, (id.0 | SECOND).to_be_bytes()),
            Space::Emitted(node) => (&self.emitted, node.0.to_be_bytes()),
            Space::Scratch(node) => (&self.scratch, node.0.to_be_bytes()),
            Space::Dirty(node) => (&self.scratch, (node.0 | SECOND).to_be_bytes()),
            Space::Sweep(node) => (&self.scratch, (node.0 | THIRD).to_be_bytes()),
            Space::Outbox(mapping) => (&self.outbox, mapping.0.to_be_bytes()),
            Space::OutboxPart(mapping) => (&self.outbox, (mapping.0 | SECOND).to_be_bytes()),
            Space::Meta => (&self.meta, [0; 4]),
        }
    }
}

/// Few rows can be many bytes: a part of the outbox is one entry of some megabytes.
fn is_large(mutations: &[Mutation]) -> bool {
    let bytes = |mutation: &Mutation| mutation.key.len() + mutation.value.as_ref().map_or(0, Vec::len);
    mutations.len() >= LARGE_BATCH || mutations.iter().map(bytes).sum::<usize>() >= LARGE_BATCH_BYTES
}

/// The longest key of the store, less the prefix of its space.
pub(super) const KEY_BYTES_MAX: usize = u16::MAX as usize - 4;

/// A key that the store would end the process for.
pub(super) fn too_long(key: &[u8]) -> Error {
    let message = format!("a key of {} bytes is longer than the state can hold, which is {KEY_BYTES_MAX}", key.len());
    Error::new(Class::Person, message).with_hint(
        "a join, GROUP BY, DISTINCT, MIN, MAX or ORDER BY with LIMIT over texts this long cannot be kept; leave them out of the mapping",
    )
}

pub(super) fn failed(folder: &Path, what: &str, error: fjall::Error) -> Error {
    match error {
        fjall::Error::Locked => Error::new(Class::Locked, format!("{what}: another process has it open"))
            .with_hint("one engine at a time may use a state folder; stop the other one"),
        error => Error::new(Class::Local, format!("{what} failed")).with_hint(remedy(free_bytes(folder))).because(error),
    }
}

/// A file beside the store could not be written.
pub(super) fn disk_failed(folder: &Path, what: &str, error: std::io::Error) -> Error {
    Error::new(Class::Local, format!("{what} failed")).with_hint(remedy(free_bytes(folder))).because(error)
}

/// Less than this is a full disk: a flush or a compaction fails long before the last byte is used.
const FULL_BELOW_BYTES: u64 = 64 << 20;

/// After a failure in its own threads the store answers every write with "poisoned" and keeps the reason to its log; how much is free
/// tells the most frequent reason from the others.
fn remedy(free_bytes: Option<u64>) -> String {
    match free_bytes {
        Some(free) if free < FULL_BELOW_BYTES => format!(
            "free space on the disk of the state folder ({} KiB are left), then run again; the state is intact up to the last checkpoint",
            free >> 10
        ),
        _ => "check the disk of the state folder, then run again; the state is intact up to the last checkpoint".to_owned(),
    }
}

/// A disk with less room than this is full.
#[must_use]
pub fn is_full(free_bytes: u64) -> bool {
    free_bytes < FULL_BELOW_BYTES
}

/// What stops a run before the disk of its state is full to the last byte.
#[must_use]
pub fn full(folder: &Path, free_bytes: u64) -> Error {
    Error::new(Class::Local, format!("the disk of the state {} is full", folder.display())).with_hint(remedy(Some(free_bytes)))
}

/// What this account may still write on the disk of a folder, in bytes; `None` if the system does not say.
#[must_use]
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

impl Arrangements for DiskStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if key.len() > KEY_BYTES_MAX {
            return Ok(None);
        }
        let (tree, prefix) = self.place(space);
        let value = tree.get(joined(prefix, key)).map_err(|error| failed(&self.folder, "reading the state", error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn get_each(&self, space: Space, keys: &[Vec<u8>], visit: VisitEach<'_>) -> Result<()> {
        let (tree, prefix) = self.place(space);
        let sweep = Sweep::new(|key: &[u8]| tree.range(within(key.to_vec(), &prefix)));
        let failed = |error| failed(&self.folder, "reading the state", error);
        get_in_order(sweep, prefix, keys, (&|key| tree.get(key), &failed), visit)
    }

    fn scan_many(&self, space: Space, prefixes: &[Vec<u8>], visit: VisitMany<'_>) -> Result<()> {
        let (tree, prefix) = self.place(space);
        let sweep = Sweep::new(|key: &[u8]| tree.range(within(key.to_vec(), &prefix)));
        scan_in_order(sweep, prefix, prefixes, visit, &|error| failed(&self.folder, "reading the state", error))
    }

    fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<()> {
        if prefix.len() > KEY_BYTES_MAX {
            return Ok(());
        }
        let (tree, space_prefix) = self.place(space);
        let bound = joined(space_prefix, prefix);
        let entries = match after {
            None => tree.prefix(&bound),
            Some(after) => tree.range(within(behind(space_prefix, after, &bound), &bound)),
        };
        visit_entries(&self.folder, entries, &bound, visit)
    }
}

/// The least key behind `after`, which is `after` with a zero byte, and not before the prefix.
fn behind(space_prefix: [u8; 4], after: &[u8], bound: &[u8]) -> Vec<u8> {
    let mut start = joined(space_prefix, after);
    start.push(0);
    start.max(bound.to_vec())
}

fn visit_entries(folder: &Path, entries: fjall::Iter, bound: &[u8], visit: Visit<'_>) -> Result<()> {
    for entry in entries {
        let (key, value) = entry.into_inner().map_err(|error| failed(folder, "reading the state", error))?;
        if !key.starts_with(bound) {
            return Ok(());
        }
        let Some(own_key) = key.get(4..) else {
            return Err(Error::new(Class::Local, "the state is damaged: a key is shorter than its prefix"));
        };
        if !visit(own_key, &value)? {
            return Ok(());
        }
    }
    Ok(())
}

/// The store as it was at one moment.
struct DiskSnapshot {
    store: DiskStore,
    snapshot: fjall::Snapshot,
}

impl Arrangements for DiskSnapshot {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if key.len() > KEY_BYTES_MAX {
            return Ok(None);
        }
        let (tree, prefix) = self.store.place(space);
        let value = self.snapshot.get(tree, joined(prefix, key));
        Ok(value.map_err(|error| failed(&self.store.folder, "reading the state", error))?.map(|value| value.to_vec()))
    }

    fn get_each(&self, space: Space, keys: &[Vec<u8>], visit: VisitEach<'_>) -> Result<()> {
        let (tree, prefix) = self.store.place(space);
        let sweep = Sweep::new(|key: &[u8]| self.snapshot.range(tree, within(key.to_vec(), &prefix)));
        let failed = |error| failed(&self.store.folder, "reading the state", error);
        get_in_order(sweep, prefix, keys, (&|key| self.snapshot.get(tree, key), &failed), visit)
    }

    fn scan_many(&self, space: Space, prefixes: &[Vec<u8>], visit: VisitMany<'_>) -> Result<()> {
        let (tree, prefix) = self.store.place(space);
        let sweep = Sweep::new(|key: &[u8]| self.snapshot.range(tree, within(key.to_vec(), &prefix)));
        scan_in_order(sweep, prefix, prefixes, visit, &|error| failed(&self.store.folder, "reading the state", error))
    }

    fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<()> {
        if prefix.len() > KEY_BYTES_MAX {
            return Ok(());
        }
        let (tree, space_prefix) = self.store.place(space);
        let bound = joined(space_prefix, prefix);
        let entries = match after {
            None => self.snapshot.prefix(tree, &bound),
            Some(after) => self.snapshot.range(tree, within(behind(space_prefix, after, &bound), &bound)),
        };
        visit_entries(&self.store.folder, entries, &bound, visit)
    }
}

impl Store for DiskStore {
    fn commit(&self, mut mutations: Vec<Mutation>, durability: Durability) -> Result<()> {
        if mutations.is_empty() && durability == Durability::Buffered {
            return Ok(());
        }
        if is_large(&mutations) {
            self.wait_for_flushes();
        }
        // fjall gives every item of a batch the same sequence number, so a key may occur only once; the sort keeps the order of equals.
        mutations.sort_by(|left, right| (left.space, &left.key).cmp(&(right.space, &right.key)));
        let mode = match durability {
            Durability::Buffered => PersistMode::Buffer,
            Durability::Synced => PersistMode::SyncData,
        };
        let mut batch = self.database.batch().durability(Some(mode));
        let mut mutations = mutations.into_iter().peekable();
        while let Some(Mutation { space, key, value }) = mutations.next() {
            if mutations.peek().is_some_and(|next| next.space == space && next.key == key) {
                continue;
            }
            if key.len() > KEY_BYTES_MAX {
                return Err(too_long(&key));
            }
            let (tree, prefix) = self.place(space);
            match value {
                Some(value) => batch.insert(tree, joined(prefix, &key), value),
                None => batch.remove(tree, joined(prefix, &key)),
            }
        }
        batch.commit().map_err(|error| failed(&self.folder, "writing the state", error))
    }

    fn ingest(&self, space: Space, entries: &mut dyn SortedEntries) -> Result<()> {
        let (tree, prefix) = self.place(space);
        ingest::ingest((&self.folder, &self.database), tree, prefix, entries)
    }

    fn sync(&self) -> Result<()> {
        self.database.persist(PersistMode::SyncData).map_err(|error| failed(&self.folder, "writing the state", error))
    }

    fn clear(&self, space: Space) -> Result<()> {
        // In slices: one batch over a whole arrangement would not fit in memory.
        loop {
            let mut slice = Vec::new();
            self.scan(space, &[], None, &mut |key, _| {
                slice.push(Mutation { space, key: key.to_vec(), value: None });
                Ok(slice.len() < 10_000)
            })?;
            if slice.is_empty() {
                return Ok(());
            }
            self.commit(slice, Durability::Buffered)?;
        }
    }

    fn snapshot(&self) -> Arc<dyn Arrangements> {
        Arc::new(DiskSnapshot { store: self.clone(), snapshot: self.database.snapshot() })
    }

    fn disk_bytes(&self) -> u64 {
        [&self.base, &self.index, &self.emitted, &self.scratch, &self.outbox, &self.meta]
            .iter()
            .map(|tree| tree.disk_space())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::conformance;

    #[test]
    fn the_disk_store_keeps_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        conformance::check(&DiskStore::open(folder.path(), DiskOptions::within(64 << 20)).unwrap());
    }

    #[test]
    fn f88_a_poisoned_store_on_a_full_disk_asks_for_space() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(folder.path()).is_some_and(|free| free > 0));
        assert!(remedy(Some(3 << 20)).starts_with("free space on the disk of the state folder (3072 KiB are left)"));
        assert!(remedy(Some(FULL_BELOW_BYTES)).starts_with("check the disk"));
        assert!(remedy(None).starts_with("check the disk"));
    }

    #[test]
    fn a_key_that_is_too_long_is_refused_and_asked_for_in_vain() {
        let folder = tempfile::tempdir().unwrap();
        let store = DiskStore::open(folder.path(), DiskOptions::within(64 << 20)).unwrap();
        let put = |length: usize| {
            let mutation = Mutation { space: Space::Meta, key: vec![1; length], value: Some(vec![]) };
            store.commit(vec![mutation], Durability::Buffered)
        };
        put(KEY_BYTES_MAX).unwrap();
        assert_eq!(put(KEY_BYTES_MAX + 1).unwrap_err().class(), Class::Person);
        assert_eq!(store.get(Space::Meta, &[1; 70_000]).unwrap(), None);
        store.scan(Space::Meta, &[1; 70_000], None, &mut |_, _| panic!("nothing is there")).unwrap();
        assert!(store.get(Space::Meta, &[1; KEY_BYTES_MAX]).unwrap().is_some());
    }

    #[test]
    fn batches_wait_for_full_buffers_and_arrive() {
        let folder = tempfile::tempdir().unwrap();
        let options = DiskOptions { cache_bytes: 8 << 20, write_buffer_bytes: 64 << 10, write_buffers_bytes_max: 256 << 10 };
        let store = DiskStore::open(folder.path(), options).unwrap();
        for batch in 0_u32..40 {
            let put = |key: u32| Mutation {
                space: Space::Meta,
                key: (batch << 16 | key).to_be_bytes().to_vec(),
                value: Some(vec![7; 50]),
            };
            store.commit((0..1_000).map(put).collect(), Durability::Buffered).unwrap();
            assert!(store.database.write_buffer_size() < 1 << 20, "one batch past the bound and no more");
        }
        for batch in 0_u8..16 {
            let space = Space::Base(crate::schema::TableId(0));
            store
                .commit(vec![Mutation { space, key: vec![batch], value: Some(vec![7; 1 << 20]) }], Durability::Buffered)
                .unwrap();
            assert!(store.database.write_buffer_size() < 3 << 20, "few rows can be many bytes");
        }
        let mut count = 0;
        store
            .scan(Space::Meta, &[], None, &mut |_, _| {
                count += 1;
                Ok(true)
            })
            .unwrap();
        assert_eq!(count, 40_000);
    }

    #[test]
    fn a_second_opener_is_locked_out() {
        let folder = tempfile::tempdir().unwrap();
        let _first = DiskStore::open(folder.path(), DiskOptions::within(64 << 20)).unwrap();
        let second = DiskStore::open(folder.path(), DiskOptions::within(64 << 20));
        assert_eq!(second.err().unwrap().class(), Class::Locked);
    }

    #[test]
    fn a_batch_survives_a_reopen_whole() {
        let folder = tempfile::tempdir().unwrap();
        let put = |key: &[u8]| Mutation { space: Space::Meta, key: key.to_vec(), value: Some(b"x".to_vec()) };
        {
            let store = DiskStore::open(folder.path(), DiskOptions::within(64 << 20)).unwrap();
            store.commit(vec![put(b"a"), put(b"b")], Durability::Synced).unwrap();
        }
        let store = DiskStore::open(folder.path(), DiskOptions::within(64 << 20)).unwrap();
        assert!(store.get(Space::Meta, b"a").unwrap().is_some() && store.get(Space::Meta, b"b").unwrap().is_some());
    }
    /// The store preallocates its journal with zeros: an append that is cut off anywhere (disk full, kill, power) is followed by them.
    #[test]
    fn f88_a_journal_cut_off_inside_a_batch_opens_without_that_batch() {
        let folder = tempfile::tempdir().unwrap();
        let open = || DiskStore::open(folder.path(), DiskOptions::within(64 << 20)).unwrap();
        let put = |key: &[u8]| Mutation { space: Space::Meta, key: key.to_vec(), value: Some(b"a value".to_vec()) };
        open().commit(vec![put(b"a")], Durability::Synced).unwrap();
        let journal = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().is_some_and(|extension| extension == "jnl") && written(path) > 0)
            .unwrap();
        let one = written(&journal);
        open().commit(vec![put(b"b"), put(b"c")], Durability::Synced).unwrap();
        let two = written(&journal);
        let whole = std::fs::read(&journal).unwrap();
        assert!(two > one + 40, "the second batch is in the same journal");
        for cut in one..two {
            let mut torn = whole.clone();
            torn.truncate(cut);
            torn.resize(cut.max(1 << 20), 0);
            std::fs::write(&journal, torn).unwrap();
            let store = open();
            assert!(store.get(Space::Meta, b"a").unwrap().is_some(), "cut at {cut}");
            assert!(store.get(Space::Meta, b"b").unwrap().is_none() && store.get(Space::Meta, b"c").unwrap().is_none());
            store.commit(vec![put(b"d")], Durability::Synced).unwrap();
            drop(store);
            assert!(open().get(Space::Meta, b"d").unwrap().is_some(), "what is written behind the cut at {cut} stays");
        }
    }

    /// How much of a preallocated file is written.
    fn written(path: &Path) -> usize {
        std::fs::read(path).unwrap().iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
    }
}
