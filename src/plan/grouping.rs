//! Grouped and DISTINCT SELECTs: what tells groups apart, and the proof that every shown value is the same in a whole group.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::SelectAccess;
use crate::plan::dependence::Dependence;
use crate::plan::expr::{bare_column, children, is_constant, same, select_exprs, subquery, visit_columns};
use crate::plan::input::PlanFinding;
use crate::plan::kinds::{agree, own_kind};
use crate::plan::scopes::{Scope, Scopes};
use crate::sql::query::{AliasId, Expr, ExprKind};
use crate::value::KeyKind;

/// Completes the access of every grouped or DISTINCT SELECT of a branch.
///
/// # Errors
/// One finding per value that is not the same in a whole group, or whose type has no equality.
pub(crate) fn plan_grouping(scopes: &Scopes<'_>, access: &mut BTreeMap<AliasId, SelectAccess>) -> Result<(), Vec<PlanFinding>> {
    let shown = shown_columns(scopes);
    let mut findings = Vec::new();
    for scope in &scopes.scopes {
        let Some(access) = scope.select.from.first().and_then(|item| access.get_mut(&item.alias)) else { continue };
        let done = kinds(scopes, scope, access).and_then(|()| {
            access.shown_groups = shown_groups(scopes, scope, &shown);
            prove_outputs(scopes, scope)
        });
        findings.extend(done.err());
    }
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

fn kinds(scopes: &Scopes<'_>, scope: &Scope<'_>, access: &mut SelectAccess) -> Result<(), PlanFinding> {
    let kind = |expr: &Expr| {
        own_kind(&expr.data_type, scopes.catalog).ok_or_else(|| {
            PlanFinding::at(&expr.span, "values of this type cannot be grouped", "cast it to a type with an equality")
        })
    };
    access.group_kinds = scope.select.group_by.iter().flatten().map(kind).collect::<Result<_, _>>()?;
    if scope.select.distinct {
        access.distinct_kinds = scope.select.outputs.iter().map(kind).collect::<Result<_, _>>()?;
    }
    let partitions = scope.select.numberings.iter().map(|numbering| numbering.partition_by.iter().map(kind).collect());
    access.partition_kinds = partitions.collect::<Result<_, _>>()?;
    Ok(())
}

/// Columns of derived tables whose very bytes matter: all but those that are only compared by their own equality.
fn shown_columns(scopes: &Scopes<'_>) -> BTreeSet<(AliasId, usize)> {
    let mut shown = BTreeSet::new();
    for scope in &scopes.scopes {
        for expr in select_exprs(scope.select) {
            collect_shown(scopes, expr, &mut shown);
        }
    }
    shown
}

fn collect_shown(scopes: &Scopes<'_>, expr: &Expr, shown: &mut BTreeSet<(AliasId, usize)>) {
    let rule = match &expr.kind {
        ExprKind::Compare { rule, .. } => Some(rule),
        _ => None,
    };
    for child in children(expr) {
        let compared = bare_column(child).is_some()
            && rule.is_some_and(|rule| own_kind(&child.data_type, scopes.catalog).is_some_and(|own| agree(rule, &own)));
        if !compared {
            collect_shown(scopes, child, shown);
        }
    }
    shown.extend(bare_column(expr));
}

fn shown_groups(scopes: &Scopes<'_>, scope: &Scope<'_>, shown: &BTreeSet<(AliasId, usize)>) -> Vec<usize> {
    let is_shown = |column: usize| scope.derived.is_none_or(|alias| shown.contains(&(alias, column)));
    let outputs = scope.select.outputs.iter().enumerate().filter(|(column, _)| is_shown(*column)).map(|(_, output)| output);
    let exprs: Vec<&Expr> = outputs.chain(&scope.select.having).collect();
    let groups = scope.select.group_by.iter().flatten().enumerate();
    groups
        .filter(|(_, group)| matches!(own_kind(&group.data_type, scopes.catalog), Some(KeyKind::Text(_))))
        .filter(|(_, group)| exprs.iter().any(|expr| contains(expr, group)))
        .map(|(index, _)| index)
        .collect()
}

fn contains(expr: &Expr, part: &Expr) -> bool {
    let in_subquery = || {
        let mut found = false;
        if subquery(expr).is_some() {
            visit_columns(expr, &mut |alias, column| found |= bare_column(part) == Some((alias, column)));
        }
        found
    };
    same(expr, part) || in_subquery() || children(expr).into_iter().any(|child| contains(child, part))
}

fn prove_outputs(scopes: &Scopes<'_>, scope: &Scope<'_>) -> Result<(), PlanFinding> {
    let Some(groups) = &scope.select.group_by else { return Ok(()) };
    let mut dependence = Dependence::new(scopes, scope.select, &[]);
    dependence.known.extend(groups.iter().filter_map(bare_column));
    dependence.settle();
    let numbered = scope
        .select
        .numberings
        .iter()
        .flat_map(|numbering| numbering.partition_by.iter().chain(numbering.order_by.iter().map(|item| &item.expr)));
    let ordered = scope.select.order_by.iter().map(|item| &item.expr);
    let exprs = scope.select.outputs.iter().chain(&scope.select.having).chain(numbered).chain(ordered);
    for expr in exprs {
        if let Some(loose) = loose(expr, groups, &dependence) {
            return Err(PlanFinding::at(
                &loose.span,
                "this value is not the same for all rows of a group: the source would show any of them",
                "add it to GROUP BY, or say which one with MIN or MAX",
            ));
        }
    }
    Ok(())
}

/// The first part of an expression that is neither a group expression, an aggregate, nor determined by the group.
fn loose<'e>(expr: &'e Expr, groups: &[Expr], dependence: &Dependence<'_, '_>) -> Option<&'e Expr> {
    if is_constant(expr)
        || matches!(expr.kind, ExprKind::Aggregate(_) | ExprKind::RowNumber(_))
        || groups.iter().any(|group| same(group, expr))
    {
        return None;
    }
    if subquery(expr).is_some() {
        let mut determined = true;
        visit_columns(expr, &mut |alias, column| {
            let grouped = groups.iter().any(|group| bare_column(group) == Some((alias, column)));
            determined &= grouped || dependence.is_fixed(alias);
        });
        return (!determined).then_some(expr);
    }
    match bare_column(expr) {
        Some(_) => (!dependence.is_exact(expr)).then_some(expr),
        None => children(expr).into_iter().find_map(|child| loose(child, groups, dependence)),
    }
}
