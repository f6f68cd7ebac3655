//! The snapshot side of the source: where a backfill starts, how a table is cut, and how one range is read.
//!
//! Every read is a short read-only transaction. A chunk's `high` is a place in the log behind everything its rows can show; `exact` says
//! that they show exactly the log up to there. Text is read in the column's own charset and decoded as the stream decodes it.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;

use crate::change::{Chunk, KeyRange};
use crate::error::{Class, Error, Result};
use crate::position::{BinlogPosition, Position};
use crate::schema::{DataType, Flavor, StoredColumn, TableLayout};
use crate::source::taken::Taken;
use crate::source::{ReadBounds, TableSize};
use crate::value::Row;

use super::connect::{Lease, Pool, Use};
use super::driver_value::TextForm;
use super::failure;
use super::key_bounds;
use super::marks::Marker;
use super::names;
use super::select::{self, Expected, OPEN_VIEW, Statement, all_rows};

/// How long older prepared (XA) transactions are waited for.
const PREPARED_LIMIT: Duration = Duration::from_secs(60);
/// How often a bag is read again because its table was changed between the marks.
const BAG_TRIES: u32 = 3;
/// A concurrent insert into a MyISAM table is logged just before it becomes visible; a pause this long is far beyond that.
const CONCURRENT_INSERT_PAUSE: Duration = Duration::from_millis(100);

/// Where a backfill's stream starts; see [`crate::source::Source::start_position`].
///
/// # Errors
/// Driver errors; `Person` if prepared transactions stay.
pub async fn start_position(pool: &Pool) -> Result<Position> {
    let (server, _) = pool.known().await?;
    let mut lease = pool.lease(Use::Rows).await?;
    let started = Instant::now();
    loop {
        // A transaction prepared before the start and committed behind it would be a COMMIT without its rows. What is prepared from here on
        // stands in the log behind `low`.
        let low = marker(&mut lease, pool).await?.log_end().await?;
        let before = prepared(&mut lease, pool).await?;
        let mut position = match server.flavor {
            Flavor::MariaDb => view_position(&mut lease, pool).await?,
            _ => lower_bound(&mut lease, pool).await?,
        };
        let waiting = [before, prepared(&mut lease, pool).await?].concat();
        if waiting.is_empty() {
            if !marker(&mut lease, pool).await?.prepares_nothing(&low, &position).await? {
                position.prepared_from = Some((low.file, low.offset));
            }
            lease.give_back().await?;
            return Ok(Position::Binlog(position));
        }
        if started.elapsed() > PREPARED_LIMIT {
            return Err(Error::new(
                Class::Person,
                format!("{} prepared XA transactions are older than the start of the stream", waiting.len()),
            )
            .with_hint("list them with XA RECOVER, and commit or roll back each"));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The ids of prepared transactions; none where the account may not look (the preflight says so).
async fn prepared(lease: &mut Lease<'_>, pool: &Pool) -> Result<Vec<String>> {
    match all_rows(lease.conn(), pool.answer_limit(), "list prepared transactions", "XA RECOVER CONVERT XID").await {
        Err(error) if error.class() == Class::Privilege => Ok(Vec::new()),
        Err(error) if error.class() == Class::Person => {
            // MariaDB spells it without CONVERT XID.
            let rows = all_rows(lease.conn(), pool.answer_limit(), "list prepared transactions", "XA RECOVER").await?;
            Ok(rows.into_iter().map(|row| row.join(":")).collect())
        }
        other => Ok(other?.into_iter().map(|row| row.join(":")).collect()),
    }
}

async fn open_view(lease: &mut Lease<'_>, pool: &Pool) -> Result<()> {
    failure::within(pool.answer_limit(), "open a read view", lease.conn().query_drop(OPEN_VIEW)).await
}

async fn close_view(lease: &mut Lease<'_>, pool: &Pool) -> Result<()> {
    failure::within(pool.answer_limit(), "close a read view", lease.conn().query_drop("COMMIT")).await
}

async fn view_position(lease: &mut Lease<'_>, pool: &Pool) -> Result<BinlogPosition> {
    open_view(lease, pool).await?;
    let mut marker = marker(lease, pool).await?;
    let mut position = marker.view().await?;
    position.gtid = marker.gtid_at(&position).await?.unwrap_or_default();
    close_view(lease, pool).await?;
    Ok(position)
}

async fn marker<'a>(lease: &'a mut Lease<'_>, pool: &'a Pool) -> Result<Marker<'a>> {
    let (server, _) = pool.known().await?;
    Ok(Marker { conn: lease.conn(), server, limit: pool.answer_limit() })
}

/// MySQL: the settled end of the log; where that cannot be told the start of the file before the current one, because a file is only
/// closed when everything in it has been committed. Old definitions and prepared transactions in that file then stop the stream.
async fn lower_bound(lease: &mut Lease<'_>, pool: &Pool) -> Result<BinlogPosition> {
    if let Some(settled) = marker(lease, pool).await?.settled().await? {
        return Ok(settled);
    }
    let mut position = marker(lease, pool).await?.log_end().await?;
    let files = all_rows(lease.conn(), pool.answer_limit(), "list the binary logs", "SHOW BINARY LOGS").await?;
    let names: Vec<&String> = files.iter().filter_map(|row| row.first()).collect();
    let current = names.iter().position(|name| **name == position.file);
    if let Some(previous) = current.and_then(|index| index.checked_sub(1)).and_then(|index| names.get(index)) {
        position.file.clone_from(previous);
    }
    position.offset = 4;
    Ok(position)
}

/// The end of the log; see [`crate::source::Source::current_position`].
///
/// # Errors
/// Driver errors.
pub async fn current_position(pool: &Pool) -> Result<Position> {
    let mut lease = pool.lease(Use::Rows).await?;
    let position = marker(&mut lease, pool).await?.log_end().await?;
    lease.give_back().await?;
    Ok(Position::Binlog(position))
}

/// Cuts a table into ranges; see [`crate::source::Source::ranges_behind`].
///
/// # Errors
/// Driver errors; `Bug` for a layout whose identity it does not store.
pub async fn ranges(
    pool: &Pool,
    layout: &TableLayout,
    behind: Option<&Row>,
    rows_max: u32,
    count_max: usize,
) -> Result<Vec<KeyRange>> {
    if layout.identity.is_none() {
        return Ok(if behind.is_none() { vec![KeyRange { after: None, up_to: None }] } else { Vec::new() });
    }
    let columns = key_bounds::key_columns(layout)?;
    let mut lease = pool.lease(Use::Rows).await?;
    let open = KeyRange { after: behind.cloned(), up_to: None };
    let Some(greatest) = key_at(&mut lease, pool, layout, &columns, &open, "DESC", 0).await? else {
        lease.give_back().await?;
        return Ok(Vec::new());
    };
    let mut ranges = Vec::new();
    let mut after = behind.cloned();
    while ranges.len() < count_max {
        let rest = KeyRange { after: after.clone(), up_to: Some(greatest.clone()) };
        let boundary = key_at(&mut lease, pool, layout, &columns, &rest, "ASC", rows_max.max(1) - 1).await?;
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
    lease.give_back().await?;
    Ok(ranges)
}

async fn key_at(
    lease: &mut Lease<'_>,
    pool: &Pool,
    layout: &TableLayout,
    columns: &[&StoredColumn],
    range: &KeyRange,
    order: &str,
    offset: u32,
) -> Result<Option<Row>> {
    let names: Vec<String> = columns.iter().map(|column| names::identifier(&column.column.name)).collect();
    let sql = format!(
        "SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT 1 OFFSET {offset}",
        names.join(", "),
        names::table(&layout.name),
        key_bounds::condition(columns, range)?,
        names.iter().map(|name| format!("{name} {order}")).collect::<Vec<_>>().join(", "),
    );
    let mut found = None;
    let attempt = format!("cut {} into ranges", layout.name);
    let statement = Statement { attempt: &attempt, sql: &sql, parameters: &[], form: TextForm::Raw, limit: pool.answer_limit() };
    select::each_row(lease.conn(), statement, &expected(columns.iter().copied()), &mut |row| {
        found = Some(row);
        Ok(())
    })
    .await?;
    Ok(found)
}

fn expected<'a>(columns: impl Iterator<Item = &'a StoredColumn>) -> Vec<Expected<'a>> {
    columns.map(|column| Expected { name: &column.column.name, data_type: &column.column.data_type }).collect()
}

/// How large a table is; see [`crate::source::Source::size`].
///
/// # Errors
/// Driver errors.
pub async fn size(pool: &Pool, layout: &TableLayout) -> Result<TableSize> {
    let mut lease = pool.lease(Use::Rows).await?;
    let sql = format!(
        "SELECT TABLE_ROWS, AVG_ROW_LENGTH FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        names::literal(&layout.name.schema),
        names::literal(&layout.name.name),
    );
    let rows = all_rows(lease.conn(), pool.answer_limit(), "ask how large a table is", &sql).await?;
    lease.give_back().await?;
    // What is not known is NULL, which is no number.
    let number = |column: usize| rows.first()?.get(column)?.parse().ok();
    Ok(TableSize { row_count: number(0).unwrap_or(0), row_bytes: number(1).unwrap_or(0) })
}

/// One read of a range.
#[derive(Clone, Copy)]
struct Read<'a> {
    layout: &'a TableLayout,
    range: &'a KeyRange,
    bounds: ReadBounds,
}

/// Reads a range or its first rows; see [`crate::source::Source::read_chunk`].
///
/// # Errors
/// Driver errors; decoding errors naming the column.
pub async fn read_chunk(pool: &Pool, layout: &TableLayout, index: u32, range: &KeyRange, bounds: ReadBounds) -> Result<Chunk> {
    let (server, _) = pool.known().await?;
    let mut lease = pool.lease(Use::Rows).await?;
    let bag = layout.identity.is_none();
    let read = Read { layout, range, bounds };
    let mut tries = if bag { BAG_TRIES } else { 1 };
    loop {
        tries -= 1;
        let (taken, high, exact) = match (server.flavor, layout.transactional) {
            (Flavor::MariaDb, true) => read_at_view(&mut lease, pool, read).await?,
            (_, true) => read_between_marks(&mut lease, pool, read, bag).await?,
            (_, false) => read_unversioned(&mut lease, pool, read, bag).await?,
        };
        if exact || tries == 0 {
            lease.give_back().await?;
            let (high, rest) = (Position::Binlog(high), taken.rest(layout, range)?);
            return Ok(Chunk { table: layout.id, index, rows: taken.rows, high, exact, visibility: None, rest });
        }
    }
}

type Cut = (Taken, BinlogPosition, bool);

/// MariaDB knows the exact place of a read view.
async fn read_at_view(lease: &mut Lease<'_>, pool: &Pool, read: Read<'_>) -> Result<Cut> {
    open_view(lease, pool).await?;
    let high = marker(lease, pool).await?.view().await?;
    let rows = rows(lease, pool, read).await?;
    close_view(lease, pool).await?;
    Ok((rows, high, true))
}

/// MySQL: the view lies somewhere between two marks. It is exact if the log between them leaves the table alone.
async fn read_between_marks(lease: &mut Lease<'_>, pool: &Pool, read: Read<'_>, bag: bool) -> Result<Cut> {
    let low = if bag { marker(lease, pool).await?.settled().await? } else { None };
    open_view(lease, pool).await?;
    let high = marker(lease, pool).await?.log_end().await?;
    let rows = rows(lease, pool, read).await?;
    close_view(lease, pool).await?;
    let exact = match low {
        Some(low) => marker(lease, pool).await?.is_quiet(&low, &high, &read.layout.name).await?,
        None => false,
    };
    Ok((rows, high, exact))
}

/// Without versions of rows, the SELECT shows what is there while it runs; a statement's rows are logged before its table lock ends.
async fn read_unversioned(lease: &mut Lease<'_>, pool: &Pool, read: Read<'_>, bag: bool) -> Result<Cut> {
    let low = if bag {
        let low = marker(lease, pool).await?.log_end().await?;
        tokio::time::sleep(CONCURRENT_INSERT_PAUSE).await;
        Some(low)
    } else {
        None
    };
    let rows = rows(lease, pool, read).await?;
    let high = marker(lease, pool).await?.log_end().await?;
    let exact = match low {
        Some(low) => marker(lease, pool).await?.is_quiet(&low, &high, &read.layout.name).await?,
        None => false,
    };
    Ok((rows, high, exact))
}

/// The SELECT that reads a range of a table.
///
/// # Errors
/// `Bug` for a layout whose identity it does not store.
pub fn chunk_statement(layout: &TableLayout, range: &KeyRange) -> Result<String> {
    let keys = key_bounds::key_columns(layout)?;
    let list: Vec<String> = layout.columns.iter().map(|column| names::identifier(&column.column.name)).collect();
    let order: Vec<String> = keys.iter().map(|column| names::identifier(&column.column.name)).collect();
    Ok(format!(
        "SELECT {} FROM {} WHERE {}{}",
        if list.is_empty() { "NULL".to_owned() } else { list.join(", ") },
        names::table(&layout.name),
        key_bounds::condition(&keys, range)?,
        if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) },
    ))
}

async fn rows(lease: &mut Lease<'_>, pool: &Pool, read: Read<'_>) -> Result<Taken> {
    let Read { layout, range, bounds } = read;
    let mut taken = Taken::new(layout, bounds);
    let sql = chunk_statement(layout, range)? + &taken.limit();
    let mut expected = expected(layout.columns.iter());
    if expected.is_empty() {
        expected.push(Expected { name: "NULL", data_type: &DataType::Null });
    }
    let attempt = format!("read a chunk of {}", layout.name);
    let statement = Statement { attempt: &attempt, sql: &sql, parameters: &[], form: TextForm::Raw, limit: pool.answer_limit() };
    let stored = layout.columns.len();
    select::each_row(lease.conn(), statement, &expected, &mut |row| {
        taken.add(if stored == 0 { Row::default() } else { row });
        Ok(())
    })
    .await
    .map_err(|error| error.context(format!("could not snapshot {}", layout.name)))?;
    Ok(taken)
}
