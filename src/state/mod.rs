//! The state on local disk: arrangements, emitted fingerprints, outbox, spool and metadata.
//!
//! [`Store`] is the narrow face that the flows see; [`disk`] is the implementation, [`memory`] the one for tests, [`hot`] holds in memory what is
//! read again and again. A batch is
//! atomic over all keyspaces; after a batch with [`Durability::Synced`] it and every batch before it survive a power loss.

pub mod codec;
#[cfg(test)]
pub mod conformance;
pub mod disk;
pub mod hot;
mod ingest;
pub mod memory;
pub mod meta;
pub mod numbering;
pub mod outbox;
pub mod parts;
pub mod pieces;
pub mod sort;
pub mod spool;
pub mod standing;
pub mod summed;
mod sweep;
mod trees;
pub mod unfilled;

use crate::derive::{Arrangements, Mutation, Space};
use crate::error::Result;

/// When a batch is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Survives a crash of the process; a later synced batch makes it survive a power loss.
    Buffered,
    /// On disk when the call returns.
    Synced,
}

/// Entries in ascending order of their keys, no key twice.
pub trait SortedEntries {
    /// The next entry, its key and its value; `None` behind the last.
    ///
    /// # Errors
    /// Whatever gives the entries failed.
    fn next(&mut self) -> Result<Option<(&[u8], &[u8])>>;
}

/// What the flows need of a state store beyond the reads of [`Arrangements`].
pub trait Store: Arrangements {
    /// Writes all of `mutations`, or none. Later mutations of the same key win.
    ///
    /// # Errors
    /// The disk failed or is full; nothing of the batch is visible after a reopen.
    fn commit(&self, mutations: Vec<Mutation>, durability: Durability) -> Result<()>;

    /// Puts sorted entries into a keyspace, whole or not at all; they are durable when the call returns. Cheaper than [`Store::commit`] from
    /// some thousand entries on. No other batch may write to these keys meanwhile.
    ///
    /// # Errors
    /// The disk failed or is full, or `entries` failed: nothing is visible.
    fn ingest(&self, space: Space, entries: &mut dyn SortedEntries) -> Result<()>;

    /// Makes everything committed so far durable.
    ///
    /// # Errors
    /// The disk failed.
    fn sync(&self) -> Result<()>;

    /// Deletes every entry of a keyspace.
    ///
    /// # Errors
    /// The disk failed.
    fn clear(&self, space: Space) -> Result<()>;

    /// Everything as it is now, whatever is committed later. To be dropped soon: what is deleted meanwhile stays on disk.
    fn snapshot(&self) -> std::sync::Arc<dyn Arrangements>;

    /// Bytes on disk, spool not included.
    fn disk_bytes(&self) -> u64;
}
