//! `jsonb_set` and `jsonb_insert`: a value at the end of a path is replaced, added or put beside, after `setPath` of `jsonfuncs.c`.

use super::array;
use super::json::{Node, print, read};
use super::kind::Kind::{Bool, Jsonb, TextArray};
use super::routine::{Arguments, Fault, Routine};
use crate::value::Value;

/// The rows.
pub static ROWS: &[Routine] = &[
    row("jsonb_set", &[Jsonb, TextArray, Jsonb], |a| set(a, true)),
    row("jsonb_set", &[Jsonb, TextArray, Jsonb, Bool], |a| set(a, *a.get(3) == Value::Bool(true))),
    row("jsonb_insert", &[Jsonb, TextArray, Jsonb], |a| changed(a, What::Before)),
    row("jsonb_insert", &[Jsonb, TextArray, Jsonb, Bool], |a| {
        changed(a, if *a.get(3) == Value::Bool(true) { What::After } else { What::Before })
    }),
];

const fn row(name: &'static str, arguments: &'static [super::kind::Kind], compute: super::routine::Compute) -> Routine {
    Routine { name, arguments, result: Jsonb, strict: true, compute: Some(compute) }
}

/// What happens at the end of the path.
#[derive(Clone, Copy, PartialEq)]
enum What {
    /// The value is replaced if it is there.
    Replace,
    /// It is replaced, or added.
    Create,
    /// The new value is put before it.
    Before,
    /// The new value is put behind it.
    After,
}

type Elements = Vec<(Node, String)>;
type Members = Vec<(String, Node, String)>;

fn set(a: &Arguments<'_>, create: bool) -> Result<Value, Fault> {
    changed(a, if create { What::Create } else { What::Replace })
}

fn changed(a: &Arguments<'_>, what: What) -> Result<Value, Fault> {
    let target = read(a.text(0)?)?;
    if !matches!(target, Node::Object(_) | Node::Array(_)) {
        return Err("cannot set path in scalar");
    }
    let path = array::read(a.text(1)?)?.elements;
    let new = read(a.text(2)?)?;
    let changed = along(target, &path, &new, what)?;
    let mut out = String::new();
    print(&changed, &mut out)?;
    Ok(Value::text(out))
}

fn along(node: Node, path: &[Option<String>], new: &Node, what: What) -> Result<Node, Fault> {
    let Some((step, rest)) = path.split_first() else { return Ok(node) };
    match node {
        Node::Object(_) | Node::Array(_) if step.is_none() => Err("a path element is null"),
        Node::Object(members) => in_object(members, (step.as_deref().unwrap_or_default(), rest), new, what).map(Node::Object),
        Node::Array(elements) => in_array(elements, (step.as_deref().unwrap_or_default(), rest), new, what).map(Node::Array),
        scalar => Ok(scalar),
    }
}

fn in_object(members: Members, (step, rest): (&str, &[Option<String>]), new: &Node, what: What) -> Result<Members, Fault> {
    let mut is_there = false;
    let mut changed = Members::with_capacity(members.len() + 1);
    for (name, node, text) in members {
        if name != step {
            changed.push((name, node, text));
            continue;
        }
        is_there = true;
        let node = match (rest.is_empty(), what) {
            (false, _) => along(node, rest, new, what)?,
            (true, What::Replace | What::Create) => new.clone(),
            (true, What::Before | What::After) => return Err("cannot replace existing key"),
        };
        changed.push((name, node, String::new()));
    }
    if !is_there && rest.is_empty() && what != What::Replace {
        changed.push((step.to_owned(), new.clone(), String::new()));
    }
    Ok(changed)
}

fn in_array(elements: Elements, (step, rest): (&str, &[Option<String>]), new: &Node, what: What) -> Result<Elements, Fault> {
    // As strtol reads it: blanks before it, and a sign.
    let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r');
    let index: i32 = step.trim_start_matches(blank).parse().map_err(|_| "a path element is not an integer")?;
    let count = i64::try_from(elements.len()).unwrap_or(i64::MAX);
    let index = if index < 0 { count + i64::from(index) } else { i64::from(index).min(count) };
    let is_last = rest.is_empty();
    let added = || (new.clone(), String::new());
    let mut changed = Elements::with_capacity(elements.len() + 1);
    if is_last && what != What::Replace && (index < 0 || count == 0) {
        changed.push(added());
        changed.extend(elements);
        return Ok(changed);
    }
    let mut is_there = false;
    for (place, (node, text)) in (0_i64..).zip(elements) {
        if place != index {
            changed.push((node, text));
            continue;
        }
        is_there = true;
        match (is_last, what) {
            (false, _) => changed.push((along(node, rest, new, what)?, String::new())),
            (true, What::Replace | What::Create) => changed.push(added()),
            (true, What::Before) => changed.extend([added(), (node, text)]),
            (true, What::After) => changed.extend([(node, text), added()]),
        }
    }
    if !is_there && is_last && what != What::Replace {
        changed.push(added());
    }
    Ok(changed)
}
