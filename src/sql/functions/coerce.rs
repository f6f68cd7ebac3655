//! Values of one type as values of another: what CAST and the source's implicit conversions make of them.
//!
//! Only conversions that no session setting changes live here; dates out of strings are in [`super::temporal_text`].

use num_bigint::BigInt;

use crate::error::{Class, Error, Result};
use crate::schema::DataType;
use crate::sql::functions::mismatch;
use crate::value::{Date, DateTime, Decimal, Value};

/// Converts `value` of type `from` to type `to`.
///
/// # Errors
/// [`crate::error::Class::Bug`] for pairs that the binder does not make.
pub fn cast(value: Value, from: &DataType, to: &DataType) -> Result<Value> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    match to {
        DataType::Integer { unsigned, .. } => to_integer(&value, *unsigned),
        DataType::Decimal { precision, scale, .. } => to_decimal(&value, *precision, *scale),
        DataType::Double => to_double(&value),
        DataType::Text { .. } => to_text(value, from),
        DataType::Bytes { .. } => match value {
            Value::Text(text) => Ok(Value::Bytes(text.as_bytes().into())),
            Value::Bytes(_) => Ok(value),
            _ => Err(mismatch("a binary string")),
        },
        DataType::Date => match value {
            Value::Date(_) => Ok(value),
            Value::DateTime(moment) => Ok(Value::Date(moment.date)),
            _ => Err(mismatch("a date")),
        },
        DataType::DateTime { .. } | DataType::Timestamp { .. } => match value {
            Value::DateTime(_) => Ok(value),
            Value::Date(date) => Ok(Value::DateTime(DateTime { date, time_us: 0 })),
            _ => Err(mismatch("a date and time")),
        },
        _ => Ok(value),
    }
}

fn to_integer(value: &Value, unsigned: bool) -> Result<Value> {
    let wide: i128 = match value {
        Value::Int(number) => i128::from(*number),
        Value::UInt(number) => i128::from(*number),
        Value::Decimal(decimal) => return Ok(decimal_to_integer(decimal, unsigned)),
        Value::Text(text) => return Ok(text_to_integer(text, unsigned)),
        _ => return Err(mismatch("an integer")),
    };
    Ok(wrap(wide, unsigned))
}

/// Reinterprets 64 bits as the source does when it casts between signed and unsigned.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the source keeps the low 64 bits")]
fn wrap(wide: i128, unsigned: bool) -> Value {
    if unsigned { Value::UInt(wide as u64) } else { Value::Int(wide as i64) }
}

/// Rounds half away from zero and clamps, as the source does (with a warning).
fn decimal_to_integer(decimal: &Decimal, unsigned: bool) -> Value {
    if unsigned {
        if decimal.is_negative() {
            // A negative decimal becomes a clamped signed value that is then cut off at zero.
            return Value::UInt(0);
        }
        return Value::UInt(decimal.to_u64().unwrap_or(u64::MAX));
    }
    let limit = if decimal.is_negative() { i64::MIN } else { i64::MAX };
    Value::Int(decimal.to_i64().unwrap_or(limit))
}

/// The integer at the start of a string, clamped; 0 if there is none.
fn text_to_integer(text: &str, unsigned: bool) -> Value {
    let (negative, digits) = integer_prefix(text);
    let magnitude = digits.parse::<u128>().unwrap_or(if digits.is_empty() { 0 } else { u128::MAX });
    if negative {
        let magnitude = magnitude.min(1 << 63);
        return wrap(-i128::try_from(magnitude).unwrap_or(i128::MAX), unsigned);
    }
    // A positive string is read as unsigned whatever it is cast to; SIGNED then shows the same 64 bits.
    wrap(i128::from(u64::try_from(magnitude).unwrap_or(u64::MAX)), unsigned)
}

fn integer_prefix(text: &str) -> (bool, &str) {
    let text = text.trim_start_matches(BLANKS);
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
    (negative, unsigned.get(..end).unwrap_or(""))
}

const BLANKS: [char; 6] = [' ', '\t', '\n', '\u{b}', '\u{c}', '\r'];

/// The number at the start of a string: sign, digits, fraction and exponent as far as they are there.
struct NumberPrefix<'a> {
    negative: bool,
    integral: &'a str,
    fraction: &'a str,
    exponent: i64,
    /// `1e 5`: the servers disagree whether that has an exponent.
    has_blank_exponent: bool,
}

fn number_prefix(text: &str) -> NumberPrefix<'_> {
    let text = text.trim_start_matches(BLANKS);
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (integral, rest) = split_digits(rest);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    let (mut exponent, mut has_blank_exponent) = (0, false);
    if !(integral.is_empty() && fraction.is_empty())
        && let Some(rest) = rest.strip_prefix(['e', 'E'])
    {
        let (minus, rest) = match rest.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, rest.strip_prefix('+').unwrap_or(rest)),
        };
        let (digits, _) = split_digits(rest);
        has_blank_exponent = rest.starts_with(BLANKS);
        if !digits.is_empty() {
            let magnitude = digits.parse::<i64>().unwrap_or(1_000_000).min(1_000_000);
            exponent = if minus { -magnitude } else { magnitude };
        }
    }
    NumberPrefix { negative, integral, fraction, exponent, has_blank_exponent }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// The double at the start of a string, correctly rounded; 0 if there is none.
#[must_use]
pub fn text_to_double(text: &str) -> f64 {
    let prefix = number_prefix(text);
    if prefix.integral.is_empty() && prefix.fraction.is_empty() {
        return 0.0;
    }
    let sign = if prefix.negative { "-" } else { "" };
    let canonical = format!("{sign}0{}.{}0e{}", prefix.integral, prefix.fraction, prefix.exponent);
    let number: f64 = canonical.parse().unwrap_or(0.0);
    // Out of range is the largest double, with a warning.
    number.clamp(-f64::MAX, f64::MAX)
}

fn to_double(value: &Value) -> Result<Value> {
    #[expect(clippy::cast_precision_loss, reason = "the source rounds to the nearest double too")]
    let number = match value {
        Value::Int(number) => *number as f64,
        Value::UInt(number) => *number as f64,
        Value::Decimal(decimal) => decimal.to_f64(),
        Value::Float(number) => f64::from(*number),
        Value::Double(number) => *number,
        Value::Text(text) => text_to_double(text),
        _ => return Err(mismatch("a double")),
    };
    Ok(Value::Double(number))
}

fn to_decimal(value: &Value, precision: u16, scale: u16) -> Result<Value> {
    let decimal = match value {
        Value::Int(number) => Decimal::from_i64(*number),
        Value::UInt(number) => Decimal::from_u64(*number),
        Value::Decimal(decimal) => decimal.clone(),
        Value::Text(text) => text_to_decimal(text, scale)?,
        _ => return Err(mismatch("a decimal")),
    };
    let rounded = rescale(&decimal, scale);
    if rounded.is_beyond(u32::from(precision)) {
        let largest: BigInt = BigInt::from(10).pow(u32::from(precision)) - 1;
        return Ok(Value::Decimal(Decimal::from_unscaled(if rounded.is_negative() { -largest } else { largest }, scale)));
    }
    Ok(Value::Decimal(rounded))
}

/// The decimal with exactly `scale` digits after the point: rounded half away from zero, or filled up with zeros.
#[must_use]
pub fn rescale(decimal: &Decimal, scale: u16) -> Decimal {
    if decimal.scale() == scale {
        return decimal.clone();
    }
    decimal.round(scale)
}

/// The decimal at the start of a string, to at least `scale` digits; 0 if there is none.
fn text_to_decimal(text: &str, scale: u16) -> Result<Decimal> {
    let prefix = number_prefix(text);
    let digits = format!("{}{}", prefix.integral, prefix.fraction);
    let Ok(mut number) = digits.parse::<BigInt>() else { return Ok(Decimal::from_i64(0)) };
    if prefix.exponent.abs() > 1000 || prefix.has_blank_exponent {
        return Err(Error::new(Class::Person, "a string is cast to DECIMAL with an exponent that servers read differently"));
    }
    if prefix.negative {
        number = -number;
    }
    let written = i64::try_from(prefix.fraction.len()).unwrap_or(i64::MAX).saturating_sub(prefix.exponent);
    if written < 0 {
        // Beyond the source's 81 digits every value clamps alike.
        let zeros = u32::try_from(written.saturating_neg()).unwrap_or(u32::MAX).min(100);
        return Ok(Decimal::from_unscaled(number * BigInt::from(10).pow(zeros), 0));
    }
    Ok(match u16::try_from(written) {
        Ok(written) => Decimal::from_unscaled(number, written),
        Err(_) => Decimal::from_unscaled(BigInt::from(0), scale),
    })
}

fn to_text(value: Value, from: &DataType) -> Result<Value> {
    let text: String = match value {
        Value::Text(_) => return Ok(value),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) if *from == DataType::Year => format!("{number:04}"),
        Value::UInt(number) => number.to_string(),
        Value::Decimal(decimal) => decimal.to_string(),
        Value::Date(date) => date.to_string(),
        Value::DateTime(moment) => moment.format(crate::sql::types::temporal_fraction(from)),
        Value::Time(time) => time.format(crate::sql::types::temporal_fraction(from)),
        _ => return Err(mismatch("a string")),
    };
    Ok(Value::Text(text.into()))
}

/// A value as a wide integer.
///
/// # Errors
/// [`crate::error::Class::Bug`] if it is not an integer.
pub fn integer(value: &Value) -> Result<i128> {
    match value {
        Value::Int(number) => Ok(i128::from(*number)),
        Value::UInt(number) => Ok(i128::from(*number)),
        Value::Bool(truth) => Ok(i128::from(*truth)),
        _ => Err(mismatch("an integer")),
    }
}

/// A value as text.
///
/// # Errors
/// [`crate::error::Class::Bug`] if it is not text.
pub fn text(value: &Value) -> Result<&str> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(mismatch("a string")),
    }
}

/// A value as a decimal, integers with scale 0.
///
/// # Errors
/// [`crate::error::Class::Bug`] if it is not an exact number.
pub fn decimal(value: &Value) -> Result<Decimal> {
    match value {
        Value::Int(number) => Ok(Decimal::from_i64(*number)),
        Value::UInt(number) => Ok(Decimal::from_u64(*number)),
        Value::Decimal(decimal) => Ok(decimal.clone()),
        _ => Err(mismatch("a decimal")),
    }
}

/// A value as a double.
///
/// # Errors
/// [`crate::error::Class::Bug`] if it is not a number.
pub fn double(value: &Value) -> Result<f64> {
    match to_double(value)? {
        Value::Double(number) => Ok(number),
        _ => Err(mismatch("a double")),
    }
}

/// A value as a moment; a date is its midnight.
///
/// # Errors
/// [`crate::error::Class::Bug`] if it is neither.
pub fn moment(value: &Value) -> Result<DateTime> {
    match value {
        Value::DateTime(moment) => Ok(*moment),
        Value::Date(date) => Ok(DateTime { date: *date, time_us: 0 }),
        _ => Err(mismatch("a date")),
    }
}

/// The date of a date or moment.
///
/// # Errors
/// [`crate::error::Class::Bug`] if it is neither.
pub fn date(value: &Value) -> Result<Date> {
    Ok(moment(value)?.date)
}
