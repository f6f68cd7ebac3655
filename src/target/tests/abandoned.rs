//! Calls that nobody waits for any more.

use super::*;

#[tokio::test]
async fn an_apply_that_is_given_up_half_way_leaves_nothing() {
    for bench in Bench::all().await {
        let table = bench.labels("t");
        let tables = std::slice::from_ref(&table);
        let mut current = bench.begin(tables).await;
        for wait_us in [0, 300, 1_000, 3_000, 10_000, 60_000] {
            let advance = next(&current);
            let rows = (0..8_000).map(|id| label(id, "x")).collect();
            let writes = [(advance, tables, batch(0, vec![], rows))];
            let _ = tokio::time::timeout(std::time::Duration::from_micros(wait_us), bench.target.apply(&writes)).await;
            let (checkpoint, held) = bench.target.read_after("m", &table, None, 10_000).await.unwrap();
            current = checkpoint.unwrap();
            assert_eq!(held.len(), if current.sequence == 0 { 0 } else { 8_000 });
        }
    }
}
