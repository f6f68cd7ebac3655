//! Accumulators: groups of large size, kept up row by row, so that a change costs the same however many rows its group has.
//!
//! An accumulator is a function of the stored rows and of nothing else, like an index: it changes in the batch that changes them, whatever
//! else an epoch does or leaves for later. What a member row takes back is derived again from the state before the batch, what it adds from
//! the state behind it; the rows in question are those that the members' own walks reach from the changed rows, so that a change in a joined
//! table or in a join key moves every contribution it has a part in.
//!
//! An entry belongs to one group in one spelling: `TOTALS`, group key, its own row -> length of the key, row count, totals. The values of
//! MIN, MAX and COUNT(DISTINCT) and the rows of ORDER BY with LIMIT are listed one by one: `VALUES`, group, aggregate, what orders them,
//! fingerprint -> how often, the value as it is written. Under `MARK` stands what is accumulated, once all of it is there. Nothing reads an accumulator that is not complete: its groups are derived from all rows.
//! A member that has no value, because the source would raise an error, makes it unreadable for as long as it is there.

use std::ops::Range;

use crate::derive::Space;
use crate::derive::alone::Alone;
use crate::derive::filled::{MARK, Mark};
use crate::derive::keys::{KeyMap, Keys, runs};
use crate::derive::net::Net;
use crate::derive::parallel::mapped;
use crate::derive::prefetch::prefetch;
use crate::derive::reader::Reader;
use crate::derive::rows::Execution;
use crate::derive::stored::{Stored, decoded, table};
use crate::derive::view::View;
use crate::derive::walk::affected;
use crate::error::{Class, Error, Result};
use crate::plan::{AccumulatorId, AccumulatorPlan, Anchor, BranchPlan, KeptAggregate, Plan};
use crate::schema::TableId;
use crate::sql::total::{Total, Upkeep};
use crate::value::{Row, Value, row};

/// Begins the entries of groups.
pub(crate) const TOTALS: u8 = 0;
/// Begins the listed values.
pub(crate) const VALUES: u8 = 1;

/// Member rows whose contributions are added up at once.
const ROOTS_PER_WINDOW: usize = 4_096;
/// Member rows per slice of a window, at least and at most.
const ROOTS_PER_SLICE: std::ops::RangeInclusive<usize> = 64..=2048;

/// Moves the contributions of all members that the net changes reach; `view` is the state with those changes. Batches that change members must
/// be committed one after the other.
pub(crate) fn keep_up(view: &mut View<'_>, net: &Net) -> Result<()> {
    let plan = view.plan;
    for (id, accumulator) in accumulators(plan) {
        let Some(mut mark) = Mark::read(view, id)?.filter(|mark| mark.is_complete(accumulator)) else { continue };
        let roots: Result<Vec<Keys>> = accumulator.bodies.iter().map(|body| affected(view, body, net)).collect();
        let roots = match roots {
            Err(error) if error.class() == Class::Person => None,
            roots => Some(roots?),
        };
        let Some(roots) = roots else {
            // Which members change cannot be told: it is not read until it is filled again.
            view.put(Space::Accumulator(id), vec![MARK], Some(Mark { meaning: 0, ..mark }.encode()));
            continue;
        };
        let before = View::new(plan, view.stored());
        let without_value = mark.without_value;
        for (body, roots) in accumulator.bodies.iter().zip(roots) {
            for window in roots.slices(ROOTS_PER_WINDOW) {
                let mut change = Change::default();
                let taken_back = contributions(&before, (accumulator, body), (&roots, None), window.clone(), -1)?;
                let added = contributions(view, (accumulator, body), (&roots, None), window, 1)?;
                taken_back.into_iter().chain(added).for_each(|part| change.merge(part));
                change.apply(view, (id, accumulator), &mut mark)?;
            }
        }
        if mark.without_value != without_value {
            view.put(Space::Accumulator(id), vec![MARK], Some(mark.encode()));
        }
    }
    Ok(())
}

/// Whether the groups of an accumulator can be read from it.
pub(crate) fn is_readable(view: &View<'_>, id: AccumulatorId) -> Result<bool> {
    let accumulator = by_id(view.plan, id)?;
    Ok(Mark::read(view, id)?.is_some_and(|mark| mark.is_complete(accumulator) && mark.without_value == 0))
}

/// An accumulator of the plan by id.
pub(crate) fn by_id(plan: &Plan, id: AccumulatorId) -> Result<&AccumulatorPlan> {
    plan.accumulators.get(id.0 as usize).ok_or_else(|| Error::bug(format!("accumulator {} is not in the plan", id.0)))
}

/// Every accumulator of the plan.
pub(crate) fn accumulators(plan: &Plan) -> impl Iterator<Item = (AccumulatorId, &AccumulatorPlan)> {
    (0_u32..).map(AccumulatorId).zip(&plan.accumulators)
}

/// The table whose rows are the members that a SELECT gives.
pub(crate) fn root_table(body: &BranchPlan) -> Result<TableId> {
    let Anchor::Row { alias } = body.anchor else { return Err(Error::bug("members are cut by groups")) };
    let definition = body.branch.aliases.get(alias.0);
    definition.and_then(|definition| definition.table).ok_or_else(|| Error::bug("members are cut by rows of no stored table"))
}

/// The totals of one group in one spelling, or how they change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    /// Length of the group key behind the first byte.
    pub(crate) key_length: usize,
    rows: i64,
    pub(crate) totals: Vec<Total>,
}

impl Group {
    /// A group of no rows.
    pub(crate) fn empty(accumulator: &AccumulatorPlan, key_length: usize) -> Self {
        Self { key_length, rows: 0, totals: vec![Total::default(); accumulator.aggregates.len()] }
    }

    /// Adds another part of the same group.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        for (total, other) in self.totals.iter_mut().zip(&other.totals) {
            total.merge(other);
        }
    }

    fn is_zero(&self) -> bool {
        self.rows == 0 && self.totals.iter().all(Total::is_zero)
    }

    /// Appends its bytes in the state.
    pub(crate) fn encode(&self, accumulator: &AccumulatorPlan, bytes: &mut Vec<u8>) {
        let mut values = vec![Value::Int(self.key_length as i64), Value::Int(self.rows)];
        for (total, aggregate) in self.totals.iter().zip(&accumulator.aggregates) {
            total.write(aggregate.upkeep, &mut values);
        }
        row::encode(&values, bytes);
    }

    pub(crate) fn decode(accumulator: &AccumulatorPlan, bytes: &[u8]) -> Result<Self> {
        let mut values = row::decode(bytes)?.into_vec().into_iter();
        let (Some(Value::Int(length)), Some(Value::Int(rows))) = (values.next(), values.next()) else { return Err(damaged()) };
        let totals = accumulator.aggregates.iter().map(|aggregate| Total::read(aggregate.upkeep, &mut values));
        let totals = totals.collect::<Result<_>>()?;
        Ok(Self { key_length: usize::try_from(length).map_err(|_| damaged())?, rows, totals })
    }
}

/// A listed value: how often it occurs, or how that changes.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) count: i64,
    /// Where the key ends that orders it; a fingerprint follows of what it is written as.
    pub(crate) ordered_to: usize,
    /// What it is written as.
    pub(crate) written: Row,
    /// Of [`Upkeep::Distinct`], the entry of its group and the aggregate's place in it.
    pub(crate) counted_in: Option<(Vec<u8>, usize)>,
}

/// How entries change.
#[derive(Default)]
pub(crate) struct Change {
    pub(crate) groups: KeyMap<Group>,
    pub(crate) values: KeyMap<Listed>,
    pub(crate) without_value: i64,
}

/// What the members at `range` of the roots contribute to their groups, with a sign, some members after the other; with the roots come their
/// stored bytes where those were read with them.
pub(crate) fn contributions(
    view: &View<'_>,
    (accumulator, body): (&AccumulatorPlan, &BranchPlan),
    (roots, rows): (&Keys, Option<&Keys>),
    range: Range<usize>,
    sign: i64,
) -> Result<Vec<Change>> {
    let alone = Alone::of(body);
    let slice = |range: Range<usize>| {
        let reader = Reader::of(view, body);
        let given = rows.map(|rows| decoded(table(view.plan, root_table(body)?)?, body, (roots, rows), range.clone()));
        let given = given.transpose()?;
        if let (Some(alone), Some(given)) = (&alone, &given) {
            let mut change = Change::default();
            given.iter().try_for_each(|stored| change.add_alone(alone, stored, accumulator, sign))?;
            return Ok(change);
        }
        let roots = roots.owned(range);
        let mut known = prefetch(&reader, body, &roots, given.as_deref())?.into_iter();
        let mut change = Change::default();
        for root in &roots {
            let known = known.next().flatten();
            let execution = Execution { reader: &reader, branch: body, anchor: root, known: known.as_deref() };
            change.add_member(&execution, accumulator, sign)?;
        }
        Ok(change)
    };
    let per_slice =
        range.len().div_ceil(2 * rayon::current_num_threads()).clamp(*ROOTS_PER_SLICE.start(), *ROOTS_PER_SLICE.end());
    mapped(runs(range, per_slice), slice)
}

impl Change {
    fn add_member(&mut self, execution: &Execution<'_>, accumulator: &AccumulatorPlan, sign: i64) -> Result<()> {
        let rows = match execution.run() {
            Ok(rows) => rows,
            Err(error) if error.class() == Class::Person => {
                self.without_value += sign;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        rows.iter().try_for_each(|row| self.add_row(accumulator, row, sign))
    }

    fn add_alone(&mut self, alone: &Alone<'_>, stored: &Stored, accumulator: &AccumulatorPlan, sign: i64) -> Result<()> {
        match alone.row(stored) {
            Ok(Some(row)) => (0..stored.count).try_for_each(|_| self.add_row(accumulator, &row, sign)),
            Ok(None) => Ok(()),
            Err(error) if error.class() == Class::Person => {
                self.without_value += sign;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn add_row(&mut self, accumulator: &AccumulatorPlan, row: &Row, sign: i64) -> Result<()> {
        let mut key = Vec::with_capacity(16 * (1 + accumulator.key.len() + accumulator.shown.len()));
        key.push(TOTALS);
        for part in &accumulator.key {
            let value = output(row, part.output)?;
            if value.is_null() && !part.null_safe {
                return Ok(());
            }
            part.kind.encode(value, &mut key)?;
        }
        let key_length = key.len() - 1;
        accumulator.shown.iter().try_for_each(|place| output(row, *place).map(|_| ()))?;
        row::encode_columns(row, &accumulator.shown, &mut key);
        let group = match self.groups.get_mut(&key) {
            Some(group) => group,
            None => self.groups.entry(key.clone()).or_insert_with(|| Group::empty(accumulator, key_length)),
        };
        group.rows += sign;
        for (place, aggregate) in accumulator.aggregates.iter().enumerate() {
            let arguments = || aggregate.arguments.iter().map(|place| output(row, *place).cloned()).collect::<Result<Vec<_>>>();
            if !aggregate.upkeep.lists_values() {
                let total = group.totals.get_mut(place).ok_or_else(damaged)?;
                match aggregate.arguments.as_slice() {
                    [one] => total.add(aggregate.upkeep, std::slice::from_ref(output(row, *one)?), sign)?,
                    _ => total.add(aggregate.upkeep, &arguments()?, sign)?,
                }
                continue;
            }
            let arguments = arguments()?;
            if aggregate.upkeep != Upkeep::First && arguments.iter().any(Value::is_null) {
                continue;
            }
            let mut entry = values_prefix(&key, place);
            let ordered_at = entry.len();
            encode_listed_key(aggregate, &arguments, &mut entry)?;
            let ordered_to = entry.len();
            if aggregate.upkeep == (Upkeep::Extreme { greatest: true }) {
                // Keys end by themselves, so that the bytes turned over order them backwards.
                entry.iter_mut().skip(ordered_at).for_each(|byte| *byte = !*byte);
            }
            let (written, counted_in) = match aggregate.upkeep {
                // Values may be longer than any key.
                Upkeep::Extreme { .. } | Upkeep::First => {
                    entry.extend_from_slice(&row::fingerprint(&arguments).to_be_bytes());
                    (arguments.into_iter().collect(), None)
                }
                _ => (Row::default(), Some((key.clone(), place))),
            };
            self.values.entry(entry).or_insert(Listed { count: 0, ordered_to, written, counted_in }).count += sign;
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        for (key, group) in other.groups {
            match self.groups.get_mut(&key) {
                Some(own) => own.merge(&group),
                None => drop(self.groups.insert(key, group)),
            }
        }
        for (key, listed) in other.values {
            match self.values.get_mut(&key) {
                Some(own) => own.count += listed.count,
                None => drop(self.values.insert(key, listed)),
            }
        }
        self.without_value += other.without_value;
    }

    /// Puts the changed entries over those that are there.
    fn apply(mut self, view: &mut View<'_>, (id, accumulator): (AccumulatorId, &AccumulatorPlan), mark: &mut Mark) -> Result<()> {
        let space = Space::Accumulator(id);
        mark.without_value += self.without_value;
        self.values.retain(|_, listed| listed.count != 0);
        let (keys, values) = sorted(std::mem::take(&mut self.values));
        let stored = view.get_many(space, &keys)?;
        for ((key, listed), stored) in keys.into_iter().zip(values).zip(stored) {
            let before = stored.map_or(Ok(0), |bytes| Ok::<_, Error>(decode_listed(&bytes)?.count))?;
            let after = before + listed.count;
            let appears = i64::from(after > 0) - i64::from(before > 0);
            if let Some((group, place)) = listed.counted_in
                && let Some(total) = self.groups.get_mut(&group).and_then(|group| group.totals.get_mut(place))
            {
                total.count_value(appears);
            }
            if after < 0 {
                return Err(contradiction());
            }
            let mut bytes = Vec::new();
            encode_listed(after, listed.ordered_to, &listed.written, &mut bytes);
            view.put(space, key, (after > 0).then_some(bytes));
        }
        self.groups.retain(|_, group| !group.is_zero());
        let (keys, groups) = sorted(self.groups);
        let stored = view.get_many(space, &keys)?;
        for ((key, change), stored) in keys.into_iter().zip(groups).zip(stored) {
            let mut group = match stored {
                Some(bytes) => Group::decode(accumulator, &bytes)?,
                None => Group::empty(accumulator, change.key_length),
            };
            group.merge(&change);
            let possible = group.rows > 0 && group.totals.iter().all(Total::is_possible);
            if !possible && !group.is_zero() {
                return Err(contradiction());
            }
            let mut bytes = Vec::new();
            group.encode(accumulator, &mut bytes);
            view.put(space, key, possible.then_some(bytes));
        }
        Ok(())
    }
}

/// What a map has, in the order of its keys.
fn sorted<T>(map: KeyMap<T>) -> (Vec<Vec<u8>>, Vec<T>) {
    let mut entries: Vec<(Vec<u8>, T)> = map.into_iter().collect();
    entries.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    entries.into_iter().unzip()
}

/// Where the values of an aggregate of a group are listed; `entry` is the key of the group's totals.
pub(crate) fn values_prefix(entry: &[u8], place: usize) -> Vec<u8> {
    let group = entry.get(1..).unwrap_or_default();
    let mut prefix = Vec::with_capacity(group.len() + 24);
    prefix.push(VALUES);
    prefix.extend_from_slice(group);
    prefix.extend_from_slice(&u16::try_from(place).unwrap_or(u16::MAX).to_be_bytes());
    prefix
}

/// What a listed value is found and ordered by.
fn encode_listed_key(aggregate: &KeptAggregate, arguments: &[Value], entry: &mut Vec<u8>) -> Result<()> {
    if aggregate.upkeep != Upkeep::First {
        let mut pairs = aggregate.rules.iter().zip(arguments);
        return pairs.try_for_each(|(rule, argument)| rule.encode(argument, entry));
    }
    for ((rule, direction), argument) in aggregate.rules.iter().zip(&aggregate.directions).zip(arguments) {
        entry.push(match (argument.is_null(), direction.nulls_first) {
            (true, true) => 0,
            (false, _) => 1,
            (true, false) => 2,
        });
        let at = entry.len();
        rule.encode(argument, entry)?;
        if direction.descending {
            entry.iter_mut().skip(at).for_each(|byte| *byte = !*byte);
        }
    }
    Ok(())
}

/// Appends the bytes of an entry of a list.
pub(crate) fn encode_listed(count: i64, ordered_to: usize, written: &Row, bytes: &mut Vec<u8>) {
    let mut values = vec![Value::Int(count), Value::Int(ordered_to as i64)];
    values.extend(written.iter().cloned());
    row::encode(&values, bytes);
}

/// An entry of a list as it is stored.
pub(crate) struct Entry {
    /// How often the value occurs.
    pub(crate) count: i64,
    /// Where the key ends that orders it.
    pub(crate) ordered_to: usize,
    /// The value as it is written; nothing where it is only counted.
    pub(crate) written: Vec<Value>,
}

/// The entry of a list.
pub(crate) fn decode_listed(bytes: &[u8]) -> Result<Entry> {
    let mut values = row::decode(bytes)?.into_vec();
    let written = values.split_off(values.len().min(2));
    match values.as_slice() {
        [Value::Int(count), Value::Int(ordered_to)] => {
            Ok(Entry { count: *count, ordered_to: usize::try_from(*ordered_to).map_err(|_| damaged())?, written })
        }
        _ => Err(damaged()),
    }
}

fn output(row: &Row, place: usize) -> Result<&Value> {
    row.get(place).ok_or_else(|| Error::bug("a member row is too short"))
}

pub(crate) fn damaged() -> Error {
    Error::new(Class::Local, "the state is damaged: an accumulator does not decode")
        .with_hint("check the disk of the state folder, then rebuild the state with `strangler run --rebuild`")
}

fn contradiction() -> Error {
    Error::bug("an accumulator would hold fewer rows than none").with_hint("run with --rebuild: the groups are added up again")
}
