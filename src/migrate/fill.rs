//! Fill: legacy tables and indexes that a mapping added or changed later reads, while the others stay live.
//!
//! An index is filled before the stream is opened (see [`super::indexes`]). A table is copied in chunks while its changes are put aside: replayed
//! over the chunks once the state is past their greatest high mark, they make its rows exact, and between two epochs it joins the others.
//! A crash before that begins its tables again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

use super::backfill::{Queue, blocking, covered};
use super::run::Engine;
use crate::change::spilled::batches;
use crate::change::{Change, SourceEvent, Transaction};
use crate::derive::{self, Space};
use crate::error::{Class, Error, Result};
use crate::plan::{AccumulatorId, MappingId};
use crate::position::Position;
use crate::schema::{TableId, TableName};
use crate::source::Source;
use crate::state::meta::{self, ChunkRecord};
use crate::state::spool::{SpoolReader, SpoolWriter};
use crate::state::standing::Cause;
use crate::state::unfilled::{self, Unfilled};
use crate::state::{Durability, pieces};
use crate::target::Target;

/// Bytes of changes put aside that are replayed in one batch.
const REPLAY_BYTES: usize = 4 << 20;

/// How often it is asked whether copied tables can join.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(20);

/// The tables that are being filled, and what happens to them meanwhile.
#[derive(Clone, Default)]
pub(super) struct Aside(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    tables: BTreeSet<TableId>,
    writer: Option<SpoolWriter>,
    reader: Option<SpoolReader>,
    /// What the chunks show is in the log up to here; known once all chunks are there.
    high: Option<Position>,
}

impl Aside {
    fn with<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Source, T: Target> Engine<S, T> {
    /// Whether a mapping reads a table that is not filled yet.
    pub(super) fn waits_for_tables(&self, id: MappingId) -> bool {
        let missing = self.aside.with(|aside| aside.tables.clone());
        missing.into_iter().any(|table| self.readers(table).contains(&id))
    }

    /// Begins to put the changes of unfilled tables aside. To be called before the stream is opened.
    pub(super) fn begin_fill(&self) -> Result<()> {
        let missing = unfilled::read(&*self.store)?;
        let names = self.plan.names();
        let tables: BTreeSet<TableId> =
            (0..).map(TableId).zip(&names.tables).filter(|(_, name)| missing.tables.contains(name)).map(|(id, _)| id).collect();
        let path = self.aside_path();
        if path.exists() {
            std::fs::remove_file(&path).map_err(aside_failed)?;
        }
        if tables.is_empty() {
            return Ok(());
        }
        for id in &tables {
            let table = self.table(id.0 as usize)?;
            self.store.clear(Space::Base(*id))?;
            table.indexes.iter().try_for_each(|index| self.store.clear(Space::Index(*index)))?;
            // Groups over it are derived whole until a later start adds them up again.
            for (accumulator, kept) in (0..).map(AccumulatorId).zip(&self.plan.accumulators) {
                let mut aliases = kept.bodies.iter().flat_map(|body| &body.branch.aliases);
                if aliases.any(|alias| alias.table == Some(*id)) {
                    self.store.clear(Space::Accumulator(accumulator))?;
                }
            }
            let mut forgotten = vec![meta::forget_ranges(*id)];
            forgotten.extend(pieces::forget(&*self.store, *id)?);
            self.store.commit(forgotten, Durability::Synced)?;
        }
        let writer = SpoolWriter::open(&path)?;
        let reader = SpoolReader::open(&path)?;
        self.aside.with(|aside| *aside = Inner { tables, writer: Some(writer), reader: Some(reader), high: None });
        Ok(())
    }

    /// Makes the source's stream tell of the tables that are being filled.
    pub(super) async fn widen_stream(&self) -> Result<()> {
        let tables = self.aside.with(|aside| aside.tables.clone());
        let names = tables.iter().map(|table| Ok(self.table(table.0 as usize)?.layout.name.clone()));
        let names: Vec<TableName> = names.collect::<Result<_>>()?;
        if names.is_empty() {
            return Ok(());
        }
        let layouts = self.reading()?.layouts(&self.layouts);
        self.retried(|| self.source.widen(&layouts, &names)).await
    }

    fn aside_path(&self) -> PathBuf {
        self.options.folder.join("spool-added")
    }

    /// Takes the changes of tables that are being filled out of a transaction and puts them aside.
    pub(super) fn put_aside(&self, transaction: &mut Transaction) -> Result<()> {
        self.aside.with(|aside| {
            let Some(writer) = &mut aside.writer else { return Ok(()) };
            let tables = &aside.tables;
            let (kept, taken): (Vec<_>, Vec<_>) =
                std::mem::take(&mut transaction.changes).into_iter().partition(|change| !tables.contains(&change.table));
            transaction.changes = kept;
            let mut append = |taken: Vec<Change>| match taken.is_empty() {
                true => Ok(()),
                false => writer.append(&SourceEvent::Transaction(Transaction { changes: taken, ..without_changes(transaction) })),
            };
            if let Some(spilled) = &transaction.spilled {
                let concerned = spilled.clone().through({
                    let tables = tables.clone();
                    move |change| tables.contains(&change.table).then_some(change)
                });
                batches(concerned.read()?, REPLAY_BYTES, &mut append)?;
            }
            append(taken)?;
            let tables = tables.clone();
            let others = move |change: Change| (!tables.contains(&change.table)).then_some(change);
            transaction.spilled = transaction.spilled.take().map(|spilled| spilled.through(others));
            Ok(())
        })
    }

    /// Copies the unfilled tables and says when they can join. Ends at once if there are none.
    pub(super) async fn fill_tables(&self) -> Result<()> {
        let tables = self.aside.with(|aside| aside.tables.clone());
        if tables.is_empty() {
            return Ok(());
        }
        let Err(error) = self.copy_tables(&tables).await else { return Ok(()) };
        match error.class() {
            Class::Person | Class::Preflight | Class::Privilege | Class::Mapping => {}
            _ => return Err(error),
        }
        let readers: BTreeSet<MappingId> = tables.iter().flat_map(|table| self.readers(*table)).collect();
        let (engine, mut error) = (self.clone(), Some(error));
        blocking(move || {
            let at = engine.places.boundary();
            for id in readers {
                let again = || Error::new(Class::Person, "a table that it reads could not be copied");
                engine.halt(id, Cause::Data, error.take().unwrap_or_else(again), true, &at)?;
            }
            Ok(())
        })
        .await
    }

    async fn copy_tables(&self, tables: &BTreeSet<TableId>) -> Result<()> {
        let queue: Queue = Arc::default();
        for table in tables {
            let place = table.0 as usize;
            let ranges = self.ranges(place).await?;
            self.show_ranges(place, u32::try_from(ranges.len()).unwrap_or(u32::MAX));
            let chunks = (0..).zip(ranges).map(|(index, range)| (place, index, range));
            queue.lock().unwrap_or_else(PoisonError::into_inner).extend(chunks);
        }
        // A table that is empty now may have had rows at the state's position.
        let cut = self.retried(|| self.source.current_position()).await?;
        let mut workers = JoinSet::new();
        for _ in 0..self.options.connections.max(1) {
            let (engine, queue) = (self.clone(), Arc::clone(&queue));
            workers.spawn(async move { engine.read_chunks(&queue).await });
        }
        while let Some(worker) = workers.join_next().await {
            worker.map_err(|panic| Error::bug("a chunk worker ended").because(panic))??;
        }
        let (engine, tables) = (self.clone(), tables.clone());
        let high = blocking(move || {
            engine.replay_aside(&tables)?;
            let mut high = cut;
            for table in &tables {
                pieces::each(&*engine.store, *table, &mut |_, shown, _| high = high.clone().joined(shown.high))?;
            }
            Ok(high)
        })
        .await?;
        self.aside.with(|aside| aside.high = Some(high));
        self.wake.notify_waiters();
        Ok(())
    }

    /// Replays what is put aside, as far as it is written.
    fn replay_aside(&self, tables: &BTreeSet<TableId>) -> Result<()> {
        let mut bags: BTreeMap<TableId, ChunkRecord> = BTreeMap::new();
        for table in tables {
            if self.table(table.0 as usize)?.layout.identity.is_none() {
                pieces::each(&*self.store, *table, &mut |_, shown, _| drop(bags.insert(*table, shown)))?;
            }
        }
        let reader = self.aside.with(|aside| {
            aside.writer.iter_mut().try_for_each(SpoolWriter::sync)?;
            Ok::<_, Error>(aside.reader.take())
        })?;
        let Some(mut reader) = reader else { return Ok(()) };
        loop {
            let (mut changes, mut count, mut bytes) = (Vec::new(), 0, 0);
            while bytes < REPLAY_BYTES
                && let Some(event) = reader.next()?
            {
                count += 1;
                let SourceEvent::Transaction(transaction) = event else { continue };
                bytes += transaction.bytes;
                let (position, id) = (transaction.position, transaction.id);
                changes.extend(transaction.changes.into_iter().filter(|change| !covered(&bags, change, &position, id)));
            }
            if count == 0 {
                self.aside.with(|aside| aside.reader = Some(reader));
                return Ok(());
            }
            let mutations = derive::replay(&self.plan, &*self.store, &changes)?;
            self.store.commit(mutations, Durability::Buffered)?;
        }
    }

    /// Whether the copied tables can join now: every event that was taken so far is in the state.
    fn can_join(&self) -> Result<bool> {
        let Some(high) = self.aside.with(|aside| aside.high.clone()) else { return Ok(false) };
        let progress = self.progress()?;
        Ok(progress.partial.is_none() && progress.applied.contains(&high))
    }

    /// Waits until the copied tables can join; for ever if there are none.
    pub(super) async fn joinable(&self) -> Result<()> {
        if self.aside.with(|aside| aside.tables.is_empty()) {
            return std::future::pending().await;
        }
        while !self.can_join()? {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Lets the copied tables join the others, between two epochs; nothing that was put aside is behind the state's position.
    pub(super) async fn join_tables(&self) -> Result<()> {
        let engine = self.clone();
        blocking(move || {
            let _at = engine.places.boundary();
            let tables = engine.aside.with(|aside| aside.tables.clone());
            engine.replay_aside(&tables)?;
            let names = engine.plan.names();
            let mut missing: Unfilled = unfilled::read(&*engine.store)?;
            let joined: BTreeSet<&String> = tables.iter().filter_map(|table| names.tables.get(table.0 as usize)).collect();
            missing.tables.retain(|name| !joined.contains(name));
            engine.store.commit(vec![unfilled::put(&missing)?], Durability::Synced)?;
            engine.aside.with(|aside| *aside = Inner::default());
            std::fs::remove_file(engine.aside_path()).map_err(aside_failed)
        })
        .await?;
        tracing::info!("the added tables are complete");
        self.wake.notify_waiters();
        Ok(())
    }
}

fn without_changes(transaction: &Transaction) -> Transaction {
    Transaction { spilled: None, changes: Vec::new(), position: transaction.position.clone(), ..*transaction }
}

fn aside_failed(error: std::io::Error) -> Error {
    Error::new(Class::Local, "the spool of added tables cannot be removed").because(error)
}
