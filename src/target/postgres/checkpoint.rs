//! The checkpoint row: read, taken over, compared and set, removed.
//!
//! One row per mapping in `strangler.checkpoint`. Every change of it names the sequence, owner epoch and state id it must hold, so of two
//! engines on one mapping the older changes nothing.

use tokio_postgres::Row;

use super::connect::{Connection, Reads, Role, Writes};
use super::encode::Parameter;
use super::fault;
use crate::error::{Error, Result};
use crate::target::fence::{self, Found, attempt};
use crate::target::{Advance, Checkpoint};

/// Reads one row; `$1` is the mapping.
pub(super) const SELECT: &str = "SELECT mapping, state_id, seq, owner_epoch, positions::text, \
     COALESCE((EXTRACT(epoch FROM source_committed_at) * 1000000)::bigint, 0), phase, load_cursor, pending_sweeps, quarantined, \
     applied_at::text FROM strangler.checkpoint WHERE mapping = $1::text";

/// Moves a row that still holds `$10` (sequence), `$11` (owner epoch) and `$2` (state id).
pub(super) const ADVANCE: &str = "UPDATE strangler.checkpoint SET seq = $3::bigint, positions = $4::jsonb, \
     source_committed_at = $5::timestamptz, phase = $6::text, load_cursor = $7::text, pending_sweeps = $8::bigint, quarantined = $9::bigint, \
     applied_at = pg_catalog.clock_timestamp() \
     WHERE mapping = $1::text AND state_id = $2::text AND seq = $10::bigint AND owner_epoch = $11::bigint";

const INSERT: &str = "INSERT INTO strangler.checkpoint (mapping, state_id, seq, positions, source_committed_at, phase, load_cursor, \
     pending_sweeps, quarantined, owner_epoch, applied_at) VALUES ($1::text, $2::text, $3::bigint, $4::jsonb, $5::timestamptz, $6::text, \
     $7::text, $8::bigint, $9::bigint, $10::bigint, pg_catalog.clock_timestamp()) ON CONFLICT (mapping) DO NOTHING";

const TAKE_OVER: &str = "UPDATE strangler.checkpoint SET state_id = $2::text, seq = $3::bigint, positions = $4::jsonb, \
     source_committed_at = $5::timestamptz, phase = $6::text, load_cursor = $7::text, pending_sweeps = $8::bigint, quarantined = $9::bigint, \
     owner_epoch = $10::bigint, applied_at = pg_catalog.clock_timestamp() \
     WHERE mapping = $1::text AND state_id = $11::text AND seq = $12::bigint AND owner_epoch = $13::bigint";

const FORGET: &str = "DELETE FROM strangler.checkpoint WHERE mapping = $1::text";

const EXISTS: &str = "SELECT pg_catalog.to_regclass('strangler.checkpoint') IS NOT NULL";

/// The parameters of [`ADVANCE`].
pub(super) fn advance_parameters(advance: &Advance) -> Result<Vec<Parameter>> {
    let mut parameters = columns(&advance.next)?;
    parameters.push(bigint(advance.expected_sequence)?);
    parameters.push(bigint(advance.next.owner_epoch)?);
    Ok(parameters)
}

/// Moves a checkpoint without any row: one statement, its own transaction.
pub(super) async fn advance_alone(connection: &mut Connection<Writes>, advance: &Advance) -> Result<()> {
    let attempt = attempt("advance", &advance.next.mapping);
    match change(connection, ADVANCE, &advance_parameters(advance)?, &attempt).await? {
        1 => Ok(()),
        _ => Err(mismatch(connection, advance).await?),
    }
}

/// Whether the checkpoint table is there.
pub(super) async fn exists<R: Role>(connection: &mut Connection<R>) -> Result<bool> {
    let attempt = "cannot look for the checkpoint table";
    let statement = connection.statement(EXISTS, attempt).await?;
    let row = connection.answer(connection.client.query_one(&statement, &[]), attempt).await?;
    row.try_get(0).map_err(|error| fault::of(error, attempt))
}

/// Reads a mapping's row.
pub(super) async fn read(connection: &mut Connection<Reads>, mapping: &str) -> Result<Option<Checkpoint>> {
    if !exists(connection).await? {
        return Ok(None);
    }
    let attempt = attempt("read", mapping);
    let statement = connection.statement(SELECT, &attempt).await?;
    let row = connection.answer(connection.client.query_opt(&statement, &[&mapping]), &attempt).await?;
    row.map(|row| of_row(&row)).transpose()
}

/// Inserts the row, or raises the owner epoch of the row that still equals `current`.
pub(super) async fn take_over(
    connection: &mut Connection<Writes>,
    current: Option<&Checkpoint>,
    mut next: Checkpoint,
) -> Result<Checkpoint> {
    let attempt = attempt("take over", &next.mapping);
    next.owner_epoch = current.map_or(1, |row| row.owner_epoch + 1);
    let mut parameters = columns(&next)?;
    parameters.push(bigint(next.owner_epoch)?);
    let changed = match current {
        None => change(connection, INSERT, &parameters, &attempt).await?,
        Some(row) => {
            parameters.extend([Parameter::text(&row.state_id), bigint(row.sequence)?, bigint(row.owner_epoch)?]);
            change(connection, TAKE_OVER, &parameters, &attempt).await?
        }
    };
    if changed == 1 {
        return Ok(next);
    }
    let found = find(connection, &next.mapping).await?;
    Err(fence::taken_over(&next.mapping, found))
}

/// Removes a mapping's row.
pub(super) async fn forget(connection: &mut Connection<Writes>, mapping: &str) -> Result<()> {
    if exists(connection).await? {
        change(connection, FORGET, &[Parameter::text(mapping)], &attempt("remove", mapping)).await?;
    }
    Ok(())
}

/// Why the row does not match. Our own row further ahead means that a COMMIT whose answer was lost did take place.
pub(super) async fn mismatch(connection: &mut Connection<Writes>, advance: &Advance) -> Result<Error> {
    let row = find(connection, &advance.next.mapping).await?;
    Ok(fence::mismatch(advance, row))
}

async fn find(connection: &mut Connection<Writes>, mapping: &str) -> Result<Option<Found>> {
    let attempt = attempt("read", mapping);
    let statement = connection.statement(SELECT, &attempt).await?;
    let row = connection.answer(connection.client.query_opt(&statement, &[&mapping]), &attempt).await?;
    row.map(|row| Ok((of_row(&row)?, row.try_get(10).map_err(|error| fault::of(error, &attempt))?))).transpose()
}

async fn change(connection: &mut Connection<Writes>, sql: &str, parameters: &[Parameter], attempt: &str) -> Result<u64> {
    let statement = connection.statement(sql, attempt).await?;
    connection.answer_or_lost(connection.client.execute_raw(&statement, parameters), attempt).await
}

/// The checkpoint of a row of [`SELECT`].
pub(super) fn of_row(row: &Row) -> Result<Checkpoint> {
    let mapping: String = cell(row, 0)?;
    let unreadable = |column: &str| fence::unreadable("strangler.checkpoint", &mapping, column);
    let count = |index: usize, column: &str| u64::try_from(cell::<i64>(row, index)?).map_err(|_| unreadable(column));
    Ok(Checkpoint {
        state_id: cell(row, 1)?,
        sequence: count(2, "seq")?,
        owner_epoch: count(3, "owner_epoch")?,
        frontier: serde_json::from_str(&cell::<String>(row, 4)?).map_err(|_| unreadable("positions"))?,
        source_committed_at_us: cell(row, 5)?,
        phase: fence::phase_of(&cell::<String>(row, 6)?).ok_or_else(|| unreadable("phase"))?,
        load_cursor: cell(row, 7)?,
        pending_sweeps: u32::try_from(cell::<i32>(row, 8)?).map_err(|_| unreadable("pending_sweeps"))?,
        quarantined: count(9, "quarantined")?,
        mapping,
    })
}

fn cell<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, index: usize) -> Result<T> {
    row.try_get(index).map_err(|error| fault::of(error, "cannot read strangler.checkpoint"))
}

/// The first nine parameters that every statement shares.
fn columns(row: &Checkpoint) -> Result<Vec<Parameter>> {
    let positions = fence::positions(row)?;
    let phase = fence::phase_word(row.phase);
    Ok(vec![
        Parameter::text(&row.mapping),
        Parameter::text(&row.state_id),
        bigint(row.sequence)?,
        Parameter::jsonb(&positions),
        if row.source_committed_at_us == 0 { Parameter::Null } else { Parameter::unix_us(row.source_committed_at_us) },
        Parameter::text(phase),
        row.load_cursor.as_deref().map_or(Parameter::Null, Parameter::text),
        Parameter::bigint(i64::from(row.pending_sweeps)),
        bigint(row.quarantined)?,
    ])
}

fn bigint(number: u64) -> Result<Parameter> {
    i64::try_from(number).map(Parameter::bigint).map_err(|_| Error::bug("a number of the checkpoint is beyond 63 bits"))
}
