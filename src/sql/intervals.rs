//! Words around INTERVAL that sqlparser does not know: composite units, and the function INTERVAL(number, limits..).

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::functions::Unit;

/// Makes composite units a simple one for the parser (the binder reads the word from the text), and the function an ordinary name.
pub(super) fn adapt(raw: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let solid: Vec<&Token> = raw.iter().map(|token| &token.token).filter(|token| !is_blank(token)).collect();
    let mut place = 0;
    let mut words = Vec::with_capacity(raw.len());
    for token in &raw {
        words.push(if is_blank(&token.token) { None } else { replacement(&solid, place) });
        place += usize::from(!is_blank(&token.token));
    }
    let adapted = raw.into_iter().zip(words).map(|(token, word)| match word {
        Some(word) => TokenWithSpan::new(Token::Word(word), token.span),
        None => token,
    });
    adapted.collect()
}

fn is_blank(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_))
}

fn replacement(tokens: &[&Token], place: usize) -> Option<Word> {
    let Some(Token::Word(word)) = tokens.get(place) else { return None };
    let plain = |value: &str, keyword| Some(Word { value: value.to_owned(), quote_style: None, keyword });
    if word.quote_style.is_some() {
        return None;
    }
    if word.keyword == Keyword::INTERVAL && is_call(tokens.get(place + 1..).unwrap_or(&[])) {
        return plain("INTERVAL", Keyword::NoKeyword);
    }
    let is_composite = Unit::parse(&word.value.to_uppercase()).is_some_and(Unit::is_composite);
    if is_composite && follows_interval(tokens.get(..place).unwrap_or(&[])) {
        return plain("SECOND", Keyword::SECOND);
    }
    None
}

/// Whether parentheses with a comma between them follow: `INTERVAL (1 + 2) DAY` has none.
fn is_call(after: &[&Token]) -> bool {
    let mut depth = 0_usize;
    for token in after {
        match token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Comma if depth == 1 => return true,
            _ => {}
        }
        if depth == 0 {
            return false;
        }
    }
    false
}

/// Whether the word stands behind INTERVAL and its amount.
fn follows_interval(before: &[&Token]) -> bool {
    let mut depth = 0_usize;
    for token in before.iter().rev() {
        match token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => return false,
            Token::LParen => depth -= 1,
            Token::Comma if depth == 0 => return false,
            Token::Word(word) if depth == 0 && word.keyword == Keyword::INTERVAL => return true,
            _ => {}
        }
    }
    false
}
