//! Slots, positions, connections: where a stream may go on, what it holds on the server, and who may log in.

use super::*;
use crate::error::Class;
use crate::finding::Severity;

async fn reopened(bench: &Bench, open: Open, position: Position) -> Result<Open> {
    let Open { catalog, layouts, stream, .. } = open;
    drop(stream);
    for _ in 0..200 {
        match bench.resume(catalog.clone(), Arc::clone(&layouts), position.clone()).await {
            // The server needs a moment to notice that the first reader is gone.
            Err(error) if error.class() == Class::Unreachable => tokio::time::sleep(Duration::from_millis(50)).await,
            other => return other,
        }
    }
    panic!("the slot stayed in use");
}

#[tokio::test]
async fn a_killed_sender_and_a_restart_lose_and_repeat_nothing() {
    let Some(bench) = Bench::new("CREATE TABLE r (id int PRIMARY KEY)").await else { return };
    let mut open = bench.open(&["r"]).await;
    bench.run("INSERT INTO r VALUES (1)").await;
    let first = open.transaction().await;
    bench.run("INSERT INTO r VALUES (2)").await;
    bench.run("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database()").await;
    bench.run("INSERT INTO r VALUES (3)").await;
    // What had arrived before is given; then the connection is gone.
    let error = loop {
        match open.event().await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.class(), Class::Unreachable, "{error:?}");
    let mut open = reopened(&bench, open, first.position).await.unwrap();
    let end = bench.source.current_position().await.unwrap();
    let again = open.until(&end).await;
    assert_eq!(again.len(), 2);
    assert!(again.iter().all(|transaction| transaction.changes.len() == 1));
}

#[tokio::test]
async fn f05_only_what_is_durable_is_confirmed_and_a_slot_beyond_our_place_is_refused() {
    let Some(bench) = Bench::new("CREATE TABLE r (id int PRIMARY KEY)").await else { return };
    let mut open = bench.open(&["r"]).await;
    let confirmed = "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE database = current_database()";
    let before = bench.ask(confirmed).await;
    bench.run("INSERT INTO r VALUES (1)").await;
    let first = open.transaction().await;
    bench.run("INSERT INTO r VALUES (2)").await;
    let second = open.transaction().await;
    assert_eq!(bench.ask(confirmed).await, before, "nothing is durable yet");
    open.durable.send_replace(second.position.clone());
    let wanted = crate::position::Lsn(wal(&second.position).lsn).to_string();
    let reached = async {
        while bench.ask(confirmed).await != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reached).await.expect("the durable place was not confirmed");
    let error = reopened(&bench, open, first.position).await.err().unwrap();
    assert_eq!(error.class(), Class::Person);
    assert!(error.message().contains("begins behind"), "{error:?}");
}

#[tokio::test]
async fn f04_f11_a_missing_slot_and_another_cluster_are_refused_and_nothing_is_made() {
    let Some(bench) = Bench::new("CREATE TABLE r (id int PRIMARY KEY)").await else { return };
    let open = bench.open(&["r"]).await;
    let Open { catalog, layouts, start, stream, .. } = open;
    drop(stream);
    let elsewhere = Position::Wal(WalPosition { system: "1".into(), ..wal(&start).clone() });
    let error = bench.resume(catalog.clone(), Arc::clone(&layouts), elsewhere).await.err().unwrap();
    assert!(error.message().contains("another cluster"), "{error:?}");
    let later = Position::Wal(WalPosition { timeline: 9, ..wal(&start).clone() });
    let error = bench.resume(catalog.clone(), Arc::clone(&layouts), later).await.err().unwrap();
    assert!(error.message().contains("timeline"), "{error:?}");
    bench.source.forget().await.unwrap();
    assert!(bench.source.leftovers().await.unwrap().is_empty());
    let error = bench.resume(catalog, layouts, start).await.err().unwrap();
    assert!(error.class() == Class::Person && error.message().contains("does not exist"), "{error:?}");
    assert_eq!(bench.ask("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()").await, "0");
}

#[tokio::test]
async fn f94_a_second_reader_does_not_get_the_slot() {
    let Some(bench) = Bench::new("CREATE TABLE r (id int PRIMARY KEY)").await else { return };
    let open = bench.open(&["r"]).await;
    let again = bench.source.start_position(&open.layouts).await.unwrap_err();
    assert_eq!(again.class(), Class::Locked);
    let second = bench.resume(open.catalog.clone(), Arc::clone(&open.layouts), open.start.clone()).await.err().unwrap();
    assert_eq!(second.class(), Class::Unreachable, "{second:?}");
}

#[tokio::test]
async fn f08_an_idle_database_beside_a_busy_one_holds_no_log() {
    let Some(bench) = Bench::new("CREATE TABLE r (id int PRIMARY KEY)").await else { return };
    let mut open = bench.open(&["r"]).await;
    let neighbour = bench.server.create_database().await;
    bench.server.run(&neighbour, "CREATE TABLE busy (v text)").await;
    for _ in 0..10 {
        let busy = "INSERT INTO busy SELECT repeat(md5(g::text), 30) FROM generate_series(1, 10000) g; SELECT pg_log_standby_snapshot_or_nothing()";
        let busy = busy.replace("; SELECT pg_log_standby_snapshot_or_nothing()", "");
        bench.server.run(&neighbour, &busy).await;
        bench.server.run(&neighbour, "CHECKPOINT").await;
        let end = bench.source.current_position().await.unwrap();
        // As the engine does: what a heartbeat says is stored, and said to be durable.
        assert!(open.until(&end).await.is_empty());
        open.durable.send_replace(end);
    }
    let held = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint FROM pg_replication_slots WHERE database = current_database()";
    let total: i64 = bench.ask("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint").await.parse().unwrap();
    assert!(total > 100 << 20, "the neighbour wrote {total} bytes only");
    let settled = async {
        loop {
            let held: i64 = bench.ask(held).await.parse().unwrap();
            if held < 64 << 20 {
                return;
            }
            // The slot's oldest place moves when the server logs what is running.
            bench.server.run(&neighbour, "CHECKPOINT").await;
            let end = bench.source.current_position().await.unwrap();
            open.until(&end).await;
            open.durable.send_replace(end);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), settled).await.expect("the slot held on to the log");
}

#[tokio::test]
async fn f10_a_slot_beyond_its_limit_is_dropped_and_the_stream_says_so() {
    let limited = |options: &mut PostgresSourceOptions| {
        options.slot_limit = Some(SlotLimit { bytes_max: 4 << 20, on_exceed: OnExceed::Drop });
    };
    let Some(bench) = Bench::with("CREATE TABLE r (id int PRIMARY KEY); CREATE TABLE busy (v text)", limited).await else {
        return;
    };
    let mut open = bench.open(&["r"]).await;
    bench.run("INSERT INTO busy SELECT repeat(md5(g::text), 30) FROM generate_series(1, 10000) g").await;
    let error = open.event().await.unwrap_err();
    assert!(error.class() == Class::Person && error.message().contains("more than its limit"), "{error:?}");
    assert_eq!(bench.ask("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()").await, "0");
}

/// The reader waits for room, as it does while a target is behind: the legacy disk does not wait.
#[tokio::test]
async fn f10_a_slot_beyond_its_limit_is_dropped_though_nobody_takes_events() {
    let limited = |options: &mut PostgresSourceOptions| {
        options.slot_limit = Some(SlotLimit { bytes_max: 4 << 20, on_exceed: OnExceed::Drop });
    };
    let Some(bench) = Bench::with("CREATE TABLE r (id int PRIMARY KEY, v text)", limited).await else { return };
    let mut open = bench.open(&["r"]).await;
    bench.run("INSERT INTO r SELECT g, repeat(md5(g::text), 30) FROM generate_series(1, 20000) g").await;
    let dropped = async {
        while bench.ask("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()").await != "0" {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(90), dropped).await.expect("the slot was not dropped");
    let error = loop {
        match open.event().await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(error.class() == Class::Person && error.message().contains("more than its limit"), "{error:?}");
}

#[tokio::test]
async fn f12_the_publication_is_older_than_the_slot_and_lists_mapped_columns_only() {
    let Some(bench) = Bench::new(
        "CREATE TABLE a (id int PRIMARY KEY, v int, secret text); CREATE TABLE f (id int PRIMARY KEY, v int, secret text); ALTER TABLE f REPLICA IDENTITY FULL",
    )
    .await
    else {
        return;
    };
    let catalog = bench.catalog(&["a", "f"]).await;
    let layouts = layouts(&catalog, |name| name == "v");
    bench.source.start_position(&layouts).await.unwrap();
    let listed = bench.ask("SELECT tablename, attnames::text FROM pg_publication_tables ORDER BY 1").await;
    // F117: with a list, the application's own updates of a table with FULL identity would fail.
    assert_eq!(listed, "a|{id,v}\nf|{id,v,secret}");
    bench.run("INSERT INTO f VALUES (1, 1, 's'); UPDATE f SET v = 2; DELETE FROM f").await;
}

#[tokio::test]
async fn the_preflight_names_every_fault_with_its_remedy() {
    let Some(bench) = Bench::with(
        "CREATE TABLE nokey (v int); CREATE TABLE uk (v int NOT NULL UNIQUE); CREATE UNLOGGED TABLE ul (id int PRIMARY KEY); CREATE VIEW vw AS SELECT 1 AS a; \
         CREATE TABLE ok (id int PRIMARY KEY)",
        |options| options.slot_limit = None,
    )
    .await
    else {
        return;
    };
    let catalog = bench.catalog(&["nokey", "uk", "ul", "vw", "ok", "missing"]).await;
    assert_eq!(catalog.tables.len(), 4);
    let findings = bench.source.preflight(&catalog).await.unwrap();
    let remedy = |check: &str, object: &str| {
        let found = findings.iter().find(|finding| finding.check == check && finding.object == object);
        let found = found.unwrap_or_else(|| panic!("{check} {object} is not in {findings:#?}"));
        assert!(found.severity >= Severity::Refused || found.check == "publication");
        found.remedy.clone()
    };
    assert_eq!(remedy("replica_identity", "public.nokey"), "ALTER TABLE \"public\".\"nokey\" REPLICA IDENTITY FULL");
    assert!(remedy("replica_identity", "public.uk").contains("USING INDEX \"uk_v_key\""));
    assert!(remedy("persistence", "public.ul").contains("SET LOGGED"));
    remedy("no_table", "public.vw");
    remedy("no_table", "public.missing");
    remedy("publication", "strangler_crm");
    assert!(!findings.iter().any(|finding| finding.object == "public.ok"));
}

/// The grants that the preflight prints are enough, and each is needed.
#[tokio::test]
async fn f116_a_role_with_the_printed_grants_can_read_and_stream_and_no_less() {
    let Some(bench) = Bench::new("CREATE SCHEMA app; CREATE TABLE app.o (id int PRIMARY KEY, v int)").await else { return };
    let role = format!("src_{}", bench.database);
    bench.run(&format!("CREATE ROLE {role} LOGIN PASSWORD '{}'", bench.server.password())).await;
    let mut options = super::options(&bench.server, &bench.database);
    options.user.clone_from(&role);
    let source = PostgresSource::new(options);
    let names = [named("app.o")];
    for _ in 0..6 {
        let catalog = source.catalog(&names).await.unwrap();
        let findings = source.preflight(&catalog).await.unwrap();
        let missing: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Privilege).collect();
        if missing.is_empty() {
            break;
        }
        for finding in missing {
            let statement = finding.remedy.trim_start_matches("let the owner of the tables run: ");
            bench.run(statement.split(" (RDS").next().unwrap()).await;
        }
    }
    let catalog = source.catalog(&names).await.unwrap();
    let layouts = layouts(&catalog, |_| true);
    let start = source.start_position(&layouts).await.unwrap();
    let (durable, stored) = watch::channel(start.clone());
    let mut stream = source.open_stream(&catalog, Arc::clone(&layouts), &start, stored).await.unwrap();
    bench.run("INSERT INTO app.o VALUES (1, 1)").await;
    loop {
        if let SourceEvent::Transaction(transaction) = stream.next().await.unwrap() {
            assert_eq!(transaction.changes.len(), 1);
            break;
        }
    }
    let whole = crate::change::KeyRange { after: None, up_to: None };
    assert_eq!(source.read_chunk(&layouts[0], 0, &whole, ReadBounds::NONE).await.unwrap().rows.len(), 1);
    drop((stream, durable));
}

#[tokio::test]
async fn a_wrong_password_is_a_privilege_and_is_never_shown() {
    let Some(bench) = Bench::new("SELECT 1").await else { return };
    let mut options = super::options(&bench.server, &bench.database);
    options.password = Some(crate::transport::Secret::new("canary-wrong"));
    for error in [
        super::super::replication::client::Client::connect(&options, None).await.err().unwrap(),
        PostgresSource::new(options).current_position().await.unwrap_err(),
    ] {
        assert_eq!(error.class(), Class::Privilege, "{error:?}");
        assert!(!format!("{error:?}").contains("canary"));
    }
}

/// F17: a sender that neither sends nor answers is as good as gone, although its connection is open.
#[tokio::test]
async fn f17_a_half_open_connection_is_noticed() {
    let Some(bench) = Bench::new("CREATE TABLE r (id int PRIMARY KEY)").await else { return };
    let mut open = bench.open(&["r"]).await;
    bench.run("INSERT INTO r VALUES (1)").await;
    open.transaction().await;
    let pid = bench.ask("SELECT active_pid FROM pg_replication_slots WHERE database = current_database()").await;
    let signal = |name: &str| assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    signal("-STOP");
    let error = loop {
        match open.stream.next().await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    signal("-CONT");
    assert_eq!(error.class(), Class::Unreachable);
    assert!(error.message().contains("silent"), "{error:?}");
}

/// The session of an engine that was killed while it made its slot: the next start waits for its end instead of calling it another engine.
#[tokio::test]
async fn a_slot_that_a_dying_session_holds_is_waited_for() {
    let Some(bench) = Bench::new("CREATE TABLE t (id int PRIMARY KEY)").await else { return };
    let mut open = bench.open(&["t"]).await;
    bench.run("INSERT INTO t VALUES (1)").await;
    assert_eq!(open.changes().await.len(), 1);
    let layouts = Arc::clone(&open.layouts);
    let dying = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(700)).await;
        drop(open);
    });
    bench.source.start_position(&layouts).await.unwrap();
    dying.await.unwrap();
}
