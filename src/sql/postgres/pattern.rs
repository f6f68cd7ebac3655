//! `to_char`, `to_date` and `to_timestamp` with patterns, after `formatting.c`, under `lc_time` C.
//!
//! Printing knows the usual patterns; a letter that may begin another one has no value, so that nothing is copied that the server would have
//! replaced. Reading is strict where the server is lenient: a text that does not have exactly the digits and separators of its pattern
//! has no value.

use super::routine::{Fault, WRONG};
use crate::value::{Date, DateTime, Value, calendar};

const UNREAD: Fault = "a part of this date pattern is not carried exactly";

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Patterns, longest first where one begins another.
const NUMBERS: [&str; 22] = [
    "YYYY", "YYY", "YY", "Y", "IYYY", "MM", "DDD", "DD", "ID", "IW", "D", "HH24", "HH12", "HH", "MI", "SSSS", "SS", "MS", "US",
    "Q", "WW", "W",
];
const NAMES: [&str; 16] =
    ["MONTH", "Month", "month", "MON", "Mon", "mon", "DAY", "Day", "day", "DY", "Dy", "dy", "AM", "PM", "am", "pm"];

/// Letters with which some pattern of the server begins.
const INITIALS: &str = "ABCDFHIJMOPQRSTUVWY";

/// `to_char(timestamp, pattern)`; NULL for an infinite timestamp or an empty pattern.
///
/// # Errors
/// A pattern that is not carried.
pub fn print(at: DateTime, pattern: &str) -> Result<Value, Fault> {
    if !at.date.is_finite() || pattern.is_empty() {
        return Ok(Value::Null);
    }
    let mut out = String::new();
    let mut rest = pattern;
    let mut fill = true;
    while let Some(first) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (inner, behind) = quoted.split_once('"').ok_or(UNREAD)?;
            out.push_str(inner);
            rest = behind;
            continue;
        }
        if let Some(behind) = strip(rest, "FM") {
            fill = false;
            rest = behind;
            continue;
        }
        // A name is matched in its spelling before a number that begins alike.
        if let Some((name, behind)) = NAMES.iter().find_map(|name| rest.strip_prefix(name).map(|behind| (*name, behind))) {
            out.push_str(&named(name, at, fill)?);
            rest = behind;
        } else if let Some((number, behind)) =
            NUMBERS.iter().find_map(|number| strip(rest, number).map(|behind| (*number, behind)))
        {
            if strip(behind, "TH").is_some() || is_other(number, rest) {
                return Err(UNREAD);
            }
            out.push_str(&numbered(number, at, fill)?);
            rest = behind;
        } else if first == '\\' || INITIALS.contains(first.to_ascii_uppercase()) {
            return Err(UNREAD);
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or("");
            continue;
        }
        fill = true;
    }
    Ok(Value::text(out))
}

/// Patterns that begin like a number and are another: `SSSSS`, `Y,YYY`, `IYY`, `MONTH` in mixed case.
fn is_other(number: &str, rest: &str) -> bool {
    let longer = ["SSSSS", "Y,YYY", "IDDD", "IYY", "MONTH", "MON", "DAY", "DY"];
    longer.iter().any(|other| strip(rest, other).is_some() && other.len() > number.len())
}

/// The rest behind a prefix, whatever its case.
fn strip<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn days(at: DateTime) -> Result<i64, Fault> {
    calendar::days_of(at.date).map(i64::from).ok_or(WRONG)
}

fn named(name: &str, at: DateTime, fill: bool) -> Result<String, Fault> {
    let upper = name.to_ascii_uppercase();
    if matches!(upper.as_str(), "AM" | "PM") {
        let text = if at.time_us < calendar::DAY_US / 2 { "AM" } else { "PM" };
        return Ok(if name == upper { text.to_owned() } else { text.to_ascii_lowercase() });
    }
    let weekday = usize::try_from((days(at)? + 6).rem_euclid(7)).map_err(|_| WRONG)?;
    let full = match upper.as_str() {
        "MONTH" | "MON" => MONTHS.get(usize::from(at.date.month) - 1),
        _ => DAYS.get(weekday),
    };
    let full = *full.ok_or(WRONG)?;
    let short = matches!(upper.as_str(), "MON" | "DY");
    let text = if short { full.get(..3).unwrap_or(full) } else { full };
    let text = if name == upper {
        text.to_ascii_uppercase()
    } else if name == name.to_ascii_lowercase() {
        text.to_ascii_lowercase()
    } else {
        text.to_owned()
    };
    Ok(if short || !fill { text } else { format!("{text:9}") })
}

fn numbered(number: &str, at: DateTime, fill: bool) -> Result<String, Fault> {
    let Date { year, month, day } = at.date;
    let year_first = calendar::days_of(Date { year, month: 1, day: 1 }).map(i64::from).ok_or(UNREAD)?;
    let day_of_year = days(at)? - year_first + 1;
    let weekday = (days(at)? + 6).rem_euclid(7);
    let thursday = days(at)? - (days(at)? + 5).rem_euclid(7) + 3;
    let iso_year = calendar::date_of(thursday).ok_or(UNREAD)?.year;
    let iso_first = calendar::days_of(Date { year: iso_year, month: 1, day: 1 }).map(i64::from).ok_or(UNREAD)?;
    let (seconds, us) = (at.time_us / 1_000_000, at.time_us % 1_000_000);
    let hour = seconds / 3_600;
    let year = i64::from(year.unsigned_abs());
    let (value, width) = match number {
        "YYYY" => (year, 4),
        "YYY" => (year % 1_000, 3),
        "YY" => (year % 100, 2),
        "Y" => (year % 10, 1),
        "IYYY" if iso_year > 0 => (i64::from(iso_year), 4),
        "MM" => (i64::from(month), 2),
        "DDD" => (day_of_year, 3),
        "DD" => (i64::from(day), 2),
        "D" => (weekday + 1, 1),
        "ID" => (if weekday == 0 { 7 } else { weekday }, 1),
        "IW" => ((thursday - iso_first) / 7 + 1, 2),
        "HH24" => (hour, 2),
        "HH12" | "HH" => (if hour % 12 == 0 { 12 } else { hour % 12 }, 2),
        "MI" => (seconds / 60 % 60, 2),
        "SSSS" => (seconds, 1),
        "SS" => (seconds % 60, 2),
        "MS" => (us / 1_000, 3),
        "US" => (us, 6),
        "Q" => ((i64::from(month) - 1) / 3 + 1, 1),
        "WW" => ((day_of_year - 1) / 7 + 1, 2),
        "W" => ((i64::from(day) - 1) / 7 + 1, 1),
        _ => return Err(UNREAD),
    };
    // Fractions of a second keep their zeros under FM.
    let width = if fill || matches!(number, "MS" | "US") { width } else { 1 };
    Ok(format!("{value:0width$}"))
}

/// `to_date` and `to_timestamp` of a text.
///
/// # Errors
/// A pattern other than `YYYY`, `MM`, `DD`, `HH24`, `MI`, `SS` and separators, or a text that does not follow it digit by digit.
pub fn read(text: &str, pattern: &str) -> Result<DateTime, Fault> {
    const UNLIKE: Fault = "a text does not have the digits and separators of its date pattern, and is not read exactly";
    let (mut year, mut month, mut day, mut hour, mut minute, mut second) = (1, 1, 1, 0, 0, 0);
    let (mut text, mut pattern) = (text, pattern);
    while let Some(first) = pattern.chars().next() {
        let fields: [(&str, &mut i64); 6] = [
            ("YYYY", &mut year),
            ("HH24", &mut hour),
            ("MM", &mut month),
            ("DD", &mut day),
            ("MI", &mut minute),
            ("SS", &mut second),
        ];
        let found = fields.into_iter().find_map(|(name, slot)| strip(pattern, name).map(|behind| (name, slot, behind)));
        if let Some((name, slot, behind)) = found {
            let width = if name == "YYYY" { 4 } else { 2 };
            if strip(behind, "TH").is_some() || matches!(behind.chars().next(), Some('D' | 'd' | 'S' | 's')) && !is_next(behind) {
                return Err(UNREAD);
            }
            let (digits, after) = text.split_at_checked(width).ok_or(UNLIKE)?;
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(UNLIKE);
            }
            *slot = digits.parse().map_err(|_| UNLIKE)?;
            (text, pattern) = (after, behind);
        } else if first.is_ascii_alphanumeric() || matches!(first, '"' | '\\') || !first.is_ascii() {
            return Err(UNREAD);
        } else {
            text = text.strip_prefix(first).ok_or(UNLIKE)?;
            pattern = pattern.get(first.len_utf8()..).unwrap_or("");
        }
    }
    if !text.is_empty() {
        return Err(UNLIKE);
    }
    const RANGE: Fault = "date/time field value out of range";
    let small = |number: i64| u8::try_from(number).map_err(|_| RANGE);
    let date = Date { year: i32::try_from(year).map_err(|_| RANGE)?, month: small(month)?, day: small(day)? };
    if calendar::days_of(date).is_none() || hour > 23 || minute > 59 || second > 59 {
        return Err(RANGE);
    }
    Ok(DateTime { date, time_us: (hour * 3_600 + minute * 60 + second) * 1_000_000 })
}

fn is_next(pattern: &str) -> bool {
    ["DD", "SS"]
        .iter()
        .any(|name| strip(pattern, name).is_some_and(|behind| !matches!(behind.chars().next(), Some('D' | 'd' | 'S' | 's'))))
}
