//! Outbox entries in parts: an epoch whose writes do not fit in memory is still one entry, atomic at the target.
//!
//! Parts are written before their entry and count for nothing until it is there. The fingerprints that belong to a part wait in it: seen
//! before the entry is committed, they would hide the difference from an epoch that is derived again after a crash. Once the entry is
//! there they are folded into the emitted entries, part by part, and a crash in between folds the rest at the next start.

use serde::{Deserialize, Serialize};

use super::{Durability, Store, codec};
use crate::derive::{Arrangements, Mutation, Space, StepPart};
use crate::error::{Class, Error, Result};
use crate::plan::MappingId;
use crate::write::{TableWrites, WriteParts};

/// What an entry says of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord {
    /// Index of its target table in the mapping.
    pub table: u32,
    /// Rows written or deleted.
    pub row_count: u64,
    /// Size of its writes in bytes.
    pub bytes: u64,
}

/// The writes of a part.
const WRITES: u8 = 0;
/// The fingerprints of a part.
const FINGERPRINTS: u8 = 1;
/// Keys of parts deleted in one batch.
const KEYS_PER_BATCH: usize = 10_000;

fn key(sequence: u64, part: u32, kind: u8) -> Vec<u8> {
    [sequence.to_be_bytes().as_slice(), &part.to_be_bytes(), &[kind]].concat()
}

fn sequence_of(key: &[u8]) -> Result<u64> {
    let damaged = || Error::new(Class::Local, "the state is damaged: the key of an outbox part");
    let (sequence, _) = key.split_first_chunk::<8>().ok_or_else(damaged)?;
    Ok(u64::from_be_bytes(*sequence))
}

/// Writes a part; answers the mutations and what its entry has to say of it.
///
/// # Errors
/// `Bug` if the part holds other mutations than fingerprints.
pub fn put(sequence: u64, index: u32, part: &StepPart) -> Result<(Vec<Mutation>, PartRecord)> {
    let space = Space::OutboxPart(part.mapping);
    let writes = codec::encode_table_writes(&part.writes);
    let row_count = (part.writes.deletes.len() + part.writes.upserts.len()) as u64;
    let record = PartRecord { table: part.writes.table, row_count, bytes: writes.len() as u64 };
    let mut mutations = vec![Mutation { space, key: key(sequence, index, WRITES), value: Some(writes) }];
    if !part.fingerprints.is_empty() {
        let fingerprints = codec::encode_emitted(&part.fingerprints)?;
        mutations.push(Mutation { space, key: key(sequence, index, FINGERPRINTS), value: Some(fingerprints) });
    }
    Ok((mutations, record))
}

/// Removes the writes of an applied entry's parts.
pub fn remove(mapping: MappingId, sequence: u64, count: usize) -> impl Iterator<Item = Mutation> {
    let parts = 0..u32::try_from(count).unwrap_or(u32::MAX);
    parts.map(move |part| Mutation { space: Space::OutboxPart(mapping), key: key(sequence, part, WRITES), value: None })
}

/// Folds the fingerprints of all parts into the emitted entries. The entries of the parts must be committed.
///
/// # Errors
/// `Local` if the store fails or a part is damaged.
pub fn fold(store: &dyn Store, mapping: MappingId) -> Result<()> {
    let space = Space::OutboxPart(mapping);
    let mut keys = Vec::new();
    store.scan(space, &[], None, &mut |key, _| {
        if key.last() == Some(&FINGERPRINTS) {
            keys.push(key.to_vec());
        }
        Ok(true)
    })?;
    for key in keys {
        let Some(value) = store.get(space, &key)? else { continue };
        let mut mutations = codec::decode_emitted(&value)?;
        mutations.push(Mutation { space, key, value: None });
        store.commit(mutations, Durability::Buffered)?;
    }
    Ok(())
}

/// At the start of an engine: drops what no committed entry speaks of or what the target already has, and folds the rest.
///
/// # Errors
/// `Local` if the store fails or a part is damaged.
pub fn settle(store: &dyn Store, mapping: MappingId, committed: u64, applied: u64) -> Result<()> {
    let space = Space::OutboxPart(mapping);
    let mut dropped = Vec::new();
    store.scan(space, &[], None, &mut |key, _| {
        let sequence = sequence_of(key)?;
        if sequence > committed || (sequence <= applied && key.last() == Some(&WRITES)) {
            dropped.push(Mutation { space, key: key.to_vec(), value: None });
        }
        Ok(true)
    })?;
    store.scan(Space::Outbox(mapping), &[], None, &mut |key, _| {
        let is_applied = sequence_of(key)? <= applied;
        if is_applied {
            dropped.push(Mutation { space: Space::Outbox(mapping), key: key.to_vec(), value: None });
        }
        Ok(is_applied)
    })?;
    while !dropped.is_empty() {
        let rest = dropped.split_off(dropped.len().min(KEYS_PER_BATCH));
        store.commit(std::mem::replace(&mut dropped, rest), Durability::Buffered)?;
    }
    fold(store, mapping)
}

/// Drops the parts behind the last committed entry of a mapping: their epoch is taken again.
///
/// # Errors
/// `Local` if the store fails.
pub fn discard(store: &dyn Store, mapping: MappingId, committed: u64) -> Result<()> {
    let space = Space::OutboxPart(mapping);
    let mut dropped = Vec::new();
    store.scan(space, &[], Some(&key(committed, u32::MAX, u8::MAX)), &mut |key, _| {
        dropped.push(Mutation { space, key: key.to_vec(), value: None });
        Ok(true)
    })?;
    store.commit(dropped, Durability::Buffered)
}

/// The parts of one entry, read from the state when their turn comes.
pub struct Parts<'s> {
    store: &'s dyn Arrangements,
    mapping: MappingId,
    sequence: u64,
    tables: Vec<u32>,
}

impl<'s> Parts<'s> {
    /// The parts of entry `sequence`.
    #[must_use]
    pub fn new(store: &'s dyn Arrangements, mapping: MappingId, sequence: u64, parts: &[PartRecord]) -> Self {
        Self { store, mapping, sequence, tables: parts.iter().map(|part| part.table).collect() }
    }
}

impl WriteParts for Parts<'_> {
    fn tables(&self) -> &[u32] {
        &self.tables
    }

    fn part(&self, index: usize) -> Result<TableWrites> {
        let number = u32::try_from(index).map_err(|_| Error::bug("an outbox entry has too many parts"))?;
        let value = self.store.get(Space::OutboxPart(self.mapping), &key(self.sequence, number, WRITES))?;
        let value =
            value.ok_or_else(|| Error::new(Class::Local, "the state is damaged: a part of an outbox entry is missing"))?;
        codec::decode_table_writes(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::NodeId;
    use crate::state::memory::MemoryStore;
    use crate::value::{Row, Value};

    fn part(id: i64) -> StepPart {
        let fingerprint = Mutation { space: Space::Emitted(NodeId(0)), key: id.to_be_bytes().to_vec(), value: Some(vec![1]) };
        let writes = TableWrites { table: 0, deletes: vec![], upserts: vec![Row::from([Value::Int(id)])] };
        StepPart { mapping: MappingId(0), writes, fingerprints: vec![fingerprint], progress: (0, 0) }
    }

    fn is_emitted(store: &dyn Store, id: i64) -> bool {
        store.get(Space::Emitted(NodeId(0)), &id.to_be_bytes()).unwrap().is_some()
    }

    #[test]
    fn parts_without_an_entry_leave_no_trace_and_parts_with_one_are_folded() {
        let store = MemoryStore::default();
        for (sequence, index, id) in [(1, 0, 10), (2, 0, 20), (2, 1, 21), (3, 0, 30)] {
            store.commit(put(sequence, index, &part(id)).unwrap().0, Durability::Buffered).unwrap();
        }
        settle(&store, MappingId(0), 2, 1).unwrap();
        assert_eq!([10, 20, 21, 30].map(|id| is_emitted(&store, id)), [true, true, true, false]);
        let parts_of = |sequence| Parts::new(&store, MappingId(0), sequence, &[]);
        let parts = parts_of(2);
        assert_eq!(parts.part(1).unwrap(), part(21).writes);
        assert!(parts_of(1).part(0).is_err(), "what is applied is gone");
        assert!(parts_of(3).part(0).is_err(), "what was never committed is gone");
        store.commit(remove(MappingId(0), 2, 2).collect(), Durability::Buffered).unwrap();
        assert!(parts.part(0).is_err());
    }
}
