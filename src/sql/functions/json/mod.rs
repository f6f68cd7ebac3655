//! JSON out of and into strings: JSON_EXTRACT, `->`, `->>`, JSON_UNQUOTE, JSON_VALUE, JSON_VALID, JSON_LENGTH, JSON_DEPTH,
//! JSON_TYPE, JSON_KEYS, JSON_QUOTE, JSON_OBJECT, JSON_ARRAY, JSON_CONTAINS_PATH and JSON_EXISTS.
//!
//! MariaDB's JSON is text and keeps its tokens; MySQL's is a type with a normal form. A document that is not valid has no value
//! where the server would look into it: MariaDB reads broken documents as far as it needs to.

mod document;
mod path;
mod resolve;

pub use path::Path;
pub(super) use resolve::resolve;
pub(crate) use resolve::{makes_json, member_value};

use crate::error::Result;
use crate::sql::functions::{coerce, mismatch, no_value};
use crate::sql::query::Expr;
use crate::value::Value;
use document::{Form, Node};

/// A function of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the SQL function of its name")]
pub enum JsonFunction {
    Extract(Path),
    Value(Path),
    Unquote,
    Valid,
    Length(Path),
    Depth,
    Type,
    Keys(Path),
    Quote,
    Object,
    Array,
    ContainsPath { all: bool, paths: Vec<Path> },
}

/// A call with the rules of its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonCall {
    function: JsonFunction,
    /// MariaDB: tokens stay as written.
    is_written: bool,
    /// The document is a JSON column, whose text is in normal form already.
    is_normal: bool,
    /// For JSON_OBJECT and JSON_ARRAY: which arguments are JSON themselves.
    embedded: Vec<bool>,
}

/// The names this file types.
pub(super) const NAMES: [&str; 14] = [
    "JSON_EXTRACT",
    "JSON_VALUE",
    "JSON_UNQUOTE",
    "JSON_VALID",
    "JSON_LENGTH",
    "JSON_DEPTH",
    "JSON_TYPE",
    "JSON_KEYS",
    "JSON_QUOTE",
    "JSON_OBJECT",
    "JSON_ARRAY",
    "JSON_CONTAINS_PATH",
    "JSON_EXISTS",
    "->>",
];

/// MySQL's JSON_VALUE is a VARCHAR of this length; what is longer is NULL.
const VALUE_CHARACTERS_MAX: u32 = 512;

impl JsonFunction {
    /// Whether it follows a path.
    fn has_path(&self) -> bool {
        match self {
            Self::Extract(path) | Self::Value(path) | Self::Length(path) | Self::Keys(path) => !path.is_empty(),
            Self::ContainsPath { .. } => true,
            _ => false,
        }
    }
}

impl JsonCall {
    /// How the printed form treats tokens.
    fn form(&self) -> Form {
        match (self.is_written, self.is_normal) {
            (true, _) => Form::Written,
            (false, true) => Form::Printed,
            (false, false) => Form::Normal,
        }
    }

    /// Whether the result is text of `utf8mb4_bin` whatever its argument is.
    pub(super) fn is_coercible(&self) -> bool {
        matches!(self.function, JsonFunction::Unquote | JsonFunction::Quote | JsonFunction::Type)
            || (!self.is_written && matches!(self.function, JsonFunction::Value(_)))
    }

    /// Whether NULL arguments are values to it: it makes a document of them.
    pub(crate) fn takes_null(&self) -> bool {
        matches!(self.function, JsonFunction::Object | JsonFunction::Array)
    }
}

pub(super) fn call(call: &JsonCall, expr: &Expr, values: &[Value]) -> Result<Value> {
    if !call.takes_null() && values.iter().any(Value::is_null) {
        return Ok(Value::Null);
    }
    match &call.function {
        JsonFunction::Object | JsonFunction::Array => return assemble(call, expr, values),
        _ => {}
    }
    let Some(text) = values.first() else { return Err(mismatch("a JSON function")) };
    let text = coerce::text(text)?;
    let form = call.form();
    match &call.function {
        JsonFunction::Quote => {
            let mut out = String::with_capacity(text.len() + 2);
            refuse_control(text, expr)?;
            document::quote(text, &mut out);
            Ok(Value::text(out))
        }
        JsonFunction::Unquote => unquote(call, expr, text),
        JsonFunction::Valid => Ok(Value::Int(i64::from(valid(call, expr, text)?))),
        JsonFunction::Value(_) if !call.is_written && document::parse(text).is_none() => Ok(Value::Null),
        function => match read(call, expr, text)? {
            Some(document) => look(function, call, expr, &document, form),
            None => Ok(Value::Null),
        },
    }
}

/// MariaDB prints rare control characters with upper case digits and MySQL with lower case ones.
fn refuse_control(text: &str, expr: &Expr) -> Result<()> {
    let is_rare = |c: char| c < ' ' && !matches!(c, '\u{8}' | '\u{c}' | '\n' | '\r' | '\t');
    if text.contains(is_rare) {
        return Err(no_value(expr, "a string with a control character is quoted as JSON"));
    }
    Ok(())
}

fn valid(call: &JsonCall, expr: &Expr, text: &str) -> Result<bool> {
    const NESTING_SURE: usize = 30;
    let is_valid = document::parse(text).is_some();
    if !is_valid && call.is_written && document::is_nearly_valid(text) {
        return Err(no_value(expr, "a nearly valid JSON document, which MariaDB takes for a valid one in places"));
    }
    if !is_valid && text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() > NESTING_SURE {
        return Err(no_value(expr, "a JSON document that may nest deeper than servers agree on"));
    }
    Ok(is_valid)
}

/// The document; `None` where MariaDB makes NULL of a text that cannot be the beginning of one.
fn read<'t>(call: &JsonCall, expr: &Expr, text: &'t str) -> Result<Option<Node<'t>>> {
    if let Some(document) = document::parse(text) {
        return Ok(Some(document));
    }
    let first = text.trim_start_matches([' ', '\t', '\n', '\r']).bytes().next();
    let cannot_begin = first.is_none_or(|byte| !(byte.is_ascii_digit() || b"{[\"-tfn".contains(&byte)));
    if call.is_written && cannot_begin {
        return Ok(None);
    }
    Err(no_value(expr, "a string that is not valid JSON is read as JSON"))
}

fn look(function: &JsonFunction, call: &JsonCall, expr: &Expr, document: &Node<'_>, form: Form) -> Result<Value> {
    // Some of MariaDB's functions read an escaped key as it is written, others as what it stands for.
    if call.is_written && function.has_path() && document.has_escaped_key() {
        return Err(no_value(expr, "a JSON document with an escaped key is searched"));
    }
    let printed = |node: &Node<'_>| {
        let mut out = String::new();
        match node.print(form, &mut out) {
            Some(()) => Ok(Value::text(out)),
            None => Err(no_value(expr, "a JSON number with more digits than servers read alike")),
        }
    };
    match function {
        JsonFunction::Extract(path) => path::follow(document, path, form).map_or(Ok(Value::Null), printed),
        JsonFunction::Value(path) => match value_at(call, document, path, form) {
            None | Some(Node::Null) => Ok(Value::Null),
            Some(Node::String(inside)) => Ok(bounded(call, document::unescape(inside).unwrap_or_default())),
            Some(Node::True) if call.is_written => Ok(Value::text("1")),
            Some(Node::False) if call.is_written => Ok(Value::text("0")),
            Some(node) => match printed(node)? {
                Value::Text(text) => Ok(bounded(call, text.into())),
                other => Ok(other),
            },
        },
        JsonFunction::Length(path) => Ok(path::follow(document, path, form).map_or(Value::Null, |node| count(node.length(form)))),
        JsonFunction::Depth => Ok(count(document.depth(form))),
        JsonFunction::Type => type_of(call, expr, document),
        JsonFunction::Keys(path) => match path::follow(document, path, form).and_then(|node| node.keys(form)) {
            Some(keys) => printed(&Node::Array(keys.into_iter().map(Node::String).collect())),
            None => Ok(Value::Null),
        },
        JsonFunction::ContainsPath { all, paths } => {
            let mut found = paths.iter().map(|path| path::follow(document, path, form).is_some());
            Ok(Value::Int(i64::from(if *all { found.all(|found| found) } else { found.any(|found| found) })))
        }
        _ => Err(mismatch("a JSON function")),
    }
}

fn bounded(call: &JsonCall, text: String) -> Value {
    if !call.is_written && text.chars().count() > VALUE_CHARACTERS_MAX as usize { Value::Null } else { Value::text(text) }
}

fn count(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// What JSON_VALUE finds: MariaDB steps over arrays and objects.
fn value_at<'n, 'a>(call: &JsonCall, document: &'n Node<'a>, path: &Path, form: Form) -> Option<&'n Node<'a>> {
    let is_container = |node: &&Node<'_>| matches!(node, Node::Array(_) | Node::Object(_));
    path::follow_all(document, path, form).into_iter().find(|node| !(call.is_written && is_container(node)))
}

fn type_of(call: &JsonCall, expr: &Expr, document: &Node<'_>) -> Result<Value> {
    let name = match document {
        Node::Null => "NULL",
        Node::True | Node::False => "BOOLEAN",
        Node::Array(_) => "ARRAY",
        Node::Object(_) => "OBJECT",
        // A JSON column may hold decimals, dates and bytes, whose text looks like numbers and strings.
        Node::Number(_) | Node::String(_) if call.is_normal => {
            return Err(no_value(expr, "the type of a scalar in a JSON column, which its text does not tell"));
        }
        Node::String(_) => "STRING",
        Node::Number(text) if call.is_written => {
            if text.contains('.') {
                "DOUBLE"
            } else {
                "INTEGER"
            }
        }
        Node::Number(text) if text.contains(['.', 'e', 'E']) => "DOUBLE",
        Node::Number(text) if text.parse::<i64>().is_ok() => "INTEGER",
        Node::Number(text) => {
            if text.parse::<u64>().is_ok() {
                "UNSIGNED INTEGER"
            } else {
                "DOUBLE"
            }
        }
    };
    Ok(Value::text(name))
}

/// The characters of a JSON string; other JSON, and text that is no JSON string, stays as it is.
fn unquote(call: &JsonCall, expr: &Expr, text: &str) -> Result<Value> {
    let is_quoted = text.len() >= 2 && text.starts_with('"') && text.ends_with('"');
    if !is_quoted {
        let is_open = call.is_written && text.trim_start().starts_with('"');
        return if is_open { Err(no_value(expr, "JSON_UNQUOTE of a string with one quote")) } else { Ok(Value::text(text)) };
    }
    match document::parse(text) {
        Some(Node::String(inside)) => document::unescape(inside).map(Value::text).ok_or_else(|| mismatch("JSON_UNQUOTE")),
        _ => Err(no_value(expr, "JSON_UNQUOTE of a string between quotes that is not valid JSON")),
    }
}

fn assemble(call: &JsonCall, expr: &Expr, values: &[Value]) -> Result<Value> {
    let mut parts = Vec::with_capacity(values.len());
    for (place, value) in values.iter().enumerate() {
        let is_key = call.function == JsonFunction::Object && place % 2 == 0;
        if is_key && value.is_null() {
            return Err(no_value(expr, "a JSON object with a NULL key"));
        }
        let embedded = call.embedded.get(place).copied().unwrap_or(false);
        parts.push(member_text(expr, value, embedded)?);
    }
    let text = if call.function == JsonFunction::Array {
        format!("[{}]", parts.join(", "))
    } else {
        let members: Vec<String> = parts.chunks(2).map(|pair| pair.join(": ")).collect();
        format!("{{{}}}", members.join(", "))
    };
    if call.is_written || call.function == JsonFunction::Array {
        return Ok(Value::text(text));
    }
    // MySQL orders the keys and keeps the last of equal ones; the values are in normal form already.
    let Some(Node::Object(members)) = document::parse(&text) else { return Err(mismatch("JSON_OBJECT")) };
    let object = Node::Object(members);
    let keys = object.keys(Form::Normal).unwrap_or_default();
    let mut ordered = Vec::with_capacity(keys.len());
    for key in keys {
        let name = document::unescape(key).unwrap_or_default();
        let mut out = String::new();
        let printed = object.members(&name, Form::Normal).first().and_then(|member| member.print(Form::Printed, &mut out));
        printed.ok_or_else(|| mismatch("JSON_OBJECT"))?;
        ordered.push(format!("\"{key}\": {out}"));
    }
    Ok(Value::text(format!("{{{}}}", ordered.join(", "))))
}

fn member_text(expr: &Expr, value: &Value, embedded: bool) -> Result<String> {
    if let (Value::Text(text), false) = (value, embedded) {
        refuse_control(text, expr)?;
    }
    json_text(value, embedded)
}

/// A string between quotes, as both servers write it in JSON.
pub(crate) fn quoted_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    document::quote(text, &mut out);
    out
}

/// A value as a member of an array or object; `embedded` where it is JSON already.
///
/// # Errors
/// For values of types that the binder lets through nowhere.
pub(crate) fn json_text(value: &Value, embedded: bool) -> Result<String> {
    Ok(match value {
        Value::Null => "null".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Decimal(number) => number.to_string(),
        Value::Text(text) if embedded => (**text).to_owned(),
        Value::Text(text) => quoted_json(text),
        _ => return Err(mismatch("a JSON value")),
    })
}
