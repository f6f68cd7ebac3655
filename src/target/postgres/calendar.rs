//! Dates as PostgreSQL counts them: days since 2000-01-01 in the proleptic Gregorian calendar.
//!
//! In go years counted astronomically (year 0 is 1 BC), out come day counts, and back; both directions are exact. What is not a day of
//! the calendar has no count: MySQL's zero and partly zero dates answer `None`, and so does what PostgreSQL cannot hold.

use crate::value::Date;

/// Days from 0000-03-01 to 2000-01-01.
const EPOCH_DAYS: i64 = 730_425;
/// Days in 400 years.
const ERA_DAYS: i64 = 146_097;
/// PostgreSQL's first day, 4714-11-24 BC.
const DAY_MIN: i64 = -2_451_545;
/// PostgreSQL's last day, 5874897-12-31.
const DAY_MAX: i64 = 2_145_031_948;
/// Microseconds of a day.
pub(super) const DAY_US: i64 = 86_400_000_000;

/// Days since 2000-01-01; `None` if it is not a day that PostgreSQL has.
pub(super) fn days_of(date: Date) -> Option<i32> {
    let (year, month, day) = (i64::from(date.year), i64::from(date.month), i64::from(date.day));
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

/// The date of a count of days since 2000-01-01; `None` beyond the years that a [`Date`] holds.
pub(super) fn date_of(days: i64) -> Option<Date> {
    let shifted = days + EPOCH_DAYS;
    let era = shifted.div_euclid(ERA_DAYS);
    let day_of_era = shifted.rem_euclid(ERA_DAYS);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Some(Date { year: i32::try_from(year).ok()?, month: u8::try_from(month).ok()?, day: u8::try_from(day).ok()? })
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
        ] {
            assert_eq!(days_of(date(year, month, day)), Some(days));
            assert_eq!(date_of(i64::from(days)), Some(date(year, month, day)));
        }
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for days in -150_000..150_000 {
            let date = date_of(days).unwrap();
            assert_eq!(days_of(date), Some(i32::try_from(days).unwrap()));
        }
    }

    #[test]
    fn zero_dates_and_false_leap_days_have_no_count() {
        for (year, month, day) in
            [(0, 0, 0), (2024, 5, 0), (2024, 0, 1), (2023, 2, 29), (1900, 2, 29), (2024, 4, 31), (2024, 13, 1)]
        {
            assert_eq!(days_of(date(year, month, day)), None);
        }
    }
}
