//! Places in the server's log, and what may be concluded from them.
//!
//! Out: the log's end (an upper bound of what a read view can show) and the exact place of a read view (MariaDB). Whether a stretch of
//! log leaves a table alone is answered from the log's own events. Settled places are in `settle`.

use std::time::Duration;

use mysql_async::Conn;

use crate::error::{Class, Error, Result};
use crate::position::BinlogPosition;
use crate::schema::{Flavor, TableName};

use super::connect::Server;
use super::group::LogPlace;
use super::history;
use super::names::literal;
use super::select::{all_rows, one_row};

/// How many events between two marks are asked for at a time.
const PAGE_EVENTS: usize = 5_000;
/// After so many pages the stretch counts as busy.
const PAGES_MAX: usize = 60;

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
    pub(super) async fn row(&mut self, attempt: &str, sql: &str) -> Result<Vec<String>> {
        one_row(self.conn, self.limit, attempt, sql).await
    }

    async fn position(&mut self, file: &str, offset: &str, gtid: String) -> Result<BinlogPosition> {
        let offset = offset.parse().map_err(|_| log_is_off())?;
        if file.is_empty() {
            return Err(log_is_off());
        }
        let server = history::server_identity(self.conn, self.limit, self.server.flavor).await?;
        Ok(BinlogPosition { server, file: file.to_owned(), offset, gtid, prepared_from: None, altered: Vec::new() })
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

    /// Whether the log between two places certainly holds no event about `table`. Says no in doubt: a statement, a compressed transaction
    /// whose events the server does not show, more than one rotation, too many events.
    ///
    /// # Errors
    /// Driver errors.
    pub async fn is_quiet(&mut self, low: &BinlogPosition, high: &BinlogPosition, table: &TableName) -> Result<bool> {
        self.is_free(low, high, &|event| leaves_alone(event, table)).await
    }

    /// Whether the log between two places certainly holds no XA PREPARE; true as well if `high` is not behind `low`.
    ///
    /// # Errors
    /// Driver errors.
    pub async fn prepares_nothing(&mut self, low: &BinlogPosition, high: &BinlogPosition) -> Result<bool> {
        let place = |position: &BinlogPosition| LogPlace::new(&position.file, position.offset);
        Ok(place(high) <= place(low) || self.is_free(low, high, &|event| !may_prepare(event)).await?)
    }

    /// Whether every event between two places is certainly harmless.
    async fn is_free(&mut self, low: &BinlogPosition, high: &BinlogPosition, harmless: Harmless<'_>) -> Result<bool> {
        if low.file == high.file {
            return Ok(
                low.offset <= high.offset && self.stretch_is_free(&low.file, low.offset, Some(high.offset), harmless).await?
            );
        }
        let logs = all_rows(self.conn, self.limit, "list the binary logs", "SHOW BINARY LOGS").await?;
        let names: Vec<&str> = logs.iter().filter_map(|row| row.first()).map(String::as_str).collect();
        if !names.windows(2).any(|pair| pair == [low.file.as_str(), high.file.as_str()]) {
            return Ok(false);
        }
        Ok(self.stretch_is_free(&low.file, low.offset, None, harmless).await?
            && self.stretch_is_free(&high.file, 4, Some(high.offset), harmless).await?)
    }

    /// The same for a stretch of one file, `to` its end. The events are asked for page by page.
    async fn stretch_is_free(&mut self, file: &str, from: u64, to: Option<u64>, harmless: Harmless<'_>) -> Result<bool> {
        let mut from = from;
        for _ in 0..PAGES_MAX {
            if to.is_some_and(|to| from >= to) {
                return Ok(true);
            }
            let sql = format!("SHOW BINLOG EVENTS IN {} FROM {from} LIMIT {PAGE_EVENTS}", literal(file));
            let rows = all_rows(self.conn, self.limit, "read the events between two marks", &sql).await?;
            let is_last = rows.len() < PAGE_EVENTS;
            match read_page(&rows, is_last, to, harmless) {
                Page::Doubt => return Ok(false),
                Page::Quiet { next } if next > from => from = next,
                // The end of a closed file; of an open one, `to` must have been reached.
                Page::Quiet { .. } => return Ok(is_last && to.is_none()),
            }
            if is_last {
                return Ok(to.is_none_or(|to| from >= to));
            }
        }
        Ok(false)
    }
}

/// Judges one event, given as the server lists it.
type Harmless<'h> = &'h (dyn Fn(&[String]) -> bool + Sync);

/// What one page of events says.
#[derive(Debug, PartialEq, Eq)]
enum Page {
    /// Some event is about the table, or cannot be judged.
    Doubt,
    /// None is; the events behind `next` are not judged yet.
    Quiet { next: u64 },
}

/// Judges a page. The events of a compressed transaction follow it and all stand at its end, so the last transaction of a full page may be
/// cut and is left for the next one.
fn read_page(rows: &[Vec<String>], is_last: bool, to: Option<u64>, harmless: Harmless<'_>) -> Page {
    let mut next = 0;
    let mut payload = false;
    for (index, row) in rows.iter().enumerate() {
        let number = |column: usize| row.get(column).and_then(|text| text.parse::<u64>().ok());
        let (Some(start), Some(end)) = (number(1), number(4)) else { return Page::Doubt };
        let inner = start == end;
        if payload && !inner {
            // This server does not show what a compressed transaction holds.
            return Page::Doubt;
        }
        if !inner {
            let cut = !is_last && rows.iter().skip(index + 1).all(|later| later.get(1) == later.get(4));
            if cut || to.is_some_and(|to| start >= to) {
                return Page::Quiet { next: start.max(next) };
            }
        }
        payload = row.get(2).is_some_and(|kind| kind == "Transaction_payload");
        if !payload && !harmless(row) {
            return Page::Doubt;
        }
        next = end;
    }
    if payload { Page::Doubt } else { Page::Quiet { next } }
}

/// Whether an event is, or could be, an XA PREPARE or a part of what one prepares.
fn may_prepare(event: &[String]) -> bool {
    let (Some(kind), Some(text)) = (event.get(2), event.get(5)) else { return true };
    kind.to_lowercase().contains("prepare") || text.trim_start().to_uppercase().starts_with("XA ")
}

fn leaves_alone(event: &[String], table: &TableName) -> bool {
    let (Some(kind), Some(text)) = (event.get(2), event.get(5)) else { return false };
    match kind.as_str() {
        "Table_map" => !text.to_lowercase().ends_with(&format!("({}.{})", table.schema, table.name).to_lowercase()),
        "Query" => matches!(text.as_str(), "BEGIN" | "COMMIT" | "ROLLBACK"),
        "Xid" | "Gtid" | "Anonymous_Gtid" | "Gtid_list" | "Binlog_checkpoint" | "Previous_gtids" | "Format_desc"
        | "Annotate_rows" | "Rows_query" | "Rotate" | "Stop" | "Start_encryption" => true,
        rows => rows.starts_with("Write_rows") || rows.starts_with("Update_rows") || rows.starts_with("Delete_rows"),
    }
}

fn log_is_off() -> Error {
    Error::new(Class::Preflight, "the server writes no binary log")
        .with_hint("set log_bin in the server's configuration and restart it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_or_an_unknown_event_is_not_quiet() {
        let table = TableName { schema: "erp".into(), name: "t".into() };
        let event = |kind: &str, text: &str| ["f", "4", kind, "1", "9", text].map(str::to_owned);
        assert!(leaves_alone(&event("Table_map", "table_id: 18 (erp.other)"), &table));
        assert!(!leaves_alone(&event("Table_map", "table_id: 18 (erp.t)"), &table));
        assert!(!leaves_alone(&event("Query", "use `erp`; TRUNCATE t"), &table));
        assert!(!leaves_alone(&event("Transaction_payload", ""), &table));
    }

    #[test]
    fn a_prepare_is_seen_in_the_log_of_both_servers() {
        let event = |kind: &str, text: &str| ["f", "4", kind, "1", "9", text].map(str::to_owned);
        assert!(may_prepare(&event("XA_prepare", "XA PREPARE X'78',X'',1")));
        assert!(may_prepare(&event("Query", "XA START X'78',X'',1")));
        assert!(may_prepare(&event("Gtid", "XA START X'78',X'',1 GTID 0-1-7")));
        assert!(!may_prepare(&event("Gtid", "BEGIN GTID 0-1-7")));
        assert!(!may_prepare(&event("Query", "use `erp`; UPDATE xa SET a = 1")));
        assert!(may_prepare(&[]));
    }

    fn rows(events: &[(u64, u64, &str, &str)]) -> Vec<Vec<String>> {
        events
            .iter()
            .map(|(start, end, kind, text)| {
                vec!["f".into(), start.to_string(), (*kind).into(), "1".into(), end.to_string(), (*text).into()]
            })
            .collect()
    }

    /// The events of a compressed transaction all stand at its end, which may be the very place that the stretch ends at.
    #[test]
    fn f37_a_compressed_transaction_is_judged_by_its_events() {
        let table = TableName { schema: "d".into(), name: "t".into() };
        let page = |name: &str| {
            let map = format!("table_id: 106 (d.{name})");
            let inner = [
                (803, 803, "Query", "BEGIN"),
                (803, 803, "Table_map", map.as_str()),
                (803, 803, "Write_rows", ""),
                (803, 803, "Xid", ""),
            ];
            rows(&[&[(534, 613, "Anonymous_Gtid", ""), (613, 803, "Transaction_payload", "")][..], &inner].concat())
        };
        let harmless = |event: &[String]| leaves_alone(event, &table);
        assert_eq!(read_page(&page("t"), true, Some(803), &harmless), Page::Doubt);
        assert_eq!(read_page(&page("u"), true, Some(803), &harmless), Page::Quiet { next: 803 });
        assert_eq!(read_page(&page("u"), false, Some(900), &harmless), Page::Quiet { next: 613 }, "a full page may cut it");
        assert_eq!(read_page(&page("t"), true, Some(613), &harmless), Page::Quiet { next: 613 }, "it lies behind the stretch");
        let hidden = rows(&[(613, 803, "Transaction_payload", ""), (803, 880, "Anonymous_Gtid", "")]);
        assert_eq!(read_page(&hidden, true, Some(880), &harmless), Page::Doubt);
    }
}
