//! Writes in parts: one transaction, one part in memory, the effect of one batch.

use super::*;
use crate::error::{Class, Result};
use crate::write::WriteParts;

/// Parts held in memory, with the index of each one's table.
struct Held {
    tables: Vec<u32>,
    parts: Vec<TableWrites>,
}

fn parts(parts: Vec<(u32, Vec<Row>, Vec<Row>)>) -> Held {
    let parts: Vec<TableWrites> =
        parts.into_iter().map(|(table, deletes, upserts)| TableWrites { table, deletes, upserts }).collect();
    Held { tables: parts.iter().map(|part| part.table).collect(), parts }
}

impl WriteParts for Held {
    fn tables(&self) -> &[u32] {
        &self.tables
    }
    fn part(&self, index: usize) -> Result<TableWrites> {
        Ok(self.parts[index].clone())
    }
}

#[tokio::test]
async fn a_row_that_moved_between_parts_is_there_whatever_their_order() {
    for bench in Bench::all().await {
        let tables = [bench.labels("t"), bench.labels("u")];
        let mut current = bench.begin(&tables).await;
        for (upserted, deleted) in [(0, 1), (1, 0)] {
            let mut pair = vec![(0, vec![], vec![]), (0, vec![], vec![])];
            pair[upserted].2 = (0..6_000).map(|id| label(id, "moved")).collect();
            pair[deleted].1 = (0..7_000).map(key).collect();
            pair.push((1, vec![key(3)], vec![label(4, "other")]));
            let advance = next(&current);
            bench.target.apply_parts(&advance, &tables, &parts(pair)).await.unwrap();
            assert_eq!(bench.target.checkpoint("m").await.unwrap().as_ref(), Some(&advance.next));
            current = advance.next;
            assert_eq!(bench.ask("SELECT count(*) FROM t WHERE label = 'moved'").await, "6000");
            bench.expect_labels(&tables[1], &[label(4, "other")]).await;
        }
    }
}

#[tokio::test]
async fn f40_unique_values_may_swap_between_parts() {
    for bench in Bench::all().await {
        let table = bench.labels("t");
        let tables = std::slice::from_ref(&table);
        let mut current = bench.begin(tables).await;
        bench.run("CREATE UNIQUE INDEX u ON t (label)").await;
        bench.target.inspect(&table).await.unwrap();
        for round in [["a", "b", "c"], ["c", "a", "b"]] {
            let rows = round.iter().zip(1..).map(|(text, id)| (0, vec![], vec![label(id, text)])).collect();
            let advance = next(&current);
            bench.target.apply_parts(&advance, tables, &parts(rows)).await.unwrap();
            current = advance.next;
        }
        bench.expect_labels(&table, &[label(1, "c"), label(2, "a"), label(3, "b")]).await;
    }
}

#[tokio::test]
async fn parts_of_an_engine_that_lost_its_mapping_leave_nothing() {
    for bench in Bench::all().await {
        let table = bench.labels("t");
        let tables = std::slice::from_ref(&table);
        let start = bench.begin(tables).await;
        let other = bench.other_engine();
        let taken = Checkpoint { owner_epoch: start.owner_epoch + 1, ..start.clone() };
        other.take_over(Some(&start), taken).await.unwrap();
        let rows = parts(vec![(0, vec![], vec![label(1, "x")]), (0, vec![], vec![label(2, "y")])]);
        let lost = bench.target.apply_parts(&next(&start), tables, &rows).await.unwrap_err();
        assert_eq!(lost.class(), Class::Locked);
        assert_eq!(bench.ask("SELECT count(*) FROM t").await, "0");
    }
}

#[tokio::test]
async fn a_part_that_cannot_be_read_undoes_the_parts_before_it() {
    struct Damaged(Held);
    impl WriteParts for Damaged {
        fn tables(&self) -> &[u32] {
            self.0.tables()
        }
        fn part(&self, index: usize) -> Result<TableWrites> {
            let writes = self.0.part(index)?;
            if writes.upserts.len() == 1 { Err(crate::error::Error::new(Class::Local, "damaged")) } else { Ok(writes) }
        }
    }
    for bench in Bench::all().await {
        let table = bench.labels("t");
        let tables = std::slice::from_ref(&table);
        let start = bench.begin(tables).await;
        let many = (0..6_000).map(|id| label(id, "x")).collect();
        let rows = Damaged(parts(vec![(0, vec![], many), (0, vec![], vec![label(9_000, "y")])]));
        assert_eq!(bench.target.apply_parts(&next(&start), tables, &rows).await.unwrap_err().class(), Class::Local);
        assert_eq!(bench.ask("SELECT count(*) FROM t").await, "0");
        assert_eq!(bench.target.checkpoint("m").await.unwrap(), Some(start));
    }
}
