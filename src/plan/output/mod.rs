//! Source values become target values: the only place where they do. Derivation, verification and previews all come through here.
//!
//! A converted value has one form per target type: integers `Int`, numeric `Decimal` with the column's scale, text `Text`, date `Date`,
//! timestamp `DateTime` (with time zone: in UTC), interval `Interval`, time `Time`, uuid 16 `Bytes`, native types `Text`. What the target cannot hold is an error naming the column, never a changed value;
//! the only exceptions are the declared output policies.

mod declared;
mod json_form;
mod labels;
pub(crate) mod mysql;
#[cfg(test)]
mod mysql_tests;
pub(crate) mod row_size;
#[cfg(test)]
mod tests;

pub use declared::{declared_name, is_exact, parse_type};

use crate::error::{Class, Error, Result};
use crate::plan::{Policies, ZeroDate};
use crate::schema::{DataType, TargetColumn, TargetType};
use crate::sql::postgres::ranges;
use crate::value::{Date, DateTime, Decimal, Interval, NonFinite, Time, Value, calendar};

/// The target type that holds every value of a source type. Text has no length there: a length that only an expression's type
/// implies must not stop a migration.
#[must_use]
pub fn target_type(data_type: &DataType) -> TargetType {
    match data_type {
        DataType::Boolean => TargetType::Boolean,
        DataType::Integer { bits, unsigned } => match (bits, unsigned) {
            (0..=8, _) | (9..=16, false) => TargetType::SmallInt,
            (9..=24, _) | (25..=32, false) => TargetType::Integer,
            (25..=32, true) | (_, false) => TargetType::BigInt,
            (_, true) => TargetType::Numeric(Some((20, 0))),
        },
        DataType::Bit { length } => match length {
            0..=15 => TargetType::SmallInt,
            16..=31 => TargetType::Integer,
            32..=63 => TargetType::BigInt,
            _ => TargetType::Numeric(Some((20, 0))),
        },
        DataType::Year => TargetType::SmallInt,
        DataType::Decimal { precision, scale, .. } => TargetType::Numeric(Some((*precision, *scale))),
        DataType::Float => TargetType::Real,
        DataType::Double => TargetType::Double,
        DataType::Bytes { .. } => TargetType::Bytea,
        DataType::Date => TargetType::Date,
        DataType::DateTime { fraction } | DataType::Timestamp { fraction } => TargetType::Timestamp(*fraction),
        DataType::Time { .. } => TargetType::Interval,
        DataType::Json => TargetType::Json,
        DataType::Numeric => TargetType::Numeric(None),
        DataType::TimestampTz { fraction } => TargetType::TimestampTz(*fraction),
        DataType::TimeOfDay { fraction } => TargetType::Time(*fraction),
        DataType::Interval => TargetType::Interval,
        DataType::Uuid => TargetType::Uuid,
        DataType::Jsonb => TargetType::Jsonb,
        // MySQL reads CHAR without its trailing blanks; PostgreSQL keeps them as part of the type.
        DataType::Text { length: Some(length), fixed: true, charset, .. } if charset == "UTF8" => TargetType::Char(*length),
        // So do types that a user or an extension has made: their text goes.
        DataType::Native { name, declared } if declared::is_built_in(name) => TargetType::Native(declared.clone()),
        DataType::Native { .. } => TargetType::Text,
        DataType::Array { element } => TargetType::Native(format!("{}[]", declared_name(element))),
        // A service owns its types: the labels go, not the enum.
        DataType::NamedEnum { .. } => TargetType::Text,
        DataType::Null | DataType::Text { .. } | DataType::Enum { .. } | DataType::Set { .. } | DataType::Unsupported { .. } => {
            TargetType::Text
        }
    }
}

/// The value as the target column holds it.
///
/// # Errors
/// [`Class::Person`] if the column cannot hold the value; [`Class::Bug`] if the value is not of a type the column was declared for.
pub fn convert(value: Value, column: &TargetColumn, policies: &Policies) -> Result<Value> {
    let converted = match value {
        Value::Null => Value::Null,
        value => present(value, column, policies)?,
    };
    if converted.is_null() && !column.nullable {
        return Err(refuse(column, "NULL, where the target column is declared NOT NULL"));
    }
    Ok(converted)
}

fn present(value: Value, column: &TargetColumn, policies: &Policies) -> Result<Value> {
    match &column.target_type {
        TargetType::Boolean => boolean(&value).map(Value::Bool).ok_or_else(|| mismatch(&value, column)),
        TargetType::SmallInt => integer(&value, column, i64::from(i16::MIN), i64::from(i16::MAX)),
        TargetType::Integer => integer(&value, column, i64::from(i32::MIN), i64::from(i32::MAX)),
        TargetType::BigInt => integer(&value, column, i64::MIN, i64::MAX),
        TargetType::Numeric(bounds) => numeric(&value, column, *bounds),
        TargetType::Real => match value {
            Value::Float(number) => Ok(Value::Float(number)),
            other => Err(mismatch(&other, column)),
        },
        TargetType::Double => match value {
            Value::Float(number) => Ok(Value::Double(f64::from(number))),
            Value::Double(number) => Ok(Value::Double(number)),
            other => Err(mismatch(&other, column)),
        },
        // A target's sessions are in UTC, the source's are not.
        TargetType::Native(name) if matches!(name.as_str(), "tstzrange" | "tstzmultirange") => match &value {
            Value::Text(text) => ranges::in_utc(text).map(Value::text).ok_or_else(|| mismatch(&value, column)),
            other => Err(mismatch(other, column)),
        },
        TargetType::Text | TargetType::Json | TargetType::Jsonb | TargetType::Native(_) => text(value, column, None),
        TargetType::Varchar(length) => text(value, column, Some(*length)),
        TargetType::Char(length) => padded(text(value, column, Some(*length))?, *length),
        TargetType::Uuid => match value {
            Value::Bytes(bytes) if bytes.len() == 16 => Ok(Value::Bytes(bytes)),
            other => Err(mismatch(&other, column)),
        },
        TargetType::Bytea => match value {
            Value::Bytes(bytes) => Ok(Value::Bytes(bytes)),
            other => Err(mismatch(&other, column)),
        },
        TargetType::Date => match value {
            Value::Date(date) => day(date, column, policies, Value::Date),
            other => Err(mismatch(&other, column)),
        },
        TargetType::Timestamp(_) | TargetType::TimestampTz(_) => match value {
            Value::Date(date) => day(date, column, policies, |date| Value::DateTime(DateTime { date, time_us: 0 })),
            Value::DateTime(at) => {
                // Where the policy replaces the day, the time of day goes with it.
                let kept = move |date| Value::DateTime(DateTime { date, time_us: if date == at.date { at.time_us } else { 0 } });
                day(at.date, column, policies, kept)
            }
            other => Err(mismatch(&other, column)),
        },
        TargetType::Interval => match value {
            Value::Time(Time(us)) => Ok(Value::Interval(Interval { months: 0, days: 0, us })),
            Value::Interval(interval) => Ok(Value::Interval(interval)),
            other => Err(mismatch(&other, column)),
        },
        TargetType::MySql(own) => {
            let own = own.clone();
            mysql::present(value, &own, column, policies)
        }
        TargetType::Time(_) => match value {
            Value::Time(Time(us)) if (0..=86_400_000_000).contains(&us) => Ok(Value::Time(Time(us))),
            Value::Time(_) => Err(refuse(column, "a time below zero or past one day")),
            other => Err(mismatch(&other, column)),
        },
    }
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        _ => None,
    }
}

fn integer(value: &Value, column: &TargetColumn, least: i64, most: i64) -> Result<Value> {
    let number = match value {
        Value::Int(number) => Some(*number),
        Value::UInt(number) => i64::try_from(*number).ok(),
        Value::Decimal(number) if number.truncate(0).compare(number).is_eq() => number.to_i64(),
        Value::Decimal(_) => return Err(refuse(column, "a number with a fraction, where the target column is an integer")),
        other => return Err(mismatch(other, column)),
    };
    let fitting = number.filter(|number| (least..=most).contains(number));
    fitting.map(Value::Int).ok_or_else(|| refuse(column, "a number out of the range of the target column"))
}

fn numeric(value: &Value, column: &TargetColumn, bounds: Option<(u16, u16)>) -> Result<Value> {
    let number = match value {
        Value::Int(number) => Decimal::from_i64(*number),
        Value::UInt(number) => Decimal::from_u64(*number),
        Value::Decimal(number) => number.clone(),
        Value::NonFinite(number) if bounds.is_none() || *number == NonFinite::NaN => return Ok(value.clone()),
        Value::NonFinite(_) => return Err(refuse(column, "an infinite number, where the target column has a precision")),
        other => return Err(mismatch(other, column)),
    };
    let Some((precision, scale)) = bounds else { return Ok(Value::Decimal(number)) };
    let scaled = number.round(scale);
    if !scaled.compare(&number).is_eq() {
        return Err(refuse(column, "a number with more digits after the point than the target column"));
    }
    if scaled.is_beyond(u32::from(precision)) {
        return Err(refuse(column, "a number out of the range of the target column"));
    }
    Ok(Value::Decimal(scaled))
}

fn text(value: Value, column: &TargetColumn, length: Option<u32>) -> Result<Value> {
    let text: Box<str> = match value {
        Value::Text(text) => text,
        Value::Int(number) => number.to_string().into(),
        Value::UInt(number) => number.to_string().into(),
        Value::Decimal(number) => number.to_string().into(),
        other => return Err(mismatch(&other, column)),
    };
    if text.contains('\0') {
        return Err(refuse(column, "text with a NUL character, which the target cannot hold"));
    }
    if length.is_some_and(|length| text.chars().count() > length as usize) {
        return Err(refuse(column, "text longer than the target column"));
    }
    Ok(Value::Text(text))
}

/// A value of character(n) always has n characters.
fn padded(value: Value, length: u32) -> Result<Value> {
    let Value::Text(text) = value else { return Ok(value) };
    let missing = (length as usize).saturating_sub(text.chars().count());
    if missing == 0 {
        return Ok(Value::Text(text));
    }
    Ok(Value::Text(format!("{text}{:missing$}", "").into()))
}

fn day(date: Date, column: &TargetColumn, policies: &Policies, make: impl Fn(Date) -> Value) -> Result<Value> {
    // Years before the first and the infinities come from PostgreSQL and go there; no calendar has a year zero.
    if date.is_calendar() || (date.year < 0 && calendar::days_of(date).is_some()) || !date.is_finite() {
        return Ok(make(date));
    }
    match policies.zero_date {
        ZeroDate::Stop => {
            Err(refuse(column, "a zero or partly zero date")
                .with_hint("set policies: { zero_date: \"null\" } or correct the row"))
        }
        ZeroDate::Null => Ok(Value::Null),
        ZeroDate::FirstDay => Ok(make(Date { year: 1, month: 1, day: 1 })),
    }
}

fn refuse(column: &TargetColumn, what: &str) -> Error {
    Error::new(Class::Person, format!("column {} would receive {what}", column.name))
}

fn mismatch(value: &Value, column: &TargetColumn) -> Error {
    Error::bug(format!("a {} came for column {}, which is {:?}", value.type_name(), column.name, column.target_type))
}
