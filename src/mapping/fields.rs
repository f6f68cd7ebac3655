//! Fields: reading a document tree field by field, with every problem at once.
//!
//! In: a [`Node`] and what is expected of it. Out: the value, or `None` with a [`Problem`] noted; reading goes on, so that one run of
//! `check` shows all that is wrong with a file. Unknown keys and duplicate keys are problems.

use std::ops::Range;
use std::sync::Arc;

use super::document::{Content, Key, Node, Style};
use super::nearest::nearest;
use super::problem::{Problem, SourceFile};

/// Reads fields and notes problems.
pub struct Reader {
    /// The file.
    pub file: Arc<SourceFile>,
    /// What was wrong so far.
    pub problems: Vec<Problem>,
}

/// The entries of a map whose keys are known.
pub struct Fields<'n> {
    /// Where the map is, or the key that it belongs to.
    pub span: Range<usize>,
    /// What the map is; for messages.
    what: String,
    entries: Vec<(&'n Key, &'n Node)>,
}

impl Reader {
    /// A reader over a file.
    #[must_use]
    pub fn new(file: Arc<SourceFile>) -> Self {
        Self { file, problems: Vec::new() }
    }

    /// A problem of this file, not noted yet.
    #[must_use]
    pub fn problem(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem::new(&self.file, span, message)
    }

    /// Notes a problem.
    pub fn note(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.problems.push(self.problem(span, message));
    }

    fn wrong_type(&mut self, node: &Node, what: &str, expected: &str) {
        let found = node.kind();
        let problem = self.problem(node.span.clone(), format!("{what} must be {expected}, not {found}"));
        self.problems.push(problem.with_label(format!("this is {found}")));
    }

    /// A map with keys of its own choice, e.g. table names; `None` if it is none.
    pub fn map<'n>(&mut self, node: &'n Node, what: &str) -> Option<Vec<(&'n Key, &'n Node)>> {
        let Content::Map(entries) = &node.content else {
            self.wrong_type(node, what, "a map");
            return None;
        };
        let mut kept: Vec<(&Key, &Node)> = Vec::new();
        for (key, value) in entries {
            match kept.iter().find(|(earlier, _)| earlier.name == key.name) {
                Some((earlier, _)) => {
                    let line = self.problem(earlier.span.clone(), "").line_and_column().0;
                    let problem = self.problem(key.span.clone(), format!("key `{}` occurs twice in {what}", key.name));
                    self.problems.push(problem.with_label(format!("first given in line {line}")));
                }
                None => kept.push((key, value)),
            }
        }
        Some(kept)
    }

    /// A map whose keys are among `known`.
    pub fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<Fields<'n>> {
        let entries = self.map(node, what)?;
        let (entries, unknown): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| known.contains(&key.name.as_str()));
        for (key, _) in unknown {
            let near =
                nearest(&key.name, known.iter().copied()).map_or_else(String::new, |name| format!("did you mean `{name}`?"));
            let problem = self.problem(key.span.clone(), format!("unknown key `{}` in {what}", key.name));
            self.problems.push(problem.with_label(near).with_help(format!("keys of {what}: {}", known.join(", "))));
        }
        Some(Fields { span: node.span.start..node.span.start, what: what.to_owned(), entries })
    }

    /// Text; a plain number, boolean or null is not text.
    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.content {
            Content::Scalar(scalar) if !node.is_null() && scalar.is_text() => Some(&scalar.text),
            Content::Scalar(_) if !node.is_null() => {
                self.wrong_type(node, what, "text");
                self.help_last("put it into quotes");
                None
            }
            _ => {
                self.wrong_type(node, what, "text");
                None
            }
        }
    }

    /// Text that is not empty.
    pub fn name<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        let text = self.text(node, what)?;
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            self.note(node.span.clone(), format!("{what} must be a name"));
            return None;
        }
        Some(text)
    }

    /// A whole number.
    pub fn number(&mut self, node: &Node, what: &str, allowed: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let Content::Scalar(scalar) = &node.content else {
            self.wrong_type(node, what, "a number");
            return None;
        };
        if scalar.style != Style::Plain || scalar.is_text() || node.kind() != "a number" {
            self.wrong_type(node, what, "a number");
            return None;
        }
        match scalar.text.parse::<u64>() {
            Ok(number) if allowed.contains(&number) => Some(number),
            _ => {
                self.note(
                    node.span.clone(),
                    format!("{what} must be a whole number from {} to {}", allowed.start(), allowed.end()),
                );
                None
            }
        }
    }

    /// A list.
    pub fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        let Content::List(items) = &node.content else {
            self.wrong_type(node, what, "a list");
            return None;
        };
        Some(items)
    }

    /// A list of names with at least one entry, without repetition.
    pub fn names(&mut self, node: &Node, what: &str) -> Option<Vec<String>> {
        let items = self.list(node, what)?;
        if items.is_empty() {
            self.note(node.span.clone(), format!("{what} must not be empty"));
            return None;
        }
        let mut names: Vec<String> = Vec::new();
        for item in items {
            let name = self.name(item, &format!("an entry of {what}"))?;
            if names.iter().any(|earlier| earlier == name) {
                self.note(item.span.clone(), format!("{what} names `{name}` twice"));
                return None;
            }
            names.push(name.to_owned());
        }
        Some(names)
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, node: &Node, what: &str, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
        let expected = format!("one of {}", words.join(", "));
        if node.is_null() {
            self.wrong_type(node, what, &expected);
            if choices.iter().any(|(word, _)| *word == "null") {
                self.help_last("write \"null\" in quotes");
            }
            return None;
        }
        let text = self.text(node, what)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let near = nearest(text, choices.iter().map(|(word, _)| *word)).map(|word| format!("did you mean `{word}`?"));
            let problem = self.problem(node.span.clone(), format!("{what} must be {expected}"));
            self.problems.push(problem.with_label(near.unwrap_or_default()));
        }
        found
    }

    /// Adds something to do to the last problem.
    pub fn help_last(&mut self, help: impl Into<String>) {
        if let Some(problem) = self.problems.last_mut() {
            problem.help = help.into();
        }
    }
}

impl<'n> Fields<'n> {
    /// A value, if it is there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(key, _)| key.name == name).map(|(_, value)| *value)
    }

    /// Where a key stands.
    #[must_use]
    pub fn key_span(&self, name: &str) -> Option<Range<usize>> {
        self.entries.iter().find(|(key, _)| key.name == name).map(|(key, _)| key.span.clone())
    }

    /// A value that must be there; its absence is a problem.
    pub fn required(&self, reader: &mut Reader, name: &str) -> Option<&'n Node> {
        let found = self.get(name);
        if found.is_none() {
            reader.note(self.span.clone(), format!("{} has no `{name}`", self.what));
        }
        found
    }
}
