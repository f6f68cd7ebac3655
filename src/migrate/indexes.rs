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
use crate::derive::{self, Space};
use crate::error::Result;
use crate::plan::IndexId;
use crate::schema::TableId;
use crate::source::Source;
use crate::state::Durability;
use crate::state::sort::Sorter;
use crate::state::unfilled::{self, Unfilled};
use crate::target::Target;

/// A sorter with less memory than this writes files of no useful size.
pub(super) const SORTER_BYTES_MIN: usize = 256 << 10;

impl<S: Source, T: Target> Engine<S, T> {
    /// Records that every index is to be made; once, at the beginning of a first copy.
    pub(super) fn postpone_indexes(&self) -> Result<()> {
        if unfilled::is_recorded(&*self.store)? {
            return Ok(());
        }
        let names = self.plan.names().indexes;
        let indexes = self.plan.indexes.iter().zip(names).filter(|(index, _)| !index.over_identity);
        let unfilled = Unfilled { indexes: indexes.map(|(_, name)| name).collect(), ..Unfilled::default() };
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
            let missing = Mutex::new(missing);
            wanted.into_par_iter().with_max_len(1).try_for_each(|(table, indexes)| {
                let rows = engine.make_indexes(table, &indexes)?;
                engine.board.filled("indexes", rows, estimate);
                let made: Vec<&String> = indexes.iter().filter_map(|id| names.get(id.0 as usize)).collect();
                let mut missing = missing.lock().unwrap_or_else(PoisonError::into_inner);
                missing.indexes.retain(|name| !made.contains(&name));
                engine.store.commit(vec![unfilled::put(&missing)?], Durability::Synced)
            })?;
            engine.board.update(|status| status.filling = None);
            Ok(())
        })
        .await
    }

    /// Makes some indexes of one table from its stored rows; answers how many those are. Each becomes a run, however small: what is
    /// written in batches spreads over the runs of all others when the store flushes it, and is merged with them again and again.
    fn make_indexes(&self, table: TableId, indexes: &[IndexId]) -> Result<u64> {
        let began = std::time::Instant::now();
        indexes.iter().try_for_each(|index| self.store.clear(Space::Index(*index)))?;
        let sorters = indexes.len().max(1) * rayon::current_num_threads().max(1);
        let bytes_max = (self.options.sort_bytes_max / sorters).max(SORTER_BYTES_MIN);
        let mut sorters: Vec<Sorter> = indexes.iter().map(|_| Sorter::new(&self.options.folder, bytes_max)).collect();
        let row_count = derive::index_entries_of(&self.plan, &*self.store, table, indexes, &mut |place, entry| {
            sorters.get_mut(place).map_or(Ok(()), |sorter| sorter.push(entry, &[]))
        })?;
        let mut entry_count = 0;
        for (index, sorter) in indexes.iter().zip(sorters).filter(|(_, sorter)| !sorter.is_empty()) {
            entry_count += sorter.len() as u64;
            self.store.ingest(Space::Index(*index), &mut sorter.finish()?)?;
        }
        self.board.took(LoadStep::Index, began.elapsed(), entry_count);
        Ok(row_count)
    }
}
