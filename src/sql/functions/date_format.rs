//! DATE_FORMAT and TIME_FORMAT with every specifier, in the source's default language (`lc_time_names = en_US`).

use std::fmt::Write as _;

use crate::error::Result;
use crate::sql::functions::date_parts::{
    DAYS, MONTHS, WEEK_FIRST_WEEKDAY, WEEK_MONDAY_FIRST, WEEK_YEAR, day_of_year, week, weekday,
};
use crate::sql::functions::{TemporalRules, coerce, mismatch, no_value};
use crate::sql::query::Expr;
use crate::value::{DateTime, Value};

/// The most characters a format produces.
pub(super) fn length_max(format: &str) -> u32 {
    let mut length = 0;
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        length += match character {
            '%' => match characters.next() {
                Some('M' | 'W') => 64,
                Some('D' | 'Y' | 'x' | 'X') => 4,
                Some('a' | 'b') => 32,
                Some('j') => 3,
                Some('u' | 'U' | 'v' | 'V' | 'y' | 'm' | 'd' | 'h' | 'i' | 'I' | 'l' | 'p' | 'S' | 's' | 'c' | 'e') => 2,
                Some('k' | 'H') => 7,
                Some('r') => 11,
                Some('T') => 8,
                Some('f') => 6,
                _ => 1,
            },
            _ => 1,
        };
    }
    length
}

pub(super) fn call(rules: TemporalRules, expr: &Expr, values: &[Value]) -> Result<Value> {
    let _ = rules;
    let [value, format] = values else { return Err(mismatch("DATE_FORMAT")) };
    let (moment, format) = (coerce::moment(value)?, coerce::text(format)?);
    if format.is_empty() {
        return Ok(Value::Null);
    }
    let mut out = String::with_capacity(format.len() + 8);
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        match characters.next() {
            None => out.push('%'),
            Some(specifier) => match write_part(&mut out, specifier, moment, expr)? {
                Some(()) => {}
                None => return Ok(Value::Null),
            },
        }
    }
    Ok(Value::text(out))
}

/// Writes one specifier; `None` makes the whole result NULL.
fn write_part(out: &mut String, specifier: char, moment: DateTime, expr: &Expr) -> Result<Option<()>> {
    let date = moment.date;
    let seconds = moment.time_us / 1_000_000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let twelve = (hour + 11) % 12 + 1;
    let half = if hour < 12 { "AM" } else { "PM" };
    let is_whole = date.month != 0 && date.day != 0;
    let done = match specifier {
        'Y' => write!(out, "{:04}", date.year),
        'y' => write!(out, "{:02}", date.year.rem_euclid(100)),
        'm' => write!(out, "{:02}", date.month),
        'c' => write!(out, "{}", date.month),
        'd' => write!(out, "{:02}", date.day),
        'e' => write!(out, "{}", date.day),
        'D' => write!(out, "{}{}", date.day, ordinal(date.day)),
        'M' | 'b' => {
            let Some(name) = usize::from(date.month).checked_sub(1).and_then(|index| MONTHS.get(index)) else { return Ok(None) };
            write!(out, "{}", if specifier == 'b' { short(name) } else { name })
        }
        'W' | 'a' => {
            if date.month == 0 && date.year == 0 {
                return Ok(None);
            }
            let name = usize::try_from(weekday(date)).ok().and_then(|index| DAYS.get(index)).copied().unwrap_or("");
            write!(out, "{}", if specifier == 'a' { short(name) } else { name })
        }
        'w' if date.month == 0 && date.year == 0 => return Ok(None),
        'w' => write!(out, "{}", (weekday(date) + 1) % 7),
        'j' | 'U' | 'u' | 'V' | 'v' | 'X' | 'x' if !is_whole => {
            return Err(no_value(expr, "a week or day of the year of a partly zero date is formatted"));
        }
        'j' => write!(out, "{:03}", day_of_year(date)),
        'U' => write!(out, "{:02}", week(date, WEEK_FIRST_WEEKDAY).0),
        'u' => write!(out, "{:02}", week(date, WEEK_MONDAY_FIRST).0),
        'V' => write!(out, "{:02}", week(date, WEEK_YEAR | WEEK_FIRST_WEEKDAY).0),
        'v' => write!(out, "{:02}", week(date, WEEK_YEAR | WEEK_MONDAY_FIRST).0),
        'X' => write!(out, "{:04}", week(date, WEEK_YEAR | WEEK_FIRST_WEEKDAY).1),
        'x' => write!(out, "{:04}", week(date, WEEK_YEAR | WEEK_MONDAY_FIRST).1),
        'H' => write!(out, "{hour:02}"),
        'k' => write!(out, "{hour}"),
        'h' | 'I' => write!(out, "{twelve:02}"),
        'l' => write!(out, "{twelve}"),
        'i' => write!(out, "{minute:02}"),
        'S' | 's' => write!(out, "{second:02}"),
        'f' => write!(out, "{:06}", moment.time_us % 1_000_000),
        'p' => write!(out, "{half}"),
        'r' => write!(out, "{twelve:02}:{minute:02}:{second:02} {half}"),
        'T' => write!(out, "{hour:02}:{minute:02}:{second:02}"),
        other => write!(out, "{other}"),
    };
    done.map_err(|_| mismatch("DATE_FORMAT"))?;
    Ok(Some(()))
}

fn short(name: &str) -> &str {
    name.get(..3).unwrap_or(name)
}

fn ordinal(day: u8) -> &'static str {
    match (day, day % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    }
}
