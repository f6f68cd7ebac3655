//! Reads Rust source as text: comments and literals blanked, imports and function sizes found.
//!
//! Good enough for this repository, and tried by the guard's own tests; not a parser of Rust.

use std::path::Path;

/// One file.
pub struct SourceFile {
    /// Path from the repository's root.
    pub path: String,
    /// Its text.
    pub text: String,
    /// The first segment of its module path; empty for `lib.rs` and `main.rs`.
    pub module: String,
    /// Its module path.
    pub module_path: Vec<String>,
    /// Whether it holds tests only.
    pub is_test: bool,
}

/// The first two segments that a path behind `crate::` names.
#[derive(Debug, PartialEq)]
pub struct Import {
    /// First segment.
    pub module: String,
    /// As written, up to two segments.
    pub path: String,
    /// 1-based.
    pub line: usize,
}

/// One function with a body.
#[derive(Debug, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Line of `fn`, 1-based.
    pub line: usize,
    /// From `fn` to the closing brace.
    pub lines: usize,
}

impl SourceFile {
    /// A file of this path and text.
    pub fn new(path: String, text: String) -> Self {
        let inner = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        let module_path: Vec<String> = match inner {
            "lib" | "main" => Vec::new(),
            inner => inner.split('/').map(String::from).collect(),
        };
        let is_test = module_path.iter().any(|part| part.ends_with("tests"));
        Self { module: module_path.first().cloned().unwrap_or_default(), module_path, is_test, path, text }
    }

    /// Every `.rs` file below `folder`, in order of path.
    pub fn read_all(root: &Path, folder: &str) -> Vec<Self> {
        let mut folders = vec![root.join(folder)];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    files.push(Self::new(path.strip_prefix(root).unwrap().display().to_string(), text));
                }
            }
        }
        files.sort_by(|left, right| left.path.cmp(&right.path));
        files
    }

    /// The text with comments and literals blanked and inline test modules removed; lines stay where they are.
    pub fn code_without_tests(&self) -> String {
        let mut code = blank(&self.text);
        while let Some(start) = code.find("#[cfg(test)]") {
            let end = end_of_item(&code, start);
            let blanked: String = code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
            code.replace_range(start..end, &blanked);
        }
        code
    }

    /// Whether a `// size:` line with a blank line behind it stands right after the header.
    pub fn is_excused_as_a_whole(&self) -> bool {
        let lines: Vec<&str> = self.text.lines().collect();
        let head = lines.iter().take_while(|line| line.starts_with("//") || line.is_empty()).count();
        lines.windows(2).take(head).any(|pair| matches!(pair, [line, ""] if line.starts_with("// size: ")))
    }

    /// Whether a `// size:` line stands directly above the item at `line`, its attributes and its documentation.
    pub fn is_excused_at(&self, line: usize) -> bool {
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        let above = lines[..line - 1].iter().rev().take_while(|line| line.starts_with("//") || line.starts_with("#["));
        above.into_iter().any(|line| line.starts_with("// size: "))
    }
}

/// The end of the item at `start`: its closing brace, or its semicolon if that comes first.
fn end_of_item(code: &str, start: usize) -> usize {
    let mut depth = 0;
    for (offset, c) in code[start..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return start + offset + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return start + offset + 1,
            _ => {}
        }
    }
    code.len()
}

/// The text with comments, strings and characters replaced by blanks; line ends stay.
pub fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let length = literal_length(&chars[at..], at > 0 && is_word(chars[at - 1]));
        if length == 0 {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..at + length].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at += length;
        }
    }
    out
}

/// The length of the comment or literal that `rest` starts with; 0 if it starts with neither.
fn literal_length(rest: &[char], within_word: bool) -> usize {
    match rest {
        ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => quoted(rest, '"'),
        ['r', '"' | '#', ..] if !within_word => raw_string(rest, 1),
        ['b', 'r', '"' | '#', ..] if !within_word => raw_string(rest, 2),
        ['\'', '\\', ..] => quoted(rest, '\''),
        ['\'', _, '\'', ..] => 3, // anything longer without a backslash is a lifetime
        _ => 0,
    }
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[char], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    if rest.get(prefix + hashes) != Some(&'"') {
        return 0; // a raw identifier
    }
    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = prefix + hashes + 1;
    rest[body..].windows(close.len()).position(|window| window == close).map_or(rest.len(), |at| body + at + close.len())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The line of the first place where `word` stands as a whole word.
pub fn line_of_word(code: &str, word: &str) -> Option<usize> {
    words(code, word).next().map(|at| line_at(code, at))
}

fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        !code[..*at].chars().next_back().is_some_and(is_word) && !code[at + word.len()..].chars().next().is_some_and(is_word)
    })
}

fn line_at(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// What the file names behind `crate::`, or behind as many `super::` as lead to the root.
pub fn first_imports(code: &str, module_path: &[String]) -> Vec<Import> {
    let mut imports = Vec::new();
    let supers = "super::".repeat(module_path.len());
    for root in ["crate", "super"] {
        for at in words(code, root) {
            let rest = match root {
                "crate" => code[at..].strip_prefix("crate::"),
                _ if code[..at].ends_with("super::") => None, // counted where the chain starts
                _ => code[at..].strip_prefix(supers.as_str()),
            };
            let Some(rest) = rest else { continue };
            let line = line_at(code, at);
            imports.extend(heads(rest).into_iter().map(|path| import(&path, line)));
        }
    }
    imports
}

fn import(path: &str, line: usize) -> Import {
    let module = path.split("::").next().unwrap_or_default();
    Import { module: module.into(), path: path.into(), line }
}

/// The paths that start here, up to two segments each, with braces in either place.
fn heads(rest: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for rest in alternatives(rest) {
        let first = segment(rest);
        match rest[first.len()..].strip_prefix("::") {
            None => paths.push(first),
            Some(rest) => paths.extend(alternatives(rest).into_iter().map(|rest| match segment(rest).as_str() {
                "" | "self" => first.clone(),
                second => format!("{first}::{second}"),
            })),
        }
    }
    paths.retain(|path| !path.is_empty());
    paths
}

/// The parts of the braces that `rest` starts with, else `rest` alone.
fn alternatives(rest: &str) -> Vec<&str> {
    let Some(group) = rest.strip_prefix('{') else { return vec![rest] };
    let mut depth = 1;
    let mut starts = vec![0];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => starts.push(at + 1),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    starts.into_iter().map(|start| group[start..].trim_start()).collect()
}

fn segment(text: &str) -> String {
    text.chars().take_while(|c| is_word(*c)).collect()
}

/// The functions with a body.
pub fn functions(code: &str) -> Vec<Function> {
    let with_body = |at: usize| {
        let name = segment(code[at + 2..].trim_start());
        let end = end_of_item(code, at);
        (!name.is_empty() && code[..end].ends_with('}')).then(|| Function {
            name,
            line: line_at(code, at),
            lines: code[at..end].matches('\n').count() + 1,
        })
    };
    words(code, "fn").filter_map(with_body).collect()
}
