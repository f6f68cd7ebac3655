//! LIKE and ILIKE, character by character as under every deterministic collation.

use super::kind::Kind::{Bool, Bpchar, Text};
use super::routine::{Arguments, Fault, Routine};
use super::texts::cased;
use crate::value::Value;

/// The rows: text, pattern and the escape character, empty for none.
pub static ROWS: &[Routine] = &[
    Routine { name: "like", arguments: &[Bpchar, Text, Text], result: Bool, strict: true, compute: Some(|a| tested(a, false)) },
    Routine { name: "ilike", arguments: &[Bpchar, Text, Text], result: Bool, strict: true, compute: Some(|a| tested(a, true)) },
    Routine { name: "like", arguments: &[Text, Text, Text], result: Bool, strict: true, compute: Some(|a| tested(a, false)) },
    Routine { name: "ilike", arguments: &[Text, Text, Text], result: Bool, strict: true, compute: Some(|a| tested(a, true)) },
];

fn tested(a: &Arguments<'_>, fold: bool) -> Result<Value, Fault> {
    let (text, pattern) = (a.text(0)?, a.text(1)?);
    let escape = a.text(2)?.chars().next();
    let (text, pattern) =
        if fold { (cased(text, a.call, false)?, cased(pattern, a.call, false)?) } else { (text.to_owned(), pattern.to_owned()) };
    let text: Vec<char> = text.chars().collect();
    matches(&text, &steps(&pattern, escape)?).map(Value::Bool)
}

/// One step of a pattern.
enum Step {
    One(char),
    Any,
    Rest,
    /// An escape character with nothing behind it: an error, but only where matching gets there.
    Broken,
}

fn steps(pattern: &str, escape: Option<char>) -> Result<Vec<Step>, Fault> {
    let mut steps = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        steps.push(match character {
            _ if Some(character) == escape => characters.next().map_or(Step::Broken, Step::One),
            '%' => Step::Rest,
            '_' => Step::Any,
            other => Step::One(other),
        });
    }
    // Where the server finds the mistake depends on how far it gets; a mapping with it is wrong in any case.
    if steps.iter().any(|step| matches!(step, Step::Broken)) {
        return Err("LIKE pattern must not end with escape character");
    }
    Ok(steps)
}

fn matches(text: &[char], steps: &[Step]) -> Result<bool, Fault> {
    // Greedy with one way back: the last % takes one character more each time.
    let (mut at, mut step) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        let advanced = match (steps.get(step), text.get(at)) {
            (Some(Step::Rest), _) => {
                back = Some((at, step + 1));
                step += 1;
                continue;
            }
            (None, None) => return Ok(true),
            (Some(Step::Any), Some(_)) => true,
            (Some(Step::One(wanted)), Some(found)) => wanted == found,
            _ => false,
        };
        if advanced {
            at += 1;
            step += 1;
            continue;
        }
        match back {
            Some((from, resume)) if from < text.len() => {
                back = Some((from + 1, resume));
                at = from + 1;
                step = resume;
            }
            _ => return Ok(false),
        }
    }
}
