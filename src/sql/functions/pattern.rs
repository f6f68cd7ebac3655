//! Which regular expressions are read alike everywhere: a parser of the subset, and the subjects over which even those differ.

use crate::sql::types::Refusal;

/// A pattern of the subset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// In the notation of the engine here.
    pub translated: String,
    /// Whether a letter beyond ASCII has two cases.
    pub has_cased_letter: bool,
    /// Whether `.` or `$` occurs, which line ends matter to.
    has_lines: bool,
    /// Whether a class of letters, digits or blanks occurs.
    has_class: bool,
}

impl Pattern {
    /// Why engines differ over a subject; `None` where they agree.
    pub(super) fn differs_over(&self, text: &str, is_caseless: bool) -> Option<&'static str> {
        let is_line_end = |c: char| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
        if self.has_lines && text.contains(is_line_end) {
            return Some("a regular expression with . or $ meets a line end");
        }
        let is_plain = |c: char| {
            (c.is_ascii() && c != '\u{b}' && c != '\0')
                || matches!(c, '\u{ac00}'..='\u{d7a3}' | '\u{3131}'..='\u{3163}' | '\u{4e00}'..='\u{9fa5}')
        };
        if self.has_class && !text.chars().all(is_plain) {
            return Some("a regular expression with a class such as \\w meets a letter that engines class differently");
        }
        // These fold to ASCII letters in some engines and versions.
        if is_caseless && text.contains(['\u{130}', '\u{131}', '\u{17f}', '\u{212a}']) {
            return Some("a regular expression meets a letter whose case engines fold differently");
        }
        None
    }
}

/// Reads a pattern.
///
/// # Errors
/// For everything outside the subset.
pub(super) fn parse(text: &str) -> std::result::Result<Pattern, Refusal> {
    let pattern = Pattern { translated: String::new(), has_cased_letter: false, has_lines: false, has_class: false };
    let mut parser = Parser { rest: text, pattern };
    match parser.alternation(0) {
        Some(_) if parser.rest.is_empty() && !text.is_empty() => Ok(parser.pattern),
        _ => Err(Refusal::new(
            "this regular expression is outside of what both servers and strangler match alike",
            "use literals, classes, groups, |, ^ $ . * + ? {m,n} and \\d \\w \\s \\b, or LIKE",
        )),
    }
}

struct Parser<'a> {
    rest: &'a str,
    pattern: Pattern,
}

const DEPTH_MAX: usize = 20;
const REPEAT_MAX: u32 = 200;

/// Each step is `None` outside the subset, else whether what it read can match nothing.
impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.rest = self.rest.get(character.len_utf8()..)?;
        Some(character)
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.next();
        }
        found
    }

    fn alternation(&mut self, depth: usize) -> Option<bool> {
        if depth > DEPTH_MAX {
            return None;
        }
        let mut can_be_empty = self.sequence(depth)?;
        while self.take('|') {
            self.pattern.translated.push('|');
            can_be_empty |= self.sequence(depth)?;
        }
        Some(can_be_empty)
    }

    /// At least one atom: engines differ over empty branches.
    fn sequence(&mut self, depth: usize) -> Option<bool> {
        let mut can_be_empty = true;
        let mut atoms = 0;
        while self.peek().is_some_and(|next| next != '|' && next != ')') {
            can_be_empty &= self.quantified(depth)?;
            atoms += 1;
        }
        (atoms > 0).then_some(can_be_empty)
    }

    fn quantified(&mut self, depth: usize) -> Option<bool> {
        let (atom_empty, repeatable) = self.atom(depth)?;
        let Some(quantifier) = self.peek().filter(|next| "*+?{".contains(*next)) else { return Some(atom_empty) };
        if !repeatable || atom_empty {
            return None;
        }
        self.next();
        self.pattern.translated.push(quantifier);
        let can_be_empty = match quantifier {
            '{' => self.counts()?,
            '+' => false,
            _ => true,
        };
        if self.take('?') {
            self.pattern.translated.push('?');
        }
        // A second quantifier, or a possessive one.
        (!self.peek().is_some_and(|next| "*+?{".contains(next))).then_some(can_be_empty)
    }

    /// `m}`, `m,}` or `m,n}`.
    fn counts(&mut self) -> Option<bool> {
        let end = self.rest.find('}')?;
        let inside = self.rest.get(..end)?;
        let (least, most) = inside.split_once(',').unwrap_or((inside, inside));
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number <= REPEAT_MAX && !text.starts_with('+'));
        let least = number(least)?;
        if !most.is_empty() && number(most)? < least {
            return None;
        }
        self.pattern.translated.push_str(inside);
        self.pattern.translated.push('}');
        self.rest = self.rest.get(end + 1..)?;
        Some(least == 0)
    }

    /// Whether the atom can match nothing, and whether it may be repeated.
    fn atom(&mut self, depth: usize) -> Option<(bool, bool)> {
        match self.next()? {
            '(' => {
                self.pattern.translated.push('(');
                if self.take('?') {
                    if !self.take(':') {
                        return None;
                    }
                    self.pattern.translated.push_str("?:");
                }
                let can_be_empty = self.alternation(depth + 1)?;
                self.pattern.translated.push(')');
                self.take(')').then_some((can_be_empty, true))
            }
            '[' => self.class().map(|()| (false, true)),
            '.' => {
                self.pattern.has_lines = true;
                self.pattern.translated.push('.');
                Some((false, true))
            }
            '^' => {
                self.pattern.translated.push('^');
                Some((true, false))
            }
            '$' => {
                self.pattern.has_lines = true;
                self.pattern.translated.push('$');
                Some((true, false))
            }
            '\\' => self.escape(false),
            ')' | '*' | '+' | '?' | '{' | '}' | ']' | '|' => None,
            letter => self.literal(letter).map(|()| (false, true)),
        }
    }

    fn literal(&mut self, letter: char) -> Option<()> {
        if letter.is_control() {
            return None;
        }
        self.pattern.has_cased_letter |= !letter.is_ascii() && (letter.is_lowercase() || letter.is_uppercase());
        self.pattern.translated.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4])));
        Some(())
    }

    fn escape(&mut self, in_class: bool) -> Option<(bool, bool)> {
        let letter = self.next()?;
        match letter {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' => {
                self.pattern.has_class = true;
                self.pattern.translated.push('\\');
                self.pattern.translated.push(letter);
                Some((false, true))
            }
            'b' | 'B' if !in_class => {
                self.pattern.has_class = true;
                self.pattern.translated.push('\\');
                self.pattern.translated.push(letter);
                Some((true, false))
            }
            punctuation if punctuation.is_ascii_punctuation() && !"<>_".contains(punctuation) => {
                self.pattern.translated.push_str(&regex::escape(punctuation.encode_utf8(&mut [0; 4])));
                Some((false, true))
            }
            _ => None,
        }
    }

    /// A class in brackets: letters, ranges inside one alphabet, POSIX names and escapes.
    fn class(&mut self) -> Option<()> {
        self.pattern.translated.push('[');
        if self.take('^') {
            self.pattern.translated.push('^');
        }
        let mut items = 0;
        loop {
            match self.next()? {
                ']' if items > 0 => {
                    self.pattern.translated.push(']');
                    return Some(());
                }
                ']' => return None,
                '[' => self.posix()?,
                '\\' => drop(self.escape(true)?),
                '-' => {
                    // A hyphen stands for itself at either end.
                    if items > 0 && self.peek() != Some(']') {
                        return None;
                    }
                    self.pattern.translated.push_str("\\-");
                }
                first => self.class_letter(first)?,
            }
            items += 1;
        }
    }

    fn class_letter(&mut self, first: char) -> Option<()> {
        if "&~|^".contains(first) {
            return None;
        }
        self.literal(first)?;
        let mut ahead = self.rest.chars();
        if ahead.next() != Some('-') || ahead.next().is_none_or(|next| next == ']') {
            return Some(());
        }
        self.next();
        let last = self.next()?;
        let same = |test: fn(char) -> bool| test(first) && test(last);
        let is_hangul = |c: char| matches!(c, '\u{ac00}'..='\u{d7a3}' | '\u{3131}'..='\u{3163}');
        let one_alphabet = same(|c| c.is_ascii_digit())
            || same(|c| c.is_ascii_lowercase())
            || same(|c| c.is_ascii_uppercase())
            || same(is_hangul)
            || same(|c| matches!(c, '\u{4e00}'..='\u{9fff}'));
        if !one_alphabet || first > last {
            return None;
        }
        self.pattern.translated.push('-');
        self.literal(last)
    }

    fn posix(&mut self) -> Option<()> {
        let end = self.rest.find(":]")?;
        let name = self.rest.get(..end)?.strip_prefix(':')?;
        let class = match name {
            "digit" => "\\d",
            "space" => "\\s",
            "alpha" => "\\p{Alphabetic}",
            "alnum" => "\\p{Alphabetic}\\d",
            _ => return None,
        };
        self.pattern.has_class = true;
        self.pattern.translated.push_str(class);
        self.rest = self.rest.get(end + 2..)?;
        Some(())
    }
}
