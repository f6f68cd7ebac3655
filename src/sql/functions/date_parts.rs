//! Parts of dates and times: YEAR, WEEK, DAYNAME and their like, for whole, partly zero and zero dates.

use crate::error::Result;
use crate::schema::DataType;
use crate::sql::functions::{Unit, coerce, mismatch};
use crate::sql::query::Expr;
use crate::value::{Date, Value};

/// A part of a date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the SQL function of its name")]
pub enum Part {
    Year,
    Quarter,
    Month,
    Day,
    DayOfWeek,
    Weekday,
    DayOfYear,
    Week { mode: u8 },
    YearWeek { mode: u8 },
    ToDays,
    DayName,
    MonthName,
    Hour,
    Minute,
    Second,
    Microsecond,
    TimeToSeconds,
    Packed(Unit),
}

impl Part {
    /// Whether a date without a month or a day has no such part.
    #[must_use]
    pub fn needs_whole_date(self) -> bool {
        matches!(
            self,
            Self::DayOfWeek
                | Self::Weekday
                | Self::DayOfYear
                | Self::Week { .. }
                | Self::YearWeek { .. }
                | Self::ToDays
                | Self::DayName
        )
    }

    /// Whether the part is one of the time of day.
    #[must_use]
    pub fn is_clock(self) -> bool {
        matches!(self, Self::Hour | Self::Minute | Self::Second | Self::Microsecond | Self::TimeToSeconds | Self::Packed(_))
            && self != Self::Packed(Unit::YearMonth)
    }
}

pub(super) const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
pub(super) const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

pub(super) fn call(part: Part, expr: &Expr, values: &[Value]) -> Result<Value> {
    let Some(value) = values.first() else { return Err(mismatch("a part of a date")) };
    if part.is_clock() {
        return clock(part, value);
    }
    let date = coerce::date(value)?;
    if part == Part::Packed(Unit::YearMonth) {
        return Ok(Value::Int(i64::from(date.year) * 100 + i64::from(date.month)));
    }
    let (year, month, day) = (i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let is_whole = date.month != 0 && date.day != 0;
    let number = match part {
        Part::Year => year,
        Part::Quarter => (month + 2) / 3,
        Part::Month => month,
        Part::Day => day,
        Part::MonthName => {
            let name = usize::from(date.month).checked_sub(1).and_then(|index| MONTHS.get(index));
            return Ok(name.map_or(Value::Null, |name| Value::text(*name)));
        }
        _ if !is_whole => return Ok(Value::Null),
        Part::DayOfWeek => (day_number(date) + 6) % 7 + 1,
        Part::Weekday => weekday(date),
        Part::DayOfYear => day_of_year(date),
        Part::Week { mode } => week(date, week_behaviour(mode)).0,
        Part::YearWeek { mode } => {
            let (week, year) = week(date, week_behaviour(mode) | WEEK_YEAR);
            year * 100 + week
        }
        Part::ToDays => day_number(date),
        _ => {
            let name = usize::try_from(weekday(date)).ok().and_then(|index| DAYS.get(index));
            return Ok(name.map_or(Value::Null, |name| Value::text(*name)));
        }
    };
    Ok(match (&expr.data_type, u64::try_from(number)) {
        (DataType::Integer { unsigned: true, .. }, Ok(number)) => Value::UInt(number),
        _ => Value::Int(number),
    })
}

/// EXTRACT of a composite unit: its fields side by side as digits. Negative times give negative numbers, unlike HOUR and MINUTE.
fn packed(unit: Unit, value: &Value) -> Result<Value> {
    let (us, day) = match value {
        Value::Time(time) => (time.0, 0),
        other => {
            let moment = coerce::moment(other)?;
            (moment.time_us, i64::from(moment.date.day))
        }
    };
    let (sign, us) = (us.signum().min(0) * 2 + 1, us.abs());
    let (hour, minute, second, rest) = (us / 3_600_000_000, us / 60_000_000 % 60, us / 1_000_000 % 60, us % 1_000_000);
    let number = match unit {
        Unit::Hour => hour,
        Unit::Minute => minute,
        Unit::Second => second,
        Unit::Microsecond => rest,
        Unit::DayHour => day * 100 + hour,
        Unit::DayMinute => day * 10_000 + hour * 100 + minute,
        Unit::DaySecond => day * 1_000_000 + hour * 10_000 + minute * 100 + second,
        Unit::DayMicrosecond => (day * 1_000_000 + hour * 10_000 + minute * 100 + second) * 1_000_000 + rest,
        Unit::HourMinute => hour * 100 + minute,
        Unit::HourSecond => hour * 10_000 + minute * 100 + second,
        Unit::HourMicrosecond => (hour * 10_000 + minute * 100 + second) * 1_000_000 + rest,
        Unit::MinuteSecond => minute * 100 + second,
        Unit::MinuteMicrosecond => (minute * 100 + second) * 1_000_000 + rest,
        Unit::SecondMicrosecond => second * 1_000_000 + rest,
        _ => return Err(mismatch("EXTRACT")),
    };
    Ok(Value::Int(sign * number))
}

fn clock(part: Part, value: &Value) -> Result<Value> {
    if let Part::Packed(unit) = part {
        return packed(unit, value);
    }
    let us = match value {
        Value::Time(time) => time.0,
        other => coerce::moment(other)?.time_us,
    };
    let seconds = us.abs() / 1_000_000;
    Ok(Value::Int(match part {
        Part::Hour => seconds / 3600,
        Part::Minute => seconds / 60 % 60,
        Part::Second => seconds % 60,
        Part::Microsecond => us.abs() % 1_000_000,
        _ => seconds * us.signum(),
    }))
}

/// The source's day number, also of partly zero dates, for which it counts a day 0 and a month 0.
pub(super) fn day_number(date: Date) -> i64 {
    let (year, month, day) = (i64::from(date.year), i64::from(date.month), i64::from(date.day));
    if year == 0 && month == 0 {
        return 0;
    }
    let mut days = 365 * year + 31 * (month - 1) + day;
    let mut leap_year = year;
    if month <= 2 {
        leap_year = (year - 1).max(0);
    } else {
        days -= (month * 4 + 23) / 10;
    }
    days + leap_year / 4 - (leap_year / 100 + 1) * 3 / 4
}

/// 0 = Monday.
pub(super) fn weekday(date: Date) -> i64 {
    (day_number(date) + 5) % 7
}

pub(super) fn day_of_year(date: Date) -> i64 {
    day_number(date) - day_number(Date { month: 1, day: 1, ..date }) + 1
}

fn days_in_year(year: i64) -> i64 {
    if year % 4 == 0 && (year % 100 != 0 || (year % 400 == 0 && year != 0)) { 366 } else { 365 }
}

pub(super) const WEEK_MONDAY_FIRST: u8 = 1;
pub(super) const WEEK_YEAR: u8 = 2;
pub(super) const WEEK_FIRST_WEEKDAY: u8 = 4;

/// The mode of WEEK() as the source's three switches.
fn week_behaviour(mode: u8) -> u8 {
    let behaviour = mode & 7;
    if behaviour & WEEK_MONDAY_FIRST == 0 { behaviour ^ WEEK_FIRST_WEEKDAY } else { behaviour }
}

/// The week of a date and the year that the week belongs to.
pub(super) fn week(date: Date, behaviour: u8) -> (i64, i64) {
    let monday_first = behaviour & WEEK_MONDAY_FIRST != 0;
    let mut week_year = behaviour & WEEK_YEAR != 0;
    let first_weekday = behaviour & WEEK_FIRST_WEEKDAY != 0;
    let mut year = i64::from(date.year);
    let mut first_day = day_number(Date { month: 1, day: 1, ..date });
    let mut weekday = (first_day + 5 + i64::from(!monday_first)) % 7;
    let starts_late = |weekday: i64| (first_weekday && weekday != 0) || (!first_weekday && weekday >= 4);
    if date.month == 1 && i64::from(date.day) <= 7 - weekday {
        if !week_year && starts_late(weekday) {
            return (0, year);
        }
        week_year = true;
        year -= 1;
        let days = days_in_year(year);
        first_day -= days;
        weekday = (weekday + 53 * 7 - days) % 7;
    }
    let start = if starts_late(weekday) { first_day + 7 - weekday } else { first_day - weekday };
    let days = day_number(date) - start;
    if week_year && days >= 52 * 7 {
        let next = (weekday + days_in_year(year)) % 7;
        if !starts_late(next) {
            return (1, year + 1);
        }
    }
    (days / 7 + 1, year)
}
