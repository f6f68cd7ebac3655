//! Which grouped SELECTs are kept up row by row, so that a change costs the same however large its group is.
//!
//! A group is kept up where every aggregate can take rows away again and everything else that the SELECT shows is one value per group. Its
//! *members* are then the rows of the same SELECT without grouping, planned like any other branch and cut by single rows of one stored
//! table. What nothing asks for by key, or what only the whole group tells, is derived from all members each time, and the plan says why.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_128;

use crate::plan::access::Reach;
use crate::plan::anchor::{Candidate, Cut};
use crate::plan::builder::{from_anchor, meaning};
use crate::plan::dependence::Dependence;
use crate::plan::expr::{
    bare_column, conjuncts, equality, free_aliases, free_aliases_of, has_subquery, is_constant, is_plain, same, select_exprs,
    subquery, with_alias,
};
use crate::plan::indexes::IndexPool;
use crate::plan::kinds::own_kind;
use crate::plan::normal::all_of;
use crate::plan::scopes::Scopes;
use crate::plan::{
    AccumulatorId, AccumulatorPlan, AccumulatorUse, Anchor, BranchPlan, Direction, GroupKeyPart, GroupProbe, KeptAggregate,
    Regrouped, Whole,
};
use crate::schema::DataType;
use crate::sql::query::{
    AggregateFunction, AliasDefinition, AliasId, Branch, Expr, ExprKind, JoinKind, OrderItem, Relation, Select,
};
use crate::sql::rewrite::{children_mut, select_exprs_mut};
use crate::sql::total::Upkeep;
use crate::value::KeyKind;

/// Plans the accumulators of all grouped SELECTs of a planned branch.
pub(crate) fn plan_accumulators(scopes: &Scopes<'_>, plan: &mut BranchPlan, pool: &mut IndexPool) {
    let mut times: BTreeMap<AliasId, usize> = BTreeMap::new();
    visit_selects(&scopes.branch.select, &mut |select| {
        *times.entry(first_alias(select)).or_default() += 1;
    });
    for scope in &scopes.scopes {
        let first = first_alias(scope.select);
        if !(scope.select.group_by.is_some() || takes_first(scope.select)) || !plan.access.contains_key(&first) {
            continue;
        }
        let drafted = match times.get(&first) {
            Some(1) => draft(scopes, scope.select, plan, pool),
            _ => Err("it stands in the SELECT twice"),
        };
        let regrouped = match drafted {
            Ok(draft) => Regrouped::KeptUp(draft.finish(plan, pool)),
            Err(reason) => Regrouped::Whole(reason),
        };
        if let Some(access) = plan.access.get_mut(&first) {
            access.regrouped = Some(regrouped);
        }
    }
}

/// Whether a SELECT shows the first of its rows, e.g. the latest.
fn takes_first(select: &Select) -> bool {
    let plain = select.group_by.is_none() && select.aggregates.is_empty() && select.numberings.is_empty() && !select.distinct;
    plain && select.limit.is_some_and(|limit| (1..=FIRST_ROWS_MAX).contains(&limit)) && !select.order_by.is_empty()
}

/// More first rows than that are read with all others.
const FIRST_ROWS_MAX: u64 = 100;

/// The rows of a SELECT in their order, kept like an aggregate.
fn rows_in_order(select: &Select, outputs: &mut Outputs) -> KeptAggregate {
    let ordered = select.order_by.iter().map(|item| &item.expr);
    KeptAggregate {
        upkeep: Upkeep::First,
        arguments: ordered.chain(&select.outputs).map(|expr| outputs.place(expr)).collect(),
        rules: select.order_by.iter().map(|item| item.rule.clone()).collect(),
        directions: select
            .order_by
            .iter()
            .map(|item| Direction { descending: item.descending, nulls_first: item.nulls_first })
            .collect(),
    }
}

fn first_alias(select: &Select) -> AliasId {
    select.from.first().map_or(AliasId(usize::MAX), |item| item.alias)
}

fn visit_selects(select: &Select, visit: &mut dyn FnMut(&Select)) {
    visit(select);
    for item in &select.from {
        if let Relation::Derived(arms) = &item.relation {
            arms.iter().for_each(|arm| visit_selects(arm, visit));
        }
    }
    for expr in select_exprs(select) {
        visit_subqueries(expr, visit);
    }
}

fn visit_subqueries(expr: &Expr, visit: &mut dyn FnMut(&Select)) {
    if let Some(select) = subquery(expr) {
        visit_selects(select, visit);
    }
    crate::plan::expr::children(expr).into_iter().for_each(|child| visit_subqueries(child, visit));
}

/// An accumulator before it has its place.
struct Draft {
    first: AliasId,
    body: BranchPlan,
    key: Vec<GroupKeyPart>,
    probe: GroupProbe,
    /// What the group's own row shows behind its group expressions.
    extras: Vec<Expr>,
    shown: Vec<usize>,
    aggregates: Vec<KeptAggregate>,
    meaning: u128,
}

/// What a member row gives, each expression once.
#[derive(Default)]
struct Outputs {
    exprs: Vec<Expr>,
}

impl Outputs {
    fn place(&mut self, expr: &Expr) -> usize {
        self.exprs.iter().position(|known| same(known, expr)).unwrap_or_else(|| {
            self.exprs.push(expr.clone());
            self.exprs.len() - 1
        })
    }
}

/// How a group is asked for.
#[derive(Default)]
struct Asked {
    /// Expressions over the members that are pinned, with the rule.
    parts: Vec<(Expr, KeyKind, bool)>,
    values: Vec<Expr>,
    anchored: bool,
    /// Conditions that hold on every member.
    filter: Vec<Expr>,
}

fn draft(scopes: &Scopes<'_>, select: &Select, plan: &BranchPlan, pool: &mut IndexPool) -> Result<Draft, &'static str> {
    let groups = select.group_by.as_deref().unwrap_or_default();
    let mut upkeeps = Vec::new();
    for aggregate in &select.aggregates {
        upkeeps.push(Upkeep::of(aggregate).ok_or_else(|| why_whole(&aggregate.function, aggregate.distinct))?);
    }
    let asked = asked(select, plan, pool)?;
    let extras = if takes_first(select) { Vec::new() } else { extras(select, groups)? };
    if groups.is_empty() && !extras.is_empty() {
        return Err("it shows a column beside its aggregates");
    }
    let mut outputs = Outputs::default();
    let mut key = Vec::new();
    for (expr, kind, null_safe) in &asked.parts {
        key.push(GroupKeyPart { output: outputs.place(expr), kind: kind.clone(), null_safe: *null_safe });
    }
    for group in groups.iter().filter(|group| !asked.parts.iter().any(|(expr, ..)| same(expr, group))) {
        let kind = own_kind(&group.data_type, scopes.catalog).ok_or("a group expression has no equality")?;
        key.push(GroupKeyPart { output: outputs.place(group), kind, null_safe: true });
    }
    if groups.iter().any(|group| is_written_in_many_ways(&group.data_type)) {
        return Err("equal values of a group expression can be written in different ways");
    }
    let shown = groups.iter().chain(&extras).map(|expr| outputs.place(expr)).collect();
    let mut aggregates = Vec::new();
    for (aggregate, upkeep) in select.aggregates.iter().zip(upkeeps) {
        let arguments = aggregate.arguments.iter().map(|argument| outputs.place(argument)).collect();
        aggregates.push(KeptAggregate { upkeep, arguments, rules: aggregate.rules.clone(), directions: Vec::new() });
    }
    if takes_first(select) {
        aggregates.push(rows_in_order(select, &mut outputs));
    }
    let body = Select {
        from: select.from.clone(),
        filter: all_of(asked.filter),
        outputs: outputs.exprs,
        ..Select::empty(select.span.clone())
    };
    let asked_for: Vec<Expr> = key.iter().filter_map(|part| body.outputs.get(part.output)).cloned().collect();
    let (body, names) = members(scopes, body, &asked_for, pool)?;
    let meaning = xxh3_128(format!("{names} {key:?} {shown:?} {aggregates:?}").as_bytes());
    let probe = if asked.anchored { GroupProbe::Anchor } else { GroupProbe::Values(asked.values) };
    Ok(Draft { first: first_alias(select), body, key, probe, extras, shown, aggregates, meaning })
}

fn why_whole(function: &AggregateFunction, distinct: bool) -> &'static str {
    match function {
        AggregateFunction::GroupConcat { .. } => "GROUP_CONCAT reads all rows",
        AggregateFunction::BitAnd | AggregateFunction::BitOr | AggregateFunction::BitXor => "bits cannot be taken back",
        _ if distinct => "DISTINCT inside this aggregate reads all rows",
        _ => "one of its aggregates reads all rows",
    }
}

/// Whether the source may show equal values of a type differently, and not only by the letters of a text: `1.0` and `1.00`.
fn is_written_in_many_ways(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Numeric | DataType::Float | DataType::Double | DataType::Interval)
}

/// The columns that outputs and HAVING show beside the group expressions and the aggregates; they have one value in a group.
fn extras(select: &Select, groups: &[Expr]) -> Result<Vec<Expr>, &'static str> {
    let own = own_aliases(select);
    let mut extras: Vec<Expr> = Vec::new();
    for expr in shown_exprs(select) {
        if has_subquery(expr) {
            return Err("a subquery stands beside its aggregates");
        }
        collect_extras(expr, groups, &own, &mut extras);
    }
    Ok(extras)
}

fn collect_extras(expr: &Expr, groups: &[Expr], own: &BTreeSet<AliasId>, extras: &mut Vec<Expr>) {
    if groups.iter().any(|group| same(group, expr)) {
        return;
    }
    if bare_column(expr).is_some_and(|(alias, _)| own.contains(&alias)) && !extras.iter().any(|known| same(known, expr)) {
        extras.push(expr.clone());
    }
    crate::plan::expr::children(expr).into_iter().for_each(|child| collect_extras(child, groups, own, extras));
}

fn own_aliases(select: &Select) -> BTreeSet<AliasId> {
    select.from.iter().map(|item| item.alias).collect()
}

/// The expressions that are asked of a whole group.
fn shown_exprs(select: &Select) -> Vec<&Expr> {
    let numberings = select.numberings.iter();
    let numbered = numberings
        .flat_map(|numbering| numbering.partition_by.iter().chain(numbering.order_by.iter().map(|OrderItem { expr, .. }| expr)));
    let ordered = select.order_by.iter().map(|item| &item.expr);
    select.outputs.iter().chain(&select.having).chain(numbered).chain(ordered).collect()
}

/// What pins the group that is asked for: the anchor, the equalities of a derived table's own SELECT, those with rows outside.
fn asked(select: &Select, plan: &BranchPlan, pool: &IndexPool) -> Result<Asked, &'static str> {
    let own = own_aliases(select);
    let mut asked = Asked::default();
    for conjunct in select.filter.iter().flat_map(conjuncts) {
        let free = free_aliases(conjunct);
        if free.is_disjoint(&own) && !free.is_empty() {
            // Asked before the group is looked for.
            continue;
        }
        if free.is_subset(&own) {
            asked.filter.push(conjunct.clone());
            continue;
        }
        let within = |expr: &Expr| is_plain(expr) && free_aliases(expr).is_subset(&own);
        let without = |expr: &Expr| free_aliases(expr).is_disjoint(&own);
        let pinned = equality(conjunct).into_iter().flatten().find(|side| within(side.left) && without(side.right));
        let pinned = pinned.ok_or("a condition other than = compares its rows with rows outside")?;
        if has_subquery(pinned.right) {
            return Err("a subquery says which group is asked for");
        }
        asked.parts.push((pinned.left.clone(), pinned.rule.clone(), pinned.null_safe));
        asked.values.push(pinned.right.clone());
    }
    if let Some(parts) = anchored(select, &plan.anchor, pool)? {
        if !asked.parts.is_empty() {
            return Err("its rows depend on rows outside");
        }
        return Ok(Asked { parts, values: vec![], anchored: true, filter: asked.filter });
    }
    let pushed = plan.access.get(&first_alias(select)).map(|access| access.pushed.as_slice()).unwrap_or_default();
    for side in pushed.iter().filter_map(|conjunct| equality(conjunct)?.into_iter().next()) {
        let is_group = select.group_by.iter().flatten().any(|group| same(group, side.left));
        if is_group && !has_subquery(side.right) && !asked.parts.iter().any(|(expr, ..)| same(expr, side.left)) {
            asked.parts.push((side.left.clone(), side.rule.clone(), side.null_safe));
            asked.values.push(side.right.clone());
        }
    }
    if asked.parts.is_empty() { Err("no equality says which group is asked for") } else { Ok(asked) }
}

type Parts = Vec<(Expr, KeyKind, bool)>;

/// The parts of the anchor's key, if the anchor is a group of this very SELECT.
fn anchored(select: &Select, anchor: &Anchor, pool: &IndexPool) -> Result<Option<Parts>, &'static str> {
    let Anchor::Group { alias, index, others } = anchor else { return Ok(None) };
    if !select.from.iter().any(|item| item.alias == *alias) {
        return Ok(None);
    }
    if !others.is_empty() {
        return Err("its groups reach over several tables of a UNION");
    }
    let index = pool.plans.get(index.0 as usize).ok_or("its index is not planned")?;
    let mut parts = Vec::new();
    for part in &index.parts {
        let expr = with_alias(&part.expr, *alias);
        let group = select.group_by.iter().flatten().find(|group| same(group, &expr));
        parts.push((group.ok_or("its groups are found by another SELECT's key")?.clone(), part.kind.clone(), true));
    }
    Ok(Some(parts))
}

/// The members of the groups, cut by single rows of a stored table from which every other relation has at most one row.
fn members(
    scopes: &Scopes<'_>,
    select: Select,
    key: &[Expr],
    pool: &mut IndexPool,
) -> Result<(BranchPlan, String), &'static str> {
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
    for item in &branch.select.from {
        if item.join != JoinKind::Inner || !matches!(item.relation, Relation::Table(_)) {
            continue;
        }
        let mut dependence = Dependence::new(&inner, &branch.select, &[]);
        dependence.fixed.insert(item.alias);
        dependence.settle();
        if !dependence.open().is_empty() {
            continue;
        }
        let mut trial = pool.clone();
        let candidate = Candidate { item: item.alias, cut: Cut::Row(item.alias) };
        if let Ok(plan) = from_anchor(&inner, &candidate, Reach::Equalities, &mut trial) {
            *pool = trial;
            return Ok((plan, meaning(scopes.catalog, &branch)));
        }
    }
    Err("no stored table gives its members one by one")
}

impl Draft {
    /// Gives the accumulator its number, and the group's own row an alias that outputs and HAVING read.
    fn finish(self, plan: &mut BranchPlan, pool: &mut IndexPool) -> AccumulatorUse {
        let id = AccumulatorId(u32::try_from(pool.accumulators.len()).unwrap_or(u32::MAX));
        let alias = AliasId(plan.branch.aliases.len());
        let span = plan.branch.select.span.clone();
        plan.branch.aliases.push(AliasDefinition { name: "group".to_owned(), table: None, span });
        let mut change = |select: &mut Select| {
            let groups = select.group_by.clone().unwrap_or_default();
            let columns: Vec<&Expr> = groups.iter().chain(&self.extras).collect();
            for expr in shown_exprs_mut(select) {
                show(expr, alias, &columns);
            }
        };
        rewrite_select_of(&mut plan.branch.select, self.first, &mut change);
        // Conditions that hold subqueries are evaluated where the access asks for them.
        for expr in plan.access.values_mut().flat_map(|access| access.exprs_mut()) {
            rewrite_subqueries_of(expr, self.first, &mut change);
        }
        for (_, walk) in &mut plan.walks {
            if let Some(Whole::Answer(expr)) = &mut walk.whole {
                rewrite_subqueries_of(expr, self.first, &mut change);
            }
        }
        pool.accumulators.push(AccumulatorPlan {
            body: self.body,
            key: self.key,
            shown: self.shown,
            aggregates: self.aggregates,
            meaning: self.meaning,
        });
        AccumulatorUse { id, probe: self.probe, alias, extras: self.extras }
    }
}

/// Replaces what the group's own row holds.
fn show(expr: &mut Expr, alias: AliasId, columns: &[&Expr]) {
    if let Some(column) = columns.iter().position(|column| same(column, expr)).filter(|_| !is_constant(expr)) {
        expr.kind = ExprKind::Column { alias, column };
        return;
    }
    children_mut(expr).into_iter().for_each(|child| show(child, alias, columns));
}

fn shown_exprs_mut(select: &mut Select) -> Vec<&mut Expr> {
    let numberings = select.numberings.iter_mut();
    let numbered = numberings
        .flat_map(|numbering| numbering.partition_by.iter_mut().chain(numbering.order_by.iter_mut().map(|item| &mut item.expr)));
    let ordered = select.order_by.iter_mut().map(|item| &mut item.expr);
    select.outputs.iter_mut().chain(&mut select.having).chain(numbered).chain(ordered).collect()
}

/// Changes the SELECT whose first relation is `first`.
fn rewrite_select_of(select: &mut Select, first: AliasId, change: &mut dyn FnMut(&mut Select)) {
    for item in &mut select.from {
        if let Relation::Derived(arms) = &mut item.relation {
            arms.iter_mut().for_each(|arm| rewrite_select_of(arm, first, change));
        }
    }
    for expr in select_exprs_mut(select) {
        rewrite_subqueries_of(expr, first, change);
    }
    if first_alias(select) == first {
        change(select);
    }
}

fn rewrite_subqueries_of(expr: &mut Expr, first: AliasId, change: &mut dyn FnMut(&mut Select)) {
    if let ExprKind::ScalarSubquery(select) | ExprKind::Exists(select) = &mut expr.kind {
        rewrite_select_of(select, first, change);
    }
    children_mut(expr).into_iter().for_each(|child| rewrite_subqueries_of(child, first, change));
}
