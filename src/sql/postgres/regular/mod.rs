//! The operators and functions of regular expressions, with constant patterns that are read once when a mapping is bound.
//!
//! In: a text and the pattern of the call. Out: what `regexp.c` answers, for the patterns of [`syntax`].

mod search;
mod syntax;

use search::{Found, Search};
pub use syntax::{Expression, similar};

use super::array;
use super::kind::Kind::{self, Bool, Bpchar, Int4, Text, TextArray};
use super::routine::{Arguments, Compute, Fault, Routine, WRONG};
use crate::sql::types::Refusal;
use crate::value::Value;

const fn row(name: &'static str, arguments: &'static [Kind], result: Kind, compute: Compute) -> Routine {
    Routine { name, arguments, result, strict: true, compute: Some(compute) }
}

/// The rows.
pub static ROWS: &[Routine] = &[
    row("~", &[Text, Text], Bool, |a| tested(a, true)),
    row("~", &[Bpchar, Text], Bool, |a| tested(a, true)),
    row("~*", &[Text, Text], Bool, |a| tested(a, true)),
    row("~*", &[Bpchar, Text], Bool, |a| tested(a, true)),
    row("!~", &[Text, Text], Bool, |a| tested(a, false)),
    row("!~", &[Bpchar, Text], Bool, |a| tested(a, false)),
    row("!~*", &[Text, Text], Bool, |a| tested(a, false)),
    row("!~*", &[Bpchar, Text], Bool, |a| tested(a, false)),
    row("regexp_like", &[Text, Text], Bool, |a| tested(a, true)),
    row("regexp_like", &[Text, Text, Text], Bool, |a| tested(a, true)),
    row("regexp_count", &[Text, Text], Int4, counted),
    row("regexp_count", &[Text, Text, Int4], Int4, counted),
    row("regexp_count", &[Text, Text, Int4, Text], Int4, counted),
    row("regexp_match", &[Text, Text], TextArray, matched),
    row("regexp_match", &[Text, Text, Text], TextArray, matched),
    row("substring", &[Text, Text], Text, |a| part(a, 0, 1, 1)),
    row("regexp_substr", &[Text, Text], Text, |a| part(a, 0, 1, 0)),
    row("regexp_substr", &[Text, Text, Int4], Text, |a| part(a, start(a, 2)?, 1, 0)),
    row("regexp_substr", &[Text, Text, Int4, Int4], Text, |a| part(a, start(a, 2)?, a.int(3)?, 0)),
    row("regexp_substr", &[Text, Text, Int4, Int4, Text], Text, |a| part(a, start(a, 2)?, a.int(3)?, 0)),
    row("regexp_substr", &[Text, Text, Int4, Int4, Text, Int4], Text, |a| part(a, start(a, 2)?, a.int(3)?, a.int(5)?)),
    row("regexp_instr", &[Text, Text], Int4, placed),
    row("regexp_instr", &[Text, Text, Int4], Int4, placed),
    row("regexp_instr", &[Text, Text, Int4, Int4], Int4, placed),
    row("regexp_instr", &[Text, Text, Int4, Int4, Int4], Int4, placed),
    row("regexp_instr", &[Text, Text, Int4, Int4, Int4, Text], Int4, placed),
    row("regexp_instr", &[Text, Text, Int4, Int4, Int4, Text, Int4], Int4, placed),
    row("regexp_replace", &[Text, Text, Text], Text, |a| replaced(a, 0, 1)),
    row("regexp_replace", &[Text, Text, Text, Text], Text, |a| replaced(a, 0, i64::from(!compiled(a)?.global))),
    row("regexp_replace", &[Text, Text, Text, Int4], Text, |a| replaced(a, start(a, 3)?, 1)),
    row("regexp_replace", &[Text, Text, Text, Int4, Int4], Text, |a| replaced(a, start(a, 3)?, a.int(4)?)),
    row("regexp_replace", &[Text, Text, Text, Int4, Int4, Text], Text, |a| replaced(a, start(a, 3)?, a.int(4)?)),
    row("regexp_split_to_array", &[Text, Text], TextArray, split),
    row("regexp_split_to_array", &[Text, Text, Text], TextArray, split),
    row("similar to", &[Text, Text], Bool, |a| tested(a, true)),
    row("similar to", &[Bpchar, Text], Bool, |a| tested(a, true)),
];

/// A pattern as a call has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    expression: Expression,
    global: bool,
}

/// Whether a routine takes a regular expression as its second argument.
#[must_use]
pub fn takes_pattern(routine: &Routine) -> bool {
    routine.compute.is_some() && ROWS.contains(routine)
}

/// Reads the pattern of a call; `flags`: the text of its flags, `similar`: a pattern of SIMILAR TO.
///
/// # Errors
/// A pattern or flags that are not carried, or a pattern whose parts the routine asks for and that are not told exactly.
pub fn compile(routine: &Routine, pattern: &str, flags: &str) -> Result<Compiled, Refusal> {
    let mut folds = routine.name.ends_with('*');
    let mut global = false;
    for flag in flags.chars() {
        match flag {
            'i' => folds = true,
            'c' => folds = false,
            'g' if matches!(routine.name, "regexp_replace") => global = true,
            other => {
                return Err(Refusal::new(
                    format!("the flag {other} of {} is not carried exactly", routine.name),
                    "use the flags i, c and, for regexp_replace, g",
                ));
            }
        }
    }
    let expression = syntax::read(pattern, folds)?;
    let only_asks = routine.result == Bool;
    if expression.is_lazy && !only_asks {
        return Err(Refusal::new(
            "which text a lazy quantifier takes is not carried exactly",
            "write a greedy one over a narrower class, for example [^>]* for .*?",
        ));
    }
    if expression.unclear_groups && asks_for_groups(routine) {
        return Err(Refusal::new(
            "what a repeated group captures is not carried exactly",
            "write (?:..) for groups that are repeated",
        ));
    }
    Ok(Compiled { expression, global })
}

fn asks_for_groups(routine: &Routine) -> bool {
    matches!(routine.name, "regexp_match" | "substring" | "regexp_replace" | "regexp_substr" | "regexp_instr")
}

/// Where the flags of a routine stand among its arguments.
#[must_use]
pub fn flags_at(routine: &Routine) -> Option<usize> {
    let mut texts = routine.arguments.iter().enumerate().skip(2).filter(|(_, kind)| **kind == Text).map(|(index, _)| index);
    match routine.name {
        "regexp_replace" => texts.next_back().filter(|index| *index > 2),
        "substring" => None,
        _ => texts.next_back(),
    }
}

/// Whether the classes of the locale or both cases of letters matter to a call.
#[must_use]
pub fn asks_locale(compiled: &Compiled) -> bool {
    compiled.expression.has_named || compiled.expression.folds
}

fn compiled<'a>(a: &Arguments<'a>) -> Result<&'a Compiled, Fault> {
    a.call.pattern.as_deref().ok_or(WRONG)
}

fn search<'a>(a: &Arguments<'a>) -> Result<Search<'a>, Fault> {
    Search::new(&compiled(a)?.expression, a.text(0)?, a.call.ascii_case)
}

/// A start position, from one, as a place from zero.
fn start(a: &Arguments<'_>, index: usize) -> Result<usize, Fault> {
    let number = a.int(index)?;
    if number <= 0 { Err("invalid value for parameter start") } else { usize::try_from(number - 1).map_err(|_| WRONG) }
}

fn tested(a: &Arguments<'_>, wanted: bool) -> Result<Value, Fault> {
    Ok(Value::Bool(search(a)?.is_match() == wanted))
}

/// All matches from a place on. An empty match moves on by one character.
fn matches<'s>(search: &'s Search<'_>, from: usize) -> impl Iterator<Item = Found> + 's {
    let mut at = from;
    std::iter::from_fn(move || {
        let found = if at <= search.len() { search.find(at) } else { None }?;
        at = if found.0 == found.1 { found.1 + 1 } else { found.1 };
        Some(found)
    })
}

fn counted(a: &Arguments<'_>) -> Result<Value, Fault> {
    let from = if a.values.len() > 2 { start(a, 2)? } else { 0 };
    let search = search(a)?;
    i64::try_from(matches(&search, from).count()).map(Value::Int).map_err(|_| WRONG)
}

fn slice(text: &str, (start, end): Found) -> String {
    text.chars().skip(start).take(end - start).collect()
}

/// The first match: its groups, or all of it where there are none.
fn matched(a: &Arguments<'_>) -> Result<Value, Fault> {
    let search = search(a)?;
    let text = a.text(0)?;
    let Some(found) = search.find(0) else { return Ok(Value::Null) };
    let groups = search.groups(found);
    let parts: Vec<Option<String>> = if groups.is_empty() {
        vec![Some(slice(text, found))]
    } else {
        groups.into_iter().map(|group| group.map(|group| slice(text, group))).collect()
    };
    Ok(Value::text(array::write(&parts)))
}

/// Where the n-th match or a group of it is; the match itself is group 0.
fn place(a: &Arguments<'_>, from: usize, number: i64, group: i64) -> Result<Option<Found>, Fault> {
    if number <= 0 {
        return Err("invalid value for parameter n");
    }
    if group < 0 {
        return Err("invalid value for parameter subexpr");
    }
    let search = search(a)?;
    let index = usize::try_from(number - 1).map_err(|_| WRONG)?;
    let Some(found) = matches(&search, from).nth(index) else { return Ok(None) };
    if group == 0 {
        return Ok(Some(found));
    }
    let group = usize::try_from(group - 1).map_err(|_| WRONG)?;
    Ok(search.groups(found).get(group).copied().flatten())
}

fn part(a: &Arguments<'_>, from: usize, number: i64, group: i64) -> Result<Value, Fault> {
    // substring(text from pattern) shows the first group, if there is one.
    let group = if a.call.routine.name == "substring" && compiled(a)?.expression.groups == 0 { 0 } else { group };
    let text = a.text(0)?;
    Ok(place(a, from, number, group)?.map_or(Value::Null, |found| Value::text(slice(text, found))))
}

fn placed(a: &Arguments<'_>) -> Result<Value, Fault> {
    let option = |index: usize, default: i64| if a.values.len() > index { a.int(index) } else { Ok(default) };
    let from = if a.values.len() > 2 { start(a, 2)? } else { 0 };
    let behind = match option(4, 0)? {
        0 => false,
        1 => true,
        _ => return Err("invalid value for parameter endoption"),
    };
    let found = place(a, from, option(3, 1)?, option(6, 0)?)?;
    let at = found.map_or(0, |(start, end)| if behind { end + 1 } else { start + 1 });
    i64::try_from(at).map(Value::Int).map_err(|_| WRONG)
}

/// Replaces the n-th match from a place on; all of them where n is 0.
fn replaced(a: &Arguments<'_>, from: usize, number: i64) -> Result<Value, Fault> {
    let number = usize::try_from(number).map_err(|_| "invalid value for parameter n")?;
    let search = search(a)?;
    let text: Vec<char> = a.text(0)?.chars().collect();
    let mut out = String::new();
    let mut kept = 0;
    let copy = |range: std::ops::Range<usize>, out: &mut String| out.extend(text.get(range).unwrap_or_default());
    let (mut at, mut count) = (from, 0);
    while at <= text.len() {
        let Some((start, end)) = search.find(at) else { break };
        at = if start == end { end + 1 } else { end };
        count += 1;
        if number > 0 && count != number {
            continue;
        }
        copy(kept..start, &mut out);
        let groups = search.groups((start, end));
        insert(a.text(2)?, (start, end), &groups, &text, &mut out);
        kept = end;
        if number > 0 {
            break;
        }
    }
    copy(kept..text.len(), &mut out);
    Ok(Value::text(out))
}

/// A replacement: `\1` to `\9` are groups, `\&` is the match, `\\` a backslash; other backslashes are themselves.
fn insert(with: &str, found: Found, groups: &[Option<Found>], text: &[char], out: &mut String) {
    let mut characters = with.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        let place = match characters.peek() {
            Some('&') => Some(found),
            Some(digit @ '1'..='9') => digit.to_digit(10).and_then(|digit| groups.get(digit as usize - 1).copied().flatten()),
            Some('\\') => None,
            _ => {
                out.push('\\');
                continue;
            }
        };
        if characters.next() == Some('\\') {
            out.push('\\');
        }
        if let Some((start, end)) = place {
            out.extend(text.get(start..end).unwrap_or_default());
        }
    }
}

/// The texts between the matches; an empty match at the beginning, at the end or behind another one parts nothing.
fn split(a: &Arguments<'_>) -> Result<Value, Fault> {
    let search = search(a)?;
    let text = a.text(0)?;
    let mut parts = Vec::new();
    let mut behind = 0;
    for (start, end) in matches(&search, 0) {
        if start < search.len() && end > behind {
            parts.push(Some(slice(text, (behind, start))));
            behind = end;
        }
    }
    parts.push(Some(slice(text, (behind, search.len()))));
    Ok(Value::text(array::write(&parts)))
}
