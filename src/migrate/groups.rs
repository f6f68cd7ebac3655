//! Groups that are kept up row by row, each accumulator added up in one go: before the first load, and once for a state that an earlier
//! version or another set of mappings left.
//!
//! What the members contribute is sorted by group, beyond a bound on disk, added up in one pass, and goes into the state as one run. Nothing
//! else may move meanwhile. Which accumulators are being added up is a record of the state; a crash begins those anew.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::backfill::blocking;
use super::indexes::SORTER_BYTES_MIN;
use super::run::Engine;
use super::steps::LoadStep;
use crate::derive::{self, Filling, Mutation, Space};
use crate::error::{Error, Result};
use crate::plan::AccumulatorId;
use crate::source::Source;
use crate::state::{Durability, summed, unfilled};
use crate::target::Target;

impl<S: Source, T: Target> Engine<S, T> {
    /// Adds up the groups where that is not done yet. Nothing moves meanwhile.
    pub(super) async fn fill_accumulators(&self) -> Result<()> {
        let engine = self.clone();
        blocking(move || {
            for id in unfilled::read(&*engine.store)?.accumulators {
                engine.store.clear(Space::Accumulator(id))?;
            }
            loop {
                match derive::filling(&engine.plan, &*engine.store)? {
                    Filling::Done => break,
                    Filling::Clear(space) => engine.store.clear(space)?,
                    Filling::Missing(ids, mutations) => engine.add_up(ids, mutations)?,
                }
            }
            engine.board.update(|status| status.filling = None);
            Ok(())
        })
        .await
    }

    /// Adds up accumulators of which the state has nothing yet, as many at once as there are threads.
    fn add_up(&self, ids: Vec<AccumulatorId>, mut mutations: Vec<Mutation>) -> Result<()> {
        let mut missing = unfilled::read(&*self.store)?;
        missing.accumulators.clone_from(&ids);
        mutations.push(unfilled::put(&missing)?);
        self.store.commit(mutations, Durability::Synced)?;
        let (queue, missing) = (Mutex::new(VecDeque::from(ids)), Mutex::new(missing));
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let work = || {
            while let Some(id) = next() {
                if let Err(error) = self.add_up_one(id) {
                    queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
                    return Err(error);
                }
                let mut missing = missing.lock().unwrap_or_else(PoisonError::into_inner);
                missing.accumulators.retain(|other| *other != id);
                self.store.commit(vec![unfilled::put(&missing)?], Durability::Synced)?;
            }
            Ok(())
        };
        // Not on the pool: a thread of it that waits for its slices would begin another accumulator, with sorters of its own.
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..rayon::current_num_threads()).map(|_| scope.spawn(work)).collect();
            let ended = |thread: std::thread::ScopedJoinHandle<'_, Result<()>>| {
                thread.join().map_err(|_| Error::bug("a thread that adds up groups ended"))?
            };
            threads.into_iter().map(ended).collect::<Vec<_>>().into_iter().collect()
        })
    }

    fn add_up_one(&self, id: AccumulatorId) -> Result<()> {
        let began = Instant::now();
        let sorters = summed::SORTERS * rayon::current_num_threads().max(1);
        let bytes_max = (self.options.sort_bytes_max / sorters).max(SORTER_BYTES_MIN);
        let estimate = derive::fill_estimate(&self.plan);
        let read = |rows| self.board.filled("groups", rows, estimate);
        let row_count = summed::add_up(&self.plan, &*self.store, id, (&self.options.folder, bytes_max), &read)?;
        self.board.took(LoadStep::Group, began.elapsed(), row_count);
        Ok(())
    }
}
