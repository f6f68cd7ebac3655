//! Rows and the checkpoint they belong to, in one snapshot, on connections that cannot write.

use super::connect::{Connection, Reads, Role, cell};
use super::encode::literal;
use super::{checkpoint, decode, sql};
use crate::error::Result;
use crate::schema::TargetTable;
use crate::target::Checkpoint;
use crate::target::transaction::expect_width;
use crate::value::{Row, Value};

/// Keys of one statement: more would pass the bounds within which both families read conditions from an index.
pub(super) const KEYS_MAX: usize = 500;

/// Rows with the checkpoint that was current in the same snapshot.
pub(super) type Snapshot = (Option<Checkpoint>, Vec<Row>);

/// Reads rows by key, in no particular order; keys without a row are left out.
pub(super) async fn keys(
    connection: &mut Connection<Reads>,
    mapping: &str,
    table: &TargetTable,
    keys: &[Row],
) -> Result<Snapshot> {
    let mut statements = Vec::new();
    for batch in keys.chunks(KEYS_MAX) {
        let literals =
            batch.iter().map(|key| key_literals(table, &key.iter().collect::<Vec<_>>())).collect::<Result<Vec<_>>>()?;
        statements.push(format!("{}{}", sql::select_head(table), sql::is_any_of(table, &literals)));
    }
    snapshot(connection, mapping, table, &statements).await
}

/// Reads up to `limit` rows behind a key, in the order of the primary key.
pub(super) async fn after(
    connection: &mut Connection<Reads>,
    mapping: &str,
    table: &TargetTable,
    after: Option<&Row>,
    limit: u32,
) -> Result<Snapshot> {
    let literals = after.map(|key| key_literals(table, &key.iter().collect::<Vec<_>>())).transpose()?;
    snapshot(connection, mapping, table, &[sql::select_after(table, literals.as_deref(), limit)]).await
}

/// The literals of a key, in key order.
pub(super) fn key_literals(table: &TargetTable, key: &[&Value]) -> Result<Vec<String>> {
    let columns = sql::key_columns(table);
    expect_width(table, key.len(), columns.len())?;
    columns.iter().zip(key).map(|(column, value)| literal(table, column, value)).collect()
}

/// Runs the checkpoint query and the statements in one read-only snapshot.
async fn snapshot(
    connection: &mut Connection<Reads>,
    mapping: &str,
    table: &TargetTable,
    statements: &[String],
) -> Result<Snapshot> {
    let attempt = attempt(table);
    let begin = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY".to_owned();
    let checkpoint = if checkpoint::exists(connection).await? {
        let answers = connection.run(&[begin, checkpoint::select(mapping)], &attempt).await?;
        answers.get(1).and_then(|answer| answer.rows.first()).map(checkpoint::of_row).transpose()?
    } else {
        connection.run(&[begin], &attempt).await?;
        None
    };
    let mut rows = Vec::new();
    for statement in statements {
        for row in connection.read(statement, &attempt).await? {
            rows.push(decode::row(table, row)?);
        }
    }
    connection.roll_back(&attempt).await?;
    Ok((checkpoint, rows))
}

/// Whether a table holds any row.
pub(super) async fn has_rows(connection: &mut Connection<Reads>, table: &TargetTable) -> Result<bool> {
    let text = format!("SELECT 1 FROM {} LIMIT 1", sql::table_name(table));
    Ok(!connection.query(&text, &attempt(table)).await?.is_empty())
}

/// Whether a table has another unique index than its primary key.
pub(super) async fn has_other_unique<R: Role>(connection: &mut Connection<R>, table: &TargetTable) -> Result<bool> {
    let rows = connection.query(&sql::other_unique(table), &attempt(table)).await?;
    Ok(rows.first().and_then(|row| cell(row, 0)).is_some_and(|count| count != "0"))
}

fn attempt(table: &TargetTable) -> String {
    format!("cannot read {}", sql::table_name(table))
}
