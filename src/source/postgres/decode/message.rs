//! The messages of pgoutput, protocol versions 1 and 2 (PostgreSQL manual, "Logical Replication Message Formats").
//!
//! In: the payload of one copy message, and whether it stands inside a streamed block, where row messages begin with the id of their
//! (sub)transaction. Out: a [`Message`] that borrows from it, read to its last byte. An unknown kind is an error.

use super::super::failure::malformed;
use super::super::replication::client::POSTGRES_EPOCH_US;
use super::reader::Reader;
use crate::error::Result;
use crate::position::Lsn;

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Message<'a> {
    /// A committed transaction begins.
    Begin(Begin),
    /// It ends.
    Commit(Commit),
    /// A large transaction's next block begins.
    StreamStart {
        /// Its top-level id.
        transaction: u32,
    },
    /// The block ends.
    StreamStop,
    /// A streamed transaction is committed.
    StreamCommit {
        /// Its top-level id.
        transaction: u32,
        /// Its end.
        commit: Commit,
    },
    /// A streamed transaction, or a part of it, is rolled back.
    StreamAbort {
        /// Its top-level id.
        transaction: u32,
        /// The part; the same id means all of it.
        part: u32,
    },
    /// What a table looks like from here on.
    Relation(Relation),
    /// A row change or a truncation.
    Change {
        /// The (sub)transaction, inside a streamed block.
        part: Option<u32>,
        /// What changed.
        change: RowChange<'a>,
    },
    /// Origins, type names and logical messages say nothing about rows.
    Other,
}

/// The start of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Begin {
    /// The id that snapshots know it by.
    pub(in super::super) transaction: u32,
}

/// The end of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Commit {
    /// The place behind its commit record.
    pub(in super::super) end: Lsn,
    /// When it was committed, microseconds since 1970 by the source's clock.
    pub(in super::super) committed_at_us: i64,
}

/// A table's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Relation {
    /// Its object id, by which row messages name it.
    pub(in super::super) id: u32,
    /// Schema.
    pub(in super::super) schema: String,
    /// Name.
    pub(in super::super) name: String,
    /// `d`efault, `n`othing, `f`ull, `i`ndex.
    pub(in super::super) identity: u8,
    /// The columns that are published, in order.
    pub(in super::super) columns: Vec<RelationColumn>,
}

/// A published column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct RelationColumn {
    /// Whether it is part of the replica identity.
    pub(in super::super) in_identity: bool,
    /// Name.
    pub(in super::super) name: String,
    /// Type.
    pub(in super::super) type_id: u32,
    /// Type modifier.
    pub(in super::super) type_modifier: i32,
}

/// A change, by relation id.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum RowChange<'a> {
    /// A new row.
    Insert {
        /// The table.
        relation: u32,
        /// The row.
        new: Tuple<'a>,
    },
    /// A changed row.
    Update {
        /// The table.
        relation: u32,
        /// What the log says of it before: nothing if its identity did not change.
        old: Option<Old<'a>>,
        /// The row.
        new: Tuple<'a>,
    },
    /// A row that is gone.
    Delete {
        /// The table.
        relation: u32,
        /// What the log says of it.
        old: Old<'a>,
    },
    /// Emptied tables.
    Truncate {
        /// All of them, cascades included.
        relations: Vec<u32>,
    },
}

/// A row before its change.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Old<'a> {
    /// Only the columns of the replica identity mean something.
    Key(Tuple<'a>),
    /// The whole row.
    Whole(Tuple<'a>),
}

/// A row.
pub(in super::super) type Tuple<'a> = Vec<Cell<'a>>;

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Cell<'a> {
    /// NULL.
    Null,
    /// A value stored out of line (TOAST) that this change left alone: it is not in the log.
    Unchanged,
    /// The server's text of the value.
    Text(&'a [u8]),
}

/// Reads a message; `streamed` inside a streamed block.
pub(in super::super) fn read(payload: &[u8], streamed: bool) -> Result<Message<'_>> {
    let mut from = Reader(payload);
    let kind = from.u8()?;
    let message = match kind {
        b'B' => {
            from.u64()?;
            from.i64()?;
            Message::Begin(Begin { transaction: from.u32()? })
        }
        b'C' => Message::Commit(commit(&mut from)?),
        b'S' => {
            let transaction = from.u32()?;
            from.u8()?;
            Message::StreamStart { transaction }
        }
        b'E' => Message::StreamStop,
        b'c' => {
            let transaction = from.u32()?;
            Message::StreamCommit { transaction, commit: commit(&mut from)? }
        }
        b'A' => Message::StreamAbort { transaction: from.u32()?, part: from.u32()? },
        b'R' | b'I' | b'U' | b'D' | b'T' | b'Y' | b'M' | b'O' => {
            let part = if streamed && kind != b'O' { Some(from.u32()?) } else { None };
            row_message(kind, part, &mut from)?
        }
        _ => return Err(malformed("an unknown message of pgoutput")),
    };
    from.end()?;
    Ok(message)
}

fn commit(from: &mut Reader<'_>) -> Result<Commit> {
    if from.u8()? != 0 {
        return Err(malformed("a commit with unknown flags"));
    }
    from.u64()?;
    Ok(Commit { end: Lsn(from.u64()?), committed_at_us: from.i64()?.saturating_add(POSTGRES_EPOCH_US) })
}

fn row_message<'a>(kind: u8, part: Option<u32>, from: &mut Reader<'a>) -> Result<Message<'a>> {
    let change = match kind {
        b'R' => return Ok(Message::Relation(relation(from)?)),
        b'I' => {
            let relation = from.u32()?;
            match from.u8()? {
                b'N' => RowChange::Insert { relation, new: tuple(from)? },
                _ => return Err(malformed("an insert without a row")),
            }
        }
        b'U' => {
            let relation = from.u32()?;
            let (old, marker) = match from.u8()? {
                b'K' => (Some(Old::Key(tuple(from)?)), from.u8()?),
                b'O' => (Some(Old::Whole(tuple(from)?)), from.u8()?),
                marker => (None, marker),
            };
            match marker {
                b'N' => RowChange::Update { relation, old, new: tuple(from)? },
                _ => return Err(malformed("an update without a row")),
            }
        }
        b'D' => {
            let relation = from.u32()?;
            match from.u8()? {
                b'K' => RowChange::Delete { relation, old: Old::Key(tuple(from)?) },
                b'O' => RowChange::Delete { relation, old: Old::Whole(tuple(from)?) },
                _ => return Err(malformed("a delete without a row")),
            }
        }
        b'T' => {
            let count = from.u32()?;
            from.u8()?;
            RowChange::Truncate { relations: (0..count).map(|_| from.u32()).collect::<Result<_>>()? }
        }
        _ => {
            from.rest();
            return Ok(Message::Other);
        }
    };
    Ok(Message::Change { part, change })
}

fn relation(from: &mut Reader<'_>) -> Result<Relation> {
    let id = from.u32()?;
    let schema = from.text()?;
    // An empty name means pg_catalog.
    let schema = if schema.is_empty() { "pg_catalog" } else { schema }.to_owned();
    let name = from.text()?.to_owned();
    let identity = from.u8()?;
    let count = from.u16()?;
    let columns = (0..count)
        .map(|_| {
            let in_identity = from.u8()? & 1 != 0;
            Ok(RelationColumn { in_identity, name: from.text()?.to_owned(), type_id: from.u32()?, type_modifier: from.i32()? })
        })
        .collect::<Result<_>>()?;
    Ok(Relation { id, schema, name, identity, columns })
}

fn tuple<'a>(from: &mut Reader<'a>) -> Result<Tuple<'a>> {
    let count = from.u16()?;
    (0..count)
        .map(|_| {
            Ok(match from.u8()? {
                b'n' => Cell::Null,
                b'u' => Cell::Unchanged,
                b't' => {
                    let length = from.u32()? as usize;
                    Cell::Text(from.take(length)?)
                }
                _ => return Err(malformed("a value in a form that was not asked for")),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update() -> Vec<u8> {
        let mut bytes = vec![b'U', 0, 0, 0, 9, b'K', 0, 2, b't', 0, 0, 0, 1, b'7', b'n', b'N', 0, 2];
        bytes.extend([b't', 0, 0, 0, 1, b'8', b'u']);
        bytes
    }

    #[test]
    fn f35_an_unchanged_value_is_neither_null_nor_text() {
        let bytes = update();
        let Message::Change { part: None, change: RowChange::Update { relation: 9, old, new } } = read(&bytes, false).unwrap()
        else {
            panic!("not an update")
        };
        assert_eq!(old, Some(Old::Key(vec![Cell::Text(b"7"), Cell::Null])));
        assert_eq!(new, [Cell::Text(b"8"), Cell::Unchanged]);
    }

    #[test]
    fn a_message_is_read_to_its_last_byte_or_not_at_all() {
        let whole = update();
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut], false).is_err(), "cut at {cut}");
        }
        assert!(read(&[whole, vec![0]].concat(), false).is_err());
    }

    #[test]
    fn f21_an_unknown_message_is_never_skipped() {
        for kind in [b'b', b'P', b'K', b'r', b'p', b'x', 0] {
            assert!(read(&[kind, 0, 0, 0, 0], false).is_err());
        }
    }

    #[test]
    fn a_row_inside_a_streamed_block_names_its_subtransaction() {
        let bytes = [vec![b'D', 0, 0, 0, 5], vec![0, 0, 0, 9, b'K', 0, 1, b't', 0, 0, 0, 1, b'7']].concat();
        assert!(matches!(read(&bytes, true).unwrap(), Message::Change { part: Some(5), .. }));
    }

    #[test]
    fn random_bytes_do_not_panic() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let mut bytes: Vec<u8> = (0..random.usize(0..60)).map(|_| random.u8(..)).collect();
            if let Some(first) = bytes.first_mut() {
                *first = *random.choice(b"BCSEcARIUDTYMO").unwrap();
            }
            let _ = read(&bytes, random.bool());
        }
    }
}
