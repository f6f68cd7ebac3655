//! STR_TO_DATE, as the source scans: blanks skipped, fields of at most their width, what is left over ignored.

use crate::error::Result;
use crate::schema::DataType;
use crate::sql::functions::date_parts::MONTHS;
use crate::sql::functions::{TemporalRules, coerce, mismatch};
use crate::sql::query::Expr;
use crate::sql::types::Refusal;
use crate::value::{Date, DateTime, Value};

/// The result type of a constant format.
pub(super) fn result_type(format: &str) -> Result<DataType, Refusal> {
    let (mut has_date, mut has_time, mut has_fraction) = (false, false, false);
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            continue;
        }
        match characters.next() {
            Some('Y' | 'y' | 'm' | 'c' | 'M' | 'b' | 'd' | 'e' | 'D' | 'j') => has_date = true,
            Some('H' | 'k' | 'h' | 'I' | 'l' | 'i' | 'S' | 's' | 'T' | 'r') => has_time = true,
            Some('f') => has_fraction = true,
            Some('p') => {}
            Some(other) => {
                return Err(Refusal::new(format!("STR_TO_DATE with %{other} is not carried exactly"), "use %Y %m %d %H %i %s"));
            }
            None => return Err(Refusal::new("the format of STR_TO_DATE ends in %", "")),
        }
    }
    match (has_date, has_time || has_fraction) {
        (true, true) => Ok(DataType::DateTime { fraction: if has_fraction { 6 } else { 0 } }),
        (true, false) => Ok(DataType::Date),
        _ => {
            Err(Refusal::new("STR_TO_DATE makes a TIME here, which is not carried exactly", "format a date, or a date and time"))
        }
    }
}

pub(super) fn call(rules: TemporalRules, expr: &Expr, values: &[Value]) -> Result<Value> {
    let [text, format] = values else { return Err(mismatch("STR_TO_DATE")) };
    let Some(moment) = scan(coerce::text(text)?, coerce::text(format)?).filter(|moment| is_valid(moment.date, rules)) else {
        return Ok(Value::Null);
    };
    Ok(if expr.data_type == DataType::Date { Value::Date(moment.date) } else { Value::DateTime(moment) })
}

/// MySQL checks the day against its month and takes every zero part for a zero date; MariaDB does neither.
fn is_valid(date: Date, rules: TemporalRules) -> bool {
    let has_zero_part = date.month == 0 || date.day == 0;
    let is_allowed = super::temporal_text::is_allowed(date, rules);
    if rules.mariadb {
        return is_allowed;
    }
    let fits_month = Date::days_in_month(date.year, date.month).is_none_or(|last| date.day <= last);
    is_allowed && fits_month && !(rules.no_zero_date && (has_zero_part || date.year == 0))
}

/// The fields while they are scanned.
#[derive(Default)]
struct Scan {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    microsecond: i64,
    afternoon: i64,
    is_twelve_hours: bool,
    day_of_year: i64,
}

fn scan(text: &str, format: &str) -> Option<DateTime> {
    let mut fields = Scan::default();
    run(text, format, &mut fields)?;
    if fields.is_twelve_hours {
        if !(1..=12).contains(&fields.hour) {
            return None;
        }
        fields.hour = fields.hour % 12 + fields.afternoon;
    }
    let mut date = Date {
        year: i32::try_from(fields.year).ok()?,
        month: u8::try_from(fields.month).ok()?,
        day: u8::try_from(fields.day).ok()?,
    };
    if fields.day_of_year > 0 {
        date = Date { year: date.year, month: 1, day: 1 }.add_days(fields.day_of_year - 1)?;
    }
    let in_range = date.month <= 12 && date.day <= 31 && fields.hour <= 23 && fields.minute <= 59 && fields.second <= 59;
    let seconds = fields.hour * 3600 + fields.minute * 60 + fields.second;
    in_range.then_some(DateTime { date, time_us: seconds * 1_000_000 + fields.microsecond })
}

/// Scans `text` along `format`; gives back what is left. `None` for a mismatch.
fn run<'a>(text: &'a str, format: &str, fields: &mut Scan) -> Option<&'a str> {
    let mut rest = text;
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        rest = skip_blanks(rest);
        if rest.is_empty() {
            break;
        }
        if character == '%' {
            rest = field(rest, characters.next()?, fields)?;
        } else if !is_blank(character) {
            rest = rest.strip_prefix(character)?;
        }
    }
    Some(rest)
}

fn is_blank(character: char) -> bool {
    character.is_ascii_whitespace() || character == '\u{b}'
}

fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches(is_blank)
}

fn field<'a>(text: &'a str, specifier: char, fields: &mut Scan) -> Option<&'a str> {
    let (target, width) = match specifier {
        'Y' | 'y' => return year(text, specifier, fields),
        'M' => return name(text, &MONTHS, usize::MAX, &mut fields.month),
        'b' => return name(text, &MONTHS, 3, &mut fields.month),
        'D' => {
            let (day, rest) = number(text, 2)?;
            fields.day = day;
            // The suffix is two bytes, whatever they are.
            return rest.get(rest.len().min(2)..);
        }
        'f' => {
            let (digits, rest) = digits(text, 6)?;
            let scale = u32::try_from(6_usize.checked_sub(digits.len())?).ok()?;
            fields.microsecond = digits.parse::<i64>().ok()? * 10_i64.pow(scale);
            return Some(rest);
        }
        'p' => return half(text, fields),
        'r' => return run(text, "%I:%i:%S %p", fields),
        'T' => return run(text, "%H:%i:%S", fields),
        'm' | 'c' => (&mut fields.month, 2),
        'd' | 'e' => (&mut fields.day, 2),
        'h' | 'I' | 'l' => {
            fields.is_twelve_hours = true;
            (&mut fields.hour, 2)
        }
        'H' | 'k' => (&mut fields.hour, 2),
        'i' => (&mut fields.minute, 2),
        'S' | 's' => (&mut fields.second, 2),
        'j' => (&mut fields.day_of_year, 3),
        _ => return None,
    };
    let (value, rest) = number(text, width)?;
    *target = value;
    Some(rest)
}

/// `%Y` of one or two digits is a short year, as `%y` always is.
fn year<'a>(text: &'a str, specifier: char, fields: &mut Scan) -> Option<&'a str> {
    let (value, rest) = number(text, if specifier == 'Y' { 4 } else { 2 })?;
    let is_short = text.len() - rest.len() <= 2;
    fields.year = match is_short {
        true if value < 70 => value + 2000,
        true => value + 1900,
        false => value,
    };
    Some(rest)
}

fn half<'a>(text: &'a str, fields: &mut Scan) -> Option<&'a str> {
    let (letters, rest) = text.split_at_checked(2)?;
    if !fields.is_twelve_hours {
        return None;
    }
    fields.afternoon = match letters.to_ascii_uppercase().as_str() {
        "AM" => 0,
        "PM" => 12,
        _ => return None,
    };
    Some(rest)
}

fn digits(text: &str, width: usize) -> Option<(&str, &str)> {
    let end = text.bytes().take(width).take_while(u8::is_ascii_digit).count();
    if end == 0 { None } else { text.split_at_checked(end) }
}

/// A number of at most `width` characters; a plus sign is one of them.
fn number(text: &str, width: usize) -> Option<(i64, &str)> {
    let (unsigned, width) = text.strip_prefix('+').map_or((text, width), |rest| (rest, width.saturating_sub(1)));
    let (digits, rest) = digits(unsigned, width)?;
    Some((digits.parse().ok()?, rest))
}

/// The longest run of letters must be one of the names, in any case of letters.
fn name<'a>(text: &'a str, names: &[&str], width: usize, target: &mut i64) -> Option<&'a str> {
    let place = names.iter().position(|name| {
        let wanted = name.get(..width.min(name.len())).unwrap_or(name);
        text.get(..wanted.len()).is_some_and(|found| found.eq_ignore_ascii_case(wanted))
    })?;
    let length = names.get(place)?.len().min(width);
    *target = i64::try_from(place + 1).ok()?;
    text.get(length..)
}
