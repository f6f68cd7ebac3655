//! What the engine says about itself, in one place: written by the flows, read by bars, `status` and the control socket.

mod behind;
mod throttled;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::forecast::Forecast;
use super::meters::{LatencyStatus, Meters, StageStatus};
use super::pace::Pace;
use super::steps::{LoadStep, StageTime, StepTime, Times};
use crate::position::Position;
use crate::source::HeldLog;
use crate::state::meta::Stage;
use crate::state::standing::Standing;
use crate::target::Phase;

pub use behind::ApplyingStatus;
pub use throttled::ThrottleStatus;
use throttled::{Throttled, throttle_status};

/// A picture of the engine at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EngineStatus {
    /// Version of this structure: fields are added, never renamed.
    pub format_version: u32,
    /// Process id of the engine.
    pub pid: u32,
    /// Seconds since the engine started.
    pub uptime_s: u64,
    /// Stage.
    pub stage: Stage,
    /// Why the engine waits, if it waits.
    pub waiting: Option<String>,
    /// How gently each source is read, and what holds its readers back now.
    #[serde(default)]
    pub throttles: Vec<ThrottleStatus>,
    /// What is filled from the rows of the state before anything else goes on.
    #[serde(default)]
    pub filling: Option<FillingStatus>,
    /// A change that reaches many target rows, while they are derived.
    #[serde(default)]
    pub sweep: Option<SweepStatus>,
    /// Whether disk and log last until the first load has caught up.
    #[serde(default)]
    pub forecast: Option<Forecast>,
    /// What the state contains.
    pub applied: Option<Position>,
    /// Source transactions taken since the start, those without mapped rows not counted.
    pub transaction_count: u64,
    /// Changed legacy rows taken since the start.
    pub change_count: u64,
    /// Rows written to or deleted from targets since the start, the load not counted.
    pub write_count: u64,
    /// Bytes in the spool.
    pub spool_bytes: u64,
    /// Bytes in the outbox.
    pub outbox_bytes: u64,
    /// Bytes of the state on disk.
    pub state_bytes: u64,
    /// The log that sources keep for this engine.
    #[serde(default)]
    pub held_logs: Vec<HeldLog>,
    /// The most memory that one source transaction took since the start, bytes.
    #[serde(default)]
    pub event_bytes_max: u64,
    /// Changed legacy rows that went to disk since the start because their transactions were too large for memory.
    #[serde(default)]
    pub spilled_change_count: u64,
    /// Reads of stored entries that memory answered, since the engine is live.
    #[serde(default)]
    pub state_hit_count: u64,
    /// Reads of stored entries for which the store was searched, since the engine is live.
    #[serde(default)]
    pub state_miss_count: u64,
    /// Where the time goes on the way of a change, since the engine started.
    #[serde(default)]
    pub stages: Vec<StageStatus>,
    /// Backfill per legacy table.
    pub tables: Vec<TableStatus>,
    /// Mappings.
    pub mappings: Vec<MappingStatus>,
    /// What the stages of a first load took, and the one at hand so far; since the engine started.
    #[serde(default)]
    pub load_stages: Vec<StageTime>,
    /// What the steps of a first load took, since the engine started.
    #[serde(default)]
    pub load_steps: Vec<StepTime>,
}

/// Indexes or groups that are made from the rows of the state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FillingStatus {
    /// `indexes` or `groups`.
    pub of: String,
    /// Rows read since the start.
    pub row_count: u64,
    /// Estimate of all rows.
    pub row_estimate: u64,
}

/// A change of rows that are joined by many target rows, on its way to them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SweepStatus {
    /// The mapping.
    pub mapping: String,
    /// Target rows derived so far.
    pub row_count: u64,
    /// Target rows that the change is known to reach; 0 until they are counted, or if they cannot be.
    pub row_total: u64,
    /// Seconds until all are derived; absent before 1 %, and where they are not counted.
    #[serde(default)]
    pub left_s: Option<u64>,
}

/// Backfill of one legacy table.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TableStatus {
    /// Its name.
    pub table: String,
    /// Chunks in the state.
    pub chunks_done: u32,
    /// Chunks in all; absent until the table is cut.
    pub chunks_total: Option<u32>,
    /// Rows in the state from chunks.
    pub row_count: u64,
    /// Bytes of their mapped columns and their keys, as they are stored.
    #[serde(default)]
    pub byte_count: u64,
    /// The source's own estimate.
    pub row_estimate: u64,
    /// Rows per second over the last minute; absent while none are read.
    #[serde(default)]
    pub rows_per_s: Option<u64>,
    /// Seconds until all chunks are there; absent before 1 %.
    #[serde(default)]
    pub left_s: Option<u64>,
}

impl TableStatus {
    /// How much of it is read, of how much: chunks once it is cut, before that rows.
    #[must_use]
    pub fn parts(&self) -> (u64, u64) {
        match self.chunks_total {
            Some(total) => (u64::from(self.chunks_done), u64::from(total)),
            None => (self.row_count, self.row_estimate),
        }
    }
}

/// One mapping.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MappingStatus {
    /// Its name.
    pub mapping: String,
    /// Phase of its checkpoint row.
    pub phase: Phase,
    /// Sweeps under way by its checkpoint row; 0: the tables are exact.
    #[serde(default)]
    pub pending_sweeps: u32,
    /// Sequence of its checkpoint row.
    pub sequence: u64,
    /// What its target tables contain.
    pub position: Option<Position>,
    /// Milliseconds since the source committed the newest transaction that the target contains, or, where that is not known, since the target is
    /// known to lack one; 0 when it contains everything that the stream has shown; absent while nothing is known.
    pub lag_ms: Option<u64>,
    /// Milliseconds since the checkpoint row was written.
    pub checkpoint_age_ms: u64,
    /// Why it does not run, if it does not.
    #[serde(default)]
    pub halted: Option<Standing>,
    /// Why it waits for its target, if it waits.
    #[serde(default)]
    pub waiting: Option<String>,
    /// Bytes in its outbox.
    #[serde(default)]
    pub outbox_bytes: u64,
    /// Its share of the outbox's bound: with more bytes it only marks what changes.
    #[serde(default)]
    pub outbox_bytes_max: u64,
    /// Bytes that came into its outbox since the engine started.
    #[serde(default)]
    pub outbox_added_bytes: u64,
    /// A transaction too large for memory that its target takes in now.
    #[serde(default)]
    pub applying: Option<ApplyingStatus>,
    /// How long it took until its target showed what the source committed, since the engine started; absent before the first.
    #[serde(default)]
    pub latency: Option<LatencyStatus>,
    /// First load per target table.
    pub loads: Vec<LoadStatus>,
}

impl MappingStatus {
    /// A mapping of which nothing is known yet.
    #[must_use]
    pub fn new(mapping: &str, loads: Vec<LoadStatus>) -> Self {
        Self {
            mapping: mapping.to_owned(),
            phase: Phase::Loading,
            pending_sweeps: 0,
            sequence: 0,
            position: None,
            lag_ms: None,
            checkpoint_age_ms: 0,
            halted: None,
            waiting: None,
            outbox_bytes: 0,
            outbox_bytes_max: 0,
            outbox_added_bytes: 0,
            applying: None,
            latency: None,
            loads,
        }
    }
}

/// First load of one target table.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LoadStatus {
    /// Its name.
    pub table: String,
    /// Rows loaded.
    pub row_count: u64,
    /// Bytes of data in them; those of earlier runs are not counted.
    #[serde(default)]
    pub byte_count: u64,
    /// Anchors derived.
    pub anchor_count: u64,
    /// Estimate of all anchors.
    pub anchor_estimate: u64,
    /// Whether the load of this table is complete.
    pub done: bool,
    /// Whether this is not its first load: everything is derived again and compared with what the target shows.
    #[serde(default)]
    pub is_again: bool,
    /// Rows per second over the last minute; absent while none are loaded.
    #[serde(default)]
    pub rows_per_s: Option<u64>,
    /// Seconds until it is complete; absent before 1 %.
    #[serde(default)]
    pub left_s: Option<u64>,
}

impl LoadStatus {
    /// Whether nothing of it is to come, where its mapping is in a phase: a live one is loaded, unless it is derived again.
    #[must_use]
    pub fn is_over(&self, phase: Phase) -> bool {
        self.done || (phase == Phase::Live && !self.is_again)
    }

    /// The same table before it is derived again.
    #[must_use]
    pub fn begun_again(&self) -> Self {
        let (table, anchor_estimate) = (self.table.clone(), self.anchor_estimate);
        Self { table, anchor_estimate, is_again: true, ..Self::default() }
    }
}

struct Inner {
    status: EngineStatus,
    started: Instant,
    checkpoint_at: Vec<Instant>,
    /// Per mapping, the source's commit time of what its target contains.
    contained_at_us: Vec<i64>,
    /// Per mapping, since when its target is known to lack something, where no commit time is known.
    behind_since: Vec<Option<Instant>>,
    newest: Option<Position>,
    /// Why a part of the stream waits.
    source_waits: Option<String>,
    /// Per source with limits, what held its readers back last, and until when that is true.
    throttles: BTreeMap<String, Throttled>,
    /// By table, by mapping and target table, or of the sweep: rows, and what they are counted against.
    paces: BTreeMap<(Option<usize>, usize), (Pace, Pace)>,
    times: Times,
}

/// The shared picture.
#[derive(Clone)]
pub struct Board {
    inner: Arc<Mutex<Inner>>,
    meters: Arc<Meters>,
}

/// Microseconds since 1970 by this machine's clock; for display only.
#[must_use]
pub fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

impl Board {
    /// A board over the given tables and mappings.
    #[must_use]
    pub fn new(tables: Vec<TableStatus>, mappings: Vec<MappingStatus>) -> Self {
        let checkpoint_at = mappings.iter().map(|_| Instant::now()).collect();
        let contained_at_us = mappings.iter().map(|_| 0).collect();
        let behind_since = mappings.iter().map(|_| None).collect();
        let status = EngineStatus {
            format_version: 1,
            pid: std::process::id(),
            uptime_s: 0,
            stage: Stage::Snapshot,
            waiting: None,
            throttles: Vec::new(),
            filling: None,
            sweep: None,
            forecast: None,
            applied: None,
            transaction_count: 0,
            change_count: 0,
            write_count: 0,
            spool_bytes: 0,
            outbox_bytes: 0,
            state_bytes: 0,
            held_logs: Vec::new(),
            event_bytes_max: 0,
            spilled_change_count: 0,
            state_hit_count: 0,
            state_miss_count: 0,
            stages: Vec::new(),
            tables,
            mappings,
            load_stages: Vec::new(),
            load_steps: Vec::new(),
        };
        let meters = Arc::new(Meters::new(status.mappings.len()));
        let inner = Inner {
            status,
            started: Instant::now(),
            checkpoint_at,
            contained_at_us,
            behind_since,
            newest: None,
            source_waits: None,
            throttles: BTreeMap::new(),
            paces: BTreeMap::new(),
            times: Times::default(),
        };
        Self { inner: Arc::new(Mutex::new(inner)), meters }
    }

    /// What is measured on the way of a change.
    #[must_use]
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    fn with<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the picture.
    pub fn update(&self, change: impl FnOnce(&mut EngineStatus)) {
        self.with(|inner| change(&mut inner.status));
    }

    /// Says why the engine waits, or that it does not.
    pub fn waiting(&self, reason: Option<String>) {
        self.update(|status| status.waiting = reason);
    }

    /// A stage of the first load begins.
    pub fn enter(&self, stage: Stage) {
        self.with(|inner| {
            inner.status.stage = stage;
            inner.times.enter(stage);
        });
    }

    /// A step of the first load took so long for so many rows.
    pub fn took(&self, step: LoadStep, time: Duration, row_count: u64) {
        self.with(|inner| inner.times.took(step, time, row_count));
    }

    /// So many more rows are in the indexes or groups that are being filled.
    pub fn filled(&self, of: &str, rows: u64, row_estimate: u64) {
        self.update(|status| {
            let before = status.filling.take().filter(|filling| filling.of == of).map_or(0, |filling| filling.row_count);
            status.filling = Some(FillingStatus { of: of.to_owned(), row_count: before + rows, row_estimate });
        });
    }

    /// Says why a mapping waits for its target, or that it does not.
    pub fn waiting_for(&self, mapping: usize, reason: Option<String>) {
        self.update(|status| {
            if let Some(mapping) = status.mappings.get_mut(mapping) {
                mapping.waiting = reason;
            }
        });
    }

    /// Says why one of several sources is waited for while the others go on, or that none is.
    pub fn source_waits(&self, reason: Option<String>) {
        self.with(|inner| inner.source_waits = reason);
    }

    /// How far the stream has shown what happened at the source; a heartbeat shows nothing.
    pub fn saw(&self, position: &Position) {
        self.with(|inner| inner.show_newest(position));
    }

    /// A mapping's checkpoint row was written; its target contains what the source had committed at `contained_at_us`.
    pub fn checkpoint_written(&self, mapping: usize, contained_at_us: i64, change: impl FnOnce(&mut MappingStatus)) {
        self.with(|inner| {
            if let Some(at) = inner.checkpoint_at.get_mut(mapping) {
                *at = Instant::now();
            }
            if let Some(at) = inner.contained_at_us.get_mut(mapping) {
                *at = contained_at_us;
            }
            if let Some(status) = inner.status.mappings.get_mut(mapping) {
                change(status);
            }
            inner.show_contained(mapping);
        });
    }

    /// The picture now.
    #[must_use]
    pub fn snapshot(&self) -> EngineStatus {
        let mut status = self.pictured();
        status.stages = StageStatus::all(&self.meters);
        (status.event_bytes_max, status.spilled_change_count) = self.meters.taken();
        (status.state_hit_count, status.state_miss_count) = self.meters.state_reads().hits_and_misses();
        for (mapping, status) in status.mappings.iter_mut().enumerate() {
            status.latency = LatencyStatus::of(&self.meters, mapping);
        }
        status
    }

    fn pictured(&self) -> EngineStatus {
        self.with(|inner| {
            let mut status = inner.status.clone();
            status.uptime_s = inner.started.elapsed().as_secs();
            (status.load_stages, status.load_steps) = (inner.times.stages(), inner.times.steps());
            let waiting = || status.mappings.iter().find_map(|mapping| mapping.waiting.clone());
            status.waiting = status.waiting.clone().or_else(|| inner.source_waits.clone()).or_else(waiting);
            inner.show_paces(&mut status);
            status.throttles = inner.throttles.iter().map(throttle_status).collect();
            for (place, (mapping, at)) in status.mappings.iter_mut().zip(&inner.checkpoint_at).enumerate() {
                mapping.checkpoint_age_ms = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
                mapping.lag_ms = inner.lag_ms(place, mapping.position.as_ref());
            }
            status
        })
    }
}
