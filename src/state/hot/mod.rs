//! Hot entries: what epochs read again and again, held in memory in front of the store, within a bound of bytes.
//!
//! A search in the store costs microseconds, a list of what begins with a prefix several times as many: it has to look into every run of a tree. So single values are
//! held, and short lists whole, until they have not been used for a while. Reads answer what the store would answer; a snapshot goes past this to the store. The first
//! copy and its load read everything once: nothing is held before [`Hot::begin`].

mod shelf;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use self::shelf::{Entry, Found, Generations, LIST_BYTES_MAX, LIST_ENTRIES_MAX, Shelf, Ticket, Written};
use super::{Durability, SortedEntries, Store};
use crate::derive::{Arrangements, Mutation, Space, Visit, VisitEach, VisitMany};
use crate::error::Result;

/// Entries that are read behind what was asked for, to see whether a list ends there.
const LOOK_AHEAD: usize = 16;
/// Bytes of lists that are gathered in one go.
const GATHERED_BYTES_MAX: usize = 4 << 20;

/// A batch with more mutations than this brings only what is held up to date: its rows would push out everything else.
const NEW_MUTATIONS_MAX: usize = 16_384;
/// A wider row is not held because it was written: one of them takes the place of many.
const NEW_VALUE_BYTES_MAX: usize = 8 << 10;

/// Reads of single values and of lists since the start.
#[derive(Debug, Default)]
pub struct Reads {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Reads {
    /// How many were answered from memory, and how many were not.
    #[must_use]
    pub fn hits_and_misses(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }

    fn count(&self, hits: usize, misses: usize) {
        self.hits.fetch_add(hits as u64, Ordering::Relaxed);
        self.misses.fetch_add(misses as u64, Ordering::Relaxed);
    }
}

/// A store with its hot entries in memory.
pub struct Hot {
    store: Arc<dyn Store>,
    is_begun: AtomicBool,
    shelves: RwLock<HashMap<Space, Arc<Mutex<Shelf>>>>,
    generations: Generations,
    reads: Arc<Reads>,
}

/// What a batch is about to write to one keyspace.
struct Batch {
    shelf: Arc<Mutex<Shelf>>,
    began: u64,
    written: Vec<Written>,
    takes_new: bool,
}

fn locked(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hot {
    /// Holds at most about `bytes_max` bytes of what is read from `store` and written to it; nothing before [`Self::begin`]. Reads are counted from then on.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, bytes_max: usize, reads: Arc<Reads>) -> Self {
        Self {
            store,
            is_begun: AtomicBool::new(false),
            shelves: RwLock::default(),
            generations: Generations::new(bytes_max),
            reads,
        }
    }

    /// From now on entries are held.
    pub fn begin(&self) {
        self.is_begun.store(true, Ordering::Release);
    }

    /// Gives back what is held: something else needs the room.
    pub fn give_way(&self) {
        let shelves: Vec<_> = self.shelves.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for shelf in shelves {
            let mut shelf = locked(&shelf);
            shelf.begin();
            shelf.give_up();
        }
    }

    /// The shelf of a keyspace; none for one whose entries are read once.
    fn shelf(&self, space: Space) -> Option<Arc<Mutex<Shelf>>> {
        if !matches!(space, Space::Base(_) | Space::Index(_) | Space::Accumulator(_) | Space::Emitted(_)) {
            return None;
        }
        if let Some(shelf) = self.shelves.read().unwrap_or_else(PoisonError::into_inner).get(&space) {
            return Some(Arc::clone(shelf));
        }
        let mut shelves = self.shelves.write().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(shelves.entry(space).or_default()))
    }

    fn shelf_to_read(&self, space: Space) -> Option<Arc<Mutex<Shelf>>> {
        self.is_begun.load(Ordering::Acquire).then(|| self.shelf(space)).flatten()
    }

    /// Forgets what was not used for long, if it is time to. No shelf may be locked.
    fn tidy(&self) {
        let Some(oldest) = self.generations.turned() else { return };
        let shelves: Vec<_> = self.shelves.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        shelves.iter().for_each(|shelf| locked(shelf).forget_before(oldest));
    }

    /// Changes a keyspace, of which nothing is held behind that.
    fn forgetting<R>(&self, space: Space, change: impl FnOnce() -> R) -> R {
        let shelf = self.shelf(space);
        if let Some(shelf) = &shelf {
            locked(shelf).begin();
        }
        let changed = change();
        shelf.iter().for_each(|shelf| locked(shelf).give_up());
        changed
    }

    /// Announces a batch to the shelves that it concerns.
    fn announce(&self, mutations: &[Mutation]) -> Vec<Batch> {
        let takes_new = self.is_begun.load(Ordering::Acquire) && mutations.len() <= NEW_MUTATIONS_MAX;
        let mut batches: BTreeMap<Space, Batch> = BTreeMap::new();
        for mutations in mutations.chunk_by(|left, right| left.space == right.space) {
            let Some(Mutation { space, .. }) = mutations.first() else { continue };
            let Some(shelf) = self.shelf(*space) else { continue };
            let takes_new = takes_new && matches!(space, Space::Base(_));
            let batch = batches.entry(*space).or_insert_with(|| {
                let began = locked(&shelf).begin();
                Batch { shelf: Arc::clone(&shelf), began, written: Vec::new(), takes_new }
            });
            let held = locked(&shelf);
            let is_thin = |mutation: &Mutation| mutation.value.as_ref().is_none_or(|value| value.len() <= NEW_VALUE_BYTES_MAX);
            let is_wanted = |mutation: &&Mutation| (takes_new && is_thin(mutation)) || held.concerns(&mutation.key);
            let wanted = mutations.iter().filter(is_wanted);
            batch.written.extend(wanted.map(|mutation| (mutation.key.clone(), mutation.value.as_deref().map(Arc::from))));
        }
        batches.into_values().collect()
    }

    /// Reads lists that are not known, visits their entries and keeps the short ones. `first` is the place of the first prefix.
    fn read_lists(
        &self,
        (space, shelf, ticket): (Space, &Mutex<Shelf>, Ticket),
        (first, prefixes): (usize, &[Vec<u8>]),
        visit: VisitMany<'_>,
    ) -> Result<()> {
        let mut gathered: Vec<Gathered> = prefixes.iter().map(|_| Gathered::default()).collect();
        let mut bytes = 0;
        self.store.scan_many(space, prefixes, &mut |place, key, value| match gathered.get_mut(place) {
            Some(list) if bytes <= GATHERED_BYTES_MAX || !list.entries.is_empty() => {
                bytes += key.len() + value.len();
                list.take(key, value, &mut |key, value| visit(first + place, key, value))
            }
            list => {
                list.into_iter().for_each(|list| list.is_long = true);
                visit(first + place, key, value)
            }
        })?;
        let mut shelf = locked(shelf);
        for (prefix, list) in prefixes.iter().zip(gathered).filter(|(_, list)| !list.is_long) {
            shelf.keep_list(ticket, prefix, list.entries, &self.generations);
        }
        Ok(())
    }
}

/// A list while it is visited.
#[derive(Default)]
struct Gathered {
    entries: Vec<Entry>,
    bytes: usize,
    /// It has more than is held.
    is_long: bool,
    /// The visitor has enough, and this many entries were read behind that.
    behind: Option<usize>,
}

impl Gathered {
    /// Takes an entry; whether another one is wanted.
    fn take(&mut self, key: &[u8], value: &[u8], visit: Visit<'_>) -> Result<bool> {
        match &mut self.behind {
            None if visit(key, value)? => {}
            None => self.behind = Some(0),
            Some(count) => *count += 1,
        }
        if !self.is_long {
            self.bytes += key.len() + value.len();
            self.entries.push((key.into(), value.into()));
            self.is_long = self.entries.len() > LIST_ENTRIES_MAX
                || self.bytes > LIST_BYTES_MAX
                || self.behind.is_some_and(|count| count >= LOOK_AHEAD);
        }
        if self.is_long {
            self.entries = Vec::new();
        }
        Ok(self.behind.is_none() || !self.is_long)
    }
}

impl Arrangements for Hot {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(shelf) = self.shelf_to_read(space) else { return self.store.get(space, key) };
        let ticket = {
            let mut shelf = locked(&shelf);
            if let Some(value) = shelf.value(key, &self.generations) {
                self.reads.count(1, 0);
                return Ok(value.map(|value| value.to_vec()));
            }
            shelf.ticket()
        };
        self.reads.count(0, 1);
        let value = self.store.get(space, key)?;
        if let Some(ticket) = ticket {
            locked(&shelf).keep_value(ticket, key, &value.as_deref().map(Arc::from), &self.generations);
            self.tidy();
        }
        Ok(value)
    }

    fn get_each(&self, space: Space, keys: &[Vec<u8>], visit: VisitEach<'_>) -> Result<()> {
        let Some(shelf) = self.shelf_to_read(space) else { return self.store.get_each(space, keys, visit) };
        let (mut known, ticket): (Vec<Option<Found>>, _) = {
            let mut shelf = locked(&shelf);
            (keys.iter().map(|key| shelf.value(key, &self.generations)).collect(), shelf.ticket())
        };
        let is_unknown = |(_, known): &(&Vec<u8>, &Option<Found>)| known.is_none();
        let unknown: Vec<Vec<u8>> = keys.iter().zip(&known).filter(is_unknown).map(|(key, _)| key.clone()).collect();
        self.reads.count(keys.len() - unknown.len(), unknown.len());
        if !unknown.is_empty() {
            let mut read: Vec<Found> = Vec::with_capacity(unknown.len());
            self.store.get_each(space, &unknown, &mut |_, value| {
                read.push(value.map(Arc::from));
                Ok(())
            })?;
            if let Some(ticket) = ticket {
                let mut shelf = locked(&shelf);
                unknown.iter().zip(&read).for_each(|(key, value)| shelf.keep_value(ticket, key, value, &self.generations));
            }
            known.iter_mut().filter(|known| known.is_none()).zip(read).for_each(|(known, value)| *known = Some(value));
        }
        known
            .iter()
            .enumerate()
            .try_for_each(|(place, value)| visit(place, value.as_ref().and_then(|value| value.as_deref())))?;
        self.tidy();
        Ok(())
    }

    fn scan_many(&self, space: Space, prefixes: &[Vec<u8>], visit: VisitMany<'_>) -> Result<()> {
        let Some(shelf) = self.shelf_to_read(space) else { return self.store.scan_many(space, prefixes, visit) };
        let (known, ticket) = {
            let mut shelf = locked(&shelf);
            let known: Vec<_> = prefixes.iter().map(|prefix| shelf.list(prefix, &self.generations)).collect();
            (known, shelf.ticket())
        };
        let hits = known.iter().flatten().count();
        self.reads.count(hits, known.len() - hits);
        let mut first = 0;
        for lists in known.chunk_by(|left, right| left.is_none() && right.is_none()) {
            let prefixes = prefixes.get(first..first + lists.len()).unwrap_or_default();
            match (lists, ticket) {
                ([Some(list)], _) => visit_list(list, &mut |key, value| visit(first, key, value))?,
                (_, Some(ticket)) => self.read_lists((space, &shelf, ticket), (first, prefixes), visit)?,
                (_, None) => {
                    self.store.scan_many(space, prefixes, &mut |place, key, value| visit(first + place, key, value))?;
                }
            }
            first += lists.len();
        }
        self.tidy();
        Ok(())
    }

    fn scan(&self, space: Space, prefix: &[u8], after: Option<&[u8]>, visit: Visit<'_>) -> Result<()> {
        let shelf = self.shelf_to_read(space).filter(|_| after.is_none());
        let Some(shelf) = shelf else { return self.store.scan(space, prefix, after, visit) };
        let (known, ticket) = {
            let mut shelf = locked(&shelf);
            (shelf.list(prefix, &self.generations), shelf.ticket())
        };
        self.reads.count(usize::from(known.is_some()), usize::from(known.is_none()));
        if let Some(list) = known {
            return visit_list(&list, visit);
        }
        let Some(ticket) = ticket else { return self.store.scan(space, prefix, after, visit) };
        let mut gathered = Gathered::default();
        self.store.scan(space, prefix, after, &mut |key, value| gathered.take(key, value, visit))?;
        if !gathered.is_long {
            locked(&shelf).keep_list(ticket, prefix, gathered.entries, &self.generations);
            self.tidy();
        }
        Ok(())
    }
}

fn visit_list(list: &[Entry], visit: Visit<'_>) -> Result<()> {
    for (key, value) in list {
        if !visit(key, value)? {
            break;
        }
    }
    Ok(())
}

impl Store for Hot {
    fn commit(&self, mutations: Vec<Mutation>, durability: Durability) -> Result<()> {
        let batches = self.announce(&mutations);
        let committed = self.store.commit(mutations, durability);
        for Batch { shelf, began, written, takes_new } in batches {
            let mut shelf = locked(&shelf);
            match &committed {
                Ok(()) => shelf.finish(began, written, takes_new, &self.generations),
                Err(_) => shelf.give_up(),
            }
        }
        self.tidy();
        committed
    }

    fn ingest(&self, space: Space, entries: &mut dyn SortedEntries) -> Result<()> {
        self.forgetting(space, || self.store.ingest(space, entries))
    }

    fn sync(&self) -> Result<()> {
        self.store.sync()
    }

    fn clear(&self, space: Space) -> Result<()> {
        self.forgetting(space, || self.store.clear(space))
    }

    fn snapshot(&self) -> Arc<dyn Arrangements> {
        self.store.snapshot()
    }

    fn disk_bytes(&self) -> u64 {
        self.store.disk_bytes()
    }
}
