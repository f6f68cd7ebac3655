//! Slices of a first load that are on their way at the same time.

use std::time::Duration;

use super::*;
use crate::error::Class;
use crate::target::gate::{Gate, gate};

/// Time enough for everything but COMMIT.
const HEAD_START: Duration = Duration::from_millis(300);

/// A slice that waits for its turn; the rows of it that nobody may see are sent.
macro_rules! on_its_way {
    ($target:expr, $table:expr, $rows:expr, $advance:expr, $turn:expr => $slice:ident) => {
        let $slice = $target.load_behind($table, $rows, $advance, $turn);
        tokio::pin!($slice);
        tokio::select! {
            done = &mut $slice => panic!("it did not wait: {done:?}"),
            () = tokio::time::sleep(HEAD_START) => {}
        }
    };
}

fn two(start: &Checkpoint) -> (Advance, Advance) {
    let first = next(start);
    let second = next(&first.next);
    (first, second)
}

/// Rows of a slice, more than one statement of them.
fn rows(from: i64) -> Vec<Row> {
    (from..from + 5_000).map(|id| label(id, "a label")).collect()
}

#[tokio::test]
async fn slices_are_copied_beside_each_other_and_show_in_their_order() {
    for bench in Bench::all().await {
        let table = bench.labels("t");
        let start = bench.begin(std::slice::from_ref(&table)).await;
        let (first, second) = two(&start);
        let (key, turn) = gate();
        let behind = rows(10_000);
        on_its_way!(bench.target, &table, &behind, &second, &turn => slice);
        bench.expect_labels(&table, &[]).await;
        bench.target.load(&table, &rows(1), &first).await.unwrap();
        assert_eq!(bench.ask("SELECT count(*) FROM t").await, "5000", "the second waits for its turn");
        assert_eq!(bench.other_engine().checkpoint("m").await.unwrap(), Some(first.next));
        key.open();
        slice.await.unwrap();
        assert_eq!(bench.ask("SELECT count(*) FROM t").await, "10000");
        assert_eq!(bench.target.checkpoint("m").await.unwrap(), Some(second.next.clone()));
    }
}

#[tokio::test]
async fn a_slice_behind_one_that_fails_shows_nothing_and_is_loaded_when_that_one_is_there() {
    for bench in Bench::all().await {
        let table = bench.labels("t");
        let start = bench.begin(std::slice::from_ref(&table)).await;
        let (first, second) = two(&start);
        let behind = rows(10_000);
        {
            let (_key, turn) = gate();
            on_its_way!(bench.target, &table, &behind, &second, &turn => slice);
            let refused = bench.target.load(&table, &[values([Value::Null, Value::text("no key")])], &first).await;
            refused.unwrap_err();
            // The engine gives up the slices behind the one that failed.
        }
        let (key, turn) = gate();
        drop(key);
        let shut = bench.target.load_behind(&table, &behind, &second, &turn).await.unwrap_err();
        assert_eq!(shut.class(), Class::Local, "{shut:?}");
        let shut = bench.target.load_behind(&table, &[], &second, &turn).await.unwrap_err();
        assert_eq!(shut.class(), Class::Local, "{shut:?}");
        bench.expect_labels(&table, &[]).await;
        assert_eq!(bench.other_engine().checkpoint("m").await.unwrap(), Some(start));
        bench.target.load(&table, &rows(1), &first).await.unwrap();
        bench.target.load_behind(&table, &behind, &second, &open()).await.unwrap();
        assert_eq!(bench.ask("SELECT count(*) FROM t").await, "10000");
    }
}

#[tokio::test]
async fn a_slice_out_of_its_turn_is_refused_by_the_checkpoint() {
    for bench in Bench::all().await {
        let table = bench.labels("t");
        let start = bench.begin(std::slice::from_ref(&table)).await;
        let (_, second) = two(&start);
        let refused = bench.target.load_behind(&table, &rows(1), &second, &open()).await.unwrap_err();
        assert_eq!(refused.class(), Class::Locked, "{refused:?}");
        bench.expect_labels(&table, &[]).await;
    }
}

#[tokio::test]
async fn a_second_engine_fences_a_slice_on_its_way() {
    for bench in Bench::all().await {
        let table = bench.labels("t");
        let start = bench.begin(std::slice::from_ref(&table)).await;
        let (key, turn) = gate();
        let (only, late) = (next(&start), rows(1));
        on_its_way!(bench.target, &table, &late, &only, &turn => slice);
        let taken = bench.other_engine().take_over(Some(&start), start.clone()).await.unwrap();
        key.open();
        let refused = slice.await.unwrap_err();
        assert_eq!(refused.class(), Class::Locked, "{refused:?}");
        bench.expect_labels(&table, &[]).await;
        assert_eq!(bench.target.checkpoint("m").await.unwrap(), Some(taken));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f98_after_kill_9_of_the_server_the_slices_on_their_way_are_gone_and_load_again() {
    for bench in Bench::durable().await {
        let table = bench.labels("t");
        let start = bench.begin(std::slice::from_ref(&table)).await;
        let Bench { mut server, target } = bench;
        let (first, second) = two(&start);
        target.load(&table, &rows(1), &first).await.unwrap();
        let (key, turn) = gate();
        let behind = rows(10_000);
        on_its_way!(target, &table, &behind, &second, &turn => slice);
        let crashed = tokio::spawn(async move {
            server.crash().await;
            server
        });
        let server = crashed.await.unwrap();
        key.open();
        let lost = slice.await.unwrap_err();
        assert!(lost.class().is_transient(), "{lost:?}");
        let again = server.target();
        assert_eq!(again.checkpoint("m").await.unwrap(), Some(first.next));
        again.load_behind(&table, &behind, &second, &open()).await.unwrap();
        let (checkpoint, found) = again.read_after("m", &table, None, 20_000).await.unwrap();
        assert_eq!((checkpoint, found.len()), (Some(second.next.clone()), 10_000));
    }
}

fn open() -> Gate {
    let (key, gate) = gate();
    key.open();
    gate
}
