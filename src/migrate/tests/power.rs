//! A disk that loses power: what was not synced when a life ends is gone.

use std::sync::{Arc, Mutex, PoisonError};

use crate::derive::{Arrangements, Mutation, Space, Visit};
use crate::error::Result;
use crate::state::memory::MemoryStore;
use crate::state::{Durability, SortedEntries, Store};

/// Batches over a disk that has them only once they are synced.
pub(super) struct Unsynced {
    disk: Arc<MemoryStore>,
    now: MemoryStore,
    waiting: Mutex<Vec<Mutation>>,
}

impl Unsynced {
    /// What a machine that was just started sees of its disk.
    pub(super) fn over(disk: &Arc<MemoryStore>) -> Self {
        Self { disk: Arc::clone(disk), now: disk.copied(), waiting: Mutex::default() }
    }

    /// Writes what waits in one go: a batch is there whole or not at all, and with those before it.
    fn flush(&self) -> Result<()> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.disk.commit(std::mem::take(&mut *waiting), Durability::Synced)
    }
}

impl Arrangements for Unsynced {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.now.get(space, key)
    }

    fn scan(&self, space: Space, prefix: &[u8], after: Option<&[u8]>, visit: Visit<'_>) -> Result<()> {
        self.now.scan(space, prefix, after, visit)
    }
}

impl Store for Unsynced {
    fn commit(&self, mutations: Vec<Mutation>, durability: Durability) -> Result<()> {
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.extend(mutations.iter().cloned());
            self.now.commit(mutations, durability)?;
        }
        match durability {
            Durability::Buffered => Ok(()),
            Durability::Synced => self.flush(),
        }
    }

    fn ingest(&self, space: Space, entries: &mut dyn SortedEntries) -> Result<()> {
        self.now.ingest(space, entries)?;
        self.flush()?;
        // Everything of the space: sorted entries come once, and are not kept apart.
        let mut all = Vec::new();
        self.now.scan(space, &[], None, &mut |key, value| {
            all.push(Mutation { space, key: key.to_vec(), value: Some(value.to_vec()) });
            Ok(true)
        })?;
        self.disk.commit(all, Durability::Synced)
    }

    fn sync(&self) -> Result<()> {
        self.flush()
    }

    fn clear(&self, space: Space) -> Result<()> {
        let mut gone = Vec::new();
        self.now.scan(space, &[], None, &mut |key, _| {
            gone.push(Mutation { space, key: key.to_vec(), value: None });
            Ok(true)
        })?;
        self.commit(gone, Durability::Buffered)
    }

    fn snapshot(&self) -> Arc<dyn Arrangements> {
        self.now.snapshot()
    }

    fn disk_bytes(&self) -> u64 {
        self.now.disk_bytes()
    }
}
