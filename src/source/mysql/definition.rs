//! Whether a MODIFY or CHANGE clause leaves a mapped column as it was recorded and only puts it elsewhere.
//!
//! Goes in: the recorded column and the tokens behind its name. Comes out: yes only if the type is spelled as the catalogue spells it (an
//! integer's display width apart), the column stays as nullable as it was, and everything else is known to change no stored value.

use super::tokens::{Token, tokenize};
use crate::schema::{Column, DataType, Generated};

/// See the module.
#[must_use]
pub fn is_unchanged(column: &Column, definition: &[Token<'_>]) -> bool {
    let native = tokenize(&column.native_type);
    let Some(attributes) = behind_type(&without_width(&native, column), &without_width(definition, column)) else {
        return false;
    };
    column.generated == Generated::No && attributes_fit(column, &attributes)
}

/// The tokens of `definition` behind the type, if it begins with it. Literals hold labels, which tokens do not keep.
fn behind_type<'a>(native: &[Token<'a>], definition: &[Token<'a>]) -> Option<Vec<Token<'a>>> {
    let (kind, rest) = definition.split_at_checked(native.len())?;
    let same = native.iter().zip(kind).all(|(native, found)| match (native, found) {
        (Token::Word(native), Token::Word(found)) => native.eq_ignore_ascii_case(found),
        (Token::Sign(native), Token::Sign(found)) => native == found,
        _ => false,
    });
    same.then(|| rest.to_vec())
}

/// `int(11)` and `int` are one type; newer servers print no width.
fn without_width<'a>(tokens: &[Token<'a>], column: &Column) -> Vec<Token<'a>> {
    let is_integer = matches!(column.data_type, DataType::Integer { .. });
    match tokens {
        [kind, Token::Sign('('), Token::Word(_), Token::Sign(')'), rest @ ..] if is_integer => std::iter::once(kind)
            .chain(rest)
            .map(|token| match token {
                Token::Word(word) if word.eq_ignore_ascii_case("INTEGER") => Token::Word("int"),
                token => token.clone(),
            })
            .collect(),
        tokens => tokens.to_vec(),
    }
}

/// Reads `[NOT] NULL`, DEFAULT, COMMENT, COLLATE, CHARACTER SET, AUTO_INCREMENT, visibility and the place.
fn attributes_fit(column: &Column, mut tokens: &[Token<'_>]) -> bool {
    let (mut nullable, mut collated) = (true, false);
    while let Some((first, rest)) = tokens.split_first() {
        let Token::Word(word) = first else { return false };
        let argument = rest.first();
        let taken = match word.to_ascii_uppercase().as_str() {
            "NOT" if argument.is_some_and(|next| next.is_word("NULL")) => {
                nullable = false;
                1
            }
            "NULL" | "AUTO_INCREMENT" | "VISIBLE" | "INVISIBLE" | "FIRST" => 0,
            "DEFAULT" if matches!(argument, Some(Token::Literal | Token::Word(_))) => 1,
            "COMMENT" if matches!(argument, Some(Token::Literal | Token::Quoted(_))) => 1,
            "COLLATE" if argument.is_some_and(|name| is_collation(column, name)) => {
                collated = true;
                1
            }
            // The charset alone means its default collation, which is not known here; COLLATE settles both.
            "CHARSET" => 1,
            "CHARACTER" if argument.is_some_and(|next| next.is_word("SET")) => 2,
            "AFTER" if rest.len() == 1 => 1,
            _ => return false,
        };
        tokens = rest.get(taken..).unwrap_or(&[]);
    }
    let is_text = matches!(column.data_type, DataType::Text { .. } | DataType::Enum { .. } | DataType::Set { .. });
    nullable == column.nullable && (collated || !is_text)
}

fn is_collation(column: &Column, name: &Token<'_>) -> bool {
    let recorded = match &column.data_type {
        DataType::Text { collation, .. } | DataType::Enum { collation, .. } | DataType::Set { collation, .. } => collation,
        _ => return false,
    };
    name.identifier().is_some_and(|name| name.eq_ignore_ascii_case(recorded))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unchanged(data_type: DataType, native: &str, nullable: bool, definition: &str) -> bool {
        let column = Column {
            name: "c".into(),
            data_type,
            native_type: native.into(),
            nullable,
            generated: Generated::No,
            comment: String::new(),
        };
        is_unchanged(&column, &tokenize(definition))
    }

    #[test]
    fn a_column_that_is_only_moved_is_told_from_one_that_changes() {
        let decimal = DataType::Decimal { precision: 12, scale: 2, unsigned: false };
        let is = |definition| unchanged(decimal.clone(), "decimal(12,2)", false, definition);
        assert!(is("DECIMAL(12, 2) NOT NULL DEFAULT 0 COMMENT 'x' AFTER b"));
        assert!(!is("DECIMAL(12,2) AFTER b") && !is("DECIMAL(12,3) NOT NULL") && !is("DECIMAL(12,2) UNSIGNED NOT NULL"));
        assert!(!is("DECIMAL(12,2) NOT NULL AS (a + 1)") && !is("DECIMAL NOT NULL"));
        let int = DataType::Integer { bits: 32, unsigned: false };
        assert!(
            unchanged(int.clone(), "int(11)", true, "INT FIRST") && unchanged(int.clone(), "int", true, "int(11) NULL FIRST")
        );
        assert!(!unchanged(int, "int(11)", true, "INT UNSIGNED"));
        let text = DataType::Text { length: Some(9), fixed: false, charset: "utf8mb4".into(), collation: "utf8mb4_bin".into() };
        let is = |definition| unchanged(text.clone(), "varchar(9)", true, definition);
        assert!(is("VARCHAR(9) COLLATE utf8mb4_bin FIRST"));
        assert!(!is("VARCHAR(9) FIRST") && !is("VARCHAR(9) CHARACTER SET utf8mb4") && !is("VARCHAR(8) COLLATE utf8mb4_bin"));
    }
}
