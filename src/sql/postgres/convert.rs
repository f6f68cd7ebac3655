//! Conversions of values between types, with lengths and scales: what `CAST`, `::` and implicit casts compute.

use num_bigint::BigInt;

use super::kind::Kind;
use super::routine::{Arguments, Call, Fault, Routine, WRONG};
use super::{input, json, output, zone};
use crate::schema::DataType;
use crate::value::{DateTime, Decimal, Interval, NonFinite, Time, Value, calendar};

/// The one routine of all conversions; what it does follows from the types around it.
pub static CONVERT: Routine =
    Routine { name: "::", arguments: &[Kind::Any], result: Kind::Any, strict: true, compute: Some(compute) };

/// The same as an implicit conversion of a choice: a length is enforced as an explicit cast enforces it.
fn compute(arguments: &Arguments<'_>) -> Result<Value, Fault> {
    let from = arguments.types.first().copied().ok_or(WRONG)?;
    convert(arguments.get(0), from, arguments.result, arguments.call)
}

/// A value of one type as one of another.
///
/// # Errors
/// Where the server raises an error.
pub fn convert(value: &Value, from: &DataType, to: &DataType, call: &Call) -> Result<Value, Fault> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    let converted = between(value, from, to, call)?;
    fitted(converted, to)
}

// size: one arm per pair of types
fn between(value: &Value, from: &DataType, to: &DataType, call: &Call) -> Result<Value, Fault> {
    let (source, target) = (Kind::of(from), Kind::of(to));
    Ok(match (value, target) {
        _ if source == target && !matches!(target, Kind::Array | Kind::Native) => value.clone(),
        (Value::Int(number), Kind::Int2 | Kind::Int4 | Kind::Int8) => integer(*number, target)?,
        (Value::Int(number), Kind::Numeric) => Value::Decimal(Decimal::from_i64(*number)),
        (Value::Int(number), Kind::Float8) => Value::Double(*number as f64),
        (Value::Int(number), Kind::Float4) => Value::Float(*number as f32),
        (Value::Int(number), Kind::Bool) => Value::Bool(*number != 0),
        (Value::Bool(truth), Kind::Int4) => Value::Int(i64::from(*truth)),
        (Value::Bool(truth), Kind::Text | Kind::Bpchar) => Value::text(if *truth { "true" } else { "false" }),
        (Value::Decimal(number), Kind::Int2 | Kind::Int4 | Kind::Int8) => integer(number.to_i64().ok_or(OUT_OF_RANGE)?, target)?,
        (Value::Decimal(number), Kind::Float8) => Value::Double(finite(number.to_f64())?),
        (Value::Decimal(number), Kind::Float4) => {
            let float: f32 = number.to_string().parse().map_err(|_| WRONG)?;
            if float.is_infinite() || (float == 0.0 && !number.is_zero()) {
                return Err("value is out of range for type real");
            }
            Value::Float(float)
        }
        (Value::NonFinite(number), Kind::Float8) => Value::Double(special(*number)),
        (Value::NonFinite(number), Kind::Float4) => Value::Float(special(*number) as f32),
        (Value::NonFinite(_), Kind::Int2 | Kind::Int4 | Kind::Int8) => {
            return Err("cannot convert NaN or infinity to an integer");
        }
        (Value::Float(number), Kind::Float8) => Value::Double(f64::from(*number)),
        (Value::Double(number), Kind::Float4) => Value::Float(narrowed(*number)?),
        (Value::Float(number), Kind::Numeric) => from_float(f64::from(*number), 5),
        (Value::Double(number), Kind::Numeric) => from_float(*number, 14),
        (Value::Float(_) | Value::Double(_), Kind::Int2 | Kind::Int4 | Kind::Int8) => {
            let number = if let Value::Float(number) = value { f64::from(*number) } else { double(value)? };
            rounded(number, target)?
        }
        (Value::Date(day), Kind::Timestamp) => Value::DateTime(DateTime { date: *day, time_us: 0 }),
        (Value::Date(day), Kind::TimestampTz) => Value::DateTime(zone::instant(DateTime { date: *day, time_us: 0 }, &call.zone)?),
        (Value::DateTime(at), Kind::TimestampTz) => Value::DateTime(zone::instant(*at, &call.zone)?),
        (Value::DateTime(at), Kind::Timestamp | Kind::Date | Kind::Time) => {
            let local = if source == Kind::TimestampTz && at.date.is_finite() { zone::local(*at, &call.zone)?.0 } else { *at };
            match target {
                Kind::Timestamp => Value::DateTime(local),
                Kind::Date => Value::Date(local.date),
                _ if !local.date.is_finite() => Value::Null,
                _ => Value::Time(Time(local.time_us)),
            }
        }
        (Value::Time(time), Kind::Interval) => Value::Interval(Interval { months: 0, days: 0, us: time.0 }),
        (Value::Interval(interval), Kind::Time) => Value::Time(Time(interval.us.rem_euclid(calendar::DAY_US))),
        (Value::Text(text), Kind::Text) if source == Kind::Bpchar => Value::text(text.trim_end_matches(' ')),
        (Value::Text(text), Kind::Jsonb) => Value::text(json::canonical(text)?),
        (Value::Text(text), Kind::Json) => Value::text(json::checked(text)?),
        (Value::Text(text), Kind::Enum) => label(text, to)?,
        (Value::Text(text), Kind::Array | Kind::TextArray) if matches!(source, Kind::Text | Kind::Bpchar | Kind::Unknown) => {
            super::array::normalised(text, to, call)?
        }
        (Value::Text(text), Kind::Text | Kind::Bpchar) if source == Kind::Native => Value::text(native_text(text, from)),
        (Value::Text(text), Kind::Numeric) if is_money(from) => input::numeric(&text.replace(['$', ','], ""))?,
        (_, Kind::Text | Kind::Bpchar) => Value::text(output::text(value, from, call)?),
        (Value::Text(text), _) => {
            let text = if source == Kind::Bpchar { text.trim_end_matches(' ') } else { text };
            input::value(text, target, call)?
        }
        _ => return Err(WRONG),
    })
}

/// Money as it is printed under `lc_monetary` C.
#[must_use]
pub fn is_money(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Native { name, .. } if name == "money")
}

/// The cast of a type that is carried as its text: an address shows its network, blanks behind a `bpchar` do not count.
#[must_use]
pub fn native_text(text: &str, from: &DataType) -> String {
    match from {
        DataType::Native { name, .. } if name == "inet" && !text.contains('/') => {
            format!("{text}/{}", if text.contains(':') { 128 } else { 32 })
        }
        DataType::Native { name, .. } if matches!(name.as_str(), "bpchar" | "character") => text.trim_end_matches(' ').to_owned(),
        _ => text.to_owned(),
    }
}

fn label(text: &str, to: &DataType) -> Result<Value, Fault> {
    match to {
        DataType::NamedEnum { labels, .. } if labels.iter().any(|label| label == text) => Ok(Value::text(text)),
        _ => Err("invalid input value for an enum"),
    }
}

const OUT_OF_RANGE: Fault = "integer out of range";

/// An integer that fits the kind.
///
/// # Errors
/// It does not.
pub fn integer(number: i64, kind: Kind) -> Result<Value, Fault> {
    let fits = match kind {
        Kind::Int2 => i16::try_from(number).is_ok(),
        Kind::Int4 => i32::try_from(number).is_ok(),
        _ => true,
    };
    if fits { Ok(Value::Int(number)) } else { Err(OUT_OF_RANGE) }
}

fn double(value: &Value) -> Result<f64, Fault> {
    match value {
        Value::Double(number) => Ok(*number),
        _ => Err(WRONG),
    }
}

fn rounded(number: f64, kind: Kind) -> Result<Value, Fault> {
    let whole = number.round_ties_even();
    // 2^63 is a double, the largest bigint is not.
    if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole) {
        return Err(OUT_OF_RANGE);
    }
    integer(whole as i64, kind)
}

fn finite(number: f64) -> Result<f64, Fault> {
    if number.is_finite() { Ok(number) } else { Err("value is out of range for type double precision") }
}

fn narrowed(number: f64) -> Result<f32, Fault> {
    let narrow = number as f32;
    if narrow.is_infinite() && number.is_finite() {
        return Err("value out of range: overflow");
    }
    if narrow == 0.0 && number != 0.0 {
        return Err("value out of range: underflow");
    }
    Ok(narrow)
}

fn special(number: NonFinite) -> f64 {
    match number {
        NonFinite::NaN => f64::NAN,
        NonFinite::Infinity => f64::INFINITY,
        NonFinite::NegativeInfinity => f64::NEG_INFINITY,
    }
}

/// A float as numeric: 15 significant digits of a double, 6 of a single, as the server takes them.
fn from_float(number: f64, behind_first: usize) -> Value {
    if number.is_nan() {
        return Value::NonFinite(NonFinite::NaN);
    }
    if number.is_infinite() {
        return Value::NonFinite(if number > 0.0 { NonFinite::Infinity } else { NonFinite::NegativeInfinity });
    }
    let text = format!("{number:.behind_first$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    input::numeric(&format!("{mantissa}e{exponent}")).unwrap_or(Value::Null)
}

/// A value under the length, precision or fraction of its type.
///
/// # Errors
/// A number that does not fit its precision.
pub fn fitted(value: Value, to: &DataType) -> Result<Value, Fault> {
    Ok(match (value, to) {
        (Value::Decimal(number), DataType::Decimal { precision, scale, .. }) => {
            let number = number.round(*scale);
            if number.unscaled().magnitude() >= BigInt::from(10).pow(u32::from(*precision)).magnitude() {
                return Err("numeric field overflow");
            }
            Value::Decimal(number)
        }
        (Value::NonFinite(number), DataType::Decimal { .. }) if number != NonFinite::NaN => return Err("numeric field overflow"),
        (Value::Text(text), DataType::Text { length: Some(length), fixed, .. }) => {
            let length = *length as usize;
            let count = text.chars().count();
            if count > length {
                Value::text(text.chars().take(length).collect::<String>())
            } else if *fixed && count < length {
                Value::text(format!("{text}{:width$}", "", width = length - count))
            } else {
                Value::Text(text)
            }
        }
        (Value::DateTime(at), DataType::DateTime { fraction } | DataType::TimestampTz { fraction }) if at.date.is_finite() => {
            let us = calendar::moment_us(at).ok_or("timestamp out of range")?;
            Value::DateTime(calendar::moment_of(rounded_us(us, *fraction)).ok_or("timestamp out of range")?)
        }
        (Value::Time(time), DataType::TimeOfDay { fraction }) => Value::Time(Time(rounded_us(time.0, *fraction))),
        (value, _) => value,
    })
}

/// Microseconds rounded half away from zero to a fraction of a second.
#[must_use]
pub fn rounded_us(us: i64, fraction: u8) -> i64 {
    let step = 10_i64.pow(6_u32.saturating_sub(u32::from(fraction)));
    let half = step / 2;
    if us >= 0 { us.saturating_add(half) / step * step } else { -((-us).saturating_add(half) / step * step) }
}

/// Whether `CAST(from AS to)` exists, carried or not.
#[must_use]
pub fn is_castable(from: Kind, to: Kind) -> bool {
    use Kind as K;
    if from.becomes(to) {
        return true;
    }
    match (from, to) {
        // Every type becomes text and text every type, by its printed form.
        (_, K::Text | K::Bpchar) => true,
        (K::Text | K::Bpchar, K::Native | K::Any | K::Element) => false,
        (K::Text | K::Bpchar, _) => true,
        (K::Int4, K::Bool) | (K::Bool, K::Int4) => true,
        (K::Int2 | K::Int4 | K::Int8 | K::Numeric | K::Float4 | K::Float8, _) => {
            matches!(to, K::Int2 | K::Int4 | K::Int8 | K::Numeric | K::Float4 | K::Float8)
        }
        (K::Timestamp | K::TimestampTz, K::Date | K::Time | K::Timestamp | K::TimestampTz) => true,
        (K::Interval, K::Time) | (K::Json, K::Jsonb) | (K::Jsonb, K::Json) => true,
        (K::Jsonb, K::Bool | K::Int2 | K::Int4 | K::Int8 | K::Numeric) => false,
        (K::Array | K::TextArray, K::Array | K::TextArray) => true,
        _ => false,
    }
}
