//! String functions, counted in characters as the source counts them.

use crate::error::Result;
use crate::schema::DataType;
use crate::sql::functions::{Function, coerce, mismatch, no_value};
use crate::sql::query::Expr;
use crate::value::Value;

/// The longest result that is built, in bytes; the source gives NULL past its `max_allowed_packet`, whose size is not known here.
pub(super) const RESULT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How many bytes a character takes in a charset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteWidth {
    /// UTF-8.
    Utf8,
    /// One byte each.
    Single,
    /// One byte for ASCII, two for the rest (EUC-KR).
    AsciiOrTwo,
    /// The bytes of a binary string.
    Binary,
}

/// CONCAT_WS: NULLs among the parts are left out, a NULL separator makes NULL.
pub(super) fn concat_separated(values: &[Value]) -> Result<Value> {
    let Some((separator, parts)) = values.split_first() else { return Err(mismatch("CONCAT_WS")) };
    if separator.is_null() {
        return Ok(Value::Null);
    }
    let parts: Vec<&str> = parts.iter().filter(|part| !part.is_null()).map(coerce::text).collect::<Result<_>>()?;
    Ok(Value::text(parts.join(coerce::text(separator)?)))
}

pub(super) fn call(function: &Function, expr: &Expr, values: &[Value]) -> Result<Value> {
    let Some(first) = values.first() else { return Err(mismatch("a string function")) };
    match function {
        Function::Concat => {
            let parts: Vec<&str> = values.iter().map(coerce::text).collect::<Result<_>>()?;
            return Ok(Value::text(parts.concat()));
        }
        Function::Hex => return hex(first),
        Function::Unhex => return Ok(unhex(coerce::text(first)?)),
        Function::Length { charset } => return length(*charset, first),
        Function::CastBytes { length, by_characters } => return cast_bytes(expr, *length, *by_characters, first),
        Function::BytesToText => return bytes_to_text(expr, first),
        _ => {}
    }
    let text = coerce::text(first)?;
    match values {
        [_] => one_argument(function, expr, text),
        _ => several(function, expr, text, values.get(1..).unwrap_or(&[])),
    }
}

fn one_argument(function: &Function, expr: &Expr, text: &str) -> Result<Value> {
    Ok(match function {
        Function::Trim { leading, trailing } => Value::text(trim(text, " ", *leading, *trailing)),
        Function::Upper { map } => {
            Value::text(map.upper(text).ok_or_else(|| no_value(expr, "UPPER of a character that the source cuts off"))?)
        }
        Function::Lower { map } => {
            Value::text(map.lower(text).ok_or_else(|| no_value(expr, "LOWER of a character that the source cuts off"))?)
        }
        Function::CharacterLength => count(text.chars().count()),
        Function::Reverse => Value::text(text.chars().rev().collect::<String>()),
        Function::Ascii => Value::Int(i64::from(text.bytes().next().unwrap_or(0))),
        Function::Collate => Value::text(text),
        Function::CastText { length } => match length {
            Some(length) => Value::text(left(text, i128::from(*length))),
            None => Value::text(text),
        },
        _ => return Err(mismatch("a string function")),
    })
}

fn several(function: &Function, expr: &Expr, text: &str, rest: &[Value]) -> Result<Value> {
    let (Some(second), third) = (rest.first(), rest.get(1)) else { return Err(mismatch("a string function")) };
    Ok(match function {
        Function::Left => Value::text(left(text, coerce::integer(second)?)),
        Function::Right => {
            let keep = usize::try_from(coerce::integer(second)?.max(0)).unwrap_or(usize::MAX);
            Value::text(skip(text, text.chars().count().saturating_sub(keep)))
        }
        Function::Substring => Value::text(substring(text, coerce::integer(second)?, third.map(coerce::integer).transpose()?)),
        Function::SubstringIndex => {
            let times = third.map(coerce::integer).transpose()?.unwrap_or(0);
            Value::text(substring_index(text, coerce::text(second)?, times))
        }
        Function::Trim { leading, trailing } => Value::text(trim(text, coerce::text(second)?, *leading, *trailing)),
        Function::Replace => {
            let Some(third) = third else { return Err(mismatch("REPLACE")) };
            let (from, to) = (coerce::text(second)?, coerce::text(third)?);
            let replaced = if from.is_empty() { text.to_owned() } else { text.replace(from, to) };
            match expr.data_type {
                DataType::Text { length: Some(length), .. } if replaced.chars().count() > length as usize => {
                    return Err(no_value(
                        expr,
                        "a string that REPLACE makes longer than its declared length, which MySQL may cut,",
                    ));
                }
                _ => Value::text(replaced),
            }
        }
        Function::Repeat => repeat(expr, text, coerce::integer(second)?)?,
        Function::PadLeft | Function::PadRight => {
            let padding = third.map(coerce::text).transpose()?.unwrap_or(" ");
            pad(expr, text, coerce::integer(second)?, padding, *function == Function::PadLeft)?
        }
        Function::Insert => insert(text, rest)?,
        _ => return Err(mismatch("a string function")),
    })
}

/// CAST(.. AS BINARY(length)): cut, or filled up with zero bytes.
fn cast_bytes(expr: &Expr, length: u32, by_characters: bool, value: &Value) -> Result<Value> {
    let bytes: &[u8] = match value {
        Value::Text(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        _ => return Err(mismatch("a binary string")),
    };
    if by_characters && !bytes.is_ascii() {
        return Err(no_value(expr, "a string with other letters than ASCII is cast to BINARY(n)"));
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > RESULT_BYTES_MAX {
        return Err(no_value(expr, "a string of more than 16 MiB is made"));
    }
    let mut kept = bytes.get(..length).unwrap_or(bytes).to_vec();
    kept.resize(length, 0);
    Ok(Value::Bytes(kept.into()))
}

/// Bytes as UTF-8; what the source makes of broken ones is not carried.
fn bytes_to_text(expr: &Expr, value: &Value) -> Result<Value> {
    let Value::Bytes(bytes) = value else { return Err(mismatch("a binary string")) };
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Value::text(text)),
        Err(_) => Err(no_value(expr, "bytes that are no UTF-8 are read as a string")),
    }
}

fn count(characters: usize) -> Value {
    Value::Int(i64::try_from(characters).unwrap_or(i64::MAX))
}

fn skip(text: &str, characters: usize) -> &str {
    let from = text.char_indices().nth(characters).map_or(text.len(), |(from, _)| from);
    text.get(from..).unwrap_or("")
}

fn left(text: &str, characters: i128) -> &str {
    let keep = usize::try_from(characters.max(0)).unwrap_or(usize::MAX);
    let end = text.char_indices().nth(keep).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or(text)
}

fn substring(text: &str, position: i128, length: Option<i128>) -> &str {
    let characters = i128::try_from(text.chars().count()).unwrap_or(i128::MAX);
    let from = if position < 0 { characters + position } else { position - 1 };
    if from < 0 || from >= characters || length.is_some_and(|length| length <= 0) {
        return "";
    }
    let rest = skip(text, usize::try_from(from).unwrap_or(usize::MAX));
    length.map_or(rest, |length| left(rest, length))
}

/// Case counts here, whatever the collation.
fn substring_index<'a>(text: &'a str, delimiter: &str, times: i128) -> &'a str {
    if delimiter.is_empty() || times == 0 {
        return "";
    }
    let nth = usize::try_from(times.unsigned_abs() - 1).unwrap_or(usize::MAX);
    if times > 0 {
        let end = text.match_indices(delimiter).nth(nth).map_or(text.len(), |(end, _)| end);
        text.get(..end).unwrap_or(text)
    } else {
        let from = text.rmatch_indices(delimiter).nth(nth).map_or(0, |(from, _)| from + delimiter.len());
        text.get(from..).unwrap_or(text)
    }
}

fn trim<'a>(mut text: &'a str, characters: &str, leading: bool, trailing: bool) -> &'a str {
    if characters.is_empty() {
        return text;
    }
    while leading && let Some(rest) = text.strip_prefix(characters) {
        text = rest;
    }
    while trailing && let Some(rest) = text.strip_suffix(characters) {
        text = rest;
    }
    text
}

fn repeat(expr: &Expr, text: &str, times: i128) -> Result<Value> {
    let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
    if text.len().saturating_mul(times) > RESULT_BYTES_MAX {
        return Err(no_value(expr, "a string of more than 16 MiB is made"));
    }
    Ok(Value::text(text.repeat(times)))
}

fn pad(expr: &Expr, text: &str, length: i128, padding: &str, left_side: bool) -> Result<Value> {
    let Ok(length) = usize::try_from(length) else { return Ok(Value::Null) };
    let own = text.chars().count();
    if own >= length {
        return Ok(Value::text(left(text, i128::try_from(length).unwrap_or(i128::MAX))));
    }
    if padding.is_empty() {
        // The servers differ (NULL, or the string as it is); the binder lets no empty constant through.
        return Err(no_value(expr, "a string is padded with nothing"));
    }
    if length.saturating_mul(4) > RESULT_BYTES_MAX {
        return Err(no_value(expr, "a string of more than 16 MiB is made"));
    }
    let fill: String = padding.chars().cycle().take(length - own).collect();
    Ok(Value::text(if left_side { fill + text } else { text.to_owned() + &fill }))
}

fn insert(text: &str, rest: &[Value]) -> Result<Value> {
    let [position, length, new] = rest else { return Err(mismatch("INSERT")) };
    let characters = i128::try_from(text.chars().count()).unwrap_or(i128::MAX);
    let from = coerce::integer(position)? - 1;
    let mut length = coerce::integer(length)?;
    if from < 0 || from >= characters {
        return Ok(Value::text(text));
    }
    if length < 0 || length > characters - from {
        length = characters - from;
    }
    let behind = usize::try_from(from + length).unwrap_or(usize::MAX);
    Ok(Value::text([left(text, from), coerce::text(new)?, skip(text, behind)].concat()))
}

fn length(width: ByteWidth, value: &Value) -> Result<Value> {
    if let Value::Bytes(bytes) = value {
        return Ok(count(bytes.len()));
    }
    let text = coerce::text(value)?;
    Ok(count(match width {
        ByteWidth::Utf8 | ByteWidth::Binary => text.len(),
        ByteWidth::Single => text.chars().count(),
        ByteWidth::AsciiOrTwo => text.chars().map(|character| if character.is_ascii() { 1 } else { 2 }).sum(),
    }))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the source prints the low 64 bits")]
fn hex(value: &Value) -> Result<Value> {
    let bytes: &[u8] = match value {
        Value::Text(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        number => return Ok(Value::text(format!("{:X}", coerce::integer(number)? as u64))),
    };
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        out.push_str(&format!("{byte:02X}"));
    }
    Ok(Value::text(out))
}

/// An odd number of digits has a zero in front; anything but digits makes NULL.
fn unhex(text: &str) -> Value {
    let padded = if text.len().is_multiple_of(2) { text.to_owned() } else { format!("0{text}") };
    let digits: Option<Vec<u32>> = padded.chars().map(|digit| digit.to_digit(16)).collect();
    let bytes = digits.map(|digits| {
        digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + digit))
            .filter_map(|byte| u8::try_from(byte).ok())
            .collect::<Vec<u8>>()
    });
    bytes.map_or(Value::Null, |bytes| Value::Bytes(bytes.into()))
}
