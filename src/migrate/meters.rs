//! Meters: what the engine measures of itself while it is live, without waiting for anybody.
//!
//! From a source's commit to the moment a target shows it, per mapping, and where the time goes on the way. All of it is counted since the
//! engine started.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::histogram::{Counted, Histogram};
use crate::source::CommitClock;
use crate::state::hot::Reads;

/// A step on the way of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Reading one transaction's events; the wait for them is not counted.
    Decode,
    /// From its arrival until its epoch begins.
    Queue,
    /// Deriving one epoch.
    Step,
    /// Making one epoch durable in the state, the sync of the disk included.
    StateCommit,
    /// From there until its mapping's target transaction begins; nearly nothing where it begins before.
    Outbox,
    /// One target transaction, its commit included, and the wait for the state's disk where it began before that was done.
    TargetApply,
}

impl Stage {
    /// All, in the order in which a change passes them.
    pub const ALL: [Self; 6] = [Self::Decode, Self::Queue, Self::Step, Self::StateCommit, Self::Outbox, Self::TargetApply];

    /// Its name in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Queue => "queue",
            Self::Step => "step",
            Self::StateCommit => "state_commit",
            Self::Outbox => "outbox",
            Self::TargetApply => "target_apply",
        }
    }
}

/// Transactions of one mapping that wait to become visible and whose birth is remembered one by one. Beyond it, those of an epoch count
/// as old as its oldest.
const BIRTHS_MAX: usize = 1 << 16;

/// When the transactions of one epoch were committed, by this machine's steady clock.
#[derive(Debug, Clone, Default)]
pub struct Births(Arc<[Instant]>);

impl Births {
    /// The births of an epoch's transactions.
    #[must_use]
    pub fn new(births: Vec<Instant>) -> Self {
        Self(births.into())
    }
}

/// An epoch of one mapping that its target does not show yet.
#[derive(Debug)]
struct Waiting {
    sequence: u64,
    durable: Instant,
    births: Births,
    /// What was cut off: so many more transactions, and the oldest of them.
    more: Option<(usize, Instant)>,
}

#[derive(Debug, Default)]
struct MappingMeter {
    latency: Histogram,
    waiting: Mutex<VecDeque<Waiting>>,
}

/// What is measured.
#[derive(Debug)]
pub struct Meters {
    stages: [Histogram; Stage::ALL.len()],
    mappings: Vec<MappingMeter>,
    clock: Mutex<CommitClock>,
    event_bytes_max: AtomicUsize,
    spilled_change_count: AtomicUsize,
    state_reads: Arc<Reads>,
}

impl Meters {
    /// Meters for so many mappings.
    #[must_use]
    pub fn new(mapping_count: usize) -> Self {
        Self {
            stages: Default::default(),
            mappings: (0..mapping_count).map(|_| MappingMeter::default()).collect(),
            clock: Mutex::default(),
            event_bytes_max: AtomicUsize::new(0),
            spilled_change_count: AtomicUsize::new(0),
            state_reads: Arc::default(),
        }
    }

    /// Reads of the state while the engine is live.
    #[must_use]
    pub fn state_reads(&self) -> Arc<Reads> {
        Arc::clone(&self.state_reads)
    }

    /// What an event takes in memory, and how many of its changes are on disk instead.
    pub fn took(&self, bytes: usize, spilled_count: usize) {
        self.event_bytes_max.fetch_max(bytes, Ordering::Relaxed);
        self.spilled_change_count.fetch_add(spilled_count, Ordering::Relaxed);
    }

    /// The most memory that one event of the stream took, bytes, and how many changes went to disk because their transactions were too large.
    #[must_use]
    pub fn taken(&self) -> (u64, u64) {
        let [bytes, count] =
            [&self.event_bytes_max, &self.spilled_change_count].map(|number| number.load(Ordering::Relaxed) as u64);
        (bytes, count)
    }

    /// Counts a stage.
    pub fn record(&self, stage: Stage, duration: Duration) {
        if let Some(histogram) = self.stages.get(stage as usize) {
            histogram.record(duration);
        }
    }

    /// Runs and counts a stage.
    pub fn timed<R>(&self, stage: Stage, run: impl FnOnce() -> R) -> R {
        let began = Instant::now();
        let done = run();
        self.record(stage, began.elapsed());
        done
    }

    /// From which clock commit times come; the coarsest one met.
    pub fn met_clock(&self, clock: CommitClock) {
        let mut coarsest = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        *coarsest = (*coarsest).max(clock);
    }

    /// An epoch with an entry for a mapping is about to become durable.
    pub fn committing(&self, mapping: usize, sequence: u64, births: &Births) {
        let Some(meter) = self.mappings.get(mapping) else { return };
        if births.0.is_empty() {
            return;
        }
        let mut waiting = meter.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let held: usize =
            if waiting.len() * 64 < BIRTHS_MAX { 0 } else { waiting.iter().map(|epoch| epoch.births.0.len()).sum() };
        let is_full = held + births.0.len() > BIRTHS_MAX;
        let more = births.0.iter().min().filter(|_| is_full).map(|oldest| (births.0.len(), *oldest));
        let births = if is_full { Births::default() } else { births.clone() };
        waiting.push_back(Waiting { sequence, durable: Instant::now(), births, more });
    }

    /// The epoch of `sequence` is durable.
    pub fn committed(&self, mapping: usize, sequence: u64) {
        let Some(meter) = self.mappings.get(mapping) else { return };
        let mut waiting = meter.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(epoch) = waiting.iter_mut().rev().find(|epoch| epoch.sequence == sequence) {
            epoch.durable = Instant::now();
        }
    }

    /// A target transaction of a mapping begins that takes it up to `sequence`.
    pub fn applying(&self, mapping: usize, sequence: u64) {
        let Some(meter) = self.mappings.get(mapping) else { return };
        let waiting = meter.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for epoch in waiting.iter().take_while(|epoch| epoch.sequence <= sequence) {
            self.record(Stage::Outbox, epoch.durable.elapsed());
        }
    }

    /// The target of a mapping shows everything up to `sequence`.
    pub fn visible(&self, mapping: usize, sequence: u64) {
        let Some(meter) = self.mappings.get(mapping) else { return };
        let mut waiting = meter.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.front().is_some_and(|epoch| epoch.sequence <= sequence) {
            let Some(epoch) = waiting.pop_front() else { return };
            epoch.births.0.iter().for_each(|birth| meter.latency.record(birth.elapsed()));
            if let Some((count, oldest)) = epoch.more {
                (0..count).for_each(|_| meter.latency.record(oldest.elapsed()));
            }
        }
    }

    /// From which clock commit times come.
    #[must_use]
    pub fn clock(&self) -> CommitClock {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From commit to visible, of one mapping.
    #[must_use]
    pub fn latency(&self, mapping: usize) -> Option<Counted> {
        self.mappings.get(mapping).map(|meter| meter.latency.snapshot())
    }

    /// How long a stage took.
    #[must_use]
    pub fn stage(&self, stage: Stage) -> Option<Counted> {
        self.stages.get(stage as usize).map(Histogram::snapshot)
    }
}

/// Durations in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durations {
    /// How many.
    pub count: u64,
    /// Half of them took at most this long, microseconds.
    pub p50_us: u64,
    /// 99 of 100 took at most this long, microseconds.
    pub p99_us: u64,
    /// The longest, microseconds.
    pub max_us: u64,
    /// All together, microseconds.
    pub total_us: u64,
}

impl Durations {
    /// What was counted; `None` if nothing was.
    #[must_use]
    pub fn of(counted: &Counted) -> Option<Self> {
        Some(Self {
            count: counted.count(),
            p50_us: counted.quantile_us(0.5)?,
            p99_us: counted.quantile_us(0.99)?,
            max_us: counted.max_us,
            total_us: counted.total_us,
        })
    }
}

/// From a source's commit to the moment a target shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyStatus {
    /// From where it is counted: `source_commit`, or `arrival` where the source's log has commit times in whole seconds only.
    pub counted_from: String,
    /// How long it took, per transaction.
    #[serde(flatten)]
    pub durations: Durations,
}

impl LatencyStatus {
    /// That of one mapping; `None` as long as nothing has become visible.
    #[must_use]
    pub fn of(meters: &Meters, mapping: usize) -> Option<Self> {
        let durations = Durations::of(&meters.latency(mapping)?)?;
        Some(Self { counted_from: meters.clock().name().to_owned(), durations })
    }
}

/// How long a stage took, per piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageStatus {
    /// Its name.
    pub stage: String,
    /// Its durations.
    #[serde(flatten)]
    pub durations: Durations,
}

impl StageStatus {
    /// All stages that something has passed.
    #[must_use]
    pub fn all(meters: &Meters) -> Vec<Self> {
        let status = |stage: Stage| {
            let durations = Durations::of(&meters.stage(stage)?)?;
            Some(Self { stage: stage.name().to_owned(), durations })
        };
        Stage::ALL.into_iter().filter_map(status).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_counts_once_and_only_when_its_mapping_shows_it() {
        let meters = Meters::new(2);
        let births = Births::new(vec![Instant::now(); 3]);
        meters.committing(0, 5, &births);
        meters.committing(1, 9, &births);
        meters.committing(0, 6, &births);
        meters.visible(0, 5);
        assert_eq!([0, 1].map(|mapping| meters.latency(mapping).unwrap().count()), [3, 0]);
        meters.visible(0, 5);
        meters.visible(0, 7);
        meters.visible(1, 9);
        assert_eq!([0, 1].map(|mapping| meters.latency(mapping).unwrap().count()), [6, 3]);
    }

    #[test]
    fn more_transactions_than_are_remembered_are_counted_all_the_same() {
        let meters = Meters::new(1);
        let births = Births::new(vec![Instant::now(); BIRTHS_MAX / 2 + 1]);
        meters.committing(0, 1, &births);
        (2..2_000).for_each(|sequence| meters.committing(0, sequence, &Births::new(vec![Instant::now(); 40])));
        meters.visible(0, u64::MAX);
        assert_eq!(meters.latency(0).unwrap().count(), BIRTHS_MAX as u64 / 2 + 1 + 1_998 * 40);
    }

    #[test]
    fn the_coarsest_clock_is_the_one_that_is_named() {
        let meters = Meters::new(1);
        assert_eq!(meters.clock().name(), "source_commit");
        meters.met_clock(CommitClock::Seconds);
        meters.met_clock(CommitClock::Microseconds);
        assert_eq!(meters.clock().name(), "arrival");
    }
}
