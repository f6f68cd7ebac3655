//! How each SELECT reads its relations: an order of FROM in which every relation is found through an index from what is already bound.
//!
//! The order is free because conditions of WHERE and of inner joins are asked of whole combinations, each as early as it is
//! decidable; a LEFT relation only has to stand behind everything its ON refers to. Equalities on an output of a derived table are
//! pushed into it. A relation that no equality binds would be read whole for every derived row: refused.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::expr::{
    bare_column, children, conjuncts, equality, free_aliases, free_aliases_of, is_constant, is_plain, relations_of, select_exprs,
    subquery,
};
use crate::plan::indexes::{IndexPool, Indexed, Probe, Term, choose, choose_whole};
use crate::plan::input::PlanFinding;
use crate::plan::scopes::{Scopes, pool_of, pushable};
use crate::plan::{AccessPath, AccessStep, SelectAccess};
use crate::sql::query::{AliasId, Expr, ExprKind, FromItem, JoinKind, Relation, Select};

/// Plans the access of all SELECTs of a branch whose anchor aliases are bound beforehand.
///
/// # Errors
/// One finding per relation that nothing binds.
pub(crate) fn plan_access(
    scopes: &Scopes<'_>,
    pool: &mut IndexPool,
    anchors: &BTreeSet<AliasId>,
    reach: Reach,
) -> Result<BTreeMap<AliasId, SelectAccess>, Vec<PlanFinding>> {
    let mut planner = Planner { scopes, pool, anchors, reach, access: BTreeMap::new(), findings: Vec::new() };
    planner.select(&scopes.branch.select, &BTreeSet::new(), &[]);
    if planner.findings.is_empty() { Ok(planner.access) } else { Err(planner.findings) }
}

/// Whether relations that no equality binds or traces may be read whole, where they are small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Equalities alone.
    Equalities,
    /// Small tables too.
    SmallTables,
}

/// A table of at most so many rows may be read whole once per epoch, for something that is the same for every derived row.
pub(crate) const ONCE_ROWS_MAX: u64 = 100_000;
/// A table of at most so many rows may be read whole for every derived row.
pub(crate) const EACH_ROWS_MAX: u64 = 1_000;

struct Planner<'a, 'b> {
    scopes: &'a Scopes<'b>,
    pool: &'a mut IndexPool,
    anchors: &'a BTreeSet<AliasId>,
    reach: Reach,
    access: BTreeMap<AliasId, SelectAccess>,
    findings: Vec<PlanFinding>,
}

/// A way to read one relation, better ones first.
struct Candidate {
    rank: u8,
    item: usize,
    how: How,
}

enum How {
    Bound,
    Probe(Probe),
    /// Per SELECT of the derived table, the equalities asked of its rows.
    Derived(Vec<Vec<Expr>>),
}

impl Planner<'_, '_> {
    fn select(&mut self, select: &Select, outer: &BTreeSet<AliasId>, pushed: &[Expr]) {
        let conditions: Vec<&Expr> = pool_of(select).into_iter().chain(pushed).collect();
        let own: BTreeSet<AliasId> = select.from.iter().map(|item| item.alias).collect();
        let mut bound = outer.clone();
        let mut waiting: Vec<&Expr> = conditions.clone();
        let guards = take_decidable(&mut waiting, &bound);
        let mut steps = Vec::new();
        let mut left: Vec<usize> = (0..select.from.len()).collect();
        while !left.is_empty() {
            let Some(candidate) =
                self.best(select, &left, &conditions, &bound).or_else(|| self.whole(select, &left, &conditions, &bound))
            else {
                self.unbound(select, &left);
                return;
            };
            left.retain(|item| *item != candidate.item);
            let Some(item) = select.from.get(candidate.item) else { return };
            let path = self.path(item, candidate.how, &bound);
            bound.insert(item.alias);
            let matches = match item.join {
                JoinKind::Left => item.on.iter().flat_map(conjuncts).cloned().collect(),
                JoinKind::Inner => vec![],
            };
            steps.push(AccessStep { item: candidate.item, path, matches, filters: take_decidable(&mut waiting, &bound) });
        }
        if let Some(first) = select.from.first() {
            let standalone = !outer.is_empty() && free_aliases_of(select).is_empty();
            let own = SelectAccess { steps, guards, standalone, pushed: pushed.to_vec(), ..SelectAccess::default() };
            self.access.insert(first.alias, own);
        }
        bound.extend(own);
        for expr in select_exprs(select) {
            self.subqueries(expr, &bound);
        }
    }

    fn subqueries(&mut self, expr: &Expr, bound: &BTreeSet<AliasId>) {
        if let Some(select) = subquery(expr) {
            self.select(select, bound, &[]);
        }
        for child in children(expr) {
            self.subqueries(child, bound);
        }
    }

    fn path(&mut self, item: &FromItem, how: How, bound: &BTreeSet<AliasId>) -> AccessPath {
        match (how, &item.relation) {
            (How::Probe(probe), _) => {
                let (index, values) = self.pool.keep(probe);
                AccessPath::Probe { index, values }
            }
            (How::Derived(pushed), Relation::Derived(arms)) => {
                for (arm, pushed) in arms.iter().zip(pushed) {
                    self.select(arm, bound, &pushed);
                }
                AccessPath::Derived
            }
            (How::Bound | How::Derived(_), _) => AccessPath::Bound,
        }
    }

    fn best(&mut self, select: &Select, left: &[usize], conditions: &[&Expr], bound: &BTreeSet<AliasId>) -> Option<Candidate> {
        let mut best: Option<Candidate> = None;
        for index in left {
            let Some(item) = select.from.get(*index) else { continue };
            let candidate = self.candidate(*index, item, conditions, bound);
            if let Some(candidate) = candidate.filter(|new| best.as_ref().is_none_or(|old| new.rank < old.rank)) {
                best = Some(candidate);
            }
        }
        best
    }

    fn candidate(&mut self, index: usize, item: &FromItem, conditions: &[&Expr], bound: &BTreeSet<AliasId>) -> Option<Candidate> {
        if self.anchors.contains(&item.alias) {
            return Some(Candidate { rank: 0, item: index, how: How::Bound });
        }
        let own: Vec<&Expr> = item.on.iter().flat_map(conjuncts).collect();
        let usable = match item.join {
            JoinKind::Left => {
                let ready = own
                    .iter()
                    .all(|conjunct| free_aliases(conjunct).iter().all(|alias| *alias == item.alias || bound.contains(alias)));
                if !ready {
                    return None;
                }
                own
            }
            JoinKind::Inner => conditions.to_vec(),
        };
        match &item.relation {
            Relation::Table(table) => {
                let indexed = Indexed::of(self.scopes.catalog, *table)?;
                let probe = choose(&indexed, &terms(item.alias, &usable, bound))?;
                Some(Candidate { rank: if probe.unique { 1 } else { 3 }, item: index, how: How::Probe(probe) })
            }
            Relation::Derived(arms) => {
                let pushed: Vec<Vec<Expr>> = arms.iter().map(|arm| self.pushed(item.alias, arm, &usable, bound)).collect();
                let outside: BTreeSet<AliasId> = arms.iter().flat_map(free_aliases_of).collect();
                if !outside.is_subset(bound) {
                    return None;
                }
                let holds_anchor = arms.iter().any(|arm| !relations_of(arm).is_disjoint(self.anchors));
                let rank = match (holds_anchor, pushed.iter().all(|pushed| !pushed.is_empty()), outside.is_empty()) {
                    (true, ..) => 0,
                    (false, true, _) => 4,
                    (false, false, false) => 5,
                    // Its own conditions may bind its relations; if not, they say so.
                    (false, false, true) => 9,
                };
                Some(Candidate { rank, item: index, how: How::Derived(pushed) })
            }
        }
    }

    /// A small table that is read whole because nothing binds it.
    fn whole(&self, select: &Select, left: &[usize], conditions: &[&Expr], bound: &BTreeSet<AliasId>) -> Option<Candidate> {
        if self.reach == Reach::Equalities {
            return None;
        }
        left.iter().find_map(|index| {
            let item = select.from.get(*index)?;
            let Relation::Table(table) = item.relation else { return None };
            let own: Vec<&Expr> = item.on.iter().flat_map(conjuncts).collect();
            let usable = if item.join == JoinKind::Left { own } else { conditions.to_vec() };
            let in_reach = |alias: &AliasId| *alias == item.alias || bound.contains(alias);
            let ready = item.join == JoinKind::Inner || usable.iter().all(|one| free_aliases(one).iter().all(in_reach));
            let asked = |one: &&&Expr| free_aliases(one).contains(&item.alias) && free_aliases(one).len() > 1;
            let once = usable.iter().filter(asked).count() == 0 && free_aliases_of(select).is_empty();
            let indexed = Indexed::of(self.scopes.catalog, table)?;
            let rows_max = if once { ONCE_ROWS_MAX } else { EACH_ROWS_MAX };
            let small = indexed.schema.row_estimate <= rows_max;
            let probe = choose_whole(&indexed, &terms(item.alias, &usable, bound));
            (ready && small).then_some(Candidate { rank: u8::MAX, item: *index, how: How::Probe(probe) })
        })
    }

    /// The equalities on a derived table's outputs, asked of the rows behind them.
    fn pushed(&self, alias: AliasId, inner: &Select, usable: &[&Expr], bound: &BTreeSet<AliasId>) -> Vec<Expr> {
        let mut pushed = Vec::new();
        for conjunct in usable {
            let ExprKind::Compare { operator, rule, .. } = &conjunct.kind else { continue };
            for direction in equality(conjunct).into_iter().flatten() {
                let Some((of, column)) = bare_column(direction.left) else { continue };
                if of != alias || !free_aliases(direction.right).is_subset(bound) {
                    continue;
                }
                let Some(output) = pushable(inner, column, rule, self.scopes.catalog) else { continue };
                let (left, right) = (Box::new(output.clone()), Box::new(direction.right.clone()));
                let kind = ExprKind::Compare { operator: *operator, rule: rule.clone(), left, right };
                pushed.push(Expr { kind, ..(*conjunct).clone() });
            }
        }
        pushed
    }

    fn unbound(&mut self, select: &Select, left: &[usize]) {
        let items = left.iter().filter_map(|index| select.from.get(*index));
        for item in items {
            let Some(definition) = self.scopes.branch.aliases.get(item.alias.0) else { continue };
            self.findings.push(PlanFinding::at(
                &definition.span,
                format!("no equality binds {}: it would be a full scan for each derived row", definition.name),
                format!("join it with = on its columns, one side of each = over one table only; a condition inside OR, a range or a constant alone binds small tables only: at most {ONCE_ROWS_MAX} rows where it is the same for every row, {EACH_ROWS_MAX} where it is not"),
            ));
            return;
        }
    }
}

/// The equalities that pin expressions over `alias` to values over bound aliases and constants.
pub(crate) fn terms(alias: AliasId, conditions: &[&Expr], bound: &BTreeSet<AliasId>) -> Vec<Term> {
    let only = BTreeSet::from([alias]);
    let directions = conditions.iter().filter_map(|conjunct| equality(conjunct)).flatten();
    directions
        .filter(|direction| is_plain(direction.left) && free_aliases(direction.left) == only)
        .filter(|direction| !free_aliases(direction.right).contains(&alias) && free_aliases(direction.right).is_subset(bound))
        .map(|direction| Term {
            expr: direction.left.clone(),
            value: direction.right.clone(),
            rule: direction.rule.clone(),
            null_safe: direction.null_safe,
            constant: is_constant(direction.right),
        })
        .collect()
}

/// Takes the conditions whose aliases are all bound.
fn take_decidable(waiting: &mut Vec<&Expr>, bound: &BTreeSet<AliasId>) -> Vec<Expr> {
    let (ready, later): (Vec<&Expr>, Vec<&Expr>) = waiting.iter().partition(|condition| free_aliases(condition).is_subset(bound));
    *waiting = later;
    ready.into_iter().cloned().collect()
}
