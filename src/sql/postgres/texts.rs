//! Operators and functions of strings and bytes. Positions and lengths count characters, from one.

use super::kind::Kind::{self, Any, Bpchar, Bytea, Element, Int4, Int8, Text};
use super::routine::{Arguments, Call, Compute, Fault, Routine, WRONG};
use super::{convert, input, output};
use crate::value::Value;

const fn row(name: &'static str, arguments: &'static [Kind], result: Kind, compute: Compute) -> Routine {
    Routine { name, arguments, result, strict: true, compute: Some(compute) }
}

const fn absent(name: &'static str, arguments: &'static [Kind], result: Kind) -> Routine {
    Routine { name, arguments, result, strict: true, compute: None }
}

/// The rows.
pub static ROWS: &[Routine] = &[
    row("||", &[Text, Text], Text, |a| Ok(Value::text([a.text(0)?, a.text(1)?].concat()))),
    row("||", &[Text, Element], Text, |a| Ok(Value::text([a.text(0)?, &cast(a, 1)?].concat()))),
    row("||", &[Element, Text], Text, |a| Ok(Value::text([&cast(a, 0)?, a.text(1)?].concat()))),
    row("||", &[Bytea, Bytea], Bytea, |a| Ok(Value::Bytes([bytes(a, 0)?, bytes(a, 1)?].concat().into()))),
    row("length", &[Text], Int4, |a| count(a.text(0)?.chars().count())),
    row("length", &[Bpchar], Int4, |a| count(a.text(0)?.trim_end_matches(' ').chars().count())),
    row("length", &[Bytea], Int4, |a| count(bytes(a, 0)?.len())),
    row("char_length", &[Text], Int4, |a| count(a.text(0)?.chars().count())),
    row("char_length", &[Bpchar], Int4, |a| count(a.text(0)?.trim_end_matches(' ').chars().count())),
    row("character_length", &[Text], Int4, |a| count(a.text(0)?.chars().count())),
    row("character_length", &[Bpchar], Int4, |a| count(a.text(0)?.trim_end_matches(' ').chars().count())),
    row("octet_length", &[Text], Int4, |a| count(a.text(0)?.len())),
    row("octet_length", &[Bpchar], Int4, |a| count(a.text(0)?.len())),
    row("octet_length", &[Bytea], Int4, |a| count(bytes(a, 0)?.len())),
    row("bit_length", &[Text], Int4, |a| count(a.text(0)?.len() * 8)),
    row("bit_length", &[Bytea], Int4, |a| count(bytes(a, 0)?.len() * 8)),
    row("lower", &[Text], Text, |a| cased(a.text(0)?, a.call, false).map(Value::text)),
    row("upper", &[Text], Text, |a| cased(a.text(0)?, a.call, true).map(Value::text)),
    row("initcap", &[Text], Text, capitalised),
    row("left", &[Text, Int4], Text, |a| Ok(Value::text(left(a.text(0)?, a.int(1)?)))),
    row("right", &[Text, Int4], Text, |a| Ok(Value::text(right(a.text(0)?, a.int(1)?)))),
    row("lpad", &[Text, Int4], Text, |a| padded(a, " ", true)),
    row("lpad", &[Text, Int4, Text], Text, |a| padded(a, a.text(2)?, true)),
    row("rpad", &[Text, Int4], Text, |a| padded(a, " ", false)),
    row("rpad", &[Text, Int4, Text], Text, |a| padded(a, a.text(2)?, false)),
    row("btrim", &[Text], Text, |a| trimmed(a, " ", true, true)),
    row("btrim", &[Text, Text], Text, |a| trimmed(a, a.text(1)?, true, true)),
    row("ltrim", &[Text], Text, |a| trimmed(a, " ", true, false)),
    row("ltrim", &[Text, Text], Text, |a| trimmed(a, a.text(1)?, true, false)),
    row("rtrim", &[Text], Text, |a| trimmed(a, " ", false, true)),
    row("rtrim", &[Text, Text], Text, |a| trimmed(a, a.text(1)?, false, true)),
    absent("btrim", &[Bytea, Bytea], Bytea),
    row("substring", &[Text, Int4], Text, |a| slice(a.text(0)?, a.int(1)?, None)),
    row("substring", &[Text, Int4, Int4], Text, |a| slice(a.text(0)?, a.int(1)?, Some(a.int(2)?))),
    row("substr", &[Text, Int4], Text, |a| slice(a.text(0)?, a.int(1)?, None)),
    row("substr", &[Text, Int4, Int4], Text, |a| slice(a.text(0)?, a.int(1)?, Some(a.int(2)?))),
    absent("substring", &[Text, Text, Text], Text),
    row("substring", &[Bytea, Int4], Bytea, |a| bytes_slice(a, None)),
    row("substring", &[Bytea, Int4, Int4], Bytea, |a| bytes_slice(a, Some(a.int(2)?))),
    row("substr", &[Bytea, Int4], Bytea, |a| bytes_slice(a, None)),
    row("substr", &[Bytea, Int4, Int4], Bytea, |a| bytes_slice(a, Some(a.int(2)?))),
    row("strpos", &[Text, Text], Int4, |a| count(found(a.text(0)?, a.text(1)?))),
    row("position", &[Text, Text], Int4, |a| count(found(a.text(0)?, a.text(1)?))),
    absent("position", &[Bytea, Bytea], Int4),
    row("replace", &[Text, Text, Text], Text, |a| {
        let (text, from, to) = (a.text(0)?, a.text(1)?, a.text(2)?);
        Ok(Value::text(if from.is_empty() { text.to_owned() } else { text.replace(from, to) }))
    }),
    row("translate", &[Text, Text, Text], Text, translated),
    row("overlay", &[Text, Text, Int4], Text, |a| overlaid(a, a.text(1)?.chars().count() as i64)),
    row("overlay", &[Text, Text, Int4, Int4], Text, |a| overlaid(a, a.int(3)?)),
    row("reverse", &[Text], Text, |a| Ok(Value::text(a.text(0)?.chars().rev().collect::<String>()))),
    row("repeat", &[Text, Int4], Text, |a| {
        let times = usize::try_from(a.int(1)?).unwrap_or(0);
        if a.text(0)?.len().saturating_mul(times) > 1 << 29 {
            Err("requested length too large")
        } else {
            Ok(Value::text(a.text(0)?.repeat(times)))
        }
    }),
    row("split_part", &[Text, Text, Int4], Text, split),
    row("starts_with", &[Text, Text], Kind::Bool, |a| Ok(Value::Bool(a.text(0)?.starts_with(a.text(1)?)))),
    row("^@", &[Text, Text], Kind::Bool, |a| Ok(Value::Bool(a.text(0)?.starts_with(a.text(1)?)))),
    row("ascii", &[Text], Int4, |a| Ok(Value::Int(a.text(0)?.chars().next().map_or(0, |first| i64::from(u32::from(first)))))),
    row("chr", &[Int4], Text, |a| match u32::try_from(a.int(0)?).ok().filter(|code| *code > 0).and_then(char::from_u32) {
        Some(character) => Ok(Value::text(character.to_string())),
        None => Err("requested character is not valid for the encoding"),
    }),
    row("encode", &[Bytea, Text], Text, encoded),
    row("decode", &[Text, Text], Bytea, decoded),
    row("get_byte", &[Bytea, Int4], Int4, |a| {
        let byte = usize::try_from(a.int(1)?).ok().and_then(|index| bytes(a, 0).ok()?.get(index).copied());
        byte.map(|byte| Value::Int(i64::from(byte))).ok_or("index out of valid range")
    }),
    row("convert_to", &[Text, Text], Bytea, |a| match is_utf8(a.text(1)?) {
        true => Ok(Value::Bytes(a.text(0)?.as_bytes().into())),
        false => Err("only the encoding UTF8 is converted to exactly"),
    }),
    row("convert_from", &[Bytea, Text], Text, |a| match is_utf8(a.text(1)?) {
        true => match std::str::from_utf8(bytes(a, 0)?) {
            Ok(text) if !text.contains('\0') => Ok(Value::text(text)),
            _ => Err("invalid byte sequence for encoding UTF8"),
        },
        false => Err("only the encoding UTF8 is converted from exactly"),
    }),
    row("quote_literal", &[Text], Text, |a| Ok(Value::text(quoted(a.text(0)?)))),
    row("md5", &[Text], Text, |a| Ok(Value::text(output::hex(&super::digest::md5(a.text(0)?.as_bytes()))))),
    row("md5", &[Bytea], Text, |a| Ok(Value::text(output::hex(&super::digest::md5(bytes(a, 0)?))))),
    row("sha256", &[Bytea], Bytea, |a| Ok(Value::Bytes(super::digest::sha256(bytes(a, 0)?).into()))),
    row("sha224", &[Bytea], Bytea, digested::<sha2::Sha224>),
    row("sha384", &[Bytea], Bytea, digested::<sha2::Sha384>),
    row("sha512", &[Bytea], Bytea, digested::<sha2::Sha512>),
    absent("quote_ident", &[Text], Text),
    Routine { name: "quote_nullable", arguments: &[Text], result: Text, strict: false, compute: Some(quoted_or_null) },
    absent("normalize", &[Text], Text),
    absent("to_number", &[Text, Text], Kind::Numeric),
    row("to_char", &[Kind::Numeric, Text], Text, super::number_pattern::print),
    row("to_char", &[Int4, Text], Text, super::number_pattern::print),
    row("to_char", &[Int8, Text], Text, super::number_pattern::print),
    absent("to_char", &[Kind::Float4, Text], Text),
    absent("to_char", &[Kind::Float8, Text], Text),
    absent("to_char", &[Kind::Interval, Text], Text),
    absent("ltrim", &[Bytea, Bytea], Bytea),
    absent("rtrim", &[Bytea, Bytea], Bytea),
    absent("normalize", &[Text, Text], Text),
    absent("overlay", &[Bytea, Bytea, Int4], Bytea),
    absent("overlay", &[Bytea, Bytea, Int4, Int4], Bytea),
    row("quote_literal", &[Element], Text, |a| Ok(Value::text(quoted(&cast(a, 0)?)))),
    Routine { name: "quote_nullable", arguments: &[Element], result: Text, strict: false, compute: Some(quoted_or_null) },
];

fn quoted_or_null(a: &Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::text(if a.get(0).is_null() { "NULL".to_owned() } else { quoted(&cast(a, 0)?) }))
}

fn digested<D: sha2::Digest>(a: &Arguments<'_>) -> Result<Value, Fault> {
    Ok(Value::Bytes(D::digest(bytes(a, 0)?).to_vec().into()))
}

/// Functions with any number of arguments: name, and how many stand before the list.
pub static VARIADIC: &[Routine] = &[
    Routine { name: "concat", arguments: &[Any], result: Text, strict: false, compute: Some(|a| concatenated(a, "", 0)) },
    Routine {
        name: "concat_ws",
        arguments: &[Text, Any],
        result: Text,
        strict: false,
        compute: Some(|a| if a.get(0).is_null() { Ok(Value::Null) } else { concatenated(a, a.text(0)?, 1) }),
    },
    Routine { name: "format", arguments: &[Text, Any], result: Text, strict: false, compute: Some(formatted) },
    Routine {
        name: "num_nulls",
        arguments: &[Any],
        result: Int4,
        strict: false,
        compute: Some(|a| count(a.values.iter().filter(|value| value.is_null()).count())),
    },
    Routine {
        name: "num_nonnulls",
        arguments: &[Any],
        result: Int4,
        strict: false,
        compute: Some(|a| count(a.values.iter().filter(|value| !value.is_null()).count())),
    },
];

/// `format(pattern, ..)` with `%s`, `%L`, `%%`, positions and widths.
/// Whether all conversions of a template of format() are carried: `%s`, `%L` and `%%`.
pub(super) fn is_carried_template(template: &str) -> bool {
    let parts = template.replace("%%", "");
    let letters =
        |part: &str| part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '$' || c == '-').starts_with(['s', 'L']);
    parts.split('%').skip(1).all(letters)
}

fn formatted(a: &Arguments<'_>) -> Result<Value, Fault> {
    if a.get(0).is_null() {
        return Ok(Value::Null);
    }
    let mut out = String::new();
    let mut rest = a.text(0)?;
    let mut next = 1;
    while let Some((before, behind)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(behind) = behind.strip_prefix('%') {
            out.push('%');
            rest = behind;
            continue;
        }
        let (number, behind) = leading_number(behind);
        let (position, behind) = match (number, behind.strip_prefix('$')) {
            (Some(position), Some(behind)) => (Some(position), behind),
            (Some(_), None) => (None, rest.split_once('%').map_or("", |(_, behind)| behind)),
            (None, _) => (None, behind),
        };
        let (to_the_left, behind) = behind.strip_prefix('-').map_or((false, behind), |behind| (true, behind));
        let (width, behind) = leading_number(behind);
        let index = position.unwrap_or(next);
        if index == 0 || index >= a.values.len() {
            return Err("too few arguments for format()");
        }
        next = index + 1;
        let is_null = a.get(index).is_null();
        let (text, behind) = match behind.strip_prefix('s') {
            Some(behind) if is_null => (String::new(), behind),
            Some(behind) => (printed(a, index)?, behind),
            None => match behind.strip_prefix('L') {
                Some(behind) if is_null => ("NULL".to_owned(), behind),
                Some(behind) => (quoted(&printed(a, index)?), behind),
                None => return Err("this conversion of format() is not carried exactly"),
            },
        };
        let blanks = " ".repeat(width.unwrap_or(0).saturating_sub(text.chars().count()));
        out.push_str(&if to_the_left { text + &blanks } else { blanks + &text });
        rest = behind;
    }
    out.push_str(rest);
    Ok(Value::text(out))
}

/// The digits in front; more than a few are no width.
fn leading_number(text: &str) -> (Option<usize>, &str) {
    let end = text.find(|next: char| !next.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (digits.parse().ok().filter(|number| *number < 10_000), rest)
}

fn count(number: usize) -> Result<Value, Fault> {
    i64::try_from(number).map(Value::Int).map_err(|_| WRONG)
}

fn bytes<'a>(a: &Arguments<'a>, index: usize) -> Result<&'a [u8], Fault> {
    match a.values.get(index) {
        Some(Value::Bytes(bytes)) => Ok(bytes),
        _ => Err(WRONG),
    }
}

/// An argument of any type as the server prints it.
fn printed(a: &Arguments<'_>, index: usize) -> Result<String, Fault> {
    output::text(a.get(index), a.types.get(index).ok_or(WRONG)?, a.call)
}

/// An argument of any type as its cast to text, which prints booleans in full.
fn cast(a: &Arguments<'_>, index: usize) -> Result<String, Fault> {
    match (a.get(index), a.types.get(index)) {
        (Value::Bool(truth), _) => Ok(truth.to_string()),
        (Value::Text(text), Some(data_type)) if Kind::of(data_type) == Kind::Native => Ok(convert::native_text(text, data_type)),
        _ => printed(a, index),
    }
}

fn concatenated(a: &Arguments<'_>, separator: &str, skipped: usize) -> Result<Value, Fault> {
    let present = (skipped..a.values.len()).filter(|index| !a.get(*index).is_null());
    let parts = present.map(|index| printed(a, index)).collect::<Result<Vec<_>, _>>()?;
    Ok(Value::text(parts.join(separator)))
}

/// A text in upper or lower case. Under `LC_CTYPE` C only ASCII letters change; else letters of Latin, Greek and Cyrillic that have exactly
/// one counterpart change too, as in every C library, and what its tables may decide otherwise has no value.
///
/// # Errors
/// A letter whose case depends on the server's C library.
pub fn cased(text: &str, call: &Call, upper: bool) -> Result<String, Fault> {
    let ascii = |character: char| if upper { character.to_ascii_uppercase() } else { character.to_ascii_lowercase() };
    if call.ascii_case || text.is_ascii() {
        return Ok(text.chars().map(ascii).collect());
    }
    text.chars().map(|character| counterpart(character, upper)).collect()
}

fn counterpart(character: char, upper: bool) -> Result<char, Fault> {
    let one = |mut mapped: Box<dyn Iterator<Item = char>>| match (mapped.next(), mapped.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    };
    let up = |character: char| one(Box::new(character.to_uppercase()));
    let down = |character: char| one(Box::new(character.to_lowercase()));
    if character.is_ascii() {
        return Ok(if upper { character.to_ascii_uppercase() } else { character.to_ascii_lowercase() });
    }
    match (up(character), down(character)) {
        (Some(above), Some(below)) if above == character && below == character => Ok(character),
        (Some(above), Some(below)) if u32::from(character) < 0x530 && down(above) == Some(below) && up(below) == Some(above) => {
            Ok(if upper { above } else { below })
        }
        _ => Err("the case of a letter depends on the server's C library"),
    }
}

fn capitalised(a: &Arguments<'_>) -> Result<Value, Fault> {
    let mut out = String::new();
    let mut inside = false;
    for character in a.text(0)?.chars() {
        let changed = if a.call.ascii_case {
            if inside { character.to_ascii_lowercase() } else { character.to_ascii_uppercase() }
        } else {
            counterpart(character, !inside)?
        };
        out.push(changed);
        inside = if a.call.ascii_case { character.is_ascii_alphanumeric() } else { character.is_alphanumeric() };
    }
    Ok(Value::text(out))
}

fn left(text: &str, length: i64) -> String {
    let kept = if length >= 0 { length } else { (text.chars().count() as i64 + length).max(0) };
    text.chars().take(usize::try_from(kept).unwrap_or(usize::MAX)).collect()
}

fn right(text: &str, length: i64) -> String {
    let total = text.chars().count() as i64;
    let skipped = if length >= 0 { (total - length).max(0) } else { length.saturating_neg() };
    text.chars().skip(usize::try_from(skipped).unwrap_or(usize::MAX)).collect()
}

fn padded(a: &Arguments<'_>, fill: &str, in_front: bool) -> Result<Value, Fault> {
    let text = a.text(0)?;
    let length = usize::try_from(a.int(1)?).unwrap_or(0);
    if length > 1 << 28 {
        return Err("requested length too large");
    }
    let present = text.chars().count();
    if present >= length || fill.is_empty() {
        return Ok(Value::text(text.chars().take(length).collect::<String>()));
    }
    let padding: String = fill.chars().cycle().take(length - present).collect();
    Ok(Value::text(if in_front { padding + text } else { format!("{text}{padding}") }))
}

fn trimmed(a: &Arguments<'_>, set: &str, leading: bool, trailing: bool) -> Result<Value, Fault> {
    let mut text = a.text(0)?;
    if leading {
        text = text.trim_start_matches(|character| set.contains(character));
    }
    if trailing {
        text = text.trim_end_matches(|character| set.contains(character));
    }
    Ok(Value::text(text))
}

fn slice(text: &str, from: i64, length: Option<i64>) -> Result<Value, Fault> {
    let end = match length {
        Some(length) if length < 0 => return Err("negative substring length not allowed"),
        Some(length) => from.saturating_add(length),
        None => i64::MAX,
    };
    let start = from.max(1);
    let taken = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
    let skipped = usize::try_from(start - 1).unwrap_or(usize::MAX);
    Ok(Value::text(text.chars().skip(skipped).take(taken).collect::<String>()))
}

fn bytes_slice(a: &Arguments<'_>, length: Option<i64>) -> Result<Value, Fault> {
    let from = a.int(1)?;
    let end = match length {
        Some(length) if length < 0 => return Err("negative substring length not allowed"),
        Some(length) => from.saturating_add(length),
        None => i64::MAX,
    };
    let start = from.max(1);
    let taken = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
    let skipped = usize::try_from(start - 1).unwrap_or(usize::MAX);
    Ok(Value::Bytes(bytes(a, 0)?.iter().skip(skipped).take(taken).copied().collect::<Vec<u8>>().into()))
}

/// The position of a part, from one; 0 if it is not there.
fn found(text: &str, part: &str) -> usize {
    text.find(part).and_then(|offset| text.get(..offset)).map_or(0, |before| before.chars().count() + 1)
}

fn translated(a: &Arguments<'_>) -> Result<Value, Fault> {
    let (text, from, to) = (a.text(0)?, a.text(1)?, a.text(2)?);
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mapped = text.chars().filter_map(|character| match from.iter().position(|candidate| *candidate == character) {
        Some(index) => to.get(index).copied(),
        None => Some(character),
    });
    Ok(Value::text(mapped.collect::<String>()))
}

fn overlaid(a: &Arguments<'_>, length: i64) -> Result<Value, Fault> {
    let (text, with, from) = (a.text(0)?, a.text(1)?, a.int(2)?);
    if from <= 0 {
        return Err("negative substring length not allowed");
    }
    let behind = from.checked_add(length).ok_or("integer out of range")?;
    let before: String = text.chars().take(usize::try_from(from - 1).unwrap_or(0)).collect();
    let after: String = text.chars().skip(usize::try_from(behind.max(1) - 1).unwrap_or(0)).collect();
    Ok(Value::text([before.as_str(), with, after.as_str()].concat()))
}

fn split(a: &Arguments<'_>) -> Result<Value, Fault> {
    let (text, separator, number) = (a.text(0)?, a.text(1)?, a.int(2)?);
    if number == 0 {
        return Err("field position must not be zero");
    }
    let parts: Vec<&str> = if text.is_empty() {
        Vec::new()
    } else if separator.is_empty() {
        vec![text]
    } else {
        text.split(separator).collect()
    };
    let index = if number > 0 { number - 1 } else { parts.len() as i64 + number };
    let part = usize::try_from(index).ok().and_then(|index| parts.get(index)).copied();
    Ok(Value::text(part.unwrap_or("")))
}

fn is_utf8(name: &str) -> bool {
    matches!(name.to_ascii_lowercase().replace(['-', '_'], "").as_str(), "utf8" | "unicode")
}

fn quoted(text: &str) -> String {
    let inner = text.replace('\\', "\\\\").replace('\'', "''");
    if text.contains('\\') { format!("E'{inner}'") } else { format!("'{inner}'") }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encoded(a: &Arguments<'_>) -> Result<Value, Fault> {
    let bytes = bytes(a, 0)?;
    Ok(Value::text(match a.text(1)?.to_ascii_lowercase().as_str() {
        "hex" => output::hex(bytes),
        "base64" => base64(bytes),
        "escape" => bytes
            .iter()
            .map(|byte| match byte {
                0 | 0x80.. => format!("\\{byte:03o}"),
                b'\\' => "\\\\".to_owned(),
                other => char::from(*other).to_string(),
            })
            .collect(),
        _ => return Err("unrecognized encoding"),
    }))
}

/// With a line break after every 76 characters, also where nothing follows.
fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (index, chunk) in bytes.chunks(3).enumerate() {
        let number =
            chunk.iter().chain(std::iter::repeat(&0)).take(3).fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        for place in 0..4 {
            let digit = BASE64.get(number >> (18 - 6 * place) & 63).map_or('=', |digit| char::from(*digit));
            out.push(if place <= chunk.len() { digit } else { '=' });
        }
        if chunk.len() == 3 && index % 19 == 18 {
            out.push('\n');
        }
    }
    out
}

fn decoded(a: &Arguments<'_>) -> Result<Value, Fault> {
    let text = a.text(0)?;
    match a.text(1)?.to_ascii_lowercase().as_str() {
        "hex" => {
            let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            input::hex(&digits).map(|bytes| Value::Bytes(bytes.into())).ok_or("invalid hexadecimal data")
        }
        "base64" => from_base64(text).map(|bytes| Value::Bytes(bytes.into())).ok_or("invalid base64 data"),
        "escape" => Err("the encoding escape is not decoded"),
        _ => Err("unrecognized encoding"),
    }
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).collect();
    let mut out = Vec::new();
    let mut ended = false;
    for chunk in digits.chunks(4) {
        let padding = chunk.iter().filter(|byte| **byte == b'=').count();
        if ended || chunk.len() != 4 || padding > 2 || chunk.iter().take(4 - padding).any(|byte| *byte == b'=') {
            return None;
        }
        ended = padding > 0;
        let mut number = 0_u32;
        for byte in chunk {
            let digit = if *byte == b'=' { 0 } else { BASE64.iter().position(|candidate| candidate == byte)? };
            number = number << 6 | u32::try_from(digit).ok()?;
        }
        out.extend(number.to_be_bytes().iter().skip(1).take(3 - padding));
    }
    Some(out)
}
