//! Ahead: an epoch's entries are offered to their mappings while the disk still takes them in, so that a target works meanwhile.
//!
//! What is offered is not durable: its COMMIT waits behind a gate that opens when the batch is on disk. Who does not take an offer in time
//! finds the entry in the outbox, which may not be durable either: the gate of the last batch tells when all of it is. A batch that is not written leaves
//! neither.

use std::collections::{BTreeMap, VecDeque};
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

/// What is on offer, and the gate of the last batch. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Ahead(Arc<Mutex<Offers>>);

#[derive(Default)]
struct Offers {
    /// Counts the batches.
    batch: u64,
    /// In the order of their sequences, with the batch each belongs to.
    waiting: BTreeMap<MappingId, VecDeque<(u64, Offer)>>,
    last: Option<Gate>,
}

/// Entries of one batch, on offer until this is dropped.
pub(super) struct Offered {
    ahead: Ahead,
    batch: u64,
    key: Option<GateKey>,
}

impl Ahead {
    /// Offers the entries of a batch with the sizes of their records.
    pub(super) fn offer(&self, entries: Vec<(MappingId, Entry, u64)>) -> Offered {
        let (key, gate) = gate();
        let batch = self.with(|offers| {
            offers.batch += 1;
            offers.last = Some(gate.clone());
            for (mapping, entry, bytes) in entries {
                let offer = Offer { entry, bytes, gate: gate.clone() };
                offers.waiting.entry(mapping).or_default().push_back((offers.batch, offer));
            }
            offers.batch
        });
        Offered { ahead: self.clone(), batch, key: Some(key) }
    }

    /// The entry of a mapping, if it is the one of this sequence; it is taken, and those before it are not offered any more.
    pub(super) fn take(&self, mapping: MappingId, sequence: u64) -> Option<Offer> {
        self.with(|offers| {
            let waiting = offers.waiting.get_mut(&mapping)?;
            while waiting.front().is_some_and(|(_, offer)| offer.entry.sequence < sequence) {
                waiting.pop_front();
            }
            let is_next = waiting.front().is_some_and(|(_, offer)| offer.entry.sequence == sequence);
            is_next.then(|| waiting.pop_front()).flatten().map(|(_, offer)| offer)
        })
    }

    /// The gate behind which all that is committed so far is durable; `None` if it is.
    pub(super) fn gate(&self) -> Option<Gate> {
        self.with(|offers| offers.last.clone()).filter(|gate| !gate.is_open())
    }

    fn with<R>(&self, change: impl FnOnce(&mut Offers) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Offered {
    /// The entries are on disk: what was taken may be committed, and nothing more of them is taken.
    pub(super) fn made_durable(mut self) {
        if let Some(key) = self.key.take() {
            key.open();
        }
    }
}

impl Drop for Offered {
    fn drop(&mut self) {
        let batch = self.batch;
        self.ahead.with(|offers| {
            offers.waiting.values_mut().for_each(|waiting| waiting.retain(|(of, _)| *of != batch));
        });
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
    fn a_batch_is_offered_while_the_one_before_it_becomes_durable() {
        let (ahead, mapping) = (Ahead::default(), MappingId(0));
        let first = ahead.offer(vec![(mapping, entry(7), 9)]);
        let second = ahead.offer(vec![(mapping, entry(8), 9)]);
        assert!(ahead.take(mapping, 7).is_some());
        first.made_durable();
        assert!(ahead.gate().is_some_and(|gate| !gate.is_open()), "what is in the outbox is not all durable");
        assert!(ahead.take(mapping, 8).is_some(), "the end of one batch takes no other one away");
        second.made_durable();
        assert!(ahead.gate().is_none());
        let third = ahead.offer(vec![(mapping, entry(9), 9)]);
        assert!(ahead.take(mapping, 10).is_none() && ahead.take(mapping, 9).is_none(), "the mapping is past it");
        drop(third);
        assert!(ahead.gate().is_some_and(|gate| gate.is_shut()), "it never becomes durable");
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
