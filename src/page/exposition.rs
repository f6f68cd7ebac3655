//! The exposition: a board as OpenMetrics text, version 1.0.0.
//!
//! Families stand together, each with its type, unit and help before its samples; durations are in seconds, sizes in bytes.

use std::fmt::{Display, Write};

use crate::migrate::board::{Board, EngineStatus, MappingStatus};
use crate::migrate::histogram::Counted;
use crate::migrate::meters::{Meters, Stage};
use crate::state::meta;
use crate::target::Phase;

/// The bounds of published buckets: powers of two of a microsecond, 64 us to 67 s.
const POWERS: std::ops::RangeInclusive<u32> = 6..=26;

const ENGINE_STAGES: [(meta::Stage, &str); 4] = [
    (meta::Stage::Snapshot, "snapshot"),
    (meta::Stage::CatchUp, "catch-up"),
    (meta::Stage::Load, "load"),
    (meta::Stage::Live, "live"),
];

/// The whole text of a board.
#[must_use]
pub fn exposition(board: &Board) -> String {
    let (status, meters) = (board.snapshot(), board.meters());
    let mut text = Text::default();
    engine(&mut text, &status);
    mappings(&mut text, &status);
    durations(&mut text, &status, meters);
    held_logs(&mut text, &status);
    process(&mut text);
    text.finish()
}

fn engine(text: &mut Text, status: &EngineStatus) {
    text.family("strangler_engine", "info", "", "The engine that answers.");
    text.sample("strangler_engine_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.family("strangler_stage", "stateset", "", "How far the engine is.");
    for (stage, name) in ENGINE_STAGES {
        text.sample("strangler_stage", &[("strangler_stage", name)], u8::from(stage == status.stage));
    }
    text.gauge("strangler_uptime_seconds", "seconds", "Since the engine started.", status.uptime_s);
    text.gauge("strangler_waiting", "", "Whether the engine waits for a database.", u8::from(status.waiting.is_some()));
    text.counter("strangler_source_transactions", "", "Source transactions with mapped rows taken in.", status.transaction_count);
    text.counter("strangler_source_changes", "", "Changed legacy rows taken in.", status.change_count);
    let help = "Changed legacy rows that went to disk: their transactions were too large for memory.";
    text.counter("strangler_spilled_changes", "", help, status.spilled_change_count);
    let help = "Reads of stored entries that memory answered, since the engine is live.";
    text.counter("strangler_state_hits", "", help, status.state_hit_count);
    let help = "Reads of stored entries for which the store was searched, since the engine is live.";
    text.counter("strangler_state_misses", "", help, status.state_miss_count);
    let help = "The most memory that one source transaction took.";
    text.gauge("strangler_event_max_bytes", "bytes", help, status.event_bytes_max);
    text.counter(
        "strangler_target_writes",
        "",
        "Rows written to or deleted from targets, the load not counted.",
        status.write_count,
    );
    text.gauge("strangler_spool_bytes", "bytes", "The spool of the backfill.", status.spool_bytes);
    text.gauge("strangler_state_bytes", "bytes", "The state on disk.", status.state_bytes);
}

fn mappings(text: &mut Text, status: &EngineStatus) {
    let mut family = |name: &str, unit: &str, help: &str, value: &dyn Fn(&MappingStatus) -> Option<f64>| {
        text.family(name, "gauge", unit, help);
        for mapping in &status.mappings {
            if let Some(value) = value(mapping) {
                text.sample(name, &[("mapping", &mapping.mapping)], value);
            }
        }
    };
    let is_up = |mapping: &MappingStatus| f64::from(u8::from(mapping.halted.is_none() && mapping.phase == Phase::Live));
    family("strangler_mapping_up", "", "Whether the mapping is live and runs.", &|mapping| Some(is_up(mapping)));
    family(
        "strangler_lag_seconds",
        "seconds",
        "Since the source committed the newest that the target contains; 0 when it has all.",
        &|mapping| mapping.lag_ms.map(|ms| ms as f64 / 1e3),
    );
    family("strangler_checkpoint_age_seconds", "seconds", "Since the checkpoint row was written.", &|mapping| {
        Some(mapping.checkpoint_age_ms as f64 / 1e3)
    });
    family("strangler_checkpoint_sequence", "", "Sequence of the checkpoint row.", &|mapping| Some(mapping.sequence as f64));
    let help = "Deferred changes under way by the checkpoint row; 0 when the tables are exact.";
    family("strangler_pending_sweeps", "", help, &|mapping| Some(f64::from(mapping.pending_sweeps)));
    family("strangler_outbox_bytes", "bytes", "Writes that wait for the target.", &|mapping| Some(mapping.outbox_bytes as f64));
    family("strangler_outbox_limit_bytes", "bytes", "From so many on the mapping only marks what changes.", &|mapping| {
        (mapping.outbox_bytes_max > 0).then_some(mapping.outbox_bytes_max as f64)
    });
    let forecast_of = |mapping: &MappingStatus| {
        let outboxes = status.forecast.iter().flat_map(|forecast| &forecast.outboxes);
        outboxes.filter(|outbox| outbox.mapping == mapping.mapping).find_map(|outbox| outbox.full_in_s)
    };
    let help = "Until the outbox is at its limit at the rates of the last minute; absent unless it fills.";
    family("strangler_outbox_full_seconds", "seconds", help, &|mapping| forecast_of(mapping).map(|seconds| seconds as f64));
}

fn durations(text: &mut Text, status: &EngineStatus, meters: &Meters) {
    let name = "strangler_commit_to_visible_seconds";
    let help = "From the source's commit to the moment the target shows it, per transaction.";
    text.family(name, "histogram", "seconds", help);
    for (mapping, entry) in status.mappings.iter().enumerate() {
        if let Some(counted) = meters.latency(mapping) {
            text.histogram(name, &[("mapping", &entry.mapping), ("counted_from", meters.clock().name())], &counted);
        }
    }
    let name = "strangler_stage_duration_seconds";
    text.family(name, "histogram", "seconds", "Time on the way of a change, per transaction or epoch.");
    for stage in Stage::ALL {
        if let Some(counted) = meters.stage(stage) {
            text.histogram(name, &[("stage", stage.name())], &counted);
        }
    }
}

fn held_logs(text: &mut Text, status: &EngineStatus) {
    let name = "strangler_held_log_bytes";
    text.family(name, "gauge", "bytes", "Log that a source keeps for the engine.");
    for held in &status.held_logs {
        text.sample(name, &[("source", &held.source), ("slot", &held.slot)], held.held_bytes);
    }
}

/// What the operating system says of this process; nothing where it says nothing.
fn process(text: &mut Text) {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return };
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    if let Some(now) = kib("VmRSS:") {
        text.gauge("process_resident_memory_bytes", "bytes", "Resident memory.", now * 1_024);
    }
    if let Some(peak) = kib("VmHWM:") {
        text.gauge("process_resident_memory_peak_bytes", "bytes", "The most resident memory so far.", peak * 1_024);
    }
}

/// A text in the making.
#[derive(Default)]
struct Text(String);

impl Text {
    /// The head of a family.
    fn family(&mut self, name: &str, kind: &str, unit: &str, help: &str) {
        self.line(format_args!("# TYPE {name} {kind}"));
        if !unit.is_empty() {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        self.line(format_args!("# HELP {name} {}", escaped(help)));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        match labels.is_empty() {
            true => self.line(format_args!("{name} {value}")),
            false => self.line(format_args!("{name}{{{}}} {value}", labels.join(","))),
        }
    }

    fn gauge(&mut self, name: &str, unit: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", unit, help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, unit: &str, help: &str, value: u64) {
        self.family(name, "counter", unit, help);
        self.sample(&format!("{name}_total"), &[], value);
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], counted: &Counted) {
        let count = counted.count();
        let bounds = POWERS.map(|power| ((1_u64 << power) as f64 / 1e6, counted.count_within(power)));
        for (bound, within) in bounds {
            let bound = bound.to_string();
            self.sample(&format!("{name}_bucket"), &[labels, &[("le", &bound)]].concat(), within);
        }
        self.sample(&format!("{name}_bucket"), &[labels, &[("le", "+Inf")]].concat(), count);
        self.sample(&format!("{name}_sum"), labels, counted.total_us as f64 / 1e6);
        self.sample(&format!("{name}_count"), labels, count);
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "{line}");
    }

    fn finish(mut self) -> String {
        self.0.push_str("# EOF\n");
        self.0
    }
}

/// A label's value or a help text, as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
