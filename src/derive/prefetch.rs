//! Prefetch: what the anchors of a slice are going to ask for, read relation by relation in the order of the keys.
//!
//! A derivation still reads all that it needs, and finds it remembered. So it is enough to come near: a condition that cannot be judged yet
//! counts as true, a key that cannot be computed is left to the derivation, and so is what would take too much memory at once. Where nothing
//! was left, the rows that stand together in the outermost SELECT are known, and the derivation goes on from there.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

use crate::derive::accumulated::prefix;
use crate::derive::keys::Keys;
use crate::derive::reader::Reader;
use crate::derive::rows::{Binding, Environment, Execution, Frame};
use crate::derive::stored::{Stored, identified_by, probe_key, push_probe_key};
use crate::error::Result;
use crate::plan::expr::{children, has_subquery, select_exprs, subquery};
use crate::plan::{AccessPath, AccessStep, AccumulatorUse, BranchPlan, IndexPlan, Regrouped, SelectAccess};
use crate::schema::TableId;
use crate::sql::evaluate::is_true;
use crate::sql::query::{Expr, FromItem, JoinKind, Relation, Select};
use crate::sql::total::Upkeep;
use crate::value::Row;

/// Fewer anchors are read as they come.
const ANCHORS_MIN: usize = 4;
/// Combinations of rows that are held at once; what goes beyond is left to the derivation.
const COMBINATIONS_MAX: usize = 16_384;

/// Equal rows of a bag beyond this are left to the derivation.
const TIMES_MAX: u64 = 64;

/// Per anchor, the combinations of rows that FROM and WHERE of the outermost SELECT let through, in their order; `None`: only the derivation
/// can tell them.
pub(crate) type Known = Vec<Option<Vec<Environment>>>;

/// Reads what the derivation of sorted anchors will ask for; `given` are the rows that they are, if those were read with them.
///
/// # Errors
/// The store failed or is damaged.
pub(crate) fn prefetch(
    reader: &Reader<'_>,
    branch: &BranchPlan,
    anchors: &[Vec<u8>],
    given: Option<&[Arc<Stored>]>,
) -> Result<Known> {
    if anchors.len() < ANCHORS_MIN {
        return Ok(Known::new());
    }
    let unbound = vec![Binding::Unbound; branch.branch.aliases.len()];
    let start = anchors.iter().enumerate();
    let start = start.map(|(place, anchor)| Combination { place, anchor, environment: unbound.clone() }).collect();
    let prefetch = Prefetch { reader, branch, given, unsure: RefCell::new(vec![false; anchors.len()]) };
    let Some(combinations) = prefetch.select(&branch.branch.select, Cow::Owned(start), true)? else { return Ok(Known::new()) };
    let unsure = prefetch.unsure.into_inner();
    let mut known: Known = unsure.into_iter().map(|is_unsure| (!is_unsure).then(Vec::new)).collect();
    for Combination { place, environment, .. } in combinations {
        if let Some(Some(known)) = known.get_mut(place) {
            known.push(environment);
        }
    }
    Ok(known)
}

/// Rows that stand together so far.
#[derive(Clone)]
struct Combination<'a> {
    /// The place of the anchor.
    place: usize,
    anchor: &'a [u8],
    environment: Environment,
}

struct Prefetch<'a> {
    reader: &'a Reader<'a>,
    branch: &'a BranchPlan,
    /// By place, the rows that the anchors are.
    given: Option<&'a [Arc<Stored>]>,
    /// By place, the anchors of which something in the outermost SELECT was left to the derivation.
    unsure: RefCell<Vec<bool>>,
}

/// The rows of a relation that belong to a combination.
enum Rows {
    Stored(Arc<[Arc<Stored>]>),
    One(Option<Arc<Stored>>),
    Derived(Vec<Row>),
}

impl Rows {
    fn len(&self) -> usize {
        match self {
            Self::Stored(rows) => rows.len(),
            Self::One(row) => usize::from(row.is_some()),
            Self::Derived(rows) => rows.len(),
        }
    }

    /// What an alias is bound to by the row at a place, which is asked for once, and how often it counts.
    fn binding(&mut self, place: usize) -> Option<(Binding, u64)> {
        let row = match self {
            Self::Stored(rows) => Arc::clone(rows.get(place)?),
            Self::One(row) => row.take()?,
            Self::Derived(rows) => return Some((Binding::Derived(Arc::new(std::mem::take(rows.get_mut(place)?))), 1)),
        };
        let count = row.count;
        Some((Binding::Stored(row), count))
    }
}

/// What a key asks for.
enum Asked {
    /// The row of the next key.
    Key,
    /// Nothing: a NULL equals nothing.
    Nothing,
    /// The key cannot be computed.
    Unknown,
}

/// A condition, and whether it can be judged before subqueries are answered.
type Condition<'q> = (&'q Expr, bool);

fn judged(conditions: &[Expr]) -> Vec<Condition<'_>> {
    conditions.iter().map(|condition| (condition, !has_subquery(condition))).collect()
}

/// `None` if the rows cannot be told here.
type Found = Option<Rows>;

impl Prefetch<'_> {
    /// Reads what a SELECT asks for in each combination of rows around it. Of the outermost SELECT, the combinations that pass; `None` for any
    /// other, and where something was left out for all.
    fn select<'c>(
        &self,
        select: &Select,
        mut combinations: Cow<'_, [Combination<'c>]>,
        is_outermost: bool,
    ) -> Result<Option<Vec<Combination<'c>>>> {
        let Some(access) = self.access(select) else { return Ok(None) };
        if let Some(Regrouped::KeptUp(used)) = &access.regrouped
            && self.reader.reads_accumulator(used.id)?
        {
            if select.group_by.is_some() {
                self.groups(used, &combinations)?;
            }
            return Ok(None);
        }
        let mut inner = subqueries(select);
        // One that refers to nothing outside of it is asked once, and its answer is kept.
        inner.retain(|inner| self.access(inner).is_some_and(|access| !access.standalone));
        for (place, step) in access.steps.iter().enumerate() {
            let Some(item) = select.from.get(step.item) else { return Ok(None) };
            let is_last = !is_outermost && place + 1 == access.steps.len() && inner.is_empty();
            let Some(found) = self.found(item, step, &combinations, is_outermost)? else { continue };
            if is_last || found.iter().flatten().map(|rows| rows.len().max(1)).sum::<usize>() > COMBINATIONS_MAX {
                return Ok(None);
            }
            combinations = Cow::Owned(self.extended((item, step), combinations.into_owned(), found, is_outermost));
        }
        for inner in inner {
            self.select(inner, Cow::Borrowed(&*combinations), false)?;
        }
        Ok(is_outermost.then(|| combinations.into_owned()))
    }

    fn access(&self, select: &Select) -> Option<&SelectAccess> {
        self.branch.access.get(&select.from.first()?.alias)
    }

    /// Per combination, the rows of a relation; `None` for a derived table of an inner SELECT.
    fn found(
        &self,
        item: &FromItem,
        step: &AccessStep,
        combinations: &[Combination<'_>],
        is_outermost: bool,
    ) -> Result<Option<Vec<Found>>> {
        match (&step.path, &item.relation) {
            (AccessPath::Bound, _) => self.given(item, combinations).map(Some),
            (AccessPath::Probe { index, values }, _) => {
                let plan = self.reader.index(*index)?;
                if let Some(table) = identified_by(self.reader.view.plan, *index)? {
                    return self.identified(table, (plan, values), combinations).map(Some);
                }
                let key_of = |combination: &Combination<'_>| {
                    let execution = self.execution(combination);
                    probe_key(plan, values, &Frame::over(&execution, &combination.environment)).ok()
                };
                let keys: Vec<Option<Option<Vec<u8>>>> = combinations.iter().map(key_of).collect();
                self.reader.prefetch(*index, keys.iter().flatten().flatten().cloned().collect())?;
                let rows = |key: Option<Option<Vec<u8>>>| match key {
                    None => Ok(None),
                    Some(None) => Ok(Some(Rows::Stored(Arc::default()))),
                    Some(Some(key)) => self.reader.probe(*index, key).map(|rows| Some(Rows::Stored(rows))),
                };
                keys.into_iter().map(rows).collect::<Result<_>>().map(Some)
            }
            (AccessPath::Derived, Relation::Derived(arms)) => {
                for arm in arms {
                    self.select(arm, Cow::Borrowed(combinations), false)?;
                }
                Ok(is_outermost.then(|| combinations.iter().map(|combination| self.derived(arms, combination)).collect()))
            }
            (AccessPath::Derived, Relation::Table(_)) => Ok(Some(combinations.iter().map(|_| None).collect())),
        }
    }

    /// Per combination, the row that a whole identity asks for.
    fn identified(
        &self,
        table: TableId,
        (index, values): (&IndexPlan, &[Expr]),
        combinations: &[Combination<'_>],
    ) -> Result<Vec<Found>> {
        let (mut keys, mut key) = (Keys::default(), Vec::new());
        let mut asked = Vec::with_capacity(combinations.len());
        for combination in combinations {
            let execution = self.execution(combination);
            key.clear();
            asked.push(match push_probe_key(index, values, &Frame::over(&execution, &combination.environment), &mut key) {
                Ok(true) => {
                    keys.push_unsorted(&key);
                    Asked::Key
                }
                Ok(false) => Asked::Nothing,
                Err(_) => Asked::Unknown,
            });
        }
        let mut rows = self.reader.row_of_each(table, keys.iter())?.into_iter();
        let found = |asked: Asked| match asked {
            Asked::Key => Some(Rows::One(rows.next().flatten())),
            Asked::Nothing => Some(Rows::One(None)),
            Asked::Unknown => None,
        };
        Ok(asked.into_iter().map(found).collect())
    }

    /// The rows of a derived table; an error is left to the derivation.
    fn derived(&self, arms: &[Select], combination: &Combination<'_>) -> Found {
        let execution = self.execution(combination);
        let rows = arms.iter().map(|arm| execution.select_in(arm, &combination.environment));
        let rows: Vec<Vec<Row>> = rows.collect::<Result<_>>().ok()?;
        Some(Rows::Derived(rows.into_iter().flatten().collect()))
    }

    /// The rows of the anchors themselves.
    fn given(&self, item: &FromItem, combinations: &[Combination<'_>]) -> Result<Vec<Found>> {
        let member = self.branch.anchor.members().find(|(alias, _)| *alias == item.alias);
        let anchors = || combinations.iter().map(|combination| combination.anchor.to_vec());
        match (member, &item.relation, self.given) {
            (Some((_, Some(index))), ..) => {
                self.reader.prefetch(index, anchors().collect())?;
                anchors().map(|anchor| Ok(Some(Rows::Stored(self.reader.probe(index, anchor)?)))).collect()
            }
            (Some((_, None)), _, Some(given)) => {
                let row = |combination: &Combination<'_>| Some(Rows::One(given.get(combination.place).cloned()));
                Ok(combinations.iter().map(row).collect())
            }
            (Some((_, None)), Relation::Table(table), None) => {
                let rows = self.reader.row_of_each(*table, combinations.iter().map(|combination| combination.anchor))?;
                Ok(rows.into_iter().map(|row| Some(Rows::One(row))).collect())
            }
            _ => Ok(combinations.iter().map(|_| None).collect()),
        }
    }

    fn extended<'c>(
        &self,
        (item, step): (&FromItem, &AccessStep),
        combinations: Vec<Combination<'c>>,
        found: Vec<Found>,
        is_outermost: bool,
    ) -> Vec<Combination<'c>> {
        let mut extended = Vec::with_capacity(combinations.len());
        let (matches, filters) = (judged(&step.matches), judged(&step.filters));
        for (combination, found) in combinations.into_iter().zip(found) {
            let Some(mut rows) = found else {
                self.leave(&combination, is_outermost);
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
            let (row_count, mut matched, mut spare) = (rows.len(), false, Some(combination));
            for place in 0..row_count {
                let Some((binding, count)) = rows.binding(place) else { break };
                let own = if place + 1 == row_count { spare.take() } else { spare.clone() };
                let Some(next) = own.map(|own| bound(own, binding)) else { break };
                if !self.may_pass(&matches, &next, is_outermost) {
                    spare = spare.or(Some(next));
                    continue;
                }
                matched = true;
                if self.may_pass(&filters, &next, is_outermost) {
                    if count > TIMES_MAX {
                        self.leave(&next, is_outermost);
                    }
                    let more = if is_outermost && count <= TIMES_MAX { count.saturating_sub(1) } else { 0 };
                    (0..more).for_each(|_| extended.push(next.clone()));
                    extended.push(next);
                }
            }
            if let Some(own) = spare.filter(|_| !matched && item.join == JoinKind::Left) {
                let next = bound(own, Binding::Null);
                if self.may_pass(&filters, &next, is_outermost) {
                    extended.push(next);
                }
            }
        }
        extended
    }

    /// Leaves the anchor of a combination of the outermost SELECT to the derivation.
    fn leave(&self, combination: &Combination<'_>, is_outermost: bool) {
        if is_outermost && let Some(unsure) = self.unsure.borrow_mut().get_mut(combination.place) {
            *unsure = true;
        }
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
        Execution { reader: self.reader, branch: self.branch, anchor: combination.anchor, known: None }
    }

    /// Whether conditions are not known to be false. Those with subqueries are not asked: their answers are what is prefetched.
    fn may_pass(&self, conditions: &[Condition<'_>], combination: &Combination<'_>, is_outermost: bool) -> bool {
        let execution = self.execution(combination);
        let frame = Frame::over(&execution, &combination.environment);
        conditions.iter().all(|(condition, is_judged)| {
            let answer = if *is_judged { is_true(condition, &frame).ok() } else { None };
            if answer.is_none() {
                self.leave(combination, is_outermost);
            }
            answer.unwrap_or(true)
        })
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
