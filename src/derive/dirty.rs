//! Epochs that do not fit in memory: change the state slice by slice, remember the affected anchors, derive them at the end.
//!
//! Every slice is netted and walked like an epoch of its own, against the state as the slices before left it. The anchors whose rows
//! differ between the state before the first slice and behind the last one differ between two neighbouring states somewhere, so the
//! marks of all slices together cover them. Marks that turn out to be needless cost a derivation and emit nothing.

use std::ops::ControlFlow;

use crate::change::{Change, Operation};
use crate::derive::accumulate::keep_up;
use crate::derive::duty::attributed;
use crate::derive::emit::Part;
use crate::derive::facts;
use crate::derive::keys::Keys;
use crate::derive::net::{Mode, Net, RowChange, net, stage};
use crate::derive::step::{Emission, parts, target_tables};
use crate::derive::stored::{decode_base, table};
use crate::derive::view::View;
use crate::derive::walk::{Reached, visit_pages};
use crate::derive::whole::{Reach, reach, visit_all};
use crate::derive::{Arrangements, Duty, Failure, Marks, Mutation, Sink, Space, Step, duty_of};
use crate::error::Result;
use crate::plan::{MappingId, NodeId, Plan};
use crate::schema::TableId;

/// Marks given away at once, and anchors derived at once.
const ANCHORS_PER_WINDOW: usize = 16_384;
/// Anchors of one walk that are held before they are marked some at a time.
const ANCHORS_HELD: usize = 100_000;

/// How far a call of [`mark`] came.
#[derive(Debug, Default)]
pub struct Marked {
    /// Base and index entries of the slice, to be committed after everything that was given to `marks`.
    pub mutations: Vec<Mutation>,
    /// How many changes are done with it; a TRUNCATE that has rows left is not.
    pub changes_done: usize,
    /// Mappings whose anchors cannot be found. With any, nothing else here counts: the slice is taken again with other duties.
    pub failures: Vec<Failure>,
}

/// Changes the state by the next slice of an epoch and marks the anchors it affects. A slice is the changes up to the next TRUNCATE, or
/// at most `rows_max` rows of a TRUNCATE. For a mapping that derives or marks, by `duties`, marks go to `marks` in pieces of bounded size and must be durable before the slice's own
/// mutations are: then a slice that is lost is marked again, and one that is kept is not lost to the derivation.
///
/// # Errors
/// As [`crate::derive::step`], and whatever `marks` fails with.
pub fn mark(
    plan: &Plan,
    store: &dyn Arrangements,
    changes: &[Change],
    duties: &[Duty],
    rows_max: usize,
    marks: Marks<'_>,
) -> Result<Marked> {
    let mut view = View::new(plan, store);
    let (net, changes_done) = match changes.first() {
        Some(Change { table, operation: Operation::Truncate }) => {
            let (net, is_emptied) = truncate(&mut view, *table, rows_max)?;
            (net, usize::from(is_emptied))
        }
        _ => {
            let is_row = |change: &&Change| change.operation != Operation::Truncate;
            let length = changes.iter().take(rows_max).take_while(is_row).count();
            (net(&mut view, changes.get(..length).unwrap_or_default(), Mode::Live)?, length)
        }
    };
    keep_up(&mut view, &net)?;
    for (mapping, _, id) in target_tables(plan).filter(|(mapping, ..)| duty_of(duties, *mapping) != Duty::Rest) {
        if let Err(error) = mark_affected(&view, id, &net, marks) {
            return Ok(Marked { failures: vec![attributed(mapping, error)?], ..Marked::default() });
        }
    }
    Ok(Marked { mutations: view.into_mutations(), changes_done, failures: Vec::new() })
}

/// Marks the anchors of a target table that changed rows affect.
pub(crate) fn mark_affected(view: &View<'_>, id: NodeId, net: &Net, marks: Marks<'_>) -> Result<()> {
    for part in parts(view.plan, id)? {
        let Reach { traced, is_whole } = reach(view, part, net, ANCHORS_HELD)?;
        match is_whole {
            true => visit_all(view, part, &traced.anchors, &mut |anchors| give_marks(part, anchors, marks))?,
            false => mark_reached(view, part, &traced, marks)?,
        }
    }
    Ok(())
}

/// Marks what walks reach of a branch, in bounded memory.
pub(crate) fn mark_reached(view: &View<'_>, part: Part<'_>, traced: &Reached, marks: Marks<'_>) -> Result<()> {
    give_marks(part, &traced.anchors, marks)?;
    for (place, start) in &traced.hot {
        let Some((alias, walk)) = part.branch.walks.get(*place) else { continue };
        visit_pages(view, part.branch, (*alias, &walk.hops), start, &mut |anchors| give_marks(part, anchors, marks))?;
    }
    Ok(())
}

fn give_marks(part: Part<'_>, anchors: &Keys, marks: Marks<'_>) -> Result<()> {
    for window in anchors.slices(ANCHORS_PER_WINDOW) {
        let mark = |anchor: Vec<u8>| Mutation { space: Space::Dirty(part.id), key: part.prefix(&anchor), value: Some(vec![]) };
        marks(anchors.owned(window).into_iter().map(mark).collect())?;
    }
    Ok(())
}

/// Takes up to `rows_max` rows of a table away; whether none are left.
fn truncate(view: &mut View<'_>, id: TableId, rows_max: usize) -> Result<(Net, bool)> {
    let plan = table(view.plan, id)?;
    let rows_max = rows_max.max(1);
    let mut rows = std::collections::BTreeMap::new();
    view.stored().scan(Space::Base(id), &[], None, &mut |key, bytes| {
        let old = Some(decode_base(plan, key.to_vec(), bytes)?);
        rows.insert(key.to_vec(), RowChange { old, new: None });
        Ok(rows.len() < rows_max)
    })?;
    let is_emptied = rows.len() < rows_max;
    let net = Net::from([(id, rows)]);
    stage(view, &net)?;
    Ok((net, is_emptied))
}

/// Derives all marked anchors of the mappings that derive, by `duties`, from the state as it is. Parts and answer are as those of
/// [`crate::derive::step_in_parts`]; the marks stay, to be cleared once the answer is durable.
///
/// # Errors
/// As [`crate::derive::step_in_parts`].
pub fn derive_dirty(
    plan: &Plan,
    store: &dyn Arrangements,
    duties: &[Duty],
    part_bytes_max: usize,
    sink: Sink<'_>,
) -> Result<Step> {
    let view = View::new(plan, store);
    let derives = |mapping| duty_of(duties, mapping) == Duty::Derive;
    let failures = facts::check_all(&view, &derives)?;
    if !failures.is_empty() {
        return Ok(Step { failures, ..Step::default() });
    }
    let mut emission = Emission::new(plan, part_bytes_max, sink);
    for (mapping, table, id) in target_tables(plan).filter(|(mapping, ..)| derives(*mapping)) {
        if let Err(error) = derive_marked(&view, id, (mapping, table), &mut emission) {
            return Ok(Step { failures: vec![attributed(mapping, error)?], ..Step::default() });
        }
    }
    Ok(emission.step)
}

fn derive_marked(view: &View<'_>, id: NodeId, at: (MappingId, u32), emission: &mut Emission<'_>) -> Result<()> {
    let parts = parts(view.plan, id)?;
    let counts = parts.iter().map(|part| marked_count(view.stored(), *part));
    emission.expect(counts.sum::<Result<u64>>()?);
    for part in parts {
        marked(view.stored(), part, &mut |anchors| emission.derive(view, part, anchors, at))?;
    }
    emission.finish_table(id, at)
}

/// How many anchors of a branch are marked.
pub(crate) fn marked_count(store: &dyn Arrangements, part: Part<'_>) -> Result<u64> {
    let mut count = 0;
    store.scan(Space::Dirty(part.id), &part.prefix(&[]), None, &mut |_, _| {
        count += 1;
        Ok(true)
    })?;
    Ok(count)
}

/// The marked anchors of a branch in order, as many at once as a window holds.
pub(crate) fn marked(store: &dyn Arrangements, part: Part<'_>, visit: &mut dyn FnMut(&Keys) -> Result<()>) -> Result<()> {
    let prefix = part.prefix(&[]);
    let mut after: Option<Vec<u8>> = None;
    loop {
        let mut anchors = Keys::default();
        let mut flow = ControlFlow::Break(());
        store.scan(Space::Dirty(part.id), &prefix, after.as_deref(), &mut |key, _| {
            anchors.push(key.get(prefix.len()..).unwrap_or_default());
            if anchors.len() < ANCHORS_PER_WINDOW {
                return Ok(true);
            }
            flow = ControlFlow::Continue(());
            Ok(false)
        })?;
        after = anchors.iter().last().map(|last| part.prefix(last));
        visit(&anchors)?;
        if flow.is_break() {
            return Ok(());
        }
    }
}
