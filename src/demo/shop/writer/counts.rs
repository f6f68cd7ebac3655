//! What a writer has done, readable while it works.

use super::desk::Outcome;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A writer's deeds up to one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriterCounts {
    /// Transactions that committed, including those that found nothing to change.
    pub committed: u64,
    /// Transactions rolled back on purpose.
    pub rolled_back: u64,
    /// Transactions rolled back because of a duplicate key or a lock.
    pub collided: u64,
    /// How often the server had gone away and came back.
    pub reconnects: u64,
    /// How often each kind of transaction was done.
    pub by_kind: BTreeMap<String, u64>,
}

/// The counts of a working writer.
#[derive(Debug, Default)]
pub struct WriterCounters(Mutex<WriterCounts>);

impl WriterCounters {
    /// The counts now.
    pub fn read(&self) -> WriterCounts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn count(&self, kind: String, outcome: Outcome) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Committed => counts.committed += 1,
            Outcome::RolledBack => counts.rolled_back += 1,
            Outcome::Collided => counts.collided += 1,
        }
        *counts.by_kind.entry(kind).or_default() += 1;
    }

    pub(super) fn count_reconnect(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).reconnects += 1;
    }
}
