//! Which grouped SELECTs are kept up row by row, so that a change costs the same however large its group is.
//!
//! A group is kept up where every aggregate can take rows away again and everything else that the SELECT shows is one value per group. Its
//! *members* are then the rows of the same SELECT without grouping, planned like any other branch and cut by single rows of one stored
//! table (of one table for each part of them, see [`members`]). The first rows of an order are kept like an aggregate: those of ORDER BY
//! with LIMIT, and those that are numbered 1 in their partition. What nothing asks for by key, or what only the whole group tells, is
//! derived from all members each time, and the plan says why.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_128;

use crate::plan::expr::{
    bare_column, conjuncts, equality, free_aliases, has_subquery, is_constant, is_plain, rewrite, same, select_exprs, subquery,
    with_alias,
};
use crate::plan::indexes::IndexPool;
use crate::plan::kinds::own_kind;
use crate::plan::members::members;
use crate::plan::normal::all_of;
use crate::plan::scopes::{Scope, Scopes};
use crate::plan::{
    AccumulatorId, AccumulatorPlan, AccumulatorUse, Anchor, BranchPlan, Direction, GroupKeyPart, GroupProbe, KeptAggregate,
    Regrouped, Whole,
};
use crate::schema::DataType;
use crate::sql::query::{AggregateFunction, AliasDefinition, AliasId, Expr, ExprKind, OrderItem, Relation, Select};
use crate::sql::rewrite::{children_mut, select_exprs_mut};
use crate::sql::total::Upkeep;
use crate::value::{KeyKind, Value};

/// Plans the accumulators of all grouped SELECTs of a planned branch.
pub(crate) fn plan_accumulators(scopes: &Scopes<'_>, plan: &mut BranchPlan, pool: &mut IndexPool) {
    let mut times: BTreeMap<AliasId, usize> = BTreeMap::new();
    visit_selects(&scopes.branch.select, &mut |select| {
        *times.entry(first_alias(select)).or_default() += 1;
    });
    let mut shown = Vec::new();
    for scope in &scopes.scopes {
        let first = first_alias(scope.select);
        let is_regrouped = scope.select.group_by.is_some() || !scope.select.numberings.is_empty() || takes_first(scope.select);
        if !is_regrouped || !plan.access.contains_key(&first) {
            continue;
        }
        let drafted = match times.get(&first) {
            Some(1) if is_numbered(scope.select) && !asks_for_first(scopes, scope) => {
                Err("its rows are numbered, and not only those with the number 1 are asked for")
            }
            Some(1) => draft(scopes, scope.select, plan, pool),
            _ => Err("it stands in the SELECT twice"),
        };
        let regrouped = match drafted {
            Ok(draft) => {
                let (used, own) = draft.finish(scope.select, plan, pool);
                shown.push(own);
                Regrouped::KeptUp(used)
            }
            Err(reason) => Regrouped::Whole(reason),
        };
        if let Some(access) = plan.access.get_mut(&first) {
            access.regrouped = Some(regrouped);
        }
    }
    // At the end: what says which group is asked for may hold other groups.
    shown.iter().for_each(|own| own.show(plan));
}

/// Whether a SELECT only numbers its rows.
fn is_numbered(select: &Select) -> bool {
    !select.numberings.is_empty() && select.group_by.is_none()
}

/// Whether of the numbered rows of a SELECT only those are asked for that have the number 1, by its one numbering.
fn asks_for_first(scopes: &Scopes<'_>, scope: &Scope<'_>) -> bool {
    let select = scope.select;
    let [numbering] = select.numberings.as_slice() else { return false };
    if !select.aggregates.is_empty() || select.distinct || select.limit.is_some() {
        return false;
    }
    let is_number = |column: usize| matches!(select.outputs.get(column).map(|output| &output.kind), Some(ExprKind::RowNumber(_)));
    let is_one = |expr: &Expr| matches!(expr.kind, ExprKind::Literal(Value::Int(1) | Value::UInt(1)));
    let asked = |conjunct: &&Expr| {
        let sides = equality(conjunct).into_iter().flatten();
        sides.into_iter().any(|side| {
            let column = bare_column(side.left).filter(|(alias, _)| Some(*alias) == scope.derived);
            column.is_some_and(|(_, column)| is_number(column)) && is_one(side.right)
        })
    };
    numbering.keeps_first || scopes.conditions_on(scope.derived).iter().any(asked)
}

/// Whether a SELECT shows the first of its rows, e.g. the latest.
fn takes_first(select: &Select) -> bool {
    let plain = select.group_by.is_none() && select.aggregates.is_empty() && select.numberings.is_empty() && !select.distinct;
    plain && select.limit.is_some_and(|limit| (1..=FIRST_ROWS_MAX).contains(&limit)) && !select.order_by.is_empty()
}

/// More first rows than that are read with all others.
const FIRST_ROWS_MAX: u64 = 100;

/// The rows of a SELECT in their order, kept like an aggregate.
fn rows_in_order(order_by: &[OrderItem], shown: &[Expr], outputs: &mut Outputs) -> KeptAggregate {
    let ordered = order_by.iter().map(|item| &item.expr);
    let direction = |item: &OrderItem| Direction { descending: item.descending, nulls_first: item.nulls_first };
    KeptAggregate {
        upkeep: Upkeep::First,
        arguments: ordered.chain(shown).map(|expr| outputs.place(expr)).collect(),
        rules: order_by.iter().map(|item| item.rule.clone()).collect(),
        directions: order_by.iter().map(direction).collect(),
    }
}

/// What the rows with the number 1 show.
fn numbered_one(select: &Select) -> Vec<Expr> {
    let mut outputs = select.outputs.clone();
    for output in &mut outputs {
        rewrite(output, &mut |node| {
            if matches!(node.kind, ExprKind::RowNumber(_)) {
                node.kind = ExprKind::Literal(Value::Int(1));
            }
        });
    }
    outputs
}

/// What tells the groups of a SELECT apart: GROUP BY, or PARTITION BY of its numbering.
fn groups_of(select: &Select) -> &[Expr] {
    match (&select.group_by, select.numberings.first()) {
        (Some(groups), _) => groups,
        (None, Some(numbering)) => &numbering.partition_by,
        (None, None) => &[],
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
    bodies: Vec<BranchPlan>,
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
    let is_numbered = is_numbered(select);
    let groups = groups_of(select);
    let mut upkeeps = Vec::new();
    for aggregate in &select.aggregates {
        upkeeps.push(Upkeep::of(aggregate).ok_or_else(|| why_whole(&aggregate.function, aggregate.distinct))?);
    }
    let asked = asked(select, plan, pool)?;
    let extras = if is_numbered || takes_first(select) { Vec::new() } else { extras(select, groups)? };
    if groups.is_empty() && !extras.is_empty() {
        return Err("it shows a column beside its aggregates");
    }
    let mut outputs = Outputs::default();
    let mut key = Vec::new();
    for (expr, kind, null_safe) in &asked.parts {
        key.push(GroupKeyPart { output: outputs.place(expr), kind: kind.clone(), null_safe: *null_safe });
    }
    for group in groups {
        let kind = own_kind(&group.data_type, scopes.catalog).ok_or("a group expression has no equality")?;
        // The spellings of a group are told apart by its own row, those of a partition by nothing else.
        let is_asked = |(expr, asked, _): &(Expr, KeyKind, bool)| same(expr, group) && (!is_numbered || *asked == kind);
        if !asked.parts.iter().any(is_asked) {
            key.push(GroupKeyPart { output: outputs.place(group), kind, null_safe: true });
        }
    }
    if !is_numbered && groups.iter().any(|group| is_written_in_many_ways(&group.data_type)) {
        return Err("equal values of a group expression can be written in different ways");
    }
    let own = if is_numbered { &[] } else { groups };
    let shown = own.iter().chain(&extras).map(|expr| outputs.place(expr)).collect();
    let mut aggregates = Vec::new();
    for (aggregate, upkeep) in select.aggregates.iter().zip(upkeeps) {
        let arguments = aggregate.arguments.iter().map(|argument| outputs.place(argument)).collect();
        aggregates.push(KeptAggregate { upkeep, arguments, rules: aggregate.rules.clone(), directions: Vec::new() });
    }
    if let Some(numbering) = select.numberings.first().filter(|_| is_numbered) {
        aggregates.push(rows_in_order(&numbering.order_by, &numbered_one(select), &mut outputs));
    } else if takes_first(select) {
        aggregates.push(rows_in_order(&select.order_by, &select.outputs, &mut outputs));
    }
    let body = Select {
        from: select.from.clone(),
        filter: all_of(asked.filter),
        outputs: outputs.exprs,
        ..Select::empty(select.span.clone())
    };
    let asked_for: Vec<Expr> = key.iter().filter_map(|part| body.outputs.get(part.output)).cloned().collect();
    let (bodies, names) = members(scopes, body, &asked_for, pool)?;
    let meaning = xxh3_128(format!("{names} {key:?} {shown:?} {aggregates:?}").as_bytes());
    let probe = if asked.anchored { GroupProbe::Anchor } else { GroupProbe::Values(asked.values) };
    Ok(Draft { bodies, key, probe, extras, shown, aggregates, meaning })
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
        let is_group = groups_of(select).iter().any(|group| same(group, side.left));
        if is_group && !asked.parts.iter().any(|(expr, ..)| same(expr, side.left)) {
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
        let group = groups_of(select).iter().find(|group| same(group, &expr));
        parts.push((group.ok_or("its groups are found by another SELECT's key")?.clone(), part.kind.clone(), true));
    }
    Ok(Some(parts))
}

impl Draft {
    /// Gives the accumulator its number, and the group's own row an alias.
    fn finish(self, select: &Select, plan: &mut BranchPlan, pool: &mut IndexPool) -> (AccumulatorUse, OwnRow) {
        let id = AccumulatorId(u32::try_from(pool.accumulators.len()).unwrap_or(u32::MAX));
        let alias = AliasId(plan.branch.aliases.len());
        let span = plan.branch.select.span.clone();
        plan.branch.aliases.push(AliasDefinition { name: "group".to_owned(), table: None, span });
        pool.accumulators.push(AccumulatorPlan {
            bodies: self.bodies,
            key: self.key,
            shown: self.shown,
            aggregates: self.aggregates,
            meaning: self.meaning,
        });
        let groups = select.group_by.iter().flatten().cloned();
        let own = OwnRow { first: first_alias(select), alias, columns: groups.chain(self.extras.iter().cloned()).collect() };
        (AccumulatorUse { id, probe: self.probe, alias, extras: self.extras }, own)
    }
}

/// The row that stands for a group that is kept up.
struct OwnRow {
    /// The first relation of the grouped SELECT.
    first: AliasId,
    alias: AliasId,
    columns: Vec<Expr>,
}

impl OwnRow {
    /// Lets outputs and HAVING of the grouped SELECT read it, wherever the plan holds that SELECT.
    fn show(&self, plan: &mut BranchPlan) {
        let columns: Vec<&Expr> = self.columns.iter().collect();
        let mut change = |select: &mut Select| {
            for expr in shown_exprs_mut(select) {
                show(expr, self.alias, &columns);
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
