//! The load of the server as `limits:` looks at it: sessions of `pg_stat_activity`, and how far the standbys are behind.
//!
//! Asked over a connection beside those of the readers. The lag of a standby is how long ago the log ended where the standby has applied it to,
//! measured here look by look: the server's own `replay_lag` stays as it was when a standby stops to apply.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::connect::{Pool, cell};
use crate::error::{Class, Error, Result};
use crate::source::limits::{Lag, Limits, Load};

/// Places of the log that are remembered: some minutes of looks.
const PLACES_MAX: usize = 4_096;

/// Where the log ended at the looks before, oldest first.
#[derive(Default)]
pub(super) struct Watch(Mutex<VecDeque<(Instant, u64)>>);

/// One standby as the server sees it.
struct Standby {
    name: String,
    /// How much of the log it has applied, bytes from its beginning; nothing if the account may not see it.
    applied: Option<u64>,
    /// The server's own measure, milliseconds.
    told_ms: Option<u64>,
}

const GAUGES: &str = "SELECT count(*) FILTER (WHERE state = 'active'), count(*) FILTER (WHERE wait_event_type = 'Lock'), count(*), \
     pg_has_role('pg_read_all_stats', 'USAGE') \
     FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

/// Logical readers, ours among them, are no standbys.
const STANDBYS: &str = "SELECT application_name, pg_wal_lsn_diff(replay_lsn, '0/0')::bigint, \
     floor(extract(epoch FROM replay_lag) * 1000)::bigint, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint, \
     pg_has_role('pg_read_all_stats', 'USAGE') FROM (SELECT 1) one LEFT JOIN pg_stat_replication r ON r.pid NOT IN \
     (SELECT active_pid FROM pg_replication_slots WHERE slot_type = 'logical' AND active_pid IS NOT NULL)";

impl Watch {
    /// The load that `limits` are about.
    ///
    /// # Errors
    /// Connection errors; `Privilege` if the account sees its own sessions only.
    pub(super) async fn load(&self, pool: &Arc<Pool>, limits: &Limits) -> Result<Load> {
        let lease = pool.own().await?;
        let mut load = Load::default();
        if !limits.max_load.is_empty() {
            let rows = lease.rows("read the load of the server", GAUGES).await?;
            let row = rows.first().ok_or_else(|| Error::bug("a count has no row"))?;
            sees_all(pool, cell(row, 3))?;
            for (index, name) in crate::source::limits::POSTGRES_GAUGES.iter().enumerate() {
                load.gauges.extend(cell(row, index).parse().ok().map(|value| ((*name).to_owned(), value)));
            }
        }
        if limits.max_lag_s.is_some() {
            let rows = lease.rows("read the lag of the standbys", STANDBYS).await?;
            let first = rows.first().ok_or_else(|| Error::bug("a count has no row"))?;
            sees_all(pool, cell(first, 4))?;
            let end = cell(first, 3).parse().map_err(|_| Error::bug("the end of the log is no number"))?;
            let standbys = rows.iter().filter(|row| row.first().is_some_and(Option::is_some)).map(|row| Standby {
                name: cell(row, 0).to_owned(),
                applied: cell(row, 1).parse().ok(),
                told_ms: cell(row, 2).parse().ok(),
            });
            load.lag = Some(self.lag(Instant::now(), end, &standbys.collect::<Vec<_>>(), pool.options().replica.as_deref()));
        }
        lease.give_back();
        Ok(load)
    }

    /// The lag of the standby that is named, or of the one that is furthest behind.
    fn lag(&self, now: Instant, end: u64, standbys: &[Standby], named: Option<&str>) -> Lag {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let watched: Vec<&Standby> = standbys.iter().filter(|standby| named.is_none_or(|name| standby.name == name)).collect();
        let (mut most_ms, mut least_applied) = (0, end);
        for standby in &watched {
            let Some(applied) = standby.applied else {
                return Lag::Unknown(format!("standby {} has not said what it has applied", standby.name));
            };
            least_applied = least_applied.min(applied);
            // The oldest end that it has not applied is how long it has been behind.
            let missing = places.iter().find(|(_, place)| *place > applied).map(|(at, _)| now.duration_since(*at));
            let behind_ms = missing.map_or(0, |behind| u64::try_from(behind.as_millis()).unwrap_or(u64::MAX));
            let told_ms = standby.told_ms.filter(|_| applied < end).unwrap_or(0);
            most_ms = most_ms.max(behind_ms).max(told_ms);
        }
        if watched.is_empty() {
            return Lag::Unknown(match named {
                Some(name) => format!("no standby named {name} is connected"),
                None => "no standby is connected".to_owned(),
            });
        }
        while places.len() >= PLACES_MAX || places.front().is_some_and(|(_, place)| *place <= least_applied) {
            places.pop_front();
        }
        places.push_back((now, end));
        Lag::Behind(most_ms)
    }
}

/// An account without the privilege counts its own sessions only, and would never see a load.
fn sees_all(pool: &Pool, answer: &str) -> Result<()> {
    if answer == "t" {
        return Ok(());
    }
    let options = pool.options();
    let message =
        format!("the account of source {} does not see the sessions of others, so its load cannot be read", options.name);
    let grant = format!("as a superuser: GRANT pg_read_all_stats TO {}", super::names::identifier(&options.user));
    Err(Error::new(Class::Privilege, message).with_hint(grant))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn standby(applied: u64, told_ms: Option<u64>) -> Standby {
        Standby { name: "b".into(), applied: Some(applied), told_ms }
    }

    #[test]
    fn f18_a_standby_that_stops_to_apply_is_further_behind_at_every_look() {
        let (watch, start) = (Watch::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let stuck = [standby(100, Some(3))];
        assert_eq!(watch.lag(at(0), 100, &stuck, None), Lag::Behind(0));
        assert_eq!(watch.lag(at(1), 200, &stuck, None), Lag::Behind(3), "the server's own measure counts too");
        assert_eq!(watch.lag(at(2), 300, &stuck, None), Lag::Behind(1_000));
        assert_eq!(watch.lag(at(9), 300, &stuck, None), Lag::Behind(8_000));
        assert_eq!(watch.lag(at(10), 300, &[standby(300, None)], None), Lag::Behind(0));
    }

    #[test]
    fn a_standby_that_is_not_there_has_no_lag_of_zero() {
        let watch = Watch::default();
        assert!(matches!(watch.lag(Instant::now(), 1, &[], None), Lag::Unknown(_)));
        assert!(
            matches!(watch.lag(Instant::now(), 1, &[standby(1, None)], Some("c")), Lag::Unknown(reason) if reason.contains('c'))
        );
    }
}
