//! How much log is kept for the slot, from the server's settings and the project's own limit.

use std::sync::Arc;

use super::connect::{Pool, cell};
use crate::error::{Error, Result};
use crate::source::retention::Retention;

/// `setting` of `max_slot_wal_keep_size` is in megabytes.
const QUESTION: &str = "SELECT (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'), \
     (SELECT floor(wal_bytes / greatest(extract(epoch FROM now() - stats_reset), 1))::bigint FROM pg_stat_wal)";

/// Asks the server.
///
/// # Errors
/// Errors of the server.
pub(super) async fn read(pool: &Arc<Pool>) -> Result<Retention> {
    let lease = pool.lease().await?;
    let rows = lease.rows("read how much log is kept", QUESTION).await?;
    lease.give_back();
    let row = rows.first().ok_or_else(|| Error::bug("a question about settings has no row"))?;
    let by_server = cell(row, 0).parse::<u64>().ok().map(|megabytes| megabytes << 20);
    let by_project = pool.options().slot_limit.map(|limit| limit.bytes_max);
    Ok(Retention {
        source: pool.options().name.clone(),
        kept_bytes: by_server.into_iter().chain(by_project).min(),
        log_bytes_per_s: cell(row, 1).parse().ok(),
        ..Retention::default()
    })
}
