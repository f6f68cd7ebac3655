//! Paths into JSON: `$`, `.key`, `."any key"` and `[n]`. Wildcards, ranges and places counted from the end are refused.

use super::document::{Form, Node};
use crate::sql::types::Refusal;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The member of an object.
    Key(String),
    /// The element of an array, from 0.
    Place(usize),
}

/// A path of constant steps.
pub type Path = Vec<Step>;

/// Reads a path.
///
/// # Errors
/// For steps that find several values and forms that the servers read differently.
pub(super) fn parse(text: &str) -> Result<Path, Refusal> {
    let refuse = |what: &str| Refusal::new(format!("the JSON path '{text}' {what}"), "write it as $.key, $.\"any key\" or $[0]");
    let mut rest = text.strip_prefix('$').ok_or_else(|| refuse("does not begin with $"))?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, behind) = if let Some(quoted) = rest.strip_prefix(".\"") {
            let (key, behind) = quoted.split_once('"').ok_or_else(|| refuse("has an open quote"))?;
            if key.contains('\\') || key.is_empty() {
                return Err(refuse("has a key with a backslash or without a letter"));
            }
            (Step::Key(key.to_owned()), behind)
        } else if let Some(named) = rest.strip_prefix('.') {
            let end = named.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(named.len());
            let (key, behind) = named.split_at_checked(end).unwrap_or((named, ""));
            if key.is_empty() || key.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(refuse("has a key that must be quoted, or a wildcard"));
            }
            (Step::Key(key.to_owned()), behind)
        } else if let Some((place, behind)) = rest.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
            let place = place.trim().parse().map_err(|_| refuse("has a place that is not a number from 0"))?;
            (Step::Place(place), behind)
        } else {
            return Err(refuse("is not understood"));
        };
        steps.push(step);
        rest = behind;
    }
    Ok(steps)
}

/// The value at the end of a path.
pub(super) fn follow<'n, 'a>(node: &'n Node<'a>, path: &[Step], form: Form) -> Option<&'n Node<'a>> {
    follow_all(node, path, form).into_iter().next()
}

/// All values at the end of a path, in written order: several where an object as written has a key twice. A value that is no array
/// counts as an array of itself.
pub(super) fn follow_all<'n, 'a>(node: &'n Node<'a>, path: &[Step], form: Form) -> Vec<&'n Node<'a>> {
    let mut found = vec![node];
    for step in path {
        let next = found.into_iter().flat_map(|node| match (step, node) {
            (Step::Key(key), node) => node.members(key, form),
            (Step::Place(place), Node::Array(items)) => items.get(*place).into_iter().collect(),
            (Step::Place(0), scalar) => vec![scalar],
            (Step::Place(_), _) => Vec::new(),
        });
        found = next.collect();
    }
    found
}
