//! DISTINCT ON: the first row of each partition. MySQL has no words for it, so a numbering is told to keep the first.

use std::collections::BTreeMap;

use super::oracle::Oracle;
use super::random::{Targets, apply, build, input};
use super::store::MapStore;
use super::world::{World, catalog};
use crate::derive::step;
use crate::sql::bind;

const SHAPES: &[(&str, &[&str], &str)] = &[
    (
        "first_rows",
        &["ord_no"],
        "SELECT p.ord_no, p.amt, ROW_NUMBER() OVER (PARTITION BY p.ord_no ORDER BY p.amt DESC, p.pay_no) AS n FROM p WHERE p.ord_no IS NOT NULL",
    ),
    (
        "first_groups_under_a_join",
        &["cust_no", "del"],
        "SELECT o.cust_no, o.del, c.nm, COUNT(*) AS n, ROW_NUMBER() OVER (PARTITION BY o.cust_no, o.del ORDER BY COUNT(*), o.st) AS k
         FROM o JOIN c ON c.cust_no = o.cust_no GROUP BY o.cust_no, o.del, o.st, c.nm",
    ),
];

#[test]
fn the_first_row_of_each_partition_follows_every_change() {
    let catalog = catalog();
    for (name, key, sql) in SHAPES {
        let mut query = bind(sql, &catalog).unwrap_or_else(|refused| panic!("{name}: {refused:#?}"));
        query.branches[0].select.numberings[0].keeps_first = true;
        let plan = build(&catalog, vec![input(name, key, sql, query.clone())]);
        for seed in 1..12 {
            let mut world = World::new(&catalog, seed);
            let mut store = MapStore::default();
            let mut targets: Targets = vec![BTreeMap::new()];
            for number in 0..60 {
                let changes = world.batch(&plan);
                let step = step(&plan, &store, &changes).unwrap_or_else(|error| panic!("{name}, seed {seed}: {error:?}"));
                store.apply(step.mutations);
                apply(&plan, &mut targets, &step.writes[0]);
                let expected = Oracle { catalog: &catalog, tables: &world.tables }.target(&query, &plan.nodes[0]).unwrap();
                assert_eq!(expected, targets[0], "{name}, seed {seed}, batch {number}");
            }
        }
    }
}
