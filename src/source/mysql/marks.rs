//! Places in the server's log, and what may be concluded from them.
//!
//! Out: the log's end (an upper bound of what a read view can show), the exact place of a read view (MariaDB), and a settled place before
//! which everything is visible to views opened from now on (MySQL, where the log is written before the engines commit). Whether a
//! stretch of log leaves a table alone is answered from the log's own events.

use std::time::{Duration, Instant};

use mysql_async::Conn;

use crate::error::{Class, Error, Result};
use crate::position::BinlogPosition;
use crate::schema::{Flavor, TableName};

use super::connect::Server;
use super::history;
use super::names::literal;
use super::select::{all_rows, one_row};

/// How long a settled place is waited for: transactions between log and engine commit take milliseconds.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);
/// How many events between two marks are looked at before the stretch counts as busy.
const EVENTS_MAX: u32 = 5_000;

/// A connection with what every mark needs.
pub struct Marker<'a> {
    /// The connection.
    pub conn: &'a mut Conn,
    /// The server behind it.
    pub server: &'a Server,
    /// How long an answer may take.
    pub limit: Duration,
}

impl Marker<'_> {
    async fn row(&mut self, attempt: &str, sql: &str) -> Result<Vec<String>> {
        one_row(self.conn, self.limit, attempt, sql).await
    }

    async fn position(&mut self, file: &str, offset: &str, gtid: String) -> Result<BinlogPosition> {
        let offset = offset.parse().map_err(|_| log_is_off())?;
        if file.is_empty() {
            return Err(log_is_off());
        }
        let server = history::server_identity(self.conn, self.limit, self.server.flavor).await?;
        Ok(BinlogPosition { server, file: file.to_owned(), offset, gtid, prepared_from: None })
    }

    /// The end of the log now. On MySQL with GTIDs, the GTIDs are those committed, perhaps fewer than the log holds.
    ///
    /// # Errors
    /// Driver errors; `Preflight` if the server writes no log.
    pub async fn log_end(&mut self) -> Result<BinlogPosition> {
        let sql = if self.server.flavor == Flavor::MySql && self.server.version >= (8, 2, 0) {
            "SHOW BINARY LOG STATUS"
        } else {
            "SHOW MASTER STATUS"
        };
        let rows = all_rows(self.conn, self.limit, "read the end of the binary log", sql).await?;
        let row = rows.into_iter().next().ok_or_else(log_is_off)?;
        let [file, offset, ..] = row.as_slice() else { return Err(log_is_off()) };
        let gtid = row.get(4).map(|text| text.replace(['\n', ' '], "")).unwrap_or_default();
        self.position(file, offset, gtid).await
    }

    /// The exact place of the read view that this connection has just opened (MariaDB).
    ///
    /// # Errors
    /// Driver errors; `Preflight` if the server writes no log.
    pub async fn view(&mut self) -> Result<BinlogPosition> {
        let rows =
            all_rows(self.conn, self.limit, "read the position of a read view", "SHOW STATUS LIKE 'binlog\\_snapshot\\_%'")
                .await?;
        let find = |name: &str| {
            rows.iter().find_map(|row| match row.as_slice() {
                [key, value] if key.eq_ignore_ascii_case(name) => Some(value.clone()),
                _ => None,
            })
        };
        let (Some(file), Some(offset)) = (find("binlog_snapshot_file"), find("binlog_snapshot_position")) else {
            return Err(log_is_off());
        };
        self.position(&file, &offset, String::new()).await
    }

    /// MariaDB's GTID at a place.
    ///
    /// # Errors
    /// Driver errors.
    pub async fn gtid_at(&mut self, position: &BinlogPosition) -> Result<Option<String>> {
        let sql = format!(
            "SELECT BINLOG_GTID_POS({}, {}) IS NULL, BINLOG_GTID_POS({}, {})",
            literal(&position.file),
            position.offset,
            literal(&position.file),
            position.offset
        );
        let row = self.row("read the GTID of a log position", &sql).await?;
        let [absent, gtid] = row.as_slice() else { return Ok(None) };
        Ok((absent == "0").then(|| gtid.clone()))
    }

    /// A place in the log before which every transaction is committed in the engines too (MySQL with GTIDs): the log's end is read, then
    /// the GTIDs that are written but not yet committed, then those are waited for. `None` where the server uses no GTIDs.
    ///
    /// # Errors
    /// Driver errors; `Retry` if some transaction does not settle in time.
    pub async fn settled(&mut self) -> Result<Option<BinlogPosition>> {
        if self.server.flavor != Flavor::MySql
            || self.row("read gtid_mode", "SELECT @@global.gtid_mode").await?.first().is_none_or(|mode| mode != "ON")
        {
            return Ok(None);
        }
        let end = self.log_end().await?;
        let owned = self.owned().await?;
        let started = Instant::now();
        while !owned.is_empty() {
            let sql = format!("SELECT GTID_SUBSET({}, @@global.gtid_executed)", literal(&owned.join(",")));
            let executed = self.row("compare GTID sets", &sql).await?.first().is_some_and(|answer| answer == "1");
            // Rolled back or executed: either way no longer owned.
            let still = self.owned().await?;
            if executed || !owned.iter().any(|gtid| still.contains(gtid)) {
                break;
            }
            if started.elapsed() > SETTLE_LIMIT {
                return Err(Error::new(
                    Class::Retry,
                    "a transaction that is written to the binary log does not finish its commit",
                )
                .with_hint("look for a hanging semi-synchronous replica or a full disk on the source"));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(Some(end))
    }

    /// GTIDs assigned to transactions that have not finished their commit.
    async fn owned(&mut self) -> Result<Vec<String>> {
        let text =
            self.row("read the GTIDs in flight", "SELECT @@global.gtid_owned").await?.into_iter().next().unwrap_or_default();
        Ok(owned_gtids(&text))
    }

    /// Whether the log between two places certainly holds no event about `table`. Says no in doubt: another file, a statement, a
    /// compressed transaction, too many events.
    ///
    /// # Errors
    /// Driver errors.
    pub async fn is_quiet(&mut self, low: &BinlogPosition, high: &BinlogPosition, table: &TableName) -> Result<bool> {
        if low.file != high.file || low.offset > high.offset {
            return Ok(false);
        }
        if low.offset == high.offset {
            return Ok(true);
        }
        let sql = format!("SHOW BINLOG EVENTS IN {} FROM {} LIMIT {EVENTS_MAX}", literal(&low.file), low.offset);
        let events = all_rows(self.conn, self.limit, "read the events between two marks", &sql).await?;
        let end = events.last().and_then(|event| event.get(4)?.parse::<u64>().ok()).unwrap_or(0);
        let inside = events.iter().filter(|event| {
            event.get(1).and_then(|offset| offset.parse::<u64>().ok()).is_some_and(|offset| offset < high.offset)
        });
        Ok(end >= high.offset && inside.into_iter().all(|event| leaves_alone(event, table)))
    }
}

fn leaves_alone(event: &[String], table: &TableName) -> bool {
    let (Some(kind), Some(text)) = (event.get(2), event.get(5)) else { return false };
    match kind.as_str() {
        "Table_map" => !text.to_lowercase().ends_with(&format!("({}.{})", table.schema, table.name).to_lowercase()),
        "Query" => matches!(text.as_str(), "BEGIN" | "COMMIT" | "ROLLBACK"),
        "Xid" | "Gtid" | "Anonymous_Gtid" | "Gtid_list" | "Binlog_checkpoint" | "Previous_gtids" | "Format_desc"
        | "Annotate_rows" | "Rows_query" => true,
        rows => rows.starts_with("Write_rows") || rows.starts_with("Update_rows") || rows.starts_with("Delete_rows"),
    }
}

/// The text is `uuid:number#thread` with further `:number#thread` or `,uuid:...` behind it.
fn owned_gtids(text: &str) -> Vec<String> {
    let mut uuid = String::new();
    let mut gtids = Vec::new();
    for part in text.split([',', '\n']).flat_map(|group| group.trim().split(':')) {
        match part.split_once('#') {
            Some((number, _thread)) => gtids.push(format!("{uuid}:{number}")),
            // A tag stands between the uuid and the numbers.
            None if part.len() == 36 => uuid = part.to_owned(),
            None if part.is_empty() => {}
            None => uuid = format!("{}:{part}", uuid.split(':').next().unwrap_or_default()),
        }
    }
    gtids
}

fn log_is_off() -> Error {
    Error::new(Class::Preflight, "the server writes no binary log")
        .with_hint("set log_bin in the server's configuration and restart it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owned_gtids_are_taken_apart() {
        let uuid = "b2331b89-e674-11f1-8365-02fc00000001";
        assert_eq!(owned_gtids(&format!("{uuid}:7#12:8#13")), [format!("{uuid}:7"), format!("{uuid}:8")]);
        assert_eq!(owned_gtids(&format!("{uuid}:tag:3#1")), [format!("{uuid}:tag:3")]);
        assert!(owned_gtids("").is_empty());
    }

    #[test]
    fn a_statement_or_an_unknown_event_is_not_quiet() {
        let table = TableName { schema: "erp".into(), name: "t".into() };
        let event = |kind: &str, text: &str| ["f", "4", kind, "1", "9", text].map(str::to_owned);
        assert!(leaves_alone(&event("Table_map", "table_id: 18 (erp.other)"), &table));
        assert!(!leaves_alone(&event("Table_map", "table_id: 18 (erp.t)"), &table));
        assert!(!leaves_alone(&event("Query", "use `erp`; TRUNCATE t"), &table));
        assert!(!leaves_alone(&event("Transaction_payload", ""), &table));
    }
}
