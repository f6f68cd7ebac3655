//! Parts of dates and intervals: EXTRACT, date_part, date_trunc, age and the justifications.

use super::kind::Kind;
use super::routine::{Arguments, Fault, WRONG};
use super::zone;
use crate::value::{Date, DateTime, Decimal, Interval, Value, calendar};

const UNSUPPORTED: Fault = "this unit is not carried for this type";
const SECOND_US: i64 = 1_000_000;
/// 1970-01-01, in days of PostgreSQL.
const UNIX_DAYS: i64 = -10_957;

/// `EXTRACT(unit FROM value)`, as numeric or as double precision.
///
/// # Errors
/// The unit does not exist for the type.
pub fn part(a: &Arguments<'_>, result: Kind) -> Result<Value, Fault> {
    let unit = a.text(0)?.to_ascii_lowercase();
    let is_instant = a.types.get(1).is_some_and(|data_type| Kind::of(data_type) == Kind::TimestampTz);
    let found = match a.get(1) {
        Value::Date(day) if !day.is_finite() => return infinite(&unit, *day, result),
        Value::DateTime(at) if !at.date.is_finite() => return infinite(&unit, at.date, result),
        Value::Date(day) => of_day(&unit, *day)?,
        Value::DateTime(at) if is_instant => of_instant(a, &unit, *at)?,
        Value::DateTime(at) => of_moment(&unit, *at, *at)?,
        Value::Time(time) => of_clock(&unit, time.0)?,
        Value::Interval(interval) => of_span(&unit, *interval)?,
        _ => return Err(WRONG),
    };
    Ok(typed(found, result))
}

/// A whole number of 10^-scale.
type Scaled = (i128, u16);

fn typed((number, scale): Scaled, result: Kind) -> Value {
    let exact = Decimal::from_small(number, scale);
    if result == Kind::Numeric { Value::Decimal(exact) } else { Value::Double(exact.to_f64()) }
}

/// Units that grow without end are infinite, all others NULL.
fn infinite(unit: &str, day: Date, result: Kind) -> Result<Value, Fault> {
    use crate::value::NonFinite::{Infinity, NegativeInfinity};
    let positive = day == Date::INFINITY;
    match unit {
        "year" | "years" | "decade" | "decades" | "century" | "centuries" | "millennium" | "epoch" | "isoyear" | "julian" => {
            Ok(match (result, positive) {
                (Kind::Numeric, true) => Value::NonFinite(Infinity),
                (Kind::Numeric, false) => Value::NonFinite(NegativeInfinity),
                (_, true) => Value::Double(f64::INFINITY),
                (_, false) => Value::Double(f64::NEG_INFINITY),
            })
        }
        "month" | "months" | "day" | "days" | "hour" | "hours" | "minute" | "minutes" | "second" | "seconds" | "milliseconds"
        | "microseconds" | "dow" | "doy" | "isodow" | "week" | "quarter" => Ok(Value::Null),
        _ => Err(UNSUPPORTED),
    }
}

fn of_day(unit: &str, day: Date) -> Result<Scaled, Fault> {
    let days = i64::from(calendar::days_of(day).ok_or(WRONG)?);
    match unit {
        "epoch" => Ok(((i128::from(days) - i128::from(UNIX_DAYS)) * 86_400, 0)),
        "julian" => Ok((i128::from(days) + 2_451_545, 0)),
        _ => calendar_unit(unit, day, days).map(|number| (i128::from(number), 0)),
    }
}

fn of_instant(a: &Arguments<'_>, unit: &str, at: DateTime) -> Result<Scaled, Fault> {
    let (local, offset_s) = zone::local(at, &a.call.zone)?;
    match unit {
        "timezone" => Ok((i128::from(offset_s), 0)),
        "timezone_hour" => Ok((i128::from(offset_s / 3_600), 0)),
        "timezone_minute" => Ok((i128::from(offset_s / 60 % 60), 0)),
        _ => of_moment(unit, local, at),
    }
}

/// `instant` is what epoch counts to.
fn of_moment(unit: &str, at: DateTime, instant: DateTime) -> Result<Scaled, Fault> {
    if unit == "epoch" {
        let us = i128::from(calendar::moment_us(instant).ok_or(WRONG)?);
        return Ok((us - i128::from(UNIX_DAYS) * 86_400 * i128::from(SECOND_US), 6));
    }
    if let Some(found) = clock_unit(unit, at.time_us) {
        return Ok(found);
    }
    let days = i64::from(calendar::days_of(at.date).ok_or(WRONG)?);
    calendar_unit(unit, at.date, days).map(|number| (i128::from(number), 0))
}

fn of_clock(unit: &str, us: i64) -> Result<Scaled, Fault> {
    if unit == "epoch" {
        return Ok((i128::from(us), 6));
    }
    clock_unit(unit, us).ok_or(UNSUPPORTED)
}

fn clock_unit(unit: &str, us: i64) -> Option<Scaled> {
    let minute_us = 60 * SECOND_US;
    Some(match unit {
        "hour" | "hours" => (i128::from(us / (60 * minute_us)), 0),
        "minute" | "minutes" => (i128::from(us / minute_us % 60), 0),
        "second" | "seconds" => (i128::from(us % minute_us), 6),
        "milliseconds" | "millisecond" => (i128::from(us % minute_us), 3),
        "microseconds" | "microsecond" => (i128::from(us % minute_us), 0),
        _ => return None,
    })
}

/// Rounded towards the later end, and counted without a year 0: 1 BC is in century -1.
fn grouped(year: i64, size: i64) -> i64 {
    if year > 0 { (year + size - 1) / size } else { -((size - 1 - (year - 1)) / size) }
}

fn calendar_unit(unit: &str, day: Date, days: i64) -> Result<i64, Fault> {
    let year = i64::from(day.year);
    // Counted astronomically, 1 BC is the year 0.
    let astronomical = if year < 0 { year + 1 } else { year };
    let weekday = (days + 6).rem_euclid(7);
    Ok(match unit {
        "year" | "years" => year,
        "month" | "months" => i64::from(day.month),
        "day" | "days" => i64::from(day.day),
        "quarter" => (i64::from(day.month) - 1) / 3 + 1,
        "decade" | "decades" => astronomical.div_euclid(10),
        "century" | "centuries" => grouped(astronomical, 100),
        "millennium" | "millennia" => grouped(astronomical, 1_000),
        "dow" => weekday,
        "isodow" => {
            if weekday == 0 {
                7
            } else {
                weekday
            }
        }
        "doy" => days - first_day(day.year)? + 1,
        "week" | "weeks" => iso_week(days)?.1,
        "isoyear" => match iso_week(days)?.0 {
            year if year <= 0 => year - 1,
            year => year,
        },
        _ => return Err(UNSUPPORTED),
    })
}

fn first_day(year: i32) -> Result<i64, Fault> {
    calendar::days_of(Date { year, month: 1, day: 1 }).map(i64::from).ok_or(UNSUPPORTED)
}

/// The ISO year, counted astronomically, and week of a day: those of its Thursday.
fn iso_week(days: i64) -> Result<(i64, i64), Fault> {
    let thursday = days - (days + 5).rem_euclid(7) + 3;
    let year = calendar::date_of(thursday).ok_or(UNSUPPORTED)?.year;
    let week = (thursday - first_day(year)?) / 7 + 1;
    Ok((i64::from(if year < 0 { year + 1 } else { year }), week))
}

fn of_span(unit: &str, interval: Interval) -> Result<Scaled, Fault> {
    let (years, months) = (i128::from(interval.months / 12), i128::from(interval.months % 12));
    let whole = |number: i128| Ok((number, 0));
    match unit {
        "year" | "years" => whole(years),
        "month" | "months" => whole(months),
        "day" | "days" => whole(i128::from(interval.days)),
        "quarter" => whole(months / 3 + 1),
        "decade" | "decades" => whole(years / 10),
        "century" | "centuries" => whole(years / 100),
        "millennium" | "millennia" => whole(years / 1_000),
        "epoch" => {
            // A year is 365.25 days, a month of the rest 30.
            let quarter_days = 4 * (months * 30 + i128::from(interval.days)) + years * 1_461;
            Ok((quarter_days * 21_600 * i128::from(SECOND_US) + i128::from(interval.us), 6))
        }
        _ => clock_unit(unit, interval.us).ok_or(UNSUPPORTED),
    }
}

/// `date_trunc` of a local time.
///
/// # Errors
/// The unit does not exist.
pub fn truncated(unit: &str, at: DateTime) -> Result<DateTime, Fault> {
    let unit = unit.to_ascii_lowercase();
    if !at.date.is_finite() {
        return Ok(at);
    }
    if let Some(step) = clock_step(&unit) {
        return Ok(DateTime { time_us: at.time_us / step * step, ..at });
    }
    let Date { year, month, day } = at.date;
    let first = |year: i32, month: u8| Ok(Date { year, month, day: 1 });
    let date = match unit.as_str() {
        "day" | "days" => Ok(Date { year, month, day }),
        "month" | "months" => first(year, month),
        "quarter" => first(year, (month - 1) / 3 * 3 + 1),
        "year" | "years" => first(year, 1),
        "week" | "weeks" => {
            let days = i64::from(calendar::days_of(at.date).ok_or(WRONG)?);
            calendar::date_of(days - (days + 5).rem_euclid(7)).ok_or("timestamp out of range")
        }
        "decade" | "decades" if year > 0 => {
            first((year / 10 * 10).max(1), 1).and_then(|first| if year < 10 { Err(UNSUPPORTED) } else { Ok(first) })
        }
        "century" | "centuries" if year > 0 => first((year + 99) / 100 * 100 - 99, 1),
        "millennium" | "millennia" if year > 0 => first((year + 999) / 1_000 * 1_000 - 999, 1),
        _ => Err(UNSUPPORTED),
    };
    Ok(DateTime { date: date?, time_us: 0 })
}

fn clock_step(unit: &str) -> Option<i64> {
    Some(match unit {
        "hour" | "hours" => 3_600 * SECOND_US,
        "minute" | "minutes" => 60 * SECOND_US,
        "second" | "seconds" => SECOND_US,
        "milliseconds" | "millisecond" => 1_000,
        "microseconds" | "microsecond" => 1,
        _ => return None,
    })
}

/// `date_trunc` of an interval.
///
/// # Errors
/// The unit does not exist.
pub fn truncated_span(unit: &str, interval: Interval) -> Result<Interval, Fault> {
    let unit = unit.to_ascii_lowercase();
    if let Some(step) = clock_step(&unit) {
        return Ok(Interval { us: interval.us / step * step, ..interval });
    }
    let months = |step: i32| Ok(Interval { months: interval.months / step * step, days: 0, us: 0 });
    match unit.as_str() {
        "day" | "days" => Ok(Interval { us: 0, ..interval }),
        "month" | "months" => months(1),
        "quarter" => months(3),
        "year" | "years" => months(12),
        "decade" | "decades" => months(120),
        "century" | "centuries" => months(1_200),
        "millennium" | "millennia" => months(12_000),
        _ => Err(UNSUPPORTED),
    }
}

/// `justify_hours`: 24 hours become a day, and both parts get one sign.
///
/// # Errors
/// Past the range of an interval.
pub fn justify_hours(interval: Interval) -> Result<Interval, Fault> {
    let (extra, us) = (interval.us / calendar::DAY_US, interval.us % calendar::DAY_US);
    let days = i64::from(interval.days) + extra;
    let (days, us) = if days > 0 && us < 0 {
        (days - 1, us + calendar::DAY_US)
    } else if days < 0 && us > 0 {
        (days + 1, us - calendar::DAY_US)
    } else {
        (days, us)
    };
    Ok(Interval { days: i32::try_from(days).map_err(|_| "interval out of range")?, us, ..interval })
}

/// `justify_days`: 30 days become a month, and both parts get one sign.
///
/// # Errors
/// Past the range of an interval.
pub fn justify_days(interval: Interval) -> Result<Interval, Fault> {
    let months = i64::from(interval.months) + i64::from(interval.days / 30);
    let days = interval.days % 30;
    let (months, days) = if months > 0 && days < 0 {
        (months - 1, days + 30)
    } else if months < 0 && days > 0 {
        (months + 1, days - 30)
    } else {
        (months, days)
    };
    Ok(Interval { months: i32::try_from(months).map_err(|_| "interval out of range")?, days, ..interval })
}

/// `age(left, right)`: the difference field by field, borrowing from the next larger field.
///
/// # Errors
/// An infinite timestamp.
pub fn age(left: DateTime, right: DateTime) -> Result<Interval, Fault> {
    if !left.date.is_finite() || !right.date.is_finite() {
        return Err("age of an infinite timestamp");
    }
    let negative = left < right;
    let (later, earlier) = if negative { (right, left) } else { (left, right) };
    let mut us = later.time_us - earlier.time_us;
    let mut days = i64::from(later.date.day) - i64::from(earlier.date.day);
    let mut months = i64::from(later.date.month) - i64::from(earlier.date.month);
    let year = |date: Date| i64::from(if date.year < 0 { date.year + 1 } else { date.year });
    let mut years = year(later.date) - year(earlier.date);
    if us < 0 {
        us += calendar::DAY_US;
        days -= 1;
    }
    // Borrowed days are those of the earlier month.
    let borrowed = calendar::month_days(earlier.date.year, earlier.date.month).ok_or(WRONG)?;
    while days < 0 {
        days += i64::from(borrowed);
        months -= 1;
    }
    while months < 0 {
        months += 12;
        years -= 1;
    }
    let sign = if negative { -1 } else { 1 };
    let small = |number: i64| i32::try_from(sign * number).map_err(|_| "interval out of range");
    Ok(Interval { months: small(years * 12 + months)?, days: small(days)?, us: sign * us })
}
