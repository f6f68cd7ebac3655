//! Strings spelled out of bits, codes and sounds: MAKE_SET, EXPORT_SET, CHAR, ORD, QUOTE, SOUNDEX.

use crate::error::Result;
use crate::schema::DataType;
use crate::sql::functions::text_resolve::{character_text, text_node, utf8_text};
use crate::sql::functions::{Function, arity, coerce, mismatch, no_value, take};
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::{BIGINT, Refusal, TypeContext, aggregate_text, literal_string, node, text_length, to_integer};
use crate::value::Value;

/// A function that spells a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the SQL function of its name")]
pub enum Spelling {
    MakeSet,
    ExportSet,
    Characters,
    Ordinal,
    Quote,
    Soundex,
}

/// The names this file types.
pub(super) const NAMES: [&str; 6] = ["MAKE_SET", "EXPORT_SET", "CHAR", "ORD", "QUOTE", "SOUNDEX"];

pub(super) fn resolve(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    match name {
        "MAKE_SET" => make_set(arguments, span, context),
        "EXPORT_SET" => export_set(arguments, span, context),
        "CHAR" => {
            arity(name, &arguments, 1..=usize::MAX)?;
            let codes = arguments.into_iter().map(to_integer).collect::<Result<Vec<_>, _>>()?;
            let length = u32::try_from(codes.len()).ok().map(|codes| codes.saturating_mul(4));
            let call = ExprKind::Call { function: Function::Spelling(Spelling::Characters), arguments: codes };
            Ok(node(call, DataType::Bytes { length, fixed: false }, false, span))
        }
        "ORD" if context.is_mariadb() => Err(Refusal::new(
            "ORD, which MariaDB holds for a number of seven digits in derived tables and groups",
            "write CAST(CONV(HEX(LEFT(.., 1)), 16, 10) AS UNSIGNED)",
        )),
        "ORD" => {
            let [text] = take(name, arguments)?;
            let text = utf8_text(name, character_text(text, context)?, context)?;
            let nullable = text.nullable;
            let call = ExprKind::Call { function: Function::Spelling(Spelling::Ordinal), arguments: vec![text] };
            Ok(node(call, BIGINT, nullable, span))
        }
        "QUOTE" => {
            let [text] = take(name, arguments)?;
            let text = character_text(text, context)?;
            let length = text_length(&text).map(|length| length.saturating_mul(2).saturating_add(2).max(4));
            let mut call = inherited(Spelling::Quote, vec![text], length, 1, span, context)?;
            call.nullable = false;
            Ok(call)
        }
        _ => {
            let [text] = take(name, arguments)?;
            let text = utf8_text(name, character_text(text, context)?, context)?;
            let length = text_length(&text).map(|length| length.max(4));
            inherited(Spelling::Soundex, vec![text], length, 1, span, context)
        }
    }
}

/// A call whose collation is that of its last `texts` arguments.
fn inherited(
    kind: Spelling,
    arguments: Vec<Expr>,
    length: Option<u32>,
    texts: usize,
    span: Span,
    context: &TypeContext<'_>,
) -> Result<Expr, Refusal> {
    let parts: Vec<&Expr> = arguments.iter().skip(arguments.len().saturating_sub(texts)).collect();
    let traits = aggregate_text(&parts, context)?;
    Ok(text_node(Function::Spelling(kind), arguments, length, traits.charset, traits.collation, span))
}

fn make_set(arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    arity("MAKE_SET", &arguments, 2..=usize::MAX)?;
    let mut arguments = arguments.into_iter();
    let Some(bits) = arguments.next() else { return Err(Refusal::new("MAKE_SET takes bits and strings", "")) };
    super::bits::refuse_wide(&bits, "MAKE_SET")?;
    let nullable = bits.nullable;
    let mut parts = vec![to_integer(bits)?];
    for text in arguments {
        if !context.is_mariadb() && matches!(text.kind, ExprKind::Call { function: Function::Json(_), .. }) {
            return Err(Refusal::new("MAKE_SET of a JSON value, which MySQL loses in places", "write CONCAT(..) around it"));
        }
        if context.is_mariadb() && text.nullable && matches!(text.kind, ExprKind::Call { .. } | ExprKind::Case { .. }) {
            return Err(Refusal::new(
                "MAKE_SET of a computed string that may be NULL, of which MariaDB shows what it had computed so far",
                "write COALESCE(.., '') around it, or CONCAT_WS(',', ..) with a condition for each",
            ));
        }
        parts.push(character_text(text, context)?);
    }
    let texts = parts.len() - 1;
    let separators = u32::try_from(texts.saturating_sub(1)).unwrap_or(u32::MAX);
    let length = parts.iter().skip(1).map(text_length).try_fold(separators, |total, one| Some(total.saturating_add(one?)));
    let mut call = inherited(Spelling::MakeSet, parts, length, texts, span, context)?;
    call.nullable = nullable;
    Ok(call)
}

fn export_set(mut arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    arity("EXPORT_SET", &arguments, 3..=5)?;
    let count = if arguments.len() == 5 { arguments.pop() } else { None };
    if arguments.len() == 3 {
        arguments.push(literal_string(",", span.clone(), context));
    }
    let [bits, on, off, separator] = take("EXPORT_SET", arguments)?;
    super::bits::refuse_wide(&bits, "EXPORT_SET")?;
    let texts = [on, off, separator].map(|text| character_text(text, context));
    let [on, off, separator] = texts;
    let (on, off, separator) = (on?, off?, separator?);
    let longest = text_length(&on).zip(text_length(&off)).map(|(on, off)| on.max(off));
    let length = longest
        .zip(text_length(&separator))
        .map(|(longest, separator)| longest.saturating_mul(64).saturating_add(separator.saturating_mul(63)));
    let count = count.unwrap_or_else(|| node(ExprKind::Literal(Value::Int(64)), BIGINT, false, span.clone()));
    inherited(Spelling::ExportSet, vec![to_integer(bits)?, to_integer(count)?, on, off, separator], length, 3, span, context)
}

pub(super) fn call(kind: Spelling, expr: &Expr, values: &[Value]) -> Result<Value> {
    let Some(first) = values.first() else { return Err(mismatch("a spelling")) };
    match kind {
        Spelling::MakeSet => spell_set(first, values.get(1..).unwrap_or(&[])),
        Spelling::Characters => characters(values),
        Spelling::Quote if first.is_null() => Ok(Value::text("NULL")),
        _ if values.iter().any(Value::is_null) => Ok(Value::Null),
        Spelling::Quote => Ok(Value::text(quoted(coerce::text(first)?))),
        Spelling::ExportSet => spell_bits(expr, values),
        Spelling::Ordinal => {
            let lead = coerce::text(first)?.chars().next();
            let mut buffer = [0; 4];
            let code = lead
                .map_or(0, |lead| lead.encode_utf8(&mut buffer).bytes().fold(0_i64, |code, byte| (code << 8) | i64::from(byte)));
            Ok(Value::Int(code))
        }
        Spelling::Soundex => Ok(Value::text(soundex(coerce::text(first)?))),
    }
}

/// The 64 bits of an integer.
fn bits_of(value: &Value) -> Result<u64> {
    let wide = coerce::integer(value)?;
    u64::try_from(wide.rem_euclid(1 << 64)).map_err(|_| mismatch("bits"))
}

fn spell_set(bits: &Value, texts: &[Value]) -> Result<Value> {
    if bits.is_null() {
        return Ok(Value::Null);
    }
    let bits = bits_of(bits)?;
    let mut parts = Vec::new();
    for (place, text) in (0_u32..64).zip(texts) {
        if bits >> place & 1 == 1 && !text.is_null() {
            parts.push(coerce::text(text)?);
        }
    }
    Ok(Value::text(parts.join(",")))
}

fn spell_bits(expr: &Expr, values: &[Value]) -> Result<Value> {
    let [bits, count, on, off, separator] = values else { return Err(mismatch("EXPORT_SET")) };
    let bits = bits_of(bits)?;
    let count = u32::try_from(coerce::integer(count)?).ok().filter(|count| *count <= 64).unwrap_or(64);
    let (on, off) = (coerce::text(on)?, coerce::text(off)?);
    let parts: Vec<&str> = (0..count).map(|place| if bits >> place & 1 == 1 { on } else { off }).collect();
    let text = parts.join(coerce::text(separator)?);
    if text.len() > super::text::RESULT_BYTES_MAX {
        return Err(no_value(expr, "a string of more than 16 MiB is made"));
    }
    Ok(Value::text(text))
}

/// The bytes of codes without their leading zeros; NULLs are left out.
fn characters(codes: &[Value]) -> Result<Value> {
    let mut bytes = Vec::new();
    for code in codes.iter().filter(|code| !code.is_null()) {
        let low = u32::try_from(coerce::integer(code)?.rem_euclid(1 << 32)).map_err(|_| mismatch("CHAR"))?;
        let kept = (4 - low.leading_zeros() as usize / 8).max(1);
        bytes.extend(low.to_be_bytes().iter().skip(4 - kept));
    }
    Ok(Value::Bytes(bytes.into()))
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for character in text.chars() {
        match character {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            '\u{1a}' => out.push_str("\\Z"),
            other => out.push(other),
        }
    }
    out.push('\'');
    out
}

/// The sound of a letter: vowels and letters beyond ASCII are 0.
fn sound(letter: char) -> char {
    const SOUNDS: &str = "01230120022455012623010202";
    let place = u32::from(letter.to_ascii_uppercase()).checked_sub(u32::from('A'));
    place.and_then(|place| SOUNDS.chars().nth(usize::try_from(place).ok()?)).unwrap_or('0')
}

/// The source's own variant: as long as the word needs, at least four; characters from U+00C0 on are letters without a sound.
fn soundex(text: &str) -> String {
    let mut letters = text.chars().filter(|letter| letter.is_ascii_alphabetic() || u32::from(*letter) >= 0xc0);
    let Some(first) = letters.next() else { return String::new() };
    let mut out = String::from(first.to_ascii_uppercase());
    let mut last = sound(first);
    let mut count = 1;
    for letter in letters {
        let own = sound(letter);
        if own != '0' && own != last {
            out.push(own);
            count += 1;
            last = own;
        }
    }
    out.extend(std::iter::repeat_n('0', 4_usize.saturating_sub(count)));
    out
}
