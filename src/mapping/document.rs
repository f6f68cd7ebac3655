//! Document: a YAML text as a tree in which every key and value knows its byte range.
//!
//! In: the text of one file. Out: a [`Node`] per value, scalars as written (unescaped, with their style), or one [`Problem`] where the
//! text is not YAML. Anchors, aliases, tags, merge keys and several documents in one file are refused: these files are short, and a reader should see what they say.

use std::ops::Range;
use std::sync::Arc;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};

use super::problem::{Problem, SourceFile};

/// How deep a file may nest.
const DEPTH_MAX: usize = 32;

/// A value with its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// Byte range in the file.
    pub span: Range<usize>,
    /// What it is.
    pub content: Content,
}

/// What a value is.
#[derive(Debug, Clone)]
pub enum Content {
    /// A scalar.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A map, in the order of the file, duplicates included.
    Map(Vec<(Key, Node)>),
}

/// A scalar value.
#[derive(Debug, Clone)]
pub struct Scalar {
    /// Its text after unescaping and folding.
    pub text: String,
    /// How it is written.
    pub style: Style,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: may be text, a number, a boolean or nothing.
    Plain,
    /// In quotes or folded (`>`): text.
    Quoted,
    /// A literal block (`|`): text whose lines are those of the file.
    Literal,
}

/// A key with its place.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// Byte range in the file.
    pub span: Range<usize>,
}

impl Node {
    /// Whether the value is absent (`key:`) or a plain null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        match &self.content {
            Content::Scalar(scalar) => {
                scalar.style == Style::Plain && matches!(scalar.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            Content::List(_) | Content::Map(_) => false,
        }
    }

    /// What the value is, with an article; for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.content {
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
            Content::Scalar(_) if self.is_null() => "nothing",
            Content::Scalar(scalar) => scalar.kind(),
        }
    }
}

impl Scalar {
    fn kind(&self) -> &'static str {
        match self.text.as_str() {
            _ if self.style != Style::Plain => "text",
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => "a boolean",
            text if is_number(text) => "a number",
            _ => "text",
        }
    }

    /// Whether YAML reads it as text.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.kind() == "text"
    }
}

fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) && text.parse::<f64>().is_ok()
}

/// Reads the one document of a file.
///
/// # Errors
/// The place where the text is not YAML, or uses what is refused.
pub fn read(file: &Arc<SourceFile>) -> Result<Node, Box<Problem>> {
    let mut reading = Reading { file, parser: Parser::new_from_str(&file.text) };
    reading.expect_start()?;
    let root = reading.node(0)?;
    reading.expect_end()?;
    Ok(root)
}

struct Reading<'a> {
    file: &'a Arc<SourceFile>,
    parser: Parser<'a, serde_saphyr::granit_parser::StrInput<'a>>,
}

type Taken<'a> = (Event<'a>, Range<usize>);

impl<'a> Reading<'a> {
    fn next(&mut self) -> Result<Taken<'a>, Box<Problem>> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, range(&span, self.file.text.len()))),
            Some(Err(error)) => {
                let at = error.marker().byte_offset().unwrap_or_else(|| offset_of(&self.file.text, error.marker().index()));
                Err(self.problem(at..at, format!("this is not YAML: {}", error.info())))
            }
            None => Err(self.problem(self.end(), "the file ends too early")),
        }
    }

    fn end(&self) -> Range<usize> {
        self.file.text.len()..self.file.text.len()
    }

    fn problem(&self, span: Range<usize>, message: impl Into<String>) -> Box<Problem> {
        Box::new(Problem::new(self.file, span, message))
    }

    fn refusal(&self, span: Range<usize>, message: &str, help: &str) -> Box<Problem> {
        Box::new(Problem::new(self.file, span, message).with_help(help))
    }

    fn expect_start(&mut self) -> Result<(), Box<Problem>> {
        self.next()?;
        match self.next()? {
            (Event::DocumentStart(..), _) => Ok(()),
            _ => Err(self.problem(0..0, "the file is empty")),
        }
    }

    fn expect_end(&mut self) -> Result<(), Box<Problem>> {
        self.next()?;
        match self.next()? {
            (Event::StreamEnd, _) => Ok(()),
            (_, span) => Err(self.refusal(span, "a second YAML document begins here", "write one document per file")),
        }
    }

    fn node(&mut self, depth: usize) -> Result<Node, Box<Problem>> {
        let taken = self.next()?;
        self.node_from(taken, depth)
    }

    fn node_from(&mut self, (event, span): Taken<'a>, depth: usize) -> Result<Node, Box<Problem>> {
        if depth > DEPTH_MAX {
            return Err(self.problem(span, format!("the file nests deeper than {DEPTH_MAX} levels")));
        }
        self.refuse_indirection(&event, &span)?;
        match event {
            Event::Scalar(text, style, ..) => {
                Ok(Node { span, content: Content::Scalar(Scalar { text: text.into_owned(), style: style_of(style) }) })
            }
            Event::SequenceStart(..) => self.list(span, depth),
            Event::MappingStart(..) => self.map(span, depth),
            _ => Err(self.problem(span, "a value was expected here")),
        }
    }

    fn refuse_indirection(&self, event: &Event<'_>, span: &Range<usize>) -> Result<(), Box<Problem>> {
        let (anchor, tagged) = match event {
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag.is_some()),
            Event::SequenceStart(_, anchor, tag) | Event::MappingStart(_, anchor, tag) => (*anchor, tag.is_some()),
            Event::Alias(_) => {
                return Err(self.refusal(
                    span.clone(),
                    "YAML aliases (`*name`) are not used in these files",
                    "write the value out",
                ));
            }
            _ => (0, false),
        };
        match (anchor, tagged) {
            (0, false) => Ok(()),
            (0, true) => Err(self.problem(span.clone(), "YAML tags (`!name`) are not used in these files")),
            _ => Err(self.refusal(span.clone(), "YAML anchors (`&name`) are not used in these files", "write the value out")),
        }
    }

    fn list(&mut self, start: Range<usize>, depth: usize) -> Result<Node, Box<Problem>> {
        let mut items: Vec<Node> = Vec::new();
        loop {
            let taken = self.next()?;
            if matches!(taken.0, Event::SequenceEnd) {
                let end = items
                    .last()
                    .map_or(start.end, |item| item.span.end)
                    .max(taken.1.end.min(line_end(&self.file.text, taken.1.start)));
                return Ok(Node { span: start.start..end, content: Content::List(items) });
            }
            items.push(self.node_from(taken, depth + 1)?);
        }
    }

    fn map(&mut self, start: Range<usize>, depth: usize) -> Result<Node, Box<Problem>> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            self.refuse_indirection(&event, &span)?;
            let key = match event {
                Event::MappingEnd => {
                    let end = entries
                        .last()
                        .map_or(start.end, |(_, value)| value.span.end)
                        .max(span.end.min(line_end(&self.file.text, span.start)));
                    return Ok(Node { span: start.start..end, content: Content::Map(entries) });
                }
                Event::Scalar(name, ..) => Key { name: name.into_owned(), span },
                _ => return Err(self.problem(span, "a key must be a single name")),
            };
            if key.name == "<<" {
                return Err(self.problem(key.span, "YAML merge keys (`<<`) are not used in these files"));
            }
            let value = self.node(depth + 1)?;
            entries.push((key, value));
        }
    }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted | ScalarStyle::Folded => Style::Quoted,
    }
}

fn range(span: &Span, length: usize) -> Range<usize> {
    span.byte_range().unwrap_or(length..length)
}

fn offset_of(text: &str, characters: usize) -> usize {
    text.char_indices().nth(characters).map_or(text.len(), |(offset, _)| offset)
}

fn line_end(text: &str, from: usize) -> usize {
    text.get(from..).and_then(|rest| rest.find('\n')).map_or(text.len(), |length| from + length)
}
