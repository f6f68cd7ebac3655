//! Pacing: into how large ranges a table is cut, and how many rows of one are read at once.
//!
//! A range is what workers share out and a restart finds done; it is large, so that a terabyte has few of them. A read is what the source bears: a
//! short transaction, whose rows grow and shrink with what the reads before it took, and never more bytes than memory has for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::options::EngineOptions;
use crate::schema::{TableId, TableLayout};
use crate::source::{ReadBounds, TableSize};

/// Rows of a range at least, as far as its bytes allow: fewer are not worth a record.
const RANGE_ROWS_MIN: u64 = 5_000;
/// Rows of a range however wide they are.
const RANGE_ROWS_FLOOR: u64 = 64;
/// Into how many ranges a table is cut at least, so that several readers share it and end together.
const RANGES_MIN: u64 = 16;
/// Rows of the first read of a table.
const FIRST_ROWS: u32 = 1_000;
/// Rows below which a read is not made for its time alone: what it costs to begin one would be most of it.
const ROWS_MIN: u32 = 100;

/// About how many rows a range of a table has.
#[must_use]
pub fn range_rows(size: TableSize, options: &EngineOptions) -> u32 {
    let bytes_max = u64::try_from(options.range_bytes_max).unwrap_or(u64::MAX);
    let by_bytes = bytes_max.checked_div(size.row_bytes).unwrap_or(u64::MAX).max(RANGE_ROWS_FLOOR);
    let by_count = match size.row_count {
        0 => u64::MAX,
        count => (count / RANGES_MIN).max(RANGE_ROWS_MIN),
    };
    let rows = by_bytes.min(by_count).min(u64::from(options.range_rows_max));
    u32::try_from(rows).unwrap_or(u32::MAX).max(1)
}

/// How one table is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rhythm {
    /// Rows that a read may have by the time that reads take.
    rows: u32,
    /// Bytes of a row in memory, rather too many; 0 while nothing is known.
    row_bytes: usize,
}

impl Rhythm {
    /// Before the first read.
    fn first(size: TableSize) -> Self {
        Self { rows: FIRST_ROWS, row_bytes: usize::try_from(size.row_bytes).unwrap_or(0) }
    }

    /// What the next read takes at most. Half of the bytes are left for rows that are wider than those before them.
    fn bounds(self, options: &EngineOptions) -> ReadBounds {
        let by_bytes = (options.read_bytes_max / 2).checked_div(self.row_bytes).unwrap_or(usize::MAX);
        let rows_max = self.rows.min(options.read_rows_max).min(u32::try_from(by_bytes).unwrap_or(u32::MAX)).max(1);
        ReadBounds { rows_max, bytes_max: options.read_bytes_max }
    }

    /// A read gave so many rows and bytes in a time that should have been `target`.
    fn took(&mut self, (rows, bytes): (usize, usize), time: Duration, target: Duration) {
        let Some(width) = bytes.checked_div(rows) else { return };
        // Wider rows count at once, thinner ones by and by.
        self.row_bytes = width.max((self.row_bytes / 4) * 3 + width / 4);
        let fitting = rows as f64 * target.as_secs_f64() / time.as_secs_f64().max(1e-6);
        let fitting = if fitting < f64::from(u32::MAX) { fitting as u32 } else { u32::MAX };
        // A read that was short because its range ended says little about how much more there could be: doubling is the most.
        let grown = self.rows.max(fitting.min(self.rows.saturating_mul(2)));
        self.rows = if time > target { fitting.min(self.rows).max(ROWS_MIN) } else { grown };
    }
}

/// How every table is read. Clones share everything.
#[derive(Debug, Clone, Default)]
pub(super) struct Pacing(Arc<Mutex<BTreeMap<TableId, Rhythm>>>);

impl Pacing {
    fn with<R>(&self, change: impl FnOnce(&mut BTreeMap<TableId, Rhythm>) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A table is as large as its source says; to be told before it is read.
    pub(super) fn is_sized(&self, table: TableId, size: TableSize) {
        self.with(|rhythms| rhythms.insert(table, Rhythm::first(size)));
    }

    /// What the next read of a table takes at most.
    pub(super) fn bounds(&self, table: TableId, options: &EngineOptions) -> ReadBounds {
        let rhythm = self.with(|rhythms| rhythms.get(&table).copied());
        rhythm.unwrap_or_else(|| Rhythm::first(TableSize::default())).bounds(options)
    }

    /// A read of a table gave so many rows and bytes of memory in so long. Without versions of rows it holds a lock for that time.
    pub(super) fn took(&self, layout: &TableLayout, given: (usize, usize), time: Duration, options: &EngineOptions) {
        let target = if layout.transactional { options.read_time } else { options.read_time_locked };
        self.with(|rhythms| {
            rhythms.entry(layout.id).or_insert_with(|| Rhythm::first(TableSize::default())).took(given, time, target);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_millis(200);

    fn options() -> EngineOptions {
        EngineOptions::default()
    }

    /// Reads of a source that gives `rate` rows of `width` bytes a second; the bounds of the last one.
    fn settled(rhythm: &mut Rhythm, rate: f64, width: usize, reads: usize) -> ReadBounds {
        let options = options();
        for _ in 0..reads {
            let rows = rhythm.bounds(&options).rows_max as usize;
            rhythm.took((rows, rows * width), Duration::from_secs_f64(rows as f64 / rate), TARGET);
        }
        rhythm.bounds(&options)
    }

    #[test]
    fn reads_grow_and_shrink_to_the_time_that_they_should_take() {
        let mut rhythm = Rhythm::first(TableSize::default());
        assert_eq!(rhythm.bounds(&options()).rows_max, FIRST_ROWS);
        let rows = settled(&mut rhythm, 40_000.0, 100, 8).rows_max;
        assert!((7_900..=8_000).contains(&rows), "{rows}");
        assert_eq!(
            settled(&mut rhythm, 400_000.0, 100, 9).rows_max,
            options().read_rows_max,
            "a fast source is read in bounded pieces"
        );
        let slower = settled(&mut rhythm, 10_000.0, 100, 2).rows_max;
        assert!((1_900..=2_000).contains(&slower), "what takes too long is shortened at once: {slower}");
        assert_eq!(settled(&mut rhythm, 1.0, 100, 5).rows_max, ROWS_MIN);
    }

    #[test]
    fn reads_are_bounded_by_bytes_from_the_first_one_on() {
        let bytes_max = options().read_bytes_max;
        let known = Rhythm::first(TableSize { row_count: 5_000, row_bytes: 60_000 }).bounds(&options());
        assert!(known.rows_max as usize * 60_000 <= bytes_max && known.bytes_max == bytes_max, "{known:?}");
        let mut rhythm = Rhythm::first(TableSize::default());
        rhythm.took((1_000, 100_000), TARGET / 9, TARGET);
        rhythm.took((10, 10 * 60_000), TARGET / 9, TARGET);
        let wide = rhythm.bounds(&options()).rows_max as usize;
        assert!(wide * 60_000 <= bytes_max, "wider rows count at once: {wide}");
        rhythm.took((1, 100), TARGET / 9, TARGET);
        assert!(rhythm.bounds(&options()).rows_max as usize <= 2 * wide, "one thin row is no proof");
        rhythm.took((1, usize::MAX / 2), TARGET / 9, TARGET);
        assert_eq!(rhythm.bounds(&options()).rows_max, 1, "one row is always read");
    }

    #[test]
    fn a_short_read_and_an_empty_one_change_little() {
        let mut rhythm = Rhythm::first(TableSize::default());
        settled(&mut rhythm, 40_000.0, 100, 8);
        let before = rhythm;
        rhythm.took((0, 0), TARGET * 9, TARGET);
        assert_eq!(rhythm, before);
        rhythm.took((10, 1_000), TARGET / 100, TARGET);
        assert_eq!(rhythm.rows, before.rows, "the last rows of a range are no pace");
    }

    #[test]
    fn ranges_are_few_for_large_tables_several_for_medium_ones_and_short_for_wide_rows() {
        let rows = |row_count, row_bytes| range_rows(TableSize { row_count, row_bytes }, &options());
        assert_eq!(rows(8_300_000_000, 40), options().range_rows_max);
        assert!(rows(8_300_000_000, 120) > 50_000, "a terabyte is some hundred thousand records");
        assert_eq!(rows(400_000, 120), 25_000);
        assert_eq!(rows(3, 8_000), 1_048, "what a page holds is no row of a small table");
        assert_eq!(rows(5_000, 60_000), 139);
        assert_eq!(rows(5_000, 16 << 20), 64);
        assert_eq!(rows(0, 0), options().range_rows_max);
    }
}
