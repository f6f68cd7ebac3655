//! The live epoch, the catch-up over chunks and the first copy: what each changes in the state and, when live, in the targets.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::change::{Change, Chunk};
use crate::derive::emit::{Collected, Derived, Part};
use crate::derive::keys::Keys;
use crate::derive::net::{Mode, Net, RowChange, net, stage};
use crate::derive::stored::{Stored, base_key, decode_base, table};
use crate::derive::view::{Reader, View};
use crate::derive::walk::affected;
use crate::derive::{Arrangements, Mutation, Space, Step};
use crate::error::{Error, Result, ResultExt};
use crate::plan::{MappingId, NodeId, Plan};
use crate::write::WriteBatch;

/// Anchors per slice of a derivation, at least and at most: each slice has a reader of its own, which remembers the rows that
/// many anchors share.
const ANCHORS_PER_SLICE: std::ops::RangeInclusive<usize> = 64..=1024;

/// One live epoch: changes in, state mutations and target writes out.
///
/// # Errors
/// [`crate::error::Class::Person`] if the events contradict the stored rows, a value does not fit its target column, or the data breaks a proof.
pub fn step(plan: &Plan, store: &dyn Arrangements, changes: &[Change]) -> Result<Step> {
    let mut view = View::new(plan, store);
    let net = net(&mut view, changes, Mode::Live)?;
    let mut derived = 0;
    let mut emitted = Vec::new();
    let mut writes: Vec<WriteBatch> = plan.mappings.iter().map(|_| WriteBatch::default()).collect();
    for (mapping, batch) in plan.mappings.iter().zip(&mut writes) {
        for (position, id) in mapping.nodes.iter().enumerate() {
            let mut collected = Collected::default();
            for part in parts(plan, *id)? {
                derived += part_step(&view, part, &net, &mut emitted, &mut collected)?;
            }
            let table = collected.finish(u32::try_from(position).unwrap_or(u32::MAX))?;
            if !table.deletes.is_empty() || !table.upserts.is_empty() {
                batch.tables.push(table);
            }
        }
    }
    let mut mutations = view.into_mutations();
    mutations.extend(emitted);
    Ok(Step { mutations, writes, derived })
}

fn part_step(view: &View<'_>, part: Part<'_>, net: &Net, emitted: &mut Vec<Mutation>, collected: &mut Collected) -> Result<u64> {
    let anchors = affected(view, part.branch, net)?;
    for difference in derive_all(view, part, &anchors, |derived| part.difference(view, derived))? {
        let (mutations, writes) = difference;
        emitted.extend(mutations);
        for (key, write) in writes {
            if !collected.add(key, write) {
                return Err(part.two_rows());
            }
        }
    }
    Ok(anchors.len() as u64)
}

/// Derives anchors in parallel and gives what `keep` keeps of each, in their order. The derived rows, and the stored rows they were derived
/// from, live no longer than their slice of anchors.
pub(crate) fn derive_all<T: Send>(
    view: &View<'_>,
    part: Part<'_>,
    anchors: &Keys,
    keep: impl Fn(Derived) -> Result<Option<T>> + Sync,
) -> Result<Vec<T>> {
    let derive = |slice| {
        let reader = Reader::new(view);
        let anchors = anchors.owned(slice);
        part.prefetch(&reader, &anchors)?;
        let mut kept = Vec::new();
        for anchor in &anchors {
            let derived = part.derive(&reader, anchor);
            let derived = derived.context(|| format!("could not derive a row of target table {}", part.node.table.name))?;
            kept.extend(keep(derived)?);
        }
        Ok(kept)
    };
    let per_slice =
        (anchors.len() / (2 * rayon::current_num_threads())).clamp(*ANCHORS_PER_SLICE.start(), *ANCHORS_PER_SLICE.end());
    let kept = anchors.slices(per_slice).into_par_iter().map(derive).collect::<Result<Vec<Vec<T>>>>()?;
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
    net(&mut view, changes, Mode::CatchUp)?;
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
        let fresh = Stored { key: key.clone(), row: row.clone(), count: 0 };
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
    stage(&mut view, &Net::from([(chunk.table, changes)]))?;
    Ok(view.into_mutations())
}

impl Step {
    /// What one mapping's target receives.
    #[must_use]
    pub fn writes_of(&self, mapping: MappingId) -> Option<&WriteBatch> {
        self.writes.get(mapping.0 as usize)
    }
}
