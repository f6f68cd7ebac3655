//! The collations of mapped columns and of literals, built from the weights that the server itself gives.
//!
//! In: collation names. Out: a [`Collation`] for each that is exact, nothing for the others: the binder refuses those by name. Exact means:
//! it belongs to a family whose comparison is "concatenate the weights of the characters, then compare, padded or not", and the
//! server confirms that on pairs of characters known to contract or reorder in the Unicode tables.

use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::error::{Error, Result};
use crate::schema::Flavor;
use crate::value::Collation;

use super::connect::Server;
use super::failure;
use super::names::{hex, literal};

/// How a family of collations compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// By code point.
    CodePoint,
    /// By weights; characters beyond U+FFFF all weigh the same.
    Plane0,
    /// By weights; characters beyond U+FFFF have their own.
    AllPlanes,
}

/// Characters that contract, reorder or combine with a neighbour in some version of the Unicode collation tables.
const NEIGHBOURS: &[&str] = &[
    "e\u{301}",
    "A\u{30a}",
    "o\u{308}",
    "ch",
    "Ll",
    "lj",
    "DZ",
    "nj",
    "aa",
    "ss",
    "ij",
    "\u{418}\u{306}",
    "\u{430}\u{308}",
    "\u{627}\u{653}",
    "\u{648}\u{654}",
    "\u{e40}\u{e01}",
    "\u{e44}\u{e2b}",
    "\u{ec0}\u{e81}",
    "\u{aab5}\u{aa80}",
    "\u{fb2}\u{f71}",
    "\u{fb3}\u{f80}",
    "\u{f71}\u{f72}",
    "\u{9c7}\u{9be}",
    "\u{b47}\u{b3e}",
    "\u{b92}\u{bd7}",
    "\u{bc6}\u{bbe}",
    "\u{c46}\u{c56}",
    "\u{cbf}\u{cd5}",
    "\u{d46}\u{d3e}",
    "\u{dd9}\u{dca}",
    "\u{1025}\u{102e}",
    "\u{1b05}\u{1b35}",
    "\u{1100}\u{1161}",
    "\u{1161}\u{11a8}",
    "\u{ac00}\u{11a8}",
    "\u{30ab}\u{3099}",
    "\u{304b}\u{ff9e}",
    "\u{30ab}\u{30fc}",
    "\u{304b}\u{309d}",
    "a ",
    " a",
    "\u{ac00} ",
    "\u{1f600}a",
    "\u{1f468}\u{200d}",
];

/// Builds the collation `name`, or nothing if it cannot be exact.
///
/// # Errors
/// Connection errors, and `Bug` if the server's weights cannot be understood.
pub async fn build(conn: &mut Conn, limit: Duration, server: &Server, name: &str) -> Result<Option<Collation>> {
    let Some(charset) = charset_of(name, server) else { return Ok(None) };
    let Some(family) = family(name, charset) else { return Ok(None) };
    let pads = pads(conn, limit, server, name).await?;
    let Some(pads) = pads else { return Ok(None) };
    if family == Family::CodePoint {
        return Ok(Some(Collation::binary(name, charset, pads)));
    }
    if !neighbours_are_independent(conn, limit, name, charset).await? {
        return Ok(None);
    }
    if family == Family::AllPlanes {
        return all_planes(conn, limit, name, charset, pads).await;
    }
    let weights = plane_weights(conn, limit, name, charset, 0).await?;
    let supplementary = if charset == "utf8mb4" { Some(weight(conn, limit, name, charset, "\u{1f600}").await?) } else { None };
    Ok(Some(Collation::weighted(name, charset, pads, weights, supplementary)))
}

/// Planes 4 to 16 hold nothing but ignorable characters and such as weigh by their code points, between the last ideograph and the
/// replacement character; only the former are read, and the latter are confirmed on samples.
async fn all_planes(conn: &mut Conn, limit: Duration, name: &str, charset: &str, pads: bool) -> Result<Option<Collation>> {
    let mut weights = Vec::new();
    for plane in 0..4 {
        weights.append(&mut plane_weights(conn, limit, name, charset, plane).await?);
    }
    let special = plane_weights(conn, limit, name, charset, 14).await?;
    let mut implicit: Vec<(char, Vec<u8>)> = Vec::new();
    for plane in 4..17_u32 {
        for offset in [0, 1, 0x7fff, 0x8000, 0xfffd] {
            let Some(character) = char::from_u32((plane << 16) + offset).filter(|_| plane != 14) else { continue };
            implicit.push((character, weight(conn, limit, name, charset, &character.to_string()).await?));
        }
    }
    let (ignorable, other): (Vec<_>, Vec<_>) = special.into_iter().partition(|(_, weight)| weight.is_empty());
    implicit.extend(other);
    implicit.sort();
    let increases = implicit.iter().zip(implicit.iter().skip(1)).all(|((_, left), (_, right))| left < right);
    let (Some((_, least)), Some((_, most))) = (implicit.first(), implicit.last()) else { return Ok(None) };
    let stands_apart = weights.iter().all(|(_, weight)| weight < least || weight > most);
    if !increases || !stands_apart {
        return Ok(None);
    }
    let least = least.clone();
    weights.extend(ignorable);
    Ok(Some(Collation::weighted_around(name, charset, pads, weights, &least)))
}

fn charset_of<'a>(name: &'a str, server: &Server) -> Option<&'a str> {
    match (name.split_once('_')?.0, server.flavor) {
        // A session may name these without their charset; columns carry the full name.
        ("uca1400", Flavor::MariaDb) => Some("utf8mb4"),
        (charset, _) => Some(charset),
    }
}

/// The families that a test compares with the server; everything else is left out.
fn family(name: &str, charset: &str) -> Option<Family> {
    let unicode = matches!(charset, "utf8mb4" | "utf8mb3" | "utf8");
    let rest = name.strip_prefix(charset).and_then(|rest| rest.strip_prefix('_')).unwrap_or(name);
    match rest {
        "bin" | "nopad_bin" | "0900_bin" if unicode || charset == "ascii" => Some(Family::CodePoint),
        "general_ci" | "general_nopad_ci" | "unicode_ci" | "unicode_nopad_ci" if unicode => Some(Family::Plane0),
        "unicode_520_ci" | "unicode_520_nopad_ci" | "0900_ai_ci" | "uca1400_ai_ci" | "uca1400_nopad_ai_ci" if unicode => {
            Some(if charset == "utf8mb4" { Family::AllPlanes } else { Family::Plane0 })
        }
        "bin" | "nopad_bin" if matches!(charset, "latin1" | "euckr") => Some(Family::Plane0),
        "swedish_ci" | "swedish_nopad_ci" | "general_ci" if charset == "latin1" => Some(Family::Plane0),
        "korean_ci" | "korean_nopad_ci" if charset == "euckr" => Some(Family::Plane0),
        "general_ci" | "general_nopad_ci" if charset == "ascii" => Some(Family::Plane0),
        _ => None,
    }
}

/// Whether the collation pads; `None` if the server does not have it.
async fn pads(conn: &mut Conn, limit: Duration, server: &Server, name: &str) -> Result<Option<bool>> {
    // MySQL before 8.0 has no PAD_ATTRIBUTE and pads always; MariaDB tells it in the name.
    let column = match server.flavor {
        Flavor::MariaDb if name.contains("nopad") => "'NO PAD'",
        Flavor::MySql if server.version >= (8, 0, 0) => "PAD_ATTRIBUTE",
        _ => "'PAD SPACE'",
    };
    let table = if name.contains("uca1400") { "COLLATION_CHARACTER_SET_APPLICABILITY" } else { "COLLATIONS" };
    let key = if name.contains("uca1400") { "FULL_COLLATION_NAME" } else { "COLLATION_NAME" };
    let sql = format!("SELECT {column} FROM information_schema.{table} WHERE {key} = {}", literal(name));
    let found: Option<String> =
        failure::within(limit, &format!("read the pad attribute of collation {name}"), conn.query_first(sql)).await?;
    Ok(found.map(|attribute| attribute == "PAD SPACE"))
}

fn weight_of(text: &str, name: &str, charset: &str) -> String {
    format!("HEX(WEIGHT_STRING(CONVERT(_utf8mb4 x'{}' USING {charset}) COLLATE {name}))", hex(text.as_bytes()))
}

async fn neighbours_are_independent(conn: &mut Conn, limit: Duration, name: &str, charset: &str) -> Result<bool> {
    let tests: Vec<String> = NEIGHBOURS
        .iter()
        .map(|pair| {
            let apart: Vec<String> = pair.chars().map(|c| weight_of(&c.to_string(), name, charset)).collect();
            format!("{} = CONCAT({})", weight_of(pair, name, charset), apart.join(", "))
        })
        .collect();
    let sql = format!("SELECT {}", tests.join(" AND "));
    let same: Option<Option<i64>> = failure::within(limit, &format!("test collation {name}"), conn.query_first(sql)).await?;
    Ok(same.flatten() == Some(1))
}

async fn weight(conn: &mut Conn, limit: Duration, name: &str, charset: &str, text: &str) -> Result<Vec<u8>> {
    let sql = format!("SELECT {}", weight_of(text, name, charset));
    let found: Option<Option<String>> =
        failure::within(limit, &format!("read a weight of collation {name}"), conn.query_first(sql)).await?;
    found
        .flatten()
        .and_then(|digits| unhex(&digits))
        .ok_or_else(|| Error::bug(format!("the server gave no weight for a character of collation {name}")))
}

/// The weights of one plane of 65,536 characters, those left out that the charset cannot hold.
async fn plane_weights(conn: &mut Conn, limit: Duration, name: &str, charset: &str, plane: u32) -> Result<Vec<(char, Vec<u8>)>> {
    let digits = (0..16)
        .map(|digit| if digit == 0 { "SELECT 0 AS d".to_owned() } else { format!("SELECT {digit}") })
        .collect::<Vec<_>>()
        .join(" UNION ALL ");
    let character = "CONVERT(UNHEX(LPAD(HEX(n), 8, '0')) USING utf32)";
    let sql = format!(
        "SELECT n, WEIGHT_STRING(CONVERT({character} USING {charset}) COLLATE {name}) FROM (SELECT {} + a.d * 4096 + b.d * 256 + c.d * 16 + e.d AS n \
         FROM ({digits}) a CROSS JOIN ({digits}) b CROSS JOIN ({digits}) c CROSS JOIN ({digits}) e) numbers \
         WHERE n NOT BETWEEN 55296 AND 57343 AND HEX(CONVERT(CONVERT({character} USING {charset}) USING utf32)) = LPAD(HEX(n), 8, '0')",
        plane << 16,
    );
    let rows: Vec<(u32, Option<Vec<u8>>)> =
        failure::within(limit, &format!("read the weights of collation {name}"), conn.query(sql)).await?;
    rows.into_iter()
        .map(|(code_point, weight)| {
            let character =
                char::from_u32(code_point).ok_or_else(|| Error::bug("the server counted a code point that is no character"))?;
            let weight =
                weight.ok_or_else(|| Error::bug(format!("the server gave no weight for a character of collation {name}")))?;
            Ok((character, weight))
        })
        .collect()
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    digits.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
