//! Second unique keys: values may swap, a true duplicate is an error.

use super::*;
use crate::error::Class;

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
        bench.run("CREATE UNIQUE INDEX u ON t (label)").await;
        let rounds = [[(1, "a"), (2, "b"), (3, "c")], [(1, "b"), (2, "c"), (3, "a")], [(3, "b"), (1, "a"), (2, "c")]];
        for round in rounds {
            let advance = next(&current);
            let upserts = round.iter().map(|(id, text)| label(*id, text)).collect();
            bench.target.apply(&[(advance.clone(), tables, batch(0, vec![], upserts))]).await.unwrap();
            current = advance.next;
        }
        bench.expect_labels(&table, &[label(1, "a"), label(2, "c"), label(3, "b")]).await;
        // The same above the size from which PostgreSQL rows are staged.
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
        assert!(taken.message().contains("unique") && !format!("{taken:?}").contains("v1"), "{taken:?}");
        assert_eq!(bench.ask("SELECT count(*) FROM t").await, "6000");
        assert_eq!(bench.target.checkpoint("m").await.unwrap(), Some(current));
    }
}
