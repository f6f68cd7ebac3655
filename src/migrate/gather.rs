//! Gather: chunks of a first load become sorted runs of the state.
//!
//! A read is too small for a run of its own, and random writes of single rows cost several times a run. So what is read of a table waits in
//! memory until it fills a run or the table is complete; the run goes into the state whole, and only then the records of its ranges say
//! how far they are there. A crash in between reads those rows again. What the run stored of them then needs no care: a row that
//! is still on the source is replaced, and one that is gone was deleted behind the start of the spool, whose replay deletes it.
//!
//! Several ranges of a table are on their way at once, each from its beginning. A run takes rows that follow one another, so that runs do
//! not overlap and the store never has to merge them. Tables too small for a run are one batch, behind all runs for the same reason.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::backfill::blocking;
use super::run::Engine;
use super::steps::LoadStep;
use crate::change::KeyRange;
use crate::derive::Space;
use crate::error::Result;
use crate::schema::TableId;
use crate::source::Source;
use crate::state::Durability;
use crate::state::meta::ChunkRecord;
use crate::state::pieces;
use crate::state::sort::Entries;
use crate::target::Target;

/// Rows of a range, in the order of its key, that are read and not stored yet.
pub(super) struct Gathered {
    pub(super) record: ChunkRecord,
    /// Those of each read, sorted.
    pub(super) entries: Vec<Entries>,
    /// What of the range is behind them.
    pub(super) rest: Option<KeyRange>,
    /// When the first of them were read, by the engine's clock.
    pub(super) at_ms: u64,
}

impl Gathered {
    fn bytes(&self) -> usize {
        self.entries.iter().map(Entries::size_bytes).sum()
    }

    fn row_count(&self) -> usize {
        self.entries.iter().map(Entries::len).sum()
    }

    /// Takes what follows in the same range.
    fn join(&mut self, next: Self) {
        self.record.join(next.record);
        self.entries.extend(next.entries);
        self.rest = next.rest;
    }
}

/// From this age on rows wait for no fuller run: a crash must not cost more than that, however slow the source is.
const WAITS_MS: u64 = 2_000;

/// The ranges of one table that are still to come or to be stored.
#[derive(Default)]
struct Waiting {
    /// Ranges that are not stored whole.
    missing: BTreeSet<u32>,
    read: BTreeMap<u32, Gathered>,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.read.values().map(Gathered::bytes).sum()
    }

    /// Whether there is enough for a run, and all that is left of the table is here or some of it waits too long.
    fn is_due(&self, rows_min: usize, now_ms: u64) -> bool {
        let row_count: usize = self.read.values().map(Gathered::row_count).sum();
        let is_late = || self.read.values().any(|range| now_ms.saturating_sub(range.at_ms) > WAITS_MS);
        let is_complete = || self.missing.len() == self.read.values().filter(|range| range.rest.is_none()).count();
        !self.read.is_empty() && row_count >= rows_min && (is_complete() || is_late())
    }

    /// The most rows that follow one another: ranges without another one between them, all but the last of them complete.
    fn longest_stretch(&self) -> (Vec<u32>, usize) {
        let (mut longest, mut longest_bytes, mut longest_rows) = (Vec::new(), 0, 0);
        let (mut stretch, mut bytes, mut rows) = (Vec::new(), 0, 0);
        let mut follows = None;
        for (index, range) in &self.read {
            if follows != Some(*index) {
                (stretch, bytes, rows) = (Vec::new(), 0, 0);
            }
            stretch.push(*index);
            bytes += range.bytes();
            rows += range.row_count();
            if bytes >= longest_bytes {
                (longest, longest_bytes, longest_rows) = (stretch.clone(), bytes, rows);
            }
            let next = || self.missing.range(index + 1..).next().copied();
            follows = if range.rest.is_none() { next() } else { None };
        }
        (longest, longest_rows)
    }

    /// What the next run takes: rows that follow one another, unless they are too few for a run.
    fn take(&mut self, rows_min: usize) -> Vec<(u32, Gathered)> {
        let taken: Vec<(u32, Gathered)> = match self.longest_stretch() {
            (stretch, rows) if rows >= rows_min => {
                stretch.into_iter().filter_map(|index| Some((index, self.read.remove(&index)?))).collect()
            }
            _ => std::mem::take(&mut self.read).into_iter().collect(),
        };
        for (index, _) in taken.iter().filter(|(_, range)| range.rest.is_none()) {
            self.missing.remove(index);
        }
        taken
    }
}

/// The rows of all tables on their way into the state. Clones share everything.
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

    /// Ranges of a table that will come.
    pub(super) fn expect(&self, table: TableId, ranges: impl Iterator<Item = u32>) {
        self.with(|waiting| waiting.entry(table).or_default().missing.extend(ranges));
    }

    fn add(&self, table: TableId, index: u32, rows: Gathered) {
        self.with(|waiting| {
            let read = &mut waiting.entry(table).or_default().read;
            match read.get_mut(&index) {
                Some(before) => before.join(rows),
                None => {
                    read.insert(index, rows);
                }
            }
        });
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
            let ranges = waiting.get_mut(&table)?.take(rows_min);
            (!ranges.is_empty()).then_some((table, ranges))
        })
    }
}

impl<S: Source, T: Target> Engine<S, T> {
    /// Takes rows of a range, and stores what is due.
    pub(super) async fn gather(&self, gather: &Gather, table: TableId, index: u32, rows: Gathered) -> Result<()> {
        gather.add(table, index, rows);
        // Half of the budget waits while the other half is stored.
        let bytes_max = self.options.sort_bytes_max / 2;
        loop {
            let _turn = gather.storing.lock().await;
            let Some((table, ranges)) = gather.due(bytes_max, self.options.run_rows_min, self.options.clock.now_ms()) else {
                return Ok(());
            };
            let engine = self.clone();
            blocking(move || engine.store_run(table, ranges)).await?;
        }
    }

    /// Stores what is left when every range was taken.
    pub(super) async fn store_rest(&self, gather: &Gather) -> Result<()> {
        let rest = gather.with(std::mem::take);
        let engine = self.clone();
        blocking(move || {
            let (began, mut row_count, mut batch, mut shown) = (std::time::Instant::now(), 0, Vec::new(), Vec::new());
            for (table, waiting) in rest {
                for (index, range) in waiting.read {
                    row_count += range.row_count() as u64;
                    shown.push((table, range.record.row_count, range.record.bytes, range.rest.is_none()));
                    batch.push(pieces::advance(&*engine.store, (table, index), range.record, range.rest.as_ref())?);
                    batch.extend(range.entries.into_iter().flat_map(|entries| entries.into_mutations(Space::Base(table))));
                }
            }
            engine.store.commit(batch, Durability::Synced)?;
            engine.board.took(LoadStep::Store, began.elapsed(), row_count);
            shown.into_iter().for_each(|shown| engine.show_rows(shown));
            Ok(())
        })
        .await
    }

    /// Stores rows of ranges as one run, then says that they are there.
    fn store_run(&self, table: TableId, ranges: Vec<(u32, Gathered)>) -> Result<()> {
        let began = std::time::Instant::now();
        let (mut records, mut shown) = (Vec::with_capacity(ranges.len()), Vec::with_capacity(ranges.len()));
        let mut run = Entries::default();
        for (index, range) in ranges {
            shown.push((table, range.record.row_count, range.record.bytes, range.rest.is_none()));
            records.push(pieces::advance(&*self.store, (table, index), range.record, range.rest.as_ref())?);
            for entries in range.entries {
                if run.is_empty() {
                    run = entries;
                } else {
                    run.append(&entries);
                }
            }
        }
        run.sort();
        let row_count = run.len();
        self.store.ingest(Space::Base(table), &mut run)?;
        self.store.commit(records, Durability::Synced)?;
        self.board.took(LoadStep::Store, began.elapsed(), row_count as u64);
        shown.into_iter().for_each(|shown| self.show_rows(shown));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{BinlogPosition, Position};
    use crate::value::Value;

    fn chunk(bytes: usize) -> Gathered {
        part(bytes, None)
    }

    fn part(bytes: usize, rest: Option<i64>) -> Gathered {
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
        let record = ChunkRecord { high, row_count: 1, bytes: 0, exact: false, visibility: None };
        let rest = rest.map(|key| KeyRange { after: Some([Value::Int(key)].into()), up_to: None });
        Gathered { record, entries: vec![entries], rest, at_ms: 100 }
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

    #[test]
    fn ranges_on_their_way_are_runs_of_their_own_and_wait_for_their_rest() {
        let gather = Gather::default();
        gather.expect(TableId(0), 0..3);
        for (index, bytes) in [(0, 100), (1, 300), (2, 200), (1, 300), (2, 200), (0, 100)] {
            gather.add(TableId(0), index, part(bytes, Some(7)));
        }
        assert_eq!(due(&gather, 1 << 20), None, "none of them is complete");
        assert_eq!(due(&gather, 0), Some((0, vec![1])), "the one with the most rows behind one another");
        assert_eq!(due(&gather, 0), Some((0, vec![2])));
        gather.add(TableId(0), 0, chunk(100));
        gather.add(TableId(0), 1, part(100, None));
        assert_eq!(due(&gather, 1 << 20), None, "2 is still missing");
        gather.add(TableId(0), 2, part(100, None));
        let (_, ranges) = gather.due(1 << 20, 2, 150).unwrap();
        let counts: Vec<_> = ranges.iter().map(|(index, range)| (*index, range.record.row_count)).collect();
        assert_eq!(counts, [(0, 3), (1, 1), (2, 1)], "the table is complete");
        assert_eq!(due(&gather, 0), None);
    }
}
