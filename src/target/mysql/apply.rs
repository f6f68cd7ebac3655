//! One target transaction per call: checkpoints compared and set, then deletes, then upserts.
//!
//! The checkpoint updates go first and lock their rows, so a second engine waits there and then finds that it lost; nothing it sent is
//! kept. Behind them each table is pinned against being altered and compared with what was accepted of it. Small transactions take two round
//! trips: everything up to the last row, and COMMIT. Rows go in key order, so that two writers lock in one order. The caller must give the
//! connection up when this fails, unless the error is that of a checkpoint mismatch, after which the transaction is rolled back.
//!
//! An overwriting insert would take a row that meets another one in a second unique key for that one; rows that were deleted first do not.

use super::connect::{Answer, Connection, Writes};
use super::encode;
use super::read::{self, KEYS_MAX, key_literals};
use super::{checkpoint, inspect, sql};
use crate::error::{Class, Error, Result};
use crate::schema::TargetTable;
use crate::target::Advance;
use crate::target::transaction::{Accepted, Content, Outcome, Slice, Writing, expect_width};
use crate::value::{Row, Value};

/// Rows of one statement.
const ROWS_MAX: usize = 2_000;
/// Statements of one round trip.
const STEPS_MAX: usize = 64;

/// One transaction; see [`Server::apply`](crate::target::server::Server::apply).
pub(super) async fn apply(
    connection: &mut Connection<Writes>,
    content: Content<'_>,
    accepted: &[Accepted<'_>],
) -> Result<Outcome> {
    content.write(Transaction::open(connection, &content.advances(), accepted)?).await
}

/// Inserts rows into a table and moves the checkpoint, in one transaction. LOAD DATA LOCAL would take a half to two thirds of the time, but the
/// server has to allow it (`local_infile`, off by default on MySQL), and it turns strict errors into warnings.
pub(super) async fn load(
    connection: &mut Connection<Writes>,
    accepted: Accepted<'_>,
    Slice { rows, advance, turn }: Slice<'_>,
) -> Result<Outcome> {
    let table = accepted.table;
    let accepted = [accepted];
    let first = turn.is_none().then_some(advance);
    let mut transaction = Transaction::open(connection, first.as_slice(), &accepted)?;
    if let Some(mismatch) = insert(&mut transaction, table, rows.iter(), "", "load").await? {
        return Ok(Outcome::Mismatch(mismatch));
    }
    if let Some(turn) = turn {
        if let Some(mismatch) = transaction.flush().await? {
            return Ok(Outcome::Mismatch(mismatch));
        }
        turn.passed().await?;
        transaction.advance(advance)?;
    }
    transaction.commit().await
}

/// One statement of a round trip.
struct Step<'a> {
    text: String,
    attempt: String,
    expects: Expects<'a>,
}

/// What the answer to a step must be.
#[derive(Clone, Copy)]
enum Expects<'a> {
    /// Anything.
    Anything,
    /// One row: the checkpoint is still ours.
    Advance(&'a Advance),
    /// The definition of the table, for the next step.
    Definition,
    /// With the definition before it: the table is still as it was accepted.
    Unaltered(&'a Accepted<'a>),
}

/// An open transaction and the statements that are not sent yet.
struct Transaction<'a> {
    connection: &'a mut Connection<Writes>,
    steps: Vec<Step<'a>>,
    byte_count: usize,
}

impl<'a> Transaction<'a> {
    fn open(connection: &'a mut Connection<Writes>, advances: &[&'a Advance], accepted: &'a [Accepted<'a>]) -> Result<Self> {
        let mut ordered = advances.to_vec();
        // Stable: two advances of one mapping keep their order.
        ordered.sort_by(|left, right| left.next.mapping.cmp(&right.next.mapping));
        let mut transaction = Self { connection, steps: Vec::new(), byte_count: 0 };
        transaction.add("START TRANSACTION".to_owned(), "cannot begin", Expects::Anything);
        for advance in ordered {
            transaction.advance(advance)?;
        }
        for accepted in accepted {
            let attempt = format!("cannot write to {}", sql::table_name(accepted.table));
            transaction.add(sql::pin(accepted.table), &attempt, Expects::Anything);
            transaction.add(sql::show_create(accepted.table), &attempt, Expects::Definition);
            transaction.add(sql::triggers(accepted.table), &attempt, Expects::Unaltered(accepted));
        }
        Ok(transaction)
    }

    /// The checkpoint moves with the next statements.
    fn advance(&mut self, advance: &'a Advance) -> Result<()> {
        let attempt = format!("cannot advance the checkpoint of mapping {}", advance.next.mapping);
        self.add(checkpoint::advance(advance)?, &attempt, Expects::Advance(advance));
        Ok(())
    }

    fn add(&mut self, text: String, attempt: &str, expects: Expects<'a>) {
        self.byte_count += text.len() + 2;
        self.steps.push(Step { text, attempt: attempt.to_owned(), expects });
    }

    async fn push(&mut self, text: String, attempt: &str) -> Result<Option<Error>> {
        if text.len() >= self.connection.packet_bytes_max {
            let message = format!("{attempt}: a row is larger than the max_allowed_packet of the target");
            return Err(
                Error::new(Class::Person, message).with_hint("raise max_allowed_packet on the target above its largest row")
            );
        }
        let is_full = self.byte_count + text.len() >= self.connection.bytes_max || self.steps.len() >= STEPS_MAX;
        if is_full && let Some(mismatch) = self.flush().await? {
            return Ok(Some(mismatch));
        }
        self.add(text, attempt, Expects::Anything);
        Ok(None)
    }

    /// Sends what is waiting. `Some`: a checkpoint or a table did not match and the transaction is rolled back.
    async fn flush(&mut self) -> Result<Option<Error>> {
        let steps = std::mem::take(&mut self.steps);
        self.byte_count = 0;
        let Some(last) = steps.last() else { return Ok(None) };
        // The server does not say which of several statements it refused; rows are the last of them.
        let attempt = last.attempt.clone();
        let (texts, expected): (Vec<String>, Vec<Expects<'a>>) = steps.into_iter().map(|step| (step.text, step.expects)).unzip();
        let answers = self.connection.run(&texts, &attempt).await?;
        let mut definition: Option<&Answer> = None;
        for (answer, expects) in answers.iter().zip(expected) {
            match expects {
                Expects::Anything => {}
                Expects::Definition => definition = Some(answer),
                Expects::Advance(advance) if answer.affected != 1 => {
                    self.connection.roll_back("cannot roll back").await?;
                    return checkpoint::mismatch(self.connection, advance).await.map(Some);
                }
                Expects::Advance(_) => {}
                Expects::Unaltered(accepted) => {
                    let found = definition.and_then(|definition| inspect::stamp_of(definition, answer));
                    if found.as_ref() != Some(&accepted.stamp) {
                        self.connection.roll_back("cannot roll back").await?;
                        let name = inspect::plain_name(accepted.table);
                        return Ok(Some(Error::new(Class::Preflight, format!("{name} was altered"))));
                    }
                }
            }
        }
        Ok(None)
    }
}

impl Writing for Transaction<'_> {
    async fn has_other_unique(&mut self, table: &TargetTable) -> Result<bool> {
        let name = sql::table_name(table);
        if let Some(known) = self.connection.uniqueness.get(&name) {
            return Ok(*known);
        }
        let found = read::has_other_unique(self.connection, table).await?;
        self.connection.uniqueness.insert(name, found);
        Ok(found)
    }

    async fn delete(&mut self, table: &TargetTable, keys: &[Row]) -> Result<Option<Error>> {
        let literals = keys.iter().map(|key| key_literals(table, &key.iter().collect::<Vec<_>>())).collect::<Result<Vec<_>>>()?;
        delete_keys(self, table, literals).await
    }

    async fn delete_upserted(&mut self, table: &TargetTable, upserts: &[Row]) -> Result<Option<Error>> {
        let literals = upserts.iter().map(|row| key_of(table, row)).collect::<Result<Vec<_>>>()?;
        delete_keys(self, table, literals).await
    }

    async fn put(&mut self, table: &TargetTable, rows: &[Row], overwrite: bool) -> Result<Option<Error>> {
        // In the order of the key's literals: any order will do, as long as every writer has the same.
        let mut keyed: Vec<(Vec<String>, &Row)> = Vec::with_capacity(rows.len());
        for row in rows {
            keyed.push((key_of(table, row)?, row));
        }
        keyed.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        let rows = keyed.into_iter().map(|(_, row)| row);
        if overwrite {
            let tail = sql::overwrite_tail(table, self.connection.kind);
            return insert(self, table, rows, &tail, "upsert into").await;
        }
        insert(self, table, rows, "", "replace in").await
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

/// The literals of a row's key.
fn key_of(table: &TargetTable, row: &Row) -> Result<Vec<String>> {
    let key: Vec<&Value> = table.key.iter().filter_map(|index| row.get(*index)).collect();
    key_literals(table, &key)
}

async fn delete_keys(
    transaction: &mut Transaction<'_>,
    table: &TargetTable,
    mut keys: Vec<Vec<String>>,
) -> Result<Option<Error>> {
    let attempt = format!("cannot delete from {}", sql::table_name(table));
    keys.sort_unstable();
    for batch in keys.chunks(KEYS_MAX) {
        let text = format!("{}{}", sql::delete_head(table), sql::is_any_of(table, batch));
        if let Some(mismatch) = transaction.push(text, &attempt).await? {
            return Ok(Some(mismatch));
        }
    }
    Ok(None)
}

/// Sends rows in statements of bounded size.
async fn insert(
    transaction: &mut Transaction<'_>,
    table: &TargetTable,
    rows: impl Iterator<Item = &Row>,
    tail: &str,
    verb: &str,
) -> Result<Option<Error>> {
    let attempt = format!("cannot {verb} {}", sql::table_name(table));
    let head = sql::insert_head(table);
    let bytes_max = transaction.connection.bytes_max;
    let mut text = String::new();
    let mut row_count = 0;
    for row in rows {
        let literal = row_literal(table, row)?;
        if row_count > 0 && (row_count >= ROWS_MAX || text.len() + literal.len() + tail.len() + 2 > bytes_max) {
            text.push_str(tail);
            if let Some(mismatch) = transaction.push(std::mem::take(&mut text), &attempt).await? {
                return Ok(Some(mismatch));
            }
            row_count = 0;
        }
        text.push_str(if row_count == 0 { &head } else { ", " });
        text.push_str(&literal);
        row_count += 1;
    }
    if row_count > 0 {
        text.push_str(tail);
        return transaction.push(text, &attempt).await;
    }
    Ok(None)
}

fn row_literal(table: &TargetTable, row: &Row) -> Result<String> {
    expect_width(table, row.len(), table.columns.len())?;
    let mut text = String::from("(");
    for (index, (column, value)) in table.columns.iter().zip(row).enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        encode::push(table, column, value, &mut text)?;
    }
    text.push(')');
    Ok(text)
}
