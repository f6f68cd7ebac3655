//! The server's binary form back to values, exactly as [`super::encode`] wrote them.
//!
//! What strangler never writes (zero dates, decimals of another scale, text that is not UTF-8) has no value here: the error names table and
//! column.

use mysql_async::Value as Wire;

use super::encode::own_type;
use crate::error::{Class, Error, Result};
use crate::schema::{MySqlType, TargetColumn, TargetTable};
use crate::value::{Date, DateTime, Decimal, Row, Time, Value};

/// The values of a result row whose columns are those of `table`, in order.
pub(super) fn row(table: &TargetTable, row: mysql_async::Row) -> Result<Row> {
    let found = row.unwrap();
    if found.len() != table.columns.len() {
        return Err(Error::bug(format!("a row of {} came back with {} values", table.name, found.len())));
    }
    table.columns.iter().zip(found).map(|(column, wire)| field(table, column, wire)).collect()
}

fn field(table: &TargetTable, column: &TargetColumn, wire: Wire) -> Result<Value> {
    if wire == Wire::NULL {
        return Ok(Value::Null);
    }
    let own = own_type(table, column)?;
    value(own, wire).ok_or_else(|| {
        let message = format!("a value of {}.{} is none that strangler writes as {}", table.name, column.name, own.name());
        Error::new(Class::Person, message).with_hint("look for zero dates, and for a column that was altered")
    })
}

fn value(own: &MySqlType, wire: Wire) -> Option<Value> {
    Some(match (own, wire) {
        (MySqlType::Boolean | MySqlType::Integer { unsigned: false, .. }, Wire::Int(number)) => Value::Int(number),
        (MySqlType::Boolean | MySqlType::Integer { unsigned: false, .. }, Wire::UInt(number)) => {
            Value::Int(i64::try_from(number).ok()?)
        }
        (MySqlType::Integer { unsigned: true, .. } | MySqlType::Year, Wire::UInt(number)) => Value::UInt(number),
        (MySqlType::Integer { unsigned: true, .. } | MySqlType::Year, Wire::Int(number)) => {
            Value::UInt(u64::try_from(number).ok()?)
        }
        (MySqlType::Bit(_), Wire::Bytes(bytes)) if bytes.len() <= 8 => {
            Value::UInt(bytes.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)))
        }
        (MySqlType::Decimal { scale, .. }, Wire::Bytes(bytes)) => {
            let number = Decimal::parse(std::str::from_utf8(&bytes).ok()?)?;
            if number.scale() != *scale {
                return None;
            }
            Value::Decimal(number)
        }
        (MySqlType::Float, Wire::Float(number)) => Value::Float(number),
        (MySqlType::Double, Wire::Double(number)) => Value::Double(number),
        (
            MySqlType::Char { .. }
            | MySqlType::Varchar { .. }
            | MySqlType::Text { .. }
            | MySqlType::Enum { .. }
            | MySqlType::Set { .. }
            | MySqlType::Json,
            Wire::Bytes(bytes),
        ) => Value::text(String::from_utf8(bytes).ok()?),
        (MySqlType::Binary(_) | MySqlType::VarBinary(_) | MySqlType::Blob(_), Wire::Bytes(bytes)) => Value::Bytes(bytes.into()),
        (MySqlType::Date, Wire::Date(year, month, day, 0, 0, 0, 0)) => Value::Date(calendar(year, month, day)?),
        (MySqlType::DateTime(_), Wire::Date(year, month, day, hour, minute, second, micro)) => Value::DateTime(DateTime {
            date: calendar(year, month, day)?,
            time_us: clock_us(i64::from(hour), minute, second, micro),
        }),
        (MySqlType::Time(_), Wire::Time(negative, days, hours, minutes, seconds, micro)) => {
            let us = clock_us(i64::from(days) * 24 + i64::from(hours), minutes, seconds, micro);
            Value::Time(Time(if negative { -us } else { us }))
        }
        _ => return None,
    })
}

fn calendar(year: u16, month: u8, day: u8) -> Option<Date> {
    Some(Date { year: i32::from(year), month, day }).filter(Date::is_calendar)
}

fn clock_us(hours: i64, minutes: u8, seconds: u8, micro: u32) -> i64 {
    ((hours * 60 + i64::from(minutes)) * 60 + i64::from(seconds)) * 1_000_000 + i64::from(micro)
}
