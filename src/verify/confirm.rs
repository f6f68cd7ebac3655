//! Tells a wrong row from a row in flight.

use std::collections::BTreeSet;
use std::time::Duration;

use super::compare::{Mismatch, compare};
use super::{Verifier, answered, dialect, hash_of, statement};
use crate::error::Result;
use crate::source::Source;
use crate::target::Target;
use crate::value::Row;

/// Keys read again in one statement.
const KEYS_AT_ONCE: usize = 100;
/// The pause before a key is read for the second time grows by this with each further time.
const PAUSE: Duration = Duration::from_millis(50);

/// What became of differing keys.
#[derive(Debug, Default)]
pub struct Settled {
    /// Differ for certain.
    pub confirmed: Vec<Mismatch>,
    /// Could not be settled.
    pub unconfirmed: Vec<Mismatch>,
}

impl<S: Source, T: Target> Verifier<'_, S, T> {
    /// Settles keys that differed once, by reading them again until nothing moved under a reading.
    ///
    /// Nothing is certain after one reading: a row of a non-transactional table is visible a moment before the log has it.
    pub(super) async fn confirm(&self, mismatches: Vec<Mismatch>) -> Result<Settled> {
        let mut settled = Settled::default();
        let mut open = mismatches;
        for attempt in 0..self.tries_max() {
            if open.is_empty() {
                break;
            }
            if attempt > 0 {
                tokio::time::sleep(PAUSE * attempt).await;
            }
            let mut still = Vec::new();
            for some in open.chunks(KEYS_AT_ONCE) {
                let (again, since) = self.retried(|| self.read_again(some)).await?;
                let (certain, moving) = self.split(again, since).await?;
                settled.confirmed.extend(certain);
                still.extend(moving);
            }
            open = still;
        }
        settled.unconfirmed = open;
        Ok(settled)
    }

    /// Without an engine nothing moves that a further reading could wait for.
    pub(super) fn tries_max(&self) -> u32 {
        if self.touched.is_some() { self.options.tries_max } else { self.options.tries_max.min(2) }
    }

    /// Divides what differed into keys untouched since `since` (their difference is certain) and the rest.
    pub(super) async fn split(&self, mismatches: Vec<Mismatch>, since: Option<u64>) -> Result<(Vec<Mismatch>, Vec<Mismatch>)> {
        let Some(since) = since.filter(|_| !mismatches.is_empty()) else { return Ok((Vec::new(), mismatches)) };
        // If the sequence has not moved at all, nothing was written; otherwise only the engine can tell what was.
        if self.checkpoint().await?.sequence == since {
            return Ok((mismatches, Vec::new()));
        }
        let Some(touched) = self.touched else { return Ok((Vec::new(), mismatches)) };
        let hashes = mismatches.iter().map(hash_of).collect();
        let changed = touched.may_have_changed(self.mapping, &self.table().name, since, hashes).await?;
        // An answer that is too short says nothing about the rest.
        let marked = mismatches.into_iter().zip(changed.into_iter().chain(std::iter::repeat(true)));
        let (moving, certain): (Vec<_>, Vec<_>) = marked.partition(|(_, changed)| *changed);
        let bare = |marked: Vec<(Mismatch, bool)>| marked.into_iter().map(|(mismatch, _)| mismatch).collect();
        Ok((bare(certain), bare(moving)))
    }

    /// Reads both sides of some keys again. What differs, and the sequence that the target had before; `None` if the target did not
    /// reach what the source may have shown, so that the reading proves nothing.
    async fn read_again(&self, mismatches: &[Mismatch]) -> Result<(Vec<Mismatch>, Option<u64>)> {
        let keys: Vec<Row> = mismatches.iter().map(|mismatch| mismatch.key.clone()).collect();
        let wanted: BTreeSet<u128> = mismatches.iter().map(hash_of).collect();
        let before = self.checkpoint().await?;
        let sql = statement::of_keys(&self.node.sql, self.table(), &keys, &dialect(self.source, self.catalog))?;
        let mut source = answered(self.source, self.node, &sql).await?;
        // A case-insensitive key may answer neighbours that were not asked for.
        source.retain(|hash| wanted.contains(&hash));
        let arrived = self.wait_for_source().await?;
        let target = self.held(&keys).await?;
        Ok((compare(self.table(), &source, &target), arrived.then_some(before.sequence)))
    }
}
