//! All statement text about rows. Names go through [`quoted`], values are parameters; nothing else is pasted.
//!
//! Row statements take one array per column, or per key column. An array is of the column's own type, so that the server parses nothing.

use super::types;
use crate::schema::{TargetColumn, TargetTable, TargetType};

/// An identifier between double quotes.
pub(super) fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A string literal, under `standard_conforming_strings`.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
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

/// Inserts rows, or overwrites those that have the same key.
pub(super) fn upsert(table: &TargetTable) -> String {
    format!("{} {}", insert(table), on_conflict(table))
}

/// Inserts rows whose keys are free.
pub(super) fn insert(table: &TargetTable) -> String {
    let columns: Vec<&TargetColumn> = table.columns.iter().collect();
    format!("INSERT INTO {} ({}) SELECT {} FROM {}", table_name(table), names(&columns), staged(&columns), rows(&columns))
}

/// Deletes rows by key.
pub(super) fn delete(table: &TargetTable) -> String {
    let key = key_columns(table);
    format!("DELETE FROM {} AS t USING {} WHERE {}", table_name(table), rows(&key), same_key(&key))
}

/// Reads rows by key.
pub(super) fn select_keys(table: &TargetTable) -> String {
    let key = key_columns(table);
    format!("SELECT {} FROM {} JOIN {} AS t ON {}", qualified(&table.columns), rows(&key), table_name(table), same_key(&key))
}

/// Reads the first rows by key, or those behind a key; the limit is the last parameter.
pub(super) fn select_after(table: &TargetTable, behind: bool) -> String {
    let key = key_columns(table);
    let order: Vec<String> = key.iter().map(|column| format!("t.{}", quoted(&column.name))).collect();
    let order = order.join(", ");
    let condition = if behind {
        let after: Vec<String> = key
            .iter()
            .enumerate()
            .map(|(index, column)| parameter(index, column, "") + &types::cast_from_wire(&column.target_type))
            .collect();
        format!(" WHERE ({order}) > ({})", after.join(", "))
    } else {
        String::new()
    };
    let limit = if behind { key.len() + 1 } else { 1 };
    format!(
        "SELECT {} FROM {} AS t{condition} ORDER BY {order} LIMIT ${limit}::bigint",
        qualified(&table.columns),
        table_name(table)
    )
}

/// The columns of a table and their types, no rows.
pub(super) fn describe(table: &TargetTable) -> String {
    format!("SELECT {} FROM {} AS t LIMIT 0", qualified(&table.columns), table_name(table))
}

/// Whether COPY in binary form cannot go into the table itself, because a column travels as text.
pub(super) fn needs_staging(table: &TargetTable) -> bool {
    table.columns.iter().any(|column| matches!(column.target_type, TargetType::Native(_)))
}

/// COPY into the table.
pub(super) fn copy(table: &TargetTable) -> String {
    let columns: Vec<&TargetColumn> = table.columns.iter().collect();
    format!("COPY {} ({}) FROM STDIN (FORMAT binary)", table_name(table), names(&columns))
}

/// A temporary table for many rows at once, gone with the transaction.
pub(super) fn create_staging(table: &TargetTable) -> String {
    let columns: Vec<String> = table
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| format!("c{} {}", index + 1, types::wire_name(&column.target_type)))
        .collect();
    format!("CREATE TEMPORARY TABLE strangler_staging ({}) ON COMMIT DROP", columns.join(", "))
}

/// COPY into the temporary table.
pub(super) const COPY_STAGING: &str = "COPY pg_temp.strangler_staging FROM STDIN (FORMAT binary)";

/// Removes the temporary table within the transaction.
pub(super) const DROP_STAGING: &str = "DROP TABLE pg_temp.strangler_staging";

/// Inserts the rows of the temporary table, overwriting those with the same key if asked.
pub(super) fn insert_staged(table: &TargetTable, overwrite: bool) -> String {
    let columns: Vec<&TargetColumn> = table.columns.iter().collect();
    let end = if overwrite { format!(" {}", on_conflict(table)) } else { String::new() };
    format!(
        "INSERT INTO {} ({}) SELECT {} FROM pg_temp.strangler_staging AS u{end}",
        table_name(table),
        names(&columns),
        staged(&columns)
    )
}

/// Whether another unique or exclusion constraint than the primary key exists; `$1` is the quoted table name.
pub(super) const OTHER_UNIQUE: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_index \
     WHERE indrelid = pg_catalog.to_regclass($1::text) AND (indisunique OR indisexclusion) AND NOT indisprimary)";

fn on_conflict(table: &TargetTable) -> String {
    let updates: Vec<String> = table
        .columns
        .iter()
        .enumerate()
        .filter(|(index, _)| !table.key.contains(index))
        .map(|(_, column)| format!("{name} = EXCLUDED.{name}", name = quoted(&column.name)))
        .collect();
    let action = if updates.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", updates.join(", ")) };
    format!("ON CONFLICT ({}) DO {action}", names(&key_columns(table)))
}

/// `unnest($1::type[], ..) AS u(c1, ..)`: one row per array position.
fn rows(columns: &[&TargetColumn]) -> String {
    let arrays: Vec<String> = columns.iter().enumerate().map(|(index, column)| parameter(index, column, "[]")).collect();
    format!(
        "unnest({}) AS u({})",
        arrays.join(", "),
        columns.iter().enumerate().map(|(index, _)| format!("c{}", index + 1)).collect::<Vec<_>>().join(", ")
    )
}

fn parameter(index: usize, column: &TargetColumn, suffix: &str) -> String {
    format!("${}::{}{suffix}", index + 1, types::wire_name(&column.target_type))
}

/// The columns of `u`, as the types of the target columns.
fn staged(columns: &[&TargetColumn]) -> String {
    columns.iter().enumerate().map(|(index, column)| staged_column(index, column)).collect::<Vec<_>>().join(", ")
}

fn staged_column(index: usize, column: &TargetColumn) -> String {
    format!("u.c{}{}", index + 1, types::cast_from_wire(&column.target_type))
}

/// A column of `t` as it travels. What travels as text is what the type's output function prints: a cast to text prints some types otherwise
/// (`inet`), and IS NULL is true for composites of nulls.
fn travelling(column: &TargetColumn) -> String {
    let name = quoted(&column.name);
    match column.target_type {
        TargetType::Native(_) => {
            format!("CASE pg_catalog.num_nulls(t.{name}) WHEN 0 THEN pg_catalog.concat(t.{name}) END AS {name}")
        }
        _ => format!("t.{name}"),
    }
}

fn names(columns: &[&TargetColumn]) -> String {
    columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
}

fn qualified(columns: &[TargetColumn]) -> String {
    columns.iter().map(travelling).collect::<Vec<_>>().join(", ")
}

fn same_key(key: &[&TargetColumn]) -> String {
    key.iter()
        .enumerate()
        .map(|(index, column)| format!("t.{} = {}", quoted(&column.name), staged_column(index, column)))
        .collect::<Vec<_>>()
        .join(" AND ")
}
