//! All statement text about rows. Names go through [`quoted`], values through [`super::encode`]; nothing else is pasted.
//!
//! Row statements carry their values as literals that mean the same under every `sql_mode`, so a whole transaction up to its COMMIT is one
//! round trip. Keys are compared column by column: both families read such conditions from the index, row constructors they do not.

use std::fmt::Write;

use crate::schema::{TargetColumn, TargetKind, TargetTable};

/// An identifier between backquotes; right under ANSI_QUOTES too.
pub(super) fn quoted(identifier: &str) -> String {
    format!("`{}`", identifier.replace('`', "``"))
}

/// A text literal in an expression, spelled in hexadecimal unless it is plain: no `sql_mode` can change what it means.
pub(super) fn text_literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    push_text(text, &mut literal);
    literal
}

/// Appends a text literal; see [`text_literal`].
pub(super) fn push_text(text: &str, out: &mut String) {
    if text.bytes().any(|byte| byte < 0x20 || matches!(byte, b'\'' | b'\\' | 0x7f)) {
        out.push_str("_utf8mb4 X'");
        push_hex(text.as_bytes(), out);
    } else {
        out.push('\'');
        out.push_str(text);
    }
    out.push('\'');
}

/// Appends upper-case hexadecimal digits.
pub(super) fn push_hex(bytes: &[u8], out: &mut String) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 0xF));
    }
}

/// A comment in a definition, where the grammar takes no hexadecimal text; right under `NO_BACKSLASH_ESCAPES`, and cut at the server's bound.
pub(super) fn comment(text: &str, characters_max: usize) -> String {
    let kept: String = text.chars().take(characters_max).collect();
    format!("'{}'", kept.replace('\'', "''"))
}

/// A table's name, qualified if its schema is declared.
pub(super) fn table_name(table: &TargetTable) -> String {
    match &table.schema {
        Some(schema) => format!("{}.{}", quoted(schema), quoted(&table.name)),
        None => quoted(&table.name),
    }
}

/// The key columns, in key order.
pub(super) fn key_columns(table: &TargetTable) -> Vec<&TargetColumn> {
    table.key.iter().filter_map(|index| table.columns.get(*index)).collect()
}

/// What stands before the rows of an insert.
pub(super) fn insert_head(table: &TargetTable) -> String {
    format!("INSERT INTO {} ({}) VALUES ", table_name(table), names(&table.columns))
}

/// What stands behind the rows where those with the same key are to be overwritten.
pub(super) fn overwrite_tail(table: &TargetTable, kind: TargetKind) -> String {
    let mut updated: Vec<&TargetColumn> =
        table.columns.iter().enumerate().filter(|(index, _)| !table.key.contains(index)).map(|(_, column)| column).collect();
    if updated.is_empty() {
        // The grammar wants an assignment.
        updated.extend(key_columns(table).first());
    }
    let assignments = updated.iter().map(|column| {
        let name = quoted(&column.name);
        match kind {
            TargetKind::MariaDb => format!("{name} = VALUE({name})"),
            _ => format!("{name} = strangler_new.{name}"),
        }
    });
    let assignments: Vec<String> = assignments.collect();
    let alias = if kind == TargetKind::MariaDb { "" } else { " AS strangler_new" };
    format!("{alias} ON DUPLICATE KEY UPDATE {}", assignments.join(", "))
}

/// What stands before the key conditions of a delete.
pub(super) fn delete_head(table: &TargetTable) -> String {
    format!("DELETE FROM {} WHERE ", table_name(table))
}

/// What stands before the key conditions of a read.
pub(super) fn select_head(table: &TargetTable) -> String {
    format!("SELECT {} FROM {} WHERE ", names(&table.columns), table_name(table))
}

/// Keys of a table as a condition; `keys` are literals, one per key column.
pub(super) fn is_any_of(table: &TargetTable, keys: &[Vec<String>]) -> String {
    let columns: Vec<String> = key_columns(table).iter().map(|column| quoted(&column.name)).collect();
    if let [column] = columns.as_slice() {
        let list: Vec<&str> = keys.iter().flatten().map(String::as_str).collect();
        return format!("{column} IN ({})", list.join(", "));
    }
    let mut condition = String::new();
    for key in keys {
        condition.push_str(if condition.is_empty() { "(" } else { " OR (" });
        for (index, (column, literal)) in columns.iter().zip(key).enumerate() {
            let and = if index == 0 { "" } else { " AND " };
            let _infallible = write!(condition, "{and}{column} = {literal}");
        }
        condition.push(')');
    }
    condition
}

/// Reads the first rows by key, or those behind a key.
pub(super) fn select_after(table: &TargetTable, after: Option<&[String]>, limit: u32) -> String {
    let columns: Vec<String> = key_columns(table).iter().map(|column| quoted(&column.name)).collect();
    let condition = match after {
        None => "TRUE".to_owned(),
        Some(key) => is_behind(&columns, key),
    };
    format!("{}{condition} ORDER BY {} LIMIT {limit}", select_head(table), columns.join(", "))
}

/// `(a, b) > (1, 2)`, spelled so that the index answers it: `a >= 1 AND (a > 1 OR (b > 2))`.
fn is_behind(columns: &[String], key: &[String]) -> String {
    match (columns, key) {
        ([column], [literal, ..]) => format!("{column} > {literal}"),
        ([column, columns @ ..], [literal, key @ ..]) => {
            format!("{column} >= {literal} AND ({column} > {literal} OR ({}))", is_behind(columns, key))
        }
        _ => "FALSE".to_owned(),
    }
}

/// Keeps a table from being altered until the transaction ends, and says nothing.
pub(super) fn pin(table: &TargetTable) -> String {
    format!("SELECT 1 FROM {} LIMIT 0", table_name(table))
}

/// The whole definition of a table.
pub(super) fn show_create(table: &TargetTable) -> String {
    format!("SHOW CREATE TABLE {}", table_name(table))
}

/// The conditions that name a table in `information_schema`, whose columns are `schema_column` and `table_column`.
pub(super) fn is_table(table: &TargetTable, schema_column: &str, table_column: &str) -> String {
    let schema = table.schema.as_deref().map_or_else(|| "DATABASE()".to_owned(), text_literal);
    format!("{schema_column} = {schema} AND {table_column} = {}", text_literal(&table.name))
}

/// The triggers of a table.
pub(super) fn triggers(table: &TargetTable) -> String {
    format!(
        "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE {} ORDER BY TRIGGER_NAME",
        is_table(table, "EVENT_OBJECT_SCHEMA", "EVENT_OBJECT_TABLE")
    )
}

/// How many unique indexes other than the primary key a table has.
pub(super) fn other_unique(table: &TargetTable) -> String {
    format!(
        "SELECT COUNT(*) FROM information_schema.STATISTICS WHERE {} AND NON_UNIQUE = 0 AND INDEX_NAME <> 'PRIMARY'",
        is_table(table, "TABLE_SCHEMA", "TABLE_NAME")
    )
}

/// Column names, quoted.
pub(super) fn names(columns: &[TargetColumn]) -> String {
    columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
}
