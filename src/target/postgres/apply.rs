//! One target transaction per call: checkpoints compared and set, then deletes, then upserts.
//!
//! The checkpoint updates go first and lock their rows, so a second engine waits there and then finds that it lost; nothing it sent is
//! kept. Behind them each table is locked against being altered and compared with what was accepted of it; both cost no round
//! trip. Small transactions take two round trips: everything up to the last row, and COMMIT. Rows go in key order, so that two writers
//! lock in one order. The caller must give the connection up when this fails, unless the error is that of a checkpoint mismatch, after
//! which the transaction is rolled back.

use tokio_postgres::Statement;

use super::connect::{Connection, Writes};
use super::copy;
use super::encode::{Array, Parameter, field};
use super::pipeline::{self, Request};
use super::{checkpoint, decode, fault, inspect, sql};
use crate::error::{Class, Error, Result};
use crate::schema::{TargetColumn, TargetTable};
use crate::target::Advance;
use crate::target::transaction::{Accepted, Content, Outcome, Slice, Writing, expect_width};
use crate::value::{Row, Value};

/// Parameters of one statement, and requests of one pipeline, stay about below this.
const BYTES_MAX: usize = 1 << 20;
/// Rows of one statement.
const ROWS_MAX: usize = 2_000;
/// Requests of one pipeline.
const STEPS_MAX: usize = 64;
/// From here on COPY into a temporary table is faster than arrays.
const STAGED_ROWS_MIN: usize = 5_000;

/// Deferrable constraints of the target are checked at COMMIT, whatever order the rows come in.
const BEGIN: &str = "BEGIN; SET CONSTRAINTS ALL DEFERRED";

/// One transaction; see [`Server::apply`](crate::target::server::Server::apply).
pub(super) async fn apply(
    connection: &mut Connection<Writes>,
    content: Content<'_>,
    accepted: &[Accepted<'_>],
) -> Result<Outcome> {
    content.write(Transaction::open(connection, &content.advances(), accepted).await?).await
}

/// Copies rows into a table and moves the checkpoint, in one transaction.
pub(super) async fn load(
    connection: &mut Connection<Writes>,
    accepted: Accepted<'_>,
    Slice { rows, advance, turn }: Slice<'_>,
) -> Result<Outcome> {
    let table = accepted.table;
    let attempt = format!("cannot load {}", sql::table_name(table));
    has_other_unique(connection, table).await?;
    let first = turn.is_none().then_some(advance);
    let mut transaction = Transaction::open(connection, first.as_slice(), &[accepted]).await?;
    if let Some(mismatch) = transaction.flush().await? {
        return Ok(Outcome::Mismatch(mismatch));
    }
    if sql::needs_staging(table) {
        let rows: Vec<Vec<&Value>> = rows.iter().map(|row| row.iter().collect()).collect();
        let insert = [sql::insert_staged(table, false), sql::DROP_STAGING.to_owned()];
        copy_staged(transaction.connection, table, &rows, &insert, &attempt).await?;
    } else {
        copy::rows(transaction.connection, &sql::copy(table), table, rows, &attempt).await?;
    }
    if let Some(turn) = turn {
        turn.passed().await?;
        transaction.advance(advance).await?;
    }
    transaction.commit().await
}

/// One request of the pipeline.
struct Step<'a> {
    statement: Statement,
    parameters: Vec<Parameter>,
    attempt: String,
    expects: Expects<'a>,
}

/// What the answer to a step must be.
#[derive(Clone, Copy)]
enum Expects<'a> {
    /// Any number of rows.
    Anything,
    /// One row: the checkpoint is still ours.
    Advance(&'a Advance),
    /// One row: the table is still as it was accepted.
    Unaltered(&'a TargetTable),
}

/// An open transaction and the requests that are not sent yet.
struct Transaction<'a> {
    connection: &'a mut Connection<Writes>,
    steps: Vec<Step<'a>>,
    byte_count: usize,
    begun: bool,
}

impl<'a> Transaction<'a> {
    async fn open(connection: &'a mut Connection<Writes>, advances: &[&'a Advance], accepted: &[Accepted<'a>]) -> Result<Self> {
        let mut ordered = advances.to_vec();
        // Stable: two advances of one mapping keep their order.
        ordered.sort_by(|left, right| left.next.mapping.cmp(&right.next.mapping));
        let mut transaction = Self { connection, steps: Vec::new(), byte_count: 0, begun: false };
        for advance in ordered {
            transaction.advance(advance).await?;
        }
        for Accepted { table, stamp } in accepted {
            transaction.guard(table, stamp).await?;
        }
        Ok(transaction)
    }

    /// The checkpoint moves with the next requests.
    async fn advance(&mut self, advance: &'a Advance) -> Result<()> {
        let attempt = format!("cannot advance the checkpoint of mapping {}", advance.next.mapping);
        let statement = self.connection.statement(checkpoint::ADVANCE, &attempt).await?;
        let parameters = checkpoint::advance_parameters(advance)?;
        self.steps.push(Step { statement, parameters, attempt, expects: Expects::Advance(advance) });
        Ok(())
    }

    /// From here on the table cannot be altered until the transaction ends, and it must be what was accepted.
    async fn guard(&mut self, table: &'a TargetTable, stamp: &str) -> Result<()> {
        let name = sql::table_name(table);
        let attempt = format!("cannot write to {name}");
        // The lock that any write takes, only earlier. Each statement sees what was committed before it, so the comparison behind the
        // lock sees every change of the table that the lock did not keep out.
        let statement = self.connection.statement(&format!("LOCK TABLE {name} IN ROW EXCLUSIVE MODE"), &attempt).await?;
        self.steps.push(Step { statement, parameters: Vec::new(), attempt: attempt.clone(), expects: Expects::Anything });
        let statement = self.connection.statement(&inspect::is_unaltered(), &attempt).await?;
        let parameters = vec![Parameter::text(&name), Parameter::text(stamp)];
        self.steps.push(Step { statement, parameters, attempt, expects: Expects::Unaltered(table) });
        Ok(())
    }

    async fn push(&mut self, statement_text: &str, parameters: Vec<Parameter>, attempt: &str) -> Result<Option<Error>> {
        let statement = self.connection.statement(statement_text, attempt).await?;
        self.byte_count += parameters.iter().map(Parameter::byte_count).sum::<usize>();
        self.steps.push(Step { statement, parameters, attempt: attempt.to_owned(), expects: Expects::Anything });
        if self.byte_count >= BYTES_MAX || self.steps.len() >= STEPS_MAX { self.flush().await } else { Ok(None) }
    }

    /// Sends what is waiting. `Some`: a checkpoint or a table did not match and the transaction is rolled back.
    async fn flush(&mut self) -> Result<Option<Error>> {
        let steps = std::mem::take(&mut self.steps);
        self.byte_count = 0;
        let connection = &*self.connection;
        let mut requests: Vec<Request<'_, Result<u64>>> = Vec::with_capacity(steps.len() + 1);
        if !std::mem::replace(&mut self.begun, true) {
            requests.push(Box::pin(async {
                connection.answer(connection.client.batch_execute(BEGIN), "cannot begin").await.map(|()| 1)
            }));
        } else if steps.is_empty() {
            return Ok(None);
        }
        let skipped = requests.len();
        for step in &steps {
            let request = connection.client.execute_raw(&step.statement, &step.parameters);
            requests.push(Box::pin(connection.answer(request, &step.attempt)));
        }
        let answers = pipeline::in_order(requests).await;
        let mut outdated = None;
        for (index, answer) in answers.into_iter().enumerate() {
            let row_count = answer?;
            let expects = index.checked_sub(skipped).and_then(|index| Some(steps.get(index)?.expects));
            if row_count != 1 && !matches!(expects, None | Some(Expects::Anything)) {
                outdated = expects;
                break;
            }
        }
        match outdated {
            None => Ok(None),
            Some(expects) => self.abandon(expects).await.map(Some),
        }
    }

    async fn abandon(&mut self, expects: Expects<'_>) -> Result<Error> {
        self.connection.roll_back("cannot roll back").await?;
        match expects {
            Expects::Advance(advance) => checkpoint::mismatch(self.connection, advance).await,
            Expects::Unaltered(table) => Ok(Error::new(Class::Preflight, format!("{} was altered", inspect::plain_name(table)))),
            Expects::Anything => Err(Error::bug("a step that expects nothing was disappointed")),
        }
    }
}

impl Writing for Transaction<'_> {
    async fn has_other_unique(&mut self, table: &TargetTable) -> Result<bool> {
        has_other_unique(self.connection, table).await
    }

    async fn delete(&mut self, table: &TargetTable, keys: &[Row]) -> Result<Option<Error>> {
        let mut keys: Vec<Vec<&Value>> = keys.iter().map(|key| key.iter().collect()).collect();
        sort_by_key(table, &mut keys, &(0..table.key.len()).collect::<Vec<_>>())?;
        send_rows(self, table, &sql::key_columns(table), &sql::delete(table), &keys, "delete from").await
    }

    async fn delete_upserted(&mut self, table: &TargetTable, upserts: &[Row]) -> Result<Option<Error>> {
        let key = |row: &'_ Row| table.key.iter().filter_map(|index| row.get(*index).cloned()).collect();
        self.delete(table, &upserts.iter().map(key).collect::<Vec<Row>>()).await
    }

    async fn put(&mut self, table: &TargetTable, rows: &[Row], overwrite: bool) -> Result<Option<Error>> {
        let mut rows: Vec<Vec<&Value>> = rows.iter().map(|row| row.iter().collect()).collect();
        sort_by_key(table, &mut rows, &table.key)?;
        if rows.len() >= STAGED_ROWS_MIN {
            return put_staged(self, table, &rows, overwrite).await;
        }
        let columns: Vec<&TargetColumn> = table.columns.iter().collect();
        let (statement, verb) = if overwrite { (sql::upsert(table), "upsert into") } else { (sql::insert(table), "replace in") };
        send_rows(self, table, &columns, &statement, &rows, verb).await
    }

    async fn send(&mut self) -> Result<Option<Error>> {
        self.flush().await
    }

    async fn commit(mut self) -> Result<Outcome> {
        if let Some(mismatch) = self.flush().await? {
            return Ok(Outcome::Mismatch(mismatch));
        }
        self.connection.commit("cannot commit").await?;
        Ok(Outcome::Committed)
    }
}

async fn put_staged(
    transaction: &mut Transaction<'_>,
    table: &TargetTable,
    rows: &[Vec<&Value>],
    overwrite: bool,
) -> Result<Option<Error>> {
    if let Some(mismatch) = transaction.flush().await? {
        return Ok(Some(mismatch));
    }
    let attempt = format!("cannot upsert into {}", sql::table_name(table));
    let merge = [sql::insert_staged(table, overwrite), sql::DROP_STAGING.to_owned()];
    copy_staged(transaction.connection, table, rows, &merge, &attempt).await?;
    Ok(None)
}

/// Copies rows into a temporary table and runs `merge` on it.
async fn copy_staged(
    connection: &mut Connection<Writes>,
    table: &TargetTable,
    rows: &[Vec<&Value>],
    merge: &[String],
    attempt: &str,
) -> Result<()> {
    connection.answer(connection.client.batch_execute(&sql::create_staging(table)), attempt).await?;
    copy::rows(connection, sql::COPY_STAGING, table, rows, attempt).await?;
    connection.answer(connection.client.batch_execute(&merge.join("; ")), attempt).await
}

/// Sends rows as arrays, in statements of bounded size.
async fn send_rows(
    transaction: &mut Transaction<'_>,
    table: &TargetTable,
    columns: &[&TargetColumn],
    statement_text: &str,
    rows: &[Vec<&Value>],
    verb: &str,
) -> Result<Option<Error>> {
    let attempt = format!("cannot {verb} {}", sql::table_name(table));
    let mut rest = rows;
    while !rest.is_empty() {
        let mut arrays: Vec<Array> = columns.iter().map(|column| Array::new(column)).collect();
        let mut taken = 0;
        for row in rest.iter().take(ROWS_MAX) {
            expect_width(table, row.len(), columns.len())?;
            for ((array, column), value) in arrays.iter_mut().zip(columns).zip(row) {
                array.push(table, column, value)?;
            }
            taken += 1;
            if arrays.iter().map(Array::byte_count).sum::<usize>() >= BYTES_MAX {
                break;
            }
        }
        rest = rest.get(taken..).unwrap_or_default();
        let parameters = arrays.into_iter().map(Parameter::Array).collect();
        if let Some(mismatch) = transaction.push(statement_text, parameters, &attempt).await? {
            return Ok(Some(mismatch));
        }
    }
    Ok(None)
}

/// Sorts by the encoded key, whose values stand at `positions` of each row: any order will do, as long as every writer has the same.
fn sort_by_key(table: &TargetTable, rows: &mut Vec<Vec<&Value>>, positions: &[usize]) -> Result<()> {
    if rows.len() < 2 {
        return Ok(());
    }
    let columns = sql::key_columns(table);
    let mut keyed = Vec::with_capacity(rows.len());
    for row in rows.drain(..) {
        let mut key = Vec::new();
        for (column, position) in columns.iter().zip(positions) {
            let value =
                row.get(*position).ok_or_else(|| Error::bug(format!("a row for {} has no key", sql::table_name(table))))?;
            field(table, column, value, &mut key)?;
        }
        keyed.push((key, row));
    }
    keyed.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    rows.extend(keyed.into_iter().map(|(_, row)| row));
    Ok(())
}

/// Whether a table has another unique constraint than its primary key; looked up once per connection, with the column types.
async fn has_other_unique(connection: &mut Connection<Writes>, table: &TargetTable) -> Result<bool> {
    let name = sql::table_name(table);
    if let Some(known) = connection.uniqueness.get(&name) {
        return Ok(*known);
    }
    let attempt = format!("cannot look at {name}");
    let described = connection.answer(connection.client.prepare(&sql::describe(table)), &attempt).await?;
    decode::expect_types(table, described.columns())?;
    let statement = connection.statement(sql::OTHER_UNIQUE, &attempt).await?;
    let row = connection.answer(connection.client.query_one(&statement, &[&name]), &attempt).await?;
    let found = row.try_get(0).map_err(|error| fault::of(error, &attempt))?;
    connection.uniqueness.insert(name, found);
    Ok(found)
}
