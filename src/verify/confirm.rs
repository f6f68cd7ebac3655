//! Tells a wrong row from a row in flight.

use super::compare::{Mismatch, compare};
use super::{Verifier, answered, hash_of, statement};
use crate::error::Result;
use crate::source::Source;
use crate::target::Target;
use crate::value::Row;

/// Keys read again in one statement.
const KEYS_AT_ONCE: usize = 100;

/// What became of differing keys.
#[derive(Debug, Default)]
pub struct Settled {
    /// Differ for certain.
    pub confirmed: Vec<Mismatch>,
    /// Could not be settled.
    pub unconfirmed: Vec<Mismatch>,
}

impl<S: Source, T: Target> Verifier<'_, S, T> {
    /// Settles keys that differed in a reading that began at checkpoint sequence `since` (0: the reading proved nothing).
    pub(super) async fn confirm(&self, mismatches: Vec<Mismatch>, since: u64) -> Result<Settled> {
        let mut settled = Settled::default();
        let (certain, mut open) = self.split(mismatches, since).await?;
        settled.confirmed.extend(certain);
        for _ in 0..self.options.tries_max {
            if open.is_empty() {
                break;
            }
            let mut still = Vec::new();
            for some in open.chunks(KEYS_AT_ONCE) {
                let (again, since) = self.read_again(some).await?;
                let (certain, moving) = self.split(again, since).await?;
                settled.confirmed.extend(certain);
                still.extend(moving);
            }
            open = still;
        }
        settled.unconfirmed = open;
        Ok(settled)
    }

    /// Divides into untouched since `since` (their difference is certain) and the rest.
    async fn split(&self, mismatches: Vec<Mismatch>, since: u64) -> Result<(Vec<Mismatch>, Vec<Mismatch>)> {
        if mismatches.is_empty() || since == 0 {
            return Ok((Vec::new(), mismatches));
        }
        // If the checkpoint has not moved at all, nothing was touched; otherwise only the engine can tell.
        if self.checkpoint().await?.sequence == since {
            return Ok((mismatches, Vec::new()));
        }
        let Some(touched) = self.touched else { return Ok((Vec::new(), mismatches)) };
        let hashes = mismatches.iter().map(hash_of).collect();
        let changed = touched.may_have_changed(self.mapping, &self.table().name, since, hashes).await?;
        let marked = mismatches.into_iter().zip(changed.into_iter().chain(std::iter::repeat(true)));
        let (open, certain): (Vec<_>, Vec<_>) = marked.partition(|(_, changed)| *changed);
        Ok((certain.into_iter().map(|(mismatch, _)| mismatch).collect(), open.into_iter().map(|(mismatch, _)| mismatch).collect()))
    }

    /// Reads both sides of some keys again; what differs, and the sequence the reading began at.
    async fn read_again(&self, mismatches: &[Mismatch]) -> Result<(Vec<Mismatch>, u64)> {
        let keys: Vec<Row> = mismatches.iter().map(|mismatch| mismatch.key.clone()).collect();
        let before = self.checkpoint().await?;
        let mut source = answered(self.source, self.node, &statement::of_keys(&self.node.sql, self.table(), &keys)).await?;
        // A case-insensitive key may answer neighbours that were not asked for.
        source.retain(|hash, _| mismatches.iter().any(|mismatch| hash_of(mismatch) == *hash));
        let arrived = self.wait_for_source().await?;
        let target = self.held(&keys).await?;
        Ok((compare(self.table(), &source, &target), if arrived { before.sequence } else { 0 }))
    }
}
