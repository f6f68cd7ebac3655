//! Chunks: their ranges cover a table once, and their cut is exactly what they show.

use super::*;
use crate::change::{Chunk, Operation};
use crate::value::{Row, Value};

async fn read_all(bench: &Bench, layout: &TableLayout, rows_max: u32) -> Vec<Row> {
    read_in_pieces(bench, layout, rows_max, ReadBounds::NONE).await
}

async fn read_in_pieces(bench: &Bench, layout: &TableLayout, rows_max: u32, bounds: ReadBounds) -> Vec<Row> {
    let mut rows = Vec::new();
    for range in bench.source.ranges(layout, rows_max).await.unwrap() {
        let (before, mut rest) = (rows.len(), Some(range));
        while let Some(range) = rest {
            let chunk = bench.source.read_chunk(layout, 0, &range, bounds).await.unwrap();
            assert!(chunk.rows.len() <= bounds.rows_max as usize);
            rows.extend(chunk.rows);
            rest = chunk.rest;
        }
        assert!(rows.len() - before <= rows_max as usize);
    }
    rows
}

#[tokio::test]
async fn f57_ranges_cover_integer_composite_text_and_exotic_keys_once() {
    let statements = "CREATE TABLE i (id int PRIMARY KEY); INSERT INTO i SELECT g * 3 - 50 FROM generate_series(1, 137) g;
      CREATE TABLE c (a text COLLATE \"en_US.utf8\", b int, d date, v text, PRIMARY KEY (a, d, b));
      INSERT INTO c SELECT chr(65 + g % 7) || repeat('é', g % 3), g, date '2024-01-01' + g % 5, 'v' FROM generate_series(1, 150) g;
      CREATE TABLE u (id uuid PRIMARY KEY, v int); INSERT INTO u SELECT md5(g::text)::uuid, g FROM generate_series(1, 90) g;
      CREATE TABLE n (id numeric PRIMARY KEY, t timestamptz); INSERT INTO n SELECT g / 7.0 FROM generate_series(1, 60) g;
      CREATE TABLE q (\"A\"\"b\" varchar(20) PRIMARY KEY); INSERT INTO q SELECT '''' || chr(92) || g FROM generate_series(1, 40) g;
      CREATE TABLE e (id int PRIMARY KEY)";
    let statements = match shared().await {
        Some(server) if server.ask("postgres", "SELECT 1 FROM pg_collation WHERE collname = 'en_US.utf8'").await.is_empty() => {
            statements.replace("en_US.utf8", "C")
        }
        _ => statements.to_owned(),
    };
    let Some(bench) = Bench::new(&statements).await else { return };
    let catalog = bench.catalog(&["i", "c", "u", "n", "q", "e"]).await;
    for layout in layouts(&catalog, |_| true).iter() {
        let count: usize = bench.ask(&format!("SELECT count(*) FROM {}", layout.name)).await.parse().unwrap();
        let (first, all) = (bench.source.ranges_behind(layout, None, 13, 2), bench.source.ranges(layout, 13));
        let (mut by_and_by, all) = (first.await.unwrap(), all.await.unwrap());
        let behind = by_and_by.last().and_then(|range| range.up_to.clone());
        by_and_by.extend(bench.source.ranges_behind(layout, behind.as_ref(), 13, usize::MAX).await.unwrap());
        assert_eq!(by_and_by, all, "{}", layout.name);
        let size = bench.source.size(layout).await.unwrap();
        assert!(size.row_count < 1_000, "{}: {size:?}", layout.name);
        let (some_rows, some_bytes) =
            (ReadBounds { rows_max: 7, bytes_max: usize::MAX }, ReadBounds { rows_max: 90, bytes_max: 1_000 });
        for (rows_max, bounds) in
            [(1_000, ReadBounds::NONE), (13, ReadBounds::NONE), (1, ReadBounds::NONE), (1_000, some_rows), (50, some_bytes)]
        {
            let mut rows = read_in_pieces(&bench, layout, rows_max, bounds).await;
            assert_eq!(rows.len(), count, "{} by {rows_max}", layout.name);
            rows.sort_by_key(|row| format!("{row:?}"));
            rows.dedup();
            assert_eq!(rows.len(), count, "{} by {rows_max}", layout.name);
        }
    }
}

/// F52: a transaction is in the log before it becomes visible, so only the snapshot itself tells what a chunk shows.
#[tokio::test]
async fn f52_a_chunk_shows_exactly_the_transactions_that_its_visibility_names() {
    let Some(bench) =
        Bench::new("CREATE TABLE a (id int PRIMARY KEY, n int); INSERT INTO a SELECT g, 0 FROM generate_series(1, 20) g").await
    else {
        return;
    };
    let mut open = bench.open(&["a"]).await;
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let (server, database) = (Arc::clone(&bench.server), bench.database.clone());
            tokio::spawn(async move {
                let client = server.connect(&database).await;
                for round in 0..60 {
                    let row = (round * 7 + writer) % 20 + 1;
                    client.batch_execute(&format!("BEGIN; UPDATE a SET n = n + 1 WHERE id = {row}; SAVEPOINT s; UPDATE a SET n = n + 100 WHERE id = {row}; ROLLBACK TO s; COMMIT")).await.unwrap();
                }
                drop(client);
            })
        })
        .collect();
    let mut chunks: Vec<Chunk> = Vec::new();
    let whole = crate::change::KeyRange { after: None, up_to: None };
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        chunks.push(bench.source.read_chunk(&open.layouts[0], 0, &whole, ReadBounds::NONE).await.unwrap());
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let end = bench.source.current_position().await.unwrap();
    let transactions = open.until(&end).await;
    assert_eq!(transactions.len(), 180);
    let sum = |rows: &[Row]| -> i64 {
        rows.iter()
            .map(|row| match row[1] {
                Value::Int(n) => n,
                _ => panic!("no number"),
            })
            .sum()
    };
    for chunk in &chunks {
        let seen = chunk.visibility.as_ref().unwrap();
        let shown = transactions.iter().filter(|transaction| seen.shows(transaction.id.unwrap())).count();
        assert_eq!(sum(&chunk.rows), i64::try_from(shown).unwrap());
        // The high mark bounds what is shown.
        let beyond = transactions.iter().filter(|transaction| !chunk.high.contains(&transaction.position));
        assert!(beyond.into_iter().all(|transaction| !seen.shows(transaction.id.unwrap())));
    }
    assert!(transactions.iter().all(|transaction| matches!(transaction.changes[0].operation, Operation::Update { .. })));
}

#[tokio::test]
async fn a_table_without_a_key_is_one_exact_chunk() {
    let Some(bench) =
        Bench::new("CREATE TABLE b (v int); ALTER TABLE b REPLICA IDENTITY FULL; INSERT INTO b VALUES (1), (1), (NULL)").await
    else {
        return;
    };
    let catalog = bench.catalog(&["b"]).await;
    let layout = &layouts(&catalog, |_| true)[0];
    let ranges = bench.source.ranges(layout, 1).await.unwrap();
    assert_eq!(ranges.len(), 1);
    let chunk = bench.source.read_chunk(layout, 0, &ranges[0], ReadBounds::NONE).await.unwrap();
    assert!(chunk.exact && chunk.visibility.is_some());
    assert_eq!(chunk.rows.len(), 3);
}

#[tokio::test]
async fn no_transaction_of_a_chunk_stays_open() {
    let Some(bench) = Bench::new("CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)").await else { return };
    let catalog = bench.catalog(&["a"]).await;
    let layout = &layouts(&catalog, |_| true)[0];
    read_all(&bench, layout, 10).await;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'strangler' AND (backend_xmin IS NOT NULL OR state LIKE 'idle in%')";
    assert_eq!(bench.ask(open).await, "0");
}
