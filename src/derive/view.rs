//! The state as it will be: what the store holds, under this epoch's own changes.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use crate::derive::accumulate::{by_id, values_prefix};
use crate::derive::accumulated::Kept;
use crate::derive::keys::{KeyHash, KeyMap};
use crate::derive::shared::Shared;
use crate::derive::stored::{Stored, decode_base, identified_by, index, table};
use crate::derive::{Arrangements, Mutation, Space, Visit, VisitEach};
use crate::error::{Error, Result};
use crate::plan::{AccumulatorId, IndexId, IndexPlan, Plan, TablePlan};
use crate::schema::TableId;
use crate::value::Value;

/// What is made of an entry: of the place of its prefix, its key and its value.
type Take<'t, T> = &'t dyn Fn(usize, &[u8], &[u8]) -> Result<T>;

/// Keys and values.
pub(crate) type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// The store under an overlay of pending mutations.
pub(crate) struct View<'a> {
    /// The plan.
    pub(crate) plan: &'a Plan,
    store: &'a dyn Arrangements,
    overlay: BTreeMap<Space, BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
    /// Answers of subqueries that refer to nothing outside of them, by where they stand in the plan.
    answers: Mutex<HashMap<usize, Value>>,
    /// Rows of the store that others read, too, while it stands still.
    shared: Option<&'a Shared>,
}

impl<'a> View<'a> {
    /// The store alone.
    pub(crate) fn new(plan: &'a Plan, store: &'a dyn Arrangements) -> Self {
        Self { plan, store, overlay: BTreeMap::new(), answers: Mutex::default(), shared: None }
    }

    /// The store alone, while it stands still, with the memory of rows that others have read from it.
    pub(crate) fn sharing(plan: &'a Plan, store: &'a dyn Arrangements, shared: &'a Shared) -> Self {
        Self { shared: Some(shared), ..Self::new(plan, store) }
    }

    /// The store without the epoch's own changes.
    pub(crate) fn stored(&self) -> &'a dyn Arrangements {
        self.store
    }

    /// Puts a mutation over what is there.
    pub(crate) fn put(&mut self, space: Space, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.shared = None;
        if let Ok(answers) = self.answers.get_mut() {
            answers.clear();
        }
        self.overlay.entry(space).or_default().insert(key, value);
    }

    /// The answer that was kept for a place in the plan.
    pub(crate) fn answer(&self, place: usize) -> Option<Value> {
        self.answers.lock().ok()?.get(&place).cloned()
    }

    /// Keeps an answer; it holds as long as nothing is put.
    pub(crate) fn keep_answer(&self, place: usize, value: Value) {
        if let Ok(mut answers) = self.answers.lock() {
            answers.insert(place, value);
        }
    }

    /// Everything that was put, in order of keyspace and key.
    pub(crate) fn into_mutations(self) -> Vec<Mutation> {
        let entries = |(space, entries): (Space, BTreeMap<Vec<u8>, Option<Vec<u8>>>)| {
            entries.into_iter().map(move |(key, value)| Mutation { space, key, value })
        };
        self.overlay.into_iter().flat_map(entries).collect()
    }

    /// The value of a key.
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.overlay.get(&space).and_then(|entries| entries.get(key)) {
            Some(value) => Ok(value.clone()),
            None => self.store.get(space, key),
        }
    }

    /// Visits the values of several sorted keys, in their order.
    pub(crate) fn get_each(&self, space: Space, keys: &[Vec<u8>], visit: VisitEach<'_>) -> Result<()> {
        if !self.overlay.contains_key(&space) {
            return self.store.get_each(space, keys, visit);
        }
        let values = self.get_many(space, keys)?;
        values.iter().enumerate().try_for_each(|(place, value)| visit(place, value.as_deref()))
    }

    /// The values of several sorted keys, in their order.
    pub(crate) fn get_many(&self, space: Space, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        let Some(entries) = self.overlay.get(&space) else { return self.store.get_many(space, keys) };
        let unknown: Vec<Vec<u8>> = keys.iter().filter(|key| !entries.contains_key(*key)).cloned().collect();
        let mut stored = self.store.get_many(space, &unknown)?.into_iter();
        let pick = |key: &Vec<u8>| match entries.get(key) {
            Some(value) => value.clone(),
            None => stored.next().flatten(),
        };
        Ok(keys.iter().map(pick).collect())
    }

    /// Visits all entries whose key starts with `prefix`, the changed ones last, until `visit` answers `false`; whether it never did.
    pub(crate) fn visit(&self, space: Space, prefix: &[u8], visit: Visit<'_>) -> Result<bool> {
        let overlay = self.overlay.get(&space);
        let mut goes_on = true;
        self.store.scan(space, prefix, None, &mut |key, value| {
            if overlay.is_none_or(|entries| !entries.contains_key(key)) {
                goes_on = visit(key, value)?;
            }
            Ok(goes_on)
        })?;
        if goes_on { self.visit_changed(space, prefix, visit) } else { Ok(false) }
    }

    /// The entries of a space that this epoch changes; `None` stands for one that is gone.
    pub(crate) fn changed(&self, space: Space) -> Option<&BTreeMap<Vec<u8>, Option<Vec<u8>>>> {
        self.overlay.get(&space)
    }

    /// Visits the entries that this epoch changes and that are not gone, as [`Self::visit`] does.
    pub(crate) fn visit_changed(&self, space: Space, prefix: &[u8], visit: Visit<'_>) -> Result<bool> {
        let above = self
            .changed(space)
            .into_iter()
            .flat_map(|entries| entries.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded)));
        for (key, value) in above.take_while(|(key, _)| key.starts_with(prefix)) {
            if let Some(value) = value
                && !visit(key, value)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What `take` makes of all entries whose keys start with one of several sorted prefixes, for each prefix in key order.
    pub(crate) fn entries_of<T>(&self, space: Space, prefixes: &[Vec<u8>], take: Take<'_, T>) -> Result<Vec<Vec<T>>> {
        let mut found: Vec<Vec<T>> = prefixes.iter().map(|_| Vec::new()).collect();
        if !self.overlay.contains_key(&space) {
            self.store.scan_many(space, prefixes, &mut |place, key, value| {
                if let Some(found) = found.get_mut(place) {
                    found.push(take(place, key, value)?);
                }
                Ok(true)
            })?;
            return Ok(found);
        }
        let changed = self.changed_entries_of(space, prefixes)?;
        for ((place, entries), found) in changed.into_iter().enumerate().zip(&mut found) {
            found.extend(entries.iter().map(|(key, value)| take(place, key, value)).collect::<Result<Vec<T>>>()?);
        }
        Ok(found)
    }

    /// The same in a keyspace that this epoch changes.
    fn changed_entries_of(&self, space: Space, prefixes: &[Vec<u8>]) -> Result<Vec<Entries>> {
        let mut found: Vec<Entries> = vec![Vec::new(); prefixes.len()];
        let Some(overlay) = self.overlay.get(&space) else { return Ok(found) };
        self.store.scan_many(space, prefixes, &mut |place, key, value| {
            if !overlay.contains_key(key)
                && let Some(found) = found.get_mut(place)
            {
                found.push((key.to_vec(), value.to_vec()));
            }
            Ok(true)
        })?;
        for (prefix, found) in prefixes.iter().zip(&mut found) {
            let above = overlay.range::<[u8], _>((Bound::Included(prefix.as_slice()), Bound::Unbounded));
            let above = above.take_while(|(key, _)| key.starts_with(prefix));
            found.extend(above.filter_map(|(key, value)| Some((key.clone(), value.clone()?))));
            found.sort();
        }
        Ok(found)
    }

    /// The first entries of several sorted prefixes, at most `count_max` of each; `None` where this epoch's own changes have a part in it.
    pub(crate) fn firsts_of(&self, space: Space, prefixes: &[Vec<u8>], count_max: usize) -> Result<Option<Vec<Entries>>> {
        if self.overlay.contains_key(&space) {
            return Ok(None);
        }
        let mut found: Vec<Entries> = vec![Vec::new(); prefixes.len()];
        self.store.scan_many(space, prefixes, &mut |place, key, value| {
            let Some(found) = found.get_mut(place) else { return Ok(false) };
            found.push((key.to_vec(), value.to_vec()));
            Ok(found.len() < count_max)
        })?;
        Ok(Some(found))
    }

    /// All entries whose key starts with `prefix`, in key order.
    pub(crate) fn entries(&self, space: Space, prefix: &[u8]) -> Result<Entries> {
        let mut found = Entries::new();
        self.visit(space, prefix, &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            Ok(true)
        })?;
        if self.overlay.contains_key(&space) {
            found.sort();
        }
        Ok(found)
    }

    /// The first entries in key order whose key starts with `prefix`, at most `count_max`.
    pub(crate) fn first(&self, space: Space, prefix: &[u8], count_max: usize) -> Result<Entries> {
        let overlay = self.overlay.get(&space);
        let above = overlay.into_iter().flat_map(|entries| entries.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded)));
        let above =
            above.take_while(|(key, _)| key.starts_with(prefix)).filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
        let mut found: Entries = above.take(count_max).collect();
        let mut stored = 0;
        self.store.scan(space, prefix, None, &mut |key, value| {
            if overlay.is_none_or(|entries| !entries.contains_key(key)) {
                found.push((key.to_vec(), value.to_vec()));
                stored += 1;
            }
            Ok(stored < count_max)
        })?;
        found.sort();
        found.truncate(count_max);
        Ok(found)
    }
}

/// A reader remembers this many keys per table or index, then starts again.
const REMEMBERED_MAX: usize = 20_000;

/// How many first entries of a list are remembered: the least one, and the one that could be its equal.
pub(crate) const FIRSTS: usize = 2;

type RowMemory = BTreeMap<TableId, KeyMap<Option<Arc<Stored>>>>;
type ProbeMemory = BTreeMap<IndexId, KeyMap<Arc<[Arc<Stored>]>>>;
type GroupMemory = BTreeMap<AccumulatorId, KeyMap<Arc<[Kept]>>>;
type FirstMemory = BTreeMap<AccumulatorId, KeyMap<Arc<Entries>>>;

/// Reads decoded rows through a view and remembers them for the rest of one derivation run.
pub(crate) struct Reader<'a> {
    /// What it reads.
    pub(crate) view: &'a View<'a>,
    rows: RefCell<RowMemory>,
    probes: RefCell<ProbeMemory>,
    groups: RefCell<GroupMemory>,
    /// The first entries under a prefix, [`FIRSTS`] of them if there are so many.
    firsts: RefCell<FirstMemory>,
    readable: RefCell<BTreeMap<AccumulatorId, bool>>,
}

impl<'a> Reader<'a> {
    /// A reader without memories.
    pub(crate) fn new(view: &'a View<'a>) -> Self {
        Self {
            view,
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

    /// An index of the plan.
    pub(crate) fn index(&self, id: IndexId) -> Result<&'a IndexPlan> {
        index(self.view.plan, id)
    }

    /// Rows by their base keys, in the order of the keys; absent ones are left out.
    pub(crate) fn rows(&self, id: TableId, keys: &[Vec<u8>]) -> Result<Vec<Arc<Stored>>> {
        Ok(self.row_of_each(id, keys.iter().map(Vec::as_slice))?.into_iter().flatten().collect())
    }

    /// The row of each key, in the order of the keys.
    pub(crate) fn row_of_each<'k>(
        &self,
        id: TableId,
        keys: impl Iterator<Item = &'k [u8]> + Clone,
    ) -> Result<Vec<Option<Arc<Stored>>>> {
        let plan = table(self.view.plan, id)?;
        let mut memory = self.rows.borrow_mut();
        let memory = memory.entry(id).or_default();
        if memory.len() > REMEMBERED_MAX {
            memory.clear();
        }
        let mut different: HashSet<&[u8], KeyHash> = HashSet::default();
        let unknown = keys.clone().filter(|key| !memory.contains_key(*key) && different.insert(key));
        let mut unknown: Vec<Vec<u8>> = unknown.map(<[u8]>::to_vec).collect();
        let shared = self.view.shared.and_then(|shared| shared.table(id));
        shared.iter().for_each(|shared| shared.recall(&mut unknown, memory, keys.size_hint().0));
        if !unknown.is_empty() {
            unknown.sort_unstable();
            memory.reserve(unknown.len());
            let mut read = Vec::new();
            self.view.get_each(Space::Base(id), &unknown, &mut |place, value| {
                let Some(key) = unknown.get(place) else { return Ok(()) };
                let stored = value.map(|bytes| decode_base(plan, key.clone(), bytes)).transpose()?.map(Arc::new);
                read.extend(shared.map(|_| (key.clone(), stored.clone())));
                memory.insert(key.clone(), stored);
                Ok(())
            })?;
            if let Some(shared) = shared {
                shared.remember(read);
            }
        }
        Ok(keys.map(|key| memory.get(key).cloned().flatten()).collect())
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
            let rows = |_, key: &[u8], bytes: &[u8]| decode_base(plan, key.to_vec(), bytes).map(Arc::new);
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
        entries.into_iter().map(|(key, bytes)| decode_base(plan, key, &bytes).map(Arc::new)).collect()
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
        entries.into_iter().map(|(key, bytes)| decode_base(plan, key, &bytes).map(Arc::new)).collect()
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
