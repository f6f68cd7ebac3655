//! ROW_NUMBER, RANK, DENSE_RANK and DISTINCT ON: the rows of a SELECT, numbered within their partitions.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::derive::accumulated::read_firsts;
use crate::derive::group::{Ordered, ambiguous, settled_groups};
use crate::derive::rows::{Environment, Execution, Frame};
use crate::error::{Error, Result};
use crate::plan::Regrouped;
use crate::sql::evaluate::evaluate;
use crate::sql::ordering::order;
use crate::sql::query::{Numbering, NumberingFunction, Select};
use crate::value::key::encode_key;
use crate::value::{KeyKind, Value};

/// A row before it is shown: its combination and, in a grouped SELECT, its aggregates.
type Pending = (Environment, Vec<Value>);

/// The rows of a SELECT with numberings.
pub(crate) fn number_rows(execution: &Execution<'_>, select: &Select, outer: Environment) -> Result<Ordered> {
    if let (None, Some(numbering), Some(Regrouped::KeptUp(used))) =
        (&select.group_by, select.numberings.first(), execution.access(select).and_then(|access| access.regrouped.as_ref()))
        && let Some(firsts) = read_firsts(execution, select, used, &outer)?
    {
        firsts.iter().try_for_each(|rows| check_first(numbering, rows))?;
        return Ok(firsts.into_iter().flatten().collect());
    }
    let pending = match select.group_by {
        Some(_) => settled_groups(execution, select, outer)?,
        None => combinations(execution, select, outer)?,
    };
    let kinds = execution.access(select).map(|access| access.partition_kinds.as_slice()).unwrap_or_default();
    let mut numbers: Vec<Vec<u64>> = pending.iter().map(|_| Vec::with_capacity(select.numberings.len())).collect();
    for (index, numbering) in select.numberings.iter().enumerate() {
        let kinds = kinds.get(index).ok_or_else(|| Error::bug("a numbering has no planned kinds"))?;
        for (row, number) in number(execution, numbering, kinds, &pending)? {
            numbers.get_mut(row).ok_or_else(|| Error::bug("a number belongs to no row"))?.push(number);
        }
    }
    let mut shown = Ordered::new();
    for ((environment, aggregates), numbers) in pending.iter().zip(&numbers) {
        let kept = select.numberings.iter().zip(numbers).all(|(numbering, number)| !numbering.keeps_first || *number == 1);
        if kept {
            shown.push(Frame { numbers, aggregates, ..Frame::over(execution, environment) }.shown(select)?);
        }
    }
    Ok(shown)
}

/// Refuses to choose between several first rows where the source would number them.
fn check_first(numbering: &Numbering, rows: &Ordered) -> Result<()> {
    match (numbering.function, rows.as_slice()) {
        (NumberingFunction::RowNumber, [_, _, ..]) => Err(unordered(numbering)),
        _ => Ok(()),
    }
}

fn unordered(numbering: &Numbering) -> Error {
    ambiguous(&numbering.span, "rows that its ORDER BY does not tell apart, and numbers them")
}

fn combinations(execution: &Execution<'_>, select: &Select, outer: Environment) -> Result<Vec<Pending>> {
    let mut pending = Vec::new();
    execution.combinations(select, outer, &mut |environment| {
        pending.push((environment.clone(), Vec::new()));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(pending)
}

/// Every row with its number.
fn number(execution: &Execution<'_>, numbering: &Numbering, kinds: &[KeyKind], pending: &[Pending]) -> Result<Vec<(usize, u64)>> {
    let mut partitions: BTreeMap<Vec<u8>, Vec<(Vec<Value>, usize)>> = BTreeMap::new();
    for (row, (environment, aggregates)) in pending.iter().enumerate() {
        let frame = Frame { aggregates, ..Frame::over(execution, environment) };
        let parts = numbering.partition_by.iter().map(|part| evaluate(part, &frame)).collect::<Result<Vec<_>>>()?;
        let by = numbering.order_by.iter().map(|item| evaluate(&item.expr, &frame)).collect::<Result<Vec<_>>>()?;
        partitions.entry(encode_key(kinds, &parts)?).or_default().push((by, row));
    }
    let mut numbered = Vec::with_capacity(pending.len());
    for rows in partitions.into_values() {
        number_partition(numbering, rows, &mut numbered)?;
    }
    Ok(numbered)
}

fn number_partition(numbering: &Numbering, mut rows: Vec<(Vec<Value>, usize)>, numbered: &mut Vec<(usize, u64)>) -> Result<()> {
    let mut failure = None;
    rows.sort_by(|(left, _), (right, _)| {
        order(&numbering.order_by, left, right).unwrap_or_else(|error| {
            failure = Some(error);
            Ordering::Equal
        })
    });
    if let Some(error) = failure {
        return Err(error);
    }
    let (mut before, mut place, mut number): (Option<&[Value]>, u64, u64) = (None, 0, 0);
    for (values, row) in &rows {
        place += 1;
        let tie = before.map_or(Ok(false), |before| order(&numbering.order_by, before, values).map(Ordering::is_eq))?;
        number = match (numbering.function, tie) {
            (NumberingFunction::RowNumber, true) => {
                return Err(unordered(numbering));
            }
            (NumberingFunction::RowNumber | NumberingFunction::Rank, false) => place,
            (NumberingFunction::DenseRank, false) => number + 1,
            (NumberingFunction::Rank | NumberingFunction::DenseRank, true) => number,
        };
        numbered.push((*row, number));
        before = Some(values);
    }
    Ok(())
}
