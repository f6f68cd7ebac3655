//! The events that open a transaction and say its global id, of both server families.
//!
//! Goes in: bodies of GTID, anonymous GTID, tagged GTID and MariaDB's GTID. Comes out: the id, the commit time where the event has
//! it, and MariaDB's flags. Unknown fields that MySQL calls not ignorable are an error.

use super::event::Xid;
use super::reader::{Reader, malformed};
use crate::error::Result;

/// The id of one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gtid {
    /// MySQL with `gtid_mode=OFF`.
    Anonymous,
    /// MySQL.
    MySql {
        /// The server's uuid.
        uuid: [u8; 16],
        /// The tag; empty without one.
        tag: String,
        /// The transaction's number.
        number: u64,
    },
    /// MariaDB.
    MariaDb {
        /// Replication domain.
        domain: u32,
        /// Server.
        server: u32,
        /// Sequence number.
        sequence: u64,
    },
}

/// What an event at the head of a transaction says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The id.
    pub gtid: Gtid,
    /// When the connected server committed it, microseconds since 1970; `None` if the event does not say.
    pub committed_at_us: Option<i64>,
    /// MariaDB: the group is one statement without a commit event.
    pub standalone: bool,
    /// MariaDB: the group ends in a prepare of this XA transaction.
    pub prepares: Option<Xid>,
    /// MariaDB: the group ends this prepared XA transaction.
    pub completes: Option<Xid>,
}

impl Head {
    fn of(gtid: Gtid, committed_at_us: Option<i64>) -> Self {
        Self { gtid, committed_at_us, standalone: false, prepares: None, completes: None }
    }

    /// MySQL's GTID (`anonymous` false) or ANONYMOUS_GTID event.
    ///
    /// # Errors
    /// The body ends early.
    pub fn mysql(body: &[u8], anonymous: bool) -> Result<Self> {
        let mut reader = Reader::new(body);
        reader.u8()?;
        let uuid = uuid(reader.bytes(16)?)?;
        let number = reader.u64()?;
        let gtid = if anonymous { Gtid::Anonymous } else { Gtid::MySql { uuid, tag: String::new(), number } };
        // Servers before 5.7 end here; the logical clock is type 2 and 16 bytes, then come the commit times.
        let committed = if reader.left() >= 24 && reader.u8()? == 2 {
            reader.bytes(16)?;
            Some((reader.u56()? & !(1 << 55)).cast_signed())
        } else {
            None
        };
        Ok(Self::of(gtid, committed))
    }

    /// MySQL's tagged GTID event, in the format of its serialization library, version 2 (which it writes as format byte 2).
    ///
    /// # Errors
    /// The body is malformed or holds an unknown field that may not be ignored.
    pub fn tagged(body: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        if reader.u8()? != 2 {
            return Err(malformed("a tagged GTID has an unknown format"));
        }
        let _size = reader.variable()?;
        let last_required = reader.variable()?;
        let (mut id, mut tag, mut number, mut committed) = ([0_u8; 16], String::new(), 0, None);
        while !reader.is_empty() {
            match reader.variable()? {
                0 => drop(reader.variable()?),
                1 => {
                    for byte in &mut id {
                        *byte = u8::try_from(reader.variable()?).map_err(|_| malformed("a uuid is malformed"))?;
                    }
                }
                2 => number = reader.variable()? >> 1,
                3 => {
                    let length = usize::try_from(reader.variable()?).map_err(|_| malformed("a tag is too long"))?;
                    let bytes = reader.bytes(length)?;
                    tag = std::str::from_utf8(bytes).map_err(|_| malformed("a tag is not text"))?.to_owned();
                }
                6 => committed = Some(reader.variable()?.cast_signed()),
                4 | 5 | 7..=11 => drop(reader.variable()?),
                field if field <= last_required => {
                    return Err(malformed(&format!("a tagged GTID has the unknown field {field}")));
                }
                _ => break,
            }
        }
        Ok(Self::of(Gtid::MySql { uuid: id, tag, number }, committed))
    }

    /// MariaDB's GTID event.
    ///
    /// # Errors
    /// The body ends early.
    pub fn mariadb(body: &[u8], server: u32) -> Result<Self> {
        const STANDALONE: u8 = 1;
        const GROUP_COMMIT: u8 = 2;
        const PREPARED: u8 = 0x40;
        const COMPLETED: u8 = 0x80;
        let mut reader = Reader::new(body);
        let (sequence, domain, flags) = (reader.u64()?, reader.u32()?, reader.u8()?);
        let mut head = Self::of(Gtid::MariaDb { domain, server, sequence }, None);
        head.standalone = flags & STANDALONE != 0;
        if flags & GROUP_COMMIT != 0 {
            reader.u64()?;
        }
        if flags & (PREPARED | COMPLETED) != 0 {
            let format = reader.u32()?;
            let (global, branch) = (usize::from(reader.u8()?), usize::from(reader.u8()?));
            let xid = Xid { format, global: reader.bytes(global)?.to_vec(), branch: reader.bytes(branch)?.to_vec() };
            if flags & PREPARED != 0 {
                head.prepares = Some(xid);
            } else {
                head.completes = Some(xid);
            }
        }
        Ok(head)
    }
}

fn uuid(bytes: &[u8]) -> Result<[u8; 16]> {
    bytes.try_into().map_err(|_| malformed("a uuid is malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mariadb_heads() {
        let mut body = vec![7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x40];
        body.extend([1, 0, 0, 0, 1, 1, b'g', b'b']);
        let head = Head::mariadb(&body, 9).unwrap();
        assert_eq!(head.gtid, Gtid::MariaDb { domain: 1, server: 9, sequence: 7 });
        assert_eq!(head.prepares.unwrap().global, b"g");
    }
}
