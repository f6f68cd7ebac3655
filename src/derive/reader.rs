//! Decoded rows and groups as a derivation asks for them, remembered for the rest of its run.
//!
//! In: a view of the state. Out: stored rows by key or through an index, groups of accumulators. Reading ahead, many keys at a time and in
//! their order, is cheaper than one by one; what was read ahead is found remembered.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::derive::Space;
use crate::derive::accumulate::{by_id, values_prefix};
use crate::derive::accumulated::Kept;
use crate::derive::keys::KeyMap;
use crate::derive::shared::RowsByKey;
use crate::derive::stored::{Stored, decode_read, identified_by, index, table};
use crate::derive::view::{Entries, View};
use crate::error::{Error, Result};
use crate::plan::{AccumulatorId, BranchPlan, IndexId, IndexPlan, TablePlan};
use crate::schema::TableId;

/// A reader remembers this many keys per table or index, then starts again.
const REMEMBERED_MAX: usize = 20_000;

/// How many first entries of a list are remembered: the least one, and the one that could be its equal.
pub(crate) const FIRSTS: usize = 2;

type RowMemory = BTreeMap<TableId, RowsByKey>;
type ProbeMemory = BTreeMap<IndexId, KeyMap<Arc<[Arc<Stored>]>>>;
type GroupMemory = BTreeMap<AccumulatorId, KeyMap<Arc<[Kept]>>>;
type FirstMemory = BTreeMap<AccumulatorId, KeyMap<Arc<Entries>>>;

/// Reads decoded rows through a view and remembers them for the rest of one derivation run.
pub(crate) struct Reader<'a> {
    /// What it reads.
    pub(crate) view: &'a View<'a>,
    /// The branch that it reads for; of its rows nothing is decoded that the branch does not read.
    branch: Option<&'a BranchPlan>,
    rows: RefCell<RowMemory>,
    probes: RefCell<ProbeMemory>,
    groups: RefCell<GroupMemory>,
    /// The first entries under a prefix, [`FIRSTS`] of them if there are so many.
    firsts: RefCell<FirstMemory>,
    readable: RefCell<BTreeMap<AccumulatorId, bool>>,
}

impl<'a> Reader<'a> {
    /// A reader of whole rows.
    pub(crate) fn new(view: &'a View<'a>) -> Self {
        Self::without_memories(view, None)
    }

    /// A reader of what a branch reads.
    pub(crate) fn of(view: &'a View<'a>, branch: &'a BranchPlan) -> Self {
        Self::without_memories(view, Some(branch))
    }

    fn without_memories(view: &'a View<'a>, branch: Option<&'a BranchPlan>) -> Self {
        Self {
            view,
            branch,
            rows: RefCell::default(),
            probes: RefCell::default(),
            groups: RefCell::default(),
            firsts: RefCell::default(),
            readable: RefCell::default(),
        }
    }

    /// Whether the groups of an accumulator can be read from it.
    pub(crate) fn reads_accumulator(&self, id: AccumulatorId) -> Result<bool> {
        if let Some(known) = self.readable.borrow().get(&id) {
            return Ok(*known);
        }
        let readable = crate::derive::accumulate::is_readable(self.view, id)?;
        self.readable.borrow_mut().insert(id, readable);
        Ok(readable)
    }

    /// The places of a table's rows that are not decoded.
    fn unread(&self, table: TableId) -> u64 {
        self.branch.and_then(|branch| branch.unread.get(&table)).copied().unwrap_or(0)
    }

    /// An index of the plan.
    pub(crate) fn index(&self, id: IndexId) -> Result<&'a IndexPlan> {
        index(self.view.plan, id)
    }

    /// Rows by their base keys, in the order of the keys; absent ones are left out.
    pub(crate) fn rows(&self, id: TableId, keys: &[Vec<u8>]) -> Result<Vec<Arc<Stored>>> {
        Ok(self.row_of_each(id, keys.iter().map(Vec::as_slice))?.into_iter().flatten().collect())
    }

    /// The row of each key, in the order of the keys.
    pub(crate) fn row_of_each<'k>(&self, id: TableId, keys: impl Iterator<Item = &'k [u8]>) -> Result<Vec<Option<Arc<Stored>>>> {
        let plan = table(self.view.plan, id)?;
        let mut memory = self.rows.borrow_mut();
        let memory = memory.entry(id).or_default();
        if memory.len() > REMEMBERED_MAX {
            memory.clear();
        }
        let mut found = Vec::with_capacity(keys.size_hint().0);
        let mut missing: Vec<(&[u8], usize)> = Vec::new();
        for (place, key) in keys.enumerate() {
            let known = memory.get(key);
            if known.is_none() {
                missing.push((key, place));
            }
            found.push(known.cloned().flatten());
        }
        if missing.is_empty() {
            return Ok(found);
        }
        missing.sort_unstable();
        let different = missing.chunk_by(|(left, _), (right, _)| left == right).filter_map(|same| same.first());
        let mut unknown: Vec<Vec<u8>> = different.map(|(key, _)| key.to_vec()).collect();
        let unread = self.unread(id);
        memory.reserve(unknown.len());
        let shared = self.view.shared.and_then(|shared| shared.table(id));
        shared.iter().for_each(|shared| shared.recall(&mut unknown, memory, (found.len(), unread)));
        let mut read = Vec::new();
        // What others read too, they may read otherwise.
        let unread = if shared.is_some() { 0 } else { unread };
        self.view.get_each(Space::Base(id), &unknown, &mut |place, value| {
            let Some(key) = unknown.get(place) else { return Ok(()) };
            let stored = value.map(|bytes| decode_read(plan, key.clone(), bytes, unread)).transpose()?.map(Arc::new);
            read.extend(shared.map(|_| (key.clone(), stored.clone())));
            memory.insert(key.clone(), stored);
            Ok(())
        })?;
        if let Some(shared) = shared.filter(|_| !read.is_empty()) {
            shared.remember(read);
        }
        for same in missing.chunk_by(|(left, _), (right, _)| left == right) {
            let row = same.first().and_then(|(key, _)| memory.get(*key)).cloned().flatten();
            for (_, place) in same {
                if let Some(found) = found.get_mut(*place) {
                    found.clone_from(&row);
                }
            }
        }
        Ok(found)
    }

    /// The row of a base key.
    pub(crate) fn row(&self, id: TableId, key: &[u8]) -> Result<Option<Arc<Stored>>> {
        if let Some(known) = self.rows.borrow().get(&id).and_then(|memory| memory.get(key)) {
            return Ok(known.clone());
        }
        Ok(self.rows(id, &[key.to_vec()])?.pop())
    }

    /// The rows that an index finds under a key, in base key order.
    pub(crate) fn probe(&self, id: IndexId, key: Vec<u8>) -> Result<Arc<[Arc<Stored>]>> {
        if let Some(found) = self.probes.borrow().get(&id).and_then(|memory| memory.get(&key)) {
            return Ok(Arc::clone(found));
        }
        let found: Arc<[Arc<Stored>]> = self.search(id, &key)?.into();
        self.remember_probe(id, key, Arc::clone(&found));
        Ok(found)
    }

    fn remember_probe(&self, id: IndexId, key: Vec<u8>, found: Arc<[Arc<Stored>]>) {
        let mut memory = self.probes.borrow_mut();
        let memory = memory.entry(id).or_default();
        if memory.len() > REMEMBERED_MAX {
            memory.clear();
        }
        memory.insert(key, found);
    }

    /// Reads what an index has under several keys, in their order, and remembers it.
    pub(crate) fn prefetch(&self, id: IndexId, mut keys: Vec<Vec<u8>>) -> Result<()> {
        keys.sort_unstable();
        keys.dedup();
        if let Some(known) = self.probes.borrow().get(&id) {
            keys.retain(|key| !known.contains_key(key));
        }
        if keys.is_empty() {
            return Ok(());
        }
        if let Some(table) = identified_by(self.view.plan, id)? {
            return self.rows(table, &keys).map(|_| ());
        }
        let index = self.index(id)?;
        let plan = table(self.view.plan, index.table)?;
        let space = if index.over_identity { Space::Base(index.table) } else { Space::Index(id) };
        if index.over_identity {
            let unread = self.unread(index.table);
            let rows = |_, key: &[u8], bytes: &[u8]| decode_read(plan, key.to_vec(), bytes, unread).map(Arc::new);
            for (rows, key) in self.view.entries_of(space, &keys, &rows)?.into_iter().zip(&keys) {
                self.remember_probe(id, key.clone(), rows.into());
            }
            return Ok(());
        }
        let own = |place: usize, entry: &[u8], _: &[u8]| {
            let prefix = keys.get(place).map_or(0, Vec::len);
            Ok(entry.get(prefix..).unwrap_or_default().to_vec())
        };
        let found = self.view.entries_of(space, &keys, &own)?;
        let mut wanted: Vec<Vec<u8>> = found.iter().flatten().cloned().collect();
        wanted.sort_unstable();
        wanted.dedup();
        self.rows(index.table, &wanted)?;
        for (key, mut base_keys) in keys.into_iter().zip(found) {
            base_keys.sort_unstable();
            let rows = self.rows_of_index(plan, index.table, &base_keys)?;
            self.remember_probe(id, key, rows.into());
        }
        Ok(())
    }

    /// Reads the entries of several groups of an accumulator and remembers them, and the first values that their `lists` list.
    pub(crate) fn prefetch_groups(&self, id: AccumulatorId, mut prefixes: Vec<Vec<u8>>, lists: &[usize]) -> Result<()> {
        prefixes.sort_unstable();
        prefixes.dedup();
        let accumulator = by_id(self.view.plan, id)?;
        let kept = |_, key: &[u8], value: &[u8]| Kept::decode(accumulator, key, value);
        let groups = self.view.entries_of(Space::Accumulator(id), &prefixes, &kept)?;
        for list in lists {
            let groups = groups.iter().flatten();
            self.prefetch_firsts(id, groups.map(|group| values_prefix(&group.entry, *list)).collect())?;
        }
        let mut memory = self.groups.borrow_mut();
        let memory = memory.entry(id).or_default();
        if memory.len() > REMEMBERED_MAX {
            memory.clear();
        }
        memory.extend(prefixes.into_iter().zip(groups.into_iter().map(Arc::from)));
        Ok(())
    }

    fn prefetch_firsts(&self, id: AccumulatorId, mut prefixes: Vec<Vec<u8>>) -> Result<()> {
        prefixes.sort_unstable();
        let Some(firsts) = self.view.firsts_of(Space::Accumulator(id), &prefixes, FIRSTS)? else { return Ok(()) };
        let mut memory = self.firsts.borrow_mut();
        let memory = memory.entry(id).or_default();
        if memory.len() > REMEMBERED_MAX {
            memory.clear();
        }
        memory.extend(prefixes.into_iter().zip(firsts.into_iter().map(Arc::new)));
        Ok(())
    }

    /// The first [`FIRSTS`] entries of an accumulator that begin with a prefix.
    pub(crate) fn firsts(&self, id: AccumulatorId, prefix: &[u8]) -> Result<Arc<Entries>> {
        if let Some(known) = self.firsts.borrow().get(&id).and_then(|memory| memory.get(prefix)) {
            return Ok(Arc::clone(known));
        }
        self.view.first(Space::Accumulator(id), prefix, FIRSTS).map(Arc::new)
    }

    /// The groups of an accumulator whose keys begin with a prefix.
    pub(crate) fn groups(&self, id: AccumulatorId, prefix: &[u8]) -> Result<Arc<[Kept]>> {
        if let Some(known) = self.groups.borrow().get(&id).and_then(|memory| memory.get(prefix)) {
            return Ok(Arc::clone(known));
        }
        let accumulator = by_id(self.view.plan, id)?;
        let entries = self.view.entries(Space::Accumulator(id), prefix)?;
        entries.iter().map(|(key, value)| Kept::decode(accumulator, key, value)).collect()
    }

    fn rows_of_index(&self, plan: &TablePlan, id: TableId, keys: &[Vec<u8>]) -> Result<Vec<Arc<Stored>>> {
        let rows = self.rows(id, keys)?;
        if rows.len() != keys.len() {
            return Err(Error::bug(format!("an index over {} has an entry without a row", plan.layout.name)));
        }
        Ok(rows)
    }

    /// Some of the rows that an index finds under a key: the first `count_max` by base key.
    pub(crate) fn probe_some(&self, id: IndexId, key: &[u8], count_max: usize) -> Result<Vec<Arc<Stored>>> {
        let index = self.index(id)?;
        let plan = table(self.view.plan, index.table)?;
        if !index.over_identity {
            let entries = self.view.first(Space::Index(id), key, count_max)?;
            let keys: Vec<Vec<u8>> =
                entries.into_iter().map(|(entry, _)| entry.get(key.len()..).unwrap_or_default().to_vec()).collect();
            return self.rows(index.table, &keys);
        }
        let entries = self.view.first(Space::Base(index.table), key, count_max)?;
        let unread = self.unread(index.table);
        entries.into_iter().map(|(key, bytes)| decode_read(plan, key, &bytes, unread).map(Arc::new)).collect()
    }

    fn search(&self, id: IndexId, key: &[u8]) -> Result<Vec<Arc<Stored>>> {
        let index = self.index(id)?;
        let plan = table(self.view.plan, index.table)?;
        if !index.over_identity {
            return self.rows_of_index(plan, index.table, &self.base_keys(id, key)?);
        }
        if let Some(table) = identified_by(self.view.plan, id)? {
            return Ok(self.row(table, key)?.into_iter().collect());
        }
        let entries = self.view.entries(Space::Base(index.table), key)?;
        let unread = self.unread(index.table);
        entries.into_iter().map(|(key, bytes)| decode_read(plan, key, &bytes, unread).map(Arc::new)).collect()
    }

    /// The base keys that an index has under a key, sorted.
    fn base_keys(&self, id: IndexId, key: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut keys = Vec::new();
        self.view.base_keys(id, key, &mut |key| {
            keys.push(key.to_vec());
            Ok(true)
        })?;
        keys.sort();
        Ok(keys)
    }
}
