//! A legacy server that is to be spared: limits hold the readers of chunks back, say so everywhere, and change while the engine runs.

use super::failover::replica_of;
use super::project;
use crate::support::oracle;
use crate::support::program::Running;
use crate::support::project::Project;
use crate::support::servers::{Database, Kind, own, own_pair};

/// A project with `limits:` of its source and 40,000 rows.
fn limit(project: &Project, limits: &str) {
    let password = "    password: { env: ERP_PASSWORD }\n";
    project.edit("strangler.yaml", password, &format!("{password}    limits: {{ {limits} }}\n"));
}

async fn grow(project: &Project) {
    for doubling in 0..12 {
        let shift = 1000 << doubling;
        let double = format!(
            "INSERT INTO s_ord SELECT ord_no + {shift}, cust_no, st, amt, CONCAT('memo ', ord_no), ship_dt, unused FROM s_ord"
        );
        project.legacy(&[&double]).await;
    }
}

/// Waits until the engine says that it is held back by `reason`: in JSON, and in the text of `status`.
async fn held_back(project: &Project, engine: &mut Running, reason: &str) {
    let said = |project: &Project| {
        let status = project.status();
        status.is_some_and(|status| status["throttles"][0]["throttled"].as_str().is_some_and(|said| said.contains(reason)))
    };
    project.until(engine, reason, said).await;
    assert!(project.stage().as_deref() == Some("snapshot"));
    for _ in 0..20 {
        let shown = project.strangler(&["status"]).await.expect(0);
        if shown.stdout.contains("throttled: ") && shown.stdout.contains(reason) {
            return;
        }
    }
    panic!("status does not say that it is throttled");
}

#[tokio::test]
async fn f10_rates_hold_the_backfill_back_until_they_are_lifted() {
    let Some(pair) = own(Kind::MariaDb, &[]).await else { return };
    let project = project(&pair, "rates").await;
    grow(&project).await;
    limit(&project, "connections: 2, connections_max: 3, rows_per_second: 10");
    project.strangler(&["limit", "erp", "rows_per_second=5"]).await.expect(64).names(&["no engine runs"]);
    let mut engine = project.start(&[]);
    held_back(&project, &mut engine, "rows_per_second is 10").await;
    project.strangler(&["limit", "erp", "connections=3"]).await.expect(0).names(&["source erp: 3 connections"]);
    project.strangler(&["limit", "erp", "connections=4"]).await.expect(64).names(&["3 connections at most", "connections_max"]);
    project.strangler(&["limit", "erp", "rows_per_second=0"]).await.expect(64).names(&["rows_per_second"]);
    project.strangler(&["limit", "crm", "rows_per_second=7"]).await.expect(64).names(&["no source crm", "erp"]);
    project.strangler(&["limit", "erp", "max_load=Threads_runing=9"]).await.expect(78).names(&["Threads_runing"]);
    let shown = project.strangler(&["limit", "erp", "rows_per_second=off", "mb_per_second=1", "connections=1"]).await.expect(0);
    assert!(shown.stdout.contains("source erp: 1 connection, 1 MB/s"), "{}", shown.text());
    project.strangler(&["limit", "mb_per_second=off"]).await.expect(0).names(&["source erp: 1 connection"]);
    project.until_live(&mut engine).await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert!(oracle::check(&project).await > 20_000);
}

#[tokio::test]
async fn f10_a_loaded_server_is_waited_for_on_mysql_and_mariadb() {
    for kind in [Kind::MariaDb, Kind::MySql] {
        let Some(pair) = own(kind, &[]).await else { continue };
        let project = project(&pair, "loaded").await;
        // The engine's own connections are above it.
        limit(&project, "max_load: { threads_connected: 1 }");
        project.strangler(&["check"]).await.expect(0);
        let mut engine = project.start(&[]);
        held_back(&project, &mut engine, "above 1").await;
        assert!(project.status().unwrap()["throttles"][0]["limits"]["max_load"]["threads_connected"] == 1);
        project.strangler(&["limit", "erp", "max_load=Threads_connected=10000"]).await.expect(0);
        project.until_live(&mut engine).await;
        assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
        assert_eq!(oracle::check(&project).await, 8);
    }
}

#[tokio::test]
async fn limits_that_the_server_cannot_keep_are_shown_at_their_place() {
    let Some(pair) = own(Kind::MariaDb, &[]).await else { return };
    let project = project(&pair, "unkept").await;
    limit(&project, "max_load: { Threads_runing: 25 }, max_lag_s: 5");
    // Whether it is a replica is not for everybody to see.
    let shown = project.strangler(&["check"]).await.expect(65);
    assert!(shown.text().contains("GRANT REPLICA MONITOR"), "{}", shown.text());
    pair.source.execute(&[&format!("GRANT REPLICA MONITOR ON *.* TO '{}'@'127.0.0.1'", project.name)]).await.unwrap();
    for command in [&["check"][..], &["plan"], &["run"]] {
        let ended = project.strangler(command).await.expect(65);
        let text = ended.text();
        assert!(text.contains("strangler.yaml:5:") && text.contains("{ Threads_runing: 25 }") && text.contains("^^^^"), "{text}");
        assert!(text.contains("no gauge Threads_runing") && text.contains("is no replica"), "{text}");
    }
    assert!(!project.state().join("store").exists());
}

/// The lag of a replica that the project names, and of a source that is a replica itself.
#[tokio::test]
async fn f18_a_replica_that_falls_behind_holds_readers_back() {
    for kind in [Kind::MariaDb, Kind::MySql] {
        let Some(pair) = own(kind, &[]).await else { continue };
        let Some(mut replica) = replica_of(&pair, kind).await else { continue };
        let project = project(&pair, "lagging").await;
        grow(&project).await;
        let (watch, port) = (format!("watch_{}", project.name), replica.source.port());
        let right = if kind == Kind::MariaDb { "REPLICA MONITOR" } else { "REPLICATION CLIENT" };
        let account = [
            "SET SESSION sql_log_bin = 0".to_owned(),
            format!("CREATE USER {watch}@'127.0.0.1' IDENTIFIED BY 'Only-For-Tests-1'"),
            format!("GRANT {right} ON *.* TO {watch}@'127.0.0.1'"),
        ];
        replica.source.execute(&account.each_ref().map(String::as_str)).await.unwrap();
        let named =
            format!("{{ url: \"mysql://{watch}@127.0.0.1:{port}/information_schema\", password: {{ env: ERP_PASSWORD }} }}");
        limit(&project, &format!("rows_per_second: 10, max_lag_s: 5, replica: {named}"));
        let mut engine = project.start(&[]);
        held_back(&project, &mut engine, "rows_per_second is 10").await;
        let stop = if kind == Kind::MariaDb { "STOP SLAVE SQL_THREAD" } else { "STOP REPLICA SQL_THREAD" };
        replica.source.execute(&[stop]).await.unwrap();
        project.strangler(&["limit", "erp", "rows_per_second=off"]).await.expect(0);
        held_back(&project, &mut engine, "the replica lag is not known").await;
        // A lag that cannot be read is none of nothing either.
        replica.source.stop().await.unwrap();
        held_back(&project, &mut engine, "the load cannot be read").await;
        let shown = project.strangler(&["limit", "erp", "max_lag_s=7"]).await;
        assert!(shown.code == Some(69), "what cannot be read is not accepted: {}", shown.text());
        replica.source.restart().await.unwrap();
        let start = if kind == Kind::MariaDb { "START SLAVE SQL_THREAD" } else { "START REPLICA SQL_THREAD" };
        // A replica that was restarted applies by itself; another START is then none.
        let _ = replica.source.execute(&[start]).await;
        project.until_live(&mut engine).await;
        assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
        assert!(oracle::check(&project).await > 20_000);
    }
}

/// One text of the legacy database on PostgreSQL.
async fn ask(project: &Project, question: &str) -> String {
    project.source_client().await.query_one(question, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn f10_sessions_of_postgresql_are_its_load() {
    let Some(pair) = own_pair(Database::Postgres, Database::Postgres).await else { return };
    let project = Project::new(&pair, "sessions").await;
    project
        .legacy(&[
            "CREATE TABLE t (id INT PRIMARY KEY, n TEXT)",
            "INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 20000) i",
            "CREATE PUBLICATION erp_out FOR TABLE t",
        ])
        .await;
    let mapping = "version: 1\nmapping: m\nsource: erp\ntarget: order-db\ntables:\n  t:\n    key: [id]\n    sql: |\n      SELECT t.id AS id, t.n AS n FROM t\n";
    project.write("mappings/m.yaml", mapping);
    project.edit("strangler.yaml", "{ connections: 2 }", "{ connections: 2, max_load: { Threads_running: 25 } }");
    project.strangler(&["check"]).await.expect(65).names(&["no gauge Threads_running", "active_sessions"]);
    project.edit("strangler.yaml", "{ Threads_running: 25 }", "{ sessions: 1 }");
    // What the account may not see is no load of nothing.
    project.strangler(&["check"]).await.expect(77).names(&["GRANT pg_read_all_stats TO"]);
    project.legacy(&[&format!("GRANT pg_read_all_stats TO {}", project.name)]).await;
    project.edit("strangler.yaml", "{ sessions: 1 }", "{ sessions: 1 }, max_lag_s: 3");
    project.strangler(&["check"]).await.expect(65).names(&["no standby is connected", "max_lag_s"]);
    project.edit("strangler.yaml", ", max_lag_s: 3", "");
    let _busy = [project.source_client().await, project.source_client().await];
    let mut engine = project.start(&[]);
    held_back(&project, &mut engine, "above 1").await;
    // The stream is not held back: what is written is spooled, and the slot lets it go.
    project.legacy(&["UPDATE t SET n = 'changed' WHERE id % 7 = 0"]).await;
    let end: String = ask(&project, "SELECT pg_current_wal_lsn()::text").await;
    let confirmed = format!("SELECT (confirmed_flush_lsn >= '{end}')::text FROM pg_replication_slots");
    let mut patience = 600;
    while ask(&project, &confirmed).await != "true" {
        patience -= 1;
        assert!(patience > 0, "the slot is not acknowledged: {}", engine.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(project.stage().as_deref(), Some("snapshot"));
    project.strangler(&["limit", "erp", "max_load=active_sessions=1000,lock_waiting_sessions=10"]).await.expect(0);
    project.until_live(&mut engine).await;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    assert_eq!(oracle::check(&project).await, 20_000);
}

/// Before a run: how long it takes, what it needs, how long the source keeps its log, and which rows are joined by many.
#[tokio::test]
async fn f02_plan_forecasts_time_disk_log_and_hot_rows() {
    for kind in [Kind::MariaDb, Kind::MySql] {
        let Some(pair) = own(kind, &[]).await else { continue };
        let project = project(&pair, "forecast").await;
        grow(&project).await;
        pair.source.execute(&["SET GLOBAL binlog_expire_logs_seconds = 172800"]).await.unwrap();
        project.legacy(&["INSERT INTO s_ord SELECT ord_no + 10000000, 1, st, amt, memo, ship_dt, unused FROM s_ord"]).await;
        project.legacy(&["ANALYZE TABLE s_ord", "ANALYZE TABLE s_cust"]).await;
        limit(&project, "rows_per_second: 10");
        let shown = project.strangler(&["plan"]).await.expect(0);
        for words in ["hot rows", "s_cust c", "limits of the source", "keeps its log for 2 d 0 h", "free now"] {
            assert!(shown.stdout.contains(words), "{words}: {}", shown.stdout);
        }
        let json = project.strangler(&["plan", "--format", "json"]).await.expect(0);
        let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
        let hot = &json["fan_outs"][0];
        assert_eq!((hot["table"].as_str(), hot["is_sampled"].as_bool()), (Some("s_cust"), Some(true)), "{json}");
        // Of the newest rows all are of one customer, whom more than half have.
        assert!(hot["rows_most"].as_u64().unwrap() > 2 * hot["rows_average"].as_u64().unwrap(), "{hot}");
        assert!(json["forecast"]["left_s"].as_u64().unwrap() >= 3_000, "40,000 rows at ten a second: {}", json["forecast"]);
        assert_eq!(json["forecast"]["retention"][0]["kept_s"].as_u64(), Some(172_800));
    }
}

/// While it runs: rows, bytes, rates and what is left, the same in `status`, in JSON, and without a terminal.
#[tokio::test]
async fn a_backfill_tells_its_pace_its_bytes_and_what_is_left() {
    let Some(pair) = own(Kind::MariaDb, &[]).await else { return };
    let project = project(&pair, "pace").await;
    grow(&project).await;
    project.legacy(&["ANALYZE TABLE s_ord"]).await;
    limit(&project, "connections: 1, rows_per_second: 1500");
    let mut engine = project.start(&[]);
    let paced = |project: &Project| {
        let Some(status) = project.status() else { return false };
        let tables = status["tables"].as_array().unwrap();
        let is_paced = tables.iter().any(|table| table["rows_per_s"].is_u64() && table["left_s"].is_u64());
        is_paced && status["forecast"]["left_s"].is_u64()
    };
    project.until(&mut engine, "paced", paced).await;
    let shown = project.strangler(&["status"]).await.expect(0);
    for words in ["LEFT", "RATE", "/s", "  forecast about", "more on disk", "  log      source erp keeps"] {
        assert!(shown.stdout.contains(words), "{words}: {}", shown.stdout);
    }
    project.strangler(&["limit", "rows_per_second=off"]).await.expect(0);
    project.until_live(&mut engine).await;
    let status = project.status().unwrap();
    let loads = status["mappings"][0]["loads"].as_array().unwrap();
    assert!(loads.iter().all(|load| load["byte_count"].as_u64().unwrap() > 0), "{status}");
    let shown = project.strangler(&["status"]).await.expect(0).stdout;
    assert_eq!(engine.interrupt().await, Some(130), "{}", engine.log());
    for shown in [engine.log(), shown] {
        for words in ["first load: 20,4", "legacy rows (", " target rows (", "  snapshot ", "  slowest  ", "held readers back"] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
    }
    assert!(oracle::check(&project).await > 20_000);
}
