//! Cuts, ranges and positions on both servers.

use mysql_async::prelude::Queryable;

use super::server::{Kind, layout, name, shared};
use crate::change::KeyRange;
use crate::error::Class;
use crate::position::Position;
use crate::schema::{SourceCatalog, TableLayout};
use crate::source::mysql::connect::Use;
use crate::source::mysql::history;
use crate::source::mysql::marks::Marker;
use crate::source::{Layouts, ReadBounds};
use crate::source::{Source, SourceStream, mysql::MySqlSource};
use crate::value::{Row, Value};

const KEYS: &[(&str, &str)] = &[
    ("k_int", "CREATE TABLE k_int (k INT PRIMARY KEY, v INT)"),
    ("k_two", "CREATE TABLE k_two (a VARCHAR(10), b DATE, v INT, PRIMARY KEY (a, b))"),
    ("k_euc", "CREATE TABLE k_euc (k VARCHAR(10) CHARACTER SET euckr, v INT, PRIMARY KEY (k))"),
    ("k_ci", "CREATE TABLE k_ci (k VARCHAR(20) COLLATE utf8mb4_unicode_ci, v INT, PRIMARY KEY (k))"),
    ("k_bin", "CREATE TABLE k_bin (k BINARY(3), v INT, PRIMARY KEY (k))"),
    ("k_enum", "CREATE TABLE k_enum (e ENUM('z','y','a'), d DECIMAL(10,3), u BIGINT UNSIGNED, v INT, PRIMARY KEY (e, d, u))"),
    ("k_time", "CREATE TABLE k_time (t DATETIME(3) NOT NULL, v INT, UNIQUE KEY u (t), w INT) ENGINE = MyISAM"),
];

const FILL: &[(&str, &str)] = &[
    ("k_int", "SELECT seq * 7 - 300, seq FROM n"),
    ("k_two", "SELECT CONCAT('아', seq DIV 9), DATE '2024-01-01' + INTERVAL seq DAY, seq FROM n"),
    ("k_euc", "SELECT CONCAT(CONVERT(x'EAB080' USING utf8mb4), seq), seq FROM n"),
    ("k_ci", "SELECT CONCAT(CHAR(65 + seq % 26 + 32 * (seq % 2) USING utf8mb4), seq DIV 2, 'é''\\\\'), seq FROM n"),
    ("k_bin", "SELECT UNHEX(LPAD(HEX(seq * 331), 6, '0')), seq FROM n"),
    ("k_enum", "SELECT 1 + seq % 3, seq / 8, 18446744073709551615 - seq, seq FROM n"),
    ("k_time", "SELECT TIMESTAMP '2024-01-01 00:00:00' + INTERVAL seq * 7919 SECOND, seq, seq FROM n"),
];

/// How ranges of so many rows are read: at once, some rows at a time, as many as there is room for.
fn pieces_of(rows_max: u32) -> Vec<ReadBounds> {
    let bounds =
        [ReadBounds::NONE, ReadBounds { rows_max: 3, bytes_max: usize::MAX }, ReadBounds { rows_max: 90, bytes_max: 1_000 }];
    let count = if rows_max == 1 { 1 } else { bounds.len() };
    bounds.into_iter().take(count).collect()
}

async fn read_in_pieces(source: &MySqlSource, layout: &TableLayout, range: &KeyRange, bounds: ReadBounds) -> Vec<Row> {
    let (mut rows, mut rest) = (Vec::new(), Some(range.clone()));
    while let Some(range) = rest {
        let chunk = source.read_chunk(layout, 0, &range, bounds).await.unwrap();
        assert!(chunk.rows.len() <= bounds.rows_max as usize);
        rows.extend(chunk.rows);
        rest = chunk.rest;
    }
    rows
}

async fn cut(kind: Kind) {
    let Some(server) = shared(kind) else { return };
    let mut conn = server.database("cuts").await;
    conn.query_drop("CREATE TABLE n (seq INT PRIMARY KEY)").await.unwrap();
    let numbers: Vec<String> = (0..200).map(|number| format!("({number})")).collect();
    conn.query_drop(format!("INSERT INTO n VALUES {}", numbers.join(","))).await.unwrap();
    for ((table, create), (_, fill)) in KEYS.iter().zip(FILL) {
        conn.query_drop(*create).await.unwrap();
        conn.query_drop(format!("INSERT INTO {table} {fill}")).await.unwrap();
    }
    conn.query_drop("CREATE TABLE nothing (k INT PRIMARY KEY)").await.unwrap();
    let names: Vec<_> = KEYS.iter().map(|(table, _)| name("cuts", table)).chain([name("cuts", "nothing")]).collect();
    let source = server.source("cuts");
    let catalog = source.catalog(&names).await.unwrap();
    for table in &catalog.tables {
        let layout = layout(0, table);
        let size = source.size(&layout).await.unwrap();
        assert!(size.row_count <= 400 && size.row_bytes <= 16 << 10, "{}: {size:?}", table.name);
        for rows_max in [1, 7, 200, 1000] {
            let ranges = source.ranges(&layout, rows_max).await.unwrap();
            let expected = if table.name.name == "nothing" { 0 } else { 200_usize.div_ceil(rows_max as usize) };
            assert_eq!(ranges.len(), expected, "{} by {rows_max}", table.name);
            let (mut by_and_by, mut more) = (Vec::new(), true);
            while more {
                let behind: Option<Row> = by_and_by.last().and_then(|range: &KeyRange| range.up_to.clone());
                let next = source.ranges_behind(&layout, behind.as_ref(), rows_max, 40).await.unwrap();
                more = next.len() == 40;
                by_and_by.extend(next);
            }
            assert_eq!(by_and_by, ranges, "{} by {rows_max}", table.name);
            let mut rows: Vec<Row> = Vec::new();
            for range in ranges.iter().take(if rows_max == 1 { 20 } else { usize::MAX }) {
                let before = rows.len();
                for bounds in pieces_of(rows_max) {
                    rows.truncate(before);
                    rows.extend(read_in_pieces(&source, &layout, range, bounds).await);
                    assert!(rows.len() - before <= rows_max as usize);
                }
            }
            if rows_max == 1 {
                assert_eq!(rows.len(), expected.min(20));
                continue;
            }
            let sum: i64 = rows
                .iter()
                .filter_map(|row| match row.iter().rev().find(|value| matches!(value, Value::Int(_))) {
                    Some(Value::Int(number)) => Some(*number),
                    _ => None,
                })
                .sum();
            assert_eq!((rows.len(), sum), if expected == 0 { (0, 0) } else { (200, 19_900) }, "{} by {rows_max}", table.name);
        }
    }
}

#[tokio::test]
async fn ranges_cover_every_row_once_for_every_kind_of_key() {
    cut(Kind::MariaDb).await;
    cut(Kind::MySql).await;
}

async fn bag(kind: Kind) {
    let Some(server) = shared(kind) else { return };
    let mut conn = server.database("bags").await;
    for engine in ["InnoDB", "MyISAM"] {
        conn.query_drop(format!("CREATE TABLE b_{engine} (v INT) ENGINE = {engine}")).await.unwrap();
        conn.query_drop(format!("INSERT INTO b_{engine} VALUES (1), (1), (NULL)")).await.unwrap();
    }
    let source = server.source("bags");
    let catalog = source.catalog(&[name("bags", "b_InnoDB"), name("bags", "b_MyISAM")]).await.unwrap();
    for table in &catalog.tables {
        let layout = layout(0, table);
        let ranges = source.ranges(&layout, 1).await.unwrap();
        assert_eq!(ranges.len(), 1);
        let chunk = source.read_chunk(&layout, 0, &ranges[0], ReadBounds::NONE).await.unwrap();
        assert_eq!(chunk.rows.len(), 3);
        assert!(chunk.exact, "{} on {kind:?}", table.name);
    }
}

#[tokio::test]
async fn f37_a_bag_is_read_with_an_exact_cut() {
    bag(Kind::MariaDb).await;
    bag(Kind::MySql).await;
}

async fn prove(source: &MySqlSource, position: &crate::position::BinlogPosition) -> crate::error::Result<history::Resume> {
    let (server, _) = source.pool.known().await.unwrap();
    let mut lease = source.pool.lease(Use::Rows).await.unwrap();
    let mut marker = Marker { conn: lease.conn(), server, limit: source.pool.answer_limit() };
    history::prove(&mut marker, position).await
}

async fn resume(kind: Kind) {
    let Some(server) = super::server::start(kind, &["--max-binlog-size=4096"]) else { return };
    let mut conn = server.database("past").await;
    conn.query_drop("CREATE TABLE t (k INT PRIMARY KEY AUTO_INCREMENT)").await.unwrap();
    conn.query_drop("INSERT INTO t VALUES ()").await.unwrap();
    let source = server.source("past");
    let start = source.start_position(&Layouts::default()).await.unwrap();
    let end = source.current_position().await.unwrap();
    assert!(end.contains(&start));
    let Position::Binlog(position) = &start else { panic!("no binlog position") };
    assert!(!position.gtid.is_empty());
    assert_eq!(prove(&source, position).await.unwrap(), history::Resume::FilePosition);
    conn.query_drop("INSERT INTO t VALUES ()").await.unwrap();
    assert!(!source.current_position().await.unwrap().compare(&start).unwrap().is_le());
    assert_eq!(prove(&source, position).await.unwrap(), history::Resume::FilePosition);

    let mut forged = position.clone();
    forged.gtid = if kind == Kind::MariaDb { "0-1-999999".into() } else { position.gtid.replace(":1-", ":1-999") };
    assert_eq!(prove(&source, &forged).await.err().unwrap().class(), Class::Person);
    let mut beyond = position.clone();
    beyond.offset = 1 << 40;
    assert_eq!(prove(&source, &beyond).await.err().unwrap().class(), Class::Person);
    let mut elsewhere = position.clone();
    elsewhere.server = "another".into();
    elsewhere.gtid.clear();
    let error = prove(&source, &elsewhere).await.err().unwrap();
    assert!(error.message().contains("another"), "F01: {error:?}");

    for _ in 0..60 {
        conn.query_drop("INSERT INTO t VALUES ()").await.unwrap();
    }
    let Position::Binlog(now) = source.current_position().await.unwrap() else { panic!("no binlog position") };
    assert_ne!(now.file, position.file, "the log has rotated");
    // A log is only purged once the engine has checkpointed what it holds, which may take a moment.
    for _ in 0..500 {
        conn.query_drop(format!("PURGE BINARY LOGS TO '{}'", now.file)).await.unwrap();
        let oldest: (String, u64) = conn
            .query_map("SHOW BINARY LOGS", |row: mysql_async::Row| (row.get(0).unwrap(), row.get(1).unwrap()))
            .await
            .unwrap()
            .remove(0);
        if oldest.0 != position.file {
            break;
        }
        conn.query_drop("FLUSH BINARY LOGS").await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let error = prove(&source, position).await.err().unwrap();
    assert!(error.message().contains(&position.file) && format!("{error:?}").contains("--rebuild"), "F02: {error:?}");
}

#[tokio::test]
async fn f01_f02_f03_a_resume_is_proven_or_refused_on_mariadb() {
    resume(Kind::MariaDb).await;
}

#[tokio::test]
async fn f01_f02_f03_a_resume_is_proven_or_refused_on_mysql() {
    resume(Kind::MySql).await;
}

async fn prepared(kind: Kind) {
    let Some(server) = super::server::start(kind, &[]) else { return };
    let mut conn = server.database("prepared").await;
    conn.query_drop("CREATE TABLE t (k INT PRIMARY KEY)").await.unwrap();
    for sql in ["XA START 'x'", "INSERT INTO t VALUES (1)", "XA END 'x'", "XA PREPARE 'x'"] {
        conn.query_drop(sql).await.unwrap();
    }
    let source = server.source("prepared");
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(600), source.start_position(&Layouts::default())).await;
    assert!(waiting.is_err(), "an older prepared transaction is waited for");
    conn.query_drop("XA COMMIT 'x'").await.unwrap();
    source.start_position(&Layouts::default()).await.unwrap();
}

#[tokio::test]
async fn the_start_waits_for_older_prepared_transactions() {
    prepared(Kind::MariaDb).await;
    prepared(Kind::MySql).await;
}

#[tokio::test]
async fn keys_over_prefixes_and_expressions_prove_nothing() {
    let Some(server) = shared(Kind::MySql) else { return };
    let mut conn = server.database("key_parts").await;
    conn.query_drop("CREATE TABLE t (a VARCHAR(20) NOT NULL, b INT NOT NULL, UNIQUE KEY p (a(3)), UNIQUE KEY x ((b + 1)), UNIQUE KEY ok (b, a), g INT AS (b + 1) VIRTUAL, s INT AS (b) STORED)").await.unwrap();
    conn.query_drop("CREATE VIEW w AS SELECT 1 AS one").await.unwrap();
    let source = server.source("key_parts");
    let catalog: SourceCatalog = source.catalog(&[name("key_parts", "t"), name("key_parts", "w")]).await.unwrap();
    let table = &catalog.tables[0];
    assert_eq!(catalog.tables.len(), 1);
    assert_eq!(table.unique_keys.len(), 1);
    assert_eq!(table.identity().unwrap().columns, [1, 0]);
    assert_eq!(table.columns[2].generated, crate::schema::Generated::Virtual);
    assert_eq!(table.columns[3].generated, crate::schema::Generated::Stored);
}

/// Without GTIDs nothing that lies before the start may be read again: its definitions and prepared transactions are of another time.
#[tokio::test]
async fn f44_without_gtids_the_start_is_the_settled_end_of_the_log() {
    let Some(server) = super::server::start(Kind::MySql, &["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"]) else { return };
    let mut conn = server.database("plain").await;
    for sql in [
        "CREATE TABLE t (k INT PRIMARY KEY, v INT)",
        "CREATE TABLE bag (v INT)",
        "INSERT INTO bag VALUES (1), (1)",
        "INSERT INTO t VALUES (1, 1)",
        "XA START 'x'",
        "INSERT INTO t VALUES (2, 2)",
        "XA END 'x'",
        "XA PREPARE 'x'",
        "XA COMMIT 'x'",
        "ALTER TABLE t MODIFY v BIGINT",
        "INSERT INTO t VALUES (3, 3)",
    ] {
        conn.query_drop(sql).await.unwrap();
    }
    // A session that idles inside a transaction does not hold the start up: nothing of it is in the log.
    let mut idle = server.root().await;
    idle.query_drop("BEGIN").await.unwrap();
    idle.query_drop("INSERT INTO plain.t VALUES (4, 4)").await.unwrap();
    let source = server.source("plain");
    let catalog = source.catalog(&[name("plain", "t"), name("plain", "bag")]).await.unwrap();
    let end = source.current_position().await.unwrap();
    let start = source.start_position(&Layouts::default()).await.unwrap();
    assert_eq!(start.compare(&end), Some(std::cmp::Ordering::Equal), "{start} is not {end}");
    let bag = layout(1, catalog.tables.iter().find(|table| table.name.name == "bag").unwrap());
    let ranges = source.ranges(&bag, 10).await.unwrap();
    assert!(
        source.read_chunk(&bag, 0, &ranges[0], ReadBounds::NONE).await.unwrap().exact,
        "a bag is read with an exact cut without GTIDs too"
    );

    // A statement that runs is waited for: it may stand between log and commit.
    let mut busy = server.root().await;
    busy.query_drop("BEGIN").await.unwrap();
    busy.query_drop("INSERT INTO plain.t VALUES (5, 5)").await.unwrap();
    let waits = tokio::spawn(async move { busy.query_drop("SELECT SLEEP(2)").await.map(|()| busy) });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let early = tokio::time::timeout(std::time::Duration::from_millis(700), source.start_position(&Layouts::default())).await;
    assert!(early.is_err(), "{early:?}");
    let mut busy = waits.await.unwrap().unwrap();
    busy.query_drop("COMMIT").await.unwrap();
    let end = source.current_position().await.unwrap();
    assert_eq!(source.start_position(&Layouts::default()).await.unwrap().compare(&end), Some(std::cmp::Ordering::Equal));
}

#[tokio::test]
async fn f37_a_bag_next_to_a_busy_table_is_exact_over_a_rotation() {
    let Some(server) = super::server::start(Kind::MySql, &[]) else { return };
    let mut conn = server.database("busy").await;
    for sql in ["CREATE TABLE bag (v INT)", "CREATE TABLE other (k INT PRIMARY KEY)", "INSERT INTO bag VALUES (1)"] {
        conn.query_drop(sql).await.unwrap();
    }
    let source = server.source("busy");
    let Position::Binlog(low) = source.current_position().await.unwrap() else { panic!("no binlog position") };
    conn.query_drop("SET binlog_transaction_compression = ON").await.unwrap();
    for number in 0..20 {
        conn.query_drop(format!("INSERT INTO other VALUES ({number})")).await.unwrap();
    }
    conn.query_drop("SET binlog_transaction_compression = OFF").await.unwrap();
    // More transactions than a page holds, in one file.
    conn.query_drop("CREATE PROCEDURE many() BEGIN DECLARE i INT DEFAULT 100; WHILE i < 1400 DO INSERT INTO other VALUES (i); SET i = i + 1; END WHILE; END").await.unwrap();
    let Position::Binlog(behind) = source.current_position().await.unwrap() else { panic!("no binlog position") };
    conn.query_drop("CALL many()").await.unwrap();
    conn.query_drop("FLUSH BINARY LOGS").await.unwrap();
    conn.query_drop("INSERT INTO other VALUES (9999)").await.unwrap();
    let Position::Binlog(high) = source.current_position().await.unwrap() else { panic!("no binlog position") };
    let (known, _) = source.pool.known().await.unwrap();
    let mut lease = source.pool.lease(Use::Rows).await.unwrap();
    let mut marker = Marker { conn: lease.conn(), server: known, limit: source.pool.answer_limit() };
    let (bag, other) = (name("busy", "bag"), name("busy", "other"));
    assert!(marker.is_quiet(&behind, &high, &bag).await.unwrap(), "5,200 events and a rotation leave the bag alone");
    assert!(!marker.is_quiet(&behind, &high, &other).await.unwrap());
    assert!(!marker.is_quiet(&low, &high, &bag).await.unwrap(), "CREATE PROCEDURE is a statement, and those are not judged");
    conn.query_drop("SET binlog_transaction_compression = ON").await.unwrap();
    conn.query_drop("INSERT INTO other VALUES (10000)").await.unwrap();
    let Position::Binlog(last) = source.current_position().await.unwrap() else { panic!("no binlog position") };
    assert!(marker.is_quiet(&high, &last, &bag).await.unwrap());
    assert!(!marker.is_quiet(&high, &last, &other).await.unwrap());
}

/// A writer that prepares and commits without a pause until told to stop.
async fn prepare_and_commit(mut conn: mysql_async::Conn, stop: std::sync::Arc<std::sync::atomic::AtomicBool>) {
    let mut number = 0;
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        number += 1;
        let xid = format!("'m{number}'");
        for sql in [format!("XA START {xid}"), format!("INSERT INTO meanwhile.t VALUES ({number})"), format!("XA END {xid}")] {
            conn.query_drop(sql).await.unwrap();
        }
        conn.query_drop(format!("XA PREPARE {xid}")).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_micros(number * 137 % 3_000)).await;
        conn.query_drop(format!("XA COMMIT {xid}")).await.unwrap();
        // Now and then the start must see nothing prepared.
        tokio::time::sleep(std::time::Duration::from_micros(number * 311 % 5_000)).await;
    }
}

/// What is prepared while the start is being looked for, and commits right behind it, must not reach the stream as a COMMIT without rows.
async fn prepared_meanwhile(kind: Kind) {
    let Some(server) = super::server::start(kind, &[]) else { return };
    let mut conn = server.database("meanwhile").await;
    conn.query_drop("CREATE TABLE t (k INT PRIMARY KEY)").await.unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = tokio::spawn(prepare_and_commit(server.root().await, std::sync::Arc::clone(&stop)));
    let source = server.source("meanwhile");
    let catalog = source.catalog(&[name("meanwhile", "t")]).await.unwrap();
    let layouts: Layouts = vec![layout(0, &catalog.tables[0])].into();
    for attempt in 0..25 {
        let start = source.start_position(&layouts).await.unwrap();
        let (_durable, stored) = tokio::sync::watch::channel(start.clone());
        let mut stream = source.open_stream(&catalog, std::sync::Arc::clone(&layouts), &start, stored).await.unwrap();
        let mut transactions = 0;
        while transactions < 4 {
            let event = stream.next().await.unwrap_or_else(|error| panic!("start {attempt} at {start:?}: {error:?}"));
            transactions += usize::from(matches!(event, crate::change::SourceEvent::Transaction(_)));
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.await.unwrap();
}

#[tokio::test]
async fn what_is_prepared_while_the_start_is_found_keeps_its_rows_on_mariadb() {
    prepared_meanwhile(Kind::MariaDb).await;
}

#[tokio::test]
async fn what_is_prepared_while_the_start_is_found_keeps_its_rows_on_mysql() {
    prepared_meanwhile(Kind::MySql).await;
}
