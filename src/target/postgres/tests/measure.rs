//! Rows a second of load and apply, and the latency of small transactions, printed and not asserted.
//!
//! `cargo test --lib target::postgres::tests::measure -- --ignored --nocapture`

use std::time::{Duration, Instant};

use super::*;
use crate::value::{Date, DateTime, Decimal};

fn wide() -> TargetTable {
    let types = [
        ("id", TargetType::BigInt),
        ("customer", TargetType::Varchar(40)),
        ("status", TargetType::Text),
        ("ordered_on", TargetType::Date),
        ("changed_at", TargetType::Timestamp(6)),
        ("total", TargetType::Numeric(Some((15, 2)))),
        ("quantity", TargetType::Integer),
        ("paid", TargetType::Boolean),
        ("weight", TargetType::Double),
        ("note", TargetType::Text),
    ];
    table("wide", 1, &types)
}

fn wide_row(id: i64) -> Row {
    let date = Date { year: 2024, month: 1 + (id % 12) as u8, day: 1 + (id % 28) as u8 };
    values([
        Value::Int(id),
        Value::text(format!("고객 {id}")),
        Value::text("배송중"),
        Value::Date(date),
        Value::DateTime(DateTime { date, time_us: id % 86_400_000_000 }),
        Value::Decimal(Decimal::from_small(i128::from(id) * 137, 2)),
        Value::Int(id % 100),
        Value::Bool(id % 2 == 0),
        Value::Double(id as f64 / 3.0),
        if id % 3 == 0 { Value::Null } else { Value::text("부재시 경비실에 맡겨 주세요") },
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn rows_a_second() {
    let Some(bench) = Bench::new().await else { return };
    let table = wide();
    let tables = std::slice::from_ref(&table);
    let mut current = bench.begin(tables).await;
    let started = Instant::now();
    for chunk in 0..40 {
        let rows: Vec<Row> = (0..5_000).map(|row| wide_row(chunk * 5_000 + row)).collect();
        let advance = next(&current);
        bench.target.load(&table, &rows, &advance).await.unwrap();
        current = advance.next;
    }
    report("load, chunks of 5,000", 200_000, started.elapsed());
    for (size, rounds) in [(1, 500), (100, 100), (1_000, 40), (10_000, 8)] {
        for (phase, offset) in [("insert", 1_000_000), ("update", 1_000_000), ("scattered update", 0)] {
            let started = Instant::now();
            for round in 0..rounds {
                let base = offset + size * 100_000 + round * size;
                let scattered = |row: i64| if offset == 0 { (round * 7_919 + row * 104_729) % 200_000 } else { base + row };
                let mut ids: Vec<i64> = (0..size).map(scattered).collect();
                ids.sort_unstable();
                ids.dedup();
                let advance = next(&current);
                let writes = [(advance.clone(), tables, batch(0, vec![], ids.into_iter().map(wide_row).collect()))];
                bench.target.apply(&writes).await.unwrap();
                current = advance.next;
            }
            report(&format!("{phase}, batches of {size}"), size * rounds, started.elapsed());
        }
    }
    latency(&bench, &bench.target, &table, &mut current, "a commit on disk").await;
    bench.run(&format!("ALTER DATABASE {} SET synchronous_commit = off", bench.options.database)).await;
    latency(&bench, &bench.other_engine(), &table, &mut current, "synchronous_commit off").await;
}

async fn latency(bench: &Bench, target: &PostgresTarget, table: &TargetTable, current: &mut Checkpoint, setting: &str) {
    bench.run("CHECKPOINT").await;
    for (what, rows) in [("checkpoint alone", 0), ("one row", 1), ("ten rows", 10)] {
        let mut waits: Vec<Duration> = Vec::new();
        for round in 0..500 {
            let advance = next(current);
            let writes = [(
                advance.clone(),
                std::slice::from_ref(table),
                batch(0, vec![], (0..rows).map(|row| wide_row(round * 10 + row)).collect()),
            )];
            let started = Instant::now();
            target.apply(&writes).await.unwrap();
            waits.push(started.elapsed());
            *current = advance.next;
        }
        waits.sort_unstable();
        println!("{what}, {setting}: p50 {:?}, p99 {:?}", waits[250], waits[495]);
    }
}

fn report(what: &str, rows: i64, elapsed: Duration) {
    println!("{what}: {:.0} rows/s, {:.2} ms in all", rows as f64 / elapsed.as_secs_f64(), elapsed.as_secs_f64() * 1e3);
}
