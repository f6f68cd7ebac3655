//! Slice pace: how many entries the next slice of a sweep visits.
//!
//! Whoever changes something while a slice is derived waits for its end. So slices are short as long as changes come, by what an entry took in
//! the slices before, and large when nothing else is to be done, because a large one costs less for each of its rows.

use std::time::{Duration, Instant};

/// What a slice should take while changes come.
const AIM: Duration = Duration::from_millis(8);
/// Changes come, if the last one came so long ago at most.
const QUIET: Duration = Duration::from_secs(1);
/// Entries of a first slice beside changes, when nothing has been measured.
const ENTRIES_UNMEASURED: usize = 256;
/// Fewer are not worth a slice.
const ENTRIES_MIN: usize = 32;
/// The share with which a slower slice counts. On a busy machine some slices wait for a processor: they say nothing of the next, and shorter
/// slices would only cost more of them.
const SLOWER: f64 = 0.125;
/// The share with which a faster slice counts.
const FASTER: f64 = 0.5;

/// What the slices of a mapping have taken.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct SlicePace {
    /// Seconds for an entry; `None`: not measured yet.
    entry_s: Option<f64>,
}

impl SlicePace {
    /// A slice has visited so many entries in so long.
    pub(super) fn took(&mut self, entries: usize, time: Duration) {
        let now = time.as_secs_f64() / entries.max(1) as f64;
        let share = |before: f64| if now > before { SLOWER } else { FASTER };
        self.entry_s = Some(self.entry_s.map_or(now, |before| before + (now - before) * share(before)));
    }

    /// How many entries the next slice visits. `beside`: how long the epoch of the last change took; `None` while no changes come. A slice
    /// is not shorter than half of such an epoch: behind a backlog of changes it keeps its share.
    pub(super) fn entries(self, beside: Option<Duration>, entries_max: usize) -> usize {
        let Some(epoch) = beside else { return entries_max };
        let aim = AIM.max(epoch / 2).as_secs_f64();
        let entries = self.entry_s.map_or(ENTRIES_UNMEASURED, |entry_s| (aim / entry_s.max(1e-9)) as usize);
        entries.max(ENTRIES_MIN).min(entries_max)
    }
}

/// The changes beside which a sweep goes on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Changes {
    last: Option<(Instant, Duration)>,
}

impl Changes {
    /// An epoch with changes took so long.
    pub(super) fn came(&mut self, now: Instant, epoch: Duration) {
        self.last = Some((now, epoch));
    }

    /// How long the last such epoch took, as long as changes come.
    pub(super) fn epoch(&self, now: Instant) -> Option<Duration> {
        self.last.filter(|(at, _)| now.saturating_duration_since(*at) < QUIET).map(|(_, epoch)| epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Option<Duration> = Some(Duration::from_millis(1));

    #[test]
    fn slices_are_short_beside_changes_and_large_without() {
        let mut pace = SlicePace::default();
        assert_eq!((pace.entries(None, 4_096), pace.entries(SHORT, 4_096)), (4_096, 256));
        pace.took(4_096, Duration::from_millis(82)); // 20 us each
        assert_eq!((pace.entries(None, 4_096), pace.entries(SHORT, 4_096)), (4_096, 399));
        assert_eq!(pace.entries(SHORT, 1), 1, "never above the bound");
        pace.took(100, Duration::from_millis(10)); // 100 us each
        assert_eq!(pace.entries(SHORT, 4_096), 266, "one slow slice may have waited for a processor");
        (0..30).for_each(|_| pace.took(100, Duration::from_millis(10)));
        assert_eq!(pace.entries(SHORT, 4_096), 81, "many say what an entry takes");
        pace.took(100, Duration::from_millis(2));
        assert_eq!(pace.entries(SHORT, 4_096), 134, "a fast one counts by half");
        pace.took(1, Duration::from_secs(1));
        assert_eq!(pace.entries(SHORT, 4_096), ENTRIES_MIN);
        pace = SlicePace::default();
        pace.took(1_000, Duration::ZERO);
        assert_eq!(pace.entries(SHORT, 4_096), 4_096);
    }

    #[test]
    fn behind_a_backlog_a_slice_takes_half_of_an_epoch() {
        let mut pace = SlicePace::default();
        pace.took(1_000, Duration::from_millis(20));
        assert_eq!(pace.entries(Some(Duration::from_millis(100)), 4_096), 2_500);
        assert_eq!(pace.entries(Some(Duration::from_secs(100)), 4_096), 4_096);
    }

    #[test]
    fn changes_come_until_none_has_come_for_a_second() {
        let (mut changes, start) = (Changes::default(), Instant::now());
        assert_eq!(changes.epoch(start), None);
        changes.came(start, Duration::from_millis(3));
        assert_eq!(changes.epoch(start + Duration::from_millis(999)), Some(Duration::from_millis(3)));
        assert_eq!(changes.epoch(start + QUIET), None);
    }
}
