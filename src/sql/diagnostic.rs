//! Findings about a mapping's SQL, and the way from the parser's line and column to byte ranges of the SQL text.
//!
//! In: positions as sqlparser gives them (line and column, both from 1, columns counting characters, not bytes). Out: byte ranges
//! that always lie on character boundaries of the text, also under Hangul and other multi-byte text. A position outside the
//! text becomes an empty range at its end; nothing here panics.

use sqlparser::tokenizer::Location;

use super::query::{Diagnostic, Span};

impl Diagnostic {
    /// A finding at `span` that says `message` (lower case, no full stop).
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), label: String::new(), help: String::new() }
    }

    /// The same finding with a few words under the caret.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The same finding with something to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

/// Where the lines of a text begin.
#[derive(Debug, Clone)]
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Indexes `text`.
    pub(crate) fn new(text: &'a str) -> Self {
        let after_newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset + 1);
        Self { text, starts: std::iter::once(0).chain(after_newlines).collect() }
    }

    /// The text.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// The byte offset of a location; the end of the text for a location behind it or an empty one (line 0).
    pub(crate) fn offset(&self, location: Location) -> usize {
        self.offset_at(location.line, location.column)
    }

    fn offset_at(&self, line: u64, column: u64) -> usize {
        let end = self.text.len();
        let start = usize::try_from(line).ok().and_then(|line| line.checked_sub(1)).and_then(|line| self.starts.get(line));
        let (Some(start), Ok(column)) = (start, usize::try_from(column)) else { return end };
        let rest = self.text.get(*start..).unwrap_or("");
        rest.char_indices().nth(column.saturating_sub(1)).map_or(end, |(offset, _)| start + offset)
    }
}

/// Turns an error of the tokenizer or the parser, whose text ends in "at Line: x, Column: y", into a finding. `token_at` gives the
/// range of the token that starts at an offset.
pub(crate) fn from_parser(message: &str, lines: &Lines<'_>, token_at: impl Fn(usize) -> Option<Span>) -> Diagnostic {
    let (text, offset) = match split_location(message) {
        Some((text, line, column)) => (text, lines.offset_at(line, column)),
        None => (message, lines.text().len()),
    };
    let span = token_at(offset).unwrap_or_else(|| character_at(lines.text(), offset));
    let finding = match text.trim().strip_prefix("Expected: ").and_then(|rest| rest.split_once(", found: ")) {
        Some((expected, "EOF")) => format!("the SQL ends where {expected} was expected"),
        Some((expected, found)) => format!("expected {expected}, found {found}"),
        None => lower_first(text.trim()),
    };
    Diagnostic::new(span, finding).with_label("the SQL cannot be read from here on")
}

fn split_location(message: &str) -> Option<(&str, u64, u64)> {
    let (text, location) = message.rsplit_once(" at Line: ")?;
    let (line, column) = location.split_once(", Column: ")?;
    Some((text, line.trim().parse().ok()?, column.trim().parse().ok()?))
}

fn character_at(text: &str, offset: usize) -> Span {
    let width = text.get(offset..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    offset..offset + width
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// The number of insertions, deletions, replacements and swaps of neighbours between two names, without regard to case.
pub(crate) fn edit_distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().collect();
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut before_previous: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    let mut last_left = None;
    for (row, left_char) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        let mut last_right = None;
        for (column, right_char) in right.iter().enumerate() {
            let at = |cells: &[usize], index: usize| cells.get(index).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&previous, column) + usize::from(left_char != right_char);
            let mut best = replaced.min(at(&previous, column + 1) + 1).min(at(&current, column) + 1);
            if last_left == Some(right_char) && last_right == Some(left_char) {
                best = best.min(column.checked_sub(1).map_or(usize::MAX - 1, |index| at(&before_previous, index)) + 1);
            }
            current.push(best);
            last_right = Some(right_char);
        }
        last_left = Some(left_char);
        before_previous = std::mem::replace(&mut previous, current);
    }
    previous.last().copied().unwrap_or(0)
}

/// The candidate that `name` most likely means, if one is near enough to be a slip of the finger.
pub(crate) fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let allowed = 1 + name.chars().count() / 4;
    candidates
        .map(|candidate| (edit_distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_ranges_count_bytes() {
        let lines = Lines::new("SELECT\n  한글 x");
        assert_eq!(lines.offset(Location { line: 2, column: 3 }), 9);
        assert_eq!(lines.offset(Location { line: 2, column: 5 }), 15);
        assert_eq!(lines.offset(Location { line: 9, column: 1 }), 17);
        assert_eq!(lines.offset(Location { line: 0, column: 0 }), 17);
    }

    #[test]
    fn a_swap_of_neighbours_is_one_edit() {
        assert_eq!(edit_distance("ord_on", "ord_no"), 1);
        assert_eq!(edit_distance("CUST_NM", "cust_nm"), 0);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(nearest("cust_nn", ["cust_no", "cust_nm", "zip"].into_iter()), Some("cust_nm"));
        assert_eq!(nearest("zzz", ["cust_no"].into_iter()), None);
    }
}
