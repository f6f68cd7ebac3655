//! What each branch is derived from, and the proof that the declared target key identifies its rows.
//!
//! An ungrouped branch is anchored on a root: a relation that fixes all others, so that each of its rows gives at most one output
//! row. A grouped branch is anchored on the group expressions over one relation. Either way the declared key must determine
//! the anchor (and the rest of the group key); that the anchor determines the key is clear from its having one row.

use std::collections::BTreeSet;

use crate::plan::dependence::Dependence;
use crate::plan::expr::{bare_column, free_aliases, is_constant, is_plain, same, with_alias};
use crate::plan::indexes::{IndexPool, Indexed};
use crate::plan::input::PlanFinding;
use crate::plan::kinds::own_kind;
use crate::plan::proof::{injective_core, quoted};
use crate::plan::scopes::Scopes;
use crate::plan::{Anchor, IndexPart};
use crate::sql::query::{AliasId, Expr, JoinKind, Relation};

/// The declared key of a target table: output indexes and their names.
pub(crate) struct DeclaredKey<'a> {
    /// Indexes into the outputs.
    pub(crate) columns: &'a [usize],
    /// Names, for messages.
    pub(crate) names: &'a [String],
    /// Names of all outputs, for messages.
    pub(crate) outputs: &'a [String],
}

/// Chooses the anchor of a branch and proves the key.
///
/// # Errors
/// Why there is no anchor, or why the key does not identify its rows.
pub(crate) fn choose_anchor(scopes: &Scopes<'_>, key: &DeclaredKey<'_>, pool: &mut IndexPool) -> Result<Anchor, PlanFinding> {
    let select = &scopes.branch.select;
    if select.limit.is_some() {
        return Err(PlanFinding::at(&select.span, "LIMIT makes the rows of a target depend on each other", "remove it"));
    }
    match &select.group_by {
        None => root(scopes, key).map(|alias| Anchor::Row { alias }),
        Some(groups) if groups.is_empty() => Err(PlanFinding::at(
            &select.span,
            "an aggregate over whole tables has no key: every change would read them whole",
            "add GROUP BY with the key columns",
        )),
        Some(groups) => group(scopes, key, groups, pool),
    }
}

/// Relations of FROM that are always there: stored tables joined inner.
fn present(scopes: &Scopes<'_>) -> Vec<AliasId> {
    let items = scopes.branch.select.from.iter();
    items
        .filter(|item| item.join == JoinKind::Inner && matches!(item.relation, Relation::Table(_)))
        .map(|item| item.alias)
        .collect()
}

fn root(scopes: &Scopes<'_>, key: &DeclaredKey<'_>) -> Result<AliasId, PlanFinding> {
    let select = &scopes.branch.select;
    let mut roots = Vec::new();
    let mut fewest: Option<(AliasId, Vec<AliasId>)> = None;
    for alias in present(scopes) {
        let mut dependence = Dependence::new(scopes, select, &[]);
        dependence.fixed.insert(alias);
        dependence.settle();
        let open = dependence.open();
        if open.is_empty() {
            roots.push(alias);
        } else if fewest.as_ref().is_none_or(|(_, fewest)| open.len() < fewest.len()) {
            fewest = Some((alias, open));
        }
    }
    let known = known_by_key(scopes, key);
    for alias in &roots {
        if identity(scopes, *alias).is_some_and(|columns| columns.iter().all(|column| known.is_known(*alias, *column))) {
            return Ok(*alias);
        }
    }
    match (roots.first(), fewest) {
        (Some(alias), _) => Err(key_unproven(scopes, key, *alias)),
        (None, Some((alias, open))) => Err(many_to_many(scopes, alias, &open)),
        (None, None) => Err(PlanFinding::at(
            &select.span,
            "no stored table stands in FROM as an inner relation, so there is nothing to derive the rows from",
            "name the table itself in FROM instead of a derived table",
        )),
    }
}

fn identity(scopes: &Scopes<'_>, alias: AliasId) -> Option<Vec<usize>> {
    let schema = Indexed::of(scopes.catalog, scopes.table(alias)?)?.schema;
    schema.identity().map(|key| key.columns.clone())
}

/// What one value of the declared key determines.
fn known_by_key<'a, 'b>(scopes: &'a Scopes<'b>, key: &DeclaredKey<'_>) -> Dependence<'a, 'b> {
    let select = &scopes.branch.select;
    let mut dependence = Dependence::new(scopes, select, &[]);
    for output in key.columns.iter().filter_map(|column| select.outputs.get(*column)) {
        dependence.known.extend(bare_column(injective_core(output)));
    }
    dependence.settle();
    dependence
}

fn key_unproven(scopes: &Scopes<'_>, key: &DeclaredKey<'_>, root: AliasId) -> PlanFinding {
    let name = scopes.name(root);
    let key_text = key.names.join(", ");
    let Some(columns) = identity(scopes, root) else {
        return PlanFinding::at(
            &scopes.branch.select.span,
            format!("{name} has no primary or unique key without nullable columns, so the key [{key_text}] cannot be proven"),
            format!(
                "each row of the target comes from one row of {name}; give the legacy table a key, or group by the key columns"
            ),
        );
    };
    let schema = scopes.table(root).and_then(|table| Indexed::of(scopes.catalog, table)).map(|indexed| indexed.schema);
    let names: Vec<String> =
        columns.iter().filter_map(|column| schema?.columns.get(*column)).map(|column| column.name.clone()).collect();
    let shown = |column: &usize| {
        let outputs = scopes.branch.select.outputs.iter().zip(key.outputs);
        outputs
            .filter(|(output, _)| bare_column(injective_core(output)) == Some((root, *column)))
            .map(|(_, name)| name.clone())
            .next()
    };
    let whole: Option<Vec<String>> = columns.iter().map(shown).collect();
    let table = schema.map(|schema| schema.name.name.clone()).unwrap_or_default();
    let help = match whole {
        Some(outputs) => format!("declare key: [{}]", outputs.join(", ")),
        None => format!(
            "select {} and declare them as the key; a key that the business guarantees would be declared as \
             facts: [{{ unique: {{ table: {table}, columns: [..] }} }}], which this version does not take",
            names.iter().map(|column| format!("{name}.{column}")).collect::<Vec<_>>().join(", ")
        ),
    };
    PlanFinding::declared(
        format!(
            "the key [{key_text}] is not proven: it does not determine {name} ({}), of which every row gives a row of the target",
            names.join(", ")
        ),
        help,
    )
}

fn many_to_many(scopes: &Scopes<'_>, root: AliasId, open: &[AliasId]) -> PlanFinding {
    let name = scopes.name(root);
    let other = open.first().copied().unwrap_or(root);
    let span = scopes.branch.aliases.get(other.0).map(|definition| definition.span.clone()).unwrap_or_default();
    let table =
        scopes.table(other).and_then(|table| Indexed::of(scopes.catalog, table)).map(|indexed| indexed.schema.name.name.clone());
    let fact = match table {
        Some(table) => format!(
            "join {} on all columns of a primary or unique key, put it into an aggregate or a subquery, or GROUP BY; what the legacy \
             schema does not declare would be facts: [{{ unique: {{ table: {table}, columns: [..] }} }}], which this version does not take",
            scopes.name(other)
        ),
        None => format!("join {} on all of its group columns", scopes.name(other)),
    };
    PlanFinding::at(
        &span,
        format!("one row of {name} may join several rows of {}, and nothing tells them apart in the key", scopes.name(other)),
        fact,
    )
}

fn group(scopes: &Scopes<'_>, key: &DeclaredKey<'_>, groups: &[Expr], pool: &mut IndexPool) -> Result<Anchor, PlanFinding> {
    prove_group_key(scopes, key, groups)?;
    let mut best: Option<(usize, AliasId, Vec<&Expr>)> = None;
    for alias in present(scopes) {
        let only = BTreeSet::from([alias]);
        let over: Vec<&Expr> = groups.iter().filter(|group| is_plain(group) && free_aliases(group) == only).collect();
        let Some(indexed) = scopes.table(alias).and_then(|table| Indexed::of(scopes.catalog, table)) else { continue };
        let columns: BTreeSet<usize> = over.iter().filter_map(|group| bare_column(group)).map(|(_, column)| column).collect();
        let unique = indexed.schema.identity().is_some_and(|key| key.columns.iter().all(|column| columns.contains(column)));
        // A group key that is a whole identity makes the smallest anchors; else more expressions make smaller ones.
        let score = if unique { 1000 } else { over.len() };
        if score > 0 && best.as_ref().is_none_or(|(old, _, _)| score > *old) {
            best = Some((score, alias, over));
        }
    }
    let Some((_, alias, over)) = best else {
        return Err(PlanFinding::at(
            &scopes.branch.select.span,
            "no group expression is over one inner-joined table, so a group cannot be found by an index",
            "group by a column of a table that is not LEFT joined",
        ));
    };
    let index = group_index(scopes, alias, &over, pool)?;
    Ok(Anchor::Group { alias, index })
}

fn group_index(
    scopes: &Scopes<'_>,
    alias: AliasId,
    over: &[&Expr],
    pool: &mut IndexPool,
) -> Result<crate::plan::IndexId, PlanFinding> {
    let no_equality =
        |expr: &Expr| PlanFinding::at(&expr.span, "values of this type cannot be grouped", "cast it to a type with an equality");
    let table = scopes.table(alias).ok_or_else(|| PlanFinding::declared("a group anchor without a table", ""))?;
    let indexed =
        Indexed::of(scopes.catalog, table).ok_or_else(|| PlanFinding::declared("a group anchor without a table", ""))?;
    let identity: Vec<usize> = indexed.schema.identity().map(|key| key.columns.clone()).unwrap_or_default();
    let position = |expr: &&Expr| {
        let (_, column) = bare_column(expr)?;
        identity.iter().position(|candidate| *candidate == column)
    };
    let mut ordered: Vec<&Expr> = over.to_vec();
    ordered.sort_by_key(|expr| position(expr).unwrap_or(usize::MAX));
    let is_prefix = ordered.iter().enumerate().all(|(index, expr)| position(expr) == Some(index));
    let mut parts = Vec::new();
    for expr in ordered {
        let kind = own_kind(&expr.data_type, scopes.catalog).ok_or_else(|| no_equality(expr))?;
        // Over the identity no part is ever NULL; then the index is the one that joins use.
        parts.push(IndexPart { expr: with_alias(expr, AliasId(0)), kind, null_safe: !is_prefix });
    }
    Ok(pool.intern(table, parts, is_prefix))
}

fn prove_group_key(scopes: &Scopes<'_>, key: &DeclaredKey<'_>, groups: &[Expr]) -> Result<(), PlanFinding> {
    let select = &scopes.branch.select;
    let known = known_by_key(scopes, key);
    let declared: Vec<&Expr> = key.columns.iter().filter_map(|column| select.outputs.get(*column)).collect();
    for group in groups {
        let shown = declared.iter().any(|output| same(output, group) || same(injective_core(output), group));
        let column_known = bare_column(group).is_some_and(|(alias, column)| known.is_known(alias, column));
        if !(shown || column_known || is_constant(group) || known.is_exact(group)) {
            return Err(PlanFinding::at(
                &group.span,
                format!("the key [{}] is not proven: it does not determine this group expression", key.names.join(", ")),
                format!("select {} and add it to the key, or leave it out of GROUP BY", quoted(scopes, group)),
            ));
        }
    }
    let grouped = |output: &&&Expr| {
        let core = injective_core(output);
        is_constant(core) || groups.iter().any(|group| same(group, core) || same(group, output))
    };
    match declared.iter().find(|output| !grouped(output)) {
        // A key column that the groups only determine is right as well, but then two groups could share a value of it.
        Some(output) if !known.is_exact(output) => Err(PlanFinding::at(
            &output.span,
            "a key column of a grouped SELECT must be one of its group expressions",
            "group by it, or take it out of the key",
        )),
        _ => Ok(()),
    }
}
