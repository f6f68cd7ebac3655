//! The checkpoint row: read, taken over, compared and set, removed.
//!
//! One row per mapping in `strangler_checkpoint`, a table in the target's own database: there a database is what PostgreSQL calls a schema
//! and a server is shared by many services, so a database named `strangler` would mix the mappings of all of them, and a backup of one
//! service's database would leave its checkpoint behind. Every change of the row names the sequence, owner epoch and state id it must
//! hold, so of two engines on one mapping the older changes nothing.

use mysql_async::Row;

use super::connect::{Connection, Reads, Role, Writes, cell};
use super::sql::text_literal;
use crate::error::{Class, Error, Result};
use crate::target::fence::{self, Found, attempt};
use crate::target::{Advance, Checkpoint};
use crate::value::{Date, DateTime};

/// The table's name.
pub(super) const TABLE: &str = "strangler_checkpoint";

/// Reads one row.
pub(super) fn select(mapping: &str) -> String {
    format!(
        "SELECT mapping, state_id, seq, owner_epoch, positions, DATE_FORMAT(source_committed_at, '%Y-%m-%d %H:%i:%s.%f'), phase, load_cursor, \
         pending_sweeps, quarantined, applied_at FROM {TABLE} WHERE mapping = {}",
        text_literal(mapping)
    )
}

/// Moves a row that still holds the expected sequence, owner epoch and state id.
pub(super) fn advance(advance: &Advance) -> Result<String> {
    let next = &advance.next;
    Ok(format!(
        "UPDATE {TABLE} SET {} WHERE mapping = {} AND state_id = {} AND seq = {} AND owner_epoch = {}",
        assignments(next)?.join(", "),
        text_literal(&next.mapping),
        text_literal(&next.state_id),
        advance.expected_sequence,
        next.owner_epoch
    ))
}

fn insert(row: &Checkpoint) -> Result<String> {
    let assignments = assignments(row)?.join(", ");
    Ok(format!(
        "INSERT INTO {TABLE} SET mapping = {}, state_id = {}, owner_epoch = {}, {assignments}",
        text_literal(&row.mapping),
        text_literal(&row.state_id),
        row.owner_epoch
    ))
}

fn take(current: &Checkpoint, next: &Checkpoint) -> Result<String> {
    Ok(format!(
        "UPDATE {TABLE} SET state_id = {}, owner_epoch = {}, {} WHERE mapping = {} AND state_id = {} AND seq = {} AND owner_epoch = {}",
        text_literal(&next.state_id),
        next.owner_epoch,
        assignments(next)?.join(", "),
        text_literal(&next.mapping),
        text_literal(&current.state_id),
        current.sequence,
        current.owner_epoch
    ))
}

/// What every statement sets.
fn assignments(row: &Checkpoint) -> Result<Vec<String>> {
    let positions = fence::positions(row)?;
    let phase = fence::phase_word(row.phase);
    let committed = match row.source_committed_at_us {
        0 => "NULL".to_owned(),
        us => format!("TIMESTAMP'{}'", moment(us)?.format(6)),
    };
    Ok(vec![
        format!("seq = {}", row.sequence),
        format!("positions = {}", text_literal(&positions)),
        format!("source_committed_at = {committed}"),
        format!("phase = '{phase}'"),
        format!("load_cursor = {}", row.load_cursor.as_deref().map_or_else(|| "NULL".to_owned(), text_literal)),
        format!("pending_sweeps = {}", row.pending_sweeps),
        format!("quarantined = {}", row.quarantined),
        "applied_at = UTC_TIMESTAMP(6)".to_owned(),
    ])
}

/// Days from 0000-01-01 to 1970-01-01 as [`Date::day_number`] counts them.
const UNIX_DAY: i64 = 719_528;
const DAY_US: i64 = 86_400_000_000;

fn moment(unix_us: i64) -> Result<DateTime> {
    let date = Date::from_day_number(unix_us.div_euclid(DAY_US) + UNIX_DAY);
    let date = date.ok_or_else(|| Error::bug("a commit time is outside of the calendar"))?;
    Ok(DateTime { date, time_us: unix_us.rem_euclid(DAY_US) })
}

fn unix_us(at: &DateTime) -> Option<i64> {
    Some((at.date.day_number()? - UNIX_DAY) * DAY_US + at.time_us)
}

/// Moves a checkpoint without any row: one statement, its own transaction.
pub(super) async fn advance_alone(connection: &mut Connection<Writes>, wanted: &Advance) -> Result<()> {
    let attempt = attempt("advance", &wanted.next.mapping);
    match connection.change(&advance(wanted)?, &attempt).await? {
        1 => Ok(()),
        _ => Err(mismatch(connection, wanted).await?),
    }
}

/// Whether the checkpoint table is there; a table that cannot take part in a transaction is refused.
pub(super) async fn exists<R: Role>(connection: &mut Connection<R>) -> Result<bool> {
    let text = format!(
        "SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {}",
        text_literal(TABLE)
    );
    let rows = connection.query(&text, "cannot look for the checkpoint table").await?;
    match rows.first().map(|row| cell(row, 0).unwrap_or_default()) {
        None => Ok(false),
        Some(engine) if engine.eq_ignore_ascii_case("InnoDB") => Ok(true),
        Some(engine) => {
            let message = format!("table {TABLE} is of engine {engine}, which has no transactions");
            Err(Error::new(Class::Preflight, message).with_hint(format!("ALTER TABLE {TABLE} ENGINE=InnoDB")))
        }
    }
}

/// Reads a mapping's row.
pub(super) async fn read(connection: &mut Connection<Reads>, mapping: &str) -> Result<Option<Checkpoint>> {
    if !exists(connection).await? {
        return Ok(None);
    }
    Ok(find(connection, mapping).await?.map(|(row, _)| row))
}

/// Inserts the row, or raises the owner epoch of the row that still equals `current`.
pub(super) async fn take_over(
    connection: &mut Connection<Writes>,
    current: Option<&Checkpoint>,
    mut next: Checkpoint,
) -> Result<Checkpoint> {
    let attempt = attempt("take over", &next.mapping);
    next.owner_epoch = current.map_or(1, |row| row.owner_epoch + 1);
    let text = match current {
        None => insert(&next)?,
        Some(row) => take(row, &next)?,
    };
    let changed = connection.change(&text, &attempt).await;
    if changed.as_ref().is_ok_and(|count| *count == 1) {
        return Ok(next);
    }
    let found = find(connection, &next.mapping).await?;
    // An insert that meets no row failed for a reason of its own.
    if let (Err(error), None) = (changed, &found) {
        return Err(error);
    }
    Err(fence::taken_over(&next.mapping, found))
}

/// Removes a mapping's row.
pub(super) async fn forget(connection: &mut Connection<Writes>, mapping: &str) -> Result<()> {
    if exists(connection).await? {
        let text = format!("DELETE FROM {TABLE} WHERE mapping = {}", text_literal(mapping));
        connection.change(&text, &attempt("remove", mapping)).await?;
    }
    Ok(())
}

/// Why the row does not match. Our own row further ahead means that a COMMIT whose answer was lost did take place.
pub(super) async fn mismatch(connection: &mut Connection<Writes>, advance: &Advance) -> Result<Error> {
    let row = find(connection, &advance.next.mapping).await?;
    Ok(fence::mismatch(advance, row))
}

async fn find<R: Role>(connection: &mut Connection<R>, mapping: &str) -> Result<Option<Found>> {
    let rows = connection.query(&select(mapping), &attempt("read", mapping)).await?;
    rows.first().map(|row| Ok((of_row(row)?, cell(row, 10).unwrap_or_default()))).transpose()
}

/// The checkpoint of a row of [`select`].
pub(super) fn of_row(row: &Row) -> Result<Checkpoint> {
    let mapping = cell(row, 0).unwrap_or_default();
    let unreadable = |column: &str| fence::unreadable(TABLE, &mapping, column);
    let text = |index: usize, column: &str| cell(row, index).ok_or_else(|| unreadable(column));
    let count = |index: usize, column: &str| text(index, column)?.parse::<u64>().map_err(|_| unreadable(column));
    let committed = match cell(row, 5) {
        None => 0,
        Some(at) => DateTime::parse(&at).and_then(|at| unix_us(&at)).ok_or_else(|| unreadable("source_committed_at"))?,
    };
    Ok(Checkpoint {
        state_id: text(1, "state_id")?,
        sequence: count(2, "seq")?,
        owner_epoch: count(3, "owner_epoch")?,
        frontier: serde_json::from_str(&text(4, "positions")?).map_err(|_| unreadable("positions"))?,
        source_committed_at_us: committed,
        phase: fence::phase_of(&text(6, "phase")?).ok_or_else(|| unreadable("phase"))?,
        load_cursor: cell(row, 7),
        pending_sweeps: u32::try_from(count(8, "pending_sweeps")?).map_err(|_| unreadable("pending_sweeps"))?,
        quarantined: count(9, "quarantined")?,
        mapping: mapping.clone(),
    })
}
