//! Outboxes: what waits for targets, counted as it comes and goes and shown at once, and a large entry on its way.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::board::{ApplyingStatus, Board};
use super::run::Engine;
use crate::error::Result;
use crate::plan::MappingId;
use crate::source::Source;
use crate::state::parts::PartRecord;
use crate::target::Target;
use crate::write::{TableWrites, WriteParts};

impl<S: Source, T: Target> Engine<S, T> {
    /// Bytes of entries from which on a mapping only marks what changes.
    pub(super) fn outbox_share(&self) -> u64 {
        self.options.outbox_bytes_max / self.plan.mappings.len().max(1) as u64
    }

    /// So many bytes wait for the target of a mapping, all told.
    pub(super) fn outbox_is(&self, id: MappingId, bytes: u64) {
        self.outbox_of(id).store(bytes, Ordering::Relaxed);
        self.show_outbox(id, bytes, 0);
    }

    /// So many more do.
    pub(super) fn outbox_grew(&self, id: MappingId, bytes: u64) {
        let before = self.outbox_of(id).fetch_add(bytes, Ordering::Relaxed);
        self.show_outbox(id, before.saturating_add(bytes), bytes);
    }

    /// Its target has taken so many.
    pub(super) fn outbox_shrank(&self, id: MappingId, bytes: u64) {
        let less = |held: u64| Some(held.saturating_sub(bytes));
        let before = self.outbox_of(id).fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        self.show_outbox(id, before.map_or(0, |before| before.saturating_sub(bytes)), 0);
    }

    fn show_outbox(&self, id: MappingId, bytes: u64, added: u64) {
        let share = self.outbox_share();
        self.board.update(|status| {
            if let Some(mapping) = status.mappings.get_mut(id.0 as usize) {
                (mapping.outbox_bytes, mapping.outbox_bytes_max) = (bytes, share);
                mapping.outbox_added_bytes = mapping.outbox_added_bytes.saturating_add(added);
            }
            status.outbox_bytes = status.mappings.iter().map(|mapping| mapping.outbox_bytes).sum();
        });
    }
}

/// The parts of an entry, which show how far they were sent. Every part is read twice, for its deletes and for its upserts.
pub(super) struct Watched<'p> {
    parts: &'p dyn WriteParts,
    rows: Vec<u64>,
    reads: AtomicUsize,
    sent: AtomicU64,
    board: &'p Board,
    mapping: MappingId,
}

impl<'p> Watched<'p> {
    pub(super) fn new(parts: &'p dyn WriteParts, records: &[PartRecord], board: &'p Board, mapping: MappingId) -> Self {
        let rows = records.iter().map(|record| record.row_count).collect();
        Self { parts, rows, reads: AtomicUsize::new(0), sent: AtomicU64::new(0), board, mapping }
    }

    fn show(&self, row_count: Option<u64>) {
        let row_total = self.rows.iter().sum();
        self.board.update(|status| {
            if let Some(mapping) = status.mappings.get_mut(self.mapping.0 as usize) {
                mapping.applying = row_count.map(|row_count| ApplyingStatus { row_count, row_total });
            }
        });
    }
}

impl WriteParts for Watched<'_> {
    /// Asked for before anything is read, at each attempt.
    fn tables(&self) -> &[u32] {
        self.reads.store(0, Ordering::Relaxed);
        self.sent.store(0, Ordering::Relaxed);
        self.show(Some(0));
        self.parts.tables()
    }

    fn part(&self, index: usize) -> Result<TableWrites> {
        if self.reads.fetch_add(1, Ordering::Relaxed) >= self.rows.len() {
            // What was asked for before this one is sent.
            let rows = self.rows.get(index).copied().unwrap_or(0);
            self.show(Some(self.sent.fetch_add(rows, Ordering::Relaxed)));
        }
        self.parts.part(index)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.show(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::board::MappingStatus;

    struct Empty([u32; 2]);

    impl WriteParts for Empty {
        fn tables(&self) -> &[u32] {
            &self.0
        }

        fn part(&self, _: usize) -> Result<TableWrites> {
            Ok(TableWrites::default())
        }
    }

    #[test]
    fn a_large_entry_shows_the_rows_that_were_sent_and_begins_again_with_each_attempt() {
        let board = Board::new(vec![], vec![MappingStatus::new("m", vec![])]);
        let records = [70, 30].map(|row_count| PartRecord { table: 0, row_count, bytes: 1 });
        let shown = || board.snapshot().mappings[0].applying.as_ref().map(|at| (at.row_count, at.row_total));
        let watched = Watched::new(&Empty([0; 2]), &records, &board, MappingId(0));
        for _ in 0..2 {
            watched.tables();
            [1, 0, 0].iter().for_each(|index| drop(watched.part(*index).unwrap()));
            assert_eq!(shown(), Some((0, 100)));
            watched.part(1).unwrap();
            assert_eq!(shown(), Some((70, 100)));
        }
        drop(watched);
        assert_eq!(shown(), None);
    }
}
