//! Values to PostgreSQL's binary form, for COPY and for parameters alike.
//!
//! A value goes in as the column's type or not at all: nothing is rounded, cut or replaced here, and an error names table and column but
//! never the value. Whether NULL is allowed is left to the server, which knows the column.

use std::error::Error as StdError;
use std::fmt;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

use super::{numeric, types};
use crate::error::{Class, Error, Result};
use crate::schema::{TargetColumn, TargetTable, TargetType};
use crate::value::calendar::{self, DAY_US};
use crate::value::{Date, DateTime, Decimal, Value};

/// Microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
pub(super) const UNIX_TO_EPOCH_US: i64 = 946_684_800_000_000;

/// Why a value does not go into a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Misfit {
    /// PostgreSQL's text has no NUL.
    Nul,
    /// Outside the range, or with more digits than the column keeps.
    Range,
    /// Not a day of the calendar.
    Calendar,
    /// A kind of value that the plan does not give to this type.
    Kind,
}

/// A statement parameter, already in binary form.
#[derive(Clone)]
pub(super) enum Parameter {
    /// NULL.
    Null,
    /// One value.
    Scalar(Vec<u8>),
    /// A one-dimensional array.
    Array(Array),
}

/// An array under construction, one element per row.
#[derive(Clone)]
pub(super) struct Array {
    element: Type,
    count: i32,
    has_null: bool,
    body: Vec<u8>,
}

impl Array {
    /// An empty array for values of a column.
    pub(super) fn new(column: &TargetColumn) -> Self {
        Self { element: types::wire_type(&column.target_type), count: 0, has_null: false, body: Vec::new() }
    }

    /// Appends a value.
    pub(super) fn push(&mut self, table: &TargetTable, column: &TargetColumn, value: &Value) -> Result<()> {
        self.count += 1;
        self.has_null |= value.is_null();
        field(table, column, value, &mut self.body)
    }

    /// Bytes so far.
    pub(super) fn byte_count(&self) -> usize {
        self.body.len()
    }
}

impl Parameter {
    /// One value of a column.
    pub(super) fn of(table: &TargetTable, column: &TargetColumn, value: &Value) -> Result<Self> {
        if value.is_null() {
            return Ok(Self::Null);
        }
        let mut bytes = Vec::new();
        match binary(&column.target_type, value, &mut bytes) {
            Ok(()) => Ok(Self::Scalar(bytes)),
            Err(misfit) => Err(refuse(table, column, misfit)),
        }
    }

    /// A `text`.
    pub(super) fn text(text: &str) -> Self {
        Self::Scalar(text.as_bytes().to_vec())
    }

    /// A `bigint`.
    pub(super) fn bigint(number: i64) -> Self {
        Self::Scalar(number.to_be_bytes().to_vec())
    }

    /// A `jsonb`.
    pub(super) fn jsonb(text: &str) -> Self {
        Self::Scalar([&[1], text.as_bytes()].concat())
    }

    /// A `timestamptz` from microseconds since 1970.
    pub(super) fn unix_us(unix_us: i64) -> Self {
        Self::bigint(unix_us.saturating_sub(UNIX_TO_EPOCH_US))
    }

    /// Bytes it takes on the wire, headers aside.
    pub(super) fn byte_count(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Scalar(bytes) => bytes.len(),
            Self::Array(array) => array.byte_count(),
        }
    }
}

/// The driver logs parameters at debug level; row values must not be in any log.
impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Scalar(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Array(array) => write!(f, "{} elements", array.count),
        }
    }
}

impl ToSql for Parameter {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Scalar(bytes) => out.put_slice(bytes),
            Self::Array(array) => {
                out.put_i32(i32::from(array.count > 0));
                out.put_i32(i32::from(array.has_null));
                out.put_u32(array.element.oid());
                if array.count > 0 {
                    out.put_i32(array.count);
                    out.put_i32(1);
                }
                out.put_slice(&array.body);
            }
        }
        Ok(IsNull::No)
    }

    // Every statement casts its parameters to the type that was encoded.
    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.to_sql(ty, out)
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Binary
    }
}

/// Appends one length-prefixed field: -1 and nothing for NULL.
pub(super) fn field(table: &TargetTable, column: &TargetColumn, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    if value.is_null() {
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        return Ok(());
    }
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let written =
        binary(&column.target_type, value, out).and_then(|()| i32::try_from(out.len() - start - 4).map_err(|_| Misfit::Range));
    match (written, out.get_mut(start..start + 4)) {
        (Ok(length), Some(prefix)) => prefix.copy_from_slice(&length.to_be_bytes()),
        (Err(misfit), _) => return Err(refuse(table, column, misfit)),
        (Ok(_), None) => return Err(Error::bug("the length prefix of an encoded field is gone")),
    }
    Ok(())
}

fn refuse(table: &TargetTable, column: &TargetColumn, misfit: Misfit) -> Error {
    let object = format!("{}.{}", table.name, column.name);
    let declared = types::declared_name(&column.target_type);
    match misfit {
        Misfit::Nul => {
            Error::new(Class::Person, format!("a value of {object} holds a NUL character, which {declared} cannot store"))
                .with_hint("remove NUL characters in the mapping, for example with REPLACE, or map the column to bytea")
        }
        Misfit::Range => Error::new(Class::Person, format!("a value of {object} is outside what {declared} stores exactly"))
            .with_hint("declare a wider type for the column in the mapping"),
        Misfit::Calendar => {
            Error::new(Class::Person, format!("a value of {object} is not a day of the calendar, so {declared} cannot store it"))
                .with_hint("set the policy zero_date of the mapping")
        }
        Misfit::Kind => Error::bug(format!("a value of {object} is not of the kind that {declared} takes")),
    }
}

/// Appends the binary form without a length.
fn binary(target_type: &TargetType, value: &Value, out: &mut Vec<u8>) -> Result<(), Misfit> {
    match (target_type, value) {
        (TargetType::Boolean, Value::Bool(flag)) => out.push(u8::from(*flag)),
        (TargetType::SmallInt, _) => {
            out.extend_from_slice(&i16::try_from(integer(value)?).map_err(|_| Misfit::Range)?.to_be_bytes())
        }
        (TargetType::Integer, _) => {
            out.extend_from_slice(&i32::try_from(integer(value)?).map_err(|_| Misfit::Range)?.to_be_bytes())
        }
        (TargetType::BigInt, _) => {
            out.extend_from_slice(&i64::try_from(integer(value)?).map_err(|_| Misfit::Range)?.to_be_bytes())
        }
        (TargetType::Numeric(declared), _) => numeric_bytes(*declared, value, out)?,
        (TargetType::Real, Value::Float(float)) => out.extend_from_slice(&float.to_bits().to_be_bytes()),
        (TargetType::Double, Value::Double(double)) => out.extend_from_slice(&double.to_bits().to_be_bytes()),
        (TargetType::Double, Value::Float(float)) => out.extend_from_slice(&f64::from(*float).to_bits().to_be_bytes()),
        (TargetType::Text | TargetType::Varchar(_) | TargetType::Char(_), Value::Text(text)) => text_bytes(text, out)?,
        (TargetType::Json | TargetType::Native(_), Value::Text(text)) => text_bytes(text, out)?,
        (TargetType::Jsonb, Value::Text(text)) => {
            out.push(1);
            text_bytes(text, out)?;
        }
        (TargetType::Uuid, Value::Bytes(bytes)) if bytes.len() == 16 => out.extend_from_slice(bytes),
        (TargetType::Bytea, Value::Bytes(bytes)) => out.extend_from_slice(bytes),
        (TargetType::Date, Value::Date(date)) => {
            let days = match *date {
                Date::INFINITY => i32::MAX,
                Date::NEGATIVE_INFINITY => i32::MIN,
                day => calendar::days_of(day).ok_or(Misfit::Calendar)?,
            };
            out.extend_from_slice(&days.to_be_bytes());
        }
        (TargetType::Timestamp(fraction) | TargetType::TimestampTz(fraction), Value::DateTime(moment)) => {
            out.extend_from_slice(&moment_us(*moment, *fraction)?.to_be_bytes())
        }
        (TargetType::Interval, Value::Interval(interval)) => {
            out.extend_from_slice(&interval.us.to_be_bytes());
            out.extend_from_slice(&interval.days.to_be_bytes());
            out.extend_from_slice(&interval.months.to_be_bytes());
        }
        (TargetType::Time(fraction), Value::Time(time)) => {
            if !(0..=DAY_US).contains(&time.0) || !whole(time.0, *fraction) {
                return Err(Misfit::Range);
            }
            out.extend_from_slice(&time.0.to_be_bytes());
        }
        _ => return Err(Misfit::Kind),
    }
    Ok(())
}

fn integer(value: &Value) -> Result<i128, Misfit> {
    match value {
        Value::Int(number) => Ok(i128::from(*number)),
        Value::UInt(number) => Ok(i128::from(*number)),
        _ => Err(Misfit::Kind),
    }
}

fn text_bytes(text: &str, out: &mut Vec<u8>) -> Result<(), Misfit> {
    if text.contains('\0') {
        return Err(Misfit::Nul);
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn numeric_bytes(declared: Option<(u16, u16)>, value: &Value, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let converted;
    let decimal = match value {
        Value::Decimal(decimal) => decimal,
        Value::NonFinite(number) => {
            numeric::encode_non_finite(*number, out);
            return Ok(());
        }
        Value::Int(number) => {
            converted = Decimal::from_i64(*number);
            &converted
        }
        Value::UInt(number) => {
            converted = Decimal::from_u64(*number);
            &converted
        }
        _ => return Err(Misfit::Kind),
    };
    // The server would round to the declared scale; only zeros may go.
    if let Some((_, kept)) = declared
        && decimal.scale() > kept
        && decimal.compare(&decimal.truncate(kept)).is_ne()
    {
        return Err(Misfit::Range);
    }
    numeric::encode(decimal, out).ok_or(Misfit::Range)
}

fn moment_us(moment: DateTime, fraction: u8) -> Result<i64, Misfit> {
    if moment.date.is_finite() && calendar::days_of(moment.date).is_none() {
        return Err(Misfit::Calendar);
    }
    if !whole(moment.time_us, fraction) {
        return Err(Misfit::Range);
    }
    calendar::moment_us(moment).ok_or(Misfit::Range)
}

/// Whether a time has no more than `fraction` digits after the second.
fn whole(time_us: i64, fraction: u8) -> bool {
    time_us % 10_i64.pow(u32::from(6_u8.saturating_sub(fraction))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_debug_log_gets_no_values() {
        assert_eq!(format!("{:?}", [Parameter::text("canary"), Parameter::Null]), "[6 bytes, NULL]");
    }
}
