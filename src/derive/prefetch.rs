//! Prefetch: what the anchors of a slice are going to ask for, read relation by relation in the order of the keys.
//!
//! Nothing is decided here: a derivation still reads all that it needs, and finds it remembered. So it is enough to come near: a condition
//! that cannot be judged yet counts as true, a key that cannot be computed is left to the derivation, and so is what would take too much
//! memory at once.

use std::borrow::Cow;
use std::sync::Arc;

use crate::derive::accumulated::prefix;
use crate::derive::rows::{Binding, Environment, Execution, Frame};
use crate::derive::stored::{Stored, probe_key};
use crate::derive::view::Reader;
use crate::error::Result;
use crate::plan::expr::{children, has_subquery, select_exprs, subquery};
use crate::plan::{AccessPath, AccessStep, AccumulatorUse, BranchPlan, Regrouped, SelectAccess};
use crate::sql::evaluate::is_true;
use crate::sql::query::{Expr, FromItem, JoinKind, Relation, Select};
use crate::sql::total::Upkeep;

/// Fewer anchors are read as they come.
const ANCHORS_MIN: usize = 4;
/// Combinations of rows that are held at once; what goes beyond is left to the derivation.
const COMBINATIONS_MAX: usize = 16_384;

/// Reads what the derivation of sorted anchors will ask for.
///
/// # Errors
/// The store failed or is damaged.
pub(crate) fn prefetch(reader: &Reader<'_>, branch: &BranchPlan, anchors: &[Vec<u8>]) -> Result<()> {
    if anchors.len() < ANCHORS_MIN {
        return Ok(());
    }
    let unbound = vec![Binding::Unbound; branch.branch.aliases.len()];
    let start = anchors.iter().map(|anchor| Combination { anchor, environment: unbound.clone() }).collect();
    Prefetch { reader, branch }.select(&branch.branch.select, Cow::Owned(start))
}

/// Rows that stand together so far.
#[derive(Clone)]
struct Combination<'a> {
    anchor: &'a [u8],
    environment: Environment,
}

struct Prefetch<'a> {
    reader: &'a Reader<'a>,
    branch: &'a BranchPlan,
}

/// The rows of a relation that belong to a combination; `None` if that cannot be told here.
type Found = Option<Arc<[Arc<Stored>]>>;

impl Prefetch<'_> {
    fn select<'c>(&self, select: &Select, mut combinations: Cow<'_, [Combination<'c>]>) -> Result<()> {
        let Some(access) = self.access(select) else { return Ok(()) };
        if let Some(Regrouped::KeptUp(used)) = &access.regrouped
            && self.reader.reads_accumulator(used.id)?
        {
            return if select.group_by.is_some() { self.groups(used, &combinations) } else { Ok(()) };
        }
        let mut inner = subqueries(select);
        // One that refers to nothing outside of it is asked once, and its answer is kept.
        inner.retain(|inner| self.access(inner).is_some_and(|access| !access.standalone));
        for (place, step) in access.steps.iter().enumerate() {
            let Some(item) = select.from.get(step.item) else { return Ok(()) };
            let is_last = place + 1 == access.steps.len() && inner.is_empty();
            let Some(found) = self.found(item, step, &combinations)? else { continue };
            if is_last || found.iter().flatten().map(|rows| rows.len().max(1)).sum::<usize>() > COMBINATIONS_MAX {
                return Ok(());
            }
            combinations = Cow::Owned(self.extended(item, step, combinations.into_owned(), found));
        }
        inner.into_iter().try_for_each(|inner| self.select(inner, Cow::Borrowed(&*combinations)))
    }

    fn access(&self, select: &Select) -> Option<&SelectAccess> {
        self.branch.access.get(&select.from.first()?.alias)
    }

    /// Per combination, the rows of a relation; `None` for a relation that is no stored table.
    fn found(&self, item: &FromItem, step: &AccessStep, combinations: &[Combination<'_>]) -> Result<Option<Vec<Found>>> {
        match (&step.path, &item.relation) {
            (AccessPath::Bound, _) => self.given(item, combinations).map(Some),
            (AccessPath::Probe { index, values }, _) => {
                let plan = self.reader.index(*index)?;
                let key_of = |combination: &Combination<'_>| {
                    let execution = self.execution(combination);
                    probe_key(plan, values, &Frame::over(&execution, &combination.environment)).ok()
                };
                let keys: Vec<Option<Option<Vec<u8>>>> = combinations.iter().map(key_of).collect();
                self.reader.prefetch(*index, keys.iter().flatten().flatten().cloned().collect())?;
                let rows = |key: Option<Option<Vec<u8>>>| match key {
                    None => Ok(None),
                    Some(None) => Ok(Some(Arc::default())),
                    Some(Some(key)) => self.reader.probe(*index, key).map(Some),
                };
                keys.into_iter().map(rows).collect::<Result<_>>().map(Some)
            }
            (AccessPath::Derived, Relation::Derived(arms)) => {
                arms.iter().try_for_each(|arm| self.select(arm, Cow::Borrowed(combinations)))?;
                Ok(None)
            }
            (AccessPath::Derived, Relation::Table(_)) => Ok(None),
        }
    }

    /// The rows of the anchors themselves.
    fn given(&self, item: &FromItem, combinations: &[Combination<'_>]) -> Result<Vec<Found>> {
        let member = self.branch.anchor.members().find(|(alias, _)| *alias == item.alias);
        let anchors = || combinations.iter().map(|combination| combination.anchor.to_vec());
        match (member, &item.relation) {
            (Some((_, Some(index))), _) => {
                self.reader.prefetch(index, anchors().collect())?;
                anchors().map(|anchor| self.reader.probe(index, anchor).map(Some)).collect()
            }
            (Some((_, None)), Relation::Table(table)) => {
                self.reader.rows(*table, &anchors().collect::<Vec<_>>())?;
                let row = |anchor| Ok(Some(self.reader.row(*table, anchor)?.into_iter().collect()));
                combinations.iter().map(|combination| row(combination.anchor)).collect()
            }
            _ => Ok(combinations.iter().map(|_| None).collect()),
        }
    }

    fn extended<'c>(
        &self,
        item: &FromItem,
        step: &AccessStep,
        combinations: Vec<Combination<'c>>,
        found: Vec<Found>,
    ) -> Vec<Combination<'c>> {
        let mut extended = Vec::with_capacity(combinations.len());
        for (combination, found) in combinations.into_iter().zip(found) {
            let Some(rows) = found else {
                extended.push(combination);
                continue;
            };
            let bound = |mut combination: Combination<'c>, binding: Binding| {
                if let Some(slot) = combination.environment.get_mut(item.alias.0) {
                    *slot = binding;
                }
                combination
            };
            // The last row takes the combination itself; what binds nothing gives it back.
            let (mut rest, mut matched, mut spare) = (rows.iter(), false, Some(combination));
            while let Some(row) = rest.next() {
                let own = if rest.len() == 0 { spare.take() } else { spare.clone() };
                let Some(next) = own.map(|own| bound(own, Binding::Stored(Arc::clone(row)))) else { break };
                if !self.may_pass(&step.matches, &next) {
                    spare = spare.or(Some(next));
                    continue;
                }
                matched = true;
                if self.may_pass(&step.filters, &next) {
                    extended.push(next);
                }
            }
            if let Some(own) = spare.filter(|_| !matched && item.join == JoinKind::Left) {
                let next = bound(own, Binding::Null);
                if self.may_pass(&step.filters, &next) {
                    extended.push(next);
                }
            }
        }
        extended
    }

    /// The groups that combinations ask for.
    fn groups(&self, used: &AccumulatorUse, combinations: &[Combination<'_>]) -> Result<()> {
        let accumulator = crate::derive::accumulate::by_id(self.reader.view.plan, used.id)?;
        let asked = |combination: &Combination<'_>| {
            prefix(&self.execution(combination), accumulator, used, &combination.environment).ok().flatten()
        };
        let is_list = |upkeep: &Upkeep| matches!(upkeep, Upkeep::Extreme { .. });
        let aggregates = accumulator.aggregates.iter().enumerate();
        let lists: Vec<usize> = aggregates.filter(|(_, kept)| is_list(&kept.upkeep)).map(|(place, _)| place).collect();
        self.reader.prefetch_groups(used.id, combinations.iter().filter_map(asked).collect(), &lists)
    }

    fn execution<'e>(&'e self, combination: &Combination<'e>) -> Execution<'e> {
        Execution { reader: self.reader, branch: self.branch, anchor: combination.anchor }
    }

    /// Whether conditions are not known to be false. Those with subqueries are not asked: their answers are what is prefetched.
    fn may_pass(&self, conditions: &[Expr], combination: &Combination<'_>) -> bool {
        let execution = self.execution(combination);
        let frame = Frame::over(&execution, &combination.environment);
        conditions.iter().all(|condition| has_subquery(condition) || is_true(condition, &frame).unwrap_or(true))
    }
}

/// The outermost subqueries in the expressions of a SELECT.
fn subqueries(select: &Select) -> Vec<&Select> {
    let mut found = Vec::new();
    let mut open = select_exprs(select);
    while let Some(expr) = open.pop() {
        found.extend(subquery(expr));
        open.extend(children(expr));
    }
    found
}
