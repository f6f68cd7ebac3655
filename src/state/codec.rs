//! Bytes of what the state keeps besides rows: transactions in the spool, writes in the outbox, chunk ranges.
//!
//! Each is a [record](crate::value::record), read to its last byte.

use crate::change::encoding::{read_change, write_change};
use crate::change::{Change, KeyRange, SchemaChange, SourceEvent, Transaction};
use crate::derive::{Mutation, Space};
use crate::error::{Error, Result};
use crate::plan::NodeId;
use crate::value::record::{Reader, Writer, damaged};
use crate::write::{TableWrites, WriteBatch};

/// The record of a source event.
///
/// # Errors
/// Never in practice (`Bug`).
pub fn encode_event(event: &SourceEvent) -> Result<Vec<u8>> {
    let mut out = Writer::default();
    match event {
        SourceEvent::Transaction(transaction) => {
            out.byte(0);
            out.json(&transaction.position)?;
            out.json(&transaction.id)?;
            out.u64(transaction.committed_at_us.cast_unsigned());
            out.length(transaction.bytes);
            out.length(transaction.changes.len());
            for change in &transaction.changes {
                write_change(&mut out, change);
            }
        }
        SourceEvent::SchemaChange(change) => {
            out.byte(1);
            out.json(change)?;
        }
        SourceEvent::Heartbeat { position } => {
            out.byte(2);
            out.json(position)?;
        }
    }
    Ok(out.0)
}

/// The event of a record.
///
/// # Errors
/// `Local` if the record is damaged.
pub fn decode_event(bytes: &[u8]) -> Result<SourceEvent> {
    let mut from = Reader(bytes);
    let event = match from.byte()? {
        0 => {
            let position = from.json()?;
            let id = from.json()?;
            let committed_at_us = from.u64()?.cast_signed();
            let bytes = usize::try_from(from.u64()?).map_err(|_| damaged())?;
            let length = from.length()?;
            let changes = (0..length).map(|_| read_change(&mut from)).collect::<Result<_>>()?;
            SourceEvent::Transaction(Transaction { position, id, committed_at_us, spilled: None, changes, bytes })
        }
        1 => SourceEvent::SchemaChange(from.json::<SchemaChange>()?),
        2 => SourceEvent::Heartbeat { position: from.json()? },
        _ => return Err(damaged()),
    };
    from.end()?;
    Ok(event)
}

/// What a record of changes without their transaction begins with; no event begins so.
pub const PIECE: u8 = 3;

/// The record of some of a transaction's changes, which stand before its own record.
#[must_use]
pub fn encode_piece(changes: &[Change]) -> Vec<u8> {
    let mut out = Writer::default();
    out.byte(PIECE);
    out.length(changes.len());
    changes.iter().for_each(|change| write_change(&mut out, change));
    out.0
}

/// The changes of such a record.
///
/// # Errors
/// `Local` if the record is damaged.
pub fn decode_piece(bytes: &[u8]) -> Result<Vec<Change>> {
    let mut from = Reader(bytes);
    if from.byte()? != PIECE {
        return Err(damaged());
    }
    let length = from.length()?;
    let changes = (0..length).map(|_| read_change(&mut from)).collect::<Result<_>>()?;
    from.end()?;
    Ok(changes)
}

/// How many changes such a record has.
///
/// # Errors
/// `Local` if the record is damaged.
pub fn count_of_piece(bytes: &[u8]) -> Result<usize> {
    let mut from = Reader(bytes);
    from.byte()?;
    from.length()
}

/// The record of a write batch.
#[must_use]
pub fn encode_writes(batch: &WriteBatch) -> Vec<u8> {
    let mut out = Writer::default();
    out.length(batch.tables.len());
    batch.tables.iter().for_each(|writes| write_table(&mut out, writes));
    out.0
}

fn write_table(out: &mut Writer, writes: &TableWrites) {
    out.u32(writes.table);
    for rows in [&writes.deletes, &writes.upserts] {
        out.length(rows.len());
        rows.iter().for_each(|row| out.row(row));
    }
}

fn read_table(from: &mut Reader) -> Result<TableWrites> {
    Ok(TableWrites { table: from.u32()?, deletes: from.rows()?, upserts: from.rows()? })
}

/// The record of one table's writes.
#[must_use]
pub fn encode_table_writes(writes: &TableWrites) -> Vec<u8> {
    let mut out = Writer::default();
    write_table(&mut out, writes);
    out.0
}

/// The writes of a record.
///
/// # Errors
/// `Local` if the record is damaged.
pub fn decode_table_writes(bytes: &[u8]) -> Result<TableWrites> {
    let mut from = Reader(bytes);
    let writes = read_table(&mut from)?;
    from.end()?;
    Ok(writes)
}

/// The record of mutations of emitted entries.
///
/// # Errors
/// `Bug` for a mutation of another space.
pub fn encode_emitted(mutations: &[Mutation]) -> Result<Vec<u8>> {
    let mut out = Writer::default();
    out.length(mutations.len());
    for mutation in mutations {
        let Space::Emitted(node) = mutation.space else {
            return Err(Error::bug("only emitted entries wait with a part"));
        };
        out.u32(node.0);
        out.bytes(&mutation.key);
        out.byte(u8::from(mutation.value.is_some()));
        if let Some(value) = &mutation.value {
            out.bytes(value);
        }
    }
    Ok(out.0)
}

/// The mutations of a record.
///
/// # Errors
/// `Local` if the record is damaged.
pub fn decode_emitted(bytes: &[u8]) -> Result<Vec<Mutation>> {
    let mut from = Reader(bytes);
    let length = from.length()?;
    let read = |_| {
        let (space, key) = (Space::Emitted(NodeId(from.u32()?)), from.bytes()?.to_vec());
        let value = match from.byte()? {
            0 => None,
            1 => Some(from.bytes()?.to_vec()),
            _ => return Err(damaged()),
        };
        Ok(Mutation { space, key, value })
    };
    let mutations = (0..length).map(read).collect::<Result<_>>()?;
    from.end()?;
    Ok(mutations)
}

/// The write batch of a record.
///
/// # Errors
/// `Local` if the record is damaged.
pub fn decode_writes(bytes: &[u8]) -> Result<WriteBatch> {
    let mut from = Reader(bytes);
    let length = from.length()?;
    let tables = (0..length).map(|_| read_table(&mut from)).collect::<Result<_>>()?;
    from.end()?;
    Ok(WriteBatch { tables })
}

/// The record of a table's ranges.
#[must_use]
pub fn encode_ranges(ranges: &[KeyRange]) -> Vec<u8> {
    let mut out = Writer::default();
    out.length(ranges.len());
    for range in ranges {
        out.optional_row(range.after.as_ref());
        out.optional_row(range.up_to.as_ref());
    }
    out.0
}

/// The ranges of a record.
///
/// # Errors
/// `Local` if the record is damaged.
pub fn decode_ranges(bytes: &[u8]) -> Result<Vec<KeyRange>> {
    let mut from = Reader(bytes);
    let length = from.length()?;
    let ranges =
        (0..length).map(|_| Ok(KeyRange { after: from.optional_row()?, up_to: from.optional_row()? })).collect::<Result<_>>()?;
    from.end()?;
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Image, Operation};
    use crate::position::{BinlogPosition, Position};
    use crate::schema::TableId;
    use crate::value::{Row, Value};

    fn row(number: i64) -> Row {
        Row::from([Value::Int(number), Value::text("한글"), Value::Null])
    }

    fn position() -> Position {
        Position::Binlog(BinlogPosition {
            server: "s".into(),
            file: "binlog.000001".into(),
            offset: 5_000_000_000,
            gtid: "0-1-2".into(),
            prepared_from: None,
            altered: Vec::new(),
        })
    }

    #[test]
    fn events_round_trip_and_damage_is_seen() {
        let changes = vec![
            Change { table: TableId(3), operation: Operation::Insert { new: Image::Full(row(1)) } },
            Change {
                table: TableId(4),
                operation: Operation::Update {
                    old: Image::Partial(Box::new([Some(Value::Int(1)), None])),
                    new: Image::Full(row(2)),
                },
            },
            Change { table: TableId(5), operation: Operation::Delete { old: Image::Full(row(3)) } },
            Change { table: TableId(6), operation: Operation::Truncate },
        ];
        let transaction = SourceEvent::Transaction(Transaction {
            position: position(),
            id: Some(7),
            committed_at_us: -5,
            spilled: None,
            changes,
            bytes: 100,
        });
        let schema_change =
            SourceEvent::SchemaChange(SchemaChange { position: position(), tables: vec![], description: "drops a.b".into() });
        for event in [transaction, schema_change, SourceEvent::Heartbeat { position: position() }] {
            let bytes = encode_event(&event).unwrap();
            assert_eq!(decode_event(&bytes).unwrap(), event);
            for cut in 0..bytes.len() {
                assert!(decode_event(&bytes[..cut]).is_err(), "a record cut at {cut} must not decode");
            }
        }
    }

    #[test]
    fn writes_and_ranges_round_trip() {
        let batch = WriteBatch { tables: vec![TableWrites { table: 1, deletes: vec![row(1)], upserts: vec![row(2), row(3)] }] };
        assert_eq!(decode_writes(&encode_writes(&batch)).unwrap(), batch);
        let emitted =
            [Some(vec![7; 16]), None].map(|value| Mutation { space: Space::Emitted(NodeId(3)), key: vec![1, 2], value });
        assert_eq!(decode_emitted(&encode_emitted(&emitted).unwrap()).unwrap(), emitted);
        assert_eq!(decode_table_writes(&encode_table_writes(&batch.tables[0])).unwrap(), batch.tables[0]);
        let ranges = vec![KeyRange { after: None, up_to: Some(row(9)) }, KeyRange { after: Some(row(9)), up_to: None }];
        assert_eq!(decode_ranges(&encode_ranges(&ranges)).unwrap(), ranges);
    }
}
