//! Backfill: chunks into the arrangements while the stream is spooled, then the spool over the chunks.
//!
//! Rows of keyed tables are right whatever the order: the whole spool since the start position is replayed over them as upserts and
//! deletes with full images, and has converged when it is past the greatest high mark of all chunks. Rows of a bag are counted,
//! and counts are not idempotent, so a bag's chunk shows exactly the log up to its high mark and the replay skips that much.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::task::JoinSet;

use super::cutting::{Cutting, Missing};
use super::feed::Spooler;
use super::gather::{Gather, Gathered};
use super::pacing::range_rows;
use super::run::Engine;
use super::steps::LoadStep;
use crate::change::spilled::{Changes, batches};
use crate::change::{Change, Chunk, KeyRange, SourceEvent, Transaction};
use crate::derive::{self, Space};
use crate::error::{Class, Error, Result};
use crate::position::Position;
use crate::schema::TableId;
use crate::source::Source;
use crate::state::meta::{self, ChunkRecord, Partial, Progress, Stage};
use crate::state::sort::Entries;
use crate::state::spool::{SpoolReader, position_of};
use crate::state::{Durability, pieces};
use crate::target::Target;
use crate::value::Value;

/// Bytes of spooled changes replayed in one state batch.
const REPLAY_BYTES: usize = 4 << 20;

/// Ranges that are to be read.
pub(super) type Queue = Arc<Mutex<VecDeque<Missing>>>;

impl<S: Source, T: Target> Engine<S, T> {
    /// Reads every chunk that is not in the state yet. Answers the greatest high mark, `None` if every table is empty.
    pub(super) async fn snapshot(&self, spooler: &mut Spooler) -> Result<Option<Position>> {
        self.postpone_indexes()?;
        let (cutting, gather) = (Cutting::of(0..self.plan.tables.len()), Gather::default());
        let mut workers = JoinSet::new();
        for _ in 0..self.options.connections.max(1) {
            let (engine, cutting, gather) = (self.clone(), cutting.clone(), gather.clone());
            workers.spawn(async move { engine.cut_and_read(&cutting, &gather).await });
        }
        loop {
            tokio::select! {
                worker = workers.join_next() => match worker {
                    None => break,
                    Some(Ok(read)) => read?,
                    Some(Err(panic)) => return Err(Error::bug("a chunk worker ended").because(panic)),
                },
                error = spooler.failed() => return Err(error),
            }
        }
        self.store_rest(&gather).await?;
        self.greatest_high_mark()
    }

    /// Shows into how many chunks a table is cut.
    pub(super) fn show_ranges(&self, table: usize, count: u32) {
        self.board.update(|status| {
            if let Some(progress) = status.tables.get_mut(table) {
                progress.chunks_total = Some(count);
            }
        });
    }

    /// The ranges of a table that was never cut.
    pub(super) async fn ranges(&self, table: usize) -> Result<Vec<KeyRange>> {
        let layout = &self.table(table)?.layout;
        self.throttle.calm(&*self.source, layout).await?;
        let size = self.retried(|| self.source.size(layout)).await?;
        self.pacing.is_sized(layout.id, size);
        let ranges = self.retried(|| self.source.ranges(layout, range_rows(size, &self.options))).await?;
        self.store.commit(vec![meta::put_ranges(layout.id, &ranges)], Durability::Synced)?;
        Ok(ranges)
    }

    /// Reads ranges until there are no more; each read is one batch, with the index entries of its rows.
    pub(super) async fn read_chunks(&self, queue: &Queue) -> Result<()> {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((table, index, range)) = next else { return Ok(()) };
            self.read_range(table, index, range, None).await?;
        }
    }

    /// Reads a range piece by piece, each in a transaction of its own. With `gather` they become parts of sorted runs, without indexes; else each is
    /// one batch, with them.
    pub(super) async fn read_range(&self, table: usize, index: u32, range: KeyRange, gather: Option<&Gather>) -> Result<()> {
        let mut rest = Some(range);
        while let Some(range) = rest {
            let chunk = self.retried(|| self.read_chunk(table, index, &range)).await?;
            rest = chunk.rest.clone();
            match gather.filter(|_| self.table(table).is_ok_and(|table| table.layout.identity.is_some())) {
                Some(gather) => self.gather_chunk(gather, index, chunk).await?,
                None => self.ingest_chunk(index, chunk, gather.is_some()).await?,
            }
        }
        Ok(())
    }

    async fn read_chunk(&self, table: usize, index: u32, range: &KeyRange) -> Result<Chunk> {
        let layout = &self.table(table)?.layout;
        let mut admitted = self.throttle.admit(&*self.source, layout).await?;
        let bounds = self.throttle.within(layout, self.pacing.bounds(layout.id, &self.options));
        let began = Instant::now();
        let chunk = self.source.read_chunk(layout, index, range, bounds).await?;
        let (took, row_count) = (began.elapsed(), chunk.rows.len());
        self.board.took(LoadStep::Read, took, row_count as u64);
        let held: usize = chunk.rows.iter().flatten().map(Value::size_bytes).sum();
        let payload: usize = chunk.rows.iter().flatten().map(Value::payload_bytes).sum();
        self.pacing.took(layout, (row_count, held), took, &self.options);
        admitted.gave(row_count as u64, payload as u64);
        drop(admitted);
        if layout.identity.is_none() && !chunk.exact {
            let message =
                format!("table {} has no key and the source cannot tell which log position a read of it shows", layout.name);
            return Err(Error::new(Class::Preflight, message)
                .with_hint("give the table a primary or unique key, or leave it out of the mapping"));
        }
        Ok(chunk)
    }

    /// Shows rows that are in the state to stay: how many, their bytes, and whether they complete their range.
    pub(super) fn show_rows(&self, (table, row_count, bytes, is_complete): (TableId, u64, u64, bool)) {
        self.board.update(|status| {
            if let Some(progress) = status.tables.get_mut(table.0 as usize) {
                progress.chunks_done += u32::from(is_complete);
                progress.row_count += row_count;
                progress.byte_count += bytes;
            }
        });
    }

    /// Gives what was read to the next run of its table.
    async fn gather_chunk(&self, gather: &Gather, index: u32, chunk: Chunk) -> Result<()> {
        let (engine, table) = (self.clone(), chunk.table);
        let gathered = blocking(move || {
            let began = Instant::now();
            let mut entries = Entries::default();
            derive::chunk_entries(&engine.plan, &chunk, &mut |key, value| entries.push(key, value))?;
            entries.sort();
            let bytes = entries.content_bytes() as u64;
            engine.board.took(LoadStep::Store, began.elapsed(), 0);
            let (record, rest) = record_of(chunk, bytes);
            Ok(Gathered { record, entries: vec![entries], rest, at_ms: engine.options.clock.now_ms() })
        })
        .await?;
        self.gather(gather, table, index, gathered).await
    }

    /// Stores what was read with the index entries of its rows; in a first copy without them: indexes are made behind it.
    async fn ingest_chunk(&self, index: u32, chunk: Chunk, is_first: bool) -> Result<()> {
        let engine = self.clone();
        blocking(move || {
            let (began, row_count, table) = (Instant::now(), chunk.rows.len() as u64, chunk.table);
            let mut mutations = derive::ingest(&engine.plan, &*engine.store, &chunk)?;
            if is_first {
                mutations.retain(|mutation| !matches!(mutation.space, Space::Index(_)));
            }
            let stored = mutations.iter().filter(|mutation| mutation.space == Space::Base(table));
            let bytes = stored.map(|stored| stored.key.len() + stored.value.as_ref().map_or(0, Vec::len)).sum::<usize>() as u64;
            let (record, rest) = record_of(chunk, bytes);
            let is_complete = rest.is_none();
            mutations.push(pieces::advance(&*engine.store, (table, index), record, rest.as_ref())?);
            engine.store.commit(mutations, Durability::Synced)?;
            engine.board.took(LoadStep::Store, began.elapsed(), row_count);
            engine.show_rows((table, row_count, bytes, is_complete));
            Ok(())
        })
        .await
    }

    /// The position at which the replay has converged.
    pub(super) fn greatest_high_mark(&self) -> Result<Option<Position>> {
        let mut greatest: Option<Position> = None;
        for plan in &self.plan.tables {
            pieces::each(&*self.store, plan.layout.id, &mut |_, shown, _| {
                greatest = Some(match greatest.take() {
                    Some(greatest) => greatest.joined(shown.high),
                    None => shown.high,
                });
            })?;
        }
        Ok(greatest)
    }

    /// Replays the spool over the chunks until it is past `high` and at its end for now. Answers where the state stands.
    pub(super) async fn catch_up(&self, spooler: &mut Spooler, high: Option<&Position>) -> Result<()> {
        if let Some(high) = high {
            spooler.reached(high).await?;
        }
        let mut reader = SpoolReader::open(&self.spool_path())?;
        let bags = self.bag_marks()?;
        let mut progress = self.progress()?;
        loop {
            let mut changes = Vec::new();
            let mut bytes = 0;
            let mut last = None;
            let mut large = None;
            while bytes < REPLAY_BYTES
                && let Some(event) = reader.next()?
            {
                let position = position_of(&event).clone();
                if progress.applied.contains(&position) {
                    continue;
                }
                let Some(transaction) = self.replayable(event)? else {
                    last = Some((position, progress.committed_at_us));
                    continue;
                };
                if transaction.spilled.is_some() {
                    large = Some(transaction);
                    break;
                }
                bytes += transaction.bytes;
                let id = transaction.id;
                last = Some((position.clone(), transaction.committed_at_us));
                changes.extend(transaction.changes.into_iter().filter(|change| !covered(&bags, change, &position, id)));
            }
            if last.is_none() && large.is_none() {
                break;
            }
            if let Some((position, committed_at_us)) = last {
                progress = Progress { stage: Stage::CatchUp, applied: position, committed_at_us, partial: None };
                self.replay_batch(changes, progress.clone()).await?;
            }
            if let Some(large) = large {
                progress = self.replay_large(large, &bags, progress).await?;
            }
        }
        // An idle source may not have moved since the start; the start itself is then the state's position.
        if high.is_some_and(|high| !progress.applied.contains(high)) {
            return Err(Error::bug("the spool ended before the greatest high mark"));
        }
        self.set_progress(Progress { stage: Stage::Load, ..progress })
    }

    /// The transaction of a spooled event; a schema change stops.
    fn replayable(&self, event: SourceEvent) -> Result<Option<Transaction>> {
        match event {
            SourceEvent::Transaction(transaction) => Ok(Some(transaction)),
            SourceEvent::Heartbeat { .. } => Ok(None),
            SourceEvent::SchemaChange(change) => Err(super::schema_change::stop(&self.plan, &change)),
        }
    }

    /// Replays a transaction that is too large for memory, batch by batch; how far it is goes with each batch.
    async fn replay_large(
        &self,
        transaction: Transaction,
        bags: &BTreeMap<TableId, ChunkRecord>,
        before: Progress,
    ) -> Result<Progress> {
        let Transaction { position, id, committed_at_us, spilled, changes, .. } = transaction;
        let done =
            before.partial.as_ref().filter(|partial| partial.position == position).map_or(0, |partial| partial.changes_done);
        let progress = Progress { stage: Stage::CatchUp, applied: position.clone(), committed_at_us, partial: None };
        let (engine, bags, last) = (self.clone(), bags.clone(), progress.clone());
        blocking(move || {
            let held = changes.into_iter().map(Ok);
            let all: Changes<'_> = match &spilled {
                Some(spilled) => Box::new(spilled.read()?.chain(held)),
                None => Box::new(held),
            };
            let mut done = done;
            batches(Box::new(all.skip(done)), REPLAY_BYTES, &mut |mut batch| {
                done += batch.len();
                batch.retain(|change| !covered(&bags, change, &position, id));
                let partial = Some(Partial { position: position.clone(), changes_done: done });
                let mut mutations = derive::replay(&engine.plan, &*engine.store, &batch)?;
                mutations.push(meta::put_progress(&Progress { partial, ..before.clone() })?);
                engine.store.commit(mutations, Durability::Buffered)
            })?;
            engine.set_progress(last)
        })
        .await?;
        self.board.update(|status| status.applied = Some(progress.applied.clone()));
        Ok(progress)
    }

    async fn replay_batch(&self, changes: Vec<Change>, progress: Progress) -> Result<()> {
        let engine = self.clone();
        let position = progress.applied.clone();
        blocking(move || {
            let began = Instant::now();
            let mut mutations = derive::replay(&engine.plan, &*engine.store, &changes)?;
            mutations.push(meta::put_progress(&progress)?);
            engine.store.commit(mutations, Durability::Synced)?;
            engine.board.took(LoadStep::Replay, began.elapsed(), changes.len() as u64);
            Ok(())
        })
        .await?;
        self.board.update(|status| status.applied = Some(position));
        Ok(())
    }

    /// Per bag, what its chunk shows exactly.
    fn bag_marks(&self) -> Result<BTreeMap<TableId, ChunkRecord>> {
        let mut marks = BTreeMap::new();
        for plan in self.plan.tables.iter().filter(|plan| plan.layout.identity.is_none()) {
            pieces::each(&*self.store, plan.layout.id, &mut |_, shown, _| drop(marks.insert(plan.layout.id, shown)))?;
        }
        Ok(marks)
    }
}

/// What the state says of rows that it holds, and what of their range is missing.
fn record_of(chunk: Chunk, bytes: u64) -> (ChunkRecord, Option<KeyRange>) {
    let row_count = chunk.rows.len() as u64;
    let record = ChunkRecord { high: chunk.high, row_count, bytes, exact: chunk.exact, visibility: chunk.visibility };
    (record, chunk.rest)
}

/// Whether a bag's chunk already shows a change.
pub(super) fn covered(
    bags: &BTreeMap<TableId, ChunkRecord>,
    change: &Change,
    position: &Position,
    transaction: Option<u32>,
) -> bool {
    bags.get(&change.table).is_some_and(|chunk| match (&chunk.visibility, transaction) {
        (Some(visibility), Some(transaction)) => visibility.shows(transaction),
        _ => chunk.high.covers(position),
    })
}

/// Runs CPU and disk work off the async threads.
pub(super) async fn blocking<R: Send + 'static>(work: impl FnOnce() -> Result<R> + Send + 'static) -> Result<R> {
    tokio::task::spawn_blocking(work).await.map_err(|panic| Error::bug("a worker thread ended").because(panic))?
}
