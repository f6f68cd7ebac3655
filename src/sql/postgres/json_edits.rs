//! Operators that make a `jsonb` value of others: `-` takes out, `||` puts together, `?|` and `?&` ask for several keys.

use super::array;
use super::json::{Node, print, read};
use super::kind::Kind::{Bool, Int4, Jsonb, Text, TextArray};
use super::routine::{Arguments, Compute, Fault, Routine};
use crate::value::Value;

const fn row(
    name: &'static str,
    arguments: &'static [super::kind::Kind],
    result: super::kind::Kind,
    compute: Compute,
) -> Routine {
    Routine { name, arguments, result, strict: true, compute: Some(compute) }
}

/// The rows.
pub static ROWS: &[Routine] = &[
    row("-", &[Jsonb, Text], Jsonb, |a| {
        let key = a.text(1)?;
        without(a, &|name| name == key)
    }),
    row("-", &[Jsonb, TextArray], Jsonb, |a| {
        let keys = array::read(a.text(1)?)?.elements;
        without(a, &|name| keys.iter().flatten().any(|key| key == name))
    }),
    row("-", &[Jsonb, Int4], Jsonb, without_index),
    row("||", &[Jsonb, Jsonb], Jsonb, |a| shown(&joined(read(a.text(0)?)?, read(a.text(1)?)?))),
    row("?|", &[Jsonb, TextArray], Bool, |a| asked(a, false)),
    row("?&", &[Jsonb, TextArray], Bool, |a| asked(a, true)),
];

fn shown(node: &Node) -> Result<Value, Fault> {
    let mut out = String::new();
    print(node, &mut out)?;
    Ok(Value::text(out))
}

/// Without the members, or the string elements, of some names.
fn without(a: &Arguments<'_>, is_meant: &dyn Fn(&str) -> bool) -> Result<Value, Fault> {
    shown(&match read(a.text(0)?)? {
        Node::Object(members) => Node::Object(members.into_iter().filter(|(name, _, _)| !is_meant(name)).collect()),
        Node::Array(elements) => {
            let meant = |node: &Node| matches!(node, Node::String(text) if is_meant(text));
            Node::Array(elements.into_iter().filter(|(node, _)| !meant(node)).collect())
        }
        _ => return Err("cannot delete from scalar"),
    })
}

fn without_index(a: &Arguments<'_>) -> Result<Value, Fault> {
    match read(a.text(0)?)? {
        Node::Array(mut elements) => {
            let index = a.int(1)?;
            let index = if index < 0 { index + elements.len() as i64 } else { index };
            if let Some(index) = usize::try_from(index).ok().filter(|index| *index < elements.len()) {
                elements.remove(index);
            }
            shown(&Node::Array(elements))
        }
        Node::Object(_) => Err("cannot delete from object using integer index"),
        _ => Err("cannot delete from scalar"),
    }
}

/// Objects are merged; everything else becomes one array.
fn joined(left: Node, right: Node) -> Node {
    let listed = |node: Node| match node {
        Node::Array(elements) => elements,
        other => vec![(other, String::new())],
    };
    match (left, right) {
        (Node::Object(left), Node::Object(right)) => Node::Object(left.into_iter().chain(right).collect()),
        (left, right) => Node::Array(listed(left).into_iter().chain(listed(right)).collect()),
    }
}

fn asked(a: &Arguments<'_>, all: bool) -> Result<Value, Fault> {
    let node = read(a.text(0)?)?;
    let has = |key: &String| match &node {
        Node::Object(members) => members.iter().any(|(name, _, _)| name == key),
        Node::Array(elements) => elements.iter().any(|(element, _)| matches!(element, Node::String(text) if text == key)),
        Node::String(text) => text == key,
        _ => false,
    };
    let keys = array::read(a.text(1)?)?.elements;
    let mut keys = keys.iter().flatten();
    Ok(Value::Bool(if all { keys.all(has) } else { keys.any(has) }))
}
