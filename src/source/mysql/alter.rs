//! One clause of an ALTER TABLE on a mapped table: does it change what the mappings mean?
//!
//! Goes in: the tokens of the clause and the table. Comes out: an [`Effect`]. A clause that is not listed here changes the table.

use super::columns::{Edit, Place, same_name};
use super::ddl::MappedTable;
use super::definition;
use super::tokens::Token;

/// What a clause does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// No stored value changes and no column moves.
    None,
    /// No stored value changes; the list of columns does.
    Edits(Vec<Edit>),
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
pub fn clause(tokens: &[Token<'_>], table: &MappedTable) -> Effect {
    let Some((first, rest)) = tokens.split_first() else {
        return Effect::None;
    };
    let Token::Word(word) = first else {
        return not_understood();
    };
    match word.to_ascii_uppercase().as_str() {
        "ADD" => add(rest),
        "DROP" => drop(rest, table),
        "MODIFY" => redefine(rest, table, "modifies", false),
        "CHANGE" => redefine(rest, table, "changes", true),
        "ALTER" => alter(rest),
        "RENAME" => rename(rest, table),
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

/// The tokens behind `[COLUMN] [IF [NOT] EXISTS]`, and whether the condition was there.
fn skip_column<'a, 'b>(tokens: &'a [Token<'b>]) -> (&'a [Token<'b>], bool) {
    let rest = match tokens.split_first() {
        Some((first, rest)) if first.is_word("COLUMN") => rest,
        _ => tokens,
    };
    match rest {
        [one, two, after @ ..] if one.is_word("IF") && two.is_word("EXISTS") => (after, true),
        [one, two, three, after @ ..] if one.is_word("IF") && two.is_word("NOT") && three.is_word("EXISTS") => (after, true),
        _ => (rest, false),
    }
}

/// Where a column's definition ends with putting it: its last words, because a column may be named `first` or `after`.
fn place(definition: &[Token<'_>]) -> Option<Place> {
    match definition {
        [.., before, name] if before.is_word("AFTER") => name.identifier().map(Place::After),
        [.., last] if last.is_word("FIRST") => Some(Place::First),
        _ => None,
    }
}

fn add(tokens: &[Token<'_>]) -> Effect {
    let first = match tokens.first() {
        Some(Token::Word(word)) => word.to_ascii_uppercase(),
        Some(Token::Quoted(_) | Token::Sign('(')) => String::new(),
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
        _ => add_columns(tokens),
    }
}

/// `[COLUMN] [IF NOT EXISTS] name type .. [FIRST | AFTER name]` or `[COLUMN] (name type .., ..)`.
fn add_columns(tokens: &[Token<'_>]) -> Effect {
    let (definition, conditional) = skip_column(tokens);
    let definitions = match definition {
        [Token::Sign('('), inner @ .., Token::Sign(')')] => super::ddl::split_clauses(inner),
        definition => vec![definition],
    };
    let mut edits = Vec::new();
    for definition in definitions {
        let Some((name, definition)) = definition.split_first() else { return not_understood() };
        let is_key = ["KEY", "INDEX", "UNIQUE", "PRIMARY", "CONSTRAINT", "FOREIGN", "FULLTEXT", "SPATIAL", "CHECK"];
        if is_key.iter().any(|word| name.is_word(word)) {
            return not_understood();
        }
        if has(definition, "PRIMARY") {
            return Effect::Changes("adds a primary key to".into());
        }
        let Some(name) = name.identifier() else { return not_understood() };
        edits.push(Edit::Add { name, place: place(definition), conditional });
    }
    Effect::Edits(edits)
}

fn drop(tokens: &[Token<'_>], table: &MappedTable) -> Effect {
    let first = match tokens.first() {
        Some(Token::Word(word)) => word.to_ascii_uppercase(),
        Some(Token::Quoted(_)) => String::new(),
        _ => return not_understood(),
    };
    match first.as_str() {
        "PRIMARY" => Effect::Changes("drops the primary key of".into()),
        "INDEX" | "KEY" | "CONSTRAINT" => {
            let name = skip_column(tokens.get(1..).unwrap_or(&[])).0.first().and_then(Token::identifier);
            match name {
                Some(name) if !table.unique_keys.iter().any(|key| same_name(key, &name)) => Effect::None,
                Some(_) => Effect::Changes("drops a unique key of".into()),
                None => not_understood(),
            }
        }
        "FOREIGN" | "CHECK" => Effect::None,
        "PARTITION" => Effect::Changes("drops partitions of".into()),
        "SYSTEM" | "PERIOD" => Effect::Changes("drops system versioning of".into()),
        _ => {
            let (rest, conditional) = skip_column(tokens);
            match rest.first().and_then(Token::identifier) {
                None => not_understood(),
                Some(name) if table.stores(&name) => Effect::Changes(format!("drops column {name} of")),
                Some(name) => Effect::Edits(vec![Edit::Drop { name, conditional }]),
            }
        }
    }
}

/// MODIFY and CHANGE: harmless for a column that no mapping uses, and for one that is put elsewhere without any other change.
fn redefine(tokens: &[Token<'_>], table: &MappedTable, verb: &str, renames: bool) -> Effect {
    let (tokens, conditional) = skip_column(tokens);
    let Some((from, rest)) = tokens.split_first().and_then(|(name, rest)| Some((name.identifier()?, rest))) else {
        return not_understood();
    };
    let (to, definition) = match rest.split_first() {
        Some((name, definition)) if renames => match name.identifier() {
            Some(name) => (name, definition),
            None => return not_understood(),
        },
        _ => (from.clone(), rest),
    };
    if has(definition, "PRIMARY") {
        return Effect::Changes("adds a primary key to".into());
    }
    let moved_only = |stored| same_name(&from, &to) && definition::is_unchanged(stored, definition);
    let harmless = match table.stored(&from) {
        Some(stored) => moved_only(stored),
        None => !table.stores(&to),
    };
    if !harmless {
        return Effect::Changes(format!("{verb} column {from} of"));
    }
    Effect::Edits(vec![Edit::Change { from, to, place: place(definition), conditional }])
}

/// `ALTER [COLUMN] name SET DEFAULT ..`, `ALTER INDEX ..`, `ALTER CHECK ..`: defaults and visibility change no row.
fn alter(tokens: &[Token<'_>]) -> Effect {
    let known = ["DEFAULT", "VISIBLE", "INVISIBLE", "IGNORED", "ENFORCED"];
    if known.iter().any(|word| has(tokens, word)) { Effect::None } else { not_understood() }
}

fn rename(tokens: &[Token<'_>], table: &MappedTable) -> Effect {
    let Some((first, rest)) = tokens.split_first() else { return not_understood() };
    if first.is_word("INDEX") || first.is_word("KEY") {
        // A unique key may be the renamed one; rows do not change, and names of keys only matter when they are dropped.
        return Effect::None;
    }
    if !first.is_word("COLUMN") {
        return Effect::Changes("renames".into());
    }
    let (rest, conditional) = skip_column(rest);
    let [from, to_word, to] = rest else { return not_understood() };
    let (Some(from), true, Some(to)) = (from.identifier(), to_word.is_word("TO"), to.identifier()) else {
        return not_understood();
    };
    if table.stores(&from) || table.stores(&to) {
        return Effect::Changes(format!("renames column {from} of"));
    }
    Effect::Edits(vec![Edit::Change { from, to, place: None, conditional }])
}
