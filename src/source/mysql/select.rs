//! Reading rows: one prepared statement in the binary protocol, each cell converted by its expected type.
//!
//! In: a leased connection, SQL, parameters and types. Out: typed rows, one by one. Nothing is buffered here beyond one row. The
//! binary protocol is what keeps floats bit-exact.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params};

use crate::error::{Class, Error, Result};
use crate::schema::DataType;
use crate::value::{Row, Value};

use super::driver_value::{self, TextForm};
use super::failure;

/// Opens a read view: every later read of this transaction sees one state.
pub const OPEN_VIEW: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

/// An expected output column.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// What errors call it.
    pub name: &'a str,
    /// Its type.
    pub data_type: &'a DataType,
}

/// A statement to run.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// What errors call it, e.g. `read a chunk of homeshop.tb_cust`.
    pub attempt: &'a str,
    /// The text with `?` for parameters.
    pub sql: &'a str,
    /// The parameters.
    pub parameters: &'a [Value],
    /// How character data arrives.
    pub form: TextForm,
    /// How long the client waits for the next row.
    pub limit: Duration,
}

/// Runs `statement` and gives each row to `visit`.
///
/// # Errors
/// Driver errors; `Bug` if the number of columns or a value does not fit `expected`; what `visit` returns.
pub async fn each_row(
    conn: &mut Conn,
    statement: Statement<'_>,
    expected: &[Expected<'_>],
    visit: &mut (dyn FnMut(Row) -> Result<()> + Send),
) -> Result<()> {
    let Statement { attempt, sql, parameters, form, limit } = statement;
    let parameters = match parameters {
        [] => Params::Empty,
        some => Params::Positional(some.iter().map(driver_value::to_wire).collect::<Result<_>>()?),
    };
    let prepared = failure::within(limit, attempt, conn.prep(sql)).await?;
    if prepared.num_columns() as usize != expected.len() {
        return Err(Error::bug(format!(
            "could not {attempt}: {} columns were expected and the server gives {}",
            expected.len(),
            prepared.num_columns()
        )));
    }
    let mut result = failure::within(limit, attempt, conn.exec_iter(&prepared, parameters)).await?;
    while let Some(row) = failure::within(limit, attempt, result.next()).await? {
        visit(typed(row, expected, form)?)?;
    }
    drop(result);
    failure::within(limit, attempt, conn.close(prepared)).await
}

fn typed(row: mysql_async::Row, expected: &[Expected<'_>], form: TextForm) -> Result<Row> {
    row.unwrap_raw()
        .into_iter()
        .zip(expected)
        .map(|(cell, expected)| {
            let cell = cell.ok_or_else(|| Error::bug(format!("column {} was read twice", expected.name)))?;
            driver_value::from_wire(cell, expected.data_type, form, expected.name)
        })
        .collect()
}

/// The first row of a short text query, as text cells; NULL is empty.
///
/// # Errors
/// Driver errors; `Person` if there is no row.
pub async fn one_row(conn: &mut Conn, limit: Duration, attempt: &str, sql: &str) -> Result<Vec<String>> {
    all_rows(conn, limit, attempt, sql)
        .await?
        .into_iter()
        .next()
        .ok_or_else(|| Error::new(Class::Person, format!("could not {attempt}: the server gave no row")))
}

/// All rows of a short text query, as text cells; NULL is empty.
///
/// # Errors
/// Driver errors.
pub async fn all_rows(conn: &mut Conn, limit: Duration, attempt: &str, sql: &str) -> Result<Vec<Vec<String>>> {
    let rows: Vec<mysql_async::Row> = failure::within(limit, attempt, conn.query(sql)).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let cells = row.unwrap_raw().into_iter();
            cells
                .map(|cell| match cell {
                    Some(mysql_async::Value::Bytes(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
                    Some(mysql_async::Value::Int(number)) => number.to_string(),
                    Some(mysql_async::Value::UInt(number)) => number.to_string(),
                    _ => String::new(),
                })
                .collect()
        })
        .collect())
}
