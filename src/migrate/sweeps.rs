//! Sweeps: changes of hot rows that a mapping has deferred go on between epochs, a slice at a time.
//!
//! A slice is an epoch without events: its writes, its fingerprints and how far it came are one batch, with an outbox entry at the
//! position that the state has. The count of what is left goes with every entry to the checkpoint row of the target.

use super::board::SweepStatus;
use super::epoch::Draft;
use super::run::Engine;
use super::worker::Worker;
use crate::derive::{self, Mutation, Reach, Space, Swept};
use crate::error::Result;
use crate::plan::{MappingId, NodeId};
use crate::source::Source;
use crate::state::meta;
use crate::state::outbox::Mark;
use crate::target::Target;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often a sweep that cannot go on now is looked at, besides whenever a target has taken something in.
const LOOK: Duration = Duration::from_millis(100);
/// For each entry that a slice visits, so many are counted until the total is known: long before the end, and at little cost.
const COUNTED_PER_ENTRY: usize = 4;

/// What the sweeps under way of a mapping reach.
#[derive(Debug, Default)]
pub(super) enum Total {
    /// It is to be counted: jobs came that it does not have.
    #[default]
    Due,
    /// It is being counted, behind so many rows that had been derived.
    Counting(Reach, u64),
    /// It is so many rows.
    Known(u64),
    /// It cannot be counted.
    Unknown,
}

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
        let before = self.places.with(id, |place| {
            if sweeps > place.sweeps {
                place.reached = Total::Due;
            }
            std::mem::replace(&mut place.sweeps, sweeps)
        });
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
        let mut landed = self.contained.subscribe();
        while self.swept_next().is_none() {
            let _either = tokio::time::timeout(LOOK, landed.changed()).await;
        }
    }

    /// A mapping with a sweep under way that runs, and whose target is not behind. What a change writes goes to the target behind the slices
    /// that are on their way there: there are never more than two, one that it takes in and one that waits.
    fn swept_next(&self) -> Option<MappingId> {
        // Half of what makes a mapping wait for its target: a sweep leaves the rest to changes.
        let bytes_max = self.outbox_share() / 2;
        let can_go_on = |id: &MappingId| {
            let is_next = self.places.with(*id, |place| {
                let [older, _] = place.slice_ends;
                place.sweeps > 0 && place.standing.is_none() && older <= place.landed
            });
            is_next && self.outbox_of(*id).load(Ordering::Relaxed) < bytes_max
        };
        self.mapping_ids().find(can_go_on)
    }

    /// Derives a slice of a sweep, if one is under way and can go on. `beside`: how long the epoch of the last change took, as long as changes
    /// come.
    pub(super) async fn sweep(&self, worker: &Worker, beside: Option<Duration>) -> Result<()> {
        let Some(id) = self.swept_next() else { return Ok(()) };
        let engine = self.clone();
        worker.run(move || engine.sweep_slice(id, beside)).await?;
        self.wake.notify_waiters();
        Ok(())
    }

    fn sweep_slice(&self, id: MappingId, beside: Option<Duration>) -> Result<()> {
        let at = self.places.boundary();
        let progress = self.progress()?;
        if progress.partial.is_some() || self.standing(id).is_some() {
            return Ok(());
        }
        let Some(node) = self.swept_node(id)? else {
            self.set_sweeps(id, 0);
            self.show_sweep();
            return Ok(());
        };
        let began = Instant::now();
        let entries_max = self.places.with(id, |place| place.pace.entries(beside, self.options.sweep_keys_max));
        self.count_reached(id, entries_max.saturating_mul(COUNTED_PER_ENTRY))?;
        let mut draft = Draft::begin(&*self.store, std::iter::once(id))?;
        let part_bytes_max = self.options.part_bytes_max;
        let swept = derive::sweep(&self.plan, &*self.store, node, entries_max, part_bytes_max, &mut |part| draft.take(&part))?;
        let Swept { mut step, entry_count } = swept;
        if let Some(failure) = step.failures.pop() {
            return self.fail(failure, &at);
        }
        let derived = step.derived;
        let mark = Mark { position: progress.applied, committed_at_us: progress.committed_at_us };
        self.commit_step(step, draft, &mark, Vec::new())?;
        let sequence = meta::sequence(&*self.store, id)?;
        self.places.with(id, |place| {
            place.swept = if place.sweeps > 0 { place.swept + derived } else { 0 };
            let [_, last] = place.slice_ends;
            place.slice_ends = [last, sequence];
            place.pace.took(entry_count, began.elapsed());
        });
        self.show_sweep();
        self.look_after_all(&at)
    }

    /// Counts on what the sweeps of a mapping reach, if that is not known.
    fn count_reached(&self, id: MappingId, entries_max: usize) -> Result<()> {
        let (reached, swept) = self.places.with(id, |place| (std::mem::take(&mut place.reached), place.swept));
        let counting = match reached {
            Total::Due => Reach::of(&self.plan, &*self.store, &self.mapping(id)?.nodes)?.map(|reach| (reach, swept)),
            Total::Counting(reach, swept) => Some((reach, swept)),
            known => {
                self.places.with(id, |place| place.reached = known);
                return Ok(());
            }
        };
        let reached = match counting {
            None => Total::Unknown,
            Some((mut reach, swept)) => match reach.go_on(&self.plan, &*self.store, entries_max)? {
                Some(left) => Total::Known(swept + left),
                None => Total::Counting(reach, swept),
            },
        };
        self.places.with(id, |place| place.reached = reached);
        Ok(())
    }

    /// How far the sweep at hand is; `None`: none is under way.
    pub(super) fn sweep_status(&self) -> Option<SweepStatus> {
        let of = |id: MappingId| {
            let (row_count, row_total) = self.places.with(id, |place| {
                let total = if let Total::Known(total) = place.reached { total.max(place.swept) } else { 0 };
                (place.sweeps > 0 && place.swept > 0).then_some((place.swept, total))
            })?;
            Some(SweepStatus { mapping: self.mapping(id).ok()?.name.clone(), row_count, row_total, left_s: None })
        };
        self.mapping_ids().find_map(of)
    }

    fn show_sweep(&self) {
        let sweep = self.sweep_status();
        self.board.update(|status| status.sweep = sweep);
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
