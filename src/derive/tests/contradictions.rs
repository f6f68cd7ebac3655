//! What the engine must not accept in silence.

use super::random::plan_of;
use super::store::MapStore;
use super::world::catalog;
use crate::change::{Change, Image, Operation};
use crate::derive::group::pick_first;
use crate::derive::{replay, step};
use crate::error::Class;
use crate::plan::Plan;
use crate::schema::{SourceCatalog, TableId};
use crate::value::{Row, Value};

fn table(catalog: &SourceCatalog, name: &str) -> TableId {
    catalog.table(None, name).unwrap().0
}

/// A stored row of `table` with these values first and NULL or neutral values behind.
fn row(plan: &Plan, table: TableId, values: &[(&str, Value)]) -> Row {
    let columns = &plan.tables[table.0 as usize].layout.columns;
    let value = |name: &str| values.iter().find(|(column, _)| *column == name).map(|(_, value)| value.clone());
    columns.iter().map(|column| value(&column.column.name).unwrap_or(Value::Null)).collect()
}

#[test]
fn a_live_delete_of_a_row_that_is_not_stored_stops_and_a_replay_goes_on() {
    let catalog = catalog();
    let (plan, _) = plan_of(&catalog, Some(&["anti_join"]));
    let o = table(&catalog, "o");
    let old = Image::Full(row(&plan, o, &[("ord_no", Value::Int(1))]));
    let changes = [Change { table: o, operation: Operation::Delete { old } }];
    let error = step(&plan, &MapStore::default(), &changes).unwrap_err();
    assert_eq!(error.class(), Class::Person);
    assert!(error.message().contains("erp.o"), "{error:?}");
    assert!(replay(&plan, &MapStore::default(), &changes).unwrap().iter().all(|mutation| mutation.value.is_none()));
}

#[test]
fn a_bag_never_counts_below_zero() {
    let catalog = catalog();
    let (plan, _) = plan_of(&catalog, Some(&["correlated_aggregates"]));
    let h = table(&catalog, "h");
    let old = Image::Full(row(&plan, h, &[("ord_no", Value::Int(1)), ("at", Value::Int(1))]));
    let changes = [Change { table: h, operation: Operation::Delete { old } }];
    for error in
        [step(&plan, &MapStore::default(), &changes).unwrap_err(), replay(&plan, &MapStore::default(), &changes).unwrap_err()]
    {
        assert_eq!(error.class(), Class::Person);
        assert!(error.message().contains("erp.h"), "{error:?}");
    }
}

/// F24: with row image MINIMAL the after image of a keyless row holds the changed columns only; the before image is whole.
#[test]
fn f24_a_minimal_update_of_a_keyless_row_keeps_its_other_columns() {
    let catalog = catalog();
    let (plan, _) = plan_of(&catalog, Some(&["correlated_aggregates"]));
    let h = table(&catalog, "h");
    let before = row(&plan, h, &[("ord_no", Value::Int(1)), ("at", Value::Int(1))]);
    let after = row(&plan, h, &[("ord_no", Value::Int(1)), ("at", Value::Int(2))]);
    let changed = before.iter().zip(&after).map(|(before, after)| (before != after).then(|| after.clone())).collect();
    let insert = |row: &Row| Change { table: h, operation: Operation::Insert { new: Image::Full(row.clone()) } };
    let update = Operation::Update { old: Image::Full(before.clone()), new: Image::Partial(changed) };
    let updated = step(&plan, &MapStore::default(), &[insert(&before), Change { table: h, operation: update }]).unwrap();
    let direct = step(&plan, &MapStore::default(), &[insert(&after)]).unwrap();
    assert_eq!(updated.mutations, direct.mutations);
}

fn partial(row: &Row) -> Image {
    Image::Partial(row.iter().map(|value| (!value.is_null()).then(|| value.clone())).collect())
}

#[test]
fn a_partial_image_that_moves_a_row_over_chunks_is_refused_with_the_table() {
    let catalog = catalog();
    let (plan, _) = plan_of(&catalog, Some(&["anti_join"]));
    let o = table(&catalog, "o");
    let image = |number| partial(&row(&plan, o, &[("ord_no", Value::Int(number))]));
    let operation = Operation::Update { old: image(1), new: image(2) };
    let error = replay(&plan, &MapStore::default(), &[Change { table: o, operation }]).unwrap_err();
    assert!(error.message().contains("erp.o"), "{error:?}");
}

/// F35: an unchanged TOAST value is not in the log; over chunks it is the stored one, and a row that has left its key meanwhile stays away.
#[test]
fn f35_a_partial_update_over_chunks_keeps_stored_columns_and_brings_no_row_back() {
    let catalog = catalog();
    let (plan, _) = plan_of(&catalog, Some(&["anti_join"]));
    let o = table(&catalog, "o");
    let key = row(&plan, o, &[("ord_no", Value::Int(1))]);
    let operation = Operation::Update { old: partial(&key), new: partial(&key) };
    let update = Change { table: o, operation };
    assert!(replay(&plan, &MapStore::default(), std::slice::from_ref(&update)).unwrap().iter().all(|m| m.value.is_none()));
    let insert = Change { table: o, operation: Operation::Insert { new: Image::Full(key) } };
    let alone = replay(&plan, &MapStore::default(), std::slice::from_ref(&insert)).unwrap();
    assert_eq!(replay(&plan, &MapStore::default(), &[insert, update]).unwrap(), alone);
}

/// Inserts `rows` into an empty state under a plan of one shape of its own.
fn step_over(key: &[&str], sql: &str, rows: &[(&str, &[(&str, Value)])]) -> crate::error::Result<crate::derive::Step> {
    let catalog = catalog();
    let plan = super::random::plan_one(&catalog, key, sql);
    let insert = |(name, values): &(&str, &[(&str, Value)])| {
        let id = table(&catalog, name);
        Change { table: id, operation: Operation::Insert { new: Image::Full(row(&plan, id, values)) } }
    };
    let changes: Vec<Change> = rows.iter().map(insert).collect();
    step(&plan, &MapStore::default(), &changes)
}

fn member(order: i64, member: &str) -> [(&'static str, Value); 2] {
    [("ord_no", Value::Int(order)), ("mbr", Value::text(member))]
}

#[test]
fn a_shown_group_key_written_in_two_ways_stops() {
    let (one, two) = (member(1, "kim"), member(2, "Kim"));
    let sql = "SELECT o.mbr, COUNT(*) AS n FROM o GROUP BY o.mbr";
    let error = step_over(&["mbr"], sql, &[("o", &one), ("o", &two)]).unwrap_err();
    assert_eq!(error.class(), Class::Person);
    let step = step_over(&["mbr"], sql, &[("o", &one), ("o", &member(2, "kim"))]).unwrap();
    assert_eq!(step.writes[0].row_count(), 1);
}

#[test]
fn a_group_key_that_only_joins_may_be_written_in_two_ways() {
    let (one, two) = (member(1, "kim"), member(2, "Kim"));
    let sql = "SELECT g.ctg_no, s.n FROM g JOIN (SELECT o.mbr, COUNT(*) AS n FROM o GROUP BY o.mbr) s ON s.mbr = g.ctg_no";
    let group = [("ctg_no", Value::text("KIM"))];
    let step = step_over(&["ctg_no"], sql, &[("o", &one), ("o", &two), ("g", &group)]).unwrap();
    assert_eq!(step.writes[0].tables[0].upserts, [Row::from([Value::text("KIM"), Value::Int(2)])]);
}

#[test]
fn a_scalar_subquery_with_two_rows_stops_as_the_source_does() {
    let sql = "SELECT c.cust_no, (SELECT o.ord_no FROM o WHERE o.cust_no = c.cust_no) AS ord_no FROM c";
    let order = |number: i64| [("ord_no", Value::Int(number)), ("cust_no", Value::Int(1))];
    let customer = [("cust_no", Value::Int(1))];
    let error = step_over(&["cust_no"], sql, &[("c", &customer), ("o", &order(1)), ("o", &order(2))]).unwrap_err();
    assert_eq!(error.class(), Class::Person);
    assert!(step_over(&["cust_no"], sql, &[("c", &customer), ("o", &order(1))]).is_ok());
}

#[test]
fn a_null_in_the_target_key_stops_and_names_table_and_column() {
    let sql = "SELECT h.ord_no, COUNT(*) AS n FROM h GROUP BY h.ord_no";
    let error = step_over(&["ord_no"], sql, &[("h", &[("at", Value::Int(1))])]).unwrap_err();
    let text = format!("{error:?}");
    assert_eq!(error.class(), Class::Person);
    assert!(text.contains("ord_no") && text.contains("target_table"), "{text}");
}

#[test]
fn an_unchanged_mapped_row_derives_nothing() {
    let catalog = catalog();
    let plan =
        super::random::plan_one(&catalog, &["ord_no"], "SELECT o.ord_no, c.nm FROM o LEFT JOIN c ON c.cust_no = o.cust_no");
    let mut store = MapStore::default();
    let (o, c) = (table(&catalog, "o"), table(&catalog, "c"));
    let order = row(&plan, o, &[("ord_no", Value::Int(1)), ("cust_no", Value::Int(1))]);
    let customer = row(&plan, c, &[("cust_no", Value::Int(1)), ("nm", Value::text("kim"))]);
    let insert = |table, row: &Row| Change { table, operation: Operation::Insert { new: Image::Full(row.clone()) } };
    let first = step(&plan, &store, &[insert(o, &order), insert(c, &customer)]).unwrap();
    store.apply(first.mutations);
    let same = Operation::Update { old: Image::Full(customer.clone()), new: Image::Full(customer) };
    let second = step(&plan, &store, &[Change { table: c, operation: same }]).unwrap();
    assert_eq!((second.derived, second.mutations.len(), second.writes[0].is_empty()), (0, 0, true));
}

#[test]
fn a_distinct_limit_ordered_by_what_equal_rows_differ_in_stops() {
    let sql =
        "SELECT c.cust_no, (SELECT DISTINCT o.mbr FROM o WHERE o.cust_no = c.cust_no ORDER BY o.ord_no LIMIT 1) AS mbr FROM c";
    let order =
        |number: i64, member: &str| [("ord_no", Value::Int(number)), ("cust_no", Value::Int(1)), ("mbr", Value::text(member))];
    let customer = [("cust_no", Value::Int(1))];
    let (one, two, three) = (order(1, "kim"), order(2, "lee"), order(3, "kim"));
    let error = step_over(&["cust_no"], sql, &[("c", &customer), ("o", &one), ("o", &two), ("o", &three)]).unwrap_err();
    assert_eq!(error.class(), Class::Person);
    assert!(step_over(&["cust_no"], sql, &[("c", &customer), ("o", &one), ("o", &two)]).is_ok());
    assert!(step_over(&["cust_no"], sql, &[("c", &customer), ("o", &one), ("o", &three)]).is_ok(), "one row is left: no choice");
}

#[test]
fn a_limit_of_several_rows_takes_ties_by_the_rule_of_its_order() {
    let sql =
        "SELECT c.cust_no, (SELECT o.ord_no FROM o WHERE o.cust_no = c.cust_no ORDER BY o.mbr, o.ord_no LIMIT 1) AS first FROM c";
    let query = crate::sql::bind(sql, &catalog()).unwrap();
    let crate::sql::query::ExprKind::ScalarSubquery(select) = &query.branches[0].select.outputs[1].kind else {
        panic!("no subquery")
    };
    let mut select = select.clone();
    select.limit = Some(2);
    select.order_by.truncate(1);
    let rows = |members: &[&str]| {
        let row = |(position, member): (usize, &&str)| (vec![Value::text(*member)], Row::from([Value::Int(position as i64)]));
        members.iter().enumerate().map(row).collect::<Vec<_>>()
    };
    // The collation of the column calls these equal, so that the source may show any two of them.
    assert!(pick_first(&select, rows(&["kim", "Kim", "KIM"])).is_err());
    assert!(pick_first(&select, rows(&["abc", "kim", "KIM"])).is_err());
    assert_eq!(pick_first(&select, rows(&["kim", "Kim", "lee"])).unwrap().len(), 2);
}
