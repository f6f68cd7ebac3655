//! What the source's own plan for a mapping's SELECT says: statements that the source refuses, and tables it would read again and again.
//!
//! The engine itself reads the source in key ranges; it is `verify`, `diff` and the people who run a mapping's SELECT by hand that such a
//! plan hurts. Advice is a warning and never stands in the way of a run.

use crate::error::{Class, Error};
use crate::finding::{Finding, Severity};
use crate::plan::{AccessPath, BranchPlan, NodePlan, Plan, TablePlan};
use crate::review::preflight::{Report, qualified};
use crate::schema::Flavor;
use crate::source::{PlannedAccess, Source};
use crate::sql::query::{AliasId, ExprKind};

/// Smaller tables are read whole faster than by an index.
const ROWS_MIN: u64 = 1_000;

/// Asks the source how it would run every SELECT of a plan.
pub async fn of_plans<S: Source>(report: &mut Report, name: &str, source: &S, plan: &Plan, flavor: Flavor) {
    for node in &plan.nodes {
        let findings = match source.explain(&node.sql).await {
            Ok(accesses) => advice(source, plan, node, &accesses, flavor),
            Err(error) => vec![unexplained(node, &error)],
        };
        report.add(&format!("source {name}"), findings);
    }
}

/// A SELECT that the source cannot even plan is wrong there, whatever is thought of it here.
fn unexplained(node: &NodePlan, error: &Error) -> Finding {
    let passing = matches!(error.class(), Class::Unreachable | Class::Retry);
    Finding {
        severity: if passing { Severity::Warning } else { Severity::Refused },
        check: "source_plan",
        object: qualified(&node.table),
        message: format!("the source does not plan its SELECT: {error}"),
        remedy: error.hint().map_or_else(|| "run EXPLAIN of the SELECT on the source to see why".to_owned(), str::to_owned),
    }
}

fn advice<S: Source>(source: &S, plan: &Plan, node: &NodePlan, accesses: &[PlannedAccess], flavor: Flavor) -> Vec<Finding> {
    let repeated = accesses.iter().filter(|access| access.is_repeated && access.is_whole() && access.row_estimate >= ROWS_MIN);
    repeated.filter_map(|access| one(source, plan, node, access, flavor)).collect()
}

fn one<S: Source>(source: &S, plan: &Plan, node: &NodePlan, access: &PlannedAccess, flavor: Flavor) -> Option<Finding> {
    let (table, columns) = node.branches.iter().find_map(|branch| probed(plan, branch, &access.table))?;
    let schema = &table.schema.name;
    let qualified = format!("{}.{}", source.identifier(&schema.schema), source.identifier(&schema.name));
    let statement = if access.is_neglected {
        match flavor {
            Flavor::PostgreSql => format!("ANALYZE {qualified};"),
            Flavor::MariaDb | Flavor::MySql => format!("ANALYZE TABLE {qualified};"),
        }
    } else {
        let index = source.identifier(&format!("ix_{}_{}", schema.name, columns.join("_")));
        let list: Vec<String> = columns.iter().map(|column| source.identifier(column)).collect();
        format!("CREATE INDEX {index} ON {qualified} ({});", list.join(", "))
    };
    Some(Finding {
        severity: Severity::Warning,
        check: "source_plan",
        object: schema.to_string(),
        message: format!(
            "for each row of {} the source's own plan reads all of {} (access {}, about {} rows)",
            crate::review::preflight::qualified(&node.table),
            access.table,
            access.access,
            access.row_estimate
        ),
        remedy: format!("{statement} -- speeds up verify, diff and the SELECT itself; a run does not need it"),
    })
}

/// The table behind an alias of the source's plan, with the columns that the SELECT finds its rows by.
fn probed<'p>(plan: &'p Plan, branch: &BranchPlan, name: &str) -> Option<(&'p TablePlan, Vec<String>)> {
    let selects = crate::plan::expr::selects_of(&branch.branch.select);
    for select in selects {
        let Some(access) = select.from.first().and_then(|item| branch.access.get(&item.alias)) else { continue };
        for step in &access.steps {
            let alias = select.from.get(step.item).map(|item| item.alias);
            let AccessPath::Probe { index, .. } = &step.path else { continue };
            if alias.is_some_and(|alias| is_named(branch, alias, name)) {
                let index = plan.indexes.get(index.0 as usize)?;
                let table = plan.tables.get(index.table.0 as usize)?;
                let column = |place: usize| table.layout.columns.get(place).map(|stored| stored.column.name.clone());
                let columns = index.parts.iter().filter_map(|part| match part.expr.kind {
                    ExprKind::Column { column: place, .. } => column(place),
                    _ => None,
                });
                let columns: Vec<String> = columns.collect();
                if !columns.is_empty() {
                    return Some((table, columns));
                }
            }
        }
    }
    None
}

fn is_named(branch: &BranchPlan, alias: AliasId, name: &str) -> bool {
    branch.branch.aliases.get(alias.0).is_some_and(|definition| definition.name.eq_ignore_ascii_case(name))
}
