//! What a statement in the log does to mapped tables.
//!
//! Goes in: a statement that is neither transaction control nor rows, the session's database, and the mapped tables. Comes out: a
//! [`Verdict`]. A statement that mentions no mapped table passes; one that does passes only if every clause is understood and
//! none touches what the mappings mean. Nothing is guessed: what is not understood on a mapped table is a change.

use super::alter::Effect;
use super::columns::{Edit, same_name};
use super::tokens::{Token, tokenize};
use crate::schema::{Column, SourceCatalog, TableId, TableLayout, TableName};

/// A mapped table as statements see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedTable {
    /// Its id in the plan.
    pub id: TableId,
    /// Its name.
    pub name: TableName,
    /// The stored columns.
    pub stored: Vec<Column>,
    /// Names of all columns when the schema was recorded, in their order.
    pub columns: Vec<String>,
    /// Names of its unique keys, the primary one included: identities and proofs rest on them.
    pub unique_keys: Vec<String>,
}

/// All mapped tables of a source, with the rule by which names compare.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MappedTables {
    tables: Vec<MappedTable>,
    folded: bool,
}

/// What a statement does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing that concerns a mapping.
    Passes,
    /// Changes which columns a mapped table has, or their order, and no stored value.
    Edits(TableId, Vec<Edit>),
    /// Removes all rows.
    Truncates(TableId),
    /// Changes mapped tables in a way that stops their mappings.
    Changes {
        /// Which tables.
        tables: Vec<TableName>,
        /// What it does, without literals.
        description: String,
    },
    /// Changes rows by statement: nobody can know which.
    Rows,
}

impl MappedTable {
    /// The stored column of this name.
    #[must_use]
    pub fn stored(&self, name: &str) -> Option<&Column> {
        self.stored.iter().find(|column| same_name(&column.name, name))
    }

    /// Whether a mapping uses a column of this name.
    #[must_use]
    pub fn stores(&self, name: &str) -> bool {
        self.stored(name).is_some()
    }
}

impl MappedTables {
    /// The tables of `layouts`, with the keys that the catalogue has.
    #[must_use]
    pub fn new(layouts: &[TableLayout], catalog: &SourceCatalog) -> Self {
        let tables = layouts.iter().map(|layout| {
            let schema = catalog.tables.iter().find(|table| table.name == layout.name);
            let keys = schema.into_iter().flat_map(|table| table.primary_key.iter().chain(&table.unique_keys));
            MappedTable {
                id: layout.id,
                name: layout.name.clone(),
                stored: layout.columns.iter().map(|column| column.column.clone()).collect(),
                columns: schema.into_iter().flat_map(|table| &table.columns).map(|column| column.name.clone()).collect(),
                unique_keys: keys.map(|key| key.name.clone()).collect(),
            }
        });
        Self { tables: tables.collect(), folded: catalog.session.lower_case_table_names != 0 }
    }

    /// The mapped table of this name.
    #[must_use]
    pub fn find(&self, schema: &str, name: &str) -> Option<&MappedTable> {
        self.tables.iter().find(|table| self.same(&table.name.schema, schema) && self.same(&table.name.name, name))
    }

    /// The mapped table of this id.
    #[must_use]
    pub fn get(&self, id: TableId) -> Option<&MappedTable> {
        self.tables.iter().find(|table| table.id == id)
    }

    fn same(&self, left: &str, right: &str) -> bool {
        left == right || (self.folded && left.to_lowercase() == right.to_lowercase())
    }
}

/// Says what `statement`, run in the database `schema`, does to `tables`.
#[must_use]
pub fn classify(statement: &str, schema: &str, tables: &MappedTables) -> Verdict {
    let tokens = tokenize(statement);
    Statement { tokens: &tokens, at: 0, schema, tables }.verdict()
}

/// A statement with a cursor over its tokens.
struct Statement<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    schema: &'a str,
    tables: &'a MappedTables,
}

/// The first words of statements that change no table definition that a mapping could depend on.
const UNRELATED: &[&str] = &[
    "GRANT",
    "REVOKE",
    "FLUSH",
    "ANALYZE",
    "OPTIMIZE",
    "CHECK",
    "SET",
    "USE",
    "INSTALL",
    "UNINSTALL",
    "RESET",
    "PURGE",
    "CHANGE",
    "KILL",
    "SHUTDOWN",
    "HELP",
    "DO",
    "LOCK",
    "UNLOCK",
    "BACKUP",
    "CACHE",
    "IMPORT",
];

/// Objects whose CREATE, ALTER and DROP do not concern tables.
const OTHER_OBJECTS: &[&str] = &[
    "VIEW",
    "PROCEDURE",
    "FUNCTION",
    "TRIGGER",
    "EVENT",
    "USER",
    "ROLE",
    "SERVER",
    "SEQUENCE",
    "TABLESPACE",
    "LOGFILE",
    "PACKAGE",
    "INSTANCE",
    "RESOURCE",
    "SPATIAL REFERENCE",
    "LIBRARY",
    "UNDO",
];

impl<'a> Statement<'a> {
    fn verdict(mut self) -> Verdict {
        if self.take("SET") && self.take("STATEMENT") {
            // MariaDB: SET STATEMENT variable = value, .. FOR statement
            while self.at < self.tokens.len() && !self.take("FOR") {
                self.at += 1;
            }
        } else {
            self.at = 0;
        }
        let Some(first) = self.word() else {
            return if self.tokens.is_empty() { Verdict::Passes } else { self.unless_mentioned() };
        };
        match first.as_str() {
            "INSERT" | "UPDATE" | "REPLACE" | "LOAD" | "CALL" | "WITH" | "MERGE" | "DELETE" => self.rows(&first),
            "TRUNCATE" => self.truncate(),
            "RENAME" => self.rename(),
            "ALTER" => self.alter(),
            "CREATE" => self.create(),
            "DROP" => self.drop(),
            word if UNRELATED.contains(&word) => Verdict::Passes,
            _ => self.unless_mentioned(),
        }
    }

    /// Servers log an emptied MEMORY table as `DELETE FROM table` after a restart; every other statement may reach any table.
    fn rows(&mut self, first: &str) -> Verdict {
        if first == "DELETE" && self.take("FROM") {
            let table = self.table();
            if table.is_some_and(|(schema, name)| self.tables.find(&schema, &name).is_none()) && self.at == self.tokens.len() {
                return Verdict::Passes;
            }
        }
        Verdict::Rows
    }

    fn truncate(&mut self) -> Verdict {
        self.take("TABLE");
        match self.table() {
            Some((schema, name)) => {
                self.tables.find(&schema, &name).map_or(Verdict::Passes, |table| Verdict::Truncates(table.id))
            }
            None => self.unless_mentioned(),
        }
    }

    fn rename(&mut self) -> Verdict {
        if !(self.take("TABLE") || self.take("TABLES")) {
            return if self.take("USER") { Verdict::Passes } else { self.unless_mentioned() };
        }
        self.changes_if_mentioned("renames")
    }

    fn create(&mut self) -> Verdict {
        let replaces = self.take("OR") && self.take("REPLACE");
        if self.take("TEMPORARY") || self.other_object() {
            return Verdict::Passes;
        }
        if self.take("DATABASE") || self.take("SCHEMA") {
            return if replaces { self.database("replaces") } else { Verdict::Passes };
        }
        if self.take("TABLE") {
            if self.take_all(&["IF", "NOT", "EXISTS"]) {
                return Verdict::Passes;
            }
            let Some((schema, name)) = self.table() else { return self.unless_mentioned() };
            return match self.tables.find(&schema, &name) {
                Some(table) => changes(table, "creates"),
                None => Verdict::Passes,
            };
        }
        // CREATE [UNIQUE | FULLTEXT | SPATIAL | VECTOR] INDEX name .. ON table: an index changes no row.
        while self.at < self.tokens.len() && !self.take("INDEX") {
            self.at += 1;
        }
        if self.at < self.tokens.len() { Verdict::Passes } else { self.restart().unless_mentioned() }
    }

    fn drop(&mut self) -> Verdict {
        if self.take("TEMPORARY") || self.other_object() || self.take("PREPARE") {
            return Verdict::Passes;
        }
        if self.take("DATABASE") || self.take("SCHEMA") {
            return self.database("drops");
        }
        if self.take("TABLE") || self.take("TABLES") {
            return self.changes_if_mentioned("drops");
        }
        if self.take("INDEX") {
            self.take_all(&["IF", "EXISTS"]);
            let index = self.name();
            if let (Some(index), true, Some((schema, name))) = (index, self.take("ON"), self.table()) {
                return match self.tables.find(&schema, &name) {
                    Some(table) if table.unique_keys.iter().any(|key| same_name(key, &index)) => {
                        changes(table, "drops a unique key of")
                    }
                    _ => Verdict::Passes,
                };
            }
        }
        self.restart().unless_mentioned()
    }

    fn database(&mut self, verb: &str) -> Verdict {
        self.take_all(&["IF", "EXISTS"]);
        let Some(schema) = self.name() else { return self.unless_mentioned() };
        let inside = |table: &&MappedTable| self.tables.same(&table.name.schema, &schema);
        let tables: Vec<TableName> = self.tables.tables.iter().filter(inside).map(|table| table.name.clone()).collect();
        if tables.is_empty() {
            return Verdict::Passes;
        }
        Verdict::Changes { tables, description: format!("{verb} database {schema}") }
    }

    fn alter(&mut self) -> Verdict {
        if self.other_object() || self.take("DATABASE") || self.take("SCHEMA") {
            return Verdict::Passes;
        }
        self.take("ONLINE");
        let ignores = self.take("IGNORE");
        if !self.take("TABLE") {
            return self.restart().unless_mentioned();
        }
        self.take_all(&["IF", "EXISTS"]);
        let Some((schema, name)) = self.table() else { return self.restart().unless_mentioned() };
        let Some(table) = self.tables.find(&schema, &name) else {
            // Another table may still take a mapped table's name or exchange a partition with it; a column may have any name.
            return if self.reaches_others() { self.unless_mentioned() } else { Verdict::Passes };
        };
        if self.take("WAIT") {
            self.at += 1;
        }
        self.take("NOWAIT");
        let mut edits = Vec::new();
        for clause in split_clauses(self.tokens.get(self.at..).unwrap_or(&[])) {
            if ignores && clause.iter().any(|token| token.is_word("UNIQUE") || token.is_word("PRIMARY")) {
                return changes(table, "removes rows that repeat a new key from");
            }
            match super::alter::clause(clause, table) {
                Effect::None => {}
                Effect::Edits(more) => edits.extend(more),
                Effect::Changes(what) => return changes(table, &what),
            }
        }
        if edits.is_empty() { Verdict::Passes } else { Verdict::Edits(table.id, edits) }
    }

    /// Whether an ALTER TABLE holds a clause that names a second table.
    fn reaches_others(&self) -> bool {
        let inside = |token: &Token<'_>| ["COLUMN", "INDEX", "KEY"].iter().any(|word| token.is_word(word));
        let rest = self.tokens.get(self.at..).unwrap_or(&[]);
        let renames = rest.windows(2).any(|pair| matches!(pair, [one, two] if one.is_word("RENAME") && !inside(two)));
        renames || rest.iter().any(|token| token.is_word("EXCHANGE"))
    }

    /// All mapped tables whose names occur anywhere in the rest of the statement.
    fn mentioned(&self) -> Vec<&'a MappedTable> {
        let mut rest = Statement { tokens: self.tokens, at: self.at, schema: self.schema, tables: self.tables };
        let mut found: Vec<&MappedTable> = Vec::new();
        while rest.at < rest.tokens.len() {
            let at = rest.at;
            if let Some(table) = rest.table().and_then(|(schema, name)| self.tables.find(&schema, &name))
                && !found.contains(&table)
            {
                found.push(table);
            }
            rest.at = at + 1;
        }
        found
    }

    fn changes_if_mentioned(&mut self, verb: &str) -> Verdict {
        let tables = self.mentioned();
        if tables.is_empty() {
            return Verdict::Passes;
        }
        let names: Vec<TableName> = tables.iter().map(|table| table.name.clone()).collect();
        let list = names.iter().map(TableName::to_string).collect::<Vec<_>>().join(", ");
        Verdict::Changes { tables: names, description: format!("{verb} table {list}") }
    }

    fn unless_mentioned(&mut self) -> Verdict {
        self.changes_if_mentioned("runs a statement that is not understood on")
    }

    fn restart(&mut self) -> &mut Self {
        self.at = 0;
        self
    }

    fn other_object(&mut self) -> bool {
        let at = self.at;
        // Modifiers before the object: DEFINER = user, ALGORITHM = .., SQL SECURITY .., AGGREGATE, OR REPLACE.
        while let Some(word) = self.word() {
            if OTHER_OBJECTS.contains(&word.as_str()) {
                return true;
            }
            match word.as_str() {
                "DEFINER" | "ALGORITHM" | "SQL" | "SECURITY" | "AGGREGATE" | "INVOKER" | "MERGE" | "TEMPTABLE" | "UNDEFINED"
                | "CURRENT_USER" => {
                    while self.tokens.get(self.at).is_some_and(|token| !matches!(token, Token::Word(_))) {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
        self.at = at;
        false
    }

    fn word(&mut self) -> Option<String> {
        let Some(Token::Word(word)) = self.tokens.get(self.at) else { return None };
        self.at += 1;
        Some(word.to_ascii_uppercase())
    }

    fn take(&mut self, word: &str) -> bool {
        let here = self.tokens.get(self.at).is_some_and(|token| token.is_word(word));
        self.at += usize::from(here);
        here
    }

    fn take_all(&mut self, words: &[&str]) -> bool {
        let here = words
            .iter()
            .enumerate()
            .all(|(index, word)| self.tokens.get(self.at + index).is_some_and(|token| token.is_word(word)));
        self.at += if here { words.len() } else { 0 };
        here
    }

    fn name(&mut self) -> Option<String> {
        let name = self.tokens.get(self.at)?.identifier()?;
        self.at += 1;
        Some(name)
    }

    /// `name` or `schema.name`.
    fn table(&mut self) -> Option<(String, String)> {
        let first = self.name()?;
        if matches!(self.tokens.get(self.at), Some(Token::Sign('.'))) {
            self.at += 1;
            return Some((first, self.name()?));
        }
        Some((self.schema.to_owned(), first))
    }
}

fn changes(table: &MappedTable, what: &str) -> Verdict {
    Verdict::Changes { tables: vec![table.name.clone()], description: format!("{what} table {}", table.name) }
}

/// The clauses of an ALTER TABLE, split at commas outside parentheses.
pub(super) fn split_clauses<'a, 'b>(tokens: &'a [Token<'b>]) -> Vec<&'a [Token<'b>]> {
    let mut depth = 0_i32;
    tokens
        .split(|token| {
            match token {
                Token::Sign('(') => depth += 1,
                Token::Sign(')') => depth -= 1,
                _ => {}
            }
            depth == 0 && matches!(token, Token::Sign(','))
        })
        .filter(|clause| !clause.is_empty())
        .collect()
}
