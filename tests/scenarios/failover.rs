//! Another server behind the source's address: a replica that was promoted, in order or after its primary died under load. Live, the run follows
//! it by GTID if it has everything that was read; in the backfill it stops by name.

use super::project;
use crate::support::oracle;
use crate::support::project::Project;
use crate::support::servers::{Kind, Pair, own};
use crate::support::{rounds, seed};
use mysql_async::prelude::Queryable;
use std::time::Duration;

/// A server that holds all of the first one's history and goes on from it.
pub(super) async fn replica_of(pair: &Pair, kind: Kind) -> Option<Pair> {
    let updates = if kind == Kind::MariaDb { "--log-slave-updates=ON" } else { "--log-replica-updates=ON" };
    let replica = own(kind, &["--server-id=77", updates]).await?;
    let (port, password) = (pair.source.port(), pair.source.password());
    let (source, start) = match kind {
        Kind::MariaDb => (
            format!(
                "CHANGE MASTER TO master_host='127.0.0.1', master_port={port}, master_user='root', master_password='{password}', master_use_gtid=slave_pos"
            ),
            "START SLAVE",
        ),
        Kind::MySql => (
            format!(
                "CHANGE REPLICATION SOURCE TO source_host='127.0.0.1', source_port={port}, source_user='root', source_password='{password}', source_auto_position=1, get_source_public_key=1"
            ),
            "START REPLICA",
        ),
    };
    replica.source.execute(&[&source, start]).await.unwrap();
    Some(replica)
}

/// Waits until the replica has everything, and promotes it behind the first one's address.
async fn fail_over(pair: &mut Pair, replica: &mut Pair, kind: Kind, project: &Project) {
    until_followed(pair, replica, project).await;
    pair.source.stop().await.unwrap();
    promote(pair, replica, kind).await;
}

/// Waits until the replica has everything that was written before this call.
async fn until_followed(pair: &Pair, replica: &Pair, project: &Project) {
    let marker = format!("CREATE TABLE {}.marker (id INT PRIMARY KEY)", project.name);
    pair.source.execute(&[&marker]).await.unwrap();
    let arrived = format!("SELECT * FROM {}.marker", project.name);
    let mut patience = 600;
    while replica.source.execute(&[&arrived]).await.is_err() {
        patience -= 1;
        assert!(patience > 0, "the replica does not follow: {}", log_of(replica));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The replica goes on alone, behind the address of the first one, which is gone.
async fn promote(pair: &Pair, replica: &mut Pair, kind: Kind) {
    let stop = if kind == Kind::MariaDb { ["STOP SLAVE", "RESET SLAVE ALL"] } else { ["STOP REPLICA", "RESET REPLICA ALL"] };
    replica.source.execute(&stop).await.unwrap();
    let port = pair.source.port();
    let updates = if kind == Kind::MariaDb { "--log-slave-updates=ON" } else { "--log-replica-updates=ON" };
    let arguments = ["--server-id=77".to_owned(), updates.to_owned(), format!("--port={port}")];
    replica.source.set_extra_args(arguments.to_vec());
    replica.source.restart().await.unwrap();
    // The tests ask whoever is behind the address with the first server's password.
    let same =
        ["127.0.0.1", "localhost"].map(|host| format!("ALTER USER 'root'@'{host}' IDENTIFIED BY '{}'", pair.source.password()));
    replica.source.execute(&["SET SESSION sql_log_bin = 0", &same[0], &same[1]]).await.unwrap();
}

fn log_of(replica: &Pair) -> String {
    std::fs::read_to_string(replica.source.folder().join("log")).unwrap_or_default()
}

async fn live_it_is_followed(kind: Kind) {
    let Some(mut pair) = own(kind, &[]).await else { return };
    let Some(mut replica) = replica_of(&pair, kind).await else { return };
    let project = project(&pair, "failover_live").await;
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    project.legacy(&["UPDATE s_ord SET amt = amt + 1", "ALTER TABLE s_ord DROP COLUMN unused"]).await;
    fail_over(&mut pair, &mut replica, kind, &project).await;
    project.legacy(&["UPDATE s_ord SET amt = amt + 1", "INSERT INTO s_ord (ord_no, st, amt) VALUES (6, '10', 1)"]).await;
    assert!(engine.ended().is_none(), "{}", engine.log());
    let whole = |project: &Project| project.status().is_some_and(|status| status["change_count"].as_u64() >= Some(11));
    project.until(&mut engine, "caught up", whole).await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert_eq!(project.settle().await, 9);
}

/// Random transactions until the server is gone.
fn write(project: &Project, seed: u64) -> tokio::task::JoinHandle<u32> {
    let url = project.source_url().to_owned();
    tokio::spawn(async move {
        let (mut random, mut count) = (fastrand::Rng::with_seed(seed), 0);
        let mut conn = mysql_async::Conn::from_url(url).await.unwrap();
        loop {
            let (order, customer) = (random.u32(1..400), random.u32(1..20));
            let statement = match random.u8(0..5) {
                0 => format!("DELETE FROM s_ord WHERE ord_no = {order}"),
                1 => {
                    format!("UPDATE s_ord SET cust_no = {customer}, amt = amt + 1 WHERE ord_no BETWEEN {order} AND {order} + 10")
                }
                2 => format!("REPLACE INTO s_cust VALUES ({customer}, 'name {order}', 'B')"),
                _ => format!("REPLACE INTO s_ord (ord_no, cust_no, st, amt) VALUES ({order}, {customer}, '10', {customer}.25)"),
            };
            if conn.query_drop(statement).await.is_err() {
                return count;
            }
            count += 1;
            tokio::time::sleep(Duration::from_millis(random.u64(0..20))).await;
        }
    })
}

/// F01: the primary dies while it is written to; engine and writers go on with the replica, from what each of them knows.
async fn f01_promoted_under_load(kind: Kind) {
    let Some(mut pair) = own(kind, &[]).await else { return };
    let Some(mut replica) = replica_of(&pair, kind).await else { return };
    let project = project(&pair, "failover_load").await;
    let seed = seed("failover_load");
    let writers = [write(&project, seed), write(&project, seed + 1)];
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    tokio::time::sleep(Duration::from_secs(rounds(2, 20))).await;
    engine.kill();
    until_followed(&pair, &replica, &project).await;
    pair.source.kill().unwrap();
    for writer in writers {
        assert!(writer.await.unwrap() > 10);
    }
    promote(&pair, &mut replica, kind).await;
    let writers = [write(&project, seed + 2), write(&project, seed + 3)];
    let mut engine = project.start(&[]);
    let moves = |project: &Project| project.status().is_some_and(|status| status["change_count"].as_u64() >= Some(50));
    project.until(&mut engine, "following the promoted replica", moves).await;
    tokio::time::sleep(Duration::from_secs(rounds(2, 20))).await;
    for writer in writers {
        writer.abort();
        let _ = writer.await;
    }
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert!(project.settle().await > 100);
    project.strangler(&["verify"]).await.expect(0);
}

/// F01: the replica never got what the engine had read.
async fn f01_a_replica_that_lacks_what_was_read_is_refused(kind: Kind) {
    let Some(mut pair) = own(kind, &[]).await else { return };
    let Some(mut replica) = replica_of(&pair, kind).await else { return };
    let project = project(&pair, "failover_lost").await;
    let mut engine = project.start(&[]);
    project.until_live(&mut engine).await;
    until_followed(&pair, &replica, &project).await;
    replica.source.execute(&[if kind == Kind::MariaDb { "STOP SLAVE" } else { "STOP REPLICA" }]).await.unwrap();
    project.legacy(&["UPDATE s_ord SET amt = amt + 1"]).await;
    let read = |project: &Project| project.status().is_some_and(|status| status["change_count"].as_u64() >= Some(5));
    project.until(&mut engine, "ahead of the replica", read).await;
    pair.source.kill().unwrap();
    promote(&pair, &mut replica, kind).await;
    project.legacy(&["UPDATE s_ord SET amt = amt + 2", "UPDATE s_ord SET amt = amt + 3"]).await;
    assert_eq!(engine.wait().await.code(), Some(76), "{}", engine.log());
    let words =
        if kind == Kind::MariaDb { "does not hold the recorded GTIDs" } else { "has not executed all of the transactions" };
    project.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&[words, "--rebuild"]);
    project.strangler(&["run", "--rebuild", "--until-caught-up"]).await.expect(0);
    assert_eq!(oracle::check(&project).await, 8);
}

async fn in_the_backfill_it_stops(kind: Kind) {
    let Some(mut pair) = own(kind, &[]).await else { return };
    let Some(mut replica) = replica_of(&pair, kind).await else { return };
    let project = project(&pair, "failover_backfill").await;
    for doubling in 0..13 {
        let shift = 1000 << doubling;
        let double = format!("INSERT INTO s_ord SELECT ord_no + {shift}, cust_no, st, amt, memo, ship_dt, unused FROM s_ord");
        project.legacy(&[&double]).await;
    }
    project.edit("strangler.yaml", "{ env: ERP_PASSWORD }", "{ env: ERP_PASSWORD }\n    limits: { connections: 1 }");
    let mut engine = project.start(&[]);
    project.until(&mut engine, "in the snapshot", |project| project.stage().is_some()).await;
    assert_eq!(project.stage().as_deref(), Some("snapshot"), "the snapshot was over too soon");
    engine.signal("STOP");
    fail_over(&mut pair, &mut replica, kind, &project).await;
    engine.signal("CONT");
    assert_eq!(engine.wait().await.code(), Some(76), "{}", engine.log());
    let log = engine.log();
    assert!(log.contains("another server than the one the backfill began on") && log.contains("--rebuild"), "{log}");
    project.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["another server", "--rebuild"]);
    project.strangler(&["run", "--rebuild", "--until-caught-up"]).await.expect(0);
    assert!(oracle::check(&project).await > 40_000);
}

#[tokio::test]
async fn f55_a_live_run_follows_a_promoted_replica_of_mariadb() {
    live_it_is_followed(Kind::MariaDb).await;
}

#[tokio::test]
async fn f55_a_live_run_follows_a_promoted_replica_of_mysql() {
    live_it_is_followed(Kind::MySql).await;
}

#[tokio::test]
async fn f01_a_replica_of_mariadb_promoted_under_load_is_followed() {
    f01_promoted_under_load(Kind::MariaDb).await;
}

#[tokio::test]
async fn f01_a_replica_of_mysql_promoted_under_load_is_followed() {
    f01_promoted_under_load(Kind::MySql).await;
}

#[tokio::test]
async fn f01_a_promoted_replica_of_mariadb_without_what_was_read_is_refused() {
    f01_a_replica_that_lacks_what_was_read_is_refused(Kind::MariaDb).await;
}

#[tokio::test]
async fn f01_a_promoted_replica_of_mysql_without_what_was_read_is_refused() {
    f01_a_replica_that_lacks_what_was_read_is_refused(Kind::MySql).await;
}

#[tokio::test]
async fn a_failover_of_mariadb_in_the_backfill_stops() {
    in_the_backfill_it_stops(Kind::MariaDb).await;
}

#[tokio::test]
async fn a_failover_of_mysql_in_the_backfill_stops() {
    in_the_backfill_it_stops(Kind::MySql).await;
}
