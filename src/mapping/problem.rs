//! Problem: something wrong at a place of a file that a user wrote, and the picture with the caret.
//!
//! In: byte ranges of the file's text. Out: [`Problem`]s that sort by file and place and draw themselves. A range may be anything; it is
//! clipped to the text, to character boundaries and to the first line it touches, so that a picture stays one line high.

use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use crate::error::Class;

/// A file that a user wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path as messages show it.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Something wrong at a place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `Mapping` for a wrong file, `Preflight` for what is understood but refused.
    pub class: Class,
    /// The file.
    pub file: Arc<SourceFile>,
    /// Byte range in its text.
    pub span: Range<usize>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// A few words under the caret; may be empty.
    pub label: String,
    /// What to do; may be empty.
    pub help: String,
    /// Where the SQL stands in the file in a form that has no exact place there: the SQL itself and the range in it.
    pub excerpt: Option<Excerpt>,
}

/// SQL that is shown beside its file, because the file folds or escapes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// What the excerpt is, e.g. `sql of table orders`.
    pub title: String,
    /// The SQL as it is executed.
    pub text: String,
    /// Byte range in `text`.
    pub span: Range<usize>,
}

impl Problem {
    /// A problem of class `Mapping` at `span` of `file`.
    #[must_use]
    pub fn new(file: &Arc<SourceFile>, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            class: Class::Mapping,
            file: Arc::clone(file),
            span,
            message: message.into(),
            label: String::new(),
            help: String::new(),
            excerpt: None,
        }
    }

    /// The same problem of another class.
    #[must_use]
    pub fn of_class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// The same problem with a few words under the caret.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The same problem with something to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Line and column of the caret, both from 1; columns count characters.
    #[must_use]
    pub fn line_and_column(&self) -> (usize, usize) {
        let start = clip(&self.file.text, &self.span).start;
        let before = self.file.text.get(..start).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before.get(line_start..).unwrap_or("").chars().count() + 1)
    }

    /// The picture: title, place, line, caret, help. Ends without a newline.
    #[must_use]
    pub fn picture(&self, color: bool) -> String {
        let level = match self.class {
            Class::Preflight => Level::ERROR.with_name("refused"),
            _ => Level::ERROR,
        };
        let title = level.primary_title(self.message.as_str());
        let mut elements: Vec<Element<'_>> = Vec::new();
        if self.file.text.is_empty() {
            elements.push(Origin::path(self.file.path.as_str()).into());
        } else {
            elements.push(snippet(&self.file.text, &self.span, &self.label, Some(&self.file.path)).into());
        }
        if let Some(excerpt) = &self.excerpt {
            elements.push(snippet(&excerpt.text, &excerpt.span, &self.label, Some(&excerpt.title)).into());
        }
        if !self.help.is_empty() {
            elements.push(Level::HELP.message(self.help.as_str()).into());
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[Group::with_title(title).elements(elements)])
    }

    /// The order of a report: by file, then by place.
    #[must_use]
    pub fn order(&self) -> (&str, usize) {
        (&self.file.path, self.span.start)
    }
}

fn snippet<'a>(
    text: &'a str,
    span: &Range<usize>,
    label: &'a str,
    path: Option<&'a str>,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let annotation = AnnotationKind::Primary.span(clip(text, span));
    let annotation = if label.is_empty() { annotation } else { annotation.label(label) };
    Snippet::source(text).path(path).annotation(annotation)
}

/// The part of `span` on its first line, on character boundaries; never empty where the text has a character there.
fn clip(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = floor(text, span.start.min(text.trim_end().len()));
    let rest = text.get(start..).unwrap_or("");
    let line = rest.split('\n').next().unwrap_or("").trim_end();
    let first = line.chars().next().map_or(0, char::len_utf8);
    let wanted = floor(text, span.end.min(text.len())).saturating_sub(start);
    start..start + wanted.max(first).min(line.len())
}

fn floor(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|offset| text.is_char_boundary(*offset)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_clipped_to_its_first_line_and_to_characters() {
        assert_eq!(clip("ab\ncd", &(1..5)), 1..2);
        assert_eq!(clip("한글", &(1..4)), 0..3);
        assert_eq!(clip("ab\n", &(90..99)), 2..2);
        assert_eq!(clip("", &(0..4)), 0..0);
        assert_eq!(clip("ab", &(1..1)), 1..2);
    }

    #[test]
    fn columns_count_characters() {
        let file = Arc::new(SourceFile { path: "m.yaml".into(), text: "a: b\n한글: x\n".into() });
        assert_eq!(Problem::new(&file, 13..14, "x").line_and_column(), (2, 5));
    }
}
