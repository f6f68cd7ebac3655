//! Values as literals of the column's type, exact under every `sql_mode`.
//!
//! Floats are written as the shortest digits of the same double, which the server reads back to the same bits; text with a quote, a backslash
//! or a control character and all bytes are written in hexadecimal. A value that is not of the form of its column is a bug, never converted.

use std::fmt::Write;

use super::sql;
use crate::error::{Error, Result};
use crate::schema::{MySqlType, TargetColumn, TargetTable, TargetType};
use crate::value::Value;

/// Appends the literal of a value in a column.
///
/// # Errors
/// `Bug` if the value is not one that the column's type has.
pub(super) fn push(table: &TargetTable, column: &TargetColumn, value: &Value, out: &mut String) -> Result<()> {
    let own = own_type(table, column)?;
    let written = match (own, value) {
        (_, Value::Null) => {
            out.push_str("NULL");
            Ok(())
        }
        (MySqlType::Boolean | MySqlType::Integer { unsigned: false, .. }, Value::Int(number)) => write!(out, "{number}"),
        (MySqlType::Integer { unsigned: true, .. } | MySqlType::Bit(_) | MySqlType::Year, Value::UInt(number)) => {
            write!(out, "{number}")
        }
        (MySqlType::Decimal { .. }, Value::Decimal(number)) => write!(out, "{number}"),
        (MySqlType::Float, Value::Float(number)) if number.is_finite() => write!(out, "{:e}", f64::from(*number)),
        (MySqlType::Double, Value::Double(number)) if number.is_finite() => write!(out, "{number:e}"),
        (
            MySqlType::Char { .. }
            | MySqlType::Varchar { .. }
            | MySqlType::Text { .. }
            | MySqlType::Enum { .. }
            | MySqlType::Set { .. }
            | MySqlType::Json,
            Value::Text(text),
        ) => {
            sql::push_text(text, out);
            Ok(())
        }
        (MySqlType::Binary(_) | MySqlType::VarBinary(_) | MySqlType::Blob(_), Value::Bytes(bytes)) => {
            out.push_str("X'");
            sql::push_hex(bytes, out);
            out.push('\'');
            Ok(())
        }
        (MySqlType::Date, Value::Date(date)) if date.is_calendar() => write!(out, "DATE'{date}'"),
        (MySqlType::DateTime(_), Value::DateTime(at)) if at.date.is_calendar() => write!(out, "TIMESTAMP'{}'", at.format(6)),
        (MySqlType::Time(_), Value::Time(time)) => write!(out, "TIME'{}'", time.format(6)),
        _ => {
            let message =
                format!("a {} came for column {}.{}, which is {}", value.type_name(), table.name, column.name, own.name());
            return Err(Error::bug(message));
        }
    };
    written.map_err(|_| Error::bug("a literal could not be written"))
}

/// The literal of a value in a column.
///
/// # Errors
/// As [`push`].
pub(super) fn literal(table: &TargetTable, column: &TargetColumn, value: &Value) -> Result<String> {
    let mut text = String::new();
    push(table, column, value, &mut text)?;
    Ok(text)
}

/// The type of a column of this kind of target.
///
/// # Errors
/// `Bug` if the plan gave it a type of PostgreSQL.
pub(super) fn own_type<'c>(table: &TargetTable, column: &'c TargetColumn) -> Result<&'c MySqlType> {
    match &column.target_type {
        TargetType::MySql(own) => Ok(own),
        other => Err(Error::bug(format!("column {}.{} has the type {other:?} of another target", table.name, column.name))),
    }
}
