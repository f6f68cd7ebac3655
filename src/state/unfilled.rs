//! What a plan has that the state does not hold yet, by the names of [`crate::plan::Names`].

use serde::{Deserialize, Serialize};

use super::meta;
use crate::derive::{Arrangements, Mutation, Space};
use crate::error::Result;
use crate::plan::AccumulatorId;

/// Tables, indexes and accumulators without their entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfilled {
    /// Tables without rows.
    pub tables: Vec<String>,
    /// Indexes over stored rows without entries.
    pub indexes: Vec<String>,
    /// Accumulators whose entries are being written.
    #[serde(default)]
    pub accumulators: Vec<AccumulatorId>,
}

/// The record; empty where everything is filled.
///
/// # Errors
/// `Local` if the record is damaged.
pub fn read(store: &dyn Arrangements) -> Result<Unfilled> {
    Ok(meta::record(store, b"unfilled")?.unwrap_or_default())
}

/// Whether there is a record at all.
///
/// # Errors
/// `Local` if the store fails.
pub fn is_recorded(store: &dyn Arrangements) -> Result<bool> {
    Ok(store.get(Space::Meta, b"unfilled")?.is_some())
}

/// Writes the record.
///
/// # Errors
/// Never in practice (`Bug`).
pub fn put(unfilled: &Unfilled) -> Result<Mutation> {
    meta::put(b"unfilled".to_vec(), unfilled)
}
