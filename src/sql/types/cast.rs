//! CAST and CONVERT.

use crate::schema::DataType;
use crate::sql::functions::{Function, Packing, TemporalRules, date_to_number, text_to_time};
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::{
    BIGINT, BIGINT_UNSIGNED, Refusal, TypeContext, charset_of, decimal_type, is_temporal, node, text_length, to_bytes, to_text,
    type_name,
};

/// What a CAST asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CastTarget {
    /// SIGNED.
    Signed,
    /// UNSIGNED.
    Unsigned,
    /// DECIMAL(precision, scale); `DECIMAL` alone is (10, 0).
    Decimal {
        /// Total digits.
        precision: u16,
        /// Digits after the point.
        scale: u16,
    },
    /// CHAR(length) with a charset if one was written; also CONVERT .. USING.
    Char {
        /// Characters.
        length: Option<u32>,
        /// `CHARACTER SET` or `USING`.
        charset: Option<String>,
    },
    /// BINARY(length).
    Binary {
        /// Bytes.
        length: Option<u32>,
    },
    /// DATE.
    Date,
    /// DATETIME(fraction).
    DateTime {
        /// Digits after the second.
        fraction: u8,
    },
    /// TIME(fraction).
    Time {
        /// Digits after the second.
        fraction: u8,
    },
    /// DOUBLE.
    Double,
    /// Anything else, by its name; refused.
    Other(String),
}

/// `CAST(expr AS target)`.
///
/// # Errors
/// For targets and operands that are not carried exactly.
pub fn cast(expr: Expr, target: &CastTarget, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    super::refuse_open_quotient(&expr, context)?;
    if matches!(target, CastTarget::Signed | CastTarget::Unsigned | CastTarget::Decimal { .. }) {
        super::printed::refuse_number_of_match(&expr, context)?;
    }
    match target {
        CastTarget::Signed => cast_number(expr, BIGINT, span),
        CastTarget::Unsigned => cast_unsigned(expr, span, context),
        CastTarget::Double => cast_number(expr, DataType::Double, span),
        CastTarget::Decimal { precision, scale } => {
            let precision = if *precision == 0 { 10 } else { *precision };
            if precision > 65 || *scale > 30 || *scale > precision {
                return Err(Refusal::new(format!("DECIMAL({precision},{scale}) is not a type of the source"), ""));
            }
            cast_number(expr, decimal_type(precision, *scale, false), span)
        }
        CastTarget::Char { length, charset } => cast_char(expr, *length, charset.as_deref(), span, context),
        CastTarget::Binary { length } => cast_binary(expr, *length, span, context),
        CastTarget::Date => to_date(expr, span, context),
        CastTarget::DateTime { fraction } => to_datetime(expr, *fraction, span, context),
        CastTarget::Time { fraction } => to_time(expr, *fraction, span, context),
        CastTarget::Other(name) if name == "JSON" && !context.is_mariadb() => {
            let whole = super::literal_string("$", span.clone(), context);
            crate::sql::functions::resolve("JSON_EXTRACT", vec![expr, whole], span, context)
        }
        CastTarget::Other(name) => Err(Refusal::new(
            format!("CAST to {name} is not carried exactly"),
            "cast to a number, CHAR, BINARY, DATE, DATETIME or TIME",
        )),
    }
}

/// A negative decimal is 0 on MariaDB; MySQL keeps the bits of the signed number.
fn cast_unsigned(expr: Expr, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let DataType::Decimal { precision, scale, unsigned } = expr.data_type else {
        return cast_number(expr, BIGINT_UNSIGNED, span);
    };
    if context.is_mariadb() || unsigned {
        return cast_number(expr, BIGINT_UNSIGNED, span);
    }
    if precision - scale > 18 {
        return Err(Refusal::new("a decimal of more than 18 digits is cast to UNSIGNED", "cast it to DECIMAL"));
    }
    let signed = cast_number(expr, BIGINT, span.clone())?;
    cast_number(signed, BIGINT_UNSIGNED, span)
}

fn cast_number(expr: Expr, to: DataType, span: Span) -> Result<Expr, Refusal> {
    super::printed::refuse_extreme_of_strings(&expr)?;
    let is_exact = matches!(to, DataType::Decimal { .. }) || super::temporal_fraction(&expr.data_type) == 0;
    let expr = if is_temporal(&expr.data_type) && is_exact { date_to_number(expr) } else { expr };
    let to_double = to == DataType::Double;
    match &expr.data_type {
        DataType::Integer { .. }
        | DataType::Decimal { .. }
        | DataType::Text { .. }
        | DataType::Year
        | DataType::Bit { .. }
        | DataType::Null => {}
        DataType::Float | DataType::Double if to_double => {}
        other => {
            return Err(Refusal::new(
                format!("{} is cast to a number, which is not carried exactly", type_name(other)),
                "use the date functions (YEAR, DATE_FORMAT, ..) or cast a string",
            ));
        }
    }
    let nullable = expr.nullable;
    Ok(node(ExprKind::Cast(Box::new(expr)), to, nullable, span))
}

fn cast_char(
    expr: Expr,
    length: Option<u32>,
    charset: Option<&str>,
    span: Span,
    context: &TypeContext<'_>,
) -> Result<Expr, Refusal> {
    let connection = context.catalog.session.collation_connection.clone();
    let charset = charset.unwrap_or_else(|| charset_of(&connection)).to_ascii_lowercase();
    if matches!(expr.data_type, DataType::Bytes { .. }) {
        return bytes_to_char(expr, length, &charset, span, context);
    }
    let ascii_source = super::traits(&expr, context).repertoire == super::Repertoire::Ascii;
    let source_charset = super::traits(&expr, context).charset;
    if charset != "utf8mb4"
        && charset != source_charset
        && !ascii_source
        && !(charset == "utf8mb3" && source_charset != "utf8mb4")
    {
        return Err(Refusal::new(
            format!("a conversion from {source_charset} to {charset} may lose characters"),
            "convert to utf8mb4, or connect with a utf8mb4 collation (session: collation_connection)",
        ));
    }
    let collation = if charset == charset_of(&connection) {
        connection
    } else {
        let found = context.catalog.collations.keys().find(|name| charset_of(name) == charset && name.ends_with("_general_ci"));
        found.cloned().unwrap_or_else(|| format!("{charset}_general_ci"))
    };
    let own = text_length(&expr);
    let nullable = expr.nullable;
    let text = to_text(expr, context)?;
    let data_type = DataType::Text { length: length.or(own), fixed: false, charset, collation };
    let call = ExprKind::Call { function: Function::CastText { length }, arguments: vec![text] };
    Ok(node(call, data_type, nullable, span))
}

/// The bytes of a binary string are taken for those of the charset.
fn bytes_to_char(expr: Expr, length: Option<u32>, charset: &str, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let collation = context.catalog.session.collation_connection.clone();
    if length.is_some() || charset != "utf8mb4" || charset_of(&collation) != charset {
        return Err(Refusal::new("a binary string is cast to CHAR", "write CONVERT(.. USING utf8mb4)"));
    }
    let data_type = DataType::Text { length: text_length(&expr), fixed: false, charset: charset.to_owned(), collation };
    Ok(node(ExprKind::Call { function: Function::BytesToText, arguments: vec![expr] }, data_type, true, span))
}

fn cast_binary(expr: Expr, length: Option<u32>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let nullable = expr.nullable;
    // MariaDB cuts a string at characters before it fills up bytes.
    let by_characters = context.is_mariadb() && !matches!(expr.data_type, DataType::Bytes { .. });
    let mut bytes = to_bytes(to_text(expr, context)?)?;
    if let Some(length) = length {
        let call = ExprKind::Call { function: Function::CastBytes { length, by_characters }, arguments: vec![bytes] };
        bytes = node(call, DataType::Bytes { length: Some(length), fixed: false }, nullable, span.clone());
    }
    bytes.span = span;
    bytes.nullable = nullable;
    Ok(bytes)
}

/// An operand as a DATE, as `CAST(.. AS DATE)` makes it.
///
/// # Errors
/// For numbers and TIME values, which depend on today or on digit positions.
pub fn to_date(expr: Expr, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let function = match &expr.data_type {
        DataType::Date if super::is_null_literal(&expr) => return Ok(expr),
        DataType::Date | DataType::DateTime { .. } | DataType::Timestamp { .. } => Function::ToDate(rules(context)?),
        DataType::Null => return Ok(node(ExprKind::Cast(Box::new(expr)), DataType::Date, true, span)),
        DataType::Text { .. } => Function::TextToDate(rules(context)?),
        DataType::Integer { .. } => Function::Packing(Packing::FromNumber(rules(context)?)),
        other => return Err(not_a_date(other)),
    };
    Ok(node(ExprKind::Call { function, arguments: vec![expr] }, DataType::Date, true, span))
}

/// An operand as a DATETIME(fraction), as `CAST(.. AS DATETIME(fraction))` makes it.
///
/// # Errors
/// As for [`to_date`].
pub fn to_datetime(expr: Expr, fraction: u8, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let rules = rules(context)?;
    let function = match &expr.data_type {
        DataType::Date | DataType::DateTime { .. } | DataType::Timestamp { .. } => Function::ToDateTime { fraction, rules },
        DataType::Null => return Ok(node(ExprKind::Cast(Box::new(expr)), DataType::DateTime { fraction }, true, span)),
        DataType::Text { .. } => Function::TextToDateTime { fraction, rules },
        DataType::Integer { .. } => Function::Packing(Packing::FromNumber(rules)),
        other => return Err(not_a_date(other)),
    };
    Ok(node(ExprKind::Call { function, arguments: vec![expr] }, DataType::DateTime { fraction }, true, span))
}

/// An operand as a TIME(fraction).
///
/// # Errors
/// For numbers, whose digits are not all reproduced.
pub fn to_time(expr: Expr, fraction: u8, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    match &expr.data_type {
        DataType::Time { .. } | DataType::DateTime { .. } | DataType::Timestamp { .. } => {}
        DataType::Null => return Ok(node(ExprKind::Cast(Box::new(expr)), DataType::Time { fraction }, true, span)),
        DataType::Text { .. } => return Ok(text_to_time(expr, fraction, span, context)),
        other => return Err(not_a_date(other)),
    }
    let function = Function::ToTime { fraction, rules: rules(context)? };
    Ok(node(ExprKind::Call { function, arguments: vec![expr] }, DataType::Time { fraction }, true, span))
}

fn not_a_date(from: &DataType) -> Refusal {
    Refusal::new(
        format!("{} is used as a date or time, which is not carried exactly", type_name(from)),
        "use a DATE or DATETIME, or STR_TO_DATE on a string",
    )
}

/// The session's rules for odd dates.
///
/// # Errors
/// For `sql_mode` settings whose dates are not reproduced.
pub fn rules(context: &TypeContext<'_>) -> Result<TemporalRules, Refusal> {
    for mode in ["ALLOW_INVALID_DATES", "TIME_ROUND_FRACTIONAL", "TIME_TRUNCATE_FRACTIONAL"] {
        if context.has_mode(mode) {
            return Err(Refusal::new(
                format!("dates are not carried exactly under sql_mode {mode}"),
                "set session: sql_mode without it in the project file",
            ));
        }
    }
    Ok(TemporalRules {
        mariadb: context.is_mariadb(),
        no_zero_date: context.has_mode("NO_ZERO_DATE") || context.has_mode("TRADITIONAL"),
        no_zero_in_date: context.has_mode("NO_ZERO_IN_DATE") || context.has_mode("TRADITIONAL"),
    })
}
