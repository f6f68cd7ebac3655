//! Ahead: an epoch's entries are offered to their mappings while the disk still takes them in, so that a target works meanwhile.
//!
//! What is offered is not durable: its COMMIT waits behind a gate that opens when the batch is on disk. Who does not take an offer in time
//! finds the entry in the outbox; an epoch that fails leaves neither.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::plan::MappingId;
use crate::state::outbox::Entry;
use crate::target::gate::{Gate, GateKey, gate};

/// One mapping's entry of the epoch that is becoming durable.
pub(super) struct Offer {
    /// The entry, its writes in memory.
    pub(super) entry: Entry,
    /// Size of its record.
    pub(super) bytes: u64,
    /// Opens when it is durable.
    pub(super) gate: Gate,
}

/// What is on offer. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Ahead(Arc<Mutex<BTreeMap<MappingId, Offer>>>);

/// Entries on offer until this is dropped.
pub(super) struct Offered {
    ahead: Ahead,
    key: Option<GateKey>,
}

impl Ahead {
    /// Offers entries with the sizes of their records.
    pub(super) fn offer(&self, entries: Vec<(MappingId, Entry, u64)>) -> Offered {
        let (key, gate) = gate();
        let offer = |(mapping, entry, bytes)| (mapping, Offer { entry, bytes, gate: gate.clone() });
        self.with(|offers| *offers = entries.into_iter().map(offer).collect());
        Offered { ahead: self.clone(), key: Some(key) }
    }

    /// The entry of a mapping, if it is the one of this sequence; it is taken.
    pub(super) fn take(&self, mapping: MappingId, sequence: u64) -> Option<Offer> {
        self.with(|offers| match offers.get(&mapping).is_some_and(|offer| offer.entry.sequence == sequence) {
            true => offers.remove(&mapping),
            false => None,
        })
    }

    fn with<R>(&self, change: impl FnOnce(&mut BTreeMap<MappingId, Offer>) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Offered {
    /// The entries are on disk: what was taken may be committed, and nothing more is taken.
    pub(super) fn made_durable(mut self) {
        if let Some(key) = self.key.take() {
            key.open();
        }
    }
}

impl Drop for Offered {
    fn drop(&mut self) {
        self.ahead.with(BTreeMap::clear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{BinlogPosition, Position};
    use crate::state::outbox::Mark;
    use crate::write::WriteBatch;

    fn entry(sequence: u64) -> Entry {
        let position = Position::Binlog(BinlogPosition {
            server: "s".into(),
            file: "b.1".into(),
            offset: sequence,
            gtid: String::new(),
            prepared_from: None,
            altered: vec![],
        });
        Entry { sequence, mark: Mark { position, committed_at_us: 0 }, writes: WriteBatch::default(), parts: vec![], sweeps: 0 }
    }

    #[test]
    fn an_offer_is_taken_once_in_its_turn_and_only_while_it_stands() {
        let (ahead, mapping) = (Ahead::default(), MappingId(0));
        let offered = ahead.offer(vec![(mapping, entry(7), 9)]);
        assert!(ahead.take(mapping, 6).is_none() && ahead.take(MappingId(1), 7).is_none());
        let taken = ahead.take(mapping, 7).unwrap();
        assert!(ahead.take(mapping, 7).is_none() && !taken.gate.is_shut());
        offered.made_durable();
        assert!(!taken.gate.is_shut());
        drop(ahead.offer(vec![(mapping, entry(8), 9)]));
        assert!(ahead.take(mapping, 8).is_none(), "the outbox has it, or nobody");
    }

    #[test]
    fn what_does_not_become_durable_is_never_committed() {
        let ahead = Ahead::default();
        let offered = ahead.offer(vec![(MappingId(0), entry(7), 9)]);
        let taken = ahead.take(MappingId(0), 7).unwrap();
        drop(offered);
        assert!(taken.gate.is_shut());
    }
}
