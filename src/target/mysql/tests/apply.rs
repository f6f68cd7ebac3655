//! Transactions: compare-and-set, order, sizes, secondary unique keys.

use super::*;
use crate::error::Class;
use crate::position::{BinlogPosition, Position};

#[tokio::test]
async fn f94_a_wrong_sequence_owner_or_state_writes_nothing() {
    for bench in Bench::all().await {
        let table = bench.labels("t");
        let tables = std::slice::from_ref(&table);
        let start = bench.begin(tables).await;
        let good = next(&start);
        let mut wrong_sequence = good.clone();
        wrong_sequence.expected_sequence = 7;
        let mut wrong_owner = good.clone();
        wrong_owner.next.owner_epoch = 9;
        let mut wrong_state = good.clone();
        wrong_state.next.state_id = "state-2".into();
        let mut unknown = good.clone();
        unknown.next.mapping = "nobody".into();
        for wrong in [wrong_sequence, wrong_owner, wrong_state, unknown] {
            let write = batch(0, vec![], vec![label(1, "x")]);
            for error in [
                bench.target.apply(&[(wrong.clone(), tables, write)]).await.unwrap_err(),
                bench.target.apply(&[(wrong.clone(), tables, WriteBatch::default())]).await.unwrap_err(),
                bench.target.load(&table, vec![label(1, "x")], &wrong).await.unwrap_err(),
            ] {
                assert_eq!(error.class(), Class::Locked, "{error:?}");
            }
        }
        assert_eq!(bench.ask("SELECT count(*) FROM t").await, "0");
        assert_eq!(bench.target.checkpoint("m").await.unwrap(), Some(start));
        bench.target.apply(&[(good, tables, batch(0, vec![], vec![label(1, "x")]))]).await.unwrap();
        assert_eq!(bench.ask("SELECT label FROM t").await, "x");
    }
}

#[tokio::test]
async fn f94_of_two_engines_the_older_loses_and_one_of_many_racing_inserts_wins() {
    for bench in Bench::all().await {
        let table = bench.labels("t");
        let tables = std::slice::from_ref(&table);
        let first = bench.begin(tables).await;
        assert_eq!(first.owner_epoch, 1);
        let other = bench.other_engine();
        let second = other.take_over(Some(&first), Checkpoint { state_id: "state-2".into(), ..first.clone() }).await.unwrap();
        assert_eq!(second.owner_epoch, 2);
        let lost = bench.target.apply(&[(next(&first), tables, batch(0, vec![], vec![label(1, "old")]))]).await.unwrap_err();
        assert_eq!(lost.class(), Class::Locked);
        assert!(lost.message().contains("held by state state-2, owner epoch 2"), "{lost:?}");
        other.apply(&[(next(&second), tables, batch(0, vec![], vec![label(1, "new")]))]).await.unwrap();
        assert_eq!(bench.ask("SELECT label FROM t").await, "new");
        for stale in [Some(&first), None] {
            let error = bench.target.take_over(stale, row("m", "state-1", 0)).await.unwrap_err();
            assert_eq!(error.class(), Class::Locked, "{error:?}");
        }
        let engines: Vec<MySqlTarget> = (0..4).map(|_| bench.other_engine()).collect();
        let races =
            engines.iter().enumerate().map(|(index, engine)| engine.take_over(None, row("n", &format!("state-{index}"), 0)));
        let results = futures_util::future::join_all(races).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert!(results.iter().filter_map(|result| result.as_ref().err()).all(|error| error.class() == Class::Locked));
    }
}

#[tokio::test]
async fn the_whole_checkpoint_comes_back() {
    for bench in Bench::all().await {
        assert_eq!(bench.target.checkpoint("m").await.unwrap(), None, "without a checkpoint table");
        bench.target.forget("m").await.unwrap();
        let mut start = bench.begin(&[]).await;
        assert_eq!(bench.target.checkpoint("m").await.unwrap().unwrap().source_committed_at_us, 1_700_000_000_123_456);
        start.source_committed_at_us = 0;
        start.phase = Phase::Live;
        start.load_cursor = Some("{\"orders\": 'half\\n'}".into());
        start.pending_sweeps = 3;
        start.quarantined = 1 << 40;
        let position = BinlogPosition {
            server: "uuid".into(),
            file: "binlog.000042".into(),
            offset: 1 << 33,
            gtid: "0-1-25".into(),
            prepared_from: None,
            altered: Vec::new(),
        };
        start.frontier.0.insert("erp".into(), Position::Binlog(position));
        let advance = next(&start);
        bench.target.apply(&[(advance.clone(), &[], WriteBatch::default())]).await.unwrap();
        assert_eq!(bench.target.checkpoint("m").await.unwrap(), Some(advance.next));
        let query = "SELECT source_committed_at IS NULL AND applied_at > UTC_TIMESTAMP() - INTERVAL 1 MINUTE \
                     FROM strangler_checkpoint";
        assert_eq!(bench.ask(query).await, "1");
        bench.target.forget("m").await.unwrap();
        assert_eq!(bench.target.checkpoint("m").await.unwrap(), None);
    }
}

#[tokio::test]
async fn f40_unique_values_may_swap_inside_a_batch() {
    for bench in Bench::all().await {
        let table = bench.labels("t");
        let tables = std::slice::from_ref(&table);
        let mut current = bench.begin(tables).await;
        let advance = next(&current);
        bench.target.apply(&[(advance.clone(), tables, batch(0, vec![], vec![label(1, "c"), label(2, "a")]))]).await.unwrap();
        current = advance.next;
        // Added while the engine runs: the connection remembers a table without it.
        bench.run(&["CREATE UNIQUE INDEX u ON t (label)"]).await;
        let rounds = [[(1, "a"), (2, "b"), (3, "c")], [(1, "b"), (2, "c"), (3, "a")], [(3, "b"), (1, "a"), (2, "c")]];
        for round in rounds {
            let advance = next(&current);
            let upserts = round.iter().map(|(id, text)| label(*id, text)).collect();
            bench.target.apply(&[(advance.clone(), tables, batch(0, vec![], upserts))]).await.unwrap();
            current = advance.next;
        }
        assert_eq!(bench.ask("SELECT GROUP_CONCAT(id, label ORDER BY id) FROM t").await, "1a,2c,3b");
        for offset in [0, 1] {
            let advance = next(&current);
            let upserts = (0..6_000).map(|id| label(id, &format!("v{}", (id + offset) % 6_000))).collect();
            bench.target.apply(&[(advance.clone(), tables, batch(0, vec![], upserts))]).await.unwrap();
            current = advance.next;
        }
        assert_eq!(bench.ask("SELECT count(*) FROM t WHERE label = CONCAT('v', (id + 1) % 6000)").await, "6000");
        // A row outside of the batch holds the value: a violation, not a row that is overwritten.
        let taken =
            bench.target.apply(&[(next(&current), tables, batch(0, vec![], vec![label(9_999, "v1")]))]).await.unwrap_err();
        assert_eq!(taken.class(), Class::Person, "{taken:?}");
        assert!(taken.message().contains("unique key") && !format!("{taken:?}").contains("v1"), "{taken:?}");
        assert_eq!(bench.ask("SELECT count(*) FROM t").await, "6000");
        assert_eq!(bench.target.checkpoint("m").await.unwrap(), Some(current));
    }
}

#[tokio::test]
async fn keys_that_a_loose_collation_calls_equal_stay_apart() {
    for bench in Bench::all().await {
        let code = MySqlType::Varchar { length: 20, collation: bench.exact() };
        let number = MySqlType::Integer { bits: 32, unsigned: false };
        let table = table("t", 2, &[("code", code), ("part", number.clone()), ("amount", number)]);
        let tables = std::slice::from_ref(&table);
        let start = bench.begin(tables).await;
        let codes = ["a", "A", "á", "a ", " a", "", " ", "ss", "ß", "\t", "a'b", "a\\b", "주문", "🙂", "🙃"];
        let upserts: Vec<Row> = codes.iter().map(|code| values([Value::text(*code), Value::Int(1), Value::Int(0)])).collect();
        let advance = next(&start);
        bench.target.load(&table, upserts.clone(), &advance).await.unwrap();
        let (_, rows) = bench.target.read_after("m", &table, None, 100).await.unwrap();
        assert_eq!(rows.len(), codes.len());
        let key = |row: &Row| values([row[0].clone(), row[1].clone()]);
        // Page by page in the target's own order, each row once.
        let mut seen = Vec::new();
        let mut after: Option<Row> = None;
        loop {
            let (_, page) = bench.target.read_after("m", &table, after.as_ref(), 4).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(key(last));
            seen.extend(page);
        }
        assert_eq!(seen, rows);
        let keys: Vec<Row> = upserts.iter().map(key).collect();
        let (_, found) = bench.target.read_keys("m", &table, &keys[2..4]).await.unwrap();
        assert_eq!(found.len(), 2);
        let changed =
            |number: i64| codes.iter().map(|code| values([Value::text(*code), Value::Int(1), Value::Int(number)])).collect();
        let second = next(&advance.next);
        bench.target.apply(&[(second.clone(), tables, batch(0, vec![], changed(7)))]).await.unwrap();
        assert_eq!(bench.ask("SELECT SUM(amount) FROM t").await, (7 * codes.len()).to_string());
        let third = next(&second.next);
        bench.target.apply(&[(third, tables, batch(0, keys[1..].to_vec(), vec![]))]).await.unwrap();
        assert_eq!(bench.ask("SELECT GROUP_CONCAT(code) FROM t").await, "a");
    }
}

#[tokio::test]
async fn large_batches_and_rows_keep_below_the_servers_packet() {
    for bench in Bench::all_with(&["--max-allowed-packet=2M"]).await {
        let long = MySqlType::Text { size: LongSize::Long, collation: "utf8mb4_bin".into() };
        let table = table("t", 1, &[("id", MySqlType::Integer { bits: 64, unsigned: false }), ("body", long)]);
        let tables = std::slice::from_ref(&table);
        let start = bench.begin(tables).await;
        let body = "x".repeat(300_000);
        let advance = next(&start);
        let rows: Vec<Row> = (0..20).map(|id| label(id, &body)).collect();
        bench.target.apply(&[(advance.clone(), tables, batch(0, vec![], rows))]).await.unwrap();
        // A row of its own packet, above the size that rows share.
        let second = next(&advance.next);
        bench.target.apply(&[(second.clone(), tables, batch(0, vec![], vec![label(50, &"y".repeat(1_900_000))]))]).await.unwrap();
        assert_eq!(bench.ask("SELECT SUM(LENGTH(body)) FROM t").await, "7900000");
        let huge = bench
            .target
            .apply(&[(next(&second.next), tables, batch(0, vec![], vec![label(51, &"z".repeat(2_200_000))]))])
            .await
            .unwrap_err();
        assert_eq!(huge.class(), Class::Person);
        assert!(huge.message().contains("max_allowed_packet"), "{huge:?}");
        assert_eq!(bench.target.checkpoint("m").await.unwrap(), Some(second.next));
    }
}

#[tokio::test]
async fn deadlocks_and_lock_waits_are_tried_again() {
    for mut bench in Bench::all().await {
        bench.options.statement_timeout_s = 2;
        let target = bench.other_engine();
        let table = bench.labels("t");
        let tables = std::slice::from_ref(&table);
        let start = bench.begin(tables).await;
        let mut conn = Conn::from_url(bench.server.url_of("shop")).await.unwrap();
        conn.query_drop("BEGIN; INSERT INTO t VALUES (1, 'held')").await.unwrap();
        let waited = target.apply(&[(next(&start), tables, batch(0, vec![], vec![label(1, "x")]))]).await.unwrap_err();
        assert!(waited.class().is_transient(), "{waited:?}");
        conn.query_drop("ROLLBACK").await.unwrap();
        target.apply(&[(next(&start), tables, batch(0, vec![], vec![label(1, "x")]))]).await.unwrap();
        conn.disconnect().await.unwrap();
    }
}
