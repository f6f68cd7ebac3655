//! Looking at and rewriting bound expressions: conjuncts, free aliases, columns, structural equality.
//!
//! Everything here is a pure function over the query tree. "Free" means: not introduced by a subquery inside the expression.

use std::collections::BTreeSet;

use crate::sql::query::{AliasId, CompareOperator, Expr, ExprKind, FromItem, Relation, Select};
pub(crate) use crate::sql::rewrite::{rewrite, rewrite_select};
use crate::value::KeyKind;

/// Flattens AND into its operands.
pub(crate) fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::And(operands) => operands.iter().flat_map(conjuncts).collect(),
        _ => vec![expr],
    }
}

/// The direct operands of an expression; subqueries are not entered.
pub(crate) fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Column { .. } | ExprKind::Aggregate(_) | ExprKind::RowNumber(_) => vec![],
        ExprKind::ScalarSubquery(_) | ExprKind::Exists(_) => vec![],
        ExprKind::Compare { left, right, .. } => vec![left, right],
        ExprKind::And(operands) | ExprKind::Or(operands) => operands.iter().collect(),
        ExprKind::Not(operand) | ExprKind::IsNull(operand) | ExprKind::Cast(operand) => vec![operand],
        ExprKind::Case { branches, otherwise } => {
            let pairs = branches.iter().flat_map(|(condition, result)| [condition, result]);
            pairs.chain(otherwise.as_deref()).collect()
        }
        ExprKind::Call { arguments, .. } => arguments.iter().collect(),
    }
}

/// The subquery that an expression node is, if it is one.
pub(crate) fn subquery(expr: &Expr) -> Option<&Select> {
    match &expr.kind {
        ExprKind::ScalarSubquery(select) | ExprKind::Exists(select) => Some(select),
        _ => None,
    }
}

/// All expressions of one SELECT level; derived tables are not entered.
pub(crate) fn select_exprs(select: &Select) -> Vec<&Expr> {
    let joins = select.from.iter().filter_map(|item| item.on.as_ref());
    let aggregates = select
        .aggregates
        .iter()
        .flat_map(|aggregate| aggregate.arguments.iter().chain(aggregate.order_by.iter().map(|item| &item.expr)));
    let numberings = select
        .numberings
        .iter()
        .flat_map(|numbering| numbering.partition_by.iter().chain(numbering.order_by.iter().map(|item| &item.expr)));
    joins
        .chain(&select.filter)
        .chain(select.group_by.iter().flatten())
        .chain(aggregates)
        .chain(&select.having)
        .chain(numberings)
        .chain(&select.outputs)
        .chain(select.order_by.iter().map(|item| &item.expr))
        .collect()
}

/// Visits every column reference in an expression, those in subqueries too.
pub(crate) fn visit_columns(expr: &Expr, visit: &mut dyn FnMut(AliasId, usize)) {
    if let ExprKind::Column { alias, column } = &expr.kind {
        visit(*alias, *column);
    }
    if let Some(select) = subquery(expr) {
        visit_select_columns(select, visit);
    }
    for child in children(expr) {
        visit_columns(child, visit);
    }
}

/// Visits every column reference in a SELECT, at any depth.
pub(crate) fn visit_select_columns(select: &Select, visit: &mut dyn FnMut(AliasId, usize)) {
    for expr in select_exprs(select) {
        visit_columns(expr, visit);
    }
    for item in &select.from {
        if let Relation::Derived(derived) = &item.relation {
            derived.iter().for_each(|arm| visit_select_columns(arm, visit));
        }
    }
}

/// A SELECT and every SELECT inside of it.
pub(crate) fn selects_of(select: &Select) -> Vec<&Select> {
    let mut found = vec![select];
    for item in &select.from {
        if let Relation::Derived(arms) = &item.relation {
            found.extend(arms.iter().flat_map(selects_of));
        }
    }
    let mut open = select_exprs(select);
    while let Some(expr) = open.pop() {
        found.extend(subquery(expr).into_iter().flat_map(selects_of));
        open.extend(children(expr));
    }
    found
}

/// The aliases an expression refers to that are not introduced inside it.
pub(crate) fn free_aliases(expr: &Expr) -> BTreeSet<AliasId> {
    let mut free = BTreeSet::new();
    let mut introduced = BTreeSet::new();
    visit_columns(expr, &mut |alias, _| {
        free.insert(alias);
    });
    introduced_aliases(expr, &mut introduced);
    free.retain(|alias| !introduced.contains(alias));
    free
}

fn introduced_aliases(expr: &Expr, into: &mut BTreeSet<AliasId>) {
    if let Some(select) = subquery(expr) {
        introduced_in_select(select, into);
    }
    for child in children(expr) {
        introduced_aliases(child, into);
    }
}

fn introduced_in_select(select: &Select, into: &mut BTreeSet<AliasId>) {
    for item in &select.from {
        into.insert(item.alias);
        if let Relation::Derived(derived) = &item.relation {
            derived.iter().for_each(|arm| introduced_in_select(arm, into));
        }
    }
    for expr in select_exprs(select) {
        introduced_aliases(expr, into);
    }
}

/// Whether no subquery, aggregate or row number occurs in the expression: then it is a function of columns alone.
pub(crate) fn is_plain(expr: &Expr) -> bool {
    let own = matches!(expr.kind, ExprKind::Aggregate(_) | ExprKind::RowNumber(_));
    subquery(expr).is_none() && !own && children(expr).into_iter().all(is_plain)
}

/// Whether a subquery occurs in the expression.
pub(crate) fn has_subquery(expr: &Expr) -> bool {
    subquery(expr).is_some() || children(expr).into_iter().any(has_subquery)
}

/// The bare column that an expression is, if it is one.
pub(crate) fn bare_column(expr: &Expr) -> Option<(AliasId, usize)> {
    match expr.kind {
        ExprKind::Column { alias, column } => Some((alias, column)),
        _ => None,
    }
}

/// An equality conjunct, both ways round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Equality<'a> {
    /// One side.
    pub(crate) left: &'a Expr,
    /// The other side.
    pub(crate) right: &'a Expr,
    /// How they are compared.
    pub(crate) rule: &'a KeyKind,
    /// `<=>`.
    pub(crate) null_safe: bool,
}

/// The equality that a conjunct is, if it is one, as written and mirrored.
pub(crate) fn equality(expr: &Expr) -> Option<[Equality<'_>; 2]> {
    let ExprKind::Compare { operator, rule, left, right } = &expr.kind else { return None };
    let null_safe = match operator {
        CompareOperator::Equal => false,
        CompareOperator::NullSafeEqual => true,
        _ => return None,
    };
    Some([Equality { left, right, rule, null_safe }, Equality { left: right, right: left, rule, null_safe }])
}

/// Whether two expressions compute the same by structure; spans do not matter. Expressions with subqueries are never the same.
pub(crate) fn same(left: &Expr, right: &Expr) -> bool {
    if left.data_type != right.data_type || !same_node(&left.kind, &right.kind) {
        return false;
    }
    let (left, right) = (children(left), children(right));
    left.len() == right.len() && left.into_iter().zip(right).all(|(left, right)| same(left, right))
}

fn same_node(left: &ExprKind, right: &ExprKind) -> bool {
    match (left, right) {
        (ExprKind::Literal(left), ExprKind::Literal(right)) => left == right,
        (ExprKind::Column { .. }, ExprKind::Column { .. }) => column_of(left) == column_of(right),
        (ExprKind::Aggregate(left), ExprKind::Aggregate(right)) | (ExprKind::RowNumber(left), ExprKind::RowNumber(right)) => {
            left == right
        }
        (
            ExprKind::Compare { operator: left, rule: left_rule, .. },
            ExprKind::Compare { operator: right, rule: right_rule, .. },
        ) => left == right && left_rule == right_rule,
        (ExprKind::Call { function: left, .. }, ExprKind::Call { function: right, .. }) => left == right,
        (ExprKind::Case { otherwise: left, .. }, ExprKind::Case { otherwise: right, .. }) => left.is_some() == right.is_some(),
        (ExprKind::And(_), ExprKind::And(_))
        | (ExprKind::Or(_), ExprKind::Or(_))
        | (ExprKind::Not(_), ExprKind::Not(_))
        | (ExprKind::IsNull(_), ExprKind::IsNull(_))
        | (ExprKind::Cast(_), ExprKind::Cast(_)) => true,
        _ => false,
    }
}

fn column_of(kind: &ExprKind) -> Option<(AliasId, usize)> {
    match kind {
        ExprKind::Column { alias, column } => Some((*alias, *column)),
        _ => None,
    }
}

/// The same expression with every reference to one alias moved to another.
pub(crate) fn with_alias(expr: &Expr, to: AliasId) -> Expr {
    let mut moved = expr.clone();
    rewrite(&mut moved, &mut |node| {
        if let ExprKind::Column { alias, .. } = &mut node.kind {
            *alias = to;
        }
    });
    moved
}

/// The aliases that a SELECT refers to and does not introduce: those of the SELECTs around it and, if it is LATERAL, those left of it.
pub(crate) fn free_aliases_of(select: &Select) -> BTreeSet<AliasId> {
    let (mut free, mut introduced) = (BTreeSet::new(), BTreeSet::new());
    visit_select_columns(select, &mut |alias, _| {
        free.insert(alias);
    });
    introduced_in_select(select, &mut introduced);
    free.retain(|alias| !introduced.contains(alias));
    free
}

/// All aliases that a SELECT introduces, at any depth.
pub(crate) fn aliases_of(select: &Select) -> BTreeSet<AliasId> {
    let mut introduced = BTreeSet::new();
    introduced_in_select(select, &mut introduced);
    introduced
}

/// The relations of FROM of a SELECT and of its derived tables.
pub(crate) fn relations_of(select: &Select) -> BTreeSet<AliasId> {
    let inner = |item: &FromItem| match &item.relation {
        Relation::Derived(arms) => arms.iter().flat_map(relations_of).collect(),
        Relation::Table(_) => BTreeSet::new(),
    };
    select.from.iter().flat_map(|item| std::iter::once(item.alias).chain(inner(item))).collect()
}

/// Whether an expression refers to no column at all.
pub(crate) fn is_constant(expr: &Expr) -> bool {
    is_plain(expr) && free_aliases(expr).is_empty()
}
