//! PostgreSQL's binary form back to values, exactly as [`super::encode`] wrote them.
//!
//! What is not well formed has no value here: the error names table and column.

use std::error::Error as StdError;

use tokio_postgres::types::{FromSql, Type};

use super::{fault, numeric, types};
use crate::error::{Class, Error, Result};
use crate::schema::{TargetColumn, TargetTable, TargetType};
use crate::value::{Date, Interval, Row, Time, Value, calendar};

/// The raw bytes of one field.
struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, bytes: &'a [u8]) -> std::result::Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(Some(bytes)))
    }

    fn from_sql_null(_: &Type) -> std::result::Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The values of a result row whose columns are those of `table`, in order.
pub(super) fn row(table: &TargetTable, row: &tokio_postgres::Row) -> Result<Row> {
    table.columns.iter().enumerate().map(|(index, column)| field(table, column, row, index)).collect()
}

/// Refuses a statement whose result columns are not of the declared types: decoding them would misread bytes.
pub(super) fn expect_types(table: &TargetTable, columns: &[tokio_postgres::Column]) -> Result<()> {
    for (column, found) in table.columns.iter().zip(columns) {
        if *found.type_() != types::column_type(&column.target_type) {
            let declared = types::declared_name(&column.target_type);
            return Err(Error::new(
                Class::Person,
                format!("column {}.{} is of type {} now, declared is {declared}", table.name, column.name, found.type_().name()),
            )
            .with_hint("alter the column back, or change the mapping and rebuild"));
        }
    }
    Ok(())
}

fn field(table: &TargetTable, column: &TargetColumn, row: &tokio_postgres::Row, index: usize) -> Result<Value> {
    let raw: Raw<'_> =
        row.try_get(index).map_err(|error| fault::of(error, &format!("cannot read {}.{}", table.name, column.name)))?;
    let Some(bytes) = raw.0 else { return Ok(Value::Null) };
    value(&column.target_type, bytes).ok_or_else(|| {
        Error::new(
            Class::Person,
            format!(
                "a value of {}.{} is none that strangler writes as {}",
                table.name,
                column.name,
                types::declared_name(&column.target_type)
            ),
        )
    })
}

fn value(target_type: &TargetType, bytes: &[u8]) -> Option<Value> {
    Some(match target_type {
        TargetType::Boolean => match bytes {
            [0] => Value::Bool(false),
            [1] => Value::Bool(true),
            _ => return None,
        },
        TargetType::SmallInt => Value::Int(i64::from(i16::from_be_bytes(bytes.try_into().ok()?))),
        TargetType::Integer => Value::Int(i64::from(i32::from_be_bytes(bytes.try_into().ok()?))),
        TargetType::BigInt => Value::Int(i64::from_be_bytes(bytes.try_into().ok()?)),
        TargetType::Numeric(_) => numeric::decode(bytes)?,
        TargetType::Real => Value::Float(f32::from_be_bytes(bytes.try_into().ok()?)),
        TargetType::Double => Value::Double(f64::from_be_bytes(bytes.try_into().ok()?)),
        TargetType::Text | TargetType::Varchar(_) | TargetType::Char(_) => Value::text(std::str::from_utf8(bytes).ok()?),
        TargetType::Json | TargetType::Native(_) => Value::text(std::str::from_utf8(bytes).ok()?),
        TargetType::Bytea => Value::Bytes(bytes.into()),
        TargetType::Date => match i32::from_be_bytes(bytes.try_into().ok()?) {
            i32::MAX => Value::Date(Date::INFINITY),
            i32::MIN => Value::Date(Date::NEGATIVE_INFINITY),
            days => Value::Date(calendar::date_of(i64::from(days))?),
        },
        TargetType::Timestamp(_) | TargetType::TimestampTz(_) => {
            Value::DateTime(calendar::moment_of(i64::from_be_bytes(bytes.try_into().ok()?))?)
        }
        TargetType::Interval => {
            let (us, rest) = bytes.split_first_chunk()?;
            let (days, months) = rest.split_first_chunk()?;
            let (days, months) = (i32::from_be_bytes(*days), i32::from_be_bytes(months.try_into().ok()?));
            Value::Interval(Interval { months, days, us: i64::from_be_bytes(*us) })
        }
        TargetType::Jsonb => match bytes.split_first()? {
            (1, text) => Value::text(std::str::from_utf8(text).ok()?),
            _ => return None,
        },
        TargetType::Uuid if bytes.len() == 16 => Value::Bytes(bytes.into()),
        TargetType::Uuid => return None,
        TargetType::MySql(_) => return None,
        TargetType::Time(_) => Value::Time(Time(i64::from_be_bytes(bytes.try_into().ok()?))),
    })
}
