//! Charset, collation and length of strings: which operand's collation wins, and how long the result can be.

use crate::schema::DataType;
use crate::sql::query::{Expr, ExprKind};
use crate::sql::types::numeric::integer_digits;
use crate::sql::types::{Refusal, TypeContext, numeric};
use crate::value::Value;

/// The source's coercibility: the smaller number wins.
const EXPLICIT: u8 = 0;
const IMPLICIT: u8 = 2;
const COERCIBLE: u8 = 4;
const NUMERIC: u8 = 5;
const IGNORABLE: u8 = 6;

/// Whether a string can hold anything but ASCII; ASCII strings convert to every charset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repertoire {
    /// ASCII alone.
    Ascii,
    /// Anything.
    Full,
}

/// Charset, collation and how strongly they are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextTraits {
    /// Charset by the source's name; `binary` for binary strings.
    pub charset: String,
    /// Collation by the source's name; `binary` for binary strings.
    pub collation: String,
    /// Coercibility, 0 (COLLATE clause) to 6 (NULL).
    pub derivation: u8,
    /// Which characters may occur.
    pub repertoire: Repertoire,
}

impl TextTraits {
    fn is_unicode(&self) -> bool {
        matches!(self.charset.as_str(), "utf8mb4" | "utf8mb3" | "utf8" | "ucs2" | "utf16" | "utf32")
    }

    fn is_supplementary(&self) -> bool {
        matches!(self.charset.as_str(), "utf8mb4" | "utf16" | "utf32")
    }

    fn is_binary(&self) -> bool {
        self.charset == "binary"
    }

    fn is_code_point_order(&self) -> bool {
        self.collation.ends_with("_bin")
    }
}

/// The charset that a collation belongs to.
#[must_use]
pub fn charset_of(collation: &str) -> &str {
    collation.split('_').next().unwrap_or(collation)
}

/// The most bytes that one character takes; `None` for a charset we do not know.
#[must_use]
pub fn charset_width(charset: &str) -> Option<u32> {
    match charset {
        "utf8mb4" | "utf16" | "utf32" => Some(4),
        "utf8mb3" | "utf8" | "ujis" | "eucjpms" => Some(3),
        "euckr" | "ucs2" | "sjis" | "cp932" | "gbk" | "big5" | "gb2312" => Some(2),
        "latin1" | "latin2" | "latin5" | "latin7" | "ascii" | "binary" | "cp1250" | "cp1251" | "cp1256" | "cp1257" | "koi8r"
        | "koi8u" | "greek" | "hebrew" | "tis620" => Some(1),
        _ => None,
    }
}

/// The text traits of an expression used as a string.
#[must_use]
pub fn traits(expr: &Expr, context: &TypeContext<'_>) -> TextTraits {
    let (charset, collation) = match &expr.data_type {
        DataType::Text { charset, collation, .. }
        | DataType::Enum { charset, collation, .. }
        | DataType::Set { charset, collation, .. } => (charset.clone(), collation.clone()),
        DataType::Bytes { .. } => ("binary".to_owned(), "binary".to_owned()),
        _ => {
            let collation = context.catalog.session.collation_connection.clone();
            (charset_of(&collation).to_owned(), collation)
        }
    };
    let (derivation, repertoire) = strength(expr, context);
    TextTraits { charset, collation, derivation, repertoire }
}

fn strength(expr: &Expr, context: &TypeContext<'_>) -> (u8, Repertoire) {
    if !matches!(
        expr.data_type,
        DataType::Text { .. } | DataType::Enum { .. } | DataType::Set { .. } | DataType::Bytes { .. } | DataType::Null
    ) {
        return (NUMERIC, Repertoire::Ascii);
    }
    match &expr.kind {
        ExprKind::Literal(Value::Null) => (IGNORABLE, Repertoire::Ascii),
        ExprKind::Literal(Value::Text(text)) if text.is_ascii() => (COERCIBLE, Repertoire::Ascii),
        ExprKind::Literal(_) => (COERCIBLE, Repertoire::Full),
        ExprKind::Cast(inner) => strength(inner, context),
        ExprKind::Case { branches, otherwise } => {
            weakest(branches.iter().map(|(_, result)| result).chain(otherwise.as_deref()), context)
        }
        ExprKind::ScalarSubquery(select) => weakest(select.outputs.iter(), context),
        ExprKind::Call { function, arguments } => match function.collation_strength() {
            // MariaDB does not know that these make digits and letters of ASCII alone.
            Some((derivation, _)) if context.is_mariadb() && function.is_of_any_letters() => (derivation, Repertoire::Full),
            Some(strength) => strength,
            None => weakest(arguments.iter(), context),
        },
        _ => (IMPLICIT, Repertoire::Full),
    }
}

fn weakest<'a>(parts: impl Iterator<Item = &'a Expr>, context: &TypeContext<'_>) -> (u8, Repertoire) {
    let mut derivation = IGNORABLE;
    let mut repertoire = Repertoire::Ascii;
    for part in parts {
        let (one, reach) = strength(part, context);
        derivation = derivation.min(one);
        if reach == Repertoire::Full {
            repertoire = Repertoire::Full;
        }
    }
    (derivation, repertoire)
}

/// The strength of an explicit `CAST(.. AS CHAR)`.
pub(crate) const CAST_STRENGTH: (u8, Repertoire) = (IMPLICIT, Repertoire::Full);
/// The strength of `COLLATE`.
pub(crate) const COLLATE_STRENGTH: (u8, Repertoire) = (EXPLICIT, Repertoire::Full);
/// The strength of strings that functions make up, such as HEX.
pub(crate) const MADE_UP_STRENGTH: (u8, Repertoire) = (COERCIBLE, Repertoire::Ascii);

/// The charset and collation of a string made from `parts`, as the source aggregates collations.
///
/// # Errors
/// Where the source would call the mix illegal, or where two collations of one charset meet and neither is named.
pub fn aggregate_text(parts: &[&Expr], context: &TypeContext<'_>) -> Result<TextTraits, Refusal> {
    let Some((first, rest)) = parts.split_first() else {
        return Err(Refusal::new("no string to take a collation from", ""));
    };
    let mut left = traits(first, context);
    for part in rest {
        let right = traits(part, context);
        let repertoire = if left.repertoire == Repertoire::Full { left.repertoire } else { right.repertoire };
        left = if takes_right(&left, &right)? { right } else { left };
        left.repertoire = repertoire;
    }
    for part in parts {
        converts(part, &left, context)?;
    }
    Ok(left)
}

/// Checks that a constant can be written in the charset that won; the source calls the mix illegal otherwise.
fn converts(part: &Expr, winner: &TextTraits, context: &TypeContext<'_>) -> Result<(), Refusal> {
    let own = traits(part, context);
    if own.charset == winner.charset || own.repertoire == Repertoire::Ascii || winner.is_unicode() || winner.is_binary() {
        return Ok(());
    }
    let encoding = match winner.charset.as_str() {
        "euckr" => Some(encoding_rs::EUC_KR),
        "latin1" => Some(encoding_rs::WINDOWS_1252),
        _ => None,
    };
    match (super::constant(part), encoding) {
        (Some(Value::Text(text)), Some(encoding)) if !encoding.encode(text).2 => Ok(()),
        _ => Err(illegal_mix(winner, &own)),
    }
}

/// Whether the right operand's collation wins.
fn takes_right(left: &TextTraits, right: &TextTraits) -> Result<bool, Refusal> {
    if left.charset != right.charset {
        return if left.is_binary() {
            Ok(right.derivation < left.derivation)
        } else if right.is_binary() {
            Ok(right.derivation <= left.derivation)
        } else if is_superset(left, right) {
            Ok(false)
        } else if is_superset(right, left) {
            Ok(true)
        } else if left.derivation < right.derivation && right.derivation >= COERCIBLE {
            Ok(false)
        } else if right.derivation < left.derivation && left.derivation >= COERCIBLE {
            Ok(true)
        } else {
            Err(illegal_mix(left, right))
        };
    }
    if left.derivation != right.derivation {
        return Ok(right.derivation < left.derivation);
    }
    if left.collation == right.collation {
        return Ok(false);
    }
    match (left.derivation == EXPLICIT, left.is_code_point_order(), right.is_code_point_order()) {
        (false, true, false) => Ok(false),
        (false, false, true) => Ok(true),
        _ => Err(illegal_mix(left, right)),
    }
}

fn is_superset(left: &TextTraits, right: &TextTraits) -> bool {
    let stronger = left.derivation < right.derivation;
    let level = left.derivation == right.derivation;
    let wider = !right.is_unicode() || (left.is_supplementary() && !right.is_supplementary());
    (left.is_unicode() && (stronger || (level && wider)))
        || (right.repertoire == Repertoire::Ascii && (stronger || (level && left.repertoire != Repertoire::Ascii)))
}

fn illegal_mix(left: &TextTraits, right: &TextTraits) -> Refusal {
    Refusal::new(
        format!("the collations {} and {} meet here and neither of them wins", left.collation, right.collation),
        format!("say which one is meant, e.g. with COLLATE {}", right.collation),
    )
}

/// The most characters an expression has as a string; `None` where its type has no bound worth keeping.
#[must_use]
pub fn text_length(expr: &Expr) -> Option<u32> {
    match &expr.data_type {
        DataType::Null => Some(0),
        DataType::Text { length, .. } | DataType::Bytes { length, .. } => *length,
        DataType::Enum { labels, .. } => labels.iter().map(|label| characters(label)).max(),
        DataType::Set { labels, .. } => {
            let separators = u32::try_from(labels.len()).ok()?.saturating_sub(1);
            Some(labels.iter().map(|label| characters(label)).sum::<u32>().saturating_add(separators))
        }
        DataType::Date => Some(10),
        DataType::DateTime { fraction } | DataType::Timestamp { fraction } => Some(19 + fraction_width(*fraction)),
        DataType::Time { fraction } => Some(10 + fraction_width(*fraction)),
        DataType::Year => Some(4),
        DataType::Integer { bits, unsigned } => match &expr.kind {
            ExprKind::Literal(Value::Int(value)) => Some(characters(&value.to_string())),
            ExprKind::Literal(Value::UInt(value)) => Some(characters(&value.to_string())),
            _ if *bits == 64 => Some(20),
            _ if *bits == 24 && !unsigned => Some(9),
            _ => Some(u32::from(integer_digits(*bits, *unsigned)) + u32::from(!unsigned)),
        },
        DataType::Decimal { .. } => {
            let traits = numeric(expr)?;
            Some(u32::from(traits.precision) + u32::from(traits.scale > 0) + u32::from(!traits.unsigned))
        }
        _ => None,
    }
}

fn fraction_width(fraction: u8) -> u32 {
    if fraction == 0 { 0 } else { u32::from(fraction) + 1 }
}

fn characters(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}
