//! The text of a mapping's SELECT becomes sqlparser's syntax tree and a table of tokens with byte ranges.
//!
//! In: SQL in MySQL's dialect and the `sql_mode` flags that change how text is read. Out: one query, or findings. Text that the
//! server would read differently from sqlparser (comments that are executed, optimizer hints, backslashes where they are no
//! escapes) is refused here. Names and types are not looked at.

use sqlparser::ast;
use sqlparser::dialect::{Dialect, PostgreSqlDialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace, Word};

use super::diagnostic::{Lines, from_parser};
use super::dialect::LegacyDialect;
use super::query::{Diagnostic, Span};

/// How deep expressions and subqueries may nest.
const NESTING_MAX: usize = 100;

/// The flags of `sql_mode` that change what a text means.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each flag is one independent sql_mode")]
pub(crate) struct Modes {
    /// `"x"` is a name, not a string.
    pub(crate) ansi_quotes: bool,
    /// `a || b` concatenates.
    pub(crate) pipes_as_concat: bool,
    /// A backslash in a string is a backslash.
    pub(crate) no_backslash_escapes: bool,
    /// `NOT a = b` is `(NOT a) = b`.
    pub(crate) high_not_precedence: bool,
    /// The text is PostgreSQL's, under `standard_conforming_strings`.
    pub(crate) postgres: bool,
}

impl Modes {
    /// Reads the flags from a normalised `sql_mode`.
    pub(crate) fn of(sql_mode: &str) -> Self {
        let has = |flag: &str| sql_mode.split(',').any(|mode| mode.trim().eq_ignore_ascii_case(flag));
        let ansi = has("ANSI");
        Self {
            ansi_quotes: ansi || has("ANSI_QUOTES"),
            pipes_as_concat: ansi || has("PIPES_AS_CONCAT"),
            no_backslash_escapes: has("NO_BACKSLASH_ESCAPES"),
            high_not_precedence: has("HIGH_NOT_PRECEDENCE"),
            postgres: false,
        }
    }

    /// How PostgreSQL reads a text.
    pub(crate) fn postgres() -> Self {
        Self { ansi_quotes: true, pipes_as_concat: true, no_backslash_escapes: true, high_not_precedence: false, postgres: true }
    }

    fn dialect(self) -> &'static dyn Dialect {
        if self.postgres { &PostgreSqlDialect {} } else { &LegacyDialect }
    }
}

/// A parsed statement.
pub(crate) struct Parsed<'a> {
    /// The syntax tree.
    pub(crate) query: Box<ast::Query>,
    /// The tokens behind it.
    pub(crate) tokens: Tokens<'a>,
}

/// Tokens without blanks and comments.
pub(crate) struct Tokens<'a> {
    lines: Lines<'a>,
    list: Vec<PlacedToken>,
}

/// A token and where it stands.
pub(crate) struct PlacedToken {
    /// The token.
    pub(crate) token: Token,
    /// Its byte range.
    pub(crate) span: Span,
    /// For a parenthesis: the index of its partner.
    pub(crate) partner: Option<usize>,
}

/// Parses exactly one SELECT.
///
/// # Errors
/// Findings with byte ranges in `sql`.
pub(crate) fn parse(sql: &str, modes: Modes) -> Result<Parsed<'_>, Vec<Diagnostic>> {
    let lines = Lines::new(sql);
    let raw = Tokenizer::new(modes.dialect(), sql)
        .tokenize_with_location()
        .map_err(|error| vec![from_parser(&error.to_string(), &lines, |_| None)])?;
    let refused = refused_text(&raw, &lines, modes);
    if !refused.is_empty() {
        return Err(refused);
    }
    let raw = adapt(raw, &lines, modes);
    let raw = if modes.postgres { raw } else { super::intervals::adapt(raw) };
    let tokens = Tokens::new(&raw, lines);
    let mut parser = Parser::new(modes.dialect()).with_recursion_limit(NESTING_MAX).with_tokens_with_locations(raw);
    let fail = |error: sqlparser::parser::ParserError| {
        let text = error.to_string();
        let text = text.strip_prefix("sql parser error: ").unwrap_or(&text);
        vec![from_parser(text, &tokens.lines, |offset| tokens.starting_at(offset).map(|token| token.span.clone()))]
    };
    let statements = parser.parse_statements().map_err(fail)?;
    let query = one_query(statements, &tokens).map_err(|finding| vec![finding])?;
    Ok(Parsed { query, tokens })
}

fn one_query(statements: Vec<ast::Statement>, tokens: &Tokens<'_>) -> Result<Box<ast::Query>, Diagnostic> {
    let mut statements = statements.into_iter();
    let whole = || tokens.whole();
    match (statements.next(), statements.next()) {
        (Some(ast::Statement::Query(query)), None) => Ok(query),
        (Some(_), None) => {
            Err(Diagnostic::new(tokens.first(), "a mapping is one SELECT").with_label("this is another statement"))
        }
        (None, _) => Err(Diagnostic::new(whole(), "the SQL is empty").with_help("write one SELECT")),
        (Some(_), Some(_)) => {
            let second =
                tokens.list.iter().find(|token| token.token == Token::SemiColon).map_or_else(whole, |token| token.span.clone());
            Err(Diagnostic::new(second, "a mapping is one SELECT, here are several statements")
                .with_label("the second begins after this"))
        }
    }
}

/// Text that the server reads in another way than sqlparser does.
fn refused_text(raw: &[TokenWithSpan], lines: &Lines<'_>, modes: Modes) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    // PostgreSQL has neither comments that are executed nor escapes between plain quotes.
    if modes.postgres {
        return findings;
    }
    let mut end = 0;
    let mut contiguous = true;
    for token in raw {
        let span = range(token, lines);
        contiguous &= span.start == end;
        end = span.end;
        if let Token::Whitespace(Whitespace::MultiLineComment(comment)) = &token.token
            && (comment.starts_with("M!") || comment.starts_with('+'))
        {
            findings.push(executed_comment(span.clone()));
        }
        let quoted = matches!(token.token, Token::SingleQuotedString(_) | Token::DoubleQuotedString(_));
        let literal_backslash =
            modes.no_backslash_escapes || (modes.ansi_quotes && matches!(token.token, Token::DoubleQuotedString(_)));
        if quoted && literal_backslash && lines.text().get(span.clone()).is_some_and(|text| text.contains('\\')) {
            findings.push(
                Diagnostic::new(span, "a backslash between quotes is not read where sql_mode takes it literally")
                    .with_help("write CHAR(92) for the backslash"),
            );
        }
    }
    // The tokenizer replaces an executed comment by its content, which leaves a hole in the text.
    if (!contiguous || end != lines.text().len()) && findings.is_empty() {
        let start = lines.text().find("/*!").unwrap_or(end.min(lines.text().len()));
        let stop =
            lines.text().get(start..).and_then(|rest| rest.find("*/")).map_or(lines.text().len(), |offset| start + offset + 2);
        findings.push(executed_comment(start..stop));
    }
    findings
}

fn executed_comment(span: Span) -> Diagnostic {
    Diagnostic::new(span, "comments that a server executes are refused: their meaning depends on the server")
        .with_help("write the condition itself, or remove the comment")
}

/// Rewrites the tokens that sqlparser's MySQL dialect reads differently from the server: names in double quotes under
/// ANSI_QUOTES, the infix operator MOD, and `&&`, which binds as AND does.
fn adapt(raw: Vec<TokenWithSpan>, lines: &Lines<'_>, modes: Modes) -> Vec<TokenWithSpan> {
    if modes.postgres {
        return raw.into_iter().map(folded).collect();
    }
    let solid = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
    let infix: Vec<bool> = raw
        .iter()
        .enumerate()
        .map(|(index, token)| {
            let previous = raw.get(..index).and_then(|before| before.iter().rev().find(solid));
            let next = raw.get(index + 1..).and_then(|after| after.iter().find(solid));
            is_infix_mod(&token.token, previous.map(|token| &token.token), next.map(|token| &token.token))
        })
        .collect();
    raw.into_iter()
        .zip(infix)
        .map(|(token, infix)| match token.token {
            Token::Word(_) if infix => TokenWithSpan::new(Token::Mod, token.span),
            Token::Overlap => TokenWithSpan::new(
                Token::Word(Word { value: "AND".to_owned(), quote_style: None, keyword: Keyword::AND }),
                token.span,
            ),
            Token::DoubleQuotedString(_) if modes.ansi_quotes => {
                let text = lines.text().get(range(&token, lines)).unwrap_or("");
                let name = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).replace("\"\"", "\"");
                TokenWithSpan::new(
                    Token::Word(Word { value: name, quote_style: Some('"'), keyword: Keyword::NoKeyword }),
                    token.span,
                )
            }
            _ => token,
        })
        .collect()
}

/// A name outside quotes in lower case, as PostgreSQL looks it up.
fn folded(token: TokenWithSpan) -> TokenWithSpan {
    match token.token {
        Token::Word(word) if word.quote_style.is_none() => {
            let value = word.value.to_ascii_lowercase();
            TokenWithSpan::new(Token::Word(Word { value, ..word }), token.span)
        }
        _ => token,
    }
}

fn is_infix_mod(token: &Token, previous: Option<&Token>, next: Option<&Token>) -> bool {
    let Token::Word(Word { quote_style: None, value, .. }) = token else { return false };
    if !value.eq_ignore_ascii_case("MOD") {
        return false;
    }
    let after_operand = match previous {
        Some(Token::RParen | Token::Number(..) | Token::SingleQuotedString(_) | Token::DoubleQuotedString(_)) => true,
        Some(Token::Word(word)) => word.keyword == Keyword::NoKeyword || word.keyword == Keyword::END,
        _ => false,
    };
    after_operand || (next != Some(&Token::LParen) && matches!(previous, Some(Token::Word(_))))
}

fn range(token: &TokenWithSpan, lines: &Lines<'_>) -> Span {
    lines.offset(token.span.start)..lines.offset(token.span.end)
}

impl<'a> Tokens<'a> {
    fn new(raw: &[TokenWithSpan], lines: Lines<'a>) -> Self {
        let mut list: Vec<PlacedToken> = Vec::new();
        let mut open = Vec::new();
        for token in raw.iter().filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF)) {
            let index = list.len();
            let mut partner = None;
            if token.token == Token::LParen {
                open.push(index);
            } else if token.token == Token::RParen {
                partner = open.pop();
                if let Some(opening) = partner.and_then(|opening| list.get_mut(opening)) {
                    opening.partner = Some(index);
                }
            }
            list.push(PlacedToken { token: token.token.clone(), span: range(token, &lines), partner });
        }
        Self { lines, list }
    }

    /// The SQL text under a range.
    pub(crate) fn text(&self, span: &Span) -> &'a str {
        self.lines.text().get(span.clone()).unwrap_or("")
    }

    /// The byte range of a sqlparser span, widened so that every parenthesis in it is closed; empty at the end of the text if
    /// sqlparser does not know the place.
    pub(crate) fn range(&self, span: sqlparser::tokenizer::Span) -> Span {
        let (start, end) = (self.place(span.start), self.place(span.end));
        self.balanced(start..end.max(start))
    }

    /// Whether sqlparser knows the place.
    pub(crate) fn knows(span: sqlparser::tokenizer::Span) -> bool {
        span.start.line != 0
    }

    fn place(&self, location: Location) -> usize {
        self.lines.offset(location)
    }

    /// Widens a range so that every parenthesis in it is closed in it.
    pub(crate) fn balanced(&self, span: Span) -> Span {
        let mut wide = span.clone();
        for token in self.list.iter().filter(|token| token.span.start >= span.start && token.span.end <= span.end) {
            if let Some(partner) = token.partner.and_then(|partner| self.list.get(partner)) {
                wide = wide.start.min(partner.span.start)..wide.end.max(partner.span.end);
            }
        }
        wide
    }

    /// The token that starts at a byte offset.
    pub(crate) fn starting_at(&self, offset: usize) -> Option<&PlacedToken> {
        let index = self.list.partition_point(|token| token.span.start < offset);
        self.list.get(index).filter(|token| token.span.start == offset)
    }

    /// The tokens after a byte offset, in order.
    pub(crate) fn after(&self, offset: usize) -> impl Iterator<Item = &PlacedToken> {
        let index = self.list.partition_point(|token| token.span.start < offset);
        self.list.iter().skip(index)
    }

    /// The tokens before a byte offset, nearest first.
    pub(crate) fn before(&self, offset: usize) -> impl Iterator<Item = &PlacedToken> {
        let index = self.list.partition_point(|token| token.span.end <= offset);
        self.list.iter().take(index).rev()
    }

    /// The parentheses just around a range, with what is between them; the range itself if there are none.
    pub(crate) fn parenthesised(&self, span: &Span) -> Span {
        let enclosing = self.before(span.start).filter(|token| token.token == Token::LParen).find_map(|token| {
            let close = token.partner.and_then(|partner| self.list.get(partner))?;
            if close.span.start >= span.end { Some(token.span.start..close.span.end) } else { None }
        });
        enclosing.unwrap_or_else(|| span.clone())
    }

    /// The call around a range: the nearest parentheses and the word before them.
    pub(crate) fn call_around(&self, span: &Span) -> Span {
        let inside = self.parenthesised(span);
        match self.before(inside.start).next() {
            Some(PlacedToken { token: Token::Word(_), span: word, .. }) => word.start..inside.end,
            _ => inside,
        }
    }

    /// A name and, if parentheses follow it, those too.
    pub(crate) fn name_and_arguments(&self, span: &Span) -> Span {
        match self.after(span.end).next() {
            Some(PlacedToken { token: Token::LParen, partner: Some(partner), .. }) => {
                span.start..self.list.get(*partner).map_or(span.end, |close| close.span.end)
            }
            _ => span.clone(),
        }
    }

    /// The first place of a word (upper case, outside inner parentheses) in a range, e.g. a clause's keyword.
    pub(crate) fn keyword_in(&self, span: &Span, word: &str) -> Option<Span> {
        let mut skip_until = span.start;
        for token in self.after(span.start).take_while(|token| token.span.end <= span.end) {
            if token.span.start < skip_until {
                continue;
            }
            if let (Token::LParen, Some(close)) = (&token.token, token.partner.and_then(|partner| self.list.get(partner))) {
                skip_until = close.span.end;
            }
            if matches!(&token.token, Token::Word(candidate) if candidate.quote_style.is_none() && candidate.value.eq_ignore_ascii_case(word))
            {
                return Some(token.span.clone());
            }
        }
        None
    }

    /// The first token of the text.
    pub(crate) fn first(&self) -> Span {
        self.list.first().map_or(0..0, |token| token.span.clone())
    }

    /// From the first to the last token.
    pub(crate) fn whole(&self) -> Span {
        self.first().start..self.list.last().map_or(self.lines.text().len(), |token| token.span.end)
    }
}
