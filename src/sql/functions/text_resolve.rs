//! Result types of the string functions.

use crate::schema::DataType;
use crate::sql::functions::case_map::CaseMap;
use crate::sql::functions::text::ByteWidth;
use crate::sql::functions::{Function, arity, take};
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types::{
    BOOLEAN, Refusal, TypeContext, aggregate_text, collation, constant, node, text_length, to_integer, to_text,
};
use crate::value::Value;

/// Types a string function; gives the arguments back if `name` is none of them.
pub(super) fn resolve(
    name: &str,
    arguments: Vec<Expr>,
    span: Span,
    context: &TypeContext<'_>,
) -> Result<Result<Expr, Vec<Expr>>, Refusal> {
    let typed = match name {
        "CONCAT" => concat(arguments, span, context),
        "CONCAT_WS" => concat_separated(arguments, span, context),
        "LEFT" | "RIGHT" => left_or_right(name, arguments, span, context),
        "SUBSTRING" | "SUBSTR" | "MID" => substring(name, arguments, span, context),
        "SUBSTRING_INDEX" => {
            let [text, delimiter, times] = take(name, arguments)?;
            let arguments = vec![to_text(text, context)?, to_text(delimiter, context)?, to_integer(times)?];
            let length = arguments.first().and_then(text_length);
            text_call(Function::SubstringIndex, arguments, 2, length, span, context)
        }
        "TRIM" | "TRIM_BOTH" => trim(true, true, arguments, span, context),
        "LTRIM" | "TRIM_LEADING" => trim(true, false, arguments, span, context),
        "RTRIM" | "TRIM_TRAILING" => trim(false, true, arguments, span, context),
        "UPPER" | "UCASE" | "LOWER" | "LCASE" => change_case(name, arguments, span, context),
        "LENGTH" | "OCTET_LENGTH" => byte_length(name, arguments, span, context),
        "CHAR_LENGTH" | "CHARACTER_LENGTH" => {
            let [text] = take(name, arguments)?;
            number(Function::CharacterLength, vec![to_text(text, context)?], span)
        }
        "REPLACE" => replace(arguments, span, context),
        "LPAD" | "RPAD" => pad(name, arguments, span, context),
        "REPEAT" => {
            let [text, times] = take(name, arguments)?;
            repeat(to_text(text, context)?, times, span, context)
        }
        "SPACE" => {
            let [times] = take(name, arguments)?;
            repeat(crate::sql::types::literal_string(" ", span.clone(), context), times, span, context)
        }
        "REVERSE" => {
            let [text] = take(name, arguments)?;
            let text = to_text(text, context)?;
            let length = text_length(&text);
            text_call(Function::Reverse, vec![text], 1, length, span, context)
        }
        "INSERT" => insert(arguments, span, context),
        "LOCATE" | "POSITION" => {
            arity(name, &arguments, 2..=3)?;
            locate(arguments, span, context)
        }
        "INSTR" => {
            let [text, needle] = take(name, arguments)?;
            locate(vec![needle, text], span, context)
        }
        "FIND_IN_SET" | "STRCMP" => find(name, arguments, span, context),
        "ASCII" => ascii(arguments, span, context),
        "HEX" => hex(arguments, span, context),
        "UNHEX" => {
            let [text] = take(name, arguments)?;
            let text = to_text(text, context)?;
            let length = text_length(&text).map(|length| length.saturating_mul(4).div_ceil(2));
            let data_type = DataType::Bytes { length, fixed: false };
            Ok(node(ExprKind::Call { function: Function::Unhex, arguments: vec![text] }, data_type, true, span))
        }
        _ => return Ok(Err(arguments)),
    };
    typed.map(Ok)
}

fn ascii(arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    if context.is_mariadb() {
        return Err(Refusal::new(
            "ASCII, which MariaDB holds for a number of two digits beside decimals",
            "write CAST(CONV(HEX(LEFT(.., 1)), 16, 10) AS UNSIGNED)",
        ));
    }
    let [text] = take("ASCII", arguments)?;
    number(Function::Ascii, vec![utf8_text("ASCII", text, context)?], span)
}

fn texts(arguments: Vec<Expr>, context: &TypeContext<'_>) -> Result<Vec<Expr>, Refusal> {
    arguments.into_iter().map(|argument| character_text(argument, context)).collect()
}

/// An argument as a character string; binary strings are refused, for their characters are bytes.
pub(super) fn character_text(argument: Expr, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let text = to_text(argument, context)?;
    if matches!(text.data_type, DataType::Bytes { .. }) {
        return Err(Refusal::new("a binary string is used in a string function", "map the column as it is, or use HEX"));
    }
    Ok(text)
}

pub(super) fn text_node(
    function: Function,
    arguments: Vec<Expr>,
    length: Option<u32>,
    charset: String,
    collation: String,
    span: Span,
) -> Expr {
    let nullable = arguments.iter().any(|argument| argument.nullable);
    let data_type = DataType::Text { length, fixed: false, charset, collation };
    node(ExprKind::Call { function, arguments }, data_type, nullable, span)
}

/// A call whose result takes its collation from the first `texts` arguments.
fn text_call(
    function: Function,
    arguments: Vec<Expr>,
    texts: usize,
    length: Option<u32>,
    span: Span,
    context: &TypeContext<'_>,
) -> Result<Expr, Refusal> {
    let parts: Vec<&Expr> = arguments.iter().take(texts).collect();
    if parts.iter().any(|part| matches!(part.data_type, DataType::Bytes { .. })) {
        return Err(Refusal::new("a binary string is used in a string function", "map the column as it is, or use HEX"));
    }
    let traits = aggregate_text(&parts, context)?;
    Ok(text_node(function, arguments, length, traits.charset, traits.collation, span))
}

fn number(function: Function, arguments: Vec<Expr>, span: Span) -> Result<Expr, Refusal> {
    if arguments.iter().any(|argument| matches!(argument.data_type, DataType::Bytes { .. })) {
        return Err(Refusal::new("a binary string is used in a string function", "map the column as it is, or use HEX"));
    }
    let nullable = arguments.iter().any(|argument| argument.nullable);
    Ok(node(ExprKind::Call { function, arguments }, BOOLEAN, nullable, span))
}

/// A string of ASCII that a function makes up, in the connection's collation.
pub(super) fn made_up(length: u32, context: &TypeContext<'_>) -> DataType {
    let collation = context.catalog.session.collation_connection.clone();
    let charset = crate::sql::types::charset_of(&collation).to_owned();
    DataType::Text { length: Some(length), fixed: false, charset, collation }
}

fn total_length<'a>(parts: impl Iterator<Item = &'a Expr>) -> Option<u32> {
    parts.map(text_length).try_fold(0, |total: u32, one| Some(total.saturating_add(one?)))
}

fn concat(arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    arity("CONCAT", &arguments, 1..=usize::MAX)?;
    refuse_constant_moments(&arguments, context)?;
    let arguments = texts(arguments, context)?;
    let (count, length) = (arguments.len(), total_length(arguments.iter()));
    text_call(Function::Concat, arguments, count, length, span, context)
}

/// MySQL keeps the text of a constant moment in a place that the next number of CONCAT is written to.
fn refuse_constant_moments(arguments: &[Expr], context: &TypeContext<'_>) -> Result<(), Refusal> {
    if context.is_mariadb() || !arguments.iter().any(holds_constant_moment) {
        return Ok(());
    }
    Err(Refusal::new("a constant date and time that is cast to CHAR in CONCAT, which MySQL writes over", "write it as a string"))
}

fn holds_constant_moment(expr: &Expr) -> bool {
    let is_moment = |expr: &Expr| matches!(expr.kind, ExprKind::Literal(Value::DateTime(_)));
    match &expr.kind {
        ExprKind::Cast(inner) => is_moment(inner) || holds_constant_moment(inner),
        ExprKind::Call { function: Function::CastText { .. }, arguments } if arguments.iter().any(is_moment) => true,
        ExprKind::Call { arguments, .. } => arguments.iter().any(holds_constant_moment),
        _ => false,
    }
}

fn concat_separated(arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    arity("CONCAT_WS", &arguments, 2..=usize::MAX)?;
    refuse_constant_moments(&arguments, context)?;
    let arguments = texts(arguments, context)?;
    let separators = u32::try_from(arguments.len().saturating_sub(2)).unwrap_or(u32::MAX);
    let separator_length = arguments.first().and_then(text_length);
    let length = total_length(arguments.iter().skip(1))
        .zip(separator_length)
        .map(|(parts, separator)| parts.saturating_add(separator.saturating_mul(separators)));
    let nullable = arguments.first().is_some_and(|separator| separator.nullable);
    let count = arguments.len();
    let mut call = text_call(Function::ConcatSeparated, arguments, count, length, span, context)?;
    call.nullable = nullable;
    Ok(call)
}

pub(super) fn constant_integer(expr: &Expr) -> Option<i64> {
    match constant(expr) {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    }
}

fn shorter(own: Option<u32>, limit: Option<i64>) -> Option<u32> {
    match limit.map(|limit| u32::try_from(limit.max(0)).unwrap_or(u32::MAX)) {
        Some(limit) => Some(own.map_or(limit, |own| own.min(limit))),
        None => own,
    }
}

fn left_or_right(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let [text, count] = take(name, arguments)?;
    let text = to_text(text, context)?;
    let length = shorter(text_length(&text), constant_integer(&count));
    let function = if name == "LEFT" { Function::Left } else { Function::Right };
    text_call(function, vec![text, to_integer(count)?], 1, length, span, context)
}

fn substring(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    arity(name, &arguments, 2..=3)?;
    let mut arguments = arguments.into_iter();
    let (Some(text), Some(position), count) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err(Refusal::new(format!("{name} takes 2 or 3 arguments"), ""));
    };
    let text = to_text(text, context)?;
    let mut length = text_length(&text);
    if let (Some(own), Some(position)) = (length, constant_integer(&position)) {
        let skipped = if position < 0 {
            own.saturating_sub(u32::try_from(-position).unwrap_or(u32::MAX))
        } else {
            u32::try_from(position - 1).unwrap_or(0)
        };
        length = Some(own.saturating_sub(skipped));
    }
    length = shorter(length, count.as_ref().and_then(constant_integer));
    let mut arguments = vec![text, to_integer(position)?];
    if let Some(count) = count {
        arguments.push(to_integer(count)?);
    }
    text_call(Function::Substring, arguments, 1, length, span, context)
}

fn trim(leading: bool, trailing: bool, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    arity("TRIM", &arguments, 1..=2)?;
    let arguments = texts(arguments, context)?;
    let (count, length) = (arguments.len(), arguments.first().and_then(text_length));
    text_call(Function::Trim { leading, trailing }, arguments, count, length, span, context)
}

fn change_case(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let [text] = take(name, arguments)?;
    let text = character_text(text, context)?;
    let own = crate::sql::types::traits(&text, context).collation;
    let Some(map) = CaseMap::of(&own) else {
        return Err(Refusal::new(
            format!("the upper and lower case letters of the collation {own} are not known here"),
            "name a collation whose are, e.g. with COLLATE utf8mb4_general_ci",
        ));
    };
    let function = if matches!(name, "UPPER" | "UCASE") { Function::Upper { map } } else { Function::Lower { map } };
    let length = text_length(&text);
    text_call(function, vec![text], 1, length, span, context)
}

fn byte_length(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let [text] = take(name, arguments)?;
    let text = to_text(text, context)?;
    let own = crate::sql::types::traits(&text, context).charset;
    let charset = match own.as_str() {
        "binary" => ByteWidth::Binary,
        "utf8mb4" | "utf8mb3" | "utf8" | "ascii" => ByteWidth::Utf8,
        "latin1" => ByteWidth::Single,
        "euckr" => ByteWidth::AsciiOrTwo,
        _ => return Err(Refusal::new(format!("the length of {own} strings in bytes is not known here"), "use CHAR_LENGTH")),
    };
    let nullable = text.nullable;
    Ok(node(ExprKind::Call { function: Function::Length { charset }, arguments: vec![text] }, BOOLEAN, nullable, span))
}

/// A string whose bytes the source sees as we hold them: UTF-8.
pub(super) fn utf8_text(name: &str, argument: Expr, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let text = to_text(argument, context)?;
    let charset = crate::sql::types::traits(&text, context).charset;
    if matches!(charset.as_str(), "utf8mb4" | "utf8mb3" | "utf8" | "ascii" | "binary") {
        return Ok(text);
    }
    Err(Refusal::new(format!("{name} shows the bytes of a {charset} string"), "convert it with CONVERT(.. USING utf8mb4)"))
}

fn replace(arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let [text, from, to] = take("REPLACE", arguments)?;
    let arguments = texts(vec![text, from, to], context)?;
    let lengths: Option<Vec<u32>> = arguments.iter().map(text_length).collect();
    let length = match lengths.as_deref() {
        Some([own, from, to]) if *from > 0 && to > from => {
            // MySQL declares no more than it had, and cuts a longer result where it makes a temporary table of it.
            Some(if context.is_mariadb() { (own / from).saturating_mul(*to) } else { *own })
        }
        Some([own, ..]) => Some(*own),
        _ => None,
    };
    text_call(Function::Replace, arguments, 3, length, span, context)
}

fn pad(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    arity(name, &arguments, if context.is_mariadb() { 2..=3 } else { 3..=3 })?;
    let mut arguments = arguments.into_iter();
    let (Some(text), Some(length), padding) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err(Refusal::new(format!("{name} takes 2 or 3 arguments"), ""));
    };
    if padding.as_ref().and_then(constant) == Some(&Value::text("")) {
        return Err(Refusal::new(format!("{name} pads with nothing, which servers do differently"), "write what to pad with"));
    }
    let text = character_text(text, context)?;
    let characters = constant_integer(&length);
    let bound = characters.map(|length| u32::try_from(length.max(0)).unwrap_or(u32::MAX));
    let mut parts = vec![text, to_integer(length)?];
    let mut texts = vec![0];
    if let Some(padding) = padding {
        parts.push(character_text(padding, context)?);
        texts.push(2);
    }
    let strings: Vec<&Expr> = texts.iter().filter_map(|place| parts.get(*place)).collect();
    let traits = aggregate_text(&strings, context)?;
    let function = if name == "LPAD" { Function::PadLeft } else { Function::PadRight };
    let mut call = text_node(function, parts, bound, traits.charset, traits.collation, span);
    call.nullable |= characters.is_none_or(|length| length < 0);
    Ok(call)
}

fn repeat(text: Expr, times: Expr, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let times_constant = constant_integer(&times).map(|times| u32::try_from(times.max(0)).unwrap_or(u32::MAX));
    let length = text_length(&text).zip(times_constant).map(|(own, times)| own.saturating_mul(times));
    text_call(Function::Repeat, vec![text, to_integer(times)?], 1, length, span, context)
}

fn insert(arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let [text, position, length, new] = take("INSERT", arguments)?;
    let (text, new) = (character_text(text, context)?, character_text(new, context)?);
    let longest = text_length(&text).zip(text_length(&new)).map(|(one, two)| one.saturating_add(two));
    let traits = aggregate_text(&[&text, &new], context)?;
    let arguments = vec![text, to_integer(position)?, to_integer(length)?, new];
    Ok(text_node(Function::Insert, arguments, longest, traits.charset, traits.collation, span))
}

fn locate(arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let mut arguments = arguments.into_iter();
    let (Some(needle), Some(text), start) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err(Refusal::new("LOCATE takes 2 or 3 arguments", ""));
    };
    let (needle, text) = (character_text(needle, context)?, character_text(text, context)?);
    let traits = aggregate_text(&[&needle, &text], context)?;
    if !matches!(traits.charset.as_str(), "utf8mb4" | "utf8mb3" | "utf8") {
        return Err(Refusal::new(
            format!("a search inside {} strings is not carried exactly", traits.charset),
            "convert with CONVERT(.. USING utf8mb4)",
        ));
    }
    if !context.is_mariadb() && crate::sql::types::traits(&text, context).collation != traits.collation {
        return Err(Refusal::new(
            format!(
                "a search by the collation {} of what is searched for, which MySQL does not heed everywhere",
                traits.collation
            ),
            format!("give the text searched in that collation, e.g. with COLLATE {}", traits.collation),
        ));
    }
    let may_be_empty = constant(&needle).is_none_or(|needle| *needle == Value::text(""));
    if start.is_some() && may_be_empty {
        return Err(Refusal::new(
            "a start position with a needle that may be empty, which servers do differently",
            "search for a constant",
        ));
    }
    let collation = collation(&traits.collation, context)?;
    let mut parts = vec![needle, text];
    if let Some(start) = start {
        parts.push(to_integer(start)?);
    }
    number(Function::Locate { collation, by_bytes: context.is_mariadb() }, parts, span)
}

fn find(name: &str, arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let [one, two] = take(name, arguments)?;
    let parts = texts(vec![one, two], context)?;
    let traits = aggregate_text(&parts.iter().collect::<Vec<_>>(), context)?;
    let collation = collation(&traits.collation, context)?;
    let function = if name == "STRCMP" { Function::StringCompare { collation } } else { Function::FindInSet { collation } };
    number(function, parts, span)
}

fn hex(arguments: Vec<Expr>, span: Span, context: &TypeContext<'_>) -> Result<Expr, Refusal> {
    let [value] = take("HEX", arguments)?;
    let (value, length) = match &value.data_type {
        DataType::Integer { .. } | DataType::Decimal { .. } | DataType::Year | DataType::Bit { .. } => {
            super::bits::refuse_wide(&value, "HEX")?;
            (to_integer(value)?, Some(16))
        }
        _ => {
            let text = utf8_text("HEX", value, context)?;
            let width = crate::sql::types::charset_width(&crate::sql::types::traits(&text, context).charset).unwrap_or(4);
            let length = text_length(&text).map(|length| length.saturating_mul(2 * width));
            (text, length)
        }
    };
    let connection = context.catalog.session.collation_connection.clone();
    let charset = crate::sql::types::charset_of(&connection).to_owned();
    Ok(text_node(Function::Hex, vec![value], length, charset, connection, span))
}
