//! Texts as PostgreSQL reads them: the input functions of the types.
//!
//! Numbers, booleans, uuids and bytes are read in every form. Of dates, times and intervals the ISO forms are read, and the forms that
//! PostgreSQL prints itself; its reader takes many more, which are [`UNREAD`], never guessed.

use super::kind::Kind;
use super::routine::{Call, Fault};
use super::zone;
use crate::value::{Date, DateTime, Decimal, Interval, NonFinite, Time, Value, calendar};

/// A date or time in a form that is not ISO.
pub const UNREAD: Fault = "a date or time is written in a form other than ISO, which is not read exactly";

const DAY_US: i64 = calendar::DAY_US;

/// The value of a text under a kind.
///
/// # Errors
/// The server's own refusal, or a form that is not read.
pub fn value(text: &str, kind: Kind, call: &Call) -> Result<Value, Fault> {
    Ok(match kind {
        Kind::Bool => Value::Bool(boolean(text).ok_or("invalid input syntax for type boolean")?),
        Kind::Int2 => Value::Int(integer(text, i64::from(i16::MIN), i64::from(i16::MAX))?),
        Kind::Int4 => Value::Int(integer(text, i64::from(i32::MIN), i64::from(i32::MAX))?),
        Kind::Int8 => Value::Int(integer(text, i64::MIN, i64::MAX)?),
        Kind::Numeric => numeric(text)?,
        Kind::Float4 => {
            Value::Float(float(text, |text| text.parse::<f32>().ok(), |number| number.is_infinite(), |number| number == 0.0)?)
        }
        Kind::Float8 => {
            Value::Double(float(text, |text| text.parse::<f64>().ok(), |number| number.is_infinite(), |number| number == 0.0)?)
        }
        Kind::Text | Kind::Bpchar | Kind::Json => Value::text(text),
        Kind::Bytea => Value::Bytes(bytes(text)?.into()),
        Kind::Uuid => Value::Bytes(uuid(text).ok_or("invalid input syntax for type uuid")?.into()),
        Kind::Date => Value::Date(moment(text, call, false)?.date),
        Kind::Timestamp => Value::DateTime(moment(text, call, false)?),
        Kind::TimestampTz => Value::DateTime(moment(text, call, true)?),
        Kind::Time => Value::Time(Time(clock(text.trim()).ok_or(UNREAD)?)),
        Kind::Interval => Value::Interval(interval(text)?),
        _ => return Err("a literal of this type is not read"),
    })
}

fn boolean(text: &str) -> Option<bool> {
    let lower = text.trim_matches(is_space).to_ascii_lowercase();
    let begins = |word: &str, least: usize| lower.len() >= least && word.starts_with(lower.as_str());
    match lower.as_str() {
        "1" => Some(true),
        "0" => Some(false),
        _ if begins("true", 1) || begins("yes", 1) || begins("on", 2) => Some(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) => Some(false),
        _ => None,
    }
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

fn integer(text: &str, least: i64, most: i64) -> Result<i64, Fault> {
    let trimmed = text.trim_matches(is_space);
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("invalid input syntax for type integer");
    }
    let number = trimmed.parse::<i64>().ok().filter(|number| (least..=most).contains(number));
    number.ok_or("value is out of range for an integer type")
}

/// A numeric with an optional exponent.
///
/// # Errors
/// Not a number, or past the range of numeric.
pub fn numeric(text: &str) -> Result<Value, Fault> {
    const BAD: Fault = "invalid input syntax for type numeric";
    let trimmed = text.trim_matches(is_space);
    match trimmed.to_ascii_lowercase().as_str() {
        "nan" => return Ok(Value::NonFinite(NonFinite::NaN)),
        "infinity" | "inf" | "+infinity" | "+inf" => return Ok(Value::NonFinite(NonFinite::Infinity)),
        "-infinity" | "-inf" => return Ok(Value::NonFinite(NonFinite::NegativeInfinity)),
        _ => {}
    }
    let (mantissa, exponent) = match trimmed.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(BAD);
            }
            (mantissa, exponent.parse::<i32>().map_err(|_| "value overflows numeric format")?)
        }
        None => (trimmed, 0),
    };
    let number = Decimal::parse(mantissa).ok_or(BAD)?;
    let scale = i32::from(number.scale()) - exponent;
    if exponent.abs() > 140_000 || scale > 16_383 {
        return Err("value overflows numeric format");
    }
    if exponent == 0 {
        return Ok(Value::Decimal(number));
    }
    let shifted = match u16::try_from(scale) {
        Ok(scale) => Decimal::from_unscaled(number.unscaled(), scale),
        Err(_) => Decimal::from_unscaled(number.unscaled() * num_bigint::BigInt::from(10).pow(scale.unsigned_abs()), 0),
    };
    Ok(Value::Decimal(shifted))
}

fn float<T: Copy>(
    text: &str,
    parse: impl Fn(&str) -> Option<T>,
    is_infinite: impl Fn(T) -> bool,
    is_zero: impl Fn(T) -> bool,
) -> Result<T, Fault> {
    const BAD: Fault = "invalid input syntax for a floating-point type";
    let trimmed = text.trim_matches(is_space);
    let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed).to_ascii_lowercase();
    let special = matches!(unsigned.as_str(), "infinity" | "inf" | "nan");
    let decimal = unsigned.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'+' | b'-'));
    if !special && (!decimal || unsigned.is_empty()) {
        return Err(BAD);
    }
    let number = parse(trimmed).ok_or(BAD)?;
    let mantissa = unsigned.split('e').next().unwrap_or("");
    let lost = is_zero(number) && mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    if !special && (is_infinite(number) || lost) { Err("value is out of range for a floating-point type") } else { Ok(number) }
}

fn bytes(text: &str) -> Result<Vec<u8>, Fault> {
    const BAD: Fault = "invalid input syntax for type bytea";
    if let Some(digits) = text.strip_prefix("\\x") {
        let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        return hex(&digits).ok_or("invalid hexadecimal data");
    }
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'\\' {
            out.push(*first);
        } else if let Some(after) = rest.strip_prefix(b"\\") {
            out.push(b'\\');
            rest = after;
        } else if let Some(([high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7'], after)) = rest.split_first_chunk() {
            out.push((high - b'0') * 64 + (middle - b'0') * 8 + (low - b'0'));
            rest = after;
        } else {
            return Err(BAD);
        }
    }
    Ok(out)
}

/// Bytes of hexadecimal digits.
#[must_use]
pub fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

fn uuid(text: &str) -> Option<Vec<u8>> {
    let inner = text.strip_prefix('{').map_or(Some(text), |rest| rest.strip_suffix('}'))?;
    // A hyphen may stand behind every fourth digit.
    let mut digits = Vec::new();
    for byte in inner.bytes() {
        if byte != b'-' {
            digits.push(byte);
        } else if digits.is_empty() || digits.len() % 4 != 0 || digits.len() == 32 {
            return None;
        }
    }
    if inner.contains("--") || digits.len() != 32 { None } else { hex(&digits) }
}

/// `YYYY-MM-DD`, `YYYYMMDD`, and with ` BC`.
fn day(text: &str, is_bc: bool) -> Option<Date> {
    let (year, month, day) = match text.len() {
        8 if !text.contains('-') => (text.get(..4)?, text.get(4..6)?, text.get(6..)?),
        _ => {
            let mut parts = text.split('-');
            let found = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() || found.0.len() < 4 {
                return None;
            }
            found
        }
    };
    let digits =
        |part: &str| (!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse::<i32>().ok())?;
    let short = |part: &str| (part.len() <= 2).then(|| u8::try_from(digits(part)?).ok())?;
    let year = digits(year)?;
    Some(Date { year: if is_bc { -year } else { year }, month: short(month)?, day: short(day)? })
}

/// `hh:mm[:ss[.ffffff]]` in microseconds, up to 24:00:00; more digits are rounded half to even as a double is.
fn clock(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next().unwrap_or("00"));
    if parts.next().is_some() {
        return None;
    }
    let two = |part: &str| {
        ((1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse::<i64>().ok())?
    };
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    if fraction.len() > 6 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction_us: i64 = format!("{fraction:0<6}").parse().ok()?;
    let (hours, minutes, seconds) = (two(hours)?, two(minutes)?, two(seconds)?);
    let us = (hours * 3_600 + minutes * 60 + seconds) * 1_000_000 + fraction_us;
    (minutes <= 59 && seconds <= 60 && us <= DAY_US).then_some(us)
}

/// A date, timestamp or instant; `with_zone`: an offset behind it counts, and without one the session's zone.
fn moment(text: &str, call: &Call, with_zone: bool) -> Result<DateTime, Fault> {
    let trimmed = text.trim_matches(is_space);
    match trimmed.to_ascii_lowercase().as_str() {
        "infinity" => return Ok(DateTime::INFINITY),
        "-infinity" => return Ok(DateTime::NEGATIVE_INFINITY),
        "epoch" if !with_zone => return Ok(DateTime { date: Date { year: 1970, month: 1, day: 1 }, time_us: 0 }),
        _ => {}
    }
    let (plain, is_bc) = match trimmed.strip_suffix(" BC") {
        Some(plain) => (plain, true),
        None => (trimmed, false),
    };
    let (written_day, written_clock) = plain.split_once([' ', 'T']).map_or((plain, ""), |(day, clock)| (day, clock.trim_start()));
    let date = day(written_day, is_bc).ok_or(UNREAD)?;
    if calendar::days_of(date).is_none() {
        return Err("date/time field value out of range");
    }
    let sign = written_clock.find(['+', '-']).unwrap_or(written_clock.len());
    let (written_clock, offset) = written_clock.split_at_checked(sign).unwrap_or((written_clock, ""));
    let (written_clock, is_utc) = match written_clock.strip_suffix('Z') {
        Some(clock) if offset.is_empty() => (clock, true),
        _ => (written_clock, false),
    };
    let time_us = if written_clock.is_empty() { 0 } else { clock(written_clock.trim_end()).ok_or(UNREAD)? };
    let offset_s = match offset {
        "" => None,
        written => Some(zone::offset_s(written).ok_or(UNREAD)?),
    };
    let at = shifted(DateTime { date, time_us: 0 }, time_us)?;
    match (with_zone, offset_s) {
        (false, _) => Ok(at),
        (true, Some(offset_s)) => shifted(at, -i64::from(offset_s) * 1_000_000),
        (true, None) if is_utc => Ok(at),
        (true, None) => zone::instant(at, &call.zone),
    }
}

/// A moment some microseconds later.
///
/// # Errors
/// Past PostgreSQL's range.
pub fn shifted(at: DateTime, us: i64) -> Result<DateTime, Fault> {
    let moved = calendar::moment_us(at).and_then(|start| start.checked_add(us)).filter(|us| *us != i64::MAX && *us != i64::MIN);
    moved.and_then(calendar::moment_of).ok_or("timestamp out of range")
}

/// `1 year 2 mons -3 days 04:05:06.7`, in any order of units.
fn interval(text: &str) -> Result<Interval, Fault> {
    const RANGE: Fault = "interval field value out of range";
    let mut found = Interval::default();
    let lower = text.trim_matches(is_space).to_ascii_lowercase();
    let mut words = lower.split_ascii_whitespace();
    let mut any = false;
    while let Some(word) = words.next() {
        any = true;
        if word.contains(':') {
            let (negative, unsigned) =
                word.strip_prefix('-').map_or((false, word.strip_prefix('+').unwrap_or(word)), |rest| (true, rest));
            let us = long_clock(unsigned).ok_or(UNREAD)?;
            found.us = found.us.checked_add(if negative { -us } else { us }).ok_or(RANGE)?;
            continue;
        }
        let split = word.find(|character: char| character.is_ascii_alphabetic()).unwrap_or(word.len());
        let (number, unit) = word.split_at_checked(split).ok_or(UNREAD)?;
        let unit = if unit.is_empty() { words.next().unwrap_or("second") } else { unit };
        add_field(&mut found, number, unit)?;
    }
    if any { Ok(found) } else { Err("invalid input syntax for type interval") }
}

fn add_field(found: &mut Interval, number: &str, unit: &str) -> Result<(), Fault> {
    const RANGE: Fault = "interval field value out of range";
    let unit = unit.trim_end_matches(',');
    if let ("second" | "seconds" | "sec" | "secs" | "s", Some((whole, fraction))) = (unit, number.split_once('.')) {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let unsigned = whole.strip_prefix(['+', '-']).unwrap_or(whole);
        if fraction.len() > 6 || !digits(fraction) || !digits(unsigned) {
            return Err(UNREAD);
        }
        let seconds: i64 = if unsigned.is_empty() { 0 } else { unsigned.parse().map_err(|_| RANGE)? };
        let us = seconds.checked_mul(1_000_000).ok_or(RANGE)? + format!("{fraction:0<6}").parse::<i64>().map_err(|_| UNREAD)?;
        found.us = found.us.checked_add(if whole.starts_with('-') { -us } else { us }).ok_or(RANGE)?;
        return Ok(());
    }
    let amount: i64 = number.parse().map_err(|_| UNREAD)?;
    let months = |factor: i64| amount.checked_mul(factor).and_then(|months| i32::try_from(months).ok()).ok_or(RANGE);
    let us = |factor: i64| amount.checked_mul(factor).ok_or(RANGE);
    match unit {
        "year" | "years" | "yr" | "yrs" | "y" => found.months = found.months.checked_add(months(12)?).ok_or(RANGE)?,
        "month" | "months" | "mon" | "mons" => found.months = found.months.checked_add(months(1)?).ok_or(RANGE)?,
        "week" | "weeks" | "w" => found.days = found.days.checked_add(months(7)?).ok_or(RANGE)?,
        "day" | "days" | "d" => found.days = found.days.checked_add(months(1)?).ok_or(RANGE)?,
        "hour" | "hours" | "hr" | "hrs" | "h" => found.us = found.us.checked_add(us(3_600_000_000)?).ok_or(RANGE)?,
        "minute" | "minutes" | "min" | "mins" | "m" => found.us = found.us.checked_add(us(60_000_000)?).ok_or(RANGE)?,
        "second" | "seconds" | "sec" | "secs" | "s" => found.us = found.us.checked_add(us(1_000_000)?).ok_or(RANGE)?,
        "millisecond" | "milliseconds" | "ms" => found.us = found.us.checked_add(us(1_000)?).ok_or(RANGE)?,
        "microsecond" | "microseconds" | "us" => found.us = found.us.checked_add(us(1)?).ok_or(RANGE)?,
        _ => return Err(UNREAD),
    }
    Ok(())
}

/// `hh:mm[:ss[.ffffff]]` with any number of hours.
fn long_clock(text: &str) -> Option<i64> {
    let (hours, rest) = text.split_once(':')?;
    if hours.is_empty() || !hours.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    hours
        .parse::<i64>()
        .ok()?
        .checked_mul(3_600_000_000)?
        .checked_add(clock(&format!("00:{rest}")).filter(|us| *us < 3_600_000_000)?)
}
