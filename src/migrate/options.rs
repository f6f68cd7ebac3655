//! The bounds of a running engine, each with a name and a unit.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::derive::LoadBounds;
use crate::source::limits::Limits;

/// The engine's clock, for what may last only so long; a simulator brings its own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// A clock that answers milliseconds since any fixed moment.
    #[must_use]
    pub fn new(now_ms: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_ms))
    }

    /// Milliseconds since a fixed moment.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Clock")
    }
}

impl Default for Clock {
    fn default() -> Self {
        let begun = Instant::now();
        Self::new(move || u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// Everything a run may be told.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Folder of the state; the spool and the control socket live in it too.
    pub folder: PathBuf,
    /// Ranges of a legacy table that are cut at once, a little ahead of their readers.
    pub ranges_at_once: usize,
    /// Rows of one range of a legacy table, which one worker reads in pieces and a restart finds done.
    pub range_rows_max: u32,
    /// Bytes of one range, by the width of rows that the source estimates.
    pub range_bytes_max: usize,
    /// Rows of one read of a range.
    pub read_rows_max: u32,
    /// Bytes of its rows in memory.
    pub read_bytes_max: usize,
    /// How long one read should take its source; its rows follow from that.
    pub read_time: Duration,
    /// The same of tables without versions of rows, which a read locks.
    pub read_time_locked: Duration,
    /// Chunks read at once, as far as the limits of their sources allow.
    pub connections: usize,
    /// How far the limit of connections of each source may be raised while it runs; one that is not named stays below that of its limits.
    pub connections_max: BTreeMap<String, usize>,
    /// How gently each source is read, by its name; one that is not named is read without limits.
    pub limits: BTreeMap<String, Limits>,
    /// Bytes of source changes derived in one epoch. The more of a backlog are derived together, the fewer rows are derived twice.
    pub epoch_bytes_max: usize,
    /// Bytes of a transaction from which on it is taken in slice by slice.
    pub slice_bytes_max: usize,
    /// Row changes of one slice.
    pub slice_rows_max: usize,
    /// Bytes of derived rows from which on the writes of an epoch go to the outbox in parts.
    pub part_bytes_max: usize,
    /// A change that reaches more anchors of one target table than this is hot: they are not held in memory, and derived by a sweep where the
    /// mapping has it deferred.
    pub hot_anchors_min: usize,
    /// Entries of walks that a slice of a sweep visits.
    pub sweep_keys_max: usize,
    /// Bytes of rows and index entries that are sorted in memory at once.
    pub sort_bytes_max: usize,
    /// Rows below which a batch is cheaper than a sorted run.
    pub run_rows_min: usize,
    /// Bytes of stored entries that are held in memory while the engine is live.
    pub hot_bytes_max: usize,
    /// Bytes of rows of small tables that the slices of one epoch of many changes share.
    pub shared_bytes_max: usize,
    /// An epoch of so many changes reads so many rows, some of them again and again and most of them once, that it has a memory of its own for
    /// the first, and takes the room of the hot entries, which it would push out anyway.
    pub many_changes_min: usize,
    /// Bytes of source changes between the stream and the epochs.
    pub queue_bytes_max: usize,
    /// Bytes of outbox entries that one target transaction may merge.
    pub apply_bytes_max: u64,
    /// Bytes of all outbox entries from which on the mapping that is furthest behind only marks what changes.
    pub outbox_bytes_max: u64,
    /// Bytes of a mapping's marks from which on everything counts as changed.
    pub marks_bytes_max: u64,
    /// How long the data may break a declared fact before its mapping stops.
    pub facts_grace: Duration,
    /// What measures it.
    pub clock: Clock,
    /// Bytes of the spool at which the stream pauses until the backfill is done.
    pub spool_bytes_max: u64,
    /// Anchors derived and loaded in one target transaction.
    pub load_anchors_max: usize,
    /// Slices that are copied at once, over as many connections of the target.
    pub load_connections: usize,
    /// Bytes of derived rows between the derivation and the target.
    pub load_bytes_max: usize,
    /// How long a passing fault is retried before the run ends with its error.
    pub retry_for: Duration,
    /// How old the target's checkpoint may get while nothing mapped changes.
    pub advance_every: Duration,
    /// End when every checkpoint contains the goal.
    pub until_caught_up: bool,
    /// What to do with a state or a target that does not continue.
    pub start: StartMode,
}

impl EngineOptions {
    /// What one slice of a first load derives at most: its share of the room, of which several slices on their way want one each, beside the one
    /// that is derived.
    #[must_use]
    pub fn slice_of_load(&self) -> LoadBounds {
        LoadBounds { anchors_max: self.load_anchors_max, bytes_max: self.load_bytes_max / (self.load_connections + 2) }
    }
}

/// What a run does about earlier state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartMode {
    /// Continue, or begin with empty target tables.
    Continue,
    /// New snapshot; the target becomes right by one difference.
    Rebuild,
    /// As rebuild, for non-empty tables that no engine owned.
    Adopt,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("state"),
            ranges_at_once: 8,
            range_rows_max: 100_000,
            range_bytes_max: 8 << 20,
            read_rows_max: 20_000,
            read_bytes_max: 4 << 20,
            read_time: Duration::from_millis(200),
            read_time_locked: Duration::from_millis(50),
            connections: 4,
            connections_max: BTreeMap::new(),
            limits: BTreeMap::new(),
            epoch_bytes_max: 48 << 20,
            slice_bytes_max: 8 << 20,
            slice_rows_max: 10_000,
            part_bytes_max: 8 << 20,
            hot_anchors_min: 100_000,
            sweep_keys_max: 4_096,
            sort_bytes_max: 48 << 20,
            run_rows_min: 2_000,
            hot_bytes_max: 48 << 20,
            shared_bytes_max: 16 << 20,
            many_changes_min: 4_096,
            queue_bytes_max: 8 << 20,
            apply_bytes_max: 8 << 20,
            outbox_bytes_max: 8 << 30,
            marks_bytes_max: 256 << 20,
            facts_grace: Duration::from_secs(10),
            clock: Clock::default(),
            spool_bytes_max: 64 << 30,
            load_anchors_max: 8_192,
            load_connections: 3,
            load_bytes_max: 32 << 20,
            retry_for: Duration::from_secs(600),
            advance_every: Duration::from_millis(250),
            until_caught_up: false,
            start: StartMode::Continue,
        }
    }
}
