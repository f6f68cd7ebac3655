//! Evolve: what a live state has to be told when mappings come, go or change.

use std::collections::{BTreeMap, BTreeSet};

use super::board::now_us;
use crate::derive::{Arrangements, Mutation};
use crate::error::{Error, Result};
use crate::plan::{IndexId, MappingId, Plan};
use crate::state::numbering::Fresh;
use crate::state::standing::{self, Cause, Standing};
use crate::state::{meta, unfilled};

/// The records that make an engine fill what is new in `plan`: tables and indexes first, then the mappings that were added or whose rebuild was asked
/// for (`changed`) and those that read a new table. Mappings that are `gone` are filled when they come back.
///
/// # Errors
/// `Local` if a record is damaged.
pub fn records(
    store: &dyn Arrangements,
    plan: &Plan,
    fresh: &Fresh,
    changed: &BTreeSet<String>,
    gone: &BTreeSet<String>,
) -> Result<Vec<Mutation>> {
    let Some(progress) = meta::progress(store)? else { return Err(Error::bug("a begun state has no progress record")) };
    let names = plan.names();
    let mut missing = unfilled::read(store)?;
    missing.tables.extend(fresh.tables.iter().filter_map(|id| names.tables.get(id.0 as usize).cloned()));
    // Those of a new table are filled with it.
    let is_over_stored = |id: &&IndexId| {
        let index = plan.indexes.get(id.0 as usize);
        index.is_some_and(|index| !index.over_identity && !fresh.tables.contains(&index.table))
    };
    missing
        .indexes
        .extend(fresh.indexes.iter().filter(is_over_stored).filter_map(|id| names.indexes.get(id.0 as usize).cloned()));
    let mut records = vec![unfilled::put(&missing)?];
    let reads_fresh: BTreeSet<MappingId> = plan
        .nodes
        .iter()
        .filter(|node| plan.tables_of(node).iter().any(|table| fresh.tables.contains(table)))
        .map(|node| node.mapping)
        .collect();
    let mut reasons: BTreeMap<&str, &str> =
        gone.iter().map(|name| (name.as_str(), "no mapping file defined it for a while")).collect();
    for (id, mapping) in (0..).map(MappingId).zip(&plan.mappings) {
        if changed.contains(&mapping.name) {
            reasons.insert(&mapping.name, "it was added, or its rebuild was asked for");
        } else if reads_fresh.contains(&id) {
            reasons.insert(&mapping.name, "a table that it reads is read again");
        }
    }
    for (name, reason) in reasons {
        let before = standing::standing(store, name)?;
        let position = before.map_or_else(|| progress.applied.clone(), |before| before.position);
        let (cause, reason) = (Cause::Filling, reason.to_owned());
        let standing = Standing { cause, reason, hint: None, position, since_us: now_us(), everything: true };
        records.push(standing::put_standing(name, Some(&standing))?);
    }
    Ok(records)
}
