//! A branch is brought into the shape that planning works on; what it means does not change.
//!
//! - A derived table that only joins and filters is merged into the SELECT around it, where it is joined inner.
//! - A derived table of several SELECTs makes several branches, where the SELECT around it only joins and filters.
//! - DISTINCT becomes GROUP BY over the outputs.
//! - A LEFT join whose missing rows WHERE throws away again becomes an inner join.
//! - Outputs of derived tables that nobody reads become NULL, so that their columns are not stored.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::expr::{
    bare_column, conjuncts, free_aliases, has_subquery, is_constant, is_plain, rewrite_select, subquery, visit_select_columns,
};
use crate::sql::query::{AliasId, Branch, CompareOperator, Expr, ExprKind, FromItem, JoinKind, Relation, Select};
use crate::sql::rewrite::{children_mut, select_exprs_mut};
use crate::value::Value;

/// More branches than this are not made of one; the derived table is then refused as an anchor.
const BRANCHES_MAX: usize = 64;

/// The branches that a branch becomes.
pub(crate) fn normalise(branch: &Branch) -> Vec<Branch> {
    let mut open = vec![branch.select.clone()];
    let mut done = Vec::new();
    while let Some(mut select) = open.pop() {
        settle(&mut select);
        match split(&select) {
            Some(parts) if open.len() + done.len() + parts.len() <= BRANCHES_MAX => open.extend(parts.into_iter().rev()),
            _ => done.push(select),
        }
    }
    let branch_of = |mut select: Select| {
        while prune(&mut select) {}
        Branch { select, aliases: branch.aliases.clone() }
    };
    done.into_iter().map(branch_of).collect()
}

/// The SELECTs of a UNION without ALL as branches of their own: the same rows, if it is proven that they have no row in common.
pub(crate) fn without_union(branch: &Branch) -> Option<Vec<Branch>> {
    let select = &branch.select;
    let [FromItem { alias, relation: Relation::Derived(arms), on: None, .. }] = select.from.as_slice() else { return None };
    let whole = select.outputs.iter().enumerate().all(|(column, output)| bare_column(output) == Some((*alias, column)));
    if !select.distinct || !whole || arms.len() < 2 || select.filter.is_some() {
        return None;
    }
    // Each keeps what makes its own rows one set.
    let arm = |arm: &Select| {
        let distinct = arm.group_by.is_none() && arm.numberings.is_empty() && arm.limit.is_none();
        Branch { select: Select { distinct: arm.distinct || distinct, ..arm.clone() }, aliases: branch.aliases.clone() }
    };
    Some(arms.iter().map(arm).collect())
}

/// Whether a SELECT only joins, filters and computes.
fn is_plain_select(select: &Select) -> bool {
    select.group_by.is_none()
        && select.aggregates.is_empty()
        && !select.distinct
        && select.limit.is_none()
        && select.numberings.is_empty()
        && !select.from.is_empty()
}

/// Everything but the splitting, innermost SELECTs first.
fn settle(select: &mut Select) {
    for item in &mut select.from {
        if let Relation::Derived(arms) = &mut item.relation {
            arms.iter_mut().for_each(settle);
        }
    }
    for expr in select_exprs_mut(select) {
        settle_subqueries(expr);
    }
    merge(select);
    group_distinct(select);
    make_inner(select);
}

fn settle_subqueries(expr: &mut Expr) {
    if let ExprKind::ScalarSubquery(select) | ExprKind::Exists(select) = &mut expr.kind {
        settle(select);
    }
    children_mut(expr).into_iter().for_each(settle_subqueries);
}

/// Merges derived tables that only join and filter.
fn merge(select: &mut Select) {
    let mut replaced: BTreeMap<(AliasId, usize), Expr> = BTreeMap::new();
    let mut conditions = Vec::new();
    let mut from = Vec::new();
    for item in std::mem::take(&mut select.from) {
        let alias = item.alias;
        match mergeable(item) {
            Ok((inner, on)) => {
                conditions.extend(on);
                conditions.extend(inner.filter);
                from.extend(inner.from);
                replaced.extend(inner.outputs.into_iter().enumerate().map(|(column, output)| ((alias, column), output)));
            }
            Err(item) => from.push(*item),
        }
    }
    select.from = from;
    conditions.extend(select.filter.take());
    select.filter = all_of(conditions);
    if replaced.is_empty() {
        return;
    }
    rewrite_select(select, &mut |node| {
        if let Some(output) = bare_column(node).and_then(|column| replaced.get(&column)) {
            *node = Expr { span: node.span.clone(), ..output.clone() };
        }
    });
}

/// The SELECT of a derived table that can be merged, with its ON.
fn mergeable(item: FromItem) -> Result<(Select, Option<Expr>), Box<FromItem>> {
    let FromItem { alias, relation, join, on } = item;
    match relation {
        Relation::Derived(mut arms) if join == JoinKind::Inner && arms.len() == 1 => match arms.pop() {
            // A subquery must not be repeated: each occurrence would be read in its own way.
            Some(only) if is_plain_select(&only) && !only.outputs.iter().any(has_subquery) => Ok((only, on)),
            only => Err(Box::new(FromItem { alias, relation: Relation::Derived(only.into_iter().collect()), join, on })),
        },
        relation => Err(Box::new(FromItem { alias, relation, join, on })),
    }
}

/// The conjunction of conditions; `None` of none.
pub(crate) fn all_of(mut conditions: Vec<Expr>) -> Option<Expr> {
    if conditions.len() < 2 {
        return conditions.pop();
    }
    let (first, nullable) = (conditions.first()?.clone(), conditions.iter().any(|condition| condition.nullable));
    let span = first.span.clone();
    let data_type = crate::sql::types::BOOLEAN;
    Some(Expr { kind: ExprKind::And(conditions), data_type, nullable, span })
}

fn group_distinct(select: &mut Select) {
    let plain = Select { distinct: false, ..select.clone() };
    let groups: Vec<Expr> = select.outputs.iter().filter(|output| !is_constant(output)).cloned().collect();
    if select.distinct && is_plain_select(&plain) && !groups.is_empty() && groups.iter().all(is_plain) {
        select.distinct = false;
        select.group_by = Some(groups);
    }
}

/// A condition of WHERE that is never true where `alias` found no row.
pub(crate) fn make_inner(select: &mut Select) {
    let rejected: BTreeSet<AliasId> = select.filter.iter().flat_map(conjuncts).flat_map(rejects_null).collect();
    for item in &mut select.from {
        if item.join == JoinKind::Left && rejected.contains(&item.alias) {
            item.join = JoinKind::Inner;
        }
    }
}

/// The relations whose missing rows a condition throws away.
fn rejects_null(condition: &Expr) -> Vec<AliasId> {
    let column = |expr: &Expr| bare_column(expr).map(|(alias, _)| alias);
    match &condition.kind {
        ExprKind::Compare { operator, left, right, .. } if *operator != CompareOperator::NullSafeEqual => {
            column(left).into_iter().chain(column(right)).collect()
        }
        ExprKind::Not(inner) => match &inner.kind {
            ExprKind::IsNull(inner) => column(inner).into_iter().collect(),
            _ => vec![],
        },
        _ => vec![],
    }
}

/// The SELECTs that a SELECT over a derived table of several SELECTs becomes.
fn split(select: &Select) -> Option<Vec<Select>> {
    if !is_plain_select(select) {
        return None;
    }
    let several =
        |item: &FromItem| item.join == JoinKind::Inner && matches!(&item.relation, Relation::Derived(arms) if arms.len() > 1);
    let place = select.from.iter().position(several)?;
    let Relation::Derived(arms) = &select.from.get(place)?.relation else { return None };
    let with = |arm: &Select| {
        let mut copy = select.clone();
        if let Some(item) = copy.from.get_mut(place) {
            item.relation = Relation::Derived(vec![arm.clone()]);
        }
        copy
    };
    Some(arms.iter().map(with).collect())
}

/// Replaces outputs of derived tables that nothing reads. `true`: something changed, so that more may be unread now.
fn prune(select: &mut Select) -> bool {
    let mut read = BTreeSet::new();
    visit_select_columns(select, &mut |alias, column| {
        read.insert((alias, column));
    });
    let mut changed = false;
    prune_unread(select, &read, &mut changed);
    changed
}

fn prune_unread(select: &mut Select, read: &BTreeSet<(AliasId, usize)>, changed: &mut bool) {
    for item in &mut select.from {
        let Relation::Derived(arms) = &mut item.relation else { continue };
        for arm in arms {
            for (column, output) in arm.outputs.iter_mut().enumerate() {
                let reads_something = !free_aliases(output).is_empty() || subquery(output).is_some() || !is_plain(output);
                if !arm.distinct && reads_something && !read.contains(&(item.alias, column)) {
                    output.kind = ExprKind::Literal(Value::Null);
                    output.nullable = true;
                    *changed = true;
                }
            }
            prune_unread(arm, read, changed);
        }
    }
    for expr in select_exprs_mut(select) {
        prune_subqueries(expr, read, changed);
    }
}

fn prune_subqueries(expr: &mut Expr, read: &BTreeSet<(AliasId, usize)>, changed: &mut bool) {
    if let ExprKind::ScalarSubquery(select) | ExprKind::Exists(select) = &mut expr.kind {
        prune_unread(select, read, changed);
    }
    for child in children_mut(expr) {
        prune_subqueries(child, read, changed);
    }
}
