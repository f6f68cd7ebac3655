//! Reads many keys in their order: one pass over the entries instead of a search for each key.
//!
//! Entries that lie near one another are cheaper to step over than to search for. How many are stepped over before the next search follows
//! from what the last steps were good for, so that keys that lie far apart cost a search each, and little more.

use std::ops::Bound;

use fjall::{Iter, Slice};

use crate::derive::{VisitEach, VisitMany};
use crate::error::{Error, Result};

/// Entries that are stepped over at first, and at most, before a search.
const PATIENCE: u32 = 16;
const PATIENCE_MAX: u32 = 64;

/// A pass over the entries of one tree, in ascending order of keys.
pub(super) struct Sweep<F> {
    /// Opens the entries from a key on.
    open: F,
    entries: Option<Iter>,
    current: Option<(Slice, Slice)>,
    patience: u32,
}

impl<F: Fn(&[u8]) -> Iter> Sweep<F> {
    /// A pass that has not begun.
    pub(super) fn new(open: F) -> Self {
        Self { open, entries: None, current: None, patience: PATIENCE }
    }

    /// Whether the last keys lay so far apart that stepping over what is between them is of no use.
    pub(super) fn is_sparse(&self) -> bool {
        self.patience == 0
    }

    /// Goes to the first entry at or behind `key`, which is not before the last one that was asked for.
    pub(super) fn seek(&mut self, key: &[u8]) -> fjall::Result<()> {
        if self.entries.is_some() {
            for _ in 0..=self.patience {
                // Behind the last entry there is nothing to search for.
                if self.current.as_ref().is_none_or(|(at, _)| at.as_ref() >= key) {
                    self.patience = (2 * self.patience).clamp(1, PATIENCE_MAX);
                    return Ok(());
                }
                self.step()?;
            }
            self.patience /= 2;
        }
        self.search(key)
    }

    /// Goes to the first entry at or behind any key.
    pub(super) fn search(&mut self, key: &[u8]) -> fjall::Result<()> {
        self.entries = Some((self.open)(key));
        self.step()
    }

    /// The entry at hand; `None` behind the last.
    pub(super) fn current(&self) -> Option<(&[u8], &[u8])> {
        self.current.as_ref().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }

    /// Goes to the next entry.
    pub(super) fn step(&mut self) -> fjall::Result<()> {
        self.current = match self.entries.as_mut().and_then(Iterator::next) {
            Some(entry) => Some(entry.into_inner()?),
            None => None,
        };
        Ok(())
    }
}

/// A key behind the prefix of its space.
pub(super) fn joined(prefix: [u8; 4], key: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(4 + key.len());
    joined.extend_from_slice(&prefix);
    joined.extend_from_slice(key);
    joined
}

/// The keys from `start` on that begin with `bound`. Never open at the end: a pass that finds nothing more would go on through whatever
/// was removed from the spaces behind, and a space that is used as a queue is full of that.
pub(super) fn within(start: Vec<u8>, bound: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let last = bound.iter().rposition(|byte| *byte != u8::MAX);
    let end = last.and_then(|last| bound.get(..=last)).map(|head| {
        let mut end = head.to_vec();
        if let Some(byte) = end.last_mut() {
            *byte += 1;
        }
        end
    });
    // An end before the start would be a fault of the caller's in the store's eyes; it is an empty range.
    let end = end.map(|end| end.max(start.clone()));
    (Bound::Included(start), end.map_or(Bound::Unbounded, Bound::Excluded))
}

/// Searches for one key.
type Get<'g> = &'g dyn Fn(&[u8]) -> fjall::Result<Option<Slice>>;
/// Makes the error of a failure of the store.
type Failed<'f> = &'f dyn Fn(fjall::Error) -> Error;

/// Below this many keys each is searched for.
const SWEPT_MIN: usize = 8;

/// Visits the values of keys, in their order; ascending keys that lie near one another are read in one pass. `failed` makes the error of a
/// failure of the store.
pub(super) fn get_in_order<F: Fn(&[u8]) -> Iter>(
    mut sweep: Sweep<F>,
    prefix: [u8; 4],
    keys: &[Vec<u8>],
    (get, failed): (Get<'_>, Failed<'_>),
    visit: VisitEach<'_>,
) -> Result<()> {
    let (mut key, mut last) = (Vec::new(), None::<Vec<u8>>);
    for (place, own) in keys.iter().enumerate() {
        key.clear();
        key.extend_from_slice(&prefix);
        key.extend_from_slice(own);
        if keys.len() < SWEPT_MIN || sweep.is_sparse() || last.as_ref().is_some_and(|last| *last > key) {
            visit(place, get(&key).map_err(failed)?.as_deref())?;
            continue;
        }
        sweep.seek(&key).map_err(failed)?;
        visit(place, sweep.current().filter(|(at, _)| *at == key.as_slice()).map(|(_, value)| value))?;
        std::mem::swap(last.get_or_insert_default(), &mut key);
    }
    Ok(())
}

/// Visits what begins with each of several prefixes; `failed` makes the error of a failure of the store.
pub(super) fn scan_in_order<F: Fn(&[u8]) -> Iter>(
    mut sweep: Sweep<F>,
    space_prefix: [u8; 4],
    prefixes: &[Vec<u8>],
    visit: VisitMany<'_>,
    failed: Failed<'_>,
) -> Result<()> {
    let mut last: Option<Vec<u8>> = None;
    for (place, prefix) in prefixes.iter().enumerate() {
        let bound = joined(space_prefix, prefix);
        // What an earlier prefix has passed over is searched for again.
        match last.as_ref().is_some_and(|last| bound.starts_with(last) || *last > bound) {
            true => sweep.search(&bound).map_err(failed)?,
            false => sweep.seek(&bound).map_err(failed)?,
        }
        while let Some((key, value)) = sweep.current().filter(|(key, _)| key.starts_with(&bound)) {
            if !visit(place, key.get(4..).unwrap_or_default(), value)? {
                break;
            }
            sweep.step().map_err(failed)?;
        }
        last = Some(bound);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::RangeBounds;

    #[test]
    fn a_scan_behind_the_last_entry_of_a_queue_does_not_walk_what_was_removed_from_the_next() {
        let [first, second] = [[0, 0, 0, 0], [0, 0, 0, 1]];
        let range = within(joined(first, b"7"), &joined(first, b""));
        assert!(range.contains(&joined(first, b"7")) && range.contains(&joined(first, &[255; 9])));
        assert!(!range.contains(&joined(first, b"6")) && !range.contains(&joined(second, b"")));
        // Bytes that cannot be counted up, inside and whole.
        let range = within(vec![0, 0, 0, 255, 255], &[0, 0, 0, 255]);
        assert!(range.contains(&vec![0, 0, 0, 255, 255, 255]) && !range.contains(&vec![0, 0, 1, 0]));
        assert!(within(vec![255; 4], &[255; 4]).contains(&vec![255; 9]));
        // Behind everything that begins so.
        assert!(!within(vec![0, 0, 0, 9], &[0, 0, 0, 1]).contains(&vec![0, 0, 0, 9]));
    }
}
