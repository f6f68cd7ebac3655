//! GROUP BY, DISTINCT, ORDER BY and LIMIT over the combinations of one SELECT.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::derive::accumulated::{Groups, read_groups};
use crate::derive::rows::{Binding, Environment, Execution, Frame};
use crate::error::{Class, Error, Result};
use crate::plan::{AccumulatorUse, Regrouped, SelectAccess};
use crate::sql::aggregate::Accumulator;
use crate::sql::evaluate::{evaluate, is_true};
use crate::sql::ordering::order;
use crate::sql::query::{Select, Span};
use crate::value::{KeyKind, Row, Value};

/// Rows with the values they are ordered by.
pub(crate) type Ordered = Vec<(Vec<Value>, Row)>;

struct Group<'s> {
    representative: Environment,
    values: Vec<Value>,
    accumulators: Vec<Accumulator<'s>>,
}

/// The rows of a grouped SELECT, in the order of the group keys.
pub(crate) fn finish_groups(execution: &Execution<'_>, select: &Select, outer: Environment) -> Result<Ordered> {
    let settled = settled_groups(execution, select, outer)?;
    let shown = |(environment, aggregates): (Environment, Vec<Value>)| {
        Frame { aggregates: &aggregates, ..Frame::over(execution, &environment) }.shown(select)
    };
    settled.into_iter().map(shown).collect()
}

/// The groups that HAVING lets through, in the order of their keys: a row of each, and its aggregates.
pub(crate) fn settled_groups(execution: &Execution<'_>, select: &Select, mut outer: Environment) -> Result<Groups> {
    let groups_by = select.group_by.as_deref().unwrap_or_default();
    let default = SelectAccess::default();
    let access = execution.access(select).unwrap_or(&default);
    let kept_up = match &access.regrouped {
        Some(Regrouped::KeptUp(used)) => Some(used),
        _ => None,
    };
    if let Some(used) = kept_up
        && let Some(groups) = read_groups(execution, select, used, &mut outer)?
    {
        let mut settled = Vec::new();
        for (environment, aggregates) in groups {
            settled.extend(having(execution, select, environment, aggregates)?);
        }
        return Ok(settled);
    }
    let mut groups: BTreeMap<Vec<u8>, Group<'_>> = BTreeMap::new();
    if groups_by.is_empty() {
        // Aggregates without GROUP BY give a row even over nothing; then every relation counts as absent.
        let mut representative = outer.clone();
        for item in &select.from {
            if let Some(slot) = representative.get_mut(item.alias.0) {
                *slot = Binding::Null;
            }
        }
        groups.insert(Vec::new(), new_group(select, representative, Vec::new()));
    }
    execution.combinations(select, outer, &mut |environment| {
        let frame = Frame::over(execution, environment);
        let values = groups_by.iter().map(|group| evaluate(group, &frame)).collect::<Result<Vec<_>>>()?;
        let key = crate::value::key::encode_key(&access.group_kinds, &values)?;
        let group = groups.entry(key).or_insert_with(|| new_group(select, environment.clone(), values.clone()));
        let differs = access.shown_groups.iter().any(|index| group.values.get(*index) != values.get(*index));
        if differs {
            return Err(ambiguous(&select.span, "a group whose key is written in different ways"));
        }
        accumulate(group, select, &frame)?;
        Ok(ControlFlow::Continue(()))
    })?;
    let mut settled = Vec::new();
    for mut group in groups.into_values() {
        if let Some(used) = kept_up {
            show_by(execution, used, &mut group)?;
        }
        let aggregates = group.accumulators.into_iter().map(Accumulator::finish).collect::<Result<Vec<_>>>()?;
        settled.extend(having(execution, select, group.representative, aggregates)?);
    }
    Ok(settled)
}

fn new_group<'s>(select: &'s Select, representative: Environment, values: Vec<Value>) -> Group<'s> {
    Group { representative, values, accumulators: select.aggregates.iter().map(Accumulator::new).collect() }
}

fn accumulate(group: &mut Group<'_>, select: &Select, frame: &Frame<'_, '_>) -> Result<()> {
    for (accumulator, aggregate) in group.accumulators.iter_mut().zip(&select.aggregates) {
        let arguments = aggregate.arguments.iter().map(|argument| evaluate(argument, frame)).collect::<Result<_>>()?;
        let order = aggregate.order_by.iter().map(|item| evaluate(&item.expr, frame)).collect::<Result<_>>()?;
        accumulator.add(arguments, order)?;
    }
    Ok(())
}

/// Binds what a group that could be kept up is shown by: its group expressions, then its extra columns.
fn show_by(execution: &Execution<'_>, used: &AccumulatorUse, group: &mut Group<'_>) -> Result<()> {
    let frame = Frame::over(execution, &group.representative);
    let extras = used.extras.iter().map(|extra| evaluate(extra, &frame)).collect::<Result<Vec<_>>>()?;
    let own = std::mem::take(&mut group.values).into_iter().chain(extras).collect();
    if let Some(slot) = group.representative.get_mut(used.alias.0) {
        *slot = Binding::Derived(Arc::new(own));
    }
    Ok(())
}

/// A group, if HAVING lets it through.
fn having(
    execution: &Execution<'_>,
    select: &Select,
    environment: Environment,
    aggregates: Vec<Value>,
) -> Result<Option<(Environment, Vec<Value>)>> {
    let frame = Frame { aggregates: &aggregates, ..Frame::over(execution, &environment) };
    let passes = select.having.as_ref().map_or(Ok(true), |having| is_true(having, &frame))?;
    Ok(passes.then_some((environment, aggregates)))
}

/// The first of every set of equal rows; rows that are equal to the source but written differently have no answer, nor has an order by
/// what equal rows differ in, where it chooses.
pub(crate) fn pick_distinct(select: &Select, rows: Ordered, kinds: &[KeyKind]) -> Result<Ordered> {
    let mut seen: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let mut picked = Ordered::new();
    let mut is_order_open = false;
    for (values, row) in rows {
        match seen.entry(crate::value::key::encode_key(kinds, &row)?) {
            Entry::Vacant(slot) => {
                slot.insert(picked.len());
                picked.push((values, row));
            }
            Entry::Occupied(slot) => {
                let Some((first_values, first)) = picked.get(*slot.get()) else { continue };
                if *first != row {
                    return Err(ambiguous(&(0..0), "equal rows of DISTINCT that are written in different ways"));
                }
                is_order_open |= order(&select.order_by, first_values, &values)? != Ordering::Equal;
            }
        }
    }
    if is_order_open && select.limit.is_some_and(|limit| picked.len() as u64 > limit) {
        return Err(ambiguous(&select.span, "a LIMIT over DISTINCT rows whose ORDER BY differs between equal rows"));
    }
    Ok(picked)
}

/// Sorts by ORDER BY and cuts at LIMIT. A cut between rows that ORDER BY does not tell apart has an answer only if they are equal.
pub(crate) fn pick_first(select: &Select, mut rows: Ordered) -> Result<Vec<Row>> {
    let Some(limit) = select.limit else { return Ok(rows.into_iter().map(|(_, row)| row).collect()) };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut failure = None;
    rows.sort_by(|(left, _), (right, _)| {
        order(&select.order_by, left, right).unwrap_or_else(|error| {
            failure = Some(error);
            Ordering::Equal
        })
    });
    if let Some(error) = failure {
        return Err(error);
    }
    if let (Some((last, kept)), Some((next, _))) = (limit.checked_sub(1).and_then(|last| rows.get(last)), rows.get(limit))
        && order(&select.order_by, last, next)? == Ordering::Equal
    {
        for (values, row) in &rows {
            if order(&select.order_by, last, values)? == Ordering::Equal && row != kept {
                return Err(ambiguous(&select.span, "a LIMIT between rows that its ORDER BY does not tell apart"));
            }
        }
    }
    rows.truncate(limit);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

pub(crate) fn ambiguous(span: &Span, what: &str) -> Error {
    let place = if span.is_empty() {
        String::new()
    } else {
        format!("the SELECT at bytes {}..{} of the mapping meets ", span.start, span.end)
    };
    Error::new(Class::Person, format!("{place}{what}"))
        .with_hint("the source would show any of them: say which one in the SELECT, e.g. with MIN or a total ORDER BY")
}
