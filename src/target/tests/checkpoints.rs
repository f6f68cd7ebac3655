//! The checkpoint row: compared and set, taken over, read back whole.

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
                bench.target.load(&table, &[label(1, "x")], &wrong).await.unwrap_err(),
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
        let engines: Vec<Database> = (0..4).map(|_| bench.other_engine()).collect();
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
        let is_now = match &bench.server {
            Running::Postgres(_) => {
                "SELECT (source_committed_at IS NULL AND applied_at > now() - interval '1 minute')::int FROM strangler.checkpoint"
            }
            Running::MySql(_) => {
                "SELECT source_committed_at IS NULL AND applied_at > UTC_TIMESTAMP() - INTERVAL 1 MINUTE FROM strangler_checkpoint"
            }
        };
        assert_eq!(bench.ask(is_now).await, "1");
        bench.target.forget("m").await.unwrap();
        assert_eq!(bench.target.checkpoint("m").await.unwrap(), None);
    }
}
