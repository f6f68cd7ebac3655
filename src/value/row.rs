//! The compact canonical row encoding: equal rows give equal bytes.
//!
//! In: values. Out: a count and one tagged value after the other; whole numbers are varints, so that small ones are short.
//! Structural equality is what counts here (`1.0` and `1.00` are different rows), and every value has one encoding only:
//! [`decode`] refuses any other, so that bytes can stand for rows. Types and column names are not in the bytes.

use num_bigint::{BigInt, Sign};

use super::varint::{Reader, push_varint, unzigzag, zigzag};
use super::{Date, DateTime, Decimal, Interval, NonFinite, Row, Time, Value};
use crate::error::{Class, Error, Result};

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const UINT: u8 = 4;
const DECIMAL: u8 = 5;
const DECIMAL_LARGE: u8 = 6;
const DECIMAL_LARGE_NEGATIVE: u8 = 7;
const FLOAT: u8 = 8;
const DOUBLE: u8 = 9;
const TEXT: u8 = 10;
const BYTES: u8 = 11;
const DATE: u8 = 12;
const DATE_TIME: u8 = 13;
const TIME: u8 = 14;
const NEGATIVE_INFINITY: u8 = 15;
const INFINITY: u8 = 16;
const NAN: u8 = 17;
const INTERVAL: u8 = 18;

/// Appends the encoding of a row to `out`.
pub fn encode(values: &[Value], out: &mut Vec<u8>) {
    push_varint(values.len() as u128, out);
    for value in values {
        encode_value(value, out);
    }
}

/// Appends the encoding of the row that some columns of `values` are; columns that are not there are left out.
pub fn encode_columns(values: &[Value], columns: &[usize], out: &mut Vec<u8>) {
    let picked = || columns.iter().filter_map(|column| values.get(*column));
    push_varint(picked().count() as u128, out);
    for value in picked() {
        encode_value(value, out);
    }
}

/// Reads back one encoded row.
///
/// # Errors
/// [`Class::Local`] if the bytes are not exactly one encoded row: the state is damaged.
pub fn decode(bytes: &[u8]) -> Result<Row> {
    decode_without(bytes, 0)
}

/// The same without the places that are bits of `unread`: NULL stands there, whatever is stored.
///
/// # Errors
/// As [`decode`]; what is left out is passed over, and not looked at closely.
pub fn decode_without(bytes: &[u8], unread: u64) -> Result<Row> {
    let mut reader = Reader::new(bytes);
    reader.row(unread).filter(|_| reader.is_empty()).ok_or_else(|| damaged(bytes))
}

fn damaged(bytes: &[u8]) -> Error {
    Error::new(Class::Local, format!("a stored row of {} bytes cannot be decoded: the state is damaged", bytes.len()))
        .with_hint("check the disk of the state folder, then rebuild the state with `strangler run --rebuild`")
}

/// Reads back some columns of one encoded row; the others are passed over. `columns` says by place which are wanted, `values` is cleared first.
///
/// # Errors
/// As [`decode`], as far as the bytes are looked at.
pub fn decode_columns(bytes: &[u8], columns: &[bool], values: &mut Vec<Option<Value>>) -> Result<()> {
    let mut reader = Reader::new(bytes);
    values.clear();
    reader.columns(columns, values).filter(|()| reader.is_empty()).ok_or_else(|| damaged(bytes))
}

/// The xxh3-128 hash of the row's encoding: equal rows have equal fingerprints.
#[must_use]
pub fn fingerprint(values: &[Value]) -> u128 {
    let mut bytes = Vec::with_capacity(16 * values.len() + 8);
    encode(values, &mut bytes);
    xxhash_rust::xxh3::xxh3_128(&bytes)
}

fn encode_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(false) => out.push(FALSE),
        Value::Bool(true) => out.push(TRUE),
        Value::Int(number) => push_tagged(INT, zigzag(i128::from(*number)), out),
        Value::UInt(number) => push_tagged(UINT, u128::from(*number), out),
        Value::Decimal(decimal) => encode_decimal(decimal, out),
        Value::Float(number) => {
            out.push(FLOAT);
            out.extend_from_slice(&number.to_bits().to_be_bytes());
        }
        Value::Double(number) => {
            out.push(DOUBLE);
            out.extend_from_slice(&number.to_bits().to_be_bytes());
        }
        Value::Text(text) => push_block(TEXT, text.as_bytes(), out),
        Value::Bytes(bytes) => push_block(BYTES, bytes, out),
        Value::Date(date) => push_tagged(DATE, packed_date(*date), out),
        Value::DateTime(at) => {
            push_tagged(DATE_TIME, packed_date(at.date), out);
            push_varint(zigzag(i128::from(at.time_us)), out);
        }
        Value::Time(time) => push_tagged(TIME, zigzag(i128::from(time.0)), out),
        Value::NonFinite(NonFinite::NegativeInfinity) => out.push(NEGATIVE_INFINITY),
        Value::NonFinite(NonFinite::Infinity) => out.push(INFINITY),
        Value::NonFinite(NonFinite::NaN) => out.push(NAN),
        Value::Interval(interval) => {
            push_tagged(INTERVAL, zigzag(i128::from(interval.months)), out);
            push_varint(zigzag(i128::from(interval.days)), out);
            push_varint(zigzag(i128::from(interval.us)), out);
        }
    }
}

fn encode_decimal(decimal: &Decimal, out: &mut Vec<u8>) {
    let scale = u128::from(decimal.scale());
    if let Some(number) = decimal.small() {
        push_tagged(DECIMAL, scale, out);
        push_varint(zigzag(number), out);
        return;
    }
    let (sign, magnitude) = decimal.unscaled().to_bytes_be();
    push_tagged(if sign == Sign::Minus { DECIMAL_LARGE_NEGATIVE } else { DECIMAL_LARGE }, scale, out);
    push_varint(magnitude.len() as u128, out);
    out.extend_from_slice(&magnitude);
}

fn push_tagged(tag: u8, number: u128, out: &mut Vec<u8>) {
    out.push(tag);
    push_varint(number, out);
}

fn push_block(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    push_tagged(tag, bytes.len() as u128, out);
    out.extend_from_slice(bytes);
}

fn packed_date(date: Date) -> u128 {
    zigzag((i128::from(date.year) << 16) | (i128::from(date.month) << 8) | i128::from(date.day))
}

/// Every method takes from the front and answers `None` where the bytes are not an encoding.
impl Reader<'_> {
    fn row(&mut self, unread: u64) -> Option<Row> {
        let count = self.length()?;
        // Every value takes at least one byte: a damaged count must not reserve memory.
        let mut values = Vec::with_capacity(count.min(self.remaining()));
        let mut bits = unread;
        for _ in 0..count {
            values.push(if bits & 1 == 0 { self.value()? } else { self.pass_over().map(|()| Value::Null)? });
            bits >>= 1;
        }
        Some(values.into_boxed_slice())
    }

    fn columns(&mut self, columns: &[bool], values: &mut Vec<Option<Value>>) -> Option<()> {
        let count = self.length()?;
        for place in 0..count {
            let is_wanted = columns.get(place).copied().unwrap_or(false);
            values.push(if is_wanted { Some(self.value()?) } else { self.pass_over().map(|()| None)? });
        }
        Some(())
    }

    fn pass_over(&mut self) -> Option<()> {
        match self.byte()? {
            NULL | FALSE | TRUE | NEGATIVE_INFINITY | INFINITY | NAN => {}
            INT | UINT | DATE | TIME => drop(self.varint()?),
            DECIMAL | DATE_TIME => {
                self.varint()?;
                self.varint()?;
            }
            DECIMAL_LARGE | DECIMAL_LARGE_NEGATIVE => {
                self.varint()?;
                self.block()?;
            }
            FLOAT => drop(self.array::<4>()?),
            DOUBLE => drop(self.array::<8>()?),
            TEXT | BYTES => drop(self.block()?),
            INTERVAL => {
                self.varint()?;
                self.varint()?;
                self.varint()?;
            }
            _ => return None,
        }
        Some(())
    }

    fn value(&mut self) -> Option<Value> {
        Some(match self.byte()? {
            NULL => Value::Null,
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            INT => Value::Int(self.signed()?),
            UINT => Value::UInt(u64::try_from(self.varint()?).ok()?),
            DECIMAL => {
                let scale = u16::try_from(self.varint()?).ok()?;
                Value::Decimal(Decimal::from_small(unzigzag(self.varint()?), scale))
            }
            DECIMAL_LARGE => self.large_decimal(Sign::Plus)?,
            DECIMAL_LARGE_NEGATIVE => self.large_decimal(Sign::Minus)?,
            FLOAT => Value::Float(f32::from_bits(u32::from_be_bytes(self.array()?))),
            DOUBLE => Value::Double(f64::from_bits(u64::from_be_bytes(self.array()?))),
            TEXT => Value::text(std::str::from_utf8(self.block()?).ok()?),
            BYTES => Value::Bytes(self.block()?.into()),
            DATE => Value::Date(self.date()?),
            DATE_TIME => Value::DateTime(DateTime { date: self.date()?, time_us: self.signed()? }),
            TIME => Value::Time(Time(self.signed()?)),
            NEGATIVE_INFINITY => Value::NonFinite(NonFinite::NegativeInfinity),
            INFINITY => Value::NonFinite(NonFinite::Infinity),
            NAN => Value::NonFinite(NonFinite::NaN),
            INTERVAL => Value::Interval(Interval {
                months: i32::try_from(self.signed()?).ok()?,
                days: i32::try_from(self.signed()?).ok()?,
                us: self.signed()?,
            }),
            _ => return None,
        })
    }

    fn large_decimal(&mut self, sign: Sign) -> Option<Value> {
        let scale = u16::try_from(self.varint()?).ok()?;
        let magnitude = self.block()?;
        let decimal = Decimal::from_unscaled(BigInt::from_bytes_be(sign, magnitude), scale);
        (decimal.small().is_none() && magnitude.first() != Some(&0)).then_some(Value::Decimal(decimal))
    }

    fn date(&mut self) -> Option<Date> {
        let packed = unzigzag(self.varint()?);
        Some(Date { year: i32::try_from(packed >> 16).ok()?, month: (packed >> 8) as u8, day: packed as u8 })
    }

    fn signed(&mut self) -> Option<i64> {
        i64::try_from(unzigzag(self.varint()?)).ok()
    }
}
