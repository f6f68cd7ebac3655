//! From changed rows to affected anchors: both images of every changed row, through the new state, along the planned hops.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::derive::keys::Keys;
use crate::derive::net::{Net, RowChange};
use crate::derive::parallel::mapped;
use crate::derive::stored::{OneRow, Stored, index, index_key, probe_key};
use crate::derive::view::{Reader, View};
use crate::error::{Error, Result};
use crate::plan::{Anchor, BranchPlan, Hop, Walk};
use crate::schema::TableId;
use crate::sql::evaluate::is_true;
use crate::sql::query::AliasId;

/// A walk reads this many rows at a time.
const ROWS_PER_SLICE: usize = 5_000;

/// The keys of all anchors of a branch that walks find for the changed rows, sorted.
pub(crate) fn affected(view: &View<'_>, branch: &BranchPlan, net: &Net) -> Result<Keys> {
    let mut anchors = Keys::default();
    for (alias, walk) in branch.walks.iter().filter(|(_, walk)| walk.whole.is_none()) {
        let table = table_of(branch, *alias)?;
        let mut start: Vec<Arc<Stored>> = Vec::new();
        for change in net.get(&table).into_iter().flat_map(BTreeMap::values) {
            if touches(walk, *alias, change)? {
                start.extend([&change.old, &change.new].into_iter().flatten().cloned().map(Arc::new));
            }
            if start.len() >= ROWS_PER_SLICE {
                follow(view, branch, (*alias, walk), &std::mem::take(&mut start), &mut anchors)?;
            }
        }
        if !start.is_empty() {
            follow(view, branch, (*alias, walk), &start, &mut anchors)?;
        }
    }
    anchors.sort();
    Ok(anchors)
}

/// The stored table of an alias.
pub(crate) fn table_of(branch: &BranchPlan, alias: AliasId) -> Result<TableId> {
    let definition = branch.branch.aliases.get(alias.0);
    definition.and_then(|definition| definition.table).ok_or_else(|| Error::bug(format!("alias {} is no stored table", alias.0)))
}

/// Whether a change can matter: some image fulfils what contributing rows fulfil, and something the branch reads differs.
pub(crate) fn touches(walk: &Walk, alias: AliasId, change: &RowChange) -> Result<bool> {
    if let (Some(old), Some(new)) = (&change.old, &change.new) {
        let differs = walk.columns.iter().any(|column| old.row.get(*column) != new.row.get(*column));
        if !differs && old.count == new.count {
            return Ok(false);
        }
    }
    for image in [&change.old, &change.new].into_iter().flatten() {
        if fulfils(walk, alias, image)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn fulfils(walk: &Walk, alias: AliasId, stored: &Stored) -> Result<bool> {
    let scope = OneRow { alias, values: &stored.row };
    for conjunct in &walk.local {
        if !is_true(conjunct, &scope)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Hop by hop over all rows at hand. Between hops only keys are held: rows are read in slices and dropped again.
fn follow(
    view: &View<'_>,
    branch: &BranchPlan,
    (alias, walk): (AliasId, &Walk),
    start: &[Arc<Stored>],
    anchors: &mut Keys,
) -> Result<()> {
    let mut hops = walk.hops.iter();
    let Some(mut hop) = hops.next() else { return anchors_of(view, branch, alias, start, anchors) };
    let mut probes = Keys::default();
    probes_of(view, hop, start, &mut probes)?;
    loop {
        probes.sort();
        let found = found_by(view, hop, &probes)?;
        let next = hops.next();
        // The root is known by its key alone; only a group key has to be read off the row.
        if next.is_none() && matches!(branch.anchor, Anchor::Row { .. }) {
            anchors.append(&found);
            return Ok(());
        }
        let table = index(view.plan, hop.index)?.table;
        let slices = found.slices(ROWS_PER_SLICE);
        let read = |slice| {
            let rows = Reader::new(view).rows(table, &found.owned(slice))?;
            let mut keys = Keys::default();
            match next {
                Some(next) => probes_of(view, next, &rows, &mut keys)?,
                None => anchors_of(view, branch, hop.to, &rows, &mut keys)?,
            }
            keys.sort();
            Ok(keys)
        };
        let read = mapped(slices, read)?;
        probes = Keys::default();
        let into = if next.is_some() { &mut probes } else { &mut *anchors };
        read.iter().for_each(|keys| into.append(keys));
        let Some(next) = next else { return Ok(()) };
        hop = next;
    }
}

/// The base keys that a hop's probes find, sorted.
fn found_by(view: &View<'_>, hop: &Hop, probes: &Keys) -> Result<Keys> {
    let mut found = Keys::default();
    view.base_keys_of(hop.index, probes, &mut |key| found.push(key))?;
    found.sort();
    Ok(found)
}

fn probes_of(view: &View<'_>, hop: &Hop, rows: &[Arc<Stored>], probes: &mut Keys) -> Result<()> {
    let index = index(view.plan, hop.index)?;
    for stored in rows {
        let scope = OneRow { alias: hop.from, values: &stored.row };
        if let Some(probe) = probe_key(index, &hop.probe, &scope)? {
            probes.push(&probe);
        }
    }
    Ok(())
}

/// The anchors that rows of one of their aliases belong to.
fn anchors_of(view: &View<'_>, branch: &BranchPlan, alias: AliasId, rows: &[Arc<Stored>], anchors: &mut Keys) -> Result<()> {
    let member = branch.anchor.members().find(|(member, _)| *member == alias);
    let (_, by) = member.ok_or_else(|| Error::bug(format!("a walk ends at alias {}, which is no anchor", alias.0)))?;
    for stored in rows {
        match by {
            None => anchors.push(&stored.key),
            Some(id) => {
                if let Some(key) = index_key(index(view.plan, id)?, &stored.row)? {
                    anchors.push(&key);
                }
            }
        }
    }
    Ok(())
}
