//! From changed rows to affected anchors: both images of every changed row, through the new state, along the planned hops.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::derive::net::{Net, RowChange};
use crate::derive::stored::{OneRow, Stored, index_key, probe_key};
use crate::derive::view::Reader;
use crate::error::{Error, Result};
use crate::plan::{Anchor, BranchPlan, Walk};
use crate::schema::TableId;
use crate::sql::evaluate::is_true;
use crate::sql::query::AliasId;

/// The keys of all anchors of a branch whose rows may have changed.
pub(crate) fn affected(reader: &Reader<'_>, branch: &BranchPlan, net: &Net) -> Result<BTreeSet<Vec<u8>>> {
    let mut anchors = BTreeSet::new();
    for (alias, walk) in &branch.walks {
        let table = table_of(branch, *alias)?;
        let Some(rows) = net.get(&table) else { continue };
        let mut start: BTreeMap<(Vec<u8>, bool), Arc<Stored>> = BTreeMap::new();
        for (key, change) in rows {
            if touches(walk, *alias, change)? {
                for (is_new, image) in [(false, &change.old), (true, &change.new)] {
                    if let Some(stored) = image {
                        start.insert((key.clone(), is_new), Arc::new(stored.clone()));
                    }
                }
            }
        }
        follow(reader, branch, walk, start.into_values().collect(), &mut anchors)?;
    }
    Ok(anchors)
}

fn table_of(branch: &BranchPlan, alias: AliasId) -> Result<TableId> {
    let definition = branch.branch.aliases.get(alias.0);
    definition.and_then(|definition| definition.table).ok_or_else(|| Error::bug(format!("alias {} is no stored table", alias.0)))
}

/// Whether a change can matter: some image fulfils what contributing rows fulfil, and something the branch reads differs.
fn touches(walk: &Walk, alias: AliasId, change: &RowChange) -> Result<bool> {
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

fn follow(
    reader: &Reader<'_>,
    branch: &BranchPlan,
    walk: &Walk,
    start: Vec<Arc<Stored>>,
    anchors: &mut BTreeSet<Vec<u8>>,
) -> Result<()> {
    let mut rows = start;
    let last = walk.hops.len().checked_sub(1);
    for (position, hop) in walk.hops.iter().enumerate() {
        let index = reader.index(hop.index)?;
        let mut probes = BTreeSet::new();
        for stored in &rows {
            let scope = OneRow { alias: hop.from, values: &stored.row };
            probes.extend(probe_key(index, &hop.probe, &scope)?);
        }
        let mut keys = BTreeSet::new();
        for probe in &probes {
            keys.extend(reader.base_keys(hop.index, probe)?);
        }
        // The root is known by its key alone; only a group key has to be read off the row.
        if Some(position) == last && matches!(branch.anchor, Anchor::Row { .. }) {
            anchors.extend(keys);
            return Ok(());
        }
        let keys: Vec<Vec<u8>> = keys.into_iter().collect();
        rows = reader.rows(index.table, &keys)?;
    }
    for stored in rows {
        match &branch.anchor {
            Anchor::Row { .. } => {
                anchors.insert(stored.key.clone());
            }
            Anchor::Group { index, .. } => anchors.extend(index_key(reader.index(*index)?, &stored.row)?),
        }
    }
    Ok(())
}
