//! Groups that are kept up row by row: which they are, and what must not go wrong with them.

use super::random::{fill_all, plan_of, plan_one};
use super::store::MapStore;
use super::world::{World, catalog};
use crate::change::{Change, Image, Operation};
use crate::derive::{Arrangements, Filling, Space, filling, ingest, step};
use crate::error::Result;
use crate::plan::{AccumulatorId, Plan, Regrouped};
use crate::schema::{Flavor, SourceCatalog};
use crate::value::{Decimal, Row, Value};

fn regrouped(plan: &Plan) -> Vec<(&str, &Regrouped)> {
    let branches = plan.nodes.iter().flat_map(|node| node.branches.iter().map(move |branch| (node.table.name.as_str(), branch)));
    let accesses = branches.flat_map(|(name, branch)| branch.access.values().map(move |access| (name, access)));
    accesses.filter_map(|(name, access)| Some((name, access.regrouped.as_ref()?))).collect()
}

#[test]
fn groups_are_kept_up_wherever_their_aggregates_allow_it() {
    let mut catalog = catalog();
    (catalog.flavor, catalog.version) = (Flavor::MySql, (8, 0, 36));
    let (plan, _) = plan_of(&catalog, None);
    let whole = regrouped(&plan).into_iter().filter_map(|(name, regrouped)| match regrouped {
        Regrouped::KeptUp(_) => None,
        Regrouped::Whole(reason) => Some(format!("{name}: {reason}")),
    });
    let expected = [
        "correlated_aggregates: GROUP_CONCAT reads all rows",
        "grouped_self_join: no stored table gives its members one by one",
        "grouped_over_a_grouped_derived_table: no equality says which group is asked for",
        "union_of_overlapping_branches: no equality says which group is asked for",
        "union_of_branches_kept_apart: a group is one row",
        "union_of_branches_kept_apart: a group is one row",
        "grouped_over_a_union: no equality says which group is asked for",
        "union_in_an_optional_derived_table: no stored table gives its members one by one",
        "first_rows_by_number: its rows are numbered, and not only those with the number 1 are asked for",
        "numbers_as_columns: its rows are numbered, and not only those with the number 1 are asked for",
        "scalar_subquery_over_a_union: no stored table gives its members one by one",
        "settings_by_comma_beside_groups: no stored table gives its members one by one",
        "settings_by_range: a condition other than = compares its rows with rows outside",
        "subqueries_that_stand_alone: no equality says which group is asked for",
        "subqueries_that_stand_alone: no equality says which group is asked for",
        "subqueries_that_stand_alone: no equality says which group is asked for",
        "a_total_beside_groups: a subquery stands beside its aggregates",
        "a_total_beside_groups: no equality says which group is asked for",
        "asked_for_by_an_aggregate: a group is one row",
    ];
    assert_eq!(whole.collect::<Vec<_>>(), expected);
}

#[test]
fn the_plan_says_which_groups_are_kept_up_and_why_others_are_not() {
    let sql = "SELECT o.cust_no, COUNT(*) AS n FROM o GROUP BY o.cust_no";
    let text = plan_one(&catalog(), &["cust_no"], sql).explain();
    assert!(text.contains("of o by o.cust_no: kept up row by row, whatever their size"), "{text}");
    let sql = "SELECT o.cust_no, GROUP_CONCAT(o.memo ORDER BY o.ord_no) AS memos FROM o GROUP BY o.cust_no";
    let text = plan_one(&catalog(), &["cust_no"], sql).explain();
    assert!(text.contains("of o: derived from all of their rows; GROUP_CONCAT reads all rows"), "{text}");
}

#[test]
fn the_plan_says_where_a_search_for_a_match_reads_a_group() {
    let sql = "SELECT o.ord_no, COUNT(p.pay_no) AS n FROM o LEFT JOIN p ON p.ord_no = o.ord_no AND p.amt > 100 GROUP BY o.ord_no";
    let text = plan_one(&catalog(), &["ord_no"], sql).explain();
    let searched = "whatever their size; a change reads the rows of p by ord_no = o.ord_no until one meets the whole ON";
    assert!(text.contains(searched), "{text}");
    let text = plan_one(&catalog(), &["ord_no"], &sql.replace(" AND p.amt > 100", "")).explain();
    assert!(text.contains("whatever their size\n"), "{text}");
}

fn payment(plan: &Plan, catalog: &SourceCatalog, number: i64, order: i64, amount: Option<i128>) -> Change {
    let table = catalog.table(None, "p").unwrap().0;
    let amount = amount.map_or(Value::Null, |cents| Value::Decimal(Decimal::from_small(cents, 2)));
    let values = [("pay_no", Value::Int(number)), ("ord_no", Value::Int(order)), ("kind", Value::text("CARD")), ("amt", amount)];
    let columns = plan.tables[table.0 as usize].layout.columns.iter();
    let row: Row = columns.map(|column| values.iter().find(|(name, _)| *name == column.column.name).unwrap().1.clone()).collect();
    Change { table, operation: Operation::Insert { new: Image::Full(row) } }
}

fn removal(change: &Change) -> Change {
    let Operation::Insert { new } = &change.operation else { panic!("no insert") };
    Change { table: change.table, operation: Operation::Delete { old: new.clone() } }
}

const TOTALS: &str =
    "SELECT p.ord_no, COUNT(*) AS n, COUNT(p.amt) AS priced, SUM(p.amt) AS total, MAX(p.amt) AS most FROM p GROUP BY p.ord_no";

fn taken(plan: &Plan, store: &mut MapStore, changes: &[Change]) -> (Vec<Row>, u64) {
    let step = step(plan, store, changes).unwrap();
    store.apply(step.mutations);
    (step.writes[0].tables.iter().flat_map(|writes| writes.upserts.clone()).collect(), step.derived)
}

/// The members of a group are not read: without its index entries and with its accumulator the answer is the same.
#[test]
fn a_change_of_a_kept_up_group_reads_no_other_row_of_it() {
    let catalog = catalog();
    let plan = plan_one(&catalog, &["ord_no"], TOTALS);
    let mut store = MapStore::default();
    fill_all(&plan, &mut store, 10);
    let payments: Vec<Change> = (1..=50).map(|number| payment(&plan, &catalog, number, 7, Some(number.into()))).collect();
    taken(&plan, &mut store, &payments);
    store.spaces.retain(|space, _| !matches!(space, Space::Index(_)));
    let (rows, derived) = taken(&plan, &mut store, &[payment(&plan, &catalog, 51, 7, Some(5_000))]);
    let decimal = |cents| Value::Decimal(Decimal::from_small(cents, 2));
    assert_eq!(rows, [Row::from([Value::Int(7), Value::Int(51), Value::Int(51), decimal(6_275), decimal(5_000)])]);
    assert_eq!(derived, 1);
}

/// A store that counts the entries that are read from it.
struct Counting<'a> {
    store: &'a MapStore,
    read: std::sync::atomic::AtomicUsize,
}

impl Arrangements for Counting<'_> {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.read.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.store.get(space, key)
    }

    fn scan(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<()> {
        self.store.scan(space, prefix, after, &mut |key, value| {
            self.read.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            visit(key, value)
        })
    }
}

/// How many entries one more payment reads, and one that goes, beside so many others of its order.
fn reads_beside(sql: &str, payments: i64) -> usize {
    let catalog = catalog();
    let plan = plan_one(&catalog, &["ord_no"], sql);
    let mut store = MapStore::default();
    fill_all(&plan, &mut store, 10);
    let (o, _) = catalog.table(None, "o").unwrap();
    let mut changes: Vec<Change> =
        (1..=payments).map(|number| payment(&plan, &catalog, number, 7, Some(number.into()))).collect();
    let columns = plan.tables[o.0 as usize].layout.columns.iter();
    let order: Row = columns.map(|column| if column.column.name == "ord_no" { Value::Int(7) } else { Value::Null }).collect();
    if !order.is_empty() {
        changes.push(Change { table: o, operation: Operation::Insert { new: Image::Full(order) } });
    }
    taken(&plan, &mut store, &changes);
    let counting = Counting { store: &store, read: 0.into() };
    let more = payment(&plan, &catalog, payments + 1, 7, Some(-5));
    let step = step(&plan, &counting, &[more, removal(&changes[0])]).unwrap();
    assert_eq!((step.derived, step.writes[0].tables.len()), (1, 1), "{}", plan.explain());
    counting.read.into_inner()
}

#[test]
fn a_change_reads_as_much_of_a_small_group_as_of_a_large_one() {
    for sql in [
        TOTALS,
        "SELECT o.ord_no, COUNT(p.pay_no) AS n, SUM(p.amt) AS total FROM o LEFT JOIN p ON p.ord_no = o.ord_no GROUP BY o.ord_no",
        "SELECT x.ord_no, x.pay_no FROM (SELECT p.ord_no, p.pay_no, ROW_NUMBER() OVER (PARTITION BY p.ord_no ORDER BY p.amt, p.pay_no) AS rn
           FROM p WHERE p.ord_no IS NOT NULL) x WHERE x.rn = 1",
        "SELECT o.ord_no, (SELECT SUM(p.amt) FROM p WHERE p.ord_no = (SELECT MAX(x.ord_no) FROM o x WHERE x.ord_no = o.ord_no)) AS total FROM o",
    ] {
        assert_eq!(reads_beside(sql, 20), reads_beside(sql, 500), "{sql}");
    }
}

#[test]
fn the_plan_says_why_numbered_rows_are_derived_whole() {
    let sql = "SELECT x.pay_no, x.rn FROM (SELECT p.pay_no, ROW_NUMBER() OVER (PARTITION BY p.ord_no ORDER BY p.pay_no) AS rn FROM p) x WHERE x.rn <= 2";
    let text = plan_one(&catalog(), &["pay_no"], sql).explain();
    assert!(text.contains("its rows are numbered, and not only those with the number 1 are asked for"), "{text}");
    let sql = sql.replace("x.rn <= 2", "x.rn = 1");
    let text = plan_one(&catalog(), &["pay_no"], &sql).explain();
    assert!(text.contains("of p by p.ord_no: kept up row by row, whatever their size"), "{text}");
}

/// The latest row is the first of a list: of a thousand rows two are read, and a row that goes gives its place to the next.
#[test]
fn the_first_row_of_an_order_is_found_without_the_others() {
    let catalog = catalog();
    let sql =
        "SELECT o.ord_no, (SELECT p.amt FROM p WHERE p.ord_no = o.ord_no ORDER BY p.amt DESC, p.pay_no LIMIT 1) AS most FROM o";
    let plan = plan_one(&catalog, &["ord_no"], sql);
    let mut store = MapStore::default();
    fill_all(&plan, &mut store, 10);
    let (o, _) = catalog.table(None, "o").unwrap();
    let columns = plan.tables[o.0 as usize].layout.columns.iter();
    let order: Row = columns.map(|column| if column.column.name == "ord_no" { Value::Int(7) } else { Value::Null }).collect();
    let mut changes: Vec<Change> = (1..=50).map(|number| payment(&plan, &catalog, number, 7, Some(number.into()))).collect();
    changes.push(payment(&plan, &catalog, 90, 7, None));
    changes.push(Change { table: o, operation: Operation::Insert { new: Image::Full(order) } });
    let most = |cents| [Row::from([Value::Int(7), Value::Decimal(Decimal::from_small(cents, 2))])];
    assert_eq!(taken(&plan, &mut store, &changes).0, most(50));
    let members = plan.indexes.iter().position(|index| index.table == changes[0].table).unwrap();
    store.spaces.remove(&Space::Index(crate::plan::IndexId(members as u32)));
    assert_eq!(taken(&plan, &mut store, &[removal(&changes[49])]).0, most(49));
    assert_eq!(taken(&plan, &mut store, &[payment(&plan, &catalog, 91, 7, Some(900))]).0, most(900));
}

#[test]
fn a_sum_of_nothing_is_null_again_when_its_last_value_goes() {
    let catalog = catalog();
    let plan = plan_one(&catalog, &["ord_no"], TOTALS);
    let mut store = MapStore::default();
    fill_all(&plan, &mut store, 10);
    let (known, unknown) = (payment(&plan, &catalog, 1, 7, Some(100)), payment(&plan, &catalog, 2, 7, None));
    taken(&plan, &mut store, &[known.clone(), unknown.clone()]);
    let (rows, _) = taken(&plan, &mut store, &[removal(&known)]);
    assert_eq!(rows, [Row::from([Value::Int(7), Value::Int(1), Value::Int(0), Value::Null, Value::Null])]);
    let gone = step(&plan, &store, &[removal(&unknown)]).unwrap();
    assert_eq!(gone.writes[0].tables[0].deletes.len(), 1);
}

/// A state that was filled under another plan is not read under this one.
#[test]
fn entries_of_another_plan_are_cleared_and_never_read() {
    let catalog = catalog();
    let plan = plan_one(&catalog, &["ord_no"], TOTALS);
    let other = plan_one(
        &catalog,
        &["ord_no"],
        "SELECT p.ord_no, COUNT(*) AS n, COUNT(p.kind) AS priced, SUM(p.pay_no) AS total FROM p GROUP BY p.ord_no",
    );
    let mut store = MapStore::default();
    fill_all(&other, &mut store, 10);
    let first = payment(&plan, &catalog, 1, 7, Some(100));
    store.apply(step(&plan, &store, &[first]).unwrap().mutations);
    let (rows, _) = taken(&plan, &mut store, &[payment(&plan, &catalog, 2, 7, Some(100))]);
    assert_eq!(rows[0][1], Value::Int(2));
    assert!(matches!(filling(&plan, &store).unwrap(), Filling::Clear(Space::Accumulator(AccumulatorId(0)))));
    fill_all(&plan, &mut store, 1);
    let (rows, _) = taken(&plan, &mut store, &[payment(&plan, &catalog, 3, 7, Some(100))]);
    assert_eq!(rows[0][1], Value::Int(3));
}

/// While a plan lacks an accumulator nobody keeps it up; when it comes back, it is added up anew.
#[test]
fn an_accumulator_that_was_out_of_the_plan_is_not_believed() {
    let catalog = catalog();
    let (both, _) = plan_of(&catalog, Some(&["counted_bag", "grouped_with_conditional_aggregates"]));
    let (one, _) = plan_of(&catalog, Some(&["counted_bag"]));
    let mut world = World::new(&catalog, 5);
    let mut store = MapStore::default();
    fill_all(&both, &mut store, 10);
    assert!(both.accumulators.len() > one.accumulators.len());
    fill_all(&one, &mut store, 10);
    (0..20).for_each(|_| drop(world.batch(&both)));
    for (table, rows) in &world.tables {
        let chunk = super::random::chunk(&both, *table, rows);
        let mutations = ingest(&both, &store, &chunk).unwrap();
        store.apply(mutations.into_iter().filter(|mutation| !matches!(mutation.space, Space::Accumulator(_))).collect());
    }
    fill_all(&both, &mut store, 10);
    let mut fresh = store.clone();
    fresh.spaces.retain(|space, _| !matches!(space, Space::Accumulator(_)));
    fill_all(&both, &mut fresh, 10);
    let group = AccumulatorId(both.accumulators.len() as u32 - 1);
    assert_eq!(store.spaces.get(&Space::Accumulator(group)), fresh.spaces.get(&Space::Accumulator(group)));
}

/// Rows that come after the filling, and rows it met however few of them at a time, are counted once.
#[test]
fn rows_are_counted_once_however_many_are_added_up_at_a_time() {
    let catalog = catalog();
    let plan = plan_one(&catalog, &["ord_no"], TOTALS);
    for rows_max in [1, 2, 6, 100] {
        let mut store = MapStore::default();
        let payments: Vec<Change> = (1..=6).map(|number| payment(&plan, &catalog, number, 7, Some(number.into()))).collect();
        taken(&plan, &mut store, &payments);
        fill_all(&plan, &mut store, rows_max);
        taken(&plan, &mut store, &[removal(&payments[0]), payment(&plan, &catalog, 9, 7, Some(9))]);
        let (rows, _) = taken(&plan, &mut store, &[payment(&plan, &catalog, 10, 7, Some(10))]);
        assert_eq!(rows[0][1], Value::Int(7));
    }
}

/// A chunk that is read into a live state changes its groups as well.
#[test]
fn chunks_of_a_live_state_are_counted() {
    let catalog = catalog();
    let (plan, _) = plan_of(&catalog, Some(&["counted_bag", "sums_and_averages_by_customer"]));
    let mut world = World::new(&catalog, 3);
    (0..30).for_each(|_| drop(world.batch(&plan)));
    let (mut filled_first, mut filled_last) = (MapStore::default(), MapStore::default());
    fill_all(&plan, &mut filled_first, 10);
    for (table, rows) in &world.tables {
        let chunk = super::random::chunk(&plan, *table, rows);
        for store in [&mut filled_first, &mut filled_last] {
            store.apply(ingest(&plan, store, &chunk).unwrap());
        }
    }
    fill_all(&plan, &mut filled_last, 10);
    assert_eq!(filled_first, filled_last);
}

/// Where the source would raise an error for one member, the group is derived from its rows, which raise it.
#[test]
fn a_member_without_a_value_stops_its_own_group_only() {
    let catalog = catalog();
    let sql = "SELECT c.cust_no, (SELECT SUM((SELECT x.qty FROM d x WHERE x.ord_no = p.pay_no)) FROM p WHERE p.ord_no = c.grd) AS n FROM c";
    let plan = plan_one(&catalog, &["cust_no"], sql);
    assert!(regrouped(&plan).iter().any(|(_, regrouped)| matches!(regrouped, Regrouped::KeptUp(_))), "{}", plan.explain());
    let mut store = MapStore::default();
    fill_all(&plan, &mut store, 10);
    let row = |name: &str, values: &[(&str, i64)]| {
        let table = catalog.table(None, name).unwrap().0;
        let columns = plan.tables[table.0 as usize].layout.columns.iter();
        let value =
            |name: &str| values.iter().find(|(known, _)| *known == name).map_or(Value::Null, |(_, value)| Value::Int(*value));
        let row: Row = columns.map(|column| value(&column.column.name)).collect();
        Change { table, operation: Operation::Insert { new: Image::Full(row) } }
    };
    let line = |seq| row("d", &[("ord_no", 1), ("seq", seq), ("qty", 5)]);
    let mut first = vec![row("p", &[("pay_no", 1), ("ord_no", 2)]), line(1), line(2)];
    // No customer asks for the payment whose order has two lines.
    first.push(row("c", &[("cust_no", 1), ("grd", 9)]));
    assert_eq!(taken(&plan, &mut store, &first).0.len(), 1);
    let asking = row("c", &[("cust_no", 2), ("grd", 2)]);
    assert!(step(&plan, &store, std::slice::from_ref(&asking)).is_err());
    taken(&plan, &mut store, &[removal(&line(2))]);
    let (rows, _) = taken(&plan, &mut store, &[asking]);
    assert_eq!(rows[0][1], Value::Decimal(Decimal::from_i64(5)));
}
