//! An accumulator from nothing: what its members contribute is sorted by group, beyond a bound on disk, added up in one pass, and goes into the
//! state as sorted runs, its mark last.

use std::cell::Cell;
use std::path::Path;

use super::sort::{Entries, Merged, Sorter};
use super::{SortedEntries, Store};
use crate::derive::{Adder, Contribution, Space, contribute};
use crate::error::{Error, Result};
use crate::plan::{AccumulatorId, Plan};

/// Sorters of one accumulator.
pub const SORTERS: usize = 2;
/// Stored rows that are added up at once, by several threads.
const ROWS_AT_ONCE: usize = 8_192;
/// Contributions to one entry are told apart by so many bytes behind its key.
const NUMBER_BYTES: usize = 8;

/// Contributions of one kind while they are sorted.
struct Sorting {
    sorter: Sorter,
    count: u64,
    key: Vec<u8>,
}

impl Sorting {
    fn push(&mut self, key: &[u8], bytes: &[u8]) -> Result<()> {
        self.key.clear();
        self.key.extend_from_slice(key);
        self.key.extend_from_slice(&self.count.to_be_bytes());
        self.count += 1;
        self.sorter.push(&self.key, bytes)
    }
}

/// Entries of an accumulator as they follow from sorted contributions; what they contribute to their groups goes to `counted`.
struct Summed<'a, 'p> {
    contributions: Merged,
    adder: Adder<'p>,
    counted: Option<&'a mut Sorting>,
}

impl SortedEntries for Summed<'_, '_> {
    fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        loop {
            let is_complete = match self.contributions.next()? {
                Some((key, bytes)) => {
                    let key = key.len().checked_sub(NUMBER_BYTES).and_then(|length| key.get(..length));
                    self.adder.add(key.ok_or_else(|| Error::bug("a sorted contribution has no number"))?, bytes)?
                }
                None if self.adder.end()? => true,
                None => return Ok(None),
            };
            if is_complete {
                break;
            }
        }
        if let Some(counted) = &mut self.counted
            && let Some((key, bytes)) = self.adder.counted()?
        {
            counted.push(&key, &bytes)?;
        }
        Ok(Some(self.adder.entry()))
    }
}

/// Adds up an accumulator of which the state has nothing yet, from stored rows that stand still; answers how many they are, and tells `read` of some at a time. Two sorters
/// hold at most `bytes_max` bytes each in memory, and write what is more to `folder`.
///
/// # Errors
/// The store or the disk failed.
pub fn add_up(
    plan: &Plan,
    store: &dyn Store,
    id: AccumulatorId,
    (folder, bytes_max): (&Path, usize),
    read: &dyn Fn(u64),
) -> Result<u64> {
    let sorting = || Sorting { sorter: Sorter::new(folder, bytes_max), count: 0, key: Vec::new() };
    let (mut totals, mut listed, row_count) = (sorting(), sorting(), Cell::new(0));
    let mut give = |kind, key: &[u8], bytes: &[u8]| match kind {
        Contribution::Total => totals.push(key, bytes),
        Contribution::Listed => listed.push(key, bytes),
    };
    let mark = contribute(plan, store, id, ROWS_AT_ONCE, &mut give, &|rows| {
        row_count.set(row_count.get() + rows);
        read(rows);
    })?;
    // The lists first: what they count goes into the totals.
    let space = Space::Accumulator(id);
    if !listed.sorter.is_empty() {
        let adder = Adder::new(plan, id, Contribution::Listed)?;
        let mut summed = Summed { contributions: listed.sorter.finish()?, adder, counted: Some(&mut totals) };
        store.ingest(space, &mut summed)?;
    }
    if !totals.sorter.is_empty() {
        let adder = Adder::new(plan, id, Contribution::Total)?;
        let mut summed = Summed { contributions: totals.sorter.finish()?, adder, counted: None };
        store.ingest(space, &mut summed)?;
    }
    let mut last = Entries::default();
    last.push(&mark.key, mark.value.as_deref().unwrap_or_default());
    store.ingest(space, &mut last)?;
    Ok(row_count.get())
}
