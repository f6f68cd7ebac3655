//! Types and values of MySQL and MariaDB targets: what holds a source type, and the one form of a value in each column type.
//!
//! Forms: signed integers `Int`, unsigned ones, bits and years `UInt`, booleans `Int` 0 or 1, decimals with the column's scale. A column of a
//! legacy table keeps its kind and length; an expression's text becomes longtext, because a length that only its type implies must not
//! stop a migration. Text in a key has the collation that tells all texts apart, so that no two source rows meet in one target row.

use super::{day, json_form, labels, mismatch, numeric, refuse};
use crate::error::Result;
use crate::plan::Policies;
use crate::schema::{DataType, LongSize, MySqlType, TargetColumn, TargetKind};
use crate::value::{Date, DateTime, Time, Value};

/// Longer columns become longtext and longblob: all columns of a row share 65,535 bytes.
const INLINE_LENGTH_MAX: u32 = 16_383;
/// The most bytes of an InnoDB key.
pub(crate) const KEY_BYTES_MAX: u32 = 3_072;
/// The charset by which text types of PostgreSQL are told.
const POSTGRES_CHARSET: &str = "UTF8";
/// Characters of a uuid as text.
const UUID_LENGTH: u32 = 36;
/// Suffixes of collations that both families have for utf8mb4.
const COMMON_COLLATIONS: [&str; 26] = [
    "bin",
    "general_ci",
    "unicode_ci",
    "unicode_520_ci",
    "icelandic_ci",
    "latvian_ci",
    "romanian_ci",
    "slovenian_ci",
    "polish_ci",
    "estonian_ci",
    "spanish_ci",
    "swedish_ci",
    "turkish_ci",
    "czech_ci",
    "danish_ci",
    "lithuanian_ci",
    "slovak_ci",
    "spanish2_ci",
    "roman_ci",
    "persian_ci",
    "esperanto_ci",
    "hungarian_ci",
    "sinhala_ci",
    "german2_ci",
    "croatian_ci",
    "vietnamese_ci",
];

/// Where a type is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The family of the target.
    pub(crate) kind: TargetKind,
    /// Whether the column is part of the key.
    pub(crate) in_key: bool,
    /// Whether the output is a column of a legacy table, whose length is certain.
    pub(crate) is_column: bool,
    /// Whether the source prints JSON in MySQL's form.
    pub(crate) prints_json: bool,
}

/// Why there is no type, and what to declare.
pub(crate) type NoType = (String, &'static str);

/// The type that holds every value of a source type.
///
/// # Errors
/// The type cannot be carried without a declared one.
pub(crate) fn target_type(data_type: &DataType, place: Place) -> std::result::Result<MySqlType, NoType> {
    Ok(match data_type {
        DataType::Boolean => MySqlType::Boolean,
        DataType::Integer { bits, unsigned } => MySqlType::Integer { bits: *bits, unsigned: *unsigned },
        DataType::Bit { length } => MySqlType::Bit(*length),
        DataType::Year => MySqlType::Year,
        DataType::Decimal { precision: precision @ 1..=65, scale: scale @ 0..=30, .. } => {
            MySqlType::Decimal { precision: *precision, scale: *scale }
        }
        DataType::Float => MySqlType::Float,
        DataType::Double => MySqlType::Double,
        DataType::Text { length, fixed, collation, charset } => {
            let length = length.filter(|_| place.is_column);
            // PostgreSQL's char keeps its blanks, a char column here would not.
            text(length, *fixed && charset != POSTGRES_CHARSET, collation_of(collation, place), place)?
        }
        DataType::NamedEnum { labels, .. } => {
            let longest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
            text(u32::try_from(longest.max(1)).ok(), false, collation_of("", place), place)?
        }
        DataType::Array { .. } | DataType::Native { .. } => text(None, false, collation_of("", place), place)?,
        DataType::Uuid => text(Some(UUID_LENGTH), true, collation_of("", place), place)?,
        DataType::TimestampTz { fraction } => MySqlType::DateTime(*fraction),
        DataType::TimeOfDay { fraction } => MySqlType::Time(*fraction),
        DataType::Enum { labels, collation, .. } => {
            let longest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
            text(u32::try_from(longest.max(1)).ok(), false, collation_of(collation, place), place)?
        }
        DataType::Set { labels, collation, .. } => {
            let all: usize = labels.iter().map(|label| label.chars().count() + 1).sum();
            text(u32::try_from(all.max(1)).ok(), false, collation_of(collation, place), place)?
        }
        DataType::Bytes { length, fixed } => bytes(length.filter(|_| place.is_column), *fixed, place)?,
        DataType::Date => MySqlType::Date,
        DataType::DateTime { fraction } | DataType::Timestamp { fraction } => MySqlType::DateTime(*fraction),
        DataType::Time { fraction } => MySqlType::Time(*fraction),
        DataType::Json | DataType::Jsonb if place.in_key => {
            return Err(("cannot be part of a key as json".into(), "declare a key without it"));
        }
        // Both print documents alike; what does not come back as it is stops by name.
        DataType::Jsonb if place.kind == TargetKind::MySql => MySqlType::Json,
        DataType::Json if place.kind == TargetKind::MySql && place.prints_json => MySqlType::Json,
        DataType::Json | DataType::Jsonb | DataType::Null => text(None, false, "utf8mb4_bin".into(), place)?,
        DataType::Interval => {
            let help = "cast it to text in the SELECT, where the source decides what that means";
            return Err((format!("has no {} type that holds every interval", place.kind.name()), help));
        }
        other => {
            return Err((
                format!("has no {} type that holds every {}", place.kind.name(), described(other)),
                "declare columns.type, e.g. decimal(30,10)",
            ));
        }
    })
}

fn described(data_type: &DataType) -> String {
    match data_type {
        DataType::Decimal { precision, scale, .. } => format!("decimal({precision},{scale})"),
        DataType::Numeric => "numeric without a precision".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn text(length: Option<u32>, fixed: bool, collation: String, place: Place) -> std::result::Result<MySqlType, NoType> {
    match length {
        // MariaDB does not find every char value by itself in an index without padding.
        Some(length @ 1..=255) if fixed && !place.in_key => Ok(MySqlType::Char { length, collation }),
        Some(length @ 1..=INLINE_LENGTH_MAX) => Ok(MySqlType::Varchar { length, collation }),
        _ if place.in_key => Err(("is text without a length, which cannot be a key".into(), "declare columns.type: varchar(n)")),
        _ => Ok(MySqlType::Text { size: LongSize::Long, collation }),
    }
}

fn bytes(length: Option<u32>, fixed: bool, place: Place) -> std::result::Result<MySqlType, NoType> {
    match length {
        Some(length @ 1..=255) if fixed => Ok(MySqlType::Binary(length)),
        Some(length @ 1..=INLINE_LENGTH_MAX) => Ok(MySqlType::VarBinary(length)),
        _ if place.in_key => {
            Err(("is binary without a length, which cannot be a key".into(), "declare columns.type: varbinary(n)"))
        }
        _ => Ok(MySqlType::Blob(LongSize::Long)),
    }
}

/// The collation of a text column: in a key the exact one, else that of the source's column where the target has it, else `utf8mb4_bin`.
pub(crate) fn collation_of(source: &str, place: Place) -> String {
    if let (true, Some(exact)) = (place.in_key, place.kind.exact_collation()) {
        return exact.to_owned();
    }
    let suffix = source.split_once('_').map_or("", |(_, suffix)| suffix);
    let own = match place.kind {
        TargetKind::MySql => source.starts_with("utf8mb4_") && suffix.contains("0900"),
        TargetKind::MariaDb => source.starts_with("utf8") && (suffix.contains("nopad") || suffix.starts_with("uca1400_")),
        TargetKind::PostgreSql => false,
    };
    if own || COMMON_COLLATIONS.contains(&suffix) { format!("utf8mb4_{suffix}") } else { "utf8mb4_bin".to_owned() }
}

/// A type as written in `columns.type`; text takes `collation`.
pub(crate) fn parse_type(text: &str, kind: TargetKind, collation: &str) -> Option<MySqlType> {
    let lower = text.trim().to_ascii_lowercase();
    if lower.starts_with("enum") || lower.starts_with("set") {
        return labels::parse(text.trim(), collation);
    }
    let (lower, unsigned) = match lower.strip_suffix(" unsigned") {
        Some(rest) => (rest.trim().to_owned(), true),
        None => (lower, false),
    };
    let (name, arguments) = match lower.split_once('(') {
        Some((name, rest)) => (name.trim(), super::declared::numbers(rest.strip_suffix(')')?)?),
        None => (lower.as_str(), vec![]),
    };
    let integer = |bits: u8| Some(MySqlType::Integer { bits, unsigned });
    let collation = || collation.to_owned();
    let long = |size: LongSize| Some(MySqlType::Text { size, collation: collation() });
    let parsed = match (name, arguments.as_slice()) {
        ("tinyint", [1]) if !unsigned => Some(MySqlType::Boolean),
        ("boolean" | "bool", []) => Some(MySqlType::Boolean),
        ("tinyint", []) => integer(8),
        ("smallint", []) => integer(16),
        ("mediumint", []) => integer(24),
        ("int" | "integer", []) => integer(32),
        ("bigint", []) => integer(64),
        ("decimal" | "numeric", [precision @ 1..=65]) => decimal(*precision, 0),
        ("decimal" | "numeric", [precision @ 1..=65, scale @ 0..=30]) if scale <= precision => decimal(*precision, *scale),
        ("float", []) => Some(MySqlType::Float),
        ("double" | "double precision", []) => Some(MySqlType::Double),
        ("char", [length @ 1..=255]) => Some(MySqlType::Char { length: *length, collation: collation() }),
        ("varchar", [length @ 1..=INLINE_LENGTH_MAX]) => Some(MySqlType::Varchar { length: *length, collation: collation() }),
        ("tinytext", []) => long(LongSize::Tiny),
        ("text", []) => long(LongSize::Plain),
        ("mediumtext", []) => long(LongSize::Medium),
        ("longtext", []) => long(LongSize::Long),
        ("binary", [length @ 1..=255]) => Some(MySqlType::Binary(*length)),
        ("varbinary", [length @ 1..=INLINE_LENGTH_MAX]) => Some(MySqlType::VarBinary(*length)),
        ("tinyblob", []) => Some(MySqlType::Blob(LongSize::Tiny)),
        ("blob", []) => Some(MySqlType::Blob(LongSize::Plain)),
        ("mediumblob", []) => Some(MySqlType::Blob(LongSize::Medium)),
        ("longblob", []) => Some(MySqlType::Blob(LongSize::Long)),
        ("bit", [length @ 1..=64]) => u8::try_from(*length).ok().map(MySqlType::Bit),
        ("date", []) => Some(MySqlType::Date),
        ("datetime", digits) => fraction(digits).map(MySqlType::DateTime),
        ("time", digits) => fraction(digits).map(MySqlType::Time),
        ("year", []) => Some(MySqlType::Year),
        ("json", []) if kind == TargetKind::MySql => Some(MySqlType::Json),
        _ => None,
    }?;
    (!unsigned || matches!(parsed, MySqlType::Integer { .. })).then_some(parsed)
}

fn decimal(precision: u32, scale: u32) -> Option<MySqlType> {
    Some(MySqlType::Decimal { precision: u16::try_from(precision).ok()?, scale: u16::try_from(scale).ok()? })
}

fn fraction(digits: &[u32]) -> Option<u8> {
    match digits {
        [] => Some(0),
        [digits @ 0..=6] => u8::try_from(*digits).ok(),
        _ => None,
    }
}

/// Whether every value of a source type either arrives unchanged or is refused by the conversion's check.
pub(crate) fn is_exact(from: &DataType, to: &MySqlType) -> bool {
    let to_labels = matches!(to, MySqlType::Enum { .. } | MySqlType::Set { .. });
    let to_text = to.collation().is_some() && !to_labels;
    let to_number = matches!(to, MySqlType::Integer { .. } | MySqlType::Decimal { .. });
    match from {
        DataType::Null => true,
        DataType::Boolean => matches!(to, MySqlType::Boolean),
        DataType::Integer { .. } | DataType::Decimal { .. } | DataType::Numeric => to_number || to_text,
        DataType::Bit { .. } => to_number || to_text || matches!(to, MySqlType::Bit(_)),
        DataType::Year => to_number || to_text || *to == MySqlType::Year,
        DataType::Float => matches!(to, MySqlType::Float | MySqlType::Double),
        DataType::Double => *to == MySqlType::Double,
        DataType::Text { .. } | DataType::Enum { .. } | DataType::Set { .. } | DataType::NamedEnum { .. } => to_text || to_labels,
        DataType::Array { .. } | DataType::Native { .. } => to_text,
        DataType::Uuid => to_text || *to == MySqlType::Binary(16),
        DataType::Bytes { .. } => matches!(to, MySqlType::Binary(_) | MySqlType::VarBinary(_) | MySqlType::Blob(_)),
        DataType::Date => matches!(to, MySqlType::Date | MySqlType::DateTime(_)),
        DataType::DateTime { fraction } | DataType::Timestamp { fraction } => {
            matches!(to, MySqlType::DateTime(digits) if digits >= fraction)
        }
        DataType::TimestampTz { fraction } => matches!(to, MySqlType::DateTime(digits) if digits >= fraction),
        DataType::Time { fraction } | DataType::TimeOfDay { fraction } => {
            matches!(to, MySqlType::Time(digits) if digits >= fraction)
        }
        DataType::Json | DataType::Jsonb => to_text || *to == MySqlType::Json,
        DataType::Interval | DataType::Unsupported { .. } => false,
    }
}

/// A value that is not NULL as the column holds it.
///
/// # Errors
/// As [`super::convert`].
pub(super) fn present(value: Value, own: &MySqlType, column: &TargetColumn, policies: &Policies) -> Result<Value> {
    if matches!(value, Value::NonFinite(_)) {
        return Err(refuse(column, "an infinite number or NaN, which the target cannot hold"));
    }
    match own {
        MySqlType::Boolean => match value {
            Value::Bool(truth) => Ok(Value::Int(i64::from(truth))),
            other => Err(mismatch(&other, column)),
        },
        MySqlType::Integer { bits, unsigned } => integer(&value, column, *bits, *unsigned),
        MySqlType::Bit(length) => whole(&value, column, u64::MAX >> (64 - u32::from((*length).clamp(1, 64)))),
        MySqlType::Year => match whole(&value, column, 2_155)? {
            Value::UInt(1..=1_900) => Err(refuse(column, "a year before 1901")),
            year => Ok(year),
        },
        MySqlType::Decimal { precision, scale } => numeric(&value, column, Some((*precision, *scale))),
        MySqlType::Float => match value {
            // MariaDB stores a zero without its sign; to everyone who asks they are equal.
            Value::Float(number) if number.is_finite() => Ok(Value::Float(number + 0.0)),
            Value::Float(_) => Err(refuse(column, "an infinite number or NaN, which the target cannot hold")),
            other => Err(mismatch(&other, column)),
        },
        MySqlType::Double => match value {
            Value::Float(number) if number.is_finite() => Ok(Value::Double(f64::from(number) + 0.0)),
            Value::Double(number) if number.is_finite() => Ok(Value::Double(number + 0.0)),
            Value::Float(_) | Value::Double(_) => Err(refuse(column, "an infinite number or NaN, which the target cannot hold")),
            other => Err(mismatch(&other, column)),
        },
        MySqlType::Char { .. } | MySqlType::Varchar { .. } | MySqlType::Text { .. } => fitting_text(value, own, column),
        MySqlType::Enum { .. } | MySqlType::Set { .. } => match value {
            Value::Text(text) if labels::holds(own, &text) => Ok(Value::Text(text)),
            Value::Text(_) => Err(refuse(column, "a text that is none of the declared labels")
                .with_hint("add the label in columns.type, or declare varchar(n)")),
            other => Err(mismatch(&other, column)),
        },
        MySqlType::Binary(_) | MySqlType::VarBinary(_) | MySqlType::Blob(_) => fitting_bytes(value, own, column),
        MySqlType::Date => match value {
            Value::Date(date) => in_years(date, column).and_then(|date| day(date, column, policies, Value::Date)),
            other => Err(mismatch(&other, column)),
        },
        MySqlType::DateTime(_) => moment(value, column, policies),
        MySqlType::Time(_) => match value {
            Value::Time(time) if time.0.abs() <= Time::MAX.0 => Ok(Value::Time(time)),
            Value::Time(_) => Err(refuse(column, "a time beyond 838:59:59")),
            other => Err(mismatch(&other, column)),
        },
        MySqlType::Json => match value {
            Value::Text(text) if json_form::is_mysql(&text) => Ok(Value::Text(text)),
            Value::Text(_) => Err(refuse(column, "a JSON text that a json column of the target would not give back as it is")
                .with_hint("declare columns.type: longtext for it")),
            other => Err(mismatch(&other, column)),
        },
    }
}

fn integer(value: &Value, column: &TargetColumn, bits: u8, unsigned: bool) -> Result<Value> {
    let bits = u32::from(bits.clamp(8, 64));
    if unsigned {
        return whole(value, column, u64::MAX >> (64 - bits));
    }
    let most = i64::MAX >> (64 - bits);
    match super::integer(value, column, -most - 1, most)? {
        Value::Int(number) => Ok(Value::Int(number)),
        other => Err(mismatch(&other, column)),
    }
}

/// A number from 0 to `most`.
fn whole(value: &Value, column: &TargetColumn, most: u64) -> Result<Value> {
    let number = match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::UInt(number) => Some(*number),
        Value::Decimal(number) if number.truncate(0).compare(number).is_eq() => number.to_u64(),
        Value::Decimal(_) => return Err(refuse(column, "a number with a fraction, where the target column is an integer")),
        other => return Err(mismatch(other, column)),
    };
    let fitting = number.filter(|number| *number <= most);
    fitting.map(Value::UInt).ok_or_else(|| refuse(column, "a number out of the range of the target column"))
}

fn fitting_text(value: Value, own: &MySqlType, column: &TargetColumn) -> Result<Value> {
    let text: Box<str> = match value {
        Value::Text(text) => text,
        Value::Int(number) => number.to_string().into(),
        Value::UInt(number) => number.to_string().into(),
        Value::Decimal(number) => number.to_string().into(),
        Value::Bytes(bytes) if bytes.len() == 16 => uuid_text(&bytes).into(),
        other => return Err(mismatch(&other, column)),
    };
    let fits = match own {
        MySqlType::Char { .. } if text.ends_with(' ') => {
            return Err(refuse(column, "text that ends in a space, which a char column does not keep")
                .with_hint("declare columns.type: varchar(n)"));
        }
        MySqlType::Char { length, .. } | MySqlType::Varchar { length, .. } => text.chars().count() <= *length as usize,
        MySqlType::Text { size, .. } => text.len() as u64 <= size.bytes_max(),
        _ => false,
    };
    if fits { Ok(Value::Text(text)) } else { Err(refuse(column, "text longer than the target column")) }
}

/// The 16 bytes of a uuid as PostgreSQL prints them.
fn uuid_text(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(UUID_LENGTH as usize);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

fn fitting_bytes(value: Value, own: &MySqlType, column: &TargetColumn) -> Result<Value> {
    let Value::Bytes(bytes) = value else { return Err(mismatch(&value, column)) };
    let fits = match own {
        MySqlType::Binary(length) => bytes.len() == *length as usize,
        MySqlType::VarBinary(length) => bytes.len() <= *length as usize,
        MySqlType::Blob(size) => bytes.len() as u64 <= size.bytes_max(),
        _ => false,
    };
    if fits { Ok(Value::Bytes(bytes)) } else { Err(refuse(column, "binary data of another length than the target column holds")) }
}

fn moment(value: Value, column: &TargetColumn, policies: &Policies) -> Result<Value> {
    match value {
        Value::Date(date) => {
            day(in_years(date, column)?, column, policies, |date| Value::DateTime(DateTime { date, time_us: 0 }))
        }
        Value::DateTime(at) => {
            // Where the policy replaces the day, the time of day goes with it.
            let kept = move |date| Value::DateTime(DateTime { date, time_us: if date == at.date { at.time_us } else { 0 } });
            day(in_years(at.date, column)?, column, policies, kept)
        }
        other => Err(mismatch(&other, column)),
    }
}

fn in_years(date: Date, column: &TargetColumn) -> Result<Date> {
    if (0..=9_999).contains(&date.year) { Ok(date) } else { Err(refuse(column, "a date outside of the years 1 to 9999")) }
}
