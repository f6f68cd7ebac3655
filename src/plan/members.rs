//! The members of groups: the rows of a SELECT without its grouping, planned so that single rows of a stored table give them one by one.
//!
//! Where a LEFT joined relation multiplies the rows (`FROM a LEFT JOIN b .. GROUP BY a.k`), no table gives them all: those with a `b` come
//! from the rows of `b`, those without one from the rows of `a`. The members are then the rows of two SELECTs: of the inner join, and of
//! what is left of it without `b`, whose columns are NULL, where no `b` matches. Each row of the LEFT join is a row of exactly one of them.

use crate::plan::BranchPlan;
use crate::plan::access::Reach;
use crate::plan::anchor::{Candidate, Cut};
use crate::plan::builder::{from_anchor, meaning};
use crate::plan::dependence::Dependence;
use crate::plan::expr::{bare_column, conjuncts, free_aliases_of, rewrite_select};
use crate::plan::indexes::IndexPool;
use crate::plan::normal::{all_of, make_inner};
use crate::plan::scopes::Scopes;
use crate::sql::query::{AliasId, Branch, CompareOperator, Expr, ExprKind, FromItem, JoinKind, Relation, Select};
use crate::sql::types::BOOLEAN;
use crate::value::Value;

/// More SELECTs than these are not made of the members of one.
const BODIES_MAX: usize = 8;

const UNCUT: &str = "no stored table gives its members one by one";

/// The members of the groups of `select`, which `key` tells apart: SELECTs that are cut by rows, and what they mean.
pub(crate) fn members(
    scopes: &Scopes<'_>,
    select: Select,
    key: &[Expr],
    pool: &mut IndexPool,
) -> Result<(Vec<BranchPlan>, String), &'static str> {
    if !free_aliases_of(&select).is_empty() {
        return Err("its rows depend on rows outside");
    }
    let branch = Branch { select, aliases: scopes.branch.aliases.clone() };
    let inner = Scopes::of(&branch, scopes.catalog, scopes.facts);
    let mut of_key = Dependence::new(&inner, &branch.select, &[]);
    of_key.known.extend(key.iter().filter_map(bare_column));
    of_key.settle();
    if of_key.open().is_empty() {
        return Err("a group is one row");
    }
    let mut open = vec![branch];
    let mut bodies = Vec::new();
    let mut names = String::new();
    while let Some(branch) = open.pop() {
        let inner = Scopes::of(&branch, scopes.catalog, scopes.facts);
        if let Some(plan) = cut_by_rows(&inner, pool) {
            bodies.push(plan);
            names.push_str(&meaning(scopes.catalog, &branch));
            continue;
        }
        if bodies.len() + open.len() + 2 > BODIES_MAX {
            return Err(UNCUT);
        }
        open.extend(split(&inner).ok_or(UNCUT)?);
    }
    Ok((bodies, names))
}

/// A branch cut by the rows of a stored table from which every other relation has at most one row.
fn cut_by_rows(scopes: &Scopes<'_>, pool: &mut IndexPool) -> Option<BranchPlan> {
    let select = &scopes.branch.select;
    for item in &select.from {
        if item.join != JoinKind::Inner || !matches!(item.relation, Relation::Table(_)) || !fixes_all(scopes, item.alias) {
            continue;
        }
        let mut trial = pool.clone();
        let candidate = Candidate { item: item.alias, cut: Cut::Row(item.alias) };
        if let Ok(plan) = from_anchor(scopes, &candidate, Reach::Equalities, &mut trial) {
            *pool = trial;
            return Some(plan);
        }
    }
    None
}

fn fixes_all(scopes: &Scopes<'_>, alias: AliasId) -> bool {
    let mut dependence = Dependence::new(scopes, &scopes.branch.select, &[]);
    dependence.fixed.insert(alias);
    dependence.settle();
    dependence.open().is_empty()
}

/// The rows with and those without a row of a LEFT joined table, of which every other relation has at most one row.
fn split(scopes: &Scopes<'_>) -> Option<[Branch; 2]> {
    let branch = scopes.branch;
    let tables = branch.select.from.iter().enumerate();
    let mut left = tables.filter(|(_, item)| item.join == JoinKind::Left && matches!(item.relation, Relation::Table(_)));
    left.find_map(|(place, _)| {
        let mut with = branch.select.clone();
        let item = with.from.get_mut(place)?;
        item.join = JoinKind::Inner;
        let alias = item.alias;
        let conditions: Vec<Expr> = item.on.take().into_iter().chain(with.filter.take()).collect();
        with.filter = all_of(conditions.iter().flat_map(conjuncts).cloned().collect());
        make_inner(&mut with);
        let with = Branch { select: with, aliases: branch.aliases.clone() };
        let is_cut = fixes_all(&Scopes::of(&with, scopes.catalog, scopes.facts), alias);
        let without = Branch { select: without(&branch.select, place), aliases: branch.aliases.clone() };
        is_cut.then_some([with, without])
    })
}

/// A SELECT without one of its LEFT joined relations, whose columns are NULL, for the rows that it has no match for.
fn without(select: &Select, place: usize) -> Select {
    let mut rest = select.clone();
    let FromItem { alias, relation, on, .. } = rest.from.remove(place);
    make_null(&mut rest, alias);
    // What is joined by it has no match either.
    while let Some(place) = rest.from.iter().position(|item| item.join == JoinKind::Left && item.on.iter().any(is_never_true)) {
        let unmatched = rest.from.remove(place).alias;
        make_null(&mut rest, unmatched);
    }
    let span = select.span.clone();
    let found = Select {
        from: vec![FromItem { alias, relation, join: JoinKind::Inner, on: None }],
        filter: on,
        outputs: vec![Expr { kind: ExprKind::Literal(Value::Int(1)), data_type: BOOLEAN, nullable: false, span: span.clone() }],
        ..Select::empty(span.clone())
    };
    let truth = |kind: ExprKind| Expr { kind, data_type: BOOLEAN, nullable: false, span: span.clone() };
    let missing = truth(ExprKind::Not(Box::new(truth(ExprKind::Exists(Box::new(found))))));
    let kept = rest.filter.iter().flat_map(conjuncts).filter(|conjunct| !finds_nothing(conjunct));
    rest.filter = all_of(kept.cloned().chain([missing]).collect());
    rest
}

fn make_null(select: &mut Select, alias: AliasId) {
    rewrite_select(select, &mut |node| {
        if bare_column(node).is_some_and(|(of, _)| of == alias) {
            node.kind = ExprKind::Literal(Value::Null);
            node.nullable = true;
        }
    });
}

/// `NOT EXISTS (SELECT .. WHERE .. = NULL)`, which is always true.
fn finds_nothing(condition: &Expr) -> bool {
    let ExprKind::Not(inner) = &condition.kind else { return false };
    let ExprKind::Exists(select) = &inner.kind else { return false };
    select.filter.iter().any(is_never_true)
}

/// Whether one of its conjuncts compares NULL with something.
fn is_never_true(condition: &Expr) -> bool {
    let is_null = |expr: &Expr| matches!(expr.kind, ExprKind::Literal(Value::Null));
    conjuncts(condition).into_iter().any(|conjunct| match &conjunct.kind {
        ExprKind::Compare { operator, left, right, .. } => {
            *operator != CompareOperator::NullSafeEqual && (is_null(left) || is_null(right))
        }
        _ => false,
    })
}
