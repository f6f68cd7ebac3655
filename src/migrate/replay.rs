//! Live: source transactions become epochs, each durable in the state before the target hears of it.
//!
//! An idle engine takes a transaction at once; an epoch grows only while the previous one is being written. A schema change of
//! mapped tables stops the mappings that it concerns, at its position, after everything before it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::epoch::Epoch;
use super::feed::{Fed, Feed};
use super::meters::Stage;
use super::run::{Ended, Engine};
use super::schema_change::Reading;
use super::slice_pace::Changes;
use super::standing::Contained;
use super::worker::Worker;
use crate::change::{SchemaChange, SourceEvent};
use crate::error::{Class, Error, Result};
use crate::plan::MappingId;
use crate::position::Position;
use crate::source::Source;
use crate::state::spool::{SpoolReader, position_of};
use crate::target::Target;

/// How long an epoch waits for what is being decoded where there is a backlog, in which a row that changes often is best derived once.
const BACKLOG_PATIENCE: Duration = Duration::from_millis(10);

/// What the engine does next.
enum Taken {
    Event(Box<Fed>),
    /// Filled tables can join.
    Tables,
    /// Nothing came, and a sweep is under way.
    Sweep,
}

impl<S: Source, T: Target> Engine<S, T> {
    /// Replays until the goal, a stop request, an error, or until nothing is left that goes on.
    pub(super) async fn live(&self, goal: Option<Position>) -> Result<Ended> {
        self.hot.begin();
        let (stop, stopped) = watch::channel(false);
        let mut keepers = JoinSet::new();
        for id in self.mapping_ids() {
            let (engine, stopped) = (self.clone(), stopped.clone());
            keepers.spawn(async move { engine.keep(id, stopped).await });
        }
        let filler = self.clone();
        let mut filling = tokio::spawn(async move {
            filler.fill_tables().await?;
            std::future::pending::<Result<()>>().await
        });
        let ended = tokio::select! {
            filled = &mut filling => Err(match filled {
                Ok(Err(error)) => error,
                _ => Error::bug("the filling of tables ended"),
            }),
            ended = self.take_events(goal) => ended,
            keeper = keepers.join_next() => Err(match keeper {
                Some(Ok(Err(error))) => error,
                _ => Error::bug("the keeper of a mapping ended"),
            }),
        };
        filling.abort();
        // What is durable here is applied before the engine ends, unless the target itself is the reason.
        stop.send_replace(true);
        let drained = tokio::time::timeout(std::time::Duration::from_secs(8), async {
            while let Some(keeper) = keepers.join_next().await {
                keeper.map_err(|panic| Error::bug("the keeper of a mapping ended").because(panic))??;
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
        let worker = Worker::start("epochs")?;
        if !self.drain_spool(&worker).await? {
            return Ok(Ended::Stopped);
        }
        loop {
            let reading = self.reading()?;
            let progress = self.progress()?;
            // The source may forget what the stream is opened behind.
            self.durable.all().await?;
            if let Some(partial) = &progress.partial {
                self.source.resume_within(&partial.position);
            }
            let mut feed = self.feed(progress.applied, &reading);
            match self.take_from(&mut feed, &worker, &reading, goal.as_ref()).await? {
                Some(ended) => return Ok(ended),
                None => tracing::info!("the change stream is opened again, without what is not read any more"),
            }
        }
    }

    /// Takes events until the engine ends; `None` if the stream must be opened again.
    async fn take_from(
        &self,
        feed: &mut Feed,
        worker: &Worker,
        reading: &Reading,
        goal: Option<&Position>,
    ) -> Result<Option<Ended>> {
        let (mut contained, mut hopeless) = (self.contained.subscribe(), self.contained.subscribe());
        let (mut stop, mut changes) = (self.stop.clone(), Changes::default());
        loop {
            let opened = feed.opened();
            let caught_up = async {
                opened.await;
                reached(&mut contained, goal, self.plan.mappings.len()).await;
            };
            let taken = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return Ok(Some(Ended::Stopped)),
                error = self.durable.failed() => return Err(error),
                () = nothing_left(&mut hopeless, self.plan.mappings.len()) => return Err(self.all_stopped()),
                () = caught_up => return Ok(Some(Ended::CaughtUp)),
                joinable = self.joinable() => joinable.map(|()| Taken::Tables)?,
                fed = feed.next() => Taken::Event(Box::new(fed?)),
                () = self.sweep_is_due() => Taken::Sweep,
            };
            let fed = match taken {
                Taken::Event(fed) => *fed,
                Taken::Tables => {
                    self.join_tables().await?;
                    continue;
                }
                Taken::Sweep => {
                    self.sweep(worker, changes.epoch(Instant::now())).await?;
                    continue;
                }
            };
            let epoch = self.gathered(fed, feed, worker, reading).await?;
            let end = epoch.end.as_ref().map(|(position, _)| position.clone());
            let (began, has_changes) = (Instant::now(), epoch.transactions > 0);
            let change = self.step(worker, epoch).await?;
            if has_changes {
                changes.came(Instant::now(), began.elapsed());
            }
            if let Some(position) = end {
                self.durable.then(feed.stored(position));
            }
            if let Some(change) = change {
                self.schema_changed(change, true).await?;
                return Ok(None);
            }
            // By turns: neither waits for the end of the other.
            self.sweep(worker, changes.epoch(Instant::now())).await?;
        }
    }

    /// An epoch of an event and of what is already there behind it.
    async fn gathered(&self, first: Fed, feed: &mut Feed, worker: &Worker, reading: &Reading) -> Result<Epoch> {
        let mut epoch = self.epoch()?;
        let mut next = Some(first);
        while let Some(fed) = next {
            let (arrived, born) = (fed.arrived, fed.born);
            let event = self.as_stored(reading, fed.event)?;
            let is_change = matches!(&event, SourceEvent::Transaction(transaction) if transaction.has_changes());
            if let Some(full) = epoch.take(event) {
                self.step(worker, full).await?;
            }
            if is_change {
                self.board.meters().record(Stage::Queue, arrived.elapsed());
                epoch.was_born(born);
            }
            next = if !epoch.is_open() {
                None
            } else if let Some(fed) = feed.ready() {
                Some(fed)
            } else if epoch.is_of_a_backlog() {
                feed.soon(BACKLOG_PATIENCE).await
            } else {
                None
            };
        }
        Ok(epoch)
    }

    /// Applies what the backfill's spool still holds, then removes it: from there on the stream is read directly. `false` if a
    /// stop was asked for in between.
    async fn drain_spool(&self, worker: &Worker) -> Result<bool> {
        let path = self.spool_path();
        if !path.exists() {
            return Ok(true);
        }
        let mut reader = SpoolReader::open(&path)?;
        let applied = self.progress()?.applied;
        let mut reading = self.reading()?;
        loop {
            if *self.stop.borrow() {
                return Ok(false);
            }
            let mut epoch = self.epoch()?;
            while epoch.is_open()
                && let Some(event) = reader.next()?
            {
                if !applied.contains(position_of(&event))
                    && let Some(full) = epoch.take(self.as_stored(&reading, event)?)
                {
                    self.step(worker, full).await?;
                }
            }
            if epoch.is_empty() {
                break;
            }
            if let Some(change) = self.step(worker, epoch).await? {
                // What is spooled was read for all mappings; it cannot be read again for some of them.
                self.schema_changed(change, false).await?;
                reading = self.reading()?;
            }
        }
        self.durable.all().await?;
        std::fs::remove_file(&path).map_err(|error| Error::new(Class::Local, "the spool cannot be removed").because(error))?;
        self.board.update(|status| status.spool_bytes = 0);
        Ok(true)
    }

    /// One epoch: derive, commit, wake the keepers. Answers the schema change at its end.
    async fn step(&self, worker: &Worker, epoch: Epoch) -> Result<Option<SchemaChange>> {
        let schema_change = epoch.schema_change.clone();
        if epoch.end.is_some() {
            let (changes, transactions) = (epoch.change_count() as u64, epoch.transactions);
            let engine = Arc::new(self.clone());
            worker.run(move || engine.commit_epoch(&epoch)).await?;
            self.board.update(|status| {
                status.change_count += changes;
                status.transaction_count += transactions;
            });
            self.wake.notify_waiters();
        }
        Ok(schema_change)
    }

    fn feed(&self, position: Position, reading: &Reading) -> Feed {
        let (source, catalog) = (Arc::clone(&self.source), Arc::clone(&self.catalog));
        Feed::start(source, catalog, reading.layouts(&self.layouts), position, &self.options, self.board.clone())
    }
}

/// Waits until every mapping has stopped, or has been without its target for longer than is waited.
async fn nothing_left(contained: &mut watch::Receiver<Contained>, mapping_count: usize) {
    if contained.wait_for(|contained| contained.has_nothing_left(mapping_count)).await.is_err() {
        std::future::pending().await
    }
}

/// Waits until the checkpoint of every mapping that goes on contains the goal; for ever without a goal.
async fn reached(contained: &mut watch::Receiver<Contained>, goal: Option<&Position>, mapping_count: usize) {
    let Some(goal) = goal else { return std::future::pending().await };
    let all = |contained: &Contained| {
        let has_goal = |id: &MappingId| contained.positions.get(id).is_some_and(|(position, _)| position.contains(goal));
        let is_exact = |id: &MappingId| !contained.waiting.contains(id) && !contained.sweeping.contains(id);
        let is_current = |id: &MappingId| is_exact(id) && has_goal(id);
        let is_done = |id: MappingId| contained.excused.contains(&id) || contained.unreachable.contains(&id) || is_current(&id);
        // The last mapping may stop between two looks: that is no goal that was reached.
        (0..).map(MappingId).take(mapping_count).all(is_done) && !contained.has_nothing_left(mapping_count)
    };
    if contained.wait_for(all).await.is_err() {
        std::future::pending().await
    }
}
