//! Tells a wrong row from a row in flight.
//!
//! While an engine runs, a key is certain if the engine did not write it since before the reading, **and** if the same two rows were read
//! [`READINGS`] times in a row. The second is needed because the engine takes several source transactions as one: a row that changes and
//! changes back within them is not written, though the source has shown it in between. A wrong row that nobody touches stays as it is.

use std::collections::{BTreeSet, HashMap};
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

/// How often the same two rows must be read of a key before it is certain while an engine runs.
const READINGS: u32 = 3;

/// What was read of each differing key: a hash of both rows, and how often in a row.
#[derive(Debug, Default)]
pub struct Readings(HashMap<u128, (u128, u32)>);

impl Readings {
    /// Notes a reading; the keys that it does not name begin again when they differ again.
    pub fn note<'m>(&mut self, mismatches: impl IntoIterator<Item = &'m Mismatch>) {
        let before = std::mem::take(&mut self.0);
        for mismatch in mismatches {
            let key = hash_of(mismatch);
            let count = before.get(&key).filter(|(rows, _)| *rows == mismatch.rows).map_or(0, |(_, count)| *count);
            self.0.insert(key, (mismatch.rows, count + 1));
        }
    }

    fn are_enough(&self, mismatch: &Mismatch) -> bool {
        self.0.get(&hash_of(mismatch)).is_some_and(|(_, count)| *count >= READINGS)
    }
}

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
        let mut readings = Readings::default();
        readings.note(&mismatches);
        let mut open = mismatches;
        for attempt in 0..self.tries_max() {
            if open.is_empty() {
                break;
            }
            if attempt > 0 {
                tokio::time::sleep(PAUSE * attempt).await;
            }
            let mut answers = Vec::new();
            for some in open.chunks(KEYS_AT_ONCE) {
                answers.push(self.retried(|| self.read_again(some)).await?);
            }
            readings.note(answers.iter().flat_map(|(again, _)| again));
            open = Vec::new();
            for (again, since) in answers {
                let (certain, moving) = self.split(again, since, &readings).await?;
                settled.confirmed.extend(certain);
                open.extend(moving);
            }
        }
        settled.unconfirmed = open;
        Ok(settled)
    }

    /// Without an engine nothing moves that a further reading could wait for.
    pub(super) fn tries_max(&self) -> u32 {
        if self.touched.is_some() { self.options.tries_max } else { self.options.tries_max.min(2) }
    }

    /// Divides what differed into keys whose difference is certain, for nothing moved them since `since` and they were read often enough,
    /// and the rest.
    pub(super) async fn split(
        &self,
        mismatches: Vec<Mismatch>,
        since: Option<u64>,
        readings: &Readings,
    ) -> Result<(Vec<Mismatch>, Vec<Mismatch>)> {
        let Some(since) = since.filter(|_| !mismatches.is_empty()) else { return Ok((Vec::new(), mismatches)) };
        let Some(touched) = self.touched else {
            // Without an engine nobody writes, unless one has come meanwhile.
            let is_same = self.checkpoint().await?.sequence == since;
            return Ok(if is_same { (mismatches, Vec::new()) } else { (Vec::new(), mismatches) });
        };
        let (often, mut moving): (Vec<_>, Vec<_>) = mismatches.into_iter().partition(|one| readings.are_enough(one));
        if often.is_empty() || self.checkpoint().await?.sequence == since {
            return Ok((often, moving));
        }
        let hashes = often.iter().map(hash_of).collect();
        let changed = touched.may_have_changed(self.mapping, &self.table().name, since, hashes).await?;
        // An answer that is too short says nothing about the rest.
        let mut certain = Vec::new();
        for (mismatch, changed) in often.into_iter().zip(changed.into_iter().chain(std::iter::repeat(true))) {
            if changed { moving.push(mismatch) } else { certain.push(mismatch) }
        }
        Ok((certain, moving))
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
