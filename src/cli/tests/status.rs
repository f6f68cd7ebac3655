//! What a running engine looks like to people.

use super::super::status_text::{block, report};
use crate::migrate::board::{ApplyingStatus, LoadStatus, MappingStatus, SweepStatus, TableStatus};
use crate::migrate::forecast::Forecast;
use crate::migrate::outbox_forecast::OutboxForecast;
use crate::migrate::{Board, EngineStatus};
use crate::position::{BinlogPosition, Position};
use crate::state::meta::Stage;
use crate::target::Phase;

fn status(stage: Stage, phase: Phase) -> EngineStatus {
    let table = |name: &str, done, total, rows| TableStatus {
        table: name.into(),
        chunks_done: done,
        chunks_total: total,
        row_count: rows,
        row_estimate: 25_000,
        ..TableStatus::default()
    };
    let load = |name: &str, rows, anchors| LoadStatus {
        table: name.into(),
        row_count: rows,
        anchor_count: anchors,
        anchor_estimate: 10_000,
        done: anchors >= 10_000,
        ..LoadStatus::default()
    };
    let loads = vec![load("주문", 9_900, 10_000), load("order_lines", 12_345, 4_210)];
    let mapping = MappingStatus {
        phase,
        sequence: 42,
        lag_ms: Some(1_234),
        checkpoint_age_ms: 310,
        ..MappingStatus::new("order-service", loads)
    };
    let board = Board::new(vec![table("shop.tb_ord", 2, Some(3), 20_000), table("shop.tb_cust", 0, None, 0)], vec![mapping]);
    board.update(|status| {
        status.stage = stage;
        status.transaction_count = 1_200;
        status.change_count = 5_300;
        status.write_count = 1;
        status.spool_bytes = 4 << 20;
        status.state_bytes = 123 << 20;
        let position = BinlogPosition {
            server: "1".into(),
            file: "binlog.000042".into(),
            offset: 4,
            gtid: "0-1-7".into(),
            prepared_from: None,
            altered: Vec::new(),
        };
        status.applied = Some(Position::Binlog(position));
    });
    let mut status = board.snapshot();
    status.pid = 4711;
    status.uptime_s = 125;
    status.mappings[0].checkpoint_age_ms = 310;
    (status.tables[0].rows_per_s, status.tables[0].left_s) = (Some(12_000), Some(95));
    (status.mappings[0].loads[1].rows_per_s, status.mappings[0].loads[1].left_s) = (Some(8_000), Some(4_000));
    status.mappings[0].loads[1].byte_count = 5 << 20;
    status
}

#[test]
fn every_stage_reads_well() {
    insta::assert_snapshot!("status_snapshot", report(&status(Stage::Snapshot, Phase::Loading)));
    insta::assert_snapshot!("status_catch_up", block(&status(Stage::CatchUp, Phase::Loading)));
    insta::assert_snapshot!("status_load", report(&status(Stage::Load, Phase::Loading)));
    insta::assert_snapshot!("status_live", report(&status(Stage::Live, Phase::Live)));
}

#[test]
fn the_reason_of_a_wait_is_always_shown() {
    let mut status = status(Stage::Live, Phase::Live);
    status.waiting = Some("waiting to try again: connect to target order-db".into());
    assert!(block(&status).ends_with("  waiting  waiting to try again: connect to target order-db"));
}

#[test]
fn what_is_filled_from_the_state_is_shown_with_its_progress() {
    let board = Board::new(vec![], vec![]);
    board.filled("groups", 100_000, 300_000);
    board.filled("groups", 20_000, 300_000);
    let text = block(&board.snapshot());
    assert!(text.contains("filling groups: 120,000 rows, 40.0 %"), "{text}");
    board.filled("indexes", 7, 0);
    let text = block(&board.snapshot());
    assert!(text.contains("filling indexes: 7 rows"), "{text}");
}

#[test]
fn a_target_slower_than_its_source_is_told_with_rates_and_the_time_of_the_bound() {
    let mut status = status(Stage::Live, Phase::Live);
    let filling = OutboxForecast {
        mapping: "order-service".into(),
        bytes: 2 << 30,
        bytes_max: 8 << 30,
        in_bytes_per_s: 3 << 20,
        out_bytes_per_s: 1 << 20,
        full_in_s: Some(3_072),
        full_at: Some("13:51 UTC".into()),
        empty_in_s: None,
    };
    let drained = OutboxForecast { full_in_s: None, full_at: None, empty_in_s: Some(75), ..filling.clone() };
    let mut shown = |outbox| {
        status.forecast = Some(Forecast { outboxes: vec![outbox], ..Forecast::default() });
        block(&status)
    };
    let text = shown(filling);
    assert!(
        text.contains(
            "outbox 2.0 GiB of 8.0 GiB, 3.0 MiB/s come in, the target takes 1.0 MiB/s; full in 51 min 12 s (at 13:51 UTC)"
        ),
        "{text}"
    );
    let text = shown(drained);
    assert!(text.contains("; caught up in 1 min 15 s"), "{text}");
}

#[test]
fn a_transaction_too_large_for_memory_shows_how_much_of_it_was_sent() {
    let mut status = status(Stage::Live, Phase::Live);
    status.mappings[0].applying = Some(ApplyingStatus { row_count: 1_250_000, row_total: 5_000_000 });
    let text = block(&status);
    assert!(text.contains("the target takes one transaction of 5,000,000 rows: 1,250,000 are sent, 25.0 %"), "{text}");
}

#[test]
fn a_sweep_shows_its_share_and_what_is_left_once_they_are_known() {
    let mut status = status(Stage::Live, Phase::Live);
    let mut shown = |row_total, left_s| {
        status.sweep = Some(SweepStatus { mapping: "order-service".into(), row_count: 1_250_000, row_total, left_s });
        block(&status)
    };
    let text = shown(5_000_000, Some(75));
    let line = "order-service: 1,250,000 of 5,000,000 rows that one change reaches are derived, 25.0 %, about 1 min 15 s left";
    assert!(text.contains(line), "{text}");
    assert!(shown(0, None).contains("order-service: 1,250,000 rows derived of what one change reaches"));
}
