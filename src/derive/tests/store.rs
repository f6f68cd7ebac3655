//! The state as a map.

use std::collections::BTreeMap;

use crate::derive::{Arrangements, Mutation, Space};
use crate::error::Result;

/// Keyspaces in memory.
#[derive(Default, Clone, PartialEq, Debug)]
pub(super) struct MapStore {
    pub(super) spaces: BTreeMap<Space, BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl MapStore {
    pub(super) fn apply(&mut self, mutations: Vec<Mutation>) {
        for Mutation { space, key, value } in mutations {
            let entries = self.spaces.entry(space).or_default();
            match value {
                Some(value) => entries.insert(key, value),
                None => entries.remove(&key),
            };
        }
        self.spaces.retain(|_, entries| !entries.is_empty());
    }
}

impl Arrangements for MapStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.spaces.get(&space).and_then(|entries| entries.get(key)).cloned())
    }

    fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<()> {
        for (key, value) in self.spaces.get(&space).into_iter().flatten() {
            if key.starts_with(prefix) && after.is_none_or(|after| key.as_slice() > after) && !visit(key, value)? {
                break;
            }
        }
        Ok(())
    }
}
