//! From changed rows to affected anchors: both images of every changed row, through the new state, along the planned hops.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::derive::found::KeyPage;
use crate::derive::keys::Keys;
use crate::derive::net::{Net, RowChange};
use crate::derive::parallel::mapped;
use crate::derive::reader::Reader;
use crate::derive::stored::{OneRow, Stored, index, index_key, probe_key};
use crate::derive::view::View;
use crate::error::{Error, Result};
use crate::plan::{Anchor, BranchPlan, Hop, Walk};
use crate::schema::TableId;
use crate::sql::evaluate::is_true;
use crate::sql::query::AliasId;

/// A walk reads this many rows at a time.
const ROWS_PER_SLICE: usize = 5_000;
/// A walk that is hot finds this many keys at a time.
const KEYS_PER_PAGE: usize = 65_536;

/// What changed rows reach of one branch.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    /// The keys of anchors, sorted.
    pub(crate) anchors: Keys,
    /// Walks of the branch, by their place, that reach more than was asked for, each with the changed rows it begins at. What they reach
    /// is not in `anchors`, or not all of it.
    pub(crate) hot: Vec<(usize, Vec<Arc<Stored>>)>,
}

/// The keys of all anchors of a branch that walks find for the changed rows. A walk that finds more than `anchors_max` of them is hot.
pub(crate) fn reached(view: &View<'_>, branch: &BranchPlan, net: &Net, anchors_max: usize) -> Result<Reached> {
    let walks = branch.walks.iter().enumerate().filter(|(_, (_, walk))| walk.whole.is_none());
    let walked = |(place, (alias, walk)): (usize, &(AliasId, Walk))| {
        let start = starts(branch, net, *alias, walk)?;
        let (mut anchors, mut is_hot) = (Keys::default(), false);
        for rows in start.chunks(ROWS_PER_SLICE) {
            is_hot = is_hot || !follow(view, branch, (*alias, walk), rows, anchors_max, &mut anchors)?;
        }
        Ok((anchors, is_hot.then_some((place, start))))
    };
    let mut reached = Reached::default();
    let row_count: usize = net.values().map(BTreeMap::len).sum();
    let walked: Vec<_> = match row_count < ROWS_PER_SLICE {
        // Other threads would have to be woken for it.
        true => walks.map(walked).collect::<Result<_>>()?,
        false => mapped(walks.collect(), walked)?,
    };
    for (anchors, hot) in walked {
        reached.anchors.append(&anchors);
        reached.hot.extend(hot);
    }
    reached.anchors.sort();
    Ok(reached)
}

/// The keys of all anchors of a branch that walks find for the changed rows, sorted, however many there are.
pub(crate) fn affected(view: &View<'_>, branch: &BranchPlan, net: &Net) -> Result<Keys> {
    Ok(reached(view, branch, net, usize::MAX)?.anchors)
}

/// Both images of the changed rows that a walk begins at.
fn starts(branch: &BranchPlan, net: &Net, alias: AliasId, walk: &Walk) -> Result<Vec<Arc<Stored>>> {
    let mut start = Vec::new();
    for change in net.get(&table_of(branch, alias)?).into_iter().flat_map(BTreeMap::values) {
        if touches(walk, alias, change)? {
            start.extend([&change.old, &change.new].into_iter().flatten().cloned().map(Arc::new));
        }
    }
    Ok(start)
}

/// Visits the anchors that a walk finds from some rows, sorted and some at a time, in bounded memory. An anchor may come several times.
pub(crate) fn visit_pages(
    view: &View<'_>,
    branch: &BranchPlan,
    (alias, hops): (AliasId, &[Hop]),
    start: &[Arc<Stored>],
    visit: &mut dyn FnMut(&Keys) -> Result<()>,
) -> Result<()> {
    let Some((hop, further)) = hops.split_first() else {
        let mut anchors = Keys::default();
        anchors_of(view, branch, alias, start, &mut anchors)?;
        anchors.sort();
        return visit(&anchors);
    };
    let mut probes = Keys::default();
    probes_of(view, hop, start, &mut probes)?;
    probes.sort();
    let table = index(view.plan, hop.index)?.table;
    let mut visit_found = |mut found: Keys| {
        found.sort();
        if further.is_empty() && matches!(branch.anchor, Anchor::Row { .. }) {
            return visit(&found);
        }
        for slice in found.slices(ROWS_PER_SLICE) {
            let rows = Reader::new(view).rows(table, &found.owned(slice))?;
            visit_pages(view, branch, (hop.to, further), &rows, visit)?;
        }
        Ok(())
    };
    let mut found = Keys::default();
    for probe in probes.iter() {
        let mut after = None;
        loop {
            let page = KeyPage { index: hop.index, key: probe, after: after.as_deref(), count_max: KEYS_PER_PAGE };
            after = view.take_page(&page, &mut found)?;
            if found.len() >= KEYS_PER_PAGE {
                visit_found(std::mem::take(&mut found))?;
            }
            if after.is_none() {
                break;
            }
        }
    }
    visit_found(found)
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

/// Hop by hop over all rows at hand. Between hops only keys are held: rows are read in slices and dropped again. `false`: there are more
/// than `keys_max` of them at some hop, and the rest was left.
fn follow(
    view: &View<'_>,
    branch: &BranchPlan,
    (alias, walk): (AliasId, &Walk),
    start: &[Arc<Stored>],
    keys_max: usize,
    anchors: &mut Keys,
) -> Result<bool> {
    let mut hops = walk.hops.iter();
    let Some(mut hop) = hops.next() else { return anchors_of(view, branch, alias, start, anchors).map(|()| true) };
    let mut probes = Keys::default();
    probes_of(view, hop, start, &mut probes)?;
    loop {
        probes.sort();
        let Some(found) = found_by(view, hop, &probes, keys_max)? else { return Ok(false) };
        let next = hops.next();
        // The root is known by its key alone; only a group key has to be read off the row.
        if next.is_none() && matches!(branch.anchor, Anchor::Row { .. }) {
            anchors.append(&found);
            return Ok(true);
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
        let Some(next) = next else { return Ok(true) };
        hop = next;
    }
}

/// The base keys that a hop's probes find, sorted; `None` if there are more than `keys_max`.
fn found_by(view: &View<'_>, hop: &Hop, probes: &Keys, keys_max: usize) -> Result<Option<Keys>> {
    let mut found = Keys::default();
    let is_all = view.base_keys_of(hop.index, probes, &mut |key| {
        found.push(key);
        Ok(found.len() <= keys_max)
    })?;
    found.sort();
    Ok(is_all.then_some(found))
}

pub(crate) fn probes_of(view: &View<'_>, hop: &Hop, rows: &[Arc<Stored>], probes: &mut Keys) -> Result<()> {
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
pub(crate) fn anchors_of(
    view: &View<'_>,
    branch: &BranchPlan,
    alias: AliasId,
    rows: &[Arc<Stored>],
    anchors: &mut Keys,
) -> Result<()> {
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
