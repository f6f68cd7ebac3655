//! JSON texts: read, checked, and printed as `jsonb` prints them.
//!
//! A `json` value keeps its text, and what is taken out of it is a part of that text. A `jsonb` value is held in the one text that the server
//! prints: keys in order of length and bytes, the last of equal keys, numbers as numeric.

use super::input;
use super::routine::Fault;
use crate::value::Value;

const BAD: Fault = "invalid input syntax for type json";
const DEPTH_MAX: usize = 500;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// null
    Null,
    /// true or false
    Bool(bool),
    /// A number as written.
    Number(String),
    /// A string, unescaped.
    String(String),
    /// An array; each element with its text as written.
    Array(Vec<(Node, String)>),
    /// An object in the order as written, with the text of each value.
    Object(Vec<(String, Node, String)>),
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

/// Reads one JSON text.
///
/// # Errors
/// It is none.
pub fn read(text: &str) -> Result<Node, Fault> {
    let mut reader = Reader { text, at: 0 };
    let node = reader.value(0)?;
    reader.blanks();
    if reader.at == text.len() { Ok(node) } else { Err(BAD) }
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// A value and its text as written, without the blanks around it.
    fn placed(&mut self, depth: usize) -> Result<(Node, String), Fault> {
        self.blanks();
        let start = self.at;
        let node = self.value(depth)?;
        Ok((node, self.text.get(start..self.at).unwrap_or("").to_owned()))
    }

    fn value(&mut self, depth: usize) -> Result<Node, Fault> {
        if depth > DEPTH_MAX {
            return Err("a JSON value is nested too deeply");
        }
        self.blanks();
        match self.rest().chars().next().ok_or(BAD)? {
            '{' => self.object(depth),
            '[' => self.array(depth),
            '"' => self.string().map(Node::String),
            't' if self.eat("true") => self.word(Node::Bool(true)),
            'f' if self.eat("false") => self.word(Node::Bool(false)),
            'n' if self.eat("null") => self.word(Node::Null),
            _ => self.number(),
        }
    }

    /// A word must not run on into another.
    fn word(&self, node: Node) -> Result<Node, Fault> {
        let runs_on = self.rest().starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_' || !next.is_ascii());
        if runs_on { Err(BAD) } else { Ok(node) }
    }

    fn object(&mut self, depth: usize) -> Result<Node, Fault> {
        self.at += 1;
        let mut members = Vec::new();
        self.blanks();
        if self.eat("}") {
            return Ok(Node::Object(members));
        }
        loop {
            self.blanks();
            if !self.rest().starts_with('"') {
                return Err(BAD);
            }
            let key = self.string()?;
            self.blanks();
            if !self.eat(":") {
                return Err(BAD);
            }
            let (node, written) = self.placed(depth + 1)?;
            members.push((key, node, written));
            self.blanks();
            if self.eat("}") {
                return Ok(Node::Object(members));
            }
            if !self.eat(",") {
                return Err(BAD);
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Node, Fault> {
        self.at += 1;
        let mut elements = Vec::new();
        self.blanks();
        if self.eat("]") {
            return Ok(Node::Array(elements));
        }
        loop {
            elements.push(self.placed(depth + 1)?);
            self.blanks();
            if self.eat("]") {
                return Ok(Node::Array(elements));
            }
            if !self.eat(",") {
                return Err(BAD);
            }
        }
    }

    fn string(&mut self) -> Result<String, Fault> {
        self.at += 1;
        let mut out = String::new();
        let mut characters = self.rest().char_indices();
        while let Some((offset, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += offset + 1;
                    return Ok(out);
                }
                '\\' => match characters.next().ok_or(BAD)?.1 {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'r' => out.push('\r'),
                    'b' => out.push('\u{8}'),
                    'f' => out.push('\u{c}'),
                    'u' => {
                        let mut unit = || {
                            let digits: String = (0..4).filter_map(|_| characters.next().map(|(_, digit)| digit)).collect();
                            if digits.len() == 4 { u16::from_str_radix(&digits, 16).map_err(|_| BAD) } else { Err(BAD) }
                        };
                        let first = unit()?;
                        let units = if (0xd800..0xdc00).contains(&first) {
                            if characters.next().map(|(_, next)| next) != Some('\\')
                                || characters.next().map(|(_, next)| next) != Some('u')
                            {
                                return Err(BAD);
                            }
                            let mut unit = || {
                                let digits: String = (0..4).filter_map(|_| characters.next().map(|(_, digit)| digit)).collect();
                                if digits.len() == 4 { u16::from_str_radix(&digits, 16).map_err(|_| BAD) } else { Err(BAD) }
                            };
                            vec![first, unit()?]
                        } else {
                            vec![first]
                        };
                        let text = String::from_utf16(&units).map_err(|_| BAD)?;
                        if text == "\0" {
                            return Err("\\u0000 cannot be converted to text");
                        }
                        out.push_str(&text);
                    }
                    plain @ ('"' | '\\' | '/') => out.push(plain),
                    _ => return Err(BAD),
                },
                control if u32::from(control) < 0x20 => return Err(BAD),
                other => out.push(other),
            }
        }
        Err(BAD)
    }

    fn number(&mut self) -> Result<Node, Fault> {
        let rest = self.rest();
        let end =
            rest.find(|character: char| !matches!(character, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(rest.len());
        let written = rest.get(..end).unwrap_or("");
        let unsigned = written.strip_prefix('-').unwrap_or(written);
        let (mantissa, exponent) =
            unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
        let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(whole, fraction)| (whole, Some(fraction)));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let sound = digits(whole)
            && (whole.len() == 1 || !whole.starts_with('0'))
            && fraction.is_none_or(digits)
            && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)));
        if !sound {
            return Err(BAD);
        }
        self.at += end;
        self.word(Node::Number(written.to_owned()))
    }
}

/// A text that is JSON, as it is.
///
/// # Errors
/// It is none.
pub fn checked(text: &str) -> Result<&str, Fault> {
    read(text).map(|_| text)
}

/// The text that `jsonb` prints for a JSON text.
///
/// # Errors
/// It is no JSON.
pub fn canonical(text: &str) -> Result<String, Fault> {
    let mut out = String::new();
    print(&read(text)?, &mut out)?;
    Ok(out)
}

/// Prints a value as `jsonb` does.
///
/// # Errors
/// A number past the range of numeric.
pub fn print(node: &Node, out: &mut String) -> Result<(), Fault> {
    match node {
        Node::Null => out.push_str("null"),
        Node::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Node::Number(written) => match input::numeric(written)? {
            Value::Decimal(number) => out.push_str(&number.to_string()),
            _ => return Err(BAD),
        },
        Node::String(text) => quote(text, out),
        Node::Array(elements) => {
            out.push('[');
            for (index, (element, _)) in elements.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                print(element, out)?;
            }
            out.push(']');
        }
        Node::Object(members) => {
            out.push('{');
            for (index, (key, value)) in ordered(members).into_iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                quote(key, out);
                out.push_str(": ");
                print(value, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// Members by length of key, then bytes; of equal keys the last.
#[must_use]
pub fn ordered(members: &[(String, Node, String)]) -> Vec<(&str, &Node)> {
    let mut sorted: std::collections::BTreeMap<(usize, &str), &Node> = std::collections::BTreeMap::new();
    for (key, node, _) in members {
        sorted.insert((key.len(), key), node);
    }
    sorted.into_iter().map(|((_, key), node)| (key, node)).collect()
}

/// Appends a string with the escapes of the server.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control if u32::from(control) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}
