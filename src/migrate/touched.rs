//! Which output keys the running engine wrote lately; `verify` asks, to tell a wrong row from a row in flight.
//!
//! Bounded: the oldest half is forgotten when the bound is reached, and a question about a time before the floor is answered with
//! "maybe touched", never with "untouched".

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::plan::NodeId;
use crate::schema::TargetTable;
use crate::value::{Row, Value, row};

const KEYS_MAX: usize = 250_000;

struct Inner {
    /// Sequence of the last write of a key.
    last: HashMap<(NodeId, u128), u64>,
    /// Per mapping sequence, below which nothing is known.
    floor: u64,
}

/// The last write of each output key since the engine started, as far as remembered.
pub struct Touched(Mutex<Inner>);

/// The hash under which a key is remembered.
#[must_use]
pub fn key_hash(key: &[Value]) -> u128 {
    row::fingerprint(key)
}

/// The key values of an output row.
#[must_use]
pub fn key_of(table: &TargetTable, row: &Row) -> Row {
    table.key.iter().filter_map(|index| row.get(*index).cloned()).collect()
}

impl Touched {
    /// Nothing is known about sequences up to `floor`.
    #[must_use]
    pub fn since(floor: u64) -> Self {
        Self(Mutex::new(Inner { last: HashMap::new(), floor }))
    }

    /// Forgets everything: nothing is known about sequences up to `floor`.
    pub fn restart(&self, floor: u64) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.last.clear();
        inner.floor = floor;
    }

    /// Remembers that the keys are written by outbox entry `sequence`.
    pub fn note(&self, node: NodeId, sequence: u64, keys: impl Iterator<Item = u128>) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            inner.last.insert((node, key), sequence);
        }
        if inner.last.len() > KEYS_MAX {
            let mut sequences: Vec<u64> = inner.last.values().copied().collect();
            let middle = sequences.len() / 2;
            let floor = *sequences.select_nth_unstable(middle).1;
            inner.last.retain(|_, sequence| *sequence > floor);
            inner.floor = inner.floor.max(floor);
        }
    }

    /// Whether a key may have been written by an entry behind sequence `since`.
    #[must_use]
    pub fn may_have_changed(&self, node: NodeId, key: u128, since: u64) -> bool {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since < inner.floor || inner.last.get(&(node, key)).is_some_and(|sequence| *sequence > since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_touched_only_behind_its_last_write() {
        let touched = Touched::since(10);
        touched.note(NodeId(0), 12, [1, 2].into_iter());
        assert!(touched.may_have_changed(NodeId(0), 1, 11));
        assert!(!touched.may_have_changed(NodeId(0), 1, 12));
        assert!(!touched.may_have_changed(NodeId(1), 1, 11));
        assert!(touched.may_have_changed(NodeId(0), 3, 9), "before the floor nothing is known");
    }

    #[test]
    fn forgetting_raises_the_floor() {
        let touched = Touched::since(0);
        for sequence in 1..=11 {
            touched.note(NodeId(0), sequence, (0..25_000).map(|key| u128::from(sequence) << 64 | key));
        }
        assert!(touched.may_have_changed(NodeId(0), 42, 1));
        assert!(!touched.may_have_changed(NodeId(0), 42, 10));
    }
}
