//! Dates and times: every day of the calendar, and the days that are in none.

use proptest::prelude::*;

use super::strategies;
use crate::value::{Date, DateTime, Time};

fn date(text: &str) -> Date {
    Date::parse(text).unwrap()
}

#[test]
fn day_numbers_are_those_of_to_days() {
    for (text, number) in [
        ("0000-01-01", 1),
        ("0000-02-28", 59),
        ("0000-03-01", 60),
        ("0000-12-31", 365),
        ("0001-01-01", 366),
        ("1970-01-01", 719_528),
        ("2000-02-29", 730_544),
        ("2007-10-07", 733_321),
        ("9999-12-31", 3_652_424),
    ] {
        assert_eq!(date(text).day_number(), Some(number), "{text}");
    }
    for text in ["0000-00-00", "2024-05-00", "2024-00-01", "2023-02-29", "0000-02-29", "2024-04-31"] {
        assert_eq!(date(text).day_number(), None, "{text}");
    }
    assert_eq!(Date::from_day_number(365), None);
    assert_eq!(Date::from_day_number(3_652_425), None);
}

#[test]
fn every_day_has_its_number_and_the_next_day_the_next() {
    let mut expected = Date { year: 1, month: 1, day: 1 };
    for number in 366..=3_652_424 {
        assert_eq!(Date::from_day_number(number), Some(expected));
        assert_eq!(expected.day_number(), Some(number));
        assert_eq!(i64::from(expected.weekday().unwrap()), (number - 366) % 7);
        let last = Date::days_in_month(expected.year, expected.month).unwrap();
        expected = match (expected.month, expected.day == last) {
            (_, false) => Date { day: expected.day + 1, ..expected },
            (12, true) => Date { year: expected.year + 1, month: 1, day: 1 },
            (month, true) => Date { month: month + 1, day: 1, ..expected },
        };
    }
}

#[test]
fn zero_and_partly_zero_dates_are_values_but_no_days() {
    for text in ["0000-00-00", "2024-00-00", "2024-05-00", "0000-05-01", "2024-02-30", "0000-01-01"] {
        let parsed = date(text);
        assert_eq!(parsed.to_string(), text);
        assert!(!parsed.is_calendar(), "{text}");
    }
    assert!(date("2024-02-29").is_calendar());
    assert!(Date::ZERO.is_zero() && !date("2024-00-00").is_zero());
    assert!(DateTime::ZERO.is_zero() && !DateTime { date: Date::ZERO, time_us: 1 }.is_zero());
}

#[test]
fn text_that_is_not_strict_is_refused() {
    for text in [
        "",
        "2024-1-31",
        "24-01-31",
        "2024-13-01",
        "2024-01-32",
        "2024-01-31 ",
        "2024/01/31",
        "2024-01-31-",
        "+024-01-31",
        "２024-01-31",
    ] {
        assert_eq!(Date::parse(text), None, "{text}");
    }
    for text in [
        "2024-01-31",
        "2024-01-31 24:00:00",
        "2024-01-31 10:20",
        "2024-01-31 10:20:60",
        "2024-01-31 10:20:30.",
        "2024-01-31 10:20:30.1234567",
        "2024-01-31  10:20:30",
        "가2024-01-3 10:20:30",
    ] {
        assert_eq!(DateTime::parse(text), None, "{text}");
    }
    for text in ["", "1:00:00", "839:00:00", "838:59:59.000001", "10:60:00", "--10:00:00", "10:00", "10:00:00:00", "1000:00:00"] {
        assert_eq!(Time::parse(text), None, "{text}");
    }
}

#[test]
fn fractions_are_read_printed_and_rounded() {
    let at = DateTime::parse("2024-01-31 10:20:30.5").unwrap();
    assert_eq!(at.time_us, 37_230_500_000);
    assert_eq!((at.format(0), at.format(3)), ("2024-01-31 10:20:30".into(), "2024-01-31 10:20:30.500".into()));
    assert_eq!(at.round(0).unwrap().format(0), "2024-01-31 10:20:31");
    assert_eq!(
        DateTime::parse("2023-12-31T23:59:59.9999995".split_at(26).0).unwrap().round(6).unwrap().format(6),
        "2023-12-31 23:59:59.999999"
    );
    assert_eq!(DateTime::parse("2023-12-31 23:59:59.5").unwrap().round(0).unwrap().format(0), "2024-01-01 00:00:00");
    assert_eq!(DateTime::parse("9999-12-31 23:59:59.5").unwrap().round(0), None);
    assert_eq!(DateTime::parse("2024-05-00 23:59:59.5").unwrap().round(0), None);
    assert_eq!(Time::parse("-12:34:56.789").unwrap(), Time(-45_296_789_000));
    assert_eq!(Time(-45_296_789_000).format(2), "-12:34:56.78");
    assert_eq!(Time(-45_296_789_000).round(2).format(2), "-12:34:56.79");
    assert_eq!(Time::MAX.format(0), "838:59:59");
    assert_eq!(Time::parse("-838:59:59").unwrap(), Time(-Time::MAX.0));
    assert_eq!(Time(-500_000).round(0).format(0), "-00:00:01");
    assert_eq!(Time(Time::MAX.0 - 1).round(0), Time::MAX);
}

#[test]
fn months_clamp_to_the_end_of_the_month() {
    for (text, months, sum) in [
        ("2024-01-31", 1, "2024-02-29"),
        ("2023-01-31", 1, "2023-02-28"),
        ("2024-03-31", -1, "2024-02-29"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-01-15", -13, "2022-12-15"),
        ("1900-01-31", 1, "1900-02-28"),
    ] {
        assert_eq!(date(text).add_months(months), Some(date(sum)));
    }
    assert_eq!(date("9999-12-01").add_months(1), None);
    assert_eq!(date("0000-01-01").add_months(-1), None);
    assert_eq!(date("2024-05-00").add_months(1), None);
    assert_eq!(date("2024-05-01").add_months(i64::MAX), None);
    assert_eq!(date("2024-05-01").add_days(i64::MAX), None);
}

#[test]
fn microseconds_carry_over_days() {
    let at = DateTime::parse("2024-03-01 00:00:00").unwrap();
    assert_eq!(at.add_us(-1).unwrap().format(6), "2024-02-29 23:59:59.999999");
    assert_eq!(at.add_us(86_400_000_000).unwrap().format(0), "2024-03-02 00:00:00");
    assert_eq!(DateTime::ZERO.add_us(1), None);
}

proptest! {
    #[test]
    fn text_round_trips(at in strategies::date_time(), time in strategies::time()) {
        prop_assert_eq!(Date::parse(&at.date.to_string()), Some(at.date));
        prop_assert_eq!(DateTime::parse(&at.format(6)), Some(at));
        prop_assert_eq!(Time::parse(&time.format(6)), Some(time));
    }

    #[test]
    fn days_and_back_is_the_same_day(day in strategies::date(), days in -4_000_000_i64..4_000_000) {
        if let Some(later) = day.add_days(days) {
            prop_assert_eq!(later.day_number().unwrap() - day.day_number().unwrap(), days);
        }
    }
}
