//! The words, names and signs of a statement, as far as its classification needs them.
//!
//! Goes in: a statement's text. Comes out: tokens without comments; the inside of executable comments (`/*! .. */`, `/*M! .. */`)
//! counts as code, as the server runs it. Never fails: an unclosed quote or comment ends with the text.

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token<'a> {
    /// A bare word or number.
    Word(&'a str),
    /// A name in backquotes, or a text in double quotes, which is a name under ANSI_QUOTES; without its quotes.
    Quoted(String),
    /// A literal in single quotes.
    Literal,
    /// Any other character.
    Sign(char),
}

impl Token<'_> {
    /// Whether this is the keyword `word`, in any case.
    #[must_use]
    pub fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(found) if found.eq_ignore_ascii_case(word))
    }

    /// The token as a name.
    #[must_use]
    pub fn identifier(&self) -> Option<String> {
        match self {
            Self::Word(word) => Some((*word).to_owned()),
            Self::Quoted(name) => Some(name.clone()),
            Self::Literal | Self::Sign(_) => None,
        }
    }
}

/// Splits `text` into tokens.
#[must_use]
pub fn tokenize(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..).unwrap_or("");
        rest = match first {
            space if space.is_whitespace() => after,
            '#' => past(after, "\n"),
            '-' if after.starts_with("- ") || after == "-" || after.starts_with("-\n") || after.starts_with("-\t") => {
                past(after, "\n")
            }
            '/' if after.starts_with('*') => comment(after.get(1..).unwrap_or("")),
            // The end of an executable comment.
            '*' if after.starts_with('/') => after.get(1..).unwrap_or(""),
            '`' | '"' | '\'' => {
                let (content, after) = quoted(after, first);
                tokens.push(if first == '\'' { Token::Literal } else { Token::Quoted(content) });
                after
            }
            letter if is_word_character(letter) => {
                let length = rest.find(|c| !is_word_character(c)).unwrap_or(rest.len());
                let (word, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
                tokens.push(Token::Word(word));
                after
            }
            ';' if after.trim().is_empty() => "",
            sign => {
                tokens.push(Token::Sign(sign));
                after
            }
        };
    }
    tokens
}

fn is_word_character(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii()
}

fn past<'a>(text: &'a str, end: &str) -> &'a str {
    text.split_once(end).map_or("", |(_, after)| after)
}

/// `text` behind `/*`: for an executable comment its content, else what follows it.
fn comment(text: &str) -> &str {
    match text.strip_prefix('!').or_else(|| text.strip_prefix("M!")) {
        Some(content) => content.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => past(text, "*/"),
    }
}

/// Reads to the closing quote; a doubled quote stands for itself, and outside backquotes a backslash protects what follows.
fn quoted(text: &str, quote: char) -> (String, &str) {
    let mut content = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((index, c)) = characters.next() {
        if c == quote {
            if characters.next_if(|(_, next)| *next == quote).is_none() {
                return (content, text.get(index + c.len_utf8()..).unwrap_or(""));
            }
        } else if c == '\\' && quote != '`' {
            characters.next();
            continue;
        }
        content.push(c);
    }
    (content, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_quotes_and_executable_comments() {
        let tokens = tokenize("DROP /*!40005 TEMPORARY */ TABLE /* `x` */ `a``b`.'it''s' -- tail\n, \"q\" # end");
        let expected = [
            Token::Word("DROP"),
            Token::Word("TEMPORARY"),
            Token::Word("TABLE"),
            Token::Quoted("a`b".into()),
            Token::Sign('.'),
            Token::Literal,
            Token::Sign(','),
            Token::Quoted("q".into()),
        ];
        assert_eq!(tokens, expected);
    }

    #[test]
    fn f50_nothing_in_a_statement_makes_it_fail() {
        for text in ["`", "'\\", "/*", "/*!", "\"\\", "--", "주문 `회원", ";;"] {
            let _ = tokenize(text);
        }
    }
}
