//! One epoch step: changed legacy rows in, changed target rows out.
//!
//! The algorithm is affected-key re-derivation over shared base arrangements. Net changes per key; walk both images of every changed row
//! through the new state to the affected anchors; derive those again; compare with the fingerprints of what was last emitted;
//! emit the difference. Everything here is synchronous, deterministic and free of I/O beyond [`Arrangements`].
//!
//! Why both images through the *new* state reach every anchor whose rows changed: if the rows of an anchor differ, some set of joined tuples
//! contributes in exactly one of old and new. Take the changed tuple closest to the anchor. The tuples between it and the
//! anchor are unchanged, so they stand in the new state with the same keys; walking the image that belongs to the contribution
//! uses exactly those tuples.

mod accumulate;
mod accumulated;
mod alone;
mod arrangements;
mod dirty;
mod duty;
mod emit;
mod facts;
mod filled;
mod filling;
mod found;
mod group;
mod keys;
mod load;
mod net;
mod number;
mod parallel;
mod prefetch;
mod reader;
mod reindex;
mod rows;
mod shared;
mod step;
mod stored;
mod sweep;
mod view;
mod walk;
mod whole;

#[cfg(test)]
mod tests;

pub use arrangements::{Arrangements, Mutation, Space, Visit, VisitEach, VisitMany};
pub use dirty::{Marked, derive_dirty, mark};
pub use duty::{BrokenKey, Duty, Failure, Marks, Outlets, duty_of};
pub use facts::holds;
pub use filling::{Adder, Contributed, Contribution, Filling, contribute, fill_estimate, filling};
pub(crate) use keys::KeyHash;
pub use load::{LoadBounds, load};
pub use reindex::{chunk_entries, index_entries_of};
pub use shared::Shared;
pub use step::{Bounds, ingest, replay, step, step_in_parts};
pub use sweep::{Reach, Swept, sweep, sweeps_after};

use crate::error::Result;
use crate::plan::MappingId;
use crate::value::Row;
use crate::write::{TableWrites, WriteBatch};

/// What one epoch changes.
#[derive(Debug, Default)]
pub struct Step {
    /// Base, index, accumulator, sweep and emitted entries, to be committed with the outbox entries in one batch.
    pub mutations: Vec<Mutation>,
    /// What each mapping's target receives; index = [`crate::plan::MappingId`]. A mapping without writes has an empty batch.
    pub writes: Vec<WriteBatch>,
    /// How many anchors were derived.
    pub derived: u64,
    /// Mappings that could not do their duty. With any, nothing else here counts: the epoch is taken again with other duties.
    pub failures: Vec<Failure>,
    /// Anchors of mappings that derive were marked on the way, to be cleared once this is durable.
    pub is_marked: bool,
    /// Keys by which this epoch breaks facts of mappings that only mark.
    pub broken: Vec<BrokenKey>,
}

/// Writes of one target table that are too many to be held until the end of their epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct StepPart {
    /// The mapping.
    pub mapping: MappingId,
    /// The writes.
    pub writes: TableWrites,
    /// Emitted entries that belong to them: they must not be seen before the epoch is committed.
    pub fingerprints: Vec<Mutation>,
    /// Rows that the epoch has derived so far, and those it is known to have to.
    pub progress: (u64, u64),
}

/// Takes the parts of an epoch.
pub type Sink<'s> = &'s mut dyn FnMut(StepPart) -> Result<()>;

/// A part of a first load of one branch.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Whole rows in output column order.
    pub rows: Vec<Row>,
    /// The emitted fingerprints of those rows.
    pub mutations: Vec<Mutation>,
    /// How many anchors the slice covers, those without rows included.
    pub anchors: u64,
    /// The cursor to go on from; `None`: the branch is done.
    pub next: Option<Vec<u8>>,
}
