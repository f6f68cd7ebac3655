//! Reading rows as the server prints them: one statement of the simple protocol, each cell read by its expected type, nothing buffered
//! beyond a row.

use std::pin::pin;

use futures_util::StreamExt;
use tokio_postgres::SimpleQueryMessage;

use super::connect::Lease;
use super::decode::value;
use super::failure;
use crate::error::{Class, Error, Result};
use crate::schema::DataType;
use crate::value::{Row, Value};

/// Opens a read view: every later statement of this transaction sees what its first statement saw.
pub(super) const OPEN_VIEW: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How a cell is read: its place in the row and its text.
pub(super) type ReadCell<'a> = dyn Fn(usize, Option<&str>) -> Result<Value> + Send + Sync + 'a;

/// Runs `sql`, which gives `width` columns, and gives each row to `visit`.
///
/// # Errors
/// Errors of the server; what `read` and `visit` return; `Bug` for another number of columns.
pub(super) async fn each_row(
    lease: &Lease,
    attempt: &str,
    sql: &str,
    width: usize,
    read: &ReadCell<'_>,
    visit: &mut (dyn FnMut(Row) -> Result<()> + Send),
) -> Result<()> {
    let limit = lease.limit();
    let answer = failure::within(limit, attempt, async {
        lease.client().simple_query_raw(sql).await.map_err(|error| failure::of_driver(error, attempt))
    });
    let mut answer = pin!(answer.await?);
    while let Some(message) = failure::within(limit, attempt, async { Ok(answer.next().await) }).await? {
        let SimpleQueryMessage::Row(row) = message.map_err(|error| failure::of_driver(error, attempt))? else { continue };
        if row.len() != width {
            let found = row.len();
            return Err(Error::bug(format!("could not {attempt}: {width} columns were expected and the server gives {found}")));
        }
        let cells = (0..width).map(|index| {
            let text = row.try_get(index).map_err(|error| failure::of_driver(error, attempt))?;
            read(index, text)
        });
        visit(cells.collect::<Result<_>>()?)?;
    }
    Ok(())
}

/// Reads a column of a mapping's SELECT.
///
/// # Errors
/// `Person` for a value that is none of the type.
pub(super) fn output(types: &[DataType], index: usize, text: Option<&str>) -> Result<Value> {
    let Some(text) = text else { return Ok(Value::Null) };
    let data_type = types.get(index).ok_or_else(|| Error::bug("a SELECT has a column without a type"))?;
    value::of_text(text, data_type).ok_or_else(|| {
        Error::new(Class::Person, format!("column {} of the SELECT holds a value that is not of its type", index + 1))
            .with_hint("cast it to text in the SELECT, or report the type with this message")
    })
}
