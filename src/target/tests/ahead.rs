//! Transactions that are sent before what they contain is durable at the engine.

use std::time::Duration;

use super::*;
use crate::error::Class;
use crate::target::gate::gate;

/// Time enough for everything but COMMIT.
const HEAD_START: Duration = Duration::from_millis(300);

#[tokio::test]
async fn what_is_sent_ahead_shows_only_behind_the_open_gate() {
    for bench in Bench::all().await {
        let table = bench.labels("t");
        let tables = std::slice::from_ref(&table);
        let start = bench.begin(tables).await;
        let first = next(&start);
        let writes = [(first.clone(), tables, batch(0, vec![], vec![label(1, "ahead")]))];
        let (key, closed) = gate();
        let applied = bench.target.apply_ahead(&writes, &closed);
        tokio::pin!(applied);
        tokio::select! {
            done = &mut applied => panic!("it did not wait: {done:?}"),
            () = tokio::time::sleep(HEAD_START) => {}
        }
        bench.expect_labels(&table, &[]).await;
        assert_eq!(bench.other_engine().checkpoint("m").await.unwrap(), Some(start));
        key.open();
        applied.await.unwrap();
        bench.expect_labels(&table, &[label(1, "ahead")]).await;
        assert_eq!(bench.target.checkpoint("m").await.unwrap(), Some(first.next));
    }
}

#[tokio::test]
async fn what_does_not_become_durable_leaves_nothing_and_holds_nobody_up() {
    for bench in Bench::all().await {
        let table = bench.labels("t");
        let tables = std::slice::from_ref(&table);
        let start = bench.begin(tables).await;
        let write = |text: &str| [(next(&start), tables, batch(0, vec![], vec![label(1, text)]))];
        for head_start in [Duration::ZERO, HEAD_START] {
            let (key, closed) = gate();
            let shut = async {
                tokio::time::sleep(head_start).await;
                drop(key);
            };
            let writes = write("lost");
            let (applied, ()) = tokio::join!(bench.target.apply_ahead(&writes, &closed), shut);
            assert_eq!(applied.unwrap_err().class(), Class::Local);
            let empty = [(next(&start), tables, WriteBatch::default())];
            assert_eq!(bench.target.apply_ahead(&empty, &closed).await.unwrap_err().class(), Class::Local);
            assert_eq!(bench.target.checkpoint("m").await.unwrap().as_ref(), Some(&start));
        }
        bench.target.apply(&write("kept")).await.unwrap();
        bench.expect_labels(&table, &[label(1, "kept")]).await;
    }
}

#[tokio::test]
async fn a_second_engine_fences_a_transaction_that_was_sent_ahead() {
    for bench in Bench::all().await {
        let table = bench.labels("t");
        let tables = std::slice::from_ref(&table);
        let start = bench.begin(tables).await;
        bench.other_engine().take_over(Some(&start), start.clone()).await.unwrap();
        let (_key, closed) = gate();
        let writes = [(next(&start), tables, batch(0, vec![], vec![label(1, "late")]))];
        let refused = bench.target.apply_ahead(&writes, &closed).await.unwrap_err();
        assert_eq!(refused.class(), Class::Locked, "it is told at once, not at the gate: {refused:?}");
        bench.expect_labels(&table, &[]).await;
    }
}
