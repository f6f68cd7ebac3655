//! Bytes in other notations, and digests: TO_BASE64, FROM_BASE64, MD5, SHA1, SHA2, INET6_ATON, INET6_NTOA, IS_IPV4 and its
//! kin, UUID_TO_BIN, BIN_TO_UUID, IS_UUID.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::error::Result;
use crate::schema::DataType;
use crate::sql::functions::text_resolve::{character_text, constant_integer, made_up, utf8_text};
use crate::sql::functions::{Function, addresses, arity, coerce, mismatch, no_value, take};
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::{
    BOOLEAN, Refusal, TypeContext, charset_width, node, text_length, to_integer, to_text, traits, type_name,
};
use crate::value::Value;

/// A notation or digest of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the SQL function of its name")]
pub enum Encoding {
    ToBase64,
    FromBase64,
    Md5,
    Sha1,
    Sha2,
    AddressToBytes,
    BytesToAddress,
    IsIpv4,
    IsIpv6,
    IsIpv4Compatible,
    IsIpv4Mapped,
    UuidToBytes,
    BytesToUuid,
    IsUuid,
}

/// The names this file types.
pub(super) const NAMES: [&str; 15] = [
    "TO_BASE64",
    "FROM_BASE64",
    "MD5",
    "SHA",
    "SHA1",
    "SHA2",
    "INET6_ATON",
    "INET6_NTOA",
    "IS_IPV4",
    "IS_IPV6",
    "IS_IPV4_COMPAT",
    "IS_IPV4_MAPPED",
    "UUID_TO_BIN",
    "BIN_TO_UUID",
    "IS_UUID",
];

/// From this version on the classic digests are a component that a server need not have.
const MYSQL_WITHOUT_CLASSIC_DIGESTS: (u32, u32, u32) = (9, 6, 0);

pub(super) fn resolve(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    if matches!(name, "UUID_TO_BIN" | "BIN_TO_UUID" | "IS_UUID") && context.is_mariadb() {
        return Err(Refusal::new(format!("{name} is not a function of this source"), "use UNHEX(REPLACE(.., '-', ''))"));
    }
    if matches!(name, "MD5" | "SHA" | "SHA1") && !context.is_mariadb() && context.catalog.version >= MYSQL_WITHOUT_CLASSIC_DIGESTS
    {
        return Err(Refusal::new(format!("{name} is not part of this version of MySQL"), "use SHA2(.., 256)"));
    }
    for argument in &arguments {
        crate::sql::types::printed::refuse_extreme_in_bytes(argument, context)?;
    }
    let is_digest = matches!(name, "MD5" | "SHA" | "SHA1" | "SHA2");
    let is_regexp = |expr: &Expr| matches!(expr.kind, ExprKind::Call { function: Function::Regexp(_), .. });
    if is_digest && !context.is_mariadb() && arguments.first().is_some_and(is_regexp) {
        return Err(Refusal::new(
            format!("{name} of a regular expression, which MySQL then matches by bytes"),
            format!("write {name}(CONCAT(.., ''))"),
        ));
    }
    if matches!(name, "UUID_TO_BIN" | "BIN_TO_UUID") {
        return uuid(name, arguments, span, context);
    }
    if name == "SHA2" {
        return sha2(arguments, span, context);
    }
    let [argument] = take(name, arguments)?;
    match name {
        "TO_BASE64" => {
            let bytes = byte_string(name, argument, context)?;
            let length = byte_length(&bytes, context).map(|length| {
                let letters = length.div_ceil(3).saturating_mul(4);
                letters.saturating_add(letters.saturating_sub(1) / 76)
            });
            Ok(text_node(Encoding::ToBase64, vec![bytes], length, context, span))
        }
        "FROM_BASE64" => {
            let text = to_text(argument, context)?;
            let length = byte_length(&text, context).map(|length| length.div_ceil(4).saturating_mul(3));
            Ok(bytes_node(Encoding::FromBase64, vec![text], length, span))
        }
        "MD5" => Ok(text_node(Encoding::Md5, vec![byte_string(name, argument, context)?], Some(32), context, span)),
        "SHA" | "SHA1" => Ok(text_node(Encoding::Sha1, vec![byte_string(name, argument, context)?], Some(40), context, span)),
        "INET6_ATON" => Ok(bytes_node(Encoding::AddressToBytes, vec![character_text(argument, context)?], Some(16), span)),
        "INET6_NTOA" => Ok(text_node(Encoding::BytesToAddress, vec![binary(name, argument)?], Some(39), context, span)),
        "IS_UUID" => Ok(call_node(Encoding::IsUuid, vec![character_text(argument, context)?], BOOLEAN, false, span)),
        "IS_IPV4" | "IS_IPV6" => {
            let kind = if name == "IS_IPV4" { Encoding::IsIpv4 } else { Encoding::IsIpv6 };
            Ok(without_null(call_node(kind, vec![character_text(argument, context)?], BOOLEAN, false, span), context))
        }
        _ => {
            let kind = if name == "IS_IPV4_COMPAT" { Encoding::IsIpv4Compatible } else { Encoding::IsIpv4Mapped };
            Ok(without_null(call_node(kind, vec![binary(name, argument)?], BOOLEAN, false, span), context))
        }
    }
}

/// NULL is no address on MariaDB: the answer is 0.
fn without_null(call: Expr, context: &TypeContext<'_>) -> Expr {
    if !context.is_mariadb() {
        return call;
    }
    let span = call.span.clone();
    let zero = node(ExprKind::Literal(Value::Int(0)), BOOLEAN, false, span.clone());
    node(ExprKind::Call { function: Function::Coalesce, arguments: vec![call, zero] }, BOOLEAN, false, span)
}

fn call_node(kind: Encoding, arguments: Vec<Expr>, data_type: DataType, nullable: bool, span: Span) -> Expr {
    let nullable = nullable || arguments.iter().any(|argument| argument.nullable);
    node(ExprKind::Call { function: Function::Encoding(kind), arguments }, data_type, nullable, span)
}

fn text_node(kind: Encoding, arguments: Vec<Expr>, length: Option<u32>, context: &TypeContext<'_>, span: Span) -> Expr {
    let data_type = match (made_up(0, context), length) {
        (DataType::Text { charset, collation, .. }, length) => DataType::Text { length, fixed: false, charset, collation },
        (other, _) => other,
    };
    call_node(kind, arguments, data_type, true, span)
}

fn bytes_node(kind: Encoding, arguments: Vec<Expr>, length: Option<u32>, span: Span) -> Expr {
    call_node(kind, arguments, DataType::Bytes { length, fixed: false }, true, span)
}

/// An argument whose bytes the source sees as we hold them.
fn byte_string(name: &str, argument: Expr, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    utf8_text(name, argument, context)
}

fn byte_length(expr: &Expr, context: &TypeContext<'_>) -> Option<u32> {
    // Numbers and dates print as ASCII.
    let is_string =
        matches!(expr.data_type, DataType::Text { .. } | DataType::Bytes { .. }) && !matches!(expr.kind, ExprKind::Cast(_));
    let width = if is_string { charset_width(&traits(expr, context).charset).unwrap_or(4) } else { 1 };
    text_length(expr).map(|length| length.saturating_mul(width))
}

fn binary(name: &str, argument: Expr) -> Result<Expr, Refusal> {
    match argument.data_type {
        DataType::Bytes { .. } => Ok(argument),
        ref other => Err(Refusal::new(
            format!("{name} takes a binary string, not {}", type_name(other)),
            "apply it to a BINARY column or to UNHEX(..)",
        )),
    }
}

fn sha2(arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let [text, bits] = take("SHA2", arguments)?;
    let Some(width) = constant_integer(&bits) else {
        return Err(Refusal::new("the width of SHA2 is not a constant", "write 224, 256, 384 or 512"));
    };
    if ![0, 224, 256, 384, 512].contains(&width) {
        return Err(Refusal::new(format!("SHA2 has no width of {width} bits"), "write 224, 256, 384 or 512"));
    }
    let length = if width == 0 { 64 } else { u32::try_from(width / 4).unwrap_or(64) };
    let parts = vec![byte_string("SHA2", text, context)?, to_integer(bits)?];
    Ok(text_node(Encoding::Sha2, parts, Some(length), context, span))
}

fn uuid(name: &str, mut arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    arity(name, &arguments, 1..=2)?;
    if arguments.len() == 1 {
        arguments.push(node(ExprKind::Literal(Value::Int(0)), BOOLEAN, false, span.clone()));
    }
    let [value, swap] = take(name, arguments)?;
    let swap = to_integer(swap)?;
    if name == "UUID_TO_BIN" {
        return Ok(bytes_node(Encoding::UuidToBytes, vec![character_text(value, context)?, swap], Some(16), span));
    }
    Ok(text_node(Encoding::BytesToUuid, vec![binary(name, value)?, swap], Some(36), context, span))
}

pub(super) fn call(kind: Encoding, expr: &Expr, values: &[Value]) -> Result<Value> {
    let Some(first) = values.first() else { return Err(mismatch("a notation of bytes")) };
    let bytes: &[u8] = match first {
        Value::Text(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        _ => return Err(mismatch("a notation of bytes")),
    };
    let second = values.get(1).map(coerce::integer).transpose()?.unwrap_or(0);
    let truth = |truth: bool| Value::Int(i64::from(truth));
    Ok(match kind {
        Encoding::ToBase64 => Value::text(to_base64(bytes)),
        Encoding::FromBase64 => from_base64(bytes).map_or(Value::Null, |bytes| Value::Bytes(bytes.into())),
        Encoding::Md5 => Value::text(hexadecimal(&Md5::digest(bytes))),
        Encoding::Sha1 => Value::text(hexadecimal(&Sha1::digest(bytes))),
        Encoding::Sha2 => sha2_value(bytes, second),
        Encoding::AddressToBytes => {
            addresses::parse(coerce::text(first)?).map_or(Value::Null, |address| Value::Bytes(address.into()))
        }
        Encoding::BytesToAddress => addresses::print(bytes).map_or(Value::Null, Value::text),
        Encoding::IsIpv4 => truth(addresses::parse_v4(coerce::text(first)?).is_some()),
        Encoding::IsIpv6 => truth(addresses::parse_v6(coerce::text(first)?).is_some()),
        Encoding::IsIpv4Compatible => truth(addresses::is_compatible(bytes)),
        Encoding::IsIpv4Mapped => truth(addresses::is_mapped(bytes)),
        Encoding::IsUuid => truth(uuid_bytes(coerce::text(first)?).is_some()),
        Encoding::UuidToBytes => match uuid_bytes(coerce::text(first)?) {
            Some(uuid) => Value::Bytes(swapped(uuid, second != 0).into()),
            None => return Err(no_value(expr, "UUID_TO_BIN of a string that is no UUID")),
        },
        Encoding::BytesToUuid => match <[u8; 16]>::try_from(bytes) {
            Ok(uuid) => Value::text(uuid_text(unswapped(uuid, second != 0))),
            Err(_) => return Err(no_value(expr, "BIN_TO_UUID of other than 16 bytes")),
        },
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha2_value(bytes: &[u8], bits: i128) -> Value {
    Value::text(match bits {
        224 => hexadecimal(&Sha224::digest(bytes)),
        0 | 256 => hexadecimal(&Sha256::digest(bytes)),
        384 => hexadecimal(&Sha384::digest(bytes)),
        512 => hexadecimal(&Sha512::digest(bytes)),
        _ => return Value::Null,
    })
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// With a line feed after every 76 letters, as the source writes it.
fn to_base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() / 3 * 4 + 8);
    for (index, group) in bytes.chunks(3).enumerate() {
        if index > 0 && index % 19 == 0 {
            out.push('\n');
        }
        let wide = group.iter().fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = (wide >> (18 - 6 * place)) & 63;
            let letter = ALPHABET.get(digit as usize).copied().unwrap_or(b'=');
            out.push(if place > group.len() { '=' } else { char::from(letter) });
        }
    }
    out
}

/// Blanks anywhere; full groups of four; nothing behind the padding. `None` for anything else.
fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let solid: Vec<u8> = text.iter().copied().filter(|byte| !matches!(byte, 9..=13 | b' ')).collect();
    if !solid.len().is_multiple_of(4) {
        return None;
    }
    let mut out = Vec::with_capacity(solid.len() / 4 * 3);
    let groups = solid.len() / 4;
    for (index, group) in solid.chunks(4).enumerate() {
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        if padding > 2 || (padding > 0 && index + 1 < groups) {
            return None;
        }
        let mut wide = 0_u32;
        for byte in group.iter().take(4 - padding) {
            let digit = ALPHABET.iter().position(|letter| letter == byte)?;
            wide = (wide << 6) | u32::try_from(digit).ok()?;
        }
        wide <<= 6 * padding;
        let [_, one, two, three] = wide.to_be_bytes();
        out.extend([one, two, three].iter().take(3 - padding));
    }
    Some(out)
}

/// 32 hexadecimal digits, with dashes at their places or without any; braces around the dashed form.
fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let digits: String = match text.len() {
        32 => text.to_owned(),
        38 => return uuid_bytes(text.strip_prefix('{')?.strip_suffix('}').filter(|inner| inner.len() == 36)?),
        36 => {
            let groups: Vec<&str> = text.split('-').collect();
            let widths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
            if widths != [8, 4, 4, 4, 12] {
                return None;
            }
            groups.concat()
        }
        _ => return None,
    };
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes)
}

/// The time parts turned around, so that values of one machine order by time.
fn swapped(uuid: [u8; 16], swap: bool) -> Vec<u8> {
    if !swap {
        return uuid.to_vec();
    }
    let (low, rest) = uuid.split_at(4);
    let (middle, rest) = rest.split_at(2);
    let (high, node) = rest.split_at(2);
    [high, middle, low, node].concat()
}

fn unswapped(bytes: [u8; 16], swap: bool) -> Vec<u8> {
    if !swap {
        return bytes.to_vec();
    }
    let (high, rest) = bytes.split_at(2);
    let (middle, rest) = rest.split_at(2);
    let (low, node) = rest.split_at(4);
    [low, middle, high, node].concat()
}

fn uuid_text(uuid: Vec<u8>) -> String {
    let digits = hexadecimal(&uuid);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or("").to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
