//! Creates what is absent; what exists is never touched.
//!
//! Definitions commit by themselves there, so each statement stands alone: an interrupted `create` is finished by the next.

use super::connect::{Connection, Writes, cell};
use super::definition::IDENTIFIER_CHARACTERS_MAX;
use super::inspect::plain_name;
use super::{checkpoint, definition, sql};
use crate::error::{Class, Error, Result};
use crate::schema::{TargetKind, TargetTable};

/// Creates the checkpoint table and the absent ones of `tables`.
pub(super) async fn tables(connection: &mut Connection<Writes>, tables: &[TargetTable]) -> Result<()> {
    if let Some((table, name)) = tables.iter().find_map(|table| Some((table, unusable_names(table).into_iter().next()?))) {
        let message = format!("cannot create {}: {} cannot hold the name {name:?}", plain_name(table), connection.kind.name());
        return Err(Error::new(Class::Preflight, message).with_hint(NAME_RULE));
    }
    // Existence is asked first: IF NOT EXISTS demands the privilege to create even where there is nothing to do.
    if !checkpoint::exists(connection).await? {
        let text = definition::checkpoint_table(connection.kind);
        connection.change(&text, "cannot create the checkpoint table").await?;
    }
    for table in tables {
        let attempt = format!("cannot create {}", plain_name(table));
        if !exists(connection, table, &attempt).await? {
            connection.change(&definition::target_table(table), &attempt).await?;
        }
    }
    Ok(())
}

/// Creates secondary indexes. It may take longer than any other statement may.
pub(super) async fn indexes(connection: &mut Connection<Writes>, table: &TargetTable, missing: &[&[usize]]) -> Result<()> {
    let attempt = format!("cannot create the indexes of {}", plain_name(table));
    let limit = if connection.kind == TargetKind::MariaDb { "max_statement_time" } else { "max_execution_time" };
    connection.change(&format!("SET SESSION {limit} = 0"), &attempt).await?;
    let text = format!(
        "SELECT DISTINCT INDEX_NAME FROM information_schema.STATISTICS WHERE {}",
        sql::is_table(table, "TABLE_SCHEMA", "TABLE_NAME")
    );
    let mut taken: Vec<String> = connection.query(&text, &attempt).await?.iter().filter_map(|row| cell(row, 0)).collect();
    for columns in missing {
        let wanted = definition::index_name(table, columns);
        let is_free = |name: &String| !taken.iter().any(|taken| taken.eq_ignore_ascii_case(name));
        let names = std::iter::once(wanted.clone()).chain((2..).map(|number| format!("ix_{number}_{}", columns.len())));
        let Some(name) = names.take(1_000).find(is_free) else {
            return Err(Error::new(Class::Person, format!("{attempt}: no index name is free")));
        };
        connection.run_long(&definition::index(table, columns, &name), &attempt).await?;
        taken.push(name);
    }
    Ok(())
}

/// What names must be.
pub(super) const NAME_RULE: &str = "names have 1 to 64 characters, no NUL, none beyond U+FFFF, and end in no space";

/// Names of a table that the server would refuse.
pub(super) fn unusable_names(table: &TargetTable) -> Vec<&str> {
    let names = table.schema.iter().chain([&table.name]).chain(table.columns.iter().map(|column| &column.name));
    let is_unusable = |name: &&str| {
        let count = name.chars().count();
        count == 0
            || count > IDENTIFIER_CHARACTERS_MAX
            || name.ends_with(' ')
            || name.chars().any(|c| c == '\0' || c > '\u{FFFF}')
    };
    names.map(String::as_str).filter(is_unusable).collect()
}

async fn exists(connection: &mut Connection<Writes>, table: &TargetTable, attempt: &str) -> Result<bool> {
    let text = format!("SELECT 1 FROM information_schema.TABLES WHERE {}", sql::is_table(table, "TABLE_SCHEMA", "TABLE_NAME"));
    Ok(!connection.query(&text, attempt).await?.is_empty())
}
