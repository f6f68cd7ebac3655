//! The stop that a DDL statement on mapped tables causes: what happened at which position, and which target columns it is about.

use std::collections::BTreeSet;

use crate::change::SchemaChange;
use crate::error::{Class, Error};
use crate::plan::expr::visit_columns;
use crate::plan::{NodePlan, Plan};
use crate::sql::query::AliasId;

/// The error that stops the engine.
pub(super) fn stop(plan: &Plan, change: &SchemaChange) -> Error {
    let affected = affected(plan, change);
    let about = if affected.is_empty() { String::new() } else { format!("; affected: {}", affected.join(", ")) };
    let message = format!(
        "at {} the source {}; the mapping cannot go on with the tables it was planned for{about}",
        change.position, change.description
    );
    Error::new(Class::Person, message)
        .with_hint("adapt the mapping if needed, then run `strangler check` and `strangler run --rebuild`")
}

/// Target columns whose expression names a column of the description; a table alone where it is used otherwise or as a whole.
fn affected(plan: &Plan, change: &SchemaChange) -> Vec<String> {
    let words: BTreeSet<String> =
        change.description.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_lowercase).collect();
    plan.nodes.iter().filter(|node| reads(plan, node, change)).flat_map(|node| columns_of(plan, node, change, &words)).collect()
}

fn is_changed(plan: &Plan, node: &NodePlan, branch: usize, alias: AliasId, change: &SchemaChange) -> Option<usize> {
    let table = node.branches.get(branch)?.branch.aliases.get(alias.0)?.table?.0 as usize;
    let name = &plan.tables.get(table)?.layout.name;
    change.tables.contains(name).then_some(table)
}

fn reads(plan: &Plan, node: &NodePlan, change: &SchemaChange) -> bool {
    node.branches.iter().enumerate().any(|(number, branch)| {
        (0..branch.branch.aliases.len()).any(|alias| is_changed(plan, node, number, AliasId(alias), change).is_some())
    })
}

fn columns_of(plan: &Plan, node: &NodePlan, change: &SchemaChange, words: &BTreeSet<String>) -> Vec<String> {
    let mut columns = BTreeSet::new();
    for (number, branch) in node.branches.iter().enumerate() {
        for (output, target) in branch.branch.select.outputs.iter().zip(&node.table.columns) {
            visit_columns(output, &mut |alias, column| {
                let stored = is_changed(plan, node, number, alias, change)
                    .and_then(|table| plan.tables.get(table)?.layout.columns.get(column));
                if stored.is_some_and(|stored| words.contains(&stored.column.name.to_lowercase())) {
                    columns.insert(format!("{}.{}", node.table.name, target.name));
                }
            });
        }
    }
    if columns.is_empty() { vec![node.table.name.clone()] } else { columns.into_iter().collect() }
}
