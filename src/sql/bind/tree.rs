//! Plain walks over bound expressions: conjuncts, the columns in them, and sameness without regard to where they stand.

use crate::sql::query::{AliasId, Expr, ExprKind, Select};

/// Splits an expression into the operands of its top-level ANDs.
pub(super) fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::And(operands) => operands.iter().flat_map(conjuncts).collect(),
        _ => vec![expr],
    }
}

/// Calls `visit` for the expression and everything below it, subqueries included.
pub(super) fn visit<'e>(expr: &'e Expr, visit_one: &mut dyn FnMut(&'e Expr)) {
    visit_one(expr);
    for child in children(expr) {
        visit(child, visit_one);
    }
    if let ExprKind::ScalarSubquery(select) | ExprKind::Exists(select) = &expr.kind {
        for inner in select_expressions(select) {
            visit(inner, visit_one);
        }
    }
}

/// The direct operands of an expression; those of a subquery are not among them.
pub(super) fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Column { .. } | ExprKind::Aggregate(_) | ExprKind::RowNumber(_) => Vec::new(),
        ExprKind::ScalarSubquery(_) | ExprKind::Exists(_) => Vec::new(),
        ExprKind::Compare { operator: _, rule: _, left, right } => vec![left, right],
        ExprKind::And(operands) | ExprKind::Or(operands) => operands.iter().collect(),
        ExprKind::Not(operand) | ExprKind::IsNull(operand) | ExprKind::Cast(operand) => vec![operand],
        ExprKind::Case { branches, otherwise } => {
            let pairs = branches.iter().flat_map(|(condition, result)| [condition, result]);
            pairs.chain(otherwise.iter().map(|otherwise| &**otherwise)).collect()
        }
        ExprKind::Call { function: _, arguments } => arguments.iter().collect(),
    }
}

/// Every expression written directly in a SELECT and in its derived tables.
pub(super) fn select_expressions(select: &Select) -> Vec<&Expr> {
    let Select { from, filter, group_by, aggregates, having, numberings, outputs, distinct: _, order_by, limit: _, span: _ } =
        select;
    let mut all: Vec<&Expr> = Vec::new();
    for item in from {
        all.extend(&item.on);
        if let crate::sql::query::Relation::Derived(derived) = &item.relation {
            all.extend(derived.iter().flat_map(select_expressions));
        }
    }
    all.extend(filter);
    all.extend(group_by.iter().flatten());
    for aggregate in aggregates {
        all.extend(&aggregate.arguments);
        all.extend(aggregate.order_by.iter().map(|item| &item.expr));
    }
    all.extend(having);
    for numbering in numberings {
        all.extend(&numbering.partition_by);
        all.extend(numbering.order_by.iter().map(|item| &item.expr));
    }
    all.extend(outputs);
    all.extend(order_by.iter().map(|item| &item.expr));
    all
}

/// The columns that an expression reads, at any depth.
pub(super) fn columns(expr: &Expr) -> Vec<(AliasId, usize)> {
    let mut found = Vec::new();
    visit(expr, &mut |node| {
        if let ExprKind::Column { alias, column } = &node.kind {
            found.push((*alias, *column));
        }
    });
    found
}

/// Whether an expression holds an aggregate of its own SELECT.
pub(super) fn has_aggregate(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Aggregate(_)) || children(expr).into_iter().any(has_aggregate)
}

/// Whether an expression holds a row number of its own SELECT.
pub(super) fn has_row_number(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::RowNumber(_)) || children(expr).into_iter().any(has_row_number)
}

/// Whether an expression holds a subquery.
pub(super) fn has_subquery(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::ScalarSubquery(_) | ExprKind::Exists(_)) || children(expr).into_iter().any(has_subquery)
}

/// Whether two expressions compute the same from the same row. Subqueries are never taken to be the same.
pub(super) fn same(left: &Expr, right: &Expr) -> bool {
    if left.data_type != right.data_type {
        return false;
    }
    let heads = match (&left.kind, &right.kind) {
        (ExprKind::Literal(one), ExprKind::Literal(other)) => one == other,
        (ExprKind::Column { alias, column }, ExprKind::Column { alias: other_alias, column: other_column }) => {
            alias == other_alias && column == other_column
        }
        (ExprKind::Aggregate(one), ExprKind::Aggregate(other)) => one == other,
        (ExprKind::RowNumber(one), ExprKind::RowNumber(other)) => one == other,
        (
            ExprKind::Compare { operator, rule, left: _, right: _ },
            ExprKind::Compare { operator: other_operator, rule: other_rule, left: _, right: _ },
        ) => operator == other_operator && rule == other_rule,
        (ExprKind::Call { function, arguments: _ }, ExprKind::Call { function: other, arguments: _ }) => function == other,
        (ExprKind::Case { branches, otherwise }, ExprKind::Case { branches: other_branches, otherwise: other_otherwise }) => {
            branches.len() == other_branches.len() && otherwise.is_some() == other_otherwise.is_some()
        }
        (ExprKind::And(_), ExprKind::And(_))
        | (ExprKind::Or(_), ExprKind::Or(_))
        | (ExprKind::Not(_), ExprKind::Not(_))
        | (ExprKind::IsNull(_), ExprKind::IsNull(_))
        | (ExprKind::Cast(_), ExprKind::Cast(_)) => true,
        _ => false,
    };
    let (below, other_below) = (children(left), children(right));
    heads && below.len() == other_below.len() && below.into_iter().zip(other_below).all(|(one, other)| same(one, other))
}
