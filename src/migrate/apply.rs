//! Apply: outbox entries go to the target in sequence, each target transaction moving the mapping's checkpoint row.
//!
//! The applier commits what is durable and nothing else, so a crash, a restart and the ordinary case are one path. An idle one takes an
//! entry from memory and sends it while the disk takes it in; only COMMIT waits. What the target has is told by its own checkpoint row:
//! after any doubt it is read back.

use std::future::Future;
use std::time::Instant;

use super::backfill::blocking;
use super::merge::merge;
use super::meters::Stage;
use super::outboxes::Watched;
use super::retry::Retry;
use super::run::{Engine, Owned};
use crate::derive::Mutation;
use crate::error::Result;
use crate::plan::MappingId;
use crate::source::Source;
use crate::state::outbox::{self, Pending};
use crate::state::parts::{self, Parts};
use crate::state::{Durability, meta};
use crate::target::gate::Gate;
use crate::target::{Advance, Phase, Target};
use crate::write::{WriteBatch, WriteParts};

/// What one target transaction writes.
pub(super) enum Writes<'w> {
    /// Held in memory.
    Whole(WriteBatch),
    /// The same, to be committed once it is durable here.
    Ahead(WriteBatch, &'w Gate),
    /// Read part by part.
    Parts(&'w dyn WriteParts),
}

impl<S: Source, T: Target> Engine<S, T> {
    /// Applies entries of one mapping in one target transaction; those that are not durable yet come with the gate to wait at.
    pub(super) async fn apply_entries(&self, mapping: &mut Owned, pending: Pending, gate: Option<&Gate>) -> Result<()> {
        let Pending { entries, bytes } = pending;
        let Some(last) = entries.last().map(|entry| (entry.sequence, entry.mark.clone(), entry.sweeps)) else { return Ok(()) };
        let first = mapping.checkpoint.sequence;
        let mut next = mapping.checkpoint.clone();
        next.sequence = last.0;
        next.frontier = self.frontier(&last.1.position);
        next.source_committed_at_us = last.1.committed_at_us;
        next.pending_sweeps = last.2;
        // Every entry makes the tables one prefix, the first after a fill too.
        (next.phase, next.load_cursor) = (Phase::Live, None);
        let advance = Advance { expected_sequence: first, next };
        self.board.meters().applying(mapping.id.0 as usize, last.0);
        let began = Instant::now();
        let mut row_count: u64 = entries.iter().map(|entry| entry.writes.row_count() as u64).sum();
        let mut bytes = bytes;
        let mut removed = Vec::new();
        match entries.first() {
            Some(entry) if !entry.parts.is_empty() => {
                let parts = Parts::new(&*self.store, mapping.id, entry.sequence, &entry.parts);
                if let Some(gate) = gate {
                    gate.passed().await?;
                }
                let parts = Watched::new(&parts, &entry.parts, &self.board, mapping.id);
                self.apply_until_landed(mapping, advance, Writes::Parts(&parts)).await?;
                removed = parts::remove(mapping.id, entry.sequence, entry.parts.len()).collect();
                bytes += entry.parts.iter().map(|part| part.bytes).sum::<u64>();
                row_count = entry.parts.iter().map(|part| part.row_count).sum();
            }
            _ => {
                let writes = merge(entries.into_iter().map(|entry| entry.writes).collect(), &self.tables_of(mapping.id)?);
                let writes = match gate {
                    Some(gate) => Writes::Ahead(writes, gate),
                    None => Writes::Whole(writes),
                };
                self.apply_until_landed(mapping, advance, writes).await?;
            }
        }
        self.board.meters().record(Stage::TargetApply, began.elapsed());
        self.board.meters().visible(mapping.id.0 as usize, last.0);
        if self.spent.add(mapping.id, first + 1..=last.0) || !removed.is_empty() {
            self.take_out(mapping.id, removed).await?;
        }
        self.outbox_shrank(mapping.id, bytes);
        self.board.update(|status| status.write_count += row_count);
        Ok(())
    }

    /// Takes the records of a mapping's applied entries out of the state. The disk may be busy: not on an async thread.
    pub(super) async fn take_out(&self, mapping: MappingId, mut removed: Vec<Mutation>) -> Result<()> {
        removed.extend(self.spent.take_of(mapping));
        let engine = self.clone();
        blocking(move || engine.store.commit(removed, Durability::Buffered)).await
    }

    /// Applies one write, trying again through passing faults; a lost answer is settled by reading the checkpoint back.
    pub(super) async fn apply_until_landed(&self, mapping: &mut Owned, advance: Advance, writes: Writes<'_>) -> Result<()> {
        let tables = self.tables_of(mapping.id)?;
        let target = self.target(mapping.id)?;
        match writes {
            Writes::Whole(batch) => {
                let batch = [(advance.clone(), tables.as_slice(), batch)];
                self.until_landed(mapping, &advance, || target.apply(&batch)).await?;
            }
            Writes::Ahead(batch, gate) => {
                let batch = [(advance.clone(), tables.as_slice(), batch)];
                self.until_landed(mapping, &advance, || target.apply_ahead(&batch, gate)).await?;
            }
            Writes::Parts(parts) => {
                self.until_landed(mapping, &advance, || target.apply_parts(&advance, &tables, parts)).await?;
            }
        }
        mapping.checkpoint = advance.next;
        self.show_checkpoint(mapping);
        Ok(())
    }

    async fn until_landed<F: Future<Output = Result<()>>>(
        &self,
        mapping: &Owned,
        advance: &Advance,
        apply: impl Fn() -> F,
    ) -> Result<()> {
        let mut retry = Retry::new(self.options.retry_for).of_mapping(mapping.id.0 as usize);
        while let Err(error) = apply().await {
            retry.failed(error, &self.board).await?;
            if self.has_landed(mapping, advance).await? {
                break;
            }
        }
        retry.succeeded(&self.board);
        Ok(())
    }

    pub(super) fn show_checkpoint(&self, mapping: &Owned) {
        let checkpoint = &mapping.checkpoint;
        let contained = self.frontier_position(&checkpoint.frontier);
        self.places.with(mapping.id, |place| place.landed = checkpoint.sequence);
        self.board.checkpoint_written(mapping.id.0 as usize, checkpoint.source_committed_at_us, |status| {
            status.phase = checkpoint.phase;
            status.sequence = checkpoint.sequence;
            status.position = contained.clone();
            status.pending_sweeps = checkpoint.pending_sweeps;
        });
        if let Some(position) = contained {
            self.contained.send_modify(|contained| {
                contained.positions.insert(mapping.id, (position, checkpoint.source_committed_at_us));
                match checkpoint.pending_sweeps {
                    0 => contained.sweeping.remove(&mapping.id),
                    _ => contained.sweeping.insert(mapping.id),
                };
                if contained.unreachable.remove(&mapping.id) {
                    self.places.forget(mapping.id);
                }
            });
        }
    }

    /// Checks that the state continues what the target holds; called once per mapping at the start of live.
    pub(super) fn check_outbox(&self, mapping: &Owned) -> Result<()> {
        let last = meta::sequence(&*self.store, mapping.id)?;
        let held = mapping.checkpoint.sequence;
        if held > last {
            return Err(super::start::state_behind(&mapping.name));
        }
        let first = outbox::pending(&*self.store, mapping.id, held, 1)?.entries.first().map(|entry| entry.sequence);
        if held < last && first != Some(held + 1) {
            return Err(super::start::target_behind(&mapping.name));
        }
        Ok(())
    }
}
