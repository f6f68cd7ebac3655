//! How a changed row of any alias finds the anchors it affects: the shortest way over the equality graph.
//!
//! The nodes are aliases of stored tables at any depth, the edges the equalities of [`Scopes::edges`]. Shortest ways to one place
//! form a tree, so that the way from any alias on a walk is the rest of that walk: this is what the proof in `derive` stands on.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::dijkstra;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::plan::access::{ONCE_ROWS_MAX, Reach};
use crate::plan::expr::{
    aliases_of, children, equality, free_aliases_of, is_constant, same, select_exprs, subquery, visit_select_columns,
};
use crate::plan::indexes::{IndexPool, Indexed, Probe, Term, choose};
use crate::plan::input::PlanFinding;
use crate::plan::scopes::{Edge, Scopes};
use crate::plan::{Hop, Walk, Whole};
use crate::sql::query::{AliasId, Expr, Relation, Select};

/// A hop costs much more than an index, but between two ways of equal length the one that needs no further index wins.
const HOP: u32 = 10;
const INDEX: u32 = 3;

/// A changed row may contribute through at most so many combinations of SELECTs of derived tables.
const CHOICES_MAX: usize = 64;

/// All equalities that lead from one alias to another, with the probe they make.
struct Link {
    from: AliasId,
    to: AliasId,
    probe: Probe,
}

impl Link {
    fn cost(&self) -> u32 {
        if self.probe.costs_space() { HOP + INDEX } else { HOP }
    }
}

/// The walks of all stored aliases of a branch to its anchors. Where a derived table has several SELECTs, a row of the target comes from one
/// of them, so a walk must not lead through two: there is one for each choice.
///
/// # Errors
/// One finding per alias from which no equality leads to an anchor.
pub(crate) fn plan_walks(
    scopes: &Scopes<'_>,
    pool: &mut IndexPool,
    anchors: &BTreeSet<AliasId>,
    reach: Reach,
) -> Result<Vec<(AliasId, Walk)>, Vec<PlanFinding>> {
    let columns = columns_read(scopes);
    let mut walks: Vec<(AliasId, Walk)> = Vec::new();
    let mut findings = Vec::new();
    for choice in choices(scopes)? {
        let links = links(scopes).into_iter().filter(|link| choice.contains(&link.from) && choice.contains(&link.to)).collect();
        let goals: BTreeSet<AliasId> = anchors.intersection(&choice).copied().collect();
        let next = next_hops(scopes, pool, links, &goals);
        for (alias, _) in scopes.base_aliases().filter(|(alias, _)| choice.contains(alias)) {
            let hops = way(alias, &goals, &next);
            if hops.is_none() && !(reach == Reach::SmallTables && is_small(scopes, alias)) {
                findings.push(unreachable(scopes, alias, anchors));
                continue;
            }
            let whole = if hops.is_none() { Some(whole_of(&scopes.branch.select, alias)) } else { None };
            let hops = hops.unwrap_or_default();
            let known = walks.iter().any(|(other, walk)| *other == alias && same_way(&walk.hops, &hops));
            if !known {
                let local = scopes.local_conjuncts(alias).into_iter().cloned().collect();
                let columns = columns.get(&alias).map(|columns| columns.iter().copied().collect()).unwrap_or_default();
                walks.push((alias, Walk { local, columns, hops, whole }));
            }
        }
    }
    walks.sort_by_key(|(alias, _)| *alias);
    findings.dedup();
    if findings.is_empty() { Ok(walks) } else { Err(findings) }
}

/// The sets of aliases that a row can come from: for each derived table, one of its SELECTs.
fn choices(scopes: &Scopes<'_>) -> Result<Vec<BTreeSet<AliasId>>, Vec<PlanFinding>> {
    let all: BTreeSet<AliasId> = scopes.base_aliases().map(|(alias, _)| alias).collect();
    let mut choices = vec![all];
    for (index, definition) in scopes.branch.aliases.iter().enumerate() {
        let arms = scopes.derived(AliasId(index));
        if arms.len() < 2 {
            continue;
        }
        let of_arm: Vec<BTreeSet<AliasId>> = arms.iter().map(aliases_of).collect();
        let without = |choice: &BTreeSet<AliasId>, kept: usize| -> BTreeSet<AliasId> {
            let out = |alias: &AliasId| of_arm.iter().enumerate().any(|(arm, aliases)| arm != kept && aliases.contains(alias));
            choice.iter().filter(|alias| !out(alias)).copied().collect()
        };
        choices = choices.iter().flat_map(|choice| (0..of_arm.len()).map(|kept| without(choice, kept))).collect();
        choices.sort();
        choices.dedup();
        if choices.len() > CHOICES_MAX {
            return Err(vec![PlanFinding::at(
                &definition.span,
                "too many UNIONs stand beside each other: a changed row could contribute in too many ways",
                "write fewer parts, or put UNION ALL between whole SELECTs",
            )]);
        }
    }
    Ok(choices)
}

fn is_small(scopes: &Scopes<'_>, alias: AliasId) -> bool {
    let indexed = scopes.table(alias).and_then(|table| Indexed::of(scopes.catalog, table));
    indexed.is_some_and(|indexed| indexed.schema.row_estimate <= ONCE_ROWS_MAX)
}

/// What decides whether a change of an alias affects every row: the answer of the outermost subquery around it that stands alone.
fn whole_of(select: &Select, alias: AliasId) -> Whole {
    let in_exprs = select_exprs(select).into_iter().find_map(|expr| answer_with(expr, alias));
    let in_derived = || {
        let arms = select.from.iter().filter_map(|item| match &item.relation {
            Relation::Derived(arms) => Some(arms),
            Relation::Table(_) => None,
        });
        arms.flatten().find(|arm| aliases_of(arm).contains(&alias)).map(|arm| whole_of(arm, alias))
    };
    in_exprs.or_else(in_derived).unwrap_or(Whole::Row)
}

fn answer_with(expr: &Expr, alias: AliasId) -> Option<Whole> {
    if let Some(select) = subquery(expr).filter(|select| aliases_of(select).contains(&alias)) {
        return Some(match free_aliases_of(select).is_empty() {
            true => Whole::Answer(expr.clone()),
            false => whole_of(select, alias),
        });
    }
    children(expr).into_iter().find_map(|child| answer_with(child, alias))
}

fn next_hops(scopes: &Scopes<'_>, pool: &mut IndexPool, links: Vec<Link>, goals: &BTreeSet<AliasId>) -> BTreeMap<AliasId, Hop> {
    let distances = distances(scopes, &links, goals);
    let mut next: BTreeMap<AliasId, Hop> = BTreeMap::new();
    for (alias, link) in nearest(links, &distances) {
        let (index, probe) = pool.keep(link.probe);
        next.insert(alias, Hop { from: alias, probe, index, to: link.to });
    }
    next
}

fn same_way(left: &[Hop], right: &[Hop]) -> bool {
    let same_hop = |left: &Hop, right: &Hop| {
        left.from == right.from
            && left.to == right.to
            && left.index == right.index
            && left.probe.iter().zip(&right.probe).all(|(left, right)| same(left, right))
    };
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same_hop(left, right))
}

fn links(scopes: &Scopes<'_>) -> Vec<Link> {
    let mut edges: BTreeMap<(AliasId, AliasId), Vec<Edge>> = BTreeMap::new();
    for edge in scopes.edges() {
        edges.entry((edge.from.alias, edge.to.alias)).or_default().push(edge);
    }
    let mut links = Vec::new();
    for ((from, to), edges) in edges {
        let Some(indexed) = scopes.table(to).and_then(|table| Indexed::of(scopes.catalog, table)) else { continue };
        let mut terms: Vec<Term> = edges.into_iter().map(term).collect();
        terms.extend(constants(scopes, to));
        if let Some(probe) = choose(&indexed, &terms) {
            links.push(Link { from, to, probe });
        }
    }
    links
}

fn term(edge: Edge) -> Term {
    Term { expr: edge.to.expr, value: edge.from.expr, rule: edge.rule, null_safe: edge.null_safe, constant: false }
}

/// The constants that every contributing row of `alias` has. Of a LEFT alias only its ON says so, and that is what
/// [`Scopes::local_conjuncts`] gives.
fn constants(scopes: &Scopes<'_>, alias: AliasId) -> Vec<Term> {
    let directions = scopes.local_conjuncts(alias).into_iter().filter_map(equality).flatten();
    directions
        .filter(|direction| is_constant(direction.right) && !is_constant(direction.left))
        .map(|direction| Term {
            expr: direction.left.clone(),
            value: direction.right.clone(),
            rule: direction.rule.clone(),
            null_safe: direction.null_safe,
            constant: true,
        })
        .collect()
}

/// The cost of the cheapest way from every alias to a goal.
fn distances(scopes: &Scopes<'_>, links: &[Link], goals: &BTreeSet<AliasId>) -> BTreeMap<AliasId, u32> {
    let mut graph: DiGraph<AliasId, u32> = DiGraph::new();
    let nodes: Vec<NodeIndex> = (0..scopes.branch.aliases.len()).map(|alias| graph.add_node(AliasId(alias))).collect();
    for link in links {
        // Against the direction of the walk: the search starts at the goal.
        if let (Some(from), Some(to)) = (nodes.get(link.from.0), nodes.get(link.to.0)) {
            graph.add_edge(*to, *from, link.cost());
        }
    }
    // All goals lie at the same place.
    let place = graph.add_node(AliasId(usize::MAX));
    for goal in goals.iter().filter_map(|goal| nodes.get(goal.0)) {
        graph.add_edge(place, *goal, 0);
    }
    let costs = dijkstra(&graph, place, None, |edge| *edge.weight());
    costs.into_iter().filter_map(|(node, cost)| Some((*graph.node_weight(node)?, cost))).collect()
}

/// For every alias the first link of its cheapest way; of several the one to the smallest alias.
fn nearest(links: Vec<Link>, distances: &BTreeMap<AliasId, u32>) -> BTreeMap<AliasId, Link> {
    let mut nearest: BTreeMap<AliasId, Link> = BTreeMap::new();
    for link in links {
        let (Some(from), Some(to)) = (distances.get(&link.from), distances.get(&link.to)) else { continue };
        if *from == to + link.cost() {
            nearest.entry(link.from).or_insert(link);
        }
    }
    nearest
}

fn way(start: AliasId, goals: &BTreeSet<AliasId>, next: &BTreeMap<AliasId, Hop>) -> Option<Vec<Hop>> {
    let mut hops = Vec::new();
    let mut at = start;
    while !goals.contains(&at) {
        let hop = next.get(&at)?;
        at = hop.to;
        hops.push(hop.clone());
    }
    Some(hops)
}

fn columns_read(scopes: &Scopes<'_>) -> BTreeMap<AliasId, BTreeSet<usize>> {
    let mut columns: BTreeMap<AliasId, BTreeSet<usize>> = BTreeMap::new();
    visit_select_columns(&scopes.branch.select, &mut |alias, column| {
        columns.entry(alias).or_default().insert(column);
    });
    columns
}

fn unreachable(scopes: &Scopes<'_>, alias: AliasId, anchors: &BTreeSet<AliasId>) -> PlanFinding {
    let span = scopes.branch.aliases.get(alias.0).map(|definition| definition.span.clone()).unwrap_or_default();
    let (name, anchor) = (scopes.name(alias), anchors.first().map_or("?", |anchor| scopes.name(*anchor)));
    let side = match scopes.is_left(alias) {
        true => "its ON",
        false => "a join condition or WHERE",
    };
    PlanFinding::at(
        &span,
        format!(
            "a change in {name} cannot be traced to the rows of {anchor} that it affects: no equality leads from {name} to {anchor}"
        ),
        format!(
            "give {side} an = between {name} and a table that leads to {anchor}; a change of a table of more than {ONCE_ROWS_MAX} rows must not touch every row"
        ),
    )
}
