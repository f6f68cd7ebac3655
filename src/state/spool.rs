//! The spool: source events kept on local disk, in order, while nobody can take them.
//!
//! One writer appends, one reader follows. A record is `length, crc32, event`; a torn tail (a crash in the middle of an append) is cut
//! off when the spool is opened, and the stream is asked again for what was cut. What [`SpoolWriter::sync`] has returned for
//! survives a power loss: only then may the source forget it. Damage before the tail stops with the file's name.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::codec;
use crate::change::spilled::{Changes, Spilled, SpilledChanges, batches};
use crate::change::{SourceEvent, Transaction};
use crate::error::{Class, Error, Result};
use crate::position::Position;

const HEADER_BYTES: u64 = 8;
/// Memory of the changes of one piece of a transaction that is too large to be one record.
const PIECE_BYTES: usize = 1 << 20;

/// The position an event leads to.
#[must_use]
pub fn position_of(event: &SourceEvent) -> &Position {
    match event {
        SourceEvent::Transaction(transaction) => &transaction.position,
        SourceEvent::SchemaChange(change) => &change.position,
        SourceEvent::Heartbeat { position } => position,
    }
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    let hint = match error.kind() {
        ErrorKind::StorageFull => "free space on the disk of the state folder, then run again",
        _ => "check the disk of the state folder, then run again",
    };
    Error::new(Class::Local, format!("the spool {} failed", path.display())).with_hint(hint).because(error)
}

/// Appends events.
pub struct SpoolWriter {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
    last: Option<Position>,
}

impl SpoolWriter {
    /// Opens or creates the spool file, cutting off a torn tail.
    ///
    /// # Errors
    /// `Local` if the disk fails.
    pub fn open(path: &Path) -> Result<Self> {
        let (bytes, last) = match File::open(path) {
            Ok(_) => {
                let mut reader = SpoolReader::open(path)?;
                let mut last = None;
                while let Some(event) = reader.next()? {
                    last = Some(position_of(&event).clone());
                }
                (reader.offset, last)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => (0, None),
            Err(error) => return Err(failed(path, error)),
        };
        let mut file =
            OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(|error| failed(path, error))?;
        file.set_len(bytes).and_then(|()| file.seek(SeekFrom::End(0))).map_err(|error| failed(path, error))?;
        Ok(Self { path: path.to_path_buf(), file: BufWriter::with_capacity(256 << 10, file), bytes, last })
    }

    /// Where the stream goes on: the position behind the last event; `None` if the spool is empty.
    #[must_use]
    pub fn last(&self) -> Option<&Position> {
        self.last.as_ref()
    }

    /// Bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends an event; durable only after [`Self::sync`].
    ///
    /// # Errors
    /// `Local` if the disk fails or is full.
    pub fn append(&mut self, event: &SourceEvent) -> Result<()> {
        if let SourceEvent::Transaction(Transaction { spilled: Some(spilled), .. }) = event {
            batches(spilled.read()?, PIECE_BYTES, &mut |piece| self.write(&codec::encode_piece(&piece)))?;
        }
        self.write(&codec::encode_event(event)?)?;
        self.last = Some(position_of(event).clone());
        Ok(())
    }

    fn write(&mut self, record: &[u8]) -> Result<()> {
        let length = u32::try_from(record.len())
            .map_err(|_| Error::new(Class::Person, "a source transaction is larger than 4 GiB, the bound of a spool record"))?;
        let mut write = |bytes: &[u8]| self.file.write_all(bytes).map_err(|error| failed(&self.path, error));
        write(&length.to_le_bytes())?;
        write(&crc32fast::hash(record).to_le_bytes())?;
        write(record)?;
        self.bytes += HEADER_BYTES + u64::from(length);
        Ok(())
    }

    /// Makes everything appended durable and visible to the reader.
    ///
    /// # Errors
    /// `Local` if the disk fails or is full.
    pub fn sync(&mut self) -> Result<()> {
        self.file.flush().and_then(|()| self.file.get_ref().sync_data()).map_err(|error| failed(&self.path, error))
    }
}

/// Reads events from the start, following the writer.
pub struct SpoolReader {
    path: PathBuf,
    file: BufReader<File>,
    offset: u64,
}

impl SpoolReader {
    /// Opens the spool at its start.
    ///
    /// # Errors
    /// `Local` if the file cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| failed(path, error))?;
        Ok(Self { path: path.to_path_buf(), file: BufReader::with_capacity(256 << 10, file), offset: 0 })
    }

    /// How many bytes were read.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next event; `None` at the end for now (the writer may append more). What a transaction has on disk stays in the spool.
    ///
    /// # Errors
    /// `Local` if the disk fails or a record before the tail is damaged.
    #[expect(clippy::should_implement_trait, reason = "fallible and resumable, unlike an iterator")]
    pub fn next(&mut self) -> Result<Option<SourceEvent>> {
        let size = self.file.get_ref().metadata().map_err(|error| failed(&self.path, error))?.len();
        let (mut end, mut count) = (self.offset, 0);
        loop {
            let at = end;
            let Some(record) = read_record(&mut self.file, &self.path, at, size)? else { return self.rewind() };
            end = at + HEADER_BYTES + record.len() as u64;
            if record.first() == Some(&codec::PIECE) {
                count += codec::count_of_piece(&record)?;
                continue;
            }
            let mut event = codec::decode_event(&record)?;
            let pieces = self.offset..at;
            if let SourceEvent::Transaction(transaction) = &mut event
                && !pieces.is_empty()
            {
                let stored = Pieces { path: self.path.clone(), place: pieces, count };
                transaction.spilled = Some(Spilled::new(Arc::new(stored)));
            }
            self.offset = end;
            return Ok(Some(event));
        }
    }

    fn rewind(&mut self) -> Result<Option<SourceEvent>> {
        self.file.seek(SeekFrom::Start(self.offset)).map_err(|error| failed(&self.path, error))?;
        Ok(None)
    }
}

/// The record at `at` of a file of `size` bytes that is read from there on; `None` if it is torn.
fn read_record(file: &mut impl Read, path: &Path, at: u64, size: u64) -> Result<Option<Vec<u8>>> {
    let rest = size.saturating_sub(at);
    let mut header = [0_u8; 8];
    if rest < HEADER_BYTES {
        return Ok(None);
    }
    file.read_exact(&mut header).map_err(|error| failed(path, error))?;
    let [l0, l1, l2, l3, c0, c1, c2, c3] = header;
    let (length, checksum) = (u32::from_le_bytes([l0, l1, l2, l3]), u32::from_le_bytes([c0, c1, c2, c3]));
    // No record is empty: zeros are what a file system leaves of an append that a power loss cut off.
    if length == 0 || rest - HEADER_BYTES < u64::from(length) {
        return Ok(None);
    }
    let mut record = vec![0; length as usize];
    file.read_exact(&mut record).map_err(|error| failed(path, error))?;
    if crc32fast::hash(&record) == checksum {
        return Ok(Some(record));
    }
    // The last record may be torn by a crash; in the middle it is damage.
    if at + HEADER_BYTES + u64::from(length) >= size {
        return Ok(None);
    }
    let message = format!("the spool {} is damaged at byte {at}", path.display());
    Err(Error::new(Class::Local, message).with_hint("run with `--rebuild` to take a new snapshot"))
}

/// The changes of a transaction that stand before its own record.
struct Pieces {
    path: PathBuf,
    place: Range<u64>,
    count: usize,
}

impl SpilledChanges for Pieces {
    fn count(&self) -> usize {
        self.count
    }

    fn read(&self) -> Result<Changes<'_>> {
        let mut file = File::open(&self.path).map_err(|error| failed(&self.path, error))?;
        file.seek(SeekFrom::Start(self.place.start)).map_err(|error| failed(&self.path, error))?;
        let (mut file, mut at) = (BufReader::with_capacity(256 << 10, file), self.place.start);
        let pieces = std::iter::from_fn(move || {
            let piece = (at < self.place.end).then(|| read_record(&mut file, &self.path, at, self.place.end))?;
            let record = match piece {
                Ok(Some(record)) => Ok(record),
                Ok(None) => Err(Error::new(Class::Local, format!("the spool {} is cut off", self.path.display()))),
                Err(error) => Err(error),
            };
            at = record.as_ref().map_or(self.place.end, |record| at + HEADER_BYTES + record.len() as u64);
            Some(record.and_then(|record| codec::decode_piece(&record)))
        });
        Ok(Box::new(pieces.flat_map(|piece| {
            let (changes, error) = match piece {
                Ok(changes) => (changes, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            changes.into_iter().map(Ok).chain(error)
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Change, Image, Operation};
    use crate::position::BinlogPosition;
    use crate::schema::TableId;
    use crate::value::{Row, Value};

    /// Changes that are not on disk.
    struct Held(Vec<Change>);

    impl SpilledChanges for Held {
        fn count(&self) -> usize {
            self.0.len()
        }

        fn read(&self) -> Result<Changes<'_>> {
            Ok(Box::new(self.0.iter().cloned().map(Ok)))
        }
    }

    fn large(offset: u64, spilled_count: i64) -> (Vec<Change>, SourceEvent) {
        let insert = |number: i64| Operation::Insert {
            new: Image::Full(Row::from([Value::Int(number), Value::Text("x".repeat(4_000).into())])),
        };
        let changes: Vec<Change> =
            (0..spilled_count).map(|number| Change { table: TableId(0), operation: insert(number) }).collect();
        let SourceEvent::Heartbeat { position } = heartbeat(offset) else { unreachable!() };
        let spilled = Some(Spilled::new(Arc::new(Held(changes.clone()))));
        let tail = vec![Change { table: TableId(1), operation: insert(-1) }];
        (
            changes,
            SourceEvent::Transaction(Transaction { position, id: None, committed_at_us: 7, spilled, changes: tail, bytes: 9 }),
        )
    }

    #[test]
    fn a_transaction_larger_than_memory_comes_back_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool");
        let mut writer = SpoolWriter::open(&path).unwrap();
        writer.append(&heartbeat(1)).unwrap();
        writer.sync().unwrap();
        let first = writer.bytes();
        let (changes, event) = large(2, 2_000);
        writer.append(&event).unwrap();
        writer.append(&heartbeat(3)).unwrap();
        writer.sync().unwrap();
        let whole = std::fs::read(&path).unwrap();
        let [_, SourceEvent::Transaction(read), last] = &read_all(&path)[..] else { panic!("three events") };
        assert_eq!((last, position_of(&event)), (&heartbeat(3), &read.position));
        let spilled = read.spilled.as_ref().unwrap();
        assert_eq!((spilled.count(), read.changes.len(), read.bytes), (2_000, 1, 9));
        assert_eq!(spilled.read().unwrap().map(Result::unwrap).collect::<Vec<_>>(), changes);
        let tail = whole.len() as u64 - first;
        for share in 1..20 {
            std::fs::write(&path, &whole[..(first + tail * share / 40) as usize]).unwrap();
            let mut writer = SpoolWriter::open(&path).unwrap();
            assert_eq!((writer.last(), writer.bytes()), (Some(position_of(&heartbeat(1))), first), "cut at {share}");
            writer.append(&large(2, 900).1).unwrap();
            writer.sync().unwrap();
            let [_, SourceEvent::Transaction(read)] = &read_all(&path)[..] else { panic!("two events") };
            assert_eq!(read.spilled.as_ref().unwrap().read().unwrap().count(), 900);
        }
    }

    fn heartbeat(offset: u64) -> SourceEvent {
        let position = BinlogPosition {
            server: "s".into(),
            file: "b.000001".into(),
            offset,
            gtid: String::new(),
            prepared_from: None,
            altered: Vec::new(),
        };
        SourceEvent::Heartbeat { position: Position::Binlog(position) }
    }

    fn read_all(path: &Path) -> Vec<SourceEvent> {
        let mut reader = SpoolReader::open(path).unwrap();
        std::iter::from_fn(|| reader.next().unwrap()).collect()
    }

    #[test]
    fn a_reader_follows_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool");
        let mut writer = SpoolWriter::open(&path).unwrap();
        let mut reader = SpoolReader::open(&path).unwrap();
        assert_eq!(reader.next().unwrap(), None);
        for offset in 0..10 {
            writer.append(&heartbeat(offset)).unwrap();
            writer.sync().unwrap();
            assert_eq!(reader.next().unwrap(), Some(heartbeat(offset)));
            assert_eq!(reader.next().unwrap(), None);
        }
    }

    #[test]
    fn a_torn_tail_at_any_byte_is_cut_and_the_rest_survives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool");
        let mut writer = SpoolWriter::open(&path).unwrap();
        writer.append(&heartbeat(1)).unwrap();
        writer.sync().unwrap();
        let first = writer.bytes();
        writer.append(&heartbeat(2)).unwrap();
        writer.sync().unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in first as usize..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut writer = SpoolWriter::open(&path).unwrap();
            assert_eq!(writer.last(), Some(position_of(&heartbeat(1))), "cut at {cut}");
            writer.append(&heartbeat(3)).unwrap();
            writer.sync().unwrap();
            assert_eq!(read_all(&path), [heartbeat(1), heartbeat(3)]);
        }
    }

    #[test]
    fn a_tail_of_zeros_after_a_power_loss_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool");
        let mut writer = SpoolWriter::open(&path).unwrap();
        writer.append(&heartbeat(1)).unwrap();
        writer.sync().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(&[0; 4_096]);
        std::fs::write(&path, bytes).unwrap();
        let mut writer = SpoolWriter::open(&path).unwrap();
        writer.append(&heartbeat(2)).unwrap();
        writer.sync().unwrap();
        assert_eq!(read_all(&path), [heartbeat(1), heartbeat(2)]);
    }

    #[test]
    fn f89_a_flipped_bit_before_the_tail_stops() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool");
        let mut writer = SpoolWriter::open(&path).unwrap();
        writer.append(&heartbeat(1)).unwrap();
        writer.append(&heartbeat(2)).unwrap();
        writer.sync().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[12] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(SpoolReader::open(&path).unwrap().next().is_err());
    }

    #[test]
    fn f88_a_full_disk_is_named_with_its_remedy_and_what_was_synced_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool");
        let mut writer = SpoolWriter::open(&path).unwrap();
        writer.append(&heartbeat(1)).unwrap();
        writer.sync().unwrap();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        writer.file = BufWriter::with_capacity(256 << 10, full);
        let fails = writer.append(&heartbeat(2)).and_then(|()| writer.sync()).unwrap_err();
        assert_eq!((fails.class(), fails.message().contains("spool")), (Class::Local, true));
        assert!(fails.hint().unwrap().starts_with("free space"), "{fails:?}");
        drop(writer);
        let mut writer = SpoolWriter::open(&path).unwrap();
        assert_eq!(writer.last(), Some(position_of(&heartbeat(1))));
        writer.append(&heartbeat(2)).unwrap();
        writer.sync().unwrap();
        assert_eq!(read_all(&path), [heartbeat(1), heartbeat(2)]);
    }
}
