//! The spill: a transaction beyond a bound of memory goes to a file without a name in the state folder while it is read.
//!
//! A file without a name is gone with its last user, also after a crash: the source then tells the transaction again. A record is a length, a
//! flag and a change; rows are in their canonical encoding.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::change::spilled::{Changes, Spilled, SpilledChanges};
use crate::change::{Change, Image, Operation};
use crate::error::{Class, Error, Result};
use crate::schema::TableId;
use crate::value::{Row, Value, row};

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

fn damaged() -> Error {
    Error::new(Class::Local, "a change that was kept on disk does not decode")
}

/// A file that changes are added to.
#[derive(Debug)]
pub struct SpillWriter {
    file: BufWriter<File>,
    bytes: u64,
    count: usize,
    record: Vec<u8>,
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
        Ok(Self { file, bytes: 0, count: 0, record: Vec::new(), dropped: Vec::new() })
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
        self.record.clear();
        self.record.push(u8::from(is_undone_by_rollback));
        encode(change, &mut self.record)?;
        let length = u32::try_from(self.record.len()).map_err(|_| Error::bug("a change has more than 4 GiB"))?;
        self.file.write_all(&length.to_le_bytes()).and_then(|()| self.file.write_all(&self.record)).map_err(failed)?;
        self.bytes += 4 + u64::from(length);
        self.count += 1;
        Ok(())
    }

    /// Takes back what a rollback undoes of the changes from number `first` on.
    pub fn drop_from(&mut self, first: usize) {
        if first < self.count {
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
        let is_dropped = |number: usize| self.dropped.iter().any(|range| range.contains(&number));
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
        let (flag, mut change) = record.split_first().ok_or_else(damaged)?;
        let decoded = decode(&mut change)?;
        if change.is_empty() { Ok((*flag == 1, decoded)) } else { Err(damaged()) }
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

fn encode(change: &Change, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(&change.table.0.to_le_bytes());
    let (kind, images) = match &change.operation {
        Operation::Insert { new } => (0, vec![new]),
        Operation::Update { old, new } => (1, vec![old, new]),
        Operation::Delete { old } => (2, vec![old]),
        Operation::Truncate => (3, vec![]),
    };
    out.push(kind);
    images.into_iter().try_for_each(|image| encode_image(image, out))
}

/// Which columns are known, then the values of those.
fn encode_image(image: &Image, out: &mut Vec<u8>) -> Result<()> {
    let mut values = Vec::new();
    match image {
        Image::Full(row) => {
            out.push(0);
            row::encode(row, &mut values);
        }
        Image::Partial(columns) => {
            out.push(1);
            out.extend_from_slice(&length(columns.len())?);
            out.extend(columns.iter().map(|column| u8::from(column.is_some())));
            let known: Vec<Value> = columns.iter().flatten().cloned().collect();
            row::encode(&known, &mut values);
        }
    }
    out.extend_from_slice(&length(values.len())?);
    out.extend_from_slice(&values);
    Ok(())
}

fn length(length: usize) -> Result<[u8; 4]> {
    u32::try_from(length).map(u32::to_le_bytes).map_err(|_| Error::bug("a row has more than 4 GiB"))
}

fn take<'b>(from: &mut &'b [u8], length: usize) -> Result<&'b [u8]> {
    let (taken, rest) = from.split_at_checked(length).ok_or_else(damaged)?;
    *from = rest;
    Ok(taken)
}

fn take_number(from: &mut &[u8]) -> Result<u32> {
    let bytes = take(from, 4)?.first_chunk::<4>().copied().ok_or_else(damaged)?;
    Ok(u32::from_le_bytes(bytes))
}

fn decode(from: &mut &[u8]) -> Result<Change> {
    let table = TableId(take_number(from)?);
    let operation = match take(from, 1)? {
        [0] => Operation::Insert { new: decode_image(from)? },
        [1] => Operation::Update { old: decode_image(from)?, new: decode_image(from)? },
        [2] => Operation::Delete { old: decode_image(from)? },
        [3] => Operation::Truncate,
        _ => return Err(damaged()),
    };
    Ok(Change { table, operation })
}

fn decode_image(from: &mut &[u8]) -> Result<Image> {
    let known = match take(from, 1)? {
        [0] => None,
        [1] => {
            let count = take_number(from)? as usize;
            Some(take(from, count)?)
        }
        _ => return Err(damaged()),
    };
    let bytes = take_number(from)? as usize;
    let values: Row = row::decode(take(from, bytes)?)?;
    let Some(known) = known else { return Ok(Image::Full(values)) };
    let mut values = values.into_vec().into_iter();
    let columns = known.iter().map(|is_known| match is_known {
        0 => Ok(None),
        _ => values.next().map(Some).ok_or_else(damaged),
    });
    Ok(Image::Partial(columns.collect::<Result<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

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
