//! Statements that change definitions, as real servers log them.

use super::*;

async fn bench(flavor: Flavor, schema: &str) -> Option<Bench> {
    let mut bench = Bench::new(flavor, schema).await?;
    bench.table("a", &[("id", "int not null", INT), ("v", "varchar(50)", text("utf8mb4"))], "").await;
    bench.run(&["CREATE TABLE other (id INT PRIMARY KEY, v TEXT)"]).await;
    Some(bench)
}

fn rows(events: &[SourceEvent]) -> Vec<String> {
    let only = |event: &SourceEvent| match event {
        SourceEvent::Transaction(transaction) => summary(&transaction.changes),
        _ => vec![],
    };
    events.iter().flat_map(only).collect()
}

async fn truncate_in_order(flavor: Flavor, schema: &str) {
    let Some(mut bench) = bench(flavor, schema).await else { return };
    let events = bench
        .stream(&["INSERT INTO a VALUES (1,'x')", "TRUNCATE a", "TRUNCATE other", "INSERT INTO a VALUES (2,'x')"])
        .await
        .unwrap();
    assert_eq!(rows(&events), ["insert 1", "truncate", "insert 2"]);
}

async fn harmless(flavor: Flavor, schema: &str) {
    let Some(mut bench) = bench(flavor, schema).await else { return };
    let begin = bench.position().await;
    let statements = [
        "ALTER TABLE other ADD COLUMN w INT FIRST, ADD COLUMN a INT, DROP COLUMN v",
        "DROP TABLE other",
        "CREATE TABLE other2 AS SELECT 1 AS x",
        "RENAME TABLE other2 TO other3",
        "CREATE INDEX i ON a (v)",
        "ALTER TABLE a ADD INDEX j (v, id), COMMENT 'drop table a', AUTO_INCREMENT = 100",
        "ALTER TABLE a ALTER COLUMN v SET DEFAULT 'drop, column'",
        "DROP INDEX i ON a",
        "INSERT INTO a VALUES (1,'x')",
        "ALTER TABLE a ADD COLUMN extra INT, ADD COLUMN more DECIMAL(10,2)",
        "INSERT INTO a VALUES (2,'x',3,4)",
        "CREATE VIEW w AS SELECT * FROM a",
        "CREATE TRIGGER tr BEFORE INSERT ON a FOR EACH ROW SET NEW.extra = 5",
        "CREATE TABLE IF NOT EXISTS a (z INT)",
        "ANALYZE TABLE a",
        "CREATE TEMPORARY TABLE a2 (x INT)",
        "DROP TEMPORARY TABLE a2",
        "INSERT INTO a VALUES (3,'x',3,4)",
    ];
    bench.run(&statements).await;
    let events = bench.stream_from(begin).await.unwrap();
    assert!(schema_changes(&events).is_empty(), "{events:?}");
    assert_eq!(rows(&events), ["insert 1", "insert 2", "insert 3"]);
}

/// Each statement stops the table, and nothing of the table follows in this stream.
async fn changes(flavor: Flavor, schema: &str) {
    let statements = [
        ("ALTER TABLE a DROP COLUMN v", "drops column v of table"),
        ("ALTER TABLE a MODIFY v VARCHAR(20)", "modifies column v of table"),
        ("ALTER TABLE a CHANGE v u VARCHAR(50)", "changes column v of table"),
        ("ALTER TABLE a ADD COLUMN w INT AFTER id, MODIFY v TEXT", "modifies column v of table"),
        ("ALTER TABLE a CHANGE v v VARCHAR(50) CHARACTER SET latin1 FIRST", "changes column v of table"),
        ("ALTER TABLE a RENAME TO b", "renames table"),
        ("RENAME TABLE other TO x, a TO other, x TO a", "renames table"),
        ("DROP TABLE other, a", "drops table"),
        ("ALTER TABLE a CONVERT TO CHARACTER SET latin1", "converts the character set of table"),
        ("ALTER TABLE a DROP PRIMARY KEY", "drops the primary key of table"),
        ("/* x */ ALTER /*!50000 TABLE */ `a` RENAME COLUMN `v` TO `u` -- end", "renames column v of table"),
    ];
    for (index, (statement, expected)) in statements.into_iter().enumerate() {
        let Some(mut bench) = bench(flavor, &format!("{schema}{index}")).await else { return };
        let events = bench.stream(&["INSERT INTO a VALUES (1,'x')", statement]).await.unwrap();
        let found = schema_changes(&events);
        assert_eq!(found.len(), 1, "{statement}: {events:?}");
        assert!(found[0].description.starts_with(expected), "{statement}: {}", found[0].description);
        assert_eq!(rows(&events), ["insert 1"]);
    }
    let Some(mut bench) = bench(flavor, &format!("{schema}_all")).await else { return };
    let events = bench.stream(&[&format!("DROP DATABASE {schema}_all"), "FLUSH BINARY LOGS"]).await.unwrap();
    assert_eq!(schema_changes(&events).len(), 1);
}

/// A layout that is not that of the log stops with what differs.
async fn drifted(flavor: Flavor, schema: &str) {
    let Some(mut bench) = bench(flavor, schema).await else { return };
    bench.run(&["ALTER TABLE a CHANGE v u VARCHAR(50)"]).await;
    let error = bench.stream(&["INSERT INTO a VALUES (1,'x')"]).await.unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("column v is not in the log") && text.contains(&format!("{schema}.a")), "{text}");
    bench.run(&["ALTER TABLE a CHANGE u v BIGINT"]).await;
    let error = bench.stream(&["INSERT INTO a VALUES (2,2)"]).await.unwrap_err();
    assert!(format!("{error:?}").contains("in the catalogue but Integer(8) in the log"), "{error:?}");
}

/// Column pruning: types that no mapping can carry do not matter where no mapping uses them.
async fn unmapped_columns(flavor: Flavor, schema: &str) {
    let Some(mut bench) = bench(flavor, schema).await else { return };
    let compressed = if flavor == Flavor::MariaDb { "TEXT COMPRESSED" } else { "JSON" };
    bench
        .run(&[
            "DROP TABLE a",
            &format!("CREATE TABLE a (g GEOMETRY, c {compressed}, id INT PRIMARY KEY, y YEAR, b BIT(3), v VARCHAR(50))"),
        ])
        .await;
    let layout = &mut bench.layouts[0];
    layout.source_column_count = 6;
    (layout.columns[0].ordinal, layout.columns[1].ordinal) = (2, 5);
    let events = bench
        .stream(&["INSERT INTO a VALUES (POINT(1,2), '[1]', 5, 2024, 3, 'x'), (NULL, NULL, 6, NULL, NULL, NULL)"])
        .await
        .unwrap();
    assert_eq!(rows(&events), ["insert 5", "insert 6"]);
}

/// How virtual columns show in row images: the ordinals of the catalogue must hold.
async fn virtual_columns(flavor: Flavor, schema: &str) {
    let Some(mut bench) = bench(flavor, schema).await else { return };
    bench
        .run(&[
            "DROP TABLE a",
            "CREATE TABLE a (id INT PRIMARY KEY, g INT AS (id + 1) VIRTUAL, s INT AS (id + 2) STORED, v VARCHAR(50))",
        ])
        .await;
    let layout = &mut bench.layouts[0];
    layout.source_column_count = 4;
    layout.columns[1].ordinal = 3;
    let mut computed = layout.columns[0].clone();
    (computed.ordinal, computed.column.name, computed.column.generated) = (1, "g".into(), Generated::Virtual);
    layout.columns.insert(1, computed);
    let events = bench.stream(&["INSERT INTO a (id, v) VALUES (1,'x')", "UPDATE a SET v = 'y'"]).await.unwrap();
    assert_eq!(rows(&events), ["insert 1", "update 1 1"]);
    let SourceEvent::Transaction(last) = events.last().unwrap() else { panic!("no transaction") };
    let Operation::Update { new, .. } = &last.changes[0].operation else { panic!("no update") };
    assert_eq!(full(new)[..], [Value::Int(1), Value::Int(2), Value::text("y")], "the log holds what the server computes");
}

macro_rules! both {
    ($($name:ident => $body:ident;)*) => {
        mod mariadb { use super::*; $(#[tokio::test] async fn $name() { $body(Flavor::MariaDb, stringify!($name)).await; })* }
        mod mysql { use super::*; $(#[tokio::test] async fn $name() { $body(Flavor::MySql, stringify!($name)).await; })* }
    };
}

both! {
    f41_truncate => truncate_in_order;
    f50_harmless => harmless;
    f51_changes => changes;
    f48_drifted => drifted;
    f80_unmapped_columns => unmapped_columns;
    f57_virtual_columns => virtual_columns;
}
