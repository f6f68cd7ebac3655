//! Live: source transactions become epochs, each durable in the state before the target hears of it.
//!
//! An idle engine takes a transaction at once; an epoch grows only while the previous one is being written. A schema change of
//! mapped tables stops at its position after everything before it was applied.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::backfill::blocking;
use super::epoch::Epoch;
use super::feed::Feed;
use super::run::{Ended, Engine, Owned};
use super::schema_change;
use crate::error::{Class, Error, Result};
use crate::position::Position;
use crate::source::Source;
use crate::state::spool::{SpoolReader, position_of};
use crate::target::Target;

impl<S: Source, T: Target> Engine<S, T> {
    /// Replays until the goal, a stop request or an error.
    pub(super) async fn live(&self, owned: Vec<Owned>, goal: Option<Position>) -> Result<Ended> {
        for mapping in &owned {
            self.check_outbox(mapping)?;
        }
        let (stop, stopped) = watch::channel(false);
        let mut appliers = JoinSet::new();
        for mapping in owned {
            let (engine, stopped) = (self.clone(), stopped.clone());
            appliers.spawn(async move { engine.apply_forever(mapping, stopped).await });
        }
        let ended = tokio::select! {
            ended = self.take_events(goal) => ended,
            applier = appliers.join_next() => Err(match applier {
                Some(Ok(Err(error))) => error,
                _ => Error::bug("an applier ended"),
            }),
        };
        // What is durable here is applied before the engine ends, unless the target itself is the reason.
        stop.send_replace(true);
        let drained = tokio::time::timeout(std::time::Duration::from_secs(8), async {
            while let Some(applier) = appliers.join_next().await {
                applier.map_err(|panic| Error::bug("an applier ended").because(panic))??;
            }
            Ok::<_, Error>(())
        });
        let drained = drained.await;
        let ended = ended?;
        if let Ok(drained) = drained {
            drained?;
        }
        Ok(ended)
    }

    async fn take_events(&self, goal: Option<Position>) -> Result<Ended> {
        if !self.drain_spool().await? {
            return Ok(Ended::Stopped);
        }
        let mut feed = self.feed(self.progress()?.applied);
        let mut contained = self.contained.subscribe();
        let mut stop = self.stop.clone();
        loop {
            if !self.outbox_has_room().await {
                return Ok(Ended::Stopped);
            }
            let fed = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return Ok(Ended::Stopped),
                () = reached(&mut contained, goal.as_ref(), self.plan.mappings.len()) => return Ok(Ended::CaughtUp),
                fed = feed.next() => fed?,
            };
            let mut epoch = self.epoch()?;
            let mut next = Some(fed);
            while let Some(fed) = next {
                if let Some(full) = epoch.take(fed.event) {
                    self.step(full).await?;
                }
                next = if epoch.is_open() { feed.ready() } else { None };
            }
            let end = epoch.end.as_ref().map(|(position, _)| position.clone());
            self.step(epoch).await?;
            if let Some(position) = end {
                feed.stored(position);
            }
        }
    }

    /// Waits while the target is so far behind that the outbox is at its bound; `false` if a stop was asked for.
    async fn outbox_has_room(&self) -> bool {
        if !self.outbox_is_full() {
            return !*self.stop.borrow();
        }
        let bytes = || self.outbox_bytes.load(std::sync::atomic::Ordering::Relaxed);
        let (begun, at_first) = (std::time::Instant::now(), bytes());
        while self.outbox_is_full() && !*self.stop.borrow() {
            let drained = at_first.saturating_sub(bytes());
            let excess = bytes().saturating_sub(self.options.outbox_bytes_max);
            self.board.waiting(Some(forecast(excess, drained, begun.elapsed())));
            self.wake.notify_waiters();
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        self.board.waiting(None);
        !*self.stop.borrow()
    }

    /// Applies what the backfill's spool still holds, then removes it: from there on the stream is read directly. `false` if a
    /// stop was asked for in between.
    async fn drain_spool(&self) -> Result<bool> {
        let path = self.spool_path();
        if !path.exists() {
            return Ok(true);
        }
        let mut reader = SpoolReader::open(&path)?;
        let applied = self.progress()?.applied;
        loop {
            if !self.outbox_has_room().await {
                return Ok(false);
            }
            let mut epoch = self.epoch()?;
            while epoch.is_open()
                && let Some(event) = reader.next()?
            {
                if !applied.contains(position_of(&event))
                    && let Some(full) = epoch.take(event)
                {
                    self.step(full).await?;
                }
            }
            if epoch.is_empty() {
                break;
            }
            self.step(epoch).await?;
        }
        std::fs::remove_file(&path).map_err(|error| Error::new(Class::Local, "the spool cannot be removed").because(error))?;
        self.board.update(|status| status.spool_bytes = 0);
        Ok(true)
    }

    /// One epoch: derive, make durable, wake the appliers.
    async fn step(&self, epoch: Epoch) -> Result<()> {
        let schema_change = epoch.schema_change.clone();
        if epoch.end.is_some() {
            let (changes, transactions) = (epoch.changes.len() as u64, epoch.transactions);
            let engine = Arc::new(self.clone());
            blocking(move || engine.commit_epoch(&epoch)).await?;
            self.board.update(|status| {
                status.change_count += changes;
                status.transaction_count += transactions;
            });
            self.wake.notify_waiters();
        }
        match schema_change {
            Some(change) => Err(schema_change::stop(&self.plan, &change)),
            None => Ok(()),
        }
    }

    fn feed(&self, position: Position) -> Feed {
        Feed::start(
            Arc::clone(&self.source),
            Arc::clone(&self.catalog),
            Arc::clone(&self.layouts),
            position,
            &self.options,
            self.board.clone(),
        )
    }
}

/// Why the stream pauses, and when it goes on if the target goes on as it did since the pause began.
fn forecast(excess_bytes: u64, drained_bytes: u64, since: std::time::Duration) -> String {
    let reason = "the target is behind: the outbox is at its bound and the stream pauses";
    let rate = drained_bytes as f64 / since.as_secs_f64().max(0.001);
    if rate < 1.0 {
        return format!("{reason}; the target takes nothing at the moment");
    }
    let left_s = (excess_bytes as f64 / rate).ceil().max(1.0);
    format!("{reason}; at the target's present pace it goes on in about {left_s} s")
}

/// Waits until every mapping's checkpoint contains the goal; for ever without a goal.
async fn reached(
    contained: &mut watch::Receiver<std::collections::BTreeMap<crate::plan::MappingId, (Position, i64)>>,
    goal: Option<&Position>,
    mapping_count: usize,
) {
    let Some(goal) = goal else { return std::future::pending().await };
    let all = |contained: &std::collections::BTreeMap<_, (Position, i64)>| {
        contained.len() == mapping_count && contained.values().all(|(position, _)| position.contains(goal))
    };
    if contained.wait_for(all).await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::forecast;

    #[test]
    fn a_paused_stream_says_when_it_goes_on() {
        assert!(forecast(10 << 20, 0, Duration::from_secs(3)).ends_with("takes nothing at the moment"));
        assert!(forecast(10 << 20, 2 << 20, Duration::from_secs(2)).ends_with("in about 10 s"));
        assert!(forecast(1, 2 << 20, Duration::ZERO).ends_with("in about 1 s"));
    }
}
