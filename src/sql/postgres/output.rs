//! Values as PostgreSQL prints them: the output functions of the types under the pinned settings.

use num_bigint::BigInt;

use super::kind::Kind;
use super::routine::{Call, Fault, WRONG};
use super::zone;
use crate::schema::DataType;
use crate::value::{Date, DateTime, Value};

/// The text of a value of a type; text itself is passed through.
///
/// # Errors
/// The value is not of the type.
pub fn text(value: &Value, data_type: &DataType, call: &Call) -> Result<String, Fault> {
    Ok(match value {
        Value::Null => return Err(WRONG),
        Value::Bool(truth) => if *truth { "t" } else { "f" }.to_owned(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Decimal(number) => number.to_string(),
        Value::NonFinite(number) => number.to_string(),
        Value::Float(number) => float4(*number),
        Value::Double(number) => float8(*number),
        Value::Text(text) => text.to_string(),
        Value::Bytes(bytes) if *data_type == DataType::Uuid => uuid(bytes),
        Value::Bytes(bytes) => format!("\\x{}", hex(bytes)),
        Value::Date(day) => date(*day),
        Value::DateTime(at) if Kind::of(data_type) == Kind::TimestampTz => timestamptz(*at, call)?,
        Value::DateTime(at) => timestamp(*at),
        Value::Time(time) => clock(time.0),
        Value::Interval(interval) => interval.to_string(),
    })
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A uuid with its four hyphens.
#[must_use]
pub fn uuid(bytes: &[u8]) -> String {
    let digits = hex(bytes);
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or("");
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}

/// A date, `2024-02-29`, `0044-03-15 BC`, `infinity`.
#[must_use]
pub fn date(day: Date) -> String {
    match day {
        Date::INFINITY => "infinity".into(),
        Date::NEGATIVE_INFINITY => "-infinity".into(),
        _ => format!("{}{}", plain_date(day), era(day)),
    }
}

fn plain_date(day: Date) -> String {
    format!("{:04}-{:02}-{:02}", day.year.unsigned_abs(), day.month, day.day)
}

fn era(day: Date) -> &'static str {
    if day.year < 0 { " BC" } else { "" }
}

/// A timestamp without time zone; the fraction without trailing zeros.
#[must_use]
pub fn timestamp(at: DateTime) -> String {
    match at {
        DateTime::INFINITY => "infinity".into(),
        DateTime::NEGATIVE_INFINITY => "-infinity".into(),
        _ => format!("{} {}{}", plain_date(at.date), clock(at.time_us), era(at.date)),
    }
}

fn timestamptz(at: DateTime, call: &Call) -> Result<String, Fault> {
    if !at.date.is_finite() {
        return Ok(timestamp(at));
    }
    let (local, offset_s) = zone::local(at, &call.zone)?;
    let sign = if offset_s < 0 { '-' } else { '+' };
    let offset = offset_s.unsigned_abs();
    let (hours, minutes, seconds) = (offset / 3_600, offset / 60 % 60, offset % 60);
    let mut text = format!("{} {}{sign}{hours:02}", plain_date(local.date), clock(local.time_us));
    if minutes != 0 || seconds != 0 {
        text.push_str(&format!(":{minutes:02}"));
    }
    if seconds != 0 {
        text.push_str(&format!(":{seconds:02}"));
    }
    text.push_str(era(local.date));
    Ok(text)
}

/// A time of day of microseconds.
#[must_use]
pub fn clock(us: i64) -> String {
    let seconds = us / 1_000_000;
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match us % 1_000_000 {
        0 => whole,
        rest => format!("{whole}.{}", format!("{rest:06}").trim_end_matches('0')),
    }
}

/// The shortest text that reads back as the same double, in PostgreSQL's form.
#[must_use]
pub fn float8(number: f64) -> String {
    special(number).unwrap_or_else(|| {
        let bits = number.abs().to_bits();
        let (exponent, fraction) = ((bits >> 52) as i32, bits & ((1 << 52) - 1));
        let (mantissa, exponent) = if exponent == 0 { (fraction, -1_074) } else { (fraction | (1 << 52), exponent - 1_075) };
        let shape = Shape { mantissa, exponent, at_power: fraction == 0 && bits >> 52 > 1 };
        arranged(
            number < 0.0,
            &shortest(&shape, |digits| format!("{:.*e}", digits, number.abs()), &format!("{:e}", number.abs())),
            15,
        )
    })
}

/// The same for single precision.
#[must_use]
pub fn float4(number: f32) -> String {
    special(f64::from(number)).unwrap_or_else(|| {
        let bits = number.abs().to_bits();
        let (exponent, fraction) = ((bits >> 23) as i32, u64::from(bits & ((1 << 23) - 1)));
        let (mantissa, exponent) = if exponent == 0 { (fraction, -149) } else { (fraction | (1 << 23), exponent - 150) };
        let shape = Shape { mantissa, exponent, at_power: fraction == 0 && bits >> 23 > 1 };
        arranged(
            number < 0.0,
            &shortest(&shape, |digits| format!("{:.*e}", digits, number.abs()), &format!("{:e}", number.abs())),
            6,
        )
    })
}

fn special(number: f64) -> Option<String> {
    Some(match number {
        _ if number.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        _ if number == 0.0 => if number.is_sign_negative() { "-0" } else { "0" }.into(),
        _ => return None,
    })
}

/// mantissa * 2^exponent, and whether the next smaller float is only half as far away.
struct Shape {
    mantissa: u64,
    exponent: i32,
    at_power: bool,
}

/// PostgreSQL's digits lie strictly inside of the interval that rounds to the float, where the standard library also takes its ends.
fn shortest(shape: &Shape, with_digits: impl Fn(usize) -> String, candidate: &str) -> String {
    if is_inside(shape, candidate) {
        return candidate.to_owned();
    }
    let digits = candidate.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    (digits..18).map(with_digits).find(|longer| is_inside(shape, longer)).unwrap_or_else(|| candidate.to_owned())
}

fn is_inside(shape: &Shape, text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once('e') else { return true };
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let (Ok(digits), Ok(exponent)) = (mantissa.replace('.', "").parse::<BigInt>(), exponent.parse::<i32>()) else { return true };
    let ten = exponent - fraction as i32;
    // Everything in quarters of the last binary place, and multiplied until it is whole.
    let two = shape.exponent - 2;
    let power = |base: u32, exponent: i32| BigInt::from(base).pow(u32::try_from(exponent).unwrap_or(0));
    let written = digits * power(10, ten.max(0)) * power(2, (-two).max(0));
    let scale = power(10, (-ten).max(0)) * power(2, two.max(0));
    let float = BigInt::from(shape.mantissa) * 4 * &scale;
    let below = BigInt::from(if shape.at_power { 1 } else { 2 }) * &scale;
    let above = BigInt::from(2) * &scale;
    &float - &below < written && written < &float + &above
}

/// Fixed notation for exponents from -4 up to `limit`, else scientific with at least two digits of exponent.
fn arranged(negative: bool, scientific: &str, limit: i32) -> String {
    let sign = if negative { "-" } else { "" };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = mantissa.replace('.', "");
    if !(-4..limit).contains(&exponent) {
        let mark = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{mark}{:02}", exponent.unsigned_abs());
    }
    let Ok(whole) = usize::try_from(exponent + 1) else {
        return format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1).unsigned_abs() as usize));
    };
    if whole == 0 {
        return format!("{sign}0.{digits}");
    }
    match digits.split_at_checked(whole) {
        Some((digits, "")) => format!("{sign}{digits}"),
        Some((digits, fraction)) => format!("{sign}{digits}.{fraction}"),
        None => format!("{sign}{digits:0<whole$}"),
    }
}
