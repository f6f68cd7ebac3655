//! Result types of the JSON functions, and which documents, paths and values they take.

use super::{JsonCall, JsonFunction, Path, VALUE_CHARACTERS_MAX, path};
use crate::schema::DataType;
use crate::sql::functions::text_resolve::{character_text, made_up};
use crate::sql::functions::{Function, arity, take};
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::{BOOLEAN, Refusal, TypeContext, constant, node, temporal_fraction, to_text, traits, type_name};
use crate::value::Value;

pub(crate) fn resolve(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    match name {
        "->>" => {
            let extracted = resolve("JSON_EXTRACT", arguments, span.clone(), context)?;
            resolve("JSON_UNQUOTE", vec![extracted], span, context)
        }
        "JSON_OBJECT" | "JSON_ARRAY" => build(name, arguments, span, context),
        "JSON_QUOTE" => {
            let [text] = take(name, arguments)?;
            if !matches!(text.data_type, DataType::Text { .. } | DataType::Enum { .. } | DataType::Set { .. }) {
                return Err(Refusal::new(format!("JSON_QUOTE of {}", type_name(&text.data_type)), "give it a string"));
            }
            let text = character_text(text, context)?;
            Ok(call_node(JsonFunction::Quote, vec![text], text_type(), false, span, context))
        }
        "JSON_UNQUOTE" => {
            let [text] = take(name, arguments)?;
            let text = json_document(name, text, context)?;
            Ok(call_node(JsonFunction::Unquote, vec![text], text_type(), false, span, context))
        }
        "JSON_CONTAINS_PATH" => contains_path(arguments, span, context),
        "JSON_EXISTS" if context.is_mariadb() => {
            let [document, path] = take(name, arguments)?;
            let function = JsonFunction::ContainsPath { all: false, paths: vec![constant_path(&path)?] };
            let document = json_document(name, document, context)?;
            Ok(call_node(function, vec![document], BOOLEAN, true, span, context))
        }
        "JSON_EXISTS" => Err(Refusal::new("JSON_EXISTS is not a function of this source", "use JSON_CONTAINS_PATH")),
        _ => inspect(name, arguments, span, context),
    }
}

/// Functions of a document and, most of them, a path.
fn inspect(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let needs_path = matches!(name, "JSON_EXTRACT" | "JSON_VALUE");
    let takes_path = needs_path || matches!(name, "JSON_LENGTH" | "JSON_KEYS");
    if name == "JSON_EXTRACT" && arguments.len() > 2 {
        return Err(Refusal::new("JSON_EXTRACT of several paths, which servers order differently", "extract one path at a time"));
    }
    arity(name, &arguments, (1 + usize::from(needs_path))..=(1 + usize::from(takes_path)))?;
    let mut arguments = arguments.into_iter();
    let (Some(document), path) = (arguments.next(), arguments.next()) else {
        return Err(Refusal::new(format!("{name} takes a document"), ""));
    };
    if name == "JSON_VALID" && !matches!(document.data_type, DataType::Json | DataType::Text { .. } | DataType::Null) {
        return Err(Refusal::new(format!("JSON_VALID of {}", type_name(&document.data_type)), "give it a string"));
    }
    let path = path.as_ref().map(constant_path).transpose()?.unwrap_or_default();
    let document = json_document(name, document, context)?;
    let (function, data_type, nullable) = match name {
        "JSON_EXTRACT" => (JsonFunction::Extract(path), json_type(&document, context), true),
        "JSON_VALUE" => (JsonFunction::Value(path), value_type(&document, context), true),
        "JSON_VALID" => (JsonFunction::Valid, BOOLEAN, false),
        "JSON_LENGTH" => (JsonFunction::Length(path), BOOLEAN, true),
        "JSON_DEPTH" => (JsonFunction::Depth, BOOLEAN, true),
        "JSON_TYPE" => (JsonFunction::Type, made_up(if context.is_mariadb() { 12 } else { 16 }, context), true),
        _ => (JsonFunction::Keys(path), json_type(&document, context), true),
    };
    Ok(call_node(function, vec![document], data_type, nullable, span, context))
}

fn call_node(
    function: JsonFunction,
    arguments: Vec<Expr>,
    data_type: DataType,
    nullable: bool,
    span: Span,
    context: &TypeContext<'_>,
) -> Expr {
    let nullable = nullable || arguments.iter().any(|argument| argument.nullable);
    let is_normal = arguments.first().is_some_and(|document| document.data_type == DataType::Json);
    let call = JsonCall { function, is_written: context.is_mariadb(), is_normal, embedded: Vec::new() };
    node(ExprKind::Call { function: Function::Json(call), arguments }, data_type, nullable, span)
}

/// A document: a JSON column or expression, or a string.
fn json_document(name: &str, document: Expr, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    match &document.data_type {
        DataType::Json => Ok(document),
        DataType::Text { charset, .. } if charset.starts_with("utf8") => Ok(document),
        DataType::Null => to_text(document, context),
        other => Err(Refusal::new(format!("{name} of {}", type_name(other)), "give it a JSON document or a utf8mb4 string")),
    }
}

fn text_type() -> DataType {
    DataType::Text { length: None, fixed: false, charset: "utf8mb4".to_owned(), collation: "utf8mb4_bin".to_owned() }
}

/// JSON as a type of the source: MariaDB's is the string type of its document.
fn json_type(document: &Expr, context: &TypeContext<'_>) -> DataType {
    if !context.is_mariadb() {
        return DataType::Json;
    }
    let own = traits(document, context);
    DataType::Text { length: None, fixed: false, charset: own.charset, collation: own.collation }
}

fn value_type(document: &Expr, context: &TypeContext<'_>) -> DataType {
    if context.is_mariadb() {
        return json_type(document, context);
    }
    let (charset, collation) = ("utf8mb4".to_owned(), "utf8mb4_0900_bin".to_owned());
    DataType::Text { length: Some(VALUE_CHARACTERS_MAX), fixed: false, charset, collation }
}

fn constant_path(path: &Expr) -> Result<Path, Refusal> {
    match constant(path) {
        Some(Value::Text(text)) => path::parse(text),
        _ => Err(Refusal::new("a JSON path that is not a constant", "write it as a string, e.g. '$.key'")),
    }
}

fn contains_path(arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    arity("JSON_CONTAINS_PATH", &arguments, 3..=usize::MAX)?;
    let mut arguments = arguments.into_iter();
    let (Some(document), Some(mode)) = (arguments.next(), arguments.next()) else {
        return Err(Refusal::new("JSON_CONTAINS_PATH takes a document, 'one' or 'all', and paths", ""));
    };
    let all = match constant(&mode) {
        Some(Value::Text(mode)) if mode.eq_ignore_ascii_case("all") => true,
        Some(Value::Text(mode)) if mode.eq_ignore_ascii_case("one") => false,
        _ => return Err(Refusal::new("JSON_CONTAINS_PATH takes 'one' or 'all'", "")),
    };
    let paths = arguments.map(|path| constant_path(&path)).collect::<Result<Vec<_>, _>>()?;
    let document = json_document("JSON_CONTAINS_PATH", document, context)?;
    Ok(call_node(JsonFunction::ContainsPath { all, paths }, vec![document], BOOLEAN, true, span, context))
}

fn build(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let is_object = name == "JSON_OBJECT";
    if is_object && arguments.len() % 2 == 1 {
        return Err(Refusal::new("JSON_OBJECT takes pairs of a key and a value", ""));
    }
    let mut embedded = Vec::with_capacity(arguments.len());
    let mut parts = Vec::with_capacity(arguments.len());
    for (place, argument) in arguments.into_iter().enumerate() {
        let is_key = is_object && place % 2 == 0;
        if is_key {
            embedded.push(false);
            parts.push(character_text(argument, context)?);
            continue;
        }
        embedded.push(makes_json(&argument));
        parts.push(member_value(argument, context)?);
    }
    let data_type = if context.is_mariadb() { unbounded(made_up(0, context)) } else { DataType::Json };
    let function = if is_object { JsonFunction::Object } else { JsonFunction::Array };
    let call = JsonCall { function, is_written: context.is_mariadb(), is_normal: false, embedded };
    Ok(node(ExprKind::Call { function: Function::Json(call), arguments: parts }, data_type, false, span))
}

/// Whether an expression's text is JSON itself and goes in as it is.
pub(crate) fn makes_json(expr: &Expr) -> bool {
    let by_call = match &expr.kind {
        ExprKind::Call { function: Function::Json(call), .. } => {
            use JsonFunction as F;
            matches!(call.function, F::Extract(_) | F::Keys(_) | F::Object | F::Array)
        }
        _ => false,
    };
    by_call || expr.data_type == DataType::Json
}

/// A value of an object or array in a form whose letters both servers agree on.
pub(crate) fn member_value(expr: Expr, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let refuse = |what: &str, help: &str| Err(Refusal::new(format!("{what} becomes a JSON value"), help));
    if makes_json(&expr) {
        return Ok(expr);
    }
    let is_condition = matches!(
        expr.kind,
        ExprKind::Compare { .. }
            | ExprKind::And(_)
            | ExprKind::Or(_)
            | ExprKind::Not(_)
            | ExprKind::IsNull(_)
            | ExprKind::Exists(_)
    );
    let is_flag = matches!(constant(&expr), Some(Value::Int(0 | 1)));
    match &expr.data_type {
        _ if is_condition || is_flag => {
            refuse("a condition, or a constant 0 or 1,", "write IF(.., 'Y', 'N'), or a number such as 1.0")
        }
        DataType::Text { length: None, .. } if context.is_mariadb() => refuse(
            "a TEXT column, which may be JSON itself,",
            "write CAST(.. AS CHAR) for a string, or JSON_EXTRACT(.., '$') for JSON",
        ),
        DataType::Text { .. } | DataType::Enum { .. } | DataType::Set { .. } => character_text(expr, context),
        DataType::Integer { .. } | DataType::Decimal { .. } | DataType::Null => {
            crate::sql::types::printed::refuse_odd_json(&expr, context)?;
            Ok(crate::sql::types::settle(expr))
        }
        DataType::Date => to_text(expr, context),
        DataType::DateTime { .. } | DataType::Timestamp { .. } | DataType::Time { .. } => {
            if !context.is_mariadb() && temporal_fraction(&expr.data_type) < 6 {
                return refuse("a time, which MySQL prints with six digits,", "write CAST(.. AS CHAR)");
            }
            to_text(expr, context)
        }
        other => refuse(&type_name(other), "convert it with CAST(.. AS CHAR) or CAST(.. AS DECIMAL(p,s))"),
    }
}

/// A string type without a bound.
fn unbounded(data_type: DataType) -> DataType {
    match data_type {
        DataType::Text { fixed, charset, collation, .. } => DataType::Text { length: None, fixed, charset, collation },
        other => other,
    }
}
