//! Primary keys that are put on after the load: while they are away a table takes rows of a load and nothing else.

use super::*;
use crate::error::Class;
use crate::target::TableState;

/// The keys of a load in the order in which it gives them.
fn slice(ids: impl Iterator<Item = i64>) -> Vec<Row> {
    ids.map(|id| label(id, "x")).collect()
}

#[tokio::test]
async fn a_table_is_loaded_without_its_key_and_live_with_it() {
    for bench in Bench::all().await {
        let mut table = bench.labels("t\"; --");
        table.indexes = vec![vec![1]];
        let tables = std::slice::from_ref(&table);
        let current = bench.begin(tables).await;
        bench.target.defer_key(&table).await.unwrap();
        let is_postgres = matches!(bench.server, Running::Postgres(_));
        let deferred = |has_rows| match is_postgres {
            true => TableState::Unkeyed { has_rows },
            false => TableState::Present { has_rows },
        };
        assert_eq!(bench.target.inspect(&table).await.unwrap(), deferred(false));
        let first = next(&current);
        bench.target.load(&table, &slice((1..9).rev()), &first).await.unwrap();
        // Another engine that goes on with it finds the same.
        let other = bench.other_engine();
        assert_eq!(other.inspect(&table).await.unwrap(), deferred(true));
        let second = next(&first.next);
        other.load(&table, &slice(9..12), &second).await.unwrap();
        if is_postgres {
            let early = next(&second.next);
            let refused = other.apply(&[(early, tables, batch(0, vec![], slice(1..2)))]).await.unwrap_err();
            assert_eq!(refused.class(), Class::Preflight);
            assert!(refused.message().contains("has no primary key, declared is (id)"), "{refused:?}");
        }
        for _ in 0..2 {
            other.create_indexes(&table).await.unwrap();
            assert_eq!(other.inspect(&table).await.unwrap(), TableState::Present { has_rows: true });
        }
        let live = next(&second.next);
        other.apply(&[(live, tables, batch(0, vec![key(1)], slice(2..13)))]).await.unwrap();
        let (_, rows) = other.read_after("m", &table, None, 99).await.unwrap();
        assert_eq!(rows, slice(2..13));
        // What is live stays what it is.
        other.begin_again(&table).await.unwrap();
        assert_eq!(other.read_after("m", &table, None, 99).await.unwrap().1, slice(2..13));
    }
}

#[tokio::test]
async fn two_rows_of_one_key_show_when_the_key_is_put_on_and_the_load_can_begin_again() {
    for bench in Bench::all().await {
        if !matches!(bench.server, Running::Postgres(_)) {
            continue;
        }
        let table = bench.labels("t");
        let current = bench.begin(std::slice::from_ref(&table)).await;
        bench.target.defer_key(&table).await.unwrap();
        let first = next(&current);
        bench.target.load(&table, &slice(1..9), &first).await.unwrap();
        let second = next(&first.next);
        bench.target.load(&table, &[label(3, "secret")], &second).await.unwrap();
        let twice = bench.target.create_indexes(&table).await.unwrap_err();
        assert_eq!(twice.class(), Class::Person);
        assert!(twice.message().contains("t_pkey is violated") && !format!("{twice:?}").contains("secret"), "{twice:?}");
        assert!(twice.hint().is_some_and(|hint| hint.contains("two source rows give the same key")), "{twice:?}");
        assert_eq!(bench.target.inspect(&table).await.unwrap(), TableState::Unkeyed { has_rows: true });
        bench.target.begin_again(&table).await.unwrap();
        assert_eq!(bench.target.inspect(&table).await.unwrap(), TableState::Present { has_rows: false });
        let third = next(&second.next);
        bench.target.apply(&[(third, std::slice::from_ref(&table), batch(0, vec![], slice(1..4)))]).await.unwrap();
        assert_eq!(bench.target.read_after("m", &table, None, 99).await.unwrap().1, slice(1..4));
    }
}
