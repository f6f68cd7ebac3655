//! Sweeps: changes of hot rows that a mapping has deferred go on between epochs, a slice at a time.
//!
//! A slice is an epoch without events: its writes, its fingerprints and how far it came are one batch, with an outbox entry at the
//! position that the state has. The count of what is left goes with every entry to the checkpoint row of the target.

use super::board::SweepStatus;
use super::epoch::Draft;
use super::run::Engine;
use super::worker::Worker;
use crate::derive::{self, Mutation, Space};
use crate::error::Result;
use crate::plan::{MappingId, NodeId};
use crate::source::Source;
use crate::state::outbox::Mark;
use crate::target::Target;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often a sweep that cannot go on now is looked at.
const LOOK: Duration = Duration::from_millis(100);

impl<S: Source, T: Target> Engine<S, T> {
    /// Counts what an earlier run left.
    pub(super) fn recall_sweeps(&self) -> Result<()> {
        for id in self.mapping_ids() {
            let mut sweeps = 0;
            for node in &self.mapping(id)?.nodes {
                sweeps += derive::sweeps_after(&*self.store, *node, &[])?;
            }
            self.set_sweeps(id, sweeps);
        }
        Ok(())
    }

    /// Remembers how many jobs a mapping has.
    pub(super) fn set_sweeps(&self, id: MappingId, sweeps: u32) {
        let before = self.places.with(id, |place| std::mem::replace(&mut place.sweeps, sweeps));
        let Ok(mapping) = self.mapping(id) else { return };
        match (before, sweeps) {
            (0, 1..) => tracing::info!("mapping {}: a change reaches very many rows; they follow by a sweep", mapping.name),
            (1.., 0) => tracing::info!("mapping {}: the sweep is at its end", mapping.name),
            _ => {}
        }
    }

    /// How many jobs a mapping has once `mutations` are durable.
    pub(super) fn sweeps_after(&self, id: MappingId, mutations: &[Mutation]) -> Result<u32> {
        let before = self.places.with(id, |place| place.sweeps);
        let mut sweeps = 0;
        for node in &self.mapping(id)?.nodes {
            let is_of_node = |mutation: &Mutation| mutation.space == Space::Sweep(*node);
            if before > 0 || mutations.iter().any(is_of_node) {
                sweeps += derive::sweeps_after(&*self.store, *node, mutations)?;
            }
        }
        Ok(sweeps)
    }

    /// Waits until a slice can be derived; for ever if no sweep is under way.
    pub(super) async fn sweep_is_due(&self) {
        let is_under_way = || self.mapping_ids().any(|id| self.places.with(id, |place| place.sweeps) > 0);
        if !is_under_way() {
            std::future::pending::<()>().await;
        }
        while self.swept_next().is_none() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A mapping with a sweep under way that runs, and whose target is not behind.
    fn swept_next(&self) -> Option<MappingId> {
        // Half of what makes a mapping wait for its target: a sweep leaves the rest to changes.
        let bytes_max = self.outbox_share() / 2;
        let can_go_on = |id: &MappingId| {
            let (sweeps, runs) = self.places.with(*id, |place| (place.sweeps, place.standing.is_none()));
            sweeps > 0 && runs && self.outbox_of(*id).load(Ordering::Relaxed) < bytes_max
        };
        self.mapping_ids().find(can_go_on)
    }

    /// Derives a slice of a sweep, if one is under way and can go on.
    pub(super) async fn sweep(&self, worker: &Worker) -> Result<()> {
        let Some(id) = self.swept_next() else { return Ok(()) };
        let engine = self.clone();
        worker.run(move || engine.sweep_slice(id)).await?;
        self.wake.notify_waiters();
        Ok(())
    }

    fn sweep_slice(&self, id: MappingId) -> Result<()> {
        let at = self.places.boundary();
        let progress = self.progress()?;
        if progress.partial.is_some() || self.standing(id).is_some() {
            return Ok(());
        }
        let Some(node) = self.swept_node(id)? else {
            self.set_sweeps(id, 0);
            return Ok(());
        };
        let mut draft = Draft::begin(&*self.store, std::iter::once(id))?;
        let (keys_max, part_bytes_max) = (self.options.sweep_keys_max, self.options.part_bytes_max);
        let mut step = derive::sweep(&self.plan, &*self.store, node, keys_max, part_bytes_max, &mut |part| draft.take(&part))?;
        if let Some(failure) = step.failures.pop() {
            return self.fail(failure, &at);
        }
        let derived = step.derived;
        let mark = Mark { position: progress.applied, committed_at_us: progress.committed_at_us };
        self.commit_step(step, draft, &mark, Vec::new())?;
        let mapping = self.mapping(id)?.name.clone();
        let row_count = self.places.with(id, |place| {
            place.swept = if place.sweeps > 0 { place.swept + derived } else { 0 };
            place.swept
        });
        self.board.update(|status| status.sweep = (row_count > 0).then_some(SweepStatus { mapping, row_count, row_total: 0 }));
        self.look_after_all(&at)
    }

    fn swept_node(&self, id: MappingId) -> Result<Option<NodeId>> {
        for node in &self.mapping(id)?.nodes {
            if derive::sweeps_after(&*self.store, *node, &[])? > 0 {
                return Ok(Some(*node));
            }
        }
        Ok(None)
    }
}
