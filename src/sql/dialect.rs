//! The grammar of MySQL and MariaDB: sqlparser's, with the composite units of intervals and with `->` binding as tightly as
//! the servers bind it.

use std::any::TypeId;

use sqlparser::ast::Expr;
use sqlparser::dialect::{Dialect, MySqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// MySQL's and MariaDB's SELECT.
#[derive(Debug)]
pub(super) struct LegacyDialect;

const BASE: MySqlDialect = MySqlDialect {};

// Every method that the base overrides and that a SELECT can reach.
impl Dialect for LegacyDialect {
    fn dialect(&self) -> TypeId {
        BASE.dialect()
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        let is_arrow = matches!(parser.peek_token_ref().token, Token::Arrow | Token::LongArrow);
        is_arrow.then(|| Ok(self.prec_value(Precedence::DoubleColon)))
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        BASE.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        BASE.is_identifier_part(ch)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        BASE.is_delimited_identifier_start(ch)
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        BASE.identifier_quote_style(identifier)
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        BASE.supports_string_literal_backslash_escape()
    }

    fn supports_string_literal_concatenation(&self) -> bool {
        BASE.supports_string_literal_concatenation()
    }

    fn ignores_wildcard_escapes(&self) -> bool {
        BASE.ignores_wildcard_escapes()
    }

    fn supports_numeric_prefix(&self) -> bool {
        BASE.supports_numeric_prefix()
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        BASE.supports_bitwise_shift_operators()
    }

    fn supports_multiline_comment_hints(&self) -> bool {
        BASE.supports_multiline_comment_hints()
    }

    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        BASE.parse_infix(parser, expr, precedence)
    }

    fn require_interval_qualifier(&self) -> bool {
        BASE.require_interval_qualifier()
    }

    fn supports_limit_comma(&self) -> bool {
        BASE.supports_limit_comma()
    }

    fn is_table_factor_alias(&self, explicit: bool, keyword: &Keyword, parser: &mut Parser) -> bool {
        BASE.is_table_factor_alias(explicit, keyword, parser)
    }

    fn supports_table_hints(&self) -> bool {
        BASE.supports_table_hints()
    }

    fn requires_single_line_comment_whitespace(&self) -> bool {
        BASE.requires_single_line_comment_whitespace()
    }

    fn supports_match_against(&self) -> bool {
        BASE.supports_match_against()
    }

    fn supports_select_modifiers(&self) -> bool {
        BASE.supports_select_modifiers()
    }

    fn supports_data_type_signed_suffix(&self) -> bool {
        BASE.supports_data_type_signed_suffix()
    }

    fn supports_cross_join_constraint(&self) -> bool {
        BASE.supports_cross_join_constraint()
    }

    fn supports_double_ampersand_operator(&self) -> bool {
        BASE.supports_double_ampersand_operator()
    }

    fn supports_binary_kw_as_cast(&self) -> bool {
        BASE.supports_binary_kw_as_cast()
    }

    fn supports_comment_optimizer_hint(&self) -> bool {
        BASE.supports_comment_optimizer_hint()
    }

    fn supports_group_by_with_modifier(&self) -> bool {
        BASE.supports_group_by_with_modifier()
    }

    fn supports_left_associative_joins_without_parens(&self) -> bool {
        BASE.supports_left_associative_joins_without_parens()
    }
}
