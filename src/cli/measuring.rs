//! Measuring: beside a running engine, what it cannot know by itself: sizes on disk, the sources' logs, and whether both last.
//!
//! The engine is ended in order while there is still room on the disk of its state: a store whose own threads meet a full disk has to be
//! opened again before anything more can be written.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::forecasting::{ASSUMED_ROWS_PER_S, shortage_lines};
use super::opening;
use super::printer::Printer;
use super::project::Project;
use crate::config::Project as Config;
use crate::error::Error;
use crate::migrate::board::{LoadStatus, MappingStatus, now_us};
use crate::migrate::forecast::{Course, Forecast, forecast};
use crate::migrate::outbox_forecast::{Filling, outbox_forecast, outbox_shortage};
use crate::migrate::pace::{Pace, left_s};
use crate::migrate::{Board, EngineOptions, EngineStatus};
use crate::source::Source;
use crate::source::combined::Combined;
use crate::source::database::Database;
use crate::source::retention::Retention;
use crate::state::disk;
use crate::state::meta::Stage;

/// How often the disk is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Every so many looks the rest is measured.
const MEASURE_EVERY: u32 = 5;
/// Every so many looks the sources are asked for their retention.
const ASK_EVERY: u32 = 60;
/// Bytes of the state for a target row: its key and its fingerprint.
const EMITTED_BYTES: u64 = 40;

/// What is measured beside an engine; ends when dropped.
pub struct Measured {
    task: tokio::task::JoinHandle<()>,
    full: Arc<Mutex<Option<Error>>>,
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Measured {
    /// Why the engine was ended, if it was.
    #[must_use]
    pub fn full(&self) -> Option<Error> {
        self.full.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Measures until the answer is dropped; `stop` ends the engine when the disk is nearly full.
#[must_use]
pub fn measure(project: &Project, board: Board, stop: watch::Sender<bool>, printer: Printer) -> Measured {
    let full = Arc::new(Mutex::new(None));
    let mut measuring = Measuring {
        config: project.config.clone(),
        source: Arc::clone(&project.source),
        board,
        printer,
        retention: Vec::new(),
        told: Vec::new(),
        paces: Paces::default(),
    };
    let found = Arc::clone(&full);
    let task = tokio::spawn(async move {
        for look in 0_u32.. {
            if let Some(free) = disk::free_bytes(&measuring.config.state).filter(|free| disk::is_full(*free)) {
                *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(disk::full(&measuring.config.state, free));
                stop.send_replace(true);
                return;
            }
            if look % MEASURE_EVERY == 0 {
                measuring.once(look % ASK_EVERY == 0).await;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    Measured { task, full }
}

struct Measuring {
    config: Config,
    source: Arc<Combined<Database>>,
    board: Board,
    printer: Printer,
    retention: Vec<Retention>,
    /// The shortages that were told.
    told: Vec<String>,
    paces: Paces,
}

impl Measuring {
    /// Puts sizes, logs and the forecast on the board. A source that cannot be asked is the stream's concern.
    async fn once(&mut self, asks: bool) {
        let patience = LOOK_EVERY * MEASURE_EVERY;
        if let Ok(Ok(held)) = tokio::time::timeout(patience, self.source.held_logs()).await {
            self.board.update(|status| status.held_logs = held);
        }
        if asks && let Ok(Ok(kept)) = tokio::time::timeout(patience, self.source.retention()).await {
            self.retention = kept;
        }
        let config = self.config.clone();
        if let Ok(bytes) = tokio::task::spawn_blocking(move || opening::store_bytes(&config)).await {
            self.board.update(|status| status.state_bytes = bytes);
        }
        let status = self.board.snapshot();
        let forecast = self.paces.forecast(&status, disk::free_bytes(&self.config.state), self.retention.clone());
        self.tell(&forecast);
        self.board.update(|status| status.forecast = Some(forecast));
    }

    /// Each kind of shortage once.
    fn tell(&mut self, forecast: &Forecast) {
        for shortage in &forecast.shortages {
            if !self.told.contains(&shortage.of) {
                self.told.push(shortage.of.clone());
                self.printer.note(&shortage_lines(std::slice::from_ref(shortage)).join("\n"));
            }
        }
    }
}

/// What of a status grows.
#[derive(Default)]
struct Paces {
    rows: Pace,
    anchors: Pace,
    spool: Pace,
    /// By mapping: bytes that came into its outbox, and bytes that its target has taken.
    outboxes: Vec<(Pace, Pace)>,
}

impl Paces {
    fn forecast(&mut self, status: &EngineStatus, free_bytes: Option<u64>, retention: Vec<Retention>) -> Forecast {
        let now = Instant::now();
        let done: u64 = status.tables.iter().map(|table| table.row_count).sum();
        let all: u64 = status.tables.iter().map(|table| table.row_estimate.max(table.row_count)).sum();
        let loads = || status.mappings.iter().flat_map(|mapping| &mapping.loads).filter(|load| !load.done);
        let anchors: u64 = loads().map(|load| load.anchor_count).sum();
        let anchors_left: u64 = loads().map(anchors_left).sum();
        let rate = self.rows.look(now, done);
        let anchor_rate = self.anchors.look(now, anchors);
        let spool_bytes_per_s = self.spool.look(now, status.spool_bytes).map_or(0, |rate| rate.ceil() as u64);
        // What was read tells how large the rest will be once a hundredth is there.
        let is_known = done > 0 && done.saturating_mul(100) >= all;
        let read_more = if is_known { scaled(status.state_bytes, all.saturating_sub(done), done) } else { 0 };
        let emitted_more = anchors_left.saturating_mul(EMITTED_BYTES);
        let (left, state_bytes_more) = match status.stage {
            // Deriving is measured when it begins; until then it is assumed.
            Stage::Snapshot => {
                (left_s(done, all, rate).map(|left| left + all / ASSUMED_ROWS_PER_S), read_more.saturating_add(emitted_more))
            }
            Stage::CatchUp => (Some(all / ASSUMED_ROWS_PER_S), emitted_more),
            Stage::Load => (left_s(anchors, anchors + anchors_left, anchor_rate), emitted_more),
            Stage::Live => (None, 0),
        };
        let course = Course {
            left_s: left,
            spool_bytes_per_s,
            derived_bytes_per_s: 0,
            state_bytes_more,
            spool_bytes: status.spool_bytes,
            spool_bytes_max: EngineOptions::default().spool_bytes_max,
            free_bytes,
        };
        let mut found = forecast(&course, retention);
        if status.stage == Stage::Live {
            self.forecast_outboxes(now, status, free_bytes, &mut found);
        }
        found
    }

    fn forecast_outboxes(&mut self, now: Instant, status: &EngineStatus, free_bytes: Option<u64>, found: &mut Forecast) {
        self.outboxes.resize_with(status.mappings.len(), Default::default);
        let now_s = u64::try_from(now_us() / 1_000_000).unwrap_or(0);
        for (mapping, (added, taken)) in status.mappings.iter().zip(&mut self.outboxes) {
            let MappingStatus { outbox_bytes: bytes, outbox_bytes_max: bytes_max, outbox_added_bytes, .. } = *mapping;
            let in_rate = added.look(now, outbox_added_bytes);
            // What was there at the start counts as if it had come in before: only differences matter.
            let out_rate = taken.look(now, (u64::MAX / 2).saturating_add(outbox_added_bytes).saturating_sub(bytes));
            let (Some(in_rate), Some(out_rate)) = (in_rate, out_rate) else { continue };
            let filling = Filling {
                mapping: mapping.mapping.clone(),
                bytes,
                bytes_max,
                in_bytes_per_s: in_rate.round() as u64,
                out_bytes_per_s: out_rate.round() as u64,
                free_bytes,
            };
            let Some(forecast) = outbox_forecast(&filling, now_s) else { continue };
            found.shortages.extend(outbox_shortage(&filling, &forecast));
            found.outboxes.push(forecast);
        }
    }
}

fn anchors_left(load: &LoadStatus) -> u64 {
    load.anchor_estimate.saturating_sub(load.anchor_count)
}

fn scaled(bytes: u64, part: u64, of: u64) -> u64 {
    u64::try_from(u128::from(bytes) * u128::from(part) / u128::from(of.max(1))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::board::TableStatus;

    #[test]
    fn what_was_read_tells_how_large_the_state_will_be() {
        let table = TableStatus { row_count: 1_000, row_estimate: 4_000, ..TableStatus::default() };
        let board = Board::new(vec![table], Vec::new());
        board.update(|status| status.state_bytes = 50_000_000);
        let found = Paces::default().forecast(&board.snapshot(), Some(100_000_000), Vec::new());
        assert_eq!(found.disk_bytes_needed, 150_000_000);
        assert_eq!(found.shortages.len(), 1, "{found:?}");
        board.update(|status| status.tables[0].row_count = 10);
        let found = Paces::default().forecast(&board.snapshot(), Some(1), Vec::new());
        assert_eq!(found.shortages, [], "ten rows of four thousand tell nothing");
    }
}
