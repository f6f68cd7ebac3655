//! What newer servers do otherwise: generated columns in the log, slots that follow a failover, slots that are given up when idle.

use super::*;
use crate::change::{Image, Operation};
use crate::finding::Severity;
use crate::value::Value;

async fn of_18(statements: &str) -> Option<Bench> {
    let server = TestPostgres::start_of(18, 18, SETTINGS).await?;
    Some(Bench::on(Arc::new(server), statements, |_| {}).await)
}

fn new_row(change: &Change) -> Vec<Value> {
    match &change.operation {
        Operation::Insert { new: Image::Full(row) } | Operation::Update { new: Image::Full(row), .. } => row.to_vec(),
        other => panic!("no whole row: {other:?}"),
    }
}

/// F57: from 18 on stored generated columns are published where a list names them, or the publication asks for them.
#[tokio::test]
async fn f57_stored_generated_columns_of_postgres_18_arrive_and_virtual_ones_are_refused() {
    let Some(bench) = of_18(
        "CREATE TABLE listed (id int PRIMARY KEY, v int, twice int GENERATED ALWAYS AS (v * 2) STORED, shown int GENERATED ALWAYS AS (v + 1) VIRTUAL); \
         CREATE TABLE whole (id int, v int, twice int GENERATED ALWAYS AS (v * 2) STORED); ALTER TABLE whole REPLICA IDENTITY FULL; \
         INSERT INTO listed VALUES (1, 1)",
    )
    .await
    else {
        return;
    };
    let catalog = bench.catalog(&["listed", "whole"]).await;
    let mapped = |name: &str| name != "shown";
    assert!(matches!(catalog.tables[0].columns[3].data_type, crate::schema::DataType::Unsupported { .. }));
    let layouts = layouts(&catalog, mapped);
    let start = bench.source.start_position(&layouts).await.unwrap();
    let mut open = bench.resume(catalog, Arc::clone(&layouts), start).await.unwrap();
    // F117: these are the application's own statements, which a wrong publication would make fail.
    bench.run("UPDATE listed SET v = 4; INSERT INTO whole VALUES (1, 3); UPDATE whole SET v = 5; DELETE FROM whole").await;
    let changes = open.changes().await;
    let integers = |values: &[i64]| values.iter().map(|value| Value::Int(*value)).collect::<Vec<_>>();
    assert_eq!(new_row(&changes[0]), integers(&[1, 4, 8]));
    assert_eq!(new_row(&changes[1]), integers(&[1, 3, 6]));
    assert_eq!(new_row(&changes[2]), integers(&[1, 5, 10]));
    let whole = crate::change::KeyRange { after: None, up_to: None };
    let chunk = bench.source.read_chunk(&layouts[0], 0, &whole, ReadBounds::NONE).await.unwrap();
    assert_eq!(chunk.rows[0].to_vec(), integers(&[1, 4, 8]));
}

#[tokio::test]
async fn f117_full_identity_with_virtual_columns_is_refused_before_anything_is_published() {
    let Some(bench) =
        of_18("CREATE TABLE t (id int PRIMARY KEY, v int, shown int GENERATED ALWAYS AS (v + 1) VIRTUAL); ALTER TABLE t REPLICA IDENTITY FULL")
            .await
    else {
        return;
    };
    let catalog = bench.catalog(&["t"]).await;
    let findings = bench.source.preflight(&catalog).await.unwrap();
    let found = findings.iter().find(|finding| finding.check == "virtual_columns").unwrap_or_else(|| panic!("{findings:#?}"));
    assert_eq!(found.severity, Severity::Refused);
    bench.run(&found.remedy).await;
    let findings = bench.source.preflight(&bench.catalog(&["t"]).await).await.unwrap();
    assert!(!findings.iter().any(|finding| finding.check == "virtual_columns"));
}

/// A publication of the owner that lists a table without its generated columns.
#[tokio::test]
async fn f117_a_publication_without_generated_columns_is_mended() {
    let Some(bench) = of_18(
        "CREATE TABLE whole (id int, v int, twice int GENERATED ALWAYS AS (v * 2) STORED); ALTER TABLE whole REPLICA IDENTITY FULL; \
         CREATE PUBLICATION strangler_crm FOR TABLE whole",
    )
    .await
    else {
        return;
    };
    let _open = bench.open(&["whole"]).await;
    bench.run("INSERT INTO whole VALUES (1, 1); UPDATE whole SET v = 2").await;
    assert_eq!(bench.ask("SELECT pubgencols FROM pg_publication").await, "s");
}

#[tokio::test]
async fn f11_what_a_stop_or_a_failover_would_cost_is_told_before() {
    let Some(bench) = of_18("CREATE TABLE t (id int PRIMARY KEY)").await else { return };
    let catalog = bench.catalog(&["t"]).await;
    let checks = async || {
        let findings = bench.source.preflight(&catalog).await.unwrap();
        findings
            .into_iter()
            .filter(|finding| finding.severity == Severity::Warning)
            .map(|finding| finding.check)
            .collect::<Vec<_>>()
    };
    assert!(checks().await.is_empty());
    bench.run("SELECT pg_create_physical_replication_slot('standby')").await;
    for setting in ["ALTER SYSTEM SET idle_replication_slot_timeout = '1h'", "SELECT pg_reload_conf()"] {
        bench.run(setting).await;
    }
    let told = async {
        while checks().await != ["failover", "idle_replication_slot_timeout"] {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.expect("both are told");
    let open = bench.open(&["t"]).await;
    assert_eq!(bench.ask("SELECT failover FROM pg_replication_slots WHERE slot_type = 'logical'").await, "t");
    drop(open);
}
