//! Spent: records of outbox entries that their target has, until the next epoch's batch takes them out.
//!
//! A batch of their own would make the applier wait for the disk whenever the next epoch is being synced. What a crash leaves of them is dropped
//! when the mapping is taken back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::derive::Mutation;
use crate::plan::MappingId;
use crate::state::outbox;

/// Records of one mapping that wait at most: an engine that merges many entries and derives none takes them out by itself.
const WAITING_MAX: usize = 256;

/// The last spent sequences of each mapping. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Spent(Arc<Mutex<BTreeMap<MappingId, Vec<u64>>>>);

impl Spent {
    /// Entries were applied. Whether so many wait that they should be taken out now.
    #[must_use]
    pub(super) fn add(&self, mapping: MappingId, sequences: impl Iterator<Item = u64>) -> bool {
        self.with(|spent| {
            let waiting = spent.entry(mapping).or_default();
            waiting.extend(sequences);
            waiting.len() >= WAITING_MAX
        })
    }

    /// The mutations that take out what waits, of all mappings; for a batch at the boundary of an epoch.
    pub(super) fn take(&self) -> Vec<Mutation> {
        let spent = self.with(std::mem::take);
        spent.into_iter().flat_map(|(mapping, sequences)| removals(mapping, sequences)).collect()
    }

    /// The same of one mapping; for its own keeper.
    pub(super) fn take_of(&self, mapping: MappingId) -> Vec<Mutation> {
        let sequences = self.with(|spent| spent.remove(&mapping)).unwrap_or_default();
        removals(mapping, sequences).collect()
    }

    /// Forgets what waits of a mapping: its sequences may be given again.
    pub(super) fn forget(&self, mapping: MappingId) {
        self.with(|spent| drop(spent.remove(&mapping)));
    }

    fn with<R>(&self, change: impl FnOnce(&mut BTreeMap<MappingId, Vec<u64>>) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn removals(mapping: MappingId, sequences: Vec<u64>) -> impl Iterator<Item = Mutation> {
    sequences.into_iter().map(move |sequence| outbox::remove(mapping, sequence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_is_taken_out_once_and_nothing_that_was_forgotten() {
        let (spent, [one, other]) = (Spent::default(), [0, 1].map(MappingId));
        assert!(!spent.add(one, 1..=3) && !spent.add(other, 7..=7));
        spent.forget(other);
        assert_eq!(spent.take(), [1, 2, 3].map(|sequence| outbox::remove(one, sequence)));
        assert!(spent.take().is_empty());
        assert!(spent.add(one, 1..=WAITING_MAX as u64), "too many wait");
        assert_eq!((spent.take_of(one).len(), spent.take().len()), (WAITING_MAX, 0));
    }
}
