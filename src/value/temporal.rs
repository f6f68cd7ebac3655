//! Dates and times as MySQL and PostgreSQL store them, including the ones that no calendar knows.
//!
//! MySQL's zero (`0000-00-00`) and partly zero (`2024-05-00`) dates, and TIME from -838:59:59 to 838:59:59, are values here.
//! Parsing, printing, calendar arithmetic and validity checks live here too; time zones do not. Day numbers are MySQL's
//! `TO_DAYS`: proleptic Gregorian, day 366 is 0001-01-01, and the year 0 has 365 days.

use std::fmt;

const SECOND_US: i64 = 1_000_000;
const HOUR_US: i64 = 3_600 * SECOND_US;
const DAY_US: i64 = 24 * HOUR_US;
/// 0001-01-01.
const DAY_NUMBER_MIN: i64 = 366;
/// 9999-12-31.
const DAY_NUMBER_MAX: i64 = 3_652_424;

/// A calendar date; month and day may be zero. Ordered as MySQL orders dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// 0 to 9999 (MySQL); PostgreSQL has no year 0: -1 is 1 BC, the first is -4714, the last 5874897; see [`super::calendar`].
    pub year: i32,
    /// 0 to 12.
    pub month: u8,
    /// 0 to 31.
    pub day: u8,
}

/// A date and a time of day. Ordered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime {
    /// The date; possibly zero.
    pub date: Date,
    /// Microseconds since midnight, 0 to 86,399,999,999.
    pub time_us: i64,
}

/// A signed duration in microseconds: MySQL's TIME.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(
    /// Microseconds; negative before zero.
    pub i64,
);

impl Date {
    /// MySQL's zero date, `0000-00-00`.
    pub const ZERO: Self = Self { year: 0, month: 0, day: 0 };
    /// PostgreSQL's `infinity`, after every day.
    pub const INFINITY: Self = Self { year: i32::MAX, month: 12, day: 31 };
    /// PostgreSQL's `-infinity`, before every day.
    pub const NEGATIVE_INFINITY: Self = Self { year: i32::MIN, month: 1, day: 1 };

    /// Whether this is a day at all, not PostgreSQL's `infinity` or `-infinity`.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        *self != Self::INFINITY && *self != Self::NEGATIVE_INFINITY
    }

    /// Reads `YYYY-MM-DD`. Month and day may be zero and the day may exceed its month, as stored values may; see
    /// [`Date::is_calendar`]. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let year = i32::try_from(fixed_digits(year, 4)?).ok()?;
        let month = u8::try_from(fixed_digits(month, 2)?).ok()?;
        let day = u8::try_from(fixed_digits(day, 2)?).ok()?;
        (month <= 12 && day <= 31).then_some(Self { year, month, day })
    }

    /// Whether this is `0000-00-00`.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// Whether this is a real day, from 0001-01-01 on: what every database can hold.
    #[must_use]
    pub fn is_calendar(&self) -> bool {
        self.year >= 1 && self.is_finite() && self.is_countable()
    }

    /// How many days the month has; `None` for month 0 or beyond 12.
    #[must_use]
    pub fn days_in_month(year: i32, month: u8) -> Option<u8> {
        match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
            4 | 6 | 9 | 11 => Some(30),
            2 => Some(if is_leap(year) { 29 } else { 28 }),
            _ => None,
        }
    }

    /// MySQL's `TO_DAYS`; `None` if month or day is zero or the day is not in its month, and before the year 0.
    #[must_use]
    pub fn day_number(&self) -> Option<i64> {
        if !self.is_countable() {
            return None;
        }
        let (mut year, month) = (i64::from(self.year), i64::from(self.month));
        let mut days = 365 * year + 31 * (month - 1) + i64::from(self.day);
        if month <= 2 {
            // The year 0 has no leap day, so its January and February need no correction.
            year = (year - 1).max(0);
        } else {
            days -= (month * 4 + 23) / 10;
        }
        Some(days + year / 4 - (year / 100 + 1) * 3 / 4)
    }

    /// The date of a `TO_DAYS` number; `None` before 0001-01-01 and after 9999-12-31.
    #[must_use]
    pub fn from_day_number(number: i64) -> Option<Self> {
        if !(DAY_NUMBER_MIN..=DAY_NUMBER_MAX).contains(&number) {
            return None;
        }
        // Days since 0000-03-01 (number 60), in eras of 400 years: the leap day is then the last day of its year.
        let days = number - 60;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Some(Self { year: i32::try_from(year).ok()?, month: u8::try_from(month).ok()?, day: u8::try_from(day).ok()? })
    }

    /// The day of the week, 0 = Monday as MySQL's `WEEKDAY`; `None` where there is no day number.
    #[must_use]
    pub fn weekday(&self) -> Option<u8> {
        u8::try_from((self.day_number()? + 5) % 7).ok()
    }

    /// The date `days` later (or earlier); `None` if this date has no day number or the result leaves 0001-01-01 to 9999-12-31.
    #[must_use]
    pub fn add_days(&self, days: i64) -> Option<Self> {
        Self::from_day_number(self.day_number()?.checked_add(days)?)
    }

    /// The date `months` later (or earlier), the day clamped to the end of its month as MySQL does; `None` if this date has
    /// no day number or the result leaves the years 0 to 9999.
    #[must_use]
    pub fn add_months(&self, months: i64) -> Option<Self> {
        if !self.is_countable() {
            return None;
        }
        let total = (i64::from(self.year) * 12 + i64::from(self.month) - 1).checked_add(months)?;
        if !(0..120_000).contains(&total) {
            return None;
        }
        let (year, month) = (i32::try_from(total / 12).ok()?, u8::try_from(total % 12 + 1).ok()?);
        Some(Self { year, month, day: self.day.min(Self::days_in_month(year, month)?) })
    }

    /// Month and day are not zero and the day is in its month, in the year 0 or later.
    fn is_countable(&self) -> bool {
        self.year >= 0 && self.day >= 1 && Self::days_in_month(self.year, self.month).is_some_and(|last| self.day <= last)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl DateTime {
    /// MySQL's zero date-time.
    pub const ZERO: Self = Self { date: Date::ZERO, time_us: 0 };
    /// PostgreSQL's `infinity`, after every moment.
    pub const INFINITY: Self = Self { date: Date::INFINITY, time_us: 0 };
    /// PostgreSQL's `-infinity`, before every moment.
    pub const NEGATIVE_INFINITY: Self = Self { date: Date::NEGATIVE_INFINITY, time_us: 0 };

    /// Reads `YYYY-MM-DD hh:mm:ss[.f{1,6}]`, with a blank or a `T` between; the date as [`Date::parse`] does. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let clock = rest.strip_prefix([' ', 'T'])?;
        let time_us = parse_clock(clock, 2)?;
        (time_us < DAY_US).then_some(Self { date: Date::parse(date)?, time_us })
    }

    /// Whether this is `0000-00-00 00:00:00`.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// `YYYY-MM-DD hh:mm:ss` with `fraction` digits (0 to 6) after the second; further digits are cut, not rounded.
    #[must_use]
    pub fn format(&self, fraction: u8) -> String {
        format!("{} {}", self.date, format_clock(self.time_us, fraction))
    }

    /// Rounded half up to `fraction` digits (0 to 6) after the second; `None` where the carry needs a day that is not there
    /// (after 9999-12-31, or after a partly zero date).
    #[must_use]
    pub fn round(&self, fraction: u8) -> Option<Self> {
        let time_us = round_us(self.time_us, fraction);
        if time_us < DAY_US {
            return Some(Self { date: self.date, time_us });
        }
        Some(Self { date: self.date.add_days(1)?, time_us: time_us - DAY_US })
    }

    /// The date-time `us` microseconds later (or earlier); `None` as for [`Date::add_days`].
    #[must_use]
    pub fn add_us(&self, us: i64) -> Option<Self> {
        let time_us = self.time_us.checked_add(us)?;
        Some(Self { date: self.date.add_days(time_us.div_euclid(DAY_US))?, time_us: time_us.rem_euclid(DAY_US) })
    }
}

impl Time {
    /// The largest TIME, 838:59:59; the smallest is its negative.
    pub const MAX: Self = Self((838 * 3_600 + 59 * 60 + 59) * SECOND_US);

    /// Reads `[-]hh:mm:ss[.f{1,6}]`, hours with two or three digits, up to 838:59:59. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, clock) = text.strip_prefix('-').map_or((false, text), |clock| (true, clock));
        let hour_digits = clock.find(':').filter(|digits| matches!(digits, 2 | 3))?;
        let us = parse_clock(clock, hour_digits)?;
        (us <= Self::MAX.0).then_some(Self(if negative { -us } else { us }))
    }

    /// `[-]hh:mm:ss` with `fraction` digits (0 to 6) after the second; further digits are cut, not rounded.
    #[must_use]
    pub fn format(&self, fraction: u8) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        format!("{sign}{}", format_clock(self.0.saturating_abs(), fraction))
    }

    /// Rounded half away from zero to `fraction` digits (0 to 6) after the second, and clamped to the range of TIME.
    #[must_use]
    pub fn round(&self, fraction: u8) -> Self {
        let us = round_us(self.0.saturating_abs(), fraction).min(Self::MAX.0);
        Self(if self.0 < 0 { -us } else { us })
    }
}

/// Leap years as MySQL counts them: the year 0 is none.
fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || (year % 400 == 0 && year != 0))
}

/// A number of exactly `digits` ASCII digits.
fn fixed_digits(text: &str, digits: usize) -> Option<i64> {
    if text.len() != digits || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Microseconds of `h{hour_digits}:mm:ss[.f{1,6}]`.
fn parse_clock(text: &str, hour_digits: usize) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').map_or((text, None), |(clock, fraction)| (clock, Some(fraction)));
    let mut parts = clock.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let (hours, minutes, seconds) = (fixed_digits(hours, hour_digits)?, fixed_digits(minutes, 2)?, fixed_digits(seconds, 2)?);
    if parts.next().is_some() || minutes > 59 || seconds > 59 {
        return None;
    }
    let fraction_us = match fraction {
        None => 0,
        Some(digits) if digits.len() <= 6 => {
            fixed_digits(digits, digits.len())? * 10_i64.pow(6 - u32::try_from(digits.len()).ok()?)
        }
        Some(_) => return None,
    };
    Some(hours * HOUR_US + minutes * 60 * SECOND_US + seconds * SECOND_US + fraction_us)
}

/// `hh:mm:ss[.f]` of microseconds that are not negative.
fn format_clock(us: i64, fraction: u8) -> String {
    let (seconds, rest_us) = (us / SECOND_US, us % SECOND_US);
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 {
        return clock;
    }
    let width = usize::from(fraction.min(6));
    format!("{clock}.{:0width$}", rest_us / step_us(fraction))
}

/// Microseconds that are not negative, rounded half up to `fraction` digits of a second.
fn round_us(us: i64, fraction: u8) -> i64 {
    let step = step_us(fraction);
    us.saturating_add(step / 2) / step * step
}

/// The microseconds of the last kept digit.
fn step_us(fraction: u8) -> i64 {
    10_i64.pow(6 - u32::from(fraction.min(6)))
}
