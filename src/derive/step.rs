//! The live epoch, the catch-up over chunks and the first copy: what each changes in the state and, when live, in the targets.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::change::{Change, Chunk};
use crate::derive::accumulate::keep_up;
use crate::derive::dirty::{mark_affected, mark_reached, marked, marked_count};
use crate::derive::duty::attributed;
use crate::derive::emit::{Collected, Derived, Part};
use crate::derive::facts;
use crate::derive::keys::{Keys, runs};
use crate::derive::net::{Mode, Net, RowChange, net, stage};
use crate::derive::parallel::mapped;
use crate::derive::reader::Reader;
use crate::derive::shared::Shared;
use crate::derive::stored::{Stored, base_key, decode_base, decoded, table};
use crate::derive::sweep;
use crate::derive::view::View;
use crate::derive::whole::{Reach, reach, visit_all};
use crate::derive::{Arrangements, Duty, Marks, Mutation, Outlets, Sink, Space, Step, StepPart, duty_of};
use crate::error::{Error, Result, ResultExt};
use crate::plan::{MappingId, NodeId, Plan};
use crate::write::WriteBatch;

/// Anchors per slice of a derivation, at least and at most: each slice has a reader of its own, which remembers the rows that
/// many anchors share. What a slice remembers should stay in the cache of a processor: a dozen rows joined to each of 2,048 anchors did not,
/// and took a sixth more time.
const ANCHORS_PER_SLICE: std::ops::RangeInclusive<usize> = 64..=256;

/// Anchors that are compared with their last emissions at once: these are read in one go.
const ANCHORS_KEPT: usize = 64;

/// Anchors whose differences are held at once, before they are collected: at first, as long as nobody knows how wide their rows are, and at most.
const ANCHORS_PER_WINDOW: std::ops::RangeInclusive<usize> = 64..=4_096;

/// Bytes of rows that the slices of an epoch share where nothing else is said.
const SHARED_BYTES: usize = 16 << 20;

/// The rows of so many changes are many small pieces of memory, which another thread gives back.
const DROPPED_ASIDE_MIN: usize = 4_096;

/// Bytes of rows that a window is meant to derive.
const WINDOW_BYTES: usize = 4 << 20;

/// One live epoch whose writes fit in memory and for which every mapping derives: changes in, state mutations and target writes out.
///
/// # Errors
/// As [`step_in_parts`], and what a mapping failed with.
pub fn step(plan: &Plan, store: &dyn Arrangements, changes: &[Change]) -> Result<Step> {
    let mut parts = |_| Err(Error::bug("an unbounded step gave a part"));
    let mut marks = |_| Err(Error::bug("an unbounded step in which every mapping derives gave marks"));
    let outlets = Outlets { parts: &mut parts, marks: &mut marks };
    let step = step_in_parts(plan, store, changes, &[], Bounds::none(), outlets)?;
    step.or_failure()
}

/// What a step holds in memory.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Writes of a target table beyond so many bytes go to the outlet in parts, with the fingerprints that belong to them.
    pub part_bytes_max: usize,
    /// A walk that finds more anchors than this is hot: they are marked and derived some at a time, or later by a sweep.
    pub anchors_max: usize,
    /// Bytes of rows of small tables that are remembered to the end of the epoch; with 0, each slice of anchors reads its own.
    pub shared_bytes_max: usize,
}

impl Bounds {
    /// Everything is held.
    #[must_use]
    pub fn none() -> Self {
        Self { part_bytes_max: usize::MAX, anchors_max: usize::MAX, shared_bytes_max: SHARED_BYTES }
    }
}

/// One live epoch: changes in, state mutations and target writes out; `duties` says what is done for which mapping. What is more than
/// `bounds` goes to the outlets; what is left of it is in the answer.
///
/// # Errors
/// [`crate::error::Class::Person`] if the events contradict the stored rows; whatever an outlet fails with. What is wrong for one mapping
/// alone (a value does not fit its target column, the data breaks a proof) is in [`Step::failures`]. After an error or a failure the parts
/// that were given count for nothing; marks that were given do no harm.
pub fn step_in_parts(
    plan: &Plan,
    store: &dyn Arrangements,
    changes: &[Change],
    duties: &[Duty],
    bounds: Bounds,
    outlets: Outlets<'_>,
) -> Result<Step> {
    let shared = (bounds.shared_bytes_max > 0).then(|| Shared::new(plan, bounds.shared_bytes_max));
    let mut view = View::new(plan, store);
    let net = net(&mut view, changes, Mode::Live)?;
    let (failures, broken) = facts::check(&view, &net, duties)?;
    if !failures.is_empty() {
        return Ok(Step { failures, ..Step::default() });
    }
    keep_up(&mut view, &net)?;
    // Everything is put: what is read now stays as it is to the end of the epoch.
    shared.iter().for_each(|shared| view.share(shared));
    let mut emission = Emission::new(plan, bounds.part_bytes_max, outlets.parts);
    for (mapping, table, id) in target_tables(plan) {
        let done = match duty_of(duties, mapping) {
            Duty::Rest => Ok(()),
            Duty::Mark => mark_affected(&view, id, &net, outlets.marks),
            Duty::Derive => emission.derive_affected(&view, &net, (id, mapping, table), bounds, outlets.marks),
        };
        if let Err(error) = done {
            return Ok(Step { failures: vec![attributed(mapping, error)?], ..Step::default() });
        }
    }
    if changes.len() >= DROPPED_ASIDE_MIN {
        // The other threads have nothing to do until the next epoch.
        rayon::spawn(|| drop(net));
    }
    let mut step = emission.step;
    let mut mutations = view.into_mutations();
    mutations.append(&mut step.mutations);
    Ok(Step { mutations, broken, ..step })
}

/// Every target table: its mapping, its index in it, its node.
pub(crate) fn target_tables(plan: &Plan) -> impl Iterator<Item = (MappingId, u32, NodeId)> {
    (0_u32..).zip(&plan.mappings).flat_map(|(mapping, definition)| {
        (0_u32..).zip(&definition.nodes).map(move |(table, node)| (MappingId(mapping), table, *node))
    })
}

/// The differences of an epoch while they are found, table by table.
pub(crate) struct Emission<'s> {
    plan: &'s Plan,
    part_bytes_max: usize,
    sink: Sink<'s>,
    collected: Collected,
    /// Mutations of fingerprints that belong to `collected`.
    fingerprints: Vec<Mutation>,
    /// Hashes of the keys upserted by parts of this table; two of one key in different parts show only here.
    upserted: Vec<u128>,
    /// No two anchors of this table share a key, so that nothing has to be remembered of those upserted.
    is_apart: bool,
    /// Anchors of the next window.
    window: usize,
    /// Anchors that are to be derived, as far as they were found.
    known: u64,
    /// All of this table are in `known`.
    is_counted: bool,
    /// What is held for the caller.
    pub(crate) step: Step,
}

impl<'s> Emission<'s> {
    pub(crate) fn new(plan: &'s Plan, part_bytes_max: usize, sink: Sink<'s>) -> Self {
        let writes = plan.mappings.iter().map(|_| WriteBatch::default()).collect();
        let step = Step { writes, ..Step::default() };
        Self {
            plan,
            part_bytes_max,
            sink,
            collected: Collected::default(),
            fingerprints: vec![],
            upserted: vec![],
            is_apart: false,
            window: *ANCHORS_PER_WINDOW.start(),
            known: 0,
            is_counted: false,
            step,
        }
    }

    /// So many anchors of the table at hand will be derived, all told.
    pub(crate) fn expect(&mut self, count: u64) {
        self.known += count;
        self.is_counted = true;
    }

    /// Derives anchors and collects what differs from their last emission.
    pub(crate) fn derive(&mut self, view: &View<'_>, part: Part<'_>, anchors: &Keys, at: (MappingId, u32)) -> Result<()> {
        if !self.is_counted {
            self.known += anchors.len() as u64;
        }
        self.is_apart = part.node.anchors_are_apart(view.plan);
        let mut rest = 0..anchors.len();
        while !rest.is_empty() {
            let window = rest.start..rest.end.min(rest.start + self.window);
            let count = window.len();
            (rest.start, self.step.derived) = (window.end, self.step.derived + count as u64);
            let bytes = AtomicUsize::new(0);
            let differences = |derived: Vec<Derived>| {
                bytes.fetch_add(derived.iter().map(Derived::size_bytes).sum(), Ordering::Relaxed);
                part.differences(view, derived)
            };
            for (mutations, writes) in derive_all(view, part, anchors, window, differences)? {
                self.fingerprints.extend(mutations);
                for (key, write) in writes {
                    if !self.collected.add(key, write) {
                        return Err(part.two_rows());
                    }
                }
            }
            self.window = next_window(self.window, count, bytes.into_inner());
            if self.collected.bytes > self.part_bytes_max {
                self.give_part(at)?;
            }
        }
        Ok(())
    }

    /// Derives what the changed rows affect, to the end of the table.
    fn derive_affected(
        &mut self,
        view: &View<'_>,
        net: &Net,
        (id, mapping, table): (NodeId, MappingId, u32),
        bounds: Bounds,
        marks: Marks<'_>,
    ) -> Result<()> {
        let at = (mapping, table);
        for part in parts(self.plan, id)? {
            let Reach { traced, is_whole } = reach(view, part, net, bounds.anchors_max)?;
            if let Some(jobs) = sweep::jobs(view, part, &traced, is_whole, bounds.anchors_max)? {
                self.step.mutations.extend(jobs);
                self.derive(view, part, &traced.anchors, at)?;
            } else if is_whole {
                visit_all(view, part, &traced.anchors, &mut |anchors| self.derive(view, part, anchors, at))?;
            } else if traced.hot.is_empty() {
                self.derive(view, part, &traced.anchors, at)?;
            } else {
                // An anchor that several walks reach must be derived once: the marks of a store have no duplicates.
                mark_reached(view, part, &traced, marks)?;
                self.step.is_marked = true;
                self.expect(marked_count(view.stored(), part)?);
                marked(view.stored(), part, &mut |anchors| self.derive(view, part, anchors, at))?;
                self.is_counted = false;
            }
        }
        self.finish_table(id, at)
    }

    fn give_part(&mut self, (mapping, table): (MappingId, u32)) -> Result<()> {
        let collected = std::mem::take(&mut self.collected);
        if !self.is_apart {
            self.upserted.extend(collected.upserted());
        }
        let fingerprints = std::mem::take(&mut self.fingerprints);
        (self.sink)(StepPart {
            mapping,
            writes: collected.finish(table)?,
            fingerprints,
            progress: (self.step.derived, self.known),
        })
    }

    /// Ends a table: what is left stays with the caller.
    pub(crate) fn finish_table(&mut self, id: NodeId, (mapping, table): (MappingId, u32)) -> Result<()> {
        (self.window, self.is_counted) = (*ANCHORS_PER_WINDOW.start(), false);
        let collected = std::mem::take(&mut self.collected);
        if !self.upserted.is_empty() {
            self.upserted.extend(collected.upserted());
            self.upserted.sort_unstable();
            let is_twice = self.upserted.iter().zip(self.upserted.iter().skip(1)).any(|(left, right)| left == right);
            self.upserted = Vec::new();
            if is_twice {
                let part = parts(self.plan, id)?.into_iter().next();
                return Err(part.map_or_else(|| Error::bug("a target table has no branch"), |part| part.two_rows()));
            }
        }
        self.step.mutations.append(&mut self.fingerprints);
        let writes = collected.finish(table)?;
        let batch = self.step.writes.get_mut(mapping.0 as usize).ok_or_else(|| Error::bug("a mapping is not in the plan"))?;
        if !writes.deletes.is_empty() || !writes.upserts.is_empty() {
            batch.tables.push(writes);
        }
        Ok(())
    }
}

/// How many anchors come next, after a window of `count` that derived so many bytes: as many as [`WINDOW_BYTES`] hold, and not many times
/// more than were seen.
fn next_window(window: usize, count: usize, bytes: usize) -> usize {
    let fitting = WINDOW_BYTES.saturating_mul(count) / bytes.max(1);
    let seen = if count < window { window } else { window.saturating_mul(8) };
    fitting.min(seen).clamp(1, *ANCHORS_PER_WINDOW.end())
}

/// Derives the anchors at `positions` in parallel and gives what `keep` keeps of some at a time, in their order. The derived rows, and the stored rows they were
/// derived from, live no longer than their slice of anchors.
pub(crate) fn derive_all<T: Send>(
    view: &View<'_>,
    part: Part<'_>,
    anchors: &Keys,
    positions: std::ops::Range<usize>,
    keep: impl Fn(Vec<Derived>) -> Result<Vec<T>> + Sync,
) -> Result<Vec<T>> {
    derive_read(view, part, (anchors, None), positions, keep)
}

/// The same for anchors that are rows, and with `read` their stored bytes where those were read with the keys.
pub(crate) fn derive_read<T: Send>(
    view: &View<'_>,
    part: Part<'_>,
    (anchors, read): (&Keys, Option<&Keys>),
    positions: std::ops::Range<usize>,
    keep: impl Fn(Vec<Derived>) -> Result<Vec<T>> + Sync,
) -> Result<Vec<T>> {
    let derive = |slice: std::ops::Range<usize>| {
        let reader = Reader::of(view, part.branch);
        let given =
            read.map(|read| decoded(table(view.plan, part.anchor_table()?)?, part.branch, (anchors, read), slice.clone()));
        let given = given.transpose()?;
        let anchors = anchors.owned(slice);
        let mut known = part.prefetch(&reader, &anchors, given.as_deref())?.into_iter();
        let mut kept = Vec::new();
        for anchors in anchors.chunks(ANCHORS_KEPT) {
            let derive = |anchor: &Vec<u8>| part.derive(&reader, (anchor, given.is_some()), known.next().flatten().as_deref());
            let derived = anchors.iter().map(derive).collect::<Result<Vec<_>>>();
            let derived = derived.context(|| format!("could not derive a row of target table {}", part.node.table.name))?;
            kept.append(&mut keep(derived)?);
        }
        Ok(kept)
    };
    // As many slices for each thread as for the others.
    let per_slice =
        positions.len().div_ceil(2 * rayon::current_num_threads()).clamp(*ANCHORS_PER_SLICE.start(), *ANCHORS_PER_SLICE.end());
    let kept = mapped(runs(positions, per_slice), derive)?;
    Ok(kept.into_iter().flatten().collect())
}

/// The branches of a node.
pub(crate) fn parts(plan: &Plan, id: NodeId) -> Result<Vec<Part<'_>>> {
    let node = plan.nodes.get(id.0 as usize).ok_or_else(|| Error::bug(format!("target table {} is not in the plan", id.0)))?;
    let part = |(number, branch)| Some(Part { id, node, number: u16::try_from(number).ok()?, branch });
    Ok(node.branches.iter().enumerate().filter_map(part).collect())
}

/// Catch-up over chunks: the log's changes to stored rows and indexes, without derivation. Chunks may already show what an event
/// does, so a delete may find nothing and an insert may find its row.
///
/// # Errors
/// [`crate::error::Class::Person`] if a row image lacks columns or a bag's row is taken away that is not there.
pub fn replay(plan: &Plan, store: &dyn Arrangements, changes: &[Change]) -> Result<Vec<Mutation>> {
    let mut view = View::new(plan, store);
    let net = net(&mut view, changes, Mode::CatchUp)?;
    keep_up(&mut view, &net)?;
    Ok(view.into_mutations())
}

/// The first copy of a chunk: stored rows and index entries. Rows that an earlier reading of the chunk stored are replaced.
///
/// # Errors
/// The store failed, or the chunk's rows do not have the layout's columns.
pub fn ingest(plan: &Plan, store: &dyn Arrangements, chunk: &Chunk) -> Result<Vec<Mutation>> {
    let table = table(plan, chunk.table)?;
    let mut rows: BTreeMap<Vec<u8>, Stored> = BTreeMap::new();
    for row in &chunk.rows {
        if row.len() != table.layout.columns.len() {
            return Err(Error::bug(format!(
                "a row of {} has {} columns instead of {}",
                table.layout.name,
                row.len(),
                table.layout.columns.len()
            )));
        }
        let key = base_key(table, row)?;
        let fresh = Stored { key: key.clone(), row: row.clone(), count: 0, unread: 0 };
        let stored = rows.entry(key).or_insert(fresh);
        // Rows of a keyed table that share a key are one row; only a bag counts.
        stored.count = if table.layout.identity.is_none() { stored.count + 1 } else { 1 };
        stored.row = row.clone();
    }
    let mut view = View::new(plan, store);
    let keys: Vec<Vec<u8>> = rows.keys().cloned().collect();
    let before = view.get_many(Space::Base(chunk.table), &keys)?;
    let mut changes = BTreeMap::new();
    for ((key, new), old) in rows.into_iter().zip(before) {
        let old = old.map(|bytes| decode_base(table, key.clone(), &bytes)).transpose()?;
        changes.insert(key, RowChange { old, new: Some(new) });
    }
    let net = Net::from([(chunk.table, changes)]);
    stage(&mut view, &net)?;
    keep_up(&mut view, &net)?;
    Ok(view.into_mutations())
}

impl Step {
    /// The step itself, or what the first mapping failed with.
    ///
    /// # Errors
    /// That.
    pub fn or_failure(mut self) -> Result<Self> {
        match self.failures.pop() {
            Some(failure) => Err(failure.error),
            None => Ok(self),
        }
    }

    /// What one mapping's target receives.
    #[must_use]
    pub fn writes_of(&self, mapping: MappingId) -> Option<&WriteBatch> {
        self.writes.get(mapping.0 as usize)
    }
}

#[cfg(test)]
mod window_tests {
    use super::*;

    #[test]
    fn a_window_of_wide_rows_is_counted_in_bytes_and_one_of_thin_rows_in_anchors() {
        let wide = next_window(64, 64, 64 * 60_000);
        assert!((60..80).contains(&wide), "{wide}");
        assert_eq!(next_window(64, 64, 64 * (16 << 20)), 1, "a row that is larger than a window is a window");
        assert_eq!(next_window(1, 1, 100), 8);
        assert_eq!(
            [(64, 0), (512, 512 * 90), (4_096, 0)].map(|(window, bytes)| next_window(window, window, bytes)),
            [512, 4_096, 4_096]
        );
        assert_eq!(next_window(512, 3, 300), 512, "a few thin rows say little of the next");
    }
}
