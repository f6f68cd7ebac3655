//! `(start, end) OVERLAPS (start, end)`, after `overlaps_timestamp`: the ends may be given in either order, and a missing one leaves a point.

use std::cmp::Ordering;

use super::kind::Kind::{self, Bool, Interval as Span, Time as Clock, Timestamp, TimestampTz};
use super::routine::{Arguments, Compute, Fault, Routine, WRONG};
use super::times::{later, later_in_zone};
use crate::value::Value;

const fn row(arguments: &'static [Kind], compute: Compute) -> Routine {
    Routine { name: "overlaps", arguments, result: Bool, strict: false, compute: Some(compute) }
}

const fn absent(arguments: &'static [Kind]) -> Routine {
    Routine { name: "overlaps", arguments, result: Bool, strict: false, compute: None }
}

/// The rows.
pub static ROWS: &[Routine] = &[
    row(&[Timestamp, Timestamp, Timestamp, Timestamp], overlap),
    row(&[Timestamp, Span, Timestamp, Span], overlap),
    row(&[Timestamp, Timestamp, Timestamp, Span], overlap),
    row(&[Timestamp, Span, Timestamp, Timestamp], overlap),
    row(&[TimestampTz, TimestampTz, TimestampTz, TimestampTz], overlap),
    row(&[TimestampTz, Span, TimestampTz, Span], overlap),
    row(&[TimestampTz, TimestampTz, TimestampTz, Span], overlap),
    row(&[TimestampTz, Span, TimestampTz, TimestampTz], overlap),
    row(&[Clock, Clock, Clock, Clock], overlap),
    absent(&[Clock, Span, Clock, Span]),
    absent(&[Clock, Clock, Clock, Span]),
    absent(&[Clock, Span, Clock, Clock]),
];

fn overlap(a: &Arguments<'_>) -> Result<Value, Fault> {
    let (Some(one), Some(two)) = (period(a, 0)?, period(a, 2)?) else { return Ok(Value::Null) };
    let unknown = |end: &Option<Value>, otherwise| if end.is_none() { Value::Null } else { Value::Bool(otherwise) };
    // The later one begins before the earlier one ends, or nobody knows where that is.
    let begins_inside = |(first, end): (&Value, &Option<Value>), other: &Option<Value>| match end {
        None => Ok(Value::Null),
        Some(end) if order(first, end)? == Ordering::Less => Ok(Value::Bool(true)),
        Some(_) => Ok(unknown(other, false)),
    };
    match order(&one.0, &two.0)? {
        Ordering::Greater => begins_inside((&one.0, &two.1), &one.1),
        Ordering::Less => begins_inside((&two.0, &one.1), &two.1),
        Ordering::Equal if one.1.is_none() || two.1.is_none() => Ok(Value::Null),
        Ordering::Equal => Ok(Value::Bool(true)),
    }
}

/// The earlier end and the later one, if both are known; `None`: neither is.
fn period(a: &Arguments<'_>, first: usize) -> Result<Option<(Value, Option<Value>)>, Fault> {
    let start = a.get(first);
    let end = match (start, a.get(first + 1)) {
        (Value::Null, Value::Interval(_)) => Value::Null,
        (Value::DateTime(at), Value::Interval(by)) if a.call.routine.arguments.first() == Some(&TimestampTz) => {
            later_in_zone(a, *at, *by)?
        }
        (Value::DateTime(at), Value::Interval(by)) => Value::DateTime(later(*at, *by)?),
        (_, end) => end.clone(),
    };
    Ok(match (start, end) {
        (Value::Null, Value::Null) => None,
        (Value::Null, end) => Some((end, None)),
        (start, Value::Null) => Some((start.clone(), None)),
        (start, end) if order(start, &end)? == Ordering::Greater => Some((end, Some(start.clone()))),
        (start, end) => Some((start.clone(), Some(end))),
    })
}

fn order(left: &Value, right: &Value) -> Result<Ordering, Fault> {
    match (left, right) {
        (Value::DateTime(left), Value::DateTime(right)) => Ok(left.cmp(right)),
        (Value::Time(left), Value::Time(right)) => Ok(left.0.cmp(&right.0)),
        _ => Err(WRONG),
    }
}
