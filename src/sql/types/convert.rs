//! Implicit conversions: what the source does by itself when an operand has another type than the operation wants.

use crate::schema::DataType;
use crate::sql::query::{Expr, ExprKind};
use crate::sql::types::printed::{refuse_extreme_of_strings, refuse_odd_text};
use crate::sql::types::{BIGINT, Refusal, TypeContext, charset_of, decimal_type, node, numeric, settle, text_length, type_name};

fn cast_node(expr: Expr, to: DataType, nullable: bool) -> Expr {
    let span = expr.span.clone();
    node(ExprKind::Cast(Box::new(expr)), to, nullable, span)
}

/// An operand as a string, in its own collation if it has one, else the connection's.
///
/// # Errors
/// For types whose text is not reproduced exactly.
pub fn to_text(expr: Expr, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let length = text_length(&expr);
    let (charset, collation) = match &expr.data_type {
        DataType::Text { .. } | DataType::Bytes { .. } => return Ok(expr),
        DataType::Enum { charset, collation, .. } | DataType::Set { charset, collation, .. } => {
            (charset.clone(), collation.clone())
        }
        DataType::Null
        | DataType::Integer { .. }
        | DataType::Decimal { .. }
        | DataType::Year
        | DataType::Date
        | DataType::DateTime { .. }
        | DataType::Timestamp { .. }
        | DataType::Time { .. } => {
            let collation = context.catalog.session.collation_connection.clone();
            (charset_of(&collation).to_owned(), collation)
        }
        other => return Err(cannot(other, "a string")),
    };
    refuse_odd_text(&expr, context)?;
    // Only a column of the type shows four digits.
    let expr = match (&expr.data_type, &expr.kind) {
        // As such a number the least YEAR comes here, and the least unsigned SMALLINT, which is not told from it.
        (DataType::Integer { bits: 16, unsigned: true }, ExprKind::Aggregate(_)) if context.is_mariadb() => {
            return Err(Refusal::new(
                "the least or greatest value of a YEAR is used as a string, which MariaDB prints with four digits where it groups",
                "write .. + 0 of it",
            ));
        }
        (DataType::Year, ExprKind::Column { .. }) => expr,
        (DataType::Year, _) if !context.is_mariadb() => {
            return Err(Refusal::new(
                "a computed YEAR is used as a string, which MySQL prints with four digits or with fewer",
                "write CAST(.. AS SIGNED) of it",
            ));
        }
        (DataType::Year, _) => {
            let nullable = expr.nullable;
            cast_node(expr, DataType::Integer { bits: 16, unsigned: true }, nullable)
        }
        _ => expr,
    };
    let nullable = expr.nullable;
    Ok(cast_node(settle(expr), DataType::Text { length, fixed: false, charset, collation }, nullable))
}

/// An operand as an integer: decimals are rounded, strings read up to the first character that is not part of a number.
///
/// # Errors
/// For types whose integer value is not reproduced exactly.
pub fn to_integer(expr: Expr) -> Result<Expr, Refusal> {
    refuse_extreme_of_strings(&expr)?;
    match &expr.data_type {
        DataType::Integer { .. } | DataType::Year | DataType::Bit { .. } => Ok(expr),
        DataType::Decimal { .. } | DataType::Text { .. } | DataType::Null => {
            let nullable = expr.nullable;
            Ok(cast_node(expr, BIGINT, nullable))
        }
        other if super::is_temporal(other) && super::temporal_fraction(other) == 0 => {
            Ok(crate::sql::functions::date_to_number(expr))
        }
        other => Err(cannot(other, "an integer")),
    }
}

/// An operand as a decimal, integers with scale 0.
///
/// # Errors
/// For types that the source would not treat as an exact number here.
pub fn to_decimal(expr: Expr) -> Result<Expr, Refusal> {
    let expr = if super::is_temporal(&expr.data_type) { crate::sql::functions::date_to_number(expr) } else { expr };
    let Some(traits) = numeric(&expr) else { return Err(cannot(&expr.data_type, "a decimal")) };
    match &expr.data_type {
        DataType::Decimal { .. } => Ok(expr),
        DataType::Integer { .. } | DataType::Year | DataType::Bit { .. } | DataType::Null => {
            let nullable = expr.nullable;
            Ok(cast_node(expr, decimal_type(traits.precision, 0, traits.unsigned), nullable))
        }
        other => Err(cannot(other, "a decimal")),
    }
}

/// An operand as a double: what the source computes with where a string meets a number.
///
/// # Errors
/// For types whose double value is not reproduced exactly.
pub fn to_double(expr: Expr) -> Result<Expr, Refusal> {
    refuse_extreme_of_strings(&expr)?;
    match &expr.data_type {
        DataType::Double => Ok(expr),
        DataType::Float
        | DataType::Integer { .. }
        | DataType::Decimal { .. }
        | DataType::Text { .. }
        | DataType::Null
        | DataType::Bit { .. } => {
            let nullable = expr.nullable;
            Ok(cast_node(expr, DataType::Double, nullable))
        }
        other => Err(cannot(other, "a number")),
    }
}

/// An operand as a binary string. Only strings whose charset's bytes we hold as they are.
///
/// # Errors
/// For other charsets and types.
pub fn to_bytes(expr: Expr) -> Result<Expr, Refusal> {
    match &expr.data_type {
        DataType::Bytes { .. } => Ok(expr),
        DataType::Text { charset, length, .. } if matches!(charset.as_str(), "utf8mb4" | "utf8mb3" | "utf8" | "ascii") => {
            let length = length.map(|length| length.saturating_mul(super::charset_width(charset).unwrap_or(4)));
            let nullable = expr.nullable;
            Ok(cast_node(expr, DataType::Bytes { length, fixed: false }, nullable))
        }
        other => Err(cannot(other, "a binary string")),
    }
}

fn cannot(from: &DataType, to: &str) -> Refusal {
    Refusal::new(
        format!("{} is used as {to} here, which is not carried exactly", type_name(from)),
        "convert it with a CAST whose result is meant",
    )
}
