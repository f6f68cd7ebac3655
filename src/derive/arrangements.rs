//! What `derive` reads and writes: ordered keyspaces of bytes. The state store implements it; tests use a map.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::plan::{AccumulatorId, IndexId, MappingId, NodeId};
use crate::schema::TableId;

/// A keyspace of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Space {
    /// Stored legacy rows: identity key (or 16-byte row hash for a bag) -> encoded row (bag: count, row).
    Base(TableId),
    /// Index entries: index key bytes ++ identity key -> empty.
    Index(IndexId),
    /// Groups that are kept up row by row: kind, group -> totals.
    Accumulator(AccumulatorId),
    /// What was last emitted: branch, anchor key, output key -> fingerprint.
    Emitted(NodeId),
    /// What a target table held when it was taken over: output key -> fingerprint. Emptied by the one difference.
    Scratch(NodeId),
    /// Anchors that must be derived again: branch, anchor key -> empty. More than need it do no harm.
    Dirty(NodeId),
    /// Places of walks whose anchors are derived later: branch, hop, walk, probe -> fingerprint of the walk, cursor.
    Sweep(NodeId),
    /// Writes waiting for the target: sequence (big-endian) -> encoded batch and frontier.
    Outbox(MappingId),
    /// Parts of outbox entries that are too large for one record: sequence, part, kind -> encoded writes or emitted entries.
    OutboxPart(MappingId),
    /// Catalogue, positions, phases, chunk records, sequences.
    Meta,
}

/// One write to the state; `None` deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    /// Where.
    pub space: Space,
    /// Key.
    pub key: Vec<u8>,
    /// New value, or `None` to delete.
    pub value: Option<Vec<u8>>,
}

/// What a scan does with a key and its value; `false` ends it.
pub type Visit<'v> = &'v mut dyn FnMut(&[u8], &[u8]) -> Result<bool>;

/// What a scan of several prefixes does with the place of a prefix, and a key and its value that begin with it; `false` goes on with the
/// next prefix.
pub type VisitMany<'v> = &'v mut dyn FnMut(usize, &[u8], &[u8]) -> Result<bool>;

/// What is done with the place of a key, and its value if it has one.
pub type VisitEach<'v> = &'v mut dyn FnMut(usize, Option<&[u8]>) -> Result<()>;

/// Reads of the state as it is between epochs.
pub trait Arrangements: Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// The store failed; see its class.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Visits the values of several keys, in the order of `keys`. Sorted keys are cheaper.
    ///
    /// # Errors
    /// The store or `visit` failed.
    fn get_each(&self, space: Space, keys: &[Vec<u8>], visit: VisitEach<'_>) -> Result<()> {
        keys.iter().enumerate().try_for_each(|(place, key)| visit(place, self.get(space, key)?.as_deref()))
    }

    /// Values of several keys, in the order of `keys`: what [`Self::get_each`] visits.
    ///
    /// # Errors
    /// The store failed; see its class.
    fn get_many(&self, space: Space, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        let mut values = Vec::with_capacity(keys.len());
        self.get_each(space, keys, &mut |_, value| {
            values.push(value.map(<[u8]>::to_vec));
            Ok(())
        })?;
        Ok(values)
    }

    /// Visits entries whose key starts with `prefix`, in key order, until `visit` answers `false`. With `after`, starts behind
    /// that key.
    ///
    /// # Errors
    /// The store or `visit` failed.
    fn scan(&self, space: Space, prefix: &[u8], after: Option<&[u8]>, visit: Visit<'_>) -> Result<()>;

    /// Visits the entries of several prefixes, prefix by prefix and in key order. Sorted prefixes are cheaper.
    ///
    /// # Errors
    /// The store or `visit` failed.
    fn scan_many(&self, space: Space, prefixes: &[Vec<u8>], visit: VisitMany<'_>) -> Result<()> {
        for (place, prefix) in prefixes.iter().enumerate() {
            self.scan(space, prefix, None, &mut |key, value| visit(place, key, value))?;
        }
        Ok(())
    }
}
