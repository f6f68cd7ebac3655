//! The spill: a transaction beyond a bound of memory goes to a file without a name in the state folder while it is read.
//!
//! A file without a name is gone with its last user, also after a crash: the source then tells the transaction again. A record is a length, a
//! flag and a change.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::change::Change;
use crate::change::encoding::{read_change, write_change};
use crate::change::spilled::{Changes, Spilled, SpilledChanges};
use crate::error::{Class, Error, Result};
use crate::value::record::{Reader, Writer, damaged};

/// Bytes that are read from the file at once.
const READ_BYTES: usize = 256 << 10;

/// Where transactions go that are too large for memory, and which are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpillOptions {
    /// The folder, on the disk of the state.
    pub folder: PathBuf,
    /// Bytes of memory from which on changes go there.
    pub after_bytes: usize,
}

fn failed(error: std::io::Error) -> Error {
    let hint = match error.kind() {
        ErrorKind::StorageFull => "free space on the disk of the state folder, then run again",
        _ => "check the disk of the state folder, then run again",
    };
    Error::new(Class::Local, "a transaction that is too large for memory cannot be kept on disk").with_hint(hint).because(error)
}

/// A file that changes are added to.
#[derive(Debug)]
pub struct SpillWriter {
    file: BufWriter<File>,
    bytes: u64,
    count: usize,
    record: Writer,
    dropped: Vec<Range<usize>>,
}

impl SpillWriter {
    /// An empty file.
    ///
    /// # Errors
    /// `Local` if it cannot be made.
    pub fn begin(options: &SpillOptions) -> Result<Self> {
        let file = tempfile::tempfile_in(&options.folder).map_err(failed)?;
        tracing::info!(
            "a source transaction is larger than {} bytes of memory: it goes to the disk of the state",
            options.after_bytes
        );
        let file = BufWriter::with_capacity(READ_BYTES, file);
        Ok(Self { file, bytes: 0, count: 0, record: Writer::default(), dropped: Vec::new() })
    }

    /// How many changes were added.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds a change; `is_undone_by_rollback` says whether [`Self::drop_from`] concerns it.
    ///
    /// # Errors
    /// `Local` if the disk fails or is full.
    pub fn append(&mut self, change: &Change, is_undone_by_rollback: bool) -> Result<()> {
        self.record.0.clear();
        self.record.byte(u8::from(is_undone_by_rollback));
        write_change(&mut self.record, change);
        let length = u32::try_from(self.record.0.len()).map_err(|_| Error::bug("a change has more than 4 GiB"))?;
        self.file.write_all(&length.to_le_bytes()).and_then(|()| self.file.write_all(&self.record.0)).map_err(failed)?;
        self.bytes += 4 + u64::from(length);
        self.count += 1;
        Ok(())
    }

    /// Takes back what a rollback undoes of the changes from number `first` on.
    pub fn drop_from(&mut self, first: usize) {
        if first < self.count {
            // Ranges stay ascending and apart: one that begins behind `first` is part of the new one.
            self.dropped.truncate(self.dropped.partition_point(|range| range.start < first));
            self.dropped.push(first..self.count);
        }
    }

    /// The changes, to be read.
    ///
    /// # Errors
    /// `Local` if the disk fails or is full.
    pub fn finish(self) -> Result<Spilled> {
        let Self { file, bytes, count, dropped, .. } = self;
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        Ok(Spilled::new(Arc::new(SpillFile { file, bytes, count, dropped })))
    }
}

/// A whole file.
struct SpillFile {
    file: File,
    bytes: u64,
    count: usize,
    dropped: Vec<Range<usize>>,
}

impl SpilledChanges for SpillFile {
    fn count(&self) -> usize {
        self.count
    }

    fn read(&self) -> Result<Changes<'_>> {
        let reading = Reading { file: self, offset: 0, buffer: Vec::new(), used: 0 };
        let mut dropped = self.dropped.iter().peekable();
        let mut is_dropped = move |number: usize| {
            while dropped.next_if(|range| range.end <= number).is_some() {}
            dropped.peek().is_some_and(|range| range.contains(&number))
        };
        let left = reading.enumerate().filter_map(move |(number, record)| match record {
            Ok((true, _)) if is_dropped(number) => None,
            Ok((_, change)) => Some(Ok(change)),
            Err(error) => Some(Err(error)),
        });
        Ok(Box::new(left))
    }
}

/// A place in a file, with what was read ahead.
struct Reading<'f> {
    file: &'f SpillFile,
    offset: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl Reading<'_> {
    /// The next `length` bytes.
    fn bytes(&mut self, length: usize) -> Result<&[u8]> {
        if self.buffer.len() - self.used < length {
            self.buffer.drain(..self.used);
            self.used = 0;
            let wanted = (length - self.buffer.len()).max(READ_BYTES);
            let left = usize::try_from(self.file.bytes - self.offset).unwrap_or(usize::MAX);
            let begin = self.buffer.len();
            self.buffer.resize(begin + wanted.min(left), 0);
            let fresh = self.buffer.get_mut(begin..).unwrap_or_default();
            self.file.file.read_exact_at(fresh, self.offset).map_err(failed)?;
            self.offset += wanted.min(left) as u64;
        }
        let end = self.used + length;
        let bytes = self.buffer.get(self.used..end).ok_or_else(damaged)?;
        self.used = end;
        Ok(bytes)
    }

    fn record(&mut self) -> Result<(bool, Change)> {
        let length = self.bytes(4)?.first_chunk::<4>().copied().ok_or_else(damaged)?;
        let record = self.bytes(u32::from_le_bytes(length) as usize)?;
        let mut record = Reader(record);
        let (is_undone_by_rollback, change) = (record.byte()? == 1, read_change(&mut record)?);
        record.end()?;
        Ok((is_undone_by_rollback, change))
    }
}

impl Iterator for Reading<'_> {
    type Item = Result<(bool, Change)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.offset == self.file.bytes && self.used == self.buffer.len() {
            return None;
        }
        let record = self.record();
        if record.is_err() {
            // Nothing behind it can be read either.
            (self.offset, self.used) = (self.file.bytes, self.buffer.len());
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Image, Operation};
    use crate::schema::TableId;
    use crate::value::{Row, Value};

    fn changes() -> Vec<Change> {
        let row =
            |number: i64| Row::from([Value::Int(number), Value::Null, Value::Text("가".repeat(number as usize * 97).into())]);
        let full = |number| Image::Full(row(number));
        let partial = Image::Partial(vec![Some(Value::Int(7)), None, Some(Value::Null)].into());
        let mut changes = vec![Change { table: TableId(3), operation: Operation::Truncate }];
        for number in 0..400 {
            let operation = match number % 4 {
                0 => Operation::Insert { new: full(number) },
                1 => Operation::Update { old: full(number), new: full(number + 1) },
                2 => Operation::Update { old: full(number), new: partial.clone() },
                _ => Operation::Delete { old: full(number) },
            };
            changes.push(Change { table: TableId(number as u32 % 5), operation });
        }
        changes
    }

    fn written(changes: &[Change]) -> SpillWriter {
        let folder = tempfile::tempdir().unwrap();
        let options = SpillOptions { folder: folder.path().to_path_buf(), after_bytes: 1 };
        let mut writer = SpillWriter::begin(&options).unwrap();
        changes.iter().enumerate().for_each(|(number, change)| writer.append(change, number % 2 == 0).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
        writer
    }

    #[test]
    fn what_is_spilled_comes_back_as_it_was_any_number_of_times() {
        let changes = changes();
        let spilled = written(&changes).finish().unwrap();
        for _ in 0..2 {
            assert_eq!(spilled.read().unwrap().collect::<Result<Vec<_>>>().unwrap(), changes);
        }
        let of_one = spilled.clone().through(|change| (change.table == TableId(1)).then_some(change));
        let expected: Vec<Change> = changes.iter().filter(|change| change.table == TableId(1)).cloned().collect();
        assert_eq!(of_one.read().unwrap().collect::<Result<Vec<_>>>().unwrap(), expected);
    }

    #[test]
    fn f27_a_rollback_takes_back_what_is_on_disk_but_not_non_transactional_rows() {
        let changes = changes();
        let mut writer = written(&changes);
        writer.drop_from(11);
        writer.append(changes.last().unwrap(), true).unwrap();
        writer.drop_from(500);
        let left: Vec<Change> = writer.finish().unwrap().read().unwrap().map(Result::unwrap).collect();
        let is_left = |number: &usize| *number < 11 || number % 2 == 1;
        let mut expected: Vec<Change> = (0..changes.len()).filter(is_left).map(|number| changes[number].clone()).collect();
        expected.push(changes.last().unwrap().clone());
        assert_eq!(left, expected);
    }

    #[test]
    fn f88_a_full_disk_is_named_with_its_remedy() {
        let mut writer = written(&[]);
        writer.file = BufWriter::with_capacity(16, File::options().write(true).open("/dev/full").unwrap());
        let error = changes().iter().try_for_each(|change| writer.append(change, true)).unwrap_err();
        assert_eq!(error.class(), Class::Local);
        assert!(error.hint().unwrap().starts_with("free space"), "{error:?}");
    }
}
