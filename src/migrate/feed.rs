//! The feed: the source's stream behind reconnects, a byte bound and, in the backfill, the spool.
//!
//! A feed task owns the stream, opens it again behind the last event it handed on, and never drops or repeats one. While chunks are
//! read and loaded nobody takes events, so a spool task writes them to disk; the source may forget only what the spool has synced.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use super::board::{Board, now_us};
use super::meters::Stage;
use super::options::EngineOptions;
use super::retry::Retry;
use crate::change::SourceEvent;
use crate::change::spilled::Spilled;
use crate::error::{Class, Error, Result};
use crate::position::Position;
use crate::schema::SourceCatalog;
use crate::source::{CommitClock, Layouts, Pace, Source, SourceStream};
use crate::state::spool::{SpoolWriter, position_of};

/// Events between the stream task and the epochs, bounded in number besides bytes.
const EVENTS_MAX: usize = 16_384;
/// Spooled bytes after which the spool is synced even while events keep coming.
const SYNC_BYTES: u64 = 1 << 20;

/// An event with its share of the byte bound; dropping it makes room.
pub struct Fed {
    /// The event.
    pub event: SourceEvent,
    /// When it came in.
    pub arrived: Instant,
    /// When the source committed it, by this machine's steady clock; when it came in, where the log does not say so finely.
    pub born: Instant,
    _room: OwnedSemaphorePermit,
}

/// A running stream.
pub struct Feed {
    receiver: mpsc::Receiver<Fed>,
    durable: watch::Sender<Position>,
    opened: watch::Receiver<bool>,
    task: JoinHandle<Error>,
}

impl Feed {
    /// Starts reading behind `position`.
    pub fn start<S: Source>(
        source: Arc<S>,
        catalog: Arc<SourceCatalog>,
        layouts: Layouts,
        position: Position,
        options: &EngineOptions,
        board: Board,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(EVENTS_MAX);
        let room_max = u32::try_from(options.queue_bytes_max).unwrap_or(u32::MAX);
        let room = Arc::new(Semaphore::new(room_max as usize));
        let retry = Retry::new(options.retry_for);
        let bound = options.until_caught_up.then_some(options.retry_for);
        let missing = Missing { since: None, bound, is_given_up: false };
        let (durable, stored) = watch::channel(position.clone());
        let (open, opened) = watch::channel(false);
        let task = tokio::spawn(async move {
            board.saw(&position);
            let mut pump =
                Pump { source, catalog, layouts, position, stored, sender, room, room_max, retry, board, missing, open };
            pump.run().await
        });
        Self { receiver, durable, opened, task }
    }

    /// Says that everything up to `position` survives a crash: the source may forget it. To be said later, and from anywhere.
    pub fn stored(&self, position: Position) -> impl FnOnce() + Send + use<> {
        let durable = self.durable.clone();
        move || drop(durable.send_replace(position))
    }

    /// Answers once every source has accepted to be read from where the state ends. Until then a log that is lost may not be known yet, even
    /// where nothing of it is missing.
    pub fn opened(&self) -> impl Future<Output = ()> + use<> {
        let mut opened = self.opened.clone();
        async move {
            if opened.wait_for(|open| *open).await.is_err() {
                // What ended the stream is said by `next`.
                std::future::pending().await
            }
        }
    }

    /// The next event, waiting for it. Cancel-safe.
    ///
    /// # Errors
    /// What ended the stream for good.
    pub async fn next(&mut self) -> Result<Fed> {
        match self.receiver.recv().await {
            Some(fed) => Ok(fed),
            None => Err(match (&mut self.task).await {
                Ok(error) => error,
                Err(panic) => Error::bug("the stream task ended").because(panic),
            }),
        }
    }

    /// The next event if it comes within `patience`. What ended the stream is said by [`Self::next`]. Cancel-safe.
    pub async fn soon(&mut self, patience: Duration) -> Option<Fed> {
        tokio::time::timeout(patience, self.receiver.recv()).await.ok().flatten()
    }

    /// An event that is already here.
    pub fn ready(&mut self) -> Option<Fed> {
        self.receiver.try_recv().ok()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task behind a feed.
struct Pump<S> {
    source: Arc<S>,
    catalog: Arc<SourceCatalog>,
    layouts: Layouts,
    position: Position,
    stored: watch::Receiver<Position>,
    sender: mpsc::Sender<Fed>,
    room: Arc<Semaphore>,
    room_max: u32,
    retry: Retry,
    board: Board,
    missing: Missing,
    open: watch::Sender<bool>,
}

/// How long one of several sources has been waited for while the others go on.
struct Missing {
    since: Option<Instant>,
    /// A run that is to end cannot wait for ever for what it needs to end.
    bound: Option<Duration>,
    is_given_up: bool,
}

impl Missing {
    fn look(&mut self, reason: Option<&String>) -> Result<()> {
        let Some(reason) = reason else {
            self.since = None;
            return Ok(());
        };
        let waited = self.since.get_or_insert_with(Instant::now).elapsed();
        if self.bound.is_none_or(|bound| waited <= bound) {
            return Ok(());
        }
        self.is_given_up = true;
        Err(Error::new(Class::Unreachable, reason.clone()))
    }
}

impl<S: Source> Pump<S> {
    /// Reads until something ends the stream for good; answers what.
    async fn run(&mut self) -> Error {
        loop {
            let error = match self.read().await {
                Ok(()) => return Error::bug("nobody takes the stream's events"),
                Err(error) => error,
            };
            if self.missing.is_given_up {
                return error;
            }
            if let Err(error) = self.retry.failed(error, &self.board).await {
                return error;
            }
        }
    }

    /// Opens the stream and hands events on; ends in order only when nobody listens any more.
    async fn read(&mut self) -> Result<()> {
        let layouts = Arc::clone(&self.layouts);
        let mut stream = self.source.open_stream(&self.catalog, layouts, &self.position, self.stored.clone()).await?;
        loop {
            if stream.is_open() {
                self.open.send_replace(true);
            }
            let event = stream.next().await?;
            let (arrived, born) = self.measured(&event, stream.pace());
            let waits = stream.waits();
            self.missing.look(waits.as_ref())?;
            match waits.is_none() || *position_of(&event) != self.position {
                true => self.retry.succeeded(&self.board),
                // All were down, and now not all of them are: who is waited for is said below.
                false => self.retry.hide(&self.board),
            }
            // A heartbeat says that nothing happened: whoever lacks it lacks nothing.
            if !matches!(event, SourceEvent::Heartbeat { .. }) {
                self.board.saw(position_of(&event));
            }
            self.board.source_waits(waits);
            let bytes = match &event {
                SourceEvent::Transaction(transaction) => transaction.bytes,
                SourceEvent::SchemaChange(_) | SourceEvent::Heartbeat { .. } => 64,
            };
            let share = u32::try_from(bytes).unwrap_or(u32::MAX).clamp(1, self.room_max);
            let room = Arc::clone(&self.room).acquire_many_owned(share).await;
            let room = room.map_err(|error| Error::bug("the byte bound of the feed is closed").because(error))?;
            let position = position_of(&event).clone();
            if self.sender.send(Fed { event, arrived, born, _room: room }).await.is_err() {
                return Ok(());
            }
            self.position = position;
        }
    }

    /// When an event came in, and when it was committed. Clocks of two machines differ: nothing is taken to come from the future.
    fn measured(&self, event: &SourceEvent, pace: Pace) -> (Instant, Instant) {
        let arrived = Instant::now();
        let SourceEvent::Transaction(transaction) = event else { return (arrived, arrived) };
        let meters = self.board.meters();
        meters.took(transaction.bytes, transaction.spilled.as_ref().map_or(0, Spilled::count));
        meters.record(Stage::Decode, pace.decoding);
        meters.met_clock(pace.clock);
        let age_us = match pace.clock {
            CommitClock::Microseconds => u64::try_from(now_us() - transaction.committed_at_us).unwrap_or(0),
            CommitClock::Seconds => 0,
        };
        (arrived, arrived.checked_sub(Duration::from_micros(age_us)).unwrap_or(arrived))
    }
}

/// How far the spool durably is.
#[derive(Debug, Clone)]
struct Synced {
    position: Position,
    full: bool,
}

/// A running spool task.
pub struct Spooler {
    synced: watch::Receiver<Synced>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<Option<Position>>>,
}

impl Spooler {
    /// Spools everything behind `start`, or behind what the spool file already holds.
    ///
    /// # Errors
    /// `Local` if the spool cannot be opened.
    pub fn start<S: Source>(
        path: PathBuf,
        source: Arc<S>,
        catalog: Arc<SourceCatalog>,
        layouts: Layouts,
        start: Position,
        options: &EngineOptions,
        board: Board,
    ) -> Result<Self> {
        let writer = SpoolWriter::open(&path)?;
        let from = writer.last().cloned().unwrap_or(start);
        let (published, synced) = watch::channel(Synced { position: from.clone(), full: false });
        let (stop, stopped) = watch::channel(false);
        let feed = Feed::start(source, catalog, layouts, from, options, board.clone());
        let task = tokio::spawn(spool(feed, writer, options.spool_bytes_max, published, stopped, board));
        Ok(Self { synced, stop, task })
    }

    /// Waits until the spool durably reaches `position`.
    ///
    /// # Errors
    /// What ended the spool; `Person` if it fills up before it gets there.
    pub async fn reached(&mut self, position: &Position) -> Result<()> {
        let settled = |synced: &Synced| synced.full || synced.position.contains(position);
        let reached = self.synced.wait_for(settled).await.map(|synced| synced.position.contains(position)).ok();
        match reached {
            Some(true) => Ok(()),
            Some(false) => Err(Error::new(Class::Person, "the spool is at its bound before it holds what the chunks show")
                .with_hint(
                    "run again with `--rebuild` at a quieter time, or with more connections so that chunks are read faster",
                )),
            None => Err(self.failure().await),
        }
    }

    /// Whether the task has ended by itself, which is always a failure; answers it.
    pub async fn failed(&mut self) -> Error {
        let mut synced = self.synced.clone();
        while synced.changed().await.is_ok() {}
        self.failure().await
    }

    async fn failure(&mut self) -> Error {
        match (&mut self.task).await {
            Ok(Err(error)) => error,
            Ok(Ok(_)) => Error::bug("the spool task ended early"),
            Err(panic) => Error::bug("the spool task ended").because(panic),
        }
    }

    /// Ends the spool after a last sync; answers where it ends.
    ///
    /// # Errors
    /// What ended the spool before.
    pub async fn stop(mut self) -> Result<Option<Position>> {
        self.stop.send_replace(true);
        match (&mut self.task).await {
            Ok(ended) => ended,
            Err(panic) => Err(Error::bug("the spool task ended").because(panic)),
        }
    }
}

impl Drop for Spooler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Positions of two servers cannot be compared, and the chunks' marks are of the first.
pub(super) fn other_server() -> Error {
    Error::new(Class::Person, "the source is another server than the one the backfill began on")
        .with_hint("run again with `--rebuild`; once a mapping is live it may follow a failover")
}

async fn spool(
    mut feed: Feed,
    mut writer: SpoolWriter,
    bytes_max: u64,
    published: watch::Sender<Synced>,
    mut stopped: watch::Receiver<bool>,
    board: Board,
) -> Result<Option<Position>> {
    loop {
        let full = writer.bytes() >= bytes_max;
        if full {
            published.send_modify(|synced| synced.full = true);
            board.waiting(Some("the spool is at its bound: the stream pauses until the load is done".into()));
        }
        let fed = tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => break,
            fed = feed.next(), if !full => fed?,
        };
        let synced_bytes = writer.bytes();
        let mut next = Some(fed);
        while let Some(fed) = next {
            if !position_of(&fed.event).shares_history_with(&published.borrow().position) {
                return Err(other_server());
            }
            writer.append(&fed.event)?;
            next = if writer.bytes() - synced_bytes < SYNC_BYTES { feed.ready() } else { None };
        }
        writer = synced(writer).await?;
        board.update(|status| status.spool_bytes = writer.bytes());
        if let Some(position) = writer.last().cloned() {
            feed.stored(position.clone())();
            published.send_modify(|synced| synced.position = position);
        }
    }
    Ok(synced(writer).await?.last().cloned())
}

/// Syncs off the async threads: an fsync can take long on a busy disk.
async fn synced(mut writer: SpoolWriter) -> Result<SpoolWriter> {
    let done = tokio::task::spawn_blocking(move || writer.sync().map(|()| writer)).await;
    done.map_err(|panic| Error::new(Class::Bug, "the spool task ended").because(panic))?
}
