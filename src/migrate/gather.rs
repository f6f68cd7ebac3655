//! Gather: chunks of a first load become sorted runs of the state.
//!
//! A chunk is too small for a run of its own, and random writes of single rows cost several times a run. So the chunks of a table wait in
//! memory until they fill a run or the table is complete; the run goes into the state whole, and only then the records of its chunks say
//! that they are there. A crash in between reads those chunks again. What the run stored of them then needs no care: a row that
//! is still on the source is replaced, and one that is gone was deleted behind the start of the spool, whose replay deletes it.
//!
//! Chunks come back in about the order in which they were asked for. A run takes those that follow one another, so that runs do
//! not overlap and the store never has to merge them. Tables too small for a run are one batch, behind all runs for the same reason.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::backfill::blocking;
use super::run::Engine;
use super::steps::LoadStep;
use crate::derive::Space;
use crate::error::Result;
use crate::schema::TableId;
use crate::source::Source;
use crate::state::Durability;
use crate::state::meta::{self, ChunkRecord};
use crate::state::sort::Entries;
use crate::target::Target;

/// A chunk that is read and not stored yet.
pub(super) struct Gathered {
    pub(super) record: ChunkRecord,
    pub(super) entries: Entries,
    /// When it was read, by the engine's clock.
    pub(super) at_ms: u64,
}

/// From this age on a chunk waits for no fuller run: a crash must not cost more than that, however slow the source is.
const WAITS_MS: u64 = 2_000;

/// The chunks of one table that are still to come or to be stored.
#[derive(Default)]
struct Waiting {
    /// Chunks that are not stored, in the order in which they are read.
    order: VecDeque<u32>,
    read: BTreeMap<u32, Gathered>,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.read.values().map(|chunk| chunk.entries.size_bytes()).sum()
    }

    /// Whether there is enough for a run, and all that is left of the table is here or some of it waits too long.
    fn is_due(&self, rows_min: usize, now_ms: u64) -> bool {
        let row_count: usize = self.read.values().map(|chunk| chunk.entries.len()).sum();
        let is_late = || self.read.values().any(|chunk| now_ms.saturating_sub(chunk.at_ms) > WAITS_MS);
        !self.read.is_empty() && row_count >= rows_min && (self.order.len() == self.read.len() || is_late())
    }

    /// The chunks for the next run: those that follow one another, unless that is only the lesser part.
    fn take(&mut self) -> Vec<(u32, Gathered)> {
        let bytes = self.bytes();
        let (mut taken, mut taken_bytes) = (Vec::new(), 0);
        while let Some(index) = self.order.front().copied()
            && let Some(chunk) = self.read.remove(&index)
        {
            taken_bytes += chunk.entries.size_bytes();
            taken.push((index, chunk));
            self.order.pop_front();
        }
        if 2 * taken_bytes < bytes {
            taken.extend(std::mem::take(&mut self.read));
            self.order.retain(|index| taken.iter().all(|(taken, _)| taken != index));
        }
        taken
    }
}

/// The chunks of all tables on their way into the state. Clones share everything.
#[derive(Clone, Default)]
pub(super) struct Gather {
    waiting: Arc<Mutex<BTreeMap<TableId, Waiting>>>,
    /// One run is stored at a time; who has the next one waits, and reads nothing meanwhile.
    storing: Arc<tokio::sync::Mutex<()>>,
}

impl Gather {
    fn with<R>(&self, change: impl FnOnce(&mut BTreeMap<TableId, Waiting>) -> R) -> R {
        change(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Chunks of a table that will come, in the order in which they are read.
    pub(super) fn expect(&self, table: TableId, chunks: impl Iterator<Item = u32>) {
        self.with(|waiting| waiting.entry(table).or_default().order.extend(chunks));
    }

    fn add(&self, table: TableId, index: u32, chunk: Gathered) {
        self.with(|waiting| waiting.entry(table).or_default().read.insert(index, chunk));
    }

    /// What is to be stored now: a table that is complete or waits too long and has `rows_min` rows, or the fullest one if more than
    /// `bytes_max` wait.
    fn due(&self, bytes_max: usize, rows_min: usize, now_ms: u64) -> Option<(TableId, Vec<(u32, Gathered)>)> {
        self.with(|waiting| {
            let complete = waiting.iter().find(|(_, table)| table.is_due(rows_min, now_ms));
            let fullest = || waiting.iter().max_by_key(|(_, table)| table.bytes());
            let is_full = || waiting.values().map(Waiting::bytes).sum::<usize>() > bytes_max;
            let table = match complete {
                Some((table, _)) => *table,
                None if is_full() => *fullest()?.0,
                None => return None,
            };
            let chunks = waiting.get_mut(&table)?.take();
            (!chunks.is_empty()).then_some((table, chunks))
        })
    }
}

impl<S: Source, T: Target> Engine<S, T> {
    /// Takes a chunk, and stores what is due.
    pub(super) async fn gather(&self, gather: &Gather, table: TableId, index: u32, chunk: Gathered) -> Result<()> {
        gather.add(table, index, chunk);
        // Half of the budget waits while the other half is stored.
        let bytes_max = self.options.sort_bytes_max / 2;
        loop {
            let _turn = gather.storing.lock().await;
            let Some((table, chunks)) = gather.due(bytes_max, self.options.run_rows_min, self.options.clock.now_ms()) else {
                return Ok(());
            };
            let engine = self.clone();
            blocking(move || engine.store_run(table, chunks)).await?;
        }
    }

    /// Stores what is left when every chunk was taken.
    pub(super) async fn store_rest(&self, gather: &Gather) -> Result<()> {
        let rest = gather.with(std::mem::take);
        let engine = self.clone();
        blocking(move || {
            let (began, mut row_count, mut batch, mut records) = (std::time::Instant::now(), 0, Vec::new(), Vec::new());
            for (table, waiting) in rest {
                for (index, chunk) in waiting.read {
                    row_count += chunk.entries.len() as u64;
                    batch.push(meta::put_chunk(table, index, &chunk.record)?);
                    records.push((table, chunk.record));
                    batch.extend(chunk.entries.into_mutations(Space::Base(table)));
                }
            }
            engine.store.commit(batch, Durability::Synced)?;
            engine.board.took(LoadStep::Store, began.elapsed(), row_count);
            records.iter().for_each(|(table, record)| engine.show_chunk(*table, record));
            Ok(())
        })
        .await
    }

    /// Stores chunks as one run, then says that they are there.
    fn store_run(&self, table: TableId, chunks: Vec<(u32, Gathered)>) -> Result<()> {
        let began = std::time::Instant::now();
        let (mut records, mut shown) = (Vec::with_capacity(chunks.len()), Vec::with_capacity(chunks.len()));
        let mut run = Entries::default();
        for (index, chunk) in chunks {
            records.push(meta::put_chunk(table, index, &chunk.record)?);
            shown.push(chunk.record);
            if run.is_empty() {
                run = chunk.entries;
            } else {
                run.append(&chunk.entries);
            }
        }
        run.sort();
        let row_count = run.len();
        self.store.ingest(Space::Base(table), &mut run)?;
        self.store.commit(records, Durability::Synced)?;
        self.board.took(LoadStep::Store, began.elapsed(), row_count as u64);
        shown.iter().for_each(|record| self.show_chunk(table, record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{BinlogPosition, Position};

    fn chunk(bytes: usize) -> Gathered {
        let high = Position::Binlog(BinlogPosition {
            server: "s".into(),
            file: "binlog.000001".into(),
            offset: 4,
            gtid: String::new(),
            prepared_from: None,
            altered: Vec::new(),
        });
        let mut entries = Entries::default();
        entries.push(&[1], &vec![0; bytes]);
        Gathered { record: ChunkRecord { high, row_count: 1, bytes: 0, exact: false, visibility: None }, entries, at_ms: 100 }
    }

    fn due(gather: &Gather, bytes_max: usize) -> Option<(u32, Vec<u32>)> {
        gather.due(bytes_max, 2, 150).map(|(table, chunks)| (table.0, chunks.into_iter().map(|(index, _)| index).collect()))
    }

    #[test]
    fn a_run_takes_what_follows_one_another_and_a_complete_table_at_once() {
        let gather = Gather::default();
        gather.expect(TableId(0), 0..6);
        gather.expect(TableId(1), [3, 7].into_iter());
        for index in [1, 0, 3] {
            gather.add(TableId(0), index, chunk(1_000));
        }
        assert_eq!(due(&gather, 1 << 20), None, "there is room");
        assert!(gather.due(1 << 20, 4, 100 + WAITS_MS + 1).is_none(), "three rows are too few for a run");
        assert_eq!(due(&gather, 2_000), Some((0, vec![0, 1])), "2 is not there yet");
        gather.add(TableId(1), 7, chunk(10));
        gather.add(TableId(1), 3, chunk(10));
        assert_eq!(due(&gather, 1 << 20), Some((1, vec![3, 7])));
        assert_eq!(due(&gather, 1 << 20), None, "a stored table is not stored again");
        gather.add(TableId(0), 4, chunk(1_000));
        gather.add(TableId(0), 5, chunk(1_000));
        assert_eq!(due(&gather, 2_000), Some((0, vec![3, 4, 5])), "memory is bounded whatever is late");
        gather.expect(TableId(2), 0..3);
        [0, 1].into_iter().for_each(|index| gather.add(TableId(2), index, chunk(10)));
        let late = gather.due(1 << 20, 2, 100 + WAITS_MS + 1).map(|(table, chunks)| (table.0, chunks.len()));
        assert_eq!(late, Some((2, 2)), "what is read of a slow source is stored before the table is complete");
        gather.add(TableId(0), 2, chunk(0));
        assert_eq!(due(&gather, 1 << 20), None, "what is too small for a run waits for the end");
        assert_eq!(due(&gather, 0), Some((0, vec![2])), "or for memory to be short");
        assert_eq!(due(&gather, 0), None);
    }
}
