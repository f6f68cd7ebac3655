//! Which server answers, and where its log stands.

use super::connect::{Lease, cell};
use super::failure::malformed;
use crate::error::{Class, Error, Result};
use crate::position::{Lsn, WalPosition};

/// A page of the log begins with a header of so many bytes; the first of a segment with a longer one.
const PAGE_HEADER_BYTES: u64 = 24;
const SEGMENT_HEADER_BYTES: u64 = 40;

/// The place behind everything that has been written to the log, commits that are not flushed yet included. Read in the same snapshot as
/// rows or behind it, it bounds what they show.
///
/// # Errors
/// Errors of the server; `Preflight` for a standby, whose log is another server's.
pub(super) async fn log_end(lease: &Lease, database: &str) -> Result<WalPosition> {
    let rows = lease.rows("read the end of the log", &log_end_query("")).await?;
    of_row(rows.first().ok_or_else(|| malformed("no answer"))?, database)
}

/// The SELECT whose row [`of_row`] reads, with further columns behind.
pub(super) fn log_end_query(further: &str) -> String {
    format!(
        "SELECT (SELECT system_identifier FROM pg_control_system()), CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_insert_lsn() END, \
         CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_walfile_name(pg_current_wal_insert_lsn()) END, \
         (SELECT setting FROM pg_settings WHERE name = 'wal_block_size'), \
         (SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'){further}"
    )
}

/// The position that a row of [`log_end_query`] tells.
///
/// # Errors
/// `Preflight` for a standby; `Person` for what is no answer.
pub(super) fn of_row(row: &super::connect::TextRow, database: &str) -> Result<WalPosition> {
    let (system, lsn, file) = (cell(row, 0), cell(row, 1), cell(row, 2));
    if lsn.is_empty() {
        return Err(standby());
    }
    let timeline = file.get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match (Lsn::parse(lsn), timeline, cell(row, 3).parse(), cell(row, 4).parse()) {
        (Some(lsn), Some(timeline), Ok(page), Ok(segment)) => Ok(WalPosition {
            system: system.to_owned(),
            timeline,
            database: database.to_owned(),
            lsn: record_end(lsn.0, page, segment),
        }),
        _ => Err(malformed("a log position that cannot be read")),
    }
}

/// A standby is refused: in recovery a snapshot does not tell which transactions are in progress.
pub(super) fn standby() -> Error {
    Error::new(Class::Preflight, "the source is a standby, which cannot tell exactly what a read shows")
        .with_hint("give the address of the primary")
}

/// Refuses to stream from a standby for as long as it is one: behind an address that moves, a promotion is on its way.
///
/// # Errors
/// `Unreachable` on a standby; errors of the server.
pub(super) async fn is_primary(lease: &Lease) -> Result<()> {
    let rows = lease.rows("ask whether the source is a standby", "SELECT pg_is_in_recovery()").await?;
    if rows.first().is_some_and(|row| cell(row, 0) == "f") {
        return Ok(());
    }
    Err(Error::new(Class::Unreachable, "the source is a standby: the stream goes on when it is promoted")
        .with_hint("promote it, or give the address of the primary"))
}

/// The server's next record begins behind a page header; what ends before it ends before the header. Nothing else will ever be read up to
/// a place inside a header.
fn record_end(lsn: u64, page: u64, segment: u64) -> u64 {
    if segment != 0 && lsn % segment == SEGMENT_HEADER_BYTES {
        lsn - SEGMENT_HEADER_BYTES
    } else if page != 0 && lsn % page == PAGE_HEADER_BYTES {
        lsn - PAGE_HEADER_BYTES
    } else {
        lsn
    }
}

/// The server's version as `server_version_num` has it, e.g. 150004.
///
/// # Errors
/// Errors of the server.
pub(super) async fn version(lease: &Lease) -> Result<u32> {
    let rows = lease.rows("read the server's version", "SELECT current_setting('server_version_num')").await?;
    rows.first().and_then(|row| cell(row, 0).parse().ok()).ok_or_else(|| malformed("a version that is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_at_the_start_of_a_page_is_the_end_of_the_one_before() {
        let segment = 16 << 20;
        assert_eq!(record_end(segment + 40, 8192, segment), segment);
        assert_eq!(record_end(3 * 8192 + 24, 8192, segment), 3 * 8192);
        assert_eq!(record_end(3 * 8192 + 32, 8192, segment), 3 * 8192 + 32);
    }
}
