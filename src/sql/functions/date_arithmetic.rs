//! Arithmetic on dates: INTERVAL, DATEDIFF, TIMESTAMPDIFF, LAST_DAY, MAKEDATE, FROM_DAYS, UNIX time in fixed-offset zones.

use crate::error::Result;
use crate::schema::DataType;
use crate::sql::functions::{Function, Unit, coerce, mismatch, no_value};
use crate::sql::query::Expr;
use crate::value::{Date, DateTime, Value};

const SECOND_US: i128 = 1_000_000;
const DAY_US: i128 = 86_400 * SECOND_US;

pub(super) fn call(function: &Function, expr: &Expr, values: &[Value]) -> Result<Value> {
    match (function, values) {
        (Function::AddInterval { unit, subtract }, [base, amount]) => {
            let Some(amount) = amount_of(amount, *unit)? else { return Ok(Value::Null) };
            add(expr, coerce::moment(base)?, if *subtract { -amount } else { amount }, *unit)
        }
        (Function::DateDifference, [left, right]) => {
            let days = coerce::date(left)?.day_number().zip(coerce::date(right)?.day_number());
            Ok(days.map_or(Value::Null, |(left, right)| Value::Int(left - right)))
        }
        (Function::TimestampDifference { unit }, [from, to]) => difference(*unit, coerce::moment(from)?, coerce::moment(to)?),
        (Function::LastDay, [value]) => {
            let date = coerce::date(value)?;
            if date.month != 0 && date.day == 0 {
                return Err(no_value(expr, "LAST_DAY of a date without a day"));
            }
            let last = Date::days_in_month(date.year, date.month);
            Ok(last.map_or(Value::Null, |day| Value::Date(Date { day, ..date })))
        }
        (Function::MakeDate, [year, day]) => Ok(make_date(coerce::integer(year)?, coerce::integer(day)?)),
        (Function::FromDays, [days]) => {
            let date = i64::try_from(coerce::integer(days)?).ok().and_then(Date::from_day_number);
            date.map(Value::Date).ok_or_else(|| no_value(expr, "FROM_DAYS of a day that servers treat differently"))
        }
        (Function::UnixTimestamp { offset_s }, [value]) => unix_timestamp(expr, coerce::moment(value)?, *offset_s),
        (Function::FromUnixTime { offset_s }, [value]) => from_unix_time(expr, coerce::integer(value)?, *offset_s),
        _ => Err(mismatch("date arithmetic")),
    }
}

/// The amount of an interval in months or microseconds.
fn amount_of(value: &Value, unit: Unit) -> Result<Option<i128>> {
    let factor = unit.months().unwrap_or_else(|| unit.us());
    Ok(match value {
        Value::Text(text) if unit.is_composite() => unit.amount(text),
        // A decimal is seconds with a fraction.
        Value::Decimal(seconds) => Some(seconds.truncate(6).round(6).small().unwrap_or(i128::MAX / 4)),
        other => Some(coerce::integer(other)?.saturating_mul(factor)),
    })
}

/// Adds an interval: NULL for partly zero dates and past the last day; the year 0 is counted differently by the servers.
fn add(expr: &Expr, base: DateTime, amount: i128, unit: Unit) -> Result<Value> {
    if base.date.day_number().is_none() {
        return Ok(Value::Null);
    }
    let year_zero = || no_value(expr, "a date in or before the year 0 is computed");
    let result = match unit.months() {
        Some(_) => {
            let months = i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX });
            base.date.add_months(months).map(|date| DateTime { date, ..base })
        }
        None => {
            let us = i64::try_from(amount).ok();
            us.and_then(|us| base.add_us(us))
        }
    };
    match result {
        None if amount < 0 && base.date.year < 9999 => Err(year_zero()),
        None => Ok(Value::Null),
        Some(_) if base.date.year == 0 => Err(year_zero()),
        Some(moment) if moment.date.year == 0 => Err(year_zero()),
        Some(moment) if expr.data_type == DataType::Date => Ok(Value::Date(moment.date)),
        Some(moment) => Ok(Value::DateTime(moment)),
    }
}

fn difference(unit: Unit, from: DateTime, to: DateTime) -> Result<Value> {
    let Some((from_day, to_day)) = from.date.day_number().zip(to.date.day_number()) else { return Ok(Value::Null) };
    let value = match unit.months() {
        Some(step) => {
            let (months, sign) = if from > to { (whole_months(to, from), -1) } else { (whole_months(from, to), 1) };
            sign * (months / step)
        }
        None => {
            let days = i128::from(to_day) - i128::from(from_day);
            (days * DAY_US + i128::from(to.time_us) - i128::from(from.time_us)) / unit.us()
        }
    };
    i64::try_from(value).map(Value::Int).map_err(|_| mismatch("TIMESTAMPDIFF"))
}

fn whole_months(from: DateTime, to: DateTime) -> i128 {
    let index = |date: Date| i128::from(date.year) * 12 + i128::from(date.month);
    let months = index(to.date) - index(from.date);
    let is_short = (to.date.day, to.time_us) < (from.date.day, from.time_us);
    months - i128::from(is_short)
}

fn make_date(year: i128, day: i128) -> Value {
    if !(0..=9999).contains(&year) || day <= 0 {
        return Value::Null;
    }
    let year = match year {
        0..70 => year + 2000,
        70..100 => year + 1900,
        _ => year,
    };
    let first = i32::try_from(year).ok().map(|year| Date { year, month: 1, day: 1 });
    let date = first.zip(i64::try_from(day - 1).ok()).and_then(|(first, days)| first.add_days(days));
    date.map_or(Value::Null, Value::Date)
}

const EPOCH_DAY: i64 = 719_528;
/// The last second that all supported versions know.
const UNIX_MAX: i128 = 2_147_483_647;

fn unix_timestamp(expr: &Expr, moment: DateTime, offset_s: i32) -> Result<Value> {
    let seconds = moment
        .date
        .day_number()
        .map(|day| i128::from(day - EPOCH_DAY) * 86_400 + i128::from(moment.time_us) / SECOND_US - i128::from(offset_s));
    match seconds {
        Some(seconds) if (0..=UNIX_MAX).contains(&seconds) => Ok(Value::Int(i64::try_from(seconds).unwrap_or(0))),
        _ => Err(no_value(expr, "UNIX_TIMESTAMP of a moment that servers treat differently")),
    }
}

fn from_unix_time(expr: &Expr, seconds: i128, offset_s: i32) -> Result<Value> {
    if seconds < 0 {
        return Ok(Value::Null);
    }
    if seconds > UNIX_MAX {
        return Err(no_value(expr, "FROM_UNIXTIME past 2038, which servers treat differently"));
    }
    let epoch = DateTime { date: Date { year: 1970, month: 1, day: 1 }, time_us: 0 };
    let us = i64::try_from((seconds + i128::from(offset_s)) * SECOND_US).ok();
    Ok(us.and_then(|us| epoch.add_us(us)).map_or(Value::Null, Value::DateTime))
}
