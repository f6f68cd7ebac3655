//! One clause of an ALTER TABLE on a mapped table: does it change what the mappings mean?
//!
//! Goes in: the tokens of the clause, the stored columns and the unique keys. Comes out: an [`Effect`]. A clause that is not
//! listed here changes the table.

use super::tokens::Token;

/// What a clause does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// No stored value changes and no ordinal moves.
    None,
    /// Appends so many columns.
    Appends(usize),
    /// Anything else, in words that fit before `table NAME`.
    Changes(String),
}

/// Table options and algorithm hints that change no row.
const OPTIONS: &[&str] = &[
    "COMMENT",
    "AUTO_INCREMENT",
    "ROW_FORMAT",
    "KEY_BLOCK_SIZE",
    "STATS_PERSISTENT",
    "STATS_AUTO_RECALC",
    "STATS_SAMPLE_PAGES",
    "ALGORITHM",
    "LOCK",
    "AVG_ROW_LENGTH",
    "MAX_ROWS",
    "MIN_ROWS",
    "CHECKSUM",
    "TABLE_CHECKSUM",
    "PACK_KEYS",
    "DELAY_KEY_WRITE",
    "DEFAULT",
    "CHARACTER",
    "CHARSET",
    "COLLATE",
    "ORDER",
    "FORCE",
    "ENABLE",
    "DISABLE",
    "PAGE_CHECKSUM",
    "COMPRESSION",
    "ENCRYPTION",
    "ENCRYPTED",
    "WITH",
    "WITHOUT",
    "ANALYZE",
    "CHECK",
    "OPTIMIZE",
    "REBUILD",
    "REORGANIZE",
    "COALESCE",
    "REMOVE",
    "PARTITION",
    "INSERT_METHOD",
    "PAGE_COMPRESSED",
    "SECONDARY_LOAD",
    "SECONDARY_UNLOAD",
];

/// Judges one clause.
#[must_use]
pub fn clause(tokens: &[Token<'_>], stored: &[String], unique_keys: &[String]) -> Effect {
    let Some((first, rest)) = tokens.split_first() else {
        return Effect::None;
    };
    let Token::Word(word) = first else {
        return not_understood();
    };
    match word.to_ascii_uppercase().as_str() {
        "ADD" => add(rest),
        "DROP" => drop(rest, unique_keys),
        "MODIFY" => redefine(skip_column(rest), stored, "modifies", false),
        "CHANGE" => redefine(skip_column(rest), stored, "changes", true),
        "ALTER" => alter(rest),
        "RENAME" => rename(rest, stored),
        "CONVERT" => Effect::Changes("converts the character set of".into()),
        "TRUNCATE" => Effect::Changes("truncates partitions of".into()),
        "EXCHANGE" => Effect::Changes("exchanges a partition of".into()),
        "ENGINE" => Effect::Changes("changes the engine of".into()),
        option if OPTIONS.contains(&option) => Effect::None,
        _ => not_understood(),
    }
}

fn not_understood() -> Effect {
    Effect::Changes("runs a clause that is not understood on".into())
}

fn has(tokens: &[Token<'_>], word: &str) -> bool {
    tokens.iter().any(|token| token.is_word(word))
}

fn skip_column<'a, 'b>(tokens: &'a [Token<'b>]) -> &'a [Token<'b>] {
    let rest = match tokens.split_first() {
        Some((first, rest)) if first.is_word("COLUMN") => rest,
        _ => tokens,
    };
    match rest {
        [one, two, after @ ..] if one.is_word("IF") && two.is_word("EXISTS") => after,
        [one, two, three, after @ ..] if one.is_word("IF") && two.is_word("NOT") && three.is_word("EXISTS") => after,
        _ => rest,
    }
}

fn add(tokens: &[Token<'_>]) -> Effect {
    let first = match tokens.first() {
        Some(Token::Word(word)) => word.to_ascii_uppercase(),
        Some(Token::Quoted(_)) => String::new(),
        _ => return not_understood(),
    };
    match first.as_str() {
        "PRIMARY" => Effect::Changes("adds a primary key to".into()),
        "CONSTRAINT" | "FOREIGN" if has(tokens, "FOREIGN") && (has(tokens, "CASCADE") || has(tokens, "SET")) => {
            Effect::Changes("adds a foreign key with cascades, which the log does not show, to".into())
        }
        "CONSTRAINT" if has(tokens, "PRIMARY") => Effect::Changes("adds a primary key to".into()),
        "INDEX" | "KEY" | "UNIQUE" | "FULLTEXT" | "SPATIAL" | "VECTOR" | "CONSTRAINT" | "FOREIGN" | "CHECK" | "PARTITION" => {
            Effect::None
        }
        "SYSTEM" | "PERIOD" => Effect::Changes("adds system versioning to".into()),
        _ => appended(tokens),
    }
}

/// `[COLUMN] [IF NOT EXISTS] name type ..` or `[COLUMN] (name type .., ..)`, not moved before other columns.
fn appended(tokens: &[Token<'_>]) -> Effect {
    if tokens.iter().any(|token| token.is_word("FIRST") || token.is_word("AFTER")) {
        return Effect::Changes("adds a column before other columns of".into());
    }
    let conditional = tokens.windows(2).any(|pair| matches!(pair, [one, two] if one.is_word("IF") && two.is_word("NOT")));
    if conditional {
        // Whether it added anything cannot be known from the statement; the names in the log decide.
        return Effect::None;
    }
    match skip_column(tokens) {
        [Token::Sign('('), inner @ ..] => {
            let mut depth = 1;
            let mut columns = 1;
            for token in inner {
                match token {
                    Token::Sign('(') => depth += 1,
                    Token::Sign(')') => depth -= 1,
                    Token::Sign(',') if depth == 1 => columns += 1,
                    _ => {}
                }
            }
            if has(inner, "KEY") || has(inner, "INDEX") || has(inner, "UNIQUE") {
                not_understood()
            } else {
                Effect::Appends(columns)
            }
        }
        definition if has(definition, "PRIMARY") => Effect::Changes("adds a primary key to".into()),
        _ => Effect::Appends(1),
    }
}

fn drop(tokens: &[Token<'_>], unique_keys: &[String]) -> Effect {
    let Some(Token::Word(first)) = tokens.first() else {
        return Effect::Changes("drops a column of".into());
    };
    match first.to_ascii_uppercase().as_str() {
        "PRIMARY" => Effect::Changes("drops the primary key of".into()),
        "INDEX" | "KEY" | "CONSTRAINT" => {
            let name = skip_column(tokens.get(1..).unwrap_or(&[])).first().and_then(Token::identifier);
            match name {
                Some(name) if !super::ddl::names(unique_keys, &name) => Effect::None,
                Some(_) => Effect::Changes("drops a unique key of".into()),
                None => not_understood(),
            }
        }
        "FOREIGN" | "CHECK" => Effect::None,
        "PARTITION" => Effect::Changes("drops partitions of".into()),
        "SYSTEM" | "PERIOD" => Effect::Changes("drops system versioning of".into()),
        _ => {
            let name = skip_column(tokens).first().and_then(Token::identifier).unwrap_or_default();
            Effect::Changes(format!("drops column {name} of"))
        }
    }
}

/// MODIFY and CHANGE: harmless only for a column that no mapping uses and that stays where it is.
fn redefine(tokens: &[Token<'_>], stored: &[String], verb: &str, renames: bool) -> Effect {
    let Some(name) = tokens.first().and_then(Token::identifier) else {
        return not_understood();
    };
    let new_name = if renames { tokens.get(1).and_then(Token::identifier) } else { None };
    let moves = has(tokens, "FIRST") || has(tokens, "AFTER");
    let touches = super::ddl::names(stored, &name) || new_name.is_some_and(|new_name| super::ddl::names(stored, &new_name));
    if touches || moves { Effect::Changes(format!("{verb} column {name} of")) } else { Effect::None }
}

/// `ALTER [COLUMN] name SET DEFAULT ..`, `ALTER INDEX ..`, `ALTER CHECK ..`: defaults and visibility change no row.
fn alter(tokens: &[Token<'_>]) -> Effect {
    let known = ["DEFAULT", "VISIBLE", "INVISIBLE", "IGNORED", "ENFORCED"];
    if known.iter().any(|word| has(tokens, word)) { Effect::None } else { not_understood() }
}

fn rename(tokens: &[Token<'_>], stored: &[String]) -> Effect {
    let (Some(first), name) = (tokens.first(), tokens.get(1).and_then(Token::identifier)) else {
        return not_understood();
    };
    if first.is_word("INDEX") || first.is_word("KEY") {
        // A unique key may be the renamed one; rows do not change, and names of keys only matter when they are dropped.
        return Effect::None;
    }
    if first.is_word("COLUMN") {
        let target = tokens.get(3).and_then(Token::identifier);
        let touches = [&name, &target].into_iter().flatten().any(|name| super::ddl::names(stored, name));
        return if touches { Effect::Changes(format!("renames column {} of", name.unwrap_or_default())) } else { Effect::None };
    }
    Effect::Changes("renames".into())
}
