//! Transactions, positions and prepared transactions against real servers.

use super::*;

/// Runs one async body per server family.
macro_rules! both {
    ($($name:ident => $body:ident;)*) => {
        mod mariadb { use super::*; $(#[tokio::test] async fn $name() { $body(Flavor::MariaDb, stringify!($name)).await; })* }
        mod mysql { use super::*; $(#[tokio::test] async fn $name() { $body(Flavor::MySql, stringify!($name)).await; })* }
    };
}

both! {
    tx_order => order_and_positions;
    f46_rollbacks => rollbacks;
    f26_prepared => prepared;
    f26_unknown_xid => unknown_xid;
    f24_minimal_images => minimal_images;
    f32_large_row => large_row;
    f31_resume_by_gtid => resume_by_gtid;
    f02_purged => purged;
    f44_resume => resume_everywhere;
    f25_statement_format => statement_format;
    tx_bound => bound;
    f08_idle => idle_heartbeat;
    an_update_of_unmapped_columns_is_no_event => unmapped_columns;
}

async fn two_tables(flavor: Flavor, schema: &str) -> Option<Bench> {
    Some(tables_of(Bench::new(flavor, schema).await?).await)
}

async fn tables_of(mut bench: Bench) -> Bench {
    bench.table("a", &[("id", "int not null", INT), ("v", "varchar(50)", text("utf8mb4"))], "").await;
    bench.table("m", &[("id", "int not null", INT), ("v", "varchar(50)", text("utf8mb4"))], "ENGINE=MyISAM").await;
    bench.run(&["CREATE TABLE other (id INT PRIMARY KEY, v TEXT)"]).await;
    bench
}

fn summaries(transactions: &[Transaction]) -> Vec<Vec<String>> {
    transactions.iter().map(|transaction| summary(&transaction.changes)).collect()
}

async fn order_and_positions(flavor: Flavor, schema: &str) {
    let Some(mut bench) = two_tables(flavor, schema).await else { return };
    let statements = [
        "BEGIN",
        "INSERT INTO a VALUES (1,'x'),(2,'y')",
        "INSERT INTO other VALUES (1,'z')",
        "UPDATE a SET id = 3 WHERE id = 2",
        "COMMIT",
        "INSERT INTO other VALUES (2,'z')",
        "INSERT INTO m VALUES (7,'myisam')",
        "DELETE FROM a ORDER BY id",
    ];
    let transactions = bench.transactions(&statements).await;
    let expected = [vec!["insert 1", "insert 2", "update 2 3"], vec!["insert 7"], vec!["delete 1", "delete 3"]];
    assert_eq!(summaries(&transactions), expected);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().cast_signed();
    for transaction in &transactions {
        assert!((transaction.committed_at_us / 1_000_000 - now).abs() < 600);
        assert!(transaction.bytes > 0);
        assert!(!binlog(&transaction.position).gtid.is_empty());
    }
    // The position after the last event is the server's own, GTID set included.
    assert_eq!(
        transactions.last().unwrap().position.compare(&Position::Binlog(bench.position().await)),
        Some(std::cmp::Ordering::Equal)
    );
}

async fn rollbacks(flavor: Flavor, schema: &str) {
    let Some(mut bench) = two_tables(flavor, schema).await else { return };
    let statements = [
        "BEGIN",
        "INSERT INTO a VALUES (1,'x')",
        "SAVEPOINT s",
        "INSERT INTO a VALUES (2,'x')",
        "INSERT INTO m VALUES (1,'kept')",
        "ROLLBACK TO s",
        "INSERT INTO a VALUES (3,'x')",
        "COMMIT",
        "BEGIN",
        "INSERT INTO a VALUES (4,'x')",
        "INSERT INTO m VALUES (2,'kept')",
        "ROLLBACK",
        "BEGIN",
        "INSERT INTO a VALUES (5,'x')",
        "ROLLBACK",
    ];
    // With GTID consistency MySQL refuses both kinds of table in one transaction.
    let mixed = flavor == Flavor::MariaDb;
    let statements: Vec<&str> = statements.into_iter().filter(|statement| mixed || !statement.contains("INTO m")).collect();
    let transactions = bench.transactions(&statements).await;
    let all: Vec<String> = summaries(&transactions).concat();
    let mut innodb: Vec<&str> = all.iter().map(String::as_str).collect();
    innodb.sort_unstable();
    let expected: &[&str] = if mixed { &["insert 1", "insert 1", "insert 2", "insert 3"] } else { &["insert 1", "insert 3"] };
    assert_eq!(innodb, expected);
}

async fn prepared(flavor: Flavor, schema: &str) {
    let Some(mut bench) = two_tables(flavor, schema).await else { return };
    let begin = bench.position().await;
    let xid = |name: &str| format!("'{schema}{name}','b',7");
    let xa = |name: &str, row: u32| {
        let xid = xid(name);
        [
            format!("XA START {xid}"),
            format!("INSERT INTO a VALUES ({row},'x')"),
            format!("XA END {xid}"),
            format!("XA PREPARE {xid}"),
        ]
    };
    let mut other = bench.server.connect().await;
    other.query_drop(format!("USE {schema}")).await.unwrap();
    for statement in xa("c", 1) {
        other.query_drop(statement).await.unwrap();
    }
    bench.run(&["INSERT INTO a VALUES (10,'x')"]).await;
    let events = transactions(bench.stream_from(begin.clone()).await.unwrap());
    assert_eq!(summaries(&events), [["insert 10"]], "a prepared row must not show");
    // Restart from the position after row 10: the prepared row lies before it in the log and must not be lost.
    let resumed = binlog(&events[0].position);
    assert!(resumed.prepared_from.is_some());
    other.query_drop(format!("XA COMMIT {}", xid("c"))).await.unwrap();
    let mut third = bench.server.connect().await;
    third.query_drop(format!("USE {schema}")).await.unwrap();
    for statement in xa("r", 2) {
        third.query_drop(statement).await.unwrap();
    }
    third.query_drop(format!("XA ROLLBACK {}", xid("r"))).await.unwrap();
    let one = xid("o");
    for statement in [
        format!("XA START {one}"),
        "INSERT INTO a VALUES (3,'x')".into(),
        format!("XA END {one}"),
        format!("XA COMMIT {one} ONE PHASE"),
    ] {
        third.query_drop(statement).await.unwrap();
    }
    let rest = transactions(bench.stream_from(resumed).await.unwrap());
    assert_eq!(summaries(&rest), [["insert 1"], ["insert 3"]]);
    assert_eq!(binlog(&rest[1].position).prepared_from, None);
    let whole = transactions(bench.stream_from(begin).await.unwrap());
    assert_eq!(summaries(&whole), [["insert 10"], ["insert 1"], ["insert 3"]]);
}

async fn unknown_xid(flavor: Flavor, schema: &str) {
    let Some(mut bench) = two_tables(flavor, schema).await else { return };
    let xid = format!("'{schema}'");
    let mut other = bench.server.connect().await;
    other.query_drop(format!("USE {schema}")).await.unwrap();
    for statement in
        [format!("XA START {xid}"), "INSERT INTO a VALUES (1,'x')".into(), format!("XA END {xid}"), format!("XA PREPARE {xid}")]
    {
        other.query_drop(statement).await.unwrap();
    }
    let late = bench.position().await;
    other.query_drop(format!("XA COMMIT {xid}")).await.unwrap();
    let error = bench.stream_from(late).await.unwrap_err();
    assert!(format!("{error:?}").contains("prepared before the stream began"), "{error:?}");
}

async fn minimal_images(flavor: Flavor, schema: &str) {
    let Some(mut bench) = two_tables(flavor, schema).await else { return };
    bench.run(&["INSERT INTO a VALUES (1,'x')", "SET SESSION binlog_row_image = MINIMAL"]).await;
    let transactions = bench.transactions(&["UPDATE a SET v = NULL WHERE id = 1", "DELETE FROM a"]).await;
    let Operation::Update { old, new } = &transactions[0].changes[0].operation else { panic!("no update") };
    assert_eq!(*old, Image::Partial([Some(Value::Int(1)), None].into()));
    assert_eq!(*new, Image::Partial([None, Some(Value::Null)].into()));
    assert_eq!(
        transactions[1].changes[0].operation,
        Operation::Delete { old: Image::Partial([Some(Value::Int(1)), None].into()) }
    );
}

async fn large_row(flavor: Flavor, schema: &str) {
    let Some(mut bench) = Bench::new(flavor, schema).await else { return };
    bench.table("b", &[("id", "int not null", INT), ("v", "longtext", text("utf8mb4"))], "").await;
    let transactions = bench.transactions(&["INSERT INTO b VALUES (1, REPEAT('가나', 3500000))"]).await;
    let Operation::Insert { new } = &transactions[0].changes[0].operation else { panic!("no insert") };
    assert_eq!(full(new)[1], Value::text("가나".repeat(3_500_000)));
}

async fn resume_by_gtid(flavor: Flavor, schema: &str) {
    let Some(mut bench) = two_tables(flavor, schema).await else { return };
    bench.run(&["INSERT INTO a VALUES (1,'x')"]).await;
    let mut position = bench.position().await;
    bench.run(&["INSERT INTO a VALUES (2,'x')", "FLUSH BINARY LOGS", "INSERT INTO a VALUES (3,'x')"]).await;
    let end = Position::Binlog(bench.position().await);
    // Another server has other files: only the set counts.
    (position.file, position.offset) = ("elsewhere.000001".into(), 4);
    let stream = bench.open(StartBy::Gtid, position).await.unwrap();
    let found = transactions(read_to(stream, &end).await.unwrap());
    let found: Vec<String> = summaries(&found).concat();
    assert_eq!(found, ["insert 2", "insert 3"]);
}

async fn purged(flavor: Flavor, schema: &str) {
    let Some(mut bench) = two_tables(flavor, schema).await else { return };
    let mut position = bench.position().await;
    position.file = position.file.replace(".0", ".9");
    let error = bench.stream_from(position).await.unwrap_err();
    assert_eq!(error.class(), crate::error::Class::Person, "{error:?}");
    assert!(error.hint().is_some());
}

/// Whatever transaction the stream is cut behind, the rest is the same rest.
async fn resume_everywhere(flavor: Flavor, schema: &str) {
    let Some(mut bench) = two_tables(flavor, schema).await else { return };
    let begin = bench.position().await;
    for id in 0..5 {
        bench
            .run(&[&format!("INSERT INTO a VALUES ({id},'x')"), "FLUSH BINARY LOGS", &format!("INSERT INTO m VALUES ({id},'x')")])
            .await;
    }
    let whole = transactions(bench.stream_from(begin).await.unwrap());
    assert_eq!(whole.len(), 10);
    for (index, transaction) in whole.iter().enumerate().take(9) {
        let rest = transactions(bench.stream_from(binlog(&transaction.position)).await.unwrap());
        assert_eq!(rest, whole[index + 1..], "cut behind transaction {index}");
    }
}

async fn statement_format(flavor: Flavor, schema: &str) {
    // Every stream of a server stops at such a statement, so this server is nobody else's.
    let Some(server) = Server::fresh(flavor) else { return };
    let mut bench = tables_of(Bench::on(std::sync::Arc::new(server), schema).await).await;
    let events = bench.stream(&["SET SESSION binlog_format = STATEMENT", "INSERT INTO a VALUES (1,'x')"]).await;
    let error = events.unwrap_err();
    assert!(format!("{error:?}").contains("statement format"), "{error:?}");
    assert!(error.message().contains("binlog."), "the position must be named: {}", error.message());
}

async fn bound(flavor: Flavor, schema: &str) {
    let Some(mut bench) = two_tables(flavor, schema).await else { return };
    bench.bytes_max = 10_000;
    let rows: Vec<String> = (0..500).map(|id| format!("({id},'x')")).collect();
    let error = bench.stream(&[&format!("INSERT INTO a VALUES {}", rows.join(","))]).await.unwrap_err();
    assert!(format!("{error:?}").contains("transaction_bytes_max"), "{error:?}");
}

/// A source that writes nothing still says so, and writes elsewhere move the position.
async fn idle_heartbeat(flavor: Flavor, schema: &str) {
    let Some(mut bench) = two_tables(flavor, schema).await else { return };
    let begin = bench.position().await;
    let mut stream = bench.open(StartBy::FilePosition, begin).await.unwrap();
    bench.run(&["INSERT INTO other VALUES (1,'x')"]).await;
    let end = Position::Binlog(bench.position().await);
    let started = std::time::Instant::now();
    loop {
        let event =
            tokio::time::timeout(Duration::from_secs(10), stream.next()).await.expect("a heartbeat within ten seconds").unwrap();
        assert!(matches!(event, SourceEvent::Heartbeat { .. }), "{event:?}");
        if position_of(&event).contains(&end) && started.elapsed() > Duration::from_secs(6) {
            return;
        }
    }
}

#[tokio::test]
async fn f22_mariadb_compressed_events() {
    let Some(mut bench) = two_tables(Flavor::MariaDb, "f22_compressed").await else { return };
    bench.run(&["SET GLOBAL log_bin_compress = ON", "SET GLOBAL log_bin_compress_min_len = 10"]).await;
    let long = "가".repeat(40);
    let transactions = bench
        .transactions(&[
            &format!("INSERT INTO a VALUES (1,'{long}'),(2,'{long}')"),
            &format!("UPDATE a SET v = CONCAT('x', v) WHERE id = 1 AND '{long}' <> ''"),
            "DELETE FROM a ORDER BY id",
            &format!("TRUNCATE TABLE a /* {long} */"),
        ])
        .await;
    bench.run(&["SET GLOBAL log_bin_compress = OFF"]).await;
    let expected = [vec!["insert 1", "insert 2"], vec!["update 1 1"], vec!["delete 1", "delete 2"], vec!["truncate"]];
    assert_eq!(summaries(&transactions), expected);
}

#[tokio::test]
async fn f21_mysql_transaction_payloads() {
    let Some(mut bench) = two_tables(Flavor::MySql, "f21_payload").await else { return };
    bench.run(&["SET SESSION binlog_transaction_compression = ON"]).await;
    let begin = bench.position().await;
    let transactions_read = bench
        .transactions(&[
            "BEGIN",
            "INSERT INTO a VALUES (1,REPEAT('a',50)),(2,REPEAT('b',50))",
            "UPDATE a SET v = 'y' WHERE id = 1",
            "COMMIT",
            "DELETE FROM a ORDER BY id",
        ])
        .await;
    assert_eq!(summaries(&transactions_read), [vec!["insert 1", "insert 2", "update 1 1"], vec!["delete 1", "delete 2"]]);
    let rest = transactions(bench.stream_from(binlog(&transactions_read[0].position)).await.unwrap());
    assert_eq!(rest, transactions_read[1..]);
    assert!(transactions_read[0].position.compare(&Position::Binlog(begin)).is_some());
}

#[tokio::test]
async fn f23_mysql_partial_json_stops() {
    let Some(mut bench) = Bench::new(Flavor::MySql, "f23_partial").await else { return };
    bench.table("j", &[("id", "int not null", INT), ("v", "json", DataType::Json)], "").await;
    bench.run(&["INSERT INTO j VALUES (1, JSON_OBJECT('a', REPEAT('x', 500), 'b', 1))"]).await;
    bench.run(&["SET SESSION binlog_row_value_options = PARTIAL_JSON"]).await;
    let error = bench.stream(&["UPDATE j SET v = JSON_SET(v, '$.b', 2)"]).await.unwrap_err();
    assert!(error.hint().unwrap().contains("binlog_row_value_options"), "{error:?}");
}

#[tokio::test]
async fn mysql_tagged_gtids() {
    let Some(mut bench) = two_tables(Flavor::MySql, "tagged_gtids").await else { return };
    bench.run(&["SET SESSION gtid_next = 'AUTOMATIC:blue'"]).await;
    let transactions = bench.transactions(&["INSERT INTO a VALUES (1,'x')"]).await;
    bench.run(&["SET SESSION gtid_next = 'AUTOMATIC'"]).await;
    assert_eq!(summaries(&transactions), [["insert 1"]]);
    assert!(binlog(&transactions[0].position).gtid.contains(":blue:"));
}

/// An update of columns that no mapping needs is read past like one of a table that none maps, however large, and with whatever row image.
async fn unmapped_columns(flavor: Flavor, schema: &str) {
    let Some(mut bench) = Bench::new(flavor, schema).await else { return };
    let columns = [("id", "int not null", INT), ("v", "varchar(50)", text("utf8mb4")), ("note", "longtext", text("utf8mb4"))];
    bench.table("a", &columns, "").await;
    bench.layouts[0].columns.truncate(2);
    bench.bytes_max = 2_000;
    bench.run(&["INSERT INTO a VALUES (1,'x','n'),(2,NULL,'n')"]).await;
    let xid = format!("'{schema}','b',7");
    let (prepare, commit) = (format!("XA PREPARE {xid}"), format!("XA COMMIT {xid}"));
    let (start, end) = (format!("XA START {xid}"), format!("XA END {xid}"));
    let statements = [
        "UPDATE a SET note = REPEAT('long ', 9000)",
        "SET SESSION binlog_row_image = 'MINIMAL'",
        "UPDATE a SET note = 'minimal'",
        "SET SESSION binlog_row_image = 'NOBLOB'",
        "UPDATE a SET note = 'noblob'",
        "SET SESSION binlog_row_image = 'FULL'",
        &start,
        "UPDATE a SET note = 'prepared'",
        &end,
        &prepare,
        &commit,
    ];
    assert_eq!(bench.transactions(&statements).await, [], "the position is reached without a transaction");
    let mixed = ["BEGIN", "UPDATE a SET note = 'y'", "UPDATE a SET v = 'y', note = 'z' WHERE id = 2", "COMMIT"];
    let transactions = bench.transactions(&mixed).await;
    let [Transaction { changes, .. }] = transactions.as_slice() else { panic!("{transactions:?}") };
    let [Change { operation: Operation::Update { old, new }, .. }] = changes.as_slice() else { panic!("{changes:?}") };
    let row = |v: Value| [Value::Int(2), v];
    assert_eq!((full(old), full(new)), (row(Value::Null).as_slice(), row(Value::text("y")).as_slice()));
}
