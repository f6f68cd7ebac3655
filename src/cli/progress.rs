//! Progress: what a running engine shows on stderr: bars on a terminal, else one status block every 30 seconds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::printer::Printer;
use super::status_text;
use super::summary::summary;
use super::text;
use crate::migrate::board::{LoadStatus, TableStatus};
use crate::migrate::{Board, EngineStatus};
use crate::state::meta::Stage;

const BLOCK_EVERY: Duration = Duration::from_secs(30);
const FIRST_BLOCK_AFTER: Duration = Duration::from_secs(2);
const FRAME_EVERY: Duration = Duration::from_millis(250);
/// Bars at once: more than a screen is no overview.
const BARS_MAX: usize = 8;

/// A showing task; ends, and clears the bars, when dropped.
pub struct Shown {
    task: tokio::task::JoinHandle<()>,
    told: Told,
}

/// Says what a first load was, once.
#[derive(Clone)]
struct Told {
    board: Board,
    printer: Printer,
    is_told: Arc<AtomicBool>,
}

impl Told {
    fn look(&self) {
        if let Some(summary) = (!self.is_told.load(Ordering::Relaxed)).then(|| summary(&self.board.snapshot())).flatten()
            && !self.is_told.swap(true, Ordering::Relaxed)
        {
            self.printer.note(&summary);
        }
    }
}

impl Shown {
    /// The engine has ended: what was not said yet is said.
    pub fn finish(self) {
        self.told.look();
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.task.abort();
        // A terminal that went away needs no clearing.
        let _ = self.told.printer.bars.clear();
    }
}

/// Shows the progress of an engine until the answer is dropped.
#[must_use]
pub fn show(board: Board, printer: Printer) -> Shown {
    let told = Told { board: board.clone(), printer: printer.clone(), is_told: Arc::default() };
    let shown = told.clone();
    let task = tokio::spawn(async move {
        if printer.has_terminal() {
            let mut screen = Screen::new(printer);
            loop {
                screen.draw(&board.snapshot());
                told.look();
                tokio::time::sleep(FRAME_EVERY).await;
            }
        }
        // The first block would say nothing yet.
        let mut next = Instant::now() + FIRST_BLOCK_AFTER;
        loop {
            tokio::time::sleep(FRAME_EVERY).await;
            told.look();
            if Instant::now() >= next {
                printer.note(&status_text::block(&board.snapshot()));
                next = Instant::now() + BLOCK_EVERY;
            }
        }
    });
    Shown { task, told: shown }
}

/// The bars on a terminal.
struct Screen {
    printer: Printer,
    stage: Option<Stage>,
    since: Instant,
    bars: BTreeMap<String, ProgressBar>,
}

impl Screen {
    fn new(printer: Printer) -> Self {
        Self { printer, stage: None, since: Instant::now(), bars: BTreeMap::new() }
    }

    fn draw(&mut self, status: &EngineStatus) {
        if self.stage != Some(status.stage) {
            self.close_stage(status);
        }
        match status.stage {
            Stage::Snapshot => self.snapshot(status),
            Stage::CatchUp => self
                .line("catch-up", format!("catching up with what changed meanwhile, spool {}", text::bytes(status.spool_bytes))),
            Stage::Load => self.load(status),
            Stage::Live => self.line("live", status_text::block(status)),
        }
        match &status.filling {
            Some(filling) => {
                let length = filling.row_estimate.max(filling.row_count);
                self.bar("~filling", filling.row_count, length, status_text::filling(filling));
            }
            None => self.remove("~filling"),
        }
        for throttle in &status.throttles {
            let name = format!("~throttled {}", throttle.source);
            match &throttle.throttled {
                Some(reason) if status.stage != Stage::Live => {
                    self.line(&name, format!("throttled: {reason} (source {})", throttle.source));
                }
                _ => self.remove(&name),
            }
        }
        match &status.waiting {
            Some(reason) if status.stage != Stage::Live => self.line("~waiting", format!("waiting: {reason}")),
            _ => self.remove("~waiting"),
        }
    }

    /// Replaces the bars of a stage that is over by one line.
    fn close_stage(&mut self, status: &EngineStatus) {
        for (_, bar) in std::mem::take(&mut self.bars) {
            bar.finish_and_clear();
            self.printer.bars.remove(&bar);
        }
        let took = text::duration_ms(u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX));
        match self.stage {
            Some(Stage::Snapshot) => {
                let rows: u64 = status.tables.iter().map(|table| table.row_count).sum();
                let tables = text::counted(status.tables.len() as u64, "legacy table");
                self.printer.note(&format!("snapshot: {tables}, {} in {took}", text::counted(rows, "row")));
            }
            Some(Stage::Load) => {
                let rows: u64 = status.mappings.iter().flat_map(|mapping| &mapping.loads).map(|load| load.row_count).sum();
                self.printer.note(&format!("load: {} in {took}", text::counted(rows, "row")));
            }
            Some(Stage::CatchUp) => self.printer.note(&format!("catch-up: {took}")),
            Some(Stage::Live) | None => {}
        }
        self.stage = Some(status.stage);
        self.since = Instant::now();
    }

    fn snapshot(&mut self, status: &EngineStatus) {
        let done = |table: &TableStatus| table.chunks_total.is_some_and(|total| table.chunks_done >= total);
        let finished = status.tables.iter().filter(|table| done(table)).count();
        let rows: u64 = status.tables.iter().map(|table| table.row_count).sum();
        let bytes: u64 = status.tables.iter().map(|table| table.byte_count).sum();
        let rate = status.tables.iter().filter_map(|table| table.rows_per_s).reduce(|sum, rate| sum + rate);
        let left_s = status.forecast.as_ref().and_then(|forecast| forecast.left_s);
        // What is left is told of the whole load, which is what is waited for.
        let left = left_s
            .map_or_else(String::new, |seconds| format!(", {} until live", text::duration_ms(seconds.saturating_mul(1_000))));
        let held = status_text::amount((rows, bytes), rate, None);
        let total = format!("{finished} of {} legacy tables, {held}{left}", status.tables.len());
        self.bar(" snapshot", finished as u64, status.tables.len() as u64, total);
        for table in &status.tables {
            let name = table.table.rsplit('.').next().unwrap_or_default();
            // A table of one chunk has nothing to show on the way, and one that nobody has begun neither.
            let is_shown = table.chunks_total.map_or(table.row_count > 0, |total| total > 1 && !done(table));
            if !is_shown || (self.bars.len() > BARS_MAX && !self.bars.contains_key(name)) {
                self.remove(name);
            } else {
                let of = table
                    .chunks_total
                    .map(|total| format!("{} of {}, ", table.chunks_done, text::counted(u64::from(total), "chunk")));
                let held = (table.row_count, table.byte_count);
                let message = of.unwrap_or_default() + &status_text::amount(held, table.rows_per_s, table.left_s);
                let (part, whole) = table.parts();
                self.bar(name, part, whole.max(part), message);
            }
        }
    }

    fn load(&mut self, status: &EngineStatus) {
        for load in status.mappings.iter().flat_map(|mapping| &mapping.loads) {
            let message = load_message(load);
            let length = if load.done { load.anchor_count } else { load.anchor_estimate.max(load.anchor_count) };
            self.bar(&load.table, load.anchor_count, length, message);
        }
    }

    fn bar(&mut self, name: &str, position: u64, length: u64, message: String) {
        let bars = &self.printer.bars;
        let bar = self.bars.entry(name.to_owned()).or_insert_with(|| {
            let style =
                ProgressStyle::with_template("{prefix:24!} {bar:30} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            bars.add(ProgressBar::new(length).with_style(style.progress_chars("█▉▊▋▌▍▎▏ ")).with_prefix(name.trim().to_owned()))
        });
        bar.set_length(length);
        bar.set_position(position.min(length));
        bar.set_message(message);
    }

    fn line(&mut self, name: &str, message: String) {
        let bars = &self.printer.bars;
        let bar = self.bars.entry(name.to_owned()).or_insert_with(|| {
            let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            bars.add(ProgressBar::new_spinner().with_style(style))
        });
        bar.set_message(message);
        bar.tick();
    }

    fn remove(&mut self, name: &str) {
        if let Some(bar) = self.bars.remove(name) {
            bar.finish_and_clear();
            self.printer.bars.remove(&bar);
        }
    }
}

fn load_message(load: &LoadStatus) -> String {
    let held = (load.row_count, load.byte_count);
    match load.done {
        true => format!("{}, done", status_text::amount(held, None, None)),
        false => status_text::amount(held, load.rows_per_s, load.left_s),
    }
}
