//! Numbers as the source writes and packs them: CONV, BIN, OCT, FORMAT, BIT_COUNT, INTERVAL(..), PERIOD_ADD, PERIOD_DIFF,
//! INET_ATON, INET_NTOA and CRC32.

use std::cmp::Ordering;

use crate::error::Result;
use crate::schema::DataType;
use crate::sql::functions::text_resolve::{character_text, constant_integer, made_up, utf8_text};
use crate::sql::functions::{Function, arity, coerce, mismatch, no_value, take};
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::{
    BIGINT, BIGINT_UNSIGNED, BOOLEAN, NumericClass, Refusal, TypeContext, node, numeric, to_integer, to_text, type_name,
};
use crate::value::{Decimal, Value};

/// A function between numbers and their notations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the SQL function of its name; `lenient` is MariaDB's reading")]
pub enum Numeral {
    Convert,
    BitCount,
    Format { places_max: u16 },
    IntervalIndex,
    PeriodAdd { lenient: bool },
    PeriodDifference { lenient: bool },
    AddressToNumber { lenient: bool },
    NumberToAddress,
    Crc32,
}

/// The names this file types.
pub(super) const NAMES: [&str; 12] = [
    "CONV",
    "BIN",
    "OCT",
    "BIT_COUNT",
    "FORMAT",
    "INTERVAL",
    "PERIOD_ADD",
    "PERIOD_DIFF",
    "INET_ATON",
    "INET_NTOA",
    "CRC32",
    "BIT_LENGTH",
];

pub(super) fn resolve(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let lenient = context.is_mariadb();
    match name {
        "CONV" => {
            let [number, from, to] = take(name, arguments)?;
            let parts = vec![character_text(number, context)?, to_integer(from)?, to_integer(to)?];
            Ok(call_node(Numeral::Convert, parts, made_up(64, context), true, span))
        }
        "BIN" | "OCT" => {
            let [number] = take(name, arguments)?;
            let number = if matches!(number.data_type, DataType::Bit { .. }) { plain_integer(number) } else { number };
            let constant = |value| node(ExprKind::Literal(Value::Int(value)), BIGINT, false, span.clone());
            let parts = vec![character_text(number, context)?, constant(10), constant(if name == "BIN" { 2 } else { 8 })];
            Ok(call_node(Numeral::Convert, parts, made_up(64, context), true, span))
        }
        "BIT_COUNT" => {
            let [bits] = take(name, arguments)?;
            exact_number(name, &bits)?;
            super::bits::refuse_wide(&bits, "BIT_COUNT")?;
            Ok(call_node(Numeral::BitCount, vec![to_integer(bits)?], BOOLEAN, false, span))
        }
        "FORMAT" => format(arguments, span, context),
        "INTERVAL" => interval(arguments, span),
        "PERIOD_ADD" | "PERIOD_DIFF" => {
            let [one, two] = take(name, arguments)?;
            let kind = if name == "PERIOD_ADD" { Numeral::PeriodAdd { lenient } } else { Numeral::PeriodDifference { lenient } };
            Ok(call_node(kind, vec![to_integer(one)?, to_integer(two)?], BIGINT, false, span))
        }
        "INET_ATON" => {
            let [text] = take(name, arguments)?;
            Ok(call_node(Numeral::AddressToNumber { lenient }, vec![character_text(text, context)?], BIGINT_UNSIGNED, true, span))
        }
        "INET_NTOA" => {
            let [number] = take(name, arguments)?;
            Ok(call_node(Numeral::NumberToAddress, vec![to_integer(number)?], made_up(15, context), true, span))
        }
        "BIT_LENGTH" => {
            let bytes = super::resolve("LENGTH", arguments, span.clone(), context)?;
            let eight = node(ExprKind::Literal(Value::Int(8)), BOOLEAN, false, span.clone());
            let mut bits = super::resolve("*", vec![bytes, eight], span, context)?;
            bits.data_type = BIGINT;
            Ok(bits)
        }
        _ => {
            let [bytes] = take(name, arguments)?;
            let bytes = utf8_text(name, to_text(bytes, context)?, context)?;
            Ok(call_node(Numeral::Crc32, vec![bytes], DataType::Integer { bits: 32, unsigned: true }, false, span))
        }
    }
}

fn call_node(kind: Numeral, arguments: Vec<Expr>, data_type: DataType, nullable: bool, span: Span) -> Expr {
    let nullable = nullable || arguments.iter().any(|argument| argument.nullable);
    node(ExprKind::Call { function: Function::Numeral(kind), arguments }, data_type, nullable, span)
}

fn plain_integer(expr: Expr) -> Expr {
    let (nullable, span) = (expr.nullable, expr.span.clone());
    node(ExprKind::Cast(Box::new(expr)), BIGINT_UNSIGNED, nullable, span)
}

/// Refuses strings and floating point, whose digits the source rounds in its own way.
fn exact_number(name: &str, expr: &Expr) -> Result<(), Refusal> {
    match numeric(expr) {
        Some(own) if own.class != NumericClass::Double => Ok(()),
        _ => Err(Refusal::new(
            format!("{name} of {} is not carried exactly", type_name(&expr.data_type)),
            "convert the argument with CAST(.. AS SIGNED) or CAST(.. AS DECIMAL(p,s))",
        )),
    }
}

/// FORMAT(number, places) with the separators of `en_US`.
fn format(mut arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    arity("FORMAT", &arguments, 2..=3)?;
    if arguments.len() == 3 {
        let is_english = arguments.pop().is_some_and(|locale| {
            matches!(crate::sql::types::constant(&locale), Some(Value::Text(name)) if name.eq_ignore_ascii_case("en_US"))
        });
        if !is_english {
            return Err(Refusal::new("FORMAT in another language than en_US is not carried exactly", "leave the locale out"));
        }
    }
    let [number, places] = take("FORMAT", arguments)?;
    exact_number("FORMAT", &number)?;
    let places_max = if context.is_mariadb() { 38 } else { 30 };
    let own = numeric(&number).map_or(20, |own| own.integral());
    let shown = constant_integer(&places).map_or(places_max, |places| u16::try_from(places.max(0)).unwrap_or(0).min(places_max));
    let length = u32::from(own + own / 3 + 1 + shown);
    let nullable = places.nullable;
    let parts = vec![crate::sql::types::to_decimal(crate::sql::types::settle(number))?, to_integer(places)?];
    Ok(call_node(Numeral::Format { places_max }, parts, made_up(length, context), nullable, span))
}

fn interval(arguments: Vec<Expr>, span: Span) -> Result<Expr, Refusal> {
    arity("INTERVAL", &arguments, 2..=usize::MAX)?;
    if arguments.len() > 8 {
        return Err(Refusal::new(
            "INTERVAL over more than seven limits is searched by halving, which differs for unsorted limits",
            "write CASE WHEN",
        ));
    }
    let mut numbers = Vec::with_capacity(arguments.len());
    for argument in arguments {
        exact_number("INTERVAL", &argument)?;
        numbers.push(crate::sql::types::to_decimal(crate::sql::types::settle(argument))?);
    }
    let call = ExprKind::Call { function: Function::Numeral(Numeral::IntervalIndex), arguments: numbers };
    Ok(node(call, BOOLEAN, false, span))
}

pub(super) fn call(kind: Numeral, expr: &Expr, values: &[Value]) -> Result<Value> {
    match (kind, values) {
        (Numeral::IntervalIndex, _) => interval_index(values),
        (Numeral::Convert, [number, from, to]) => {
            Ok(convert(coerce::text(number)?, coerce::integer(from)?, coerce::integer(to)?).map_or(Value::Null, Value::text))
        }
        (Numeral::BitCount, [bits]) => {
            let (Value::Int(_) | Value::UInt(_)) = bits else { return Err(mismatch("BIT_COUNT")) };
            let wide = coerce::integer(bits)?;
            let negative_bits = if wide < 0 { wide.rem_euclid(1 << 64) } else { wide };
            Ok(Value::Int(i64::from(negative_bits.count_ones())))
        }
        (Numeral::Format { places_max }, [number, places]) => {
            let places = u16::try_from(coerce::integer(places)?.max(0)).unwrap_or(u16::MAX).min(places_max);
            Ok(Value::text(grouped(&coerce::rescale(&coerce::decimal(number)?, places))))
        }
        (Numeral::PeriodAdd { lenient }, [period, months]) => {
            period_add(expr, coerce::integer(period)?, coerce::integer(months)?, lenient)
        }
        (Numeral::PeriodDifference { lenient }, [one, two]) => {
            let months = |value: &Value| months_of(expr, coerce::integer(value)?, lenient);
            i64::try_from(months(one)? - months(two)?).map(Value::Int).map_err(|_| mismatch("PERIOD_DIFF"))
        }
        (Numeral::AddressToNumber { lenient }, [text]) => {
            Ok(address_to_number(coerce::text(text)?, lenient).map_or(Value::Null, Value::UInt))
        }
        (Numeral::NumberToAddress, [number]) => {
            let address = u32::try_from(coerce::integer(number)?).ok().map(std::net::Ipv4Addr::from);
            Ok(address.map_or(Value::Null, |address| Value::text(address.to_string())))
        }
        (Numeral::Crc32, [bytes]) => {
            let bytes: &[u8] = match bytes {
                Value::Text(text) => text.as_bytes(),
                Value::Bytes(bytes) => bytes,
                _ => return Err(mismatch("CRC32")),
            };
            Ok(Value::UInt(u64::from(crc32fast::hash(bytes))))
        }
        _ => Err(mismatch("a function of numbers")),
    }
}

/// A number from one base in another, as the C library reads it: blanks, a sign, then digits as far as they belong to the base.
/// A negative base reads or writes signed numbers.
fn convert(text: &str, from: i128, to: i128) -> Option<String> {
    let base = |wanted: i128| u32::try_from(wanted.unsigned_abs()).ok().filter(|base| (2..=36).contains(base));
    let (from_base, to_base) = (base(from)?, base(to)?);
    if text.is_empty() {
        return None;
    }
    let trimmed = text.trim_start_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    let (negative, digits) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let magnitude = digits
        .chars()
        .map_while(|digit| digit.to_digit(from_base))
        .fold(0_u128, |sum, digit| (sum * u128::from(from_base) + u128::from(digit)).min(u128::from(u64::MAX) + 1));
    let bits = read_bits(magnitude, negative, from < 0);
    Some(if to < 0 && bits.cast_signed() < 0 {
        format!("-{}", in_base(bits.cast_signed().unsigned_abs(), to_base))
    } else {
        in_base(bits, to_base)
    })
}

fn read_bits(magnitude: u128, negative: bool, signed: bool) -> u64 {
    if signed {
        let limit = if negative { 1_u128 << 63 } else { (1_u128 << 63) - 1 };
        let kept = u64::try_from(magnitude.min(limit)).unwrap_or(u64::MAX);
        return if negative { kept.wrapping_neg() } else { kept };
    }
    match u64::try_from(magnitude) {
        Ok(kept) if negative => kept.wrapping_neg(),
        Ok(kept) => kept,
        Err(_) => u64::MAX,
    }
}

fn in_base(mut number: u64, base: u32) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(number % u64::from(base)).unwrap_or(0);
        digits.push(char::from_digit(digit, base).unwrap_or('0').to_ascii_uppercase());
        number /= u64::from(base);
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

/// Thousands between commas.
fn grouped(number: &Decimal) -> String {
    let text = number.to_string();
    let (sign, unsigned) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, fraction) = unsigned.split_once('.').map_or((unsigned, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut out = String::from(sign);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// How many of the limits the first number reaches; NULL limits are stepped over, a NULL number is -1.
fn interval_index(values: &[Value]) -> Result<Value> {
    let Some((number, limits)) = values.split_first() else { return Err(mismatch("INTERVAL")) };
    if number.is_null() {
        return Ok(Value::Int(-1));
    }
    let number = coerce::decimal(number)?;
    for (index, limit) in (0_i64..).zip(limits) {
        if !limit.is_null() && coerce::decimal(limit)?.compare(&number) == Ordering::Greater {
            return Ok(Value::Int(index));
        }
    }
    Ok(Value::Int(i64::try_from(limits.len()).unwrap_or(i64::MAX)))
}

/// Months since the year 0 of a period `YYMM` or `YYYYMM`. MySQL calls some periods an error that MariaDB computes with.
fn months_of(expr: &Expr, period: i128, lenient: bool) -> Result<i128> {
    let (year, month) = (period / 100, period % 100);
    if period == 0 && lenient {
        return Ok(0);
    }
    if !(1..=12).contains(&month) || period <= 0 || period > 999_912 {
        return Err(no_value(expr, "a period without a month from 01 to 12"));
    }
    let year = match year {
        0..70 => year + 2000,
        70..100 => year + 1900,
        _ => year,
    };
    Ok(year * 12 + month - 1)
}

fn period_add(expr: &Expr, period: i128, months: i128, lenient: bool) -> Result<Value> {
    if period == 0 && lenient {
        return Ok(Value::Int(0));
    }
    let sum = months_of(expr, period, lenient)? + months;
    let (year, month) = (sum / 12, sum % 12 + 1);
    // Before the year 100 the servers guess a century, and below zero they wrap.
    if !(1200..=119_999).contains(&sum) {
        return Err(no_value(expr, "a period outside of the years 100 to 9999 is computed"));
    }
    i64::try_from(year * 100 + month).map(Value::Int).map_err(|_| mismatch("PERIOD_ADD"))
}

/// Dotted numbers as the source packs them: short forms fill up in the middle. MariaDB goes on past four numbers.
fn address_to_number(text: &str, lenient: bool) -> Option<u64> {
    let mut result = 0_u64;
    let mut byte = 0_u64;
    let mut dots = 0;
    for character in text.bytes() {
        match character {
            b'0'..=b'9' => {
                byte = byte * 10 + u64::from(character - b'0');
                if byte > 255 {
                    return None;
                }
            }
            b'.' => {
                dots += 1;
                result = result.wrapping_shl(8).wrapping_add(byte);
                byte = 0;
            }
            _ => return None,
        }
    }
    if text.is_empty() || text.ends_with('.') || (dots > 3 && !lenient) {
        return None;
    }
    let filled = match dots {
        1 => result.wrapping_shl(16),
        2 => result.wrapping_shl(8),
        _ => result,
    };
    Some(filled.wrapping_shl(8).wrapping_add(byte))
}
