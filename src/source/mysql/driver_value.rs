//! Values of the binary protocol become our [`Value`]s by the expected [`DataType`], in one table for snapshots and SELECTs.
//!
//! In: a driver value, the type the catalogue or the binder expects, and whether text arrives raw in the column's charset or as UTF-8.
//! Out: the exact value. What does not fit the expected type is an error that says so without the value. Parameters go the other way.

use mysql_async::Value as Wire;

use crate::error::{Class, Error, Result};
use crate::schema::DataType;
use crate::value::{Date, DateTime, Decimal, Time, Value};

use super::charset;

/// How character data arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextForm {
    /// As stored, in the column's own charset (`character_set_results = NULL`).
    Raw,
    /// Converted to UTF-8 by the server.
    Utf8,
}

/// Converts one value; `name` is what an error calls the column.
///
/// # Errors
/// `Person` if character data is not valid in its charset; `Bug` if the value does not fit the type.
pub fn from_wire(wire: Wire, data_type: &DataType, form: TextForm, name: &str) -> Result<Value> {
    if matches!(wire, Wire::NULL) {
        return Ok(Value::Null);
    }
    match convert(wire, data_type, form) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(Error::bug(format!("column {name} holds a value that does not fit its expected type {data_type:?}"))),
        Err(error) => Err(error.context(format!("could not decode column {name}"))),
    }
}

// size: one arm per type
fn convert(wire: Wire, data_type: &DataType, form: TextForm) -> Result<Option<Value>> {
    Ok(match data_type {
        DataType::Integer { unsigned: false, .. } => match wire {
            Wire::Int(number) => Some(Value::Int(number)),
            Wire::UInt(number) => i64::try_from(number).ok().map(Value::Int),
            _ => None,
        },
        DataType::Integer { unsigned: true, .. } | DataType::Year => match wire {
            Wire::UInt(number) => Some(Value::UInt(number)),
            Wire::Int(number) => u64::try_from(number).ok().map(Value::UInt),
            _ => None,
        },
        DataType::Decimal { scale, .. } => decimal(wire, *scale),
        DataType::Float => match wire {
            Wire::Float(number) => Some(Value::Float(number)),
            _ => None,
        },
        DataType::Double => match wire {
            Wire::Double(number) => Some(Value::Double(number)),
            _ => None,
        },
        DataType::Text { charset, .. } => match wire {
            Wire::Bytes(bytes) => Some(text(bytes, charset, form)?),
            _ => None,
        },
        DataType::Enum { labels, charset, .. } => {
            label(wire, charset, form, |text| text.is_empty() || labels.iter().any(|label| label == text))?
        }
        DataType::Set { labels, charset, .. } => label(wire, charset, form, |text| {
            text.is_empty() || text.split(',').all(|part| labels.iter().any(|label| label == part))
        })?,
        DataType::Json => match wire {
            Wire::Bytes(bytes) => Some(text(bytes, "utf8mb4", form)?),
            _ => None,
        },
        DataType::Bytes { .. } => match wire {
            Wire::Bytes(bytes) => Some(Value::Bytes(bytes.into())),
            _ => None,
        },
        DataType::Bit { .. } => bits(wire),
        DataType::Date => match wire {
            Wire::Date(year, month, day, 0, 0, 0, 0) => Some(Value::Date(date(year, month, day))),
            _ => None,
        },
        DataType::DateTime { .. } | DataType::Timestamp { .. } => date_time(wire),
        DataType::Time { .. } => time(wire),
        // Types of other servers, and what no value has.
        _ => None,
    })
}

fn text(bytes: Vec<u8>, charset: &str, form: TextForm) -> Result<Value> {
    let text = match form {
        TextForm::Raw => charset::decode(charset, &bytes)?,
        TextForm::Utf8 => {
            String::from_utf8(bytes).map_err(|_| Error::new(Class::Person, "the server sent text that is not UTF-8"))?
        }
    };
    Ok(Value::text(text))
}

fn label(wire: Wire, charset: &str, form: TextForm, known: impl Fn(&str) -> bool) -> Result<Option<Value>> {
    let Wire::Bytes(bytes) = wire else { return Ok(None) };
    let value = text(bytes, charset, form)?;
    Ok(match &value {
        Value::Text(text) if known(text) => Some(value),
        _ => None,
    })
}

fn decimal(wire: Wire, scale: u16) -> Option<Value> {
    let number = match wire {
        Wire::Bytes(bytes) => Decimal::parse(std::str::from_utf8(&bytes).ok()?)?,
        Wire::Int(number) => Decimal::from_i64(number),
        Wire::UInt(number) => Decimal::from_u64(number),
        _ => return None,
    };
    if number.scale() == scale {
        return Some(Value::Decimal(number));
    }
    // Another scale is only another spelling as long as no digit is lost.
    let fitted = number.round(scale);
    (fitted.compare(&number) == std::cmp::Ordering::Equal).then_some(Value::Decimal(fitted))
}

fn bits(wire: Wire) -> Option<Value> {
    match wire {
        Wire::Bytes(bytes) if bytes.len() <= 8 => {
            Some(Value::UInt(bytes.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte))))
        }
        Wire::UInt(number) => Some(Value::UInt(number)),
        Wire::Int(number) => u64::try_from(number).ok().map(Value::UInt),
        _ => None,
    }
}

fn date(year: u16, month: u8, day: u8) -> Date {
    Date { year: i32::from(year), month, day }
}

fn date_time(wire: Wire) -> Option<Value> {
    let Wire::Date(year, month, day, hour, minute, second, micro) = wire else { return None };
    let seconds = (i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second);
    Some(Value::DateTime(DateTime { date: date(year, month, day), time_us: seconds * 1_000_000 + i64::from(micro) }))
}

fn time(wire: Wire) -> Option<Value> {
    let Wire::Time(negative, days, hours, minutes, seconds, micro) = wire else { return None };
    let hours = i64::from(days) * 24 + i64::from(hours);
    let us = ((hours * 60 + i64::from(minutes)) * 60 + i64::from(seconds)) * 1_000_000 + i64::from(micro);
    Some(Value::Time(Time(if negative { -us } else { us })))
}

/// A statement parameter.
///
/// # Errors
/// `Bug` for a boolean (this server has none) and for dates and times outside of what the protocol can carry.
pub fn to_wire(value: &Value) -> Result<Wire> {
    Ok(match value {
        Value::Null => Wire::NULL,
        Value::Bool(_) | Value::NonFinite(_) | Value::Interval(_) => {
            return Err(Error::bug(format!("a {} was given as a parameter to a server without that type", value.type_name())));
        }
        Value::Int(number) => Wire::Int(*number),
        Value::UInt(number) => Wire::UInt(*number),
        Value::Decimal(number) => Wire::Bytes(number.to_string().into_bytes()),
        Value::Float(number) => Wire::Float(*number),
        Value::Double(number) => Wire::Double(*number),
        Value::Text(text) => Wire::Bytes(text.as_bytes().to_vec()),
        Value::Bytes(bytes) => Wire::Bytes(bytes.to_vec()),
        Value::Date(date) => Wire::Date(year(date)?, date.month, date.day, 0, 0, 0, 0),
        Value::DateTime(moment) => {
            let seconds = moment.time_us / 1_000_000;
            let part = |number: i64| u8::try_from(number).map_err(|_| Error::bug("a time of day is out of range"));
            let micro = u32::try_from(moment.time_us % 1_000_000).map_err(|_| Error::bug("a time of day is negative"))?;
            Wire::Date(
                year(&moment.date)?,
                moment.date.month,
                moment.date.day,
                part(seconds / 3600)?,
                part(seconds / 60 % 60)?,
                part(seconds % 60)?,
                micro,
            )
        }
        Value::Time(time) => Wire::Bytes(time.format(6).into_bytes()),
    })
}

fn year(date: &Date) -> Result<u16> {
    u16::try_from(date.year)
        .ok()
        .filter(|year| *year <= 9999)
        .ok_or_else(|| Error::bug("a date is outside of the years 0 to 9999"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f69_bigint_unsigned_above_2_63() {
        let unsigned = DataType::Integer { bits: 64, unsigned: true };
        let signed = DataType::Integer { bits: 64, unsigned: false };
        assert_eq!(from_wire(Wire::UInt(u64::MAX), &unsigned, TextForm::Raw, "c").unwrap(), Value::UInt(u64::MAX));
        assert!(from_wire(Wire::UInt(u64::MAX), &signed, TextForm::Raw, "c").is_err());
        assert!(from_wire(Wire::Int(-1), &unsigned, TextForm::Raw, "c").is_err());
    }

    #[test]
    fn f70_bit_64_high_bit() {
        let bit = DataType::Bit { length: 64 };
        assert_eq!(
            from_wire(Wire::Bytes(vec![0x80, 0, 0, 0, 0, 0, 0, 1]), &bit, TextForm::Raw, "c").unwrap(),
            Value::UInt((1 << 63) + 1)
        );
    }

    #[test]
    fn a_value_of_another_type_is_an_error_without_the_value() {
        let error = from_wire(Wire::Bytes(b"secret".to_vec()), &DataType::Date, TextForm::Utf8, "erp.t.c").err().unwrap();
        assert!(error.message().contains("erp.t.c"));
        assert!(!format!("{error:?}").contains("secret"));
        let lossy = DataType::Decimal { precision: 10, scale: 1, unsigned: false };
        assert!(from_wire(Wire::Bytes(b"1.25".to_vec()), &lossy, TextForm::Utf8, "c").is_err());
        assert!(from_wire(Wire::Bytes(b"1.50".to_vec()), &lossy, TextForm::Utf8, "c").is_ok());
    }
}
