//! A grouped SELECT may only show what has one value per group, whatever the server's `sql_mode` allows.

use super::dependency::Determined;
use super::{Binder, Bound, Reported, tree};
use crate::sql::query::{Expr, ExprKind, Select};

impl Binder<'_> {
    /// Refuses columns of a grouped SELECT that are neither grouped, nor aggregated, nor determined by the group.
    pub(super) fn check_grouped(&mut self, select: &Select) -> Bound<()> {
        let Some(group_by) = &select.group_by else { return Ok(()) };
        let known = self.determined(select, &group_by.iter().collect::<Vec<_>>());
        let numbered = select
            .numberings
            .iter()
            .flat_map(|numbering| numbering.partition_by.iter().chain(numbering.order_by.iter().map(|item| &item.expr)));
        let ordered = select.order_by.iter().map(|item| &item.expr);
        let shown = select.outputs.iter().chain(&select.having).chain(numbered).chain(ordered);
        let mut loose = Vec::new();
        for expr in shown {
            loose_columns(expr, group_by, &known, &mut loose);
        }
        let mut result = Ok(());
        for column in loose {
            result = Err(self.loose_column(&column));
        }
        result
    }

    fn loose_column(&mut self, column: &Expr) -> Reported {
        let written = self.tokens.text(&column.span);
        self.refuse(
            column.span.clone(),
            format!("{written} is neither grouped nor aggregated: its value would be any row's"),
            format!("add {written} to GROUP BY, or write MAX({written})"),
        )
    }
}

/// Collects the columns in `expr` that have no single value per group.
fn loose_columns(expr: &Expr, group_by: &[Expr], known: &Determined, loose: &mut Vec<Expr>) {
    if group_by.iter().any(|key| tree::same(key, expr)) {
        return;
    }
    if let ExprKind::Column { alias, column } = expr.kind
        && !known.has_column((alias, column))
    {
        loose.push(expr.clone());
    }
    for child in tree::children(expr) {
        loose_columns(child, group_by, known, loose);
    }
    if let ExprKind::ScalarSubquery(select) | ExprKind::Exists(select) = &expr.kind {
        for inner in tree::select_expressions(select) {
            loose_columns(inner, group_by, known, loose);
        }
    }
}
