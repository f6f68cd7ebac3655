//! Which event this is: the header, the type bytes that the engine knows, and the bodies that are not rows.
//!
//! Goes in: headers and bodies. Comes out: [`RawEvent`], [`Query`], [`XaPrepare`], rotations. A type byte that is not named here is
//! for the caller to stop at.

use super::compressed;
use super::reader::{Reader, malformed};
use crate::error::Result;

/// Type bytes of events; MySQL below 0x2b, MariaDB from 0xa0.
pub mod kind {
    #![allow(missing_docs, reason = "the names are those of the servers' own documentation")]
    pub const QUERY: u8 = 0x02;
    pub const STOP: u8 = 0x03;
    pub const ROTATE: u8 = 0x04;
    pub const INTVAR: u8 = 0x05;
    pub const RAND: u8 = 0x0d;
    pub const USER_VAR: u8 = 0x0e;
    pub const FORMAT_DESCRIPTION: u8 = 0x0f;
    pub const XID: u8 = 0x10;
    pub const BEGIN_LOAD_QUERY: u8 = 0x11;
    pub const EXECUTE_LOAD_QUERY: u8 = 0x12;
    pub const APPEND_BLOCK: u8 = 0x09;
    pub const DELETE_FILE: u8 = 0x0b;
    pub const TABLE_MAP: u8 = 0x13;
    pub const WRITE_ROWS_V1: u8 = 0x17;
    pub const UPDATE_ROWS_V1: u8 = 0x18;
    pub const DELETE_ROWS_V1: u8 = 0x19;
    pub const INCIDENT: u8 = 0x1a;
    pub const HEARTBEAT: u8 = 0x1b;
    pub const IGNORABLE: u8 = 0x1c;
    pub const ROWS_QUERY: u8 = 0x1d;
    pub const WRITE_ROWS: u8 = 0x1e;
    pub const UPDATE_ROWS: u8 = 0x1f;
    pub const DELETE_ROWS: u8 = 0x20;
    pub const GTID: u8 = 0x21;
    pub const ANONYMOUS_GTID: u8 = 0x22;
    pub const PREVIOUS_GTIDS: u8 = 0x23;
    pub const TRANSACTION_CONTEXT: u8 = 0x24;
    pub const VIEW_CHANGE: u8 = 0x25;
    pub const XA_PREPARE: u8 = 0x26;
    pub const PARTIAL_UPDATE_ROWS: u8 = 0x27;
    pub const TRANSACTION_PAYLOAD: u8 = 0x28;
    pub const HEARTBEAT_V2: u8 = 0x29;
    pub const GTID_TAGGED: u8 = 0x2a;
    pub const ANNOTATE_ROWS: u8 = 0xa0;
    pub const BINLOG_CHECKPOINT: u8 = 0xa1;
    pub const MARIADB_GTID: u8 = 0xa2;
    pub const MARIADB_GTID_LIST: u8 = 0xa3;
    pub const START_ENCRYPTION: u8 = 0xa4;
    pub const QUERY_COMPRESSED: u8 = 0xa5;
    pub const WRITE_ROWS_COMPRESSED_V1: u8 = 0xa6;
    pub const UPDATE_ROWS_COMPRESSED_V1: u8 = 0xa7;
    pub const DELETE_ROWS_COMPRESSED_V1: u8 = 0xa8;
    pub const WRITE_ROWS_COMPRESSED: u8 = 0xa9;
    pub const UPDATE_ROWS_COMPRESSED: u8 = 0xaa;
    pub const DELETE_ROWS_COMPRESSED: u8 = 0xab;
}

/// Header flag: the server made this event up for the connection; it is not in the file.
pub const FLAG_ARTIFICIAL: u16 = 0x20;
/// Header flag: a reader that does not know the type may skip the event.
pub const FLAG_IGNORABLE: u16 = 0x80;

/// One event: what its header says, and its body without the checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawEvent<'a> {
    /// Seconds since 1970 by the server's clock.
    pub timestamp: u32,
    /// The type byte.
    pub kind: u8,
    /// Header flags.
    pub flags: u16,
    /// The low 32 bits of the offset after the event; 0 inside payloads and in artificial events.
    pub log_pos: u32,
    /// Header, body and checksum.
    pub size: u32,
    /// The body.
    pub body: &'a [u8],
}

impl<'a> RawEvent<'a> {
    /// Reads header and body of an event without a checksum, as they lie inside a transaction payload.
    ///
    /// # Errors
    /// The bytes end early.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self> {
        let (timestamp, kind, _server) = (reader.u32()?, reader.u8()?, reader.u32()?);
        let (size, log_pos, flags) = (reader.u32()?, reader.u32()?, reader.u16()?);
        let length = size.checked_sub(19).ok_or_else(|| malformed("an inner event is shorter than its header"))?;
        let body = reader.bytes(usize::try_from(length).map_err(|_| malformed("an inner event is too long"))?)?;
        Ok(Self { timestamp, kind, flags, log_pos, size, body })
    }
}

/// A statement in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<'a> {
    /// The session's current database; may be empty.
    pub schema: &'a [u8],
    /// The collation id of the client's charset, if the event says it.
    pub client_collation: Option<u16>,
    /// The statement, in the client's charset.
    pub statement: std::borrow::Cow<'a, [u8]>,
}

impl<'a> Query<'a> {
    /// Reads the body of a QUERY event, or of MariaDB's compressed one.
    ///
    /// # Errors
    /// The body is malformed or inflates beyond `bytes_max`.
    pub fn read(body: &'a [u8], compressed: bool, bytes_max: usize) -> Result<Self> {
        let mut reader = Reader::new(body);
        let (_thread, _seconds) = (reader.u32()?, reader.u32()?);
        let schema_length = usize::from(reader.u8()?);
        let _error = reader.u16()?;
        let status_length = usize::from(reader.u16()?);
        let client_collation = client_collation(reader.bytes(status_length)?);
        let schema = reader.bytes(schema_length)?;
        reader.u8()?;
        let statement = if compressed { compressed::inflate(reader.rest(), bytes_max)?.into() } else { reader.rest().into() };
        Ok(Self { schema, client_collation, statement })
    }
}

/// Walks the status variables up to the charset (code 4); stops at a code it does not know, which is never before it.
fn client_collation(status: &[u8]) -> Option<u16> {
    let mut reader = Reader::new(status);
    loop {
        match reader.u8().ok()? {
            0 => reader.bytes(4).ok()?,
            1 => reader.bytes(8).ok()?,
            2 => {
                let length = usize::from(reader.u8().ok()?);
                reader.bytes(length + 1).ok()?
            }
            3 => reader.bytes(4).ok()?,
            4 => return reader.u16().ok(),
            6 => {
                let length = usize::from(reader.u8().ok()?);
                reader.bytes(length).ok()?
            }
            _ => return None,
        };
    }
}

/// The XID of an XA transaction, as both server families write it into statements: `X'..',X'..',format`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Xid {
    /// Format number.
    pub format: u32,
    /// Global part.
    pub global: Vec<u8>,
    /// Branch part.
    pub branch: Vec<u8>,
}

/// The end of the first phase of an XA transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XaPrepare {
    /// Whether this is `XA COMMIT .. ONE PHASE`: committed already.
    pub one_phase: bool,
    /// Which transaction.
    pub xid: Xid,
}

impl XaPrepare {
    /// Reads the body of an XA_PREPARE event.
    ///
    /// # Errors
    /// The body is malformed.
    pub fn read(body: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let one_phase = reader.u8()? != 0;
        let format = reader.u32()?;
        let lengths = (reader.u32()?, reader.u32()?);
        let length = |length: u32| usize::try_from(length).map_err(|_| malformed("an xid is too long"));
        let global = reader.bytes(length(lengths.0)?)?.to_vec();
        let branch = reader.bytes(length(lengths.1)?)?.to_vec();
        Ok(Self { one_phase, xid: Xid { format, global, branch } })
    }
}

/// The body of a ROTATE event: the offset and the name of the file that follows.
///
/// # Errors
/// The body is malformed or the name is not ASCII.
pub fn rotate(body: &[u8]) -> Result<(u64, &str)> {
    let mut reader = Reader::new(body);
    let offset = reader.u64()?;
    let name = std::str::from_utf8(reader.rest()).map_err(|_| malformed("a file name is not text"))?;
    Ok((offset, name))
}

/// Whether an unchecked artificial ROTATE body ends in a checksum that the library could not know of, and the body without it.
#[must_use]
pub fn without_checksum(header: [u8; 19], body: &[u8]) -> &[u8] {
    let Some((head, tail)) = body.len().checked_sub(4).and_then(|length| body.split_at_checked(length)) else {
        return body;
    };
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header);
    hasher.update(head);
    if hasher.finalize().to_le_bytes() == *tail { head } else { body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_with_its_client_charset() {
        let mut body = vec![1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 20, 0];
        body.extend([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 4, 85, 0, 33, 0, 33]);
        body.extend(b"db\0BEGIN");
        let query = Query::read(&body, false, 0).unwrap();
        assert_eq!((query.schema, query.client_collation, query.statement.as_ref()), (&b"db"[..], Some(85), &b"BEGIN"[..]));
    }

    #[test]
    fn f26_the_xid_of_a_prepare() {
        let prepare = XaPrepare::read(&[0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, b'g', b'b', b'b']).unwrap();
        assert_eq!(prepare.xid, Xid { format: 1, global: b"g".to_vec(), branch: b"bb".to_vec() });
        assert!(!prepare.one_phase);
    }
}
