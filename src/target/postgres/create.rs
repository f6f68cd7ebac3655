//! Creates what is absent, in one transaction; what exists is never touched.

use super::connect::{Connection, Writes};
use super::inspect::plain_name;
use super::{checkpoint, definition, fault, sql};
use crate::error::{Class, Error, Result};
use crate::schema::TargetTable;

/// PostgreSQL cuts longer names in silence.
pub(super) const IDENTIFIER_BYTES_MAX: usize = 63;

/// Creates the checkpoint table and the absent ones of `tables`.
pub(super) async fn tables(connection: &mut Connection<Writes>, tables: &[TargetTable]) -> Result<()> {
    if let Some((table, name)) = tables.iter().find_map(|table| Some((table, unusable_names(table).into_iter().next()?))) {
        return Err(Error::new(
            Class::Preflight,
            format!("cannot create {}: PostgreSQL cannot hold the name {name:?}", plain_name(table)),
        )
        .with_hint(format!("names have 1 to {IDENTIFIER_BYTES_MAX} bytes and no NUL")));
    }
    // Existence is asked first: IF NOT EXISTS demands the privilege to create even where there is nothing to do.
    let mut statements = Vec::new();
    if !checkpoint::exists(connection).await? {
        let skip_schema = usize::from(holds(connection, "to_regnamespace", "strangler").await?);
        statements.extend(definition::checkpoint_table().into_iter().skip(skip_schema));
    }
    for table in tables {
        if holds(connection, "to_regclass", &sql::table_name(table)).await? {
            continue;
        }
        if let Some(schema) = &table.schema
            && !holds(connection, "to_regnamespace", &sql::quoted(schema)).await?
        {
            statements.push(definition::schema(schema));
        }
        statements.extend(definition::target_table(table));
    }
    if statements.is_empty() {
        return Ok(());
    }
    run(connection, &statements, "cannot create the target tables").await
}

/// Takes the primary key off a table, whatever its name is.
pub(super) async fn drop_key(connection: &mut Connection<Writes>, table: &TargetTable) -> Result<()> {
    let attempt = format!("cannot take the primary key off {} for its load", plain_name(table));
    let name =
        "SELECT conname::text FROM pg_catalog.pg_constraint WHERE conrelid = pg_catalog.to_regclass($1::text) AND contype = 'p'";
    let statement = connection.statement(name, &attempt).await?;
    let row = connection.answer(connection.client.query_opt(&statement, &[&sql::table_name(table)]), &attempt).await?;
    let Some(row) = row else { return Ok(()) };
    let name: String = row.try_get(0).map_err(|error| fault::of(error, &attempt))?;
    run(connection, &[definition::without_key(table, &name)], &attempt).await
}

/// Puts the primary key on a table, emptied before where that is asked for. It may take longer than any other statement may.
pub(super) async fn key(connection: &mut Connection<Writes>, table: &TargetTable, is_emptied: bool) -> Result<()> {
    let attempt = format!("cannot put the primary key on {}", plain_name(table));
    let empty = if is_emptied { format!("TRUNCATE {}; ", sql::table_name(table)) } else { String::new() };
    let text = format!("BEGIN; SET LOCAL statement_timeout = 0; {empty}{}; COMMIT", definition::key(table));
    let done = connection.client.batch_execute(&text).await;
    done.map_err(|error| {
        let is_twice = error.code().is_some_and(|code| code.code() == "23505");
        let seen = fault::of_commit(error, &attempt);
        if is_twice { seen.with_hint(TWO_ROWS) } else { seen }
    })
}

/// What to do about two rows of one key.
const TWO_ROWS: &str = "two source rows give the same key, so the legacy data breaks what the key proof stands on: correct the rows or \
     the mapping's key, then run with --rebuild";

/// Creates secondary indexes. It may take longer than any other statement may.
pub(super) async fn indexes(connection: &mut Connection<Writes>, table: &TargetTable, missing: &[&[usize]]) -> Result<()> {
    let attempt = format!("cannot create the indexes of {}", plain_name(table));
    for columns in missing {
        let text = format!("BEGIN; SET LOCAL statement_timeout = 0; {}; COMMIT", definition::index(table, columns));
        connection.client.batch_execute(&text).await.map_err(|error| fault::of_commit(error, &attempt))?;
    }
    Ok(())
}

/// Names of a table that the server would refuse or cut.
pub(super) fn unusable_names(table: &TargetTable) -> Vec<&str> {
    let names = table.schema.iter().chain([&table.name]).chain(table.columns.iter().map(|column| &column.name));
    names.map(String::as_str).filter(|name| name.is_empty() || name.len() > IDENTIFIER_BYTES_MAX || name.contains('\0')).collect()
}

async fn holds(connection: &mut Connection<Writes>, function: &'static str, name: &str) -> Result<bool> {
    let attempt = format!("cannot look for {name}");
    let statement = connection.statement(&format!("SELECT pg_catalog.{function}($1::text) IS NOT NULL"), &attempt).await?;
    let row = connection.answer(connection.client.query_one(&statement, &[&name]), &attempt).await?;
    row.try_get(0).map_err(|error| fault::of(error, &attempt))
}

async fn run(connection: &mut Connection<Writes>, statements: &[String], attempt: &str) -> Result<()> {
    connection.answer(connection.client.batch_execute("BEGIN"), attempt).await?;
    for statement in statements {
        connection.answer(connection.client.batch_execute(statement), attempt).await?;
    }
    connection.commit(attempt).await
}
