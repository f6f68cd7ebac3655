//! Groups read from an accumulator instead of from their rows.

use std::sync::Arc;

use crate::derive::Space;
use crate::derive::accumulate::{Group, TOTALS, by_id, damaged, decode_listed, values_prefix};
use crate::derive::group::Ordered;
use crate::derive::rows::{Binding, Environment, Execution, Frame};
use crate::error::{Error, Result};
use crate::plan::{AccumulatorPlan, AccumulatorUse, GroupProbe};
use crate::sql::evaluate::with_value;
use crate::sql::query::{Aggregate, Select};
use crate::sql::total::{Total, Upkeep};
use crate::value::{Row, Value, row};

/// Per group, what it is shown by and its aggregates.
pub(crate) type Groups = Vec<(Environment, Vec<Value>)>;

/// A group as an accumulator keeps it: decoded once for all the subqueries that ask for one of its aggregates.
pub(crate) struct Kept {
    /// The key of its entry.
    pub(crate) entry: Vec<u8>,
    /// Where the group's key ends in it; what follows is what the group is shown by.
    key_to: usize,
    /// What it is shown by.
    own: Arc<Row>,
    totals: Vec<Total>,
}

impl Kept {
    /// The group of an entry.
    pub(crate) fn decode(accumulator: &AccumulatorPlan, entry: &[u8], bytes: &[u8]) -> Result<Self> {
        let Group { key_length, totals, .. } = Group::decode(accumulator, bytes)?;
        let own = row::decode(entry.get(1 + key_length..).ok_or_else(damaged)?)?;
        Ok(Self { entry: entry.to_vec(), key_to: 1 + key_length, own: Arc::new(own), totals })
    }

    /// The group's key.
    fn key(&self) -> Option<&[u8]> {
        self.entry.get(1..self.key_to)
    }
}

/// Per group, the row it is shown by and its aggregates.
pub(crate) type Shown = Vec<(Arc<Row>, Vec<Value>)>;

/// The groups that a SELECT asks for, before HAVING: what it shows them by, and their aggregates; `outer` is taken for them. `None`: it is left, and only the rows tell them, because
/// the accumulator is not complete, or because a group has its key in several spellings.
pub(crate) fn read_groups(
    execution: &Execution<'_>,
    select: &Select,
    used: &AccumulatorUse,
    outer: &mut Environment,
) -> Result<Option<Groups>> {
    let Some(found) = read_shown(execution, select, used, outer)? else { return Ok(None) };
    let count = found.len();
    let shown = |(place, (own, aggregates)): (usize, (Arc<Row>, Vec<Value>))| {
        // The last group needs no copy of what is around it.
        let around = if place + 1 == count { std::mem::take(outer) } else { outer.clone() };
        (shown_by(used, around, own), aggregates)
    };
    Ok(Some(found.into_iter().enumerate().map(shown).collect()))
}

/// The same without what is around them.
pub(crate) fn read_shown(
    execution: &Execution<'_>,
    select: &Select,
    used: &AccumulatorUse,
    outer: &Environment,
) -> Result<Option<Shown>> {
    if !execution.reader.reads_accumulator(used.id)? {
        return Ok(None);
    }
    let accumulator = by_id(execution.reader.view.plan, used.id)?;
    let mut found = Vec::new();
    if execution.guards_hold(select, outer)?
        && let Some(prefix) = prefix(execution, accumulator, used, outer)?
    {
        let groups = execution.reader.groups(used.id, &prefix)?;
        let mut last = None;
        for group in groups.iter() {
            let key = group.key().filter(|key| !key.is_empty());
            if key.is_some() && key == last {
                return Ok(None);
            }
            last = key;
            let aggregates = values(execution, (select, accumulator, used), &group.entry, &group.totals)?;
            let Some(aggregates) = aggregates else { return Ok(None) };
            found.push((Arc::clone(&group.own), aggregates));
        }
    }
    if found.is_empty() && select.group_by.as_ref().is_some_and(Vec::is_empty) {
        // Aggregates without GROUP BY give a row even over nothing.
        let empty = Group::empty(accumulator, 0);
        let aggregates = values(execution, (select, accumulator, used), &[], &empty.totals)?;
        let Some(aggregates) = aggregates else { return Ok(None) };
        found.push((Arc::default(), aggregates));
    }
    Ok(Some(found))
}

/// The first rows of a SELECT with ORDER BY and LIMIT, and all that tie with the last of them, with the values they are ordered by. `None` as
/// for [`read_groups`].
pub(crate) fn read_first(
    execution: &Execution<'_>,
    select: &Select,
    used: &AccumulatorUse,
    outer: &Environment,
) -> Result<Option<Ordered>> {
    let Some(prefix) = asked(execution, select, used, outer)? else { return Ok(None) };
    let Some(mut group) = prefix else { return Ok(Some(Ordered::new())) };
    row::encode(&[], &mut group);
    let limit = usize::try_from(select.limit.unwrap_or(0)).unwrap_or(usize::MAX);
    let listed = Listed { ordered_by: select.order_by.len(), shown: select.outputs.len(), limit };
    listed.read(execution, used, &group).map(Some)
}

/// Of each partition that a SELECT with a numbering asks for, the first row and all that tie with it. `None` as for [`read_groups`].
pub(crate) fn read_firsts(
    execution: &Execution<'_>,
    select: &Select,
    used: &AccumulatorUse,
    outer: &Environment,
) -> Result<Option<Vec<Ordered>>> {
    let Some(prefix) = asked(execution, select, used, outer)? else { return Ok(None) };
    let (Some(prefix), Some(numbering)) = (prefix, select.numberings.first()) else { return Ok(Some(Vec::new())) };
    let listed = Listed { ordered_by: numbering.order_by.len(), shown: select.outputs.len(), limit: 1 };
    let groups = execution.reader.view.entries(Space::Accumulator(used.id), &prefix)?;
    let read = |(group, _): (Vec<u8>, Vec<u8>)| {
        let rows = listed.read(execution, used, &group)?;
        // A numbering orders the rows of its partition, not those of the SELECT.
        Ok(rows.into_iter().map(|(_, row)| (Vec::new(), row)).collect())
    };
    groups.into_iter().map(read).collect::<Result<_>>().map(Some)
}

/// The beginning of the entries that a SELECT asks for, if it asks for any; the outer `None`: the accumulator cannot be read.
fn asked(
    execution: &Execution<'_>,
    select: &Select,
    used: &AccumulatorUse,
    outer: &Environment,
) -> Result<Option<Option<Vec<u8>>>> {
    if !execution.reader.reads_accumulator(used.id)? {
        return Ok(None);
    }
    let accumulator = by_id(execution.reader.view.plan, used.id)?;
    let holds = execution.guards_hold(select, outer)?;
    Ok(Some(if holds { prefix(execution, accumulator, used, outer)? } else { None }))
}

/// A list of rows in their order.
struct Listed {
    /// So many values order them.
    ordered_by: usize,
    /// So many are shown.
    shown: usize,
    /// So many first rows are asked for.
    limit: usize,
}

impl Listed {
    /// The first rows of a group, by the key of its totals, and all that tie with the last of them.
    fn read(&self, execution: &Execution<'_>, used: &AccumulatorUse, group: &[u8]) -> Result<Ordered> {
        let listed_at = values_prefix(group, 0);
        let mut asked_for = self.limit.saturating_add(1);
        loop {
            let found = execution.reader.view.first(Space::Accumulator(used.id), &listed_at, asked_for)?;
            let is_all = found.len() < asked_for;
            if let Some(rows) = self.first_rows(&found, is_all)? {
                return Ok(rows);
            }
            asked_for = asked_for.saturating_mul(4);
        }
    }

    /// The listed rows up to the end of the tie at the limit; `None` if more of them must be read to know where it ends.
    fn first_rows(&self, found: &[(Vec<u8>, Vec<u8>)], is_all: bool) -> Result<Option<Ordered>> {
        let mut rows = Ordered::new();
        let mut last: Option<&[u8]> = None;
        for (key, bytes) in found {
            let entry = decode_listed(bytes)?;
            let ordered = key.get(..entry.ordered_to).ok_or_else(damaged)?;
            if rows.len() >= self.limit && last != Some(ordered) {
                return Ok(Some(rows));
            }
            last = Some(ordered);
            let mut order = entry.written;
            if order.len() != self.ordered_by + self.shown {
                return Err(damaged());
            }
            let shown: Row = order.split_off(self.ordered_by).into_iter().collect();
            // More equal rows than the limit and one change nothing.
            let times = usize::try_from(entry.count).unwrap_or(usize::MAX).min(self.limit.saturating_add(1));
            rows.extend(std::iter::repeat_n((order, shown), times));
        }
        Ok(is_all.then_some(rows))
    }
}

fn shown_by(used: &AccumulatorUse, mut environment: Environment, own: Arc<Row>) -> Environment {
    if let Some(slot) = environment.get_mut(used.alias.0) {
        *slot = Binding::Derived(own);
    }
    environment
}

/// The beginning of the entries that are asked for; `None` if a NULL asks, which equals nothing.
pub(crate) fn prefix(
    execution: &Execution<'_>,
    accumulator: &AccumulatorPlan,
    used: &AccumulatorUse,
    outer: &Environment,
) -> Result<Option<Vec<u8>>> {
    let mut prefix = vec![TOTALS];
    let values = match &used.probe {
        GroupProbe::Anchor => {
            prefix.extend_from_slice(execution.anchor);
            return Ok(Some(prefix));
        }
        GroupProbe::Values(values) => values,
    };
    let frame = Frame::over(execution, outer);
    for (part, value) in accumulator.key.iter().zip(values) {
        let is_asked = with_value(value, &frame, |value| {
            if value.is_null() && !part.null_safe {
                return Ok(false);
            }
            part.kind.encode(value, &mut prefix).map(|()| true)
        })?;
        if !is_asked {
            return Ok(None);
        }
    }
    Ok(Some(prefix))
}

/// The aggregates of a group.
fn values(
    execution: &Execution<'_>,
    (select, accumulator, used): (&Select, &AccumulatorPlan, &AccumulatorUse),
    entry: &[u8],
    totals: &[Total],
) -> Result<Option<Vec<Value>>> {
    let mut values = Vec::with_capacity(totals.len());
    for (place, ((aggregate, kept), total)) in select.aggregates.iter().zip(&accumulator.aggregates).zip(totals).enumerate() {
        let value = match kept.upkeep {
            Upkeep::Extreme { .. } => extreme(execution, used, aggregate, entry, place)?,
            _ => Some(total.finish(aggregate)?),
        };
        let Some(value) = value else { return Ok(None) };
        values.push(value);
    }
    Ok((values.len() == select.aggregates.len()).then_some(values))
}

/// The first of the listed values. If another one is its equal and written differently, the rows have to say what the source shows.
fn extreme(
    execution: &Execution<'_>,
    used: &AccumulatorUse,
    aggregate: &Aggregate,
    entry: &[u8],
    place: usize,
) -> Result<Option<Value>> {
    if entry.is_empty() {
        return Ok(Some(Value::Null));
    }
    let prefix = values_prefix(entry, place);
    let firsts = execution.reader.firsts(used.id, &prefix)?;
    let mut first = firsts.iter();
    let Some((key, bytes)) = first.next() else { return Ok(Some(Value::Null)) };
    let listed = decode_listed(bytes)?;
    let ordered = key.get(..listed.ordered_to).ok_or_else(damaged)?;
    if first.next().is_some_and(|(second, _)| second.starts_with(ordered)) {
        return Ok(None);
    }
    let value = listed.written.into_iter().next();
    value.map(Some).ok_or_else(|| Error::bug(format!("an extreme at bytes {:?} has no value", aggregate.span)))
}
