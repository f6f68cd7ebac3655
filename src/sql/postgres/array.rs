//! Arrays in the text that PostgreSQL prints: read, written, and looked into.
//!
//! One dimension counted from one is read; other shapes are passed on as they are, and have no value where something looks inside.

use super::convert;
use super::kind::Kind::{self, Array, Int4, Text, TextArray};
use super::routine::{Arguments, Call, Compute, Fault, Routine, WRONG};
use crate::schema::DataType;
use crate::value::Value;

const BAD: Fault = "malformed array literal";
const SHAPE: Fault = "an array of several dimensions, or not counted from one, is not looked into";

/// The elements of an array as texts; `None` is NULL.
#[derive(Debug, PartialEq)]
pub struct Elements {
    /// In order.
    pub elements: Vec<Option<String>>,
}

/// Reads the text of an array of one dimension.
///
/// # Errors
/// It is none, or of another shape.
pub fn read(text: &str) -> Result<Elements, Fault> {
    let inner = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or(if text.starts_with('[') {
        SHAPE
    } else {
        BAD
    })?;
    let mut elements = Vec::new();
    let mut characters = inner.chars().peekable();
    if inner.trim().is_empty() {
        return Ok(Elements { elements });
    }
    loop {
        while characters.next_if(|character| character.is_ascii_whitespace()).is_some() {}
        let mut element = String::new();
        let mut kept = 0;
        let quoted = characters.next_if_eq(&'"').is_some();
        let mut escaped = false;
        let ended = loop {
            let Some(character) = characters.next() else {
                if quoted {
                    return Err(BAD);
                }
                break true;
            };
            match character {
                '\\' => {
                    element.push(characters.next().ok_or(BAD)?);
                    escaped = true;
                    kept = element.len();
                }
                '"' if quoted => {
                    while characters.next_if(|character| character.is_ascii_whitespace()).is_some() {}
                    match characters.next() {
                        None => break true,
                        Some(',') => break false,
                        Some(_) => return Err(BAD),
                    }
                }
                ',' if !quoted => break false,
                '{' | '}' if !quoted => return Err(SHAPE),
                '"' => return Err(BAD),
                other => {
                    element.push(other);
                    if !other.is_ascii_whitespace() {
                        kept = element.len();
                    }
                }
            }
        };
        if !quoted {
            element.truncate(kept);
            if element.is_empty() {
                return Err(BAD);
            }
        }
        let is_null = !quoted && !escaped && element.eq_ignore_ascii_case("null");
        elements.push((!is_null).then_some(element));
        if ended {
            return Ok(Elements { elements });
        }
    }
}

/// The text of an array as the server prints it.
#[must_use]
pub fn write(elements: &[Option<String>]) -> String {
    let one = |element: &Option<String>| {
        let Some(text) = element else { return "NULL".to_owned() };
        let special = |character: char| {
            matches!(character, '"' | '\\' | '{' | '}' | ',') || character.is_ascii_whitespace() || character == '\u{b}'
        };
        if !text.is_empty() && !text.eq_ignore_ascii_case("null") && !text.contains(special) {
            return text.clone();
        }
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    };
    format!("{{{}}}", elements.iter().map(one).collect::<Vec<_>>().join(","))
}

/// A literal as the array type prints it: every element read and printed as its type.
///
/// # Errors
/// It is no array, of another shape, or an element is none of its type.
pub fn normalised(text: &str, to: &DataType, call: &Call) -> Result<Value, Fault> {
    let DataType::Array { element } = to else { return Err(WRONG) };
    let text_type = DataType::Text { length: None, fixed: false, charset: "UTF8".into(), collation: String::new() };
    let read = read(text)?.elements.into_iter().map(|found| {
        let Some(found) = found else { return Ok(None) };
        let value = convert::convert(&Value::text(found), &text_type, element, call)?;
        super::output::text(&value, element, call).map(Some)
    });
    Ok(Value::text(write(&read.collect::<Result<Vec<_>, Fault>>()?)))
}

const fn row(name: &'static str, arguments: &'static [Kind], result: Kind, compute: Compute) -> Routine {
    Routine { name, arguments, result, strict: true, compute: Some(compute) }
}

/// The rows.
pub static ROWS: &[Routine] = &[
    row("array_length", &[Array, Int4], Int4, |a| {
        let length = elements(a, 0)?.len();
        Ok(if length == 0 || a.int(1)? != 1 { Value::Null } else { Value::Int(length as i64) })
    }),
    row("cardinality", &[Array], Int4, |a| Ok(Value::Int(elements(a, 0)?.len() as i64))),
    row("array_ndims", &[Array], Int4, |a| Ok(if elements(a, 0)?.is_empty() { Value::Null } else { Value::Int(1) })),
    row("array_lower", &[Array, Int4], Int4, |a| {
        Ok(if elements(a, 0)?.is_empty() || a.int(1)? != 1 { Value::Null } else { Value::Int(1) })
    }),
    row("array_upper", &[Array, Int4], Int4, |a| {
        let length = elements(a, 0)?.len();
        Ok(if length == 0 || a.int(1)? != 1 { Value::Null } else { Value::Int(length as i64) })
    }),
    row("array_to_string", &[Array, Text], Text, |a| joined(a, None)),
    Routine {
        name: "array_to_string",
        arguments: &[Array, Text, Text],
        result: Text,
        strict: false,
        compute: Some(|a| {
            let missing = a.get(0).is_null() || a.get(1).is_null();
            if missing { Ok(Value::Null) } else { joined(a, if a.get(2).is_null() { None } else { Some(a.text(2)?) }) }
        }),
    },
    Routine {
        name: "string_to_array",
        arguments: &[Text, Text],
        result: TextArray,
        strict: false,
        compute: Some(|a| parted(a, None)),
    },
    Routine {
        name: "string_to_array",
        arguments: &[Text, Text, Text],
        result: TextArray,
        strict: false,
        compute: Some(|a| parted(a, if a.get(2).is_null() { None } else { Some(a.text(2)?) })),
    },
];

fn elements(a: &Arguments<'_>, index: usize) -> Result<Vec<Option<String>>, Fault> {
    read(a.text(index)?).map(|read| read.elements)
}

fn joined(a: &Arguments<'_>, for_null: Option<&str>) -> Result<Value, Fault> {
    let parts = elements(a, 0)?;
    let shown: Vec<&str> = parts.iter().filter_map(|part| part.as_deref().or(for_null)).collect();
    Ok(Value::text(shown.join(a.text(1)?)))
}

fn parted(a: &Arguments<'_>, for_null: Option<&str>) -> Result<Value, Fault> {
    if a.get(0).is_null() {
        return Ok(Value::Null);
    }
    if a.get(1).is_null() {
        return Err("string_to_array without a delimiter takes characters apart, which is not carried");
    }
    let (text, separator) = (a.text(0)?, a.text(1)?);
    let parts: Vec<&str> = if text.is_empty() {
        Vec::new()
    } else if separator.is_empty() {
        vec![text]
    } else {
        text.split(separator).collect()
    };
    let parts: Vec<Option<String>> = parts.into_iter().map(|part| (Some(part) != for_null).then(|| part.to_owned())).collect();
    Ok(Value::text(write(&parts)))
}
