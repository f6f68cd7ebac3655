//! Operators and functions of JSON: what looks into a value, and what builds one.

use super::input;
use super::json::{Node, canonical, ordered, print, quote, read};
use super::kind::Kind::{self, Int4, Json, Jsonb, Text};
use super::output;
use super::routine::{Arguments, Compute, Fault, Routine, WRONG};
use crate::value::Value;

const fn row(name: &'static str, arguments: &'static [Kind], result: Kind, compute: Compute) -> Routine {
    Routine { name, arguments, result, strict: true, compute: Some(compute) }
}

const fn absent(name: &'static str, arguments: &'static [Kind], result: Kind) -> Routine {
    Routine { name, arguments, result, strict: true, compute: None }
}

/// The rows.
pub static ROWS: &[Routine] = &[
    row("->", &[Json, Text], Json, |a| inside(a, false, false)),
    row("->", &[Json, Int4], Json, |a| inside(a, false, false)),
    row("->", &[Jsonb, Text], Jsonb, |a| inside(a, true, false)),
    row("->", &[Jsonb, Int4], Jsonb, |a| inside(a, true, false)),
    row("->>", &[Json, Text], Text, |a| inside(a, false, true)),
    row("->>", &[Json, Int4], Text, |a| inside(a, false, true)),
    row("->>", &[Jsonb, Text], Text, |a| inside(a, true, true)),
    row("->>", &[Jsonb, Int4], Text, |a| inside(a, true, true)),
    row("#>", &[Json, Kind::TextArray], Json, |a| along(a, false, false)),
    row("#>", &[Jsonb, Kind::TextArray], Jsonb, |a| along(a, true, false)),
    row("#>>", &[Json, Kind::TextArray], Text, |a| along(a, false, true)),
    row("#>>", &[Jsonb, Kind::TextArray], Text, |a| along(a, true, true)),
    row("?", &[Jsonb, Text], Kind::Bool, |a| {
        let key = a.text(1)?;
        Ok(Value::Bool(match read(a.text(0)?)? {
            Node::Object(members) => members.iter().any(|(name, _, _)| name == key),
            Node::Array(elements) => elements.iter().any(|(element, _)| matches!(element, Node::String(text) if text == key)),
            Node::String(text) => text == key,
            _ => false,
        }))
    }),
    row("@>", &[Jsonb, Jsonb], Kind::Bool, |a| Ok(Value::Bool(contains(&read(a.text(0)?)?, &read(a.text(1)?)?, true)))),
    row("<@", &[Jsonb, Jsonb], Kind::Bool, |a| Ok(Value::Bool(contains(&read(a.text(1)?)?, &read(a.text(0)?)?, true)))),
    row("json_typeof", &[Json], Text, type_name),
    row("jsonb_typeof", &[Jsonb], Text, type_name),
    row("json_array_length", &[Json], Int4, array_length),
    row("jsonb_array_length", &[Jsonb], Int4, array_length),
    row("jsonb_strip_nulls", &[Jsonb], Jsonb, |a| {
        let mut out = String::new();
        print(&stripped(read(a.text(0)?)?), &mut out)?;
        Ok(Value::text(out))
    }),
    absent("json_strip_nulls", &[Json], Json),
    row("to_jsonb", &[Kind::Any], Jsonb, |a| Ok(Value::text(canonical(&scalar(a, 0)?)?))),
    row("to_json", &[Kind::Any], Json, |a| Ok(Value::text(scalar(a, 0)?))),
    absent("jsonb_pretty", &[Jsonb], Text),
];

/// Constructors and paths with any number of arguments.
pub static VARIADIC: &[Routine] = &[
    Routine {
        name: "json_build_object",
        arguments: &[Kind::Any],
        result: Json,
        strict: false,
        compute: Some(|a| built_object(a, " : ").map(Value::text)),
    },
    Routine {
        name: "jsonb_build_object",
        arguments: &[Kind::Any],
        result: Jsonb,
        strict: false,
        compute: Some(|a| Ok(Value::text(canonical(&built_object(a, ": ")?)?))),
    },
    Routine {
        name: "json_build_array",
        arguments: &[Kind::Any],
        result: Json,
        strict: false,
        compute: Some(|a| built_array(a).map(Value::text)),
    },
    Routine {
        name: "jsonb_build_array",
        arguments: &[Kind::Any],
        result: Jsonb,
        strict: false,
        compute: Some(|a| Ok(Value::text(canonical(&built_array(a)?)?))),
    },
    Routine {
        name: "json_extract_path",
        arguments: &[Json, Text],
        result: Json,
        strict: true,
        compute: Some(|a| path(a, false, false)),
    },
    Routine {
        name: "jsonb_extract_path",
        arguments: &[Jsonb, Text],
        result: Jsonb,
        strict: true,
        compute: Some(|a| path(a, true, false)),
    },
    Routine {
        name: "json_extract_path_text",
        arguments: &[Json, Text],
        result: Text,
        strict: true,
        compute: Some(|a| path(a, false, true)),
    },
    Routine {
        name: "jsonb_extract_path_text",
        arguments: &[Jsonb, Text],
        result: Text,
        strict: true,
        compute: Some(|a| path(a, true, true)),
    },
];

/// A part of a value: as JSON in the text as written (`json`) or canonical (`jsonb`), or as text.
fn shown(part: Option<(Node, String)>, binary: bool, as_text: bool) -> Result<Value, Fault> {
    Ok(match part {
        None => Value::Null,
        Some((Node::Null, _)) if as_text => Value::Null,
        Some((Node::String(text), _)) if as_text => Value::text(text),
        Some((node, _)) if binary => {
            let mut out = String::new();
            print(&node, &mut out)?;
            Value::text(out)
        }
        Some((_, written)) => Value::text(written),
    })
}

fn member(node: Node, key: &str) -> Option<(Node, String)> {
    match node {
        // The last of equal keys counts.
        Node::Object(members) => {
            members.into_iter().rev().find(|(name, _, _)| name == key).map(|(_, node, written)| (node, written))
        }
        _ => None,
    }
}

fn element(node: Node, index: i64) -> Option<(Node, String)> {
    let Node::Array(elements) = node else { return None };
    let index = if index < 0 { elements.len() as i64 + index } else { index };
    elements.into_iter().nth(usize::try_from(index).ok()?)
}

fn inside(a: &Arguments<'_>, binary: bool, as_text: bool) -> Result<Value, Fault> {
    let node = read(a.text(0)?)?;
    let part = match a.get(1) {
        Value::Text(key) => member(node, key),
        // A scalar in jsonb is kept as an array of one.
        Value::Int(0 | -1) if binary && !matches!(node, Node::Array(_) | Node::Object(_)) => Some((node, String::new())),
        Value::Int(index) => element(node, *index),
        _ => return Err(WRONG),
    };
    shown(part, binary, as_text)
}

fn step(node: Node, key: &str) -> Option<(Node, String)> {
    match node {
        Node::Array(_) => element(node, key.trim().parse().ok()?),
        other => member(other, key),
    }
}

fn follow(text: &str, keys: &[Option<String>]) -> Result<Option<(Node, String)>, Fault> {
    let mut at = (read(text)?, text.trim_matches([' ', '\t', '\n', '\r']).to_owned());
    for key in keys {
        let Some(next) = key.as_ref().and_then(|key| step(at.0, key)) else { return Ok(None) };
        at = next;
    }
    Ok(Some(at))
}

fn along(a: &Arguments<'_>, binary: bool, as_text: bool) -> Result<Value, Fault> {
    let keys = super::array::read(a.text(1)?)?.elements;
    shown(follow(a.text(0)?, &keys)?, binary, as_text)
}

fn path(a: &Arguments<'_>, binary: bool, as_text: bool) -> Result<Value, Fault> {
    let keys = (1..a.values.len()).map(|index| a.text(index).map(|key| Some(key.to_owned()))).collect::<Result<Vec<_>, _>>()?;
    shown(follow(a.text(0)?, &keys)?, binary, as_text)
}

fn type_name(a: &Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::text(match read(a.text(0)?)? {
        Node::Null => "null",
        Node::Bool(_) => "boolean",
        Node::Number(_) => "number",
        Node::String(_) => "string",
        Node::Array(_) => "array",
        Node::Object(_) => "object",
    }))
}

fn array_length(a: &Arguments<'_>) -> Result<Value, Fault> {
    match read(a.text(0)?)? {
        Node::Array(elements) => i64::try_from(elements.len()).map(Value::Int).map_err(|_| WRONG),
        _ => Err("cannot get array length of a non-array"),
    }
}

fn stripped(node: Node) -> Node {
    match node {
        Node::Object(members) => {
            let kept = members.into_iter().filter(|(_, value, _)| *value != Node::Null);
            Node::Object(kept.map(|(key, value, written)| (key, stripped(value), written)).collect())
        }
        Node::Array(elements) => {
            Node::Array(elements.into_iter().map(|(element, written)| (stripped(element), written)).collect())
        }
        other => other,
    }
}

/// `left @> right`; at the top, an array contains a scalar that is one of its elements.
fn contains(left: &Node, right: &Node, top: bool) -> bool {
    match (left, right) {
        (Node::Object(left), Node::Object(right)) => ordered(right)
            .into_iter()
            .all(|(key, value)| ordered(left).into_iter().any(|(name, found)| name == key && contains(found, value, false))),
        (Node::Array(left), Node::Array(right)) => {
            right.iter().all(|(wanted, _)| left.iter().any(|(found, _)| contains(found, wanted, false)))
        }
        (Node::Array(left), scalar) if top && !matches!(scalar, Node::Object(_)) => left.iter().any(|(found, _)| found == scalar),
        (Node::Number(left), Node::Number(right)) => match (input::numeric(left), input::numeric(right)) {
            (Ok(Value::Decimal(left)), Ok(Value::Decimal(right))) => left.compare(&right).is_eq(),
            _ => false,
        },
        _ => left == right,
    }
}

/// An argument as JSON: numbers and booleans bare, JSON as it is, everything else as a string of its printed form.
fn scalar(a: &Arguments<'_>, index: usize) -> Result<String, Fault> {
    let data_type = a.types.get(index).copied().ok_or(WRONG)?;
    of_value(a.get(index), data_type, a.call)
}

/// A value of a type as JSON.
///
/// # Errors
/// A type whose JSON form is not carried.
pub fn of_value(value: &Value, data_type: &crate::schema::DataType, call: &super::routine::Call) -> Result<String, Fault> {
    if value.is_null() {
        return Ok("null".to_owned());
    }
    let kind = Kind::of(data_type);
    let printed = match kind {
        Kind::Json | Kind::Jsonb => return output::text(value, data_type, call),
        Kind::Bool => return Ok(if *value == Value::Bool(true) { "true" } else { "false" }.to_owned()),
        Kind::Array | Kind::TextArray => return Err("the JSON form of an array is not carried"),
        // ISO 8601 with a T, unlike the text form.
        Kind::Timestamp | Kind::TimestampTz => output::text(value, data_type, call)?.replacen(' ', "T", 1),
        _ => output::text(value, data_type, call)?,
    };
    let is_number = matches!(kind, Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Numeric | Kind::Float4 | Kind::Float8);
    if is_number && !printed.ends_with(['N', 'y']) {
        return Ok(printed);
    }
    if kind == Kind::TimestampTz && !printed.ends_with("BC") && !printed.ends_with('y') {
        // The offset always has its minutes here.
        let short =
            printed.len() >= 3 && printed.as_bytes().get(printed.len() - 3).is_some_and(|sign| matches!(sign, b'+' | b'-'));
        let mut out = String::new();
        quote(&if short { printed + ":00" } else { printed }, &mut out);
        return Ok(out);
    }
    let mut out = String::new();
    quote(&printed, &mut out);
    Ok(out)
}

fn built_object(a: &Arguments<'_>, colon: &str) -> Result<String, Fault> {
    if a.values.len() % 2 == 1 {
        return Err("argument list must have even number of elements");
    }
    let mut members = Vec::new();
    for index in (0..a.values.len()).step_by(2) {
        if a.get(index).is_null() {
            return Err("null value not allowed for object key");
        }
        let mut key = String::new();
        quote(&output::text(a.get(index), a.types.get(index).ok_or(WRONG)?, a.call)?, &mut key);
        members.push(format!("{key}{colon}{}", scalar(a, index + 1)?));
    }
    Ok(format!("{{{}}}", members.join(", ")))
}

fn built_array(a: &Arguments<'_>) -> Result<String, Fault> {
    let elements = (0..a.values.len()).map(|index| scalar(a, index)).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("[{}]", elements.join(", ")))
}
