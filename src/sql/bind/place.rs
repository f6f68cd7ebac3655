//! Where an expression stands in the text. The parser's own spans leave out keywords and parentheses; the tokens give them back.

use sqlparser::ast::{self, Spanned};
use sqlparser::tokenizer::Token;

use super::Binder;
use crate::sql::parse::{PlacedToken, Tokens};
use crate::sql::query::Span;

impl Binder<'_> {
    /// The byte range of an expression, keywords and parentheses included.
    pub(super) fn span(&self, expr: &ast::Expr) -> Span {
        span_of(self.tokens, expr)
    }

    /// The byte range of anything the parser knows the place of.
    pub(super) fn range(&self, spanned: &impl Spanned) -> Span {
        let span = spanned.span();
        if Tokens::knows(span) { self.tokens.range(span) } else { self.tokens.whole() }
    }

    /// A clause of a SELECT: its keyword if it can be found, else the whole range.
    pub(super) fn clause(&self, within: &Span, keyword: &str) -> Span {
        self.tokens.keyword_in(within, keyword).unwrap_or_else(|| within.clone())
    }
}

// size: one arm per syntax form
fn span_of(tokens: &Tokens<'_>, expr: &ast::Expr) -> Span {
    let of = |expr: &ast::Expr| span_of(tokens, expr);
    let between = |first: &ast::Expr, last: &ast::Expr| of(first).start..of(last).end;
    match expr {
        ast::Expr::Nested(inner) => tokens.parenthesised(&of(inner)),
        ast::Expr::Tuple(elements) => match (elements.first(), elements.last()) {
            (Some(first), Some(last)) => tokens.parenthesised(&between(first, last)),
            _ => plain(tokens, expr),
        },
        ast::Expr::Function(function) => tokens.name_and_arguments(&tokens.range(function.name.span())),
        ast::Expr::Cast { expr: inner, .. } => {
            let inner = of(inner);
            if let Some(end) = behind_colons(tokens, &inner) {
                return inner.start..end;
            }
            match word_before(tokens, &inner) {
                Some(word) => word.start..inner.end,
                None => tokens.call_around(&inner),
            }
        }
        ast::Expr::Convert { expr: inner, .. }
        | ast::Expr::Extract { expr: inner, .. }
        | ast::Expr::Ceil { expr: inner, .. }
        | ast::Expr::Floor { expr: inner, .. }
        | ast::Expr::Position { expr: inner, .. }
        | ast::Expr::Substring { expr: inner, .. }
        | ast::Expr::Trim { expr: inner, .. }
        | ast::Expr::Overlay { expr: inner, .. } => tokens.call_around(&of(inner)),
        ast::Expr::Subquery(query) => tokens.parenthesised(&tokens.range(query.span())),
        ast::Expr::Exists { subquery, negated: _ } => {
            let query = tokens.parenthesised(&tokens.range(subquery.span()));
            let words = tokens.before(query.start).take_while(|token| is_word(token, &["EXISTS", "NOT"]));
            words.last().map_or(query.start, |word| word.span.start)..query.end
        }
        ast::Expr::UnaryOp { expr: inner, op: _ } => {
            let inner = of(inner);
            tokens.before(inner.start).next().map_or(inner.start, |operator| operator.span.start)..inner.end
        }
        ast::Expr::IsNull(inner)
        | ast::Expr::IsNotNull(inner)
        | ast::Expr::IsTrue(inner)
        | ast::Expr::IsNotTrue(inner)
        | ast::Expr::IsFalse(inner)
        | ast::Expr::IsNotFalse(inner)
        | ast::Expr::IsUnknown(inner)
        | ast::Expr::IsNotUnknown(inner) => {
            let inner = of(inner);
            let words =
                tokens.after(inner.end).take_while(|token| is_word(token, &["IS", "NOT", "NULL", "TRUE", "FALSE", "UNKNOWN"]));
            inner.start..words.last().map_or(inner.end, |word| word.span.end)
        }
        ast::Expr::InList { expr: inner, .. } | ast::Expr::InSubquery { expr: inner, .. } => {
            let inner = of(inner);
            let list = tokens.after(inner.end).find(|token| token.token == Token::LParen);
            inner.start..list.map_or(inner.end, |open| tokens.balanced(open.span.clone()).end)
        }
        ast::Expr::BinaryOp { left, op: _, right } => between(left, right),
        ast::Expr::Between { expr: inner, high, .. } => between(inner, high),
        ast::Expr::Like { expr: inner, pattern, escape_char, .. } => between(inner, escape_char.as_ref().unwrap_or(pattern)),
        ast::Expr::RLike { expr: inner, pattern, .. } => between(inner, pattern),
        ast::Expr::Collate { expr: inner, .. } => of(inner).start..plain(tokens, expr).end,
        ast::Expr::Interval(interval) => {
            let value = of(&interval.value);
            let start = word_before(tokens, &value).map_or(value.start, |word| word.start);
            start..tokens.after(value.end).next().map_or(value.end, |unit| unit.span.end)
        }
        ast::Expr::TypedString(_) | ast::Expr::Prefixed { .. } => {
            let value = plain(tokens, expr);
            word_before(tokens, &value).map_or(value.start, |word| word.start)..value.end
        }
        other => plain(tokens, other),
    }
}

fn plain(tokens: &Tokens<'_>, expr: &ast::Expr) -> Span {
    let span = expr.span();
    if Tokens::knows(span) { tokens.range(span) } else { tokens.whole() }
}

/// Where the type behind `::` ends; `None` for the other forms of a cast.
fn behind_colons(tokens: &Tokens<'_>, inner: &Span) -> Option<usize> {
    let colons = tokens.after(inner.end).next().filter(|token| token.token == Token::DoubleColon)?;
    let name = tokens.after(colons.span.end).next()?;
    let length =
        tokens.after(name.span.end).next().filter(|token| token.token == Token::LParen && token.span.start == name.span.end);
    Some(length.map_or(name.span.end, |open| tokens.balanced(open.span.clone()).end))
}

fn word_before(tokens: &Tokens<'_>, span: &Span) -> Option<Span> {
    tokens.before(span.start).next().filter(|token| matches!(token.token, Token::Word(_))).map(|token| token.span.clone())
}

fn is_word(token: &PlacedToken, words: &[&str]) -> bool {
    matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && words.iter().any(|candidate| word.value.eq_ignore_ascii_case(candidate)))
}
