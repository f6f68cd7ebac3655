//! What the log must not hide: definition changes, statements instead of rows, a log that is gone.

use super::{caught_up, on_mariadb, project};
use crate::support::oracle;
use crate::support::program::Running;
use crate::support::project::Project;
use crate::support::servers::{Kind, own};

pub async fn live(project: &Project) -> Running {
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    engine
}

/// The engine must stop by itself with 76, and say all of `words`.
pub async fn stops(project: &Project, statements: &[&str], words: &[&str]) {
    let mut engine = live(project).await;
    project.legacy(statements).await;
    assert_eq!(engine.wait().await.code(), Some(76), "{}", engine.log());
    let log = engine.log();
    for word in words {
        assert!(log.contains(word), "{word:?} is not named\n{log}");
    }
    // It stays stopped: running again meets the same event.
    project.strangler(&["run", "--until-caught-up"]).await.expect(76);
}

#[tokio::test]
async fn dropping_a_mapped_column_stops_with_position_and_columns() {
    let (_pair, project) = on_mariadb!(project, "ddl_drop");
    stops(&project, &["ALTER TABLE s_ord DROP COLUMN memo"], &["binlog.", "s_ord", "memo", "orders"]).await;
}

#[tokio::test]
async fn changing_the_type_of_a_mapped_column_stops() {
    let (_pair, project) = on_mariadb!(project, "ddl_type");
    stops(&project, &["ALTER TABLE s_ord MODIFY amt DECIMAL(14,4) NOT NULL"], &["s_ord", "amt"]).await;
}

#[tokio::test]
async fn renaming_a_mapped_table_stops() {
    let (_pair, project) = on_mariadb!(project, "ddl_rename");
    stops(&project, &["RENAME TABLE s_cust TO s_customer"], &["s_cust"]).await;
}

#[tokio::test]
async fn dropping_a_mapped_table_stops() {
    let (_pair, project) = on_mariadb!(project, "ddl_drop_table");
    stops(&project, &["DROP TABLE s_cust"], &["s_cust"]).await;
}

#[tokio::test]
async fn definition_changes_beside_the_mapping_pass() {
    let (_pair, project) = on_mariadb!(project, "ddl_beside");
    let mut engine = live(&project).await;
    project
        .legacy(&[
            "ALTER TABLE s_ord ADD COLUMN later INT NULL",
            "UPDATE s_ord SET later = ord_no, amt = amt + 1",
            "INSERT INTO s_ord (ord_no, cust_no, st, amt, later) VALUES (6, 3, '10', 6.66, 1)",
            "CREATE INDEX by_status ON s_ord (st)",
            "CREATE TABLE elsewhere (id INT PRIMARY KEY, s_ord INT)",
            "INSERT INTO elsewhere VALUES (1, 1)",
            "DROP TABLE elsewhere",
            "ANALYZE TABLE s_ord",
            "FLUSH BINARY LOGS",
            "UPDATE s_cust SET nm = CONCAT(nm, '*')",
        ])
        .await;
    project
        .until(&mut engine, "caught up", |project| {
            project
                .status()
                .is_some_and(|status| status["mappings"][0]["lag_ms"] == 0 && status["change_count"].as_u64() >= Some(9))
        })
        .await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert_eq!(project.settle().await, 9);
}

#[tokio::test]
async fn truncate_empties_the_target_too() {
    let (_pair, project) = on_mariadb!(project, "truncate");
    let mut engine = live(&project).await;
    project.legacy(&["TRUNCATE TABLE s_ord", "INSERT INTO s_ord (ord_no, cust_no, st, amt) VALUES (1, 2, '10', 1)"]).await;
    assert_eq!(engine.interrupt().await, Some(130));
    assert_eq!(project.settle().await, 4);
}

#[tokio::test]
async fn changes_logged_as_statements_stop() {
    // Its own server: every engine that reads this log must stop.
    let Some(pair) = own(Kind::MariaDb, &[]).await else { return };
    let project = project(&pair, "statements").await;
    stops(
        &project,
        &["SET SESSION binlog_format = 'STATEMENT'", "UPDATE s_ord SET memo = 'by statement' WHERE ord_no = 2"],
        &["binlog.", "binlog_format"],
    )
    .await;
}

#[tokio::test]
async fn a_partial_image_is_filled_from_state_and_stops_where_it_cannot_be() {
    let (_pair, project) = on_mariadb!(project, "partial");
    let mut engine = live(&project).await;
    project
        .legacy(&[
            "SET SESSION binlog_row_image = 'MINIMAL'",
            "UPDATE s_ord SET amt = 12.34 WHERE ord_no = 1",
            "UPDATE s_ord SET ord_no = 11 WHERE ord_no = 3",
            "DELETE FROM s_ord WHERE ord_no = 2",
            "INSERT INTO s_ord VALUES (6, 2, '10', 1.5, 'whole', NULL, NULL)",
        ])
        .await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert_eq!(project.settle().await, 8);
    // The defaults of columns that an INSERT does not name are nowhere in the log.
    stops(
        &project,
        &["SET SESSION binlog_row_image = 'MINIMAL'", "INSERT INTO s_ord (ord_no, st, amt) VALUES (7, '10', 1)"],
        &["s_ord", "binlog_row_image"],
    )
    .await;
}

#[tokio::test]
async fn a_purged_log_stops_and_rebuild_mends_it() {
    let Some(mut pair) = own(Kind::MariaDb, &[]).await else { return };
    let project = caught_up(&pair, "purged").await;
    project.legacy(&["UPDATE s_ord SET amt = 1.11", "FLUSH BINARY LOGS", "DELETE FROM s_ord WHERE ord_no = 1"]).await;
    // A new log begins, and the server forgets the reader that is gone: what a reader reads is not purged.
    pair.source.restart().await.unwrap();
    let last: String = project.ask_legacy("SHOW BINARY LOGS").await.pop().unwrap().get(0).unwrap();
    project.legacy(&[&format!("PURGE BINARY LOGS TO '{last}'")]).await;
    assert_eq!(project.ask_legacy("SHOW BINARY LOGS").await.len(), 1);
    project.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["--rebuild"]);
    project.strangler(&["run", "--rebuild", "--until-caught-up"]).await.expect(0);
    assert_eq!(oracle::check(&project).await, 7);
}

#[tokio::test]
async fn another_server_behind_the_same_address_is_not_resumed_on() {
    let Some(pair) = own(Kind::MySql, &[]).await else { return };
    let project = caught_up(&pair, "other_server").await;
    let Some(other) = own(Kind::MySql, &[]).await else { return };
    let name = &project.name;
    let statements = [
        format!("CREATE DATABASE {name}"),
        format!("CREATE USER {name}@'127.0.0.1' IDENTIFIED BY 'Only-For-Tests-1'"),
        format!("GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {name}@'127.0.0.1'"),
        format!("USE {name}"),
        super::TABLES[0].into(),
        super::TABLES[1].into(),
    ];
    other.source.execute(&statements.each_ref().map(String::as_str)).await.unwrap();
    project.edit("strangler.yaml", &format!(":{}/", pair.source.port()), &format!(":{}/", other.source.port()));
    project.strangler(&["run", "--until-caught-up"]).await.expect(76);
}
