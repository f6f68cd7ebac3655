//! Rows and the checkpoint they belong to, in one snapshot, on connections that cannot write.

use tokio_postgres::Statement;

use super::connect::{Connection, Reads};
use super::encode::{Array, Parameter};
use super::pipeline::{self, Request};
use super::{checkpoint, decode, fault, sql};
use crate::error::{Error, Result};
use crate::schema::{TargetColumn, TargetTable};
use crate::target::Checkpoint;
use crate::target::transaction::expect_width;
use crate::value::Row;

/// Keys of one statement.
const KEYS_MAX: usize = 5_000;

/// Rows with the checkpoint that was current in the same snapshot.
pub(super) type Snapshot = (Option<Checkpoint>, Vec<Row>);

/// Reads rows by key, in no particular order; keys without a row are left out.
pub(super) async fn keys(
    connection: &mut Connection<Reads>,
    mapping: &str,
    table: &TargetTable,
    keys: &[Row],
) -> Result<Snapshot> {
    let statement = row_statement(connection, table, &sql::select_keys(table)).await?;
    let columns = sql::key_columns(table);
    let batches = keys.chunks(KEYS_MAX).map(|batch| key_arrays(table, &columns, batch)).collect::<Result<Vec<_>>>()?;
    snapshot(connection, mapping, table, &statement, batches).await
}

/// Reads up to `limit` rows behind a key, in the order of the primary key.
pub(super) async fn after(
    connection: &mut Connection<Reads>,
    mapping: &str,
    table: &TargetTable,
    after: Option<&Row>,
    limit: u32,
) -> Result<Snapshot> {
    let statement = row_statement(connection, table, &sql::select_after(table, after.is_some())).await?;
    let columns = sql::key_columns(table);
    let mut parameters = Vec::new();
    if let Some(key) = after {
        expect_width(table, key.len(), columns.len())?;
        for (column, value) in columns.iter().zip(key) {
            parameters.push(Parameter::of(table, column, value)?);
        }
    }
    parameters.push(Parameter::bigint(i64::from(limit)));
    snapshot(connection, mapping, table, &statement, vec![parameters]).await
}

fn key_arrays(table: &TargetTable, columns: &[&TargetColumn], keys: &[Row]) -> Result<Vec<Parameter>> {
    let mut arrays: Vec<Array> = columns.iter().map(|column| Array::new(column)).collect();
    for key in keys {
        expect_width(table, key.len(), columns.len())?;
        for ((array, column), value) in arrays.iter_mut().zip(columns).zip(key) {
            array.push(table, column, value)?;
        }
    }
    Ok(arrays.into_iter().map(Parameter::Array).collect())
}

/// Prepares a statement whose result is the columns of `table`, and checks that they still have the declared types.
async fn row_statement(connection: &mut Connection<Reads>, table: &TargetTable, text: &str) -> Result<Statement> {
    let statement = connection.statement(text, &attempt(table)).await?;
    decode::expect_types(table, statement.columns())?;
    Ok(statement)
}

/// Runs the checkpoint query and the statement, once per set of parameters, in one read-only snapshot and one round trip.
async fn snapshot(
    connection: &mut Connection<Reads>,
    mapping: &str,
    table: &TargetTable,
    statement: &Statement,
    parameter_sets: Vec<Vec<Parameter>>,
) -> Result<Snapshot> {
    let attempt = attempt(table);
    let mut questions = Vec::new();
    let with_checkpoint = checkpoint::exists(connection).await?;
    if with_checkpoint {
        questions.push((connection.statement(checkpoint::SELECT, &attempt).await?, vec![Parameter::text(mapping)]));
    }
    questions.extend(parameter_sets.into_iter().map(|parameters| (statement.clone(), parameters)));
    let mut answers = ask(connection, &questions, &attempt).await?.into_iter();
    let checkpoint = match with_checkpoint.then(|| answers.next()).flatten() {
        Some(found) => found.first().map(checkpoint::of_row).transpose()?,
        None => None,
    };
    let rows = answers.flatten().map(|row| decode::row(table, &row)).collect::<Result<Vec<_>>>()?;
    Ok((checkpoint, rows))
}

async fn ask(
    connection: &Connection<Reads>,
    questions: &[(Statement, Vec<Parameter>)],
    attempt: &str,
) -> Result<Vec<Vec<tokio_postgres::Row>>> {
    let control = |text: &'static str| -> Request<'_, Result<Vec<tokio_postgres::Row>>> {
        Box::pin(async move { connection.answer(connection.client.batch_execute(text), attempt).await.map(|()| Vec::new()) })
    };
    let mut requests = vec![control("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")];
    for (statement, parameters) in questions {
        requests.push(Box::pin(connection.answer(collect(connection, statement, parameters), attempt)));
    }
    requests.push(control("COMMIT"));
    let mut answers = pipeline::in_order(requests).await.into_iter().collect::<Result<Vec<_>>>()?;
    answers.pop().ok_or_else(|| Error::bug("a pipeline lost its answers"))?;
    Ok(answers.split_off(1))
}

async fn collect(
    connection: &Connection<Reads>,
    statement: &Statement,
    parameters: &[Parameter],
) -> std::result::Result<Vec<tokio_postgres::Row>, tokio_postgres::Error> {
    let values: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = parameters.iter().map(|parameter| parameter as _).collect();
    connection.client.query(statement, &values).await
}

/// Whether a table holds any row.
pub(super) async fn has_rows(connection: &mut Connection<Reads>, table: &TargetTable) -> Result<bool> {
    let attempt = attempt(table);
    let text = format!("SELECT EXISTS (SELECT FROM {})", sql::table_name(table));
    let row = connection.answer(connection.client.query_one(&text, &[]), &attempt).await?;
    row.try_get(0).map_err(|error| fault::of(error, &attempt))
}

fn attempt(table: &TargetTable) -> String {
    format!("cannot read {}", sql::table_name(table))
}
