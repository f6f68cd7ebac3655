//! The load of the server as `limits:` looks at it: gauges of SHOW GLOBAL STATUS, and how far a replica is behind.
//!
//! Asked over connections of their own, so that a look never waits for the readers it is there to hold back. The lag is that of the replica that
//! the project names, or of the source itself where it is a replica; the furthest of its channels counts.

use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::sync::Mutex;

use crate::error::{Class, Error, Result};
use crate::schema::Flavor;
use crate::source::limits::{Lag, Limits, Load, is_gauge};

use super::connect::{MySqlOptions, Pool, Server};
use super::failure;
use super::select::all_rows;
use super::session;

/// How long one question may take: a server that is slower than this is loaded.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// What looks at a server's load.
pub struct Watch {
    own: Mutex<Option<Conn>>,
    replica: Option<(Pool, Mutex<Option<Conn>>)>,
}

impl Watch {
    /// Looks at the source of `options` and at the replica that they name; connects when it is first used.
    #[must_use]
    pub fn new(options: &MySqlOptions) -> Self {
        let replica = options.replica.as_deref().map(|replica| (Pool::new(replica.clone()), Mutex::default()));
        Self { own: Mutex::default(), replica }
    }

    /// The load that `limits` are about.
    ///
    /// # Errors
    /// Connection errors; `Preflight` if there is no replica whose lag could be looked at.
    pub async fn load(&self, pool: &Pool, limits: &Limits) -> Result<Load> {
        let mut load = Load::default();
        if !limits.max_load.is_empty() {
            let names: Vec<String> =
                limits.max_load.keys().filter(|name| is_gauge(name)).map(|name| format!("'{name}'")).collect();
            let sql = format!("SHOW GLOBAL STATUS WHERE Variable_name IN ({})", names.join(", "));
            let rows = asked(pool, &self.own, async |conn| all_rows(conn, LOOK_LIMIT, "read the load of the server", &sql).await);
            for row in rows.await? {
                let (Some(name), Some(value)) = (row.first(), row.get(1).and_then(|value| value.parse().ok())) else { continue };
                // The server's own spelling may differ from the project's in case.
                let asked = limits.max_load.keys().find(|asked| asked.eq_ignore_ascii_case(name));
                load.gauges.extend(asked.map(|asked| (asked.clone(), value)));
            }
        }
        if limits.max_lag_s.is_some() {
            load.lag = Some(match &self.replica {
                Some((pool, conn)) => lag(pool, conn).await?,
                None => lag(pool, &self.own).await?,
            });
        }
        Ok(load)
    }
}

/// Asks over the kept connection; one that fails is not kept.
async fn asked<R>(pool: &Pool, kept: &Mutex<Option<Conn>>, ask: impl AsyncFnOnce(&mut Conn) -> Result<R>) -> Result<R> {
    let mut kept = kept.lock().await;
    let mut conn = match kept.take() {
        Some(conn) => conn,
        None => {
            let mut conn = pool.connect().await?;
            let read_only = conn.query_drop("SET SESSION TRANSACTION READ ONLY");
            failure::within(LOOK_LIMIT, "set up the connection that looks at the load", read_only).await?;
            conn
        }
    };
    let answer = ask(&mut conn).await?;
    *kept = Some(conn);
    Ok(answer)
}

async fn lag(pool: &Pool, kept: &Mutex<Option<Conn>>) -> Result<Lag> {
    let name = &pool.options().name;
    let rows = asked(pool, kept, async |conn| {
        let server = session::server(conn, LOOK_LIMIT).await?;
        let rows: Vec<mysql_async::Row> =
            failure::within(LOOK_LIMIT, "read the replica lag", conn.query(statement(&server))).await?;
        Ok(rows)
    });
    let rows = rows.await.map_err(|error| match error.class() {
        Class::Privilege => error.with_hint(
            "as an administrator of that server: GRANT REPLICATION CLIENT ON *.* (MariaDB from 10.5.9 on: GRANT REPLICA MONITOR ON *.*) to the account",
        ),
        _ => error,
    })?;
    if rows.is_empty() {
        return Err(Error::new(Class::Preflight, format!("{name} is no replica, so max_lag_s has no lag to look at"))
            .with_hint("name the replica to look at with `replica: { url: mysql://user@host/, password: .. }` beside max_lag_s, or leave max_lag_s out"));
    }
    Ok(furthest(name, rows.iter().map(seconds_behind)))
}

/// The lag of the channel that is furthest behind; a channel without a number does not apply.
fn furthest(name: &str, channels: impl Iterator<Item = Option<u64>>) -> Lag {
    let mut most_ms = 0;
    for seconds in channels {
        let Some(seconds) = seconds else { return Lag::Unknown(format!("{name} does not apply what its source sends")) };
        most_ms = most_ms.max(seconds.saturating_mul(1_000));
    }
    Lag::Behind(most_ms)
}

fn statement(server: &Server) -> &'static str {
    match server.flavor {
        Flavor::MariaDb => "SHOW ALL SLAVES STATUS",
        _ if server.version >= (8, 0, 22) => "SHOW REPLICA STATUS",
        _ => "SHOW SLAVE STATUS",
    }
}

/// The column is named differently by version.
fn seconds_behind(row: &mysql_async::Row) -> Option<u64> {
    let is_lag = |name: &str| ["seconds_behind_source", "seconds_behind_master"].contains(&name.to_lowercase().as_str());
    let index = row.columns_ref().iter().position(|column| is_lag(&column.name_str()))?;
    let text = row.get_opt::<Option<String>, _>(index)?.ok().flatten()?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f18_a_channel_that_does_not_apply_has_no_lag_of_zero() {
        assert_eq!(furthest("r", [Some(3), Some(7)].into_iter()), Lag::Behind(7_000));
        assert_eq!(furthest("r", [Some(3), None].into_iter()), Lag::Unknown("r does not apply what its source sends".into()));
    }
}
