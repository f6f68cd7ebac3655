//! Regular expressions as PostgreSQL's advanced syntax reads them, on the subset that has one meaning under every locale.
//!
//! Carried: letters, `.`, bracket expressions, `\d \s \w` and their negations, `^ $ \A \Z \y \Y \m \M`, groups, alternation, greedy
//! quantifiers and, where only the question whether something matches is asked, lazy ones. Not carried: back references, lookaround, embedded
//! options other than a leading `(?i)`, collating elements, quantified groups with captures inside.

use crate::sql::types::Refusal;

/// A part of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// One character.
    One(Class),
    /// One behind the other.
    Sequence(Vec<Node>),
    /// One of them.
    Choice(Vec<Node>),
    /// Something several times.
    Repeat {
        /// What.
        inner: Box<Node>,
        /// How often at least.
        least: u32,
        /// How often at most.
        most: Option<u32>,
    },
    /// Parentheses, with their number if they capture.
    Group {
        /// From one.
        number: Option<usize>,
        /// What is between them.
        inner: Box<Node>,
    },
    /// A place between characters.
    Place(Place),
}

/// Where something matches without taking a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The beginning of the string.
    Start,
    /// The end of the string.
    End,
    /// The beginning of a word.
    WordStart,
    /// The end of a word.
    WordEnd,
    /// Either of them.
    WordEdge,
    /// Neither.
    NoWordEdge,
}

/// A set of characters.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// Whether all others are meant.
    pub negated: bool,
    /// What is in it.
    pub items: Vec<Item>,
}

/// An element of a set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Item {
    /// From one character to another, by code point.
    Range(char, char),
    /// What `isalpha` and its kin say.
    Named(Named),
}

/// The classes of POSIX.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    Digit,
    Space,
    Word,
    Alpha,
    Alnum,
    Upper,
    Lower,
    Punct,
}

/// An expression as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// Its tree.
    pub root: Node,
    /// How many groups capture.
    pub groups: usize,
    /// Whether a lazy quantifier occurs.
    pub is_lazy: bool,
    /// Whether a class occurs whose letters depend on the locale.
    pub has_named: bool,
    /// Whether letters match in both of their cases.
    pub folds: bool,
    /// Why the parts of a match are not told exactly; the match as a whole is.
    pub unclear_groups: bool,
}

/// The server takes 255 repetitions; products of nested ones are bounded here.
const REPEAT_MAX: u32 = 255;
const DEPTH_MAX: usize = 30;

fn refusal(what: &str) -> Refusal {
    Refusal::new(
        format!("{what} in a regular expression is not carried exactly"),
        "use letters, classes, groups, |, ^ $ . * + ? {m,n} and \\d \\s \\w \\y, or LIKE",
    )
}

/// Reads an expression; `folds`: letters match in both of their cases.
///
/// # Errors
/// What is outside of the subset, and what the server does not read either.
pub fn read(text: &str, folds: bool) -> Result<Expression, Refusal> {
    let (text, folds) = match text.strip_prefix("(?i)") {
        Some(rest) => (rest, true),
        None => (text, folds),
    };
    if text.starts_with("***") {
        return Err(refusal("a *** prefix"));
    }
    let expression = Expression {
        root: Node::Sequence(Vec::new()),
        groups: 0,
        is_lazy: false,
        has_named: false,
        folds,
        unclear_groups: false,
    };
    let mut reader = Reader { rest: text, expression };
    let root = reader.choice(0)?;
    if !reader.rest.is_empty() {
        return Err(refusal("an unmatched )"));
    }
    Ok(Expression { root, ..reader.expression })
}

/// The expression of a `SIMILAR TO` pattern, as the server rewrites it.
///
/// # Errors
/// A separator of `substring(.. similar ..)`, or an escape character without a character behind it.
pub fn similar(pattern: &str, escape: Option<char>) -> Result<String, Refusal> {
    let mut out = "^(?:".to_owned();
    let mut in_brackets = false;
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if Some(character) == escape {
            let Some(next) = characters.next().filter(|next| *next != '"') else {
                return Err(refusal("an escape without a character behind it"));
            };
            // An escaped letter would be an escape of regular expressions.
            if next.is_alphanumeric() {
                return Err(refusal("an escaped letter"));
            }
            out.push('\\');
            out.push(next);
        } else if in_brackets {
            in_brackets = character != ']';
            out.push_str(if character == '\\' { "\\\\" } else { "" });
            if character != '\\' {
                out.push(character);
            }
        } else {
            in_brackets = character == '[';
            match character {
                '%' => out.push_str(".*"),
                '_' => out.push('.'),
                '(' => out.push_str("(?:"),
                '\\' | '.' | '^' | '$' => out.extend(['\\', character]),
                other => out.push(other),
            }
        }
    }
    out.push_str(")$");
    Ok(out)
}

impl Node {
    /// Whether a group captures inside.
    #[must_use]
    pub fn captures(&self) -> bool {
        match self {
            Self::One(_) | Self::Place(_) => false,
            Self::Sequence(parts) | Self::Choice(parts) => parts.iter().any(Self::captures),
            Self::Repeat { inner, .. } => inner.captures(),
            Self::Group { number, inner } => number.is_some() || inner.captures(),
        }
    }

    /// Whether it can match the empty string.
    fn can_be_empty(&self) -> bool {
        match self {
            Self::One(_) => false,
            Self::Place(_) => true,
            Self::Sequence(parts) => parts.iter().all(Self::can_be_empty),
            Self::Choice(parts) => parts.iter().any(Self::can_be_empty),
            Self::Repeat { inner, least, .. } => *least == 0 || inner.can_be_empty(),
            Self::Group { inner, .. } => inner.can_be_empty(),
        }
    }
}

struct Reader<'t> {
    rest: &'t str,
    expression: Expression,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.rest = self.rest.get(character.len_utf8()..)?;
        Some(character)
    }

    fn take(&mut self, wanted: &str) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn choice(&mut self, depth: usize) -> Result<Node, Refusal> {
        if depth > DEPTH_MAX {
            return Err(refusal("deep nesting"));
        }
        let mut branches = vec![self.sequence(depth)?];
        while self.take("|") {
            branches.push(self.sequence(depth)?);
        }
        Ok(match (branches.pop(), branches.is_empty()) {
            (Some(only), true) => only,
            (last, _) => {
                branches.extend(last);
                Node::Choice(branches)
            }
        })
    }

    fn sequence(&mut self, depth: usize) -> Result<Node, Refusal> {
        let mut parts = Vec::new();
        while self.peek().is_some_and(|next| next != '|' && next != ')') {
            parts.push(self.quantified(depth)?);
        }
        Ok(Node::Sequence(parts))
    }

    fn quantified(&mut self, depth: usize) -> Result<Node, Refusal> {
        let atom = self.atom(depth)?;
        let (least, most) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => self.counts()?,
            _ => return Ok(atom),
        };
        self.next();
        if matches!(atom, Node::Place(_)) {
            return Err(refusal("a quantifier without something to repeat"));
        }
        if self.take("?") {
            self.expression.is_lazy = true;
        }
        if self.peek().is_some_and(|next| "*+?{".contains(next)) {
            return Err(refusal("a quantifier behind a quantifier"));
        }
        let optional = (least, most) == (0, Some(1)) && !atom.can_be_empty();
        self.expression.unclear_groups |= atom.captures() && !optional;
        Ok(Node::Repeat { inner: Box::new(atom), least, most })
    }

    /// `{m}`, `{m,}` or `{m,n}`, up to the closing brace.
    fn counts(&mut self) -> Result<(u32, Option<u32>), Refusal> {
        let bad = || refusal("this use of {");
        let end = self.rest.find('}').ok_or_else(bad)?;
        let inside = self.rest.get(1..end).ok_or_else(bad)?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u32>().ok().filter(|number| digits && *number <= REPEAT_MAX).ok_or_else(bad)
        };
        let counts = match inside.split_once(',') {
            None => (number(inside)?, Some(number(inside)?)),
            Some((least, "")) => (number(least)?, None),
            Some((least, most)) => (number(least)?, Some(number(most)?)),
        };
        if counts.1.is_some_and(|most| most < counts.0 || most == 0) {
            return Err(bad());
        }
        self.rest = self.rest.get(end..).ok_or_else(bad)?;
        Ok(counts)
    }

    fn atom(&mut self, depth: usize) -> Result<Node, Refusal> {
        let Some(character) = self.next() else { return Err(refusal("an end where something is meant")) };
        Ok(match character {
            '(' => {
                let number = if self.take("?:") {
                    None
                } else if self.peek() == Some('?') {
                    return Err(refusal("(?..)"));
                } else {
                    self.expression.groups += 1;
                    Some(self.expression.groups)
                };
                let inner = Box::new(self.choice(depth + 1)?);
                if !self.take(")") {
                    return Err(refusal("an unmatched ("));
                }
                Node::Group { number, inner }
            }
            '[' => Node::One(self.brackets()?),
            '.' => Node::One(Class { negated: true, items: Vec::new() }),
            '^' => Node::Place(Place::Start),
            '$' => Node::Place(Place::End),
            '\\' => self.escape()?,
            '*' | '+' | '?' | '{' => return Err(refusal("a quantifier without something to repeat")),
            letter => self.letter(letter).map(|item| Node::One(Class { negated: false, items: vec![item] }))?,
        })
    }

    /// A character that means itself.
    fn letter(&self, letter: char) -> Result<Item, Refusal> {
        if self.expression.folds && !letter.is_ascii() && (letter.is_lowercase() || letter.is_uppercase()) {
            return Err(refusal("a letter beyond ASCII in both of its cases"));
        }
        Ok(Item::Range(letter, letter))
    }

    fn named(&mut self, name: Named) -> Result<Item, Refusal> {
        if self.expression.folds && matches!(name, Named::Upper | Named::Lower) {
            return Err(refusal("a class of one case where case does not matter"));
        }
        self.expression.has_named = true;
        Ok(Item::Named(name))
    }

    fn escape(&mut self) -> Result<Node, Refusal> {
        let Some(letter) = self.next() else { return Err(refusal("a \\ at the end")) };
        let place = match letter {
            'A' => Some(Place::Start),
            'Z' => Some(Place::End),
            'm' => Some(Place::WordStart),
            'M' => Some(Place::WordEnd),
            'y' => Some(Place::WordEdge),
            'Y' => Some(Place::NoWordEdge),
            _ => None,
        };
        if let Some(place) = place {
            self.expression.has_named |= !matches!(place, Place::Start | Place::End);
            return Ok(Node::Place(place));
        }
        let name = match letter.to_ascii_lowercase() {
            'd' => Some(Named::Digit),
            's' => Some(Named::Space),
            'w' => Some(Named::Word),
            _ => None,
        };
        let (negated, item) = match name {
            Some(name) => (letter.is_ascii_uppercase(), self.named(name)?),
            None => (false, self.escaped_letter(letter)?),
        };
        Ok(Node::One(Class { negated, items: vec![item] }))
    }

    fn escaped_letter(&self, letter: char) -> Result<Item, Refusal> {
        let meant = match letter {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\u{c}',
            'v' => '\u{b}',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'e' => '\u{1b}',
            'B' => '\\',
            other if other.is_alphanumeric() => return Err(refusal(&format!("\\{other}"))),
            other => other,
        };
        self.letter(meant)
    }

    fn brackets(&mut self) -> Result<Class, Refusal> {
        let mut class = Class { negated: self.take("^"), items: Vec::new() };
        loop {
            let Some(character) = self.next() else { return Err(refusal("an unmatched [")) };
            let item = match character {
                ']' if !class.items.is_empty() => return Ok(class),
                '[' if self.peek() == Some(':') => self.posix()?,
                '[' if matches!(self.peek(), Some('.' | '=')) => return Err(refusal("a collating element")),
                '\\' => match self.next() {
                    Some('d') => self.named(Named::Digit)?,
                    Some('s') => self.named(Named::Space)?,
                    Some('w') => self.named(Named::Word)?,
                    Some(letter) => {
                        let item = self.escaped_letter(letter)?;
                        self.range_from(item)?
                    }
                    None => return Err(refusal("an unmatched [")),
                },
                '-' if !class.items.is_empty() && self.peek() != Some(']') => return Err(refusal("this use of - in [..]")),
                letter => {
                    let item = self.letter(letter)?;
                    self.range_from(item)?
                }
            };
            class.items.push(item);
        }
    }

    /// `a-z` behind its first letter, or the letter alone.
    fn range_from(&mut self, item: Item) -> Result<Item, Refusal> {
        let bad = || refusal("this range in [..]");
        let Item::Range(first, _) = item else { return Ok(item) };
        let mut ahead = self.rest.chars();
        if ahead.next() != Some('-') || ahead.next() == Some(']') {
            return Ok(item);
        }
        self.next();
        let last = match self.next().ok_or_else(bad)? {
            '[' | ']' => return Err(bad()),
            '\\' => {
                let letter = self.next().ok_or_else(bad)?;
                match self.escaped_letter(letter)? {
                    Item::Range(letter, _) => letter,
                    Item::Named(_) => return Err(bad()),
                }
            }
            letter => letter,
        };
        let is_cased = |range: std::ops::RangeInclusive<char>| {
            range.clone().any(|c| !c.is_ascii() && (c.is_lowercase() || c.is_uppercase()))
        };
        if first > last || (self.expression.folds && last > '\u{7f}' && first < '\u{3131}' && is_cased(first..=last)) {
            return Err(bad());
        }
        Ok(Item::Range(first, last))
    }

    fn posix(&mut self) -> Result<Item, Refusal> {
        let classes = [
            ("[:digit:]", Named::Digit),
            ("[:space:]", Named::Space),
            ("[:alpha:]", Named::Alpha),
            ("[:alnum:]", Named::Alnum),
            ("[:upper:]", Named::Upper),
            ("[:lower:]", Named::Lower),
            ("[:punct:]", Named::Punct),
        ];
        for (written, name) in classes {
            if self.take(written.get(1..).unwrap_or(written)) {
                return self.named(name);
            }
        }
        Err(refusal("this class in [[:..:]]"))
    }
}
