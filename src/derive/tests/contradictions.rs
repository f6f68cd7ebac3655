//! What the engine must not accept in silence.

use super::random::plan_of;
use super::store::MapStore;
use super::world::catalog;
use crate::change::{Change, Image, Operation};
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

#[test]
fn a_partial_image_over_chunks_is_refused_with_the_table() {
    let catalog = catalog();
    let (plan, _) = plan_of(&catalog, Some(&["anti_join"]));
    let o = table(&catalog, "o");
    let full = row(&plan, o, &[("ord_no", Value::Int(1))]);
    let partial = Image::Partial(full.iter().map(|value| (!value.is_null()).then(|| value.clone())).collect());
    let operation = Operation::Update { old: partial.clone(), new: partial };
    let error = replay(&plan, &MapStore::default(), &[Change { table: o, operation }]).unwrap_err();
    assert!(error.message().contains("erp.o"), "{error:?}");
}
