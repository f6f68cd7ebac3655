//! Literals. Strings are decoded here from the text itself, by the server's rules, not taken from the parser.

use sqlparser::ast::{self, ValueWithSpan};
use sqlparser::tokenizer::Token;

use super::{Binder, Bound};
use crate::schema::DataType;
use crate::sql::query::{Expr, ExprKind, Span};
use crate::sql::types;
use crate::value::Value;

impl Binder<'_> {
    pub(super) fn value(&mut self, value: &ValueWithSpan, span: Span) -> Bound<Expr> {
        match &value.value {
            ast::Value::Number(..) => {
                let literal = types::literal_number(self.tokens.text(&span), span.clone());
                self.typed(literal, &span)
            }
            ast::Value::SingleQuotedString(_) | ast::Value::DoubleQuotedString(_) => {
                let text = self.string_literal(value)?.unwrap_or_default();
                Ok(types::literal_string(&text, span, &self.context))
            }
            ast::Value::HexStringLiteral(digits) => self.hex_literal(digits, span),
            ast::Value::Boolean(truth) => Ok(Expr {
                kind: ExprKind::Literal(Value::Int(i64::from(*truth))),
                data_type: types::BOOLEAN,
                nullable: false,
                span,
            }),
            ast::Value::Null => Ok(types::literal_null(span)),
            ast::Value::Placeholder(_) => Err(self.refuse(span, "a placeholder has no value here", "write the value itself")),
            ast::Value::NationalStringLiteral(_) => {
                Err(self.refuse(span, "N'..' is not supported", "write the string without N; the text of a mapping is UTF-8"))
            }
            ast::Value::SingleQuotedByteStringLiteral(_) | ast::Value::DoubleQuotedByteStringLiteral(_) => {
                Err(self.refuse(span, "bit literals are not supported", "write the number"))
            }
            _ => {
                Err(self.refuse(span, "this literal is not supported", "write a number, a string between single quotes, or NULL"))
            }
        }
    }

    /// The text of a string literal; `None` for a literal of another kind.
    pub(super) fn string_literal(&mut self, value: &ValueWithSpan) -> Bound<Option<String>> {
        if !matches!(value.value, ast::Value::SingleQuotedString(_) | ast::Value::DoubleQuotedString(_)) {
            return Ok(None);
        }
        let place = self.range(value);
        let Some(token) = self.tokens.starting_at(place.start) else { return Err(self.broken("a string without a token")) };
        let span = token.span.clone();
        let adjacent = self.tokens.after(span.end).next();
        if adjacent.is_some_and(|next| matches!(next.token, Token::SingleQuotedString(_) | Token::DoubleQuotedString(_))) {
            return Err(self.refuse(span, "strings side by side are not supported", "write one string, or CONCAT(..)"));
        }
        match decode(self.tokens.text(&span), self.modes.no_backslash_escapes) {
            Some(text) => Ok(Some(text)),
            None => Err(self.refuse(span, "this string cannot be read", "write it between single quotes")),
        }
    }

    fn hex_literal(&mut self, digits: &str, span: Span) -> Bound<Expr> {
        let nibbles: Option<Vec<u8>> =
            digits.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
        let Some(nibbles) = nibbles else { return Err(self.refuse(span, "these are no hexadecimal digits", "write X'0A1B'")) };
        let written_as_string = self.tokens.text(&span).starts_with(['x', 'X']);
        if written_as_string && nibbles.len() % 2 == 1 {
            return Err(self.refuse(span, "X'..' takes an even number of digits", "add a leading 0"));
        }
        let padded: Vec<u8> = std::iter::repeat_n(0, nibbles.len() % 2).chain(nibbles).collect();
        let bytes: Vec<u8> = padded.chunks(2).map(|pair| pair.iter().fold(0, |byte, nibble| byte << 4 | nibble)).collect();
        let data_type = DataType::Bytes { length: u32::try_from(bytes.len()).ok(), fixed: false };
        Ok(Expr { kind: ExprKind::Literal(Value::Bytes(bytes.into())), data_type, nullable: false, span })
    }

    /// `DATE '..'`, `TIME '..'`, `TIMESTAMP '..'`.
    pub(super) fn typed_string(&mut self, typed: &ast::TypedString, span: Span) -> Bound<Expr> {
        let ast::TypedString { data_type, value, uses_odbc_syntax } = typed;
        if *uses_odbc_syntax {
            return Err(self.refuse(span, "ODBC literals are not supported", "write DATE '2024-01-31'"));
        }
        let Some(text) = self.string_literal(value)? else {
            return Err(self.refuse(span, "this literal is not supported", "write DATE '2024-01-31'"));
        };
        let literal = match data_type {
            ast::DataType::Date => types::literal_date(&text, span.clone(), &self.context),
            ast::DataType::Time(None, ast::TimezoneInfo::None) => types::literal_time(&text, span.clone()),
            ast::DataType::Timestamp(None, ast::TimezoneInfo::None) => {
                types::literal_datetime(&text, span.clone(), &self.context)
            }
            _ => return Err(self.refuse(span, "this literal is not supported", "write DATE '..', TIME '..' or TIMESTAMP '..'")),
        };
        self.typed(literal, &span)
    }

    /// A minus sign in front of a number is part of the number.
    pub(super) fn negative_number(&mut self, operand: &ast::Expr, span: &Span) -> Option<Bound<Expr>> {
        let ast::Expr::Value(ValueWithSpan { value: ast::Value::Number(..), span: _ }) = operand else { return None };
        let digits = self.span(operand);
        let literal = types::literal_number(&format!("-{}", self.tokens.text(&digits)), span.clone());
        Some(self.typed(literal, span))
    }
}

/// Decodes a quoted string as the server reads it.
fn decode(quoted: &str, no_backslash_escapes: bool) -> Option<String> {
    let quote = quoted.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    let inside = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut text = String::with_capacity(inside.len());
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        if character == quote {
            text.push(characters.next().filter(|next| *next == quote)?);
        } else if character == '\\' && !no_backslash_escapes {
            match characters.next()? {
                '0' => text.push('\0'),
                'b' => text.push('\u{8}'),
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                'Z' => text.push('\u{1a}'),
                // LIKE needs these two; elsewhere the server keeps the backslash as well.
                kept @ ('%' | '_') => text.extend(['\\', kept]),
                other => text.push(other),
            }
        } else {
            text.push(character);
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn strings_are_read_as_the_server_reads_them() {
        assert_eq!(decode("'it''s'", false).as_deref(), Some("it's"));
        assert_eq!(decode(r"'a\'b\n\%\_\x\\'", false).as_deref(), Some("a'b\n\\%\\_x\\"));
        assert_eq!(decode(r"'a\n'", true).as_deref(), Some(r"a\n"));
        assert_eq!(decode("\"한\"\"글\"", false).as_deref(), Some("한\"글"));
        assert_eq!(decode("'a'b'", false), None);
    }
}
