//! A target that takes nothing while its source goes on: it shows as lag and as an outbox that fills, with when that ends, and not as memory; and
//! a transaction of wide rows takes no more memory than the engine may have.

use crate::support::project::Project;
use crate::support::servers::{Kind, own};
use mysql_async::prelude::Queryable;
use std::time::Duration;

const MAPPING: &str = "\
version: 1
mapping: wide
source: erp
target: order-db
tables:
  memos:
    key: [no]
    sql: |
      SELECT w.no AS no, c.nm AS status, w.memo AS memo FROM w_memo w LEFT JOIN w_cd c ON c.cd = w.cd
";

const TABLES: &[&str] = &[
    "CREATE TABLE w_cd (cd INT PRIMARY KEY, nm VARCHAR(20) NOT NULL)",
    "CREATE TABLE w_memo (no INT PRIMARY KEY, cd INT NOT NULL, memo MEDIUMTEXT NOT NULL)",
    "INSERT INTO w_cd VALUES (0, '접수'), (1, '배송')",
    "INSERT INTO w_memo VALUES (0, 1, 'first')",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_target_slower_than_its_source_shows_as_lag_and_a_filling_outbox_with_a_forecast() {
    let Some(pair) = own(Kind::MariaDb, &[]).await else { return };
    let project = Project::new(&pair, "slow_target").await;
    project.legacy(TABLES).await;
    project.edit("strangler.yaml", "memory: 256MiB", "memory: 192MiB");
    project.write("mappings/wide.yaml", MAPPING);
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    let holder = project.target_client_patient().await;
    holder.batch_execute("BEGIN; LOCK TABLE memos IN EXCLUSIVE MODE").await.unwrap();
    let mut session = project.source().await;
    let writer = tokio::spawn(async move {
        for number in 1_u64.. {
            let (first, last) = (number * 4, number * 4 + 3);
            let rows = format!("INSERT INTO w_memo SELECT seq, seq % 2, REPEAT(MD5(seq), 3200) FROM seq_{first}_to_{last}");
            session.query_drop(rows).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let is_told = |project: &Project| {
        let status = project.status().unwrap_or_default();
        let outbox = &status["forecast"]["outboxes"][0];
        let (mapping, bytes) = (&status["mappings"][0], outbox["bytes"].as_u64().unwrap_or(0));
        // More than the engine may hold.
        bytes > 200 << 20
            && mapping["lag_ms"].as_u64().is_some_and(|lag| lag > 0)
            && mapping["outbox_bytes"].as_u64().is_some_and(|held| held >= bytes)
            && mapping["outbox_bytes_max"].as_u64().is_some_and(|bound| bound > bytes)
            && outbox["in_bytes_per_s"].as_u64() > outbox["out_bytes_per_s"].as_u64()
            && outbox["full_in_s"].is_u64()
            && outbox["full_at"].as_str().is_some_and(|at| at.ends_with(" UTC"))
    };
    project.until(&mut engine, "forecast", is_told).await;
    project.strangler(&["status"]).await.expect(0).names(&["come in, the target takes", "full in", "only marked"]);
    writer.abort();
    holder.batch_execute("ROLLBACK").await.unwrap();
    let is_empty = |project: &Project| {
        let status = project.status().unwrap_or_default();
        status["outbox_bytes"] == 0 && status["mappings"][0]["lag_ms"] == 0
    };
    project.until(&mut engine, "taking what waits", is_empty).await;
    assert_within(&project, 192);
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert!(project.settle().await > 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_wide_rows_is_held_by_bytes_and_not_by_rows() {
    let Some(pair) = own(Kind::MariaDb, &[]).await else { return };
    let project = Project::new(&pair, "wide_rows").await;
    project.legacy(TABLES).await;
    project.edit("strangler.yaml", "memory: 256MiB", "memory: 192MiB");
    project.write("mappings/wide.yaml", MAPPING);
    project.strangler(&["run", "--until-caught-up"]).await.expect(0);
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    // Each row is 60 KB: all of them are several times the budget, and fewer than a window of thin rows has.
    project.legacy(&["INSERT INTO w_memo SELECT seq, 1, CONCAT(seq, REPEAT(MD5(seq), 1875)) FROM seq_1_to_5000"]).await;
    let has_it = |project: &Project| {
        let status = project.status().unwrap_or_default();
        status["mappings"][0]["lag_ms"] == 0 && status["write_count"].as_u64().is_some_and(|count| count >= 5_000)
    };
    project.until(&mut engine, "taking it in", has_it).await;
    assert_within(&project, 192);
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert_eq!(project.settle().await, 5_001);
}

/// The running engine has never held more than so many MiB, without the pages of the program itself, which in a debug build are several times those
/// of an optimized one.
fn assert_within(project: &Project, mib: u64) {
    let id = project.status().unwrap()["pid"].to_string();
    let process = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let kib = |name: &str| {
        let value = process.lines().find_map(|line| line.strip_prefix(name)).and_then(|line| line.split_whitespace().next());
        value.unwrap().parse::<u64>().unwrap()
    };
    let peak_mib = (kib("VmHWM:") - kib("RssFile:")) >> 10;
    assert!(peak_mib <= mib, "{peak_mib} MiB");
}

/// The first load of them, and a rebuild, which compares them with what the target holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_load_of_wide_rows_is_held_by_bytes_and_not_by_rows() {
    let Some(pair) = own(Kind::MariaDb, &[]).await else { return };
    let project = Project::new(&pair, "wide_load").await;
    project.legacy(TABLES).await;
    // Each row is 60 KB: a chunk of some thousand, or a slice of as many, would be more than the budget.
    project.legacy(&["INSERT INTO w_memo SELECT seq, 1, CONCAT(seq, REPEAT(MD5(seq), 1875)) FROM seq_1_to_4000"]).await;
    project.edit("strangler.yaml", "memory: 256MiB", "memory: 192MiB");
    project.write("mappings/wide.yaml", MAPPING);
    for flags in [&[][..], &["--rebuild"]] {
        let mut engine = project.start(flags);
        project.until_live(&mut engine).await;
        assert_within(&project, 192);
        assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
        assert_eq!(project.settle().await, 4_001);
    }
}
