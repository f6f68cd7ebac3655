//! The outbox: writes that are durable here before the target hears of them, per mapping and in sequence.

use serde::{Deserialize, Serialize};

use super::codec;
use super::parts::PartRecord;
use crate::derive::{Arrangements, Mutation, Space};
use crate::error::{Class, Error, Result};
use crate::plan::MappingId;
use crate::position::Position;
use crate::write::WriteBatch;

/// One epoch's writes of one mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its sequence; the first of a mapping is the one behind the load.
    pub sequence: u64,
    /// What the target contains once it is applied.
    pub mark: Mark,
    /// The writes; empty if they are in parts.
    pub writes: WriteBatch,
    /// The parts in order; empty if the writes are here.
    pub parts: Vec<PartRecord>,
    /// Sweeps under way once it is applied.
    pub sweeps: u32,
}

/// What a record of an entry begins with.
#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(flatten)]
    mark: Mark,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<PartRecord>,
    #[serde(default, skip_serializing_if = "is_none")]
    sweeps: u32,
}

fn is_none(sweeps: &u32) -> bool {
    *sweeps == 0
}

/// The end of an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Position after its last transaction.
    pub position: Position,
    /// Commit time of its last transaction, microseconds since 1970.
    pub committed_at_us: i64,
}

/// Writes an entry.
///
/// # Errors
/// Never in practice (`Bug`).
pub fn put(mapping: MappingId, entry: &Entry) -> Result<Mutation> {
    let head = Head { mark: entry.mark.clone(), parts: entry.parts.clone(), sweeps: entry.sweeps };
    let head =
        serde_json::to_vec(&head).map_err(|error| Error::bug("an outbox entry cannot be written as JSON").because(error))?;
    let mut value = u32::try_from(head.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    value.extend_from_slice(&head);
    value.extend_from_slice(&codec::encode_writes(&entry.writes));
    Ok(Mutation { space: Space::Outbox(mapping), key: entry.sequence.to_be_bytes().to_vec(), value: Some(value) })
}

/// Removes an applied entry.
#[must_use]
pub fn remove(mapping: MappingId, sequence: u64) -> Mutation {
    Mutation { space: Space::Outbox(mapping), key: sequence.to_be_bytes().to_vec(), value: None }
}

/// Entries that wait for the target.
#[derive(Debug, Default)]
pub struct Pending {
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// Size of their records.
    pub bytes: u64,
}

/// Entries behind sequence `after`, oldest first, until their records exceed `bytes_max` (at least one if there is one). An entry in
/// parts comes alone.
///
/// # Errors
/// `Local` if the store fails or an entry is damaged.
pub fn pending(store: &dyn Arrangements, mapping: MappingId, after: u64, bytes_max: u64) -> Result<Pending> {
    let mut pending = Pending::default();
    store.scan(Space::Outbox(mapping), &[], Some(&after.to_be_bytes()), &mut |key, value| {
        let entry = decode(key, value)?;
        let is_alone = !entry.parts.is_empty();
        if is_alone && !pending.entries.is_empty() {
            return Ok(false);
        }
        pending.entries.push(entry);
        pending.bytes += value.len() as u64;
        Ok(!is_alone && pending.bytes < bytes_max)
    })?;
    Ok(pending)
}

/// Size of all records behind sequence `after`.
///
/// # Errors
/// `Local` if the store fails.
pub fn pending_bytes(store: &dyn Arrangements, mapping: MappingId, after: u64) -> Result<u64> {
    let mut bytes = 0;
    for space in [Space::Outbox(mapping), Space::OutboxPart(mapping)] {
        store.scan(space, &[], None, &mut |key, value| {
            bytes += if key.get(..8) > Some(after.to_be_bytes().as_slice()) { value.len() as u64 } else { 0 };
            Ok(true)
        })?;
    }
    Ok(bytes)
}

fn decode(key: &[u8], value: &[u8]) -> Result<Entry> {
    let damaged = || Error::new(Class::Local, "the state is damaged: an outbox entry does not decode");
    let sequence = u64::from_be_bytes(key.try_into().map_err(|_| damaged())?);
    let (length, rest) = value.split_first_chunk::<4>().ok_or_else(damaged)?;
    let (head, writes) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
    let Head { mark, parts, sweeps } = serde_json::from_slice(head).map_err(|error| damaged().because(error))?;
    Ok(Entry { sequence, mark, writes: codec::decode_writes(writes)?, parts, sweeps })
}
