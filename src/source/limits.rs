//! Limits: how much of a legacy server the readers of chunks may take, and how its load is judged.
//!
//! In: the `limits:` of a source in the project file, or `name=value` of the `limit` command. Out: [`Limits`], and whether a [`Load`] that the
//! server told is above them. What the server does not tell is an error or a reason to wait, never a load of nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Class, Error, Result};

/// The most that a number of a limit can mean.
pub const NUMBER_MAX: u64 = 1_000_000_000;
/// The most connections of one source.
pub const CONNECTIONS_MAX: u64 = 64;

/// The gauges of a PostgreSQL server that `max_load` can name; a MySQL or MariaDB server has its own.
pub const POSTGRES_GAUGES: [&str; 3] = ["active_sessions", "lock_waiting_sessions", "sessions"];

/// The bounds of the chunk readers of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Chunks read at once.
    pub connections: u64,
    /// Rows read per second.
    pub rows_per_second: Option<u64>,
    /// Bytes of rows read per second, in millions.
    pub mb_per_second: Option<u64>,
    /// Gauges of the server with the value above which no chunk is begun.
    pub max_load: BTreeMap<String, u64>,
    /// How many seconds a replica may be behind; above it no chunk is begun.
    pub max_lag_s: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        let max_load = BTreeMap::new();
        Self { connections: 4, rows_per_second: None, mb_per_second: None, max_load, max_lag_s: None }
    }
}

/// How far a replica is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lag {
    /// So many milliseconds.
    Behind(u64),
    /// It cannot be told, and why.
    Unknown(String),
}

/// What a server said about its load.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Load {
    /// The gauges that were asked for and that it has.
    pub gauges: BTreeMap<String, u64>,
    /// The lag of the replica that is furthest behind, if it was asked for.
    pub lag: Option<Lag>,
}

impl Limits {
    /// Whether the server has to be asked for its load.
    #[must_use]
    pub fn looks_at_load(&self) -> bool {
        !self.max_load.is_empty() || self.max_lag_s.is_some()
    }

    /// What of `load` is above the limits, in words; `None` if nothing is.
    ///
    /// # Errors
    /// `Preflight` if the server did not tell something that is limited.
    pub fn exceeded(&self, load: &Load) -> Result<Option<String>> {
        for (name, bound) in &self.max_load {
            let value = load.gauges.get(name).ok_or_else(|| unknown_gauge(name))?;
            if value > bound {
                return Ok(Some(format!("{name} is {value}, above {bound}")));
            }
        }
        let Some(bound_s) = self.max_lag_s else { return Ok(None) };
        Ok(match &load.lag {
            None => return Err(Error::new(Class::Preflight, "the server told no replica lag, which max_lag_s limits")),
            Some(Lag::Unknown(reason)) => Some(format!("the replica lag is not known: {reason}")),
            Some(Lag::Behind(ms)) if *ms > bound_s.saturating_mul(1_000) => {
                Some(format!("a replica is {} s behind, above {bound_s}", ms.div_ceil(1_000)))
            }
            Some(Lag::Behind(_)) => None,
        })
    }

    /// The limits with one of them changed: `rows_per_second=5000`, `max_load=Threads_running=25,Threads_connected=200`, `max_lag_s=off`.
    ///
    /// # Errors
    /// `Usage` if it is none of them, or its value makes no sense.
    pub fn with(mut self, setting: &str) -> Result<Self> {
        let usage = |message: String| Error::new(Class::Usage, message);
        let Some((name, value)) = setting.split_once('=') else {
            return Err(usage(format!("{setting} is not a setting")).with_hint("write it as rows_per_second=5000"));
        };
        let (name, value) = (name.trim(), value.trim());
        let number = |least: u64, most: u64| match value.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(usage(format!("{name} must be a whole number from {least} to {most}, or off"))),
        };
        let optional = |least: u64| if value == "off" { Ok(None) } else { number(least, NUMBER_MAX).map(Some) };
        match name {
            "connections" if value == "off" => {
                return Err(usage("connections cannot be off; `strangler pause` halts".to_owned()));
            }
            "connections" => self.connections = number(1, CONNECTIONS_MAX)?,
            "rows_per_second" => self.rows_per_second = optional(1)?,
            "mb_per_second" => self.mb_per_second = optional(1)?,
            "max_lag_s" => self.max_lag_s = optional(1)?,
            "max_load" if value == "off" => self.max_load = BTreeMap::new(),
            "max_load" => self.max_load = max_load(value).map_err(usage)?,
            _ => {
                let known = "connections, rows_per_second, mb_per_second, max_load, max_lag_s";
                return Err(usage(format!("there is no limit {name}")).with_hint(format!("there are: {known}")));
            }
        }
        Ok(self)
    }

    /// The limits as a person reads them, e.g. `4 connections, 5000 rows/s, max_load Threads_running=25`.
    #[must_use]
    pub fn words(&self) -> String {
        let mut parts = vec![format!("{} connection{}", self.connections, if self.connections == 1 { "" } else { "s" })];
        parts.extend(self.rows_per_second.map(|rows| format!("{rows} rows/s")));
        parts.extend(self.mb_per_second.map(|mb| format!("{mb} MB/s")));
        if !self.max_load.is_empty() {
            let gauges: Vec<String> = self.max_load.iter().map(|(name, bound)| format!("{name}={bound}")).collect();
            parts.push(format!("max_load {}", gauges.join(",")));
        }
        parts.extend(self.max_lag_s.map(|seconds| format!("max_lag_s {seconds}")));
        parts.join(", ")
    }
}

/// A gauge that the server does not have.
#[must_use]
pub fn unknown_gauge(name: &str) -> Error {
    Error::new(Class::Preflight, format!("the server has no gauge {name} with a number, which max_load limits"))
        .with_hint("on MySQL and MariaDB it is a name of SHOW GLOBAL STATUS; on PostgreSQL one of active_sessions, lock_waiting_sessions, sessions")
}

/// Reads `Threads_running=25,Threads_connected=200`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn max_load(text: &str) -> std::result::Result<BTreeMap<String, u64>, String> {
    let mut gauges = BTreeMap::new();
    for part in text.split(',') {
        let (name, bound) =
            part.split_once('=').ok_or_else(|| "max_load must be NAME=NUMBER, more of them with commas".to_owned())?;
        let name = name.trim();
        if !is_gauge(name) {
            return Err("a gauge of max_load must be a name of letters, digits and underscores".to_owned());
        }
        let bound = bound.trim().parse::<u64>().ok().filter(|bound| (1..=NUMBER_MAX).contains(bound));
        let bound = bound.ok_or_else(|| format!("the bound of {name} must be a whole number from 1 to {NUMBER_MAX}"))?;
        if gauges.insert(name.to_owned(), bound).is_some() {
            return Err(format!("max_load names {name} twice"));
        }
    }
    Ok(gauges)
}

/// Whether a text can be the name of a gauge.
#[must_use]
pub fn is_gauge(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(running: u64, lag: Option<Lag>) -> Load {
        Load { gauges: BTreeMap::from([("Threads_running".to_owned(), running)]), lag }
    }

    #[test]
    fn a_load_above_its_bound_is_named_with_both_numbers() {
        let limits = Limits::default().with("max_load=Threads_running=25").unwrap();
        assert_eq!(limits.exceeded(&load(25, None)).unwrap(), None);
        assert_eq!(limits.exceeded(&load(26, None)).unwrap().unwrap(), "Threads_running is 26, above 25");
    }

    #[test]
    fn what_the_server_does_not_tell_is_never_a_low_load() {
        let limits = Limits::default().with("max_load=Threads_runing=25").unwrap();
        let error = limits.exceeded(&load(1, None)).unwrap_err();
        assert!(error.class() == Class::Preflight && error.message().contains("Threads_runing"), "{error}");
        let limits = Limits::default().with("max_lag_s=5").unwrap();
        assert_eq!(limits.exceeded(&load(1, None)).unwrap_err().class(), Class::Preflight);
        let unknown = load(1, Some(Lag::Unknown("the applier does not run".into())));
        assert!(limits.exceeded(&unknown).unwrap().unwrap().contains("the applier does not run"));
    }

    #[test]
    fn f18_a_replica_that_is_behind_is_a_reason_to_wait() {
        let limits = Limits::default().with("max_lag_s=5").unwrap();
        assert_eq!(limits.exceeded(&load(1, Some(Lag::Behind(5_000)))).unwrap(), None);
        assert_eq!(limits.exceeded(&load(1, Some(Lag::Behind(5_001)))).unwrap().unwrap(), "a replica is 6 s behind, above 5");
    }

    #[test]
    fn settings_change_one_limit_and_off_removes_it() {
        let limits = Limits::default().with("rows_per_second=5000").unwrap().with("max_load = a=1, b=2").unwrap();
        assert_eq!(limits.words(), "4 connections, 5000 rows/s, max_load a=1,b=2");
        let limits = limits.with("rows_per_second=off").unwrap().with("max_load=off").unwrap().with("connections=1").unwrap();
        assert_eq!(limits.words(), "1 connection");
        for wrong in [
            "x=1",
            "rows_per_second",
            "rows_per_second=0",
            "rows_per_second=-1",
            "max_load=a",
            "max_load=a=0",
            "max_load=a=1,a=2",
            "connections=off",
            "connections=65",
            "max_lag_s=1.5",
            "max_load=a b=1",
        ] {
            assert_eq!(Limits::default().with(wrong).unwrap_err().class(), Class::Usage, "{wrong}");
        }
    }
}
