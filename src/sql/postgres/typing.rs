//! The types of expressions as PostgreSQL settles them: literals, casts, collations, common types and calls.

use std::sync::Arc;

use super::compare::behaviour;
use super::convert::{self, CONVERT};
use super::kind::{Kind, UNKNOWN};
use super::routine::{self, Call, Routine};
use super::{array_calls, ranges, regular, routines, variadic_routines, zone};
use crate::schema::{DataType, SourceCatalog};
use crate::sql::functions::Function;
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::{Refusal, node};
use crate::value::{Collation, Value};

/// The type of a literal that nothing has asked for yet.
fn unknown() -> DataType {
    DataType::Native { name: UNKNOWN.into(), declared: UNKNOWN.into() }
}

/// A string literal.
#[must_use]
pub fn literal_string(text: &str, span: Span) -> Expr {
    node(ExprKind::Literal(Value::text(text)), unknown(), false, span)
}

/// A number: integer if it fits, else bigint, else numeric.
///
/// # Errors
/// The digits are no number.
pub fn literal_number(digits: &str, span: Span) -> Result<Expr, Refusal> {
    let integer = |bits| DataType::Integer { bits, unsigned: false };
    let (value, data_type) = match digits.parse::<i64>() {
        Ok(number) if i32::try_from(number).is_ok() => (Value::Int(number), integer(32)),
        Ok(number) => (Value::Int(number), integer(64)),
        Err(_) => match super::input::numeric(digits) {
            Ok(number @ Value::Decimal(_)) => (number, DataType::Numeric),
            _ => return Err(Refusal::new("this number cannot be read", "write it with digits and a point")),
        },
    };
    Ok(node(ExprKind::Literal(value), data_type, false, span))
}

/// An expression with a type of its own: a literal that nothing asked for is text.
///
/// # Errors
/// As [`coerce`].
pub fn settle(expr: Expr, catalog: &SourceCatalog) -> Result<Expr, Refusal> {
    if Kind::of(&expr.data_type) != Kind::Unknown {
        return Ok(expr);
    }
    match Kind::Text.data_type(catalog) {
        Some(text) => coerce(expr, &text, catalog),
        None => Ok(expr),
    }
}

/// The settings of a call.
fn environment(routine: &'static Routine, collation: Option<&str>, catalog: &SourceCatalog) -> Result<Call, Refusal> {
    let folds = matches!(routine.name, "upper" | "lower" | "initcap" | "ilike");
    let name = collation.unwrap_or(&catalog.session.collation_connection);
    let behaviour = catalog.collations.get(name).and_then(Collation::postgres_behaviour);
    let character_type = behaviour.map_or("C", |behaviour| behaviour.character_type.as_str());
    if folds && character_type.is_empty() {
        return Err(Refusal::new(
            format!("{} under the ICU collation {name} is not carried exactly", routine.name),
            "write COLLATE \"C\" behind the argument if its letters are ASCII",
        ));
    }
    let session = &catalog.session.time_zone;
    let Some(zone) = zone::session(session) else {
        return Err(Refusal::new(
            format!("the session time zone {session} is not known here"),
            "give session.time_zone as a name such as Asia/Seoul",
        ));
    };
    Ok(Call { routine, zone, ascii_case: matches!(character_type, "C" | "POSIX"), elements: None, pattern: None })
}

/// The conversions of a session, for values that an aggregate prints.
///
/// # Errors
/// The session's time zone is not known here.
pub fn conversion(catalog: &SourceCatalog) -> Result<Call, Refusal> {
    environment(&CONVERT, None, catalog)
}

/// An expression as another type, with the conversion written out; the types must convert into each other.
///
/// # Errors
/// A literal that is none of the type.
pub fn coerce(expr: Expr, to: &DataType, catalog: &SourceCatalog) -> Result<Expr, Refusal> {
    if expr.data_type == *to {
        return Ok(expr);
    }
    let (from, kind) = (Kind::of(&expr.data_type), Kind::of(to));
    // A type without a length, scale or fraction holds the values of those that have one. A call computes what its type says, so that only
    // a conversion around it changes the type.
    let is_open = matches!(
        to,
        DataType::Text { length: None, fixed: false, .. }
            | DataType::Numeric
            | DataType::DateTime { fraction: 6 }
            | DataType::TimestampTz { fraction: 6 }
            | DataType::TimeOfDay { fraction: 6 }
    );
    if from == kind && is_open && !matches!(expr.kind, ExprKind::Call { .. }) {
        return Ok(Expr { data_type: to.clone(), ..expr });
    }
    let call = environment(&CONVERT, None, catalog)?;
    if let ExprKind::Literal(value) = &expr.kind
        && from == Kind::Unknown
    {
        let text = Kind::Text.data_type(catalog).unwrap_or(DataType::Null);
        let name = shown(to, kind);
        let value = convert::convert(value, &text, to, &call)
            .map_err(|fault| Refusal::new(format!("this literal is no {name}: {fault}"), "write a literal of that type"))?;
        return Ok(Expr { nullable: value.is_null(), kind: ExprKind::Literal(value), data_type: to.clone(), span: expr.span });
    }
    let (nullable, span) = (expr.nullable, expr.span.clone());
    // An infinite timestamp has no time of day.
    let nullable = nullable || (kind == Kind::Time && from != Kind::Interval);
    Ok(node(ExprKind::Call { function: Function::Postgres(Box::new(call)), arguments: vec![expr] }, to.clone(), nullable, span))
}

/// `CAST(expr AS to)`.
///
/// # Errors
/// The server has no such cast, or it is not carried.
pub fn cast(expr: Expr, to: &DataType, span: Span, catalog: &SourceCatalog) -> Result<Expr, Refusal> {
    let (from, kind) = (Kind::of(&expr.data_type), Kind::of(to));
    let is_amount = convert::is_money(&expr.data_type) && kind == Kind::Numeric;
    if !convert::is_castable(from, kind) && !is_amount && expr.data_type != *to {
        return Err(Refusal::new(
            format!("a cast from {} to {} is not carried", from.name(), kind.name()),
            "cast by way of a type that both convert to, or map the column itself",
        ));
    }
    // The length of a cast is applied even where the type stays the same.
    coerce(expr, to, catalog).map(|expr| Expr { span, ..expr })
}

/// The collation of strings that meet in one call; `None` where no string is among them.
///
/// # Errors
/// Two columns of different collations, which the server refuses as well.
pub(super) fn collation<'e>(
    arguments: impl IntoIterator<Item = &'e Expr>,
    catalog: &SourceCatalog,
) -> Result<Option<String>, Refusal> {
    let default = catalog.session.collation_connection.as_str();
    let mut found: Option<&str> = None;
    let mut explicit: Option<&str> = None;
    let mut clash = false;
    for argument in arguments {
        let DataType::Text { collation, .. } = &argument.data_type else { continue };
        if let ExprKind::Call { function: Function::Collate, .. } = &argument.kind {
            explicit = Some(collation);
        }
        match found {
            Some(other) if other != default && collation != default && other != collation => clash = true,
            Some(other) if other != default => {}
            _ => found = Some(collation),
        }
    }
    if explicit.is_none() && clash {
        return Err(Refusal::new(
            "two collations meet here, and the server cannot choose one",
            "write COLLATE \"C\" behind one of the two",
        ));
    }
    Ok(explicit.or(found).map(str::to_owned))
}

/// `expr COLLATE name`.
///
/// # Errors
/// The expression is no string, or the collation is not in the catalogue.
pub fn collate(expr: Expr, name: &str, span: Span, catalog: &SourceCatalog) -> Result<Expr, Refusal> {
    let expr = settle(expr, catalog)?;
    let DataType::Text { length, fixed, charset, .. } = expr.data_type.clone() else {
        return Err(Refusal::new("COLLATE belongs to a string", "remove it"));
    };
    if !catalog.collations.contains_key(name) && !matches!(name, "C" | "POSIX" | "ucs_basic") {
        return Err(Refusal::new(format!("the collation {name} is not known here"), "write COLLATE \"C\""));
    }
    let nullable = expr.nullable;
    let data_type = DataType::Text { length, fixed, charset, collation: name.to_owned() };
    Ok(node(ExprKind::Call { function: Function::Collate, arguments: vec![expr] }, data_type, nullable, span))
}

/// One type for several results: CASE, COALESCE, UNION and the like (`select_common_type`).
///
/// # Errors
/// Types of different categories.
pub fn unify(results: Vec<Expr>, catalog: &SourceCatalog) -> Result<(Vec<Expr>, DataType), Refusal> {
    let mut chosen: Option<Kind> = None;
    for result in &results {
        let kind = Kind::of(&result.data_type);
        chosen = match (chosen, kind) {
            (chosen, Kind::Unknown) => chosen,
            (None, kind) => Some(kind),
            (Some(before), kind) if before == kind => Some(before),
            (Some(before), kind) if before.category() != kind.category() => {
                return Err(Refusal::new(
                    format!("the types {} and {} cannot be matched", before.name(), kind.name()),
                    "cast the results to one type",
                ));
            }
            (Some(before), kind) if !before.is_preferred() && before.becomes(kind) && !kind.becomes(before) => Some(kind),
            (before, _) => before,
        };
    }
    let kind = chosen.unwrap_or(Kind::Text);
    let mut typed = results.iter().filter(|result| Kind::of(&result.data_type) != Kind::Unknown).map(|result| &result.data_type);
    let first = typed.next().cloned();
    let data_type = match first {
        // A length survives where all agree on it.
        Some(first) if typed.all(|other| *other == first) && results.iter().all(|result| !is_literal_text(result)) => first,
        Some(first) if matches!(kind, Kind::Enum | Kind::Native | Kind::Array | Kind::TextArray) => first,
        _ => match kind.data_type(catalog) {
            Some(DataType::Text { length, fixed, charset, .. }) => {
                let collation = collation(&results, catalog)?.unwrap_or_else(|| catalog.session.collation_connection.clone());
                DataType::Text { length, fixed, charset, collation }
            }
            Some(data_type) => data_type,
            None => return Err(Refusal::new("these results have no common type", "cast them to one type")),
        },
    };
    let converted = results.into_iter().map(|result| coerce(result, &data_type, catalog)).collect::<Result<Vec<_>, _>>()?;
    Ok((converted, data_type))
}

/// A literal becomes text without a length, so no length survives beside it.
fn is_literal_text(expr: &Expr) -> bool {
    Kind::of(&expr.data_type) == Kind::Unknown && !matches!(expr.kind, ExprKind::Literal(Value::Null))
}

/// A function or an operator by name.
///
/// # Errors
/// As [`routine::choose`].
pub fn resolve(
    name: &str,
    arguments: Vec<Expr>,
    is_operator: bool,
    span: Span,
    catalog: &SourceCatalog,
) -> Result<Expr, Refusal> {
    if let Some(over_a_range) = ranges::call(name, &arguments, &span, catalog) {
        return over_a_range;
    }
    if let Some(routine) = variadic_routines().find(|routine| routine.name == name) {
        return variadic(routine, arguments, span, catalog);
    }
    let candidates: Vec<&'static Routine> = routines().filter(|routine| routine.name == name).collect();
    let kinds: Vec<Kind> = arguments.iter().map(|argument| Kind::of(&argument.data_type)).collect();
    let routine = routine::choose(name, &candidates, &kinds, is_operator)?;
    if array_calls::is_typed_here(routine) {
        return array_calls::call(routine, arguments, span, catalog);
    }
    let arguments = arguments
        .into_iter()
        .zip(routine.arguments)
        .map(|(argument, wanted)| parameter(argument, *wanted, catalog))
        .collect::<Result<Vec<_>, _>>()?;
    called(routine, arguments, span, catalog)
}

fn parameter(argument: Expr, wanted: Kind, catalog: &SourceCatalog) -> Result<Expr, Refusal> {
    match wanted {
        Kind::Any | Kind::Element => settle(argument, catalog),
        Kind::Array if Kind::of(&argument.data_type) != Kind::Unknown => Ok(argument),
        _ if Kind::of(&argument.data_type) == wanted => Ok(argument),
        _ => match wanted.data_type(catalog) {
            Some(data_type) => coerce(argument, &data_type, catalog),
            None => Err(Refusal::new(format!("a literal cannot be {} here", wanted.name()), "cast it to its type")),
        },
    }
}

fn variadic(routine: &'static Routine, arguments: Vec<Expr>, span: Span, catalog: &SourceCatalog) -> Result<Expr, Refusal> {
    let (Some(rest), fixed) = (routine.arguments.last(), routine.arguments.len()) else {
        return Err(Refusal::new("a list of arguments without a type", ""));
    };
    if arguments.len() < fixed {
        return Err(Refusal::new(format!("{} takes at least {fixed} arguments", routine.name), "add the arguments"));
    }
    let wanted = routine.arguments.iter().chain(std::iter::repeat(rest));
    let arguments = arguments.into_iter().zip(wanted).map(|(argument, wanted)| {
        let kind = Kind::of(&argument.data_type);
        if kind == *wanted || kind.becomes(*wanted) {
            parameter(argument, *wanted, catalog)
        } else {
            Err(Refusal::new(format!("{} takes {}, not {}", routine.name, wanted.name(), kind.name()), "cast the argument"))
        }
    });
    let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
    called(routine, arguments, span, catalog)
}

/// What would stop a mapping at its first row is refused where the template is a constant.
fn refuse_template(routine: &Routine, arguments: &[Expr]) -> Result<(), Refusal> {
    match arguments.first().map(|template| &template.kind) {
        Some(ExprKind::Literal(Value::Text(template)))
            if routine.name == "format" && !super::texts::is_carried_template(template) =>
        {
            Err(Refusal::new(
                "a conversion of format() other than %s and %L is not carried exactly",
                "write %s, with quotes in the template where the name needs them",
            ))
        }
        _ => Ok(()),
    }
}

fn called(routine: &'static Routine, arguments: Vec<Expr>, span: Span, catalog: &SourceCatalog) -> Result<Expr, Refusal> {
    refuse_template(routine, &arguments)?;
    let has_pattern = regular::takes_pattern(routine);
    let by_collation =
        has_pattern || matches!(routine.result, Kind::Text | Kind::Bpchar) || matches!(routine.name, "like" | "ilike");
    let collation = if by_collation { collation(&arguments, catalog)? } else { None };
    let compares = matches!(routine.name, "like" | "ilike" | "position" | "strpos" | "replace" | "split_part" | "starts_with");
    if has_pattern || compares {
        let name = collation.clone().map_or_else(|| self::collation(&arguments, catalog), |name| Ok(Some(name)))?;
        if let Some(name) = name
            && behaviour(&name, catalog)?.postgres_behaviour().is_some_and(|behaviour| !behaviour.deterministic)
        {
            return Err(Refusal::new(
                format!("{} under the nondeterministic collation {name} is not carried", routine.name),
                "write COLLATE \"C\" behind the argument",
            ));
        }
    }
    let data_type = match routine.result.data_type(catalog) {
        Some(DataType::Text { length, fixed, charset, collation: default }) => {
            DataType::Text { length, fixed, charset, collation: collation.clone().unwrap_or(default) }
        }
        Some(data_type) => data_type,
        None => return Err(Refusal::new(format!("the result of {} is not carried", routine.name), "")),
    };
    let always = matches!(
        routine.name,
        "concat"
            | "num_nulls"
            | "num_nonnulls"
            | "json_build_object"
            | "jsonb_build_object"
            | "json_build_array"
            | "jsonb_build_array"
    );
    let sometimes = matches!(
        routine.name,
        "->" | "->>"
            | "#>"
            | "#>>"
            | "array_length"
            | "array_ndims"
            | "array_lower"
            | "array_upper"
            | "to_char"
            | "regexp_match"
            | "regexp_substr"
            | "substring"
            | "scale"
            | "min_scale"
            | "extract"
            | "date_part"
            | "jsonb_extract_path"
            | "jsonb_extract_path_text"
            | "json_extract_path"
            | "json_extract_path_text"
    );
    let nullable = !always && (sometimes || arguments.iter().any(|argument| argument.nullable));
    let mut call = environment(routine, collation.as_deref(), catalog)?;
    if has_pattern {
        call.pattern = pattern(routine, &arguments, collation.as_deref(), catalog)?.map(Arc::new);
    }
    Ok(node(ExprKind::Call { function: Function::Postgres(Box::new(call)), arguments }, data_type, nullable, span))
}

/// The regular expression of a call; `None` where it is NULL.
fn pattern(
    routine: &Routine,
    arguments: &[Expr],
    collation: Option<&str>,
    catalog: &SourceCatalog,
) -> Result<Option<regular::Compiled>, Refusal> {
    let constant = |index: usize| match arguments.get(index).map(|argument| &argument.kind) {
        Some(ExprKind::Literal(Value::Text(text))) => Ok(Some(text.to_string())),
        Some(ExprKind::Literal(Value::Null)) => Ok(None),
        _ => Err(Refusal::new("a regular expression or its flags are not a constant", "write them as strings")),
    };
    let flags = regular::flags_at(routine).map_or(Ok(Some(String::new())), constant)?;
    let (Some(pattern), Some(flags)) = (constant(1)?, flags) else { return Ok(None) };
    let compiled = regular::compile(routine, &pattern, &flags)?;
    let name = collation.unwrap_or(&catalog.session.collation_connection);
    let found = behaviour(name, catalog)?;
    let character_type = found.postgres_behaviour().map_or("C", |behaviour| behaviour.character_type.as_str());
    // Turkish and Azeri letters have counterparts of their own.
    let is_own = character_type.is_empty() || character_type.starts_with("tr") || character_type.starts_with("az");
    if is_own && regular::asks_locale(&compiled) {
        return Err(Refusal::new(
            format!("classes and cases of a regular expression under the collation {name} are not carried exactly"),
            "write COLLATE \"C\" behind the text if its letters are ASCII",
        ));
    }
    Ok(Some(compiled))
}

/// A type as messages name it.
pub(super) fn shown(data_type: &DataType, kind: Kind) -> String {
    match data_type {
        DataType::Native { declared, .. } => declared.clone(),
        DataType::NamedEnum { name, .. } => name.clone(),
        _ => kind.name().to_owned(),
    }
}
