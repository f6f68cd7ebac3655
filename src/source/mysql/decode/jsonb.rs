//! MySQL's binary JSON, printed exactly as the server's SELECT prints it.
//!
//! Goes in: the bytes of one JSON column. Comes out: its text, keys in stored order, `", "` and `": "` between parts, opaque
//! decimals as numbers, opaque dates and times as quoted text, other opaque values as `base64:typeN:..`. Nothing is parsed
//! into a tree; depth is bounded as the server bounds it.

use std::fmt::Write;

use super::reader::{Reader, malformed};
use super::{decimal, temporal};
use crate::error::Result;
use crate::value::json_number;

/// The server's own bound is 100 levels.
const DEPTH_MAX: usize = 101;

const SMALL_OBJECT: u8 = 0;
const LARGE_OBJECT: u8 = 1;
const SMALL_ARRAY: u8 = 2;
const LARGE_ARRAY: u8 = 3;
const LITERAL: u8 = 4;
const INT16: u8 = 5;
const UINT16: u8 = 6;
const INT32: u8 = 7;
const UINT32: u8 = 8;
const INT64: u8 = 9;
const UINT64: u8 = 10;
const DOUBLE: u8 = 11;
const STRING: u8 = 12;
const OPAQUE: u8 = 15;

/// The text of a binary JSON document; an empty one is the JSON null, as the server reads it.
///
/// # Errors
/// The bytes are no binary JSON, or nest too deeply.
pub fn text(bytes: &[u8]) -> Result<String> {
    let mut out = String::with_capacity(bytes.len() * 2);
    match bytes.split_first() {
        Some((kind, body)) => value(*kind, body, 0, &mut out)?,
        None => out.push_str("null"),
    }
    Ok(out)
}

fn value(kind: u8, body: &[u8], depth: usize, out: &mut String) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(malformed("a JSON value nests too deeply"));
    }
    let mut reader = Reader::new(body);
    match kind {
        SMALL_OBJECT | LARGE_OBJECT => return container(body, kind == LARGE_OBJECT, true, depth, out),
        SMALL_ARRAY | LARGE_ARRAY => return container(body, kind == LARGE_ARRAY, false, depth, out),
        LITERAL => out.push_str(literal(reader.u8()?)?),
        INT16 => write_number(out, reader.u16()?.cast_signed()),
        UINT16 => write_number(out, reader.u16()?),
        INT32 => write_number(out, reader.u32()?.cast_signed()),
        UINT32 => write_number(out, reader.u32()?),
        INT64 => write_number(out, reader.u64()?.cast_signed()),
        UINT64 => write_number(out, reader.u64()?),
        DOUBLE => json_number::double(f64::from_bits(reader.u64()?), out),
        STRING => {
            let length = variable_length(&mut reader)?;
            quote(utf8(reader.bytes(length)?)?, out);
        }
        OPAQUE => {
            let column_type = reader.u8()?;
            let length = variable_length(&mut reader)?;
            opaque(column_type, reader.bytes(length)?, out)?;
        }
        other => return Err(malformed(&format!("a JSON value has the unknown type {other}"))),
    }
    Ok(())
}

/// An object or array: count, size, key entries (objects), value entries, keys, values. Offsets count from its start.
fn container(body: &[u8], large: bool, object: bool, depth: usize, out: &mut String) -> Result<()> {
    let width = if large { 4 } else { 2 };
    let mut reader = Reader::new(body);
    let count = offset(&mut reader, width)?;
    let size = offset(&mut reader, width)?;
    let body = body.get(..size).ok_or_else(|| malformed("a JSON value ends early"))?;
    let mut keys = reader.clone();
    if object {
        reader.bytes(count.checked_mul(width + 2).ok_or_else(|| malformed("a JSON object is too large"))?)?;
    }
    out.push(if object { '{' } else { '[' });
    for index in 0..count {
        if index > 0 {
            out.push_str(", ");
        }
        if object {
            let start = offset(&mut keys, width)?;
            let length = usize::from(keys.u16()?);
            let key = start
                .checked_add(length)
                .and_then(|end| body.get(start..end))
                .ok_or_else(|| malformed("a JSON key ends early"))?;
            quote(utf8(key)?, out);
            out.push_str(": ");
        }
        entry(&mut reader, body, large, depth, out)?;
    }
    out.push(if object { '}' } else { ']' });
    Ok(())
}

/// A value entry: the type, then the value itself where it fits the entry, else its offset.
fn entry(reader: &mut Reader<'_>, body: &[u8], large: bool, depth: usize, out: &mut String) -> Result<()> {
    let kind = reader.u8()?;
    let slot = reader.bytes(if large { 4 } else { 2 })?;
    let inlined = matches!(kind, LITERAL | INT16 | UINT16) || (large && matches!(kind, INT32 | UINT32));
    if inlined {
        return value(kind, slot, depth + 1, out);
    }
    let start = offset(&mut Reader::new(slot), slot.len())?;
    let rest = body.get(start..).ok_or_else(|| malformed("a JSON value lies outside its container"))?;
    value(kind, rest, depth + 1, out)
}

fn offset(reader: &mut Reader<'_>, width: usize) -> Result<usize> {
    usize::try_from(reader.little(width)?).map_err(|_| malformed("a JSON offset is out of range"))
}

/// Seven bits a byte, least significant first; the top bit says that more follow.
fn variable_length(reader: &mut Reader<'_>) -> Result<usize> {
    let mut length = 0_usize;
    for shift in [0, 7, 14, 21, 28] {
        let byte = reader.u8()?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(length);
        }
    }
    Err(malformed("a JSON length is invalid"))
}

fn literal(byte: u8) -> Result<&'static str> {
    match byte {
        0 => Ok("null"),
        1 => Ok("true"),
        2 => Ok("false"),
        _ => Err(malformed("a JSON literal is unknown")),
    }
}

fn write_number(out: &mut String, number: impl std::fmt::Display) {
    let _ = write!(out, "{number}");
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| malformed("a JSON string is not UTF-8"))
}

/// Quotes as the server does: the short escapes where they exist, `\u00xx` for the other control characters, nothing else.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control @ '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// A value of a column type that JSON itself does not have.
fn opaque(column_type: u8, bytes: &[u8], out: &mut String) -> Result<()> {
    let mut reader = Reader::new(bytes);
    match column_type {
        246 => {
            let (precision, scale) = (reader.u8()?, reader.u8()?);
            write_number(out, decimal::decimal(&mut reader, precision, scale)?);
        }
        10 => write_quoted(out, temporal::json_datetime(reader.u64()?).date),
        7 | 12 => write_quoted(out, temporal::json_datetime(reader.u64()?).format(6)),
        11 => write_quoted(out, temporal::json_time(reader.u64()?.cast_signed()).format(6)),
        other => {
            let _ = write!(out, "\"base64:type{other}:");
            base64(bytes, out);
            out.push('"');
        }
    }
    Ok(())
}

fn write_quoted(out: &mut String, text: impl std::fmt::Display) {
    let _ = write!(out, "\"{text}\"");
}

/// Standard base64 with padding and, as the server's encoder does, an escaped line feed after every 76 characters.
fn base64(bytes: &[u8], out: &mut String) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (index, group) in bytes.chunks(3).enumerate() {
        if index > 0 && index % 19 == 0 {
            out.push_str("\\n");
        }
        let wide = group.iter().fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = (wide >> (18 - 6 * place)) & 63;
            let letter = ALPHABET.get(digit as usize).copied().unwrap_or(b'=');
            out.push(if place > group.len() { '=' } else { char::from(letter) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f74_sparse_objects_after_partial_updates() {
        // {"a": 1} with an unused gap between the key and the end, as an in-place update leaves it.
        let body = [SMALL_OBJECT, 1, 0, 14, 0, 11, 0, 1, 0, INT16, 1, 0, b'a', 0, 0];
        assert_eq!(text(&body).unwrap(), r#"{"a": 1}"#);
    }

    #[test]
    fn f74_empty_is_null_and_garbage_is_an_error() {
        assert_eq!(text(&[]).unwrap(), "null");
        assert!(text(&[99]).is_err());
        assert!(text(&[SMALL_ARRAY, 255, 255, 4, 0]).is_err());
    }

    #[test]
    fn base64_pads() {
        let mut out = String::new();
        base64(b"ab", &mut out);
        assert_eq!(out, "YWI=");
    }
}
