//! A shelf: the entries of one keyspace that are held in memory.
//!
//! Single values, `None` for a key that has none, and whole lists of what begins with a prefix. What is read may be kept only if no batch touched the keyspace
//! since before it was read; what a batch writes is brought up to date behind it if no other batch was under way, else forgotten.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::derive::KeyHash;

/// What an entry costs beside its bytes, about.
const BYTES_PER_VALUE: usize = 96;
const BYTES_PER_LIST: usize = 160;
const BYTES_PER_ENTRY: usize = 48;
/// A larger value is not held.
const VALUE_BYTES_MAX: usize = 16 << 10;
/// A list with more entries, or bytes, is not held.
pub(super) const LIST_ENTRIES_MAX: usize = 64;
pub(super) const LIST_BYTES_MAX: usize = 8 << 10;

/// A key and its value.
pub(super) type Entry = (Box<[u8]>, Box<[u8]>);

/// The value of a key, `None` for a key without one.
pub(super) type Found = Option<Arc<[u8]>>;

/// What was written to a key.
pub(super) type Written = (Vec<u8>, Found);

/// Two generations: what was used neither in this one nor in the last is forgotten when the next begins.
#[derive(Debug)]
pub(super) struct Generations {
    now: AtomicU32,
    /// Bytes of what was used in this generation.
    fresh_bytes: AtomicUsize,
    bytes_max: usize,
}

impl Generations {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { now: AtomicU32::new(1), fresh_bytes: AtomicUsize::new(0), bytes_max }
    }

    fn now(&self) -> u32 {
        self.now.load(Ordering::Relaxed)
    }

    fn used(&self, bytes: usize) {
        self.fresh_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Begins the next generation when this one has its half; answers the oldest that stays.
    pub(super) fn turned(&self) -> Option<u32> {
        let fresh = self.fresh_bytes.load(Ordering::Relaxed);
        if fresh <= self.bytes_max / 2 {
            return None;
        }
        let is_first = self.fresh_bytes.compare_exchange(fresh, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        is_first.then(|| self.now.fetch_add(1, Ordering::Relaxed))
    }
}

/// Leave to keep what was read since it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// Something that is held, and the generation in which it was used last.
#[derive(Debug)]
struct Held<T> {
    what: T,
    used: u32,
}

/// The entries of one keyspace that are held.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// Counts the beginnings and ends of batches.
    version: u64,
    /// Batches that are being written.
    writers: u32,
    values: HashMap<Box<[u8]>, Held<Found>, KeyHash>,
    lists: BTreeMap<Box<[u8]>, Held<Arc<Vec<Entry>>>>,
}

fn value_bytes(key: &[u8], value: &Found) -> usize {
    BYTES_PER_VALUE + key.len() + value.as_ref().map_or(0, |value| value.len())
}

fn list_bytes(prefix: &[u8], entries: &[Entry]) -> usize {
    let entries: usize = entries.iter().map(|(key, value)| BYTES_PER_ENTRY + key.len() + value.len()).sum();
    BYTES_PER_LIST + prefix.len() + entries
}

impl Shelf {
    /// What is known of a key.
    pub(super) fn value(&mut self, key: &[u8], generations: &Generations) -> Option<Found> {
        let held = self.values.get_mut(key)?;
        if held.used != generations.now() {
            held.used = generations.now();
            generations.used(value_bytes(key, &held.what));
        }
        Some(held.what.clone())
    }

    /// What begins with a prefix, if that is known.
    pub(super) fn list(&mut self, prefix: &[u8], generations: &Generations) -> Option<Arc<Vec<Entry>>> {
        let held = self.lists.get_mut(prefix)?;
        if held.used != generations.now() {
            held.used = generations.now();
            generations.used(list_bytes(prefix, &held.what));
        }
        Some(Arc::clone(&held.what))
    }

    /// Leave to keep what is read from now on; none while a batch is being written.
    pub(super) fn ticket(&self) -> Option<Ticket> {
        (self.writers == 0).then_some(Ticket(self.version))
    }

    fn holds_for(&self, ticket: Ticket) -> bool {
        self.ticket() == Some(ticket)
    }

    /// Keeps a value that was read with a ticket, if nothing was written since.
    pub(super) fn keep_value(&mut self, ticket: Ticket, key: &[u8], value: &Found, generations: &Generations) {
        if self.holds_for(ticket) {
            self.put_value(key, value.clone(), generations);
        }
    }

    fn put_value(&mut self, key: &[u8], value: Found, generations: &Generations) {
        if value.as_ref().is_some_and(|value| value.len() > VALUE_BYTES_MAX) {
            self.values.remove(key);
            return;
        }
        generations.used(value_bytes(key, &value));
        self.values.insert(key.into(), Held { what: value, used: generations.now() });
    }

    /// Keeps everything that begins with a prefix, if nothing was written since it was read.
    pub(super) fn keep_list(&mut self, ticket: Ticket, prefix: &[u8], entries: Vec<Entry>, generations: &Generations) {
        if self.holds_for(ticket) {
            generations.used(list_bytes(prefix, &entries));
            self.lists.insert(prefix.into(), Held { what: Arc::new(entries), used: generations.now() });
        }
    }

    /// A batch that writes to the keyspace begins; to be said again to [`Self::finish`].
    pub(super) fn begin(&mut self) -> u64 {
        self.writers += 1;
        self.version += 1;
        self.version
    }

    /// Whether something is held that a write to this key changes.
    pub(super) fn concerns(&self, key: &[u8]) -> bool {
        self.values.contains_key(key) || self.list_above(key, key.len()).is_some()
    }

    /// The batch that has begun is written; values that are new to the shelf are kept too if it `takes_new` ones.
    pub(super) fn finish(&mut self, began: u64, written: Vec<Written>, takes_new: bool, generations: &Generations) {
        // In which order the store took two batches that were under way at once is not known here.
        let is_alone = self.version == began;
        self.end();
        for (key, value) in written {
            let mut length = key.len();
            while let Some(prefix) = self.list_above(&key, length) {
                length = prefix.len();
                let prefix = key.get(..length).unwrap_or_default();
                if !is_alone || !self.update_list(prefix, &key, value.as_deref()) {
                    self.lists.remove(prefix);
                }
                let Some(shorter) = length.checked_sub(1) else { break };
                length = shorter;
            }
            if !is_alone {
                self.values.remove(key.as_slice());
            } else if (takes_new && value.is_some()) || self.values.contains_key(key.as_slice()) {
                self.put_value(&key, value, generations);
            }
        }
    }

    /// The batch that has begun is over, and what it did is not known: nothing is known any more.
    pub(super) fn give_up(&mut self) {
        self.end();
        self.clear();
    }

    fn end(&mut self) {
        self.writers = self.writers.saturating_sub(1);
        self.version += 1;
    }

    fn clear(&mut self) {
        self.values.clear();
        self.lists.clear();
    }

    /// The longest prefix of `key`, of at most `length_max` bytes, whose list is held.
    fn list_above(&self, key: &[u8], length_max: usize) -> Option<&[u8]> {
        let mut bound = key.get(..length_max)?;
        loop {
            let below = (Bound::Unbounded, Bound::Included(bound));
            let (found, _) = self.lists.range::<[u8], _>(below).next_back()?;
            // What is not a prefix itself shares one with every prefix before it.
            let shared = found.iter().zip(bound).take_while(|(left, right)| left == right).count();
            if shared == found.len() {
                return Some(found);
            }
            bound = bound.get(..shared)?;
        }
    }

    /// Puts an entry into a list, or takes it away; `false` if the list is too long then.
    fn update_list(&mut self, prefix: &[u8], key: &[u8], value: Option<&[u8]>) -> bool {
        let Some(held) = self.lists.get_mut(prefix) else { return true };
        let entries = Arc::make_mut(&mut held.what);
        let place = entries.binary_search_by(|(known, _)| known.as_ref().cmp(key));
        match (place, value) {
            (Ok(place), None) => drop(entries.remove(place)),
            (Err(_), None) => {}
            (Ok(place), Some(value)) => {
                if let Some(entry) = entries.get_mut(place) {
                    entry.1 = value.into();
                }
            }
            (Err(place), Some(value)) => entries.insert(place, (key.into(), value.into())),
        }
        let bytes: usize = entries.iter().map(|(key, value)| key.len() + value.len()).sum();
        entries.len() <= LIST_ENTRIES_MAX && bytes <= LIST_BYTES_MAX
    }

    /// Forgets what was last used before a generation.
    pub(super) fn forget_before(&mut self, generation: u32) {
        self.values.retain(|_, held| held.used >= generation);
        self.lists.retain(|_, held| held.used >= generation);
    }
}
