//! A declared fact becomes an index whose entries tell whether it holds.
//!
//! Rows that do not fulfil the condition, or have NULL in a column, have no entry: two entries under one key are a violation.

use crate::plan::indexes::{IndexPool, Indexed};
use crate::plan::input::{Fact, PlanFinding};
use crate::plan::kinds::own_kind;
use crate::plan::{FactPlan, IndexPart, MappingId};
use crate::schema::SourceCatalog;
use crate::sql::query::{AliasId, Expr, ExprKind};

/// The plan of a fact, with its index kept.
///
/// # Errors
/// The table is not in the catalogue, or a column has no equality that the engine can reproduce.
pub(crate) fn watch(
    catalog: &SourceCatalog,
    pool: &mut IndexPool,
    mapping: MappingId,
    fact: &Fact,
) -> Result<FactPlan, PlanFinding> {
    let unknown = || PlanFinding::declared("a fact is about a table that is not mapped", "map the table, or remove the fact");
    let indexed = Indexed::of(catalog, fact.table).ok_or_else(unknown)?;
    let mut parts = Vec::new();
    let mut columns = Vec::new();
    for (place, ordinal) in fact.columns.iter().enumerate() {
        let column = indexed.schema.columns.get(*ordinal).ok_or_else(unknown)?;
        let stored = || Expr {
            kind: ExprKind::Column { alias: AliasId(0), column: *ordinal },
            data_type: column.data_type.clone(),
            nullable: column.nullable,
            span: 0..0,
        };
        let value = fact.written.get(place).cloned().unwrap_or_else(stored);
        let kind = own_kind(&value.data_type, catalog).ok_or_else(|| {
            PlanFinding::declared(
                format!("column {} of a fact about {} has no equality", column.name, indexed.schema.name),
                "name columns whose values can be compared",
            )
        })?;
        parts.push(IndexPart { expr: under(fact.filter.as_ref(), value), kind, null_safe: false });
        columns.push(column.name.clone());
    }
    let index = pool.intern(fact.table, parts, false);
    Ok(FactPlan { mapping, index, table: indexed.schema.name.clone(), columns, condition: fact.condition.clone() })
}

/// The value where the condition is true, else NULL.
fn under(condition: Option<&Expr>, value: Expr) -> Expr {
    let Some(condition) = condition else { return value };
    let data_type = value.data_type.clone();
    let kind = ExprKind::Case { branches: vec![(condition.clone(), value)], otherwise: None };
    Expr { kind, data_type, nullable: true, span: 0..0 }
}
