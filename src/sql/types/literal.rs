//! Constants as the source reads them.

use crate::schema::DataType;
use crate::sql::functions::temporal_text;
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::{Refusal, TypeContext, charset_of, decimal_type, node};
use crate::value::{Decimal, Value};

/// NULL.
#[must_use]
pub fn literal_null(span: Span) -> Expr {
    node(ExprKind::Literal(Value::Null), DataType::Null, true, span)
}

/// A number as written: an integer, a decimal (`1.50`) or a double (`1e3`).
///
/// # Errors
/// For a number that is none of them or has more than 65 digits.
pub fn literal_number(text: &str, span: Span) -> Result<Expr, Refusal> {
    let literal = |value, data_type| Ok(node(ExprKind::Literal(value), data_type, false, span.clone()));
    let integer = |bits, unsigned| DataType::Integer { bits, unsigned };
    if let Ok(value) = text.parse::<i64>() {
        let bits = if i32::try_from(value).is_ok() { 32 } else { 64 };
        return literal(Value::Int(value), integer(bits, false));
    }
    if let Ok(value) = text.parse::<u64>() {
        return literal(Value::UInt(value), integer(64, true));
    }
    if text.contains(['e', 'E']) {
        return match text.parse::<f64>() {
            Ok(value) if value.is_finite() => literal(Value::Double(value), DataType::Double),
            _ => Err(Refusal::new("a number out of range", "")),
        };
    }
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let padded = if digits.starts_with('.') { format!("{sign}0{digits}") } else { text.to_owned() };
    match Decimal::parse(padded.trim_end_matches('.')) {
        Some(value) if digits.len() <= 66 && value.digits() <= 65 && value.scale() <= 30 => {
            // The source counts the zeros before the point as they are written: 0.50 is DECIMAL(3,2) and .50 is DECIMAL(2,2).
            let precision = digits.bytes().filter(u8::is_ascii_digit).count();
            let data_type = decimal_type(u16::try_from(precision).unwrap_or(65).max(1), value.scale(), false);
            literal(Value::Decimal(value), data_type)
        }
        _ => Err(Refusal::new("a number that the source cannot hold as a decimal", "")),
    }
}

/// A string constant in the connection's collation.
#[must_use]
pub fn literal_string(text: &str, span: Span, context: &TypeContext<'_>) -> Expr {
    let collation = context.catalog.session.collation_connection.clone();
    let data_type = DataType::Text {
        length: u32::try_from(text.chars().count()).ok(),
        fixed: false,
        charset: charset_of(&collation).to_owned(),
        collation,
    };
    node(ExprKind::Literal(Value::text(text)), data_type, false, span)
}

/// `DATE '2024-01-31'`.
///
/// # Errors
/// For text that is not a date.
pub fn literal_date(text: &str, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    match temporal_text::parse_datetime(text, context.is_mariadb()) {
        Some(parsed) if parsed.is_exact_date() && parsed.value.date.is_calendar() => {
            Ok(node(ExprKind::Literal(Value::Date(parsed.value.date)), DataType::Date, false, span))
        }
        _ => Err(Refusal::new(format!("'{text}' is not a date"), "write DATE 'YYYY-MM-DD'")),
    }
}

/// `TIMESTAMP '2024-01-31 10:20:30'`.
///
/// # Errors
/// For text that is not a date and time.
pub fn literal_datetime(text: &str, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    match temporal_text::parse_datetime(text, context.is_mariadb()) {
        Some(parsed) if parsed.is_exact() && parsed.has_time && parsed.value.date.is_calendar() => {
            let data_type = DataType::DateTime { fraction: parsed.fraction };
            Ok(node(ExprKind::Literal(Value::DateTime(parsed.value)), data_type, false, span))
        }
        _ => Err(Refusal::new(format!("'{text}' is not a date and time"), "write TIMESTAMP 'YYYY-MM-DD HH:MM:SS'")),
    }
}

/// `TIME '10:20:30'`.
///
/// # Errors
/// For text that is not a time.
pub fn literal_time(text: &str, span: Span) -> Result<Expr, Refusal> {
    let fraction = text.split_once('.').map_or(0, |(_, digits)| u8::try_from(digits.len()).unwrap_or(u8::MAX));
    match crate::value::Time::parse(text) {
        Some(value) if fraction <= 6 => Ok(node(ExprKind::Literal(Value::Time(value)), DataType::Time { fraction }, false, span)),
        _ => Err(Refusal::new(format!("'{text}' is not a time"), "write TIME 'HH:MM:SS'")),
    }
}

/// A string constant that meets a date or time: converted once, as the source does it.
///
/// # Errors
/// For a string that is not a date or time in full, or a zero date where the source's `sql_mode` refuses it.
pub fn temporal_literal(text: &str, like: &DataType, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    if let DataType::Time { .. } = like {
        return literal_time(text, span);
    }
    let refuse = |what: &str| {
        Refusal::new(format!("'{text}' is compared with {} but {what}", super::type_name(like)), "write the date as 'YYYY-MM-DD'")
    };
    let Some(parsed) = temporal_text::parse_datetime(text, context.is_mariadb()).filter(|parsed| parsed.is_exact()) else {
        return Err(refuse("is not a date"));
    };
    let date = parsed.value.date;
    if !date.is_calendar() && !context.is_mariadb() && (context.has_mode("NO_ZERO_DATE") || context.has_mode("NO_ZERO_IN_DATE")) {
        return Err(refuse("the source's sql_mode does not know such a date"));
    }
    if parsed.has_time {
        let data_type = DataType::DateTime { fraction: parsed.fraction };
        return Ok(node(ExprKind::Literal(Value::DateTime(parsed.value)), data_type, false, span));
    }
    Ok(node(ExprKind::Literal(Value::Date(date)), DataType::Date, false, span))
}
