//! JSON text as a tree over its own letters, and its two printed forms: MariaDB keeps every token as it was written, MySQL
//! normalises numbers, strings and the order of keys.

use std::fmt::Write as _;

use crate::value::json_number;

/// The servers bound the depth at 32 (MariaDB) and 100 (MySQL); what is deeper than the smaller one is not carried.
const DEPTH_MAX: usize = 30;

/// A value with its tokens as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node<'a> {
    Null,
    True,
    False,
    /// A number's own letters.
    Number(&'a str),
    /// What stands between the quotes, escapes included.
    String(&'a str),
    Array(Vec<Node<'a>>),
    /// Keys between their quotes, in written order.
    Object(Vec<(&'a str, Node<'a>)>),
}

/// How a printed form treats the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// MariaDB's: as written, with `", "` and `": "` between parts.
    Written,
    /// MySQL's, of a document that is in normal form already.
    Printed,
    /// MySQL's normal form.
    Normal,
}

/// Reads one JSON text; `None` if it is none, or nests too deeply.
pub(super) fn parse(text: &str) -> Option<Node<'_>> {
    read(text, false)
}

/// Whether a text is JSON for a reader that takes any escape and numbers without digits: MariaDB's is as lenient in places.
pub(super) fn is_nearly_valid(text: &str) -> bool {
    read(text, true).is_some()
}

fn read(text: &str, is_lenient: bool) -> Option<Node<'_>> {
    let mut reader = Reader { rest: text, is_lenient };
    let node = reader.value(0)?;
    reader.blanks();
    reader.rest.is_empty().then_some(node)
}

struct Reader<'a> {
    rest: &'a str,
    is_lenient: bool,
}

impl<'a> Reader<'a> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, wanted: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<Node<'a>> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.blanks();
        match self.rest.bytes().next()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Node::String),
            b'n' => self.take("null").map(|()| Node::Null),
            b't' => self.take("true").map(|()| Node::True),
            b'f' => self.take("false").map(|()| Node::False),
            _ => self.number().map(Node::Number),
        }
    }

    fn array(&mut self, depth: usize) -> Option<Node<'a>> {
        self.take("[")?;
        let mut items = Vec::new();
        self.blanks();
        if self.take("]").is_some() {
            return Some(Node::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blanks();
            if self.take("]").is_some() {
                return Some(Node::Array(items));
            }
            self.take(",")?;
        }
    }

    fn object(&mut self, depth: usize) -> Option<Node<'a>> {
        self.take("{")?;
        let mut members = Vec::new();
        self.blanks();
        if self.take("}").is_some() {
            return Some(Node::Object(members));
        }
        loop {
            self.blanks();
            let key = self.string()?;
            self.blanks();
            self.take(":")?;
            members.push((key, self.value(depth + 1)?));
            self.blanks();
            if self.take("}").is_some() {
                return Some(Node::Object(members));
            }
            self.take(",")?;
        }
    }

    fn string(&mut self) -> Option<&'a str> {
        self.take("\"")?;
        let mut characters = self.rest.char_indices();
        while let Some((end, character)) = characters.next() {
            match character {
                '"' => {
                    let inside = self.rest.get(..end)?;
                    self.rest = self.rest.get(end + 1..)?;
                    return (self.is_lenient || unescape(inside).is_some()).then_some(inside);
                }
                '\\' => {
                    characters.next()?;
                }
                '\0'..='\u{1f}' => return None,
                _ => {}
            }
        }
        None
    }

    fn number(&mut self) -> Option<&'a str> {
        let text = self.rest;
        if self.is_lenient {
            let end = text.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).unwrap_or(text.len());
            let (number, rest) = text.split_at_checked(end).filter(|(number, _)| !number.is_empty())?;
            self.rest = rest;
            return Some(number);
        }
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let whole = digits(unsigned);
        if whole == 0 || (whole > 1 && unsigned.starts_with('0')) {
            return None;
        }
        let mut behind = unsigned.get(whole..)?;
        if let Some(fraction) = behind.strip_prefix('.') {
            behind = fraction.get(digits(fraction)..).filter(|rest| rest.len() < fraction.len())?;
        }
        if let Some(exponent) = behind.strip_prefix(['e', 'E']) {
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            behind = exponent.get(digits(exponent)..).filter(|rest| rest.len() < exponent.len())?;
        }
        let (number, rest) = text.split_at_checked(text.len() - behind.len())?;
        self.rest = rest;
        Some(number)
    }
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// The characters that an escaped string stands for.
pub(super) fn unescape(inside: &str) -> Option<String> {
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(place) = rest.find('\\') {
        out.push_str(rest.get(..place)?);
        let letter = rest.get(place + 1..)?.chars().next()?;
        rest = rest.get(place + 1 + letter.len_utf8()..)?;
        out.push(match letter {
            '"' | '\\' | '/' => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (character, behind) = unicode(rest)?;
                rest = behind;
                character
            }
            _ => return None,
        });
    }
    out.push_str(rest);
    Some(out)
}

/// Four hexadecimal digits, or two groups of them that make a surrogate pair.
fn unicode(text: &str) -> Option<(char, &str)> {
    let group = |text: &str| {
        let digits = text.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    };
    let high = group(text)?;
    let rest = text.get(4..)?;
    if !(0xd800..0xdc00).contains(&high) {
        return char::from_u32(high).map(|character| (character, rest));
    }
    let second = rest.strip_prefix("\\u")?;
    let low = group(second).filter(|low| (0xdc00..0xe000).contains(low))?;
    let character = char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))?;
    Some((character, second.get(4..)?))
}

impl<'a> Node<'a> {
    /// The members of a key: as written all, compared letter by letter (see [`Node::has_escaped_key`]); in normal form the last of equal characters.
    pub(super) fn members(&self, key: &str, form: Form) -> Vec<&Node<'a>> {
        let Node::Object(members) = self else { return Vec::new() };
        let is_named = |name: &str| match form {
            Form::Written => name == key,
            Form::Printed | Form::Normal => unescape(name).as_deref() == Some(key),
        };
        let mut matching = members.iter().filter(|(name, _)| is_named(name)).map(|(_, node)| node);
        match form {
            Form::Written => matching.collect(),
            Form::Printed | Form::Normal => matching.next_back().into_iter().collect(),
        }
    }

    /// Whether any key at any depth is written with an escape.
    pub(super) fn has_escaped_key(&self) -> bool {
        match self {
            Node::Array(items) => items.iter().any(Node::has_escaped_key),
            Node::Object(members) => members.iter().any(|(key, member)| key.contains('\\') || member.has_escaped_key()),
            _ => false,
        }
    }

    /// How deep it nests, itself included; members that the form drops do not count.
    pub(super) fn depth(&self, form: Form) -> usize {
        let below = match self {
            Node::Array(items) => items.iter().map(|item| item.depth(form)).max(),
            Node::Object(members) => ordered(members, form).into_iter().map(|(_, member)| member.depth(form)).max(),
            _ => None,
        };
        1 + below.unwrap_or(0)
    }

    /// How many members or elements it has; 1 for a scalar.
    pub(super) fn length(&self, form: Form) -> usize {
        match self {
            Node::Array(items) => items.len(),
            Node::Object(members) => ordered(members, form).len(),
            _ => 1,
        }
    }

    /// Appends the printed form; `None` for a number whose double the server may read differently.
    pub(super) fn print(&self, form: Form, out: &mut String) -> Option<()> {
        match self {
            Node::Null => out.push_str("null"),
            Node::True => out.push_str("true"),
            Node::False => out.push_str("false"),
            Node::Number(text) if form != Form::Normal => out.push_str(text),
            Node::Number(text) => number(text, out)?,
            Node::String(inside) => string(inside, form, out)?,
            Node::Array(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    out.push_str(if place > 0 { ", " } else { "" });
                    item.print(form, out)?;
                }
                out.push(']');
            }
            Node::Object(members) => {
                out.push('{');
                for (place, (key, node)) in ordered(members, form).into_iter().enumerate() {
                    out.push_str(if place > 0 { ", " } else { "" });
                    string(key, form, out)?;
                    out.push_str(": ");
                    node.print(form, out)?;
                }
                out.push('}');
            }
        }
        Some(())
    }

    /// The keys of an object as they are printed.
    pub(super) fn keys(&self, form: Form) -> Option<Vec<&'a str>> {
        let Node::Object(members) = self else { return None };
        let mut keys: Vec<&'a str> = Vec::new();
        for (key, _) in ordered(members, form) {
            // MariaDB takes no empty key for another one.
            if !keys.contains(&key) || (key.is_empty() && form == Form::Written) {
                keys.push(key);
            }
        }
        Some(keys)
    }
}

/// Members as they are printed: normal order is by the length of the key, then its bytes, and the last of equal keys stays.
fn ordered<'n, 'a>(members: &'n [(&'a str, Node<'a>)], form: Form) -> Vec<(&'a str, &'n Node<'a>)> {
    let all = members.iter().map(|(key, node)| (*key, node));
    if form != Form::Normal {
        return all.collect();
    }
    let named = |key: &str| unescape(key).unwrap_or_default();
    let mut last: Vec<(String, &'a str, &'n Node<'a>)> = Vec::new();
    for (key, node) in all {
        let name = named(key);
        match last.iter_mut().find(|(known, ..)| *known == name) {
            Some(entry) => *entry = (name, key, node),
            None => last.push((name, key, node)),
        }
    }
    last.sort_by(|(one, ..), (other, ..)| (one.len(), one.as_bytes()).cmp(&(other.len(), other.as_bytes())));
    last.into_iter().map(|(_, key, node)| (key, node)).collect()
}

fn string(inside: &str, form: Form, out: &mut String) -> Option<()> {
    if form != Form::Normal {
        let _ = write!(out, "\"{inside}\"");
        return Some(());
    }
    quote(&unescape(inside)?, out);
    Some(())
}

/// Quotes as both servers do: short escapes where there are any, `\u00xx` for the other control characters.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control @ '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Integers of 64 bits stay integers, everything else is a double. Doubles are only read where every way of reading gives the
/// same bits: up to 15 digits and powers of ten up to 22.
fn number(text: &str, out: &mut String) -> Option<()> {
    if !text.contains(['.', 'e', 'E']) {
        if let Ok(number) = text.parse::<i64>() {
            let _ = write!(out, "{number}");
            return Some(());
        }
        if let Ok(number) = text.parse::<u64>() {
            let _ = write!(out, "{number}");
            return Some(());
        }
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let significant = mantissa.bytes().filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0').count();
    let power = exponent.parse::<i64>().ok()? - i64::try_from(fraction).ok()?;
    if significant > 15 || !(-22..=22).contains(&power) {
        return None;
    }
    json_number::double(text.parse().ok()?, out);
    Some(())
}
