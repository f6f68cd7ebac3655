//! SqlText: a SELECT in a mapping file, and the way from a byte range of the SELECT to the place in the file.
//!
//! For a literal block (`sql: |`) the way is exact, whatever the indentation and the width of the characters. Folded and quoted scalars
//! have no such way: there the problem points at the scalar and shows the SQL beside it.

use std::ops::Range;
use std::sync::Arc;

use super::document::{Node, Scalar, Style};
use super::problem::{Excerpt, Problem, SourceFile};

/// A SELECT with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlText {
    /// The SELECT.
    pub text: String,
    /// The scalar in the file.
    pub span: Range<usize>,
    /// Per line of a literal block: its offset in `text` and in the file. Empty where there is no exact place.
    lines: Vec<(usize, usize)>,
}

impl SqlText {
    /// The SELECT of a scalar node.
    #[must_use]
    pub fn new(file: &SourceFile, node: &Node, scalar: &Scalar) -> Self {
        let lines = match scalar.style {
            Style::Literal => literal_lines(&file.text, node.span.start, &scalar.text).unwrap_or_default(),
            Style::Plain | Style::Quoted => Vec::new(),
        };
        Self { text: scalar.text.clone(), span: node.span.clone(), lines }
    }

    /// The byte range in the file of a byte range in the SELECT; `None` where there is no exact one.
    #[must_use]
    pub fn in_file(&self, span: &Range<usize>) -> Option<Range<usize>> {
        let start = span.start.min(self.text.trim_end().len());
        let (line_start, file_start) = *self.lines.iter().rev().find(|(line_start, _)| *line_start <= start)?;
        let line_length = self.text.get(line_start..)?.split('\n').next()?.len();
        let end = span.end.clamp(start, line_start + line_length);
        Some(file_start + (start - line_start)..file_start + (end - line_start))
    }

    /// A problem at a byte range of the SELECT of `table`.
    #[must_use]
    pub fn problem(&self, file: &Arc<SourceFile>, table: &str, span: &Range<usize>, message: impl Into<String>) -> Problem {
        if let Some(place) = self.in_file(span) {
            return Problem::new(file, place, message);
        }
        let excerpt = Excerpt { title: format!("the SQL of {table}"), text: self.text.clone(), span: span.clone() };
        Problem { excerpt: Some(excerpt), ..Problem::new(file, self.span.clone(), message) }
    }
}

/// Finds each line of a literal block in the file: the lines behind the one with the `|`. `None` if one does not match.
fn literal_lines(file: &str, scalar_start: usize, text: &str) -> Option<Vec<(usize, usize)>> {
    let mut file_offset = block_start(file, scalar_start)?;
    let mut text_offset = 0;
    let mut lines = Vec::new();
    for line in text.split_inclusive('\n') {
        let line = line.trim_end_matches('\n');
        let raw = file.get(file_offset..)?.split('\n').next()?;
        let indentation = raw.trim_end_matches('\r').strip_suffix(line)?;
        if !indentation.chars().all(|character| character == ' ') {
            return None;
        }
        lines.push((text_offset, file_offset + indentation.len()));
        text_offset += line.len() + 1;
        file_offset += raw.len() + 1;
    }
    Some(lines)
}

/// The offset of the first line of the block. The parser's span starts either at the `|` or at the first line of the content.
fn block_start(file: &str, scalar_start: usize) -> Option<usize> {
    let rest = file.get(scalar_start..)?;
    if rest.starts_with('|') {
        return Some(scalar_start + rest.find('\n')? + 1);
    }
    // From the content back to the line of the indicator, over blank lines at the head of the block.
    let mut start = file.get(..scalar_start)?.rfind('\n')? + 1;
    loop {
        let before = file.get(..start)?.strip_suffix('\n')?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        if !before.get(line_start..)?.trim().is_empty() {
            return Some(start);
        }
        start = line_start;
    }
}
