//! Searching strings by collation: LIKE, LOCATE, FIND_IN_SET, STRCMP.

use std::cmp::Ordering;

use crate::error::Result;
use crate::sql::functions::{Function, coerce, mismatch, no_value};
use crate::sql::query::Expr;
use crate::value::{Collation, Value};

pub(super) fn call(function: &Function, expr: &Expr, values: &[Value]) -> Result<Value> {
    let (Some(first), Some(second)) = (values.first(), values.get(1)) else { return Err(mismatch("a string search")) };
    let (first, second) = (coerce::text(first)?, coerce::text(second)?);
    Ok(Value::Int(match function {
        Function::Like { escape, collation } => i64::from(like_matches(first, second, *escape, collation)),
        Function::Locate { collation, by_bytes } => {
            let start = values.get(2).map(coerce::integer).transpose()?.unwrap_or(1);
            let found = locate(first, second, start, collation, Window::Bytes);
            if !by_bytes && found != locate(first, second, start, collation, Window::Characters) {
                return Err(no_value(expr, "a string is searched for letters that are equal but of other lengths"));
            }
            found
        }
        Function::FindInSet { collation } => find_in_set(first, second, collation),
        Function::StringCompare { collation } => match collation.compare(first, second) {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        },
        _ => return Err(mismatch("a string search")),
    }))
}

/// Whether two strings are equal by collation without padding: blanks at the end count.
fn equal_unpadded(left: &str, right: &str, collation: &Collation) -> bool {
    if left == right {
        return true;
    }
    if !collation.pads() {
        return collation.compare(left, right) == Ordering::Equal;
    }
    // The same letter behind both keeps the padding from hiding a difference in blanks.
    collation.compare(&format!("{left}x"), &format!("{right}x")) == Ordering::Equal
}

/// What the source compares a needle with: as many bytes as it has (MariaDB), or as many characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Window {
    Bytes,
    Characters,
}

fn locate(needle: &str, text: &str, start: i128, collation: &Collation, window: Window) -> i64 {
    let Some(skip) = usize::try_from(start - 1).ok() else { return 0 };
    if needle.is_empty() {
        return empty_needle(text, skip);
    }
    for (place, (from, _)) in text.char_indices().enumerate().skip(skip) {
        let rest = text.get(from..).unwrap_or("");
        let end = match window {
            Window::Bytes => needle.len(),
            Window::Characters => rest.char_indices().nth(needle.chars().count()).map_or(rest.len(), |(end, _)| end),
        };
        let Some(candidate) = rest.get(..end) else { continue };
        if equal_unpadded(candidate, needle, collation) {
            return i64::try_from(place + 1).unwrap_or(0);
        }
    }
    0
}

/// An empty string is found at once where the text still goes on, and in an empty text.
fn empty_needle(text: &str, skip: usize) -> i64 {
    let found = skip == 0 || skip < text.chars().count();
    if found { i64::try_from(skip + 1).unwrap_or(0) } else { 0 }
}

fn find_in_set(needle: &str, list: &str, collation: &Collation) -> i64 {
    if list.is_empty() || needle.contains(',') {
        return 0;
    }
    let place = list.split(',').position(|item| equal_unpadded(item, needle, collation));
    place.and_then(|place| i64::try_from(place + 1).ok()).unwrap_or(0)
}

/// One element of a LIKE pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Exactly(char),
}

/// Whether `text` is LIKE `pattern`, character by character under the collation; blanks at the end count.
#[must_use]
pub fn like_matches(text: &str, pattern: &str, escape: Option<char>, collation: &Collation) -> bool {
    let parts = parts(pattern, escape);
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut part) = (0, 0);
    // Where to go on after a mismatch: behind the last `%`, one character further.
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        let fits = match (parts.get(part), text.get(at)) {
            (Some(Part::Any), _) => {
                retry = Some((part + 1, at));
                part += 1;
                continue;
            }
            (Some(Part::One), Some(_)) => true,
            (Some(Part::Exactly(wanted)), Some(found)) => same_character(*wanted, *found, collation),
            _ => false,
        };
        if fits {
            at += 1;
            part += 1;
        } else if let Some((behind, from)) = retry {
            retry = Some((behind, from + 1));
            part = behind;
            at = from + 1;
        } else {
            return false;
        }
    }
    parts.get(part..).is_some_and(|rest| rest.iter().all(|part| *part == Part::Any))
}

fn parts(pattern: &str, escape: Option<char>) -> Vec<Part> {
    let mut parts = Vec::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        parts.push(if Some(character) == escape {
            // An escape character at the very end stands for itself.
            Part::Exactly(characters.next().unwrap_or(character))
        } else {
            match character {
                '%' => Part::Any,
                '_' => Part::One,
                other => Part::Exactly(other),
            }
        });
    }
    parts
}

fn same_character(left: char, right: char, collation: &Collation) -> bool {
    if left == right {
        return true;
    }
    let (mut one, mut two) = ([0; 4], [0; 4]);
    equal_unpadded(left.encode_utf8(&mut one), right.encode_utf8(&mut two), collation)
}
