//! Comparisons as PostgreSQL makes them: which type both sides take, by which rule they compare, and which orders are carried.

use super::kind::{Category, Kind};
use super::typing::{coerce, collation, settle, shown, unify};
use crate::schema::{DataType, SourceCatalog};
use crate::sql::functions::Function;
use crate::sql::query::{CompareOperator, Expr, ExprKind, Span};
use crate::sql::types::{Refusal, node};
use crate::value::{Collation, KeyKind};

/// The collation with its behaviour; the collations by bytes need no catalogue.
pub(super) fn behaviour(name: &str, catalog: &SourceCatalog) -> Result<Collation, Refusal> {
    if let Some(found) = catalog.collations.get(name) {
        return Ok(found.clone());
    }
    if matches!(name, "C" | "POSIX" | "ucs_basic") {
        let bytewise =
            crate::value::PostgresCollation { deterministic: true, ordered_by_bytes: true, character_type: "C".into() };
        return Ok(Collation::postgres(name, bytewise));
    }
    Err(Refusal::new(format!("the collation {name} is not in the catalogue"), "write COLLATE \"C\" behind the expression"))
}

/// How values of two types compare: the type both become, and the rule.
fn rule(left: &Expr, right: &Expr, ordered: bool, catalog: &SourceCatalog) -> Result<(DataType, KeyKind), Refusal> {
    let (one, two) = (Kind::of(&left.data_type), Kind::of(&right.data_type));
    let Some(kind) = common(one, two) else {
        return Err(Refusal::new(
            format!("there is no comparison of {} with {}", one.name(), two.name()),
            "cast one side to the type of the other",
        ));
    };
    let known = if one == Kind::Unknown { &right.data_type } else { &left.data_type };
    let key = match kind {
        Kind::Bool | Kind::Int2 | Kind::Int4 | Kind::Int8 => KeyKind::Integer,
        Kind::Numeric => KeyKind::Decimal,
        Kind::Float4 | Kind::Float8 => KeyKind::Double,
        Kind::Text | Kind::Bpchar => return text_rule(left, right, ordered, catalog),
        Kind::Bytea | Kind::Uuid => KeyKind::Bytes,
        Kind::Date => KeyKind::Date,
        Kind::Timestamp | Kind::TimestampTz => KeyKind::DateTime,
        Kind::Time => KeyKind::Time,
        Kind::Interval => KeyKind::Interval,
        Kind::Enum if !ordered => return Ok((known.clone(), KeyKind::Text(Collation::binary("C", "UTF8", false)))),
        Kind::Native if !ordered && matches!(known, DataType::Native { name, .. } if DataType::native_equality(name)) => {
            return Ok((known.clone(), KeyKind::Text(Collation::binary("C", "UTF8", false))));
        }
        other => {
            let what = if ordered { "an order of" } else { "equality of" };
            return Err(Refusal::new(
                format!("{what} values of type {} is not carried", shown(known, other)),
                "compare another column, or a value taken out of it",
            ));
        }
    };
    match kind.data_type(catalog) {
        Some(data_type) => Ok((data_type, key)),
        None => Err(Refusal::new("these values cannot be compared", "cast both sides")),
    }
}

fn text_rule(left: &Expr, right: &Expr, ordered: bool, catalog: &SourceCatalog) -> Result<(DataType, KeyKind), Refusal> {
    let default = catalog.session.collation_connection.clone();
    let name = collation([left, right], catalog)?.unwrap_or(default);
    let found = behaviour(&name, catalog)?;
    let behaviour = found.postgres_behaviour();
    if behaviour.is_some_and(|behaviour| !behaviour.deterministic) {
        return Err(Refusal::new(
            format!("the collation {name} is nondeterministic: what it calls equal is not carried exactly"),
            "write COLLATE \"C\" to compare the letters themselves",
        ));
    }
    if ordered && !behaviour.is_some_and(|behaviour| behaviour.ordered_by_bytes) {
        return Err(Refusal::new(
            format!("the order of the collation {name} belongs to the server's libraries and is not carried exactly"),
            "write COLLATE \"C\" behind the expression to order by code point",
        ));
    }
    // Blanks behind a character(n) do not count, and text has none of them after its conversion.
    let data_type = DataType::Text { length: None, fixed: false, charset: "UTF8".into(), collation: name };
    Ok((data_type, KeyKind::Text(found)))
}

/// The kind in which two kinds compare.
fn common(one: Kind, two: Kind) -> Option<Kind> {
    use Category::{DateTime, Number, String};
    match (one, two) {
        (Kind::Unknown, Kind::Unknown) => Some(Kind::Text),
        (Kind::Unknown, kind) | (kind, Kind::Unknown) => Some(kind),
        _ if one == two => Some(one),
        _ => match (one.category(), two.category()) {
            (Number, Number) => {
                let is_float = |kind| matches!(kind, Kind::Float4 | Kind::Float8);
                Some(if is_float(one) || is_float(two) { Kind::Float8 } else { one.max(two) })
            }
            (String, String) => Some(Kind::Text),
            (DateTime, DateTime) if one != Kind::Time && two != Kind::Time => Some(one.max(two)),
            _ if one.becomes(two) => Some(two),
            _ if two.becomes(one) => Some(one),
            _ => None,
        },
    }
}

/// A comparison.
///
/// # Errors
/// Types that do not compare, and orders that are not carried.
pub fn compare(operator: CompareOperator, left: Expr, right: Expr, span: Span, catalog: &SourceCatalog) -> Result<Expr, Refusal> {
    use CompareOperator::{Equal, NotEqual, NullSafeEqual};
    let ordered = !matches!(operator, Equal | NotEqual | NullSafeEqual);
    let (data_type, rule) = rule(&left, &right, ordered, catalog)?;
    let nullable = operator != NullSafeEqual && (left.nullable || right.nullable);
    let padded = matches!(
        (Kind::of(&left.data_type), Kind::of(&right.data_type)),
        (Kind::Bpchar, Kind::Unknown) | (Kind::Unknown, Kind::Bpchar)
    );
    let (left, right) = if padded { (as_bpchar(left, catalog)?, as_bpchar(right, catalog)?) } else { (left, right) };
    let (left, right) = (comparable(left, &data_type, catalog)?, comparable(right, &data_type, catalog)?);
    let kind = ExprKind::Compare { operator, rule, left: Box::new(left), right: Box::new(right) };
    Ok(node(kind, DataType::Boolean, nullable, span))
}

/// A literal beside a character(n) is one too: its blanks at the end do not count.
fn as_bpchar(expr: Expr, catalog: &SourceCatalog) -> Result<Expr, Refusal> {
    match (Kind::of(&expr.data_type), Kind::Bpchar.data_type(catalog)) {
        (Kind::Unknown, Some(data_type)) => coerce(expr, &data_type, catalog),
        _ => Ok(expr),
    }
}

/// The type of NULLIF: that of its first argument as the chosen `=` takes it.
///
/// # Errors
/// As [`coerce`].
pub fn null_if_value(value: Expr, other: &Expr, catalog: &SourceCatalog) -> Result<Expr, Refusal> {
    use Kind as K;
    let is_integer = |kind| matches!(kind, K::Int2 | K::Int4 | K::Int8);
    let target = match (K::of(&value.data_type), K::of(&other.data_type)) {
        (K::Unknown, K::Unknown) => Some(K::Text),
        (K::Unknown, kind) => Some(kind),
        (one, K::Numeric) if is_integer(one) => Some(K::Numeric),
        (one, K::Float4 | K::Float8) if is_integer(one) || one == K::Numeric => Some(K::Float8),
        (K::Bpchar, K::Text) => Some(K::Text),
        _ => None,
    };
    match target.and_then(|kind| kind.data_type(catalog)) {
        Some(data_type) => coerce(value, &data_type, catalog),
        None => Ok(value),
    }
}

/// Integers of any width and columns of their own type need no conversion.
fn comparable(expr: Expr, to: &DataType, catalog: &SourceCatalog) -> Result<Expr, Refusal> {
    let (from, kind) = (Kind::of(&expr.data_type), Kind::of(to));
    let is_integer = |kind| matches!(kind, Kind::Int2 | Kind::Int4 | Kind::Int8);
    let numeric = kind == Kind::Numeric && (is_integer(from) || from == Kind::Numeric);
    let same = from == kind && !matches!(kind, Kind::Bpchar);
    if (is_integer(from) && is_integer(kind)) || numeric || same {
        return Ok(expr);
    }
    coerce(expr, to, catalog)
}

/// The rule by which an expression orders, groups or counts as distinct, with the conversion it needs.
///
/// # Errors
/// As [`compare`].
pub fn own_rule(expr: Expr, ordered: bool, catalog: &SourceCatalog) -> Result<(Expr, KeyKind), Refusal> {
    let expr = settle(expr, catalog)?;
    let (data_type, rule) = rule(&expr, &expr, ordered, catalog)?;
    Ok((comparable(expr, &data_type, catalog)?, rule))
}

/// An operand that stands where a condition is meant.
///
/// # Errors
/// It is no boolean.
pub fn truth(expr: Expr, catalog: &SourceCatalog) -> Result<Expr, Refusal> {
    match Kind::of(&expr.data_type) {
        Kind::Bool => Ok(expr),
        Kind::Unknown => coerce(expr, &DataType::Boolean, catalog),
        other => Err(Refusal::new(
            format!("a condition must be of type boolean, not {}", other.name()),
            "write a comparison, for example x <> 0",
        )),
    }
}

/// `GREATEST` and `LEAST`: NULLs are left out.
///
/// # Errors
/// Types without a common type, or without an order that is carried.
pub fn extreme(greatest: bool, arguments: Vec<Expr>, span: Span, catalog: &SourceCatalog) -> Result<Expr, Refusal> {
    let (arguments, data_type) = unify(arguments, catalog)?;
    let Some(first) = arguments.first() else { return Err(Refusal::new("GREATEST and LEAST take at least one argument", "")) };
    let (_, rule) = rule(first, first, true, catalog)?;
    let nullable = arguments.iter().all(|argument| argument.nullable);
    let function = Function::PostgresExtreme { rule, greatest };
    Ok(node(ExprKind::Call { function, arguments }, data_type, nullable, span))
}
