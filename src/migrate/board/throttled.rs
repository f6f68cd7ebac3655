//! Held back and on the way: how gently each source is read, and how fast a first load goes, as the board tells it.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Board, EngineStatus, Inner};
use crate::migrate::pace::left_s;
use crate::source::limits::Limits;
use crate::state::meta::Stage;

/// The limits of one source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ThrottleStatus {
    /// Its name.
    pub source: String,
    /// The limits that hold now.
    pub limits: Limits,
    /// Why no chunk is begun, if none is.
    pub throttled: Option<String>,
    /// How long readers were held back since the start, all of them together.
    pub held_ms: u64,
}

/// What the board keeps of a source's limits.
pub(super) struct Throttled {
    limits: Limits,
    reason: Option<(Instant, String)>,
    held: Duration,
}

/// How long the reason of a wait is shown behind its end: the next chunk of a reader that is held back all the time waits again soon.
const SHOWN_FOR: Duration = Duration::from_millis(1_500);

impl ThrottleStatus {
    /// As people read it, e.g. `4 connections, max_load Threads_running=25; throttled: Threads_running is 31, above 25`.
    #[must_use]
    pub fn words(&self) -> String {
        let throttled = self.throttled.as_ref().map_or_else(String::new, |reason| format!("; throttled: {reason}"));
        format!("{}{throttled}", self.limits.words())
    }
}

/// As the status has it.
pub(super) fn throttle_status((source, throttled): (&String, &Throttled)) -> ThrottleStatus {
    let reason = throttled.reason.as_ref().filter(|(until, _)| *until > Instant::now());
    ThrottleStatus {
        source: source.clone(),
        limits: throttled.limits.clone(),
        throttled: reason.map(|(_, reason)| reason.clone()),
        held_ms: u64::try_from(throttled.held.as_millis()).unwrap_or(u64::MAX),
    }
}

/// The place of the sweep among what has a pace.
const SWEEP: (Option<usize>, usize) = (None, usize::MAX);

impl Inner {
    pub(super) fn show_paces(&mut self, status: &mut EngineStatus) {
        let now = Instant::now();
        let mut look = |place, rows, part, whole| {
            let (of_rows, of_parts) = self.paces.entry(place).or_default();
            let (rate, parts) = (of_rows.look(now, rows), of_parts.look(now, part));
            (rate.filter(|rate| *rate >= 0.5).map(|rate| rate.round() as u64), left_s(part, whole, parts))
        };
        if status.stage == Stage::Snapshot {
            for (index, table) in status.tables.iter_mut().enumerate() {
                let (part, whole) = table.parts();
                (table.rows_per_s, table.left_s) = look((None, index), table.row_count, part, whole);
            }
        }
        if let Some(sweep) = &mut status.sweep {
            (_, sweep.left_s) = look(SWEEP, sweep.row_count, sweep.row_count, sweep.row_total);
        }
        for (mapping, status) in status.mappings.iter_mut().enumerate() {
            for (index, load) in status.loads.iter_mut().enumerate().filter(|(_, load)| !load.done) {
                let whole = load.anchor_estimate.max(load.anchor_count);
                (load.rows_per_s, load.left_s) = look((Some(mapping), index), load.row_count, load.anchor_count, whole);
            }
        }
    }
}

impl Board {
    /// The limits of a source as they hold from now on.
    pub fn limited(&self, source: &str, limits: Limits) {
        self.with(|inner| match inner.throttles.get_mut(source) {
            Some(throttled) => throttled.limits = limits,
            None => {
                inner.throttles.insert(source.to_owned(), Throttled { limits, reason: None, held: Duration::ZERO });
            }
        });
    }

    /// A reader of a source is held back for so long, and why.
    pub fn throttled(&self, source: &str, reason: String, wait: Duration) {
        self.with(|inner| {
            if let Some(throttled) = inner.throttles.get_mut(source) {
                throttled.reason = Some((Instant::now() + wait + SHOWN_FOR, reason));
                throttled.held += wait;
            }
        });
    }
}
