//! The change stream: the copy stream of a slot, read by our own decoder.
//!
//! Goes in: a proven position. Comes out: transactions, schema changes, heartbeats. Reading is driven by whoever asks for the next event, so
//! that a slow reader slows the server and holds no memory here; a task of its own answers the server every few seconds meanwhile, with
//! what is stored durably and nothing more. A connection that is silent for 30 seconds although asked is unreachable, unless the server's
//! sender is busy reading. On an idle database
//! the server's own reading is passed on as heartbeats, so that its log never grows because nothing mapped changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::connect::{OnExceed, Pool, cell};
use super::decode::message::{self, Message, Relation};
use super::relations::Relations;
use super::replication::client::{Copied, Copy, Reading, Status};
use super::transaction::Assembler;
use super::watch::{News, watch};
use super::{history, names};
use crate::change::{SchemaChange, SourceEvent};
use crate::error::{Class, Error, Result};
use crate::position::{Lsn, Position};
use crate::schema::TableSchema;
use crate::source::{CommitClock, Layouts, Pace, SourceStream};

/// How long a connection may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How often the server is told what is stored, and asked for a sign of life.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// The least time between two statuses.
const STATUS_PAUSE: Duration = Duration::from_millis(200);
/// At most one heartbeat in this time.
const COALESCE: Duration = Duration::from_millis(200);

/// What a stream is made of.
pub(super) struct Parts {
    /// The running copy stream.
    pub(super) copy: Copy,
    /// Empty, behind the proven position.
    pub(super) assembler: Assembler,
    /// The source's connections.
    pub(super) pool: Arc<Pool>,
    /// The mapped tables.
    pub(super) layouts: Layouts,
    /// What was recorded of them.
    pub(super) recorded: Vec<TableSchema>,
    /// How far the engine has stored what it got.
    pub(super) durable: watch::Receiver<Position>,
    /// What was found at the start, if anything.
    pub(super) found: Option<News>,
    /// Whether the next stream may get transactions before their commit.
    pub(super) streaming: Arc<AtomicBool>,
}

/// An open change stream.
pub struct WalStream {
    reading: Option<Reading>,
    assembler: Assembler,
    relations: Relations,
    /// A relation message whose meaning is being asked for.
    undescribed: Option<Relation>,
    pool: Arc<Pool>,
    heard: Instant,
    given: Instant,
    /// The server gave a sign of life, and nothing was told for a while.
    beat: bool,
    shared: Arc<Shared>,
    found: Option<News>,
    news: mpsc::Receiver<News>,
    streaming: Arc<AtomicBool>,
    /// Decoding since the last event was given, and of the one given last.
    decoding: Duration,
    pace: Pace,
    tasks: [JoinHandle<()>; 2],
}

/// What the tasks beside the stream need to know.
struct Shared {
    received: AtomicU64,
    asked: Notify,
    /// The slot holds more log than it may, and is dropped whether or not anybody takes events.
    given_up: AtomicBool,
    end: Notify,
}

impl Drop for WalStream {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl WalStream {
    /// Starts the tasks beside the stream.
    pub(super) async fn open(parts: Parts) -> Result<Self> {
        let Parts { copy, mut assembler, pool, layouts, recorded, durable, found, streaming } = parts;
        let mut relations = Relations::new(Arc::clone(&pool), Arc::clone(&layouts), &recorded);
        relations.partitions(&mut assembler).await?;
        let shared = Arc::new(Shared {
            received: AtomicU64::new(assembler.lsn().0),
            asked: Notify::new(),
            given_up: AtomicBool::new(false),
            end: Notify::new(),
        });
        let (sender, news) = mpsc::channel(1);
        let tasks = [
            tokio::spawn(answer(copy.status, durable, Arc::clone(&shared))),
            tokio::spawn(look_after(Arc::clone(&pool), recorded, layouts, sender, Arc::clone(&shared))),
        ];
        let now = Instant::now();
        let reading = Some(copy.reading);
        Ok(Self {
            reading,
            assembler,
            relations,
            undescribed: None,
            pool,
            heard: now,
            given: now,
            beat: false,
            shared,
            found,
            news,
            streaming,
            decoding: Duration::ZERO,
            pace: Pace::default(),
            tasks,
        })
    }

    fn take(&mut self, copied: Copied) -> Result<()> {
        self.heard = Instant::now();
        match copied {
            Copied::Keepalive { end, reply } => {
                self.assembler.read_up_to(end);
                self.beat = self.given.elapsed() >= STATUS_EVERY;
                if reply {
                    self.shared.asked.notify_one();
                }
            }
            Copied::Data(payload) => match message::read(&payload, self.assembler.in_block()) {
                Ok(Message::Relation(relation)) => self.undescribed = Some(relation),
                Ok(message) => {
                    let fed = self.assembler.feed(message);
                    if self.assembler.holds_too_much() {
                        // The next stream gets whole, committed transactions; the server keeps the others.
                        self.streaming.store(false, Ordering::Relaxed);
                    }
                    fed?;
                }
                Err(error) => return Err(error.context(format!("the log behind {} cannot be read", self.assembler.position()))),
            },
        }
        self.shared.received.fetch_max(self.assembler.lsn().0, Ordering::Relaxed);
        Ok(())
    }

    /// Asks what a relation is; the message stays until the answer is there, also when the caller gives up in between.
    async fn describe(&mut self) -> Result<()> {
        if let Some(relation) = &self.undescribed {
            let known = self.relations.known(relation).await?;
            let id = relation.id;
            self.assembler.learn(id, known);
            self.undescribed = None;
        }
        Ok(())
    }

    /// Whether there is something to tell about how far the log was read: at once to begin with, then now and then.
    fn heartbeat_due(&self) -> bool {
        self.beat || (self.assembler.has_advanced() && self.given.elapsed() >= COALESCE)
    }

    fn told(&self, news: News) -> Result<SourceEvent> {
        match news {
            News::Changed(tables, description) => {
                let change = SchemaChange { position: self.assembler.position(), tables, description };
                Ok(SourceEvent::SchemaChange(change))
            }
            News::SlotLimit(error) => Err(error),
        }
    }

    /// Whether the server's sender is at work: on a large transaction it may neither send nor answer for minutes, and a new connection
    /// would only make it begin again. One that waits for its client while we hear nothing has lost its connection.
    async fn server_is_reading(&self) -> Result<bool> {
        let lease = self.pool.own().await?;
        let sql = format!(
            "SELECT a.wait_event_type FROM pg_replication_slots s JOIN pg_stat_activity a ON a.pid = s.active_pid WHERE s.slot_name = {}",
            names::literal(&self.pool.options().slot)
        );
        let rows = lease.rows("ask what the sender does", &sql).await?;
        lease.give_back();
        Ok(rows.first().is_some_and(|row| !matches!(cell(row, 0), "Client" | "Activity")))
    }

    async fn read(&mut self) -> Result<Option<Copied>> {
        let silence = SILENCE_MAX.saturating_sub(self.heard.elapsed());
        let patience =
            if self.assembler.has_advanced() { silence.min(COALESCE.saturating_sub(self.given.elapsed())) } else { silence };
        let reading = self.reading.as_mut().ok_or_else(|| Error::new(Class::Person, "the change stream was given up"))?;
        match tokio::time::timeout(patience, reading.copied()).await {
            Ok(copied) => copied.map(Some),
            Err(_) if self.heard.elapsed() >= SILENCE_MAX => {
                if self.server_is_reading().await? {
                    self.heard = Instant::now();
                    return Ok(None);
                }
                Err(Error::new(Class::Unreachable, "the change stream was silent for 30 seconds"))
            }
            Err(_) => Ok(None),
        }
    }
}

impl SourceStream for WalStream {
    async fn next(&mut self) -> Result<SourceEvent> {
        // While nobody asked, nobody listened either.
        self.heard = Instant::now().checked_sub(STATUS_EVERY).map_or(self.heard, |recent| recent.max(self.heard));
        loop {
            if let Some(found) = self.found.take() {
                return self.told(found);
            }
            if let Some(event) = self.assembler.pop() {
                self.given = Instant::now();
                let decoding = std::mem::take(&mut self.decoding);
                self.pace = Pace { decoding, clock: CommitClock::Microseconds };
                return Ok(event);
            }
            if self.heartbeat_due() {
                self.beat = false;
                self.given = Instant::now();
                return Ok(self.assembler.heartbeat());
            }
            self.describe().await?;
            if let Ok(news) = self.news.try_recv() {
                self.found = Some(news);
                continue;
            }
            let copied = self.read().await;
            if self.shared.given_up.load(Ordering::Relaxed) {
                // The connection ended because of what the news say.
                self.found = self.news.recv().await;
                continue;
            }
            if let Some(copied) = copied? {
                let taken = self.take(copied);
                self.decoding += self.heard.elapsed();
                taken?;
            }
        }
    }

    fn pace(&self) -> Pace {
        self.pace
    }
}

/// Tells the server again and again what has arrived and what is stored, whatever the reader does.
async fn answer(mut status: Status, mut durable: watch::Receiver<Position>, shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(STATUS_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let ask = tokio::select! {
            _ = tick.tick() => true,
            () = shared.asked.notified() => false,
            () = shared.end.notified() => {
                let _gone_already = status.end().await;
                return;
            }
            changed = durable.changed() => {
                if changed.is_err() {
                    return;
                }
                false
            }
        };
        let stored = match &*durable.borrow_and_update() {
            Position::Wal(position) => Lsn(position.lsn),
            Position::Binlog(_) | Position::Several(_) => return,
        };
        let received = Lsn(shared.received.load(Ordering::Relaxed).max(stored.0));
        if status.send(received, stored, ask, now_us()).await.is_err() {
            // The reader meets the same broken connection.
            return;
        }
        tokio::time::sleep(STATUS_PAUSE).await;
    }
}

/// Watches the slot and the catalogue. A slot beyond its limit is dropped here if the project says so: the reader may be waiting for room.
async fn look_after(
    pool: Arc<Pool>,
    recorded: Vec<TableSchema>,
    layouts: Layouts,
    sender: mpsc::Sender<News>,
    shared: Arc<Shared>,
) {
    let Some(found) = watch(&pool, recorded, layouts, &sender).await else { return };
    let drops = pool.options().slot_limit.is_some_and(|limit| limit.on_exceed == OnExceed::Drop);
    if drops && matches!(found, News::SlotLimit(_)) {
        shared.given_up.store(true, Ordering::Relaxed);
        shared.end.notify_one();
        if let Err(error) = drop_slot(&pool).await {
            tracing::error!(%error, "the slot holds more log than it may, and could not be dropped");
        }
    }
    let _nobody_listens = sender.send(found).await;
}

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or(0)
}

/// Drops the slot, once its reader is gone.
///
/// # Errors
/// Errors of the server; `Unreachable` while somebody reads it.
pub(super) async fn drop_slot(pool: &Arc<Pool>) -> Result<()> {
    let name = &pool.options().slot;
    let lease = pool.writer().await?;
    let attempt = format!("drop the replication slot {name}");
    let started = Instant::now();
    loop {
        match history::slot(&lease, name).await? {
            None => return Ok(()),
            Some(slot) if slot.active_pid.is_empty() => {
                return lease.execute(&attempt, &format!("SELECT pg_drop_replication_slot({})", names::literal(name))).await;
            }
            Some(slot) if started.elapsed() > SILENCE_MAX => {
                let message = format!("could not {attempt}: process {} of the source reads it", slot.active_pid);
                return Err(Error::new(Class::Unreachable, message).with_hint("stop the engine that reads it"));
            }
            Some(_) => tokio::time::sleep(STATUS_PAUSE).await,
        }
    }
}
