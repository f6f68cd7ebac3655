//! How much of its log the legacy server holds for the slot: little while nothing mapped changes, little while a target is gone, and never more
//! than its limit.

use super::{Crm, LEGACY_ARGS, Writer, installed};
use crate::support::program::Running;
use crate::support::{rounds, seed};
use std::time::Duration;
use strangler::demo::servers::{Postgres, ServerOptions};

const MIB: i64 = 1 << 20;

async fn number(crm: &Crm, sql: &str) -> i64 {
    crm.ask("legacy", &format!("SELECT ({sql})::bigint::text")).await.first().unwrap().parse().unwrap()
}

/// Bytes of log between two places of it.
fn between(from: &str, to: &str) -> String {
    format!("SELECT pg_wal_lsn_diff({to}, {from}) FROM pg_replication_slots WHERE slot_name = 'strangler_crm'")
}

async fn held(crm: &Crm) -> i64 {
    number(crm, &between("restart_lsn", "pg_current_wal_lsn()")).await
}

async fn confirmed(crm: &Crm) -> i64 {
    number(crm, &between("'0/0'", "confirmed_flush_lsn")).await
}

/// Waits until the slot has confirmed a place and holds less than `bytes`.
async fn until_moved(crm: &Crm, engine: &mut Running, behind: i64, bytes: i64) {
    for _ in 0..600 {
        if confirmed(crm).await > behind && held(crm).await < bytes {
            return;
        }
        assert!(engine.ended().is_none(), "{}", engine.log());
        // The oldest place that a slot holds moves when the server logs what is running: by a checkpoint, and every fifteen seconds.
        crm.server.execute("postgres", "CHECKPOINT").await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the slot holds {} bytes and has confirmed {}, not {behind}\n{}", held(crm).await, confirmed(crm).await, engine.log());
}

/// Nothing mapped changes, and another database of the cluster is busy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f08_an_idle_source_with_a_busy_neighbour_holds_no_more_than_64_mib() {
    let Some(crm) = Crm::new().await else { return };
    crm.server.execute("postgres", "CREATE DATABASE neighbour").await.unwrap();
    crm.server.execute("neighbour", "CREATE TABLE busy (v text); ALTER TABLE busy ALTER v SET STORAGE EXTERNAL").await.unwrap();
    let mut engine = crm.start();
    crm.until_live(&mut engine).await;
    let start = number(&crm, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')").await;
    let mut most = 0;
    for _ in 0..rounds(30, 300) {
        let before = number(&crm, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')").await;
        crm.server
            .execute(
                "neighbour",
                "TRUNCATE busy; INSERT INTO busy SELECT repeat(md5(g::text), 250) FROM generate_series(1, 1250) g",
            )
            .await
            .unwrap();
        most = most.max(held(&crm).await);
        until_moved(&crm, &mut engine, before, 32 * MIB).await;
    }
    let written = number(&crm, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')").await - start;
    assert!(written > 250 * MIB, "the neighbour wrote {written} bytes only");
    assert!(most < 64 * MIB, "the slot held {most} bytes");
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
}

/// The target is gone while the source is written to: the source's log is let go all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f10_a_target_that_is_gone_under_load_leaves_the_slot_moving() {
    let Some(server) = installed(Postgres::start(ServerOptions::with_args(LEGACY_ARGS)).await) else { return };
    let Some(service) = installed(Postgres::start(ServerOptions::default()).await) else { return };
    let mut crm = Crm::over(server, Some(service)).await;
    let seed = seed("target_gone");
    let writer = Writer::start(&crm.server, seed).await;
    let mut engine = crm.start();
    crm.until_live(&mut engine).await;
    crm.service.as_mut().unwrap().stop().await.unwrap();
    for _ in 0..rounds(5, 600) {
        let before = number(&crm, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        until_moved(&crm, &mut engine, before, 64 * MIB).await;
    }
    crm.service.as_mut().unwrap().restart().await.unwrap();
    writer.stop().await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    crm.strangler(&["run", "--until-caught-up"]).await.expect(0);
    assert!(crm.compare().await > 1_000);
}

/// More log than the project allows, with an engine that keeps reading: it warns in the status, then does what the project says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f10_a_slot_beyond_its_limit_warns_then_stops_or_is_dropped() {
    let Some(crm) = Crm::new().await else { return };
    let slots = "SELECT count(*)::text FROM pg_replication_slots";
    let fill = "CREATE TABLE IF NOT EXISTS app.busy (v text); INSERT INTO app.busy SELECT repeat(md5(g::text), 30) FROM generate_series(1, 10000) g";
    crm.strangler(&["run", "--until-caught-up"]).await.expect(0);
    crm.edit("max_retained: 2GiB", "max_retained: 12MiB");
    // An old transaction keeps the slot's oldest place where it is, whatever is confirmed.
    let old = crm.server.connect("legacy").await.unwrap();
    old.batch_execute("BEGIN; INSERT INTO app.unmapped (v) VALUES ('old')").await.unwrap();
    crm.server.execute("legacy", "CHECKPOINT").await.unwrap();
    crm.server.execute("legacy", fill).await.unwrap();
    let told = crm.strangler(&["status"]).await.expect(0);
    told.names(&[
        "slot     strangler_crm on crm: ",
        "of log",
        "limit 12.0 MiB",
        "warning: the slot has used half of its slot_limit",
        "the engine stops",
    ]);
    let json = crm.strangler(&["status", "--format", "json"]).await.expect(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let held = &json["held_logs"][0];
    assert_eq!((held["slot"].as_str(), held["limit_bytes"].as_u64()), (Some("strangler_crm"), Some(12 << 20)), "{held}");
    assert!(held["held_bytes"].as_u64() > Some(6 << 20) && held["warning"].is_string(), "{held}");
    let mut engine = crm.start();
    let warns = |status: &serde_json::Value| status["held_logs"][0]["warning"].is_string();
    crm.until(&mut engine, "warning", warns).await;
    crm.server.execute("legacy", fill).await.unwrap();
    assert_eq!(engine.wait().await.code(), Some(76), "{}", engine.log());
    assert!(engine.log().contains("more than its limit"), "{}", engine.log());
    assert_eq!(crm.ask("legacy", slots).await, ["1"], "the slot stays");
    crm.edit("on_exceed: stop", "on_exceed: drop");
    crm.strangler(&["run"]).await.expect(76).names(&["more than its limit", "the slot is dropped"]);
    assert_eq!(crm.ask("legacy", slots).await, ["0"], "the slot is dropped");
    old.batch_execute("COMMIT").await.unwrap();
    crm.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["does not exist", "--rebuild"]);
    crm.strangler(&["run", "--rebuild", "--until-caught-up"]).await.expect(0);
    assert!(crm.compare().await > 1_000);
    crm.strangler(&["reset", "--execute"]).await.expect(0).names(&["belongs to another role"]);
    assert_eq!(crm.ask("legacy", slots).await, ["0"], "reset leaves nothing");
}

/// The server's own limit: the slot of an engine that is stopped is lost, which is told and never skipped over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f06_a_slot_that_the_server_gave_up_is_told_and_refused() {
    let arguments =
        LEGACY_ARGS.iter().copied().chain(["-cmax_slot_wal_keep_size=16MB", "-cmax_wal_size=32MB", "-cmin_wal_size=32MB"]);
    let Some(server) = installed(Postgres::start(ServerOptions::with_args(arguments)).await) else { return };
    let crm = Crm::over(server, None).await;
    crm.strangler(&["run", "--until-caught-up"]).await.expect(0);
    for _ in 0..6 {
        let fill = "CREATE TABLE IF NOT EXISTS app.busy (v text); INSERT INTO app.busy SELECT repeat(md5(g::text), 30) FROM generate_series(1, 20000) g";
        crm.server.execute("legacy", fill).await.unwrap();
        crm.server.execute("legacy", "CHECKPOINT").await.unwrap();
    }
    crm.strangler(&["status"]).await.expect(0).names(&["lost", "warning: the server has given the slot up"]);
    crm.strangler(&["run", "--until-caught-up"]).await.expect(76).names(&["was invalidated by the server", "--rebuild"]);
    crm.strangler(&["run", "--rebuild", "--until-caught-up"]).await.expect(0);
    assert!(crm.compare().await > 1_000);
}
