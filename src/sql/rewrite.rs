//! Changing bound expressions in place, at any depth.

use crate::sql::query::{Expr, ExprKind, Relation, Select};

/// The direct operands of an expression, to be changed; subqueries are not entered.
pub(crate) fn children_mut(expr: &mut Expr) -> Vec<&mut Expr> {
    match &mut expr.kind {
        ExprKind::Literal(_) | ExprKind::Column { .. } | ExprKind::Aggregate(_) | ExprKind::RowNumber(_) => vec![],
        ExprKind::ScalarSubquery(_) | ExprKind::Exists(_) => vec![],
        ExprKind::Compare { left, right, .. } => vec![left, right],
        ExprKind::And(operands) | ExprKind::Or(operands) => operands.iter_mut().collect(),
        ExprKind::Not(operand) | ExprKind::IsNull(operand) | ExprKind::Cast(operand) => vec![operand],
        ExprKind::Case { branches, otherwise } => {
            let pairs = branches.iter_mut().flat_map(|(condition, result)| [condition, result]);
            pairs.chain(otherwise.as_deref_mut()).collect()
        }
        ExprKind::Call { arguments, .. } => arguments.iter_mut().collect(),
    }
}

/// All expressions of one SELECT level, to be changed; derived tables are not entered.
pub(crate) fn select_exprs_mut(select: &mut Select) -> Vec<&mut Expr> {
    let joins = select.from.iter_mut().filter_map(|item| item.on.as_mut());
    let aggregates = select
        .aggregates
        .iter_mut()
        .flat_map(|aggregate| aggregate.arguments.iter_mut().chain(aggregate.order_by.iter_mut().map(|item| &mut item.expr)));
    let numberings = select
        .numberings
        .iter_mut()
        .flat_map(|numbering| numbering.partition_by.iter_mut().chain(numbering.order_by.iter_mut().map(|item| &mut item.expr)));
    joins
        .chain(&mut select.filter)
        .chain(select.group_by.iter_mut().flatten())
        .chain(aggregates)
        .chain(&mut select.having)
        .chain(numberings)
        .chain(&mut select.outputs)
        .chain(select.order_by.iter_mut().map(|item| &mut item.expr))
        .collect()
}

/// Changes every node of an expression, children first, those in subqueries too.
pub(crate) fn rewrite(expr: &mut Expr, change: &mut dyn FnMut(&mut Expr)) {
    for child in children_mut(expr) {
        rewrite(child, change);
    }
    if let ExprKind::ScalarSubquery(select) | ExprKind::Exists(select) = &mut expr.kind {
        rewrite_select(select, change);
    }
    change(expr);
}

/// Changes every expression node of a SELECT, at any depth.
pub(crate) fn rewrite_select(select: &mut Select, change: &mut dyn FnMut(&mut Expr)) {
    for expr in select_exprs_mut(select) {
        rewrite(expr, change);
    }
    for item in &mut select.from {
        if let Relation::Derived(derived) = &mut item.relation {
            derived.iter_mut().for_each(|arm| rewrite_select(arm, change));
        }
    }
}
