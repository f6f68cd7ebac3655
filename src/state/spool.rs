//! The spool: source events kept on local disk, in order, while nobody can take them.
//!
//! One writer appends, one reader follows. A record is `length, crc32, event`; a torn tail (a crash in the middle of an append) is cut
//! off when the spool is opened, and the stream is asked again for what was cut. What [`SpoolWriter::sync`] has returned for
//! survives a power loss: only then may the source forget it. Damage before the tail stops with the file's name.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::codec;
use crate::change::SourceEvent;
use crate::error::{Class, Error, Result};
use crate::position::Position;

const HEADER_BYTES: u64 = 8;

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
        let record = codec::encode_event(event)?;
        let length = u32::try_from(record.len())
            .map_err(|_| Error::new(Class::Person, "a source transaction is larger than 4 GiB, the bound of a spool record"))?;
        let mut write = |bytes: &[u8]| self.file.write_all(bytes).map_err(|error| failed(&self.path, error));
        write(&length.to_le_bytes())?;
        write(&crc32fast::hash(&record).to_le_bytes())?;
        write(&record)?;
        self.bytes += HEADER_BYTES + u64::from(length);
        self.last = Some(position_of(event).clone());
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

    /// The next event; `None` at the end for now (the writer may append more).
    ///
    /// # Errors
    /// `Local` if the disk fails or a record before the tail is damaged.
    #[expect(clippy::should_implement_trait, reason = "fallible and resumable, unlike an iterator")]
    pub fn next(&mut self) -> Result<Option<SourceEvent>> {
        let size = self.file.get_ref().metadata().map_err(|error| failed(&self.path, error))?.len();
        let rest = size.saturating_sub(self.offset);
        let mut header = [0_u8; 8];
        if rest < HEADER_BYTES {
            return Ok(None);
        }
        self.file.read_exact(&mut header).map_err(|error| failed(&self.path, error))?;
        let [l0, l1, l2, l3, c0, c1, c2, c3] = header;
        let (length, checksum) = (u32::from_le_bytes([l0, l1, l2, l3]), u32::from_le_bytes([c0, c1, c2, c3]));
        // No record is empty: zeros are what a file system leaves of an append that a power loss cut off.
        if length == 0 || rest - HEADER_BYTES < u64::from(length) {
            return self.rewind();
        }
        let mut record = vec![0; length as usize];
        self.file.read_exact(&mut record).map_err(|error| failed(&self.path, error))?;
        let end = self.offset + HEADER_BYTES + u64::from(length);
        if crc32fast::hash(&record) != checksum {
            // The last record may be torn by a crash; in the middle it is damage.
            if end >= size {
                return self.rewind();
            }
            let message = format!("the spool {} is damaged at byte {}", self.path.display(), self.offset);
            return Err(Error::new(Class::Local, message).with_hint("run with `--rebuild` to take a new snapshot"));
        }
        self.offset = end;
        codec::decode_event(&record).map(Some)
    }

    fn rewind(&mut self) -> Result<Option<SourceEvent>> {
        self.file.seek(SeekFrom::Start(self.offset)).map_err(|error| failed(&self.path, error))?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::BinlogPosition;

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
