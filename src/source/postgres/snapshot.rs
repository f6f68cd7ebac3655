//! The snapshot side of the source: how a table is cut into ranges, and how one range is read.
//!
//! Every read is a short read-only transaction with its own exact cut: `pg_current_snapshot()` names the transactions that it shows, which
//! no log position could, because a transaction is in the log before it becomes visible. No transaction outlives its chunk.

use std::sync::Arc;

use super::connect::{Lease, Pool, cell};
use super::decode::value;
use super::failure::malformed;
use super::key_bounds::{condition, key_columns};
use super::select::{OPEN_VIEW, each_row};
use super::{names, server};
use crate::change::{Chunk, KeyRange, Visibility};
use crate::error::{Result, ResultExt};
use crate::position::Position;
use crate::schema::{StoredColumn, TableLayout};
use crate::source::taken::Taken;
use crate::source::{ReadBounds, TableSize};
use crate::value::Row;

/// What a row is taken for in a table that was never analysed.
const UNKNOWN_ROW_BYTES: u64 = 128;

/// The end of the log; see [`crate::source::Source::current_position`].
///
/// # Errors
/// Errors of the server.
pub(super) async fn current_position(pool: &Arc<Pool>) -> Result<Position> {
    let lease = pool.lease().await?;
    let position = server::log_end(&lease, &pool.options().database).await?;
    lease.give_back();
    Ok(Position::Wal(position))
}

/// Cuts a table into ranges; see [`crate::source::Source::ranges_behind`].
///
/// # Errors
/// Errors of the server; `Bug` for a layout whose identity it does not store.
pub(super) async fn ranges(
    pool: &Arc<Pool>,
    layout: &TableLayout,
    behind: Option<&Row>,
    rows_max: u32,
    count_max: usize,
) -> Result<Vec<KeyRange>> {
    if layout.identity.is_none() {
        return Ok(if behind.is_none() { vec![KeyRange { after: None, up_to: None }] } else { Vec::new() });
    }
    let columns = key_columns(layout)?;
    let lease = pool.lease().await?;
    let open = KeyRange { after: behind.cloned(), up_to: None };
    let Some(greatest) = key_at(&lease, layout, &columns, &open, "DESC", 0).await? else {
        lease.give_back();
        return Ok(Vec::new());
    };
    let mut ranges = Vec::new();
    let mut after = behind.cloned();
    while ranges.len() < count_max {
        let rest = KeyRange { after: after.clone(), up_to: Some(greatest.clone()) };
        let boundary = key_at(&lease, layout, &columns, &rest, "ASC", rows_max.max(1) - 1).await?;
        match boundary {
            Some(boundary) if boundary != greatest => {
                ranges.push(KeyRange { after: after.replace(boundary.clone()), up_to: Some(boundary) });
            }
            _ => {
                ranges.push(rest);
                break;
            }
        }
    }
    lease.give_back();
    Ok(ranges)
}

async fn key_at(
    lease: &Lease,
    layout: &TableLayout,
    columns: &[&StoredColumn],
    range: &KeyRange,
    order: &str,
    offset: u32,
) -> Result<Option<Row>> {
    let list: Vec<String> = columns.iter().map(|column| names::identifier(&column.column.name)).collect();
    let sql = format!(
        "SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT 1 OFFSET {offset}",
        list.join(", "),
        names::table(&layout.name),
        condition(columns, range)?,
        list.iter().map(|name| format!("{name} {order}")).collect::<Vec<_>>().join(", "),
    );
    let read = |index: usize, text: Option<&str>| {
        let column = columns.get(index).ok_or_else(|| malformed("a key with too many columns"))?;
        value::of_column(text, &column.column, &layout.name)
    };
    let mut found = None;
    each_row(lease, &format!("cut {} into ranges", layout.name), &sql, columns.len(), &read, &mut |row| {
        found = Some(row);
        Ok(())
    })
    .await?;
    Ok(found)
}

/// The SELECT that reads a range of a table.
///
/// # Errors
/// `Bug` for a layout whose identity it does not store.
pub(super) fn chunk_statement(layout: &TableLayout, range: &KeyRange) -> Result<String> {
    let keys = key_columns(layout)?;
    let list: Vec<String> = layout.columns.iter().map(|column| names::identifier(&column.column.name)).collect();
    let order: Vec<String> = keys.iter().map(|column| names::identifier(&column.column.name)).collect();
    Ok(format!(
        "SELECT {} FROM {} WHERE {}{}",
        if list.is_empty() { "NULL".to_owned() } else { list.join(", ") },
        names::table(&layout.name),
        condition(&keys, range)?,
        if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) },
    ))
}

/// How large a table is; see [`crate::source::Source::size`].
///
/// # Errors
/// Errors of the server.
pub(super) async fn size(pool: &Arc<Pool>, layout: &TableLayout) -> Result<TableSize> {
    let lease = pool.lease().await?;
    let sql = format!(
        "SELECT coalesce(sum(greatest(leaf.reltuples, 0)), 0)::bigint, coalesce(sum(pg_table_size(leaf.oid)), 0)::bigint \
         FROM pg_partition_tree({}::regclass) t JOIN pg_class leaf ON leaf.oid = t.relid WHERE t.isleaf",
        names::literal(&names::table(&layout.name)),
    );
    let rows = lease.rows("ask how large a table is", &sql).await?;
    lease.give_back();
    let number = |column: usize| rows.first().and_then(|row| cell(row, column).parse().ok()).unwrap_or(0);
    let (row_count, bytes): (u64, u64) = (number(0), number(1));
    Ok(match bytes.checked_div(row_count) {
        Some(row_bytes) => TableSize { row_count, row_bytes },
        // Never analysed.
        None => TableSize { row_count: bytes / UNKNOWN_ROW_BYTES, row_bytes: 0 },
    })
}

/// Reads a range or its first rows; see [`crate::source::Source::read_chunk`].
///
/// # Errors
/// Errors of the server; decoding errors naming the column.
pub(super) async fn read_chunk(
    pool: &Arc<Pool>,
    layout: &TableLayout,
    index: u32,
    range: &KeyRange,
    bounds: ReadBounds,
) -> Result<Chunk> {
    let lease = pool.lease().await?;
    let attempt = format!("read a chunk of {}", layout.name);
    lease.execute(&attempt, OPEN_VIEW).await?;
    // One statement: the snapshot is taken before the end of the log is read.
    let cut = lease.rows(&attempt, &server::log_end_query(", pg_current_snapshot()")).await?;
    let cut = cut.first().ok_or_else(|| malformed("no snapshot"))?;
    let high = server::of_row(cut, &pool.options().database)?;
    let visibility = visibility(cell(cut, 5)).ok_or_else(|| malformed("a snapshot that cannot be read"))?;
    let width = layout.columns.len();
    let read = |index: usize, text: Option<&str>| match layout.columns.get(index) {
        Some(column) => value::of_column(text, &column.column, &layout.name),
        None => Ok(crate::value::Value::Null),
    };
    let mut taken = Taken::new(layout, bounds);
    let sql = chunk_statement(layout, range)? + &taken.limit();
    each_row(&lease, &attempt, &sql, width.max(1), &read, &mut |row| {
        taken.add(if width == 0 { Row::default() } else { row });
        Ok(())
    })
    .await
    .context(|| format!("could not snapshot {}", layout.name))?;
    lease.execute(&attempt, "COMMIT").await?;
    lease.give_back();
    let (high, rest) = (Position::Wal(high), taken.rest(layout, range)?);
    Ok(Chunk { table: layout.id, index, rows: taken.rows, high, exact: true, visibility: Some(visibility), rest })
}

/// Reads `xmin:xmax:xip,xip`.
fn visibility(text: &str) -> Option<Visibility> {
    let mut parts = text.split(':');
    let (xmin, xmax, running) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
    let in_progress = running.split(',').filter(|id| !id.is_empty()).map(str::parse).collect::<Result<_, _>>().ok()?;
    parts.next().is_none().then_some(Visibility { xmin, xmax, in_progress })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_read_from_its_text() {
        assert_eq!(visibility("10:20:10,14"), Some(Visibility { xmin: 10, xmax: 20, in_progress: vec![10, 14] }));
        assert_eq!(visibility("10:10:"), Some(Visibility { xmin: 10, xmax: 10, in_progress: vec![] }));
        for wrong in ["", "10", "10:20", "10:20:x", "1:2:3:4"] {
            assert_eq!(visibility(wrong), None, "{wrong}");
        }
    }
}
