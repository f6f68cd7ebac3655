//! Columns that no mapping reads come, go and move: at every stage, while the engine is away, and across a crash. What a mapping reads stays
//! what it was, and nothing stops.

use super::stream::live;
use super::{TABLES, project};
use crate::support::project::Project;
use crate::support::servers::{Kind, Pair, own};
use mysql_async::prelude::Queryable;

/// Alters both tables; every column keeps its values, `unused` its name.
const ALTERS: [&[&str]; 4] = [
    &[
        "ALTER TABLE s_ord ADD COLUMN added INT NULL FIRST, ADD COLUMN more INT NULL AFTER st",
        "UPDATE s_ord SET amt = amt + 1, added = 7, more = 8",
        "ALTER TABLE s_cust ADD COLUMN tel VARCHAR(20) NULL AFTER cust_no",
        "INSERT INTO s_cust (cust_no, nm, tel) VALUES (4, '최민지', '010')",
    ],
    &[
        "ALTER TABLE s_ord DROP COLUMN added, CHANGE more renamed BIGINT AFTER memo, MODIFY amt DECIMAL(10,2) NOT NULL FIRST",
        "INSERT INTO s_ord (ord_no, cust_no, st, amt, memo) VALUES (6, 4, '10', 6.66, 'moved')",
        "ALTER TABLE s_cust RENAME COLUMN tel TO mobile, MODIFY grd CHAR(2) NULL FIRST",
        "UPDATE s_cust SET nm = CONCAT(nm, '*'), grd = 'ZZ'",
    ],
    &[
        "ALTER TABLE s_ord DROP COLUMN unused, DROP COLUMN renamed",
        "UPDATE s_ord SET amt = amt * 2, memo = st WHERE ord_no <> 3",
        "ALTER TABLE s_ord ADD COLUMN unused VARCHAR(20) NULL",
        "DELETE FROM s_ord WHERE ord_no = 2",
    ],
    &["ALTER TABLE s_ord ADD COLUMN last INT NULL AFTER amt", "ALTER TABLE s_cust DROP COLUMN mobile, DROP COLUMN grd"],
];

/// Servers that name columns in the log, or do not.
async fn servers(kind: Kind, names: bool) -> Option<Pair> {
    let metadata = match (names, kind) {
        (true, _) => "--binlog-row-metadata=FULL",
        (false, Kind::MariaDb) => "--binlog-row-metadata=NO_LOG",
        (false, Kind::MySql) => "--binlog-row-metadata=MINIMAL",
    };
    own(kind, &[metadata]).await
}

async fn arrived(project: &Project, engine: &mut crate::support::program::Running, changes: u64) {
    let caught_up = |project: &Project| {
        let Some(status) = project.status() else { return false };
        status["mappings"][0]["lag_ms"] == 0 && status["change_count"].as_u64() >= Some(changes)
    };
    project.until(engine, "caught up", caught_up).await;
}

/// Live; across a kill right behind an ALTER; while nobody runs.
async fn pass_at_every_moment(kind: Kind, names: bool) {
    let Some(pair) = servers(kind, names).await else { return };
    let project = project(&pair, "columns").await;
    let mut engine = live(&project).await;
    project.legacy(ALTERS[0]).await;
    arrived(&project, &mut engine, 6).await;
    // The statement is the last thing in the log when the engine dies, and the row behind it comes when it is gone.
    project.legacy(&ALTERS[1][..1]).await;
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    engine.kill();
    project.legacy(&ALTERS[1][1..]).await;
    let mut engine = live(&project).await;
    arrived(&project, &mut engine, 5).await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    project.legacy(ALTERS[2]).await;
    assert_eq!(project.settle().await, 9);
    project.legacy(ALTERS[3]).await;
    project.legacy(&["UPDATE s_ord SET st = '99', last = 1"]).await;
    assert_eq!(project.settle().await, 9);
    project.strangler(&["verify"]).await.expect(0);
}

/// While chunks are read, the spool is replayed and rows are loaded; the engine dies in between.
async fn pass_during_the_backfill(kind: Kind, names: bool) {
    let Some(pair) = servers(kind, names).await else { return };
    let project = Project::new(&pair, "columns_backfill").await;
    project.legacy(TABLES).await;
    project.write("mappings/small.yaml", super::MAPPING);
    for doubling in 0..13 {
        let shift = 1000 << doubling;
        let double = format!("INSERT INTO s_ord SELECT ord_no + {shift}, cust_no, st, amt, memo, ship_dt, unused FROM s_ord");
        project.legacy(&[&double]).await;
    }
    project.edit("strangler.yaml", "{ env: ERP_PASSWORD }", "{ env: ERP_PASSWORD }\n    limits: { connections: 1 }");
    let mut engine = project.start(&[]);
    project.until(&mut engine, "started", |project| project.stage().is_some()).await;
    for statements in ALTERS {
        project.legacy(statements).await;
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        if project.stage().is_some_and(|stage| stage != "live") {
            engine.kill();
            engine = project.start(&[]);
        }
    }
    project.until_live(&mut engine).await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert!(project.settle().await > 40_000);
}

macro_rules! both {
    ($($name:ident: $body:ident($kind:ident, $names:literal);)*) => {
        $(#[tokio::test] async fn $name() { $body(Kind::$kind, $names).await; })*
    };
}

both! {
    f53_columns_beside_the_mapping_change_on_mariadb: pass_at_every_moment(MariaDb, true);
    f53_columns_beside_the_mapping_change_on_mariadb_without_names: pass_at_every_moment(MariaDb, false);
    f53_columns_beside_the_mapping_change_on_mysql: pass_at_every_moment(MySql, true);
    f53_columns_beside_the_mapping_change_on_mysql_without_names: pass_at_every_moment(MySql, false);
    f53_columns_change_during_the_backfill_on_mariadb: pass_during_the_backfill(MariaDb, false);
    f53_columns_change_during_the_backfill_on_mysql: pass_during_the_backfill(MySql, false);
}

/// The statement names a column that is read, next to one that is not.
#[tokio::test]
async fn a_mapped_column_in_the_same_statement_stops_by_name() {
    let Some(pair) = servers(Kind::MariaDb, false).await else { return };
    let project = project(&pair, "columns_mixed").await;
    let statement = "ALTER TABLE s_ord DROP COLUMN unused, MODIFY amt DECIMAL(10,3) NOT NULL FIRST";
    super::stream::stops(&project, &[statement], &["binlog.", "s_ord", "amt", "orders.amount"]).await;
}

/// The start waits for a prepared transaction, between its two readings of the catalogue: what is altered in between is in neither the
/// recorded schema nor the stream.
#[tokio::test]
async fn a_table_altered_between_the_two_readings_of_the_catalogue() {
    let Some(pair) = servers(Kind::MariaDb, false).await else { return };
    let project = project(&pair, "columns_start").await;
    project.legacy(&["CREATE TABLE elsewhere (id INT PRIMARY KEY)"]).await;
    let mut other = project.source().await;
    for statement in ["XA START 'x'", "INSERT INTO elsewhere VALUES (1)", "XA END 'x'", "XA PREPARE 'x'"] {
        other.query_drop(statement).await.unwrap();
    }
    let mut engine = project.start(&[]);
    let asked = async || -> u64 {
        let rows = project.ask_legacy("SHOW GLOBAL STATUS LIKE 'Com_xa_recover'").await;
        rows[0].get::<String, _>(1).unwrap().parse().unwrap()
    };
    while asked().await < 5 {
        assert!(engine.ended().is_none(), "{}", engine.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    project.legacy(&["ALTER TABLE s_ord ADD COLUMN early INT NULL FIRST", "UPDATE s_ord SET early = 1, amt = amt + 1"]).await;
    other.query_drop("XA COMMIT 'x'").await.unwrap();
    project.until_live(&mut engine).await;
    assert!(engine.log().contains("a mapped table changed its definition while the run began"), "{}", engine.log());
    project.legacy(&["UPDATE s_ord SET early = 2, amt = amt + 1"]).await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert_eq!(project.settle().await, 8);
}
