//! External sort: entries in any order in, one ascending sequence of keys out, in bounded memory.
//!
//! What does not fit is written to files as sorted runs, and the runs are merged, at most [`FAN_IN`] at a time. The files have no name
//! any more when they are written, so that nothing is left of them whatever happens. Of entries with one key the last one counts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::SortedEntries;
use super::disk::disk_failed;
use crate::derive::{Mutation, Space};
use crate::error::{Class, Error, Result};

/// Runs that are merged at once; each has a buffer of [`READ_BYTES`].
const FAN_IN: usize = 32;
/// Buffer of one run while it is read.
const READ_BYTES: usize = 64 << 10;
/// Buffer of a run while it is written.
const WRITE_BYTES: usize = 256 << 10;

/// Where an entry lies in a buffer.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: usize,
    key_bytes: u32,
    value_bytes: u32,
}

/// Entries in memory, in one piece.
#[derive(Debug, Default)]
pub struct Entries {
    bytes: Vec<u8>,
    places: Vec<Place>,
    next: usize,
}

impl Entries {
    /// Appends an entry.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.places.push(Place { start: self.bytes.len(), key_bytes: length(key), value_bytes: length(value) });
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
    }

    /// Appends the entries of another buffer, in their order.
    pub fn append(&mut self, other: &Self) {
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.places.extend(other.places.iter().map(|place| Place { start: place.start + offset, ..*place }));
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Keys and values, without what it costs to hold them.
    #[must_use]
    pub fn content_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// What it takes in memory.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.capacity() + self.places.capacity() * size_of::<Place>()
    }

    /// Sorts by key and drops all but the last entry of each key.
    pub fn sort(&mut self) {
        let bytes = &self.bytes;
        let is_sorted =
            self.places.iter().zip(self.places.iter().skip(1)).all(|(left, right)| key(bytes, left) < key(bytes, right));
        if !is_sorted {
            // Most keys differ in their first bytes, which are compared without a look into the buffer.
            let mut ordered: Vec<(u64, Place)> = self.places.iter().map(|place| (head(key(bytes, place)), *place)).collect();
            ordered.sort_unstable_by(|(left_head, left), (right_head, right)| {
                let keys = || key(bytes, left).cmp(key(bytes, right)).then(Reverse(left.start).cmp(&Reverse(right.start)));
                left_head.cmp(right_head).then_with(keys)
            });
            self.places.clear();
            self.places.extend(ordered.into_iter().map(|(_, place)| place));
            self.places.dedup_by(|later, kept| key(bytes, later) == key(bytes, kept));
        }
        self.next = 0;
    }

    /// The entries as writes to a keyspace.
    pub fn into_mutations(self, space: Space) -> impl Iterator<Item = Mutation> {
        let entries = self.places.clone().into_iter();
        entries.map(move |place| {
            let (key, value) = self.entry(&place);
            Mutation { space, key: key.to_vec(), value: Some(value.to_vec()) }
        })
    }

    fn entry(&self, place: &Place) -> (&[u8], &[u8]) {
        let end = place.start + place.key_bytes as usize + place.value_bytes as usize;
        let entry = self.bytes.get(place.start..end).unwrap_or_default();
        entry.split_at_checked(place.key_bytes as usize).unwrap_or_default()
    }
}

fn key<'b>(bytes: &'b [u8], place: &Place) -> &'b [u8] {
    bytes.get(place.start..place.start + place.key_bytes as usize).unwrap_or_default()
}

/// The first bytes of a key, as a number that orders as they do; where two are equal, only the keys tell.
fn head(key: &[u8]) -> u64 {
    let mut head = [0; 8];
    head.iter_mut().zip(key).for_each(|(head, byte)| *head = *byte);
    u64::from_be_bytes(head)
}

impl SortedEntries for Entries {
    fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        let place = self.places.get(self.next).copied();
        self.next += 1;
        Ok(place.map(|place| self.entry(&place)))
    }
}

/// Sorts more entries than memory holds.
pub struct Sorter {
    /// Where the runs are written.
    folder: PathBuf,
    bytes_max: usize,
    count: usize,
    buffer: Entries,
    /// Runs by how often their entries were merged, oldest first.
    levels: Vec<Vec<File>>,
}

impl Sorter {
    /// A sorter that holds about `bytes_max` bytes in memory and writes what is more to `folder`.
    #[must_use]
    pub fn new(folder: &Path, bytes_max: usize) -> Self {
        Self { folder: folder.to_path_buf(), bytes_max, count: 0, buffer: Entries::default(), levels: Vec::new() }
    }

    /// Takes an entry.
    ///
    /// # Errors
    /// `Local` if a run cannot be written.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let size = self.buffer.bytes.len() + self.buffer.places.len() * size_of::<Place>();
        if size + key.len() + value.len() > self.bytes_max && !self.buffer.is_empty() {
            self.spill()?;
        }
        self.buffer.push(key, value);
        self.count += 1;
        Ok(())
    }

    /// How many entries it took.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it took none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn spill(&mut self) -> Result<()> {
        self.buffer.sort();
        let run = write_run(&self.folder, &mut self.buffer)?;
        // What the buffer took is kept for the next run.
        self.buffer.bytes.clear();
        self.buffer.places.clear();
        self.put(0, run)
    }

    fn put(&mut self, level: usize, run: File) -> Result<()> {
        if self.levels.len() <= level {
            self.levels.push(Vec::new());
        }
        let Some(runs) = self.levels.get_mut(level) else { return Ok(()) };
        runs.push(run);
        if runs.len() < FAN_IN {
            return Ok(());
        }
        let merged = write_run(&self.folder, &mut Merged::of(std::mem::take(runs), Entries::default())?)?;
        self.put(level + 1, merged)
    }

    /// Everything that was pushed, in ascending order.
    ///
    /// # Errors
    /// `Local` if a run cannot be read.
    pub fn finish(mut self) -> Result<Merged> {
        self.buffer.sort();
        // The oldest entries were merged most often.
        let mut runs: Vec<File> = self.levels.into_iter().rev().flatten().collect();
        while runs.len() > FAN_IN {
            let later = runs.split_off(FAN_IN);
            let merged = write_run(&self.folder, &mut Merged::of(runs, Entries::default())?)?;
            runs = std::iter::once(merged).chain(later).collect();
        }
        Merged::of(runs, self.buffer)
    }
}

fn write_run(folder: &Path, entries: &mut dyn SortedEntries) -> Result<File> {
    let failed = |error: std::io::Error| disk_failed(folder, "writing a sorted run", error);
    let file = tempfile::tempfile_in(folder).map_err(failed)?;
    let mut writer = BufWriter::with_capacity(WRITE_BYTES, file);
    while let Some((key, value)) = entries.next()? {
        let lengths = (key.len() as u64) << 32 | value.len() as u64;
        writer.write_all(&lengths.to_le_bytes()).map_err(failed)?;
        writer.write_all(key).map_err(failed)?;
        writer.write_all(value).map_err(failed)?;
    }
    let mut file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    file.rewind().map_err(failed)?;
    Ok(file)
}

/// A run while it is read: its next entry, and its place among the runs.
struct Run {
    from: BufReader<File>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Run {
    fn open(file: File) -> Self {
        Self { from: BufReader::with_capacity(READ_BYTES, file), key: Vec::new(), value: Vec::new() }
    }

    /// Reads the next entry; `false` behind the last.
    fn step(&mut self) -> Result<bool> {
        let failed = |error: std::io::Error| Error::new(Class::Local, "a sorted run cannot be read").because(error);
        let mut lengths = [0; 8];
        match self.from.read_exact(&mut lengths) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(failed(error)),
        }
        let lengths = u64::from_le_bytes(lengths);
        self.key.resize((lengths >> 32) as usize, 0);
        self.value.resize((lengths & u64::from(u32::MAX)) as usize, 0);
        self.from.read_exact(&mut self.key).map_err(failed)?;
        self.from.read_exact(&mut self.value).map_err(failed)?;
        Ok(true)
    }
}

/// What the heap orders: the least key first, of equal keys that of the latest run.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    key: Reverse<Vec<u8>>,
    run: usize,
}

/// The entries of several runs, and of what is in memory, in ascending order.
pub struct Merged {
    runs: Vec<Run>,
    heap: BinaryHeap<Head>,
    memory: Entries,
    /// The entry that was given last.
    given: (Vec<u8>, Vec<u8>),
}

impl Merged {
    fn of(files: Vec<File>, memory: Entries) -> Result<Self> {
        let mut merged = Self {
            runs: files.into_iter().map(Run::open).collect(),
            heap: BinaryHeap::new(),
            memory,
            given: <(Vec<u8>, Vec<u8>)>::default(),
        };
        if merged.runs.is_empty() {
            return Ok(merged);
        }
        for (place, run) in merged.runs.iter_mut().enumerate() {
            if run.step()? {
                merged.heap.push(Head { key: Reverse(std::mem::take(&mut run.key)), run: place });
            }
        }
        if let Some((key, _)) = merged.memory.peek() {
            merged.heap.push(Head { key: Reverse(key.to_vec()), run: usize::MAX });
        }
        Ok(merged)
    }

    /// Takes the least entry into `given`; `false` behind the last.
    fn take_least(&mut self) -> Result<bool> {
        let Some(mut head) = self.heap.peek_mut() else { return Ok(false) };
        std::mem::swap(&mut self.given.0, &mut head.key.0);
        let is_more = match self.runs.get_mut(head.run) {
            Some(run) => {
                std::mem::swap(&mut self.given.1, &mut run.value);
                let is_more = run.step()?;
                std::mem::swap(&mut head.key.0, &mut run.key);
                is_more
            }
            None => {
                self.given.1.clear();
                if let Some((_, value)) = self.memory.peek() {
                    self.given.1.extend_from_slice(value);
                }
                self.memory.next += 1;
                head.key.0.clear();
                match self.memory.peek() {
                    Some((key, _)) => {
                        head.key.0.extend_from_slice(key);
                        true
                    }
                    None => false,
                }
            }
        };
        if !is_more {
            PeekMut::pop(head);
        }
        Ok(true)
    }
}

impl Entries {
    fn peek(&self) -> Option<(&[u8], &[u8])> {
        self.places.get(self.next).map(|place| self.entry(place))
    }
}

impl SortedEntries for Merged {
    fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        if self.runs.is_empty() {
            return self.memory.next();
        }
        if !self.take_least()? {
            return Ok(None);
        }
        // Older entries of the same key are passed over.
        let (key, value) = std::mem::take(&mut self.given);
        while self.heap.peek().is_some_and(|head| head.key.0 == key) {
            self.take_least()?;
        }
        self.given = (key, value);
        Ok(Some((&self.given.0, &self.given.1)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn sorted(entries: &mut dyn SortedEntries) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found = Vec::new();
        while let Some((key, value)) = entries.next().unwrap() {
            found.push((key.to_vec(), value.to_vec()));
        }
        found
    }

    /// Merges of runs, of merged runs, and of what is still in memory.
    #[test]
    fn what_is_spilled_comes_back_sorted_and_the_last_value_of_a_key_counts() {
        let folder = tempfile::tempdir().unwrap();
        let mut rng = fastrand::Rng::with_seed(3);
        for (count, bytes_max) in [(0, 64), (1, 64), (40, 1 << 20), (5_000, 64), (40_000, 256), (40_000, 40_000)] {
            let mut sorter = Sorter::new(folder.path(), bytes_max);
            let mut expected = BTreeMap::new();
            for number in 0..count {
                let key = rng.u32(0..count).to_be_bytes()[rng.usize(0..4)..].to_vec();
                let value = vec![7; rng.usize(0..3)].into_iter().chain(u32::to_be_bytes(number)).collect::<Vec<u8>>();
                sorter.push(&key, &value).unwrap();
                expected.insert(key, value);
            }
            let mut merged = sorter.finish().unwrap();
            assert!(sorted(&mut merged) == expected.into_iter().collect::<Vec<_>>(), "{count} in {bytes_max} bytes");
            assert!(merged.next().unwrap().is_none(), "the end is the end");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "runs have no name");
    }

    #[test]
    fn entries_in_memory_are_sorted_in_place() {
        let mut first = Entries::default();
        for (key, value) in [(&b"b"[..], &b"1"[..]), (b"a", b"2"), (b"b", b"3")] {
            first.push(key, value);
        }
        let mut second = Entries::default();
        second.push(b"", b"4");
        first.append(&second);
        first.sort();
        assert_eq!(first.len(), 3);
        let expected =
            [("", "4"), ("a", "2"), ("b", "3")].map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec()));
        assert_eq!(sorted(&mut first), expected);
    }
}
