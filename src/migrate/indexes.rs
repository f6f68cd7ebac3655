//! Indexes over stored rows, each made in one go: after the first copy of all tables, and when a mapping adds one later.
//!
//! Row by row an index is written in random order, which costs several times what it is worth. So a table is read once in its own order,
//! the entries of all its indexes that are to be made are sorted, beyond a bound on disk, and each index goes into the state as
//! one run. Nothing else may move meanwhile. Which indexes are to be made is a record of the state; a crash begins those anew that
//! were not complete.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::backfill::blocking;
use super::run::Engine;
use super::steps::LoadStep;
use crate::derive::{self, Mutation, Space};
use crate::error::Result;
use crate::plan::IndexId;
use crate::schema::TableId;
use crate::source::Source;
use crate::state::sort::Sorter;
use crate::state::unfilled::{self, Unfilled};
use crate::state::{Durability, SortedEntries};
use crate::target::Target;

/// A sorter with less memory than this writes files of no useful size.
const SORTER_BYTES_MIN: usize = 256 << 10;

impl<S: Source, T: Target> Engine<S, T> {
    /// Records that every index is to be made; once, at the beginning of a first copy.
    pub(super) fn postpone_indexes(&self) -> Result<()> {
        if unfilled::is_recorded(&*self.store)? {
            return Ok(());
        }
        let names = self.plan.names().indexes;
        let indexes = self.plan.indexes.iter().zip(names).filter(|(index, _)| !index.over_identity);
        let unfilled = Unfilled { tables: Vec::new(), indexes: indexes.map(|(_, name)| name).collect() };
        self.store.commit(vec![unfilled::put(&unfilled)?], Durability::Synced)
    }

    /// Makes the indexes that are still to be made. Nothing moves meanwhile.
    pub(super) async fn fill_indexes(&self) -> Result<()> {
        let engine = self.clone();
        blocking(move || {
            let missing = unfilled::read(&*engine.store)?;
            let names = engine.plan.names().indexes;
            let mut wanted: BTreeMap<TableId, Vec<IndexId>> = BTreeMap::new();
            for ((id, index), name) in (0..).map(IndexId).zip(&engine.plan.indexes).zip(&names) {
                if missing.indexes.contains(name) {
                    wanted.entry(index.table).or_default().push(id);
                }
            }
            let tables = wanted.keys().filter_map(|table| engine.plan.tables.get(table.0 as usize));
            let estimate = tables.map(|table| table.schema.row_estimate).sum();
            // Large tables first: the last one to end is then a small one.
            let mut wanted: Vec<(TableId, Vec<IndexId>)> = wanted.into_iter().collect();
            wanted.sort_by_key(|(table, _)| {
                std::cmp::Reverse(engine.plan.tables.get(table.0 as usize).map_or(0, |table| table.schema.row_estimate))
            });
            let made = Mutex::new((missing, Vec::new()));
            wanted.into_par_iter().with_max_len(1).try_for_each(|(table, indexes)| {
                let (rows, small) = engine.make_indexes(table, &indexes)?;
                engine.board.filled("indexes", rows, estimate);
                let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                let is_run = |name: &String| {
                    let place = indexes.iter().position(|id| names.get(id.0 as usize) == Some(name));
                    place.is_some_and(|place| small.get(place).is_some_and(Option::is_none))
                };
                made.0.indexes.retain(|name| !is_run(name));
                made.1.extend(small.into_iter().flatten().flatten());
                engine.store.commit(vec![unfilled::put(&made.0)?], Durability::Synced)
            })?;
            // Those too small for a run: behind all runs, so that none of them overlaps what the store flushes.
            let (mut missing, mut batch) = made.into_inner().unwrap_or_else(PoisonError::into_inner);
            missing.indexes.retain(|name| !names.contains(name));
            batch.push(unfilled::put(&missing)?);
            engine.store.commit(batch, Durability::Synced)?;
            engine.board.update(|status| status.filling = None);
            Ok(())
        })
        .await
    }

    /// Makes some indexes of one table from its stored rows. Answers how many those are, and for each index too small for a run its
    /// entries, which are not stored yet.
    fn make_indexes(&self, table: TableId, indexes: &[IndexId]) -> Result<(u64, Vec<Option<Vec<Mutation>>>)> {
        let began = std::time::Instant::now();
        indexes.iter().try_for_each(|index| self.store.clear(Space::Index(*index)))?;
        let sorters = indexes.len().max(1) * rayon::current_num_threads().max(1);
        let bytes_max = (self.options.sort_bytes_max / sorters).max(SORTER_BYTES_MIN);
        let mut sorters: Vec<Sorter> = indexes.iter().map(|_| Sorter::new(&self.options.folder, bytes_max)).collect();
        let row_count = derive::index_entries_of(&self.plan, &*self.store, table, indexes, &mut |place, entry| {
            sorters.get_mut(place).map_or(Ok(()), |sorter| sorter.push(entry, &[]))
        })?;
        let (mut entry_count, mut small) = (0, Vec::with_capacity(indexes.len()));
        for (index, sorter) in indexes.iter().zip(sorters) {
            let (space, count) = (Space::Index(*index), sorter.len());
            entry_count += count as u64;
            let mut entries = sorter.finish()?;
            small.push(if count < self.options.run_rows_min {
                let mut batch = Vec::with_capacity(count);
                while let Some((key, value)) = entries.next()? {
                    batch.push(Mutation { space, key: key.to_vec(), value: Some(value.to_vec()) });
                }
                Some(batch)
            } else {
                self.store.ingest(space, &mut entries)?;
                None
            });
        }
        self.board.took(LoadStep::Index, began.elapsed(), entry_count);
        Ok((row_count, small))
    }
}
