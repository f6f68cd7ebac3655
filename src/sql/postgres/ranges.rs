//! What looks into a range: its bounds, whether they belong to it, and whether it contains a value.
//!
//! A range is held as the text that the server prints; its bounds are read as values of the element type.

use std::cmp::Ordering;

use super::array_calls::ElementRule;
use super::compare;
use super::kind::Kind::{self, Any, Bool, Native};
use super::routine::{Arguments, Call, Compute, Fault, Routine, WRONG};
use super::{convert, input, output, typing};
use crate::schema::{DataType, SourceCatalog};
use crate::sql::functions::Function;
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::{Refusal, node};
use crate::value::Value;

const fn row(name: &'static str, arguments: &'static [Kind], result: Kind, compute: Compute) -> Routine {
    Routine { name, arguments, result, strict: true, compute: Some(compute) }
}

/// The rows, over the ranges of the server; [`call`] types them.
pub static ROWS: &[Routine] = &[
    row("lower", &[Native], Any, |a| bound(a, true)),
    row("upper", &[Native], Any, |a| bound(a, false)),
    row("isempty", &[Native], Bool, |a| Ok(Value::Bool(read(a.text(0)?)?.is_none()))),
    row("lower_inc", &[Native], Bool, |a| Ok(Value::Bool(read(a.text(0)?)?.is_some_and(|range| range.lower_inclusive)))),
    row("upper_inc", &[Native], Bool, |a| Ok(Value::Bool(read(a.text(0)?)?.is_some_and(|range| range.upper_inclusive)))),
    row("lower_inf", &[Native], Bool, |a| Ok(Value::Bool(read(a.text(0)?)?.is_some_and(|range| range.lower.is_none())))),
    row("upper_inf", &[Native], Bool, |a| Ok(Value::Bool(read(a.text(0)?)?.is_some_and(|range| range.upper.is_none())))),
    row("@>", &[Native, Any], Bool, |a| contains(a, 0, 1)),
    row("<@", &[Any, Native], Bool, |a| contains(a, 1, 0)),
];

/// The element type of a range of the server.
fn element(data_type: &DataType) -> Option<DataType> {
    let DataType::Native { name, .. } = data_type else { return None };
    Some(match name.as_str() {
        "int4range" => DataType::Integer { bits: 32, unsigned: false },
        "int8range" => DataType::Integer { bits: 64, unsigned: false },
        "numrange" => DataType::Numeric,
        "daterange" => DataType::Date,
        "tsrange" => DataType::DateTime { fraction: 6 },
        "tstzrange" => DataType::TimestampTz { fraction: 6 },
        _ => return None,
    })
}

/// A call of one of [`ROWS`]; `None` where no range is among the arguments, or the name is none of them.
pub fn call(name: &str, arguments: &[Expr], span: &Span, catalog: &SourceCatalog) -> Option<Result<Expr, Refusal>> {
    let place = arguments.iter().position(|argument| element(&argument.data_type).is_some())?;
    let kind_at = |routine: &&Routine| routine.arguments.get(place) == Some(&Native);
    let routine = ROWS.iter().filter(|row| row.name == name && row.arguments.len() == arguments.len()).find(kind_at)?;
    Some(typed(routine, place, arguments.to_vec(), span.clone(), catalog))
}

fn typed(
    routine: &'static Routine,
    place: usize,
    mut arguments: Vec<Expr>,
    span: Span,
    catalog: &SourceCatalog,
) -> Result<Expr, Refusal> {
    let element = arguments.get(place).and_then(|range| element(&range.data_type));
    let element = element.ok_or_else(|| Refusal::new("this is no range", "cast it"))?;
    let mut call = typing::conversion(catalog)?;
    call.routine = routine;
    if let Some(value) = arguments.iter_mut().enumerate().find(|(index, _)| *index != place).map(|(_, value)| value) {
        let kind = Kind::of(&value.data_type);
        // A literal would be read as a range, and the server converts no value to the type of the bounds.
        if kind != Kind::of(&element) {
            return Err(Refusal::new(
                "only whether a range contains a value is carried",
                "cast the value to the type of the bounds",
            ));
        }
        *value = typing::coerce(value.clone(), &element, catalog)?;
        let (_, kind) = compare::own_rule(value.clone(), true, catalog)?;
        call.elements = Some(std::sync::Arc::new(ElementRule::equality(kind)));
    }
    let (data_type, open) = match routine.result {
        Any => (element, true),
        _ => (DataType::Boolean, false),
    };
    let nullable = open || arguments.iter().any(|argument| argument.nullable);
    Ok(node(ExprKind::Call { function: Function::Postgres(Box::new(call)), arguments }, data_type, nullable, span))
}

/// The text of a range of instants with its bounds in UTC, as a target prints it; `None` for a text that is none.
#[must_use]
pub fn in_utc(text: &str) -> Option<String> {
    let call =
        Call { routine: &convert::CONVERT, zone: jiff::tz::TimeZone::UTC, ascii_case: true, elements: None, pattern: None };
    let instant = DataType::TimestampTz { fraction: 6 };
    let mut out = String::new();
    // Every other part stands between quotes; infinite bounds have none.
    for (index, part) in text.split('"').enumerate() {
        if index % 2 == 0 {
            out.push_str(part);
            continue;
        }
        let at = input::value(part, Kind::TimestampTz, &call).ok()?;
        out.push_str(&format!("\"{}\"", output::text(&at, &instant, &call).ok()?));
    }
    Some(out)
}

struct Range {
    lower: Option<String>,
    upper: Option<String>,
    lower_inclusive: bool,
    upper_inclusive: bool,
}

/// Reads the text of a range; `None`: it is empty.
fn read(text: &str) -> Result<Option<Range>, Fault> {
    const BAD: Fault = "malformed range literal";
    if text == "empty" {
        return Ok(None);
    }
    let lower_inclusive = text.starts_with('[');
    let upper_inclusive = text.ends_with(']');
    let inner = text.get(1..text.len().saturating_sub(1)).ok_or(BAD)?;
    // Bounds of these types have no comma and no quote inside.
    let (lower, upper) = inner.split_once(',').ok_or(BAD)?;
    let bound = |text: &str| (!text.is_empty()).then(|| text.trim_matches('"').to_owned());
    Ok(Some(Range { lower: bound(lower), upper: bound(upper), lower_inclusive, upper_inclusive }))
}

fn value(a: &Arguments<'_>, text: &str, index: usize) -> Result<Value, Fault> {
    let element = a.types.get(index).copied().and_then(element).ok_or(WRONG)?;
    let from = DataType::Text { length: None, fixed: false, charset: "UTF8".into(), collation: String::new() };
    convert::convert(&Value::text(text), &from, &element, a.call)
}

fn bound(a: &Arguments<'_>, lower: bool) -> Result<Value, Fault> {
    let bound = read(a.text(0)?)?.and_then(|range| if lower { range.lower } else { range.upper });
    bound.map_or(Ok(Value::Null), |bound| value(a, &bound, 0))
}

fn contains(a: &Arguments<'_>, range: usize, element: usize) -> Result<Value, Fault> {
    let Some(Range { lower, upper, lower_inclusive, upper_inclusive }) = read(a.text(range)?)? else {
        return Ok(Value::Bool(false));
    };
    let rule = a.call.elements.as_deref().ok_or(WRONG)?;
    let order = |bound: Option<String>| bound.map(|bound| rule.order(&value(a, &bound, range)?, a.get(element))).transpose();
    let (lower, upper) = (order(lower)?, order(upper)?);
    let above = lower.is_none_or(|order| order == Ordering::Less || (lower_inclusive && order == Ordering::Equal));
    let below = upper.is_none_or(|order| order == Ordering::Greater || (upper_inclusive && order == Ordering::Equal));
    Ok(Value::Bool(above && below))
}

#[cfg(test)]
mod tests {
    use super::in_utc;

    #[test]
    fn bounds_of_instants_are_told_in_utc() {
        let text = r#"{["2024-01-01 09:00:00.5+09","2024-03-10 03:00:00-03:30"),[infinity,)}"#;
        let utc = r#"{["2024-01-01 00:00:00.5+00","2024-03-10 06:30:00+00"),[infinity,)}"#;
        assert_eq!(in_utc(text).as_deref(), Some(utc));
        assert_eq!(in_utc("empty").as_deref(), Some("empty"));
        assert_eq!(in_utc(r#"["no time",)"#), None);
    }
}
