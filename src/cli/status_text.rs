//! The status of a running engine as text: the block that `run` shows and the report that `status` prints.

use super::forecasting::{kept_words, shortage_lines};
use super::summary::summary;
use super::text;
use crate::migrate::EngineStatus;
use crate::migrate::board::{ApplyingStatus, FillingStatus, MappingStatus, ThrottleStatus};
use crate::migrate::forecast::Forecast;
use crate::migrate::meters::{Durations, LatencyStatus, StageStatus};
use crate::migrate::outbox_forecast::OutboxForecast;
use crate::source::HeldLog;
use crate::source::limits::Limits;
use crate::state::meta::Stage;
use crate::state::standing::Standing;
use crate::target::Phase;

/// The word for a stage.
#[must_use]
pub fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Snapshot => "snapshot",
        Stage::CatchUp => "catch-up",
        Stage::Load => "load",
        Stage::Live => "live",
    }
}

/// The word for a phase.
#[must_use]
pub fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Loading => "loading",
        Phase::Live => "live",
    }
}

/// A few lines: stage and clocks, source, state, target, and why something waits.
#[must_use]
pub fn block(status: &EngineStatus) -> String {
    let mut lines = vec![headline(status)];
    let position = status.applied.as_ref().map_or_else(|| "not started".to_owned(), ToString::to_string);
    lines.push(format!(
        "  source   {position}, {}, {}",
        text::counted(status.transaction_count, "transaction"),
        text::counted(status.change_count, "changed row")
    ));
    if let Some(backfill) = backfill(status) {
        lines.push(format!("  backfill {backfill}"));
    }
    lines.extend(under_way(status));
    lines.extend(status.throttles.iter().filter(|throttle| is_told(status, throttle)).map(|throttle| {
        let of = if status.throttles.len() > 1 { format!("{}: ", throttle.source) } else { String::new() };
        format!("  limits   {of}{}", throttle.words())
    }));
    let hits = text::percent(status.state_hit_count, status.state_hit_count + status.state_miss_count);
    lines.push(format!(
        "  state    {} on disk, spool {}, outbox {}{}",
        text::bytes(status.state_bytes),
        text::bytes(status.spool_bytes),
        text::bytes(status.outbox_bytes),
        hits.map_or_else(String::new, |hits| format!("; {hits} of reads from memory"))
    ));
    lines.extend(status.sweep.iter().map(|sweep| {
        if sweep.row_total == 0 {
            let done = text::counted(sweep.row_count, "row");
            return format!(
                "  sweep    {}: {done} derived of what one change reaches; the others follow between changes",
                sweep.mapping
            );
        }
        let percent = text::percent(sweep.row_count, sweep.row_total).unwrap_or_default();
        let (done, total) = (text::grouped(sweep.row_count), text::counted(sweep.row_total, "row"));
        let left = sweep.left_s.map(|seconds| format!(", about {} left", text::duration_ms(seconds.saturating_mul(1_000))));
        let left = left.unwrap_or_default();
        format!("  sweep    {}: {done} of {total} that one change reaches are derived, {percent}{left}", sweep.mapping)
    }));
    lines.extend(status.forecast.as_ref().filter(|_| status.stage < Stage::Live).into_iter().flat_map(forecast_lines));
    lines.extend(status.held_logs.iter().flat_map(held_lines));
    lines.push(format!("  target   {} written", text::counted(status.write_count, "row")));
    for mapping in &status.mappings {
        if let Some(halted) = &mapping.halted {
            lines.extend(halted_lines(&mapping.mapping, halted));
            continue;
        }
        lines.push(format!(
            "  mapping  {}: {}, lag {}, checkpoint {} old",
            mapping.mapping,
            phase_name(mapping.phase),
            lag(mapping),
            text::duration_ms(mapping.checkpoint_age_ms)
        ));
        if mapping.pending_sweeps > 0 {
            lines.push(
                "           a deferred change is under way: its rows are not all there yet, and `verify` confirms nothing"
                    .to_owned(),
            );
        }
        lines.extend(mapping.applying.as_ref().map(applying));
        let forecasts = status.forecast.iter().flat_map(|forecast| &forecast.outboxes);
        lines.extend(forecasts.filter(|forecast| forecast.mapping == mapping.mapping).map(outbox));
        lines.extend(mapping.latency.as_ref().map(latency));
    }
    if let Some(reason) = &status.waiting {
        lines.push(format!("  waiting  {reason}"));
    }
    lines.join("\n")
}

/// The log that a source keeps for the engine, and a warning before that harms it.
#[must_use]
pub fn held_lines(held: &HeldLog) -> Vec<String> {
    let left = match (held.safe_bytes, held.limit_bytes) {
        (Some(safe), _) => format!(", {} until the server gives it up", text::bytes(u64::try_from(safe).unwrap_or(0))),
        (None, Some(limit)) => format!(", limit {}", text::bytes(limit)),
        (None, None) => String::new(),
    };
    let (bytes, unconfirmed) = (text::bytes(held.held_bytes), text::bytes(held.unconfirmed_bytes));
    let mut lines = vec![format!(
        "  slot     {} on {}: {}, holds {bytes} of log, {unconfirmed} not confirmed{left}",
        held.slot, held.source, held.wal_status
    )];
    lines.extend(held.warning.as_ref().map(|warning| format!("           warning: {warning}")));
    lines
}

/// How long the load still takes, what of the disk it needs, and what may not last.
fn forecast_lines(forecast: &Forecast) -> Vec<String> {
    let time = |seconds: u64| text::duration_ms(seconds.saturating_mul(1_000));
    let behind = forecast.catch_up_s.filter(|seconds| *seconds > 0);
    let behind = behind.map_or_else(String::new, |seconds| format!(", and {} to catch up behind it", time(seconds)));
    let left = forecast.left_s.map(|seconds| format!("about {} left{behind}", time(seconds)));
    let free = forecast.disk_bytes_free.map(|free| format!(", {} are free", text::bytes(free))).unwrap_or_default();
    let disk = format!("{} more on disk{free}", text::bytes(forecast.disk_bytes_needed));
    let mut lines = vec![format!("  forecast {}", left.into_iter().chain([disk]).collect::<Vec<_>>().join("; "))];
    lines.extend(forecast.retention.iter().map(|kept| format!("  log      {}", kept_words(kept))));
    lines.extend(shortage_lines(&forecast.shortages));
    lines
}

/// `12,000/s`, and how long it takes until the end.
fn pace(rows_per_s: Option<u64>, left_s: Option<u64>) -> [String; 2] {
    let rate = rows_per_s.map_or_else(String::new, |rate| format!("{}/s", text::grouped(rate)));
    [rate, left_s.map_or_else(String::new, |seconds| text::duration_ms(seconds.saturating_mul(1_000)))]
}

/// Limits are told while chunks are read, where there are any but the number of connections.
fn is_told(status: &EngineStatus, throttle: &ThrottleStatus) -> bool {
    let connections = throttle.limits.connections;
    let is_limited = throttle.limits != Limits { connections, ..Limits::default() };
    throttle.throttled.is_some() || (is_limited && status.stage == Stage::Snapshot)
}

/// How a mapping stands that does not run, and what can be done.
#[must_use]
pub fn halted_lines(mapping: &str, halted: &Standing) -> Vec<String> {
    let changes = if halted.everything { "everything is derived again when it goes on" } else { "what changes is marked" };
    let mut lines = vec![format!("  mapping  {mapping}: {} since {}, {changes}", halted.cause.word(), halted.position)];
    lines.push(format!("           {}", halted.reason));
    lines.extend(halted.hint.as_ref().map(|hint| format!("           {hint}")));
    lines
}

fn headline(status: &EngineStatus) -> String {
    format!("{}  up {}  pid {}", stage_name(status.stage), text::duration_ms(status.uptime_s.saturating_mul(1_000)), status.pid)
}

/// How long commits took to become visible, and from where that is counted.
fn latency(latency: &LatencyStatus) -> String {
    let Durations { count, p50_us, p99_us, max_us, .. } = latency.durations;
    let from = match latency.counted_from.as_str() {
        "arrival" => "arrival (the source's log counts commits in whole seconds)",
        _ => "the source's commit",
    };
    let [p50, p99, max] = [p50_us, p99_us, max_us].map(text::duration_us);
    format!("           visible {p50} (p50), {p99} (p99), {max} (max) after {from}, over {}", text::counted(count, "transaction"))
}

/// A transaction too large for memory on its way into the target.
fn applying(applying: &ApplyingStatus) -> String {
    let percent = text::percent(applying.row_count, applying.row_total).unwrap_or_default();
    let (sent, total) = (text::grouped(applying.row_count), text::counted(applying.row_total, "row"));
    format!("           the target takes one transaction of {total}: {sent} are sent, {percent}")
}

/// What waits for a target, and where that goes.
fn outbox(forecast: &OutboxForecast) -> String {
    let [comes, taken] = [forecast.in_bytes_per_s, forecast.out_bytes_per_s].map(text::bytes);
    let time = |seconds: u64| text::duration_ms(seconds.saturating_mul(1_000));
    let end = match (forecast.full_in_s, &forecast.full_at, forecast.empty_in_s) {
        (Some(seconds), Some(at), _) => {
            format!(
                "; full in {} (at {at}), from then on changes are only marked until the target has taken it, then one jump",
                time(seconds)
            )
        }
        (_, _, Some(seconds)) => format!("; caught up in {}", time(seconds)),
        _ => String::new(),
    };
    let [bytes, bytes_max] = [forecast.bytes, forecast.bytes_max].map(text::bytes);
    format!("           outbox {bytes} of {bytes_max}, {comes}/s come in, the target takes {taken}/s{end}")
}

/// Where the time goes on the way of a change.
fn stages(status: &EngineStatus) -> Option<String> {
    let rows = status.stages.iter().map(|StageStatus { stage, durations }| {
        let times = [durations.p50_us, durations.p99_us, durations.max_us, durations.total_us].map(text::duration_us);
        [vec![stage.clone(), text::grouped(durations.count)], times.to_vec()].concat()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    (!rows.is_empty()).then(|| text::table(&["live stage", "count", "p50", "p99", "max", "in all"], rows, &[1, 2, 3, 4, 5]))
}

/// Lag means something from the first load on.
fn lag(mapping: &MappingStatus) -> String {
    match mapping.phase {
        Phase::Live => mapping.lag_ms.map_or_else(|| "-".to_owned(), text::duration_ms),
        Phase::Loading => "-".to_owned(),
    }
}

/// Indexes or groups that are made from the rows of the state, e.g. `filling groups: 120,000 rows, 40.0 %`.
pub(super) fn filling(filling: &FillingStatus) -> String {
    let percent =
        text::percent(filling.row_count, filling.row_estimate).map_or_else(String::new, |percent| format!(", {percent}"));
    format!("filling {}: {}{percent}", filling.of, text::counted(filling.row_count, "row"))
}

fn backfill(status: &EngineStatus) -> Option<String> {
    if let Some(at) = &status.filling {
        return Some(filling(at));
    }
    match status.stage {
        Stage::Snapshot => {
            let done: u64 = status.tables.iter().map(|table| u64::from(table.chunks_done)).sum();
            let total: u64 = status.tables.iter().filter_map(|table| table.chunks_total).map(u64::from).sum();
            let rows: u64 = status.tables.iter().map(|table| table.row_count).sum();
            let bytes: u64 = status.tables.iter().map(|table| table.byte_count).sum();
            let chunks = text::counted(total, "chunk");
            Some(format!("{done} of {chunks}, {}, {}", text::counted(rows, "row"), text::bytes(bytes)))
        }
        Stage::CatchUp => Some("replaying what changed during the snapshot".to_owned()),
        Stage::Load => {
            let loads = || status.mappings.iter().flat_map(|mapping| &mapping.loads);
            let (rows, anchors, estimate) = loads().fold((0, 0, 0), |(rows, anchors, estimate), load| {
                (rows + load.row_count, anchors + load.anchor_count, estimate + load.anchor_estimate.max(load.anchor_count))
            });
            let percent = text::percent(anchors, estimate).unwrap_or_default();
            let bytes: u64 = loads().map(|load| load.byte_count).sum();
            Some(format!("{} loaded, {}, {percent}", text::counted(rows, "row"), text::bytes(bytes)))
        }
        Stage::Live if status.spool_bytes > 0 => {
            Some(format!("deriving what changed during the load, spool {}", text::bytes(status.spool_bytes)))
        }
        Stage::Live => None,
    }
}

/// Every table that is read or loaded now: how far, how fast, and how long it still takes.
fn under_way(status: &EngineStatus) -> Vec<String> {
    let line = |name: &str, part, whole, rows, rate, left| {
        let percent = text::percent(part, whole).unwrap_or_default();
        format!("           {name}: {percent}, {}", amount(rows, rate, left))
    };
    match status.stage {
        Stage::Snapshot => {
            let reading = status.tables.iter().filter(|table| table.rows_per_s.is_some());
            let reading = reading.filter(|table| table.chunks_total != Some(table.chunks_done));
            reading
                .map(|table| {
                    let (part, whole) = table.parts();
                    line(&table.table, part, whole, (table.row_count, table.byte_count), table.rows_per_s, table.left_s)
                })
                .collect()
        }
        // A live mapping may be derived again.
        Stage::Load | Stage::Live => {
            let loads = status.mappings.iter().flat_map(|mapping| mapping.loads.iter().map(move |load| (mapping.phase, load)));
            let loading = loads.filter(|(phase, load)| !load.is_over(*phase) && load.anchor_count > 0);
            loading
                .map(|(_, load)| {
                    let whole = load.anchor_estimate.max(load.anchor_count);
                    let held = (load.row_count, load.byte_count);
                    line(&load.table, load.anchor_count, whole, held, load.rows_per_s, load.left_s)
                })
                .collect()
        }
        Stage::CatchUp => Vec::new(),
    }
}

/// `12,345 rows, 5.0 MiB, 8,000/s, 1 min 35 s left`.
pub(super) fn amount((rows, bytes): (u64, u64), rows_per_s: Option<u64>, left_s: Option<u64>) -> String {
    let [rate, left] = pace(rows_per_s, left_s);
    let left = if left.is_empty() { left } else { format!("{left} left") };
    let told = [text::counted(rows, "row"), text::bytes(bytes), rate, left];
    told.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The report of `status` about a running engine: the block, and every table.
#[must_use]
pub fn report(status: &EngineStatus) -> String {
    let mut parts = vec![block(status)];
    parts.extend(summary(status));
    let loads = || status.mappings.iter().flat_map(|mapping| mapping.loads.iter().map(move |load| (mapping, load)));
    let is_shown = status.stage < Stage::Live || loads().any(|(mapping, load)| !load.is_over(mapping.phase));
    let rows: Vec<Vec<String>> = loads()
        .map(|(mapping, load)| {
            let progress = match (load.is_over(mapping.phase), text::percent(load.anchor_count, load.anchor_estimate)) {
                (true, _) => "done".to_owned(),
                (false, Some(percent)) => percent,
                (false, None) => "-".to_owned(),
            };
            let mut row = vec![mapping.mapping.clone(), load.table.clone(), progress];
            if is_shown {
                row.extend([text::grouped(load.row_count), text::bytes(load.byte_count)]);
                row.extend(pace(load.rows_per_s, load.left_s));
            }
            row
        })
        .collect();
    let heading = ["mapping", "target table", "first load", "rows loaded", "bytes", "rate", "left"];
    let shown = if is_shown { heading.as_slice() } else { heading.split_at(3).0 };
    parts.push(text::table(shown, rows, &[2, 3, 4, 5, 6]));
    if status.stage == Stage::Snapshot {
        let rows = status.tables.iter().map(|table| {
            let total = table.chunks_total.map_or_else(|| "?".to_owned(), |total| total.to_string());
            let (part, whole) = table.parts();
            let mut row = vec![
                table.table.clone(),
                format!("{} of {total}", table.chunks_done),
                text::percent(part, whole).unwrap_or_default(),
                text::grouped(table.row_count),
                text::grouped(table.row_estimate),
                text::bytes(table.byte_count),
            ];
            row.extend(pace(table.rows_per_s, table.left_s));
            row
        });
        let heading = ["legacy table", "chunks", "read", "rows", "estimate", "bytes", "rate", "left"];
        parts.push(text::table(&heading, rows.collect(), &[1, 2, 3, 4, 5, 6, 7]));
    }
    parts.extend(stages(status));
    parts.join("\n\n")
}
