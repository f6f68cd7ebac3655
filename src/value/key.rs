//! Memcomparable key bytes: what the source calls equal has equal bytes, and bytes order as the source orders.
//!
//! In: values and the kind of each key part. Out: bytes that end by themselves per part, so that keys of several parts
//! compare part by part, and the key of the first parts is the beginning of the whole key. NULL is one zero byte and sorts
//! first; no other part begins with one. Keys are for finding and ordering; values cannot be read back from them.

use std::cmp::Ordering;

use super::{Collation, DateTime, Decimal, Interval, NonFinite, Value};
use crate::error::{Error, Result};

/// Key bytes.
pub type Key = Vec<u8>;

/// NULL, which sorts before everything.
const NULL: u8 = 0x00;
/// What begins a part of variable length that is not NULL.
const PRESENT: u8 = 0x01;

/// How the values of a key part become bytes; also the rule of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// Signed and unsigned integers together.
    Integer,
    /// Integers and decimals by value, and PostgreSQL's `numeric` infinities and NaN, which sorts last and equals itself.
    Decimal,
    /// Doubles (MySQL's comparison of strings with numbers, and of floats). Zeros are equal, and so are NaNs, which sort last.
    Double,
    /// Strings by collation.
    Text(Collation),
    /// Bytes.
    Bytes,
    /// Dates.
    Date,
    /// Dates and date-times together.
    DateTime,
    /// Durations.
    Time,
    /// PostgreSQL's intervals, by their length with months of 30 days.
    Interval,
}

/// The key of a list of values, one kind for each.
///
/// # Errors
/// [`crate::error::Class::Bug`] if the numbers of kinds and values differ or a value is not of its kind.
pub fn encode_key(kinds: &[KeyKind], values: &[Value]) -> Result<Key> {
    if kinds.len() != values.len() {
        return Err(Error::bug(format!("a key of {} parts was asked for {} values", kinds.len(), values.len())));
    }
    let mut key = Key::with_capacity(10 * kinds.len());
    for (kind, value) in kinds.iter().zip(values) {
        kind.encode(value, &mut key)?;
    }
    Ok(key)
}

impl KeyKind {
    /// Appends the bytes of one key part to `out`.
    ///
    /// # Errors
    /// [`crate::error::Class::Bug`] if the value is not of this kind; `out` is then left as it was.
    pub fn encode(&self, value: &Value, out: &mut Vec<u8>) -> Result<()> {
        if value.is_null() {
            out.push(NULL);
            return Ok(());
        }
        match self {
            Self::Integer => {
                let number = self.integer(value)?;
                push_integer(number < 0, number.unsigned_abs() as u64, out);
            }
            Self::Decimal => match value {
                Value::NonFinite(number) => push_non_finite(*number, out),
                _ => push_decimal(&self.decimal(value)?, out),
            },
            Self::Double => {
                let bits = ordered_bits(self.double(value)?);
                out.push(PRESENT);
                out.extend_from_slice(&bits.to_be_bytes());
            }
            Self::Text(collation) => {
                let text = self.text(value)?;
                out.push(PRESENT);
                collation.sort_key(text, out);
            }
            Self::Bytes => push_bytes(self.bytes(value)?, out),
            Self::Date | Self::DateTime => push_date_time(self.date_time(value)?, out),
            Self::Time => push_signed(self.time(value)?, out),
            Self::Interval => {
                out.push(PRESENT);
                // The sign bit turned over puts negative lengths first.
                out.extend_from_slice(&(self.interval(value)?.span_us() ^ i128::MIN).to_be_bytes());
            }
        }
        Ok(())
    }

    /// How two values compare under this rule; `None` if either is NULL.
    ///
    /// # Errors
    /// [`crate::error::Class::Bug`] if a value is not of this kind.
    pub fn compare(&self, left: &Value, right: &Value) -> Result<Option<Ordering>> {
        if left.is_null() || right.is_null() {
            return Ok(None);
        }
        Ok(Some(match self {
            Self::Integer => self.integer(left)?.cmp(&self.integer(right)?),
            Self::Decimal => self.compare_decimals(left, right)?,
            Self::Double => ordered_bits(self.double(left)?).cmp(&ordered_bits(self.double(right)?)),
            Self::Text(collation) => collation.compare(self.text(left)?, self.text(right)?),
            Self::Bytes => self.bytes(left)?.cmp(self.bytes(right)?),
            Self::Date | Self::DateTime => self.date_time(left)?.cmp(&self.date_time(right)?),
            Self::Time => self.time(left)?.cmp(&self.time(right)?),
            Self::Interval => self.interval(left)?.span_us().cmp(&self.interval(right)?.span_us()),
        }))
    }

    fn compare_decimals(&self, left: &Value, right: &Value) -> Result<Ordering> {
        let beside = |number: NonFinite| {
            if number == NonFinite::NegativeInfinity { Ordering::Less } else { Ordering::Greater }
        };
        Ok(match (left, right) {
            (Value::NonFinite(left), Value::NonFinite(right)) => left.cmp(right),
            (Value::NonFinite(left), right) => self.decimal(right).map(|_| beside(*left))?,
            (left, Value::NonFinite(right)) => self.decimal(left).map(|_| beside(*right).reverse())?,
            (left, right) => self.decimal(left)?.compare(&self.decimal(right)?),
        })
    }

    fn interval(&self, value: &Value) -> Result<Interval> {
        match value {
            Value::Interval(interval) => Ok(*interval),
            other => Err(self.mismatch(other)),
        }
    }

    fn integer(&self, value: &Value) -> Result<i128> {
        match value {
            Value::Int(number) => Ok(i128::from(*number)),
            Value::UInt(number) => Ok(i128::from(*number)),
            Value::Bool(truth) => Ok(i128::from(*truth)),
            other => Err(self.mismatch(other)),
        }
    }

    fn decimal(&self, value: &Value) -> Result<Decimal> {
        match value {
            Value::Int(number) => Ok(Decimal::from_i64(*number)),
            Value::UInt(number) => Ok(Decimal::from_u64(*number)),
            Value::Decimal(decimal) => Ok(decimal.clone()),
            other => Err(self.mismatch(other)),
        }
    }

    fn double(&self, value: &Value) -> Result<f64> {
        match value {
            Value::Int(number) => Ok(*number as f64),
            Value::UInt(number) => Ok(*number as f64),
            Value::Bool(truth) => Ok(f64::from(u8::from(*truth))),
            Value::Decimal(decimal) => Ok(decimal.to_f64()),
            Value::Float(number) => Ok(f64::from(*number)),
            Value::Double(number) => Ok(*number),
            other => Err(self.mismatch(other)),
        }
    }

    fn text<'a>(&self, value: &'a Value) -> Result<&'a str> {
        match value {
            Value::Text(text) => Ok(text),
            other => Err(self.mismatch(other)),
        }
    }

    fn bytes<'a>(&self, value: &'a Value) -> Result<&'a [u8]> {
        match value {
            Value::Bytes(bytes) => Ok(bytes),
            other => Err(self.mismatch(other)),
        }
    }

    fn date_time(&self, value: &Value) -> Result<DateTime> {
        match value {
            Value::Date(date) => Ok(DateTime { date: *date, time_us: 0 }),
            Value::DateTime(at) => Ok(*at),
            other => Err(self.mismatch(other)),
        }
    }

    fn time(&self, value: &Value) -> Result<i64> {
        match value {
            Value::Time(time) => Ok(time.0),
            other => Err(self.mismatch(other)),
        }
    }

    fn mismatch(&self, value: &Value) -> Error {
        let kind = match self {
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Double => "double",
            Self::Text(_) => "text",
            Self::Bytes => "bytes",
            Self::Date => "date",
            Self::DateTime => "date-time",
            Self::Time => "time",
            Self::Interval => "interval",
        };
        Error::bug(format!("a {kind} key part was given a {} value", value.type_name()))
    }
}

/// A sign and a length in the first byte (0x77 to 0x88), then that many bytes: small numbers are short, and byte order is
/// numeric order. Negative numbers are complemented.
fn push_integer(negative: bool, magnitude: u64, out: &mut Vec<u8>) {
    let length = 8 - magnitude.leading_zeros() as usize / 8;
    let first = if negative { 0x7f - length as u8 } else { 0x80 + length as u8 };
    out.push(first);
    let mask = if negative { 0xff } else { 0 };
    out.extend(magnitude.to_be_bytes().iter().skip(8 - length).map(|byte| byte ^ mask));
}

fn push_signed(number: i64, out: &mut Vec<u8>) {
    push_integer(number < 0, number.unsigned_abs(), out);
}

/// 0x02 for zero; else the sign (0x03, or 0x01 and everything after it complemented), the place of the first digit, the
/// significant digits in pairs plus one, and a zero.
fn push_decimal(decimal: &Decimal, out: &mut Vec<u8>) {
    if decimal.is_zero() {
        out.push(0x02);
        return;
    }
    let negative = decimal.is_negative();
    let all_digits = match decimal.small() {
        Some(number) => number.unsigned_abs().to_string(),
        None => decimal.unscaled().magnitude().to_string(),
    };
    out.push(if negative { 0x01 } else { 0x03 });
    let start = out.len();
    push_signed(all_digits.len() as i64 - i64::from(decimal.scale()), out);
    let significant = all_digits.trim_end_matches('0');
    for pair in significant.as_bytes().chunks(2) {
        let tens = pair.first().map_or(0, |digit| digit - b'0');
        let ones = pair.get(1).map_or(0, |digit| digit - b'0');
        out.push(tens * 10 + ones + 1);
    }
    out.push(0);
    if negative {
        out.iter_mut().skip(start).for_each(|byte| *byte = !*byte);
    }
}

/// Before every negative decimal, whose second byte is larger; behind every positive one.
fn push_non_finite(number: NonFinite, out: &mut Vec<u8>) {
    match number {
        NonFinite::NegativeInfinity => out.extend_from_slice(&[0x01, 0x00]),
        NonFinite::Infinity => out.push(0x04),
        NonFinite::NaN => out.push(0x05),
    }
}

/// Bits that order as the numbers do, with one zero and one NaN.
fn ordered_bits(number: f64) -> u64 {
    let canonical = if number == 0.0 {
        0.0
    } else if number.is_nan() {
        f64::NAN.abs()
    } else {
        number
    };
    let bits = canonical.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

/// Zero bytes are escaped as 00 FF; 00 01 ends the part.
fn push_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(PRESENT);
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0x00, 0x01]);
}

fn push_date_time(at: DateTime, out: &mut Vec<u8>) {
    let date = (i64::from(at.date.year) << 16) | (i64::from(at.date.month) << 8) | i64::from(at.date.day);
    push_signed(date, out);
    push_signed(at.time_us, out);
}
