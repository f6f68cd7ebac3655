//! The state store in memory: the simulator's and the unit tests' disk.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Durability, SortedEntries, Store};
use crate::derive::{Arrangements, Mutation, Space};
use crate::error::Result;

type Entries = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

/// A store that forgets everything when dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    entries: Mutex<Entries>,
}

impl MemoryStore {
    /// Another store with the same entries.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self { entries: Mutex::new(self.entries().clone()) }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arrangements for MemoryStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.entries().get(&(space, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<()> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded((space, after.to_vec())),
            _ => Bound::Included((space, prefix.to_vec())),
        };
        // Copied first: `visit` may read the store.
        let found: Vec<_> = self
            .entries()
            .range((start, Bound::Unbounded))
            .take_while(|((at, key), _)| *at == space && key.starts_with(prefix))
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect();
        for (key, value) in found {
            if !visit(&key, &value)? {
                break;
            }
        }
        Ok(())
    }
}

impl Store for MemoryStore {
    fn commit(&self, mutations: Vec<Mutation>, _durability: Durability) -> Result<()> {
        let mut entries = self.entries();
        for mutation in mutations {
            match mutation.value {
                Some(value) => entries.insert((mutation.space, mutation.key), value),
                None => entries.remove(&(mutation.space, mutation.key)),
            };
        }
        Ok(())
    }

    fn ingest(&self, space: Space, entries: &mut dyn SortedEntries) -> Result<()> {
        let mut taken = Vec::new();
        while let Some((key, value)) = entries.next()? {
            taken.push(((space, key.to_vec()), value.to_vec()));
        }
        self.entries().extend(taken);
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn clear(&self, space: Space) -> Result<()> {
        self.entries().retain(|(at, _), _| *at != space);
        Ok(())
    }

    fn snapshot(&self) -> std::sync::Arc<dyn Arrangements> {
        std::sync::Arc::new(self.copied())
    }

    fn disk_bytes(&self) -> u64 {
        self.entries().iter().map(|((_, key), value)| (key.len() + value.len()) as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_memory_store_keeps_the_contract() {
        crate::state::conformance::check(&super::MemoryStore::default());
    }
}
