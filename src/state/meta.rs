//! The engine's own records in the state: identity, catalogue, stage, chunks, positions, sequences.
//!
//! Reads come from a [`Store`]; writes are [`Mutation`]s, so that a record always moves in the same batch as the data it speaks of.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::codec;
use crate::change::{KeyRange, Visibility};
use crate::derive::{Arrangements, Mutation, Space};
use crate::error::{Class, Error, Result};
use crate::plan::MappingId;
use crate::position::Position;
use crate::schema::{SourceCatalog, TableId};

/// The layout version of the state folder; a folder of another version is refused. 2: groups are kept up row by row, so that a version that
/// does not know them must not change the rows below them. 3: what a group lists may be longer than a key. 4: a snapshot makes
/// its indexes when its tables are complete, so that a version that makes them with each chunk must not go on with it.
pub const FORMAT: u32 = 4;

/// How far the engine is with its mappings, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Chunks are read while the stream is spooled.
    Snapshot,
    /// The spool is replayed over the chunks, without derivation.
    CatchUp,
    /// All rows are derived and loaded.
    Load,
    /// Epochs are derived and applied.
    Live,
}

/// What the state is about; written once, when the folder is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Layout version.
    pub format: u32,
    /// Random id that the checkpoint rows repeat.
    pub state_id: String,
    /// The source's name in the project file.
    pub source: String,
    /// What the catalogue said when the folder was made.
    pub catalog: SourceCatalog,
    /// Fingerprint of each mapping's plan, by name, as hexadecimal text.
    pub mappings: BTreeMap<String, String>,
    /// Where the stream of the first backfill starts.
    pub start: Position,
}

/// How far the state itself is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Stage.
    pub stage: Stage,
    /// Everything up to here is in the arrangements (from catch-up on; before, the start position).
    pub applied: Position,
    /// Commit time of the last contained transaction, microseconds since 1970; 0 if none.
    pub committed_at_us: i64,
    /// A transaction behind `applied` that the arrangements hold in part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<Partial>,
}

/// A transaction too large for one batch, while it is taken in slice by slice. No target hears of it before it is whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    /// The position after it.
    pub position: Position,
    /// How many of its changes are in the arrangements, their anchors marked.
    pub changes_done: usize,
}

/// A chunk that is in the state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChunkRecord {
    /// Everything the chunk shows is in the log up to here.
    pub high: Position,
    /// Its row count.
    pub row_count: u64,
    /// Bytes of its rows and their keys, as they are stored.
    #[serde(default)]
    pub bytes: u64,
    /// Whether the rows show exactly the log up to `high`.
    pub exact: bool,
    /// Which transactions the rows show, where a log position cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
}

impl ChunkRecord {
    /// The same with what another read of the range shows.
    pub fn join(&mut self, other: Self) {
        let high = self.high.clone();
        self.high = high.joined(other.high);
        self.row_count += other.row_count;
        self.bytes += other.bytes;
        self.exact &= other.exact;
        // Each read shows what it shows; of bags, for which it matters, there is one.
        self.visibility = None;
    }
}

/// A record by its key.
///
/// # Errors
/// `Local` if the record is damaged.
pub(super) fn record<T: DeserializeOwned>(store: &dyn Arrangements, key: &[u8]) -> Result<Option<T>> {
    let Some(bytes) = store.get(Space::Meta, key)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Error::new(Class::Local, format!("the state is damaged: record {}", String::from_utf8_lossy(key))).because(error)
    })
}

/// Writes a record.
///
/// # Errors
/// Never in practice (`Bug`).
pub(super) fn put<T: Serialize>(key: Vec<u8>, record: &T) -> Result<Mutation> {
    let value =
        serde_json::to_vec(record).map_err(|error| Error::bug("a state record cannot be written as JSON").because(error))?;
    Ok(Mutation { space: Space::Meta, key, value: Some(value) })
}

/// The identity; `None` in a new folder. A folder of another layout version is refused.
///
/// # Errors
/// `Local` if the record is damaged, `Person` if the folder was written by another version.
pub fn identity(store: &dyn Arrangements) -> Result<Option<Identity>> {
    let format: Option<serde_json::Value> = record(store, b"identity")?;
    if let Some(found) = format.as_ref().and_then(|identity| identity.get("format")).and_then(serde_json::Value::as_u64)
        && found != u64::from(FORMAT)
    {
        let message = format!("the state folder has layout {found}; this version of strangler reads layout {FORMAT}");
        return Err(Error::new(Class::Person, message).with_hint("use the version that wrote it, or `strangler run --rebuild`"));
    }
    record(store, b"identity")
}

/// Writes the identity.
///
/// # Errors
/// Never in practice (`Bug`).
pub fn put_identity(identity: &Identity) -> Result<Mutation> {
    put(b"identity".to_vec(), identity)
}

/// The progress; `None` in a new folder.
///
/// # Errors
/// `Local` if the record is damaged.
pub fn progress(store: &dyn Arrangements) -> Result<Option<Progress>> {
    record(store, b"progress")
}

/// Writes the progress.
///
/// # Errors
/// Never in practice (`Bug`).
pub fn put_progress(progress: &Progress) -> Result<Mutation> {
    put(b"progress".to_vec(), progress)
}

/// The sequence of the last outbox entry of a mapping; 0 before the first.
///
/// # Errors
/// `Local` if the record is damaged.
pub fn sequence(store: &dyn Arrangements, mapping: MappingId) -> Result<u64> {
    Ok(record(store, &key_of(b"sequence/", &mapping.0.to_be_bytes()))?.unwrap_or(0))
}

/// Writes the sequence of a mapping.
///
/// # Errors
/// Never in practice (`Bug`).
pub fn put_sequence(mapping: MappingId, sequence: u64) -> Result<Mutation> {
    put(key_of(b"sequence/", &mapping.0.to_be_bytes()), &sequence)
}

/// The ranges a table was cut into; `None` if it was not cut yet.
///
/// # Errors
/// `Local` if the record is damaged.
pub fn ranges(store: &dyn Arrangements, table: TableId) -> Result<Option<Vec<KeyRange>>> {
    let bytes = store.get(Space::Meta, &key_of(b"ranges/", &table.0.to_be_bytes()))?;
    bytes.map(|bytes| codec::decode_ranges(&bytes)).transpose()
}

/// Writes the ranges of a table.
#[must_use]
pub fn put_ranges(table: TableId, ranges: &[KeyRange]) -> Mutation {
    Mutation { space: Space::Meta, key: key_of(b"ranges/", &table.0.to_be_bytes()), value: Some(codec::encode_ranges(ranges)) }
}

/// Deletes the ranges of a table: it is cut again.
#[must_use]
pub fn forget_ranges(table: TableId) -> Mutation {
    Mutation { space: Space::Meta, key: key_of(b"ranges/", &table.0.to_be_bytes()), value: None }
}

fn key_of(prefix: &[u8], suffix: &[u8]) -> Vec<u8> {
    [prefix, suffix].concat()
}
