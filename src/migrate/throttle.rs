//! Throttle: no chunk is begun while a legacy server has enough to do, or has given enough for now.
//!
//! Per source a gate with its [`Limits`], which may change while chunks are read. A chunk passes when a connection is free, when the rows and bytes
//! given so far are within their rates, and when the server's load, looked at every second, is within its bounds. A load that cannot be
//! read keeps the gate closed. Why it is closed is on the board.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::board::Board;
use super::options::EngineOptions;
use crate::error::{Class, Error, Result};
use crate::schema::TableLayout;
use crate::source::limits::Limits;
use crate::source::{ReadBounds, Source};

/// How old an answer about the load may be.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a look may take: a server that is slower is loaded.
const LOOK_PATIENCE: Duration = Duration::from_secs(6);
/// How often a closed gate is tried again: a limit that was raised opens it soon.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// Rows of one read however low a rate is: each read costs the server something of its own.
const READ_ROWS_MIN: u64 = 100;

/// The gates of an engine's sources. Clones share everything.
#[derive(Clone)]
pub struct Throttle {
    gates: Arc<BTreeMap<String, Gate>>,
    board: Board,
    retry_for: Duration,
}

struct Gate {
    /// How many connections there are at most, whatever the limit says.
    connections_max: u64,
    inner: Mutex<Inner>,
    look: tokio::sync::Mutex<Look>,
}

struct Inner {
    limits: Limits,
    reading: u64,
    rows: Debt,
    bytes: Debt,
    /// What the last chunk was, which is what the next one is taken for until it is read.
    last: (u64, u64),
    paid_at: Instant,
}

/// What was taken beyond the rate, and is waited for.
#[derive(Debug, Default, Clone, Copy)]
struct Debt(f64);

impl Debt {
    fn pay(&mut self, rate: Option<f64>, passed: Duration) {
        self.0 = rate.map_or(0.0, |rate| self.0 - rate * passed.as_secs_f64()).max(0.0);
    }

    /// How long until it is paid.
    fn wait(self, rate: Option<f64>) -> Option<Duration> {
        rate.filter(|_| self.0 > 0.0).map(|rate| Duration::from_secs_f64((self.0 / rate).min(3_600.0)))
    }
}

/// The last answer about the load.
#[derive(Default)]
struct Look {
    at: Option<(Instant, Limits)>,
    reason: Option<String>,
    unread_since: Option<Instant>,
}

/// A chunk that may be read; its connection is free again when this is dropped.
pub(super) struct Admitted<'t> {
    gate: Option<&'t Gate>,
    taken: (u64, u64),
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if let Some(gate) = self.gate {
            gate.with(|inner| inner.reading = inner.reading.saturating_sub(1));
        }
    }
}

impl Admitted<'_> {
    /// The chunk had so many rows and bytes.
    pub(super) fn gave(&mut self, rows: u64, bytes: u64) {
        let Some(gate) = self.gate else { return };
        let (taken_rows, taken_bytes) = std::mem::replace(&mut self.taken, (rows, bytes));
        gate.with(|inner| {
            inner.last = (rows, bytes);
            inner.rows.0 += rows as f64 - taken_rows as f64;
            inner.bytes.0 += bytes as f64 - taken_bytes as f64;
        });
    }
}

impl Inner {
    fn rates(&self) -> (Option<f64>, Option<f64>) {
        (self.limits.rows_per_second.map(|rows| rows as f64), self.limits.mb_per_second.map(|mb| mb as f64 * 1e6))
    }

    /// Why nothing may be taken at `now`, and until when at least; what was waited for is paid.
    fn owes(&mut self, now: Instant) -> Option<(Duration, String)> {
        let (rows, bytes) = self.rates();
        let passed = now.duration_since(self.paid_at);
        self.paid_at = now;
        self.rows.pay(rows, passed);
        self.bytes.pay(bytes, passed);
        let by_rows = self.rows.wait(rows).zip(self.limits.rows_per_second);
        let by_bytes = self.bytes.wait(bytes).zip(self.limits.mb_per_second);
        let by_rows = by_rows.map(|(wait, rate)| (wait, format!("rows_per_second is {rate}")));
        let by_bytes = by_bytes.map(|(wait, rate)| (wait, format!("mb_per_second is {rate}")));
        by_rows.into_iter().chain(by_bytes).max_by_key(|(wait, _)| *wait)
    }
}

impl Gate {
    fn new(limits: Limits, connections_max: u64) -> Self {
        let paid_at = Instant::now();
        let (rows, bytes) = (Debt::default(), Debt::default());
        let inner = Inner { limits, reading: 0, rows, bytes, last: (0, 0), paid_at };
        Self { connections_max, inner: Mutex::new(inner), look: tokio::sync::Mutex::default() }
    }

    fn with<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a chunk, or says how long to wait and, where that is the server's good, why.
    fn take(&self) -> std::result::Result<Admitted<'_>, (Duration, Option<String>)> {
        self.with(|inner| {
            if let Some((wait, reason)) = inner.owes(Instant::now()) {
                return Err((wait, Some(reason)));
            }
            if inner.reading >= inner.limits.connections {
                return Err((TRY_EVERY, None));
            }
            let taken = inner.last;
            inner.reading += 1;
            inner.rows.0 += taken.0 as f64;
            inner.bytes.0 += taken.1 as f64;
            Ok(Admitted { gate: Some(self), taken })
        })
    }
}

impl Throttle {
    /// Gates over the limits of the sources, by name.
    #[must_use]
    pub fn new(options: &EngineOptions, board: Board) -> Self {
        let mut gates = BTreeMap::new();
        for (source, limits) in &options.limits {
            board.limited(source, limits.clone());
            let raised = options.connections_max.get(source).and_then(|max| u64::try_from(*max).ok());
            let connections_max = raised.unwrap_or(0).max(limits.connections);
            gates.insert(source.clone(), Gate::new(limits.clone(), connections_max));
        }
        Self { gates: Arc::new(gates), board, retry_for: options.retry_for }
    }

    /// The gate of the source that a table belongs to; nothing where no limits were given.
    fn gate(&self, layout: &TableLayout) -> Option<(&String, &Gate)> {
        match layout.name.apart() {
            Some((source, _)) if self.gates.len() > 1 => self.gates.get_key_value(source),
            _ => self.gates.iter().next(),
        }
    }

    /// What one read of a table takes at most under the rates of its source: about what a second allows, so that a rate is no average over long
    /// waits.
    pub(super) fn within(&self, layout: &TableLayout, bounds: ReadBounds) -> ReadBounds {
        let Some((_, gate)) = self.gate(layout) else { return bounds };
        let (rows, mb) = gate.with(|inner| (inner.limits.rows_per_second, inner.limits.mb_per_second));
        let rows = rows.map_or(u32::MAX, |rows| u32::try_from(rows.max(READ_ROWS_MIN)).unwrap_or(u32::MAX));
        let bytes = mb.map_or(usize::MAX, |mb| usize::try_from(mb.saturating_mul(1_000_000)).unwrap_or(usize::MAX));
        ReadBounds { rows_max: bounds.rows_max.min(rows), bytes_max: bounds.bytes_max.min(bytes) }
    }

    /// Waits until a chunk of a table may be read.
    ///
    /// # Errors
    /// The load cannot be read for good.
    pub(super) async fn admit<S: Source>(&self, source: &S, layout: &TableLayout) -> Result<Admitted<'_>> {
        let Some((name, gate)) = self.gate(layout) else { return Ok(Admitted { gate: None, taken: (0, 0) }) };
        loop {
            let (wait, reason) = match self.overload(source, name, gate).await? {
                Some(reason) => (LOOK_EVERY, Some(reason)),
                None => match gate.take() {
                    Ok(admitted) => return Ok(admitted),
                    Err(closed) => closed,
                },
            };
            let wait = wait.min(TRY_EVERY);
            if let Some(reason) = reason {
                self.board.throttled(name, reason, wait);
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Waits until the server of a table has time for other work than chunks.
    ///
    /// # Errors
    /// The load cannot be read for good.
    pub(super) async fn calm<S: Source>(&self, source: &S, layout: &TableLayout) -> Result<()> {
        let Some((name, gate)) = self.gate(layout) else { return Ok(()) };
        while let Some(reason) = self.overload(source, name, gate).await? {
            self.board.throttled(name, reason, TRY_EVERY);
            tokio::time::sleep(TRY_EVERY).await;
        }
        Ok(())
    }

    /// What of the load is above its bound, by an answer that is a second old at most.
    async fn overload<S: Source>(&self, source: &S, name: &str, gate: &Gate) -> Result<Option<String>> {
        let limits = gate.with(|inner| inner.limits.clone());
        if !limits.looks_at_load() {
            return Ok(None);
        }
        let mut look = gate.look.lock().await;
        if look.at.as_ref().is_some_and(|(at, of)| at.elapsed() < LOOK_EVERY && *of == limits) {
            return Ok(look.reason.clone());
        }
        let load = tokio::time::timeout(LOOK_PATIENCE, source.load(name, &limits))
            .await
            .unwrap_or_else(|_| Err(Error::new(Class::Unreachable, format!("source {name} did not tell its load in time"))));
        let reason = match load.and_then(|load| limits.exceeded(&load)) {
            Ok(reason) => {
                look.unread_since = None;
                reason
            }
            Err(error) if error.class().is_transient() => {
                let since = *look.unread_since.get_or_insert_with(Instant::now);
                if since.elapsed() > self.retry_for {
                    return Err(error);
                }
                Some(format!("the load cannot be read: {error}"))
            }
            Err(error) => return Err(error),
        };
        look.at = Some((Instant::now(), limits));
        look.reason.clone_from(&reason);
        Ok(reason)
    }

    /// Changes limits of a source, until the engine ends. The server is asked before they hold: what it cannot tell is refused.
    ///
    /// # Errors
    /// `Usage` for a setting that makes no sense; `Preflight` for what the server does not have; it cannot be asked.
    pub async fn change<S: Source>(&self, source: &S, name: &str, settings: &[String]) -> Result<Limits> {
        let gate = self.gates.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.gates.keys().map(String::as_str).collect();
            Error::new(Class::Usage, format!("the engine reads no source {name}"))
                .with_hint(format!("there are: {}", known.join(", ")))
        })?;
        let mut limits = gate.with(|inner| inner.limits.clone());
        for setting in settings {
            limits = limits.with(setting)?;
        }
        if limits.connections > gate.connections_max {
            let message = format!("source {name} has {} connections at most in this run", gate.connections_max);
            return Err(Error::new(Class::Usage, message)
                .with_hint("raise `connections_max` of its limits in the project file and start the engine again"));
        }
        if limits.looks_at_load() {
            let load = tokio::time::timeout(LOOK_PATIENCE, source.load(name, &limits)).await;
            let late = |_| Error::new(Class::Unreachable, format!("source {name} did not tell its load in time"));
            let _above_or_not = limits.exceeded(&load.map_err(late)??)?;
        }
        gate.with(|inner| {
            if inner.limits.rows_per_second != limits.rows_per_second || inner.limits.mb_per_second != limits.mb_per_second {
                (inner.rows, inner.bytes) = (Debt::default(), Debt::default());
            }
            inner.limits = limits.clone();
        });
        self.board.limited(name, limits.clone());
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(settings: &[&str]) -> Gate {
        let limits = settings.iter().fold(Limits::default(), |limits, setting| limits.with(setting).unwrap());
        let connections_max = limits.connections;
        Gate::new(limits, connections_max)
    }

    /// Lets time pass for a gate.
    fn pass(gate: &Gate, seconds: u64) {
        gate.with(|inner| inner.paid_at -= Duration::from_secs(seconds));
    }

    #[test]
    fn rows_beyond_the_rate_are_waited_for() {
        let gate = gate(&["rows_per_second=1000"]);
        gate.take().unwrap().gave(5_000, 100_000);
        let (wait, reason) = gate.take().err().unwrap();
        assert!(wait > Duration::from_secs(4) && wait <= Duration::from_secs(5), "{wait:?}");
        assert_eq!(reason.as_deref(), Some("rows_per_second is 1000"));
        pass(&gate, 5);
        // The next chunk is taken for as large as the last until it is read.
        let mut second = gate.take().unwrap();
        assert!(gate.take().is_err());
        second.gave(0, 0);
        assert!(gate.take().is_ok());
    }

    #[test]
    fn bytes_beyond_the_rate_are_waited_for() {
        let gate = gate(&["mb_per_second=2", "rows_per_second=1000000"]);
        gate.take().unwrap().gave(10, 6_000_000);
        let (wait, reason) = gate.take().err().unwrap();
        assert!(wait > Duration::from_secs(2), "{wait:?}");
        assert_eq!(reason.as_deref(), Some("mb_per_second is 2"));
    }

    #[test]
    fn no_more_chunks_than_connections_are_read_at_once() {
        let gate = gate(&["connections=2"]);
        let (first, _second) = (gate.take().unwrap(), gate.take().unwrap());
        assert_eq!(gate.take().err().unwrap().1, None, "that a connection is busy is no news");
        drop(first);
        assert!(gate.take().is_ok());
    }

    #[test]
    fn without_rates_nothing_is_owed() {
        let gate = gate(&[]);
        gate.take().unwrap().gave(u64::from(u32::MAX), 1 << 40);
        assert!(gate.take().is_ok());
    }
}
