//! Operators and functions of dates, times and intervals, after `timestamp.c` and `date.c`.
//!
//! Months are added to the calendar, days to local days, microseconds to the clock. With an instant, calendar and days are those of the
//! session's zone.

use super::kind::Kind::{
    self, Bool, Date as Day, Float8, Int4, Interval as Span, Numeric, Text, Time as Clock, Timestamp, TimestampTz,
};
use super::parts;
use super::routine::{Arguments, Compute, Fault, Routine, WRONG};
use super::{input, zone};
use crate::value::{Date, DateTime, Interval, Time, Value, calendar};

const fn row(name: &'static str, arguments: &'static [Kind], result: Kind, compute: Compute) -> Routine {
    Routine { name, arguments, result, strict: true, compute: Some(compute) }
}

const fn absent(name: &'static str, arguments: &'static [Kind], result: Kind) -> Routine {
    Routine { name, arguments, result, strict: true, compute: None }
}

/// The rows.
pub static ROWS: &[Routine] = &[
    row("+", &[Day, Int4], Day, |a| moved_days(a, 0, a.int(1)?)),
    row("+", &[Int4, Day], Day, |a| moved_days(a, 1, a.int(0)?)),
    row("-", &[Day, Int4], Day, |a| moved_days(a, 0, -a.int(1)?)),
    row("-", &[Day, Day], Int4, |a| {
        let days = |index| calendar::days_of(day(a, index)?).map(i64::from).ok_or("cannot subtract infinite dates");
        Ok(Value::Int(days(0)? - days(1)?))
    }),
    row("+", &[Day, Span], Timestamp, |a| Ok(Value::DateTime(later(midnight(day(a, 0)?), span(a, 1)?)?))),
    row("+", &[Span, Day], Timestamp, |a| Ok(Value::DateTime(later(midnight(day(a, 1)?), span(a, 0)?)?))),
    row("-", &[Day, Span], Timestamp, |a| Ok(Value::DateTime(later(midnight(day(a, 0)?), opposite(span(a, 1)?)?)?))),
    row("+", &[Day, Clock], Timestamp, |a| at_clock(day(a, 0)?, clock(a, 1)?)),
    row("+", &[Clock, Day], Timestamp, |a| at_clock(day(a, 1)?, clock(a, 0)?)),
    row("+", &[Timestamp, Span], Timestamp, |a| Ok(Value::DateTime(later(moment(a, 0)?, span(a, 1)?)?))),
    row("+", &[Span, Timestamp], Timestamp, |a| Ok(Value::DateTime(later(moment(a, 1)?, span(a, 0)?)?))),
    row("-", &[Timestamp, Span], Timestamp, |a| Ok(Value::DateTime(later(moment(a, 0)?, opposite(span(a, 1)?)?)?))),
    row("-", &[Timestamp, Timestamp], Span, |a| difference(moment(a, 0)?, moment(a, 1)?)),
    row("+", &[TimestampTz, Span], TimestampTz, |a| later_in_zone(a, moment(a, 0)?, span(a, 1)?)),
    row("+", &[Span, TimestampTz], TimestampTz, |a| later_in_zone(a, moment(a, 1)?, span(a, 0)?)),
    row("-", &[TimestampTz, Span], TimestampTz, |a| later_in_zone(a, moment(a, 0)?, opposite(span(a, 1)?)?)),
    row("-", &[TimestampTz, TimestampTz], Span, |a| difference(moment(a, 0)?, moment(a, 1)?)),
    row("+", &[Clock, Span], Clock, |a| Ok(turned(clock(a, 0)?, span(a, 1)?.us))),
    row("+", &[Span, Clock], Clock, |a| Ok(turned(clock(a, 1)?, span(a, 0)?.us))),
    row("-", &[Clock, Span], Clock, |a| Ok(turned(clock(a, 0)?, -(span(a, 1)?.us % calendar::DAY_US)))),
    row("-", &[Clock, Clock], Span, |a| Ok(Value::Interval(Interval { months: 0, days: 0, us: clock(a, 0)? - clock(a, 1)? }))),
    row("+", &[Span, Span], Span, |a| sum(span(a, 0)?, span(a, 1)?)),
    row("-", &[Span, Span], Span, |a| sum(span(a, 0)?, opposite(span(a, 1)?)?)),
    row("-", &[Span], Span, |a| opposite(span(a, 0)?).map(Value::Interval)),
    row("*", &[Span, Float8], Span, |a| scaled(span(a, 0)?, a.double(1)?)),
    row("*", &[Float8, Span], Span, |a| scaled(span(a, 1)?, a.double(0)?)),
    row("/", &[Span, Float8], Span, |a| divided(span(a, 0)?, a.double(1)?)),
    row("date_part", &[Text, Timestamp], Float8, |a| parts::part(a, Float8)),
    row("date_part", &[Text, TimestampTz], Float8, |a| parts::part(a, Float8)),
    row("date_part", &[Text, Day], Float8, |a| parts::part(a, Float8)),
    row("date_part", &[Text, Clock], Float8, |a| parts::part(a, Float8)),
    row("date_part", &[Text, Span], Float8, |a| parts::part(a, Float8)),
    row("extract", &[Text, Timestamp], Numeric, |a| parts::part(a, Numeric)),
    row("extract", &[Text, TimestampTz], Numeric, |a| parts::part(a, Numeric)),
    row("extract", &[Text, Day], Numeric, |a| parts::part(a, Numeric)),
    row("extract", &[Text, Clock], Numeric, |a| parts::part(a, Numeric)),
    row("extract", &[Text, Span], Numeric, |a| parts::part(a, Numeric)),
    row("date_trunc", &[Text, Timestamp], Timestamp, |a| Ok(Value::DateTime(parts::truncated(a.text(0)?, moment(a, 1)?)?))),
    row("date_trunc", &[Text, TimestampTz], TimestampTz, |a| {
        let at = moment(a, 1)?;
        if !at.date.is_finite() {
            return Ok(Value::DateTime(at));
        }
        let local = parts::truncated(a.text(0)?, zone::local(at, &a.call.zone)?.0)?;
        Ok(Value::DateTime(zone::instant(local, &a.call.zone)?))
    }),
    row("date_trunc", &[Text, Span], Span, |a| parts::truncated_span(a.text(0)?, span(a, 1)?).map(Value::Interval)),
    absent("date_trunc", &[Text, TimestampTz, Text], TimestampTz),
    row("timezone", &[Text, Timestamp], TimestampTz, |a| {
        let zone = zone::named(a.text(0)?).ok_or("time zone not recognized")?;
        Ok(Value::DateTime(zone::instant(moment(a, 1)?, &zone)?))
    }),
    row("timezone", &[Text, TimestampTz], Timestamp, |a| {
        let zone = zone::named(a.text(0)?).ok_or("time zone not recognized")?;
        let at = moment(a, 1)?;
        Ok(Value::DateTime(if at.date.is_finite() { zone::local(at, &zone)?.0 } else { at }))
    }),
    absent("timezone", &[Span, Timestamp], TimestampTz),
    absent("timezone", &[Span, TimestampTz], Timestamp),
    row("age", &[Timestamp, Timestamp], Span, |a| parts::age(moment(a, 0)?, moment(a, 1)?).map(Value::Interval)),
    row("age", &[TimestampTz, TimestampTz], Span, |a| {
        let local = |index| Ok::<_, Fault>(zone::local(moment(a, index)?, &a.call.zone)?.0);
        parts::age(local(0)?, local(1)?).map(Value::Interval)
    }),
    // The age at the start of the current day.
    absent("age", &[Timestamp], Span),
    absent("age", &[TimestampTz], Span),
    absent("make_timestamptz", &[Int4, Int4, Int4, Int4, Int4, Float8, Text], TimestampTz),
    row("make_date", &[Int4, Int4, Int4], Day, |a| made_date(a).map(Value::Date)),
    row("make_time", &[Int4, Int4, Float8], Clock, |a| made_clock(a, 0).map(|us| Value::Time(Time(us)))),
    row("make_timestamp", &[Int4, Int4, Int4, Int4, Int4, Float8], Timestamp, |a| {
        Ok(Value::DateTime(input::shifted(midnight(made_date(a)?), made_clock(a, 3)?)?))
    }),
    row("make_timestamptz", &[Int4, Int4, Int4, Int4, Int4, Float8], TimestampTz, |a| {
        let local = input::shifted(midnight(made_date(a)?), made_clock(a, 3)?)?;
        Ok(Value::DateTime(zone::instant(local, &a.call.zone)?))
    }),
    row("make_interval", &[Int4], Span, made_interval),
    row("make_interval", &[Int4, Int4], Span, made_interval),
    row("make_interval", &[Int4, Int4, Int4], Span, made_interval),
    row("make_interval", &[Int4, Int4, Int4, Int4], Span, made_interval),
    row("make_interval", &[Int4, Int4, Int4, Int4, Int4], Span, made_interval),
    row("make_interval", &[Int4, Int4, Int4, Int4, Int4, Int4], Span, made_interval),
    row("make_interval", &[Int4, Int4, Int4, Int4, Int4, Int4, Float8], Span, made_interval),
    row("justify_hours", &[Span], Span, |a| parts::justify_hours(span(a, 0)?).map(Value::Interval)),
    row("justify_days", &[Span], Span, |a| parts::justify_days(span(a, 0)?).map(Value::Interval)),
    absent("justify_interval", &[Span], Span),
    row("isfinite", &[Day], Bool, |a| Ok(Value::Bool(day(a, 0)?.is_finite()))),
    row("isfinite", &[Timestamp], Bool, |a| Ok(Value::Bool(moment(a, 0)?.date.is_finite()))),
    row("isfinite", &[TimestampTz], Bool, |a| Ok(Value::Bool(moment(a, 0)?.date.is_finite()))),
    row("isfinite", &[Span], Bool, |_| Ok(Value::Bool(true))),
    row("to_timestamp", &[Float8], TimestampTz, |a| {
        let seconds = a.double(0)?;
        if seconds.is_infinite() {
            return Ok(Value::DateTime(if seconds > 0.0 { DateTime::INFINITY } else { DateTime::NEGATIVE_INFINITY }));
        }
        let us = ((seconds - 946_684_800.0) * 1e6).round_ties_even();
        if us.is_nan() || us.abs() > 9.2e18 {
            Err("timestamp out of range")
        } else {
            calendar::moment_of(us as i64).map(Value::DateTime).ok_or("timestamp out of range")
        }
    }),
    row("to_timestamp", &[Text, Text], TimestampTz, |a| {
        Ok(Value::DateTime(zone::instant(super::pattern::read(a.text(0)?, a.text(1)?)?, &a.call.zone)?))
    }),
    row("to_date", &[Text, Text], Day, |a| Ok(Value::Date(super::pattern::read(a.text(0)?, a.text(1)?)?.date))),
    row("to_char", &[Timestamp, Text], Text, |a| super::pattern::print(moment(a, 0)?, a.text(1)?)),
    row("to_char", &[TimestampTz, Text], Text, |a| {
        let at = moment(a, 0)?;
        let local = if at.date.is_finite() { zone::local(at, &a.call.zone)?.0 } else { at };
        super::pattern::print(local, a.text(1)?)
    }),
];

fn day(a: &Arguments<'_>, index: usize) -> Result<Date, Fault> {
    match a.get(index) {
        Value::Date(day) => Ok(*day),
        _ => Err(WRONG),
    }
}

/// An argument that is a timestamp.
///
/// # Errors
/// It is not.
pub fn moment(a: &Arguments<'_>, index: usize) -> Result<DateTime, Fault> {
    match a.get(index) {
        Value::DateTime(at) => Ok(*at),
        _ => Err(WRONG),
    }
}

fn clock(a: &Arguments<'_>, index: usize) -> Result<i64, Fault> {
    match a.get(index) {
        Value::Time(time) => Ok(time.0),
        _ => Err(WRONG),
    }
}

fn span(a: &Arguments<'_>, index: usize) -> Result<Interval, Fault> {
    match a.get(index) {
        Value::Interval(interval) => Ok(*interval),
        _ => Err(WRONG),
    }
}

fn midnight(date: Date) -> DateTime {
    DateTime { date, time_us: 0 }
}

fn moved_days(a: &Arguments<'_>, index: usize, days: i64) -> Result<Value, Fault> {
    let start = day(a, index)?;
    if !start.is_finite() {
        return Ok(Value::Date(start));
    }
    let moved = calendar::days_of(start).and_then(|start| calendar::date_of(i64::from(start) + days));
    moved.map(Value::Date).ok_or("date out of range")
}

fn at_clock(date: Date, us: i64) -> Result<Value, Fault> {
    if date.is_finite() { input::shifted(midnight(date), us).map(Value::DateTime) } else { Ok(Value::DateTime(midnight(date))) }
}

/// A timestamp and an interval: first the months, then the days, then the clock.
///
/// # Errors
/// Past PostgreSQL's range.
pub fn later(at: DateTime, by: Interval) -> Result<DateTime, Fault> {
    const RANGE: Fault = "timestamp out of range";
    if !at.date.is_finite() {
        return Ok(at);
    }
    let mut date = at.date;
    if by.months != 0 {
        let year = i64::from(if date.year < 0 { date.year + 1 } else { date.year });
        let months = year * 12 + i64::from(date.month) - 1 + i64::from(by.months);
        let astronomical = months.div_euclid(12);
        let month = u8::try_from(months.rem_euclid(12) + 1).map_err(|_| RANGE)?;
        let year = i32::try_from(if astronomical <= 0 { astronomical - 1 } else { astronomical }).map_err(|_| RANGE)?;
        date = Date { year, month, day: date.day.min(calendar::month_days(year, month).ok_or(RANGE)?) };
    }
    if by.days != 0 {
        let days = calendar::days_of(date).ok_or(RANGE)?;
        date = calendar::date_of(i64::from(days) + i64::from(by.days)).ok_or(RANGE)?;
    }
    input::shifted(DateTime { date, time_us: at.time_us }, by.us)
}

pub(super) fn later_in_zone(a: &Arguments<'_>, at: DateTime, by: Interval) -> Result<Value, Fault> {
    if !at.date.is_finite() {
        return Ok(Value::DateTime(at));
    }
    let mut moved = at;
    // As the server does: back to the instant after the months and again after the days.
    for part in [Interval { days: 0, us: 0, ..by }, Interval { months: 0, us: 0, ..by }] {
        if part != Interval::default() {
            let local = zone::local(moved, &a.call.zone)?.0;
            moved = zone::instant(later(local, part)?, &a.call.zone)?;
        }
    }
    input::shifted(moved, by.us).map(Value::DateTime)
}

fn difference(left: DateTime, right: DateTime) -> Result<Value, Fault> {
    if !left.date.is_finite() || !right.date.is_finite() {
        return Err("cannot subtract infinite timestamps");
    }
    let us = |at| calendar::moment_us(at).ok_or(WRONG);
    let us = us(left)?.checked_sub(us(right)?).ok_or("interval out of range")?;
    parts::justify_hours(Interval { months: 0, days: 0, us }).map(Value::Interval)
}

fn turned(start: i64, us: i64) -> Value {
    Value::Time(Time((start + us % calendar::DAY_US).rem_euclid(calendar::DAY_US)))
}

const SPAN_RANGE: Fault = "interval out of range";

fn opposite(interval: Interval) -> Result<Interval, Fault> {
    Ok(Interval {
        months: interval.months.checked_neg().ok_or(SPAN_RANGE)?,
        days: interval.days.checked_neg().ok_or(SPAN_RANGE)?,
        us: interval.us.checked_neg().ok_or(SPAN_RANGE)?,
    })
}

fn sum(left: Interval, right: Interval) -> Result<Value, Fault> {
    Ok(Value::Interval(Interval {
        months: left.months.checked_add(right.months).ok_or(SPAN_RANGE)?,
        days: left.days.checked_add(right.days).ok_or(SPAN_RANGE)?,
        us: left.us.checked_add(right.us).ok_or(SPAN_RANGE)?,
    }))
}

fn small(number: f64) -> Result<i32, Fault> {
    if number.is_nan() || number < f64::from(i32::MIN) || number > f64::from(i32::MAX) {
        Err(SPAN_RANGE)
    } else {
        Ok(number as i32)
    }
}

/// `TSROUND`: to microseconds, where float arithmetic left dust.
fn dusted(number: f64) -> f64 {
    (number * 1e6).round_ties_even() / 1e6
}

fn scaled(interval: Interval, factor: f64) -> Result<Value, Fault> {
    weighted(interval, |number| number * factor)
}

fn divided(interval: Interval, divisor: f64) -> Result<Value, Fault> {
    if divisor == 0.0 { Err("division by zero") } else { weighted(interval, |number| number / divisor) }
}

/// `interval_mul` and `interval_div`: what is left of months becomes days, what is left of days seconds.
fn weighted(interval: Interval, apply: impl Fn(f64) -> f64) -> Result<Value, Fault> {
    const DAY_S: f64 = 86_400.0;
    let (months, mut days) = (small(apply(f64::from(interval.months)))?, small(apply(f64::from(interval.days)))?);
    let month_days = dusted((apply(f64::from(interval.months)) - f64::from(months)) * 30.0);
    let mut seconds = dusted((apply(f64::from(interval.days)) - f64::from(days) + month_days - month_days.trunc()) * DAY_S);
    if seconds.abs() >= DAY_S {
        days = days.checked_add((seconds / DAY_S) as i32).ok_or(SPAN_RANGE)?;
        seconds -= (seconds / DAY_S).trunc() * DAY_S;
    }
    days = days.checked_add(month_days as i32).ok_or(SPAN_RANGE)?;
    let us = (apply(interval.us as f64) + seconds * 1e6).round_ties_even();
    if us.is_nan() || us.abs() >= 9_223_372_036_854_775_808.0 {
        return Err(SPAN_RANGE);
    }
    Ok(Value::Interval(Interval { months, days, us: us as i64 }))
}

fn made_date(a: &Arguments<'_>) -> Result<Date, Fault> {
    const RANGE: Fault = "date field value out of range";
    let part = |index| u8::try_from(a.int(index)?).map_err(|_| RANGE);
    let date = Date { year: i32::try_from(a.int(0)?).map_err(|_| RANGE)?, month: part(1)?, day: part(2)? };
    if calendar::days_of(date).is_some() { Ok(date) } else { Err(RANGE) }
}

fn made_clock(a: &Arguments<'_>, first: usize) -> Result<i64, Fault> {
    const RANGE: Fault = "time field value out of range";
    let (hour, minute, seconds) = (a.int(first)?, a.int(first + 1)?, a.double(first + 2)?);
    if !(0..=24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..=60.0).contains(&seconds) {
        return Err(RANGE);
    }
    let us = hour * 3_600_000_000 + minute * 60_000_000 + (seconds * 1e6).round_ties_even() as i64;
    if us <= calendar::DAY_US { Ok(us) } else { Err(RANGE) }
}

fn made_interval(a: &Arguments<'_>) -> Result<Value, Fault> {
    let part = |index: usize| if index < a.values.len() { a.int(index) } else { Ok(0) };
    let small = |number: i64| i32::try_from(number).map_err(|_| SPAN_RANGE);
    let seconds = if a.values.len() > 6 { a.double(6)? } else { 0.0 };
    if !seconds.is_finite() {
        return Err(SPAN_RANGE);
    }
    let us = part(4)? * 3_600_000_000 + part(5)? * 60_000_000;
    Ok(Value::Interval(Interval {
        months: small(part(0)? * 12 + part(1)?)?,
        days: small(part(2)? * 7 + part(3)?)?,
        us: us + (seconds * 1e6).round_ties_even() as i64,
    }))
}
