//! Dates and times as numbers (20240131, 20240131102030, 102030) and numbers as dates.

use num_bigint::BigInt;

use crate::error::Result;
use crate::schema::DataType;
use crate::sql::functions::{Function, TemporalRules, coerce, mismatch, no_value, temporal_text};
use crate::sql::query::{Expr, ExprKind};
use crate::sql::types::{BIGINT, decimal_type, node, temporal_fraction};
use crate::value::{Date, DateTime, Decimal, Value};

/// A conversion between dates and their digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// The digits of a date or time; with a fraction a decimal.
    ToNumber,
    /// The date or moment of digits.
    FromNumber(TemporalRules),
}

/// The digits of the number that a date or time of a type makes, without its fraction.
pub(crate) fn integral_digits(data_type: &DataType) -> u16 {
    match data_type {
        DataType::Date => 8,
        DataType::Time { .. } => 7,
        _ => 14,
    }
}

/// A date or time as the number of its digits, as it takes part in arithmetic.
pub(crate) fn to_number(expr: Expr) -> Expr {
    let fraction = u16::from(temporal_fraction(&expr.data_type));
    let integral = integral_digits(&expr.data_type);
    let data_type = if fraction == 0 { BIGINT } else { decimal_type(integral + fraction, fraction, false) };
    let (nullable, span) = (expr.nullable, expr.span.clone());
    let function = Function::Packing(Packing::ToNumber);
    node(ExprKind::Call { function, arguments: vec![expr] }, data_type, nullable, span)
}

pub(super) fn call(packing: Packing, expr: &Expr, values: &[Value]) -> Result<Value> {
    let [value] = values else { return Err(mismatch("a packed date")) };
    match packing {
        Packing::ToNumber => pack(expr, value),
        Packing::FromNumber(rules) => unpack(expr, coerce::integer(value)?, rules),
    }
}

fn pack(expr: &Expr, value: &Value) -> Result<Value> {
    let date_digits = |date: &Date| i128::from(date.year) * 10_000 + i128::from(date.month) * 100 + i128::from(date.day);
    let clock_digits = |us: i64| {
        let seconds = i128::from(us / 1_000_000);
        seconds / 3600 * 10_000 + seconds / 60 % 60 * 100 + seconds % 60
    };
    let (digits, us) = match value {
        Value::Date(date) => (date_digits(date), 0),
        Value::DateTime(moment) => {
            (date_digits(&moment.date) * 1_000_000 + clock_digits(moment.time_us), moment.time_us % 1_000_000)
        }
        Value::Time(time) => (clock_digits(time.0), time.0 % 1_000_000),
        _ => return Err(mismatch("a packed date")),
    };
    match &expr.data_type {
        DataType::Decimal { scale, .. } => {
            let exact = Decimal::from_unscaled(BigInt::from(digits * 1_000_000 + i128::from(us)), 6);
            Ok(Value::Decimal(exact.truncate(*scale)))
        }
        _ => i64::try_from(digits).map(Value::Int).map_err(|_| mismatch("a packed date")),
    }
}

/// YYMMDD, YYYYMMDD, YYMMDDhhmmss and YYYYMMDDhhmmss; NULL for digits that are no date.
fn unpack(expr: &Expr, number: i128, rules: TemporalRules) -> Result<Value> {
    if !rules.mariadb && number <= 10_000_100 {
        return Err(no_value(expr, "a number of less than eight digits is read as a date"));
    }
    let packed = match number {
        0 => 0,
        101..=691_231 => (number + 20_000_000) * 1_000_000,
        700_101..=991_231 => (number + 19_000_000) * 1_000_000,
        991_232..=10_000_100 => return Err(no_value(expr, "a number is read as a date before the year 1000")),
        10_000_101..=99_991_231 => number * 1_000_000,
        101_000_000..=691_231_235_959 => number + 20_000_000_000_000,
        700_101_000_000..=991_231_235_959 => number + 19_000_000_000_000,
        991_231_235_960..=10_000_100_999_999 => return Err(no_value(expr, "a number is read as a date before the year 1000")),
        10_000_101_000_000..=99_991_231_235_959 => number,
        _ => return Ok(Value::Null),
    };
    let part = |divisor: i128, modulus: i128| packed / divisor % modulus;
    let date = Date {
        year: i32::try_from(part(10_000_000_000, 10_000)).unwrap_or(0),
        month: u8::try_from(part(100_000_000, 100)).unwrap_or(0),
        day: u8::try_from(part(1_000_000, 100)).unwrap_or(0),
    };
    let (hour, minute, second) = (part(10_000, 100), part(100, 100), part(1, 100));
    let fits_month = Date::days_in_month(date.year, date.month).is_none_or(|last| date.day <= last);
    let in_range = date.month <= 12 && date.day <= 31 && hour <= 23 && minute <= 59 && second <= 59 && fits_month;
    if !in_range || !temporal_text::is_allowed(date, rules) {
        return Ok(Value::Null);
    }
    let time_us = i64::try_from((hour * 3600 + minute * 60 + second) * 1_000_000).unwrap_or(0);
    Ok(match expr.data_type {
        DataType::Date => Value::Date(date),
        _ => Value::DateTime(DateTime { date, time_us }),
    })
}
