//! Settled places (MySQL): before one, every transaction in the log is committed in the engines too, so that every read view opened from
//! now on shows it. The log is written before the engines commit, so the log's end alone is no such place.
//!
//! With GTIDs the server tells which transactions are written and not yet committed. Without them, InnoDB's own list of open transactions
//! tells it, as follows. Whatever was in the log at the end E stays in that list until it is committed. The list is a cache of the server;
//! it is fresh enough when it shows a transaction that this connection opened after E. Of the transactions listed then, one that is missing
//! from a later list has ended, and one whose session is seen idle is not between log and commit, so it was not in the log at E. When all
//! are of these two kinds, E is settled. It takes the privilege PROCESS, and InnoDB as the only transactional engine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;

use crate::error::{Class, Error, Result};
use crate::position::BinlogPosition;
use crate::schema::Flavor;

use super::failure;
use super::marks::Marker;
use super::names::literal;
use super::select::{OPEN_VIEW, all_rows};

/// How long a settled place is waited for: transactions between log and engine commit take milliseconds.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);
/// The server refreshes its list of transactions at most every 100 ms, and not while it is read more often than that.
const LIST_PAUSE: Duration = Duration::from_millis(120);
/// The server cuts longer lists without a word.
const LISTED_MAX: usize = 5_000;

impl Marker<'_> {
    /// A place in the log before which every transaction is committed in the engines too (MySQL): the log's end is read, then
    /// what is written but not yet committed, then that is waited for. `None` where that cannot be told.
    ///
    /// # Errors
    /// Driver errors; `Retry` if some transaction does not settle in time.
    pub async fn settled(&mut self) -> Result<Option<BinlogPosition>> {
        if self.server.flavor != Flavor::MySql {
            return Ok(None);
        }
        if self.row("read gtid_mode", "SELECT @@global.gtid_mode").await?.first().is_none_or(|mode| mode != "ON") {
            return self.settled_by_engine().await;
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

    /// The settled end of the log by InnoDB's list of transactions; `None` where the list may not be seen or does not tell everything, or a
    /// transaction does not come to rest in time.
    async fn settled_by_engine(&mut self) -> Result<Option<BinlogPosition>> {
        let engines = "SELECT COUNT(*) FROM information_schema.ENGINES WHERE TRANSACTIONS = 'YES' AND SUPPORT IN ('YES', 'DEFAULT') AND ENGINE <> 'InnoDB'";
        if self.row("list the transactional engines", engines).await?.first().is_none_or(|count| count != "0") {
            return Ok(None);
        }
        let end = self.log_end().await?;
        let started = Instant::now();
        let Some(mut open) = self.open_since(started).await? else { return Ok(None) };
        loop {
            let idle = self.idle_sessions().await?;
            open.retain(|_, session| !idle.contains(session));
            if open.is_empty() {
                return Ok(Some(end));
            }
            if started.elapsed() > SETTLE_LIMIT {
                return Ok(None);
            }
            tokio::time::sleep(LIST_PAUSE).await;
            let Some(listed) = self.listed().await? else { return Ok(None) };
            open.retain(|transaction, _| listed.contains_key(transaction));
        }
    }

    /// The transactions of other sessions, as listed after this call began: by id, with their session.
    async fn open_since(&mut self, started: Instant) -> Result<Option<BTreeMap<String, String>>> {
        let own = self.row("read the connection's id", "SELECT CONNECTION_ID()").await?.into_iter().next().unwrap_or_default();
        failure::within(self.limit, "open a read view", self.conn.query_drop(OPEN_VIEW)).await?;
        let found = loop {
            match self.listed().await? {
                None => break None,
                Some(mut listed) if listed.values().any(|session| *session == own) => {
                    listed.retain(|_, session| *session != own);
                    break Some(listed);
                }
                Some(_) if started.elapsed() > SETTLE_LIMIT => break None,
                Some(_) => tokio::time::sleep(LIST_PAUSE).await,
            }
        };
        failure::within(self.limit, "close a read view", self.conn.query_drop("COMMIT")).await?;
        Ok(found)
    }

    /// InnoDB's list of transactions; `None` where the account may not see it or it may be cut.
    async fn listed(&mut self) -> Result<Option<BTreeMap<String, String>>> {
        let sql = "SELECT trx_id, trx_mysql_thread_id FROM information_schema.INNODB_TRX";
        let rows = match all_rows(self.conn, self.limit, "list the open transactions", sql).await {
            Err(error) if error.class() == Class::Privilege => return Ok(None),
            other => other?,
        };
        let pairs = rows.iter().filter_map(|row| Some((row.first()?.clone(), row.get(1)?.clone())));
        Ok((rows.len() < LISTED_MAX).then(|| pairs.collect()))
    }

    /// The sessions that run no statement.
    async fn idle_sessions(&mut self) -> Result<BTreeSet<String>> {
        let rows = all_rows(self.conn, self.limit, "list the sessions", "SHOW PROCESSLIST").await?;
        let idle = rows.iter().filter(|row| row.get(4).is_some_and(|command| command == "Sleep"));
        Ok(idle.filter_map(|row| row.first().cloned()).collect())
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
}
