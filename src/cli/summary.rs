//! Summary: what a first load was in the end: totals, rates, what each stage took and which step was the slowest.

use super::status_text::stage_name;
use super::text;
use crate::migrate::EngineStatus;
use crate::state::meta::Stage;

/// The summary of the first load that this engine ended; `None` if there was none, or it has not ended.
#[must_use]
pub fn summary(status: &EngineStatus) -> Option<String> {
    let took_ms: u64 = status.load_stages.iter().map(|stage| stage.wall_ms).sum();
    if status.stage != Stage::Live || status.load_stages.is_empty() {
        return None;
    }
    let loads = || status.mappings.iter().flat_map(|mapping| &mapping.loads);
    let read: u64 = status.tables.iter().map(|table| table.row_count).sum();
    let read_bytes: u64 = status.tables.iter().map(|table| table.byte_count).sum();
    let loaded: u64 = loads().map(|load| load.row_count).sum();
    let loaded_bytes: u64 = loads().map(|load| load.byte_count).sum();
    let mut lines = vec![format!(
        "first load: {} ({}) to {} ({}) in {}",
        text::counted(read, "legacy row"),
        text::bytes(read_bytes),
        text::counted(loaded, "target row"),
        text::bytes(loaded_bytes),
        text::duration_ms(took_ms)
    )];
    for stage in &status.load_stages {
        let rows = match stage.stage {
            Stage::Snapshot => read,
            Stage::Load => loaded,
            Stage::CatchUp | Stage::Live => 0,
        };
        lines.push(format!("  {:<9}{}{}", stage_name(stage.stage), text::duration_ms(stage.wall_ms), rate(rows, stage.wall_ms)));
    }
    if let Some(slowest) = status.load_steps.iter().max_by_key(|step| step.work_ms) {
        lines.push(format!(
            "  slowest  {}: {} of work{}",
            slowest.step.words(),
            text::duration_ms(slowest.work_ms),
            rate(slowest.row_count, slowest.work_ms)
        ));
    }
    for throttle in status.throttles.iter().filter(|throttle| throttle.held_ms > 0) {
        lines.push(format!(
            "  limits   of source {} held readers back for {}, all of them together",
            throttle.source,
            text::duration_ms(throttle.held_ms)
        ));
    }
    Some(lines.join("\n"))
}

/// `, 12,000 rows/s`; nothing where there is nothing to divide.
fn rate(rows: u64, ms: u64) -> String {
    match rows.saturating_mul(1_000).checked_div(ms) {
        Some(rate) if rate > 0 => format!(", {} rows/s", text::grouped(rate)),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::Board;
    use crate::migrate::board::{LoadStatus, MappingStatus, TableStatus};
    use crate::migrate::steps::{LoadStep, StageTime, StepTime};

    #[test]
    fn the_summary_has_totals_rates_and_the_slowest_step() {
        let table = TableStatus { row_count: 40_000, byte_count: 4 << 20, ..TableStatus::default() };
        let load = LoadStatus { row_count: 10_000, byte_count: 1 << 20, done: true, ..LoadStatus::default() };
        let board = Board::new(vec![table], vec![MappingStatus::new("m", vec![load])]);
        let mut status = board.snapshot();
        assert_eq!(summary(&status), None);
        status.stage = Stage::Live;
        assert_eq!(summary(&status), None, "an engine that was live already loaded nothing");
        let stage = |stage, wall_ms| StageTime { stage, wall_ms };
        status.load_stages = vec![stage(Stage::Snapshot, 2_000), stage(Stage::CatchUp, 5), stage(Stage::Load, 4_000)];
        let step = |step, work_ms, row_count| StepTime { step, work_ms, row_count };
        status.load_steps = vec![step(LoadStep::Read, 1_000, 40_000), step(LoadStep::Derive, 8_000, 10_000)];
        let expected = "first load: 40,000 legacy rows (4.0 MiB) to 10,000 target rows (1.0 MiB) in 6.0 s\n  \
                        snapshot 2.0 s, 20,000 rows/s\n  catch-up 5 ms\n  load     4.0 s, 2,500 rows/s\n  \
                        slowest  deriving rows: 8.0 s of work, 1,250 rows/s";
        assert_eq!(summary(&status).unwrap(), expected);
    }
}
