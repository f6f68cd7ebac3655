//! A histogram of durations that many threads write and nobody waits for: fixed logarithmic buckets of atomics.
//!
//! Each octave of microseconds has eight buckets, so a quantile is at most an eighth too high and never too low. Recording takes one
//! addition per counter and no memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets of one octave, as a power of two.
const SUB_BITS: u32 = 3;
/// Octaves of microseconds: up to 2^37, some 38 hours. What is longer counts in the last bucket.
const OCTAVES: u32 = 38;
const BUCKETS: usize = ((OCTAVES - SUB_BITS + 1) as usize) << SUB_BITS;

/// Durations, counted.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
    total_us: AtomicU64,
    max_us: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Self { buckets, total_us: AtomicU64::new(0), max_us: AtomicU64::new(0) }
    }
}

/// The bucket of a duration. Bounds are inclusive above, as those of published buckets are: the bucket of `us` is the one that
/// `us - 1` falls into by its leading bits.
fn bucket_of(us: u64) -> usize {
    let below = us.saturating_sub(1);
    let bits = u64::BITS - below.leading_zeros();
    if bits <= SUB_BITS {
        return usize::try_from(below).unwrap_or(0);
    }
    let octave = bits - SUB_BITS;
    let index = (u64::from(octave) << SUB_BITS) + ((below >> (octave - 1)) & ((1 << SUB_BITS) - 1));
    usize::try_from(index).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The greatest duration of a bucket, in microseconds.
fn bound_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let (octave, sub) = (bucket >> SUB_BITS, bucket & ((1 << SUB_BITS) - 1));
    if octave == 0 { sub + 1 } else { ((1 << SUB_BITS) + sub + 1) << (octave - 1) }
}

impl Histogram {
    /// Counts a duration.
    pub fn record(&self, duration: Duration) {
        let us = u64::try_from(duration.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX >> 1);
        if let Some(bucket) = self.buckets.get(bucket_of(us)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.total_us.fetch_add(us, Ordering::Relaxed);
        self.max_us.fetch_max(us, Ordering::Relaxed);
    }

    /// What has been counted so far.
    #[must_use]
    pub fn snapshot(&self) -> Counted {
        Counted {
            buckets: self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect(),
            total_us: self.total_us.load(Ordering::Relaxed),
            max_us: self.max_us.load(Ordering::Relaxed),
        }
    }
}

/// A histogram at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    buckets: Vec<u64>,
    /// Sum of all durations, microseconds.
    pub total_us: u64,
    /// The longest, microseconds.
    pub max_us: u64,
}

impl Counted {
    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The duration that a share of all do not exceed, microseconds; `None` if nothing was counted.
    #[must_use]
    pub fn quantile_us(&self, share: f64) -> Option<u64> {
        let rank = ((self.count() as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        self.buckets.iter().enumerate().find_map(|(bucket, count)| {
            seen += count;
            (seen >= rank).then(|| bound_of(bucket).min(self.max_us))
        })
    }

    /// How many durations were at most `2^power` microseconds.
    #[must_use]
    pub fn count_within(&self, power: u32) -> u64 {
        let bound = 1_u64 << power;
        self.buckets.iter().enumerate().take_while(|(bucket, _)| bound_of(*bucket) <= bound).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_within_the_bound_of_its_bucket_and_above_that_of_the_one_before() {
        for us in (1..5_000).chain((3..37).flat_map(|power| [(1_u64 << power) - 1, 1 << power, (1 << power) + 1])) {
            let bucket = bucket_of(us);
            assert!(us <= bound_of(bucket), "{us}");
            assert!(bucket == 0 || us > bound_of(bucket - 1), "{us}");
            assert!(bound_of(bucket) as f64 <= us as f64 * 1.126 + 1.0, "{us}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_never_too_low_and_powers_of_two_are_exact() {
        let histogram = Histogram::default();
        (1..=1_000).for_each(|us| histogram.record(Duration::from_micros(us)));
        let counted = histogram.snapshot();
        assert_eq!((counted.count(), counted.total_us, counted.max_us), (1_000, 500_500, 1_000));
        assert_eq!((counted.count_within(6), counted.count_within(9), counted.count_within(10)), (64, 512, 1_000));
        let median = counted.quantile_us(0.5).unwrap();
        assert!((500..=562).contains(&median), "{median}");
        assert_eq!(counted.quantile_us(1.0), Some(1_000));
        assert_eq!(Histogram::default().snapshot().quantile_us(0.5), None);
    }

    #[test]
    fn what_is_shorter_than_a_microsecond_counts_as_one() {
        let histogram = Histogram::default();
        histogram.record(Duration::ZERO);
        histogram.record(Duration::from_nanos(1));
        assert_eq!(histogram.snapshot().count_within(0), 2);
    }
}
