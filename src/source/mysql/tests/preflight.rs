//! Every finding on a server that has its cause, and none on one that has not.

use mysql_async::prelude::Queryable;

use super::server::{Kind, TestServer, name, shared};
use crate::finding::{Finding, Severity};
use crate::source::Source;
use crate::source::mysql::MySqlSource;
use crate::source::mysql::connect::Secret;

fn limited(server: &TestServer, database: &str) -> MySqlSource {
    let mut options = server.options(database);
    options.user = "strangler_src".into();
    options.password = Some(Secret::new("pw-canary"));
    MySqlSource::new(options)
}

async fn findings(source: &MySqlSource, database: &str, tables: &[&str]) -> Vec<Finding> {
    let names: Vec<_> = tables.iter().map(|table| name(database, table)).collect();
    let catalog = source.catalog(&names).await.unwrap();
    source.preflight(&catalog).await.unwrap()
}

fn of(findings: &[Finding], severity: Severity) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.severity == severity).collect()
}

/// The grants of the README; without any one of them exactly one privilege is missing, and the remedy is the grant itself.
async fn every_grant_is_needed(kind: Kind) {
    let Some(server) = shared(kind) else { return };
    let mut conn = server.database("grants").await;
    conn.query_drop("CREATE TABLE a (k INT PRIMARY KEY)").await.unwrap();
    conn.query_drop("CREATE TABLE b (k INT PRIMARY KEY)").await.unwrap();
    let monitor = if kind == Kind::MariaDb { "BINLOG MONITOR" } else { "REPLICATION CLIENT" };
    let grants = [
        "REPLICATION SLAVE ON *.*".to_owned(),
        format!("{monitor} ON *.*"),
        "SELECT ON `grants`.`a`".to_owned(),
        "SELECT ON `grants`.`b`".to_owned(),
    ];
    for left_out in 0..=grants.len() {
        conn.query_drop("DROP USER IF EXISTS strangler_src@'%'").await.unwrap();
        conn.query_drop("CREATE USER strangler_src@'%' IDENTIFIED BY 'pw-canary'").await.unwrap();
        for (index, grant) in grants.iter().enumerate() {
            if index != left_out {
                conn.query_drop(format!("GRANT {grant} TO strangler_src@'%'")).await.unwrap();
            }
        }
        // A database that the account may see, whatever is left out.
        let found = findings(&limited(&server, "information_schema"), "grants", &["a", "b"]).await;
        let missing = of(&found, Severity::Privilege);
        match grants.get(left_out) {
            None => assert!(missing.is_empty() && of(&found, Severity::Refused).is_empty(), "{kind:?}: {found:?}"),
            Some(grant) => {
                assert_eq!(missing.len(), 1, "{kind:?} without {grant}: {found:?}");
                assert_eq!(missing[0].remedy, format!("GRANT {grant} TO 'strangler_src'@'%'"));
            }
        }
    }
}

#[tokio::test]
async fn each_missing_grant_breaks_exactly_one_privilege_check_on_mariadb() {
    every_grant_is_needed(Kind::MariaDb).await;
}

#[tokio::test]
async fn each_missing_grant_breaks_exactly_one_privilege_check_on_mysql() {
    every_grant_is_needed(Kind::MySql).await;
}

#[tokio::test]
async fn f15_f19_f24_f36_settings_and_tables_that_lose_changes_are_refused() {
    let arguments =
        ["--binlog-format=STATEMENT", "--binlog-row-image=MINIMAL", "--binlog-ignore-db=bad", "--expire-logs-days=0.5"];
    let Some(server) = super::server::start(Kind::MariaDb, &arguments) else { return };
    let mut conn = server.database("bad").await;
    for sql in [
        "CREATE TABLE parent (k INT PRIMARY KEY)",
        "CREATE TABLE child (k INT PRIMARY KEY, p INT, CONSTRAINT fk FOREIGN KEY (p) REFERENCES parent (k) ON DELETE CASCADE)",
        "CREATE TABLE memory (k INT PRIMARY KEY) ENGINE = MEMORY",
        "CREATE TABLE keyless (k INT)",
        "CREATE TABLE odd (k INT PRIMARY KEY, g POINT, z INT(5) ZEROFILL)",
        "CREATE VIEW v AS SELECT 1 AS one",
    ] {
        conn.query_drop(sql).await.unwrap();
    }
    let source = server.source("bad");
    let found = findings(&source, "bad", &["parent", "child", "memory", "keyless", "odd", "v", "nothing"]).await;
    let mut refused: Vec<(&str, &str)> =
        of(&found, Severity::Refused).iter().map(|finding| (finding.check, finding.object.as_str())).collect();
    refused.sort_unstable();
    assert_eq!(
        refused,
        [
            ("binlog_format", "binlog_format"),
            ("binlog_row_image", "binlog_row_image"),
            ("engine", "bad.memory"),
            ("foreign_key", "bad.child"),
            ("log_filter", "bad"),
            ("missing_table", "bad.nothing"),
            ("table", "bad.v"),
        ]
    );
    let warned: Vec<&str> = of(&found, Severity::Warning).iter().map(|finding| finding.check).collect();
    assert_eq!(warned.iter().filter(|check| **check == "column_type").count(), 2);
    assert!(warned.contains(&"key") && warned.contains(&"retention"), "{warned:?}");
    assert!(found.windows(2).all(|pair| pair[0].severity >= pair[1].severity));
}

#[tokio::test]
async fn f20_f23_f57_what_mysql_logs_and_does_not_log() {
    let Some(server) = super::server::start(Kind::MySql, &["--binlog-row-value-options=PARTIAL_JSON"]) else { return };
    let mut conn = server.database("my").await;
    for sql in [
        "CREATE TABLE parent (k INT PRIMARY KEY)",
        "CREATE TABLE child (k INT PRIMARY KEY, p INT, CONSTRAINT fk FOREIGN KEY (p) REFERENCES parent (k) ON DELETE CASCADE, g INT AS (k + 1) VIRTUAL)",
    ] {
        conn.query_drop(sql).await.unwrap();
    }
    let found = findings(&server.source("my"), "my", &["parent", "child"]).await;
    let refused: Vec<&str> = of(&found, Severity::Refused).iter().map(|finding| finding.check).collect();
    assert_eq!(refused, ["partial_json"], "this server logs its cascades: {found:?}");
    assert!(!found.iter().any(|finding| finding.check == "generated"), "a virtual column is in the log: {found:?}");
}

/// A replica's own writes are in its log, what it applies is not: the first load would be right and every change after it lost.
async fn unlogged_replica(kind: Kind, off: &[&str], point: &str, setting: &str) {
    let Some(server) = super::server::start(kind, off) else { return };
    let mut conn = server.database("replica").await;
    conn.query_drop("CREATE TABLE t (k INT PRIMARY KEY)").await.unwrap();
    let source = server.source("replica");
    let checks =
        |found: &[Finding]| found.iter().filter(|finding| finding.check.starts_with("replica")).cloned().collect::<Vec<_>>();
    assert!(checks(&findings(&source, "replica", &["t"]).await).is_empty(), "a primary has nothing to say about replicas");
    conn.query_drop(point).await.unwrap();
    let found = checks(&findings(&source, "replica", &["t"]).await);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((found[0].severity, found[0].object.as_str()), (Severity::Refused, setting));
    assert!(found[0].message.contains("replica of 127.0.0.1:1 "), "{found:?}");
    assert!(found[1].object == "replicate_do_db" && found[1].message.contains("shop"), "{found:?}");
}

#[tokio::test]
async fn a_replica_that_does_not_log_what_it_applies_is_refused_on_mariadb() {
    let point = "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1, MASTER_USER = 'x'";
    unlogged_replica(Kind::MariaDb, &["--replicate-do-db=shop"], point, "log_slave_updates").await;
}

#[tokio::test]
async fn a_replica_that_does_not_log_what_it_applies_is_refused_on_mysql() {
    let point = "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = 1, SOURCE_USER = 'x'";
    unlogged_replica(Kind::MySql, &["--log-replica-updates=OFF", "--replicate-do-db=shop"], point, "log_replica_updates").await;
}

/// F45: what is applied in another order than it was committed in.
async fn unordered_replica(kind: Kind, arguments: &[&str], unordered: &[&str], setting: &str, mend: &str) {
    let Some(server) = super::server::start(kind, arguments) else { return };
    let mut conn = server.database("unordered").await;
    conn.query_drop("CREATE TABLE t (k INT PRIMARY KEY)").await.unwrap();
    let source = server.source("unordered");
    let order = async || {
        let found = findings(&source, "unordered", &["t"]).await;
        found.into_iter().find(|finding| finding.check == "replica_order")
    };
    assert!(order().await.is_none(), "a primary applies nothing");
    for statement in unordered {
        conn.query_drop(*statement).await.unwrap();
    }
    let found = order().await.unwrap();
    assert_eq!((found.severity, found.object.as_str()), (Severity::Refused, setting), "{found:?}");
    assert!(found.remedy.contains(mend), "{found:?}");
    conn.query_drop(mend).await.unwrap();
    assert!(order().await.is_none());
}

#[tokio::test]
async fn f45_a_replica_that_applies_domains_out_of_order_is_refused_on_mariadb() {
    let unordered = [
        "SET GLOBAL gtid_slave_pos = '0-1-5,1-1-7'",
        "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1, MASTER_USER = 'x', MASTER_USE_GTID = slave_pos",
    ];
    let arguments = ["--slave-parallel-threads=4", "--slave-parallel-mode=optimistic"];
    let mend = "SET GLOBAL slave_parallel_threads = 0";
    unordered_replica(Kind::MariaDb, &arguments, &unordered, "slave_parallel_threads", mend).await;
}

#[tokio::test]
async fn f45_a_replica_that_commits_out_of_order_is_refused_on_mysql() {
    let unordered = ["CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = 1, SOURCE_USER = 'x'"];
    let arguments = ["--replica-parallel-workers=4", "--replica-preserve-commit-order=OFF"];
    let mend = "SET GLOBAL replica_preserve_commit_order = ON";
    unordered_replica(Kind::MySql, &arguments, &unordered, "replica_preserve_commit_order", mend).await;
}

#[tokio::test]
async fn an_account_that_cannot_see_whether_the_server_is_a_replica_is_told_so() {
    let Some(server) = super::server::start(Kind::MariaDb, &[]) else { return };
    let mut conn = server.database("unseen").await;
    conn.query_drop("CREATE TABLE t (k INT PRIMARY KEY)").await.unwrap();
    conn.query_drop("CREATE USER strangler_src@'%' IDENTIFIED BY 'pw-canary'").await.unwrap();
    conn.query_drop("GRANT REPLICATION SLAVE, BINLOG MONITOR, SELECT ON *.* TO strangler_src@'%'").await.unwrap();
    let found = findings(&limited(&server, "unseen"), "unseen", &["t"]).await;
    let said: Vec<&Finding> = found.iter().filter(|finding| finding.check == "replica").collect();
    assert_eq!(said.len(), 1, "{found:?}");
    assert!(said[0].severity == Severity::Warning && said[0].remedy.contains("REPLICA MONITOR"), "{said:?}");
}

/// The server's zone tables are loaded by hand and grow old; here they know nothing of Seoul's summers of 1987 and 1988.
#[tokio::test]
async fn f65_a_named_zone_that_the_server_sees_otherwise_is_refused() {
    let Some(server) = super::server::start(Kind::MariaDb, &[]) else { return };
    let mut conn = server.database("zones").await;
    for (id, zone) in [(1, "Asia/Seoul"), (2, "Asia/Tokyo")] {
        for sql in [
            format!("INSERT INTO mysql.time_zone VALUES ({id}, 'N')"),
            format!("INSERT INTO mysql.time_zone_name VALUES ('{zone}', {id})"),
            format!("INSERT INTO mysql.time_zone_transition_type VALUES ({id}, 0, 32400, 0, 'LST')"),
        ] {
            conn.query_drop(sql).await.unwrap();
        }
    }
    let within = |zone: &str| {
        let mut options = server.options("zones");
        options.session.time_zone = Some(zone.into());
        MySqlSource::new(options)
    };
    let error = within("Asia/Seoul").catalog(&[]).await.err().unwrap();
    assert_eq!(error.class(), crate::error::Class::Preflight);
    assert!(error.message().contains("Asia/Seoul") && error.hint().unwrap().contains("+09:00"), "{error:?}");
    within("Asia/Tokyo").catalog(&[]).await.unwrap();
}
