//! Many keys in little memory: one buffer of bytes with the ends of the keys in it, instead of an allocation per key.
//!
//! A change of a row that millions join costs its walk's keys and nothing else, so what a key costs beyond its bytes counts.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Hashes keys, which are bytes: there is no state to set up, as there is in a hasher for anything. The hash is fixed, and nothing depends on the
/// order.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// The length in front of the bytes.
    fn write_usize(&mut self, number: usize) {
        self.0 = self.0.rotate_left(29) ^ number as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The hasher of maps and sets of keys.
pub(crate) type KeyHash = BuildHasherDefault<KeyHasher>;

/// Something by key.
pub(crate) type KeyMap<T> = HashMap<Vec<u8>, T, KeyHash>;

/// Keys in the order they were pushed; sorted and without duplicates after [`Keys::sort`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// How many keys the last sorting left; more than twice as many are sorted again, so that duplicates do not pile up.
    sorted: usize,
}

/// Below this many keys, duplicates are left in until the end.
const UNSORTED_MIN: usize = 65_536;

impl Keys {
    /// Appends a key.
    pub(crate) fn push(&mut self, key: &[u8]) {
        if self.ends.len() > UNSORTED_MIN.max(2 * self.sorted) {
            self.sort();
        }
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }

    /// Appends bytes that stand in the order of other keys, and are never sorted.
    pub(crate) fn push_unsorted(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
    }

    /// Appends all keys of another set.
    pub(crate) fn append(&mut self, other: &Self) {
        other.iter().for_each(|key| self.push(key));
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The keys in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        (0..self.len()).map(|position| self.key(position))
    }

    /// Sorts the keys and drops duplicates.
    pub(crate) fn sort(&mut self) {
        let is_sorted = self.iter().zip(self.iter().skip(1)).all(|(left, right)| left < right);
        if !is_sorted {
            let mut order: Vec<usize> = (0..self.len()).collect();
            order.sort_unstable_by(|left, right| self.key(*left).cmp(self.key(*right)));
            order.dedup_by(|left, right| self.key(*left) == self.key(*right));
            let mut sorted =
                Self { bytes: Vec::with_capacity(self.bytes.len()), ends: Vec::with_capacity(order.len()), sorted: 0 };
            for position in order {
                sorted.bytes.extend_from_slice(self.key(position));
                sorted.ends.push(sorted.bytes.len());
            }
            *self = sorted;
        }
        self.sorted = self.len();
    }

    /// Positions in runs of `count_max` keys.
    pub(crate) fn slices(&self, count_max: usize) -> Vec<std::ops::Range<usize>> {
        runs(0..self.len(), count_max)
    }

    /// The keys at some positions, each on its own.
    pub(crate) fn owned(&self, positions: std::ops::Range<usize>) -> Vec<Vec<u8>> {
        positions.map(|position| self.key(position).to_vec()).collect()
    }

    /// The key at a position; empty behind the last.
    pub(crate) fn key(&self, position: usize) -> &[u8] {
        let start = position.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(position).and_then(|end| self.bytes.get(start..*end)).unwrap_or_default()
    }
}

/// A range of positions in runs of `count_max`.
pub(crate) fn runs(positions: std::ops::Range<usize>, count_max: usize) -> Vec<std::ops::Range<usize>> {
    let (count_max, end) = (count_max.max(1), positions.end);
    positions.step_by(count_max).map(|start| start..(start + count_max).min(end)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_are_a_sorted_set_however_often_they_come() {
        let mut rng = fastrand::Rng::with_seed(7);
        let (mut keys, mut expected) = (Keys::default(), BTreeSet::new());
        for _ in 0..300_000 {
            let key = rng.u32(0..90_000).to_be_bytes()[rng.usize(0..4)..].to_vec();
            keys.push(&key);
            expected.insert(key);
        }
        assert!(keys.len() < 300_000, "duplicates pile up");
        keys.sort();
        assert!(keys.iter().eq(expected.iter().map(Vec::as_slice)));
        let sliced: Vec<Vec<u8>> = keys.slices(1_000).into_iter().flat_map(|slice| keys.owned(slice)).collect();
        assert_eq!(sliced, expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn no_keys_have_no_slices_and_an_empty_key_is_a_key() {
        let mut keys = Keys::default();
        assert!(keys.slices(10).is_empty());
        keys.push(b"");
        keys.push(b"");
        keys.sort();
        assert_eq!(keys.owned(0..1), [Vec::<u8>::new()]);
        assert_eq!(keys.len(), 1);
    }
}
