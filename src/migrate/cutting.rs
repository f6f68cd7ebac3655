//! Cutting: legacy tables become ranges a little ahead of those who read them.
//!
//! The server finds the ends of ranges by counting through the key, which is a read of its own. So a table is cut a few ranges at a time: reading
//! begins at once, and what was counted is still in the server's memory when it is read. Ranges are durable before they are read, so that a
//! restart knows them by the same numbers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::gather::Gather;
use super::pacing::range_rows;
use super::run::Engine;
use crate::change::KeyRange;
use crate::error::{Error, Result};
use crate::source::Source;
use crate::state::{Durability, pieces};
use crate::target::Target;
use crate::value::Row;

/// How long a worker without work waits for a table that another one cuts.
const CUT_PATIENCE: Duration = Duration::from_millis(2);
/// Ranges that wait to be read, from which on no further ones are cut.
const RANGES_AHEAD: usize = 16;

/// What is missing of a range: the place of its table in the plan, its number, its keys.
pub(super) type Missing = (usize, u32, KeyRange);

/// A table that is not cut whole.
#[derive(Debug, Clone, PartialEq)]
struct Uncut {
    table: usize,
    /// Where it goes on; `None` if nobody has looked at it yet.
    at: Option<Place>,
}

/// How far a table is cut.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    /// Ranges so far.
    count: u32,
    /// The end of the last of them.
    behind: Option<Row>,
    /// Rows of the ranges to come.
    rows: u32,
}

/// What is still to be cut and to be read. Clones share everything.
#[derive(Clone, Default)]
pub(super) struct Cutting(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    tables: VecDeque<Uncut>,
    ranges: VecDeque<Missing>,
    /// Tables that a worker is cutting.
    being_cut: usize,
}

/// What a worker does next.
enum Next {
    Read(Missing),
    Cut(Uncut),
    Wait,
    Done,
}

impl Cutting {
    /// All of some tables is to be read.
    pub(super) fn of(tables: impl Iterator<Item = usize>) -> Self {
        let cutting = Self::default();
        cutting.with(|inner| inner.tables.extend(tables.map(|table| Uncut { table, at: None })));
        cutting
    }

    fn with<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One table is cut while the others read, so that there is always a range to read; only at the beginning all of them cut.
    fn next(&self) -> Next {
        self.with(|inner| {
            if (inner.ranges.is_empty() || (inner.being_cut == 0 && inner.ranges.len() < RANGES_AHEAD))
                && let Some(uncut) = inner.tables.pop_front()
            {
                inner.being_cut += 1;
                return Next::Cut(uncut);
            }
            match inner.ranges.pop_front() {
                Some(missing) => Next::Read(missing),
                None if inner.being_cut > 0 => Next::Wait,
                None => Next::Done,
            }
        })
    }

    /// A table was cut further; it goes on before the others, so that they are read one after the other.
    fn cut(&self, ranges: Vec<Missing>, uncut: Option<Uncut>) {
        self.with(|inner| {
            inner.ranges.extend(ranges);
            uncut.into_iter().for_each(|uncut| inner.tables.push_front(uncut));
            inner.being_cut -= 1;
        });
    }
}

impl<S: Source, T: Target> Engine<S, T> {
    /// Reads ranges, and cuts further ones where few are left, until every table is read.
    pub(super) async fn cut_and_read(&self, cutting: &Cutting, gather: &Gather) -> Result<()> {
        loop {
            match cutting.next() {
                Next::Read((table, index, range)) => self.read_range(table, index, range, Some(gather)).await?,
                Next::Cut(Uncut { table, at }) => {
                    let (missing, at) = match at {
                        None => self.look_at(table).await?,
                        Some(place) => self.cut_further(table, place).await?,
                    };
                    let layout = &self.table(table)?.layout;
                    gather.expect(layout.id, missing.iter().map(|(_, index, _)| *index));
                    cutting.cut(missing, at.map(|at| Uncut { table, at: Some(at) }));
                }
                Next::Wait => tokio::time::sleep(CUT_PATIENCE).await,
                Next::Done => return Ok(()),
            }
        }
    }

    /// What an earlier run cut of a table and did not read, and where cutting goes on, if it does.
    async fn look_at(&self, table: usize) -> Result<(Vec<Missing>, Option<Place>)> {
        let layout = &self.table(table)?.layout;
        self.throttle.calm(&*self.source, layout).await?;
        let size = self.retried(|| self.source.size(layout)).await?;
        self.pacing.is_sized(layout.id, size);
        let (mut done, mut begun, mut shown) = (BTreeSet::new(), BTreeMap::new(), (0, 0));
        pieces::each(&*self.store, layout.id, &mut |index, shows, rest| {
            shown = (shown.0 + shows.row_count, shown.1 + shows.bytes);
            match rest {
                Some(rest) => drop(begun.insert(index, rest)),
                None => drop(done.insert(index)),
            }
        })?;
        let (mut missing, mut count, mut behind) = (Vec::new(), 0, None);
        let is_whole = pieces::each_cut(&*self.store, layout.id, &mut |index, range| {
            (count, behind) = (index + 1, range.up_to.clone());
            if !done.contains(&index) {
                missing.push((table, index, begun.remove(&index).unwrap_or(range)));
            }
        })?;
        self.board.update(|status| {
            if let Some(progress) = status.tables.get_mut(table) {
                progress.chunks_done = u32::try_from(done.len()).unwrap_or(u32::MAX);
                progress.chunks_total = is_whole.then_some(count);
                (progress.row_count, progress.byte_count) = shown;
            }
        });
        let place = Place { count, behind, rows: range_rows(size, &self.options) };
        Ok((missing, (!is_whole).then_some(place)))
    }

    /// The next ranges of a table, and where it goes on behind them, if it does.
    async fn cut_further(&self, table: usize, place: Place) -> Result<(Vec<Missing>, Option<Place>)> {
        let layout = &self.table(table)?.layout;
        self.throttle.calm(&*self.source, layout).await?;
        let Place { count, behind, rows } = place;
        let at_once = self.options.ranges_at_once.max(1);
        let cut = || self.source.ranges_behind(layout, behind.as_ref(), rows, at_once);
        let ranges = self.retried(cut).await?;
        let next = count.checked_add(u32::try_from(ranges.len()).map_err(too_many)?).ok_or_else(|| too_many(()))?;
        let is_whole = ranges.len() < at_once;
        self.store.commit(pieces::put_cut(layout.id, count, &ranges, is_whole), Durability::Synced)?;
        if is_whole {
            self.show_ranges(table, next);
        }
        let behind = ranges.last().and_then(|range| range.up_to.clone());
        let missing = (count..).zip(ranges).map(|(index, range)| (table, index, range)).collect();
        Ok((missing, (!is_whole).then_some(Place { count: next, behind, rows })))
    }
}

fn too_many<E>(_: E) -> Error {
    Error::bug("a table has too many ranges")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range() -> KeyRange {
        KeyRange { after: None, up_to: None }
    }

    fn taken(cutting: &Cutting) -> String {
        match cutting.next() {
            Next::Read((table, index, _)) => format!("read {table}.{index}"),
            Next::Cut(Uncut { table, .. }) => format!("cut {table}"),
            Next::Wait => "wait".to_owned(),
            Next::Done => "done".to_owned(),
        }
    }

    #[test]
    fn a_table_is_cut_a_little_ahead_of_its_readers() {
        let cutting = Cutting::of(0..2);
        let further = |table, count| Some(Uncut { table, at: Some(Place { count, behind: None, rows: 1 }) });
        assert_eq!([taken(&cutting), taken(&cutting), taken(&cutting)], ["cut 0", "cut 1", "wait"]);
        cutting.cut((0..8).map(|index| (0, index, range())).collect(), further(0, 8));
        assert_eq!(taken(&cutting), "read 0.0", "another worker is cutting");
        cutting.cut(vec![(1, 0, range())], None);
        assert_eq!(taken(&cutting), "cut 0", "few are left");
        cutting.cut((8..16).map(|index| (0, index, range())).collect(), further(0, 16));
        assert_eq!(taken(&cutting), "read 0.1", "enough wait to be read");
        assert_eq!(taken(&cutting), "cut 0", "and now there is one less");
        cutting.cut(Vec::new(), None);
        let rest: Vec<String> = (0..15).map(|_| taken(&cutting)).collect();
        assert!(rest.iter().all(|taken| taken.starts_with("read")), "{rest:?}");
        assert_eq!(taken(&cutting), "done");
    }
}
