//! Dates as PostgreSQL counts them: days since 2000-01-01 in the proleptic Gregorian calendar.
//!
//! In go dates, out come day counts, and back; both directions are exact. Years before the first are negative, -1 is 1 BC, and there is no
//! year 0. What is not a day of the calendar has no count: MySQL's zero and partly zero dates answer `None`, and so do `infinity` and what
//! PostgreSQL cannot hold. Moments are microseconds since 2000-01-01, with PostgreSQL's own numbers for the infinities.

use super::{Date, DateTime};

/// Days from 0000-03-01 to 2000-01-01.
const EPOCH_DAYS: i64 = 730_425;
/// Days in 400 years.
const ERA_DAYS: i64 = 146_097;
/// PostgreSQL's first day, 4714-11-24 BC.
const DAY_MIN: i64 = -2_451_545;
/// PostgreSQL's last day, 5874897-12-31.
const DAY_MAX: i64 = 2_145_031_948;
/// Microseconds of a day.
pub const DAY_US: i64 = 86_400_000_000;
/// The first moment of a timestamp, 4714-11-24 00:00:00 BC.
const MOMENT_MIN: i64 = -211_813_488_000_000_000;
/// The moment behind the last one, 294277-01-01.
const MOMENT_END: i64 = 9_223_371_331_200_000_000;

/// A moment as PostgreSQL's `timestamp` holds it: microseconds since 2000-01-01, the infinities as the ends of 64 bits. `None` if it is
/// none that PostgreSQL has.
#[must_use]
pub fn moment_us(moment: DateTime) -> Option<i64> {
    match moment {
        DateTime::INFINITY => return Some(i64::MAX),
        DateTime::NEGATIVE_INFINITY => return Some(i64::MIN),
        _ => {}
    }
    let days = i64::from(days_of(moment.date)?);
    let us = days.checked_mul(DAY_US)?.checked_add(moment.time_us)?;
    ((0..DAY_US).contains(&moment.time_us) && (MOMENT_MIN..MOMENT_END).contains(&us)).then_some(us)
}

/// The moment of a `timestamp`'s microseconds; `None` outside PostgreSQL's range.
#[must_use]
pub fn moment_of(us: i64) -> Option<DateTime> {
    match us {
        i64::MAX => Some(DateTime::INFINITY),
        i64::MIN => Some(DateTime::NEGATIVE_INFINITY),
        MOMENT_MIN..MOMENT_END => Some(DateTime { date: date_of(us.div_euclid(DAY_US))?, time_us: us.rem_euclid(DAY_US) }),
        _ => None,
    }
}

/// Days since 2000-01-01; `None` if it is not a day that PostgreSQL has.
#[must_use]
pub fn days_of(date: Date) -> Option<i32> {
    if date.year == 0 {
        return None;
    }
    let (year, month, day) = (i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let year = if year < 0 { year + 1 } else { year };
    if month < 1 || day < 1 || day > month_length(year, month)? {
        return None;
    }
    // Years that begin in March put the leap day last, so a month's start needs no table.
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * ERA_DAYS + day_of_era - EPOCH_DAYS;
    if (DAY_MIN..=DAY_MAX).contains(&days) { i32::try_from(days).ok() } else { None }
}

/// The date of a count of days since 2000-01-01; `None` beyond PostgreSQL's days.
#[must_use]
pub fn date_of(days: i64) -> Option<Date> {
    if !(DAY_MIN..=DAY_MAX).contains(&days) {
        return None;
    }
    let shifted = days + EPOCH_DAYS;
    let era = shifted.div_euclid(ERA_DAYS);
    let day_of_era = shifted.rem_euclid(ERA_DAYS);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let year = if year <= 0 { year - 1 } else { year };
    Some(Date { year: i32::try_from(year).ok()?, month: u8::try_from(month).ok()?, day: u8::try_from(day).ok()? })
}

/// How many days a month of a year has; years before the first are negative. `None` for no month.
#[must_use]
pub fn month_days(year: i32, month: u8) -> Option<u8> {
    let year = i64::from(if year < 0 { year + 1 } else { year });
    month_length(year, i64::from(month)).and_then(|days| u8::try_from(days).ok())
}

fn month_length(year: i64, month: i64) -> Option<i64> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0) => Some(29),
        2 => Some(28),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(year: i32, month: u8, day: u8) -> Date {
        Date { year, month, day }
    }

    #[test]
    fn known_days_have_the_counts_of_postgresql() {
        for (year, month, day, days) in [
            (2000, 1, 1, 0),
            (1999, 12, 31, -1),
            (1970, 1, 1, -10_957),
            (2024, 2, 29, 8_825),
            (1, 1, 1, -730_119),
            (9999, 12, 31, 2_921_939),
            (-1, 12, 31, -730_120),
            (-4714, 11, 24, -2_451_545),
            (5_874_897, 12, 31, 2_145_031_948),
        ] {
            assert_eq!(days_of(date(year, month, day)), Some(days));
            assert_eq!(date_of(i64::from(days)), Some(date(year, month, day)));
        }
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for days in (-150_000..150_000).chain(-740_000..-720_000) {
            let date = date_of(days).unwrap();
            assert_eq!(days_of(date), Some(i32::try_from(days).unwrap()));
        }
    }

    #[test]
    fn zero_dates_and_false_leap_days_have_no_count() {
        for (year, month, day) in [
            (0, 0, 0),
            (2024, 5, 0),
            (2024, 0, 1),
            (2023, 2, 29),
            (1900, 2, 29),
            (2024, 4, 31),
            (2024, 13, 1),
            (0, 1, 1),
            (-4714, 11, 23),
        ] {
            assert_eq!(days_of(date(year, month, day)), None);
        }
    }

    #[test]
    fn moments_end_where_those_of_postgresql_end() {
        for us in [MOMENT_MIN, -1, 0, MOMENT_END - 1, i64::MIN, i64::MAX] {
            assert_eq!(moment_us(moment_of(us).unwrap()), Some(us));
        }
        for us in [MOMENT_MIN - 1, MOMENT_END, i64::MAX - 1] {
            assert_eq!(moment_of(us), None);
        }
        assert_eq!(days_of(Date::INFINITY), None);
        assert!(moment_of(i64::MIN) < moment_of(MOMENT_MIN) && moment_of(MOMENT_END - 1) < moment_of(i64::MAX));
    }
}
