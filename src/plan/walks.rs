//! How a changed row of any alias finds the anchors it affects: the shortest way over the equality graph.
//!
//! The nodes are aliases of stored tables at any depth, the edges the equalities of [`Scopes::edges`]. Shortest ways to one goal
//! form a tree, so that the way from any alias on a walk is the rest of that walk: this is what the proof in `derive` stands on.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::dijkstra;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::plan::expr::{equality, is_constant, visit_select_columns};
use crate::plan::indexes::{IndexPool, Indexed, Probe, Term, choose};
use crate::plan::input::PlanFinding;
use crate::plan::scopes::{Edge, Scopes};
use crate::plan::{Hop, Walk};
use crate::sql::query::AliasId;

/// A hop costs much more than an index, but between two ways of equal length the one that needs no further index wins.
const HOP: u32 = 10;
const INDEX: u32 = 3;

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

/// The walks of all stored aliases of a branch to its anchor alias.
///
/// # Errors
/// One finding per alias from which no equality leads to the anchor.
pub(crate) fn plan_walks(
    scopes: &Scopes<'_>,
    pool: &mut IndexPool,
    anchor: AliasId,
) -> Result<BTreeMap<AliasId, Walk>, Vec<PlanFinding>> {
    let links = links(scopes);
    let distances = distances(scopes, &links, anchor);
    let mut next: BTreeMap<AliasId, Hop> = BTreeMap::new();
    for (alias, link) in nearest(links, &distances) {
        let (index, probe) = pool.keep(link.probe);
        next.insert(alias, Hop { from: alias, probe, index, to: link.to });
    }
    let columns = columns_read(scopes);
    let mut walks = BTreeMap::new();
    let mut findings = Vec::new();
    for (alias, _) in scopes.base_aliases() {
        let Some(hops) = way(alias, anchor, &next) else {
            findings.push(unreachable(scopes, alias, anchor));
            continue;
        };
        let local = scopes.local_conjuncts(alias).into_iter().cloned().collect();
        let columns = columns.get(&alias).map(|columns| columns.iter().copied().collect()).unwrap_or_default();
        walks.insert(alias, Walk { local, columns, hops });
    }
    if findings.is_empty() { Ok(walks) } else { Err(findings) }
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

/// The cost of the cheapest way from every alias to the anchor.
fn distances(scopes: &Scopes<'_>, links: &[Link], anchor: AliasId) -> BTreeMap<AliasId, u32> {
    let mut graph: DiGraph<AliasId, u32> = DiGraph::new();
    let nodes: Vec<NodeIndex> = (0..scopes.branch.aliases.len()).map(|alias| graph.add_node(AliasId(alias))).collect();
    for link in links {
        // Against the direction of the walk: the search starts at the goal.
        if let (Some(from), Some(to)) = (nodes.get(link.from.0), nodes.get(link.to.0)) {
            graph.add_edge(*to, *from, link.cost());
        }
    }
    let Some(goal) = nodes.get(anchor.0) else { return BTreeMap::new() };
    let costs = dijkstra(&graph, *goal, None, |edge| *edge.weight());
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

fn way(start: AliasId, anchor: AliasId, next: &BTreeMap<AliasId, Hop>) -> Option<Vec<Hop>> {
    let mut hops = Vec::new();
    let mut at = start;
    while at != anchor {
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

fn unreachable(scopes: &Scopes<'_>, alias: AliasId, anchor: AliasId) -> PlanFinding {
    let span = scopes.branch.aliases.get(alias.0).map(|definition| definition.span.clone()).unwrap_or_default();
    let (name, anchor) = (scopes.name(alias), scopes.name(anchor));
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
            "give {side} an = between {name} and a table that leads to {anchor}; an uncorrelated subquery would touch every row on each change"
        ),
    )
}
