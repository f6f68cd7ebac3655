//! Dates and times out of strings, as the source's CAST reads them, and conversions between date types.
//!
//! The servers read far more forms than ISO dates. Those that both read alike are read here; forms that are read differently
//! from version to version (repeated separators, zone offsets, fractions of more than six digits) have no value.

use crate::error::Result;
use crate::sql::functions::{Function, TemporalRules, coerce, mismatch, no_value};
use crate::sql::query::Expr;
use crate::value::{Date, DateTime, Time, Value};

const SECOND_US: i64 = 1_000_000;

/// What a string says as a date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed {
    /// The moment; midnight if there was no time.
    pub value: DateTime,
    /// Whether a time of day was written.
    pub has_time: bool,
    /// Digits written after the second, 0 to 6.
    pub fraction: u8,
    /// Whether something was left over behind it.
    pub garbage: bool,
}

impl Parsed {
    /// Whether the string was a date or moment and nothing else.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.garbage
    }

    /// Whether the string was a date without a time and nothing else.
    #[must_use]
    pub fn is_exact_date(&self) -> bool {
        !self.garbage && !self.has_time
    }
}

/// How reading a string ended.
enum Reading {
    Moment(Parsed),
    /// The source makes NULL of it, with a warning.
    Nothing,
    /// The source's answer is not known here.
    Unsure,
}

/// Reads a date or date and time as the source does; `None` for what it calls invalid, and for forms that are not carried.
/// Zero dates are values here; whether the session has them is the caller's question.
#[must_use]
pub fn parse_datetime(text: &str, mariadb: bool) -> Option<Parsed> {
    match read(text, mariadb) {
        Reading::Moment(parsed) => Some(parsed),
        Reading::Nothing | Reading::Unsure => None,
    }
}

/// The fields of a date and time while it is read: year, month, day, hour, minute, second, fraction.
#[derive(Default)]
struct Fields {
    values: [u32; 7],
    widths: [usize; 7],
    count: usize,
}

impl Fields {
    fn push(&mut self, digits: &str) -> bool {
        let (Some(value), Some(width)) = (self.values.get_mut(self.count), self.widths.get_mut(self.count)) else { return false };
        let Ok(number) = digits.parse::<u32>() else { return false };
        *value = number;
        *width = digits.len();
        self.count += 1;
        number <= 999_999
    }
}

fn read(text: &str, mariadb: bool) -> Reading {
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    let text = if mariadb { text.trim_end_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}') } else { text };
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        // MariaDB reads signs, as of a time.
        return if mariadb && text.starts_with(['+', '-']) { Reading::Unsure } else { Reading::Nothing };
    }
    let run = text.find(|c: char| !(c.is_ascii_digit() || c == 'T')).unwrap_or(text.len());
    let packed = run == text.len() || text.get(run..).is_some_and(|rest| rest.starts_with('.'));
    if mariadb && !packed && leading_digits(text) > 4 {
        // MySQL takes the digits for a year, MariaDB for a packed date.
        return Reading::Unsure;
    }
    let mut fields = Fields::default();
    let rest = if packed { read_packed(text, run, &mut fields) } else { read_separated(text, &mut fields) };
    match rest {
        Some(rest) => finish(&fields, rest, mariadb),
        None if fields.count > 7 => Reading::Nothing,
        None => unsure_or_nothing(&fields),
    }
}

fn unsure_or_nothing(fields: &Fields) -> Reading {
    if fields.values.iter().any(|value| *value > 999_999) { Reading::Nothing } else { Reading::Unsure }
}

/// `YYYYMMDD`, `YYMMDD`, `YYYYMMDDhhmmss[.f]`: no separators, fixed widths.
fn read_packed<'a>(text: &'a str, run: usize, fields: &mut Fields) -> Option<&'a str> {
    let year_width = if run == 4 || run == 8 || run >= 14 { 4 } else { 2 };
    let mut rest = text;
    for width in [year_width, 2, 2, 2, 2, 2] {
        let digits = leading_digits(rest).min(width);
        if digits == 0 {
            break;
        }
        let (field, behind) = rest.split_at_checked(digits)?;
        fields.push(field);
        rest = behind;
        if fields.count == 3 {
            rest = rest.strip_prefix('T').unwrap_or(rest);
        }
    }
    if fields.count == 6 {
        return read_fraction(rest, fields);
    }
    // A point before the seconds separates fields again, which MariaDB and MySQL do differently.
    if rest.starts_with('.') { None } else { Some(rest) }
}

fn read_separated<'a>(text: &'a str, fields: &mut Fields) -> Option<&'a str> {
    let mut rest = text;
    while fields.count < 6 {
        let digits = leading_digits(rest);
        if digits == 0 {
            return Some(rest);
        }
        let (field, behind) = rest.split_at_checked(digits)?;
        if !fields.push(field) {
            return if digits > 6 || field.parse::<u32>().is_ok() { too_large(fields) } else { None };
        }
        if fields.count == 6 {
            return read_fraction(behind, fields);
        }
        match separator(behind, fields.count)? {
            Some(next) => rest = next,
            None => return Some(behind),
        }
    }
    Some(rest)
}

/// A field that no date has makes the whole string invalid: no field counts.
fn too_large<'a>(fields: &mut Fields) -> Option<&'a str> {
    fields.count = 0;
    Some("")
}

/// Steps over what stands between two fields: `Some(None)` if the value ends here, `None` if servers differ.
fn separator(text: &str, fields: usize) -> Option<Option<&str>> {
    if fields == 3 {
        if let Some(rest) = text.strip_prefix('T') {
            return Some(rest.starts_with(|c: char| c.is_ascii_digit()).then_some(rest));
        }
        let trimmed = text.trim_start_matches(|c: char| c.is_ascii_whitespace());
        if trimmed.len() < text.len() {
            return if trimmed.starts_with(|c: char| c.is_ascii_punctuation()) { None } else { Some(Some(trimmed)) };
        }
    }
    let Some(rest) = text.strip_prefix(|c: char| c.is_ascii_punctuation()) else { return Some(None) };
    if rest.starts_with(|c: char| c.is_ascii_punctuation()) || (fields >= 3 && !text.starts_with(':')) {
        return None;
    }
    if rest.is_empty() && fields < 3 {
        return Some(None);
    }
    if fields == 3 { None } else { Some(Some(rest)) }
}

fn read_fraction<'a>(text: &'a str, fields: &mut Fields) -> Option<&'a str> {
    let Some(behind) = text.strip_prefix('.') else {
        return if text.starts_with(['+', '-']) { None } else { Some(text) };
    };
    let digits = leading_digits(behind);
    if digits == 0 {
        return if behind.is_empty() { Some(behind) } else { None };
    }
    let (field, rest) = behind.split_at_checked(digits)?;
    let kept = field.get(..digits.min(6))?;
    fields.push(kept);
    if let Some(width) = fields.widths.get_mut(6) {
        *width = digits;
    }
    if rest.starts_with(['+', '-']) { None } else { Some(rest) }
}

fn leading_digits(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())
}

fn finish(fields: &Fields, rest: &str, mariadb: bool) -> Reading {
    let [year, month, day, hour, minute, second, fraction] = fields.values;
    let [year_width, .., fraction_width] = fields.widths;
    let two_digit_year = year_width == 2 && fields.values.iter().any(|value| *value != 0);
    let year = match two_digit_year {
        true if year < 70 => year + 2000,
        true => year + 1900,
        false => year,
    };
    let in_range = year <= 9999 && month <= 12 && day <= 31 && hour <= 23 && minute <= 59 && second <= 59;
    if fields.count < 3 || !in_range {
        return Reading::Nothing;
    }
    if fraction_width > 6 && !mariadb {
        return Reading::Unsure;
    }
    let (Ok(month), Ok(day), Ok(year)) = (u8::try_from(month), u8::try_from(day), i32::try_from(year)) else {
        return Reading::Nothing;
    };
    let last = Date::days_in_month(year, month);
    if last.is_some_and(|last| day > last) {
        return Reading::Nothing;
    }
    let scale = u32::try_from(6 - fraction_width.min(6)).unwrap_or(0);
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    let value =
        DateTime { date: Date { year, month, day }, time_us: seconds * SECOND_US + i64::from(fraction) * 10_i64.pow(scale) };
    let garbage = rest.chars().any(|c| !c.is_ascii_whitespace());
    let fraction = u8::try_from(fraction_width.min(6)).unwrap_or(6);
    Reading::Moment(Parsed { value, has_time: fields.count > 3, fraction, garbage })
}

/// Whether the session has this date: zero dates and dates with a zero part can be switched off.
#[must_use]
pub fn is_allowed(date: Date, rules: TemporalRules) -> bool {
    if date.is_zero() {
        return !rules.no_zero_date;
    }
    !(rules.no_zero_in_date && (date.month == 0 || date.day == 0))
}

/// A moment with its fraction of a second cut (MariaDB) or rounded (MySQL); `None` past the last day.
pub(super) fn fit(moment: DateTime, fraction: u8, rules: TemporalRules) -> Option<DateTime> {
    if rules.mariadb {
        return Some(DateTime { date: moment.date, time_us: cut(moment.time_us, fraction) });
    }
    moment.round(fraction)
}

fn cut(us: i64, fraction: u8) -> i64 {
    let step = 10_i64.pow(u32::from(6 - fraction.min(6)));
    us / step * step
}

pub(super) fn call(function: &Function, expr: &Expr, values: &[Value]) -> Result<Value> {
    let Some(value) = values.first() else { return Err(mismatch("a date conversion")) };
    match function {
        Function::ToDate(rules) => {
            let date = coerce::date(value)?;
            Ok(if is_allowed(date, *rules) { Value::Date(date) } else { Value::Null })
        }
        Function::StopIncomplete => match coerce::date(value)?.is_calendar() {
            true => Ok(value.clone()),
            false => Err(no_value(expr, "a zero or partly zero date, which the server reads in several ways here,")),
        },
        Function::ToDateTime { fraction, rules } => {
            let moment = coerce::moment(value)?;
            if !is_allowed(moment.date, *rules) {
                return Ok(Value::Null);
            }
            Ok(fit(moment, *fraction, *rules).map_or(Value::Null, Value::DateTime))
        }
        Function::ToTime { fraction, rules } => {
            let time = match value {
                Value::Time(time) => *time,
                other => Time(coerce::moment(other)?.time_us),
            };
            Ok(Value::Time(if rules.mariadb { Time(cut(time.0, *fraction)) } else { time.round(*fraction) }))
        }
        Function::TextToDate(rules) => Ok(from_text(expr, value, *rules)?.map_or(Value::Null, |moment| Value::Date(moment.date))),
        Function::TextToDateTime { fraction, rules } => {
            let moment = from_text(expr, value, *rules)?.and_then(|moment| fit(moment, *fraction, *rules));
            Ok(moment.map_or(Value::Null, Value::DateTime))
        }
        _ => Err(mismatch("a date conversion")),
    }
}

fn from_text(expr: &Expr, value: &Value, rules: TemporalRules) -> Result<Option<DateTime>> {
    match read(coerce::text(value)?, rules.mariadb) {
        Reading::Moment(parsed) if is_allowed(parsed.value.date, rules) => Ok(Some(parsed.value)),
        Reading::Moment(_) | Reading::Nothing => Ok(None),
        Reading::Unsure => Err(no_value(expr, "a string is read as a date in a form that servers read differently")
            .with_hint("use STR_TO_DATE with the form that is meant")),
    }
}
